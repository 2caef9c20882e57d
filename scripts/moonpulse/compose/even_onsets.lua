--- Onsets that were rounded as they were written, and the train that they are: 0, 0.033, 0.067, 0.1 s are
--- 30 Hz to the millisecond. All in whole nanoseconds.
local M = {}

local MOST_DECIMALS = 3 -- of a rate in Hz that is thought of where nobody gave one
local LARGEST_PART = 4  -- of a period at most so much may be lost by rounding, else any rate would do

--- i periods in half nanoseconds, rounded down.
local function half_ns(i, period)
  return 2 * i * period.num // period.den
end

--- From one of onsets on, those that lie on equal intervals of period, each to half of unit_ns.
---@param onsets integer[] in order
---@param from integer index of the first
---@param period { num: integer, den: integer } nanoseconds
---@param unit_ns integer to which they were rounded
---@param earliest_ns integer? before which the first must not be
---@return integer count how many, 1 or more
---@return integer start_ns where the first lies then: as it is written if it can
function M.reach(onsets, from, period, unit_ns, earliest_ns)
  local low, high, count = 2 * (earliest_ns or -(1 << 60)), 1 << 62, 0
  if unit_ns * LARGEST_PART * period.den > period.num then
    return 1, onsets[from]
  end
  for i = 0, #onsets - from do
    if i * 2.0 * period.num > 2.0 ^ 62 then
      break
    end
    local at = 2 * onsets[from + i] - half_ns(i, period)
    local new_low, new_high = math.max(low, at - unit_ns - 1), math.min(high, at + unit_ns)
    if new_low + 1 > new_high then -- no whole nanosecond between them
      break
    end
    low, high, count = new_low, new_high, i + 1
  end
  return math.max(count, 1), math.min(math.max(2 * onsets[from], low), high) // 2
end

--- The power of ten to which all differences of onsets are whole: what they were rounded to, or more.
---@param onsets integer[]
---@return integer unit_ns 1 to 10^9
function M.unit(onsets)
  local unit = 1000000000
  for _, onset in ipairs(onsets) do
    while (onset - onsets[1]) % unit ~= 0 do
      unit = unit // 10
    end
  end
  return unit
end

--- Are three onsets or more apart by equal intervals? Else which of them is the first that is not.
---@param onsets integer[]
---@return integer? index from 3 up; nil: all intervals are equal
function M.uneven(onsets)
  for i = 3, #onsets do
    if onsets[i] - onsets[i - 1] ~= onsets[2] - onsets[1] then
      return i
    end
  end
  return nil
end

--- The rate with the fewest decimals that all onsets have to their rounding.
---@param onsets integer[] two or more, each later than the one before
---@param unit_ns integer
---@return string? hz as digits, "30" or "12.5"; nil: there is none
function M.rate(onsets, unit_ns)
  local mean_hz = (#onsets - 1) * 1e9 / (onsets[#onsets] - onsets[1])
  for decimals = 0, MOST_DECIMALS do
    local scale = math.tointeger(10 ^ decimals)
    local scaled = math.tointeger(math.floor(mean_hz * scale + 0.5))
    if scaled > 0 and M.reach(onsets, 1, { num = 1000000000 * scale, den = scaled }, unit_ns) == #onsets then
      return ("%%.%df"):format(decimals):format(scaled / scale)
    end
  end
  return nil
end

return M
