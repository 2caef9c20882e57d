--- For devices that do not confirm a pulse but answer a question in its turn (a driver's encode.ask): when
--- the answer has come, all that was sent before the question has arrived, however long it was held up on the
--- way. Within a plan the engine asks before each setting (engine/lowering.h); this file asks after the last
--- pulse.
local core = require "moonpulse.core"
local patiences = require "moonpulse.stimulator.patience"

local M = {}

--- Ask after the last pulse of a plan. Nothing where the driver has no question.
---@param self moonpulse.Stimulator
function M.ask(self)
  self.asked_ns = nil
  if self.driver.encode.ask and not self.stopped then
    self.asked_ns = core.clock_ns()
    self.listening:ask(self.asked_ns)
    self:tell_believed()
    self.link:write((self.driver.encode.ask()))
  end
end

--- How long the last pulse of any output keeps it busy.
local function longest(self)
  local seconds = 0
  for _, last in pairs(self.last) do
    seconds = math.max(seconds, last.action.busy or 0, last.action.locked or 0)
  end
  return seconds
end

--- Is the answer still on its way? Once it is there, what was sent begins then at the latest. A device that
--- does not answer is at fault: nobody knows whether it gave the last pulse.
---@param self moonpulse.Stimulator
---@return boolean
function M.is_open(self)
  if not self.asked_ns or self.stopped then
    return false
  end
  if self.listening:settled() then
    self.asked_ns = nil
    self.over_ns = math.max(self.over_ns, core.clock_ns() + math.ceil(longest(self) * 1e9))
  elseif patiences.waited_ns(self.asked_ns) > patiences.ns(self.driver, self.driver.reply_timeout) then
    self:missing(self.listening:unsettled())
  end
  return self.asked_ns ~= nil
end

return M
