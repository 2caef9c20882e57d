--- What of a run was delivered: its pulses, from events.tsv, by the names of the columns.
local tsv = require "moonpulse.bids.tsv"

local M = {}

--- What left, whether or not the device confirmed it; perhaps_sent counts as given, as in a dose.
local given = { delivered = true, sent = true, otherwise = true, perhaps_sent = true, simulated = true }
--- What was given as the plan has it.
local as_planned = { delivered = true, sent = true, simulated = true }

---@class moonpulse.DeliveredPulse
---@field number integer? of the plan; nil: nobody sent it, the device reported it
---@field onset number seconds
---@field planned number? seconds
---@field lateness number? seconds
---@field channel string
---@field mso number? %MSO
---@field intensity number? percent of reference
---@field reference string?
---@field status string
---@field as_planned boolean nothing about it differs from the plan
---@field condition string? its trial_type, if that says more than that it is a pulse
---@field at integer its row of the table

--- Was the pulse of this row given?
---@param found moonpulse.BidsTable
---@param row string[]
---@return boolean
function M.is_given(found, row)
  local event, status = tsv.cell(found, row, "event"), tsv.cell(found, row, "status")
  if event == "unasked_pulse" then
    return true
  end
  return event == "pulse" and (given[status or ""] or status == "late"
    and tsv.cell(found, row, "onset_sent_us") ~= nil) or false
end

local function pulse_of(found, row, at)
  local function number(name, factor)
    local value = tonumber(tsv.cell(found, row, name))
    return value and value * (factor or 1)
  end
  local event, kind = tsv.cell(found, row, "event"), tsv.cell(found, row, "trial_type")
  local planned = number("onset_planned_us", 1e-6)
  local status = tsv.cell(found, row, "status") or event == "unasked_pulse" and "unasked" or "sent"
  return { number = event == "pulse" and math.tointeger(number("pulse")) or nil,
    onset = number("onset") or planned, planned = event == "pulse" and planned or nil,
    lateness = number("lateness_us", 1e-6), channel = tsv.cell(found, row, "channel") or "1",
    mso = number("intensity_mso"), intensity = number("intensity"),
    reference = tsv.cell(found, row, "intensity_ref"), status = status,
    as_planned = as_planned[status] or false, condition = kind ~= event and kind or nil, at = at }
end

--- The pulses that were delivered, in the table's order.
---@param found moonpulse.BidsTable of an events.tsv that a run wrote, or of a copy in beh/
---@return moonpulse.DeliveredPulse[]
function M.pulses(found)
  local list = {}
  for at, row in ipairs(found.rows) do
    if M.is_given(found, row) then
      local pulse = pulse_of(found, row, at)
      if pulse.onset then
        list[#list + 1] = pulse
      end
    end
  end
  return list
end

return M
