--- JSON that a person reads: indented by two spaces, the keys of each object in an order that was chosen, the
--- same data the same bytes.
local null = require "cjson".null

local M = {}

local most_columns = 100 -- a list of numbers or words that is longer has a line for each

local escape = { ["\""] = "\\\"", ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

--- Text as JSON has it: UTF-8, whatever bytes came.
local function quoted(text)
  if not text:find '[%c"\\\127-\255]' then -- most is plain
    return '"' .. text .. '"'
  elseif not utf8.len(text) then
    text = text:gsub("[\128-\255]", "\u{FFFD}")
  end
  return '"' .. text:gsub('[%c"\\\127]', function(c)
    return escape[c] or ("\\u%04x"):format(c:byte())
  end) .. '"'
end

-- So many digits are said on purpose: what needs all that a number holds, and is one of so few but for its
-- last bits, is what adding and multiplying made of that.
local most_digits = 12

--- A number in its shortest text: one that reads back to the same, or to what was meant (0.1 + 0.2 is 0.3).
local function number(value)
  if math.type(value) == "integer" then
    return ("%d"):format(value)
  elseif value ~= value or value == math.huge or value == -math.huge then
    return "null" -- JSON has no such number
  elseif value == math.floor(value) and math.abs(value) < 2 ^ 53 then
    return ("%d"):format(value)
  end
  local text = ("%.15g"):format(value)
  local digits = text:gsub("e.*$", ""):gsub("%D", ""):gsub("^0+", "")
  if tonumber(text) == value or #digits <= most_digits then
    return text
  end
  text = ("%.16g"):format(value)
  return tonumber(text) == value and text or ("%.17g"):format(value)
end

local function by_name(a, b)
  return tostring(a) < tostring(b)
end

--- The keys of an object: those of the order first, the others after them by their names.
local function keys_of(value, order)
  local keys, others, ordered = {}, {}, {}
  for _, key in ipairs(order or {}) do
    if rawget(value, key) ~= nil and not ordered[key] then
      ordered[key] = true
      keys[#keys + 1] = key
    end
  end
  for key in pairs(value) do
    if not ordered[key] then
      others[#others + 1] = key
    end
  end
  table.sort(others, by_name)
  return table.move(others, 1, #others, #keys + 1, keys)
end

local write

local function list_of(value, orders, path, indent)
  local parts, plain, columns = {}, true, #indent
  for i, each in ipairs(value) do
    parts[i] = write(each, orders, path .. "[]", indent .. "  ")
    plain = plain and type(each) ~= "table"
    columns = columns + #parts[i] + 2
  end
  if plain and columns <= most_columns then
    return "[" .. table.concat(parts, ", ") .. "]"
  end
  return "[\n  " .. indent .. table.concat(parts, ",\n  " .. indent) .. "\n" .. indent .. "]"
end

local function object_of(value, orders, path, indent)
  local parts = {}
  for i, key in ipairs(keys_of(value, orders[path])) do
    parts[i] = ("%s%s: %s"):format(indent .. "  ", quoted(tostring(key)),
      write(value[key], orders, path == "" and tostring(key) or path .. "." .. key, indent .. "  "))
  end
  return "{\n" .. table.concat(parts, ",\n") .. "\n" .. indent .. "}"
end

function write(value, orders, path, indent)
  local kind = type(value)
  if kind == "string" then
    return quoted(value)
  elseif kind == "number" then
    return number(value)
  elseif kind == "boolean" then
    return tostring(value)
  elseif value == nil or value == null then
    return "null"
  elseif kind ~= "table" then
    error("a " .. kind .. " is no JSON", 0)
  elseif next(value) == nil then
    return orders.lists[path] and "[]" or "{}"
  elseif value[1] ~= nil then
    return list_of(value, orders, path, indent)
  end
  return object_of(value, orders, path, indent)
end

--- Data as JSON text, with a newline at its end. Raises where it is no data.
---@param value table
---@param orders table<string, string[]> keys by the object's path ("" the whole, "device", "files[]"); lists:
---   the paths of what is a list also where it is empty
---@return string
function M.encode(value, orders)
  return write(value, orders, "", "") .. "\n"
end

return M
