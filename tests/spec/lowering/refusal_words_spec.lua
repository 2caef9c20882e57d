-- What a refusal says is true of the plan: no numbers of a part's pulses, the cause that holds, and what
-- chance has to do with it.
local devices = require "moonpulse.driver.find"
local lower = require "moonpulse.lowering"
local mp = require "moonpulse"

local function refusal(plan, name, options, more)
  local given = { plan = plan, seed = 1, driver = devices.configure(assert(devices.find(name)), options),
    thresholds = { rmt = 45 }, timing = "auto" }
  for key, value in pairs(more or {}) do
    given[key] = value
  end
  local ok, problem = pcall(lower.prepare, given)
  return not ok and tostring(problem) or nil
end

describe("the words of a refusal", function()
  it("number no pulses but those of the plan", function()
    local list = {}
    for _, isi in ipairs { 20, 25, 30, 25, 2.5 } do
      list[#list + 1] = mp.pair { isi = mp.ms(isi), intensity = mp.mso(40) } .. mp.rest(5)
    end
    local plan = list[1]
    for i = 2, #list do
      plan = plan .. list[i]
    end
    local text = refusal(plan, "pulsepal", {}) -- the only pair that is too fast is pulses 9 and 10
    for first, second in text:gmatch "pulses (%d+) and (%d+)" do
      assert.are.same({ "9", "10" }, { first, second }, text)
    end
    assert.is_truthy(text:find("pulses 9 and 10", 1, true), text)
    assert.is_truthy(text:find("its own timing: pulses 2.5 ms apart: at most 100 Hz", 1, true), text)
  end)

  it("name the cause that holds, where neither the device nor we can time a plan", function()
    local both = mp.together { mp.train { pulses = 3, hz = 10, intensity = mp.mso(30) }:at "1",
      mp.train { pulses = 3, hz = 8, intensity = mp.mso(60) }:at "2" }
    local text = refusal(both, "pulsepal", { full_scale_volts = "10" }, { timing = "device" })
    assert.is_truthy(text:find("mp.together", 1, true), text)
    assert.is_truthy(text:find("nor can we time it, pulse by pulse: pulses 1 and 2 (at 0.000000 s and "
      .. "0.000000 s) are 0 ms apart", 1, true), text)
    assert.is_truthy(text:find("on two channels", 1, true), text)
    assert.is_falsy(text:find("100 Hz", 1, true), text)
    local _, count = text:gsub("mp.together", "")
    assert.are.equal(1, count, text)
  end)
end)

describe("a refusal of an interval that is drawn", function()
  -- as SICI: from a pair to a single pulse the BiStim's power B has to fall
  local function trials(shortest, longest)
    local pair = mp.pair { isi = mp.ms(3), intensity = { mp.rmt(80), mp.rmt(120) } }
    local list = {}
    for _ = 1, 6 do
      list[#list + 1] = pair
      list[#list + 1] = mp.pulse(mp.rmt(120))
    end
    return mp.trials { of = list, shortest = shortest, longest = longest }
  end

  it("says so, and what to raise and to what; with that no seed is refused", function()
    local words
    for seed = 1, 20 do
      words = words or refusal(trials(5, 12), "bistim", {}, { seed = seed })
    end
    local more, to = words:match("this interval is drawn, and may be as short as 5[%d.]* s: raise the "
      .. "shortest that it is drawn from by ([%d.]+) s, to ([%d.]+) s or more")
    assert.is_truthy(more, words)
    assert.near(5, tonumber(to) - tonumber(more), 0.01)
    for seed = 1, 20 do
      assert.is_nil(refusal(trials(5 + tonumber(more), 12), "bistim", {}, { seed = seed }))
    end
    assert.is_truthy(refusal(trials(4.9 + tonumber(more), 4.95 + tonumber(more)), "bistim", {}))
  end)

  it("says nothing of chance where the interval is fixed", function()
    local fixed = mp.pulse(mp.mso(40)) .. mp.rest(1) .. mp.pulse(mp.mso(40))
    for _, plan in ipairs { fixed, fixed .. mp.rest(5, 7) .. mp.pulse(mp.mso(40)) } do
      local text = refusal(plan, "bistim", {})
      assert.is_truthy(text:find("too fast for the Magstim BiStim", 1, true), text)
      assert.is_falsy(text:find("drawn", 1, true), text)
    end
  end)
end)
