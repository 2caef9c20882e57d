--- What every figure is put together from.
local text = require "moonpulse.drawing.text"

local M = {}

--- One more piece of a figure.
---@param out string[] changed
---@param format string as of string.format, with what it takes behind it
function M.add(out, format, ...)
  out[#out + 1] = string.format(format, ...)
end

--- Words in a figure, at x and y in its own units.
---@param out string[] changed
---@param class string of the style
---@param x number
---@param y number
---@param anchor "start"|"middle"|"end"
---@param words any made safe here
function M.label(out, class, x, y, anchor, words)
  M.add(out, '<text class="%s" x="%.1f" y="%.1f" text-anchor="%s">%s</text>', class, x, y, anchor,
    text.escape(words))
end

return M
