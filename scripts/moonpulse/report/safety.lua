--- The section on safety: the verdict, each finding with the row it comes from, what was lifted,
--- the preflight.
local facts = require "moonpulse.report.facts"
local html = require "moonpulse.report.html"
local layers = require "moonpulse.record.verdict_layers"
local record = require "moonpulse.record.read"
local text = require "moonpulse.drawing.text"

local M = {}

local get = record.get

local function sentence(value)
  return (text.value(value):gsub("[%s%.]+$", "")) .. "."
end

--- Each finding with the row it comes from, and where that was published.
local function finding_list(findings)
  local out = { '<h3>Findings, each with the row of the table it comes from</h3><ul class="findings">' }
  local before
  for _, finding in ipairs(findings) do
    local verdict = text.value(finding.verdict)
    local level = verdict == "OVER" and "bad" or "note"
    local layer = finding.layer and text.value(finding.layer) or "guidelines"
    local from = ("Row: %s Source: %s"):format(sentence(finding.table), sentence(finding.source))
    out[#out + 1] = ('<li class="%s">%s<div><p><strong>%s</strong> (%s) %s</p><p class="small">%s</p>'
      .. "</div></li>"):format(level, html.icon(level), text.escape(verdict), text.escape(layer),
      text.escape(sentence(finding.text)),
      text.escape(from == before and "Row and source: as above." or from))
    before = from
  end
  return table.concat(out, "\n") .. "</ul>"
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
      local again = each.source and " (nobody was asked: so it was answered in the run that this one repeats)"
      rows[#rows + 1] = { text.value(each.question or each.text or each.id), text.value(each.answer)
        .. (again or "") }
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

--- The gravest verdict, and whose it is where it is not that by the published limits.
local function verdict_words(manifest)
  local of, verdict = layers.of(manifest), get(manifest, "safety.verdict")
  if not of or of.guidelines == verdict then
    return verdict
  end
  local parts = { "published limits: " .. text.value(of.guidelines) }
  for _, layer in ipairs(layers.others) do
    parts[#parts + 1] = of[layer] and ("%s: %s"):format(layer == "lab" and "lab's limits" or layer,
      text.value(of[layer])) or nil
  end
  return ("%s (%s)"):format(text.value(verdict), table.concat(parts, "; "))
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
    { "Verdict", verdict_words(manifest) },
    { "Table", get(manifest, "safety.table") },
    { "Lab's limits", get(manifest, "safety.lab") or "none given" },
    { "Earlier pulses of the participant", facts.participant(manifest) and earlier(manifest)
      or "not counted: no participant is named" },
  }
  local nerve = get(manifest, "protocol.nerve")
  if type(nerve) == "table" and #nerve > 0 then
    rows[#rows + 1] = { "Not judged", ("nerve stimulation (%s): the tables are of the brain"):format(
      text.value(#nerve == 1 and nerve[1] or nerve)) }
  end
  if override then
    rows[#rows + 1] = { "Limit lifted because", override.reason }
    rows[#rows + 1] = { "Lifted by", override.by }
    rows[#rows + 1] = { "Approval", override.approval }
  end
  local parts = { html.facts("Safety", rows) }
  if #findings > 0 then
    parts[#parts + 1] = finding_list(findings)
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
