--- By how much drawn intervals must be raised, so that the device can give every order and every seed.
local redraw = require "moonpulse.compose.redraw"

local M = {}

local MOST_KINDS = 24    -- of trials, of which each is put before each
local MOST_STEPS = 100   -- of raising; each one is for another two pulses
local BUDGET = 5000000   -- sends that are walked

--- Is child i of a sequence a trial of mp.trials? They are parts that come once.
local function trial_at(plan, i, count)
  if i < 1 or i > count then
    return nil
  end
  local child = plan:child(i)
  local view = child:view()
  return view.kind == "repeat" and view.count == 1 and child or nil
end

--- The kinds of trial in a sequence: a trial, the drawn rest after it, how many there are.
local function kinds_of(plan, count)
  local kinds, by_id = {}, {}
  for i = 1, count do
    local trial, rest = trial_at(plan, i, count), i < count and plan:child(i + 1) or nil
    local view = rest and rest:view()
    if trial and view and view.kind == "rest" and view.min ~= view.max then
      local id = trial:child(1):id()
      if not by_id[id] then
        by_id[id] = { trial = trial, rest = rest, count = 0 }
        kinds[#kinds + 1] = by_id[id]
      end
      by_id[id].count = by_id[id].count + 1
    end
  end
  return kinds
end

--- Each trial before each other one, with the rest that it has; children as they are where there are none.
local function all_pairs(plan, children)
  local kinds = kinds_of(plan, #children)
  if #kinds < 2 or #kinds > MOST_KINDS then
    return children
  end
  local made = {}
  local function add(kind)
    made[#made + 1], made[#made + 2] = kind.trial, kind.rest
  end
  for i, kind in ipairs(kinds) do
    add(kind)
    if kind.count > 1 then
      add(kind)
    end
    for j = i + 1, #kinds do
      add(kinds[j])
      add(kind)
    end
  end
  return table.move(children, 1, #children, #made + 1, made) -- and what else is there, as it stands
end

--- What the ends of a range are called, by whether it lies between trials and by how it is drawn.
local function names_of(trial, law)
  if law and law:find("^weighted") then
    return "the shortest length of mp.weighted", "the longest"
  elseif law then
    return "min of mp.normal", "max"
  end
  return trial and "shortest" or "min", trial and "longest" or "max"
end

--- What is drawn, as its author wrote it: names, shortest and longest in seconds. Each range once.
---@param plan moonpulse.Plan
---@return { low: string, high: string, shortest: number, longest: number }[]
function M.ranges(plan)
  local list, known, seen = {}, {}, {}
  local function add(trial, view)
    local span = trial and trial:totals().span or 0
    local low, high = names_of(trial, view.law)
    local range = { low = low, high = high, shortest = span + view.min, longest = span + view.max }
    local key = ("%s %.6f %.6f"):format(range.low, range.shortest, range.longest)
    list[#list + 1] = not known[key] and range or nil
    known[key] = true
  end
  local function walk(part)
    if seen[part:id()] or not part:totals().random then
      return
    end
    seen[part:id()] = part
    local count = part:view().children or 0
    for i = 1, count do
      local child = part:child(i)
      local view = child:view()
      if view.kind == "rest" and view.min ~= view.max then
        add(trial_at(part, i - 1, count) or i == 1 and trial_at(part, 2, count) or nil, view)
      else
        walk(child)
      end
    end
  end
  local view = plan:view()
  if view.kind ~= "rest" then
    walk(plan)
  end
  return list
end

--- Microseconds by which everything that is drawn must be longer at its shortest. What is too short for
--- another reason stays so.
---@param plan moonpulse.Plan
---@param lowered fun(plan: moonpulse.Plan): moonpulse.core.Lowering encoded; may raise
---@return integer
function M.raise_us(plan, lowered)
  local more_us, before = 0, nil
  local arranged = redraw.rearranged(plan, all_pairs)
  for _ = 1, MOST_STEPS do
    local ok, lowering = pcall(lowered, redraw.raised(arranged, more_us))
    if not ok then -- an order that the device refuses for another reason
      if arranged == plan then
        break
      end
      arranged, lowering = plan, lowered(redraw.raised(plan, more_us))
    end
    local _, violation = lowering:check(BUDGET)
    if not violation or before and before.first == violation.first and before.second == violation.second
      and before.interval_ns == violation.interval_ns then
      break
    end
    before = violation
    more_us = more_us + math.ceil((violation.least_ns - violation.interval_ns) / 1e3)
  end
  return more_us
end

return M
