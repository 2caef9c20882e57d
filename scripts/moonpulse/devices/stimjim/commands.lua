--- Commands of StimJim (firmware stimjimPulser): lines of text, and back.
--
-- From open-ephys/stimjim d3ee6ad and the StimJimGUI client. The device checks little, so we do; a
-- command given with error= is sent as it is, to see what the device says.
local command = require "moonpulse.driver.command"

local M = {}

M.most_stages, M.most_mv, M.most_ua = 10, 15000, 3330

local whole = 2147483647
local error_arg = { "error", "text", optional = true, help = "nothing is checked" }
local engine = { "engine", "choice", { "T", "U" }, default = "T" }
local index = { "index", "integer", 0, 99999, help = "0 to 99" }
local channel = { "channel", "integer", 0, 1 }
local input = { "input", "integer", 0, 1 }

local function within(v, key, value, low, high)
  if not v.error and (value < low or value > high) then
    command.refuse("%s = %d is outside what a StimJim takes: %d to %d", key, value, low, high)
  end
  return value
end

local function checked_index(v)
  return within(v, "index", v.index, 0, 99)
end

--- "a0,a1,us/a0,a1,us" as a list of three whole numbers each.
local function stages_of(v, text)
  local list = {}
  for part in text:gmatch("[^/;]+") do
    local a0, a1, us = part:match("^%s*(%-?%d+)%s*,%s*(%-?%d+)%s*,%s*(%d+)%s*$")
    if not a0 then
      command.refuse("stages = %s: %q is not amplitude 0, amplitude 1, microseconds", text, part)
    end
    list[#list + 1] = { within(v, "amplitude", math.tointeger(a0), -M.most_mv, M.most_mv),
      within(v, "amplitude", math.tointeger(a1), -M.most_mv, M.most_mv),
      within(v, "a stage's microseconds", math.tointeger(us), 1, whole) }
  end
  if #list > M.most_stages and not v.error then
    command.refuse("%d stages: a StimJim has room for %d, and does not look", #list, M.most_stages)
  end
  return list
end

local example = { mode0 = 0, mode1 = 0, period_us = 1000, duration_us = 1000, stages = "1,1,100" }

local function set_train(v)
  local parts = {}
  for i, key in ipairs { "mode0", "mode1", "period_us", "duration_us" } do
    parts[i] = ("%d"):format(v[key] or v.error and example[key]
      or command.refuse("set_train needs %s", key))
  end
  local text = ("S%d,%s"):format(checked_index(v), table.concat(parts, ","))
  local stages = v.stages or v.error and example.stages or command.refuse("set_train needs stages")
  for _, stage in ipairs(stages_of(v, stages)) do
    text = text .. (";%d,%d,%d"):format(table.unpack(stage))
  end
  return text .. "\n"
end

local function line(format, ...)
  local keys = { ... }
  return function(v)
    local values = {}
    for i, key in ipairs(keys) do
      values[i] = v[key]
    end
    return format:format(table.unpack(values)) .. "\n"
  end
end

M.commands = command.named {
  set_train = command.new("Define a train.", {
    index, { "mode0", "integer", 0, 3, optional = true, help = "0 voltage, 1 current, 2 open, 3 grounded" },
    { "mode1", "integer", 0, 3, optional = true },
    { "period_us", "integer", 1, 4294967295, optional = true },
    { "duration_us", "integer", 0, 4294967295, optional = true },
    { "stages", "text", "^[%-%d,;/ ]+$", optional = true, form = "mV|uA,mV|uA,us/...",
      help = "amplitude of output 0, of output 1, microseconds" }, error_arg,
  }, set_train),
  query_train = command.new("Show a train.", { index, error_arg }, function(v)
    return ("S%d\n"):format(checked_index(v))
  end),
  start = command.new("Start a train.", { engine, index, error_arg }, function(v)
    return ("%s%d\n"):format(v.engine, checked_index(v))
  end),
  stop = command.new("Stop the train of a timer.", { engine, { "while", "text", optional = true } },
    line("%s-1", "engine")),
  set_mode = command.new("Set the mode of an output.", { channel, { "mode", "integer", 0, 3 }, error_arg },
    line("M%d,%d", "channel", "mode")),
  set_mv = command.new("Set an output to millivolts, now.",
    { channel, { "mv", "integer", -whole, whole, help = "-15000 to 15000" }, error_arg }, function(v)
      return ("V%d,%d\n"):format(v.channel, within(v, "mv", v.mv, -M.most_mv, M.most_mv))
    end),
  set_dac = command.new("Set an output to a value of its converter, now.",
    { channel, { "dac", "integer", -whole, whole, help = "-32768 to 32767" }, error_arg }, function(v)
      return ("A%d,%d\n"):format(v.channel, within(v, "dac", v.dac, -32768, 32767))
    end),
  read_adc = command.new("Read an output's converter.",
    { channel, { "line", "integer", 0, 1, help = "0 voltage, 1 current" } },
    line("E%d,%d", "channel", "line")),
  trigger_map = command.new("Let a rising edge of an input start a train.",
    { input, { "index", "integer", -1, 99999, help = "0 to 99; -1: none" },
      { "output", "integer", 0, 1, default = 0, help = "1: the input becomes an output" }, error_arg },
    function(v)
      return ("R%d,%d,%d\n"):format(v.input, within(v, "index", v.index, -1, 99), v.output)
    end),
  trigger_output = command.new("Let an input show the activity of its output.", { input },
    line("R%d,0,1", "input")),
  trigger_off = command.new("Let an input start nothing.", { input }, line("R%d,-1", "input")),
  offsets = command.new("Show the offsets.", {}, line("D")),
  cal_adc = command.new("Measure the offsets of the converters.", {}, line("B")),
  cal_dac = command.new("Measure the offsets of the outputs: RAMPS THEM.", {}, line("C")),
  identify = command.new("Ask for the firmware: stimjimPulser is silent, the AWG firmware answers.", {},
    line("IDN")),
}

-- Back ----------------------------------------------------------------------------------------------

local function int(text)
  return math.tointeger(tonumber(text))
end

local function two(name, first, second)
  return function(rest)
    local a, b = rest:match("^(%d+),(%-?%d+)$")
    return a and name, a and { [first] = int(a), [second] = int(b) }
  end
end

local function start_or_stop(letter)
  return function(rest)
    local number = int(rest:match("^%-?%d+$"))
    if number and number >= 0 then
      return "start", { engine = letter, index = number }
    end
    return number and "stop", { engine = letter }
  end
end

local function alone(name)
  return function(rest) return rest == "" and name or nil, {} end
end

local readers = {
  T = start_or_stop "T", U = start_or_stop "U", M = two("set_mode", "channel", "mode"),
  V = two("set_mv", "channel", "mv"), A = two("set_dac", "channel", "dac"),
  E = two("read_adc", "channel", "line"), D = alone "offsets", B = alone "cal_adc", C = alone "cal_dac",
  I = function(rest) return rest == "DN" and "identify" or nil, {} end,
  S = function(rest)
    local number, more = rest:match("^(%d+)(.*)$")
    if more == "" then
      return "query_train", { index = int(number) }
    end
    local mode0, mode1, period, duration, stages = rest:match("^%d+,(%d+),(%d+),(%d+),(%d+);(.+)$")
    return mode0 and "set_train", mode0 and { index = int(number), mode0 = int(mode0), mode1 = int(mode1),
      period_us = int(period), duration_us = int(duration), stages = (stages:gsub(";", "/")) }
  end,
  R = function(rest)
    local number, train, output = rest:match("^(%d),(%-?%d+),?(%-?%d*)$")
    if not number then
      return nil
    elseif int(train) < 0 and output == "" then
      return "trigger_off", { input = int(number) }
    elseif train == "0" and output == "1" then
      return "trigger_output", { input = int(number) }
    end
    return "trigger_map", { input = int(number), index = int(train), output = int(output) or 0 }
  end,
}

--- The command that a line is.
---@param bytes string
---@return string? name
---@return table|string|nil values, or why it is none
function M.explain(bytes)
  local letter, rest = bytes:match("^(%u)([^\r\n]*)\r?\n$")
  local reader = readers[letter]
  if not reader then
    return nil, "a command is a letter (A B C D E I M R S T U V), numbers, and a line end"
  end
  local name, values = reader(rest)
  if name then
    return name, values
  end
  return nil, ("%s has other numbers"):format(letter)
end

return M
