--- The sentences of a methods section. What is not known stands in them as a placeholder, never silently out.
local apparatus = require "moonpulse.methods.apparatus"
local by_condition = require "moonpulse.methods.by_condition"
local curve_sentences = require "moonpulse.methods.curve_sentences"
local doses = require "moonpulse.methods.doses"
local known_fields = require "moonpulse.methods.known"
local layers = require "moonpulse.record.verdict_layers"
local numbers = require "moonpulse.text.numbers"
local threshold_words = require "moonpulse.methods.threshold_words"
local wording = require "moonpulse.methods.wording"
local wrapping = require "moonpulse.text.wrapping"

local M = {}

local seconds, counted = wording.seconds, numbers.counted

---@class moonpulse.Sentence
---@field id string what it is on: "protocol", "pattern", "dose", ...
---@field text string with its full stop

local function value_of(facts, key)
  return known_fields.words(facts.known, key) or known_fields.placeholder(key)
end

--- Capital first, and one full stop.
local function whole(text)
  text = text:gsub("^%l", string.upper)
  return text:find("[?!]$") and text or (text:gsub("%.*$", ".", 1))
end

local writers = {}

--- Which session it was, as the record has it.
local function session_words(session)
  local of = session.of and (" of %d"):format(session.of) or ""
  local phase = session.phase and session.phases and ("phase %d of %d of "):format(session.phase,
    session.phases) or ""
  return ("It was session %d%s%s"):format(session.number, of, session.course
    and (" (%sthe course %s)"):format(phase, session.course) or "")
end

function writers.protocol(facts, add)
  local cited = facts.known.citation and facts.known.citation.value or known_fields.placeholder "citation"
  if facts.of == "plan" then
    add("The stimulation is planned as %s (%s)", facts.name, cited)
  elseif facts.of == "course" then
    add("This is one possible course of the experiment %s (%s): nothing was given", facts.name, cited)
  else
    add(facts.not_run and "The stimulation was to be %s (%s)%s: nothing was given"
      or "The stimulation was %s (%s)%s", facts.name, cited, facts.started and ", on "
      .. wording.day(facts.started) or "")
  end
  if facts.unconfirmed then
    add("Not compared with the paper: %s", facts.unconfirmed)
  end
  if facts.sham then
    add("It is a sham: the schedule of %s, pulse for pulse, with one intensity for every pulse", facts.sham)
  end
  if facts.has_sham then
    add("A part of it is a sham: the schedule of %s, pulse for pulse, with one intensity for every pulse",
      facts.has_sham)
  end
  add("The site was %s", value_of(facts, "target"))
  if facts.of ~= "course" then
    add("%s", facts.session and session_words(facts.session) or facts.schedule
      or ("Each participant %s %s"):format(facts.of == "run" and "had" or "has", value_of(facts, "sessions")))
  end
end

--- One kind of stimulus that was given: "20 pairs, 2 ms apart: first pulse at ..., second at ...".
local function kind_text(kind, nerve)
  local several = {}
  for _, channel in ipairs(kind.channels) do
    several[channel] = true
  end
  local names = next(several) ~= "1" or next(several, "1")
  local is_train = kind.pulses > #kind.doses
  local function at(place)
    local list = kind.doses[place]
    return ((#list > 1 and #list <= doses.most and "(%s)" or "at %s"):format(doses.text(list, nerve)))
      .. (names and " on channel " .. (is_train and table.concat(kind.channels, ", ") or kind.channels[place])
        or "")
  end
  if kind.pulses == 1 then
    return ("%s %s"):format(counted(kind.count, "single pulse"), at(1))
  elseif kind.pulses == 2 then
    return ("%s of pulses %s apart: the first %s, the second %s"):format(counted(kind.count, "pair"),
      wording.intervals(kind), at(1), at(2))
  end
  return ("%s of %d pulses, %s from the first to the last, %s from pulse to pulse, %s"):format(
    counted(kind.count, kind.is_train and "train" or "trial"), kind.pulses,
    numbers.range(kind.span, kind.span_longest, seconds),
    numbers.range(kind.shortest, kind.longest, seconds), at(1))
end

local most_kinds = 12

--- What was given, from the pulses alone.
---@param found moonpulse.Stimuli
---@param nerve { channels: table<any, any> }? of the facts
---@return string
function M.given(found, nerve)
  local parts = {}
  for i, kind in ipairs(found.kinds) do
    if i > most_kinds then
      parts[i] = ("and %d more kinds (events.tsv has every pulse)"):format(#found.kinds - most_kinds)
      break
    end
    parts[i] = kind_text(kind, nerve)
  end
  return table.concat(parts, "; ")
end

--- From onset to onset, as far as there are two.
local function add_intervals(found, words, add)
  if found and found.shortest then
    local all = numbers.range(found.shortest, found.longest, seconds)
    add("%s %s%s", words, all, all == seconds(found.mean) and ""
      or (", %s in the mean"):format(seconds(found.mean)))
    if found.break_shortest then
      add("From the last of a block to the first of the next it was %s",
        numbers.range(found.break_shortest, found.break_longest, seconds))
    end
  end
end

function writers.pattern(facts, add)
  local found = facts.delivered
  if facts.pattern and facts.pulses.delivered and facts.pulses.planned
    and facts.pulses.delivered < facts.pulses.planned then
    add("This is the plan, of which %s was given", facts.pulses.delivered > 0 and "a part" or "nothing")
  end
  for _, text in ipairs(facts.pattern or {}) do
    add("%s", text)
  end
  if not facts.pattern and found then
    add("%s %s", facts.of == "course" and "It gives" or "The run gave",
      found.count > 0 and M.given(found, facts.nerve) or "no pulses")
    if facts.without_pulse then
      add("Without a pulse, such as catch trials, were %s", facts.without_pulse)
    end
    add_intervals(found, ("From onset to onset of %s it was"):format(facts.without_pulse and "the pulses"
      or "these"), add)
  end
  if facts.drawn then
    local part = facts.drawn.part
    add("%s drawn from the seed %s%s", not facts.drawn.intervals and (part and "The order of a part is"
        or "The order is")
      or facts.drawn.order and (part and "The order of a part, and the intervals, are"
        or "Order and intervals are") or "The intervals are", facts.drawn.seed,
      facts.drawn.rule and (", the order " .. facts.drawn.rule) or "")
  end
  -- across a trial without a pulse it would be the sum of two intervals
  if facts.drawn and facts.drawn.intervals and not facts.catch_trials then
    add_intervals(found, facts.is_virtual and "As drawn, it was from onset to onset"
      or "As given, it was from onset to onset", add)
  end
end

--- How many of the planned pulses were sent, and how many of these the stimulator confirmed: delivered is
--- only what it confirmed.
---@param pulses { planned: integer?, delivered: integer, confirmed: integer? } delivered: sent
---@param cannot_confirm boolean|string|nil the stimulator cannot say that it fired; of several: which
---@param scripted boolean|"outside"|nil nothing was planned: a script asked for them as it ran; "outside":
---   nor
---   did it ask for each, as something else fired some
---@return string
function M.given_words(pulses, cannot_confirm, scripted)
  local sent, confirmed, planned = pulses.delivered, pulses.confirmed or 0, pulses.planned
  local is_all = planned == sent and sent > 0
  local kind, by = scripted and "" or "planned ", scripted == true and " that the script asked for" or ""
  local who = is_all and (sent == 1 and ("The one %spulse%s"):format(kind, by)
      or ("All %s %spulses%s"):format(numbers.count(sent), kind, by))
    or planned and ("Of %s%s, %s"):format(counted(planned, kind .. "pulse"), by, sent == 0 and "none"
      or numbers.count(sent))
    or counted(sent, "pulse")
  local were = (sent == 1 or sent == 0) and "was" or "were"
  if sent == 0 then
    return ("%s %s sent"):format(who, were)
  elseif confirmed >= sent then
    return ("%s %s delivered, as the stimulator confirmed"):format(who, were)
  end
  local of_these = confirmed > 0 and "the delivery of " .. numbers.count(confirmed)
    or sent == 1 and "nothing" or "none of them"
  return ("%s %s sent, and the stimulator confirmed %s%s"):format(who, were, of_these,
    cannot_confirm == true and ": it cannot say that it fired"
      or cannot_confirm and (": the one at %s cannot say that it fired"):format(cannot_confirm) or "")
end

--- Of a plan, and of a run in real time: virtual time is nobody's.
local function add_durations(facts, add)
  local durations = facts.durations
  local first = durations.first_to_last_s
  if first and first > 0 and not facts.pulses.unknown then
    local times, before_s = {}, first
    for i, each_s in ipairs { first, durations.nominal_end_s, durations.whole_cycles_s } do
      -- a time that reads like the one before says nothing: half a millisecond is not rounded two ways
      before_s = math.abs(each_s - before_s) < 1e-4 and before_s or each_s
      times[i] = wording.planned(before_s)
    end
    local silence = (durations.first_s or 0) > 0 and wording.planned(durations.first_s)
    if silence then -- the other two have another zero
      add("The first pulse comes %s after the start", silence)
    end
    local nominal = silence and (", and from the start %s to the nominal end"):format(times[2])
      or times[2] ~= times[1] and (", %s to the nominal end"):format(times[2]) or ""
    add("From the first to the last pulse it is planned to take %s%s%s", times[1], nominal,
      times[3] ~= times[2] and (", %s in whole cycles"):format(times[3]) or "")
  end
  local given = durations.delivered_s
  if given and given > 0 then
    add("%s %s from the first to the last pulse", facts.of == "course" and "It takes"
      or "As given, it took", wording.duration(given))
  end
end

function writers.dose(facts, add)
  local pulses = facts.pulses
  if facts.of == "course" then
    add("This course has %s", counted(pulses.delivered, "pulse"))
  elseif pulses.delivered then
    local outside = facts.outside
    add("%s", M.given_words(pulses, facts.cannot_confirm, facts.kind == "experiment" and (outside
      and "outside" or true)))
    if outside then
      add("%s fired by an external device over the stimulator's trigger input, at the times of the "
        .. "stimulator's reports%s", outside.count == 1 and "1 pulse was"
        or numbers.count(outside.count) .. " pulses were",
        outside.shortest_s and (" (shortest interval %s)"):format(numbers.seconds(outside.shortest_s)) or "")
    end
  elseif pulses.unknown then
    add("The number of pulses is not known: the source does not give %s", pulses.unknown)
  else
    add("That is %s in all", counted(pulses.planned or 0, "pulse"))
  end
  local parts = {}
  for i, each in ipairs(facts.conditions) do
    parts[i] = by_condition.words(each, counted, numbers.count)
  end
  if #parts > 0 then
    add("By condition: %s", table.concat(parts, ", "))
  end
  add_durations(facts, add)
end

function writers.threshold(facts, add)
  threshold_words.write(facts, add)
  curve_sentences.write(facts, add)
end
writers.device = apparatus.write

function writers.software(facts, add)
  local software = facts.software
  local commit = software.commit or facts.known.commit and facts.known.commit.value
  local parts = { ("Moonpulse %s (%s)"):format(software.version, commit and "commit " .. commit
    or known_fields.placeholder "commit") }
  parts[#parts + 1] = software.plan_sha256 and ("plan file SHA-256 %s"):format(software.plan_sha256)
    or facts.kind == "experiment" and ("script SHA-256 %s"):format(software.script_sha256
      or "[script: not recorded]") or "plan file SHA-256 [plan: the record has none; moonpulse compile makes "
        .. "one]"
  parts[#parts + 1] = software.seed and ("seed %s"):format(software.seed) or nil
  add("The pulses were %s by %s", facts.of == "plan" and "planned" or "controlled", table.concat(parts, ", "))
  local list = {}
  for name, value in pairs(software.parameters or {}) do
    list[#list + 1] = ("%s = %s"):format(name, value == "" and '""' or math.type(value) == "float"
      and ("%g"):format(value) or tostring(value))
  end
  table.sort(list)
  if #list > 0 then
    add("Parameters: %s", table.concat(list, ", "))
  end
end

--- What a finding found, without where: its table, and what of it.
local function finding_words(finding)
  local said = type(finding.text) == "string" and finding.text:match("^([^;]+)") or nil
  local name = type(finding.table) == "string" and finding.table or nil
  return said and name and not said:find(name, 1, true) and ("%s: %s"):format(name, said) or said or name
end

--- " (what was found; and what else)"; "": nothing was.
local function found_words(findings)
  local list, known = {}, {}
  for _, finding in ipairs(findings) do
    local name = finding_words(finding)
    if type(name) == "string" and not known[name] then
      known[name], list[#list + 1] = true, name
    end
  end
  return #list > 0 and (" (%s)"):format(table.concat(list, "; ")) or ""
end

--- The verdict is Moonpulse's, by tables that nobody has compared with the papers: that is for the author.
function writers.safety(facts, add)
  local safety = facts.safety
  if type(safety) ~= "table" or type(safety.verdict) ~= "string" then
    return
  end
  local of, findings = layers.of { safety = safety }
  add("By the tables of published limits in Moonpulse (%s) the verdict on the pulses%s was: %s%s",
    known_fields.placeholder "limits", facts.nerve and " to the brain" or "", of.guidelines,
    found_words(findings.guidelines))
  if of.lab then
    add("By the laboratory's own limits it was: %s%s", of.lab, found_words(findings.lab))
  end
  if facts.nerve then
    add("The pulses to the nerve (channel %s) were not judged: the tables are for the brain",
      table.concat(facts.nerve.channels, ", "))
  end
end

function writers.deviations(facts, add)
  if facts.of == "plan" then
    return
  end
  if #facts.deviations == 0 then
    add(facts.kind == "experiment" and "The script came to its end, and every pulse that it asked for was "
      .. "given"
      or "There were no deviations from the plan")
  end
  for _, text in ipairs(facts.deviations) do
    add("%s", text)
  end
end

M.names = threshold_words.names

--- What the sentences are on, in their order.
M.order = { "protocol", "pattern", "dose", "threshold", "device", "safety", "deviations", "software" }

--- The sentences in the order of a methods section.
---@param facts moonpulse.MethodsFacts
---@return moonpulse.Sentence[]
function M.sentences(facts)
  local list = {}
  for _, id in ipairs(M.order) do
    writers[id](facts, function(text, ...)
      local filled = text:format(...)
      list[#list + 1] = { id = id, text = whole(filled) }
    end)
  end
  return list
end

--- The placeholders that sentences have, each once, with what would fill it.
---@param list moonpulse.Sentence[]
---@return { key: string?, text: string, fill: string }[]
function M.placeholders(list)
  local found, known = {}, {}
  for _, sentence in ipairs(list) do
    for _, each in ipairs(known_fields.fields) do
      local text = known_fields.placeholder(each.key)
      if sentence.text:find(text, 1, true) and not known[text] then
        known[text] = true
        found[#found + 1] = { key = each.key, text = text, fill = each.fill }
      end
    end
    for name, text in sentence.text:gmatch("(%[(%u%u%u): state it in %%MSO%])") do
      name, text = text, name
      if not known[text] then
        known[text] = true
        found[#found + 1] = { text = text, fill = ("--%s N"):format(name:lower()) }
      end
    end
  end
  return found
end

local titles = { protocol = "Protocol", pattern = "Pattern", dose = "Dose", threshold = "Thresholds",
  device = "Stimulator", safety = "Limits", deviations = "Deviations", software = "Software" }

--- The section as text: a paragraph for each thing, with its title.
---@param list moonpulse.Sentence[]
---@param width integer
---@return string
function M.text(list, width)
  local parts, at = {}, nil
  for _, sentence in ipairs(list) do
    if sentence.id ~= at then
      parts[#parts + 1] = { titles[sentence.id] .. "." }
      at = sentence.id
    end
    table.insert(parts[#parts], sentence.text)
  end
  for i, part in ipairs(parts) do
    parts[i] = table.concat(wrapping.lines(table.concat(part, " "), width), "\n")
  end
  return table.concat(parts, "\n\n")
end

return M
