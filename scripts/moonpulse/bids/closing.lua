--- The closing check: what nibs.tsv and events.tsv stand for are the pulses that were delivered, to the
--- microsecond. It reads tables only, and knows nothing of how they were made.
local delivered = require "moonpulse.bids.delivered"
local expand = require "moonpulse.bids.expand"
local tsv = require "moonpulse.bids.tsv"

local M = {}

local most_us = 1 -- what may be between a pulse of the tables and the delivered one
local most_told = 5

--- The pulses of the tables. A pattern's are planned ones: each was sent as planned; a single pulse has both.
---@param nibs moonpulse.BidsTable
---@param unit fun(name: string): string? what the sidecar says of a column of nibs.tsv
---@param events moonpulse.BidsTable
---@return { us: number, onset_us: number?, intensity: number?, element: string?, row: string }[]? pulses
---@return string? message
function M.expanded(nibs, unit, events)
  local rows, list = {}, {}
  for _, row in ipairs(nibs.rows) do
    local id = tsv.cell(nibs, row, "nibs_event_id")
    rows[id or ""] = { cell = function(name) return tsv.cell(nibs, row, name) end }
  end
  for number, event in ipairs(events.rows) do
    local id = tsv.cell(events, event, "nibs_event_id") or ""
    local row, onset = rows[id], tonumber(tsv.cell(events, event, "onset"))
    if not row or not onset then
      return nil, ("row %d of the events: %s"):format(number, row and "no onset" or id
        .. " is no row of nibs.tsv")
    end
    if not row.offsets then
      row.offsets, row.units = expand.row(row.cell, unit)
      if not row.offsets then
        return nil, ("%s: %s"):format(id, row.units)
      end
    end
    local units, count = row.units, #row.units
    if #row.offsets == 1 then
      local planned = tonumber(tsv.cell(events, event, "onset_planned"))
      list[#list + 1] = { us = (planned or onset) * 1e6, onset_us = onset * 1e6,
        intensity = tonumber(units[1].intensity), element = units[1].element, row = id }
    else
      for k, offset in ipairs(row.offsets) do
        local of = units[(k - 1) % count + 1]
        list[#list + 1] = { us = (onset + offset) * 1e6, intensity = tonumber(of.intensity),
          element = of.element, row = id }
      end
    end
  end
  return list
end

--- By time; at one instant by intensity, so that both sides have one order.
local function before(a, b)
  local apart = a.us - b.us
  if apart < -0.5 or apart > 0.5 then
    return apart < 0
  end
  return (a.intensity or -1) < (b.intensity or -1)
end

local function sort(list)
  for i = 2, #list do
    if before(list[i], list[i - 1]) then
      -- whole steps: a comparison with a tolerance is no order
      for _, each in ipairs(list) do
        each.us = math.floor(each.us * 2 + 0.5) / 2
      end
      table.sort(list, function(a, b)
        if a.us ~= b.us then
          return a.us < b.us
        end
        return (a.intensity or -1) < (b.intensity or -1)
      end)
      return
    end
  end
end

--- What of a pulse of the tables is not as it was delivered.
local function difference(pulse, given, element_of)
  local apart = math.abs(pulse.us - given.us)
  if apart > most_us then
    return ("the tables have it at %.6f s, the run at %.6f s"):format(pulse.us / 1e6, given.us / 1e6)
  elseif pulse.onset_us and math.abs(pulse.onset_us - given.onset_us) > most_us then
    return ("its onset is %.6f s in the tables, %.6f s in the run"):format(pulse.onset_us / 1e6,
      given.onset_us / 1e6)
  elseif pulse.intensity ~= given.intensity and (pulse.intensity or given.pulse.mso) then
    return ("its intensity is %s in the tables, %s in the run"):format(pulse.intensity or "n/a",
      given.intensity or "n/a")
  end
  local known = element_of[given.pulse.channel]
  element_of[given.pulse.channel] = known or pulse.element
  if pulse.element and known and known ~= pulse.element then
    return ("it is of %s in the tables, of channel %s in the run, which is %s"):format(pulse.element,
      given.pulse.channel, known)
  end
end

--- Compare the tables of nibs/ with the timeline of the run, pulse by pulse.
---@param nibs moonpulse.BidsTable
---@param unit fun(name: string): string?
---@param events moonpulse.BidsTable of nibs/
---@param timeline moonpulse.BidsTable of the run, or its copy in beh/
---@return string[] differences a sentence each, at most some; none: they are the same
---@return integer pulses that were compared
function M.compare(nibs, unit, events, timeline)
  local list, message = M.expanded(nibs, unit, events)
  if not list then
    return { message }, 0
  end
  local given = {}
  for i, pulse in ipairs(delivered.pulses(timeline)) do
    given[i] = { us = (pulse.planned or pulse.onset) * 1e6, onset_us = pulse.onset * 1e6,
      intensity = pulse.mso, pulse = pulse }
  end
  sort(list)
  sort(given)
  local differences = {}
  if #list ~= #given then
    differences[1] = ("the tables stand for %d pulses, and %d were delivered"):format(#list, #given)
  end
  local element_of, count = {}, 0
  for i = 1, math.min(#list, #given) do
    local text = difference(list[i], given[i], element_of)
    if text then
      count = count + 1
      if count <= most_told then
        differences[#differences + 1] = ("pulse %s (%s): %s"):format(given[i].pulse.number or "unasked",
          list[i].row, text)
      end
    end
  end
  if count > most_told then
    differences[#differences + 1] = ("and %d more"):format(count - most_told)
  end
  return differences, #given
end

return M
