--- What every run begins with: the job, what the operator is asked, the host's timing, the folder, the port.
local audits = require "moonpulse.record.audit"
local begins = require "moonpulse.run.begin_journal"
local core = require "moonpulse.core"
local ending = require "moonpulse.run.ending"
local lfs = require "lfs"
local metas = require "moonpulse.record.meta"
local records = require "moonpulse.record"
local refusals = require "moonpulse.text.refusal"
local run_safety = require "moonpulse.run.safety"
local triggers = require "moonpulse.driver.trigger_path"
local processes = require "moonpulse.simulation.process"

local line = ending.line

local M = {}

--- The thresholds of the channels of several devices, where any has its own.
---@param options { of_device: table<string, moonpulse.Thresholds>?, rmt: number?, amt: number? } of_device:
---   by place
---@param several moonpulse.RunDevice[]? each gets thresholds: its own
---@return table<string, moonpulse.Thresholds>? by channel; nil: those of all hold
function M.of_channels(options, several)
  local of = options.of_device and {}
  for _, each in ipairs(of and several or {}) do
    local own = options.of_device[each.place] or {}
    each.thresholds = (own.rmt or own.amt) and { rmt = own.rmt, amt = own.amt } or nil
    each.taken, each.taken_from = own.taken, own.taken_from
    for _, channel in ipairs(each.channels) do
      of[channel] = { rmt = own.rmt or options.rmt, amt = own.amt or options.amt,
        place = each.place }
    end
  end
  return of
end

--- What the options say about how a device is driven, and how strictly it is judged.
---@param options table with a seed
---@param given { driver: moonpulse.Driver, policy: moonpulse.Policy, protocol: moonpulse.Protocol? }
---@return moonpulse.Job job
function M.job(options, given)
  return {
    policy = given.policy, seed = options.seed, driver = given.driver,
    thresholds = { rmt = options.rmt, amt = options.amt, of = M.of_channels(options, given.several) },
    taken = options.taken, taken_from = options.taken_from,
    tolerance = options.tolerance / 1e3, late = options.late, stop_line = options.stop_line,
    timing = options.timing, audit = audits.new(given.policy.operator), meta = given.meta,
    unconfirmed = options.unconfirmed and given.protocol and given.protocol.unconfirmed or nil,
    codes = options.codes, tell_note = function(text) io.stderr:write("\nmoonpulse: note: ", text, "\n") end,
    coil = options.coil, faults = options.speed ~= 1 and options.fault or nil,
    inputs = { trigger_in = options.trigger_in, trigger_baud = options.trigger_baud,
      answers = options.answers_from or options.events and options.answers_told and "events" or nil,
      events = options.events, sign = options.sign, offer = options.offer },
  }
end

--- What the manifest says about the device before it was asked.
---@param options table
---@param given { driver: moonpulse.Driver, simulated: boolean, usb: moonpulse.core.Port? }
---@return moonpulse.DeviceFacts
function M.device(options, given)
  local driver, usb, devices = given.driver, given.usb, nil
  for i, each in ipairs(given.several or {}) do -- each as if it were alone
    devices = devices or {}
    devices[i] = M.device({ port = each.port, fault = each.fault }, each)
    devices[i].place, devices[i].channels = each.place, each.channels
    devices[i].thresholds, devices[i].taken = each.thresholds, each.taken
  end
  local confirms -- said only where it cannot: that a pulse was not confirmed is no news then
  if driver.confirms == false then
    confirms = false
  end
  local latency = type(driver.latency) == "number" and driver.latency or nil
  return { devices = devices, latency_us = latency and math.floor(latency * 1e6 + 0.5),
    latency_from = driver.latency_from or nil, name = driver.name, driver = driver.file, confirms = confirms,
    description = driver.description,
    simulated = given.simulated, own_simulator = given.simulated or nil, port = options.port,
    usb_id = usb and usb.usb_id, usb_serial = usb and usb.usb_serial,
    usb_product = usb and usb.description, faults = options.fault and options.fault.text,
    trigger = driver.trigger and triggers.facts(driver.trigger) }
end

--- What the operator should know of the device before it is opened.
---@param driver moonpulse.Driver
---@param codes moonpulse.CodeBox?
function M.notes(driver, codes)
  if driver.note then
    line("note", "%s", driver.note(driver.settings))
  end
  if driver.trigger then
    line("trigger", "%s%s", triggers.describe(driver.trigger), driver.trigger_latency and ""
      or "; the time from there to the pulse is not known and counts as 0")
  end
  if codes then
    line("code box", "%s", require("moonpulse.driver.code_box").describe(codes))
  end
end

--- What is known of the pulse: waveform, direction of the current, mode, coil. Where the operator says
--- otherwise than the device, the record has the device's word, and the operator hears of it.
local function tell_pulse(context, identity)
  local job = context.job
  local said, differing = metas.of_pulse(identity, job.meta, job.coil)
  context.identity = identity
  for _, key in ipairs(differing) do
    line("note", "CHECK THE DEVICE: it says %s %s, and you say %s: the record has what the device says",
      key:gsub("_", " "), said[key].value, tostring(key == "coil" and job.coil or job.meta[key]))
  end
end

--- A threshold that was taken from an earlier run must be of this stimulator. Raises a refusal where what the
--- device says of itself is another one.
local function check_taken(job, identity)
  for _, key in ipairs { "rmt", "amt" } do
    local path = job.taken_from and job.taken_from[key]
    local is = { model = identity.model, serial = identity.serial }
    for name, value in pairs(path and identity.pulse or {}) do
      is[name] = value
    end
    local differs = path and require("moonpulse.safety.found_thresholds").differs(path, is,
      job.place)
    if differs then
      refusals.raise("usage", "the %s of run %s was found %s: nothing was armed; --%s %s%.10g takes the "
        .. "number all the same", key:upper(), job.taken[key].run, differs, key,
        job.place and job.place .. "=" or "", (job.own_thresholds or job.thresholds)[key])
    end
  end
end

--- What becomes of the event codes of a plan.
---@param job moonpulse.Job
---@param plan moonpulse.Plan
---@param say fun(text: string)
function M.say_codes(job, plan, say)
  if plan:totals().coded and not job.codes then
    say("the plan has event codes, and no box is named for them (--codes PATH): they are not sent")
  end
end

--- The device has said who it is.
---@param context moonpulse.Context its device is filled in
---@param identity moonpulse.Identity
---@param backend "serial"|"pty"|"virtual"
---@param i integer? which of several it is
function M.connected(context, identity, backend, i)
  local device, several = context.device, context.device.devices
  if several then
    local each = context.job.several[i]
    local job = setmetatable({ driver = each.driver, place = each.place, taken = each.taken or false,
      taken_from = each.taken_from or false, own_thresholds = each.thresholds }, { __index = context.job })
    local own = { device = several[i], job = job }
    M.connected(own, identity, backend)
    several[i].identity = own.identity
    device.backend = (i == 1 or device.backend == backend) and backend or "several"
    device.simulated = (i == 1 or device.simulated) and several[i].simulated
    return
  end
  device.model, device.serial, device.backend = identity.model, identity.serial, backend
  device.firmware = identity.firmware
  device.temperature_c = identity.temperature_c
  -- no serial port behind a pseudo-terminal: what answers there is a program, unless the lab says otherwise
  local handed_on = backend == "pty" and not device.own_simulator
  device.simulated = device.simulated or handed_on and not context.job.policy.real_pty
  local name, model = context.job.driver.description, identity.model
  if model and not name:find(model, 1, true) then
    name = name .. " " .. model
  end
  line(device.place or "device", "%s%s%s%s", device.simulated and "simulated " or "", name,
    identity.nameless and ", which says nothing of itself"
      or identity.serial and ", serial number " .. identity.serial or "",
    device.port and " on " .. device.port or "")
  tell_pulse(context, identity)
  check_taken(context.job, identity)
  if handed_on then
    line("note", "%s is a pseudo-terminal: %s", device.port, device.simulated
      and "a program answers there, so this counts as simulated; where it hands on to a real stimulator "
        .. "(socat, ser2net), give --real-pty" or "it hands on to a real stimulator, as you say")
  end
end

--- Call use(path, simulator) with the device's port, which is the simulator's where the device is
--- simulated: in a process of its own, or in virtual time in this one.
---@param context moonpulse.Context
---@param options table of the command
---@param simulated boolean
---@param use fun(path: string, simulator: table?): moonpulse.Ended
---@return moonpulse.Ended what use returned
function M.with_port(context, options, simulated, use)
  if not simulated then
    return use(options.port)
  end
  local where = core.is_virtual() and require "moonpulse.simulation.inside" or processes
  local simulator <close> = where.start(context.job.driver, context.record.folder .. "/twin.tsv",
    options.fault and options.fault.text)
  context.device.port = where == processes and simulator.path or nil
  local trigger = context.job.driver.trigger
  if trigger then
    trigger.path, context.device.trigger.on = simulator.trigger_path, simulator.trigger_path
  end
  local done, outcome = pcall(use, simulator.path, simulator)
  if type(outcome) == "table" and rawget(outcome, "not_disarmed") then
    simulator:hung()
  end
  if not done then
    error(outcome, 0)
  end
  return outcome
end

--- --require: three seconds of wakes on the dispatcher's kind of thread.
---@param job moonpulse.Job
---@param requirements moonpulse.TimingRequirement[]? nil: nothing is measured
function M.require_of_host(job, requirements)
  if not requirements then
    return
  end
  local ok, text = require("moonpulse.doctor.requirement").check(requirements, 3, {
    stopped = function() return job.stop_reason ~= nil end,
  })
  if ok == nil then
    refusals.raise("stopped", "interrupted while the host's timing was measured; nothing was sent")
  elseif not ok then
    refusals.raise("limit", "this host's timing falls short: %s; moonpulse doctor says what to do", text)
  end
  line("host", text)
end

--- The operator's preflight, and what the host must be fit for, before there is a folder. Once somebody was
--- asked, what was asked and answered is kept in a record, also where the run is then refused: M.refuse.
--- Raises the refusal where nobody was asked anything.
---@param job moonpulse.Job gets preflight
---@param options table of the command
---@param real boolean a device was named, no simulator
---@param facts moonpulse.Measured? of a protocol's plan
---@return table? refusal why the run may not begin, { code, message }; nil: it may
function M.ask(job, options, real, facts)
  if options.feed then
    options.feed:expect(job, not real, options.speed, facts)
  end
  local ok, problem = pcall(run_safety.preflight, options, real, job)
  begins.tell_given(job)
  if ok then
    ok, problem = pcall(M.require_of_host, job, options.require)
  end
  local is_refusal = type(problem) == "table" and refusals.status[rawget(problem, "code")] ~= nil
  if not ok and not (job.preflight and is_refusal) then
    error(problem, 0)
  end
  return not ok and problem or nil
end

--- What was asked and answered is nowhere but on the screen.
local function tell_unkept(why)
  io.stderr:write("moonpulse: note: what was asked and answered is in no record: ", why, "\n")
end

--- Make the run's folder.
---@param job moonpulse.Job
---@param options table of the command; gets made
---@param refusal table? of ask: it is what is told where there can be no folder
---@return moonpulse.Record
function M.make_record(job, options, refusal)
  local record, message = records.create(options.out, job.protocol.id, options.share_with_group)
  if not record and refusal then
    tell_unkept(message)
    error(refusal, 0)
  elseif not record then
    refusals.raise("usage", "%s", message)
  end
  core.phase("run", record.folder)
  options.made = record.folder -- for rerun
  return record
end

--- Wait until somebody is there. Raises where nobody comes, or the run is stopped.
local function await(job, seconds, count, where, option)
  local until_ns = core.real_ns() + math.floor(seconds * 1e9)
  while count() == 0 do
    if job.stop_reason then
      refusals.stopped(job.stop_reason)
    elseif core.real_ns() >= until_ns then
      refusals.raise("limit", "nobody has connected to %s within %g s (%s); nothing was sent", where, seconds,
        option)
    end
    core.wait(0.01)
  end
end

--- With --events, --lsl and --osc other programs are told from now on, and may be waited for.
---@param context moonpulse.Context
---@param options table of the command
---@param given { feed: moonpulse.Feed?, markers: moonpulse.Markers?, osc: moonpulse.Osc? }
function M.tell_others(context, options, given)
  local feed, markers = given.feed, given.markers
  if feed then
    feed:begin(context)
    line("events", "%s", feed.path)
  end
  if markers then
    markers:begin(context)
    line("lsl", "%s, type Markers, for %s", markers.name, markers.all and "all computers of this network"
      or "programs on this computer")
  end
  if given.osc then
    given.osc:begin(context)
    local host, port = options.osc.host, options.osc.port
    line("osc", "UDP to %s:%d", host:find(":", 1, true) and "[" .. host .. "]" or host, port)
  end
  if feed and options.events_wait then
    await(context.job, options.events_wait, function() return (feed.feed:counts()) end, feed.path,
      "--events-wait")
  end
  if markers and options.lsl_wait then
    await(context.job, options.lsl_wait, function() return markers:receivers() end, "the stream "
      .. markers.name, "--lsl-wait")
  end
end

--- Close the record of a run that was refused, with what it would have read, and raise what refused it.
---@param context moonpulse.Context
---@param options table of the command; gets refused
---@param refusal table of ask
function M.refuse(context, options, refusal)
  options.refused = true -- for rerun
  local _, problem = pcall(ending.attempt, context, function()
    local kept, why = pcall(require("moonpulse.run.keeping").begin, context, options)
    if not kept then
      line("note", "%s", tostring(why))
    end
    error(refusal, 0)
  end)
  if not lfs.attributes(context.record.folder .. "/manifest.json", "mode") then
    tell_unkept("the disk did not take it")
  end
  error(problem, 0)
end

return M
