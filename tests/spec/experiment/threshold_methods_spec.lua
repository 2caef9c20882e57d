-- Methods that find a threshold, against answers that can be worked out by hand, and against one another.
local amplitude = require "moonpulse.experiment.amplitude"
local core = require "moonpulse.core"
local ml_pest = require "moonpulse.experiment.ml_pest"
local relative = require "moonpulse.experiment.relative_frequency"
local stochastic = require "moonpulse.experiment.stochastic"

--- The intensities that a method asks for, of a muscle that answers with so many volts.
local function asked(method, volts_at, most)
  local list = {}
  while #list < most and method:next() do
    local intensity = method:next()
    list[#list + 1] = intensity
    method:take(intensity, volts_at(intensity, #list))
  end
  return list
end

local function from(threshold)
  return function(intensity) return intensity >= threshold and 1e-3 or 1e-6 end
end

describe("relative frequency", function()
  it("goes down until 5 of 10 cannot be reached, and ends a level when it is decided", function()
    local method = relative.new(48, { half = 5, step = 2 })
    -- 5 yes at 48, 5 at 46, 6 no at 44: 4 further yes would not be enough
    assert.are.same({ 48, 48, 48, 48, 48, 46, 46, 46, 46, 46, 44, 44, 44, 44, 44, 44 },
      asked(method, from(45), 99))
    assert.are.equal(46, method:estimate())
  end)

  it("counts 5 of 10, and not 4", function()
    local answers = "ynynynynyn" .. "ynynynynn" .. "n" -- 5 of 10 at 50; then 4 yes and 6 no
    local method = relative.new(50, { half = 5, step = 1 })
    local list = asked(method, function(_, number)
      return answers:sub(number, number) == "y" and 1e-3 or 1e-6
    end, 99)
    assert.are.equal(19, #list) -- decided after the 9th, and after the 10th of the next
    assert.are.equal(50, method:estimate())
  end)

  it("goes up from a start that is too low, and has none where nothing answers", function()
    local method = relative.new(40, { half = 5, step = 2 })
    asked(method, from(43), 99)
    assert.are.equal(44, method:estimate())
    method = relative.new(128, { half = 5, step = 2 })
    assert.is_true(#asked(method, function() return 0 end, 999) <= 18)
    assert.is_nil(method:estimate())
  end)

  it("of Mills and Nithi is the mean of 0 of 10 and 10 of 10", function()
    local method = relative.mills_nithi(50)
    -- 50, 49, 48 answer; 47 gives none of 10: lower; 48 answers 10 times: upper
    assert.are.equal(3 + 10 + 10, #asked(method, from(48), 99))
    assert.are.equal(47.5, method:estimate())
  end)
end)

describe("stochastic approximation", function()
  it("makes the n-th step 1/n of the first", function()
    local method = stochastic.new(50, { first = 6 })
    asked(method, function(_, number) return number == 2 and 1e-6 or 1e-3 end, 3)
    assert.is_true(math.abs(method:estimate() - (50 - 6 + 3 - 2)) < 1e-12)
  end)

  it("of HA gets shorter only where the direction changes", function()
    local method = stochastic.new(50, { first = 6, turns_only = true })
    asked(method, function(_, number) return number == 3 and 1e-6 or 1e-3 end, 4)
    -- two steps of 6 down, the turn: 3 up, the next turn: 2 down
    assert.is_true(math.abs(method:estimate() - (50 - 6 - 6 + 3 - 2)) < 1e-12)
  end)

  it("of amplitudes goes by decades from 50 uV, and stays from 0 to 130", function()
    local method = stochastic.new(60, { first = 6, analog = true })
    asked(method, function() return 5e-3 end, 1) -- two decades above
    assert.is_true(math.abs(method:estimate() - 48) < 1e-9)
    method = stochastic.new(3, { first = 6 })
    asked(method, function() return 1 end, 5)
    assert.are.equal(0, method:estimate())
  end)
end)

describe("ML-PEST", function()
  --- The likeliest threshold by the library's functions, on a grid four times as fine.
  local function likeliest(track)
    local best, found = -math.huge, nil
    local function phi(z) -- by Simpson from far below: nothing shared with the module
      local sum, steps, low = 0, 400, -8
      for i = 0, steps do
        local x = low + (z - low) * i / steps
        sum = sum + math.exp(-x * x / 2) * ((i == 0 or i == steps) and 1 or i % 2 == 1 and 4 or 2)
      end
      return sum * (z - low) / steps / 3 / math.sqrt(2 * math.pi)
    end
    for i = 400, 1600 do
      local threshold, sum = i * 0.05, 0
      for _, trial in ipairs(track) do
        local z = (trial[1] - threshold) / (0.07 * threshold)
        sum = sum + math.log(math.max(1e-300, phi(math.max(-7.9, trial[2] and z or -z))))
      end
      if sum > best then
        best, found = sum, threshold
      end
    end
    return found
  end

  it("is at the maximum of the likelihood", function()
    local track = { { 60, true }, { 52, false }, { 55, true }, { 50, false }, { 53, true }, { 49, false } }
    local method = ml_pest.new(60)
    for _, trial in ipairs(track) do
      method:take(trial[1], trial[2] and 1e-3 or 1e-6)
    end
    assert.is_true(math.abs(method:estimate() - likeliest(track)) <= 0.15, method:estimate())
    assert.are.equal(math.floor(method:estimate() + 0.5), method:next())
  end)

  it("begins at its start, and finds a threshold of a sharp muscle", function()
    local method = ml_pest.new(60)
    assert.are.equal(60, asked(method, from(47), 25)[1])
    assert.is_true(math.abs(method:estimate() - 46.5) < 1, method:estimate())
  end)
end)

describe("the amplitude method", function()
  it("gives each pulse at what it knows so far, and is nearer the truth than ML-PEST", function()
    local own, other, held, count = 0, 0, 0, 20
    for seed = 1, count do
      local function hunt(method)
        local muscle = core.muscle(seed)
        return asked(method, function(intensity) return muscle:respond(intensity) end, 20)
      end
      local truth = core.muscle(seed):intensity_of(0.5)
      local start = math.floor(1.12 * truth + 0.5)
      local method, pest = amplitude.new(start), ml_pest.new(start)
      local list = hunt(method)
      hunt(pest)
      assert.are.equal(start, list[1])
      assert.is_true(math.abs(list[20] - method:estimate()) < 4, seed)
      own = own + math.abs(method:estimate() / truth - 1) / count
      other = other + math.abs(pest:estimate() / truth - 1) / count
      local interval = method:interval()
      held = held + (interval.low <= truth and truth <= interval.high and 1 or 0)
    end
    assert.is_true(own < other, ("%.4f, ML-PEST %.4f"):format(own, other))
    assert.is_true(held >= 16, held)
  end)
end)

describe("a simulated muscle", function()
  it("gives the same MEPs for the same seed, and is another one for another", function()
    local one, same, other = core.muscle(5), core.muscle(5), core.muscle(6)
    local first = one:respond(60)
    assert.are.equal(first, same:respond(60))
    assert.are_not.equal(first, one:respond(60))
    assert.are_not.equal(one:intensity_of(0.5), other:intensity_of(0.5))
    assert.is_true(math.abs(one:probability(one:intensity_of(0.5)) - 0.5) < 1e-4)
  end)

  it("of another population has another threshold", function()
    local published, shifted = 0, 0
    for seed = 1, 20 do
      published = published + core.muscle(seed):intensity_of(0.5) / 20
      shifted = shifted + core.muscle(seed, { shift = 1 }):intensity_of(0.5) / 20
    end
    assert.is_true(shifted > published + 4, shifted - published) -- an sd of the shift is about 10 %MSO
  end)

  it("refuses what is no intensity, and the filter what is no MEP", function()
    local muscle, filter = core.muscle(5), core.threshold_filter()
    assert.has_error(function() muscle:respond(0 / 0) end)
    assert.has_error(function() muscle:respond(131) end)
    assert.has_error(function() core.muscle(5, { shift = "far" }) end)
    assert.has_error(function() filter:update(50.5, 1e-4) end)
    assert.has_error(function() filter:update(50, -1) end)
    filter:close()
    assert.has_error(function() filter:update(50, 1e-4) end)
  end)
end)
