-- Event codes that a script gives: with run:mark, armed or not, and with a catch trial that has no pulse.
-- What stood at the box is compared with what the script did.
local cjson = require "cjson"
local core = require "moonpulse.core"
local fixture = require "job"
local shell = require "shell"

describe("event codes of a script", function()
  local folder, jobs

  fixture.each_test(function(...) folder, jobs = ... end)

  local function script(body)
    shell.write(folder .. "/script.lua", ([[
local mp = require "moonpulse"
return mp.experiment(function(run)
  local stim = run:device()
%s
end)]]):format(body))
  end

  local function run(more)
    return shell.moonpulse(folder, ("run %s/script.lua --out %s/runs %s"):format(folder, folder, more))
  end

  --- What stood at the box, as "7 0 9 0", and when, in nanoseconds.
  local function stood(found)
    local bytes, times = {}, {}
    for i, row in ipairs(shell.rows(found .. "/codes.tsv")) do
      local whole, part = row.time:match "^(%d+)%.(%d+)$"
      bytes[i] = row.byte
      times[i] = math.tointeger(tonumber(whole)) * 1000000000 + math.tointeger(tonumber(part))
    end
    return table.concat(bytes, " "), times
  end

  local function rows_of(found, event)
    local list = {}
    for _, row in ipairs(shell.rows(found .. "/events.tsv")) do
      list[#list + 1] = row.event == event and row or nil
    end
    return list
  end

  local function column(rows, name)
    local list = {}
    for i, row in ipairs(rows) do
      list[i] = row[name]
    end
    return list
  end

  local all = [[
  run:mark("before", { code = 11 })
  run:sleep(0.5)
  run:mark("at once", { code = 12 })
  stim:arm(mp.pulse(mp.mso(40)))
  run:mark("armed", { code = 13 })
  run:mark("behind it", { code = 14 })
  run:sleep(0.5)
  stim:play(mp.pulse { intensity = mp.mso(40), code = 1 })
  run:mark("catch", { code = 15 })
  stim:disarm()
  run:sleep(0.2)
  run:mark("last", { code = 16 })]]

  it("are given at their marks, whether or not the stimulator is armed, and told apart", function()
    script(all)
    assert.are.equal(0, (run "--speed max --codes sim,width=4,baud=115200"))
    local found = fixture.run_in(folder .. "/runs")
    local seen, times = stood(found)
    assert.are.equal("0 11 0 12 0 13 0 14 0 1 0 15 0 16 0", seen)
    local byte_ns = core.wire_ns({ baud = 115200, bits = 8, parity = "none", stop_bits = 1,
      flow = "none" }, 1)
    for i = 2, #times, 2 do
      assert.are.equal(4000000 + byte_ns, times[i + 1] - times[i], "width of code " .. i)
      assert.is_true(i == 2 or times[i] - times[i - 1] >= 1000000, "rest before code " .. i)
    end
    local codes, marks = rows_of(found, "code"), {}
    assert.are.same({ "11", "12", "13", "14", "1", "15", "16" }, column(codes, "reply"))
    assert.are.same({ "n/a", "n/a", "n/a", "n/a", "1", "n/a", "n/a" }, column(codes, "pulse"))
    for _, row in ipairs(rows_of(found, "mark")) do
      marks[row.reply] = row
    end
    for i, name in pairs { [1] = "before", [2] = "at once", [3] = "armed", [4] = "behind it", [6] = "catch",
      [7] = "last" } do
      assert.are.equal(marks[name].onset_planned_us, codes[i].onset_planned_us, name)
    end
    -- the fourth waited for the third: 4 ms, two bytes and 1 ms
    local waited_us = tonumber(codes[4].onset_sent_us) - tonumber(codes[3].onset_sent_us)
    assert.are.equal(5000 + math.ceil(2 * byte_ns / 1000), math.ceil(waited_us))
    assert.is_true(tonumber(codes[4].lateness_us) > 5000)
    assert.are.same({ box = "sim,width=4,baud=115200", baud = 115200, width_ms = 4, sent = 7, lost = 0 },
      fixture.manifest(found).codes)
  end)

  it("are verified, rerun, and listed by events", function()
    script(all)
    assert.are.equal(0, (run "--speed max --codes sim"))
    local found = fixture.run_in(folder .. "/runs")
    local status, out = shell.moonpulse(folder, "verify " .. found)
    assert.are.equal(0, status, out)
    status, out = shell.moonpulse(folder, ("rerun %s --out %s/again"):format(found, folder))
    assert.are.equal(0, status, out)
    assert.matches("events.tsv  the same bytes", out, 1, true)
    local _, listed = shell.moonpulse(folder, ("events %s/script.lua"):format(folder))
    assert.matches("\tmark\t[^\n]*\tbefore\t[^\n]*\t11\n", listed)
    assert.matches("\tmark\t[^\n]*\tlast\t[^\n]*\t16\n", listed)
    -- two at one instant, each its own
    assert.matches("\tarmed\t[^\n]*\t13\n[^\n]*\tbehind it\t[^\n]*\t14\n", listed)
  end)

  it("that were changed in a record are found, also by who seals it again", function()
    script(all)
    assert.are.equal(0, (run "--speed max --codes sim"))
    local found = fixture.run_in(folder .. "/runs")
    require("resealed").edit(found, nil, { ["events.tsv"] = function(text)
      return (text:gsub("\tsent\t13\t", "\tsent\t99\t"))
    end })
    local status, said = shell.moonpulse(folder, "verify " .. found)
    assert.are.equal(1, status)
    assert.matches("have the event codes 14, 99, and in journal.jsonl 13, 14", said, 1, true)
  end)

  it("of a catch trial: a plan of marks is played at its times, between others and first of all", function()
    script [[
  stim:arm()
  stim:play(mp.mark("S1", { code = 7 }) .. mp.rest(0.3) .. mp.mark("S2", { code = 8 }))
  stim:play(mp.pulse { intensity = mp.mso(40), code = 1 })
  run:sleep(0.1)
  local start = stim:fire(mp.mark("catch", { code = 9 }), { at = run:now() + 1 })
  run:note(("%.3f"):format(start))
  stim:play(mp.pulse { intensity = mp.mso(40), code = 2 })
  stim:disarm()]]
    local status, out = run "--speed max --codes sim"
    assert.are.equal(0, status)
    assert.matches("no pulse: 2 marks", out, 1, true)
    local found = fixture.run_in(folder .. "/runs")
    local seen, times = stood(found)
    assert.are.equal("0 7 0 8 0 1 0 9 0 2 0", seen)
    assert.are.equal(300000000, times[4] - times[2])
    assert.are.same({ "7", "8", "1", "9", "2" }, column(rows_of(found, "code"), "reply"))
    assert.are.same({ "1", "2" }, column(rows_of(found, "pulse"), "pulse"))
    assert.are.equal(2, fixture.manifest(found).result.pulses_planned)
    assert.are.equal(4, fixture.manifest(found).experiment.plays)
    status, out = shell.moonpulse(folder, "verify " .. found)
    assert.are.equal(0, status, out)
    assert.are.equal(0, (shell.moonpulse(folder, ("rerun %s --out %s/again"):format(found, folder))))
    assert.matches("5 of 5 given to the box", shell.read(found .. "/report.html"), 1, true)
    for _, what in ipairs { "check", "show", "methods" } do
      local code, _, err = shell.moonpulse(folder, ("%s %s"):format(what, what == "methods" and found
        or folder .. "/script.lua"))
      assert.are.equal(0, code, what .. ": " .. err)
    end
  end)

  it("cost no pulse that a trigger starts, however many of them wait", function()
    script [[
  local pulse = mp.pulse { intensity = mp.mso(40) }
  stim:arm(pulse)
  run:spawn(function()
    run:sleep(2.9)
    for code = 1, 8 do run:mark("m", { code = code }) end
  end)
  stim:on_trigger(pulse, { count = 5, refractory = 0.4 })
  stim:disarm()]]
    shell.write(folder .. "/triggers", "2 port 1\n3 port 1\n3.5 port 1\n4 port 1\n4.5 port 1\n")
    assert.are.equal(0, (run(("--speed max --codes sim,width=100 --triggers %s/triggers "
      .. "--approval none --beyond-guidelines test")
      :format(folder))))
    local found = fixture.run_in(folder .. "/runs")
    assert.are.equal(5, #rows_of(found, "pulse"))
    assert.are.same({ "1", "2", "3", "4", "5", "6", "7", "8" }, column(rows_of(found, "code"), "reply"))
  end)

  it("keep nothing armed: the rest of them is given while the stimulator is disarmed, or armed anew",
    function()
      script [[
  stim:arm(mp.pulse(mp.mso(40)))
  for code = 1, 8 do run:mark("m", { code = code }) end
  stim:disarm()
  run:sleep(1.3)
  stim:arm(mp.pulse(mp.mso(40)))
  run:mark("m", { code = 9 })
  run:sleep(1.2)
  stim:disarm()]]
      assert.are.equal(0, (run "--speed max --codes sim,width=1000"))
      local found = fixture.run_in(folder .. "/runs")
      local disarmed, begun = {}, nil
      for _, row in ipairs(shell.rows(found .. "/twin.tsv")) do
        begun = begun or row.event == "arm" and tonumber(row.time)
        disarmed[#disarmed + 1] = row.event == "disarm" and tonumber(row.time) - begun or nil
      end
      assert.are.equal(2, #disarmed)
      assert.is_true(disarmed[1] < 0.5 and disarmed[2] < 4, ("%g s, %g s"):format(disarmed[1], disarmed[2]))
      local seen, times = stood(found)
      assert.are.equal("0 1 0 2 0 3 0 4 0 5 0 6 0 7 0 8 0 9 0", seen)
      for i = 3, #times do
        local expected = i % 2 == 1 and 1000000000 or 1000000
        assert.is_true(math.abs(times[i] - times[i - 1] - expected) < 200000, "place " .. i)
      end
      assert.are.same({ 9, 0 }, { fixture.manifest(found).codes.sent, fixture.manifest(found).codes.lost })
      assert.are.equal(0, (shell.moonpulse(folder, "verify " .. found)))
    end)

  it("are refused where they are none, or the plan has nothing at all", function()
    for body, said in pairs {
      ['  run:mark("x", { code = 0 })'] = "script.lua:4: run:mark: a code is a whole number from 1 to 255",
      ['  run:mark("x", { cod = 1 })'] = 'script.lua:4: run:mark: there is no option "cod"',
      ['  run:mark("x", 7)'] = "script.lua:4: run:mark: a table of options expected",
      ["  stim:arm()\n  stim:play(mp.rest(1))"] = "the plan has no pulse and no mark",
      ['  stim:arm()\n  stim:on_trigger(mp.mark "x", { count = 1, refractory = 1 })'] =
        "stim:on_trigger: the plan has no pulse",
      ['  stim:play(mp.mark "x")'] = "the stimulator is not armed" } do
      script(body)
      local status, _, err = run "--speed max --codes sim"
      assert.are_not.equal(0, status)
      assert.matches(said, err, 1, true)
    end
  end)

  it("without a box are said not to be sent, once", function()
    script '  run:mark("a", { code = 1 })\n  run:mark("b", { code = 2 })'
    local status, out = run "--speed max"
    assert.are.equal(0, status)
    local _, count = out:gsub("no box is named for them", "")
    assert.are.equal(1, count)
    local found = fixture.run_in(folder .. "/runs")
    assert.are.same({}, rows_of(found, "code"))
    status, out = shell.moonpulse(folder, "verify " .. found) -- made again it has no box either
    assert.are.equal(0, status, out)
  end)

  it("wait while the stimulator is armed as well as while it is not, and beside those of a plan", function()
    script [[
  stim:arm(mp.pulse(mp.mso(40)))
  for code = 1, 16 do run:mark("m", { code = code }) end
  run:sleep(0.01)
  stim:play(mp.pulse { intensity = mp.mso(40), code = 99 })
  stim:disarm()]]
    assert.are.equal(0, (run "--speed max --codes sim,width=100"))
    local codes = fixture.manifest(fixture.run_in(folder .. "/runs")).codes
    assert.are.same({ 17, 0 }, { codes.sent, codes.lost })
  end)

  it("beyond what can wait are lost, said once, and in the record", function()
    script '  for _ = 1, 40 do run:mark("x", { code = 3 }) end'
    local status, _, err = run "--speed max --codes sim"
    assert.are.equal(0, status)
    local _, told = err:gsub("event code 3 of a mark was not given to the box, and the run goes on: more", "")
    assert.are.equal(1, told)
    local found = fixture.run_in(folder .. "/runs")
    local codes = fixture.manifest(found).codes
    assert.are.same({ 17, 23 }, { codes.sent, codes.lost })
    local status_of = {}
    for _, row in ipairs(rows_of(found, "code")) do
      status_of[row.status] = (status_of[row.status] or 0) + 1
    end
    assert.are.same({ sent = 17, not_taken = 23 }, status_of)
    assert.are.equal(0, (shell.moonpulse(folder, "verify " .. found)))
  end)

  it("are not given once the run has stopped", function()
    local bytes = {}
    local box = assert(core.pty(nil, function(some)
      for byte in some:gmatch "." do
        bytes[#bytes + 1] = byte:byte()
      end
    end))
    script [[
  run:mark("one", { code = 21 })
  run:note "waits"
  pcall(run.sleep, run, 60)
  run:mark("two", { code = 22 })]]
    local job = jobs:start("job", ("run %s/script.lua --out %s/runs --codes %s"):format(folder, folder,
      box:path()))
    job:says "waits"
    job:signal "TERM"
    assert.are.equal(5, job:wait())
    core.wait(0.05)
    box:close()
    assert.are.equal("0 21 0", table.concat(bytes, " ", 1, math.max(3, #bytes)))
    local codes = rows_of(fixture.run_in(folder .. "/runs"), "code")
    assert.are.same({ "21", "22" }, column(codes, "reply"))
    assert.are.same({ "sent", "stopped" }, column(codes, "status"))
    assert.are.equal(0, (shell.moonpulse(folder, "verify " .. fixture.run_in(folder .. "/runs"))))
  end)

  it("of a run that was killed have their rows after recover, and the box is at 0", function()
    local bytes = {}
    local box = assert(core.pty(nil, function(some)
      for byte in some:gmatch "." do
        bytes[#bytes + 1] = byte:byte()
      end
    end))
    script [[
  run:mark("one", { code = 21 })
  run:sleep(0.2)
  stim:arm()
  run:mark("two", { code = 22 })
  run:sleep(0.2)
  stim:play(mp.mark("catch", { code = 23 }))
  stim:disarm()
  run:mark("three", { code = 24 })
  run:sleep(60)]]
    local job = jobs:start("job", ("run %s/script.lua --out %s/runs --tolerance 1000 --codes %s,width=150")
      :format(folder, folder, box:path()))
    while bytes[#bytes] ~= 24 and not job:ended() do
      core.wait(0.01)
    end
    fixture.await_codes(job, folder, folder .. "/runs", 4)
    job:signal "KILL" -- while it stands there, and nothing is armed
    assert.are.equal(137, job:wait())
    for _ = 1, 100 do
      core.wait(bytes[#bytes] == 0 and 0 or 0.05)
    end
    box:close()
    assert.are.equal("0 21 0 22 0 23 0 24 0", table.concat(bytes, " ", 1, 9))
    assert.are.equal(0, bytes[#bytes])
    local found = fixture.run_in(folder .. "/runs")
    assert.are.equal(0, (shell.moonpulse(folder, "recover " .. found)))
    assert.are.same({ "21", "22", "23", "24" }, column(rows_of(found, "code"), "reply"))
    assert.are.same({ "sent", "sent", "sent", "sent" }, column(rows_of(found, "code"), "status"))
    local facts = cjson.decode(shell.read(found .. "/manifest.json"))
    assert.are.same({ "interrupted", 4, 0 }, { facts.status, facts.codes.sent, facts.codes.lost })
    assert.are.equal(0, (shell.moonpulse(folder, "verify " .. found)))
  end)
end)
