--- Driver for Deymed DuoMAG stimulators: single pulses, timed by us. Experimental.
--
-- Wire protocol from two public programs (MAGIC ed58dd1 duomag.m, duomagmp-toolbox-py aace084), the
-- second a port of the first; no vendor text was seen. There is no acknowledge, no checksum, and no
-- command that arms or disarms: the unit is armed on its front panel. What we can make harmless is
-- its intensity, which the status stream reports: the safe frame sets it to 0.
local command = require "moonpulse.driver.command"

local M = {
  name = "duomag",
  description = "Deymed DuoMAG",
  simulator = "duomag",
  proof = "experimental",
  serial = { baud = 1000000, bits = 8, parity = "none", stop_bits = 2, flow = "none" },
  latency = 0, -- nobody has measured it
  latency_from = "nobody has measured it: 0 is taken",
  -- the stream's rate is unknown: a setting that it does not show after that is a fault
  reply_timeout = 1,
  disarmed = "the stimulator shows intensity 0 %; it is as armed as you left it: disarm it at its panel",
  confirms = false, -- nothing in the stream says that a pulse was given, only that one was left out
  options = {
    { "interval", "number", 0.01, 60, default = 1,
      help = "seconds between pulses that this unit is known to recharge in" },
  },
}

local cautious_s = 1 -- between pulses: how long a unit recharges is nowhere said

local step_sizes = { [0] = 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10 } -- ms
local most_steps = 127

--- Every byte is sent twice: that is the only redundancy.
local function doubled(...)
  return (string.char(...):gsub(".", "%0%0"))
end

--- The number of a step size; nil: the device does not have it.
local function step_index(ms)
  for i = 0, #step_sizes do
    if math.abs(step_sizes[i] - ms) < 1e-9 then
      return i
    end
  end
end

--- The delays next below and above one, of whichever size: 25.4 (127 steps of 0.2) and 25.5 ms.
local function neighbours(ms)
  local below, above = 0, math.huge
  for i = 0, #step_sizes do
    local steps = math.min(math.floor(ms / step_sizes[i] + 1e-9), most_steps)
    below = math.max(below, steps * step_sizes[i])
    above = steps < most_steps and math.min(above, (steps + 1) * step_sizes[i]) or above
  end
  return below, above
end

--- A delay as steps of a size: one step where a size fits, else the finest size that reaches it.
local function split_delay(ms)
  local exact = step_index(ms)
  if exact then
    return 1, exact
  end
  for i = 0, #step_sizes do
    local steps = math.floor(ms / step_sizes[i] + 0.5)
    if ms <= step_sizes[i] * most_steps + 1e-9 then
      if math.abs(steps * step_sizes[i] - ms) > 1e-6 then
        command.refuse("ms = %.10g lies between the device's steps of %g ms; the nearest are %.10g and %.10g",
          ms, step_sizes[i], neighbours(ms))
      end
      return steps, i
    end
  end
end

local function delay_of(v)
  if not v.steps and not v.step_ms then
    if not v.ms then
      command.refuse("a delay needs ms, or steps and step_ms")
    end
    return split_delay(v.ms)
  elseif not v.steps or not v.step_ms then
    command.refuse("steps and step_ms go together")
  end
  local index = step_index(v.step_ms)
  if not index then
    command.refuse("step_ms = %.10g is none of 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10", v.step_ms)
  elseif v.ms and math.abs(v.steps * v.step_ms - v.ms) > 1e-6 then
    command.refuse("ms = %.10g is not %d steps of %.10g ms, which are %.10g ms", v.ms, v.steps, v.step_ms,
      v.steps * v.step_ms)
  end
  return v.steps, index
end

local function delay_command(help, high, low)
  return command.new(help, {
    { "ms", "number", 0, 1270, optional = true },
    { "steps", "integer", 0, most_steps, optional = true },
    { "step_ms", "number", 0.05, 10, optional = true, help = "0.05, 0.1, 0.2, 0.5, 1, 2, 5 or 10" },
  }, function(v)
    local steps, index = delay_of(v)
    return doubled(high | steps >> 2, low | index << 2 | (steps & 3))
  end)
end

M.commands = command.named {
  set_intensity = command.new("Set the intensity.", { { "percent", "integer", 0, 100, help = "%MSO" } },
    function(v) return doubled(v.percent) end),
  fire = command.new("Fire.", {}, function() return doubled(121) end),
  set_recharge_delay = delay_command("Set the recharge delay.", 0x80, 0xA0),
  set_ttl_out_delay = delay_command("Set the delay of the TTL output.", 0xC0, 0xE0),
}

--- The command that bytes are.
function M.explain(bytes)
  local halves = bytes:gsub("(.)(.)", function(a, b) return a == b and a or "" end)
  if #bytes < 2 or #halves * 2 ~= #bytes then
    return nil, "every byte is sent twice"
  end
  local first, second = halves:byte(1, 2)
  if #halves == 1 and first <= 100 then
    return "set_intensity", { percent = first }
  elseif #halves == 1 and first == 121 then
    return "fire", {}
  elseif #halves == 2 and (first >> 5 == 4 and second >> 5 == 5 or first >> 5 == 6 and second >> 5 == 7) then
    return first >> 5 == 4 and "set_recharge_delay" or "set_ttl_out_delay",
      { steps = (first & 31) << 2 | second & 3, step_ms = step_sizes[second >> 2 & 7] }
  end
  return nil, "no command is known by these bytes"
end

local sync = 0xFF

M.replies = {
  error = { "error" },
  status = { "ttl_demand", "intensity_change", "intensity", "coil_temp_adc", "resistor_temp_adc",
    "discharge_temp_adc", "omitted_pulses", "power_overheat", "coil_disconnected",
    "voltage_hold_error", "voltage_recharge_error", "fan_seized", "coil_overheat",
    "resistor_overheat", "discharge_overheat", "coil_data_ok", "receiving_usb", "idle", "charged",
    "ttl_delay_ms:%.10g", "recharge_delay_ms:%.10g", "coil_type", "left_out" },
}

local function bit(byte, place)
  return byte >> place & 1
end

local function read_status(payload)
  local b = { payload:byte(1, -1) }
  local change = b[1] & 31
  return {
    name = "status", ttl_demand = bit(b[1], 5),
    intensity_change = change >= 16 and change - 32 or change, intensity = b[2],
    coil_temp_adc = b[3], resistor_temp_adc = b[4], discharge_temp_adc = b[5],
    omitted_pulses = b[6], power_overheat = bit(b[7], 6), coil_disconnected = bit(b[7], 5),
    voltage_hold_error = bit(b[7], 4), voltage_recharge_error = bit(b[7], 3),
    fan_seized = bit(b[8], 6), coil_overheat = bit(b[8], 4), resistor_overheat = bit(b[8], 3),
    discharge_overheat = bit(b[8], 2), coil_data_ok = bit(b[8], 1), receiving_usb = bit(b[8], 0),
    idle = bit(b[9], 2), charged = bit(b[9], 0),
    ttl_delay_ms = (b[10] & 127) * step_sizes[b[12] & 7],
    recharge_delay_ms = (b[11] & 127) * step_sizes[b[12] >> 4 & 7], coil_type = b[15],
  }
end

--- How many bytes the frame at the front has: the next sync tells. A frame has 13 bytes, or 15 with
--- the coil; that a sync value may stand among them is not excluded, so the length known counts first.
local function length_of(buffer, dialect)
  local known = dialect.length
  if known and buffer:byte(known + 2) == sync then
    return known
  end
  return buffer:byte(15) == sync and 13 or buffer:byte(17) == sync and 15 or nil
end

--- Take one status frame from the front of buffer.
function M.decode(buffer, dialect)
  dialect = dialect or {}
  if buffer:byte() ~= sync then
    local start = buffer:find("\xFF", 1, true)
    local skipped = start and start - 1 or #buffer
    return { name = "error", error = "no_sync", bytes = buffer:sub(1, skipped) }, skipped
  end
  local length = length_of(buffer, dialect)
  if not length and #buffer < 17 and not dialect.whole then
    return nil, 0
  elseif not length then
    return { name = "error", error = "bad_length", bytes = buffer:sub(1, 1) }, 1
  end
  local payload, reply = buffer:sub(2, length + 1), dialect.status
  if payload ~= dialect.payload or dialect.omitted ~= dialect.counted_from then -- nearly all are as the last
    reply = read_status(payload)
    -- a pulse is left out of whichever plan comes after arming: what counts is the connection's count
    reply.left_out = dialect.omitted and (reply.omitted_pulses - dialect.omitted) & 0xFF or nil
    dialect.payload, dialect.counted_from = payload, dialect.omitted
  end
  dialect.length, dialect.status = length, reply
  dialect.frames = (dialect.frames or 0) + 1
  -- the sync at its end begins the next frame, where there is one
  return reply, dialect.whole and #buffer == length + 2 and #buffer or length + 1
end

--- What the device allows; the interval is what the user knows of the unit (--device-option).
---@param options table?
function M.limits(_, _, options)
  local interval = options and options.interval or cautious_s
  return {
    channels = 1,
    intensity = { min = 0, max = 100, step = 1 },
    shortest_interval = function() return interval end,
    why = ("no source says how long a DuoMAG recharges: %g s between pulses unless --device-option "
      .. "interval=S says what yours manages"):format(interval),
  }
end

M.encode = {
  pulse = function() return M.commands.fire() end,
  --- The lead is a cautious choice of ours: no source says how long a new intensity takes.
  set = function(_, action)
    return M.commands.set_intensity { percent = action.mso }, 0.5, { "the intensity" }
  end,
}

M.safe = M.commands.set_intensity { percent = 0 }

--- Wait until the stream shows a status, newer than now, for which test is true.
local function await(io, seconds, test)
  local seen = io.dialect.frames
  for _ = 1, math.ceil(seconds / 0.02) do
    io:sleep(0.02)
    local status = io.dialect.status
    if status and io.dialect.frames ~= seen and test(status) then
      return status
    end
  end
end

local faults = {
  { "coil_disconnected", "its coil is not connected" }, { "coil_overheat", "its coil is too hot: let it "
    .. "cool, or change it" }, { "power_overheat", "its power supply is too hot: let it cool" },
  { "resistor_overheat", "its resistor is too hot: let it cool" },
  { "discharge_overheat", "its discharge circuit is too hot: let it cool" },
  { "voltage_hold_error", "it does not hold its voltage: switch it off and on" },
  { "voltage_recharge_error", "it does not recharge: switch it off and on" },
  { "fan_seized", "its fan does not turn: have it serviced" },
}

local function fault_of(status)
  for _, fault in ipairs(faults) do
    if status[fault[1]] == 1 then
      return fault[2]
    end
  end
end

local coils = { "70BF", "70BF-COOL", "120BFV", "100R", "125R", "50BF", "50BFT" }

--- Its coil, as the stream says it now.
---@param io moonpulse.Link
---@return table
function M.pulse_of(io)
  return { coil = coils[io.dialect.status.coil_type] }
end

M.panel_of = M.pulse_of

--- Its status stream is all that says that a DuoMAG is here. Nothing is sent.
---@param io moonpulse.Link
function M.connect(io)
  local status = await(io, 1, function() return true end)
  if not status then
    io:fault("no status comes: is it switched on, and is this the port of its USB cable?")
  end
  local coil = coils[status.coil_type]
  return { model = coil and "with coil " .. coil or "of unknown coil", coil = coil,
    pulse = { coil = coil }, intensity = status.intensity }
end

function M.status(io)
  return await(io, 1, function() return true end) or io:fault("no status comes: is it switched on?")
end

--- The intensity for the first pulse, then wait until the stream says that it is there and charged.
---@param io moonpulse.Link
---@param first moonpulse.Action
function M.arm(io, first)
  local status = M.status(io)
  local problem = fault_of(status)
  if problem then
    io:fault("%s", problem)
  end
  io:write(M.commands.set_intensity { percent = first.mso })
  status = await(io, 1, function(now) return now.intensity == first.mso end)
  if not status then
    io:fault("it did not take the intensity %d %%: it says %d %%", first.mso, io.dialect.status.intensity)
  end
  status = await(io, 10, function(now) return now.charged == 1 end)
  if not status then
    io:fault("it is not charged: arm it on its front panel (no command does)")
  end
  io.dialect.omitted = status.omitted_pulses
end

--- A pulse that was left out, in words.
local function missing(status)
  if (status.left_out or 0) > 0 then
    return ("the stimulator left out %d of its pulses: it was not charged in time"):format(status.left_out)
  end
end

--- After the safe frame: harmless is an intensity of 0; the unit stays armed until its panel is used.
---@return string? missing that the last pulse was left out shows in the stream only now
function M.disarm(io)
  local status = await(io, 0.5, function(now) return now.intensity == 0 end)
  if not status then
    io:fault("its intensity is not 0 %: turn it down, and disarm it, on its front panel")
  end
  return missing(status)
end

local sound -- the last status in which nothing was wrong: decode gives it again where the stream repeats it

--- What the stream says while a plan runs.
---@param reply table
function M.judge(reply)
  if reply == sound or reply.name ~= "status" then
    return nil -- the stream may begin, or lose a byte, anywhere; the next frame comes soon
  end
  local problem = fault_of(reply)
  if problem then
    return "fault", problem
  end
  local left_out = missing(reply)
  if left_out then
    return "fault", left_out
  end
  sound = reply
end

--- What the stream says of the settings that action needs.
function M.tells(reply, action)
  return reply.name == "status" and { ["the intensity"] = reply.intensity == action.mso
    or ("the intensity is %d %%, not %d %%"):format(reply.intensity, action.mso) } or nil
end

return M
