-- An experiment in real time is done again as it was: its script is told what it was told then, so that it
-- decides the same, whatever the computer does; and so is a run that was done again in its turn.
local core = require "moonpulse.core"
local fixture = require "job"
local resealed = require "resealed"
local shell = require "shell"
local verify = require "moonpulse.verify"

local asks = [[local mp = require "moonpulse"
return mp.experiment { name = "Asks", run = function(run)
  local stim = run:device()
  local extra = 0
  for _ = 1, 3 do
    local at, byte = run:wait_trigger { timeout = 0.2 }
    run:mark(("byte %s at %.9f"):format(byte, at or -1))
    extra = extra + (byte or 1)
  end
  local at, byte = run:wait_trigger { timeout = 30, byte = 9 }
  run:mark(("byte %s at %.9f"):format(byte, at))
  local _, why = pcall(stim.arm, stim, mp.pulse(mp.rmt(210)))
  run:mark("refused: " .. tostring(why))
  for trial, intensity in run:staircase { start = 40 + extra % 7, step = 4, reversals = 3 } do
    stim:arm(mp.pulse(mp.mso(intensity)))
    local start = stim:fire(mp.pulse(mp.mso(intensity)), { at = run:now() + 0.5 })
    run:mark(("started %.9f, now %.9f"):format(start, run:now()))
    trial:answer(run:ask "MEP? [y/n]")
    stim:disarm()
  end
  stim:arm()
  _, why = pcall(stim.fire, stim, mp.pulse(mp.mso(50)), { at = 0.1 })
  run:mark("too soon: " .. tostring(why))
  run:stop "a pause"
  local plan = mp.pulse(mp.mso(45)) .. mp.rest { min = 0.3, max = 0.5 } .. mp.pulse(mp.rmt(90))
  stim:arm(plan)
  stim:play(plan)
  run:note("limit " .. stim:limits().intensity.max .. ", status " .. tostring(stim:status().enabled))
end }
]]

describe("rerun of an experiment in real time", function()
  local folder, jobs
  fixture.each_test(function(...) folder, jobs = ... end)

  --- Run text with bytes of a trigger port that come whenever they come; the run's folder.
  local function recorded(text, more, meanwhile)
    local port <close> = core.pty(nil, function() end)
    shell.write(folder .. "/real.lua", text)
    shell.write(folder .. "/answers", ("y\nn\nn\ny\n"):rep(9))
    local job = jobs:start("real", ("run %s/real.lua --rmt 50 --out %s/first --seed 7 --answers %s/answers "
      .. "--trigger-in %s %s"):format(folder, folder, folder, port:path(),
      shell.options(more, "--tolerance 5000")))
    local turns = 0
    shell.await(function()
      turns = turns + 1
      port:write(turns % 11 == 0 and "\9" or turns % 7 == 0 and "\5" or "")
      if meanwhile then
        meanwhile(job)
      end
      return job:ended()
    end, "the end of the run")
    return fixture.run_in(folder .. "/first"), job:wait(), job:err()
  end

  local count = 0
  local function again(run, more)
    count = count + 1
    local out = ("%s/again%d"):format(folder, count)
    local status, text, err = shell.moonpulse(folder, ("rerun %s --out %s %s"):format(run, out, more or ""))
    return status, text .. err, fixture.run_in(out)
  end

  local function is_whole(run)
    local found = assert(verify.folder(run, {}))
    assert.are.same({}, found.differs)
    assert.are.same({}, found.unchecked)
    assert.matches("are what the kept text, seed, parameters and answers make",
      table.concat(found.checked, "\n"), 1, true)
  end

  it("decides the same, once and again, in virtual and in real time", function()
    local run, ended, err = recorded(asks)
    assert.are.equal(0, ended, err)
    is_whole(run)
    local from = run
    for _, more in ipairs { "", "", "--speed 1", "" } do -- each of the one before
      local status, text, made = again(from, more)
      assert.are.equal(0, status, text)
      assert.matches("\ndecisions   the same %(%d%d lines of the journal%)", text)
      assert.matches("\nSAME ", text, 1, true)
      is_whole(made)
      from = made
    end
  end)

  it("decides the same where pulses were left out", function()
    local run, ended, err = recorded((asks:gsub("mp.pulse%(mp.mso%(45%)%)",
      "mp.train { pulses = 30, hz = 50, intensity = mp.mso(45) }")), "--late skip --tolerance 0.01")
    assert.are.equal(0, ended, err)
    is_whole(run)
    local _, text = again(run)
    assert.matches("\ndecisions   the same %(%d%d lines of the journal%)", text)
  end)

  it("is the same where trigger bytes came before it first waited for one", function()
    local run, ended, err = recorded [[local mp = require "moonpulse"
      return mp.experiment(function(run)
        local stim = run:device()
        run:sleep(0.5)
        run:wait_trigger { byte = 5, timeout = 30 }
        run:mark "heard"
        stim:arm()
        stim:fire(mp.pulse(mp.mso(40)))
      end)]]
    assert.are.equal(0, ended, err)
    assert.matches("bytes? came before the script first waited", shell.read(run .. "/events.tsv"))
    local status, text = again(run)
    assert.are.equal(0, status, text)
    assert.matches("\naround      SAME: ", text, 1, true)
    resealed.edit(run, nil, { ["events.tsv"] = function(events)
      return (events:gsub("\theard\t", "\tHeard\t"))
    end })
    assert.matches("\naround      DIFFERENT: mark", (select(2, again(run))))
  end)

  it("decides the same until it was stopped", function()
    local stopped
    local run, ended = recorded(asks, nil, function(job)
      local name = not stopped and shell.names(folder .. "/first")[1]
      local journal = name and shell.read(folder .. "/first/" .. name .. "/journal.jsonl") or ""
      if select(2, journal:gsub('"kind":"play"', "")) >= 2 then
        stopped = true
        job:signal "INT"
      end
    end)
    assert.are.equal(5, ended)
    is_whole(run)
    local status, text = again(run)
    assert.are.equal(0, status, text)
    assert.matches("\ndecisions   the same %(%d%d lines of the journal, until it was stopped%)", text)
    resealed.edit(run, function(entries) -- and not where somebody changed them
      for _, entry in ipairs(entries) do
        entry.text = entry.text and entry.text:gsub("^started", "Started")
      end
    end)
    text = select(2, again(run))
    assert.matches("\ndecisions   differ from line %d+ of the journal on: mark: text is Started", text)
  end)

  it("compares nothing with a run that never began, and does it where it is given a stimulator", function()
    shell.write(folder .. "/short.lua", [[local mp = require "moonpulse"
      return mp.experiment(function(run)
        local stim = run:device()
        stim:arm()
        stim:fire(mp.pulse(mp.mso(40)))
      end)]])
    local status, text, err = shell.moonpulse(folder, ("run %s/short.lua --out %s/first --tolerance 5000 "
      .. "--trigger-in /dev/null"):format(folder, folder))
    assert.are.equal(4, status, text .. err)
    local never = "the run never began, so there is nothing to compare"
    local run = fixture.run_in(folder .. "/first")
    status, text, err = shell.moonpulse(folder, ("rerun %s --out %s/none"):format(run, folder))
    assert.are.equal(3, status, text .. err)
    assert.matches(never .. " (--trigger-in: ", err, 1, true)
    assert.is_nil(shell.names(folder .. "/none")[1])
    local link = folder .. "/stim"
    jobs:start("sim", ("sim magventure --link %s --log %s.tsv"):format(link, link)):says("simulated ")
    status, text, err = shell.moonpulse(folder, ("rerun %s --out %s/there --port %s")
      :format(run, folder, link))
    assert.are.equal(0, status, text .. err)
    assert.matches("\nrows        " .. never, text, 1, true)
    assert.is_nil(text:find("DIFFERENT", 1, true) or text:find("\nSAME", 1, true))
    assert.are.equal(1, select(2, shell.read(link .. ".tsv"):gsub("\tpulse\t", "")))
  end)
end)
