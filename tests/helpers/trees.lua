--- Folders with all that is in them, as sh's rm -rf and cp -r have them, without a program for each: for the
--- specs that need hundreds.
local lfs = require "lfs"
local shell = require "shell"

local M = {}

--- The names in a folder, without "." and "..".
local function names_in(folder)
  local names = {}
  for name in lfs.dir(folder) do
    names[#names + 1] = name ~= "." and name ~= ".." and name or nil
  end
  return names
end

--- Remove what lies at a path, whatever it is; what is not there needs no removing. A link's target stays.
---@param path string
function M.remove(path)
  local mode = lfs.symlinkattributes(path, "mode")
  if mode == "directory" then
    for _, name in ipairs(names_in(path)) do
      M.remove(path .. "/" .. name)
    end
  end
  assert(not mode or os.remove(path))
end

--- A copy of a folder that has folders and files only.
---@param from string
---@param to string where nothing lies
function M.copy(from, to)
  assert(lfs.mkdir(to))
  for _, name in ipairs(names_in(from)) do
    local source, target = from .. "/" .. name, to .. "/" .. name
    local mode = lfs.symlinkattributes(source, "mode")
    if mode == "directory" then
      M.copy(source, target)
    else
      assert(mode == "file", source)
      shell.write(target, assert(shell.read(source)))
    end
  end
end

return M
