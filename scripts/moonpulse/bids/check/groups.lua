--- What is checked: of each recording of stimulation its tables and sidecars, as they are in the dataset.
local cjson = require "cjson.safe"
local expand = require "moonpulse.bids.expand"
local tsv = require "moonpulse.bids.tsv"

local M = {}

--- One file of a group: its path, text, and what is in it.
---@class moonpulse.BidsFile
---@field path string
---@field text string
---@field table moonpulse.BidsTable? of a tsv
---@field data table? of a json; nil: it is no JSON object

---@class moonpulse.BidsGroup a *_nibs.tsv with all that belongs to it
---@field folder string of nibs/
---@field stem string the name up to the suffix
---@field files table<string, moonpulse.BidsFile> by "nibs.tsv", "nibs.json", "events.tsv", "events.json",
---   "markers.tsv", "markers.json", "coordsystem.json"; those that are there
---@field intended string[] events.tsv elsewhere that IntendedFor names, paths in the dataset
---@field dataset moonpulse.BidsFiles

---@class moonpulse.BidsFiles
---@field paths string[] sorted
---@field has table<string, boolean>
---@field read fun(path: string): string?

local function file_of(dataset, path)
  local text = dataset.has[path] and dataset.read(path)
  if not text then
    return nil
  end
  local found = { path = path, text = text }
  if path:find("%.tsv$") then
    found.table = tsv.parse(text)
  else
    local data = cjson.decode(text)
    found.data = type(data) == "table" and data or nil
  end
  return found
end

--- The file of a suffix: with the same entities, else with fewer.
local function nearest(dataset, folder, stem, suffix)
  local name = stem
  for _, entity in ipairs { "", "_run%-%w+", "_acq%-%w+", "_task%-%w+" } do
    name = entity == "" and name or name:gsub(entity, "")
    local found = file_of(dataset, ("%s/%s_%s"):format(folder, name, suffix))
    if found then
      return found
    end
  end
end

--- Paths that IntendedFor names: BIDS URIs, or paths in the participant's folder.
local function intended(group)
  local sidecar = group.files["nibs.json"]
  local value = sidecar and sidecar.data and sidecar.data.IntendedFor
  local list = {}
  for _, uri in ipairs(type(value) == "table" and value or { value }) do
    if type(uri) == "string" then
      local path = uri:match("^bids::(.*)$") or (group.folder:match("^(sub%-[^/]+/)") or "") .. uri
      list[#list + 1] = path:find("_events%.tsv$") and path or nil
    end
  end
  return list
end

local suffixes = { "nibs.tsv", "nibs.json", "events.tsv", "events.json", "markers.tsv", "markers.json",
  "coordsystem.json" }

local function group_of(dataset, folder, stem)
  local group = { dataset = dataset, folder = folder, stem = stem, files = {} }
  for _, suffix in ipairs(suffixes) do
    group.files[suffix] = nearest(dataset, folder, stem, suffix)
  end
  group.intended = intended(group)
  for _, path in ipairs(group.intended) do
    if not group.files["events.tsv"] and dataset.has[path] then
      group.files["events.tsv"] = file_of(dataset, path)
      group.files["events.json"] = file_of(dataset, (path:gsub("%.tsv$", ".json")))
    end
  end
  return group
end

--- The groups of a dataset.
---@param dataset moonpulse.BidsFiles
---@return moonpulse.BidsGroup[]
function M.of(dataset)
  local list, seen = {}, {}
  for _, path in ipairs(dataset.paths) do
    local folder, stem = path:match("^(sub%-.*nibs)/([^/]*)_nibs%.tsv$")
    if not folder then
      folder, stem = path:match("^(sub%-.*nibs)/([^/]*)_nibs%.json$")
    end
    if folder and not seen[folder .. stem] then
      seen[folder .. stem] = true
      list[#list + 1] = group_of(dataset, folder, stem)
    end
  end
  return list
end

--- A group's table; an empty one where there is none.
---@param group moonpulse.BidsGroup
---@param suffix string "nibs.tsv"
---@return moonpulse.BidsTable
---@return string path
function M.rows(group, suffix)
  local file = group.files[suffix]
  return file and file.table or { columns = {}, index = {}, rows = {} },
    file and file.path or ("%s/%s_%s"):format(group.folder, group.stem, suffix)
end

--- A group's sidecar; an empty one where there is none.
---@param group moonpulse.BidsGroup
---@param suffix string "nibs.json"
---@return table
---@return string path
function M.sidecar(group, suffix)
  local file = group.files[suffix]
  return file and file.data or {}, file and file.path or ("%s/%s_%s"):format(group.folder, group.stem, suffix)
end

--- A field of a column's description; nil: it has none.
---@param sidecar table
---@param column string
---@param key string
---@return any
function M.described(sidecar, column, key)
  local object = sidecar[column]
  return type(object) == "table" and object[key] or nil
end

--- A set of nibs.json as a list; what is no list, or has other than objects, is an empty one.
---@param group moonpulse.BidsGroup
---@param name string "ElementSet"
---@return table[]
function M.set(group, name)
  local list, found = {}, M.sidecar(group, "nibs.json")[name]
  for _, each in ipairs(type(found) == "table" and found or {}) do
    list[#list + 1] = type(each) == "table" and each or nil
  end
  return list
end

--- Each row of a table with a function for its cells.
---@param group moonpulse.BidsGroup
---@param suffix string
---@param look fun(cell: (fun(name: string): string?), number: integer)
function M.each(group, suffix, look)
  local found = M.rows(group, suffix)
  for number, row in ipairs(found.rows) do
    look(function(name) return tsv.cell(found, row, name) end, number)
  end
end

--- The parts of a cell; none where there is none.
---@param text string?
---@return string[]
function M.parts(text)
  return text and expand.parts(text) or {}
end

return M
