--- What other programs did to a run's files while it went on, as is seen at its end; and its flight record,
--- which is there from the beginning.
local core = require "moonpulse.core"
local lfs = require "lfs"

local M = {}

--- What a file is, whatever is in it.
---@param path string
---@return string? nil: there is none
function M.identity(path)
  local found = lfs.symlinkattributes(path)
  return found and ("%s:%s"):format(found.dev, found.ino) or nil
end

--- How many flight records a plan takes at most: a pulse takes one, its confirmation another, a change
--- of intensity a third.
---@param pulses integer
---@param marks integer
---@param coded boolean? some have event codes, and there is a box for these: each may take one more
function M.records_of(pulses, marks, coded)
  return (coded and 4 or 3) * pulses + (coded and 2 or 1) * marks
end

--- Open the flight record: what a killed run leaves.
---@param self moonpulse.Record
---@param pulses integer planned
---@param marks integer planned
---@param virtual boolean? the run is in virtual time
---@param coded boolean? as for records_of
function M.open_flight(self, pulses, marks, virtual, coded)
  local capacity = M.records_of(pulses, marks, coded) + core.flight_spare
  if capacity > core.flight_most then
    return nil, ("a run of %d pulses and %d marks in real time is more than the flight record "
      .. "holds (%d records): split it"):format(pulses, marks, core.flight_most)
  end
  local flight, message = core.flight(self.folder .. "/flight.bin", capacity, virtual)
  core.as_folder(self.folder .. "/flight.bin")
  self.flight, self.flight_is = flight, M.identity(self.folder .. "/flight.bin")
  return flight ~= nil, message
end

--- Close the flight record of a record; in flight_lost what it is not any more: the file that lies there.
---@param record moonpulse.Record with one
function M.close_flight(record)
  local path = record.folder .. "/flight.bin"
  local ok, message = record.flight:close()
  local is = M.identity(path)
  if not ok then
    record.flight_lost = ("%s: %s"):format(path, message)
  elseif is ~= record.flight_is and not record.moved then
    record.flight_lost = ("%s: another program %s it during the run, and it cannot be written again"):format(
      path, is and "replaced" or "removed")
  end
end

--- All that was seen, a sentence each, and what to do about it; and what the disk did not take. Of a record
--- that is closed.
---@param record moonpulse.Record
---@param journal moonpulse.Journal? of an experiment, closed
---@return string[]? nil: nothing was
function M.all(record, journal)
  local list = {}
  for _, text in ipairs { record.moved or false, record.replaced or false,
    record.flight_lost and record.flight_lost .. "; events.tsv is whole" or false,
    journal and journal.disturbed or false } do
    list[#list + 1] = text or nil
  end
  if list[1] then
    list[#list + 1] = "keep editors and synchronisers out of a run's folder while the run goes on"
  end
  for _, text in ipairs { record.lost or false, record.undescribed or false,
    require("moonpulse.record.witnessed").cut(record.folder) or false } do
    list[#list + 1] = text or nil
  end
  return list[1] and list or nil
end

return M
