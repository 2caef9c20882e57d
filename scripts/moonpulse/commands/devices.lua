--- moonpulse devices: the drivers, what each can do, and what it was proven on.
local as_json = require "moonpulse.cli.as_json"
local cli = require "moonpulse.cli"
local devices = require "moonpulse.driver.find"
local in_order = require "moonpulse.text.in_order"
local json = require "moonpulse.text.sorted_json"

local M = {}

function M.parser()
  local parser = cli.parser("devices",
    "List the drivers: what each device can do, and its state of proof (simulated: tried on our model "
      .. "of the device only; hardware: measured on the device; experimental: the protocol itself is in "
      .. "doubt). Drivers in the folders of $MOONPULSE_PATH are listed too.",
    "moonpulse devices\nmoonpulse devices --device ./mine.lua   (checks the driver's contract)")
  parser:option("--device", "Only this one, in full: a name, or the path of a driver to check.")
    :argname("NAME")
  parser:flag("--json", "One JSON object a line for each driver (docs/schemas).")
  return parser
end

--- The driver with its options at their defaults; as it is, where one of them has none.
local function usual(driver)
  local ok, own = pcall(devices.configure, driver, {})
  return ok and own or driver
end

--- encode and confirms may depend on options that must be given.
local function trains(driver)
  return type(driver.encode) == "table" and driver.encode.train ~= nil
end

local function confirmation(driver)
  if type(driver.confirms) == "function" then
    return "it depends"
  end
  return driver.confirms == false and "no" or "yes"
end

local settings_texts = {
  read = "which settings it has: no pulse leaves before it has confirmed them",
  received = "that it took a setting, not which: the record says so for every pulse",
  none = "nothing of its settings: the record says so for every pulse",
}

--- How settings are confirmed with a driver's usual options, and where one of the options that have no usual
--- value makes it another: what the record says of each pulse (setting_proof) hangs on these.
---@return string usual
---@return table<string, string> others by option
local function proofs(driver)
  local own, others = usual(driver), {}
  for _, spec in pairs(own.settings and driver.options or {}) do
    if spec.optional and math.type(spec[4]) then -- its largest value stands for all
      local ok, with = pcall(devices.configure, driver, { [spec[1]] = ("%d"):format(spec[4]) })
      if ok and with.setting_proof ~= own.setting_proof then
        others[spec[1]] = with.setting_proof
      end
    end
  end
  return own.setting_proof or "none", others
end

--- The same in a column: "none/received".
local function proof_text(driver)
  local first, others = proofs(driver)
  if type(first) ~= "string" then
    return "it depends"
  end
  local _, other = next(others)
  return other and first .. "/" .. other or first
end

local function period(driver)
  return driver.keepalive and ("%g s"):format(driver.keepalive.period) or "-"
end

local function serial_text(driver)
  local serial = driver.serial
  if type(serial) ~= "table" then
    return "as --device-option says"
  end
  return ("%d baud, %d%s%g%s"):format(serial.baud, serial.bits, serial.parity:sub(1, 1):upper(),
    serial.stop_bits, serial.flow == "none" and "" or ", " .. serial.flow)
end

local function intensity_text(range)
  return ("%g to %g %%MSO in steps of %g"):format(range.min, range.max, range.step)
end

local function port_text(driver)
  local usb = driver.usb and "; --port auto looks for USB " .. table.concat(driver.usb, ", ") or ""
  return serial_text(driver) .. usb
end

local function in_full(driver)
  local own = usual(driver)
  local limits = own.limits(nil)
  local function line(key, text, ...)
    print(("%-13s"):format(key) .. (select("#", ...) > 0 and text:format(...) or text))
  end
  line("name", driver.name)
  line("device", driver.description)
  line("proof", driver.proof)
  line("does", trains(own) and "single pulses, and trains that it times itself"
    or "single pulses, timed by us")
  line("says", own.confirms == false and "nothing about its pulses: they are recorded as sent"
    or "when it fired: every pulse is confirmed")
  local proof, others = proofs(driver)
  line("", "%s", settings_texts[proof] or "nothing of its settings")
  for option, settings in in_order.pairs(others) do
    line("", "with --device-option %s: %s", option, settings_texts[settings])
  end
  line("channels", "%d%s", limits.channels,
    limits.channel_names and " (" .. table.concat(limits.channel_names, ", ") .. ")" or "")
  line("intensity", intensity_text(limits.intensity))
  line("fastest", limits.why)
  line("latency", "%s from a command to its pulse (%s)", type(own.latency) == "number"
    and ("%g ms"):format(own.latency * 1000) or "hangs on its options", own.latency_from
      or "nobody says where that is from")
  line("keep-alive", own.keepalive and "every " .. period(own) .. " while armed" or "none")
  if driver.trigger_latency then
    line("trigger", "fires on an edge, %g ms later", driver.trigger_latency * 1000)
  end
  line("port", port_text(own))
  line("simulator", driver.simulator and "moonpulse run ... --device sim:" .. (driver.file or driver.name)
    or "none")
  local specs = {}
  for _, spec in pairs(driver.options or {}) do
    specs[#specs + 1] = ("%s%s"):format(spec[1], spec.help and " (" .. spec.help .. ")" or "")
  end
  specs[#specs + 1] = ("%s (%s)"):format(devices.latency_option[1], devices.latency_option.help)
  table.sort(specs)
  line("options", "%s", table.concat(specs, "\n" .. (" "):rep(13)))
end

--- A driver as data.
local function data_of(name, driver)
  local own = usual(driver)
  local ok, limits = pcall(own.limits, nil)
  local proof, others = proofs(driver)
  local options = json.list {}
  for _, spec in pairs(driver.options or {}) do
    options[#options + 1] = { name = spec[1], help = spec.help }
  end
  options[#options + 1] = { name = devices.latency_option[1], help = devices.latency_option.help }
  table.sort(options, function(a, b) return a.name < b.name end)
  local confirms = confirmation(own)
  return { what = "moonpulse devices", name = name, description = driver.description, proof = driver.proof,
    file = driver.file, times_trains = trains(own), confirms = confirms,
    setting_proof = proof, setting_proof_with = next(others) and others or nil,
    channels = ok and limits.channels or nil, channel_names = ok and limits.channel_names
      and json.list(limits.channel_names) or nil,
    intensity = ok and { min = limits.intensity.min, max = limits.intensity.max,
      step = limits.intensity.step } or nil, fastest = ok and limits.why or nil,
    keepalive_s = own.keepalive and own.keepalive.period or nil,
    latency_ms = type(own.latency) == "number" and own.latency * 1000 or nil, latency_from = own.latency_from,
    trigger_latency_ms = driver.trigger_latency and driver.trigger_latency * 1000 or nil,
    port = port_text(own), simulator = driver.simulator ~= nil, options = options }
end

local columns = "%-12s %-12s %s %8s  %-6s  %-9s  %-13s  %-10s  %s"

--- Padded by what is seen: a superscript is two bytes.
local function padded(text, width)
  return text .. (" "):rep(width - (utf8.len(text) or #text))
end

local function row(name, driver)
  local own = usual(driver)
  local ok, limits = pcall(own.limits, nil)
  return columns:format(name, driver.proof, padded(driver.description, 30),
    ok and limits.channels or "?", trains(own) and "device" or "host", confirmation(own),
    proof_text(driver), period(own),
    driver.trigger_latency and ("%g ms"):format(driver.trigger_latency * 1000) or "-")
end

function M.run(options)
  if options.device then
    local driver, message = devices.find(options.device)
    if not driver then
      cli.fail("usage", "%s", message)
    end
    if options.json then
      return as_json.tell(data_of(driver.name, driver))
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
  if options.json then
    for _, each in ipairs(list) do
      local driver, message = devices.find(each.find)
      as_json.tell(driver and data_of(each.name, driver)
        or { what = "moonpulse devices", name = each.name, problem = message })
    end
    return
  end
  print(columns:format("name", "proof", padded("device", 30), "channels", "trains", "confirms", "settings",
    "keep-alive",
    "trigger"))
  for _, each in ipairs(list) do
    local driver, message = devices.find(each.find)
    print(driver and row(each.name, driver) or ("%-12s %s"):format(each.name, message))
  end
  print("\ntrains: who can time them; confirms: it says when it fired; settings: "
    .. "it says which it has (read),\nthat it took one (received), or nothing (none/read: an option "
    .. "decides); trigger: from an edge "
    .. "to the pulse.\nmoonpulse devices --device NAME says more.")
end

return M
