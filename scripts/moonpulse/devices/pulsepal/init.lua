--- Driver for the Sanworks Pulse Pal 2 (firmware 20 and up): a box that fires stimulators through their
--- TTL inputs, or drives an isolator whose output follows a voltage.
--
-- Wire protocol and playback from sanworks/PulsePal ecdbcf4 (firmware 2.0.1, its Python client);
-- simulated, not yet proven on hardware. A soft trigger has no reply, so the box never says that it
-- fired. One that comes while a train plays is not lost: it starts another train afterwards. So
-- nothing is sent to an output that plays; settings wait until none does: op 73 ends the pulses of all
-- four. Triggers, and voltages (op 74), are of one output and leave the others alone (firmware, read).
local channel_map = require "moonpulse.driver.channel_map"
local command = require "moonpulse.driver.command"
local program = require "moonpulse.devices.pulsepal.trains"
local protocol = require "moonpulse.devices.pulsepal.commands"

local M = {
  name = "pulsepal",
  description = "Pulse Pal 2",
  simulator = "pulsepal",
  proof = "simulated",
  usb = { "2341:003e" }, -- the native USB port of an Arduino Due
  -- USB: the number means nothing to the box; it is what the maker's Python client opens with
  serial = { baud = 12000000, bits = 8, parity = "none", stop_bits = 1, flow = "rtscts" },
  latency = 0.00015, -- three cycles from a soft trigger to the output (firmware 2.0.1, run)
  latency_from = "three cycles of its firmware, 2.0.1",
  reply_timeout = 0.6,
  confirms = false,
  disarmed = "the Pulse Pal answers after the abort; it cannot say that its trains have ended",
  proves_end = false, -- no message tells whether an output plays (firmware 2.0.1, read)
}

M.options = {
  { "volts", "number", 0.1, 10, default = 5,
    help = "V of a trigger pulse (TTL: 5); the intensity is then set by hand at the stimulator" },
  { "full_scale_volts", "number", 0.1, 10, optional = true,
    help = "V at 100 %MSO, for a stimulator or isolator that follows the voltage; instead of volts" },
  { "pulse_ms", "number", 0.05, 1000, default = 1, help = "length of a pulse, or of each phase" },
  { "biphasic", "integer", 0, 1, default = 0, help = "1: a second phase of the opposite voltage" },
  { "interphase_ms", "number", 0, 1000, default = 0, help = "between the two phases" },
  { "fastest_hz", "number", 0.001, 5000, default = 100, help = "what the stimulator behind the box takes" },
  channel_map.option(M.description, { 1, 2, 3, 4 },
    "which outputs the plan's channels are; 1 to 4 are themselves"),
}

local settled = command.settled(M.options)

M.commands, M.explain = protocol.commands, protocol.explain

M.replies = { handshake = { "ok", "firmware", "model" }, ack = { "ok" }, error = { "error" } }

--- A reply from the front of buffer: 4B and the firmware (4 bytes), or the one byte 01.
function M.decode(buffer, dialect)
  local first = buffer:byte(1)
  if first == 0x4B then
    if #buffer < 5 then
      return nil, 0
    end
    local firmware = ("<I4"):unpack(buffer, 2)
    return { name = "handshake", ok = 1, firmware = firmware, model = firmware < 20 and 1 or 2 }, 5
  elseif first == 1 then
    return { name = "ack", ok = 1 }, 1
  elseif not first then
    return nil, 0
  end
  local whole = dialect and dialect.whole
  return { name = "error", error = #buffer >= 5 and "bad_handshake" or "bad_ack" }, whole and #buffer or 1
end

local by_hand = "its pulses are triggers of one voltage and the intensity is set by hand at the "
  .. "stimulator: one for each channel; where the stimulator follows the voltage, say --device-option "
  .. "full_scale_volts=V"

function M.limits(_, _, options)
  options = settled(options)
  return {
    channels = 4, channel_names = { "1", "2", "3", "4" },
    intensity = program.intensity(options), nerve = true,
    shortest_interval = function() return program.shortest(options) end,
    why = program.why(options),
    output = function(action) return program.channel(options, action.channel) end,
    shortest_across = function(action) return action.train and action.train.busy or program.apart end,
    why_across = program.why_apart,
    by_hand = not options.full_scale_volts and by_hand or nil,
  }
end

--- What the operator must know: the box does not set the stimulator's intensity.
function M.note(options)
  options = settled(options)
  if options.full_scale_volts then
    return ("100 %%MSO is %g V at the output"):format(options.full_scale_volts)
  end
  return ("every pulse is %g V for %g ms: set the intensity by hand at the stimulator"):format(
    options.volts, options.pulse_ms)
end

-- How long before a pulse a setting must be there; a cautious choice of ours: USB frames are 1 ms, and
-- its acknowledgement must have been read.
local lead = 0.02
-- How long the answer to a question before a setting may take without making that later; ours, too.
local allow = 0.005
local turn = "its answer after a pulse"

--- The voltage of an output: both phases. Each message is acknowledged.
local function volts_of(options, action)
  local volts, channel = program.volts(options, action), program.channel(options, action.channel)
  local set = protocol.commands.set_param
  local bytes = set { param = 2, channel = channel, volts = volts }
  if options.biphasic == 0 then
    return bytes, lead, { "its voltage" }
  end
  return bytes .. set { param = 3, channel = channel, volts = -volts }, lead, { "its voltage", "its voltage" }
end

local function set(options, from, to)
  if from.mso ~= to.mso and not options.full_scale_volts
    and program.channel(options, from.channel) == program.channel(options, to.channel) then
    return nil, by_hand
  elseif to.train then
    return to.train.program, lead, { "its program" }
  elseif from.train then
    return program.program(options, program.volts(options, to)), lead, { "its program" }
  elseif options.full_scale_volts then
    return volts_of(options, to)
  end
  return "", 0
end

--- The box holds two custom trains: which of them is this one in its plan?
---@param held table of the plan
---@return integer? id of the custom train
local function keep(held, uploads)
  for id = 1, 2 do
    held[id] = held[id] or uploads
    if held[id].bytes == uploads.bytes then
      return id
    end
  end
end

local function train(options, part, held)
  held = held or {}
  return program.train(options, part, function(uploads) return keep(held, uploads) end)
end

function M.encode(options)
  options = settled(options)
  return {
    pulse = function(action)
      return protocol.commands.trigger { mask = 1 << program.channel(options, action.channel) - 1 }
    end,
    set = function(from, to) return set(options, from, to) end,
    -- A soft trigger has no reply and starts its pulse in the cycle after its own, at the voltage that it
    -- finds then; that cycle takes the next message first (firmware 2.0.1, read). So a setting that reaches
    -- the box together with the trigger before it is that pulse's. Messages are taken in order,
    -- one a cycle: who
    -- has the answer to a question after the trigger knows that the pulse has its voltage.
    ask = function() return protocol.commands.handshake(), allow, turn end,
    train = function(part, _, held) return train(options, part, held) end,
    -- nothing but the abort goes to a box that plays: a new voltage would change the pulse itself
    busy = function() return program.shape(options).all / 20000 + 0.001 end,
  }
end

--- Twice: an abort that comes in the 50 us after a soft trigger ends what plays and lets the
--- trigger start its train (firmware 2.0.1, read); the second one ends that.
M.safe = protocol.commands.abort():rep(2)

local function hello(io, remedy)
  return io:transact(protocol.commands.handshake(), "handshake", 0.5, 3, remedy)
end

function M.connect(io)
  local reply = hello(io, "no Pulse Pal answers: is it connected by USB, is this the right port, and "
    .. "does its screen show an error (click its joystick)?")
  if reply.model == 1 then
    io:fault("its firmware %d is that of a Pulse Pal 1, whose messages are others: only a Pulse Pal 2 "
      .. "(firmware 20 and up) can be driven", reply.firmware)
  elseif reply.firmware > 255 then -- so far there are 20 and 21: five bytes of noise may begin with 4B
    io:fault("it answers with a firmware %d that there is none of: is this the port of the Pulse Pal, does "
      .. "another program talk to it?", reply.firmware)
  end
  return { model = "Pulse Pal 2", firmware = tostring(reply.firmware) }
end

function M.status(io)
  return hello(io)
end

local piece = 256 -- what is sent at once while a session is armed

--- Send a message, however long, and wait until the box has taken it.
local function tell(io, bytes, what)
  local at = 1
  while #bytes - at >= piece do -- the box waits 500 ms for the next byte; nothing here takes as long
    io:write(bytes:sub(at, at + piece - 1))
    at = at + piece
    io:sleep(0.003)
  end
  io:transact(bytes:sub(at), "ack", 1, 1, ("the Pulse Pal did not take %s: if its screen shows an "
    .. "error, click its joystick"):format(what))
end

--- Load the custom trains of a plan that the box does not hold, each acknowledged. Nothing plays meanwhile.
---@param io moonpulse.Link
---@param actions moonpulse.Action[] of the plan
function M.load(io, actions)
  local loaded = io.dialect.custom
  for _, action in ipairs(actions) do
    local uploads = action.train and action.train.uploads
    if uploads and loaded[uploads.id] ~= uploads.bytes then
      loaded[uploads.id] = nil
      for _, bytes in ipairs(uploads) do
        tell(io, bytes, "a custom train")
      end
      loaded[uploads.id] = uploads.bytes
    end
  end
end

--- The custom trains of the plan, then the program of its first action; each is acknowledged.
---@param io moonpulse.Link
---@param first moonpulse.Action
---@param actions moonpulse.Action[]? all that is known to follow; nil: first
---@param firsts moonpulse.First[]? of each output
function M.arm(io, first, actions, firsts)
  local options = settled(io.options)
  io.dialect.custom = {} -- whatever it held before: another program may have loaded others
  M.load(io, actions or { first })
  tell(io, first.train and first.train.program
    or program.program(options, program.volts_of_outputs(options, first, firsts)), "its program")
end

--- Again, before the question: the abort has no reply, so one that was lost on the way is not noticed.
function M.disarm(io)
  io:write(M.safe)
  hello(io, "it does not answer after the abort: are its output lights dark? If its screen shows an "
    .. "error, click its joystick; else unplug it")
end

--- What a reply says of the settings: the box only says that it took a message, not what it understood, and
--- its messages have no check of their own (USB's has). Nothing reads its settings back: op 85 gives a file
--- of its card, and op 92 is in some builds of firmware 21 only (sanworks/PulsePal 7a9c666 has it, ecdbcf4
--- does not), which its number does not tell.
function M.tells(reply)
  if reply.name == "handshake" then
    return { [turn] = true }
  end
  return reply.name == "ack" and { ["its program"] = true, ["its voltage"] = true } or nil
end

--- Without full_scale_volts the intensity is set by hand at the stimulator.
function M.setting_proof(options)
  return options.full_scale_volts and "received" or "none"
end

function M.judge(reply)
  if reply.name == "error" then
    return "fault", "a byte that no Pulse Pal sends: is another device on this port?"
  end
end

return M
