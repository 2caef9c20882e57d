--- A protocol's run: everything is known before the first pulse.
local admission = require "moonpulse.stimulator.admission"
local begins = require "moonpulse.run.begin_journal"
local conditions = require "moonpulse.record.conditions"
local core = require "moonpulse.core"
local ending = require "moonpulse.run.ending"
local keeping = require "moonpulse.run.keeping"
local live = require "moonpulse.run.live_line"
local lower = require "moonpulse.lowering"
local manifests = require "moonpulse.run.manifest"
local numbers = require "moonpulse.text.numbers"
local progresses = require "moonpulse.text.progress"
local refusals = require "moonpulse.text.refusal"
local run_safety = require "moonpulse.run.safety"
local sessions = require "moonpulse.safety.sessions"
local start = require "moonpulse.run.begin"
local stops = require "moonpulse.run.stop_sources"

local line = ending.line

local M = {}

--- What the run calls while it goes on.
local function hooks_of(context)
  local record, screen = context.record, context.screen
  return {
    connected = function(identity, backend, i)
      start.connected(context, identity, backend, i)
    end,
    prepared = function(job)
      if job.claim then
        job.claim(context)
      end
      manifests.tell_flight(context)
      begins.begin(context)
      manifests.write(context, "running")
    end,
    armed = function(realtime, waited_ns)
      context.realtime, context.waited_s = realtime, waited_ns and waited_ns / 1e9
      line("timing", realtime) -- it is armed: no file is replaced until it is not
      io.stdout:flush()
    end,
    progress = function(elapsed)
      context.elapsed = math.max(0, elapsed)
      screen:update(context.elapsed, record.pulses_sent,
        context.speed == 1 and record.pulses_sent > 0 and record.worst_us or nil)
    end,
  }
end

--- On several devices: each has its own folder in the run's, with its flight record.
local function execute_together(context, options, simulated, hooks)
  local job, record, facts = context.job, context.record, context.facts
  local rigs, parts = require "moonpulse.run.together", require "moonpulse.record.together"
  local in_virtual_time = simulated and options.speed ~= 1
  parts.divide(record, job.several)
  parts.make_folders(record, options.share_with_group)
  for _, part in ipairs(record.together.parts) do
    part.feed, part.markers = record.feed, record.markers and record.markers:of_part()
    local opened, message = true, nil
    if not in_virtual_time then
      opened, message = part:open_flight(facts.pulses, facts.marks, false, job.codes ~= nil)
    end
    if not opened then
      refusals.raise("limit", "%s", message)
    end
  end
  if in_virtual_time then
    return rigs.inside(job, record, options.speed, hooks)
  end
  return rigs.outside(job, record, simulated, hooks, function(i, path)
    context.device.devices[i].port = path
  end)
end

local function execute(context, options, simulated)
  local job, hooks = context.job, hooks_of(context)
  if job.several then
    return execute_together(context, options, simulated, hooks)
  end
  if simulated and options.speed ~= 1 then
    job.cuts = options.speed == "max" and not context.record.feed and { near = true, far = true } or nil
    return require("moonpulse.run.inside").run(job, context.record, options.speed, hooks)
  end
  local opened, message = context.record:open_flight(context.facts.pulses, context.facts.marks, false,
    job.codes ~= nil)
  if not opened then
    refusals.raise("limit", "%s", message)
  end
  return start.with_port(context, options, simulated, function(path)
    return require("moonpulse.run.play").run(job, path, context.record, hooks)
  end)
end

--- Check the plan against one device that was named, before anything is opened.
local function check_one(job, facts)
  local bar <close> = progresses.new()
  local ok, result = pcall(admission.admit, {
    plan = job.plan, seed = job.seed, driver = job.driver, thresholds = job.thresholds,
    timing = job.timing, policy = job.policy, codes = job.codes, own = job.own, markless = job.markless,
    progress = function(walked, total, of)
      bar:show("checking", walked, total or facts.pulses + facts.marks, of)
    end,
  })
  if ok then
    return result
  elseif type(result) == "table" then -- a refusal carries its own code
    refusals.raise(result.code, "%s", result.message)
  end
  error(result, 0)
end

--- The same of each device that there is.
---@return moonpulse.Admitted[] one, or one for each of several
---@return moonpulse.Report
local function check(job, facts)
  if not job.several then
    local admitted = check_one(job, facts)
    return { admitted }, admitted.report
  end
  local rigs, all = require "moonpulse.run.together", {}
  for i, each in ipairs(rigs.jobs(job)) do
    all[i] = check_one(each, facts)
  end
  return all, require("moonpulse.stimulator.shared_plan").gravest(all)
end

--- What is said of each device's part.
local function announce_device(job, admitted)
  for i, text in ipairs(lower.dose(admitted.own, job.thresholds)) do
    line(i == 1 and "intensity" or "", text)
  end
  local by_hand = lower.by_hand(job.driver, nil, admitted.own)
  if by_hand then
    line("note", "%s", by_hand)
  end
  local no_room = lower.no_room(admitted.lowering, job.driver)
  if no_room then
    line("note", "%s", no_room)
  end
  start.notes(job.driver, not job.markless and job.codes or nil) -- several have one box
end

local function announce(job, facts, all, drawn)
  local begun = job.begins_at and require("moonpulse.record.begins").words { begins_at = job.begins_at }
  if begun then
    line("begins", "with %s", begun)
  end
  line("plan", "%s, %s from first to last pulse%s", numbers.counted(facts.pulses, "pulse"),
    numbers.duration(facts.first_to_last_s),
    (facts.random or drawn) and (", seed %d"):format(job.seed) or "")
  local coded = job.plan:totals().coded and require("moonpulse.stimulator.codes").words(job.plan, job.seed)
  if coded then
    line("event codes", "%s", coded)
  end
  for i, admitted in ipairs(all) do
    announce_device(job.jobs and job.jobs[i] or job, admitted)
  end
  start.say_codes(job, job.plan, function(text) line("note", "%s", text) end)
end

--- After a session, however it ended: what comes next, and when at the earliest.
local function say_next(context, whole)
  local policy, sent = context.job.policy, context.record.pulses_sent
  local schedule = policy.schedule
  if not policy.history or not schedule.scheduled or sent == 0 or context.device.simulated then
    return
  end
  local now, runs = os.time(), table.move(policy.history.runs, 1, #policy.history.runs, 1, {})
  local begun = context.job.begins_at
  local cut_of, broke_off = require("moonpulse.safety.same_session").cut(sent, context.facts.pulses, whole,
    begun)
  runs[#runs + 1] = { path = context.record.folder, continues = begun and begun.continues,
    protocol = context.job.protocol.id, at = schedule.place.now,
    ended = core.wall_ns() / 1e9,
    pulses = sent, cut_of = cut_of, broke_off = broke_off }
  line("next", "%s", sessions.of(context.job.protocol, { runs = runs }, now):upcoming())
end

--- Run it; leaves with an exit status where it does not complete.
---@param options table of the command
---@param given { driver: moonpulse.Driver, simulated: boolean, policy: moonpulse.Policy,
---   protocol: moonpulse.Protocol, plan: moonpulse.Plan, facts: moonpulse.Measured, values: table,
---   drawn: boolean, begins: moonpulse.Begins? }
function M.run(options, given)
  local job = start.job(options, given)
  if options.start_on then
    job.start_on = require("moonpulse.run.start_on").source(options, "protocol",
      require("moonpulse.experiment.trigger_file").of_options(options)) -- loaded for who waits
  end
  job.protocol, job.plan, job.begins_at, job.claim = given.protocol, given.plan, given.begins, given.claim
  job.policy.protocol = given.protocol
  local continues = given.begins and given.begins.continues
  job.policy.schedule = sessions.of(given.protocol, job.policy.history, nil, continues)
  if continues and job.policy.history then
    job.policy.history = require("moonpulse.safety.same_session").before(job.policy.history, continues)
  end
  local facts = given.facts
  job.several = given.several
  local all
  all, job.safety = check(job, facts)
  stops.listen_for_signals(job) -- before, nothing is open: a signal ends the program, whatever it computes
  print(job.protocol.name)
  run_safety.say_history(job.policy, line)
  run_safety.say(job, line)
  local refusal = start.ask(job, options, not given.simulated, facts)
  local record = start.make_record(job, options, refusal)
  local context = {
    job = job, facts = facts, record = record, parameters = manifests.text_values(given.values),
    values = given.values, drawn = given.drawn, conditions = {}, trials = {},
    speed = options.speed, screen = live.new(facts.pulses, facts.first_to_last_s, options.speed),
    device = start.device(options, given), device_options = options.device_option, sign = options.sign,
    xdf = options.xdf,
  }
  conditions.plan_into(context.conditions, context.trials, job.plan)
  if refusal then
    start.refuse(context, options, refusal)
  end
  announce(job, facts, all, given.drawn)
  local begun_ns = core.clock_ns()
  ending.tell_losses(context)
  local outcome = ending.attempt(context, function()
    keeping.begin(context, options)
    start.tell_others(context, options, given)
    job.can_pause = not job.several
    local typed = job.start_on and require("moonpulse.run.start_on").typed(job) or nil
    local keys <close> = stops.listen_for_keys(job, nil, typed) -- luacheck: ignore 211
    return execute(context, options, given.simulated)
  end)
  core.phase "closing"
  job.can_pause = nil
  -- signals stay caught: a second Ctrl-C must not end the closing of the record
  outcome.elapsed_s = (core.clock_ns() - begun_ns) / 1e9
  local at_end = outcome.stop == "finished" and facts.first_to_last_s or context.elapsed or 0
  context.screen:finish(at_end, record.pulses_sent,
    context.speed == 1 and record.worst_us or nil)
  local whole, problem = pcall(ending.conclude, context, outcome)
  say_next(context, whole)
  if not whole then
    error(problem, 0)
  end
end

return M
