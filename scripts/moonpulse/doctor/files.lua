--- Reads the system's files under a root: "" for this host, a folder for a faked one.
local lfs = require "lfs"

local M = {}

---@class moonpulse.doctor.Files
local Files = {}
Files.__index = Files

--- The files of a host, below root: "" is this one, another folder a faked one.
---@param root string
---@return moonpulse.doctor.Files
function M.new(root)
  return setmetatable({ root = (root:gsub("/+$", "")) }, Files)
end

--- The text of a file without the line end after it; nil when it cannot be read.
---@param path string absolute on that host
---@return string?
function Files:text(path)
  local file = io.open(self.root .. path, "r")
  local text = file and file:read("a") -- a folder opens but does not read
  if file then
    file:close()
  end
  return text and (text:gsub("%s+$", ""))
end

--- The names in a folder, sorted; nil when it is not there or may not be read.
---@param path string
---@return string[]?
function Files:list(path)
  local names = {}
  local ok = pcall(function()
    for name in lfs.dir(self.root .. path) do
      if name ~= "." and name ~= ".." then
        names[#names + 1] = name
      end
    end
  end)
  table.sort(names)
  return ok and names or nil
end

--- What lfs.attributes says of the file, links followed; nil when there is none.
---@param path string
---@return table?
function Files:attributes(path)
  return (lfs.attributes(self.root .. path))
end

--- Where a symbolic link points to, as written; nil when it is none.
---@param path string
---@return string?
function Files:link(path)
  return (lfs.symlinkattributes(self.root .. path, "target"))
end

local function joined(folder, target)
  local parts = {}
  for part in (target:sub(1, 1) == "/" and target or folder .. "/" .. target):gmatch("[^/]+") do
    if part == ".." then
      parts[#parts] = nil
    elseif part ~= "." then
      parts[#parts + 1] = part
    end
  end
  return "/" .. table.concat(parts, "/")
end

--- The path that a chain of links ends at: /dev/serial/by-id/usb-... becomes /dev/ttyUSB0.
---@param path string
---@return string
function Files:resolve(path)
  for _ = 1, 8 do
    local target = self:link(path)
    if not target then
      break
    end
    path = joined(path:match("^(.*)/[^/]*$"), target)
  end
  return path
end

return M
