--- stim:watch: the device is armed, and something else fires it over its trigger input: a closed-loop
--- device, a pedal, neuronavigation. What comes is counted, judged and recorded, and limits disarm it.
local blame = require "moonpulse.text.author_line"
local core = require "moonpulse.core"
local lower = require "moonpulse.lowering"
local numbers = require "moonpulse.text.numbers"
local outside = require "moonpulse.stimulator.outside"
local refusals = require "moonpulse.text.refusal"
local value_words = require "moonpulse.text.value_words"

local M = {}

local who = "stim:watch"
local known = { count = "number", refractory = "number", timeout = "number" }
local most_count, longest_s = 100000, 1e6

local function seconds_ns(key, value)
  if not math.type(value) or not (value > 0 and value <= longest_s) then
    blame.fail("stim:watch: %s must be seconds above 0, at most %d, not %s", key, longest_s,
      value_words.shown(value))
  end
  return math.floor(value * 1e9 + 0.5)
end

--- The options as they are used.
---@param options table
---@param now_ns integer of the call (monotonic)
---@return table rule
local function rule_of(options, now_ns)
  blame.options(who, options, known)
  local count = options.count
  if math.type(count) ~= "integer" or count < 1 or count > most_count then
    blame.fail("stim:watch: count must be a whole number from 1 to %d, not %s", most_count,
      value_words.shown(count))
  end
  local timeout_ns = seconds_ns("timeout", options.timeout)
  return { count = count, refractory_ns = seconds_ns("refractory", options.refractory), called_ns = now_ns,
    timeout_ns = timeout_ns, until_ns = now_ns + timeout_ns }
end

--- Raise where the plan is no pulse that something else can fire.
---@param plan moonpulse.Plan
local function check(plan)
  local totals = plan:totals()
  if totals.pulses ~= 1 or totals.marks > 0 or totals.span > 0 then
    blame.fail("stim:watch: it must be one pulse, like mp.pulse(mp.mso(45)), as each trigger fires one; this "
      .. "plan has %s and takes %s", numbers.counted(totals.pulses, "pulse"), numbers.seconds(totals.span))
  elseif totals.coded then
    blame.fail("stim:watch: the pulse has an event code, and codes are given with pulses that Moonpulse "
      .. "sends: leave it out, and let the device that fires mark its pulses")
  end
end

--- Raise where the device would not tell of such pulses by itself.
---@param stimulator moonpulse.Stimulator
local function check_device(stimulator)
  local driver = stimulator.driver
  if driver.trigger then
    blame.fail("stim:watch: with --trigger this run fires the stimulator over its trigger input itself: "
      .. "leave --trigger out")
  elseif not driver.trigger_confirms or driver.confirms == false then
    blame.fail("stim:watch: %s does not tell of pulses that something else fires, so nobody could count or "
      .. "judge them: take a stimulator that does (a MagPro), or let the trigger come to Moonpulse and fire "
      .. "with stim:on_trigger", driver.description)
  end
end

--- Raise where the pulse would be none that a trigger fires, or could not come again so soon.
---@param admitted moonpulse.Admitted
---@param limits moonpulse.Limits
---@param rule table
local function check_action(admitted, limits, rule)
  local action = admitted.first
  if action.train then
    blame.fail("stim:watch: the plan is %s, and a trigger fires one pulse", lower.describe(action))
  end
  local least_ns = math.ceil(limits.shortest_interval(action) * 1e9)
  if rule.count > 1 and rule.refractory_ns < least_ns then
    blame.fail("stim:watch: the stimulator gives no two pulses closer than %s (%s): make refractory at least "
      .. "as long", numbers.seconds(math.ceil(least_ns / 1000) / 1e6), limits.why)
  end
end

--- Of a run that is told what an earlier one was told: its pulses come again, each reported when it was then.
local function give_again(device, was, over)
  local simulator, start_ns = device.simulator, device.stimulator.record.start_ns
  core.spawn(function()
    for _, since_ns in ipairs(was.pulses) do
      local left_ns = start_ns + since_ns - simulator:reports_ns() - core.clock_ns()
      if left_ns > 0 then
        core.wait(left_ns / 1e9)
      end
      if over() then
        return
      end
      simulator:fired()
    end
  end)
end

--- When it was called for: in a run that is told what an earlier one was told, when it was then.
---@param device moonpulse.ExperimentDevice
---@return integer now_ns
---@return table? was
local function called(device)
  local recall = device.heard.recall
  local was = recall and recall:watch(device.heard:part())
  if was then
    device.waiting:until_ns(device.stimulator.record.start_ns + was.from_ns)
  end
  return was and device.stimulator.record.start_ns + was.from_ns or core.clock_ns(), was
end

--- Watch: the device is at the pulse's setting, and all is admitted.
---@param device moonpulse.ExperimentDevice
---@param watching { plan: moonpulse.Plan, rule: table, admitted: moonpulse.Admitted, was: table?,
---   worst: moonpulse.Admitted, first: integer, begins: fun() }
---@return integer pulses
---@return "count"|"timeout"|nil why
local function perform(device, watching)
  local stimulator, show, rule, admitted = device.stimulator, device.show, watching.rule, watching.admitted
  local record, was, over = stimulator.record, watching.was, false
  local action, prepared = admitted.first, nil
  local how = { count = rule.count, refractory_ns = rule.refractory_ns, until_ns = rule.until_ns }
  if was and was.stopped_ns then
    how.until_ns = math.min(how.until_ns, record.start_ns + was.stopped_ns)
  end
  function how.took(at_ns, text, value, verdict)
    device.plays = device.plays + 1
    show:external(device.plays, admitted, prepared, at_ns, verdict)
    record:external(at_ns, text, value, verdict == "otherwise")
    device.dose:gave_unasked((at_ns - device.zero_ns) / 1e9, action)
    stimulator.last[stimulator:output_of(action)] = { action = action, at_ns = at_ns, fired_ns = at_ns }
  end
  function how.sooner(apart_ns)
    show:say(("a pulse from outside came %s after the one before, sooner than refractory = %s: disarmed")
      :format(numbers.seconds(apart_ns / 1e9), numbers.seconds(rule.refractory_ns / 1e9)))
  end
  local why = outside.watch(stimulator, how, function()
    watching.begins()
    prepared = show:watches(watching.first, rule, admitted, watching.worst)
    device.dose:judged(watching.worst.report)
    if was then
      give_again(device, was, function() return over end)
    end
  end)
  over = true
  why = not (was and was.stopped_ns) and why or nil
  show:watched(watching.first, how, why)
  return how.pulses, why
end

--- Raise what ended it, unless that was its own end.
---@param stimulator moonpulse.Stimulator
---@param why string?
local function check_end(stimulator, why)
  local left = stimulator.left
  if why and left and left.not_disarmed then
    refusals.fault("NOT CONFIRMED SAFE: " .. left.not_disarmed)
  end
  stimulator:check_fault()
  if not why or stimulator.stopped ~= "finished" then
    refusals.stopped(stimulator.stopped)
  end
end

--- The verb: see moonpulse.ExperimentDevice.watch.
---@param self moonpulse.ExperimentDevice
---@param help table of stim_verbs: what the verbs have in common
---@param plan moonpulse.Plan
---@param options table
---@param counts fun() as of moonpulse.Heard.try
---@param begins fun() likewise
---@param refused boolean? likewise
---@return integer pulses
---@return string why
function M.run(self, help, plan, options, counts, begins, refused)
  local stimulator, show = self.stimulator, self.show
  if stimulator.list then
    blame.fail("stim:watch: pulses from outside are counted on one device only: run that one alone, or let "
      .. "the trigger come to Moonpulse (stim:on_trigger)")
  end
  help.check_plan(who, plan)
  check(plan)
  check_device(stimulator)
  local now_ns, was = core.clock_ns(), nil
  if not refused then
    now_ns, was = called(self)
  end
  local rule = rule_of(options, now_ns)
  local turn <close> = self.turns:take("play", who) -- luacheck: ignore 211
  help.must_be_armed(who, self)
  local first, seed = self.plays + 1, show:seed_of(self.plays + 1)
  local all = plan:times(rule.count, { every = options.refractory })
  show:check_room(who, all, rule.count)
  local worst, admitted = help.admit(self, all, seed, 0, nil, true), help.admit(self, plan, seed, 0)
  check_action(admitted, stimulator.driver.limits(stimulator.identity), rule)
  self:gives()
  local ok, problem, why = pcall(function()
    begins()
    help.make_ready(self, who, admitted)
    help.note_channels(self, plan, seed)
    return perform(self, { plan = plan, rule = rule, admitted = admitted, worst = worst,
      first = first, was = was, begins = counts })
  end)
  self:gave()
  show:played()
  if not ok then
    error(problem, 0)
  end
  check_end(stimulator, why)
  self.waiting.check()
  return problem, why
end

return M
