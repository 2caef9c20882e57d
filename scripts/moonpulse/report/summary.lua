--- Everything the report says about the pulses, computed from the rows of events.tsv.
local by_condition = require "moonpulse.record.conditions"
local facts = require "moonpulse.report.facts"
local record = require "moonpulse.record.read"
local stats = require "moonpulse.drawing.stats"
local text = require "moonpulse.drawing.text"

local M = {}

-- The kinds of the rows, and how many there are of each.
local function kinds_of(stretches)
  local list, count = {}, {}
  for _, stretch in ipairs(stretches) do
    local kind = stretch.kind
    if not count[kind] then
      list[#list + 1], count[kind] = kind, 0
    end
    count[kind] = count[kind] + stretch.last - stretch.first + 1
  end
  return list, count
end

local function counts(kinds, count)
  local out = { recorded = 0, sent = 0, delivered = 0, confirmed = 0, late = 0, by_device = 0,
    external = 0 }
  for _, kind in ipairs(kinds) do
    local n = count[kind]
    out.recorded = out.recorded + n
    out.sent = out.sent + (kind.was_sent and n or 0)
    out.delivered = out.delivered + (kind.delivered and n or 0)
    out.confirmed = out.confirmed + (kind.is_confirmed and n or 0)
    out.by_device = out.by_device + (kind.was_sent and kind.unmeasured and n or 0)
    out.external = out.external + (kind.external and n or 0)
    out.late = out.late + (kind.was_sent and kind.status == "late" and n or 0)
  end
  return out
end

-- Rows that did not go as planned: not sent, refused, late; and, where the device confirms at
-- all, sent without a confirmation.
---@param silent table<string, true> channels of devices that cannot confirm
local function exceptions(pulses, stretches, confirms, silent)
  local out = {}
  for _, stretch in ipairs(stretches) do
    local kind = stretch.kind
    local is_open = confirms and kind.delivered and not kind.is_confirmed
      and not silent[kind.channel or false]
    if not kind.delivered or kind.status == "late" or is_open then
      table.move(pulses, stretch.first, stretch.last, #out + 1, out)
    end
  end
  return out
end

-- The ranges between base and last that list, in order, leaves out.
local function ranges_without(list, base, last)
  local out, next_one = { total = 0 }, base
  list[#list + 1] = last + 1
  for _, number in ipairs(list) do
    if number > next_one and next_one <= last then
      local range = { first = next_one, last = math.min(number - 1, last) }
      out[#out + 1], out.total = range, out.total + range.last - range.first + 1
    end
    next_one = math.max(next_one, number + 1)
  end
  return out
end

-- The numbers of the pulses, each once and in order; how many rows have one, how many one that another has.
local function numbers_of(pulses)
  local list, rising, before = {}, true, -math.huge
  for i = 1, #pulses do
    local number = pulses[i].pulse
    rising = number ~= nil and number > before
    if not rising then
      break
    end
    list[i], before = number, number
  end
  if rising then -- the usual case
    return list, #list, 0
  end
  local seen, numbered = {}, 0
  list = {}
  for _, row in ipairs(pulses) do
    local number = row.pulse
    numbered = numbered + (number and 1 or 0)
    if number and not seen[number] then
      list[#list + 1], seen[number] = number, true
    end
  end
  table.sort(list)
  return list, numbered, numbered - #list
end

-- Planned pulse numbers that have no row, as ranges; numbers that have two rows.
local function missing_numbers(pulses, planned)
  local list, numbered, repeated = numbers_of(pulses)
  local out = { total = 0 }
  if planned and numbered == #pulses then
    local base = list[1] == 0 and 0 or 1
    out = ranges_without(list, base, base + planned - 1)
  end
  out.repeated = repeated
  return out
end

local function onset_error(pulses, stretches)
  local values, n, disagree = {}, 0, 0
  for _, stretch in ipairs(stretches) do
    for i = stretch.first, stretch.kind.was_sent and stretch.last or 0 do
      local row = pulses[i]
      local late, sent, planned = row.lateness, row.sent, row.planned
      if late then
        n = n + 1
        values[n] = late
        local apart = sent and planned and sent - planned - late
        disagree = apart and (apart > 0.01 or apart < -0.01) and disagree + 1 or disagree
      end
    end
  end
  local out = stats.describe(values)
  out.magnitude = stats.describe_magnitudes(values)
  out.disagree = disagree
  return out
end

local function add_interval(classes, planned, actual)
  local key = math.floor(planned + 0.5)
  local class = classes[key]
  if not class then
    class = { planned = key, n = 0, sum = 0, shortest = math.huge, longest = -math.huge, worst = 0 }
    classes[key] = class
    classes.list[#classes.list + 1] = class
  end
  local apart = actual < planned and planned - actual or actual - planned
  class.n, class.sum = class.n + 1, class.sum + actual
  if actual < class.shortest then
    class.shortest = actual
  end
  if actual > class.longest then
    class.longest = actual
  end
  if apart > class.worst then
    class.worst = apart
  end
end

-- Only what this computer timed makes an interval: pulses that are neighbours in the plan and were both sent.
-- Those that the stimulator timed in between are passed over, for nobody measured them.
local function intervals(pulses, stretches)
  local errors, n, classes = {}, 0, { list = {} }
  local first, last, before_planned, before_sent
  for _, stretch in ipairs(stretches) do
    local was_sent, unmeasured = stretch.kind.was_sent, stretch.kind.unmeasured
    for i = stretch.first, stretch.last do
      local row = pulses[i]
      local sent, at = was_sent and row.sent, row.planned
      if not (sent and at) then
        before_sent = nil
      elseif not unmeasured then
        first, last = first or row, row
        if before_sent then
          local planned, actual = at - before_planned, sent - before_sent
          n = n + 1
          errors[n] = actual - planned
          add_interval(classes, planned, actual)
        end
        before_planned, before_sent = at, sent
      end
    end
  end
  local out = stats.describe_magnitudes(errors)
  table.sort(classes.list, function(a, b) return a.planned < b.planned end)
  out.classes = classes.list
  if first and first ~= last then
    out.span_planned = last.planned - first.planned
    out.span_sent = last.sent - first.sent
  end
  return out
end

--- From the first to the last pulse that was sent, whoever timed it, in microseconds.
local function span(pulses)
  local from, to = 1, #pulses
  local function is_timed(row)
    return row.was_sent and row.sent
  end
  while pulses[from] and not is_timed(pulses[from]) do
    from = from + 1
  end
  while to > from and not is_timed(pulses[to]) do
    to = to - 1
  end
  local first, last = pulses[from], pulses[to]
  return first and first ~= last and { sent = last.sent - first.sent, computed = last.unmeasured } or nil
end

local function replies(pulses, stretches)
  local latencies, n, by_text, list = {}, 0, {}, {}
  local with_reply = 0
  for _, stretch in ipairs(stretches) do
    local kind, count = stretch.kind, stretch.last - stretch.first + 1
    if kind.reply then
      with_reply = with_reply + count
      local entry = by_text[kind.reply]
      if not entry then
        entry = { reply = kind.reply, n = 0 }
        by_text[kind.reply] = entry
        list[#list + 1] = entry
      end
      entry.n = entry.n + count
    end
    for i = stretch.first, kind.unmeasured and 0 or stretch.last do
      local sent, confirmed = pulses[i].sent, pulses[i].confirmed
      if sent and confirmed then
        n = n + 1
        latencies[n] = confirmed - sent
      end
    end
  end
  table.sort(list, function(a, b)
    return a.n > b.n or a.n == b.n and a.reply < b.reply
  end)
  return { latency = stats.describe(latencies), texts = list, with_reply = with_reply }
end

local function group_key(kind)
  return string.format("%s\t%s\t%s\t%s\t%s", kind.trial_type or "n/a", kind.channel or "n/a",
    kind.mso or "n/a", kind.intensity or "n/a", kind.ref or "n/a")
end

--- The kinds in groups, in the order of their first pulse; each with how many of its pulses have a row, were
--- sent and were confirmed.
local function grouped(kinds, count, key_of, begin)
  local list, by_key = {}, {}
  for _, kind in ipairs(kinds) do
    local key = key_of(kind)
    local group = key and by_key[key]
    if key and not group then
      group = begin(kind)
      group.recorded, group.n, group.confirmed = 0, 0, 0
      by_key[key], list[#list + 1] = group, group
    end
    if group then
      group.recorded = group.recorded + count[kind]
      group.n = group.n + (kind.was_sent and count[kind] or 0)
      group.confirmed = group.confirmed + (kind.is_confirmed and count[kind] or 0)
    end
  end
  return list
end

-- What was given: one group for each condition, channel and intensity, sent pulses only.
local function doses(kinds, count, nerves)
  return grouped(kinds, count, function(kind)
    return kind.was_sent and group_key(kind)
  end, function(kind)
    return { trial_type = kind.trial_type, channel = kind.channel, mso = kind.mso, intensity = kind.intensity,
             ref = kind.ref, nerve = nerves[kind.channel] }
  end)
end

-- The same by condition, sent or not; its doses are those of its name.
local function conditions(kinds, count, given)
  local list = grouped(kinds, count, function(kind) return kind.trial_type or "" end, function(kind)
    return { name = kind.trial_type, doses = {} }
  end)
  for _, condition in ipairs(list) do
    for _, dose in ipairs(given) do
      if dose.trial_type == condition.name then
        table.insert(condition.doses, dose)
      end
    end
  end
  return list
end

--- The planned intervals from pulse to pulse inside a trial, by condition, in whole microseconds: those of a
--- pair are its ISI. Where the two pulses are of two conditions, it is one of both.
---@return table<string, integer[]> each in order, without repeats
local function trial_intervals(pulses, stretches)
  local seen, lists, last_of = {}, {}, {}
  local function take(name, us)
    seen[name] = seen[name] or {}
    if not seen[name][us] then
      seen[name][us] = true
      lists[name] = lists[name] or {}
      table.insert(lists[name], us)
    end
  end
  local trial_before, before, us_before
  for _, stretch in ipairs(stretches) do
    us_before = nil -- from here on it may be one of another condition
    for i = stretch.first, stretch.last do
      local row = pulses[i]
      local trial, at = row.trial, row.planned
      if trial ~= trial_before then
        if trial_before then
          last_of[trial_before] = before
        end
        trial_before, before, us_before = trial, trial and last_of[trial], nil
      end
      local since = trial and at and before and before.planned
      if since then
        local us = math.floor(at - since + 0.5)
        if us ~= us_before then
          take(row.trial_type or "", us)
          take(before.trial_type or "", us)
          us_before = i > stretch.first and us or nil
        end
      end
      before = row
    end
  end
  for _, list in pairs(lists) do
    table.sort(list)
  end
  return lists
end

local function by_status(kinds, count)
  local out = {}
  for _, kind in ipairs(kinds) do
    local status = kind.status or "n/a"
    out[status] = (out[status] or 0) + count[kind]
  end
  return out
end

--- Whether the run was real-time, virtual or scaled.
---@param manifest table
---@return string kind "virtual", "real", "scaled" or "unknown"
local function time_kind(manifest)
  local speed = record.get(manifest, "speed")
  if speed == "max" then
    return "virtual"
  elseif tonumber(speed) == 1 then
    return "real"
  end
  return text.number(tonumber(speed)) and "scaled" or "unknown"
end

--- How many event codes reached their box, and how many did not.
local function codes_of(rows)
  local sent = 0
  for _, row in ipairs(rows) do
    sent = sent + (row.sent and 1 or 0)
  end
  return { sent = sent, lost = #rows - sent }
end

--- Compute every figure of the report.
---@param manifest table
---@param events table from `record.events`
---@return table
function M.compute(manifest, events)
  local function number(path)
    return text.number(record.get(manifest, path))
  end
  local pulses, stretches = events.pulses, record.stretches(events.pulses)
  local kinds, count = kinds_of(stretches)
  local out = counts(kinds, count)
  out.planned = number("result.pulses_planned") or number("protocol.pulses")
  out.wanted = facts.wanted(manifest)
  out.time = time_kind(manifest)
  out.simulated = record.get(manifest, "device.simulated")
  out.cannot_confirm = record.get(manifest, "device.confirms") == false and out.confirmed == 0
  out.outside = require("moonpulse.record.outside").of(events.pulses)
  out.unasked, out.codes = events.unasked, codes_of(events.codes or {})
  out.missing = missing_numbers(pulses, out.planned)
  local silent, names = facts.silent(manifest)
  out.exceptions = exceptions(pulses, stretches, out.confirmed > 0, silent)
  out.silent_names, out.unconfirmable = names, 0 -- beside devices that can
  for _, kind in ipairs(kinds) do
    local is_silent = kind.was_sent and not kind.is_confirmed and silent[kind.channel or false]
    out.unconfirmable = out.unconfirmable + (is_silent and count[kind] or 0)
  end
  out.onset_error = onset_error(pulses, stretches)
  out.intervals = intervals(pulses, stretches)
  out.span = span(pulses)
  out.replies = replies(pulses, stretches)
  out.by_status = by_status(kinds, count)
  out.nerves = facts.nerves(manifest)
  out.doses = doses(kinds, count, out.nerves)
  out.conditions = conditions(kinds, count, out.doses)
  local trials = by_condition.trials(events, false, stretches)
  local given = by_condition.trials(events, true, stretches)
  local within = trial_intervals(pulses, stretches)
  for _, condition in ipairs(out.conditions) do
    condition.trials = trials[condition.name]
    condition.trials_given = condition.trials and (given[condition.name] or 0)
    condition.intervals = within[condition.name or ""] or {}
  end
  return out
end

return M
