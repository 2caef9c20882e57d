--- Inline SVG figures. Every figure carries a title and a description; sizes stay bounded
--- because pulses that share a pixel share a shape.
local figure_parts = require "moonpulse.drawing.parts"
local signs = require "moonpulse.drawing.signs"
local stats = require "moonpulse.drawing.stats"
local text = require "moonpulse.drawing.text"

local M = {}

local add, label = figure_parts.add, figure_parts.label

local width, left, right = 760, 54, 14
local plot_width = width - left - right

-- Up to this many pulses each has a bar of its own at its exact place; above, bars are binned.
M.most_separate = 400

local function open(out, id, height, title, description)
  add(out, '<svg viewBox="0 0 %d %d" role="img" aria-labelledby="%s-t %s-d">', width, height,
    id, id)
  add(out, '<title id="%s-t">%s</title><desc id="%s-d">%s</desc>', id, text.escape(title), id,
    text.escape(description))
end

local function time_axis(out, window, y, name_y)
  local unit, scale, name = window.scale, 1, "s"
  if unit == "ms" then
    scale, name = 1e3, "ms"
  elseif unit == "min" then
    scale, name = 1 / 60, "min"
  end
  local from = (window.t0 - window.origin) * scale
  local to = (window.t1 - window.origin) * scale
  local step = stats.nice_step(to - from, 10)
  add(out, '<path class="axis" d="M%d %.1fH%d"/>', left, y + 0.5, left + plot_width)
  for k = math.ceil(from / step - 1e-9), math.floor(to / step + 1e-9) do
    local x = left + (k * step - from) / (to - from) * plot_width
    add(out, '<path class="axis" d="M%.1f %.1fv4"/>', x, y + 0.5)
    label(out, "tick", x, y + 16, "middle", text.plain(k * step))
  end
  label(out, "name", left + plot_width, name_y, "end",
    string.format("%s (%s)", window.axis_name, name))
end

local function height_axis(out, scale, top, bottom)
  local step = stats.nice_step(scale.top, 4)
  for k = 0, math.floor(scale.top / step + 1e-9) do
    local y = bottom - k * step / scale.top * (bottom - top)
    if k > 0 then
      add(out, '<path class="grid" d="M%d %.1fH%d"/>', left, y, left + plot_width)
    end
    if scale.known then
      label(out, "tick", left - 6, y + 3.5, "end", text.plain(k * step))
    end
  end
  add(out, '<text class="name" transform="translate(12 %.1f) rotate(-90)" '
    .. 'text-anchor="middle">%s</text>', (top + bottom) / 2, text.escape(scale.name))
end

-- A bar is at least two pixels wide: pulses about a pixel apart would else leave stripes that
-- are in the rounding and not in the data.
local function widened(columns)
  local out = {}
  for column, height in pairs(columns) do
    out[column] = math.max(out[column] or 0, height)
    if column + 1 < plot_width and not columns[column + 1] then
      out[column + 1] = height
    end
  end
  return out
end

-- One closed outline for each stretch of neighbouring pixels with the same height.
local function binned(columns, top, bottom)
  local parts, column = {}, 0
  while column < plot_width do
    local height = columns[column]
    local stop = column + 1
    if height then
      while stop < plot_width and columns[stop] == height do
        stop = stop + 1
      end
      parts[#parts + 1] = string.format("M%d %.1fV%.1fh%dV%.1fz", left + column, bottom,
        bottom - height * (bottom - top), stop - column, bottom)
    end
    column = stop
  end
  return table.concat(parts)
end

local function ticks(columns, y, height)
  local parts = {}
  for column = 0, plot_width - 1 do
    if columns[column] then
      parts[#parts + 1] = string.format("M%.1f %.1fv%d", left + column + 0.5, y, height)
    end
  end
  return table.concat(parts)
end

local function x_of(window, t)
  return left + (t - window.t0) / (window.t1 - window.t0) * plot_width
end

local function column_of(window, t)
  local column = math.floor((t - window.t0) / (window.t1 - window.t0) * plot_width)
  return column >= 0 and column <= plot_width and math.min(column, plot_width - 1) or nil
end

local function sort_into_columns(window, pulses, scale)
  local sent, odd, marks = {}, {}, {}
  local last, height, number, before
  for i = 1, #pulses do
    local row = pulses[i]
    local kind, column = getmetatable(row) or row, row.time and column_of(window, row.time)
    if kind ~= last then -- rows that share a metatable have this in common (moonpulse.record.read)
      -- Rounded so that neighbours of the same height can be joined.
      height = row.was_sent and math.max(0.01, math.floor(scale.of(row) / scale.top * 500 + 0.5) / 500)
      last, number, before = kind, select(2, signs.of(row)), nil
    end
    if column and column ~= before then -- nearly all share their column with the one before
      before = column
      sent[column] = height and math.max(sent[column] or 0, height) or sent[column]
      odd[column] = number and math.min(odd[column] or number, number) or odd[column]
    end
  end
  for _, row in ipairs(window.marks) do
    local column = row.time and column_of(window, row.time)
    if column then
      marks[column] = true
    end
  end
  return sent, odd, marks
end

local sign_width = 7

--- The signs below the axis, and what they mean; those that would lie on each other are drawn once.
local function draw_signs(out, odd, y, legend_y)
  local used, last = {}, {}
  for column = 0, plot_width - 1 do
    local number = odd[column]
    if number and column - (last[number] or -sign_width) >= sign_width then
      label(out, "sign", left + column + 0.5, y, "middle", signs.list[number].sign)
      used[number], last[number] = true, column
    end
  end
  local words = {}
  for number, sign in ipairs(signs.list) do
    words[#words + 1] = used[number] and sign.sign .. " " .. sign.words or nil
  end
  label(out, "bad", left, legend_y, "start", table.concat(words, "   "))
end

-- Where a window holds few pulses each is one bar of readable width.
local function separate(window, pulses, scale, top, bottom)
  local parts = {}
  for _, row in ipairs(pulses) do
    if row.was_sent and row.time then
      local x = left + (row.time - window.t0) / (window.t1 - window.t0) * plot_width
      parts[#parts + 1] = string.format("M%.1f %.1fV%.1f", x, bottom,
        bottom - math.max(0.01, scale.of(row) / scale.top) * (bottom - top))
    end
  end
  return table.concat(parts)
end

local function interval_text(seconds)
  if seconds < 1 then
    return string.format("%.3f ms", seconds * 1e3)
  end
  return (string.format("%.6f", seconds):gsub("%.?0+$", "")) .. " s"
end

local label_width = 62 -- of an interval

-- The interval between neighbours as it is on record, written between their bars. Pulses too close for that
-- are one thing, a pair or a burst: what is written then is from its first pulse to the first of the next.
local function interval_labels(out, window, top)
  local first, last
  local span = window.t1 - window.t0
  for _, row in ipairs(window.pulses) do
    if row.was_sent and row.time then
      if first and (row.time - last) / span * plot_width > label_width then
        local x = left + ((row.time + last) / 2 - window.t0) / span * plot_width
        label(out, "note", x, top + 10, "middle", interval_text(row.time - first))
        first = row.time
      end
      first, last = first or row.time, row.time
    end
  end
end

local letter_width = 6.2 -- of a mark's name, about
local longest_name = 24

-- The names of marks, each after its tick where it fits; a longer one is cut.
local function mark_names(out, window)
  local list = {}
  for _, row in ipairs(window.marks) do
    local column = row.time and column_of(window, row.time)
    local name = row.reply or row.trial_type
    if column and name then
      list[#list + 1] = { x = left + column + 0.5, name = name }
    end
  end
  for i, mark in ipairs(list) do
    local room = (list[i + 1] and list[i + 1].x or width) - mark.x - 6
    local most = math.min(longest_name, room // letter_width)
    local length = utf8.len(mark.name) or #mark.name
    if length <= most then
      label(out, "tick", mark.x + 3, 13, "start", mark.name)
    elseif most >= 4 and utf8.len(mark.name) then
      local cut = utf8.offset(mark.name, math.tointeger(most // 1)) - 1
      label(out, "tick", mark.x + 3, 13, "start", mark.name:sub(1, cut) .. "…")
    end
  end
end

local function bars(out, window, lane, sent, top, bottom)
  height_axis(out, lane.scale, top, bottom)
  if #lane.pulses <= M.most_separate then
    add(out, '<path class="bar" stroke-width="%s" d="%s"/>', #lane.pulses <= 100 and "2" or "1",
      separate(window, lane.pulses, lane.scale, top, bottom))
  else
    add(out, '<path class="fill" d="%s"/>', binned(widened(sent), top, bottom))
  end
end

local one_height, lane_height, lane_gap = 90, 64, 24

--- The lanes below each other; where they end, and which columns have a sign.
local function lanes_of(out, window, scale, top)
  local lanes = window.lanes or { { pulses = window.pulses, scale = scale } }
  local height, bottom, odd = window.lanes and lane_height or one_height, top, {}
  for number, lane in ipairs(lanes) do
    local lane_top = window.lanes and bottom + (number > 1 and lane_gap or 14) or top
    bottom = lane_top + height
    lane.scale = lane.scale or scale
    local sent, found = sort_into_columns(window, lane.pulses, lane.scale)
    for column, sign in pairs(found) do
      odd[column] = math.min(odd[column] or sign, sign)
    end
    if lane.channel then
      label(out, "channel", left, lane_top - 4, "start", "channel " .. lane.channel)
    end
    bars(out, window, lane, sent, lane_top, bottom)
    if number < #lanes then
      add(out, '<path class="axis" d="M%d %.1fH%d"/>', left, bottom + 0.5, left + plot_width)
    end
  end
  return bottom, odd
end

--- One timeline panel.
---@param id string unique in the page
---@param window table { title, description, pulses, marks, t0, t1, origin, scale, axis_name, lanes?,
---   inner? }: inner: { t0, t1 }, the stretch that the next panel shows; lanes, below each other over the
---   same time: { channel, pulses, scale? }[]
---@param scale table { top, of(row), name, known }: bar heights, of lanes that have none of their own
---@return string
function M.timeline(id, window, scale)
  local out, drawn = {}, {}
  local _, _, marks = sort_into_columns(window, {}, scale)
  local top = next(marks) ~= nil and 28 or 12
  local bottom, odd = lanes_of(drawn, window, scale, top)
  local name_y = bottom + (next(odd) ~= nil and 46 or 32)
  open(out, id, name_y + 8, window.title, window.description)
  table.move(drawn, 1, #drawn, #out + 1, out)
  if next(odd) ~= nil then
    draw_signs(out, odd, bottom + 31, name_y)
  end
  if window.inner then
    local x0, x1 = x_of(window, window.inner.t0), x_of(window, window.inner.t1)
    add(out, '<path class="inner" d="M%.1f %.1fV%.1fH%.1fV%.1fz"/>', x0 - 2, bottom, top - 3,
      math.max(x1, x0 + 1) + 2, bottom)
  end
  if next(marks) ~= nil then
    add(out, '<path class="mark" d="%s"/>', ticks(marks, 4, 10))
    label(out, "tick", left - 6, 13, "end", "marks")
    mark_names(out, window)
  end
  if #window.pulses <= 6 then
    interval_labels(out, window, top)
  end
  time_axis(out, window, bottom, name_y)
  out[#out + 1] = "</svg>"
  return table.concat(out)
end

local function unit_label(us)
  if math.abs(us) >= 1000 then
    return text.plain(us / 1000) .. " ms"
  end
  return text.plain(us) .. " µs"
end

local function position(h, us)
  if h.log then
    local x = math.log(math.max(math.abs(us), h.lo) / h.lo) / math.log(h.hi / h.lo)
    return left + x * plot_width
  end
  return left + (us - h.lo) / (h.hi - h.lo) * plot_width
end

local function value_axis(out, h, y)
  add(out, '<path class="axis" d="M%d %.1fH%d"/>', left, y + 0.5, left + plot_width)
  local function tick(us, words)
    add(out, '<path class="axis" d="M%.1f %.1fv4"/>', position(h, us), y + 0.5)
    local at_end = position(h, us) > left + plot_width - 10
    label(out, "tick", position(h, us) + (at_end and right or 0), y + 16,
      at_end and "end" or "middle", words)
  end
  local name
  if h.log then
    for power = math.floor(math.log(h.lo, 10) + 0.5), math.floor(math.log(h.hi, 10) + 0.5) do
      tick(10 ^ power, unit_label(10 ^ power))
    end
    name = "Size of onset error, logarithmic axis"
  else
    local ms = math.max(math.abs(h.lo), math.abs(h.hi)) >= 2000
    local divide = ms and 1000 or 1
    local step = stats.nice_step(h.hi - h.lo, 10)
    for k = math.ceil(h.lo / step - 1e-9), math.floor(h.hi / step + 1e-9) do
      tick(k * step, text.plain(k * step / divide))
    end
    name = string.format("Onset error, sent − planned (%s)", ms and "ms" or "µs")
  end
  label(out, "name", left + plot_width, y + 32, "end", name)
end

local function count_axis(out, most, top, bottom)
  local step = math.max(1, stats.nice_step(most, 4))
  for k = 0, most // step do
    local y = bottom - k * step / most * (bottom - top)
    if k > 0 then
      add(out, '<path class="grid" d="M%d %.1fH%d"/>', left, y, left + plot_width)
    end
    label(out, "tick", left - 6, y + 3.5, "end", text.count(k * step))
  end
  add(out, '<text class="name" transform="translate(12 %.1f) rotate(-90)" '
    .. 'text-anchor="middle">Pulses</text>', (top + bottom) / 2)
end

--- Histogram of onset errors.
---@param id string
---@param h table from `stats.histogram`
---@param lines table[] list of { name, value } in the unit of the histogram
---@param title string
---@param description string
---@return string
function M.histogram(id, h, lines, title, description)
  local out = {}
  local top, bottom = 16 + 13 * #lines, 200
  open(out, id, bottom + 40, title, description)
  local most = math.max(1, table.unpack(h.counts))
  count_axis(out, most, top, bottom)
  local parts, bin = {}, plot_width / #h.counts
  for i, n in ipairs(h.counts) do
    if n > 0 then
      parts[#parts + 1] = string.format("M%.2f %dV%.1fh%.2fV%dz", left + (i - 1) * bin + 0.4,
        bottom, bottom - math.max(1.5, n / most * (bottom - top)), math.max(0.6, bin - 0.8),
        bottom)
    end
  end
  add(out, '<path class="fill" d="%s"/>', table.concat(parts))
  for i, line in ipairs(lines) do
    local x, y = position(h, line.value), 12 + 13 * (i - 1)
    local near_end = x > width - 130
    add(out, '<path class="lead" d="M%.1f %dV%d"/>', x, y + 3, bottom)
    label(out, "note", near_end and x - 4 or x + 4, y + 5, near_end and "end" or "start",
      line.name .. " " .. text.precise_us(line.value))
  end
  value_axis(out, h, bottom)
  out[#out + 1] = "</svg>"
  return table.concat(out)
end

return M
