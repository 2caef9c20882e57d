--- moonpulse resume: go on with a run that broke off: with the first trial of its plan that had not begun, or
--- of an experiment behind all that its script was told.
local arguments = require "moonpulse.rerun.arguments"
local before = require "moonpulse.rerun.before"
local begins = require "moonpulse.record.begins"
local bytes_read = require "moonpulse.text.bytes_read"
local cli = require "moonpulse.cli"
local clock = require "moonpulse.safety.clock"
local common = require "moonpulse.cli.protocol_argument"
local core = require "moonpulse.core"
local default_place = require "moonpulse.record.default_place"
local devices = require "moonpulse.cli.device_argument"
local escapes = require "moonpulse.text.escapes"
local given_again = require "moonpulse.rerun.given_again"
local goes_on = require "moonpulse.rerun.goes_on"
local experiments = require "moonpulse.rerun.experiment_goes_on"
local named_files = require "moonpulse.protocol.named_files"
local numbers = require "moonpulse.text.numbers"
local pasts = require "moonpulse.experiment.past"
local plans = require "moonpulse.verify.plan"
local records = require "moonpulse.cli.records_option"
local refusals = require "moonpulse.text.refusal"
local run_options = require "moonpulse.rerun.run_options"
local runs = require "moonpulse.commands.run"
local same_session = require "moonpulse.safety.same_session"
local scratches = require "moonpulse.rerun.scratch"

local M = {}

function M.parser()
  local parser = cli.parser("resume",
    "Go on with a run that was stopped, failed or was killed: the rest of the same plan, from the first "
      .. "trial on that had not begun, with the run's text, parameters, seed and thresholds; of an "
      .. "experiment its script, which is told first what it was told then. Nothing is "
      .. "given twice; of a trial that broke off the rest is left out, and said. It is a run with a record "
      .. "of its own, which names the first one, and a note in that one names it; on the same day both are "
      .. "one session. Of a run on a stimulator give the port again: all questions and the checks before "
      .. "the first pulse come anew, with the limits of today.",
    "moonpulse resume 2026-11-22T101500_itbs600\n"
      .. "moonpulse resume 2026-11-22T101500_itbs600 --port /dev/ttyUSB0 --amt 50")
  parser:argument("run", "The run: " .. records.named .. "."):argname("RUN")
  run_options.add(parser, {
    out = "On the simulator: the folder that the new run's folder is made in. Else, and without it: that "
      .. "of RUN.",
    device = "Another device than the run's: as for run.",
    port = "The stimulator's port, as for run; needed where the run had one.",
    speed = "Of a run on the simulator: 1 is real time, max without waiting. Default: as it was.",
    threshold = "The participant's threshold, %MSO, instead of the run's." })
  parser:option("--tolerance", "How late is late, in milliseconds. Default: as it was.")
    :convert(common.number(0.01, 10000, "ms")):argname("MS")
  parser:option("--late", "What to do with a pulse that would be late. Default: as it was.")
    :choices({ "abort", "skip" })
  parser:option("--answers", "Of an experiment: a file with the answers from here on, instead of those of "
    .. "the run's own file that are left; where none are, the operator is asked."):argname("FILE")
  parser:option("--from-trial", "Go on with this trial of the plan instead: none of which a pulse was surely "
    .. "given. Of pulses that were perhaps given (the port was lost) only you know whether the stimulator "
    .. "gave them."):convert(common.ordinal):argname("N")
  runs.add_events(parser)
  parser:flag("--json", runs.json_help)
  return parser
end

local function say(key, text, ...)
  print(escapes.shown(("%-12s%s"):format(key, text:format(...)), true))
end

local function refuse(text, ...)
  cli.fail("usage", text .. "; nothing was armed", ...)
end

--- A simulator goes on with what a simulator gave, and a port with what came over one.
local function check_device(options, recipe)
  local was, of = recipe.manifest.device, recipe.begin.options
  local own = type(was) == "table" and was.own_simulator == true
  local is_sim = not options.port and (options.device or "sim"):find("^sim") ~= nil
  if own and not is_sim then
    refuse("the run was on the simulator, and nobody had its pulses: leave out --port and --device")
  elseif not own and not options.port then
    refuse("the run was on a stimulator (%s): give its port again with --port",
      tostring(recipe.begin.device.name))
  elseif options.real_pty and not of.real_pty then
    refuse("the run was on a pseudo-terminal that was no stimulator: leave out --real-pty")
  end
  options.real_pty = of.real_pty or options.real_pty
  for _, each in ipairs { { "start_on", "--start-on" }, { "stop_line", "--stop-line" } } do
    local value = of[each[1]]
    if not own and value and value ~= "none" and not options[each[1]] then
      refuse("the run had %s %s: give it again (on a stimulator it is not taken over)", each[2],
        tostring(value))
    end
  end
  return own
end

--- Is a folder the place of all records, or one of the older ones, which count with it?
local function is_known(folder)
  local place = default_place.folder()
  for _, known in ipairs(place and { place, table.unpack((default_place.older(place))) } or {}) do
    if default_place.is_same(known, folder) then
      return true
    end
  end
  return false
end

--- The same participant, place and pace as before. What lies in an older folder goes on in the place of all
--- records: --out is read alone, and what the participant had elsewhere counts.
local function settle(options, recipe, own)
  local was, folder = recipe.begin.participant, recipe.folder:match("^(.*)/")
  if options.participant and options.participant ~= was then
    refuse("the run was of %s: what is left of it is for nobody else (--participant %s)", was
      or "nobody who was named", options.participant)
  elseif options.out and not own and not default_place.is_same(default_place.absolute(options.out),
    folder) then
    refuse("the rest of a run on a stimulator is kept where the run is (%s): leave out --out", folder)
  end
  options.participant = was
  if not (own and options.out) then
    options.out = not is_known(folder) and folder or nil
  end
  options.speed = options.speed or (recipe.begin.options.speed == 1 and "1" or own and "max" or nil)
end

--- Codes that a recording needs are not left out for want of a word.
local function check_box(options, recipe, own)
  local box = given_again.box_of(recipe, own, options.speed)
  if box and not options.codes then
    refuse("the run's event codes went to the box at %s (--codes): give it again with --codes %s, or "
      .. "--codes none, and the rest has no codes", box:match "^[^,]*", given_again.codes(box))
  end
end

--- What is told before: how far it had come, what is lost, what comes.
local function tell(at)
  say("so far", "%s of %s were given%s", numbers.count(at.given), numbers.counted(at.planned, "pulse"),
    at.perhaps > 0 and (", %s of them perhaps"):format(numbers.count(at.perhaps)) or "")
  if at.lost > 0 then
    say("left out", "%s of a trial that had begun: they are not made up for",
      numbers.counted(at.lost, "pulse"))
  end
  if at.passed > 0 then
    say("left out", "%s of trials that had not begun, as --from-trial says: they cannot be given later",
      numbers.counted(at.passed, "pulse"))
  end
  if at.marks[1] then
    say("left out", "%s", begins.marks_words(at.marks, "trial", at.trial))
  end
  local again = at.earliest < at.trial and at.earliest < (at.usual or math.huge)
  say("goes on", "with trial %d: %s%s", at.trial, numbers.counted(at.left, "pulse"), again
    and ("; --from-trial %d gives again those of which nobody knows"):format(at.earliest) or "")
end

--- The same of an experiment.
---@param at moonpulse.ExperimentGoesOn
---@param begun moonpulse.Begins
local function tell_experiment(at, begun)
  say("so far", "%s given%s, in %s", numbers.counted(at.given, "pulse") .. (at.given == 1 and " was"
    or " were"), at.perhaps > 0 and (", %s of them perhaps"):format(numbers.count(at.perhaps)) or "",
    numbers.counted(at.plays, "plan"))
  if begun.number > at.plays then
    say("goes on", "with plan %d", begun.number)
    return
  end
  local given, pulses = experiments.given_of_last(at)
  if given >= pulses then
    say("goes on", "with what is left of plan %d: %s%s", begun.number, numbers.counted(at.marks_left, "mark"),
      pulses > 0 and " behind its last pulse" or "")
    return
  end
  say("goes on", "with what is left of plan %d, of which %s of %s were given", begun.number,
    numbers.count(given), numbers.counted(pulses, "pulse"))
end

--- In real time the silence that the plan has there is kept.
local function wait_for(at, recipe, options)
  local ended = clock.seconds_of(recipe.manifest.ended)
  local left_s = ended and at.silence_s - (core.wall_ns() / 1e9 - ended) or 0
  if (options.speed or "1") ~= "1" or left_s <= 0 or left_s > at.silence_s then
    return
  elseif not options.json then
    say("waits", "%s: the plan has a silence of %s there", numbers.seconds(math.ceil(left_s)),
      numbers.seconds(at.silence_s))
    io.stdout:flush()
  end
  core.wait(left_s)
end

--- What another version or device makes of it is told.
local function tell_otherwise(recipe, options, own, of_run)
  before.tell(recipe, options, not own, devices.choose(of_run), function(text)
    if not text:find("^end: ") then
      say("differs", "%s", text)
    end
  end)
end

--- Right before it is armed: from here on nobody else goes on with that run.
local function claim(context, recipe, options)
  local now, was = context.device.simulated == true, recipe.manifest.device.simulated == true
  if now ~= was then
    refusals.raise("usage", "the run was on a %s, and at this port is a %s; nothing was armed",
      was and "simulator" or "stimulator", now and "simulator" or "stimulator")
  end
  goes_on.claim(recipe, same_session.name_of(context.record.folder), options, options.out)
end

--- What it has besides of the run that it goes on with.
local function set_past(of_run, at, recipe)
  if recipe.is_experiment then
    of_run.past, of_run.begins = pasts.new(at.past), at.begun
  end
  of_run.marks_given = at.marks_given
end

--- Where it goes on; told, and the silence before it waited for.
local function place_of(options, recipe)
  local at, message = goes_on.where(recipe, options.out, options.from_trial)
  if not at then
    cli.fail("usage", "%s", message)
  elseif recipe.is_experiment then
    at.begun = experiments.begins(at, same_session.name_of(recipe.folder))
    if not options.json then
      tell_experiment(at, at.begun)
    end
    return at
  end
  if not options.json then
    tell(at)
  end
  wait_for(at, recipe, options)
  return at
end

--- What the new run is told of the one that it goes on with.
local function continues_of(options, recipe, at)
  local found = { name = same_session.name_of(recipe.folder), claim = function(context)
    claim(context, recipe, options)
  end }
  if recipe.is_experiment then
    found.answers = experiments.answers_left(recipe, at)
    found.triggers = experiments.triggers_left(recipe, at)
    return found
  end
  found.left_out = at.lost + at.passed > 0 and at.lost + at.passed or nil
  found.marks_left_out = at.marks[1] and #at.marks or nil
  return found
end

function M.run(options)
  local folder = default_place.absolute(records.run(options.run)):gsub("/%.$", ""):gsub("(.)/+$", "%1")
  local recipe, message = goes_on.recipe(folder)
  if not recipe then
    cli.fail("usage", "%s", message)
  end
  if recipe.begin.devices then
    local at, why = goes_on.where(recipe, options.out, options.from_trial)
    if not at then
      cli.fail("usage", "%s", why)
    end
    cli.fail("usage", "the run was on several devices, and resume goes on with one device only: nothing was "
      .. "armed; this gives the rest:\n%s", arguments.several_command(recipe, at.trial, at.marks_given))
  end
  local own = check_device(options, recipe)
  settle(options, recipe, own)
  check_box(options, recipe, own)
  run_options.settle_paths(options)
  if recipe.is_experiment and options.from_trial then
    cli.fail("usage", "--from-trial is for protocols: an experiment goes on behind what its script was told")
  elseif options.answers and not recipe.is_experiment then
    cli.fail("usage", "--answers is for experiments, and %s is of a protocol: leave it out", folder)
  end
  local at = place_of(options, recipe)
  local scratch <close> = scratches.make() -- luacheck: ignore 211
  options.continues = continues_of(options, recipe, at)
  local list = arguments.of(recipe, options, scratches.fill(recipe))
  list[#list + 1] = at.trial and ("--from-trial=%d"):format(at.trial) or nil
  list[#list + 1] = options.json and "--json" or nil
  if not recipe.files.course then -- it is no part of what is kept, and names the protocol, which is
    named_files.keep_to(plans.named_files(recipe.folder, recipe.manifest))
  end
  bytes_read.find_kept(recipe.modules)
  local of_run = cli.parse(runs.parser(), list)
  of_run.continues, of_run.taken = options.continues, arguments.taken(recipe, options)
  of_run.taken_from = arguments.taken_from(recipe, of_run.taken, not own)
  for _, name in ipairs { "events", "events_wait", "lsl", "lsl_on", "lsl_wait", "osc" } do
    of_run[name] = options[name]
  end
  set_past(of_run, at, recipe)
  if not options.json then
    tell_otherwise(recipe, options, own, of_run)
  end
  return runs.run(of_run)
end

return M
