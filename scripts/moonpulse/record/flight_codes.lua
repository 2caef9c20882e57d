--- What became of an event code, as the flight record has it (engine/flight.h): its record is begun before
--- its byte is written, and finished behind it.
local M = {}

--- Why it did not get to its box.
---@param entry { detail: integer, returned_ns: integer } of the kind "code"
---@return integer? lost an enum mp_code_lost, 0: it was written; nil: the run was killed amid that
function M.lost(entry)
  if entry.returned_ns < 0 then
    return -entry.returned_ns
  elseif entry.returned_ns == 0 and entry.detail == 0 then
    return nil
  end
  return entry.detail
end

return M
