--- The shortest silences that drawn rests can make. A silence begins where a train ends, and which pulses are
--- one train depends on several draws at once. So the plan is walked from rest to rest, and each rest is
--- tried at every length that decides something: whether it ends a train or is still a part of one.
---
--- The pulses are fed to finders of moonpulse.safety.trains. At a drawn rest every finder goes on once for
--- each such length. Of finders that agree in all else only those are kept that have come furthest in what
--- silences are counted from.
local core = require "moonpulse.core"
local instants = require "moonpulse.safety.instants"
local origins = require "moonpulse.compose.origins"
local rules = require "moonpulse.safety.rules"
local trains = require "moonpulse.safety.trains"

local M = {}

local STEP_NS = 1000       -- drawn are whole microseconds above the shortest
local MOST_PULSES = 20000
local MOST_FOUND = 16      -- silences, one for each rule and script line
local LOOKED = 3 -- changes of length ahead
local FEW, BETWEEN = 24, 4 -- finders that are alike: so many are all kept; of more some for each measure
local SECOND = instants.second
local JOINS = SECOND       -- a shorter silence parts no trains, and without one nothing is fast
local SINGLE, FAST = 4500000000, 40000000 -- from here on single pulses; up to here 25 Hz and faster
local RATIO = trains.ratio
-- ns of silence or from burst to burst, at which moonpulse.safety.trains calls a train something else
local EDGES = { JOINS, SINGLE, FAST }
local ONSETS = { 100000000, SECOND / 3 }

--- Are the silences drawn each for itself? Not where parts run at once, nor where what is repeated at a fixed
--- interval has drawn rests in it: the silence after it makes up for them.
local function is_each_for_itself(plan, known)
  local id = plan:id()
  if known[id] or not plan:totals().random then
    return true
  end
  known[id] = plan
  local view = plan:view()
  if view.kind == "parallel" or view.kind == "repeat" and view.spacing ~= "gap" then
    return false
  end
  for i = 1, view.children do
    if not is_each_for_itself(plan:child(i), known) then
      return false
    end
  end
  return true
end

--- Pulses of a schedule: onsets in nanoseconds, and what they are.
local function pulses_of(plan, origin_of)
  local schedule, list = core.schedule(plan, 1), {}
  local actions = schedule:actions()
  for kind, _, _, what, ns in schedule.next, schedule do
    if kind == "pulse" then
      local action = actions[what]
      list[#list + 1] = { ns = ns, action = action, channel = action.channel == "" and "1" or action.channel,
        origin = origin_of(action) }
    end
  end
  return list
end

--- The silences before each pulse of what is heard as one: least_ns, and how many steps it may be longer.
--- channel: nil for all channels together.
local function heard(low, high, channel)
  local list, before = {}, nil
  for i, pulse in ipairs(low) do
    if not channel or pulse.channel == channel then
      local least = before and pulse.ns - low[before].ns or 0
      local most = before and high[i].ns - high[before].ns or 0
      list[#list + 1] = { pulse = i, origin = pulse.origin, least_ns = least,
        steps = math.max(0, (most - least) // STEP_NS) }
      before = i
    end
  end
  return list
end

--- Do trains depend on what is drawn? Not where each drawn silence is a second or more, and longer by half
--- than the intervals of what is faster: then all gaps are shortest at the shortest rests.
local function is_drawn(list)
  for i = 2, #list do
    local silence = list[i]
    if silence.steps > 0 and silence.least_ns < JOINS
      or silence.steps == 0 and silence.least_ns < JOINS and silence.least_ns * RATIO > JOINS then
      return true
    end
  end
  return false
end

local function period_of(run)
  return run.n > 1 and (run.last - run.first) / (run.n - 1) or nil
end

--- Lengths of a silence after which the next intervals are just longer or shorter than the run before them
--- allows, or that make the run just fast: of a run of count intervals, sum nanoseconds in all.
local function add_run_edges(list, count, sum, following)
  for _, silences in ipairs(following) do
    for _, before in ipairs(silences.before) do
      local behind, intervals = sum + before, count + silences.depth
      list[#list + 1] = intervals * SECOND / rules.fast_hz - behind
      for _, next_ns in ipairs(silences.ends) do
        list[#list + 1], list[#list + 2] = intervals * next_ns / RATIO - behind,
          intervals * next_ns * RATIO - behind
      end
    end
  end
end

--- Lengths at which what comes before or after decides: in nanoseconds.
local function edges_of(finder, following)
  local run, list = finder.run, table.move(EDGES, 1, #EDGES, 1, {})
  local period = period_of(run)
  if period then
    list[#list + 1], list[#list + 2] = period * RATIO, period / RATIO
    add_run_edges(list, run.n - 1, run.last - run.first, following)
  end
  add_run_edges(list, 0, 0, following) -- a run that it begins
  for _, onset in ipairs(ONSETS) do
    list[#list + 1] = onset - (run.last - run.first)
  end
  list[#list + 1] = run.last - run.first
  return list
end

--- Steps above the least at which a silence is looked at: its ends, and either side of each edge.
local function steps_of(finder, silence, following)
  local list, known = { 0, silence.steps }, { [0] = true, [silence.steps] = true }
  for _, edge in ipairs(edges_of(finder, following)) do
    local at = (edge - silence.least_ns) / STEP_NS
    for step = math.floor(at - 0.01), math.ceil(at + 0.01) do -- rounding must not decide
      if step > 0 and step < silence.steps and not known[step] then
        known[step] = true
        list[#list + 1] = step
      end
    end
  end
  return list
end

--- Between which edges a silence or a period lies.
local function band_of(ns)
  return ns < FAST and 0 or ns <= FAST and 1 or ns < SECOND and 2 or ns < SINGLE and 3 or 4
end

--- What finders must have in common to be compared.
local function class_of(finder)
  local run, chain, fast = finder.run, finder.chain, finder.fast
  local chained = chain and ("%d %d %s %d %s"):format(math.min(chain.runs, 3), math.min(chain.pulses, 5),
    chain.theta, band_of(chain.period or 0), run.first - chain.last < JOINS) or ""
  return ("%d %d %d %s %s"):format(math.min(run.n, 6), band_of(period_of(run) or 0),
    band_of(run.before and run.last - run.before or 0), chained, fast and fast.kind)
end

--- What silences are counted from, in nanoseconds.
local function measures_of(finder)
  local run, chain, fast = finder.run, finder.chain, finder.fast
  local period = period_of(run) or 0
  local last = run.before and run.last - run.before or 0
  return { period, last, last - period, run.last - run.first, chain and run.first - chain.last or 0,
    chain and run.first - chain.last - chain.last_period or 0, chain and chain.inner_gap or 0,
    fast and run.last - fast.over or 0, finder.over and run.last - finder.over or 0 }
end

--- One of each that are the same: by class, with what silences are counted from.
local function classes_of(states)
  local list, by_name, known = {}, {}, {}
  for _, state in ipairs(states) do
    local name, measures = class_of(state.finder), measures_of(state.finder)
    local key = name .. ("\0" .. ("%.0f "):rep(#measures)):format(table.unpack(measures))
    if not known[key] then
      known[key], state.measures = true, measures
      if not by_name[name] then
        by_name[name] = {}
        list[#list + 1] = by_name[name]
      end
      table.insert(by_name[name], state)
    end
  end
  return list
end

local function by_measure(a, b)
  local x, y = a.measure, b.measure
  return x < y or x == y and a.number < b.number
end

--- States by one of their measures, those that are equal in it by number.
---@param class table[] by number
---@param i integer which measure
local function ranked(class, i)
  local first, differ = class[1].measures[i], false
  for _, state in ipairs(class) do
    local measure = state.measures[i]
    state.measure, differ = measure, differ or measure ~= first
  end
  if not differ then
    return class
  end
  local list = table.move(class, 1, #class, 1, {})
  table.sort(list, by_measure)
  return list
end

--- Of finders that are alike, those that are furthest in one of their measures, and some between.
local function furthest(states)
  local list = {}
  for _, class in ipairs(classes_of(states)) do
    local kept = #class <= FEW and class or {}
    for i = 1, #class > FEW and #class[1].measures or 0 do
      local by_this = ranked(class, i)
      for k = 0, BETWEEN do
        kept[#kept + 1] = by_this[1 + k * (#class - 1) // BETWEEN]
      end
    end
    local is = {}
    for _, state in ipairs(kept) do
      list[#list + 1] = not is[state] and state or nil
      is[state] = true
    end
  end
  return list
end

--- Nanoseconds of a silence: its ends.
local function ends_of(silence)
  local least, most = silence.least_ns, silence.least_ns + silence.steps * STEP_NS
  return silence.steps > 0 and { least, most } or { least }
end

--- What follows a silence, up to LOOKED changes of length ahead: ends of the next length, how many silences
--- lie before it (depth, with the one asked about), and what they come to at most and at least.
local function following_of(list, i)
  local following, low, high, last = {}, 0, 0, nil
  for k = i + 1, #list + 1 do
    local silence = list[k]
    local ends = silence and ends_of(silence) or {}
    if #ends ~= 1 or ends[1] ~= last then
      following[#following + 1] = { ends = ends, depth = k - i,
        before = high > low and { low, high } or { low } }
    end
    if #following == LOOKED or not silence then
      return following
    end
    last = #ends == 1 and ends[1] or nil
    low, high = low + ends[1], high + ends[#ends]
  end
end

--- The shortest silences of what is heard as one.
---@return boolean whole it was followed to the end with so much work
local function follow(list, made, most, found)
  local here -- the draws of the finder that is fed
  local first = made(function(train)
    for _, silence in ipairs(rules.silences(train)) do
      local key = silence.rule .. "\0" .. train.origin
      local best = found[key]
      if not best or silence.seconds < best.seconds - 1e-9 then
        found[key] = { seconds = silence.seconds, path = here, list = list }
      end
    end
  end)
  local states, work = { { finder = first } }, 0
  for i, silence in ipairs(list) do
    work = work + #states
    local nexts = i > 1 and silence.steps > 0 and {} or nil
    local following = nexts and following_of(list, i)
    for _, state in ipairs(states) do
      local finder = state.finder
      local at = (finder.run and finder.run.last or 0) + silence.least_ns
      if nexts then
        for _, step in ipairs(steps_of(finder, silence, following)) do
          local other = finder:fork()
          here = { before = state.path, index = i, step = step }
          other:add(at + step * STEP_NS, true, silence.origin)
          nexts[#nexts + 1] = { finder = other, path = here, number = #nexts }
        end
      else
        here = state.path
        finder:add(at, true, silence.origin)
      end
    end
    work = work + (nexts and 4 * #nexts or 0)
    states = nexts and furthest(nexts) or states
    if work > most then
      return false
    end
  end
  for _, state in ipairs(states) do
    here = state.path
    state.finder:finish()
  end
  return true
end

--- How much later than at their shortest rests the pulses of a path come: nanoseconds, by the pulse.
local function later(found, low, high)
  local step_of, more, before = {}, {}, 1
  local path = found.path
  while path do
    step_of[path.index], path = path.step, path.before
  end
  for index, silence in ipairs(found.list) do
    local left = (step_of[index] or 0) * STEP_NS
    for i = before + 1, silence.pulse do -- a silence on one channel may be several of all
      local room = high[i].ns - high[i - 1].ns - (low[i].ns - low[i - 1].ns)
      more[i] = math.max(0, math.min(left, room))
      left = left - more[i]
    end
    before = silence.pulse
  end
  return more
end

--- The pulses as a plan in which nothing is drawn.
local function written(low, more)
  local parts, at_ns, late_ns = {}, 0, 0
  for i, pulse in ipairs(low) do
    late_ns = late_ns + (more[i] or 0)
    local ns = pulse.ns + late_ns
    if ns > at_ns then
      parts[#parts + 1] = core.rest(("%d/1000000000"):format(ns - at_ns))
    end
    local action = pulse.action
    local made = core.describe(core.pulse(action.intensity, action.reference), pulse.origin)
    parts[#parts + 1] = action.channel == "" and made or core.channel(made, action.channel)
    at_ns = ns
  end
  return core.sequence_of(parts)
end

--- The schedules that have what was found, the shortest silence first.
local function plans_of(found, low, high)
  local keys, plans, known = {}, {}, {}
  for key in pairs(found) do
    keys[#keys + 1] = key
  end
  table.sort(keys, function(a, b)
    local x, y = found[a].seconds, found[b].seconds
    return x < y or x == y and a < b
  end)
  for _, key in ipairs(keys) do
    local more, steps = later(found[key], low, high), {}
    for i = 1, #low do
      steps[i] = more[i] or 0
    end
    local text = table.concat(steps, " ")
    if not known[text] and #plans < MOST_FOUND then
      known[text] = true
      plans[#plans + 1] = written(low, more)
    end
  end
  return plans
end

--- The channels of pulses, by first appearance.
local function voices(low)
  local names, list = {}, {}
  for _, pulse in ipairs(low) do
    if not names[pulse.channel] then
      names[pulse.channel] = true
      list[#list + 1] = pulse.channel
    end
  end
  return list
end

--- Schedules in which silences are as short as the draws can make them.
---@param plan moonpulse.Plan with drawn rests
---@param shortest moonpulse.Plan with every drawn rest at its shortest
---@param longest moonpulse.Plan
---@param most integer pulses that finders are fed
---@return moonpulse.Plan[]
---@return boolean sought false: not, or not to the end: parts run at once, or it is too much
function M.of(plan, shortest, longest, most)
  local pulses = plan:totals().pulses
  if pulses < 2 or pulses > MOST_PULSES or not is_each_for_itself(plan, {}) then
    return {}, false
  end
  local origin_of = origins.of(plan)
  local low, high = pulses_of(shortest, origin_of), pulses_of(longest, origin_of)
  local found, whole, names = {}, true, voices(low)
  for i = 1, #names + (#names > 1 and 1 or 0) do
    local list = heard(low, high, names[i])
    local finder = names[i] and trains.new or trains.pool
    whole = (not is_drawn(list) or follow(list, finder, most, found)) and whole
  end
  return plans_of(found, low, high), whole
end

return M
