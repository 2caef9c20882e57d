--- Pulses and settings that were handed to the port, and that a stop threw away with what it still held, for
--- all that anybody knows: they are "perhaps_sent", never "sent".
--
-- A row that is still to come is changed here. One that is in the file already (of a device that confirms
-- nothing, or that waited long for the stop) is changed there when the record is closed.
local files = require "moonpulse.record.file"

local M = {}

local function claim_row(row, from_ns)
  if row.status == "sent" and row.event ~= "code" and row.sent_ns ~= nil and row.sent_ns >= from_ns then
    row.status = "perhaps_sent"
    row.discarded = true
  end
end

--- Of what the device should have had from from_ns on nobody knows whether it has it: but a pulse that it
--- confirmed, and all before, it has.
---@param self moonpulse.Record
---@param from_ns integer from the run's start
function M.from(self, from_ns)
  from_ns = math.max(from_ns, self.had_ns + 1)
  for i = self.first, self.last do
    claim_row(self.queue[i], from_ns)
  end
  if self.share then -- loaded for runs on several devices
    require("moonpulse.record.together").discard(self, from_ns, claim_row)
  elseif self.claimed_ns >= from_ns then
    self.discards[#self.discards + 1] = { from_ns = from_ns, index = self.index }
  end
end

--- A row is about to be written.
---@param self moonpulse.Record
---@param row moonpulse.Row
function M.written(self, row)
  if row.status == "sent" and row.event ~= "code" and row.sent_ns and row.sent_ns > self.claimed_ns then
    self.claimed_ns = row.sent_ns
  elseif row.discarded and row.status == "perhaps_sent" and row.event == "pulse" then
    self.perhaps = self.perhaps + 1
  end
end

--- What is before and behind the status of a line, if it is "sent" and in one of the stretches in doubt.
local function claim(line, discards)
  local index, event, sent_us, channel, status, at = line:match("^[^\t]*\t[^\t]*\t[^\t]*\t(%d+)\t([^\t]*)"
    .. "\t[^\t]*\t[^\t]*\t([^\t]*)\t[^\t]*\t[^\t]*\t([^\t]*)\t[^\t]*\t[^\t]*\t[^\t]*\t()([^\t]*)")
  if at ~= "sent" or event == "code" then -- that is on no port of the device
    return nil
  end
  local number, sent_ns = tonumber(index), (tonumber(sent_us) or -math.huge) * 1000
  for _, cut in ipairs(discards) do
    local is_its = not cut.channels or cut.channels[channel]
    if is_its and number <= cut.index and sent_ns > cut.from_ns - 0.5 then
      return line:sub(1, status - 1), line:sub(status + #at), event
    end
  end
end

--- A line of the file as it should be.
---@param self moonpulse.Record
---@param line string
---@return string
function M.mended(self, line)
  local before, behind, event = claim(line, self.discards)
  if not before then
    return line
  end
  self.perhaps = self.perhaps + (event == "pulse" and 1 or 0)
  return before .. "perhaps_sent" .. behind
end

local function copy(self, path, out)
  local ok, message = true, nil
  for line in io.lines(path) do
    if ok then
      ok, message = out:write(M.mended(self, line), "\n")
    end
  end
  return ok, message
end

--- Change the rows that are in the finished file; it changes whole or not at all.
---@param self moonpulse.Record
---@param path string
---@return boolean? ok
---@return string? message
function M.settle(self, path)
  if not self.discards[1] then
    return true
  end
  return files.rewrite(path, function(out) return copy(self, path, out) end)
end

return M
