--- One plan on several devices: what each was admitted for, put together.
local reports = require "moonpulse.safety.gravest"

local M = {}

--- An action is told by its number, whichever device gives it: what each is set to for its own.
---@param all moonpulse.Admitted[] of one plan, of each device
function M.complete(all)
  for _, each in ipairs(all) do
    for i, action in ipairs(each.actions) do
      for _, other in ipairs(action.elsewhere and all or {}) do
        if not other.actions[i].elsewhere then
          each.actions[i] = other.actions[i]
        end
      end
    end
  end
end

--- The report of the gate that is told: the gravest, with what only another one's says. Each device's step
--- makes of an intensity what it gives, and what the tables cover is each one's own.
---@param all moonpulse.Admitted[]
---@return moonpulse.Report
function M.gravest(all)
  local list = {}
  for i, each in ipairs(all) do
    list[i] = each.report
  end
  return reports.of(list)
end

return M
