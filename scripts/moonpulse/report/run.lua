--- Sections on the run itself: device and clock, protocol, host, parameters.
local facts = require "moonpulse.report.facts"
local html = require "moonpulse.report.html"
local record = require "moonpulse.record.read"
local text = require "moonpulse.drawing.text"

local M = {}

local get = record.get

--- How time passed, in words.
---@param manifest table
---@param s table
---@return string
function M.time_words(manifest, s)
  if s.time == "virtual" then
    return "Virtual time (no real clock; no timing measured)"
  elseif s.time == "real" then
    return "Real time"
  elseif s.time == "scaled" then
    return "Scaled time, speed " .. text.value(get(manifest, "speed"))
  end
  return text.missing
end

--- Whether a real stimulator was driven, in words.
---@param s table
---@return string
function M.device_words(s)
  if s.simulated == true then
    return "Simulator (no stimulator was driven)"
  elseif s.simulated == false then
    return "Real device"
  end
  return text.missing
end

--- A port of this machine says something of a stimulator only where there is one.
local function port(manifest, s)
  local path = get(manifest, "device.port")
  if path == nil then
    path = facts.of_each(manifest, "port")
  end
  if s.simulated == true then
    return "none: the simulator's own"
  end
  return path
end

-- what the device or the operator says of the pulse
local of_pulse = { { "waveform", "Waveform" }, { "current_direction", "Current direction" },
  { "mode", "Mode" }, { "coil", "Coil" }, { "firmware", "Firmware" } }

local function said(value)
  if type(value) ~= "table" or get(value, "value") == nil then
    return value
  end
  local source = get(value, "source")
  return text.value(get(value, "value")) .. (source and (" (says the %s)"):format(text.value(source)) or "")
end

--- What is known of the device; of several of each.
local function of_device(manifest, key)
  local value = get(manifest, "device." .. key)
  if value == nil then
    return facts.of_each(manifest, key, said)
  end
  return said(value)
end

--- The run: what, when, with what.
---@param manifest table
---@param s table
---@return string
function M.run(manifest, s)
  local rows = {
    { "Protocol", get(manifest, "protocol.name"), true },
    { "Started", get(manifest, "started") },
    { "Elapsed", facts.length(manifest, s), true },
    { "Ended as", get(manifest, "result.status") },
    { "Reason given", get(manifest, "result.reason") },
    { "Simulated or real", M.device_words(s), true },
    { "Time", M.time_words(manifest, s), true },
    { "Device", get(manifest, "device.name") },
    { "Description", get(manifest, "device.description"), true },
    { "Model", of_device(manifest, "model"), true },
    { "Serial number", of_device(manifest, "serial"), true },
    { "Port", port(manifest, s) },
    { "Moonpulse version", get(manifest, "moonpulse.version"), true },
  }
  for _, field in ipairs(of_pulse) do
    local value = of_device(manifest, field[1])
    if value ~= nil then
      table.insert(rows, #rows, { field[2], value })
    end
  end
  return html.section("run", "Run", { html.facts("The run and the device", rows) })
end

--- The SHA-256 of the file that was run, as the record keeps it.
local function hash(manifest)
  local files = get(manifest, "files")
  for _, file in ipairs(type(files) == "table" and files or {}) do
    if type(file) == "table" and (file.role == "protocol" or file.role == "experiment") then
      return text.value(file.sha256)
    end
  end
end

--- The protocol: citation, target, outline.
---@param manifest table
---@return string
function M.protocol(manifest)
  local outline = get(manifest, "protocol.outline")
  local rows = {
    { "Identifier", get(manifest, "protocol.id"), true },
    { "Citation", get(manifest, "protocol.cite") },
    { "Target", get(manifest, "protocol.target") },
    { "File", facts.base_name(get(manifest, "protocol.file")) },
  }
  local digest = hash(manifest)
  rows[#rows + 1] = digest and { "Its SHA-256", digest } or nil
  local parts = { html.facts("Protocol", rows) }
  if type(outline) == "string" and outline ~= "" then
    parts[#parts + 1] = "<h3>Outline</h3><pre>" .. text.escape(outline) .. "</pre>"
  elseif facts.is_experiment(manifest) then
    parts[#parts + 1] = html.p("An experiment: the script decides as it runs, so there is no "
      .. "outline. What it gave is in the timeline and in events.tsv.", "small")
  else
    parts[#parts + 1] = "<h3>Outline</h3>" .. html.p(text.missing, "missing")
  end
  return html.section("protocol", "Protocol", parts)
end

local function sorted_keys(values)
  local keys = {}
  for key in pairs(values) do
    keys[#keys + 1] = key
  end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  return keys
end

--- The section on the host, and what it granted.
---@param manifest table
---@return string
function M.host(manifest)
  local rows = {
    { "Kernel", get(manifest, "host.kernel") },
    { "CPUs", get(manifest, "host.cpus") },
    { "Real-time scheduling", get(manifest, "host.realtime") },
  }
  local known = { kernel = true, cpus = true, realtime = true }
  local all = get(manifest, "host")
  for _, key in ipairs(type(all) == "table" and sorted_keys(all) or {}) do
    if not known[key] then
      rows[#rows + 1] = { key, all[key] }
    end
  end
  return html.section("host", "Host and real-time facts", { html.facts("Host", rows) })
end

--- The parameters, and the seed.
---@param manifest table
---@return string
function M.parameters(manifest)
  local rows = { { "Seed", get(manifest, "seed") } }
  local given = get(manifest, "parameters")
  if type(given) ~= "table" then
    rows[#rows + 1] = { "Parameters", given }
  elseif next(given) == nil then
    rows[#rows + 1] = { "Parameters", "none" }
  else
    for _, key in ipairs(sorted_keys(given)) do
      rows[#rows + 1] = { key, given[key] }
    end
  end
  return html.section("parameters", "Parameters and seed", { html.facts("Parameters", rows) })
end

return M
