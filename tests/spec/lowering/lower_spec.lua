local lower = require "moonpulse.lowering"
local magventure = require("moonpulse.driver.find").configure((require "moonpulse.devices.magventure"))
local mp = require "moonpulse"

local this_file = debug.getinfo(1, "S").short_src
local half = mp.mso(50)

--- A driver to order: fields of change replace those of a fast device on a fast line.
local function fake(change)
  local driver = {
    description = "Fake",
    serial = { baud = 1000000, bits = 8, parity = "none", stop_bits = 1, flow = "none" },
    latency = 0,
    channels = 1, step = 1, shortest = 0, lead = 0, pulse_bytes = "P", most = 100,
  }
  for key, value in pairs(change or {}) do
    driver[key] = value
  end
  driver.limits = function()
    return {
      channels = driver.channels, why = "Fake: as the test wants it",
      intensity = { min = driver.least or 0, max = driver.most, step = driver.step },
      shortest_interval = function() return driver.shortest end,
    }
  end
  driver.encode = {
    pulse = function() return driver.pulse_bytes end,
    set = function(_, action) return ("S%s"):format(action.mso), driver.lead end,
  }
  return driver
end

local function prepare(plan, driver, thresholds, identity)
  return lower.prepare { plan = plan, seed = 1, driver = driver, identity = identity,
    thresholds = thresholds or {} }
end

--- Preparing is refused with that code; the message holds every text. Returns it.
local function refused(code, plan, driver, thresholds, ...)
  local ok, problem = pcall(prepare, plan, driver, thresholds)
  assert.is_false(ok, "nothing was refused")
  assert.is_table(problem, tostring(problem))
  assert.are.equal(code, problem.code, problem.message)
  assert.are.equal(problem.message, tostring(problem))
  for _, text in ipairs { ... } do
    assert.is_truthy(problem.message:find(text, 1, true),
      ("%q is not in: %s"):format(text, problem.message))
  end
  return problem.message
end

local function here() -- the caller's line as messages write it
  return ("%s:%d"):format(this_file, debug.getinfo(2, "l").currentline)
end

describe("the shortest interval of the MagPro X100", function()
  it("is 10 ms: that passes", function()
    assert.is_truthy(prepare(mp.train { pulses = 50, every = "1/100", intensity = half }, magventure))
    assert.is_truthy(prepare(mp.train { pulses = 50, hz = 100, intensity = half }, magventure))
    assert.is_truthy(prepare(mp.pair { isi = "10000001/1000000000", intensity = half }, magventure))
  end)

  it("refuses 9.999999 ms, with both pulses, the limit and the script's line", function()
    local train = mp.train { pulses = 3, every = "9999999/1000000000", intensity = half }
    local line = here():gsub("%d+$", function(n) return math.tointeger(n) - 1 end)
    refused("limit", train, magventure, {}, "pulses 1 and 2", "at 0.000000 s and 0.010000 s",
      "are 9.999999 ms apart", "MagVenture MagPro", "the shortest interval is 10 ms",
      "X100: at most 100 Hz", "(" .. line .. ")")
  end)

  it("names the first two pulses that are too close, and where they lie", function()
    local slow = mp.train { pulses = 100, hz = 10, intensity = half }
    local fast = mp.burst { pulses = 5, hz = 200, intensity = half }
    local line = here():gsub("%d+$", function(n) return math.tointeger(n) - 1 end)
    refused("limit", slow .. fast, magventure, {}, "pulses 101 and 102",
      "at 10.000000 s and 10.005000 s", "5 ms apart", "10 ms", "(" .. line .. ")")
  end)

  it("holds across the seam of two parts", function()
    local pulse = mp.pulse(half)
    refused("limit", pulse .. pulse, magventure, {}, "pulses 1 and 2", "0 ms apart")
    refused("limit", pulse .. mp.rest(0.0099) .. pulse, magventure, {}, "9.9 ms apart", "10 ms")
    assert.is_truthy(prepare(pulse .. mp.rest(0.01) .. pulse, magventure))
  end)

  it("follows the model that answered", function()
    local plan = mp.train { pulses = 30, hz = 50, intensity = half }
    assert.is_truthy(prepare(plan, magventure))
    local ok, problem = pcall(prepare, plan, magventure, {}, { model = "R30" })
    assert.is_false(ok)
    assert.is_truthy(problem.message:find("R30: at most 30 Hz", 1, true))
    assert.is_truthy(prepare(mp.train { pulses = 300, hz = 30, intensity = half }, magventure, {},
      { model = "R30" })) -- 33.333... ms, rounded either way
  end)
end)

describe("the wire", function()
  -- 10 bytes of 10 bits at 1000 baud: 100 ms
  local slow = fake {
    pulse_bytes = ("x"):rep(10),
    serial = { baud = 1000, bits = 8, parity = "none", stop_bits = 1, flow = "none" },
  }

  it("takes commands back to back", function()
    assert.is_truthy(prepare(mp.train { pulses = 5, every = 0.1, intensity = half }, slow))
  end)

  it("refuses commands that overlap, with the time that one takes", function()
    local train = mp.train { pulses = 5, every = 0.0999, intensity = half }
    local line = here():gsub("%d+$", function(n) return math.tointeger(n) - 1 end)
    refused("limit", train, slow, {}, "pulses 1 and 2", "99.9 ms apart", "takes 100 ms on the wire",
      "1000 baud", "shortest interval", "burst that the device times itself", "(" .. line .. ")")
    refused("limit", mp.train { pulses = 5, every = "99999999/1000000000", intensity = half }, slow,
      {}, "99.999999 ms apart")
  end)

  it("counts the format of the line", function()
    -- start, parity and two stop bits: 8E2 is 12 bits a byte, so 120 ms
    local wider = fake {
      pulse_bytes = ("x"):rep(10),
      serial = { baud = 1000, bits = 8, parity = "even", stop_bits = 2, flow = "none" },
    }
    assert.is_truthy(prepare(mp.train { pulses = 5, every = 0.12, intensity = half }, wider))
    refused("limit", mp.train { pulses = 5, every = 0.119, intensity = half }, wider, {}, "120 ms")
  end)
end)

describe("a change of intensity", function()
  local driver = fake { lead = 0.1 }

  local function pair(isi)
    return mp.pair { isi = isi, intensity = { mp.mso(40), mp.mso(60) } }
  end

  it("passes with the time that the device needs", function()
    local lowering = prepare(pair(0.2), driver)
    local kinds = {}
    for kind in function() return lowering:next() end do
      kinds[#kinds + 1] = kind
    end
    assert.are.same({ "pulse", "set", "pulse" }, kinds)
  end)

  it("is refused when it comes too fast, with the shortest interval that passes", function()
    local message = refused("limit", pair(0.05), driver, {}, "pulses 1 and 2", "50 ms apart",
      "too short to change its settings", "the shortest interval is", this_file)
    local least = tonumber(message:match("the shortest interval is ([%d.]+) ms"))
    assert.is_true(least >= 100)
    -- both sides of that edge
    local ns = math.tointeger(least * 1000000 // 1)
    assert.is_truthy(prepare(pair(("%d/1000000000"):format(ns)), driver))
    refused("limit", pair(("%d/1000000000"):format(ns - 1)), driver, {}, "too short to change")
  end)

  it("is none where both round to the same output", function()
    assert.is_truthy(prepare(mp.pair { isi = 0.01, intensity = { mp.mso(40.1), mp.mso(40.2) } },
      driver))
  end)
end)

describe("intensities", function()
  local plan = mp.pulse(mp.rmt(120)) .. mp.rest(1) .. mp.pulse(mp.amt(80))

  it("need their thresholds", function()
    local driver = fake()
    refused("usage", plan, driver, {}, "120 %RMT", "resting motor threshold", "--rmt N")
    refused("usage", plan, driver, { rmt = 50 }, "80 %AMT", "active motor threshold", "--amt N")
    local _, actions = prepare(plan, driver, { rmt = 50, amt = 40 })
    assert.are.same({ 60, 32 }, { actions[1].mso, actions[2].mso })
  end)

  it("over 100 %MSO are a limit, with the most that can be given", function()
    refused("limit", plan, fake(), { rmt = 90, amt = 50 }, "120 %RMT", "90 %MSO", "108 %MSO", "over 100",
      "at most 111.1 %RMT")
    assert.is_truthy(prepare(mp.pulse(mp.rmt(125)), fake(), { rmt = 80 })) -- exactly 100
  end)

  it("outside the device's range are a limit", function()
    refused("limit", mp.pulse(mp.mso(81)), fake { most = 80 }, {}, "81 %MSO", "outside", "Fake", "0 to 80")
    refused("limit", mp.pulse(mp.mso(9)), fake { least = 10 }, {}, "9 %MSO", "10 to 100")
    assert.is_truthy(prepare(mp.pulse(mp.mso(80)), fake { most = 80 }))
  end)

  local function dose(intensity, driver, thresholds)
    local _, actions = prepare(mp.pulse(intensity), driver, thresholds)
    return lower.dose(actions, thresholds or {})[1], actions[1]
  end

  it("are rounded to the device's step, and that is said", function()
    local line, action = dose(mp.amt(80), fake(), { amt = 47 })
    assert.are.equal("80 %AMT of 47 %MSO = 37.6 %MSO, set to 38 %MSO (the device's step)", line)
    assert.are.equal("integer", math.type(action.mso))
    assert.are.equal(37.6, action.exact_mso)
    assert.are.equal("45.5 %MSO, set to 46 %MSO (the device's step)", (dose(mp.mso(45.5), fake())))
    assert.are.equal("45.4 %MSO, set to 45 %MSO (the device's step)", (dose(mp.mso(45.4), fake())))
    assert.are.equal("33.3 %MSO, set to 33.5 %MSO (the device's step)",
      (dose(mp.mso(33.3), fake { step = 0.5 })))
  end)

  it("that need no rounding are said plainly", function()
    assert.are.equal("80 %AMT of 50 %MSO = 40 %MSO", (dose(mp.amt(80), fake(), { amt = 50 })))
    assert.are.equal("45 %MSO", (dose(mp.mso(45), fake())))
    assert.are.equal("120 %RMT of 50 %MSO = 60 %MSO", (dose(mp.rmt(120), fake(), { rmt = 50 })))
  end)

  it("are listed up to eight", function()
    local many = mp.pulse(mp.mso(1))
    for i = 2, 12 do
      many = many .. mp.rest(1) .. mp.pulse(mp.mso(i))
    end
    local _, actions = prepare(many, fake())
    local lines = lower.dose(actions, {})
    assert.are.equal(9, #lines)
    assert.are.equal("... and 4 more intensities", lines[9])
  end)
end)

describe("channels and pulses", function()
  local pulse = mp.pulse(half)

  it("more channels than the device has are a limit", function()
    local plan = mp.together { left = pulse, right = pulse }
    refused("limit", plan, magventure, {}, "2 channels", "left", "right", "MagVenture MagPro has 1")
    refused("limit", mp.together { a = pulse, b = pulse, c = pulse }, fake { channels = 2 }, {},
      "3 channels", "Fake has 2")
    assert.is_truthy(prepare(mp.together { left = pulse }, magventure))
    assert.is_truthy(prepare(pulse:at("left") .. mp.rest(1) .. pulse:at("left"), magventure))
  end)

  it("a device that disarms itself without pulses has them near enough, also before a mark", function()
    local magstim = require "moonpulse.devices.magstim200"
    refused("limit", pulse .. mp.rest(60) .. pulse, magstim, {}, "between pulse 1 and pulse 2",
      "the longest rest")
    refused("limit", pulse .. mp.rest(60) .. mp.mark "end", magstim, {},
      "goes on for 60 s after its last pulse",
      "to a mark at 60")
    refused("limit", pulse .. mp.rest(70) .. mp.mark "m" .. mp.rest(5) .. pulse, magstim, {}, "and pulse 2")
    assert.is_truthy(prepare(pulse .. mp.rest(58) .. mp.mark "m" .. pulse .. mp.rest(50) .. mp.mark "e",
      magstim))
    assert.is_truthy(prepare(pulse .. mp.rest(90), magstim)) -- it is over with its last pulse
  end)

  it("a plan without a pulse is refused", function()
    refused("usage", mp.rest(5) .. mp.mark "end", magventure, {}, "no pulse", "nothing to run")
  end)
end)

describe("the frames", function()
  it("leave so that their last bit arrives at the onset", function()
    -- fire is 5 bytes of 10 bits at 38400 baud: 1302.083 us, rounded up to whole ns
    local lowering = prepare(mp.train { pulses = 3, hz = 10, intensity = half }, magventure)
    local wire = lowering:frames()[1].wire_ns
    assert.is_true(wire >= 1302083 and wire <= 1302084)
    for k = 0, 2 do
      local kind, number, onset, send = lowering:next()
      assert.are.same({ "pulse", k + 1, k * 100000000, k * 100000000 - wire },
        { kind, number, onset, send })
    end
    assert.is_nil(lowering:next())
  end)
end)
