--- What fills the items of a reporting checklist that pulses, plans, staircases and hunts tell. Each function
--- gets the facts and gives a text and its source, or nil: nobody knows it.
local by_condition = require "moonpulse.methods.by_condition"
local doses = require "moonpulse.methods.doses"
local numbers = require "moonpulse.text.numbers"
local stimuli = require "moonpulse.methods.stimuli"
local structure = require "moonpulse.methods.structure"
local threshold_words = require "moonpulse.methods.threshold_words"
local train_fills = require "moonpulse.methods.train_fills"
local wording = require "moonpulse.methods.wording"

local counted = numbers.counted

local told = wording.seconds

local function stimuli_of(facts)
  return facts.delivered or facts.planned
end

local function range(low, high)
  return numbers.range(low, high, told)
end

local fills = {}

for name, fill in pairs(train_fills) do
  fills[name] = fill
end

--- The intensities of all pulses, each once with its pulses, as `as` tells one; nil: it leaves it out.
local function summed(facts, as)
  local list, by_key = {}, {}
  for _, kind in ipairs(stimuli_of(facts) and stimuli_of(facts).kinds or {}) do
    for _, place in ipairs(kind.doses) do
      for _, dose in ipairs(place) do
        local found = as(dose)
        local key = found and ("%s %s %s %s"):format(dose.channel, found.intensity, found.reference,
          found.mso)
        local sum = key and by_key[key]
        if sum then
          sum.count = sum.count + dose.count
        elseif found then
          by_key[key] = { intensity = found.intensity, reference = found.reference, mso = found.mso,
            count = dose.count, channel = dose.channel }
          list[#list + 1] = by_key[key]
        end
      end
    end
  end
  return list
end

--- Intensities in words: of several, how many pulses had each.
local function dose_text(list, nerve)
  return (#list > 1 and #list <= doses.most and "pulses: " or "") .. doses.text(list, nerve)
end

--- All intensities.
function fills.intensity(facts)
  local list = summed(facts, function(dose) return dose end)
  return #list > 0 and dose_text(list, facts.nerve) or nil, "engine"
end

--- In %MSO alone; nil: of one it is not known.
local function own_unit(list, facts)
  for _, dose in ipairs(list) do
    if not dose.mso and dose.reference ~= "MSO" then
      return nil
    end
  end
  local told_list = {}
  for i, dose in ipairs(list) do
    local mso = doses.is_of_nerve(dose.channel, dose.reference, facts.nerve) and dose.intensity
      or dose.mso or dose.intensity
    told_list[i] = { channel = dose.channel, intensity = mso, reference = "MSO", count = dose.count }
  end
  return dose_text(told_list, facts.nerve)
end

function fills.mso(facts)
  local list = summed(facts, function(dose) return dose end)
  return #list > 0 and own_unit(list, facts) or nil, "engine"
end

--- In percent of a threshold alone.
local function relative_of(list)
  local found, others = {}, false
  for _, dose in ipairs(list) do
    if dose.reference == "MSO" then
      others = true
    else
      found[#found + 1] = { channel = dose.channel, intensity = dose.intensity, reference = dose.reference,
        count = dose.count }
    end
  end
  return #found == 0 and "not set by a threshold"
    or dose_text(found) .. (others and "; the others are not set by a threshold" or "")
end

function fills.relative(facts)
  local list = summed(facts, function(dose)
    return { intensity = dose.intensity, reference = dose.reference }
  end)
  return #list > 0 and relative_of(list) or nil, "engine"
end

--- Of what the intensities are percent.
function fills.intensity_method(facts)
  local parts, seen = {}, {}
  for _, dose in ipairs(summed(facts, function(dose) return dose end)) do
    local is_of_nerve = doses.is_of_nerve(dose.channel, dose.reference, facts.nerve)
    local text = is_of_nerve and "the nerve stimulator's maximum"
      or dose.reference == "MSO" and "the stimulator's maximum output" or "the "
        .. (threshold_words.names[dose.reference] or dose.reference)
    if not seen[text] then
      seen[text], parts[#parts + 1] = true, text
    end
  end
  return #parts > 0 and "in percent of " .. table.concat(parts, ", and of ") or nil, "protocol"
end

--- Stimuli that a paper counts by their MEPs: single pulses and pairs, no trains.
local function has_trials(facts)
  for _, kind in ipairs(stimuli_of(facts).kinds) do
    if kind.pulses <= 2 then
      return true
    end
  end
  return #stimuli_of(facts).kinds == 0
end

local no_trials = "does not apply: trains, without MEP trials"

function fills.interval(facts)
  local found = stimuli_of(facts)
  if not found then
    return nil
  elseif not has_trials(facts) then
    return no_trials, "engine"
  elseif not found.shortest then
    return "does not apply: one stimulus", "engine"
  end
  return ("%s from onset to onset of stimuli%s, %s in the mean%s"):format(
    range(found.shortest, found.longest),
    facts.catch_trials and " (also across trials without a pulse)" or "", told(found.mean),
    found.break_shortest and ("; from block to block %s"):format(range(found.break_shortest,
      found.break_longest)) or ""), "engine"
end

local function staircase_or_not(each)
  return each.method and "" or "staircase "
end

function fills.threshold(facts)
  local parts = {}
  local how = facts.known.threshold_method
  for _, each in ipairs(facts.found) do
    parts[#parts + 1] = ("%s%s%s"):format(staircase_or_not(each), threshold_words.how(each), each.threshold
      and ": " .. threshold_words.found(each, true) or "")
  end
  for _, each in ipairs(facts.thresholds) do
    if each.how and not threshold_words.in_part[each.how] then
      parts[#parts + 1] = ("%s: %s"):format(each.name, each.how)
    end
  end
  if #parts > 0 then
    return table.concat(parts, "; ") .. (how and "; " .. how.value or ""),
      #facts.found > 0 and "engine" or "operator"
  end
  return how and how.value, how and how.source
end

local function is_pair(kind)
  return kind.pulses == 2
end

local function is_single(kind)
  return kind.pulses == 1
end

local most_kinds = 12

--- The kinds of stimuli by their pulses and intervals: the order in which they came may be drawn.
local function sorted_kinds(facts)
  local found = stimuli_of(facts)
  local list = table.move(found and found.kinds or {}, 1, found and #found.kinds or 0, 1, {})
  local place = {}
  for i, kind in ipairs(list) do
    place[kind] = i
  end
  table.sort(list, function(a, b)
    if a.pulses ~= b.pulses then
      return a.pulses < b.pulses
    elseif (a.shortest or 0) ~= (b.shortest or 0) then
      return (a.shortest or 0) < (b.shortest or 0)
    end
    return place[a] < place[b]
  end)
  return list
end

--- The kinds of stimuli, with how many there were.
---@return string[]
local function kinds_of(facts, wanted)
  local parts, more = {}, 0
  for _, kind in ipairs(sorted_kinds(facts)) do
    local is_wanted = not wanted or wanted(kind)
    if is_wanted and #parts == most_kinds then
      more = more + 1
    elseif is_wanted then
      parts[#parts + 1] = kind.pulses == 1 and counted(kind.count, "single pulse")
        or kind.pulses == 2 and ("%s %s apart"):format(counted(kind.count, "pair"),
          wording.intervals(kind))
        or ("%s of %s pulses"):format(counted(kind.count, kind.is_train and "train" or "trial"),
          numbers.count(kind.pulses))
    end
  end
  parts[#parts + 1] = more > 0 and ("and %s (events.tsv has every pulse)"):format(counted(more, "more kind"))
    or nil
  return parts
end

--- The kinds, and the conditions that may have them: of single pulses those that have one in each trial.
local function counts_of(facts, wanted)
  local parts, conditions = kinds_of(facts, wanted), {}
  for _, each in ipairs(facts.conditions) do
    if wanted ~= is_single or not each.trials or each.planned == each.trials then
      conditions[#conditions + 1] = by_condition.words(each, counted, numbers.count)
    end
  end
  parts[#parts + 1] = #conditions > 0 and "by condition: " .. table.concat(conditions, ", ") or nil
  return table.concat(parts, "; ")
end

--- The protocol in general: its name, and what it is made of.
function fills.protocol(facts)
  local found, parts = stimuli_of(facts), kinds_of(facts)
  local only = found and found.count == 1 and found.kinds[1]
  local text = only and only.pulses > 2 and only.is_train and only.shortest > stimuli.within_s
    and counted(only.pulses, "pulse") .. ", repetitive" or table.concat(parts, "; ")
  return facts.name .. (text ~= "" and ": " .. text or ""), "protocol"
end

function fills.stimuli(facts)
  if not stimuli_of(facts) then
    return nil
  end
  if not has_trials(facts) then
    return no_trials, "engine"
  end
  return counts_of(facts) .. "; how many of their MEPs were kept is the analysis's to say", "engine"
end

function fills.singles(facts)
  if not stimuli_of(facts) then
    return nil
  elseif not has_trials(facts) then
    return no_trials, "engine"
  elseif #kinds_of(facts, is_single) == 0 then
    return "does not apply: no single pulses", "engine"
  end
  return counts_of(facts, is_single), "engine"
end

local no_pairs = "does not apply: no pairs"

--- Of a pair with a pulse to a nerve: none of its pulses conditions or tests the other.
local function of_nerve(kind, facts)
  local nerve = facts.nerve and facts.nerve.channels or {}
  return (nerve[kind.channels[1]] or nerve[kind.channels[2]])
    and ("does not apply: a pulse to the nerve and one to the brain (%s, then %s)"):format(
      doses.text(kind.doses[1], facts.nerve), doses.text(kind.doses[2], facts.nerve)) or nil
end

--- Of the pairs: one text each, or that there are none.
local function of_pairs(text_of)
  return function(facts)
    local parts, known = {}, {}
    for _, kind in ipairs(sorted_kinds(facts)) do
      local text = kind.pulses == 2 and text_of(kind, facts)
      if text and not known[text] then
        known[text], parts[#parts + 1] = true, text
      end
    end
    if not stimuli_of(facts) then
      return nil
    end
    return #parts > 0 and table.concat(parts, "; ") or no_pairs, "engine"
  end
end

fills.test = of_pairs(function(kind, facts)
  return of_nerve(kind, facts) or doses.text(kind.doses[2], facts.nerve)
end)
fills.conditioning = of_pairs(function(kind, facts)
  return of_nerve(kind, facts) or doses.text(kind.doses[1], facts.nerve)
end)
fills.isi = of_pairs(wording.intervals)

function fills.total(facts)
  local pulses = facts.pulses
  if pulses.unknown then
    return nil
  elseif pulses.delivered then
    local is_whole = (pulses.confirmed or 0) >= pulses.delivered -- delivered is only what is confirmed
    local proven = is_whole and "" or (", %s of them confirmed by the stimulator"):format(
      numbers.count(pulses.confirmed or 0))
    return ("%s %s of %s %s%s"):format(numbers.count(pulses.delivered), is_whole and "delivered" or "sent",
      pulses.planned and numbers.count(pulses.planned) or "?",
      facts.kind == "experiment" and "asked for by the script" or "planned", proven), "engine"
  end
  return pulses.planned and numbers.count(pulses.planned), "engine"
end

function fills.sham(facts)
  if facts.sham then
    return ("sham by a low intensity, on the schedule of %s"):format(facts.sham), "protocol"
  elseif facts.has_sham then
    return ("a part is sham by a low intensity, on the schedule of %s"):format(facts.has_sham), "protocol"
  end
  local known = facts.known.sham
  return known and known.value, known and known.source
end

--- When a person was stimulated; what else is said of it comes first.
function fills.time_of_day(facts)
  local known = facts.known.time_of_day
  if known then
    return known.value, known.source
  end
  local at, zone = (facts.started or ""):match("T(%d%d:%d%d).-([+-]%d%d:?%d%d)$")
  local is_real = facts.of == "run" and facts.device and facts.device.simulated == false
  return at and is_real and ("%s (UTC%s)"):format(at, zone) or nil, "engine"
end

function fills.control(facts)
  local known = facts.known.control
  if known then
    return known.value, known.source
  end
  return fills.sham(facts)
end

--- How often: which session it was, or what is planned.
function fills.sessions(facts)
  local session, known = facts.session, facts.known.sessions
  if session then
    return ("session %d%s"):format(session.number, session.of and (" of %d"):format(session.of) or ""),
      "engine"
  end
  local planned = facts.schedule and facts.schedule:gsub("^The sessions: ", "")
  return planned or known and known.value, planned and "protocol" or known and known.source
end

function fills.threshold_algorithm(facts)
  local parts = {}
  for i, each in ipairs(facts.found) do
    parts[i] = staircase_or_not(each) .. threshold_words.how(each)
  end
  if parts[1] then
    return table.concat(parts, "; "), "engine"
  end
  local known = facts.known.threshold_algorithm
  if known then
    return known.value, known.source
  end
  return threshold_words.method(facts)
end

function fills.threshold_type(facts)
  local known, parts, seen = facts.known.threshold_type, {}, {}
  if known then
    return known.value, known.source
  end
  local function add(name)
    if threshold_words.names[name] and not seen[name] then
      seen[name], parts[#parts + 1] = true, threshold_words.names[name]
    end
  end
  for _, each in ipairs(facts.thresholds) do
    add(each.name)
  end
  for _, each in ipairs(facts.found) do
    add(each.kind)
  end
  for _, dose in ipairs(summed(facts, function(dose) return dose end)) do
    add(dose.reference)
  end
  return parts[1] and table.concat(parts, ", "), "protocol"
end

--- Those that were given, and those that were found; nil: one that intensities need is missing.
function fills.threshold_values(facts)
  local parts = {}
  for _, each in ipairs(facts.thresholds) do
    parts[#parts + 1] = ("%s%s %g %%MSO"):format(each.name, each.device and " of " .. each.device or "",
      each.value)
  end
  for _, each in ipairs(facts.found) do
    parts[#parts + 1] = each.threshold and ("found by the %s: %s"):format(each.method and "hunt"
      or "staircase", threshold_words.found(each, true)) or nil
  end
  local is_missing = next(threshold_words.missing(facts)) ~= nil
  return not is_missing and parts[1] and table.concat(parts, "; ") or nil,
    #facts.found > 0 and "engine" or "operator"
end

--- Of the first pulses of pairs; a pulse to a nerve conditions as well. text_of: nil says that it is not
--- known.
local function of_conditioning(text_of)
  return function(facts)
    local parts, known = {}, {}
    for _, kind in ipairs(stimuli_of(facts) and stimuli_of(facts).kinds or {}) do
      local text = kind.pulses == 2 and text_of(kind.doses[1], facts)
      if text == nil then
        return nil
      elseif text and not known[text] then
        known[text], parts[#parts + 1] = true, text
      end
    end
    if not stimuli_of(facts) then
      return nil
    end
    return parts[1] and table.concat(parts, "; ") or no_pairs, "engine"
  end
end

fills.conditioning_own = of_conditioning(own_unit)
fills.conditioning_relative = of_conditioning(relative_of)

function fills.pairs(facts)
  if not stimuli_of(facts) then
    return nil
  end
  local parts = kinds_of(facts, is_pair)
  return parts[1] and table.concat(parts, "; ") or no_pairs, "engine"
end

function fills.trial_order(facts)
  local known = facts.known.trial_order
  if known then
    return known.value, known.source
  elseif not stimuli_of(facts) then
    return nil
  elseif #kinds_of(facts, is_pair) == 0 then
    return no_pairs, "engine"
  elseif #kinds_of(facts, is_single) == 0 then
    return "does not apply: no unconditioned single pulses", "engine"
  elseif facts.drawn and facts.drawn.order then
    return ("drawn%s, from the seed %s"):format(facts.drawn.part and " in a part, fixed in another" or "",
      facts.drawn.seed), "protocol"
  end
  return facts.pattern and "fixed, as the protocol has it" or nil, "protocol"
end

-- why an item is not for these stimuli; nil: it is, or nobody knows
local not_for = {}

function not_for.trials(facts)
  return stimuli_of(facts) and not has_trials(facts) and no_trials or nil
end

function not_for.pairs(facts)
  return stimuli_of(facts) and #kinds_of(facts, is_pair) == 0 and no_pairs or nil
end

function not_for.trains(facts)
  local found = stimuli_of(facts)
  for _, kind in ipairs(found and has_trials(facts) and found.kinds or {}) do
    if kind.pulses > 2 then
      return nil
    end
  end
  local has_none = found and has_trials(facts) and not next(structure.trains(facts.parts))
  return has_none and "does not apply: no trains" or nil
end

function not_for.nerve(facts)
  return stimuli_of(facts) and not facts.nerve and "does not apply: no pulses to a nerve" or nil
end

return { by_name = fills, not_for = not_for }
