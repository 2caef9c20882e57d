-- What a refusal says is true of the plan: no numbers of a part's pulses, the cause that holds, and what
-- chance has to do with it.
local context = require "moonpulse.compose.context"
local devices = require "moonpulse.driver.find"
local lower = require "moonpulse.lowering"
local mp = require "moonpulse"

local function refusal(plan, name, options, more)
  local given = { plan = plan, seed = 1, driver = devices.configure(assert(devices.find(name)), options),
    thresholds = { rmt = 45 }, timing = "auto" }
  for key, value in pairs(more or {}) do
    given[key] = value
  end
  local ok, problem = pcall(lower.prepare, given)
  return not ok and tostring(problem) or nil
end

describe("the words of a refusal", function()
  it("number no pulses but those of the plan", function()
    local list = {}
    for _, isi in ipairs { 20, 25, 30, 25, 2.5 } do
      list[#list + 1] = mp.pair { isi = mp.ms(isi), intensity = mp.mso(40) } .. mp.rest(5)
    end
    local plan = list[1]
    for i = 2, #list do
      plan = plan .. list[i]
    end
    local text = refusal(plan, "pulsepal", {}) -- the only pair that is too fast is pulses 9 and 10
    for first, second in text:gmatch "pulses (%d+) and (%d+)" do
      assert.are.same({ "9", "10" }, { first, second }, text)
    end
    assert.is_truthy(text:find("pulses 9 and 10", 1, true), text)
    assert.is_truthy(text:find("its own timing: pulses 2.5 ms apart: at most 100 Hz", 1, true), text)
  end)

  it("name the cause that holds, where neither the device nor we can time a plan", function()
    local both = mp.together { mp.train { pulses = 3, hz = 10, intensity = mp.mso(30) }:at "1",
      mp.train { pulses = 3, hz = 8, intensity = mp.mso(60) }:at "2" }
    local text = refusal(both, "pulsepal", { full_scale_volts = "10" }, { timing = "device" })
    assert.is_truthy(text:find("mp.together", 1, true), text)
    assert.is_truthy(text:find("nor can we time it, pulse by pulse: pulses 1 and 2 (at 0.000000 s and "
      .. "0.000000 s) are 0 ms apart", 1, true), text)
    assert.is_truthy(text:find("on two channels", 1, true), text)
    assert.is_falsy(text:find("100 Hz", 1, true), text)
    local _, count = text:gsub("mp.together", "")
    assert.are.equal(1, count, text)
  end)
end)

describe("a refusal of a train names why the device does not time it", function()
  local function ramp(from, to)
    local plan
    for _, percent in ipairs { from, to } do
      local train = mp.train { duration = 2, hz = 20, intensity = mp.mso(percent) } .. mp.rest(28)
      plan = plan and plan .. train or train
    end
    return plan
  end
  local function pairs_of(isi)
    return mp.pair { isi = mp.ms(isi), intensity = { mp.mso(50), mp.mso(50) } }:times(10, { every = 6 })
  end
  local cases = {
    { "rapid", ramp(53, 64), "20 Hz is over the 18 Hz that it gives at 64 %, for model=rapid mains=115" },
    { "rapid", ramp(64, 53), "20 Hz is over the 18 Hz that it gives at 64 %, for model=rapid mains=115" },
    { "rapid", mp.train { pulses = 20, hz = "10.05", intensity = mp.mso(40) },
      "10.05 Hz is off its steps of 0.1 Hz: the nearest are 10 and 10.1 Hz" },
    { "bistim", pairs_of(2.25), "steps of 0.1 ms (high resolution): the nearest are 2.2 and 2.3 ms" },
    { "bistim", pairs_of(0.75), "steps of 0.1 ms (high resolution): the nearest are 0.7 and 0.8 ms" },
    { "bistim", pairs_of(99.95), "steps of 1 ms (low resolution): the nearest are 99.9 and 100 ms" },
    { "bistim", pairs_of(150.5), "steps of 1 ms (low resolution): the nearest are 150 and 151 ms" },
    { "bistim", mp.pulse(mp.mso(50)) .. mp.rest(6) .. pairs_of(2.25), "the nearest are 2.2 and 2.3 ms" },
    { "bistim", pairs_of(2) .. mp.rest(6) .. pairs_of(2.25), "the nearest are 2.2 and 2.3 ms" },
    { "magventure", pairs_of(2.25), "the nearest are 2.2 and 2.3 ms" },
  }

  it("with whatever timing was asked for, and once", function()
    for _, case in ipairs(cases) do
      for _, timing in ipairs { "auto", "device" } do
        local text = refusal(case[2], case[1], {}, { timing = timing }) or "(taken)"
        local from = text:find(case[3], 1, true)
        assert.is_truthy(from, case[1] .. ": " .. text)
        assert.is_nil(text:find(case[3], from + 1, true), text)
        assert.is_nil(text:find("next pair 4 s later", 1, true), text)
      end
    end
  end)

  it("which is not its intervals where one rate was asked for, whole nanoseconds or not", function()
    local function train(pulses)
      return mp.train { pulses = pulses, hz = 15, intensity = mp.mso(40) }
    end
    local text = refusal(train(10), "rapid", {})
    local below, above = text:match "10 pulses at 15 Hz last 0%.666667 s, off its steps .*: (%d+) or (%d+)"
    assert.is_nil(text:find("equal", 1, true), text) -- nor { hz = 15 }, which it is
    for count = 9, 12 do -- what is advised is taken, and is the nearest
      local fits = count == tonumber(below) or count == tonumber(above)
      assert.are.equal(fits, refusal(train(count), "rapid", {}) == nil, count)
    end
    local uneven = mp.pulse(mp.mso(40)) -- of the millisecond: 67, 66 and 67 ms
    for i = 1, 8 do
      local ms = (i * 200 + 1) // 3 - ((i - 1) * 200 + 1) // 3
      uneven = uneven .. mp.rest(ms / 1000) .. mp.pulse(mp.mso(40))
    end
    text = refusal(uneven, "rapid", {})
    assert.matches("are 67 ms apart.*its own timing: the intervals of this train are not equal: .*; all 9 "
      .. "are 15 Hz but for their rounding to 1 ms: mp.train { hz = 15, ... } gives that rate; pulse "
      .. "by pulse", text)
    assert.is_nil(text:find("15.1", 1, true), text) -- the rate of two of its pulses is nobody's
  end)

  it("of the pulses that it cannot give, not of what lies around them", function()
    local text = refusal(ramp(53, 64), "rapid", {})
    assert.is_truthy(text:find("^the Magstim Rapid² does not time the pulses of 64 %%MSO"), text)
  end)
end)

describe("a refusal of an interval that is drawn", function()
  -- from a pair to a single pulse the BiStim's power A has to fall, which takes less than power B would
  local function trials(shortest, longest)
    local pair = mp.pair { isi = mp.ms(3), intensity = { mp.rmt(110), mp.rmt(120) } }
    local list = {}
    for _ = 1, 6 do
      list[#list + 1] = pair
      list[#list + 1] = mp.pulse(mp.rmt(120))
    end
    return mp.trials { of = list, shortest = shortest, longest = longest }
  end

  it("says so, and what to raise and to what; with that no seed is refused", function()
    local words
    for seed = 1, 20 do
      words = words or refusal(trials(5, 12), "bistim", {}, { seed = seed })
    end
    local more, to = words:match("this interval is drawn, and may be as short as 5[%d.]* s: raise shortest "
      .. "from 5 s by ([%d.]+) s, to ([%d.]+) s or more %(enough for every order and seed%)")
    assert.is_truthy(more, words)
    assert.near(5, tonumber(to) - tonumber(more), 0.01)
    for seed = 1, 20 do
      assert.is_nil(refusal(trials(5 + tonumber(more), 12), "bistim", {}, { seed = seed }))
    end
    assert.is_truthy(refusal(trials(4.9 + tonumber(more), 4.95 + tonumber(more)), "bistim", {}))
  end)

  --- A block of the test pulse alone and of pairs of several intervals, in an order of the seed.
  local function block(shortest, longest, seed)
    return context.with({ seed = seed }, function()
      local list = {}
      for _, isi in ipairs { 2, 12, 30, 99 } do
        for _ = 1, 5 do
          list[#list + 1] = mp.mark "pair"
            .. mp.pair { isi = mp.ms(isi), intensity = { mp.rmt(110), mp.rmt(120) } }
          list[#list + 1] = mp.pulse(mp.rmt(120))
        end
      end
      return mp.trials { of = mp.shuffle(list), shortest = shortest, longest = longest }
    end)
  end

  it("gives a number that is enough for every seed, whichever of them it is asked for", function()
    local said = {}
    for seed = 1, 12 do
      local text = assert(refusal(block(4.1, 5.2, seed), "bistim", {}, { seed = seed }))
      local to, longest = text:match("raise shortest from 4.1 s by [%d.]+ s, to ([%d.]+) s or more, and "
        .. "longest %(([%d.]+) s%) to no less %(enough")
      assert.are.equal("5.2", longest, text)
      said[to] = true
    end
    local to = next(said)
    assert.is_nil(next(said, to))
    for seed = 1, 60 do
      assert.is_nil(refusal(block(tonumber(to), tonumber(to) + 0.02, seed), "bistim", {}, { seed = seed }))
    end
    local too_few = 0
    for seed = 1, 20 do -- and no larger than it must be
      local text = refusal(block(to - 0.002, to - 0.0015, seed), "bistim", {}, { seed = seed })
      too_few = too_few + (text and 1 or 0)
    end
    assert.is_true(too_few > 0)
  end)

  it("names min and max where they are drawn by mp.rest", function()
    local plan = mp.pulse(mp.mso(40)) .. mp.rest { min = 3, max = 3.9 } .. mp.pulse(mp.mso(40))
    local text = refusal(plan, "bistim", {})
    local words = "raise min from 3 s by 1 s, to 4 s or more, and max (3.9 s) to no less"
    assert.is_truthy(text:find(words, 1, true), text)
    text = refusal(plan .. mp.rest { min = 2, max = 3 } .. mp.pulse(mp.mso(40)), "bistim", {})
    words = "raise the shortest of each that is drawn by 2 s (shortest of mp.trials, min of mp.rest)"
    assert.is_truthy(text:find(words, 1, true), text)
  end)

  it("names what stands for the shortest of another distribution, also where just that was drawn", function()
    local pulse = mp.pulse(mp.mso(40))
    for words, length in pairs {
      ["raise min of mp.normal from 3 s by 1 s, to 4 s or more, and max (3.9 s) to no less"] = mp.normal {
        mean = 3.5, sd = 1, min = 3, max = 3.9 },
      ["raise the shortest length of mp.weighted from 3 s by 1 s, to 4 s or more (enough"] = mp.weighted {
        { 3, 1 }, { 6, 1 } } } do
      for seed = 1, 6 do -- of the weighted ones 3 s is drawn, or 6
        for _, plan in ipairs { pulse .. mp.rest(length) .. pulse .. mp.rest(length) .. pulse,
          mp.trials { of = { pulse, pulse, pulse }, every = length } } do
          local text = refusal(plan, "bistim", {}, { seed = seed })
          assert.is_truthy(not text or text:find(words, 1, true), text)
        end
      end
    end
  end)

  it("says nothing of chance where the interval is fixed", function()
    local fixed = mp.pulse(mp.mso(40)) .. mp.rest(1) .. mp.pulse(mp.mso(40))
    for _, plan in ipairs { fixed, fixed .. mp.rest { min = 5, max = 7 } .. mp.pulse(mp.mso(40)) } do
      local text = refusal(plan, "bistim", {})
      assert.is_truthy(text:find("too fast for the Magstim BiStim", 1, true), text)
      assert.is_falsy(text:find("drawn", 1, true), text)
    end
  end)

  it("name --timing host where that alone is in the way", function()
    local pair = mp.pulse(mp.mso(40)) .. mp.rest(mp.ms(2)) .. mp.pulse(mp.mso(60))
    local text = refusal(pair, "bistim", {}, { timing = "host" })
    assert.is_truthy(text:find("; --timing host has us send each pulse: leave it out, and the Magstim "
      .. "BiStim² times by itself what is too fast for that", 1, true), text)
    assert.is_nil(refusal(pair, "bistim", {}))
    for _, name in ipairs { "rapid", "magstim200" } do -- which cannot, either
      assert.is_falsy(refusal(pair, name, {}, { timing = "host" }):find("--timing", 1, true))
    end
  end)
end)
