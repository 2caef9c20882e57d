--- Sentences on the input-output curves that a script gave.
local curve_words = require "moonpulse.text.curve_words"
local numbers = require "moonpulse.text.numbers"

local M = {}

local orders = { random = "in random order", blocks = "in blocks that each have every intensity once, in "
  .. "random order", given = "one after the other" }

--- The intensities of a curve, as far as its trials say them: those asked for, or what the device was set to,
--- which is what an old record does not say.
---@param key "intensity"|"set"
local function intensities_of(curve, key)
  local list, is_there = {}, {}
  for _, trial in ipairs(type(curve.track) == "table" and curve.track or {}) do
    local value = type(trial) == "table" and (trial[key] or trial.intensity)
    if math.type(value) and value == value and not is_there[value] then
      is_there[value], list[#list + 1] = true, value
    end
  end
  table.sort(list)
  return list
end

local function write(curve, add)
  local unit, list, fit = curve_words.unit(curve), intensities_of(curve, "intensity"), curve_words.fit(curve)
  local repeats = math.tointeger(curve.repeats) and numbers.counted(math.tointeger(curve.repeats), "pulse")
  local place = curve_words.place(curve)
  add("An input-output curve was measured%s at %s%s%s%s, with %s", place
    and (" with the stimulator \"%s\""):format(place) or "", #list == 1 and "1 intensity"
    or ("%d intensities"):format(#list), list[2]
    and (" from %g to %g %s"):format(list[1], list[#list], unit) or "",
    repeats and (", %s at each"):format(repeats) or "", orders[curve.order] and " " .. orders[curve.order]
    or "", numbers.counted(math.tointeger(curve.trials) or 0, "MEP"))
  local set = intensities_of(curve, "set")
  if table.concat(set, " ") ~= table.concat(list, " ") then
    add("The stimulator was set to the nearest of its steps, %d intensities from %.4g to %.4g %s, which %s",
      #set, set[1], set[#set], unit, fit and "are what was fitted" or "are what the MEPs belong to")
  end
  if fit then
    add("The Boltzmann function (%s) was fitted to the peak-to-peak amplitudes of all trials by least "
      .. "squares: %s%s", curve_words.paper, curve_words.fitted(fit, unit), fit.r2
      and (" (R^2 %.2f)"):format(fit.r2) or "")
    for _, text in ipairs(curve_words.limits(fit)) do
      add("%s", text:sub(1, 1):upper() .. text:sub(2))
    end
  else
    add("No curve could be fitted%s", type(curve.why) == "string" and ": " .. curve.why or "")
  end
  return fit ~= nil
end

--- The sentences.
---@param facts moonpulse.MethodsFacts
---@param add fun(text: string, ...: any)
function M.write(facts, add)
  local fitted = false
  for _, curve in ipairs(facts.curves or {}) do
    fitted = write(curve, add) or fitted
  end
  if fitted then
    add("%s", "The intervals allow for a scatter that differs from intensity to intensity (HC3)")
  end
end

return M
