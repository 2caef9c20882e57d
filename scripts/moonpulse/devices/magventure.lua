--- Driver for MagVenture MagPro stimulators (X100, R30): single pulses, timed by us.
--
-- Wire protocol from public programs that control the device (MAGIC ed58dd1, MagventurePyTMS
-- fbd76a8, MagventureTMS d08ff84, MAGICPy 0.1.6); simulated, not yet proven on hardware.
-- The device acknowledges nothing: a setting is confirmed by the event that reports it, and
-- the only proof of a pulse is event 02.

local protocol = require "moonpulse.devices.magventure_commands"

local M = {
  name = "magventure",
  description = "MagVenture MagPro",
  simulator = "magventure",
  proof = "simulated",
  serial = { baud = 38400, bits = 8, parity = "none", stop_bits = 1, flow = "none" },
  -- from the last byte to the pulse: not published; 0 until somebody has measured it
  latency = 0,
  -- replies take 20 to 80 ms (MagProController): one later than reply_slow is suspicious, and a
  -- pulse that is not confirmed after reply_timeout is a fault
  reply_slow = 0.09,
  reply_timeout = 0.6,
}

local models, modes, waveforms = protocol.models, protocol.modes, protocol.waveforms

-- Highest rates in Hz, Standard mode, from MagventureTMS
local highest_rate = {
  ["R30"] = 30, ["R30+Option"] = 30, ["R30+Option+Mono"] = 30, ["X100"] = 100,
  ["X100+Option"] = 100,
}

local checksum = protocol.checksum

M.commands, M.explain = protocol.commands, protocol.explain

local function flags_of(byte)
  return {
    mode = modes[byte & 3], waveform = waveforms[(byte >> 2) & 3],
    enabled = (byte >> 4) & 1, model = models[byte >> 5],
  }
end

local function status(p)
  local reply = flags_of(p:byte(2))
  reply.serial = (p:byte(3) << 16) | (p:byte(4) << 8) | p:byte(5)
  reply.temp_c, reply.coil, reply.a, reply.b = p:byte(6, 9)
  return reply
end

local function status2(p)
  local reply = status(p)
  reply.orig_a, reply.orig_b, reply.factor_a, reply.factor_b = p:byte(10, 13)
  reply.page, reply.running = p:byte(14, 15)
  return reply
end

--- An event of two values and the flags.
local function event(first, second)
  return function(p)
    local reply = flags_of(p:byte(4))
    reply[first], reply[second] = p:byte(2, 3)
    return reply
  end
end

-- Inter-pulse intervals are reported as an index into a falling list (MagProController), here
-- as spans { first, last, step } in tenths of ms.
local single_intervals = { { 1000, 200, 10 }, { 195, 100, 5 }, { 99, 5, 1 } }
local paired_intervals = {
  { 30000, 10000, 1000 }, { 9500, 5000, 500 }, { 4900, 1000, 100 }, { 990, 200, 10 },
  { 195, 100, 5 }, { 99, 10, 1 },
}

local function interval_ms(spans, index)
  for _, span in ipairs(spans) do
    local first, last, step = table.unpack(span)
    local count = (first - last) // step + 1
    if index < count then
      return (first - index * step) / 10
    end
    index = index - count
  end
end

--- The interval as a time where it has a meaning: in a burst, or between the pulses of a pair.
local function mode_interval(mode, waveform, index)
  if waveform == "Biphasic_Burst" then
    return interval_ms(single_intervals, index)
  elseif mode == "Twin" or mode == "Dual" then
    return interval_ms(paired_intervals, index)
  end
end

local function mode_reply(p)
  local b = { p:byte(1, 10) }
  local mode, waveform, index = modes[b[4]], waveforms[b[6]], b[8] | (b[9] << 8)
  return {
    model = models[b[3]], mode = mode, direction = b[5] == 0 and "Normal" or "Reverse",
    waveform = waveform, burst_pulses = 5 - b[7], ipi_index = index,
    ipi_ms = mode_interval(mode, waveform, index),
    ba_byte = b[10], b_amplitude = mode == "Dual" and 100 - b[10] or nil,
  }
end

local function mep(p)
  local max, min, time = (">I4I4I4"):unpack(p, 2)
  return { max_uv = max, min_uv = min, max_time_us = time }
end

local function delays_reply(p)
  local into, out, charge = (">I2i2I2"):unpack(p, 3)
  return { in_ms = into / 10, out_ms = out / 10, charge_ms = charge }
end

local function train_reply(p)
  local kind, rate, pulses, trains, iti, warn, ramp, ramp_trains = (">BI2I2I2I2BBB"):unpack(p, 3)
  return { timing = protocol.timings[kind & 15], ext_rate = kind >> 4, rate_hz = rate / 10,
    pulses = pulses, trains = trains, iti_s = iti / 10, warn = warn, ramp_up = ramp / 100,
    ramp_trains = ramp_trains }
end

-- id -> name, payload length, reader
local replies = {
  [0x00] = { "get_status", 9, status },
  [0x05] = { "get_status2", 15, status2 },
  [0x01] = { "event_amplitude", 4, event("a", "b") },
  [0x02] = { "event_didt", 4, event("didt_a", "didt_b") },
  [0x03] = { "event_temperature", 4, event("temp_c", "coil") },
  [0x06] = { "event_orig_amplitude", 4, event("orig_a", "orig_b") },
  [0x07] = { "event_factor", 4, event("factor_a", "factor_b") },
  [0x08] = { "event_page", 4, event("page", "running") },
  [0x04] = { "event_mep", 13, mep },
  [0x09] = { "get_mode", 10, mode_reply },
  [0x0A] = { "get_delays", 8, delays_reply },
  [0x0B] = { "get_train", 14, train_reply },
}

-- Decoding is a pure function of the frame's bytes, and a session sees the same few frames
-- over and over: remember them.
local seen, seen_count = {}, 0

local longest = 32 -- a length above it is a damaged byte: the longest known reply has 15

local garbled = {
  bad_crc = "wrong checksum", bad_end = "no end byte", bad_length = "impossible length",
  noise = "bytes that are no frame",
}

local flags = "mode waveform enabled model"

local function listed(text)
  local list = {}
  for field in text:gmatch("%S+") do
    list[#list + 1] = field
  end
  return list
end

M.replies = {
  error = { "error" },
  get_status = listed(flags .. " serial temp_c coil a b"),
  get_status2 = listed(flags .. " serial temp_c coil a b orig_a orig_b factor_a factor_b page running"),
  event_amplitude = listed("a b " .. flags), event_didt = listed("didt_a didt_b " .. flags),
  event_temperature = listed("temp_c coil " .. flags), event_page = listed("page running " .. flags),
  event_orig_amplitude = listed("orig_a orig_b " .. flags),
  event_factor = listed("factor_a factor_b " .. flags),
  event_mep = listed("max_uv min_uv max_time_us"),
  get_mode = listed("model mode direction waveform burst_pulses ipi_index ipi_ms:%.10g ba_byte "
    .. "b_amplitude"),
  get_delays = listed("in_ms:%.1f out_ms:%.1f charge_ms"),
  get_train = listed("timing ext_rate rate_hz:%.1f pulses trains iti_s:%.1f warn ramp_up:%.2f "
    .. "ramp_trains"),
}

local function read_payload(bytes, payload)
  local known = replies[payload:byte(1)]
  local reply
  if known and #payload >= known[2] then
    reply = known[3](payload)
    reply.name = known[1]
  else
    reply = { name = "other" }
  end
  reply.bytes = bytes
  return reply
end

--- Take one frame from the front of buffer.
---@param buffer string
---@return table? reply with name and fields; name = "error" and error = "bad_crc"|"bad_end"|
---   "bad_length"|"noise"
---@return integer used bytes of buffer that are done with; 0: more bytes are needed
function M.decode(buffer, dialect)
  local known = seen[buffer]
  if known then
    return known, #buffer
  end
  local start = buffer:find("\xFE", 1, true)
  if not start then
    return { name = "error", error = "noise", bytes = buffer }, #buffer
  elseif start > 1 then
    return { name = "error", error = "noise", bytes = buffer:sub(1, start - 1) }, start - 1
  end
  local length = buffer:byte(2)
  if length and length > longest then
    return { name = "error", error = "bad_length", bytes = buffer:sub(1, 2) }, 1
  elseif not length or #buffer < length + 4 then
    return nil, 0
  end
  local bytes = buffer:sub(1, length + 4)
  local payload = bytes:sub(3, length + 2)
  local kind = bytes:byte(-1) ~= 0xFF and "bad_end" or checksum(payload) ~= bytes:byte(-2) and "bad_crc"
  if kind then
    -- the next frame may begin inside these bytes: step over the start byte only
    return { name = "error", error = kind, bytes = bytes }, dialect and dialect.whole and #buffer or 1
  end
  local reply = read_payload(bytes, payload)
  if seen_count < 4096 then
    seen[bytes], seen_count = reply, seen_count + 1
  end
  return reply, #bytes
end

--- What the device allows; identity is nil before it was asked which model it is.
function M.limits(identity)
  local rate = highest_rate[identity and identity.model or "X100"] or 30
  return {
    channels = 1,
    intensity = { min = 0, max = 100, step = 1 },
    shortest_interval = function() return 1 / rate end,
    why = ("%s: at most %d Hz"):format(identity and identity.model or "X100", rate),
  }
end

M.encode = {
  pulse = function() return M.commands.fire() end,
  --- The amplitude for action, and how long before the pulse the device must have it. The lead
  --- is a cautious choice of ours: no source says how long the charge takes to follow.
  set = function(_, action)
    return M.commands.set_amplitude { a = action.mso }, 0.1
  end,
}

M.safe = M.commands.disable()

--- Who are you? Also the proof that a MagPro answers here.
---@param io moonpulse.Link
---@return table identity
function M.connect(io)
  local reply = io:transact(M.commands.get_status2(), "get_status2", 0.5, 3)
  local mode = io:transact(M.commands.get_mode(), "get_mode", 0.5, 3)
  return {
    model = reply.model, serial = tostring(reply.serial), coil = reply.coil,
    temperature_c = reply.temp_c, mode = mode.mode, waveform = mode.waveform,
    enabled = reply.enabled == 1,
  }
end

function M.status(io)
  return io:transact(M.commands.get_status2(), "get_status2", 0.5, 3)
end

--- Amplitude for the first pulse, then enable; each is believed when the device reports it.
---@param io moonpulse.Link
---@param first { mso: integer }
function M.arm(io, first)
  local mode = io:transact(M.commands.get_mode(), "get_mode", 0.5, 3)
  if mode.waveform == "Biphasic_Burst" or mode.mode == "Twin" or mode.mode == "Dual" then
    io:fault("the stimulator is set to %s, %s: each command would fire several pulses; set mode "
      .. "Standard and waveform Biphasic on its front panel", mode.mode,
      (mode.waveform or "?"):gsub("_", " "))
  end
  local function enabled(reply)
    return reply.name == "event_amplitude" and reply.enabled == 1
  end
  local function amplitude(reply)
    return (reply.name == "event_amplitude" or reply.name == "get_status2")
      and reply.a == first.mso
  end
  io:transact(M.commands.enable(), enabled, 1.0, 1,
    "the stimulator did not enable: is a coil connected, and is it below its temperature limit?")
  io:transact(M.commands.set_amplitude { a = first.mso }, amplitude, 1.0, 1,
    ("the stimulator did not take the amplitude %d %%"):format(first.mso))
end

--- After the safe frame: believe it only when the device says so.
function M.disarm(io)
  local reply = io:transact(M.commands.get_status2(), "get_status2", 0.25, 3,
    "it does not say whether it is disabled: disable it on its front panel, or switch it off")
  if reply.enabled ~= 0 then
    io:fault("the stimulator still says that it is enabled: disable it on its front panel")
  end
end

--- What an unasked or expected reply means while a plan runs.
---@param reply table
---@param expected { mso: integer } what was last commanded
---@return "confirm"|"fault"|nil
---@return string? text for the record, or what is wrong
function M.judge(reply, expected)
  local name = reply.name
  if name == "event_didt" then
    reply.text = reply.text or M.confirmation(reply.didt_a)
    return "confirm", reply.text, reply.didt_a
  elseif name == "error" then
    return "fault", ("a garbled reply (%s): is the cable sound and fully plugged in?"):format(
      garbled[reply.error])
  elseif reply.enabled == 0 then
    return "fault", name == "event_temperature"
      and ("the stimulator disabled itself, its coil is at %d C: let it cool, or change it"):format(
        reply.temp_c)
      or "the stimulator is no longer enabled: was it disabled at its panel?"
  elseif name == "event_amplitude" and expected and reply.a == expected.mso then
    return "settled"
  elseif name == "event_amplitude" and expected then
    return "pending", ("the amplitude is %d %%, not %d %%"):format(reply.a, expected.mso)
  end
end

--- A confirmed pulse in words, from the number that the record keeps.
---@param value integer dI/dt in A/us
function M.confirmation(value)
  return ("dI/dt %d A/us"):format(value)
end

return M
