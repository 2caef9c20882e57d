--- Exact times: fractions of whole numbers, as plans have them. A row of nibs.tsv holds decimals, and says
--- nothing rounded: what ends in decimals is told here.
local gcd = require("moonpulse.compose.divisor").of

local M = {}

local most = 2.0 ^ 62

local function times(a, b)
  if math.abs(a * 1.0 * b) > most then
    error({ code = "limit", message = "a time of the plan is no fraction of 64 bits" }, 0)
  end
  return a * b
end

---@class moonpulse.Fraction
---@field n integer
---@field d integer above 0; n/d has no common divisor

--- A fraction; raises a refusal where it does not fit into 64 bits.
---@param n integer
---@param d integer? 1
---@return moonpulse.Fraction
function M.new(n, d)
  d = d or 1
  local common = math.max(gcd(math.abs(n), d), 1)
  return { n = n // common, d = d // common }
end

M.zero = M.new(0)

--- "3/50", or a decimal: "0.06", "20".
---@param text string
---@return moonpulse.Fraction? nil: it is neither
function M.parse(text)
  local n, d = text:match("^(%-?%d+)/(%d+)$")
  if n then
    n, d = math.tointeger(tonumber(n)), math.tointeger(tonumber(d))
    return n and d and d > 0 and M.new(n, d) or nil
  end
  local sign, whole, part = text:match("^(%-?)(%d+)%.?(%d*)$")
  if not whole or #whole + #part > 18 then
    return nil
  end
  return M.new(math.tointeger(tonumber(sign .. whole .. part)), math.tointeger(10 ^ #part))
end

--- The sum of two.
---@param a moonpulse.Fraction
---@param b moonpulse.Fraction
---@return moonpulse.Fraction
function M.add(a, b)
  local common = gcd(a.d, b.d)
  return M.new(times(a.n, b.d // common) + times(b.n, a.d // common), times(a.d, b.d // common))
end

--- The first less the second.
---@param a moonpulse.Fraction
---@param b moonpulse.Fraction
---@return moonpulse.Fraction
function M.subtract(a, b)
  return M.add(a, { n = -b.n, d = b.d })
end

--- So many times as much.
---@param a moonpulse.Fraction
---@param count integer
---@return moonpulse.Fraction
function M.times(a, count)
  return M.new(times(a.n, count), a.d)
end

--- 1 / a; a is not 0.
---@param a moonpulse.Fraction
---@return moonpulse.Fraction
function M.inverse(a)
  return { n = a.d, d = a.n }
end

--- Are they the same number?
---@param a moonpulse.Fraction
---@param b moonpulse.Fraction
---@return boolean
function M.equal(a, b)
  return a.n == b.n and a.d == b.d
end

--- The nearest floating-point number.
---@param a moonpulse.Fraction
---@return number
function M.number(a)
  return a.n / a.d
end

--- As a plan file has it: "3/50".
---@param a moonpulse.Fraction
---@return string
function M.text(a)
  return ("%d/%d"):format(a.n, a.d)
end

--- Its decimals, all of them; nil: they do not end.
---@param a moonpulse.Fraction
---@return string?
function M.decimal(a)
  local rest, twos, fives = a.d, 0, 0
  while rest % 2 == 0 do
    rest, twos = rest // 2, twos + 1
  end
  while rest % 5 == 0 do
    rest, fives = rest // 5, fives + 1
  end
  local places = math.max(twos, fives)
  if rest ~= 1 or places > 15 then
    return nil
  elseif places == 0 then
    return ("%d"):format(a.n)
  end
  local digits = times(math.abs(a.n), math.tointeger(10 ^ places) // a.d)
  local text = ("%0" .. places + 1 .. "d"):format(digits)
  return (a.n < 0 and "-" or "") .. text:sub(1, -places - 1) .. "." .. text:sub(-places)
end

return M
