--- Which orders of a plan are drawn, and which its author fixed: the plan is made again with other orders of
--- what mp.shuffle gets, and what comes otherwise is drawn.
local order_rule = require "moonpulse.compose.order_rule"
local outline = require "moonpulse.show.outline"
local protocols = require "moonpulse.protocol"
local same_plan = require "moonpulse.compose.same_plan"

local M = {}

---@class moonpulse.DrawnOrders
---@field ids table<integer, boolean> ids of the plan's nodes whose order is drawn
---@field intervals table<integer, boolean> ids of trials, and repetitions, whose listed intervals are
---@field is_mixed boolean it has trials of several kinds in a fixed order beside them
---@field rule string? what their author asks of the drawn orders, in words; nil: nothing, or not of all alike

--- What mp.shuffle gives instead: the list as it is, and twice moved on. Unless all are alike, these differ.
local function moved_by(steps)
  return function(list)
    local moved = {}
    for i = 1, #list do
      moved[i] = list[(i - 1 + steps) % #list + 1]
    end
    return moved
  end
end

--- The same, with the rules of the lists noted, in words.
local function noting(rules, arrange)
  return function(list, rule)
    rules[rule and order_rule.words(rule) or ""] = true
    return arrange(list)
  end
end

local function is_trials(view)
  return view.label == "trials" and (" " .. view.roles .. " "):find(" trials ", 1, true) ~= nil
end

--- Have two sequences the same parts, in another order?
local function are_moved(numbers, plan, other, count)
  local counts = {}
  for i = 1, count do
    local mine, its = numbers:of(plan:child(i)), numbers:of(other:child(i))
    counts[mine] = (counts[mine] or 0) + 1
    counts[its] = (counts[its] or 0) - 1
  end
  for _, left in pairs(counts) do
    if left ~= 0 then
      return false
    end
  end
  return true
end

--- Have two lists of trials, or of repetitions, the same ones in the same order, at other intervals?
local function are_spaced(numbers, plan, other, count)
  for i = 1, count do
    local mine, its = plan:child(i):view(), other:child(i):view()
    local is_once = mine.kind == "repeat" and mine.count == 1 and its.kind == "repeat" and its.count == 1
    if not (is_once and numbers:of(plan:child(i):child(1)) == numbers:of(other:child(i):child(1)))
      and not (mine.kind == "rest" and its.kind == "rest") then
      return false
    end
  end
  return true
end

--- Mark where two plans that were made in different orders differ.
local function compare(numbers, plan, other, found, intervals)
  if numbers:of(plan) == numbers:of(other) then
    return
  end
  local view, second = plan:view(), other:view()
  local is_alike = view.kind == second.kind and view.children == second.children and view.children > 0
  if is_alike and outline.is_list(plan, view) and are_spaced(numbers, plan, other, view.children) then
    intervals[plan:id()] = true
    return
  elseif is_trials(view) or not is_alike or view.kind == "sequence"
    and are_moved(numbers, plan, other, view.children) then
    found[plan:id()] = true
    return
  end
  for i = 1, view.children do
    compare(numbers, plan:child(i), other:child(i), found, intervals)
  end
end

--- Are there trials of several kinds whose order is not drawn?
local function has_fixed(plan, found, seen)
  local id, view = plan:id(), plan:view()
  if seen[id] or found[id] and is_trials(view) then
    return false
  end
  seen[id] = true
  if is_trials(view) and plan:child(1):view().kind == "repeat" and #outline.trials(plan, view) > 1 then
    return true
  end
  for i = 1, view.children do
    if has_fixed(plan:child(i), found, seen) then
      return true
    end
  end
  return false
end

--- The orders of a plan.
---@param plan moonpulse.Plan as it was made from the seed, or as a record keeps it
---@param protocol moonpulse.Protocol that it was made of
---@param values table its parameters
---@param seed integer
---@return moonpulse.DrawnOrders
function M.of(plan, protocol, values, seed)
  local numbers, found, intervals, rules = same_plan.new(), {}, {}, {}
  for steps = 0, 2 do
    local other = protocols.build(protocol, values, seed, nil, noting(rules, moved_by(steps)))
    if other then
      compare(numbers, plan, other, found, intervals)
    end
  end
  local rule = next(rules)
  return { ids = found, intervals = intervals, is_mixed = next(found) ~= nil and has_fixed(plan, found, {}),
    rule = rule and rule ~= "" and next(rules, rule) == nil and rule or nil }
end

return M
