--- Sentences on thresholds: those that were given, and those that staircases of the run found.
local known_fields = require "moonpulse.methods.known"
local numbers = require "moonpulse.text.numbers"
local wording = require "moonpulse.methods.wording"

local M = {}

local counted = numbers.counted
M.names = { RMT = "resting motor threshold", AMT = "active motor threshold" }
-- what the preflight asks for: muscle and criterion are still to be said
M.in_part = { ["by EMG"] = true, ["by eye"] = true }

--- How a threshold was found; what of it nobody said is asked for.
local function how_words(facts, how)
  how = how or facts.known.threshold_method and facts.known.threshold_method.value
  how = how or facts.threshold_by
  return not how and known_fields.placeholder "threshold_method"
    or M.in_part[how] and ("%s, %s"):format(how, known_fields.placeholder "criterion") or how
end

--- What is said of how thresholds were found, in whatever words; nil: nothing.
---@param facts moonpulse.MethodsFacts
---@return string?
---@return string? source
function M.method(facts)
  local known, parts = facts.known.threshold_method, {}
  if known then
    return known.value, known.source
  end
  for _, each in ipairs(facts.thresholds) do
    parts[#parts + 1] = each.how and not M.in_part[each.how] and ("%s: %s"):format(each.name, each.how) or nil
  end
  if parts[1] then
    return table.concat(parts, "; "), "operator"
  end
end

--- References that intensities need and that no threshold is given for.
---@param facts moonpulse.MethodsFacts
---@return table<string, boolean>
function M.missing(facts)
  local needed, given = {}, {}
  for _, each in ipairs(facts.thresholds) do
    given[each.name] = true
  end
  for _, found in ipairs { facts.planned or false, facts.delivered or false } do
    for _, kind in ipairs(found and found.kinds or {}) do
      for _, list in ipairs(kind.doses) do
        for _, dose in ipairs(list) do
          needed[dose.reference] = not given[dose.reference] and M.names[dose.reference] and true or nil
        end
      end
    end
  end
  return needed
end

--- The steps of a staircase, from those that it took: "steps of 4 to 1 %MSO".
local function steps_of(each)
  local least, most
  for i = 2, #each.track do
    local step = math.abs(each.track[i] - each.track[i - 1])
    if step > 0 then
      least, most = math.min(least or step, step), math.max(most or step, step)
    end
  end
  return not least and "" or least == most and (", steps of %g %s"):format(least, each.unit or "")
    or (", steps of %g to %g %s, halved at each reversal"):format(most, least, each.unit or "")
end

--- A staircase in words: rule, steps, trials.
---@param each table of facts.staircases
---@return string
function M.staircase(each)
  return ("%s, from %s %s%s, %s, %s"):format(each.rule or "rule not recorded",
    each.start and ("%g"):format(each.start) or "an unknown start", each.unit or "", steps_of(each),
    counted(each.trials or 0, "trial"), counted(each.reversals or 0, "reversal"))
end

--- What it found, with its interval.
---@param each table of facts.staircases
---@param named boolean? with its kind, if the script said it
---@return string
function M.found(each, named)
  local interval = each.interval
  return ("%s%.4g %s%s"):format(named and M.names[each.kind] and each.kind .. " " or "", each.threshold,
    each.unit or "", interval
    and (" (%g %% interval %.1f to %.1f %s)"):format(interval.percent, interval.low, interval.high,
      each.unit or "") or "")
end

local function add_staircases(facts, add)
  local has_interval
  for _, each in ipairs(facts.staircases) do
    local words = M.staircase(each)
    if type(each.threshold) == "number" then
      add("A staircase (%s) gave a %s of %s, the mean of the reversals at the smallest step", words,
        M.names[each.kind] or "threshold", M.found(each))
      has_interval = has_interval or each.interval
    else
      add("A staircase (%s) gave no threshold%s", words, each.why and ": " .. each.why or "")
    end
  end
  if has_interval then
    add("%s", "The interval is what the answers of all trials leave for the threshold, with a cumulative "
      .. "normal response curve whose spread is 3 to 15 % of the threshold")
  end
  if #facts.staircases > 0 then
    add("What counted as a response: %s", how_words(facts))
  end
end

--- The sentences on thresholds.
---@param facts moonpulse.MethodsFacts
---@param add fun(text: string, ...: any)
function M.write(facts, add)
  for _, each in ipairs(facts.thresholds) do
    add("The %s was %g %%MSO (%s)%s", M.names[each.name], each.value, how_words(facts, each.how),
      each.date and ", measured on " .. wording.day(each.date) or "")
  end
  for _, name in ipairs { "RMT", "AMT" } do
    if M.missing(facts)[name] then
      add("The %s was [%s: state it in %%MSO] (%s)", M.names[name], name, how_words(facts))
    end
  end
  add_staircases(facts, add)
end

return M
