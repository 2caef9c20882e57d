--- A run in real time: connect, arm, play, disarm; every way out leaves the device safe.
local core = require "moonpulse.core"
local gate = require "moonpulse.safety.gate"
local links = require "moonpulse.link"
local lower = require "moonpulse.lower"

local M = {}

local Run = {}
Run.__index = Run

local lead_in_ns = 200000000 -- from "go" to the plan's start
local stall_ns = 250000000 -- a loop silent for so long has replies to read before it may judge

--- What the dispatcher did. Times are nanoseconds from the plan's start.
function Run:outcome(what, kind, number, onset_ns, due_ns, entered_ns, returned_ns, action, frame,
                     stop, safe_sent, text)
  local record = self.record
  if what == "sent" and kind == "pulse" then
    -- stalled inside the write: it left some time before the write returned, at the latest then
    local left_ns, now_ns = stop == "late" and returned_ns or entered_ns, core.clock_ns()
    record:doubt(now_ns - self.slow_ns)
    record:pulse(number, onset_ns, left_ns + self.frames[frame].wire_ns + self.latency_ns,
      left_ns - due_ns, action, now_ns)
    self:occupied(self.actions[action], now_ns)
    if self.actions[action].train then -- its confirmations take as long as it runs
      self.link.session:confirmed(record:answered())
    end
  elseif what == "sent" then
    self.expected = self.actions[action]
    record:event("set_intensity", due_ns + self.frames[frame].wire_ns,
      entered_ns + self.frames[frame].wire_ns, "sent", nil, action)
  elseif what == "skipped" and kind == "set" then
    record:event("set_intensity", due_ns, nil, stop, nil, action)
  elseif what == "skipped" then
    self.left_out = { pulse = number, late_ns = entered_ns - due_ns, reason = stop }
    record:skipped(number, onset_ns, entered_ns - due_ns, action, stop)
  elseif what == "mark" then
    record:event("mark", onset_ns, entered_ns, "passed", text)
  elseif what == "finished" then
    self.finished = true
    self:wake()
  elseif what == "stopped" then
    if not self.stopped then
      record:halt(core.clock_ns())
    end
    if stop == "silent" and record:oldest_open() then
      self.fault = self.fault or ("pulse %d was not confirmed within %g s: is the cable loose, does "
        .. "the coil still fire?"):format((record:oldest_open()), 2 * self.slow_ns / 1e9)
    end
    self.stopped = self.stopped or stop
    self.safe_sent = safe_sent
    self:wake()
  end
end

--- The safe frame of a plan's end must not cut what its last start still does.
function Run:occupied(action, now_ns)
  if action.busy then
    self.busy_until_ns = math.max(self.busy_until_ns, now_ns + math.ceil(action.busy * 1e9))
  end
end

function Run:wake()
  if self.task then
    self.task:wake()
  end
end

--- The device is at fault: stop at once, remember the first reason.
function Run:device_fault(text)
  self.fault = self.fault or text
  self.link.session:stop("device")
end

--- Everything the device says while the plan runs.
function Run:reply(reply, arrival_ns)
  if not self.playing and not self.stopped then
    return
  end
  local verdict, text, value = self.driver.judge(reply, self.expected)
  if self.stopped then -- a train's last pulses are confirmed while the stop is on its way
    if verdict == "confirm" then
      self.record:late_confirm(arrival_ns - self.start_ns, text, value)
    end
    return
  end
  if verdict == "confirm" then
    if self.record:confirm(arrival_ns - self.start_ns, text, value) then
      self.link.session:confirmed(self.record:answered())
    else
      self:device_fault(("the device reports a pulse that was not sent (%s): does a pedal, a "
        .. "trigger or its panel fire it?"):format(text))
    end
  elseif verdict == "fault" then
    self:device_fault(text)
  elseif verdict == "pending" then
    self.mismatch = self.mismatch or { text = text, at_ns = arrival_ns }
  elseif verdict == "settled" then
    self.mismatch = nil
  end
end

--- Is the device too long silent, or at another setting than it was told?
function Run:watch()
  local now, patience = core.clock_ns(), math.floor(self.driver.reply_timeout * 1e9)
  local stalled = now - self.watched_ns > stall_ns
  self.watched_ns = now
  self.record:settle(now)
  if stalled then
    return
  end
  local pulse, at_ns, by_device = self.record:oldest_doubt()
  if by_device then -- it goes on by itself: no later than single pulses, which then stop
    patience = math.min(patience, 2 * self.slow_ns)
  end
  if pulse and now - at_ns > patience then
    self:device_fault(("pulse %d was not confirmed within %g s: is the cable loose, does the coil "
      .. "still fire?"):format(pulse, patience / 1e9))
  elseif self.mismatch and now - self.mismatch.at_ns > patience then
    self:device_fault(self.mismatch.text .. ": was it changed on the front panel?")
  end
end

function Run:play(job, on_progress)
  local session = self.link.session
  self.start_ns = core.clock_ns() + lead_in_ns + math.floor(job.lowering:lead() * 1e9)
  self.playing = true
  self.watched_ns = core.clock_ns()
  self.record:start(self.start_ns)
  local ok, message = session:play(job.lowering, self.start_ns)
  if not ok then
    if self.link.halted then
      links.stopped(self.link.halted)
    end
    self.link:fault("%s", message)
  end
  while not self.finished and not self.stopped do
    core.wait(0.05)
    self:watch()
    on_progress((core.clock_ns() - self.start_ns) / 1e9)
    self.record:sync()
  end
  -- the last replies are still on their way, and the last train may still run
  while not self.stopped and (self.record:oldest_open() or core.clock_ns() < self.busy_until_ns) do
    core.wait(0.02)
    self:watch()
  end
  if not self.stopped then
    session:stop("finished")
  end
  self.playing = false
end

--- A stop that came before there was anything to stop.
local function check_stop(job)
  if job.stop_reason then
    links.stopped(job.stop_reason)
  end
end

--- Fire over a line, or over a port of its own: there, and down, before anything is armed.
local function open_trigger(link, trigger)
  local ok, message, code = link.session:trigger {
    line = trigger.line, path = trigger.path, serial = trigger.serial,
    rest = trigger.path and trigger.after,
  }
  if code == "busy" and message:find("already open in this program", 1, true) then
    code = "unsupported"
    message = message .. ": for a line of the device's own port write --trigger rts, dtr or break"
  end
  if not ok then
    links.fault(trigger.text and ("--trigger %s: %s"):format(trigger.text, message) or message,
      code == "unsupported" and "usage" or nil)
  end
end

--- A driver may fire over a line by itself: there is only one that it can name.
local function open_own_line(link, frames)
  for _, frame in ipairs(frames) do
    if frame.line and not frame.on_trigger then
      return open_trigger(link, { line = frame.line })
    end
  end
end

--- Arm and play, with the device already connected and everything prepared.
function Run:arm_and_play(job, hooks)
  check_stop(job)
  self.expected = lower.first_action(job.lowering, job.actions)
  self.driver.arm(self.link, self.expected, job.actions)
  check_stop(job)
  hooks.armed((self.link.session:realtime()))
  self:play(job, hooks.progress)
end

--- What went wrong between arm and the end: the device is safe by now, leave() has asked it.
function Run:explain(problem, left)
  if links.is_stopped(problem) then
    left.stop = self.stopped or problem.reason
    return left
  elseif links.is_fault(problem) and left.not_disarmed then
    problem.message = ("%s; NOT CONFIRMED SAFE: %s"):format(problem.message, left.not_disarmed)
    problem.code = nil
  end
  error(problem, 0)
end

--- Run job on the device at path.
---@param job table { plan, seed, driver, lowering, actions, thresholds, tolerance, late,
---   stop_line, stop_reason }; job.on_stop(reason) is set here
---@param path string
---@param record table
---@param hooks { connected: fun(identity: table, backend: string), prepared: fun(job: table),
---   armed: fun(realtime: string), progress: fun(elapsed: number) }
---@return table outcome { stop = reason, fault = text?, disarmed = boolean }
function M.run(job, path, record, hooks)
  local driver = job.driver
  local self = setmetatable({
    driver = driver, record = record, latency_ns = math.floor(driver.latency * 1e9),
    slow_ns = math.floor((driver.reply_slow or driver.reply_timeout) * 1e9),
    task = core.current(), busy_until_ns = 0,
  }, Run)
  local link <close> = links.new(driver, {
    reply = function(...) self:reply(...) end,
    outcome = function(...) self:outcome(...) end,
    gone = function(message)
      if self.playing then
        self.fault = self.fault or "the port is lost: " .. message
      end
      self:wake()
    end,
  })
  self.link = link
  job.on_stop = function(reason)
    if self.leaving then -- stopped already: what is asked now must not be disturbed
      return
    end
    link:halt(reason)
    link.session:stop(reason)
    self:wake()
  end
  check_stop(job)
  link:open(path)
  if driver.trigger then
    open_trigger(link, driver.trigger)
  end
  local identity = driver.connect(link)
  hooks.connected(identity, (link.session:backend()))
  job.lowering, job.actions = lower.prepare {
    plan = job.plan, seed = job.seed, driver = driver, identity = identity,
    thresholds = job.thresholds, timing = job.timing,
  }
  job.safety = gate.clear(job.lowering, job)
  self.actions, self.frames = job.actions, job.lowering:frames()
  record:set_actions(job.actions, driver.confirms, self.slow_ns)
  hooks.prepared(job)
  check_stop(job)
  if not driver.trigger then
    open_own_line(link, self.frames)
  end
  local ok, message = link.session:arm {
    safe = driver.safe, safe_line = driver.safe_line, stuck = 0.5, guard = true,
    tolerance = job.tolerance, late = job.late,
    -- a device that no longer reads must not find a heap of commands when it does
    unconfirmed = driver.confirms ~= false and 2 * self.slow_ns / 1e9 or nil,
    keepalive = driver.keepalive and driver.keepalive.bytes,
    keepalive_period = driver.keepalive and driver.keepalive.period,
    line = job.stop_line, flight = record.flight,
  }
  if not ok then
    link:fault("%s", message)
  end
  -- from here on every way out passes leave()
  local done, problem = pcall(self.arm_and_play, self, job, hooks)
  if not done then
    self.playing = false
    link.session:stop(links.is_stopped(problem) and problem.reason
      or links.is_fault(problem) and "device" or "error")
  end
  local left = self:leave()
  record:stopped(left.disarmed)
  return done and left or self:explain(problem, left)
end

--- The device answers, and yet a port is lost: then it is the trigger's.
function Run:lost_trigger(result)
  local trigger = self.driver.trigger
  if self.stopped == "gone" and trigger and trigger.path then
    result.fault = result.fault or ("the trigger's port %s is lost: is it unplugged?"):format(trigger.path)
  end
  return result
end

--- After the safe frame: ask the device whether it is disarmed; tell it again if it is not.
function Run:leave()
  local link, tries = self.link, 3
  local result = { stop = self.stopped, fault = self.fault, safe_sent = self.safe_sent,
    left_out = self.left_out }
  self.leaving = true
  link:resume()
  link:forget()
  while tries > 0 and link.session:state() ~= "closed" do
    local ok, problem = pcall(self.driver.disarm, link)
    result.disarmed = ok
    result.not_disarmed = not ok and tostring(problem) or nil
    if ok then
      return self:lost_trigger(result)
    end
    tries = problem.silent and 0 or tries - 1 -- who does not answer will not answer again
    pcall(link.write, link, self.driver.safe)
  end
  if link.session:state() == "closed" then
    result.disarmed = false
    result.not_disarmed = "the port is lost: switch the stimulator off at its panel"
  end
  return result
end

return M
