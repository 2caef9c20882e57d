--- An input-output curve as a figure: each MEP over its intensity, the fitted sigmoid, and where it has half
--- of its plateau.
local figure_parts = require "moonpulse.drawing.parts"
local stats = require "moonpulse.drawing.stats"
local text = require "moonpulse.drawing.text"

local M = {}

local add, label = figure_parts.add, figure_parts.label

local width, left, right, top, bottom = 520, 56, 10, 24, 200
local plot_width, points = width - left - right, 100

--- Round ends of an axis, and its step.
local function ends(low, high)
  local step = stats.nice_step(math.max(high - low, 1e-3), 5)
  low, high = math.floor(low / step) * step, math.ceil(high / step) * step
  return low, high > low and high or low + step, step
end

--- What the axes span.
local function scale(track)
  local low, high, most = math.huge, -math.huge, 0
  for _, trial in ipairs(track) do
    low, high = math.min(low, trial.intensity), math.max(high, trial.intensity)
    most = math.max(most, trial.mep_uv)
  end
  local x0, x1, x_step = ends(low, high)
  local y0, y1, y_step = ends(0, most)
  return { low = low, high = high, x_low = x0, x_high = x1, x_step = x_step, y_low = y0, y_high = y1,
    y_step = y_step, x = function(s)
      return left + (s - x0) / (x1 - x0) * plot_width
    end, y = function(uv)
      return bottom - (uv - y0) / (y1 - y0) * (bottom - top)
    end }
end

local function axes(out, of, unit)
  for k = 0, math.floor((of.y_high - of.y_low) / of.y_step + 1e-9) do
    local value = of.y_low + k * of.y_step
    add(out, '<path class="grid" d="M%d %.1fH%d"/>', left, of.y(value), left + plot_width)
    label(out, "tick", left - 6, of.y(value) + 3.5, "end", text.plain(value))
  end
  add(out, '<text class="name" transform="translate(12 %.1f) rotate(-90)" text-anchor="middle">%s</text>',
    (top + bottom) / 2, "MEP, uV")
  add(out, '<path class="axis" d="M%d %.1fH%d"/>', left, bottom + 0.5, left + plot_width)
  for k = 0, math.floor((of.x_high - of.x_low) / of.x_step + 1e-9) do
    local value = of.x_low + k * of.x_step
    label(out, "tick", of.x(value), bottom + 15, "middle", text.plain(value))
  end
  label(out, "name", left + plot_width, bottom + 30, "end", unit)
end

--- The fitted line, cut where the axis ends.
local function sigmoid(out, of, fit, at)
  local line = {}
  for i = 0, points do
    local s = of.low + (of.high - of.low) * i / points
    local uv = math.min(of.y_high, at(fit, s))
    line[#line + 1] = ("%s%.1f %.1f"):format(i == 0 and "M" or "L", of.x(s), of.y(uv))
  end
  add(out, '<path class="axis" d="%s"/>', table.concat(line))
  if fit.s50 >= of.x_low and fit.s50 <= of.x_high then
    add(out, '<path class="lead" d="M%.1f %dV%d"/>', of.x(fit.s50), top, bottom)
  end
end

--- The figure.
---@param id string unique in the page
---@param curve { track: { intensity: number, mep_uv: number }[], unit: string, fit: moonpulse.CurveFit? }
---   with at least one trial
---@param at fun(fit: moonpulse.CurveFit, s: number): number uV of the fit
---@param description string
---@return string
function M.draw(id, curve, at, description)
  local out, of, marks = {}, scale(curve.track), {}
  add(out, '<svg viewBox="0 0 %d %d" role="img" aria-labelledby="%s-t %s-d">', width, bottom + 36, id, id)
  add(out, '<title id="%s-t">Input-output curve</title><desc id="%s-d">%s</desc>', id, id,
    text.escape(description))
  axes(out, of, curve.unit)
  for i, trial in ipairs(curve.track) do
    marks[i] = ("M%.1f %.1fa2.5 2.5 0 1 0 5 0a2.5 2.5 0 1 0 -5 0z"):format(of.x(trial.intensity) - 2.5,
      of.y(trial.mep_uv))
  end
  add(out, '<path class="open" d="%s"/>', table.concat(marks))
  if curve.fit then
    sigmoid(out, of, curve.fit, at)
    label(out, "tick", left + plot_width, 12, "end", ("- - S50 %s %s"):format(text.plain(
      math.floor(curve.fit.s50 * 10 + 0.5) / 10), curve.unit))
  end
  out[#out + 1] = "</svg>"
  return table.concat(out)
end

return M
