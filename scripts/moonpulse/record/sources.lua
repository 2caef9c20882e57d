--- sources/ of a run's folder: the protocol's or the experiment's text and every file that it or the run
--- read, byte for byte as they were read, so that another lab can look at them and run them again.
local core = require "moonpulse.core"
local files = require "moonpulse.record.file"
local lfs = require "lfs"
local sha256 = require "moonpulse.text.sha256"

local M = {}

---@class moonpulse.Sources
---@field folder string sources/ of the run; made when there is something to keep
---@field too_long table<string, boolean> paths of what was too long to be kept
---@field list { file: string, role: string, as: string?, sha256: string }[] in the order of keeping
---@field taken table<string, boolean> names, in small letters
---@field kept table<string, string> bytes by role and path
local Sources = {}
Sources.__index = Sources

local longest_name = 120 -- bytes

--- The base name of a path as a file of ours may be called, in a folder and in a list of checksums.
local function base_name(path)
  local name = path:match("([^/]*)/*$"):gsub("[%c\\\"'`$%s]", "_"):gsub("^%.+", "")
  if not utf8.len(name) then
    name = name:gsub("[\128-\255]", "_")
  end
  if #name > longest_name then
    local ending = name:match("%.%w+$") or ""
    name = name:sub(1, (utf8.offset(name, 0, longest_name - #ending) or 1) - 1) .. ending
  end
  return name ~= "" and name or "file"
end

--- A name that no other file has, also on a disk that does not tell capitals from small letters.
local function free_name(self, path)
  local name = base_name(path)
  local stem, ending = name:match("^(.+)(%.[^.]*)$")
  stem, ending = stem or name, ending or ""
  local found, count = name, 1
  while self.taken[found:lower()] do
    count = count + 1
    found = ("%s_%d%s"):format(stem, count, ending)
  end
  self.taken[found:lower()] = true
  return found
end

--- The folder's sources, still without any.
---@param folder string of the run
---@return moonpulse.Sources
function M.new(folder)
  return setmetatable({ folder = folder .. "/sources", list = {}, taken = {}, kept = {}, too_long = {} },
    Sources)
end

--- Write a file, whole or not at all. What it does to a full disk: nothing is left of it.
---@param path string
---@param bytes string
---@return boolean? ok
---@return string? message
function M.write(path, bytes)
  local ok, message = files.put(path, bytes)
  return ok, not ok and ("%s: %s"):format(path, message) or nil
end

--- Keep a file; one that is kept already, for whatever it is, once.
---@param role string what the run had it for: "protocol", "module", ...
---@param path string where it was
---@param bytes string what was read
---@param as string? how a script asked for it; a path of this computer is not kept
---@return boolean? ok
---@return string? message what the disk says
function Sources:keep(role, path, bytes, as)
  local key = role .. "\0" .. path
  if self.kept[key] == bytes then
    return true
  end
  local folder = self.folder:match("^(.*)/")
  if not lfs.symlinkattributes(self.folder, "mode") then
    local is_shared = (lfs.attributes(folder, "permissions") or ""):sub(6, 6) ~= "-"
    local made, message = core.make_folder(self.folder, is_shared)
    if not made then
      return nil, message
    end
  end
  local name = free_name(self, path)
  local ok, message = M.write(self.folder .. "/" .. name, bytes)
  if not ok then
    self.taken[name:lower()] = nil
    return nil, message
  end
  self.kept[key] = bytes
  self.list[#self.list + 1] = { file = "sources/" .. name, role = role,
    as = as and as:sub(1, 1) ~= "/" and as or nil, sha256 = sha256.of(bytes) }
  return true
end

return M
