-- Pulses that go another way: trigger boxes, lines and a second port, from the command to the wire.
local cjson = require "cjson"
local devices = require "moonpulse.driver.find"
local fixture = require "job"
local shell = require "shell"
local triggers = require "moonpulse.driver.trigger_path"

local driver = assert(devices.find("trigger"))
local patient = " --tolerance 1000 --rmt 80 "

describe("--trigger", function()
  it("reads lines, ports and what happens there", function()
    local rows = {
      { "rts", line = "rts", width = 0.005 },
      { "dtr:width=2", line = "dtr", width = 0.002 },
      { "break:width=0.5", line = "break", width = 0.0005 },
      { "/dev/ttyUSB1", path = "/dev/ttyUSB1", bytes = "\1", after = "\0", width = 0.01, baud = 115200 },
      { "/dev/ttyUSB1:byte=8,width=20,baud=9600", path = "/dev/ttyUSB1", bytes = "\8", after = "\0",
        width = 0.02, baud = 9600 },
      { "/dev/ttyUSB1,width=3", path = "/dev/ttyUSB1", bytes = "\1", after = "\0", width = 0.003 },
      { "/dev/ttyUSB1:rts", path = "/dev/ttyUSB1", line = "rts", width = 0.005 },
      { "/dev/ttyUSB1:text=A\\x01\\n", path = "/dev/ttyUSB1", bytes = "A\1\n", width = 0.01 },
      { "/dev/serial/by-path/pci-0000:00:14.0-usb-0:1:1.0:dtr,width=1", line = "dtr", width = 0.001,
        path = "/dev/serial/by-path/pci-0000:00:14.0-usb-0:1:1.0" },
      { "/dev/serial/by-path/pci-0000:00:14.0-usb-0:1:1.0", bytes = "\1", after = "\0", width = 0.01,
        path = "/dev/serial/by-path/pci-0000:00:14.0-usb-0:1:1.0" },
      { "sim", path = "sim", bytes = "\1", after = "\0", width = 0.01 },
    }
    for _, row in ipairs(rows) do
      local trigger = assert(triggers.parse(row[1]))
      assert.are.same({ row.path, row.line, row.bytes, row.after, row.width },
        { trigger.path, trigger.line, trigger.bytes, trigger.after, trigger.width }, row[1])
      assert.are.equal(row.baud or 115200, trigger.serial.baud)
    end
  end)

  it("refuses the rest with a sentence", function()
    local rows = {
      { "rst", "it is rts, dtr or break, or the path of a port" },
      { "rts:byte=1", "takes only width=MS" },
      { "/dev/x:byte=0", "0 is the box at rest" }, { "/dev/x:byte=256", "from 1 to 255" },
      { "/dev/x:byte=1.5", "whole number" }, { "/dev/x:width=0", "from 0.01 to 10000 ms" },
      { "/dev/x:width=nan", "from 0.01 to 10000 ms" }, { "/dev/x:baud=1", "from 50" },
      { "/dev/x:text=", "needs 1 to 256 characters" }, { "/dev/x:rts,byte=2", "not both" },
      { "/dev/x:byte=4,byte=5", "byte=4 and byte=5: one of them" },
      { "/dev/x:rts,dtr", "rts and dtr: one of" }, { "/dev/x:byte=4,text=T", "byte=4 and text=T: one of" },
      { "dtr:width=2,width=5", "width=2 and width=5" },
      { "/dev/x:baud=9600,byte=1,baud=19200", "baud=9600 and baud=19200" },
    }
    for _, row in ipairs(rows) do
      local trigger, message = triggers.parse(row[1])
      assert.is_nil(trigger, row[1])
      assert.has.match(row[2], message, 1, true)
      assert.has.match(row[1], message, 1, true)
    end
  end)
end)

describe("the driver of a trigger box", function()
  local function configured(options)
    return devices.configure(driver, options)
  end

  it("fires as its options say", function()
    local rows = {
      { {}, { bytes = "\1", after = "\0", width = 0.01 }, "\0" },
      { { value = "128", width_ms = "2" }, { bytes = "\128", after = "\0", width = 0.002 }, "\0" },
      { { kind = "rts" }, { line = "rts", width = 0.005 }, "" },
      { { kind = "break", width_ms = "1" }, { line = "break", width = 0.001 }, "" },
      { { kind = "text", text = "T\\n" }, "T\n", "" },
    }
    for _, row in ipairs(rows) do
      local own = configured(row[1])
      assert.are.same(row[2], own.encode.pulse {})
      assert.are.equal(row[3], own.safe)
    end
    assert.are.equal(9600, configured({ baud = "9600" }).serial.baud)
    for _, bad in ipairs { { kind = "usb" }, { value = "0" }, { width_ms = "0" }, { colour = "red" } } do
      assert.is_false(pcall(configured, bad))
    end
  end)

  it("cannot change an intensity, and says who can", function()
    local bytes, why = configured({}).encode.set({ mso = 40 }, { mso = 50 })
    assert.is_nil(bytes)
    assert.has.match("set by hand", why)
  end)

  it("refuses an Arduino pulse outside its range", function()
    assert.are.equal("\x21\x10\x27\x0a", driver.commands.arduino_pulse { us = 10000 })
    for _, us in ipairs { -1, 10001, 0.5 } do
      assert.is_false(pcall(driver.commands.arduino_pulse, { us = us }))
    end
  end)
end)

describe("the simulator of a trigger box", function()
  local model = require "moonpulse.simulators.trigger_box"

  local function events(log)
    local list = {}
    for i, entry in ipairs(log or {}) do
      list[i] = entry.event
    end
    return list
  end

  it("sees edges, not values", function()
    local simulator = model.new {}
    local _, log = simulator:receive("\1\1\0\1\3\2\0", 5)
    assert.are.same({ "pulse", "ignored", "set", "pulse", "pulse", "set", "set" }, events(log))
    assert.are.equal(3, simulator:state().pulses)
  end)

  it("fires at the last character of its text", function()
    local simulator = model.new { kind = "text", text = "T\\n" }
    assert.is_nil(select(2, simulator:receive("T", 1)))
    local _, log = simulator:receive("\nxT\nT\n", 2)
    assert.are.same({ "pulse", "ignored", "pulse", "pulse" }, events(log))
  end)

  it("fires on the rising edge of a line alone", function()
    local simulator = model.new { kind = "rts" }
    local seen = {}
    for i, level in ipairs { true, true, false, false, true } do
      local _, log = simulator:line("rts", level, i)
      seen[i] = events(log)[1] or "-"
    end
    assert.are.same({ "pulse", "-", "set", "-", "pulse" }, seen)
    assert.has.error(function() model.new { volume = 11 } end)
  end)
end)

describe("a run whose pulses go another way", function()
  local folder, jobs
  local with_modem, no_shim = require "shim".of "modem"

  fixture.each_test(function(...) folder, jobs = ... end)

  local function start(name, arguments, environment)
    return jobs:start(name, arguments, environment)
  end

  local function protocol(text)
    local path = folder .. "/made.lua"
    shell.write(path, 'local mp = require "moonpulse"\nreturn mp.protocol { id = "made", name = "Made", '
      .. "plan = function() return " .. text .. " end }\n")
    return path
  end

  local train = "mp.train { pulses = 6, hz = 20, intensity = mp.mso(40.5) }"

  --- Run; exit status, output, errors, and the record: rows, the simulator's log, the manifest.
  local function run(plan, arguments)
    local out = folder .. "/runs"
    shell.remove(out)
    local code, text, err = shell.moonpulse(folder, ("run %s%s--out %s %s"):format(protocol(plan), patient,
      out, arguments))
    local name = shell.names(out)[1]
    if not name then
      return code, text, err
    end
    local base = out .. "/" .. name
    local simulator = shell.read(base .. "/twin.tsv") and shell.rows(base .. "/twin.tsv") or {}
    return code, text, err, { rows = (shell.rows(base .. "/events.tsv")), simulator = simulator,
      manifest = cjson.decode((assert(shell.read(base .. "/manifest.json")))),
      internals = cjson.decode((assert(shell.read(base .. "/recover.json")))) }
  end

  local function only(list, event)
    local found = {}
    for _, row in ipairs(list) do
      if row.event == event then
        found[#found + 1] = row
      end
    end
    return found
  end

  it("fires a byte box, and says who sets the intensity", function()
    local code, out, err, record = run("mp.train { pulses = 3, every = 1, intensity = mp.mso(40.5) }",
      "--device sim:trigger --device-option value=4")
    assert.are.equal(0, code, err)
    assert.has.match("set by hand at the stimulator before the run: to 41 %MSO", out, 1, true)
    assert.has.match("the stimulator is as armed as you left it", out)
    assert.is_nil(out:find("says that it is disabled"))
    local seen = {}
    for i, row in ipairs(record.simulator) do
      seen[i] = row.event .. row.bytes
    end
    -- at rest before the first edge, between any two, and after the last
    assert.are.equal("set00 " .. ("pulse04 set00 "):rep(3) .. "set00", table.concat(seen, " "))
    assert.are.equal(3, #record.rows)
    for _, row in ipairs(record.rows) do
      assert.are.same({ "pulse", "41", "sent", "n/a" }, -- what the operator is told to set
        { row.event, row.intensity_mso, row.status, row.onset_confirmed_us })
    end
  end)

  it("fires a text box", function()
    local code, _, err, record = run(train,
      "--speed max --device sim:trigger --device-option kind=text --device-option 'text=GO\\n'")
    assert.are.equal(0, code, err)
    assert.are.equal(6, #only(record.simulator, "pulse"))
    assert.are.equal("474f0a", record.simulator[1].bytes)
    assert.are.equal(6, #record.simulator)
  end)

  it("fires the simulator at its trigger input, all else at its port", function()
    local code, out, err, record = run("mp.train { pulses = 3, every = 1, intensity = mp.mso(40) } "
      .. ".. mp.rest(1) .. mp.pulse { intensity = mp.mso(60) }", "--trigger sim:byte=2,width=20")
    assert.are.equal(0, code, err)
    assert.has.match("trigger +byte 02, 00 after 20 ms on sim", out)
    local pulses = only(record.simulator, "pulse")
    assert.are.equal(4, #pulses)
    for i, row in ipairs(pulses) do
      assert.are.same({ "n/a", i < 4 and "40 %" or "60 %" }, { row.bytes, row.note })
    end
    -- event 02 comes for triggered pulses, too
    assert.are.equal(4, #only(record.rows, "pulse"))
    for _, row in ipairs(only(record.rows, "pulse")) do
      assert.are.equal("delivered", row.status)
    end
    assert.are.equal("02", record.manifest.device.trigger.bytes)
    assert.are.equal(20, record.manifest.device.trigger.width_ms)
    assert.has.match("^pts/", record.manifest.device.trigger.on)
    assert.is_true(record.internals.flight.confirms)
  end)

  it("does not wait for confirmations that triggered pulses have not", function()
    local code, _, err, record = run("mp.train { pulses = 2, hz = '2/5', intensity = mp.mso(40) }",
      "--device sim:magstim200 --trigger sim")
    assert.are.equal(0, code, err)
    assert.are.same({ "sent", "sent" }, { record.rows[1].status, record.rows[2].status })
    assert.are.equal(2, #only(record.simulator, "pulse"))
    assert.is_false(record.internals.flight.confirms)
    -- 1.1 ms from an edge, not the 8.4 ms from a command
    assert.are.equal(1100000, record.internals.flight.latency_ns)
  end)

  it("is the same in virtual time", function()
    for _, how in ipairs { "--trigger sim", "--device sim:trigger",
      "--device sim:trigger --device-option kind=dtr" } do
      local code, _, err, record = run(train, how .. " --speed max")
      assert.are.equal(0, code, err)
      assert.are.equal(6, #record.rows)
      for i, row in ipairs(record.rows) do
        local status = how == "--trigger sim" and "delivered" or "sent"
        assert.are.same({ ("%.3f"):format((i - 1) * 50000), status }, { row.onset_planned_us, row.status })
      end
    end
  end)

  it("names both pulses where the trigger pulse does not fit", function()
    local code, _, err = run(train, "--device sim:trigger --device-option width_ms=60")
    assert.are.equal(3, code)
    assert.has.match("pulses 1 and 2 .* are 50 ms apart.*the shortest interval is 61.08680%d ms", err)
    code, _, err = run(train, "--trigger sim:width=49.5")
    assert.are.equal(3, code)
    assert.has.match("the trigger pulse of the first is not over", err)
  end)

  it("refuses a second intensity where nobody could set it", function()
    local code, _, err = run("mp.pulse { intensity = mp.mso(40) } .. mp.rest(5) .. mp.pulse { intensity = "
      .. "mp.mso(50) }", "--device sim:trigger")
    assert.are.equal(3, code)
    assert.has.match("cannot go from 40 %%MSO .* to 50 %%MSO .* within a run: .*by hand", err)
  end)

  it("refuses what cannot be, before anything is opened", function()
    local rows = {
      { "--trigger rts", "write %-%-trigger sim" }, { "--trigger sim:rts", "takes a byte and 0" },
      { "--trigger sim --timing device", "leave out one of them" },
      { "--device sim:trigger --trigger rts", "write %-%-trigger sim" },
      { "--device magventure --port /dev/nothing --trigger sim", "the port of your trigger box" },
      { "--device magventure --port /dev/nothing --trigger /dev/nothing", "the device's own port" },
      { "--trigger nonsense", "the path of a port" },
      { "--device sim:stimjim --trigger sim", "does not arm a trigger input" },
    }
    for _, row in ipairs(rows) do
      local code, _, err = run(train, row[1])
      assert.are.equal(2, code, row[1])
      assert.has.match(row[2], err)
    end
  end)

  it("refuses a line that the port has not, and says why; the stimulator is not armed", function()
    local simulator = start("simulator", ("sim magventure --log %s/twin.tsv"):format(folder))
    local port = simulator:says(" on (/dev/%S+)")
    for _, line in ipairs { "rts", "dtr", "break" } do
      local code, _, err = run(train, ("--device magventure --port %s --trigger %s"):format(port, line))
      assert.are.equal(2, code)
      assert.has.match(("%%-%%-trigger %s: .*has no %s line %%(it is a pseudo%%-terminal%%)"):format(line,
        line:upper()), err)
    end
    os.execute(("ln -s %s %s/same"):format(port, folder))
    local code, _, err = run(train, ("--device magventure --port %s --trigger %s/same"):format(port, folder))
    assert.are.equal(2, code)
    assert.has.match("already open in this program: .*write %-%-trigger rts", err)
    assert.are.equal(0, #only(shell.rows(folder .. "/twin.tsv"), "arm"))
  end)

  --- A run on a stimulator and a trigger box that other programs simulate: the jobs of the run and of the
  --- box, and the box's port.
  local function boxed(plan, settings)
    local simulator = start("simulator", ("sim magventure --log %s/twin.tsv"):format(folder))
    local port = simulator:says(" on (/dev/%S+)")
    local box = start("box", ("sim trigger --log %s/box.tsv"):format(folder))
    local box_port = box:says(" on (/dev/%S+)")
    -- a stimulator whose pulses are not confirmed: nothing is cabled between the two
    shell.write(folder .. "/silent.lua", [[
local own = {}
for key, value in pairs(require "moonpulse.devices.magventure") do own[key] = value end
own.trigger_confirms = false
return own
]])
    local job = start("run", ("run %s --out %s/runs --device %s/silent.lua --port %s --trigger %s%s%s")
      :format(protocol(plan), folder, folder, port, box_port, settings, patient))
    return job, box, box_port
  end

  local function await_pulses(count)
    shell.await(function()
      local rows = shell.read(folder .. "/box.tsv") and shell.rows(folder .. "/box.tsv") or {}
      return #only(rows, "pulse") >= count
    end, count .. " trigger pulses")
  end

  for signal, ending in pairs { INT = "a stop", KILL = "its guard, where the program is killed," } do
    it("is ended by " .. ending .. " with the trigger box at rest", function()
      local job = boxed("mp.train { pulses = 3, hz = 0.1, intensity = mp.mso(40) }", ":byte=4,width=9000")
      await_pulses(1)
      job:signal(signal)
      job:wait()
      local last = shell.await(function()
        local rows = shell.rows(folder .. "/box.tsv")
        return rows[#rows].bytes == "00" and rows[#rows]
      end, "the box at rest")
      local pulses = only(shell.rows(folder .. "/box.tsv"), "pulse")
      assert.are.equal(1, #pulses)
      assert.is_true(tonumber(last.time) - tonumber(pulses[1].time) < 8) -- not the pulse's own end
    end)
  end

  it("stops and disarms when the trigger box is unplugged", function()
    local job, box, box_port = boxed("mp.train { pulses = 25, every = 1, intensity = mp.mso(40) }", "")
    await_pulses(2)
    box:kill()
    assert.are.equal(4, job:wait())
    assert.has.match("the trigger's port " .. box_port .. " is lost", job:err())
    local rows, last = shell.rows(folder .. "/twin.tsv"), nil
    for _, row in ipairs(rows) do
      last = row.event ~= "get" and row.event or last
    end
    assert.are.equal("disarm", last)
    assert.are.equal(0, #only(rows, "pulse"))
  end)

  it("notices an unplugged trigger box in a rest, long before the next pulse", function()
    local job, box, box_port = boxed("mp.pulse { intensity = mp.mso(40) } .. mp.rest(60) .. "
      .. "mp.pulse { intensity = mp.mso(40) }", "")
    await_pulses(1)
    box:kill()
    assert.are.equal(4, job:wait())
    assert.has.match("the trigger's port " .. box_port .. " is lost: is it unplugged?", job:err(), 1, true)
    assert.is_true(#only(shell.rows(folder .. "/twin.tsv"), "disarm") > 0)
    assert.are.equal(1, #only(shell.rows(folder .. "/box.tsv"), "pulse"))
    local base = fixture.run_in(folder .. "/runs")
    local result = cjson.decode((assert(shell.read(base .. "/manifest.json")))).result
    assert.are.same({ "device fault", "gone", 1, true },
      { result.status, result.stop, result.pulses_sent, result.disarmed })
    assert.has.match("the trigger's port " .. box_port:gsub("^/dev/", "") .. " is lost", result.reason, 1,
      true)
    assert.is_true(result.elapsed_s < 30) -- the next pulse would have noticed it after 60 s
  end)

  --- The edges of all lines, "RTS 1,RTS 0,", without their times.
  local function edges(log)
    return ((shell.read(log) or ""):gsub("%d+ (%u+ %d)\n", "%1,"))
  end

  it("pulses a line of the device's port, and opening it raises none", function()
    if not with_modem then
      return pending(no_shim)
    end
    local simulator = start("simulator", ("sim magstim200 --log %s/twin.tsv"):format(folder))
    local port = simulator:says(" on (/dev/%S+)")
    local log = folder .. "/lines.log"
    local job = start("run", ("run %s --out %s/runs --device magstim200 --port %s --trigger rts:width=3%s")
      :format(protocol("mp.train { pulses = 2, hz = '1/2', intensity = mp.mso(40) }"), folder, port, patient),
      ("%s MODEM_LOG=%s"):format(with_modem, log))
    assert.are.equal(0, job:wait(), job:err())
    assert.are.equal("DTR 0,RTS 0,RTS 1,RTS 0,RTS 1,RTS 0,", edges(log))
    local rows = shell.rows(folder .. "/twin.tsv")
    assert.are.equal(0, #only(rows, "pulse")) -- no command fired it
    assert.are.equal(1, #only(rows, "arm"))
  end)

  it("lets the line down when it is killed in the middle of a pulse", function()
    if not with_modem then
      return pending(no_shim)
    end
    local box = start("box", ("sim trigger --log %s/box.tsv"):format(folder))
    local log = folder .. "/lines.log"
    local job = start("run", ("run %s --out %s/runs --device trigger --port %s --device-option kind=rts "
      .. "--device-option width_ms=9000%s"):format(protocol("mp.pulse { intensity = mp.mso(40) }"), folder,
        box:says(" on (/dev/%S+)"), patient), ("%s MODEM_LOG=%s"):format(with_modem, log))
    shell.await(function() return edges(log):find("RTS 1,") end, "the line's edge")
    job:signal("KILL")
    shell.await(function() return edges(log):find("RTS 1,RTS 0,$") end, "the line's fall")
    assert.is_nil(edges(log):find("DTR 1"))
  end)
end)
