--- What is compared: a run, from its folder, or a plan. Both as facts in the field's words, pulses and marks.
local begins = require "moonpulse.record.begins"
local columns = require "moonpulse.record.columns"
local core = require "moonpulse.core"
local cursors = require "moonpulse.compose.stimulus_cursor"
local curve_words = require "moonpulse.text.curve_words"
local edited = require "moonpulse.safety.edited"
local journal_lines = require "moonpulse.record.journal_lines"
local numbers = require "moonpulse.text.numbers"
local opened = require "moonpulse.record.opened"
local read = require "moonpulse.record.read"
local recover_manifest = require "moonpulse.record.recover_manifest"
local sorted_json = require "moonpulse.text.sorted_json"
local stimuli = require "moonpulse.compose.stimuli"

local M = {}

---@class moonpulse.Compared
---@field kind "run"|"plan"
---@field name string as it was named
---@field facts table<string, string> by the keys of M.facts
---@field parameters table<string, string>
---@field pulses moonpulse.ComparedPulses
---@field marks string[]
---@field staircases string[] of a run: what each found
---@field hunts string[] of a run: what each found
---@field curves string[] of a run: what was fitted to each
---@field live boolean? an experiment's run in real time: a script's own waits are never the same
---@field plans integer[]? of an experiment's run: the pulse (its place in pulses) that each plan of its
---   journal begins with
---@field notes string[]

local rounding_us = 0.5 -- a plan's start is written in nanoseconds, an onset in thousandths of a microsecond

--- What is told of a run or a plan, in this order; told_only: it differs from run to run, and says nothing of
--- what was given; of_runs: the same plan may have another name.
M.facts = {
  { "kind", "kind" }, { "protocol", "protocol", of_runs = true },
  { "begins", "begins with", told_only = true }, -- the pulses themselves are compared
  { "seed", "seed", told_only = true }, { "outline", "plan", told_only = true },
  { "rmt", "resting motor threshold" }, { "amt", "active motor threshold" },
  { "staircases", "thresholds found" },
  { "hunts", "thresholds hunted" }, { "curves", "input-output curves" },
  { "device", "device", of_device = true }, { "simulated", "simulated", of_device = true },
  { "waveform", "waveform", of_device = true },
  { "current_direction", "current direction", of_device = true },
  { "mode", "mode", of_device = true }, { "coil", "coil", of_device = true },
  { "trigger", "fired by", of_device = true },
  { "ended", "how it ended" }, { "verdict", "safety", told_only = true },
  { "serial", "serial number", told_only = true }, { "firmware", "firmware", told_only = true },
  { "faults", "planned faults", told_only = true },
  { "onset_error", "onset error", told_only = true }, { "speed", "speed", told_only = true },
  { "participant", "participant", told_only = true }, { "session", "session", told_only = true },
  { "operator", "operator", told_only = true }, { "started", "started", told_only = true },
  { "version", "Moonpulse", told_only = true }, { "host", "host", told_only = true },
  { "text", "text of the protocol", told_only = true },
}

local function text_of(value)
  if value == nil then
    return nil
  elseif type(value) == "table" then -- { value, unit, source }
    local found = type(value.value) ~= "table" and text_of(value.value) or nil
    return found and found .. (type(value.unit) == "string" and " " .. value.unit or "")
  elseif math.type(value) == "float" then
    return ("%.10g"):format(value)
  end
  return tostring(value)
end

--- A parameter's value; a plan file has them as text, and 30.0 is 30.
local function value_of(value)
  local number = type(value) == "string" and tonumber(value)
  return text_of(number and tostring(number) == value and number or value)
end

local function parameters_of(values)
  local texts = {}
  for name, value in pairs(type(values) == "table" and values or {}) do
    local is_own = debug.getmetatable(value) ~= nil -- an intensity, which says itself
    texts[name] = type(value) ~= "table" and value_of(value) or is_own and tostring(value)
      or sorted_json.encode(value)
  end
  return texts
end

local function threshold_of(value)
  if type(value) == "number" then -- of a record of an older version
    return ("%.10g %%MSO"):format(value)
  end
  return text_of(value)
end

local function onset_error_of(lateness)
  local worst = type(lateness) == "table" and tonumber(lateness.max)
  return worst and ("at most %s"):format(numbers.seconds(worst / 1e6)) or nil
end

--- What is said of what began where its plan begins.
local beginning = "its plan's beginning"

--- A staircase or a hunt that its run did not come to the end of.
M.unfinished = "not finished"

local function results_of(list)
  local texts = {}
  for i, each in ipairs(type(list) == "table" and list or {}) do
    local of = type(each) == "table" and each or {}
    local kind, found = text_of(of.kind), text_of(of.threshold or of.estimate)
    texts[i] = of.why == recover_manifest.unfinished and M.unfinished
      or (kind and kind .. " " or "") .. (found or of.above and "none up to " .. tostring(text_of(of.above))
        or "none")
  end
  return texts
end

--- The same of input-output curves.
local function curves_of(list)
  local texts = {}
  for i, each in ipairs(type(list) == "table" and list or {}) do
    local of = type(each) == "table" and each or {}
    texts[i] = of.why == recover_manifest.unfinished and M.unfinished or curve_words.line(of)
  end
  return texts
end

local function digest_of(files)
  for _, each in ipairs(type(files) == "table" and files or {}) do
    if each.role == "protocol" or each.role == "experiment" or each.role == "plan" then
      return ("%s, SHA-256 %s"):format((tostring(each.file):gsub("^sources/", "")),
        tostring(each.sha256):sub(1, 16))
    end
  end
end

--- Why a script ended, as it is on any computer: without the folder of its file, and without what to do about
--- an answer that nobody gave.
---@param text string
---@return string
function M.without_place(text)
  -- %f: tried where a path may begin, and not from each of its bytes on
  text = text:gsub('%f[^%s:"][^%s:"]*/([^/%s:]+%.lua:%d+:)', "%1")
  local _, asked = text:find('question %d+ has no answer: "')
  local answered = asked and text:match('^.*"(): ', asked + 1)
  return answered and text:sub(1, answered - 1) or text
end

--- The facts of a manifest, whatever version wrote it.
local function facts_of(manifest, staircases, hunts, curves)
  local function get(path)
    return read.get(manifest, path)
  end
  local facts = { kind = get "kind", protocol = text_of(get "protocol.id"), seed = text_of(get "seed"),
    outline = text_of(get "protocol.outline"),
    rmt = threshold_of(get "thresholds.rmt"), amt = threshold_of(get "thresholds.amt"),
    staircases = staircases[1] and table.concat(staircases, ", "),
    hunts = hunts[1] and table.concat(hunts, ", "),
    curves = curves[1] and table.concat(curves, ", "),
    device = text_of(get "device.description") or text_of(get "device.name"),
    simulated = get "device.simulated" ~= nil and (get "device.simulated" and "yes" or "no") or nil,
    trigger = text_of(get "device.trigger.text") or get "device.trigger" and "a trigger" or nil,
    verdict = text_of(get "safety.verdict"), onset_error = onset_error_of(get "result.lateness_us"),
    version = text_of(get "moonpulse.version"), host = text_of(get "host.kernel"),
    text = digest_of(get "files"), ended = text_of(get "result.reason") or text_of(get "status") }
  facts.ended = facts.ended and M.without_place(facts.ended)
  facts.begins = begins.words(manifest) or get "kind" ~= "experiment" and beginning or nil
  local model = text_of(get "device.model")
  if model and facts.device and not facts.device:find(model, 1, true) then
    facts.device = facts.device .. " " .. model
  end
  local commit = text_of(get "moonpulse.commit")
  facts.version = facts.version and facts.version .. (commit and ", " .. commit or "")
  for _, key in ipairs { "waveform", "current_direction", "mode", "coil", "serial", "firmware", "faults" } do
    facts[key] = text_of(get("device." .. key))
  end
  for _, key in ipairs { "speed", "participant", "session", "operator", "started" } do
    facts[key] = text_of(get(key))
  end
  return facts
end

--- When each plan of an experiment's journal was to begin, in microseconds from the run's start; nil: the
--- journal does not say.
local function starts_of(folder)
  local run_ns, starts
  for _, entry in ipairs(journal_lines.entries(folder) or {}) do
    run_ns = run_ns or math.tointeger(tonumber(entry.clock_ns))
    local start_ns = entry.kind == "play" and math.tointeger(tonumber(entry.start_ns))
    if run_ns and start_ns then
      starts = starts or {}
      starts[#starts + 1] = (start_ns - run_ns) / 1e3
    end
  end
  return starts
end

--- The pulse that each plan begins with; a plan of which no pulse came up has none.
local function plans_of(pulses, starts)
  local plans, next_start = {}, 1
  for i = 1, pulses.count do
    local opens = false
    while starts[next_start] and pulses.at_us[i] >= starts[next_start] - rounding_us do
      next_start, opens = next_start + 1, true
    end
    plans[#plans + 1] = opens and i or nil
  end
  return plans
end

local function given_of(kind)
  if kind.status == "perhaps_sent" then
    return "perhaps given"
  end
  return kind.was_sent and "given" or "not given"
end

--- The pulses of a record. They have no condition where it is of an older version, which had none.
local function pulses_of(rows)
  local kinds = {}
  for i, kind in ipairs(rows.kinds) do
    kinds[i] = { channel = kind.channel, intensity = kind.intensity, ref = kind.ref, mso = kind.mso,
      status = kind.status, given = given_of(kind),
      condition = (rows.has[i].trial or kind.trial_type ~= "pulse") and kind.trial_type or nil }
  end
  return { count = rows.count, at_us = rows.at_us, kind = rows.kind, kinds = kinds }
end

--- A run, from its folder.
---@param folder string
---@param name string
---@return moonpulse.Compared?
---@return string? message
function M.of_run(folder, name)
  local goes_on = opened.goes_on(folder)
  local manifest, said = read.manifest(folder .. "/manifest.json")
  if goes_on or not manifest then
    return nil, goes_on or tostring(said)
  end
  local events, message = columns.of(folder .. "/events.tsv", {})
  if not events then
    return nil, message .. (manifest.status == "running" and ": the run was killed; moonpulse recover "
      .. "writes its record" or "")
  end
  local staircases = results_of(read.get(manifest, "experiment.staircases"))
  local hunts = results_of(read.get(manifest, "experiment.thresholds"))
  local curves = curves_of(read.get(manifest, "experiment.curves"))
  local side = { kind = "run", name = name, facts = facts_of(manifest, staircases, hunts, curves),
    curves = curves, pulses = pulses_of(events.pulses),
    marks = {}, notes = {}, parameters = parameters_of(manifest.parameters), staircases = staircases,
    hunts = hunts,
    live = manifest.kind == "experiment" and (manifest.speed == nil or manifest.speed == 1) }
  local starts = manifest.kind == "experiment" and starts_of(folder)
  side.plans = starts and plans_of(side.pulses, starts) or nil
  for i, row in ipairs(events.marks) do
    side.marks[i] = M.without_place(row.reply or "")
  end
  side.notes[1] = edited.sentence(edited.look(folder, manifest))
  if events.incomplete > 0 then
    side.notes[#side.notes + 1] = ("%s of events.tsv cannot be read"):format(
      numbers.counted(events.incomplete, "row"))
  end
  return side
end

local most_planned = 5000000 -- pulses that are held one by one

--- The number of the kind that pulses of an action in a condition are.
local function kind_of(kinds, by_action, number, action, condition, thresholds)
  local alike = by_action[number] or {}
  by_action[number] = alike
  local key = condition or false
  if not alike[key] then
    local of = action.reference ~= "MSO" and thresholds[action.reference]
    alike[key] = #kinds + 1
    kinds[alike[key]] = { channel = action.channel, intensity = action.intensity, ref = action.reference,
      condition = condition,
      mso = of and of * action.intensity / 100 or action.reference == "MSO" and action.intensity or nil }
  end
  return alike[key]
end

--- A plan, as a protocol or a plan file gives it.
---@param name string
---@param protocol moonpulse.Protocol
---@param plan moonpulse.Plan
---@param more { seed: integer, values: table, outline: string, thresholds: table<string, number> }
---   thresholds: in %MSO, by RMT and AMT
---@return moonpulse.Compared?
---@return string? message
function M.of_plan(name, protocol, plan, more)
  local count = plan:totals().pulses
  if count > most_planned then
    return nil, ("%s has %s pulses: at most %s are compared one by one"):format(name,
      numbers.count(count), numbers.count(most_planned))
  end
  local file = protocol.plan_file
  local side = { kind = "plan", name = name, marks = {}, notes = {},
    pulses = { count = 0, at_us = {}, kind = {}, kinds = {} },
    parameters = parameters_of(file and file.parameters or more.values),
    facts = { kind = "protocol", protocol = protocol.id, outline = more.outline, begins = beginning,
      seed = tostring(more.seed), rmt = threshold_of(more.thresholds.RMT),
      amt = threshold_of(more.thresholds.AMT) } }
  local schedule, cursor = core.schedule(plan, more.seed), cursors.new(stimuli.of(plan, more.seed))
  local actions = schedule:actions()
  local pulses, by_action = side.pulses, {}
  while true do
    local kind, us, number, what, ns = schedule:next()
    if not kind then
      return side
    elseif kind == "mark" then
      side.marks[#side.marks + 1] = tostring(what)
    else
      pulses.count = pulses.count + 1
      pulses.at_us[pulses.count] = ns and ns / 1e3 or us
      pulses.kind[pulses.count] = kind_of(pulses.kinds, by_action, what, actions[what],
        cursor:find(number) and cursor.condition or nil, more.thresholds)
    end
  end
end

return M
