-- moonpulse ctl: another terminal follows a run and stops it. Judged by what the simulator gave and by the
-- record.
local cjson = require "cjson"
local fixture = require "job"
local schema_judge = require "schema_judge"
local shell = require "shell"

describe("moonpulse ctl", function()
  local folder, jobs
  fixture.each_test(function(...) folder, jobs = ... end)

  local function run(name, arguments)
    return jobs:start(name, ("run %s --tolerance 10000 --timing host --out %s/%s-runs"):format(arguments,
      folder, name))
  end

  local function ctl(arguments)
    return shell.sh(folder, ("exec %s ctl %s"):format(shell.quote(shell.program), arguments))
  end

  local function twin(name)
    return shell.rows(fixture.run_in(("%s/%s-runs"):format(folder, name)) .. "/twin.tsv")
  end

  --- How many pulses the simulator gave so far.
  local function given(name)
    local found = shell.names(("%s/%s-runs"):format(folder, name))[1]
    local log = found and shell.read(("%s/%s-runs/%s/twin.tsv"):format(folder, name, found)) or ""
    return select(2, log:gsub("\tpulse\t", ""))
  end

  local function has_given(name, count)
    shell.await(function() return given(name) >= count end, count .. " pulses")
  end

  --- The simulator's own word: what it last did of arming and firing is to be disarmed.
  local function is_disarmed(name)
    local armed, fired = nil, 0
    for _, row in ipairs(twin(name)) do
      if row.event == "arm" then
        armed = true
      elseif row.event == "disarm" then
        armed = false
      elseif row.event == "pulse" then
        assert.is_true(armed)
        fired = fired + 1
      end
    end
    return armed == false, fired
  end

  local function journal(name)
    local list = {}
    for line in shell.read(fixture.run_in(("%s/%s-runs"):format(folder, name)) .. "/journal.jsonl")
      :gmatch "[^\n]+" do
      list[#list + 1] = cjson.decode(line)
    end
    return list
  end

  local function entry(name, kind)
    for _, each in ipairs(journal(name)) do
      if each.kind == kind then
        return each
      end
    end
  end

  --- Another program at a socket: see feed_reader.py. Its output is there once it is as it should be.
  ---@param called string? the program's own name: a Python of that name
  local function other_program(how, socket, called)
    local out = ("%s/%s"):format(folder, how)
    local python = called and ("%s/%s"):format(folder, called) or "python3"
    if called then
      os.execute(([[cp "$(python3 -c 'import os, sys; print(os.path.realpath(sys.executable))')" %s]])
        :format(python))
    end
    os.execute((python .. " tests/helpers/feed_reader.py %s %s %s 2>%s.err & echo $! >%s.pid"):format(how,
      shell.quote(socket), shell.quote(out), shell.quote(out), shell.quote(out)))
    return out
  end

  it("stops a run: the device is safe when it answers, and the record says who did it", function()
    local job = run("run", "itbs600 --amt 50 --events")
    has_given("run", 3)
    local status, out, err = ctl "stop"
    assert.are.equal(0, status, err)
    local safe, fired = is_disarmed "run"
    assert.is_true(safe)
    assert.matches("%d+ of 600 pulses sent; the device is safe", out)
    assert.are.equal(tonumber(out:match "(%d+) of 600"), fired)
    assert.are.equal(5, job:wait())
    local path = fixture.run_in(folder .. "/run-runs")
    local result = fixture.manifest(path).result
    assert.are.same({ "stopped", "program", true }, { result.status, result.stop, result.disarmed })
    assert.matches("^stopped by another program %(moonpulse ctl, process %d+%)$", result.reason)
    assert.are.equal("program", entry("run", "stop").reason)
    assert.matches("stopped by another program", shell.read(path .. "/report.html"), 1, true)
    assert.are.equal(0, (shell.moonpulse(folder, "verify " .. path)))
    status, out, err = ctl "stop"
    assert.are.same({ 2, "" }, { status, out })
    assert.matches("no run goes on in %S+: a run is followed if it was started with %-%-events", err)
  end)

  it("says what goes on, follows it to its end, and marks it", function()
    local job = run("run", "ctbs600 --amt 50 -p bursts=50 --events")
    has_given("run", 3)
    os.execute(("{ XDG_RUNTIME_DIR=%s %s ctl follow >%s/seen; echo $? >%s/seen.rc; } &"):format(folder,
      shell.quote(shell.program), folder, folder))
    local status, out, err = ctl "status"
    assert.are.equal(0, status, err)
    assert.matches("state       armed; the device may fire", out, 1, true)
    assert.matches("pulses      %d+ of 150 sent", out)
    assert.are.equal(0, (ctl "mark 'coil put back'"))
    assert.are.equal(2, (ctl "mark ''"))
    assert.are.equal(2, (ctl "mark"))
    local _, json = ctl "status --json"
    assert.are.equal(0, job:wait(), job:err())
    assert.are.same({ "coil put back", "number" }, { entry("run", "marked").text,
      type(tonumber(entry("run", "marked").at_ns)) })
    assert.are.equal(0, (shell.moonpulse(folder, "verify " .. fixture.run_in(folder .. "/run-runs"))))
    assert.are.equal("0\n", shell.await(function() return shell.read(folder .. "/seen.rc") end, "its end"))
    local seen = shell.read(folder .. "/seen")
    assert.are.equal(150, select(2, seen:gsub("\n *%d+%.%d+ s  pulse ", "")))
    assert.matches("marked  source moonpulse ctl, process %d+  coil put back", seen)
    assert.matches("end  completed: the plan is complete\n$", seen)
    local said = cjson.decode(json).runs[1]
    assert.are.same({ "itbs", 150 }, { said.id == "ctbs600" and "itbs", said.pulses.planned })
    shell.write(folder .. "/status.json", json)
    local judge = schema_judge.new(folder)
    assert.are.equal("", judge:ask("--any-order docs/schemas/ctl.schema.json " .. folder .. "/status.json"))
    judge:close()
  end)

  it("wants a name where several runs go on, and takes the run's, its folder and its socket", function()
    local first = run("first", "itbs600 --amt 50 --events a")
    local second = run("second", "itbs600 --amt 40 --events b")
    local third = run("third", ("itbs600 --amt 30 --events %s/else"):format(folder))
    for _, name in ipairs { "first", "second", "third" } do
      has_given(name, 1)
    end
    local names = {}
    for i, name in ipairs { "first", "second", "third" } do
      names[i] = fixture.run_in(("%s/%s-runs"):format(folder, name)):match "[^/]+$"
    end
    local status, out, err = ctl "stop"
    assert.are.same({ 2, "" }, { status, out })
    assert.matches("2 runs go on: name one of them: ", err, 1, true)
    assert.is_truthy(err:find(names[1], 1, true) and err:find(names[2], 1, true))
    status, out = ctl "status"
    assert.are.equal(0, status)
    assert.are.equal(2, select(2, out:gsub("\nwhat  ", "")))
    assert.are.equal(0, (ctl "stop b"))
    assert.are.equal(5, second:wait())
    assert.is_false(first:ended() or third:ended())
    assert.are.equal(0, (ctl("stop " .. fixture.run_in(folder .. "/first-runs"))))
    assert.are.equal(5, first:wait())
    assert.are.equal(0, (ctl(("stop %s/else"):format(folder))))
    assert.are.equal(5, third:wait())
    for _, name in ipairs { "first", "second", "third" } do
      assert.is_true((is_disarmed(name)))
      assert.are.equal("program", entry(name, "stop").reason)
    end
    for _, named in ipairs { "nosuch", folder .. "/nosuch", folder } do
      status, out, err = ctl("stop " .. named)
      assert.are.same({ 2, "" }, { status, out }, named)
      assert.matches("--events", err, 1, true)
    end
  end)

  it("says that a run still asks its operator, and stops it there; one that was answered goes on", function()
    shell.write(folder .. "/list", "slept\tDid the participant sleep?\nway\tEMG or eye?\temg|visual\n")
    assert.are.equal(0, (shell.sh(folder, "mkfifo " .. folder .. "/answers")))
    local judge, said = schema_judge.new(folder), {}
    for _, name in ipairs { "declined", "answered" } do
      local job = run(name, ("itbs600 --amt 50 --events a --operator AB --preflight %s/list <%s/answers")
        :format(folder, folder))
      local answers = io.open(folder .. "/answers", "w")
      answers:write("y\n")
      answers:flush()
      job:says "EMG or eye"
      local seen = other_program("read", folder .. "/moonpulse/a.sock")
      -- it may begin slowly: a run that was stopped before it came says nothing to it
      shell.await(function() return shell.read(seen .. ".here") end, seen .. ".here")
      local _, out = ctl "status"
      assert.matches("\nstate       asking: its operator has not answered yet\n", out, 1, true)
      assert.matches("\npulses      0 of 600 sent", out, 1, true)
      shell.write(folder .. "/status.json", select(2, ctl "status --json"))
      assert.are.equal("", judge:ask("--any-order docs/schemas/ctl.schema.json " .. folder .. "/status.json"))
      if name == "answered" then
        answers:write("emg\n")
        answers:flush()
        has_given(name, 1)
      end
      local status, err
      status, out, err = ctl "stop"
      assert.are.equal(0, status, err)
      assert.matches("has ended: stopped by another program (moonpulse ctl, process ", out, 1, true)
      assert.matches("of 600 pulses sent; the device is safe", out, 1, true)
      assert.are.equal(5, job:wait())
      answers:close()
      said[name] = { status = fixture.manifest(fixture.run_in(("%s/%s-runs"):format(folder, name))),
        feed = shell.await(function() return shell.read(seen) end, seen) }
      os.remove(seen)
      os.remove(seen .. ".here")
      shell.write(folder .. "/seen.jsonl", said[name].feed)
      assert.are.equal("", judge:ask("--any-order docs/schemas/feed.schema.json " .. folder .. "/seen.jsonl"))
    end
    judge:close()
    local declined, answered = said.declined, said.answered
    assert.are.same({ "not run", "program" }, { declined.status.status, declined.status.result.stop })
    assert.are.equal(0, given "declined")
    assert.are.same({ "stopped", "program", "emg" }, { answered.status.result.status,
      answered.status.result.stop, answered.status.preflight[2].answer })
    assert.are.equal(fixture.run_in(folder .. "/answered-runs"),
      cjson.decode(answered.feed:match '\n({"event":"begun".-)\n').folder)
    assert.matches('^{"event":"hello"', declined.feed)
    assert.matches('"event":"end".-"safe":true[^\n]*\n$', declined.feed)
  end)

  it("stops of two runs with one name that of the folder, and none by the name", function()
    local jobs_of = { first = "a", second = "b" }
    for name, socket in pairs(jobs_of) do -- in one second they have one name
      jobs_of[name] = jobs:start(name, ("run itbs600 --amt 50 --tolerance 10000 --timing host --events %s "
        .. "--out %s/%s-runs"):format(socket, folder, name))
    end
    has_given("first", 1)
    has_given("second", 1)
    local path = fixture.run_in(folder .. "/first-runs")
    local same = path:match "[^/]+$" == fixture.run_in(folder .. "/second-runs"):match "[^/]+$"
    local status, _, err = ctl("status " .. path:match "[^/]+$")
    assert.are.equal(same and 2 or 0, status)
    assert.is_true(not same or err:find("2 runs are called ", 1, true) ~= nil)
    assert.are.equal(0, (ctl("stop " .. path)))
    assert.are.equal(5, jobs_of.first:wait())
    assert.is_false(jobs_of.second:ended())
  end)

  it("names a socket whose run was killed, and passes it over where none was named", function()
    local job = run("run", "itbs600 --amt 50 --events a")
    has_given("run", 1)
    job:kill()
    local status, _, err = ctl "status a"
    assert.are.equal(2, status)
    assert.matches("nobody listens there: its run has ended or was killed", err, 1, true)
    local other = run("other", "itbs600 --amt 50 --events b")
    has_given("other", 1)
    assert.are.equal(0, (ctl "stop"))
    assert.are.equal(5, other:wait())
  end)

  it("stops a run that has all the readers that it takes, by its name; others are not held up",
    function()
      local first = run("first", "itbs600 --amt 50 --events a")
      local second = run("second", "ctbs600 --amt 40 --events b") -- names of their own
      shell.write(folder .. "/third.lua", [[local mp = require "moonpulse"
        return mp.protocol { id = "third", name = "Third", plan = function()
          return mp.train { pulses = 900, hz = 3, intensity = mp.mso(30) } end }]])
      local third = run("third", folder .. "/third.lua --events c")
      for _, name in ipairs { "first", "second", "third" } do
        has_given(name, 1)
      end
      local outs = { other_program("fill", folder .. "/moonpulse/a.sock") }
      local line = shell.await(function() return shell.read(outs[1]) end, "a full run")
      local named = cjson.decode(line).run
      assert.are.equal(fixture.run_in(folder .. "/first-runs"):match "[^/]+$", named)
      shell.write(folder .. "/refused.json", line)
      local judge = schema_judge.new(folder)
      local ask = "--any-order docs/schemas/%s.schema.json %s/%s.json"
      assert.are.equal("", judge:ask(ask:format("feed", folder, "refused")))
      local status, out, err = ctl "status"
      assert.are.equal(0, status, err)
      assert.matches("cannot be followed: the run has 32 readers already", out, 1, true)
      assert.are.equal(2, select(2, out:gsub("\nstate       armed", "")))
      assert.are.equal(0, (ctl "status --json"))
      shell.write(folder .. "/status.json", shell.read(folder .. "/.out"))
      assert.are.equal("", judge:ask(ask:format("ctl", folder, "status")))
      judge:close()
      status, out, err = ctl "follow a"
      assert.are.same({ 3, "" }, { status, out })
      assert.matches("close one of them (moonpulse ctl stop stops it all the same)", err, 1, true)
      assert.are.equal(0, (ctl("stop " .. fixture.run_in(folder .. "/second-runs"):match "[^/]+$")))
      assert.are.equal(5, second:wait())
      assert.is_false(first:ended())
      status, out, err = ctl("stop " .. named)
      assert.are.equal(0, status, err)
      local safe, fired = is_disarmed "first"
      assert.is_true(safe)
      assert.matches(("\n%d of 600 pulses sent; the device is safe\n"):format(fired), out, 1, true)
      assert.are.equal(5, first:wait())
      assert.are.equal("program", entry("first", "stop").reason)
      shell.write(outs[1] .. ".go", "")
      assert.are.equal(0, (ctl "stop"))
      assert.are.equal(5, third:wait())
    end)

  it("stops a run of another version by a signal, and says that it knows no more; others are not held up",
    function()
      local job = run("run", "itbs600 --amt 50 --events a")
      has_given("run", 1)
      local out = other_program("foreign", folder .. "/moonpulse/other.sock", "moonpulse-of-later")
      local said
      shell.await(function()
        said = select(2, ctl "status")
        return said:find("this Moonpulse reads version 1 of a feed", 1, true)
      end, "the other")
      assert.matches("\nstate       armed", said, 1, true)
      assert.are.equal(0, (ctl "stop a"))
      assert.are.equal(5, job:wait())
      local status, _, err = ctl "stop of_another"
      assert.are.equal(4, status)
      assert.matches("of_another was told to stop, and has ended; as it does not say where its record is",
        err, 1, true)
      assert.are.equal("SIGTERM", shell.read(out))
    end)

  it("tells no other program to end that happens to listen at a path", function()
    local socket = folder .. "/moonpulse/other.sock"
    shell.sh(folder, "mkdir -p " .. folder .. "/moonpulse")
    local out = other_program("foreign", socket)
    shell.await(function()
      return select(2, shell.sh(folder, "ls " .. socket)):find("other", 1, true)
    end, "it")
    local status, _, err = ctl("stop " .. socket)
    assert.are.equal(4, status)
    assert.matches("no moonpulse program of yours listens there: nothing was stopped", err, 1, true)
    assert.is_nil(shell.read(out))
    shell.sh(folder, ("kill $(cat %s.pid)"):format(out))
  end)

  it("is not held up by one that takes nobody in any more", function()
    local job = run("run", "itbs600 --amt 50 --events a")
    has_given("run", 1)
    local out = other_program("stuck", folder .. "/moonpulse/stuck.sock")
    shell.await(function() return shell.read(out) end, "the stuck one")
    local status, said, err = ctl "status"
    assert.are.equal(0, status)
    assert.matches("\nstate       armed", said, 1, true)
    assert.matches("note: %S+stuck.sock: who listens there takes nobody in", err)
    status, said, err = ctl "stop stuck"
    assert.are.same({ 2, "" }, { status, said })
    assert.matches("SIGTERM to its process stops it", err, 1, true)
    assert.are.equal(0, (ctl "stop"))
    assert.are.equal(5, job:wait())
    shell.write(out .. ".go", "")
  end)

  --- A script that is at a prompt, of which nothing is typed until what is given is closed.
  local function at_prompt()
    shell.write(folder .. "/prompt.lua", [[local mp = require "moonpulse"
      return mp.experiment { id = "typed", name = "Typed", run = function(run) run:prompt() end }]])
    assert.are.equal(0, (shell.sh(folder, "mkfifo " .. folder .. "/typed")))
    local job = run("typed", ("%s/prompt.lua --events c <%s/typed"):format(folder, folder))
    local typed = io.open(folder .. "/typed", "w")
    job:says "help says what there is"
    return typed
  end

  it("pauses a script with parts side by side behind its plan", function()
    shell.write(folder .. "/parts.lua", [[local mp = require "moonpulse"
      return mp.experiment { id = "parts", name = "Parts", run = function(run)
        local stim, pulse = run:device(), mp.pulse(mp.mso(40))
        stim:arm(pulse) run:spawn(function() run:sleep(60) end) stim:fire(pulse)
        run:note "its plan is over" run:sleep(60) end }]])
    local job = run("parts", folder .. "/parts.lua --events")
    has_given("parts", 1)
    job:says "its plan is over"
    local status, _, err = ctl "pause"
    assert.are.equal(0, status, err)
    assert.are.equal(5, job:wait())
    assert.matches("^paused by another program %(moonpulse ctl, process %d+%), behind plan 1$",
      fixture.manifest(fixture.run_in(folder .. "/parts-runs")).result.reason)
    assert.is_true((is_disarmed "parts"))
  end)

  it("pauses a protocol behind its trial; what cannot be paused is told by its status, too", function()
    shell.write(folder .. "/three.lua", [[local mp = require "moonpulse"
      return mp.protocol { id = "three", name = "Three", plan = function()
        return mp.train { pulses = 10, hz = 5, intensity = mp.mso(40) }:times(3, { gap = 2 }) end }]])
    shell.write(folder .. "/waits.lua", [[local mp = require "moonpulse"
      return mp.experiment { id = "waits", name = "Waits", run = function(run) run:sleep(60) end }]])
    local job = run("run", folder .. "/three.lua --events a")
    has_given("run", 3)
    local status, out = ctl "pause a"
    assert.are.equal(0, status)
    assert.matches("pauses behind trial 1", out, 1, true)
    assert.are.equal(5, job:wait())
    local result = fixture.manifest(fixture.run_in(folder .. "/run-runs")).result
    assert.are.equal("program", result.stop)
    assert.matches("^paused by another program %(moonpulse ctl, process %d+%), behind trial 1$",
      result.reason)
    assert.are.equal(10, given "run")
    local other = run("other", folder .. "/waits.lua --events b")
    other:says "device "
    local err
    status, out = ctl "pause b"
    assert.are.equal(3, status)
    assert.matches("nothing was given yet: q stops the run", out, 1, true)
    local typed = at_prompt()
    status, out, err = ctl "pause c"
    assert.are.same({ 3, "" }, { status, out })
    assert.matches("it is at a prompt, and could not be gone on with", err, 1, true)
    assert.are.equal(0, (ctl "stop c"))
    typed:close()
    assert.are.equal(0, (ctl "mark 'of a script'"))
    assert.are.equal(0, (ctl "stop b"))
    assert.are.equal(5, other:wait())
    assert.are.equal("of a script", entry("other", "marked").text)
    assert.are.equal(0, (shell.moonpulse(folder, "verify " .. fixture.run_in(folder .. "/other-runs"))))
  end)

  it("stops a script that does not yield, as a signal would, in real and in virtual time", function()
    shell.write(folder .. "/busy.lua", [[local mp = require "moonpulse"
      return mp.experiment { id = "busy", name = "Busy", run = function(run)
        run:note "begins"
        while true do end end }]])
    for i, speed in ipairs { "1", "max" } do
      local name = "busy" .. i
      local job = run(name, ("%s/busy.lua --speed %s --events"):format(folder, speed))
      job:says "begins"
      local status, _, err = ctl "stop"
      assert.are.equal(0, status, err)
      assert.are.equal(5, job:wait())
      local path = fixture.run_in(("%s/%s-runs"):format(folder, name))
      assert.are.equal("program", fixture.manifest(path).result.stop)
    end
  end)
end)
