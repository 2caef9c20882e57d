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

--- The foot switch is at the port of one of them: it is watched while any of them is armed.
---@param list moonpulse.Stimulator[] the same run's, with job.stop_line
function M.share_stop_line(list)
  local place = list[1].job.stop_line:match "^(.+)="
  for _, each in ipairs(place and list or {}) do
    if each.job.place == place then
      for _, other in ipairs(list) do
        other.line_at = each
      end
    end
  end
end

return M
