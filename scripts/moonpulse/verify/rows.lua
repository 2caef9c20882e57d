--- events.tsv against what is left of the run beside it: flight.bin in real time, the journal's marks and
--- plans in virtual time.
local aheads = require "moonpulse.verify.aheads"
local cell_text = require "moonpulse.text.cell_text"
local cells_of = require("moonpulse.text.cells").of
local core = require "moonpulse.core"
local ended_lines = require "moonpulse.text.ended_lines"
local journal_lines = require "moonpulse.record.journal_lines"
local lfs = require "lfs"
local read = require "moonpulse.record.read"
local recover = require "moonpulse.record.recover"
local witnessed = require "moonpulse.record.witnessed"

local M = {}

local name = "events.tsv"
local most_events = 2000000000
local against_flight = "events.tsv against flight.bin"
local elsewhere = "compare it with a copy that was kept elsewhere"

--- The text of events.tsv, which is read once.
---@param folder string
---@param findings moonpulse.VerifyFindings
---@return string? nil: there is none that can be read, and that is told
function M.read(folder, findings)
  if not findings.events or findings.events.folder ~= folder then
    local text, message = core.read_file(folder .. "/" .. name, most_events)
    if not text then
      findings:differ(name, nil, "%s", message)
      return nil
    end
    findings.events = { folder = folder, text = text }
  end
  return findings.events.text
end

--- The path of events.tsv, where nothing was found to differ in it and it can be read.
---@param folder string
---@param findings moonpulse.VerifyFindings
---@return string? path nil: it cannot be, which is told
function M.path(folder, findings)
  local path = folder .. "/" .. name
  if findings:has(name) then
    return nil
  end
  local file <close> = lfs.symlinkattributes(path, "mode") == "file" and io.open(path, "rb") or nil
  local can_be = file and file:seek("end") <= most_events
  return (can_be or M.read(folder, findings)) and path or nil
end

--- The column of the device's words, which only its driver knows.
local function place_of_reply(header)
  for place, cell in ipairs(cells_of(header)) do
    if cell == "reply" then
      return place
    end
  end
end

--- A row without the cell at a place.
local function without(place)
  return function(line)
    local cells = cells_of(line)
    cells[place] = cells[place] and "n/a"
    return table.concat(cells, "\t")
  end
end

--- What the record itself says of what is missing or damaged in it: of a run that was killed, or whose disk
--- was full. What nobody told then came later.
local function told_before(manifest, lines)
  local told = {}
  local lists = { read.get(manifest, "result.damage") or false }
  for _, line in ipairs(lines) do
    lists[#lists + 1] = line.entry and line.entry.kind == "recovered" and line.entry.said or nil
  end
  for _, list in ipairs(lists) do
    for _, sentence in ipairs(type(list) == "table" and list or {}) do
      told[sentence] = true
    end
  end
  return told
end

--- Why a run in real time has no flight record, as its own record says; nil: it says nothing of that.
local function why_no_flight(manifest)
  if read.get(manifest, "result.flight_lost") then
    return "there was none when the run was recovered"
  end
  local files = read.get(manifest, "result.files")
  for _, sentence in ipairs(type(files) == "table" and files or {}) do
    if tostring(sentence):find("flight.bin", 1, true) then
      return tostring(sentence)
    end
  end
end

--- The files of this name that a run has: one, or one in the folder of each of several devices.
---@param manifest table
---@param file "flight.bin"|"twin.tsv"
---@return string[]
function M.of_devices(manifest, file)
  local devices, list = read.get(manifest, "device.devices"), {}
  for i, each in ipairs(type(devices) == "table" and devices or {}) do
    list[i] = ("%s/%s"):format(tostring(type(each) == "table" and each.place), file)
  end
  return list[1] and list or { file }
end

--- The first flight record of a run that is not there; nil: all are.
local function missing_flight(folder, manifest)
  for _, file in ipairs(M.of_devices(manifest, "flight.bin")) do
    if lfs.symlinkattributes(folder .. "/" .. file, "mode") ~= "file" then
      return file
    end
  end
end

--- A run on a simulator of ours has what that simulator gave.
---@param folder string
---@param manifest table
---@param findings moonpulse.VerifyFindings
function M.check_twin(folder, manifest, findings)
  local own = read.get(manifest, "device.own_simulator") == true
  local known = own and manifest.status ~= "not run" and (tonumber(manifest.record_version) or 0) >= 3
  for _, file in ipairs(known and M.of_devices(manifest, "twin.tsv") or {}) do
    if not lfs.symlinkattributes(folder .. "/" .. file, "mode") and not findings:has(file) then
      findings:differ(file, nil, "it is missing, and every run on a simulator has one")
    end
  end
  local cut = own and not findings:has "twin.tsv" and witnessed.cut(folder)
  local speed = tonumber(manifest.speed) or manifest.speed or 1
  if cut and (manifest.status == "not run" or manifest.status == "interrupted" and speed ~= 1) then
    findings:note("%s", cut) -- nothing was given; or it was killed with Moonpulse, and has what it wrote
  elseif cut then
    findings:leave("twin.tsv against what the simulator gave", cut, "nothing can write the rest: events.tsv "
      .. "and flight.bin have the pulses")
  end
end

--- Row by row against the flight record of a run in real time.
---@param folder string
---@param manifest table
---@param lines moonpulse.ChainLine[] the journal
---@param findings moonpulse.VerifyFindings
---@param progress fun(what: string, done: integer, total: integer, of: string)
function M.against_flight(folder, manifest, lines, findings, progress)
  local missing = missing_flight(folder, manifest)
  if missing then
    if manifest.status == "not run" then
      return -- nothing was sent
    end
    local why = why_no_flight(manifest)
    if not why and (tonumber(manifest.record_version) or 0) >= 3 then
      return findings:differ(missing, nil, "it is missing, and every run in real time has one")
    end
    return findings:leave(against_flight, why or "there is no flight.bin", elsewhere)
  elseif read.get(manifest, "result.flight_lost") then
    return findings:leave(against_flight, "there was none when the run was recovered", elsewhere)
  end
  local text, said, _, worded = recover.rows(folder, true, progress, folder .. "/" .. name)
  if not text then
    return findings:leave(against_flight, tostring(said), elsewhere)
  end
  local events = text ~= true and M.read(folder, findings)
  if text ~= true and not events then
    return
  end
  local told = told_before(manifest, lines)
  for _, sentence in ipairs(said) do
    if told[sentence] or sentence:find("^flight.bin is of an older version") then
      findings:note("%s", sentence)
    else
      findings:differ("flight.bin", nil, "%s", sentence)
    end
  end
  local place = events and not worded and place_of_reply(events:match("^[^\n]*")) or nil
  if text == true or place and core.same_but(events, text, place)
    or findings:compare(name, events, text, "flight.bin says", place and without(place)) then
    findings:check("events.tsv is what flight.bin says, row by row%s", place
      and " (but for the words of the device's replies, which only its driver's file has)" or "")
  end
end

--- The marks of the journal of an experiment, in their order.
local function marks_of(lines)
  local texts, pulses = {}, 0
  for _, line in ipairs(lines) do
    local entry = line.entry
    if entry and entry.kind == "mark" then
      texts[#texts + 1] = cell_text.written(tostring(entry.text))
    elseif entry and entry.kind == "play" then
      pulses = pulses + (math.tointeger(entry.pulses) or 0)
    end
  end
  return texts, pulses
end

--- What the journal of an experiment says was marked and played.
---@param folder string
---@param manifest table
---@param lines moonpulse.ChainLine[]
---@param findings moonpulse.VerifyFindings
function M.against_journal(folder, manifest, lines, findings)
  for _, line in ipairs(lines) do
    if line.older then
      return findings:leave("events.tsv against journal.jsonl", "the journal, or its beginning, is of an "
        .. "older version", elsewhere)
    end
  end
  local events = M.read(folder, findings)
  if not events then
    return
  end
  local told, pulses = marks_of(lines)
  local before, number, found, rows = #findings.differs, 0, {}, 0
  for line in ended_lines.of(events) do
    number = number + 1
    local event = line:match("^[^\t]*\t[^\t]*\t[^\t]*\t[^\t]*\t([^\t]*)")
    if event == "mark" then
      local reply = cells_of(line)[16] or ""
      found[reply] = (found[reply] or 0) + 1
    elseif event == "pulse" then
      rows = rows + 1
    end
  end
  for _, text in ipairs(told) do
    found[text] = (found[text] or 0) - 1
  end
  for text, count in pairs(found) do
    if count < 0 then
      findings:differ(name, nil, "it has no row of the mark %q, which journal.jsonl has", text)
    end
  end
  if rows > pulses + aheads.untold(manifest, journal_lines.whole(lines)) then
    findings:differ(name, nil, "it has %d pulses, and the plans of journal.jsonl have %d", rows, pulses)
  end
  if #findings.differs == before then
    findings:check("events.tsv has the marks of the journal, and no more pulses than its plans")
  end
end

return M
