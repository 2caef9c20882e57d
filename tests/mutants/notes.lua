--- What is kept between runs, in tables of text: verdicts, how long tests take, what is explained.
local shell = require "shell"

local M = {}

--- The rows of a table, by their first column; columns named by the first line.
---@param path string
---@return table<string, table<string, string>>
function M.read(path)
  local by_key, names = {}, nil
  for line in (shell.read(path) or ""):gmatch("[^\n]+") do
    local cells = shell.cells(line)
    if names then
      local row = {}
      for i, name in ipairs(names) do
        row[name] = cells[i] or ""
      end
      by_key[cells[1]] = row
    else
      names = cells
    end
  end
  return by_key
end

--- Add a row; the first makes the table.
---@param path string
---@param names string[]
---@param row table<string, any>
function M.add(path, names, row)
  local is_new = not shell.read(path)
  local file <close> = assert(io.open(path, "a"))
  local cells = {}
  for i, name in ipairs(names) do
    cells[i] = (tostring(row[name] or ""):gsub("[\t\n]", " "))
  end
  file:write(is_new and table.concat(names, "\t") .. "\n" or "", table.concat(cells, "\t"), "\n")
end

M.verdicts = { "key", "verdict", "part", "kind", "path", "line", "by", "seconds", "change", "was", "said" }
M.times = { "test", "seconds" }

return M
