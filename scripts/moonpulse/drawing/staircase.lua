--- A staircase or a hunt as a figure: trial by trial, filled where the answer was yes, open where it was no.
local figure_parts = require "moonpulse.drawing.parts"
local stats = require "moonpulse.drawing.stats"
local text = require "moonpulse.drawing.text"

local M = {}

local add, label = figure_parts.add, figure_parts.label

local width, left, right, top, bottom = 520, 46, 10, 24, 180
local plot_width = width - left - right

--- The range of the axis: of all trials and the interval, on round numbers.
local function range(stairs)
  local low, high = math.huge, -math.huge
  local function take(value)
    if value then
      low, high = math.min(low, value), math.max(high, value)
    end
  end
  for _, trial in ipairs(stairs.track) do
    take(trial.intensity)
  end
  take(stairs.found)
  take(stairs.low)
  take(stairs.high)
  local step = stats.nice_step(math.max(high - low, 1), 5)
  return math.floor(low / step) * step, math.ceil(high / step) * step, step
end

local function axes(out, stairs, low, high, step, y_of, x_of)
  for k = 0, math.floor((high - low) / step + 1e-9) do
    local y = y_of(low + k * step)
    add(out, '<path class="grid" d="M%d %.1fH%d"/>', left, y, left + plot_width)
    label(out, "tick", left - 6, y + 3.5, "end", text.plain(low + k * step))
  end
  add(out, '<text class="name" transform="translate(12 %.1f) rotate(-90)" text-anchor="middle">%s</text>',
    (top + bottom) / 2, text.escape(stairs.unit))
  add(out, '<path class="axis" d="M%d %.1fH%d"/>', left, bottom + 0.5, left + plot_width)
  local every = math.max(1, math.ceil(#stairs.track / 20))
  for number = 1, #stairs.track, every do
    label(out, "tick", x_of(number), bottom + 15, "middle", text.plain(number))
  end
  label(out, "name", left + plot_width, bottom + 30, "end", "Trial")
end

local function estimate(out, stairs, y_of)
  if stairs.low and stairs.high then
    add(out, '<path class="band" d="M%d %.1fH%dV%.1fH%dz"/>', left, y_of(stairs.high), left + plot_width,
      y_of(stairs.low), left)
  end
  if stairs.found then
    add(out, '<path class="lead" d="M%d %.1fH%d"/>', left, y_of(stairs.found), left + plot_width)
    label(out, "tick", left + plot_width, 12, "end", ("- - threshold %.1f %s"):format(stairs.found,
      stairs.unit))
  end
end

local function trials(out, stairs, x_of, y_of)
  local line, yes, no = {}, {}, {}
  for number, trial in ipairs(stairs.track) do
    local x, y = x_of(number), y_of(trial.intensity)
    line[number] = ("%s%.1f %.1f"):format(number == 1 and "M" or "L", x, y)
    local list = trial.yes and yes or no
    list[#list + 1] = trial.yes and ("M%.1f %.1fh8v8h-8z"):format(x - 4, y - 4)
      or ("M%.1f %.1fa4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0z"):format(x - 4.5, y)
  end
  add(out, '<path class="bar" d="%s"/>', table.concat(line))
  add(out, '<path class="fill" d="%s"/>', table.concat(yes))
  add(out, '<path class="open" d="%s"/>', table.concat(no))
end

--- The figure.
---@param id string unique in the page
---@param stairs { track: { intensity: number, yes: boolean }[], found: number?, low: number?,
---   high: number?, unit: string, title: string } with at least one trial; found: the threshold
---@param description string
---@return string
function M.draw(id, stairs, description)
  local out = {}
  local low, high, step = range(stairs)
  high = high > low and high or low + step
  local function y_of(value)
    return bottom - (value - low) / (high - low) * (bottom - top)
  end
  local function x_of(number)
    return left + (number - 0.5) / #stairs.track * plot_width
  end
  add(out, '<svg viewBox="0 0 %d %d" role="img" aria-labelledby="%s-t %s-d">', width, bottom + 36, id, id)
  add(out, '<title id="%s-t">%s</title><desc id="%s-d">%s</desc>', id, stairs.title, id,
    text.escape(description))
  estimate(out, stairs, y_of)
  axes(out, stairs, low, high, step, y_of, x_of)
  trials(out, stairs, x_of, y_of)
  label(out, "tick", left, 12, "start", "■ yes   ○ no")
  out[#out + 1] = "</svg>"
  return table.concat(out)
end

return M
