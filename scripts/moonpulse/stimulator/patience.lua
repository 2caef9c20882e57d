--- How long whoever waits for a device has waited, and how long that may be: the one place for every "did not
--- answer in time".
--
-- Time in which we did not look is not the device's: when the loop comes back late, what has come is heard
-- first (engine/world.h), and what the loop has missed does not count. And a simulator of the run's own, in a
-- process beside ours and not asked to fail, is not at fault for being slow: it did not get the processor, or
-- waited for its disk. Its end is noticed at once, by its port; only for one that hangs there is a bound: it
-- is long while a run goes on or comes to its own end, and short once it is stopped, as it then ends within
-- 2 s. One whose driver is a file may lose an answer for reasons of its own: it is judged as a device is.
local core = require "moonpulse.core"

local M = {}

local simulator_s = 5 -- no starved process was seen to wait longer than half a second
local end_ns = 1300000000 -- from the safe frame on: of the 2 s that the engine's backstop gives

--- Is whoever should answer slow only because this computer is?
---@param driver moonpulse.Driver
---@return boolean
function M.is_computers(driver)
  return driver.on_simulator == true and not driver.file and not core.is_virtual()
end

--- How long a device may take.
---@param driver moonpulse.Driver
---@param seconds number what its driver grants
---@param until_ns integer? the run was stopped: its simulator has no longer than this (monotonic), or as a
---   device has
---@return number seconds
function M.seconds(driver, seconds, until_ns)
  if not M.is_computers(driver) then
    return seconds
  end
  return math.max(seconds, until_ns and (until_ns - core.clock_ns()) / 1e9 or simulator_s)
end

--- The same in nanoseconds.
---@param driver moonpulse.Driver
---@param seconds number
---@param until_ns integer?
---@return integer
function M.ns(driver, seconds, until_ns)
  return math.floor(M.seconds(driver, seconds, until_ns) * 1e9)
end

--- Until when a simulator may answer once its run was stopped.
---@param safe_ns integer? when the safe frame went out; nil: now
---@return integer until_ns monotonic
function M.end_ns(safe_ns)
  return (safe_ns or core.clock_ns()) + end_ns
end

--- For how long somebody has waited and listened.
---@param since_ns integer monotonic
---@param until_ns integer? monotonic, when it was heard; nil: now
---@return integer
function M.waited_ns(since_ns, until_ns)
  return (until_ns or core.clock_ns()) - since_ns - core.missed_ns(since_ns)
end

--- Since when somebody has waited and listened for ns at at_ns: so long before it, and as much sooner as
--- nobody looked meanwhile.
---@param at_ns integer monotonic, not long ago
---@param ns integer
---@return integer
function M.before_ns(at_ns, ns)
  local latest_ns = at_ns - ns
  local since_ns, sooner_ns = latest_ns, latest_ns - core.missed_ns(latest_ns)
  while sooner_ns < since_ns do -- what was missed may reach back further than that
    since_ns, sooner_ns = sooner_ns, latest_ns - core.missed_ns(sooner_ns)
  end
  return since_ns
end

--- When a device said at the earliest what was read at at_ns: twice its slowest reply before.
---@param driver moonpulse.Driver
---@param at_ns integer monotonic
---@return integer
function M.said_ns(driver, at_ns)
  return M.before_ns(at_ns, math.floor(2 * (driver.reply_slow or driver.reply_timeout) * 1e9))
end

return M
