-- Who says no: each layer of the gate has its own line, its own verdict, its own question; and what was
-- compared with nothing is not "within".
local check_report = require "moonpulse.safety.check_report"
local judge = require "moonpulse.safety.judge"
local labs = require "moonpulse.safety.lab"
local mp = require "moonpulse"
local preflight = require "moonpulse.safety.preflight"
local shell = require "shell"

local function judged(plan, lab, more)
  local given = { plan = plan, seed = 1, thresholds = { rmt = 50 },
    lab = lab and assert(labs.new(lab, "lab.lua")) }
  for key, value in pairs(more or {}) do
    given[key] = value
  end
  return judge.plan(given)
end

local function finding(report, rule)
  for _, each in ipairs(report.findings) do
    if each.rule == rule and (not each.lab or rule == "train duration" and each.lab) then
      return each
    end
  end
end

local function of_lab(report, rule)
  for _, each in ipairs(report.findings) do
    if each.lab and each.rule == rule then
      return each
    end
  end
end

local function singles(n, gap, percent)
  return mp.pulse(mp.rmt(percent)):times(n, { every = gap })
end

describe("the layers of the gate", function()
  it("have each their own verdict", function()
    local report = judged(singles(10, 5, 120), { max_percent_rmt = 110 })
    assert.are.equal("OVER", report.verdict)
    assert.are.same({ guidelines = "within", lab = "OVER" }, check_report.by_layer(report.findings, true))
    report = judged(singles(10, 5, 100), nil)
    assert.are.same({ guidelines = "within" }, check_report.by_layer(report.findings, false))
    report = judged(singles(10, 5, 100), { max_percent_rmt = 110 })
    assert.are.same({ guidelines = "within", lab = "within" }, check_report.by_layer(report.findings, true))
    report = judged(mp.train { pulses = 500, hz = 20, intensity = mp.rmt(110) }, { max_hz = 30 })
    assert.are.same({ guidelines = "OVER", lab = "within" }, check_report.by_layer(report.findings, true))
  end)

  it("ask about monitoring only for the guidelines", function()
    local early = { verdict = "beyond tested", rule = "sessions", layer = "sessions", table = "the protocol",
      row = "50 min between sessions", value = 30, unit = "min", words = "session 2: too early" }
    local function ids(findings)
      local list = {}
      for i, question in ipairs(preflight.beyond { verdict = "beyond tested", findings = findings }) do
        list[i] = question.id
      end
      return list
    end
    assert.are.same({ "beyond_tested" }, ids { early })
    local text = preflight.beyond({ verdict = "beyond tested", findings = { early } })[1].text
    assert.matches("the protocol's sessions", text, 1, true)
    assert.is_nil(text:find("tested", 1, true) and text:find("Rossi", 1, true))
    local tested = judged(mp.train { pulses = 60, hz = 5, intensity = mp.rmt(90) }).findings
    tested[#tested + 1] = early
    assert.are.same({ "beyond_tested", "monitoring" }, ids(tested))
  end)

  it("have each their own line before a run", function()
    local folder = shell.folder()
    shell.write(folder .. "/mine.lua", 'local mp = require "moonpulse"\nreturn mp.protocol { name = "mine", '
      .. "plan = function() return mp.pulse(mp.rmt(120)):times(3, { every = 5 }) end }")
    shell.write(folder .. "/lab.lua", 'return { name = "Lab A", max_percent_rmt = 110 }')
    local command = ("run %s/mine.lua --rmt 50 --speed max --out %s/runs"):format(folder, folder)
    local status, out, err = shell.moonpulse(folder, command .. " --lab " .. folder .. "/lab.lua")
    assert.are.equal(0, status, err)
    assert.matches("guidelines  within (Rossi 2009 Table 4)\nlab         OVER (Lab A)\n", out, 1, true)
    out = select(2, shell.moonpulse(folder, command))
    assert.matches("guidelines  within (Rossi 2009 Table 4)\n", out, 1, true)
    assert.is_nil(out:find("\nlab  ", 1, true))
    shell.write(folder .. "/decides.lua", 'local mp = require "moonpulse"\n'
      .. "return mp.experiment(function(run)\nlocal stim = run:device() stim:arm() "
      .. "stim:fire(mp.pulse(mp.rmt(120))) end)")
    out = select(2, shell.moonpulse(folder, ("check %s/decides.lua --rmt 50 --lab %s/lab.lua"):format(
      folder, folder)))
    assert.matches("(device within, guidelines within, lab OVER)", out, 1, true)
    shell.remove(folder)
  end)
end)

describe("a lab's rows for trains", function()
  local rows = { train_duration = { { hz = 10, percent = 120, s = 4 } } }
  local words = "in the lab's file a row of its own for slow rates (pulses less than 4.5 s apart are a "
    .. "train), like { hz = 1, percent = 120, s = its longest }"

  it("say what is missing where pulses with pauses of seconds are a slow train", function()
    for _, gap in ipairs { 1, 2, 4.1, 4.4 } do
      local over = of_lab(judged(singles(60, gap, 120), rows), "train duration")
      assert.are.equal("OVER", over.verdict)
      assert.matches(words, over.nearest, 1, true)
      over = of_lab(judged(singles(60, gap, 120), { train_duration = { { hz = 10, percent = 110, s = 4 } } }),
        "train duration")
      assert.are.equal("OVER", over.verdict)
      assert.matches(words, over.nearest, 1, true)
      local own = { train_duration = { rows.train_duration[1], { hz = 1, percent = 120, s = 1800 } } }
      assert.are.equal("within", of_lab(judged(singles(60, gap, 120), own), "train duration").verdict)
      assert.are.equal("OVER", of_lab(judged(singles(1900, gap, 120), own), "train duration").verdict)
    end
  end)

  it("do not hold for pulses that are single", function()
    for _, gap in ipairs { 4.5, 5, 10 } do
      assert.is_nil(of_lab(judged(singles(60, gap, 120), rows), "train duration"))
    end
  end)

  it("do not speak of slow rates where the train is fast", function()
    local fast = mp.train { pulses = 60, hz = 10, intensity = mp.rmt(120) }
    local over = of_lab(judged(fast, rows), "train duration")
    assert.are.equal("at most 4 s", over.nearest)
    over = of_lab(judged(mp.train { pulses = 9, hz = 20, intensity = mp.rmt(110) }, rows), "train duration")
    assert.matches("in the lab's file a row of its own, like { hz = 20, percent = 110, s = its longest }",
      over.nearest, 1, true)
  end)
end)

describe("pairs, which no table covers", function()
  local pair = mp.pair { isi = mp.ms(2), intensity = { mp.mso(40), mp.mso(60) } } * 1

  it("are within where they were compared with something, and not covered where not", function()
    assert.are.equal("within", finding(judged(pair), "pairs").verdict)
    local function verdict(thresholds)
      return finding(judged(pair, nil, { thresholds = thresholds }), "pairs").verdict
    end
    assert.are.equal("beyond tested", verdict { rmt = 45 })
    assert.are.equal("not covered", verdict {})
  end)

  it("never say within and not covered in one line", function()
    for _, thresholds in ipairs { {}, { rmt = 50 }, { rmt = 45 } } do
      for _, each in ipairs(judged(pair, nil, { thresholds = thresholds }).findings) do
        assert.is_false(each.verdict == "within" and judge.sentence(each):find("not covered") ~= nil)
      end
    end
  end)
end)
