--- A dataset on the disk.
local core = require "moonpulse.core"
local dataset_of = require "moonpulse.bids.dataset"
local files = require "moonpulse.record.file"
local folders = require "moonpulse.record.folder"
local lfs = require "lfs"
local plain_files = require "moonpulse.text.plain_file"

local M = {}

local most = 1000000000 -- bytes of a file that is copied

--- The names in a folder, sorted; none where there is no folder.
---@param path string
---@return string[]
function M.names(path)
  local names = {}
  if lfs.attributes(path, "mode") == "directory" then
    for name in lfs.dir(path) do
      names[#names + 1] = name ~= "." and name ~= ".." and name or nil
    end
  end
  table.sort(names)
  return names
end

--- The dataset in a folder; a new one where there is none. A folder with something else is refused.
---@param folder string
---@return moonpulse.BidsDataset? dataset
---@return string? message
function M.open(folder)
  local mode = lfs.attributes(folder, "mode")
  if mode and mode ~= "directory" then
    return nil, ("%s is no folder"):format(folder)
  elseif mode and #M.names(folder) > 0 and not lfs.attributes(folder .. "/dataset_description.json",
    "mode") then
    return nil, ("%s has files, but no dataset_description.json: it is no BIDS dataset; name a new folder, "
      .. "or "
      .. "one that is"):format(folder)
  end
  return dataset_of.new(function(path)
    local full = folder .. "/" .. path
    if not lfs.attributes(full, "mode") then
      return nil
    end
    local text, message = core.read_file(full, most)
    return text or error({ code = "usage", message = message .. ": nothing is written over it" }, 0)
  end, function(path)
    return M.names(folder .. "/" .. path)
  end)
end

local function below(folder, under, into)
  for _, name in ipairs(M.names(folder .. "/" .. under)) do
    local path = under .. "/" .. name
    local mode = lfs.symlinkattributes(folder .. "/" .. path, "mode")
    if mode == "directory" then
      below(folder, path, into)
    else -- a link to a file too: git-annex
      into[#into + 1] = lfs.attributes(folder .. "/" .. path, "mode") == "file" and path or nil
    end
  end
end

--- The files of a dataset that is to be checked: those of its participants, and the runs' own.
---@param folder string
---@return moonpulse.BidsFiles? files
---@return string? message
function M.files(folder)
  if lfs.attributes(folder, "mode") ~= "directory" then
    return nil, ("%s is no folder"):format(folder)
  end
  local paths, has = {}, {}
  for _, name in ipairs(M.names(folder)) do
    local is_folder = lfs.symlinkattributes(folder .. "/" .. name, "mode") == "directory"
    if is_folder and (name:find("^sub%-") or name == "sourcedata") then
      below(folder, name, paths)
    end
  end
  table.sort(paths)
  for _, path in ipairs(paths) do
    has[path] = true
  end
  return { paths = paths, has = has, read = function(path)
    return (core.read_file(folder .. "/" .. path, most))
  end }
end

local function copy(from, to)
  local file <close>, message = plain_files.open(from)
  if not file then
    return nil, message
  end
  while true do
    local bytes, why = file:read(1 << 20)
    if not bytes then
      return not why, why
    end
    local ok
    ok, message = to:write(bytes)
    if not ok then
      return nil, message
    end
  end
end

local function put_parts(parts, to)
  for part in parts do
    local ok, message = to:write(part)
    if not ok then
      return nil, message
    end
  end
  return true
end

local function make_folders(path, group)
  local made, message = folders.make_all(path, group)
  return made, message and message:gsub(": name another with %-%-out DIR$", "")
end

--- One file, whole or not at all, with the folders that it needs: as a record, they are for their owner only,
--- or if the record is shared with its group also for that; a file is as open as the folder that it lies in.
---@param path string
---@param content string|moonpulse.BidsParts|{ copy: string } a text, its parts, or the file that it is a
---   copy of
---@param group boolean? the group may read the folders that are made
---@return boolean? ok
---@return string? message
function M.put(path, content, group)
  local ok, message = make_folders(path:match("^(.*)/") or ".", group)
  if not ok then
    return nil, message
  end
  return files.rewrite(path, function(out)
    if type(content) == "string" then
      return out:write(content)
    elseif content.copy then
      return copy(content.copy, out)
    end
    return put_parts(content.parts(), out)
  end)
end

--- The same where nothing is by that name, also where another program makes it at that instant.
---@param path string
---@param content string|moonpulse.BidsParts|{ copy: string } as put has it
---@param group boolean? as put has it
---@return boolean? ok
---@return string? message
function M.put_new(path, content, group)
  local part = ("%s.%x.part"):format(path, core.random_seed())
  local ok, message = M.put(part, content, group)
  if not ok then
    return nil, message
  end
  local linked, why = lfs.link(part, path) -- rename() would write over it
  if not linked and not lfs.symlinkattributes(path, "mode") then -- a disk that has no links
    linked, why = os.rename(part, path)
  end
  os.remove(part)
  return linked and true or nil, why
end

--- May the group read the folder of a run?
---@param folder string
---@return boolean
function M.is_shared(folder)
  return (lfs.attributes(folder, "permissions") or ""):sub(4, 6) == "r-x"
end

--- Is a path of the dataset, or a folder on the way to it, a link? It leads anywhere.
---@return string? link
local function link_in(folder, path)
  local at = folder
  for part in path:gmatch("[^/]+") do
    at = at .. "/" .. part
    if lfs.symlinkattributes(at, "mode") == "link" then
      return at
    end
  end
end

--- Write what was put into the dataset: the run's own files first, so that the tables never name what is not
--- there. Nothing is written through a link in the place of a file (git-annex) or of a folder.
---@param folder string
---@param dataset moonpulse.BidsDataset
---@param group boolean? as put has it
---@return boolean? ok
---@return string? message
function M.write(folder, dataset, group)
  for _, path in ipairs(dataset.order) do
    local link = link_in(folder, path)
    if link == folder .. "/" .. path then
      return nil, ("%s is a link and is not written through: unlock it first (datalad unlock "
        .. "%s)"):format(link, path)
    elseif link then
      return nil, ("%s is a link and nothing is written through it: put a folder in its place"):format(link)
    end
  end
  for _, path in ipairs(dataset.order) do
    local ok, message = M.put(folder .. "/" .. path, dataset.files[path], group)
    if not ok then
      return nil, ("cannot write %s/%s: %s"):format(folder, path, message)
    end
  end
  return true
end

--- Keep other exports out of a dataset until the lock is closed. The folder is made if it is not there.
---@param folder string
---@param group boolean? as put has it
---@param option string? what names it; --bids DIR
---@return moonpulse.core.FolderLock? lock
---@return string? message
function M.lock(folder, group, option)
  local mode = lfs.attributes(folder, "mode")
  if mode and mode ~= "directory" then
    return nil, ("%s is no folder"):format(folder)
  elseif not mode then
    local made, why = make_folders(folder, group)
    if not made then
      return nil, ("%s: name another with %s"):format(why, option or "--bids DIR")
    end
  end
  local lock, message = core.lock_folder(folder)
  if lock == false then
    message = ("%s: another moonpulse export is at work there: wait until it has ended"):format(folder)
  end
  return lock or nil, message
end

return M
