--- What must not look normal: each with a word of its own, which needs no colour to be seen.
local edited = require "moonpulse.safety.edited"
local facts = require "moonpulse.report.facts"
local planted = require "moonpulse.record.planted"
local record = require "moonpulse.record.read"
local statuses = require "moonpulse.record.statuses"
local text = require "moonpulse.drawing.text"

local M = {}

local get = record.get

local gravity = { good = 1, note = 2, bad = 3 }

--- The graver of two levels.
---@param a string
---@param b string
---@return string
function M.graver(a, b)
  return gravity[a] >= gravity[b] and a or b
end

--- What became of pulses that were not given as they were planned.
local function of_pulses(s, add)
  for _, each in ipairs(statuses.list) do
    local count = each.alert and s.by_status[each.name] or 0
    local sent = each.name == "late" and s.late or 0
    if count - sent > 0 then
      add("bad", each.headline, ("%s %s."):format(text.counted(count - sent, "pulse"), each.alert))
    end
    if sent > 0 then
      add("bad", "LATE", ("%s sent late."):format(text.counted(sent, "pulse")))
    end
  end
  if #s.unasked > 0 then
    add("bad", "NOT ASKED FOR", ("%s that the device reported and nobody sent."):format(
      text.counted(#s.unasked, "pulse")))
  end
end

local function of_safety(manifest, add)
  local verdict, worst = get(manifest, "safety.verdict"), nil
  local findings = facts.findings(manifest)
  for _, finding in ipairs(findings) do
    if finding.verdict == verdict and not worst then
      worst = finding
    end
  end
  if type(verdict) == "string" and verdict ~= "within" then
    local said = worst and text.value(worst.text) or "no finding is on record"
    local more = #findings > 1 and (" (%d findings: see Safety)"):format(#findings) or ""
    add(verdict == "OVER" and "bad" or "note", verdict:upper(), said .. more .. ".")
  end
  local override = facts.override(manifest)
  if override then
    add("bad", "OVERRIDE", ("a limit was lifted for this run. Reason: %s. By: %s. Approval: %s."):format(
      text.value(override.reason), text.value(override.by), text.value(override.approval)))
  end
  if get(manifest, "protocol.unconfirmed") then
    add("note", "UNCONFIRMED", "the protocol's numbers were not compared with its paper.")
  end
end

local function of_record(manifest, add)
  local status = get(manifest, "status")
  local lost = get(manifest, "result.flight_lost") == true
  if status == "interrupted" then
    add("bad", "TORN", "Moonpulse was killed during this run; " .. (lost and "the record is what was in "
      .. "events.tsv by then." or "the record was recovered from its flight record. What was being written "
      .. "at that moment is perhaps sent."))
  elseif status == "running" then
    add("bad", "NOT ENDED", "the record has no end: the run is going on, or was killed. "
      .. "'moonpulse recover' tells.")
  end
  local disarmed = get(manifest, "result.disarmed")
  if disarmed == false or disarmed == nil and status == "interrupted" or
    text.value(get(manifest, "result.reason")):find("NOT CONFIRMED SAFE", 1, true) then
    add("bad", "NOT CONFIRMED SAFE", "the stimulator did not say that it was disarmed at the end.")
  end
  if lost then
    add("bad", "RECORD LOST", "the flight record is lost: what events.tsv has is all that is known.")
  end
  local unknown = text.number(get(manifest, "result.pulses_unknown"))
  if unknown and unknown > 0 then
    add("bad", "UNEXPLAINED", (lost and "nobody knows whether %s after the last row were given: they count "
      .. "as given." or "%s in the flight record belong to no plan that is on record."):format(
      text.counted(unknown, lost and "more pulse" or "pulse")))
  end
  local rebuilt = get(manifest, "result.rebuilt")
  if rebuilt then
    add("note", "REBUILT", text.value(rebuilt) .. ".")
  end
  local files = get(manifest, "result.files")
  for _, sentence in ipairs(type(files) == "table" and files or {}) do
    add("note", "RECORD", text.value(sentence) .. ".")
  end
  local faults = planted.words(get(manifest, "device"))
  if faults then
    add("note", "FAULTS PLANTED", ("the simulator was told to go wrong: %s."):format(text.value(faults)))
  end
end

--- What a reader has to see first, the gravest first.
---@param manifest table
---@param s table from `summary.compute`
---@param changed string? what of the record was edited
---@return { level: "note"|"bad", word: string, text: string }[]
---@return "good"|"note"|"bad" level the gravest
function M.of(manifest, s, changed)
  local list, level = {}, "good"
  local function add(grade, word, words)
    list[#list + 1] = { level = grade, word = word, text = words, number = #list }
    level = M.graver(level, grade)
  end
  if changed == edited.unsealed then
    add("note", "NOT SEALED", "the record had no seal when this page was written: Moonpulse was killed "
      .. "before it had one, or somebody took it away.")
  elseif changed then
    add("bad", "EDITED", edited.sentence(changed) .. ".")
  end
  of_safety(manifest, add)
  of_record(manifest, add)
  of_pulses(s, add)
  table.sort(list, function(a, b)
    if a.level ~= b.level then
      return gravity[a.level] > gravity[b.level]
    end
    return a.number < b.number
  end)
  return list, level
end

return M
