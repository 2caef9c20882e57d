--- The facts of a run, from its folder: what was given, not what was planned, and how they differ.
local apparatus = require "moonpulse.methods.apparatus"
local begins = require "moonpulse.record.begins"
local by_condition = require "moonpulse.methods.by_condition"
local columns = require "moonpulse.record.columns"
local core = require "moonpulse.core"
local drawn_orders = require "moonpulse.protocol.drawn_orders"
local edited = require "moonpulse.safety.edited"
local facts_of = require "moonpulse.methods.facts"
local given_rows = require "moonpulse.methods.given"
local known_fields = require "moonpulse.methods.known"
local layers = require "moonpulse.record.verdict_layers"
local numbers = require "moonpulse.text.numbers"
local of_journal = require "moonpulse.methods.of_journal"
local opened = require "moonpulse.record.opened"
local planted = require "moonpulse.record.planted"
local plan_file = require "moonpulse.protocol.plan_file"
local catalogue = require "moonpulse.protocol.catalogue"
local record = require "moonpulse.record.read"
local shams = require "moonpulse.protocol.sham"
local plans = require "moonpulse.verify.plan"
local stimuli = require "moonpulse.methods.stimuli"
local structure = require "moonpulse.methods.structure"

local M = {}

local get = record.get

local most_plan = 1 << 24 -- bytes
--- The objects of a list of a manifest, which somebody else may have written.
local function list_of(manifest, path)
  local found, list = get(manifest, path), {}
  for _, each in ipairs(type(found) == "table" and found or {}) do
    list[#list + 1] = type(each) == "table" and each or nil
  end
  return list
end

--- A text or a number of a manifest.
local function plain_of(manifest, path)
  local value = get(manifest, path)
  return (type(value) == "string" or type(value) == "number") and value or nil
end

--- The parameters: texts, numbers, yes and no.
local function parameters_of(manifest)
  local found, parameters = get(manifest, "parameters"), {}
  for name, value in pairs(type(found) == "table" and found or {}) do
    local kind = type(value)
    parameters[tostring(name)] = (kind == "string" or kind == "number" or kind == "boolean") and value or nil
  end
  return parameters
end

local function number_of(value)
  return type(value) == "number" and math.abs(value) <= 1e6 and value or nil
end

--- The intensities of its trials and the interval, as far as they are whole.
local function add_numbers(plain, each)
  plain.track = {}
  for i, trial in ipairs(type(each.track) == "table" and each.track or {}) do
    local intensity = number_of(type(trial) == "table" and trial.intensity)
    if not intensity then
      plain.track = {}
      break
    end
    plain.track[i] = intensity
  end
  local found = type(each.interval) == "table" and each.interval or {}
  local low, high, percent = number_of(found.low), number_of(found.high), number_of(found.percent)
  plain.interval = low and high and percent and { low = low, high = high, percent = percent } or nil
end

local of_results = {
  staircases = { threshold = "number", above = "number", below = "number", start = "number",
    trials = "number", reversals = "number", rule = "string", unit = "string", why = "string",
    kind = "string", device = "string" },
  thresholds = { threshold = "number", above = "number", below = "number", start = "number",
    trials = "number", method = "string", variant = "string", of = "number", unit = "string",
    why = "string", kind = "string", device = "string", ended_by = "string" },
}

--- What its staircases found, then what its hunts did.
local function found_of(manifest)
  local found = {}
  for _, name in ipairs { "staircases", "thresholds" } do
    for _, each in ipairs(list_of(manifest, "experiment." .. name)) do
      local plain = {}
      for key, kind in pairs(of_results[name]) do
        plain[key] = type(each[key]) == kind and each[key] or nil
      end
      plain.method = name == "thresholds" and (plain.method or "a method that is not recorded") or nil
      add_numbers(plain, each)
      found[#found + 1] = plain
    end
  end
  return found
end

local why_left = { late = "it would have left too late",
  close = "it would have come too close to the one before",
  setting = "the stimulator had not confirmed its setting", stopped = "the run had been stopped",
  not_taken = "the system took nothing of the command" }

--- The rows that are not as planned, by their status.
local function add_row_deviations(facts, events, planned, is_open)
  local counts, order = given_rows.statuses(events.pulses)
  local function say(text, ...)
    facts.deviations[#facts.deviations + 1] = text:format(...)
  end
  for _, status in ipairs(order) do
    local count = numbers.counted(counts[status], "pulse")
    local were = counts[status] == 1 and count .. " was" or count .. " were"
    if why_left[status] then
      say("%s left out (%s: %s)", were, status, why_left[status])
    elseif status == "perhaps_sent" then
      say("of %s nobody knows whether it was given (perhaps_sent); counted as given", count)
    elseif status == "otherwise" then
      say("%s given otherwise than set (the stimulator's own words are in events.tsv)", were)
    end
  end
  local missing = planned and planned - events.pulses.count or 0
  facts.not_reached = math.max(0, missing)
  if missing > 0 then
    say("%s", given_rows.missing_words(facts, missing, is_open))
  end
  facts.outside = given_rows.outside(events.pulses)
  if #events.unasked > 0 then
    say("the stimulator reported %s that nobody had asked for", numbers.counted(#events.unasked, "pulse"))
  end
  if events.incomplete > 0 then
    say("%s of events.tsv could not be read", numbers.counted(events.incomplete, "row"))
  end
end

--- How a session was not as its schedule asks; when the next one could have begun is not for a paper.
local function schedule_words(finding)
  local said = tostring(finding.text or finding.table):gsub(";.*$", ""):gsub("^sessions: ", "")
    :gsub(", next at the earliest [^(]*", " "):gsub(" +$", "")
  return ("the schedule of sessions was not kept: %s"):format(said)
end

--- Why limits might be passed, and who approved it; nil: there was no override.
local function leave_words(manifest)
  local override = get(manifest, "safety.override")
  return type(override) == "table" and ("%s (approval %s)"):format(override.reason or "no reason given",
    plain_of(manifest, "safety.approval") or override.approval_ref or "not given") or nil
end

local function add_ending(facts, manifest)
  local list = facts.deviations
  local status = get(manifest, "result.status") or get(manifest, "status")
  local reason = get(manifest, "result.reason")
  if type(reason) == "string" then
    reason = reason:gsub(":[^:?]*%?$", "") -- what the operator was asked then is not for a paper
  end
  if status == "running" then
    table.insert(list, 1, "the run was not closed: Moonpulse was killed (moonpulse recover)")
  elseif status ~= "completed" then
    table.insert(list, 1, ("the run did not come to its end: %s"):format(
      status == "stopped" and reason or reason and ("%s, %s"):format(status or "how is not known", reason)
      or status or "how is not known"))
  end
  facts.continues = begins.continues(manifest)
  local begun = begins.words(manifest)
  list[#list + 1] = begun and "the run began with " .. begun or nil
  local of, findings = layers.of(manifest)
  local leave = leave_words(manifest) -- one that was given and not needed is no deviation
  if leave and (not of or of.guidelines == "OVER") then
    list[#list + 1] = (of and "published limits were passed: " or "leave to pass limits was given: ") .. leave
  end
  for _, finding in ipairs(findings.sessions) do
    list[#list + 1] = schedule_words(finding) .. (leave and finding.verdict == "OVER" and ", with leave: "
      .. leave or "")
  end
  local faults = planted.words(get(manifest, "device"))
  if faults then
    list[#list + 1] = ("the simulator was asked to go wrong (%s)"):format(faults)
  end
  if get(manifest, "result.rebuilt") then
    list[#list + 1] = "events.tsv was rebuilt from the flight record"
  end
end

--- The plan that the run kept, and whether its order was drawn, which only the protocol's text tells: it
--- is read
--- as a protocol's file is, in the sandbox.
---@return { plan: moonpulse.Plan, seed: integer, order: boolean, orders: moonpulse.DrawnOrders?,
---   sha256: string? }?
local function plan_of(folder, manifest)
  if get(manifest, "kind") == "experiment" then
    return nil
  end
  local path = folder .. "/resolved.plan"
  local text, again = core.read_file(path, most_plan), plans.again(folder, manifest)
  local kept = text and plan_file.read(text, path) or nil
  if not kept and not again then
    return nil
  end
  local plan = kept and kept.plan or again.plan
  local is_whole = again ~= nil and again.plan == again.whole
  local orders = is_whole and again.drawn
    and drawn_orders.of(plan, again.protocol, again.values, again.seed) or nil
  return { plan = plan, seed = kept and kept.seed or again.seed, order = again and again.drawn or false,
    orders = orders, sha256 = kept and kept.sha256 }
end

--- Which channels are taken for a nerve's, and whether there are pulses to anything else.
local function nerve_of(manifest, events)
  local nerve = facts_of.nerve(get(manifest, "protocol.nerve"))
  return nerve and { channels = nerve.channels, only = given_rows.only_to(events.pulses, nerve.channels) }
    or nil
end

--- Which session it was. A simulated run is none.
local function session_of(manifest)
  local found = get(manifest, "session")
  local number = type(found) == "table" and math.tointeger(found.number)
  if not number or get(manifest, "device.simulated") ~= false or get(manifest, "status") == "not run" then
    return nil
  end
  local course = get(manifest, "session.course.name")
  return { number = number, of = math.tointeger(found.of), phase = math.tointeger(found.phase),
    phases = math.tointeger(found.phases), course = type(course) == "string" and course or nil }
end

--- What fired the pulses, where it was no command, and what triggers started, or a script waited for.
local function add_triggers(facts, manifest, events)
  local fired, taken = get(manifest, "device.trigger.text"), 0
  facts.fired = type(fired) == "string" and fired or nil
  for _, mark in ipairs(facts.kind == "experiment" and events.marks or {}) do
    local text = mark.reply or "" -- as run:wait_trigger writes it
    taken = taken + ((text == "trigger: edge" or text:find("^trigger: byte %d+$")) and 1 or 0)
  end
  facts.triggers = taken > 0 and taken or nil
  local starts = math.tointeger(get(manifest, "experiment.triggers.on_trigger.starts"))
  facts.trigger_starts = starts and starts > 0 and starts or nil
  local by, after_s = get(manifest, "start.trigger"), get(manifest, "start.after_trigger_s")
  facts.started_by = type(by) == "string" and by or nil
  facts.started_after_s = facts.started_by and math.type(after_s) and after_s or nil
end

--- Of several devices: the waveform that each said, else what somebody says of it.
local function waveform_of_several(devices, said)
  local list, known = {}, false
  for i, each in ipairs(type(devices) == "table" and devices or {}) do
    local own = type(each) == "table" and each or {}
    local value = plain_of({ waveform = get(own, "waveform.value") or own.waveform }, "waveform")
    known = known or value ~= nil
    list[i] = ("%s (%s)"):format(value or said or known_fields.placeholder "waveform", tostring(own.place))
  end
  return known and table.concat(list, " and ") or nil
end

local function add_device(facts, manifest, events, meta)
  local device = get(manifest, "device") or {}
  local known, source = facts.known, "device"
  local words = device.description or device.name
  if words and device.model and not words:find(device.model, 1, true) then
    words = words .. " " .. device.model
  end
  facts.cannot_confirm = apparatus.is_silent(device.name) or apparatus.silent_of(device.devices)
  if apparatus.is_box(device.name) then -- the stimulator behind it nobody told
    local parts = { words or device.name, plain_of(device, "serial") and "serial number " .. device.serial,
      nil }
    parts[#parts + 1] = plain_of(device, "firmware") and "firmware " .. device.firmware or nil
    facts.box = { words = table.concat(parts, ", "), by_hand = given_rows.is_by_hand(events.pulses) }
  else
    known_fields.take(known, "stimulator", words, source)
    known_fields.take(known, "serial", device.serial, source)
    known_fields.take(known, "firmware", device.firmware, source)
  end
  local said = plain_of(get(manifest, "meta") or {}, "waveform") or plain_of(meta or {}, "waveform")
  known_fields.take(known, "waveform", waveform_of_several(device.devices, said), source)
  for _, key in ipairs { "coil", "waveform", "current_direction" } do
    known_fields.take(known, key, device[key], source)
  end
  local coil = type(device.coil) == "table" and device.coil or {}
  known_fields.take(known, "coil_shape", coil.shape, "operator")
  known_fields.take(known, "coil_serial", coil.serial, "operator")
  known_fields.take_direction(known, get(manifest, "meta.current_direction"))
  known_fields.take_direction(known, meta and meta.current_direction)
  facts.device = { words = words, simulated = device.simulated, mode = device.mode,
    devices = device.devices }
end

--- How thresholds were found: the preflight's answer, where nothing better is said.
local function add_preflight(facts, manifest)
  local asked = list_of(manifest, "preflight")
  if #asked == 0 then
    asked = list_of(manifest, "safety.preflight.answers")
  end
  for _, each in ipairs(asked) do
    if each.id == "threshold_method" and type(each.answer) == "string" then
      facts.threshold_by = each.answer == "emg" and "by EMG" or each.answer == "visual" and "by eye"
        or each.answer -- muscle and criterion are not in it
    end
  end
end

--- The same as rows, but for the stimuli.
local function facts_without_stimuli(of, manifest, events, meta)
  local protocol = get(manifest, "protocol") or get(manifest, "experiment") or {}
  local facts = facts_of.new(of, protocol, get(manifest, "moonpulse.version") or "of an unknown version")
  facts.kind = get(manifest, "kind") == "experiment" and "experiment" or "protocol"
  facts.started, facts.participant = get(manifest, "started"), get(manifest, "participant")
  facts.not_run = get(manifest, "status") == "not run" or nil
  facts.is_virtual = of == "run" and (get(manifest, "speed") or 1) ~= 1
  local given, lasted_s, confirmed = given_rows.count(events.pulses)
  facts.pulses = { planned = get(manifest, "result.pulses_planned") or get(manifest, "protocol.pulses"),
    delivered = given, confirmed = confirmed }
  facts.conditions = by_condition.of_run(events.pulses, get(manifest, "conditions"),
    get(manifest, "trials"))
  facts.durations.delivered_s = given > 0 and not facts.is_virtual and lasted_s or nil
  add_row_deviations(facts, events, facts.pulses.planned, get(manifest, "status") == "running")
  add_ending(facts, manifest)
  facts.nerve = nerve_of(manifest, events)
  add_device(facts, manifest, events, meta)
  add_triggers(facts, manifest, events)
  facts.session = session_of(manifest)
  known_fields.take_all(facts.known, get(manifest, "meta"), "operator")
  known_fields.take_all(facts.known, meta, "operator")
  add_preflight(facts, manifest)
  facts_of.add_thresholds(facts, get(manifest, "thresholds") or {}, meta)
  facts_of.add_own_thresholds(facts, get(manifest, "device.devices"), meta)
  facts.found, facts.curves = found_of(manifest), list_of(manifest, "experiment.curves")
  facts.safety = get(manifest, "safety")
  facts.software.commit = plain_of(manifest, "moonpulse.commit")
  local seed = get(manifest, "seed")
  facts.software.seed = type(seed) ~= "table" and (math.tointeger(seed) or seed) or nil
  facts.software.parameters = parameters_of(manifest)
  for _, file in ipairs(list_of(manifest, "files")) do
    if file.role == "experiment" or file.role == "protocol" then
      facts.software.script_sha256 = type(file.sha256) == "string" and file.sha256 or nil
    end
  end
  local sham_of = facts.software.parameters.of -- of the shipped one; a lab's own file may have that name, too
  facts_of.add_sham(facts, facts.id == "sham" and sham_of and tostring(sham_of) or nil)
  return facts
end

--- The facts of what a manifest and its rows tell.
---@param of "run"|"course"
---@param manifest table
---@param events table as moonpulse.record.read has them
---@param meta table? of the command's --meta: what the record does not have
---@return moonpulse.MethodsFacts
function M.rows(of, manifest, events, meta)
  events = columns.of_rows(events)
  local facts = facts_without_stimuli(of, manifest, events, meta)
  facts.delivered = stimuli.of(given_rows.listed(events.pulses))
  return facts
end

--- What the plan says that the run kept.
---@return boolean? of_trials the rows follow it, and its blocks are of mp.trials
local function add_kept(facts, kept, events)
  local planned = facts.pulses.planned
  local list = facts_of.add_plan(facts, kept.plan, catalogue.measure(kept.plan, kept.seed), {
    seed = kept.seed, order = kept.order, orders = kept.orders,
    dose = given_rows.dose_of(events.pulses, facts.nerve) })
  facts.software.plan_sha256 = kept.sha256
  if given_rows.fits(list and list.at, events.pulses) then
    events.pulses.trial = given_rows.trials(events.pulses, list.trial) -- an old record does not say them
    facts.conditions = by_condition.of_run(events.pulses, nil, nil, kept.plan, kept.order)
    return structure.has_trials(kept.plan)
  end
  -- the record was changed: what was given is in the rows
  facts.pattern, facts.planned, facts.drawn, facts.parts = nil, nil, nil, {}
  facts.pulses.planned, facts.durations = planned, { delivered_s = facts.durations.delivered_s }
  table.insert(facts.deviations, 1, "the rows of events.tsv are not where the kept plan has its pulses "
    .. "(moonpulse verify tells more)")
end

--- Everything that a run's folder tells.
---@param folder string
---@param meta table?
---@return moonpulse.MethodsFacts? facts
---@return string? message
function M.folder(folder, meta)
  local goes_on = opened.goes_on(folder)
  if goes_on then
    return nil, goes_on
  end
  local manifest, why = record.manifest(folder .. "/manifest.json")
  if not manifest then
    return nil, ("%s is no run's folder: %s"):format(folder, why)
  end
  local events
  events, why = columns.of(folder .. "/events.tsv", given_rows.asked)
  if not events then
    return nil, ("%s: no events to read (%s); moonpulse recover rebuilds them"):format(folder, why)
  end
  local facts = facts_without_stimuli("run", manifest, events, meta)
  of_journal.add(facts, folder)
  local of_trials
  local changed = edited.sentence(edited.look(folder, manifest, { "resolved.plan" }))
  if changed then
    table.insert(facts.deviations, 1, changed)
  end
  local made, kept = shams.made_in(plan_of, folder, manifest)
  if kept then
    facts_of.add_shams(facts, made, kept.plan:totals().pulses)
    of_trials = add_kept(facts, kept, events)
  end
  events.pulses.pulse = nil -- of a million: what is not needed any more is given back
  facts.delivered = stimuli.of(given_rows.listed(events.pulses), of_trials)
  facts_of.add_declared(facts, get(manifest, "protocol") or {})
  return facts
end

return M
