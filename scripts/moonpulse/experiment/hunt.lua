--- A threshold hunt: one loop in which a published method says where each pulse is given.
--
-- The methods are those of moonpulse bench threshold, in modules of their own: ml_pest, stochastic,
-- relative_frequency, amplitude. Here are their options, what a script's answers are to them, between which
-- intensities they stay, when they end, and what of it is kept. A pulse is given at a whole %MSO, and the
-- method is told where. docs/thresholds.md says how exact each one is.
local amplitude = require "moonpulse.experiment.amplitude"
local answers = require "moonpulse.experiment.answer"
local blame = require "moonpulse.text.author_line"
local handles = require "moonpulse.experiment.handle"
local in_order = require "moonpulse.text.in_order"
local likelihood = require "moonpulse.experiment.likelihood"
local mep = require "moonpulse.experiment.mep"
local ml_pest = require "moonpulse.experiment.ml_pest"
local no_threshold = require "moonpulse.text.no_threshold"
local recover_manifest = require "moonpulse.record.recover_manifest"
local relative = require "moonpulse.experiment.relative_frequency"
local staircases = require "moonpulse.experiment.staircase"
local stochastic = require "moonpulse.experiment.stochastic"
local threshold_methods = require "moonpulse.text.threshold_methods"
local value_words = require "moonpulse.text.value_words"

local M = {}

---@class moonpulse.Hunt
---@field facts moonpulse.HuntFacts
local Hunt = {}
Hunt.__index = Hunt

local Trial = {}
Trial.__index = Trial

local limit_trials = 3 -- so often beyond min or max in a row, as the staircase
local unit = "%MSO" -- of the methods' own numbers

local variants = {
  ["digital H"] = { first = stochastic.first.digital },
  ["digital HA"] = { first = stochastic.first.harmonic_at_turns, turns_only = true },
  ["analog H"] = { first = stochastic.first.analog, analog = true },
}

local common = { method = "text", start = "number", trials = "?number", min = "?number", max = "?number",
  kind = "?text", device = "?text" }

-- known: what it can be told besides; levels: it gives several pulses at one intensity, and ends by itself
local methods = {
  ["ml-pest"] = { known = {}, defaults = { trials = 20 }, new = function(given)
    return ml_pest.new(given.start)
  end },
  stochastic = { known = { variant = "?text", step = "?number" },
    defaults = { trials = 20, variant = "digital H" }, new = function(given)
      local of = variants[given.variant]
      return stochastic.new(given.start, { first = given.step, analog = of.analog, turns_only = of.turns_only,
        lowest = given.min, highest = given.max })
    end },
  amplitude = { known = {}, defaults = { trials = 20 }, new = function(given)
    return amplitude.new(given.start)
  end },
  ["relative-frequency"] = { known = { of = "?number", step = "?number" }, levels = true,
    defaults = { trials = 400, of = 10, step = 1 }, new = function(given)
      return relative.new(given.start, { half = given.of // 2, step = given.step })
    end },
  ["mills-nithi"] = { known = {}, defaults = { trials = 400 }, levels = true, new = function(given)
    return relative.mills_nithi(given.start)
  end },
}

--- What came out: true, false, or a text like "y"; of a method that takes amplitudes the MEP in microvolts,
--- peak to peak, as a number or its text.
---@param value boolean|number|string
function Trial:answer(value)
  local hunt = self.hunt
  if self.answered ~= nil then
    blame.fail("trial:answer: trial %d has its answer already", self.number)
  end
  local mep_uv = hunt.measures and hunt.reads(value, answers.microvolts) or nil
  local yes = mep_uv and mep_uv / 1e6 >= mep.criterion
  if not mep_uv then
    yes = hunt.reads(value, answers.yes_no)
  end
  self.answered = yes
  hunt:take(self, yes, mep_uv)
end

--- Go on from a trial's answer.
---@param trial table of the hunt
---@param yes boolean
---@param mep_uv number?
function Hunt:take(trial, yes, mep_uv)
  local volts = mep_uv and mep_uv / 1e6 or yes and mep.criterion or 0
  table.insert(self.track, { intensity = trial.intensity, yes = yes, mep_uv = mep_uv })
  self.facts.trials = #self.track
  self.answers[yes] = self.answers[yes] + 1
  self.way:take(trial.intensity, volts)
  local at_end = yes and trial.intensity <= self.min or not yes and trial.intensity >= self.max
  self.beyond = at_end and self.beyond + 1 or 0
  self.note(("trial %d answer %s"):format(trial.number, mep_uv and ("%.10g uV"):format(mep_uv)
    or yes and "yes" or "no"), { hunt = self.place, trial = trial.number, intensity = trial.intensity,
    yes = yes, mep_uv = mep_uv })
end

--- Beyond which end the answers lead; nil: beyond none.
local function beyond_of(self)
  local wanted = self.levels and self.way:next()
  if wanted and (wanted < self.min or wanted > self.max) then
    return wanted < self.min and self.min or self.max
  elseif self.beyond >= limit_trials then
    return self.track[#self.track].yes and self.min or self.max
  end
end

--- Why there is no further trial; nil while there is one.
local function reason_to_end(self)
  if not self.way:next() then
    return "method"
  elseif beyond_of(self) then
    return "limit"
  elseif self.number >= self.trials then
    return "trials"
  end
end

--- The estimate, in %MSO; nil, why where there is none (yet).
---@return number?
---@return string?
---@return "above"|"below"|nil side where the answers lead beyond an end, that of max or of min
function Hunt:threshold()
  local bound, count = beyond_of(self), #self.track
  if count == 0 then
    return nil, "no trial was answered"
  elseif self.levels and not bound and self.way:next() then
    return nil, ("%d trials did not bring the method to its end"):format(count)
  elseif not bound and not self.measures and self.answers[true] % count == 0 then
    return nil, ("all %d answers are alike"):format(count)
  end
  local estimate = not bound and self.way:estimate() or nil
  if estimate and (estimate < self.min or estimate > self.max) then
    bound = estimate < self.min and self.min or self.max
  end
  if bound then
    return nil, ("the answers lead beyond %g %s"):format(bound, unit),
      bound == self.max and "above" or "below"
  end
  return estimate
end

--- How sure the estimate is: the filter's own interval; of answers yes and no that of
--- experiment/likelihood.lua.
---@return { low: number, high: number, percent: number }? nil where there is no estimate
function Hunt:interval()
  local estimate = self:threshold()
  if estimate and self.way.interval then
    return self.way:interval()
  end
  return estimate and likelihood.interval(self.track, estimate)
end

local function conclude(self)
  if not self.concluded then
    self.concluded = true
    local facts = self.facts
    local side
    facts.threshold, facts.why, side = self:threshold()
    facts.above, facts.below = side == "above" and self.max or nil, side == "below" and self.min or nil
    facts.interval, facts.ended_by = self:interval(), self.ended
    self.ends(self)
  end
end

--- The next trial, for a "for" loop: trial, intensity; nil at the end.
function Hunt:__call()
  local before = self.trial
  if before and before.answered == nil then
    blame.fail("trial %d has no answer: call trial:answer(%s) in each turn", before.number,
      self.measures and "the MEP in uV" or "true or false")
  end
  self.ended = reason_to_end(self)
  if self.ended then
    conclude(self)
    return nil
  end
  self.number = self.number + 1
  local intensity = math.min(self.max, math.max(self.min, self.way:next()))
  local trial = setmetatable({ hunt = self, number = self.number, intensity = intensity }, Trial)
  self.trial = trial
  if trial.number == 1 then
    self.begins(self)
  end
  local facts = self.facts
  self.note(("trial %d at %g %s"):format(trial.number, intensity, unit), { hunt = self.place,
    trial = trial.number, intensity = intensity, unit = unit, method = facts.method, variant = facts.variant,
    of = facts.of, step = facts.step, start = facts.start, min = facts.min, max = facts.max,
    kind = facts.kind, device = facts.device })
  return trial, intensity
end

local function fail(text, ...)
  blame.fail("run:threshold: " .. text, ...)
end

local function named(names)
  local quoted = {}
  for i, name in ipairs(in_order.keys(names)) do
    quoted[i] = ("%q"):format(name)
  end
  return table.concat(quoted, ", ")
end

--- Numbers that a device can be set to, or that count something.
local function check_numbers(given)
  for _, key in ipairs { "start", "min", "max", "trials", "of", "step" } do
    local value = given[key]
    local may_be_part = key == "step" and given.method == "stochastic"
    if value ~= nil and (not math.type(value) or value ~= value) then
      fail("%s must be a number, not %s", key, value_words.shown(value))
    elseif value ~= nil and not may_be_part and not math.tointeger(value) then
      fail("%s must be a whole number, not %g", key, value)
    end
    given[key] = math.tointeger(value) or value
  end
  if given.min < 1 or given.max > 100 or given.min >= given.max then
    fail("min = %g to max = %g must be within 1 to 100 %s, and min the lower one", given.min, given.max, unit)
  elseif given.start < given.min or given.start > given.max then
    fail("start = %g is outside min = %g to max = %g", given.start, given.min, given.max)
  elseif given.step and not (given.step > 0 and given.step <= 20) then
    fail("step must be above 0 and at most 20 %s, not %g", unit, given.step)
  elseif given.trials < 1 or given.trials > 1000 then
    fail("trials must be 1 to 1000, not %g", given.trials)
  elseif given.of and (given.of < 2 or given.of > 100 or given.of % 2 ~= 0) then
    fail("of must be an even number from 2 to 100, as in 5 of 10, not %g", given.of)
  end
end

--- The options, with what was not said.
local function check(options)
  local method = type(options) == "table" and methods[options.method]
  if type(options) == "table" and not method then
    fail("method is one of %s, not %s", named(methods), value_words.shown(options.method))
  end
  local known, given = {}, { min = 1, max = 100 }
  for _, table_of in ipairs { common, method and method.known or {} } do
    for key, is in pairs(table_of) do
      known[key] = is
    end
  end
  blame.options("run:threshold", options, known)
  for _, from in ipairs { method.defaults, options } do
    for key, value in pairs(from) do
      given[key] = value
    end
  end
  if method.known.variant and not variants[given.variant] then
    fail("variant is one of %s, not %s", named(variants), value_words.shown(given.variant))
  elseif given.kind ~= nil and not staircases.kinds[given.kind] then
    fail("kind is \"RMT\" or \"AMT\", not %s", value_words.shown(given.kind))
  end
  given.step = given.step or given.variant and variants[given.variant].first
  check_numbers(given)
  return given, method
end

--- In a few words, with its interval: for the terminal and the record.
---@return string
function Hunt:words()
  local facts = self.facts
  local interval = facts.interval
  return ("%s%s (%s, %d trials)"):format(facts.threshold
    and ("%s %.4g %s"):format(staircases.kinds[facts.kind] or "threshold", facts.threshold, unit)
    or no_threshold.words(facts),
    interval and (", %d %% interval %.4g to %.4g"):format(interval.percent, interval.low, interval.high)
      or "",
    threshold_methods.name(facts), facts.trials)
end

--- What a method needs before it begins, in pieces with something in between: while a stimulator is armed
--- nothing may take long. There are as many where it is there already: a run does not hang on what was
--- before.
---@param options any of new; what is wrong with them new says
---@param between fun() called after each piece
function M.prepare(options, between)
  if type(options) == "table" and options.method == "amplitude" then
    for _ = 1, amplitude.pieces do
      amplitude.prepare()
      between()
    end
  end
end

--- Start a hunt: for trial, intensity in run:threshold { method = "ml-pest", start = 45 } do ... end
---@param options table { method, start, trials, min = 1, max = 100, kind = "RMT"|"AMT"|nil, device }, and of
---   "stochastic" variant = "digital H", step; of "relative-frequency" of = 10, step = 1
---@param hooks { note: fun(text: string, said: table), begins: fun(hunt: moonpulse.Hunt), ends:
---   fun(hunt: moonpulse.Hunt), reads: (fun(value: any, read: function): any)? } note puts a line into the
---   record, with the same as data; begins is called with the first trial, ends when it has ended, once each;
---   reads: what an answer says, as answer.take, which it is without
---@param place integer? which hunt of the run it is; 1
---@return moonpulse.Hunt hunt its facts are what the manifest has of it, at any time
function M.new(options, hooks, place)
  local given, method = check(options)
  local track = {}
  local facts = { method = given.method, variant = given.variant, of = given.of, step = given.step,
    unit = unit, start = given.start, min = given.min, max = given.max, kind = given.kind,
    device = given.device, trials = 0, track = track, why = recover_manifest.unfinished }
  return setmetatable({ way = method.new(given), facts = facts, track = track, number = 0, beyond = 0,
    answers = { [true] = 0, [false] = 0 }, levels = method.levels,
    measures = threshold_methods.measures(given), min = given.min, max = given.max,
    trials = given.trials, place = place or 1, note = hooks.note, begins = hooks.begins, ends = hooks.ends,
    reads = hooks.reads or answers.take }, Hunt)
end

local trial_kind = handles.kind("trial", Trial, { "answer" }, { "number", "intensity" })
local kind = handles.kind("hunt", Hunt, { "threshold", "interval" }, { "number" }, function(hunt)
  local trial, intensity = hunt()
  return trial and handles.new(trial_kind, trial), intensity
end)

--- What a script holds of it, and is given trials by.
---@param hunt moonpulse.Hunt of new
---@return moonpulse.Hunt
function M.handle(hunt)
  return handles.new(kind, hunt)
end

return M
