--- Driver for the Magstim Rapid² family: trains that the unit times, and single pulses timed by us.
--
-- Wire protocol from public programs (MagPy 92bf2d0, MAGIC ed58dd1, Rapid2 96b9528); simulated, not
-- yet proven on hardware. The unit does not keep the wait between trains that protects it: the plan
-- is refused where it would be shorter.
local commands = require "moonpulse.devices.rapid.commands"
local limits = require "moonpulse.data.rapid_power"
local talk = require "moonpulse.devices.magstim.talk"
local trains = require "moonpulse.devices.rapid.trains"

local M = {
  name = "rapid",
  description = "Magstim Rapid²",
  simulator = "rapid",
  proof = "simulated",
  serial = { baud = 9600, bits = 8, parity = "none", stop_bits = 1, flow = "none" },
  -- read off MagPy's plots: 5.1 ms (4.5-5.9) after the fire command, 1.0 ms after an RTS edge
  latency = 0.0051,
  latency_from = "read off MagPy's plots (4.5 to 5.9 ms)",
  trigger_latency = 0.001,
  reply_slow = 0.15,
  reply_timeout = 0.6,
  options = {
    { "model", "choice", limits.models, default = "rapid",
      help = "rapid, super or superplus (Super Rapid² Plus1): which rates it can give" },
    { "mains", "choice", { 115, 230 }, default = 115,
      help = "volts, 115 or 230; without these two the lowest rates hold, which suit every unit" },
    { "code", "text", "^" .. ("[%g]"):rep(16) .. "$", form = "xxxx-xxxxxxxx-xx", optional = true,
      help = "the unlock code of a unit with software 9 or later: Magstim gives it for each unit" },
    { "version", "text", "^%d+%.%d+$", form = "9.0", optional = true,
      help = "the unit's software, for the check before it is asked; from then on it counts what it says" },
    { "enhanced", "choice", { 0, 1 }, default = 0,
      help = "1: enhanced power, up to 110 %, single pulses at most every 2 s" },
    { "coil_switch", "choice", { "use", "ignore" }, default = "use",
      help = "ignore: fire without the switch on the coil held" },
  },
  commands = commands.commands, replies = commands.replies, decode = commands.decode,
  explain = commands.explain,
}

local send = M.commands

--- What the unit allows.
---@param identity table? nil before it was asked
---@param fired_by string? "trigger": pulses come from an edge on its trigger input
---@param options table? the driver's
function M.limits(identity, fired_by, options)
  local set = trains.settings(options, identity)
  local own = { channels = 1, longest_rest = talk.longest_rest,
    intensity = { min = 0, max = set.enhanced and 110 or 100, step = 1 } }
  if set.enhanced then
    own.shortest_interval = function() return 2 end
    own.why = "Rapid² with enhanced power: single pulses at most every 2 s"
  elseif fired_by == "trigger" then
    own.shortest_interval = function(action) return 1 / trains.rate(set, action.mso) end
    own.why = "Rapid²: the highest rate at each power, for " .. trains.model_text(set)
    own.supply = trains.supply
  else
    own.shortest_interval = function() return 1 end
    own.why = "Rapid²: over the serial line single pulses at most 1 Hz; faster only trains of one rate that "
      .. "the unit times, with the pause that it needs after each; theta burst and all else by edges on "
      .. "its trigger input: --trigger rts"
  end
  return own
end

function M.encode(options)
  return {
    pulse = function() return send.fire() end,
    set = function(from, to)
      local bytes, lead, fields, why = trains.change(from, to)
      if not bytes then
        return nil, lead
      elseif bytes == "" then -- nothing to read back
        return bytes, lead
      end
      return bytes .. send.get_params(), talk.lead(lead, M.reply_slow), fields, why
    end,
    train = function(part, identity)
      return trains.program(part, trains.settings(options, identity))
    end,
  }
end

M.safe = send.disarm()
M.safe_answer = talk.safe_answer

--- A unit with an unlock code would take the bare Q for a wrong code.
function M.keepalive(options)
  return { bytes = options.code and send.keepalive { version = "9.0" }
    or send.keepalive { version = "8.0" }, period = 0.5, answered = true }
end

-- Conversations ------------------------------------------------------------------------------------

--- The question that is also the keep-alive, and its reply.
local function poll(io)
  return io.options.code and send.get_status() or send.keepalive { version = "8.0" },
    io.options.code and "get_status" or "remote_on"
end

local function take_remote(io)
  local code = io.options.code
  local reply = io:transact(send.remote_on { code = code }, function(each)
    return each.name == "remote_on" or each.name == "error"
  end, 0.5, 3, code and "it answers nothing: is it switched on, is the cable in its main unit (not the "
    .. "touch screen), and is the unlock code its own? Units answer nothing to a wrong one"
    or "it answers nothing: is it switched on, is the cable in its main unit (not the touch screen)? "
    .. "Software 9 and later answers only its unlock code: --device-option code=xxxx-xxxxxxxx-xx")
  if reply.error and code then
    io:fault("it refuses the unlock code: software before 9 takes none; leave out --device-option code")
  elseif reply.error then
    io:fault("it refuses remote control (%s): is it a Rapid²?", reply.error:gsub("_", " "))
  end
end

local function params(io)
  return talk.ask(io, send.get_params(), "get_params", "the question for its settings", 3)
end

--- Is the module there that the option model=superplus speaks of? Only software 9 and later says.
local function check_model(io, major)
  if major < 9 then
    return nil
  end
  local status = talk.ask(io, send.get_status(), "get_status", "the question for its status", 3)
  if io.options.model == "superplus" and status.plus1 == 0 then
    io:fault("it has no Plus1 module: say --device-option model=super (or rapid)")
  end
  return status.plus1 == 1
end

function M.connect(io)
  take_remote(io)
  local version = talk.ask(io, send.get_version(), "get_version", "the question for its version",
    3).version
  io.dialect.version = version
  local plus1 = check_model(io, commands.major(version))
  local settings = params(io)
  local temperature = talk.ask(io, send.get_temperature(), "get_temperature",
    "the question for its temperature", 3)
  return { model = "version " .. version, firmware = version, power = settings.power, plus1 = plus1,
    coil = settings.coil_present == 1, temperature_c = temperature.coil1_c }
end

function M.status(io)
  return params(io)
end

--- Single pulses or trains, and the powers over 100 %: in standby only.
local function set_mode(io, train, version)
  local mode = talk.ask(io, send.rtms_off { version = version }, "set_duration", "leaving train mode")
  local wanted = io.options.enhanced == 1
  if (mode.enhanced == 1) ~= wanted then
    talk.ask(io, wanted and send.enhanced_on() or send.enhanced_off(),
      wanted and "enhanced_on" or "enhanced_off", "setting enhanced power")
  end
  if train then
    talk.ask(io, send.rtms_on { version = version }, "set_duration", "entering train mode")
  end
  if io.options.coil_switch == "ignore" then
    talk.ask(io, send.ignore_interlock(), "ignore_interlock", "ignoring the coil's switch")
  end
end

--- The unit must say what it was told.
local function compare(io, first, said)
  local train = first.train
  if said.power ~= first.mso then
    io:fault("it did not take the power %d %%: it says %d %%", first.mso, said.power)
  elseif (said.single_pulse == 1) ~= (train == nil) then
    io:fault("it did not take the mode: it says %s", said.single_pulse == 1 and "single pulses"
      or "trains")
  elseif train and (said.hz ~= train.hz or said.pulses ~= train.n or said.s ~= train.s) then
    io:fault("it did not take the train of %d pulses at %.1f Hz in %.1f s: it says %d, %.1f, %.1f",
      train.n, train.hz, train.s, said.pulses, said.hz, said.s)
  end
end

--- Everything for the first action, read back; then arm, and wait until the unit says it is ready.
---@param io moonpulse.Link
---@param first moonpulse.Action
function M.arm(io, first)
  local version, train = io.dialect.version, first.train
  take_remote(io)
  set_mode(io, train, version)
  local before = params(io).power
  talk.ask(io, send.set_power { percent = first.mso }, "set_power", "setting the power")
  if train then
    for _, each in ipairs(trains.frames(train, version)) do
      talk.ask(io, each.bytes, each.reply, "setting " .. each.what)
    end
  end
  compare(io, first, params(io))
  io:sleep(talk.settling(before, first.mso))
  talk.ask(io, send.arm(), "state", "arming")
  talk.await_ready(io, poll(io))
end

--- It may have dropped remote control, where it is silent to the keep-alive: its settings it tells.
function M.disarm(io)
  talk.disarm(io, send.get_params(), "get_params", send.remote_off())
end

--- What a reply says of the settings that action needs.
function M.tells(reply, action)
  local train = action.train
  if reply.name ~= "get_params" then
    return nil
  end
  return { ["the power"] = talk.same_power(reply.power, action.mso),
    ["the train"] = train and (reply.hz == train.hz and reply.pulses == train.n and reply.s == train.s
      or ("its train is %d pulses at %.1f Hz in %.1f s, not %d, %.1f, %.1f"):format(reply.pulses, reply.hz,
        reply.s, train.n, train.hz, train.s)) or nil }
end

M.judge = talk.judge

M.confirmation = talk.confirmation

return M
