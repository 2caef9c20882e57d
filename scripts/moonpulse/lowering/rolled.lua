--- Trains that were written pulse by pulse, or as a table, as the trains that they are: the same pulses at
--- the same times, with what repeats said once.
--
-- A train is what has one intensity, one channel and equal intervals, however it was written. Asked only
-- where a device did not take a plan as it is written (lowering/ways.lua): what it took stays what it was. A
-- stretch of a sequence becomes one part at the place of its first; where something else of the sequence is
-- drawn, the other places stay, empty, for what a random rest draws hangs on its place.
local core = require "moonpulse.core"
local divisor = require("moonpulse.compose.divisor").of

local M = {}

local MOST_IN_PART = 2000 -- pulses of a child that are looked at one by one
local MOST_LEVELS = 4     -- pulses, bursts, trains, blocks of trains
local NEAR_S = 1          -- pulses that lie nearer may be a pair or a burst
local TOO_LARGE = {}      -- raised: a time whose fraction does not fit

-- Exact times: seconds as a fraction, the same table for the same time -------------------------------------

local function time_of(self, num, den)
  local by = divisor(den, num)
  num, den = num // by, den // by
  local text = ("%d/%d"):format(num, den)
  local known = self.times[text]
  if not known then
    known = { num = num, den = den, text = text, seconds = num / den, sums = {}, rests = {} }
    self.times[text] = known
  end
  return known
end

local function time_read(self, text)
  local num, den = (text or error(TOO_LARGE, 0)):match("^(%d+)/(%d+)$")
  return time_of(self, math.tointeger(tonumber(num)), math.tointeger(tonumber(den)))
end

local function checked(value)
  return math.abs(value) < 2 ^ 62 or error(TOO_LARGE, 0)
end

local function combined(self, a, b, sign)
  local by = divisor(a.den, b.den)
  local left, right = b.den // by, a.den // by
  checked(a.den * 1.0 * left)
  checked(a.num * 1.0 * left)
  checked(b.num * 1.0 * right)
  return time_of(self, a.num * left + sign * b.num * right, a.den * left)
end

local function sum(self, a, b)
  if b.num == 0 then
    return a
  end
  a.sums[b] = a.sums[b] or combined(self, a, b, 1)
  return a.sums[b]
end

--- What is left of a after b.
local function rest_of(self, a, b)
  a.rests[b] = a.rests[b] or combined(self, a, b, -1)
  return a.rests[b]
end

local function times(self, a, count)
  checked(a.num * 1.0 * count)
  return time_of(self, a.num * count, a.den)
end

-- A part as its pulses -------------------------------------------------------------------------------------

--- Pulses in a row: silence before the first (lead), from each to the next (gaps), after the last (tail).
local function silence(self, time)
  return { lead = time, tail = self.zero, pulses = {}, gaps = {} }
end

local function append(self, row, more)
  local last, pulses, gaps = #row.pulses, row.pulses, row.gaps
  if #more.pulses == 0 then
    local side = last == 0 and "lead" or "tail"
    row[side] = sum(self, row[side], more.lead)
    return
  elseif last == 0 then
    row.lead = sum(self, row.lead, more.lead)
  else
    gaps[last] = sum(self, row.tail, more.lead)
  end
  table.move(more.pulses, 1, #more.pulses, last + 1, pulses)
  table.move(more.gaps, 1, #more.gaps, last + 1, gaps)
  row.tail = more.tail
end

local row_of

local rows = {}

function rows.pulse(self, plan, view, channel)
  local key = ("%.9g:%s:%s"):format(view.intensity, view.reference, channel)
  local pulse = self.pulses[key]
  if not pulse then
    pulse = { key = key, plan = plan, channel = channel }
    pulse.row = { lead = self.zero, tail = self.zero, pulses = { pulse }, gaps = {} }
    self.pulses[key] = pulse
  end
  return pulse.row
end

function rows.rest(self, _, view)
  local time = view.min == view.max and time_read(self, view.exact)
  if time then
    time.row = time.row or silence(self, time)
    return time.row
  end
end

function rows.sequence(self, plan, view, channel)
  if view.children > MOST_IN_PART then
    return nil
  end
  local row = silence(self, self.zero)
  for i = 1, view.children do
    local more = row_of(self, plan:child(i), channel)
    if not more or #row.pulses + #more.pulses > MOST_IN_PART then
      return nil
    end
    append(self, row, more)
  end
  return row
end

rows["repeat"] = function(self, plan, view, channel)
  local child = plan:child(1)
  local one = row_of(self, child, channel)
  if not one or view.count * math.max(#one.pulses, 1) > MOST_IN_PART then
    return nil
  end
  local between = silence(self, rest_of(self, time_read(self, view.exact_every),
    time_read(self, child:totals().exact_span)))
  local row = silence(self, self.zero)
  for i = 1, view.count do
    append(self, row, one)
    if i < view.count or view.spacing == "train" then
      append(self, row, between)
    end
  end
  return row
end

function rows.channel(self, plan, view)
  return row_of(self, plan:child(1), view.text == "1" and "" or view.text)
end

--- A part as its pulses, looked at once however often a plan holds it; nil where it is not that simple: a
--- mark, a drawn rest, parts side by side; an event code that a box is there for.
function row_of(self, plan, channel)
  local key = plan:id() .. " " .. channel
  local known = self.rows[key]
  if known == nil then
    local view = plan:view()
    local read = not (self.codes and view.code > 0) and rows[view.kind]
    known = read and read(self, plan, view, channel) or false
    self.rows[key] = known
  end
  return known or nil
end

-- Stretches ------------------------------------------------------------------------------------------------

--- Where links are equal: from item first to item last. Of two stretches that share an item the faster has
--- it.
local function stretches(links, count)
  local list, i = {}, 1
  while i < count do
    local link, j = links[i], i
    if link then
      while j + 1 < count and links[j + 1] == link do
        j = j + 1
      end
      local own, before = { first = i, last = j + 1, every = link }, list[#list]
      if before and before.last == i then
        if before.every.seconds < link.seconds then
          own.first = i + 1
        else
          before.last = i - 1
        end
      end
      list[#list + 1] = own
    end
    i = j + 1
  end
  return list
end

--- The children of a sequence as one row of pulses; from: the child of each; gaps: false where something
--- stands between that is no silence.
local function line_of(self, plan, children, channel)
  local line = { keys = {}, pulses = {}, gaps = {}, from = {}, leads = {}, tails = {} }
  local pulses, gaps, from, since = line.pulses, line.gaps, line.from, nil
  for i = 1, children do
    local row = row_of(self, plan:child(i), channel)
    local count = #pulses
    if not row then
      since = nil
    elseif #row.pulses == 0 then
      since = since and sum(self, since, row.lead)
    else
      if count > 0 then
        gaps[count] = since and sum(self, since, row.lead) or false
      end
      for k, pulse in ipairs(row.pulses) do
        pulses[count + k], from[count + k], gaps[count + k] = pulse, i, row.gaps[k]
      end
      line.leads[i] = row.lead ~= self.zero and row.lead or nil
      line.tails[i] = row.tail ~= self.zero and row.tail or nil
      since = row.tail
    end
  end
  return line
end

--- A pulse as it stands within a channel.
local function one_of(pulse, channel)
  return pulse.channel == channel and pulse.plan
    or core.channel(pulse.plan, pulse.channel == "" and "1" or pulse.channel)
end

--- Pulses at one interval as parts: { first, last, plan, reach, key }.
local function trains_of(self, line, channel)
  local pulses, links = line.pulses, {}
  for i = 1, #pulses - 1 do
    links[i] = pulses[i] == pulses[i + 1] and line.gaps[i] or false
  end
  local list = {}
  for _, each in ipairs(stretches(links, #pulses)) do
    local first, last, from = each.first, each.last, line.from
    while first <= last and from[first - 1] == from[first] do -- a child is taken whole
      first = first + 1
    end
    while last > first and from[last + 1] == from[last] do
      last = last - 1
    end
    if last > first and each.every.num > 0 then
      local pulse, count = pulses[first], last - first + 1
      local one = one_of(pulse, channel)
      list[#list + 1] = { first = first, last = last, reach = times(self, each.every, count - 1),
        plan = core.like(core.repeat_plan(one, count, "every", each.every.text), pulse.plan),
        key = ("%s %d*%s"):format(pulse.key, count, each.every.text) }
    end
  end
  return list
end

--- Equal parts at one interval as one; the list itself where there are none.
local function joined(self, line, list)
  local links = {}
  for i = 1, #list - 1 do
    local one, next_one = list[i], list[i + 1]
    links[i] = one.key == next_one.key and next_one.first == one.last + 1 and line.gaps[one.last]
      and sum(self, one.reach, line.gaps[one.last]) or false
  end
  local made, i = {}, 1
  for _, each in ipairs(stretches(links, #list)) do
    table.move(list, i, each.first - 1, #made + 1, made)
    i = math.max(i, each.first)
    if each.last > each.first then
      local one, count = list[each.first], each.last - each.first + 1
      made[#made + 1] = { first = one.first, last = list[each.last].last,
        reach = sum(self, times(self, each.every, count - 1), one.reach),
        plan = core.like(core.repeat_plan(one.plan, count, "every", each.every.text), one.plan),
        key = ("(%s) %d*%s"):format(one.key, count, each.every.text) }
      i = each.last + 1
    end
  end
  table.move(list, i, #list, #made + 1, made)
  return #made < #list and made or list
end

--- Pulses that lie near each other, each in a part of its own (a row of a table), as pulses and rests in a
--- row.
local function row_plan(line, first, last, channel)
  local parts = {}
  for i = first, last do
    parts[#parts + 1] = one_of(line.pulses[i], channel)
    parts[#parts + 1] = i < last and core.rest(line.gaps[i].text) or nil
  end
  return core.repeat_plan(core.sequence_of(parts), 1, "gap", 0)
end

local rolled

--- The list with such rows between its parts: a pair of a table is a pair. A child with trains of its own is
--- none of it.
local function with_rows(self, plan, line, list, channel)
  local made, at, from, gaps = {}, 1, line.from, line.gaps
  local function has_trains(i)
    local child = plan:child(from[i])
    return rolled(self, child, channel) ~= child
  end
  local function between(last)
    local i = at
    while i <= last do
      local j, is_plain = i, plan:child(from[i]):view().kind == "pulse"
      while j < last and gaps[j] and gaps[j].seconds < NEAR_S and not has_trains(j)
        and not has_trains(j + 1) do
        j = j + 1
        is_plain = is_plain and plan:child(from[j]):view().kind == "pulse"
      end
      if j > i and not is_plain and from[i - 1] ~= from[i] and from[j + 1] ~= from[j] then
        made[#made + 1] = { first = i, last = j, plan = row_plan(line, i, j, channel) }
      end
      i = j + 1
    end
  end
  for _, each in ipairs(list) do
    between(each.first - 1)
    made[#made + 1] = each
    at = each.last + 1
  end
  between(#line.pulses)
  return made
end

--- A part with the silence that its children have before and after their pulses. Repeated once it does not
--- dissolve into the sequence around it.
local function padded(line, part, first_child)
  local lead, tail = line.leads[line.from[part.first]], line.tails[line.from[part.last]]
  local plan = core.like(part.plan, first_child)
  if not lead and not tail then
    return plan
  end
  local whole = { plan }
  if lead then
    table.insert(whole, 1, core.rest(lead.text))
  end
  if tail then
    whole[#whole + 1] = core.rest(tail.text)
  end
  return core.repeat_plan(core.sequence_of(whole), 1, "gap", 0)
end

-- Plans ----------------------------------------------------------------------------------------------------

local function parts_of(self, plan, view, channel, line, list)
  local parts, changed, at, empty = {}, false, 1, core.rest(0)
  local keeps_places = plan:totals().random
  local function single(to)
    for i = at, to do
      local child = plan:child(i)
      parts[#parts + 1] = rolled(self, child, channel)
      changed = changed or parts[#parts] ~= child
    end
  end
  for _, each in ipairs(list) do
    local from, to = line.from[each.first], line.from[each.last]
    single(from - 1)
    parts[#parts + 1], changed = padded(line, each, plan:child(from)), true
    for _ = from + 1, keeps_places and to or from do
      parts[#parts + 1] = empty
    end
    at = to + 1
  end
  single(view.children)
  return changed and parts or nil
end

local made = {}

function made.sequence(self, plan, view, channel)
  local line = line_of(self, plan, view.children, channel)
  local list = trains_of(self, line, channel)
  for _ = 2, MOST_LEVELS do
    list = joined(self, line, list)
  end
  list = with_rows(self, plan, line, list, channel)
  local parts = parts_of(self, plan, view, channel, line, list)
  return parts and core.sequence_of(parts) or plan
end

made["repeat"] = function(self, plan, view, channel)
  local child = plan:child(1)
  local new = rolled(self, child, channel)
  return new ~= child and view.exact_period
    and core.repeat_plan(new, view.count, view.spacing, view.exact_period) or plan
end

function made.channel(self, plan, view)
  local child = plan:child(1)
  local new = rolled(self, child, view.text == "1" and "" or view.text)
  return new ~= child and core.channel(new, view.text) or plan
end

function rolled(self, plan, channel)
  local key = plan:id() .. " " .. channel
  local known = self.done[key]
  if known == nil then
    local view = plan:view()
    local new = made[view.kind] and view.children > 0 and not (self.codes and view.code > 0)
      and made[view.kind](self, plan, view, channel) or plan
    known = new ~= plan and core.like(new, plan) or false
    self.done[key] = known
  end
  return known or plan
end

--- A plan with its trains as trains; the plan itself where there is none that was written otherwise, or where
--- a time in it has no short fraction.
---@param plan moonpulse.Plan
---@param codes boolean? there is a box for event codes: what has one is left as it is
---@return moonpulse.Plan
function M.of(plan, codes)
  local self = { codes = codes, times = {}, pulses = {}, rows = {}, done = {} }
  self.zero = time_of(self, 0, 1)
  local ok, new = pcall(rolled, self, plan, "")
  if ok then
    return new
  elseif new == TOO_LARGE then
    return plan
  end
  error(new, 0)
end

return M
