--- What the safety gate found in an experiment stands in its record as grave as it was met, whatever came
--- later. The maximum is the test's own, of the intensities that it wrote.
local chances = require "chance"
local cjson = require "cjson"
local doses = require "moonpulse.experiment.dose"
local fixture = require "job"
local judge = require "moonpulse.safety.judge"
local mp = require "moonpulse"
local shell = require "shell"
local shared_plans = require "moonpulse.stimulator.shared_plan"

local PAIR, SINGLE = "pairs", "single pulse intensity"

--- %RMT of pulses in order; kind of each.
local function drawn(chance, count)
  local list = {}
  for i = 1, count do
    list[i] = { kind = chance:pick { PAIR, SINGLE }, percent = chance:draw(100, 150) }
  end
  return list
end

--- The greatest of each kind above 130 %RMT; nil: none.
local function greatest(list)
  local most = {}
  for _, each in ipairs(list) do
    if each.percent > 130 then
      most[each.kind] = math.max(most[each.kind] or 0, each.percent)
    end
  end
  return most
end

local function plan_of(each)
  local strong = mp.rmt(each.percent)
  return each.kind == PAIR and mp.pair { isi = mp.ms(3), intensity = { mp.rmt(80), strong } }
    or mp.pulse(strong)
end

--- The only finding of each of both kinds that is not within.
local function of_report(report)
  local found = {}
  for _, finding in ipairs(judge.concerns(report)) do
    assert.is_nil(found[finding.rule])
    found[finding.rule] = finding.value
  end
  return found
end

local folder

before_each(function() folder = shell.folder() end)
after_each(function() shell.remove(folder) end)

--- What the record of a script on list says, by rule.
local function recorded(body, options)
  shell.write(folder .. "/made.lua", 'local mp = require "moonpulse"\nreturn mp.experiment(function(run)\n'
    .. body .. "\nend)\n")
  local status, out, err = shell.moonpulse(folder, ("run %s/made.lua --rmt 40 --seed 1 --out %s/runs "
    .. "--speed max %s"):format(folder, folder, options))
  assert.are.equal(0, status, out .. err)
  local path = fixture.run_in(folder .. "/runs")
  local found, texts = {}, {}
  for _, finding in ipairs(cjson.decode(shell.read(path .. "/manifest.json")).safety.findings) do
    local rule, value = finding.text:match "^([^:]+): ([%d.]+) %%"
    texts[#texts + 1] = finding.text
    found[rule] = math.max(found[rule] or 0, tonumber(value))
  end
  local verified, words, more = shell.moonpulse(folder, "verify " .. path)
  assert.are.equal(0, verified, words .. more)
  return found, out, texts
end

describe("the findings of an experiment", function()
  for case = 1, 60 do
    it("are the gravest of each kind that it met, case " .. case, function()
      local chance = chances.new(7000 + case)
      local dose = doses.new { policy = {}, thresholds = { rmt = 50 } }
      local list = drawn(chance, chance:draw(1, 7))
      for i, each in ipairs(list) do
        local at_s, plan = 6 * i, plan_of(each)
        local report = judge.plan { plan = plan, seed = 1, thresholds = { rmt = 50 },
          earlier = dose:before(function() return at_s end).earlier, at_s = at_s }
        dose:begins(plan, 1, report, at_s)
        dose:ended()
      end
      local safety, most = dose.job.safety, greatest(list)
      assert.are.same(most, of_report(safety))
      assert.are.equal(most[PAIR] and "beyond tested" or most[SINGLE] and "not covered" or "within",
        safety.verdict)
    end)
  end

  it("stand in the record, and are told as they grow", function()
    local found, out = recorded([[
      local stim = run:device()
      stim:arm()
      for i, percent in ipairs { 140, 150, 132, 100 } do
        run:sleep(6)
        stim:fire(mp.pulse(mp.rmt(percent)))
        run:sleep(6)
        stim:fire(mp.pair { isi = mp.ms(20), intensity = { mp.rmt(80), mp.rmt(percent - 5) } })
      end
      stim:disarm()]], "--device sim:magventure --device-option model=X100+Option")
    assert.are.same({ [PAIR] = 145, [SINGLE] = 150 }, found)
    for _, told in ipairs { "not covered: single pulse intensity: 140 %",
      "not covered: single pulse intensity: 150 %", "beyond tested: pairs: 135 %",
      "beyond tested: pairs: 145 %" } do
      assert.matches(told, out, 1, true)
    end
    assert.is_nil(out:find("132.5 % of the resting", 1, true))
  end)

  it("are those of all devices, and of what triggers start", function()
    shell.write(folder .. "/triggers", "2 port 1\n8 port 1\n60 port 1\n")
    local _, _, texts = recorded([[
      local left, right = run:device "left", run:device "right"
      left:arm()
      left:on_trigger(mp.pulse(mp.rmt(150)), { count = 2, refractory = 5, timeout = 30 })
      run:sleep(6)
      left:fire(mp.pulse(mp.rmt(135)))
      left:disarm()
      right:arm()
      run:sleep(12)
      right:fire(mp.pulse(mp.rmt(155)))
      run:sleep(12)
      right:fire(mp.pulse(mp.rmt(135)))
      run:sleep(12)
      right:fire(mp.pulse(mp.rmt(100)))
      right:disarm()]], ("--device left=sim:magventure --device right=sim:magventure --triggers %s/triggers")
        :format(folder))
    local by_channel = {}
    for i, text in ipairs(texts) do
      by_channel[i] = text:match "single pulse intensity: (%d+) %%"
    end
    table.sort(by_channel)
    assert.are.same({ "150", "150", "155" }, by_channel) -- as they may come, and as they came
  end)

  it("of one plan on several devices are those of each", function()
    local function report(verdict, ...)
      return { report = { verdict = verdict, findings = { ... } } }
    end
    local function finding(rule, value, verdict)
      return { rule = rule, row = "130 %", value = value, limit = 130, unit = "%", verdict = verdict }
    end
    local one = shared_plans.gravest { report("not covered", finding("coverage", 0, "not covered")),
      report("beyond tested", finding(PAIR, 135, "beyond tested"), finding(PAIR, 145, "beyond tested")),
      report("beyond tested", finding(PAIR, 146, "beyond tested")),
      report("beyond tested", finding(PAIR, 136, "beyond tested")) }
    local told = {}
    for i, each in ipairs(one.findings) do
      told[i] = each.rule .. " " .. each.value
    end
    assert.are.same({ "pairs 135", "pairs 145", "coverage 0", "pairs 146" }, told)
    assert.are.equal("beyond tested", one.verdict)
  end)
end)
