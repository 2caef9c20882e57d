--- A copy of data: of its tables too, at every level.
local M = {}

--- Copy a value.
---@param value any a tree of tables without metatables; what is no table is given as it is
---@return any
function M.of(value)
  if type(value) ~= "table" then
    return value
  end
  local made = {}
  for key, each in pairs(value) do
    made[key] = M.of(each)
  end
  return made
end

return M
