--- The files of nibs/ for a run: nibs, events and markers, each a table with its JSON.
local describe = require "moonpulse.bids.describe"
local draft = require "moonpulse.bids.draft"
local json = require "moonpulse.text.readable_json"
local rows_of = require "moonpulse.bids.rows"
local tsv = require "moonpulse.bids.tsv"
local words = require "moonpulse.bids.words"

local M = {}

--- Seconds, to the nanosecond, without zeros at the end.
---@param value number?
---@return string? nil: none
function M.seconds(value)
  if not value then
    return nil
  end
  local text = ("%.9f"):format(value):gsub("%.?0+$", "")
  return text == "-0" and "0" or text
end

local function amount(value)
  return value and ("%.10g"):format(value) or nil
end

local function joined(units, of)
  local list = {}
  for i, unit in ipairs(units) do
    list[i] = of(unit) or "n/a"
  end
  return table.concat(list, "|")
end

--- Do the pulses of a row come from more than one element?
local function is_wide(row)
  for _, unit in ipairs(row.units) do
    if unit.channel ~= row.units[1].channel then
      return true
    end
  end
  return false
end

local function layers_into(row, cells)
  for i, layer in ipairs(row.layers) do
    local name = ("pattern%d_"):format(i)
    local what, text = rows_of.said(layer.interval)
    cells[name .. "count"] = ("%d"):format(layer.count)
    cells[name .. what] = text
  end
end

--- The cells of a set of parameters.
local function cells_of(row, about)
  local first = row.units[1]
  local nerve, wide = about.is_nerve(first.channel), is_wide(row)
  local stimulus = nerve and {} or about.stimulus
  local direction = stimulus.current_direction
  local cells = { nibs_event_id = row.id, nibs_type = nerve and "PNS" or "TMS",
    stimulator_id = about.stimulator.StimulatorID,
    nibs_element_id = wide and joined(row.units, function(unit)
      return about.elements[unit.channel].ElementID
    end) or about.elements[first.channel].ElementID,
    stimulus_shape = stimulus.stimulus_shape, first_inflection = stimulus.first_inflection,
    current_direction = direction and wide and joined(row.units, function() return direction end)
      or direction,
    stimulus_duration = amount(stimulus.stimulus_duration), stimulus_count = ("%d"):format(row.pulses),
    stimulus_validation = row.verified and "verified" or "not_verified" }
  if #row.units > 1 then
    cells.pattern1_intensity = joined(row.units, function(unit) return amount(unit.mso) end)
  else
    cells.stimulus_intensity = amount(first.mso)
  end
  if first.intensity then
    local function reference(unit)
      return describe.reference(unit.reference, about.is_nerve(unit.channel))
    end
    cells.intensity_reference = joined(row.units, reference)
    cells.intensity_scaling = joined(row.units, function(unit)
      return reference(unit) == "absolute" and "absolute" or amount(unit.intensity / 100)
    end)
  end
  layers_into(row, cells)
  return cells
end

local always = {}
for _, name in ipairs(draft.columns(0)) do
  always[name] = true
end

--- The columns that any row has something in, and those that are always there.
local function used(columns, list)
  local found = {}
  for _, name in ipairs(columns) do
    local is = always[name]
    for _, cells in ipairs(list) do
      is = is or cells[name] ~= nil
    end
    found[#found + 1] = is and name or nil
  end
  return found
end

--- Columns with more than one value in a cell say how they are parted.
local function delimited(object, name, list)
  for _, cells in ipairs(list) do
    if tostring(cells[name] or ""):find("|", 1, true) then
      object.Delimiter = "|"
    end
  end
  return object
end

--- Keep only the levels that are in the table.
local function levels_met(object, name, list)
  if not object.Levels then
    return object
  end
  local met
  for _, cells in ipairs(list) do
    for part in tostring(cells[name] or ""):gmatch("[^|]+") do
      if object.Levels[part] then
        met = met or {}
        met[part] = object.Levels[part]
      end
    end
  end
  object.Levels = met
  return object
end

--- Describe the columns of a table in a sidecar.
---@param sidecar table changed
---@param order string[] its keys in their order; changed
---@param columns string[]
---@param list table<string, any>[]? the rows: levels that are not in them are left out,
---   and cells with several
---   values noticed
---@param words_of fun(name: string): table?
---@param orders table<string, string[]> for json.encode; changed
function M.describe(sidecar, order, columns, list, words_of, orders)
  for _, name in ipairs(columns) do
    local object = words.object(words_of(name), name)
    sidecar[name] = list and levels_met(delimited(object, name, list), name, list) or object
    order[#order + 1], orders[name] = name, words.order
  end
end

local function nibs_files(made, about, files, base)
  local list, layers = {}, 0
  for i, row in ipairs(made.rows) do
    list[i] = cells_of(row, about)
    layers = math.max(layers, #row.layers)
  end
  local columns = used(draft.columns(layers), list)
  local sidecar, order, orders = {}, {}, { lists = { ConcurrentModalities = true, IntensitySet = true },
    ["StimulatorSet[]"] = { "StimulatorID", "Manufacturer", "ManufacturersModelName" },
    ["ElementSet[]"] = { "ElementID", "ElementType", "ModelName", "SerialNumber" },
    ["IntensitySet[]"] = { "IntensityID", "Value", "Units", "IntensityType" } }
  for _, pair in ipairs(about.head) do
    sidecar[pair[1]], order[#order + 1] = pair[2], pair[1]
  end
  M.describe(sidecar, order, columns, list, words.nibs_column, orders)
  orders[""] = order
  files[base .. "_nibs.tsv"] = tsv.write(columns, list)
  files[base .. "_nibs.json"] = json.encode(sidecar, orders)
end

--- A delivery as cells.
local function event_cells(event, about)
  local position = about.positions[event.row.units[1].channel].nibs_position_id
  if is_wide(event.row) then
    position = joined(event.row.units,
      function(unit) return about.positions[unit.channel].nibs_position_id end)
  end
  local pulse = event.pulse
  return { onset = M.seconds(event.onset), duration = M.seconds(event.duration), nibs_event_id = event.row.id,
    nibs_position_id = position, trial_type = event.condition or event.trial_type,
    onset_planned = pulse and M.seconds(pulse.planned and pulse.planned / 1e6),
    lateness = pulse and M.seconds(pulse.lateness and pulse.lateness / 1e6),
    intensity_mso = pulse and amount(pulse.mso), pulse_status = pulse and pulse.status }
end

local function event_files(made, about, files, base)
  local list, has, first = {}, {}, made.events[1]
  for i, event in ipairs(made.events) do
    list[i] = event_cells(event, about)
    -- if all are of one kind that nobody named, no column says so
    has.condition = has.condition or event.condition or event.trial_type ~= first.trial_type
    has.pulse = has.pulse or event.pulse
  end
  local columns = { "onset", "duration", "nibs_event_id", "nibs_position_id",
    has.condition and "trial_type" or nil }
  for _, name in ipairs(has.pulse and { "onset_planned", "lateness", "intensity_mso", "pulse_status" }
    or {}) do
    columns[#columns + 1] = name
  end
  local sidecar, order, orders = {}, {}, { lists = {} }
  M.describe(sidecar, order, columns, list, function(name) return words.events[name] end, orders)
  orders[""] = order
  files[base .. "_events.tsv"] = tsv.write(columns, list)
  files[base .. "_events.json"] = json.encode(sidecar, orders)
end

local function marker_files(about, files, base)
  local columns = { "nibs_position_id", "nibs_element_id", "position_label", "position_description",
    "element_distance" }
  local list, seen = {}, {}
  for _, name in ipairs(columns) do
    seen[name] = true
  end
  for i, channel in ipairs(about.channels) do
    list[i] = about.positions[channel]
    local more = {}
    for name in pairs(list[i]) do
      more[#more + 1] = not seen[name] and name or nil
      seen[name] = true
    end
    table.sort(more)
    table.move(more, 1, #more, #columns + 1, columns)
  end
  local sidecar, order, orders = {}, {}, { lists = {} }
  M.describe(sidecar, order, columns, list, function(name) return words.markers[name] end, orders)
  orders[""] = order
  files[base .. "_markers.tsv"] = tsv.write(columns, list)
  files[base .. "_markers.json"] = json.encode(sidecar, orders)
end

--- The channels of the rows, in the order in which they are met.
---@param made { rows: moonpulse.NibsRow[] }
---@return string[]
function M.channels(made)
  local list, seen = {}, {}
  for _, row in ipairs(made.rows) do
    for _, unit in ipairs(row.units) do
      list[#list + 1] = not seen[unit.channel] and unit.channel or nil
      seen[unit.channel] = true
    end
  end
  return list
end

--- The thresholds that the rows refer to.
local function intensities_of(made, manifest, meta)
  local list, seen = {}, {}
  for _, row in ipairs(made.rows) do
    for _, unit in ipairs(row.units) do
      local reference = unit.reference
      if (reference == "RMT" or reference == "AMT") and not seen[reference] then
        seen[reference] = true
        list[#list + 1] = describe.intensity(manifest, meta, reference)
      end
    end
  end
  return list
end

--- All six.
---@param made { rows: moonpulse.NibsRow[], events: moonpulse.NibsEvent[] }
---@param run { manifest: table, is_nerve: fun(channel: string): boolean, description: string, task: string,
---   task_is_told: boolean?, own: table } own: what Moonpulse keeps there for itself
---@param meta table
---@param base string path and name up to the suffix
---@param files table<string, string> gets them
function M.write(made, run, meta, base, files)
  local manifest = run.manifest
  local about = { is_nerve = run.is_nerve, channels = M.channels(made),
    stimulator = describe.stimulator(manifest, meta), stimulus = describe.stimulus(manifest, meta) }
  about.elements, about.positions = describe.elements(manifest, meta, about.channels, run.is_nerve)
  local elements, channel_of = {}, {}
  for i, channel in ipairs(about.channels) do
    elements[i] = about.elements[channel]
    channel_of[elements[i].ElementID] = channel
  end
  if run.own then
    run.own.Channels = next(channel_of) and channel_of -- ids are labels, and say names otherwise
  end
  about.head = { { "NIBSDescription", meta.NIBSDescription or run.description },
    { "TaskName", run.task },
    { "TaskDescription", meta.TaskDescription or run.task_is_told == false
      and "It was not said what the participant did meanwhile." or nil },
    { "Instructions", meta.Instructions },
    { "InstitutionName", meta.InstitutionName }, { "InstitutionAddress", meta.InstitutionAddress },
    { "InstitutionalDepartmentName", meta.InstitutionalDepartmentName },
    { "ConcurrentModalities", meta.ConcurrentModalities or { "none" } },
    { "StimulatorSet", { about.stimulator } }, { "ElementSet", elements },
    { "IntensitySet", intensities_of(made, manifest, meta) }, { "Moonpulse", run.own } }
  local head = {}
  for _, pair in ipairs(about.head) do
    head[#head + 1] = pair[2] ~= nil and pair or nil
  end
  about.head = head
  nibs_files(made, about, files, base)
  event_files(made, about, files, base)
  marker_files(about, files, base)
end


return M
