--- Rules 8 to 16: ids, and what refers to them.
local groups = require "moonpulse.bids.check.groups"

local M = {}

local function unique(suffix, column)
  return function(group, say)
    local _, path = groups.rows(group, suffix)
    local seen = {}
    groups.each(group, suffix, function(cell, number)
      local id = cell(column)
      if not id then
        say(path, column .. " is missing", number)
      elseif seen[id] then
        say(path, ("%s %s is that of row %d already"):format(column, id, seen[id]), number)
      end
      seen[id or ""] = number
    end)
  end
end

--- The ids of a table's column, or of a set of nibs.json.
local function ids(group, from, key)
  local known = {}
  if from:find("%.tsv$") then
    groups.each(group, from, function(cell)
      known[cell(key) or ""] = true
    end)
  else
    for _, entry in ipairs(groups.set(group, from)) do
      known[entry[key] or ""] = true
    end
  end
  return known
end

--- Each reference of a column, part by part.
local function references(group, suffix, column, look)
  groups.each(group, suffix, function(cell, number)
    for _, id in ipairs(groups.parts(cell(column))) do
      look(id, number)
    end
  end)
end

local function resolves(links)
  return function(group, say)
    for _, link in ipairs(links) do
      local known = ids(group, link.to, link.key)
      local _, path = groups.rows(group, link.from)
      references(group, link.from, link.column, function(id, number)
        if not known[id] and id ~= "n/a" and id ~= link.but then
          say(path, ("%s %s: there is no such %s in %s"):format(link.column, id, link.key, link.to), number)
        end
      end)
    end
  end
end

local links = {
  event = { from = "events.tsv", column = "nibs_event_id", to = "nibs.tsv", key = "nibs_event_id" },
  position = { from = "events.tsv", column = "nibs_position_id", to = "markers.tsv",
    key = "nibs_position_id" },
  stimulator = { from = "nibs.tsv", column = "stimulator_id", to = "StimulatorSet", key = "StimulatorID" },
  element = { from = "nibs.tsv", column = "nibs_element_id", to = "ElementSet", key = "ElementID" },
  place = { from = "markers.tsv", column = "nibs_element_id", to = "ElementSet", key = "ElementID" },
  intensity = { from = "nibs.tsv", column = "intensity_reference", to = "IntensitySet", key = "IntensityID",
    but = "absolute" },
}

local function dangling(group, say)
  for _, link in ipairs { links.event, links.position, links.stimulator, links.element, links.intensity } do
    local used = {}
    references(group, link.from, link.column, function(id) used[id] = true end)
    local list = {}
    for id in pairs(ids(group, link.to, link.key)) do
      list[#list + 1] = id ~= "" and not used[id] and tostring(id) or nil
    end
    table.sort(list)
    local suffix = link.to:find("%.tsv$") and link.to or "nibs.json"
    local _, path = groups.rows(group, suffix)
    for _, id in ipairs(group.files[suffix] and group.files[link.from] and list or {}) do
      say(path, ("%s %s of %s is not used by %s"):format(link.key, id, link.to, link.from))
    end
  end
end

local function no_links(group, say)
  for suffix, columns in pairs { ["events.tsv"] = { "position_group", "stimulus_count" },
    ["nibs.tsv"] = { "position_group" } } do
    local found, path = groups.rows(group, suffix)
    for _, column in ipairs(columns) do
      if found.index[column] then
        say(path, ("%s is for people and for counting, no link: a delivery names nibs_event_id and "
          .. "nibs_position_id"):format(column))
      end
    end
  end
end

M.rules = {
  { 8, "Is nibs_event_id there, and unique?", "error", unique("nibs.tsv", "nibs_event_id") },
  { 9, "Is nibs_position_id there, and unique?", "error", unique("markers.tsv", "nibs_position_id") },
  { 10, "Is each delivery's nibs_event_id a row of nibs.tsv?", "error", resolves { links.event } },
  { 11, "Is each delivery's nibs_position_id a row of markers.tsv?", "error", resolves { links.position } },
  { 12, "Is stimulator_id in StimulatorSet?", "error", resolves { links.stimulator } },
  { 13, "Is nibs_element_id in ElementSet?", "error", resolves { links.element, links.place } },
  { 14, "Is intensity_reference in IntensitySet?", "error", resolves { links.intensity } },
  { 15, "Is every entry used?", "warning", dangling },
  { 16, "Are position_group and stimulus_count no links?", "error", no_links },
}

return M
