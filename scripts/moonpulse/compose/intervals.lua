--- Intervals that differ from one to the next: mp.intervals { 4.1, 5.3, 4.7 }, one for each time between two
--- trials or repetitions, in their order.
local blame = require "moonpulse.text.author_line"
local check = require "moonpulse.compose.check"
local core = require "moonpulse.core"
local lists = require "moonpulse.text.lists"
local notes = require "moonpulse.text.notes"
local numbers = require "moonpulse.text.numbers"
local sealed = require "moonpulse.compose.sealed"

local M = {}

---@class moonpulse.Intervals times between trials or repetitions, one by one; made by mp.intervals

local build, fail = blame.build, blame.fail

local MOST = 100000

--- Intervals in seconds, one by one, for every = or gap = of mp.trials and plan:times.
---@param list (number|string)[]
---@return moonpulse.Intervals
function M.written(list)
  if type(list) ~= "table" or check.is_plan(list) or sealed.data(list) then
    fail("intervals: a list of seconds expected, like mp.intervals { 4.1, 5.3, 4.7 }, not %s",
      sealed.data(list) and sealed.data(list).kind or check.shown(list))
  elseif next(list) == nil then
    fail("intervals: the list is empty: n trials have n - 1 intervals, like mp.intervals { 4.1, 5.3 } for "
      .. "three")
  end
  lists.check("intervals", "the list", list)
  if #list > MOST then
    fail("intervals: the list has %s entries, at most %s", numbers.count(#list), numbers.count(MOST))
  end
  local values = table.move(list, 1, #list, 1, {})
  for i, value in ipairs(values) do
    local key = "interval " .. i
    check.time("intervals", key, value)
    notes.rest("intervals", key, value)
  end
  return sealed.new("intervals", { values = values }, "every = or gap =")
end

--- Were these made by mp.intervals?
---@param value any
---@return boolean
function M.is(value)
  local data = sealed.data(value)
  return data ~= nil and data.kind == "intervals"
end

--- The seconds between count things, of which there are count - 1.
---@param who string "trials", "times"
---@param key "every"|"gap"
---@param intervals moonpulse.Intervals
---@param count integer
---@param thing string what is counted, in the singular
---@return (number|string)[]
function M.between(who, key, intervals, count, thing)
  local values = sealed.data(intervals).values
  if #values ~= count - 1 then
    local remedy = count == 1 and ("write %s = seconds for one"):format(key)
      or #values > count - 1 and ("take out %s"):format(numbers.counted(#values - count + 1, "interval"))
      or ("add %s"):format(numbers.counted(count - 1 - #values, "interval"))
    fail("%s: %s has %s, and %s %s: %s", who, key, numbers.counted(#values, "interval"),
      numbers.counted(count, thing), count == 1 and "has none"
        or ("have %s between them"):format(numbers.count(count - 1)), remedy)
  end
  return values
end

--- Raise where a part is longer than the interval from its onset to the next one.
local function check_fits(who, number, value, plan)
  local totals = plan:totals()
  local num, den = check.positive(who, "interval " .. number .. " of every", value)
  if totals.span_max * den > num * (1 + 1e-12) then
    fail("%s: interval %d of every = %s s is shorter than what it is the time for (%g s)", who, number,
      tostring(value), totals.span_max)
  end
end

--- A plan that lasts as long as its interval from onset to onset.
---@param who string
---@param number integer of the interval, for messages
---@param value number|string seconds
---@param plan moonpulse.Plan
---@return moonpulse.Plan
function M.lasting(who, number, value, plan)
  check_fits(who, number, value, plan)
  return build(core.repeat_plan, plan, 1, "train", value)
end

--- plan:times(count, { every = or gap = intervals }): a sequence, in one part, so that a label is the label
--- of each repetition.
---@param plan moonpulse.Plan
---@param count integer
---@param key "every"|"gap"
---@param intervals moonpulse.Intervals
---@return moonpulse.Plan
function M.times(plan, count, key, intervals)
  local values = M.between("times", key, intervals, count, "repetition")
  local parts, once = {}, build(core.repeat_plan, plan, 1, "gap", 0)
  for i, value in ipairs(values) do
    if key == "every" then
      parts[#parts + 1] = M.lasting("times", i, value, plan)
    else
      parts[#parts + 1], parts[#parts + 2] = once, build(core.rest, value)
    end
  end
  parts[#parts + 1] = once
  local list = check.named(build(core.sequence_of, parts), "repetitions")
  return check.named(build(core.repeat_plan, list, 1, "gap", 0), "")
end

return M
