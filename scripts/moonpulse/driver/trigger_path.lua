--- A second path for pulses (--trigger): a line of the device's own port, or a port of its own.
local escapes = require "moonpulse.text.escapes"

local M = {}

local line_width, byte_width = 0.005, 0.010 -- seconds; a few ms as MagPy, 10 ms as BP-triggerbox
local lines = { rts = true, dtr = true, ["break"] = true }

---@class moonpulse.Trigger
---@field text string as it was written
---@field path string? a port of its own; "sim": the simulator's trigger input; nil: the device's port
---@field line "rts"|"dtr"|"break"|nil a pulse on this line
---@field bytes string? else these bytes
---@field after string? sent width seconds after them
---@field width number seconds
---@field serial moonpulse.Serial of the port of its own

local function number(key, value, low, high, unit)
  local n = tonumber(value)
  if not n or n ~= n or n < low or n > high then
    return nil, ("%s=%s: it is a number from %g to %g%s"):format(key, value, low, high, unit)
  end
  return n
end

local readers = {
  width = function(trigger, value)
    local ms, why = number("width", value, 0.01, 10000, " ms")
    trigger.width = ms and ms / 1e3
    return ms, why
  end,
  baud = function(trigger, value)
    local baud, why = number("baud", value, 50, 20000000, "")
    trigger.serial.baud = math.tointeger(baud)
    return trigger.serial.baud, why or ("baud=%s: it is a whole number"):format(value)
  end,
  byte = function(trigger, value)
    local byte, why = number("byte", value, 1, 255, " (0 is the box at rest)")
    byte = math.tointeger(byte)
    trigger.bytes, trigger.after = byte and string.char(byte), "\0"
    return byte, why or ("byte=%s: it is a whole number"):format(value)
  end,
  text = function(trigger, value)
    trigger.bytes, trigger.after = escapes.bytes(value), nil
    return #value > 0 and #trigger.bytes <= 256, "text= needs 1 to 256 characters"
  end,
}

--- The settings after the path, "rts,width=5"; nil where text is no such list.
local function settings(text)
  local list = {}
  for part in (text .. ","):gmatch("([^,]*),") do
    local key, value = part:match("^(%a+)=(.*)$")
    if lines[part] then
      list[#list + 1] = { "line", part }
    elseif key and readers[key] then
      list[#list + 1] = { key, value }
    else
      return nil
    end
  end
  return list
end

--- "PATH:settings" in two; a path may hold colons itself (/dev/serial/by-path/...).
local function cut(text)
  local path, rest = text:match("^(.*):(.-)$")
  local list = rest and settings(rest)
  if list then
    return path, list
  end
  path, rest = text:match("^([^,]*),(.*)$") -- "PATH,width=5"
  list = rest and settings(rest)
  if list then
    return path, list
  end
  return text, {}
end

--- A setting as it was written.
local function said(key, value)
  return key == "line" and value or key .. "=" .. value
end

--- Read what --trigger says; for argparse.
---@param text string "rts", "dtr:width=2", "/dev/ttyUSB1", "/dev/ttyUSB1:byte=4,width=10,baud=9600"
---@return moonpulse.Trigger?
---@return string? message
function M.parse(text)
  local trigger = { text = text, serial = { baud = 115200, bits = 8, parity = "none", stop_bits = 1,
    flow = "none" } }
  local path, list = cut(text)
  local own = lines[path]
  if own then
    trigger.line = path
  else
    trigger.path = path
    if path ~= "sim" and not path:find("/", 1, true) then
      return nil, ("--trigger %s: it is rts, dtr or break, or the path of a port (/dev/ttyUSB1), with "
        .. "settings like :byte=4,width=10,baud=9600 behind it"):format(text)
    end
  end
  local given = {}
  for _, each in ipairs(list) do
    local key, value = each[1], each[2]
    local what = key == "text" and "byte" or key -- both say what is sent
    if given[what] then -- the later one would count, and nobody would know
      return nil, ("--trigger %s: %s and %s: one of them is meant"):format(text, given[what],
        said(key, value))
    end
    given[what] = said(key, value)
    if own and key ~= "width" then
      return nil, ("--trigger %s: a line of the device's port takes only width=MS"):format(text)
    elseif key == "line" then
      trigger.line = value
    else
      local ok, why = readers[key](trigger, value)
      if not ok then
        return nil, ("--trigger %s: %s"):format(text, why)
      end
    end
  end
  if trigger.line and trigger.bytes then
    return nil, ("--trigger %s: a line or bytes, not both"):format(text)
  elseif not trigger.line and not trigger.bytes then
    trigger.bytes, trigger.after = "\1", "\0"
  end
  trigger.width = trigger.width or trigger.line and line_width or byte_width
  return trigger
end

--- What encode.pulse returns for every pulse that goes this way.
local function frame(trigger)
  return { line = trigger.line, bytes = trigger.bytes, after = trigger.after,
    width = (trigger.line or trigger.after) and trigger.width or nil,
    on_trigger = trigger.path ~= nil }
end

--- The driver as a run uses it whose pulses go another way: all else stays with the device.
---@param driver moonpulse.Driver
---@param trigger moonpulse.Trigger
---@return moonpulse.Driver driver
function M.apply(driver, trigger)
  local fired = frame(trigger)
  local delay = driver.trigger_delay and driver.trigger_delay(driver.settings or {}) or 0
  return setmetatable({
    trigger = trigger, latency = (driver.trigger_latency or 0) + delay, latency_from = false,
    confirms = driver.trigger_confirms == true,
    limits = function(identity) return driver.limits(identity, "trigger") end,
    encode = { pulse = function() return fired end, set = driver.encode.set, busy = driver.encode.busy,
      over = driver.encode.over },
  }, { __index = driver })
end

local function hex(bytes)
  return (bytes:gsub(".", function(c) return ("%02x "):format(c:byte()) end):sub(1, -2))
end

--- In words: what happens where.
---@param trigger moonpulse.Trigger
function M.describe(trigger)
  local where = trigger.path and trigger.path or "the device's port"
  if trigger.line then
    return ("%s of %s, %g ms wide"):format(trigger.line:upper(), where, trigger.width * 1e3)
  end
  return ("byte%s %s%s on %s, %d baud"):format(#trigger.bytes > 1 and "s" or "", hex(trigger.bytes),
    trigger.after and (", %s after %g ms"):format(hex(trigger.after), trigger.width * 1e3) or "",
    where, trigger.serial.baud)
end

--- As data, for the manifest: how every pulse of the run was fired.
---@param trigger moonpulse.Trigger
function M.facts(trigger)
  return { on = trigger.path or "device port", line = trigger.line,
    bytes = trigger.bytes and hex(trigger.bytes), after = trigger.after and hex(trigger.after),
    width_ms = (trigger.line or trigger.after) and trigger.width * 1e3 or nil,
    baud = trigger.path and trigger.bytes and trigger.serial.baud or nil, text = trigger.text }
end

return M
