-- A value between two that a device has is refused with both of them, and both are taken.
local chances = require "chance"
local command = require "moonpulse.driver.command"
local magventure = require "moonpulse.devices.magventure.commands"

describe("the values next to one that a device does not have", function()
  it("are a step apart, below and above it", function()
    local chance = chances.new(5)
    for _ = 1, 2000 do
      local per_unit = chance:pick { 1, 10, 20, 0.5, 20000, 1000 }
      local value = (chance:draw(0, 500) + chance:draw(1, 9) / 10) / per_unit
      local below, above = command.nearest(value, per_unit, " x"):match("^the nearest are (%S+) and (%S+) x$")
      assert.is_true(tonumber(below) < value and value < tonumber(above))
      assert.near(1 / per_unit, above - below, 1e-9 / per_unit)
    end
    assert.are.equal("the nearest is 2 ms", command.nearest(0.4, 1, " ms", 2))
    assert.are.equal("the nearest is 2", command.nearest(1.4, 1, nil, 2))
    assert.are.equal("the nearest is 9", command.nearest(9.4, 1, nil, 0, 9))
  end)

  it("are settings of a MagPro", function()
    local function taken(key, value)
      local given = { in_ms = 0, out_ms = 0, charge_ms = 0 }
      given[key] = value
      local ok, problem = pcall(magventure.commands.set_delays_ext, given)
      return ok or problem.message
    end
    for key, cases in pairs {
      in_ms = { [10.05] = { 10, 11 }, [10.5] = { 10, 11 }, [100.4] = { 100, 110 }, [3.33] = { 3.3, 3.4 } },
      out_ms = { [-10.02] = { -11, -10 }, [10.5] = { 10, 11 } },
      charge_ms = { [105] = { 100, 125 }, [4010] = { 4000, 4050 } },
    } do
      for value, near in pairs(cases) do
        local words = "%s = %.10g is no setting that the device has; the nearest are %.10g and %.10g"
        assert.are.equal(words:format(key, value, near[1], near[2]), taken(key, value))
        assert.is_true(taken(key, near[1]))
        assert.is_true(taken(key, near[2]))
      end
    end
  end)
end)
