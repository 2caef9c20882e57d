--- How a stimulator is left: after the safe frame it is asked whether it is safe, and told again if not.
local blame = require "moonpulse.text.author_line"
local core = require "moonpulse.core"
local deadlines = require "moonpulse.stimulator.deadlines"
local patiences = require "moonpulse.stimulator.patience"
local refusals = require "moonpulse.text.refusal"
local unanswered = require "moonpulse.stimulator.unanswered"

local M = {}

--- Ask the device whether it is disarmed; tell it again if it is not.
---@return boolean? disarmed
---@return string? why not, as far as is known; where it is, what else it says is wrong
local function ask_disarmed(self)
  local link, tries = self.link, 3
  local why
  while tries > 0 and link.session:state() ~= "closed" do
    local ok, problem = pcall(self.driver.disarm, link)
    if ok then
      return true, type(problem) == "string" and problem or nil
    end
    why = blame.text(problem)
    -- who does not answer will not answer again
    tries = refusals.is_fault(problem) and problem.silent and 0 or tries - 1
    self.listening:safe(core.clock_ns(), 1)
    pcall(link.write, link, self.driver.safe)
  end
  if link.session:state() == "closed" then
    why = core.stops.gone.words .. ": switch the stimulator off at its panel"
  end
  return false, why
end

--- What is said where the port of a trigger box is lost.
---@param self moonpulse.Stimulator
---@return string
function M.trigger_is_lost(self)
  return ("the trigger's port %s is lost: is it unplugged?"):format(self.driver.trigger.path)
end

--- A pulse met the lost port before the loop saw it: the device answers, so it is the trigger's.
local function lost_trigger(self)
  local trigger = self.driver.trigger
  return self.stopped == "gone" and trigger and trigger.path and M.trigger_is_lost(self) or nil
end

--- The audit trail: what stopped it, and how it was left. Only now: a disk that hangs keeps nobody from
--- asking.
local function tell_left(self)
  local job, stop, left = self.job, self.stopped, self.left
  if not job.audit then
    return
  end
  if stop and stop ~= "finished" and stop ~= "peer" then -- that one's own reason is told
    job.audit:tell_stop(stop, stop == "program" and job.stopper or job.signal, self.fault, self.halted_ns,
      self.stop_asked_ns)
  end
  job.audit:tell("disarm", { device = job.place, old = self.arming and "arming" or "armed",
    new = left.disarmed and "disarmed" or "not confirmed",
    why = left.not_disarmed or left.found or core.stops[stop or "finished"].words,
    asked_ns = (stop or "finished") == "finished" and job.audit:asked_ns(self.stop_asked_ns) or nil })
end

--- Ask, and keep what is known of how it was left.
local function finish_leaving(self)
  pcall(function() core.wait(0) end) -- a signal that stopped it says which one it was in the loop's next turn
  self.link:resume()
  self.link:forget()
  if self.stopped and not core.stops[self.stopped].asked_for then
    self.link.until_ns = patiences.end_ns(self.listening.safe_ns)
  end
  core.asks(true)
  local asked, disarmed, why = pcall(ask_disarmed, self)
  core.asks(false, asked and disarmed)
  if not asked then
    error(disarmed, 0)
  end
  unanswered.await(self)
  local ended = disarmed and self.driver.proves_end ~= false -- else a train plays on, for all anybody knows
  for _, each in pairs(ended and self.last or {}) do
    each.ended_ns = each.ended_ns or core.clock_ns()
  end
  self.fault = self.fault or disarmed and (why or lost_trigger(self)) or nil
  self.left = { stop = self.stopped, fault = self.fault, safe_sent = self.safe_sent,
    too_late = self.too_late, disarmed = disarmed,
    not_disarmed = not disarmed and why or nil, found = disarmed and why or nil }
  self.owes_leave = nil
  self.record:stopped(disarmed)
  tell_left(self)
end

--- After the safe frame: is it safe, as the device says? Also for a second caller meanwhile.
---@param self moonpulse.Stimulator
---@return moonpulse.Left left { stop, fault, safe_sent, too_late, disarmed, not_disarmed }
function M.leave(self)
  while self.leaving do
    deadlines.await(self)
  end
  if self.left then
    return self.left
  end
  self.leaving, self.armed, self.watching, self.ready = true, false, false, false
  local done, problem = pcall(finish_leaving, self)
  self.leaving, self.arming = false, false -- whatever was raised: nobody waits for ever
  deadlines.look(self)
  if not done then
    error(problem, 0)
  end
  return self.left
end

return M
