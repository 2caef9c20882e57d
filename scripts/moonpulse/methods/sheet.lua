--- A checklist as a sheet: tab-separated, Markdown, HTML.
local escapes = require "moonpulse.text.escapes"

local M = {}

M.formats = { "tsv", "md", "html" }

local header = { "item", "section", "what", "status", "value", "source", "filled by" }

local function cells_of(item)
  return { item.number, item.section, item.item, item.status, item.value or "n/a", item.source or "n/a",
    item.fill or "n/a" }
end

--- One line, without control characters.
local function shown(text)
  return (escapes.shown(text):gsub("%c", " "))
end

local writers = {}

function writers.tsv(list)
  local lines = { table.concat(header, "\t") }
  for _, item in ipairs(list.items) do
    local cells = cells_of(item)
    for i, cell in ipairs(cells) do
      cells[i] = shown(cell)
    end
    lines[#lines + 1] = table.concat(cells, "\t")
  end
  return table.concat(lines, "\n")
end

function writers.md(list, about)
  local function plain(text)
    return (shown(text):gsub("[|\\`*_<>%[%]]", "\\%0"))
  end
  local lines = { "# " .. plain(list.title), "", plain(about), "", plain(list.note), "",
    "| " .. table.concat(header, " | ") .. " |", ("|---"):rep(#header) .. "|" }
  for _, item in ipairs(list.items) do
    local cells = cells_of(item)
    for i, cell in ipairs(cells) do
      cells[i] = plain(cell)
    end
    lines[#lines + 1] = "| " .. table.concat(cells, " | ") .. " |"
  end
  return table.concat(lines, "\n")
end

local style = [[
:root { color-scheme: light dark; }
body { font: 15px/1.4 "DejaVu Sans", Helvetica, Arial, sans-serif; margin: 2em auto; max-width: 62em;
  padding: 0 1em; }
h1 { font-size: 1.3em; overflow-wrap: anywhere; }
div { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { border: 1px solid #8889; padding: .25em .5em; text-align: left; vertical-align: top; }
td { overflow-wrap: break-word; }
.option { white-space: nowrap; }
tr.asked td:nth-child(4), tr.cannot td:nth-child(4) { font-weight: bold; }
@page { size: A4 landscape; margin: 12mm; }]]

local classes = { filled = "filled", ["asked for"] = "asked", ["cannot be known here"] = "cannot" }

function writers.html(list, about)
  local entities = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ["\""] = "&quot;" }
  local function escaped(text)
    return (shown(text):gsub("[&<>\"]", entities))
  end
  local function cell(text) -- an option is not broken behind its dashes
    return (escaped(text):gsub("%-%-%l[%w-]*", '<span class="option">%0</span>'))
  end
  local function row(tag, cells, class)
    local parts = {}
    for i, text in ipairs(cells) do
      parts[i] = ("<%s>%s</%s>"):format(tag, cell(text), tag)
    end
    return ("<tr%s>%s</tr>"):format(class and (' class="%s"'):format(class) or "", table.concat(parts))
  end
  local rows = {}
  for i, item in ipairs(list.items) do
    rows[i] = row("td", cells_of(item), classes[item.status])
  end
  return table.concat({ "<!DOCTYPE html>", '<html lang="en"><head><meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    ("<title>%s</title>"):format(escaped(list.title)), ("<style>%s</style></head><body>"):format(style),
    ("<h1>%s</h1><p>%s</p><p>%s</p>"):format(escaped(list.title), escaped(about), escaped(list.note)),
    "<div><table><thead>" .. row("th", header) .. "</thead><tbody>", table.concat(rows, "\n"),
    "</tbody></table></div></body></html>" }, "\n")
end

--- The sheet as text, without a line end.
---@param list table of moonpulse.methods.checklist
---@param format "tsv"|"md"|"html"
---@param about string what it is of, a sentence
---@return string
function M.text(list, format, about)
  return writers[format](list, about)
end

return M
