--- A plan with its drawn rests put where they are to be looked at.
local core = require "moonpulse.core"

local M = {}

local remake = {}

remake["repeat"] = function(view, children)
  return core.repeat_plan(children[1], view.count, view.spacing, view.exact_period or view.period)
end

function remake.channel(view, children)
  return core.channel(children[1], view.text)
end

function remake.sequence(_, children)
  return core.sequence_of(children)
end

function remake.parallel(_, children)
  return core.parallel(children)
end

--- A plan that is like another one, with other children; a leaf is that plan itself.
---@param plan moonpulse.Plan
---@param children moonpulse.Plan[] as many as it has
---@return moonpulse.Plan
function M.with_children(plan, children)
  local view = plan:view()
  return remake[view.kind] and core.like(remake[view.kind](view, children), plan) or plan
end

--- A rest so many microseconds above the shortest; drawn: it stays one that is drawn, of a range below a
--- microsecond, which is always at its lower end.
local function rest_at(view, more_us, drawn)
  -- drawn are whole microseconds above the shortest
  local more, min_us = more_us / 1e6, math.floor(view.min * 1e6 + 0.5)
  local at = more_us == 0 and (view.exact or view.min) or view.min + more
  local above = view.min + more + 1e-7
  if more_us > 0 and math.abs(min_us - view.min * 1e6) < 1e-6 then -- a sum of floats is no short fraction
    at, above = ("%d/1000000"):format(min_us + more_us), ("%d/10000000"):format(10 * (min_us + more_us) + 1)
  end
  return drawn and core.rest(at, above) or core.rest(at)
end

--- A plan with other drawn rests: rest(view) makes each. arrange(part, children), where it is given, says the
--- children of a sequence.
local function remade(plan, rest, arrange, known)
  local id = plan:id()
  if known[id] then
    return known[id].made
  elseif not plan:totals().random then
    return plan
  end
  local view, children = plan:view(), {}
  for i = 1, view.children do
    children[i] = remade(plan:child(i), rest, arrange, known)
  end
  if arrange and view.kind == "sequence" then
    children = arrange(plan, children)
  end
  local made
  if view.kind == "rest" then
    made = view.min == view.max and core.rest(view.exact or view.min) or rest(view, plan)
  else
    made = remake[view.kind](view, children)
  end
  made = made == plan and plan or core.like(made, plan)
  known[id] = { made = made, from = plan } -- ids hold while plans live
  return made
end

--- How a rest is made that lies at a fraction of its range.
local function at_fraction(fraction, drawn)
  return function(view)
    if fraction == 1 and not drawn and view.law then -- its longest need not be whole microseconds above
      return core.rest(view.exact_max or view.max)
    end
    return rest_at(view, math.floor((view.max - view.min) * 1e6 * fraction), drawn)
  end
end

--- A plan whose drawn rests are all at one fraction of their range.
---@param plan moonpulse.Plan
---@param fraction number 0: the shortest; 1: the longest
---@param drawn boolean? they stay drawn rests (of a range that has one value), so that the plan keeps its
---   parts
---@return moonpulse.Plan
function M.with_rests(plan, fraction, drawn)
  return remade(plan, at_fraction(fraction, drawn), nil, {})
end

--- A plan whose drawn rests are all so many microseconds above their shortest; they stay drawn rests.
---@param plan moonpulse.Plan
---@param more_us integer
---@return moonpulse.Plan
function M.raised(plan, more_us)
  return remade(plan, function(view) return rest_at(view, more_us, true) end, nil, {})
end

--- A plan with the children of its sequences that have drawn rests in another order.
---@param plan moonpulse.Plan
---@param arrange fun(sequence: moonpulse.Plan, children: moonpulse.Plan[]): moonpulse.Plan[]
---@return moonpulse.Plan
function M.rearranged(plan, arrange)
  return remade(plan, function(_, rest) return rest end, arrange, {})
end

--- Drawn rests in the text of a plan: those of a repetition once.
local function count_rests(plan)
  if not plan:totals().random then
    return 0
  end
  local view, count = plan:view(), 0
  if view.kind == "rest" then
    return 1
  end
  for i = 1, view.children do
    count = count + count_rests(plan:child(i))
  end
  return count
end

local mixed

--- A repetition of first, then of second: as often, and as far apart, as view says.
local function one_then_other(view, first, count, second)
  local function times(plan, n)
    return core.repeat_plan(plan, n, view.spacing, view.exact_period or view.period)
  end
  if count == 0 or count == view.count then
    return times(count == 0 and second or first, view.count)
  end
  local between = view.spacing == "gap" and view.period
    or view.spacing == "every" and view.period - first:totals().span or 0
  local whole = times(first, count)
  whole = between > 0 and core.sequence(whole, core.rest(between)) or whole
  return core.sequence(whole, times(second, view.count - count))
end

local patterns = {}

--- Only the first drawn rest of all is at a.
function patterns.first(self, view, child)
  if self.seen > 0 or view.count == 0 then
    return one_then_other(view, child, 0, M.with_rests(child, self.b))
  end
  return one_then_other(view, mixed(self, child), 1, M.with_rests(child, self.b))
end

function patterns.half(self, view, child)
  self.seen = self.seen + count_rests(child)
  return one_then_other(view, M.with_rests(child, self.a), view.count // 2, M.with_rests(child, self.b))
end

function patterns.alternate(self, view, child)
  local a, b = M.with_rests(child, self.a), M.with_rests(child, self.b)
  self.seen = self.seen + count_rests(child)
  if view.count < 2 or view.count % 2 > 0 then
    return one_then_other(view, a, view.count - view.count // 2, b)
  end
  local two = one_then_other(setmetatable({ count = 2 }, { __index = view }), a, 1, b)
  local between = view.spacing == "gap" and view.period
    or view.spacing == "every" and math.max(0, view.period - b:totals().span) or 0
  return core.repeat_plan(two, view.count // 2, "gap", between)
end

local is_a = {
  first = function(self) return self.seen == 1 end,
  half = function(self) return 2 * self.seen <= self.total end,
  alternate = function(self) return self.seen % 2 == 1 end,
}

function mixed(self, plan)
  if not plan:totals().random then
    return plan
  end
  local view, children = plan:view(), {}
  local made
  if view.kind == "rest" then
    self.seen = self.seen + 1
    made = view.min == view.max and core.rest(view.exact or view.min)
      or at_fraction(is_a[self.pattern](self) and self.a or self.b)(view)
  elseif view.kind == "repeat" then
    made = patterns[self.pattern](self, view, plan:child(1))
  else
    for i = 1, view.children do
      children[i] = mixed(self, plan:child(i))
    end
    made = remake[view.kind](view, children)
  end
  return core.like(made, plan)
end

--- A plan whose drawn rests are some at fraction a of their range and the others at b.
---@param plan moonpulse.Plan
---@param pattern "first"|"half"|"alternate" which are at a
---@param a number
---@param b number
---@return moonpulse.Plan
function M.mixed(plan, pattern, a, b)
  return mixed({ pattern = pattern, a = a, b = b, seen = 0, total = count_rests(plan) }, plan)
end

return M
