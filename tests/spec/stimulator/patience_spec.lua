-- A run's own simulator is a process beside it: that it gets no processor is not the stimulator's fault, and
-- ends no run. That it is gone does.
local core = require "moonpulse.core"
local devices = require "moonpulse.driver.find"
local fixture = require "job"
local last_looked = require "moonpulse.simulation.last_looked"
local patience = require "moonpulse.stimulator.patience"
local shell = require "shell"

describe("the patience with a run's own simulator", function()
  local folder, jobs

  fixture.each_test(function(...) folder, jobs = ... end)

  --- A run of three pulses, 3 s apart, or of another text, and its simulator's process.
  local function start(text, device)
    shell.write(folder .. "/three.lua", 'local mp = require "moonpulse"\n' .. (text or 'return mp.protocol { '
      .. 'id = "three", name = "Three", plan = function() return mp.train { pulses = 3, every = 3, '
      .. 'intensity = mp.mso(40) } end }'))
    local job = jobs:start("run", ("run %s/three.lua --tolerance 1000 --out %s/runs --device sim%s"):format(
      folder, folder, device or ""))
    shell.await(function()
      local run = shell.names(folder .. "/runs")[1]
      return run and (shell.read(("%s/runs/%s/twin.tsv"):format(folder, run)) or ""):find("\tpulse\t")
    end, "a pulse")
    local pid = shell.read(folder .. "/run.pid"):match("%d+")
    for child in shell.read(("/proc/%s/task/%s/children"):format(pid, pid)):gmatch("%d+") do
      if (shell.read(("/proc/%s/cmdline"):format(child)) or ""):find("\0sim\0", 1, true) then
        return job, child
      end
    end
  end

  --- Ctrl-C, and the run has ended soon, though its simulator does not move.
  local function assert_ends_soon(job, simulator)
    local stopped_ns = core.clock_ns()
    job:signal("INT")
    local status = job:wait()
    local took_s = (core.clock_ns() - stopped_ns) / 1e9
    os.execute("kill -CONT " .. simulator .. " 2>/dev/null")
    assert.are.equal(4, status, job:err())
    assert.matches("NOT CONFIRMED SAFE: ", job:err(), 1, true)
    -- 2 s, and what the end of a run computes, in a slow build as well; 6.5 s and that it was
    assert.is_true(took_s < (shell.program:find "sanitize" and 5 or 3), ("%.1f s"):format(took_s))
    assert.is_falsy(fixture.manifest(fixture.run_in(folder .. "/runs")).result.disarmed)
  end

  it("lets a run go on whose simulator got no processor for 2.5 s, at a pulse", function()
    local job, simulator = start()
    core.wait(2)
    os.execute("kill -STOP " .. simulator)
    core.wait(2.5) -- the second pulse was sent a second in; 0.6 s are what a device gets
    local unconfirmed = shell.read(fixture.run_in(folder .. "/runs") .. "/twin.tsv")
    os.execute("kill -CONT " .. simulator)
    assert.are.equal(1, select(2, unconfirmed:gsub("\tpulse\t", "")))
    assert.are.equal(0, job:wait(), job:err())
    local result = fixture.manifest(fixture.run_in(folder .. "/runs")).result
    assert.are.same({ 3, 3, true }, { result.pulses_sent, result.pulses_confirmed, result.disarmed })
  end)

  --- The device of a driver's file: magstim200, which is told every half second that somebody is there.
  local function own_file()
    shell.write(folder .. "/mine.lua", 'return require "moonpulse.devices.magstim200"\n')
    return (":%s/mine.lua"):format(folder)
  end

  for name, device in pairs { ["a shipped driver"] = function() return ":magstim200" end,
    ["a driver's file"] = own_file } do
    it("lets a run of " .. name .. " go on whose simulator was stopped for 1 s", function()
      local job, simulator = start(nil, device())
      core.wait(1)
      os.execute("kill -STOP " .. simulator)
      core.wait(1) -- behind what the device is asked meanwhile: it has 0.8 s
      os.execute("kill -CONT " .. simulator)
      assert.are.equal(0, job:wait(), job:err())
      local result = fixture.manifest(fixture.run_in(folder .. "/runs")).result
      assert.are.same({ 3, 3, true }, { result.pulses_sent, result.pulses_confirmed, result.disarmed })
    end)

    it("ends one of " .. name .. " whose simulator was stopped for good, and names its process", function()
      local job, simulator = start('return mp.protocol { id = "three", name = "Three", plan = function() '
        .. 'return mp.train { pulses = 5, every = 5, intensity = mp.mso(40) } end }', device())
      core.wait(1)
      local stopped_ns = core.clock_ns()
      os.execute("kill -STOP " .. simulator)
      local status = job:wait()
      local took_s = (core.clock_ns() - stopped_ns) / 1e9
      os.execute("kill -CONT " .. simulator .. " 2>/dev/null")
      assert.are.equal(4, status, job:err())
      assert.matches("the simulator's process has not looked at its port for 5.%d s", job:err())
      assert.is_nil(job:err():find("is its cable plugged in", 1, true), job:err())
      assert.is_true(took_s < 9, ("%.1f s"):format(took_s)) -- 5 s, 2 s to its end, and a busy machine
      assert.is_true(fixture.manifest(fixture.run_in(folder .. "/runs")).result.pulses_sent <= 2)
    end)
  end

  it("ends with its process, at once", function()
    local job, simulator = start()
    local killed_ns = core.clock_ns()
    os.execute("kill -KILL " .. simulator)
    assert.are.equal(4, job:wait(), job:err())
    assert.matches(core.stops.gone.words, job:err(), 1, true)
    assert.is_true(core.clock_ns() - killed_ns < 4000000000)
  end)

  it("ends when a run is stopped: one that hangs makes nobody wait for long", function()
    local job, simulator = start()
    os.execute("kill -STOP " .. simulator)
    assert_ends_soon(job, simulator)
  end)

  it("ends when a run is stopped while its script waits for the device to say that it is disarmed", function()
    local job, simulator = start [[return mp.experiment { run = function(run)
      local stim = run:device()
      stim:arm()
      stim:fire(mp.pulse(mp.mso(40)))
      run:sleep(1.5)
      stim:disarm()
    end }]]
    core.wait(0.5)
    os.execute("kill -STOP " .. simulator)
    core.wait(2) -- it is asked, with patience: no stop has come
    assert.is_nil(job.status)
    assert_ends_soon(job, simulator)
  end)

  it("is of the simulators that come with Moonpulse, in real time, if they were not asked to fail", function()
    local driver = devices.configure(assert(devices.find "magventure"), {})
    assert.are.equal(0.6, patience.seconds(driver, 0.6)) -- a device, or asked to fail
    driver.on_simulator = true
    assert.are.equal(5, patience.seconds(driver, 0.6))
    assert.are.equal(60, patience.seconds(driver, 60))
    assert.are.equal(0.6, patience.seconds(driver, 0.6, core.clock_ns())) -- at the run's end
    assert.are.equal(2, math.ceil(patience.seconds(driver, 0.6, core.clock_ns() + 2000000000)))
    assert.are.equal(60, patience.seconds(driver, 60, core.clock_ns()))
    assert.are.equal(6, patience.engine_s(driver, 0.2)) -- whoever knows when the process looked judges first
    driver.file = "mine.lua"
    assert.are.equal(0.6, patience.seconds(driver, 0.6))
    assert.are.equal(6, patience.engine_s(driver, 0.2))
    assert.are.equal(10, patience.engine_s(driver, 10))
    driver.on_simulator = false
    assert.are.equal(0.2, patience.engine_s(driver, 0.2))
  end)

  it("reaches back as far as nobody looked, and finds that out in few steps", function()
    local own, own_missed, asked = last_looked.away_ns, core.missed_ns, 0
    core.missed_ns = function() return 0 end -- what this computer did to the spec meanwhile
    local now = core.clock_ns()
    local gap = { from = now - 900000000, to = now - 500000000 } -- of 0.4 s
    last_looked.away_ns = function(since_ns, until_ns)
      asked = asked + 1
      return math.max(0, math.min(gap.to, until_ns) - math.max(gap.from, since_ns))
    end
    local found = {}
    for i, back_ns in ipairs { 400000000, 499999999, 500000001, 500000100, 700000000, 900000000 } do
      found[i] = now - patience.before_ns(now, back_ns)
    end
    last_looked.away_ns, core.missed_ns = own, own_missed
    -- the gap lies between, and is left out: whatever part of it lay behind the first guess
    assert.are.same({ 400000000, 499999999, 900000001, 900000100, 1100000000, 1300000000 }, found)
    assert.is_true(asked < 6 * 50, asked)
  end)
end)
