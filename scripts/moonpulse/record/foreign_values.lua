--- Values of a record that may be somebody else's: what is not what it should be is as if it were not there.
local escapes = require "moonpulse.text.escapes"

local M = {}

--- A short text, with its control characters shown.
---@param value any
---@return string?
function M.text(value)
  return type(value) == "string" and #value <= 200 and escapes.shown(value) or nil
end

--- A number below 10^9, either side of 0.
---@param value any
---@return number?
function M.number(value)
  return type(value) == "number" and math.abs(value) < 1e9 and value or nil
end

--- How many of something.
---@param value any
---@return integer?
function M.count(value)
  value = math.tointeger(value)
  return value and value >= 0 and value < 1e9 and value or nil
end

return M
