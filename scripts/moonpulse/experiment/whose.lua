--- Whose code makes a call while an experiment runs: the script's (or of a module that it requires), or the
--- code of a driver's or simulator's file, which comes with the stimulator.
local blame = require "moonpulse.text.author_line"

local M = {}

-- parts of the library that call the script's functions; what others call is a driver's or a simulator's
local scripted = { "experiment/", "compose/", "protocol/", "run/experiment.lua" }

local function calls_script(source)
  local place = source:sub(#blame.ours + 1)
  for _, room in ipairs(scripted) do
    if place:sub(1, #room) == room then
      return true
    end
  end
  return false
end

--- The sources of the driver's own files, as debug.getinfo gives them.
local function sources_of(driver)
  local file, simulator = driver.file, driver.simulator
  if not file then
    return {}
  end
  if simulator and simulator:find("%.lua$") and simulator:sub(1, 1) ~= "/" then
    simulator = (driver.folder or ".") .. "/" .. simulator
  end
  return { ["@" .. file] = true, ["@" .. (simulator or file)] = true }
end

--- Does the function at level, counted from whoever calls this, run for the driver? Told by the innermost
--- file of the driver's, or part of the library, that stands behind it.
---@param level integer
---@param driver moonpulse.Driver
---@return boolean
function M.is_drivers(level, driver)
  local sources = sources_of(driver)
  level = level + 1
  while true do
    local info = debug.getinfo(level, "S")
    if not info then
      return not coroutine.isyieldable() -- the loop itself calls; a script's coroutine begins with its code
    elseif sources[info.source] then
      return true
    elseif info.what ~= "C" and blame.is_ours(info.source) then
      return not calls_script(info.source)
    end
    level = level + 1
  end
end

return M
