--- A walk over the map of a plan (moonpulse.compose.stimuli): of which trial, block and condition a pulse is.
local M = {}

---@class moonpulse.StimulusCursor a stretch of pulses with one condition: from first to last; with per, the
---   pulses are trials of so many each, from trial on, else all of one trial
---@field first integer
---@field last integer
---@field trial integer? of the first of them; nil: none
---@field per integer?
---@field block integer? nil: none
---@field condition string
local Cursor = {}
Cursor.__index = Cursor

local function enter(self, part, in_trial, in_block)
  if part.trial and not in_trial then
    self.trials = self.trials + 1
  end
  local depth = #self.stack + 1
  self.stack[depth] = { part = part, at = 1, done = 0, in_trial = in_trial or part.trial,
    in_block = part.block and {} or in_block }
end

--- The number of the block that is around; one that holds nothing but other blocks has none.
local function number_of(self, block)
  if block and not block.number then
    self.blocks = self.blocks + 1
    block.number = self.blocks
  end
  return block and block.number or nil
end

local function begin(self)
  self.stack, self.trials, self.blocks, self.first, self.last = {}, 0, 0, 1, 0
  local part = self.parts[self.root]
  if part and part.n then -- a plan that is one leaf
    part = { row = { self.root, 1 } }
  end
  if part then
    enter(self, part)
  end
end

--- Begin before the first pulse.
---@param map moonpulse.StimulusMap|table
---@param root integer? the part that is walked; that of the map
---@param on_strands (fun(strands: integer[], block: integer?))? is told of parts side by side
---@return moonpulse.StimulusCursor
function M.new(map, root, on_strands)
  local self = setmetatable({ parts = map.parts, conditions = map.conditions, root = root or map.root,
    on_strands = on_strands }, Cursor)
  begin(self)
  return self
end

--- count times a leaf; false: a part of which not all is one stretch.
local function take_leaf(self, frame, part, count)
  local block = frame.in_block
  if part.block then -- each is a block of its own
    block, count = {}, 1
  end
  self.first, self.last = self.last + 1, self.last + part.n * count
  self.condition, self.per, self.trial = self.conditions[part.c], nil, nil
  self.block = number_of(self, block)
  if part.trial and not frame.in_trial then
    self.trial, self.trials = self.trials + 1, self.trials + count
    self.per = count > 1 and part.n or nil
  elseif frame.in_trial then
    self.trial = self.trials
  end
  return count
end

local function take_flat(self, frame)
  local flat, at = frame.part.flat, frame.at
  self.first, self.last = self.last + 1, self.last + flat[at]
  self.condition, self.per = self.conditions[flat[at + 1]], nil
  self.trial = flat[at + 2] > 0 and flat[at + 2] or nil
  self.block = flat[at + 3] > 0 and flat[at + 3] or nil
  self.trials, self.blocks = math.max(self.trials, flat[at + 2]), math.max(self.blocks, flat[at + 3])
  frame.at = at + 4
end

--- One step further; true where it came to a stretch, nil at the end.
local function step(self)
  local depth = #self.stack
  local frame = self.stack[depth]
  if not frame then
    return nil
  elseif frame.part.flat and frame.at < #frame.part.flat then
    take_flat(self, frame)
    return true
  end
  local row = frame.part.row
  local index = row and row[frame.at]
  if not index or frame.part.strands then
    local block = frame.part.strands and number_of(self, frame.in_block)
    if frame.part.strands and self.on_strands then
      self.on_strands(frame.part.strands, block)
    end
    self.stack[depth] = nil
    return false
  end
  local part, count = self.parts[index], row[frame.at + 1]
  if part.n then
    frame.done = frame.done + take_leaf(self, frame, part, count - frame.done)
  else
    frame.done = frame.done + 1
    enter(self, part, frame.in_trial, frame.in_block)
  end
  if frame.done >= count then
    frame.at, frame.done = frame.at + 2, 0
  end
  return part.n ~= nil
end

--- The next stretch; false: there is none.
---@return boolean
function Cursor:next()
  local found
  repeat
    found = step(self)
  until found ~= false
  return found or false
end

--- Go to the stretch that pulse number is in, from 1; false: the plan has none of that number.
---@param number integer
---@return boolean
function Cursor:find(number)
  if number < 1 then -- a damaged record may have it
    return false
  elseif number < self.first then
    begin(self)
  end
  while number > self.last do
    if not self:next() then
      return false
    end
  end
  return true
end

--- The trial of a pulse of the stretch; nil: none.
---@param number integer
---@return integer?
function Cursor:trial_of(number)
  return self.trial and self.trial + (self.per and (number - self.first) // self.per or 0)
end

return M
