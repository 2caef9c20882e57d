--- moonpulse ports: the serial ports of this machine.
local as_json = require "moonpulse.cli.as_json"
local cli = require "moonpulse.cli"
local core = require "moonpulse.core"
local json = require "moonpulse.text.sorted_json"

local M = {}

function M.parser()
  local parser = cli.parser("ports",
    "List the serial ports: path, USB vendor:product, serial number, description.",
    "moonpulse ports")
  parser:flag("--json", "One JSON object (docs/schemas).")
  return parser
end

function M.run(options)
  local ports, message = core.ports()
  if not ports then
    cli.fail("fault", "%s", message)
  end
  if options.json then
    local list = json.list {}
    for i, port in ipairs(ports) do
      list[i] = { path = port.path, usb_id = port.usb_id, usb_serial = port.usb_serial,
        description = port.description }
    end
    return as_json.tell { what = "moonpulse ports", ports = list }
  elseif #ports == 0 then
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
