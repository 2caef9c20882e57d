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
  repeats = "?number", of = "?text", order = "?text" }
local highest = { MSO = 100, RMT = 300, AMT = 300 } -- above 100 %MSO all is refused, whatever its threshold
local orders = { random = true, blocks = true, given = true }

--- How large the MEP was, peak to peak.
---@param value number|string in microvolts, or its text
function Trial:answer(value)
  local curve, mep_uv = self.curve, answers.microvolts(value)
  if self.answered then
    blame.fail("trial:answer: trial %d has its answer already", self.number)
  end
  self.answered = true
  table.insert(curve.track, { intensity = self.intensity, mep_uv = mep_uv })
  curve.facts.trials = #curve.track
  curve.note(("trial %d answer %.10g uV"):format(self.number, mep_uv), { curve = curve.place,
    trial = self.number, intensity = self.intensity, mep_uv = mep_uv })
end

--- Ten digits of each number: more mean nothing, and journal and manifest then say the same.
local function rounded(fit)
  local made = {}
  for key, value in pairs(fit) do
    made[key] = type(value) == "table" and rounded(value) or tonumber(("%.10g"):format(value))
  end
  return made
end

--- The curve that the trials until now leave.
---@return moonpulse.CurveFit?
---@return string? why there is none
function Recruitment:fit()
  local fit, why = boltzmann.fit(self.track)
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
  self.trial = setmetatable({ curve = self, number = number, intensity = intensity }, Trial)
  if number == 1 then
    self.begins(self)
  end
  self.note(("trial %d at %g %s"):format(number, intensity, facts.unit), { curve = self.place,
    trial = number, intensity = intensity, unit = facts.unit, order = facts.order,
    repeats = facts.repeats, planned = facts.planned })
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

--- Can the highest be given? What would be refused amid the curve is refused before it.
local function check_highest(list, reference, thresholds)
  local mso, message = intensities.resolve({ value = math.max(table.unpack(list)), reference = reference },
    thresholds)
  if not mso then
    fail("%s", message)
  end
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
---   order = "random"|"blocks"|"given" }: blocks has each intensity once in each of them
---@param hooks { note: fun(text: string, said: table), begins: fun(curve: moonpulse.Recruitment),
---   ends: fun(curve: moonpulse.Recruitment), shuffle: fun(list: any[]): any[],
---   thresholds: moonpulse.Thresholds } note puts a line into the record, with the same as data; begins is
---   called with the first trial, ends when it has ended, once each
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
  check_highest(list, reference, hooks.thresholds)
  local plan, track = plan_of(list, repeats, order, hooks.shuffle), {}
  local facts = { unit = "%" .. reference, order = order, repeats = repeats, planned = #plan, trials = 0,
    track = track, why = recover_manifest.unfinished }
  return setmetatable({ facts = facts, track = track, plan = plan, number = 0, place = place or 1,
    note = hooks.note, begins = hooks.begins, ends = hooks.ends }, Recruitment)
end

local trial_kind = handles.kind("trial", Trial, { "answer" }, { "number", "intensity" })
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
