-- Pulses that something else fires (stim:watch): which of them count, what disarms, what the record has of
-- each, and what is refused. The witness is the simulator: what it says it gave, and when it was disarmed.
local cases = require "cases"
local cjson = require "cjson"
local fixture = require "job"
local given_record = require "moonpulse.safety.given_record"
local shell = require "shell"

local folder, jobs

before_each(function() folder, jobs = shell.folder(), {} end)
after_each(function()
  for _, job in ipairs(jobs) do
    job:kill()
  end
  shell.remove(folder)
end)

local report_s = 0.02 -- of the simulator: from a pulse to its report

local function write(body)
  shell.write(folder .. "/made.lua", 'local mp = require "moonpulse"\nreturn mp.experiment(function(run)\n'
    .. 'local stim, pulse = run:device(), mp.pulse(mp.mso(40)):label "loop"\nstim:arm(pulse)\n' .. body
    .. "\nend)\n")
end

local function run(body, fired, more)
  write(body)
  local lines = {}
  for i, at_s in ipairs(fired) do
    lines[i] = ("%.9f device pulse"):format(at_s)
  end
  shell.write(folder .. "/triggers", table.concat(lines, "\n") .. "\n")
  return shell.moonpulse(folder, ("run %s/made.lua --seed 1 --out %s/runs --speed max --triggers "
    .. "%s/triggers %s"):format(folder, folder, folder, more or "--device sim:magventure --rmt 50"))
end

local function record()
  return fixture.run_in(folder .. "/runs")
end

local function facts()
  return cjson.decode(shell.read(record() .. "/manifest.json"))
end

local function rows(event)
  local list = {}
  for _, row in ipairs(shell.rows(record() .. "/events.tsv")) do
    list[#list + 1] = row.event == event and row or nil
  end
  return list
end

--- How many pulses the simulator gave by itself, and how many of them after it was last disarmed.
local function fired_in(path)
  local count, after = 0, 0
  for _, row in ipairs(shell.rows(path)) do
    local is_fired = row.event == "pulse" and row.bytes == "n/a"
    count = count + (is_fired and 1 or 0)
    after = row.event == "disarm" and 0 or after + (is_fired and 1 or 0)
  end
  return count, after
end

--- Each pulse from outside that the simulator gave has its row, and no more; when, from the run's start.
local function given(path)
  local list = {}
  for _, row in ipairs(rows "pulse") do
    if row.timed_by == "external" then
      assert.are.same({ "n/a", "n/a", "n/a", "loop" },
        { row.onset_planned_us, row.onset_sent_us, row.lateness_us, row.trial_type })
      assert.near(tonumber(row.onset_confirmed_us), 1e6 * tonumber(row.onset), 0.01)
      list[#list + 1] = tonumber(row.onset)
    end
  end
  local count, after = fired_in(path or record() .. "/twin.tsv")
  assert.are.equal(count, #list, "the simulator's own list")
  assert.are.equal(0, after, "pulses after it was disarmed")
  return list
end

--- A MagPro whose simulator is another: the options for it.
local function turned(otherwise)
  shell.write(folder .. "/turned.lua", [[
    local driver = {}
    for key, value in pairs(require "moonpulse.devices.magventure") do driver[key] = value end
    driver.name, driver.simulator = "turned", "turned_simulator.lua"
    return driver]])
  shell.write(folder .. "/turned_simulator.lua", ([[
    local model = require "moonpulse.simulators.magventure"
    local M = setmetatable({}, { __index = model })
    function M.new(options)
      local simulator = model.new(options)
      %s
      return simulator
    end
    return M]]):format(otherwise))
  return ("--device sim:%s/turned.lua --rmt 50"):format(folder)
end

--- As run: verify finds nothing, and the run is done again with the same rows.
local function holds()
  local status, out = shell.moonpulse(folder, "verify " .. record())
  assert.are.equal(0, status, out)
  status, out = shell.moonpulse(folder, ("rerun %s --out %s/again"):format(record(), folder))
  assert.matches("SAME ", out, 1, true)
  return status
end

describe("stim:watch", function()
  it("takes as many pulses as may come, disarms, and takes more once it is armed anew", function()
    local status, out = run([[
      local pulses, why = stim:watch(pulse, { count = 2, refractory = 0.5, timeout = 10 })
      run:note(("%d %s"):format(pulses, why))
      run:sleep(2)
      stim:arm(pulse)
      stim:fire(pulse)
      pulses, why = stim:watch(pulse, { count = 2, refractory = 0.5, timeout = 3 })
      run:note(("%d %s %s"):format(pulses, why, stim:armed()))]], { 1, 2, 2.5, 5.5 })
    assert.are.equal(0, status, out)
    assert.are.same({ 1 + report_s, 2 + report_s, 5.5 + report_s }, given())
    assert.matches("2 count", out, 1, true)
    assert.matches("1 timeout false", out, 1, true)
    local numbers, statuses = {}, {}
    for i, row in ipairs(rows "pulse") do
      numbers[i], statuses[i] = row.pulse .. " " .. row.trial, row.status
    end
    assert.are.same({ "1 1", "2 2", "3 3", "4 4" }, numbers)
    assert.are.same({ "external", "external", "delivered", "external" }, statuses)
    local result = facts().result
    assert.are.same({ 4, 4, 4, "completed" }, { result.pulses_sent, result.pulses_confirmed,
      result.pulses_planned, result.status })
    assert.are.equal(4, facts().conditions.loop)
    assert.are.equal(0, holds())
    local page = shell.read(record() .. "/report.html")
    assert.matches("Pulses fired by an external device", page, 1, true)
    local _, methods = shell.moonpulse(folder, "methods " .. record())
    methods = methods:gsub("%s+", " ")
    assert.matches("Dose. All 4 pulses were delivered, as the stimulator confirmed. 3 pulses were fired by "
      .. "an external device", methods, 1, true)
    assert.is_nil(methods:match("Deviations%. .*external"))
    status, out = shell.moonpulse(folder, ("export bids %s --bids %s/bids --sub 01"):format(record(), folder))
    assert.are.equal(0, status, out)
    local nibs = io.popen(("cat %s/bids/sub-01/nibs/*_nibs.tsv"):format(folder)):read("a")
    assert.matches("\tverified", nibs, 1, true)
    assert.is_nil(nibs:find("not_verified", 1, true), nibs)
    local _, events = shell.moonpulse(folder, ("events %s/made.lua --device sim:magventure --rmt 50 "
      .. "--triggers %s/triggers"):format(folder, folder))
    assert.matches("\n[^\n]*\t1020000\tpulse\t1\t40\tMSO\t40\t1\t", events)
    local judged, said = shell.moonpulse(folder, ("check %s/made.lua --device sim:magventure --rmt 50 "
      .. "--triggers %s/triggers"):format(folder, folder))
    assert.are.equal(0, judged, said)
    assert.matches("4 pulses of this course", said, 1, true)
  end)

  it("stops where a pulse comes sooner than refractory after the one before, and not at it", function()
    local watching = "stim:watch(pulse, { count = 9, refractory = 0.5, timeout = 9 })"
    local status, out = run(watching, { 1, 1.5, 2 })
    assert.are.equal(0, status, out)
    assert.are.equal(3, #given())
    shell.remove(folder .. "/runs")
    local err
    status, out, err = run(watching .. "\nrun:note 'unreached'", { 1, 1.5, 1.999999, 3 })
    assert.are.equal(4, status, out)
    assert.matches("499.999 ms after the one before, sooner than refractory = 500", out, 1, true)
    assert.matches("an external device fired came sooner", err, 1, true)
    assert.is_nil(out:find("unreached", 1, true))
    assert.are.equal(3, #given())
    assert.are.same({ "refractory", true }, { facts().result.stop, facts().result.disarmed })
    holds()
    local _, again = shell.moonpulse(folder, ("rerun %s --out %s/again"):format(record(), folder))
    assert.is_nil(again:find("own fault", 1, true), again)
    assert.matches("SAME", again)
  end)

  it("has a row of each pulse of a storm that the device gave before it was disarmed", function()
    local storm = {}
    for i = 1, 3000 do
      storm[i] = 1 + i / 1000
    end
    local status, out = run("stim:watch(pulse, { count = 5, refractory = 0.2, timeout = 9 })", storm)
    assert.are.equal(4, status, out)
    assert.is_true(#given() >= 2)
    assert.are.equal("refractory", facts().result.stop)
    holds()
  end)

  it("tells of those that came behind the last that may, before the device was disarmed", function()
    local status, out = run([[
      local pulses, why = stim:watch(pulse, { count = 1, refractory = 0.04, timeout = 9 })
      run:note(("%d %s"):format(pulses, why))]], { 1, 1.02 })
    assert.are.equal(4, status, out) -- too soon, though it was being disarmed
    assert.are.equal(2, #given())
    holds()
  end)

  it("is over after the timeout, and waits for no pulse", function()
    local status, out = run([[
      local pulses, why = stim:watch(pulse, { count = 1, refractory = 1, timeout = 2.5 })
      run:note(("%d %s at %.1f"):format(pulses, why, run:now()))]], { 4 })
    assert.are.equal(0, status, out)
    assert.matches("0 timeout at 2.6", out, 1, true)
    assert.are.equal(0, #given())
    assert.are.equal(0, holds())
  end)

  it("raises where another part disarms meanwhile: as many as came are not as many as were waited for",
    function()
    local status, out = run([[
      run:spawn(function() run:sleep(2) stim:disarm() end)
      local ok, why = pcall(stim.watch, stim, pulse, { count = 9, refractory = 0.5, timeout = 9 })
      run:note(("ended %s"):format(ok))]], { 1, 6 })
    assert.matches("ended false", out, 1, true)
    assert.are.equal(1, #given())
    assert.is_nil(shell.read(record() .. "/journal.jsonl"):find('"why":"count"', 1, true))
    assert.is_true(status == 0 or status == 5, out)
    holds()
  end)

  it("ends with a stop of another part, and what came is in the record", function()
    local status, out = run([[
      run:spawn(function() run:sleep(2) run:stop "enough" end)
      stim:watch(pulse, { count = 9, refractory = 0.5, timeout = 9 })
      run:note "unreached"]], { 1, 3 })
    assert.are.equal(5, status, out)
    assert.is_nil(out:find("unreached", 1, true))
    assert.are.equal(1, #given())
    assert.are.equal("requested", facts().result.stop)
    holds()
  end)

  it("outside of it a pulse is a fault, before and after", function()
    for at_s, body in pairs { [1] = "run:sleep(2)",
        [0.5] = "run:sleep(1) stim:watch(pulse, { count = 1, refractory = 1, timeout = 1 })" } do
      local status, _, err = run(body, { at_s })
      assert.are.equal(4, status, err)
      assert.matches("reports a pulse that was not sent", err, 1, true)
      assert.matches("stim:watch", err, 1, true)
      assert.are.equal(1, #rows "unasked_pulse")
      assert.are.equal(0, #rows "pulse")
      shell.remove(folder .. "/runs")
    end
  end)

  it("a report behind the device's word that it is disarmed is of a pulse that nobody waited for", function()
    local status, _, err = run([[
      stim:watch(pulse, { count = 9, refractory = 0.5, timeout = 2 })
      run:sleep(1)]], { 1, 1.9 }, turned [[
        local line = simulator.line
        function simulator.line(_, name, level, now_ns)
          local replies, log = line(simulator, name, level, now_ns)
          local late = {}
          for i, reply in ipairs(replies or {}) do
            late[i] = { at_ns = reply.at_ns + (now_ns > 1500000000 and 400000000 or 0), bytes = reply.bytes }
          end
          return late, log
        end]])
    assert.are.equal(4, status, err)
    assert.matches("reports a pulse that was not sent", err, 1, true)
    assert.are.equal(1, #rows "pulse")
    assert.are.equal(1, #rows "unasked_pulse")
    assert.are.equal(2, (fired_in(record() .. "/twin.tsv")))
  end)

  it("the pulses of a script that only sleeps are a fault that names it", function()
    shell.write(folder .. "/triggers", "1 device pulse\n")
    local status, _, err = cases.run(folder, "external_pulse", ("--device sim:magventure --speed max "
      .. "--triggers %s/triggers"):format(folder))
    assert.are.equal(4, status, err)
    assert.matches("only stim:watch in an experiment waits for such pulses", err, 1, true)
  end)

  it("a pulse of another strength is a fault, and its row says so", function()
    local status, _, err = run("stim:watch(pulse, { count = 9, refractory = 0.5, timeout = 9 })",
      { 1, 2, 3, 4 }, turned [[
        local edges, line = 0, simulator.line
        function simulator.line(_, name, level, now_ns)
          edges = edges + (level and 1 or 0)
          if edges == 3 then
            simulator:knob("amplitude", 60, now_ns)
          end
          return line(simulator, name, level, now_ns)
        end]])
    assert.are.equal(4, status, err)
    assert.matches("pulse 3 was given otherwise than it was set", err, 1, true)
    assert.are.equal(3, #given())
    local statuses = {}
    for i, row in ipairs(rows "pulse") do
      statuses[i] = row.status
    end
    assert.are.same({ "external", "external", "otherwise" }, statuses)
    assert.are.equal("device", facts().result.stop)
  end)

  it("refuses what it cannot wait for, at its line", function()
    for text, body in pairs {
      ["it must be one pulse"] = "stim:watch(mp.train { pulses = 3, hz = 5, intensity = mp.mso(40) }, "
        .. "{ count = 1, refractory = 1, timeout = 1 })",
      ["count must be a whole number"] = "stim:watch(pulse, { count = 0, refractory = 1, timeout = 1 })",
      ["timeout"] = "stim:watch(pulse, { count = 1, refractory = 1 })",
      ["refractory must be seconds above"] = "stim:watch(pulse, { count = 1, refractory = 0, timeout = 1 })",
      ["closer than 10 ms"] = "stim:watch(pulse, { count = 2, refractory = 0.0005, timeout = 1 })",
    } do
      local code, _, message = run(body, {})
      assert.is_true(code == 2 or code == 3, message)
      assert.matches(text, message, 1, true)
      assert.matches("made.lua:5", message, 1, true)
    end
    local code, _, message = run("stim:watch(pulse, { count = 1, refractory = 1, timeout = 1 })", {},
      "--device sim:rapid")
    assert.are.equal(2, code, message)
    assert.matches("does not tell of pulses that something else fires", message, 1, true)
    code, _, message = run("run:sleep(2)", { 1 }, turned "simulator.line = false")
    assert.are.equal(2, code, message)
    assert.matches("the simulator of turned has no trigger input", message, 1, true)
  end)

  it("what came counts for the plans after it", function()
    local body = [[
      stim:watch(pulse, { count = 9, refractory = 2, timeout = 1.06 })
      stim:arm(pulse)
      stim:play(mp.train { pulses = 2, hz = 25, intensity = mp.mso(40) })]]
    local status, out = run(body, { 1 })
    assert.are.equal(0, status, out)
    assert.matches("gap between trains", out, 1, true)
    assert.are.equal(1, #given())
    shell.remove(folder .. "/runs")
    status, out = run(body, {})
    assert.are.equal(0, status, out)
    assert.is_nil(out:find("gap between trains", 1, true))
  end)

  --- A simulator at a port of its own, and the path of its trigger input.
  local function on_port()
    local simulator = shell.start(folder, "simulator", ("sim magventure --trigger --link %s/stim --log "
      .. "%s/twin.tsv"):format(folder, folder))
    jobs[1] = simulator
    return (simulator:says "trigger[^/\n]*(/dev/pts/%d+)")
  end

  local function arguments()
    return ("run %s/made.lua --seed 1 --rmt 50 --device magventure --port %s/stim --unconfirmed "
      .. "--tolerance 1000 --out %s/runs"):format(folder, folder, folder)
  end

  it("refuses what would be over a limit if all came that may, before anything is taken", function()
    on_port()
    write "stim:watch(pulse, { count = 2000, refractory = 0.04, timeout = 99 })"
    local status, _, err = shell.moonpulse(folder, arguments())
    assert.are.equal(3, status, err)
    assert.matches("made.lua:5", err, 1, true)
    assert.matches("OVER the guidelines", err, 1, true)
    assert.are.equal(0, #given(folder .. "/twin.tsv"))
  end)

  it("in real time stopped by a signal, has a record that is as it was made", function()
    write "stim:watch(pulse, { count = 2, refractory = 0.2, timeout = 60 })"
    local job = shell.start(folder, "run", ("run %s/made.lua --rmt 50 --out %s/runs"):format(folder, folder))
    jobs[2] = job
    job:says "whenever an external device fires"
    job:signal "TERM"
    assert.are.equal(5, job:wait(), job:err())
    local status, said = shell.moonpulse(folder, "verify " .. record())
    assert.are.equal(0, status, said)
  end)

  it("in real time, fired at the simulator's trigger input", function()
    local input = on_port()
    write [[
      local pulses, why = stim:watch(pulse, { count = 2, refractory = 0.2, timeout = 60 })
      run:note(("%d %s"):format(pulses, why))]]
    local job = shell.start(folder, "run", arguments())
    jobs[2] = job
    job:says "whenever an external device fires"
    for count = 1, 2 do
      if count == 2 then
        shell.sh(folder, "sleep 1")
      end
      local box <close> = assert(io.open(input, "w"))
      box:write "\1\0"
    end
    local status, out = job:wait(), job:out()
    assert.are.equal(0, status, out)
    assert.matches("2 count", out, 1, true)
    assert.are.equal(2, #given(folder .. "/twin.tsv"))
    local verified, said = shell.moonpulse(folder, "verify " .. record())
    assert.are.equal(0, verified, said)
    assert.matches("events.tsv is what flight.bin says", said, 1, true)
    local again, told = shell.moonpulse(folder, ("rerun %s --out %s/again"):format(record(), folder))
    assert.matches("SAME ", told, 1, true)
    assert.are.equal(0, again, told)
    -- as a kill would leave it, before the journal had its last pulse: that counts, and is recovered
    local killed, manifest = folder .. "/killed", facts()
    assert.are.equal(2, given_record.of(record(), manifest).pulses)
    local was, journal = shell.read(record() .. "/events.tsv"), {}
    shell.copy(record(), killed)
    for line in io.lines(killed .. "/journal.jsonl") do
      local entry = cjson.decode(line)
      if entry.kind == "watched" or entry.kind == "play" and entry.play == 2 then
        break
      end
      journal[#journal + 1] = line .. "\n"
    end
    shell.write(killed .. "/journal.jsonl", table.concat(journal))
    shell.write(killed .. "/manifest.json", (shell.read(killed .. "/manifest.json"):gsub(
      '"status": "completed"', '"status": "running"')))
    manifest.status = "running"
    assert.are.equal(2, given_record.of(killed, manifest).pulses)
    assert.are.equal(0, (shell.moonpulse(folder, "recover " .. killed)))
    local function pulses_of(text)
      local list = {}
      for line in text:gmatch("[^\n]*\texternal\t[^\n]*") do
        list[#list + 1] = line:gsub("^([^\t]*\t[^\t]*\t[^\t]*\t)%d+", "%1")
      end
      return list
    end
    assert.are.equal(2, #pulses_of(was))
    assert.are.same(pulses_of(was), pulses_of(shell.read(killed .. "/events.tsv")))
  end)
end)
