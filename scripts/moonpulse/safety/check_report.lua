--- What moonpulse check says: as lines for people, as one JSON object for programs.
local cjson = require "cjson"
local histories = require "moonpulse.safety.history"
local json = require "moonpulse.text.sorted_json"
local judge = require "moonpulse.safety.judge"
local numbers = require "moonpulse.text.numbers"
local rules = require "moonpulse.safety.rules"
local tables = require "moonpulse.safety.tables"

local M = {}

--- How grave a verdict is; what could not be checked is no more "within".
---@param verdict string
---@return number larger: graver
function M.order(verdict)
  return rules.order[verdict] or rules.order.within + 0.5
end

--- The graver of two verdicts.
---@param a string
---@param b string
---@return string
function M.graver(a, b)
  return M.order(b) > M.order(a) and b or a
end

--- Loaded for check, not for every start of a run.
local function begins()
  return require "moonpulse.record.begins"
end

local function layer_of(finding)
  return finding.lab and "lab" or finding.layer or "guidelines"
end

--- The verdicts of what the gate judges by: the published guidelines, the lab's own limits, the protocol's
--- own sessions. A layer that is not there is nil.
---@param findings table[] with verdict, and layer or lab where it is not of the guidelines
---@param lab boolean? there is a lab's file
---@return table<string, string>
function M.by_layer(findings, lab)
  local of = { guidelines = "within", lab = lab and "within" or nil }
  for _, finding in ipairs(findings) do
    local layer = layer_of(finding)
    of[layer] = M.graver(of[layer] or "within", finding.verdict)
  end
  return of
end

--- The layer of a finding.
M.layer_of = layer_of

--- The verdict of each layer, and the gravest.
---@param result { report: table, device: table, lab: table? }
---@return { layer: string, verdict: string }[]
---@return string verdict
function M.layers(result)
  local of = M.by_layer(result.report.findings, result.lab ~= nil)
  of.device = result.device.verdict
  local list, worst = {}, "within"
  for _, layer in ipairs { "device", "guidelines", "lab", "sessions" } do
    if of[layer] then
      list[#list + 1] = { layer = layer, verdict = of[layer] }
      worst = M.graver(worst, of[layer])
    end
  end
  return list, worst
end

local function text_of(finding)
  return judge.sentence(finding) .. (finding.case and (" (%s)"):format(finding.case) or "")
end

local function history_of(history)
  local facts = histories.facts(history)
  for _, key in ipairs { "notes", "unreadable", "older" } do
    if facts and facts[key] then
      json.list(facts[key])
    end
  end
  return facts
end

--- One JSON object.
---@param result { protocol: table, begins_at: moonpulse.Begins?, report: table, device: table,
---   judged: table?, seed: table?, lab: table?, codes: string?, history: moonpulse.History? } codes: the
---   plan's event codes in words
---@return string
function M.json(result)
  local report, findings, by_layer = result.report, json.list {}, {}
  for i, finding in ipairs(report.findings) do
    findings[i] = { rule = finding.rule, table = finding.table, row = finding.row,
      value = not finding.unknown and finding.value or cjson.null,
      unit = finding.unit, limit = finding.limit, verdict = finding.verdict, nearest = finding.nearest,
      train = finding.train, pulse = finding.pulse, at_s = finding.at_s, origin = finding.origin,
      channel = finding.channel, source = finding.source, confidence = finding.confidence,
      layer = layer_of(finding), case = finding.case, text = text_of(finding) }
  end
  local layers, verdict = M.layers(result)
  for _, each in ipairs(layers) do
    by_layer[each.layer] = each.verdict
  end
  return json.encode { protocol = result.protocol.id, begins_at = begins().data(result),
    profile = report.profile, table = report.table,
    verdict = verdict, layers = by_layer, pulses = report.pulses,
    nerve_pulses = report.nerve_pulses, trains = report.trains,
    codes = result.codes,
    device = result.device, findings = findings, structural = report.structural, warning = tables.warning,
    judged = result.judged or { how = "the schedule", text = "nothing in it is drawn" },
    seed = result.seed, history = history_of(result.history) }
end

local function line(key, text, ...)
  print(("%-15s"):format(key) .. (select("#", ...) > 0 and text:format(...) or text))
end

--- Lines; the last one is the gravest verdict of all layers.
---@param result table as for json, and participant: string?
function M.print(result)
  local report, device = result.report, result.device
  print(result.protocol.name)
  local begun = begins().words(result)
  if begun then
    line("begins with", "%s", begun)
  end
  if result.history then
    line("participant", histories.line(result.history, result.participant))
  end
  if result.judged then
    line("judged", "%s: %s", result.judged.how, result.judged.text)
  end
  if result.codes then
    line("codes", "%s", result.codes)
  end
  line(device.verdict, "%s: %s", device.name, device.message)
  if device.note then
    line("note", device.note)
  end
  for _, finding in ipairs(report.findings) do
    line(finding.verdict, text_of(finding))
  end
  if result.seed then
    line("others", "%s, in the schedules of other seeds (%s): check without --seed tells", result.seed.others,
      result.seed.how)
  end
  line("note", tables.warning)
  local layers, verdict = M.layers(result)
  local parts = {}
  for i, each in ipairs(layers) do
    parts[i] = each.layer .. " " .. each.verdict
  end
  line("verdict", "%s (%s); %s%s, %s; %s", verdict, table.concat(parts, ", "),
    numbers.counted(report.pulses, "pulse"), report.nerve_pulses > 0 and (" (and %s to nerves)"):format(
      numbers.count(report.nerve_pulses)) or "", numbers.counted(report.trains, "train"), report.table)
end

--- Of an experiment: what was found in the plans of one course of it, as lines, or as one JSON object.
---@param course { name: string, judged: string, json: boolean?, device: table, safety: table,
---   pulses: integer, ended: string, broke_off: boolean?, history: moonpulse.History?, participant: string? }
---   safety: as the run's manifest has it; broke_off: it did not come to its end
function M.print_course(course)
  local safety, device = course.safety, course.device
  local of = M.by_layer(safety.findings, safety.lab ~= nil)
  local verdict = M.graver(device.verdict, safety.verdict or "within")
  if course.broke_off and verdict == "within" then
    verdict = "broken off" -- what would have come was not judged: that is no pass
  end
  if course.json then
    print(json.encode { protocol = course.name, course = course.judged, profile = safety.profile,
      table = safety.table, verdict = verdict, layers = { device = device.verdict,
        guidelines = of.guidelines, lab = of.lab, sessions = of.sessions },
      pulses = course.pulses, device = device, warning = tables.warning, ended = course.ended,
      complete = not course.broke_off,
      findings = json.list(safety.findings), history = history_of(course.history) })
    return
  end
  print(course.name)
  if course.history then
    line("participant", histories.line(course.history, course.participant))
  end
  line("judged", course.judged)
  line("ended", course.ended)
  line(device.verdict, "%s: %s", device.name, device.message)
  for _, finding in ipairs(safety.findings) do
    line(finding.verdict, finding.text)
  end
  line("note", tables.warning)
  line("verdict", "%s (%sdevice %s, guidelines %s%s); %s of this course; %s", verdict,
    course.broke_off and "so far " or "", device.verdict, of.guidelines, of.lab and ", lab " .. of.lab or "",
    numbers.counted(course.pulses, "pulse"), course.broke_off
      and "it broke off, and what would have come was not judged" or "another one may be judged otherwise")
end

return M
