--- A generator of its own (splitmix64), so that a seed means the same plan on every machine.
local Chance = {}
Chance.__index = Chance

local M = {}

function M.new(seed)
  return setmetatable({ state = seed * 1000003 }, Chance)
end

--- A whole number from low to high.
function Chance:draw(low, high)
  self.state = self.state + 0x9E3779B97F4A7C15
  local z = self.state
  z = (z ~ (z >> 30)) * 0xBF58476D1CE4E5B9
  z = (z ~ (z >> 27)) * 0x94D049BB133111EB
  z = z ~ (z >> 31)
  return low + math.tointeger((z >> 1) % (high - low + 1))
end

--- The draws of a seed as one function.
---@param seed integer
---@return fun(low: integer, high: integer): integer
function M.draws(seed)
  local chance = M.new(seed)
  return function(low, high) return chance:draw(low, high) end
end

function Chance:pick(list)
  return list[self:draw(1, #list)]
end

--- True once in n times.
function Chance:once_in(n)
  return self:draw(1, n) == 1
end

return M
