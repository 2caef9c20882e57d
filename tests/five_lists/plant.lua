--- Planting a fault: other functions in the place of some, for as long as an action runs.
local M = {}

--- Do action with a fault planted, which is undone whatever happens.
---@param plant fun(swap: fun(module: table, key: string, value: any))
---@param action fun(): ...
---@return ... what action gives
function M.during(plant, action)
  local undo = {}
  plant(function(module, key, value)
    table.insert(undo, 1, { module, key, module[key] })
    module[key] = value
  end)
  local results = table.pack(pcall(action))
  for _, each in ipairs(undo) do
    each[1][each[2]] = each[3]
  end
  assert(results[1], results[2])
  return table.unpack(results, 2, results.n)
end

return M
