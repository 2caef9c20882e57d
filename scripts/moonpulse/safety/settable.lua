--- What can be set on a device instead of an intensity that does not pass. A number that is named as a remedy
--- can be set, and passes once it is: not 110 %RMT of 45 %MSO, which a step of 1 % makes 111.1 %RMT, nor 104
--- %MSO.
local intensities = require "moonpulse.compose.intensity"

local M = {}

local FULL = 100 -- %MSO: more is never set, it is refused
local EDGE = 1e-9 -- percent: floats must not decide
local GRID = 10  -- a percentage is named with a decimal where a whole one does not do

---@class moonpulse.Settings what intensities come to
---@field thresholds { rmt: number?, amt: number? } in %MSO
---@field step number? of the device, in %MSO; nil: nothing is rounded
---@field highest number? as of limits().intensity

local function threshold_of(reference, given)
  return reference == "MSO" and FULL or given.thresholds[reference:lower()]
end

--- The strongest setting that is not more than so many %MSO.
local function strongest(mso, given)
  mso = math.min(mso, FULL)
  local set = given.step and intensities.floor(mso, given.step) or mso
  return given.highest and math.min(set, given.highest) or set
end

--- The percentage to name for a setting: the highest one, not above limit, that comes to it; whole if one
--- does.
local function percent_for(set, limit, threshold, given)
  local function comes_to(percent)
    local mso = percent * threshold / 100
    local its = given.step and intensities.round(mso, given.step, given.highest) or mso
    return mso <= FULL and math.abs(its - set) < EDGE
  end
  local exact = 100 * set / threshold
  if comes_to(limit) then
    return limit
  end
  local whole = math.floor(math.min(limit, 100 * (set + (given.step or 0) / 2) / threshold) + EDGE)
  for percent = whole, math.ceil(exact) - 1, -1 do
    if comes_to(percent) then
      return percent
    end
  end
  return math.floor(exact * GRID + EDGE) / GRID
end

--- A setting as people write it; without a step never more than it is, in thousandths, as plans keep it.
local function named(set, given)
  return ("%g"):format(given.step and set or math.floor(set * 1000 + EDGE) / 1000)
end

--- What passes instead of more than so many percent, in words: "at most 109 %RMT (49 %MSO)" of 45 %MSO, for a
--- limit of 110 %RMT and a step of 1 %.
---@param limit number
---@param reference string
---@param given moonpulse.Settings
---@param alone boolean? without the %MSO
---@return string
function M.at_most(limit, reference, given, alone)
  local threshold = threshold_of(reference, given)
  if not threshold then
    return ("at most %g %%%s"):format(limit, reference)
  end
  local set = strongest(limit * threshold / 100, given)
  if reference == "MSO" then
    return ("at most %s %%MSO"):format(named(set, given))
  end
  local text = ("at most %.10g %%%s"):format(percent_for(set, limit, threshold, given), reference)
  return alone and text or ("%s (%s %%MSO)"):format(text, named(set, given))
end

return M
