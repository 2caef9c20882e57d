--- moonpulse run: a protocol on a device, with its record.
local catalogue = require "moonpulse.catalogue"
local cli = require "moonpulse.cli"
local common = require "moonpulse.commands.common"
local core = require "moonpulse.core"
local devices = require "moonpulse.devices"
local faults = require "moonpulse.simulators.faults"
local links = require "moonpulse.link"
local live = require "moonpulse.live"
local lower = require "moonpulse.lower"
local outline = require "moonpulse.outline"
local port_name = require "moonpulse.port_name"
local records = require "moonpulse.record"
local require_timing = require "moonpulse.require_timing"
local run_safety = require "moonpulse.commands.run_safety"
local safety_options = require "moonpulse.commands.safety_options"
local term = require "term"
local triggers = require "moonpulse.trigger"
local twins = require "moonpulse.twin"

local M = {}

local function speed(text)
  if text == "max" then
    return text
  end
  return common.number(0.01, 1000)(text)
end

function M.parser()
  local parser = cli.parser("run",
    "Run a protocol: check it against the device, connect, arm, send every pulse at its time, "
      .. "disarm, and leave a record. Without --device the stimulator is simulated.",
    "moonpulse run itbs600 --amt 50\n"
      .. "moonpulse run my_protocol.lua --rmt 48 --device magventure --port /dev/ttyUSB0\n"
      .. "moonpulse run hf10_neurostar --rmt 50 --speed max")
  common.add_protocol(parser)
  parser:option("--device", "sim (a simulated MagPro, the default), sim:NAME (another, simulated), a "
    .. "device (see moonpulse devices), or the path of a driver."):default("sim"):argname("NAME")
  parser:option("--device-option", "A setting of the driver; moonpulse devices --device NAME lists them.")
    :argname("KEY=VALUE"):count("*")
  parser:option("--port", "The device's serial port (see moonpulse ports): a path, the USB adapter as "
    .. "VENDOR:PRODUCT[:SERIAL], or auto: the adapter that the driver knows."):argname("PORT")
  parser:option("--trigger", "Fire another way than by the device's command: over a line of its own port "
    .. "(rts, dtr, break, with :width=MS), or over a second port: PATH, PATH:byte=4,width=10,baud=9600, "
    .. "PATH:text=T, PATH:rts; sim is the simulator's trigger input. All else stays on --port.")
    :argname("WHERE"):convert(triggers.parse)
  parser:option("--out", "The folder that run folders are made in."):default("runs"):argname("DIR")
  parser:option("--speed", "Simulator only: N times real time, or max: without waiting.")
    :default("1"):convert(speed):argname("N|max")
  parser:option("--fault", "Simulator only: make it go wrong at the N-th pulse, to see what a run "
    .. "does then: " .. faults.describe() .. "."):convert(faults.parse):argname("KIND@N,...")
  parser:option("--late", "What to do with a pulse that would be late: abort the run, or skip it.")
    :choices({ "abort", "skip" }):default("abort")
  parser:option("--require", "Measure the host's timing for 3 s first, and refuse to run where it "
    .. "falls short: p50, p95, p99, p99.9 or max, like p99=0.5ms,max=2ms."):argname("WHAT")
    :convert(require_timing.parse)
  parser:option("--stop-line", "A modem line of the port that stops the run when it rises (foot switch).")
    :choices({ "none", "cts", "dsr" }):default("none")
  parser:option("--timing", "Who times trains and bursts: we (host), the stimulator (device; refused "
    .. "where it cannot), or the stimulator where it can (auto). The record says which for every pulse.")
    :choices({ "host", "device", "auto" }):default("auto")
  safety_options.add(parser)
  safety_options.add_overrides(parser)
  parser:option("--tolerance", "How late is late, in milliseconds.")
    :default("1"):convert(common.number(0.01, 10000, "ms")):argname("MS")
  return parser
end

local function find_driver(name, options)
  local driver, message = devices.find(name)
  if not driver then
    cli.fail("usage", "%s", message)
  end
  local ok, own = pcall(devices.configure, driver,
    common.pairs("--device-option", options.device_option))
  if not ok then
    if type(own) == "table" and own.code then
      cli.fail(own.code, "%s", own.message)
    end
    error(own, 0)
  end
  return own
end

--- The device's driver as it fires with --trigger. Leaves with exit status 2 where that cannot be.
local function with_trigger(driver, options, model)
  local trigger = options.trigger
  if not trigger then
    return driver
  elseif options.timing == "device" then
    cli.fail("usage", "--timing device: a train of the stimulator is started by a command, with "
      .. "--trigger every pulse is fired by itself: leave out one of them")
  elseif trigger.path and trigger.path == options.port then
    cli.fail("usage", "--trigger %s is the device's own port: write --trigger rts (or dtr, break)",
      trigger.path)
  elseif model and trigger.path ~= "sim" then
    cli.fail("usage", "--trigger %s: the simulated stimulator has a trigger input and no lines: write "
      .. "--trigger sim", trigger.text)
  elseif model and (trigger.line or not trigger.after or trigger.serial.baud ~= 115200) then
    cli.fail("usage", "--trigger %s: the simulator's trigger input takes a byte and 0: --trigger sim, or "
      .. "like sim:byte=4,width=10", trigger.text)
  elseif model and not model.new({}).line then
    cli.fail("usage", "--trigger sim: the simulated %s has no trigger input", driver.description)
  elseif not model and trigger.path == "sim" then
    cli.fail("usage", "--trigger sim is the simulator's: name the port of your trigger box")
  elseif driver.trigger_latency == nil and driver.trigger_confirms == nil then
    cli.fail("usage", "--trigger %s: the driver of the %s does not arm a trigger input: leave --trigger "
      .. "out, or set its input up by hand and use --device trigger", trigger.text, driver.description)
  end
  return triggers.apply(driver, trigger)
end

local function choose_device(options)
  local name = options.device
  local simulated = name == "sim" and devices.default or name:match("^sim:(.+)$")
  if simulated then
    if options.port then
      cli.fail("usage", "--port %s needs --device: which stimulator is connected there? For example "
        .. "--device magventure", options.port)
    elseif options.fault and options.speed ~= 1 then
      cli.fail("usage", "--fault %s works in real time only: leave out --speed", options.fault.text)
    end
    local driver = find_driver(simulated, options)
    local model, message = devices.twin(driver)
    if not model then
      cli.fail("usage", "%s", message)
    end
    return with_trigger(driver, options, model), true
  end
  local driver = find_driver(name, options)
  if options.fault then
    cli.fail("usage", "--fault %s works on the simulator only: leave out --device %s, or --fault",
      options.fault.text, name)
  elseif not options.port then
    cli.fail("usage", "--device %s needs --port PORT: see moonpulse ports (or use --device sim:%s)",
      name, name)
  elseif options.speed ~= 1 then
    cli.fail("usage", "--speed works on the simulator only: a real stimulator runs in real time")
  end
  local path, port = port_name.resolve(options.port, driver)
  if not path then
    cli.fail("usage", "%s", port)
  end
  options.port = path
  return with_trigger(driver, options), false, port
end

local function line(key, text, ...)
  print(("%-12s"):format(key) .. (select("#", ...) > 0 and text:format(...) or text))
end

--- Refusals of the check carry their own code.
local function prepare(given)
  local ok, lowering, actions = pcall(lower.prepare, given)
  if not ok then
    if type(lowering) == "table" then
      cli.fail(lowering.code, "%s", lowering.message)
    end
    error(lowering, 0)
  end
  return lowering, actions
end

local function manifest_of(context, status, result)
  local job, host = context.job, core.host()
  return {
    moonpulse = { version = core.version },
    protocol = {
      id = job.protocol.id, name = job.protocol.name, cite = job.protocol.cite,
      doi = job.protocol.doi, target = job.protocol.target, file = job.protocol.file,
      unconfirmed = job.protocol.unconfirmed,
      outline = outline.of(job.plan), pulses = context.facts.pulses,
      first_to_last_s = context.facts.first_to_last_s, nominal_end_s = context.facts.nominal_end_s,
      whole_cycles_s = context.facts.whole_cycles_s,
    },
    device = context.device, thresholds = { rmt = job.thresholds.rmt, amt = job.thresholds.amt },
    parameters = context.parameters, seed = job.seed, speed = context.speed,
    participant = job.policy.participant, safety = run_safety.facts(job),
    started = context.record.started,
    host = { kernel = host.kernel, cpus = host.cpus, realtime = context.realtime },
    result = result, status = status, flight = context.flight,
  }
end

local function text_values(values)
  local texts = {}
  for name, value in pairs(values) do
    texts[name] = type(value) == "table" and tostring(value) or value
  end
  return texts
end

--- Actions as data: a driver's program may hold anything, its pulses' times are what counts.
local function plain_actions(actions)
  local list = {}
  for i, action in ipairs(actions) do
    local plain = { channel = action.channel, intensity = action.intensity, mso = action.mso,
      reference = action.reference, exact_mso = action.exact_mso }
    if action.train then
      plain.part = action.part
      plain.train = { confirms = action.train.confirms, spare = action.train.spare,
        text = action.train.text }
    end
    list[i] = plain
  end
  return list
end

--- What moonpulse recover needs beside the flight record to write events.tsv.
local function flight_facts(job)
  local wire_ns = {}
  for i, frame in ipairs(job.lowering:frames()) do
    wire_ns[i] = frame.wire_ns
  end
  return { actions = plain_actions(job.actions), wire_ns = wire_ns, marks = job.lowering:marks(),
    latency_ns = math.floor(job.driver.latency * 1e9), confirms = job.driver.confirms ~= false }
end

--- What the run calls while it goes on.
local function hooks_of(context)
  local record, screen = context.record, context.screen
  return {
    connected = function(identity, backend)
      local device = context.device
      device.model, device.serial, device.backend = identity.model, identity.serial, backend
      device.firmware = identity.firmware
      device.temperature_c = identity.temperature_c
      -- no serial port behind a pseudo-terminal: what answers there is a program
      device.simulated = device.simulated or backend == "pty"
      line("device", "%s%s %s, %s%s", device.simulated and "simulated " or "",
        context.job.driver.description, identity.model or "",
        identity.nameless and "which says nothing of itself" or "serial number " .. (identity.serial or "?"),
        device.port and " on " .. device.port or "")
    end,
    prepared = function(job)
      context.flight = flight_facts(job)
      record:manifest(manifest_of(context, "running"))
    end,
    armed = function(realtime)
      context.realtime = realtime
      line("timing", realtime)
      record:manifest(manifest_of(context, "running"))
      io.stdout:flush()
    end,
    progress = function(elapsed)
      context.elapsed = math.max(0, elapsed)
      screen:update(context.elapsed, record.pulses_sent,
        context.speed == 1 and record.pulses_sent > 0 and record.worst_us or nil)
    end,
  }
end

local signals = { [1] = "SIGHUP", [2] = "Ctrl-C (SIGINT)", [3] = "SIGQUIT", [15] = "SIGTERM",
  [20] = "Ctrl-Z (SIGTSTP)" }

local reasons = {
  signal = "stopped by a signal", requested = "stopped on request",
  late = "a pulse would have left too late",
  close = "pulses would have come closer than the device allows",
  record = "the record could not keep up", gone = "the port is lost",
  blocked = "the port does not take bytes", device = "stopped by a device fault",
  error = "stopped by an error", stuck = "the script was stuck",
  key = "stopped by a key (q or space)", line = "stopped by the stop line",
  guard = "the guard process is gone",
  silent = "the stimulator stopped confirming its pulses: is it switched on, and the cable sound?",
}
-- reasons to stop that are the device's doing
local faults_of_device = { gone = true, blocked = true, silent = true }
local remedies = {
  late = "; close other programs, or allow more with --tolerance MS or --late skip",
}

--- Why a run ended before its plan did, in words.
local function explain(context, outcome)
  local job, left_out = context.job, outcome.left_out
  if outcome.fault then
    return outcome.fault
  elseif outcome.stop == "signal" and job.signal then
    return "stopped by " .. job.signal
  elseif outcome.stop == "late" and left_out and left_out.reason == "late" then
    return ("pulse %d would have left %s late (limit %s)"):format(left_out.pulse,
      outline.seconds(left_out.late_ns / 1e9), outline.seconds(job.tolerance))
  end
  return reasons[outcome.stop] or outcome.stop
end

--- How many pulses were left out, and why.
local function skipped_text(record)
  local parts = {}
  for reason, count in pairs(record.skipped_by) do
    parts[#parts + 1] = ("%d %s"):format(count, reason)
  end
  table.sort(parts)
  return #parts > 0 and (", %d skipped (%s)"):format(record.pulses_skipped,
    table.concat(parts, ", ")) or ""
end

--- The last lines, the manifest's result, and the exit status.
local function conclude(context, outcome)
  local record, planned = context.record, context.facts.pulses
  local result = record:result()
  local complete = outcome.stop == "finished" and not outcome.fault
  local code = "ok"
  if outcome.fault or faults_of_device[outcome.stop] or outcome.not_disarmed then
    code = "fault"
  elseif not complete then
    code = "stopped"
  end
  result.status = code == "fault" and "device fault" or complete and "completed" or "stopped"
  result.reason = complete and "the plan is complete" or explain(context, outcome)
  local ended = result.reason
  if outcome.not_disarmed then
    result.reason = ("%s; NOT CONFIRMED SAFE: %s"):format(ended, outcome.not_disarmed)
  end
  result.pulses_planned, result.disarmed = planned, outcome.disarmed
  result.elapsed_s = outcome.elapsed_s
  result.virtual = outcome.took_s and { took_s = outcome.took_s, plan_s = outcome.virtual_s }
  if context.speed ~= 1 then
    result.lateness_us = nil -- nothing was measured
  end
  record:close()
  record:manifest(manifest_of(context, result.status, result))
  local late = result.lateness_us
  line("sent", "%s of %s pulses, %s confirmed by the device%s", outline.count(result.pulses_sent),
    outline.count(planned), outline.count(result.pulses_confirmed), skipped_text(record))
  if late then
    line("onset error", "p50 %s, p95 %s, p99 %s, largest %s", outline.seconds(late.p50 / 1e6),
      outline.seconds(late.p95 / 1e6), outline.seconds(late.p99 / 1e6),
      outline.seconds(late.max / 1e6))
  end
  if outcome.took_s then
    line("took", "%s, %.4g times real time", outline.seconds(outcome.took_s),
      outcome.virtual_s / math.max(outcome.took_s, 1e-9))
  end
  if outcome.disarmed then
    line("disarmed", "%s", context.job.driver.disarmed or "the stimulator says that it is disabled")
  end
  local report_path = require("moonpulse.report").write(record.folder)
  line("record", record.folder .. (report_path and "  (report.html, events.tsv)" or ""))
  if outcome.not_disarmed then
    cli.fail("fault", "NOT CONFIRMED SAFE: %s%s", outcome.not_disarmed,
      complete and "" or "; the run ended because: " .. ended)
  elseif not complete then
    local left = outcome.disarmed and "; " .. (context.job.driver.disarmed or "the stimulator is disarmed")
    cli.fail(code, "%s after %d of %d pulses%s%s", result.reason, result.pulses_sent, planned,
      remedies[outcome.stop] or "", left or "")
  end
end

--- Faults while connecting or arming: nothing has been sent, or it was made safe.
local function attempt(context, action)
  local ok, outcome = xpcall(action, function(problem)
    if type(problem) == "table" then
      return problem
    end
    return debug.traceback(problem, 2)
  end)
  if ok then
    return outcome
  end
  context.screen:finish(0, context.record.pulses_sent)
  context.record:close()
  local text = tostring(type(outcome) == "table" and outcome.message or outcome)
  local code = type(outcome) == "table" and outcome.code or "fault"
  if links.is_stopped(outcome) then -- before there was anything to arm
    text = explain(context, { stop = outcome.reason }) .. " before arming; nothing was sent"
  end
  if not cli.status[code] then
    code = "fault"
  end
  context.record:manifest(manifest_of(context, "not run", {
    status = code == "stopped" and "stopped" or "device fault", reason = text,
    pulses_planned = context.facts.pulses, pulses_sent = context.record.pulses_sent,
  }))
  cli.fail(code, "%s", text)
end

--- Every source of a stop comes here, from the first moment on; the first one wins and stays.
local function interrupt(job, reason)
  if job.stop_reason then
    return
  end
  job.stop_reason = reason
  if job.on_stop then
    job.on_stop(reason)
  end
end

--- On a terminal, q and the space bar stop the run.
local function listen_for_keys(job)
  if not (term.isatty(io.stdin) and term.isatty(io.stdout)) then
    return nil
  end
  print("(q or space stops)")
  return core.input(function(bytes)
    if bytes and bytes:find("[qQ ]") then
      interrupt(job, "key")
    end
  end, true)
end

local function execute(context, options, simulated)
  local job, hooks = context.job, hooks_of(context)
  if simulated and options.speed ~= 1 then
    return require("moonpulse.run_virtual").run(job, context.record, options.speed, hooks)
  end
  local opened, message = context.record:open_flight(context.facts.pulses, context.facts.marks)
  if not opened then
    cli.fail("limit", "%s", message)
  end
  local real = require "moonpulse.run_real"
  if not simulated then
    return real.run(job, options.port, context.record, hooks)
  end
  local twin <close> = twins.start(job.driver, context.record.folder .. "/twin.tsv",
    options.fault and options.fault.text)
  context.device.port = twin.path
  if job.driver.trigger then
    job.driver.trigger.path = twin.trigger_path
    context.device.trigger.on = twin.trigger_path
  end
  return real.run(job, twin.path, context.record, hooks)
end

--- --require: three seconds of wakes on the dispatcher's kind of thread.
local function require_of_host(job, requirements)
  if not requirements then
    return
  end
  local ok, text = require_timing.check(requirements, 3, {
    stopped = function() return job.stop_reason ~= nil end,
  })
  if ok == nil then
    cli.fail("stopped", "interrupted while the host's timing was measured; nothing was sent")
  elseif not ok then
    cli.fail("limit", "this host's timing falls short: %s; moonpulse doctor says what to do", text)
  end
  line("host", text)
end

function M.run(options)
  local driver, simulated, usb = choose_device(options)
  local protocol, plan, values, drawn = common.load(options, true)
  local seed = options.seed -- of orders and random rests alike
  local job = {
    protocol = protocol, plan = plan, seed = seed, driver = driver,
    thresholds = { rmt = options.rmt, amt = options.amt },
    tolerance = options.tolerance / 1e3, late = options.late, stop_line = options.stop_line,
    timing = options.timing,
  }
  core.on_signal(function(number)
    job.signal = job.signal or signals[number] or "signal " .. number
    interrupt(job, "signal")
  end)
  local facts = catalogue.measure(plan, seed)
  local lowering, actions = prepare {
    plan = plan, seed = seed, driver = driver, thresholds = job.thresholds, timing = job.timing,
    progress = function(walked)
      if facts.pulses > 0 then
        io.stderr:write(("checking %s of %s pulses\n"):format(outline.count(walked),
          outline.count(facts.pulses)))
      end
    end,
  }
  print(protocol.name)
  job.safety = run_safety.judge(options, job, lowering, not simulated, line)
  job.preflight = run_safety.preflight(options, not simulated)
  require_of_host(job, options.require)
  local record, message = records.create(options.out, protocol.id)
  if not record then
    cli.fail("usage", "%s", message)
  end
  local context = {
    job = job, facts = facts, record = record, parameters = text_values(values),
    speed = options.speed, screen = live.new(facts.pulses, facts.first_to_last_s),
    device = { name = driver.name, description = driver.description, simulated = simulated,
      port = options.port, usb_id = usb and usb.usb_id, usb_serial = usb and usb.usb_serial,
      usb_product = usb and usb.description, faults = options.fault and options.fault.text,
      trigger = driver.trigger and triggers.facts(driver.trigger) },
  }
  line("plan", "%s pulses, %s from first to last pulse%s", outline.count(facts.pulses),
    outline.duration(facts.first_to_last_s),
    (facts.random or drawn) and (", seed %d"):format(seed) or "")
  for i, text in ipairs(lower.dose(actions, job.thresholds)) do
    line(i == 1 and "intensity" or "", text)
  end
  if driver.note then
    line("note", "%s", driver.note(driver.settings))
  end
  if driver.trigger then
    line("trigger", "%s%s", triggers.describe(driver.trigger), driver.trigger_latency and ""
      or "; the time from there to the pulse is not known and counts as 0")
  end
  local begun_ns = core.clock_ns()
  local outcome = attempt(context, function()
    local keys <close> = listen_for_keys(job) -- luacheck: ignore 211
    return execute(context, options, simulated)
  end)
  core.on_signal(nil)
  outcome.elapsed_s = (core.clock_ns() - begun_ns) / 1e9
  local at_end = outcome.stop == "finished" and facts.first_to_last_s or context.elapsed or 0
  context.screen:finish(at_end, record.pulses_sent,
    context.speed == 1 and record.worst_us or nil)
  conclude(context, outcome)
end

return M
