--- Rules 46 to 48: units, sets, names of earlier drafts.
local draft = require "moonpulse.bids.draft"
local groups = require "moonpulse.bids.check.groups"

local M = {}

local jsons = { "nibs.json", "events.json", "markers.json", "coordsystem.json" }

local function sorted(object)
  local keys = {}
  for key in pairs(object) do
    keys[#keys + 1] = type(key) == "string" and key or nil
  end
  table.sort(keys)
  return keys
end

--- Every Units of a sidecar, wherever it is.
local function each_unit(object, look)
  for _, key in ipairs(sorted(object)) do
    local value = object[key]
    if (key == "Units" or key:find("Units$")) and type(value) == "string" then
      look(value)
    elseif type(value) == "table" then
      each_unit(value, look)
    end
  end
  for _, value in ipairs(object) do
    if type(value) == "table" then
      each_unit(value, look)
    end
  end
end

local function unit_symbols(group, say)
  for _, suffix in ipairs(jsons) do
    local sidecar, path = groups.sidecar(group, suffix)
    each_unit(sidecar, function(unit)
      local wanted = draft.unit_words[unit] or draft.unit_words[unit:lower()]
      if wanted and wanted ~= unit then
        say(path, ("the unit %s: write %s"):format(unit, wanted))
      end
    end)
  end
end

local function is_list(value)
  return type(value) == "table" and (value[1] ~= nil or next(value) == nil)
end

local function entries(group, say, path, name)
  for i, entry in ipairs(groups.set(group, name)) do
    for _, key in ipairs(draft.required[name]) do
      local value = entry[key]
      if value == nil or value == "" or value == "n/a" then
        say(path, ("%s, entry %d: %s is missing"):format(name, i, key))
      elseif key == "Value" and type(value) ~= "number" then
        say(path, ("%s, entry %d: Value is a number"):format(name, i))
      elseif key ~= "Value" and type(value) ~= "string" then
        say(path, ("%s, entry %d: %s is a text"):format(name, i, key))
      end
    end
  end
end

local function sets(group, say)
  local sidecar, path = groups.sidecar(group, "nibs.json")
  for _, name in ipairs { "StimulatorSet", "ElementSet", "IntensitySet", "ConcurrentModalities" } do
    local value = sidecar[name]
    if value ~= nil and not is_list(value) then
      say(path, name .. " is a list, in [ ]")
    elseif draft.required[name] then
      entries(group, say, path, name)
    end
  end
  local intended = sidecar.IntendedFor
  if intended ~= nil and type(intended) ~= "string" and not is_list(intended) then
    say(path, "IntendedFor is a BIDS URI, or a list of them")
  end
  if group.files["nibs.json"] and type(sidecar.TaskName) ~= "string" then
    say(path, "TaskName is missing: the draft's own validator warns of it", nil, "warning")
  end
end

local function renamed(group, say)
  local sidecar, path = groups.sidecar(group, "nibs.json")
  local function look(object, names, where)
    for _, key in ipairs(sorted(object)) do
      if names[key] then
        say(path, ("%s%s is a name of an earlier draft: it is %s now"):format(where, key, names[key]))
      end
    end
  end
  look(sidecar, draft.renamed.nibs, "")
  if type(sidecar.StimulatorSet) == "table" and not is_list(sidecar.StimulatorSet) then
    look(sidecar.StimulatorSet, draft.renamed.stimulator, "StimulatorSet.")
  end
  for _, entry in ipairs(groups.set(group, "StimulatorSet")) do
    look(entry, draft.renamed.stimulator, "StimulatorSet.")
  end
  for _, entry in ipairs(groups.set(group, "IntensitySet")) do
    look(entry, draft.renamed.intensity, "IntensitySet.")
  end
  for _, suffix in ipairs { "nibs.tsv", "markers.tsv", "events.tsv" } do
    local found, file = groups.rows(group, suffix)
    for _, column in ipairs(found.columns) do
      if draft.renamed.column[column] then
        say(file, ("%s is a name of an earlier draft: it is %s now"):format(column,
          draft.renamed.column[column]))
      end
    end
  end
  if group.stem:find("_stimsys%-") then
    say(path, "the entity stimsys- is of an earlier draft: the stimulator is told by stimulator_id")
  end
end

M.rules = {
  { 46, "Are units symbols?", "error", unit_symbols },
  { 47, "Has each entry of a set what it must have?", "error", sets },
  { 48, "Are the names those of this draft?", "error", renamed },
}

return M
