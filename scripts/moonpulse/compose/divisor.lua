--- The greatest common divisor of two whole numbers: for fractions in lowest terms.
local M = {}

--- The greatest one; that of a and 0 is a.
---@param a integer
---@param b integer
---@return integer
function M.of(a, b)
  while b ~= 0 do
    a, b = b, a % b
  end
  return a
end

return M
