--- The values that a parameter takes: of its default's kind, within its bounds, and how text is read.
local intensities = require "moonpulse.compose.intensity"
local lists = require "moonpulse.text.lists"
local numbers = require "moonpulse.text.numbers"

local M = {}

--- "integer", "float", "string", "boolean" or "intensity"; else Lua's own type.
---@param value any
---@return string
function M.kind(value)
  if intensities.is(value) then
    return "intensity"
  end
  return math.type(value) or type(value)
end

--- Kinds of parameters in words.
M.kinds = {
  integer = "a whole number", float = "a number", string = "text", boolean = "true or false",
  intensity = "an intensity, like 80%AMT",
}

local function has_fraction(value)
  return math.type(value) == "float" and math.abs(value) < math.huge and value % 1 ~= 0
end

--- A parameter's kind: its default's; a bound with a fraction shows that a whole default is no count.
local function kind_of_parameter(declared)
  local kind = M.kind(declared.default)
  if kind == "integer" and (has_fraction(declared.min) or has_fraction(declared.max)) then
    return "float"
  end
  return kind
end

--- A value as it is written: 60, not 60.0.
local function shown(value)
  return math.type(value) == "float" and ("%.14g"):format(value) or tostring(value)
end

--- How value is not within a parameter's bounds; nil: it is.
---@param declared moonpulse.Parameter
---@param value any of the parameter's kind
---@return string?
function M.outside(declared, value)
  local size, unit = value, ""
  if M.kind(value) == "intensity" then
    size, unit = value.value, " %" .. value.reference
  end
  local low, high = declared.min and size < declared.min, declared.max and size > declared.max
  if not low and not high then
    return nil
  elseif declared.min and declared.max then
    return ("outside %s to %s%s"):format(shown(declared.min), shown(declared.max), unit)
  end
  return low and ("too small: it must be at least %s%s"):format(shown(declared.min), unit)
    or ("too large: it must be at most %s%s"):format(shown(declared.max), unit)
end

--- What is wrong with the values that a declaration names; nil: nothing.
---@param declared moonpulse.Parameter
---@return string?
function M.values_problem(declared)
  local list, seen = declared.values, {}
  if list == nil then
    return nil
  elseif type(declared.default) ~= "string" then
    return "values belongs to a text: a number has min and max"
  elseif type(list) ~= "table" or next(list) == nil then
    return ("values must be a list of texts: values = { %q }"):format(declared.default)
  end
  local problem = lists.problem(list)
  for _, value in ipairs(not problem and list or {}) do
    if type(value) ~= "string" then
      return "values must be texts, not " .. (M.kinds[M.kind(value)] or "a " .. type(value))
    elseif seen[value] then
      return ("values has %q twice"):format(value)
    end
    seen[value] = true
  end
  return problem and "values " .. problem
end

--- How a text is none of the values that its parameter takes; nil: it is one, or any is taken.
local function no_value(who, name, declared, value)
  for _, each in ipairs(declared.values or { value }) do
    if each == value then
      return nil
    end
  end
  local meant = require "moonpulse.text.meant" -- for a refusal only
  local question = meant.question(meant.near(value:sub(1, 100), declared.values, 2))
  return ("%s: %s = %s is none of its values: %s%s"):format(who, name, lists.texts { value },
    lists.texts(declared.values), question and " (" .. question .. ")" or "")
end

--- Is value one that the parameter takes?
---@param who string for messages
---@param name string
---@param declared moonpulse.Parameter
---@param value any
---@return any value of the parameter's kind; nil: it is none
---@return string? message
function M.check(who, name, declared, value)
  local kind, wanted = M.kind(value), kind_of_parameter(declared)
  if wanted == "float" and kind == "integer" then
    value, kind = value + 0.0, "float"
  elseif wanted == "integer" and kind == "float" and value % 1 == 0 then
    value, kind = math.tointeger(value) or value, "integer"
  end
  if wanted == "integer" and kind == "float" and value == value then
    return nil, ("%s: %s must be a whole number, not %s, because its default is one%s"):format(who, name,
      tostring(value), who == "-p" and (": where fractions make sense, write default = %d.0 in the protocol")
        :format(declared.default) or "")
  elseif kind ~= wanted or value == nil or value ~= value then
    return nil, ("%s: %s must be %s, not %s"):format(who, name, M.kinds[wanted],
      math.type(value) and tostring(value) or M.kinds[kind] or "a " .. kind)
  end
  local outside = M.outside(declared, value)
  if outside then
    return nil, ("%s: %s = %s is %s"):format(who, name, shown(value), outside)
  end
  local message = kind == "string" and no_value(who, name, declared, value) or nil
  if message then
    return nil, message
  end
  return value
end

--- A value from the text of -p.
---@param declared moonpulse.Parameter
---@param name string
---@param text string
---@return any value; nil: it cannot be read
---@return string? message
function M.parse(declared, name, text)
  local kind = M.kind(declared.default)
  if kind == "intensity" then
    return intensities.parse(text)
  elseif kind == "boolean" then
    if text == "true" or text == "false" then
      return text == "true"
    end
    return nil, ("%s: write true or false, not %q"):format(name, text)
  elseif kind == "string" then
    return text
  end
  local value = numbers.decimal(text)
  if not value then
    local units = require "moonpulse.text.units" -- loaded for those who wrote none
    return nil, ("%s: a number expected, not %q%s"):format(name, text,
      units.hint(text, units.of_parameter(name, declared.help)))
  end
  return value
end

return M
