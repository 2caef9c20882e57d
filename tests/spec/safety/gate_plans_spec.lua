--- Plans that are one thing in pieces, or something else than they are called: the gate judges what the brain
--- gets, pulse by pulse, however the script cuts it.
local judge = require "moonpulse.safety.judge"
local mp = require "moonpulse"
local rules = require "moonpulse.safety.rules"
local shell = require "shell"

local rmt, amt = mp.rmt, mp.amt

local function report_of(plan, more)
  local given = { plan = plan, seed = 1, thresholds = { rmt = 50, amt = 40 } }
  for key, value in pairs(more or {}) do
    given[key] = value
  end
  return judge.plan(given)
end

local function find(report, rule, verdict)
  for _, finding in ipairs(report.findings) do
    if finding.rule == rule and (not verdict or finding.verdict == verdict) then
      return finding
    end
  end
end

local function verdict_of(plan, rule)
  local finding, worst = nil, "within"
  for _, each in ipairs(report_of(plan).findings) do
    if each.rule == rule then
      finding = each
      worst = rules.order[each.verdict] > rules.order[worst] and each.verdict or worst
    end
  end
  return finding and worst
end

local function train(hz, pulses, intensity)
  return mp.train { pulses = pulses, hz = hz, intensity = intensity }
end

local function bursts(pulses, hz, theta_hz, count, intensity)
  return train(hz, pulses, intensity):times(count, { every = 1 / theta_hz })
end

describe("moonpulse check of plans that were judged too mildly", function()
  local folder
  setup(function() folder = shell.folder() end)
  teardown(function() shell.remove(folder) end)

  for _, name in ipairs { "sliced", "sliced_gaps", "sliced_150", "ctbs_150", "quadripulse_130", "ten_hz_60s",
    "five_hz_120s", "one_hz_130", "twenty_hz_89", "strict_95", "gap_18hz", "rounded_up" } do
    it(name .. " is OVER, status 3", function()
      local options = name == "rounded_up" and "--rmt 45" or name == "strict_95"
        and "--rmt 40 --guidelines chen1997" or "--rmt 40"
      local status, out = shell.moonpulse(folder, ("check tests/data/cases/gate_plans.lua %s -p which=%s")
        :format(options, name))
      assert.are.equal(3, status, out)
      assert.matches("\nverdict%s+OVER %(device within, guidelines OVER%)", out)
    end)
  end
end)

describe("what is theta burst", function()
  local function is_theta(...)
    return find(report_of(bursts(...)), "theta burst intensity") ~= nil
  end

  it("has 2 to 5 pulses a burst, at 25 Hz or faster, and bursts at 3 to 10 Hz", function()
    assert.is_true(is_theta(2, 50, 5, 20, amt(80)))
    assert.is_true(is_theta(5, 50, 5, 20, amt(80)))
    assert.is_false(is_theta(6, 50, 5, 20, amt(80)))
    assert.is_true(is_theta(3, 25, 5, 20, amt(80)))
    assert.is_false(is_theta(3, 24, 5, 20, amt(80)))
    assert.is_true(is_theta(3, 50, 3, 20, amt(80)))
    assert.is_false(is_theta(3, 50, 2.9, 20, amt(80)))
    assert.is_true(is_theta(3, 50, 10, 20, amt(80)))
    assert.is_false(is_theta(3, 50, 10.1, 20, amt(80)))
  end)

  it("is nothing with anything else in it", function()
    local plan = bursts(3, 50, 5, 10, amt(80)) .. mp.rest(0.3)
      .. train(50, 6, amt(80)):times(2, { every = 0.4 })
    local report = report_of(plan)
    assert.is_nil(find(report, "theta burst intensity"))
    assert.are.equal("OVER", find(report, "train duration").verdict)
  end)
end)

describe("a train in pieces", function()
  it("is one train from first pulse to last, at the rate within the pieces", function()
    for _, plan in ipairs { train(20, 4, rmt(120)):times(260, { every = 0.23 }), -- silences of 0.08 s
      train(20, 10, rmt(120)):times(30, { gap = 0.9 }), -- of 0.95 s
      (train(20, 4, rmt(120)):times(3, { every = 0.3 }) .. mp.rest(0.4)):times(9, { gap = 0 }), -- nested
      train(20, 4, rmt(120)):times(9, { gap = 0.4 }) .. mp.rest(0.4) .. mp.pulse(rmt(120)) .. mp.rest(0.5)
        .. train(20, 4, rmt(120)), -- a single pulse in between
      (mp.together { a = train(20, 8, rmt(120)) } .. mp.together { b = train(20, 8, rmt(120)) }):times(9,
        { gap = 0.05 }) } do -- channels in turn
      local long = find(report_of(plan), "train duration", "OVER")
      assert.is_truthy(long)
      assert.are.equal("1 s (20 Hz, 120 %)", long.row)
    end
  end)

  it("ends where the silence is a second", function()
    -- 1 s from last pulse to first
    local report = report_of(train(20, 4, rmt(120)):times(9, { every = 1.15 }))
    assert.are.equal("within", find(report, "train duration").verdict)
    assert.are.equal("OVER", find(report, "gap between trains").verdict)
    assert.are.equal(9, report.trains)
    report = report_of(train(20, 4, rmt(120)):times(9, { every = 1.149 }))
    assert.are.equal("OVER", find(report, "train duration").verdict)
    assert.are.equal(1, report.trains)
  end)

  it("has the length from its first pulse to its last, and its shortest silence", function()
    local report = report_of(train(10, 5, rmt(90)):times(3, { every = 1 }))
    assert.is_true(math.abs(find(report, "train duration").value - 2.5) < 1e-9)
    assert.is_true(math.abs(find(report, "gap between trains").value - 0.5) < 1e-9)
    assert.are.equal("beyond tested", find(report, "gap between trains").verdict)
  end)

  it("is remembered through what is repeated often", function()
    local part = train(20, 10, rmt(90)) .. mp.rest(1.2) .. train(50, 2, rmt(90)) .. mp.rest(1.2)
      .. mp.pulse(rmt(90))
    local plan = part:times(20, { gap = 6 })
    assert.are.equal("within", verdict_of(plan .. mp.rest(6) .. train(20, 10, rmt(90)), "gap between trains"))
    local report = report_of(plan .. mp.rest(1.2) .. train(20, 10, rmt(90)))
    assert.is_true(report.structural)
    local gap = find(report, "gap between trains", "beyond tested")
    assert.is_true(math.abs(gap.value - 3.64) < 1e-6) -- 1.2 s, 2 x 20 ms, 1.2 s, 1.2 s
  end)

  it("does not take in slow pulses behind it", function()
    local report = report_of(train(20, 10, rmt(90)) .. mp.rest(0.8) .. train(0.5, 60, rmt(90)))
    assert.is_nil(find(report, "train duration", "OVER"))
  end)

  it("is seen by the lab's own limits, as bursts and groups are", function()
    local lab = assert(require "moonpulse.safety.lab".new({ min_gap_s = 6, train_duration = {
      { hz = 20, percent = 120, s = 1 }, { hz = 50, percent = 90, s = 1.9 } } }, "lab"))
    local function over(plan, rule)
      for _, finding in ipairs(report_of(plan, { lab = lab }).findings) do
        if finding.lab and finding.rule == rule and finding.verdict == "OVER" then
          return true
        end
      end
      return false
    end
    local itbs = bursts(3, 50, 5, 10, rmt(80))
    assert.is_false(over(itbs, "train duration"))
    assert.is_true(over(bursts(3, 50, 5, 11, rmt(80)), "train duration"))
    assert.is_false(over(itbs:times(3, { gap = 6 }), "gap between trains"))
    assert.is_true(over(itbs:times(3, { gap = 5 }), "gap between trains"))
    assert.is_true(over(train(200, 4, rmt(80)), "train duration")) -- no row
    assert.is_true(over(train(20, 4, rmt(90)):times(2, { gap = 0.5 }), "gap between trains"))
    assert.is_false(over(train(500, 2, rmt(80)):times(2, { every = 5 }), "gap between trains"))
  end)
end)

describe("theta burst without a pause", function()
  it("ends at 100 %RMT, in trains of up to 5 s at 120 %RMT", function()
    local function verdict(count, percent)
      return verdict_of(bursts(3, 50, 5, count, rmt(percent)), "theta burst intensity")
    end
    assert.are.equal("beyond tested", verdict(200, 100))
    assert.are.equal("OVER", verdict(200, 101))
    assert.are.equal("beyond tested", verdict(25, 120))
    assert.are.equal("OVER", verdict(26, 120))
    assert.are.equal("OVER", verdict(25, 121))
  end)

  it("has 5 s of silence before the next, or is beyond what was tested", function()
    local itbs = bursts(3, 50, 5, 10, amt(80))
    assert.is_nil(verdict_of(itbs:times(3, { every = 1.84 + 5 }), "gap before theta burst"))
    assert.are.equal("beyond tested",
      verdict_of(itbs:times(3, { every = 1.84 + 4.9 }), "gap before theta burst"))
  end)

  it("says what is missing where %MSO has no threshold", function()
    local report = report_of(bursts(3, 50, 5, 10, mp.mso(40)), { thresholds = {} })
    local finding = find(report, "theta burst intensity")
    assert.are.equal("beyond tested", finding.verdict)
    assert.matches("give --amt N or --rmt N", finding.nearest, 1, true)
  end)
end)

describe("a group above 25 Hz", function()
  local function qps(intensity, every, count)
    return train(200, 4, intensity):times(count or 360, { every = every or 5 })
  end

  it("is within as quadripulse was tested: 90 %AMT, every 5 s, 1440 pulses", function()
    assert.are.equal("within", report_of(qps(amt(90))).verdict)
    assert.are.equal("beyond tested", verdict_of(qps(amt(91)), "group intensity"))
    assert.are.equal("beyond tested", verdict_of(qps(amt(90), 4.99), "time between groups"))
    assert.are.equal("beyond tested", verdict_of(qps(amt(90), 5, 361), "pulses in groups a session"))
    assert.are.equal("beyond tested", verdict_of(qps(rmt(130)), "group intensity"))
    assert.are.equal("OVER", verdict_of(qps(rmt(130.5)), "group intensity"))
    assert.are.equal("OVER", verdict_of(qps(amt(90), 1), "train duration")) -- silences under a second
  end)

  it("is no pair", function()
    local report = report_of(train(500, 2, rmt(120)):times(40, { every = 4.1 }))
    assert.are.equal("within", report.verdict)
    assert.is_nil(find(report, "group intensity"))
  end)

  it("says what is missing where %MSO has no threshold", function()
    local finding = find(report_of(qps(mp.mso(40)), { thresholds = {} }), "group intensity")
    assert.are.equal("beyond tested", finding.verdict)
    assert.matches("give --amt N or --rmt N", finding.nearest, 1, true)
    assert.are.same({ 40, "%MSO" }, { finding.value, finding.unit }) -- and what there is: the strongest
    local mixed = mp.pulse(mp.mso(30)) .. mp.rest(0.02) .. mp.pulse(mp.mso(50)) .. mp.rest(0.02)
      .. mp.pulse(mp.mso(49.6))
    assert.are.equal(50, find(report_of(mixed, { thresholds = {} }), "group intensity").value)
    local theta = mp.theta_burst { pulses = 3, hz = 50, theta_hz = 5, on = 2, intensity = mp.mso(41) }
    assert.are.equal(41, find(report_of(theta, { thresholds = {} }), "theta burst intensity").value)
  end)
end)

describe("what will be delivered", function()
  it("is judged: rounded to the device's step", function()
    local plan = train(20, 32, rmt(110))
    local function duration(step, threshold)
      return find(report_of(plan, { step = step, thresholds = { rmt = threshold } }), "train duration")
    end
    assert.are.equal("within", duration(nil, 45).verdict)
    assert.are.equal("OVER", duration(1, 45).verdict) -- 49.5 is given as 50: 111.1 %
    assert.are.equal("1 s (20 Hz, 120 %)", duration(1, 45).row)
    assert.matches("at most 109 %RMT (49 %MSO)", duration(1, 45).nearest, 1, true)
    assert.are.equal("within", duration(0.5, 45).verdict)
    assert.are.equal("within", duration(1, 42).verdict) -- 46.2 is given as 46
  end)

  it("is said where it is more than what was written, and that is why it is not within", function()
    local function sentence(plan, rule, step)
      return judge.sentence(find(report_of(plan, { step = step, thresholds = { rmt = 45, amt = 37 } }), rule))
    end
    local theta = mp.theta_burst { pulses = 3, hz = 50, theta_hz = 5, on = 40, intensity = amt(80) }
    assert.matches("81.0811 %%AMT, .*; 80 %%AMT of 37 %%MSO = 29.6 %%MSO, set to 30 %%MSO %(the device's "
      .. "step%); passes: at most 79 %%AMT %(29 %%MSO%)", sentence(theta, "theta burst intensity", 1))
    assert.matches("; 110 %%RMT of 45 %%MSO = 49.5 %%MSO, set to 50 %%MSO %(the device's step%); passes: ",
      sentence(train(20, 32, rmt(110)), "train duration", 1))
    assert.matches("; 61.5 %%MSO, set to 62 %%MSO %(the device's step%)",
      sentence(mp.pair { isi = mp.ms(20), intensity = mp.mso(61.5) }, "pairs", 1))
    -- not where nothing was rounded, or down, or where it is within
    for _, each in ipairs { { theta, "theta burst intensity" },
      { train(20, 32, rmt(110)), "train duration", 0.5 }, { train(20, 42, rmt(109)), "train duration", 1 },
      { train(1, 9, rmt(110)), "train duration", 1 } } do
      assert.is_nil(sentence(table.unpack(each)):find("set to", 1, true))
    end
  end)

  it("is what the lab's limits see", function()
    local lab = assert(require "moonpulse.safety.lab".new({ max_percent_rmt = 110 }, "lab"))
    local found = find(report_of(train(1, 5, rmt(110)), { step = 1, lab = lab,
      thresholds = { rmt = 45 } }), "intensity")
    assert.are.equal("OVER", found.verdict)
    assert.matches("110 %RMT of 45 %MSO = 49.5 %MSO, set to 50 %MSO", judge.sentence(found), 1, true)
  end)
end)

describe("what follows without a pause", function()
  local function pairs_at(percent, every, count, isi)
    return mp.pair { isi = isi or mp.ms(20), intensity = rmt(percent) }:times(count, { every = every })
  end
  local function verdict(plan, more)
    return report_of(plan, more).verdict
  end

  it("is OVER above 130 %RMT from pair to pair, with less than 4 s of silence", function()
    for _, percent in ipairs { 131, 200, 250 } do
      assert.are.equal("OVER", verdict(pairs_at(percent, 1.03, 2)))
      assert.are.equal("OVER", verdict(pairs_at(percent, 4.019, 2)))
      assert.are.equal("beyond tested", verdict(pairs_at(percent, 4.02, 2)))
      assert.are.equal("beyond tested", verdict(pairs_at(percent, 5, 60)))
    end
    assert.are.equal("within", verdict(pairs_at(130, 1.03, 2)))
  end)

  it("lasts no longer than the 1 Hz row, the pause behind it counted", function()
    -- 120 %: 360 s tested; 130 %: 50 s, more than twice is OVER; the last pair has 0.02 s
    local rule = "pulses without a pause"
    assert.is_nil(verdict_of(pairs_at(120, 2, 178, mp.ms(2)), rule)) -- 354.002 + 4 s
    assert.are.equal("beyond tested", verdict_of(pairs_at(120, 2, 180, mp.ms(2)), rule))
    assert.is_nil(verdict_of(pairs_at(130, 2, 23), rule)) -- 44.02 + 4 s
    assert.are.equal("beyond tested", verdict_of(pairs_at(130, 2, 48), rule)) -- 94.02 + 4 s
    assert.are.equal("OVER", verdict_of(pairs_at(130, 2, 49), rule)) -- 96.02 + 4 s
    local strict = { profile = "chen1997" }
    assert.are.equal("within", find(report_of(train("0.5", 25, rmt(130)), strict), "train duration").verdict)
    assert.are.equal("within", verdict(pairs_at(130, 2, 23), strict))
    assert.are.equal("OVER", verdict(pairs_at(130, 2, 24), strict))
  end)

  it("is no pair from 40 ms on: above 130 %RMT there is no cell, and it is OVER with the remedy", function()
    for _, isi in ipairs { 40, 50, 100, 200 } do
      assert.are.equal("within", verdict(pairs_at(130, 5, 20, mp.ms(isi))))
      local found = find(report_of(pairs_at(131, 5, 20, mp.ms(isi))), "train duration")
      assert.are.equal("OVER", found.verdict)
      assert.matches("at most 130 %RMT", found.nearest, 1, true)
    end
    assert.are.equal("beyond tested", verdict(pairs_at(131, 5, 20, mp.ms(39))))
  end)

  it("leaves paired pulses every 5 s as they were, jittered or not", function()
    for _, percent in ipairs { 110, 120, 130 } do
      for _, isi in ipairs { 1.5, 3, 12 } do
        local trial = mp.pair { isi = mp.ms(isi), intensity = { rmt(80), rmt(percent) } }
        assert.are.equal("within", verdict(trial:times(100, { every = 5 })))
        assert.are.equal("within", verdict((trial .. mp.rest { min = 4, max = 6 }) * 60))
      end
    end
    assert.are.equal("beyond tested", verdict(mp.pair { isi = mp.ms(2.5), intensity = { rmt(80), rmt(150) } }
      :times(100, { every = 5 })))
  end)

  it("is seen whatever is in between, and however often it is repeated", function()
    local mixed = pairs_at(200, 1.03, 1) .. mp.rest(1.01) .. mp.pulse(rmt(60)) .. mp.rest(1.01)
    for _, count in ipairs { 2, 6, 7, 200 } do
      assert.are.equal("OVER", verdict_of(mixed:times(count, { gap = 0 }), "pulses without a pause"))
    end
    -- 60 of 90 s each: none is OVER, all together without a pause are
    local part = pairs_at(130, 3, 30) .. mp.rest(6)
    assert.are.equal("beyond tested", verdict(part * 60))
    assert.are.equal("OVER", verdict((pairs_at(130, 3, 3) .. mp.rest(2.9)) * 60))
  end)

  it("takes of single pulses in a row the nearest one alone, the others have their pauses", function()
    local rule, before = "pulses without a pause", pairs_at(60, 3, 5) .. mp.rest(2.9)
    --- Single pulses 6 s apart, one of them stronger, and pairs before and behind them.
    local function around(strong, channel)
      local singles
      for i = 1, 9 do
        local pulse = mp.pulse(rmt(i == strong and 200 or 120))
        pulse = channel and mp.together { [channel] = pulse, b = mp.pulse(rmt(60)) } or pulse
        singles = singles and singles .. mp.rest(6) .. pulse or pulse
      end
      return before .. singles .. mp.rest(3.5) .. pairs_at(60, 3, 5)
    end
    for _, channel in ipairs { false, "a" } do
      for strong = 2, 8 do
        assert.is_nil(verdict_of(around(strong, channel), rule))
      end
      assert.are.equal("OVER", verdict_of(around(1, channel), rule))
      assert.are.equal("OVER", verdict_of(around(9, channel), rule))
    end
    -- the row's length is no part of what goes on without a pause
    assert.is_nil(verdict_of(before .. mp.pulse(rmt(130)):times(100, { every = 6 }), rule))
  end)

  it("is one of several channels together", function()
    local pair = pairs_at(200, 1, 1)
    local plan = (mp.together { a = pair } .. mp.rest(2) .. mp.together { b = pair } .. mp.rest(2)) * 20
    assert.are.equal("OVER", verdict(plan))
  end)
end)

describe("single pulses", function()
  local function verdict(percent, every)
    return report_of(mp.pulse(rmt(percent)):times(100, { every = every })).verdict
  end

  it("are not covered above the strongest column, and a train under 4.5 s", function()
    assert.are.equal("within", verdict(130, 5.2))
    assert.are.equal("not covered", verdict(130.5, 5.2))
    assert.are.equal("not covered", verdict(200, 5.2))
    assert.are.equal("OVER", verdict(200, 2))
    assert.are.equal("OVER", verdict(200, 4.4))
  end)

  it("are as many with a pulse more behind some of them", function()
    local function counted(singles, pairs_of)
      return verdict_of(mp.pulse(rmt(80)):times(singles, { every = 5 }) .. mp.rest(5)
        .. mp.pair { isi = mp.ms(20), intensity = rmt(80) }:times(pairs_of, { every = 5 }),
        "single pulses a session")
    end
    assert.are.equal("within", counted(1700, 100))
    assert.are.equal("beyond tested", counted(1700, 101))
    assert.are.equal("beyond tested", counted(1801, 1))
  end)
end)

describe("theta burst in pieces", function()
  local function pieces(percent, bursts_each, count, pause)
    local piece = bursts(3, 50, 5, bursts_each, rmt(percent))
    local plan = piece
    for _ = 2, count do
      plan = plan .. mp.rest(pause - 0.02) .. piece -- a train ends a period after its last pulse
    end
    return plan
  end
  local rule = "theta burst without a pause"

  it("is continuous where the pauses are under 5 s: above 100 %RMT OVER after 5 s", function()
    -- two pieces of 1.84 s
    assert.are.equal("OVER", verdict_of(pieces(120, 10, 2, 1.4), rule)) -- 5.08 s
    assert.is_nil(verdict_of(pieces(120, 10, 2, 1.3), rule)) -- 4.98 s
    assert.are.equal("OVER", verdict_of(pieces(101, 10, 2, 4.99), rule))
    assert.is_nil(verdict_of(pieces(101, 10, 2, 5), rule))
    assert.is_nil(verdict_of(pieces(100, 10, 20, 2), rule))
  end)

  it("is found in repetitions, with trains and single pulses in between", function()
    local piece = bursts(3, 50, 5, 24, rmt(119))
    local plan = piece:times(60, { every = 5.8 })
    assert.are.equal("OVER", verdict_of(plan, rule))
    assert.are.equal("OVER", report_of(plan, { step = 1, thresholds = { rmt = 40 } }).verdict)
    for _, between in ipairs { mp.pulse(rmt(60)), train(10, 5, rmt(60)), train(200, 4, rmt(60)) } do
      local short = bursts(3, 50, 5, 2, rmt(119)) .. mp.rest(1.2) .. between .. mp.rest(1.2)
      assert.is_nil(verdict_of(short * 2, rule))
      assert.are.equal("OVER", verdict_of(short * 50, rule))
    end
  end)
end)

describe("what cannot be compared", function()
  local unknown = { thresholds = {} }
  local function of(plan, rule)
    local finding = find(report_of(plan, unknown), rule, "OVER")
    return finding and "OVER"
  end

  it("hides nothing that can: %MSO without a threshold beside %RMT", function()
    local beside = mp.pulse(mp.mso(20))
    assert.are.equal("OVER", of(mp.pulse(rmt(200)) .. mp.rest(0.1) .. beside, "train duration"))
    local last = mp.pulse(rmt(121)) .. mp.rest(mp.ms(20)) .. beside
    assert.are.equal("OVER", of(bursts(3, 50, 5, 9, rmt(121)) .. last, "theta burst intensity"))
    assert.are.equal("OVER", of(train(200, 2, rmt(131)) .. beside, "group intensity"))
  end)

  it("is taken for the strongest column, also where some of its pulses are known to be weak", function()
    local weak, unknown_one = mp.pulse(rmt(60)), mp.pulse(mp.mso(30))
    local function worst(plan, rule)
      local verdict = "within"
      for _, each in ipairs(report_of(plan, unknown).findings) do
        if each.rule == rule and rules.order[each.verdict] > rules.order[verdict] then
          verdict = each.verdict
        end
      end
      return verdict
    end
    for _, case in ipairs { { "train duration", 0.1, 0.1, 20 }, { "train duration", 0.05, 0.05, 15 },
      { "train duration", 3, 3, 100 }, { "pulses without a pause", 1.2, 3.5, 100 } } do
      local rule, within, between, count = table.unpack(case)
      local function plan(one, other)
        return (one .. mp.rest(within) .. other):times(count, { every = within + between })
      end
      local all = worst(plan(unknown_one, unknown_one), rule)
      assert.is_true(rules.order[all] > 1, rule)
      assert.are.equal(all, worst(plan(weak, unknown_one), rule), rule)
      assert.are.equal("within", worst(plan(weak, weak), rule), rule)
    end
  end)

  it("is compared each with its own limit: a group of 89 %AMT and 85 %RMT", function()
    local function verdict(amt_percent, rmt_percent)
      return verdict_of(mp.pulse(amt(amt_percent)) .. mp.rest(mp.ms(5)) .. mp.pulse(rmt(rmt_percent))
        .. mp.rest(mp.ms(5)) .. mp.pulse(rmt(rmt_percent)), "group intensity")
    end
    assert.are.equal("within", verdict(89, 80))
    assert.are.equal("beyond tested", verdict(89, 85))
    assert.are.equal("beyond tested", verdict(91, 80))
  end)
end)
