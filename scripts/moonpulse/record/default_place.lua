--- Where records lie, unless --out says otherwise: one place for all of a lab's runs, whatever folder a
--- command is started in. Before there was one they lay in ./runs, and a participant's sessions that lie
--- there still count: such a folder is read where it is met, and a run writes it down, so that it is read
--- from wherever the next command is started.
local core = require "moonpulse.core"
local lfs = require "lfs"

local M = {}

local EACCES = 13
local most_list = 1000000 -- bytes of the list of older folders: what is longer nobody wrote

--- A path that means the same in every folder.
---@param path string
---@return string
function M.absolute(path)
  local bare = path:gsub("^%./+", ""):gsub("(.)/+$", "%1")
  if bare:sub(1, 1) == "/" then
    return bare
  end
  local here = lfs.currentdir() or "."
  return bare == "." and here or ("%s/%s"):format(here == "/" and "" or here, bare)
end

--- $MOONPULSE_RUNS, else moonpulse/runs in the user's data folder; under sudo that of who called it.
---@return string? absolute
---@return string? message there is none
function M.folder()
  local named = os.getenv "MOONPULSE_RUNS"
  if named and named ~= "" then
    return M.absolute(named)
  end
  local data = os.getenv "XDG_DATA_HOME"
  if not data or data:sub(1, 1) ~= "/" then -- what is relative is to be ignored (XDG base directories)
    local home = core.home()
    if not home then
      return nil, "there is no home folder to keep records in: name a folder with --out DIR, or "
        .. "export MOONPULSE_RUNS=DIR"
    end
    data = home .. "/.local/share"
  end
  return M.absolute(data) .. "/moonpulse/runs"
end

--- What another account keeps to itself may be one, too.
local function is_run(path)
  if lfs.attributes(path, "mode") ~= "directory" then
    return false
  end
  local mode, _, code = lfs.attributes(path .. "/manifest.json", "mode")
  return mode ~= nil or code == EACCES or lfs.attributes(path .. "/flight.bin", "mode") ~= nil
end

--- Is there a run's folder in it?
---@param folder string
---@return boolean
function M.has_runs(folder)
  if lfs.attributes(folder, "mode") ~= "directory" then
    return false
  end
  local ok, found = pcall(function()
    for name in lfs.dir(folder) do
      if name ~= "." and name ~= ".." and is_run(folder .. "/" .. name) then
        return true
      end
    end
    return false
  end)
  return ok and found
end

--- The same folder, whatever the name?
---@param a string
---@param b string
---@return boolean
local function same(a, b)
  local one, other = lfs.attributes(a), lfs.attributes(b)
  return a == b or one ~= nil and other ~= nil and one.dev == other.dev and one.ino == other.ino
end

M.is_same = same

--- What the list in the place says; what of it cannot be read, a sentence each.
local function listed(folder)
  local list, seen, problems, number = {}, {}, {}, 0
  local path = folder .. "/older"
  local mode, _, code = lfs.symlinkattributes(path, "mode")
  local text, message = nil, nil
  if mode or code == EACCES then
    text, message = core.read_file(path, most_list)
  end
  if message then
    problems[1] = ("the list of folders in which older records lie cannot be read (%s): what they have is "
      .. "not counted; give this account the right to read it, or mend it: a path a line"):format(message)
  end
  for line in ((text or "") .. "\n"):gmatch("(.-)\r?\n") do
    number = number + 1
    local home = line:sub(1, 2) == "~/" and core.home()
    line = home and home .. line:sub(2) or line
    if line:sub(1, 1) ~= "/" then
      problems[#problems + 1] = line:find("%S") and ("%s, line %d, is no path from / on (%s): what lies "
        .. "there is not counted; write the whole path, or take the line out"):format(path, number, line)
        or nil
    elseif not seen[line] and not same(line, folder) then
      seen[line] = true
      list[#list + 1] = line
    end
  end
  return list, problems
end

--- ./runs with runs in it, where that is not the place and in no list.
local function found_here(folder, list)
  local here = M.absolute "runs"
  for _, path in ipairs { folder, table.unpack(list) } do
    if same(path, here) then
      return nil
    end
  end
  return M.has_runs(here) and here or nil
end

--- Older folders whose runs count as well: those that the list in the place names (the file "older", a path a
--- line), and ./runs.
---@param folder string the place
---@return string[] older absolute
---@return string? new the one of them that is in no list
---@return string[] problems what of the list cannot be read, and what to do, a sentence each
function M.older(folder)
  local list, problems = listed(folder)
  local new = found_here(folder, list)
  list[#list + 1] = new
  return list, new, problems
end

--- What to do about an older folder, for the operator.
---@param older string
---@param folder string the place
---@return string
function M.remedy(older, folder)
  local typed = require("moonpulse.text.to_type").path
  return ("to have all in one place: mv %s/* %s/  (or keep them there: export MOONPULSE_RUNS=%s)")
    :format(typed(older), typed(folder), typed(older))
end

--- Write an older folder into the list, after what that has: other runs may do the same at once.
---@param folder string the place, which is made if it is not there
---@param older string
---@return boolean? done
---@return string? message
function M.remember(folder, older)
  if older:find("[\r\n]") then
    return nil, "its path has a line end, which the list cannot have: rename it"
  end
  local made, message = require("moonpulse.record.folder").make_all(folder)
  if not made then
    return nil, message
  end
  return core.append_line(folder .. "/older", older)
end

return M
