local chances = require "chance"
local simulator = require "moonpulse.simulators.magventure"

local MS, S = 1000000, 1000000000

local function bin(text) -- spaces are for reading
  return (text:gsub(" ", ""):gsub("%x%x", function(pair)
    return string.char(tonumber(pair, 16))
  end))
end

local function hex(bytes)
  return (bytes:gsub(".", function(c)
    return ("%02x"):format(c:byte())
  end))
end

-- The simulator's CRC is a reflected table; this one is the plain polynomial, bit by bit.
local function crc_maxim(text)
  local function mirror(value)
    local out = 0
    for bit = 0, 7 do
      out = out | (value >> bit & 1) << (7 - bit)
    end
    return out
  end
  local crc = 0
  for i = 1, #text do
    crc = crc ~ mirror(text:byte(i))
    for _ = 1, 8 do
      crc = crc << 1
      if crc > 0xFF then
        crc = crc ~ 0x131
      end
    end
  end
  return mirror(crc)
end

local function frame(payload_hex)
  local payload = bin(payload_hex)
  return string.char(0xFE, #payload) .. payload .. string.char(crc_maxim(payload), 0xFF)
end

local function rows(path)
  local header, list = nil, {}
  for line in assert(io.open(path)):lines() do
    local cells = {}
    for cell in (line .. "\t"):gmatch("([^\t]*)\t") do
      cells[#cells + 1] = cell
    end
    if header then
      local row = { line = line }
      for i, name in ipairs(header) do
        row[name] = cells[i]
      end
      list[#list + 1] = row
    else
      header = cells
    end
  end
  return list
end

local FIRE, STATUS = frame "03", frame "00"
local ENABLE, DISABLE = frame "0201", frame "0200"
local BURST = frame "09010100000302 00c80064" -- three pulses, 20 ms

--- A switched-on simulator that was told `...` (frames) from 1 ms on, a microsecond apart.
local function told(options, ...)
  local t = simulator.new(options)
  for i, bytes in ipairs { ... } do
    t:receive(bytes, MS + i * 1000)
  end
  return t
end

local function ready(options)
  return told(options, frame "0132 00", ENABLE)
end

local function joined(replies)
  local out = {}
  for i, reply in ipairs(replies or {}) do
    out[i] = hex(reply.bytes)
  end
  return table.concat(out)
end

local function events(entries)
  local out = {}
  for i, entry in ipairs(entries or {}) do
    out[i] = entry.event
  end
  return table.concat(out, " ")
end

--- Let the simulator run by itself; calls visit(entry) for each log entry.
local function run(t, now, limit, visit)
  local next_ns = now
  while next_ns and next_ns <= limit do
    now = next_ns
    local _, entries
    _, entries, next_ns = t:tick(now)
    for _, entry in ipairs(entries or {}) do
      visit(entry)
    end
  end
end

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
    for _, row in ipairs(rows "tests/data/magventure.tsv") do
      check(row.bytes_hex)
      check(row.reply_hex)
    end
    for _, row in ipairs(rows "tests/data/magventure-replies.tsv") do
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

  for number, row in ipairs(rows "tests/data/magventure.tsv") do
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

describe("pulses", function()
  it("are answered by an 02 event with dI/dt, after the latency", function()
    local t = ready { latency = 0.035 }
    local replies, entries = t:receive(FIRE, S)
    assert.equal(hex(frame "02410034"), joined(replies))
    assert.equal(S + 35 * MS, replies[1].at_ns)
    assert.same({ event = "pulse", bytes = FIRE, note = "50 %", at_ns = S,
      given = { channel = "1", intensity = 50, waveform = "Biphasic", mode = "Standard" } }, entries[1])
    t:receive(frame "016400", S)
    assert.equal(hex(frame "02820034"), joined((t:receive(FIRE, 2 * S))))
  end)

  it("need the charge of the model and waveform", function()
    for _, case in ipairs {
      { "R30", nil, 33333333 }, { "X100", nil, 10 * MS }, { "X100", BURST, 50 * MS },
      { "X100", frame "0901010000030000c80064", 90 * MS }, -- five at 20 ms last longer than 1/20 s
      { "X100+Option", frame "0901030200000000640064", 200 * MS },
      { "X100+Option", frame "0901030200010000640064", 20 * MS },
      { "X100", frame "0a01000000000064", 110 * MS },
    } do
      local t = ready { model = case[1] }
      if case[2] then
        assert.equal("set", events(select(2, t:receive(case[2], MS * 2))))
      end
      t:receive(FIRE, S)
      assert.equal(S + case[3], t:state().charged_at_ns)
      local entries = select(2, t:receive(FIRE, S + case[3] - 1)) -- the rest of the burst, and this
      assert.equal("not charged", entries[#entries].note)
      assert.equal("pulse", events(select(2, t:receive(FIRE, S + case[3]))))
    end
  end)

  --- What a fire command at 1 s brings: ms and notes of the pulses, ms and bytes of the 02 events.
  local function fired(t)
    local pulses, reports = {}, {}
    local function take(replies, entries)
      for _, entry in ipairs(entries or {}) do
        pulses[#pulses + 1] = ("%d %s %s"):format((entry.at_ns - S) // MS, entry.note, hex(entry.bytes))
      end
      for _, reply in ipairs(replies or {}) do
        reports[#reports + 1] = ("%d %s"):format((reply.at_ns - S) // MS, hex(reply.bytes))
      end
    end
    take(t:receive(FIRE, S))
    take(t:tick(2 * S))
    return pulses, reports
  end

  it("come as bursts and pairs, each pulse in its time, reported once and when over", function()
    local t = told({ heating = 0 }, frame "013200", ENABLE, BURST)
    local pulses, reports = fired(t)
    assert.same({ "0 burst of 3 " .. hex(FIRE), "20 burst of 3 ", "40 burst of 3 " }, pulses)
    assert.same({ "60 " .. hex(frame "0241003c") }, reports)
    assert.same({ 3, 1 }, { t:state().pulses, t:state().discharges })
    t = told({ model = "X100+Option", heating = 0 }, frame "013200", ENABLE,
      frame "09010302000100006400c8")
    pulses, reports = fired(t)
    assert.same({ "0 pair " .. hex(FIRE), "10 pair " }, pulses)
    assert.same({ "30 " .. hex(frame "02418276") }, reports) -- B/A 2.0: 100 %
    assert.equal(2, t:state().pulses)
  end)

  it("of a burst may be reported one by one", function()
    local _, reports = fired(told({ heating = 0, burst_reports = "each" }, frame "013200", ENABLE,
      BURST))
    local didt = hex(frame "0241003c")
    assert.same({ "20 " .. didt, "40 " .. didt, "60 " .. didt }, reports)
    assert.has_error(function() simulator.new { burst_reports = "never" } end)
  end)

  it("end in the middle of a burst when the device is disabled", function()
    local t = told({ heating = 0 }, frame "013200", ENABLE, BURST)
    t:receive(FIRE, S)
    local _, entries = t:receive(DISABLE, S + 30 * MS)
    assert.equal("pulse disarm", events(entries))
    assert.is_nil(select(2, t:tick(10 * S)))
    assert.equal(2, t:state().pulses)
  end)

  it("keep their order under jitter, and the seed repeats it", function()
    local function times(seed)
      local t, list = ready { jitter = 0.06, seed = seed }, {}
      for i = 1, 200 do
        list[i] = t:receive(FIRE, S + i * 20 * MS)[1].at_ns
      end
      return list
    end
    local first = times(1)
    for i = 2, #first do
      assert.is_true(first[i] >= first[i - 1])
    end
    assert.same(first, times(1))
    assert.not_same(first, times(2))
  end)
end)

describe("trains", function()
  it("run by themselves at the programmed times", function()
    local t = told({ heating = 0 }, frame "013200", ENABLE, frame "0702",
      frame "060 1f4 0007 0003 000f") -- 50 Hz, 7 pulses, 3 trains, 1.5 s
    assert.equal(hex(frame "08020134"), joined((t:receive(frame "04", S))))
    local times = {}
    run(t, S, 100 * S, function(entry)
      assert.equal("pulse", entry.event)
      times[#times + 1] = entry.at_ns - S
    end)
    local expected = {}
    for train = 0, 2 do
      for pulse = 0, 6 do
        expected[#expected + 1] = train * 1620 * MS + pulse * 20 * MS
      end
    end
    assert.same(expected, times)
    assert.is_false(t:state().running)
    assert.equal(hex(frame "0c00 0003 00 000015 00 0015 0000 02"),
      joined((t:receive(frame "0c00", 100 * S))))
  end)

  it("of bursts give each pulse, however late the tick", function()
    for _, step in ipairs { 7 * MS, 100 * S } do
      local t = told({ heating = 0 }, frame "013200", ENABLE, BURST, frame "0702",
        frame "0600 32 000a 0002 0052") -- 5 Hz, 10 bursts, 2 trains, 8.2 s
      local times, now, reports = {}, S, 0
      t:receive(frame "04", S)
      while now < 20 * S do
        now = now + step
        local replies, entries = t:tick(now)
        for _, entry in ipairs(entries or {}) do
          assert.same({ "pulse", "train", "" }, { entry.event, entry.note, entry.bytes })
          times[#times + 1] = (entry.at_ns - S) // MS
        end
        for _, reply in ipairs(replies or {}) do
          reports = reports + (reply.bytes:byte(3) == 2 and 1 or 0)
        end
      end
      local expected = {}
      for train = 0, 1 do
        for burst = 0, 9 do
          for pulse = 0, 2 do
            expected[#expected + 1] = train * 10000 + burst * 200 + pulse * 20
          end
        end
      end
      assert.same(expected, times)
      assert.equal(20, reports)
      assert.is_false(t:state().running)
    end
  end)

  it("give the same pulses to one late tick, then say that they ended", function()
    local t = told(nil, frame "013200", ENABLE, frame "0707", frame "04") -- 1 Hz, 5 pulses, 3
    local replies, entries, next_ns = t:tick(60 * S)
    assert.equal(15, #entries)
    assert.equal(hex(frame "08070034"), hex(replies[16].bytes))
    for i = 2, #replies do
      assert.is_true(replies[i].at_ns >= replies[i - 1].at_ns)
    end
    assert.is_true(next_ns == nil or next_ns > 60 * S)
  end)

  it("end when the device is disabled", function()
    local t = told(nil, frame "013200", ENABLE, frame "0702", frame "04")
    t:tick(2 * S)
    assert.equal(2, t:state().pulses)
    local replies = t:receive(DISABLE, 2 * S)
    assert.equal(4, #replies)
    assert.equal(hex(frame "08020024"), hex(replies[4].bytes))
    t:tick(60 * S)
    assert.equal(2, t:state().pulses)
  end)
end)

describe("the coil", function()
  local function session(percent, first, pulses, period)
    local t = told(nil, frame(("01%02x00"):format(percent)), ENABLE, first)
    local hottest = 0
    for i = 1, pulses do
      t:receive(FIRE, S + i * period)
      hottest = math.max(hottest, t:state().temperature_c)
    end
    return t, hottest
  end

  it("stays below the limit in usual sessions at 60 %", function()
    local t, hottest = session(60, nil, 3000, 100 * MS)
    assert.equal(3000, t:state().pulses)
    assert.is_true(hottest > 30 and hottest < 40, hottest)
    t, hottest = session(60, BURST, 200, 200 * MS) -- without the pauses: hotter than iTBS
    t:tick(60 * S)
    assert.equal(600, t:state().pulses)
    assert.is_true(hottest > 24 and hottest < 40, hottest)
  end)

  it("disables itself at 40 C and refuses enable until below 38 C", function()
    local t = told(nil, frame "016400", ENABLE)
    local now, replies, entries = S
    repeat
      now = now + 100 * MS
      replies, entries = t:receive(FIRE, now)
    until entries[2]
    assert.equal("pulse disarm", events(entries))
    assert.equal("over temperature", entries[2].note)
    assert.equal(hex(frame "02820034" .. frame "03284824" .. frame "01640024"), joined(replies))
    assert.is_false(t:state().enabled)
    assert.is_true(t:state().temperature_c >= 40)
    assert.equal("not enabled", select(2, t:receive(FIRE, now + S))[1].note)
    repeat
      assert.is_true(t:state().temperature_c >= 38)
      entries = select(2, t:receive(ENABLE, now + S))
      assert.equal("ignored", events(entries))
      now = select(3, t:tick(now + S))
      t:tick(now)
    until t:state().temperature_c < 38
    replies, entries = t:receive(ENABLE, now)
    assert.equal("arm", events(entries))
    assert.is_true(#replies >= 3)
  end)

  it("ends a running train at the limit", function()
    local t = told({ coil_temperature = 39.9 }, frame "016400", ENABLE, frame "0702",
      frame "0b01000064 03e8 0001 000a 01")
    t:receive(frame "04", 2 * MS)
    local replies, entries = t:tick(100 * S)
    assert.equal("disarm", entries[#entries].event)
    assert.is_true(#entries < 60)
    local found
    for _, reply in ipairs(replies) do
      found = found or reply.bytes == frame "08020024"
    end
    assert.is_true(found)
    assert.is_false(t:state().running)
  end)

  it("reports each degree while cooling, and then is silent", function()
    local t, shown = simulator.new { coil_temperature = 35 }, {}
    local now = 0
    repeat
      local replies, _, next_ns = t:tick(now)
      for _, reply in ipairs(replies or {}) do
        assert.equal(3, reply.bytes:byte(3))
        shown[#shown + 1] = reply.bytes:byte(4)
      end
      assert.is_true(now < 2 * 3600 * S)
      now = next_ns
    until not now
    assert.same({ 34, 33, 32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22 }, shown)
    assert.near(22.75, t:state().temperature_c, 0.01)
  end)
end)

describe("options", function()
  it("names the known ones", function()
    local ok, message = pcall(simulator.new, { speed = 1 })
    assert.is_false(ok)
    assert.truthy(message:find("speed", 1, true) and message:find("coil_temperature", 1, true))
    for key, value in pairs { model = "X200", latency = -1, deaf_after = 0, seed = "x",
      serial_number = 1 << 24, strict_pages = 1, coil_temperature = 0 / 0 } do
      assert.has_error(function() simulator.new { [key] = value } end, nil)
    end
  end)

  it("show in the status", function()
    local t = simulator.new { model = "R30+Option", serial_number = 0x7f83d4, coil_type = 3,
      coil_temperature = 29.9 }
    assert.equal(hex(frame "00447f83d41d030000"), joined((t:receive(STATUS, S))))
  end)
end)
