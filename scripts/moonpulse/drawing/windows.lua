--- Chooses what the timeline shows, from the gaps between pulses: session, train, burst.
local text = require "moonpulse.drawing.text"

local M = {}

-- Two intervals belong to different levels where one is at least this many times the other.
local level_ratio = 2

--- Interval lengths that separate the levels of a protocol (theta burst: two of them).
---@param times number[] ascending onsets in seconds
---@return number[] thresholds ascending
function M.thresholds(times)
  local gaps, seen, before = {}, {}, times[1]
  for i = 2, #times do
    local gap = times[i] - before
    before = times[i]
    if gap > 0 and not seen[gap] then -- once is enough: a train has a million of one
      seen[gap], gaps[#gaps + 1] = true, gap
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

local function size_of(group)
  return group.last - group.first + 1
end

--- How many pulses the largest group has in which no gap reaches the threshold.
local function largest(times, threshold)
  local first, most, before = 1, 0, times[1]
  for i = 2, #times do
    local time = times[i]
    if time - before >= threshold then
      most, first = math.max(most, i - first), i
    end
    before = time
  end
  return math.max(most, #times + 1 - first)
end

--- The thresholds that make groups of another size. Pairs of 3, 12 and 100 ms have several, and are one
--- level: the widest counts, or a pair of 100 ms would be two single pulses.
local function levels(times)
  local out, size = {}, nil
  for _, threshold in ipairs(M.thresholds(times)) do
    local most = largest(times, threshold)
    out[most == size and #out or #out + 1] = threshold
    size = most
  end
  return out
end

--- The window of the first ten groups, single pulses among them.
local function first_groups(times, threshold)
  local groups, start, most, least = 0, 1, 0, math.huge
  for i = 2, #times + 1 do
    if i > #times or times[i] - times[i - 1] >= threshold then
      groups, most, least = groups + 1, math.max(most, i - start), math.min(least, i - start)
      start = i
      if groups == 10 then
        break
      end
    end
  end
  return { first = 1, last = start - 1, groups = groups, most = most, alike = most == least }
end

local function first_pulses(first, last, most)
  local n = math.min(most, last - first + 1)
  return { first = first, last = first + n - 1, title = "First " .. text.counted(n, "pulse") }
end

local slow_s = 1 -- between pulses and between groups: what is slower is a block, no train

--- Do the pulses of a group follow one another more slowly than in any train? 1 Hz itself is a train.
local function is_slow(times, group)
  for i = group.first + 1, group.last do
    if times[i] - times[i - 1] <= slow_s * 1.001 then
      return false
    end
  end
  return true
end

local function noun_of(times, group)
  if not is_burst(times, group) then
    return is_slow(times, group) and "block" or "train"
  end
  return size_of(group) == 2 and "pair" or "burst"
end

--- Are such groups what a session is made of, and not what its trains or trials are made of?
local function is_long(noun)
  return noun == "train" or noun == "block"
end

--- What a group of groups is called.
local function large_title(times, large, small, noun)
  if noun == "block" then
    return "First part"
  elseif noun == "train" or times[small.last + 1] and times[small.last + 1] - times[small.last] >= slow_s then
    return ("First block of %ss"):format(noun)
  end
  return "First " .. (is_burst(times, large) and "group" or "train")
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
    large.title = large_title(times, large, small, noun)
    return { large, small }
  elseif not is_long(noun) then
    local several = first_groups(times, limit)
    several.title = "First " .. text.counted(several.groups, several.alike and noun
      or several.most <= 2 and "trial" or "group")
    return { several, small }
  end
  local detail = first_pulses(small.first, small.last, 10)
  detail.title = detail.title .. " of that " .. noun
  return { small, detail }
end

--- What the levels of a session are called, narrowest first: a burst's are in trains, a train's in blocks.
local function names_of(times, limits, small)
  local noun = noun_of(times, small)
  local large = limits[2] and first_group(times, limits[2])
  local in_trains = not is_long(noun) and large and not large_title(times, large, small, noun):find "block"
  if not is_long(noun) and not in_trains then
    local groups = first_groups(times, limits[1])
    noun = groups.alike and noun or groups.most <= 2 and "trial" or "group"
  end
  if noun == "block" then
    return { "Block", "Part", "Part", "Part" }
  end
  return { noun:sub(1, 1):upper() .. noun:sub(2), in_trains and "Train" or "Block",
    in_trains and "Block" or "Part", "Part" }
end

--- The levels between the whole session and a pulse, widest first.
---@param times number[] ascending onsets in seconds
---@return { name: string, gap: number }[] name: as "Train"; gap: from this interval on another one begins
function M.named_levels(times)
  local limits, list, before = levels(times), {}, nil
  local small = limits[1] and first_group(times, limits[1])
  for number, name in ipairs(small and names_of(times, limits, small) or {}) do
    local group = limits[number] and first_group(times, limits[number])
    if group and size_of(group) < #times and name ~= before then
      table.insert(list, 1, { name = name, gap = limits[number] })
      before = name
    end
  end
  return list
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
  local limits = levels(times)
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
    if list.grouped and not is_slow(own, { first = 1, last = #own }) then
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
