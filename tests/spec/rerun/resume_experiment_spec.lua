-- An experiment that broke off is gone on with: its script comes to where it was, with all that it knew, and
-- what both runs gave is, at the simulator, what one run gives that did not break off.
local core = require "moonpulse.core"
local fixture = require "job"
local shell = require "shell"

local blocks = [[
local mp = require "moonpulse"
return mp.experiment(function(run)
  local stim, sum = run:device(), 0
  stim:arm()
  for block = 1, 3 do
    run:mark(("block %d"):format(block))
    for i, mso in ipairs(run:shuffle({ 40, 50, 60 }, { blocks = 2 })) do
      stim:fire(mp.pulse(mp.mso(mso)):label "TS", { at = run:now() + 0.3 })
      sum = sum + tonumber(run:ask(("block %d, %d: MEP in uV? [number]"):format(block, i)))
      run:sleep(run:uniform(0.1, 0.2))
    end
  end
  stim:disarm()
  run:note(("the sum is %g"):format(sum))
end)
]]

local trains = [[
local mp = require "moonpulse"
return mp.experiment(function(run)
  local stim = run:device()
  stim:arm()
  for _ = 1, 2 do
    stim:play(mp.train { pulses = 10, hz = 5, intensity = mp.mso(40) }:times(3, { gap = 20 }))
    run:sleep(20)
  end
end)
]]

describe("resume of an experiment", function()
  local folder, jobs
  fixture.each_test(function(...) folder, jobs = ... end)

  local function answers(first, last)
    local lines = {}
    for i = first, last do
      lines[#lines + 1] = i
    end
    local path = ("%s/answers_%d_%d"):format(folder, first, last)
    shell.write(path, table.concat(lines, "\n") .. "\n")
    return path
  end

  --- A command that keeps its run in a folder of its own: status, what it said, the run.
  local function made(out, text, ...)
    local status, said, err = shell.moonpulse(folder, (text .. " --out %s/%s"):format(...))
    return status, said .. err, shell.names(folder .. "/" .. out)[1] and fixture.run_in(folder .. "/" .. out)
  end

  local function run(out, name, more)
    return made(out, "run %s/%s --seed 7 --speed max %s", folder, name, more or "", folder, out)
  end

  local function resume(out, of, more)
    return made(out, "resume %s %s", of, more or "", folder, out)
  end

  --- What the simulator fired, in its order.
  local function fired(...)
    local list = {}
    for _, path in ipairs { ... } do
      for _, row in ipairs((shell.rows(path .. "/twin.tsv"))) do
        list[#list + 1] = row.event == "pulse" and row.intensity or nil
      end
    end
    return list
  end

  local function is_whole(...)
    for _, path in ipairs { ... } do
      local status, out, err = shell.moonpulse(folder, "verify " .. path)
      assert.are.equal(0, status, out .. err)
      assert.matches("are what the kept text, seed, parameters and answers make", out, 1, true)
    end
  end

  it("gives in a third block what had not begun, with the order, draws and answers of a whole run", function()
    shell.write(folder .. "/blocks.lua", blocks)
    local _, said, whole = run("whole", "blocks.lua", "--answers " .. answers(1, 18))
    assert.matches("the sum is 171", said, 1, true)
    local status, text, first = run("first", "blocks.lua", "--answers " .. answers(1, 14))
    assert.are.equal(2, status)
    assert.matches("\nresume +moonpulse resume " .. first:gsub("%p", "%%%0") .. " goes on", text)
    local second
    status, text, second = resume("second", first, "--answers " .. answers(15, 16))
    assert.are.equal(2, status, text)
    assert.matches("so far +15 pulses were given, in 15 plans\ngoes on +with plan 16\n", text)
    local third
    status, text, third = resume("third", second, "--answers " .. answers(17, 18))
    assert.are.equal(0, status, text)
    assert.matches("the sum is 171", text, 1, true)
    assert.are.same(fired(whole), fired(first, second, third))
    assert.are.same({ what = "plan", number = 18, pulses_before = 17, continues = second:match("[^/]+$") },
      fixture.manifest(third).begins_at)
    is_whole(first, second, third)
    status, text = shell.moonpulse(folder, ("rerun %s --out %s/again"):format(third, folder))
    assert.are.equal(0, status, text)
    status, text = resume("third", second)
    assert.are.equal(2, status)
    assert.matches(third:match "/third/.*$" .. " goes on with it, and came to its end: nothing is left", text,
      1, true)
  end)

  it("gives what is left of a plan that broke off, behind that plan's silence, and counts all", function()
    shell.write(folder .. "/trains.lua", trains)
    local _, _, first = run("first", "trains.lua", "--fault unplug@45")
    local status, text, second = resume("second", first)
    assert.are.equal(0, status, text)
    assert.matches("goes on +with what is left of plan 2, of which 15 of 30 pulses were given", text)
    assert.matches("left out: 5 pulses of a trial that had begun", text, 1, true)
    assert.are.equal(45 + 10, #fired(first) + #fired(second))
    local pulses = fixture.pulse_rows(second)
    assert.is_true(pulses[1].onset_us == nil and tonumber(pulses[1].onset) > 20)
    is_whole(first, second)
    shell.write(folder .. "/lab.lua", "return { pulses_per_session = 54 }")
    status, text = resume("limited", first, "--lab " .. folder .. "/lab.lua")
    assert.are.equal(2, status, text) -- it was resumed
    shell.remove(folder .. "/first")
    _, _, first = run("first", "trains.lua", "--fault unplug@45")
    _, text = resume("limited", first, "--lab " .. folder .. "/lab.lua")
    assert.matches("OVER: pulses a session: 60 pulses", text, 1, true)
  end)

  it("gives each mark and its code once, wherever behind its plans the script was", function()
    shell.write(folder .. "/marks.lua", [[local mp = require "moonpulse"
      return mp.experiment(function(run)
        local stim, one = run:device(), mp.pulse(mp.mso(40))
        stim:arm()
        stim:fire(one)
        run:mark("same", { code = 9 })
        run:sleep(3)
        run:mark("same", { code = 9 })
        run:note "noted"
        run:ask "first?"
        stim:fire(one)
        run:mark("asked", { code = 10 })
        run:note "noted"
        run:ask "second?"
        run:mark "last"
        stim:fire(one)
      end)]])
    local _, _, first = run("first", "marks.lua", "--codes sim --answers /dev/null")
    local status, text, second = resume("second", first, "--answers " .. answers(1, 1))
    assert.are.equal(2, status, text)
    local third
    status, text, third = resume("third", second, "--answers " .. answers(2, 2))
    assert.are.equal(0, status, text)
    local said = { same = true, noted = true, asked = true, last = true }
    local marks, codes = {}, {}
    for _, path in ipairs { first, second, third } do
      for _, row in ipairs(shell.rows(path .. "/events.tsv")) do
        marks[#marks + 1] = row.event == "mark" and said[row.reply] and row.reply or nil
      end
      for _, row in ipairs((shell.rows(path .. "/codes.tsv"))) do
        codes[#codes + 1] = row.byte ~= "0" and row.byte or nil
      end
    end
    assert.are.equal(3, #fired(first, second, third))
    assert.are.same({ "same", "same", "noted", "asked", "noted", "last" }, marks)
    assert.are.same({ "9", "9", "10" }, codes)
    is_whole(first, second, third)
  end)

  it("keeps armed what was armed where the script catches the refusal of its next plan", function()
    shell.write(folder .. "/caught.lua", [[local mp = require "moonpulse"
      return mp.experiment(function(run)
        local stim = run:device()
        stim:arm()
        stim:fire(mp.pulse(mp.mso(40)))
        run:ask "first?"
        local ok, why = pcall(function() stim:play(mp.pulse(mp.mso(40)):times(5, { every = 0.0001 })) end)
        run:note(tostring(ok) .. tostring(stim:armed()))
        stim:fire(mp.pulse(mp.mso(41)))
        run:ask "second?"
        stim:fire(mp.pulse(mp.mso(42)))
      end)]])
    local _, _, first = run("first", "caught.lua", "--answers /dev/null")
    local status, text, second = resume("second", first, "--answers " .. answers(1, 1))
    assert.are.equal(2, status)
    assert.matches("falsetrue", text, 1, true)
    local third
    status, text, third = resume("third", second, "--answers " .. answers(2, 2))
    assert.are.equal(0, status, text)
    assert.are.same({ "40", "41", "42" }, fired(first, second, third))
    is_whole(first, second, third)
  end)

  it("keeps a gate open that was open", function()
    shell.write(folder .. "/gate.lua", [[local mp = require "moonpulse"
      return mp.experiment(function(run)
        local stim, pulse = run:device(), mp.pulse(mp.mso(40))
        stim:arm(pulse)
        stim:on_trigger(pulse, { byte = 5, count = 6, refractory = 2, gate = "cts", timeout = 40 })
      end)]])
    shell.write(folder .. "/gate.txt", "1 cts rising\n4 port 5\n7 port 5\n10 port 5\n13 port 5\n"
      .. "16 cts falling\n17 port 5\n20 cts rising\n21 port 5\n")
    local _, _, first = run("first", "gate.lua", ("--triggers %s/gate.txt --fault unplug@2"):format(folder))
    local status, text, second = resume("second", first)
    assert.are.equal(0, status, text)
    assert.are.equal(5, #fired(first, second), text) -- at 4, 7, 10, 13 and 21 s, whichever run it was
    is_whole(second)
  end)

  it("finds the threshold that the whole hunt finds, with each of its trials", function()
    local function hunt(out, yes)
      shell.write(folder .. "/yn", ("y\nn\n"):rep(yes))
      return made(out, "run threshold_hunt --seed 3 --speed max --answers %s/yn", folder, folder, out)
    end
    local _, _, whole = hunt("whole", 10)
    local _, _, first = hunt("first", 3)
    shell.write(folder .. "/rest", ("y\nn\n"):rep(7))
    local status, text, second = resume("second", first, "--answers " .. folder .. "/rest")
    assert.are.equal(0, status, text)
    assert.are.same(fixture.manifest(whole).experiment.thresholds,
      fixture.manifest(second).experiment.thresholds)
    assert.are.same(fired(whole), fired(first, second))
    is_whole(second)
  end)

  it("goes on with a run that was killed, and one that a signal stopped, in real time", function()
    shell.write(folder .. "/blocks.lua", (blocks:gsub("0%.3 }", "0.15 }")))
    local asked = answers(1, 18)
    local function broken(signal, name)
      local job = jobs:start(name, ("run %s/blocks.lua --seed 7 --tolerance 5000 --answers %s --out %s/%s")
        :format(folder, asked, folder, name))
      shell.await(function()
        local found = shell.names(folder .. "/" .. name)[1]
        local log = found and shell.read(("%s/%s/%s/journal.jsonl"):format(folder, name, found)) or ""
        return select(2, log:gsub('"kind":"play"', "")) >= 13
      end, "13 plans")
      job:signal(signal)
      job:wait()
      return fixture.run_in(folder .. "/" .. name)
    end
    for _, signal in ipairs { "KILL", "INT" } do
      local first = broken(signal, "first" .. signal)
      if signal == "KILL" then
        assert.are.equal(0, (shell.moonpulse(folder, "recover " .. first)))
      end
      local status, text, second = resume("second" .. signal, first, "--speed max")
      assert.are.equal(0, status, text)
      assert.matches("the sum is 171", text, 1, true)
      assert.are.equal(18, #fired(first, second))
      is_whole(first, second)
    end
  end)

  it("is refused before anything is given, where what is left cannot be told", function()
    local head = 'local mp = require "moonpulse"\nreturn mp.experiment(function(run)\nlocal stim = '
      .. 'run:device() stim:arm() stim:fire(mp.pulse(mp.mso(40))) '
    for text, why in pairs {
      ['run:spawn(function() run:ask "a?" end) run:sleep(5) end)'] = false,
      ['run:spawn(function() run:sleep(1) error "no" end) run:sleep(5) end)'] = "would end there again",
      ['run:stop() end)'] = "was ended by its script",
      ['if not io.open("/dev/null") then end run:ask "a?" end)'] = false,
    } do
      shell.remove(folder .. "/first")
      shell.remove(folder .. "/second")
      shell.write(folder .. "/made.lua", head .. text)
      local _, said, first = run("first", "made.lua", "--answers /dev/null")
      assert.is_truthy(first, said)
      local status, now = resume("second", first, "</dev/null")
      assert.are_not.equal(0, status)
      assert.matches(why or "question 1 has no answer", now, 1, true)
    end
    shell.write(folder .. "/way", "50")
    shell.write(folder .. "/made.lua", ('local mp = require "moonpulse"\nreturn mp.experiment(function(run)\n'
      .. 'local stim = run:device() stim:arm() local n = tonumber((io.open "%s/way"):read "a")\n'
      .. 'stim:fire(mp.pulse(mp.mso(n)):times(n // 10, { every = 5 })) run:ask "b?" stim:fire(mp.pulse('
      .. 'mp.mso(n))) end)'):format(folder))
    shell.remove(folder .. "/first")
    shell.remove(folder .. "/second")
    local _, _, first = run("first", "made.lua", "--answers /dev/null")
    shell.write(folder .. "/way", "60")
    local status, now, second = resume("second", first, "--answers " .. answers(1, 1))
    assert.are.equal(2, status, now)
    assert.is_true(now:find("the script plays another plan (6 pulses)", 1, true) ~= nil
      or now:find("differs", 1, true) ~= nil, now)
    assert.are.same({}, second and fired(second) or {})
  end)

  it("goes on where a key paused it: between two plans at once", function()
    shell.write(folder .. "/blocks.lua", (blocks:gsub("run:ask%b()", "1")))
    local seen = {}
    local terminal = core.pty(nil, function(bytes) seen[#seen + 1] = bytes end)
    os.execute(("stty -icanon -echo <%s"):format(terminal:path()))
    local job = jobs:start("run", ("run %s/blocks.lua --tolerance 5000 --out %s/first <%s >%s 2>&1"):format(
      folder, folder, terminal:path(), terminal:path()))
    shell.await(function() return table.concat(seen):find("2%.%d+ s +1 pulse") end, "a plan")
    terminal:write "p"
    assert.are.equal(5, job:wait(), table.concat(seen))
    local first = fixture.run_in(folder .. "/first")
    assert.matches("^paused by a key %(p%), behind plan %d+$", fixture.manifest(first).result.reason)
    terminal:close()
    local status, text, second = resume("second", first, "--speed max")
    assert.are.equal(0, status, text)
    assert.are.equal(18, #fired(first, second))
    assert.matches("the sum is 18", text, 1, true)
  end)

  it("keeps an answer behind which it was paused, and asks below what the keys do", function()
    shell.write(folder .. "/ask.lua", [[local mp = require "moonpulse"
      return mp.experiment(function(run)
        local stim = run:device()
        stim:arm()
        for i = 1, 3 do
          stim:fire(mp.pulse(mp.mso(40 + i)))
          run:note("got " .. run:ask(("trial %d? [number]"):format(i)))
          run:sleep(i == 2 and 60 or 0.1)
        end
      end)]])
    local function typed(out, text, ...)
      local seen = {}
      local terminal = core.pty(nil, function(bytes) seen[#seen + 1] = bytes end)
      os.execute(("stty -icanon -echo <%s"):format(terminal:path()))
      local job = jobs:start(out, ("%s --tolerance 5000 --out %s/%s <%s >%s 2>&1"):format(text, folder, out,
        terminal:path(), terminal:path()))
      for _, step in ipairs { ... } do
        shell.await(function() return table.concat(seen):find(step[1]) end, step[1])
        if step[2] == "INT" then
          job:signal "INT"
        else
          terminal:write(step[2])
        end
      end
      assert.are.equal(5, job:wait(), table.concat(seen))
      shell.await(function() return table.concat(seen):find "\nseal " end, "its end")
      terminal:close()
      return fixture.run_in(folder .. "/" .. out), table.concat(seen)
    end
    local first = typed("first", ("run %s/ask.lua"):format(folder), { "trial 1%?", "1\n" },
      { "trial 2%?", "INT" })
    local second, said = typed("second", "resume " .. first, { "trial 2%?", "7\n" }, { "got 7", "p" })
    assert.matches("p pauses behind the trial, and resume goes on%)[^\n]*\n[^\n]*trial 2%?", said)
    assert.matches("resume +moonpulse resume " .. second:gsub("%p", "%%%0") .. " goes on with the rest", said)
    local status, text, third = resume("third", second, "--speed max --answers " .. answers(3, 3))
    assert.are.equal(0, status, text)
    assert.not_matches("trial 2?", text, 1, true)
    assert.are.same({ "41", "42", "43" }, fired(first, second, third))
    is_whole(first, second, third)
  end)
end)
