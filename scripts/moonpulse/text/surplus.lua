--- Arguments that a function would drop in silence. Lua does: mp.ms(2,5) would be 2 ms.
local blame = require "moonpulse.text.author_line"
local core = require "moonpulse.core"

local M = {}

local function shown(value)
  if type(value) == "string" then
    return ("%q"):format(value)
  end
  return (math.type(value) or type(value) == "boolean" or value == nil) and tostring(value)
    or type(value) == "table" and "{ ... }" or core.is_plan(value) and "a plan" or "a " .. type(value)
end

--- Two numbers side by side that are one with a decimal comma: "2.5"; nil where there are none.
local function with_point(values)
  for i = 1, values.n - 1 do
    local whole, rest = values[i], values[i + 1]
    if math.type(whole) == "integer" and math.type(rest) == "integer" and rest >= 0 then
      return ("%d.%d"):format(whole, rest)
    end
  end
end

--- Raise, at the author's line, where a call has more arguments than are taken. A nil after them says
--- nothing.
---@param who string the function as it is called: "mp.ms", "run:sleep"
---@param most integer how many it takes
---@param instead string? what is written where more was meant
---@param ... any the arguments, without the object of a method
function M.check(who, most, instead, ...)
  local surplus
  for i = most + 1, select("#", ...) do
    if select(i, ...) ~= nil then
      surplus = i
      break
    end
  end
  if not surplus then
    return
  end
  local values, parts = table.pack(...), {}
  for i = 1, values.n do
    parts[i] = shown(values[i])
  end
  local number = with_point(values)
  local remedies = {}
  remedies[#remedies + 1] = number
    and ("if that is one number, write it with a point, like %s: a comma begins the next argument")
      :format(number)
  remedies[#remedies + 1] = instead
  if #remedies == 0 then
    remedies[1] = "leave it out (where a function gives several values, put its call in parentheses)"
  end
  blame.fail("%s(%s): it takes %s, and %s would be dropped: %s", who, table.concat(parts, ", "),
    most == 0 and "no argument" or most == 1 and "1 argument" or most .. " arguments", parts[surplus],
    table.concat(remedies, "; "))
end

--- How many arguments a function takes.
---@param call function
---@return integer
function M.count(call)
  local info = debug.getinfo(call, "u")
  assert(not info.isvararg, "a function that authors call names its arguments")
  return info.nparams
end

--- The same function, which refuses what it would drop.
---@param who string as in check
---@param call function
---@param instead string? as in check
---@param object boolean? its first argument is the object of a method
---@return function
function M.refused(who, call, instead, object)
  local most = M.count(call)
  if object then
    return function(self, ...)
      M.check(who, most - 1, instead, ...)
      return call(self, ...)
    end
  end
  return function(...)
    M.check(who, most, instead, ...)
    return call(...)
  end
end

return M
