-- moonpulse diff: two runs or two plans; what differs, by train, and whether what was given is the same.
local cjson = require "cjson"
local fixture = require "job"
local pulses = require "moonpulse.compare.pulses"
local shell = require "shell"

describe("moonpulse diff", function()
  local folder

  fixture.each_test(function(made) folder = made end)

  --- A run in virtual time; its folder.
  local function run(name, arguments, wanted)
    local out = folder .. "/" .. name
    local status, _, err = shell.moonpulse(folder, ("run %s --speed max --out %s"):format(arguments, out))
    assert.are.equal(wanted or 0, status, err)
    return fixture.run_in(out)
  end

  --- Exit status, the result, and what differs by name.
  local function diff(a, b, more)
    local status, text, err = shell.moonpulse(folder, ("diff %s %s %s --json"):format(a, b, more or ""))
    assert.are.equal("", err)
    local result, by = cjson.decode(text), {}
    for _, each in ipairs(result.differences) do
      by[each.what] = by[each.what] or each
    end
    assert.are.equal(result.same and 0 or 1, status)
    return result, by
  end

  local function protocol(name, plan)
    local path = ("%s/%s.lua"):format(folder, name)
    shell.write(path, ('local mp = require "moonpulse"\nreturn mp.protocol { id = "%s", name = "Made", '
      .. "plan = function()\n%s\nend }\n"):format(name, plan))
    return path
  end

  it("says of the same run twice that it is the same, and what counts for nothing", function()
    local a = run("a", "itbs600 --amt 50 --seed 1")
    local b = run("b", "itbs600 --amt 50 --seed 2 --participant P07 --operator KM")
    local result = diff(a, b)
    assert.are.same({ true, {}, 600, 600 }, { result.same, result.differences, result.a.pulses,
      result.b.pulses })
    local noted = {}
    for _, each in ipairs(result.notes) do
      noted[each.what] = each
    end
    assert.are.same({ what = "seed", a = "1", b = "2" }, noted.seed)
    assert.are.equal("P07", noted.participant.b)
    assert.is_not_nil(noted.started)
    local status, text = shell.moonpulse(folder, ("diff %s %s"):format(a, b))
    assert.are.equal(0, status)
    assert.matches("\nSAME: 600 pulses given, each at its time, on its channel, as strong; and they ended "
      .. "alike\n$", text)
  end)

  it("names what differs: thresholds, parameters, how many trains, how strong", function()
    local result, by = diff(run("a", "itbs600 --amt 50"), run("b", "itbs600 -p trains=10 --amt 55"))
    assert.is_false(result.same)
    assert.are.same({ what = "active motor threshold", a = "50 %MSO", b = "55 %MSO" },
      by["active motor threshold"])
    assert.are.same({ what = "parameter trains", a = "20", b = "10" }, by["parameter trains"])
    assert.are.same({ "600 pulses in 20 trains", "300 pulses in 10 trains" }, { by.pulses.a, by.pulses.b })
    assert.are.same({ what = "stimulator output", where = "trains 1 to 10 (pulses 1 to 300)", a = "40 %MSO",
      b = "44 %MSO" }, by["stimulator output"])
    assert.are.equal(4, #result.differences)
  end)

  it("tells intensities by train, and intervals within and between", function()
    local four = "local function t(p) return mp.train { pulses = 5, hz = 10, intensity = mp.rmt(p) } end\n"
      .. "return t(80) .. mp.rest(5) .. t(%d) .. mp.rest(5) .. t(%d) .. mp.rest(%s) .. t(80)"
    local a, b = protocol("a", four:format(80, 80, "5")), protocol("b", four:format(90, 90, "6.25"))
    local result, by = diff(a, b)
    assert.are.same({ what = "intensity", where = "trains 2 to 3 (pulses 6 to 15)", a = "80 %RMT",
      b = "90 %RMT" }, by.intensity)
    assert.are.same({ "before pulse 16, in train 4", "5.1 s", "6.35 s" },
      { by.interval.where, by.interval.a, by.interval.b })
    assert.are.equal(2, #result.differences) -- their names are not of the plan
    local same = diff(a, protocol("c", four:format(80, 80, "5")))
    assert.is_true(same.same)
  end)

  it("tells of one train that part of it differs", function()
    local made = "return mp.train { pulses = 20, hz = 10, intensity = mp.mso(40) } .. mp.rest(9) .. "
      .. "mp.train { pulses = %d, hz = 10, intensity = mp.mso(40) } .. mp.train { pulses = %d, hz = 10, "
      .. "intensity = mp.mso(50) }"
    local _, by = diff(protocol("a", made:format(15, 5)), protocol("b", made:format(10, 10)))
    assert.are.equal("pulses 31 to 35, in train 2", by.intensity.where)
  end)

  it("sums up intervals that were drawn otherwise, and finds the same draw the same", function()
    local a = run("a", "tmseeg_sp -p pulses=20 --rmt 50 --seed 4")
    local result, by = diff(a, run("b", "tmseeg_sp -p pulses=20 --rmt 50 --seed 5"))
    assert.are.equal(1, #result.differences)
    assert.matches("^19 of 19 intervals, by up to ", by.interval.where)
    assert.is_true(diff(a, run("c", "tmseeg_sp -p pulses=20 --rmt 50 --seed 4")).same)
    assert.is_true(diff("tmseeg_sp", a, "--rmt 50 -p pulses=20").same) -- drawn as the run drew
    assert.is_false(diff("tmseeg_sp", a, "--rmt 50 -p pulses=20 --seed 9").same)
  end)

  it("compares plan files, protocols with parameters, and runs with either", function()
    local file = folder .. "/kept.plan"
    assert.are.equal(0, (shell.moonpulse(folder, "compile itbs600 -p trains=4 -o " .. file)))
    assert.is_true(diff(file, "itbs600", "--param-b trains=4").same)
    local _, by = diff(file, "itbs600", "--param-b trains=5")
    assert.are.equal("150 pulses in 5 trains", by.pulses.b)
    local given = run("a", "itbs600 -p trains=4 --amt 43")
    assert.is_true(diff(file, given, "--amt 43").same) -- what the device rounds is no difference
    assert.is_false(diff(file, given, "--amt 44").same)
    assert.is_false(diff("itbs600", given, "--amt 43").same)
  end)

  it("tells a parameter as it is written, and no difference of 30 and 30.0", function()
    local path, file = folder .. "/rated.lua", folder .. "/rated.plan"
    shell.write(path, [[local mp = require "moonpulse"
      return mp.protocol { name = "x", params = { hz = { default = 30.0 } }, plan = function(p)
        return mp.train { pulses = 3, hz = p.hz, intensity = mp.mso(40) } end }]])
    assert.are.equal(0, (shell.moonpulse(folder, ("compile %s -o %s"):format(path, file))))
    local function told(more)
      return select(2, shell.moonpulse(folder, ("diff %s %s %s"):format(file, path, more)))
    end
    assert.is_nil(told(""):find("parameter hz", 1, true))
    assert.matches("\n  parameter hz\n      A  30\n      B  40\n", told "--param-b hz=40", 1, true)
  end)

  it("tells another device, and another end", function()
    local _, by = diff(run("one", "tmseeg_sp -p pulses=2 --rmt 50"),
      run("other", "tmseeg_sp -p pulses=2 --rmt 50 --device sim:magstim200"))
    assert.matches("MagVenture", by.device.a, 1, true)
    assert.matches("Magstim 200", by.device.b, 1, true)
    local a = run("a", "hf10_neurostar -p trains=1 --rmt 50 --timing host")
    local cut
    _, cut = diff(a, run("c", "hf10_neurostar -p trains=1 --rmt 50 --timing host --fault unplug@5", 4))
    assert.are.equal("the plan is complete", cut["how it ended"].a)
    assert.are_not.equal(cut["how it ended"].a, cut["how it ended"].b)
    assert.is_not_nil(cut.pulses)
  end)

  it("compares intervals within the plans of experiments in real time, not a script's own waits", function()
    local text = [[
local mp = require "moonpulse"
return mp.experiment { name = "Live", params = { gap = { default = 0.1, min = 0.01 },
  wait = { default = 0.0, min = 0 }, whole = { default = 1, min = 0 } }, run = function(run)
  local stim, pulse, p = run:device(), mp.pulse(mp.mso(40)), run.params
  local plan = mp.rest(0.02) .. pulse .. mp.rest(p.gap) .. pulse .. mp.rest(0.1) .. pulse
  for _, each in ipairs(p.whole > 0 and { plan, plan } or { plan .. mp.rest(0.1) .. pulse, mp.rest(0.1)
    .. pulse .. mp.rest(0.1) .. pulse }) do
    stim:arm(each)
    stim:play(each)
    stim:disarm()
    run:sleep(p.wait)
  end
end }
]]
    local path = folder .. "/live.lua"
    shell.write(path, text)
    local function live(name, arguments)
      local out = folder .. "/" .. name
      local status, _, err = shell.moonpulse(folder, ("run %s --tolerance 5000 --seed 1 --out %s %s"):format(
        path, out, arguments))
      assert.are.equal(0, status, err)
      return fixture.run_in(out)
    end
    local a = live("a", "")
    local again = diff(a, live("b", ""))
    assert.is_true(again.same, cjson.encode(again.differences))
    local result, by, _ = diff(a, live("c", "-p gap=0.14 -p wait=0.2"))
    assert.are.same({ what = "interval", where = "before 2 pulses, the first 2", a = "100 ms", b = "140 ms" },
      by.interval)
    local waits
    for _, each in ipairs(result.notes) do
      waits = waits or each.what == "interval" and each.where
    end
    assert.matches("^1 interval between plans differs by at most [%d.]+ m?s$", waits)
    assert.are.same({ "parameter gap", "parameter wait", "interval" }, { result.differences[1].what,
      result.differences[2].what, result.differences[3].what })
    _, by = diff(a, live("d", "-p whole=0"))
    assert.are.same({ "begins with pulse 4", "begins with pulse 5" }, { by.plans.a, by.plans.b })
    _, by = diff(live("e", "-p gap=0.2"), a) -- a script in virtual time is the same
    assert.are.equal("200 ms", by.interval.a)
    assert.are.equal("before 2 pulses, the first 2",
      select(2, diff(a, live("f", "-p gap=0.2 --speed max"))).interval.where)
  end)

  it("counts a parameter that only one of two runs says for nothing, and tells it", function()
    local file = folder .. "/kept.plan"
    assert.are.equal(0, (shell.moonpulse(folder, "compile itbs600 -p trains=4 --seed 3 -o " .. file)))
    local of_plan = run("a", file .. " --amt 43")
    local of_protocol = run("b", "itbs600 -p trains=4 --seed 3 --amt 43")
    for _, sides in ipairs { { of_plan, of_protocol }, { of_protocol, of_plan } } do
      local result = diff(sides[1], sides[2])
      assert.is_true(result.same, cjson.encode(result.differences))
      local told = {}
      for _, each in ipairs(result.notes) do
        told[each.what] = true
      end
      assert.is_true(told["parameter trains"])
    end
    assert.is_false(diff(of_plan, run("c", "itbs600 -p trains=5 --seed 3 --amt 43")).same)
  end)

  it("tells conditions of runs and plans alike, whichever is compared with which", function()
    local path = protocol("named", [[
local ts, lici = mp.pulse(mp.mso(40)):label "TS", mp.pair { isi = 0.1, intensity = mp.mso(40) }:label "LICI"
local list = {}
for i = 1, 8 do list[2 * i - 1], list[2 * i] = ts, lici end
return mp.trials { of = mp.shuffle(list), every = 4 }]])
    local sides = {}
    for seed = 1, 2 do
      local file = ("%s/%d.plan"):format(folder, seed)
      assert.are.equal(0, (shell.moonpulse(folder, ("compile %s --seed %d -o %s"):format(path, seed, file))))
      sides[seed] = { file, run("run" .. seed, ("%s --seed %d"):format(path, seed)) }
    end
    for _, a in ipairs(sides[1]) do
      for _, b in ipairs(sides[2]) do
        local _, by = diff(a, b)
        assert.matches("^%d+ pulses, the first %d+: the same ones in another order$", by.condition.where)
      end
    end
    assert.is_true(diff(sides[1][1], sides[1][2]).same)
    assert.is_true(diff(path, sides[2][2]).same) -- drawn from the run's seed
    local plain, labelled = protocol("plain", "return mp.pulse(mp.mso(40))"),
      protocol("labelled", 'return mp.pulse(mp.mso(40)):label "TS"')
    local wanted = { what = "condition", where = "pulse 1", a = "pulse", b = "TS" }
    for _, pair in ipairs { { plain, labelled }, { run("c", plain), run("d", labelled) } } do
      local _, by = diff(pair[1], pair[2])
      assert.are.same(wanted, by.condition)
    end
  end)

  it("finds a run by its name, and refuses what is none", function()
    shell.sh(folder, ("mkdir %s/empty"):format(folder))
    local status, _, err = shell.moonpulse(folder, ("diff itbs600 %s/empty"):format(folder))
    assert.are.equal(2, status)
    assert.matches("empty has no manifest.json: is it the folder of a run?", err, 1, true)
    for _, command in ipairs { "diff itbs600 itbs60", "methods itbs60" } do -- a run, or a protocol
      status, _, err = shell.moonpulse(folder, command)
      assert.are.equal(2, status)
      assert.matches("^moonpulse: there is no run itbs60 here, nor in /[^\n]*, and there is no protocol "
        .. '"itbs60"; did you mean [^\n]*itbs600', err)
    end
    shell.write(folder .. "/half", "return 5 +\n") -- a file: what is wrong is said of it
    status, _, err = shell.sh(folder, ("cd %s; %s methods half"):format(folder, shell.absolute))
    assert.are.equal(2, status)
    assert.matches("^moonpulse: ./half:%d+: ", err)
  end)
end)

describe("two lists of pulses", function()
  local function list(...)
    local made = {}
    for i, at_us in ipairs { ... } do
      made[i] = { at_us = at_us, channel = "1", intensity = 50, ref = "MSO", mso = 50, given = "given",
        status = "delivered" }
    end
    return made
  end

  --- The same as columns: each pulse is of a kind of its own.
  local function columns(of)
    local made = { count = #of, at_us = {}, kind = {}, kinds = of }
    for i, pulse in ipairs(of) do
      made.at_us[i], made.kind[i] = pulse.at_us, i
    end
    return made
  end

  local function compare(a, b, tolerance_us)
    return pulses.compare(columns(a), columns(b), tolerance_us)
  end

  it("differ by what was given, not by what was confirmed", function()
    local a, b = list(0, 1e6), list(0, 1e6)
    b[2].status = "sent"
    local found = compare(a, b, 1)
    assert.are.same({ { what = "status", where = "pulse 2", a = "delivered", b = "sent", told_only = true } },
      found)
    b[2].status, b[2].given = "late", "not given"
    found = compare(a, b, 1)
    assert.are.same({ "given", nil }, { found[1].what, found[1].told_only })
  end)

  it("count what is less than the tolerance for nothing, and tell it", function()
    local found = compare(list(0, 1e6, 2e6), list(0, 1e6 + 0.4, 2e6), 1)
    assert.are.equal(1, #found)
    assert.is_true(found[1].told_only)
    assert.are.equal("2 intervals differ by at most 0.4 us", found[1].where)
    assert.are.equal(2, #compare(list(0, 1e6, 2e6), list(0, 1e6 + 40, 2e6), 1))
    found = compare(list(0, 1e6, 2e6), list(0, 1.3e6, 2e6), math.huge)
    assert.are.same({ { what = "interval", where = "2 intervals differ by at most 300 ms",
      told_only = true } }, found)
    -- the first is where it began
    assert.are.same({}, compare(list(0, 1e6, 2e6), list(5e6, 6e6, 7e6), 1))
  end)

  it("are the same ones in another order where as many have each value", function()
    local at = {}
    for i = 1, 40 do
      at[i] = i * 5e6
    end
    local a, b = list(table.unpack(at)), list(table.unpack(at))
    for i = 1, 40 do
      a[i].intensity, b[i].intensity = 80 + i % 4 * 10, 80 + (i + (i > 8 and 1 or 0)) % 4 * 10
    end
    local shuffled = "32 pulses, the first 9: the same ones in another order"
    assert.are.same({ { what = "intensity", where = shuffled } }, compare(a, b, 1))
    b[40].intensity = 75
    assert.are_not.equal(shuffled, compare(a, b, 1)[1].where)
    a, b = list(0, 5e6), list(0, 5e6)
    a[1].intensity, b[2].intensity = 40, 40 -- of so few each is told
    assert.are.same({ "pulse 1", "pulse 2" }, { compare(a, b, 1)[1].where,
      compare(a, b, 1)[2].where })
  end)

  it("lie in trains where what is between them is much longer than what is within", function()
    assert.are.same({ 1, 1, 1, 2, 2, 2 }, (pulses.trains(columns(list(0, 1e5, 2e5, 4e6, 41e5, 42e5)))))
    assert.is_nil((pulses.trains(columns(list(0, 4e6, 9e6, 15e6)))))
    assert.is_nil((pulses.trains(columns(list(0, 2e4, 4e4, 2e5, 22e4, 24e4))))) -- bursts of one train
  end)
end)
