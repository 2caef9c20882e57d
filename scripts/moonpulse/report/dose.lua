--- What was given: pulses, intensities, durations, by condition.
local counts = require "moonpulse.record.conditions"
local facts = require "moonpulse.report.facts"
local html = require "moonpulse.report.html"
local record = require "moonpulse.record.read"
local text = require "moonpulse.drawing.text"

local M = {}

local get = record.get
local most_listed = 20

--- The different values of a key, in order.
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

--- Doses by the reference of their intensity: { ref, doses }; those in %MSO, or without one, are left out.
local function by_reference(doses)
  local of, refs = {}, {}
  for _, dose in ipairs(doses) do
    local ref = dose.ref
    if ref and ref ~= "MSO" and dose.intensity then
      if not of[ref] then
        of[ref] = {}
        refs[#refs + 1] = ref
      end
      table.insert(of[ref], dose)
    end
  end
  table.sort(refs)
  return refs, of
end

local function relative_rows(doses, rows)
  local refs, of = by_reference(doses)
  for _, ref in ipairs(refs) do
    rows[#rows + 1] = { "Intensity, % of " .. ref,
      spread(distinct(of[ref], "intensity"), " % of " .. ref) }
  end
  return #refs > 0
end

local function percent(mso, threshold)
  return tonumber(string.format("%.1f", mso / threshold * 100))
end

-- Where only %MSO was commanded but a threshold is on record, the percentage is computed, and
-- says so.
local function computed_rows(manifest, doses, rows)
  local mso = distinct(doses, "mso")
  local found = false
  for _, kind in ipairs { "rmt", "amt" } do
    local threshold = facts.threshold(manifest, kind)
    if threshold and #mso > 0 then
      local values = {}
      for i, value in ipairs(mso) do
        values[i] = percent(value, threshold)
      end
      found = true
      rows[#rows + 1] = { "Intensity, % of " .. kind:upper() .. " (computed)",
        spread(values, " % of " .. kind:upper()) }
    end
  end
  return found
end

--- The percentages of a threshold that doses have: as the plan says, else computed from what is on record.
local function percentages(manifest, doses)
  local parts = {}
  local refs, of = by_reference(doses)
  for _, ref in ipairs(refs) do
    parts[#parts + 1] = spread(distinct(of[ref], "intensity"), " % of " .. ref)
  end
  local rest = {}
  for _, dose in ipairs(doses) do
    rest[#rest + 1] = (not dose.intensity or not dose.ref or dose.ref == "MSO") and dose or nil
  end
  local kind = facts.threshold(manifest, "rmt") and "rmt" or facts.threshold(manifest, "amt") and "amt"
  local mso = distinct(rest, "mso")
  if kind and #mso > 0 then
    for i, value in ipairs(mso) do
      mso[i] = percent(value, facts.threshold(manifest, kind))
    end
    parts[#parts + 1] = spread(mso, " % of " .. kind:upper()) .. ", computed"
  end
  return #parts > 0 and table.concat(parts, "; ") or "–"
end

--- What percentage of a threshold was set, where rounding made it another than was asked for.
local function as_set(manifest, doses)
  local parts = {}
  local refs, of = by_reference(doses)
  for _, ref in ipairs(refs) do
    local threshold = facts.threshold(manifest, ref:lower())
    local mso = threshold and distinct(of[ref], "mso") or {}
    for i, value in ipairs(mso) do
      mso[i] = percent(value, threshold)
    end
    parts[#parts + 1] = spread(mso, " % of " .. ref)
  end
  return #parts > 0 and " = " .. table.concat(parts, "; ") or ""
end

--- How far what was set lies from what was asked for, in %MSO; nil where that cannot be told.
local function rounding(manifest, doses)
  local most = 0
  for _, dose in ipairs(doses) do
    local asked = dose.ref == "MSO" and dose.intensity
    local threshold = dose.ref and dose.ref ~= "MSO" and facts.threshold(manifest, dose.ref:lower())
    asked = asked or threshold and dose.intensity and dose.intensity * threshold / 100
    if not asked or not dose.mso then
      return nil
    end
    most = math.max(most, math.abs(dose.mso - asked))
  end
  return most
end

--- The intensities as planned and as given: a row.
---@param manifest table
---@param s table
---@return string[]
function M.given_intensity(manifest, s)
  local refs, of = by_reference(s.doses)
  local asked = {}
  for _, ref in ipairs(refs) do
    asked[#asked + 1] = spread(distinct(of[ref], "intensity"), " % of " .. ref)
  end
  local absolute = {}
  for _, dose in ipairs(s.doses) do
    absolute[#absolute + 1] = dose.ref == "MSO" and dose or nil
  end
  asked[#asked + 1] = spread(distinct(absolute, "intensity"), " %MSO")
  local off = #s.doses > 0 and rounding(manifest, s.doses)
  return { "Intensity", #asked > 0 and table.concat(asked, "; ") or "–",
    (spread(distinct(s.doses, "mso"), " %MSO") or "–")
      .. (off and off >= 0.005 and as_set(manifest, s.doses) or ""),
    not off and "–" or off < 0.005 and "none"
      or ("up to %s %%MSO: rounded to the device's step"):format(text.plain(off, 2)) }
end

local function condition_name(condition)
  local name = condition.name
  return name and counts.is_default(name) and name .. "s without a label" or name or "–"
end

--- How many pulses of a condition were planned, if that is known.
local function planned_of(manifest, s, condition)
  local planned = get(manifest, "conditions")
  planned = type(planned) == "table" and planned[condition.name]
  planned = type(planned) == "table" and planned.pulses or planned
  return text.number(planned) or s.planned and s.planned == s.recorded and condition.recorded or nil
end

--- Pulses by condition; nothing where there is but one, without a name.
local function by_condition(manifest, s)
  local list = s.conditions
  if #list == 0 or #list == 1 and counts.is_default(list[1].name or "pulse") then
    return nil
  end
  local rows = {}
  for i = 1, math.min(most_listed, #list) do
    local condition = list[i]
    local planned = planned_of(manifest, s, condition)
    rows[i] = { condition_name(condition), condition.trials and text.count(condition.trials) or "–",
      planned and text.count(planned) or "–", text.count(condition.n), text.count(condition.confirmed),
      spread(distinct(condition.doses, "mso"), " %MSO") or "–", percentages(manifest, condition.doses) }
  end
  local out = html.grid("Pulses by condition", { "Condition", "#Trials", "#Planned", "#Sent", "#Confirmed",
    "Intensity", "% of threshold" }, rows)
  return #list > #rows and out .. html.p("and " .. text.count(#list - #rows) .. " more.") or out
end

local function by_intensity(manifest, s)
  local rows = {}
  for i = 1, math.min(most_listed, #s.doses) do
    local dose = s.doses[i]
    rows[i] = { dose.trial_type or "–", dose.channel or "–",
      dose.mso and text.plain(dose.mso) or text.missing, percentages(manifest, { dose }), text.count(dose.n),
      text.count(dose.confirmed) }
  end
  local out = html.grid("Pulses sent, by condition, channel and intensity", { "Condition",
    "Channel", "#%MSO", "% of threshold", "#Sent", "#Confirmed" }, rows)
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
  local conditions = by_condition(manifest, s)
  local parts = { conditions }
  if #s.doses > (conditions and #s.conditions or 1) then
    parts[#parts + 1] = by_intensity(manifest, s)
  end
  return #parts > 0 and html.section("conditions", "Pulses", parts) or ""
end

--- The dose: pulses, intensity, the three durations.
---@param manifest table
---@param s table
---@return string
function M.dose(manifest, s)
  local rows = {
    { "Pulses planned", s.planned and text.count(s.planned), true },
    { "Pulses sent", text.count(s.sent), true },
    { "Pulses confirmed by the device", text.count(s.confirmed), true },
    { "Intensity, %MSO", spread(distinct(s.doses, "mso"), " %MSO") },
  }
  if #s.unasked > 0 then
    table.insert(rows, 4, { "Pulses that the device reported and nobody sent (not in the rows above)",
      text.count(#s.unasked) })
  end
  if not relative_rows(s.doses, rows) and not computed_rows(manifest, s.doses, rows) then
    rows[#rows + 1] = { "Intensity, % of threshold", nil }
  end
  rows[#rows + 1] = { "Resting motor threshold (RMT)", facts.threshold_words(manifest, "rmt") }
  rows[#rows + 1] = { "Active motor threshold (AMT)", facts.threshold_words(manifest, "amt") }
  local words = durations(manifest, s, rows)
  local parts = { html.facts("Dose", rows), html.p(words, "small") }
  return html.section("dose", "Dose", parts)
end

return M
