--- What an author asks of an order that is drawn: max_in_a_row, blocks. Which entries are alike, whether any
--- order can be so, and one that is.
local allowed = require "moonpulse.compose.allowed_orders"
local blame = require "moonpulse.text.author_line"
local check = require "moonpulse.compose.check"
local in_order = require "moonpulse.text.in_order"
local intensities = require "moonpulse.compose.intensity"
local same_plan = require "moonpulse.compose.same_plan"

local M = {}

local MOST_ENTRIES, DEEPEST = 10000, 8

---@class moonpulse.OrderRule
---@field longest integer? so many alike may follow each other
---@field blocks integer
---@field entries any[] of one block
---@field classes integer[] of each entry: alike are those of one class

--- What entries that are alike have in common: the label of a plan; else all that it is.
local function key_of(value, numbers, depth)
  if check.is_plan(value) then
    local condition = value:view().condition
    return condition ~= "" and "label " .. condition or "plan " .. numbers:of(value)
  elseif intensities.is(value) then
    return ("%.17g %s"):format(value.value, value.reference)
  elseif type(value) == "number" then
    return ("%.17g"):format(value)
  elseif type(value) ~= "table" or depth > DEEPEST then
    return type(value) .. " " .. tostring(value)
  end
  local parts = {}
  for key, inner in in_order.pairs(value) do
    local text = key_of(inner, numbers, depth + 1)
    parts[#parts + 1] = ("%s=%d:%s"):format(tostring(key), #text, text)
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

--- The classes of entries, how many each has, and what each is called.
local function classes_of(entries)
  local numbers, known, classes, counts, names = same_plan.new(), {}, {}, {}, {}
  for i, value in ipairs(entries) do
    local key = key_of(value, numbers, 1)
    if not known[key] then
      known[key] = #counts + 1
      counts[known[key]] = 0
      names[known[key]] = key:match "^label (.*)"
        or (type(value) == "number" or type(value) == "string") and tostring(value) or "entry " .. i
    end
    classes[i] = known[key]
    counts[known[key]] = counts[known[key]] + 1
  end
  return classes, counts, names
end

--- Raise: there is no such order, why, and what would do.
local function refuse(who, rule, counts, names)
  local total = #rule.entries
  for class, count in ipairs(counts) do
    local others = total - count
    if count > rule.longest * (others + 1) then
      blame.fail("%s: max_in_a_row = %d cannot be met: %d of the %d entries%s are alike (%s), and the others "
        .. "are %d: give %d others or more, at most %d of these, or max_in_a_row = %d", who, rule.longest,
        count, total, rule.blocks > 1 and " of a block" or "", names[class], others,
        (count + rule.longest - 1) // rule.longest - 1, rule.longest * (others + 1),
        (count + others) // (others + 1))
    end
  end
  for longest = rule.longest + 1, total * rule.blocks do
    local space = allowed.new(counts, longest, rule.blocks)
    if space:can(space:start()) then
      blame.fail("%s: max_in_a_row = %d cannot be met where %d blocks follow each other: give max_in_a_row = "
        .. "%d, or blocks with more entries of other kinds", who, rule.longest, rule.blocks, longest)
    end
  end
end

--- The rule of a list; raises at the author's line where it makes no sense, or where no order keeps it.
---@param who string "shuffle"
---@param entries any[]
---@param given { max_in_a_row: integer?, blocks: integer? }
---@return moonpulse.OrderRule
function M.of(who, entries, given)
  blame.options(who, given, { max_in_a_row = "?whole number", blocks = "?number of blocks" })
  if given.max_in_a_row == nil and given.blocks == nil then
    blame.fail("%s: { } says nothing: write { max_in_a_row = 2 }, { blocks = 10 } or both; without them "
      .. "leave it out", who)
  end
  local longest = given.max_in_a_row and check.count(who, "max_in_a_row", given.max_in_a_row)
  local blocks = given.blocks and check.count(who, "blocks", given.blocks) or 1
  if blocks > MOST_ENTRIES // #entries then
    blame.fail("%s: %d blocks of %d entries are more than %d", who, blocks, #entries, MOST_ENTRIES)
  end
  local classes, counts, names = classes_of(entries)
  local rule = { longest = longest, blocks = blocks, entries = entries, classes = classes }
  if longest then
    local space = allowed.new(counts, longest, blocks)
    if not space:can(space:start()) then
      refuse(who, rule, counts, names)
    end
  end
  return rule
end

--- All entries as they stand: each block as the list is.
---@param rule moonpulse.OrderRule
---@return any[]
function M.unordered(rule)
  local list, size = {}, #rule.entries
  for block = 0, rule.blocks - 1 do
    table.move(rule.entries, 1, size, block * size + 1, list)
  end
  return list
end

--- Fisher and Yates, of a part of a list.
local function mix(list, draw)
  for i = #list, 2, -1 do
    local j = draw(i - 1) + 1
    list[i], list[j] = list[j], list[i]
  end
end

--- The entries of an order of classes: those of a class in an order of their own.
---@param rule moonpulse.OrderRule
---@param order integer[] classes
---@param draw fun(range: integer): integer
local function filled(rule, order, draw)
  local list, size = {}, #rule.entries
  for block = 0, rule.blocks - 1 do
    local of_class = {}
    for i, class in ipairs(rule.classes) do
      of_class[class] = of_class[class] or {}
      table.insert(of_class[class], rule.entries[i])
    end
    for _, entries in ipairs(of_class) do
      mix(entries, draw)
    end
    for i = block * size + 1, (block + 1) * size do
      list[i] = table.remove(of_class[order[i]])
    end
  end
  return list
end

--- An order that keeps the rule; all are equally likely.
---@param who string
---@param rule moonpulse.OrderRule
---@param draw fun(range: integer): integer uniform in 0 to range
---@return any[]
function M.draw(who, rule, draw)
  local counts = {}
  for _, class in ipairs(rule.classes) do
    counts[class] = (counts[class] or 0) + 1
  end
  local order = allowed.new(counts, rule.longest, rule.blocks):draw(draw)
  if not order then
    blame.fail("%s: the orders of %d entries with max_in_a_row = %d are too many to count: shuffle them in "
      .. "parts, or give a greater max_in_a_row", who, #rule.entries * rule.blocks, rule.longest)
  end
  return filled(rule, order, draw)
end

--- The rule in words.
---@param rule moonpulse.OrderRule
---@return string
function M.words(rule)
  local parts = {}
  if rule.blocks > 1 then
    parts[1] = ("in %d blocks of %d"):format(rule.blocks, #rule.entries)
  end
  if rule.longest then
    parts[#parts + 1] = ("with at most %d of a kind in a row"):format(rule.longest)
  end
  return table.concat(parts, ", ")
end

return M
