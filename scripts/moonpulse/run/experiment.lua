--- An experiment's run: the script in a coroutine on the loop, one stimulator, one record.
local begins = require "moonpulse.run.begin_journal"
local blame = require "moonpulse.text.author_line"
local building = require "moonpulse.compose.context"
local core = require "moonpulse.core"
local devices = require "moonpulse.experiment.stim_verbs"
local draws = require "moonpulse.experiment.draws"
local ends_again = require "moonpulse.experiment.ends_again"
local ending = require "moonpulse.run.ending"
local escapes = require "moonpulse.text.escapes"
local experiments = require "moonpulse.experiment"
local heards = require "moonpulse.experiment.heard"
local idle_watch = require "moonpulse.run.idle_watch"
local keeping = require "moonpulse.run.keeping"
local keyboards = require "moonpulse.experiment.ask"
local look_bounds = require "moonpulse.run.look_bounds"
local numbers = require "moonpulse.text.numbers"
local manifests = require "moonpulse.run.manifest"
local objects = require "moonpulse.experiment.run_verbs"
local pasts = require "moonpulse.experiment.past"
local protocols = require "moonpulse.protocol"
local refusals = require "moonpulse.text.refusal"
local run_safety = require "moonpulse.run.safety"
local sandbox = require "moonpulse.protocol.sandbox"
local shells = require "moonpulse.experiment.shell"
local shows = require "moonpulse.run.experiment_log"
local start = require "moonpulse.run.begin"
local stimulators = require "moonpulse.stimulator"
local stops = require "moonpulse.run.stop_sources"
local stuck = require "moonpulse.experiment.stuck"
local trigger_files = require "moonpulse.experiment.trigger_file"
local triggers = require "moonpulse.experiment.wait_trigger"
local virtual_time = require "moonpulse.simulation.virtual_time"
local waitings = require "moonpulse.experiment.waiting"

local M = {}

local most_pulses = 100000 -- what the flight record is made for: 20 MB, cut to what was used

--- Raise where the run is over for whoever asks.
local function check_of(stage, looking)
  return function()
    local stopped = stage.job.stop_reason or stage.stimulator.stopped
    if looking and not stage.failure then
      look_bounds.check(core.clock_ns() - stage.record.start_ns)
    end
    if stage.failure then
      error(stage.failure, 0)
    elseif stopped and not core.stops[stopped].asked_for then
      refusals.stopped(stopped)
    elseif stage.over then
      refusals.stopped("finished")
    end
  end
end

--- run:stop(why)
local function stop_of(stage)
  return function(why)
    if why ~= nil and type(why) ~= "string" then
      blame.fail("run:stop: why must be a text, not %s", type(why))
    end
    -- the manifest and the journal say the same, whatever its bytes are; on one line, and obeyed by nobody
    why = why and escapes.shown((blame.text(why):gsub("%s", " ")))
    stage.waiting.check()
    stage.heard:when("stop", core.clock_ns() - stage.record.start_ns)
    ends_again.await(stage, true)
    stage.why, stage.job.audit.why = why, why
    local at_ns = core.clock_ns()
    stage.waiting:stop() -- what waits now, not what the script does next
    local done, problem = pcall(stage.device.stop, stage.device)
    stage.mark("stop requested" .. (why and ": " .. why or ""), at_ns) -- last: a full disk stops nothing
    if not done then
      error(problem, 0)
    end
  end
end

--- A script's error as text, but for those of our own making. Its __tostring is the script's as well, so this
--- is done while the script can be interrupted.
local function plain(problem)
  local own = refusals.is_stopped(problem) or refusals.is_fault(problem)
    or type(problem) == "table" and refusals.status[rawget(problem, "code")]
  return own and problem or blame.text(problem)
end

--- run:spawn(task): its error becomes the script's, at the script's next wait.
local function spawn_of(stage)
  return function(task)
    core.spawn(function()
      stage.heard:begin_part()
      stuck.guard()
      local ok, problem = pcall(function()
        stage.heard:turn()
        task()
        stage.heard:end_part()
      end)
      problem = not ok and plain(problem)
      stuck.over(stage)
      if ok or not ends_again.is_end(stage, problem) then
        return
      end
      ends_again.await(stage)
      if not stage.failure then
        stage.failure, stage.failed_ns = problem, core.clock_ns()
        stage.stimulator:stop(stimulators.reason_of(problem))
        stage.waiting:wake()
      end
    end)
  end
end

--- Everything that the script reaches through run.
local function make_stage(context, stimulator, journal, looking)
  local job = context.job
  local stage = { job = job, record = context.record, stimulator = stimulator,
    draws = draws.new(job.seed), past = context.past }
  stage.zero_ns = stage.record.start_ns - stage.past.over_ns
  stage.waiting = waitings.new(check_of(stage, looking), looking and function()
    return look_bounds.left_s(core.clock_ns() - stage.record.start_ns)
  end or nil)
  stimulator.on_wake = function() stage.waiting:wake() end
  local show = shows.new(context, journal, stage.draws)
  show:of_stimulator(stimulator)
  stimulator.on_set = function(...) show:set(...) end
  stage.heard = heards.new(job.audit, context.recall, function(at_ns)
    stage.waiting:until_ns(stage.record.start_ns + at_ns)
  end, stage.past)
  stage.past.waiting, stage.past.part = stage.waiting, function() return stage.heard:part() end
  if looking then
    sandbox.on_outside(function() stage.heard:other "outside" end)
  end
  stage.device = devices.new(stimulator, show, stage.waiting, stage.heard, stage.zero_ns)
  stage.triggers = triggers.new(stage.waiting, stimulator.link.session, function(text)
    stimulator:lost_with(text)
  end, function(text)
    show:mark(text, nil, { passed_over = true })
    show:say(text)
  end, stage.heard)
  function stage.triggers.tell_stream(text)
    stage.tell("stream", { text = text })
    show:say(text)
  end
  if stage.past.triggers then
    stage.triggers.queue.log:had(stage.past.triggers, stage.zero_ns)
  end
  stage.device.triggers = stage.triggers
  stage.device.mark = function(...) stage.mark(...) end
  stage.device.tell = function(...) stage.tell(...) end
  stage.mark, stage.own_mark = function(...) show:mark(...) end, function(text) show:own_mark(text) end
  stage.row_text = function(text) return show:row_text(text) end
  stage.coded_mark = function(...) show:coded_mark(...) end
  stage.tell = function(kind, entry, at_ns) job.audit:tell(kind, entry, at_ns) end
  stage.say = function(text) show:say(text) end
  show:hear_measures(stage)
  stage.stop, stage.spawn = stop_of(stage), spawn_of(stage)
  function stage.past.on_over()
    show:say(("goes on, behind %s of %s"):format(numbers.counted(stage.past.pulses, "pulse"),
      job.begins_at and job.begins_at.continues or "the run before"))
  end
  return stage
end

--- A script's error as text, or its driver's; refusals are tables with a code.
local function text_and_code(problem, driver)
  if type(problem) == "table" then
    return blame.text(problem), problem.code
  end
  local drivers = driver.file and problem:sub(1, #driver.file + 1) == driver.file .. ":"
  return ("error in the %s: %s"):format(drivers and "driver" or "script", problem), "usage"
end

--- How it ended; the device is safe when this returns.
local function outcome_of(stage, ok, problem)
  local stimulator, job, over_ns = stage.stimulator, stage.job, core.clock_ns()
  if ok then
    stimulator:recover()
  end
  stage.over = true -- nothing is armed again, whatever the script spawned, which hears of the end from now on
  for _, each in ipairs(stimulator.list or { stimulator }) do
    each.stop_asked_ns = each.stop_asked_ns or core.clock_ns()
  end
  stops.hear() -- a signal that ended a script says now which one it was
  local asked, trouble = pcall(stage.device.make_safe, stage.device, "run",
    ok and "finished" or stimulators.reason_of(problem))
  if ok then
    stimulator:await_codes() -- the device is safe: the box has the rest without it
  end
  local left, stopped = stimulator.left or {}, stimulator.stopped
  if not asked then -- a driver's callback failed meanwhile
    left = { not_disarmed = blame.text(trouble) }
  end
  local outcome = { fault = left.fault or stimulator.fault, too_late = stimulator.too_late,
    disarmed = left.disarmed, not_disarmed = left.not_disarmed, place = left.place, driver = left.driver }
  local failed = not ok and not refusals.is_stopped(problem)
  if failed and stopped == "device" and refusals.is_fault(problem) then
    outcome.fault = outcome.fault or problem.message
  end
  if job.stop_reason or stopped and not core.stops[stopped].asked_for and stopped ~= "error" then
    outcome.stop = job.stop_reason or stopped
    if stopped and not core.stops[stopped].asked_for and stopped ~= "error" then
      outcome.stop = stopped -- the first reason stays
    end
    outcome.text = stopped == "stuck" and stage.stuck_at or nil
  elseif failed and refusals.is_fault(problem) then
    outcome.stop, outcome.fault = "device", outcome.fault or problem.message
  elseif failed then
    outcome.stop = "error"
    outcome.text, outcome.code = text_and_code(problem, job.driver)
    -- the device is safe: a full disk changes nothing
    pcall(stage.mark, outcome.text, stage.failed_ns or over_ns)
  elseif stopped == "requested" or stage.device.asked_to_stop and ok then
    outcome.stop = "requested"
    outcome.text = core.stops.requested.words .. (stage.why and " (" .. stage.why .. ")" or "")
  else
    outcome.stop = ok and "finished" or stimulators.reason_of(problem)
    outcome.text = outcome.stop == "stuck" and stage.stuck_at or nil -- in virtual time, and not armed
  end
  return outcome
end

--- A channel that no plan had, though channels= names it: most likely one of the two is misspelt.
local function tell_unused(stage)
  for _, name in ipairs(stage.device:unused_channels()) do
    local text = ("CHECK THE NAMES: --device-option channels= names %q, and no plan that was played had "
      .. "such a channel"):format(name)
    pcall(stage.mark, text)
    stage.say(text)
  end
end

--- The script may do what its author may, or, where it is only looked at, nothing but what run gives it.
local function let_out(stage, options)
  building.script_in((stage.job.protocol.file or "."):match("^(.*)/[^/]*$") or ".")
  if options.look then
    return experiments.look(stage.job.protocol, options.protocol, options.kept,
      options.kept and shells.exit(stage))
  end
  experiments.open(stage.job.protocol) -- with copies of what there is now
end

--- With --start-on the script begins when its trigger has come.
local function start_on(stage)
  local job = stage.job
  if not job.start_on then
    return
  end
  local starts, spec = require "moonpulse.run.start_on", job.start_on.spec
  local at_ns, facts = starts.await(stage.triggers, spec, stage.tell)
  job.start_on.facts = facts
  stage.mark(("trigger: %s starts the run"):format(spec.line and starts.name(spec) or "byte " .. facts.byte),
    at_ns)
end

--- Where triggers come from, and in virtual time what else comes from outside.
local function hear_from(stage, context, options, simulator)
  if options.trigger_in then
    stage.triggers:open(options.trigger_in, math.tointeger(options.trigger_baud) or 115200)
  elseif core.is_virtual() then
    for _, entry in ipairs(simulator:can_be_fired() and {} or context.triggers or {}) do
      if entry.fires then
        refusals.raise("usage", "--triggers: \"device pulse\": the simulator of %s has no trigger input",
          context.job.driver.name)
      end
    end
    stage.triggers:play(context.triggers or {}, options.triggers, simulator)
    stage.device.simulator = simulator
  end
end

--- Who is asked, and by what keys the script is stopped.
local function keyboard_of(stage, context, options)
  local typed_trigger = options.trigger_in == triggers.keys and stops.keys_to(context.job, function(bytes)
    stage.triggers:typed(bytes)
  end) or nil
  local keyboard = keyboards.new(stage.waiting, function(typed)
    return not options.look and stops.listen_for_keys(context.job, true, typed or typed_trigger) or nil
  end, context.answers or options.look and {} or nil, options.answers, options.recorded, stage.heard,
    options.answers_told, options.refused_answers)
  context.keyboard = keyboard -- of other programs
  function keyboard.tell_keys()
    if keyboard.keys and not context.keys_told then
      context.keys_told = true
      stops.tell_keys(context.job)
    end
  end
  stage.keyboard, keyboard.tell, keyboard.start_ns = keyboard, stage.tell, context.record.start_ns
  stage.device.ask = function(question) return keyboard:ask(question, true) end
  return keyboard
end

--- With --answers lsl:NAME another program answers: what is to be closed; nil without.
local function sampled_answers(stage, path)
  return path and require("moonpulse.experiment.sampled_answers").open(path, stage.keyboard, stage.waiting,
    stage.device.show.due, stage.triggers.tell_stream) or nil
end

--- The stimulator, or the stimulators.
local function new_stimulator(job, record)
  if job.several then -- loaded for who has more than one
    return require("moonpulse.stimulator.several").new(job, record)
  end
  return stimulators.new(job, record)
end

--- Connect, to all that there are.
---@param path string|string[] a path for each
local function connect(context, stimulator, path)
  if stimulator.list then
    stimulator:connect(path, function(...) start.connected(context, ...) end)
    return manifests.tell_flight(context)
  end
  local identity = stimulator:connect(path)
  start.connected(context, identity, (stimulator.link.session:backend()))
end

--- Connect, run the script, leave the device safe.
local function perform(context, options, path, simulator)
  local job, record = context.job, context.record
  local stimulator <close> = new_stimulator(job, record)
  connect(context, stimulator, path)
  record:start(core.clock_ns())
  local journal = begins.begin(context, record.start_ns)
  context.past:keep(job.audit)
  local stage = make_stage(context, stimulator, journal, options.look)
  local listening <close> = stage.triggers
  local signals <close> = require("moonpulse.experiment.signal").list() -- luacheck: ignore 211
  stage.signals = signals
  hear_from(stage, context, options, simulator)
  local keyboard <close> = keyboard_of(stage, context, options)
  local sampled <close> = sampled_answers(stage, options.answers_from) -- luacheck: ignore 211
  listening:start(record.start_ns)
  manifests.write(context, "running")
  local watch <close> = idle_watch.begin(stage)
  local run = objects.new(stage, { params = protocols.guard(context.values), seed = job.seed,
    name = job.protocol.name })
  local shell <close> = not options.look and shells.open(stage) or nil -- luacheck: ignore 211
  let_out(stage, options)
  if job.claim then
    job.claim(context)
  end
  core.phase "script"
  ends_again.begin(context.recall)
  stuck.guard()
  local ok, problem = pcall(function()
    if keyboard.keys then -- once the script waits: at a prompt by then they are other ones
      core.spawn(function() keyboard.tell_keys() end)
    end
    start_on(stage)
    job.protocol.run(run)
    stage.past:must_be_over()
  end)
  problem = not ok and plain(problem)
  stuck.over(stage)
  if not ok and not options.answers then -- it was typed for the script; what comes from now on is the shell's
    core.forget_typed()
  end
  if ok or ends_again.is_end(stage, problem) then
    ends_again.await(stage)
  end
  core.phase "run"
  collectgarbage("restart") -- whatever the script did to it
  local outcome = outcome_of(stage, ok and not stage.failure, stage.failure or problem)
  tell_unused(stage)
  watch:wake()
  core.wait(0) -- what the script spawned ends
  if options.look then
    context.experiment.outside, context.experiment.until_other = sandbox.outside(), stage.heard.until_other
    context.experiment.parts = stage.heard.spawned
  end
  context.experiment.triggers = stage.triggers:counts()
  context.triggers_text = stage.triggers:summary()
  return outcome
end

--- What the options ask for that an experiment needs before anything is opened.
---@return string[]? answers
---@return table[]? triggers of moonpulse.experiment.trigger_file
local function read_options(options)
  local triggers_read = trigger_files.of_options(options)
  local answers, message
  if options.answers then
    answers, message = keyboards.read_answers(options.answers)
    answers = answers or refusals.raise("usage", "--answers: %s", message)
  end
  return answers, triggers_read
end

local function make_context(options, given, job, record)
  return {
    job = job, kind = "experiment", record = record, facts = { pulses = 0 }, speed = options.speed,
    look = options.look, recall = options.recall, past = options.past or pasts.new(),
    experiment = { plays = 0, staircases = {}, thresholds = {} }, found = {}, values = given.values,
    conditions = {}, trials = {},
    parameters = manifests.text_values(given.values), completed = "the script came to its end",
    device = start.device(options, given), device_options = options.device_option, sign = options.sign,
    xdf = options.xdf,
    screen = { finish = function() end }, -- each plan has a screen of its own
  }
end

--- One record of several devices: each has its own folder in the run's.
local function divide(context, options)
  local record, parts = context.record, require "moonpulse.record.together"
  parts.divide(record, context.job.several)
  parts.make_folders(record, options.share_with_group)
  for _, part in ipairs(record.together.parts) do
    part.feed, part.markers = record.feed, record.markers and record.markers:of_part()
  end
  require("moonpulse.record.together_script").begin(record)
end

--- Call use with the port of the device, or with those of several.
local function with_port(context, options, simulated, use)
  if not context.job.several then
    return start.with_port(context, options, simulated, use)
  end
  return require("moonpulse.run.together").with_ports(context.job, context.record, simulated, use,
    function(i, path) context.device.devices[i].port = path end)
end

--- Run it; leaves with an exit status where it does not come to its end.
---@param options table of the command
---@param given { driver: moonpulse.Driver, simulated: boolean, policy: moonpulse.Policy,
---   experiment: moonpulse.Experiment, values: table }
function M.run(options, given)
  local experiment = given.experiment
  experiment.name = experiment.name or experiment.id
  local answers, triggers_read = read_options(options)
  local job = start.job(options, given)
  if options.start_on then
    job.start_on = require("moonpulse.run.start_on").source(options, "experiment", triggers_read)
  end
  job.protocol, job.policy.protocol = experiment, experiment
  job.several = given.several
  if job.several then
    require("moonpulse.run.together").jobs(job)
  end
  local continues = options.continues -- of resume: not an option
  job.begins_at, job.claim = options.begins, continues and continues.claim
  if continues and job.policy.history then
    job.policy.history = require("moonpulse.safety.same_session").before(job.policy.history, continues.name,
      options.past.counts)
  end
  stops.listen_for_signals(job)
  print(experiment.name)
  run_safety.say_history(job.policy, ending.line)
  local refusal = start.ask(job, options, not given.simulated)
  local context = make_context(options, given, job, start.make_record(job, options, refusal))
  if refusal then
    start.refuse(context, options, refusal)
  end
  context.answers, context.triggers = answers, triggers_read
  ending.line("seed", "%d", job.seed)
  for i, each in ipairs(job.jobs or { job }) do
    start.notes(each.driver, i == 1 and job.codes or nil)
  end
  local begun_ns = core.real_ns()
  ending.tell_losses(context)
  local outcome = ending.attempt(context, function()
    keeping.begin(context, options)
    start.tell_others(context, options, given)
    if job.several then
      divide(context, options)
    else
      job.can_pause, job.can_go_on = true, true
    end
    local opened, problem = context.record:open_flight(most_pulses, 0, virtual_time.is_asked(options.speed))
    if not opened then
      refusals.raise("limit", "%s", problem)
    end
    local time <close> = virtual_time.begin(options.speed)
    local done = with_port(context, options, given.simulated, function(path, simulator)
      return perform(context, options, path, simulator)
    end)
    done.took_s, done.virtual_s = time.took()
    return done
  end)
  core.phase "closing"
  job.can_pause = nil
  -- signals stay caught: a second Ctrl-C must not end the closing of the record
  outcome.elapsed_s = (core.real_ns() - begun_ns) / 1e9
  ending.conclude(context, outcome)
end

return M
