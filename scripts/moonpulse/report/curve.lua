--- The input-output curves of an experiment: what was fitted on top of its report, and a figure of each.
local core = require "moonpulse.core"
local curve_figure = require "moonpulse.drawing.curve"
local curve_words = require "moonpulse.text.curve_words"
local html = require "moonpulse.report.html"
local record = require "moonpulse.record.read"
local text = require "moonpulse.drawing.text"

local M = {}

local most_trials, most_curves = 1000, 20

--- The trials as the manifest has them, if all of them are trials, each at what the device was set to.
local function track_of(curve)
  local track = record.get(curve, "track")
  if type(track) ~= "table" or #track > most_trials then
    return {}
  end
  local list = {}
  for i, trial in ipairs(track) do
    local intensity = type(trial) == "table" and text.number(trial.set or trial.intensity)
    local mep_uv = intensity and text.number(trial.mep_uv)
    if not mep_uv or math.abs(intensity) > 1e4 or mep_uv < 0 or mep_uv > 1e6 then
      return {}
    end
    list[i] = { intensity = intensity, mep_uv = mep_uv }
  end
  return list
end

--- A point of the sigmoid, in uV: with the same bits on every machine, since verify makes the page anew.
local function at(fit, s)
  return fit.mep_max_uv / (1 + core.exact_exp((fit.s50 - s) / fit.k))
end

local function curves_of(manifest)
  local list, found = record.get(manifest, "experiment.curves"), {}
  for _, each in ipairs(type(list) == "table" and list or {}) do
    if #found < most_curves and type(each) == "table" then
      found[#found + 1] = { of = each, unit = curve_words.unit(each), track = track_of(each),
        fit = curve_words.fit(each) }
    end
  end
  return found
end

--- What stands on top of an experiment's report; nothing where it gave no curve.
---@param manifest table
---@return string
function M.top(manifest)
  local parts = {}
  for _, curve in ipairs(curves_of(manifest)) do
    local words = curve_words.line(curve.of)
    parts[#parts + 1] = '<section class="result" aria-label="Input-output curve">'
    parts[#parts + 1] = html.p(words:sub(1, 1):upper() .. words:sub(2), "big")
    parts[#parts + 1] = html.p(("Boltzmann function (%s), least squares over all trials."):format(
      curve_words.paper), "small") .. "</section>"
  end
  return table.concat(parts, "\n")
end

--- The section with a figure of each; nothing where there is none to draw.
---@param manifest table
---@return string
function M.section(manifest)
  local parts = {}
  for i, curve in ipairs(curves_of(manifest)) do
    if #curve.track > 0 then
      parts[#parts + 1] = html.figure(curve_figure.draw("curve" .. i, curve, at, curve_words.line(curve.of)),
        "Each MEP at the intensity that the device was set to, peak to peak." .. (curve.fit and " Line: the "
          .. "fit; dashed: S50, where it has half of MEPmax." or ""), "fit")
    end
  end
  return #parts > 0 and html.section("curve", "Input-output curve", parts) or ""
end

return M
