--- moonpulse run: a protocol or an experiment on a device, with its record.
local cli = require "moonpulse.cli"
local common = require "moonpulse.cli.protocol_argument"
local core = require "moonpulse.core"
local devices = require "moonpulse.cli.device_argument"
local experiments = require "moonpulse.experiment"
local faults = require "moonpulse.simulation.faults"
local in_order = require "moonpulse.text.in_order"
local protocol_runs = require "moonpulse.run.protocol"
local records = require "moonpulse.cli.records_option"
local safety_options = require "moonpulse.cli.safety_options"
local term = require "term"
local triggers = require "moonpulse.driver.trigger_path"

local M = {}

--- The option of a command that runs something.
M.json_help = "When it has ended, one JSON object (docs/schemas); what people read goes to standard error."

local function speed(text)
  if text == "max" then
    return text
  end
  local value, message = common.number(0.01, 1000)(text)
  return value, message and message .. ", or max (without waiting)"
end

--- argparse action of --fault: of the simulator, or of one of several.
local function keep_fault(options, _, list)
  local of, place = options.faults_of or {}, list.place or ""
  options.faults_of = of
  if of[place] and of[place].text ~= list.text then
    cli.fail("usage", "%s", cli.given_twice("--fault " .. place, of[place].text, list.text))
  end
  of[place], options.fault = list, place == "" and list or options.fault
end

local function stop_line(text)
  local line = text:match "^[%w_%-]+=(%a+)$" or text
  return (line == "none" or line == "cts" or line == "dsr") and text or nil,
    "--stop-line: it is none, cts or dsr, or of several devices left=cts"
end

--- Where triggers come from, and what waits for them.
local function add_triggers(parser)
  parser:option("--trigger-in", "The serial port whose bytes run:wait_trigger, stim:on_trigger and "
    .. "--start-on wait for; or udp:127.0.0.1:PORT or unix:/PATH, where each datagram is one, by its first "
    .. "byte; or lines:PATH: edges of that port's CTS, DSR, RI and CD; or lsl:NAME: samples of a stream of "
    .. "LSL; or keys: those of the terminal (docs/triggers.md)."):argname("PATH")
  parser:option("--trigger-baud", "Its speed, with 8 bits and no parity."):default("115200")
    :convert(common.number(300, 4000000, "baud")):argname("BAUD")
  parser:option("--start-on", "Start when a trigger comes (a scanner's first volume): byte=N, any, or "
    .. "line=cts (line=cts-: it falls), on --trigger-in. A protocol is armed before, or with ,arm=after when "
    .. "it has come; its plan starts 0.2 s after the trigger, or ,delay=SECONDS. An experiment's script "
    .. "begins with it.")
    :argname("byte=N,..."):convert(function(text) return require("moonpulse.run.start_on").parse(text) end)
  parser:option("--timeout", "How long --start-on waits, in seconds; without it until it comes.")
    :argname("SECONDS"):convert(common.number(0.001, 1000000, "seconds"))
  parser:option("--triggers", "In virtual time (--speed): a file of what comes, and when: a line "
    .. "each, like \"2.5 port 1\" (seconds from the run's start, a byte of the trigger port) or "
    .. "\"6 cts rising\" (an edge of a line: cts, dsr, ri or cd, rising or falling) or "
    .. "\"12.5 device pulse\" (something outside fires the stimulator); # begins a comment.")
    :argname("FILE")
end

--- The options of a command that runs something: other programs are told.
---@param parser table of argparse; changed
function M.add_events(parser)
  parser:option("--events", "Tell other programs what happens, over a Unix socket (docs/driving.md): its "
    .. "path, or a name in your own runtime folder, where moonpulse ctl finds it; without one it gets one of "
    .. "its own."):args("?"):argname("PATH")
  parser:option("--events-wait", "With --events: begin when a program has connected; how long to wait for "
    .. "it, in seconds."):argname("SECONDS"):convert(common.number(0.001, 1000000, "seconds"))
  parser:option("--lsl", "A stream of markers over LSL (docs/lsl.md): each pulse, mark, the start and the "
    .. "stop, with its own time. In real time; its name is Moonpulse where none is given."):args("?")
    :argname("NAME")
    :convert(function(text) return require("moonpulse.run.markers").parse(text) end)
  parser:option("--lsl-on", "With --lsl: who may receive it, programs on this computer (lo), or on all "
    .. "computers of its networks (all).", "lo"):choices({ "lo", "all" })
  parser:option("--lsl-wait", "With --lsl: begin when a program receives it; how long to wait for it, in "
    .. "seconds."):argname("SECONDS"):convert(common.number(0.001, 1000000, "seconds"))
  parser:option("--osc", "Tell another program what happens, as messages of OSC 1.0 over UDP (docs/osc.md): "
    .. "to this numeric address; a port alone is on this computer."):argname("[HOST:]PORT")
    :convert(function(text) return require("moonpulse.run.osc").parse(text) end)
end

--- All options of a run but those that say what is run.
---@param parser table of argparse; changed
function M.add_options(parser)
  parser:option("--device", "sim (a simulated MagPro, the default), sim:NAME (another, simulated), a "
    .. "device (see moonpulse devices), or the path of a driver. Several devices, for the channels of a "
    .. "plan or a script: --device left=rapid@PORT --device right=magstim200@PORT "
    .. "(docs/several-devices.md).")
    :count("*"):init("sim"):action(devices.keep):argname("NAME")
  parser:option("--device-option", "A setting of the driver; moonpulse devices --device NAME lists them. Of "
    .. "one of several devices: left:KEY=VALUE."):argname("KEY=VALUE"):count("*")
  parser:option("--port", "The device's serial port (see moonpulse ports): a path, the USB adapter as "
    .. "VENDOR:PRODUCT[:SERIAL], or auto: the adapter that the driver knows."):argname("PORT")
  parser:option("--trigger", "Fire another way than by the device's command: over a line of its own port "
    .. "(rts, dtr, break, with :width=MS), or over a second port: PATH, PATH:byte=4,width=10,baud=9600, "
    .. "PATH:text=T, PATH:rts; sim is the simulator's trigger input. All else stays on --port.")
    :argname("WHERE"):convert(triggers.parse)
  parser:option("--codes", "The box that event codes go to (docs/codes.md): the path of its serial port, "
    .. "with settings like PATH,width=5,baud=115200 (ms that a code stands; 8 bits, no parity); or a line of "
    .. "it that is high for each code: PATH,line=rts (or dtr); or a parallel port: /dev/parport0. In virtual "
    .. "time a simulated box stands in for it; sim is that one."):argname("PATH[,...]")
    :convert(function(text) return require("moonpulse.driver.code_box").parse(text) end)
  records.add(parser, "The folder that run folders are made in.")
  parser:flag("--share-with-group", "The run's folder may be read by its group too (0750, its files 0640); "
    .. "without it by its owner only (0700, 0600), whatever the umask.")
  parser:flag("--xdf", "When the run is over, an XDF file of its markers, pulses and event codes in its "
    .. "folder (streams.xdf), for the tools that read what LabRecorder writes (docs/lsl.md).")
  parser:option("--sign", "Sign the record's seal with this SSH key (ssh-keygen -Y sign): verify then says "
    .. "who sealed it."):argname("KEY")
  parser:option("--speed", "Simulator only: 1 is real time; another N is virtual time, N times as fast, and "
    .. "max virtual time without waiting.")
    :default("1"):convert(speed):argname("N|max")
  parser:option("--fault", "Simulator only: make it go wrong at the N-th pulse (or setting), to see what a "
    .. "run does then; of several devices one, left=KIND@N: " .. faults.describe() .. ".")
    :count("*"):init(nil):convert(faults.parse_of_one):action(keep_fault):argname("KIND@N,...")
  parser:option("--late", "What to do with a pulse that would be late: abort the run, or skip it.")
    :choices({ "abort", "skip" }):default("abort")
  parser:option("--require", "Measure the host's timing for 3 s first, and refuse to run where it "
    .. "falls short: p50, p95, p99, p99.9 or max, like p99=0.5ms,max=2ms."):argname("WHAT")
    :convert(function(text) return require("moonpulse.doctor.requirement").parse(text) end)
  parser:option("--stop-line", "A modem line of the port that stops the run when it rises (foot switch): cts "
    .. "or dsr; of several devices at the port of one, left=cts."):default("none"):argname("LINE")
    :convert(stop_line)
  parser:option("--timing", "Who times trains and bursts: we (host), the stimulator (device; refused "
    .. "where it cannot), or we wherever the device and its line are fast enough, else the stimulator "
    .. "(auto). The record says which for every pulse.")
    :choices({ "host", "device", "auto" }):default("auto")
  safety_options.add(parser)
  safety_options.add_overrides(parser)
  M.add_events(parser)
  parser:option("--answers", "Experiments: a file with an answer a line, instead of asking; events: another "
    .. "program answers over the socket of --events (it may also while the operator is asked); lsl:NAME: "
    .. "the first sample behind each pulse of a stream of LSL, an MEP's amplitude in uV.")
    :argname("FILE")
  add_triggers(parser)
  parser:option("--tolerance", "How late is late, in milliseconds.")
    :default("1"):convert(common.number(0.01, 10000, "ms")):argname("MS")
  parser:flag("--json", M.json_help)
end

function M.parser()
  local parser = cli.parser("run",
    "Run a protocol or an experiment: check it against the device, connect, arm, send every pulse at its "
      .. "time, disarm, and leave a record. Without --device the stimulator is simulated.",
    "moonpulse run itbs600 --amt 50\n"
      .. "moonpulse run my_protocol.lua --rmt 48 --device magventure --port /dev/ttyUSB0\n"
      .. "moonpulse run hf10_neurostar --rmt 50 --speed max\n"
      .. "moonpulse run scripts/threshold.lua --seed 7\n"
      .. "moonpulse run scripts/threshold.lua --seed 7 --answers FILE --speed max\n"
      .. "moonpulse run itbs600 --amt 50 --events")
  common.add_protocol(parser, nil, true)
  M.add_options(parser)
  parser:flag("--look", "In virtual time, of an experiment: it may do no more than a protocol, and asks "
    .. "nobody; for check, show and events."):hidden(true)
  return parser
end

--- What --meta says. Leaves with exit status 2 where it cannot be read, or has a key that is not known.
local function meta_of(options)
  if not options.meta then
    return nil
  end
  local meta, message = require("moonpulse.record.meta").read(options.meta) -- loaded for who asks for it
  return meta or cli.fail("usage", "--meta: %s", message)
end

--- How strictly: the coil's shape that --meta says counts as --coil does.
local function policy_of(options, given)
  local policy = safety_options.policy(options, not given.simulated)
  local shape = given.meta and given.meta.coil_shape
  policy.used.coil = policy.used.coil or shape and tostring(shape)
  return policy
end

--- What takes thresholds of earlier runs: loaded for who names a participant, or asks for the last one.
local function earlier(options)
  return (options.participant or options.rmt == "last" or options.amt == "last" or options.of_device)
    and require "moonpulse.cli.earlier_threshold"
end

--- --events, --lsl and --osc: the sockets are made before anything else of the run is there.
local function open_feed(options, given, found)
  if options.events then
    given.feed = require("moonpulse.run.feed").open(options.events[1], found.id) -- loaded for who asks for it
    options.feed = given.feed
  end
  if options.lsl then
    given.markers = require("moonpulse.run.markers").open(options.lsl[1], options.lsl_on == "all")
    options.markers = given.markers
  end
  given.osc = options.osc and require("moonpulse.run.osc").open(options.osc)
end

--- Is there a run that was killed and that nobody recovered?
local function tell_torn(options, simulated)
  local is_someones = options.participant or not simulated
  if is_someones or records.newest_is_open(options.out) then -- loaded for those
    local torn = require "moonpulse.cli.torn_runs"
    local said = is_someones and torn.say(options, simulated)
    if not options.participant and not said and records.newest_is_open(options.out) then
      torn.say_newest(options.out)
    end
  end
end

--- What is run, with its parameters' values in given; --rmt last and --amt last become numbers.
local function find(options, given)
  local found
  found, given.values = common.find(options, true, nil, function(of)
    if earlier(options) then
      records.settle(options, true)
      earlier(options).settle(options, given, of)
    end
  end)
  records.settle(options, true)
  return found
end

--- Its plan, once more where a threshold that it needs was offered and taken: an AMT may decide what a
--- parameter is by default.
local function build(options, given, found)
  given.protocol = found
  given.plan, given.drawn, given.begins = common.build(options, found, given.values)
  if earlier(options) and earlier(options).offer(options, given, found, given.plan) then
    given.protocol, given.values = common.find(options, true)
    given.plan, given.drawn, given.begins = common.build(options, given.protocol, given.values)
  end
end

local function check_lsl(options)
  if not options.lsl and (options.lsl_wait or options.lsl_on ~= "lo") then
    cli.fail("usage", "--lsl-wait and --lsl-on are about the stream of --lsl: give --lsl as well")
  elseif options.lsl and options.speed ~= 1 then
    cli.fail("usage", "--lsl: its times are those of this computer's clock, and a run in virtual time has "
      .. "others: it is for real time, --speed 1")
  end
end

local function check_codes(options)
  local box, real = options.codes, options.speed == 1 and not options.look
  if box.path == "sim" and real then
    cli.fail("usage", "--codes sim is the simulated box of virtual time: take --speed 2 (to watch it, twice "
      .. "as fast), or --speed max, or name the port of your box")
  elseif box.path == options.port then
    cli.fail("usage", "--codes %s is the device's own port: a box for codes has a port of its own", box.path)
  end
  local why = box.line and real and require("moonpulse.cli.port_name").line_waits(box.path)
  if why then
    cli.fail("usage", "--codes %s: %s", box.text, why)
  end
end

--- What can be said of the options before anything is looked for.
local function check_options(options)
  if options.sign then
    local key, message = require("moonpulse.record.signature").fingerprint(options.sign)
    if not key then
      cli.fail("usage", "--sign: %s", message)
    end
  end
  for place, list in in_order.pairs(not devices.are_several(options) and options.faults_of or {}) do
    if place ~= "" then
      cli.fail("usage", "--fault %s=%s names one of several devices: write --fault %s", place, list.text,
        list.text)
    end
  end
  if options.stop_line:find "=" and not devices.are_several(options) then
    cli.fail("usage", "--stop-line %s names one of several devices: leave out its name", options.stop_line)
  elseif options.stop_line ~= "none" and options.speed ~= 1 then
    cli.fail("usage", "--stop-line %s is watched in real time only: leave out --speed", options.stop_line)
  end
  if options.events_wait and not options.events then
    cli.fail("usage", "--events-wait is how long --events waits for a program: give --events as well")
  end
  check_lsl(options)
  if options.answers == "events" then
    if not options.events then
      cli.fail("usage", "--answers events is for what a program answers over the socket of --events: give "
        .. "that as well (a file of that name is ./events)")
    end
    options.answers, options.answers_told = nil, true
  elseif (options.answers or ""):find "^lsl" and require("moonpulse.experiment.stream_in").is_path(
    options.answers) then
    if options.speed ~= 1 then
      cli.fail("usage", "--answers %s is a stream of another program, in real time: in virtual time write "
        .. "the answers into a file, one a line, and take --answers FILE", options.answers)
    end
    options.answers_from, options.answers = options.answers, nil
    options.answers_told = not term.isatty(io.stdin) -- on a terminal who is there may answer as well
  end
  if options.codes then
    check_codes(options)
  end
end

--- What knows of several devices: loaded for who names more than one, or a name for one.
local function several(options)
  return devices.are_several(options) and require "moonpulse.cli.several_devices"
end

--- The stimulator, or the stimulators.
local function chosen(options)
  local list = several(options) and several(options).choose(options)
  if list then
    return { several = list, driver = require("moonpulse.run.together").driver(list),
      simulated = list[1].simulated }
  end
  local driver, simulated, usb = devices.choose(options)
  return { driver = driver, simulated = simulated, usb = usb }
end

local function perform(options)
  check_options(options)
  if options.look then -- what its plans have is shown; a run made again has the box that it had, or none
    options.codes = options.codes or not options.kept and require("moonpulse.driver.code_box").for_show()
      or nil
    options.speed = "max"
    require("moonpulse.run.look_bounds").begin()
  end
  if options.speed ~= 1 then
    core.large_pages()
  end
  local given = chosen(options)
  local simulated = given.simulated
  given.meta = meta_of(options)
  given.real_pty = safety_options.real_pty(options)
  local found = find(options, given)
  if not options.look then
    tell_torn(options, simulated)
  end
  if options.timeout and not options.start_on then
    cli.fail("usage", "--timeout is how long --start-on waits: leave it out, or give --start-on byte=N")
  end
  if experiments.is(found) then
    if earlier(options) then
      earlier(options).offer(options, given, found)
    end
    given.experiment, given.policy = found, policy_of(options, given)
    open_feed(options, given, found)
    return require("moonpulse.run.experiment").run(options, given) -- loaded for those who need it
  end
  options.answers = options.answers or options.answers_from
  for _, name in ipairs { "answers", "trigger_in", "triggers" } do
    if options[name] and (name == "answers" or not options.start_on) then
      cli.fail("usage", "--%s is for experiments, and %s is a protocol: leave it out%s",
        (name:gsub("_", "-")), options.protocol, name ~= "answers" and ", or give --start-on byte=N" or "")
    end
  end
  build(options, given, found)
  if given.begins then
    local continues = options.continues -- of resume: not an option
    given.begins.continues = continues and continues.name
    given.begins.left_out, given.claim = continues and continues.left_out, continues and continues.claim
    if continues then -- which knows what the run that broke off gave of them
      given.begins.marks_left_out = continues.marks_left_out
    end
  end
  if given.several then
    several(options).check_channels(given.several, core.schedule(given.plan, options.seed):actions())
  end
  given.policy = policy_of(options, given)
  given.facts = common.measure(given.plan, options.seed)
  open_feed(options, given, found)
  protocol_runs.run(options, given)
end

--- The same; an error that asks for a threshold names the one that an earlier run found.
local function perform_hinted(options)
  if not options.participant then -- nobody's runs were looked at
    return perform(options)
  end
  local ok, result = pcall(perform, options)
  if not ok and options.hints then
    result = require("moonpulse.cli.earlier_threshold").hinted(options, result)
  end
  return ok and result or not ok and error(result, 0) or nil
end

--- With --events other programs are told how it ended, whatever that was, and with --lsl the stream ends.
local function perform_told(options)
  if not options.events and not options.lsl then
    return perform_hinted(options)
  end
  local ok, result = pcall(perform_hinted, options)
  if options.markers then
    options.markers:finish()
  end
  if options.feed then
    local message, status
    if not ok then
      message, status = cli.explain(result)
    end
    options.feed:finish(status or cli.status.ok, message, options.made)
  end
  return ok and result or not ok and error(result, 0) or nil
end

function M.run(options)
  options.offer = function(...) return require("moonpulse.rerun.offer").of(...) end -- loaded for who stopped
  if not options.json then
    return perform_told(options)
  end
  local as_json = require "moonpulse.cli.as_json" -- loaded for those who ask for it
  local aside <close> = as_json.aside() -- luacheck: ignore 211
  local ok, result = pcall(perform_told, options)
  if options.made then
    local message, status
    if not ok then
      message, status = cli.explain(result)
    end
    as_json.tell(require("moonpulse.run.result").of(options.made, status or cli.status.ok, message))
  end
  return ok and result or not ok and error(result, 0) or nil
end

return M
