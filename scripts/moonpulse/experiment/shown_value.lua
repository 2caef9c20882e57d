--- A value that was typed at a prompt, as it is printed: a plan as its outline, a table with what is in it.
local compose = require "moonpulse.compose"
local escapes = require "moonpulse.text.escapes"
local handles = require "moonpulse.experiment.handle"
local in_order = require "moonpulse.text.in_order"
local intensities = require "moonpulse.compose.intensity"
local numbers = require "moonpulse.text.numbers"
local outline = require "moonpulse.show.outline"

local M = {}

local most_entries, deepest = 40, 4 -- of a table that anybody reads
local most_bytes = 10000 -- of a text
local widest = 90 -- a table that is shorter stands on one line

local function plan(value)
  local totals = value:totals()
  return ("%s\n%s, %s"):format(outline.of(value), numbers.counted(totals.pulses, "pulse"),
    totals.span == totals.span_max and numbers.seconds(totals.span)
    or numbers.range(totals.span, totals.span_max))
end

--- Lua's own text without its address, which is another one in each run.
local function plain(value)
  local text = tostring(value)
  return (text:gsub("^([%a_][%w_. ]*): 0x%x+$", "a %1"))
end

--- A text that is not longer than anybody reads: a terminal takes its time, and an armed run has none.
---@param text string
---@return string
function M.cut(text)
  if #text <= most_bytes then
    return text
  end
  local last = most_bytes
  while last > most_bytes - 4 and text:byte(last + 1) and text:byte(last + 1) & 0xC0 == 0x80 do
    last = last - 1 -- not amid a letter
  end
  return ("%s ... (%s bytes)"):format(text:sub(1, last), numbers.count(#text))
end

local shown

local function key_text(key)
  if type(key) == "string" and key:find("^[%a_][%w_]*$") then
    return key .. " = "
  end
  return ("[%s] = "):format(type(key) == "string" and ('"%s"'):format(escapes.shown(key)) or plain(key))
end

local function entries_of(value, depth, inside)
  local list, next_index, count = {}, 1, 0
  for _, key in ipairs(in_order.keys(value)) do
    count = count + 1
    if count <= most_entries then
      local is_next = key == next_index
      next_index = is_next and next_index + 1 or next_index
      list[#list + 1] = (is_next and "" or key_text(key)) .. shown(value[key], depth + 1, inside)
    end
  end
  list[#list + 1] = count > most_entries and ("... (%d entries)"):format(count) or nil
  return list
end

local function of_table(value, depth, inside)
  if inside[value] then
    return "{ ... } (itself)"
  elseif depth >= deepest then
    return next(value) == nil and "{}" or "{ ... }"
  end
  inside[value] = true
  local list = entries_of(value, depth, inside)
  inside[value] = nil
  local line = #list == 0 and "{}" or ("{ %s }"):format(table.concat(list, ", "))
  if #line + 2 * depth <= widest and not line:find("\n", 1, true) then
    return line
  end
  local indent = ("  "):rep(depth)
  return ("{\n%s  %s\n%s}"):format(indent, table.concat(list, ",\n" .. indent .. "  "), indent)
end

function shown(value, depth, inside)
  if type(value) == "string" then
    value = M.cut(value)
    return depth > 0 and ('"%s"'):format(escapes.shown(value)) or escapes.shown(value, true)
  elseif compose.is_plan(value) then
    return depth > 0 and ("a plan of %s"):format(numbers.counted(value:totals().pulses, "pulse"))
      or plan(value)
  elseif intensities.is(value) then
    return ("%g %%%s"):format(value.value, value.reference)
  elseif handles.object(value) then
    return ("%s has: %s"):format(getmetatable(value), table.concat(handles.methods(value), ", "))
  elseif type(value) == "table" and not (debug.getmetatable(value) or {}).__tostring then
    return of_table(value, depth, inside)
  end
  return escapes.shown(M.cut(plain(value)), true)
end

--- The text that is printed for a value. A table with a __tostring of its own says itself what it is.
---@param value any
---@return string
function M.of(value)
  return shown(value, 0, {})
end

return M
