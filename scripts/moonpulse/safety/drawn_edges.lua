--- Where in its range a drawn rest must be looked at: the verdict of a rule changes at an edge (5 s between
--- trains, 1 s that parts two trains, 3 Hz of theta burst), not only at the range's ends. And whether ends
--- are enough.
local core = require "moonpulse.core"

local M = {}

local EPSILON = 1e-4 -- s on either side of an edge
local MOST_PULSES = 200000
local MOST_KINDS = 8 -- of silences with a drawn rest in it
local ROUNDED_NS = 2 -- rounded onsets differ by so much at most where nothing is drawn
local RATIO = 1.5    -- of moonpulse.safety.trains: where a run ends
-- s of silence, last pulse to first: 25 Hz, 1 s that parts trains, what goes on, singles, gaps between trains
-- and groups
local SILENCES = { 0.04, 1, 4, 4.5, 5 }
local ONSETS = { 0.1, 1 / 3, 5 } -- s from burst to burst: 10 Hz, 3 Hz; groups

--- Pulses of a schedule, in order: onsets in nanoseconds; nil: too many.
local function onsets_of(plan)
  local pulses = plan:totals().pulses
  if pulses == 0 or pulses > MOST_PULSES then
    return nil
  end
  local schedule, list, channels = core.schedule(plan, 1), {}, {}
  local actions = schedule:actions()
  for kind, _, _, what, ns in schedule.next, schedule do
    if kind == "pulse" then
      list[#list + 1], channels[#list + 1] = ns, actions[what].channel
    end
  end
  return list, channels
end

local function one_channel(channels)
  for i = 2, #channels do
    if channels[i] ~= channels[1] then
      return false
    end
  end
  return true
end

--- The silences between pulses { least, most, burst }: burst: seconds from the first pulse of what came
--- before to its last. least == most: nothing in it is drawn. nil: too many pulses.
---@param shortest moonpulse.Plan with every drawn rest at its shortest
---@param longest moonpulse.Plan
---@return table[]?
---@return boolean? one all pulses go to one channel
function M.silences(shortest, longest)
  local low, channels = onsets_of(shortest)
  local high, others = onsets_of(longest)
  if not low or not high or #low ~= #high then
    return nil
  end
  local list, from = {}, 1
  for i = 2, #low do
    local least, most = low[i] - low[i - 1], high[i] - high[i - 1]
    local drawn = math.abs(most - least) > ROUNDED_NS
    list[#list + 1] = { least = math.min(least, most) / 1e9, most = math.max(least, most) / 1e9,
      drawn = drawn, burst = (low[i - 1] - low[from]) / 1e9 }
    from = drawn and i or from
  end
  return list, one_channel(channels) and one_channel(others)
end

--- Different drawn silences, at most MOST_KINDS of them.
local function kinds_of(silences)
  local kinds, known = {}, {}
  for _, each in ipairs(silences) do
    local key = each.drawn and ("%.6f %.6f %.6f"):format(each.least, each.most, each.burst)
    if key and not known[key] and #kinds < MOST_KINDS then
      known[key] = true
      kinds[#kinds + 1] = each
    end
  end
  return kinds
end

--- Fractions of their range at which all drawn rests are judged, besides the ends.
---@param silences table[] of M.silences
---@return number[]
function M.fractions(silences)
  local list, known = {}, {}
  local function at(kind, seconds)
    local fraction = (seconds - kind.least) / (kind.most - kind.least)
    local key = ("%.6f"):format(fraction)
    if fraction > 0 and fraction < 1 and not known[key] then
      known[key] = true
      list[#list + 1] = fraction
    end
  end
  for _, kind in ipairs(kinds_of(silences)) do
    for _, edge in ipairs(SILENCES) do
      at(kind, edge - EPSILON)
      at(kind, edge + EPSILON)
    end
    for _, edge in ipairs(ONSETS) do
      at(kind, edge - kind.burst - EPSILON)
      at(kind, edge - kind.burst + EPSILON)
    end
    at(kind, kind.burst + EPSILON) -- the silence after a burst is at least as long as the burst
    at(kind, 0.5)
    at(kind, 2)
  end
  table.sort(list)
  return list
end

--- Are the shortest and the longest rests proven to be the worst? So where the drawn silences part trains in
--- every schedule (a second and more, and longer by half than what is fixed), and single pulses in a row stay
--- single pulses to the rules: then what the trains are does not hang on the draw, and gaps are gravest at
--- their shortest. Nor may what goes on without a pause hang on it: no drawn silence is on both sides of 4 s,
--- or of 5 s after what may be theta burst.
---@param silences table[]
---@param one boolean all pulses go to one channel
---@return boolean
function M.proven(silences, one)
  local least, fixed, singles, parts = math.huge, 0, false, false
  for i, each in ipairs(silences) do
    if each.drawn then
      least = math.min(least, each.least)
      parts = parts or each.least < 4 and each.most >= 4
        or each.burst >= ONSETS[1] and each.least < 5 and each.most >= 5
      local before, after = silences[i - 1], silences[i + 1]
      singles = singles or (not before or before.drawn) and (not after or after.drawn)
    else
      fixed = math.max(fixed, each.least)
    end
  end
  return one and not parts and least > 1
    and fixed * RATIO * (1 + 1e-3) < least and (not singles or least > 4.5)
end

return M
