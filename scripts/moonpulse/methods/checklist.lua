--- Reporting checklists as sheets: each item is filled, asked for, or cannot be known here; none is blank.
--- Chipchase 2012: numbers and order of the checklist, items in our words. The parameters of rTMS are those
--- that papers on it have to give; Chipchase has no items for them. TMS-RAT: only the items that could be
--- read (docs/methods.md says where), under their own labels where these are known.
local by_condition = require "moonpulse.methods.by_condition"
local doses = require "moonpulse.methods.doses"
local known_fields = require "moonpulse.methods.known"
local numbers = require "moonpulse.text.numbers"
local structure = require "moonpulse.methods.structure"
local threshold_words = require "moonpulse.methods.threshold_words"
local wording = require "moonpulse.methods.wording"

local M = {}

local counted = numbers.counted

---@class moonpulse.ChecklistItem
---@field number string
---@field section string
---@field item string
---@field status "filled"|"asked for"|"cannot be known here"
---@field value string? of a filled one
---@field source "engine"|"device"|"operator"|"protocol"|nil of a filled one
---@field fill string? what would fill it, or why it cannot be known

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

local kept = { "serial", "firmware" } -- told with the stimulator where they are known

local function known_value(facts, key)
  local text, source = known_fields.words(facts.known, key)
  if key ~= "stimulator" or not text then
    return text, source
  end
  local parts = { text }
  for _, more in ipairs(kept) do
    parts[#parts + 1] = facts.known[more] and known_fields.by_key[more].name .. " " .. facts.known[more].value
  end
  return table.concat(parts, ", "), source
end

local no_emg = "no EMG is recorded here"

-- number, section, item, how it is filled: "?" before a field's key; where the field is not known, what is
-- asked
-- for instead of the field's own words; why it cannot be known
local lists = {}

lists.chipchase = {
  title = "Chipchase 2012 (Clin Neurophysiol 123:1698-1704, doi:10.1016/j.clinph.2012.05.003)",
  note = "30 items; 26 to 28 are for paired pulses. Wording ours.",
  { "1", "participants", "age", "?age" }, { "2", "participants", "sex", "?sex" },
  { "3", "participants", "handedness", "?handedness" },
  { "4", "participants", "prescribed medication", "?medication" },
  { "5", "participants", "CNS-active drugs", "?cns_drugs" },
  { "6", "participants", "neurological and psychiatric disorders", "?disorders" },
  { "7", "participants", "medical conditions", "?medical_conditions" },
  { "8", "participants", "history of specific repetitive motor activity", "?motor_activity" },
  { "9", "methods", "position and contact of EMG electrodes", "?emg_electrodes" },
  { "10", "methods", "contraction of the target muscle", "?contraction" },
  { "11", "methods", "prior motor activity of the muscle", "?prior_activity" },
  { "12", "methods", "relaxation of other muscles", "?relaxation" },
  { "13", "methods", "coil type (size and geometry)", "?coil" },
  { "14", "methods", "coil orientation", "?coil_orientation" },
  { "15", "methods", "direction of the induced current", "?current_direction" },
  { "16", "methods", "coil location and stability, with or without navigation", "?coil_location" },
  { "17", "methods", "stimulator type", "?stimulator" },
  { "18", "methods", "stimulation intensity", "intensity" },
  { "19", "methods", "pulse shape", "?waveform" },
  { "20", "methods", "how the hotspot was found", "?hotspot" },
  { "21", "methods", "time between MEP trials", "interval" },
  { "22", "methods", "time between test days", "?test_days" },
  { "23", "methods", "attention or arousal during the test", "?attention" },
  { "24", "methods", "how the threshold was found", "threshold", ask = "threshold_method" },
  { "25", "methods", "number of MEPs", "stimuli" },
  { "26", "paired pulses", "intensity of the test pulse", "test" },
  { "27", "paired pulses", "intensity of the conditioning pulse", "conditioning" },
  { "28", "paired pulses", "inter-stimulus interval", "isi" },
  { "29", "analysis", "how MEP size was measured", "?mep_size", cannot = no_emg },
  { "30", "analysis", "size of the unconditioned MEP", "?unconditioned_mep", cannot = no_emg },
}

lists.rtms = {
  title = "Parameters of rTMS and theta burst",
  note = "Chipchase 2012 has no items for them; what papers on rTMS have to give.",
  { "R1", "pattern", "pulses in a train", "train_pulses" }, { "R2", "pattern", "rate", "rate" },
  { "R3", "pattern", "duration of a train", "train_duration" },
  { "R4", "pattern", "time between trains", "gap" }, { "R5", "pattern", "number of trains", "trains" },
  { "R6", "pattern", "pulses in all", "total" },
  { "R7", "intensity", "percent of which threshold", "intensity" }, { "R8", "coil", "coil", "?coil" },
  { "R9", "coil", "target", "?target" }, { "R10", "control", "sham", "sham", ask = "sham" },
}

lists["tms-rat"] = {
  title = "TMS-RAT, in part (Szekely et al., bioRxiv 10.64898/2026.02.18.706460)",
  note = "v1.0 has 71 items in 12 sections, and those of Chipchase are among them; only these seven could be "
    .. "read (docs/methods.md): take the authors' own sheet for the others. Wording ours.",
  { "G1", "single pulse", "trial-to-trial interval", "interval" },
  { "G2", "single pulse", "number of unconditioned test pulses, by condition", "singles" },
  { "G3", "single pulse", "evoked responses in raw units", "?unconditioned_mep", cannot = no_emg },
  { "a", "label not known", "screening for medication, prescribed or not", "?medication" },
  { "b", "label not known", "duration of an experimental session", "?session_duration" },
  { "c", "label not known", "intensity in %MSO or dI/dt", "mso", fill = "--rmt N, --amt N" },
  { "d", "label not known", "activity of the target muscles during TMS", "?contraction" },
}

M.names = { "chipchase", "rtms", "tms-rat" }

local no_structure = "does not apply: no repeated trains are planned"
local of_structure = { train_pulses = true, rate = true, train_duration = true, gap = true, trains = true }

local function item_of(facts, spec)
  local item = { number = spec[1], section = spec[2], item = spec[3] }
  local key = spec[4]:match("^%?(.*)$")
  local value, source
  if key then
    value, source = known_value(facts, key)
  else
    value, source = fills[spec[4]](facts)
    if not value and of_structure[spec[4]] and facts.pattern then
      value, source = no_structure, "protocol"
    end
  end
  if value then
    item.status, item.value, item.source = "filled", value, source
  elseif spec.cannot then
    item.status, item.fill = "cannot be known here", ("%s; %s takes it in"):format(spec.cannot,
      known_fields.by_key[key].fill)
  elseif of_structure[spec[4]] then
    item.status, item.fill = "cannot be known here", "the record has no plan, only pulses: see their "
      .. "intervals"
  else
    local asked = known_fields.by_key[key or spec.ask or ""]
    item.status = "asked for"
    item.fill = asked and ("%s: %s"):format(asked.ask, asked.fill) or spec.fill or "a run that gave pulses"
    if spec.ask == "threshold_method" and facts.threshold_by then
      item.fill = ("%s (so far only: %s)"):format(item.fill, facts.threshold_by)
    end
  end
  return item
end

--- A checklist of what facts tell.
---@param name "chipchase"|"rtms"|"tms-rat"
---@param facts moonpulse.MethodsFacts
---@return { name: string, title: string, note: string, items: moonpulse.ChecklistItem[] }
function M.of(name, facts)
  local list = lists[name]
  local made = { name = name, title = list.title, note = list.note, items = {} }
  for i, spec in ipairs(list) do
    made.items[i] = item_of(facts, spec)
  end
  return made
end

return M
