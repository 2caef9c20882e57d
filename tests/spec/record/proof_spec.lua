--- Proof that trains which a device times were given: how soon it is awaited, for how long, and how what
--- nobody proved counts. Live and recovered say the same.
local devices = require "moonpulse.driver.find"
local judging = require "judging"
local lowering = require "moonpulse.lowering"
local mp = require "moonpulse"
local rapid = require "moonpulse.devices.rapid"

local function train(pulses, hz)
  return { parts = { { kind = "train", pulses = pulses, value = 40, ref = "MSO", hz = hz } } }
end

local pair = { parts = { { kind = "pair", value = 40, ref = "MSO", second = 30, isi = 0.02 } } }

describe("proof of a train that the device times", function()
  local judge
  judging.once(function(made) judge = made end)

  --- Play it; its run, and how many rows have each status.
  local function play(device, what)
    local scenario = { seed = 5, kind = what.script and "experiment" or "protocol", device = device,
      timing = "device", late = "abort", tolerance_ms = 1, flight = true, plan = what.plan,
      script = what.script and { what.script }, troubles = what.troubles or {} }
    local run = judging.unbroken(judge, scenario, device, { recover = true })
    local counts = {}
    for _, row in ipairs(run.pulses) do
      counts[row.status] = (counts[row.status] or 0) + 1
    end
    return run, counts
  end

  it("keeps no script waiting between its fires", function()
    for _, device in ipairs { "bistim", "rapid" } do
      local plan = device == "bistim" and pair or train(4, { 20, 1 })
      local fire, steps = { what = "fire", plan = plan }, { { what = "arm", plan = plan } }
      for _ = 1, 4 do
        steps[#steps + 1] = fire
        steps[#steps + 1] = { what = "sleep", s = 5 }
      end
      steps[#steps + 1] = fire
      local run, counts = play(device, { script = steps })
      local pulses = #run.pulses
      assert.are.same({ 0, { delivered = device == "bistim" and 10 or 20 } }, { run.status, counts },
        tostring(run.message) .. table.concat(run.told or {}))
      for number = 2, 5 do -- not the half second until the device is asked anew
        local between_s = run.plays[number].start_s - run.plays[number - 1].start_s
        assert.is_true(between_s < 5.3, ("%s: %g s"):format(device, between_s))
      end
      assert.are.equal(pulses, run.result.pulses_confirmed)
    end
  end)

  it("is awaited before a script's own disarming ends the train, and before the next arming", function()
    for _, device in ipairs { "bistim", "rapid" } do
      local plan = device == "bistim" and pair or train(20, { 20, 1 })
      local _, counts = play(device, { script = { { what = "arm", plan = plan },
        { what = "fire", plan = plan }, { what = "disarm" }, { what = "arm", plan = plan },
        { what = "play", plan = plan } } })
      assert.are.same({ delivered = device == "bistim" and 4 or 40 }, counts)
    end
  end)

  it("is not awaited for ever: of a driver whose judge() knows no \"going\"", function()
    local own = rapid.judge
    finally(function() rapid.judge = own end)
    rapid.judge = function(...)
      local verdict, text, value, unlike = own(...)
      if verdict ~= "going" then
        return verdict, text, value, unlike
      end
    end
    local run, counts = play("rapid", { plan = train(20, { 20, 1 }) })
    assert.are.same({ 0, { delivered = 1, perhaps_sent = 19 } }, { run.status, counts })
    assert.are.equal(20, #run.given)
    local last_ns = run.given[20].ns
    assert.is_true(run.ended_ns - last_ns < 3000000000, (run.ended_ns - last_ns) / 1e9)
    assert.are.same({ 20, 0 }, { run.result.pulses_sent, run.result.pulses_skipped })
  end)

  it("is possible, or the train is refused: a driver whose keep-alive is not answered", function()
    local driver = devices.configure(assert(devices.find "rapid"), {})
    local plan = mp.train { pulses = 20, hz = 20, intensity = mp.mso(40) }
    local function prepare()
      return pcall(lowering.prepare, { plan = plan, seed = 1, driver = driver, thresholds = {},
        timing = "device" })
    end
    assert.is_true(prepare())
    driver.keepalive = { bytes = driver.keepalive.bytes, period = driver.keepalive.period }
    local ok, problem = prepare()
    assert.is_false(ok)
    assert.matches("its keepalive is not answered", problem.message, 1, true)
  end)

  it("counts what perhaps was given as given: live, stopped and recovered", function()
    local perhaps, compared = 0, 0
    for _, device in ipairs { "rapid", "pulsepal", "magventure", "stimjim" } do
      for tenth = 4, 30, 3 do
        local run, counts = play(device, { plan = train(40, { 20, 1 }),
          troubles = { { what = "stop", source = "key", at_s = tenth / 10 } } })
        local left_out = counts.stopped or 0
        if run.recovered and run.recovered.summary then
          assert.are.same({ #run.pulses - left_out, left_out },
            { run.result.pulses_sent, run.result.pulses_skipped }, device)
          assert.are.equal(run.result.pulses_sent, run.recovered.summary.sent)
          compared = compared + 1
        end
        perhaps = perhaps + (counts.perhaps_sent or 0)
      end
    end
    assert.is_true(perhaps > 20 and compared > 20, perhaps)
  end)

  it("is not dated by when a loop that was away read it", function()
    local perhaps = 0
    for at = 4, 38, 2 do
      for _, case in ipairs { { 490, 10 }, { 490, 20 }, { 1400, 10 } } do
        for tenth = 10, 26, 3 do
          local run, counts = play("rapid", { plan = train(40, { case[2], 1 }), troubles = {
            { what = "device", kind = "over-temperature", at = at },
            { what = "clock", kind = "stall", who = "loop", at_s = tenth / 10, for_ms = case[1] } } })
          perhaps = perhaps + (counts.perhaps_sent or 0)
          assert.is_true((counts.delivered or 0) <= #run.given, ("%d, %d ms at %g s"):format(at, case[1],
            tenth / 10))
        end
      end
    end
    assert.is_true(perhaps > 0)
  end)
end)
