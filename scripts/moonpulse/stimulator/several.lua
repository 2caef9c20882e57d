--- The stimulators of an experiment's run, as if they were one: what a script asks of them all at once goes
--- to each, and a plan starts at one instant on all those whose channels it has. some() gives the same of one
--- of them. A stop of any is a stop of all: the engine sees to that (mp_arming.stops).
local admission = require "moonpulse.stimulator.admission"
local core = require "moonpulse.core"
local deadlines = require "moonpulse.stimulator.deadlines"
local lefts = require "moonpulse.stimulator.left_of_several"
local lower = require "moonpulse.lowering"
local refusals = require "moonpulse.text.refusal"
local shared_plans = require "moonpulse.stimulator.shared_plan"
local starting = require "moonpulse.stimulator.starting"
local stimulators = require "moonpulse.stimulator"
local ones = require "moonpulse.stimulator.one_of_several"

local M = {}
local at = ones.call

---@class moonpulse.Stimulators
---@field list moonpulse.Stimulator[] in the order in which they were named
---@field all moonpulse.Stimulators those of the run
---@field job moonpulse.Job of the run
---@field record moonpulse.Record of all
local Stimulators = {}

--- What is known of them together, by the name that it has of one.
local facts = {}

for _, name in ipairs { "armed", "arming", "leaving", "ready", "watching", "fault", "too_late",
  "owes_leave" } do
  facts[name] = function(self)
    local found
    for _, each in ipairs(self.list) do
      found = found or each[name]
    end
    return found
  end
end

local gravity = { finished = 1, peer = 2, requested = 3 } -- all others are faults, or somebody's outside

--- Why they stopped: the gravest reason. That one was disarmed, as its script asked for, stops nothing of
--- those that are armed. Of a part of them it may be one of the others'.
function facts.stopped(self)
  local reason
  for _, each in ipairs(self.list) do
    local own = each.stopped
    if own and (own ~= "finished" or each.armed or not self.armed)
      and (not reason or (gravity[own] or 4) > (gravity[reason] or 4)) then
      reason = own
    end
  end
  return reason == "peer" and self.all ~= self and self.all.stopped or reason
end

--- How those that were left were left.
function facts.left(self)
  return lefts.of(self.list)
end

function facts.slow_ns(self)
  local slowest = 0
  for _, each in ipairs(self.list) do
    slowest = math.max(slowest, each.slow_ns)
  end
  return slowest
end

Stimulators.__index = function(self, key)
  local fact = facts[key]
  return fact and fact(self) or not fact and Stimulators[key] or nil
end

--- Where one was stopped the others are by now, as the engine has it: who drives one of them ends, too.
local function look(self, stimulator)
  local stop = stimulator.stopped
  if not stop or stop == "finished" or stop == "peer" or self.stopping then
    return
  end
  self.stopping = true
  for _, each in ipairs(self.list) do
    if each ~= stimulator and (each.armed or each.arming) and not each.stopped and not each.leaving then
      each:interrupt "peer"
    end
  end
  self.stopping = nil
end

--- What all of them can give.
local function limits_of(list)
  local range = { min = 0, max = math.huge, step = 0 }
  local nerve = false
  for _, each in ipairs(list) do
    local limits = each.driver.limits(each.identity)
    local own = limits.intensity
    range.min, range.max = math.max(range.min, own.min), math.min(range.max, own.max)
    range.step, nerve = math.max(range.step, own.step), nerve or limits.nerve or false
  end
  return { intensity = range, nerve = nerve }
end

--- Questions and stops of all.
local function link_of(list)
  local link = { session = list[1].link.session }
  for _, name in ipairs { "halt", "resume" } do
    link[name] = function(_, ...)
      for _, each in ipairs(list) do
        each.link[name](each.link, ...)
      end
    end
  end
  return link
end

local function group(list, job, record, driver, all)
  local self = setmetatable({ list = list, job = job, record = record }, Stimulators)
  self.all = all or self
  if list[2] or not all then
    self.driver = setmetatable({ limits = function() return limits_of(list) end }, { __index = driver })
    self.link, self.identity = link_of(list), {}
  else -- its questions are asked of itself
    local one = list[1]
    self.driver, self.link, self.listening, self.identity = one.driver, one.link, one.listening, one.identity
  end
  return self
end

--- The stimulators of a run, none of which is connected yet.
---@param job moonpulse.Job with several and jobs; job.on_stop(reason) is set here
---@param record moonpulse.Record divided among them
---@return moonpulse.Stimulators to be closed
function M.new(job, record)
  local list, self = {}, nil
  for i, each in ipairs(job.jobs) do
    local stimulator = stimulators.new(each, record.together.parts[i])
    stimulator.on_wake = function()
      look(self, stimulator)
      if self.on_wake then
        self.on_wake()
      end
    end
    stimulator.on_set = function(action, told_ns, at_ns)
      self.on_set(action, told_ns, at_ns, stimulator)
    end
    list[i] = stimulator
  end
  ones.share_stop_line(list)
  self = group(list, job, record, job.driver)
  job.on_stop = function(reason) self:interrupt(reason) end
  return self
end

--- Some of them, as if there were no others.
---@param place string what the command calls the device
---@return moonpulse.Stimulators? nil: none is called so
function Stimulators:some(place)
  for _, each in ipairs(self.all.list) do
    if each.job.place == place then
      local one = group({ each }, self.job, self.record, each.driver, self.all)
      one.place = place
      return one
    end
  end
end

--- These, and where one of them plays a plan all that play it: what is stopped of a plan ends all of it.
---@param playing moonpulse.Stimulator[]
---@return moonpulse.Stimulators
---@return boolean is_apart none of these plays it
function Stimulators:sharing(playing)
  local wanted, shares = {}, false
  for _, each in ipairs(self.list) do
    wanted[each] = true
  end
  for _, each in ipairs(playing) do
    shares = shares or wanted[each]
  end
  if not shares then
    return self, true
  end
  for _, each in ipairs(playing) do
    wanted[each] = true
  end
  local list = {}
  for _, each in ipairs(self.all.list) do
    list[#list + 1] = wanted[each] and each or nil
  end
  return list[#self.list + 1] and group(list, self.job, self.record, self.driver, self.all) or self, false
end

--- Connect to all. Raises a fault that names the device.
---@param ports string[] a path for each
---@param connected fun(identity: moonpulse.Identity, backend: string, i: integer)
function Stimulators:connect(ports, connected)
  for i, each in ipairs(self.list) do
    local identity = at(each, each.connect, ports[i])
    connected(identity, (each.link.session:backend()), i)
  end
end

--- Raise if a stop came.
function Stimulators:check_stop()
  local reason = self.job.stop_reason or self.stopped
  if reason then
    refusals.stopped(reason)
  end
end

--- Raise what one of them did while it was not armed.
function Stimulators:check_fault()
  for _, each in ipairs(self.list) do
    at(each, each.check_fault)
  end
end

--- Which of them give pulses of the plan; of a plan of marks the first that is armed.
local function those_of(self, plan, seed)
  local channels, taken = {}, {}
  for _, action in ipairs(core.schedule(plan, seed):actions()) do
    channels[action.channel] = true
  end
  for _, each in ipairs(self.list) do
    for channel in pairs(each.job.own) do
      if channels[channel] and taken[#taken] ~= each then
        taken[#taken + 1] = each
      end
    end
  end
  for _, each in ipairs(self.list) do -- an engine that is armed can pass marks
    taken[1] = taken[1] or each.ready and each or nil
  end
  return taken[1] and taken or { self.list[1] }
end

--- What is admitted of one may be judged once more, with that of the others.
local function again(made, at_s)
  made.judging_ns = 0
  for _, each in ipairs(made.all) do
    admission.again(each, at_s)
    made.judging_ns = made.judging_ns + each.judging_ns
  end
  made.judged_s, made.report = at_s, shared_plans.gravest(made.all)
end

--- Check a plan against each device that it has channels of. Raises a refusal { code, message }.
---@param plan moonpulse.Plan each pulse of which has a channel of one of them
---@param seed integer
---@param dose table? as of moonpulse.Stimulator:admit
---@return moonpulse.Admitted with all: of each; those: which
function Stimulators:admit(plan, seed, dose)
  local made = { plan = plan, seed = seed, all = {}, those = those_of(self, plan, seed), firsts = {},
    in_order = {}, judging_ns = 0, again = again }
  for i, each in ipairs(made.those) do
    each.job.markless = i > 1
    local one = each:admit(plan, seed, dose and { earlier = dose.earlier, may = dose.may,
      starts = function(...)
        self.bounded = each
        return dose.starts(...)
      end })
    made.all[i] = one
    for _, first in ipairs(one.firsts) do
      made.firsts[#made.firsts + 1] = first
    end
    for _, action in ipairs(lower.in_order(one.lowering, one.actions)) do
      made.in_order[#made.in_order + 1] = action
    end
    made.judging_ns = made.judging_ns + one.judging_ns
    made.judged_s = one.judged_s and math.max(one.judged_s, made.judged_s or one.judged_s)
  end
  shared_plans.complete(made.all)
  made.actions, made.lowering = made.all[1].actions, made.all[1].lowering
  made.first, made.report = made.firsts[1] and made.firsts[1].action, shared_plans.gravest(made.all)
  return made
end

--- As of moonpulse.stimulator.starting, of the one that is being admitted.
---@param lowering moonpulse.core.Lowering
---@param firsts moonpulse.First[]
---@param ahead_ns integer
---@return integer
function Stimulators:bound(lowering, firsts, ahead_ns)
  return starting.bound(self.bounded, lowering, firsts, ahead_ns)
end

--- The earliest instant at which what was admitted may start on all of them; as of one stimulator.
---@param admitted moonpulse.Admitted
---@param ready_ns integer
---@param ahead_ns integer
---@return integer
---@return "call"|"setting"|"pulse"
function Stimulators.earliest(_, admitted, ready_ns, ahead_ns)
  local start_ns, why = math.mininteger, nil
  for i, each in ipairs(admitted.those) do
    local its_ns, its_why = each:earliest(admitted.all[i], ready_ns, ahead_ns)
    if its_ns > start_ns then
      start_ns, why = its_ns, its_why
    end
  end
  return start_ns, why
end

--- Where a hand sets intensities: which. A sentence; nil where the devices set them.
---@param admitted moonpulse.Admitted
---@return string?
function Stimulators.by_hand(_, admitted)
  local texts = {}
  for i, each in ipairs(admitted.those) do
    local one = admitted.all[i]
    local text = lower.by_hand(each.driver, each.identity, lower.in_order(one.lowering, one.actions), "now")
    texts[#texts + 1] = text and ("%s: %s"):format(each.job.place, text) or nil
  end
  return texts[1] and table.concat(texts, "; ") or nil
end

--- Arm those that the plan has pulses of; without a plan all, each at its weakest.
---@param admitted moonpulse.Admitted?
function Stimulators:arm(_, _, _, admitted)
  self.stopped, self.all.stopped = nil, nil
  for _, each in ipairs(self.all.list) do -- of a stop that the script asked for: its decision, as of one
    each.stopped = (each.stopped == "requested" or each.stopped == "peer") and "finished" or each.stopped
  end
  for i, each in ipairs(admitted and admitted.those or self.list) do
    local one = admitted and admitted.all[i]
    local first = one and one.first or starting.weakest(each, each.job.channels[1])
    at(each, each.arm, first, one and one.own or { first }, one and one.firsts)
    each.watching = true
    self:check_stop()
  end
end

--- Bring those that the plan has pulses of to its first actions; as of moonpulse.stimulator.setting.
---@param _ moonpulse.First[]
---@param _ moonpulse.Action[]
---@param admitted moonpulse.Admitted
function Stimulators.set(_, _, _, admitted)
  local latest_ns, told = 0, {}
  for i, each in ipairs(admitted.those) do
    local one = admitted.all[i]
    if one.first and not each.ready then
      return nil, each.job.place .. " is not armed", one.first
    elseif one.first then
      local ready_ns, its, what = at(each, each.set, one.firsts, one.own)
      if not ready_ns then
        return nil, ("%s: %s"):format(each.job.place, its), what
      end
      latest_ns = math.max(latest_ns, ready_ns)
      table.move(its, 1, #its, #told + 1, told)
    end
  end
  return latest_ns > 0 and latest_ns or core.clock_ns(), told
end

--- Where only one may be played on: that one, and what was admitted for it.
---@param admitted moonpulse.Admitted
---@return moonpulse.Stimulator? nil: the plan has pulses of several
---@return moonpulse.Admitted
function Stimulators.only(_, admitted)
  return not admitted.those[2] and admitted.those[1] or nil, admitted.all[1]
end

--- Play what was admitted, on all at one instant; returns when it is over on each. Raises what one of them
--- raised: the others are stopped then.
---@param admitted moonpulse.Admitted
---@param how moonpulse.Playing with start_ns
function Stimulators:play(admitted, how)
  local task, open, problem = core.current(), #admitted.those, nil
  self.start_ns = how.start_ns
  how.on_start(how.start_ns)
  for i, each in ipairs(admitted.those) do
    each.busy = true -- it is looked after by who plays on it
    core.spawn(function()
      local ok, why = pcall(at, each, each.play, admitted.all[i], { number = how.number,
        start_ns = how.start_ns, progress = how.progress })
      if not ok then
        problem = problem or why
        self.all:stop(stimulators.reason_of(why))
      end
      open, each.busy = open - 1, nil
      task:wake()
    end)
  end
  while open > 0 do
    core.wait()
  end
  if problem then
    error(problem, 0)
  end
end

--- What of a train that was cut may go on; as of one.
function Stimulators:may_play_until()
  local last_ns = 0
  for _, each in ipairs(self.list) do
    last_ns = math.max(last_ns, each:may_play_until())
  end
  return last_ns
end

--- Each of these of each of them.
for _, name in ipairs { "stop", "prove", "recover", "interrupt", "close", "await_codes" } do
  Stimulators[name] = function(self, ...)
    for _, each in ipairs(self.list) do
      each[name](each, ...)
    end
  end
end

Stimulators.__close = function(self)
  self.job.on_stop = nil
  self:close()
end

--- Look at those that are armed, and that nobody plays on.
function Stimulators:watch()
  for _, each in ipairs(self.list) do
    if each.watching and not each.busy then
      each:watch()
    end
  end
end

--- When they are looked at next, as of moonpulse.stimulator.deadlines.
---@param real_s number
---@return number
function Stimulators:next_s(real_s)
  local next_s = deadlines.next_s(self.list[1], real_s)
  for _, each in ipairs(self.list) do
    next_s = math.min(next_s, deadlines.next_s(each, real_s))
  end
  return next_s
end

--- Ask each that was armed how it was left.
---@return moonpulse.Left
function Stimulators:leave()
  local problem
  for _, each in ipairs(self.list) do
    if each.armed or each.leaving then
      local asked, why = pcall(each.leave, each)
      problem = problem or not asked and why or nil
    end
  end
  if problem then
    error(problem, 0)
  end
  return self.left
end

--- A port that the run needs beside the devices' is lost: the run is over, for this reason.
---@param text string
function Stimulators:lost_with(text)
  self.list[1]:lost_with(text)
  self:stop "gone"
end

return M
