--- The timeline of a run as beh/ events, for the BIDS tools of today: what happened, a row each. What was not
--- given is no event: it stays in the run's own events.tsv, under sourcedata/.
local cjson = require "cjson.safe"
local delivered = require "moonpulse.bids.delivered"
local json = require "moonpulse.text.readable_json"
local tables = require "moonpulse.bids.tables"
local tsv = require "moonpulse.bids.tsv"
local words = require "moonpulse.bids.words"

local M = {}

--- A column's words: ours, else those of the events.json that the run wrote.
local function words_from(text)
  local own = text and cjson.decode(text)
  own = type(own) == "table" and own or {}
  return function(name)
    local object = own[name]
    if words.timeline[name] or type(object) ~= "table" then
      return words.timeline[name]
    end
    local found = {}
    for _, key in ipairs(words.order) do
      local value = object[key]
      if type(value) == "string" or key == "Levels" and type(value) == "table" then
        found[key] = value
      end
    end
    return found
  end
end

--- Its rows that happened, sorted by onset, with one more cell.
local function happened(found, last)
  local list, before, sorted = {}, -math.huge, true
  local onset_at = found.index.onset
  for _, row in ipairs(found.rows) do
    local onset = onset_at and tonumber(row[onset_at])
    local event = tsv.cell(found, row, "event")
    local is_pulse = event == "pulse" or event == "unasked_pulse"
    if onset and #row == #found.columns and (not is_pulse or delivered.is_given(found, row)) then
      local cells = table.move(row, 1, #row, 1, {})
      for i, cell in ipairs(cells) do
        cells[i] = cell == "" and "n/a" or cell
      end
      cells[#cells + 1] = last
      list[#list + 1] = { onset = onset, at = #list, text = table.concat(cells, "\t"), cells = cells }
      sorted, before = sorted and onset >= before, onset
    end
  end
  if not sorted then
    table.sort(list, function(a, b)
      return a.onset < b.onset or a.onset == b.onset and a.at < b.at
    end)
  end
  return list
end

--- The columns as BIDS wants them: onset and duration first, which they are in every run of Moonpulse.
---@param found moonpulse.BidsTable the run's events.tsv
---@param own string? the run's events.json
---@param plan string? the name of its plan file under stimuli/
---@param software { name: string, version: string }
---@param base string path and name up to the suffix
---@param files table<string, string> gets them
function M.write(found, own, plan, software, base, files)
  local columns = table.move(found.columns, 1, #found.columns, 1, {})
  columns[#columns + 1] = plan and "stim_file" or nil
  local list = happened(found, plan)
  local lines, rows = { table.concat(columns, "\t") }, {}
  local most = 2000 -- rows that are looked at for levels
  for i, row in ipairs(list) do
    lines[i + 1] = row.text
    if i <= most then
      local cells = {}
      for j, name in ipairs(columns) do
        cells[name] = row.cells[j] ~= "n/a" and row.cells[j] or nil
      end
      rows[i] = cells
    end
  end
  local sidecar = { StimulusPresentation = { SoftwareName = software.name,
    SoftwareVersion = software.version } }
  local order, orders = { "StimulusPresentation" }, { lists = {} }
  tables.describe(sidecar, order, columns, rows, words_from(own), orders)
  orders[""] = order
  for _, name in ipairs(columns) do
    sidecar[name].Delimiter = nil -- texts of a device or of a script: a bar is a bar
  end
  files[base .. "_events.tsv"] = table.concat(lines, "\n") .. "\n"
  files[base .. "_events.json"] = json.encode(sidecar, orders)
end

return M
