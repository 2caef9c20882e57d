--- One plan on several devices: what each was admitted for, put together.
local rules = require "moonpulse.safety.rules"

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

--- The report of the gate that is told: the gravest, and of those that are as grave the first. Each device's
--- step makes of an intensity what it gives.
---@param all moonpulse.Admitted[]
---@return moonpulse.Report
function M.gravest(all)
  local order, gravest = rules.order, nil
  for _, each in ipairs(all) do
    if not gravest or order[each.report.verdict] > order[gravest.verdict] then
      gravest = each.report
    end
  end
  return gravest
end

return M
