--- When silence is a fault, and when whoever waits for a device looks at it next: at the first instant at
--- which something could be overdue, or over, and in real time for the operator's screen and the file before
--- that. What comes meanwhile wakes it.
local core = require "moonpulse.core"
local unanswered = require "moonpulse.stimulator.unanswered"

local M = {}

local screen_s = 0.05 -- in real time: progress is shown, and the rows so far are on their way to the disk
local settle_ns = 100000000 -- a stop is heard of by then, and cuts the pulses that come after it
local stall_ns = 250000000 -- a loop silent for so long has replies to read before it may judge
local rows_s = 1 -- in virtual time: rows are let go of

--- How long a device may be silent about what it was sent.
local function patience_ns(self)
  return math.floor(self.driver.reply_timeout * 1e9)
end

--- Every keep-alive is answered: a device that is silent meanwhile, in a rest or in a train of its own,
--- is gone, and nobody may find that out only at the next pulse.
local function listen(self, now)
  local alive = self.driver.keepalive
  if alive and alive.answered and now - self.contact_ns > alive.period * 1e9 + 2 * self.slow_ns then
    self:device_fault(("the stimulator has been silent for %.1f s, though it was asked: %s"):format(
      (now - self.contact_ns) / 1e9, unanswered.cause(self.driver,
        "is it switched on, is its cable plugged in?")))
  end
end

--- Is the device too long silent, or at another setting than it was told?
---@param self moonpulse.Stimulator
function M.watch(self)
  local now, patience = core.clock_ns(), patience_ns(self)
  local stalled = now - self.watched_ns > stall_ns and not core.is_virtual()
  self.watched_ns = now
  self.record:settle(now - settle_ns)
  if stalled then
    return
  end
  local pulse, at_ns, by_device, action = self.record:oldest_doubt()
  if by_device then -- it goes on by itself: no later than single pulses, which then stop
    patience = math.min(patience, 2 * self.slow_ns)
  end
  if pulse and now - at_ns > patience then
    self:device_fault(unanswered.unconfirmed(self, patience, pulse, at_ns, by_device, action))
  end
  local contradicted = self.listening:contradicted(now, patience_ns(self))
  if contradicted then
    self:device_fault(contradicted)
  end
  listen(self, now)
end

--- Seconds from now until it is to be looked at again; above 0.
---@param self moonpulse.Stimulator
---@param ... integer? instants (monotonic) after which something is over
---@return number
function M.next_s(self, ...)
  local now, patience = core.clock_ns(), patience_ns(self)
  local most_ns
  if not core.is_virtual() or #self.record.passing > 0 then
    most_ns = screen_s * 1e9
  else -- of what is sent meanwhile nothing is overdue before this
    most_ns = math.min(rows_s * 1e9, patience)
  end
  local next_ns = now + math.tointeger(most_ns // 1)
  local function over(at_ns)
    if at_ns and at_ns > now then
      next_ns = math.min(next_ns, at_ns)
    end
  end
  for i = 1, select("#", ...) do
    over((select(i, ...)))
  end
  local pulse, at_ns, by_device = self.record:oldest_doubt()
  if pulse then
    over(at_ns + (by_device and math.min(patience, 2 * self.slow_ns) or patience) + 1)
  end
  for _, wrong in pairs(self.listening.wrong) do
    over(wrong.at_ns + patience + 1)
  end
  local alive = self.driver.keepalive
  if alive and alive.answered then
    over(self.contact_ns + math.ceil(alive.period * 1e9) + 2 * self.slow_ns + 1)
  end
  return math.max(1, next_ns - now) / 1e9
end

--- The same behind a plan's last pulse, where a reply may end the wait.
---@param self moonpulse.Stimulator
function M.await_end(self)
  self.awaits_reply = true
  core.wait(M.next_s(self, self.over_ns, self.asked_ns and self.asked_ns + patience_ns(self) + 1))
  self.awaits_reply = false
end

return M
