--- Files that a user names and somebody wrote: also from a pipe, never a folder, never without end.
local bytes_read = require "moonpulse.text.bytes_read"
local lfs = require "lfs"

local M = {}

local most = 64000000 -- bytes; what people write is much shorter

local function too_long(path, bytes, name)
  return ("%s has more than %d bytes, the most that a %s has"):format(path, bytes, name)
end

--- The text of a file, or of a pipe, that a user named. A folder, or more bytes than its kind has, is
--- refused.
---@param path string
---@param kind { bytes: integer, name: string }? how long a file of its kind may be; a text, 64 MB
---@return string? text
---@return string? message
function M.read(path, kind)
  local bytes, name = kind and kind.bytes or most, kind and kind.name or "text"
  local file, message = io.open(path, "rb")
  if not file then
    return nil, "cannot open " .. message
  end
  local found = lfs.attributes(path) or {}
  if found.mode == "file" and found.size > bytes then -- nothing of it is read: it may be a terabyte of holes
    file:close()
    return nil, too_long(path, bytes, name)
  end
  local text, why = file:read(bytes + 1)
  file:close()
  if text == nil and why then -- of a folder the system says it only here
    local folder = lfs.attributes(path, "mode") == "directory"
    return nil, ("cannot read %s: %s"):format(path, folder and "it is a folder" or why)
  elseif text and #text > bytes then
    return nil, too_long(path, bytes, name)
  end
  bytes_read.note(path, text or "")
  return text or ""
end

--- The same, line by line; without the mark that some editors put before a text (U+FEFF).
---@param path string
---@return string[]? lines
---@return string? message
function M.lines(path)
  local text, message = M.read(path)
  if not text then
    return nil, message
  end
  text = text:gsub("^\xEF\xBB\xBF", "")
  local list = {}
  for line in (text == "" and "" or text:gsub("\n$", "") .. "\n"):gmatch("([^\n]*)\n") do
    list[#list + 1] = line
  end
  return list
end

return M
