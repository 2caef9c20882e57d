--- Files that a protocol names: another protocol (mp.sham), a table of onsets (mp.from_table). Each is looked
--- up beside the protocol's own file first, then in the current folder; where a run is made again, in its
--- record alone.
local blame = require "moonpulse.text.author_line"
local building = require "moonpulse.compose.context"
local catalogue = require "moonpulse.protocol.catalogue"
local lfs = require "lfs"

local M = {}

local kept -- by how they were named: the files of a record whose plan is made again

--- From now on the files that protocols name are those that a record keeps, and nothing else is looked for.
---@param files table<string, string|false>? paths by how they were named; false: by two files; nil: as ever
---@return table<string, string|false>? before what held until now
function M.keep_to(files)
  local before = kept
  kept = files
  catalogue.keep_to_record(files ~= nil)
  return before
end

--- Are only files of a record looked at?
---@return boolean
function M.is_record()
  return kept ~= nil
end

--- How a file is named in a record: a path of this computer by its last part.
---@param path string
---@return string
function M.name_of(path)
  return path:sub(1, 1) == "/" and path:match("[^/]*$") or path
end

--- The path of a file that a protocol names. Raises, at the author's line, where there is no such file.
---@param who string for messages: "sham: of"
---@param path string as it was written
---@return string
function M.located(who, path)
  if kept then
    return kept[M.name_of(path)] or blame.fail("%s: the record does not keep the file %s", who,
      M.name_of(path))
  elseif path:sub(1, 1) == "/" then
    return path
  end
  local folder = building.folder()
  if folder and lfs.attributes(folder .. "/" .. path) then
    return folder .. "/" .. path
  elseif lfs.attributes(path) then
    return path
  end
  return blame.fail("%s: there is no file %s, neither beside the protocol's file (in %s) nor in the current "
    .. "folder (%s)", who, path, folder or "the shipped protocols' folder: not looked into", lfs.currentdir())
end

return M
