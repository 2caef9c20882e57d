--- Names in the order that a reader expects.
local M = {}

--- What to compare instead of a name: numbers count by their value ("ISI 2 ms" before "ISI 10 ms"), capitals
--- as small letters.
---@param name string
---@return string
function M.key(name)
  return (name:lower():gsub("%d+", function(digits) return ("%012d"):format(math.tointeger(digits) or 0) end))
end

return M
