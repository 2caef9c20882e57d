--- --out, and where records are without it.
local cli = require "moonpulse.cli"
local escapes = require "moonpulse.text.escapes"
local lfs = require "lfs"
local default_place = require "moonpulse.record.default_place"

local M = {}

--- Where it is without --out, for help.
M.default = "Default: $MOONPULSE_RUNS, else ~/.local/share/moonpulse/runs."

--- How a run is named on a command line, for help: what find takes.
M.named = "its folder, or its name alone in the place of all records ($MOONPULSE_RUNS, else "
  .. "~/.local/share/moonpulse/runs)"

--- The option.
---@param parser table of argparse; changed
---@param words string what lies there
function M.add(parser, words)
  parser:option("--out", words .. " " .. M.default):argname("DIR")
end

local function note(text, ...)
  io.stderr:write("moonpulse: note: ", escapes.shown(text:format(...)), "\n")
end

--- Settle options.out, as an absolute path. Without --out it is the place of all records, and options.older
--- gets the folders where older ones lie, which count for a participant as well: --out names one folder, and
--- that alone is read.
---@param options table of the command; changed
---@param writes boolean? a run is about to be made there: a folder of older runs that is met is written down,
---   which is said once
function M.settle(options, writes)
  if options.out then
    options.out = default_place.absolute(options.out)
    return
  end
  local folder, message = default_place.folder()
  options.out = folder or cli.fail("usage", "%s", message)
  local older, new, problems = default_place.older(folder)
  options.older = older
  for _, problem in ipairs(problems) do
    note("%s", problem)
  end
  if not new then
    return
  elseif not writes then
    note("%s has runs from before records had one place (%s): they are read, too, where a command is started "
      .. "there; %s", new, folder, default_place.remedy(new, folder))
    return
  end
  local done, why = default_place.remember(folder, new)
  note("records have one place now: %s; %s has older ones, which %s; %s", folder, new,
    done and "count for a participant from now on, wherever a command is started"
      or ("count only while commands are started there (%s)"):format(why), default_place.remedy(new, folder))
end

M.run_name = "^%d%d%d%d%-%d%d%-%d%dT%d%d%d%d%d%d_" -- a pattern: how the name of a run's folder begins

--- Has the newest run in a folder, by its name, no seal? Then it was killed, or goes on, or a disk was full.
---@param folder string
---@return boolean
function M.newest_is_open(folder)
  local newest = ""
  pcall(function() -- it may not be there yet
    for name in lfs.dir(folder) do
      newest = name > newest and name:find(M.run_name) and name or newest
    end
  end)
  return newest ~= "" and lfs.symlinkattributes(("%s/%s/SHA256SUMS"):format(folder, newest), "mode") == nil
end

--- The folder of a run that was named: a path, or its name alone where it lies in the place of all records.
--- Every command that takes a run takes both.
---@param named string
---@return string path without slashes at its end
function M.find(named)
  local path = named:gsub("(.)/+$", "%1")
  local place = not path:find("/", 1, true) and lfs.attributes(path, "mode") == nil and default_place.folder()
  local there = place and place .. "/" .. path
  return there and lfs.attributes(there, "mode") == "directory" and there or path
end

--- The same of what must be a run, and nothing else: leaves with exit status 2 where there is none.
---@param named string
---@return string path
function M.run(named)
  local path = M.find(named)
  if lfs.attributes(path, "mode") == "directory" then
    return path
  end
  local place = not path:find("/", 1, true) and default_place.folder()
  cli.fail("usage", "there is no run %s: there is no folder of that name%s (moonpulse runs lists the runs "
    .. "that there are)", path, place and (" here, nor in %s"):format(place) or "")
end

--- The same of what may be a run, or a protocol or plan: leaves with exit status 2 where a name is neither.
---@param named string
---@return string path of the run's folder, or what was named
---@return boolean is_folder
function M.or_plan(named)
  local path = M.find(named)
  if lfs.attributes(path, "mode") == "directory" then
    return path, true
  end
  local found, message = true, nil
  -- a file, or one that is not there, is a matter of who reads it
  if not named:find("[/.:]") and lfs.attributes(named, "mode") ~= "file" then
    found, message = require("moonpulse.protocol.catalogue").find(named)
  end
  if not found then
    cli.fail("usage", "there is no run %s here, nor in %s (moonpulse runs lists them), and %s", named,
      default_place.folder(), message)
  end
  return path, false
end

--- The folders of several runs, as run gives each.
---@param named string[]
---@return string[]
function M.find_all(named)
  local paths = {}
  for i, each in ipairs(named) do
    paths[i] = M.run(each)
  end
  return paths
end

--- The shortest that find finds a run by: its name alone, or where it lies elsewhere its path.
---@param path string absolute
---@return string
function M.name_of(path)
  local folder, name = path:match("^(.*)/([^/]+)$")
  return name and folder == default_place.folder() and lfs.attributes(name, "mode") == nil and name or path
end

return M
