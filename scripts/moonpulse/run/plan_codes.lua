--- The event codes of a plan by the numbers of its pulses and marks, looked up in their order as they come.
local core = require "moonpulse.core"

local M = {}

---@class moonpulse.PlanCodes
---@field schedule moonpulse.core.Schedule
---@field known { pulse: table<integer, integer>, mark: table<integer, integer> } codes that were passed
---@field passed { pulse: integer, mark: integer } the last number of each
local Codes = {}
Codes.__index = Codes

--- Go on in the schedule until a pulse or a mark of that number has passed.
local function pass(self, kind, number)
  while self.passed[kind] < number do
    local is, _, at, _, _, code = self.schedule:next()
    if not is then
      return
    end
    self.passed[is] = at
    self.known[is][at] = code ~= 0 and code or nil
  end
end

--- The code of one. Each is asked for once, those of a kind in their order; some may be left out.
---@param kind "pulse"|"mark"
---@param number integer in the plan, from 1
---@return integer? nil: it has none
function Codes:of(kind, number)
  pass(self, kind, number)
  local code = self.known[kind][number]
  self.known[kind][number] = nil
  return code
end

--- Of a plan as it is drawn from seed.
---@param plan moonpulse.Plan
---@param seed integer
---@return moonpulse.PlanCodes
function M.new(plan, seed)
  return setmetatable({ schedule = core.schedule(plan, seed), known = { pulse = {}, mark = {} },
    passed = { pulse = 0, mark = 0 } }, Codes)
end

return M
