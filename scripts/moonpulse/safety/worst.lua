--- What to judge of a plan that chance decides on (rests and orders drawn from the seed): its worst case,
--- or, where that cannot be had, many schedules.
local edges = require "moonpulse.safety.drawn_edges"
local gravest = require "moonpulse.safety.gravest"
local meetings = require "moonpulse.safety.drawn_meetings"
local orders = require "moonpulse.safety.orders"
local redraw = require "moonpulse.compose.redraw"
local rules = require "moonpulse.safety.rules"
local shortest_silences = require "moonpulse.safety.drawn_silences"

local M = {}

local SEEDS = 20
local MOST_WALKED = 400000 -- pulses, marks and rests that are walked one by one for seeds: some seconds
local FRACTIONS = { { 0, "every drawn rest at its shortest" }, { 1, "every drawn rest at its longest" },
  { 0.25, "every drawn rest at a quarter of its range" }, { 0.5, "every drawn rest at half of its range" },
  { 0.75, "every drawn rest at three quarters of its range" } }

M.with_rests = redraw.with_rests

---@class moonpulse.Case one schedule to judge
---@field plan moonpulse.Plan
---@field played moonpulse.Plan the same for the device's limits
---@field seed integer
---@field what string which one it is; "" where there is no other
---@field search boolean? one of many in search of what the rules say: the device has nothing to say of it

local function case_of(plan, seed, what, fraction)
  return { plan = fraction and M.with_rests(plan, fraction) or plan, seed = seed, what = what,
    played = fraction and M.with_rests(plan, fraction, true) or plan }
end

local MOST_MIXED = 12      -- fractions that are mixed, each with each
local MOST_NODES = 200000  -- parts of plans that are made for mixtures: some seconds; as many for all orders
local NODES_A_PULSE = 3    -- what it takes to feed a pulse where silences are sought: some 0.3 s in all
local LEAST_SEARCHED = 40  -- schedules of an order that is searched: less would find little

--- How many parts a plan's text has, up to most.
local function nodes_of(plan, most)
  local count = 1
  for i = 1, plan:view().children do
    count = count + (count < most and nodes_of(plan:child(i), most) or 0)
  end
  return count
end

--- Fractions to mix: the ends, and of the others as many as there is room for.
local function some_of(fractions)
  local list, step = { 0, 1 }, math.max(1, math.ceil(#fractions / (MOST_MIXED - 2)))
  for i = 1, #fractions, step do
    list[#list + 1] = fractions[i]
  end
  return list
end

--- Some drawn rests at one fraction of their range and the others at another, up to most schedules.
local function mix(plan, fractions, most, add)
  local left, mixed = most, some_of(fractions)
  for _, pattern in ipairs { "first", "half", "alternate" } do
    for _, a in ipairs(mixed) do
      for _, b in ipairs(mixed) do
        left = left - (a ~= b and 1 or 0)
        if a ~= b and left > 0 then
          add(redraw.mixed(plan, pattern, a, b), ("drawn rests at %.4g and %.4g %% of their range"):format(
            100 * a, 100 * b))
        end
      end
    end
  end
end

--- Schedules with the drawn rests at the rules' edges, and with some here and the others there.
---@param plan moonpulse.Plan
---@param most integer parts of plans to make
---@param order string? what is shuffled as it is in plan
---@return boolean proven the shortest and the longest rests are the worst
---@return boolean sought the shortest silences are in one of the schedules
local function search(plan, seed, cases, most, order)
  local shortest, longest = redraw.with_rests(plan, 0), redraw.with_rests(plan, 1)
  local silences, one = edges.silences(shortest, longest)
  local fractions = silences and edges.fractions(silences) or {}
  local met, at_once = meetings.of(plan)
  table.move(met, 1, #met, #fractions + 1, fractions)
  local function add(made, what)
    cases[#cases + 1] = { plan = made, played = made, seed = seed, search = true,
      what = order and order .. ", " .. what or what }
  end
  for _, fraction in ipairs(fractions) do
    add(redraw.with_rests(plan, fraction), ("every drawn rest at %.4g %% of its range"):format(
      100 * fraction))
  end
  local proven = silences ~= nil and not at_once and edges.proven(silences, one)
  local plans, sought = {}, true -- proven: at the shortest rests
  if not proven then
    plans, sought = shortest_silences.of(plan, shortest, longest, most // NODES_A_PULSE)
  end
  for _, made in ipairs(plans) do
    add(made, "drawn rests that make silences shortest")
  end
  mix(plan, fractions, most // nodes_of(plan, most) - (order and #fractions or 0), add)
  return proven, sought
end

--- How many of the orders are searched at the rules' edges: each order has edges of its own, for what stands
--- before a drawn rest and after it is another.
local function searched_orders(plan, count)
  local most = math.min(MOST_WALKED // (2 * math.max(1, plan:totals().pulses)),
    MOST_NODES // (LEAST_SEARCHED * nodes_of(plan, MOST_NODES)))
  return math.max(1, math.min(count, most))
end

--- The orders of what is shuffled, each with drawn rests at their shortest, their longest and at its edges.
---@return integer count of orders
---@return boolean all these are all there are
---@return integer? searched so many of them at the rules' edges; nil: each
---@return boolean sought in each that was searched
local function add_orders(given, random, cases)
  local sought = true
  local found, all = orders.of(function(arrange) return given.build(given.seed, arrange) end)
  local searched = random and searched_orders(given.plan, #found) or 0
  for i, order in ipairs(found) do
    if given.progress then
      given.progress(i - 1, #found)
    end
    local made = given.build(given.seed, order.arrange())
    cases[#cases + 1] = case_of(made, given.seed, order.what .. (random
      and ", every rest at its shortest" or ""), random and 0 or nil)
    if random then
      cases[#cases + 1] = case_of(made, given.seed, order.what .. ", every rest at its longest", 1)
      cases[#cases].search = true
    end
    if i * searched // #found > (i - 1) * searched // #found then -- evenly among them
      local _, its = search(made, given.seed, cases, MOST_NODES // searched, order.what)
      sought = its and sought
    end
  end
  return #found, all, random and searched < #found and searched or nil, sought
end

local function seed_count(plan, random)
  local totals = plan:totals()
  local steps = math.max(1, random and totals.leaves or math.ceil(totals.pulses / 5))
  return math.max(1, math.min(SEEDS, math.floor(MOST_WALKED / steps)))
end

--- What was judged, in words. rests: nil: none is drawn; sought: as of search. searched: orders that were at
--- the rules' edges; nil: all, or there are none.
local function said(rests, order_cases, all, searched, seeds)
  local parts = {}
  if rests then
    parts[1] = "every drawn rest at its shortest, its longest, in between and at the rules' edges, alone and "
      .. "mixed" .. (rests.sought and ", and as silences are shortest" or "")
  end
  if order_cases then
    parts[#parts + 1] = (all and ("all %d orders of what is shuffled"):format(order_cases)
      or ("%d orders of what is shuffled, with any two kinds next to each other and each in one go"):format(
        order_cases)) .. (searched and (" (the rules' edges in %d of them)"):format(searched) or "")
  end
  parts[#parts + 1] = seeds == 1 and "1 seed" or ("%d seeds"):format(seeds)
  local text = table.concat(parts, "; ")
  return (searched or not all) and text .. "; another order may be graver: check it with --seed N" or text
end

--- The schedules to judge.
---@param given { plan: moonpulse.Plan, drawn: boolean, seed: integer, fixed: boolean?,
---   build: fun(seed: integer, arrange: function?): moonpulse.Plan,
---   progress: (fun(made: integer, total: integer))? } fixed: nothing but this seed can be played
---@return moonpulse.Case[] the first is that of the seed
---@return { how: string, text: string }? nil: there is only one schedule; how: "worst case" only where that
---   is proven (M.told: also where something is OVER, for nothing is graver)
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
  local count, all, searched, sought = nil, true, nil, true
  if given.drawn then
    count, all, searched, sought = add_orders(given, random, cases)
  end
  local proven = not random
  if random then
    local ends, its = search(plan, seed, cases, MOST_NODES)
    proven, sought = ends and not given.drawn, its and sought
  end
  local seeds = seed_count(plan, random)
  for other = 1, seeds do
    if other ~= seed and seeds > 1 then
      local made = given.drawn and given.build(other) or plan
      cases[#cases + 1] = case_of(made, other, ("seed %d"):format(other))
    end
  end
  local how = (searched or not all) and "many orders" or proven and "worst case"
    or ("%d schedules"):format(#cases)
  return cases, { how = how, text = said(random and { sought = sought }, count, all, searched,
      seeds > 1 and math.max(seeds, seed > seeds and seeds + 1 or seeds) or 1) }
end

local function key_of(finding)
  return table.concat({ finding.rule, finding.row, finding.verdict, finding.origin or "",
    finding.channel or "" }, "\0")
end

--- What to say of how a plan was judged, once that is done.
---@param judged { how: string, text: string }? of M.cases
---@param report table of M.judge
---@return { how: string, text: string }?
function M.told(judged, report)
  local proven = judged and report.verdict == "OVER" and judged.how:find("schedules", 1, true)
  return proven and { how = "worst case", text = judged.text } or judged
end

--- One report of several: each finding once, as grave as it gets, and in which case that is.
---@param cases moonpulse.Case[]
---@param report_of fun(case: moonpulse.Case): table
---@return table report as the first case's, with the findings and the verdict of all
---@return string verdict of the first case alone
function M.judge(cases, report_of)
  local whole, known, first = nil, {}, nil
  for _, case in ipairs(cases) do
    local report = report_of(case) -- also once something is OVER: another rule may be graver elsewhere
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
      elseif gravest.is_graver(finding, known[key]) then
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
