--- What a run's manifest.json holds, and recover.json.
local clocks = require "moonpulse.record.clocks"
local core = require "moonpulse.core"
local coverages = require "moonpulse.safety.coverage"
local machine_paths = require "moonpulse.text.machine_paths"
local manifest_files = require "moonpulse.record.manifest_file"
local metas = require "moonpulse.record.meta"
local outline = require "moonpulse.show.outline"
local run_safety = require "moonpulse.run.safety"

local M = {}

--- A threshold as it was given, with its unit, and how it was found where somebody says so.
local function threshold(job, kind)
  return metas.given_threshold(kind, job.thresholds[kind], job.meta, job.preflight, job.taken)
end

--- The thresholds of a run: those that were given, and those that its staircases and hunts found.
local function thresholds_of(context)
  return { rmt = threshold(context.job, "rmt"), amt = threshold(context.job, "amt"),
    found = metas.found(context.found, context.record.started) }
end

--- What is known of the protocol or the experiment before and without the run.
---@param job { protocol: moonpulse.Protocol|moonpulse.Experiment, plan: moonpulse.Plan?,
---   driver: moonpulse.Driver? } without a driver nothing is said of nerves
---@param facts moonpulse.Measured
---@param plan_sha256 string? of resolved.plan
---@return table
function M.protocol(job, facts, plan_sha256)
  local protocol = job.protocol
  return {
    id = protocol.id, name = protocol.name, cite = protocol.cite, doi = protocol.doi,
    target = protocol.target, coil = protocol.coil, threshold = protocol.threshold,
    file = protocol.file and protocol.file:match("[^/]*$"), unconfirmed = protocol.unconfirmed,
    -- counted apart later
    nerve = job.driver and coverages.nerves(coverages.of(protocol, job.driver.limits())),
    outline = job.plan and outline.of(job.plan), plan_sha256 = plan_sha256, pulses = facts.pulses,
    first_to_last_s = facts.first_to_last_s, nominal_end_s = facts.nominal_end_s,
    whole_cycles_s = facts.whole_cycles_s,
  }
end

--- Folders that the texts of a run may name: its own (what a full disk did not take is in it), the one in
--- which it lies with the participant's earlier runs, and those of the files that it was made from.
---@param context moonpulse.Context
---@return string[]
function M.folders_of(context)
  local job, folder = context.job, context.record.folder
  local list = { folder, folder:match "^(.+)/[^/]+/?$" }
  for _, path in ipairs { job.protocol.file or false, job.driver.file or false } do
    list[#list + 1] = path and path:match("^(.+)/[^/]*$") or nil
  end
  return list
end

--- A sentence for the record, without places of this computer.
---@param context moonpulse.Context
---@param text string
---@return string
function M.placeless(context, text)
  return machine_paths.without(text, M.folders_of(context))
end

--- A device, with how it gave its pulses as far as it has said that by now.
local function with_pulse(device, identity, job)
  local said = identity and metas.of_pulse(identity, job.meta, job.coil) or {}
  for _, key in ipairs(metas.of_device) do
    device[key] = said[key]
  end
  return device
end

--- The device of the run; of several what they have in common, and each of them.
local function device_of(context)
  local device, list = with_pulse(context.device, context.identity, context.job), nil
  for i, each in ipairs(device.devices or {}) do
    local own = {}
    for key, value in pairs(each) do
      if key ~= "identity" then -- false is said: it cannot confirm
        own[key] = value
      end
    end
    list = list or {}
    list[i] = with_pulse(own, each.identity, context.job)
  end
  if not list then
    return device
  end
  local several = {}
  for key, value in pairs(device) do
    several[key] = value
  end
  several.devices = list
  return several
end

--- How long it took until the run started, and what it waited for.
local function start_of(context)
  local on = context.job.start_on and context.job.start_on.facts
  if not on and not context.waited_s then
    return nil
  end
  local start = { waited_s = context.waited_s }
  for key, value in pairs(on or {}) do
    start[key] = value
  end
  return start
end

--- The box of event codes, and, once it is over, how many it got.
local function codes_of(context, status)
  local box, counts = context.job.codes, context.record.codes
  local facts = box and require("moonpulse.driver.code_box").facts(box)
  if facts and counts and status ~= "running" then
    facts.sent, facts.lost = counts.sent, counts.lost
  end
  return facts
end

--- The manifest of a run, for people: without internals (those are in recover.json) and without the places
--- of this computer. Its fields are described in docs/record.md and docs/schemas/manifest.schema.json.
---@param context moonpulse.Context
---@param status string "running", ...
---@param result table?
---@return table
function M.of(context, status, result)
  local job, host = context.job, core.host()
  local manifest = machine_paths.without_all({
    record_version = manifest_files.version, kind = context.kind or "protocol",
    status = status, started = context.record.started,
    ended = status ~= "running" and clocks.text(core.wall_ns()) or nil,
    participant = job.policy.participant,
    session = job.policy.schedule and job.policy.schedule:facts() or nil, operator = run_safety.operator(job),
    protocol = M.protocol(job, context.facts, context.plan_sha256),
    experiment = context.experiment,
    thresholds = thresholds_of(context), device = device_of(context), meta = job.meta,
    safety = run_safety.facts(job, context.record.started),
    preflight = run_safety.answers(job), result = result,
    host = { kernel = host.kernel, cpus = host.cpus, realtime = context.realtime },
    start = start_of(context),
    moonpulse = { version = core.version, commit = core.commit ~= "" and core.commit or nil,
      compiler = core.compiler },
  }, M.folders_of(context))
  manifest.begins_at, manifest.codes = job.begins_at, codes_of(context, status)
  manifest.lsl = job.markers and job.markers:facts()
  manifest.parameters, manifest.seed, manifest.speed = context.parameters, job.seed, context.speed
  manifest.clock = job.audit.clock and job.audit.clock:facts()
  manifest.conditions = next(context.conditions) and context.conditions or nil
  manifest.trials = next(context.trials) and context.trials or nil
  manifest.files = context.sources and context.sources.list or {}
  if context.journal and status ~= "running" then
    manifest.journal_head, manifest.journal_lines = context.journal.head, context.journal.lines
  end
  return manifest
end

--- Write it, and what recover needs beside flight.bin. Raises a refusal { code, message } where the disk does
--- not take it.
---@param context moonpulse.Context
---@param status string
---@param result table?
function M.write(context, status, result)
  context.manifest = M.of(context, status, result)
  context.record:manifest(context.manifest, { driver = context.device.driver, flight = context.flight,
    devices = context.flights, xdf = context.xdf or nil })
end

--- The run is lowered: what recover needs beside its flight record, or beside each of those of several
--- devices.
---@param context moonpulse.Context gets flight, or flights
function M.tell_flight(context)
  local job = context.job
  if not job.several then
    context.flight = M.flight_facts(job)
    return
  end
  context.flights = {}
  for i, each in ipairs(job.several) do
    context.flights[i] = { place = each.place, channels = each.channels, name = each.driver.name,
      driver = each.driver.file, flight = job.plan and M.flight_facts(job.jobs[i]) }
  end
end

--- Parameters as data.
---@param values table<string, any>
---@return table<string, string|number|boolean>
function M.text_values(values)
  local texts = {}
  for name, value in pairs(values) do
    texts[name] = type(value) == "table" and tostring(value) or value
  end
  return texts
end

--- Actions as data: a driver's program may hold anything, its pulses' times are what counts.
---@param actions moonpulse.Action[]
---@return table[]
function M.plain_actions(actions)
  local list = {}
  for i, action in ipairs(actions) do
    local plain = { channel = action.channel, intensity = action.intensity, mso = action.mso,
      reference = action.reference, exact_mso = action.exact_mso }
    if not action.train then
      plain.over = action.over
    else
      plain.part = action.part
      plain.train = { confirms = action.train.confirms, spare = action.train.spare,
        ahead = action.train.ahead, text = action.train.text,
        setting = action.train.setting and { waveform = action.train.setting.waveform } }
    end
    list[i] = plain
  end
  return list
end

--- What moonpulse recover needs beside the flight record to write events.tsv.
---@param job moonpulse.Job lowered
---@return table
function M.flight_facts(job)
  local wire_ns = {}
  for i, frame in ipairs(job.lowering:frames()) do
    wire_ns[i] = frame.wire_ns
  end
  return { actions = M.plain_actions(job.actions), wire_ns = wire_ns, marks = job.lowering:marks(),
    latency_ns = math.floor(job.driver.latency * 1e9), confirms = job.driver.confirms ~= false,
    proves_end = job.driver.proves_end ~= false, setting_proof = job.driver.setting_proof,
    tolerance_ns = job.tolerance and math.floor(job.tolerance * 1e9 + 0.5), trials = job.stimuli }
end

--- The same of a plan that a script plays on several devices: what is each one's own is in devices.
---@param job { all: moonpulse.Admitted[], those: moonpulse.Stimulator[], actions: moonpulse.Action[] } and
---   what flight_facts needs
---@return table
function M.flight_facts_of_several(job)
  local facts
  for i, each in ipairs(job.those) do
    local own = M.flight_facts { lowering = job.all[i].lowering, actions = facts and {} or job.actions,
      driver = each.driver, tolerance = job.tolerance, stimuli = job.stimuli }
    facts = facts or own
    facts.devices = facts.devices or {}
    facts.devices[i] = { place = each.job.place, wire_ns = own.wire_ns, marks = own.marks,
      latency_ns = own.latency_ns, confirms = own.confirms, proves_end = own.proves_end,
      setting_proof = own.setting_proof }
  end
  return facts
end

return M
