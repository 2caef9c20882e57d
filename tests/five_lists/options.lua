--- Device options (--device-option) drawn at random, what can be asked of a device with them, and what its
--- pulses must then be. Also powers up to the most that it gives.
local chances = require "chance"
local paces = require "five_lists.paces"

local M = {}

local with = paces.with

local function base(name)
  for _, device in ipairs(paces.devices) do
    if device.name == name then
      return device
    end
  end
end

--- Some of the given values, by name: each option is left out one time in three.
local function some(chance, values)
  local settings = {}
  local names = {}
  for name in pairs(values) do
    names[#names + 1] = name
  end
  table.sort(names)
  for _, name in ipairs(names) do
    if not chance:once_in(3) then
      settings[name] = chance:pick(values[name])
    end
  end
  return settings
end

--- Outputs by the plan's names: { settings text, channel of the plan -> output }.
local function outputs_of(text)
  local map = {}
  for name, number in text:gmatch("([^=,]+)=(%d)") do
    map[name] = number
  end
  return map
end

--- The paces of a device of several outputs whose channels have these names.
local function on_outputs(list, map)
  local names, made = {}, {}
  for name in pairs(map) do
    names[#names + 1] = name
  end
  table.sort(names)
  for i, pace in ipairs(list) do
    made[i] = names[2] and paces.outputs(pace, names[1], names[2]) or pace
  end
  return made
end

--- A box of outputs, each a voltage or a current: full is the option that says what 100 %MSO is.
local function box(chance, device, values, full)
  device.settings = some(chance, values)
  local settings, map = device.settings, {}
  local text = settings.channels
  if text then
    map = outputs_of(text)
    device.paces, device.own = on_outputs(device.paces, map), on_outputs(device.own, map)
  end
  device.output_of = map
  local driven = {}
  for _, name in ipairs(full) do
    if settings[name] then
      driven[#driven + 1] = name
    end
  end
  if #driven == 2 then -- one of them counts
    settings[driven[2]] = nil
  end
  device.by_hand = not driven[1]
  return driven[1]
end

local whole_percent = { num = 100, den = 1 } -- of what a hand sets

local draws = {
  bistim = function(chance, device)
    device.settings = some(chance, { resolution = { "high", "low", "auto" } })
    if device.settings.resolution == "low" then
      local isis = { { 1, 1000 }, { 1, 100 }, { 1, 20 }, { 3, 10 }, { 1, 2 } }
      local pairs_of = with(device.paces[2], { isis = isis })
      device.paces = { device.paces[1], pairs_of, pairs_of }
      device.own = { with(device.own[1], { isis = isis }) }
    end
  end,
  rapid = function(chance, device)
    device.settings = some(chance, { model = { "rapid", "super", "superplus" }, mains = { "115", "230" },
      enhanced = { "0", "0", "1" }, coil_switch = { "use", "ignore" }, code = { "1234-12345678-ab" } })
    if device.settings.enhanced == "1" then
      device.shape = { mode = "enhanced" }
      local slow = with(device.paces[1], { rates = { { 1, 2 }, { 1, 3 }, { 2, 5 }, { 1, 4 } },
        rests = { { 2, 1 }, { 7, 3 }, { 5, 1 } }, most_mso = 110 })
      device.paces = { slow }
    end
  end,
  duomag = function(chance, device)
    device.settings = some(chance, { interval = { "0.5", "2" } })
    local interval = device.settings.interval
    if interval == "0.5" then -- what the simulated unit recharges in
      device.paces = { with(device.paces[1], { rates = { { 1, 1 }, { 2, 1 }, { 4, 3 }, { 3, 2 } },
        rests = { { 1, 2 }, { 1, 1 }, { 2, 1 } } }) }
      device.own = device.paces
    end
  end,
  pulsepal = function(chance, device)
    local full = box(chance, device, { volts = { "1", "3.3", "10" }, full_scale_volts = { "1", "5", "10" },
      pulse_ms = { "0.1", "0.2", "2", "5" }, biphasic = { "0", "1" }, interphase_ms = { "0", "0.05", "1" },
      fastest_hz = { "20", "100", "200" }, channels = { "left=1,right=3", "1=2,2=1", "4=2,left=4", "1=4" } },
      { "full_scale_volts" })
    device.grid = full and paces.volts_grid(device.settings[full]) or whole_percent
    device.shape = { waveform = device.settings.biphasic == "1" and "biphasic" or "monophasic" }
  end,
  stimjim = function(chance, device)
    local full = box(chance, device, { volts = { "1", "3.3", "10" },
      full_scale_mv = { "150", "1000", "7500", "15000" }, full_scale_ua = { "50", "1000", "3330" },
      pulse_us = { "20", "100", "500" }, biphasic = { "0", "1" }, interphase_us = { "0", "20", "100" },
      fastest_hz = { "20", "100", "200" },
      channels = { "left=0,right=1", "0=1,1=0", "1=0" } }, { "full_scale_mv", "full_scale_ua" })
    device.grid = full and paces.units_grid(device.settings[full]) or whole_percent
    device.shape = { waveform = device.settings.biphasic == "1" and "biphasic" or "monophasic",
      mode = full == "full_scale_ua" and "Current output" or "Voltage output" }
  end,
  trigger = function(chance, device)
    device.settings = some(chance, { kind = { "byte", "text", "rts", "dtr", "break" },
      value = { "1", "2", "129" }, text = { "T", "fire\\n" }, width_ms = { "1", "3" },
      baud = { "9600", "115200" } })
    device.any_output = true -- the lines of a byte are not channels
  end,
}
draws.magventure = function(_, device) device.settings = {} end
draws.magstim200 = draws.magventure

--- Every pace with powers up to the most.
local function strong(list)
  local made = {}
  for i, pace in ipairs(list) do
    local most = pace.most_mso or 100
    made[i] = with(pace, { most = math.min(pace.most, 6),
      ranges = { MSO = { 60, 100 }, RMT = { 110, 2 * most }, AMT = { 120, 20 * most // 9 } } })
  end
  return made
end

--- A device of paces.devices with options drawn from the seed.
---@param name string
---@param seed integer
---@return table
function M.device(name, seed)
  local chance = chances.new(7919 * seed)
  local device = setmetatable({}, { __index = base(name) })
  draws[name](chance, device)
  if device.by_hand then
    for _, key in ipairs { "paces", "own" } do
      local made = {}
      for i, pace in ipairs(device[key]) do
        made[i] = with(pace, { one_intensity = true })
      end
      device[key] = made
    end
  end
  if chance:once_in(2) then
    device.paces, device.own = strong(device.paces), strong(device.own)
  end
  return device
end

--- The options as --device-option says them.
function M.text(device)
  local parts = {}
  for name, value in pairs(device.settings) do
    parts[#parts + 1] = name .. "=" .. value
  end
  table.sort(parts)
  return table.concat(parts, " ")
end

return M
