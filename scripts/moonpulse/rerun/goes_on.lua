--- Where a run that broke off goes on: the first trial of its plan that had not begun. That it was resumed
--- stands
--- in its own record, as a note, so that nobody resumes it twice, wherever the other run lies.
local before = require "moonpulse.rerun.before"
local counted = require "moonpulse.record.counted"
local core = require "moonpulse.core"
local default_place = require "moonpulse.record.default_place"
local gave = require "moonpulse.rerun.gave"
local lfs = require "lfs"
local numbers = require "moonpulse.text.numbers"
local plans = require "moonpulse.verify.plan"
local read = require "moonpulse.record.read"
local recipes = require "moonpulse.rerun.recipe"
local refusals = require "moonpulse.text.refusal"
local remainders = require "moonpulse.compose.remainder"
local to_type = require "moonpulse.text.to_type"

local M = {}

---@class moonpulse.GoesOn
---@field trial integer of the whole plan, from 1: the first that had not begun, or the one that was asked for
---@field given integer pulses that the run gave, or perhaps gave
---@field perhaps integer those of them of which nobody knows
---@field planned integer pulses that the run had to give
---@field lost integer pulses of a trial that had begun, which are not made up for
---@field passed integer pulses of whole trials that are passed over, where a later one was asked for
---@field marks moonpulse.LeftMark[] behind the last pulse that was given, which neither gives
---@field marks_given integer? marks of catch trials right before the trial that were given: not again
---@field left integer pulses from the trial on
---@field earliest integer the first trial of which no pulse was surely given
---@field usual integer? the first that had not begun; nil: all had
---@field silence_s number what the plan has between the last pulse that was given and the next one

local most_in_a_row = 100 -- of a record that may be somebody else's
local note = "resumed: %s goes on with it"

--- The run that a record says goes on with it, by the name of its folder.
---@param manifest table?
---@return string?
local function noted(manifest)
  local notes, name = read.get(manifest, "notes"), nil
  for _, each in ipairs(type(notes) == "table" and notes or {}) do
    local text = type(each) == "table" and each.text
    name = type(text) == "string" and text:match("^resumed: (%S+) goes on with it$") or name
  end
  return name
end

--- The run that goes on with one; nil: there is none, or it ended before it had given anything.
local function successor(folder, manifest, out)
  local name = noted(manifest)
  for _, place in ipairs(name and { folder:match("^(.*)/"), out or false, default_place.folder() or false }
    or {}) do
    local path = place and ("%s/%s"):format(place, name) -- one of the same second may have the same name
    local other = path and path ~= folder and read.manifest(path .. "/manifest.json")
    if other and read.get(other, "begins_at.continues") == folder:match("([^/]+)$") then
      return not gave.nothing(path, other) and path or nil
    end
  end
  return name
end

local function resumed(folder, other, out)
  local manifest = read.manifest(other .. "/manifest.json")
  for _ = 1, most_in_a_row do -- that one may have been gone on with as well
    local further = manifest and successor(other, manifest, out)
    if not further then
      break
    end
    other, manifest = further, read.manifest(further .. "/manifest.json")
  end
  local name = folder:match("([^/]+)$")
  if not manifest then -- a record names no folder of a computer: where it lies only its operator knows
    return ("%s was resumed already: %s goes on with it, and lies in another folder, DIR: "
      .. "moonpulse resume DIR/%s goes on with that one if anything is left; if it gave nothing, --out DIR "
      .. "goes on with %s"):format(name, other, other, name)
  elseif manifest.status == "completed" then
    return ("%s was resumed already: %s goes on with it, and came to its end: nothing is left"):format(name,
      other)
  end
  -- loaded for who asks twice, since it needs this one
  local command, why = require("moonpulse.rerun.offer").of(other)
  return ("%s was resumed already: %s goes on with it; %s"):format(name, other, command
    and command .. " goes on with that one" or why)
end

--- What stands in the way of a recipe, by its manifest.
local function obstacle(recipe)
  local folder, manifest = recipe.folder, recipe.manifest
  local first = read.get(manifest, "begins_at.continues")
  if manifest.status == "running" then
    return ("%s was killed: %s writes what it gave, then resume goes on"):format(folder,
      to_type.recover(folder))
  elseif recipe.is_experiment and read.get(manifest, "result.stop") == "requested" then
    return ("%s was ended by its script: there is nothing to go on with"):format(folder)
  elseif manifest.status == "completed" then
    return ("%s came to its end: there is nothing to go on with (moonpulse rerun does the same again)")
      :format(folder)
  elseif recipe.wrong[1] or recipe.differs then
    return ("the folder is not as the run left it (%s): moonpulse verify %s; nothing was armed"):format(
      recipe.wrong[1] or recipe.differs, to_type.path(folder))
  elseif gave.nothing(folder, manifest) then
    return ("%s gave nothing: %s"):format(folder, type(first) == "string"
      and "moonpulse resume the run that it was to go on with, " .. first or "run it anew")
  elseif (tonumber(read.get(manifest, "result.pulses_unknown")) or 0) > 0 or read.get(manifest,
    "result.flight_lost") then
    return ("nobody knows how much %s gave: a part of its record is lost; what is left of the plan is for "
      .. "you to decide (moonpulse run ... --from-trial N)"):format(folder)
  elseif recipe.is_experiment and recipe.begin.devices then
    return ("%s is a script's on several devices: resume goes on with scripts on one device only, and "
      .. "nothing was armed; run it anew, with the parameters of what is left"):format(folder)
  end
end

--- What is needed to do the rest of a run.
---@param folder string an absolute path
---@return moonpulse.Recipe?
---@return string? message why there is nothing to go on with
function M.recipe(folder)
  local recipe, message = recipes.read(folder)
  if not recipe then
    return nil, message
  end
  message = obstacle(recipe)
  return not message and recipe or nil, message
end

--- What of the plan was given, by the rows: how much, and up to which pulse at most and surely.
local function given_of(pulses, skipped)
  local at, last, sure = { given = 0, perhaps = 0 }, 0, 0
  for _, row in ipairs(pulses) do
    if counted.is_given(row.status, row.sent ~= nil) then
      local perhaps = row.status == "perhaps_sent"
      at.given, last = at.given + 1, math.max(last, row.pulse or 0)
      at.perhaps = at.perhaps + (perhaps and 1 or 0)
      sure = perhaps and sure or math.max(sure, row.pulse or 0)
    end
  end
  return at, skipped + last, skipped + sure
end

--- The silence in a plan before what is left of it, behind a pulse of before and so many marks behind it:
--- catch trials before its first pulse are a part of what is left.
local function silence(plan, seed, last, first, rest, marks)
  local schedule, since_ns, is_behind = core.schedule(plan, seed), 0, last == 0
  while true do
    local kind, _, number, _, ns = schedule:next()
    if not kind then
      return 0
    elseif kind == "pulse" and number == last then
      since_ns, is_behind = ns, true
    elseif kind == "mark" and is_behind and marks > 0 then
      since_ns, marks = ns, marks - 1
    elseif kind == "pulse" and number == first then
      local of_rest, what, lead_ns = core.schedule(rest, seed), "mark", 0
      while what == "mark" do
        what, _, _, _, lead_ns = of_rest:next()
      end
      return math.max(0, ns - since_ns - (lead_ns or 0)) / 1e9
    end
  end
end

--- The marks behind the last pulse that was given, which the run that broke off did not come to, and which
--- the rest does not give; how many of those before its first pulse, which it would give, were given; and how
--- many of the others.
local function marks_of(kept, events, last, begins, rest)
  local skipped = kept.begins and kept.begins.pulses_before or 0
  last = math.min(last, begins.pulses_before) -- what was perhaps given may be given again
  local left, last_us, leading = remainders.left_marks(kept.plan, kept.seed, last - skipped,
    begins.pulses_before + 1 - skipped, rest)
  local from_us = 0 -- of the rows: a plan begins when its run says so
  for _, row in ipairs(events.pulses) do
    from_us = row.pulse == last - skipped and row.planned and row.planned - last_us or from_us
  end
  local passed, list, given = {}, {}, 0
  for _, row in ipairs(events.marks) do
    local us = row.planned and math.floor(row.planned - from_us + 0.5)
    passed[us or false] = (passed[us or false] or 0) + 1
  end
  for _, mark in ipairs(left) do
    if (passed[mark.us] or 0) > 0 then
      passed[mark.us] = passed[mark.us] - 1
    else
      list[#list + 1] = mark
    end
  end
  local before_them, most = #left - #list, remainders.leading_marks(rest)
  while given < most and leading[given + 1] and (passed[leading[given + 1].us] or 0) > 0 do
    given = given + 1
    passed[leading[given].us] = passed[leading[given].us] - 1
  end
  return list, given, before_them
end

--- Its plan, whole, and its rows.
local function kept_of(recipe)
  local folder = recipe.folder
  local kept, message = plans.again(folder, recipe.manifest)
  if not kept then
    return nil, ("%s: %s"):format(folder, message)
  elseif not before.same_plan(recipe, kept) then
    return nil, ("%s: the kept text makes another plan here than the run had (it was made by another "
      .. "version?): nobody can tell what is left of it; moonpulse verify says more"):format(folder)
  end
  local events = read.events(folder .. "/events.tsv")
  if not events then
    return nil, ("%s has no rows (events.tsv): moonpulse verify says more"):format(folder)
  end
  return kept, events
end

--- An experiment goes on behind all that its script was told.
local function where_experiment(recipe)
  local folder = recipe.folder
  local events = read.events(folder .. "/events.tsv")
  if not events then
    return nil, ("%s has no rows (events.tsv): moonpulse verify says more"):format(folder)
  end
  local at = given_of(events.pulses, 0)
  if at.given < (tonumber(read.get(recipe.manifest, "result.pulses_sent")) or 0) then
    return nil, ("%s: events.tsv has fewer pulses than the run gave: moonpulse verify says more")
      :format(folder)
  end
  return require("moonpulse.rerun.experiment_goes_on").where(recipe, at, events) -- loaded for who needs it
end

--- All trials of a plan had begun; so many of its marks were not given.
local function nothing_left(folder, at, marks)
  return ("%s: its last trial had begun: there is nothing left to go on with%s%s"):format(folder,
    marks > 0 and ("; %s behind its last pulse %s not given, and no protocol is run for marks alone"):format(
      numbers.counted(marks, "mark"), marks == 1 and "was" or "were") or "",
    at.earliest and ("; of the last %d pulses nobody knows: --from-trial %d gives them"):format(at.perhaps,
      at.earliest) or "")
end

--- Where it goes on.
---@param recipe moonpulse.Recipe
---@param out string? where a run that goes on with it may lie, besides where it lies itself
---@param from integer? the trial that is asked for: none before the earliest
---@return moonpulse.GoesOn|moonpulse.ExperimentGoesOn|nil
---@return string? message
function M.where(recipe, out, from)
  local folder = recipe.folder
  local other = successor(folder, recipe.manifest, out)
  if other then
    return nil, resumed(folder, other, out)
  end
  if recipe.is_experiment then
    return where_experiment(recipe)
  end
  local kept, events = kept_of(recipe)
  if not kept then
    return nil, events
  end
  local at, last, sure = given_of(events.pulses, kept.begins and kept.begins.pulses_before or 0)
  if at.given < (tonumber(read.get(recipe.manifest, "result.pulses_sent")) or 0) then
    return nil, ("%s: events.tsv has fewer pulses than the run gave: moonpulse verify says more")
      :format(folder)
  end
  local whole, seed = kept.whole, kept.seed
  at.usual, at.earliest = remainders.trial_after(whole, seed, last), remainders.trial_after(whole, seed, sure)
  if from and (not at.earliest or from < at.earliest) then
    return nil, ("--from-trial %d: of trials up to %s pulses were given, and nothing is given twice"):format(
      from, at.earliest and at.earliest - 1 or "the last one")
  elseif not from and not at.usual then
    return nil, nothing_left(folder, at, kept.plan:totals().marks - #events.marks)
  end
  at.trial = from or at.usual
  local rest, begins = remainders.of(whole, seed, { what = "trial", number = at.trial })
  -- of a run that began there as well, and gave no more than marks, those that were given before it
  local before_it = kept.begins and kept.begins.pulses_before == begins.pulses_before
    and kept.begins.marks_given or 0
  if before_it > 0 then
    rest = remainders.of(whole, seed, { what = "trial", number = at.trial, marks_given = before_it })
  end
  local _, usual = remainders.trial_after(whole, seed, last)
  at.lost = math.max(0, math.min(begins.pulses_before, usual or whole:totals().pulses) - last)
  at.passed = math.max(0, begins.pulses_before - last - at.lost)
  at.planned, at.left = kept.plan:totals().pulses, whole:totals().pulses - begins.pulses_before
  local given, passed
  at.marks, given, passed = marks_of(kept, events, last, begins, rest)
  if before_it + given > 0 then
    at.marks_given = before_it + given
    rest = remainders.of(whole, seed, { what = "trial", number = at.trial, marks_given = at.marks_given })
    passed = #remainders.left_marks(whole, seed, math.min(last, begins.pulses_before),
      begins.pulses_before + 1, rest)
  end
  at.silence_s = silence(whole, seed, last, begins.pulses_before + 1, rest, passed)
  return at
end

--- Note in its record that a run goes on with it, just before that one is armed. Raises a refusal where
--- another
--- one does so already, or where the record does not take the note.
---@param recipe moonpulse.Recipe
---@param name string of the other run's folder
---@param options { operator: string?, sign: string? }
---@param out string? as for where
function M.claim(recipe, name, options, out)
  local folder = recipe.folder
  local function check()
    local other = successor(folder, (read.manifest(folder .. "/manifest.json")), out)
    if other then
      refusals.raise("usage", "%s; nothing was armed", resumed(folder, other, out))
    end
  end
  if lfs.attributes(folder, "mode") ~= "directory" then
    refusals.raise("usage", "%s is gone: nothing was armed", folder)
  end
  require("moonpulse.cli.noting").write(folder, { text = note:format(name), operator = options.operator,
    key = options.sign }, check)
end

return M
