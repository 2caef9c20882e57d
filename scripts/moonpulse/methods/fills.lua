--- What fills the items of a reporting checklist that pulses, plans and staircases tell. Each function gets
--- the facts and gives a text and its source, or nil: nobody knows it.
local by_condition = require "moonpulse.methods.by_condition"
local doses = require "moonpulse.methods.doses"
local numbers = require "moonpulse.text.numbers"
local structure = require "moonpulse.methods.structure"
local threshold_words = require "moonpulse.methods.threshold_words"
local wording = require "moonpulse.methods.wording"

local counted = numbers.counted

local seconds, told = numbers.seconds, wording.seconds -- of a plan, and of what was measured

local function stimuli_of(facts)
  return facts.delivered or facts.planned
end

local function range(low, high)
  return told(low) == told(high) and told(low) or ("%s to %s"):format(told(low), told(high))
end

local fills = {}

--- All intensities, each once, with its pulses.
function fills.intensity(facts)
  local list, by_key = {}, {}
  for _, kind in ipairs(stimuli_of(facts) and stimuli_of(facts).kinds or {}) do
    for _, place in ipairs(kind.doses) do
      for _, dose in ipairs(place) do
        local key = ("%s %s %s %s"):format(dose.channel, dose.intensity, dose.reference, dose.mso)
        local sum = by_key[key]
        if not sum then
          sum = { intensity = dose.intensity, reference = dose.reference, mso = dose.mso, count = 0,
            channel = dose.channel }
          by_key[key], list[#list + 1] = sum, sum
        end
        sum.count = sum.count + dose.count
      end
    end
  end
  return #list > 0 and doses.text(list, facts.nerve) or nil, "engine"
end

function fills.mso(facts)
  for _, kind in ipairs(stimuli_of(facts) and stimuli_of(facts).kinds or {}) do
    for _, place in ipairs(kind.doses) do
      for _, dose in ipairs(place) do
        if not dose.mso and dose.reference ~= "MSO" then
          return nil
        end
      end
    end
  end
  return fills.intensity(facts)
end

--- Stimuli that a paper counts by their MEPs: single pulses and pairs, no trains.
local function has_trials(found)
  for _, kind in ipairs(found.kinds) do
    if kind.pulses <= 2 then
      return true
    end
  end
  return #found.kinds == 0
end

local no_trials = "does not apply: trains, without MEP trials"

function fills.interval(facts)
  local found = stimuli_of(facts)
  if not found then
    return nil
  elseif not has_trials(found) then
    return no_trials, "engine"
  elseif not found.shortest then
    return "does not apply: one stimulus", "engine"
  end
  return ("%s from onset to onset of stimuli, %s in the mean"):format(range(found.shortest, found.longest),
    told(found.mean)), "engine"
end

function fills.threshold(facts)
  local parts = {}
  local how = facts.known.threshold_method
  for _, each in ipairs(facts.staircases) do
    parts[#parts + 1] = ("staircase %s%s"):format(threshold_words.staircase(each), each.threshold
      and ": " .. threshold_words.found(each) or "")
  end
  for _, each in ipairs(facts.thresholds) do
    if each.how and not threshold_words.in_part[each.how] then
      parts[#parts + 1] = ("%s: %s"):format(each.name, each.how)
    end
  end
  if #parts > 0 then
    return table.concat(parts, "; ") .. (how and "; " .. how.value or ""),
      #facts.staircases > 0 and "engine" or "operator"
  end
  return how and how.value, how and how.source
end

local function counts_of(facts, wanted)
  local parts = {}
  for _, kind in ipairs(stimuli_of(facts) and stimuli_of(facts).kinds or {}) do
    if not wanted or wanted(kind) then
      parts[#parts + 1] = kind.pulses == 1 and counted(kind.count, "single pulse")
        or kind.pulses == 2 and ("%s %s apart"):format(counted(kind.count, "pair"),
          told(kind.shortest))
        or ("%s of %s pulses"):format(counted(kind.count, "train"), numbers.count(kind.pulses))
    end
  end
  for _, each in ipairs(facts.conditions) do
    parts[#parts + 1] = by_condition.words(each, counted, numbers.count)
  end
  return table.concat(parts, "; ")
end

function fills.stimuli(facts)
  if not stimuli_of(facts) then
    return nil
  end
  if not has_trials(stimuli_of(facts)) then
    return no_trials, "engine"
  end
  return counts_of(facts) .. "; how many of their MEPs were kept is the analysis's to say", "engine"
end

function fills.singles(facts)
  if not stimuli_of(facts) then
    return nil
  end
  local text = counts_of(facts, function(kind) return kind.pulses == 1 end)
  return text ~= "" and text or "does not apply: no single pulses", "engine"
end

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
    for _, kind in ipairs(stimuli_of(facts) and stimuli_of(facts).kinds or {}) do
      local text = kind.pulses == 2 and text_of(kind, facts)
      if text and not known[text] then
        known[text], parts[#parts + 1] = true, text
      end
    end
    if not stimuli_of(facts) then
      return nil
    end
    return #parts > 0 and table.concat(parts, "; ") or "does not apply: no pairs", "engine"
  end
end

fills.test = of_pairs(function(kind, facts)
  return of_nerve(kind, facts) or doses.text(kind.doses[2], facts.nerve)
end)
fills.conditioning = of_pairs(function(kind, facts)
  return of_nerve(kind, facts) or doses.text(kind.doses[1], facts.nerve)
end)
fills.isi = of_pairs(function(kind) return told(kind.shortest) end)

--- Of the levels of each part of the plan.
local function of_levels(text_of)
  return function(facts)
    local parts = {}
    for _, levels in ipairs(facts.parts) do
      parts[#parts + 1] = text_of(levels) or nil
    end
    local planned = #facts.deviations > 0 and " (as planned)" or ""
    return #parts > 0 and table.concat(parts, "; then ") .. planned or nil, "protocol"
  end
end

local no_trains = "does not apply: no trains, but single pulses or pairs"

--- Of a chain of repetitions: what of_train says of the level that repeats trains, or of_one of one train
--- that
--- does not pause.
local function of_chain(of_train, of_one)
  return of_levels(function(levels)
    local at = structure.train_level(levels)
    if at then
      return of_train(levels[at], levels, at)
    elseif #levels > 0 then
      return levels[#levels].spacing == "train" and of_one(levels[#levels]) or no_trains
    end
  end)
end

fills.train_pulses = of_chain(function(train)
  return numbers.count(train.pulses)
end, function(train)
  return ("%s, in one train"):format(numbers.count(train.count * train.pulses))
end)

fills.rate = of_levels(function(levels)
  local parts, last = {}, (structure.train_level(levels) or #levels + 1) - 1
  if #levels > 0 and levels[last].spacing ~= "train" then
    return no_trains
  end
  for i = 1, last do
    parts[i] = ("%s every %s (%.6g Hz)"):format(i == 1 and "pulses" or "bursts", seconds(levels[i].every),
      1 / levels[i].every)
  end
  return parts[1] and table.concat(parts, ", ")
end)

fills.train_duration = of_chain(function(train)
  return ("%s nominal, %s from the first to the last pulse"):format(seconds(train.span),
    seconds(train.first_to_last))
end, function(train)
  return ("%s nominal, in one train"):format(seconds(train.every * train.count))
end)

local function between(level)
  if not level.gap then
    return ("%s from onset to onset, drawn"):format(range(level.every, level.longest))
  end
  return ("%s from the nominal end to the next onset, %s from the last pulse to the next one, %s from onset "
    .. "to onset"):format(seconds(level.gap), seconds(level.silence), seconds(level.every))
end

fills.gap = of_chain(function(train, levels, at)
  local parts = { between(train) }
  for i = at + 1, #levels do
    parts[#parts + 1] = "blocks: " .. between(levels[i])
  end
  return table.concat(parts, "; ")
end, function()
  return "does not apply: one train"
end)

fills.trains = of_chain(function(train, levels, at)
  local text = numbers.count(train.count)
  for i = at + 1, #levels do
    text = ("%s in each of %s blocks"):format(text, numbers.count(levels[i].count))
  end
  return text
end, function()
  return "1"
end)

function fills.total(facts)
  local pulses = facts.pulses
  if pulses.unknown then
    return nil
  elseif pulses.delivered then
    return ("%s delivered of %s planned"):format(numbers.count(pulses.delivered),
      pulses.planned and numbers.count(pulses.planned) or "?"), "engine"
  end
  return pulses.planned and numbers.count(pulses.planned), "engine"
end

function fills.sham(facts)
  if facts.sham then
    return ("sham by a low intensity, on the schedule of %s"):format(facts.sham), "protocol"
  end
  local known = facts.known.sham
  return known and known.value, known and known.source
end

return fills
