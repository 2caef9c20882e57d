--- A plan in brief: for questions whose answer does not depend on how often a part repeats.
local core = require "moonpulse.core"

local M = {}

local function shorter(plan, each)
  local view = plan:view()
  if view.kind == "repeat" then
    return core.repeat_plan(each(plan:child(1)), math.min(view.count, 2), view.spacing, view.exact_period)
  elseif view.kind == "channel" then
    return core.channel(each(plan:child(1)), view.text)
  elseif view.kind == "sequence" then
    local parts = {}
    for i = 1, view.children do
      parts[i] = each(plan:child(i))
    end
    return core.sequence_of(parts)
  end
  return plan
end

--- A part of which only what repeats was cut to two rounds: its intervals are all there. A part that is
--- shared stays so.
---@param plan moonpulse.Plan
---@return moonpulse.Plan
function M.of(plan)
  local known = {}
  local function each(part)
    local id = part:id()
    known[id] = known[id] or { made = shorter(part, each), from = part } -- ids hold while plans live
    return known[id].made
  end
  return each(plan)
end

return M
