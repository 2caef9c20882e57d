-- The least whole number has no opposite: math.abs of it is negative, and so is the distance from it to the
-- largest one. Wherever a plan takes a number it is refused in words, and draws stay between their bounds.
local draws = require "moonpulse.experiment.draws"
local mp = require "moonpulse"
local plans = require "plans"

local least <const> = math.mininteger
local pulse = mp.pulse(mp.mso(50))

describe("the least whole number", function()
  it("is refused as a time, a rate and a count of a plan", function()
    local list = { pulse, pulse }
    for what, made in pairs {
      rest = function() return mp.rest(least) end,
      ["rest, min"] = function() return mp.rest { min = least, max = 2 } end,
      ["rest, max"] = function() return mp.rest { min = 2, max = least } end,
      ["times, gap"] = function() return pulse:times(3, { gap = least }) end,
      ["times, every"] = function() return pulse:times(3, { every = least }) end,
      times = function() return pulse:times(least) end,
      ["trials, every"] = function() return mp.trials { of = list, every = least } end,
      ["trials, shortest"] = function() return mp.trials { of = list, shortest = least, longest = 6 } end,
      ["trials, longest"] = function() return mp.trials { of = list, shortest = 6, longest = least } end,
      ["pair, isi"] = function()
        return mp.pair { first = mp.mso(40), second = mp.mso(50), isi = least }
      end,
      ["train, hz"] = function() return mp.train { pulses = 3, hz = least, intensity = mp.mso(50) } end,
      ["train, pulses"] = function() return mp.train { pulses = least, hz = 3, intensity = mp.mso(50) } end,
      ["an intensity"] = function() return mp.pulse(mp.mso(least)) end,
    } do
      local ok, message = pcall(made)
      assert.is_false(ok, what)
      assert.matches("least_integer_spec.lua:", message, 1, true)
      assert.is_nil(message:find("scripts/moonpulse", 1, true), what .. ": " .. message)
    end
    plans.refused(function() mp.rest(least) end, "does not fit 2^63 ns")
  end)

  it("is a bound to draw from, as far as there is a number for what lies between", function()
    local of = draws.new(3)
    for _, bounds in ipairs { { least, least }, { least, -1 }, { 0, math.maxinteger },
      { least, least + 9 } } do
      for _ = 1, 50 do
        local drawn = of:integer(table.unpack(bounds))
        assert.is_true(drawn >= bounds[1] and drawn <= bounds[2])
      end
    end
    for _, bounds in ipairs { { least, 0 }, { least, math.maxinteger }, { -1, math.maxinteger } } do
      plans.refused(function() of:integer(table.unpack(bounds)) end, "run:integer", "2^63")
    end
    plans.refused(function() of:uniform(-1.5e308, 1.5e308) end, "run:uniform", "too far apart")
  end)

  it("leaves a draw in the midst of what lies between", function()
    local of, below, above = draws.new(5), 0, 0
    for _ = 1, 200 do
      local drawn = of:uniform(least, math.maxinteger)
      below, above = below + (drawn < -1e18 and 1 or 0), above + (drawn > 1e18 and 1 or 0)
      assert.is_true(drawn >= -2.0 ^ 63 and drawn <= 2.0 ^ 63)
    end
    assert.is_true(below > 40 and above > 40, ("%d below, %d above"):format(below, above))
  end)
end)
