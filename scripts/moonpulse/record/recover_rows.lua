--- A torn run whose flight record is gone, or was cut so short that it tells nothing: events.tsv stays as the
--- run left it, and is counted. It has the rows that were written by then, some a second behind the pulses.
local core = require "moonpulse.core"
local counted = require "moonpulse.record.counted"
local journals = require "moonpulse.record.journal"
local read = require "moonpulse.record.read"

local M = {}

--- How many pulses the run was to give, as far as is known.
local function planned_of(folder, manifest)
  local planned = math.tointeger(manifest.protocol.pulses) or 0
  for _, entry in ipairs(manifest.kind == "experiment" and journals.read(folder) or {}) do
    planned = planned + (entry.kind == "play" and entry.pulses or 0)
  end
  return planned
end

--- The pulses of the rows: sent, confirmed, left out.
local function counts_of(events)
  local sent, confirmed, skipped = 0, 0, 0
  for _, row in ipairs(events.pulses) do
    local was_sent = counted.is_given(row.status, row.was_sent)
    sent, skipped = sent + (was_sent and 1 or 0), skipped + (was_sent and 0 or 1)
    confirmed = confirmed + (row.is_confirmed and 1 or 0)
  end
  return sent, confirmed, skipped
end

--- Count them, and say in the manifest that the run was interrupted.
---@param folder string
---@param manifest table of a run that says "running"; changed: to be written
---@param why string its flight record cannot be read
---@param said string[] what else is missing or damaged, a sentence each
---@return table? summary as of moonpulse.record.recover
---@return string? message
function M.keep(folder, manifest, why, said)
  local path = folder .. "/events.tsv"
  local events = read.events(path)
  if not events then
    return nil, ("%s, and there is no events.tsv that can be read"):format(why)
  end
  local planned = planned_of(folder, manifest)
  local sent, confirmed, skipped = counts_of(events)
  said[#said + 1] = ("%s: events.tsv stays as the run left it; nobody knows whether more was sent behind its "
    .. "last row"):format(why)
  if events.incomplete > 0 then
    said[#said + 1] = ("events.tsv: %d row%s not whole"):format(events.incomplete,
      events.incomplete == 1 and " is" or "s are")
  end
  local unknown = math.max(0, planned - sent - skipped)
  manifest.protocol.pulses, manifest.status = planned, "interrupted"
  manifest.result = { status = "interrupted", pulses_planned = planned, pulses_sent = sent,
    pulses_confirmed = confirmed, pulses_skipped = skipped, plan_complete = false, damage = said,
    pulses_unknown = unknown > 0 and unknown or nil, events_sum = core.file_sum(path), flight_lost = true,
    reason = "Moonpulse was killed, and its flight record is lost; events.tsv is as the run left it" }
  return { sent = sent, confirmed = confirmed, skipped = skipped, planned = planned, said = said,
    safe = false }
end

--- Of a flight record that is not whole: has what the run left as events.tsv more pulses than it tells of?
--- Then that stays beside the new one.
---@param folder string
---@param flight moonpulse.Flight
---@param record moonpulse.Record of what it tells
---@return boolean
function M.has_more(folder, flight, record)
  local losses = flight.losses
  local events = losses.torn + losses.empty + losses.missing > 0 and read.events(folder .. "/events.tsv")
  return events and #events.pulses > record.pulses_sent + record.pulses_skipped or false
end

return M
