--- Sentences without the places of this computer: what is kept and shown to others names files, not folders.
local lfs = require "lfs"

local M = {}

--- As a pattern that is found only as it is written.
local function literally(text)
  return (text:gsub("%p", function(sign) return "%" .. sign end))
end

--- Folders that sentences may name; spaces in them would end a path for the pattern below.
local function known_folders()
  local list = {}
  for _, folder in ipairs { lfs.currentdir() or false, os.getenv "HOME" or false } do
    list[#list + 1] = folder and #folder > 1 and folder or nil
  end
  table.sort(list, function(a, b) return #a > #b end)
  return list
end

--- A text whose absolute paths are names of files: "/home/kim/lab/mine.lua:7: ..." becomes "mine.lua:7: ...".
--- A device's name stays whole: "/dev/pts/3" becomes "pts/3"; the files in /dev/shm are no devices.
---@param text string
---@param folders string[]? more folders that may be named, also with spaces; itself it becomes its name
---@return string
function M.without(text, folders)
  if not text:find("/", 1, true) then
    return text
  end
  for _, folder in ipairs(folders or {}) do
    local whole = (folder:find("^/") and "%f[/]" or "%f[^\0%s\"'(]") .. literally((folder:gsub("/$", "")))
    local name = folder:match("([^/]+)/?$") or ""
    text = text:gsub(whole .. "/", ""):gsub(whole .. "%f[^%w_%-]", function() return name end)
  end
  for _, folder in ipairs(known_folders()) do
    text = text:gsub("%f[/]" .. literally((folder:gsub("/$", ""))) .. "/", "")
  end
  return (("\n" .. text):gsub("([%s\"'(=,:<>|])(/[^%s\"'(),:;<>|/][^%s\"'(),:;<>|]*)", function(before, path)
    local device = not path:find("^/dev/shm/") and path:match("^/dev/(.+)$")
    return before .. (device or path:match("^/.*/([^/]+)/?$") or path)
  end):sub(2))
end

--- A copy of data with all its texts as without() makes them.
---@param value any
---@param folders string[]?
---@return any
function M.without_all(value, folders)
  if type(value) == "string" then
    return M.without(value, folders)
  elseif type(value) ~= "table" then
    return value
  end
  local copy = {}
  for key, each in pairs(value) do
    copy[key] = M.without_all(each, folders)
  end
  return copy
end

return M
