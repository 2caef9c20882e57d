-- A run that was stopped or killed is done again whole; what it gave until then is compared.
local fixture = require "job"
local lfs = require "lfs"
local resealed = require "resealed"
local shell = require "shell"

local text = [[
local mp = require "moonpulse"
return mp.protocol { id = "two", name = "Two strengths", plan = function()
  return mp.mark "first" .. mp.train { pulses = 6, hz = 10, intensity = mp.mso(40) } .. mp.rest(1)
    .. mp.mark "second" .. mp.train { pulses = 6, hz = 10, intensity = mp.mso(45) } .. mp.rest(1)
    .. mp.mark "third" .. mp.train { pulses = 200, hz = 10, intensity = mp.mso(40) }
end }
]]

describe("rerun of a run that ended early", function()
  local folder, jobs
  fixture.each_test(function(...) folder, jobs = ... end)

  --- A run that somebody ends after so many pulses; its folder, and how many it gave.
  local function ended_by(signal, wanted, after, of, options)
    shell.write(folder .. "/two.lua", of or text)
    local job = jobs:start("two", ("run %s/two.lua --out %s/first %s"):format(folder, folder,
      options or "--tolerance 5000"))
    local sent
    shell.await(function()
      local name = shell.names(folder .. "/first")[1]
      local rows = name and shell.read(("%s/first/%s/events.tsv"):format(folder, name)) or ""
      if not sent and select(2, rows:gsub("\tdelivered\t", "")) >= after then
        sent = true
        job:signal(signal)
      end
      return job:ended()
    end, "the end of the run")
    assert.are.equal(wanted, job:wait(), job:err())
    local run = fixture.run_in(folder .. "/first")
    if signal == "KILL" then
      assert.are.equal(0, (shell.moonpulse(folder, "recover " .. run)))
    end
    return run, select(2, shell.read(run .. "/events.tsv"):gsub("\tdelivered\t", ""))
  end

  local function again(run)
    local status, out, err = shell.moonpulse(folder, ("rerun %s --out %s/second"):format(run, folder))
    return status, out .. err
  end

  for signal, wanted in pairs { INT = 5, KILL = 137 } do
    it(("compares what it gave, up to its last pulse (SIG%s)"):format(signal), function()
      local run, given = ended_by(signal, wanted, 14)
      local status, out = again(run)
      assert.are.equal(0, status, out)
      assert.matches(("\nend         the run ended early, with pulse %d (%s"):format(given,
        signal == "INT" and "stopped by Ctrl-C (SIGINT)" or "Moonpulse was killed"), out, 1, true)
      assert.matches("); this one has 212 pulses: what is compared ends there\n", out, 1, true)
      assert.matches("\nsimulator   was sent the same bytes %(%d+ commands, up to its last pulse%)\n", out)
      assert.matches(("\npulses      SAME: %d pulses, planned at the same times"):format(given), out, 1, true)
      assert.matches("\naround      SAME: parameters, thresholds, marks\nSAME ", out, 1, true)
    end)
  end

  it("compares no mark that was told behind the stop, as the sum of its triggers is", function()
    local triggers = {}
    for i = 1, 40 do
      triggers[i] = i .. " port 5\n"
    end
    shell.write(folder .. "/triggers.txt", table.concat(triggers))
    local run, given = ended_by("INT", 5, 2, [[
local mp = require "moonpulse"
return mp.experiment(function(run)
  local stim, pulse = run:device(), mp.pulse(mp.mso(40))
  stim:arm(pulse)
  stim:on_trigger(pulse, { byte = 5, count = 40, refractory = 0.3, timeout = 60 })
  stim:disarm()
end)]], ("--speed 5 --triggers %s/triggers.txt"):format(folder))
    assert.is_true(given >= 2 and given < 40)
    assert.matches("\ttriggers: ", shell.read(run .. "/events.tsv"), 1, true)
    local status, out = again(run)
    assert.are.equal(0, status, out)
    assert.matches("\naround      SAME: parameters, thresholds, marks\nSAME ", out, 1, true)
  end)

  it("has the commands of trains that the device times, too", function()
    local run = ended_by("INT", 5, 30, (text:gsub("200", "40")),
      "--tolerance 5000 --timing device")
    local status, out = again(run)
    assert.are.equal(0, status, out)
    assert.matches("\nsimulator   was sent the same bytes %([1-9]%d* commands?, up to its last pulse%)\n",
      out)
  end)

  it("compares the rows of two runs in virtual time until a second before", function()
    local run, given = ended_by("INT", 5, 40, text, "--speed 10")
    local status, out = again(run)
    assert.are.equal(0, status, out)
    local lines = tonumber(out:match("\nevents.tsv  the same bytes until a second before it was stopped "
      .. "%((%d+) lines%)\n"))
    assert.is_true(lines > given - 14 and lines < given + 3, out) -- with marks; ten pulses a second
    assert.matches("\nsimulator   was sent the same bytes %([1-9]%d* commands, up to its last pulse%)\n", out)
    resealed.edit(run, nil, { ["events.tsv"] = function(rows)
      return (rows:gsub("dI/dt %d+", "dI/dt 1", 1)) -- which no column that is compared has
    end })
    status, out = again(run)
    assert.are.equal(1, status, out)
    assert.matches("\nevents.tsv  differs from line %d on\n", out)
  end)

  it("of a script that fails later says so, with its status", function()
    local run = ended_by("INT", 5, 3, [[local mp = require "moonpulse"
return mp.experiment(function(run)
  local stim, pulse = run:device(), mp.pulse(mp.mso(40))
  stim:arm(pulse)
  for _ = 1, 40 do
    stim:play(pulse)
    run:sleep(0.1)
  end
  error "too many"
end)]])
    local status, out = again(run)
    assert.are.equal(2, status, out)
    assert.matches("two.lua:9: too many", out, 1, true)
    assert.matches("\nSAME ", out, 1, true)
  end)

  for what, way in pairs {
    staircases = "staircase { start = 40, step = 2, trials = i * 4, reversals = 9, min_step = 2 }",
    hunts = 'threshold { method = "stochastic", start = 40, trials = i * 4 }' } do
    it(("compares the %s that it had finished"):format(what), function()
      local run = ended_by("KILL", 137, 8, ([[local mp = require "moonpulse"
return mp.experiment(function(run)
  local stim = run:device()
  stim:arm()
  for i = 1, 2 do
    for trial, mso in run:%s do
      stim:fire(mp.pulse(mp.mso(mso)))
      trial:answer(trial.number %% 2 == 0)
      run:sleep(i == 1 and 0.05 or 0.3)
    end
  end
end)]]):format(way))
      local status, out = again(run)
      assert.are.equal(0, status, out)
      assert.matches("\naround      SAME: parameters, thresholds, marks\nSAME ", out, 1, true)
    end)
  end

  local short = text:gsub("200", "20") -- within the guidelines, for one whose threshold nobody said

  --- A run that the fault of what is at its port ended; its folder.
  local function faulted(of, port_fault)
    shell.write(folder .. "/two.lua", of or short)
    local tty = folder .. "/tty"
    jobs:start("sim", ("sim magventure --fault %s --link %s"):format(port_fault or "unplug@9", tty))
    shell.await(function() return lfs.symlinkattributes(tty, "mode") end, "the simulator's port")
    local status, out, err = shell.moonpulse(folder, ("run %s/two.lua --device magventure --port %s "
      .. "--tolerance 5000 --out %s/first"):format(folder, tty, folder))
    assert.are.equal(4, status, out .. err)
    local run = fixture.run_in(folder .. "/first")
    assert.are.equal("device fault", fixture.manifest(run).status)
    return run
  end

  local script = [[local mp = require "moonpulse"
return mp.experiment(function(run)
  local stim, pulse = run:device(), mp.pulse(mp.mso(40))
  stim:arm(pulse)
  for i = 1, 20 do
    run:mark("trial " .. i)
    stim:fire(pulse)
    run:sleep(0.1)
  end
end)]]

  it("by its device's own fault says that this is not done again, and compares what came", function()
    for of, whole in pairs { [short] = 32, [script] = 20 } do
      for _, fault in ipairs { "unplug@9", "drop@9" } do
        local run = faulted(of, fault)
        local given = 0
        for _, row in ipairs((fixture.pulse_rows(run))) do
          given = row.status == "delivered" and math.max(given, tonumber(row.pulse)) or given
        end
        local status, out = again(run)
        assert.are.equal(0, status, out)
        assert.matches("\ndiffers     end: the device's own fault ended the run (", out, 1, true)
        assert.matches("): it is not done again; what was given until then is compared\n", out, 1, true)
        assert.matches(("\nend         the run ended early, with pulse %d ("):format(given), out, 1, true)
        assert.matches(("), by the device's own fault, which is not done again; this one has %d pulses: what "
          .. "is compared ends there\n"):format(whole), out, 1, true)
        assert.matches(("\npulses      SAME: %d pulses"):format(given), out, 1, true)
        assert.matches("\nSAME ", out, 1, true)
        for _, name in ipairs { "first", "second", "tty" } do
          shell.remove(folder .. "/" .. name)
        end
      end
    end
  end)

  it("by its device's own fault is different where a pulse until then is", function()
    local run = faulted()
    resealed.edit(run, nil, { ["events.tsv"] = function(rows)
      return (rows:gsub("\t40\t40\tMSO\tdelivered", "\t41\t40\tMSO\tdelivered", 1))
    end })
    local status, out = again(run)
    assert.are.equal(1, status, out)
    assert.matches("\nDIFFERENT ", out, 1, true)
  end)

  it("by a fault that it was asked for ends so again, and all is compared", function()
    shell.write(folder .. "/two.lua", text)
    local status = shell.moonpulse(folder, ("run %s/two.lua --speed max --fault drop@9 --out %s/first")
      :format(folder, folder))
    assert.are.equal(4, status)
    local out
    status, out = again(fixture.run_in(folder .. "/first"))
    assert.are.equal(0, status, out)
    assert.is_nil(out:find("not done again", 1, true))
    assert.matches("\naround      SAME: parameters, thresholds, marks, how it ended\n", out, 1, true)
  end)

  it("finds what was changed of what it gave", function()
    local run = ended_by("INT", 5, 14)
    local changed
    resealed.edit(run, nil, { ["events.tsv"] = function(rows)
      rows, changed = rows:gsub("\t45\t45\tMSO\tdelivered", "\t44\t45\tMSO\tdelivered", 1)
      return rows
    end })
    assert.are.equal(1, changed)
    local status, out = again(run)
    assert.are.equal(1, status, out)
    assert.matches("\npulses      DIFFERENT:\n  stimulator output: .-\n      A  44 %%MSO\n      B  45 %%MSO",
      out)
    assert.matches("\nDIFFERENT ", out, 1, true)
  end)
end)
