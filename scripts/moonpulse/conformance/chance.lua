--- Reproducible chance for the conformance cases: bytes, places, values inside a command's specs.
local M = {}

local Chance = {}
Chance.__index = Chance

--- The same seed gives the same draws.
---@param seed integer
function M.new(seed)
  return setmetatable({ state = seed * 2654435761 + 88172645463325252 }, Chance)
end

--- A whole number from low to high.
---@param low integer
---@param high integer
---@return integer
function Chance:draw(low, high)
  local x = self.state
  x = x ~ (x << 13)
  x = x ~ (x >> 7)
  x = x ~ (x << 17)
  self.state = x
  return low + (x >> 1) % (high - low + 1)
end

--- Bytes at random; every third comes from `spice`, what the device's own frames are made of.
---@param length integer
---@param spice string? may be empty
function Chance:bytes(length, spice)
  local list = {}
  for i = 1, length do
    local own = spice and #spice > 0 and self:draw(1, 3) == 1
    list[i] = own and spice:sub(self:draw(1, #spice)):sub(1, 1) or string.char(self:draw(0, 255))
  end
  return table.concat(list)
end

--- One byte or bit of it changed, lost or added.
---@param bytes string one at least
---@return string
function Chance:damage(bytes)
  local at, kind = self:draw(1, #bytes), self:draw(1, 3)
  local head, tail = bytes:sub(1, at - 1), bytes:sub(at + 1)
  if kind == 1 then
    return head .. string.char(bytes:byte(at) ~ 1 << self:draw(0, 7)) .. tail
  elseif kind == 2 then
    return head .. tail
  end
  return head .. string.char(self:draw(0, 255)) .. bytes:sub(at)
end

local grids = { 1, 1, 2, 5, 10, 20, 100 } -- devices' steps are fractions like these

local function number(self, low, high)
  local grid, choice = grids[self:draw(1, #grids)], self:draw(1, 10)
  if choice <= 2 then
    return choice == 1 and low or high
  end
  local from = math.max(math.ceil(low * grid), -1000000000)
  local to = math.min(math.floor(high * grid), 1000000000)
  if choice <= 5 then -- small values are the usual ones
    to = math.min(to, from + 100 * grid)
  end
  return from > to and low or self:draw(from, to) / grid
end

local texts = { "1", "A", "8.0.0", "ABCD1234", "test", "0" }

local kinds = {
  integer = function(self, spec)
    local choice = self:draw(1, 6)
    return choice == 1 and spec[3] or choice == 2 and spec[4]
      or self:draw(math.ceil(spec[3]), math.floor(spec[4]))
  end,
  number = function(self, spec) return number(self, spec[3], spec[4]) end,
  numbers = function(self, spec)
    local list = {}
    for i = 1, self.length do
      list[i] = number(self, spec[3], spec[4])
    end
    return list
  end,
  choice = function(self, spec) return spec[3][self:draw(1, #spec[3])] end,
  text = function(self, spec)
    if spec.example and self:draw(1, 2) == 1 then
      return spec.example
    end
    return texts[self:draw(1, #texts)]
  end,
}

--- A value that a spec allows; nil: left out. `error` is for frames that break the rules on purpose.
---@param spec moonpulse.Spec
---@return any
function Chance:value(spec)
  if spec[1] == "error" and spec.optional then
    return nil
  elseif (spec.optional or spec.default ~= nil) and self:draw(1, 3) == 1 then
    return nil
  end
  return kinds[spec[2]](self, spec)
end

--- Values for a command that it takes, and its bytes; nil where 300 draws found none.
---@param command table
---@return table? values
---@return string? bytes
---@return any problem the last refusal
function Chance:command(command)
  local problem
  for _ = 1, 300 do
    local values = {}
    self.length = self:draw(1, 4) -- of all lists: some commands take one value for each channel
    for _, spec in ipairs(command.args) do
      values[spec[1]] = self:value(spec)
    end
    local ok, bytes = pcall(command, values)
    if ok then
      return values, bytes
    end
    problem = bytes
    if type(problem) ~= "table" then
      break
    end
  end
  return nil, nil, problem
end

return M
