--- When whoever waits for a device looks at it next. In real time: at short intervals, as we know instants
--- only by our own clock, and the device's may be some milliseconds behind. In virtual time: at the first
--- instant at which something is over or could be overdue (moonpulse.stimulator.replies), and sooner if the
--- reply comes.
local core = require "moonpulse.core"
local patiences = require "moonpulse.stimulator.patience"

local M = {}

local train_ns = 50000000 -- in virtual time, while the device plays a train of its own
local rows_ns = 1000000000 -- in virtual time: rows are let go of
local longest_ns = 10000000000 -- while a plan is played as fast as can be: sooner() is told what is sent
local look_ns = 50000000 -- in real time: that the loop was away is seen by what was due meanwhile
local near_ns = 1000000000000 -- while the engine takes what is told (moonpulse.stimulator.near_cut), too

--- How long a device may be silent about what it was sent.
local function patience_ns(self)
  return math.floor(self.driver.reply_timeout * 1e9)
end

--- The first instant at which the device's silence, or a wrong setting, is a fault.
local function overdue_ns(self, patience)
  local first = math.maxinteger
  local pulse, at_ns, by_device = self.record:oldest_doubt()
  if pulse then
    first = at_ns + (by_device and math.min(patience, 2 * self.slow_ns) or patience)
  end
  for _, wrong in pairs(self.listening.wrong) do
    first = math.min(first, wrong.at_ns + patience)
  end
  local alive = self.driver.keepalive
  if alive and alive.answered then
    first = math.min(first, self.contact_ns + math.ceil(alive.period * 1e9) + 2 * self.slow_ns)
  end
  return first
end

--- Seconds from now until it is to be looked at again; above 0.
---@param self moonpulse.Stimulator
---@param real_s number the same in real time
---@param ... integer? instants (monotonic) after which something is over
---@return number
function M.next_s(self, real_s, ...)
  if not core.is_virtual() then
    return real_s
  end
  local now = core.clock_ns()
  local next_ns = now + train_ns
  if #self.record.passing == 0 then -- of what is sent meanwhile nothing is overdue before this
    local patience = patience_ns(self)
    next_ns = now + math.min(rows_ns, patience)
    local overdue = overdue_ns(self, patience) + 1
    next_ns = overdue > now and math.min(next_ns, overdue) or next_ns
  end
  for i = 1, select("#", ...) do
    local at_ns = select(i, ...)
    next_ns = at_ns and at_ns > now and math.min(next_ns, at_ns) or next_ns
  end
  return math.max(1, next_ns - now) / 1e9
end

--- The same while a plan is played. As fast as can be nobody watches how far it is.
---@param self moonpulse.Stimulator
---@param real_s number
---@return number
function M.playing_s(self, real_s)
  local is_virtual, pace = core.is_virtual()
  if not is_virtual or pace > 0 or #self.record.passing > 0 then
    return M.next_s(self, real_s)
  end
  local now = core.clock_ns()
  local overdue = overdue_ns(self, patience_ns(self)) + 1
  self.looks_ns = now + (self.near and self.near.running and near_ns or longest_ns)
  if overdue > now and overdue < self.looks_ns then
    self.looks_ns = overdue
  end
  return (self.looks_ns - now) / 1e9
end

--- Something was sent, or heard, that may be overdue before whoever plays looks again.
---@param self moonpulse.Stimulator
---@param at_ns integer when it was (monotonic)
---@param at_once boolean? it is to be looked at now and then from here on
function M.sooner(self, at_ns, at_once)
  if self.looks_ns and (at_once or at_ns + patience_ns(self) < self.looks_ns) then
    self.looks_ns = nil
    self.task:wake()
  end
end

--- Wait until something happens that somebody who waits beside the player should look at: a reply, a stop, or
--- that the device was left.
---@param self moonpulse.Stimulator
---@param seconds number? at most; nil: until then
function M.await(self, seconds)
  local task, lookers = core.current(), self.lookers
  table.insert(lookers, task)
  core.wait(seconds)
  for i = #lookers, 1, -1 do
    if lookers[i] == task then
      table.remove(lookers, i)
      break
    end
  end
end

--- The same for what a device has left_ns to say.
---@param self moonpulse.Stimulator
---@param left_ns integer above 0, without what the loop missed
function M.await_reply(self, left_ns)
  local nap_s = patiences.nap_s(left_ns)
  M.await(self, core.is_virtual() and nap_s or math.min(nap_s, look_ns / 1e9))
end

--- Who waits so looks now, in the order in which they began to wait.
---@param self moonpulse.Stimulator
function M.look(self)
  for _, task in ipairs(self.lookers) do
    task:wake()
  end
end

--- The same after a plan's last pulse, where a reply may end the wait.
---@param self moonpulse.Stimulator
function M.await_end(self)
  self.awaits_reply = core.is_virtual()
  core.wait(M.next_s(self, 0.02, self.over_ns, self.asked_ns and self.asked_ns + patience_ns(self) + 1))
  self.awaits_reply = false
end

return M
