--- Small builders for HTML. Cells are escaped here, so sections pass plain text.
local text = require "moonpulse.drawing.text"

local M = {}

local escape = text.escape

--- A paragraph of plain text.
---@param words string
---@param class? string
---@return string
function M.p(words, class)
  return string.format("<p%s>%s</p>", class and ' class="' .. class .. '"' or "", escape(words))
end

--- A table of names and values.
---@param caption string
---@param rows table[] list of { name, value }
---@return string
function M.facts(caption, rows)
  local out = { '<table class="facts"><caption>' .. escape(caption) .. "</caption><tbody>" }
  for _, row in ipairs(rows) do
    local value = text.value(row[2])
    out[#out + 1] = string.format('<tr><th scope="row">%s</th><td%s>%s</td></tr>',
      escape(row[1]), value == text.missing and ' class="missing"' or "", escape(value))
  end
  out[#out + 1] = "</tbody></table>"
  return table.concat(out, "\n")
end

--- A table with column headers; the first cell of each row heads the row.
---@param caption string
---@param columns string[] names; one that starts with "#" is set right-aligned
---@param rows string[][]
---@return string
function M.grid(caption, columns, rows)
  local out = { '<div class="wide"><table class="grid"><caption>' .. escape(caption)
    .. "</caption><thead><tr>" }
  local numeric = {}
  for i, name in ipairs(columns) do
    numeric[i] = name:sub(1, 1) == "#" and ' class="n"' or ""
    out[#out + 1] = string.format('<th scope="col"%s>%s</th>', numeric[i],
      escape((name:gsub("^#", ""))))
  end
  out[#out + 1] = "</tr></thead><tbody>"
  for _, row in ipairs(rows) do
    local cells = {}
    for i = 1, #columns do
      local tag = i == 1 and 'th scope="row"' or "td"
      cells[i] = string.format("<%s%s>%s</%s>", tag, numeric[i], escape(row[i] or ""),
        tag:match("^%a+"))
    end
    out[#out + 1] = "<tr>" .. table.concat(cells) .. "</tr>"
  end
  out[#out + 1] = "</tbody></table></div>"
  return table.concat(out, "\n")
end

--- A figure with its caption.
---@param svg string
---@param caption string plain text
---@return string
function M.figure(svg, caption)
  return "<figure>" .. svg .. "<figcaption>" .. escape(caption) .. "</figcaption></figure>"
end

--- A section with a heading; nil parts are left out by the caller.
---@param id string
---@param title string
---@param parts string[]
---@return string
function M.section(id, title, parts)
  return string.format('<section aria-labelledby="%s"><h2 id="%s">%s</h2>\n%s\n</section>', id, id,
    escape(title), table.concat(parts, "\n"))
end

return M
