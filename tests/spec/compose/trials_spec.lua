-- mp.trials and mp.shuffle: trials in order, and orders drawn from the seed.
local building = require "moonpulse.compose.context"
local core = require "moonpulse.core"
local mp = require "moonpulse"

--- Pulses of a plan: { ns =, what = "20MSO" }.
local function events(plan, seed)
  local schedule = core.schedule(plan, seed or 1)
  local actions, list = schedule:actions(), {}
  for kind, _, _, action, ns in function() return schedule:next() end do
    assert.are.equal("pulse", kind)
    list[#list + 1] = { ns = ns, what = ("%g%s"):format(actions[action].intensity,
      actions[action].reference) }
  end
  return list
end

local function assert_same_plan(a, b)
  assert.are.same(events(a), events(b))
  for _, key in ipairs { "pulses", "first", "last", "span", "whole" } do
    assert.are.equal(a:totals()[key], b:totals()[key], key)
  end
end

describe("trials", function()
  local a, b = mp.pulse(mp.mso(10)), mp.pair { isi = mp.ms(2), intensity = { mp.mso(20), mp.mso(30) } }

  it("follow each other from onset to onset, whatever their length", function()
    local plan = mp.trials { of = { a, b, b, a }, every = 5 }
    local found = {}
    for i, event in ipairs(events(plan)) do
      found[i] = ("%s at %d us"):format(event.what, event.ns // 1000)
    end
    assert.are.same({ "10MSO at 0 us", "20MSO at 5000000 us", "30MSO at 5002000 us",
      "20MSO at 10000000 us", "30MSO at 10002000 us", "10MSO at 15000000 us" }, found)
    assert.are.equal(15, plan:totals().span)
    assert.are.equal(20, plan:totals().whole)
    assert_same_plan(mp.trials { of = { b, b, b }, every = "1/3" }, b:times(3, { every = "1/3" }))
  end)

  it("have a drawn interval from onset to onset within its bounds", function()
    local list = {}
    for i = 1, 200 do
      list[i] = i % 2 == 0 and a or b
    end
    for _, of in ipairs { list, { table.unpack(list, 2, 2) } } do
      of = #of == 1 and { b, b, b, b, b, b, b, b } or of
      local plan = mp.trials { of = of, shortest = 0.5, longest = 1.5 }
      local starts, least, most = {}, math.huge, 0
      for _, event in ipairs(events(plan, 3)) do
        if event.what ~= "30MSO" then
          starts[#starts + 1] = event.ns
        end
      end
      assert.are.equal(#of, #starts)
      for i = 2, #starts do
        least, most = math.min(least, starts[i] - starts[i - 1]), math.max(most, starts[i] - starts[i - 1])
      end
      assert.is_true(least >= 500000000 and most <= 1500000000, ("%d to %d ns"):format(least, most))
      assert.is_true(most - least > 200000000)
    end
    assert_same_plan(mp.trials { of = { a, b, a }, shortest = 2, longest = 2 },
      mp.trials { of = { a, b, a }, every = 2 })
  end)

  it("are refused where they make no sense", function()
    local function refused(spec, text)
      local ok, message = pcall(mp.trials, spec)
      assert.is_false(ok)
      assert.matches(text, tostring(message), 1, true)
    end
    refused({ of = {}, every = 1 }, "of is empty: it is a list of plans")
    refused({ of = a, every = 1 }, "of must be a list")
    refused({ of = { a, 5 }, every = 1 }, "trial 2 must be a plan")
    refused({ of = { a } }, "either every")
    refused({ of = { a }, shortest = 1 }, "either every")
    refused({ of = { a }, every = 1, shortest = 1, longest = 2 }, "either every")
    refused({ of = { a, b, a }, every = mp.ms(1) }, "cannot be repeated every 0.001 s")
    refused({ of = { a, b, a }, shortest = mp.ms(1), longest = 2 }, "shorter than a trial of 0.002 s")
    refused({ of = { a .. mp.rest { min = 1, max = 2 }, a }, shortest = 3, longest = 4 }, "no known end")
    refused({ of = { a, b }, iti = 5 }, "iti means three things")
  end)
end)

describe("shuffle", function()
  local list = { 1, 2, 3, 4 }

  --- What shuffle gives while a plan is made from seed.
  local function shuffled(seed, of)
    return select(2, building.with({ seed = seed }, pcall, mp.shuffle, of or list))
  end

  it("draws an order from the seed: the same again, and only that", function()
    assert.are.same(shuffled(5), shuffled(5))
    assert.are.same({ 1, 2, 3, 4 }, list)
    -- the draws are those of core.draw at 2^32 + i: fixed for ever, records depend on it
    local expected = { 1, 2, 3, 4 }
    for i = 4, 2, -1 do
      local j = core.draw(5, (1 << 32) + 5 - i, i - 1) + 1
      expected[i], expected[j] = expected[j], expected[i]
    end
    assert.are.same(expected, shuffled(5))
  end)

  it("favours no order", function()
    local counts, seeds = {}, 24 * 400
    for seed = 1, seeds do
      local order = table.concat(shuffled(seed), "")
      counts[order] = (counts[order] or 0) + 1
    end
    local kinds, chi2 = 0, 0
    for _, count in pairs(counts) do
      kinds, chi2 = kinds + 1, chi2 + (count - 400) ^ 2 / 400
    end
    assert.are.equal(24, kinds)
    assert.is_true(chi2 < 49.7, "chi squared " .. chi2) -- 23 degrees of freedom, p = 0.001
  end)

  it("gives a second list of the same plan an order of its own", function()
    local long = {}
    for i = 1, 50 do
      long[i] = i
    end
    local _, first, second = building.with({ seed = 1 }, pcall, function()
      return mp.shuffle(long), mp.shuffle(long)
    end)
    assert.are_not.same(first, second)
  end)

  it("is refused outside of a plan function, where no seed is known", function()
    local ok, message = pcall(mp.shuffle, list)
    assert.is_false(ok)
    assert.matches("inside plan = function(p)", message, 1, true)
    ok, message = building.with({ seed = 1 }, pcall, mp.shuffle, {})
    assert.is_false(ok)
    assert.matches("a list expected", message, 1, true)
    assert.is_nil(building.seed())
  end)
end)
