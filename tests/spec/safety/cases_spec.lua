--- Which schedules of a drawn plan are judged: each that could be the gravest, named as what it is, and as
--- many as there is time for.
local edges = require "moonpulse.safety.drawn_edges"
local mp = require "moonpulse"
local orders = require "moonpulse.safety.orders"
local silences = require "moonpulse.safety.drawn_silences"
local trains = require "moonpulse.safety.trains"
local worst = require "moonpulse.safety.worst"

local pulse = mp.pulse(mp.rmt(100))

local function cases_of(plan)
  return worst.cases { plan = plan, seed = 1 }
end

describe("orders of what is shuffled, where there are too many for all", function()
  it("begin with each kind in one go, and say which", function()
    local list = { "a", "b", "c", "d", "e", "f", "a", "b", "c", "d", "e", "f" }
    local found, all = orders.of(function(arrange) arrange(list) end)
    assert.is_false(all)
    local told = 0
    for _, order in ipairs(found) do
      local kind = tonumber(order.what:match "^kind (%d+) of the shuffled first and in one go$")
      if kind then
        local made = order.arrange()(list)
        told = told + 1
        assert.are.equal(told, kind)
        for i, name in ipairs(made) do -- that kind, and the others behind it, in turn
          assert.are.equal(list[(kind - 1 + (i - 1) // 2) % 6 + 1], name)
        end
      end
    end
    assert.are.equal(6, told)
  end)
end)

describe("silences between pulses", function()
  it("are those between pulses, whatever marks stand among them", function()
    local function made(rest)
      return mp.mark "begin" .. pulse .. mp.rest(0.5) .. mp.mark "middle" .. mp.rest(rest) .. pulse
        .. mp.mark "end" .. mp.rest(2) .. pulse
    end
    local list, one = edges.silences(made(1), made(3))
    assert.are.equal(2, #list)
    assert.are.same({ 1.5, 3.5, true }, { list[1].least, list[1].most, list[1].drawn })
    assert.are.same({ 2, 2, false }, { list[2].least, list[2].most, list[2].drawn })
    assert.is_true(one)
    list, one = edges.silences(pulse .. mp.rest(1) .. pulse:at "b", pulse .. mp.rest(2) .. pulse:at "b")
    assert.are.equal(1, #list)
    assert.is_false(one)
  end)
end)

describe("the schedules of a plan with drawn rests", function()
  local rest = mp.rest { min = 0.5, max = 6 }

  it("are those of 20 seeds, and of all that is said", function()
    local cases, judged = cases_of(pulse .. rest .. pulse .. rest .. pulse)
    local seeds, count = {}, 0
    for _, case in ipairs(cases) do
      count = count + (seeds[case.seed] and 0 or 1)
      seeds[case.seed] = true
    end
    assert.are.equal(20, count)
    assert.matches("20 seeds", judged.text, 1, true)
  end)

  it("have all rests at once on either side of each edge", function()
    local cases = cases_of(pulse .. rest .. pulse .. rest .. pulse .. rest .. pulse)
    for _, edge in ipairs { 1, 4, 4.5, 5 } do
      for _, at in ipairs { edge - 1e-4, edge + 1e-4 } do
        local met = false
        for _, case in ipairs(cases) do
          local all = true
          local list = case.search and edges.silences(case.plan, case.plan) or { { least = 0 } }
          for _, silence in ipairs(list) do
            all = all and math.abs(silence.least - at) < 2e-5
          end
          met = met or all
        end
        assert.is_true(met, at)
      end
    end
  end)

  it("are fewer where each is long: so many parts are made in all", function()
    local plan = pulse
    for i = 1, 500 do -- each its own, so that none is counted once for many
      plan = plan .. mp.rest { min = 2, max = 6 + i / 1000 } .. pulse
    end
    local mixed = 0
    for _, case in ipairs(cases_of(plan)) do
      mixed = mixed + (case.what:find "^drawn rests at" and 1 or 0)
    end
    assert.is_true(mixed > 0 and mixed <= 200, mixed)
  end)

  it("follow each channel once, and all of them together", function()
    local made, new, pool = { new = 0, pool = 0 }, trains.new, trains.pool
    finally(function() trains.new, trains.pool = new, pool end)
    trains.new = function(...)
      made.new = made.new + 1
      return new(...)
    end
    trains.pool = function(...)
      made.pool = made.pool + 1
      return pool(...)
    end
    local short = mp.rest { min = 0.3, max = 2 }
    for _, second in ipairs { false, true } do
      made.new, made.pool = 0, 0
      local function plan(between)
        return (pulse .. between .. pulse:at(second and "b" or "1") .. between):times(5)
      end
      silences.of(plan(short), plan(mp.rest(0.3)), plan(mp.rest(2)), 1000)
      assert.are.same(second and { new = 3, pool = 1 } or { new = 1, pool = 0 }, made) -- a pool has its own
    end
  end)
end)
