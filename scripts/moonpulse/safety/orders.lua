--- Orders of shuffled lists that are worth judging: all of them where they are few; else such that any two
--- kinds of trial follow each other, and each kind comes in one go.
local compose = require "moonpulse.compose"
local outline = require "moonpulse.show.outline"

local M = {}

local MOST_ORDERS = 120 -- up to so many, all are judged
local MOST_KINDS = 8    -- of more, not every pair

--- What tells one thing in a list from another.
local function key_of(value)
  if compose.is_plan(value) then
    local totals = value:totals()
    return ("%s\0%.17g %d"):format(outline.of(value), totals.span, totals.pulses)
  end
  return type(value) .. tostring(value)
end

--- The kinds in a list, by first appearance: lists of indices.
local function kinds_of(list)
  local kinds, known = {}, {}
  for i, value in ipairs(list) do
    local key = key_of(value)
    if not known[key] then
      known[key] = {}
      kinds[#kinds + 1] = known[key]
    end
    table.insert(known[key], i)
  end
  return kinds
end

--- Different orders of a list; more than MOST_ORDERS are counted as infinitely many.
local function order_count(kinds)
  local count, placed = 1, 0
  for _, kind in ipairs(kinds) do
    for i = 1, #kind do -- binomial coefficients, whole at each step
      placed = placed + 1
      count = count * placed // i
      if count > 1e12 then
        return math.huge
      end
    end
  end
  return count <= MOST_ORDERS and count or math.huge
end

--- All different orders of a list, as lists of indices.
local function all_orders(kinds)
  local left, order, found = {}, {}, {}
  local total = 0
  for i, kind in ipairs(kinds) do
    left[i], total = #kind, total + #kind
  end
  local function place(at)
    if at > total then
      found[#found + 1] = table.move(order, 1, total, 1, {})
      return
    end
    for i, kind in ipairs(kinds) do
      if left[i] > 0 then
        order[at] = kind[#kind - left[i] + 1]
        left[i] = left[i] - 1
        place(at + 1)
        left[i] = left[i] + 1
      end
    end
  end
  place(1)
  return found
end

local function arranged(list, order)
  local out = {}
  for i, index in ipairs(order) do
    out[i] = list[index]
  end
  return out
end

--- An order that begins with one of kind a and one of kind b, then the rest as it stands; nil: there is none.
local function pair_first(kinds, count, a, b)
  local first, second = kinds[a] and kinds[a][1], kinds[b] and kinds[b][a == b and 2 or 1]
  if not first or not second then
    return nil
  end
  local order = { first, second }
  for i = 1, count do
    if i ~= first and i ~= second then
      order[#order + 1] = i
    end
  end
  return order
end

--- All of kind a, then the others, each in one go.
local function in_one_go(kinds, a)
  local order = {}
  for turn = 0, #kinds - 1 do
    for _, index in ipairs(kinds[(a - 1 + turn) % #kinds + 1]) do
      order[#order + 1] = index
    end
  end
  return order
end

--- What a chooser does to each list that is shuffled while a plan is made.
local function chooser(choose)
  return function()
    local number = 0
    return function(list)
      number = number + 1
      local order = choose(number, list)
      return order and arranged(list, order) or table.move(list, 1, #list, 1, {})
    end
  end
end

local function every_order(lists, total)
  local all, choosers = {}, {}
  for i, list in ipairs(lists) do
    all[i] = all_orders(list.kinds)
  end
  for k = 0, total - 1 do
    local rest, picks = k, {}
    for i, orders in ipairs(all) do
      picks[i] = orders[rest % #orders + 1]
      rest = rest // #orders
    end
    choosers[#choosers + 1] = { what = ("order %d of %d"):format(k + 1, total),
      arrange = chooser(function(number) return picks[number] end) }
  end
  return choosers
end

local function chosen_orders(lists)
  local most, choosers = 1, {}
  for _, list in ipairs(lists) do
    most = math.max(most, math.min(#list.kinds, MOST_KINDS))
  end
  for a = 1, most do
    choosers[#choosers + 1] = { what = ("kind %d of the shuffled first and in one go"):format(a),
      arrange = chooser(function(number)
        local list = lists[number]
        return list and in_one_go(list.kinds, (a - 1) % #list.kinds + 1)
      end) }
    for b = 1, most do
      choosers[#choosers + 1] = { what = ("kinds %d and %d of the shuffled next to each other"):format(a, b),
        arrange = chooser(function(number)
          local list = lists[number]
          return list and pair_first(list.kinds, list.count, a, b)
        end) }
    end
  end
  return choosers
end

--- The orders to judge of a plan with shuffled lists.
---@param build fun(arrange: fun(list: any[]): any[]): any makes the plan, each shuffled list through arrange
---@return { what: string, arrange: fun(): (fun(list: any[]): any[]) }[] arrange() is good for one plan
---@return boolean all these are all there are
function M.of(build)
  local lists, total = {}, 1
  build(function(list)
    lists[#lists + 1] = table.move(list, 1, #list, 1, {})
    return table.move(list, 1, #list, 1, {})
  end)
  for i, list in ipairs(lists) do -- after it: this is no work of the author's
    local kinds = kinds_of(list)
    lists[i] = { kinds = kinds, count = #list }
    total = total * order_count(kinds)
  end
  if total <= MOST_ORDERS then
    return every_order(lists, math.tointeger(total)), true
  end
  return chosen_orders(lists), false
end

return M
