--- Files of a folder that somebody else may have made, opened for who reads them part by part: never a pipe,
--- a device or a link, which is waited for or leads anywhere, and nothing without end. A text that is short
--- enough to be read at once is read by core.read_file.
local lfs = require "lfs"

local M = {}

local large = 256 * 1024 * 1024
local most_bytes = 1 << 36 -- no run writes so much

local kinds = { ["named pipe"] = "a pipe", ["block device"] = "a device", ["char device"] = "a device",
  socket = "a socket", link = "a link", directory = "a folder" }

--- What lies in the place of a file, in a word; nil: a file does, or nothing.
---@param path string
---@return string? kind
function M.instead(path)
  local mode = lfs.symlinkattributes(path, "mode")
  return mode and mode ~= "file" and (kinds[mode] or "no file") or nil
end

--- Nearly all of it was never written: reading a terabyte of nothing takes minutes.
local function is_hole(found)
  return found.size > large and (found.blocks or found.size) * 512 < found.size / 64
end

--- Can it be read to its end? What is no regular file cannot, nor one of more than 64 GiB, nor one in which
--- nearly nothing is.
---@param path string
---@return boolean? ok
---@return string? message
function M.check(path)
  local found, message = lfs.symlinkattributes(path)
  if not found then
    return nil, message
  elseif found.mode ~= "file" then
    return nil, path .. ": it is no file but something else in its place"
  elseif is_hole(found) then
    return nil, path .. ": nearly all of its bytes were never written"
  elseif found.size > most_bytes then
    return nil, path .. ": it is larger than 64 GiB, as no file of a run is: move it away"
  end
  return true
end

--- Open it for reading, if it can be read to its end.
---@param path string
---@return file*?
---@return string? message
function M.open(path)
  local ok, message = M.check(path)
  if not ok then
    return nil, message
  end
  return io.open(path, "rb")
end

return M
