-- StimJim: the simulator against what the firmware said when it was compiled natively (tests/data), the
-- driver's reading of interleaved text, its limits, its programs.
local chances = require "chance"
local devices = require "moonpulse.driver.find"
local driver = require "moonpulse.devices.stimjim"
local shell = require "shell"
local simulators = require "moonpulse.simulators.stimjim"

local MS, S = 1000000, 1000000000

local function bin(text)
  return (text:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end))
end

local function joined(replies)
  local out = {}
  for i, reply in ipairs(replies or {}) do
    out[i] = reply.bytes
  end
  return table.concat(out)
end

--- Names and times (ms from from_ns) of log entries of one kind.
local function times(log, event, from_ns)
  local list = {}
  for _, entry in ipairs(log or {}) do
    if entry.event == event then
      list[#list + 1] = (entry.at_ns - from_ns) / MS
    end
  end
  return list
end

--- A run's driver with these options.
local function configured(options)
  return devices.configure(assert(devices.find("stimjim")), options)
end

local function action(mso, channel)
  return { mso = mso or 50, channel = channel or "", intensity = mso or 50, reference = "MSO" }
end

--- A part of one level, as encode.train is asked.
local function part(count, num, den, change)
  local made = { cell = { { offset = 0, action = action() } }, pulses = count,
    levels = { { count = count, period = num / den, num = num, den = den } }, timing = "auto" }
  for key, value in pairs(change or {}) do
    made[key] = value
  end
  return made
end

describe("the simulator of the StimJim", function()
  local rows = shell.rows("tests/data/stimjim.tsv")

  it("says what the firmware said", function()
    local checked = 0
    for _, row in ipairs(rows) do
      if row.bytes_hex ~= "" then
        local simulator = simulators.new()
        assert.are.equal(bin(row.reply_hex), joined(simulator:receive(bin(row.bytes_hex), S)), row.args)
        checked = checked + 1
      end
    end
    assert.is_true(checked >= 18)
  end)

  it("ends its trains as the firmware did", function()
    local defined = {}
    for _, row in ipairs(rows) do
      if row.command == "set_train" and not row.args:find("error") then
        defined[row.args:match("index=(%d+)")] = bin(row.bytes_hex)
      elseif row.command == "train_complete" then
        local engine, index = row.args:match("engine=(%u);index=(%d+)")
        local simulator = simulators.new()
        simulator:receive(defined[index] .. engine .. index .. "\n", S)
        assert.are.equal(bin(row.reply_hex), joined((simulator:tick(10 * S))))
      end
    end
  end)

  it("gives ceil(duration / period) pulses, and says so one period behind the last", function()
    for duration, count in pairs { [39999] = 2, [40000] = 2, [40001] = 3 } do
      local simulator = simulators.new()
      local replies, log = simulator:receive(("S0,0,3,20000,%d;5000,0,100\nT0\n"):format(duration), S)
      assert.are.same({ 0 }, times(log, "pulse", S))
      assert.are.equal("T0\n", log[#log].bytes)
      assert.is_truthy(joined(replies):find("Started T train", 1, true))
      replies, log = simulator:tick(2 * S)
      assert.are.same(count == 3 and { 20, 40 } or { 20 }, times(log, "pulse", S))
      assert.is_truthy(joined(replies):find(("Delivered %d pulses"):format(count), 1, true))
      assert.are.equal(S + count * 20 * MS + MS, replies[1].at_ns)
    end
  end)

  it("stops at once, and no completion follows", function()
    local simulator = simulators.new()
    simulator:receive("S0,0,3,20000,1000000;5000,0,100\nT0\n", S)
    local replies, log = simulator:receive("T-1\n", S + 50 * MS)
    assert.are.equal("Forcing T train to stop\r\n", joined(replies))
    assert.are.same({ 20, 40 }, times(log, "pulse", S))
    replies, log = simulator:tick(10 * S)
    assert.is_nil(replies)
    assert.is_nil(log)
  end)

  it("begins a running train anew", function()
    local simulator = simulators.new()
    simulator:receive("S0,0,3,20000,60000;5000,0,100\nT0\n", S)
    local _, log = simulator:receive("T0\n", S + 30 * MS)
    assert.are.same({ 20, 30 }, times(log, "pulse", S))
    local replies = simulator:tick(10 * S)
    assert.is_truthy(joined(replies):find("Delivered 3 pulses", 1, true))
    assert.are.equal(5, simulator:state().pulses)
  end)

  it("reports only the train that was started last, and has a row for the other", function()
    local simulator = simulators.new()
    simulator:receive("S0,0,3,1500,750;5000,0,1000\nS1,3,0,1500,750;0,5000,1000\n", S)
    local replies, log = simulator:receive("T0\nT1\n", 2 * S)
    assert.are.same({ "pulse", "error", "pulse" }, { log[1].event, log[2].event, log[3].event })
    assert.are.equal("PulseTrain 0 ran: its end is not reported", log[2].note)
    local names, read_back = {}, joined(replies) .. joined((simulator:tick(3 * S)))
    local dialect = {}
    while #read_back > 0 do
      local reply, used = driver.decode(read_back, dialect)
      read_back = read_back:sub(used + 1)
      local of = reply and driver.confirms_for(reply)
      names[#names + 1] = reply and reply.name == "train_complete" and "complete " .. tostring(of) or nil
    end
    assert.are.same({ "complete 1" }, names)
  end)

  it("gives no pulse where the train is over before it looks, and has a row for that", function()
    local simulator = simulators.new() -- it starts a timer and writes a line first (d3ee6ad, read)
    local _, log = simulator:receive("S0,0,3,1500,1;5000,0,1000\nT0\n", S)
    assert.are.equal("ignored", log[#log].event)
    assert.are.equal(0, simulator:state().pulses)
    simulator:receive(configured({}).encode.set(action(50, "0"), action(50, "0")) .. "T0\n", 2 * S)
    assert.are.equal(1, simulator:state().pulses)
  end)

  it("keeps its stages where a header is short, and ends the list at a short stage", function()
    local simulator = simulators.new()
    simulator:receive("S0,0,3,20000,60000;5000,0,100;1,2\n", S)
    local text = joined(simulator:receive("S0,1,2\n", 2 * S))
    assert.is_truthy(text:find("mode[ch0]: 1 (Current output)", 1, true))
    assert.is_truthy(text:find("mode[ch1]: 2 (No output (high-Z))", 1, true))
    assert.is_truthy(text:find("    0      100 usec     5000uA        0uA", 1, true))
    assert.is_falsy(text:find("\n    1 "))
  end)

  it("runs both timers, and starts from its inputs only where R said so", function()
    local simulator = simulators.new()
    simulator:receive("S0,0,3,20000,60000;5000,0,100\n", S)
    assert.is_nil((simulator:line("0", true, S)))
    simulator:receive("R0,0\nU0\n", 2 * S)
    simulator:line("0", false, 2 * S)
    simulator:line("0", true, 2 * S + MS)
    simulator:tick(3 * S)
    assert.are.equal(6, simulator:state().pulses)
  end)

  it("gets the session of the StimJimGUI client", function()
    local simulator, now = simulators.new(), S
    for _, sent in ipairs { "S0,0,1,2000,1000000;100,0,150;-100,-100,200\n", "R0,3,0\n", "M0,0\r\n", "T0\n",
      "T-1\n", "D\n" } do
      now = now + 10 * MS
      assert.is_truthy((simulator:receive(sent, now)), sent)
    end
  end)
end)

--- All replies of a text that comes in pieces of size bytes.
local function read(text, size)
  local buffer, names, replies, dialect = "", {}, {}, {}
  for i = 1, #text, size do
    buffer = buffer .. text:sub(i, i + size - 1)
    while true do
      local reply, used = driver.decode(buffer, dialect)
      if used == 0 then
        break
      end
      buffer = buffer:sub(used + 1)
      if reply.name ~= "text" and reply.name ~= "detail" and reply.name ~= "measured" then
        names[#names + 1], replies[#replies + 1] = reply.name, reply
      end
    end
  end
  return names, replies
end

describe("the text of a StimJim", function()
  local simulator = simulators.new()
  local dump = joined(simulator:receive("S0,0,1,2000,1000000;100,0,150;-100,-100,200\n", S))
  simulator:receive("S1,0,3,20000,60000;1500,0,100\nU1\n", S)
  local complete = joined((simulator:tick(2 * S)))

  it("is read whatever the pieces", function()
    for _, size in ipairs { 1, 2, 7, 64, 5000 } do
      local names, replies = read(dump .. complete .. "Forcing T train to stop\r\n", size)
      assert.are.same({ "train", "train_complete", "stop" }, names)
      assert.are.same({ 0, 1, 2000, 1000000, "100,0,150/-100,-100,200" }, { replies[1].mode0,
        replies[1].mode1, replies[1].period_us, replies[1].duration_us, replies[1].stages })
    end
  end)

  it("is read where a completion comes between any two lines of an answer", function()
    local at, places = 0, 0
    while true do
      at = dump:find("\n", at + 1, true)
      if not at then
        break
      end
      local names, replies = read(dump:sub(1, at) .. complete .. dump:sub(at + 1), 11)
      table.sort(names)
      assert.are.same({ "train", "train_complete" }, names)
      for _, reply in ipairs(replies) do
        if reply.name == "train" then
          assert.are.equal("100,0,150/-100,-100,200", reply.stages)
        end
      end
      places = places + 1
    end
    assert.is_true(places > 8)
  end)

  it("never stops the reader, whatever the bytes", function()
    local chance = chances.new(4711)
    for _ = 1, 200 do
      local bytes = {}
      for i = 1, 60 do
        bytes[i] = string.char(i % 9 == 0 and 10 or chance:draw(0, 255))
      end
      read(table.concat(bytes), 13)
    end
    local reply, used = driver.decode(("x"):rep(1001), {})
    assert.are.same({ "error", 1001 }, { reply.name, used })
  end)
end)

describe("the driver of the StimJim", function()
  it("makes a pulse as its options say", function()
    local function first_line(options, ...)
      local encode = configured(options).encode
      return (encode.set(action(50, "x"), action(...)))
    end
    local function line(mode0, mode1, period, stages) -- each output has a train of its own
      return ("S%d,%d,%d,%d,%d;%s\n"):format(mode0 == 3 and 1 or 0, mode0, mode1, period, period // 2, stages)
    end
    assert.are.equal(line(0, 3, 1500, "5000,0,1000"), first_line({ channels = "x=0" }))
    assert.are.equal(line(3, 0, 1500, "0,5000,1000"), first_line({}, 50, "1"))
    assert.are.equal(line(1, 3, 900, "1000,0,200;-1000,0,200"),
      first_line { full_scale_ua = "2000", pulse_us = "200", biphasic = "1" })
    assert.are.equal(line(0, 3, 950, "7500,0,200;0,0,50;-7500,0,200"),
      first_line { full_scale_mv = "15000", pulse_us = "200", biphasic = "1", interphase_us = "50" })
  end)

  it("says of a value that a unit does not take which it is, and what it takes", function()
    for sentence, each in pairs {
      ["index = 100 is outside what a StimJim takes: 0 to 99"] = { "query_train", { index = 100 } },
      ["index = 120 is outside what a StimJim takes: -1 to 99"] = { "trigger_map",
        { input = 0, index = 120 } },
      ["mv = -15001 is outside what a StimJim takes: -15000 to 15000"] = { "set_mv",
        { channel = 0, mv = -15001 } },
      ["dac = 32768 is outside what a StimJim takes: -32768 to 32767"] = { "set_dac",
        { channel = 1, dac = 32768 } },
    } do
      local ok, problem = pcall(driver.commands[each[1]], each[2])
      assert.is_false(ok)
      assert.matches(sentence, tostring(type(problem) == "table" and problem.message or problem), 1, true)
    end
  end)

  it("refuses options on the far side of each edge", function()
    for _, bad in ipairs { { full_scale_ua = "3331" }, { full_scale_mv = "15001" }, { pulse_us = "19" },
      { volts = "15.1" }, { volts = "0.05" }, { biphasic = "2" }, { channels = "a=2" } } do
      assert.is_false((pcall(configured, bad)))
    end
    for _, good in ipairs { { full_scale_ua = "3330" }, { full_scale_mv = "15000" }, { pulse_us = "20" },
      { volts = "15" }, { volts = "0.1" }, { biphasic = "1" }, { channels = "a=1" } } do
      assert.is_truthy(configured(good))
    end
    local both = configured { full_scale_ua = "1000", full_scale_mv = "1000" }
    assert.is_false((pcall(both.encode.pulse, action())))
    local phases = configured { biphasic = "1", interphase_us = "19" }
    assert.is_false((pcall(phases.encode.pulse, action())))
    assert.is_false((pcall(configured({ full_scale_mv = "1" }).encode.pulse, action(20))))
    assert.is_false((pcall(configured({}).encode.pulse, action(50, "left"))))
  end)

  it("changes no intensity that is set by hand", function()
    local bytes, why = configured({}).encode.set(action(40), action(50))
    assert.is_nil(bytes)
    assert.is_truthy(why:find("by hand"))
    assert.is_truthy((configured({ full_scale_ua = "1000" }).encode.set(action(40), action(50))))
  end)

  it("gives a train at one rate, with a duration between two pulses", function()
    local encode = configured({}).encode
    local program = encode.train(part(10, 1, 10))
    assert.are.equal("T0\n", program.start)
    assert.are.same({ 100000, 950000, 10 }, { program.definition.period_us, program.definition.duration_us,
      program.pulses })
    assert.are.equal(1, program.confirms)
    assert.is_true(program.busy > 1.0)
    -- three trains of 5 that follow each other without a pause are one of 15
    program = encode.train(part(15, 1, 50, { levels = { { count = 5, period = 0.02, num = 1, den = 50 },
      { count = 3, period = 0.1, num = 1, den = 10 } } }))
    assert.are.equal(15, program.pulses)
  end)

  it("says why it does not take a train", function()
    local encode = configured({}).encode
    local function why(...)
      local program, text = encode.train(part(...))
      assert.is_nil(program)
      return text
    end
    assert.is_truthy(why(10, 1, 30):find("33.333 or 33.334 ms", 1, true))
    assert.is_truthy(why(10, 1, 125):find("over 100 Hz", 1, true))
    assert.is_truthy(why(10, 3, 1):find("2 s", 1, true))
    assert.is_truthy(encode.train(part(10, 2, 1)))
    assert.is_truthy(encode.train(part(10, 1, 100)))
    assert.is_truthy(why(30, 1, 50, { levels = { { count = 3, period = 0.02, num = 1, den = 50 },
      { count = 10, period = 0.2, num = 1, den = 5 } } }):find("one rate", 1, true))
    assert.is_truthy(why(5000, 1, 1):find("4294 s", 1, true))
    local fast = configured({ fastest_hz = "5000", pulse_us = "1000" }).encode
    assert.is_truthy((fast.train(part(10, 102, 100000))))
    local none, text = fast.train(part(10, 101, 100000))
    assert.is_nil(none)
    assert.is_truthy(text:find("does not end before the next", 1, true))
  end)

  it("lets its limits follow its options", function()
    assert.are.equal(1 / 100, driver.limits(nil).shortest_interval(action()))
    local own = configured { fastest_hz = "5000", pulse_us = "1000" }
    assert.is_true(math.abs(own.limits(nil).shortest_interval(action()) - 0.0065) < 1e-12)
  end)

  it("judges what a StimJim says", function()
    --- What the last reply of a text means.
    local function judge(text, expected, options)
      local _, list = read(text .. "\r\n", 5000)
      return driver.judge(list[#list], expected, options)
    end
    local function complete(pulses, measured)
      return ("Train complete. Delivered %d pulses.\r\nCurrent/Voltage by stage: \r\n"
        .. "           Ch0   Ch1 \r\nStage 0%s"):format(pulses, measured
          or "  5000mV,             0uA,          ")
    end
    local three = { mso = 50, train = { pulses = 3, definition = {} } }
    assert.are.same({ "confirm", "3 delivered", 3 }, { judge(complete(3), three) })
    assert.are.same({ "fault", "the StimJim gave 2 of 3 pulses" },
      { judge(complete(2), three) })
    assert.are.equal("confirm", (judge(complete(1), action())))
    assert.are.equal("fault", (judge(complete(2), action())))
    assert.are.equal("fault", (judge("Invalid PulseTrain index.", action())))
    assert.are.equal("fault", (judge("Booting StimJim on Teensy 3.5!", action())))
    assert.are.equal("fault", (judge("Train #1 complete. Delivered 3 pulses.", action())))
    assert.is_nil((judge("Started T train with parameters of PulseTrain 0", action())))
    -- what was measured at the output, to an eighth, and to 5 steps of the converter where that is more
    local own = configured { full_scale_ua = "2000" }.settings
    for _, way in ipairs { { 50, 1000, true }, { 50, 1125, true }, { 50, 1126 }, { 50, 875, true },
      { 50, 874 }, { 50, 0 }, { 50, -1000 }, { 1, 20, true }, { 1, 24, true }, { 1, 25 } } do
      local asked = action()
      asked.mso = way[1]
      local text = complete(1, ("%6duA,             0uA,          "):format(way[2]))
      local verdict, _, _, unlike = judge(text, asked, own)
      assert.are.same({ "confirm", way[3] == true }, { verdict, unlike == nil })
      local words = ("%d uA were measured at output 0, which was set to %d uA"):format(way[2], way[1] * 20)
      assert.is_true(unlike == nil or unlike:find(words, 1, true) ~= nil, unlike)
    end
    -- an output that is not driven says 0uA, and its completion counts pulses all the same
    for _, way in ipairs { { configured({}).settings, "0uA", 5000, "mV" },
      { configured({ full_scale_mv = "2000" }).settings, "0uA", 1000, "mV" }, { own, "0mV", 1000, "uA" } } do
      local verdict, _, _, unlike = judge(complete(1, ("     %s,             0uA,          "):format(way[2])),
        action(), way[1])
      assert.are.equal("confirm", verdict)
      assert.is_truthy(unlike and unlike:find(("output 0, which was set to %d %s: it is not in the mode")
        :format(way[3], way[4]), 1, true), unlike)
    end
    -- a firmware that writes it otherwise: confirmed, not compared
    assert.are.same({ "confirm", "1 delivered", 1 },
      { judge(complete(1, ": 1mV, 2uA, (target 3mV)"), action(), own) })
  end)

  it("has no completion before its first stage is there", function()
    local dialect = {}
    local reply, used = driver.decode("Train complete. Delivered 3 pulses.\r\nStage 0", dialect)
    assert.are.equal("detail", reply.name)
    local rest = ("Train complete. Delivered 3 pulses.\r\nStage 0"):sub(used + 1)
    assert.are.equal(0, select(2, driver.decode(rest, dialect)))
  end)
end)
