--- The cells of a line of a table whose columns are separated by tabs.
local M = {}

--- Those of one line.
---@param line string without its end
---@return string[] cells empty ones are ""
function M.of(line)
  local cells = {}
  for cell in (line .. "\t"):gmatch("([^\t]*)\t") do
    cells[#cells + 1] = cell
  end
  return cells
end

return M
