--- What a stimulator's replies mean to whoever drives it, and when its silence is a fault: methods of
--- moonpulse.Stimulator.
local core = require "moonpulse.core"
local deadlines = require "moonpulse.stimulator.deadlines"
local patiences = require "moonpulse.stimulator.patience"
local unanswered = require "moonpulse.stimulator.unanswered"

local M = {}

local settle_ns = 100000000 -- a stop is heard of by then, and cuts the pulses that come after it

--- The engine counts since arming, the record since the run's beginning.
---@param self moonpulse.Stimulator
function M.tell_confirmed(self)
  self.link.session:confirmed(self.record:answered() - self.starts_before)
end

--- The sending thread lets no pulse out while the device is at another setting than it was told.
---@param self moonpulse.Stimulator
function M.tell_believed(self)
  local listening = self.listening
  self.link.session:believed(listening:settled() and listening.settings or -1)
end

--- The device is at fault: stop at once, remember the first reason.
---@param self moonpulse.Stimulator
---@param text string
function M.device_fault(self, text)
  self.fault = self.fault or text
  self.link.session:stop("device")
end

--- Something that the device should have said by now is missing: stop. If something else has stopped the run
--- before this was seen (a write that was held up, an operator), then that is why it ended, and what the
--- device did not say meanwhile is no fault of its own.
---@param self moonpulse.Stimulator
---@param text string
function M.missing(self, text)
  self.link.session:stop("device") -- tells at once what stopped it
  if (self.stopped or "device") == "device" then
    self.fault = self.fault or patiences.hung() or text
  end
end

--- Everything the device says. Before it is armed for good and after a stop only pulses count: the last ones
--- are confirmed while the stop is on its way, and of others nobody knew.
---@param self moonpulse.Stimulator
---@param reply moonpulse.Reply
---@param arrival_ns integer
---@param bytes string? all that came, if it is this reply
function M.reply(self, reply, arrival_ns, bytes)
  if self.near then
    self.near:catch_up()
  end
  local listening, armed = self.listening, self.watching and not self.stopped
  self.contact_ns = arrival_ns
  local confirmed = listening:hear(reply, arrival_ns, armed) == "confirmed"
  if listening.fault then
    self:device_fault(listening.fault)
  elseif armed then
    self:tell_believed()
    if confirmed then
      self:tell_confirmed()
    end
    if self.awaits_reply then
      self.task:wake()
    elseif next(listening.wrong) then
      deadlines.sooner(self, arrival_ns)
    end
    if self.near then
      self.near:heard(bytes, confirmed)
    end
  end
  deadlines.look(self)
end

--- Every keep-alive is answered: a device that is silent meanwhile, in a rest or in a train of its own,
--- is gone, and nobody may find that out only at the next pulse.
local function listen(self)
  local alive = self.driver.keepalive
  if alive and alive.answered
    and patiences.waited_ns(self.contact_ns) > alive.period * 1e9 + 2 * self.slow_ns then
    self:missing(("the stimulator has been silent for %.1f s, though it was asked: %s"):format(
      (core.clock_ns() - self.contact_ns) / 1e9, unanswered.cause(self.driver,
        "is it switched on, is its cable plugged in?")))
  end
end

--- Is the device too long silent, or at another setting than it was told?
---@param self moonpulse.Stimulator
function M.watch(self)
  local patience = patiences.ns(self.driver, self.driver.reply_timeout)
  self.record:settle(core.clock_ns() - settle_ns)
  local pulse, at_ns, by_device, action = self.record:oldest_doubt()
  if by_device then -- it goes on by itself: no later than single pulses, which then stop
    patience = math.min(patience, 2 * self.slow_ns)
  end
  if pulse and patiences.waited_ns(at_ns) > patience then
    self:missing(unanswered.unconfirmed(self, patience, pulse, at_ns, by_device, action))
  end
  local contradicted = self.listening:contradicted(patiences.waited_ns,
    patiences.ns(self.driver, self.driver.reply_timeout))
  if contradicted then
    self:missing(contradicted)
  end
  listen(self)
  local hung = patiences.hung()
  if hung then
    self:missing(hung)
  end
end

return M
