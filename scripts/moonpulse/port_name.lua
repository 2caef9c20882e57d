--- Which serial port is meant: a path, a USB vendor:product[:serial number], or "auto".
local core = require "moonpulse.core"

local M = {}

local function describe(port)
  return ("%s (%s%s%s)"):format(port.path, port.usb_id or "no USB",
    port.usb_serial and ":" .. port.usb_serial or "",
    port.description and ", " .. port.description or "")
end

local function only(found, wanted, ports)
  if #found == 1 then
    return found[1].path, found[1]
  end
  local list = {}
  for i, port in ipairs(#found > 0 and found or ports) do
    list[i] = describe(port)
  end
  local text = #list > 0 and table.concat(list, ", ") or "none"
  if #found == 0 then
    return nil, ("no port is %s; the ports are: %s"):format(wanted, text)
  end
  return nil, ("%d ports are %s: %s; name one of them, or add its serial number"):format(#found,
    wanted, text)
end

local function matching(ports, id, serial)
  local found = {}
  for _, port in ipairs(ports) do
    if port.usb_id and port.usb_id:lower() == id:lower()
      and (not serial or port.usb_serial == serial) then
      found[#found + 1] = port
    end
  end
  return found
end

--- The path of the port that text names.
---@param text string "/dev/ttyUSB0", "0403:6001", "0403:6001:A50285BI" or "auto"
---@param driver table with usb = { "0403:6001", ... } where auto shall work
---@param list fun(): table[]? core.ports by default
---@return string? path
---@return string|table message, or the port as core.ports lists it (nil for a path)
function M.resolve(text, driver, list)
  local id, serial = text:match("^(%x%x%x%x:%x%x%x%x):?(.*)$")
  if text ~= "auto" and not id then
    return text
  end
  local ports, message = (list or core.ports)()
  if not ports then
    return nil, message
  elseif id then
    return only(matching(ports, id, serial ~= "" and serial or nil), "USB " .. text, ports)
  elseif not driver.usb then
    return nil, ("--port auto: the driver %s does not say which USB adapter its device has; the ports "
      .. "are listed by moonpulse ports"):format(driver.name)
  end
  local found = {}
  for _, known in ipairs(driver.usb) do
    table.move(matching(ports, known), 1, 64, #found + 1, found)
  end
  return only(found, "an adapter that the " .. driver.description .. " shows", ports)
end

return M
