-- The Magstim Rapid² family: the driver in virtual and real time, its simulator at the other end.
local chances = require "chance"
local commands = require "moonpulse.devices.rapid.commands"
local limits = require "moonpulse.data.rapid_power"
local magstim = require "magstim"
local mp = require "moonpulse"
local shell = require "shell"
local trains = require "moonpulse.devices.rapid.trains"

local code = "1234-12345678-ab"
local plain, driver = require "moonpulse.devices.rapid", magstim.rapid
local fast = driver { model = "super", mains = "230", code = code }

local function unit(options)
  return magstim.unit("rapid", options)
end

local function framed(data)
  return magstim.hex(magstim.frame(data))
end

local function train(pulses, hz, percent)
  return mp.train { pulses = pulses, hz = hz, intensity = mp.mso(percent or 50) }
end

describe("the table of the Rapid²'s limits", function()
  it("is the recorded one, cell by cell", function()
    local cells = 0
    for _, row in ipairs(shell.rows("tests/data/rapid-limits.tsv")) do
      local percent = math.tointeger(tonumber(row.power_percent))
      assert.are.equal(tonumber(row.joule_per_pulse), limits.joules(percent))
      for mains, name in pairs { [230] = "240v", [115] = "115v" } do
        for _, model in ipairs(limits.models) do
          assert.are.equal(tonumber(row["maxhz_" .. name .. "_" .. model]),
            limits.rate(percent, model, mains))
          cells = cells + 1
        end
      end
    end
    assert.are.equal(606, cells)
  end)
end)

describe("commands and replies of the Rapid²", function()
  it("have the digits of the software", function()
    local c = commands.commands
    for version, frames in pairs { ["5.0"] = { "D0250", "[025" }, ["8.1"] = { "D0250", "[025" },
      ["9.0"] = { "D00250", "[0025" }, ["10"] = { "D00250", "[0025" } } do
      assert.are.equal(framed(frames[1]), magstim.hex(c.set_pulses { n = "250", version = version }))
      assert.are.equal(framed(frames[2]), magstim.hex(c.set_duration { s = "2.5", version = version }))
    end
    assert.are.equal(framed("n2000"), magstim.hex(c.set_charge_delay { ms = 2000, version = "9.2" }))
    assert.are.equal(framed("n02001"), magstim.hex(c.set_charge_delay { ms = 2001, version = "10.0" }))
    assert.has_error(function() c.set_charge_delay { ms = 2001, version = "9.0" } end)
    for _, name in ipairs { "get_status", "get_charge_delay", "set_charge_delay" } do
      local ms = name:find "^set" and 100 or nil
      local taken, why = pcall(c[name], { ms = ms, version = "8.9" })
      assert.is_false(taken)
      assert.are.equal(("version = 8.9: %s came with version 9"):format(name), why.message)
      assert.is_string(c[name] { ms = ms, version = "9.0" })
    end
    for value, tenths in pairs { ["0.7"] = 7, ["1.1"] = 11, ["2.3"] = 23, ["29.9"] = 299 } do
      assert.are.equal(framed(("B%04d"):format(tenths)), magstim.hex(c.set_frequency { hz = value }))
    end
    local ok, problem = pcall(c.set_frequency, { hz = "10.04" })
    assert.is_false(ok)
    assert.is_truthy(problem.message:find("the nearest are 10 and 10.1", 1, true), problem.message)
  end)

  it("are read by length where the version is not known, also from a stream", function()
    for _, row in ipairs(shell.rows("tests/data/rapid-replies.tsv")) do
      local bytes = magstim.bin(row.reply_hex)
      local rest = "\x51\x89\x25"
      local said, used = commands.decode(bytes .. rest, {})
      if not row.fields:find("bad_checksum") then
        assert.are.equal(#bytes, used, row.reply_hex)
        assert.are.equal(row.fields:match("^error=(.*)"), said.error)
      end
      for length = 1, #bytes - 1 do
        said, used = commands.decode(bytes:sub(1, length), { version = row.command:match("=([%d.]+)")
          or "11.0" })
        assert.is_nil(said, row.reply_hex)
        assert.are.equal(0, used)
      end
    end
  end)

  it("never raise, whatever the bytes", function()
    local chance = chances.new(7)
    for _ = 1, 2000 do
      local bytes = {}
      for i = 1, 30 do
        bytes[i] = string.char(i % 5 == 1 and ("\\NxnoIQ[B?S"):byte(chance:draw(1, 11))
          or chance:draw(0, 255))
      end
      local buffer = table.concat(bytes)
      while #buffer > 0 do
        local _, used = commands.decode(buffer, {})
        if used == 0 then
          break
        end
        buffer = buffer:sub(used + 1)
      end
    end
  end)
end)

describe("the driver of the Magstim Rapid²", function()
  local function armed(own, plan, u)
    local io = magstim.link(own, u)
    local identity = own.connect(io)
    local text, actions = magstim.refusal(own, plan, identity)
    assert.is_nil(text)
    io.sent = {}
    own.arm(io, actions[1])
    return io, identity
  end

  it("sets a train up in standby, reads it back, and waits until the unit is ready", function()
    local u = unit { code = code, model = "super" }
    local io, identity = armed(fast, train(50, 20, 60), u)
    assert.are.same({ "11.0", false }, { identity.firmware, identity.plus1 })
    assert.are.same({ framed("Q" .. code), framed("[0000"), framed("[0010"), framed("\\@"),
      framed("@060"), framed("B0200"), framed("[0025"), framed("D00050"), framed("\\@"), framed("EB"),
      framed("x@") }, { table.unpack(io.sent, 1, 11) })
    assert.is_true(u.simulator:state().ready)
    u:say("EH")
    u:wait(2.6, "x@")
    assert.are.equal(50, u.simulator:state().pulses)
    io:write(fast.safe)
    fast.disarm(io)
    assert.are.same({ false, false }, { u.simulator:state().armed, u.simulator:state().remote })
    assert.are.equal(framed("x@"), magstim.hex(fast.keepalive.bytes))
  end)

  it("leaves train mode for single pulses, and enhanced power as it was asked for", function()
    local u = unit()
    for _, data in ipairs { "Q@", "[010", "R@" } do
      u:say(data)
    end
    local own = driver()
    local io = armed(own, mp.pulse(mp.mso(70)), u)
    assert.are.same({ "51406e", framed("[000"), framed("\\@"), framed("@070"), framed("\\@"),
      framed("EB"), framed("Q@") }, { table.unpack(io.sent, 1, 7) })
    assert.is_false(u.simulator:state().trains)
    u = unit()
    io = armed(driver { enhanced = "1", coil_switch = "ignore" }, mp.pulse(mp.mso(100)), u)
    assert.are.same({ framed("^@"), framed("b@"), framed("\\@"), framed("@100") },
      { table.unpack(io.sent, 3, 6) })
    io:write(own.safe)
    own.disarm(io)
    armed(own, mp.pulse(mp.mso(70)), u)
    assert.is_false(u.simulator:state().enhanced)
  end)

  it("says what keeps the unit from it", function()
    local function says(text, ...)
      for _, part in ipairs { ... } do
        assert.is_truthy(text:find(part, 1, true), text)
      end
    end
    local function connecting(options, unit_options)
      local own = driver(options)
      return magstim.fault_of(own.connect, magstim.link(own, unit(unit_options)))
    end
    says(connecting({}, { version = "9.0" }), "answers nothing",
      "Software 9 and later answers only its unlock code: --device-option code=")
    says(connecting({ code = "0000-00000000-00" }, { code = code }), "is the unlock code its own?")
    says(connecting({ code = code }, { version = "8.0" }), "software before 9 takes none")
    says(connecting({ code = code, model = "superplus" }, { code = code, model = "super" }),
      "no Plus1 module", "model=super")
    local function arming(unit_options, spoil)
      local own = driver()
      local io = magstim.link(own, unit(unit_options))
      own.connect(io)
      io.spoil = spoil
      local _, actions = magstim.refusal(own, train(20, 10))
      return magstim.fault_of(own.arm, io, actions[1])
    end
    says(arming { held = 0 }, "it does not become ready within 5 s (armed, still charging)")
    says(arming({}, function(bytes, answer)
      return bytes:find("^\\") and magstim.frame("\\\x89\x30" .. "050009000200200005") or answer
    end), "did not take the train of 20 pulses at 10.0 Hz in 2.0 s: it says 20, 9.0, 2.0")
    says(arming({}, function(bytes, answer)
      return bytes:find("^\\") and magstim.frame("\\\x89\x30" .. "049010000200200005") or answer
    end), "did not take the power 50 %: it says 49 %")
    says(arming({}, function(bytes, answer)
      return bytes:find("^\\") and magstim.frame("\\\x89\x38" .. "050010000200200005") or answer
    end), "did not take the mode: it says single pulses")
  end)

  it("waits as long as the supply needs: 73 %, 25 Hz, 250 pulses take 21.95 s", function()
    assert.near(21.95, trains.wait(250, 25, 73), 0.005)
    assert.are.equal(0.5, trains.wait(50, 10, 50))
    local function twice(every)
      return train(250, 25, 73):times(2, { every = every })
    end
    assert.is_nil(magstim.refusal(fast, twice(31.96)))
    local text = magstim.refusal(fast, twice(31.94))
    assert.is_truthy(text:find("too fast", 1, true) and text:find("31.95", 1, true), text)
    assert.is_nil(magstim.refusal(driver(), train(20, 10):times(2, { every = 2.5 })))
    assert.is_truthy(magstim.refusal(driver(), train(20, 10):times(2, { every = 2.499 })))
  end)

  it("keeps to the table of rates, of the lowest model where none is named", function()
    for options, edge in pairs { [{}] = { 50, 23 }, [{ mains = "230" }] = { 50, 30 },
      [{ mains = "230", model = "super" }] = { 50, 50 }, [{ mains = "230", model = "superplus" }] =
      { 100, 41 }, [{ model = "superplus" }] = { 100, 25 } } do
      local own = driver(options)
      local percent, hz = table.unpack(edge)
      assert.is_nil(magstim.refusal(own, train(2 * hz, hz, percent)))
      local text = magstim.refusal(own, train(2 * (hz + 1), hz + 1, percent))
      assert.is_truthy(text:find(("%d Hz is over the %d Hz that it gives at %d %%"):format(hz + 1, hz,
        percent), 1, true), text)
      assert.is_truthy(text:find("--device-option", 1, true))
    end
  end)

  it("keeps to the ranges and steps of its software, and names what fits", function()
    local old, new = driver(), driver { code = code }
    local function refused(own, plan, ...)
      local text = magstim.refusal(own, plan) or "nothing"
      for _, part in ipairs { ... } do
        assert.is_truthy(text:find(part, 1, true), text)
      end
    end
    assert.is_nil(magstim.refusal(old, train(100, 10, 20)))
    refused(old, train(101, 10, 20), "a train of 10.1 s is over the 10 s of software before 9")
    assert.is_nil(magstim.refusal(new, train(300, 10, 20)))
    refused(new, train(301, 10, 20), "last 30.1 s, off its steps of 1 s: 300 or 310 pulses fit")
    refused(new, train(6001, 10, 5), "over the 6000 of software 9 and later")
    assert.is_nil(magstim.refusal(new, train(4800, 8, 5)))
    refused(new, train(1201, 2, 5), "a train of 600.5 s is over the 600 s")
    local function slow(pulses, hz)
      local plan = mp.train { pulses = pulses, hz = hz, intensity = mp.mso(20) }
      return magstim.refusal(new, plan, nil, "device")
    end
    assert.is_nil(slow(60, "0.1")) -- its slowest, for as long as it goes
    assert.matches("0.09 Hz is below its 0.1 Hz", slow(9, "0.09"), 1, true)
    assert.matches("a train of 610 s is over the 600 s", slow(61, "0.1"), 1, true)
    refused(old, mp.train { pulses = 20, hz = "10.05", intensity = mp.mso(20) },
      "10.05 Hz is off its steps of 0.1 Hz: the nearest are 10 and 10.1 Hz")
    refused(old, mp.train { pulses = 61, hz = "30.5", intensity = mp.mso(20) },
      "30.5 Hz is off its steps of 1 Hz: the nearest are 30 and 31 Hz")
    refused(old, train(40, 15, 20), "last 2.66667 s, off its steps of 0.1 s: 39 or 42 pulses fit")
    assert.is_nil(magstim.refusal(old, train(42, 15, 20)))
    -- 63 kJ within a minute, at 123.4 J a pulse
    refused(fast, train(1050, 25, 70), "gives 20.4 s within a minute, the train has 42 s")
  end)

  it("times single pulses up to 1 Hz, and offers nothing faster but trains", function()
    local own = driver()
    local text, actions = magstim.refusal(own, train(30, 1, 60))
    assert.is_nil(text)
    assert.is_nil(actions[1].train) -- ours: each is confirmed
    assert.is_truthy(select(2, magstim.refusal(own, train(5, 1, 60), nil, "device"))[1].train)
    local function two(isi)
      return mp.pulse(mp.mso(60)) .. mp.rest(isi) .. mp.pulse(mp.mso(60))
    end
    assert.is_nil(magstim.refusal(own, two(1)))
    assert.is_truthy(magstim.refusal(own, two(0.999)):find("the shortest interval is 1 s", 1, true))
    local enhanced = driver { enhanced = "1" }
    assert.is_nil(magstim.refusal(enhanced, two(2)))
    assert.is_truthy(magstim.refusal(enhanced, two(1.999)):find("every 2 s", 1, true))
    assert.is_truthy(magstim.refusal(enhanced, train(20, 10)))
    assert.are.same({ 100, 110 }, { own.limits(nil).intensity.max, enhanced.limits(nil).intensity.max })
  end)

  it("refuses theta burst over the line, and names the way that works", function()
    local burst = mp.burst { pulses = 3, hz = 50, intensity = mp.mso(40) }
    for _, timing in ipairs { "auto", "device", "host" } do
      local text = magstim.refusal(fast, burst:times(10, { every = 0.2 }), nil, timing)
      assert.is_truthy(text:find("single pulses at most 1 Hz", 1, true), text)
      assert.is_truthy(text:find("--trigger rts", 1, true), text)
      assert.is_nil(text:find("use --timing auto", 1, true), text) -- that is refused as well
    end
  end)

  it("names the wait behind a train by its train", function()
    local text = magstim.refusal(fast, train(250, 25, 73):times(2, { every = 30.5 }))
    assert.is_truthy(text:find("^starts 1 and 2 "), text)
    assert.is_truthy(text:find("after 250 pulses at 25 Hz, then 21.95 s of wait is 31.95", 1, true), text)
    assert.is_nil(text:find("its own timing", 1, true), text)
  end)

  it("holds triggered pulses to the energy of its supply, 63 kJ a minute", function()
    local edges = driver { model = "superplus", mains = "230" }
    edges.limits = function(identity) -- as with --trigger
      return plain.limits(identity, "trigger", { model = "superplus", mains = 230 })
    end
    local at_80 = math.tointeger(63000 // 161.2) -- joules a pulse at 80 %, by the table
    assert.is_nil(magstim.refusal(edges, train(at_80, 20, 80), nil, "host"))
    local text = magstim.refusal(edges, train(at_80 + 1, 20, 80), nil, "host")
    assert.is_truthy(text:find("pulses 1 to 391 ", 1, true), text)
    assert.is_truthy(text:find("63 kJ for any 60 s", 1, true), text)
    -- 15 Hz at 50 % takes 945 W, which it gives for ever
    assert.is_nil(magstim.refusal(edges, train(3000, 15, 50), nil, "host"))
    local halves = train(at_80, 20, 80)
    assert.is_nil(magstim.refusal(edges, halves:times(2, { every = 60 }), nil, "host"))
    assert.is_truthy(magstim.refusal(edges, halves:times(2, { every = 59.9 }), nil, "host"))
  end)

  it("limits triggered pulses by the table of rates", function()
    local triggered = fast.limits(nil, "trigger")
    assert.near(1 / 75, triggered.shortest_interval { mso = 40 }, 1e-12)
    assert.near(1 / 25, triggered.shortest_interval { mso = 100 }, 1e-12)
    assert.near(1 / 28, driver().limits(nil, "trigger").shortest_interval { mso = 40 }, 1e-12)
  end)

  it("tells changes between trains once the unit takes them, the power first", function()
    local plan = train(20, 10, 50) .. mp.rest(2) .. mp.mark "x" .. mp.rest(1.5) .. train(45, 15, 60)
    local text, actions, lowering = magstim.refusal(fast, plan)
    assert.is_nil(text)
    local bytes, lead = fast.encode.set(actions[1], actions[2])
    assert.are.equal(framed("@060") .. framed("B0150") .. framed("[0030") .. framed("D00045")
      .. framed("\\@"), magstim.hex(bytes))
    assert.is_true(lead >= 0.2)
    local order, set_s = {}, nil
    for kind, _, _, send_ns in lowering.next, lowering do
      order[#order + 1] = kind
      set_s = kind == "set" and send_ns / 1e9 or set_s
    end
    assert.are.same({ "pulse", "set", "mark", "pulse" }, order)
    assert.is_true(set_s >= 2.49 and set_s < 2.6, set_s) -- the train's 2 s and half a second
    assert.is_truthy(magstim.refusal(fast, train(20, 10, 50) .. mp.rest(0.6) .. train(20, 10, 60)))
    text = magstim.refusal(fast, train(20, 10, 50) .. mp.rest(5) .. mp.pulse(mp.mso(50)))
    assert.is_truthy(text:find("in standby only", 1, true), text)
    -- the same settings again need no words; a higher power may have lowered the rate
    assert.are.equal("", (fast.encode.set(actions[1], actions[1])))
  end)
end)

describe("moonpulse run on a simulated Rapid²", function()
  local folder
  before_each(function() folder = shell.folder() end)
  after_each(function() shell.remove(folder) end)

  it("sends one fire command a train, and records every pulse", function()
    local run = magstim.run(folder, [[return mp.train { pulses = 10, hz = 20, intensity = mp.mso(50) }
      :times(2, { every = 1.2 })]], "--device sim:rapid --device-option model=super "
      .. "--device-option mains=230 --device-option version=9.0 --device-option code=" .. code)
    assert.are.equal("", run.err)
    assert.are.equal(0, run.status)
    assert.is_truthy(run.said:find("version 9.0", 1, true))
    local bytes, pulses = magstim.commands_of(run)
    assert.are.same({ framed("[0000"), framed("[0010"), framed("@050"), framed("B0200"),
      framed("[0005"), framed("D00010"), framed("EB"), framed("EH"), framed("EH"), framed("EA"),
      framed("R@") }, bytes)
    assert.are.equal(20, #pulses)
    assert.are.equal(20, #run.rows)
    for i, row in ipairs(run.rows) do
      assert.are.same({ "delivered", "device", "50" }, { row.status, row.timed_by, row.intensity_mso })
      assert.near((i - 1) // 10 * 1.2 + (i - 1) % 10 / 20, tonumber(row.onset_planned_us) / 1e6, 1e-9)
    end
  end)

  it("writes no pulse of a train as delivered that a stop cut off", function()
    local path = folder .. "/long.lua"
    shell.write(path, [[local mp = require "moonpulse"
      return mp.protocol { id = "long", name = "Long", plan = function()
        return mp.train { pulses = 80, hz = 10, intensity = mp.mso(50) } end }]])
    local job = shell.start(folder, "job", ("run %s --device sim:rapid --tolerance 1000 --out %s/runs")
      :format(path, folder))
    local log
    shell.await(function()
      local name = shell.names(folder .. "/runs")[1]
      log = name and ("%s/runs/%s/"):format(folder, name)
      local _, count = (log and shell.read(log .. "twin.tsv") or ""):gsub("\tpulse\t", "")
      return count >= 10
    end, "ten pulses")
    job:signal("INT")
    assert.are.equal(5, job:wait())
    local given, counts = 0, {}
    for _, row in ipairs(shell.rows(log .. "twin.tsv")) do
      given = given + (row.event == "pulse" and 1 or 0)
    end
    for _, row in ipairs(shell.rows(log .. "events.tsv")) do
      counts[row.status] = (counts[row.status] or 0) + 1
      assert.is_true(row.status ~= "delivered" or row.onset_sent_us ~= "n/a")
      assert.is_true(row.status ~= "stopped" or row.onset_sent_us == "n/a")
    end
    local doubtful = counts.perhaps_sent or 0 -- due since its last answer, and while the stop was on its way
    assert.is_true(given >= 10 and given < 30)
    assert.is_true(counts.delivered <= given and counts.delivered + doubtful >= given)
    assert.is_true(doubtful <= 15, doubtful) -- it is asked every 0.5 s
    assert.are.equal(80, counts.delivered + counts.stopped + doubtful)
  end)

  it("ends a run at a fault of the unit, in its words", function()
    for fault, words in pairs { ["over-temperature@1"] = "disarmed itself", ["drop@1"] = "not confirmed" } do
      local run = magstim.run(folder, "return mp.train { pulses = 30, hz = 10, intensity = mp.mso(50) }",
        "--speed max --device sim:rapid --fault " .. fault)
      assert.are.equal(4, run.status, fault)
      assert.is_truthy(run.err:find(words, 1, true), run.err)
    end
  end)
end)
