--- What several channels give together: a train dealt over two coils is one train to the brain.
local doses = require "moonpulse.experiment.dose"
local judge = require "moonpulse.safety.judge"
local labs = require "moonpulse.safety.lab"
local mp = require "moonpulse"

local thresholds = { rmt = 50 }

local function judged(plan, more)
  local given = { plan = plan, seed = 1, thresholds = thresholds }
  for key, value in pairs(more or {}) do
    given[key] = value
  end
  return judge.plan(given)
end

local function together(report)
  local list = {}
  for _, finding in ipairs(report.findings) do
    if (finding.channel or ""):find("together", 1, true) then
      list[finding.rule] = finding
    end
  end
  return list
end

local function train(pulses, hz, percent)
  return mp.train { pulses = pulses, hz = hz, intensity = mp.rmt(percent) }
end

--- hz dealt over channels a and b.
local function dealt(pulses, hz, percent)
  local half = train(pulses // 2, hz / 2, percent)
  return mp.together { a = half, b = mp.rest(1 / hz) .. half }
end

describe("the pulses of several channels", function()
  it("are judged together, as graver where they are", function()
    -- 20 Hz at 110 %: 1.6 s; each of both at 10 Hz may have 5 s
    assert.are.equal("within", judged(dealt(32, 20, 110)).verdict)
    local report = judged(dealt(34, 20, 110))
    assert.are.equal("OVER", report.verdict)
    local over = together(report)["train duration"]
    assert.are.equal("OVER", over.verdict)
    assert.matches("on channel a and b together", judge.sentence(over), 1, true)
    assert.matches("our own caution", over.source, 1, true)
    assert.are.equal(34, report.pulses) -- nothing is counted twice
    assert.are.equal(2, report.trains)
  end)

  it("are found whether the plan alternates, repeats or draws", function()
    local one, pause = mp.pulse(mp.rmt(110)), mp.rest(0.05)
    local step = one:at "a" .. pause .. one:at "b" .. pause
    local drawn = one:at "a" .. mp.rest { min = 0.05, max = 0.0501 } .. one:at "b" .. pause
    for plan, most in pairs { [step] = 16, [drawn] = 15 } do -- drawn, it lasts a little longer
      assert.are.equal("within", judged(plan * most).verdict)
      assert.are.equal("OVER", judged(plan * 17).verdict)
    end
    assert.are.equal("OVER", judged(step * 1000000).verdict) -- from its structure
  end)

  it("are one where they come at one instant, and pairs of coils stay pairs", function()
    local both = mp.together { a = train(50, 10, 110), b = train(50, 10, 110) }
    assert.are.same({}, together(judged(both)))
    local pair = mp.pulse(mp.rmt(90)):at "a" .. mp.rest(0.008) .. mp.pulse(mp.rmt(120)):at "b"
    assert.are.equal("within", judged((pair .. mp.rest(4.992)) * 100).verdict)
    -- no table is for bursts of several coils
    local strong = mp.pulse(mp.rmt(100)):at "a" .. mp.rest(0.005) .. mp.pulse(mp.rmt(100)):at "b"
      .. mp.rest(0.005) .. mp.pulse(mp.rmt(100)):at "c"
    assert.are.equal("not covered", judged(strong).verdict)
  end)

  it("leave out nerves, and are held by the lab's limits", function()
    local coverage = { nerve = { b = true }, source = "" }
    assert.are.equal("within", judged(dealt(100, 20, 100), { coverage = coverage }).verdict)
    local lab = assert(labs.new({ max_hz = 10 }, "lab"))
    assert.are.equal("OVER", judged(dealt(10, 20, 90), { lab = lab }).verdict)
    assert.are.equal("within", judged(dealt(10, 10, 90), { lab = lab }).verdict)
  end)

  it("are remembered from plan to plan of an experiment", function()
    local dose = doses.new { policy = {}, thresholds = thresholds }
    for i = 0, 39 do
      local plan = mp.pulse(mp.rmt(110)):at(i % 2 == 0 and "a" or "b")
      local report = judged(plan, { earlier = dose.given, at_s = dose:behind(i / 20) })
      assert.are.equal(i < 32 and "within" or "OVER", report.verdict, i)
      dose:begins(plan, 1, report, i / 20)
      dose:ended()
    end
  end)
end)
