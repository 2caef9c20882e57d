--- An input-output (recruitment) curve: one loop in which each of some intensities comes so many times, in an
--- order drawn from the run's seed, and what the MEPs leave for the curve (experiment/boltzmann.lua).
local answers = require "moonpulse.experiment.answer"
local blame = require "moonpulse.text.author_line"
local boltzmann = require "moonpulse.experiment.boltzmann"
local curve_words = require "moonpulse.text.curve_words"
local handles = require "moonpulse.experiment.handle"
local intensities = require "moonpulse.compose.intensity"
local lists = require "moonpulse.text.lists"
local recover_manifest = require "moonpulse.record.recover_manifest"
local value_words = require "moonpulse.text.value_words"

local M = {}

---@class moonpulse.Recruitment
---@field facts moonpulse.CurveFacts
local Recruitment = {}
Recruitment.__index = Recruitment

local Trial = {}
Trial.__index = Trial

local most_trials = 1000
local known = { intensities = "?table", from = "?number", to = "?number", step = "?number",
  repeats = "?number", of = "?text", order = "?text", device = "?text" }
local highest = { MSO = 100, RMT = 300, AMT = 300 } -- above 100 %MSO all is refused, whatever its threshold
local orders = { random = true, blocks = true, given = true }

--- How large the MEP was, peak to peak.
---@param value number|string in microvolts, or its text
function Trial:answer(value)
  local curve = self.curve
  if self.answered then
    blame.fail("trial:answer: trial %d has its answer already", self.number)
  end
  local mep_uv = curve.reads(value, answers.microvolts)
  self.answered = true
  table.insert(curve.track, { intensity = self.intensity, set = self.set, mep_uv = mep_uv })
  curve.facts.trials = #curve.track
  curve.note(("trial %d answer %.10g uV"):format(self.number, mep_uv), { curve = curve.place,
    trial = self.number, intensity = self.intensity, set = self.set, mep_uv = mep_uv })
end

--- Ten digits of each number: more mean nothing, and journal and manifest then say the same.
local function rounded(fit)
  local made = {}
  for key, value in pairs(fit) do
    made[key] = type(value) == "table" and rounded(value) or tonumber(("%.10g"):format(value))
  end
  return made
end

--- The curve that the trials until now leave: over what the device was set to, which is what the muscle met.
---@return moonpulse.CurveFit?
---@return string? why there is none
function Recruitment:fit()
  local trials = {}
  for i, trial in ipairs(self.track) do
    trials[i] = { intensity = trial.set, mep_uv = trial.mep_uv }
  end
  local fit, why = boltzmann.fit(trials)
  return fit and rounded(fit) or nil, why
end

--- In a few words: for the terminal and the record.
---@return string
function Recruitment:words()
  return curve_words.line(self.facts)
end

--- The next trial, for a "for" loop: trial, intensity; nil at the end.
function Recruitment:__call()
  local before = self.trial
  if before and not before.answered then
    blame.fail("trial %d has no answer: call trial:answer(the MEP in uV) in each turn", before.number)
  end
  local number, facts = self.number + 1, self.facts
  local intensity = self.plan[number]
  if not intensity then
    if not self.concluded then
      self.concluded = true
      facts.fit, facts.why = self:fit()
      self.ends(self)
    end
    return nil
  end
  self.number = number
  local set = self.set_of[intensity]
  self.trial = setmetatable({ curve = self, number = number, intensity = intensity, set = set }, Trial)
  if number == 1 then
    self.begins(self)
  end
  local asked, its = ("%.10g"):format(intensity), ("%.10g"):format(set)
  self.note(("trial %d at %s %s%s"):format(number, asked, facts.unit, its ~= asked
    and (" (set to %s %s)"):format(its, facts.unit) or ""), { curve = self.place, trial = number,
    intensity = intensity, set = set, unit = facts.unit, order = facts.order, repeats = facts.repeats,
    planned = facts.planned, device = facts.device })
  return self.trial, intensity
end

local function fail(text, ...)
  blame.fail("run:recruitment: " .. text, ...)
end

local function whole(name, value, low, high)
  local found = math.tointeger(value)
  if not found or found < low or found > high then
    fail("%s must be a whole number from %d to %d, not %s", name, low, high, value_words.shown(value))
  end
  return found
end

--- A range as a list: the last one is not beyond "to".
local function range_of(options)
  local from, to, step = options.from, options.to, options.step
  if not (from and to and step) then
    fail("say the intensities as a list, intensities = { 40, 45, 50, 55 }, or as from =, to = and step =")
  end
  for name, value in pairs { from = from, to = to, step = step } do
    if not math.type(value) then
      fail("%s must be a number, like 40 (of = says of what it is the percentage), not %s", name,
        value_words.shown(value))
    end
  end
  if not (step > 0 and from < to and from > 0 and (to - from) / step <= most_trials) then
    fail("from = %g, to = %g, step = %g: the lower one comes first, and the step is above 0", from, to, step)
  end
  local list = {}
  for i = 0, math.floor((to - from) / step + 1e-9) do
    local value = from + i * step
    list[#list + 1] = math.tointeger(value) or value
  end
  return list
end

--- The intensities, each once, in the order in which they were given.
local function levels_of(options, reference)
  local list = options.intensities
  if list and (options.from or options.to or options.step) then
    fail("intensities = { ... } says all: leave out from, to and step")
  end
  list = list or range_of(options)
  lists.check("run:recruitment", "intensities", list)
  local taken = {}
  for i, value in ipairs(list) do
    if not math.type(value) or not (value > 0 and value <= highest[reference]) then
      fail("intensity %d must be a number above 0 and up to %d %%%s, not %s", i, highest[reference],
        reference, value_words.shown(value))
    elseif taken[value] then
      fail("%g is there twice: repeats = says how often each comes", value)
    end
    taken[value] = true
  end
  if #list < boltzmann.least_levels then
    fail("a curve needs at least %d intensities, and there are %d", boltzmann.least_levels, #list)
  end
  return list
end

--- What the device is set to for an intensity, in its unit. What would be refused amid the curve is refused
--- before it.
local function set_to(value, reference, thresholds, range)
  local mso, message = intensities.resolve({ value = value, reference = reference }, thresholds)
  if not mso then
    fail("%s", message)
  end
  local set = intensities.round(mso, range.step, range.highest)
  if set <= 0 or set < range.min or set > range.max then
    fail("%g %%%s is %g %%MSO: the device is set to steps of %g %%MSO, from %g to %g %%MSO", value, reference,
      mso, range.step, range.min > 0 and range.min or range.step, range.max)
  end
  -- journal and manifest have ten digits: the fit is made from what they say
  return tonumber(("%.10g"):format(reference == "MSO" and set or set * 100 / thresholds[reference:lower()]))
end

--- The same of all, the highest one first: it is what an author is told of.
---@return table<number, number> set by the intensity asked for
local function settings_of(list, reference, thresholds, range)
  local sorted, set_of, levels, seen = { table.unpack(list) }, {}, 0, {}
  table.sort(sorted, function(a, b) return a > b end)
  for _, value in ipairs(sorted) do
    local set = set_to(value, reference, thresholds, range)
    levels, seen[set], set_of[value] = levels + (seen[set] and 0 or 1), true, set
  end
  if levels < boltzmann.least_levels then
    fail("a curve needs at least %d intensities, and the device is set to %d for these %d: its step is %g "
      .. "%%MSO", boltzmann.least_levels, levels, #list, range.step)
  end
  return set_of
end

--- All trials' intensities in their order.
local function plan_of(list, repeats, order, shuffle)
  local plan = {}
  for _ = 1, repeats do
    local block = order == "blocks" and shuffle(list) or list
    table.move(block, 1, #block, #plan + 1, plan)
  end
  return order == "random" and shuffle(plan) or plan
end

--- Start one: for trial, intensity in run:recruitment { from = 40, to = 70, step = 5 } do ... end
---@param options table { intensities | from, to, step, repeats = 10, of = "MSO"|"RMT"|"AMT",
---   order = "random"|"blocks"|"given", device = string? }: blocks has each intensity once in each of them;
---   device: of several the one that it is of
---@param hooks { note: fun(text: string, said: table), begins: fun(curve: moonpulse.Recruitment),
---   ends: fun(curve: moonpulse.Recruitment), shuffle: fun(list: any[]): any[],
---   thresholds: moonpulse.Thresholds,
---   range: { min: number, max: number, step: number, highest: number? } } range: the device's
---   limits().intensity; note puts a line into the record, with the same as data; begins is
---   called with the first trial, ends when it has ended, once each; reads (fun(value, read): any):
---   what an answer says, as answer.take, which it is without
---@param place integer? which curve of the run it is; 1
---@return moonpulse.Recruitment curve its facts are what the manifest has of it, at any time
function M.new(options, hooks, place)
  blame.options("run:recruitment", options, known)
  local reference, order = options.of or "MSO", options.order or "random"
  if not highest[reference] then
    fail("of is \"MSO\", \"RMT\" or \"AMT\", not %s", value_words.shown(reference))
  elseif not orders[order] then
    fail("order is \"random\", \"blocks\" (each intensity once in each) or \"given\", not %s",
      value_words.shown(order))
  end
  local list = levels_of(options, reference)
  local repeats = whole("repeats", options.repeats or 10, 1, most_trials)
  if #list * repeats > most_trials or #list * repeats < boltzmann.least_trials then
    fail("%d intensities %d times are %d trials: %d to %d can be given", #list, repeats, #list * repeats,
      boltzmann.least_trials, most_trials)
  end
  local set_of = settings_of(list, reference, hooks.thresholds, hooks.range)
  local plan, track = plan_of(list, repeats, order, hooks.shuffle), {}
  local facts = { unit = "%" .. reference, device = options.device, order = order, repeats = repeats,
    planned = #plan, trials = 0,
    track = track, why = recover_manifest.unfinished }
  return setmetatable({ facts = facts, track = track, plan = plan, set_of = set_of, number = 0,
    place = place or 1, note = hooks.note, begins = hooks.begins, ends = hooks.ends,
    reads = hooks.reads or answers.take }, Recruitment)
end

local trial_kind = handles.kind("trial", Trial, { "answer" }, { "number", "intensity", "set" })
local kind = handles.kind("curve", Recruitment, { "fit" }, { "number" }, function(curve)
  local trial, intensity = curve()
  return trial and handles.new(trial_kind, trial), intensity
end)

--- What a script holds of it, and is given trials by.
---@param curve moonpulse.Recruitment of new
---@return moonpulse.Recruitment
function M.handle(curve)
  return handles.new(kind, curve)
end

return M
