--- Which serial port is meant: a path or name, a USB vendor:product[:serial number], or "auto".
--
-- Reads /sys and opens nothing: opening a port raises its DTR and RTS, and what hangs there may be
-- somebody else's stimulator with one of them for a trigger.

local M = {}

--- The host's files; loaded for those who name a port.
local function host_files(root)
  return require("moonpulse.doctor.files").new(root or "")
end

---@class moonpulse.UsbPort
---@field path string
---@field usb_id string "0403:6001"
---@field usb_serial string?
---@field description string?

--- What is known of the USB device behind a port; nil where it is none.
---@param path string links are followed: /dev/serial/by-id/... works too
---@param root string? a faked host's folder; "" is this one
---@return moonpulse.UsbPort?
function M.facts(path, root)
  local files = host_files(root)
  local name = path:sub(1, 1) == "/" and files:resolve(path):match("^/dev/([%w_%-]+)$")
  -- ttyACM hangs at the interface, ttyUSB at a port of it: the USB device is one or two folders up
  for _, up in ipairs(name and { "/device/..", "/device/../.." } or {}) do
    local at = "/sys/class/tty/" .. name .. up
    local vendor, product = files:text(at .. "/idVendor"), files:text(at .. "/idProduct")
    if vendor and product then
      return { path = path, usb_id = (vendor .. ":" .. product):lower(),
        usb_serial = files:text(at .. "/serial"), description = files:text(at .. "/product") }
    end
  end
end

--- Why a line of that port is not for event codes: the thread that sends pulses moves it, and at a USB
--- adapter that thread waits for a message to it each time.
---@param path string
---@param root string? a faked host's folder
---@return string? why nil: it is no USB port, as far as the system says
function M.line_waits(path, root)
  local usb = M.facts(path, root)
  return usb and ("%s is a USB adapter (%s), at which each move of a line is a message that the sending of "
    .. "pulses would wait for, milliseconds at times: take a box that gets bytes (leave out line=), or a "
    .. "port of the computer itself (/dev/ttyS0, /dev/parport0)"):format(path, usb.usb_id)
end

--- The USB ports of the host.
---@param root string? a faked host's folder
---@return moonpulse.UsbPort[]
function M.list(root)
  local ports = {}
  for _, name in ipairs(host_files(root):list("/sys/class/tty") or {}) do
    ports[#ports + 1] = M.facts("/dev/" .. name, root)
  end
  return ports
end

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
  local text = table.concat(list, ", ")
  if #found > 0 then
    return nil, ("%d ports are %s: %s; name one of them, or add its serial number"):format(#found,
      wanted, text)
  elseif #list == 0 then
    return nil, ("no port is %s: no USB adapter is plugged in (dmesg | tail says what the system saw)")
      :format(wanted)
  end
  return nil, ("no port is %s; the USB ports are: %s"):format(wanted, text)
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

--- A path as given, or the name of a port in /dev.
local function path_of(text, root)
  local files = host_files(root)
  local path = "/dev/" .. text
  if not text:find("/", 1, true) and files:attributes(path) then
    text = path
  end
  return text, M.facts(text, root)
end

--- The path of the port that text names.
---@param text string "/dev/ttyUSB0", "ttyUSB0", "0403:6001", "0403:6001:A50285BI" or "auto"
---@param driver moonpulse.Driver? with usb = { "0403:6001", ... } where auto shall work
---@param options { list: (fun(): moonpulse.UsbPort[])?, root: string? }?  for tests
---@return string? path
---@return string|moonpulse.UsbPort|nil message, or what is known of the port; nil: not a USB port
function M.resolve(text, driver, options)
  options = options or {}
  if text:match("^[/%s]*$") then
    return nil, "--port names no port: give its path, its adapter as VENDOR:PRODUCT, or auto (moonpulse "
      .. "ports lists the ports)"
  end
  local id, serial = text:match("^(%x%x%x%x:%x%x%x%x)$"), nil
  if not id then
    id, serial = text:match("^(%x%x%x%x:%x%x%x%x):(.+)$")
  end
  if text ~= "auto" and not id then
    return path_of(text, options.root)
  elseif text == "auto" and not driver then
    return nil, "--port auto needs --device: the driver knows which USB adapter its device has"
  elseif text == "auto" and not driver.usb then
    return nil, ("--port auto: the driver %s does not say which USB adapter its device has; moonpulse "
      .. "ports lists the ports"):format(driver.name)
  end
  local ports = options.list and options.list() or M.list(options.root)
  if id then
    return only(matching(ports, id, serial), "USB " .. text, ports)
  end
  local found = {}
  for _, known in ipairs(driver.usb) do
    for _, port in ipairs(matching(ports, known)) do
      found[#found + 1] = port
    end
  end
  return only(found, "an adapter that the " .. driver.description .. " shows", ports)
end

return M
