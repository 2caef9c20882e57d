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
---@param rows table[] list of { name, value, again }; again: the first screen has it too, paper leaves it out
---@return string
function M.facts(caption, rows)
  local out = { '<table class="facts"><caption>' .. escape(caption) .. "</caption><tbody>" }
  for _, row in ipairs(rows) do
    local value = text.value(row[2])
    out[#out + 1] = string.format('<tr%s><th scope="row">%s</th><td%s>%s</td></tr>',
      row[3] and ' class="again"' or "", escape(row[1]),
      value == text.missing and ' class="missing"' or "", escape(value))
  end
  out[#out + 1] = "</tbody></table>"
  return table.concat(out, "\n")
end

--- A table with column headers; the first cell of each row heads the row.
---@param caption string
---@param columns string[] names; one that starts with "#" is set right-aligned
---@param rows string[][]
---@param class? string
---@return string
function M.grid(caption, columns, rows, class)
  local out = { '<div class="wide"><table class="grid' .. (class and " " .. class or "") .. '"><caption>'
    .. escape(caption)
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

local shapes = { -- in a box of 24; each level has its own outline and its own sign
  good = '<circle cx="12" cy="12" r="10"/><path d="M7 12.5l3.4 3.5L17 8.5"/>',
  note = '<path d="M12 2.5L22.5 21H1.5z"/><path d="M12 9v6M12 17.2v1.2"/>',
  bad = '<path d="M7.9 1.8h8.2l5.9 5.9v8.6l-5.9 5.9H7.9L2 16.3V7.7z"/><path d="M8 8l8 8M16 8l-8 8"/>',
}

--- The shape of a level of news; it says nothing that is not beside it in words.
---@param level "good"|"note"|"bad"
---@return string
function M.icon(level)
  return ('<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">%s</svg>'):format(
    shapes[level])
end

--- A list of terms and what they are; missing values are left as "not recorded".
---@param rows table[] list of { term, value }
---@return string
function M.terms(rows)
  local out = { '<dl class="key">' }
  for _, row in ipairs(rows) do
    local value = text.value(row[2])
    out[#out + 1] = ("<div><dt>%s</dt><dd%s>%s</dd></div>"):format(escape(row[1]),
      value == text.missing and ' class="missing"' or "", escape(value))
  end
  out[#out + 1] = "</dl>"
  return table.concat(out, "\n")
end

--- A figure with its caption.
---@param svg string
---@param caption string plain text
---@param class? string
---@return string
function M.figure(svg, caption, class)
  return ("<figure%s>%s<figcaption>%s</figcaption></figure>"):format(
    class and ' class="' .. class .. '"' or "", svg, escape(caption))
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
