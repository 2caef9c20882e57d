--- What the status of a row says: whether its pulse counts as given, and whether it surely was. The one rule
--- for the counts of a run's result, live, stopped and recovered, for the safety of later runs, and for every
--- reader and export. The invariants of moonpulse.explore have their own, on purpose: they check this one.
local M = {}

--- Those that tell of themselves that it left.
local left = { delivered = true, sent = true, otherwise = true, simulated = true, external = true }
local as_planned = { delivered = true, sent = true, simulated = true }

--- Does it count as given, and not as left out? What perhaps was given counts.
---@param status string? of its row
---@param has_left boolean? its row has a time at which it left, or was confirmed: one that is late may have
---@return boolean
function M.is_given(status, has_left)
  return has_left or left[status] or status == "perhaps_sent"
end

--- Does its status say that it surely left? One that is late left if it has a time at which it was sent.
---@param status string?
---@return boolean
function M.has_left(status)
  return left[status] or false
end

--- Does its status say that it was given as the plan has it?
---@param status string?
---@return boolean
function M.is_as_planned(status)
  return as_planned[status] or false
end

return M
