--- What an operator notes about a run that is over: a line of its journal, the list notes of its manifest,
--- and a section of its report.
--
-- The journal's line is written first and has the hashes of the other two as they are to be. Who is killed in
-- between leaves a folder without a seal: finish() makes the two again from the journal, and writes what has
-- exactly those hashes, and nothing else.
local cell_text = require "moonpulse.text.cell_text"
local core = require "moonpulse.core"
local files = require "moonpulse.record.file"
local journal_lines = require "moonpulse.record.journal_lines"
local manifest_files = require "moonpulse.record.manifest_file"
local read = require "moonpulse.record.read"
local seals = require "moonpulse.record.seal"
local sha256 = require "moonpulse.text.sha256"

local M = {}

--- A note is at most so long, in characters, and a record has at most so many: it is no place for a diary.
M.most, M.most_notes = 2000, 1000

---@class moonpulse.OperatorNote
---@field at string? when it was written down
---@field who string the operator's code; "n/a": nobody said
---@field text string

--- What is wrong with the text of a note; nil: nothing.
---@param text string
---@return string? sentence what, and what to do
function M.problem(text)
  if not text:find("%S") then
    return "the note is empty: say what happened, in quotes"
  elseif not cell_text.is_plain(text) then
    return "the note cannot be kept: " .. cell_text.plain
  elseif utf8.len(text) > M.most then
    return ("the note has %d characters, and at most %d are kept: make it shorter, or two of it"):format(
      utf8.len(text), M.most)
  end
end

--- The notes that a journal has, in their order.
---@param entries (table|false)[] its lines
---@return moonpulse.OperatorNote[]
function M.of(entries)
  local notes = {}
  for _, entry in ipairs(entries) do
    if entry and entry.kind == "noted" and type(entry.text) == "string" then
      notes[#notes + 1] = { at = type(entry.at) == "string" and entry.at or nil,
        who = type(entry.who) == "string" and entry.who or "n/a", text = entry.text }
    end
  end
  return notes
end

--- The manifest and the report with these notes.
---@param folder string
---@param notes moonpulse.OperatorNote[]
---@param page fun(manifest: table): string?, string? makes the report
---@return { ["manifest.json"]: string, ["report.html"]: string }? texts
---@return string? message
local function made_with(folder, notes, page)
  local manifest, said = read.manifest(folder .. "/manifest.json")
  if not manifest or #said > 0 then
    return nil, manifest and said[1] or said
  end
  manifest.notes = notes
  local report, message = page(manifest)
  return report and { ["manifest.json"] = manifest_files.encode(manifest), ["report.html"] = report }, message
end

--- Add a note to a record that is whole, and seal it again. By who has the folder's lock.
---@param folder string
---@param note { at: string, who: string, text: string }
---@param page fun(manifest: table): string?, string? makes the report
---@return string? seal
---@return string? message
function M.add(folder, note, page)
  local entries, message = journal_lines.entries(folder)
  if not entries then
    return nil, message
  end
  local notes = M.of(entries)
  if #notes >= M.most_notes then
    return nil, ("it has %d notes, and more are not kept: write the rest elsewhere"):format(#notes)
  end
  notes[#notes + 1] = note
  local texts
  texts, message = made_with(folder, notes, page)
  if not texts then
    return nil, message
  end
  return seals.again(folder, "noted", { at = note.at, who = note.who, text = note.text,
    why = "moonpulse note" }, nil, nil, texts)
end

--- Is a text the one whose hash the journal has?
local function is_told(told, name, text)
  return told[name] == (name == "manifest.json" and seals.manifest_sum(text) or sha256.of(text))
end

--- Somebody was killed while a note was written: write what its line in the journal says that comes next.
--- By who has the folder's lock, before anything is compared with the seal.
---@param folder string
---@param page fun(manifest: table): string?, string? makes the report
---@return boolean? finished nil: there was nothing to do, or what is there cannot be what was to be written
function M.finish(folder, page)
  local journal = not seals.current(folder) and core.read_file(folder .. "/journal.jsonl",
    journal_lines.most_bytes)
  local lines = journal and journal_lines.of(journal) or {}
  local last = lines[#lines]
  local told = last and last.whole and last.entry.kind == "noted" and last.entry.files
  local manifest = told and core.read_file(folder .. "/manifest.json", journal_lines.most_bytes)
  if type(told) ~= "table" or not manifest or not seals.is_headed(journal, manifest) then
    return nil
  end
  local texts = made_with(folder, M.of(journal_lines.whole(lines)), page)
  if not texts or not is_told(told, "manifest.json", texts["manifest.json"])
    or not is_told(told, "report.html", texts["report.html"]) then
    return nil
  end
  for _, name in ipairs { "report.html", "manifest.json" } do
    if not files.put(folder .. "/" .. name, texts[name]) then
      return nil
    end
  end
  return true
end

return M
