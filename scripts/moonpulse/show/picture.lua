--- A scene as one SVG picture that stands alone in a paper: panels below each other, with captions.
local svg = require "moonpulse.drawing.svg"
local text = require "moonpulse.drawing.text"

local M = {}

local WIDTH, MARGIN, HEAD, CAPTION = 800, 20, 62, 24

local style = [[
text { font: 11px "DejaVu Sans", Helvetica, Arial, sans-serif; fill: #1c2126; }
.title { font-size: 17px; font-weight: bold; }
.subtitle { font-size: 12px; fill: #56606b; }
.caption { font-size: 12.5px; font-weight: bold; }
.tick, .name { fill: #56606b; }
.channel { font-weight: bold; }
.note { font-size: 10.5px; }
.axis { stroke: #1c2126; fill: none; }
.grid { stroke: #e3e7ea; fill: none; }
.bar { stroke: #1f4e79; fill: none; }
.fill { fill: #1f4e79; }
.mark { stroke: #1c2126; }
]]

--- Place one panel's own <svg> at y.
local function placed(panel, number, y)
  local drawn = svg.timeline("panel" .. number, panel, panel.bars)
  local width, height = drawn:match('viewBox="0 0 (%d+) ([%d.]+)"')
  return drawn:gsub("^<svg ", ('<svg x="%d" y="%d" width="%s" height="%s" '):format(MARGIN, y, width,
    height), 1), tonumber(height)
end

--- The picture of a scene.
---@param scene moonpulse.Scene
---@return string SVG text
function M.draw(scene)
  local parts, y = {}, HEAD
  for number, panel in ipairs(scene.panels) do
    parts[#parts + 1] = ('<text class="caption" x="%d" y="%d">%s</text>'):format(MARGIN, y + 14,
      text.escape(panel.title))
    y = y + CAPTION
    local drawn, height = placed(panel, number, y)
    parts[#parts + 1] = drawn
    y = y + height + 10
  end
  local height = math.ceil(y + MARGIN / 2)
  return table.concat({
    ('<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d">'):format(WIDTH,
      height, WIDTH, height),
    ("<title>%s</title>"):format(text.escape(scene.title)),
    ("<style>%s</style>"):format(style),
    ('<rect width="%d" height="%d" fill="#ffffff"/>'):format(WIDTH, height),
    ('<text class="title" x="%d" y="30">%s</text>'):format(MARGIN, text.escape(scene.title)),
    ('<text class="subtitle" x="%d" y="50">%s</text>'):format(MARGIN, text.escape(scene.subtitle)),
    table.concat(parts, "\n"), "</svg>\n",
  }, "\n")
end

return M
