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
local function same(a, b)
  local one, other = lfs.attributes(a), lfs.attributes(b)
  return a == b or one ~= nil and other ~= nil and one.dev == other.dev and one.ino == other.ino
end

local function listed(folder)
  local list, seen = {}, {}
  for line in (core.read_file(folder .. "/older", most_list) or ""):gmatch("[^\n]+") do
    if line:sub(1, 1) == "/" and not seen[line] and not same(line, folder) then
      seen[line] = true
      list[#list + 1] = line
    end
  end
  return list
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
function M.older(folder)
  local list = listed(folder)
  local new = found_here(folder, list)
  list[#list + 1] = new
  return list, new
end

--- A path as it may be typed in a shell.
local function typed(path)
  return path:find("^[%w%._/%-]+$") and path or "'" .. path:gsub("'", "'\\''") .. "'"
end

--- What to do about an older folder, for the operator.
---@param older string
---@param folder string the place
---@return string
function M.remedy(older, folder)
  return ("to have all in one place: mv %s/* %s/  (or keep them there: export MOONPULSE_RUNS=%s)")
    :format(typed(older), typed(folder), typed(older))
end

--- Write an older folder into the list.
---@param folder string the place, which is made if it is not there
---@param older string
---@return boolean? done
---@return string? message
function M.remember(folder, older)
  local text = core.read_file(folder .. "/older", most_list) or ""
  local made, message = require("moonpulse.record.folder").make_all(folder)
  local file = made and core.create_file(folder .. "/older.new")
  if not file then
    return nil, message or folder .. " cannot be written"
  end
  file:write(text, text ~= "" and text:sub(-1) ~= "\n" and "\n" or "", older, "\n")
  if not file:close() then
    return nil, folder .. "/older cannot be written"
  end
  return os.rename(folder .. "/older.new", folder .. "/older")
end

return M
