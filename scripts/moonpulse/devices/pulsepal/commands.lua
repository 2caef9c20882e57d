--- Commands of the Sanworks Pulse Pal 2: their bytes, and back.
--
-- Op codes, orders and encodings from sanworks/PulsePal ecdbcf4 (firmware 2.0.1 and its Python
-- client). Every message begins with D5; numbers are little-endian; there is no checksum. Times are
-- cycles of 50 us, volts are 16 bits from -10 V to +10 V.
local command = require "moonpulse.driver.command"

local M = {}

local cycles_per_s, longest_s = 20000, 1800
M.step_volts = 10 / 32768 -- of its converter, whose 16 bits are -10 V and up
M.most_volts = 10 - M.step_volts
M.most_pulses = 5000 -- of a custom train: the box does not check, and writes past its memory

--- Parameters by their numbers: name, kind, highest value. Times and volts are checked by their kind;
--- the zeros of `at_least` 1 leave an output on for the whole train (firmware 2.0.1, run).
local parameters = {
  [1] = { "isBiphasic", "value", 1 }, [2] = { "phase1Voltage", "volts" },
  [3] = { "phase2Voltage", "volts" }, [4] = { "phase1Duration", "s", at_least = 1 },
  [5] = { "interPhaseInterval", "s" }, [6] = { "phase2Duration", "s" },
  [7] = { "interPulseInterval", "s", at_least = 1 }, [8] = { "burstDuration", "s" },
  [9] = { "interBurstInterval", "s" }, [10] = { "pulseTrainDuration", "s" },
  [11] = { "pulseTrainDelay", "s" }, [12] = { "linkTriggerChannel1", "value", 1 },
  [13] = { "linkTriggerChannel2", "value", 1 }, [14] = { "customTrainID", "value", 2 },
  [15] = { "customTrainTarget", "value", 1 }, [16] = { "customTrainLoop", "value", 1 },
  [17] = { "restingVoltage", "volts" }, [128] = { "triggerMode", "value", 2 },
}
local numbers = {}
for number, parameter in pairs(parameters) do
  numbers[parameter[1]] = number
end

local formats = { value = "<B", volts = "<I2", s = "<I4" }

--- Seconds as cycles; refused between two of them, or where the box could not bear it.
---@param key string for the sentence
---@param seconds number
---@param at_least integer? cycles
---@return integer
function M.cycles(key, seconds, at_least)
  local exact = seconds * cycles_per_s
  local whole = math.floor(exact + 0.5)
  if seconds < 0 or seconds > longest_s then
    command.refuse("%s = %.10g s is no time from 0 to %d s", key, seconds, longest_s)
  elseif math.abs(exact - whole) > 1e-6 then
    command.refuse("%s = %.10g s lies between the Pulse Pal's steps of 50 us; %s", key, seconds,
      command.nearest(seconds, cycles_per_s, " s", at_least or 0))
  elseif whole < (at_least or 0) then
    command.refuse("%s = %.10g s: the Pulse Pal needs at least one step of 0.00005 s here, or its output "
      .. "stays on", key, seconds)
  end
  return math.tointeger(whole)
end

local function bits_of(volts)
  return math.ceil((volts + 10) / 20 * 65535)
end

--- Volts as the box's 16 bits: the step above, as its makers do, so that 0, 5 and -5 V are 32768,
--- 49152 and 16384.
---@param key string for the sentence that refuses
---@param volts number -10 to 10
---@return integer
function M.bits(key, volts)
  if volts < -10 or volts > 10 then
    command.refuse("%s = %.10g V is no voltage from -10 to 10 V", key, volts)
  end
  return bits_of(volts)
end

--- The shortest number of volts that becomes these bits.
local function volts_of(bits)
  local highest = bits / 65535 * 20 - 10
  for digits = 0, 6 do
    local scale = 10 ^ digits
    local volts = math.floor(highest * scale) / scale
    if bits_of(volts) == bits then
      return volts
    end
  end
  return highest
end

local function encode_value(number, value)
  local parameter = parameters[number]
  local key, kind = parameter[1], parameter[2]
  if kind == "s" then
    return M.cycles(key, value, parameter.at_least)
  elseif kind == "volts" then
    return M.bits(key, value)
  end
  return command.value({ key, "integer", 0, parameter[3] }, value)
end

local function decode_value(number, raw)
  local kind = parameters[number][2]
  return kind == "s" and raw / cycles_per_s or kind == "volts" and volts_of(raw) or raw
end

local function message(op, format, ...)
  return string.pack("<BB" .. format, 0xD5, op, ...)
end

-- One parameter -----------------------------------------------------------------------------------

local function set_param(v)
  local number = v.param or numbers[v.name]
  local parameter = parameters[number]
  if not parameter then
    command.refuse("there is no parameter %s: they are 1 to 17, and 128", v.param or v.name)
  elseif v.name and numbers[v.name] ~= number then
    command.refuse("parameter %d is %s, not %s", number, parameter[1], v.name)
  elseif number == 128 and v.channel > 2 then
    command.refuse("channel = %d: triggerMode belongs to a trigger input, 1 or 2", v.channel)
  end
  local kind = parameter[2]
  for _, other in ipairs { "value", "volts", "s" } do
    if (v[other] ~= nil) ~= (other == kind) then
      command.refuse("%s needs %s%s", parameter[1], kind,
        v[other] ~= nil and other ~= kind and ", not " .. other or "")
    end
  end
  return message(74, "BB" .. formats[kind]:sub(2), number, v.channel, encode_value(number, v[kind]))
end

-- All parameters ------------------------------------------------------------------------------------

-- the order of op 73: each group channel by channel; then the links, then the trigger modes
local order = { { 4, 5, 6, 7, 8, 9, 10, 11 }, { 2, 3, 17 }, { 1, 14, 15, 16 } }
local defaults = { -- what the Python client sends when it connects
  isBiphasic = 0, phase1Voltage = 5, phase2Voltage = -5, phase1Duration = 0.001,
  interPhaseInterval = 0.001, phase2Duration = 0.001, interPulseInterval = 0.01, burstDuration = 0,
  interBurstInterval = 0, pulseTrainDuration = 1, pulseTrainDelay = 0, linkTriggerChannel1 = 1,
  linkTriggerChannel2 = 0, customTrainID = 0, customTrainTarget = 0, customTrainLoop = 0,
  restingVoltage = 0, triggerMode = 0,
}

--- The value of a parameter for one channel: one number holds for all.
local function value_for(v, number, channel)
  local name = parameters[number][1]
  local list, wanted = v[name], number == 128 and 2 or 4
  if list and #list ~= 1 and #list ~= wanted then
    command.refuse("%s has %d values: it takes 1, or %d", name, #list, wanted)
  end
  return encode_value(number, list and (list[channel] or list[1]) or defaults[name])
end

--- Visit what op 73 holds, in its order: visit(parameter number, channel).
local function walk(visit)
  for _, group in ipairs(order) do
    for channel = 1, 4 do
      for _, number in ipairs(group) do
        visit(number, channel)
      end
    end
  end
  for _, number in ipairs { 12, 13 } do
    for channel = 1, 4 do
      visit(number, channel)
    end
  end
  visit(128, 1)
  visit(128, 2)
end

local function sync_all(v)
  local parts = { "\xD5\x49" }
  walk(function(number, channel)
    parts[#parts + 1] = formats[parameters[number][2]]:pack(value_for(v, number, channel))
  end)
  return table.concat(parts)
end

local function sync_args()
  local args = { { "defaults", "integer", 0, 1, optional = true,
    help = "what is not given is as the maker's Python client sets it" } }
  for _, number in ipairs { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 128 } do
    local parameter = parameters[number]
    local kind = parameter[2]
    args[#args + 1] = { parameter[1], "numbers", kind == "volts" and -10 or 0,
      kind == "volts" and 10 or kind == "s" and longest_s or parameter[3], optional = true,
      help = number == 128 and "trigger inputs 1 and 2" or "channels 1 to 4" }
  end
  return args
end

-- Custom trains -------------------------------------------------------------------------------------

--- A custom train from cycles and bits: { id, cycles = {...}, bits = {...} }.
---@param id integer 1 or 2
---@param cycles integer[] onsets, in cycles of the box
---@param bits integer[] volts of each, as its 16 bits
---@return string
function M.custom(id, cycles, bits)
  local parts = { message(74 + id, "I4", #cycles) }
  for i, each in ipairs(cycles) do
    parts[i + 1] = ("<I4"):pack(each)
  end
  for _, each in ipairs(bits) do
    parts[#parts + 1] = ("<I2"):pack(each)
  end
  return table.concat(parts)
end

local function checked_custom(id, times, volts)
  if #times ~= #volts then
    command.refuse("%d times and %d voltages: each pulse needs both", #times, #volts)
  elseif #times > M.most_pulses then
    command.refuse("%d pulses: a custom train has at most %d", #times, M.most_pulses)
  end
  local cycles, bits = {}, {}
  for i, seconds in ipairs(times) do
    cycles[i], bits[i] = M.cycles("times_s", seconds), M.bits("volts", volts[i])
    if i > 1 and cycles[i] <= cycles[i - 1] then
      command.refuse("times_s: %.10g s does not come after %.10g s", seconds, times[i - 1])
    end
  end
  return M.custom(id, cycles, bits)
end

local function custom_waveform(v)
  local width, times = M.cycles("width_s", v.width_s, 1), {}
  for i = 1, #v.volts do
    times[i] = (i - 1) * width / cycles_per_s
  end
  return checked_custom(v.id, times, v.volts)
end

-- The rest ------------------------------------------------------------------------------------------

local function display(v)
  local text = v.line1 .. (v.line2 and "\xFE" .. v.line2 or "")
  if #text > 255 then
    command.refuse("%d characters are more than a display message holds (255)", #text)
  end
  return message(78, "s1", text)
end

local channel, volts = { "channel", "integer", 1, 4 }, { "volts", "numbers", -10, 10 }
local train_id = { "id", "integer", 1, 2, help = "custom train 1 or 2" }

M.commands = command.named {
  handshake = command.new("Ask who is there.", {}, function() return message(72, "") end),
  client_id = command.new("Show who controls the box.",
    { { "id", "text", "^......$", form = "6 characters" } },
    function(v) return message(89, "") .. v.id end),
  sync_all = command.new("Program all channels and trigger inputs.", sync_args(), sync_all),
  set_param = command.new("Program one parameter of one channel.", {
    { "param", "integer", 1, 128, optional = true },
    { "name", "text", "^%w+$", optional = true, form = "the parameter's name, or its number as param" },
    channel, { "value", "integer", 0, 255, optional = true },
    { "volts", "number", -10, 10, optional = true }, { "s", "number", 0, longest_s, optional = true },
  }, set_param),
  custom_train = command.new("Program a custom train: times and voltages of its pulses.",
    { train_id, { "times_s", "numbers", 0, longest_s }, volts },
    function(v) return checked_custom(v.id, v.times_s, v.volts) end),
  custom_waveform = command.new("Program a custom train of samples that follow each other.",
    { train_id, { "width_s", "number", 0, longest_s, help = "of a sample" }, volts }, custom_waveform),
  trigger = command.new("Start the trains of channels.",
    { { "mask", "integer", 0, 15, help = "1 + 2 + 4 + 8 for channels 1 to 4" } },
    function(v) return message(77, "B", v.mask) end),
  fixed_voltage = command.new("Set a channel to a voltage.", { channel, { "volts", "number", -10, 10 } },
    function(v) return message(79, "BI2", v.channel, M.bits("volts", v.volts)) end),
  continuous = command.new("Loop a channel's train without end: 1 starts it at once, 0 ends it.",
    { channel, { "state", "integer", 0, 1 } },
    function(v) return message(82, "BB", v.channel, v.state) end),
  display = command.new("Show text on the box.",
    { { "line1", "text" }, { "line2", "text", optional = true } }, display),
  abort = command.new("End all trains.", {}, function() return message(80, "") end),
  disconnect = command.new("End all trains, and the connection.", {},
    function() return message(81, "") end),
}

-- Back ----------------------------------------------------------------------------------------------

local readers = {}

local function exactly(format, bytes)
  return #bytes == format:packsize() and { format:unpack(bytes) } or nil
end

readers[72] = function(rest) return rest == "" and "handshake" or nil, {} end
readers[80] = function(rest) return rest == "" and "abort" or nil, {} end
readers[81] = function(rest) return rest == "" and "disconnect" or nil, {} end
readers[89] = function(rest) return #rest == 6 and "client_id" or nil, { id = rest } end

readers[73] = function(rest)
  if #rest ~= 178 then
    return nil
  end
  local values, at = {}, 1
  walk(function(number, place)
    local name = parameters[number][1]
    local raw
    raw, at = formats[parameters[number][2]]:unpack(rest, at)
    values[name] = values[name] or {}
    values[name][place] = decode_value(number, raw)
  end)
  return "sync_all", values
end

readers[74] = function(rest)
  local number = rest:byte(1)
  local parameter = parameters[number]
  local got = parameter and exactly("<BB" .. formats[parameter[2]]:sub(2), rest)
  if got then
    return "set_param", { param = number, name = parameter[1], channel = got[2],
      [parameter[2]] = decode_value(number, got[3]) }
  end
end

local function custom_reader(id)
  return function(rest)
    local count = #rest >= 4 and ("<I4"):unpack(rest)
    if not count or #rest ~= 4 + 6 * count then
      return nil
    end
    local values = { id = id, times_s = {}, volts = {} }
    for i = 1, count do
      values.times_s[i] = ("<I4"):unpack(rest, 1 + 4 * i) / cycles_per_s
      values.volts[i] = volts_of((("<I2"):unpack(rest, 3 + 4 * count + 2 * i)))
    end
    return "custom_train", values
  end
end
readers[75], readers[76] = custom_reader(1), custom_reader(2)

readers[77] = function(rest) return #rest == 1 and "trigger" or nil, { mask = rest:byte(1) } end

readers[78] = function(rest)
  if #rest > 0 and rest:byte(1) == #rest - 1 then
    local first, second = rest:sub(2):match("^([^\xFE]*)\xFE?(.*)$")
    return "display", { line1 = first, line2 = rest:find("\xFE", 2, true) and second or nil }
  end
end

readers[79] = function(rest)
  local got = exactly("<BI2", rest)
  return got and "fixed_voltage", got and { channel = got[1], volts = volts_of(got[2]) }
end

readers[82] = function(rest)
  return #rest == 2 and "continuous" or nil, { channel = rest:byte(1), state = rest:byte(2) }
end

--- The command that bytes are.
---@param bytes string one message
---@return string? name
---@return table|string|nil values, or why it is none
function M.explain(bytes)
  local reader = readers[bytes:byte(2)]
  if bytes:byte(1) ~= 0xD5 or not reader then
    return nil, "a message is D5, an op code (72 to 82, 89), and what belongs to it"
  end
  local name, values = reader(bytes:sub(3))
  if name then
    return name, values
  end
  return nil, ("op %d has another length"):format(bytes:byte(2))
end

return M
