--- What the table of a run says of what was given, as columns: there may be a million pulses. What their
--- kinds say is asked of these.
local columns = require "moonpulse.record.columns"
local counted = require "moonpulse.record.counted"
local doses = require "moonpulse.methods.doses"
local numbers = require "moonpulse.text.numbers"

local M = {}

---@class moonpulse.ListedPulses in time
---@field count integer
---@field at number[] seconds
---@field planned_us number[]? of those whose kind says so (planned), where at is when they were given
---@field trial (integer|false)[] of the record; false: an old one, which does not number them
---@field kind integer[] of which of the kinds each is
---@field kinds { channel: string, intensity: number, reference: string, mso: number?, block: integer?,
---   planned: boolean? }[]

--- What must be read of the table.
M.asked = { time = true, pulse = true, trial = true }

local function is_given(kind)
  return counted.is_given(kind.status, kind.was_sent) or false
end

--- By the kind's number: were its pulses given?
local function given_kinds(pulses)
  local list = {}
  for number, kind in ipairs(pulses.kinds) do
    list[number] = is_given(kind)
  end
  return list
end

--- How many pulses were given, how long after the first the last one was, and how many were confirmed.
---@param pulses moonpulse.PulseColumns
---@return integer count
---@return number seconds
---@return integer confirmed
function M.count(pulses)
  local count, first, last, given = 0, math.huge, -math.huge, given_kinds(pulses)
  for i = 1, pulses.count do
    local time = given[pulses.kind[i]] and pulses.time[i]
    if time then
      count = count + 1
      first, last = time < first and time or first, time > last and time or last
    end
  end
  local confirmed = 0
  for _, each in ipairs(columns.counts(pulses)) do
    confirmed = confirmed + (each.kind.is_confirmed and each.count or 0)
  end
  return count, last - first, confirmed
end

--- Which pulses were given, in time; nil: all of them, as they are.
local function order_of(pulses)
  local given, time, before, is_sorted = given_kinds(pulses), pulses.time, -math.huge, true
  for i = 1, pulses.count do
    local at = given[pulses.kind[i]] and time[i]
    if not at or at < before then
      is_sorted = false
      break
    end
    before = at
  end
  if is_sorted then
    return nil
  end
  local order = {}
  before, is_sorted = -math.huge, true
  for i = 1, pulses.count do
    local at = given[pulses.kind[i]] and time[i]
    if at then
      order[#order + 1] = i
      is_sorted, before = is_sorted and at >= before, at
    end
  end
  if not is_sorted then
    table.sort(order, function(a, b) return time[a] < time[b] end)
  end
  return order
end

--- The trials of the pulses: what the rows do not say is the plan's, which they follow.
---@param pulses moonpulse.PulseColumns with what M.asked names
---@param trials (integer|false)[] of the plan, by the pulse's number
---@return (integer|false)[]
function M.trials(pulses, trials)
  local list, says = pulses.trial, true
  for _, each in ipairs(columns.counts(pulses)) do
    says = says and pulses.has[each.number].trial
  end
  if says then
    return list
  end
  local made = {}
  for i = 1, pulses.count do
    made[i] = list[i] or trials[pulses.pulse[i]] or false
  end
  return made
end

local function picked(list, order)
  local made = {}
  for i = 1, #order do
    made[i] = list[order[i]]
  end
  return made
end

--- The pulses that were given.
---@param pulses moonpulse.PulseColumns with what M.asked names
---@return moonpulse.ListedPulses
function M.listed(pulses)
  local kinds = {}
  for number, kind in ipairs(pulses.kinds) do
    kinds[number] = { channel = kind.channel or "1", intensity = kind.intensity or kind.mso or 0,
      reference = kind.intensity and kind.ref or "MSO", mso = kind.mso, block = kind.block,
      planned = pulses.has[number].planned }
  end
  local order, trial = order_of(pulses), pulses.trial
  if not order then
    return { count = pulses.count, at = pulses.time, planned_us = pulses.at_us, trial = trial,
      kind = pulses.kind, kinds = kinds }
  end
  return { count = #order, at = picked(pulses.time, order), planned_us = picked(pulses.at_us, order),
    trial = picked(trial, order), kind = picked(pulses.kind, order), kinds = kinds }
end

--- Are the planned onsets of the rows those of the plan?
---@param at number[]? seconds, by the pulse's number; nil: there is no plan
---@param pulses moonpulse.PulseColumns
---@return boolean
function M.fits(at, pulses)
  for i = 1, pulses.count do
    local planned = at and at[pulses.pulse[i]]
    if not planned or not pulses.has[pulses.kind[i]].planned
      or math.abs(planned * 1e6 - pulses.at_us[i]) > 1.5 then
      return false
    end
  end
  return at ~= nil
end

--- How many pulses there are of each status.
---@param pulses moonpulse.PulseColumns
---@return table<string, integer>
---@return string[] order sorted
function M.statuses(pulses)
  local counts, order = {}, {}
  for _, each in ipairs(columns.counts(pulses)) do
    local status = each.kind.status or "n/a"
    order[#order + 1] = not counts[status] and status or nil
    counts[status] = (counts[status] or 0) + each.count
  end
  table.sort(order)
  return counts, order
end

--- The pulses that an external device fired.
---@param pulses moonpulse.PulseColumns
---@return moonpulse.FromOutside?
function M.outside(pulses)
  local is_external, rows = false, {}
  for _, kind in ipairs(pulses.kinds) do
    is_external = is_external or kind.external
  end
  for i = 1, is_external and pulses.count or 0 do
    local kind = pulses.kinds[pulses.kind[i]]
    rows[#rows + 1] = kind.external and { external = true, time = pulses.time[i] or nil,
      status = kind.status } or nil
  end
  return require("moonpulse.record.outside").of(rows)
end

local function key_of(channel, intensity, reference)
  return ("%s %.9g %s"):format(channel, intensity, reference)
end

--- What the rows say each intensity was, in %MSO, in words.
---@param pulses moonpulse.PulseColumns
---@param nerve table? of the facts
---@return fun(view: table, channel: string): string
function M.dose_of(pulses, nerve)
  local by_key = {}
  for _, each in ipairs(columns.counts(pulses)) do
    local kind = each.kind
    if kind.mso and kind.intensity then
      local key = key_of(kind.channel or "1", kind.intensity, kind.ref)
      local range = by_key[key] or { kind.mso, kind.mso }
      range[1], range[2] = math.min(range[1], kind.mso), math.max(range[2], kind.mso)
      by_key[key] = range
    end
  end
  return function(view, channel)
    if doses.is_of_nerve(channel, view.reference, nerve) then
      return doses.of_nerve(view.intensity)
    end
    local text = ("%g %%%s"):format(view.intensity, view.reference)
    local range = by_key[key_of(channel, view.intensity, view.reference)]
    if view.reference == "MSO" and (not range or range[1] == view.intensity
      and range[2] == view.intensity) then
      return text
    end
    return range and (range[1] == range[2] and ("%s (%g %%MSO)"):format(text, range[1])
      or ("%s (%g to %g %%MSO)"):format(text, range[1], range[2])) or text
  end
end

--- Does every pulse's row say that nothing confirmed its setting?
---@param pulses moonpulse.PulseColumns
---@return boolean
function M.is_by_hand(pulses)
  for _, each in ipairs(columns.counts(pulses)) do
    if each.kind.proof and each.kind.proof ~= "none" then
      return false
    end
  end
  return pulses.count > 0
end

--- Are there pulses to these channels only?
---@param pulses moonpulse.PulseColumns
---@param channels table<any, any>
---@return boolean
function M.only_to(pulses, channels)
  for _, each in ipairs(columns.counts(pulses)) do
    if not channels[each.kind.channel or "1"] then
      return false
    end
  end
  return true
end

--- In words, pulses that are of a plan, or that a script asked for, and have no row.
---@param facts moonpulse.MethodsFacts
---@param missing integer
---@param is_open boolean the run was not closed
---@return string
function M.missing_words(facts, missing, is_open)
  local of = facts.kind == "experiment" and "that the script asked for" or "of the plan"
  local text = is_open and "of %s %s there is no row" or missing == 1 and "%s %s was not reached"
    or "%s %s were not reached"
  return text:format(numbers.counted(missing, "pulse"), of)
end

return M
