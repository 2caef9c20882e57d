--- The dose of an experiment's run, as the gate sees it: all that was given, whatever was refused, asked for
--- later or stopped in between. No clock: the instants are the test's.
local chances = require "chance"
local doses = require "moonpulse.experiment.dose"
local judge = require "moonpulse.safety.judge"
local labs = require "moonpulse.safety.lab"
local mp = require "moonpulse"

local thresholds = { rmt = 50 }

local function new(policy)
  return doses.new { policy = policy or {}, thresholds = thresholds }
end

--- The report for a plan that would start at at_s, after what dose holds.
local function judged(dose, plan, at_s)
  local policy, known = dose.job.policy, dose:before(function() return at_s end)
  return judge.plan { plan = plan, seed = 1, thresholds = thresholds, lab = policy.lab,
    history = policy.history, earlier = known.earlier, at_s = known.starts() }
end

local function play(dose, plan, at_s, stopped_s)
  dose:begins(plan, 1, judged(dose, plan, at_s), at_s)
  dose:ended(stopped_s)
end

local function find(report, rule)
  for _, finding in ipairs(report.findings) do
    if finding.rule == rule then
      return finding
    end
  end
end

local function train(pulses, hz, percent)
  return mp.train { pulses = pulses, hz = hz, intensity = mp.rmt(percent) }
end

describe("the dose of a run", function()
  it("is not forgotten for a plan that is refused, or asked for much later", function()
    local dose = new()
    play(dose, train(20, 20, 110), 0)
    assert.are.equal("OVER", find(judged(dose, train(20, 20, 110), 1.2), "gap between trains").verdict)
    for _, far in ipairs { 300, 1e6, -5 } do
      judged(dose, train(2, 20, 130), far) -- and it is never played
    end
    local gap = find(judged(dose, train(20, 20, 110), 1.2), "gap between trains")
    assert.are.equal("OVER", gap.verdict)
    assert.is_true(math.abs(gap.value - 0.2) < 1e-9)
    assert.are.equal(1, gap.pulse) -- silence under a second: one train with what came before
    assert.are.equal("OVER", find(judged(dose, train(20, 20, 110), 1.2), "train duration").verdict)
    -- the other side: with 5 s it passes
    assert.are.equal("within", find(judged(dose, train(20, 20, 110), 6), "gap between trains").verdict)
  end)

  it("has no trace of a refused plan in its totals and intensities", function()
    local lab = assert(labs.new({ pulses_per_session = 10, max_percent_mso = 60 }, "lab"))
    local dose = new { lab = lab }
    play(dose, train(5, 1, 100), 0)
    assert.are.equal("OVER", judged(dose, mp.train { pulses = 6, hz = 1, intensity = mp.mso(70) }, 5).verdict)
    assert.are.equal("within", judged(dose, train(5, 1, 100), 6).verdict)
    play(dose, train(5, 1, 100), 6)
    local session = find(judged(dose, train(1, 1, 100), 12), "pulses a session")
    assert.are.same({ "OVER", 11 }, { session.verdict, session.value })
  end)

  it("does not wait for the rest that a plan ends in, nor for one that is all rest", function()
    for _, rest in ipairs { 0, 0.5, 30, 1e6 } do
      local dose, plan = new(), train(20, 20, 110) .. mp.rest(rest)
      play(dose, plan, 0)
      play(dose, mp.rest(rest + 1), 1.1)
      local report = judged(dose, plan, 1.24)
      local gap = find(report, "gap between trains")
      assert.are.equal("OVER", gap.verdict)
      assert.is_true(math.abs(gap.value - 0.24) < 1e-9)
      assert.are.equal("OVER", find(report, "train duration").verdict)
      assert.are.equal(40, report.pulses)
      -- the other side of the edge
      assert.are.equal("within", judged(dose, plan, 6).verdict)
    end
  end)

  it("is that of the plans' pulses, wherever rests are drawn, nested or on two channels", function()
    local tails = { mp.rest { min = 20, max = 30 }, mp.rest(10) .. mp.mark "end" .. mp.rest(10),
      mp.together { ["1"] = mp.rest(30), ["2"] = mp.rest(40) } }
    for _, tail in ipairs(tails) do
      for _, plan in ipairs { train(20, 20, 110) .. tail, (train(5, 20, 110) * 4) .. tail,
        mp.together { ["1"] = train(20, 20, 110), ["2"] = mp.pulse(mp.rmt(50)) .. mp.rest(60) } .. tail } do
        local dose = new()
        play(dose, plan, 0)
        assert.is_true(math.abs(dose:behind(0) - 0.95) < 1e-9)
        assert.are.equal("OVER", judged(dose, plan, 1.2).verdict)
      end
    end
  end)

  it("joins pulses that are fired one by one, however long it takes", function()
    local dose = new()
    local one = mp.pulse(mp.rmt(120))
    for i = 0, 359 do
      play(dose, one, i)
    end
    -- 1 Hz at 120 %: tested to 360 s
    assert.are.equal("beyond tested", find(judged(dose, one, 360), "train duration").verdict)
    assert.are.equal(361, find(judged(dose, one, 360), "train duration").value)
    local shorter = new()
    for i = 1, 359 do
      play(shorter, one, i)
    end
    assert.are.equal("within", find(judged(shorter, one, 360), "train duration").verdict)
  end)

  it("holds what was given of a plan that was stopped, no more and no less", function()
    local dose = new()
    play(dose, train(3000, 10, 90), 0, 2.05)
    local report = judged(dose, train(10, 10, 90), 8.1)
    assert.are.equal(31, report.pulses) -- the ones at 0 to 2 s, and ten
    assert.are.equal("within", find(report, "train duration").verdict)
    local gap = find(report, "gap between trains")
    assert.are.equal("within", gap.verdict)
    assert.is_true(math.abs(gap.value - 6) < 1e-9)
    -- right behind the stop the train goes on
    assert.are.equal(31, judged(dose, train(10, 10, 90), 2.1).findings[1].value * 10)
  end)

  it("holds what the device gave and nobody sent", function()
    local lab = assert(labs.new({ pulses_per_session = 10 }, "lab"))
    local dose = new { lab = lab }
    local unasked = { channel = "1", intensity = 110, reference = "RMT" }
    dose:gave_unasked(0.5, unasked) -- before anything was sent
    dose:begins(train(5, 1, 110), 1, judged(dose, train(5, 1, 110), 1), 1)
    for i = 1, 3 do
      dose:gave_unasked(1 + i / 20, unasked) -- in between
    end
    dose:ended()
    assert.are.equal(10, judged(dose, mp.pulse(mp.rmt(100)), 9).pulses)
    assert.are.equal("within", find(judged(dose, mp.pulse(mp.rmt(100)), 9), "pulses a session").verdict)
    dose:gave_unasked(9, unasked)
    assert.are.equal("OVER", find(judged(dose, mp.pulse(mp.rmt(100)), 9), "pulses a session").verdict)
    -- and its time counts: a train right behind a burst of the panel's
    local other = new()
    for i = 0, 9 do
      other:gave_unasked(i / 20, unasked)
    end
    assert.are.equal("OVER", find(judged(other, train(10, 20, 110), 0.7), "gap between trains").verdict)
    assert.are.equal("within", judged(other, train(10, 20, 110), 5.6).verdict)
  end)

  it("counts what one of several devices gave on a channel of its own", function()
    local dose, devices, told = new(), {}, {}
    function dose.gave_unasked(_, at_s, pulse)
      told[#told + 1] = ("%g %s %g"):format(at_s, pulse.channel, pulse.intensity)
    end
    for i, channels in ipairs { { "left" }, { "b", "a" } } do
      devices[i] = { job = { channels = channels }, record = {}, listening = {}, identity = {},
        driver = { limits = function() return { intensity = { max = 100 } } end } }
    end
    dose:hear(devices, 0)
    devices[1].record.on_unasked(1000000000)
    devices[2].record.on_unasked(2000000000)
    devices[2].listening.told = { channel = "a", intensity = 40, reference = "MSO" }
    devices[2].record.on_unasked(3000000000)
    assert.are.same({ "1 left 100", "2 b 100", "3 a 40" }, told)
  end)

  it("is the same as that of one plan that holds all of it", function()
    local chance = chances.new(4711)
    local function random(n)
      return chance:draw(1, n)
    end
    local concerns = 0
    for _ = 1, 300 do
      local dose, whole, at = new(), nil, 0
      local last, start
      for k = 1, 1 + random(4) do
        local pause = ({ 0.05, 0.2, 1, 4, 8, 200 })[random(6)]
        local plan = train(random(30), ({ 1, 5, 10, 20, 50 })[random(5)], 80 + 10 * random(5))
        plan = random(3) == 1 and plan:times(random(9), { gap = 0.1 }) or plan
        if k > 1 then
          play(dose, last, start)
          whole = whole .. mp.rest(pause) .. plan
          at = at + last:totals().span + pause
        else
          whole = plan
        end
        last, start = plan, at
      end
      local one = judge.plan { plan = whole, seed = 1, thresholds = thresholds }
      local parts = judged(dose, last, start)
      assert.are.equal(one.pulses, parts.pulses)
      assert.are.equal(one.trains, parts.trains)
      local function of_last(report)
        local list = {}
        for _, finding in ipairs(report.findings) do
          if finding.verdict ~= "within" and finding.train == one.trains then
            list[#list + 1] = finding.rule .. " " .. finding.verdict
          end
        end
        table.sort(list)
        return table.concat(list, ", ")
      end
      -- equal findings of several trains are one in the whole plan's report: the last train's is then shown
      -- at its first place, so only what is new with the last train can be compared
      for text in of_last(one):gmatch("[^,]+") do
        assert.is_truthy(of_last(parts):find(text, 1, true))
        concerns = concerns + 1
      end
    end
    assert.is_true(concerns > 30)
  end)
end)
