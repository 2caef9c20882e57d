--- Replies and events of MagVenture MagPro stimulators, read by length: FE and FF are not escaped.
--
-- Layouts from MagventurePyTMS fbd76a8, MAGIC ed58dd1 and MagProController v20220223.
local protocol = require "moonpulse.devices.magventure.commands"

local M = {}

local models, modes, waveforms = protocol.models, protocol.modes, protocol.waveforms

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

--- Inter-pulse intervals are reported as an index into the list of the mode, the longest first.
---@param spans integer[][]
---@param index integer
---@return number? ms
function M.interval_ms(spans, index)
  for i = #spans, 1, -1 do
    local first, last, step = table.unpack(spans[i])
    local count = (last - first) // step + 1
    if index < count then
      return (last - index * step) / 10
    end
    index = index - count
  end
end

--- The interval as a time where it has a meaning: between the pulses of a pair, or in a burst.
local function mode_interval(mode, waveform, index)
  if mode == "Twin" or mode == "Dual" then
    return M.interval_ms(protocol.paired_intervals, index)
  elseif waveform == "Biphasic_Burst" then
    return M.interval_ms(protocol.single_intervals, index)
  end
end

local function mode_reply(p)
  local b = { p:byte(1, 10) }
  local mode, waveform, index = modes[b[4]], waveforms[b[6]], b[8] | (b[9] << 8)
  return {
    model = models[b[3]], mode = mode, direction = b[5] == 0 and "Normal" or "Reverse",
    waveform = waveform, burst_pulses = 5 - b[7], ipi_index = index,
    ipi_ms = mode_interval(mode, waveform, index),
    ba_byte = b[10], ba_ratio = mode == "Twin" and (100 - b[10]) / 20 or nil,
    b_amplitude = mode == "Dual" and 100 - b[10] or nil,
  }
end

local function mep(p)
  local max, min, time = (">I4I4I4"):unpack(p, 2)
  return { max_uv = max, min_uv = min, max_time_us = time,
    p2p_uv = #p >= 17 and (">I4"):unpack(p, 14) or nil }
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

local function page_reply(p)
  return { trains = (">I2"):unpack(p, 3), total_pulses = (">I3"):unpack(p, 6),
    stim_count = (">I2"):unpack(p, 10), page = p:byte(14) }
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
  [0x0C] = { "get_page", 14, page_reply },
}

-- Decoding is a pure function of the frame's bytes, and a session sees the same few frames
-- over and over: remember them.
local seen, seen_count = {}, 0

local longest = 32 -- a length above it is a damaged byte: the longest known reply has 15

--- Errors in words.
M.garbled = {
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
  error = { "error" }, other = {},
  get_status = listed(flags .. " serial temp_c coil a b"),
  get_status2 = listed(flags .. " serial temp_c coil a b orig_a orig_b factor_a factor_b page running"),
  event_amplitude = listed("a b " .. flags), event_didt = listed("didt_a didt_b " .. flags),
  event_temperature = listed("temp_c coil " .. flags), event_page = listed("page running " .. flags),
  event_orig_amplitude = listed("orig_a orig_b " .. flags),
  event_factor = listed("factor_a factor_b " .. flags),
  event_mep = listed("max_uv min_uv max_time_us p2p_uv"),
  get_page = listed("trains total_pulses stim_count page"),
  get_mode = listed("model mode direction waveform burst_pulses ipi_index ipi_ms:%.10g ba_byte "
    .. "ba_ratio:%.2f b_amplitude"),
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
  local kind = bytes:byte(-1) ~= 0xFF and "bad_end"
    or protocol.checksum(payload) ~= bytes:byte(-2) and "bad_crc"
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

return M
