--- Calls of one of several stimulators.
local refusals = require "moonpulse.text.refusal"

local M = {}

--- Call what drives one of them: a fault of the device says whose it is, once.
---@param stimulator moonpulse.Stimulator
---@param call fun(stimulator: moonpulse.Stimulator, ...): any ... what else is given is passed on
---@return any ... what call returns. Raises what it raises
function M.call(stimulator, call, ...)
  local found = table.pack(pcall(call, stimulator, ...))
  local problem = found[2]
  if not found[1] and refusals.is_fault(problem) and not rawget(problem, "place") then
    problem.message, problem.place = ("%s: %s"):format(stimulator.job.place, problem.message),
      stimulator.job.place
  end
  if not found[1] then
    error(problem, 0)
  end
  return table.unpack(found, 2, found.n)
end

return M
