--- The published limits: every cell on both sides of its edge, and the verdicts that a person wrote down.
local cells = require "moonpulse.safety.cells"
local chances = require "chance"
local judge = require "moonpulse.safety.judge"
local mp = require "moonpulse"
local rules = require "moonpulse.safety.rules"
local shell = require "shell"
local tables = require "moonpulse.safety.tables"
local walk = require "moonpulse.safety.walk"

local function report_of(plan, more)
  local given = { plan = plan, seed = 1, thresholds = { rmt = 50, amt = 40 } }
  for key, value in pairs(more or {}) do
    given[key] = value
  end
  return judge.plan(given)
end

local function find(report, rule)
  for _, finding in ipairs(report.findings) do
    if finding.rule == rule then
      return finding
    end
  end
end

local function train(hz, pulses, percent)
  return mp.train { pulses = pulses, hz = hz, intensity = mp.rmt(percent) }
end

describe("the tables", function()
  local profiles = { rossi2009_t4 = "rossi2009", chen1997_a = "chen1997" }

  it("are the transcribed ones, cell by cell", function()
    local count = 0
    for _, row in ipairs(shell.rows("tests/data/safety_tables.tsv")) do
      local cell = cells.find(profiles[row.table], tonumber(row.hz), tonumber(row.pct_mt))
      assert.are.equal(tonumber(row.limit_s), cell.limit_s)
      assert.are.same({ tonumber(row.hz), tonumber(row.pct_mt), row.kind, row.confidence },
        { cell.hz, cell.percent, cell.kind, cell.confidence })
      count = count + 1
    end
    assert.are.equal(#tables.train_duration.rossi2009.rows + #tables.train_duration.chen1997.rows, count)
  end)

  for _, row in ipairs(shell.rows("tests/data/safety_tables.tsv")) do
    it(("%s %s Hz %s %%: at its limit and one pulse on"):format(row.table, row.hz, row.pct_mt), function()
      local hz, percent = tonumber(row.hz), tonumber(row.pct_mt)
      local most = math.floor(tonumber(row.limit_s) * hz + 1e-6)
      local profile = { profile = profiles[row.table] }
      local inside = find(report_of(train(hz, most, percent), profile), "train duration")
      assert.are.equal("within", inside.verdict)
      local outside = find(report_of(train(hz, most + 1, percent), profile), "train duration")
      assert.are.equal(row.kind == "max" and "OVER" or "beyond tested", outside.verdict)
      assert.matches(("at most %d pulses"):format(most), outside.nearest, 1, true)
      assert.are.equal(1, outside.pulse)
      assert.matches("safety_spec.lua:", outside.origin, 1, true)
    end)
  end
end)

describe("a train that no cell covers", function()
  it("is told what passes, and that does", function()
    for _, case in ipairs {
      { 30, 50, 120, "at most 25 Hz, at most 10 pulses (0.4 s at 25 Hz and 120 %)", 25, 10, 120 },
      { 20, 40, 140, "at most 130 %RMT (65 %MSO), at most 11 pulses (0.55 s at 20 Hz and 130 %)",
        20, 11, 130 },
      { 20, 11, 140, "at most 130 %RMT (65 %MSO)", 20, 11, 130 },
      { 30, 10, 110, "at most 25 Hz", 25, 10, 110 } } do
      local over = find(report_of(train(case[1], case[2], case[3])), "train duration")
      assert.are.equal("OVER", over.verdict)
      assert.are.equal(case[4], over.nearest)
      local passes = find(report_of(train(case[5], case[6], case[7])), "train duration")
      assert.are.equal("within", passes.verdict)
    end
  end)
end)

describe("the verdicts of the catalogue's trains", function()
  for _, row in ipairs(shell.rows("tests/data/safety_verdicts.tsv")) do
    for profile, columns in pairs { rossi2009 = { "rossi2009_cell", "rossi2009_verdict" },
      chen1997 = { "chen1997_cell", "chen1997_verdict" } } do
      it(("%s, %s"):format(row.id, profile), function()
        local hz = tonumber(row.train_hz)
        local pulses = math.floor(tonumber(row.train_s) * hz + 0.5)
        local finding = find(report_of(train(hz, pulses, tonumber(row.pct_mt)), { profile = profile }),
          "train duration")
        assert.are.equal(row[columns[2]], finding.verdict)
        -- the cells are written with and without the ">" of "tested to", and without a blank behind the rate
        local cell = row[columns[1]]:gsub("^>", ""):gsub("Hz,", "Hz, ")
        assert.are.equal(cell, (finding.row:gsub("^>", "")))
      end)
    end
  end
end)

describe("the lookup", function()
  it("takes the next higher rate and intensity", function()
    local finding = find(report_of(train(18, 18, 115)), "train duration")
    assert.are.equal("1 s (20 Hz, 120 %)", finding.row)
    assert.are.equal("within", finding.verdict)
    assert.are.equal("OVER", find(report_of(train(18, 19, 115)), "train duration").verdict)
  end)

  it("has no cell above 25 Hz and 130 %", function()
    assert.are.equal("OVER", find(report_of(train(26, 5, 90)), "train duration").verdict)
    assert.are.equal("within", find(report_of(train(25, 5, 130)), "train duration").verdict)
    assert.are.equal("OVER", find(report_of(train(25, 5, 130.5)), "train duration").verdict)
  end)

  it("compares %MSO with the threshold, and says so where there is none", function()
    local plan = mp.train { pulses = 40, hz = 10, intensity = mp.mso(60) }
    local finding = find(report_of(plan), "train duration") -- 120 % of 50
    assert.are.equal("4.2 s (10 Hz, 120 %)", finding.row)
    finding = find(report_of(plan, { thresholds = {} }), "train duration")
    assert.matches("2.9 s (10 Hz, 130 %), the strongest column", finding.row, 1, true)
    assert.are.equal("OVER", finding.verdict)
    assert.matches("--rmt", finding.nearest, 1, true)
  end)

  it("takes %AMT for %RMT where only it is known: that errs to the safe side", function()
    local plan = mp.train { pulses = 40, hz = 10, intensity = mp.amt(130) }
    assert.are.equal("OVER", find(report_of(plan, { thresholds = { amt = 40 } }), "train duration").verdict)
    -- 130 %AMT of 40 is 104 % of an RMT of 50
    assert.are.equal("within", find(report_of(plan), "train duration").verdict)
  end)
end)

describe("the gap between trains", function()
  local function gap(hz, percent, seconds)
    return find(report_of(train(hz, 20, percent):times(3, { gap = seconds })), "gap between trains")
  end

  it("is 5 s, and 1 s at 20 Hz above 100 % is over", function()
    assert.are.equal("within", gap(20, 110, 5).verdict)
    assert.are.equal("beyond tested", gap(20, 110, 4.999).verdict)
    assert.are.equal("beyond tested", gap(20, 110, 1.001).verdict)
    assert.are.equal("OVER", gap(20, 110, 1).verdict)
    assert.are.equal("beyond tested", gap(20, 100, 1).verdict)
    assert.is_nil(find(report_of(mp.pulse(mp.rmt(120)):times(9, { every = 6 })), "gap between trains"))
  end)

  it("takes more than 10 Hz for 20 Hz", function()
    assert.are.equal("beyond tested", gap(10, 110, 0.5).verdict)
    assert.are.equal("OVER", gap("10.1", 110, 0.5).verdict)
    assert.are.equal("OVER", gap(18, 110, 0.5).verdict)
    assert.are.equal("beyond tested", gap(18, 100, 0.5).verdict)
  end)

  it("that is none but for rounding is 0 s in the report", function()
    for first = 1, 6 do
      local plan = mp.together { mp.train { pulses = 7 + first, every = "1/50", intensity = mp.rmt(104) },
        (mp.rest(("%d/50"):format(6 + first)) .. mp.train { pulses = 5, hz = 5, intensity = mp.rmt(104) })
          :at "1" }
      for _, finding in ipairs(report_of(plan).findings) do
        if finding.rule == "gap between trains" then
          assert.is_true(finding.value == 0 or math.abs(finding.value) > 1e-9, finding.value)
        end
      end
    end
    local plan = mp.together { mp.train { pulses = 8, every = "1/50", intensity = mp.mso(53) },
      (mp.rest "3/20" .. mp.train { pulses = 5, hz = 5, intensity = mp.mso(53) }):at "1" }
    assert.are.equal(0, find(report_of(plan), "gap between trains").value)
  end)
end)

describe("what was only tested so far", function()
  local function verdict(hz, pulses, percent, profile)
    return find(report_of(train(hz, pulses, percent), { profile = profile }), "train duration").verdict
  end

  it("ends at twice the longest duration, from the 5 Hz row on", function()
    assert.are.equal("beyond tested", verdict(10, 100, 110))
    assert.are.equal("OVER", verdict(10, 101, 110))
    assert.are.equal("beyond tested", verdict(5, 100, 130))
    assert.are.equal("OVER", verdict(5, 101, 130))
  end)

  it("ends at 1 Hz only above 120 %", function()
    assert.are.equal("beyond tested", verdict(1, 100, 130))
    assert.are.equal("OVER", verdict(1, 101, 130))
    assert.are.equal("OVER", verdict(1, 101, 120.5))
    assert.are.equal("beyond tested", verdict(1, 1800, 120))
    assert.are.equal("beyond tested", verdict(1, 5000, 100))
  end)

  it("ends at twice its limit below the lowest column", function()
    assert.are.equal("within", verdict(20, 41, 89))
    assert.are.equal("beyond tested", verdict(20, 82, 89))
    assert.are.equal("OVER", verdict(20, 83, 89))
  end)

  it("is never milder in the strict profile", function()
    assert.are.equal("OVER", verdict(20, 42, 95))
    assert.are.equal("OVER", verdict(20, 42, 95, "chen1997"))
    assert.are.equal("beyond tested", verdict(20, 41, 95, "chen1997"))
    for _, hz in ipairs { 1, 3, 5, 8, 10, 18, 20, 25 } do
      for percent = 75, 130, 5 do
        for _, seconds in ipairs { 0.3, 0.9, 1.9, 2.2, 3.1, 4.4, 6, 12, 25, 120, 700 } do
          local pulses = math.max(2, math.floor(hz * seconds))
          assert.is_true(rules.order[verdict(hz, pulses, percent, "chen1997")]
            >= rules.order[verdict(hz, pulses, percent)], ("%d Hz, %d %%, %d"):format(hz, percent, pulses))
        end
      end
    end
  end)
end)

describe("theta burst", function()
  local function itbs(intensity, more)
    local spec = { pulses = 3, hz = 50, theta_hz = 5, on = 2, off = 8, cycles = 20, intensity = intensity }
    for key, value in pairs(more or {}) do
      spec[key] = value
    end
    return report_of(mp.theta_burst(spec))
  end

  it("is found as such, and no table for trains is asked", function()
    local report = itbs(mp.amt(80))
    assert.are.equal("within", report.verdict)
    assert.is_nil(find(report, "train duration"))
    assert.are.equal(20, report.trains)
  end)

  it("needs care above 80 %AMT or 80 %RMT, over 4 pulses a burst, over 1800 a session", function()
    assert.are.equal("beyond tested", find(itbs(mp.amt(80.5)), "theta burst intensity").verdict)
    assert.are.equal("within", find(itbs(mp.rmt(80)), "theta burst intensity").verdict)
    assert.are.equal("beyond tested", find(itbs(mp.rmt(81)), "theta burst intensity").verdict)
    assert.are.equal("beyond tested", find(itbs(mp.rmt(120)), "theta burst intensity").verdict)
    assert.are.equal("OVER", find(itbs(mp.rmt(120.5)), "theta burst intensity").verdict)
    -- with an RMT of 50 and an AMT of 40, 150 %AMT are 120 %RMT
    assert.are.equal("beyond tested", find(itbs(mp.amt(150)), "theta burst intensity").verdict)
    assert.are.equal("OVER", find(itbs(mp.amt(151)), "theta burst intensity").verdict)
    assert.are.equal("within", find(itbs(mp.amt(80), { pulses = 4 }), "pulses in a burst").verdict)
    assert.are.equal("beyond tested", find(itbs(mp.amt(80), { pulses = 5 }), "pulses in a burst").verdict)
    local session = "theta burst pulses a session"
    assert.are.equal("within", find(itbs(mp.amt(80), { cycles = 60 }), session).verdict)
    assert.are.equal("beyond tested", find(itbs(mp.amt(80), { cycles = 61 }), session).verdict)
    assert.are.equal(1830, find(itbs(mp.amt(80), { cycles = 61 }), session).value)
  end)
end)

describe("single pulses and pairs", function()
  it("are no trains", function()
    local function jittered(percent)
      return report_of((mp.pulse(mp.rmt(percent)) .. mp.rest { min = 4.5, max = 5.5 }) * 60)
    end
    assert.are.equal("within", jittered(130).verdict)
    -- the strongest column is the end of what any table covers
    assert.are.equal("not covered", jittered(130.5).verdict)
    assert.are.equal("not covered", find(jittered(200), "single pulse intensity").verdict)
    local pairs_of = mp.pair { isi = mp.ms(2.5), intensity = { mp.rmt(80), mp.rmt(120) } }
      :times(40, { every = 5 })
    assert.are.equal("within", report_of(pairs_of).verdict)
    assert.are.equal("pair", find(report_of(pairs_of), "pairs").rule:sub(1, 4))
  end)

  it("one a second for twenty minutes are a train", function()
    local finding = find(report_of(train(1, 1200, 120)), "train duration")
    assert.are.equal("beyond tested", finding.verdict)
    assert.are.equal(1200, finding.value)
  end)
end)

--- Random plans whose trains are found by structure and pulse by pulse.
describe("the structure of a plan", function()
  local function all_trains(plan, by_pulse)
    local list = {}
    local walked = walk.trains(plan, 1, function(each) list[#list + 1] = each end, nil, by_pulse)
    return list, walked
  end

  local function random_plan(random, depth)
    local kind = random(depth > 0 and 5 or 1)
    if kind == 1 then
      return mp.pulse(mp.rmt(80 + 10 * random(4)))
    elseif kind == 2 then
      return mp.train { pulses = random(12), hz = ({ 1, 5, 10, 20, 50 })[random(5)], intensity = mp.rmt(100) }
    elseif kind == 3 then
      return random_plan(random, depth - 1) .. mp.rest(({ 0.2, 1, 8 })[random(3)])
        .. random_plan(random, depth - 1)
    end
    local child = random_plan(random, depth - 1)
    return child:times(random(20), { gap = ({ 0.1, 0.14, 2, 8 })[random(4)] })
  end

  it("gives the same verdicts, trains and counts as every pulse does", function()
    local chance = chances.new(12345)
    local function random(n)
      return chance:draw(1, n)
    end
    local folded = 0
    for _ = 1, 400 do
      local plan = random_plan(random, 4)
      if plan:totals().pulses < 20000 then
        local _, by_structure = all_trains(plan)
        local list, by_pulse = all_trains(plan, true)
        assert.is_true(by_structure.structural)
        assert.is_false(by_pulse.structural)
        assert.are.equal(by_pulse.trains, by_structure.trains)
        assert.are.same(by_pulse.counts, by_structure.counts)
        folded = folded + (#list > #all_trains(plan) and 1 or 0)
        local one = report_of(plan)
        local original = walk.trains
        walk.trains = function(p, seed, emit) return original(p, seed, emit, nil, true) end
        local other = report_of(plan)
        walk.trains = original
        assert.are.equal(other.verdict, one.verdict)
      end
    end
    assert.is_true(folded > 50)
  end)

  it("is refused where it is nested beyond all reason", function()
    local plan = mp.pulse(mp.rmt(100)) .. mp.rest(mp.ms(1))
    for _ = 1, 30 do
      plan = plan * 2
    end
    local ok, problem = pcall(report_of, plan)
    assert.is_false(ok)
    assert.are.equal("limit", problem.code)
    assert.matches("safety_spec.lua:%d+: repetitions nested in repetitions", problem.message)
  end)

  it("is enough for a thousand million pulses", function()
    local session = mp.train { pulses = 40, hz = 10, intensity = mp.rmt(120) }:times(25000000, { every = 30 })
    local report = report_of(session)
    assert.are.equal(1000000000, report.pulses)
    assert.are.equal(25000000, report.trains)
    assert.is_true(report.structural)
    assert.are.equal("within", find(report, "train duration").verdict)
    local long = train(10, 1000000000, 90)
    assert.are.equal(1e8, find(report_of(long), "train duration").value)
  end)
end)

describe("a protocol of the catalogue", function()
  local catalogue = require "moonpulse.protocol.catalogue"
  local protocols = require "moonpulse.protocol"

  for _, row in ipairs(shell.rows("tests/data/safety_verdicts.tsv")) do
    it("gets the verdict that was written down for it: " .. row.id, function()
      local protocol = assert(catalogue.find(row.id))
      -- where a paper gives a range the verdict is for its upper end
      local values = assert(protocols.values(protocol, { intensity = row.pct_mt .. "%RMT" }))
      local plan = assert(protocols.build(protocol, values))
      for profile, column in pairs { rossi2009 = "rossi2009_verdict", chen1997 = "chen1997_verdict" } do
        local finding = find(report_of(plan, { profile = profile }), "train duration")
        assert.are.equal(row[column], finding.verdict, profile)
        assert.is_true(math.abs(tonumber(row.train_s) - finding.value) < 1e-6)
      end
    end)
  end

  it("is judged in well under 50 ms", function()
    for _, protocol in ipairs(catalogue.all()) do
      local plan = assert(protocols.build(protocol, protocols.values(protocol, {})))
      local report = report_of(plan)
      assert.is_true(report.structural or report.pulses <= 1000, protocol.id) -- never a long walk
    end
  end)
end)

describe("what is hidden in between", function()
  local at = { rmt = 40 }

  it("does not part two trains: a single pulse in a short gap", function()
    local part = train(20, 30, 110) .. mp.rest(0.25) .. mp.pulse(mp.rmt(110)) .. mp.rest(0.3)
    for _, plan in ipairs { part:times(50, { gap = 0 }), part * 3 .. train(20, 30, 110) } do
      local gap = find(report_of(plan, { thresholds = at }), "gap between trains")
      assert.are.equal("OVER", gap.verdict)
      assert.is_true(math.abs(gap.value - 0.25) < 1e-6)
      assert.are.equal("OVER", find(report_of(plan, { thresholds = at }), "train duration").verdict)
    end
  end)

  it("makes no train of pairs of pulses seconds apart, but of pairs without a pause", function()
    local two = mp.train { pulses = 2, hz = 10, intensity = mp.rmt(120) }
    assert.is_nil(find(report_of(two:times(20, { every = 4.1 }), { thresholds = at }), "gap between trains"))
    local dense = mp.train { pulses = 2, hz = "50/3", intensity = mp.rmt(130) }:times(800, { every = "0.18" })
    -- 16.7 Hz counts as 20 Hz
    assert.are.equal("OVER", find(report_of(dense, { thresholds = at }), "gap between trains").verdict)
  end)

  it("makes no theta burst of a 20 Hz train with slightly longer intervals in it", function()
    local plan = mp.train { pulses = 10, hz = 20, intensity = mp.rmt(150) }:times(100, { every = "0.53" })
    local report = report_of(plan, { thresholds = at })
    assert.are.equal("OVER", report.verdict)
    assert.is_nil(find(report, "theta burst intensity"))
  end)

  it("refuses a quadripulse above the strongest column; a pair is beyond what was tested", function()
    local plan = mp.train { pulses = 4, hz = 200, intensity = mp.rmt(140) }:times(5, { every = 5 })
    assert.are.equal("OVER", find(report_of(plan, { thresholds = at }), "group intensity").verdict)
    plan = mp.train { pulses = 2, hz = 200, intensity = mp.rmt(140) }:times(5, { every = 5 })
    assert.are.equal("beyond tested", find(report_of(plan, { thresholds = at }), "pairs").verdict)
  end)

  it("keeps a rate's row in a plan of years", function()
    local plan = train(10, 40, 120):times(100000000, { every = 30 })
    local report = report_of(plan, { thresholds = at })
    for _, finding in ipairs(report.findings) do
      assert.are_not.equal("OVER", finding.verdict)
    end
  end)
end)

describe("a lab's file", function()
  local labs = require "moonpulse.safety.lab"
  local folder

  setup(function()
    folder = shell.folder()
  end)

  local function message_of(text)
    shell.write(folder .. "/lab.lua", text)
    return select(2, labs.load(folder .. "/lab.lua"))
  end

  teardown(function()
    shell.remove(folder)
  end)

  it("is refused where a limit would never hold", function()
    assert.matches("max_percent_rmt must be a number", message_of "return { max_percent_rmt = 0/0 }", 1, true)
    assert.matches("it must be a list: ", message_of "return { train_duration = { x = {} } }", 1, true)
  end)

  it("is stopped where it does not end", function()
    -- by instructions, or by time
    assert.matches("lab.lua:1: stopped: it %a+ too long", message_of "while true do end")
  end)
end)

describe("gaps that are drawn", function()
  it("are one finding where they are within: the shortest", function()
    local plan = (train(10, 20, 100) .. mp.rest { min = 6, max = 7 }) * 50
    local report, gaps = report_of(plan), {}
    for _, finding in ipairs(report.findings) do
      gaps[#gaps + 1] = finding.rule == "gap between trains" and finding or nil
    end
    assert.are.equal(1, #gaps)
    assert.are.equal(49, gaps[1].times)
    local shortest = math.huge
    walk.trains(plan, 1, function(found)
      shortest = math.min(shortest, found.gap or math.huge)
    end)
    assert.is_true(math.abs(gaps[1].value - shortest) < 1e-9)
    assert.are.equal((gaps[1].train - 1) * 20 + 1, gaps[1].pulse)
  end)
end)

describe("a plan that holds a part very often", function()
  it("is judged, or refused, at once", function()
    local before = os.clock() -- without a memory: 2^60 parts
    local side_by_side, levels = mp.pulse(mp.rmt(90)), 0
    local ok, problem
    repeat
      ok, problem = pcall(function()
        side_by_side = mp.together { a = side_by_side, b = side_by_side }
        levels = levels + 1
      end)
    until not ok
    assert.matches("8190 plans side by side", problem)
    assert.are.equal(11, levels)
    assert.are.equal(2048, report_of(side_by_side).pulses)
    assert.is_true(os.clock() - before < 5)
  end)
end)
