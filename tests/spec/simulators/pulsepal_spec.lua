-- The simulator of the Pulse Pal against what firmware 2.0.1 did when it was compiled natively and run
-- (tests/data/pulsepal-waveform.tsv), and against what its peers send.
local driver = require "moonpulse.devices.pulsepal"
local shell = require "shell"
local simulators = require "moonpulse.simulators.pulsepal"

local MS, S = 1000000, 1000000000

local function bin(text)
  return (text:gsub(" ", ""):gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end))
end

local function hex(bytes)
  return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

local function joined(replies)
  local out = {}
  for i, reply in ipairs(replies or {}) do
    out[i] = hex(reply.bytes)
  end
  return table.concat(out, " ")
end

--- "µs:channel:dac,..." from the first change behind the last message, and the cycles between these.
--- Where the last message was an abort, from the first change of all.
local function events(simulator, triggered)
  local all, heard = simulator:waveform()
  local parts, changes = {}, {}
  for _, change in ipairs(all) do
    changes[#changes + 1] = (not triggered or change.cycle > heard) and change or nil
  end
  local first = changes[1] and changes[1].cycle
  for i, change in ipairs(changes) do
    parts[i] = ("%d:%d:%d"):format((change.cycle - first) * 50, change.channel, change.dac)
  end
  return table.concat(parts, ","), first and first - heard, changes
end

local function set(name, value, channel)
  local key = name:find("Voltage") and "volts" or (name:find("Duration") or name:find("Interval")
    or name:find("Delay")) and "s" or "value"
  return driver.commands.set_param { name = name, channel = channel or 1, [key] = value }
end

--- A simulator programmed one parameter after the other, a millisecond apart.
local function programmed(values, order)
  local simulator, now, names = simulators.new { waveform = true }, MS, order or {}
  for name in pairs(order and {} or values) do
    names[#names + 1] = name
  end
  for _, name in ipairs(names) do
    if not name:find("^custom_") then
      simulator:receive(set(name, values[name]), now)
      now = now + MS
    end
  end
  if values.custom_id then
    simulator:receive(driver.commands.custom_train { id = values.custom_id, times_s = values.custom_times_s,
      volts = values.custom_volts }, now)
  end
  return simulator, S
end

local TRIGGER, ABORT = bin "d54d01", bin "d550"

describe("the firmware's waveform", function()
  local rows = shell.rows("tests/data/pulsepal-waveform.tsv")
  assert(#rows >= 5)
  for _, row in ipairs(rows) do
    it(row.name, function()
      local values, order, rest = {}, {}, 32768
      for key, value in row.args:gmatch("([%w_]+)=([^;]*)") do
        values[key], order[#order + 1] = value, key
        rest = key == "restingVoltage" and ("<I2"):unpack(set(key, value), 5) or rest
      end
      local simulator, now = programmed(values, order)
      simulator:receive(TRIGGER, now)
      local _, log = simulator:tick(now + 200 * S)
      local seen, latency, changes = events(simulator, true)
      assert.are.equal(row.events_us_ch_dac, seen)
      assert.are.equal(tonumber(row.latency_cycles), latency)
      local high = 0
      for _, change in ipairs(changes) do
        high = high + (change.dac ~= rest and 1 or 0)
      end
      assert.are.equal(tonumber(row.nonrest_steps), high)
      assert.are.equal("pulse", log[1].event)
      assert.are.equal("d54d01", hex(log[1].bytes))
      assert.are.equal(now + tonumber(row.latency_cycles) * 50000, log[1].at_ns)
    end)
  end
end)

describe("playback", function()
  local tbs = { phase1Duration = 0.001, interPulseInterval = 0.019, burstDuration = 0.06,
    interBurstInterval = 0.14, pulseTrainDuration = 1 }

  local function play(values, more)
    local simulator, now = programmed(values)
    simulator:receive(TRIGGER, now)
    if more then
      more(simulator, now)
    end
    simulator:tick(now + 10 * S)
    return (events(simulator)), simulator
  end

  it("is cut where the train ends, in a pulse too", function()
    assert.are.equal("0:1:49152,1000:1:32768,10000:1:49152,10500:1:32768",
      (play { phase1Duration = 0.001, interPulseInterval = 0.009, pulseTrainDuration = 0.0105 }))
  end)

  it("starts no pulse that would not end before the burst does", function()
    local with_two = "0:1:49152,1000:1:32768,20000:1:49152,21000:1:32768"
    assert.are.equal(with_two, (play { phase1Duration = 0.001, interPulseInterval = 0.019,
      burstDuration = 0.041, interBurstInterval = 0.9, pulseTrainDuration = 0.5 }))
    assert.are.equal(with_two .. ",40000:1:49152,41000:1:32768", (play { phase1Duration = 0.001,
      interPulseInterval = 0.019, burstDuration = 0.04105, interBurstInterval = 0.9,
      pulseTrainDuration = 0.5 }))
  end)

  it("waits for the train delay", function()
    local simulator, now = programmed { phase1Duration = 0.001, interPulseInterval = 0.01,
      pulseTrainDuration = 0.001, pulseTrainDelay = 0.0005 }
    simulator:receive(TRIGGER, now)
    simulator:tick(now + S)
    local seen, latency = events(simulator)
    assert.are.equal("0:1:49152,1000:1:32768", seen)
    assert.are.equal(13, latency)
  end)

  it("stays at the first phase for the whole train where that has 0 cycles", function()
    local simulator, now = programmed { interPulseInterval = 0.01, pulseTrainDuration = 0.1 }
    simulator:receive(bin "d54a040100000000", now - S // 2)
    simulator:receive(TRIGGER, now)
    simulator:tick(now + S)
    assert.are.equal("0:1:49152,100000:1:32768", (events(simulator)))
  end)

  it("is one pulse where the interval has 0 cycles", function()
    local simulator, now = programmed { phase1Duration = 0.001, pulseTrainDuration = 0.1 }
    simulator:receive(bin "d54a070100000000", now - S // 2)
    simulator:receive(TRIGGER, now)
    simulator:tick(now + S)
    assert.are.equal("0:1:49152,1000:1:32768", (events(simulator)))
  end)

  it("loops a custom train until the train's duration", function()
    local seen = play { phase1Duration = 0.001, customTrainID = 1, customTrainLoop = 1,
      pulseTrainDuration = 0.05, custom_id = 1, custom_times_s = "0,0.02", custom_volts = "5,3" }
    -- the next round begins where the last pulse ends
    assert.are.equal("0:1:49152,1000:1:32768,20000:1:42598,21000:1:49152,22000:1:32768,"
      .. "41000:1:42598,42000:1:49152,43000:1:32768", seen)
  end)

  it("mirrors the second phase of a custom train", function()
    local seen = play { isBiphasic = 1, phase1Duration = 0.0005, interPhaseInterval = 0.0001,
      phase2Duration = 0.0005, customTrainID = 2, custom_id = 2, custom_times_s = "0,0.01",
      custom_volts = "5,-5" }
    assert.are.equal("0:1:49152,500:1:32768,600:1:16384,1100:1:32768,"
      .. "10000:1:16384,10500:1:32768,10600:1:49152,11100:1:32768", seen)
  end)

  it("keeps a soft trigger that comes meanwhile, for a train behind this one", function()
    local seen = play({ phase1Duration = 0.001, interPulseInterval = 0.009, pulseTrainDuration = 0.011 },
      function(simulator, now)
        local _, log = simulator:receive(TRIGGER, now + 5 * MS)
        assert.are.equal("set", log[#log].event)
        assert.is_truthy(log[#log].note:find("kept"))
      end)
    -- it ends in the cycle of its last change, the next begins in the cycle after
    assert.are.equal("0:1:49152,1000:1:32768,10000:1:49152,11000:1:32768,"
      .. "11050:1:49152,12050:1:32768,21050:1:49152,22050:1:32768", seen)
  end)

  it("takes two soft triggers in one write: one cycle after the other, on two outputs or on one", function()
    -- the handler takes what the cycle before scheduled before it reads its own message (2.0.1, read)
    local both = programmed { phase1Duration = 0.001, pulseTrainDuration = 0.001 }
    both:receive(set("phase1Duration", 0.001, 2) .. set("pulseTrainDuration", 0.001, 2), S - 10 * MS)
    local _, first = both:receive(bin "d54d01 d54d02", S)
    local _, second = both:tick(2 * S)
    local log = table.move(second or {}, 1, #(second or {}), #(first or {}) + 1, first or {})
    assert.are.equal(2, #log)
    assert.are.same({ "1", "2" }, { log[1].given.channel, log[2].given.channel })
    assert.are.equal(50000, log[2].at_ns - log[1].at_ns)
    local seen = play({ phase1Duration = 0.001, pulseTrainDuration = 0.001 }, function(simulator, now)
      simulator:receive(TRIGGER, now)
    end)
    assert.are.equal("0:1:49152,1000:1:32768,1050:1:49152,2050:1:32768", seen)
  end)

  it("has a row for a soft trigger that gives nothing", function()
    local simulator, now = programmed { phase1Duration = 0.001, pulseTrainDuration = 0.1 }
    simulator:receive(TRIGGER, now)
    local _, log = simulator:receive(TRIGGER:rep(2), now + 5 * MS) -- one is kept
    assert.are.same({ "set", "ignored" }, { log[#log - 1].event, log[#log].event })
    assert.are.equal("soft trigger: channel 1 keeps one already", log[#log].note)
    simulator:tick(now + S)
    simulator:receive(set("phase1Voltage", 0), now + S)
    _, log = simulator:receive(TRIGGER, now + 2 * S)
    assert.are.same({ "ignored", "soft trigger: channel 1 rests at its voltage" },
      { log[#log].event, log[#log].note })
  end)

  it("ends at once with an abort, and nothing comes after", function()
    local simulator, now = programmed(tbs)
    simulator:receive(TRIGGER, now)
    local _, log = simulator:receive(ABORT, now + 220300000)
    assert.are.equal("disarm", log[#log].event)
    local seen = events(simulator)
    assert.is_truthy(seen:find("220000:1:49152,220200:1:32768$"), seen) -- in the pulse
    _, log = simulator:tick(now + 10 * S)
    assert.is_nil(log)
    assert.is_false(simulator:state().armed)
    simulator:receive(TRIGGER, now + 11 * S) -- and it may be started again
    _, log = simulator:tick(now + 12 * S)
    assert.are.equal(15, #log)
  end)

  it("starts in spite of one abort right behind the trigger; the second ends it", function()
    for count, pulses in ipairs { 15, 1 } do
      local simulator, now = programmed(tbs)
      simulator:receive(TRIGGER .. ABORT:rep(count), now)
      simulator:tick(now + 10 * S)
      assert.are.equal(pulses, simulator:state().pulses)
      if pulses == 1 then -- for less than a cycle
        assert.are.equal("0:1:49152,0:1:32768", (events(simulator)))
      end
    end
    assert.are.equal(hex(ABORT:rep(2)), hex(driver.safe))
  end)

  it("is started by a linked trigger input only", function()
    local simulator, now = programmed(tbs)
    simulator:line("1", true, now)
    simulator:tick(now + 2 * S)
    -- all four outputs are linked after switching on; the other three play 100 us in 1.1 ms for 1 s
    assert.are.equal(15 + 3 * 910, simulator:state().pulses)
    simulator:receive(driver.commands.sync_all { linkTriggerChannel1 = { 0 } }, now + 3 * S)
    simulator:line("1", false, now + 4 * S)
    simulator:line("1", true, now + 5 * S)
    simulator:tick(now + 6 * S)
    assert.are.equal(15 + 3 * 910, simulator:state().pulses)
  end)
end)

describe("messages", function()
  it("may come in pieces, but not 500 ms apart", function()
    local simulator = simulators.new()
    local program = driver.commands.sync_all {}
    assert.is_nil((simulator:receive(program:sub(1, 100), S)))
    assert.are.equal("01", joined(simulator:receive(program:sub(101), S + 400 * MS)))
    simulator:receive(program:sub(1, 100), 2 * S)
    local _, log = simulator:receive(program:sub(101), 2 * S + 501 * MS)
    assert.are.equal("error", log[1].event)
    assert.is_true(simulator:state().hung)
    assert.is_nil((simulator:receive(bin "d548", 4 * S)))
    simulator:knob("click", true, 5 * S)
    assert.are.equal("4b15000000", joined(simulator:receive(bin "d548", 6 * S)))
  end)

  it("are ignored where no op code is known, and where they do not begin with D5", function()
    local simulator = simulators.new()
    local replies, log = simulator:receive(bin "48 d5ff d548", S)
    assert.are.equal("4b15000000", joined(replies))
    assert.are.equal("ignored", log[1].event)
    assert.are.equal("ignored", log[2].event)
  end)

  it("of the recorded rows are answered as recorded", function()
    local count = 0
    for _, row in ipairs(shell.rows("tests/data/pulsepal.tsv")) do
      local simulator = simulators.new()
      assert.are.equal(row.reply_hex, joined(simulator:receive(bin(row.bytes_hex), S)), row.command)
      count = count + 1
    end
    assert.is_true(count >= 20)
  end)

  it("of the maker's Python client get what it waits for", function()
    -- constructor, then what a script does: after each message the client reads so many bytes
    local simulator, now = simulators.new(), S
    local program
    for _, row in ipairs(shell.rows("tests/data/pulsepal.tsv")) do
      program = program or row.command == "sync_all" and row.bytes_hex
    end
    for _, exchange in ipairs {
      { "d548", "4b15000000" }, { "d559505954484f4e", "" }, { program, "01" },
      { "d54a040114000000", "01" }, { "d54b03000000000000001400000028000000008000c00040", "01" },
      { "d54f0499d9", "01" }, { "d54d01", "" }, { "d550", "" }, { "d5520301", "01" }, { "d551", "" },
    } do
      now = now + 10 * MS
      assert.are.equal(exchange[2], joined(simulator:receive(bin(exchange[1]), now)), exchange[1])
    end
    assert.is_true(simulator:state().pulses > 0)
    local pulses = simulator:state().pulses
    simulator:tick(now + 10 * S)
    assert.are.equal(pulses, simulator:state().pulses) -- it left with d551, which ends everything
  end)

  --- How often output 2 changed, which plays for 0.1 s, where these came: the first may have two seconds
  --- sooner.
  local function changes_of_2(...)
    local simulator, count = simulators.new { waveform = true }, 0
    simulator:receive(set("pulseTrainDuration", 60, 1), MS)
    simulator:receive(set("pulseTrainDuration", 0.1, 2), 2 * MS)
    simulator.waited_ns = 2 * S
    for i, message in ipairs { ... } do
      simulator:receive(bin(message), S + i * MS)
      simulator.waited_ns = 0
    end
    simulator:tick(S + 900 * MS)
    for _, change in ipairs((simulator:waveform())) do
      count = count + (change.channel == 2 and 1 or 0)
    end
    return count
  end

  it("that were read late find output 2 at rest, though output 1 plays on", function()
    local of_one = changes_of_2 "d54d02"
    assert.is_true(of_one > 0)
    assert.are.equal(3 * of_one, changes_of_2("d54d03", "d54d03", "d54d03"))
  end)
end)
