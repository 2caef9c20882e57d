-- --trigger-in lines:PATH: edges of a port's lines are triggers, in virtual time those of --triggers: each
-- once, for whatever waits for them. The pulses are the simulator's own.
local cjson = require "cjson"
local core = require "moonpulse.core"
local fixture = require "job"
local shell = require "shell"

local edges = "1 cts rising\n1.5 cts falling\n2 ri rising\n2.2 dsr rising\n3 cts rising\n3.4 cd rising\n"
  .. "3.5 cts falling\n4 cd falling\n6 ri falling\n7 cts rising\n8 dsr falling\n"

describe("edges of lines", function()
  local folder, jobs
  fixture.each_test(function(new, list) folder, jobs = new, list end)

  local function script(body)
    shell.write(folder .. "/made.lua", ([[
      local mp = require "moonpulse"
      return mp.experiment(function(run)
        local stim, pulse = run:device(), mp.pulse(mp.mso(40))
        %s
      end)
    ]]):format(body))
  end

  --- When the simulator gave its pulses, in hundredths of a second from the run's start.
  local function run(body, more)
    script(body)
    shell.write(folder .. "/edges.txt", edges)
    local status, _, err = shell.sh(folder, ("%s run %s/made.lua --triggers %s/edges.txt --speed max --out "
      .. "%s/runs %s"):format(shell.program, folder, folder, folder, more or ""))
    if status ~= 0 then
      return nil, err
    end
    local found, onsets = fixture.run_in(folder .. "/runs"), {}
    local manifest = cjson.decode((assert(shell.read(found .. "/manifest.json"))))
    for time, event in shell.read(found .. "/twin.tsv"):gmatch("\n([%d.]+)\t(%a+)") do
      onsets[#onsets + 1] = event == "pulse" and (tonumber(time) - 1000) // 0.01 / 100 or nil
    end
    assert.are.equal(0, (shell.sh(folder, shell.program .. " verify " .. found)))
    local rows = shell.read(found .. "/events.tsv")
    local again, out = shell.sh(folder, ("%s rerun %s --out %s/again"):format(shell.program, found, folder))
    assert.are.equal(0, again, out)
    shell.remove(folder .. "/runs")
    return onsets, manifest.experiment.triggers, rows
  end

  for line, expected in pairs { cts = { rising = { 1, 3, 7 }, falling = { 1.5, 3.5 } },
    dsr = { rising = { 2.2 }, falling = { 8 } }, ri = { rising = { 2 }, falling = { 6 } },
    cd = { rising = { 3.4 }, falling = { 4 } } } do
    it("start a plan: " .. line, function()
      for edge, times in pairs(expected) do
        local onsets, facts = run(("stim:arm(pulse) stim:on_trigger(pulse, { line = %q, edge = %q, count = "
          .. "9, refractory = 1 })"):format(line, edge))
        assert.are.equal(#times, #onsets, edge)
        for i, at in ipairs(times) do
          assert.is_true(math.abs(onsets[i] - at - 0.06) < 0.05, edge) -- its clock begins before
        end
        assert.are.equal(#times, facts.on_trigger.starts)
        assert.are.equal(11, facts.came)
      end
    end)
  end

  it("that come too soon are named, and come to run:wait_trigger", function()
    local onsets = run([[stim:arm(pulse)
      stim:on_trigger(pulse, { line = "cts", count = 1, refractory = 1 })
      local at, byte = run:wait_trigger { line = "cd", edge = "falling" }
      assert(byte == 108 and at == 4)
      stim:on_trigger(pulse, { line = "ri", edge = "falling", count = 1, refractory = 1 })]])
    assert.are.equal(2, #onsets)
    local more, _, rows = run([[stim:arm(pulse)
      stim:on_trigger(pulse, { line = "cts", count = 2, refractory = 4 })]])
    assert.are.equal(2, #more)
    assert.matches("trigger: CTS rising, passed over: within the refractory time", rows, 1, true)
  end)

  it("start a run", function()
    shell.write(folder .. "/p.lua", 'local mp = require "moonpulse"\nreturn mp.pulse(mp.mso(40))\n')
    for which, at in pairs { ["line=cts"] = 1, ["line=cts-"] = 1.5, ["line=ri-"] = 6 } do
      shell.write(folder .. "/edges.txt", edges)
      local status, out, err = shell.sh(folder, ("%s run %s/p.lua --triggers %s/edges.txt "
        .. "--start-on %s --speed max --out %s/runs"):format(shell.program, folder, folder, which, folder))
      assert.are.equal(0, status, err)
      local found = fixture.run_in(folder .. "/runs")
      local manifest = cjson.decode((assert(shell.read(found .. "/manifest.json"))))
      assert.is_true(math.abs(manifest.start.trigger_waited_s - at) < 0.1, out)
      assert.are.equal(0, (shell.sh(folder, shell.program .. " verify " .. found)))
      shell.remove(folder .. "/runs")
    end
    local status, _, err = shell.sh(folder, ("%s run %s/p.lua --triggers %s/edges.txt "
      .. "--speed max --start-on line=rts"):format(shell.program, folder, folder))
    assert.are.equal(2, status)
    assert.matches("line=rts: it must be cts, dsr, ri or cd", err, 1, true)
  end)

  it("are refused with what makes no sense, at the script's line", function()
    for options, why in pairs {
      ['line = "rts"'] = 'line must be "cts", "dsr", "ri" or "cd"',
      ['line = "cts", byte = 5'] = "give byte or line, not both",
      ['edge = "falling"'] = "edge goes with line",
      ['line = "cd", edge = "up"'] = 'edge must be "rising"',
    } do
      local found, err = run(("stim:arm(pulse) stim:on_trigger(pulse, { %s, count = 1, refractory = 1 })")
        :format(options))
      assert.is_nil(found)
      assert.matches("made.lua:4: stim:on_trigger: " .. why, err, 1, true)
    end
  end)

  local with_modem, no_shim = require "shim".of "modem"

  it("of a port in real time are each told once, and start what waits for them", function()
    if not with_modem then
      return pending(no_shim)
    end
    local port = jobs:port()
    script([[stim:arm(pulse)
      run:spawn(function()
        for i = 1, 3 do
          while #run:triggers() < i do run:sleep(0.02) end
          run:note("edge " .. i)
        end
      end)
      stim:on_trigger(pulse, { line = "ri", count = 1, refractory = 0.5, timeout = 20 })
      run:note "started"
      run:wait_trigger { line = "cd", edge = "falling", timeout = 20 }
      local t = {}
      for i, each in ipairs(run:triggers()) do t[i] = string.char(each.byte) .. each.became end
      run:note(table.concat(t, " "))]])
    local function set(high) -- at once: a look must not find the file empty
      shell.write(folder .. "/new", high)
      assert(os.rename(folder .. "/new", folder .. "/lines"))
    end
    set "D"
    local job = jobs:start("job", ("run %s/made.lua --tolerance 1000 --out %s/runs --trigger-in lines:%s")
      :format(folder, folder, port:path()), ("%s MODEM_INPUT=%s/lines"):format(with_modem, folder))
    shell.await(function()
      local found = shell.names(folder .. "/runs")[1] or ""
      return job:ended() or (shell.read(("%s/runs/%s/journal.jsonl"):format(folder, found)) or "")
        :find('"kind":"ahead"', 1, true)
    end, "that triggers are listened to")
    for i, high in ipairs { "", "C", "CL" } do
      set(high)
      job:says("edge " .. i)
    end
    set "CLR"
    job:says "started"
    set "R"
    assert.are.equal(0, job:wait(), job:err())
    assert.matches("dpassed_over Cpassed_over Lpassed_over Rstarts cpassed_over ltaken", job:out())
    local found = fixture.run_in(folder .. "/runs")
    assert.are.equal(1, select(2, shell.read(found .. "/twin.tsv"):gsub("\tpulse\t", "")))
    assert.are.equal(0, (shell.sh(folder, shell.program .. " verify " .. found)))
    local status, out = shell.sh(folder, ("%s rerun %s --out %s/again"):format(shell.program, found, folder))
    assert.are.equal(0, status, out)
  end)

  -- an edge comes while a plan is played: the next wait is given it, once; of another one that came so
  -- nothing is left for a wait that says fresh
  local amid = [[stim:arm(pulse)
    local train = mp.train { pulses = 8, hz = 10, intensity = mp.mso(40) }
    run:wait_trigger { line = "cts", timeout = 60 }
    run:note "the first"
    stim:play(train)
    local at = run:wait_trigger { line = "cts", timeout = 60 }
    run:note(at and "the second" or "lost")
    run:note(run:wait_trigger { line = "cts", timeout = 0.3 } and "doubled" or "once")
    if PASSED_OVER then
      stim:play(train)
      run:note(run:wait_trigger { line = "cts", timeout = 0.3, fresh = true } and "stale" or "fresh")
    end]]

  local function notes_of(found)
    local list = {}
    for _, text in ipairs { "the first", "lost", "the second", "doubled", "once", "stale", "fresh" } do
      list[#list + 1] = shell.read(found .. "/events.tsv"):find(text, 1, true) and text or nil
    end
    return table.concat(list, ", ")
  end

  it("that come while a plan is played are given to the next wait", function()
    for with, more in pairs { [""] = "", ["0.5 port 9\n"] = "run:wait_trigger { byte = 9 } ",
      ["0.7 ri rising\n"] = 'run:wait_trigger { line = "ri" } ' } do
      script(more .. amid:gsub("PASSED_OVER", "true"))
      shell.write(folder .. "/edges.txt", with .. "1 cts rising\n1.4 cts falling\n1.5 cts rising\n"
        .. "1.6 dsr rising\n2.4 cts falling\n3 cts rising\n20 cts falling\n30 cts rising\n")
      local status, _, err = shell.sh(folder, ("%s run %s/made.lua --triggers %s/edges.txt --speed max --out "
        .. "%s/runs"):format(shell.program, folder, folder, folder))
      assert.are.equal(0, status, err)
      local found = fixture.run_in(folder .. "/runs")
      assert.are.equal("the first, the second, once, fresh", notes_of(found), with)
      assert.are.equal(0, (shell.sh(folder, shell.program .. " verify " .. found)))
      shell.remove(folder .. "/runs")
    end
  end)

  it("that come while a plan is played in real time are given to the next wait", function()
    if not with_modem then
      return pending(no_shim)
    end
    script((amid:gsub("PASSED_OVER", "false")))
    local port = jobs:port()
    local function set(high)
      shell.write(folder .. "/new", high)
      assert(os.rename(folder .. "/new", folder .. "/lines"))
    end
    for where, more in pairs { device = "", port = "--trigger-in lines:" .. port:path() } do
      set ""
      local job = jobs:start(where, ("run %s/made.lua --tolerance 1000 --timing host --out %s/%s %s"):format(
        folder, folder, where, more), ("%s MODEM_INPUT=%s/lines"):format(with_modem, folder))
      shell.await(function()
        local found = shell.names(("%s/%s"):format(folder, where))[1] or ""
        return job:ended() or (shell.read(("%s/%s/%s/events.tsv"):format(folder, where, found)) or "")
          :find("armed", 1, true)
      end, "armed")
      core.wait(0.1)
      set "C"
      job:says "the first"
      set ""
      core.wait(0.1)
      set "C"
      assert.are.equal(0, job:wait(), job:err())
      local found = fixture.run_in(("%s/%s"):format(folder, where))
      assert.are.equal("the first, the second, once", notes_of(found), where)
      assert.are.equal(0, (shell.sh(folder, shell.program .. " verify " .. found)))
    end
  end)

  it("are told to be where they are, where a script waits for them and the port is read for bytes", function()
    script('stim:arm(pulse) stim:on_trigger(pulse, { line = "cts", count = 1, refractory = 1, timeout = 5 })')
    local port = jobs:port()
    local job = jobs:start("job", ("run %s/made.lua --out %s/runs --trigger-in %s"):format(folder, folder,
      port:path()))
    assert.are.equal(2, job:wait())
    assert.matches("edges of a port's lines are triggers with --trigger-in lines:/", job:err(), 1, true)
    job = jobs:start("job", ("run %s/made.lua --out %s/runs --trigger-in lines:%s"):format(folder, folder,
      port:path()))
    assert.are.equal(4, job:wait())
    assert.matches("has no modem lines to watch", job:err(), 1, true)
  end)
end)
