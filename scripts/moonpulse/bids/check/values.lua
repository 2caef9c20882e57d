--- Rules 17 to 30: what may be in a cell.
local draft = require "moonpulse.bids.draft"
local groups = require "moonpulse.bids.check.groups"
local in_order = require "moonpulse.text.in_order"

local M = {}

local function listed(set)
  return table.concat(in_order.keys(set), ", ")
end

--- Each part of a column's cells is one of a list.
local function one_of(column, set)
  return function(group, say)
    local _, path = groups.rows(group, "nibs.tsv")
    groups.each(group, "nibs.tsv", function(cell, number)
      for _, part in ipairs(groups.parts(cell(column))) do
        if not set[part] and part ~= "n/a" then
          say(path, ("%s %s: it is one of %s"):format(column, part, listed(set)), number)
        end
      end
    end)
  end
end

local function types(group, say)
  local _, path = groups.rows(group, "nibs.tsv")
  groups.each(group, "nibs.tsv", function(cell, number)
    local value = cell("nibs_type")
    if not draft.types[value or ""] then
      say(path, ("nibs_type %s: it is one of %s, one for each row"):format(value or "n/a",
        listed(draft.types)),
        number)
    end
  end)
end

local function shapes(group, say)
  local _, path = groups.rows(group, "nibs.tsv")
  groups.each(group, "nibs.tsv", function(cell, number)
    local shape, kind = cell("stimulus_shape"), cell("nibs_type")
    local fits = draft.shapes[shape or ""]
    if shape and not fits then
      say(path, ("stimulus_shape %s: it is one of %s"):format(shape, listed(draft.shapes)), number)
    elseif shape and draft.types[kind or ""] and not fits[kind] then
      say(path, ("stimulus_shape %s is none of %s"):format(shape, kind), number)
    end
  end)
end

local function custom(group, say)
  local _, path = groups.rows(group, "nibs.tsv")
  groups.each(group, "nibs.tsv", function(cell, number)
    if cell("stimulus_shape") == "Custom" and not cell("stimulus_description") then
      say(path, "stimulus_shape Custom needs a stimulus_description", number)
    end
  end)
end

local function scaling(group, say)
  local _, path = groups.rows(group, "nibs.tsv")
  groups.each(group, "nibs.tsv", function(cell, number)
    local references, factors = groups.parts(cell("intensity_reference")),
      groups.parts(cell("intensity_scaling"))
    for i, factor in ipairs(factors) do
      local reference = references[i] or #references == 1 and references[1]
      if factor ~= "absolute" and factor ~= "n/a" and not tonumber(factor) then
        say(path, ("intensity_scaling %s: it is a number, or absolute"):format(factor), number)
      elseif reference and reference ~= "n/a" and factor ~= "n/a"
        and (factor == "absolute") ~= (reference == "absolute") then
        say(path, ("intensity_scaling %s with intensity_reference %s: absolute goes with "
          .. "absolute"):format(factor,
          reference), number)
      end
    end
  end)
end

local function element_types(group, say)
  local _, path = groups.sidecar(group, "nibs.json")
  for _, element in ipairs(groups.set(group, "ElementSet")) do
    if not draft.elements[element.ElementType or ""] then
      say(path, ("ElementType %s of %s: it is one of %s"):format(tostring(element.ElementType),
        tostring(element.ElementID), listed(draft.elements)))
    end
  end
end

local function roles(group, say)
  local _, path = groups.sidecar(group, "nibs.json")
  for _, element in ipairs(groups.set(group, "ElementSet")) do
    local is_electrode = element.ElementType == "electrode"
    if is_electrode and not draft.roles[element.ElectrodeRole or ""] then
      say(path, ("ElectrodeRole %s of %s: it is one of %s"):format(tostring(element.ElectrodeRole),
        tostring(element.ElementID), listed(draft.roles)))
    elseif not is_electrode and element.ElectrodeRole ~= nil then
      say(path, ("%s has an ElectrodeRole and is no electrode"):format(tostring(element.ElementID)))
    end
  end
end

local function is_finite(value)
  return value and value == value and math.abs(value) < math.huge
end

local function onsets(group, say)
  local found, path = groups.rows(group, "events.tsv")
  local before = -math.huge
  if group.files["events.tsv"] and (found.columns[1] ~= "onset" or found.columns[2] ~= "duration") then
    say(path, "the first columns are onset and duration, in this order")
  end
  groups.each(group, "events.tsv", function(cell, number)
    local onset = tonumber(cell("onset"))
    if not is_finite(onset) then
      say(path, ("onset %s: it is a number of seconds"):format(cell("onset") or "n/a"), number)
    elseif onset < before then
      say(path, ("onset %s is before that of the row above: rows are sorted by it"):format(cell("onset")),
        number)
    end
    before = is_finite(onset) and onset or before
  end)
end

local function durations(group, say)
  local _, path = groups.rows(group, "events.tsv")
  groups.each(group, "events.tsv", function(cell, number)
    local text = cell("duration")
    local value = tonumber(text)
    if text and not (is_finite(value) and value >= 0) then
      say(path, ("duration %s: it is seconds from 0 up, or n/a"):format(text), number)
    end
  end)
end

local day = "^%d%d%d%d%-[01]%d%-[0-3]%dT[0-2]%d:[0-5]%d:[0-6]%d"

local function timestamps(group, say)
  local _, path = groups.rows(group, "nibs.tsv")
  groups.each(group, "nibs.tsv", function(cell, number)
    local text = cell("timestamp")
    local rest = text and (text:match(day .. "(.*)$") or "?"):gsub("^%.%d+", "")
    if rest and rest ~= "" and rest ~= "Z" and not rest:find("^[+-]%d%d:%d%d$") then
      say(path, ("timestamp %s: write it as 2026-11-27T10:15:00"):format(text), number)
    end
  end)
end

--- How a column is to be read: by the draft, or because its description says that it has numbers.
local function is_number(column, sidecar)
  local kind = draft.kind(column)
  return kind == "number" or kind == "list" or kind == nil and (groups.described(sidecar, column,
    "Units") ~= nil
    or groups.described(sidecar, column, "Format") == "number")
end

local function numbers(group, say)
  for _, name in ipairs { "nibs", "markers", "events" } do
    local found, path = groups.rows(group, name .. ".tsv")
    local sidecar = groups.sidecar(group, name .. ".json")
    for _, column in ipairs(found.columns) do
      if is_number(column, sidecar) and column ~= "onset" and column ~= "duration" then
        groups.each(group, name .. ".tsv", function(cell, number)
          for _, part in ipairs(groups.parts(cell(column))) do
            if part ~= "n/a" and not tonumber(part) then
              say(path, ("%s %s: it is no number"):format(column, part), number)
            end
          end
        end)
        if name == "nibs" and not groups.described(sidecar, column, "Units")
          and groups.described(sidecar, column, "Format") ~= "number"
            and type(sidecar[column]) == "table" then
          say(path, ("%s has numbers, and its description neither Units nor \"Format\": \"number\": it would "
            .. "be "
            .. "read as text"):format(column))
        end
      end
    end
  end
end

M.rules = {
  { 17, "Is nibs_type TMS, tES, TUS or PNS?", "error", types },
  { 18, "Is stimulus_shape known, and one of this type?", "error", shapes },
  { 19, "Is a Custom shape described?", "error", custom },
  { 20, "Is first_inflection rising or descending?", "error", one_of("first_inflection", draft.inflections) },
  { 21, "Is current_direction known, coil by coil?", "error", one_of("current_direction", draft.directions) },
  { 22, "Is intensity_reference of the closed list?", "error", one_of("intensity_reference",
    draft.references) },
  { 23, "Is intensity_scaling a number, or absolute with absolute?", "error", scaling },
  { 24, "Is stimulus_validation known?", "error", one_of("stimulus_validation", draft.validations) },
  { 25, "Is ElementType coil, electrode or transducer?", "error", element_types },
  { 26, "Has each electrode its role, and nothing else one?", "error", roles },
  { 27, "Are onsets numbers, and sorted?", "error", onsets },
  { 28, "Are durations from 0 up, or n/a?", "error", durations },
  { 29, "Are timestamps ISO 8601?", "error", timestamps },
  { 30, "Are numbers numbers, and described as such?", "error", numbers },
}

return M
