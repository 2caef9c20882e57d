--- A scene on a terminal: bars of block characters, one panel below the other.
local escapes = require "moonpulse.text.escapes"
local stats = require "moonpulse.drawing.stats"

local M = {}

local blocks = { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" }
local ROWS, LEFT = 5, 7

--- Bar heights in eighths of a row, by column.
local function columns_of(panel, pulses, scale, width)
  local heights = {}
  for _, row in ipairs(pulses) do
    local column = math.floor((row.time - panel.t0) / (panel.t1 - panel.t0) * width)
    column = math.max(0, math.min(width - 1, column))
    local eighths = math.max(1, math.floor(scale.of(row) / scale.top * ROWS * 8 + 0.5))
    heights[column] = math.max(heights[column] or 0, eighths)
  end
  return heights
end

local function rows_of(heights, scale, width)
  local lines = {}
  for row = ROWS, 1, -1 do
    local cells = {}
    for column = 0, width - 1 do
      local filled = (heights[column] or 0) - (row - 1) * 8
      cells[column + 1] = filled >= 8 and blocks[8] or filled > 0 and blocks[filled] or " "
    end
    local label = (row == ROWS or row == 1) and ("%.4g"):format(row == 1 and 0 or scale.top) or ""
    lines[#lines + 1] = ("%6s│%s"):format(label, table.concat(cells))
  end
  return lines
end

--- The marks of a panel above it, each with as much of its name as there is room for; nil: it has none.
local function marks_of(panel, width)
  local columns, names = {}, {}
  for _, mark in ipairs(panel.marks) do
    local column = mark.time and math.floor((mark.time - panel.t0) / (panel.t1 - panel.t0) * width)
    if column and column >= 0 and column < width and not names[column] then
      names[column], columns[#columns + 1] = escapes.shown(mark.trial_type), column
    end
  end
  if #columns == 0 then
    return nil
  end
  local parts, at = {}, 0
  for i, column in ipairs(columns) do
    local room = (columns[i + 1] or width) - column - 2
    local name = names[column]
    if utf8.len(name) > room then
      name = room >= 4 and name:sub(1, utf8.offset(name, room) - 1) .. "…" or ""
    end
    parts[#parts + 1] = (" "):rep(column - at) .. "╷" .. name
    at = column + 1 + utf8.len(name)
  end
  return ("%6s "):format("marks") .. table.concat(parts)
end

local function axis_of(panel, width)
  local unit = panel.scale == "ms" and 1e3 or panel.scale == "min" and 1 / 60 or 1
  local from, to = (panel.t0 - panel.origin) * unit, (panel.t1 - panel.origin) * unit
  local step = stats.nice_step(to - from, math.max(2, width // 12))
  local line, labels = {}, (" "):rep(width + LEFT + 8)
  for column = 1, width do
    line[column] = "─"
  end
  for k = math.ceil(from / step - 1e-9), math.floor(to / step + 1e-9) do
    local column = math.min(width, math.floor((k * step - from) / (to - from) * width) + 1)
    local text = ("%.6g"):format(k * step)
    line[column] = "┬"
    local at = math.max(1, LEFT + column - #text // 2)
    if labels:sub(math.max(1, at - 1), at + #text):match("^%s*$") then
      labels = labels:sub(1, at - 1) .. text .. labels:sub(at + #text)
    end
  end
  local name = ("%s (%s)"):format(panel.axis_name, panel.scale)
  return ("%6s└%s"):format("", table.concat(line)), (labels:gsub("%s+$", "")),
    (" "):rep(math.max(0, LEFT + width - #name)) .. name
end

--- The scene as text.
---@param scene moonpulse.Scene
---@param width integer columns of the terminal
---@return string
function M.draw(scene, width)
  local plot_width = math.max(20, width - LEFT - 1)
  local lines = { scene.title, scene.subtitle, "" }
  for _, panel in ipairs(scene.panels) do
    lines[#lines + 1] = ("%s  (%s)"):format(panel.title, panel.bars.name)
    lines[#lines + 1] = marks_of(panel, plot_width)
    for _, lane in ipairs(panel.lanes or { panel }) do
      if lane.channel then
        lines[#lines + 1] = (" "):rep(LEFT) .. "channel " .. lane.channel
      end
      local scale = lane.channel and lane.scale or panel.bars
      local heights = columns_of(panel, lane.pulses, scale, plot_width)
      table.move(rows_of(heights, scale, plot_width), 1, ROWS, #lines + 1, lines)
    end
    for _, line in ipairs { axis_of(panel, plot_width) } do
      lines[#lines + 1] = line
    end
    lines[#lines + 1] = ""
  end
  return table.concat(lines, "\n")
end

return M
