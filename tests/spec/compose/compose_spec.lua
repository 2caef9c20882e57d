-- Pulses, pairs, bursts, trains and theta burst: what each gives, in exact time; how a wrong one is refused.
local core = require "moonpulse.core"
local mp = require "moonpulse"
local plans = require "plans"

local events, onsets, whats, span_ns, ms, assert_same_plan, refused =
  plans.events, plans.onsets, plans.whats, plans.span_ns, plans.ms, plans.assert_same_plan, plans.refused

local half = mp.mso(50)
local pulse = mp.pulse(half)
local burst = mp.burst { pulses = 3, hz = 50, intensity = half }

describe("one pulse", function()
  it("lies at 0, spans nothing and takes either form", function()
    assert.are.same({ { kind = "pulse", ns = 0, us = 0, number = 1, what = "1:50MSO" } },
      events(pulse))
    assert.are.equal(0, span_ns(pulse))
    assert_same_plan(pulse, mp.pulse { intensity = half })
  end)

  it("keeps what its percentage is of", function()
    assert.are.same({ "1:110RMT", "1:80AMT", "1:45.5MSO" },
      whats(mp.pulse(mp.rmt(110)) .. mp.pulse(mp.amt(80)) .. mp.pulse(mp.mso(45.5))))
  end)

  it("takes the ends of the range", function()
    assert.are.same({ "1:0MSO", "1:100MSO", "1:400RMT" },
      whats(mp.pulse(mp.mso(0)) .. mp.pulse(mp.mso(100)) .. mp.pulse(mp.rmt(400))))
  end)
end)

describe("intensities", function()
  it("are values", function()
    assert.are.equal(mp.amt(80), mp.amt(80))
    assert.are_not.equal(mp.amt(80), mp.rmt(80))
    assert.are.equal("80 %AMT", tostring(mp.amt(80)))
  end)

  it("are refused where they are no percentage", function()
    refused(function() mp.mso(100.5) end, "mso(100.5)", "0 to 100 %MSO")
    refused(function() mp.mso(-1) end, "mso(-1)", "0 to 100 %MSO")
    refused(function() mp.rmt(401) end, "rmt(401)", "0 to 400 %RMT")
    refused(function() mp.amt(math.huge) end, "amt(inf)", "0 to 400 %AMT")
    refused(function() mp.amt(0 / 0) end, "a percentage expected", "mp.amt(80)", "nan")
    refused(function() mp.mso("45") end, "a percentage expected", "without quotes", "mp.mso(45)")
    refused(function() mp.rmt() end, "a percentage expected", "nil")
  end)

  it("cannot be bare numbers or look-alikes", function()
    refused(function() mp.pulse(45) end, "mp.mso(45)", "the bare number 45")
    refused(function() mp.pulse { intensity = 45 } end, "mp.mso(45)", "the bare number 45")
    refused(function() mp.pulse { intensity = { value = 4, reference = "MSO" } } end, "not table")
    refused(function() mp.pulse { intensity = mp.mso } end, "mp.rmt(110)", "not function")
    refused(function() mp.burst { pulses = 3, hz = 5, intensity = "80%AMT" } end, "mp.amt(80)")
    refused(function() mp.pair { isi = 1, intensity = { half, 60 } } end, "the bare number 60")
    refused(function() mp.train { pulses = 3, hz = 5, intensity = 4 } end, "train: intensity must")
  end)
end)

describe("mp.ms and mp.us", function()
  it("give seconds that become exact", function()
    assert.are.equal(0.02, mp.ms(20))
    assert.are.equal(0.00015, mp.us(150))
    assert.are.same(ms(0, 2.5), onsets(mp.pair { isi = mp.ms(2.5), intensity = half }))
    assert.are.same({ 0, 150000 }, onsets(mp.pair { isi = mp.us(150), intensity = half }))
  end)

  it("refuse what is no number", function()
    refused(function() mp.ms(nil) end, "mp.ms(20)", "nil")
    refused(function() mp.us({}) end, "mp.us(20)", "table")
  end)
end)

describe("a pair", function()
  it("is two pulses isi apart and spans isi", function()
    local pair = mp.pair { isi = mp.ms(2.5), intensity = { mp.rmt(80), half } }
    assert.are.same(ms(0, 2.5), onsets(pair))
    assert.are.same({ "1:80RMT", "1:50MSO" }, whats(pair))
    assert.are.equal(2500000, span_ns(pair))
  end)

  it("takes one intensity for both", function()
    assert_same_plan(mp.pair { isi = 0.01, intensity = { half, half } },
      mp.pair { isi = 0.01, intensity = half })
    assert_same_plan(mp.pair { isi = 0.01, intensity = half }, pulse .. mp.rest(0.01) .. pulse)
  end)

  it("is refused with a wrong interval or number of intensities", function()
    refused(function() mp.pair { isi = 0, intensity = half } end, "isi = 0 must be above 0")
    refused(function() mp.pair { isi = -0.01, intensity = half } end, "isi", "above 0")
    refused(function() mp.pair { isi = 0 / 0, intensity = half } end, "isi", "finite number")
    refused(function() mp.pair { isi = 1, intensity = { half } } end, "one, or two", "mp.rmt(80)")
    refused(function() mp.pair { isi = 1, intensity = { half, half, half } } end, "one, or two")
    refused(function() mp.pair { isi = 1, intensity = 3 } end, "one, or two")
    refused(function() mp.pair { intensity = half } end, "isi is missing")
  end)
end)

describe("a burst", function()
  it("spans pulses / hz", function()
    assert.are.same(ms(0, 20, 40), onsets(burst))
    assert.are.equal(60000000, span_ns(burst))
    assert.are.equal(0.06, burst:totals().span)
    assert.are.equal(0.04, burst:totals().last)
  end)

  it("may be one pulse", function()
    local one = mp.burst { pulses = 1, hz = 4, intensity = half }
    assert.are.same({ 0 }, onsets(one))
    assert.are.equal(250000000, span_ns(one))
  end)

  it("takes whole floats and fractions as text", function()
    assert_same_plan(burst, mp.burst { pulses = 3.0, hz = "50", intensity = half })
    assert_same_plan(burst, mp.burst { pulses = 3, hz = "100/2", intensity = half })
    assert_same_plan(burst, mp.burst { pulses = 3, hz = "50.0", intensity = half })
  end)

  it("is refused when empty, endless or without a rate", function()
    refused(function() mp.burst { pulses = 0, hz = 50, intensity = half } end, "pulses = 0",
      "use 1 or more")
    refused(function() mp.burst { pulses = -3, hz = 50, intensity = half } end, "use 1 or more")
    refused(function() mp.burst { pulses = 2.5, hz = 50, intensity = half } end, "whole number", "2.5")
    refused(function() mp.burst { pulses = "3", hz = 50, intensity = half } end, "whole number")
    refused(function() mp.burst { pulses = 0 / 0, hz = 50, intensity = half } end, "whole number")
    refused(function() mp.burst { pulses = math.huge, hz = 50, intensity = half } end, "whole number")
    refused(function() mp.burst { pulses = 2 ^ 63, hz = 50, intensity = half } end, "below 2^63")
    refused(function() mp.burst { pulses = -1e300, hz = 50, intensity = half } end, "whole number")
    refused(function() mp.burst { pulses = 3, hz = 0, intensity = half } end, "hz = 0", "above 0")
    refused(function() mp.burst { pulses = 3, hz = -5, intensity = half } end, "hz = -5", "above 0")
    refused(function() mp.burst { pulses = 3, hz = 0 / 0, intensity = half } end, "hz", "finite")
    refused(function() mp.burst { pulses = 3, hz = 1 / 0, intensity = half } end, "hz", "finite")
    refused(function() mp.burst { pulses = 3, hz = {}, intensity = half } end, "\"1/6\"", "table")
    refused(function() mp.burst { pulses = 3, hz = "fast", intensity = half } end, "\"fast\"", "\"1/6\"")
    refused(function() mp.burst { pulses = 3, hz = "1/0", intensity = half } end, "\"1/0\"", "\"1/6\"")
    refused(function() mp.burst { pulses = 3, hz = math.pi, intensity = half } end, "hz",
      "no simple fraction", "as text")
    refused(function() mp.burst { pulses = math.maxinteger, hz = 1, intensity = half } end, "2^6")
  end)

  it("names an option that is missing or unknown", function()
    refused(function() mp.burst { pulses = 3, intensity = half } end, "hz is missing (rate)")
    refused(function() mp.burst { hz = 3, intensity = half } end, "pulses is missing")
    refused(function() mp.burst { pulses = 3, hz = 50 } end, "intensity is missing")
    refused(function() mp.burst { pulses = 3, hz = 50, intensity = half, rate = 2 } end,
      "no option \"rate\"", "known: code, hz, intensity, pulses")
    refused(function() mp.burst { 3, pulses = 3, hz = 50, intensity = half } end, "no option \"1\"")
    refused(function() mp.burst(3) end, "a table of options expected", "burst{ ... }")
    refused(function() mp.burst() end, "a table of options expected", "nil")
  end)
end)

describe("a train", function()
  it("spans count x period: 20 pulses at 10 Hz span 2 s and the last lies at 1.9 s", function()
    local train = mp.train { pulses = 20, hz = 10, intensity = half }
    local list = onsets(train)
    assert.are.equal(20, #list)
    for i, ns in ipairs(list) do
      assert.are.equal((i - 1) * 100000000, ns)
    end
    assert.are.equal(2000000000, span_ns(train))
    assert.are.equal(1.9, train:totals().last)
  end)

  it("is the same by pulses, duration, every and text", function()
    local train = mp.train { pulses = 20, hz = 10, intensity = half }
    assert_same_plan(train, mp.train { duration = 2, hz = 10, intensity = half })
    assert_same_plan(train, mp.train { pulses = 20, every = 0.1, intensity = half })
    assert_same_plan(train, mp.train { pulses = 20, every = "1/10", intensity = half })
    assert_same_plan(train, mp.train { duration = "2", every = "1/10", intensity = half })
    assert_same_plan(train, mp.train { of = pulse, count = 20, hz = 10 })
    assert_same_plan(train, mp.train { of = pulse, duration = 2, hz = "10" })
  end)

  it("repeats a plan onset to onset", function()
    assert.are.same(ms(0, 20, 40, 200, 220, 240), onsets(mp.train { of = burst, hz = 5, count = 2 }))
    assert.are.equal(400000000, span_ns(mp.train { of = burst, hz = 5, count = 2 }))
  end)

  it("may follow without silence but not overlap", function()
    local tight = mp.train { of = burst, every = 0.06, count = 2 }
    assert.are.same(ms(0, 20, 40, 60, 80, 100), onsets(tight))
    refused(function() mp.train { of = burst, every = 0.059, count = 2 } end,
      "burst of 0.06 s cannot be repeated every 0.059 s", "or use gap")
    refused(function() mp.train { of = burst, hz = 17, count = 2 } end, "cannot be repeated every")
  end)

  it("counts a duration exactly, or refuses it", function()
    assert.are.equal(66, #onsets(mp.train { duration = 22, hz = 3, intensity = half }))
    assert.are.equal(200, #onsets(mp.train { duration = "100/3", hz = 6, intensity = half }))
    assert.are.equal(3, #onsets(mp.train { duration = 0.3, hz = 10, intensity = half }))
    assert.are.equal(7, #onsets(mp.train { duration = mp.us(10.5), every = mp.us(1.5),
      intensity = half }))
    refused(function() mp.train { duration = 0.25, hz = 10, intensity = half } end,
      "0.25 s holds 2.5 periods", "not whole", "give pulses or count")
    refused(function() mp.train { duration = 33.333, hz = 6, intensity = half } end, "not whole")
    refused(function() mp.train { duration = 0, hz = 6, intensity = half } end, "duration = 0", "above 0")
    refused(function() mp.train { duration = -2, hz = 6, intensity = half } end, "duration = -2",
      "above 0")
    refused(function() mp.train { duration = 0 / 0, hz = 6, intensity = half } end, "duration", "finite")
    refused(function() mp.train { duration = 2 ^ 63, hz = 6, intensity = half } end, "duration",
      "2^63 ns")
    refused(function() mp.train { duration = 9e15, hz = "9007199254740993", intensity = half } end,
      "give pulses or count")
  end)

  it("is refused where it says too little or too much", function()
    refused(function() mp.train { pulses = 3, hz = 1 } end, "either of", "or intensity")
    refused(function() mp.train { of = pulse, intensity = half, count = 3, hz = 1 } end, "either of")
    refused(function() mp.train { pulses = 3, intensity = half } end, "either hz", "or every")
    refused(function() mp.train { pulses = 3, intensity = half, hz = 1, every = 1 } end, "either hz")
    refused(function() mp.train { intensity = half, hz = 1 } end, "pulses =", "count =", "duration =")
    refused(function() mp.train { intensity = half, hz = 1, pulses = 3, duration = 3 } end, "give one of")
    refused(function() mp.train { intensity = half, hz = 1, pulses = 3, count = 3 } end, "give one of")
    refused(function() mp.train { of = pulse, hz = 1, pulses = 3 } end, "count =", "not pulses")
    refused(function() mp.train { of = 5, hz = 1, count = 3 } end, "of must be a plan", "number")
    refused(function() mp.train { of = half, hz = 1, count = 3 } end, "of must be a plan")
    refused(function() mp.train { of = pulse, hz = 1, count = 0 } end, "count = 0", "use 1 or more")
    refused(function() mp.train { of = pulse, every = 0, count = 2 } end, "every = 0", "above 0")
    refused(function() mp.train { of = pulse, every = -1, count = 2 } end, "every", "above 0")
    refused(function() mp.train { of = pulse, hz = 1, count = 3, gap = 1 } end, "no option \"gap\"")
    refused(function() mp.train { of = pulse, hz = 1, count = 3, iti = 8 } end,
      "iti means three things", "every =", "gap =")
  end)
end)

describe("theta burst", function()
  local itbs = mp.theta_burst {
    pulses = 3, hz = 50, theta_hz = 5, on = 2, off = 8, cycles = 20, intensity = mp.amt(80),
  }

  it("equals its composed form", function()
    local one = mp.burst { pulses = 3, hz = 50, intensity = mp.amt(80) }
    local train = mp.train { of = one, hz = 5, duration = 2 }
    assert_same_plan(itbs, train:times(20, { every = 10 }))
    assert_same_plan(train, mp.theta_burst {
      pulses = 3, hz = 50, theta_hz = 5, on = 2, intensity = mp.amt(80),
    })
    assert_same_plan(train:times(1, { every = 10 }), mp.theta_burst {
      pulses = 3, hz = 50, theta_hz = 5, on = 2, off = 8, cycles = 1, intensity = mp.amt(80),
    })
  end)

  it("has the three durations of iTBS", function()
    local totals = itbs:totals()
    assert.are.equal(600, totals.pulses)
    assert.are.equal(191.84, totals.last)
    assert.are.equal(192, totals.span)
    assert.are.equal(200, totals.whole)
    assert.are.equal(191840000000, onsets(itbs)[600])
    assert.are.equal(192000000000, span_ns(itbs))
  end)

  it("adds on and off as exact fractions", function()
    local plan = mp.theta_burst {
      pulses = 1, hz = 3, theta_hz = 3, on = "1/3", off = "1/7", cycles = 22, intensity = half,
    }
    assert.are.equal(10000000000, onsets(plan)[22]) -- 21 x 10/21 s
  end)

  it("is refused where a part is missing or does not fit", function()
    local function make(change)
      local spec = { pulses = 3, hz = 50, theta_hz = 5, on = 2, off = 8, cycles = 2, intensity = half }
      for key, value in pairs(change) do
        spec[key] = value ~= "none" and value or nil
      end
      return spec
    end
    refused(function() mp.theta_burst(make { off = "none" }) end, "off = seconds", "missing", "2 cycles")
    refused(function() mp.theta_burst(make { cycles = "none" }) end, "cycles = number", "missing")
    refused(function() mp.theta_burst(make { cycles = 0 }) end, "cycles = 0", "use 1 or more")
    refused(function() mp.theta_burst(make { off = -1 }) end, "off = -1 s is negative")
    refused(function() mp.theta_burst(make { on = 2.1 }) end, "2.1 s holds 10.5 periods")
    refused(function() mp.theta_burst(make { theta_hz = "none" }) end, "theta_hz is missing")
    refused(function() mp.theta_burst(make { theta_hz = 20 }) end, "burst of 0.06 s", "every 0.05 s")
    refused(function() mp.theta_burst(make { pulses = 0 }) end, "pulses = 0")
    refused(function() mp.theta_burst(make { iti = 8 }) end, "theta_burst: iti means three things")
  end)
end)

describe("exact time", function()
  it("a third of a hertz lies at k x 3 s for 10,000 pulses", function()
    for _, hz in ipairs { "1/3", 1 / 3 } do
      local list = onsets(mp.train { pulses = 10000, hz = hz, intensity = half })
      assert.are.equal(10000, #list)
      for k, ns in ipairs(list) do
        if ns ~= (k - 1) * 3000000000 then
          error(("pulse %d lies at %d ns"):format(k, ns))
        end
      end
    end
  end)

  it("30 Hz at a 6 Hz burst rate is exact to the nanosecond", function()
    local list = onsets(mp.theta_burst {
      pulses = 3, hz = 30, theta_hz = 6, on = "100/3", intensity = half,
    })
    assert.are.equal(600, #list)
    for i, ns in ipairs(list) do
      local thirtieths = (i - 1) // 3 * 5 + (i - 1) % 3 -- 1/6 s and 1/30 s, in 1/30 s
      -- round(thirtieths x 10^9 / 30), halves up, in whole numbers
      assert.are.equal((2 * thirtieths * 1000000000 + 30) // 60, ns)
    end
    assert.are.equal(33233333333, list[600])
  end)

  it("numbers become the nearest simple fraction", function()
    local function same(a, b)
      assert.are.same({ core.exact(a) }, { core.exact(b) })
    end
    same(0.1, "1/10")
    same(1 / 30, "1/30")
    same(33.25, "133/4")
    same(0.1 + 0.2, "3/10")
    same(1 / 7, "1/7")
    same("0.9", "9/10")
    assert.are.same({ 1, 1 }, { core.exact("3/3") })
    assert_same_plan(mp.train { pulses = 900, hz = 18, intensity = half },
      mp.train { pulses = 900, every = 1 / 18, intensity = half })
  end)

  it("rounds once: microseconds come from the exact onset", function()
    -- 7/2,000,000 s is 3.5 us: half up; 1/3 us more never adds up
    local list = events(mp.train { pulses = 4, every = "7/2000000", intensity = half })
    assert.are.same({ 0, 4, 7, 11 }, { list[1].us, list[2].us, list[3].us, list[4].us })
    assert.are.same({ 0, 3500, 7000, 10500 }, { list[1].ns, list[2].ns, list[3].ns, list[4].ns })
    local thirds = events(mp.train { pulses = 3001, hz = 3, intensity = half })
    assert.are.equal(333333, thirds[2].us)
    assert.are.equal(666667, thirds[3].us)
    assert.are.equal(1000000000, thirds[3001].us)
  end)
end)

-- "return mp.burst { ... }" is a tail call: it must not cost the author the line
describe("an error in a tail call", function()
  it("still names the line", function()
    refused(function() return mp.burst { pulses = 0, hz = 1, intensity = half } end, "pulses = 0")
    refused(function() return mp.pulse(45) end, "the bare number 45")
    refused(function() return mp.pair { isi = 0, intensity = half } end, "above 0")
    refused(function() return mp.train { pulses = 3, hz = 1 } end, "either of")
    refused(function() return mp.theta_burst {} end, "is missing")
    refused(function() return mp.rest(-1) end, "negative")
    refused(function() return mp.mark "" end, "1 to 63 bytes")
    refused(function() return mp.together {} end, "a table of plans")
    refused(function() return mp.rmt(900) end, "400 %RMT")
    refused(function() return mp.ms "x" end, "mp.ms(20)")
    refused(function() return burst:times(0) end, "use 1 or more")
    refused(function() return burst:at "" end, "1 to 63 bytes")
    refused(function() return mp.protocol {} end, "is missing")
  end)
end)
