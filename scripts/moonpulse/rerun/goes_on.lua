--- Where a run that broke off goes on: the first trial of its plan that had not begun.
local counted = require "moonpulse.record.counted"
local lfs = require "lfs"
local plans = require "moonpulse.verify.plan"
local read = require "moonpulse.record.read"
local recipes = require "moonpulse.rerun.recipe"
local remainders = require "moonpulse.compose.remainder"

local M = {}

---@class moonpulse.GoesOn
---@field trial integer of the whole plan, from 1: the first that had not begun
---@field given integer pulses that the run gave, or perhaps gave
---@field perhaps integer those of them of which nobody knows
---@field planned integer pulses that the run had to give
---@field lost integer pulses of a trial that had begun, which are not made up for
---@field left integer pulses from the trial on
---@field earliest integer the first trial of which no pulse was surely given

--- What is needed to do the rest of a run.
---@param folder string an absolute path
---@return moonpulse.Recipe?
---@return string? message why there is nothing to go on with
function M.recipe(folder)
  local recipe, message = recipes.read(folder)
  if not recipe then
    return nil, message
  end
  local status = recipe.manifest.status
  if status == "running" then
    return nil, ("%s was killed: moonpulse recover %s writes what it gave, then resume goes on"):format(
      folder, folder)
  elseif recipe.is_experiment then
    return nil, ("%s is of an experiment, which decides as it goes: run it again, with a parameter of its "
      .. "own that says where it begins (-p block=3)"):format(folder)
  elseif status == "completed" then
    return nil, ("%s came to its end: there is nothing to go on with (moonpulse rerun does the same again)")
      :format(folder)
  elseif recipe.wrong[1] then
    return nil, ("the folder is not as the run left it (%s): moonpulse verify %s; nothing was armed"):format(
      recipe.wrong[1], folder)
  end
  return recipe
end

--- Does a run go on with the one of that name, and has it given something, or may it?
local function continues(folder, name)
  local manifest = read.manifest(folder .. "/manifest.json")
  return manifest ~= nil and read.get(manifest, "begins_at.continues") == name
    and (manifest.status == "running" or (tonumber(read.get(manifest, "result.pulses_sent")) or 0) > 0)
end

--- The run that goes on with one already; nil: there is none.
local function already(name, id, folders)
  local since = name:match("^%d%d%d%d%-%d%d%-%d%dT") and name or "" -- by its name it may be another day's
  for _, folder in ipairs(folders) do
    local is_there = lfs.attributes(folder, "mode") == "directory"
    for each in lfs.dir(is_there and folder or ".") do
      -- a folder's name says when it began, and what was run
      local may_be = is_there and each ~= name and each > since and each:find(id, 1, true)
      if may_be and continues(folder .. "/" .. each, name) then
        return folder .. "/" .. each
      end
    end
  end
end

--- What of the plan was given, by the rows: how much, and up to which pulse at most and surely.
local function given_of(pulses, before)
  local at, last, sure = { given = 0, perhaps = 0 }, 0, 0
  for _, row in ipairs(pulses) do
    if counted.is_given(row.status, row.sent ~= nil) then
      local perhaps = row.status == "perhaps_sent"
      at.given, last = at.given + 1, math.max(last, row.pulse or 0)
      at.perhaps = at.perhaps + (perhaps and 1 or 0)
      sure = perhaps and sure or math.max(sure, row.pulse or 0)
    end
  end
  return at, before + last, before + sure
end

--- Where it goes on.
---@param recipe moonpulse.Recipe
---@param folders string[] where a run that goes on with it may lie
---@param from integer? the trial that is asked for: none before the earliest
---@return moonpulse.GoesOn?
---@return string? message
function M.where(recipe, folders, from)
  local folder, name = recipe.folder, recipe.folder:match("([^/]+)$")
  local other = already(name, recipe.begin.id, folders)
  if other then
    return nil, ("%s was resumed already: %s goes on with it; moonpulse resume %s goes on with that one")
      :format(name, other, other)
  end
  local kept, message = plans.again(folder, recipe.manifest)
  local events = kept and read.events(folder .. "/events.tsv")
  if not events then
    return nil, ("%s: %s"):format(folder, message
      or "it has no rows (events.tsv): moonpulse verify tells more")
  end
  local before = read.get(recipe.manifest, "begins_at.pulses_before") or 0
  local at, last, sure = given_of(events.pulses, before)
  local earliest = remainders.trial_after(kept.whole, kept.seed, sure)
  if from and (not earliest or from < earliest) then
    return nil, ("--from-trial %d: of trials up to %s pulses were given, and nothing is given twice"):format(
      from, earliest and earliest - 1 or "the last one")
  end
  local trial, skipped = remainders.trial_after(kept.whole, kept.seed, last)
  if from then
    local _, begins = remainders.of(kept.whole, kept.seed, { what = "trial", number = from })
    trial, skipped = from, begins.pulses_before
  elseif not trial then
    return nil, ("%s: its last trial had begun: there is nothing left to go on with%s"):format(folder,
      earliest
      and ("; of the last %d pulses nobody knows: --from-trial %d gives them"):format(at.perhaps, earliest)
      or "")
  end
  at.trial, at.planned, at.earliest = trial, kept.plan:totals().pulses, earliest
  at.lost, at.left = math.max(0, skipped - last), kept.whole:totals().pulses - skipped
  return at
end

return M
