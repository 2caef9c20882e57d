--- JSON for people: indented, the keys of each object in an order that was chosen.
local cjson = require "cjson"

local M = {}

local write

local function keys_of(value, order)
  local keys, place = {}, {}
  for i, key in ipairs(order or {}) do
    place[key] = i
  end
  for key in pairs(value) do
    keys[#keys + 1] = key
  end
  table.sort(keys, function(a, b)
    local first, second = place[a] or math.huge, place[b] or math.huge
    return first < second or first == second and tostring(a) < tostring(b)
  end)
  return keys
end

function write(value, orders, path, indent)
  if type(value) == "number" then
    return value == math.floor(value) and math.abs(value) < 2 ^ 53 and ("%d"):format(value)
      or ("%.15g"):format(value)
  elseif type(value) ~= "table" then
    return (cjson.encode(value):gsub("\\/", "/"))
  end
  local parts, inner = {}, indent .. "  "
  local is_list = value[1] ~= nil or next(value) == nil and orders.lists[path]
  if is_list then
    for i, each in ipairs(value) do
      parts[i] = inner .. write(each, orders, path .. "[]", inner)
    end
  else
    for i, key in ipairs(keys_of(value, orders[path])) do
      parts[i] = inner .. cjson.encode(tostring(key)) .. ": "
        .. write(value[key], orders, path == "" and key or path .. "." .. key, inner)
    end
  end
  local open, close = is_list and "[" or "{", is_list and "]" or "}"
  return #parts == 0 and open .. close
    or open .. "\n" .. table.concat(parts, ",\n") .. "\n" .. indent .. close
end

--- Data as JSON text, with a newline at its end.
---@param value table
---@param orders table<string, string[]> keys by the object's path ("" the whole, "ElementSet[]"); lists: the
---   paths of what is a list also where it is empty
---@return string
function M.encode(value, orders)
  return write(value, orders, "", "") .. "\n"
end

return M
