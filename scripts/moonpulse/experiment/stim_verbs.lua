--- The stimulator as an experiment's script has it: run:device().
local admission = require "moonpulse.stimulator.admission"
local blame = require "moonpulse.text.author_line"
local compose = require "moonpulse.compose"
local core = require "moonpulse.core"
local doses = require "moonpulse.experiment.dose"
local handles = require "moonpulse.experiment.handle"
local outputs = require "moonpulse.driver.outputs"
local places = require "moonpulse.experiment.places"
local refusals = require "moonpulse.text.refusal"
local retold = require "moonpulse.experiment.retold"
local starting = require "moonpulse.stimulator.starting"
local stimulators = require "moonpulse.stimulator"
local turns = require "moonpulse.experiment.turns"

local M = {}

---@class moonpulse.ExperimentDevice
local Device = {}
Device.__index = Device

local fire_ahead_ns, play_ahead_ns = 20000000, 200000000 -- from the call to the first frame
local soonest_ns = 5000000 -- the same, where the script says when
local long_ns = 50000000 -- judging that takes so long is felt elsewhere
local play_known = { at = "?number" }

--- What run:device() gives: a stimulator that is connected.
---@param stimulator moonpulse.Stimulator
---@param show table of moonpulse.run.experiment_log
---@param waiting table of moonpulse.experiment.waiting
---@param heard moonpulse.Heard
---@param zero_ns integer what the script's clock counts from (monotonic)
---@return moonpulse.ExperimentDevice
function M.new(stimulator, show, waiting, heard, zero_ns)
  local dose, before_ns = doses.new(stimulator.job), stimulator.record.start_ns - zero_ns
  dose:hear(stimulator.list or { stimulator }, before_ns)
  local self = setmetatable({ stimulator = stimulator, show = show, waiting = waiting, heard = heard,
    plays = 0, past = heard.past, zero_ns = zero_ns, before_ns = before_ns, channels = {}, given = {},
    dose = dose, turns = turns.new(waiting) }, Device)
  places.begin(self)
  return self
end

--- Do what may refuse a plan. Refusals are tables with a code; here they also get the script's line.
local function refusing(action, ...)
  local ok, result = pcall(action, ...)
  if ok then
    return result
  elseif type(result) == "table" and result.code then
    local origin = blame.origin()
    result.message = origin ~= "" and origin .. ": " .. result.message or result.message
  end
  error(result, 0)
end

--- A monotonic instant in seconds of the script's clock: from the run's start.
local function since_start(self, ns)
  return (ns - self.zero_ns) / 1e9
end

--- Check a plan for the earliest instant at which the device can give it.
---@param ahead_ns integer from now to the first frame
---@param at_ns integer? when the script wants it: where it is too soon for that, it is not played
---@param may boolean? it is of starts that may come
local function admit(self, plan, seed, ahead_ns, at_ns, may)
  local stimulator = self.stimulator
  return refusing(stimulator.admit, stimulator, plan, seed, self.dose:before(function(lowering, firsts)
    return since_start(self, math.max(at_ns or 0, stimulator:bound(lowering, firsts, ahead_ns)))
  end, may))
end

local function check_plan(who, plan)
  if not compose.is_plan(plan) then
    blame.fail("%s: a plan is needed, like mp.pulse(mp.mso(45)), not %s", who, type(plan))
  end
end

--- Arming failed or was stopped: the device is made safe and asked, and a fault keeps its words.
local function give_up(stimulator, problem)
  if refusals.is_fault(problem) then
    stimulator.fault = stimulator.fault or problem.message
  end
  stimulator:stop(stimulators.reason_of(problem))
  local left = stimulator:leave()
  if refusals.is_fault(problem) and left.not_disarmed then
    problem.message = ("%s; NOT CONFIRMED SAFE: %s"):format(problem.message, left.not_disarmed)
  end
end

--- Where a hand sets the intensities of a plan: that it does, before the stimulator is armed for it.
---@param admitted moonpulse.Admitted
function Device:set_by_hand(admitted)
  local text = self.stimulator:by_hand(admitted)
  if text then
    self.show:by_hand(text, text ~= self.hand_text, function(question) return self.ask(question) end)
    self.hand_text = text
  end
end

--- Whose pulses a plan's are that have no channel: of the one stimulator.
---@param _ string the verb, for messages
---@param plan any
---@return any
function Device.placed(_, _, plan)
  return plan
end

local function arm(self, who, plan, counts, begins)
  local stimulator = self.stimulator
  if plan ~= nil then
    check_plan(who, plan)
    plan = self:placed(who, plan)
  end
  local turn <close> = self.turns:take("arm", who) -- luacheck: ignore 211
  if stimulator.armed then
    blame.fail("stim:arm: the stimulator is armed already%s", places.armed(self))
  end
  local admitted = plan and admit(self, plan, self.show:seed_of(self.plays + 1), 0)
  admitted = admitted and admitted.first and admitted or nil -- one of marks says nothing of how to arm
  begins()
  if admitted then
    self:set_by_hand(admitted)
  end
  local first = admitted and admitted.first or starting.weakest(stimulator, "1")
  self.heard:when("arm", core.clock_ns() - stimulator.record.start_ns)
  counts()
  self.show:arming()
  local ok, problem = pcall(stimulator.arm, stimulator, first, admitted and admitted.actions or { first },
    admitted and admitted.firsts, admitted)
  if not ok and stimulator.armed then
    give_up(stimulator, problem)
  end
  if not ok then
    error(problem, 0)
  end
  stimulator.watching, self.asked_to_stop = true, false
  self.heard:armed()
  self.show:armed((stimulator.link.session:realtime()))
end

--- Arm the stimulator. Returns when the device itself says that it is armed.
---@param plan moonpulse.Plan? that comes first: the device is set up for it; nil: it is armed at its weakest
---@param who string? the verb that arms, where it is another one (moonpulse.experiment.retold)
function Device:arm(plan, who)
  self.heard:try(who or "stim:arm", function(...) return arm(self, who or "stim:arm", plan, ...) end)
end

--- Stop for good or until the next arm: the safe frame goes out at once and ends what goes on, then the
--- device is asked; also those that play a plan with it. Several at once are one.
---@param who string the function, for messages
---@param reason string "finished", "requested", or why the run ends
---@return moonpulse.Left? left as of moonpulse.Stimulator:leave; nil where nothing was armed
function Device:make_safe(who, reason)
  local stimulator, was_armed, is_apart = self.stimulator, false, false
  if self.plays_on then
    stimulator, is_apart = stimulator:sharing(self.plays_on)
  end
  self.turns:stop(who, function()
    was_armed = stimulator.armed or stimulator.leaving
    stimulator:stop(reason)
    -- an arming that was stopped asks the device: what is asked now must not be disturbed
    if self.turns.running and not stimulator.leaving then
      stimulator.link:halt(reason)
    end
  end, function()
    if stimulator.armed or stimulator.leaving then
      stimulator:leave()
    else
      stimulator.link:resume() -- a question was ended, and others may follow
    end
  end, function() return stimulator.owes_leave or false end, is_apart)
  return was_armed and stimulator.left or nil
end

local function must_be_safe(left)
  if left and left.not_disarmed then
    refusals.fault("NOT CONFIRMED SAFE: " .. left.not_disarmed)
  elseif left and left.found then
    refusals.fault(left.found)
  end
end

--- Disarm the stimulator; stim:arm() arms it again. First it is heard whether what it timed itself was given,
--- unless a plan is ended by this.
function Device:disarm()
  self.heard:when("disarm", core.clock_ns() - self.stimulator.record.start_ns)
  self.stimulator:prove(function() return not self.playing end)
  must_be_safe(self:make_safe("stim:disarm", "finished"))
end

--- run:stop(): the same, and unless stim:arm() follows the run ends as stopped on request.
function Device:stop()
  local stimulator = self.stimulator
  self.asked_to_stop = true -- from now on, whatever else ends meanwhile
  local left = self:make_safe("run:stop", "requested")
  if not stimulator.armed and (stimulator.stopped or "finished") == "finished" then
    stimulator.stopped = "requested" -- it was not armed, or a disarm was faster
  end
  must_be_safe(left)
end

local function must_be_armed(who, self)
  local stimulator = self.stimulator
  local requested = stimulator.stopped == "requested"
  if stimulator.ready then
    return
  elseif requested and self.turns.stopping then -- by another part of the script: this one ends with it
    refusals.stopped("requested", ("%s: %s: %s: stim:arm() must come first"):format(blame.origin(), who,
      core.stops.requested.words))
  end
  blame.fail("%s: the stimulator is not armed%s: call stim:arm() first", who,
    requested and " any more (run:stop)" or "")
end

--- When a plan is wanted (monotonic nanoseconds); nil: as soon as can be.
local function wanted_at(self, who, at)
  if at ~= nil and (not math.type(at) or at ~= at or math.abs(at) > 1e9) then
    blame.fail("%s: at must be seconds from the run's start, like run:now() + 0.5, not %s", who,
      tostring(at))
  end
  return at and self.zero_ns + math.floor(at * 1e9 + 0.5)
end

---@class moonpulse.WhenReady
---@field ready_ns integer of set()
---@field told boolean was the device told another setting for the plan?
---@field ahead_ns integer from now to the first frame
---@field at_ns integer? when the script wants the plan
---@field then_ns integer? when an earlier run began it

--- When the plan starts, as the script says or as soon as it can (monotonic nanoseconds).
---@param when moonpulse.WhenReady
local function choose_start(self, who, admitted, when)
  local stimulator, at_ns = self.stimulator, when.at_ns
  if not at_ns then -- with room to judge it for then
    return math.max(when.then_ns or math.mininteger, starting.stretched(self,
      stimulator:earliest(admitted, when.ready_ns, when.ahead_ns + 2 * admitted.judging_ns)))
  end
  local earliest_ns, why = stimulator:earliest(admitted, when.ready_ns, soonest_ns)
  if at_ns < earliest_ns then
    blame.fail("%s: at = %.6f s is too soon: the stimulator can be ready at %.6f s: %s", who,
      since_start(self, at_ns), since_start(self, earliest_ns),
      starting.too_soon(stimulator, why, earliest_ns - at_ns, soonest_ns / 1e9, admitted.first, when.told))
  end
  return at_ns
end

--- The same, and the plan is judged for just then: the start is known only now that the device is set, and
--- nothing of the plan has been sent.
---@param when moonpulse.WhenReady
local function judged_start(self, who, admitted, when)
  local stimulator = self.stimulator
  while true do
    local start_ns = choose_start(self, who, admitted, when)
    local at_s = self.dose:behind(since_start(self, start_ns))
    if at_s == admitted.judged_s then
      return start_ns
    end
    if admitted.judging_ns > long_ns then -- the loop must have its turn
      core.wait(0)
      stimulator:check_stop()
    end
    refusing(admitted.again or admission.again, admitted, at_s)
    if start_ns >= stimulator:earliest(admitted, when.ready_ns, soonest_ns) then
      return start_ns
    end
  end
end

--- Bring the device to the plan's first action, as admit() left it: when it is ready, and what it was told
--- for that.
local function set_first(self, who, admitted)
  if not admitted.first then -- a plan of marks
    return core.clock_ns(), {}
  end
  local ready_ns, told, what = self.stimulator:set(admitted.firsts, admitted.actions, admitted)
  if not ready_ns then
    local several = #admitted.firsts > 1 and (" on channel %s"):format(what.channel) or ""
    refusals.raise("limit", "%s: %s: the stimulator cannot be brought to %g %%MSO%s while armed (%s): "
      .. "stim:disarm(), then stim:arm(plan)", blame.origin(), who, what.mso, several, told)
  end
  return ready_ns, told
end

--- The channels that plans had so far.
local function note_channels(self, plan, seed)
  if (self.stimulator.driver.settings or {}).channels then
    for _, action in ipairs(core.schedule(plan, seed):actions()) do
      self.channels[action.channel] = true
    end
  end
end

--- The channels that the driver's option names and no plan had; none as long as nothing was played.
---@return string[]
function Device:unused_channels()
  local names = {}
  for name in pairs(self.channels) do
    names[#names + 1] = name
  end
  return names[1] and outputs.unused(names, self.stimulator.driver) or {}
end

--- A plan is given from now on: samples of a signal (run:signal) do not count then.
---@param those moonpulse.Stimulator[]? of several: which of them
function Device:gives(those)
  self.playing, self.plays_on = true, those
  self.given[#self.given + 1] = { from_ns = core.clock_ns() }
end

--- It is over, or was stopped.
function Device:gave()
  self.playing, self.plays_on = false, nil
  self.given[#self.given].until_ns = core.clock_ns()
end

--- What was played is over, or was stopped. Raises what ended it; else gives back what it is given.
---@param ok boolean
---@param problem any
---@param sum_up fun()? said in the record, however it ended
function Device:played(ok, problem, sum_up, ...)
  local stimulator = self.stimulator
  self:gave()
  -- what a device was told of a train, and cannot say that it gave up, may come
  self.dose:ended((not ok or stimulator.stopped)
    and since_start(self, math.max(core.clock_ns(), stimulator:may_play_until())) or nil)
  self.show:played()
  if sum_up then
    sum_up()
  end
  if not ok then
    error(problem, 0)
  end
  self.waiting.check()
  if stimulator.stopped then
    refusals.stopped(stimulator.stopped)
  end
  return ...
end

--- Wait until an earlier run turned to this part's next plan, and say when it started then (monotonic); nil:
--- it did not, or there is none. Other parts of the script have their turns until then.
local function recalled(self, ahead_ns)
  local was = self.heard.recall and self.heard.recall:next_play(self.heard:part())
  if not was then
    return nil
  end
  self.heard.await(math.min(was.from_ns, was.start_ns - ahead_ns, was.told_ns or math.maxinteger))
  return self.stimulator.record.start_ns + was.start_ns
end

local function play(self, who, plan, options, ahead_ns, counts, begins, refused)
  local stimulator, show = self.stimulator, self.show
  check_plan(who, plan)
  plan = self:placed(who, plan)
  if type(options) == "table" and next(options) == nil then
    blame.fail("%s: {} does not say when (is its value nil?): write { at = run:now() + 0.5 }, or %s(plan) "
      .. "for as soon as can be", who, who)
  end
  options = blame.options(who, options or {}, play_known)
  local then_ns = not refused and recalled(self, ahead_ns) or nil
  local turn <close> = self.turns:take("play", who) -- luacheck: ignore 211
  must_be_armed(who, self)
  local number, at_ns = self.plays + 1, wanted_at(self, who, options.at)
  if refused or then_ns then
    at_ns = nil
  end
  local admitted = admit(self, plan, show:seed_of(number), at_ns and soonest_ns or ahead_ns, at_ns)
  show:check_room(who, plan)
  self:gives(admitted.those)
  local ok, problem = pcall(function()
    begins()
    local ready_ns, told = set_first(self, who, admitted)
    local start_ns = judged_start(self, who, admitted, { ready_ns = ready_ns, told = told[1] ~= nil,
      ahead_ns = ahead_ns, at_ns = at_ns, then_ns = then_ns })
    counts() -- from here on: what was refused does not
    self.heard:plays()
    self.plays, self.given[#self.given].from_ns = number, start_ns
    self.dose:begins(plan, admitted.seed, admitted.report, since_start(self, start_ns))
    show:next_play(number, admitted, start_ns)
    note_channels(self, plan, admitted.seed)
    stimulator:play(admitted, {
      number = number, start_ns = start_ns,
      on_start = function(from_ns) show:starts(from_ns) end,
      progress = function(elapsed) show:progress(elapsed) end,
    })
  end)
  self:played(ok, problem)
  return (self.before_ns + self.heard:start(stimulator.start_ns - stimulator.record.start_ns, number)) / 1e9
end

--- Play a plan; returns when its last pulse is confirmed, or its last mark was passed. Raises where a stop
--- came.
---@param plan moonpulse.Plan
---@param options { at: number? }? when it starts, in seconds from the run's start
---@return number start when it started, in seconds from the run's start
function Device:play(plan, options)
  return self.heard:try("stim:play", function(...)
    return play(self, "stim:play", plan, options, play_ahead_ns, ...)
  end)
end

--- The same, but as soon as possible: for single pulses and pairs, and the marks of a catch trial.
---@param plan moonpulse.Plan
---@param options { at: number? }?
---@return number start
function Device:fire(plan, options)
  return self.heard:try("stim:fire", function(...)
    return play(self, "stim:fire", plan, options, fire_ahead_ns, ...)
  end)
end

--- Bring the device to the plan, and wait until it is there: the engine starts it by itself from then on.
local function make_ready(self, who, admitted)
  local earliest_ns = self.stimulator:earliest(admitted, set_first(self, who, admitted), 0)
  while core.clock_ns() < earliest_ns do -- a trigger that comes meanwhile ends a wait, too
    self.waiting:wait(math.max(0, earliest_ns - core.clock_ns() + 1) / 1e9)
  end
end

--- What the files of the longer verbs need of this one.
local help = { check_plan = check_plan, admit = admit, must_be_armed = must_be_armed, make_ready = make_ready,
  note_channels = note_channels, since_start = since_start, play_ahead_ns = play_ahead_ns }

--- Arm a plan ahead: the engine starts it at each trigger, without the script and its 20 ms. Returns when it
--- was started count times, when the timeout is over, or in virtual time when no trigger is left to come.
--- The safety gate judges the worst that may come: count starts, each the refractory time after the last.
---@param plan moonpulse.Plan of one intensity on each output
---@param options { count: integer, refractory: number, byte: integer?, line: string?, edge: string?,
---   every: integer?, delay: number?, timeout: number?, window: table?, gate: string? } refractory: seconds
---   from one start to the next, at least; byte: of the trigger, any without it; line, edge: an edge of that
---   line of --trigger-in lines:PATH instead, "rising" if nothing is said; every: each n-th; delay: seconds
---   from the trigger to the plan's start; window: { least, most } seconds from the trigger before, with
---   from = "call" from the call;
---   gate: "cts", "dsr", "ri" or "cd", a line of the triggers' port: high while triggers may start it
---@return integer starts
---@return integer triggers that came meanwhile, of that byte
function Device:on_trigger(plan, options)
  local told = self.heard:try("stim:on_trigger", function(...)
    return table.pack(require("moonpulse.experiment.on_trigger").run(self, help, plan, options, ...))
  end)
  return told[1], self.heard:reading("on_trigger", { came = told[2] }).came
end

--- The device is armed, and something else fires it over its trigger input: take its pulses until count of
--- them came or the timeout is over. Then it is disarmed; a pulse sooner than refractory after the one before
--- stops the run (reason "refractory"). The safety gate judges the worst that may come: count pulses, each
--- the refractory time after the last.
---@param plan moonpulse.Plan one pulse
---@param options { count: integer, refractory: number, timeout: number } refractory, timeout: seconds
---@return integer pulses that came; more than count where they did before the device was disarmed
---@return "count"|"timeout" why it is over
function Device:watch(plan, options)
  local told = self.heard:try("stim:watch", function(...)
    return table.pack(require("moonpulse.experiment.watch").run(self, help, plan, options, ...))
  end)
  local was = self.heard:reading("watch", { pulses = told[1], why = told[2] })
  return was.pulses, was.why
end

--- What the device says about itself now: the fields of its driver's status.
---@return moonpulse.Reply
function Device:status()
  places.one(self, "stim:status")
  local turn <close> = self.turns:take("status", "stim:status") -- luacheck: ignore 211
  return handles.copy(self.heard:reading("status", self.stimulator.driver.status(self.stimulator.link)))
end

--- What the device allows.
---@return moonpulse.Limits
function Device:limits()
  places.one(self, "stim:limits")
  return handles.copy(self.heard:reading("limits", self.stimulator.driver.limits(self.stimulator.identity)))
end

--- Who the device said it is.
---@return moonpulse.Identity
function Device:identity()
  places.one(self, "stim:identity")
  return handles.copy(self.heard:reading("identity", self.stimulator.identity))
end

--- Is it armed, as the device itself has said, and not being stopped?
---@return boolean
function Device:armed()
  return self.heard:is_armed(self.stimulator.ready == true)
end

retold.first(Device, help)

local kind = handles.kind("stim", Device, { "arm", "play", "fire", "on_trigger", "watch", "disarm", "status",
  "limits", "identity", "armed" })

--- What a script holds of it.
---@return moonpulse.ExperimentDevice
function Device:handle()
  return handles.new(kind, self)
end

return M
