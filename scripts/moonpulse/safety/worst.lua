--- What to judge of a plan that chance decides on (rests and orders drawn from the seed): its worst case,
--- or, where that cannot be had, many schedules.
local core = require "moonpulse.core"
local orders = require "moonpulse.safety.orders"
local rules = require "moonpulse.safety.rules"

local M = {}

local SEEDS = 20
local MOST_WALKED = 400000 -- pulses, marks and rests that are walked one by one for seeds: some seconds
local FRACTIONS = { { 0, "every drawn rest at its shortest" }, { 1, "every drawn rest at its longest" },
  { 0.25, "every drawn rest at a quarter of its range" }, { 0.5, "every drawn rest at half of its range" },
  { 0.75, "every drawn rest at three quarters of its range" } }

local with_rests

local remake = {}

function remake.rest(view, _, fraction, drawn)
  if view.min == view.max then
    return core.rest(view.exact or view.min)
  end
  -- drawn are whole microseconds above the shortest
  local more = math.floor((view.max - view.min) * 1e6 * fraction) / 1e6
  local at = more == 0 and (view.exact or view.min) or view.min + more
  -- a range below a microsecond is always at its lower end, and stays a drawn rest for whoever splits the
  -- plan
  return drawn and core.rest(at, view.min + more + 1e-7) or core.rest(at)
end

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

function with_rests(plan, fraction, drawn, known)
  local id = plan:id()
  if known[id] then
    return known[id].made
  elseif not plan:totals().random then
    return plan
  end
  local view, children = plan:view(), {}
  for i = 1, view.children do
    children[i] = with_rests(plan:child(i), fraction, drawn, known)
  end
  local made = core.describe(remake[view.kind](view, children, fraction, drawn), view.origin, view.label)
  known[id] = { made = made, from = plan } -- ids hold while plans live
  return made
end

--- A plan whose drawn rests are all at one fraction of their range.
---@param plan moonpulse.Plan
---@param fraction number 0: the shortest; 1: the longest
---@param drawn boolean? they stay drawn rests (of a range that has one value), so that the plan keeps its
---   parts
---@return moonpulse.Plan
function M.with_rests(plan, fraction, drawn)
  return with_rests(plan, fraction, drawn, {})
end

---@class moonpulse.Case one schedule to judge
---@field plan moonpulse.Plan
---@field played moonpulse.Plan the same for the device's limits
---@field seed integer
---@field what string which one it is; "" where there is no other

local function case_of(plan, seed, what, fraction)
  return { plan = fraction and M.with_rests(plan, fraction) or plan, seed = seed, what = what,
    played = fraction and M.with_rests(plan, fraction, true) or plan }
end

local function seed_count(plan, random)
  local totals = plan:totals()
  local steps = math.max(1, random and totals.leaves or math.ceil(totals.pulses / 5))
  return math.max(1, math.min(SEEDS, math.floor(MOST_WALKED / steps)))
end

local function said(rests, order_cases, all, seeds)
  local parts = {}
  if rests then
    parts[1] = "every drawn rest at its shortest, its longest and in between"
  end
  if order_cases then
    parts[#parts + 1] = all and ("all %d orders of what is shuffled"):format(order_cases)
      or ("%d orders of what is shuffled, with any two kinds next to each other and each in one go"):format(
        order_cases)
  end
  parts[#parts + 1] = seeds == 1 and "1 seed" or ("%d seeds"):format(seeds)
  local text = table.concat(parts, "; ")
  return order_cases and not all and text .. "; another order may be graver: check it with --seed N" or text
end

--- The schedules to judge.
---@param given { plan: moonpulse.Plan, drawn: boolean, seed: integer, fixed: boolean?,
---   build: fun(seed: integer, arrange: function?): moonpulse.Plan,
---   progress: (fun(made: integer, total: integer))? } fixed: nothing but this seed can be played
---@return moonpulse.Case[] the first is that of the seed
---@return { how: string, text: string }? nil: there is only one schedule
function M.cases(given)
  local plan, seed = given.plan, given.seed
  local random = plan:totals().random
  local cases = { case_of(plan, seed, "") }
  if not random and not given.drawn then
    return cases
  elseif given.fixed then
    return cases, { how = "one seed", text = ("seed %d, which the plan file fixes"):format(seed) }
  end
  cases[1].what = ("seed %d"):format(seed)
  for _, each in ipairs(random and FRACTIONS or {}) do
    cases[#cases + 1] = case_of(plan, seed, each[2], each[1])
  end
  local found, all = nil, true
  if given.drawn then
    found, all = orders.of(function(arrange) return given.build(seed, arrange) end)
    for i, order in ipairs(found) do
      if given.progress then
        given.progress(i - 1, #found)
      end
      cases[#cases + 1] = case_of(given.build(seed, order.arrange()), seed, order.what .. (random
        and ", every rest at its shortest" or ""), random and 0 or nil)
    end
  end
  local seeds = seed_count(plan, random)
  for other = 1, seeds do
    if other ~= seed and #cases < 1000 and seeds > 1 then
      local made = given.drawn and given.build(other) or plan
      cases[#cases + 1] = case_of(made, other, ("seed %d"):format(other))
    end
  end
  return cases, { how = all and "worst case" or "many orders",
    text = said(random, found and #found, all,
      seeds > 1 and math.max(seeds, seed > seeds and seeds + 1 or seeds) or 1) }
end

local function key_of(finding)
  return table.concat({ finding.rule, finding.row, finding.verdict, finding.origin or "",
    finding.channel or "" }, "\0")
end

--- Is a the one to tell of two findings of one row: further beyond its limit, or nearer to it where within?
local function is_graver(a, b)
  if not (a.limit and b.limit) then
    return false
  end
  local x, y = math.abs(a.value - a.limit), math.abs(b.value - b.limit)
  if a.verdict == "within" then
    return x < y - 1e-9
  end
  return x > y + 1e-9
end

--- One report of several: each finding once, as grave as it gets, and in which case that is.
---@param cases moonpulse.Case[]
---@param report_of fun(case: moonpulse.Case): table
---@return table report as the first case's, with the findings and the verdict of all
---@return string verdict of the first case alone
function M.judge(cases, report_of)
  local whole, known, first = nil, {}, nil
  for _, case in ipairs(cases) do
    local report = report_of(case)
    if not whole then
      whole, first = report, report.verdict
      for _, finding in ipairs(report.findings) do
        known[key_of(finding)] = finding
      end
    end
    for _, finding in ipairs(report ~= whole and report.findings or {}) do
      local key = key_of(finding)
      if not known[key] then
        known[key], finding.case = finding, case.what
        table.insert(whole.findings, finding)
      elseif is_graver(finding, known[key]) then
        finding.case = case.what
        for field, value in pairs(finding) do
          known[key][field] = value
        end
      end
    end
    if rules.order[report.verdict] > rules.order[whole.verdict] then
      whole.verdict = report.verdict
    end
    whole.lab_over = whole.lab_over or report.lab_over
    whole.structural = whole.structural and report.structural
  end
  return whole, first
end

return M
