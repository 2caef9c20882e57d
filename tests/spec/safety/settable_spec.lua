--- What a finding names as a remedy: it can be set on the device, and passes once it is.
local intensities = require "moonpulse.compose.intensity"
local judge = require "moonpulse.safety.judge"
local labs = require "moonpulse.safety.lab"
local mp = require "moonpulse"
local settable = require "moonpulse.safety.settable"

local RULES = { -- what is too strong, and the rule that says so
  ["train duration"] = function(strength)
    return mp.train { pulses = 3, hz = 10, intensity = strength }
  end,
  pairs = function(strength)
    return mp.pair { isi = mp.ms(10), intensity = { strength, strength } }:times(3, { every = 6 })
  end,
  ["single pulse intensity"] = function(strength)
    return mp.pulse(strength):times(3, { every = 6 })
  end,
  ["group intensity"] = function(strength)
    return mp.train { pulses = 4, hz = 100, intensity = strength }
  end,
  ["theta burst intensity"] = function(strength)
    return mp.theta_burst { pulses = 3, hz = 50, theta_hz = 5, on = 2, intensity = strength }
  end,
  ["pulses without a pause"] = function(strength)
    local pair = mp.pair { isi = mp.ms(10), intensity = { strength, strength } }
    return (pair .. mp.rest(2)):times(4, { gap = 0 })
  end,
  intensity = function(strength) -- the lab's
    return mp.pulse(strength):times(2, { every = 6 })
  end,
}

local function finding_of(plan, rule, given)
  given.plan, given.seed = plan, 1
  for _, each in ipairs(judge.plan(given).findings) do
    if each.rule == rule then
      return each
    end
  end
end

--- The intensities that a remedy names.
local function named(text)
  local list = {}
  for number, reference in text:gmatch("([%d.]+) %%(%u%u%u)") do
    list[#list + 1] = { value = tonumber(number), reference = reference }
  end
  return list
end

local devices = { {}, { step = 1 }, { step = 0.5 }, { step = 100 / 255 }, { step = 100 / 15000 },
  { step = 1, highest = 87.5 } }

--- Each intensity that a finding's remedy names, set on the device and judged again.
local function follow(rule, strength, given, seen)
  local found = finding_of(RULES[rule](strength), rule, given)
  if not found or found.verdict == "within" then
    return
  end
  for _, each in ipairs(named(found.nearest)) do
    local text = ("%s, %s of %s %%MSO, step %s: %s"):format(rule, tostring(strength), given.thresholds.rmt,
      given.step, found.nearest)
    local mso = assert(intensities.resolve(each, given.thresholds), text)
    local set = given.step and intensities.round(mso, given.step, given.highest) or mso
    assert.is_true(set <= (given.highest or 100) + 1e-9, text)
    local own = mp[each.reference:lower()]
    local again = finding_of(RULES[rule](own(each.value)), rule, given)
    assert.are.equal("within", again and again.verdict or "within", text)
    seen[rule] = (seen[rule] or 0) + 1
  end
end

describe("an intensity that a remedy names", function()
  it("can be set and passes, at every threshold and step", function()
    local seen = {}
    local lab = assert(labs.new({ max_percent_rmt = 112.5, max_percent_mso = 83.3 }, "lab"))
    for _, device in ipairs(devices) do
      for _, rmt in ipairs { 30, 37, 42.5, 43, 45, 50, 61.7, 70, 77, 78.125, 80, 84, 91, 100 } do
        for _, percent in ipairs { 81, 100, 112, 120.5, 131, 140, 200 } do
          local thresholds = { rmt = rmt, amt = rmt * 0.8 }
          for rule in pairs(RULES) do
            follow(rule, mp.rmt(percent), { thresholds = thresholds, step = device.step,
              highest = device.highest, lab = lab }, seen)
          end
          follow("theta burst intensity", mp.amt(percent), { thresholds = thresholds, step = device.step,
            highest = device.highest }, seen)
        end
      end
    end
    for rule in pairs(RULES) do
      assert.is_true((seen[rule] or 0) > 50, rule)
    end
  end)

  it("is of the active threshold where only that is known", function()
    local given = { thresholds = { amt = 40 }, step = 1 }
    local found = finding_of(RULES["single pulse intensity"](mp.amt(140)), "single pulse intensity", given)
    assert.are.equal("at most 130 %AMT (52 %MSO)", found.nearest)
    assert.is_nil(finding_of(RULES["single pulse intensity"](mp.amt(130)), "single pulse intensity", given))
  end)

  it("can be given, too, where the device's own limit names it", function()
    for tenths = 251, 1000 do
      local thresholds = { rmt = tenths / 10 }
      local _, message = intensities.resolve({ value = 400, reference = "RMT" }, thresholds)
      local most = tonumber(message:match("at most ([%d.]+) %%RMT can be given"))
      assert.is_number(intensities.resolve({ value = most, reference = "RMT" }, thresholds), message)
    end
  end)

  it("is the strongest there is: a step or a percent more does not pass, or cannot be set", function()
    for _, case in ipairs { { 130, 80, 1, "at most 125 %RMT (100 %MSO)" },
      { 120, 84, 1, "at most 119 %RMT (100 %MSO)" }, { 110, 45, 1, "at most 109 %RMT (49 %MSO)" },
      { 110, 50, 1, "at most 110 %RMT (55 %MSO)" }, { 130, 80, nil, "at most 125 %RMT (100 %MSO)" },
      { 130, 84, nil, "at most 119 %RMT (100 %MSO)" }, { 110, 45, nil, "at most 110 %RMT (49.5 %MSO)" } } do
      local limit, rmt, step, text = table.unpack(case, 1, 4)
      assert.are.equal(text, settable.at_most(limit, "RMT", { thresholds = { rmt = rmt }, step = step }))
    end
    assert.are.equal("at most 85 %MSO", settable.at_most(85.5, "MSO", { thresholds = {}, step = 1 }))
  end)

  it("is told of nothing that no device can be set to: what is above 100 %MSO is not rounded up", function()
    local found = finding_of(mp.train { hz = 10, pulses = 50, intensity = mp.rmt(120) }, "train duration",
      { thresholds = { rmt = 84 }, step = 1 })
    assert.are.equal("OVER", found.verdict)
    assert.is_nil(judge.sentence(found):find("set to", 1, true))
    assert.near(120, found.percent, 1e-9)
  end)
end)

describe("a row that a lab's finding names", function()
  it("passes once it is in the lab's file, also at rates that are not round", function()
    local rows, named_rows = { { hz = 10, percent = 120, s = 4 } }, 0
    for _, hz in ipairs { "40/3", "33.3333", "70/3", "16.66667", "20", "0.7" } do
      for _, percent in ipairs { 121, 130.4, 112 } do
        local plan = mp.train { pulses = 3, hz = hz, intensity = mp.rmt(percent) }
        local function judged(list)
          local lab = assert(labs.new({ train_duration = list }, "lab"))
          for _, each in ipairs(judge.plan({ plan = plan, seed = 1, thresholds = { rmt = 50 },
            lab = lab }).findings) do
            if each.lab then
              return each
            end
          end
        end
        local text = judged(rows).nearest or ""
        local rate, column = text:match("hz = ([%d.]+), percent = (%d+)")
        if rate then
          local own = { rows[1], { hz = tonumber(rate), percent = tonumber(column), s = 5 } }
          assert.are.equal("within", judged(own).verdict, hz .. " Hz: " .. text)
          named_rows = named_rows + 1
        end
      end
    end
    assert.is_true(named_rows > 10)
  end)
end)
