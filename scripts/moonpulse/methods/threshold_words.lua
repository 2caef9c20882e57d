--- Sentences on thresholds: those that were given, and those that staircases and hunts of the run
--- found.
local in_order = require "moonpulse.text.in_order"
local known_fields = require "moonpulse.methods.known"
local no_threshold = require "moonpulse.text.no_threshold"
local numbers = require "moonpulse.text.numbers"
local threshold_methods = require "moonpulse.text.threshold_methods"
local wording = require "moonpulse.methods.wording"

local M = {}

local counted = numbers.counted
M.names = { RMT = "resting motor threshold", AMT = "active motor threshold" }
local a_name = { RMT = "a resting motor threshold", AMT = "an active motor threshold" }
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

--- A staircase in words: rule, steps, trials; a hunt: method, papers, trials.
---@param each table of facts.found
---@return string
function M.how(each)
  local from = ("from %s %s"):format(each.start and ("%g"):format(each.start) or "an unknown start",
    each.unit or "")
  if each.method then
    local paper, ending = threshold_methods.paper(each), threshold_methods.ending(each)
    return ("%s%s, %s, %s%s"):format(threshold_methods.name(each), paper and (" (%s)"):format(paper) or "",
      from, counted(each.trials or 0, "trial"), ending and ", ended " .. ending or "")
  end
  return ("%s, %s%s, %s, %s"):format(each.rule or "rule not recorded", from, steps_of(each),
    counted(each.trials or 0, "trial"), counted(each.reversals or 0, "reversal"))
end

--- What it found, with its interval.
---@param each table of facts.found
---@param named boolean? with its kind, if the script said it
---@return string
function M.found(each, named)
  local interval = each.interval
  return ("%s%.4g %s%s"):format(named and M.names[each.kind] and each.kind .. " " or "", each.threshold,
    each.unit or "", interval
    and (" (%g %% interval %.1f to %.1f %s)"):format(interval.percent, interval.low, interval.high,
      each.unit or "") or "")
end

--- What the script looked for and found; then once how the intervals were found, and what was a response.
local function add_found(facts, add)
  local intervals, asked, measured = {}, false, false
  for _, each in ipairs(facts.found) do
    local words = (each.method and "A threshold hunt by %s," or "A staircase (%s)"):format(M.how(each))
    if type(each.threshold) == "number" then
      add("%s gave %s of %s%s%s", words, a_name[each.kind] or "a threshold", M.found(each), M.whose(each),
        each.method and "" or ", the mean of the reversals at the smallest step")
      intervals[threshold_methods.interval(each)] = each.interval and true or nil
    else
      add("%s gave %s%s", words, no_threshold.words(each), M.whose(each))
    end
    measured = measured or threshold_methods.measures(each)
    asked = asked or not threshold_methods.measures(each)
  end
  for _, words in ipairs(in_order.keys(intervals)) do
    add("The interval is %s", words)
  end
  if measured then
    add("%s", "An MEP of 50 uV or more, peak to peak, counted as a response")
  end
  if asked then
    add("What counted as a response: %s", how_words(facts))
  end
end

--- For which of several devices a threshold is.
---@param each { device: string? } of facts.thresholds
---@return string empty: of the run's only one, or of all
function M.whose(each)
  return each.device and (" for the stimulator \"%s\""):format(each.device) or ""
end

--- The sentences on thresholds.
---@param facts moonpulse.MethodsFacts
---@param add fun(text: string, ...: any)
function M.write(facts, add)
  for _, each in ipairs(facts.thresholds) do
    add("The %s%s was %g %%MSO (%s)%s", M.names[each.name], M.whose(each), each.value,
      how_words(facts, each.how),
      each.date and ", measured on " .. wording.day(each.date) or "")
  end
  for _, name in ipairs { "RMT", "AMT" } do
    if M.missing(facts)[name] then
      add("The %s was [%s: state it in %%MSO] (%s)", M.names[name], name, how_words(facts))
    end
  end
  add_found(facts, add)
end

return M
