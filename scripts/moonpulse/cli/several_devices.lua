--- Which stimulators a run is for where it has several: --device NAME=DRIVER@PORT for each, and what goes
--- with them.
local cli = require "moonpulse.cli"
local devices = require "moonpulse.cli.device_argument"
local channel_maps = require "moonpulse.driver.channel_map"
local in_order = require "moonpulse.text.in_order"

local M = {}

local most = 8 -- each has threads and a process of its own
local of_record = { sources = true, SHA256SUMS = true } -- of a run's folder, and not its devices'

---@class moonpulse.RunDevice one of the stimulators of a run
---@field place string what the command calls it: "left"
---@field channels string[] of the plan that it gives: its place, or those that its option channels= names
---@field driver moonpulse.Driver
---@field simulated boolean
---@field port string? nil: simulated, or only what it could do is asked
---@field named_port string? the port that was named, also where it is not needed
---@field usb moonpulse.core.Port?
---@field options string[] of the driver, as they are given
---@field fault moonpulse.FaultList? what its simulator is to do wrong
---@field thresholds { rmt: number?, amt: number? }? its own
---@field taken table<string, moonpulse.TakenThreshold>? of these, by "rmt", "amt": what earlier runs found
---@field taken_from table<string, string>? likewise their folders

--- Does one value of --device name a device of several?
---@param text string
---@return string? place
---@return string? device
function M.named(text)
  return text:match("^([%w_%-]+)=(.+)$")
end

-- what goes with one device only, and why; and what to do instead
local alone = {
  { "port", "--port %s: with several devices each names its own: --device left=DRIVER@PORT" },
  { "trigger", "--trigger: one of several devices is not fired another way: run that one alone" },
}

local function check_alone(options)
  for _, each in ipairs(alone) do
    if options[each[1]] then
      cli.fail("usage", each[2], tostring(options[each[1]]))
    end
  end
  if options.timing == "device" then
    cli.fail("usage", "--timing device: several devices keep their mutual timing pulse by pulse, which is "
      .. "ours: leave out --timing")
  end
end

--- Simulators go wrong one by one.
local function check_faults(options, texts, known)
  for place, list in in_order.pairs(options.faults_of or {}) do
    if not known[place] then
      cli.fail("usage", "--fault %s%s: which device's simulator is to go wrong? Write --fault %s=%s",
        place ~= "" and place .. "=" or "", list.text, M.named(texts[1]), list.text)
    end
  end
end

--- The foot switch is at the port of one of them.
local function check_stop_line(options, texts, known)
  local text = options.stop_line or "none"
  local place, line = text:match "^([%w_%-]+)=(%a+)$"
  if text ~= "none" and not known[place] then
    cli.fail("usage", "--stop-line %s: at which device's port is the switch? Write --stop-line %s=%s", text,
      M.named(texts[1]), line or text)
  end
end

--- The settings of one: NAME:KEY=VALUE, without its name.
local function options_of(options, place)
  local list = {}
  for _, text in ipairs(options.device_option or {}) do
    local of, rest = text:match("^([%w_%-]+):(.+)$")
    if of == place then
      list[#list + 1] = rest
    end
  end
  return list
end

local function check_options_of(options, known, first)
  for _, text in ipairs(options.device_option or {}) do
    local of = text:match("^([%w_%-]+):")
    if not of or not known[of] then
      cli.fail("usage", "--device-option %s: of which device? Write NAME:KEY=VALUE, like %s:%s", text,
        first, text:match("^[%w_%-]+:(.+)$") or text)
    end
  end
end

--- One of them, found and set as for a run of its own; described: its port is not looked for.
local function choose_one(options, place, text, described)
  local name, port = text:match("^([^@]+)@(.+)$")
  local own = setmetatable({ device = name or text, port = port or false, device_option = options_of(options,
    place) }, { __index = options })
  own.port = port -- nil: nobody else's
  own.fault = (options.faults_of or {})[place]
  local driver, simulated, usb
  local named_port = own.port
  if described then
    driver, simulated, own.port = devices.described(own), own.device:find("^sim") ~= nil, nil
  else
    driver, simulated, usb = devices.choose(own)
  end
  local named = channel_maps.names((driver.settings or {}).channels)
  return { place = place, channels = named[1] and named or { place }, driver = driver, simulated = simulated,
    port = own.port, named_port = named_port, usb = usb, options = own.device_option, fault = own.fault }
end

--- No two have one port, or one channel; all are simulated, or none is.
local function check_apart(list, described)
  local ports, channels = {}, {}
  for _, each in ipairs(list) do
    if each.port and ports[each.port] then
      cli.fail("usage", "--device %s and --device %s are at one port, %s: each has a port of its own",
        ports[each.port], each.place, each.port)
    elseif each.simulated ~= list[1].simulated and not described then
      cli.fail("usage", "--device %s is simulated, and --device %s is not: all devices of a run are, or "
        .. "none; for one beside a real stimulator start moonpulse sim, and name its port",
        each.simulated and each.place or list[1].place, each.simulated and list[1].place or each.place)
    end
    ports[each.port or each] = each.place
    for _, channel in ipairs(each.channels) do
      if channels[channel] then
        cli.fail("usage", "the channel %s is of two devices, %s and %s", channel, channels[channel],
          each.place)
      end
      channels[channel] = each.place
    end
  end
end

--- The box of event codes has a port of its own.
local function check_box(list, box)
  for _, each in ipairs(list) do
    if box and box.path == each.port then
      cli.fail("usage", "--codes %s is the port of --device %s: a box for codes has a port of its own",
        box.path, each.place)
    end
  end
end

--- The devices that the options name, where they are several; nil where they are one, as ever. Leaves with
--- exit status 2 where they do not fit together.
---@param options table; device becomes "several"
---@param described boolean? what they could do is asked: no port is needed
---@return moonpulse.RunDevice[]?
function M.choose(options, described)
  local texts, known = options.devices or {}, {}
  local place = texts[1] and M.named(texts[1])
  if not texts[2] and not place then
    return nil
  elseif not texts[2] then
    cli.fail("usage", "--device %s: one device needs no name: write --device %s", texts[1],
      (texts[1]:match("=(.+)$"):gsub("@", " --port ", 1)))
  end
  check_alone(options)
  for _, text in ipairs(texts) do
    place = place or M.named(text)
  end
  if not place then
    cli.fail("usage", "%s; several devices have a name each: --device left=%s --device right=%s",
      cli.given_twice("--device", texts[1], texts[2]), texts[1], texts[2])
  elseif #texts > most then
    cli.fail("usage", "%d devices are more than a run drives: %d", #texts, most)
  end
  for _, text in ipairs(texts) do
    place = M.named(text)
    if not place then
      cli.fail("usage", "--device %s: with several devices each has a name, which the plan's :at names: "
        .. "--device left=%s", text, text)
    elseif known[place] then
      cli.fail("usage", "--device %s= is there twice: each of several devices has a name of its own", place)
    elseif of_record[place] then
      cli.fail("usage", "--device %s=: a run's folder has a folder for each device, and has its own %s: "
        .. "choose another name, like left", place, place)
    end
    known[place] = true
  end
  check_options_of(options, known, M.named(texts[1]))
  check_stop_line(options, texts, known)
  check_faults(options, texts, known)
  for name, of in in_order.pairs(options.of_device or {}) do
    if not known[name] then
      cli.fail("usage", "--%s %s=N: no device has that name: name one of --device", of.rmt and "rmt" or "amt",
        name)
    end
  end
  local list = {}
  for i, text in ipairs(texts) do
    local named, device = M.named(text)
    list[i] = choose_one(options, named, device, described)
  end
  check_apart(list, described)
  check_box(list, options.codes)
  options.device = "several"
  return list
end

--- Leaves with exit status 2 where a channel of the plan is no device's, or one of theirs is not the plan's.
---@param list moonpulse.RunDevice[]
---@param actions moonpulse.Action[] of the plan
function M.check_channels(list, actions)
  local of, seen, names = {}, {}, {}
  for _, each in ipairs(list) do
    for _, channel in ipairs(each.channels) do
      of[channel] = each.place
      names[#names + 1] = channel
    end
  end
  for _, action in ipairs(actions) do
    if action.channel == "" then
      cli.fail("usage", "the plan has pulses without a channel: which device gives them? Write :at \"%s\"",
        names[1])
    elseif not of[action.channel] then
      cli.fail("usage", "the plan has pulses for \"%s\", and the devices are %s: name one so, --device "
        .. "%s=DRIVER@PORT", action.channel, table.concat(names, ", "), action.channel)
    end
    seen[action.channel] = true
  end
  for _, name in ipairs(names) do
    if not seen[name] then
      cli.fail("usage", "the plan has no pulse for \"%s\": leave that device out, or name the channels of "
        .. "the plan", name)
    end
  end
end

return M
