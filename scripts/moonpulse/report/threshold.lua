--- What an experiment found: each staircase's threshold with its interval, and its trials as a figure.
local html = require "moonpulse.report.html"
local record = require "moonpulse.record.read"
local stairs_figure = require "moonpulse.drawing.staircase"
local text = require "moonpulse.drawing.text"

local M = {}

local get = record.get
local names = { RMT = "Resting motor threshold", AMT = "Active motor threshold" }
local most_trials, most_staircases = 1000, 20

--- The trials as the manifest has them, if all of them are trials.
local function track_of(staircase)
  local track = get(staircase, "track")
  if type(track) ~= "table" or #track > most_trials then
    return {}
  end
  for _, trial in ipairs(track) do
    local intensity = type(trial) == "table" and text.number(trial.intensity)
    if not intensity or math.abs(intensity) > 1e6 or type(trial.yes) ~= "boolean" then
      return {}
    end
  end
  return track
end

--- A number of the manifest that fits into a figure.
local function number(staircase, path)
  local value = text.number(get(staircase, path))
  return value and math.abs(value) <= 1e6 and value or nil
end

local function one_decimal(value)
  return ("%.1f"):format(value)
end

--- What a staircase found, with all that is needed to show it.
local function read(staircase)
  local unit = text.value(get(staircase, "unit"))
  return { found = number(staircase, "threshold"), low = number(staircase, "interval.low"),
    high = number(staircase, "interval.high"), percent = text.value(get(staircase, "interval.percent")),
    unit = unit == text.missing and "%MSO" or unit, track = track_of(staircase), of = staircase }
end

local function sentence(stairs)
  if not stairs.found then
    return ("No threshold: %s"):format(text.value(get(stairs.of, "why")))
  end
  local name = names[get(stairs.of, "kind")] or "Threshold"
  return ("%s %s %s, %s"):format(name, one_decimal(stairs.found), stairs.unit, stairs.low and stairs.high
    and ("%s %% interval %s to %s %s"):format(stairs.percent, one_decimal(stairs.low),
      one_decimal(stairs.high), stairs.unit)
    or "interval " .. text.missing)
end

local function how(stairs)
  local words = ("%s trials, %s reversals; rule %s."):format(text.value(get(stairs.of, "trials")),
    text.value(get(stairs.of, "reversals")), text.value(get(stairs.of, "rule")))
  return words .. (stairs.found and " The threshold is the mean of the reversals at the smallest step; the "
    .. "interval is what all answers leave for it (cumulative normal response curve, spread 3 to 15 % of the "
    .. "threshold)." or "")
end

local function staircases_of(manifest)
  local list, found = get(manifest, "experiment.staircases"), {}
  for _, staircase in ipairs(type(list) == "table" and list or {}) do
    if #found < most_staircases and type(staircase) == "table" then
      found[#found + 1] = read(staircase)
    end
  end
  return found
end

--- What stands on top of an experiment's report: what each staircase found; nothing where it ran none.
---@param manifest table
---@return string
function M.top(manifest)
  local parts = {}
  for _, stairs in ipairs(staircases_of(manifest)) do
    parts[#parts + 1] = '<section class="result" aria-label="Threshold">'
    parts[#parts + 1] = html.p(sentence(stairs), "big") .. html.p(how(stairs), "small") .. "</section>"
  end
  return table.concat(parts, "\n")
end

--- The section with a figure of each staircase; nothing where there is none to draw.
---@param manifest table
---@return string
function M.section(manifest)
  local parts = {}
  for i, stairs in ipairs(staircases_of(manifest)) do
    if #stairs.track > 0 then
      parts[#parts + 1] = html.figure(stairs_figure.draw("stairs" .. i, stairs, sentence(stairs)),
        "Each trial at its intensity: filled squares were answered yes, open circles no."
        .. (stairs.found and " Dashed: the threshold; shaded: its interval." or ""), "fit")
    end
  end
  return #parts > 0 and html.section("staircase", "Staircase", parts) or ""
end

return M
