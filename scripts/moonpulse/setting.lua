--- Between two plans: bring an armed device to the first pulses of the next one, and wait until it says so.
local core = require "moonpulse.core"
local links = require "moonpulse.link"
local lower = require "moonpulse.lower"
local outputs = require "moonpulse.outputs"

local M = {}

--- Wait until the device has confirmed what it was told; else it is a fault, and nothing is fired.
local function await_settings(self)
  local listening = self.listening
  local until_ns = core.clock_ns() + math.floor(self.driver.reply_timeout * 1e9)
  self.setting = core.current()
  while not listening:settled() and not self.stopped and core.clock_ns() < until_ns do
    core.wait(0.05)
  end
  self.setting = nil
  if not listening:settled() and not self.stopped then
    self:device_fault(listening:unsettled())
  end
  self:check_stop()
end

--- Wait until nothing plays, on whichever output: what a device plays from is not changed.
local function await_rest(self)
  while core.clock_ns() < outputs.settable_at(self.last) and not self.stopped do
    core.wait(0.002)
  end
end

--- What a device must hold before a plan can be started there. A device that did not take it is at fault.
local function load(self, actions)
  if not self.driver.load then
    return
  end
  await_rest(self)
  local ok, problem = pcall(self.driver.load, self.link, actions)
  if not ok and links.is_fault(problem) then
    self:device_fault(problem.message)
  end
  if not ok then
    error(problem, 0)
  end
end

--- Bring one output to action. As set().
local function set_one(self, output, action)
  local driver, listening = self.driver, self.listening
  local from = listening:before(action)
  -- an output that it was not armed for: as it is on the one that was told last
  local mine = outputs.of(driver.limits(self.identity), from) ~= output
  if not mine and not lower.differs(from, action) then
    return 0
  end
  local bytes, lead = driver.encode.set(from, action)
  if not bytes then
    return nil, lead
  end
  if #bytes > 0 then
    await_rest(self)
  end
  local now_ns = core.clock_ns()
  listening:tell(action, now_ns)
  if #bytes > 0 then
    self.link:write(bytes)
    self.contact_ns = now_ns
  end
  local wire_ns = core.wire_ns(driver.serial, #bytes)
  local ready_ns = core.clock_ns() + wire_ns + math.ceil(lead * 1e9)
  await_settings(self)
  self:tell_believed()
  return ready_ns, now_ns + wire_ns
end

--- Bring the armed device from what it was told last to a plan's first action, on each of its outputs: the
--- plan sets the others.
---@param self moonpulse.Stimulator
---@param firsts moonpulse.First[]
---@param actions moonpulse.Action[] all of the plan
---@return integer? ready_ns when a pulse may follow (monotonic); nil where it cannot while armed
---@return string|integer|nil why; else when the device had its last setting, nil where there was none to tell
function M.set(self, firsts, actions)
  local limits, latest_ns, told_ns = self.driver.limits(self.identity), 0, nil
  for _, each in ipairs(outputs.by_hand(limits, actions) or {}) do
    local output = self:output_of(each)
    if self.hand[output] and self.hand[output] ~= each.mso then
      return nil, limits.by_hand
    end
    self.hand[output] = each.mso
  end
  load(self, actions)
  for _, first in ipairs(firsts) do
    local ready_ns, at_ns = set_one(self, first.output, first.action)
    if not ready_ns then
      return nil, at_ns
    end
    latest_ns, told_ns = math.max(latest_ns, ready_ns), at_ns or told_ns
  end
  return latest_ns, told_ns
end

return M
