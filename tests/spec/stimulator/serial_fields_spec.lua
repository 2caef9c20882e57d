--- Line settings: what a driver's contract takes, the engine takes, and the other way round.
local contract = require "moonpulse.driver.contract"
local core = require "moonpulse.core"
local devices = require "moonpulse.driver.find"
local shell = require "shell"

local usual = { baud = 9600, bits = 8, parity = "none", stop_bits = 1, flow = "none" }

local function with(key, value)
  local serial = {}
  for name, each in pairs(usual) do
    serial[name] = each
  end
  serial[key] = value
  return serial
end

--- What the contract says of a driver with these settings.
local function problem_of(serial)
  local driver = setmetatable({}, { __index = assert(devices.find "duomag") })
  driver.serial = serial
  return table.concat(contract.problems(driver), "; ")
end

describe("the line settings of a driver", function()
  it("are taken by its contract where the engine takes them, and only there", function()
    local values = { 0, -1, 1, 2, 3, 5, 6, 7, 8, 9, 49, 50, 9600, 9600.0, 9600.5, 20000000, 20000001,
      1 / 0, 0 / 0, math.maxinteger, "none", "odd", "even", "mark", "rtscts", "xonxoff", "", "8", "9600",
      true, false }
    local taken, refused = 0, 0
    for _, field in ipairs(core.serial_fields) do
      for _, value in ipairs(values) do
        local serial = with(field[1], value)
        local ok, message = pcall(core.wire_ns, serial, 1)
        local said = problem_of(serial)
        assert.are.equal(ok, said == "", ("%s = %s: %s; %s"):format(field[1], value, said, message))
        taken, refused = taken + (ok and 1 or 0), refused + (ok and 0 or 1)
      end
      local missing = with(field[1], nil)
      assert.is_false((pcall(core.wire_ns, missing, 1)))
      assert.matches("serial." .. field[1] .. " is missing: ", problem_of(missing), 1, true)
    end
    assert.is_true(taken >= 12 and refused > 100)
  end)

  it("are refused by name, with what they must be", function()
    assert.are.equal("serial.flow is xonxoff: it must be one of none, rtscts",
      problem_of(with("flow", "xonxoff")))
    assert.are.equal("serial.bits is 5: it must be a whole number from 7 to 8", problem_of(with("bits", 5)))
    assert.has_error(function() core.wire_ns(with("flow", "xonxoff"), 1) end,
      "bad argument #1 to 'wire_ns' (flow must be one of none, rtscts)")
    assert.has_error(function() core.wire_ns(with("baud", 9), 1) end,
      "bad argument #1 to 'wire_ns' (baud must be a whole number from 50 to 20000000)")
  end)

  it("stand in docs/drivers.md", function()
    local row = shell.read("docs/drivers.md"):match("\n| `serial` |[^\n]*")
    for _, field in ipairs(core.serial_fields) do
      local names = {}
      for name in (row:match(field[1] .. " = ([%l\"/]+)") or ""):gmatch('"(%l+)"') do
        names[name] = true
      end
      for _, name in ipairs(field.names or {}) do
        assert.is_true(names[name], name)
        names[name] = nil
      end
      assert.is_nil(next(names))
      assert.is_truthy(row:find(field[1], 1, true))
    end
  end)
end)
