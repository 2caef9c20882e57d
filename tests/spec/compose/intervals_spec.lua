-- mp.intervals: the times between trials, and between repetitions, as their author lists them.
local building = require "moonpulse.compose.context"
local core = require "moonpulse.core"
local drawn_orders = require "moonpulse.protocol.drawn_orders"
local mp = require "moonpulse"
local outline = require "moonpulse.show.outline"
local plan_file = require "moonpulse.protocol.plan_file"
local sentences = require "moonpulse.show.sentences"
local stimuli = require "moonpulse.compose.stimuli"

--- The onsets of a plan's pulses in nanoseconds.
local function onsets(plan)
  local schedule, list = core.schedule(plan, 1), {}
  for _, _, _, _, ns in function() return schedule:next() end do
    list[#list + 1] = ns
  end
  return list
end

local pulse = mp.pulse(mp.mso(40))
local pair = mp.pair { isi = mp.ms(3), intensity = { mp.mso(30), mp.mso(50) } }
local train = mp.train { pulses = 3, hz = 10, intensity = mp.mso(50) } -- 0.3 s

describe("intervals", function()
  it("lie between the trials, from onset to onset, whatever is given in each", function()
    local plan = mp.trials { of = { pulse, pair, train, pulse }, every = mp.intervals { 4.1, "16/3", 0.3 } }
    assert.are.same({ 0, 4100000000, 4103000000, 9433333333, 9533333333, 9633333333, 9733333333 },
      onsets(plan))
    assert.are.equal("146/15", plan:totals().exact_span)
    assert.are.equal(plan:totals().span, plan:totals().whole)
    assert.are.same({ 0, 2000000000, 5000000000 },
      onsets(mp.trials { of = { pulse, pulse, pulse }, every = mp.intervals { 2, 3 } }))
  end)

  it("lie between repetitions: from onset to onset, or from the end to the next onset", function()
    assert.are.same({ 0, 100000000, 200000000, 1000000000, 1100000000, 1200000000, 3500000000, 3600000000,
      3700000000 }, onsets(train:times(3, { every = mp.intervals { 1, 2.5 } })))
    assert.are.same({ 0, 100000000, 200000000, 1300000000, 1400000000, 1500000000, 1600000000, 1700000000,
      1800000000 }, onsets(train:times(3, { gap = mp.intervals { 1, 0 } })))
  end)

  it("may be many, and their sum is exact", function()
    local list, at, expected = {}, 0, { 0 }
    for i = 1, 3000 do
      local us = 3000000 + (i * 7919) % 1000003
      list[i], at = us / 1e6, at + us * 1000
      expected[i + 1] = at
    end
    assert.are.same(expected, onsets(pulse:times(3001, { every = mp.intervals(list) })))
  end)

  it("of repetitions make no trials: a label is the label of each", function()
    local function counts(plan)
      local found = stimuli.counts(stimuli.parts(plan))[1]
      return ("%s %d pulses %d trials"):format(found.condition, found.pulses, found.trials)
    end
    local spacing = { every = mp.intervals { 2, 3 } }
    assert.are.equal("TS 3 pulses 3 trials", counts(pulse:times(3, spacing):label "TS"))
    assert.are.equal("rTMS 9 pulses 3 trials", counts(train:times(3, spacing):label "rTMS"))
    assert.are.equal("pulse 3 pulses 3 trials", counts(pulse:times(3, { gap = mp.intervals { 2, 3 } })))
  end)

  it("hold what is drawn inside, where it always fits", function()
    local jittered = pulse .. mp.rest { min = 1, max = 2 } .. pulse
    local found = onsets(jittered:times(3, { every = mp.intervals { 2, 5 } }))
    assert.are.same({ 0, 2000000000, 7000000000 }, { found[1], found[3], found[5] })
    local ok, message = pcall(mp.trials, { of = { jittered, jittered }, every = mp.intervals { 1.9 } })
    assert.is_false(ok)
    assert.matches("interval 1 of every = 1.9 s is shorter than what it is the time for (2 s)", message, 1,
      true)
  end)

  it("are told in words, one by one where they are few, and kept in a plan file", function()
    local plan = mp.trials { of = { pulse, pair, pulse, pulse, pulse, pulse, pulse },
      every = mp.intervals { 4, 5, 6, 7, 8, 9.5 } }
    local apart = "4 s, 5 s, 6 s, 7 s, 8 s and 9.5 s apart, onset to onset"
    assert.matches("trials: 7, " .. apart, outline.of(plan), 1, true)
    assert.matches("; " .. apart, sentences.of(plan)[1], 1, true)
    local text = plan_file.write(plan, { seed = 1 })
    local read = assert(plan_file.read(text, "x"))
    assert.are.same(onsets(plan), onsets(read.plan))
    assert.are.equal(text, plan_file.write(read.plan, { seed = 1 }))
    local many = {}
    for i = 1, 40 do
      many[i] = 4 + i / 10
    end
    assert.matches("repetitions: 41, 4.1 s to 8 s apart, onset to onset, as listed",
      outline.of(pulse:times(41, { every = mp.intervals(many) })), 1, true)
  end)

  it("in a drawn order are called so, and the trials' order is not", function()
    local function protocol(of, drawn)
      return { params = {}, plan = function()
        return mp.trials { of = of, every = mp.intervals(drawn and mp.shuffle { 4, 5, 6, 7, 8, 9 }
          or { 4, 5, 6, 7, 8, 9 }) }
      end }
    end
    local of = { pulse:label "A", pair:label "B", pulse:label "A", pulse:label "A", pair:label "B",
      pulse:label "A", pulse:label "A" }
    for _, drawn in ipairs { true, false } do
      local each = protocol(of, drawn)
      local _, plan = building.with({ seed = 3 }, pcall, each.plan)
      local orders = drawn_orders.of(plan, each, {}, 3)
      assert.is_nil(next(orders.ids))
      local text = sentences.of(plan, nil, orders)[1]
      assert.matches("in the order A, B, A, A, B, A, A; 4 s", text, 1, true)
      assert.are.equal(drawn, text:find("4 s to 9 s apart, onset to onset, their order drawn from the seed",
        1, true) ~= nil)
    end
  end)

  it("are refused with the numbers where they do not fit", function()
    local function refused(text, call, ...)
      local ok, message = pcall(call, ...)
      assert.is_false(ok, text)
      assert.matches(text, tostring(message), 1, true)
    end
    local three = mp.intervals { 4, 5, 6 }
    refused("trials: every has 3 intervals, and 3 trials have 2 between them: take out 1 interval", mp.trials,
      { of = { pulse, pulse, pulse }, every = three })
    refused("times: gap has 3 intervals, and 6 repetitions have 5 between them: add 2 intervals", pulse.times,
      pulse, 6, { gap = three })
    refused("1 trial has none: write every = seconds for one", mp.trials, { of = { pulse }, every = three })
    refused("interval 2 of every = 0.2 s is shorter than what it is the time for (0.3 s)", train.times, train,
      3, { every = mp.intervals { 1, 0.2 } })
    refused("interval 1 of every = 0 must be above 0", pulse.times, pulse, 2, { every = mp.intervals { 0 } })
    refused("interval 2 = -1 s is negative", mp.intervals, { 4, -1 })
    refused("interval 2 must be a number", mp.intervals, { 4, pulse })
    refused("not intervals", mp.intervals, three)
    refused("the list is empty", mp.intervals, {})
    refused("has no entry 2", mp.intervals, { 4, nil, 5 })
    refused("a list of seconds expected, like mp.intervals { 4.1, 5.3, 4.7 }, not 4", mp.intervals, 4)
    refused("every is one number", mp.trials, { of = { pulse, pulse }, every = { 4, 6 } })
    refused("write shortest = 4, longest = 6", mp.trials, { of = { pulse, pulse },
      every = mp.rest { min = 4, max = 6 } })
    refused("there is no mp.uniform: a length that is drawn is mp.rest { min = 4, max = 6 }, between trials "
      .. "shortest = 4, longest = 6", function() return mp.uniform(4, 6) end)
    refused("every = mp.intervals { 4.1, 5.3, 4.7 }", mp.trials, { of = { pulse, pulse }, every = { 4, 6 } })
    refused("every = mp.intervals { 4.1, 5.3, 4.7 }", pulse.times, pulse, 2, { every = { 4, 6 } })
    refused("there is no [1]", function() return three[1] end)
  end)

  it("are what the list was when it was given", function()
    local list = { 4, 5 }
    local given = mp.intervals(list)
    list[1] = 9
    assert.are.same({ 0, 4000000000, 9000000000 }, onsets(pulse:times(3, { every = given })))
  end)
end)
