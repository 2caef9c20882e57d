--- moonpulse ports: the serial ports of this machine.
local cli = require "moonpulse.cli"
local core = require "moonpulse.core"

local M = {}

function M.parser()
  return cli.parser("ports",
    "List the serial ports: path, USB vendor:product, serial number, description.",
    "moonpulse ports")
end

function M.run()
  local ports, message = core.ports()
  if not ports then
    cli.fail("fault", "%s", message)
  end
  if #ports == 0 then
    print("no serial port: plug the adapter in and look again (dmesg | tail says what the system saw)")
    return
  end
  print("path\tusb_id\tusb_serial\tdescription")
  for _, port in ipairs(ports) do
    print(("%s\t%s\t%s\t%s"):format(port.path, port.usb_id or "n/a", port.usb_serial or "n/a",
      port.description or "n/a"))
  end
end

return M
