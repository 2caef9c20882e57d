--- Chooses what the timeline shows, from the gaps between pulses: session, train, burst.
local text = require "moonpulse.report.text"

local M = {}

-- Two intervals belong to different levels where one is at least this many times the other.
local level_ratio = 2

--- Interval lengths that separate the levels of a protocol (theta burst: two of them).
---@param times number[] ascending onsets in seconds
---@return number[] thresholds ascending
function M.thresholds(times)
  local gaps = {}
  for i = 2, #times do
    local gap = times[i] - times[i - 1]
    if gap > 0 then
      gaps[#gaps + 1] = gap
    end
  end
  table.sort(gaps)
  local out = {}
  for i = 2, #gaps do
    if gaps[i] >= level_ratio * gaps[i - 1] then
      out[#out + 1] = math.sqrt(gaps[i] * gaps[i - 1])
    end
  end
  return out
end

-- The first group of two pulses or more in which no gap reaches the threshold.
local function first_group(times, threshold)
  local first = 1
  for i = 2, #times + 1 do
    if i > #times or times[i] - times[i - 1] >= threshold then
      if i - first > 1 then
        return { first = first, last = i - 1 }
      end
      first = i
    end
  end
  return nil
end

local function is_burst(times, group)
  return group.last - group.first < 10 and times[group.last] - times[group.first] <= 0.5
end

-- The window of up to ten groups from the one given.
local function run_of_groups(times, group, threshold)
  local groups, last, size = 1, group.last, group.last - group.first + 1
  local alike, start = true, group.first
  for i = group.last + 1, #times + 1 do
    if i > #times or times[i] - times[i - 1] >= threshold then
      alike = alike and i - start == size
      start = i
      if i > #times or groups == 10 then
        break
      end
      groups = groups + 1
    end
    last = i
  end
  return { first = group.first, last = last, groups = groups, alike = alike }
end

local function first_pulses(first, last, most)
  local n = math.min(most, last - first + 1)
  return { first = first, last = first + n - 1, title = "First " .. text.counted(n, "pulse") }
end

local function grouped(times, limits)
  local small = first_group(times, limits[1])
  if not small then
    return {}
  end
  local large = limits[2] and first_group(times, limits[2])
  local burst = is_burst(times, small)
  local pair = small.last - small.first == 1
  local noun = not burst and "train" or pair and "pair" or "burst"
  small.title = "First " .. noun
  if large then
    large.title = burst and "First train" or "First block of trains"
    return { large, small }
  elseif burst then
    local several = run_of_groups(times, small, limits[1])
    several.title = string.format("First %d %ss", several.groups,
      several.alike and noun or "group")
    return { several, small }
  end
  local detail = first_pulses(small.first, small.last, 10)
  detail.title = detail.title .. " of that train"
  return { small, detail }
end

--- Windows to draw, widest first; a window as wide as the one before it is left out.
---@param times number[] ascending onsets in seconds
---@return table[] list of { title, first, last }: positions in `times`
function M.choose(times)
  local n = #times
  if n == 0 then
    return {}
  end
  local out = { { title = "Whole session", first = 1, last = n } }
  local limits = M.thresholds(times)
  local inner = #limits > 0 and grouped(times, limits)
    or { first_pulses(1, n, 60), first_pulses(1, n, 5) }
  for _, window in ipairs(inner) do
    local previous = out[#out]
    if window.last - window.first < previous.last - previous.first then
      out[#out + 1] = window
    end
  end
  return out
end

return M
