-- Whole runs on a simulator, mostly in real time, where it is a process of its own (run_virtual_spec.lua has
-- the others). Test machines are noisy: there pulses are a second apart, so that none is late or close
-- where a process got no processor for half a second. What was sent, in which order, and the record are
-- exact.
local core = require "moonpulse.core"
local driver = require "moonpulse.devices.magventure"
local fixture = require "job"
local shell = require "shell"

local commands = driver.commands
local virtual = " --timing host --speed max "
local patient = " --timing host --tolerance 1000 "
local itbs = "run itbs600 -p hz=15 --amt %d" .. virtual

local function hex(bytes)
  return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

local FIRE, ENABLE, DISABLE = hex(commands.fire()), hex(commands.enable()), hex(commands.disable())
local ASK, MODE = hex(commands.get_status2()), hex(commands.get_mode())

local function amplitude(percent)
  return hex(commands.set_amplitude { a = percent })
end

describe("moonpulse run", function()
  local folder, jobs

  fixture.each_test(function(...) folder, jobs = ... end)

  local function start(name, arguments)
    return jobs:start(name, arguments)
  end

  local function protocol(text)
    local path = folder .. "/made.lua"
    shell.write(path, 'local mp = require "moonpulse"\nreturn mp.protocol {\n  id = "made", '
      .. 'name = "Made",\n  plan = function()\n' .. text .. "\n  end,\n}\n")
    return path
  end

  --- A run in real time of so many pulses, a second apart; 40 %MSO.
  local function real(pulses, more)
    return "run " .. protocol(("return mp.train { pulses = %d, every = 1, intensity = mp.mso(40) }"):format(
      pulses)) .. patient .. (more or "")
  end

  --- The one folder of a run under out.
  local function run_folder(out)
    return fixture.run_in(out)
  end

  local manifest, pulse_rows = fixture.manifest, fixture.pulse_rows

  --- Everything the simulator took from the wire, in order; and its pulses alone.
  local function wire(log)
    local frames, pulses, last = {}, {}, nil
    for i, row in ipairs(shell.rows(log)) do
      frames[i], last = row.bytes, row
      if row.event == "pulse" then
        pulses[#pulses + 1] = row
      end
    end
    return frames, pulses, last
  end

  --- What the wire of a whole run must hold.
  local function expected_wire(pulses, percent)
    local frames = { ASK, MODE, MODE, ENABLE, amplitude(percent) }
    for _ = 1, pulses do
      frames[#frames + 1] = FIRE
    end
    frames[#frames + 1] = DISABLE
    frames[#frames + 1] = ASK
    return frames
  end

  --- After a run that was cut short: what was recorded is what the simulator saw, safe comes last.
  local function record_equals_simulator(path, log)
    local _, seen, last = wire(log)
    local recorded = pulse_rows(path)
    assert.are.equal(#seen, #recorded)
    for i, row in ipairs(recorded) do
      assert.are.equal(tostring(i), row.pulse)
    end
    return #seen, last
  end

  --- Wait until the simulator has seen count pulses.
  local function after_pulses(log, count)
    shell.await(function()
      local _, found = (shell.read(log) or ""):gsub("\tpulse\t", "")
      return found >= count
    end, count .. " pulses")
  end

  local function simulator_log(out)
    return shell.await(function()
      local name = shell.names(out)[1]
      return name and shell.read(out .. "/" .. name .. "/twin.tsv") and
        out .. "/" .. name .. "/twin.tsv"
    end, "the log of the simulator")
  end

  local function sim(name)
    local link, log = folder .. "/" .. name, folder .. "/" .. name .. ".tsv"
    local job = start(name .. "_sim", ("sim magventure --link %s --log %s"):format(link, log))
    job:says("simulated MagVenture MagPro on ")
    return job, link, log
  end

  it("sends exactly what the driver encodes, in order, once each", function()
    local status, out, err = shell.moonpulse(folder,
      itbs:format(50) .. "-p trains=1 --seed 7 --out " .. folder .. "/runs")
    assert.are.equal("", err)
    assert.are.equal(0, status)
    assert.matches("sent        30 of 30 pulses, 30 confirmed by the device", out, 1, true)
    assert.matches("disarmed    the stimulator says that it is disabled", out, 1, true)
    local path = run_folder(folder .. "/runs")
    assert.matches("^%d%d%d%d%-%d%d%-%d%dT%d%d%d%d%d%d_itbs600$", path:match("[^/]*$"))
    assert.matches("record      " .. path, out, 1, true)
    for _, name in ipairs { "events.tsv", "manifest.json", "report.html", "twin.tsv" } do
      assert.is_truthy(shell.read(path .. "/" .. name))
    end
    assert.are.same(expected_wire(30, 40), (wire(path .. "/twin.tsv")))

    local pulses, rows = pulse_rows(path)
    assert.are.equal(30, #rows)
    for i, row in ipairs(pulses) do
      assert.are.equal(tostring(i), row.pulse)
      assert.near((i - 1) * 1e6 / 15, tonumber(row.onset_planned_us), 0.001)
      assert.are.same({ "0", "train", "1", "40", "80", "AMT", "delivered" }, { row.duration,
        row.trial_type, row.channel, row.intensity_mso, row.intensity, row.intensity_ref,
        row.status })
      assert.are.same({ "0.000", row.onset_planned_us }, { row.lateness_us, row.onset_sent_us })
      assert.is_true(tonumber(row.onset_confirmed_us) > tonumber(row.onset_sent_us))
      assert.is_true(math.abs(tonumber(row.onset) * 1e6 - tonumber(row.onset_sent_us)) < 0.01)
      assert.matches("dI/dt", row.reply, 1, true)
    end
  end)

  it("does the same in real time over a pseudo-terminal: none early, and how late is told", function()
    local status, out, err = shell.moonpulse(folder, real(4, "--out " .. folder .. "/runs"))
    assert.are.equal("", err)
    assert.are.equal(0, status)
    assert.matches("sent        4 of 4 pulses, 4 confirmed by the device", out, 1, true)
    assert.matches("onset error p50 ", out, 1, true)
    local path = run_folder(folder .. "/runs")
    assert.are.same(expected_wire(4, 40), (wire(path .. "/twin.tsv")))
    for i, row in ipairs((pulse_rows(path))) do
      assert.near((i - 1) * 1e6, tonumber(row.onset_planned_us), 0.001)
      assert.are.equal("delivered", row.status)
      assert.is_true(tonumber(row.lateness_us) >= 0) -- never early
      assert.is_true(tonumber(row.onset_confirmed_us) > tonumber(row.onset_sent_us))
      assert.is_true(math.abs(tonumber(row.onset) * 1e6 - tonumber(row.onset_sent_us)) < 0.01)
    end
    local facts = manifest(path)
    assert.are.same({ "completed", 1, "pty" }, { facts.status, facts.speed, facts.device.backend })
    assert.is_true(facts.start.waited_s >= 0.08) -- five replies, each 20 ms or more after its question
    local result = facts.result
    assert.are.same({ 4, 4, 4, 0, true }, { result.pulses_planned, result.pulses_sent,
      result.pulses_confirmed, result.pulses_skipped, result.disarmed })
    assert.is_true(result.lateness_us.p50 <= result.lateness_us.p95)
    assert.is_true(result.lateness_us.p99 <= result.lateness_us.max)
  end)

  it("leaves a manifest that says what was done", function()
    assert.are.equal(0, (shell.moonpulse(folder, itbs:format(61) .. "-p trains=1 --seed 7 --out "
      .. folder .. "/deep/er/runs")))
    local facts = manifest(run_folder(folder .. "/deep/er/runs"))
    assert.are.equal("completed", facts.status)
    assert.are.equal(7, facts.seed)
    assert.are.equal("max", facts.speed)
    assert.is_true(facts.start.waited_s >= 0.08) -- five replies, each 20 ms or more after its question
    assert.are.same({ 61, "%MSO", "operator" }, { facts.thresholds.amt.value, facts.thresholds.amt.unit,
      facts.thresholds.amt.source })
    assert.are.equal(1, facts.parameters.trains)
    assert.are.equal("80 %AMT", facts.parameters.intensity)
    assert.are.same({ "itbs600", 30, 2, 10 }, { facts.protocol.id, facts.protocol.pulses,
      facts.protocol.nominal_end_s, facts.protocol.whole_cycles_s })
    assert.are.same({ "magventure", true, "X100", "virtual" }, { facts.device.name,
      facts.device.simulated, facts.device.model, facts.device.backend })
    local result = facts.result
    assert.are.same({ 30, 30, 30, 0, true, "the plan is complete" }, { result.pulses_planned,
      result.pulses_sent, result.pulses_confirmed, result.pulses_skipped, result.disarmed,
      result.reason })
  end)

  it("drives a stimulator on a port: a simulator that another process runs", function()
    local simulator, link, log = sim("stim")
    local arguments = real(4, "--device magventure --port " .. link .. " --out " .. folder)
    local status, _, err = shell.moonpulse(folder, arguments .. "/runs")
    assert.are.equal("", err)
    assert.are.equal(0, status)
    assert.are.same(expected_wire(4, 40), (wire(log)))
    local path = run_folder(folder .. "/runs")
    assert.are.equal(4, #pulse_rows(path))
    local device = manifest(path).device
    -- behind a pseudo-terminal is a program: the record must not call it a real stimulator
    assert.are.same({ true, link:match("[^/]*$") }, { device.simulated, device.port })
    assert.is_nil(require("shell").read(path .. "/recover.json"):find(link, 1, true)) -- nor any other place
    simulator:signal("INT")
    assert.are.equal(0, simulator:wait())
    assert.matches("4 pulses, 1 armings, 1 disarmings, 1 settings, 0 commands ignored", simulator:out(),
      1, true)
    assert.is_nil(shell.read(link)) -- the link is gone with the simulator
  end)

  it("refuses a port that another run has, and names that one", function()
    local _, link, log = sim("stim")
    local arguments = real(50, "--device magventure --port " .. link .. " --out " .. folder)
    local first = start("first", arguments .. "/runs")
    first:says("timing ")
    local status, _, err = shell.moonpulse(folder, arguments .. "/refused")
    assert.are.equal(4, status)
    assert.matches("in use by moonpulse (pid " .. first:pid() .. ")", err, 1, true)
    assert.are.equal("not run", manifest(run_folder(folder .. "/refused")).status)
    first:signal("INT")
    assert.are.equal(5, first:wait(), first:err())
    record_equals_simulator(run_folder(folder .. "/runs"), log)
  end)

  it("changes the intensity between pulses, and passes marks", function()
    local made = protocol [[
      return mp.pulse(mp.mso(30)) .. mp.rest(0.5) .. mp.mark "louder" .. mp.rest(0.5)
        .. mp.pulse(mp.mso(45)) .. mp.rest(0.3) .. mp.pulse(mp.mso(45))]]
    local status, _, err = shell.moonpulse(folder, "run " .. made .. " --out " .. folder .. "/runs"
      .. virtual)
    assert.are.equal("", err)
    assert.are.equal(0, status)
    local path = run_folder(folder .. "/runs")
    assert.are.same({ ASK, MODE, MODE, ENABLE, amplitude(30), FIRE, amplitude(45), FIRE, FIRE,
      DISABLE, ASK }, (wire(path .. "/twin.tsv")))
    local _, rows = pulse_rows(path)
    local told = {}
    for i, row in ipairs(rows) do
      told[i] = row.event .. " " .. row.intensity_mso
    end
    assert.are.same({ "pulse 30", "set_intensity 45", "mark n/a", "pulse 45", "pulse 45" }, told)
    assert.are.equal("louder", rows[3].reply)
  end)

  it("opens and arms nothing where the script is wrong", function()
    local _, link, log = sim("stim")
    local before = #wire(log)
    local wrong = {
      { 2, "return mp.nonsense()" }, { 2, "error 'no'" }, { 2, "return 5" },
      { 2, "return mp.rest(1)" }, { 2, "return mp.pulse(mp.rmt(100))" },
      { 2, "return mp.train { pulses = 3, hz = 10, iti = 3, intensity = mp.mso(5) }" },
      { 3, "return mp.train { pulses = 3, hz = 101, intensity = mp.mso(5) }" },
      { 3, "return mp.pulse(mp.mso(5)) .. mp.rest(0.05) .. mp.pulse(mp.mso(6))" },
      { 3, "return mp.pulse(mp.mso(5)):at 'left' .. mp.rest(1) .. mp.pulse(mp.mso(5)):at 'right'" },
    }
    for _, case in ipairs(wrong) do
      local status, _, err = shell.moonpulse(folder, "run " .. protocol(case[2])
        .. " --device magventure --port " .. link .. " --out " .. folder .. "/runs")
      assert.are.equal(case[1], status, case[2] .. err)
      assert.matches("^moonpulse: [^\n]+\n$", err)
    end
    assert.are.equal(before, #wire(log))
    assert.are.same({}, shell.names(folder .. "/runs"))
  end)

  it("ends with 4 where there is no port, or nobody answers", function()
    local status, _, err = shell.moonpulse(folder, "run itbs600 --amt 50 --device magventure --port "
      .. folder .. "/nothing --out " .. folder .. "/runs")
    assert.are.equal(4, status)
    assert.matches("no port \"" .. folder .. "/nothing\": plug the device in", err, 1, true)
    shell.write(folder .. "/file", "")
    status, _, err = shell.moonpulse(folder, "run itbs600 --amt 50 --device magventure --port "
      .. folder .. "/file --out " .. folder .. "/runs")
    assert.are.equal(4, status)
    assert.matches("not a serial port", err, 1, true)
  end)

  it("ends with 5 where a pulse would be late, 0 where it may be skipped", function()
    -- the tolerance is half an interval: a pulse within it leaves the next one far enough away
    local made = protocol "return mp.train { pulses = 6, every = 1, intensity = mp.mso(5) }"
    local function begin(late)
      local out = folder .. "/" .. late
      return { out = out, job = start(late, ("run %s --timing host --tolerance 500 --late %s --out %s")
        :format(made, late, out)) }
    end
    local runs = { begin "abort", begin "skip" }
    for _, each in ipairs(runs) do
      after_pulses(simulator_log(each.out), 2)
      each.job:signal("STOP") -- the whole process
    end
    core.wait(1.6) -- whenever it began: a pulse was due in its first second, and is more than 0.5 s late
    for _, each in ipairs(runs) do
      each.job:signal("CONT")
    end
    local function ended(each)
      return each.job:wait(), each.job, run_folder(each.out)
    end
    local status, job, path = ended(runs[1])
    assert.are.equal(5, status, job:err())
    -- "left up to": it was stopped in the midst of a write
    assert.matches("pulse %d+ would have left [%d.]+ %a+ late %b() after %d+ of 6 pulses",
      (job:err():gsub("left up to", "would have left")))
    assert.matches("--tolerance MS or --late skip", job:err(), 1, true)
    local _, seen, last = wire(path .. "/twin.tsv")
    assert.is_true(#seen >= 2 and #seen < 6)
    assert.are.equal(ASK, last.bytes)
    assert.are.equal(#seen, manifest(path).result.pulses_sent)

    status, job, path = ended(runs[2])
    assert.are.equal("", job:err())
    assert.are.equal(0, status)
    local skipped, before_us = 0, nil
    for _, row in ipairs(pulse_rows(path)) do
      local sent_us = tonumber(row.onset_sent_us) -- not the simulator's time: it may read two at once
      skipped = skipped + (row.status == "late" and not sent_us and 1 or 0)
      assert.is_true(not before_us or not sent_us or sent_us - before_us > 499999)
      before_us = sent_us or before_us
    end
    assert.is_true(skipped >= 1 and skipped <= 4)
    _, seen = wire(path .. "/twin.tsv")
    assert.are.equal(6 - skipped, #seen) -- never made up for
    assert.are.equal(skipped, manifest(path).result.pulses_skipped)
  end)

  it("survives a simulator that is unplugged in the middle, with all that was sent on record", function()
    local simulator, link, log = sim("stim")
    local job = start("run", real(10, "--device magventure --port " .. link .. " --out " .. folder
      .. "/runs"))
    after_pulses(log, 2)
    simulator:signal("KILL")
    assert.are.equal(4, job:wait())
    assert.matches("NOT CONFIRMED SAFE: the port is lost", job:err(), 1, true)
    local path = run_folder(folder .. "/runs")
    local _, seen = wire(log)
    local recorded = pulse_rows(path)
    assert.is_true(#recorded >= #seen) -- a pulse may have been lost with the simulator
    assert.is_true(#recorded < 10)
    local delivered = 0
    for i, row in ipairs(recorded) do
      assert.are.equal(tostring(i), row.pulse)
      delivered = delivered + (row.status == "delivered" and 1 or 0)
    end
    assert.is_true(delivered > 0)
    local facts = manifest(path)
    assert.are.equal("device fault", facts.status)
    assert.are.equal(#recorded, facts.result.pulses_sent)
    assert.are.equal(delivered, facts.result.pulses_confirmed)
  end)

  for _, name in ipairs { "INT", "TERM", "HUP" } do
    it("stops cleanly on SIG" .. name .. " in the middle", function()
      local out = folder .. "/runs"
      local job = start("run", real(10, "--out " .. out))
      local log = simulator_log(out)
      after_pulses(log, 2)
      job:signal(name)
      assert.are.equal(5, job:wait())
      local path = run_folder(out)
      local count, last = record_equals_simulator(path, log)
      assert.is_true(count >= 2 and count < 10)
      local said = name == "INT" and "Ctrl-C (SIGINT)" or "SIG" .. name
      assert.matches(("moonpulse: stopped by %s after %d of 10 pulses; "
        .. "the stimulator is disarmed\n"):format(said, count), job:err(), 1, true)
      assert.matches(("sent        %d of 10 pulses"):format(count), job:out(), 1, true)
      -- the safe frame is the last thing that does anything, nothing fires behind it
      local frames = wire(log)
      assert.are.same({ FIRE, DISABLE, ASK }, { table.unpack(frames, #frames - 2) })
      assert.are.equal(ASK, last.bytes)
      local facts = manifest(path)
      assert.are.equal("stopped", facts.status)
      assert.are.equal(count, facts.result.pulses_sent)
      assert.is_true(facts.result.disarmed)
    end)
  end

  it("stops cleanly between trains, where the next pulse is far away", function()
    local out = folder .. "/runs"
    local job = start("run", "run " .. protocol [[
      return mp.train { pulses = 2, every = 1, intensity = mp.mso(40) }:times(2, { gap = 30 })]] .. patient
      .. "--out " .. out)
    local log = simulator_log(out)
    after_pulses(log, 2)
    job:signal("INT")
    assert.are.equal(5, job:wait())
    assert.are.equal(2, (record_equals_simulator(run_folder(out), log)))
    assert.are.same(expected_wire(2, 40), (wire(log)))
    assert.matches("after 2 of 4 pulses", job:err(), 1, true)
  end)

  it("stops while it waits for the first answer", function()
    -- a simulator that is slower than the driver's patience
    local link, log = folder .. "/slow", folder .. "/slow.tsv"
    local simulator = start("sim", ("sim magventure --latency 10 --link %s --log %s"):format(link, log))
    simulator:says("simulated ")
    local job = start("run", "run itbs600 --amt 50 --device magventure --port " .. link .. " --out "
      .. folder .. "/runs")
    shell.await(function()
      return shell.read(log):find(ASK, 1, true)
    end, "the first question")
    job:signal("INT")
    assert.are.equal(5, job:wait())
    assert.are.equal("moonpulse: stopped by Ctrl-C (SIGINT) before arming; no pulse was sent\n", job:err())
    for _, frame in ipairs((wire(log))) do
      assert.are.equal(ASK, frame)
    end
    local path = run_folder(folder .. "/runs")
    assert.are.equal(0, #pulse_rows(path))
    assert.are.equal("stopped", manifest(path).result.status)
  end)

  it("ends with 4 where the device does not answer", function()
    local link = folder .. "/slow"
    local simulator = start("sim", "sim magventure --latency 10 --link " .. link)
    simulator:says("simulated ")
    local status, _, err = shell.moonpulse(folder, "run itbs600 --amt 50 --device magventure --port "
      .. link .. " --out " .. folder .. "/runs")
    assert.are.equal(4, status)
    assert.matches("MagVenture MagPro on " .. link .. ": no answer to get status2: is it switched on",
      err, 1, true)
  end)
end)
