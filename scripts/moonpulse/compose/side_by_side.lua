--- Parts that run at the same time (mp.together), for the map of a plan: their pulses in the order of time,
--- which hangs on what the seed draws. Each pulse of a copy of the plan bears a number, and the schedule
--- tells them.
local core = require "moonpulse.core"
local cursors = require "moonpulse.compose.stimulus_cursor"
local redraw = require "moonpulse.compose.redraw"

local M = {}

local most_trial, most_pulses = 10000, 2000000 -- of one trial, and of a plan: a second

--- Which part of a map a plan is: by what is around it.
---@param plan moonpulse.Plan
---@param context table of moonpulse.compose.stimuli
---@return string
function M.key(plan, context)
  return ("%d %s %s %s %s"):format(plan:id(), context.trial, context.block, context.strand,
    context.condition)
end

--- The plan with a number at each pulse: within(plan, context) is what is around its children, or has that
--- for each child; number(context) what its pulse gets.
local function numbered(plan, context, within, number, known)
  local key = M.key(plan, context)
  if known[key] then
    return known[key].made
  end
  local view, inside, children = plan:view(), within(plan, context), {}
  local made
  if view.kind == "pulse" then
    made = core.like(core.pulse(view.intensity, view.reference, number(inside)), plan)
  else
    for i = 1, view.children do
      children[i] = numbered(plan:child(i), inside[i] or inside, within, number, known)
    end
    made = redraw.with_children(plan, children)
  end
  known[key] = { made = made, from = plan } -- ids hold while plans live
  return made
end

--- The numbers in the order of time.
local function numbers_of(plan, seed)
  local schedule = core.schedule(plan, seed)
  local actions = schedule:actions()
  return function()
    local kind, _, _, index = schedule:next()
    while kind == "mark" do
      kind, _, _, index = schedule:next()
    end
    return kind and actions[index].program
  end
end

--- A row of leaves for a trial in which conditions run side by side.
---@param self table of stimuli.parts
---@param plan moonpulse.Plan within a trial
---@param condition string around it
---@param condition_of fun(self: table, name: string): integer
---@param add fun(self: table, part: table): integer
---@return integer[] row
function M.in_order(self, plan, condition, condition_of, add)
  local pulses = plan:totals().pulses
  if pulses > most_trial then
    return { add(self, { n = pulses, c = condition_of(self, condition) }), 1 }
  end
  local function within(each, context)
    local own = each:view().condition
    return { condition = own ~= "" and own or context.condition }
  end
  local function number(context)
    return condition_of(self, context.condition)
  end
  local row, leaves = {}, {}
  for c in numbers_of(numbered(plan, { condition = condition }, within, number, {}), 1) do
    leaves[c] = leaves[c] or add(self, { n = 1, c = c })
    if row[#row - 1] == leaves[c] then
      row[#row] = row[#row] + 1
    else
      row[#row + 1], row[#row + 2] = leaves[c], 1
    end
  end
  return row
end

--- The children of a plan whose parts run at the same time, each with a number and a map of its own. Blocks
--- in them are not counted: they lie in the one around them.
---@param self table of stimuli.parts
---@param plan moonpulse.Plan
---@param context table around its children
---@param part_of fun(self: table, plan: moonpulse.Plan, context: table): integer?
---@return integer[]
function M.strands(self, plan, context, part_of)
  local list = {}
  for i = 1, plan:view().children do
    local strand = {}
    self.strands[#self.strands + 1] = strand
    list[i] = #self.strands
    strand.root = part_of(self, plan:child(i), { condition = context.condition, trial = false, block = true,
      strand = list[i] })
  end
  self.strands_of[M.key(plan, context)] = list
  return list
end

local function pulses_in(self, index, known)
  local part, sum = index and self.parts[index] or {}, 0
  if part.n then
    return part.n
  elseif not known[part] then
    for i = 1, part.row and #part.row or 0, 2 do
      sum = sum + part.row[i + 1] * pulses_in(self, part.row[i], known)
    end
    known[part] = sum
  end
  return known[part]
end

--- In which block each pass through a strand lies.
local function passes_of(self)
  local passes = {}
  local function walk(root, around)
    local cursor
    cursor = cursors.new(self, root, function(strands, block)
      for _, strand in ipairs(strands) do
        local list = passes[strand] or {}
        passes[strand] = list
        list[#list + 1] = block or around or 0
        if self.strands[strand].root then
          walk(self.strands[strand].root, block or around)
        end
      end
    end)
    while cursor:next() do end
  end
  walk(self.root)
  return passes
end

--- Where a strand is: its next pulse's condition, trial (nil: the same as before) and block.
local function walker(self, root, passes, known)
  local cursor, count, at, pass, before = cursors.new(self, root), pulses_in(self, root, known), 0, 1, nil
  return function()
    if at == count then
      at, pass, before = 0, pass + 1, nil
    end
    at = at + 1
    cursor:find(at)
    local trial = cursor:trial_of(at)
    local is_new = trial ~= before
    before = trial
    return cursor.condition, is_new, passes and passes[pass] or not passes and cursor.block or 0
  end
end

local function marked(self, plan, inside)
  return numbered(plan, { trial = false, block = false }, function(each, context)
    local around = inside(self, each, context)
    local strands = self.strands_of[M.key(each, around)]
    for i, strand in ipairs(strands or {}) do
      around[i] = { condition = around.condition, trial = false, block = true, strand = strand }
    end
    return around
  end, function(context) return context.strand or 0 end, {})
end

--- The map with all pulses in the order of time.
---@param self table of stimuli.parts, with strands
---@param plan moonpulse.Plan
---@param seed integer
---@param inside fun(self: table, plan: moonpulse.Plan, context: table): table
---@return moonpulse.StimulusMap
function M.flat(self, plan, seed, inside)
  if plan:totals().pulses > most_pulses then
    return { conditions = { "together" }, parts = { { n = plan:totals().pulses, c = 1 } }, root = 1 }
  end
  local passes, known, walkers, current = passes_of(self), {}, {}, {}
  walkers[0] = walker(self, self.root, nil, known)
  for i, strand in ipairs(self.strands) do
    walkers[i] = walker(self, strand.root, passes[i] or {}, known)
  end
  local number_of = {}
  for c, name in ipairs(self.conditions) do
    number_of[name] = c
  end
  local flat, trials = {}, 0
  for strand in numbers_of(marked(self, plan, inside), seed) do
    local condition, is_new, block = walkers[strand]()
    if is_new then
      trials = trials + 1
      current[strand] = trials
    end
    local c, last = number_of[condition], #flat
    if flat[last - 2] == c and flat[last - 1] == current[strand] and flat[last] == block then
      flat[last - 3] = flat[last - 3] + 1
    else
      table.move({ 1, c, current[strand], block }, 1, 4, last + 1, flat)
    end
  end
  return { conditions = self.conditions, parts = { { flat = flat } }, root = 1 }
end

return M
