--- When a plan can start: the earliest instant, before the device is told anything for it and after, and what
--- it hangs on.
local core = require "moonpulse.core"
local outputs = require "moonpulse.driver.outputs"
local setting = require "moonpulse.stimulator.setting"

local M = {}

--- When the outputs take their first pulses, from the pulses before.
local function free_ns(self, firsts)
  local limits, from_ns = self.driver.limits(self.identity), 0
  for _, first in ipairs(firsts) do
    from_ns = math.max(from_ns, outputs.free_at(self.last, limits, first) - first.onset_ns)
  end
  return from_ns
end

local function ahead_of(lowering)
  return math.floor(lowering:lead() * 1e9)
end

--- The earliest instant at which admitted may start, now that the device is set for it (monotonic
--- nanoseconds).
---@param self moonpulse.Stimulator
---@param admitted moonpulse.Admitted
---@param ready_ns integer of set()
---@param ahead_ns integer from now to the first frame
---@return integer
---@return "call"|"setting"|"pulse" why what it waits for: the call itself, the setting, the pulse before
function M.earliest(self, admitted, ready_ns, ahead_ns)
  local start_ns, why = core.clock_ns() + ahead_ns, "call"
  if ready_ns > start_ns then
    start_ns, why = ready_ns, "setting"
  end
  local from_ns = free_ns(self, admitted.firsts)
  if from_ns > start_ns then
    start_ns, why = from_ns, "pulse"
  end
  return start_ns + ahead_of(admitted.lowering), why
end

--- The same before the device is told anything: it cannot start sooner, and may have to start later.
---@param self moonpulse.Stimulator connected
---@param lowering moonpulse.core.Lowering
---@param firsts moonpulse.First[]
---@param ahead_ns integer
---@return integer
function M.bound(self, lowering, firsts, ahead_ns)
  if not firsts[1] then -- a plan of marks
    return core.clock_ns() + ahead_ns + ahead_of(lowering)
  end
  local ready_ns, told_ns = setting.soonest(self, firsts[1])
  return math.max(told_ns + ahead_ns, ready_ns, free_ns(self, firsts)) + ahead_of(lowering)
end

--- The weakest that a device can be told, to arm at when no plan is known yet.
---@param self moonpulse.Stimulator
---@param channel string
---@return moonpulse.Action
function M.weakest(self, channel)
  local range = self.driver.limits(self.identity).intensity
  local mso = math.max(range.min, range.step)
  return { channel = channel, mso = mso, exact_mso = mso, intensity = mso, reference = "MSO" }
end

local whys = {
  call = function(ahead_s)
    return ("a plan leaves %g s after the call at the earliest"):format(ahead_s),
      "call it earlier, or name a later instant"
  end,
  setting = function(_, action, told, slow)
    return (told and "its new setting, %g %%MSO, takes until then%s"
        or "until then it follows the setting that it was told before (%g %%MSO%s)"):format(action.mso,
        slow and (": %s"):format(slow) or ""),
      slow and "leave it so long between such plans, give all trials as one plan (mp.trials), which is given "
        .. "in the way that needs least, or name a later instant"
      or "have it set beforehand, with stim:arm(plan) or by a plan of the same intensity, or name a later "
        .. "instant"
  end,
  pulse = function()
    return "until then it recovers from the pulse before (recharging, or what it still plays)",
      "leave it more time between plans, or name a later instant"
  end,
}

--- Why the setting that was told last takes long, in words of the driver; nil: it does not.
local function slow_change(stimulator)
  local words = stimulator.slow_change
  for _, each in ipairs(stimulator.list or {}) do
    words = words or each.slow_change
  end
  return words
end

--- Why a plan cannot start at an instant that is too soon, and what to do.
---@param stimulator moonpulse.Stimulator|moonpulse.Stimulators
---@param why "call"|"setting"|"pulse" of earliest()
---@param short_ns integer so much too soon
---@param ahead_s number of earliest()
---@param action moonpulse.Action the plan's first
---@param told boolean was the device told it just now?
---@return string
function M.too_soon(stimulator, why, short_ns, ahead_s, action, told)
  local reason, remedy = whys[why](ahead_s, action, told, slow_change(stimulator))
  return ("%s: %s (at least %.3f s later)"):format(reason, remedy, math.ceil(short_ns / 1e6) / 1000)
end

--- A plan without an instant of its own waits for the device. Where one kind of plan waits for seconds and
--- others do not, that is said, once: the intervals tell the conditions apart.
---@param device moonpulse.ExperimentDevice
---@param start_ns integer of earliest()
---@param why "call"|"setting"|"pulse" likewise
---@return integer start_ns
function M.stretched(device, start_ns, why)
  local slow = why == "setting" and slow_change(device.stimulator)
  if slow and not device.said_stretched then
    device.said_stretched = true
    device.show:say(("note: this plan waits for its setting (%s), and so does every one like it: the "
      .. "intervals before them are longer than the others; start plans at instants (at = ...) that leave "
      .. "time for it, or give all trials as one plan (mp.trials)"):format(slow))
  end
  return start_ns
end

return M
