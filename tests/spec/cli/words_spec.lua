-- What is said to somebody who wrote something else than there is: each message points to what there is.
local blame = require "moonpulse.text.author_line"
local lfs = require "lfs"
local shell = require "shell"
local stop_words = require "moonpulse.text.stop_words"
local stops = require "moonpulse.run.stop_sources"

local function lua_files(folder, list)
  for name in lfs.dir(folder) do
    local path = folder .. "/" .. name
    if name:sub(1, 1) ~= "." and lfs.attributes(path, "mode") == "directory" then
      lua_files(path, list)
    elseif name:match("%.lua$") then
      list[#list + 1] = path
    end
  end
  return list
end

--- The texts with "%%" that nothing is filled into: literals whose call ends after them.
local function unfilled_formats(code)
  local found = {}
  code = (code .. "\n"):gsub('\\"', "''")
  for before, literal, at in code:gmatch('([^\n"]*)("[^"\n]*%%%%[^"\n]*")()') do
    local after = at
    while code:match('^%s*%.%.%s*"', after) do
      after = code:match('^%s*%.%.%s*"[^"\n]*"()', after)
    end
    local is_pattern = before:match("match%($") or before:match("find%($") or before:match("gsub%($")
    local always = before:match("^%s*refuse%($") -- the sandbox's own: it formats in any case
    local is_end = code:match("^%s*%)", after) and not code:match("^%s*%)%s*:", after)
    if is_end and not is_pattern and not always then
      found[#found + 1] = literal
    end
  end
  return found
end

describe("messages", function()
  local folder

  setup(function() folder = shell.folder() end)
  teardown(function() shell.remove(folder) end)

  --- Run moonpulse in the folder, where made.lua is what plan gives.
  local function moonpulse(arguments, code)
    if code then
      shell.write(folder .. "/made.lua", 'local mp = require "moonpulse"\n' .. code)
    end
    local program = shell.absolute
    return shell.sh(folder, ("cd %s && %s %s"):format(shell.quote(folder), shell.quote(program), arguments))
  end

  local function refuses(status, arguments, code, ...)
    local found, _, err = moonpulse(arguments, code)
    assert.are.equal(status, found, err)
    for _, text in ipairs { ... } do
      assert.matches(text, err, 1, true)
    end
    assert.is_nil(err:find("%%", 1, true), err)
    assert.is_nil(err:find("bad argument", 1, true), err)
    return err
  end

  it("have one percent sign: two are a format's, and where nothing is filled in there is none", function()
    for _, path in ipairs(lua_files("scripts", lua_files("protocols", {}))) do
      local unfilled = unfilled_formats(shell.read(path))
      assert.is_nil(unfilled[1],
        ("%s: %s is said as it is written"):format(path, tostring(unfilled[1])))
    end
    assert.same({ '"a 5 %% b "' }, unfilled_formats('fail("usage", "a 5 %% b "\n  .. "c")'))
    assert.same({}, unfilled_formats('fail("usage", "a %d %% b " .. "c", 5) x = ("5 %%")\n:format()'))
    assert.same({}, unfilled_formats('x:match("%%")'))
    refuses(2, "show made.lua", 'return mp.rest(#string.format("%p", {}))',
      "made.lua:2: string.format: %p is")
  end)

  it("of a number that is none say how it is written", function()
    shell.write(folder .. "/one.lua", 'return require("moonpulse").pulse(require("moonpulse").rmt(90))')
    for _, command in ipairs { "show", "events", "check", "run" } do
      refuses(2, command .. " one.lua --rmt -5", nil, '"-5" is no number from 1 to 100 %MSO')
      refuses(2, command .. " one.lua --rmt 48,5", nil, '"48,5" is no number from 1 to 100 %MSO: write 48.5')
      refuses(2, command .. " one.lua --rmt 48%", nil, "write the number alone, 48")
      refuses(2, command .. " one.lua --seed -3", nil, '"-3" is no seed')
    end
    refuses(2, "run one.lua --tolerance -1", nil, '"-1" is no number from 0.01 to 10000 ms')
    refuses(2, "show made.lua -p n=1,5", [[
      return mp.protocol { name = "x", params = { n = { default = 2.5 } },
        plan = function(p) return mp.rest(p.n) .. mp.pulse(mp.mso(50)) end }]],
      "n: a number expected", "write 1.5")
  end)

  it("of a number with a unit tell the number that is meant, and never one of another unit", function()
    local units = require "moonpulse.text.units"
    for text, meant in pairs { ["500ms"] = "0.5", ["500 ms"] = "0.5", ["2min"] = "120", ["0,5 min"] = "30",
      ["250us"] = "0.00025", ["1h"] = "3600", ["60 s"] = "60", ["1.5sec"] = "1.5", ["3\u{B5}s"] = "3e-06" } do
      assert.are.equal(", " .. meant, units.hint(text, "s"):match(", .*$"))
    end
    local number = "%d"
    for text, unit in pairs { ["5Hz"] = "s", ["48%RMT"] = "%MSO", ["3 fortnights"] = "s", ["1k"] = "",
      ["2 s"] = "Hz", ["500ms"] = "", ["48%"] = "s" } do
      assert.matches("write the number alone", units.hint(text, unit), 1, true)
      assert.is_nil(units.hint(text, unit):find(number), text)
    end
    for _, text in ipairs { "500ms", "2min", "30Hz", "48%", "5 pulses" } do
      assert.are.equal(": write the number alone, in the unit that its help tells", units.hint(text, nil))
    end
    assert.are.equal(": write the number alone, 30", units.hint("30Hz", "Hz"))
    assert.are.equal(": write the number alone, 48", units.hint("48 %", "%MSO"))
    assert.are.equal(": write the number alone, 10", units.hint("10x", ""))
    assert.are.equal("", units.hint("fast", "s"))

    for help, unit in pairs { ["s"] = "s", ["ms"] = "ms", ["seconds from a train's onset to the next"] = "s",
      ["ms from the nerve's pulse to the TMS pulse"] = "ms", ["shortest interval, s, onset to onset"] = "s",
      ["seconds from the end; 5 to 15 min in the literature"] = "s", ["pulse rate"] = "Hz",
      ["number of bursts, one every 5 s"] = "", ["ms or s"] = "none", ["of the second pulse"] = "none",
      ["whatever"] = "none" } do
      assert.are.equal(unit, units.of_parameter("pause", help) or "none", help)
    end
    assert.are.equal("ms", units.of_parameter("pause_ms", "whatever"))
    assert.are.equal("Hz", units.of_parameter("hz"))

    shell.write(folder .. "/paused.lua", [[
      local mp = require "moonpulse"
      return mp.protocol { name = "x", params = { gap = { default = 1 },
        pause = { default = 60, help = "s" } },
        plan = function(p) return mp.rest(p.pause) .. mp.pulse(mp.mso(50)) end }]])
    refuses(2, "show paused.lua -p pause=500ms", nil, "write it in s, 0.5")
    refuses(2, "show paused.lua -p pause=2min", nil, "write it in s, 120")
    refuses(2, "show paused.lua -p gap=500ms", nil, "write the number alone, in the unit that its help tells")
    refuses(2, "run paused.lua --tolerance 0.5s", nil, "write it in ms, 500")
    refuses(2, "run paused.lua --timeout 2min", nil, "write it in s, 120")
  end)

  it("of a name that is not known name the one that is meant", function()
    local function protocol(plan)
      return [[return mp.protocol { name = "x", params = { hz = { default = 30.0, min = 20, max = 50.0 },
        active = { default = true } }, plan = function(p) return ]] .. plan .. " end }"
    end
    local code = protocol "mp.pulse(mp.mso(50))"
    refuses(2, "show made.lua -p 'active = false'", code, '-p "active ": made has no such parameter; it has: '
      .. "active, hz (did you mean active?)")
    refuses(2, "show made.lua -p 'active= false'", code, 'active: write true or false, not " false"')
    refuses(2, "show made.lua -p hz=60", code, "hz = 60 is outside 20 to 50\n")
    for plan, meant in pairs { ["mp.train { pulses = 3, freq = 10, intensity = mp.mso(50) }"] = "hz",
      ["mp.train { pulses = 3, hz = 10, intensty = mp.mso(50) }"] = "intensity",
      ["mp.theta_burst { theta = 5 }"] = "theta_hz",
      ["mp.trials { of = {}, every = 5, jitter = 1 }"] = "shortest, longest" } do
      refuses(2, "show made.lua", "return " .. plan, "there is no option", " (did you mean " .. meant .. "?)")
    end
    local err = refuses(2, "show made.lua", "return mp.burst { fortnight = 3 }", "no option")
    assert.is_nil(err:find("did you mean", 1, true), err)
    for plan, meant in pairs { ['mp.pulse("120%RMT")'] = "mp.rmt(120)",
      ['mp.pulse("120 %amt")'] = "mp.amt(120)",
      ['mp.pulse { intensity = "45%MSO" }'] = "mp.mso(45)",
      ['mp.train { pulses = 3, hz = 1, intensity = "90.5%RMT" }'] = "mp.rmt(90.5)" } do
      refuses(2, "show made.lua", "return " .. plan, "not the text", ": write " .. meant .. "\n")
    end
    err = refuses(2, "show made.lua", 'return mp.pulse("45")', "mp.rmt(110) or mp.amt(80), not string")
    assert.is_nil(err:find("not the text", 1, true), err)
  end)

  it("of a run that is not there say where it was looked for", function()
    for _, command in ipairs { "verify nosuch", "recover nosuch", "rerun nosuch", "export prov nosuch" } do
      local err = refuses(2, command, nil, "no run nosuch: there is no folder of that name here, nor in /")
      assert.matches("moonpulse runs lists the runs that there are", err, 1, true)
      refuses(2, (command:gsub("nosuch", "./nosuch")), nil, "there is no run ./nosuch: there is no folder of "
        .. "that name (moonpulse runs lists")
    end
  end)

  it("of an experiment that fails are said once", function()
    for _, command in ipairs { "show", "check" } do
      local status, out, err = moonpulse(command .. " made.lua",
        "return mp.experiment(function() error 'it is broken' end)")
      assert.are.equal(2, status)
      assert.matches("it is broken", err, 1, true)
      assert.is_nil(out:find("it is broken", 1, true), out)
      assert.matches("\nended +error in the script\n", out)
      status, out, err = moonpulse(command .. " made.lua",
        'return mp.experiment(function(run) run:device():arm() run:ask "MEP: how large?" end)')
      assert.are.equal(2, status)
      assert.matches("question 1 has no answer", err, 1, true)
      assert.matches("\nended +at made%.lua:2\n", out)
    end
  end)

  it("of an option with two values name both, and take the same one twice", function()
    shell.write(folder .. "/arms.lua", [[
      local mp = require "moonpulse"
      return mp.protocol { name = "x", params = { arm = { default = "active" } },
        plan = function() return mp.pulse(mp.rmt(90)) end }]])
    local run = "run arms.lua --rmt 48 --speed max --out runs "
    for given, told in pairs { ["--rmt 58"] = "48 and with 58", ["--amt 40 --amt=41"] = "40 and with 41",
      ["--seed 1 --seed 2"] = "1 and with 2", ["--timeout 1 --timeout 2"] = "1 and with 2",
      ["--device sim --device sim:bistim"] = "sim and with sim:bistim",
      ["--participant P1 --participant P2"] = "P1 and with P2", ["--out other"] = "runs and with other",
      ["--timing host --timing device"] = "host and with device", ["--speed 2"] = "max and with 2",
      ["--trigger dtr --trigger rts"] = "dtr and with rts",
      ["-p arm=sham -p arm=active"] = "-p arm is given twice, with sham and with active",
      ["--param arm=sham -p arm=active"] = "-p arm is given twice, with sham and with active",
      ["--device-option x=1 --device-option x=2"] = "--device-option x is given twice, with 1 and with 2" } do
      local err = refuses(2, run .. given, nil, told)
      assert.matches("is given twice, with", err, 1, true)
      assert.matches("leave one of them out", err, 1, true)
    end
    local diff = "diff itbs600 itbs600 --amt 50 --param-a trains=3 "
    refuses(2, diff .. "--param-a trains=2", nil, "with 3 and with 2")
    assert.are.equal(0, (moonpulse(diff .. "-p trains=2 --param-b trains=3")))
    assert.are.equal(0, (moonpulse(run .. "--rmt 48.0 --seed 1 --seed 1 -p arm=sham -p arm=sham")))
  end)

  it("of a threshold name its unit", function()
    refuses(2, "run one.lua", nil, "resting motor threshold: add --rmt N (in %MSO)")
    local _, help = moonpulse("run --help")
    assert.matches("resting motor threshold, %MSO", help, 1, true)
    assert.matches("active motor threshold, %MSO", help, 1, true)
  end)

  it("of a name without its ending name the file beside", function()
    for _, command in ipairs { "show", "events", "check", "run", "plot", "compile" } do
      refuses(2, command .. " one --rmt 50", nil, 'no protocol "one"', "one.lua")
      refuses(2, command .. " ./one --rmt 50", nil, "./one.lua")
    end
    shell.write(folder .. "/two.plan", "")
    refuses(2, "run two", nil, "two.plan")
  end)

  it("of a device that there is not name the one that may be meant", function()
    for written, meant in pairs { MagVenture = "magventure", MAGPRO = "magventure", magstim = "magstim200",
      BiStim = "bistim", Rapid2 = "rapid", ["Pulse-Pal"] = "pulsepal", stimjimm = "stimjim" } do
      for _, way in ipairs { "run one.lua --rmt 50 --device %s", "check one.lua --rmt 50 --device %s",
        "run one.lua --rmt 50 --device sim:%s", "devices --device %s", "sim %s", "frame %s" } do
        refuses(2, way:format(written), nil, "did you mean " .. meant)
      end
    end
    assert.is_nil(refuses(2, "sim toaster", nil, "known: sim, magventure"):find("did you mean"))
  end)

  it("of iti, gap and every in the wrong place name what that place takes", function()
    local intensity = "intensity = mp.mso(50)"
    local train = "return mp.train { pulses = 10, hz = 10, %s = 3, " .. intensity .. " }"
    for _, key in ipairs { "iti", "gap" } do
      local err = refuses(2, "show made.lua", train:format(key), "made.lua:2: train: ", ":times(n, { every =",
        "{ gap =")
      assert.is_nil(err:find("write every =", 1, true)) -- which the train has, for something else
    end
    refuses(2, "show made.lua", "return mp.pair { isi = 0.01, iti = 5, " .. intensity .. " }",
      "pair: iti", ":times(n, {")
    refuses(2, "show made.lua", "return mp.pair { isi = 0.01, every = 5, " .. intensity .. " }",
      'pair: there is no option "every"', ":times(n, {")
    refuses(2, "show made.lua", "return mp.trials { of = { mp.pulse(mp.mso(50)) }, iti = 5 }",
      "trials: iti", "every =", "shortest = and longest =")
    refuses(2, "show made.lua", "return mp.pulse(mp.mso(50)):times(3, { iti = 5 })", "times: iti",
      "every = seconds", "gap = seconds")
    refuses(2, "show made.lua", [[return mp.theta_burst { pulses = 3, hz = 50, theta_hz = 5, on = 2, iti = 8,
      cycles = 3, intensity = mp.mso(50) }]], "theta_burst: iti", "off = seconds")
    -- what they advise is taken
    for _, spacing in ipairs { "every = 3", "gap = 3" } do
      local made = ("return mp.train { pulses = 9, hz = 10, %s }:times(4, { %s })"):format(intensity, spacing)
      assert.are.equal(0, (moonpulse("show made.lua", made)))
    end
  end)

  it("of a drawn interval name the way to draw one", function()
    local trials = "return mp.trials { of = { mp.pulse(mp.mso(50)), mp.pulse(mp.mso(60)) }, %s }"
    refuses(2, "show made.lua", trials:format("every = { 4, 6 }"), "made.lua:2: trials: every",
      "shortest = 4, longest = 6")
    assert.are.equal(0, (moonpulse("show made.lua", trials:format("shortest = 4, longest = 6"))))
    refuses(2, "show made.lua", "return mp.pulse(mp.mso(50)):times(3, { every = { 4, 6 } })",
      "times: every is one number", "mp.rest { min = 4, max = 6 }")
    refuses(2, "show made.lua", "return mp.rest { 4, 6 } .. mp.pulse(mp.mso(50))", "rest: to draw",
      "{ min = 4, max = 6 }")
  end)

  it("ask whether seconds are meant, in show, events, check, plot and run, and once a line", function()
    local made = [[
      local pair = function(isi) return mp.pair { isi = isi, intensity = mp.mso(50) } end
      return pair(%s) .. mp.rest(%s) .. pair(%s) .. mp.rest { min = 1, max = %s }
        .. mp.pulse(mp.mso(50)):times(2, { every = %s })]]
    for _, command in ipairs { "show", "events", "check", "plot", "run --speed max" } do
      local status, _, err = moonpulse(command .. " made.lua --rmt 60",
        made:format("2", "8000", "2.5", "1801", "2000"))
      assert.are.equal(0, status, err)
      local notes = {}
      for line in err:gmatch("moonpulse: note: (made.lua[^\n]*seconds are meant[^\n]*)") do
        notes[#notes + 1] = line:match("^(made.lua:%d+: %w+:)")
      end
      assert.same({ "made.lua:2: pair:", "made.lua:3: rest:", "made.lua:4: times:" }, notes)
      _, _, err = moonpulse(command .. " made.lua --rmt 60",
        made:format("0.5", "1800", '"1/2"', "1800", "1800"))
      assert.is_nil(err:find("seconds are meant"), err)
    end
    local _, _, err = moonpulse("show made.lua",
      "return mp.experiment(function(run)\nrun:sleep(0.5)\nrun:sleep(2000) end)")
    assert.matches("note: made.lua:4: run:sleep: the time = 2000 is 2000 s (33 min 20.0 s),", err, 1, true)
    _, _, err = moonpulse("show made.lua", 'return mp.pair { isi = "3/4", intensity = mp.mso(50) }')
    assert.matches("pair: isi = 3/4 is 0.75 s, over 0.5 s: seconds are meant? For milliseconds write mp.ms",
      err, 1, true)
  end)

  it("of a parameter that is no count say how it becomes a number", function()
    local made = [[return mp.protocol { name = "x", params = { isi = { %s } }, variants = { { id = "v",
      name = "v", defaults = { isi = 2 } } },
      plan = function(p) return mp.pair { isi = mp.ms(p.isi), intensity = mp.mso(50) } end }]]
    refuses(2, "show made.lua -p isi=1.5", made:format("default = 30"), "isi must be a whole number, not 1.5",
      "write default = 30.0")
    for _, declared in ipairs { "default = 30.0", "default = 30, min = 1.5", "default = 30, max = 99.5" } do
      local status, out = moonpulse("show made.lua -p isi=2.5", made:format(declared))
      assert.are.equal(0, status)
      assert.matches("isi = 2.5", out, 1, true)
      assert.matches("rest 2.5 ms", out, 1, true)
    end
    refuses(2, "show made.lua -p isi=2.5", made:format("default = 30, max = math.huge"), "whole number")
    refuses(2, "show made.lua -p isi=2.5", made:format("default = 30, min = 1.0"), "whole number")
  end)

  it("of a command that there is not name the one that may be meant", function()
    refuses(2, "shw itbs600", nil, 'no command "shw"', "did you mean show")
    local _, help = moonpulse("--help")
    assert.matches("\n   lua  ", help)
    for _, how in ipairs { "lua --help", "lua -h" } do
      local status, out = moonpulse(how)
      assert.are.equal(0, status)
      assert.matches("Usage: moonpulse lua FILE", out, 1, true)
    end
    refuses(2, "lua", nil, "the name of a file is missing")
  end)

  it("count one thing in the singular", function()
    local _, out = moonpulse("check made.lua", "return mp.pulse(mp.mso(50))")
    assert.matches("1 pulse, 1 train;", out, 1, true)
    _, out = moonpulse("check made.lua --rmt 60",
      "return mp.train { pulses = 10, hz = 10, intensity = mp.mso(50) }")
    assert.matches("10 pulses, 1 train;", out, 1, true)
    _, out = moonpulse("run made.lua --speed max", "return mp.pulse(mp.mso(50))")
    assert.matches("plan        1 pulse,", out, 1, true)
    assert.matches("sent        1 of 1 pulse,", out, 1, true)
  end)

  it("of a lab's limits name the line", function()
    local lines = { "-- pulses_per_day = 12", "return {", "  name = 'max_hz = 3',", "  max_hz = 20,",
      "  pulses_per_day = 1500, pulses_per_week = 6000,",
      "  train_duration = { { hz = 10, percent = 120, s = 4 },",
      "    { hz = 20, percent = 120, s = 3 } },", "}" }
    local function with(line, from, to)
      local copy = { table.unpack(lines) }
      local start, finish = copy[line]:find(from, 1, true)
      copy[line] = copy[line]:sub(1, start - 1) .. to .. copy[line]:sub(finish + 1)
      shell.write(folder .. "/lab.lua", table.concat(copy, "\n"))
    end
    with(4, "20", "20")
    assert.are.equal(0, (moonpulse("check one.lua --rmt 50 --lab lab.lua")))
    for _, case in ipairs {
      { 5, "1500", "1500.5", "pulses_per_day = 1500.5 counts pulses: a whole number" },
      { 5, "6000", "1/0", "pulses_per_week = inf is no limit" },
      { 4, "20", "1e999", "max_hz = inf is no limit" },
      { 4, "20", "-20", "max_hz = -20 is no limit" },
      { 4, "20", "0/0", "max_hz must be" },
      { 4, "20", "'20'", "max_hz must be a number" },
      { 4, "max_hz", "max_Hz", "there is no limit max_Hz" },
      { 7, "s = 3", "s = 1/0", "train_duration[2]: s must be a finite number" },
      { 7, "s = 3", "s = math and 1 or 3", "math is not known" }, -- it sees no library
    } do
      with(case[1], case[2], case[3])
      for _, command in ipairs { "check", "run --speed max" } do
        refuses(2, command .. " one.lua --rmt 50 --lab lab.lua", nil,
          ("lab.lua:%d: %s"):format(case[1], case[4]))
      end
    end
    with(7, ", s = 3", "")
    refuses(2, "check one.lua --rmt 50 --lab lab.lua", nil, "lab.lua:6: train_duration[2]: s must be")
  end)

  it("say why a train that no row forbids is OVER", function()
    local train = "return mp.train { pulses = %d, hz = %s, intensity = mp.rmt(%d) }"
    local function said(n, hz, percent)
      local _, out = moonpulse("check made.lua --rmt 50", train:format(n, hz, percent))
      return assert(out:match("\n([^\n]*train duration:[^;]*)"), out)
    end
    for _, case in ipairs {
      { 92, 20, 21, "^OVER .*2%.05 s %(20 Hz, 90 %%%), the lowest column, for all below 90 %%: more than "
        .. "twice that is OVER$" },
      { 60, 20, 21, "^beyond tested .*2%.05 s %(20 Hz, 90 %%%), the lowest column, for all below 90 %%$" },
      { 40, 20, 21, "^within .*2%.05 s %(20 Hz, 90 %%%)$" },
      { 92, 20, 100, "^OVER .*2%.05 s %(20 Hz, 100 %%%)$" }, -- a row's limit needs no more words
      { 400, 1, 120, "^beyond tested .*360 s %(1 Hz, 120 %%%), tested so far$" },
      { 120, 1, 130, "^OVER .*50 s %(1 Hz, 130 %%%), tested so far: more than twice that is OVER$" },
    } do
      assert.matches(case[4], said(case[1], case[2], case[3]))
    end
  end)

  it("of channels that a box does not know give the whole mapping, which then is taken", function()
    local made = [[return mp.together { pmv = mp.pulse(mp.mso(40)),
      m1 = mp.rest(mp.ms(8)) .. mp.pulse(mp.mso(55)) }:times(3, { every = 5 })]]
    for device, first in pairs { stimjim = 0, pulsepal = 1 } do
      for _, given in ipairs { "", "--device-option channels=m1=1", "--device-option channels=pmv=1",
        "--device-option channels=other=1" } do
        local run = "run made.lua --speed max --device sim:" .. device
        local err = refuses(2, run .. " " .. given, made, "which ")
        local option = err:match("Say %-%-device%-option (channels=%S+),")
        local m1, pmv = option:match("m1=(%d)"), option:match("pmv=(%d)")
        assert.is_true(m1 ~= pmv and tonumber(m1) >= first and tonumber(pmv) >= first, option)
        local kept = given:match("m1=%d") or given:match("pmv=%d") or ""
        assert.matches(kept, option, 1, true)
        local status, out, why = moonpulse(run .. " --device-option " .. option)
        assert.are.equal(0, status, why)
        assert.matches("intensity   55 %MSO\n            40 %MSO\n", out, 1, true)
      end
    end
  end)

  it("name both intensities of a pair that the stimulator times", function()
    local pair = "mp.pair { isi = mp.ms(%s), intensity = { mp.mso(35), mp.mso(55) } }"
    local _, out = moonpulse("run made.lua --speed max --device sim:bistim", "return " .. pair:format(3))
    assert.matches("intensity   35 %MSO\n            55 %MSO\n", out, 1, true)
    local status, told, err = moonpulse("run made.lua --speed max --device sim:bistim", ([[
      return mp.experiment(function(run)
        local stim, pair = run:device(), %s
        stim:arm(pair)
        stim:fire(pair)
      end)]]):format(pair:format(3.5)))
    assert.are.equal(0, status, err)
    assert.matches("2 pulses: 35 %MSO, 55 %MSO\n", told, 1, true)
  end)

  it("blame a script only where there is one", function()
    local job = {}
    assert.matches("the computer was too busy", stops.explain({ job = job }, { stop = "stuck" }), 1, true)
    assert.is_nil(stops.explain({ job = job }, { stop = "stuck" }):find("script"))
    local scripted = { job = job, experiment = {} }
    assert.matches("the script did not yield", stops.explain(scripted, { stop = "stuck" }), 1, true)
    assert.are.equal("; close other programs", stop_words.remedy("stuck"))
    assert.matches("run:sleep", stop_words.remedy("stuck", true), 1, true)
    assert.are.equal("here", stops.explain({ job = job, experiment = {} }, { stop = "stuck", text = "here" }))
    assert.is_nil(stops.explain({ job = job }, { stop = "full" }):find("busy"))
  end)

  it("tell an option that nobody knows, and what is known", function()
    local ok, problem = pcall(blame.options, "burst", { pulse = 3 }, { pulses = "number" })
    assert.is_false(ok)
    assert.matches('burst: there is no option "pulse"; known: pulses', problem, 1, true)
  end)
end)
