-- What the simulator of a MagPro reads from its wire and says there: frames, settings, and what it ignores.
local chances = require "chance"
local magpro = require "magpro"
local shell = require "shell"
local simulator = require "moonpulse.simulators.magventure"

local MS, S = 1000000, 1000000000
local bin, hex, crc_maxim, frame, FIRE, STATUS, ENABLE, DISABLE, told, ready, joined, events =
  magpro.bin, magpro.hex, magpro.crc_maxim, magpro.frame, magpro.FIRE, magpro.STATUS,
  magpro.ENABLE, magpro.DISABLE, magpro.told, magpro.ready, magpro.joined, magpro.events

describe("the checksum used by this spec", function()
  it("has the published check value and that of every recorded frame", function()
    assert.equal(0xA1, crc_maxim("123456789"))
    local seen = 0
    local function check(text)
      local bytes = bin(text)
      while bytes ~= "" do
        local size = bytes:byte(2) + 4
        assert.equal(bytes:byte(size - 1), crc_maxim(bytes:sub(3, size - 2)), text)
        bytes, seen = bytes:sub(size + 1), seen + 1
      end
    end
    for _, row in ipairs(shell.rows "tests/data/magventure.tsv") do
      check(row.bytes_hex)
      check(row.reply_hex)
    end
    for _, row in ipairs(shell.rows "tests/data/magventure-replies.tsv") do
      if not row.fields:find("^error") then
        check(row.reply_hex)
      end
    end
    assert.is_true(seen > 70, seen)
  end)
end)

describe("every recorded command", function()
  -- The recorded replies show page Main and (start_train, set_train) a device that does not mind.
  local base = { coil_temperature = 22, strict_pages = false }
  local amplitude = frame "013200"

  for number, row in ipairs(shell.rows "tests/data/magventure.tsv") do
    it(("row %d: %s %s"):format(number, row.command, row.args), function()
      local t = told(base, amplitude, ENABLE)
      local replies, entries = t:receive(bin(row.bytes_hex), S)
      assert.equal(row.reply_hex, joined(replies))
      assert.equal(1, #entries)
      assert.not_equal("ignored", entries[1].event)
      assert.equal(row.bytes_hex, hex(entries[1].bytes))
    end)
  end
end)

describe("settings read back", function()
  it("gives modes as recorded from clients, with the interval as an index", function()
    local t = told({ model = "X100+Option" }, frame "0901030100010200c80177")
    assert.equal("fe0a09000301000102500019a0ff", joined((t:receive(frame "0900", S))))
    t = told({ model = "X100+Option" }, frame "01325f", frame "090103030101000027 0064")
    assert.equal("fe0a09000303010100e7000512ff", joined((t:receive(frame "0900", S))))
    assert.equal(joined((t:receive(frame "0900", S))),
      joined((t:receive(frame("09" .. ("00"):rep(10)), S))))
  end)

  it("gives the trains and delays that were set, in either form", function()
    local long = frame "0b0101 0064 0032 0014 0050 00"
    local t = told(nil, long, frame "080014 0032 00190000")
    assert.equal("ignored", events(select(2, t:receive(frame "08000affce006400 00", S))))
    assert.equal(hex(frame "0b0001 0064 0032 0014 0050 00640a"),
      joined((t:receive(frame "0b00", S))))
    t = told(nil, frame "0a01000affce0064")
    assert.equal(hex(frame "0a00000affce0064"), joined((t:receive(frame "0a00", S))))
    t = told(nil, frame "0702", frame "0600640032001e0050")
    assert.equal(hex(frame "0b0000 0064 0032 001e 0050 01640a"),
      joined((t:receive(frame "0b00", S))))
    assert.same({ rate_hz = 10.0, pulses = 50, trains = 30, iti_s = 8.0, timing = 0, warn = 1 },
      t:state().train)
    t = told(nil, frame "0b0101 0064 0032 0014 0050 01 0064 0a")
    assert.equal("ignored", events(select(2, t:receive(frame "0b01", S))))
  end)

  it("answers a handshake with 13 bytes within 0.1 s", function()
    local replies = simulator.new():receive(bin "fe010000ff", 5 * S)
    assert.equal(1, #replies)
    assert.equal(13, #replies[1].bytes)
    assert.is_true(replies[1].at_ns > 5 * S and replies[1].at_ns < 5 * S + 100 * MS)
  end)

  it("says so unasked when the panel is used", function()
    local t = told({ model = "R30+Option+Mono", coil_temperature = 23, coil_type = 82 },
      frame "0901040100000000640064", frame "010017")
    assert.equal("fe0401231781afff", joined((t:knob("amplitude", 35, S))))
    assert.equal("fe04080300812aff", joined((t:knob("page", 3))))
    local replies, entries = t:knob("enable", false)
    assert.equal("fe0401231781affffe04031752818cfffe0401231781afff", joined(replies))
    assert.equal("disarm", events(entries))
    assert.equal(35, t:state().amplitude_a)
    assert.has_error(function() t:knob("amplitude", 101) end)
    assert.has_error(function() t:knob("volume", 1) end)
  end)
end)

describe("reception", function()
  local stream = table.concat {
    frame "013200", ENABLE, frame "0702", STATUS, FIRE, frame "0a01000affce0064", frame "0a00",
    frame "05", frame "0900",
  }

  local function replies_to(chunks)
    local t, out, now = simulator.new(), {}, S
    for _, chunk in ipairs(chunks) do
      now = now + MS
      out[#out + 1] = joined((t:receive(chunk, now)))
    end
    return table.concat(out), t:state()
  end

  it("gives the same replies however the bytes are split", function()
    local whole = replies_to { stream }
    assert.is_true(#whole > 100)
    for cut = 1, #stream - 1 do
      assert.equal(whole, (replies_to { stream:sub(1, cut), stream:sub(cut + 1) }))
    end
    local single = {}
    for i = 1, #stream do
      single[i] = stream:sub(i, i)
    end
    local all, state = replies_to(single)
    assert.equal(whole, all)
    assert.equal(1, state.pulses)
    assert.equal(0, state.malformed)
  end)

  it("frames by length where FE and FF are data", function()
    local t = simulator.new()
    t:receive(frame "0a01000affec0064", S) -- -2.0 ms
    t:receive(frame "0a0100fa fffe 0000", S) -- 25.0 ms, -0.2 ms
    assert.equal(-0.2, t:state().delays.out_ms)
    assert.equal(25.0, t:state().delays.in_ms)
    local replies = t:receive(frame "0a00" .. STATUS, S)
    assert.equal(hex(frame "0a0000fafffe0000"), hex(replies[1].bytes))
    assert.equal(2, #replies)
    local count = 0
    for a = 0, 100 do
      for b = 0, 100 do
        local crc = crc_maxim(string.char(1, a, b))
        if crc >= 0xFE then
          t:receive(frame(("01%02x%02x"):format(a, b)), S)
          assert.same({ a, b }, { t:state().amplitude_a, t:state().amplitude_b })
          count = count + 1
        end
      end
    end
    assert.is_true(count > 20)
  end)

  it("finds the next good frame after garbage", function()
    for _, garbage in ipairs { "00", "ff", "fe", "fefe", "fe00", "0103e2ff", "fe0103", "fe0203",
      "fe0103e2", "fe0103e300", "fe03", "fe30", "ffffffffff", "fe0c09010100" } do
      local t = ready()
      local discharges = t:state().discharges
      t:receive(bin(garbage) .. STATUS:rep(4), S)
      local _, entries = t:receive(FIRE, S + MS)
      assert.equal(discharges + 1, t:state().discharges, garbage)
      assert.equal("pulse", entries[#entries].event)
    end
  end)

  it("ignores bad frames and says why", function()
    local t = ready()
    for bytes, why in pairs {
      ["fe0103e3ff"] = "crc", ["fe0103e200"] = "end byte", ["fe00ff"] = "length",
      ["fe40ff"] = "length", ["12345678"] = "start",
    } do
      local before = t:state()
      local replies, entries = t:receive(bin(bytes), S)
      assert.is_nil(replies)
      assert.equal("error", events(entries))
      assert.truthy(entries[1].note:find(why), entries[1].note)
      assert.equal(bytes, hex(entries[1].bytes))
      assert.equal(before.pulses, t:state().pulses)
    end
  end)

  it("drops a partial frame after the time-out, so that it never fires late", function()
    local t = ready()
    t:receive(FIRE:sub(1, 3), S)
    local replies, entries = t:receive(FIRE:sub(4), 2 * S)
    assert.is_nil(replies)
    assert.equal("error error", events(entries))
    assert.equal(0, t:state().pulses)
    t:receive(bin "fe10", 3 * S)
    t:receive(DISABLE, 4 * S)
    assert.is_false(t:state().enabled)
  end)

  it("can go deaf after several malformed frames", function()
    local t = ready { deaf_after = 3 }
    for _ = 1, 2 do
      t:receive(bin "fe0103e3ff", S)
    end
    assert.equal("pulse", events(select(2, t:receive(FIRE, S))))
    local replies, entries = t:receive(bin "fe0103e3ff" .. STATUS, 2 * S)
    assert.is_nil(replies)
    assert.equal("error ignored", events(entries))
    replies, entries = t:receive(STATUS, 3 * S)
    assert.is_nil(replies)
    assert.equal("the port is deaf", entries[1].note)
    assert.is_true(t:state().deaf)
  end)

  it("survives noise", function()
    local t, chance = ready(), chances.new(12345)
    for i = 1, 3000 do
      local noise = {}
      for k = 1, 9 do
        local byte = chance:draw(0, 255)
        noise[k] = string.char(byte % 5 == 0 and 0xFE or byte % 7 == 0 and byte % 14 or byte)
      end
      t:receive(table.concat(noise), S + i * MS)
    end
    assert.is_true(t:state().malformed > 100)
    assert.truthy(t:receive(STATUS, 100 * S))
  end)
end)

describe("what is ignored", function()
  local function ignored(t, bytes, why)
    local before = t:state()
    local replies, entries = t:receive(bytes, before.now_ns)
    assert.is_nil(replies)
    assert.equal("ignored", events(entries))
    assert.equal(bytes, entries[1].bytes)
    assert.truthy(entries[1].note:find(why, 1, true), entries[1].note)
    assert.same(before, t:state())
  end

  it("fire without enable, charge or amplitude", function()
    ignored(told(nil, frame "013200"), FIRE, "not enabled")
    ignored(told(nil, ENABLE), FIRE, "amplitude 0")
    ignored(told(nil, frame "013200", ENABLE, FIRE), FIRE, "not charged")
    ignored(ready(), frame "0300", "unknown form")
    ignored(ready(), frame "030101", "unknown form")
  end)

  it("values and forms the device does not have", function()
    local t = ready()
    ignored(t, frame "016500", "above 100 %")
    ignored(t, frame "010065", "above 100 %")
    ignored(t, frame "0202", "unknown form")
    ignored(t, frame "0708", "page 8")
    ignored(t, frame "42", "unknown command 42")
    ignored(t, frame "0001", "wrong length 2")
    ignored(t, frame "0901010200010000640064", "needs a model with Option")
    ignored(t, frame "0901010000040000640064", "waveform 4")
    ignored(t, frame "0901010000030000010064", "0.1 ms")
    ignored(t, frame "0a0103f30000000 0", "101.1 ms")
    ignored(t, frame "0a01000003ea0000", "100.2 ms")
    ignored(t, frame "0a0100000000006e", "110 ms")
    ignored(t, frame "0b0100 03f2 0005 0003 000a 01", "101.0 Hz")
    ignored(t, frame "0b0100 000f 0005 0003 000a 01", "1.5 Hz")
    ignored(t, frame "0b0100 000a 041a 0003 000a 01", "1050 pulses")
    ignored(t, frame "0b0100 000a 0005 01f5 000a 01", "501 trains")
    ignored(t, frame "0b0100 000a 0005 0003 0000 01", "0.0 s")
  end)

  it("trains on the wrong page, disabled, or twice", function()
    local t = ready()
    ignored(t, frame "06000a00050003000a", "page Timing")
    ignored(t, frame "04", "page Timing or Protocol")
    ignored(told(nil, frame "0702"), frame "04", "not enabled")
    t = told(nil, frame "013200", ENABLE, frame "0707", frame "04")
    t:tick(2 * MS)
    ignored(t, frame "04", "running")
    ignored(t, frame "0702", "running")
  end)
end)
