-- One operation at a time on a device, whatever the parts of an experiment do; and stops at every moment
-- of arming, on every device. What was given is what the simulator says, not the record.
local cjson = require "cjson"
local core = require "moonpulse.core"
local fixture = require "job"
local shell = require "shell"

local all_devices = { "magventure", "magstim200", "bistim", "rapid", "duomag", "stimjim", "pulsepal",
  "trigger" }

describe("operations of an experiment", function()
  local folder, jobs

  fixture.each_test(function(...) folder, jobs = ... end)

  local function script(body)
    local path = ("%s/made%d.lua"):format(folder, #jobs)
    shell.write(path, 'local mp = require "moonpulse"\nreturn mp.experiment(function(run)\n'
      .. "local stim = run:device()\n"
      .. "local function plan(mso, n)\n"
      .. "return mp.train { pulses = n or 1, hz = 10, intensity = mp.mso(mso) } end\n"
      .. body .. "\nend)\n")
    return path
  end

  local function start(path, more)
    local runs = ("%s/runs%d"):format(folder, #jobs)
    local job = jobs:start("job" .. #jobs,
      ("run %s --timing host --tolerance 1000 --out %s %s"):format(path, runs, more or ""))
    job.runs = runs
    return job
  end

  local function run_of(job)
    return fixture.run_in(job.runs)
  end

  local function result(job)
    local manifest = cjson.decode((assert(shell.read(run_of(job) .. "/manifest.json"))))
    return manifest.result or {}, manifest.status
  end

  --- arm, disarm and pulses with their intensity, as the simulator tells them; pulses while not armed fail.
  local function given(job)
    local list, armed = {}, false
    for _, row in ipairs(shell.rows(run_of(job) .. "/twin.tsv")) do
      if row.event == "arm" or row.event == "disarm" then
        if armed ~= (row.event == "arm") then
          list[#list + 1] = row.event
        end
        armed = row.event == "arm"
      elseif row.event == "pulse" then
        assert.is_true(armed)
        list[#list + 1] = row.note:match("^%d+ %%") or row.note
      end
    end
    assert.is_false(armed)
    return list
  end

  local function perform(body)
    local job = start(script(body))
    return job:wait(), job
  end

  --- Call check(case, begin(case)) for each case, after having begun as many as together: they mostly wait.
  local function in_batches(list, together, begin, check)
    for from = 1, #list, together do
      local begun = {}
      for i = from, math.min(from + together - 1, #list) do
        begun[i] = begin(list[i])
      end
      for i = from, math.min(from + together - 1, #list) do
        check(list[i], begun[i])
      end
    end
  end

  it("armed() is true when the device says so: what fires then is what was asked", function()
    local status, job = perform [[
      run:spawn(function()
        while not stim:armed() do run:sleep(0.001) end
        stim:fire(plan(20))
      end)
      stim:arm(plan(90))
      run:sleep(0.5)
    ]]
    assert.are.equal(0, status, job:err())
    assert.are.same({ "arm", "20 %", "disarm" }, given(job))
  end)

  it("arms after a stop that another part has begun, at once or a little later", function()
    in_batches({ 0, 0.05, 0.1 }, 3, function(wait)
      return start(script(([[
        run:spawn(function()
          repeat run:sleep(0.005) until stim:armed()
          run:sleep(0.5)
          run:stop "enough"
        end)
        stim:arm(plan(30, 28))
        assert(not pcall(stim.play, stim, plan(30, 28)))
        run:sleep(%g)
        stim:arm(plan(31))
        stim:fire(plan(31))
      ]]):format(wait)), "--speed max")
    end, function(_, job)
      assert.are.equal(0, job:wait(), job:err())
      local list = given(job)
      assert.are.same({ "disarm", "arm", "31 %", "disarm" }, table.move(list, #list - 3, #list, 1, {}))
      assert.are.same({ "arm", "30 %" }, { list[1], list[2] })
      assert.is_true(#list < 28)
    end)
  end)

  -- what goes on, what comes meanwhile, whether that raises with what, what the first then gave
  local first = { arm = "stim:arm(plan(90))", play = "stim:play(plan(30, 5))", status = "stim:status()",
    disarm = "stim:disarm()", stop = "run:stop()" }
  local second = { arm = "stim:arm(plan(50))", fire = "stim:fire(plan(50))", status = "stim:status()",
    disarm = "stim:disarm()", stop = "run:stop()" }
  local armed_30 = { "arm", "30 %", "30 %", "30 %", "30 %", "30 %", "disarm" }
  local busy = "the stimulator is being armed %(stim:arm, .*made%d+.lua:%d+%): one thing at a time"
  local playing = "the stimulator is playing a plan %(stim:play, .*made%d+.lua:%d+%): one thing at a time"
  local cases = {
    { "arm", "arm", false, busy, true, { "arm", "disarm" } },
    { "arm", "fire", false, busy, true, { "arm", "disarm" } },
    { "arm", "status", false, busy, true, { "arm", "disarm" } },
    { "arm", "disarm", true, "nil", false },
    { "arm", "stop", true, "nil", false },
    { "play", "arm", false, playing, true, armed_30 },
    { "play", "fire", false, playing, true, armed_30 },
    { "play", "status", false, playing, true, armed_30 },
    { "play", "disarm", true, "nil", false },
    { "play", "stop", true, "nil", false },
    { "status", "arm", false, "is armed already", true, { "arm", "disarm" } },
    { "status", "fire", true, ".", true, { "arm", "50 %", "disarm" } },
    { "status", "status", true, "table", true, { "arm", "disarm" } },
    { "status", "disarm", true, "nil", false, { "arm", "disarm" } },
    { "status", "stop", true, "nil", false, { "arm", "disarm" } },
    { "disarm", "arm", true, "nil", true, { "arm", "disarm", "arm", "disarm" } },
    { "disarm", "fire", false, "is not armed", true, { "arm", "disarm" } },
    { "disarm", "status", true, "table", true, { "arm", "disarm" } },
    { "disarm", "disarm", true, "nil", true, { "arm", "disarm" } },
    { "disarm", "stop", true, "nil", true, { "arm", "disarm" } },
    { "stop", "arm", true, "nil", true, { "arm", "disarm", "arm", "disarm" } },
    { "stop", "fire", false, "stopped on request", true, { "arm", "disarm" } },
    { "stop", "status", true, "table", true, { "arm", "disarm" } },
    { "stop", "disarm", true, "nil", true, { "arm", "disarm" } },
    { "stop", "stop", true, "nil", true, { "arm", "disarm" } },
  }

  it("of which two meet: each pair does what the documentation says", function()
    in_batches(cases, 5, function(case)
      local one, two = case[1], case[2]
      -- the first is begun by a part of its own, the second comes while it waits for the device
      return start(script(([[
        %s
        local begun, first, said
        run:spawn(function() begun = true first = { pcall(function() return %s end) } end)
        while not begun do pcall(run.sleep, run, 0.001) end
        local second = { pcall(function() return %s end) }
        while not first do pcall(run.sleep, run, 0.01) end
        print("first", first[1], "second", second[1], type(second[2]) == "table"
          and not second[2].message and "table" or tostring(second[2]))
      ]]):format(one == "arm" and "" or "stim:arm(plan(30))", first[one], second[two])), "--speed max")
    end, function(case, job)
      local one, two, ok, says, first_ok, gave = table.unpack(case)
      job:wait()
      local pair = one .. ", " .. two .. ": " .. job:err()
      assert.matches(("first\t%s\tsecond\t%s\t"):format(first_ok, ok), job:out(), pair)
      assert.matches(says, job:out():match("\tsecond\t%a+\t([^\n]*)"), pair)
      local list = given(job)
      if gave then
        assert.are.same(gave, list, pair)
      end
      assert.is_true(one ~= "arm" or #list <= 2, pair)
    end)
  end)

  -- an arming that a stop ended asks the device: what comes meanwhile waits for the same stop
  local meanwhile = {
    { 0, "run:spawn(function() run:sleep(0.03) stim:disarm() end) run:sleep(0.04)" },
    { 0, "run:spawn(function() run:sleep(0.03) stim:disarm() end) run:sleep(0.04) stim:disarm()" },
    { 5, "local asked run:spawn(function() run:sleep(0.03) asked = true run:stop() end) "
      .. "repeat run:sleep(0.01) until asked stim:disarm()" },
    { 5, "run:spawn(function() run:sleep(0.03) stim:disarm() end) run:sleep(0.04) run:stop()" },
    { 5, "print('now') io.stdout:flush() run:sleep(30)", "INT" },
  }

  it("end together with an arming that a stop has ended, each device asked once and in peace", function()
    for _, case in ipairs(meanwhile) do
      local path = script("run:spawn(function() pcall(stim.arm, stim) end) " .. case[2])
      in_batches({ "magventure", "magstim200", "bistim", "rapid", "duomag" }, 5, function(device)
        return start(path, "--device sim:" .. device)
      end, function(device, job)
        local where = device .. ": " .. case[2]
        if case[3] then
          job:says "now"
          job:signal(case[3])
        end
        assert.are.equal(case[1], job:wait(), where .. job:err())
        assert.is_nil((job:out() .. job:err()):find("NOT CONFIRMED", 1, true), where)
        assert.is_true((result(job)).disarmed ~= false, where)
        assert.is_true(#given(job) <= 2, where)
      end)
    end
  end)

  it("cannot arm behind the end of the script", function()
    local status, job = perform [[
      run:spawn(function()
        repeat pcall(stim.arm, stim) until not pcall(run.sleep, run, 0.001)
      end)
      run:sleep(0.3)
    ]]
    assert.are.equal(0, status, job:err())
    assert.are.same({ "arm", "disarm" }, given(job))
  end)

  it("names --trigger-in when its port is lost, and stops for it, waited for or not", function()
    for _, body in ipairs { "run:wait_trigger { timeout = 30 }", "run:sleep(30)" } do
      local port = core.pty(nil, function() end)
      local path = port:path()
      local job = start(script("stim:arm() stim:fire(plan(30)) print('now') io.stdout:flush() " .. body),
        "--trigger-in " .. path)
      job:says("now")
      port:close()
      assert.are.equal(4, job:wait())
      assert.is_truthy(job:err():find("--trigger-in " .. path .. " is lost", 1, true), job:err())
      assert.are.equal("gone", (result(job)).stop)
      assert.is_true((result(job)).disarmed)
      assert.are.same({ "arm", "30 %", "disarm" }, given(job))
    end
  end)

  it("keeps the words of a fault of arming", function()
    local job = start(script "stim:arm()", "--fault over-temperature@0")
    assert.are.equal(4, job:wait())
    assert.matches("did not enable", job:err())
    assert.are.equal("device", (result(job)).stop)
  end)

  it("is stopped by Ctrl-C during a command, which the terminal tells as well", function()
    -- the command sends it itself, to Moonpulse first (system(3) would ignore it) and then to itself: a
    -- script that nothing interrupts is stopped as stuck after half a second, which a test that looks for the
    -- command on a busy computer may need
    local command = "'kill -INT $PPID; kill -INT $$; sleep 20'"
    for _, call in ipairs { "os.execute(%s)", "require('os').execute(%s)",
      "coroutine.wrap(function() os.execute(%s) end)()", "io.popen(%s):read('a')" } do
      local job = start(script("stim:arm() stim:fire(plan(30)) " .. call:format(command)
        .. " stim:fire(plan(31))"))
      assert.are.equal(5, job:wait(), call .. job:err())
      assert.are.equal("signal", (result(job)).stop, call)
      assert.are.same({ "arm", "30 %", "disarm" }, given(job), call)
    end
  end)

  it("ends the command of os.execute with all that it started, however the stop comes", function()
    local stops = { INT = "signal", TERM = "signal", HUP = "signal", ["run:stop()"] = "requested",
      ["os.exit(1)"] = "requested" }
    local list = {}
    for how in pairs(stops) do
      list[#list + 1] = how
    end
    in_batches(list, 5, function(how)
      local pids, is_signal = ("%s/pids%d"):format(folder, #jobs), stops[how] == "signal"
      local path = script(([[
        run:spawn(function()
          while not io.open(%q) do run:sleep(0.02) end
          %s
        end)
        stim:arm() stim:fire(plan(30))
        os.execute("sh -c 'sleep 61 & echo $! >%s.new; echo $$ >>%s.new; mv %s.new %s; kill -STOP $$; "
          .. "sleep 62'; :")
        stim:fire(plan(31))
      ]]):format(pids, is_signal and "" or how, pids, pids, pids, pids))
      local job = start(path)
      job.pids = pids
      return job
    end, function(how, job)
      local text = shell.await(function() return shell.read(job.pids) end, "the command")
      if stops[how] == "signal" then
        job:signal(how)
      end
      assert.are.equal(5, job:wait(), job:err())
      assert.are.equal(stops[how], (result(job)).stop)
      assert.are.same({ "arm", "30 %", "disarm" }, given(job))
      for pid in text:gmatch("%d+") do
        shell.await(function() return not shell.read("/proc/" .. pid .. "/comm") or nil end,
          how .. ": its end")
      end
    end)
  end)

  it("gives what a command gave, and takes os.exit for a stop", function()
    local status, job = perform [[
      print("one", os.execute("exit 3"))
      print("two", os.execute("kill -KILL $$"))
      print("here", coroutine.wrap(function() return os.execute("exit 4") end)())
      stim:arm()
      stim:fire(plan(30))
      pcall(os.exit, 3)
      stim:arm()
    ]]
    assert.are.equal(5, status)
    assert.matches("one\tnil\texit\t3\n.*two\tnil\tsignal\t9\n.*here\tnil\texit\t4", job:out())
    assert.matches("stopped on request %(os.exit%(3%) at .*:11%)", job:err())
    assert.are.same({ "arm", "30 %", "disarm" }, given(job))
  end)

  -- Every call and every wait of a driver's arming in turn, on every device: a program that counts them, and
  -- sends itself SIGTERM at number N, as a run's first argument says.
  local hook = [[
    package.cpath = package.cpath .. ";%s/tests/rig/?.so"
    local signals = require "signals"
    local stimulator = require "moonpulse.stimulator"
    local at = math.tointeger(tonumber(arg[1]))
    local count, on, hit, seen = 0, false, false, {}
    local function moment(what)
      what = what .. (debug.traceback():match("moonpulse/devices/[^:]+:%d+") or "") -- of a loop, two turns
      seen[what] = (seen[what] or 0) + (on and 1 or 0)
      if not on or seen[what] > 2 then
        return
      end
      count = count + 1
      if count == at then
        hit = true
        signals.send(15)
      end
    end
    local new = stimulator.new
    function stimulator.new(...)
      local self = new(...)
      local arm, link = self.arm, self.link
      for _, name in ipairs { "write", "transact", "sleep" } do
        local call = link[name]
        link[name] = function(...)
          moment("before " .. name)
          local results = table.pack(call(...))
          moment("after " .. name)
          return table.unpack(results, 1, results.n)
        end
      end
      self.arm = function(...)
        on = true
        moment "begin"
        arm(...)
        moment "end"
        on = false
      end
      return self
    end
    local status = require("moonpulse.cli").main { [0] = "moonpulse", table.unpack(arg, 2) }
    io.stdout:write(hit and "hit\n" or "passed\n")
    return status
  ]]

  --- One run, stopped at moment n of arming or passed; whether it was stopped. On a computer that is so busy
  --- that its loop got no turn for half a second that has stopped it, sooner than anybody else: as it should.
  local function check_moment(job, device, n)
    local status = job:wait()
    local hit = job:out():find("hit\n", 1, true) ~= nil
    local where = ("%s, moment %d: %s"):format(device, n, job:err())
    local run = run_of(job)
    local manifest = cjson.decode((shell.read(run .. "/manifest.json")))
    local was_busy = manifest.result.stop == "stuck"
    if not hit and not was_busy then
      assert.are.equal(0, status, where)
      return false
    end
    assert.are.equal(5, status, where)
    assert.matches(was_busy and "^the computer was too busy" or "stopped by SIGTERM", manifest.result.reason,
      where)
    assert.are.equal("stopped", manifest.status, where)
    assert.is_true(manifest.result.disarmed or job:err():find("before arming", 1, true) ~= nil, where)
    for _, row in ipairs(shell.rows(run .. "/twin.tsv")) do
      assert.are_not.equal("pulse", row.event, where)
    end
    return hit
  end

  it("are stopped at every moment of arming, on every device", function()
    shell.write(folder .. "/hook.lua", (hook:gsub("%%s", shell.program:match("^(.*)/[^/]*$"), 1)))
    local protocol, left, begun, moments = folder .. "/p.lua", { table.unpack(all_devices) }, {}, {}
    shell.write(protocol, 'local mp = require "moonpulse"\nreturn mp.protocol { id = "p", name = "P", '
      .. "plan = function() return mp.pulse { intensity = mp.mso(30) } end }")
    while #left > 0 do
      local batch, each_device = {}, math.max(1, 8 // #left)
      for _, device in ipairs(left) do
        for n = (begun[device] or 0) + 1, (begun[device] or 0) + each_device do
          local name = device .. n
          local job = jobs:start(name,
            ("lua %s/hook.lua %d run %s --device sim:%s --out %s/%sruns --tolerance 1000 --timing host")
              :format(folder, n, protocol, device, folder, name))
          job.runs = ("%s/%sruns"):format(folder, name)
          batch[#batch + 1] = { job, device, n }
        end
        begun[device] = (begun[device] or 0) + each_device
      end
      left = {}
      for _, each in ipairs(batch) do
        local _, device, n = table.unpack(each)
        if check_moment(table.unpack(each)) then
          moments[device] = n
          left[#left + 1] = n == begun[device] and device or nil
        end
      end
    end
    for _, device in ipairs(all_devices) do
      assert.is_true((moments[device] or 0) >= 2, device)
    end
  end)
end)
