--- The journal of a run begins: what is run, on what, and what the operator gave with the command.
local clocks = require "moonpulse.record.clocks"
local core = require "moonpulse.core"
local manifests = require "moonpulse.run.manifest"
local refusals = require "moonpulse.text.refusal"

local M = {}

--- What the operator gave with the command, as acts of the audit trail.
---@param job moonpulse.Job
function M.tell_given(job)
  local audit, beyond = job.audit, job.policy.beyond
  audit.who = job.preflight and job.preflight.operator or audit.who
  for _, name in ipairs { "rmt", "amt" } do
    local value = job.thresholds[name]
    local taken = job.taken and job.taken[name]
    if value then
      audit:tell("threshold", { name = name:upper(), old = "none", new = value, unit = "%MSO", how = "given",
        why = taken and taken.why or "--" .. name, run = taken and taken.run, date = taken and taken.date })
    end
  end
  for _, each in ipairs(job.several or {}) do
    for _, name in ipairs { "rmt", "amt" } do
      local value = each.thresholds and each.thresholds[name]
      local taken = each.taken and each.taken[name]
      if value then
        audit:tell("threshold", { name = name:upper(), device = each.place, old = "none", new = value,
          unit = "%MSO", how = "given", why = taken and taken.why or "--" .. name, run = taken and taken.run,
          date = taken and taken.date })
      end
    end
  end
  if beyond then
    audit:tell("override", { old = "a published limit holds", new = "it may be passed", why = beyond.reason,
      approval = beyond.approval })
    audit:tell("approval", { ref = beyond.approval, why = beyond.reason })
  end
  if job.unconfirmed then
    audit:tell("override", { of = "unconfirmed", old = "a protocol that nobody compared with its paper is "
      .. "refused", new = "it is run as it is", what = job.unconfirmed, why = "--unconfirmed" })
  end
end

--- Of several devices each, as it was driven; nil where the run has one.
local function devices_of(context)
  local list
  for i, each in ipairs(context.job.several or {}) do
    local device = context.device.devices[i]
    list = list or {}
    list[i] = { place = each.place, channels = each.channels, name = device.name,
      simulated = device.simulated, model = device.model,
      serial = device.serial and tostring(device.serial), options = each.options,
      rmt = each.thresholds and each.thresholds.rmt, amt = each.thresholds and each.thresholds.amt,
      taken = each.taken, faults = device.faults }
  end
  return list
end

--- Begin the journal: its first line says what verify and a repetition need to play the same again. Raises a
--- refusal where it cannot be written.
---@param context moonpulse.Context
---@param origin_ns integer? what its times count from (core.clock_ns); now
---@return moonpulse.Journal
function M.begin(context, origin_ns)
  local job, device = context.job, context.device
  local trigger, on = job.driver.trigger, job.start_on and job.start_on.spec
  local timed = context.speed == 1 and job.inputs or {} -- in virtual time nothing comes from outside
  local journal, message = job.audit:begin(context.record.folder, {
    what = context.kind or "protocol", id = job.protocol.id, moonpulse = core.version,
    commit = core.commit ~= "" and core.commit or nil,
    begins_at = job.begins_at, participant = job.policy.participant, seed = tostring(job.seed),
    parameters = context.parameters,
    device = { name = device.name, simulated = device.simulated, model = device.model,
      serial = device.serial and tostring(device.serial) },
    devices = devices_of(context),
    options = { speed = context.speed == 1 and 1 or "virtual", tolerance_ms = job.tolerance * 1e3,
      late = job.late, timing = job.timing, recalled = context.recall and true or nil,
      stop_line = job.stop_line, start_on = on and on.text, start_timeout_s = on and on.timeout,
      guidelines = job.policy.profile, unconfirmed = job.unconfirmed and true or nil,
      device_options = context.device_options, faults = device.faults, rmt = job.thresholds.rmt,
      amt = job.thresholds.amt, taken = job.taken, real_pty = job.policy.real_pty and true or nil,
      trigger = trigger and device.simulated and trigger.text or nil,
      codes = job.codes and job.codes.text,
      trigger_in = timed.trigger_in, trigger_baud = timed.trigger_in and math.tointeger(timed.trigger_baud),
      answers_from = timed.answers },
  }, origin_ns, manifests.folders_of(context), context.speed ~= 1)
  if not journal then
    refusals.raise("limit", "cannot make the journal: %s: %s, or name another folder with --out DIR", message,
      require("moonpulse.text.room").remedy(message))
  end
  context.journal = journal
  job.audit.on_jump = function(jump)
    io.stderr:write("\nmoonpulse: note: ", clocks.words(jump), "\n")
  end
  context.record.audit = job.audit
  return journal
end

return M
