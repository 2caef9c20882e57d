--- What other programs did to a run's files while it went on, as is seen at its end.
local lfs = require "lfs"

local M = {}

--- What a file is, whatever is in it.
---@param path string
---@return string? nil: there is none
function M.identity(path)
  local found = lfs.symlinkattributes(path)
  return found and ("%s:%s"):format(found.dev, found.ino) or nil
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
