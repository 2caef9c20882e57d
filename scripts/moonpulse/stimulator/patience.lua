--- How long whoever waits for a device has waited, and how long that may be: the one place for every "did not
--- answer in time".
--
-- Time in which we did not look is not the device's: when the loop comes back late, what has come is heard
-- first (engine/world.h), and what the loop has missed does not count. And a simulator of the run's own, in a
-- process beside ours and not asked to fail, is not at fault for being slow: it did not get the processor, or
-- waited for its disk. Its end is noticed at once, by its port; only for one that hangs there is a bound. One
-- whose driver is a file may lose an answer for reasons of its own: it is judged as a device is.
local core = require "moonpulse.core"

local M = {}

local simulator_s = 5 -- no starved process was seen to wait longer than half a second

--- Is whoever should answer slow only because this computer is?
---@param driver moonpulse.Driver
---@return boolean
function M.is_computers(driver)
  return driver.on_simulator == true and not driver.file and not core.is_virtual()
end

--- How long a device may take.
---@param driver moonpulse.Driver
---@param seconds number what its driver grants
---@return number seconds
function M.seconds(driver, seconds)
  return M.is_computers(driver) and math.max(seconds, simulator_s) or seconds
end

--- The same in nanoseconds.
---@param driver moonpulse.Driver
---@param seconds number
---@return integer
function M.ns(driver, seconds)
  return math.floor(M.seconds(driver, seconds) * 1e9)
end

--- For how long somebody has waited and listened.
---@param since_ns integer monotonic
---@param until_ns integer? monotonic, when it was heard; nil: now
---@return integer
function M.waited_ns(since_ns, until_ns)
  return (until_ns or core.clock_ns()) - since_ns - core.missed_ns(since_ns)
end

return M
