--- Whether the pulse of a row counts as given: the one rule for the counts of a run's result, live, stopped
--- and recovered, and for the safety of later runs. What perhaps was given counts.
local M = {}

local given = { delivered = true, sent = true, otherwise = true, perhaps_sent = true, simulated = true }

--- Does it count as given, and not as left out?
---@param status string? of its row
---@param has_left boolean? its row has a time at which it left, or was confirmed: one that is late may have
---@return boolean
function M.is_given(status, has_left)
  return has_left or given[status] or false
end

return M
