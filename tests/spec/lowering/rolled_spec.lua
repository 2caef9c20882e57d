--- Trains that were written pulse by pulse, or as a table: a device that times trains gets them as trains.
local core = require "moonpulse.core"
local devices = require "moonpulse.driver.find"
local lower = require "moonpulse.lowering"
local mp = require "moonpulse"
local rolled = require "moonpulse.lowering.rolled"

local function pulse(mso)
  return mp.pulse(mp.mso(mso or 50))
end

--- count parts, gap seconds from the end of each to the next.
local function row(count, gap, part)
  local plan = part or pulse()
  for _ = 2, count do
    plan = plan .. mp.rest(gap) .. (part or pulse())
  end
  return plan
end

local function prepared(plan, name, timing, seed)
  return pcall(lower.prepare, { plan = plan, seed = seed or 1, thresholds = {}, timing = timing or "auto",
    driver = devices.configure(assert(devices.find(name or "rapid")), {}) })
end

--- Every pulse and mark of a plan: its time in microseconds, what it is.
local function events_of(plan, seed)
  local list, schedule = {}, core.schedule(plan, seed)
  local actions = schedule:actions()
  local kind, onset, _, index = schedule:next()
  while kind do
    list[#list + 1] = ("%s %.3f %s"):format(kind, onset, kind == "pulse" and actions[index].intensity or "")
    kind, onset, _, index = schedule:next()
  end
  return list
end

describe("a train that was not written as one", function()
  local train = mp.train { pulses = 12, hz = 10, intensity = mp.mso(50) }
  local written = {
    loop = row(12, 0.1),
    ["repeat"] = (pulse() .. mp.rest(0.1)):times(12),
    trials = mp.trials { of = { row(12, 0.1) }, every = 20 },
    parts = row(3, 0.1, row(4, 0.1)),
    mixed = pulse() .. mp.rest(0.1) .. mp.train { pulses = 11, hz = 10, intensity = mp.mso(50) },
    table = (function()
      local plan
      for _ = 1, 12 do
        local one = pulse():times(1, { every = 0.1 }):label "TS" .. mp.rest(0.1)
        plan = plan and plan .. one or one
      end
      return plan
    end)(),
  }

  it("is the same program of a Rapid² as one that was", function()
    local ok, _, wanted = prepared(train)
    assert.is_true(ok)
    for how, plan in pairs(written) do
      local can, problem, actions = prepared(plan)
      assert.is_true(can, how .. ": " .. tostring(problem))
      assert.are.equal(1, #actions, how)
      for _, key in ipairs { "hz", "n", "s", "busy", "text" } do
        assert.are.equal(wanted[1].train[key], actions[1].train[key], how .. " " .. key)
      end
    end
  end)

  it("is one beside others that stand together in a part, however short the rest between them", function()
    for _, gap in ipairs { 0.7, 0.8, 0.99, 1.2 } do
      local one, rest = row(20, 0.1), mp.rest(gap)
      for how, plan in pairs { right = one .. (rest .. (one .. (rest .. one))),
        left = ((one .. rest) .. one) .. rest .. one } do
        local can, problem, actions = prepared(plan)
        assert.is_true(can, how .. ": " .. tostring(problem))
        assert.are.same({ 1, 10, 20 }, { #actions, actions[1].train.hz, actions[1].train.n }, how .. gap)
      end
    end
    local one, short = row(20, 0.1), mp.rest(0.3)
    local can, problem = prepared(one .. (short .. (one .. short .. one)))
    assert.is_false(can)
    assert.matches("is 2.5 s", problem.message, 1, true)
    assert.matches("here 0.3 s more are needed", problem.message, 1, true)
  end)

  it("is none where its intervals or intensities differ, and the refusal says what is wrong", function()
    for words, plan in pairs {
      ["rolled_spec.lua:9): too fast"] = row(5, 0.1) .. mp.rest(0.15) .. row(5, 0.1), -- two trains
      ["gives trains of one rate"] = row(2, 0.1) .. mp.rest(0.2) .. pulse() .. mp.rest(0.3) .. pulse(),
      ["cannot go from 50 %MSO on channel 1 (5 pulses at 10 Hz"] = row(5, 0.1) .. mp.rest(0.1)
        .. pulse(60) .. mp.rest(5) .. row(3, 0.1),
      ["33.3333 Hz is over"] = row(12, "3/100"),
      ["6.66667 Hz is off its steps of 0.1 Hz"] = row(12, "3/20"),
    } do
      local ok, problem = prepared(plan)
      assert.is_false(ok, words)
      assert.matches(words, problem.message, 1, true)
    end
  end)

  it("gives the same pulses at the same times, also beside rests that are drawn", function()
    local bursts = row(10, 0.16, row(3, 0.02))
    local flat = pulse() -- in one sequence with what is drawn: its places must stay
    for i = 2, 12 do
      flat = flat .. (i == 7 and mp.rest { min = 3, max = 9 } or mp.rest(0.1)) .. pulse()
    end
    local plans = { row(3, 20, row(12, 0.1)), bursts, row(2, 8, bursts), flat,
      mp.trials { of = { row(12, 0.1), row(5, 0.2), row(12, 0.1) }, shortest = 20, longest = 30 },
      mp.mark "a" .. row(4, 0.1) .. mp.rest { min = 3, max = 9 } .. row(6, 0.2) .. mp.mark "b" .. mp.rest(1),
      (mp.rest(0.5) .. row(4, 0.1) .. mp.rest { min = 1, max = 2 }):times(3),
      row(4, 1) .. mp.rest(0.1) .. row(4, 0.1) .. mp.rest(0.2) .. row(4, 0.2), written.table, written.parts }
    for number, plan in ipairs(plans) do
      local new = rolled.of(plan, false)
      assert.is_false(new == plan, number)
      for seed = 1, 3 do
        assert.are.same(events_of(plan, seed), events_of(new, seed), number)
      end
      assert.are.equal(plan:totals().exact_span, new:totals().exact_span, number)
    end
  end)

  it("is left alone where there is none, and where a box gives its event codes", function()
    local pair = mp.pair { isi = mp.ms(2), intensity = { mp.mso(40), mp.mso(60) } }
    for _, plan in ipairs { pulse(), train, pair,
      pulse() .. mp.rest(2) .. pulse(60) } do
      assert.is_true(rolled.of(plan, false) == plan)
    end
    local coded = row(5, 0.1, mp.pulse { intensity = mp.mso(50), code = 7 })
    assert.is_true(rolled.of(coded, true) == coded)
    assert.is_false(rolled.of(coded, false) == coded)
  end)

  it("is looked at once a row, however long the plan is", function()
    local parts, one, near, far = {}, pulse(), mp.rest(0.1), mp.rest(30)
    for i = 1, 20000 do
      parts[#parts + 1] = one
      parts[#parts + 1] = i % 10 == 0 and far or near
    end
    local asked, rapid = 0, assert(devices.find "rapid")
    local driver = devices.configure(rapid, {})
    local train_of = driver.encode.train
    driver.encode.train = function(...)
      asked = asked + 1
      return train_of(...)
    end
    local ok, _, actions = pcall(lower.prepare, { plan = core.sequence_of(parts), seed = 1, thresholds = {},
      timing = "auto", driver = driver })
    assert.is_true(ok)
    assert.are.equal(1, #actions)
    assert.is_true(asked < 1000, asked)
  end)
end)
