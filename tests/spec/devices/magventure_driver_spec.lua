local chances = require "chance"
local driver = require("moonpulse.driver.find").configure((require "moonpulse.devices.magventure"))
local fixture = require "job"
local magpro = require "magpro"
local shell = require "shell"

local bin, hex = magpro.bin, magpro.hex

--- "a=50;mode=Twin" as a table, numbers as numbers.
local function fields_of(text)
  local fields = {}
  for key, value in text:gmatch("([^=;]+)=([^;]*)") do
    fields[key] = tonumber(value) or value
  end
  return fields
end

-- other spellings of a command, which the driver does not use
local other_forms = { long = true, single = true, magic = true }

describe("encoding", function()
  local covered = {}
  for _, row in ipairs(shell.rows("tests/data/magventure.tsv")) do
    local command, args = driver.commands[row.command], fields_of(row.args)
    if command and not other_forms[args.form] then
      covered[row.command] = true
      it(("%s %s is byte for byte the recorded one"):format(row.command, row.args), function()
        assert.are.equal(row.bytes_hex, hex(command(args)))
      end)
    end
  end

  it("has a recorded frame for each command", function()
    for name in pairs(driver.commands) do
      assert.is_true(covered[name], "no row for " .. name)
    end
  end)

  it("of pulses and settings is those commands", function()
    assert.are.equal("fe0103e2ff", hex(driver.encode.pulse { mso = 50 }))
    local bytes, lead = driver.encode.set({ mso = 40 }, { mso = 50 })
    assert.are.equal("fe0301320017ff", hex(bytes))
    assert.is_true(lead > 0)
    assert.are.equal("fe02020091ff", hex(driver.safe))
  end)
end)

local read = {
  event_mep = true, get_delays = true, get_train = true,
  get_status = true, get_status2 = true, event_amplitude = true, event_didt = true,
  event_temperature = true, event_page = true, event_orig_amplitude = true, event_factor = true,
  get_mode = true, any = true,
}

describe("decoding", function()
  local covered = {}
  for _, row in ipairs(shell.rows("tests/data/magventure-replies.tsv")) do
    it(("%s %s"):format(row.command, row.reply_hex), function()
      local bytes, expected = bin(row.reply_hex), fields_of(row.fields)
      local reply, used = driver.decode(bytes)
      covered[row.command] = true
      assert.are.equal(expected.error and "error" or row.command, reply.name)
      for key, value in pairs(expected) do
        assert.are.equal(value, reply[key], key)
      end
      assert.are.equal(expected.error and 1 or #bytes, used)
      assert.are.equal(bytes, reply.bytes)
    end)
  end

  it("was tried on every reply that the driver reads", function()
    assert.are.same(read, covered)
  end)

  for _, row in ipairs(shell.rows("tests/data/magventure.tsv")) do
    it("takes apart what follows " .. row.command .. " " .. row.args, function()
      local buffer, joined = bin(row.reply_hex), ""
      while #buffer > 0 do
        local reply, used = driver.decode(buffer)
        assert.is_truthy(reply, "an unfinished frame")
        assert.are_not.equal("error", reply.name)
        joined, buffer = joined .. reply.bytes, buffer:sub(used + 1)
      end
      assert.are.equal(row.reply_hex, hex(joined))
    end)
  end
end)

--- Names (or errors) of all that comes out of the chunks, as a reader would take it.
local function read_all(chunks)
  local buffer, names = "", {}
  for _, chunk in ipairs(chunks) do
    buffer = buffer .. chunk
    while #buffer > 0 do
      local reply, used = driver.decode(buffer)
      if not reply then
        assert.are.equal(0, used)
        break
      end
      assert.is_true(used >= 1 and used <= #buffer)
      names[#names + 1] = reply.error or reply.name
      buffer = buffer:sub(used + 1)
    end
  end
  return names, buffer
end

describe("a stream", function()
  local didt, amplitude = bin "fe040263008194ff", bin "fe04013d3c7ec6ff"
  local status = bin "fe09006e87125b1348264dd8ff"

  it("may be split anywhere", function()
    local whole = didt .. status .. amplitude
    for cut = 1, #whole - 1 do
      local names, rest = read_all { whole:sub(1, cut), whole:sub(cut + 1) }
      assert.are.same({ "event_didt", "get_status", "event_amplitude" }, names)
      assert.are.equal("", rest)
    end
    local bytes = {}
    for i = 1, #whole do
      bytes[i] = whole:sub(i, i)
    end
    assert.are.same({ "event_didt", "get_status", "event_amplitude" }, (read_all(bytes)))
  end)

  it("asks for more where a frame is not whole", function()
    for length = 1, #status - 1 do
      local reply, used = driver.decode(status:sub(1, length))
      assert.is_nil(reply)
      assert.are.equal(0, used)
    end
  end)

  it("is merged and read one frame at a time", function()
    local reply, used = driver.decode(didt .. amplitude)
    assert.are.equal("event_didt", reply.name)
    assert.are.equal(#didt, used)
    assert.are.same({ "event_didt", "event_amplitude", "event_didt" },
      (read_all { didt .. amplitude .. didt }))
  end)

  it("gives the same reply each time", function()
    local first = driver.decode(status)
    local copy = table.move({ first.a, first.b, first.serial }, 1, 3, 1, {})
    for _ = 1, 3 do
      local again = driver.decode(status)
      assert.are.same(copy, { again.a, again.b, again.serial })
    end
  end)

  it("with noise in front is read from the frame on", function()
    local reply, used = driver.decode("\0\17\255" .. didt)
    assert.are.same({ "error", "noise", 3 }, { reply.name, reply.error, used })
    assert.are.same({ "noise", "event_didt" }, (read_all { "\0\17\255" .. didt }))
    assert.are.same({ "noise", "noise", "event_didt" }, (read_all { "\0", "\17\255" .. didt }))
    reply, used = driver.decode("\1\2\3")
    assert.are.same({ "noise", 3 }, { reply.error, used })
  end)

  it("finds the next frame behind a damaged one", function()
    local bad_crc = bin "fe040132003400ff"
    local names = read_all { bad_crc .. didt }
    assert.are.equal("bad_crc", names[1])
    assert.are.equal("event_didt", names[#names])
    -- one byte lost: the frame that follows is swallowed by the length, and must come back
    names = read_all { didt:sub(1, 4) .. didt:sub(6) .. amplitude .. status }
    assert.are.equal("bad_end", names[1])
    assert.are.equal("event_amplitude", names[#names - 1])
    assert.are.equal("get_status", names[#names])
  end)

  it("reads by length: start and end bytes inside a payload are data", function()
    -- serial number fe ff fe, amplitude 0xff; the checksum is the device's CRC-8/MAXIM
    local payload, crc = bin "000afefffe2048ff00", 0
    for i = 1, #payload do
      crc = crc ~ payload:byte(i)
      for _ = 1, 8 do
        crc = (crc & 1) == 1 and (crc >> 1) ~ 0x8C or crc >> 1
      end
    end
    local frame = string.char(0xFE, #payload) .. payload .. string.char(crc, 0xFF)
    local reply, used = driver.decode(frame)
    assert.are.same({ "get_status", 0xFEFFFE, 255, #frame },
      { reply.name, reply.serial, reply.a, used })
  end)

  it("never raises or stalls on random bytes", function()
    local chance = chances.new(12345)
    for _ = 1, 300 do
      local bytes = {}
      for i = 1, 40 do
        bytes[i] = string.char(chance:draw(0, 255) & (i % 7 == 0 and 0xFE or 0xFF))
      end
      read_all { table.concat(bytes) }
    end
  end)
end)

describe("limits", function()
  it("are those of the model that answered", function()
    local function shortest(model)
      return driver.limits(model and { model = model }).shortest_interval()
    end
    assert.are.equal(1 / 100, shortest(nil)) -- not asked yet: the X100
    assert.are.equal(1 / 100, shortest "X100")
    assert.are.equal(1 / 100, shortest "X100+Option")
    assert.are.equal(1 / 30, shortest "R30")
    assert.are.equal(1 / 30, shortest "R30+Option+Mono")
    assert.are.equal(1 / 30, shortest "MST") -- in no table: the slowest
    assert.is_truthy(driver.limits({ model = "R30" }).why:find("R30: at most 30 Hz", 1, true))
  end)

  it("are one channel, 0 to 100 in whole percent", function()
    local limits = driver.limits(nil)
    assert.are.equal(1, limits.channels)
    assert.are.same({ min = 0, max = 100, step = 1 }, limits.intensity)
  end)
end)

describe("a reply while a plan runs", function()
  local function judge(frame_hex, expected)
    return driver.judge(driver.decode(bin(frame_hex)), expected)
  end

  local function tells(frame_hex, action)
    return driver.tells(driver.decode(bin(frame_hex)), action)
  end

  it("confirms a pulse only by dI/dt", function()
    local verdict, text = judge("fe040241003442ff", { mso = 50 })
    assert.are.same({ "confirm", "dI/dt 65 A/us" }, { verdict, text })
    assert.is_nil(judge("fe0401320034c1ff", { mso = 50 })) -- amplitude
    assert.is_nil(judge("fe040316483421ff", { mso = 50 })) -- temperature, enabled
    assert.is_nil(judge("fe0e0b0001030601f801dc076601640667ff", { mso = 61 })) -- not for us
  end)

  it("reports an amplitude that is not the commanded one", function()
    assert.are.same({ ["the mode"] = true, ["the amplitude"] = "the amplitude is 50 %, not 61 %" },
      tells("fe0401320034c1ff", { mso = 61 }))
    assert.are.same({ ["the mode"] = true, ["the amplitude"] = true },
      tells("fe0401320034c1ff", { mso = 50 }))
    assert.are.same({}, tells("fe040241003442ff", { mso = 61 })) -- a pulse's event says nothing of now
    assert.is_nil(judge("fe0401320034c1ff", nil))
  end)

  it("reports another mode or waveform than it had when it was armed", function()
    local frame, action, dialect = bin "fe040241003442ff", { mso = 50 }, { found = { mode = "Standard",
      waveform = "Biphasic" } }
    assert.are.equal("confirm", (driver.judge(driver.decode(frame), action, {}, dialect)))
    dialect.found.waveform = "Monophasic"
    local verdict, text = driver.judge(driver.decode(frame), action, {}, dialect)
    assert.are.same({ "fault", "it is set to Standard, Biphasic, not to Standard, Monophasic, as it was when "
      .. "it was armed: was it changed at its panel?" }, { verdict, text })
    local says = driver.tells(driver.decode(bin "fe0401320034c1ff"), action, {}, dialect)
    assert.matches("not to Standard, Monophasic", says["the mode"], 1, true)
  end)

  it("that shows another waveform stops the run", function()
    local folder = shell.folder()
    finally(function() shell.remove(folder) end)
    shell.write(folder .. "/turned.lua", [[local mp = require "moonpulse"
return mp.experiment(function(run)
  local class = getmetatable(require("moonpulse.simulators.magventure").new {}).__index
  local receive, made = class.receive, nil
  class.receive = function(self, ...)
    made = self
    return receive(self, ...)
  end
  local stim, pulse = run:device(), mp.pulse(mp.mso(40))
  stim:arm(pulse)
  stim:play(pulse)
  made:knob("waveform", "Halfsine")
  stim:play(pulse)
  run:note "not reached"
end)]])
    local status, _, err = shell.moonpulse(folder, ("run %s/turned.lua --speed max --out %s/runs"):format(
      folder, folder))
    assert.are.equal(4, status, err)
    assert.matches("it is set to Standard, Halfsine, not to Standard, Biphasic, as it was when it was armed: "
      .. "was it changed at its panel?", err, 1, true)
  end)

  it("that is set between two armings is told, and is in the record; one that stayed is not", function()
    local folder = shell.folder()
    finally(function() shell.remove(folder) end)
    shell.write(folder .. "/turned.lua", [[local mp = require "moonpulse"
return mp.experiment(function(run)
  local class = getmetatable(require("moonpulse.simulators.magventure").new {}).__index
  local receive, made = class.receive, nil
  class.receive = function(self, ...)
    made = self
    return receive(self, ...)
  end
  local stim, pulse = run:device(), mp.pulse(mp.mso(40))
  for _, waveform in ipairs { "Biphasic", "Halfsine", "Halfsine", "Monophasic" } do
    if made then made:knob("waveform", waveform) end
    stim:arm(pulse)
    stim:fire(pulse)
    stim:disarm()
  end
end)]])
    for options, told in pairs { [""] = { "its waveform is Halfsine, and was Biphasic",
      "its waveform is Monophasic, and was Halfsine" }, ["--device-option waveform=Biphasic"] = {} } do
      local status, _, err = shell.moonpulse(folder, ("run %s/turned.lua --speed max --out %s/runs %s")
        :format(folder, folder, options))
      assert.are.equal(0, status, err)
      local found = fixture.run_in(folder .. "/runs")
      local noted, kept, given = {}, {}, {}
      for text in err:gmatch "otherwise since it was asked before: (.-)%. Pulses" do
        noted[#noted + 1] = text
      end
      for text in shell.read(found .. "/journal.jsonl"):gmatch '"changed":"(.-)"' do
        kept[#kept + 1] = "its " .. text
      end
      for _, row in ipairs((shell.rows(found .. "/twin.tsv"))) do
        given[#given + 1] = row.event == "pulse" and row.waveform or nil
      end
      assert.are.same({ told, told }, { noted, kept })
      assert.are.equal(told[1] and "Biphasic Halfsine Halfsine Monophasic"
        or "Biphasic Biphasic Biphasic Biphasic", table.concat(given, " "))
      local _, out = shell.moonpulse(folder, "verify " .. found)
      assert.matches("each value of manifest.json is what the rest of the folder says", out, 1, true)
      assert.is_nil(out:find("DIFFERS", 1, true), out)
      shell.remove(folder .. "/runs")
    end
  end)

  it("is not armed for programs where its waveform is not the one that it had when the run began", function()
    local io = { dialect = { connected = { mode = "Standard", waveform = "Biphasic" } } }
    function io.transact(_, _, name)
      return name == "get_mode" and { mode = "Standard", direction = "Normal", waveform = "Monophasic",
        burst_pulses = 2, ipi_ms = 20 } or {}
    end
    function io.fault(_, text, ...) error(text:format(...), 0) end
    local _, problem = pcall(driver.arm, io, { mso = 40 }, { { mso = 40, train = {} } })
    assert.are.equal("the stimulator is set to Standard, Monophasic, and was set to Standard, Biphasic when "
      .. "the run began: set it back, or begin a run anew", problem)
  end)

  it("reports a mode or waveform in which a command fires several pulses", function()
    assert.are.equal("it is set to Twin, Biphasic_Burst: each command fires several pulses",
      tells("fe04013d3c7ec6ff", { mso = 61 })["the mode"])
    local verdict, text = judge("fe04022d0e7eb8ff", { mso = 61 })
    assert.are.same({ "fault", "it is set to Twin, Biphasic_Burst: each command fires several pulses: "
      .. "was it changed at its panel?" }, { verdict, text })
  end)

  it("is a fault where the device is disabled or garbled", function()
    local verdict, text = judge("fe0401231781afff", { mso = 35 })
    assert.are.same({ "fault", "the stimulator is no longer enabled: was it disabled at its panel?" },
      { verdict, text })
    verdict, text = judge("fe04031752818cff", { mso = 35 })
    assert.are.same({ "fault", "the stimulator disabled itself, its coil is at 23 C: let it cool, "
      .. "or change it" }, { verdict, text })
    verdict, text = judge("fe040132003400ff", { mso = 50 })
    assert.are.same({ "fault", "a garbled reply (wrong checksum): is the cable sound and fully "
      .. "plugged in?" }, { verdict, text })
  end)
end)

describe("a MagPro whose model is declared", function()
  local devices = require "moonpulse.driver.find"
  local lower = require "moonpulse.lowering"
  local mp = require "moonpulse"
  local plain = require "moonpulse.devices.magventure"
  local burst = mp.burst { pulses = 3, hz = 50, intensity = mp.mso(40) }:times(5, { every = 0.2 })

  local function refusal(model, identity)
    local ok, problem = pcall(lower.prepare, { plan = burst, seed = 1, timing = "auto", thresholds = {},
      driver = devices.configure(plain, { model = model }), identity = identity })
    return not ok and tostring(problem) or nil
  end

  it("is judged as that model before it is asked, as it would be after", function()
    for _, model in ipairs { "R30", "R30+Option", "R30+Option+Mono" } do
      local text = refusal(model)
      assert.is_truthy(text and text:find(model .. ": at most 30 Hz", 1, true), text)
      assert.is_truthy(text:find("no published table says that the " .. model, 1, true), text)
      assert.are.equal(text, refusal(nil, { model = model, mode = "Standard", waveform = "Biphasic",
        setting = {} }))
    end
    assert.is_nil(refusal "X100")
    assert.is_nil(refusal "X100+Option")
    assert.is_nil(refusal())
  end)

  it("is refused where it says that it is another, and taken where it is that one", function()
    local function connect(model)
      local io = { options = { model = model }, dialect = {} }
      function io.transact(_, _, name)
        return name == "get_status2" and { model = "R30", serial = 1, enabled = 0 }
          or { model = "R30", mode = "Standard", waveform = "Biphasic", burst_pulses = 2, ipi_ms = 20 }
      end
      function io.fault(_, text, ...) error(text:format(...), 0) end
      return pcall(plain.connect, io)
    end
    local ok, problem = connect "X100"
    assert.is_false(ok)
    assert.are.equal("it says that it is the model R30, and it was declared as the X100: say --device-option "
      .. "model=R30, and look at the plan again with moonpulse check", problem)
    assert.is_true(connect "R30")
    assert.is_true(connect(nil))
  end)

  it("is that model in simulation, too", function()
    local model = require "moonpulse.simulators.magventure"
    local own = devices.configure(plain, { model = "R30" })
    assert.are.equal("R30", devices.simulator_settings(own, model).model)
  end)
end)
