--- What of a run was delivered: its pulses, from events.tsv.
local conditions = require "moonpulse.record.conditions"
local counted = require "moonpulse.record.counted"
local read = require "moonpulse.record.read"

local M = {}

--- A row as record/read.lua has it, with what its kind says of it.
---@class moonpulse.DeliveredPulse
---@field pulse integer? its number in the plan; nil: nobody sent it, the device reported it
---@field onset number seconds
---@field planned number? microseconds
---@field lateness number? microseconds
---@field channel string
---@field mso number? %MSO
---@field intensity number? percent of ref
---@field ref string? MSO, RMT, AMT
---@field status string
---@field as_planned boolean nothing about it differs from the plan
---@field condition string? its trial_type, if that says more than that it is a pulse

local unread = { confirmed = true, trial = true } -- there may be a million rows

--- What all rows of a kind have in common.
local function judge(kind)
  local asked = kind.event == "pulse"
  kind.status = kind.status or asked and "sent" or "unasked"
  kind.channel = kind.channel or "1"
  kind.given = not asked or counted.is_given(kind.status, kind.was_sent)
  kind.as_planned = asked and counted.is_as_planned(kind.status)
  local named = kind.trial_type
  kind.condition = named ~= kind.event and not (named and conditions.is_default(named)) and named or nil
  kind.judged = true
end

--- The pulses that were delivered, by their planned times; those that nobody sent behind them.
---@param text string of an events.tsv that a run wrote, or of a copy in beh/
---@param path string for messages
---@return { pulses: moonpulse.DeliveredPulse[], whole: boolean }? found whole: nothing was left out,
---   and every
---   row is one
---@return string? message
function M.pulses(text, path)
  local events, message = read.parse(text, path, unread)
  if not events then
    return nil, message
  end
  local list, all = {}, 0
  for _, rows in ipairs { events.pulses, events.unasked } do
    for _, row in ipairs(rows) do
      local kind = getmetatable(row)
      if not kind.judged then
        judge(kind)
      end
      row.onset = row.onset or row.planned and row.planned / 1e6
      if kind.given and row.onset then
        list[#list + 1] = row
      end
    end
    all = all + #rows
  end
  return { pulses = list, whole = #list == all and events.incomplete == 0 }
end

--- Was the pulse of a row given, by its cells?
---@param event string?
---@param status string?
---@param was_sent boolean it has a sent time
---@return boolean
function M.is_given(event, status, was_sent)
  return event == "unasked_pulse" or event == "pulse" and counted.is_given(status, was_sent)
end

return M
