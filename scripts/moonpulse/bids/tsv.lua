--- Tables of BIDS: tab-separated text, a header line, n/a for what is missing.
local row_cells = require "moonpulse.text.cells"

local M = {}

---@class moonpulse.BidsTable
---@field columns string[]
---@field index table<string, integer> where a column is
---@field rows string[][]

--- A table of its text; line ends of any system, a missing last one, a mark at the beginning are read.
---@param text string
---@return moonpulse.BidsTable
function M.parse(text)
  text = text:gsub("^\xEF\xBB\xBF", "")
  if text:find("\r", 1, true) then
    text = text:gsub("\r\n?", "\n")
  end
  local found = { columns = {}, index = {}, rows = {} }
  local rows, count = found.rows, 0
  for line in text:gmatch("[^\n]+") do
    if not found.columns[1] then
      found.columns = row_cells.of(line)
    else
      count = count + 1
      rows[count] = row_cells.of(line, #found.columns + 1) -- of what is too much it is enough to know that
    end
  end
  found.index = row_cells.index(found.columns)
  return found
end

--- A cell by its column's name; nil: there is no such column, or it is n/a.
---@param found moonpulse.BidsTable
---@param row string[]
---@param name string
---@return string?
function M.cell(found, row, name)
  local at = found.index[name]
  local cell = at and row[at]
  return cell ~= "n/a" and cell ~= "" and cell or nil
end

--- A text as one cell: no tab, no line end, never empty.
---@param value any
---@return string
function M.text(value)
  local text = value == nil and "n/a" or tostring(value):gsub("[\t\r\n]", " ")
  return text:find("%S") and text or "n/a"
end

--- The text of rows.
---@param columns string[]
---@param rows table<string, any>[] by column; what is missing is n/a
---@return string
function M.write(columns, rows)
  local lines = { table.concat(columns, "\t") }
  for i, row in ipairs(rows) do
    local cells = {}
    for j, name in ipairs(columns) do
      cells[j] = M.text(row[name])
    end
    lines[i + 1] = table.concat(cells, "\t")
  end
  return table.concat(lines, "\n") .. "\n"
end

--- A table with one more row, its other bytes as they were; nil: the row is there already.
---@param text string
---@param row table<string, any>
---@param keys string[] columns by which a row is known
---@return string?
function M.append(text, row, keys)
  local found = M.parse(text)
  for _, cells in ipairs(found.rows) do
    local same = true
    for _, key in ipairs(keys) do
      same = same and (cells[found.index[key] or 0] or "n/a") == M.text(row[key])
    end
    if same then
      return nil
    end
  end
  local cells = {}
  for i, name in ipairs(found.columns) do
    cells[i] = M.text(row[name])
  end
  local ending = text:find("\r\n", 1, true) and "\r\n" or "\n"
  if not text:find("\n$") then
    text = text .. ending
  end
  return text .. table.concat(cells, "\t") .. ending
end

return M
