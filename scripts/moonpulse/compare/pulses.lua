--- The pulses of two runs or plans, one by one: how many, when, on which channel, how strong, what became of
--- them; told by trains where pulses lie in trains.
local numbers = require "moonpulse.text.numbers"

local M = {}

---@class moonpulse.ComparedKind what pulses have in common
---@field channel string?
---@field intensity number? as the protocol says
---@field ref string? of what: MSO, RMT, AMT
---@field mso number? %MSO, where it is known
---@field condition string? label of its trial
---@field given string? of a run: "given", "perhaps given" or "not given"
---@field status string? of a run

---@class moonpulse.ComparedPulses in the order of their onsets; there may be a million
---@field count integer
---@field at_us number[] onset as planned
---@field kind integer[] of which of the kinds each is
---@field kinds moonpulse.ComparedKind[]

local many = 6 -- lines of one field: what is beyond is counted
local train_gap_us, train_ratio = 1e6, 3 -- between trains, at least; and so much longer than within them

local function percent(value, ref)
  return value and ref and ("%.10g %%%s"):format(value, ref) or "n/a"
end

--- What pulses have, in words; nil: this field says nothing of it.
local fields = {
  { what = "channel", of = function(pulse) return pulse.channel end },
  { what = "intensity", of = function(pulse) return pulse.ref and percent(pulse.intensity, pulse.ref) end },
  { what = "stimulator output", rounded = true, of = function(pulse)
    return pulse.mso and percent(pulse.mso, "MSO")
  end },
  { what = "condition", of = function(pulse) return pulse.condition end },
  { what = "given", of = function(pulse) return pulse.given end },
  { what = "status", of = function(pulse) return pulse.status end, told_only = true },
}

--- The longest interval within a train, in microseconds; nil: they lie in no trains.
local function longest_within(pulses)
  local seen, distinct, at_us, before = {}, {}, pulses.at_us, nil
  for i = 2, pulses.count do
    local interval = at_us[i] - at_us[i - 1]
    if interval ~= before and not seen[interval] then
      seen[interval], distinct[#distinct + 1] = true, interval
    end
    before = interval
  end
  table.sort(distinct)
  local best, within = train_ratio, nil
  for i = 2, #distinct do
    local ratio = distinct[i - 1] > 0 and distinct[i] / distinct[i - 1] or 0
    if distinct[i] >= train_gap_us and ratio >= best then
      best, within = ratio, distinct[i - 1]
    end
  end
  return within
end

--- The number of each pulse's train, and how many trains there are.
---@param pulses moonpulse.ComparedPulses
---@return integer[]? nil: they lie in no trains
---@return integer count
function M.trains(pulses)
  local within = longest_within(pulses)
  if not within then
    return nil, 0
  end
  local numbers_of, train, at_us = {}, 1, pulses.at_us
  for i = 1, pulses.count do
    if i > 1 and at_us[i] - at_us[i - 1] > within then
      train = train + 1
    end
    numbers_of[i] = train
  end
  return numbers_of, train
end

local function from_to(what, first, last)
  return first == last and ("%s %s"):format(what, numbers.count(first))
    or ("%ss %s to %s"):format(what, numbers.count(first), numbers.count(last))
end

--- Where a difference is: "trains 3 to 20 (pulses 61 to 600)", "240 pulses, the first 3".
local function where(seen, trains)
  if seen.last - seen.first + 1 ~= seen.count then
    return ("%s, the first %s"):format(numbers.counted(seen.count, "pulse"), numbers.count(seen.first))
  end
  local text = from_to("pulse", seen.first, seen.last)
  if not trains then
    return text
  end
  local from, to = trains[seen.first], trains[seen.last]
  local is_whole = trains[seen.first - 1] ~= from and trains[seen.last + 1] ~= to
  return is_whole and ("%s (%s)"):format(from_to("train", from, to), text)
    or ("%s, in %s"):format(text, from_to("train", from, to))
end

--- Pairs of unlike texts, each with where it was met.
local function collect(seen, a, b, i)
  local key = a .. "\0" .. b
  local met = seen[key]
  if not met then
    met = { a = a, b = b, first = i, count = 0 }
    seen[key], seen[#seen + 1] = met, met
  end
  met.last, met.count = i, met.count + 1
end

local function tell(found, seen, what, trains, told_only)
  for i = 1, math.min(#seen, many) do
    local met = seen[i]
    found[#found + 1] = { what = what, where = where(met, trains), a = met.a, b = met.b,
      told_only = told_only }
  end
  local rest = 0
  for i = many + 1, #seen do
    rest = rest + seen[i].count
  end
  if rest > 0 then
    found[#found + 1] = { what = what, where = numbers.counted(rest, "more pulse"), told_only = told_only }
  end
end

--- Are they the same values, in another order? How many pulses differ, and the first of them.
---@return integer? count nil: no, or they are so few that each is told
---@return integer? first
local function reordered(seen)
  local surplus, count, first = {}, 0, math.huge
  for _, met in ipairs(seen) do
    surplus[met.a], surplus[met.b] = (surplus[met.a] or 0) + met.count, (surplus[met.b] or 0) - met.count
    count, first = count + met.count, math.min(first, met.first)
  end
  for _, left in pairs(surplus) do
    if left ~= 0 then
      return nil
    end
  end
  return count > many and count or nil, first
end

--- What this field says of each kind; false: nothing.
local function said_of(kinds, field)
  local list = {}
  for i, kind in ipairs(kinds) do
    list[i] = field.of(kind) or false
  end
  return list
end

--- The pairs of kinds that are met, each once: where none differs nothing is asked pulse by pulse.
local function met_kinds(a, b)
  local seen, list, one, other = {}, {}, nil, nil
  for i = 1, math.min(a.count, b.count) do
    local x, y = a.kind[i], b.kind[i]
    if x ~= one or y ~= other then
      one, other = x, y
      seen[x] = seen[x] or {}
      if not seen[x][y] then
        seen[x][y], list[#list + 1] = true, { x, y }
      end
    end
  end
  return list
end

local function are_unlike(of_a, of_b, x, y)
  return of_a[x] and of_b[y] and of_a[x] ~= of_b[y]
end

local function any_unlike(met, of_a, of_b)
  for _, pair in ipairs(met) do
    if are_unlike(of_a, of_b, pair[1], pair[2]) then
      return true
    end
  end
  return false
end

local function compare_field(found, field, a, b, trains, met)
  local seen, of_a, of_b = {}, said_of(a.kinds, field), said_of(b.kinds, field)
  for i = 1, any_unlike(met, of_a, of_b) and math.min(a.count, b.count) or 0 do
    local x, y = a.kind[i], b.kind[i]
    if are_unlike(of_a, of_b, x, y) then
      collect(seen, of_a[x], of_b[y], i)
    end
  end
  local shuffled, first = reordered(seen)
  if shuffled then
    found[#found + 1] = { what = field.what, told_only = field.told_only,
      where = ("%s, the first %s: the same ones in another order"):format(numbers.counted(shuffled, "pulse"),
        numbers.count(first)) }
  else
    tell(found, seen, field.what, trains, field.told_only)
  end
end

local function seconds(us)
  return numbers.seconds(us / 1e6)
end

--- Two intervals as texts that differ where they do.
local function both(x, y)
  local a, b = seconds(x), seconds(y)
  if a == b then
    return ("%.3f us"):format(x), ("%.3f us"):format(y)
  end
  return a, b
end

local function range(at_us, last)
  local low, high = math.huge, 0
  for i = 2, last do
    local interval = at_us[i] - at_us[i - 1]
    low, high = math.min(low, interval), math.max(high, interval)
  end
  return numbers.range(low, high, seconds)
end

--- Intervals that count for nothing, in a line: how many, and by how much.
local function tell_slight(found, slight, what)
  if slight.count > 0 then
    found[#found + 1] = { what = "interval", told_only = true, where = ("%s%s %s by at most %s"):format(
      numbers.counted(slight.count, "interval"), what, slight.count == 1 and "differs" or "differ",
      seconds(slight.worst)) }
  end
end

local function add(sum, apart)
  sum.count, sum.worst = sum.count + 1, math.max(sum.worst, apart)
end

--- Intervals from pulse to pulse, as planned; what differs by at most tolerance_us, and what is before a
--- pulse of begins, is told, and counts for nothing.
local function compare_intervals(found, a, b, trains, tolerance_us, begins)
  local seen, last, of_a, of_b = {}, math.min(a.count, b.count), a.at_us, b.at_us
  local unlike, slight, between = { count = 0, worst = 0 }, { count = 0, worst = 0 }, { count = 0, worst = 0 }
  for i = 2, last do
    local x, y = of_a[i] - of_a[i - 1], of_b[i] - of_b[i - 1]
    local apart = math.abs(x - y)
    if apart > 0.0005 and begins[i] then
      add(between, apart)
    elseif apart > tolerance_us then
      add(unlike, apart)
      local one, other = both(x, y)
      collect(seen, one, other, i)
    elseif apart > 0.0005 then
      add(slight, apart)
    end
  end
  if #seen > many then
    found[#found + 1] = { what = "interval", a = range(of_a, last), b = range(of_b, last),
      where = ("%s of %s, by up to %s"):format(numbers.count(unlike.count),
        numbers.counted(last - 1, "interval"), seconds(unlike.worst)) }
  else
    for _, met in ipairs(seen) do
      found[#found + 1] = { what = "interval", where = "before " .. where(met, trains),
        a = met.a, b = met.b }
    end
  end
  tell_slight(found, slight, "")
  tell_slight(found, between, " between plans")
end

local function count_text(pulses, trains)
  return numbers.counted(pulses.count, "pulse")
    .. (trains > 1 and " in " .. numbers.counted(trains, "train") or "")
end

--- What differs.
---@param a moonpulse.ComparedPulses
---@param b moonpulse.ComparedPulses
---@param tolerance_us number intervals that differ by no more count as the same
---@param is_rounded boolean? one of them alone is rounded to what a device can be set to
---@param begins table<integer, boolean>? the pulses that begin a plan, if the interval before it is a
---   script's own
---@return moonpulse.Differing[]
function M.compare(a, b, tolerance_us, is_rounded, begins)
  local found = {}
  local trains, count = M.trains(a)
  local _, other = M.trains(b)
  local met = met_kinds(a, b)
  if a.count ~= b.count then
    found[1] = { what = "pulses", a = count_text(a, count), b = count_text(b, other) }
  end
  for _, field in ipairs(fields) do
    if not (field.rounded and is_rounded) then
      compare_field(found, field, a, b, trains, met)
    end
  end
  compare_intervals(found, a, b, trains, tolerance_us, begins or {})
  return found
end

return M
