--- An adaptive staircase: the simple up-down rule.
--
-- After "yes" (a response) the intensity goes down by a step, after "no" up: one up, one down, which
-- settles where yes is as likely as no (Levitt H. 1971 Transformed up-down methods in
-- psychoacoustics, J Acoust Soc Am 49:467-477, doi:10.1121/1.1912375). That is how motor thresholds
-- are defined: a response in half of the trials (Rossini PM et al. 2015 Clin Neurophysiol
-- 126:1071-1107, doi:10.1016/j.clinph.2015.02.001). At each reversal of direction the step is halved,
-- down to min_step. The estimate is the mean intensity of the reversals at the smallest step, of
-- an even number of them, so that peaks and valleys weigh the same.
local answers = require "moonpulse.experiment.answer"
local blame = require "moonpulse.text.author_line"
local handles = require "moonpulse.experiment.handle"
local likelihood = require "moonpulse.experiment.likelihood"
local recover_manifest = require "moonpulse.record.recover_manifest"
local value_words = require "moonpulse.text.value_words"

local M = {}

---@class moonpulse.Staircase
local Staircase = {}
Staircase.__index = Staircase

local Trial = {}
Trial.__index = Trial

local known = { start = "number", step = "number", min_step = "?number", reversals = "?number",
  min = "?number", max = "?number", trials = "?number", unit = "?text", kind = "?text",
  device = "?text" }
local defaults = { min_step = 1, reversals = 6, min = 1, max = 100, trials = 100, unit = "%MSO" }
M.rule = "1-up-1-down"

--- Of which motor threshold it is, as --rmt and --amt are called.
M.kinds = { RMT = "resting motor threshold", AMT = "active motor threshold" }

local limit_trials = 3 -- so often beyond min or max in a row: the threshold is not in between

--- What came out: true, false, or a text like "y".
---@param value boolean|string
function Trial:answer(value)
  if self.answered ~= nil then
    blame.fail("trial:answer: trial %d has its answer already", self.number)
  end
  local answer = self.staircase.reads(value, answers.yes_no)
  self.answered = answer
  self.staircase:take(self, answer)
end

--- Half the step, on the grid of the smallest.
local function halve(step, min_step)
  return math.max(min_step, math.floor(step / 2 / min_step + 0.5) * min_step)
end

--- Go on from a trial's answer: down after a yes, up after a no; a turn is kept, and halves the step.
---@param trial table of the staircase
---@param answer boolean
function Staircase:take(trial, answer)
  local direction = answer and -1 or 1
  self.track[#self.track + 1] = { intensity = trial.intensity, yes = answer }
  if self.direction and direction ~= self.direction then
    self.found[#self.found + 1] = { intensity = trial.intensity, step = self.step }
    self.step = halve(self.step, self.min_step)
  end
  self.direction = direction
  self.facts.trials, self.facts.reversals = #self.track, #self.found
  local wanted = trial.intensity + direction * self.step
  self.intensity = math.min(self.max, math.max(self.min, wanted))
  self.beyond = wanted ~= self.intensity and self.beyond + 1 or 0
  self.note(("trial %d answer %s"):format(trial.number, answer and "yes" or "no"), { staircase = self.place,
    trial = trial.number, intensity = trial.intensity, yes = answer, reversals = #self.found })
end

--- Why there is no further trial; nil while there is one.
local function reason_to_end(self)
  if #self.found >= self.reversals then
    return "reversals"
  elseif self.beyond >= limit_trials then
    return "limit"
  elseif self.number >= self.trials then
    return "trials"
  end
end

local function mean_of_reversals(found, min_step)
  local smallest = {}
  for _, reversal in ipairs(found) do
    if reversal.step <= min_step then
      smallest[#smallest + 1] = reversal.intensity
    end
  end
  local first = #smallest % 2 == 1 and 2 or 1
  local sum, n = 0, #smallest - first + 1
  for i = first, #smallest do
    sum = sum + smallest[i]
  end
  return n >= 2 and sum / n or nil
end

--- The estimate, in the unit of the intensities; nil, why where there is none (yet).
---@return number?
---@return string?
---@return "above"|"below"|nil side where the answers lead beyond an end, that of max or of min
function Staircase:threshold()
  local ended = reason_to_end(self)
  if ended == "limit" then
    local is_below = self.direction < 0
    return nil, ("the answers lead beyond %g %s"):format(is_below and self.min or self.max, self.unit),
      is_below and "below" or "above"
  end
  local estimate = mean_of_reversals(self.found, self.min_step)
  if not estimate then
    return nil, ("only %d reversals after %d trials"):format(#self.found, self.number)
  end
  return estimate
end

--- How sure the estimate is, from the answers of all trials: experiment/likelihood.lua.
---@return { low: number, high: number, percent: number }? nil where there is no estimate
function Staircase:interval()
  local estimate = self:threshold()
  return estimate and likelihood.interval(self.track, estimate)
end

--- The next trial, for a "for" loop: trial, intensity; nil at the end.
function Staircase:__call()
  local before = self.trial
  if before and before.answered == nil then
    blame.fail("trial %d has no answer: call trial:answer(true or false) in each turn", before.number)
  end
  self.ended = reason_to_end(self)
  if self.ended then
    if not self.concluded then
      self.concluded = true
      local facts, side = self.facts
      facts.threshold, facts.why, side = self:threshold()
      facts.above, facts.below = side == "above" and self.max or nil, side == "below" and self.min or nil
      facts.interval = self:interval()
      self.conclude(self)
    end
    return nil
  end
  self.number = self.number + 1
  local trial = setmetatable({ staircase = self, number = self.number, intensity = self.intensity },
    Trial)
  self.trial = trial
  if trial.number == 1 and self.begins then
    self.begins(self)
  end
  self.note(("trial %d at %g %s"):format(trial.number, trial.intensity, self.unit), { staircase = self.place,
    trial = trial.number, intensity = trial.intensity, unit = self.unit, rule = M.rule, start = self.start,
    min_step = self.min_step, kind = self.kind, device = self.device })
  return trial, trial.intensity
end

local function check(options)
  blame.options("run:staircase", options, known)
  local all = {}
  for key in pairs(known) do
    local value = options[key]
    if value == nil then
      value = defaults[key]
    end
    if key == "unit" then
      if type(value) ~= "string" then
        blame.fail("run:staircase: unit must be text, like \"%%MSO\", not %s", type(value))
      end
    elseif key == "kind" then
      if value ~= nil and not M.kinds[value] then
        blame.fail("run:staircase: kind is \"RMT\" or \"AMT\", not %s", value_words.shown(value))
      end
    elseif key ~= "device" and (not math.type(value) or value ~= value) then
      blame.fail("run:staircase: %s must be a number, not %s", key, value_words.shown(value))
    end
    all[key] = value
  end
  for _, key in ipairs { "step", "min_step", "reversals", "trials" } do
    if all[key] <= 0 then
      blame.fail("run:staircase: %s must be above 0, not %g", key, all[key])
    end
  end
  if all.kind and all.unit ~= defaults.unit then
    blame.fail("run:staircase: kind = \"%s\" is a threshold in %%MSO, and unit is \"%s\"", all.kind, all.unit)
  elseif all.start < all.min or all.start > all.max then
    blame.fail("run:staircase: start = %g is outside min = %g to max = %g", all.start, all.min, all.max)
  elseif all.step < all.min_step then
    blame.fail("run:staircase: step = %g is below min_step = %g", all.step, all.min_step)
  end
  return all
end

--- Start a staircase: for trial, intensity in run:staircase { start = 45, step = 2 } do ... end
---@param options table { start, step, min_step = 1, reversals = 6, min = 1, max = 100, trials = 100,
---   unit = "%MSO", kind = "RMT"|"AMT"|nil, device = string? } device: of several the one that it is of
---@param note fun(text: string, said: table) puts a line into the record; said: the same as data
---@param conclude fun(staircase: moonpulse.Staircase) called once, when it has ended
---@param place integer? which staircase of the run it is; 1
---@param begins (fun(staircase: moonpulse.Staircase))? called with its first trial
---@param reads (fun(value: any, read: function): any)? what an answer says; without it answer.take
---@return moonpulse.Staircase staircase its facts are what the manifest has of it, at any time
function M.new(options, note, conclude, place, begins, reads)
  local self = check(options)
  self.reads = reads or answers.take
  self.place = place or 1
  self.note, self.conclude, self.intensity = note, conclude, self.start
  self.found, self.track, self.number, self.beyond, self.begins = {}, {}, 0, 0, begins
  self.facts = { reversals = 0, trials = 0, rule = M.rule, start = self.start, min_step = self.min_step,
    unit = self.unit, kind = self.kind, device = self.device, track = self.track,
    why = recover_manifest.unfinished }
  return setmetatable(self, Staircase)
end

local trial_kind = handles.kind("trial", Trial, { "answer" }, { "number", "intensity" })
local kind = handles.kind("staircase", Staircase, { "threshold" }, { "number" }, function(staircase)
  local trial, intensity = staircase()
  return trial and handles.new(trial_kind, trial), intensity
end)

--- What a script holds of it, and is given trials by.
---@param staircase moonpulse.Staircase of new
---@return moonpulse.Staircase
function M.handle(staircase)
  return handles.new(kind, staircase)
end

return M
