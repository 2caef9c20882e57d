--- scripts/flight.lua prints a flight record as a table.
local core = require "moonpulse.core"
local shell = require "shell"

describe("the table of a flight record", function()
  local folder, path
  before_each(function()
    folder = shell.folder()
    path = folder .. "/flight.bin"
    local flight = assert(core.flight(path, 16))
    assert.is_true(flight:start(5000000))
    assert.is_true(flight:play(1, 7000000))
    assert.is_true(flight:confirm(3, 9500000))
    flight:close()
  end)
  after_each(function() shell.remove(folder) end)

  local function printed()
    local status, out, err = shell.moonpulse(folder, "lua scripts/flight.lua " .. path)
    local rows = {}
    for line in out:gmatch("[^\n]+") do
      rows[#rows + 1] = line
    end
    return status, rows, err
  end

  it("has a row for each, with times from the run's start", function()
    local status, rows, err = printed()
    assert.are.equal(0, status, err)
    assert.are.same({
      "place\tkind\tsend\tplan\tnumber\tdue_ms\twoken_ms\tsent_ms\treturned_ms\tstop",
      "1\tstart\t-\t0\t0\t-\t-\t-\t-\t-",
      "2\tplay\t-\t1\t1\t2.000000\t-\t-\t-\t-",
      "3\tconfirm\t-\t1\t3\t-\t4.500000\t-\t-\t-",
    }, rows)
  end)

  it("says what is torn, with status 1", function()
    local bytes = shell.read(path)
    shell.write(path, bytes:sub(1, -60) .. "x" .. bytes:sub(-58))
    local status, rows, err = printed()
    assert.are.equal(1, status)
    assert.are.equal(3, #rows)
    assert.matches("1 record of 3 could not be read", err, 1, true)
  end)

  it("says that a file is none, and how it is called", function()
    shell.write(path, "nothing")
    local status, _, err = printed()
    assert.are.equal(1, status)
    assert.matches("flight", err)
    status, _, err = shell.moonpulse(folder, "lua scripts/flight.lua")
    assert.are.equal(2, status)
    assert.matches("usage", err)
  end)
end)
