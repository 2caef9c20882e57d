--- In the process that is shut in: a protocol's run is made again from its folder, the plan and, through the
--- same driver and the same simulator, its rows. The text may be somebody else's; it is run in the sandbox of
--- protocols. What comes of it is left as files for the process that compares.
local catalogue = require "moonpulse.protocol.catalogue"
local begins = require "moonpulse.run.begin"
local cjson = require "cjson"
local compiled = require "moonpulse.safety.compiled"
local conditions = require "moonpulse.record.conditions"
local core = require "moonpulse.core"
local devices = require "moonpulse.cli.device_argument"
local driven_on = require "moonpulse.verify.driven_on"
local faults = require "moonpulse.simulation.faults"
local files = require "moonpulse.record.file"
local insides = require "moonpulse.run.inside"
local journal_lines = require "moonpulse.record.journal_lines"
local look_bounds = require "moonpulse.run.look_bounds"
local machine_paths = require "moonpulse.text.machine_paths"
local manifests = require "moonpulse.run.manifest"
local opened = require "moonpulse.record.opened"
local plans = require "moonpulse.verify.plan"
local records = require "moonpulse.record"
local refusals = require "moonpulse.text.refusal"
local rigs = require "moonpulse.run.together"
local start_ons = require "moonpulse.run.start_on"
local together = require "moonpulse.record.together"
local triggers = require "moonpulse.driver.trigger_path"

local M = {}

local told_every_ns = 200000000
local most_plan = 1 << 24

local function nothing() end

--- Of a run on several devices.
local function options_of_several(named)
  local options = { devices = {}, of_device = {}, device_option = {},
    speed = "max", stop_line = "none", timing = "host" }
  for i, each in ipairs(named) do
    options.devices[i] = ("%s=sim:%s"):format(each.place, each.name)
    options.of_device[each.place] = { rmt = tonumber(each.rmt), amt = tonumber(each.amt) }
    for _, text in ipairs(type(each.options) == "table" and each.options or {}) do
      table.insert(options.device_option, ("%s:%s"):format(each.place, text))
    end
  end
  return options
end

--- The driver of the run, and of several devices each.
local function chosen(options)
  if not options.devices then
    return (devices.choose(options))
  end
  local list = require("moonpulse.cli.several_devices").choose(options)
  return rigs.driver(list), list
end

--- What the journal's first line says of how the run was driven.
local function options_of(begin)
  local from = type(begin.options) == "table" and begin.options or {}
  local why = driven_on.why_not(begin)
  if why then
    return nil, why
  elseif begin.devices then
    return options_of_several(begin.devices), from
  end
  local name = begin.device.name
  local options = { device = "sim:" .. name, speed = "max", device_option = {}, stop_line = "none",
    timing = type(from.timing) == "string" and from.timing or "auto" }
  for i, text in ipairs(type(from.device_options) == "table" and from.device_options or {}) do
    options.device_option[i] = tostring(text)
  end
  if type(from.trigger) == "string" then
    options.trigger = triggers.parse(from.trigger)
  end
  if type(from.codes) == "string" then
    local boxes = require "moonpulse.driver.code_box"
    options.codes = boxes.parse(boxes.recorded(from.codes))
  end
  if type(from.faults) == "string" then
    options.fault = faults.parse(from.faults)
  end
  return options, from
end

--- What its start waited for in virtual time, and when that came; nil where it waited for nothing.
local function started_of(lines, from)
  local spec = type(from.start_on) == "string" and start_ons.parse(from.start_on)
  local entries = {}
  for _, entry in ipairs(spec and lines or {}) do
    if entry and entry.kind == "trigger" and entry.starts ~= nil then
      local at_ns, byte = math.tointeger(tonumber(entry.at_ns)), math.tointeger(entry.byte)
      local fits = at_ns and at_ns >= 0 and byte and byte >= 0 and byte <= 255
      entries[1] = fits and { at_ns = at_ns, byte = byte } or nil
    end
  end
  return spec and { spec = spec, entries = entries } or nil
end

--- The job of the run, as its options made it.
local function job_of(kept, manifest, options, from, started)
  local driver, several = chosen(options)
  local thresholds = { rmt = plans.threshold(manifest, "rmt"), amt = plans.threshold(manifest, "amt") }
  thresholds.of = begins.of_channels({ of_device = options.of_device, rmt = thresholds.rmt,
    amt = thresholds.amt }, several)
  return { several = several, start_on = started, seed = kept.seed, driver = driver,
    policy = { real = false, protocol = kept.protocol }, codes = options.codes, tell_note = nothing,
    thresholds = thresholds,
    tolerance = (tonumber(from.tolerance_ms) or 1) / 1e3,
    late = type(from.late) == "string" and from.late or "abort",
    stop_line = "none", timing = options.timing, faults = options.fault, protocol = kept.protocol,
    plan = kept.plan, cuts = { near = true, far = true } }
end

--- How far it is, on standard output, now and then.
local function telling(record, total)
  local next_ns = core.real_ns() + told_every_ns
  return function()
    local now_ns = core.real_ns()
    if now_ns > next_ns then
      next_ns = now_ns + told_every_ns
      print(("played %d of %d"):format(record.pulses_sent, total))
      io.stdout:flush()
    end
  end
end

--- Play it into a folder below out; why it could not be.
local function play(kept, manifest, out, lines)
  local options, from = options_of(lines[1])
  if not options then
    return from
  end
  local real = manifest.speed == nil or manifest.speed == 1
  options.fault = not real and options.fault or nil -- of the plan alone
  local job = job_of(kept, manifest, options, from, not real and started_of(lines, from) or nil)
  local record, message = records.create(out, "again")
  if not record then
    return message
  end
  local inside = insides.run
  if job.several then
    rigs.jobs(job)
    together.divide(record, job.several)
    together.make_folders(record)
    inside = rigs.inside
  end
  -- what ends the run stands in its rows
  pcall(inside, job, record, "max", { connected = nothing, prepared = nothing, armed = nothing,
    progress = telling(record, kept.plan:totals().pulses) })
  record:close()
  return record.lost or select(2, os.rename(record.folder, out .. "/again"))
end

--- What a manifest has of the protocol and its plan.
local function tell(made, kept, begin)
  local options = options_of(begin)
  made.protocol = machine_paths.without_all(manifests.protocol({ protocol = kept.protocol, plan = kept.plan,
    driver = options and (chosen(options)) }, catalogue.measure(kept.plan, kept.seed)))
  made.protocol.file, made.conditions, made.trials = nil, {}, {}
  made.no_driver = not options or nil
  conditions.plan_into(made.conditions, made.trials, kept.plan)
end

local function put(path, text)
  local ok, message = files.put(path, text)
  if not ok then
    refusals.raise("fault", "cannot write what was made again: %s", message)
  end
end

--- Text of what was raised, or of a refusal.
local function words_of(problem)
  return type(problem) == "table" and problem.message or tostring(problem)
end

--- Make it again into the folder out: resolved.plan, again/events.tsv and again/twin.tsv, and in made.json
--- why what is not there is not.
---@param folder string of the run
---@param out string that is there
function M.make(folder, out)
  look_bounds.shut "protocol" -- before anything of the folder is read
  local manifest, message = opened.manifest(folder)
  if not manifest then
    refusals.raise("usage", "%s", tostring(message))
  end
  local made = {}
  local ok, kept, why = pcall(plans.again, folder, manifest)
  if not ok or not kept then
    made.why = ok and why or words_of(kept)
  else
    local plan
    ok, plan = pcall(compiled.like, core.read_file(folder .. "/resolved.plan", most_plan) or "", kept)
    made.plan_why = not ok and words_of(plan) or nil
    if ok then
      put(out .. "/resolved.plan", plan)
    end
    local lines = journal_lines.whole((journal_lines.of(core.read_file(folder .. "/journal.jsonl",
      journal_lines.most_bytes) or "")))
    local begin = lines[1]
    if begin and begin.kind == "begin" then
      pcall(tell, made, kept, begin)
    end
    if begin and begin.kind == "begin" and manifest.status ~= "not run" then
      local played, problem = pcall(play, kept, manifest, out, lines)
      made.play_why = not played and words_of(problem) or problem
    end
  end
  put(out .. "/made.json", cjson.encode(made))
end

return M
