--- A decoded reply as text: its fields in the order, and with the digits, that its driver states.
local escapes = require "moonpulse.text.escapes"

local M = {}

local function text_of(value, form)
  if form and type(value) == "number" then
    return form:format(value)
  elseif math.type(value) == "float" then
    return ("%.10g"):format(value)
  end
  return tostring(value)
end

--- "key=value;key=value". driver.replies[name] lists the keys, with a format where one is usual:
--- { "power", "hz:%.1f" }.
---@param driver moonpulse.Driver
---@param reply moonpulse.Reply
---@return string
function M.text(driver, reply)
  local parts = {}
  for _, item in ipairs(driver.replies[reply.name] or {}) do
    local key, form = item:match("^([%w_]+):?(.*)$")
    if reply[key] ~= nil then
      parts[#parts + 1] = key .. "=" .. text_of(reply[key], form ~= "" and form or nil)
    end
  end
  return table.concat(parts, ";")
end

--- The values of a command in the order in which it takes them, as frame would read them.
---@param command moonpulse.Command
---@param values table
---@return string
function M.values(command, values)
  local parts = {}
  for _, spec in ipairs(command.args) do
    local value = values[spec[1]]
    if type(value) == "table" then
      local items = {}
      for i, item in ipairs(value) do
        items[i] = text_of(item)
      end
      value = table.concat(items, ",")
    end
    if value ~= nil then
      parts[#parts + 1] = spec[1] .. "="
        .. (type(value) == "string" and escapes.text(value) or text_of(value))
    end
  end
  return table.concat(parts, ";")
end

return M
