--- What was given: pulses, intensities, durations, by condition.
local conditions = require "moonpulse.report.conditions"
local facts = require "moonpulse.report.facts"
local html = require "moonpulse.report.html"
local intensity = require "moonpulse.report.intensity"
local record = require "moonpulse.record.read"
local text = require "moonpulse.drawing.text"

local M = {}

local get = record.get
local most_listed = 20

local function by_intensity(manifest, s)
  local rows = {}
  for i = 1, math.min(most_listed, #s.doses) do
    local dose = s.doses[i]
    rows[i] = { dose.trial_type or "–", dose.channel or "–",
      intensity.of_nerve(dose.nerve and { dose } or {}) or dose.mso and text.plain(dose.mso, 2) .. " %MSO"
        or text.missing, intensity.percentages(manifest, { dose }), text.count(dose.n),
      s.cannot_confirm and "cannot" or text.count(dose.confirmed) }
  end
  local out = html.grid("Pulses sent, by condition, channel and intensity", { "Condition",
    "Channel", "#Intensity", "% of threshold", "#Sent", "#Confirmed" }, rows)
  return #s.doses > #rows and out .. html.p("and " .. text.count(#s.doses - #rows) .. " more.") or out
end

local function durations(manifest, s, rows)
  local function seconds(key)
    return text.seconds(text.number(get(manifest, "protocol." .. key)))
  end
  local span = s.time ~= "virtual" and s.span
  if span then
    rows[#rows + 1] = { "Duration: first to last pulse, as sent", text.seconds(span.sent / 1e6)
      .. (span.computed and ", with the stimulator's own offset of the last pulse" or "") }
  end
  local words = "%MSO: percent of maximum stimulator output. First to last pulse: onset to onset."
  if not facts.is_experiment(manifest) then
    rows[#rows + 1] = { "Duration: first to last pulse, as planned", seconds("first_to_last_s") }
    rows[#rows + 1] = { "Duration: nominal end, as planned", seconds("nominal_end_s") }
    rows[#rows + 1] = { "Duration: whole cycles, as planned", seconds("whole_cycles_s") }
    words = words .. " Nominal end: with the period that follows the last pulse. Whole cycles: with the "
      .. "pause after the last train, as often cited."
  end
  return words
end

--- The pulses by condition, and by channel and intensity; nothing where all were alike.
---@param manifest table
---@param s table
---@return string
function M.pulses(manifest, s)
  local by_condition, count = conditions.table(manifest, s)
  local parts = { by_condition }
  if #s.doses > count then
    parts[#parts + 1] = by_intensity(manifest, s)
  end
  return #parts > 0 and html.section("conditions", "Pulses", parts) or ""
end

--- The dose: pulses, intensity, the three durations.
---@param manifest table
---@param s table
---@return string
function M.dose(manifest, s)
  local brain, nerve = intensity.apart(s.doses)
  local rows = {
    { "Pulses " .. s.wanted, s.planned and text.count(s.planned), true },
    { "Pulses sent", text.count(s.sent), true },
    { "Pulses confirmed by the device", facts.confirmed(s), true },
    { "Intensity, %MSO", intensity.spread(intensity.distinct(brain, "mso"), " %MSO") },
  }
  if #s.unasked > 0 then
    table.insert(rows, 4, { "Pulses that the device reported and nobody sent (not in the rows above)",
      text.count(#s.unasked) })
  end
  if not intensity.relative_rows(brain, rows) and not intensity.computed_rows(manifest, brain, rows) then
    rows[#rows + 1] = { "Intensity, % of threshold", nil }
  end
  if #nerve > 0 then -- no threshold of the cortex says anything of a nerve
    rows[#rows + 1] = { ("Nerve stimulation (channel %s)"):format(intensity.channels(nerve)),
      intensity.of_nerve(nerve) }
  end
  rows[#rows + 1] = { "Resting motor threshold (RMT)", facts.threshold_words(manifest, "rmt") }
  rows[#rows + 1] = { "Active motor threshold (AMT)", facts.threshold_words(manifest, "amt") }
  local words = durations(manifest, s, rows)
  local parts = { html.facts("Dose", rows), html.p(words, "small") }
  return html.section("dose", "Dose", parts)
end

return M
