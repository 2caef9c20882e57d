--- Fractions of whole numbers { num, den }, den > 0: the arithmetic of the expected pulses, which
--- shares nothing with the engine's.
local M = {}

M.zero = { 0, 1 }

local WHOLE <const> = 2 ^ 60 -- the sum of two smaller ones fits 64 bits

local function gcd(a, b)
  while b ~= 0 do
    a, b = b, a % b
  end
  return a
end

local function product(a, b)
  assert(math.abs(a * 1.0 * b) < 2.0 ^ 62, "the expected onsets do not fit 64 bits")
  return a * b
end

--- A fraction: nobody changes one.
function M.of(num, den)
  if den == 1 then
    return { num, 1 }
  end
  local divisor = gcd(math.abs(num), den)
  return { num // divisor, den // divisor }
end

function M.add(a, b)
  if a[1] == 0 then -- most that is added moves nothing
    return b
  elseif b[1] == 0 then
    return a
  elseif a[2] == 1 and b[2] == 1 and a[1] < WHOLE and b[1] < WHOLE and a[1] > -WHOLE and b[1] > -WHOLE then
    return { a[1] + b[1], 1 }
  end
  local common = gcd(a[2], b[2])
  local num = product(a[1], b[2] // common) + product(b[1], a[2] // common)
  return M.of(num, product(a[2] // common, b[2]))
end

function M.scale(a, count)
  return M.of(product(a[1], count), a[2])
end

function M.less(a, b)
  return product(a[1], b[2]) < product(b[1], a[2])
end

--- In nanoseconds, halves up.
function M.ns(value)
  local units = 1000000000
  if value[2] == 1 then
    return value[1] * units
  end
  local whole, rest = value[1] // value[2], value[1] % value[2]
  return whole * units + (2 * product(rest, units) + value[2]) // (2 * value[2])
end

--- As an author writes it.
function M.text(value)
  return value[2] == 1 and tostring(value[1]) or ('"%d/%d"'):format(value[1], value[2])
end

return M
