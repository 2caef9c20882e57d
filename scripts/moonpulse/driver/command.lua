--- Commands of a device as data: what they take, checked, and the bytes that they are.
local in_order = require "moonpulse.text.in_order"
local refusals = require "moonpulse.text.refusal"

local M = {}

local Command = {}
Command.__index = Command

--- Refuse a value: the sentence reaches whoever asked, without a place in our code.
---@param text string a format
function M.refuse(text, ...)
  refusals.raise("usage", text, ...)
end

--- "the nearest are 2 and 2.05": the steps below and above a value that lies between two.
---@param value number
---@param per_unit number steps in 1
---@param unit string? after them, like " ms"
---@param least integer? steps: below it there is none
---@param most integer? steps: above it there is none
---@return string
function M.nearest(value, per_unit, unit, least, most)
  local below = math.floor(value * per_unit)
  local above = below + 1
  unit = unit or ""
  if least and below < least or most and above > most then
    local only = least and below < least and math.max(least, above) or math.min(most, below)
    return ("the nearest is %.10g%s"):format(only / per_unit, unit)
  end
  return ("the nearest are %.10g and %.10g%s"):format(below / per_unit, above / per_unit, unit)
end

local function number_of(value, whole)
  local number = tonumber(value)
  if number and number ~= number then
    return nil
  end
  return whole and math.tointeger(number) or not whole and number or nil
end

local function in_range(key, value, number, low, high, what)
  if not number or number < low or number > high then
    M.refuse("%s = %s is no %s from %.14g to %.14g", key, value, what, low, high)
  end
  return number
end

local kinds = {}

function kinds.integer(spec, value)
  return in_range(spec[1], value, number_of(value, true), spec[3], spec[4], "whole number")
end

function kinds.number(spec, value)
  return in_range(spec[1], value, number_of(value), spec[3], spec[4], "number")
end

function kinds.numbers(spec, value)
  local list = {}
  if type(value) == "table" then
    for i, item in ipairs(value) do
      list[i] = in_range(spec[1], item, number_of(item), spec[3], spec[4], "number")
    end
    return list
  end
  for item in (tostring(value) .. ","):gmatch("([^,]*),") do
    list[#list + 1] = in_range(spec[1], item, number_of(item), spec[3], spec[4], "list of numbers")
  end
  return list
end

--- The pattern must fit the whole text, also where its author left out an anchor. What a pattern cannot say
--- is looked at by the spec's check(text), which refuses.
function kinds.text(spec, value)
  value = tostring(value)
  local first, last = 1, #value
  if spec[3] then
    first, last = value:find(spec[3])
  end
  if first ~= 1 or last ~= #value then
    M.refuse("%s = %q is not of the form %s", spec[1], value, spec.form or spec[3])
  elseif spec.check then
    spec.check(value)
  end
  return value
end

function kinds.choice(spec, value)
  for _, choice in ipairs(spec[3]) do
    if tostring(value) == tostring(choice) then
      return choice
    end
  end
  M.refuse("%s = %s: it is one of %s", spec[1], value, table.concat(spec[3], ", "))
end

--- Check and convert one value after its spec. Raises a refusal.
---@param spec moonpulse.Spec
---@param value any text or already a value
function M.value(spec, value)
  return kinds[spec[2]](spec, value)
end

--- Check and convert a table of values. Raises a refusal.
---@param name string for the sentence
---@param specs moonpulse.Spec[]
---@param given table<string, any>
---@return table<string, any>
function M.values(name, specs, given)
  local known, values = {}, {}
  for _, spec in ipairs(specs) do
    local key = spec[1]
    known[key] = true
    if given[key] ~= nil then
      values[key] = M.value(spec, given[key])
    elseif spec.default ~= nil then
      values[key] = spec.default
    elseif not spec.optional then
      M.refuse("%s needs %s%s", name, key, spec.help and " (" .. spec.help .. ")" or "")
    end
  end
  for key in in_order.pairs(given) do
    if not known[key] and not tostring(key):find("^state_") then
      local names = {}
      for i, spec in ipairs(specs) do
        names[i] = spec[1]
      end
      M.refuse("%s takes no %s; it takes %s", name, key,
        #names > 0 and table.concat(names, ", ") or "no values")
    end
  end
  return values
end

--- Makes a function that gives a driver's options as configured, or the defaults where nobody configured it.
---@param specs moonpulse.Spec[] of a driver's options
---@return fun(options: table?): table
function M.settled(specs)
  local defaults = M.values("a driver", specs, {})
  return function(options)
    return options and next(options) and options or defaults
  end
end

--- A command. Calling it with a table of values checks them and returns the bytes.
---@param help string
---@param args moonpulse.Spec[]
---@param encode fun(values: table): string
function M.new(help, args, encode)
  return setmetatable({ help = help, args = args, encode = encode, name = "the command" }, Command)
end

function Command:__call(given)
  return self.encode(M.values(self.name, self.args, given or {}))
end

--- Give every command of a driver its name, for its sentences.
---@param commands table<string, table>
---@return table commands
function M.named(commands)
  for name, each in pairs(commands) do
    each.name = name
  end
  return commands
end

return M
