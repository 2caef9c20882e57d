--- What an outcome of the dispatcher means for the stimulator in use: its record, what it must confirm, how
--- the run ends.
local core = require "moonpulse.core"
local outcomes = require "moonpulse.record.outcome"
local patiences = require "moonpulse.stimulator.patience"
local setting = require "moonpulse.stimulator.setting"

local M = {}

--- A pulse was sent or left out.
local function pulse_outcome(self, out, now_ns)
  if out.what == "sent" then
    if self.near then
      self.near:sent(out)
    end
    self:has_sent(self.actions[out.action], out.frame, out.returned_ns, now_ns)
    if out.stop == "late" then -- the write took too long
      self.too_late = { pulse = out.number, late_ns = out.returned_ns - out.due_ns, sent = true }
    end
  elseif out.what == "skipped" then
    self.too_late = out.stop == "late" and { pulse = out.number,
      late_ns = out.entered_ns - out.due_ns } or nil
  end
end

--- A setting, or the question before one, was sent or left out.
local function setting_outcome(self, out)
  local at_ns = self.start_ns + out.entered_ns
  if out.what == "skipped" then
    self.held = out.number -- the pulse that is not sent without it
  elseif out.what == "sent" and out.send == "ask" then
    self.listening:ask(at_ns, true)
    self:tell_believed()
  elseif out.what == "sent" then
    setting.follows(self, at_ns + self.facts.wire_ns[out.frame],
      self.listening:tell(self.actions[out.action], at_ns, true))
    self:tell_believed()
  end
end

--- What the dispatcher did.
---@param self moonpulse.Stimulator
---@param out moonpulse.core.Told
---@param told_ns integer? when that was told, where it was before now (monotonic)
function M.hear(self, out, told_ns)
  if self.near and not told_ns then
    self.near:catch_up()
  end
  if out.what == "overdue" then
    self:wake()
  elseif out.what == "begun" then
    self.ahead.starts(out)
  elseif out.what == "finished" then
    self.finished = true
    self:wake()
  elseif out.what == "stopped" then
    self.listening:safe(out.at_ns, out.safes)
    outcomes.cut(self.record, out.cut_ns, self.latency_ns)
    self:has_stopped(out.stop, out.safe_sent, out.at_ns)
  elseif out.what == "code" then -- loaded for who has a box
    require("moonpulse.stimulator.codes").told(self, out, told_ns or core.clock_ns())
  elseif out.send then -- of the plan
    local now_ns = told_ns or core.clock_ns()
    if out.what == "sent" then -- the next keep-alive comes a period later
      self.contact_ns = math.max(self.contact_ns, self.start_ns + out.returned_ns)
    end
    if out.what == "sent" and out.send == "pulse" then
      self.record:doubt(patiences.before_ns(now_ns, self.slow_ns))
    end
    outcomes.enter(self.record, out, self.facts, now_ns)
    if out.send == "pulse" then
      pulse_outcome(self, out, now_ns)
      if self.ahead then
        self.ahead.gave(out)
      end
    elseif out.send ~= "mark" then
      setting_outcome(self, out)
    end
  end
end

return M
