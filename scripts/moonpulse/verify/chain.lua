--- The chain through journal.jsonl: each line holds the SHA-256 of the line before it, and the manifest
--- that of the last one.
local core = require "moonpulse.core"
local in_order = require "moonpulse.text.in_order"
local journal_lines = require "moonpulse.record.journal_lines"
local journals = require "moonpulse.record.journal"
local lfs = require "lfs"
local seals = require "moonpulse.record.seal"
local sha256 = require "moonpulse.text.sha256"
local value_words = require "moonpulse.text.value_words"

local M = {}

local said = value_words.plain

local name = "journal.jsonl"
local most_manifest = 16000000

---@class moonpulse.ChainLine: moonpulse.JournalLine
---@field entry table? what the line says; nil: it is torn, or was changed
---@field older boolean? of a version without a chain

--- Does a later line say that this one is torn?
local function is_told(lines, number)
  local after = lines[number + 1]
  return after ~= nil and after.entry ~= nil and after.entry.torn_line == number
end

local function check_line(lines, number, head, findings)
  local line, before = lines[number], lines[number - 1]
  local entry = line.entry
  if not entry then
    return -- told later
  elseif entry.line ~= number then
    findings:differ(name, number, "it is line %s of the journal", said(entry.line))
  elseif entry.prev ~= head and (not before or before.entry or before.older) then -- else that one is told
    findings:differ(name, number, "the line before it is not the one that was there when it was written")
  end
end

--- How many lines an older version wrote, which had no chain.
local function older_lines(lines)
  for number, line in ipairs(lines) do
    if line.text:find('"prev":"', 1, true) then
      return number - 1
    end
  end
  return #lines
end

--- Lines that say nothing: torn by a kill and told as such by the next one, or changed.
local function check_damaged(lines, torn, findings)
  for number, line in ipairs(lines) do
    if is_told(lines, number) then
      findings:note("line %d of journal.jsonl is torn: the run was killed as it was written, as the next "
        .. "line says", number)
    elseif not line.entry and not line.older and torn and number == #lines then
      findings:differ(name, number, "it is torn: moonpulse recover says so in the record")
    elseif not line.entry and not line.older then
      findings:differ(name, number, "it was changed, or is torn")
    end
  end
end

local function check_head(lines, head, manifest, findings)
  if manifest.journal_head ~= head then
    findings:differ(name, #lines, "the last line is not the one that manifest.json names (journal_head)")
  elseif manifest.journal_lines ~= #lines then
    findings:differ("manifest.json", nil, "journal_lines is %s, and the journal has %d",
      said(manifest.journal_lines), #lines)
  end
end

local mended = { ["events.tsv"] = true, ["report.html"] = true } -- recover writes them again

-- that seal again
local commands = { recovered = "recover", report = "recover", signature = "sign", noted = "note" }

--- The seal of a run is another one since somebody sealed again: which one was it, and who did it?
local function tell_sealed_again(entry, number, findings)
  local who, before = entry.who ~= "n/a" and said(entry.who) .. ", " or "", entry.seal_before
  before = type(before) == "string" and seals.short(before)
  findings.sealed_again = findings.sealed_again or before and true or nil
  findings:note("sealed %sby moonpulse %s (%s%s): %s%s (line %d of journal.jsonl)", before and "again " or "",
    commands[entry.kind], who, said(entry.at), said(entry.why),
    before and "; the seal before was " .. before or "", number)
end

--- What did not fit the seal before, when somebody sealed again.
local function check_sealed_again(lines, findings)
  for number, line in ipairs(lines) do
    local entry = line.entry
    for _, file in ipairs(entry and type(entry.differed) == "table" and entry.differed or {}) do
      if mended[file] then
        findings:note("%s was missing or changed, and was written again (line %d of journal.jsonl)", file,
          number)
      else
        findings:differ(name, number, "%s was not as it had been sealed when the folder was sealed again",
          said(file))
      end
    end
    if entry and commands[entry.kind] and entry.why ~= "--sign" then -- with that the run itself signed
      tell_sealed_again(entry, number, findings)
    end
  end
end

--- The hashes that the journal itself has of finished files: the newest. A line that has that of
--- manifest.json has those of all files that were there.
local function check_files(folder, lines, sums, findings)
  for i = #lines, 1, -1 do
    local files = lines[i].entry and lines[i].entry.files
    if type(files) == "table" then
      local manifest = files["manifest.json"] and core.read_file(folder .. "/manifest.json", most_manifest)
      for _, file in ipairs(in_order.keys(files)) do
        local is = file == "manifest.json" and manifest and seals.manifest_sum(manifest) or sums[file]
        if is ~= files[file] and not findings:has(file) then
          findings:differ(file, nil, is == "none" and "it is no file"
            or "it is not the one whose SHA-256 line %d of journal.jsonl has", i)
        end
      end
      for _, file in ipairs(files["manifest.json"] and in_order.keys(sums) or {}) do
        if not files[file] and file ~= name and not findings:has(file) then
          findings:differ(file, nil, "it was not there when line %d of journal.jsonl was written", i)
        end
      end
      return
    end
  end
end

--- Check the journal of a run.
---@param folder string
---@param manifest table of it
---@param sums table<string, string> SHA-256 of the folder's files
---@param findings moonpulse.VerifyFindings
---@return moonpulse.ChainLine[] lines; empty: there is none
---@return boolean chained it has a chain
function M.check(folder, manifest, sums, findings)
  local path = folder .. "/" .. name
  if not lfs.symlinkattributes(path, "mode") then
    if manifest.journal_head then
      findings:differ(name, nil, "it is missing")
    end
    return {}, manifest.journal_head ~= nil
  end
  local text, message = core.read_file(path, journals.most_bytes)
  if not text then
    findings:differ(name, nil, "%s", message)
    return {}, true
  end
  local lines, torn = journal_lines.of(text)
  for _, line in ipairs(lines) do
    line.entry = line.whole and line.entry or nil
  end
  local chained = text:find('"prev":"', 1, true) ~= nil
  if not chained and not manifest.journal_head then
    for _, line in ipairs(lines) do
      line.older = true
    end
    return lines, false
  end
  local head, before, older = journals.none, #findings.differs, older_lines(lines)
  for number, line in ipairs(lines) do
    line.older = number <= older
    if not line.older then
      check_line(lines, number, head, findings)
    end
    head = sha256.of(line.text)
  end
  if older > 0 then
    findings:leave("the chain of the journal", ("lines 1 to %d of journal.jsonl are of an older version, "
      .. "which had no chain"):format(older), "compare them with a copy that was kept elsewhere")
  end
  check_damaged(lines, torn, findings)
  if manifest.status ~= "running" then
    check_head(lines, head, manifest, findings)
  end
  check_files(folder, lines, sums, findings)
  check_sealed_again(lines, findings)
  if #findings.differs == before then
    findings:check("the chain of the journal holds through its %d lines", #lines)
  end
  return lines, true
end

return M
