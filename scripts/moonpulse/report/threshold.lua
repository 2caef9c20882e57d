--- What an experiment found: the threshold of each staircase and each hunt with its interval, and its trials
--- as a figure.
local html = require "moonpulse.report.html"
local no_threshold = require "moonpulse.text.no_threshold"
local record = require "moonpulse.record.read"
local stairs_figure = require "moonpulse.drawing.staircase"
local text = require "moonpulse.drawing.text"
local threshold_methods = require "moonpulse.text.threshold_methods"

local M = {}

local get = record.get
local names = { RMT = "Resting motor threshold", AMT = "Active motor threshold" }
local most_trials, most_results = 1000, 20

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

--- What a staircase or a hunt found, with all that is needed to show it.
local function read(staircase, name)
  local unit = text.value(get(staircase, "unit"))
  return { found = number(staircase, "threshold"), low = number(staircase, "interval.low"),
    high = number(staircase, "interval.high"), percent = text.value(get(staircase, "interval.percent")),
    unit = unit == text.missing and "%MSO" or unit, track = track_of(staircase), of = staircase, name = name }
end

local function sentence(stairs)
  if not stairs.found then
    local words = no_threshold.words { above = number(stairs.of, "above"), below = number(stairs.of, "below"),
      unit = stairs.unit, why = text.value(get(stairs.of, "why")) }
    return words:sub(1, 1):upper() .. words:sub(2)
  end
  local name = names[get(stairs.of, "kind")] or "Threshold"
  return ("%s %s %s, %s"):format(name, one_decimal(stairs.found), stairs.unit, stairs.low and stairs.high
    and ("%s %% interval %s to %s %s"):format(stairs.percent, one_decimal(stairs.low),
      one_decimal(stairs.high), stairs.unit)
    or "interval " .. text.missing)
end

--- A hunt's method as the report names it.
local function method_of(hunt)
  local function value(key)
    return type(hunt[key]) == "string" and hunt[key] or nil
  end
  return { method = value "method", variant = value "variant", of = number(hunt, "of"),
    ended_by = value "ended_by" }
end

local function how_hunted(stairs)
  local method = method_of(stairs.of)
  local paper, ending = threshold_methods.paper(method), threshold_methods.ending(method)
  return ("%s trials, method: %s%s%s.%s"):format(text.value(get(stairs.of, "trials")),
    threshold_methods.name(method), paper and (" (%s)"):format(paper) or "",
    ending and "; it ended " .. ending or "",
    stairs.found and (" The interval is %s."):format(threshold_methods.interval(method)) or "")
end

local function how(stairs)
  if stairs.name == "hunt" then
    return how_hunted(stairs)
  end
  local words = ("%s trials, %s reversals; rule %s."):format(text.value(get(stairs.of, "trials")),
    text.value(get(stairs.of, "reversals")), text.value(get(stairs.of, "rule")))
  return words .. (stairs.found and " The threshold is the mean of the reversals at the smallest step; the "
    .. "interval is what all answers leave for it (cumulative normal response curve, spread 3 to 15 % of the "
    .. "threshold)." or "")
end

local function results_of(manifest)
  local found = {}
  for key, name in pairs { staircases = "staircase", thresholds = "hunt" } do
    local list = get(manifest, "experiment." .. key)
    found[name] = {}
    for _, each in ipairs(type(list) == "table" and list or {}) do
      if #found[name] < most_results and type(each) == "table" then
        table.insert(found[name], read(each, name))
      end
    end
  end
  return table.move(found.hunt, 1, #found.hunt, #found.staircase + 1, found.staircase)
end

--- What stands on top of an experiment's report: what each staircase and hunt found; nothing where it ran
--- none.
---@param manifest table
---@return string
function M.top(manifest)
  local parts = {}
  for _, stairs in ipairs(results_of(manifest)) do
    parts[#parts + 1] = '<section class="result" aria-label="Threshold">'
    parts[#parts + 1] = html.p(sentence(stairs), "big") .. html.p(how(stairs), "small") .. "</section>"
  end
  return table.concat(parts, "\n")
end

local figures = { staircase = "Staircase", hunt = "Threshold hunt" }

--- The sections with a figure of each staircase, and of each hunt; nothing where there is none to draw.
---@param manifest table
---@return string
function M.section(manifest)
  local of = { staircase = {}, hunt = {} }
  for i, stairs in ipairs(results_of(manifest)) do
    local parts = of[stairs.name]
    if #stairs.track > 0 then
      stairs.title = figures[stairs.name]
      parts[#parts + 1] = html.figure(stairs_figure.draw("stairs" .. i, stairs, sentence(stairs)),
        "Each trial at its intensity: filled squares had a response, open circles none."
        .. (stairs.found and " Dashed: the threshold; shaded: its interval." or ""), "fit")
    end
  end
  local sections = {}
  for _, name in ipairs { "staircase", "hunt" } do
    sections[#sections + 1] = #of[name] > 0 and html.section(name, figures[name], of[name]) or nil
  end
  return table.concat(sections, "\n")
end

return M
