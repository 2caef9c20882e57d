--- Intensities: a percentage and what it is a percentage of.
local blame = require "moonpulse.text.author_line"
local notes = require "moonpulse.text.notes"

local M = {}

---@class moonpulse.Intensity
---@field value number percent
---@field reference "MSO"|"RMT"|"AMT"

-- no __index: through it an author would reach this table, which all intensities share
local Intensity = { __name = "moonpulse.intensity", __metatable = false }

function Intensity.__tostring(self)
  return ("%g %%%s"):format(self.value, self.reference)
end

function Intensity.__eq(a, b)
  return a.value == b.value and a.reference == b.reference
end

local made = setmetatable({}, { __mode = "k" })
local most = { MSO = 100, RMT = 400, AMT = 400 }

--- What is wrong with value as a percentage of reference; nil: nothing.
local function problem_with(value, reference)
  if value < 0 or value > most[reference] then
    return ("an intensity lies in 0 to %d %%%s"):format(most[reference], reference)
  end
end

--- An intensity; raises at the author's line where value is no percentage.
---@param value number percent
---@param reference string "MSO", "RMT" or "AMT"
---@return moonpulse.Intensity
function M.new(value, reference)
  local name = reference:lower()
  if type(value) == "string" and tonumber(value) then
    blame.fail("%s: a percentage expected, not the text %q: write the number without quotes, mp.%s(%s); of a "
      .. "text that was read or answered, mp.%s(tonumber(text))", name, value, name, value, name)
  elseif type(value) ~= "number" or value ~= value then
    blame.fail("%s: a percentage expected, like mp.%s(80), not %s", name, name,
      type(value) == "string" and ("%q"):format(value) or tostring(value))
  end
  local problem = problem_with(value, reference)
  if problem then
    blame.fail("%s(%g): %s", name, value, problem)
  end
  local intensity = setmetatable({ value = value, reference = reference }, Intensity)
  made[intensity] = true
  return intensity
end

--- An intensity that somebody wrote: as new, and one that is suspiciously small is noted.
---@param value number percent
---@param reference string
---@return moonpulse.Intensity
function M.written(value, reference)
  local intensity = M.new(value, reference)
  notes.percent(reference:lower(), value, most[reference])
  return intensity
end

--- Is value an intensity made by mso, rmt or amt?
---@param value any
---@return boolean
function M.is(value)
  return made[value] == true
end

--- Read "80%AMT", "80 amt", "110%RMT", "45" (%MSO). nil and a message where it is none.
---@param text string
---@return moonpulse.Intensity?, string?
function M.parse(text)
  local number, unit = text:match("^%s*([%d.]+)%s*%%?%s*(%a*)%s*$")
  local value = tonumber(number)
  local reference = unit and unit:upper()
  if not value or not most[reference] then
    return nil, ("%q is no intensity: write 80%%AMT, 110%%RMT or 45%%MSO"):format(text)
  end
  local problem = problem_with(value, reference)
  if problem then
    return nil, ("%q: %s"):format(text, problem)
  end
  return M.written(value, reference)
end

local margin = 1e-9 -- of a step: half a step is one also where the division is not exact

--- What a device is set to: the nearest of its steps, half a step up. More than 100 % is set nowhere, and
--- stays what it is.
---@param mso number
---@param step number in %MSO
---@param highest number? in %MSO, where the last step up to 100 % is not there
---@return number
function M.round(mso, step, highest)
  if mso > 100 + margin then
    return mso
  end
  local steps, whole = math.floor(mso / step + 0.5 + margin), math.floor(100 / step + 0.5)
  local rounded = steps * step
  if math.type(step) == "integer" then
    rounded = math.tointeger(rounded) or rounded
  elseif math.abs(whole * step - 100) < 1e-6 * step then
    rounded = steps * 100 / whole -- so many of a whole number: 100 % is 100
  end
  return highest and math.min(rounded, highest) or rounded
end

--- The step below, for what must not be exceeded.
---@param mso number
---@param step number in %MSO
---@return number
function M.floor(mso, step)
  return M.round((math.floor(mso / step + margin)) * step, step)
end

--- What to do about a threshold that is needed and was not given.
---@param key "rmt"|"amt"
---@param place string? of several devices the one that has none
---@return string
function M.remedy(key, place)
  return ("add --%s %sN (in %%MSO)"):format(key, place and place .. "=" or "")
end

--- The thresholds that hold for a channel: of several devices each may have its own.
---@param thresholds moonpulse.Thresholds
---@param channel string?
---@return moonpulse.Thresholds
function M.thresholds_of(thresholds, channel)
  return thresholds.of and thresholds.of[channel] or thresholds
end

local threshold_names = { RMT = "resting motor threshold", AMT = "active motor threshold" }

--- The stimulator output that an intensity means for one participant.
---@param intensity { value: number, reference: string }
---@param thresholds moonpulse.Thresholds
---@return number? mso
---@return string? message what is missing or wrong
---@return string? code "usage" or "limit"
function M.resolve(intensity, thresholds)
  if intensity.reference == "MSO" then
    return intensity.value
  end
  local key = intensity.reference:lower()
  local threshold = thresholds[key]
  if not threshold then
    return nil,
      ("%g %%%s needs the participant's %s: %s"):format(intensity.value, intensity.reference,
        threshold_names[intensity.reference], M.remedy(key, thresholds.place)), "usage"
  end
  local mso = intensity.value * threshold / 100
  if mso > 100 then
    return nil,
      ("%g %%%s of a threshold of %g %%MSO is %g %%MSO, over 100: at most %g %%%s can be given"):format(
        intensity.value, intensity.reference, threshold, mso,
        math.floor(100 * 100 / threshold * 10) / 10, intensity.reference), "limit"
  end
  return mso
end

return M
