--- Words and numbers for the report: escaping, units, and "not recorded" for what is missing.
local cjson = require "cjson.safe"
local sorted_json = require "moonpulse.text.sorted_json"

local M = {}

M.missing = "not recorded"

local entities = {
  ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["'"] = "&#39;",
}

local function visible(byte)
  return string.format("\\x%02X", byte:byte())
end

--- Make any text safe inside HTML and SVG. Control bytes and broken UTF-8 are shown as \xNN.
---@param value any
---@return string
function M.escape(value)
  local text = tostring(value)
  if not utf8.len(text) then
    text = text:gsub("[\x80-\xFF]", visible)
  end
  text = text:gsub("[%z\1-\8\11\12\14-\31\127]", visible)
  return (text:gsub("[&<>\"']", entities))
end

--- A finite number, or nil.
---@param value any
---@return number?
function M.number(value)
  if type(value) == "number" and value == value and math.abs(value) < math.huge then
    return value
  end
  return nil
end

local function trim_zeros(text)
  return (text:gsub("(%.%d-)0+$", "%1"):gsub("%.$", ""))
end

--- A number without needless digits: 20.0 becomes 20.
---@param value number
---@param decimals? integer most decimals shown, default 6
---@return string
function M.plain(value, decimals)
  local text = trim_zeros(string.format("%." .. (decimals or 6) .. "f", value))
  return text == "-0" and "0" or text
end

--- A count with thin spaces between thousands: 100 000.
---@param value number
---@return string
function M.count(value)
  if value ~= math.floor(value) then
    return M.plain(value)
  end
  local sign, digits = string.format("%.0f", value):match("^(%-?)(%d+)$")
  if #digits > 4 then
    digits = digits:reverse():gsub("(%d%d%d)", "%1 "):reverse():gsub("^ ", "")
    digits = digits:gsub(" ", "\u{202F}")
  end
  return sign .. digits
end

--- "1 pulse", "2 pulses".
---@param n number
---@param noun string
---@return string
function M.counted(n, noun)
  return M.count(n) .. " " .. noun .. (n == 1 and "" or "s")
end

--- "9 pulses were timed by the stimulator: not measured".
---@param n number
---@return string
function M.unmeasured(n)
  return ("%s %s timed by the stimulator: not measured"):format(M.counted(n, "pulse"),
    n == 1 and "was" or "were")
end

--- A duration for a sentence, in the unit that fits: 86.2 µs, 0.21 ms, 1.500 s.
---@param us number
---@return string
function M.duration_us(us)
  local size = math.abs(us)
  if size < 99.95 then
    return string.format("%.1f µs", us)
  elseif size < 999995 then
    return string.format("%.2f ms", us / 1e3)
  end
  return string.format("%.3f s", us / 1e6)
end

--- A duration for a label in a figure: 201.0 µs, 14.22 ms.
---@param us number
---@return string
function M.precise_us(us)
  return math.abs(us) < 999.95 and M.cell_us(us) .. " µs" or M.duration_us(us)
end

--- Microseconds for a table cell: one decimal, always the same unit.
---@param us number?
---@return string
function M.cell_us(us)
  local text = us and string.format("%.1f", us) or M.missing
  return text == "-0.0" and "0.0" or text
end

--- Seconds, with minutes beside them from one minute up.
---@param seconds number?
---@return string
function M.seconds(seconds)
  if not seconds then
    return M.missing
  end
  local text = M.plain(seconds) .. " s"
  if seconds < 60 then
    return text
  end
  local whole = seconds // 60
  local rest = M.plain(seconds - whole * 60, 2)
  if rest == "60" then
    whole, rest = whole + 1, "0"
  end
  if whole < 60 then
    return string.format("%s (%d min %s s)", text, whole, rest)
  end
  return string.format("%s (%d h %d min %s s)", text, whole // 60, whole % 60, rest)
end

--- Any manifest value as text; tables as JSON; nothing and null as "not recorded".
---@param value any
---@return string
function M.value(value)
  if value == nil or value == cjson.null or value == "" then
    return M.missing
  elseif type(value) == "number" then
    return (string.format("%.15g", value))
  elseif type(value) == "boolean" then
    return value and "yes" or "no"
  elseif type(value) == "table" then
    local ok, json = pcall(sorted_json.encode, value)
    return next(value) == nil and "none" or ok and json or "not printable"
  end
  return tostring(value)
end

return M
