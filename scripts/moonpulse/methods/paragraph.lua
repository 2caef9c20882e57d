--- The sentences of a methods section. What is not known stands in them as a placeholder, never silently out.
local by_condition = require "moonpulse.methods.by_condition"
local doses = require "moonpulse.methods.doses"
local known_fields = require "moonpulse.methods.known"
local numbers = require "moonpulse.text.numbers"

local M = {}

local seconds, counted = numbers.seconds, numbers.counted

---@class moonpulse.Sentence
---@field id string what it is on: "protocol", "pattern", "dose", ...
---@field text string with its full stop

local function value_of(facts, key)
  return known_fields.words(facts.known, key) or known_fields.placeholder(key)
end

--- Capital first, and one full stop.
local function whole(text)
  return (text:gsub("^%l", string.upper):gsub("%.*$", ".", 1))
end

local writers = {}

function writers.protocol(facts, add)
  local cited = facts.known.citation and facts.known.citation.value or known_fields.placeholder "citation"
  if facts.of == "plan" then
    add("The stimulation is planned as %s (%s)", facts.name, cited)
  elseif facts.of == "course" then
    add("This is one possible course of the experiment %s (%s): nothing was given", facts.name, cited)
  else
    add("The stimulation was %s (%s)%s", facts.name, cited, facts.started and ", begun " .. facts.started
      or "")
  end
  if facts.unconfirmed then
    add("Not compared with the paper: %s", facts.unconfirmed)
  end
  if facts.sham then
    add("It is a sham: the schedule of %s, pulse for pulse, with one intensity for every pulse", facts.sham)
  end
  add("The site was %s", value_of(facts, "target"))
end

--- To a hundredth of a millisecond: what was measured is no more exact.
local function rounded(value)
  return math.floor(value * 1e5 + 0.5) / 1e5
end

--- One kind of stimulus that was given: "20 pairs, 2 ms apart: first pulse at ..., second at ...".
local function kind_text(kind)
  local several = {}
  for _, channel in ipairs(kind.channels) do
    several[channel] = true
  end
  local names = next(several) ~= "1" or next(several, "1")
  local is_train = kind.pulses > #kind.doses
  local function at(place)
    local list = kind.doses[place]
    return ((#list > 1 and #list <= doses.most and "(%s)" or "at %s"):format(doses.text(list)))
      .. (names and " on channel " .. (is_train and table.concat(kind.channels, ", ") or kind.channels[place])
        or "")
  end
  if kind.pulses == 1 then
    return ("%s %s"):format(counted(kind.count, "single pulse"), at(1))
  elseif kind.pulses == 2 then
    return ("%s of pulses %s apart: the first %s, the second %s"):format(counted(kind.count, "pair"),
      seconds(rounded(kind.shortest)), at(1), at(2))
  end
  return ("%s of %d pulses, %s from the first to the last, %s from pulse to pulse, %s"):format(
    counted(kind.count, "train"), kind.pulses, seconds(rounded(kind.span)),
    kind.longest - kind.shortest < 1e-5 and seconds(rounded(kind.shortest))
      or ("%s to %s"):format(seconds(rounded(kind.shortest)), seconds(rounded(kind.longest))), at(1))
end

local most_kinds = 12

--- What was given, from the pulses alone.
---@param found moonpulse.Stimuli
---@return string
function M.given(found)
  local parts = {}
  for i, kind in ipairs(found.kinds) do
    if i > most_kinds then
      parts[i] = ("and %d more kinds (events.tsv has every pulse)"):format(#found.kinds - most_kinds)
      break
    end
    parts[i] = kind_text(kind)
  end
  return table.concat(parts, "; ")
end

function writers.pattern(facts, add)
  for _, text in ipairs(facts.pattern or {}) do
    add("%s", text)
  end
  local found = facts.delivered
  if not facts.pattern and found then
    add("%s: %s", facts.of == "course" and "It gives" or "There were given",
      found.count > 0 and M.given(found) or "no pulses")
    if found.shortest then
      add("From onset to onset of these it was %s to %s, %s in the mean", seconds(rounded(found.shortest)),
        seconds(rounded(found.longest)), seconds(rounded(found.mean)))
    end
  end
  if facts.drawn then
    add("%s drawn from the seed %s", not facts.drawn.intervals and "The order is"
      or facts.drawn.order and "Order and intervals are" or "The intervals are", facts.drawn.seed)
  end
  if facts.drawn and facts.drawn.intervals and found and found.shortest then
    add("As delivered, it was %s to %s from onset to onset, %s in the mean", seconds(rounded(found.shortest)),
      seconds(rounded(found.longest)), seconds(rounded(found.mean)))
  end
end

function writers.dose(facts, add)
  local pulses, durations = facts.pulses, facts.durations
  if facts.of == "course" then
    add("In this course %s", counted(pulses.delivered, "pulse"))
  elseif pulses.delivered then
    local of = pulses.planned and ("Of %s planned "):format(counted(pulses.planned, "pulse")) or ""
    add("%s%s %s delivered%s", of, numbers.count(pulses.delivered), pulses.delivered == 1 and "was" or "were",
      pulses.confirmed and (", %s of them confirmed by the stimulator"):format(
        numbers.count(pulses.confirmed)) or "")
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
  if durations.first_to_last_s and not pulses.unknown then
    local first, nominal, whole_s = durations.first_to_last_s, durations.nominal_end_s,
      durations.whole_cycles_s
    add("From the first to the last pulse it is planned to take %s%s%s", numbers.duration(first),
      nominal > first and (", %s to the nominal end"):format(numbers.duration(nominal)) or "",
      whole_s > nominal and (", %s in whole cycles"):format(numbers.duration(whole_s)) or "")
  end
  if durations.delivered_s then
    add("%s %s from the first to the last pulse", facts.of == "course" and "It takes"
      or "As delivered, it took",
      numbers.duration(durations.delivered_s))
  end
end

local names = { RMT = "resting motor threshold", AMT = "active motor threshold" }

--- References that intensities need and that no threshold is given for.
local function missing_thresholds(facts)
  local needed, given = {}, {}
  for _, each in ipairs(facts.thresholds) do
    given[each.name] = true
  end
  for _, found in ipairs { facts.planned or false, facts.delivered or false } do
    for _, kind in ipairs(found and found.kinds or {}) do
      for _, list in ipairs(kind.doses) do
        for _, dose in ipairs(list) do
          needed[dose.reference] = not given[dose.reference] and names[dose.reference] and true or nil
        end
      end
    end
  end
  return needed
end

function writers.threshold(facts, add)
  for _, each in ipairs(facts.thresholds) do
    add("The %s was %g %%MSO (%s)%s", names[each.name], each.value, each.how or value_of(facts,
      "threshold_method"),
      each.date and ", measured " .. each.date or "")
  end
  for _, name in ipairs { "RMT", "AMT" } do
    if missing_thresholds(facts)[name] then
      add("The %s was [%s: state it in %%MSO] (%s)", names[name], name, value_of(facts, "threshold_method"))
    end
  end
  for _, each in ipairs(facts.staircases) do
    add("A staircase (%s, from %s %s, %s, %s) %s", each.rule or "rule not recorded", each.start
      and ("%g"):format(
      each.start) or "an unknown start", each.unit or "", counted(each.trials or 0, "trial"),
      counted(each.reversals or 0, "reversal"), type(each.threshold) == "number"
        and ("gave a threshold of %.4g %s"):format(each.threshold, each.unit or "")
        or "gave no threshold" .. (type(each.why) == "string" and ": " .. each.why or ""))
  end
end

function writers.device(facts, add)
  local serial, firmware = facts.known.serial, facts.known.firmware
  add("The stimulator was a %s, %s, %s, with the coil %s", value_of(facts, "stimulator"),
    serial and "serial number " .. serial.value or known_fields.placeholder "serial",
    firmware and "firmware " .. firmware.value or known_fields.placeholder "firmware", value_of(facts,
      "coil"))
  if facts.device and facts.device.simulated then
    add("It was simulated: nobody was stimulated")
  end
  local mode = facts.device and facts.device.mode
  mode = type(mode) == "table" and mode.value or mode
  if type(mode) == "string" then
    add("Its mode was %s", mode)
  end
  add("The waveform was %s, the current direction %s", value_of(facts, "waveform"),
    value_of(facts, "current_direction"))
  add("The coil was held so: %s; %s", value_of(facts, "coil_orientation"), value_of(facts, "coil_location"))
end

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

function writers.safety(facts, add)
  local safety = facts.safety
  if safety and safety.verdict then
    add("Against the published limits (%s) the pulses were %s", safety.table or "table not recorded",
      safety.verdict)
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
  for i, text in ipairs(facts.deviations) do
    add(i == 1 and "Deviations: %s" or "%s", text)
  end
end

local order = { "protocol", "pattern", "dose", "threshold", "device", "safety", "deviations", "software" }

--- The sentences in the order of a methods section.
---@param facts moonpulse.MethodsFacts
---@return moonpulse.Sentence[]
function M.sentences(facts)
  local list = {}
  for _, id in ipairs(order) do
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

--- Text in lines of at most width letters.
local function wrapped(text, width)
  local lines, line = {}, ""
  for word in text:gmatch("%S+") do
    if line ~= "" and #line + 1 + #word > width then
      lines[#lines + 1], line = line, word
    else
      line = line == "" and word or line .. " " .. word
    end
  end
  lines[#lines + 1] = line
  return table.concat(lines, "\n")
end

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
    parts[i] = wrapped(table.concat(part, " "), width)
  end
  return table.concat(parts, "\n\n")
end

return M
