--- Who gave the pulses: stimulator, coils, thresholds, places, from the manifest and from --meta. What
--- neither says is n/a: nothing is guessed.
local draft = require "moonpulse.bids.draft"
local meta_files = require "moonpulse.bids.meta"
local read = require "moonpulse.record.read"

local M = {}

--- A value that is told alone, or with where it comes from: { value =, source = }.
local function plain(value)
  if type(value) == "table" then
    value = value.value
  end
  return (type(value) == "string" or type(value) == "number") and value or nil
end

--- A field of the device, whichever way the manifest has it.
---@param manifest table
---@param name string
---@return string|number|nil
function M.device(manifest, name)
  return plain(read.get(manifest, "device." .. name))
end

--- What the operator wrote down for the run: run --meta. Nothing of the participant is taken from it.
local function told(manifest, key)
  return plain(read.get(manifest, "meta." .. key))
end

--- Letters and digits only, as labels of BIDS are.
---@param text string
---@return string
function M.label(text)
  return (tostring(text):gsub("[^%w]+", ""))
end

--- Letters, digits and underlines, for ids.
local function id_of(text)
  return (text:gsub("[^%w]+", "_"):gsub("^_+", ""):gsub("_+$", ""))
end

--- The stimulator as an entry of StimulatorSet.
---@param manifest table
---@param meta table
---@return table
function M.stimulator(manifest, meta)
  local description = M.device(manifest, "description") or ""
  local maker, kind = description:match("^(%S+)%s*(.*)$")
  local model = M.device(manifest, "model")
  local name = (kind or "") ~= "" and kind or nil
  if model and not (name or ""):find(model, 1, true) then
    name = name and name .. " " .. model or model
  end
  return meta_files.over({ StimulatorID = id_of(M.device(manifest, "name") or "stimulator"),
    Manufacturer = maker or "n/a", ManufacturersModelName = name or "n/a",
    DeviceSerialNumber = M.device(manifest, "serial") or "n/a",
    SoftwareVersions = M.device(manifest, "firmware") or "n/a" }, (meta.StimulatorSet or {})[1])
end

local shapes = { monophasic = "Monophasic", biphasic = "Biphasic", halfsine = "Halfsine" }
local inflections = { normal = "rising", reverse = "descending" }

--- What the device's settings are in the draft's words: shape, first_inflection, current_direction, duration.
---@param manifest table
---@param meta table
---@return table<string, string|number|nil>
function M.stimulus(manifest, meta)
  local waveform = tostring(M.device(manifest, "waveform") or ""):lower():gsub("[%s_-]", "")
  local direction = tostring(M.device(manifest, "current_direction") or ""):lower()
  return { stimulus_shape = meta.stimulus_shape or shapes[(waveform:gsub("burst$", ""))],
    first_inflection = meta.first_inflection or inflections[direction],
    current_direction = meta.current_direction or draft.directions[direction] and direction or nil,
    stimulus_duration = meta.stimulus_duration or tonumber(told(manifest, "pulse_width_us")) }
end

local function coil_of(manifest)
  local coil = read.get(manifest, "device.coil")
  local name = type(coil) == "table" and (coil.value or coil.model or coil.name) or coil
  local function field(key)
    return type(coil) == "table" and plain(coil[key]) or nil
  end
  return { ModelName = type(name) == "string" and name or "n/a", CoilShape = field("shape")
    or told(manifest, "coil_shape") or "n/a", SerialNumber = field("serial") or told(manifest,
      "coil_serial") }
end

--- A place in words: what the protocol and the operator say of it.
local function place_of(manifest, target)
  local parts = { target and "target as the protocol names it: " .. target }
  local function add(words, key)
    local text = told(manifest, key)
    parts[#parts + 1] = text and words .. text or nil
  end
  add("target: ", "target")
  add("hotspot: ", "hotspot")
  add("coil: ", "coil_location")
  add("handle: ", "coil_orientation")
  add("navigation: ", "navigation")
  local direction = M.device(manifest, "current_direction")
  if direction and not inflections[tostring(direction):lower()] then
    parts[#parts + 1] = "current: " .. direction
  end
  return parts[1] and table.concat(parts, "; ") or "n/a"
end

--- The elements and the places, one for each channel in its order.
---@param manifest table
---@param meta table
---@param channels string[]
---@param is_nerve fun(channel: string): boolean
---@return table<string, table> elements by channel: an entry of ElementSet
---@return table<string, table> positions by channel: a row of markers.tsv
function M.elements(manifest, meta, channels, is_nerve)
  local elements, positions = {}, {}
  local target = plain(read.get(manifest, "protocol.target"))
  for i, channel in ipairs(channels) do
    local element
    if is_nerve(channel) then
      element = { ElementID = "Electrode_" .. id_of(channel), ElementType = "electrode",
        ElectrodeRole = "other", Shape = "n/a", ElectrodeSize = "n/a", ElectrodeContactMedium = "n/a",
        Description = "Electrodes of a nerve's stimulator, as a pair." }
    else
      element = coil_of(manifest)
      element.ElementID, element.ElementType = "Coil_" .. id_of(channel), "coil"
    end
    elements[channel] = meta_files.over(element, (meta.ElementSet or {})[i])
    local named = not channel:find("^%d+$")
    local name = named and channel or #channels == 1 and target or "position_" .. channel
    positions[channel] = meta_files.over({ nibs_position_id = id_of(name),
      nibs_element_id = elements[channel].ElementID,
      position_label = named and channel or #channels == 1 and target or "n/a",
      position_description = place_of(manifest, target),
      element_distance = "n/a" }, (meta.markers or {})[i])
  end
  return elements, positions
end

local names = { RMT = "rMT", AMT = "aMT" }
local kinds = { RMT = "resting_motor", AMT = "active_motor" }

--- What an intensity is a part of, in the draft's words.
---@param reference string? MSO, RMT, AMT
---@param is_nerve boolean
---@return string
function M.reference(reference, is_nerve)
  return not is_nerve and names[reference or ""] or "absolute"
end

--- The last one of this kind that the run's own staircases found.
local function found_by_run(manifest, reference)
  local list, last = read.get(manifest, "thresholds.found"), nil
  for _, each in ipairs(type(list) == "table" and list or {}) do
    last = type(each) == "table" and each.kind == reference and each or last
  end
  return last
end

--- A threshold of the manifest: %MSO, and how it was found. One that was given, which intensities are percent
--- of, goes before one that the run found.
---@param manifest table
---@param reference "RMT"|"AMT"
---@return number? value
---@return table found { how, date }
function M.threshold(manifest, reference)
  local found = read.get(manifest, "thresholds." .. reference:lower()) or found_by_run(manifest, reference)
  local value = type(found) == "table" and found.value or found
  local of = type(found) == "table" and found or {}
  return type(value) == "number" and value or nil,
    { how = plain(of.how_found) or plain(of.how) or plain(of.method), date = plain(of.date) }
end

--- The entry of IntensitySet for a reference; nil: there is none (absolute, or the threshold is not known).
---@param manifest table
---@param meta table
---@param reference "RMT"|"AMT"
---@return table?
function M.intensity(manifest, meta, reference)
  local value, found = M.threshold(manifest, reference)
  if not value then
    return nil
  end
  local over
  local key = reference:lower() .. "_method"
  local method = told(manifest, key) or told(manifest, "threshold_method")
  local muscle, electrodes = told(manifest, "muscle"), told(manifest, "emg_electrodes")
  local emg = (muscle or electrodes) and ("EMG: %s"):format(table.concat({ muscle or electrodes,
    muscle and electrodes }, ", "))
  for _, each in ipairs(meta.IntensitySet or {}) do
    over = each.IntensityID == names[reference] and each or over
  end
  return meta_files.over({ IntensityID = names[reference], Value = value, Units = draft.mso,
    IntensityType = kinds[reference], Criterion = method or "n/a", Algorithm = "n/a",
    MeasurementMethod = emg or found.how ~= method and found.how or "n/a" }, over)
end

return M
