--- What a driver must be (docs/drivers.md), checked when it loads: what is missing, and where.
local core = require "moonpulse.core"
local lfs = require "lfs"
local lists = require "moonpulse.text.lists"

local M = {}

local function is(kind)
  return function(value)
    return type(value) == kind, "a " .. kind
  end
end

local function number_from(low, high)
  return function(value)
    return type(value) == "number" and value >= low and value <= high,
      ("a number of seconds from %g to %g"):format(low, high)
  end
end

local function whole_from(low, high)
  return function(value)
    return type(value) == "number" and math.tointeger(value) ~= nil and value >= low and value <= high,
      ("a whole number from %d to %d"):format(low, high)
  end
end

local function one_of(...)
  local list = { ... }
  return function(value)
    for _, known in ipairs(list) do
      if value == known then
        return true
      end
    end
    return false, "one of " .. table.concat(list, ", ")
  end
end

local function either(first, second)
  return function(value)
    local ok, wanted = first(value)
    if ok then
      return true
    end
    local also, other = second(value)
    return also, wanted .. " or " .. other
  end
end

local text, method, seconds = is "string", is "function", number_from(0, 10)

--- path, what it must be, optional
local fields = {
  { "name", text }, { "description", text },
  { "proof", one_of("simulated", "hardware", "experimental") },
  { "simulator", text, true }, { "serial", either(is "table", method) }, { "usb", is "table", true },
  { "latency", either(seconds, method) }, { "latency_from", text, true },
  { "trigger_latency", seconds, true },
  { "reply_slow", seconds, true }, { "reply_timeout", number_from(0.001, 60) },
  { "note", method, true }, { "disarmed", text, true }, { "proves_end", is "boolean", true },
  { "confirms", either(is "boolean", method), true }, { "options", is "table", true },
  { "commands", is "table" }, { "replies", is "table" }, { "decode", method },
  { "explain", method, true }, { "limits", method }, { "connect", method }, { "arm", method },
  { "load", method, true }, { "disarm", method }, { "status", method },
  { "encode", either(is "table", method) },
  { "encode.pulse", method }, { "encode.set", method }, { "encode.train", method, true },
  { "encode.ask", method, true }, { "encode.reports", method, true }, { "encode.together", method, true },
  { "encode.other_way", is "boolean", true }, { "trigger_delay", method, true },
  { "safe", either(text, method) }, { "safe_line", is "boolean", true }, { "safe_answer", text, true },
  { "trigger_confirms", is "boolean", true }, { "keepalive", either(is "table", method), true },
  { "keepalive.bytes", text }, { "keepalive.period", number_from(0.01, 60) },
  { "keepalive.answered", is "boolean", true }, { "judge", method }, { "confirms_for", method, true },
  { "tells", method, true },
  { "setting_proof", either(one_of("read", "received", "none"), method), true },
  { "measures", is "table", true }, { "pulse_of", method, true }, { "panel_of", method, true },
}

local serial_fields = {} -- as the engine takes them
for i, field in ipairs(core.serial_fields) do
  serial_fields[i] = { field[1], field.names and one_of(table.unpack(field.names))
    or whole_from(field.low, field.high) }
end

local function get(driver, path)
  local value = driver
  for part in path:gmatch("[^.]+") do
    if type(value) ~= "table" then
      return nil, false
    end
    value = value[part]
  end
  return value, true
end

local function check_fields(list, holder, prefix, problems)
  for _, field in ipairs(list) do
    local path, test, optional = field[1], field[2], field[3]
    local value, reached = get(holder, path)
    local ok, wanted = test(value)
    local skip = not reached or value == nil and optional
      or path:find("^keepalive%.") and holder.keepalive == nil
    if not ok and not skip then
      problems[#problems + 1] = value == nil and ("%s%s is missing: %s"):format(prefix, path, wanted)
        or ("%s%s is %s: it must be %s"):format(prefix, path, tostring(value), wanted)
    end
  end
end

local function check_commands(driver, problems)
  for name, each in pairs(type(driver.commands) == "table" and driver.commands or {}) do
    if type(each) ~= "table" or type(each.args) ~= "table" or type(each.encode) ~= "function" then
      problems[#problems + 1] = ("commands.%s is no command: make it with "
        .. "require(\"moonpulse.driver.command\").new(help, args, encode)"):format(tostring(name))
    elseif lists.problem(each.args) then
      problems[#problems + 1] = ("commands.%s: args %s"):format(tostring(name), lists.problem(each.args))
    end
  end
end

local function is_number(value)
  return math.type(value) == "integer" or math.type(value) == "float" and value > -math.huge
    and value < math.huge
end

--- The intensities that a device can give: what is wrong with their range, or nil.
local function range_fault(range)
  for _, key in ipairs { "min", "max", "step" } do
    if not is_number(range[key]) then
      return ("intensity.%s is %s: it must be a number, in %%MSO"):format(key, tostring(range[key]))
    end
  end
  if range.step <= 0 or range.step > 100 then
    return ("intensity.step is %g: it must be over 0, like 1 where the device takes whole %%MSO"):format(
      range.step)
  elseif range.min < 0 or range.max <= 0 or range.min > range.max then
    return ("intensity is from %g to %g %%MSO: min must be 0 or more, and max not below it"):format(range.min,
      range.max)
  elseif range.highest ~= nil and not (is_number(range.highest) and range.highest >= range.min) then
    return ("intensity.highest is %s: a number not below min, or nothing"):format(tostring(range.highest))
  end
end

--- What is wrong with limits(nil) as a whole; nil where nothing is.
local function limits_fault(limits)
  local range = type(limits) == "table" and limits.intensity
  if type(limits) ~= "table" or type(range) ~= "table" or type(limits.shortest_interval) ~= "function"
    or type(limits.why) ~= "string" then
    return "must return { channels = 1, intensity = { min =, max =, step = }, shortest_interval = "
      .. "function(action) ... end, why = \"...\" }"
  elseif math.type(limits.channels) ~= "integer" or limits.channels < 1 then
    return ("channels is %s: it must be a whole number from 1 on"):format(tostring(limits.channels))
  elseif limits.longest_rest ~= nil and not (is_number(limits.longest_rest) and limits.longest_rest > 0) then
    return ("longest_rest is %s: seconds over 0, or nothing"):format(tostring(limits.longest_rest))
  elseif limits.output ~= nil
    and (type(limits.output) ~= "function" or type(limits.shortest_across) ~= "function")
    or limits.output == nil and limits.shortest_across ~= nil then
    return "where each output is a stimulator of its own, output = function(action) ... end and "
      .. "shortest_across = function(action) ... end are both needed"
  elseif limits.by_hand ~= nil and type(limits.by_hand) ~= "string" then
    return "by_hand is a sentence: why there is one intensity a run"
  end
  local fault = range_fault(range)
  local names = limits.channel_names
  if names ~= nil and (type(names) ~= "table" or lists.problem(names)) then
    return "channel_names " .. (type(names) == "table" and lists.problem(names) or "must be a list of names")
  end
  local ok, least = pcall(limits.shortest_interval, { channel = "1", mso = range.max })
  return fault or ok and not (is_number(least) and least >= 0)
    and ("shortest_interval returns %s: it must be seconds, 0 or more"):format(tostring(least)) or nil
end

local function check_limits(driver, problems)
  if type(driver.limits) ~= "function" then
    return
  end
  local ok, limits = pcall(driver.limits, nil)
  local fault = not ok and "fails: " .. tostring(limits) or ok and limits_fault(limits)
  if fault then
    problems[#problems + 1] = "limits(nil): " .. fault
  end
end

--- The simulator is found when a run needs it, and that its file is there when the driver is loaded.
local function check_simulator(driver, problems)
  local name = driver.simulator
  if type(name) ~= "string" or not name:find("%.lua$") then
    return
  end
  local path = name:find("^/") and name or (driver.folder or ".") .. "/" .. name
  if lfs.attributes(path, "mode") ~= "file" then
    problems[#problems + 1] = ("simulator is %q, and there is no file %s: write it, or leave simulator out")
      :format(name, path)
  end
end

--- Everything that is wrong with a driver; an empty list when it keeps the contract.
---@param driver any what the driver's file returned
---@return string[] problems
function M.problems(driver)
  if type(driver) ~= "table" then
    return { "the file returns " .. type(driver) .. ", not a table: end it with \"return M\"" }
  end
  local problems = {}
  check_fields(fields, driver, "", problems)
  if type(driver.serial) == "table" then
    check_fields(serial_fields, driver.serial, "serial.", problems)
  end
  if driver.confirms ~= false and type(driver.confirmation) ~= "function" then
    problems[#problems + 1] = "confirmation is missing: a function (or confirms = false, where the "
      .. "device never says that it fired)"
  end
  if driver.safe == "" and not driver.safe_line then
    problems[#problems + 1] = "safe is empty: the bytes that make the device harmless (or safe_line = "
      .. "true, where a line that is down is all there is)"
  end
  check_commands(driver, problems)
  check_limits(driver, problems)
  check_simulator(driver, problems)
  return problems
end

return M
