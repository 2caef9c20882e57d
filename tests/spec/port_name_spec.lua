--- Ports by path, by USB identity, by what the driver knows.
local port_name = require "moonpulse.port_name"

local ports = {
  { path = "/dev/ttyUSB0", usb_id = "0403:6001", usb_serial = "A1", description = "FT232R" },
  { path = "/dev/ttyUSB1", usb_id = "0403:6001", usb_serial = "B2" },
  { path = "/dev/ttyACM0", usb_id = "2341:003D" },
  { path = "/dev/ttyS0" },
}

local function list()
  return ports
end

local box = { name = "box", description = "Box", usb = { "2341:003d" } }

describe("a port's name", function()
  it("may be a path, which nobody looks up", function()
    assert.are.equal("/tmp/stim", port_name.resolve("/tmp/stim", box, function()
      error("asked")
    end))
  end)

  it("may be a USB vendor and product, where only one has it", function()
    assert.are.equal("/dev/ttyACM0", (port_name.resolve("2341:003d", box, list)))
    local path, message = port_name.resolve("0403:6001", box, list)
    assert.is_nil(path)
    assert.matches("2 ports are USB 0403:6001: /dev/ttyUSB0 %(0403:6001:A1, FT232R%), /dev/ttyUSB1",
      message)
  end)

  it("may have the serial number, which decides", function()
    local path, port = port_name.resolve("0403:6001:B2", box, list)
    assert.are.equal("/dev/ttyUSB1", path)
    assert.are.equal("B2", port.usb_serial)
  end)

  it("says what is there where nothing matches", function()
    local path, message = port_name.resolve("0403:6001:C3", box, list)
    assert.is_nil(path)
    assert.matches("no port is USB 0403:6001:C3; the ports are: /dev/ttyUSB0", message)
  end)

  it("auto is what the driver says its device shows", function()
    assert.are.equal("/dev/ttyACM0", (port_name.resolve("auto", box, list)))
    local path, message = port_name.resolve("auto", { name = "other", description = "Other" }, list)
    assert.is_nil(path)
    assert.matches("the driver other does not say", message)
  end)
end)
