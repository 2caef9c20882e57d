--- moonpulse resume: go on with a protocol's run that broke off, with the first trial that had not begun.
local arguments = require "moonpulse.rerun.arguments"
local bytes_read = require "moonpulse.text.bytes_read"
local cli = require "moonpulse.cli"
local common = require "moonpulse.cli.protocol_argument"
local default_place = require "moonpulse.record.default_place"
local escapes = require "moonpulse.text.escapes"
local goes_on = require "moonpulse.rerun.goes_on"
local numbers = require "moonpulse.text.numbers"
local plans = require "moonpulse.verify.plan"
local records = require "moonpulse.cli.records_option"
local run_options = require "moonpulse.rerun.run_options"
local runs = require "moonpulse.commands.run"
local scratches = require "moonpulse.rerun.scratch"
local shams = require "moonpulse.protocol.sham"

local M = {}

function M.parser()
  local parser = cli.parser("resume",
    "Go on with a run that was stopped, failed or was killed: the rest of the same plan, from the first "
      .. "trial on that had not begun, with the run's text, parameters, seed and thresholds. Nothing is "
      .. "given twice; of a trial that broke off the rest is left out, and said. It is a run with a record "
      .. "of its own, which names the first one; on the same day both are one session. Of a run on a "
      .. "stimulator give the port again: all questions and the checks before the first pulse come anew.",
    "moonpulse resume 2026-11-22T101500_itbs600\n"
      .. "moonpulse resume 2026-11-22T101500_itbs600 --port /dev/ttyUSB0")
  parser:argument("run", "The run: " .. records.named .. "."):argname("RUN")
  run_options.add(parser, {
    out = "The folder that the new run's folder is made in.",
    device = "Another device than the run's: as for run.",
    port = "The stimulator's port, as for run; needed where the run was on one.",
    speed = "Of a run on the simulator: 1 is real time, max without waiting. Default: as it was.",
    threshold = "The participant's threshold, %MSO, instead of the run's." })
  parser:option("--from-trial", "Go on with this trial of the plan instead: none of which a pulse was surely "
    .. "given. Of pulses that were perhaps given (the port was lost) only you know whether the stimulator "
    .. "gave them."):convert(common.ordinal):argname("N")
  parser:flag("--json", runs.json_help)
  return parser
end

local function say(key, text, ...)
  print(escapes.shown(("%-12s%s"):format(key, text:format(...)), true))
end

--- The same device, participant, lists and pace as before, where nothing else is given.
local function settle(options, recipe)
  local was = recipe.manifest.device
  local simulated = type(was) == "table" and was.simulated == true
  if not simulated and not options.port and not options.device then
    cli.fail("usage", "the run was on a stimulator (%s): give its port again with --port; nothing was armed",
      tostring(recipe.begin.device.name))
  end
  for name, role in pairs { preflight = "preflight", lab = "lab limits", meta = "meta" } do
    options[name] = options[name] or recipe.files[role]
  end
  options.participant = options.participant or recipe.begin.participant
  options.speed = options.speed or (recipe.begin.options.speed == 1 and "1" or "max")
end

--- What is told before: how far it had come, what is lost, what comes.
local function tell(at)
  say("so far", "%s of %s were given%s", numbers.count(at.given), numbers.counted(at.planned, "pulse"),
    at.perhaps > 0 and (", %s of them perhaps"):format(numbers.count(at.perhaps)) or "")
  if at.lost > 0 then
    say("left out", "%s of a trial that had begun: they are not made up for",
      numbers.counted(at.lost, "pulse"))
  end
  say("goes on", "with trial %d: %s%s", at.trial, numbers.counted(at.left, "pulse"), at.earliest < at.trial
    and ("; --from-trial %d gives again those of which nobody knows"):format(at.earliest) or "")
end

function M.run(options)
  local folder = default_place.absolute(records.run(options.run))
  local recipe, message = goes_on.recipe(folder)
  if not recipe then
    cli.fail("usage", "%s", message)
  end
  records.settle(options)
  local at
  at, message = goes_on.where(recipe, { options.out, folder:match("^(.*)/") }, options.from_trial)
  if not at then
    cli.fail("usage", "%s", message)
  end
  settle(options, recipe)
  options.continues = folder:match("([^/]+)$")
  run_options.settle_paths(options)
  local json = options.json
  if not json then
    tell(at)
  end
  local scratch <close> = scratches.make() -- luacheck: ignore 211
  local list = arguments.of(recipe, options, scratches.fill(recipe))
  list[#list + 1] = ("--from-trial=%d"):format(at.trial)
  list[#list + 1] = "--continues=" .. options.continues
  list[#list + 1] = json and "--json" or nil
  shams.keep_to(plans.shams(recipe.folder, recipe.manifest))
  bytes_read.find_kept(recipe.modules)
  return runs.run(runs.parser():parse(list))
end

return M
