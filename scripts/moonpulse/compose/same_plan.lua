--- Which plans are the same, wherever they were written.
local in_order = require "moonpulse.text.in_order"

local M = {}

---@class moonpulse.PlanNumbers
---@field count integer
---@field numbers table<string, integer> by what a node is
---@field known table<integer, { number: integer, plan: moonpulse.Plan }> by id; ids hold while plans live
local PlanNumbers = {}
PlanNumbers.__index = PlanNumbers

--- Numbers for plans; none is given yet.
---@return moonpulse.PlanNumbers
function M.new()
  return setmetatable({ count = 0, numbers = {}, known = {} }, PlanNumbers)
end

--- A number for what a plan is with all that is in it: equal ones have the same.
---@param plan moonpulse.Plan
---@return integer
function PlanNumbers:of(plan)
  local id = plan:id()
  if self.known[id] then
    return self.known[id].number
  end
  local view, parts = plan:view(), {}
  for i = 1, view.children do
    parts[i] = self:of(plan:child(i))
  end
  for _, name in ipairs(in_order.keys(view)) do
    parts[#parts + 1] = name ~= "origin" and ("%s=%s"):format(name, view[name]) or nil
  end
  local key = table.concat(parts, "\0")
  if not self.numbers[key] then
    self.count = self.count + 1
    self.numbers[key] = self.count
  end
  self.known[id] = { number = self.numbers[key], plan = plan }
  return self.numbers[key]
end

return M
