-- What the simulator of a MagPro gives: pulses, trains, what the coil bears, and its options.
local magpro = require "magpro"
local simulator = require "moonpulse.simulators.magventure"

local MS, S = 1000000, 1000000000
local hex, frame, FIRE, STATUS, ENABLE, DISABLE, BURST, told, ready, joined, events, run = magpro.hex,
  magpro.frame, magpro.FIRE, magpro.STATUS, magpro.ENABLE, magpro.DISABLE, magpro.BURST, magpro.told,
  magpro.ready, magpro.joined, magpro.events, magpro.run

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
