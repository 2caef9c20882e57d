--- Was each pulse given as it was set? Some devices say with each confirmation how strong the pulse was
--- (a MagPro: dI/dt). Within a run the same intensity gives the same value, and more gives more.
--
-- Nobody has published a coil's dI/dt for each %MSO, so the values of a run are compared with each
-- other. What may differ is ours: a whole unit, as the values are rounded, and 3 %, as a coil that warms
-- by 20 degrees has some 8 % more resistance and only its inductance sets the first microseconds. dI/dt is
-- nearly proportional to the voltage of the capacitor: half to twice as steep passes.
local M = {}

local unit, share = 1, 0.03
local least = 10 -- below this a rounded value says too little about the slope

--- A pulse that was given otherwise, in a sentence.
---@param pulse integer its number
---@param what string
function M.words(pulse, what)
  return ("pulse %d was given otherwise than it was set: %s"):format(pulse, what)
end

---@class moonpulse.GivenValues
local Given = {}
Given.__index = Given

--- For a run.
---@param measure { what: string, unit: string }? the driver's; nil: its confirmations measure nothing
---@return moonpulse.GivenValues
function M.new(measure)
  return setmetatable({ measure = measure, kinds = {} }, Given)
end

local function slack(value)
  return math.max(unit, share * value)
end

--- May the same coil give `high.value` at `high.mso` and `low.value` at `low.mso`?
local function fits(high, low)
  if high.mso == low.mso then
    return math.abs(high.value - low.value) <= slack(low.value)
  end
  local grown, room = high.value - low.value, slack(math.max(high.value, low.value))
  if low.value < least then
    return grown >= -unit
  end
  local expected = low.value * (high.mso - low.mso) / low.mso
  return grown >= expected / 2 - room and grown <= expected * 2 + room
end

--- The value that the device told of a pulse; in words what does not fit. Pulses of other waveforms are
--- compared with their like only.
---@param action moonpulse.Action
---@param value integer?
---@param pulse integer its number
---@return string?
function Given:compare(action, value, pulse)
  local measure = self.measure
  if not measure or not value then
    return nil
  elseif action == self.last_action and value == self.last_value then -- as most pulses are
    return nil
  end
  local setting = action.train and action.train.setting
  local kind = setting and setting.waveform or "single"
  local known = self.kinds[kind] or {}
  self.kinds[kind] = known
  local this = { mso = action.mso, value = value, pulse = pulse }
  for _, other in pairs(known) do
    local high, low = this, other
    if this.mso < other.mso then
      high, low = other, this
    end
    if not fits(high, low) then
      local text = "its %s is %d %s at %g %%MSO, and that of pulse %d was %d %s at %g %%MSO"
      return M.words(pulse, text:format(measure.what, value, measure.unit, this.mso, other.pulse, other.value,
        measure.unit, other.mso))
    end
  end
  known[this.mso] = known[this.mso] or this
  self.last_action, self.last_value = action, value
end

return M
