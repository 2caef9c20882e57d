--- Pulses that the device reports and that we did not send: those that something else fires while stim:watch
--- waits for them, and those that nobody expected. A part of a record.
local M = {}

--- The device reported a pulse that nobody sent. Its onset is not known: it stands at the reply's time.
---@param self moonpulse.Record
---@param at_ns integer when the reply came (monotonic)
---@param reply string
---@param value integer? the reply as a number, for the flight record, where it is confirmation number 0
function M.unasked(self, at_ns, reply, value)
  if not self.start_ns then -- nothing was sent yet, nor will be
    self:start(at_ns)
  end
  if self.flight then
    self.flight:confirm(0, at_ns, value or 0)
  end
  local since_ns = math.max(0, at_ns - self.start_ns) -- no row lies before the run's start
  if self.on_unasked then -- whoever sums up what was given
    self.on_unasked(since_ns)
  end
  self:add { event = "unasked_pulse", planned_ns = since_ns, confirmed_ns = since_ns, status = "delivered",
    reply = reply }
end

--- The device reported a pulse that something else fired, as stim:watch waits for. It is a play of its own,
--- whose one action it is; nobody planned or sent it, and its onset is the reply's time.
---@param self moonpulse.Record
---@param at_ns integer when the reply came (monotonic)
---@param reply string
---@param value integer? the reply as a number, for the flight record
---@param otherwise boolean? it was not given as the device was set
function M.external(self, at_ns, reply, value, otherwise)
  local since_ns = at_ns - self.start_ns
  if self.flight then
    self.flight:confirm(0, at_ns, value or 0, otherwise and "external_otherwise" or "external", self.plan)
  end
  self:heard(since_ns)
  self.had_ns = math.max(self.had_ns, since_ns)
  self.last_number = self.last_number + 1
  self.pulses_sent, self.pulses_confirmed = self.pulses_sent + 1, self.pulses_confirmed + 1
  self.pulses_external = self.pulses_external + 1
  self:add { event = "pulse", pulse = self.last_number, plan = self.plan, confirmed_ns = since_ns,
    status = otherwise and "otherwise" or "external", reply = reply, tail = self.tails[1],
    timed_by = "external" }
end

return M
