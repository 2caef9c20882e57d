--- Chance from one number: draw k of a seed is the same on every machine, whatever was drawn for other
--- things.
local core = require "moonpulse.core"

local M = {}

---@class moonpulse.explore.Chance
local Chance = {}
Chance.__index = Chance

--- Draws of a seed; those of another name hang together with none of these.
---@param seed integer
---@param name string? what is drawn
---@return moonpulse.explore.Chance
function M.new(seed, name)
  local stream = seed
  for i = 1, #(name or "") do
    stream = core.draw(stream, name:byte(i), math.maxinteger)
  end
  return setmetatable({ seed = stream, position = 0 }, Chance)
end

--- A whole number from low to high.
---@param low integer
---@param high integer
---@return integer
function Chance:draw(low, high)
  self.position = self.position + 1
  return low + core.draw(self.seed, self.position, high - low)
end

--- One of a list.
---@param list any[]
function Chance:pick(list)
  return list[self:draw(1, #list)]
end

--- True once in n times.
---@param n integer
---@return boolean
function Chance:once_in(n)
  return self:draw(1, n) == 1
end

--- A time in seconds from 0 to most, to the microsecond; small ones are as frequent as large ones.
---@param most number
---@return number
function Chance:instant(most)
  local whole = math.max(1, math.floor(most * 1e6))
  if self:once_in(4) then
    whole = math.max(1, whole // 20)
  end
  return self:draw(0, whole) / 1e6
end

return M
