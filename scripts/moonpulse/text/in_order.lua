--- Walks a table in one order. Lua's own hangs on where its texts and tables lie in memory, and is another in
--- each process: what a message, a record or a plan is made from must not come in it.
local M = {}

local rank = { number = 1, string = 2, boolean = 3 }

local function before(a, b)
  local of_a, of_b = rank[type(a)] or 4, rank[type(b)] or 4
  if of_a ~= of_b then
    return of_a < of_b
  elseif of_a < 3 then
    return a < b
  end
  return tostring(a) < tostring(b)
end

--- The keys: numbers, then texts, then what else there is (tables and functions in no order of their own).
---@param of table
---@return any[]
function M.keys(of)
  local keys, count, kind = {}, 0, nil
  for key in pairs(of) do
    count = count + 1
    keys[count] = key
    kind = (kind == nil or kind == type(key)) and type(key)
  end
  if kind == "string" or kind == "number" then
    table.sort(keys) -- the same order, without a call for each two
  else
    table.sort(keys, before)
  end
  return keys
end

--- As pairs, in the order of the keys; what is set meanwhile is not met.
---@param of table
---@return fun(): any, any
function M.pairs(of)
  local keys, at = M.keys(of), 0
  return function()
    at = at + 1
    local key = keys[at]
    if key ~= nil then
      return key, of[key]
    end
  end
end

return M
