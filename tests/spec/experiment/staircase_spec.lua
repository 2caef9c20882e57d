-- The staircase against a muscle that we make up: what it settles at can be worked out by hand.
local staircases = require "moonpulse.experiment.staircase"

--- Run a staircase whose muscle answers from threshold on; the intensities it asked for.
local function hunt(options, answers)
  local notes, concluded = {}, 0
  local stairs = staircases.new(options, function(text) notes[#notes + 1] = text end,
    function() concluded = concluded + 1 end)
  local asked = {}
  for trial, intensity in stairs do
    asked[#asked + 1] = intensity
    trial:answer(answers(intensity, trial.number))
  end
  assert.are.equal(1, concluded)
  return asked, stairs, notes
end

local function from(threshold)
  return function(intensity) return intensity >= threshold end
end

describe("a staircase", function()
  it("goes down after yes and up after no, and halves its step at each reversal", function()
    local asked, stairs, notes = hunt({ start = 60, step = 8 }, from(45))
    -- 60 52 | 44 no: up by 4 | 48 yes: down by 2 | 46 | 44 no: up by 1 | 45 yes: down | 44 no | 45 yes
    assert.are.same({ 60, 52, 44, 48, 46, 44, 45, 44, 45 }, asked)
    -- reversals at 44 (8), 48 (4), 44 (2), 45 44 45 (1): an even number of the last, 44 and 45
    assert.are.equal(44.5, stairs:threshold())
    assert.are.equal("trial 1 at 60 %MSO", notes[1])
    assert.are.equal("trial 1 answer yes", notes[2])
  end)

  it("keeps the step on the grid of the smallest", function()
    local asked = hunt({ start = 50, step = 3, reversals = 4 }, from(49))
    assert.are.same({ 50, 47, 49, 48, 49 }, asked) -- 3, then 2 (1.5 rounded up), then 1
  end)

  it("has the unit of its intensities, %MSO where none is said", function()
    local notes = {}
    local stairs = staircases.new({ start = 60, step = 4, unit = "mA" }, function(text)
      notes[#notes + 1] = text
    end, function() end)
    stairs()
    assert.are.equal("trial 1 at 60 mA", notes[1])
    local ok, problem = pcall(staircases.new, { start = 60, step = 4, unit = 5 }, print, print)
    assert.is_false(ok)
    assert.matches('unit must be text, like "%MSO", not number', problem, 1, true)
  end)

  it("ends without a threshold where the answers lead beyond its bounds", function()
    local asked, stairs = hunt({ start = 98, step = 1, max = 100 }, function() return false end)
    assert.are.same({ 98, 99, 100, 100, 100 }, asked)
    assert.is_nil((stairs:threshold()))
    assert.are.same({ "the answers lead beyond 100 %MSO", "above" }, { select(2, stairs:threshold()) })
    assert.are.same({ 100, nil }, { stairs.facts.above, stairs.facts.below })
    asked, stairs = hunt({ start = 3, step = 1 }, function() return true end)
    assert.are.same({ 3, 2, 1, 1, 1 }, asked)
    assert.are.same({ "the answers lead beyond 1 %MSO", "below" }, { select(2, stairs:threshold()) })
    assert.is_nil(stairs.facts.above)
    assert.are.equal(1, stairs.facts.below)
  end)

  it("ends after its last trial, and says that this was too few", function()
    local asked, stairs = hunt({ start = 50, step = 1, trials = 4 }, function() return true end)
    assert.are.equal(4, #asked)
    assert.are.same({ "only 0 reversals after 4 trials" }, { select(2, stairs:threshold()) })
  end)

  it("takes y, n, yes, no, true and false, once", function()
    local list = { "y", "N", "YES", "no", true, false }
    local _, stairs = hunt({ start = 50, step = 1, trials = 6, reversals = 20 }, function(_, number)
      return list[number]
    end)
    assert.are.equal(50, stairs.intensity) -- down, up, three times
    stairs = staircases.new({ start = 50, step = 1 }, function() end)
    local trial = stairs()
    assert.has_error(function() trial:answer("maybe") end)
    trial:answer(true)
    assert.has_error(function() trial:answer(true) end)
  end)

  it("does not go on without an answer", function()
    local stairs = staircases.new({ start = 50, step = 1 }, function() end)
    stairs()
    local ok, message = pcall(stairs)
    assert.is_false(ok)
    assert.matches("trial 1 has no answer", message)
  end)

  it("refuses what it cannot do, naming the field", function()
    local function fails(options, pattern)
      local ok, message = pcall(staircases.new, options, function() end)
      assert.is_false(ok)
      assert.matches(pattern, message)
    end
    fails({ start = 50 }, "step is missing")
    fails({ start = 50, step = 0 }, "step must be above 0")
    fails({ start = 50, step = 1, kind = "rmt" }, 'kind is "RMT" or "AMT", not the text "rmt"')
    fails({ start = 50, step = 1, kind = "AMT", unit = "mA" }, '"AMT" is a threshold in %%MSO, and unit is')
    fails({ start = 50, step = 0 / 0 }, "step must be a number")
    fails({ start = 0, step = 2 }, "start = 0 is outside min = 1 to max = 100")
    fails({ start = 50, step = 1, min_step = 2 }, "step = 1 is below min_step = 2")
    fails({ start = 50, step = 1, revesals = 2 }, "there is no option \"revesals\"")
  end)
end)
