-- The driver of the Pulse Pal: programs, limits on both sides of each edge, and whole runs on the
-- simulator through a real pseudo-terminal.
local devices = require "moonpulse.driver.find"
local driver = require "moonpulse.devices.pulsepal"
local fixture = require "job"
local lower = require "moonpulse.lowering"
local mp = require "moonpulse"
local shell = require "shell"
local simulators = require "moonpulse.simulators.pulsepal"

local S = 1000000000

local function hex(bytes)
  return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

local function configured(options)
  return devices.configure(assert(devices.find("pulsepal")), options)
end

local function action(mso, channel)
  return { mso = mso or 50, channel = channel or "", intensity = mso or 50, reference = "MSO" }
end

--- A part as encode.train is asked; levels as { count, num, den }, the innermost first.
local function part(levels, cell)
  local made = { cell = cell or { { offset = 0, action = action() } }, levels = {}, pulses = 1,
    timing = "auto" }
  made.pulses = #made.cell
  for i, level in ipairs(levels) do
    made.levels[i] = { count = level[1], period = level[2] / level[3], num = level[2], den = level[3] }
    made.pulses = made.pulses * level[1]
  end
  return made
end

local tbs = { { 3, 1, 50 }, { 10, 1, 5 } }
local session = { { 3, 1, 50 }, { 10, 1, 5 }, { 20, 10, 1 } }

--- Play a program on the simulator: onsets in seconds from the first.
local function played(options, asked)
  local own = configured(options)
  local program = assert(own.encode.train(asked))
  local simulator, now, first_action = simulators.new(), S, { train = program, mso = 50, channel = "" }
  own.arm({ options = own.settings, dialect = {}, write = function(_, bytes)
    simulator:receive(bytes, now)
    now = now + 1000000
  end, sleep = function() end, transact = function(_, bytes)
    local replies = simulator:receive(bytes, now)
    assert.are.equal("\1", replies and replies[1].bytes)
    now = now + 1000000
  end }, first_action, { first_action })
  now = 10 * S
  local onsets, first = {}, nil
  simulator:receive(program.start, now)
  local _, log = simulator:tick(now + 400 * S)
  for i, entry in ipairs(log) do
    assert.are.equal("pulse", entry.event)
    first = first or entry.at_ns
    onsets[i] = (entry.at_ns - first) / S
  end
  assert.is_true(simulator:state().ready)
  return onsets, program
end

--- What a part asks for, in seconds from its first pulse.
local function asked_onsets(asked)
  return require("moonpulse.lowering.device_trains").onsets(asked)
end

local function same_onsets(asked, onsets)
  local wanted = asked_onsets(asked)
  assert.are.equal(#wanted, #onsets)
  for i, pulse in ipairs(wanted) do
    assert.is_true(math.abs(pulse.offset - onsets[i]) < 1e-6, ("pulse %d: %g, not %g"):format(i, onsets[i],
      pulse.offset))
  end
end

describe("a program of the Pulse Pal plays what was asked", function()
  it("at one rate", function()
    local asked = part { { 20, 1, 10 } }
    local onsets, program = played({}, asked)
    same_onsets(asked, onsets)
    assert.are.equal("10 Hz, 20 pulses", program.text)
    assert.is_true(program.busy > 1.901 and program.busy < 1.91)
  end)

  it("in bursts, biphasic too", function()
    for _, options in ipairs { {}, { biphasic = "1", pulse_ms = "0.5", interphase_ms = "0.1" },
      { biphasic = "1", pulse_ms = "2" } } do
      local onsets, program = played(options, part(tbs))
      same_onsets(part(tbs), onsets)
      assert.are.equal("10 bursts of 3 pulses", program.text)
    end
  end)

  it("for a whole iTBS session, as a custom train", function()
    local onsets, program = played({}, part(session))
    same_onsets(part(session), onsets)
    assert.are.equal("custom train, 600 pulses", program.text)
    assert.is_true(program.busy > 191.8 and program.busy < 192)
  end)

  it("in pairs and other cells", function()
    local cell = { { offset = 0, action = action() }, { offset = 0.0125, action = action() } }
    same_onsets(part({ { 4, 1, 2 } }, cell), (played({}, part({ { 4, 1, 2 } }, cell))))
  end)

  it("with one voltage for each pulse where the stimulator follows it", function()
    local cell = { { offset = 0, action = action(40) }, { offset = 0.1, action = action(80) } }
    local own = configured { full_scale_volts = "5" }
    assert.is_truthy(own.encode.train(part({ { 2, 1, 1 } }, cell)))
    local none, why = configured({}).encode.train(part({ { 2, 1, 1 } }, cell))
    assert.is_nil(none)
    assert.is_truthy(why:find("set at the stimulator", 1, true))
  end)

  it("whatever an older, longer custom train left behind", function()
    local own = configured {}
    local cell = { { offset = 0, action = action() }, { offset = 0.1, action = action() },
      { offset = 0.3, action = action() } }
    local program = assert(own.encode.train(part({}, cell)))
    local simulator = simulators.new()
    -- the stale fourth time is the time of the new third one: alone, the output would stay on
    simulator:receive(own.commands.custom_train { id = 1, times_s = "0,0.1,0.2,0.3", volts = "5,5,5,5" }, S)
    local function tell(_, bytes) simulator:receive(bytes, 2 * S) end
    local first = { train = program, mso = 50, channel = "" }
    own.arm({ options = own.settings, dialect = {}, write = tell, transact = tell, sleep = tell }, first,
      { first })
    simulator:receive(program.start, 4 * S)
    simulator:tick(10 * S)
    assert.are.equal(3, simulator:state().pulses)
    assert.is_true(simulator:state().ready)
  end)
end)

describe("a program of the Pulse Pal is refused", function()
  local function why(levels, cell, options)
    local program, text = configured(options or {}).encode.train(part(levels, cell))
    assert.is_nil(program)
    return text
  end

  it("off the grid of 50 us, naming what fits", function()
    assert.is_truthy(why({ { 10, 1, 30 } }):find("33.3 or 33.35 ms", 1, true))
    local cell = { { offset = 0, action = action() }, { offset = 0.01004, action = action() } }
    assert.is_truthy(why({}, cell):find("the nearest are 10 and 10.05 ms", 1, true))
  end)

  it("where the pulses come too close, or do not end", function()
    assert.is_truthy(configured({}).encode.train(part { { 5, 1, 100 } }))
    assert.is_truthy(why({ { 5, 199, 20000 } }):find("at most 100 Hz", 1, true))
    local fast = { fastest_hz = "5000", pulse_ms = "3" }
    assert.is_truthy(configured(fast).encode.train(part { { 5, 4, 1000 } }))
    assert.is_truthy(why({ { 5, 79, 20000 } }, nil, fast):find("a pulse of 3 ms, and 1 ms of rest", 1, true))
  end)

  it("beyond 5000 pulses of a custom train, 1800 s, two outputs, two custom trains", function()
    local three = { { offset = 0, action = action() }, { offset = 0.02, action = action() },
      { offset = 0.05, action = action() } }
    assert.is_truthy(configured({}).encode.train(part({ { 1666, 1, 10 } }, three)))
    assert.is_truthy(why({ { 1667, 1, 10 } }, three):find("5001 pulses", 1, true))
    assert.is_truthy(configured({}).encode.train(part { { 1800, 1, 1 } }))
    assert.is_truthy(why({ { 1802, 1, 1 } }):find("1801.001 s", 1, true))
    assert.is_truthy(why({ { 3, 1, 1 } }, { { offset = 0, action = action(50, "1") },
      { offset = 0.1, action = action(50, "2") } }):find("channels 1 and 2", 1, true))
    local own, held = configured {}, {} -- of one plan; another one begins anew
    for i = 1, 3 do
      local cell = { { offset = 0, action = action() }, { offset = 0.02 + i / 100, action = action() } }
      local program, text = own.encode.train(part({ { 2, 1, 1 } }, cell), nil, held)
      assert.is_truthy(own.encode.train(part({ { 2, 1, 1 } }, cell), nil, {}))
      assert.are.equal(i <= 2, program ~= nil)
      assert.are.equal(i == 3, (text or ""):find("holds two custom trains") ~= nil)
    end
  end)
end)

describe("the commands of the Pulse Pal", function()
  local commands = driver.commands

  it("refuse times, volts and pulses on the far side of each edge", function()
    local function time(name, s) return commands.set_param { name = name, channel = 1, s = s } end
    assert.are.equal("d54a0401" .. "01000000", hex(time("phase1Duration", 0.00005)))
    assert.are.equal("d54a0a01" .. "00512502", hex(time("pulseTrainDuration", 1800)))
    assert.are.equal("d54a0801" .. "00000000", hex(time("burstDuration", 0)))
    for _, bad in ipairs { { "phase1Duration", 0 }, { "interPulseInterval", 0 },
      { "phase1Duration", 0.00007 }, { "pulseTrainDuration", 1800.00005 },
      { "pulseTrainDelay", -0.00005 } } do
      assert.is_false((pcall(time, bad[1], bad[2])), bad[1])
    end
    local function volts(v) return commands.fixed_voltage { channel = 1, volts = v } end
    assert.are.equal("d54f010000", hex(volts(-10)))
    assert.are.equal("d54f01ffff", hex(volts(10)))
    assert.is_false((pcall(volts, 10.0001)))
    assert.is_false((pcall(volts, -10.0001)))
    assert.is_false((pcall(commands.trigger, { mask = 16 })))
    assert.is_false((pcall(commands.set_param, { param = 18, channel = 1, value = 1 })))
    assert.is_false((pcall(commands.set_param, { param = 128, channel = 3, value = 1 })))
    assert.is_false((pcall(commands.set_param, { param = 1, channel = 1, volts = 1 })))
    assert.is_false((pcall(commands.set_param, { param = 14, channel = 1, value = 3 })))
    assert.is_false((pcall(commands.custom_train, { id = 1, times_s = "0,0", volts = "1,1" })))
    assert.is_false((pcall(commands.custom_train, { id = 1, times_s = "0,1", volts = "1" })))
  end)

  it("name the two nearest steps", function()
    local _, problem = pcall(commands.set_param, { param = 4, channel = 1, s = 0.00018 })
    assert.matches("the nearest are 0.00015 and 0.0002 s", problem.message, 1, true)
  end)

  it("turn every voltage's bits into volts and back", function()
    for bits = 0, 65535, 7 do
      local bytes = ("<BBBI2"):pack(0xD5, 79, 1, bits)
      local name, values = driver.explain(bytes)
      assert.are.equal(hex(bytes), hex(commands[name](values)))
    end
  end)
end)

describe("the options of the Pulse Pal", function()
  it("are refused on the far side of each edge", function()
    for _, bad in ipairs { { volts = "10.1" }, { volts = "0.05" }, { full_scale_volts = "10.1" },
      { pulse_ms = "0.04" }, { channels = "a=5" }, { biphasic = "2" } } do
      assert.is_false((pcall(configured, bad)))
    end
    assert.is_false((pcall(configured({ pulse_ms = "0.07" }).encode.busy)))
    assert.is_truthy(configured { volts = "10", pulse_ms = "0.05", channels = "a=4,b=1" })
  end)

  it("map channels to outputs", function()
    local encode = configured({ channels = "left=3,right=4" }).encode
    local masks = {}
    for i, name in ipairs { "", "1", "2", "3", "4", "left", "right" } do
      masks[i] = encode.pulse(action(50, name)):byte(3)
    end
    assert.are.same({ 1, 1, 2, 4, 8, 4, 8 }, masks)
    local _, problem = pcall(encode.pulse, action(50, "middle"))
    assert.is_truthy(tostring(problem):find("channels=middle=1", 1, true))
  end)

  it("change a voltage only where the stimulator follows it", function()
    local bytes, why = configured({}).encode.set(action(40), action(50))
    assert.is_nil(bytes)
    assert.is_truthy(why:find("by hand"))
    local encode = configured({ full_scale_volts = "10" }).encode
    assert.are.equal("d54a020200c0", hex((encode.set(action(40), action(50, "2")))))
    encode = configured({ full_scale_volts = "10", biphasic = "1" }).encode
    assert.are.equal("d54a020200c0d54a03020040", hex((encode.set(action(40), action(50, "2")))))
  end)
end)

describe("settings", function()
  it("wait until the pulse or the train before them is over", function()
    local own = configured { full_scale_volts = "10" }
    local train = mp.train { pulses = 10, hz = 10, intensity = mp.mso(40) }
    -- 1.00003 s are not on the box's grid: the last two pulses are ours
    local plan = train .. mp.rest(1) .. mp.pulse(mp.mso(50)) .. mp.rest(1.00003) .. mp.pulse(mp.mso(60))
    local lowering, actions = lower.prepare { plan = plan, seed = 1, driver = own, thresholds = {},
      timing = "device" }
    local seen = {}
    for kind, _, _, send_ns, number in lowering.next, lowering do
      seen[#seen + 1] = { kind, send_ns, actions[number] }
    end
    local kinds = {}
    for i, each in ipairs(seen) do
      kinds[i] = each[1]
    end
    assert.are.equal("pulse ask set pulse ask set pulse", table.concat(kinds, " "))
    assert.is_truthy(seen[1][3].train)
    assert.is_true(seen[3][2] - seen[1][2] >= 901000000) -- the train has 0.901 s
    assert.is_true(seen[3][2] - seen[2][2] >= 901000000) -- and may have begun just before the answer
    assert.is_true(seen[6][2] - seen[4][2] >= 2000000) -- the pulse has 1 ms
    assert.is_true(seen[2][2] - seen[1][2] <= 1000000) -- it is asked at once
    assert.is_true(seen[3][2] < seen[4][2])
  end)

  it("that would not be there in time are refused", function()
    local own = configured { full_scale_volts = "10" }
    local ok, problem = pcall(lower.prepare, { seed = 1, driver = own, thresholds = {},
      plan = mp.pulse(mp.mso(40)) .. mp.rest(0.0105) .. mp.pulse(mp.mso(50)) })
    assert.is_false(ok)
    assert.is_truthy(tostring(problem):find("too short to change its settings", 1, true))
  end)
end)

describe("disarming a Pulse Pal", function()
  it("ends a train whose abort was lost, before the box is asked", function()
    local own = configured()
    local program, now, asked = assert(own.encode.train(part { { 50, 1, 10 } })), S, nil
    local simulator = simulators.new()
    local function tell(_, bytes)
      now = now + S // 100
      return simulator:receive(bytes, now)
    end
    tell(nil, program.program)
    tell(nil, program.start)
    now = now + S
    tell(nil, "")
    assert.is_true(simulator:state().armed) -- it plays: the safe frame did not come
    own.disarm { options = own.settings, dialect = {}, write = tell, sleep = function() end,
      transact = function(_, bytes)
        tell(nil, bytes)
        asked = simulator:state().armed
        return { name = "handshake" }
      end }
    assert.is_false(asked)
  end)
end)

describe("moonpulse run on a Pulse Pal", function()
  local folder, job

  before_each(function()
    folder, job = shell.folder(), nil
  end)

  after_each(function()
    if job then
      job:kill()
    end
    shell.remove(folder)
  end)

  local function run(arguments)
    return shell.moonpulse(folder, ("run itbs600 --amt 50 --tolerance 1000 --device sim:pulsepal "
      .. "--out %s/runs %s"):format(folder, arguments))
  end

  local function results()
    local path = fixture.run_in(folder .. "/runs")
    return shell.rows(path .. "/events.tsv"), shell.rows(path .. "/twin.tsv"),
      fixture.manifest(path)
  end

  local function pulses_of(log)
    local list = {}
    for _, row in ipairs(log) do
      if row.event == "pulse" then
        list[#list + 1] = tonumber(row.time)
      end
    end
    return list
  end

  it("lets the box time a train: one start, a row for each pulse", function()
    local code, out, err = run "-p trains=1 --timing device"
    assert.are.equal(0, code, err)
    assert.is_truthy(out:find("set the intensity by hand at the stimulator", 1, true))
    local events, log, manifest = results()
    assert.are.equal("completed", manifest.status)
    assert.are.equal(30, #events)
    local given = pulses_of(log)
    assert.are.equal(30, #given)
    for i, row in ipairs(events) do
      assert.are.same({ "sent", "device", "40" }, { row.status, row.timed_by, row.intensity_mso })
      -- both clocks are one: the record's times are the simulator's, from the first pulse on
      local recorded = tonumber(row.onset_sent_us) - tonumber(events[1].onset_sent_us)
      assert.is_true(math.abs(recorded / 1e6 - (given[i] - given[1])) < 1e-5)
    end
    local starts = 0
    for _, row in ipairs(log) do
      starts = starts + (row.bytes == "d54d01" and 1 or 0)
    end
    assert.are.equal(1, starts)
    assert.are.equal("d548", log[#log].bytes) -- it answers after the abort
  end)

  it("times single pulses itself with --timing host", function()
    local code, _, err = run "-p trains=1 --timing host --speed max"
    assert.are.equal(0, code, err)
    local events, log = results()
    assert.are.equal(30, #events)
    local given = pulses_of(log)
    assert.are.equal(30, #given)
    for _, row in ipairs(log) do -- the last pulse too was let out
      assert.is_true(row.event ~= "disarm" or tonumber(row.time) > given[30] + 0.001)
    end
    for _, row in ipairs(events) do
      assert.are.same({ "sent", "host" }, { row.status, row.timed_by })
    end
  end)

  it("loads a whole session as a custom train, and aborts it in the middle", function()
    -- its pulses are far apart, so that a few tell how soon it was stopped, also where it was held up
    shell.write(folder .. "/long.lua", 'local mp = require "moonpulse"\nreturn mp.protocol {\n'
      .. '  id = "long", name = "Long", plan = function()\n    local pulse = mp.pulse(mp.mso(40))\n'
      .. "    return (pulse .. mp.rest(0.5) .. pulse .. mp.rest(0.7)):times(300)\n  end,\n}\n")
    job = shell.start(folder, "job", ("run %s/long.lua --tolerance 1000 --device sim:pulsepal "
      .. "--timing device --out %s/runs"):format(folder, folder))
    job:says "timing"
    shell.await(function()
      local name = shell.names(folder .. "/runs")[1]
      local _, count = (name and shell.read(("%s/runs/%s/twin.tsv"):format(folder, name)) or ""):gsub(
        "\tpulse\t", "")
      return count >= 5
    end, "five pulses")
    job:signal "INT"
    assert.are.equal(5, job:wait())
    local events, log, manifest = results()
    local given = #pulses_of(log)
    assert.is_true(given >= 5 and given < 30)
    local loaded, aborted
    for _, row in ipairs(log) do
      loaded = loaded or row.note == "custom train 1: 600 pulses"
      if row.event == "disarm" then
        aborted = true
      elseif aborted then
        assert.are_not.equal("pulse", row.event)
      end
    end
    assert.is_true(loaded and aborted)
    assert.are.equal(600, #events)
    local sent = 0 -- nothing proves that the train ended, so all that was left of it may have come
    for i, row in ipairs(events) do
      sent = sent + (row.status == "sent" and 1 or 0)
      assert.are.equal(i <= sent and "sent" or "perhaps_sent", row.status)
    end
    assert.is_true(given >= sent - 1 and given <= sent + 1) -- due within 0.1 s of the stop
    assert.are.equal("stopped", manifest.status)
  end)

  it("does not call a train ended that it cannot know of: a box that obeys no abort", function()
    shell.write(folder .. "/stop.lua", 'local mp = require "moonpulse"\nreturn mp.experiment(function(run)\n'
      .. "local stim, train = run:device(), mp.train { pulses = 50, hz = 10, intensity = mp.mso(40) }\n"
      .. "stim:arm(train)\nrun:spawn(function() stim:play(train) end)\nrun:sleep(1)\nrun:stop()\nend)\n")
    local status, out, err = shell.moonpulse(folder, ("run %s/stop.lua --device sim:pulsepal --timing device "
      .. "--fault stuck-armed@1 --speed max --device-option full_scale_volts=10 --out %s/runs")
      :format(folder, folder))
    assert.are.equal(5, status, err)
    local words = "the Pulse Pal answers after the abort; it cannot say that its trains have ended"
    assert.is_truthy(out:find("disarmed    " .. words, 1, true), out)
    assert.is_truthy(err:find("; " .. words, 1, true), err)
    local count, cut = 0, 0
    for _, row in ipairs((results())) do
      assert.are_not.equal("stopped", row.status)
      count, cut = count + (row.event == "pulse" and 1 or 0), cut + (row.status == "perhaps_sent" and 1 or 0)
    end
    assert.are.equal(50, count)
    assert.is_true(cut > 30)
  end)

  it("sends no second start while a train plays", function()
    shell.write(folder .. "/close.lua", 'local mp = require "moonpulse"\nreturn mp.protocol {\n'
      .. '  id = "close", name = "Close", plan = function()\n'
      .. '    return mp.train { pulses = 10, hz = 10, intensity = mp.mso(40) }\n'
      .. '      .. mp.train { pulses = 4, hz = 8, intensity = mp.mso(40) }\n  end,\n}\n')
    local code, _, err = shell.moonpulse(folder, ("run %s/close.lua --speed max --device sim:pulsepal "
      .. "--out %s/runs"):format(folder, folder))
    assert.are.equal(0, code, err)
    local _, log = results()
    for _, row in ipairs(log) do
      assert.is_falsy(row.note:find("kept"))
    end
    assert.are.equal(14, #pulses_of(log))
  end)

  it("refuses a Pulse Pal 1", function()
    local reply = driver.decode("\x4B\19\0\0\0", {})
    assert.are.same({ 19, 1 }, { reply.firmware, reply.model })
    local ok, problem = pcall(driver.connect, {
      transact = function() return reply end,
      fault = function(_, text, ...) error(text:format(...), 0) end,
    })
    assert.is_false(ok)
    assert.is_truthy(problem:find("firmware 19", 1, true))
  end)
end)
