-- What a run tells other programs: judged by its own record, the simulator's log and a reader in Python that
-- knows nothing of Moonpulse.
local cjson = require "cjson"
local feed_text = require "moonpulse.cli.feed_text"
local fixture = require "job"
local lfs = require "lfs"
local schema_judge = require "schema_judge"
local shell = require "shell"

local slow = "--timing host --tolerance 10000"

describe("a run's feed", function()
  local folder, jobs
  fixture.each_test(function(...) folder, jobs = ... end)

  --- Begin a reader: how as in feed_reader.py.
  local function read(how, name, socket, input)
    local out = folder .. "/" .. name
    os.execute(("cat %s | python3 tests/helpers/feed_reader.py %s %s %s 2>%s.err & echo $! >%s.pid"):format(
      input and shell.quote(input) or "/dev/null", how, shell.quote(socket or folder .. "/feed"),
      shell.quote(out), shell.quote(out), shell.quote(out)))
    return out
  end

  --- All that a reader got, once it has ended, as data.
  local function got(out)
    local text = shell.await(function() return shell.read(out) end, out)
    local list = {}
    for line in text:gmatch("([^\n]*)\n") do
      list[#list + 1] = cjson.decode(line)
    end
    return list, text
  end

  local function run(name, arguments)
    return jobs:start(name, ("run %s --out %s/%s-runs"):format(arguments, folder, name))
  end

  local function record(name)
    return fixture.run_in(("%s/%s-runs"):format(folder, name))
  end

  local function only(list, ...)
    local found, wanted = {}, {}
    for _, event in ipairs { ... } do
      wanted[event] = true
    end
    for _, said in ipairs(list) do
      found[#found + 1] = wanted[said.event] and said or nil
    end
    return found
  end

  --- The lines that are rows of events.tsv, of whatever kind.
  local function rows_told(list)
    local found = {}
    for _, said in ipairs(list) do
      found[#found + 1] = said.index and said or nil
    end
    return found
  end

  --- The rows of events.tsv, each as what a feed should say of it.
  local function rows(path)
    local list, texts = {}, { trial_type = true, event = true, channel = true, intensity_ref = true,
      status = true, reply = true, timed_by = true, setting_proof = true }
    for i, row in ipairs(shell.rows(path .. "/events.tsv")) do
      list[i] = {}
      for name, value in pairs(row) do
        if value ~= "n/a" and name ~= "duration" and name ~= "cells" then
          list[i][name] = texts[name] and value or tonumber(value)
        end
      end
    end
    return list
  end

  local function bare(list)
    local found = {}
    for i, said in ipairs(list) do
      found[i] = {}
      for name, value in pairs(said) do
        local head = name == "n" or name == "mono_s" or name == "wall_s"
        found[i][name] = not head and value or nil
      end
    end
    return found
  end

  --- Lines are numbered from 1, without a gap, and their times do not go back.
  local function check_numbers(list)
    assert.are.equal("hello", list[1].event)
    local before = 0 -- who comes late is greeted now, and told of then
    for i = 2, #list do
      assert.are.equal(list[1].first_n + i - 2, list[i].n)
      assert.is_true(list[i].mono_s >= before)
      before = list[i].mono_s
    end
  end

  local function judged(text)
    shell.write(folder .. "/lines.jsonl", text)
    local judge = schema_judge.new(folder)
    local said = judge:ask("--any-order docs/schemas/feed.schema.json " .. folder .. "/lines.jsonl")
    judge:close()
    return said
  end

  --- The pulses that the simulator gave: its own log.
  local function given(path)
    local count = 0
    for _, row in ipairs(shell.rows(path .. "/twin.tsv")) do
      count = count + (row.event == "pulse" and 1 or 0)
    end
    return count
  end

  --- A run's feed against its record: all rows, each pulse's going, the end.
  local function check(list, text, path)
    check_numbers(list)
    local wanted = rows(path)
    assert.is_true(#wanted > 0)
    assert.are.same(wanted, bare(rows_told(list)))
    local pulses = only(list, "pulse")
    assert.are.equal(given(path), #pulses)
    local sent = 0
    for _, said in ipairs(pulses) do
      sent = sent + (said.timed_by == "external" and 1 or 0) -- nobody here sent them
    end
    for _, said in ipairs(only(list, "sent")) do
      sent = sent + said.pulses
    end
    assert.are.equal(#pulses, sent)
    local last = list[#list]
    local manifest = fixture.manifest(path)
    assert.are.same({ "end", manifest.status, manifest.result.stop, manifest.result.reason, #pulses, true },
      { last.event, last.status, last.stop, last.reason, last.pulses.sent, last.safe })
    assert.are.equal("", judged(text))
  end

  it("says what events.tsv says, to two readers at once, in real time; its socket is the user's", function()
    local first, second = read("read", "a"), read("read", "b")
    local job = run("run", "ctbs600 --amt 50 -p bursts=4 " .. slow .. " --events-wait 60 --events " .. folder
      .. "/feed")
    shell.await(function() return lfs.symlinkattributes(folder .. "/feed", "mode") end, "the socket")
    assert.are.same({ "socket", "rw-------" }, { lfs.symlinkattributes(folder .. "/feed", "mode"),
      lfs.symlinkattributes(folder .. "/feed", "permissions") })
    assert.are.equal(0, job:wait(), job:err())
    assert.matches("\nevents +" .. folder:gsub("%p", "%%%0") .. "/feed\n", job:out())
    assert.is_nil(lfs.symlinkattributes(folder .. "/feed", "mode"))
    local list, text = got(first)
    check(list, text, record "run")
    local others = got(second)
    assert.are.same(only(list, "pulse", "sent", "end"), only(others, "pulse", "sent", "end"))
    local play = only(list, "play")[1]
    for _, said in ipairs(only(list, "sent")) do -- told when it left: the device's latency before its onset
      assert.is_true(said.mono_s > play.starts_mono_s + said.onset - 0.1)
    end
    assert.are.equal(1, only(list, "begun")[1].n)
  end)

  it("says the same in virtual time, of trains that the device times, pairs, an experiment", function()
    shell.write(folder .. "/hunt.lua", [[local mp = require "moonpulse"
      return mp.experiment { id = "hunt", name = "Hunt", run = function(run)
        local stim = run:device()
        stim:arm()
        for trial, intensity in run:staircase { start = 45, step = 8, reversals = 6, kind = "RMT" } do
          run:sleep(5)
          stim:fire(mp.pulse { intensity = mp.mso(intensity) })
          trial:answer(intensity > 47)
        end
        stim:disarm()
        run:mark "done"
        run:note "and noted"
      end }]])
    for i, arguments in ipairs { "hf10_neurostar --rmt 50 -p trains=2 --device sim:rapid --timing device",
      "paired_pulse_block --rmt 40 --device sim:bistim", folder .. "/hunt.lua --seed 3" } do
      local name = "v" .. i
      local out = read("read", name .. ".feed", folder .. "/" .. name .. ".sock")
      local job = run(name, ("%s --speed max --events-wait 60 --events %s/%s.sock"):format(arguments, folder,
        name))
      assert.are.equal(0, job:wait(), arguments .. job:err())
      local list, text = got(out)
      check(list, text, record(name))
      if i == 3 then
        assert.is_true(#only(list, "estimate") > 4)
        assert.are.equal("and noted", only(list, "note")[1].text)
        assert.are.equal(fixture.manifest(record(name)).experiment.staircases[1].threshold,
          only(list, "threshold")[1].new)
      end
    end
  end)

  --- A run in virtual time that somebody read from its beginning, checked.
  local function reading(name, arguments)
    local out = read("read", name .. ".feed", ("%s/%s.sock"):format(folder, name))
    local job = run(name, ("%s --seed 3 --speed max --events-wait 60 --events %s/%s.sock"):format(arguments,
      folder, name))
    assert.are.equal(0, job:wait(), arguments .. job:err())
    local list, text = got(out)
    check(list, text, record(name))
    return list
  end

  it("says event codes, sent and not, and where a plan was begun", function()
    shell.write(folder .. "/coded.lua", [[local mp = require "moonpulse"
      return mp.protocol { id = "coded", name = "Coded", plan = function()
        local trial = mp.mark("S1", { code = 100 }) .. mp.rest(0.5)
          .. mp.pulse { intensity = mp.mso(40), code = 7 }
        return mp.trials { of = { trial, trial, trial }, every = 5 } end }]])
    local list = reading("coded", folder .. "/coded.lua --codes sim")
    local codes, texts = only(list, "code"), {}
    for i, said in ipairs(codes) do
      texts[i] = feed_text.line(said, {}):gsub("^ *[%d.]+ s  ", "")
    end
    assert.are.same({ "code 100  sent", "code 7  pulse 1  sent", "code 100  sent", "code 7  pulse 2  sent",
      "code 100  sent", "code 7  pulse 3  sent" }, texts)
    list = reading("later", folder .. "/coded.lua --from-trial 2 --codes sim")
    assert.are.same({ "trial", 2, 1, 3 }, { list[#list].begins_at.what, list[#list].begins_at.number,
      list[#list].begins_at.pulses_before, list[#list].begins_at.pulses_planned })
  end)

  it("says when another device may fire, what came, and that it is over", function()
    shell.write(folder .. "/watched.lua", [[local mp = require "moonpulse"
      return mp.experiment { id = "watched", name = "Watched", run = function(run)
        local stim, pulse = run:device(), mp.pulse(mp.mso(50)):label "loop"
        stim:arm(pulse)
        stim:watch(pulse, { count = 3, refractory = 2, timeout = 60 })
      end }]])
    shell.write(folder .. "/fired", "3 device pulse\n7.5 device pulse\n12 device pulse\n")
    local list = reading("watched", ("%s/watched.lua --device sim:magventure --triggers %s/fired"):format(
      folder, folder))
    local order = {}
    for i, said in ipairs(only(list, "armed", "watch", "play", "watched", "disarmed")) do
      order[i] = said.event
    end
    assert.are.equal("armed watch play play play disarmed watched", table.concat(order, " "))
    local begins, over = only(list, "watch")[1], only(list, "watched")[1]
    assert.are.same({ 3, 2, 60, nil }, { begins.count, begins.refractory_s, begins.timeout_s,
      begins.until_mono_s })
    assert.are.same({ 3, "count", begins.play }, { over.pulses, over.why, over.play })
    assert.are.equal("given", only(list, "play")[1].external)
    assert.is_true(begins.at_s < 3 and over.at_s >= 12)
  end)

  it("says an input-output curve: its trials, its fit, and at the end what it came to", function()
    shell.write(folder .. "/curve.lua", [[local mp = require "moonpulse"
      return mp.experiment { id = "curve", name = "Curve", run = function(run)
        local stim = run:device()
        stim:arm()
        for trial, mso in run:recruitment { intensities = { 30, 40, 45, 50, 60, 70 }, repeats = 2 } do
          run:sleep(6)
          stim:fire(mp.pulse { intensity = mp.mso(mso) })
          trial:answer(({ [30] = 20, [40] = 200, [45] = 600, [50] = 1200, [60] = 1900, [70] = 2000 })[mso])
        end
        stim:disarm()
      end }]])
    local list = reading("curve", folder .. "/curve.lua")
    local estimates, made = only(list, "estimate"), fixture.manifest(record "curve").experiment.curves[1]
    assert.are.equal(25, #estimates) -- a trial and its answer of each, and the end
    for i, said in ipairs(estimates) do
      assert.are.equal(1, said.curve)
      assert.are.same(i % 2 == 0 and made.track[i // 2] or nil,
        said.mep_uv and { intensity = said.intensity, set = said.set, mep_uv = said.mep_uv } or nil)
    end
    assert.is_table(made.fit)
    assert.are.same(made.fit, estimates[25].fit)
    assert.are.same({ { fit = made.fit, unit = made.unit, trials = 12 } }, list[#list].curves)
  end)

  it("changes no byte of what a run in virtual time records", function()
    local plain = run("plain", "itbs600 --amt 50 --seed 5 --speed max")
    assert.are.equal(0, plain:wait())
    local told = run("told", "itbs600 --amt 50 --seed 5 --speed max --events " .. folder .. "/feed")
    assert.are.equal(0, told:wait(), told:err())
    for _, name in ipairs { "events.tsv", "twin.tsv", "journal.jsonl" } do
      local a, b = shell.read(record "plain" .. "/" .. name), shell.read(record "told" .. "/" .. name)
      assert.is_true(name == "journal.jsonl" or a == b, name)
    end
  end)

  it("lets go of who does not read, says so, and is held up by nobody", function()
    local out = read("hang", "hung")
    shell.write(folder .. "/many.lua", [[local mp = require "moonpulse"
      return mp.protocol { id = "many", name = "Many", plan = function()
        return mp.train { pulses = 20000, hz = 1, intensity = mp.mso(30) } end }]])
    local job = run("run", folder .. "/many.lua --speed max --events-wait 60 --events " .. folder .. "/feed")
    assert.are.equal(0, job:wait(), job:err())
    assert.matches("note: --events: 1 of its readers did not read, and was let go of", job:err(), 1, true)
    assert.are.equal(20000, fixture.manifest(record "run").result.pulses_sent)
    local short = read("hang", "short", folder .. "/other")
    local other = run("other", "itbs600 --amt 50 --speed max --events-wait 60 --events " .. folder
      .. "/other")
    assert.are.equal(0, other:wait(), other:err())
    assert.matches("note: --events: 1 of its readers did not read, and was let go of", other:err(), 1, true)
    shell.write(short .. ".go", "")
    assert.are.equal(0, #only(got(short), "end"))
    shell.write(out .. ".go", "")
    local list = got(out)
    check_numbers(list) -- what it has is a whole beginning
    assert.are.equal(0, #only(list, "end"))
  end)

  it("outlives a reader that is killed amid it", function()
    local out = read("hang", "killed")
    local job = run("run", "ctbs600 --amt 50 -p bursts=8 " .. slow .. " --events-wait 60 --events " .. folder
      .. "/feed")
    job:says "timing "
    os.execute(("kill -9 $(cat %s.pid)"):format(out))
    local late = read("read", "late")
    assert.are.equal(0, job:wait(), job:err())
    local list, text = got(late)
    check(list, text, record "run") -- it has come late, and has all of it
  end)

  it("answers once what it does not know, and goes on: garbage, a long line, a storm", function()
    shell.write(folder .. "/garbage", "\0\255nonsense\n{\"do\":\"status\"}\n")
    shell.write(folder .. "/long", ("x"):rep(100000))
    shell.write(folder .. "/unknown", '{"do":"fire"}\n')
    shell.write(folder .. "/asked", '{"do":"status"}\n{"do":"mark"}\n{"do":"mark","text":"a\\u0007b"}\n'
      .. '{"do":"mark","text":""}\n{"do":"mark","text":7}\n')
    local job = run("run", "ctbs600 --amt 50 -p bursts=40 " .. slow .. " --events-wait 60 --events " .. folder
      .. "/feed")
    local storm, outs = read("storm", "storm"), {}
    for _, name in ipairs { "garbage", "long", "unknown", "asked" } do
      outs[name] = read("say", name .. ".out", nil, folder .. "/" .. name)
    end
    job:says "timing "
    shell.await(function() return #shell.names(record "run") > 3 end, "the record")
    for name, out in pairs(outs) do
      if name ~= "asked" then
        shell.await(function() return shell.read(out) end, out) -- long before the run's end
      end
    end
    shell.await(function() return shell.read(record "run" .. "/events.tsv"):find "\tpulse\t" end, "a pulse")
    shell.write(storm .. ".go", "")
    assert.are.equal(0, job:wait(), job:err())
    assert.are.equal(120, given(record "run"))
    for name, out in pairs(outs) do
      local list, text = got(out)
      local refused = only(list, "refused")[1]
      if not refused then -- it was not in the storm
        local answers = only(list, "answer")
        assert.are.equal(name == "asked" and 5 or 1, #answers, name .. text)
        for i, answer in ipairs(answers) do
          assert.are.equal(name == "asked" and i == 1, answer.ok, name .. i)
          assert.is_true(answer.ok or #answer.why > 20)
        end
      end
    end
    local stormed, refused = got(storm), 0
    for _, said in ipairs(stormed) do
      refused = refused + (said.event == "refused" and 1 or 0)
      assert.is_true(said.event == "refused" or said.event == "hello")
    end
    assert.is_true(#stormed > 40 and refused > 0)
  end)

  it("begins with nobody only where nobody is waited for", function()
    local job = run("run", "ctbs600 --amt 50 --speed max --events-wait 0.05 --events")
    assert.are.equal(3, job:wait())
    assert.matches("nobody has connected to %S+/moonpulse/ctbs600%-%d+%.sock within 0%.05 s", job:err())
    assert.is_nil(shell.read(record "run" .. "/twin.tsv")) -- there was no device
    assert.are.equal(0, fixture.manifest(record "run").result.pulses_sent)
    assert.are.same({}, shell.names(folder .. "/moonpulse"))
    assert.are.equal(2, run("other", "ctbs600 --amt 50 --events-wait 1"):wait())
  end)

  it("leaves nobody listening when its run is killed: no simulator, no child of its script", function()
    shell.write(folder .. "/child.lua", ([[local mp = require "moonpulse"
      return mp.experiment { id = "child", name = "Child", run = function(run)
        run:device()
        os.execute "sleep 60 >/dev/null 2>&1 & echo $! >%s/child"
        run:note "begins"
        run:sleep(60) end }]]):format(folder))
    local job = run("killed", ("%s/child.lua %s --events mine"):format(folder, slow))
    job:says "begins"
    job:kill()
    local child = tonumber(shell.read(folder .. "/child"))
    assert.is_true(os.execute(("kill -0 %d"):format(child))) -- else it could not listen anyway
    local next_one = run("next", "ctbs600 --amt 50 --speed max --events mine")
    local status = next_one:wait()
    os.execute(("kill -9 %d"):format(child))
    assert.are.equal(0, status, next_one:err())
  end)

  it("takes the place of a socket at which nobody listens, and of nothing else", function()
    os.execute(("python3 -c 'import socket;s=socket.socket(socket.AF_UNIX);s.bind(\"%s/feed\")'"):format(
      folder))
    assert.are.equal("socket", lfs.symlinkattributes(folder .. "/feed", "mode"))
    local job = run("dead", "ctbs600 --amt 50 --speed max --events " .. folder .. "/feed")
    assert.are.equal(0, job:wait(), job:err())
    assert.is_nil(lfs.symlinkattributes(folder .. "/feed", "mode"))
    shell.write(folder .. "/feed", "mine")
    job = run("file", "ctbs600 --amt 50 --speed max --events " .. folder .. "/feed")
    assert.are.equal(2, job:wait())
    assert.matches("feed is there already, and it is no socket; name another one", job:err(), 1, true)
    assert.are.equal("mine", shell.read(folder .. "/feed"))
    assert.are.same({}, shell.names(folder .. "/file-runs")) -- before there is a record
    local live = run("live", "itbs600 --amt 50 " .. slow .. " --events mine")
    live:says "timing "
    job = run("second", "ctbs600 --amt 50 --speed max --events mine")
    assert.are.equal(2, job:wait())
    assert.matches("somebody listens at it: another run?", job:err(), 1, true)
    live:signal "TERM"
    assert.are.equal(5, live:wait())
    os.execute(("chmod 755 %s/moonpulse"):format(folder))
    job = run("open", "ctbs600 --amt 50 --speed max --events mine")
    assert.are.equal(2, job:wait())
    assert.matches("must be a folder that is yours alone", job:err(), 1, true)
  end)

  it("refuses a program of another user, also where the files let it in", function()
    if lfs.attributes("/proc/self", "uid") ~= 0 then
      return pending("for who may become another user")
    end
    os.execute(("chmod 755 %s"):format(folder))
    local job = run("run", "itbs600 --amt 50 " .. slow .. " --events " .. folder .. "/feed")
    job:says "timing "
    os.execute(("chmod 666 %s/feed"):format(folder))
    local status = shell.sh(folder, ("setpriv --reuid 65534 --clear-groups /usr/bin/python3 -c '"
      .. "import socket,sys;s=socket.socket(socket.AF_UNIX);s.connect(\"%s/feed\");"
      .. "sys.stdout.write(s.makefile().readline())'"):format(folder))
    assert.are.equal(0, status, shell.read(folder .. "/.err"))
    assert.are.same({ event = "refused", why = "the run is another user's" },
      cjson.decode(shell.read(folder .. "/.out")))
    job:signal "TERM"
    assert.are.equal(5, job:wait())
  end)
end)
