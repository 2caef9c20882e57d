--- Commands and replies of the Rapid² family: their lengths depend on the unit's software.
--
-- From MagPy 92bf2d0, MAGIC ed58dd1 rapid.m and Rapid2 96b9528; where they differ (the extended
-- status, the length of set_charge_delay's reply) MAGIC's reading, which Magstim confirmed there.
local command = require "moonpulse.driver.command"
local frames = require "moonpulse.devices.magstim.frames"

local M = {}

local version = { "version", "text", "^%d+[%d.]*$", form = "11.0", default = "11.0",
  help = "the unit's software" }

--- The first number of a version: 9 for "9.0"; nil where nothing is known.
---@param text string|number|nil
function M.major(text)
  return text and math.tointeger(tonumber(tostring(text):match("%d+")))
end

--- A number with the digits that the software takes: old below version from, new from it on.
local function digits(letter, value, v, from, old, new)
  return frames.frame(("%s%0" .. (M.major(v.version) < from and old or new) .. "d"):format(letter,
    value))
end

local commands = frames.common()
M.commands = commands

commands.remote_on = command.new("Take remote control; from version 9 on with the unit's code.", {
  version,
  { "code", "text", "^" .. ("[%g]"):rep(16) .. "$", form = "xxxx-xxxxxxxx-xx", optional = true,
    help = "the unlock code that Magstim gives for each unit" },
}, function(v) return frames.frame("Q" .. (v.code or "@")) end)

commands.keepalive = command.new("Say that the host is there.", { version }, function(v)
  return frames.frame(M.major(v.version) < 9 and "Q@" or "x@")
end)

commands.set_power = frames.power("Set the power (over 100 in enhanced mode only).", "@", 110)

commands.set_frequency = command.new("Set the rate of trains.", {
  version, { "hz", "number", 0, 100, help = "in tenths" },
}, function(v) return frames.frame(("B%04d"):format(frames.steps("hz", v.hz, 10))) end)

commands.set_pulses = command.new("Set the number of pulses in a train.", {
  version, { "n", "integer", 0, 6000 },
}, function(v) return digits("D", v.n, v, 9, 4, 5) end)

commands.set_duration = command.new("Set how long a train lasts; 0 leaves train mode.", {
  version, { "s", "number", 0, 999.9, help = "in tenths; up to 99.9 before version 9" },
}, function(v)
  if M.major(v.version) < 9 and v.s > 99.9 then
    command.refuse("s = %g: versions before 9 take at most 99.9", v.s)
  end
  return digits("[", frames.steps("s", v.s, 10), v, 9, 3, 4)
end)

commands.rtms_on = command.new("Enter train mode (in standby).", { version },
  function(v) return digits("[", 10, v, 9, 3, 4) end)
commands.rtms_off = command.new("Leave train mode (in standby).", { version },
  function(v) return digits("[", 0, v, 9, 3, 4) end)

commands.get_params = command.new("Ask for the settings.", { version },
  function() return frames.frame("\\@") end)
commands.get_version = command.new("Ask for the software's version.", { version },
  function() return frames.frame("ND") end)
commands.enhanced_on = frames.plain("Allow up to 110 %, at 0.5 Hz (single pulses, standby).", "^@")
commands.enhanced_off = frames.plain("Up to 100 % again.", "_@")
commands.ignore_interlock = frames.plain("Fire without the coil's switch held.", "b@")
commands.get_error = frames.plain("Ask for the error code.", "I@")

--- From version 9 on.
local function recent(v, what)
  if M.major(v.version) < 9 then
    command.refuse("version = %s: %s came with version 9", v.version, what)
  end
end

commands.get_status = command.new("Ask for the whole status (from version 9 on).", { version },
  function(v)
    recent(v, "get_status")
    return frames.frame("x@")
  end)
commands.get_charge_delay = command.new("Ask for the charge delay (from version 9 on).", { version },
  function(v)
    recent(v, "get_charge_delay")
    return frames.frame("o@")
  end)
commands.set_charge_delay = command.new("Set the charge delay (from version 9 on).", {
  version, { "ms", "integer", 0, 10000, help = "up to 2000 in version 9" },
}, function(v)
  recent(v, "set_charge_delay")
  if M.major(v.version) == 9 and v.ms > 2000 then
    command.refuse("ms = %d: version 9 takes at most 2000", v.ms)
  end
  return digits("n", v.ms, v, 10, 4, 5)
end)

for _, each in pairs(command.named(commands)) do -- all take the version, also where it changes nothing
  if not (each.args[1] and each.args[1][1] == "version") then
    table.insert(each.args, 1, version)
  end
end

-- Replies ------------------------------------------------------------------------------------------

local rapid_bits = { "enhanced", "train", "wait", "single_pulse", "hv_psu", "coil_ready",
  "theta_psu", "modified_coil_algorithm" }
local extended_bits = { "plus1", "special_trigger", "charge_delay_set" }

local function rapid_status(reply, data)
  frames.bits(reply, data:byte(1), rapid_bits)
  if #data == 3 then -- the low byte of the extended status comes last (MAGIC; MagPy reads the other)
    frames.bits(reply, data:byte(3), extended_bits)
  end
end

--- A length that depends on the version. Where that is not known: what the message has, or else the
--- shortest that has a right check byte.
---@param sizes integer[] rising
---@param by_version fun(major: integer): integer
local function length_of(sizes, by_version)
  return function(buffer, dialect)
    local major = M.major(dialect and dialect.version)
    if major then
      return by_version(major)
    end
    for _, size in ipairs(sizes) do
      if dialect and dialect.whole and #buffer == size then
        return size
      end
    end
    for _, size in ipairs(sizes) do
      if #buffer >= size and frames.valid(buffer:sub(1, size)) then
        return size
      end
    end
    return sizes[#sizes]
  end
end

-- by the length of the data: where the digits of power, rate, pulses, duration and wait end
local layouts = { [18] = { 3, 7, 11, 14, 17 }, [19] = { 3, 7, 11, 14, 18 },
  [21] = { 3, 7, 12, 16, 20 } }

local function params(reply, data)
  rapid_status(reply, data:sub(1, 1))
  local numbers, from = {}, 1
  for i, last in ipairs(layouts[#data]) do
    numbers[i] = frames.number(data:sub(from + 1, last + 1))
    if not numbers[i] then
      return false
    end
    from = last + 1
  end
  reply.power, reply.hz, reply.pulses = numbers[1], numbers[2] / 10, numbers[3]
  reply.s, reply.wait_s = numbers[4] / 10, numbers[5] / 10
end

local replies = frames.common_replies()

replies["\\"] = { name = "get_params", read = params, length = length_of({ 21, 22, 24 },
  function(major) return major < 7 and 21 or major < 9 and 22 or 24 end) }
replies["N"] = { name = "get_version", bare = true, length = function(buffer)
  local zero = buffer:find("\0", 2, true)
  return zero and zero + 1 or #buffer > 24 and 3 or nil -- so long without an end: no version
end, read = function(reply)
  reply.version = reply.bytes:match("^N%a?(%d[%d.]*)")
  return reply.version ~= nil
end }
for letter, name in pairs { B = "set_frequency", D = "set_pulses", ["["] = "set_duration",
  ["^"] = "enhanced_on", ["_"] = "enhanced_off" } do
  replies[letter] = { name = name, length = 4, read = rapid_status }
end
replies["b"] = { name = "ignore_interlock", length = 3 }
replies["x"] = { name = "get_status", length = 6, read = rapid_status }
replies["n"] = { name = "set_charge_delay", read = rapid_status, length = length_of({ 4, 6 },
  function(major) return major < 10 and 4 or 6 end) }
replies["o"] = { name = "get_charge_delay", length = length_of({ 7, 8 },
  function(major) return major < 10 and 7 or 8 end), read = function(reply, data)
    reply.charge_delay_ms = frames.number(data)
    return reply.charge_delay_ms ~= false
  end }
replies["I"] = { name = "get_error", length = 6, read = function(reply, data)
  reply.error_code = data
end }

local all_bits = table.move(extended_bits, 1, #extended_bits, #rapid_bits + 1,
  table.move(rapid_bits, 1, #rapid_bits, 1, {}))

M.replies = frames.reply_fields(replies, {
  get_params = { "power", "hz:%.1f", "pulses", "s:%.1f", "wait_s:%.1f" },
  get_temperature = { "coil1_c:%.1f", "coil2_c:%.1f" },
  get_version = { "version" }, get_error = { "error_code" }, get_charge_delay = { "charge_delay_ms" },
}, {
  get_params = rapid_bits, set_frequency = rapid_bits, set_pulses = rapid_bits,
  set_duration = rapid_bits, enhanced_on = rapid_bits, enhanced_off = rapid_bits,
  get_status = all_bits, set_charge_delay = all_bits,
})

function M.decode(buffer, dialect)
  return frames.decode(buffer, replies, dialect)
end

local fixed = frames.fixed(commands, { "remote_on", "remote_off", "get_temperature", "arm", "fire",
  "disarm", "get_params", "get_version", "enhanced_on", "enhanced_off", "ignore_interlock",
  "get_error", "get_status", "get_charge_delay" })

--- Pattern, command, key, how many a unit, and the version that so many digits mean.
local shapes = {
  { "^@(%d%d%d).$", "set_power", "percent", 1 },
  { "^B(%d%d%d%d).$", "set_frequency", "hz", 10 },
  { "^D(%d%d%d%d).$", "set_pulses", "n", 1, "8.0" }, { "^D(%d%d%d%d%d).$", "set_pulses", "n", 1, "9.0" },
  { "^%[(%d%d%d).$", "set_duration", "s", 10, "8.0" }, { "^%[(%d%d%d%d).$", "set_duration", "s", 10, "9.0" },
  { "^n(%d%d%d%d).$", "set_charge_delay", "ms", 1, "9.0" },
  { "^n(%d%d%d%d%d).$", "set_charge_delay", "ms", 1, "10.0" },
}

--- The version that was told where it takes so many digits; else one that does.
local function version_of(dialect, shape, value, bytes)
  local told = dialect and dialect.version
  if not (told and shape[5]) then
    return shape[5]
  end
  local ok, again = pcall(commands[shape[2]], { version = told, [shape[3]] = value })
  return ok and again == bytes and told or shape[5]
end

--- The command that bytes are.
function M.explain(bytes, dialect)
  if not frames.valid(bytes) then
    return nil, "the check byte is wrong"
  elseif fixed[bytes] then
    return fixed[bytes], {}
  end
  local code = bytes:match("^Q(" .. ("."):rep(16) .. ").$")
  if code then
    return "remote_on", { code = code }
  end
  for _, shape in ipairs(shapes) do
    local number = bytes:match(shape[1])
    if number then
      local value = math.tointeger(tonumber(number))
      value = shape[4] == 1 and value or value / shape[4]
      return shape[2], { [shape[3]] = value, version = version_of(dialect, shape, value, bytes) }
    end
  end
end

return M
