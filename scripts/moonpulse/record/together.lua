--- One record of several devices that play one plan. Each has a part: a record of its own for what is sent
--- to it, for its replies and its flight record. Rows leave a part in the order of their onsets, and go into
--- one events.tsv in that order, whichever device's they are: at one instant marks come first, then the
--- devices as they were named. So the table is the same however fast each was told of.
local core = require "moonpulse.core"

local M = {}

---@class moonpulse.Together the parts of a record, as record.together
---@field whole moonpulse.Record
---@field parts moonpulse.Record[] in the order of the devices

--- What a part writes goes nowhere: its rows are handed on.
local nowhere = { setvbuf = function() return true end, write = function() return true end,
  flush = function() return true end, close = function() return true end }

--- Divide a record. What is sent, skipped and confirmed is told to its parts from now on, and close() of the
--- whole closes them.
---@param whole moonpulse.Record that has no row yet
---@param devices { place: string, channels: string[] }[] what each is called, and what of the plan it gives
---@return moonpulse.Record[] parts
function M.divide(whole, devices)
  local self = { whole = whole, parts = {} }
  for i, device in ipairs(devices) do
    local part, channels = require("moonpulse.record").part(whole.folder .. "/" .. device.place, nowhere), {}
    for _, channel in ipairs(device.channels) do
      channels[channel] = true
    end
    part.share = { together = self, ready = {}, first = 1, last = 0, channels = channels }
    self.parts[i] = part
  end
  whole.together = self
  return self.parts
end

--- Make the folders of the parts, with what each device's simulator and sending thread leave. Raises a
--- refusal { code, message } where the disk does not take them.
---@param whole moonpulse.Record that was divided
---@param group boolean? its group may read them
function M.make_folders(whole, group)
  for _, part in ipairs(whole.together.parts) do
    local ok, message = core.make_folder(part.folder, group)
    if not ok then
      error({ code = "limit", message = ("cannot make the folder %s: %s, or name another with --out DIR")
        :format(message, require("moonpulse.text.room").remedy(message)) }, 0)
    end
  end
end

--- A part has a row to hand on: nothing of its own with a sooner onset follows.
---@param part moonpulse.Record
---@param row moonpulse.Row
---@param onset_ns integer
function M.take(part, row, onset_ns)
  local share = part.share
  share.last = share.last + 1
  share.ready[share.last] = { row = row, onset_ns = onset_ns }
end

--- Is a row before another device's? Both are the next of their parts.
local function is_before(a, b)
  if a.onset_ns ~= b.onset_ns then
    return a.onset_ns < b.onset_ns
  end
  return (a.row.event == "mark") and b.row.event ~= "mark"
end

--- The onset before which no more row of a part comes.
local function horizon_of(part)
  local first = part.first <= part.last and part.queue[part.first].key_ns or math.maxinteger
  return math.min(first, part.until_ns)
end

--- Write what nothing of any part can come before any more.
---@param part moonpulse.Record any of them
function M.merge(part)
  local self = part.share.together
  while true do
    local next_of, next_row, horizon = nil, nil, math.maxinteger
    for _, each in ipairs(self.parts) do
      local share = each.share
      local row = share.ready[share.first]
      if row and (not next_row or is_before(row, next_row)) then
        next_of, next_row = share, row
      elseif not row then
        horizon = math.min(horizon, horizon_of(each))
      end
    end
    if not next_row or next_row.onset_ns >= horizon and horizon < math.maxinteger then
      return
    end
    next_of.ready[next_of.first] = nil
    next_of.first = next_of.first + 1
    self.whole:write_row(next_row.row, next_row.onset_ns)
  end
end

local summed = { "pulses_sent", "pulses_confirmed", "pulses_skipped", "pulses_unmeasured", "pulses_external",
  "punctual" }

--- A stop threw away what the port of a part's device still held (moonpulse.record.discarded): of the rows
--- that it has handed on, those from from_ns on.
---@param part moonpulse.Record
---@param from_ns integer from the run's start
---@param claim fun(row: moonpulse.Row, from_ns: integer) changes a row that may be one of them
function M.discard(part, from_ns, claim)
  local share, whole = part.share, part.share.together.whole
  for i = share.first, share.last do
    claim(share.ready[i].row, from_ns)
  end
  if whole.claimed_ns >= from_ns then
    whole.discards[#whole.discards + 1] = { from_ns = from_ns, index = whole.index,
      channels = share.channels }
  end
end

--- The counts of the whole, of what its parts were told so far.
---@param whole moonpulse.Record
function M.count(whole)
  for _, name in ipairs(summed) do
    local sum = 0
    for _, part in ipairs(whole.together.parts) do
      sum = sum + part[name]
    end
    whole[name] = sum
  end
  whole.worst_us, whole.skipped_by = 0, {}
  for _, part in ipairs(whole.together.parts) do
    whole.worst_us = math.max(whole.worst_us, part.worst_us)
    for reason, count in pairs(part.skipped_by) do
      whole.skipped_by[reason] = (whole.skipped_by[reason] or 0) + count
    end
  end
end

--- The same with the onset errors of each pulse.
---@param whole moonpulse.Record
function M.gather(whole)
  local errors = {}
  for _, part in ipairs(whole.together.parts) do
    table.move(part.onset_errors, 1, #part.onset_errors, #errors + 1, errors)
  end
  whole.onset_errors = errors
  M.count(whole)
end

--- Close the parts: all their rows are with the whole then.
---@param whole moonpulse.Record
function M.close(whole)
  for _, part in ipairs(whole.together.parts) do
    part:close()
    whole.flight_lost = whole.flight_lost or part.flight_lost
    for name in pairs(part.conditions) do
      whole.conditions[name] = true
    end
  end
  M.gather(whole)
end

return M
