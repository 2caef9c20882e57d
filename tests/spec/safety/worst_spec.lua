--- What is drawn from the seed is judged at its gravest: no seed may be graver than what check says.
local chances = require "chance"
local judge = require "moonpulse.safety.judge"
local labs = require "moonpulse.safety.lab"
local mp = require "moonpulse"
local rules = require "moonpulse.safety.rules"
local silences = require "moonpulse.safety.drawn_silences"
local worst = require "moonpulse.safety.worst"

local thresholds = { rmt = 50 }

local function report_of(plan, seed, lab)
  return judge.plan { plan = plan, seed = seed, thresholds = thresholds, lab = lab }
end

local function checked(plan, lab)
  local cases, judged = worst.cases { plan = plan, seed = 1 }
  local report = worst.judge(cases, function(case) return report_of(case.plan, case.seed, lab) end)
  return report.verdict, worst.told(judged, report)
end

local function triplet(percent)
  return mp.train { pulses = 3, hz = 50, intensity = mp.rmt(percent) }
end

local function train(pulses, hz, percent)
  return mp.train { pulses = pulses, hz = hz, intensity = mp.rmt(percent) }
end

describe("drawn rests", function()
  it("are judged where theta burst ends, anywhere in their range", function()
    for _, range in ipairs { { 0.1, 20 }, { 0.1, 2000 }, { 0.27, 0.28 }, { 0.1, 0.28 } } do
      local rest = mp.rest { min = range[1], max = range[2] }
      assert.are.equal("OVER", (checked(triplet(70) .. rest .. triplet(70))), range[2])
      assert.are.equal("OVER", (checked((triplet(70) .. rest) * 20)), range[2])
    end
    -- below the edge it stays theta burst
    assert.are.equal("within", (checked(triplet(70) .. mp.rest { min = 0.1, max = 0.27 } .. triplet(70))))
  end)

  it("are judged just under a second, where two trains are one", function()
    local rest = mp.rest { min = 0.1, max = 30 }
    assert.are.equal("OVER", (checked((train(10, 20, 90) .. rest) * 3)))
    -- the fastest piece decides, the slow ones make it long: neither end of the range finds it
    local slow = (mp.pulse(mp.rmt(100)) .. mp.rest { min = 0.1, max = 0.99 }) * 9
    assert.are.equal("beyond tested", (checked(slow)))
    for _, fraction in ipairs { 0, 1 } do
      assert.are.equal("within", report_of(worst.with_rests(slow, fraction), 1).verdict)
    end
  end)

  it("are judged where parts that run at once meet, and nothing is proven there", function()
    for _, t in ipairs { train(40, 20, 100), mp.pulse(mp.rmt(100)) } do
      local plan = mp.together { mp.rest { min = 0, max = 4000 } .. t, (mp.rest(8) .. t):at "1" }
      local verdict, judged = checked(plan)
      assert.are.equal(t:totals().pulses > 1 and "OVER" or "within", verdict)
      assert.is_true(verdict == "OVER" or judged.how ~= "worst case", judged.how)
    end
  end)

  it("are never graver in any of 60 seeds, whatever is around them", function()
    local chance = chances.new(20261127)
    local function random(n)
      return chance:draw(1, n)
    end
    local function pick(list)
      return list[random(#list)]
    end
    local function part()
      return pick { mp.pulse(mp.rmt(pick { 80, 100, 120 })), triplet(pick { 70, 90 }),
        train(random(12), pick { 1, 5, 10, 20 }, pick { 90, 100, 110 }),
        mp.pair { isi = mp.ms(3), intensity = mp.rmt(100) } }
    end
    local function drawn()
      local min = pick { 0.03, 0.1, 0.3, 0.9, 2, 4, 5 }
      return mp.rest { min = min, max = min * pick { 1.3, 3, 20, 200 } }
    end
    local found = { within = 0, ["beyond tested"] = 0, OVER = 0 }
    local lab = assert(labs.new({ min_gap_s = 3, max_hz = 60, pulses_per_session = 200 }, "lab"))
    for number = 1, 120 do
      local plan = part() .. drawn()
      for _ = 2, random(3) do
        plan = plan .. part() .. drawn()
      end
      if random(4) == 1 then
        plan = mp.together { (drawn() .. part()):at "1", plan }
      end
      plan = random(2) == 1 and plan:times(1 + random(12), { gap = pick { 0, 0.2, 6 } }) or plan .. part()
      local limits = random(3) == 1 and lab or nil
      local verdict, judged = checked(plan, limits)
      found[verdict] = found[verdict] + 1
      for seed = 1, 60 do
        local own = report_of(plan, seed, limits).verdict
        assert(rules.order[own] <= rules.order[verdict], ("plan %d: seed %d is %s, and check says %s (%s)")
          :format(number, seed, own, verdict, judged.how))
      end
    end
    for verdict, times in pairs(found) do
      assert.is_true(times > 5, verdict)
    end
  end)

  it("are called the worst case only where that is proven", function()
    local function how(plan)
      local _, judged = checked(plan)
      return judged.how
    end
    local pulse = mp.pulse(mp.rmt(100))
    local function spaced(what, min, max)
      return how((what .. mp.rest { min = min, max = max }) * 5 .. what)
    end
    -- nothing is graver than OVER
    assert.are.equal("worst case", spaced(triplet(70), 0.1, 20))
    -- trains that every draw parts, single pulses that every draw leaves single
    assert.are.equal("worst case", spaced(train(20, 20, 100), 5, 60))
    assert.are.equal("worst case", spaced(mp.pair { isi = mp.ms(3), intensity = mp.rmt(100) }, 4, 6))
    assert.are.equal("worst case", spaced(pulse, 5, 7))
    -- else it is so many schedules
    assert.matches("^%d+ schedules$", spaced(pulse, 4, 6))
    assert.matches("^%d+ schedules$", spaced(pulse, 0.9, 1.1))
    assert.matches("^%d+ schedules$", spaced(train(5, 5, 90), 0.5, 60))
    assert.matches("^%d+ schedules$", how(mp.together { a = pulse .. mp.rest { min = 5, max = 7 } .. pulse,
      b = pulse }))
  end)

  it("are searched for short silences only where a draw decides what a train is, and never without end",
    function()
      local function is_sought(what, min, max, most)
        local plan = (what .. mp.rest { min = min, max = max }) * 5 .. what
        return select(2, silences.of(plan, worst.with_rests(plan, 0), worst.with_rests(plan, 1), most))
      end
      for _, apart in ipairs { train(20, 20, 100), train(3, 2, 100), mp.pulse(mp.rmt(100)) } do
        assert.is_true(is_sought(apart, 1, 60, 1)) -- there is nothing to look for
        assert.is_true(is_sought(apart, 0.1, 4, 1000000))
        assert.is_false(is_sought(apart, 0.1, 4, 1))
      end
      -- no rest is shorter than a second, but the train before it is as slow
      assert.is_false(is_sought(train(3, 1.1, 100), 1, 2, 1))
    end)

  it("are said to be judged in each way in which they were: rests, orders and seeds", function()
    local pulse, rest = mp.pulse(mp.rmt(100)), mp.rest { min = 4, max = 6 }
    for _, drawn in ipairs { { rests = true }, { orders = true }, { rests = true, orders = true } } do
      local function build(_, arrange)
        local list = { pulse, train(5, 5, 90) }
        return mp.trials { of = drawn.orders and arrange and arrange(list) or list, every = 9 }
          .. (drawn.rests and rest or mp.rest(5)) .. pulse
      end
      local cases, judged = worst.cases { plan = build(), drawn = drawn.orders or false, seed = 1,
        build = build }
      local seeds = {}
      for _, case in ipairs(cases) do
        seeds[case.seed] = true
      end
      local count = 0
      for _ in pairs(seeds) do
        count = count + 1
      end
      assert.are.equal(drawn.rests, judged.text:find("every drawn rest at its shortest", 1, true) == 1 or nil)
      assert.are.equal(drawn.orders, judged.text:find("all 2 orders of what is shuffled", 1, true) and true)
      assert.are.equal(count, tonumber(judged.text:match "(%d+) seeds?"), judged.text)
    end
  end)

  it("are judged at the rules' edges in each order, or it is said in how many", function()
    --- Trials in an order that is drawn, and a drawn rest behind them.
    local function judged_of(pulses, rest)
      local function build(_, arrange)
        local list = {}
        for i = 1, 5 do
          list[i] = train(pulses + i, 20, 90)
        end
        local trials = mp.trials { of = arrange and arrange(list) or list, every = pulses }
        return trials .. rest .. train(9, 20, 90)
      end
      local cases, judged = worst.cases { plan = build(), drawn = true, seed = 1, build = build }
      local searched, count = {}, 0
      for _, case in ipairs(cases) do
        local order = case.what:match("^order (%d+).*%%")
        count = count + (order and not searched[order] and 1 or 0)
        searched[order or ""] = true
      end
      return judged, count
    end
    local judged, count = judged_of(20, mp.rest { min = 0.1, max = 60 })
    assert.are.equal(120, count)
    assert.matches("^%d+ schedules$", judged.how)
    assert.is_nil((judged.text:find("another order", 1, true)))
    judged, count = judged_of(4000, mp.rest { min = 0.1, max = 60 })
    assert.is_true(count > 0 and count < 120, count)
    assert.are.equal("many orders", judged.how)
    assert.matches(("the rules' edges in %d of them"):format(count), judged.text, 1, true)
    assert.matches("another order may be graver", judged.text, 1, true)
    -- nothing to search for
    judged, count = judged_of(4000, mp.rest(60))
    assert.are.equal(0, count)
    assert.are.equal("worst case", judged.how)
  end)
end)
