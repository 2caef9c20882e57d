--- Rules 31 to 41: what the cells of a row say together.
local draft = require "moonpulse.bids.draft"
local expand = require "moonpulse.bids.expand"
local fractions = require "moonpulse.bids.fraction"
local groups = require "moonpulse.bids.check.groups"

local M = {}

local step = 1 -- %MSO: whole percents are what stimulators are set to

--- Each row of nibs.tsv, with what the sidecar says of units.
local function each(group, look)
  local sidecar, _ = groups.sidecar(group, "nibs.json")
  local function unit(name) return groups.described(sidecar, name, "Units") end
  groups.each(group, "nibs.tsv", function(cell, number) look(cell, number, unit) end)
end

local function path_of(group)
  local _, path = groups.rows(group, "nibs.tsv")
  return path
end

local function delimiters(group, say)
  for _, name in ipairs { "nibs", "markers", "events" } do
    local found, path = groups.rows(group, name .. ".tsv")
    local sidecar = groups.sidecar(group, name .. ".json")
    for _, column in ipairs(found.columns) do
      local has = false
      groups.each(group, name .. ".tsv", function(cell)
        has = has or (cell(column) or ""):find("|", 1, true) ~= nil
      end)
      if has and groups.described(sidecar, column, "Delimiter") ~= "|" then
        say(path, ("%s has | in a cell, and its description no \"Delimiter\": \"|\""):format(column))
      end
    end
  end
end

--- Parts of a cell; 0: it has none.
local function count(cell, column)
  return #groups.parts(cell(column))
end

local function aligned(group, say)
  local path, elements_of = path_of(group), {}
  each(group, function(cell, number)
    local elements = count(cell, "nibs_element_id")
    elements_of[cell("nibs_event_id") or ""] = elements
    for _, column in ipairs { "stimulus_intensity", "first_inflection", "current_direction" } do
      local parts = count(cell, column)
      if parts > 1 and parts ~= elements then
        say(path, ("%s has %d parts, and nibs_element_id %d"):format(column, parts, elements), number)
      end
    end
    local most = math.max(count(cell, "pattern1_intensity"), count(cell, "stimulus_intensity"), 1)
    local references, factors = count(cell, "intensity_reference"), count(cell, "intensity_scaling")
    for column, parts in pairs { intensity_reference = references, intensity_scaling = factors } do
      if parts > 1 and parts ~= most then
        say(path, ("%s has %d parts, and the intensity %d"):format(column, parts, most), number)
      end
    end
    if references > 1 and factors > 0 and references ~= factors then
      say(path, ("intensity_reference has %d parts, and intensity_scaling %d"):format(references, factors),
        number)
    end
  end)
  local _, events = groups.rows(group, "events.tsv")
  groups.each(group, "events.tsv", function(cell, number)
    local places, elements = count(cell, "nibs_position_id"), elements_of[cell("nibs_event_id") or ""]
    if elements and elements > 0 and places > 0 and places ~= elements then
      say(events, ("nibs_position_id has %d parts, and the row has %d elements"):format(places, elements),
        number)
    end
  end)
end

local function balanced(group, say)
  each(group, function(cell, number)
    local sum, parts = 0, groups.parts(cell("stimulus_intensity"))
    for _, part in ipairs(parts) do
      sum = sum + (tonumber(part) or 0 / 0)
    end
    if cell("nibs_type") == "tES" and #parts > 1 and math.abs(sum) > 1e-6 then
      say(path_of(group), ("the currents of tES add up to %g, not to 0"):format(sum), number)
    end
  end)
end

--- The numbers of the layers that a row has anything of.
local function layers_of(group, cell)
  local found = groups.rows(group, "nibs.tsv")
  local has, most = {}, 0
  for _, column in ipairs(found.columns) do
    local layer = math.tointeger(tonumber(column:match("^pattern(%d+)_%l+$")))
    if layer and cell(column) then
      has[layer], most = true, math.max(most, layer)
    end
  end
  return has, most
end

local function lists(from, to)
  return function(group, say)
    each(group, function(cell, number)
      local _, most = layers_of(group, cell)
      for layer = from, math.min(most, to) do
        local name = ("pattern%d_"):format(layer)
        local parts, wanted = count(cell, name .. "intensity"), tonumber(cell(name .. "count"))
        if parts > 0 and parts ~= wanted then
          say(path_of(group), ("%sintensity has %d parts, and %scount is %s"):format(name, parts, name,
            cell(name .. "count") or "n/a"), number)
        end
        if layer == 1 and parts > 0 and cell("stimulus_intensity") then
          say(path_of(group), "stimulus_intensity is n/a where pattern1_intensity is given", number)
        end
      end
    end)
  end
end

local function near(a, b)
  return math.abs(a - b) <= 1e-6 * math.max(math.abs(a), math.abs(b))
end

local factor = { s = 1, ms = 1e-3, us = 1e-6 }

--- A time of a layer in seconds.
local function seconds(cell, unit, layer, what)
  local name = ("pattern%d_%s"):format(layer, what)
  local value = tonumber(cell(name))
  return value and value * (factor[unit(name) or "ms"] or 1e-3)
end

local function each_layer(group, look)
  each(group, function(cell, number, unit)
    local _, most = layers_of(group, cell)
    for layer = 1, most do
      look(cell, number, unit, layer)
    end
  end)
end

local function rates(group, say)
  each_layer(group, function(cell, number, unit, layer)
    local interval = seconds(cell, unit, layer, "interval")
    local hz = tonumber(cell(("pattern%d_frequency"):format(layer)))
    if interval and hz and not near(interval * hz, 1) then
      say(path_of(group), ("pattern%d: an interval of %g s is no %g Hz"):format(layer, interval, hz), number)
    end
  end)
end

--- The interval of a layer in seconds, however it is given.
local function interval_of(cell, unit, layer)
  local found = expand.interval(cell, layer, unit)
  return found and fractions.number(found)
end

local function lengths(group, say)
  each_layer(group, function(cell, number, unit, layer)
    local duration = seconds(cell, unit, layer, "duration")
    local interval, units = interval_of(cell, unit, layer), tonumber(cell(("pattern%d_count"):format(layer)))
    if duration and interval and units and not near(duration, interval * units) then
      say(path_of(group), ("pattern%d: %g times %g s is not %g s"):format(layer, units, interval, duration),
        number)
    end
  end)
end

local function nesting(group, say)
  each_layer(group, function(cell, number, unit, layer)
    local inner = layer > 1 and interval_of(cell, unit, layer - 1)
    local units = layer > 1 and tonumber(cell(("pattern%d_count"):format(layer - 1)))
    local outer = interval_of(cell, unit, layer)
    if inner and units and outer then
      local text = ("pattern%d: its interval of %g s is %s than the %g s of a unit of "
        .. "pattern%d"):format(layer,
        outer, "%s", inner * units, layer - 1)
      if outer < inner * units and not near(outer, inner * units) then
        say(path_of(group), text:format("shorter"), number)
      elseif near(outer, inner * units) and (tonumber(cell(("pattern%d_count"):format(layer))) or 0) > 1 then
        say(path_of(group), text:format("not longer") .. ": one train without a pause?", number, "warning")
      end
    end
  end)
end

local function depth(group, say)
  local sidecar = groups.sidecar(group, "nibs.json")
  each(group, function(cell, number)
    local has, most = layers_of(group, cell)
    for layer = 1, most do
      if not has[layer] then
        say(path_of(group), ("pattern%d is missing below pattern%d"):format(layer, most), number)
      elseif layer > draft.layers and not groups.described(sidecar, ("pattern%d_count"):format(layer),
          "Description") then
        say(path_of(group), ("pattern%d: more than %d layers are to be described"):format(layer,
          draft.layers),
          number)
      end
    end
  end)
end

local function counts(group, say)
  each_layer(group, function(cell, number, _, layer)
    local text = cell(("pattern%d_count"):format(layer))
    local units = math.tointeger(tonumber(text))
    if text and not (units and units >= 1) then
      say(path_of(group), ("pattern%d_count %s: it is a whole number from 1 up"):format(layer, text), number)
    end
  end)
end

local function scaled(group, say)
  local values = {}
  for _, entry in ipairs(groups.set(group, "IntensitySet")) do
    values[entry.IntensityID or ""] = entry.Units == draft.mso and tonumber(entry.Value) or nil
  end
  each(group, function(cell, number)
    local listed = cell("pattern1_intensity")
    local intensities = groups.parts(listed or cell("stimulus_intensity"))
    local references, factors = groups.parts(cell("intensity_reference")),
      groups.parts(cell("intensity_scaling"))
    for i, text in ipairs(intensities) do
      local reference = references[i] or #references == 1 and references[1] or ""
      local by = tonumber(factors[i] or #factors == 1 and factors[1] or nil)
      local value, wanted = tonumber(text), values[reference] and by and values[reference] * by
      if value and wanted and math.abs(value - wanted) > step then
        say(path_of(group), ("%s is not %g %s times %g"):format(text, values[reference], reference, by),
          number)
      end
    end
  end)
end

M.rules = {
  { 31, "Has a column with | its Delimiter?", "error", delimiters },
  { 32, "Have columns that belong together the same number of parts?", "error", aligned },
  { 33, "Do the currents of tES add up to 0?", "error", balanced },
  { 34, "Is pattern1_intensity as long as its count, and stimulus_intensity n/a then?", "error", lists(1,
    1) },
  { 35, "Are the intensities of further layers as long as their counts?", "error", lists(2, math.huge) },
  { 36, "Is frequency times interval 1?", "error", rates },
  { 37, "Is duration count times interval?", "error", lengths },
  { 38, "Has each layer room for the one below?", "error", nesting },
  { 39, "Is no layer left out, and are more than four described?", "error", depth },
  { 40, "Are counts whole numbers from 1 up?", "error", counts },
  { 41, "Is the intensity Value times scaling, within the device's step?", "error", scaled },
}

return M
