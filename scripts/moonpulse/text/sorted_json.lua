--- JSON with the keys of every object in their order: the same data gives the same bytes in every run.
local cjson = require "cjson"

local M = {}

local lists = setmetatable({}, { __mode = "k" })

--- Say of a list that it is one also where it is empty: [] and not {}.
---@generic T
---@param values T[]
---@return T[] values
function M.list(values)
  lists[values] = true
  return values
end

--- JSON with the keys of each object in order, so that the same value is the same text everywhere.
---@param value any what cjson takes
---@return string
function M.encode(value)
  if math.type(value) == "integer" then
    return ("%d"):format(value) -- cjson writes 14 digits, and a seed has up to 19
  elseif type(value) ~= "table" or next(value) == nil then
    return lists[value] and "[]" or cjson.encode(value)
  end
  local parts = {}
  if value[1] ~= nil then
    for i, each in ipairs(value) do
      parts[i] = M.encode(each)
    end
    return "[" .. table.concat(parts, ",") .. "]"
  end
  local keys = {}
  for key in pairs(value) do
    keys[#keys + 1] = key
  end
  table.sort(keys)
  for i, key in ipairs(keys) do
    parts[i] = cjson.encode(key) .. ":" .. M.encode(value[key])
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

return M
