--- A device that did not answer, or not in time: which pulse, and what to look at. On a simulator that was
--- not asked to fail there is no cable to blame: its process did not get the processor.
local M = {}

local busy = "the simulator did not answer in time: is this computer busy?"

--- What to look at.
---@param driver table of a run; on_simulator: it talks to its own simulator, which has no faults to act
---@param text string what a person would look at on the device
---@return string
function M.cause(driver, text)
  return driver.on_simulator and busy or text
end

--- A pulse in words, with its output where the device has several.
---@param limits table of the device
---@param number integer
---@param action moonpulse.Action?
---@return string
function M.pulse(limits, number, action)
  local output = action and limits.output and tostring(limits.output(action))
  if not output then
    return "pulse " .. number
  end
  local named = action.channel ~= "" and action.channel ~= output
  return ("pulse %d on output %s%s"):format(number, output, named and (" (channel %s)"):format(action.channel)
    or "")
end

--- A pulse was not confirmed in time.
---@param on { driver: table, identity: table? } the stimulator
---@param patience_ns integer
---@param number integer, and the rest as the record's oldest_open() gives it
---@param action moonpulse.Action?
---@return string
function M.unconfirmed(on, patience_ns, number, _, _, action)
  local text = M.pulse(on.driver.limits(on.identity), number, action)
  return ("%s was not confirmed within %g s: %s"):format(text, patience_ns / 1e9, M.cause(on.driver,
    "is the cable loose, did the line or this computer stall, does the coil still fire?"))
end

return M
