--- What is said of a device that did not answer, or not in time: of which pulse, and what to look at. A
--- shipped simulator in a process of its own has no cable to blame: unless it was asked to fail, its process
--- got no processor. In virtual time there is no such process, and a simulator of the user's may fail by
--- itself.
local deadlines = require "moonpulse.stimulator.deadlines"
local patiences = require "moonpulse.stimulator.patience"

local M = {}

local longest_s = 1 -- of the 2 s that the backstop gives the end of a run; see patience for simulators

local busy = "the simulator did not answer in time: is this computer busy?"

--- What to look at.
---@param driver moonpulse.Driver of a run
---@param text string what a person would look at on the device
---@return string
function M.cause(driver, text)
  return patiences.hung() or patiences.is_computers(driver) and busy or text
end

--- A pulse in words, with its output where the device has several.
---@param limits moonpulse.Limits of the device
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
---@param on { driver: moonpulse.Driver, identity: moonpulse.Identity? } the stimulator
---@param patience_ns integer
---@param number integer, and the rest as the record's oldest_open() gives it
---@param action moonpulse.Action?
---@return string
function M.unconfirmed(on, patience_ns, number, _, _, action)
  local text = M.pulse(on.driver.limits(on.identity), number, action)
  local seconds = math.floor(patience_ns / 1e7 + 0.5) / 100
  return ("%s was not confirmed within %g s: %s"):format(text, seconds, M.cause(on.driver,
    "is the cable loose, did the line or this computer stall, does the coil still fire?"))
end

--- Was a pulse so young when the safe frame went out that this ends it, and its report with it? No fault of
--- the device: whoever disarmed it did that.
local function was_cut(self, at_ns, action)
  local reports = self.driver.encode.reports
  local safe_ns = self.listening.safe_ns
  return reports ~= nil and safe_ns ~= nil and safe_ns - at_ns <= reports(action) * 1e9
end

--- A script's own end, or its disarming, may come before the confirmation of a pulse: as in a plan that ends
--- by itself, it is waited for, and a pulse without one is a fault.
---@param self moonpulse.Stimulator that was made safe
function M.await(self)
  local seconds = math.min(self.driver.reply_timeout, longest_s)
  while self.stopped == "finished" and not self.fault do
    local pulse, at_ns, by_device, action = self.record:oldest_open()
    if not pulse or by_device or was_cut(self, at_ns, action) then -- its rows say what is known of a train
      return
    end
    local patience_ns = patiences.ns(self.driver, seconds, self.link.until_ns)
    local left_ns = patience_ns - patiences.waited_ns(at_ns, nil, self.link.until_ns) + 1
    if left_ns <= 0 then
      self.fault = M.unconfirmed(self, patience_ns, pulse, at_ns, by_device, action)
    else
      deadlines.await_reply(self, left_ns)
    end
  end
end

return M
