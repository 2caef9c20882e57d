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

--- The lines of a text behind its header, if all rows can stay as they are: whole, sorted, no cell empty.
--- A million of them is a usual session of a fast device: nothing is taken apart that need not be.
local function clean_lines(text, from)
  for _, bad in ipairs { "\r", "\t\t", "\t\n", "\n\t", "\n\n" } do
    if text:find(bad, 1, true) then
      return nil
    end
  end
  local lines, count, before = {}, 0, -math.huge
  while from <= #text do
    local to = text:find("\n", from, true)
    local onset = tonumber(text:match("^[^\t\n]+", from))
    if not to or not onset or onset < before then
      return nil
    end
    count = count + 1
    lines[count], from, before = text:sub(from, to - 1), to + 1, onset
  end
  return lines
end

--- Its rows that happened, sorted by onset, with one more cell.
local function happened(found, last)
  local list, before, sorted = {}, -math.huge, true
  for _, row in ipairs(found.rows) do
    local onset, event = tonumber(tsv.cell(found, row, "onset")), tsv.cell(found, row, "event")
    local is_pulse = event == "pulse" or event == "unasked_pulse"
    if onset and #row == #found.columns and (not is_pulse or delivered.is_given(event,
        tsv.cell(found, row, "status"), tsv.cell(found, row, "onset_sent_us") ~= nil)) then
      for i, cell in ipairs(row) do
        row[i] = cell == "" and "n/a" or cell
      end
      row[#row + 1] = last
      list[#list + 1] = { onset = onset, at = #list, text = table.concat(row, "\t") }
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

local function text_of(text, whole, plan)
  local header, from = text:match("^([^\r\n]*)\r?\n?()")
  header = plan and header .. "\tstim_file" or header
  local lines, ending = whole and clean_lines(text, from), plan and "\t" .. plan .. "\n" or "\n"
  if lines then
    lines[#lines + 1] = "" -- the last one ends as the others do
    return header .. "\n" .. table.concat(lines, ending)
  end
  lines = { header }
  for i, row in ipairs(happened(tsv.parse(text), plan)) do
    lines[i + 1] = row.text
  end
  return table.concat(lines, "\n") .. "\n"
end

--- The columns as BIDS wants them: onset and duration first, which they are in every run of Moonpulse.
---@param text string the run's events.tsv
---@param whole boolean nothing of it was left out
---@param own string? the run's events.json
---@param plan string? the name of its plan file under stimuli/
---@param software { name: string, version: string }
---@param base string path and name up to the suffix
---@param files table<string, string> gets them
function M.write(text, whole, own, plan, software, base, files)
  local timeline = text_of(text, whole, plan)
  local sidecar = { StimulusPresentation = { SoftwareName = software.name,
    SoftwareVersion = software.version } }
  local order, orders = { "StimulusPresentation" }, { lists = {} }
  -- texts of a device or of a script are in it: a bar is a bar
  tables.describe(sidecar, order, tsv.parse(timeline:match("^[^\n]*")).columns, nil, words_from(own), orders)
  orders[""] = order
  files[base .. "_events.tsv"] = timeline
  files[base .. "_events.json"] = json.encode(sidecar, orders)
end

--- The run's own events.tsv of a timeline that has all its rows: without the last column.
---@param text string of a beh/ events.tsv
---@return string
function M.without_plan(text)
  local header, from = text:match("^([^\n]*)\tstim_file\n()")
  local ending = header and text:match("^[^\n]*(\t[^\t\n]*\n)", from)
  if not ending then
    return text
  end
  local lines, count = { header .. "\n" }, 1
  while true do
    local to = text:find(ending, from, true)
    if not to then
      return table.concat(lines) .. text:sub(from)
    end
    count = count + 1
    lines[count] = text:sub(from, to - 1) .. "\n"
    from = to + #ending
  end
end

return M
