--- The folders in the folder of a run on several devices: one each, with what its sending thread and its
--- simulator left.
local lfs = require "lfs"

local M = {}

local marks = { "flight.bin", "twin.tsv" }

--- Their names, in the order of the alphabet.
---@param folder string of a run
---@return string[] empty: the run had one device, or there is no folder
function M.of(folder)
  local list = {}
  if lfs.symlinkattributes(folder, "mode") ~= "directory" then
    return list
  end
  for name in lfs.dir(folder) do
    local path = folder .. "/" .. name
    local may_be = name:find("^[%w_%-]+$") and name ~= "sources"
    if may_be and lfs.symlinkattributes(path, "mode") == "directory" then
      for _, mark in ipairs(marks) do
        if list[#list] ~= name and lfs.symlinkattributes(path .. "/" .. mark, "mode") then
          list[#list + 1] = name
        end
      end
    end
  end
  table.sort(list)
  return list
end

return M
