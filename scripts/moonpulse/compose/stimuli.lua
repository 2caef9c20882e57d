--- Trials, blocks and conditions of a plan: which one each of its pulses is of (docs/protocols.md).
--
-- A map says it for all pulses in their order: parts, of which each names parts before it; one of them, the
-- root, is the whole. It is data without times, and is kept beside the flight record, so that a run that was
-- killed gets the same rows. moonpulse.compose.stimulus_cursor walks it.
local side_by_side = require "moonpulse.compose.side_by_side"

local M = {}

---@class moonpulse.StimulusMap the map of a plan; part i is a leaf { n = pulses, c = condition }, a row
---   { row = { part, count, part, count ... } }, or a list { flat = { pulses, condition, trial, block
---   ... } } with numbers of its own (0: none); one with trial or block set is one, if nothing around it is
---@field conditions string[] names, by their number
---@field parts table[]
---@field root integer? the part that is the whole; nil: there is no pulse

-- What a plan holds -----------------------------------------------------------------------------------

local function has(roles, role)
  return (" " .. roles .. " "):find(" " .. role .. " ", 1, true) ~= nil
end

local facts_of

--- One stimulus, 0 for none, 2 for more: of a node by what its children are.
local function stimuli_of(view, inside, list)
  local sum, most = 0, 0
  for _, each in ipairs(list) do
    sum, most = sum + each.stimuli, math.max(most, each.stimuli)
  end
  if sum == 0 then
    return 0
  elseif inside.roles then
    return 2
  elseif has(view.roles, "trial") or view.kind == "sequence" and view.label == "pair" then
    return 1
  elseif view.kind == "repeat" then
    return view.count == 1 and sum or view.spacing == "train" and 1 or 2
  elseif view.kind == "parallel" then
    return most
  end
  local is_named = view.kind == "sequence" and view.condition ~= "" and most == 1 and not inside.conditions
  return is_named and 1 or math.min(sum, 2)
end

--- The kind of a stimulus in a word, where its author gave it none.
local function kind_of(view, list)
  if view.kind == "pulse" or view.kind == "sequence" and view.label == "pair" then
    return view.label ~= "" and view.label or "pulse"
  elseif view.kind == "repeat" and view.count > 1 then
    return view.spacing == "train" and (view.label == "burst" and "burst" or "train") or "trial"
  end
  local kind
  for _, each in ipairs(list) do
    if each.stimuli > 0 then
      kind = not kind and each.kind or "trial"
    end
  end
  return kind
end

--- What there is in a plan, with what is said of its own node left out (inside) and all in all.
local function look(self, plan)
  local view, list = plan:view(), {}
  local inside = { roles = false, conditions = false, blocks = false, trials = false }
  for i = 1, view.children do
    local each = facts_of(self, plan:child(i))
    list[i] = each
    inside.roles = inside.roles or each.roles or has(each.view.roles, "trial")
    inside.conditions = inside.conditions or each.conditions
    inside.blocks, inside.trials = inside.blocks or each.blocks, inside.trials or each.trials
  end
  local facts = { view = view, plan = plan, uniform = not inside.conditions,
    conditions = inside.conditions or view.condition ~= "",
    blocks = inside.blocks or has(view.roles, "block"), trials = inside.trials or has(view.roles, "trials") }
  facts.roles = inside.roles or has(view.roles, "block") or has(view.roles, "trials")
  facts.stimuli = view.kind == "pulse" and 1 or stimuli_of(view, inside, list)
  facts.kind = kind_of(view, list)
  facts.marked = has(view.roles, "block")
  facts.block = has(view.roles, "trials") and not inside.blocks and not inside.trials
  return facts
end

--- The same, looked at once a part: ids hold while plans live.
function facts_of(self, plan)
  local id = plan:id()
  self.facts[id] = self.facts[id] or look(self, plan)
  return self.facts[id]
end

-- The map ---------------------------------------------------------------------------------------------

local function condition_of(self, name)
  if not self.numbers[name] then
    self.conditions[#self.conditions + 1] = name
    self.numbers[name] = #self.conditions
  end
  return self.numbers[name]
end

--- The number of a part; equal ones are one, and what holds just one other is that.
local function add(self, part)
  local row = part.row
  if row and #row == 2 and row[2] == 1 then
    local only = self.parts[row[1]]
    if not part.trial and not part.block then
      return row[1]
    elseif only.n and not only.trial and not only.block then
      part, row = { n = only.n, c = only.c, trial = part.trial, block = part.block }, nil
    end
  end
  local key = ("%s %s %s %s %s"):format(part.n, part.c, part.trial, part.block,
    table.concat(row or part.strands or {}, ","))
  if not self.by_key[key] or part.strands then
    self.parts[#self.parts + 1] = part
    self.by_key[key] = #self.parts
  end
  return self.by_key[key]
end

local part_of

--- The children in a row, the same one after the other counted.
local function row_of(self, plan, view, context)
  local row = {}
  for i = 1, view.children do
    local index = part_of(self, plan:child(i), context)
    if index and row[#row - 1] == index then
      row[#row] = row[#row] + 1
    elseif index then
      row[#row + 1], row[#row + 2] = index, view.kind == "repeat" and view.count or 1
    end
  end
  return row
end

--- A part for what the node holds.
local function made_of(self, plan, view, context, facts)
  local pulses = plan:totals().pulses
  if context.trial and facts.uniform then
    self.sources[#self.sources + 1] = { plan = plan, condition = context.condition }
    return { n = pulses, c = condition_of(self, context.condition) }
  elseif view.kind ~= "parallel" then
    return { row = row_of(self, plan, view, context) }
  elseif context.trial then
    self.sources[#self.sources + 1] = { plan = plan, condition = context.condition }
    return { row = side_by_side.in_order(self, plan, context.condition, condition_of, add) }
  end
  return { strands = side_by_side.strands(self, plan, context, part_of) }
end

--- What is around the children of a plan, by what is around itself.
---@param self table of parts()
---@param plan moonpulse.Plan
---@param context table as for the parts
---@return table
function M.inside(self, plan, context)
  local facts = facts_of(self, plan)
  local own = facts.view.condition
  local inside = { condition = own ~= "" and own or context.condition, strand = context.strand,
    trial = context.trial or facts.stimuli == 1, block = context.block or facts.marked or facts.block }
  if inside.trial then
    inside.condition = inside.condition or facts.kind
  end
  return inside
end

--- The number of a plan's part; nil where it has no pulses.
---@param context { condition: string?, trial: boolean?, block: boolean?, strand: integer? } around it
function part_of(self, plan, context)
  if plan:totals().pulses == 0 then
    return nil
  end
  local key = side_by_side.key(plan, context)
  if self.known[key] then
    return self.known[key]
  end
  local facts, inside = facts_of(self, plan), M.inside(self, plan, context)
  local part = made_of(self, plan, facts.view, inside, facts)
  part.trial = inside.trial and not context.trial or nil
  part.block = facts.marked and not context.strand or inside.block and not context.block or nil
  local index = add(self, part)
  self.known[key] = index
  return index
end

--- The map of a plan.
---@param plan moonpulse.Plan
---@param seed integer that draws its rests: which of two parts side by side comes first may hang on it
---@return moonpulse.StimulusMap
function M.of(plan, seed)
  local self = M.parts(plan)
  if self.strands[1] then
    return side_by_side.flat(self, plan, seed, M.inside)
  end
  return { conditions = self.conditions, parts = self.parts, root = self.root }
end

--- The same before parts side by side are put in the order of time, with what the parts were made of.
---@param plan moonpulse.Plan
---@return table { conditions, parts, strands, sources: { plan: moonpulse.Plan, condition: string }[] }
function M.parts(plan)
  local self = { facts = {}, known = {}, numbers = {}, conditions = {}, parts = {}, strands = {},
    strands_of = {}, sources = {}, by_key = {} }
  self.root = part_of(self, plan, { trial = false, block = false })
  return self
end

--- How many pulses and trials a part has of each condition; known: of the parts that were looked at.
local function counts_of(self, index, in_trial, known)
  local key = index * 2 + (in_trial and 1 or 0)
  if known[key] then
    return known[key]
  end
  local part, pulses, trials = self.parts[index], {}, {}
  local is_trial = part.trial and not in_trial
  local function take(child, count)
    local counts = counts_of(self, child, in_trial or is_trial, known)
    for c, n in pairs(counts.pulses) do
      pulses[c] = (pulses[c] or 0) + count * n
    end
    for c, n in pairs(counts.trials) do
      trials[c] = (trials[c] or 0) + count * n
    end
  end
  if part.n then
    pulses[part.c] = part.n
  end
  for i = 1, part.row and #part.row or 0, 2 do
    take(part.row[i], part.row[i + 1])
  end
  for _, strand in ipairs(part.strands or {}) do
    take(self.strands[strand].root, 1)
  end
  if is_trial then
    for c in pairs(pulses) do
      trials[c] = 1
    end
  end
  known[key] = { pulses = pulses, trials = trials }
  return known[key]
end

--- How many pulses and trials each condition of a plan has, of a plan of any length.
---@param self table of parts()
---@return { condition: string, pulses: integer, trials: integer }[] by first appearance in the plan
function M.counts(self)
  local list = {}
  if not self.root then
    return list
  end
  local counts = counts_of(self, self.root, false, {})
  for c, name in ipairs(self.conditions) do
    list[#list + 1] = counts.pulses[c] and { condition = name, pulses = counts.pulses[c],
      trials = counts.trials[c] or 0 } or nil
  end
  return list
end

return M
