--- Ports by path, by USB identity, by what the driver knows; on a faked /sys and /dev.
local lfs = require "lfs"
local port_name = require "moonpulse.cli.port_name"
local shell = require "shell"

local box = { name = "box", description = "Box", usb = { "2341:003D" } }
local root

--- One adapter as the kernel shows it: the tty's device link, and the USB device above it.
local function plug(name, usb, facts)
  local interface = ("%s/sys/devices/usb1/%s/%s:1.0"):format(root, usb, usb)
  local holder = name:find("ttyUSB") and interface .. "/" .. name or interface
  os.execute(("mkdir -p %s/sys/class/tty/%s %s %s/dev"):format(root, name, holder, root))
  assert(lfs.link(holder, ("%s/sys/class/tty/%s/device"):format(root, name), true))
  for key, value in pairs(facts) do
    shell.write(("%s/sys/devices/usb1/%s/%s"):format(root, usb, key), value .. "\n")
  end
  shell.write(root .. "/dev/" .. name, "")
end

local function resolve(text, driver)
  return port_name.resolve(text, driver or box, { root = root })
end

describe("a port's name", function()
  before_each(function()
    root = shell.folder()
    plug("ttyUSB0", "1-1", { idVendor = "0403", idProduct = "6001", serial = "A1", product = "FT232R" })
    plug("ttyUSB1", "1-2", { idVendor = "0403", idProduct = "6001", serial = "B2" })
    plug("ttyACM0", "1-3", { idVendor = "2341", idProduct = "003d" })
    os.execute(("mkdir -p %s/sys/class/tty/ttyS0/device %s/dev/serial/by-id"):format(root, root))
    shell.write(root .. "/dev/ttyS0", "")
    assert(lfs.link("../../ttyUSB1", root .. "/dev/serial/by-id/usb-FTDI", true))
  end)

  after_each(function()
    shell.remove(root)
  end)

  it("may be a path, which nobody looks for", function()
    assert.are.equal("/tmp/stim", (resolve "/tmp/stim"))
    assert.are.equal("stim", (resolve "stim"))
    local path, port = resolve "/dev/ttyS0"
    assert.are.same({ "/dev/ttyS0" }, { path, port })
  end)

  it("may be a path, of which the USB facts are told", function()
    local path, port = resolve "/dev/ttyUSB0"
    assert.are.equal("/dev/ttyUSB0", path)
    assert.are.same({ path = "/dev/ttyUSB0", usb_id = "0403:6001", usb_serial = "A1",
      description = "FT232R" }, port)
    path, port = resolve "/dev/serial/by-id/usb-FTDI"
    assert.are.same({ "/dev/serial/by-id/usb-FTDI", "B2" }, { path, port.usb_serial })
  end)

  it("of a USB adapter has no line for event codes, whatever it is called by", function()
    for _, path in ipairs { "/dev/ttyUSB0", "/dev/ttyACM0", "/dev/serial/by-id/usb-FTDI" } do
      local why = port_name.line_waits(path, root)
      assert.matches(path .. " is a USB adapter (", why, 1, true)
      assert.matches("leave out line=", why, 1, true)
    end
    assert.is_nil(port_name.line_waits("/dev/ttyS0", root))
    assert.is_nil(port_name.line_waits("/tmp/box", root))
  end)

  it("may be its name in /dev", function()
    local path, port = resolve "ttyACM0"
    assert.are.same({ "/dev/ttyACM0", "2341:003d" }, { path, port.usb_id })
  end)

  it("may be a USB vendor and product, where only one has it", function()
    assert.are.equal("/dev/ttyACM0", (resolve "2341:003D"))
    local path, message = resolve "0403:6001"
    assert.is_nil(path)
    assert.are.equal("2 ports are USB 0403:6001: /dev/ttyUSB0 (0403:6001:A1, FT232R), "
      .. "/dev/ttyUSB1 (0403:6001:B2); name one of them, or add its serial number", message)
  end)

  it("may have the serial number, which decides", function()
    local path, port = resolve "0403:6001:B2"
    assert.are.equal("/dev/ttyUSB1", path)
    assert.are.equal("B2", port.usb_serial)
  end)

  it("says what is there where nothing matches", function()
    local path, message = resolve "0403:6001:C3"
    assert.is_nil(path)
    assert.matches("no port is USB 0403:6001:C3; the USB ports are: /dev/ttyACM0 (2341:003d), "
      .. "/dev/ttyUSB0", message, 1, true)
    shell.remove(root .. "/sys")
    path, message = resolve "0403:6001"
    assert.is_nil(path)
    assert.matches("no USB adapter is plugged in", message, 1, true)
  end)

  it("auto is what the driver says its device shows, and never one of several", function()
    assert.are.equal("/dev/ttyACM0", (resolve "auto"))
    local path, message = resolve("auto", { name = "other", description = "Other" })
    assert.is_nil(path)
    assert.matches("the driver other does not say", message)
    path, message = resolve("auto", { name = "two", description = "Two", usb = { "2341:003d",
      "0403:6001" } })
    assert.is_nil(path)
    assert.matches("3 ports are an adapter that the Two shows: /dev/ttyACM0 (2341:003d), /dev/ttyUSB0",
      message, 1, true)
  end)
end)
