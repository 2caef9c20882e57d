--- Tests of mybox: moonpulse test mybox_spec.lua
local conformance = require "moonpulse.conformance"
local devices = require "moonpulse.driver.find"

local folder = debug.getinfo(1, "S").source:match("^@(.*)/[^/]*$") or "."
local driver = assert(devices.find(folder .. "/mybox.lua"))

-- what every driver must do: about sixty cases, from the bytes to whole runs
conformance.spec(folder .. "/mybox.lua")

-- and what only this one does: frames from its manual, not from this driver
describe("the commands of mybox", function()
  it("are the lines that its manual shows", function()
    assert.are.equal("$SET 30*61\n", driver.commands.set_power { percent = 30 })
    assert.are.equal("$FIRE*18\n", driver.commands.fire())
  end)
end)

describe("the replies of mybox", function()
  it("are read as its manual says", function()
    local reply, used = driver.decode("$FIRED 30*7F\n$STA")
    assert.are.same({ "pulse", 30, 13 }, { reply.name, reply.power, used })
  end)
end)
