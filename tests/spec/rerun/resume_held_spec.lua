-- What a resumed run is held to: a text that still makes the run's plan, all that its participant had in
-- whichever folder, the limits of today, and what starts and stops it given anew.
local cjson = require "cjson"
local fixture = require "job"
local lfs = require "lfs"
local resealed = require "resealed"
local shell = require "shell"

local own = [[local mp = require "moonpulse"
return mp.protocol { id = "own", name = "Own", sessions = { per_day = 9, total = 20 },
  plan = function() return mp.pulse(mp.mso(40)):times(8, { every = 0.1 }) end }]]

describe("a resumed run is held to", function()
  local folder, jobs, file
  fixture.each_test(function(...)
    folder, jobs = ...
    file = folder .. "/own.lua"
    shell.write(file, own)
    shell.write(folder .. "/list", "ready\tIs all ready?\n")
  end)

  --- A run in virtual time that broke off behind three of its pulses.
  local function broken(more)
    local status = shell.moonpulse(folder, ("run %s --speed max --fault unplug@4 --timing host %s"):format(
      file, shell.options(more or "", "--out " .. folder .. "/runs")))
    assert.are_not.equal(0, status)
    return fixture.run_in(folder .. "/runs")
  end

  local function stimulator(name, more)
    local tty = folder .. "/" .. name
    jobs:start(name, ("sim magventure %s --link %s"):format(more or "", tty))
    shell.await(function() return lfs.symlinkattributes(tty, "mode") end, "the simulator's port")
    return tty
  end

  --- A command on a simulator that counts as a stimulator, where each question is answered by yes.
  local function by_hand(command, places)
    local status, out, err = shell.sh(folder, ("yes y | %s %s %s --real-pty --operator AB --preflight "
      .. "%s/list"):format(places or "", shell.quote(shell.program), command, folder))
    return status, out .. err
  end

  local function of_p07(tty, more, places)
    return by_hand(("run %s --device magventure --port %s --participant P07 --rmt 50 --tolerance 5000 %s")
      :format(file, tty, more), places)
  end

  it("a text that makes the run's plan here: what another version made of it has no rest", function()
    local run = broken()
    for _, change in ipairs { { "pulse 40", "pulse 41" }, { "repeat 1 8", "repeat 1 9" } } do
      local copy = ("%s/%d/%s"):format(folder, #shell.names(folder), run:match "[^/]+$")
      os.execute("mkdir -p " .. copy:match "^(.*)/")
      shell.copy(run, copy)
      resealed.edit(copy, nil, { ["resolved.plan"] = function(text)
        local changed, count = text:gsub(change[1], change[2], 1)
        assert.are.equal(1, count, text)
        return changed
      end })
      local status, out, err = shell.moonpulse(folder, ("resume %s --out %s/rest"):format(copy, folder))
      assert.are.equal(2, status, out)
      assert.matches("the kept text makes another plan here than the run had (it was made by another "
        .. "version?): nobody can tell what is left of it", err, 1, true)
      assert.is_nil(lfs.attributes(folder .. "/rest", "mode"))
      assert.is_nil(fixture.manifest(copy).notes) -- nobody goes on with it
    end
    local status, _, err = shell.moonpulse(folder, ("resume %s --out %s/rest"):format(run, folder))
    assert.are.equal(0, status, err)
  end)

  local function pulses_of(run)
    return fixture.manifest(run).result.pulses_sent
  end

  it("the stimulator that a threshold of an earlier run is of, and so is a rerun on one", function()
    shell.write(file, (own:gsub("mso%(40%)", "rmt(90)")))
    shell.write(folder .. "/answers", ("y\nn\n"):rep(10))
    local out = folder .. "/runs"
    assert.are.equal(0, (shell.moonpulse(folder, ("run scripts/threshold_hunt.lua -p kind=RMT --speed max "
      .. "--participant P07 --answers %s/answers --out %s"):format(folder, out))))
    local hunt = shell.names(out)[1]
    local function on(port, command)
      local status, _, err = shell.sh(folder, ("yes y | %s %s --port %s --operator AB "
        .. "--preflight %s/list"):format(shell.quote(shell.program), command, port, folder))
      return status, err
    end
    local status, err = on(stimulator("one", "--fault unplug@4"), ("run %s --device magventure "
      .. "--participant P07 --rmt last --tolerance 5000 --out %s"):format(file, out))
    assert.are.equal(4, status, err)
    local run
    for _, name in ipairs(shell.names(out)) do
      run = name ~= hunt and out .. "/" .. name or run
    end
    local manifest = fixture.manifest(run)
    assert.are.same({ hunt, "66051" }, { manifest.thresholds.rmt.run, manifest.device.serial })
    shell.copy(run, folder .. "/as_it_was")
    resealed.edit(run, nil, { ["manifest.json"] = function(text)
      return (text:gsub('"serial"%s*:%s*"66051"', '"serial":"4711"'))
    end }, true)
    local port = stimulator "two"
    local again = ("rerun %s --device magventure --participant P07 --out %s/again"):format(run, folder)
    for _, command in ipairs { "resume " .. run, again } do
      status, err = on(port, command)
      assert.are.equal(2, status, err)
      assert.matches("the RMT of run " .. hunt .. " was found with another stimulator: serial number (4711, "
        .. "and now 66051): nothing was armed; --rmt ", err, 1, true)
    end
    assert.is_nil(fixture.manifest(run).notes) -- nobody goes on with it
    _, _, err = shell.moonpulse(folder, ("rerun %s --out %s/simulated"):format(run, folder))
    assert.is_true(pulses_of(fixture.run_in(folder .. "/simulated")) > 0, err) -- does what any stimulator did
    shell.remove(run)
    shell.copy(folder .. "/as_it_was", run)
    status, err = on(port, "resume " .. run)
    assert.are.equal(0, status, err)
  end)

  it("what its participant had in every folder, and to the limits of today", function()
    local old, new, known = folder .. "/old", folder .. "/new", {}
    local places = ("MOONPULSE_RUNS=%s MOONPULSE_LAB=%s/lab.lua"):format(new, folder)
    shell.write(folder .. "/lab.lua", "return { pulses_per_day = 900 }")
    assert.are_not.equal(0, (of_p07(stimulator("one", "--fault unplug@4"), "--out " .. old, places)))
    local run, began = fixture.run_in(old), os.time()
    shell.await(function() return os.time() > began end, "the next second: both would have one name")
    lfs.mkdir(new)
    shell.write(new .. "/older", old .. "\n")
    local status, text = of_p07(stimulator("two"), "", places)
    assert.are.equal(0, status, text)
    local given, tty = pulses_of(run), stimulator("three")
    assert.is_true(given >= 3 and given <= 4)
    for _, name in ipairs(shell.names(new)) do
      known[name] = true
    end
    local resume = ("resume %s --port %s --tolerance 5000"):format(run, tty)
    -- what was allowed when the run began, and in its own folder still would be, is too much today
    for _, lab in ipairs { { "", "lab" }, { (" --lab %s/today.lua"):format(folder), "today" } } do
      shell.write(("%s/%s.lua"):format(folder, lab[2]), "return { pulses_per_day = 15 }")
      status, text = by_hand(resume .. lab[1], places)
      assert.are.equal(3, status, text)
      assert.matches("16 pulses", text, 1, true)
      shell.write(folder .. "/lab.lua", "return { pulses_per_day = 900 }")
      assert.is_nil(fixture.manifest(run).notes)
    end
    shell.write(folder .. "/lab.lua", "return { pulses_per_day = 16 }")
    for _, name in ipairs(shell.names(new)) do
      known[name] = true
    end
    status, text = by_hand(resume, places)
    assert.are.equal(0, status, text)
    assert.are.same({ run:match "[^/]+$" }, shell.names(old))
    local second
    for _, name in ipairs(shell.names(new)) do
      second = not known[name] and fixture.manifest(new .. "/" .. name) or second
    end
    assert.are.same({ run:match "[^/]+$", 8 + given, 1 }, { second.begins_at.continues,
      second.safety.history.day, second.session.number })
    local _, told = shell.sh(folder, ("%s %s runs --participant P07 --json"):format(places,
      shell.quote(shell.program)))
    local numbers = {}
    for i, each in ipairs(cjson.decode(told).runs) do
      numbers[i] = each.session and each.session.number or 0
    end
    assert.are.same({ 1, 2, 1 }, { numbers[1], numbers[2], numbers[#numbers] })
    local all = cjson.decode(told).participant.all
    assert.are.same({ 16, 2 }, { all.pulses, all.sessions })
    -- and once, though the rest lies elsewhere
    status, text = by_hand(resume, places)
    assert.are.equal(2, status, text)
    assert.matches("was resumed already: " .. new .. "/", text, 1, true)
  end)

  it("the trigger that it is given, not to that of the run", function()
    local port = jobs:port()
    local function start(name, command, tty)
      local job = jobs:start(name, ("%s --port %s --trigger-in %s --start-on byte=5 --out %s/runs"):format(
        command, tty, port:path(), folder))
      job:says "waiting "
      port:write "\7\5"
      return job
    end
    local first = start("first", ("run %s --device magventure --tolerance 5000"):format(file),
      stimulator("one", "--fault unplug@4"))
    assert.are_not.equal(0, first:wait(), first:err())
    local run, tty = fixture.run_in(folder .. "/runs"), stimulator("two")
    local status, _, err = shell.moonpulse(folder, ("resume %s --port %s"):format(run, tty))
    assert.are.equal(2, status)
    assert.matches("the run had --start-on byte=5: give it again (on a stimulator it is not taken over); "
      .. "nothing was armed", err, 1, true)
    local second = start("second", "resume " .. run, tty)
    assert.are.equal(0, second:wait(), second:err())
    local name
    for _, each in ipairs(shell.names(folder .. "/runs")) do
      name = folder .. "/runs/" .. each ~= run and each or name
    end
    local manifest = fixture.manifest(folder .. "/runs/" .. name)
    assert.are.same({ "byte=5", 5, 1, run:match "[^/]+$" }, { manifest.start.trigger, manifest.start.byte,
      manifest.start.passed_over, manifest.begins_at.continues })
  end)

  it("a stop line that it is given: without the run's it does not begin", function()
    local tty = stimulator("one", "--fault unplug@4")
    assert.are_not.equal(0, (shell.moonpulse(folder, ("run %s --device magventure --port %s --tolerance 5000 "
      .. "--out %s/runs"):format(file, tty, folder))))
    local run = fixture.run_in(folder .. "/runs")
    resealed.edit(run, function(entries) -- a pseudo-terminal has no lines, so no run over one had any
      entries[1].options.stop_line = "cts"
    end)
    tty = stimulator("two")
    local status, _, err = shell.moonpulse(folder, ("resume %s --port %s"):format(run, tty))
    assert.are.equal(2, status)
    assert.matches("the run had --stop-line cts: give it again (on a stimulator it is not taken over); "
      .. "nothing was armed", err, 1, true)
    status, _, err = shell.moonpulse(folder, ("resume %s --port %s --stop-line cts"):format(run, tty))
    assert.are.equal(4, status, err)
    assert.matches("has no modem lines to watch", err, 1, true)
  end)
end)
