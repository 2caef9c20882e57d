--- Sections on what was planned and given: run, dose, protocol, timeline.
local counts = require "moonpulse.record.conditions"
local html = require "moonpulse.report.html"
local record = require "moonpulse.record.read"
local panels = require "moonpulse.drawing.panels"
local svg = require "moonpulse.drawing.svg"
local text = require "moonpulse.drawing.text"

local M = {}

local get = record.get

--- How time passed, in words.
---@param manifest table
---@param s table
---@return string
function M.time_words(manifest, s)
  if s.time == "virtual" then
    return "Virtual time (no real clock; no timing measured)"
  elseif s.time == "real" then
    return "Real time"
  elseif s.time == "scaled" then
    return "Scaled time, speed " .. text.value(get(manifest, "speed"))
  end
  return text.missing
end

--- Whether a real stimulator was driven, in words.
---@param s table
---@return string
function M.device_words(s)
  if s.simulated == true then
    return "Simulated device (no stimulator was driven)"
  elseif s.simulated == false then
    return "Real device"
  end
  return text.missing
end

--- The run: what, when, with what.
---@param manifest table
---@param s table
---@return string
function M.run(manifest, s)
  local elapsed = text.number(get(manifest, "result.elapsed_s"))
  return html.section("run", "Run", { html.facts("The run and the device", {
    { "Protocol", get(manifest, "protocol.name") },
    { "Started", get(manifest, "started") },
    { "Elapsed", text.seconds(elapsed) },
    { "Ended as", get(manifest, "result.status") },
    { "Reason given", get(manifest, "result.reason") },
    { "Simulated or real", M.device_words(s) },
    { "Time", M.time_words(manifest, s) },
    { "Device", get(manifest, "device.name") },
    { "Description", get(manifest, "device.description") },
    { "Model", get(manifest, "device.model") },
    { "Serial number", get(manifest, "device.serial") },
    { "Port", get(manifest, "device.port") },
    { "Moonpulse version", get(manifest, "moonpulse.version") },
  }) })
end

local function distinct(doses, key)
  local seen, list = {}, {}
  for _, dose in ipairs(doses) do
    local value = dose[key]
    if value and not seen[value] then
      seen[value] = true
      list[#list + 1] = value
    end
  end
  table.sort(list)
  return list
end

local function spread(values, unit)
  if #values == 0 then
    return nil
  elseif #values == 1 then
    return text.plain(values[1]) .. unit
  end
  return string.format("%s to %s%s (%d levels)", text.plain(values[1]),
    text.plain(values[#values]), unit, #values)
end

local function relative_rows(doses, rows)
  local by_ref, refs = {}, {}
  for _, dose in ipairs(doses) do
    local ref = dose.ref
    if ref and ref ~= "MSO" and dose.intensity then
      if not by_ref[ref] then
        by_ref[ref] = {}
        refs[#refs + 1] = ref
      end
      table.insert(by_ref[ref], dose)
    end
  end
  table.sort(refs)
  for _, ref in ipairs(refs) do
    rows[#rows + 1] = { "Intensity, % of " .. ref,
      spread(distinct(by_ref[ref], "intensity"), " % of " .. ref) }
  end
  return #refs > 0
end

-- Where only %MSO was commanded but a threshold is on record, the percentage is computed, and
-- says so.
local function computed_rows(manifest, doses, rows)
  local mso = distinct(doses, "mso")
  local found = false
  for _, kind in ipairs { "rmt", "amt" } do
    local threshold = text.number(get(manifest, "thresholds." .. kind))
    if threshold and threshold > 0 and #mso > 0 then
      local values = {}
      for i, value in ipairs(mso) do
        values[i] = tonumber(string.format("%.1f", value / threshold * 100))
      end
      found = true
      rows[#rows + 1] = { "Intensity, % of " .. kind:upper() .. " (computed)",
        spread(values, " % of " .. kind:upper()) }
    end
  end
  return found
end

local function threshold_row(manifest, kind)
  local value = get(manifest, "thresholds." .. kind)
  return text.number(value) and text.plain(value) .. " %MSO" or value
end

local function conditions(s)
  local rows = {}
  for i, dose in ipairs(s.doses) do
    if i > 20 then
      break
    end
    local relative = dose.intensity and dose.ref and dose.ref ~= "MSO"
      and text.plain(dose.intensity) .. " % of " .. dose.ref or "–"
    rows[i] = { dose.trial_type or "–", dose.channel or "–",
      dose.mso and text.plain(dose.mso) or text.missing, relative, text.count(dose.n),
      text.count(dose.confirmed) }
  end
  local out = html.grid("Pulses sent, by condition, channel and intensity", { "Condition",
    "Channel", "#%MSO", "% of threshold", "#Sent", "#Confirmed" }, rows)
  if #s.doses > 20 then
    out = out .. html.p("and " .. text.count(#s.doses - 20) .. " more.")
  end
  return out
end

--- A range in words: "40", "40 to 60".
local function reach(range, unit)
  return (range.lowest == range.highest and text.plain(range.lowest)
    or ("%s to %s"):format(text.plain(range.lowest), text.plain(range.highest))) .. unit
end

--- What was given of each condition, with its trials; nothing where there is one, and nobody has named it.
local function by_condition(list)
  local rows = {}
  for i, each in ipairs(list) do
    local relative = {}
    for _, range in ipairs(each.intensities) do
      relative[#relative + 1] = range.reference ~= "MSO" and reach(range, " % of " .. range.reference) or nil
    end
    rows[i] = { each.condition, each.trials and text.count(each.trials) or "–", text.count(each.pulses),
      text.count(each.delivered), text.count(each.perhaps),
      each.mso and reach(each.mso, "") or text.missing,
      relative[1] and table.concat(relative, ", ") or "–" }
  end
  return (#list > 1 or list[1] and not counts.is_default(list[1].condition))
    and html.grid("Pulses by condition", { "Condition", "#Trials", "#Pulses", "#Given", "#Perhaps given", "#%MSO",
      "% of threshold" }, rows) or ""
end

--- An experiment decides as it runs: no duration and no outline is planned, so none is missing.
local function is_experiment(manifest)
  return get(manifest, "kind") == "experiment"
end

--- The dose: pulses, intensity, the three durations.
---@param manifest table
---@param s table
---@return string
function M.dose(manifest, s)
  local rows = {
    { "Pulses planned", s.planned and text.count(s.planned) },
    { "Pulses sent", text.count(s.sent) },
    { "Pulses confirmed by the device", text.count(s.confirmed) },
    { "Intensity, %MSO", spread(distinct(s.doses, "mso"), " %MSO") },
  }
  if #s.unasked > 0 then
    table.insert(rows, 4, { "Pulses that the device reported and nobody sent (not in the rows above)",
      text.count(#s.unasked) })
  end
  if not relative_rows(s.doses, rows) and not computed_rows(manifest, s.doses, rows) then
    rows[#rows + 1] = { "Intensity, % of threshold", nil }
  end
  rows[#rows + 1] = { "Resting motor threshold (RMT)", threshold_row(manifest, "rmt") }
  rows[#rows + 1] = { "Active motor threshold (AMT)", threshold_row(manifest, "amt") }
  local function seconds(key)
    return text.seconds(text.number(get(manifest, "protocol." .. key)))
  end
  local span = s.time ~= "virtual" and s.span
  if span then
    rows[#rows + 1] = { "Duration: first to last pulse, as sent", text.seconds(span.sent / 1e6)
      .. (span.computed and ", with the stimulator's own offset of the last pulse" or "") }
  end
  local words = "%MSO: percent of maximum stimulator output. First to last pulse: onset to onset."
  if not is_experiment(manifest) then
    rows[#rows + 1] = { "Duration: first to last pulse, as planned", seconds("first_to_last_s") }
    rows[#rows + 1] = { "Duration: nominal end, as planned", seconds("nominal_end_s") }
    rows[#rows + 1] = { "Duration: whole cycles, as planned", seconds("whole_cycles_s") }
    words = words .. " Nominal end: with the period that follows the last pulse. Whole cycles: with the "
      .. "pause after the last train, as often cited."
  end
  local parts = { html.facts("Dose", rows), html.p(words, "small") }
  parts[#parts + 1] = by_condition(s.conditions)
  if #s.doses > 1 then
    parts[#parts + 1] = conditions(s)
  end
  return html.section("dose", "Dose", parts)
end

--- The protocol: citation, target, outline.
---@param manifest table
---@return string
function M.protocol(manifest)
  local outline = get(manifest, "protocol.outline")
  local parts = { html.facts("Protocol", {
    { "Identifier", get(manifest, "protocol.id") },
    { "Citation", get(manifest, "protocol.cite") },
    { "Target", get(manifest, "protocol.target") },
    { "File", get(manifest, "protocol.file") },
  }) }
  if type(outline) == "string" and outline ~= "" then
    parts[#parts + 1] = "<h3>Outline</h3><pre>" .. text.escape(outline) .. "</pre>"
  elseif is_experiment(manifest) then
    parts[#parts + 1] = html.p("An experiment: the script decides as it runs, so there is no "
      .. "outline. What it gave is in the timeline and in events.tsv.", "small")
  else
    parts[#parts + 1] = "<h3>Outline</h3>" .. html.p(text.missing, "missing")
  end
  return html.section("protocol", "Protocol", parts)
end

local function mark_list(marks)
  local rows = {}
  for i = 1, math.min(#marks, 50) do
    rows[i] = { marks[i].time and text.plain(marks[i].time) or text.missing,
      marks[i].reply or marks[i].trial_type or text.missing }
  end
  local out = html.grid("Marks", { "Time (s)", "Mark" }, rows)
  return #marks > 50 and out .. html.p("and " .. text.count(#marks - 50) .. " more.") or out
end

--- The timeline at up to three scales.
---@param events table
---@return string
function M.timeline(events)
  local pulses, times = {}, {}
  for _, row in ipairs(events.pulses) do
    if row.time then
      pulses[#pulses + 1] = row
      times[#times + 1] = row.planned and row.planned / 1e6 or row.time
    end
  end
  local parts = {}
  if #pulses == 0 then
    parts[1] = html.p("No pulse with a time is on record, so there is nothing to draw.")
  end
  local list, scale = panels.of(pulses, times, events.marks)
  for number, window in ipairs(list) do
    local words = window.description
    if #window.pulses > svg.most_separate then
      words = words .. " Pulses that share a pixel share a bar as high as the strongest of them."
    end
    parts[#parts + 1] = html.figure(svg.timeline("tl" .. number, window, scale), words)
  end
  if #events.marks > 0 then
    parts[#parts + 1] = mark_list(events.marks)
  end
  return html.section("timeline", "Timeline", parts)
end

return M
