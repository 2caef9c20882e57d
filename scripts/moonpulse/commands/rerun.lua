--- moonpulse rerun: the same again, from the folder of a run alone.
local arguments = require "moonpulse.rerun.arguments"
local as_json = require "moonpulse.cli.as_json"
local before = require "moonpulse.rerun.before"
local begins = require "moonpulse.record.begins"
local bytes_read = require "moonpulse.text.bytes_read"
local cli = require "moonpulse.cli"
local core = require "moonpulse.core"
local devices = require "moonpulse.cli.device_argument"
local driven_on = require "moonpulse.verify.driven_on"
local escapes = require "moonpulse.text.escapes"
local json = require "moonpulse.text.sorted_json"
local look_bounds = require "moonpulse.run.look_bounds"
local named_files = require "moonpulse.protocol.named_files"
local numbers = require "moonpulse.text.numbers"
local default_place = require "moonpulse.record.default_place"
local plans = require "moonpulse.verify.plan"
local read = require "moonpulse.record.read"
local pasts = require "moonpulse.experiment.past"
local recalls = require "moonpulse.experiment.recall"
local recipes = require "moonpulse.rerun.recipe"
local records = require "moonpulse.cli.records_option"
local run_options = require "moonpulse.rerun.run_options"
local runs = require "moonpulse.commands.run"
local scratches = require "moonpulse.rerun.scratch"

local M = {}

-- what compares is not loaded by a process that only looks
local function words()
  return require "moonpulse.compare.words"
end

local words_of_options = {
  out = "The folder that the new run's folder is made in.",
  device = "Another device than the run's: as for run.",
  port = "Do it on a stimulator: its port, as for run. Without it: on the simulator of the run's device, in "
    .. "virtual time.",
  speed = "On the simulator: 1 is real time. Default: max.",
  threshold = "The participant's threshold, %MSO, instead of the run's; on a stimulator the run's is taken "
    .. "only for the participant of the run." }

local function add_options(parser)
  run_options.add(parser, words_of_options)
  parser:flag("--look", "In virtual time, of an experiment: it may do no more than a protocol; for verify.")
    :hidden(true)
  parser:flag("--look-plan", "The same of a protocol's run."):hidden(true)
  parser:flag("--json", runs.json_help)
end

function M.parser()
  local parser = cli.parser("rerun",
    "Do a run again from its folder alone: the kept text of the protocol or experiment, its parameters, "
      .. "seed and thresholds; answers and triggers come as they came. On the simulator of the run's device, "
      .. "in virtual time, unless a port is given: there all questions are asked anew. What differs "
      .. "(version, device, rounding, files) is told before anything is armed; the new record is then "
      .. "compared with the old one. Exit status 0: the same; 1: it differs. An experiment and a driver "
      .. "in a folder are programs, and are run as such: look at sources/ of one that is somebody else's.",
    "moonpulse rerun 2026-11-22T101500_itbs600\n"
      .. "moonpulse rerun ./theirs --out /tmp/again\n"
      .. "moonpulse rerun 2026-11-22T101500_itbs600 --port /dev/ttyUSB0 --participant P07 --amt 46")
  parser:argument("run", "The run: " .. records.named .. "."):argname("RUN")
  add_options(parser)
  return parser
end

--- Names and texts of somebody else may be in it.
local function say(key, text)
  print(escapes.shown(("%-12s%s"):format(key, text), true))
end

local function recipe_of(options)
  -- verify, which looks, has judged the folder itself
  local recipe, message = recipes.read(default_place.absolute(records.run(options.run)), options.look)
  if not recipe then
    cli.fail("usage", "%s", message)
  end
  say("again", recipes.sentence(recipe))
  if options.look and recipe.changed then
    cli.fail("limit", "%s", recipe.changed)
  elseif options.look and not recipe.files.experiment then
    cli.fail("limit", "the folder does not keep the experiment's text (sources/)")
  elseif recipe.wrong[1] and not options.look then
    for _, text in ipairs(recipe.wrong) do
      say("", text)
    end
    cli.fail("limit", "the folder is not as the run left it, so the same cannot be done again: moonpulse "
      .. "verify %s; nothing was armed", options.run)
  end
  local unbegun = not options.look and not options.port and before.never_began(recipe)
  if unbegun then
    cli.fail("limit", "the run never began, so there is nothing to compare (%s); nothing was armed", unbegun)
  end
  return recipe
end

--- Lines as data.
local function lines_of(comparison, of_pulses)
  local list = json.list {}
  words().differences(comparison, of_pulses, function(line)
    list[#list + 1] = line:match("^%s*(.*%S)") or ""
  end)
  return list
end

--- The pulses, and what surrounds them: each has a verdict of its own.
local function tell_pulses(comparison, stopped)
  local alike = ("SAME: %s, planned at the same times, on the same channels, as strong, of the same "
    .. "conditions"):format(numbers.counted(comparison.pulses, "pulse"))
  say("pulses", stopped and comparison.pulses == 0 and "none was given: nothing to compare"
    or comparison.same_pulses and alike or "DIFFERENT:")
  words().differences(comparison, true, print)
  local around = not comparison.same and words().list(comparison, false)
  say("around", around and around ~= "" and "DIFFERENT: " .. around
    or "SAME: parameters, thresholds, marks" .. (stopped and "" or ", how it ended"))
  words().differences(comparison, false, print)
end

--- Tell how the new record compares; is it the same? data: what --json prints.
---@return boolean same
---@return boolean? stopped the first run was, or was killed, or never began: what came before is the same
local function tell(recipe, folder, data)
  local unbegun = before.never_began(recipe)
  if unbegun then
    data.problem = ("the run never began, so there is nothing to compare (%s)"):format(unbegun)
    print()
    say("rows", data.problem)
    return true, true
  end
  local manifest, message = read.manifest(folder .. "/manifest.json")
  if not manifest then
    cli.fail("fault", "%s", tostring(message))
  end
  local found, comparison, why, stopped = require("moonpulse.rerun.verdict").judge(recipe, folder, manifest)
  local same = true
  print()
  for i, each in ipairs(found) do
    data.judged[i] = { what = each.what, same = each.same, text = each.text }
    say(each.what, each.text)
    same = same and each.same ~= false
  end
  if not comparison then
    say("rows", why or "cannot be compared")
    data.problem = why or "the rows cannot be compared"
    return false
  end
  tell_pulses(comparison, stopped)
  data.pulses = { count = comparison.pulses, same = comparison.same_pulses,
    differences = lines_of(comparison, true) }
  data.around = { same = comparison.same, differences = lines_of(comparison, false) }
  same = same and comparison.same
  say(same and "SAME" or "DIFFERENT", folder)
  return same, stopped
end

--- Did the script ask more than was answered in the run that it repeats? A run that was stopped had come no
--- further.
local function is_unanswered(problem)
  local text = type(problem) == "table" and rawget(problem, "message") or problem
  return type(text) == "string" and text:find("question %d+ has no answer: ") ~= nil
end

--- Are the devices of the run simulators of shipped drivers, and nothing else?
local function is_shipped(recipe, of_run)
  local begin = recipe.begin
  if driven_on.why_not(begin) then
    return false
  end
  local is_named = begin.devices ~= nil or of_run.device == "sim:" .. begin.device.name
  return is_named and #of_run.devices == (begin.devices and #begin.devices or 1)
end

--- Only to see what it gives, for verify: it may do no more than a protocol, and nothing is compared.
local function look(recipe, of_run)
  if recipe.files.driver or not is_shipped(recipe, of_run) then
    cli.fail("limit", "its driver is no shipped one, and no driver that a record names is loaded")
  end
  local files = {}
  for as in pairs(recipe.asked) do
    files[as] = not recipe.twice[as] and "./" .. as or nil
  end
  of_run.preflight = nil -- nobody is asked
  of_run.fault = not of_run.recall and of_run.fault or nil -- what a fault ended is compared until there
  of_run.look, of_run.kept = true, { modules = recipe.modules, files = files }
  runs.run(of_run)
  return 0
end

--- Nobody is asked the list before the run again: its answers come again.
local function answer_again(recipe, options, of_run)
  local unnamed = not options.operator and read.get(recipe.manifest, "result.status") == "declined"
    and recipe.unnamed or nil
  of_run.preflight_again, of_run.operator_again = recipe.preflight, unnamed
  say("preflight", unnamed and "the run's operator gave no code, and nobody is asked for one"
    or ("the run's %s given again, and nobody is asked"):format(#recipe.preflight == 1 and "answer is"
      or numbers.count(#recipe.preflight) .. " answers are"))
end

--- A run that went on with another one begins as it did.
local function begin_as_then(recipe, options, of_run)
  of_run.refused_answers = not options.answers and recipe.refused_answers or nil
  arguments.take_own(recipe, of_run.of_device)
  local begun = begins.data(recipe.begin)
  of_run.marks_given = begun and begun.marks_given
  if begun and recipe.is_experiment then -- what it was told first stands in its journal
    of_run.past, of_run.begins, begun.continues = pasts.of(recipe.lines), begun, nil
  end
end

local function perform(options)
  local data = { what = "moonpulse rerun", of = options.run, told = json.list {}, judged = json.list {} }
  local function differs(text)
    data.told[#data.told + 1] = text
    say("differs", text)
  end
  if options.look then
    look_bounds.shut() -- before anything of the folder is read
  end
  local recipe = recipe_of(options)
  run_options.settle_paths(options)
  -- one of verify lies where verify removes it, however this process ends
  local path = options.look and options.out and options.out .. ".read" or nil
  local scratch <close> = scratches.make(path) -- luacheck: ignore 211
  -- messages name it: no path of this computer
  local list, is_real = arguments.of(recipe, options, scratches.fill(recipe))
  local of_run = cli.parse(runs.parser(), list)
  of_run.taken, of_run.recorded = arguments.taken(recipe, options), not is_real and "the record" or nil
  of_run.taken_from = arguments.taken_from(recipe, of_run.taken, is_real)
  local was = recipe.begin.options
  local in_real_time = was.speed == 1 or was.recalled == true or tonumber(options.speed) == 1
  if recipe.is_experiment and in_real_time and not is_real then -- its times are those of another computer
    of_run.recall = recalls.of(recipe.lines)
  end
  begin_as_then(recipe, options, of_run)
  if recipe.files.preflight and not (is_real or options.preflight or options.look) then
    answer_again(recipe, options, of_run)
  end
  named_files.keep_to(plans.named_files(recipe.folder, recipe.manifest))
  if options.look then
    return look(recipe, of_run)
  end
  if is_real and recipe.is_experiment and #recipe.answers > 0 then
    differs(("answers: the run had %s; on a stimulator the operator is asked anew"):format(
      numbers.counted(#recipe.answers, "answer")))
  end
  local driver = not recipe.begin.devices and devices.choose(of_run) or nil -- several are told by their rows
  for _, text in ipairs(recipe.told) do
    differs(text)
  end
  local same_plan = before.tell(recipe, options, is_real, driver, differs)
  if not same_plan then
    cli.fail("limit", "it would not be the same: nothing was armed")
  end
  bytes_read.find_kept(recipe.modules) -- what the script requires is in sources/
  local ok, problem = pcall(runs.run, of_run)
  local as_then = of_run.refused and read.get(recipe.manifest, "result.status") == "declined"
  if not of_run.made or of_run.refused and not as_then then -- with a record of what was asked
    error(problem, 0)
  end
  local same, stopped = tell(recipe, of_run.made, data)
  data.folder, data.same = of_run.made, same
  if options.json then
    as_json.tell(data)
  end
  if not ok and (not same or stopped and not is_unanswered(problem)) then -- it has an end of its own
    error(problem, 0)
  end
  return same and 0 or 1
end

function M.run(options)
  if options.look_plan then
    core.large_pages()
    assert(core.make_folder(options.out))
    require("moonpulse.verify.play_again").make(default_place.absolute(options.run), options.out)
    return 0
  end
  local aside <close> = options.json and as_json.aside() or nil -- luacheck: ignore 211
  return perform(options)
end

return M
