--- Orders of shuffled lists that are worth judging: all of them where they are few; else such that any two
--- kinds of trial follow each other, and each kind comes in one go.
local allowed = require "moonpulse.compose.allowed_orders"
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

--- All different orders that keep a rule; nil: more than MOST_ORDERS.
local function kept_orders(kinds, space)
  local found, order = {}, {}
  local function place(state, used, at)
    if at > space.total * space.blocks then
      found[#found + 1] = table.move(order, 1, at - 1, 1, {})
      return
    end
    for kind = 1, #kinds do
      local after = #found <= MOST_ORDERS and space:step(state, kind)
      if after and space:can(after) then
        used[kind] = used[kind] + 1
        order[at] = kinds[kind][used[kind]]
        place(after, used, at + 1)
        used[kind] = used[kind] - 1
      end
    end
  end
  local used = {}
  for kind = 1, #kinds do
    used[kind] = 0
  end
  place(space:start(), used, 1)
  return #found <= MOST_ORDERS and found or nil
end

--- An order of kinds as a list of indices; nil stays nil.
local function indices_of(kinds, order)
  local used, list = {}, order and {}
  for i, kind in ipairs(order or {}) do
    used[kind] = (used[kind] or 0) + 1
    list[i] = kinds[kind][used[kind]]
  end
  return list
end

--- Kind a in one go as far as the rule lets it, then the others likewise.
local function kept_in_one_go(list, a)
  local turns = {}
  for turn = 0, #list.kinds - 1 do
    turns[turn + 1] = (a - 1 + turn) % #list.kinds + 1
  end
  return indices_of(list.kinds, list.space:walk(function() return turns end))
end

--- Kinds a and b next to each other as soon and as often as the rule lets them; nil: never.
local function kept_pair(list, a, b)
  local last, met = nil, false
  local order = list.space:walk(function(state)
    local turns = last == a and { b, a } or { a, b }
    for kind = 1, #list.kinds do
      turns[#turns + 1] = kind ~= a and kind ~= b and kind or nil
    end
    last = nil
    for _, kind in ipairs(turns) do
      local after = not last and list.space:step(state, kind)
      last = last or after and list.space:can(after) and kind or nil
    end
    return turns
  end)
  for i = 2, order and #order or 0 do
    met = met or order[i - 1] == a and order[i] == b
  end
  return met and indices_of(list.kinds, order) or nil
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
    all[i] = list.space and list.all or not list.space and all_orders(list.kinds)
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

--- Kinds a and b next to each other: of a list with a rule, else an order that keeps it.
local function chosen_pair(list, a, b)
  if not list.space then
    return pair_first(list.kinds, list.count, a, b)
  end
  local has_both = list.kinds[a] and list.kinds[b]
  return has_both and kept_pair(list, a, b) or kept_in_one_go(list, 1)
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
        local kind = list and (a - 1) % #list.kinds + 1
        return list and (list.space and kept_in_one_go(list, kind) or in_one_go(list.kinds, kind))
      end) }
    for b = 1, most do
      choosers[#choosers + 1] = { what = ("kinds %d and %d of the shuffled next to each other"):format(a, b),
        arrange = chooser(function(number)
          local list = lists[number]
          return list and chosen_pair(list, a, b)
        end) }
    end
  end
  return choosers
end

--- What is to be known of a list: its kinds, and where it has a rule what the rule lets be.
---@param list any[]
---@param rule moonpulse.OrderRule?
local function looked_at(list, rule)
  local kinds = kinds_of(list)
  if not rule then
    return { kinds = kinds, count = #list, orders = order_count(kinds) }
  end
  local counts, classes, numbers, size = {}, {}, {}, #rule.entries
  for kind, indices in ipairs(kinds) do
    for _, index in ipairs(indices) do -- what looks the same may yet be of two classes, by its label
      local class = rule.classes[(index - 1) % size + 1]
      local key = kind .. " " .. class
      if not numbers[key] then
        numbers[key] = #counts + 1
        counts[#counts + 1], classes[#counts + 1], numbers[#numbers + 1] = 0, class, {}
      end
      table.insert(numbers[numbers[key]], index)
    end
  end
  for kind, indices in ipairs(numbers) do
    counts[kind] = #indices // rule.blocks
  end
  local space = allowed.new(counts, rule.longest, rule.blocks, classes)
  local all = kept_orders(numbers, space)
  return { kinds = table.move(numbers, 1, #numbers, 1, {}), count = #list, space = space, all = all,
    orders = all and #all or math.huge }
end

--- The orders to judge of a plan with shuffled lists.
---@param build fun(arrange: moonpulse.Arrange): any makes the plan, each shuffled list through arrange
---@return { what: string, arrange: fun(): (fun(list: any[]): any[]) }[] arrange() is good for one plan
---@return boolean all these are all there are
function M.of(build)
  local lists, total = {}, 1
  build(function(list, rule)
    lists[#lists + 1] = { table.move(list, 1, #list, 1, {}), rule = rule }
    return table.move(list, 1, #list, 1, {})
  end)
  for i, list in ipairs(lists) do -- after it: this is no work of the author's
    lists[i] = looked_at(list[1], list.rule)
    total = total * lists[i].orders
  end
  if total <= MOST_ORDERS then
    return every_order(lists, math.tointeger(total)), true
  end
  return chosen_orders(lists), false
end

return M
