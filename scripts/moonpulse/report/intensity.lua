--- Intensities in words: in %MSO, in percent of a threshold, of the brain and of a nerve apart.
local facts = require "moonpulse.report.facts"
local text = require "moonpulse.drawing.text"

local M = {}

--- The different values of a key, in order.
---@param doses table[] of `summary.compute`
---@param key string
---@return number[]
function M.distinct(doses, key)
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

--- "36 %MSO", "38 and 58 %MSO", "40 to 60 %MSO (5 levels)"; nil where there is no value.
---@param values number[] in order
---@param unit string
---@return string?
function M.spread(values, unit)
  if #values == 0 then
    return nil
  end
  local first, last = text.plain(values[1], 2), text.plain(values[#values], 2)
  if #values == 1 then
    return first .. unit
  elseif #values == 2 then
    return ("%s and %s%s"):format(first, last, unit)
  end
  return ("%s to %s%s (%d levels)"):format(first, last, unit, #values)
end

local distinct, spread = M.distinct, M.spread

--- Doses of the brain, and those of a nerve: the second have no percentage of a motor threshold, and the two
--- are never one range.
---@param doses table[]
---@return table[] brain
---@return table[] nerve
function M.apart(doses)
  local brain, nerve = {}, {}
  for _, dose in ipairs(doses) do
    table.insert(dose.nerve and nerve or brain, dose)
  end
  return brain, nerve
end

--- Channels of doses, by name.
---@param doses table[]
---@return string
function M.channels(doses)
  local seen, list = {}, {}
  for _, dose in ipairs(doses) do
    local name = dose.channel or "1"
    if not seen[name] then
      seen[name], list[#list + 1] = true, name
    end
  end
  return table.concat(list, ", ")
end

M.nerve_unit = " % of the nerve stimulator's output"

--- What a nerve was given; nil: nothing.
---@param nerve table[] doses
---@return string?
function M.of_nerve(nerve)
  return spread(distinct(nerve, "mso"), M.nerve_unit)
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

--- Add a row for each threshold that doses are given in percent of.
---@param doses table[]
---@param rows table[] changed
---@return boolean whether there was one
function M.relative_rows(doses, rows)
  local refs, of = by_reference(doses)
  for _, ref in ipairs(refs) do
    rows[#rows + 1] = { "Intensity, % of " .. ref,
      spread(distinct(of[ref], "intensity"), " % of " .. ref) }
  end
  return #refs > 0
end

--- What doses are in percent of a threshold, each of that of its channel; those without one are left out.
local function percents(doses, manifest, kind)
  local seen, list = {}, {}
  for _, dose in ipairs(doses) do
    local threshold = dose.mso and facts.threshold(manifest, kind, dose.channel)
    local value = threshold and tonumber(("%.1f"):format(dose.mso / threshold * 100))
    if value and not seen[value] then
      seen[value], list[#list + 1] = true, value
    end
  end
  table.sort(list)
  return list
end

--- Where only %MSO was commanded but a threshold is on record, the percentage is computed, and says so.
---@param manifest table
---@param doses table[]
---@param rows table[] changed
---@return boolean whether there was one
function M.computed_rows(manifest, doses, rows)
  local found = false
  for _, kind in ipairs { "rmt", "amt" } do
    local values = percents(doses, manifest, kind)
    if #values > 0 then
      found = true
      rows[#rows + 1] = { "Intensity, % of " .. kind:upper() .. " (computed)",
        spread(values, " % of " .. kind:upper()) }
    end
  end
  return found
end

--- The percentages of a threshold that doses have: as the plan says, else computed from what is on record.
---@param manifest table
---@param doses table[]
---@return string "–" where there is none
function M.percentages(manifest, doses)
  local parts, rest = {}, {}
  doses = M.apart(doses)
  local refs, of = by_reference(doses)
  for _, ref in ipairs(refs) do
    parts[#parts + 1] = spread(distinct(of[ref], "intensity"), " % of " .. ref)
  end
  for _, dose in ipairs(doses) do
    rest[#rest + 1] = (not dose.intensity or not dose.ref or dose.ref == "MSO") and dose or nil
  end
  local kind, computed = "rmt", percents(rest, manifest, "rmt")
  if #computed == 0 then
    kind, computed = "amt", percents(rest, manifest, "amt")
  end
  if #computed > 0 then
    parts[#parts + 1] = spread(computed, " % of " .. kind:upper()) .. ", computed"
  end
  return #parts > 0 and table.concat(parts, "; ") or "–"
end

--- What percentage of a threshold was set, where rounding made it another than was asked for.
local function as_set(manifest, doses)
  local parts = {}
  local refs, of = by_reference(doses)
  for _, ref in ipairs(refs) do
    parts[#parts + 1] = spread(percents(of[ref], manifest, ref:lower()), " % of " .. ref)
  end
  return #parts > 0 and " = " .. table.concat(parts, "; ") or ""
end

--- How far what was set lies from what was asked for, in %MSO; nil where that cannot be told.
local function rounding(manifest, doses)
  local most = 0
  for _, dose in ipairs(doses) do
    local asked = dose.ref == "MSO" and dose.intensity
    local threshold = dose.ref and dose.ref ~= "MSO" and facts.threshold(manifest, dose.ref:lower(),
      dose.channel)
    asked = asked or threshold and dose.intensity and dose.intensity * threshold / 100
    if not asked or not dose.mso then
      return nil
    end
    most = math.max(most, math.abs(dose.mso - asked))
  end
  return most
end

local function rounding_words(off, unit)
  return not off and "–" or off < 0.005 and "none"
    or ("up to %s %s: rounded to the device's step"):format(text.plain(off, 2), unit)
end

--- What was asked for. Of a run that did not reach all of its pulses only those that it gave are known.
local function asked_words(s, words)
  local is_known = not s.planned or s.sent >= s.planned or s.recorded >= s.planned
  return words and words .. (is_known and "" or " (pulses given)") or "–"
end

local function brain_row(manifest, s, doses)
  local refs, of = by_reference(doses)
  local asked, absolute = {}, {}
  for _, ref in ipairs(refs) do
    asked[#asked + 1] = spread(distinct(of[ref], "intensity"), " % of " .. ref)
  end
  for _, dose in ipairs(doses) do
    absolute[#absolute + 1] = dose.ref == "MSO" and dose or nil
  end
  asked[#asked + 1] = spread(distinct(absolute, "intensity"), " %MSO")
  local off = #doses > 0 and rounding(manifest, doses)
  return { "Intensity", asked_words(s, #asked > 0 and table.concat(asked, "; ")),
    (spread(distinct(doses, "mso"), " %MSO") or "–")
      .. (off and off >= 0.005 and as_set(manifest, doses) or ""), rounding_words(off, "%MSO") }
end

--- The intensities as planned and as given: a row, and one for a nerve.
---@param manifest table
---@param s table from `summary.compute`
---@return string[] row
---@return string[]? of_nerve
function M.given_rows(manifest, s)
  local brain, nerve = M.apart(s.doses)
  if #nerve == 0 then
    return brain_row(manifest, s, brain)
  end
  local absolute = {}
  for _, dose in ipairs(nerve) do
    absolute[#absolute + 1] = dose.ref == "MSO" and dose or nil
  end
  return brain_row(manifest, s, brain), { ("Nerve stimulation (channel %s)"):format(M.channels(nerve)),
    asked_words(s, spread(distinct(absolute, "intensity"), M.nerve_unit)), M.of_nerve(nerve) or "–",
    rounding_words(#absolute == #nerve and rounding(manifest, nerve), "%") }
end

return M
