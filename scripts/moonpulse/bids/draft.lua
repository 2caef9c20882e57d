--- NIBS-BIDS (BEP037) as it was read: what the exporter writes and the checker asks for, and the version.
--
-- Source: specification/nibs-bids.md of the BEP037 authors' examples at 961f44d: its title says v6.3, its
-- last chapter dates the changes 2026-08-24. Facts in our own words. Another text of it needs another table.
local M = {}

M.version = "NIBS-BIDS v6.3 (2026-08-24, 961f44d)"
--- The BIDS that its examples name.
M.bids_version = "1.11.0"

local function set(...)
  local found = {}
  for _, each in ipairs { ... } do
    found[each] = true
  end
  return found
end

M.types = set("TMS", "tES", "TUS", "PNS")
--- Which shapes go with which type.
M.shapes = { Monophasic = set("TMS", "PNS"), Biphasic = set("TMS", "PNS"), Halfsine = set("TMS"),
  Rectangle = set("tES", "PNS"), Noise = set("tES"), Sinusoid = set("tES", "TUS"),
  Custom = set("TMS", "tES", "TUS", "PNS") }
M.inflections = set("rising", "descending")
M.directions = set("cl", "co", "cl-co", "co-cl", "other")
M.references = set("rMT", "aMT", "1mV", "e-field", "absolute")
M.validations = set("verified", "observed", "not_verified", "unknown")
M.elements = set("coil", "electrode", "transducer")
M.roles = set("anode", "cathode", "return", "ground", "other")
M.layers = 4 -- that the draft's own validator names
M.mso = "% Maximum Stimulator Output"

--- Units are symbols; what people write instead, and what is meant.
M.unit_words = {
  seconds = "s", second = "s", sec = "s", milliseconds = "ms", millisecond = "ms", msec = "ms",
  microseconds = "us", microsecond = "us", hertz = "Hz", hz = "Hz", milliamperes = "mA", milliampere = "mA",
  millimeters = "mm", millimetres = "mm", millimeter = "mm", millimetre = "mm", degrees = "deg",
  degree = "deg",
  volts = "V", volt = "V", ["%MSO"] = M.mso, MSO = M.mso, ["% MSO"] = M.mso,
}

--- Names of earlier drafts, and their new ones.
M.renamed = {
  column = { event_id = "nibs_event_id", element_id = "nibs_element_id", position_id = "nibs_position_id",
    stim_id = "nibs_event_id" },
  nibs = { NavigationSystem = "NavigationSystem of *_coordsystem.json" },
  stimulator = { ManufacturerModelName = "ManufacturersModelName",
    ManufacturerSerialNumber = "DeviceSerialNumber", SoftwareVersion = "SoftwareVersions" },
  intensity = { Type = "IntensityType" },
}

--- What each entry of a set must have.
M.required = {
  StimulatorSet = { "StimulatorID" }, ElementSet = { "ElementID", "ElementType" },
  IntensitySet = { "IntensityID", "Value", "Units" },
}

--- Columns of *_nibs.tsv, and how a cell is read: a number, a text, a list of numbers between |, or parts:
--- texts between |.
M.nibs = {
  nibs_event_id = "text", nibs_type = "text", stimulator_id = "text", nibs_element_id = "parts",
  stimulus_shape = "text", first_inflection = "parts", current_direction = "parts",
  stimulus_intensity = "list", stimulus_duration = "number", stimulus_description = "text",
    intensity_reference = "parts",
  intensity_scaling = "parts", stimulus_count = "number", stimulus_validation = "text",
  ramp_up = "number", ramp_down = "number", frequency = "number", starting_phase = "number",
    offset = "number",
  frequency_low = "number", frequency_high = "number", mechanical_index = "number", thermal_index = "number",
}

--- How a cell of a column is read; nil: the draft does not know the column.
---@param name string
---@return "number"|"text"|"list"|"parts"|nil
function M.kind(name)
  local what = name:match("^pattern%d+_(%l+)$")
  if what then
    return what == "intensity" and "list" or (what == "count" or what == "interval" or what == "frequency"
      or what == "duration") and "number" or nil
  end
  return M.nibs[name]
end

--- The columns of *_nibs.tsv in the order of the draft's examples; layers: how many.
---@param layers integer
---@return string[]
function M.columns(layers)
  local list = { "nibs_event_id", "nibs_type", "stimulator_id", "nibs_element_id", "stimulus_shape",
    "first_inflection", "current_direction", "stimulus_intensity", "stimulus_duration" }
  for i = 1, layers do
    for _, what in ipairs { "count", "interval", "frequency", "intensity" } do
      list[#list + 1] = ("pattern%d_%s"):format(i, what)
    end
  end
  for _, name in ipairs { "intensity_reference", "intensity_scaling", "stimulus_count",
    "stimulus_validation" } do
    list[#list + 1] = name
  end
  return list
end

return M
