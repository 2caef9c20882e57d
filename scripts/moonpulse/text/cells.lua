--- The cells of a line of a table whose columns are separated by tabs.
local M = {}

local MOST = 10000 -- a line from anywhere may have a hundred million, which no table has

--- Those of one line.
---@param line string without its end
---@param most integer? so many cells at most, the last of which has all that follows; nil: more than any
---   table has
---@return string[] cells empty ones are ""
function M.of(line, most)
  local cells, n, from = {}, 0, 1
  most = most or MOST
  while true do
    n = n + 1
    local tab = n < most and line:find("\t", from, true) or nil
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
