--- How long whoever waits for a device has waited, and how long that may be: the one place for every "did not
--- answer in time".
--
-- Not all time that passes is the device's:
--   * Time in which our loop did not run does not count. When the loop comes back, it first hears what has
--     come meanwhile (engine/world.h).
--   * Time in which the process of the run's own simulator is not known to have looked at its ports
--     (simulation/last_looked.lua) does not count either, until that process hangs: then it is at fault.
--   * A shipped simulator that was not asked to fail is never at fault for being slow: it got no processor,
--     or waited for its disk. Its end is noticed at once, by its port. It has a long time while a run goes
--     on, and a short one once the run was stopped, as a stopped run ends within 2 s.
--   * A simulator whose driver is a file may lose an answer for reasons of its own: it has as long as a
--     device.
local core = require "moonpulse.core"
local last_looked = require "moonpulse.simulation.last_looked"

local M = {}

local simulator_s = 5 -- no starved process was seen to wait longer than half a second
local unanswered_s = 6 -- the engine does not know when its process looked: whoever does judges first
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

--- How long a pulse may wait for its confirmation before the engine sends no other.
---@param driver moonpulse.Driver
---@param seconds number what a device has
---@return number seconds
function M.engine_s(driver, seconds)
  return driver.on_simulator and not core.is_virtual() and math.max(seconds, unanswered_s) or seconds
end

--- How a simulator's process that hangs is called; nil where there is none that does.
---@return string?
function M.hung()
  local seconds = last_looked.hung_s()
  return seconds and ("the simulator's process has not looked at its port for %.1f s: was it stopped, or is "
    .. "this computer busy?"):format(seconds)
end

-- Time in which we did not look, plus time in which a simulator's process did not. What both missed is
-- counted twice: then we wait longer than we need, but never for longer than it takes to call the process
-- hung.
local function away_ns(since_ns, until_ns)
  return core.missed_ns(since_ns) + last_looked.away_ns(since_ns, until_ns)
end

--- For how long somebody has waited and listened.
---@param since_ns integer monotonic
---@param until_ns integer? monotonic, when it was heard; nil: now
---@param over_ns integer? when the run was stopped: from then on (monotonic) its simulator's process is no
---   longer waited for
---@return integer
function M.waited_ns(since_ns, until_ns, over_ns)
  local at_ns = until_ns or core.clock_ns()
  if over_ns and at_ns > over_ns then
    return at_ns - since_ns - core.missed_ns(since_ns)
  end
  return at_ns - since_ns - away_ns(since_ns, at_ns)
end

--- How long to sleep until the patience may be over. At least 10 ms in real time: while a simulator's process
--- does not look, the time left does not get less, and who waits would only spin.
---@param left_ns integer
---@return number seconds
function M.nap_s(left_ns)
  return (core.is_virtual() and left_ns or math.max(left_ns, 10000000)) / 1e9
end

--- The instant from which to at_ns somebody has listened for ns: so long before at_ns, and sooner by the time
--- in which nobody looked.
---@param at_ns integer monotonic, not long ago
---@param ns integer
---@return integer
function M.before_ns(at_ns, ns)
  local latest_ns = at_ns - ns
  if away_ns(latest_ns, at_ns) == 0 then
    return latest_ns
  end
  -- what was missed may reach back beyond that: by halves, as it may be long
  local since_ns, bound_ns = latest_ns - away_ns(0, at_ns), latest_ns
  while since_ns < bound_ns do
    local middle_ns = (since_ns + bound_ns + 1) // 2
    if middle_ns + away_ns(middle_ns, at_ns) <= latest_ns then
      since_ns = middle_ns
    else
      bound_ns = middle_ns - 1
    end
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
