-- The interval of a staircase's threshold, against simulated subjects whose threshold and spread are known.
local likelihood = require "moonpulse.experiment.likelihood"
local staircases = require "moonpulse.experiment.staircase"

local function nothing() end

--- A normal deviate (Box and Muller).
local function gauss(draw)
  return math.sqrt(-2 * math.log(1 - draw())) * math.cos(2 * math.pi * draw())
end

--- The same numbers on every machine (Park and Miller).
local function draws(seed)
  local state = seed
  return function()
    state = state * 16807 % 2147483647
    return state / 2147483647
  end
end

--- A staircase of a subject; nil where it ended without an estimate.
local function hunt(draw, threshold, spread)
  local stairs = staircases.new({ start = math.floor(threshold * 1.12), step = 4, reversals = 8 }, nothing,
    nothing)
  for trial, intensity in stairs do
    trial:answer(intensity > threshold + gauss(draw) * spread * threshold)
  end
  return stairs
end

describe("a staircase's interval", function()
  it("holds the true threshold about as often as it says, and is not wider than it must be", function()
    local draw, held, count, width = draws(7), 0, 0, 0
    for _ = 1, 60 do
      local threshold = 35 + 40 * draw()
      local interval = hunt(draw, threshold, 0.05):interval()
      if interval then
        count, width = count + 1, width + (interval.high - interval.low) / threshold
        held = held + (interval.low <= threshold and threshold <= interval.high and 1 or 0)
      end
    end
    assert.is_true(count >= 55, count)
    assert.is_true(held / count >= 0.93, held / count) -- 95 % and the chance of 60 draws
    assert.is_true(width / count < 0.18, width / count)
  end)

  it("gets narrower with more answers, and holds the estimate", function()
    local function interval(repeats)
      local track = {}
      for _ = 1, repeats do
        for _, trial in ipairs { { 44, false }, { 48, false }, { 50, true }, { 48, true }, { 52, true } } do
          track[#track + 1] = { intensity = trial[1], yes = trial[2] }
        end
      end
      return likelihood.interval(track, 48.5)
    end
    local few, many = interval(1), interval(8)
    assert.is_true(few.low <= 48.5 and few.high >= 48.5)
    assert.is_true(many.high - many.low < (few.high - few.low) / 1.8)
    assert.is_true(many.low > 45 and many.high < 51, many.low .. " to " .. many.high)
    local wide = likelihood.interval({ { intensity = 40, yes = false }, { intensity = 50, yes = true } }, 80)
    assert.equal(80, wide.high)
  end)

  it("is none where the answers are all alike, or where there is no estimate", function()
    assert.is_nil(likelihood.interval({ { intensity = 40, yes = true }, { intensity = 38, yes = true } }, 40))
    assert.is_nil(likelihood.interval({}, 40))
    local stairs = staircases.new({ start = 98, step = 1, max = 100 }, nothing, nothing)
    for trial in stairs do
      trial:answer(false)
    end
    assert.is_nil(stairs:interval())
  end)

  it("does not fail where there are many trials", function()
    local track = {}
    for i = 1, 2000 do
      track[i] = { intensity = 50 + i % 3, yes = i % 2 == 0 }
    end
    local interval = likelihood.interval(track, 51)
    assert.is_true(interval.low <= 51 and interval.high >= 51 and interval.high - interval.low < 2)
  end)
end)
