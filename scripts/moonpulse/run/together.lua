--- A protocol's run on several devices: one plan, one clock. Each device has a stimulator of its own, with
--- its session, its sending thread and its guard, and gives the channels of the plan that are its; all start
--- at one instant, and a stop of any is a stop of all: the engine sees to that (mp_arming.stops), whatever
--- Lua does.
local blame = require "moonpulse.text.author_line"
local core = require "moonpulse.core"
local insides = require "moonpulse.simulation.inside"
local lefts = require "moonpulse.stimulator.left_of_several"
local plays = require "moonpulse.run.play"
local refusals = require "moonpulse.text.refusal"
local shared_plans = require "moonpulse.stimulator.shared_plan"
local stimulators = require "moonpulse.stimulator"
local stimuli = require "moonpulse.compose.stimuli"
local together = require "moonpulse.record.together"
local ones = require "moonpulse.stimulator.one_of_several"

local M = {}
local at = ones.call

---@class moonpulse.Rig the stimulators of a run
---@field list moonpulse.Stimulator[] in the order in which they were named
---@field record moonpulse.Record of them all
local Rig = {}
Rig.__index = Rig

--- What speaks for all of them where a run asks for its driver.
---@param devices moonpulse.RunDevice[]
---@return table as moonpulse.Driver, of what is only told
function M.driver(devices)
  local words, confirms, nerve = {}, false, false
  for i, each in ipairs(devices) do
    words[i] = ("%s: %s"):format(each.place, each.driver.description)
    confirms = confirms or each.driver.confirms ~= false
    nerve = nerve or each.driver.limits().nerve or false
  end
  return { name = "several", description = table.concat(words, "; "), confirms = confirms, settings = {},
    disarmed = "the stimulators say that they are disabled",
    limits = function() return { nerve = nerve } end }
end

--- What each of them is driven with.
---@param job moonpulse.Job with several; changed: gets jobs
---@return moonpulse.Job[] in the order of the devices: what one does not say is the run's
function M.jobs(job)
  job.jobs = {}
  for i, each in ipairs(job.several) do
    local own = {}
    for _, channel in ipairs(each.channels) do
      own[channel] = true
    end
    job.jobs[i] = setmetatable({ driver = each.driver, place = each.place, own = own, markless = i > 1,
      channels = each.channels, timing = "host" }, { __index = job })
  end
  return job.jobs
end

local function new(job, record)
  local self = setmetatable({ list = {}, record = record }, Rig)
  for i, each in ipairs(job.jobs) do
    local stimulator = stimulators.new(each, record.together.parts[i])
    stimulator.on_wake = function()
      self:look(stimulator)
      if self.on_wake then
        self.on_wake()
      end
    end
    self.list[i] = stimulator
  end
  ones.share_stop_line(self.list)
  self.link = self.list[1].link
  job.on_stop = function(reason)
    for _, stimulator in ipairs(self.list) do
      stimulator:interrupt(reason)
    end
  end
  self.job = job
  return self
end

--- Where one was stopped the others are by now, as the engine has it: who drives one of them ends, too.
---@param stimulator moonpulse.Stimulator that something happened to
function Rig:look(stimulator)
  local stop = stimulator.stopped
  if not stop or stop == "finished" or self.stopping then
    return
  end
  self.stopping = true
  for _, each in ipairs(self.list) do
    if each ~= stimulator and (each.armed or each.arming) and not each.stopped then
      each:interrupt "peer"
    end
  end
end

--- Close all: what is armed is made safe.
function Rig:close()
  self.job.on_stop = nil
  for _, stimulator in ipairs(self.list) do
    stimulator:close()
  end
end

Rig.__close = Rig.close

--- Raise if a stop came, whether or not anything is armed. For the wait for the start, as what follows.
function Rig:check_stop()
  if self.job.stop_reason then
    refusals.stopped(self.job.stop_reason)
  end
  self:check()
end

--- Raise what one of them did while it was not armed.
function Rig:check_fault()
  for _, stimulator in ipairs(self.list) do
    at(stimulator, stimulator.check_fault)
  end
end

--- A port that the run needs beside the devices' is lost: the run is over, for this reason.
---@param text string
function Rig:lost_with(text)
  self.list[1]:lost_with(text)
  self:stop "gone"
end

--- The earliest instant at which all of them can start; as of one stimulator.
---@param all moonpulse.Admitted[]
---@param ready_ns integer
---@param ahead_ns integer
---@return integer
function Rig:earliest(all, ready_ns, ahead_ns)
  local start_ns = 0
  for i, stimulator in ipairs(self.list) do
    start_ns = math.max(start_ns, (stimulator:earliest(all[i], ready_ns, ahead_ns)))
  end
  return start_ns
end

--- Raise if any was stopped: by its own reason, not by another's.
function Rig:check()
  for _, stimulator in ipairs(self.list) do
    if stimulator.stopped ~= "peer" then
      stimulator:check_stop()
    end
  end
end

--- Stop all, each as it is done alone.
---@param reason string name in core.stops
function Rig:stop(reason)
  for _, stimulator in ipairs(self.list) do
    pcall(stimulator.stop, stimulator, reason)
  end
end

--- Connect to all, and admit the plan for each. Raises a fault that names the device, or a refusal.
---@param ports string[] a path for each
---@param hooks moonpulse.Hooks
---@return moonpulse.Admitted[]
function Rig:prepare(ports, hooks)
  local job, all = self.job, {}
  for i, stimulator in ipairs(self.list) do
    local identity = at(stimulator, stimulator.connect, ports[i])
    hooks.connected(identity, (stimulator.link.session:backend()), i)
  end
  for i, stimulator in ipairs(self.list) do
    all[i] = stimulator:admit(job.plan, job.seed, nil, function()
      core.wait(0) -- nothing is armed: a stop is heard of here
      stimulator:check_stop()
    end)
  end
  shared_plans.complete(all)
  local map = stimuli.of(job.plan, job.seed)
  for i, stimulator in ipairs(self.list) do
    local own = job.jobs[i]
    own.lowering, own.actions, own.first = all[i].lowering, all[i].actions, all[i].first
    own.stimuli = map
    stimulator.record:set_actions(all[i].actions, own.driver, stimulator.slow_ns)
    stimulator.record:set_stimuli(map)
  end
  if job.markers then
    job.markers:plays(job.plan, job.seed, 0)
  end
  job.safety, job.stimuli = shared_plans.gravest(all), map
  return all
end

--- Arm all of them, one after the other, and wait for the trigger of their start where there is one. Raises a
--- fault that names the device, or a stop.
---@param all moonpulse.Admitted[]
---@param hooks moonpulse.Hooks
---@param starting moonpulse.Starting?
---@return integer start_ns at which all of them start (monotonic)
function Rig:arm(all, hooks, starting)
  local waited_ns = 0
  if starting then
    starting:begin()
    starting:await(false)
  end
  for i, stimulator in ipairs(self.list) do
    at(stimulator, stimulator.arm, all[i].first, all[i].own, all[i].firsts)
    waited_ns = waited_ns + (stimulator.link.waited_ns or 0)
    self.armed = true
    self:check()
  end
  hooks.armed(self.list[1].link.session:realtime(), waited_ns)
  if starting then
    starting:await(true)
    return starting:start_ns(all)
  end
  return self:earliest(all, 0, stimulators.lead_in_ns)
end

--- The plan begins: the audit trail has it once.
local function begun(job, start_ns)
  if job.audit then
    job.plays_from_ns = start_ns
    job.audit:tell("play", { play = 1, plan = "resolved.plan", seed = tostring(job.seed), start_ns = start_ns,
      from_ns = core.clock_ns(), pulses = job.plan:totals().pulses })
  end
end

--- The part of one is over, and others may go on for long: it is made safe now. One that was left armed
--- would disarm itself after a minute, as some do, and stop the others with it. Raises a fault where it does
--- not say that it is safe.
---@param stimulator moonpulse.Stimulator
local function finish(stimulator)
  if stimulator.stopped then
    return
  end
  stimulator:stop "finished"
  local left = stimulator:leave()
  if left.not_disarmed then
    refusals.fault "its part of the plan is over, and it does not say that it is disarmed"
  end
end

--- Play on all of them at once, and wait until each has come to its end. Raises what one of them raised.
---@param all moonpulse.Admitted[]
---@param start_ns integer of arm()
---@param hooks moonpulse.Hooks
function Rig:play(all, start_ns, hooks)
  local task, open, problem = core.current(), #self.list, nil
  local how = { start_ns = start_ns, progress = function(elapsed)
    together.count(self.record)
    self.record:sync()
    hooks.progress(elapsed)
  end }
  self.record.start_ns = start_ns
  if self.record.markers then
    self.record.markers:start(start_ns)
  end
  begun(self.job, start_ns)
  for i, stimulator in ipairs(self.list) do
    core.spawn(function()
      local ok, why = pcall(function()
        at(stimulator, stimulator.play, all[i], how)
        if hooks.played and open == 1 then
          hooks.played()
        end
        stimulator:recover()
        at(stimulator, finish)
      end)
      if not ok then
        problem = problem or why
        self:stop(stimulators.reason_of(why))
      end
      open = open - 1
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

--- Ask each that was armed how it was left.
---@return moonpulse.Left
function Rig:leave()
  local list = {}
  for i, stimulator in ipairs(self.list) do
    if stimulator.armed or stimulator.left then
      local asked, left = pcall(stimulator.leave, stimulator)
      left = asked and left or { stop = stimulator.stopped, fault = stimulator.fault,
        not_disarmed = blame.text(left) }
      list[i] = { job = stimulator.job, left = left }
    else -- it was not armed: nothing could be sent
      list[i] = { job = stimulator.job, left = { stop = stimulator.stopped, fault = stimulator.fault,
        safe_sent = true, disarmed = true } }
    end
  end
  together.count(self.record)
  return lefts.sum(list)
end

--- Is any of them armed, or was it?
local function any_armed(self)
  for _, stimulator in ipairs(self.list) do
    if stimulator.armed or stimulator.left then
      return true
    end
  end
end

--- Run job on the devices at these ports.
---@param job moonpulse.Job as for moonpulse.run.play, with several and jobs
---@param ports string[] a path for each device
---@param record moonpulse.Record divided among the devices
---@param hooks moonpulse.Hooks
---@return moonpulse.Ended outcome
function M.run(job, ports, record, hooks)
  local rig <close> = new(job, record)
  -- loaded for who waits
  local starting <close> = job.start_on and require("moonpulse.run.start_on").open(job, rig) or nil
  local all = rig:prepare(ports, hooks)
  hooks.prepared(job)
  -- from here on every way out passes leave()
  local done, problem = pcall(function()
    local start_ns = rig:arm(all, hooks, starting)
    rig:play(all, start_ns, hooks)
    rig:stop "finished"
  end)
  if not done and not any_armed(rig) then
    error(problem, 0)
  elseif not done then
    rig:stop(stimulators.reason_of(problem))
  end
  local left = rig:leave()
  return done and left or plays.explain({ stopped = left.stop }, problem, left)
end

--- Simulators, one after another to be closed.
local Simulators = { __close = function(self)
  for i = #self, 1, -1 do
    self[i]:close()
  end
end }

--- Start a simulator for each device.
---@param job moonpulse.Job with several
---@param record moonpulse.Record divided
---@param start fun(driver: moonpulse.Driver, log: string, wrong: string?): table
---@return table[] to be closed
---@return string[] ports
local function start_simulators(job, record, start)
  local list <const>, ports = setmetatable({}, Simulators), {}
  local ok, problem = pcall(function()
    for i, each in ipairs(job.several) do
      list[i] = start(each.driver, record.together.parts[i].folder .. "/twin.tsv",
        each.fault and each.fault.text)
      ports[i] = list[i].path
    end
  end)
  if not ok then
    Simulators.__close(list)
    error(problem, 0)
  end
  return list, ports
end

--- The same in virtual time, on simulators in this process.
---@param job moonpulse.Job
---@param record moonpulse.Record divided
---@param speed number|"max"
---@param hooks moonpulse.Hooks
---@return moonpulse.Ended outcome with took_s and virtual_s, as of moonpulse.run.inside
function M.inside(job, record, speed, hooks)
  if not pcall(core.current) then
    return core.run(M.inside, job, record, speed, hooks)
  end
  local time <close> = require("moonpulse.simulation.virtual_time").begin(speed)
  local simulators <close>, ports = start_simulators(job, record, insides.start) -- luacheck: ignore 211
  local timed = setmetatable({
    armed = function(...)
      hooks.armed(...)
      time.start()
    end,
    played = function() time.stop() end,
  }, { __index = hooks })
  local outcome = M.run(job, ports, record, timed)
  outcome.took_s, outcome.virtual_s = time.took()
  return outcome
end

--- Call use(ports, simulator) with a port for each device: those that were named, or those of simulators, in
--- processes of their own or, in virtual time, in this one.
---@param job moonpulse.Job
---@param record moonpulse.Record divided
---@param simulated boolean
---@param use fun(ports: string[], simulator: table?): moonpulse.Ended simulator: the first one's
---@param tell fun(i: integer, path: string) where the simulator of a device is
---@return moonpulse.Ended what use returned
function M.with_ports(job, record, simulated, use, tell)
  local ports = {}
  for i, each in ipairs(job.several) do
    ports[i] = each.port
  end
  if not simulated then
    return use(ports)
  end
  local inside = core.is_virtual()
  local simulators <close>, paths = start_simulators(job, record, inside and insides.start
    or require("moonpulse.simulation.process").start)
  for i, path in ipairs(inside and {} or paths) do
    tell(i, path)
  end
  local done, outcome = pcall(use, paths, simulators[1])
  if type(outcome) == "table" and rawget(outcome, "not_disarmed") then
    for _, simulator in ipairs(simulators) do
      simulator:hung()
    end
  end
  if not done then
    error(outcome, 0)
  end
  return outcome
end

--- In real time, on the ports that were named, or on simulators in processes of their own.
---@param job moonpulse.Job
---@param record moonpulse.Record divided
---@param simulated boolean
---@param hooks moonpulse.Hooks
---@param tell fun(i: integer, path: string) where the simulator of a device is
---@return moonpulse.Ended outcome
function M.outside(job, record, simulated, hooks, tell)
  return M.with_ports(job, record, simulated, function(ports)
    return M.run(job, ports, record, hooks)
  end, tell)
end

return M
