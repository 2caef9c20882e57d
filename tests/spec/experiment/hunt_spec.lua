-- A threshold hunt against what its method says by itself, and its options, answers and ends.
local amplitude = require "moonpulse.experiment.amplitude"
local core = require "moonpulse.core"
local hunts = require "moonpulse.experiment.hunt"
local ml_pest = require "moonpulse.experiment.ml_pest"
local stochastic = require "moonpulse.experiment.stochastic"

local function nothing() end

local no_hooks = { note = nothing, begins = nothing, ends = nothing }

--- A hunt whose muscle answers so: the intensities it gave, the hunt, what it noted.
local function hunt_of(options, answer)
  local notes, begun, ended = {}, 0, 0
  local hunt = hunts.new(options, {
    note = function(text, said) notes[#notes + 1] = { text = text, said = said } end,
    begins = function() begun = begun + 1 end, ends = function() ended = ended + 1 end })
  local given = {}
  for trial, intensity in hunt do
    given[#given + 1] = intensity
    trial:answer(answer(intensity, trial.number))
  end
  assert.is_nil((hunt())) -- it stays at its end
  assert.are.same({ 1, 1 }, { begun, ended })
  return given, hunt, notes
end

local function from(threshold)
  return function(intensity) return intensity >= threshold end
end

local function never() return false end
local function always() return "y" end

local function refused(options, words)
  local ok, problem = pcall(hunts.new, options, no_hooks)
  assert.is_false(ok, words)
  assert.matches(words, problem, 1, true)
end

describe("a threshold hunt", function()
  it("gives each pulse where its method does, told the same answers, and has its estimate", function()
    local answers = "yynynnyyynynyynnyyny"
    local function yes(number) return answers:sub(number, number) == "y" end
    for _, case in ipairs {
      { { method = "ml-pest", start = 52 }, ml_pest.new(52) },
      { { method = "stochastic", start = 52 }, stochastic.new(52, { first = 6.7 }) },
      { { method = "stochastic", variant = "digital HA", start = 52 },
        stochastic.new(52, { first = 4.2, turns_only = true }) },
      { { method = "stochastic", step = 3, start = 52 }, stochastic.new(52, { first = 3 }) },
    } do
      local given, hunt = hunt_of(case[1], function(_, number) return yes(number) end)
      local expected = {}
      for number = 1, 20 do
        expected[number] = case[2]:next()
        case[2]:take(expected[number], yes(number) and 1e-3 or 0)
      end
      assert.are.same(expected, given)
      assert.are.equal(case[2]:estimate(), hunt:threshold())
    end
  end)

  it("by amplitudes tells its method the same volts, and has its interval", function()
    local muscle, same = core.muscle(12), core.muscle(12)
    local start = math.floor(1.12 * muscle:intensity_of(0.5))
    local method, expected = amplitude.new(start), {}
    for number = 1, 15 do
      expected[number] = method:next()
      method:take(expected[number], tonumber(("%.1f"):format(same:respond(expected[number]) * 1e6)) / 1e6)
    end
    local given, hunt = hunt_of({ method = "amplitude", start = start, trials = 15 }, function(intensity)
      return ("%.1f"):format(muscle:respond(intensity) * 1e6) -- as run:ask gives it
    end)
    assert.are.same(expected, given)
    assert.are.equal(method:estimate(), hunt:threshold())
    assert.are.same(method:interval(), hunt:interval())
    local truth = muscle:intensity_of(0.5)
    assert.is_true(hunt:interval().low < truth and truth < hunt:interval().high)
    for _, trial in ipairs(hunt.facts.track) do
      assert.are.equal(trial.mep_uv >= 50, trial.yes)
    end
  end)

  it("of an analog H goes by the decades of the MEP", function()
    local given = hunt_of({ method = "stochastic", variant = "analog H", start = 60, step = 6, trials = 3 },
      function(_, number) return ({ 500, 5, 50 })[number] end)
    assert.are.same({ 60, 54, 57 }, given) -- a decade above: 6 down; a decade below: 6/2 up
  end)

  it("by levels ends by its own rule", function()
    local given, hunt = hunt_of({ method = "relative-frequency", start = 47, of = 4 }, from(46))
    assert.are.same({ 47, 47, 46, 46, 45, 45, 45 }, given) -- 2 of 4; at 45 three no
    assert.are.same({ 46, "method", 7 }, { hunt:threshold(), hunt.facts.ended_by, hunt.facts.trials })
    given, hunt = hunt_of({ method = "relative-frequency", start = 48, step = 3 }, from(46))
    assert.are.same({ 5 + 6, 48 }, { #given, (hunt:threshold()) }) -- 48, then 45
    given, hunt = hunt_of({ method = "mills-nithi", start = 47 }, from(46))
    assert.are.same({ 2 + 10 + 10, 45.5 }, { #given, (hunt:threshold()) })
  end)

  it("has no threshold where the answers lead beyond its limits", function()
    for _, case in ipairs {
      { { method = "stochastic", start = 96, trials = 50 }, never, 100 },
      { { method = "ml-pest", start = 50, trials = 50 }, never, 100 },
      { { method = "ml-pest", start = 50, trials = 50, min = 20 }, always, 20 },
      { { method = "amplitude", start = 50, trials = 50, max = 70 }, function() return 3 end, 70 },
      { { method = "relative-frequency", start = 98 }, never, 100 },
      { { method = "relative-frequency", start = 22, min = 20 }, always, 20 },
      { { method = "mills-nithi", start = 3 }, always, 1 },
      { { method = "mills-nithi", start = 99 }, function(intensity, number)
        return intensity > 98 and number % 3 > 0
      end, 100 },
    } do
      local given, hunt = hunt_of(case[1], case[2])
      local is_above = case[3] == (case[1].max or 100)
      local threshold, why, side = hunt:threshold()
      assert.are.same({ ("the answers lead beyond %d %%MSO"):format(case[3]),
        is_above and "above" or "below" }, { why, side })
      assert.is_nil(threshold)
      assert.are.same({ is_above and case[3] or nil, not is_above and case[3] or nil },
        { hunt.facts.above, hunt.facts.below })
      assert.matches(("^no threshold %s to %d %%%%MSO %%("):format(is_above and "up" or "down", case[3]),
        hunt:words())
      assert.are.same({ "limit", case[3] }, { hunt.facts.ended_by, given[#given] })
      assert.is_nil(hunt:interval())
      for _, intensity in ipairs(given) do
        assert.are.equal("integer", math.type(intensity))
        assert.is_true(intensity >= (case[1].min or 1) and intensity <= (case[1].max or 100))
      end
    end
    local given = hunt_of({ method = "stochastic", start = 99, trials = 50 }, never)
    assert.are.same({ 99, 100, 100, 100 }, given) -- three at the limit, as the staircase
  end)

  it("stays within its limits, and begins anew there", function()
    local answers = { false, true, false, false, true, false, false, true }
    local given, hunt = hunt_of({ method = "stochastic", start = 60, max = 60, trials = 8 },
      function(_, number) return answers[number] end)
    assert.are.same({ 60, 60, 57, 59, 60, 59, 60, 60 }, given) -- 6.7/2 below 60, then 6.7/3 above that, ...
    assert.are.equal("trials", hunt.facts.ended_by) -- never three in a row
    given = hunt_of({ method = "stochastic", start = 40, min = 40, trials = 3 }, function(_, number)
      return number == 1
    end)
    assert.are.same({ 40, 40, 43 }, given)
    local _, beyond = hunt_of({ method = "amplitude", start = 60, max = 60, trials = 2 },
      function() return 3 end)
    assert.are.same({ "trials", "the answers lead beyond 60 %MSO" },
      { beyond.facts.ended_by, beyond.facts.why })
    assert.is_nil(beyond.facts.interval)
  end)

  it("goes as far after the first answer as docs/experiments.md says", function()
    for _, case in ipairs { { "ml-pest", true, 16 }, { "ml-pest", false, 90 }, { "amplitude", 5, 68 } } do
      local given = hunt_of({ method = case[1], start = 50, trials = 2 }, function() return case[2] end)
      assert.are.same({ 50, case[3] }, given)
    end
  end)

  it("says why it has none yet", function()
    local hunt = hunts.new({ method = "relative-frequency", start = 50, trials = 7 }, no_hooks)
    assert.are.equal("no trial was answered", select(2, hunt:threshold()))
    for trial in hunt do
      trial:answer(trial.number < 6)
    end
    assert.are.equal("7 trials did not bring the method to its end", select(2, hunt:threshold()))
    assert.are.equal("trials", hunt.facts.ended_by)
    local _, alike = hunt_of({ method = "ml-pest", start = 50, trials = 2 }, always)
    assert.are.equal("all 2 answers are alike", select(2, alike:threshold()))
  end)

  it("notes each trial with its method, its answer and its end, and has facts at any time", function()
    local _, _, notes = hunt_of({ method = "amplitude", start = 50, trials = 2, kind = "AMT" }, function()
      return 80
    end)
    assert.are.same({ "trial 1 at 50 %MSO", "trial 1 answer 80 uV" }, { notes[1].text, notes[2].text })
    assert.are.same({ hunt = 1, trial = 1, intensity = 50, unit = "%MSO", method = "amplitude", start = 50,
      min = 1, max = 100, kind = "AMT" }, notes[1].said)
    assert.are.same({ hunt = 1, trial = 1, intensity = 50, yes = true, mep_uv = 80 }, notes[2].said)
    local begun = hunts.new({ method = "stochastic", start = 50 }, no_hooks)
    begun():answer "n"
    assert.are.same({ { { intensity = 50, yes = false } }, 1, "the run ended before it did", "digital H",
      6.7 }, { begun.facts.track, begun.facts.trials, begun.facts.why, begun.facts.variant,
      begun.facts.step })
  end)

  it("takes of each method its own answers, once, and no turn without one", function()
    local function trial_of(method)
      local hunt = hunts.new({ method = method, start = 50 }, no_hooks)
      return hunt(), hunt
    end
    local function fails(trial, value, words)
      local ok, problem = pcall(trial.answer, trial, value)
      assert.is_false(ok, words)
      assert.matches(words, problem, 1, true)
    end
    for _, value in ipairs { "y", true, 0.8, 0, -5, 50001, 0 / 0, "80 uV", "52,5", "0x40", "", {} } do
      fails(trial_of "amplitude", value, "the MEP's amplitude is needed, 1 to 50000 uV peak to peak, not ")
    end
    fails(trial_of "amplitude", 0.8, "(mV times 1000; without an MEP the amplitude of the noise)")
    for _, value in ipairs { 80, "80", "maybe" } do
      fails(trial_of "ml-pest", value, 'true, false, "y" or "n" is needed')
    end
    for value, yes in pairs { [1] = false, [49.9] = false, [50] = true, [50000] = true } do
      local trial, hunt = trial_of "amplitude"
      trial:answer(value)
      assert.are.same({ value, yes }, { hunt.facts.track[1].mep_uv, hunt.facts.track[1].yes })
    end
    local trial, hunt = trial_of "amplitude"
    local ok, problem = pcall(hunt)
    assert.is_false(ok)
    assert.matches("trial 1 has no answer: call trial:answer(the MEP in uV) in each turn", problem, 1, true)
    trial:answer " 1.5e2 "
    assert.are.equal(150, hunt.facts.track[1].mep_uv)
    fails(trial, 150, "trial 1 has its answer already")
    assert.are.equal(1, #hunt.facts.track)
  end)

  it("refuses what it cannot do, naming the option and those that there are", function()
    refused({ start = 50 }, 'run:threshold: method is one of "amplitude", "mills-nithi", "ml-pest", '
      .. '"relative-frequency", "stochastic", not nil')
    refused({ method = "pest", start = 50 }, 'not the text "pest"')
    refused(5, "a table of options expected")
    refused({ method = "ml-pest" }, "start is missing")
    refused({ method = "ml-pest", start = 50, pulses = 20 },
      'there is no option "pulses"; known: device, kind, max, method, min, start, trials')
    refused({ method = "ml-pest", start = 50, step = 2 }, 'there is no option "step"; known: ')
    refused({ method = "relative-frequency", start = 50, variant = "analog H" },
      'no option "variant"; known: ' .. "device, kind, max, method, min, of, start, step, trials")
    refused({ method = "stochastic", start = 50, variant = "H" },
      'variant is one of "analog H", "digital H", "digital HA", not the text "H"')
    refused({ method = "ml-pest", start = 50, kind = "rmt" }, 'kind is "RMT" or "AMT", not the text "rmt"')
    refused({ method = "ml-pest", start = 50.5 }, "start must be a whole number, not 50.5")
    refused({ method = "ml-pest", start = "50" }, "start must be a number, not the text")
    refused({ method = "ml-pest", start = 50, min = 60 }, "start = 50 is outside min = 60 to max = 100")
    refused({ method = "ml-pest", start = 50, max = 130 },
      "min = 1 to max = 130 must be within 1 to 100 %MSO")
    refused({ method = "ml-pest", start = 0, min = 0 }, "min = 0 to max = 100 must be within 1 to 100 %MSO")
    refused({ method = "ml-pest", start = 50, trials = 0 }, "trials must be 1 to 1000, not 0")
    refused({ method = "relative-frequency", start = 50, of = 9 }, "of must be an even number from 2 to 100")
    refused({ method = "relative-frequency", start = 50, step = 0.5 }, "step must be a whole number, not 0.5")
    refused({ method = "stochastic", start = 50, step = 0 },
      "step must be above 0 and at most 20 %MSO, not 0")
  end)
end)
