--- The closing check: what nibs.tsv and events.tsv stand for are the pulses that were delivered, to the
--- microsecond. It reads tables only, and knows nothing of how they were made.
local delivered = require "moonpulse.bids.delivered"
local expand = require "moonpulse.bids.expand"
local tsv = require "moonpulse.bids.tsv"

local M = {}

local most_us = 1 -- what may be between a pulse of the tables and the delivered one
local most_told = 5

--- Pulses as columns: there may be a million.
---@class moonpulse.BidsPulses
---@field us number[] planned, or, where that is not known, the onset
---@field onset_us table<integer, number> of single pulses
---@field intensity table<integer, number>
---@field element table<integer, string>
---@field name table<integer, string|integer> for messages

local function columns()
  return { us = {}, onset_us = {}, intensity = {}, element = {}, name = {} }
end

local function add_single(list, onset, event, events, units, id)
  local n = #list.us + 1
  local planned = tonumber(tsv.cell(events, event, "onset_planned"))
  list.us[n], list.onset_us[n] = (planned or onset) * 1e6, onset * 1e6
  list.intensity[n], list.element[n], list.name[n] = tonumber(units[1].intensity), units[1].element, id
end

local function add_pattern(list, onset, offsets, units, id)
  local us, count, n = list.us, #units, #list.us
  local intensities, elements = {}, {}
  for k, unit in ipairs(units) do
    intensities[k], elements[k] = tonumber(unit.intensity), unit.element
  end
  for k = 1, #offsets do
    local at = (k - 1) % count + 1
    n = n + 1
    us[n] = (onset + offsets[k]) * 1e6
    list.intensity[n], list.element[n], list.name[n] = intensities[at], elements[at], id
  end
end

--- The pulses of the tables. A pattern's are planned ones: each was sent as planned; a single pulse has both.
---@param nibs moonpulse.BidsTable
---@param unit fun(name: string): string? what the sidecar says of a column of nibs.tsv
---@param events moonpulse.BidsTable
---@return moonpulse.BidsPulses? pulses
---@return string? message
function M.expanded(nibs, unit, events)
  local rows, list = {}, columns()
  for _, row in ipairs(nibs.rows) do
    local id = tsv.cell(nibs, row, "nibs_event_id")
    rows[id or ""] = { cell = function(name) return tsv.cell(nibs, row, name) end }
  end
  for number, event in ipairs(events.rows) do
    local id = tsv.cell(events, event, "nibs_event_id") or ""
    local row, onset = rows[id], tonumber(tsv.cell(events, event, "onset"))
    if not row or not onset then
      return nil, ("row %d of the events: %s"):format(number, row and "no onset"
        or id .. " is no row of nibs.tsv")
    end
    if not row.offsets then
      row.offsets, row.units = expand.row(row.cell, unit)
      if not row.offsets then
        return nil, ("%s: %s"):format(id, row.units)
      end
    end
    if #row.offsets == 1 then
      add_single(list, onset, event, events, row.units, id)
    else
      add_pattern(list, onset, row.offsets, row.units, id)
    end
  end
  return list
end

--- By time; at one instant by intensity, so that both sides have one order.
local function sorted(list)
  local us, in_order = list.us, true
  for i = 2, #us do
    if us[i] < us[i - 1] + 0.5 then
      in_order = false
      break
    end
  end
  if in_order then
    return list
  end
  local order, step = {}, {}
  for i = 1, #us do
    order[i], step[i] = i, math.floor(us[i] * 2 + 0.5) -- a comparison with a tolerance is no order
  end
  table.sort(order, function(a, b)
    if step[a] ~= step[b] then
      return step[a] < step[b]
    end
    local one, other = list.intensity[a] or -1, list.intensity[b] or -1
    return one < other or one == other and a < b
  end)
  local new = columns()
  for i, from in ipairs(order) do
    for key, values in pairs(new) do
      values[i] = list[key][from]
    end
  end
  return new
end

--- The delivered pulses as such columns; element: the channel.
---@param delivery moonpulse.DeliveredColumns
local function given_of(delivery)
  local list = columns()
  local us, onset_us, numbers = list.us, list.onset_us, delivery.pulse
  for i, number in ipairs(delivery.kind) do
    local kind = delivery.kinds[number]
    local onset = delivery.onset[i] * 1e6
    onset_us[i], us[i] = onset, delivery.planned[i] or onset
    list.intensity[i], list.element[i], list.name[i] = kind.mso, kind.channel, numbers[i] or "unasked"
  end
  return list
end

--- What of the i-th pulse of the tables is not as it was delivered.
local function difference(list, given, i, element_of)
  local apart = list.us[i] - given.us[i]
  local onset_us, intensity = list.onset_us[i], list.intensity[i]
  if apart > most_us or apart < -most_us then
    return ("the tables have it at %.6f s, the run at %.6f s"):format(list.us[i] / 1e6, given.us[i] / 1e6)
  elseif onset_us and math.abs(onset_us - given.onset_us[i]) > most_us then
    return ("its onset is %.6f s in the tables, %.6f s in the run"):format(onset_us / 1e6,
      given.onset_us[i] / 1e6)
  elseif intensity ~= given.intensity[i] then
    return ("its intensity is %s in the tables, %s in the run"):format(intensity or "n/a",
      given.intensity[i] or "n/a")
  end
  local element, channel = list.element[i], given.element[i]
  local known = element_of[channel]
  if known == nil then
    element_of[channel] = element
  elseif element and known ~= element then
    return ("it is of %s in the tables, of channel %s in the run, which is %s"):format(element, channel,
      known)
  end
end

--- Compare the tables of nibs/ with the timeline of the run, pulse by pulse.
---@param nibs moonpulse.BidsTable
---@param unit fun(name: string): string?
---@param events moonpulse.BidsTable of nibs/
---@param timeline string the run's events.tsv, or its copy in beh/
---@return string[] differences a sentence each, at most some; none: they are the same
---@return integer pulses that were compared
function M.compare(nibs, unit, events, timeline)
  local list, message = M.expanded(nibs, unit, events)
  local found, why = delivered.pulses(timeline, "the timeline")
  if not (list and found) then
    return { message or why }, 0
  end
  local given = sorted(given_of(found.columns))
  list = sorted(list)
  local differences, element_of, count = {}, {}, 0
  if #list.us ~= #given.us then
    differences[1] = ("the tables stand for %d pulses, and %d were delivered"):format(#list.us, #given.us)
  end
  for i = 1, math.min(#list.us, #given.us) do
    local text = difference(list, given, i, element_of)
    if text then
      count = count + 1
      if count <= most_told then
        differences[#differences + 1] = ("pulse %s (%s): %s"):format(given.name[i], list.name[i], text)
      end
    end
  end
  if count > most_told then
    differences[#differences + 1] = ("and %d more"):format(count - most_told)
  end
  return differences, #given.us
end

return M
