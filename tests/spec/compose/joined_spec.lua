-- Plans put together: rests and marks, sequence and repetition, channels.
local mp = require "moonpulse"
local plans = require "plans"

local events, onsets, whats, span_ns, ms, assert_same_plan, refused =
  plans.events, plans.onsets, plans.whats, plans.span_ns, plans.ms, plans.assert_same_plan, plans.refused

local half = mp.mso(50)
local pulse = mp.pulse(half)
local burst = mp.burst { pulses = 3, hz = 50, intensity = half }

describe("rest and mark", function()
  it("rest is silence with a span", function()
    assert.are.same({}, events(mp.rest(8)))
    assert.are.equal(8000000000, span_ns(mp.rest(8)))
    assert.are.equal(0, span_ns(mp.rest(0)))
    assert.are.same(ms(0, 8000), onsets(pulse .. mp.rest(8) .. pulse))
    assert.are.equal(333333333, span_ns(mp.rest("1/3")))
    assert.are.equal(1, span_ns(mp.rest(1e-9)))
  end)

  it("a random rest stays within its bounds, and the seed decides it", function()
    local plan = (mp.rest { min = 4, max = 6 } .. pulse):times(200)
    local before, lowest, highest = 0, math.huge, 0
    for _, ns in ipairs(onsets(plan, 7)) do
      lowest, highest = math.min(lowest, ns - before), math.max(highest, ns - before)
      before = ns
    end
    assert.is_true(lowest >= 4000000000 and highest <= 6000000000)
    assert.is_true(highest - lowest > 1500000000) -- 200 draws that use the range
    assert.are.same(onsets(plan, 7), onsets(plan, 7))
    assert.are_not.same(onsets(plan, 7), onsets(plan, 8))
  end)

  it("a rest with equal bounds is a plain rest", function()
    assert_same_plan(mp.rest(2), mp.rest { min = 2, max = 2 })
  end)

  it("rest is refused with wrong times", function()
    refused(function() mp.rest(-1) end, "-1 s is negative", "0 or more")
    refused(function() mp.rest("-1/3") end, "negative")
    refused(function() mp.rest() end, "must be a number", "nil")
    refused(function() mp.rest(true) end, "must be a number", "boolean")
    refused(function() mp.rest(0 / 0) end, "finite number", "nan")
    refused(function() mp.rest(math.huge) end, "finite number", "inf")
    refused(function() mp.rest(2 ^ 63) end, "does not fit 2^63 ns", "292 years")
    refused(function() mp.rest(2 ^ 63 / 1e9) end, "does not fit 2^63 ns")
    refused(function() local _ = mp.rest(9e9) .. pulse end, "2^62 ns", "146 years")
    refused(function() mp.rest("9223372036854775808") end, "9223372036854775808")
    refused(function() mp.rest("1/0") end, "\"1/0\" is no number", "\"1/6\"")
    refused(function() mp.rest("8 s") end, "\"8 s\" is no number", "\"1/6\"")
    refused(function() mp.rest { min = 3, max = 2 } end, "min 3 s above max 2 s")
    refused(function() mp.rest { min = 3 } end, "max is missing")
    refused(function() mp.rest { min = -3, max = 2 } end, "min = -3 s is negative")
    refused(function() mp.rest { min = 3, max = 0 / 0 } end, "max", "finite")
    refused(function() mp.rest { 4, 6 } end, "rest: to draw", "{ min = 4, max = 6 }")
    refused(function() mp.rest { iti = 4 } end, "iti means three things")
  end)

  it("a mark is a named instant", function()
    local plan = mp.mark "begin" .. pulse .. mp.rest(1) .. mp.mark "end"
    assert.are.same({
      { kind = "mark", ns = 0, us = 0, number = 1, what = "begin" },
      { kind = "pulse", ns = 0, us = 0, number = 1, what = "1:50MSO" },
      { kind = "mark", ns = 1000000000, us = 1000000, number = 2, what = "end" },
    }, events(plan))
    assert.are.equal(2, plan:totals().marks)
    assert.are.equal(("x"):rep(63), events(mp.mark(("x"):rep(63)))[1].what)
  end)

  it("a mark is refused without a printable name", function()
    refused(function() mp.mark(5) end, "mp.mark \"block 1\"", "number")
    refused(function() mp.mark() end, "text expected", "nil")
    refused(function() mp.mark "" end, "1 to 63 bytes")
    refused(function() mp.mark(("x"):rep(64)) end, "1 to 63 bytes", "64")
    refused(function() mp.mark "a\tb" end, "without tabs")
    refused(function() mp.mark "a\nb" end, "without tabs or line ends")
    refused(function() mp.mark "a\0b" end, "mark", "zero byte")
  end)
end)

describe("sequence and repetition", function()
  it(".. starts the second at the end of the first's span", function()
    assert.are.same(ms(0, 20, 40, 60), onsets(burst .. pulse))
    assert.are.same(ms(0, 0), onsets(pulse .. pulse))
    assert_same_plan((burst .. pulse) .. mp.rest(1), burst .. (pulse .. mp.rest(1)))
  end)

  it("* and :times(n) repeat back to back", function()
    assert.are.same(ms(0, 20, 40, 60, 80, 100), onsets(burst * 2))
    assert_same_plan(burst * 2, burst:times(2))
    assert_same_plan(burst * 2, 2 * burst)
    assert_same_plan(burst * 2, burst:times(2, { gap = 0 }))
    assert.are.same(onsets(burst * 2), onsets(burst .. burst))
    assert_same_plan(burst * 1, burst)
  end)

  it("every is onset to onset, gap is end of span to onset", function()
    local every, gap = burst:times(3, { every = 1 }), burst:times(3, { gap = 1 })
    assert.are.same(ms(0, 20, 40, 1000, 1020, 1040, 2000, 2020, 2040), onsets(every))
    assert.are.same(ms(0, 20, 40, 1060, 1080, 1100, 2120, 2140, 2160), onsets(gap))
    assert.are.equal(2060000000, span_ns(every))
    assert.are.equal(2180000000, span_ns(gap))
    assert.are.equal(3, every:totals().whole)
    assert.are.equal(3.18, gap:totals().whole)
    assert_same_plan(burst:times(3, { every = "53/50" }), gap)
  end)

  it("leaves the parts as they were", function()
    local a = burst .. pulse
    local b, c = a .. mp.rest(1), a .. pulse -- both grow from a
    assert.are.equal(4, #onsets(a))
    assert.are.equal(4, #onsets(b))
    assert.are.equal(5, #onsets(c))
  end)

  it("refuses what cannot be repeated", function()
    refused(function() burst:times(0) end, "= 0", "use 1 or more")
    refused(function() burst:times(-1) end, "= -1", "use 1 or more")
    refused(function() burst:times(1.5) end, "whole number", "1.5")
    refused(function() burst:times() end, "whole number", "nil")
    refused(function() burst:times("3") end, "whole number")
    refused(function() burst:times(2 ^ 63) end, "below 2^63")
    refused(function() local _ = burst * 0 end, "from 1 up", "0")
    refused(function() local _ = burst * 1.5 end, "whole number of times", "1.5")
    refused(function() local _ = burst * -2 end, "from 1 up")
    refused(function() local _ = burst * "2" end, "whole number of times")
    refused(function() local _ = burst * burst end, "whole number of times")
    refused(function() burst:times(3, { every = 1, gap = 1 }) end, "either every", "or gap", "not both")
    refused(function() burst:times(3, { every = 0.05 }) end,
      "burst of 0.06 s cannot be repeated every 0.05 s", "at least as long, or use gap")
    refused(function() burst:times(3, { every = "59999999/1000000000" }) end, "0.059999999 s")
    refused(function() burst:times(3, { every = 0 }) end, "every = 0", "above 0")
    refused(function() burst:times(3, { gap = -1 }) end, "gap = -1 s is negative")
    refused(function() burst:times(3, { gap = 0 / 0 }) end, "gap", "finite")
    refused(function() burst:times(3, { every = "x" }) end, "every", "\"x\"", "\"1/6\"")
    refused(function() burst:times(3, { iti = 8 }) end, "iti means three things", "every =", "gap =")
    refused(function() burst:times(3, { period = 8 }) end, "no option \"period\"", "every, gap")
    refused(function() burst:times(3, 8) end, ":times(3, { every = 8 })", "{ gap = 8 }")
    refused(function() burst.times(3) end, "plan.times: write plan:times(...), with a colon")
    refused(function() mp.rest { min = 1, max = 2 }:times(3, { every = 1.5 }) end, "2 s", "1.5 s")
  end)

  it("refuses to join what is no plan", function()
    refused(function() local _ = burst .. 5 end, "plan expected", "number")
    refused(function() local _ = "a" .. burst end, "plan expected", "string")
    refused(function() local _ = burst .. nil end, "plan expected")
    refused(function() local _ = burst .. half end, "plan expected")
  end)

  it("refuses nesting that is too deep, with the way out", function()
    local deep = pulse
    for _ = 1, 999 do
      deep = deep:times(1)
    end
    refused(function() deep:times(1) end, "deeper than 1000 levels", "plan = plan .. part")
    refused(function() mp.together { deep } end, "deeper than 1000 levels")
    local long = pulse
    for _ = 1, 5000 do
      long = long .. pulse -- the way out
    end
    assert.are.equal(5001, long:totals().pulses)
    assert.is_true(long:totals().depth < 5)
  end)

  it("refuses counts and spans beyond 2^62", function()
    local many = pulse:times(1 << 61)
    assert.are.equal(1 << 61, many:totals().pulses)
    refused(function() many:times(4) end, "more than 2^63 pulses")
    refused(function() mp.rest(1):times(1 << 62) end, "292 years")
    refused(function() mp.rest(1e9):times(5) end, "2^62 ns", "146 years")
    refused(function() local _ = mp.rest(4e9) .. mp.rest(1e9) end, "146 years")
  end)

  it("refuses more rests in a row than can be walked between two pulses, with their number", function()
    local x = mp.rest { min = 0, max = 0.001 }
    refused(function() for _ = 1, 30 do x = x * 2 end end, "16384 rests in a row",
      "at most 10000", "write them as one rest")
    local many = mp.rest { min = 0, max = 0.001 } * 10000
    assert.are.equal(2000, ((many .. pulse) * 2000):totals().pulses)
    refused(function() local _ = (many .. pulse .. mp.rest(0)) * 2 end, "10001 rests in a row")
    refused(function() return (mp.rest(0) * 10001):at "a" end, "10001 rests in a row")
  end)

  it("refuses rates without a common time base", function()
    local plan = mp.train { pulses = 2, hz = "1000003/7", intensity = half }
      .. mp.train { pulses = 2, hz = "1000033/7", intensity = half }
    refused(function() local _ = plan .. mp.rest("1/1000037") .. mp.rest("1/1000039") end,
      "no common time base", "small fractions")
  end)
end)

describe("channels", function()
  it("together refuses more plans side by side than can be walked, before it takes any memory", function()
    for width, words in pairs { [2] = "8190 plans side by side", [3] = "9840 plans side by side",
      [64] = "4160 plans side by side" } do
      local x = pulse:at "left"
      local function copies()
        local list = {}
        for i = 1, width do
          list[i] = x
        end
        return list
      end
      -- 3^41 is a small number again in 64 bits, 3^21 in 32
      refused(function() for _ = 1, 64 do x = mp.together(copies()) end end, words, "at most 4096",
        "in sequence")
    end
  end)

  it("together starts all at once and lasts as long as the longest", function()
    local plan = mp.together { left = burst, right = pulse .. mp.rest(1) .. pulse }
    assert.are.equal(1000000000, span_ns(plan))
    local found = {}
    for i, event in ipairs(events(plan)) do
      found[i] = ("%d %s"):format(event.ns // 1000000, event.what)
    end
    assert.are.same({ "0 left:50MSO", "0 right:50MSO", "20 left:50MSO", "40 left:50MSO",
      "1000 right:50MSO" }, found)
    assert.are.same(ms(0, 0, 20, 40, 1000, 1060),
      onsets(plan .. mp.rest(0.06) .. pulse))
  end)

  it("at names the channel of pulses that have none yet", function()
    assert.are.same({ "a:50MSO", "b:50MSO", "1:50MSO" },
      whats((pulse:at "a" .. pulse):at("b") .. pulse))
    assert.are.same({ "2:50MSO" }, whats(pulse:at(2)))
    assert_same_plan(mp.together { a = pulse, b = burst }, mp.together { pulse:at "a", burst:at "b" })
  end)

  it("are refused with wrong names or parts", function()
    refused(function() pulse:at() end, "name of a channel", "nil")
    refused(function() pulse:at(1.5) end, "name of a channel")
    refused(function() pulse:at "" end, "1 to 63 bytes")
    refused(function() (pulse:at "a" .. pulse:at "b"):at "c" end, 'channel already, which it keeps: "c"')
    assert.are.same({}, whats(mp.rest(1):at "a")) -- there is no pulse that could keep another one
    refused(function() pulse:at "left coil" end, "without spaces")
    refused(function() pulse:at "a\0b" end, "zero byte")
    refused(function() mp.together { ["a\0b"] = pulse } end, "zero byte")
    refused(function() pulse.at("left") end, "plan.at: write plan:at(...), with a colon")
    refused(function() mp.together {} end, "a table of plans expected", "{ left = a")
    refused(function() mp.together(burst) end, "a table of plans expected")
    refused(function() mp.together() end, "a table of plans expected")
    refused(function() mp.together { left = 3 } end, "left must be a plan", "number")
    refused(function() mp.together { [1.5] = pulse } end, "a channel is a name")
    refused(function() mp.together { [true] = pulse } end, "a channel is a name", "boolean")
    local many = {}
    for i = 1, 65 do
      many[i] = pulse
    end
    refused(function() mp.together(many) end, "65 plans", "at most 64")
  end)
end)
