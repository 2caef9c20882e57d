--- Everything the report says about the pulses, computed from the rows of events.tsv.
local by_condition = require "moonpulse.record.conditions"
local facts = require "moonpulse.report.facts"
local record = require "moonpulse.record.read"
local stats = require "moonpulse.drawing.stats"
local text = require "moonpulse.drawing.text"

local M = {}

local function counts(pulses)
  local out = { recorded = #pulses, sent = 0, delivered = 0, confirmed = 0, late = 0, by_device = 0 }
  for _, row in ipairs(pulses) do
    out.sent = out.sent + (row.was_sent and 1 or 0)
    out.delivered = out.delivered + (row.delivered and 1 or 0)
    out.confirmed = out.confirmed + (row.is_confirmed and 1 or 0)
    out.by_device = out.by_device + (row.was_sent and row.unmeasured and 1 or 0)
    out.late = out.late + (row.was_sent and row.status == "late" and 1 or 0)
  end
  return out
end

-- Rows that did not go as planned: not sent, refused, late; and, where the device confirms at
-- all, sent without a confirmation.
local function exceptions(pulses, confirms)
  local out = {}
  for _, row in ipairs(pulses) do
    local silent = confirms and row.delivered and not row.is_confirmed
    if not row.delivered or row.status == "late" or silent then
      out[#out + 1] = row
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
  local list, rising = {}, true
  for i, row in ipairs(pulses) do
    local number = row.pulse
    rising = rising and number ~= nil and (i == 1 or number > list[i - 1])
    if not rising then
      break
    end
    list[i] = number
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

local function lateness(pulses)
  local values, disagree = {}, 0
  for _, row in ipairs(pulses) do
    if row.was_sent and row.lateness then
      values[#values + 1] = row.lateness
      if row.sent and row.planned
        and math.abs(row.sent - row.planned - row.lateness) > 0.01 then
        disagree = disagree + 1
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
  class.n = class.n + 1
  class.sum = class.sum + actual
  class.shortest = math.min(class.shortest, actual)
  class.longest = math.max(class.longest, actual)
  class.worst = math.max(class.worst, math.abs(actual - planned))
end

-- Only what this computer timed makes an interval: pulses that are neighbours in the plan and were both sent.
-- Those that the stimulator timed in between are passed over, for nobody measured them.
local function intervals(pulses)
  local errors, classes = {}, { list = {} }
  local first, last, before
  for _, row in ipairs(pulses) do
    local timed = row.was_sent and row.sent and row.planned
    if timed and not row.unmeasured then
      first, last = first or row, row
      if before then
        local planned, actual = row.planned - before.planned, row.sent - before.sent
        errors[#errors + 1] = actual - planned
        add_interval(classes, planned, actual)
      end
      before = row
    elseif not timed then
      before = nil
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
  local first, last
  for _, row in ipairs(pulses) do
    if row.was_sent and row.sent then
      first, last = first or row, row
    end
  end
  return first and first ~= last and { sent = last.sent - first.sent, computed = last.unmeasured } or nil
end

local function replies(pulses)
  local latencies, by_text, list = {}, {}, {}
  local with_reply = 0
  for _, row in ipairs(pulses) do
    if row.sent and row.confirmed and not row.unmeasured then
      latencies[#latencies + 1] = row.confirmed - row.sent
    end
    if row.reply then
      with_reply = with_reply + 1
      local entry = by_text[row.reply]
      if not entry then
        entry = { reply = row.reply, n = 0 }
        by_text[row.reply] = entry
        list[#list + 1] = entry
      end
      entry.n = entry.n + 1
    end
  end
  table.sort(list, function(a, b)
    return a.n > b.n or a.n == b.n and a.reply < b.reply
  end)
  return { latency = stats.describe(latencies), texts = list, with_reply = with_reply }
end

-- Rows that share a metatable are of one kind: all but their times and numbers is the same.
local function kinds_of(pulses)
  local list, count = {}, {}
  for _, row in ipairs(pulses) do
    local kind = getmetatable(row)
    if not count[kind] then
      list[#list + 1], count[kind] = kind, 0
    end
    count[kind] = count[kind] + 1
  end
  return list, count
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
local function trial_intervals(pulses)
  local seen, lists, last_of = {}, {}, {}
  local function take(name, us)
    seen[name] = seen[name] or {}
    if not seen[name][us] then
      seen[name][us] = true
      lists[name] = lists[name] or {}
      table.insert(lists[name], us)
    end
  end
  for _, row in ipairs(pulses) do
    local trial = row.trial
    local before = trial and last_of[trial]
    if before and row.planned and before.planned then
      local us = math.floor(row.planned - before.planned + 0.5)
      take(row.trial_type or "", us)
      take(before.trial_type or "", us)
    end
    if trial then
      last_of[trial] = row
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

--- Compute every figure of the report.
---@param manifest table
---@param events table from `record.events`
---@return table
function M.compute(manifest, events)
  local function number(path)
    return text.number(record.get(manifest, path))
  end
  local out = counts(events.pulses)
  out.planned = number("result.pulses_planned") or number("protocol.pulses")
  out.wanted = facts.wanted(manifest)
  out.time = time_kind(manifest)
  out.simulated = record.get(manifest, "device.simulated")
  out.cannot_confirm = record.get(manifest, "device.confirms") == false and out.confirmed == 0
  out.unasked = events.unasked
  out.missing = missing_numbers(events.pulses, out.planned)
  out.exceptions = exceptions(events.pulses, out.confirmed > 0)
  out.lateness = lateness(events.pulses)
  out.intervals = intervals(events.pulses)
  out.span = span(events.pulses)
  out.replies = replies(events.pulses)
  local kinds, count = kinds_of(events.pulses)
  out.by_status = by_status(kinds, count)
  out.nerves = facts.nerves(manifest)
  out.doses = doses(kinds, count, out.nerves)
  out.conditions = conditions(kinds, count, out.doses)
  local trials, given = by_condition.trials(events), by_condition.trials(events, true)
  local within = trial_intervals(events.pulses)
  for _, condition in ipairs(out.conditions) do
    condition.trials = trials[condition.name]
    condition.trials_given = condition.trials and (given[condition.name] or 0)
    condition.intervals = within[condition.name or ""] or {}
  end
  return out
end

return M
