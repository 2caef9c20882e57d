--- What a staircase or a hunt came to that found no threshold. That there is none up to the highest intensity
--- is a result of its own, which a lab reports: the muscle did not respond. It is no number.
local M = {}

local function number(value)
  return type(value) == "number" and math.abs(value) < 1e6 and value or nil
end

--- In words: "no threshold up to 100 %MSO", "no threshold down to 1 %MSO", "no threshold: why".
---@param facts { above: number?, below: number?, unit: string?, why: string? } of the manifest's
---   experiment.staircases or experiment.thresholds
---@return string
function M.words(facts)
  local unit = type(facts.unit) == "string" and facts.unit or "%MSO"
  local above, below = number(facts.above), number(facts.below)
  if above or below then
    return ("no threshold %s to %g %s"):format(above and "up" or "down", above or below, unit)
  end
  return "no threshold" .. (type(facts.why) == "string" and ": " .. facts.why or "")
end

return M
