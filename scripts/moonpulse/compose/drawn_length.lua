--- Lengths that are drawn from the seed otherwise than all alike: by a normal distribution within bounds, or
--- one of some lengths by their weights. They are given to mp.rest, and as every = to mp.trials.
local blame = require "moonpulse.text.author_line"
local check = require "moonpulse.compose.check"
local core = require "moonpulse.core"
local gcd = require("moonpulse.compose.divisor").of
local lists = require "moonpulse.text.lists"
local notes = require "moonpulse.text.notes"
local numbers = require "moonpulse.text.numbers"
local sealed = require "moonpulse.compose.sealed"

local M = {}

---@class moonpulse.DrawnLength a length that is drawn from the seed; made by mp.normal or mp.weighted

local build, fail = blame.build, blame.fail

local MOST = 1000 -- choices, as the engine has them

local where = "mp.rest(...) or every = ... of mp.trials"

--- Raise where first is above second.
local function check_order(who, first, second, key, other)
  local a, a_den = check.exact(who, key, first)
  local b, b_den = check.exact(who, other, second)
  if a / a_den > b / b_den then
    fail("%s: %s = %s s is above %s = %s s", who, key, tostring(first), other, tostring(second))
  end
end

--- A normal distribution with this mean and standard deviation, cut at min and max: what lies outside of them
--- is not drawn, and all between them is as likely as it was, in proportion. Drawn are whole microseconds
--- above min.
---@param spec { mean: number|string, sd: number|string, min: number|string, max: number|string } seconds
---@return moonpulse.DrawnLength
function M.normal(spec)
  local given = blame.options("normal", spec, { mean = "seconds", sd = "seconds", min = "seconds",
    max = "seconds" })
  check.time("normal", "min", given.min)
  check.positive("normal", "sd", given.sd)
  for _, key in ipairs { "mean", "max" } do
    check.time("normal", key, given[key])
    notes.rest("normal", key, given[key])
  end
  check_order("normal", given.min, given.mean, "min", "mean")
  check_order("normal", given.mean, given.max, "mean", "max")
  local num, den = check.exact("normal", "sd", given.sd)
  if num / den < 1e-6 then
    fail("normal: sd = %s s is below 1 us, and whole microseconds are drawn: write mp.rest(%s)",
      tostring(given.sd), tostring(given.mean))
  end
  return sealed.new("normal", { min = given.min, max = given.max, mean = given.mean, sd = given.sd }, where)
end

--- Weights as the smallest whole numbers that are in proportion to them.
local function whole_weights(list)
  local nums, dens, common = {}, {}, 1
  for i, each in ipairs(list) do
    if type(each[2]) ~= "number" and type(each[2]) ~= "string" then
      fail("weighted: the weight of entry %d must be a number, not %s", i, check.shown(each[2]))
    end
    nums[i], dens[i] = check.positive("weighted", "the weight of entry " .. i, each[2])
    common = common // gcd(common, dens[i]) * dens[i]
    if common > 1 << 40 then
      fail("weighted: the weights are no simple fractions of each other: write them as whole numbers")
    end
  end
  local weights, shared, sum = {}, 0, 0
  for i, num in ipairs(nums) do
    sum = sum + num * 1.0 * (common // dens[i])
    weights[i] = num * (common // dens[i])
    shared = gcd(shared, weights[i])
  end
  if sum >= 2.0 ^ 53 then
    fail("weighted: the weights are together %g times the least one: at most 2^53 times", sum)
  end
  for i in ipairs(weights) do
    weights[i] = weights[i] // shared
  end
  return weights
end

--- One of some lengths, each with the probability of its weight: { { 4, 2 }, { 6, 1 } } is 4 s two times of
--- three.
---@param list { [1]: number|string, [2]: number|string }[] seconds, weight
---@return moonpulse.DrawnLength
function M.weighted(list)
  if type(list) ~= "table" or check.is_plan(list) or sealed.data(list) or next(list) == nil then
    fail("weighted: a list of seconds with their weights expected, like mp.weighted { { 4, 2 }, { 6, 1 } }")
  end
  lists.check("weighted", "the list", list)
  if #list > MOST then
    fail("weighted: %s lengths, at most %s", numbers.count(#list), numbers.count(MOST))
  end
  local values = {}
  for i, each in ipairs(list) do
    if type(each) ~= "table" or #each ~= 2 then
      fail("weighted: entry %d must be seconds with their weight, like { 4, 2 }", i)
    end
    lists.check("weighted", "entry " .. i, each)
    check.time("weighted", "entry " .. i, each[1])
    notes.rest("weighted", "entry " .. i, each[1])
    values[i] = each[1]
  end
  return sealed.new("weighted", { values = values, weights = whole_weights(list) }, where)
end

--- Was this made here?
---@param value any
---@return boolean
function M.is(value)
  local data = sealed.data(value)
  return data ~= nil and (data.kind == "normal" or data.kind == "weighted")
end

--- Seconds less what a trial lasts, as an exact fraction. Raises where nothing is left.
local function less(who, key, seconds, span)
  local left = check.sum(who, { key, seconds }, -1, { "a trial", span })
  if check.exact(who, key, left) < 0 then
    fail("%s: %s = %s s is shorter than a trial of %g s", who, key, tostring(seconds), numbers.fraction(span))
  end
  local num, den = check.exact(who, key, left)
  return ("%d/%d"):format(num, den)
end

--- The rest that is drawn so, less what lies between its beginning and the one before.
---@param who string for messages
---@param length moonpulse.DrawnLength
---@param span number|string? seconds; 0
---@return moonpulse.Plan
function M.rest(who, length, span)
  local data = sealed.data(length)
  span = span or 0
  if data.kind == "normal" then
    local min = less(who, "min", data.min, span)
    return build(core.rest, min, less(who, "max", data.max, span), ("normal %s %s"):format(
      less(who, "mean", data.mean, span), less(who, "sd", data.sd, 0)))
  end
  local words, least, most = { "weighted" }, nil, nil
  for i, value in ipairs(data.values) do
    local text = less(who, "a length", value, span)
    words[i + 1] = ("%s %d"):format(text, data.weights[i])
    local seconds = numbers.fraction(text)
    least = (not least or seconds < least.seconds) and { seconds = seconds, text = text } or least
    most = (not most or seconds > most.seconds) and { seconds = seconds, text = text } or most
  end
  return build(core.rest, least.text, most.text, table.concat(words, " "))
end

return M
