--- In virtual time two short cuts stand beside the sending thread: the engine answers what a simulator says
--- that it will do (far), and counts and writes pulses that are sent and confirmed as the one before (near).
--- Each alone and both together: nothing may be different because of them, to the byte.
local catalogue = require "moonpulse.protocol.catalogue"
local chances = require "chance"
local core = require "moonpulse.core"
local devices = require "moonpulse.driver.find"
local inside = require "moonpulse.run.inside"
local mp = require "moonpulse"
local near_cut = require "moonpulse.stimulator.near_cut"
local protocols = require "moonpulse.protocol"
local records = require "moonpulse.record"
local shell = require "shell"
local triggers = require "moonpulse.driver.trigger_path"
local simulators = require "moonpulse.simulators.magventure"

local ways = { { near = true }, { far = true }, { near = true, far = true } }
local nothing = function() end

local function train(pulses, hz, intensity)
  return mp.train { pulses = pulses, hz = hz, intensity = intensity }
end

describe("a run in virtual time with short cuts", function()
  local folder
  local new_simulator, begin = simulators.new, near_cut.new

  setup(function() folder = shell.folder() end)
  teardown(function() shell.remove(folder) end)
  after_each(function() simulators.new, near_cut.new = new_simulator, begin end)

  local function library(id, given)
    local protocol = assert(catalogue.find(id))
    return assert(protocols.build(protocol, assert(protocols.values(protocol, given or {})), 7))
  end

  --- Watch what the short cuts take, and change the simulator of a MagPro.
  local function watch(change)
    local seen = { far = 0, near = 0 }
    simulators.new = function(settings)
      local simulator = new_simulator(change.simulator or settings)
      for name, value in pairs(change.preset or {}) do
        simulator[name] = value
      end
      local passed = simulator.passed
      simulator.passed = function(self, steady, count)
        seen.far = seen.far + count
        return passed(self, steady, count)
      end
      seen.simulator = simulator
      return change.behind and change.behind(simulator) or simulator
    end
    near_cut.new = function(stimulator)
      local cut, record = begin(stimulator), stimulator.record
      local written = record.written
      record.written = function(self, count, ...)
        seen.near = seen.near + count
        return written(self, count, ...)
      end
      return cut
    end
    return seen
  end

  --- Play plan one way.
  local function play(plan, cuts, given)
    local seen = watch(given)
    local timing = given.timing
    local driver = devices.configure(assert(devices.find(given.name or "magventure")), {})
    if timing == "trigger" then
      driver, timing = triggers.apply(driver, assert(triggers.parse("sim"))), "host"
    end
    driver = setmetatable(given.driver or {}, { __index = driver })
    local model = assert(devices.simulator(driver))
    local record = assert(records.create(folder, "cut"))
    local job = { plan = plan, seed = 7, driver = driver, thresholds = { rmt = 50, amt = 45 }, cuts = cuts,
      simulator = given.far_side and given.far_side(model.new(devices.simulator_settings(driver, model))),
      policy = { real = false }, timing = timing or "host", tolerance = 0.001, late = "abort",
      stop_line = "none" }
    local ok, outcome = pcall(inside.run, job, record, "max", { connected = nothing, prepared = nothing,
      armed = function() return given.armed and given.armed(job, record) end, progress = nothing })
    record:close()
    assert(ok or type(outcome) == "table" and outcome.code, outcome)
    return { stop = ok and outcome.stop or outcome.message, fault = ok and outcome.fault or nil,
      disarmed = ok and outcome.disarmed, virtual_s = ok and outcome.virtual_s, result = record:result(),
      state = seen.simulator and seen.simulator:state(), near = seen.near, far = seen.far,
      events = shell.read(record.folder .. "/events.tsv"),
      simulator = shell.read(record.folder .. "/twin.tsv"), sum = record.events_sum, record = record,
      last = record.last_number, disordered = record.disordered }
  end

  --- All ways give the same as the long one; returns what all short cuts together gave.
  local function same(plan, given)
    given = given or {}
    local long = play(plan, nil, given)
    assert.are.same({ 0, 0 }, { long.near, long.far })
    local short
    for _, cuts in ipairs(ways) do
      short = play(plan, cuts, given)
      local what = ("%s, %s, near %s, far %s: "):format(given.name or "magventure", given.timing or "host",
        cuts.near, cuts.far)
      for _, key in ipairs { "stop", "fault", "disarmed", "virtual_s", "result", "state", "sum", "last",
        "disordered" } do
        assert.are.same(long[key], short[key], what .. key)
      end
      assert.is_true(short.events == long.events, what .. "events.tsv differs")
      assert.is_true(short.simulator == long.simulator, what .. "twin.tsv differs")
      assert.is_true((cuts.near or short.near == 0) and (cuts.far or short.far == 0), what)
    end
    return short
  end

  for _, name in ipairs { "magventure", "rapid", "bistim", "magstim200", "duomag", "pulsepal", "stimjim",
    "trigger" } do
    it("leaves the same record and gives the same pulses: " .. name, function()
      local least = ({ magstim200 = 5, bistim = 5, rapid = 1.2, duomag = 5 })[name] or 0.2
      local one = mp.pulse(mp.mso(40))
      local played, near = 0, 0
      for _, timing in ipairs { "host", "auto", "device", "trigger" } do
        for _, plan in ipairs {
          one, one:times(12, { every = least }),
          (one .. mp.rest(least + 1) .. mp.mark "here" .. mp.pulse(mp.mso(50)))
            :times(4, { every = 3 * least + 3 }),
          (one .. mp.rest { min = least, max = least + 3 }):times(8),
          library "itbs600", library("hf10_neurostar", { trains = 3 }), library "rmt_mlpest", library "sici",
        } do
          local run = same(plan, { name = name, timing = timing })
          played = played + (run.stop == "finished" and 1 or 0)
          near = near + run.near
        end
      end
      assert.is_true(played >= 6, played)
      -- a StimJim plays each pulse as a program of its own
      local confirms = devices.find(name).confirms ~= false and name ~= "stimjim"
      assert.is_true(not confirms or near > 10, near)
      assert.is_true(confirms or near == 0, near)
    end)
  end

  it("takes nearly all of a 10 Hz session", function()
    local run = same(library "hf10_neurostar")
    assert.are.equal("finished", run.stop)
    assert.is_true(run.near > 2900 and run.far > 2900, run.near .. " " .. run.far)
    assert.are.equal(3000, run.state.pulses)
  end)

  it("hands over the replies that are on their way", function()
    local run = same(library "itbs600")
    assert.is_true(run.near > 400, run.near)
    assert.are.equal(600, run.result.pulses_confirmed)
  end)

  it("ends at a change of intensity, and goes on after it", function()
    local plan = (train(40, 5, mp.rmt(120)) .. mp.rest(1) .. train(40, 5, mp.rmt(90)))
      :times(3, { every = 60 })
    local run = same(plan)
    assert.are.equal(5, select(2, run.events:gsub("set_intensity", "")) // 2)
    assert.is_true(run.near > 200 and run.far > 200, run.near .. " " .. run.far)
  end)

  it("leaves pulses of which each is another, marks and random rests to the long way", function()
    local pair = mp.pulse(mp.mso(30)) .. mp.rest(0.4) .. mp.pulse(mp.mso(60))
    same(pair:times(200, { every = 0.8 }))
    local run = same((mp.mark "begin" .. train(20, 3, mp.mso(50))):times(10, { every = 10.5 }))
    assert.is_true(run.near > 150, run.near)
    same(library "tmseeg_sp")
  end)

  it("takes times that are no whole nanoseconds", function()
    same(train(500, 7, mp.mso(41)))
  end)

  it("is the same in any plan", function()
    local chance = chances.new(2024)
    local function draw(most)
      return chance:draw(0, most - 1)
    end
    local near, far = 0, 0
    for _ = 1, 40 do
      local plan = mp.rest(1 + draw(3))
      for _ = 1, 1 + draw(6) do
        local part = draw(6) == 0 and mp.mark "here"
          or draw(4) == 0 and mp.rest { min = 1, max = 1 + draw(40) }
          or train(1 + draw(60), 1 + draw(40), draw(2) == 0 and mp.rmt(80 + 10 * draw(4)) or mp.mso(50))
        plan = plan .. part .. mp.rest(0.2 + draw(30))
      end
      plan = plan .. train(3, 1, mp.mso(40))
      local run = same(plan:times(1 + draw(3)), {
        simulator = { latency = draw(10) / 100, heating = draw(3) * 0.02, coil_temperature = 18 + draw(14) },
      })
      near, far = near + run.near, far + run.far
    end
    assert.is_true(near > 2000 and far > 2000, near .. " " .. far)
  end)

  it("ends where the stimulator disables itself because its coil is hot", function()
    local run = same(train(3000, 10, mp.mso(100)))
    assert.are.equal("device", run.stop)
    assert.is_truthy(run.fault:find("40 C", 1, true), run.fault)
    assert.is_true(run.far > 500 and run.near > 500, run.far)
  end)

  it("ends where a pulse comes before the capacitor is charged", function()
    local plan = train(20, 4, mp.mso(50)) .. mp.rest(0.1) .. train(5, 20, mp.mso(50))
    local run = same(plan, { preset = { charge_ms = 80 } })
    assert.are.equal("device", run.stop)
    assert.is_truthy(run.fault:find("not confirmed", 1, true), run.fault)
    assert.is_true(run.far >= 10 and run.near >= 10, run.far)
  end)

  it("is not for a stimulator whose replies take another time each, or one that is deaf", function()
    local plan = train(100, 5, mp.mso(50))
    assert.are.equal(0, same(plan, { simulator = { jitter = 0.01 } }).far)
    assert.are.equal(0, same(plan, { simulator = { deaf_after = 5 } }).far)
  end)

  it("waits for replies that are slower than the pulses, and finds those that are too slow", function()
    local plan = train(30, 10, mp.mso(50)):times(5, { every = 20 })
    assert.are.equal("finished", same(plan, { simulator = { latency = 0.08 } }).stop)
    for _, latency in ipairs { 0.12, 0.19, 0.45, 0.7 } do
      assert.are_not.equal("finished", same(plan, { simulator = { latency = latency } }).stop)
    end
    local patient = { reply_slow = 0.5, reply_timeout = 0.6 }
    assert.are.equal("finished", same(plan, { simulator = { latency = 0.45 }, driver = patient }).stop)
    assert.are.equal("device", same(plan, { simulator = { latency = 0.45 },
      driver = { reply_slow = 0.4, reply_timeout = 0.4 } }).stop)
  end)

  --- A simulator that does otherwise from its n-th pulse on.
  local function otherwise(n, change)
    return function(simulator)
      local pulses, receive = 0, simulator.receive
      function simulator.receive(self, bytes, now_ns)
        local replies, log = receive(self, bytes, now_ns)
        local fired = log and log[1] and log[1].event == "pulse"
        pulses = pulses + (fired and 1 or 0)
        if fired and pulses == n and replies and replies[1] then
          replies = change(replies[1])
        end
        return replies, log
      end
      return simulator
    end
  end

  it("finds a reply that is missing, late, another one, or one too many, as the long way does", function()
    local plan = train(40, 5, mp.mso(50))
    for what, change in pairs {
      missing = function() return {} end,
      late = function(reply) return { { at_ns = reply.at_ns + 400000000, bytes = reply.bytes } } end,
      damaged = function(reply) return { { at_ns = reply.at_ns, bytes = reply.bytes:sub(1, -2) } } end,
      twice = function(reply) return { reply, { at_ns = reply.at_ns + 1, bytes = reply.bytes } } end,
      ["twice at once"] = function(reply) return { reply, reply } end,
      ["in two"] = function(reply)
        return { { at_ns = reply.at_ns, bytes = reply.bytes:sub(1, 3) },
          { at_ns = reply.at_ns + 5000000, bytes = reply.bytes:sub(4) } }
      end,
      ["with a temperature"] = function(reply)
        return { { at_ns = reply.at_ns, bytes = reply.bytes .. "\254\4\3\30\72\17\153\255" } }
      end,
    } do
      for _, at in ipairs { 17, 40 } do
        local run = same(plan, { behind = otherwise(at, change) })
        assert.are.equal(0, run.far)
        assert.is_true(run.near > 10, what .. run.near)
      end
    end
  end)

  it("finds a missing reply on the other devices, too, when the long way does, and in its words", function()
    for name, least in pairs { magventure = 2, rapid = 3, bistim = 6.3, magstim200 = 5.4 } do
      local plan = mp.pulse(mp.mso(40)):times(7, { every = least })
      for _, at in ipairs { 2, 5, 7 } do
        for what, change in pairs {
          missing = function() return {} end,
          late = function(reply) return { { at_ns = reply.at_ns + 400000000, bytes = reply.bytes } } end,
        } do
          local run = same(plan, { name = name, far_side = otherwise(at, change) })
          assert.is_true(what ~= "missing" or run.fault and run.fault:find("not confirmed", 1, true) ~= nil,
            ("%s at %d: %s"):format(name, at, run.fault))
        end
      end
    end
  end)

  it("is not for a simulator behind something that wants to see every command", function()
    local seen = 0
    local run = play(train(50, 5, mp.mso(50)), ways[3], { behind = function(simulator)
      return setmetatable({ receive = function(_, bytes, now_ns)
        seen = seen + (bytes == "\xFE\1\3\xE2\xFF" and 1 or 0)
        return simulator:receive(bytes, now_ns)
      end }, { __index = simulator })
    end })
    assert.are.same({ 50, 0, 50 }, { seen, run.far, run.result.pulses_confirmed })
  end)

  it("is heard by a stop, with every pulse that was sent in the record", function()
    for _, cuts in ipairs { {}, ways[1], ways[2], ways[3] } do
      local run = play(train(200000, 5, mp.mso(20)), cuts, { simulator = { heating = 0 },
        armed = function(job)
          core.spawn(function()
            core.wait(1000.0101)
            job.on_stop("key")
          end)
        end })
      assert.are.equal("key", run.stop)
      assert.is_true(run.disarmed)
      local sent = run.result.pulses_sent
      assert.are.equal(sent, run.state.pulses)
      assert.are.equal(5000, sent)
      assert.are.equal(sent + 1, select(2, run.events:gsub("\n", "")))
      assert.are.equal(sent, run.record.index)
    end
  end)

  it("says that the record cannot be written", function()
    for _, cuts in ipairs { {}, ways[1] } do
      local said
      local run = play(train(5000, 10, mp.mso(20)), cuts, { simulator = { heating = 0 },
        armed = function(_, record)
          record.file:close()
          record.file = assert(io.open("/dev/full", "w"))
          record.on_lost = function(message) said = message end
        end })
      assert.are.equal("finished", run.stop)
      assert.is_truthy(said:find("No space left", 1, true), said)
      assert.are.equal(said, run.record.lost)
    end
  end)
end)
