--- In virtual time the engine plays what is steady: nothing may be different because of it.
local catalogue = require "moonpulse.protocol.catalogue"
local chances = require "chance"
local devices = require "moonpulse.driver.find"
local mp = require "moonpulse"
local protocols = require "moonpulse.protocol"
local records = require "moonpulse.record"
local run_virtual = require "moonpulse.run.virtual"
local shell = require "shell"
local twins = require "moonpulse.simulators.magventure"

local function train(pulses, hz, intensity)
  return mp.train { pulses = pulses, hz = hz, intensity = intensity }
end

describe("a steady stretch of a run in virtual time", function()
  local folder
  local new_twin = twins.new

  setup(function() folder = shell.folder() end)
  teardown(function() shell.remove(folder) end)
  after_each(function() twins.new = new_twin end)

  local function library(id)
    local protocol = assert(catalogue.find(id))
    return assert(protocols.build(protocol, assert(protocols.values(protocol, {}))))
  end

  --- Run plan on the twin; long: every pulse through twin and driver.
  local function run(plan, change, long)
    local twin
    local by_engine = 0
    twins.new = function()
      twin = new_twin(change.twin)
      for name, value in pairs(change.preset or {}) do
        twin[name] = value
      end
      local passed = twin.passed
      twin.passed = function(self, steady, count)
        by_engine = by_engine + count
        return passed(self, steady, count)
      end
      if long then
        twin.steady = false
      end
      return change.behind and change.behind(twin) or twin
    end
    local driver = setmetatable(change.driver or {}, { __index = assert(devices.find("magventure")) })
    local record = assert(records.create(folder, "steady"))
    local job = { plan = plan, seed = 7, driver = driver, thresholds = { rmt = 50, amt = 50 },
      policy = { real = false }, timing = "host" }
    local outcome = run_virtual.run(job, record, "max", {
      connected = function() end, armed = function() end,
      progress = function()
        if change.stop then
          job.stop_reason = "key"
        end
      end,
    })
    record:close()
    return { text = shell.read(record.folder .. "/events.tsv"),
      log = shell.read(record.folder .. "/twin.tsv"), state = twin:state(),
      result = record:result(), stop = outcome.stop, fault = outcome.fault, by_engine = by_engine,
      virtual_s = outcome.virtual_s, record = record }
  end

  --- Both ways give the same; returns that of the engine.
  local function same(plan, change)
    change = change or {}
    local short, long = run(plan, change), run(plan, change, true)
    assert.are.equal(0, long.by_engine)
    assert.is_true(short.text == long.text, "events.tsv differs")
    assert.is_true(short.log == long.log, "twin.tsv differs")
    assert.are.equal(short.state.pulses, select(2, short.log:gsub("\tpulse\t", "")))
    assert.are.same(long.state, short.state)
    for _, key in ipairs { "stop", "fault", "virtual_s" } do
      assert.are.equal(long[key], short[key], key)
    end
    for _, key in ipairs { "pulses_sent", "pulses_confirmed", "pulses_skipped" } do
      assert.are.equal(long.result[key], short.result[key], key)
    end
    return short
  end

  it("is nearly all of a 10 Hz session, to the byte", function()
    local run_of = same(library "hf10_neurostar")
    assert.are.equal("finished", run_of.stop)
    assert.is_true(run_of.by_engine > 2900, run_of.by_engine)
    assert.are.equal(3000, run_of.state.pulses)
  end)

  it("leaves replies that are on their way to the usual path", function()
    local run_of = same(library "itbs600")
    assert.is_true(run_of.by_engine > 400, run_of.by_engine)
    assert.are.equal(600, run_of.result.pulses_confirmed)
  end)

  it("ends at a change of intensity, and goes on after it", function()
    local plan = (train(40, 5, mp.rmt(120)) .. mp.rest(1) .. train(40, 5, mp.rmt(90)))
      :times(3, { every = 60 })
    local run_of = same(plan)
    assert.are.equal(5, select(2, run_of.text:gsub("set_intensity", "")) // 2)
    assert.is_true(run_of.by_engine > 200, run_of.by_engine)
  end)

  it("hardly comes up where every pulse is another", function()
    local pair = mp.pulse(mp.mso(30)) .. mp.rest(0.4) .. mp.pulse(mp.mso(60))
    same(pair:times(200, { every = 0.8 }))
  end)

  it("leaves marks and random rests to the usual path", function()
    local plan = (mp.mark "begin" .. train(20, 3, mp.mso(50))):times(10, { every = 10.5 })
    local run_of = same(plan)
    assert.is_true(run_of.by_engine > 150, run_of.by_engine)
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
    local by_engine = 0
    for _ = 1, 60 do
      local plan = mp.rest(1 + draw(3))
      for _ = 1, 1 + draw(6) do
        local part = draw(6) == 0 and mp.mark "here"
          or draw(4) == 0 and mp.rest { min = 1, max = 1 + draw(40) }
          or train(1 + draw(60), 1 + draw(40), draw(2) == 0 and mp.rmt(80 + 10 * draw(4)) or mp.mso(50))
        plan = plan .. part .. mp.rest(0.2 + draw(30))
      end
      plan = plan .. train(3, 1, mp.mso(40))
      by_engine = by_engine + same(plan:times(1 + draw(3)), {
        twin = { latency = draw(10) / 100, heating = draw(3) * 0.02, coil_temperature = 22 + draw(10) },
      }).by_engine
    end
    assert.is_true(by_engine > 4000, by_engine)
  end)

  it("ends where the stimulator disables itself because its coil is hot", function()
    local run_of = same(train(3000, 10, mp.mso(100)))
    assert.are.equal("device", run_of.stop)
    assert.is_truthy(run_of.fault:find("40 C", 1, true), run_of.fault)
    assert.is_true(run_of.by_engine > 500, run_of.by_engine)
  end)

  it("ends where a pulse comes before the capacitor is charged", function()
    local plan = train(20, 4, mp.mso(50)) .. mp.rest(0.1) .. train(5, 20, mp.mso(50))
    local run_of = same(plan, { preset = { charge_ms = 80 } })
    assert.are.equal("device", run_of.stop)
    assert.is_truthy(run_of.fault:find("not confirmed", 1, true), run_of.fault)
    assert.is_true(run_of.by_engine >= 10, run_of.by_engine)
  end)

  it("is not for a stimulator whose replies take another time each, or one that is deaf", function()
    local plan = train(100, 5, mp.mso(50))
    assert.are.equal(0, same(plan, { twin = { jitter = 0.01 } }).by_engine)
    assert.are.equal(0, same(plan, { twin = { deaf_after = 5 } }).by_engine)
  end)

  it("waits for replies that are slower than the pulses, and finds those that are too slow", function()
    local plan = train(30, 10, mp.mso(50)):times(5, { every = 20 })
    assert.are.equal("finished", same(plan, { twin = { latency = 0.45 } }).stop)
    assert.are.equal("device", same(plan, { twin = { latency = 0.45 },
      driver = { reply_timeout = 0.4 } }).stop)
  end)

  it("is not for a twin behind something that wants to see every command", function()
    local seen = 0
    local run_of = run(train(50, 5, mp.mso(50)), { behind = function(twin)
      return setmetatable({ receive = function(_, bytes, now_ns)
        seen = seen + (bytes == "\xFE\1\3\xE2\xFF" and 1 or 0)
        return twin:receive(bytes, now_ns)
      end }, { __index = twin })
    end })
    assert.are.same({ 50, 0, 50 }, { seen, run_of.by_engine, run_of.result.pulses_confirmed })
  end)

  it("is heard by a stop, with every pulse that was sent in the record", function()
    local run_of = run(train(200000, 5, mp.mso(20)),
      { stop = true, twin = { heating = 0 } })
    assert.are.equal("key", run_of.stop)
    local sent = run_of.result.pulses_sent
    assert.is_true(sent >= 4096 and sent < 200000, sent)
    assert.are.equal(sent, run_of.state.pulses)
    assert.are.equal(sent + 1, select(2, run_of.text:gsub("\n", "")))
    assert.are.equal(sent, run_of.record.index)
  end)

  it("says that the record cannot be written", function()
    local plan = train(5000, 10, mp.mso(20))
    local create = records.create
    records.create = function(...)
      local record = create(...)
      record.file:close()
      record.file = assert(io.open("/dev/full", "w"))
      return record
    end
    local ok, problem = pcall(run, plan, { twin = { heating = 0 } })
    records.create = create
    assert.is_false(ok)
    assert.is_truthy(tostring(problem):find("cannot write the events", 1, true), tostring(problem))
  end)
end)
