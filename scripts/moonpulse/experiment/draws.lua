--- Chance in an experiment: drawn by position from the run's seed, so that the same seed and the
--- same calls give the same numbers, on every machine.
local blame = require "moonpulse.text.author_line"
local core = require "moonpulse.core"
local lists = require "moonpulse.text.lists"
local value_words = require "moonpulse.text.value_words"

local M = {}

local Draws = {}
Draws.__index = Draws

-- positions far from those that random rests of a plan use
local own_stream, plan_stream = 1 << 40, 1 << 41
local fine = 1 << 52

local function number(who, name, value)
  if not math.type(value) or value ~= value or value == math.huge or value == -math.huge then
    blame.fail("%s: %s must be a number, not %s", who, name, value_words.shown(value))
  end
  return value
end

local function next_draw(self, range)
  self.count = self.count + 1
  return core.draw(self.seed, own_stream + self.count, range)
end

--- A number between low and high, all equally likely.
---@param low number
---@param high number
---@return number
function Draws:uniform(low, high)
  number("run:uniform", "the lower bound", low)
  if number("run:uniform", "the upper bound", high) < low then
    blame.fail("run:uniform: the bounds are %g and %g: the lower one comes first", low, high)
  end
  local between = high + 0.0 - low -- whole numbers may be farther apart than a whole number can be
  if between == math.huge then
    blame.fail("run:uniform: the bounds are %g and %g: they are too far apart", low, high)
  end
  return low + between * (next_draw(self, fine) / fine)
end

--- A whole number from low to high.
---@param low integer
---@param high integer
---@return integer
function Draws:integer(low, high)
  low, high = math.tointeger(low), math.tointeger(high)
  if not low or not high or high < low then
    blame.fail("run:integer: two whole numbers are needed, the lower one first")
  elseif high - low < 0 then
    blame.fail("run:integer: the bounds are %d and %d: they are 2^63 or more apart", low, high)
  end
  return low + next_draw(self, high - low)
end

--- A new list with the values of list in another order (Fisher and Yates), all orders equally likely.
---@param list any[]
---@param rule { max_in_a_row: integer?, blocks: integer? }? as of mp.shuffle
---@return any[]
function Draws:shuffle(list, rule)
  if type(list) ~= "table" then
    blame.fail("run:shuffle: a list is needed, not %s", type(list))
  end
  lists.check("run:shuffle", "the list", list)
  if rule ~= nil and next(list) ~= nil then
    local order_rule = require "moonpulse.compose.order_rule" -- here, for few orders have one
    return order_rule.draw("run:shuffle", order_rule.of("run:shuffle", list, rule), function(range)
      return next_draw(self, range)
    end)
  end
  local mixed = { table.unpack(list) }
  for i = #mixed, 2, -1 do
    local j = 1 + next_draw(self, i - 1)
    mixed[i], mixed[j] = mixed[j], mixed[i]
  end
  return mixed
end

--- The seed for the random rests of the k-th plan of the run, behind those of the run that it goes on with.
---@param k integer
---@return integer
function Draws:of_plan(k)
  return core.draw(self.seed, plan_stream + self.plans_before + k, 0x7FFFFFFF)
end

--- The draws of an experiment: the same seed gives the same ones on every machine.
---@param seed integer of the run
function M.new(seed)
  return setmetatable({ seed = seed, count = 0, plans_before = 0 }, Draws)
end

return M
