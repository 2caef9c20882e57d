--- Chooses what the timeline shows, from the gaps between pulses: session, train, burst.
local text = require "moonpulse.drawing.text"

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

local function size_of(group)
  return group.last - group.first + 1
end

local function noun_of(times, group)
  return not is_burst(times, group) and "train" or size_of(group) == 2 and "pair" or "burst"
end

local function grouped(times, limits)
  local small = first_group(times, limits[1])
  if not small then
    return {}
  end
  local large, limit = limits[2] and first_group(times, limits[2]), limits[1]
  if large and size_of(large) <= size_of(small) then -- pairs of two intervals, not pairs in a train
    small, large, limit = large, nil, limits[2]
  end
  local noun = noun_of(times, small)
  small.title = "First " .. noun
  if large then
    large.title = noun == "train" and "First block of trains"
      or "First " .. (is_burst(times, large) and "group" or "train")
    return { large, small }
  elseif noun ~= "train" then
    local several = run_of_groups(times, small, limit)
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
---@return table[] list of { title, first, last }: positions in `times`; with grouped = true where its
---  windows are trains, bursts or pairs, not only the first so many pulses
function M.choose(times)
  local n = #times
  if n == 0 then
    return {}
  end
  local out = { { title = "Whole session", first = 1, last = n } }
  local limits = M.thresholds(times)
  local inner = #limits > 0 and grouped(times, limits)
    or { first_pulses(1, n, 60), first_pulses(1, n, 5) }
  out.grouped = #limits > 0 and #inner > 0
  for _, window in ipairs(inner) do
    local previous = out[#out]
    if window.last - window.first < previous.last - previous.first then
      out[#out + 1] = window
    end
  end
  return out
end

--- The onsets of one channel, each once.
local function own_times(times, channels, channel)
  local own = {}
  for i, time in ipairs(times) do
    if (not channel or channels[i] == channel) and time ~= own[#own] then
      own[#own + 1] = time
    end
  end
  return own
end

-- Whose structure the windows of several channels follow: the first channel's that has trains or bursts of
-- its own; else that of all together where they take turns (a pulse on one, then one on the other); else
-- the densest's.
local function leader(times, channels, names)
  local densest, sparsest
  for _, name in ipairs(names) do
    local own = own_times(times, channels, name)
    local list = M.choose(own)
    if list.grouped then
      return own, list, name
    end
    densest = (not densest or #own > #densest.own) and { own = own, list = list, name = name } or densest
    sparsest = math.min(sparsest or #own, #own)
  end
  if #densest.own <= 2 * sparsest then
    local own = own_times(times, channels)
    return own, M.choose(own)
  end
  return densest.own, densest.list, densest.name
end

--- The same for pulses on several channels: a window is a stretch of time, with what each of them has in it.
---@param times number[] ascending onsets in seconds
---@param channels string[] the channel of each
---@param names string[] the channels, in the order of their first pulse
---@return table[] list as of choose
function M.of_channels(times, channels, names)
  local own, list, name = leader(times, channels, names)
  local out = { { title = "Whole session", first = 1, last = #times } }
  for i = 2, #list do
    local from, to = own[list[i].first], own[list[i].last]
    local window = { title = list[i].title .. (name and " on channel " .. name or "") }
    for at, time in ipairs(times) do
      if time >= from and time <= to then
        window.first, window.last = window.first or at, at
      end
    end
    local previous = out[#out]
    if to > from and window.last - window.first < previous.last - previous.first then
      out[#out + 1] = window
    end
  end
  return out
end

return M
