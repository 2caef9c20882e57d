-- Stops at awkward moments: before arming, while arming, twice, by job control; and what stopping
-- must not lose. Each of these once went wrong.
local cjson = require "cjson"
local core = require "moonpulse.core"
local devices = require "moonpulse.driver.find"
local fixture = require "job"
local lower = require "moonpulse.lowering"
local mp = require "moonpulse"
local shell = require "shell"

local FIRE = "fe0103e2ff"

--- Wait until the signal number does not wait for process pid any more.
local function has_taken(pid, number)
  local pending
  repeat
    core.wait(0.001)
    local status = shell.read(("/proc/%d/status"):format(pid)) or ""
    pending = tonumber(status:match("ShdPnd:%s*(%x+)") or "0", 16)
  until pending & (1 << (number - 1)) == 0
end

describe("a stop", function()
  local folder, jobs

  fixture.each_test(function(...) folder, jobs = ... end)

  --- A run in real time: pulses a second apart, so that none is late or close on a busy computer. before:
  --- what the plan begins with.
  local function start(before)
    shell.write(folder .. "/slow.lua", ([[local mp = require "moonpulse"
      return mp.protocol { id = "slow", name = "Slow", plan = function()
        return %smp.train { pulses = 60, every = 1, intensity = mp.mso(40) } end }]]):format(before or ""))
    local out = ("%s/runs%d"):format(folder, #jobs)
    return jobs:start("run" .. #jobs, ("run %s/slow.lua --timing host --tolerance 1000 --out %s"):format(
      folder, out)), out
  end

  local function only_run(out)
    return fixture.run_in(out)
  end

  local function simulator_events(path)
    local events = {}
    for _, row in ipairs(shell.rows(path .. "/twin.tsv")) do
      events[#events + 1] = row
    end
    return events
  end

  --- Nothing fires unless it is armed, and it ends disarmed; how many pulses came. One that the
  --- stimulator times has no bytes.
  local function ends_safe(path)
    local armed, fired = false, 0
    for _, row in ipairs(simulator_events(path)) do
      if row.event == "arm" then
        armed = true
      elseif row.event == "disarm" then
        armed = false
      elseif row.event == "pulse" then
        assert.is_true(armed)
        fired = fired + 1
      end
    end
    assert.is_false(armed)
    return fired
  end

  it("at any moment of the way to the first pulse sends nothing and leaves the device safe", function()
    for _, delay in ipairs { 0, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.12, 0.15, 0.2 } do
      local job, out = start "mp.rest(20) .. "
      job:pid()
      core.wait(delay)
      job:signal("TERM") -- a shell's background job would not hear an early SIGINT
      local status = job:wait()
      -- before the handler is in place the signal simply ends the process: 143
      assert.is_true(status == 5 or status == 143, status .. ": " .. job:err())
      if #shell.names(out) > 0 and shell.read(only_run(out) .. "/twin.tsv") then
        assert.are.equal(0, ends_safe(only_run(out)))
      end
      if status == 5 then
        assert.matches("stopped by SIGTERM", job:err())
      end
    end
  end)

  it("is not disturbed by a second signal, whenever it comes", function()
    for _, gap in ipairs { 0, 0.005, 0.05, 0.2 } do
      local job, out = start()
      job:says("timing")
      core.wait(0.6)
      job:signal("TERM")
      if gap > 0 then
        has_taken(job:pid(), 15)
        core.wait(gap)
      end
      job:signal("INT")
      assert.are.equal(5, job:wait())
      local name = assert(job:err():match(
        "stopped by ([^\n]+) after %d+ of 60 pulses; the stimulator is disarmed"), job:err())
      -- of two that wait at once the system hands on whichever it likes
      assert.is_true(name == "SIGTERM" or gap == 0 and name == "Ctrl-C (SIGINT)", name)
      local path = only_run(out)
      ends_safe(path)
      assert.are.equal("stopped", cjson.decode(shell.read(path .. "/manifest.json")).status)
    end
  end)

  it("comes from Ctrl-Z too: a suspended program would leave the device armed", function()
    local job, out = start()
    job:says("timing")
    core.wait(0.6)
    job:signal("TSTP")
    assert.are.equal(5, job:wait())
    ends_safe(only_run(out))
  end)

  it("comes when the guard process dies", function()
    local job, out = start()
    job:says("timing")
    local pid = job:pid()
    local guard
    for child in (shell.read(("/proc/%d/task/%d/children"):format(pid, pid))):gmatch("%d+") do
      if shell.read("/proc/" .. child .. "/comm") == "moonpulse-guard\n" then
        guard = child
      end
    end
    assert.is_truthy(guard)
    os.execute("kill -KILL " .. guard)
    assert.are.equal(5, job:wait())
    assert.matches("the guard process is gone", job:err())
    ends_safe(only_run(out))
  end)

  it("takes no record away: recover leaves a run alone that is still going on", function()
    local job, out = start()
    job:says("timing")
    shell.await(function()
      return (shell.read(only_run(out) .. "/twin.tsv") or ""):find("\tpulse\t")
    end, "a pulse")
    local status, _, err = shell.moonpulse(folder, "recover " .. only_run(out))
    assert.are.equal(2, status)
    assert.matches("still going on", err)
    assert.are.equal(0, (shell.sh(folder, ("ssh-keygen -q -t ed25519 -N '' -f %s/key"):format(folder))))
    for _, command in ipairs { "verify RUN", "sign RUN --key " .. folder .. "/key", "rerun RUN --speed max",
      "methods RUN", "diff RUN itbs600", "diff itbs600 RUN", "export crate RUN", "export prov RUN",
      "export bids RUN --sub 01 --bids " .. folder .. "/d" } do
      local _, said
      status, _, said = shell.moonpulse(folder, (command:gsub("RUN", only_run(out))))
      assert.are.equal(2, status, command .. said)
      assert.matches("its run is still going on: wait until it has ended", said, 1, true)
      assert.is_nil(said:find("killed", 1, true), said)
    end
    job:signal("INT") -- it need not go on for longer than this takes
    assert.are.equal(5, job:wait())
    assert.matches("stopped by Ctrl%-C", job:err())
    local given, recorded = 0, 0
    for _, row in ipairs(simulator_events(only_run(out))) do
      given = given + (row.event == "pulse" and 1 or 0)
    end
    for _, row in ipairs(shell.rows(only_run(out) .. "/events.tsv")) do
      recorded = recorded + (row.event == "pulse" and 1 or 0)
    end
    assert.are.equal(given, recorded)
    assert.is_true(given > 0)
  end)
end)

describe("an error that nobody catches", function()
  it("stops what is armed, wherever it was raised", function()
    local folder = shell.folder()
    shell.write(folder .. "/script.lua", [[
      local core = require "moonpulse.core"
      local driver = require "moonpulse.devices.magventure"
      local simulator = assert(require("moonpulse.simulation.serve").start(
        require("moonpulse.simulators.magventure"), {}))
      local reason, session
      local ok, problem = pcall(core.run, function()
        session = core.session {
          on_bytes = function() end, on_gone = function() end,
          on_outcome = function(out) reason = out.what == "stopped" and out.stop or reason end,
        }
        assert(session:open(simulator.path, driver.serial))
        assert(session:arm { safe = driver.safe, tolerance = 1 })
        core.spawn(function() error("boom", 0) end)
        core.wait(5)
      end)
      session:stop("requested")
      print(ok, problem, reason, session:state())
    ]])
    local status, out = shell.moonpulse(folder, "lua " .. folder .. "/script.lua")
    assert.are.equal(0, status)
    assert.are.equal("false\tboom\terror\tconnected\n", out)
    shell.remove(folder)
  end)
end)

describe("a plan being played", function()
  it("cannot be changed, drawn from or let go under the dispatcher", function()
    local simulator = assert(require("moonpulse.simulation.serve").start(
        require("moonpulse.simulators.magventure"), {}))
    local driver = devices.configure(assert(devices.find("magventure")))
    local session = core.session {
      on_bytes = function() end, on_outcome = function() end, on_gone = function() end,
    }
    assert(session:open(simulator.path, driver.serial))
    local plan = mp.pulse(mp.mso(20)) .. mp.rest(60) .. mp.pulse(mp.mso(20))
    local lowering = lower.prepare { plan = plan, seed = 1, driver = driver, thresholds = {} }
    local other = lower.prepare { plan = plan, seed = 1, driver = driver, thresholds = {} }
    assert(session:arm { safe = driver.safe, tolerance = 1 })
    assert.has_error(function() session:play(lowering, core.clock_ns()) end,
      "the plan was not checked against the safety limits: nothing is sent")
    lowering:clear()
    other:clear()
    assert(session:play(lowering, core.clock_ns() + 1000000000))
    assert.has_error(function() lowering:next() end, "the plan is being played: stop it first")
    assert.has_error(function() lowering:check(10) end, "the plan is being played: stop it first")
    assert.is_false(pcall(lowering.pulse, lowering, 1, "XXXX", 0))
    local ok, message = session:play(other, core.clock_ns())
    assert.is_nil(ok)
    assert.matches("only an armed session can run a plan", message)
    collectgarbage() -- the refused one must not have pushed the played one out
    session:stop("requested")
    assert.is_true(pcall(lowering.next, lowering))
    session:close()
    simulator:close()
  end)

  it("starts at the intensity of the first pulse in time, not in the text", function()
    local late = (mp.rest(1) .. mp.pulse(mp.mso(80))):at("1")
    local plan = mp.together { late, mp.pulse(mp.mso(20)):at("1") }
    local path = shell.folder()
    shell.write(path .. "/p.lua", [[
      local mp = require "moonpulse"
      local late = (mp.rest(1) .. mp.pulse(mp.mso(80))):at("1")
      return mp.together { late, mp.pulse(mp.mso(20)):at("1") }
    ]])
    assert.are.equal(2, plan:totals().pulses)
    local status, _, err = shell.moonpulse(path, "run " .. path .. "/p.lua --speed max --out "
      .. path .. "/runs")
    assert.are.equal(0, status, err)
    local run = fixture.run_in(path .. "/runs")
    local notes = {}
    for _, row in ipairs(shell.rows(run .. "/twin.tsv")) do
      if row.bytes == FIRE then
        notes[#notes + 1] = row.note
      end
    end
    assert.are.same({ "20 %", "80 %" }, notes)
    shell.remove(path)
  end)
end)
