--- How sure a threshold is: the interval that all answers of a staircase leave for it.
--
-- The response curve is a cumulative normal one, as in threshold hunting by likelihood (Awiszus F. 2003
-- TMS and threshold hunting, Suppl Clin Neurophysiol 56:13-23): P(yes) = Phi((intensity - threshold) /
-- spread). There the spread is 7 % of the threshold; nobody knows a muscle's own, so five spreads from 3
-- to 15 % count alike. Before the first answer any threshold is as likely as any other; one answer in a
-- hundred may be a slip. The interval has 2.5 % of what is likely on either side. In simulated subjects it
-- holds the true threshold about as often as it says up to a spread of 7 %, and in nine of ten at 12 %
-- (likelihood_spec.lua).
local core = require "moonpulse.core"

local M = {}

local spreads = { 0.03, 0.045, 0.07, 0.1, 0.15 }
local slip = 0.01
local steps = 200 -- of the grid of thresholds
local percent = 95

--- How often each intensity was answered yes and no: of a hundred trials at ten intensities this is ten times
--- as quick, and a stimulator may be armed.
local function counted(track)
  local list, at = {}, {}
  for _, trial in ipairs(track) do
    local each = at[trial.intensity]
    if not each then
      each = { intensity = trial.intensity, yes = 0, no = 0 }
      at[trial.intensity], list[#list + 1] = each, each
    end
    local answer = trial.yes and "yes" or "no"
    each[answer] = each[answer] + 1
  end
  return list
end

local function log_likelihood(counts, threshold, spread)
  local sum = 0
  for _, each in ipairs(counts) do
    local z = (each.intensity - threshold) / (spread * threshold)
    local yes = slip + (1 - 2 * slip) * core.exact_normal(z)
    sum = sum + (each.yes > 0 and each.yes * core.exact_log(yes) or 0)
      + (each.no > 0 and each.no * core.exact_log(1 - yes) or 0)
  end
  return sum
end

--- Lowest and highest intensity; nil where the answers are all alike, which bounds nothing.
local function range_of(track)
  local yes, no, low, high = false, false, math.huge, 0
  for _, trial in ipairs(track) do
    yes, no = yes or trial.yes, no or not trial.yes
    low, high = math.min(low, trial.intensity), math.max(high, trial.intensity)
  end
  if yes and no and low > 0 then
    return low, high
  end
end

--- How likely each threshold of the grid is, and the sum.
local function weights(counts, from, step)
  local logs, best = {}, -math.huge
  for i = 0, steps do
    logs[i] = {}
    for k, spread in ipairs(spreads) do
      logs[i][k] = log_likelihood(counts, from + step * i, spread)
      best = math.max(best, logs[i][k])
    end
  end
  local list, sum = {}, 0
  for i = 0, steps do
    list[i] = 0
    for k in ipairs(spreads) do
      list[i] = list[i] + core.exact_exp(logs[i][k] - best)
    end
    sum = sum + list[i]
  end
  return list, sum
end

--- The interval, widened to hold the estimate where it would not.
---@param track { intensity: number, yes: boolean }[] every trial
---@param estimate number
---@return { low: number, high: number, percent: number }? nil where the answers do not bound it: all alike
function M.interval(track, estimate)
  local low, high = range_of(track)
  if not low then
    return nil
  end
  local from = low * 0.6
  local step = (high * 1.5 - from) / steps
  local list, sum = weights(counted(track), from, step)
  local tail, below, first, last = (100 - percent) / 200, 0, nil, nil
  for i = 0, steps do
    below = below + list[i]
    first = first or below >= tail * sum and i or nil
    last = last or below >= (1 - tail) * sum and i or nil
  end
  return { low = math.min(estimate, from + step * first), high = math.max(estimate, from + step * last),
    percent = percent }
end

return M
