--- Between two plans: bring an armed device to the first pulses of the next one, and wait until it says so.
--
-- A device says which setting it has, not how far it has come: a Magstim's capacitor is seconds on its way.
-- Whatever a plan that was refused or stopped has begun, the next one waits for: settles_ns is when the
-- device will have followed all that it was told.
local core = require "moonpulse.core"
local deadlines = require "moonpulse.stimulator.deadlines"
local lower = require "moonpulse.lowering"
local outputs = require "moonpulse.driver.outputs"
local patiences = require "moonpulse.stimulator.patience"
local refusals = require "moonpulse.text.refusal"

local M = {}

--- Wait until the device has confirmed what it was told; else it is a fault, and nothing is fired.
local function await_settings(self)
  local listening, from_ns = self.listening, core.clock_ns()
  local patience_ns = patiences.ns(self.driver, self.driver.reply_timeout)
  local left_ns = patience_ns
  while not listening:settled() and not self.stopped and left_ns > 0 do
    deadlines.await_reply(self, left_ns)
    left_ns = patience_ns - patiences.waited_ns(from_ns)
  end
  if not listening:settled() and not self.stopped then
    self:missing(listening:unsettled())
  end
  self:check_stop()
end

--- Wait until nothing plays, on whichever output: what a device plays from is not changed.
local function await_rest(self)
  local left_ns = outputs.settable_at(self.last) - core.clock_ns()
  while left_ns > 0 and not self.stopped do
    deadlines.await(self, left_ns / 1e9) -- or until a stop
    left_ns = outputs.settable_at(self.last) - core.clock_ns()
  end
end

--- What a device must hold before a plan can be started there. A device that did not take it is at fault.
local function load(self, actions)
  if not self.driver.load then
    return
  end
  await_rest(self)
  local ok, problem = pcall(self.driver.load, self.link, actions)
  if not ok and refusals.is_fault(problem) then
    self:device_fault(problem.message)
  end
  if not ok then
    error(problem, 0)
  end
end

--- A setting was sent: the device follows it by lead seconds from at_ns on, or from when it has followed what
--- it was told before.
---@param self moonpulse.Stimulator
---@param at_ns integer when it is on the device (monotonic)
---@param lead number
function M.follows(self, at_ns, lead)
  self.settles_ns = math.max(at_ns, self.settles_ns) + math.ceil(lead * 1e9)
end

--- How long an output that is being armed at first may be on its way there.
local function arming_lead_ns(self, first)
  local strongest, longest_ns = self.driver.limits(self.identity).intensity.max, 0
  local at_most = setmetatable({ mso = strongest, exact_mso = strongest }, { __index = first })
  for _, from in ipairs { at_most, self.listening.told } do
    local bytes, lead = self.driver.encode.set(from, first)
    longest_ns = math.max(longest_ns, bytes and math.ceil(lead * 1e9) or 0)
  end
  return longest_ns
end

--- The device is about to be armed at first: by then it has followed what it was told before. Arming that is
--- stopped on its way leaves it anywhere between its strongest and first.
---@param self moonpulse.Stimulator
---@param first moonpulse.Action
function M.before_arming(self, first)
  local left_ns = self.settles_ns - core.clock_ns()
  if left_ns > 0 then
    self.link:sleep(left_ns / 1e9)
  end
  self.settles_ns = math.max(self.settles_ns, core.clock_ns() + arming_lead_ns(self, first))
end

--- From what one output was told last to action, as encode.set; false: nothing is to be done.
local function change_of(self, output, action)
  local driver = self.driver
  local from = self.listening:before(action)
  -- an output that it was not armed for: as it is on the one that was told last
  local mine = outputs.of(driver.limits(self.identity), from) ~= output
  if not mine and not lower.differs(from, action) then
    return false
  end
  return driver.encode.set(from, action)
end

--- How long an armed device takes from what it was told last to a plan's first action: by no clock.
---@param self moonpulse.Stimulator armed
---@param first moonpulse.First
---@return number? seconds; nil: it cannot be brought there
---@return string? why so long, in words, where the driver says that
function M.lead(self, first)
  local bytes, lead, _, why = change_of(self, first.output, first.action)
  if bytes == nil then
    return nil
  end
  return bytes and lead or 0, bytes and why or nil
end

--- When a plan's first output can have followed its first action at the earliest, if the device is brought to
--- it from now on, by set() or by arming: what set() will say is not sooner. Nothing is sent.
---@param self moonpulse.Stimulator connected
---@param first moonpulse.First
---@return integer ready_ns (monotonic)
---@return integer told_ns when it can have been told
function M.soonest(self, first)
  local now_ns, settable_ns = core.clock_ns(), outputs.settable_at(self.last)
  if not self.ready then
    now_ns = math.max(now_ns, settable_ns, self.settles_ns)
    return now_ns + arming_lead_ns(self, first.action), now_ns
  elseif self.driver.load then
    now_ns = math.max(now_ns, settable_ns)
  end
  local bytes, lead = change_of(self, first.output, first.action)
  if not bytes then -- nothing to do, or it cannot be done, which set() says
    return self.settles_ns, now_ns
  elseif #bytes > 0 then
    now_ns = math.max(now_ns, settable_ns)
  end
  local at_ns = now_ns + core.wire_ns(self.driver.serial, #bytes)
  return math.max(at_ns, self.settles_ns) + math.ceil(lead * 1e9), now_ns
end

--- Bring one output to action. As set().
local function set_one(self, output, action)
  local driver, listening = self.driver, self.listening
  local bytes, lead, _, why = change_of(self, output, action)
  if bytes == false then
    return self.settles_ns
  elseif not bytes then
    return nil, lead
  end
  if #bytes > 0 then
    await_rest(self)
    self.slow_change = why
  end
  local now_ns = core.clock_ns()
  listening:tell(action, now_ns)
  local wire_ns = core.wire_ns(driver.serial, #bytes)
  if #bytes > 0 then
    self.link:write(bytes)
    self.contact_ns = now_ns
  end
  if self.on_set then -- whatever becomes of the plan
    self.on_set(action, now_ns, now_ns + wire_ns)
  end
  M.follows(self, core.clock_ns() + wire_ns, lead)
  await_settings(self)
  self:tell_believed()
  return self.settles_ns, now_ns + wire_ns -- when it is ready, and when it had the setting
end

--- Bring the armed device from what it was told last to a plan's first action, on each of its outputs: the
--- plan sets the others.
---@param self moonpulse.Stimulator
---@param firsts moonpulse.First[]
---@param actions moonpulse.Action[] all of the plan
---@return integer? ready_ns when a pulse may follow (monotonic); nil where it cannot while armed
---@return string|{ action: moonpulse.Action, at_ns: integer }[] why; else what the device was told, and
---   when it had each setting (monotonic)
---@return moonpulse.Action? which cannot be set
function M.set(self, firsts, actions)
  local limits, latest_ns, told = self.driver.limits(self.identity), 0, {}
  for _, each in ipairs(outputs.by_hand(limits, actions) or {}) do
    local set = self.hand[self:output_of(each)]
    if set ~= each.mso then -- what nobody was told to set is not there
      local hand = set and ("has set %g %%MSO"):format(set) or "was told of no intensity there"
      return nil, ("a hand sets it, before the arming, and %s: %s"):format(hand, limits.by_hand), each
    end
  end
  load(self, actions)
  for _, first in ipairs(firsts) do
    local ready_ns, at_ns = set_one(self, first.output, first.action)
    if not ready_ns then
      return nil, at_ns, first.action
    end
    latest_ns = math.max(latest_ns, ready_ns)
    if at_ns then
      told[#told + 1] = { action = first.action, at_ns = at_ns }
    end
  end
  return latest_ns, told
end

return M
