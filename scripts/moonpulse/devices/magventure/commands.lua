--- Commands of MagVenture MagPro stimulators: their bytes, and back.
--
-- Payloads from public programs (MAGIC ed58dd1 "magic/long/single", MagventureTMS d08ff84 "short");
-- numbers are rounded to the device's steps, never cut off.
local command = require "moonpulse.driver.command"

local M = {}

M.modes = { [0] = "Standard", "Power", "Twin", "Dual" }
M.waveforms = { [0] = "Monophasic", "Biphasic", "Halfsine", "Biphasic_Burst" }
M.models = { [0] = "R30", "X100", "R30+Option", "X100+Option", "R30+Option+Mono", "MST" }
M.directions = { [0] = "Normal", "Reverse" }
M.timings = { [0] = "Sequence", "External_Trig", "Ext_Seq_Start", "Ext_Seq_Cont" }

-- CRC-8/MAXIM: x^8 + x^5 + x^4 + 1, reflected, over the payload
local crc_table = {}
for value = 0, 255 do
  local crc = value
  for _ = 1, 8 do
    crc = (crc & 1) ~= 0 and (crc >> 1) ~ 0x8C or crc >> 1
  end
  crc_table[value] = crc
end

--- The CRC-8/MAXIM of a payload, which follows it in a frame.
---@param payload string
---@return integer
function M.checksum(payload)
  local crc = 0
  for i = 1, #payload do
    crc = crc_table[crc ~ payload:byte(i)]
  end
  return crc
end

local function framed(payload)
  return string.char(0xFE, #payload) .. payload .. string.char(M.checksum(payload), 0xFF)
end

local function frame(...)
  return framed(string.char(...))
end

local function index_of(list, name)
  for i = 0, #list do
    if list[i] == name then
      return i
    end
  end
end

local function choices(list)
  return table.move(list, 0, #list, 1, {})
end

--- Pages of the panel; clients set 1, 2, 3, 4 and 7.
local pages = { 1, 2, 3, 4, 6, 7, 8, 13, 15, 16, 17, 19 }

-- What the device can be set to, as spans { first, last, step } in the units of the wire
-- (MagventureTMS; inter-pulse intervals: MagProController).
M.single_intervals = { { 5, 100, 1 }, { 105, 200, 5 }, { 210, 1000, 10 } }
M.paired_intervals = { { 10, 100, 1 }, { 105, 200, 5 }, { 210, 1000, 10 }, { 1100, 5000, 100 },
  { 5500, 10000, 500 }, { 11000, 30000, 1000 } }
local any_interval = table.move(M.paired_intervals, 2, 6, 2, { { 5, 100, 1 } })
M.pulse_counts = { { 1, 1000, 1 }, { 1100, 2000, 100 } }
local rates = { { 1, 200, 1 }, { 210, 1000, 10 } } -- tenths above 1 Hz: an option of the device
local input_delays = { { 0, 100, 1 }, { 110, 1000, 10 }, { 1100, 65000, 100 } }
local output_delays = { { -1000, -110, 10 }, { -100, 100, 1 }, { 110, 1000, 10 } }
local charge_delays = { { 0, 100, 10 }, { 125, 4000, 25 }, { 4050, 12000, 50 } }

--- The value on spans that is nearest to one.
---@param spans integer[][]
---@param value integer
---@return integer
function M.nearest(spans, value)
  local best
  for _, span in ipairs(spans) do
    local first, last, step = table.unpack(span)
    local near = math.max(first, math.min(last, first + (value - first + step // 2) // step * step))
    if not best or math.abs(near - value) < math.abs(best - value) then
      best = near
    end
  end
  return best
end

--- The values of the spans next below and above one that lies between two; one of them where it lies outside.
---@param spans integer[][] { first, last, step }
---@param value integer
---@return integer[]
function M.neighbours(spans, value)
  local below, above
  for _, span in ipairs(spans) do
    local first, last, step = table.unpack(span)
    if first <= value then
      below = math.max(below or first, math.min(last, first + (value - first) // step * step))
    end
    if last >= value then
      local next_one = math.max(first, first - (first - value) // step * step)
      above = math.min(above or next_one, next_one)
    end
  end
  return { below or above, below and above }
end

--- value in steps of the device, which are on spans: what it would silently change is refused, with the
--- settings next to it.
local function on(spans, key, value, per_unit)
  local exact = value * per_unit
  local whole = math.floor(exact + 0.5)
  if math.abs(exact - whole) > 1e-6 or M.nearest(spans, whole) ~= whole then
    local near = M.neighbours(spans, exact)
    command.refuse("%s = %.10g is no setting that the device has; the nearest %s", key, value,
      near[2] and ("are %.10g and %.10g"):format(near[1] / per_unit, near[2] / per_unit)
        or ("is %.10g"):format(near[1] / per_unit))
  end
  return whole
end

--- value in steps of the device, refused where it lies between two.
local function steps(key, value, per_unit)
  local exact = value * per_unit
  local whole = math.floor(exact + 0.5)
  if math.abs(exact - whole) > 1e-6 then
    command.refuse("%s = %.10g lies between the device's steps of %g; %s", key, value, 1 / per_unit,
      command.nearest(value, per_unit))
  end
  return whole
end

-- who writes it so: MagventureTMS and MagProController short, MAGIC the others
local form = { "form", "choice", { "short", "long", "magic", "single" }, default = "short" }

local function train_numbers(v)
  return on(rates, "rate_hz", v.rate_hz, 10),
    on(M.pulse_counts, "pulses", v.pulses, 1), v.trains, steps("iti_s", v.iti_s, 10)
end

local train_args = {
  { "rate_hz", "number", 0.1, 100 }, { "pulses", "integer", 1, 2000 },
  { "trains", "integer", 1, 500 },
  { "iti_s", "number", 0.1, 300, help = "last pulse of a train to the first of the next" },
}
local delay_args = {
  { "in_ms", "number", 0, 6500 }, { "out_ms", "number", -100, 100 },
  { "charge_ms", "integer", 0, 12000 },
}

local function delays(v)
  return on(input_delays, "in_ms", v.in_ms, 10),
    on(output_delays, "out_ms", v.out_ms, 10),
    on(charge_delays, "charge_ms", v.charge_ms, 1)
end

--- MAGIC's rule for B/A is none: the device has steps of 0.05, and uses the ratio in Twin only.
local function ba_steps(v)
  return v.mode == "Twin" and on({ { 20, 500, 5 } }, "ba_ratio", v.ba_ratio, 100)
    or steps("ba_ratio", v.ba_ratio, 100)
end

local function fixed(help, ...)
  local payload = { ... }
  return command.new(help, { form }, function()
    return frame(table.unpack(payload))
  end)
end

--- Host to device, by the names of the vector files.
M.commands = command.named {
  get_status = fixed("Ask for the state.", 0x00),
  get_status2 = fixed("Ask for the whole state.", 0x05),
  get_mode = command.new("Ask for mode and waveform.", { form }, function(v)
    return framed(v.form == "short" and "\x09\0" or "\x09\0" .. ("\0"):rep(9))
  end),
  get_delays = fixed("Ask for the delays.", 0x0A, 0x00),
  get_train = fixed("Ask for the train.", 0x0B, 0x00),
  get_page = fixed("Ask for page and counts.", 0x0C, 0x00),
  enable = fixed("Enable.", 0x02, 0x01),
  disable = fixed("Disable.", 0x02, 0x00),
  start_train = fixed("Start the train.", 0x04),
  fire = command.new("Fire one pulse, pair or burst.", { form }, function(v)
    return v.form == "short" and frame(0x03) or frame(0x03, 0x01)
  end),
  set_amplitude = command.new("Set the amplitude.", {
    { "a", "integer", 0, 100, help = "%MSO" }, { "b", "integer", 0, 100, default = 0 },
    form,
  }, function(v)
    return v.form == "single" and frame(0x01, v.a) or frame(0x01, v.a, v.b)
  end),
  set_page = command.new("Show a page.", { { "page", "choice", pages }, form },
    function(v)
      return v.form == "short" and frame(0x07, v.page) or frame(0x07, v.page, 0)
    end),
  set_mode = command.new("Set mode, waveform, burst and interval.", {
    { "model", "choice", choices(M.models) }, { "mode", "choice", choices(M.modes) },
    { "direction", "choice", choices(M.directions) }, { "waveform", "choice", choices(M.waveforms) },
    { "burst_pulses", "integer", 2, 5 }, { "ipi_ms", "number", 0.5, 3000 },
    { "ba_ratio", "number", 0.2, 5, default = 1 }, form,
  }, function(v)
    return framed(string.pack(">BBBBBBBI2I2", 0x09, 0x01, index_of(M.models, v.model),
      index_of(M.modes, v.mode), index_of(M.directions, v.direction),
      index_of(M.waveforms, v.waveform), 5 - v.burst_pulses,
      on(any_interval, "ipi_ms", v.ipi_ms, 10), ba_steps(v)))
  end),
  set_train = command.new("Set the train (on page Timing).", train_args, function(v)
    return framed(string.pack(">BI2I2I2I2", 0x06, train_numbers(v)))
  end),
  set_train_ext = command.new("Set the train and what starts it.", {
    train_args[1], train_args[2], train_args[3], train_args[4],
    { "timing", "choice", choices(M.timings), default = "Sequence" },
    { "warn", "integer", 0, 1, default = 1, help = "sound before each train" },
    { "ramp_up", "number", 0.7, 1, optional = true, help = "sent by MagventureTMS; not obeyed" },
    { "ramp_trains", "integer", 1, 10, default = 10 },
  }, function(v)
    local rate, pulses, trains, iti = train_numbers(v)
    local ramp = v.ramp_up and string.char(steps("ramp_up", v.ramp_up, 100), v.ramp_trains) or ""
    return framed(string.pack(">BBBI2I2I2I2B", 0x0B, 0x01, index_of(M.timings, v.timing), rate, pulses,
      trains, iti, v.warn) .. ramp)
  end),
  -- the steps of the delays are those of the other form; no source says what this one does between
  set_delays = command.new("Set the delays.", delay_args, function(v)
    return framed(string.pack(">BI2i2I2I2", 0x08, steps("in_ms", v.in_ms, 10),
      steps("out_ms", v.out_ms, 10), v.charge_ms, 0))
  end),
  set_delays_ext = command.new("Set the delays (undocumented form).", delay_args, function(v)
    local into, out, charge = delays(v)
    return framed(string.pack(">BBI2i2I2", 0x0A, 0x01, into, out, charge))
  end),
}

local known = {}
for _, name in ipairs { "get_status", "get_status2", "get_mode", "get_delays", "get_train", "get_page",
  "enable", "disable", "start_train", "fire" } do
  known[M.commands[name] {}] = { name, {} }
end
for _, name in ipairs { "get_mode", "fire" } do
  known[M.commands[name] { form = "long" }] = { name, { form = "long" } }
end

local function tenths(value)
  return value / 10
end

local readers = {
  [0x01] = function(p)
    if #p == 2 then
      return "set_amplitude", { a = p:byte(2), form = "single" }
    elseif #p == 3 then
      return "set_amplitude", { a = p:byte(2), b = p:byte(3) }
    end
  end,
  [0x07] = function(p)
    return "set_page", { page = p:byte(2), form = #p == 3 and "long" or "short" }
  end,
  [0x09] = function(p)
    if #p ~= 11 then
      return nil
    end
    local _, _, model, mode, direction, waveform, burst, ipi, ratio = (">BBBBBBBI2I2"):unpack(p)
    return "set_mode", { model = M.models[model], mode = M.modes[mode],
      direction = M.directions[direction], waveform = M.waveforms[waveform],
      burst_pulses = 5 - burst, ipi_ms = tenths(ipi), ba_ratio = ratio / 100 }
  end,
  [0x06] = function(p)
    local _, rate, pulses, trains, iti = (">BI2I2I2I2"):unpack(p)
    return "set_train", { rate_hz = tenths(rate), pulses = pulses, trains = trains,
      iti_s = tenths(iti) }
  end,
  [0x0B] = function(p)
    local _, _, timing, rate, pulses, trains, iti, warn = (">BBBI2I2I2I2B"):unpack(p)
    return "set_train_ext", { rate_hz = tenths(rate), pulses = pulses, trains = trains,
      iti_s = tenths(iti), timing = M.timings[timing], warn = warn,
      ramp_up = #p == 14 and p:byte(13) / 100 or nil, ramp_trains = p:byte(14) }
  end,
  [0x08] = function(p)
    local _, into, out, charge = (">BI2i2I2"):unpack(p)
    return "set_delays", { in_ms = tenths(into), out_ms = tenths(out), charge_ms = charge }
  end,
  [0x0A] = function(p)
    local _, _, into, out, charge = (">BBI2i2I2"):unpack(p)
    return "set_delays_ext", { in_ms = tenths(into), out_ms = tenths(out), charge_ms = charge }
  end,
}

--- The command that bytes are.
---@param bytes string one frame
---@return string? name
---@return table|string|nil values, or why it is none
function M.explain(bytes)
  if #bytes < 5 or bytes:byte(1) ~= 0xFE or bytes:byte(2) ~= #bytes - 4 or bytes:byte(-1) ~= 0xFF then
    return nil, "a frame is FE, the payload's length, the payload, its checksum, FF"
  end
  local payload = bytes:sub(3, -3)
  if M.checksum(payload) ~= bytes:byte(-2) then
    return nil, "the checksum is wrong"
  elseif known[bytes] then
    return known[bytes][1], known[bytes][2]
  end
  local reader = readers[payload:byte(1)]
  if reader then
    local ok, name, values = pcall(reader, payload)
    if ok then
      return name, values
    end
  end
end

return M
