--- What somebody does who knows Moonpulse: edits a record and closes it again, so that every hash, the chain
--- and the seal are right. Only what is made again from the record can show it.
local cjson = require "cjson"
local core = require "moonpulse.core"
local fixture = require "job"
local journals = require "moonpulse.record.journal"
local lfs = require "lfs"
local reports = require "moonpulse.report"
local sha256 = require "moonpulse.text.sha256"
local shell = require "shell"
local tolds = require "moonpulse.record.told"

local M = {}

--- The lines of a run's journal as data.
---@param run string its folder
---@return table[]
function M.journal(run)
  local entries = {}
  for line in shell.read(run .. "/journal.jsonl"):gmatch("[^\n]+") do
    entries[#entries + 1] = cjson.decode(line)
  end
  return entries
end

--- Let a journal, or { the manifest's result }, say that a run ended otherwise.
---@param entries table[] lines, changed
---@param stop string? the name of the reason of a stop; nil: it was killed
---@param reason string
function M.ended_by(entries, stop, reason)
  for _, entry in ipairs(entries) do
    if entry.kind == "end" or entry.pulses_sent then
      entry.stop, entry.reason, entry.status = stop or entry.stop, reason, stop and "stopped" or "interrupted"
    end
  end
end

local of_chain = { check = true, kind = true, line = true, prev = true }

local function write_journal(run, entries)
  local head, lines = journals.none, {}
  for number, entry in ipairs(entries) do
    local bare = {}
    for key, value in pairs(entry) do
      bare[key] = not of_chain[key] and value or nil
    end
    if entry.kind == "end" and bare.files then
      for name in pairs(bare.files) do
        bare.files[name] = sha256.of_file(run .. "/" .. name)
      end
    end
    lines[number] = journals.line(entry.kind, bare, number, head)
    head = sha256.of(lines[number])
  end
  shell.write(run .. "/journal.jsonl", table.concat(lines, "\n") .. "\n")
end

--- Let the journal tell again what the manifest says.
local function fit_told(manifest, entries)
  for _, entry in ipairs(entries) do
    if entry.kind == "end" then
      entry.told = tolds.at_end(manifest, manifest.speed ~= 1)
    elseif entry.kind == "sealed" then
      entry.told = tolds.at_seal(manifest)
    end
  end
end

--- Edit a run, and close it again. The report is the page that the edited record makes, unless it is edited
--- itself.
---@param run string
---@param journal fun(entries: table[])?
---@param tables table<string, fun(text: string): string>? what becomes of other files, by name
---@param fit boolean? the journal tells again what the manifest says now
function M.edit(run, journal, tables, fit)
  for name, change in pairs(tables or {}) do
    shell.write(run .. "/" .. name, change(shell.read(run .. "/" .. name)))
  end
  local entries = M.journal(run)
  if journal then
    journal(entries)
  end
  if fit then
    fit_told(fixture.manifest(run), entries)
  end
  write_journal(run, entries)
  local manifest = shell.read(run .. "/manifest.json")
  shell.write(run .. "/manifest.json", (manifest:gsub('("events_sum"%s*:%s*)"[^"]*"', function(key)
    return ('%s"%s"'):format(key, core.file_sum(run .. "/events.tsv"))
  end)))
  if not (tables and tables["report.html"]) and lfs.attributes(run .. "/report.html", "mode") then
    reports.write(run)
  end
  fixture.seal(run)
end

return M
