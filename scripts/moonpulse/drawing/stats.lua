--- Order statistics. A percentile is always a value that was measured, never an interpolation.
local core = require "moonpulse.core"

local M = {}

-- Fewest independent samples whose maximum exceeds the true percentile with 95 % confidence:
-- the smallest n with 1 - p^n >= 0.95 (p = 0.95: 59; p = 0.99: 299).
M.enough_for_p95 = math.ceil(math.log(0.05) / math.log(0.95))
M.enough_for_p99 = math.ceil(math.log(0.05) / math.log(0.99))

--- Nearest-rank percentile: the smallest value with at least `percent` % of values at or below it.
---@param sorted number[] ascending
---@param percent number above 0, at most 100
---@return number? nil for an empty list
function M.percentile(sorted, percent)
  local n = #sorted
  if n == 0 then
    return nil
  end
  -- percent * n first: both are whole in practice, so the rank suffers no rounding.
  local rank = math.ceil(percent * n / 100)
  return sorted[math.max(1, math.min(n, rank))]
end

-- What is in order already, as in virtual time, is not sorted: a million values take a second.
local function sort(values)
  local before = values[1]
  for i = 2, #values do
    local value = values[i]
    if value < before then
      return core.sort_numbers(values)
    end
    before = value
  end
end

--- Sorts `values` in place and describes them.
---@param values number[]
---@return table { n, min, p50, p95, p99, max, largest }: largest is the biggest magnitude
function M.describe(values)
  sort(values)
  local n = #values
  local out = { n = n, sorted = values, min = values[1], max = values[n] }
  out.p50 = M.percentile(values, 50)
  out.p95 = M.percentile(values, 95)
  out.p99 = M.percentile(values, 99)
  out.largest = n > 0 and math.max(math.abs(out.min), math.abs(out.max)) or nil
  return out
end

--- The same for magnitudes, leaving `values` alone.
---@param values number[]
---@return table
function M.describe_magnitudes(values)
  local magnitudes = {}
  for i = 1, #values do
    local value = values[i]
    magnitudes[i] = value > 0 and value or 0 - value
  end
  return M.describe(magnitudes)
end

--- Round steps (1, 2, 5 times a power of ten) that cut a range into at most `most` parts.
---@param range number above 0
---@param most integer
---@return number
function M.nice_step(range, most)
  local raw = range / most
  local power = 10 ^ math.floor(math.log(raw, 10))
  for _, factor in ipairs { 1, 2, 5 } do
    if factor * power >= raw * (1 - 1e-9) then
      return factor * power
    end
  end
  return 10 * power
end

local tops = { 10, 20, 40, 60, 100, 150, 200, 300 }

--- Where an axis of percentages ends, so that what is on it has a round step near its top.
---@param most number the largest value
---@return number
function M.nice_top(most)
  for _, top in ipairs(tops) do
    if most <= top then
      return top
    end
  end
  return math.max(400, math.ceil(most / 100) * 100)
end

local function fill(values, bins, first, width)
  local counts = {}
  for i = 1, bins do
    counts[i] = 0
  end
  for i = 1, #values do
    local bin = math.floor((values[i] - first) / width) + 1
    bin = math.max(1, math.min(bins, bin))
    counts[bin] = counts[bin] + 1
  end
  return counts
end

--- Count values into equal bins, on a linear axis (signed) or, where the largest magnitude is
--- over 20 times the median one, on a logarithmic axis of magnitudes.
---@param described table from `describe`, n at least 1
---@return table { log, lo, hi, counts }: lo and hi in the unit of the values
function M.histogram(described)
  local magnitude = M.describe_magnitudes(described.sorted)
  local floor = 0.1
  if magnitude.max > 20 * math.max(magnitude.p50, floor) then
    local low = math.floor(math.log(math.max(magnitude.min, floor), 10) + 1e-9)
    local high = math.ceil(math.log(magnitude.max, 10) - 1e-9)
    local logs = {}
    for i, value in ipairs(magnitude.sorted) do
      logs[i] = math.log(math.max(value, floor), 10)
    end
    local per_decade = 10
    local bins = (high - low) * per_decade
    return { log = true, lo = 10 ^ low, hi = 10 ^ high,
             counts = fill(logs, bins, low, 1 / per_decade) }
  end
  local lo, hi = math.min(0, described.min), math.max(0, described.max)
  if lo == hi then
    lo, hi = -1, 1
  end
  local step = M.nice_step(hi - lo, 40)
  lo, hi = math.floor(lo / step) * step, math.ceil(hi / step) * step
  local bins = math.floor((hi - lo) / step + 0.5)
  return { log = false, lo = lo, hi = hi, counts = fill(described.sorted, bins, lo, step) }
end

return M
