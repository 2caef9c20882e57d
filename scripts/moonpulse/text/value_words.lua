--- A value that somebody gave, in a message that refuses it.
local escapes = require "moonpulse.text.escapes"

local M = {}

--- A text has its quotes: where a number is needed, "5" is none. No addresses.
---@param value any
---@return string
function M.shown(value)
  if type(value) == "string" then
    return ('the text "%s"%s'):format(escapes.shown(value), tonumber(value)
      and " (a number is written without quotes; tonumber makes one of a text that was read)" or "")
  elseif type(value) == "table" then
    return "a table { ... }"
  end
  local text = type(value) == "function" and "a function" or tostring(value)
  return text == "userdata: (nil)" and "nothing (null)" or text -- of a JSON file
end

--- A value of a record that may be anything, in a finding: as it is. No addresses.
---@param value any nil: it is not there
---@return string
function M.plain(value)
  if type(value) == "table" then
    return "something else"
  end
  local text = value == nil and "missing" or tostring(math.tointeger(value) or value)
  return text == "userdata: (nil)" and "null" or text
end

return M
