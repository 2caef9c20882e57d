--- The section on safety: the verdict, each finding with the row it comes from, what was lifted,
--- the preflight.
local facts = require "moonpulse.report.facts"
local html = require "moonpulse.report.html"
local record = require "moonpulse.record.read"
local text = require "moonpulse.drawing.text"

local M = {}

local get = record.get

local function finding_rows(findings)
  local rows = {}
  for i, finding in ipairs(findings) do
    rows[i] = { text.value(finding.verdict), finding.layer and text.value(finding.layer) or "guidelines",
      text.value(finding.text), text.value(finding.table), text.value(finding.source) }
  end
  return rows
end

--- Questions and answers of the preflight, as either version of the record has them.
local function answers(manifest)
  local list = get(manifest, "preflight")
  if type(list) ~= "table" or #list == 0 then
    list = get(manifest, "safety.preflight.answers")
  end
  local rows = {}
  for _, each in ipairs(type(list) == "table" and list or {}) do
    if type(each) == "table" then
      rows[#rows + 1] = { text.value(each.question or each.text or each.id), text.value(each.answer) }
    end
  end
  return rows
end

--- Earlier pulses of the participant, as the gate counted them.
local function earlier(manifest)
  local day = text.number(get(manifest, "safety.history.day"))
  local week = text.number(get(manifest, "safety.history.week"))
  return day and week and ("%s today, %s in the seven days before"):format(text.counted(day, "pulse"),
    text.count(week)) or nil
end

--- The section on safety.
---@param manifest table
---@return string
function M.section(manifest)
  if type(get(manifest, "safety")) ~= "table" then
    return html.section("safety", "Safety", { html.p("The safety check's verdict is " .. text.missing .. ".",
      "missing") })
  end
  local override, findings = facts.override(manifest), facts.findings(manifest)
  local rows = {
    { "Verdict", get(manifest, "safety.verdict") },
    { "Table", get(manifest, "safety.table") },
    { "Lab's limits", get(manifest, "safety.lab") or "none given" },
    { "Earlier pulses of the participant", facts.participant(manifest) and earlier(manifest)
      or "not counted: no participant is named" },
  }
  if override then
    rows[#rows + 1] = { "Limit lifted because", override.reason }
    rows[#rows + 1] = { "Lifted by", override.by }
    rows[#rows + 1] = { "Approval", override.approval }
  end
  local parts = { html.facts("Safety", rows) }
  if #findings > 0 then
    parts[#parts + 1] = html.grid("Findings, each with the row of the table it comes from", { "Verdict",
      "Layer", "What was found", "Row", "Source" }, finding_rows(findings), "findings")
  end
  local asked = answers(manifest)
  if #asked > 0 then
    parts[#parts + 1] = html.grid("Preflight, as the operator answered it", { "Question", "Answer" }, asked)
  end
  local warning = get(manifest, "safety.warning")
  if warning then
    parts[#parts + 1] = html.p("Note: " .. text.value(warning) .. ".", "small")
  end
  return html.section("safety", "Safety", parts)
end

return M
