--- What is left of a plan of an experiment that broke off amid it: from its first trial on that had not
--- begun, without the marks of catch trials right before that one which were given. Where no pulse is left,
--- the marks behind the last one.
local core = require "moonpulse.core"

local M = {}

---@class moonpulse.Rest
---@field plan moonpulse.Plan
---@field is_whole true? nothing of it was given but marks
---@field trials integer of the plan that come before it
---@field first_ns integer? when its first pulse was to come, from the plan's start; nil: it has none
---@field begins_ns integer when it begins, from the plan's start: with its first mark or rest
---@field lost integer pulses of a trial that had begun
---@field marks_lost integer marks behind the last pulse that were not given, and are not given now
---@field marks_again integer marks that were given, and are given again: the plan cannot begin behind them

--- When a plan has one of its pulses, and how many marks it has before it.
---@param plan moonpulse.Plan
---@param seed integer of its rests
---@param pulse integer from 1
---@return integer? ns from the plan's start; nil: it has not so many
---@return integer marks
function M.time_of(plan, seed, pulse)
  local schedule, marks = core.schedule(plan, seed), 0
  while true do
    local kind, _, number, _, ns = schedule:next()
    if not kind then
      return nil, marks
    elseif kind == "mark" then
      marks = marks + 1
    elseif kind == "pulse" and number == pulse then
      return ns, marks
    end
  end
end

--- The instant of the last pulse that was given, or of the last mark that was passed behind it.
local function last_ns(plan, seed, given, marks)
  local schedule, ns_of_last, pulses, seen = core.schedule(plan, seed), 0, 0, 0
  while true do
    local kind, _, number, _, ns = schedule:next()
    if not kind or kind == "pulse" and number > given then
      return ns_of_last
    elseif kind == "pulse" then
      pulses, ns_of_last = number, ns
    elseif kind == "mark" then
      seen = seen + 1
      ns_of_last = pulses == given and seen <= marks and ns or ns_of_last
    end
  end
end

--- The whole plan: nothing of it was given but marks.
local function whole(plan, marks)
  return { plan = plan, is_whole = true, trials = 0, first_ns = 0, begins_ns = 0, lost = 0, marks_lost = 0,
    marks_again = marks }
end

--- When a plan has its last marks, so many of them, from the plan's start.
local function marks_ns(plan, seed, count)
  local schedule, left = core.schedule(plan, seed), plan:totals().marks - count
  while true do
    local kind, _, _, _, ns = schedule:next()
    if not kind or kind == "mark" and left == 0 then
      return ns or 0
    end
    left = left - (kind == "mark" and 1 or 0)
  end
end

--- What is left where all trials with pulses had begun: marks behind the last pulse.
---@param behind integer marks that were given behind the pulses that were given
---@return moonpulse.Rest?
---@return integer marks_lost that neither run gives
local function rest_of_marks(plan, seed, given, behind)
  local remainders = require "moonpulse.compose.remainder"
  local totals, all = plan:totals(), remainders.behind(plan)
  local left, _, leading = remainders.left_marks(plan, seed, given, totals.pulses + 1, all)
  local done = math.max(0, behind - #left)
  local can, rest = pcall(remainders.behind, plan, done)
  rest = can and rest or nil
  local lost = math.max(0, #left - behind) + (rest and 0 or #leading - math.min(done, #leading))
  if not rest then
    return nil, lost
  end
  local marks = rest:totals().marks
  return { plan = rest, trials = 0, lost = totals.pulses - given, marks_lost = lost, marks_again = 0,
    begins_ns = math.max(0, marks_ns(plan, seed, marks) - marks_ns(rest, seed, marks)) }, lost
end

--- What is left of a plan of which so many pulses, and so many of its marks, were given.
---@param plan moonpulse.Plan
---@param seed integer of its rests
---@param given integer pulses
---@param marks integer? nil: nobody knows; no more than before the last pulse
---@return moonpulse.Rest? nil: all trials had begun, and no mark is left
---@return integer? marks_lost of nil: marks that were not given, and cannot be
function M.of(plan, seed, given, marks)
  local remainders = require "moonpulse.compose.remainder" -- loaded for those that need it
  local of_before = given > 0 and select(2, M.time_of(plan, seed, given)) or 0
  local behind = math.max(0, (marks or 0) - of_before)
  if given == 0 and behind == 0 then
    return whole(plan, 0)
  end
  local trial, before = remainders.trial_after(plan, seed, given)
  if not trial then
    return rest_of_marks(plan, seed, given, behind)
  elseif given == 0 and before ~= 0 then
    return whole(plan, behind)
  end
  local at = { what = "trial", number = trial }
  local rest = remainders.of(plan, seed, at)
  local left, _, leading = remainders.left_marks(plan, seed, given, before + 1, rest)
  local again = math.max(0, math.min(behind - #left, #leading, remainders.leading_marks(rest)))
  if again > 0 then
    at.marks_given = again
    local can, without = pcall(remainders.of, plan, seed, at)
    rest, again = can and without or rest, can and 0 or again
  end
  local first_ns = M.time_of(plan, seed, before + 1)
  return { plan = rest, trials = trial - 1, first_ns = first_ns, lost = before - given,
    begins_ns = math.max(first_ns - M.time_of(rest, seed, 1), last_ns(plan, seed, given, of_before + behind)),
    marks_lost = math.max(0, #left - behind), marks_again = again }
end

return M
