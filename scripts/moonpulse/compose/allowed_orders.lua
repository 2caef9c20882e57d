--- Orders of a list under a rule: no more than so many alike in a row, and blocks of which each has every
--- entry once. What can still be done from where one stands, how many ways there are, and one of them, drawn
--- so that all are equally likely.
local exact = require "moonpulse.compose.exact_count"
local run_counts = require "moonpulse.compose.run_counts"

local M = {}

local MOST_TRIED = 30000   -- draws of whole orders before one is counted out
local MOST_WORK = 40000000 -- of moonpulse.compose.run_counts: a second or two
local MOST_STATES = 100000 -- of blocks that are counted out: as long

---@class moonpulse.OrderSpace
---@field counts integer[] how many of each kind there are, in a block
---@field classes integer[] of each kind: kinds of one class are alike
---@field blocks integer
---@field longest integer so many alike may follow each other; math.huge: any number
---@field total integer entries in a block
local Space = {}
Space.__index = Space

---@class moonpulse.OrderState where one stands in an order
---@field left integer[] how many of each kind are left in this block
---@field total integer of all kinds
---@field blocks integer blocks after this one
---@field last integer? class of the last entry
---@field run integer how many of that class stand there in a row

--- The orders of so many of each kind, under a rule.
---@param counts integer[] of each kind, in a block
---@param longest number? so many alike may follow each other; nil: any number
---@param blocks integer? 1
---@param classes integer[]? nil: each kind is alike only with itself
---@return moonpulse.OrderSpace
function M.new(counts, longest, blocks, classes)
  local total, own = 0, {}
  for kind, count in ipairs(counts) do
    total, own[kind] = total + count, kind
  end
  return setmetatable({ counts = counts, classes = classes or own, blocks = blocks or 1,
    longest = longest or math.huge, total = total, known = {} }, Space)
end

--- Where every order begins.
---@return moonpulse.OrderState
function Space:start()
  return { left = table.move(self.counts, 1, #self.counts, 1, {}), total = self.total,
    blocks = self.blocks - 1, run = 0 }
end

--- One of a kind more; nil: that is too many in a row, or none is left.
---@param state moonpulse.OrderState
---@param kind integer
---@return moonpulse.OrderState?
function Space:step(state, kind)
  local class = self.classes[kind]
  local run = class == state.last and state.run + 1 or 1
  if state.left[kind] == 0 or run > self.longest then
    return nil
  end
  local left = table.move(state.left, 1, #state.left, 1, {})
  left[kind] = left[kind] - 1
  local after = { left = left, total = state.total - 1, blocks = state.blocks, last = class, run = run }
  if after.total == 0 and after.blocks > 0 then
    after.left, after.total = table.move(self.counts, 1, #self.counts, 1, {}), self.total
    after.blocks = after.blocks - 1
  end
  return after
end

local function key_of(state)
  return ("%d/%d/%d/"):format(state.blocks, state.last or 0, state.run) .. table.concat(state.left, ",")
end

--- Is there room for what is left of each class between the others, in this block alone?
local function has_room(self, state)
  local by_class = {}
  for kind, count in ipairs(state.left) do
    local class = self.classes[kind]
    by_class[class] = (by_class[class] or 0) + count
  end
  for class, count in pairs(by_class) do
    local others = state.total - count
    local most = self.longest * others + (class == state.last and self.longest - state.run or self.longest)
    if count > most then
      return false
    end
  end
  return true
end

--- Can an order be finished from here?
---@param state moonpulse.OrderState
---@return boolean
function Space:can(state)
  if self.longest == math.huge then
    return true
  elseif state.blocks == 0 or not has_room(self, state) then
    return has_room(self, state)
  end
  local key = key_of(state)
  if self.known[key] == nil then
    local found = false
    for kind = 1, #state.left do
      local after = not found and self:step(state, kind)
      found = found or after and self:can(after) or false
    end
    self.known[key] = found
  end
  return self.known[key]
end

--- The entries of an order, as kinds; at each place the first kind of prefer(state) with which it can be
--- finished.
---@param prefer fun(state: moonpulse.OrderState): integer[] all kinds, in the order in which they are tried
---@return integer[]? nil: there is no order
function Space:walk(prefer)
  local state, order = self:start(), {}
  for i = 1, self.total * self.blocks do
    local found
    for _, kind in ipairs(prefer(state)) do
      local after = not found and self:step(state, kind)
      if after and self:can(after) then
        found, order[i] = after, kind
      end
    end
    if not found then
      return nil
    end
    state = found
  end
  return order
end

-- Counting -----------------------------------------------------------------------------------------

--- The remainders of the orders that are left, of blocks: every state is counted once.
local function count_blocks(self, state, primes)
  if state.total == 0 then
    return self.one
  end
  local key = key_of(state)
  local sums = self.counted[key]
  if sums then
    return sums
  end
  sums, self.states = {}, self.states + 1
  if self.states > MOST_STATES then
    error(self, 0)
  end
  for i = 1, #primes do
    sums[i] = 0
  end
  for kind = 1, #state.left do
    local after = self:step(state, kind)
    local part = after and count_blocks(self, after, primes) or {}
    for i = 1, after and #primes or 0 do
      sums[i] = (sums[i] + part[i]) % primes[i]
    end
  end
  self.counted[key] = sums
  return sums
end

--- Remainders of the orders that go on with each kind; by_next(state, digits).
local function counter_of(self)
  if self.blocks == 1 then
    local counts = run_counts.new(self.counts, math.min(self.longest, self.total))
    return function(state, digits)
      return counts:by_next(state.left, state.last, state.run, digits)
    end
  end
  local all = {}
  for kind, count in ipairs(self.counts) do
    all[kind] = count * self.blocks
  end
  local primes = table.move(exact.primes(exact.primes_for(all)), 1, exact.primes_for(all), 1, {})
  self.counted, self.states, self.one = {}, 0, {}
  for i = 1, #primes do
    self.one[i] = 1
  end
  return function(state)
    local parts = {}
    for kind = 1, #state.left do
      local after = self:step(state, kind)
      parts[kind] = after and count_blocks(self, after, primes) or {}
    end
    return parts
  end
end

--- The counts of orders by their next kind, as digits, with what they come to.
local function digits_of(parts)
  local list, sum = {}, {}
  for kind, remainders in ipairs(parts) do
    if remainders[1] then
      list[kind] = exact.digits(remainders)
      for i, remainder in ipairs(remainders) do
        sum[i] = (sum[i] or 0) + remainder
      end
    end
  end
  local primes = exact.primes(#sum)
  for i = 1, #sum do
    sum[i] = sum[i] % primes[i]
  end
  return list, exact.digits(sum)
end

--- The order that has a number among all orders, in the order of their kinds.
---@param number fun(count: integer[]): integer[] digits of the number, of how many orders there are
---@return integer[] order kinds
function Space:numbered(number)
  local by_next, state, order = counter_of(self), self:start(), {}
  local rest, length
  for i = 1, self.total * self.blocks do
    local list, all = digits_of(by_next(state, length))
    rest = rest or number(all)
    for kind = 1, #self.counts do
      local count = list[kind]
      if count and exact.below(rest, count) then
        order[i], length = kind, math.max(1, exact.length(count))
        break
      elseif count then
        exact.take(rest, count)
      end
    end
    state = assert(self:step(state, order[i]), "a number below the count has an order")
  end
  return order
end

-- Drawing --------------------------------------------------------------------------------------------

--- One block in a random order, up to where the rule is broken; returns whether it is not. Fisher and Yates
--- from the front, so that an order that is broken early costs little.
local function try_block(self, order, from, draw)
  local last, run = nil, 0
  for i = from - 1, 1, -1 do -- the run that the block before ends with
    local class = self.classes[order[i]]
    if run > 0 and class ~= last then
      break
    end
    last, run = class, run + 1
  end
  local to = from + self.total - 1
  for i = from, to do
    local j = i + draw(to - i)
    order[i], order[j] = order[j], order[i]
    local class = self.classes[order[i]]
    last, run = class, class == last and run + 1 or 1
    if run > self.longest then
      return false, i - from + 1
    end
  end
  return true, self.total
end

--- Orders are drawn until one keeps the rule; nil: that takes too long.
--- Where each block has one of each class, how many orders a block has does not depend on the block before,
--- so that only the block is drawn again; else all of it.
local function tried(self, draw)
  local order, single = {}, true
  local seen = {}
  for kind, count in ipairs(self.counts) do
    single = single and count == 1 and not seen[self.classes[kind]]
    seen[self.classes[kind]] = true
  end
  for block = 0, self.blocks - 1 do
    for kind, count in ipairs(self.counts) do
      for _ = 1, count do
        order[#order + 1] = kind
      end
    end
    assert(#order == (block + 1) * self.total)
  end
  local done, block = 0, 0
  while block < self.blocks do
    local kept, draws = try_block(self, order, block * self.total + 1, draw)
    done, block = done + draws, kept and block + 1 or single and block or 0
    if not kept and done > MOST_TRIED then
      return nil
    end
  end
  return order
end

--- An order, all that keep the rule equally likely. There must be one. Kinds must be classes of their own.
---@param draw fun(range: integer): integer uniform in 0 to range
---@return integer[]? order kinds; nil: counting them all would take too long
function Space:draw(draw)
  local order = tried(self, draw)
  if order or self.blocks == 1 and run_counts.work(self.counts) > MOST_WORK then
    return order
  end
  local ok, found = pcall(self.numbered, self, function(count) return exact.draw_below(count, draw) end)
  if not ok and found ~= self then
    error(found, 0)
  end
  return ok and found or nil
end

return M
