-- Who says no: each layer of the gate has its own line, its own verdict, its own question; and what was
-- compared with nothing is not "within".
local chances = require "chance"
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

  it("are named in the head of what is confirmed: OVER is never milder there than in its finding", function()
    local function head(...)
      return preflight.beyond({ verdict = "OVER", findings = { ... } })[1].text:match("^This is (.-):\n")
    end
    local function found(verdict, more)
      local made = { verdict = verdict, rule = "train duration", table = "T", row = "1 s", value = 3,
        unit = "s", words = "train 1" }
      for key, value in pairs(more or {}) do
        made[key] = value
      end
      return made
    end
    local tested, early = found "beyond tested", found("beyond tested", { layer = "sessions" })
    assert.are.equal("OVER a published limit", head(tested, found "OVER"))
    assert.are.equal("OVER a published limit", head(found("OVER", { lab = true }), found "OVER"))
    assert.are.equal("OVER the lab's own limits", head(tested, found("OVER", { lab = true })))
    assert.are.equal("beyond what was tested, or not covered by any table", head(early, tested))
    assert.are.equal("beyond the lab's limits or the protocol's sessions", head(early))
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

  -- the longest train that the lab's rows let by, in s; 0: none
  local function longest(list, hz, percent)
    local limit = 0
    assert(labs.new({ train_duration = list }, "lab.lua")):train({ kind = "train", hz = hz, duration = 0.01 },
      percent, function(found)
        limit = found.limit
      end)
    return limit
  end

  it("hold between two rates, and between two intensities, as the stricter of both", function()
    local usual = { { hz = 5, percent = 120, s = 10 }, { hz = 10, percent = 120, s = 4 },
      { hz = 20, percent = 100, s = 2 }, { hz = 20, percent = 120, s = 1 } }
    for _, case in ipairs { { 4, 100, 10 }, { 5, 120, 10 }, { 5.1, 120, 4 }, { 10, 110, 4 }, { 10.1, 120, 1 },
      { 19.9, 100, 2 }, { 20, 100, 2 }, { 20, 101, 1 }, { 20.1, 100, 0 }, { 10, 120.1, 0 } } do
      assert.are.equal(case[3], longest(usual, case[1], case[2]), table.concat(case, " "))
    end
    local patterned = { { hz = 10, percent = 120, s = 4 }, { hz = 50, percent = 80, s = 40 } } -- theta burst
    for _, case in ipairs { { 9.9, 80, 4 }, { 10, 80, 4 }, { 10.1, 80, 4 }, { 20, 80, 4 }, { 49.9, 80, 4 },
      { 50, 80, 40 }, { 20, 90, 0 } } do
      assert.are.equal(case[3], longest(patterned, case[1], case[2]), table.concat(case, " "))
    end
    local weaker_is_shorter = { { hz = 10, percent = 100, s = 2 }, { hz = 10, percent = 120, s = 5 } }
    for _, case in ipairs { { 10, 99, 2 }, { 10, 100, 2 }, { 10, 101, 2 }, { 10, 119, 2 }, { 10, 120, 5 } } do
      assert.are.equal(case[3], longest(weaker_is_shorter, case[1], case[2]), table.concat(case, " "))
    end
  end)

  it("hold no milder in between than either neighbour, whatever they are", function()
    local chance = chances.new(7)
    for _ = 1, 500 do
      local list, hz, percent = {}, chance:draw(1, 60), chance:draw(60, 130)
      for i = 1, chance:draw(1, 8) do
        list[i] = { hz = chance:draw(1, 12) * 5, percent = chance:draw(6, 13) * 10,
          s = chance:draw(1, 100) / 10 }
      end
      local limit, rates, covered, on_row = longest(list, hz, percent), {}, false, false
      for _, row in ipairs(list) do
        rates[#rates + 1], on_row = row.hz, on_row or row.hz == hz
        covered = covered or row.hz >= hz and row.percent >= percent
      end
      assert.are.equal(covered, limit > 0)
      local below, above = -1, math.huge -- the rates next to it
      for _, rate in ipairs(rates) do
        below = rate < hz and math.max(below, rate) or below
        above = rate > hz and math.min(above, rate) or above
      end
      for _, rate in ipairs(covered and not on_row and { below, above } or {}) do
        local beside = longest(list, rate, percent)
        assert.is_true(beside == 0 or limit <= beside, ("%g Hz %g %%"):format(hz, percent))
      end
    end
  end)

  it("say which row it was, where it is not the next higher one", function()
    local list = { train_duration = { { hz = 10, percent = 120, s = 4 }, { hz = 50, percent = 80, s = 40 } } }
    local train = mp.train { pulses = 100, hz = 20, intensity = mp.rmt(80) }
    local over = of_lab(judged(train, list), "train duration")
    assert.are.equal("OVER", over.verdict)
    assert.are.equal("at most 4 s (the lab's row of 10 Hz and 120 %: between two rows the stricter holds)",
      over.nearest)
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
