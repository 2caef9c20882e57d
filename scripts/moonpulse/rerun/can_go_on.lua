--- Which of the runs that are listed broke off and can go on: those are named with the command that does it.
local goes_on = require "moonpulse.rerun.goes_on"
local offers = require "moonpulse.rerun.offer"

local M = {}

local recent_s, most = 7 * 86400, 10 -- the plan of each is made again from its kept text, which takes time

local broken = { stopped = true, ["device fault"] = true, interrupted = true }

--- What can be told without its folder.
local function may(run, now)
  local facts = run.facts
  local is_experiment = facts.kind == "experiment" -- what it had to give besides is not known
  local may_have_given = (facts.given or 0) > 0 or is_experiment or facts.begins -- answers, catch trials
  return broken[facts.status] and not run.edited and not facts.torn and may_have_given
    and (is_experiment and facts.stop ~= "requested" or not is_experiment
      and facts.given < (facts.planned or 0)) and now - run.at < recent_s
end

--- How many pulses the plan has of which a run gave a part, and how many of those are before that part.
local function before_of(facts)
  return facts.begins and facts.begins.pulses_before or 0
end

local function whole_of(facts)
  return facts.begins and facts.begins.pulses_planned or facts.planned
end

--- Did a later one give the rest of it? A run with --from-trial, as one on several devices is gone on with,
--- names none: it is the participant's, of as many pulses, and begins behind those that were given.
local function is_given_since(runs, i)
  local of = runs[i].facts
  for later = i + 1, #runs do
    local facts = runs[later].facts
    local at = facts.begins
    if at and not at.continues and at.pulses_before > 0 and (facts.given or 0) > 0
      and runs[later].who == runs[i].who and facts.protocol == of.protocol
      and at.pulses_planned == whole_of(of) and at.pulses_before >= before_of(of) + (of.given or 0) then
      return true
    end
  end
  return false
end

--- Where it would go on. What cannot be read, or is not to be gone on with, has no place.
---@return integer? trial nil: of an experiment, or it has none
---@return integer? plan of an experiment
---@return string? command of several devices that of run, since resume refuses them
local function place_of(path, out)
  local done, trial, plan, command = pcall(function()
    local recipe = goes_on.recipe(path)
    local at = recipe and goes_on.where(recipe, out)
    if not at then
      return nil
    elseif recipe.is_experiment then
      return nil, require("moonpulse.rerun.experiment_goes_on").begins(at, "").number, offers.command(recipe)
    end
    return at.trial, nil, recipe.begin.devices and require("moonpulse.rerun.arguments")
      .several_command(recipe, at.trial, at.marks_given) or offers.command(recipe)
  end)
  if not done then
    return nil
  end
  return trial or nil, plan or nil, command or nil
end

---@class moonpulse.CanGoOn
---@field path string of the run's folder
---@field command string
---@field trial integer? that it goes on with
---@field plan integer? the same of an experiment: its plans are numbered

--- Those of the last seven days, at most ten, the newest last.
---@param runs moonpulse.ShownRun[] the newest last
---@param out string where a run that goes on with one may lie, besides where that one lies
---@param now integer? seconds since the epoch
---@return moonpulse.CanGoOn[]
function M.of(runs, out, now)
  local list, tried = {}, 0
  for i = #runs, 1, -1 do
    local run = runs[i]
    if tried < most and not is_given_since(runs, i) and may(run, now or os.time()) then
      local trial, plan, command = place_of(run.path, out)
      tried = tried + 1
      if trial or plan then
        table.insert(list, 1, { path = run.path, trial = trial, plan = plan, command = command })
      end
    end
  end
  return list
end

return M
