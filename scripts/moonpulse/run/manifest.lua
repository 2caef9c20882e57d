--- What a run's manifest.json holds, also for moonpulse recover.
local core = require "moonpulse.core"
local coverages = require "moonpulse.safety.coverage"
local outline = require "moonpulse.show.outline"
local run_safety = require "moonpulse.run.safety"

local M = {}

--- The manifest of a protocol's run.
---@param context moonpulse.Context
---@param status string "running", ...
---@param result table?
function M.of(context, status, result)
  local job, host = context.job, core.host()
  return {
    moonpulse = { version = core.version }, kind = context.kind or "protocol",
    experiment = context.experiment,
    protocol = {
      id = job.protocol.id, name = job.protocol.name, cite = job.protocol.cite,
      doi = job.protocol.doi, target = job.protocol.target, file = job.protocol.file,
      unconfirmed = job.protocol.unconfirmed,
      nerve = coverages.nerves(coverages.of(job.protocol, job.driver.limits())), -- counted apart later
      outline = job.plan and outline.of(job.plan), pulses = context.facts.pulses,
      first_to_last_s = context.facts.first_to_last_s, nominal_end_s = context.facts.nominal_end_s,
      whole_cycles_s = context.facts.whole_cycles_s,
    },
    device = context.device, thresholds = { rmt = job.thresholds.rmt, amt = job.thresholds.amt },
    parameters = context.parameters, seed = job.seed, speed = context.speed,
    participant = job.policy.participant, safety = run_safety.facts(job),
    started = context.record.started,
    host = { kernel = host.kernel, cpus = host.cpus, realtime = context.realtime },
    start = context.waited_s and { waited_s = context.waited_s },
    result = result, status = status, flight = context.flight,
  }
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

return M
