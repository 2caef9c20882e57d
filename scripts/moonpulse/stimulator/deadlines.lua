--- When whoever waits for a device looks at it next: at the first instant at which something could be overdue
--- (moonpulse.stimulator.replies), or over, and in real time for the operator's screen and the file before
--- that. What comes meanwhile wakes it.
local core = require "moonpulse.core"

local M = {}

local screen_s = 0.05 -- in real time: progress is shown, and the rows so far are on their way to the disk
local rows_s = 1 -- in virtual time: rows are let go of

--- How long a device may be silent about what it was sent.
local function patience_ns(self)
  return math.floor(self.driver.reply_timeout * 1e9)
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
