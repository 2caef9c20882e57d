--- A BIDS dataset that runs are added to. What is there stays: tables get lines, nothing is written over.
local cjson = require "cjson.safe"
local draft = require "moonpulse.bids.draft"
local json = require "moonpulse.text.readable_json"
local tsv = require "moonpulse.bids.tsv"

local M = {}

local ignored = "**/nibs/**"

---@class moonpulse.BidsParts a file that is made while it is written, since it is large
---@field parts fun(): fun(): string? its parts one by one; nil: that was all

--- The dataset as it is, and as it will be.
---@class moonpulse.BidsDataset
---@field read fun(path: string): string? a file as it is
---@field list fun(folder: string): string[] the names in a folder, sorted
---@field files table<string, string|moonpulse.BidsParts|{ copy: string }> what is to be written: text, what
---   it is made of, or the file that it is a copy of
---@field order string[] their paths: the run's own files first, the tables of all runs last
local Dataset = {}
Dataset.__index = Dataset

--- A dataset, whatever holds its files.
---@param read fun(path: string): string? a file of it
---@param list fun(folder: string): string[] the names in a folder
---@return moonpulse.BidsDataset
function M.new(read, list)
  return setmetatable({ read = read, list = list, files = {}, order = {} }, Dataset)
end

--- A file as it will be.
---@param path string
---@return string|table|nil
function Dataset:now(path)
  return self.files[path] or self.read(path)
end

--- The names in a folder, as it will be; sorted.
---@param folder string
---@return string[]
function Dataset:names(folder)
  local names, seen = {}, {}
  for _, name in ipairs(self.list(folder)) do
    names[#names + 1], seen[name] = name, true
  end
  for _, path in ipairs(self.order) do
    local name = path:sub(1, #folder + 1) == folder .. "/" and path:match("^[^/]+", #folder + 2)
    if name and not seen[name] then
      names[#names + 1], seen[name] = name, true
    end
  end
  table.sort(names)
  return names
end

--- A file is to be written.
---@param path string
---@param content string|moonpulse.BidsParts|{ copy: string }
function Dataset:write(path, content)
  if not self.files[path] then
    self.order[#self.order + 1] = path
  end
  self.files[path] = content
end

--- A file that is not there yet. Raises a refusal where it is.
---@param path string
---@param content string|moonpulse.BidsParts|{ copy: string }
function Dataset:add(path, content)
  if self:now(path) then
    error({ code = "usage", message = ("%s is there already, and nothing is written over"):format(path) }, 0)
  end
  self:write(path, content)
end

--- A row of a table of all runs: added if it is not there, with the columns that the table has.
---@param path string
---@param columns string[] of a new table
---@param row table<string, any>
---@param keys string[] by which a row is known
function Dataset:row(path, columns, row, keys)
  local text = self:now(path)
  if not text then
    return self:write(path, tsv.write(columns, { row }))
  end
  local longer = tsv.append(text, row, keys)
  if longer then
    self:write(path, longer)
  end
end

local readme = [[
%s

Brain stimulation runs, exported by Moonpulse from its own records.

nibs/ holds the parameters of stimulation and its deliveries as the draft of BEP037 says: %s.
Its events.tsv has one row for each delivery; a row of nibs.tsv with patterns stands for all pulses of it.
beh/ holds the same timeline pulse by pulse, for tools that do not know the draft yet.
sourcedata/ holds the runs' own records, byte for byte; they may name the participant's code of the lab.
stimuli/ holds the plans that were run: moonpulse run takes them.

moonpulse check-bids compares nibs/ with the pulses that were delivered.
]]

local changes = [[
1.0.0 %s
  - First run, exported by Moonpulse %s.
]]

local participants = [[
{
  "participant_id": {
    "LongName": "Participant",
    "Description": "The label that was given when the run was exported."
  }
}
]]

local phenotype = "phenotype/motor_threshold"

local described = { "Name", "BIDSVersion", "DatasetType", "License", "Authors", "Acknowledgements",
  "HowToAcknowledge", "Funding", "EthicsApprovals", "ReferencesAndLinks", "DatasetDOI", "GeneratedBy" }

-- of no run: others follow, of other protocols
local unnamed = "Brain stimulation (name to be filled in)"

--- The files that say what a dataset is; of one that is there only .bidsignore gets a line.
---@param meta table of --meta
---@param about { version: string, date: string }
function Dataset:root(meta, about)
  if not self:now("dataset_description.json") then
    local description = { Name = meta.Name or unnamed, BIDSVersion = draft.bids_version,
      DatasetType = "raw",
      Authors = meta.Authors or { "First author (to be filled in)", "Second author (to be filled in)" },
      GeneratedBy = { { Name = "Moonpulse", Version = about.version,
        Description = "Exported from records of stimulation; nibs/ as in " .. draft.version } } }
    for _, key in ipairs(described) do
      description[key] = description[key] or meta[key]
    end
    self:write("dataset_description.json", json.encode(description, { [""] = described,
      lists = { Authors = true }, ["GeneratedBy[]"] = { "Name", "Version", "Description" } }))
  end
  local has_readme = self:now("README")
  for _, ending in ipairs { ".md", ".rst", ".txt" } do
    has_readme = has_readme or self:now("README" .. ending)
  end
  if not has_readme then
    self:write("README", readme:format(meta.Name or unnamed, draft.version))
  end
  if not self:now("CHANGES") then
    self:write("CHANGES", changes:format(about.date, about.version))
  end
  local lines = self:now(".bidsignore") or ""
  if not ("\n" .. lines):find("\n" .. ignored, 1, true) then
    self:write(".bidsignore", lines .. (lines ~= "" and not lines:find("\n$") and "\n" or "") .. ignored
      .. "\n")
  end
end

--- The labels of all participants that have a folder, and this one.
---@param id string "sub-01"
---@return string[] sorted
function Dataset:subjects(id)
  local ids, known = { id }, { [id] = true }
  for _, name in ipairs(self.list("")) do
    if name:find("^sub%-%w+$") and not known[name] then
      ids[#ids + 1], known[name] = name, true
    end
  end
  table.sort(ids)
  return ids
end

--- The participant: a row, nothing but the label. A new table has a row for each that is there.
---@param id string "sub-01"
function Dataset:participant(id)
  local path = "participants.tsv"
  local is_new = not self:now(path)
  for _, each in ipairs(is_new and self:subjects(id) or { id }) do
    self:row(path, { "participant_id" }, { participant_id = each }, { "participant_id" })
  end
  if is_new and not self:now("participants.json") then
    self:write("participants.json", participants)
  end
end

local kinds = { rmt = "Resting motor threshold", amt = "Active motor threshold" }

--- What the columns of the thresholds' table are; what somebody else wrote about others stays.
local function describe_thresholds(text, columns)
  local sidecar = text and cjson.decode(text)
  sidecar = type(sidecar) == "table" and sidecar or {}
  for _, name in ipairs(columns) do
    local column, session = name:match("^([%l_]+)_ses_(%w+)$")
    column = column or name
    local words, method = kinds[column:sub(1, 3)], column:sub(4) == "_method"
    local long_name = (words or "") .. (session and ", session " .. session or "")
    if words and method and not sidecar[name] then
      sidecar[name] = { LongName = "Method, " .. long_name, Delimiter = "|", Description = "How the value "
        .. "was found that stands in its place in the column without _method; n/a: not recorded." }
    elseif words and #column == 3 and not sidecar[name] then
      sidecar[name] = { LongName = long_name, Units = draft.mso,
        Description = "As it was given to the run, or found in it. With | between: runs with several values; "
          .. "what intensities are percent of stands in the IntensitySet of each run.", Delimiter = "|" }
    end
  end
  sidecar.participant_id = sidecar.participant_id or { LongName = "Participant",
    Description = "As in participants.tsv." }
  local orders = { [""] = columns, lists = {} }
  for _, name in ipairs(columns) do
    orders[name] = { "LongName", "Description", "Units" }
  end
  return json.encode(sidecar, orders)
end

local function row_of(found, id)
  for _, row in ipairs(found.rows) do
    if row[found.index.participant_id or 0] == id then
      return row
    end
  end
  local row = {}
  for i = 1, #found.columns do
    row[i] = "n/a"
  end
  row[found.index.participant_id or 1] = id
  found.rows[#found.rows + 1] = row
  return row
end

--- The column of that name, made where it is not there.
local function column_of(found, name)
  if not found.index[name] then
    found.columns[#found.columns + 1] = name
    found.index[name] = #found.columns
  end
  return found.index[name]
end

--- A value of a threshold into a participant's row, and in its own column how it was found, in the same place
--- of those that have several. A column of methods is there only where a method is known.
local function add_threshold(found, row, kind, ending, given)
  local at = column_of(found, kind .. ending)
  local cell = row[at] or "n/a"
  if ("|" .. cell .. "|"):find("|" .. given.value .. "|", 1, true) then
    return
  end
  local before = cell == "n/a" and 0 or select(2, cell:gsub("|", "")) + 1
  row[at] = before == 0 and given.value or cell .. "|" .. given.value
  local name = kind .. "_method" .. ending
  if given.method or found.index[name] then
    at = column_of(found, name)
    local methods = row[at] and row[at] ~= "n/a" and row[at] or ("n/a|"):rep(before):sub(1, -2)
    local method = (given.method or "n/a"):gsub("[|%c]", " ")
    row[at] = before == 0 and method or methods .. "|" .. method
  end
end

--- The participant's thresholds. Today's validator wants one row for each participant of the dataset, and no
--- other: sessions have columns of their own.
---@param id string "sub-01"
---@param session string? "ses-1"
---@param values table<string, { value: string, method: string? }> rmt, amt: %MSO, and how it was found
function Dataset:thresholds(id, session, values)
  local text = self:now(phenotype .. ".tsv")
  if not text and not next(values) then
    return
  end
  local found = tsv.parse(text or "participant_id\n")
  for _, each in ipairs(self:subjects(id)) do
    row_of(found, each)
  end
  for _, kind in ipairs { "rmt", "amt" } do
    if values[kind] then
      add_threshold(found, row_of(found, id), kind, session and "_ses_" .. session:sub(5) or "", values[kind])
    end
  end
  local lines = { table.concat(found.columns, "\t") }
  for i, each in ipairs(found.rows) do
    for j = 1, #found.columns do
      each[j] = each[j] or "n/a"
    end
    lines[i + 1] = table.concat(each, "\t")
  end
  self:write(phenotype .. ".tsv", table.concat(lines, "\n") .. "\n")
  self:write(phenotype .. ".json", describe_thresholds(self:now(phenotype .. ".json"), found.columns))
end

return M
