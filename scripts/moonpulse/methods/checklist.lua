--- Reporting checklists as sheets: each item is filled, asked for, or cannot be known here; none is blank.
local fills = require "moonpulse.methods.fills"
local known_fields = require "moonpulse.methods.known"
local lists = require "moonpulse.methods.lists"
local metas = require "moonpulse.record.meta"
local threshold_words = require "moonpulse.methods.threshold_words"

local M = {}

---@class moonpulse.ChecklistItem
---@field number string
---@field section string
---@field item string
---@field status "filled"|"asked for"|"cannot be known here"
---@field value string? of a filled one
---@field source "engine"|"device"|"operator"|"protocol"|nil of a filled one
---@field fill string? what would fill it, or why it cannot be known

local kept = { "serial", "firmware" } -- told with the stimulator where they are known

local function known_value(facts, key)
  local text, source = known_fields.words(facts.known, key)
  if key == "current_direction" and source == "device" and metas.is_of_coil(facts.known[key].value) then
    return nil -- in the coil: what it is in the brain hangs on how the coil was held
  end
  if key ~= "stimulator" or not text then
    return text, source
  end
  local parts = { text }
  for _, more in ipairs(kept) do
    parts[#parts + 1] = facts.known[more] and known_fields.by_key[more].name .. " " .. facts.known[more].value
  end
  return table.concat(parts, ", "), source
end

M.names = { "chipchase", "rtms", "tms-rat" }

local of_threshold = { threshold_location = true, threshold_criterion = true }
local of_structure = { train_pulses = true, rate = true, train_duration = true, gap = true, trains = true,
  burst_pulses = true, burst_gap = true, bursts = true }

--- The keys of "?a|b" and of "?a+b", and whether all are needed; nil: it is a function's name.
local function keys_of(text)
  local list, all = {}, text:find("+", 1, true) ~= nil
  for key in text:sub(1, 1) == "?" and text:gmatch "[%w_]+" or function() end do
    list[#list + 1] = key
  end
  return list[1] and list, all
end

--- What fields say: all of them, or the first that says anything.
local function value_of_fields(facts, keys, all)
  local parts, source = {}, nil
  for _, key in ipairs(keys) do
    local text, from = known_value(facts, key)
    if text and not all then
      return text, from
    elseif not text and all then
      return nil
    end
    parts[#parts + 1], source = text, source or from
  end
  return parts[1] and table.concat(parts, "; "), source
end

--- What fields are to say: all that is missing, or the first.
local function ask_for(facts, keys, all)
  local parts = {}
  for _, key in ipairs(keys) do
    local field = known_fields.by_key[key]
    if not known_value(facts, key) and (all or #parts == 0) then
      parts[#parts + 1] = ("%s%s: %s"):format(all and field.name .. ": " or "", field.ask, field.fill)
    end
  end
  return table.concat(parts, "; ")
end

local function value_of(facts, spec, keys, all)
  local value, source
  if keys then
    value, source = value_of_fields(facts, keys, all)
  else
    value, source = fills.by_name[spec[4]](facts)
  end
  if not value and spec.applies then
    value, source = fills.not_for[spec.applies](facts), "engine"
  end
  return value, source
end

local function item_of(facts, spec)
  local item = { number = spec[1], section = spec[2], item = spec[3] }
  local keys, all = keys_of(spec[4])
  local value, source = value_of(facts, spec, keys, all)
  if value then
    item.status, item.value, item.source = "filled", value, source
  elseif spec.cannot then
    item.status, item.fill = "cannot be known here", ("%s; %s takes it in"):format(spec.cannot,
      known_fields.by_key[keys[1]].fill)
  elseif of_structure[spec[4]] and facts.pattern then
    item.status = "asked for"
    item.fill = "state it: no one number tells it (moonpulse show has the structure)"
  elseif of_structure[spec[4]] then
    item.status, item.fill = "cannot be known here", "the record has no plan, only pulses: see their "
      .. "intervals"
  else
    item.status = "asked for"
    item.fill = (keys or spec.ask) and ask_for(facts, keys or { spec.ask }, all) or spec.fill
      or "a run that gave pulses"
    local so_far = keys and known_fields.words(facts.known, keys[1])
      or keys and of_threshold[keys[1]] and threshold_words.method(facts) -- which may say it, or not
    if so_far then
      item.fill = ("%s (so far only: %s)"):format(item.fill, so_far)
    elseif spec.ask == "threshold_method" and facts.threshold_by then
      item.fill = ("%s (so far only: %s)"):format(item.fill, facts.threshold_by)
    end
  end
  return item
end

--- A checklist of what facts tell.
---@param name "chipchase"|"rtms"|"tms-rat"
---@param facts moonpulse.MethodsFacts
---@return { name: string, title: string, note: string, items: moonpulse.ChecklistItem[] }
function M.of(name, facts)
  local list = lists[name]
  local made = { name = name, title = list.title, note = list.note, items = {} }
  for i, spec in ipairs(list) do
    made.items[i] = item_of(facts, spec)
  end
  return made
end

return M
