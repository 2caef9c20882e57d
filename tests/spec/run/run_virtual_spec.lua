-- Whole runs in virtual time: the record of the real thing, at any speed, the same from the same seed.
local fixture = require "job"
local shell = require "shell"

describe("moonpulse run in virtual time", function()
  local folder, jobs

  fixture.each_test(function(...) folder, jobs = ... end)

  local function onsets(arguments)
    local out = shell.folder()
    local status, text, err = shell.moonpulse(folder, "run " .. arguments .. " --out " .. out)
    assert.are.equal("", err)
    assert.are.equal(0, status)
    local path = fixture.run_in(out)
    local list = {}
    for i, row in ipairs((fixture.pulse_rows(path))) do
      assert.are.equal("delivered", row.status)
      assert.are.equal(row.onset_planned_us, row.onset_sent_us)
      list[i] = row.onset_planned_us
    end
    local facts = fixture.manifest(path)
    shell.remove(out)
    return list, facts, text
  end

  it("runs as fast as it can, with the same record", function()
    local list, facts, text = onsets "itbs600 --amt 50 --speed max"
    assert.are.equal(600, #list)
    assert.are.equal("191840000.000", list[600])
    assert.are.equal("completed", facts.status)
    assert.are.equal("max", facts.speed)
    assert.is_nil(facts.result.lateness_us) -- nothing was measured
    local times = tonumber((text:match("\ntook%s[^\n]*, ([%d,]+) times real time\n"):gsub(",", "")))
    -- by the specs' clock it may have taken no time: another thread wanted a processor meanwhile
    local real = facts.result.virtual.plan_s / math.max(facts.result.virtual.took_s, 1e-9)
    assert.near(1, times / real, 0.02)
    assert.is_nil(text:find("worst onset error", 1, true)) -- it was over before anybody could read it
  end)

  it("runs N times as fast, with the same onsets", function()
    local list, facts = onsets "itbs600 -p trains=1 --amt 50 --speed 20"
    assert.are.equal(30, #list)
    assert.are.equal("1840000.000", list[30])
    assert.are.equal(20, facts.speed)
  end)

  it("draws the same rests from the same seed, others from another", function()
    local arguments = "tmseeg_sp -p pulses=50 --rmt 50 --speed max --seed "
    local first, again, other = onsets(arguments .. 5), onsets(arguments .. 5),
      onsets(arguments .. 6)
    assert.are.equal(50, #first)
    assert.are.same(first, again)
    assert.are_not.same(first, other)
    assert.are.equal("0.000", other[1])
    local _, facts = onsets "tmseeg_sp -p pulses=2 --rmt 50 --speed max"
    assert.is_true(math.type(facts.seed) == "integer" or facts.seed % 1 == 0)
  end)

  it("says what the real thing says of random rests", function()
    local path = folder .. "/rests.lua"
    shell.write(path, [[
local mp = require "moonpulse"
return mp.protocol { id = "rests", name = "Rests", plan = function()
local pulse = mp.pulse(mp.mso(20))
return pulse .. (mp.rest { min = 0.2, max = 0.4 } .. pulse):times(4)
end }]])
    local in_virtual = onsets(path .. " --seed 9 --speed max")
    -- one that was held up skips what would be late: what was planned is said all the same
    local status = shell.moonpulse(folder, "run " .. path .. " --seed 9 --late skip --out " .. folder
      .. "/runs" .. " --timing host --tolerance 1000")
    assert.are.equal(0, status)
    local in_real = {}
    for i, row in ipairs((fixture.pulse_rows(fixture.run_in(folder .. "/runs")))) do
      in_real[i] = row.onset_planned_us
    end
    assert.are.same(in_virtual, in_real)
  end)

  it("stops on Ctrl-C", function()
    local out = folder .. "/runs"
    local job = jobs:start("run", "run itbs600 --amt 50 --speed 2 --timing host --out " .. out)
    job:says("timing ")
    job:signal("INT")
    assert.are.equal(5, job:wait())
    local facts = fixture.manifest(fixture.run_in(out))
    assert.are.equal("stopped", facts.status)
    assert.are.equal(#fixture.pulse_rows(fixture.run_in(out)), facts.result.pulses_sent)
    assert.is_true(facts.result.disarmed)
  end)
end)
