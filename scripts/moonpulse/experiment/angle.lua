--- Angles in turns, with the same bits on every machine: sine, cosine and arc tangent of the C library may
--- differ in the last one, and what a pulse's instant follows from must not. Only additions, multiplications
--- and divisions, which IEEE 754 fixes; right to some 1e-11 of a turn.
local M = {}

local two_pi <const> = 6.283185307179586

--- The cosine and the sine of an angle.
---@param turns number
---@return number cosine
---@return number sine
function M.point(turns)
  local quarter = (4 * turns + 0.5) // 1
  local x = (turns - quarter / 4) * two_pi -- within an eighth of a turn: the series end soon
  local y = x * x
  local cosine = 1 - y / 2 * (1 - y / 12 * (1 - y / 30 * (1 - y / 56 * (1 - y / 90 * (1 - y / 132)))))
  local sine = x * (1 - y / 6 * (1 - y / 20 * (1 - y / 42 * (1 - y / 72 * (1 - y / 110 * (1 - y / 156))))))
  quarter = quarter % 4
  if quarter == 0 then
    return cosine, sine
  elseif quarter == 1 then
    return -sine, cosine
  elseif quarter == 2 then
    return -cosine, -sine
  end
  return sine, -cosine
end

--- The arc tangent of 0 to 1.
local function arc(x)
  local added = 0
  if x > 0.41421356 then
    x, added = (x - 1) / (x + 1), 0.125
  end
  local y, sum = x * x, 0
  for odd = 25, 1, -2 do
    sum = 1 / odd - y * sum
  end
  return added + x * sum / two_pi
end

--- The angle of a point, from -1/2 to 1/2 of a turn; 0 of the origin.
---@param x number
---@param y number
---@return number turns
function M.of(x, y)
  local wide, high = math.abs(x), math.abs(y)
  if wide == 0 and high == 0 then
    return 0
  end
  local turns = wide >= high and arc(high / wide) or 0.25 - arc(wide / high)
  turns = x < 0 and 0.5 - turns or turns
  return y < 0 and -turns or turns
end

return M
