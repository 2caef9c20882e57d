--- The cells of a line of a table whose columns are separated by tabs.
local M = {}

--- Those of one line.
---@param line string without its end
---@return string[] cells empty ones are ""
function M.of(line)
  local cells, n, from = {}, 0, 1
  while true do
    local tab = line:find("\t", from, true)
    n = n + 1
    cells[n] = line:sub(from, tab and tab - 1)
    if not tab then
      return cells
    end
    from = tab + 1
  end
end

--- Where each column is, by its name.
---@param columns string[] the cells of a header; of two of one name the first counts
---@return table<string, integer>
function M.index(columns)
  local index = {}
  for i, name in ipairs(columns) do
    index[name] = index[name] or i
  end
  return index
end

return M
