--- Instants and rates as the check compares them: in whole nanoseconds, which is what is sent. What is added
--- up in seconds would hang on where a plan starts and on how a rest is written.
---
--- An instant is the nearest nanosecond, half up, as the engine rounds it; its rest is by how much the exact
--- one is later (-0.5 to 0.5 ns), so that no rounding adds up.
local M = {}

M.second = 1000000000

local floor = math.floor

local NOISE = 1e-6 -- ns: fractions are doubles; half a nanosecond is one also where they are just below it

--- An instant that is times steps after another.
---@param at integer nanoseconds
---@param rest number
---@param step integer nanoseconds
---@param step_rest number what it is longer
---@param times integer? 1 without
---@return integer at
---@return number rest
function M.later(at, rest, step, step_rest, times)
  times = times or 1
  local left = rest + times * step_rest
  if left == 0 then -- nearly always
    return at + times * step, left
  end
  local whole = floor(left + 0.5 + NOISE)
  return at + times * step + whole, left - whole
end

--- Seconds that were measured or computed, as the nearest nanosecond.
---@param seconds number
---@return integer
function M.of_seconds(seconds)
  return math.floor(seconds * 1e9 + 0.5)
end

--- An exact time of a plan's view, "1/50" s: nanoseconds, and what is left.
---@param text string
---@return integer
---@return number
function M.of_exact(text)
  local num, den = text:match("^(%-?%d+)/(%d+)$")
  num, den = math.tointeger(num), math.tointeger(den)
  local whole, left = num // den, num % den
  if left < math.maxinteger // M.second then
    return whole * M.second + left * M.second // den, left * M.second % den / den
  end
  local ns = left / den * 1e9
  return whole * M.second + math.floor(ns), ns % 1
end

local GRIDS = { 1000, 1000000 } -- rates are written in Hz with some decimals

--- The rate of pulses whose mean interval is known. 7 Hz are no whole number of nanoseconds: of the rates
--- that the onsets can be of, less than a nanosecond apart, it is the roundest. An interval that is a
--- nanosecond shorter than that of a round rate is none of it.
---@param interval number nanoseconds, of so many
---@param intervals integer
---@return number hz
function M.rate(interval, intervals)
  if interval <= 0 then
    return math.huge
  end
  local hz = 1e9 / interval
  for _, grid in ipairs(GRIDS) do
    local written = math.floor(hz * grid + 0.5) / grid
    if written > 0 and math.abs(1e9 / written - interval) * intervals < 1 - NOISE then
      return written
    end
  end
  return hz
end

return M
