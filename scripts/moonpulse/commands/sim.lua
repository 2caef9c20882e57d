--- moonpulse sim: a simulator alone, for any program.
local cli = require "moonpulse.cli"
local command = require "moonpulse.driver.command"
local core = require "moonpulse.core"
local devices = require "moonpulse.driver.find"
local escapes = require "moonpulse.text.escapes"
local faults = require "moonpulse.simulation.faults"
local host = require "moonpulse.simulation.serve"

local M = {}

--- Only where it is asked for: a simulator has nothing to do with protocols, and a run waits for it.
local function seconds(text)
  return require("moonpulse.cli.protocol_argument").number(0, 10, "s")(text)
end

function M.parser()
  local parser = cli.parser("sim",
    "Run a simulator on a pseudo-terminal until Ctrl-C. Any program can open it like a "
      .. "serial port. The log is tab-separated: time (s, CLOCK_MONOTONIC, when the command was "
      .. "complete on the wire), event (pulse, arm, disarm, set, get, ignored, error, fault), bytes, note; "
      .. "of a pulse what the simulator gave, from its own state: channel, intensity (% of full scale), "
      .. "waveform, mode.",
    "moonpulse sim magventure --link /tmp/stim --log twin.tsv\n"
      .. "moonpulse run itbs600 --amt 50 --device magventure --port /tmp/stim")
  parser:argument("device", "The device to simulate (see moonpulse devices), or a driver's path.")
    :argname("DEVICE")
  parser:option("--link", "A symlink to make to the pseudo-terminal."):argname("PATH")
  parser:option("--log", "Write what the device understood to this file."):argname("FILE")
  parser:option("--fault", "Go wrong at the N-th pulse (or setting), or with @0 from the start "
    .. "(where no pulse is needed): " .. faults.describe() .. "."):convert(faults.parse):argname("KIND@N,...")
  parser:option("--option", "A setting of the simulator, like version=9.0 of the rapid; a wrong "
    .. "one lists them."):argname("KEY=VALUE"):count("*")
  parser:option("--latency", "Seconds from a command to its reply."):argname("S")
    :convert(seconds)
  parser:flag("--trigger", "Give it a trigger input too, on a second pseudo-terminal: a byte other than 0 "
    .. "raises it, 0 lowers it.")
  parser:flag("--until-eof", "End when standard input ends (for a parent process).")
  parser:flag("--looks", "Say on standard output, 20 times a second, until when its ports were looked at "
    .. "(for a run, which does not count what its simulator got no processor for).")
  return parser
end

local function report(served)
  local counts = served.counts
  print(("%d pulses, %d armings, %d disarmings, %d settings, %d commands ignored"):format(
    counts.pulse or 0, counts.arm or 0, counts.disarm or 0, counts.set or 0,
    (counts.ignored or 0) + (counts.error or 0)))
end

--- --option key=value, ... checked against what the model takes.
local function settings_of(model, options)
  local given = {}
  if options.option and #options.option > 0 then
    given = require("moonpulse.cli.protocol_argument").pairs("--option", options.option)
  end
  local ok, values = pcall(command.values, "the simulated " .. model.description, model.options or {},
    given)
  if not ok then
    if type(values) == "table" and values.code then
      cli.fail(values.code, "--option: %s", values.message)
    end
    error(values, 0)
  end
  values.latency = options.latency
  return values
end

--- The simulator's model of the device that the options name.
local function model_of(options)
  local driver, message = devices.find(options.device)
  local model
  if driver then
    model, message = devices.simulator(driver)
  end
  return model or cli.fail("usage", "%s", message)
end

--- Its pseudo-terminals, and the log.
local function serve(model, options)
  local settings = settings_of(model, options)
  if options.trigger and not model.new(settings).line then
    cli.fail("usage", "the simulated %s has no trigger input: leave out --trigger", model.description)
  end
  local served, message = host.start(model, {
    link = options.link, log = options.log, settings = settings, faults = options.fault,
    trigger = options.trigger,
  })
  return served or cli.fail("fault", "%s", message)
end

--- Call leave when standard input has ended: the parent is gone.
local function watch_input(served, leave)
  local watch, unwatched = core.input(function(bytes)
    if not bytes then
      core.spawn(function()
        core.wait(0.25) -- the parent's guard may still have something to say
        leave()
      end)
    end
  end)
  if not watch then
    served:close()
    cli.fail("usage", "--until-eof: %s: give it a pipe or a terminal, or leave it out", unwatched)
  end
  return watch
end

local function announce(served, options)
  print(("simulated %s on %s"):format(served.description, escapes.shown(options.link or served.path)))
  if served.trigger_path then
    print(("trigger input: %s (a byte other than 0 raises it, 0 lowers it)"):format(served.trigger_path))
  end
  if not options.until_eof then
    print("stop it with Ctrl-C")
  end
  io.stdout:flush()
end

local function say_look(at_ns)
  io.stdout:write(("looked %d\n"):format(at_ns))
  io.stdout:flush()
end

function M.run(options)
  local model = model_of(options)
  -- from here on until the end: a second Ctrl-C must not take the report away, nor leave the link behind
  local served, stopped
  local function leave()
    stopped = true
    if served then
      served:stop()
    end
  end
  core.phase "run"
  core.on_signal(leave)
  served = serve(model, options)
  core.prioritise()
  if stopped then
    served:stop()
  end
  local watch = options.until_eof and watch_input(served, leave)
  announce(served, options)
  served:serve(options.looks and say_look or nil)
  core.phase "closing"
  served:close()
  if watch then
    watch:close()
  else
    report(served)
  end
  if served.log_lost then
    cli.fail("fault", "%s: %s: the log is cut there: make room, or name another file with --log", options.log,
      served.log_lost)
  end
end

return M
