--- The Boltzmann fit of an input-output curve: against another way of finding the least squares, and its
--- intervals in simulated subjects whose curve is known.
local boltzmann = require "moonpulse.experiment.boltzmann"
local core = require "moonpulse.core"

local levels = { 40, 45, 50, 55, 60, 65, 70 }

--- A normal deviate, from a stream of chance that is not the program's.
local function chance_of(seed)
  local state = seed * 2654435761 % 4294967296
  local function uniform()
    state = (state * 1664525 + 1013904223) % 4294967296
    return (state + 0.5) / 4294967296
  end
  return function()
    return math.sqrt(-2 * math.log(uniform())) * math.cos(2 * math.pi * uniform())
  end
end

local function at(s, most, s50, k)
  return most / (1 + math.exp((s50 - s) / k))
end

--- MEPs of somebody whose curve is known, with a spread that grows with them (log-normal), and the
--- amplifier's noise.
local function subject(seed, most, s50, k, repeats, spread)
  local normal, track = chance_of(seed), {}
  for _ = 1, repeats do
    for _, s in ipairs(levels) do
      local sd = spread or 0.4
      local mep = at(s, most, s50, k) * math.exp(sd * normal() - sd * sd / 2)
        + math.abs(5 * normal())
      track[#track + 1] = { intensity = s, mep_uv = math.max(1, mep) }
    end
  end
  return track
end

--- The least squares in another way: golden sections within golden sections, with libm's exponential; the
--- best MEPmax for each S50 and k is known.
local function golden(f, low, high)
  local r = (math.sqrt(5) - 1) / 2
  for _ = 1, 45 do
    local a, b = high - r * (high - low), low + r * (high - low)
    if f(a) < f(b) then
      high = b
    else
      low = a
    end
  end
  return (low + high) / 2
end

local function other_fit(track)
  local most
  local function left(s50, k)
    local gy, gg, sum = 0, 0, 0
    for _, each in ipairs(track) do
      local g = at(each.intensity, 1, s50, k)
      gy, gg = gy + g * each.mep_uv, gg + g * g
    end
    most = gy / gg
    for _, each in ipairs(track) do
      sum = sum + (each.mep_uv - most * at(each.intensity, 1, s50, k)) ^ 2
    end
    return sum
  end
  local function best_k(s50)
    return math.exp(golden(function(log_k) return left(s50, math.exp(log_k)) end, math.log(0.3),
      math.log(20)))
  end
  local s50 = golden(function(s) return left(s, best_k(s)) end, 40, 70)
  local k = best_k(s50)
  local sum = left(s50, k)
  return most, s50, k, sum
end

describe("the fit of an input-output curve", function()
  it("finds a curve without noise", function()
    local track = {}
    for _, s in ipairs(levels) do
      for _ = 1, 2 do
        track[#track + 1] = { intensity = s, mep_uv = at(s, 2000, 53, 3) }
      end
    end
    local fit = assert(boltzmann.fit(track))
    assert.is_near(2000, fit.mep_max_uv, 1e-6)
    assert.is_near(53, fit.s50, 1e-9)
    assert.is_near(3, fit.k, 1e-9)
    assert.is_near(2000 / 12, fit.slope_uv, 1e-6)
    assert.is_near(1, fit.r2, 1e-12)
    assert.is_near(1 / (1 + math.exp(13 / 3)), fit.lowest_share, 1e-12)
    assert.is_near(1 / (1 + math.exp(-17 / 3)), fit.highest_share, 1e-12)
    assert.is_near(1000, boltzmann.at(fit, 53), 1e-6)
  end)

  it("is where another way finds the least squares", function()
    for seed = 1, 20 do
      local track = subject(seed, 500 + 200 * seed, 50 + seed / 3, 2 + seed / 10, 6, 0.25)
      local fit = assert(boltzmann.fit(track))
      local most, s50, k, sum = other_fit(track)
      assert.is_near(s50, fit.s50, 1e-4)
      assert.is_near(k, fit.k, 1e-3)
      assert.is_near(1, fit.mep_max_uv / most, 1e-4)
      local mean, all = 0, 0
      for _, each in ipairs(track) do
        mean = mean + each.mep_uv / #track
      end
      for _, each in ipairs(track) do
        all = all + (each.mep_uv - mean) ^ 2
      end
      assert.is_near(1 - sum / all, fit.r2, 1e-8)
    end
  end)

  it("has intervals that hold the true curve about as often as they say", function()
    local held, count = { mep_max_uv = 0, s50 = 0, k = 0 }, 0
    for seed = 1, 600 do
      local true_of = { mep_max_uv = 2000, s50 = 53, k = 3 }
      local fit = boltzmann.fit(subject(seed, 2000, 53, 3, 10))
      count = count + (fit and 1 or 0)
      for key, value in pairs(fit and true_of or {}) do
        local interval = fit.intervals[key]
        assert.are.equal(95, interval.percent)
        held[key] = held[key] + (interval.low <= value and value <= interval.high and 1 or 0)
      end
    end
    assert.is_true(count >= 595, count)
    for key, of in pairs(held) do -- 95 % by chance are 92.5 to 97.5 of 600 in three of a thousand
      assert.is_true(of / count > 0.92 and of / count < 0.98, ("%s: %.3f"):format(key, of / count))
    end
  end)

  it("says what is not there instead of a number", function()
    local function why(most, s50, k, more)
      local fit, text = boltzmann.fit(subject(3, most, s50, k, 10, more))
      return fit and "a fit" or text
    end
    assert.matches("less than half of a plateau", why(4000, 90, 5))
    assert.matches("more than half of their largest", why(2000, 38.5, 4, 0.2))
    assert.matches("jump", why(2000, 52.5, 0.05, 0.05))
    local flat = {}
    for i = 1, 40 do
      flat[i] = { intensity = levels[i % 7 + 1], mep_uv = 20 + i * 7919 % 31 }
    end
    assert.is_nil((boltzmann.fit(flat)))
    assert.matches("too few", select(2, boltzmann.fit { { intensity = 40, mep_uv = 20 } }))
    local fit = assert(boltzmann.fit(subject(3, 2000, 66, 3, 20)))
    assert.is_true(fit.highest_share < 0.9 and fit.highest_share > 0.5) -- bends, and has no plateau
  end)

  it("has the same bits on every machine", function()
    local track = {}
    for i, s in ipairs(levels) do
      for j = 1, 3 do
        track[#track + 1] = { intensity = s, mep_uv = 10 + i * i * 40 // 1 + (i * 37 + j * 61) % 50 }
      end
    end
    local fit = assert(boltzmann.fit(track))
    assert.are.equal("0x1.898a2af257da5p+11 0x1.06d8b99730789p+6 0x1.fbc1a8a578b22p+2 "
      .. "0x1.14a4068780e92p+3", ("%a %a %a %a"):format(fit.mep_max_uv, fit.s50, fit.k, fit.intervals.k.high))
  end)

  it("is that of a muscle's mean, of the published model", function()
    local held, count = 0, 0
    for seed = 1, 24 do
      local muscle = core.muscle(seed)
      local threshold = muscle:intensity_of(0.5)
      local long, short, given = {}, {}, {}
      for i = 1, 7 do
        given[i] = math.floor(threshold * (0.8 + 0.15 * i) + 0.5)
      end
      for n = 1, 100 do
        for _, s in ipairs(given) do
          local each = { intensity = s, mep_uv = math.max(1, muscle:respond(math.min(s, 130)) * 1e6) }
          long[#long + 1] = each
          short[#short + 1] = n <= 10 and each or nil
        end
      end
      local of_all, fit = boltzmann.fit(long), boltzmann.fit(short)
      if of_all and fit then
        count = count + 1
        local interval = fit.intervals.s50
        held = held + (interval.low <= of_all.s50 and of_all.s50 <= interval.high and 1 or 0)
      end
    end
    assert.is_true(count >= 20, count)
    assert.is_true(held / count >= 0.85, ("%d of %d"):format(held, count))
  end)
end)
