--- One stimulator in real time: connect, admit a plan, arm, play, leave. Protocol runs and
--- experiments both go through here; every way out of arm leaves the device safe.
local admission = require "moonpulse.stimulator.admission"
local core = require "moonpulse.core"
local deadlines = require "moonpulse.stimulator.deadlines"
local firing = require "moonpulse.stimulator.firing"
local given_as = require "moonpulse.stimulator.given_as"
local ignored = require "moonpulse.record.ignored"
local leaving = require "moonpulse.stimulator.leaving"
local links = require "moonpulse.stimulator.link"
local lower = require "moonpulse.lowering"
local listenings = require "moonpulse.stimulator.listening"
local near_cut = require "moonpulse.stimulator.near_cut"
local outcomes = require "moonpulse.stimulator.outcome"
local outputs = require "moonpulse.driver.outputs"
local patiences = require "moonpulse.stimulator.patience"
local refusals = require "moonpulse.text.refusal"
local replies = require "moonpulse.stimulator.replies"
local setting = require "moonpulse.stimulator.setting"
local starting = require "moonpulse.stimulator.starting"
local turn = require "moonpulse.stimulator.turn"
local unanswered = require "moonpulse.stimulator.unanswered"

local M = {}

---@class moonpulse.Stimulator
local Stimulator = {}
Stimulator.__index = Stimulator

Stimulator.set = setting.set
Stimulator.earliest, Stimulator.bound = starting.earliest, starting.bound
Stimulator.leave = leaving.leave
Stimulator.next_s = deadlines.next_s
Stimulator.reply = replies.reply
Stimulator.watch = replies.watch
Stimulator.tell_confirmed = replies.tell_confirmed
Stimulator.tell_believed = replies.tell_believed
Stimulator.device_fault = replies.device_fault
Stimulator.missing = replies.missing

local lead_in_ns = 200000000 -- from "go" to the plan's start
M.lead_in_ns = lead_in_ns
local stuck_s = 0.5 -- a loop that is away for longer stops the run

Stimulator.outcome = outcomes.hear

--- A pulse, or the start of a train, has left.
---@param action moonpulse.Action
---@param frame integer from 1
---@param returned_ns integer when the write had ended, from the plan's start
---@param now_ns integer when that is told, monotonic
function Stimulator:has_sent(action, frame, returned_ns, now_ns)
  local at_ns = self.start_ns + returned_ns
  local fired_ns = at_ns + self.facts.wire_ns[frame] + self.latency_ns
  self.last[self:output_of(action)] = { action = action, at_ns = at_ns, fired_ns = fired_ns }
  self.listening:gave(action)
  given_as.sent(self, action)
  self:occupied(action, fired_ns, now_ns)
  if action.train then -- its confirmations take as long as it runs
    self:tell_confirmed()
  end
  deadlines.sooner(self, at_ns, action.train ~= nil)
end

--- Pulses were sent and confirmed without us, the last of them so.
---@param action integer from 1
---@param frame integer from 1
---@param returned_ns integer when its write had ended (monotonic)
---@param now_ns integer when that was told (monotonic)
function Stimulator:has_given(action, frame, returned_ns, now_ns)
  self:has_sent(self.actions[action], frame, returned_ns - self.start_ns, now_ns)
end

--- For the audit trail: it was stopped, and nobody is told before that stands there.
local function note_stop(self, reason, clock_ns)
  local job = self.job
  if job.audit and reason ~= "error" and reason ~= "peer" and not core.stops[reason].asked_for then
    job.audit:note_stop(reason, function()
      return reason == "program" and job.stopper or job.signal, self.fault
    end, clock_ns)
  end
end

--- The dispatcher has ended: the safe frame was handed to the port.
---@param stop string name in core.stops
---@param safe_sent boolean the port took all of it
---@param halted_ns integer monotonic
function Stimulator:has_stopped(stop, safe_sent, halted_ns)
  local record = self.record
  if not self.stopped then
    record:halt(halted_ns)
  end
  if stop == "silent" and record:oldest_doubt() then
    self.fault = self.fault or unanswered.unconfirmed(self,
      math.floor(patiences.engine_s(self.driver, 2 * self.slow_ns / 1e9) * 1e9), record:oldest_doubt())
  elseif stop == "setting" then
    self.fault = self.fault or ("pulse %d was held back: %s"):format(self.held or record.last_number,
      self.listening:unsettled())
  end
  self.stopped, self.ready = self.stopped or stop, false
  self.safe_sent, self.halted_ns = safe_sent, halted_ns
  note_stop(self, self.stopped, halted_ns)
  self:wake()
end

--- A plan has not ended before its last pulse has come and is over: the safe frame must not cut it.
---@param action moonpulse.Action
---@param fired_ns integer when it fired, monotonic
---@param now_ns integer monotonic
function Stimulator:occupied(action, fired_ns, now_ns)
  local over_ns = math.ceil((action.over or 0) * 1e9)
  self.over_ns = math.max(self.over_ns, math.max(fired_ns, action.over and now_ns or 0) + over_ns)
end

--- Until when a train that was cut may go on all the same: the device cannot say that it ended.
---@return integer at_ns 0: it does not
function Stimulator:may_play_until()
  return self.driver.proves_end == false and self.over_ns or 0
end

--- Something happened that whoever waits for this device should look at.
function Stimulator:wake()
  self.task:wake()
  deadlines.look(self)
  if self.on_wake then
    self.on_wake()
  end
end

--- Which of its stimulators an action goes to.
---@param action moonpulse.Action
---@return integer
function Stimulator:output_of(action)
  local limits = self.listening.limits -- since it was armed: a driver makes them anew for whoever asks
  return outputs.of(limits or self.driver.limits(self.identity), action)
end

--- Raise if a stop came, whether or not there was anything to stop.
function Stimulator:check_stop()
  local reason = self.job.stop_reason or self.stopped
  if reason then
    refusals.stopped(reason)
  end
end

--- Raise what the device did while it was not armed: a pulse that nobody asked for.
function Stimulator:check_fault()
  if self.fault then
    self.link:fault("%s", self.fault)
  end
end

--- Open the port and let the driver find out who is there.
---@param path string
---@return moonpulse.Identity identity
function Stimulator:connect(path)
  self:check_stop()
  self.link:open(path)
  if self.driver.trigger then
    firing.open(self.link, self.driver.trigger)
  end
  if self.job.codes then -- loaded for who has a box
    require("moonpulse.stimulator.codes").open(self)
  end
  self.identity = self.driver.connect(self.link)
  self:check_fault()
  return self.identity
end

--- Check a plan against the device that is connected. Raises a refusal { code, message }.
---@param plan moonpulse.Plan
---@param seed integer
---@param dose table? earlier, starts: of moonpulse.experiment.dose, where other plans may have come before
---@param progress fun()? called now and then where that takes long
---@return moonpulse.Admitted
function Stimulator:admit(plan, seed, dose, progress)
  local given = {
    progress = progress,
    plan = plan, seed = seed, driver = self.driver, identity = self.identity,
    thresholds = self.job.thresholds, timing = self.job.timing,
    codes = self.job.codes, policy = self.job.policy, own = self.job.own, markless = self.job.markless,
    earlier = dose and dose.earlier, may = dose and dose.may, starts = dose and dose.starts,
  }
  if self.driver.encode.other_way and self.ready then
    return require("moonpulse.stimulator.sooner_way").admit(self, given)
  end
  return admission.admit(given)
end

--- Where a hand sets the intensities of a plan: which. A sentence; nil where the device sets them.
---@param admitted moonpulse.Admitted
---@return string?
function Stimulator:by_hand(admitted)
  return lower.by_hand(self.driver, self.identity, lower.in_order(admitted.lowering, admitted.actions), "now")
end

--- As of moonpulse.Stimulators: which one a plan is played on.
---@param admitted moonpulse.Admitted
---@return moonpulse.Stimulator
---@return moonpulse.Admitted
function Stimulator:only(admitted)
  return self, admitted
end

--- connected -> armed: from here on the safe frame goes out whatever happens, and whoever called
--- this must call leave().
---@param first moonpulse.Action what the device is brought to
---@param actions moonpulse.Action[] all that is known to follow
---@param firsts moonpulse.First[]? what each of its outputs is brought to; nil: no plan is known, and first
---   is but a setting to arm at
function Stimulator:arm(first, actions, firsts)
  local driver, job, link = self.driver, self.job, self.link
  if self.stopped == "requested" or self.stopped == "finished" then
    self.stopped = nil -- a script's own stop: arming anew is its decision, and only here
  end
  self:check_stop()
  self:check_fault()
  link.until_ns = nil -- that was the end of what was played before
  self.stop_asked_ns = nil
  self.left, self.over_ns = nil, 0 -- what was cut, and may go on all the same, is waited for here
  local wait_ns = outputs.settable_at(self.last) - core.clock_ns()
  if wait_ns > 0 then
    link:sleep(wait_ns / 1e9)
  end
  self.record:give_up()
  self.starts_before, self.watching = self.record.starts, false
  self.hand = {} -- what a hand was told to set each output to: without a plan nothing
  for _, each in ipairs(firsts and outputs.by_hand(driver.limits(self.identity), actions) or {}) do
    self.hand[self:output_of(each)] = each.mso
  end
  if not driver.trigger then
    self.own_line = self.own_line or firing.open_own(self.link, driver, actions)
  end
  local away = job.away or 0
  local ok, message = link.session:arm {
    safe = driver.safe, safe_line = driver.safe_line, stuck = math.max(stuck_s, away), guard = true,
    tolerance = job.tolerance, late = job.late,
    -- a device that no longer reads must not find a heap of commands when it does
    unconfirmed = driver.confirms ~= false
      and math.max(patiences.engine_s(driver, 2 * self.slow_ns / 1e9), away) or nil,
    settings = driver.tells ~= nil,
    keepalive = driver.keepalive and driver.keepalive.bytes,
    keepalive_period = driver.keepalive and driver.keepalive.period,
    line = job.stop_line:match "%a+$", line_from = self.line_at and self.line_at.link.session,
    flight = self.record.flight, together = job.own ~= nil,
  }
  if not ok then
    link:fault("%s", message)
  end
  self.armed, self.arming, self.owes_leave = true, true, true
  setting.before_arming(self, first)
  driver.arm(link, first, actions, firsts)
  self:check_stop()
  self.arming, self.ready, self.settles_ns = false, true, 0
  self.listening:armed(first, driver.limits(self.identity), firsts)
  self.contact_ns = core.clock_ns()
  local pulse, changed = given_as.armed(self, first)
  if job.audit then
    job.audit:tell("arm", { old = "disarmed", new = "armed", device = job.place, channel = first.channel,
      mso = first.mso, pulse = pulse, changed = changed,
      why = job.plan and "the plan is to be played" or "the script asked for it" })
  end
end

---@class moonpulse.Playing
---@field progress fun(elapsed: number) seconds from the plan's start
---@field number integer? of the plan in the run; 1
---@field start_ns integer? when the plan starts (monotonic); nil: soon
---@field on_start fun(start_ns: integer)? called before anything can leave

--- Does a pulse of a train that the device times wait for proof that may still come? Then the device is told
--- nothing that ends the train, but not for longer than it takes to ask once more and to be answered slowly:
--- what is not proven by then perhaps was given.
---@return boolean
function Stimulator:awaits_proof()
  local due_ns = self.watching and self.record:unproven_since()
  return due_ns and patiences.waited_ns(due_ns) <= self.proof_ns or false
end

--- Wait for that proof; a stop ends the wait.
---@param is_free fun(): boolean false: somebody plays anew, and whoever waits must not
function Stimulator:prove(is_free)
  while not self.stopped and is_free() and self:awaits_proof() do
    core.wait(deadlines.next_s(self, 0.02))
    if self.watching then
      self:watch()
      self.record:sync()
    end
  end
end

--- Wait until the device has recovered and confirmed what it was sent, or a stop comes: whoever drives it
--- next knows nothing of this run.
function Stimulator:recover()
  local function goes_on() return (self.stopped or "finished") == "finished" and not self.job.stop_reason end
  local record, last = self.record, self.record.last_open
  while goes_on() and (core.clock_ns() < outputs.recovered_at(self.last)
    or self.watching and record.first_open <= last or self:awaits_proof()) do
    core.wait(deadlines.next_s(self, 0.02, outputs.recovered_at(self.last)))
    if self.watching then
      self:watch()
      record:sync()
    end
  end
end

--- Wait until the last code of a script's mark has stood for its time; a stop ends the wait. Nothing need be
--- armed for it.
function Stimulator:await_codes()
  if self.codes_open then
    require("moonpulse.stimulator.codes").await(self)
  end
end

--- Play what was admitted and wait until its last pulse is over and confirmed. The device must be at its
--- first action (arm or set). Returns early where a stop came.
---@param admitted moonpulse.Admitted
---@param how moonpulse.Playing
function Stimulator:play(admitted, how)
  assert(admission.is_admitted(admitted, self.identity), "only what admit() made can be played")
  local session, record, lowering = self.link.session, self.record, admitted.lowering
  self.actions = admitted.actions
  self.start_ns = how.start_ns or (self:earliest(admitted, 0, lead_in_ns))
  if not record.start_ns then
    record:start(self.start_ns)
  end
  self.facts = { offset_ns = self.start_ns - record.start_ns, wire_ns = {}, latency_ns = self.latency_ns,
    tolerance_ns = math.floor(self.job.tolerance * 1e9 + 0.5) }
  local frames = lowering:frames()
  for i, frame in ipairs(frames) do
    self.facts.wire_ns[i] = frame.wire_ns
  end
  ignored.remember(record, frames)
  if how.on_start then
    how.on_start(self.start_ns)
  end
  record:play(how.number or 1, self.start_ns)
  self.watching, self.finished = true, false
  self.near = near_cut.new(self)
  self.task = core.current()
  local ok, message = session:play(lowering, self.start_ns)
  if not ok then
    session:stop("error") -- brings the outcome of a stop that was latched meanwhile
    if self.link.halted then
      refusals.stopped(self.link.halted)
    end
    self.link:fault("%s", message)
  end
  while not self.finished and not self.stopped do
    core.wait(deadlines.playing_s(self, 0.05))
    self.looks_ns = nil
    if self.near then
      self.near:catch_up(true)
    end
    self:watch()
    how.progress((core.clock_ns() - self.start_ns) / 1e9)
    record:sync()
  end
  turn.ask(self)
  -- the last replies are still on their way, and the last train may still run
  while not self.stopped and (turn.is_open(self) or record:oldest_open()
    or core.clock_ns() < self.over_ns) do
    deadlines.await_end(self)
    self:watch()
    how.progress((core.clock_ns() - self.start_ns) / 1e9)
    record:sync()
  end
end

--- A stop, for any of the engine's reasons; nothing where it is not armed, or closed: what a script spawned
--- may come after its end.
---@param reason string
function Stimulator:stop(reason)
  if self.closed then
    return
  end
  self.stop_asked_ns = self.stop_asked_ns or core.clock_ns()
  self.link.session:stop(reason)
  self.watching, self.ready = false, false
end

--- A stop that somebody else decided (a signal, a key): also a driver at work ends.
---@param reason string
function Stimulator:interrupt(reason)
  note_stop(self, reason)
  if not self.leaving then -- else it is stopped: what is asked now must not be disturbed
    self.link:halt(reason)
    self.link.session:stop(reason)
    self:wake()
  else
    self.link.until_ns = self.link.until_ns or patiences.end_ns()
    deadlines.look(self)
    if self.on_wake then
      self.on_wake()
    end
  end
end

--- A port that the run needs beside the device's is lost: the run is over, for this reason.
---@param text string which port, and why
function Stimulator:lost_with(text)
  self.fault = self.fault or text
  self:stop("gone")
  if not self.stopped or self.stopped == "requested" or self.stopped == "finished" then
    self.stopped = "gone" -- nothing was armed
    note_stop(self, "gone")
  end
  self:wake()
end

--- The reason to stop that an error stands for.
---@param problem any
---@return string
function M.reason_of(problem)
  return refusals.is_stopped(problem) and problem.reason or refusals.is_fault(problem) and "device"
    or "error"
end

--- What is armed is made safe, the port is closed, and a stop finds nobody here any more.
function Stimulator:close()
  self.job.on_stop = nil -- a signal may come later
  self.closed = true
  self.link:close()
  if self.code_box then
    self.code_box:close()
  end
end

Stimulator.__close = Stimulator.close

--- A stimulator that is not connected yet.
---@param job moonpulse.Job { driver, thresholds, timing, tolerance, late, stop_line, stop_reason };
---   job.on_stop(reason) is set here
---@param record moonpulse.Record
---@return moonpulse.Stimulator to be closed
function M.new(job, record)
  local driver = job.driver
  local self = setmetatable({
    job = job, driver = driver, record = record,
    latency_ns = math.floor(driver.latency * 1e9),
    slow_ns = patiences.ns(driver, driver.reply_slow or driver.reply_timeout),
    task = core.current(), starts_before = 0, over_ns = 0, contact_ns = 0,
    settles_ns = 0, last = {}, lookers = {},
  }, Stimulator)
  local alive, slow = driver.keepalive, driver.reply_slow or driver.reply_timeout
  self.proof_ns = patiences.ns(driver, (alive and alive.answered and alive.period or driver.reply_timeout)
    + 4 * slow) -- the answer counts twice that sooner, and may take twice that
  self.listening = listenings.new(driver, record)
  self.link = links.new(driver, {
    reply = function(...) self:reply(...) end,
    outcome = function(outcome) self:outcome(outcome) end,
    triggers = function(...)
      if self.ahead then
        self.ahead.heard(...)
      end
      self:wake()
    end,
    untold = function(...)
      if self.ahead then
        self.ahead.lost(...)
      end
    end,
    gone = function(message, which)
      if self.watching then
        self.fault = self.fault or which == "trigger" and leaving.trigger_is_lost(self)
          or core.stops.gone.words .. ": " .. message
      end
      self:wake()
    end,
  })
  self.listening.dialect = self.link.dialect
  job.on_stop = function(reason) self:interrupt(reason) end
  return self
end

return M
