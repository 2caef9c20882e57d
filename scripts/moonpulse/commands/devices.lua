--- moonpulse devices: the drivers, what each can do, and what it was proven on.
local cli = require "moonpulse.cli"
local devices = require "moonpulse.devices"

local M = {}

function M.parser()
  local parser = cli.parser("devices",
    "List the drivers: what each device can do, and its state of proof (simulated: tried on our model "
      .. "of the device only; hardware: measured on the device; experimental: the protocol itself is in "
      .. "doubt). Drivers in the folders of $MOONPULSE_PATH are listed too.",
    "moonpulse devices\nmoonpulse devices --device ./mine.lua   (checks the driver's contract)")
  parser:option("--device", "Only this one, in full: a name, or the path of a driver to check.")
    :argname("NAME")
  return parser
end

local function timing(driver)
  local encode = driver.encode
  if type(encode) == "function" then
    encode = encode {}
  end
  return encode.train and "single pulses, and trains that it times itself" or "single pulses"
end

local function serial_text(driver)
  local serial = driver.serial
  if type(serial) ~= "table" then
    return "as --device-option says"
  end
  return ("%d baud, %d%s%g%s"):format(serial.baud, serial.bits, serial.parity:sub(1, 1):upper(),
    serial.stop_bits, serial.flow == "none" and "" or ", " .. serial.flow)
end

local function in_full(driver)
  local limits, range = driver.limits(nil), driver.limits(nil).intensity
  local function line(key, text, ...)
    print(("%-13s"):format(key) .. (select("#", ...) > 0 and text:format(...) or text))
  end
  line("name", driver.name)
  line("device", driver.description)
  line("proof", driver.proof)
  line("does", timing(driver))
  line("says", driver.confirms == false and "nothing about its pulses: they are recorded as sent"
    or "when it fired: every pulse is confirmed")
  line("channels", "%d", limits.channels)
  line("intensity", "%g to %g %%MSO in steps of %g", range.min, range.max, range.step)
  line("fastest", limits.why)
  line("port", serial_text(driver))
  line("twin", driver.simulator and ("moonpulse run ... --device sim:%s"):format(driver.name)
    or "none")
  local specs = {}
  for _, spec in pairs(driver.options or {}) do
    specs[#specs + 1] = ("%s%s"):format(spec[1], spec.help and " (" .. spec.help .. ")" or "")
  end
  table.sort(specs)
  if #specs > 0 then
    line("options", "%s", table.concat(specs, "\n" .. (" "):rep(13)))
  end
end

function M.run(options)
  if options.device then
    local driver, message = devices.find(options.device)
    if not driver then
      cli.fail("usage", "%s", message)
    end
    return in_full(driver)
  end
  local list = {}
  for i, name in ipairs(devices.names) do
    list[i] = { name = name, find = name }
  end
  for _, file in ipairs(devices.user_files()) do
    list[#list + 1] = { name = file.name, find = file.path }
  end
  print(("%-12s %-13s %-28s %s"):format("name", "proof", "device", "does"))
  for _, each in ipairs(list) do
    local driver, message = devices.find(each.find)
    if driver then
      print(("%-12s %-13s %-28s %s"):format(each.name, driver.proof, driver.description,
        timing(driver)))
    else
      print(("%-12s %s"):format(each.name, message))
    end
  end
end

return M
