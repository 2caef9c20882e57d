--- The timeline of a run as beh/ events, for the BIDS tools of today: what happened, a row each. What was not
--- given is no event: it stays in the run's own events.tsv, under sourcedata/.
local cjson = require "cjson.safe"
local core = require "moonpulse.core"
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

--- Has a run event codes? Then its timeline has BIDS' column for them.
local function is_coded(text)
  return text:find("\tcode\t", 1, true) ~= nil
end

--- Did what a row tells of happen?
local function has_happened(found, row, event)
  local was_sent = tsv.cell(found, row, "onset_sent_us") ~= nil
  if event == "pulse" or event == "unasked_pulse" then
    return delivered.is_given(event, tsv.cell(found, row, "status"), was_sent)
  end
  return event ~= "code" or was_sent -- one that the box did not get is no event
end

--- Its rows that happened, sorted by onset, with one more cell, and with that of their code.
local function happened(found, last, coded)
  local list, before, sorted = {}, -math.huge, true
  for _, row in ipairs(found.rows) do
    local onset, event = tonumber(tsv.cell(found, row, "onset")), tsv.cell(found, row, "event")
    if onset and #row == #found.columns and has_happened(found, row, event) then
      local value = event == "code" and tsv.cell(found, row, "reply") or "n/a"
      for i, cell in ipairs(row) do
        row[i] = cell == "" and "n/a" or cell
      end
      row[#row + 1] = coded and value or nil
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

--- The lines from a byte on, each with one more cell, part by part after the header.
local function lengthened(text, from, plan, header)
  local at, first = from, true
  return function()
    if first then
      first = false
      return header
    end
    local part
    part, at = core.with_cell(text, at or #text + 1, plan)
    return part
  end
end

--- What the timeline is: its header, and all of it, as a dataset takes it.
local function made_of(text, whole, plan)
  local header, from = text:match("^([^\r\n]*)\r?\n?()")
  local coded = is_coded(text)
  header = (coded and header .. "\tvalue" or header) .. (plan and "\tstim_file" or "")
  -- a million rows are a usual session of a fast device: what can stay as it is is not taken apart
  if whole and not coded and core.plain_rows(text, from) then
    return header, plan and { parts = function() return lengthened(text, from, plan, header .. "\n") end }
      or header .. "\n" .. text:sub(from)
  end
  local lines = { header }
  for i, row in ipairs(happened(tsv.parse(text), plan, coded)) do
    lines[i + 1] = row.text
  end
  return header, table.concat(lines, "\n") .. "\n"
end

--- The columns as BIDS wants them: onset and duration first, which they are in every run of Moonpulse.
---@param text string the run's events.tsv
---@param whole boolean nothing of it was left out
---@param own string? the run's events.json
---@param plan string? the name of its plan file under stimuli/
---@param software { name: string, version: string, notes: table[]?, begins: table? } notes: on the run, which
---   no row has; begins: where its plan was begun
---@param base string path and name up to the suffix
---@param files table<string, string|moonpulse.BidsParts> gets them
function M.write(text, whole, own, plan, software, base, files)
  local header, timeline = made_of(text, whole, plan)
  local sidecar = { StimulusPresentation = { SoftwareName = software.name,
    SoftwareVersion = software.version } }
  local order, orders = { "StimulusPresentation" }, { lists = {} }
  -- texts of a device or of a script are in it: a bar is a bar
  tables.describe(sidecar, order, tsv.parse(header).columns, nil, words_from(own), orders)
  if software.notes or software.begins then
    sidecar.Moonpulse = { Notes = software.notes, BeginsAt = software.begins }
    order[#order + 1] = "Moonpulse"
  end
  orders[""] = order
  files[base .. "_events.tsv"] = timeline
  files[base .. "_events.json"] = json.encode(sidecar, orders)
end

--- Is a text made of these parts?
local function is_made_of(text, parts)
  local at = 1
  for part in parts do
    if text:sub(at, at + #part - 1) ~= part then
      return false
    end
    at = at + #part
  end
  return at == #text + 1
end

--- Is a timeline the copy of a run's own events.tsv that has all its rows?
---@param text string of a beh/ events.tsv
---@param own string
---@return boolean
function M.is_copy(text, own)
  local plan = text:match("^[^\n]*\tstim_file\n[^\n]*\t([^\t\n]*)\n")
  if text == own or not plan and not is_coded(own) then
    return text == own
  end
  local _, made = made_of(own, true, plan)
  return type(made) == "table" and is_made_of(text, made.parts()) or text == made
end

return M
