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
  return type(value) == "function" and "a function" or tostring(value)
end

return M
