--- Orders and trials: lists that are shuffled from the run's seed, and plans one after the other as trials.
local blame = require "moonpulse.text.author_line"
local check = require "moonpulse.compose.check"
local compose = require "moonpulse.compose"
local context = require "moonpulse.compose.context"
local core = require "moonpulse.core"
local lists = require "moonpulse.text.lists"
local notes = require "moonpulse.text.notes"
local surplus = require "moonpulse.text.surplus"

local M = {}

--- What is written where more than one list was meant.
M.one_list = "what is shuffled is one list: mp.shuffle { a, b, c }, or mp.shuffle(list, { max_in_a_row = 2 })"

local build, fail, named, options = blame.build, blame.fail, check.named, blame.options

local MOST_COUNTED = 100000 -- entries

--- A list in an order drawn from the run's seed; the list itself stays as it is. Only inside
--- plan = function(p), where the seed is known. With a rule all orders that keep it are equally likely, and
--- where there is none that is an error.
---@generic T
---@param list T[]
---@param rule { max_in_a_row: integer?, blocks: integer? }? at most so many alike follow each other; so many
---   blocks, each with every entry of the list once
---@return T[]
function M.shuffle(list, rule)
  local is_list = type(list) == "table" and next(list) ~= nil
  if rule ~= nil and (not is_list or type(rule) ~= "table" or rule[1] ~= nil) then
    surplus.check("mp.shuffle", 1, M.one_list, list, rule)
  elseif not is_list then
    fail("shuffle: a list expected, like mp.shuffle { a, b, c }")
  end
  lists.check("shuffle", "the list", list)
  local order_rule = rule ~= nil and require "moonpulse.compose.order_rule" -- here, for few orders have one
  local kept = order_rule and order_rule.of("shuffle", list, rule) or nil
  local chosen = context.arranged(order_rule and order_rule.unordered(kept) or list, kept)
  local draw = chosen or context.order()
  if chosen then
    return chosen
  elseif not draw then
    fail("shuffle: the order is drawn from the run's seed, which is known only while the plan is "
      .. "made: call it inside plan = function(p) ... end of mp.protocol; in an experiment write "
      .. "run:shuffle(list)")
  elseif order_rule then
    return order_rule.draw("shuffle", kept, draw)
  end
  local order = table.move(list, 1, #list, 1, {})
  for i = #order, 2, -1 do -- Fisher and Yates
    local j = draw(i - 1) + 1
    order[i], order[j] = order[j], order[i]
  end
  return order
end

--- A list with each value as often as its number says:
--- { { 2, 10 }, { 15, 5 } } is ten times 2, five times 15.
---@param pairs_of { [1]: any, [2]: integer }[]
---@return any[]
function M.counts(pairs_of)
  if type(pairs_of) ~= "table" or next(pairs_of) == nil then
    fail("counts: a list of values with their numbers expected, like mp.counts { { sici, 10 }, { icf, 10 } }")
  end
  lists.check("counts", "the list", pairs_of)
  local list = {}
  for i, each in ipairs(pairs_of) do
    if type(each) ~= "table" or #each ~= 2 then
      fail("counts: entry %d must be a value with its number, like { sici, 10 }", i)
    end
    lists.check("counts", "entry " .. i, each)
    local count = check.count("counts", "the number of entry " .. i, each[2])
    if #list + count > MOST_COUNTED then
      fail("counts: entry %d makes the list longer than %d", i, MOST_COUNTED)
    end
    for _ = 1, count do
      list[#list + 1] = each[1]
    end
  end
  return list
end

--- How long a trial lasts, exactly.
local function span_of(trial)
  local totals = trial:totals()
  if totals.random then
    fail("trials: a trial with a random rest inside has no known end: put the rest between trials")
  end
  return totals.exact_span or totals.span
end

--- The time between the end of a trial and the next trial's onset, for an interval from onset to
--- onset.
local function left_of(key, interval, trial)
  local left = check.sum("trials", { key, interval }, -1, { "a trial", span_of(trial) })
  if check.exact("trials", key, left) < 0 then
    fail("trials: %s = %s s is shorter than a trial of %g s", key, tostring(interval), trial:totals().span)
  end
  return left
end

--- A trial as one part of a sequence: repeated once, it does not dissolve into it.
local function as_part(trial, spacing, period)
  return core.tagged(build(core.repeat_plan, trial, 1, spacing or "gap", period or 0), nil, "trial")
end

--- All trials of a call, which are a block where nothing around them or in them is one.
local function as_trials(plan, label)
  return named(core.tagged(plan, nil, "trials"), label)
end

local function same_trials(trial, count, every, rest_after)
  if every then
    return as_trials(compose.times(core.tagged(trial, nil, "trial"), count, { every = every }), "")
  elseif count == 1 then
    return as_trials(as_part(trial), "")
  end
  local next_one = named(build(core.sequence, rest_after(trial), as_part(trial)), "next trial")
  return as_trials(build(core.sequence, as_part(trial), compose.times(next_one, count - 1)), "trials")
end

local function seconds_of(key, value)
  local num, den = check.exact("trials", key, value)
  return num / den
end

local function all_same(list)
  for i = 2, #list do
    if list[i] ~= list[1] then
      return false
    end
  end
  return true
end

--- Trials with the intervals that their author lists, one for each time between two.
local function listed_trials(list, every)
  local intervals = require "moonpulse.compose.intervals"
  local values, parts = intervals.between("trials", "every", every, #list, "trial"), {}
  for i, trial in ipairs(list) do
    parts[i] = values[i] and core.tagged(intervals.lasting("trials", i, values[i], trial), nil, "trial")
      or as_part(trial)
  end
  return as_trials(build(core.sequence_of, parts), "trials")
end

--- What mp.trials got, which must be what it takes.
local function check_trials(spec)
  options("trials", spec, { of = "list of plans", every = "?seconds", shortest = "?seconds",
    longest = "?seconds" })
  local list = spec.of
  if check.is_plan(list) then
    fail("trials: of must be a list of plans: write of = { plan } for one, of = { a, b } for several")
  elseif type(list) == "table" and next(list) == nil then
    fail("trials: of is empty: it is a list of plans, like of = { a, b }")
  elseif type(list) ~= "table" then
    fail("trials: of must be a list of plans, like of = { a, b }, not %s", type(list))
  elseif (spec.every == nil) == (spec.shortest == nil) or (spec.shortest == nil) ~= (spec.longest == nil)
  then
    fail("trials: give either every = seconds, or shortest = and longest = seconds")
  end
  lists.check("trials", "of", list)
  for i, trial in ipairs(list) do
    check.plan("trials", "trial " .. i, trial)
  end
  for _, key in ipairs { "every", "shortest", "longest" } do
    local is_number = key ~= "every" or not context.sealed_kind(spec.every)
    if spec[key] ~= nil and is_number then
      check.positive("trials", key, spec[key])
      notes.rest("trials", key, spec[key])
    end
  end
  if spec.shortest and seconds_of("shortest", spec.shortest) > seconds_of("longest", spec.longest) then
    fail("trials: shortest = %s is above longest = %s", spec.shortest, spec.longest)
  end
end

--- Trials one after the other, from onset to onset every seconds, or the intervals of mp.intervals, or an
--- interval drawn from the run's seed: uniformly from shortest to longest, or as mp.normal or mp.weighted
--- says. Span: to the end of the last trial.
---@param spec { of: moonpulse.Plan[], every: number|string|moonpulse.Intervals|moonpulse.DrawnLength|nil,
---   shortest: number|string|nil, longest: number|string|nil }
---@return moonpulse.Plan
function M.trials(spec)
  check_trials(spec)
  local list, every = spec.of, spec.every
  local kind = context.sealed_kind(every)
  if kind == "intervals" then
    return listed_trials(list, every)
  end
  local drawn = kind == "drawn" and every or nil
  every = not drawn and every or nil
  if not drawn and not every and spec.shortest == spec.longest then
    every = spec.shortest
  end
  local function rest_after(trial)
    if drawn then
      return require("moonpulse.compose.drawn_length").rest("trials", drawn, span_of(trial))
    end
    return build(core.rest, left_of("shortest", spec.shortest, trial),
      left_of("longest", spec.longest, trial))
  end
  if all_same(list) then
    return same_trials(list[1], #list, every, rest_after)
  end
  local plan
  for i, trial in ipairs(list) do
    local is_last = i == #list
    -- as a train of one, a trial lasts its interval
    local part = as_part(trial, every and (is_last and "every" or "train"), every)
    plan = plan and build(core.sequence, plan, part) or part
    if not every and not is_last then
      plan = build(core.sequence, plan, rest_after(trial))
    end
  end
  return as_trials(plan, "trials")
end

return M
