--- The levels of a plan as rTMS papers report them: pulses in a burst, bursts in a train, trains.
--- However a plan is written (repeated, joined with rests, as trials), the same trains have the same levels.
local M = {}

---@class moonpulse.Level of one part of a plan, innermost first
---@field count integer
---@field spacing "every"|"gap"|"train" a train goes on without a pause
---@field every number seconds, onset to onset
---@field longest number seconds, the longest there is
---@field is_drawn boolean? it is drawn; else it may differ from one to the next all the same
---@field pause { min: number, max: number } seconds, from the nominal end of one to the next onset
---@field inner moonpulse.Chain what it repeats
---@field silence number? seconds, from the last pulse of one to the first of the next; nil: it is not one
---@field gap number? seconds, from the nominal end of one to the onset of the next; nil: it is not one
---@field pulses integer in one
---@field span number seconds, nominal, of one
---@field first_to_last number seconds, of one

local most_items = 10000 -- parts of a sequence that are compared

local function has_role(view, role)
  return (" " .. view.roles .. " "):find(" " .. role .. " ", 1, true) ~= nil
end

local function has_trials(plan, seen)
  local id, view = plan:id(), plan:view()
  local found = has_role(view, "trials")
  for i = 1, not found and not seen[id] and view.children or 0 do
    found = found or has_trials(plan:child(i), seen)
  end
  seen[id] = true
  return found
end

--- Is there an mp.trials in a plan?
---@param plan moonpulse.Plan
---@return boolean
function M.has_trials(plan)
  return has_trials(plan, {})
end

local function has_catch(plan, in_trials, seen)
  local id, view = plan:id(), plan:view()
  local found = in_trials and has_role(view, "trial") and plan:totals().pulses == 0
  in_trials = in_trials or has_role(view, "trials")
  local key = ("%s %s"):format(id, in_trials)
  for i = 1, not found and not seen[key] and view.children or 0 do
    local child = plan:child(i)
    -- a mark stands among the trials as it is, where their intervals are drawn
    found = found or has_role(view, "trials") and child:totals().pulses == 0 and child:totals().marks > 0
      or has_catch(child, in_trials, seen)
  end
  seen[key] = true
  return found
end

--- Is there an mp.trials in a plan with trials of which no pulse comes, such as catch trials?
---@param plan moonpulse.Plan
---@return boolean
function M.has_catch_trials(plan)
  return has_catch(plan, false, {})
end

---@class moonpulse.Chain repetitions of one thing within each other, with silence before and after them
---@field levels moonpulse.Level[] innermost first
---@field pulses integer
---@field span number seconds, nominal, without the silences
---@field longest number the same with the longest of what is drawn in it
---@field first_to_last number seconds
---@field random boolean? something is drawn in it
---@field before { min: number, max: number }
---@field after { min: number, max: number }

local function added(a, b)
  return { min = a.min + b.min, max = a.max + b.max }
end

local none = { min = 0, max = 0 }

--- What plan is, which has the levels of a chain: its times, without the silence before and after.
local function chain_of(plan, levels, before, after, random)
  local totals = plan:totals()
  return { levels = levels, before = before, after = after, pulses = totals.pulses,
    span = totals.span - before.min - after.min, longest = totals.span_max - before.max - after.max,
    first_to_last = totals.last - totals.first, random = random }
end

--- A level that has count of a chain, with silence between them.
local function level_of(inner, count, spacing, pause, every, longest)
  every, longest = every or inner.span + pause.min, longest or inner.longest + pause.max
  local is_fixed = not inner.random and pause.max - pause.min < 1e-9
  return { count = count, spacing = spacing, every = every, longest = longest,
    gap = is_fixed and pause.min or nil, silence = is_fixed and every - inner.first_to_last or nil,
    pulses = inner.pulses, span = inner.span, first_to_last = inner.first_to_last, pause = pause,
    inner = inner }
end

local function with_level(levels, level)
  local list = table.move(levels, 1, #levels, 1, {})
  list[#list + 1] = level
  return list
end

local chain

--- A repetition of a chain; one of a single thing is that thing.
local function repeated(plan, view)
  local inner = chain(plan:child(1))
  if not inner then
    return nil
  elseif view.count == 1 and (view.spacing ~= "train" or view.label == "") then -- "": a trial, a repetition
    local more = view.spacing == "train" and math.max(view.period - plan:child(1):totals().span, 0) or 0
    return chain_of(plan, inner.levels, inner.before, added(inner.after, { min = more, max = more }),
      inner.random)
  end
  local level
  if view.spacing == "gap" then
    level = level_of(inner, view.count, "gap", added(added(inner.after, inner.before),
      { min = view.period, max = view.period }))
  else -- from onset to onset it is fixed, whatever is drawn within; not what is drawn before
    local more = inner.before.max - inner.before.min
    level = level_of(inner, view.count, view.spacing, { min = view.period - inner.longest - more,
      max = view.period - inner.span + more }, view.period - more, view.period + more)
  end
  level.is_drawn = level.longest - level.every > 1e-9
  return chain_of(plan, with_level(inner.levels, level), inner.before, view.spacing == "train" and none
    or inner.after, inner.random or level.is_drawn)
end

--- A chain whose outermost level is taken apart, as items of a sequence.
local function expand(item, items, depth)
  local levels = item.chain.levels
  local level = levels[#levels]
  if #levels > depth + 1 or level.spacing == "train" or #items + level.count > most_items then
    return false
  end
  for i = 1, level.count do
    items[#items + 1] = { chain = level.inner, pause = i == 1 and item.pause or level.pause }
  end
  return true
end

--- What chains have in common that are repetitions of one thing.
local function key_of(each)
  local parts = { ("%d %.7f %.7f"):format(each.pulses, each.span, each.first_to_last) }
  for i, level in ipairs(each.levels) do
    parts[i + 1] = ("%d %s %.7f %.7f"):format(level.count, level.spacing, level.every, level.longest)
  end
  return table.concat(parts, " ")
end

--- The parts of a sequence that have pulses, each with the silence before it; nil: one of them is no chain.
local function items_of(plan, view)
  local items, pause, depth = {}, none, math.huge
  for i = 1, view.children <= most_items and view.children or 0 do
    local part = plan:child(i)
    local totals = part:totals()
    local each = totals.pulses > 0 and chain(part)
    if totals.pulses == 0 then
      pause = added(pause, { min = totals.span, max = totals.span_max })
    elseif not each then
      return nil
    else
      items[#items + 1] = { chain = each, pause = added(pause, each.before) }
      pause, depth = each.after, math.min(depth, #each.levels)
    end
  end
  return items, pause, depth
end

--- Parts one after the other that are all the same: one more level, however they are written.
local function combined(plan, view)
  local items, after, depth = items_of(plan, view)
  if not items or #items == 0 then
    return nil
  elseif #items == 1 then
    return chain_of(plan, items[1].chain.levels, items[1].pause, after, items[1].chain.random)
  end
  local list = {}
  for _, item in ipairs(depth > 0 and items or {}) do
    if #item.chain.levels == depth then
      list[#list + 1] = item
    elseif not expand(item, list, depth) then
      return nil
    end
  end
  local pause, is_drawn = nil, false
  for i = 2, #list do
    local each = list[i].pause
    if key_of(list[i].chain) ~= key_of(list[1].chain) then
      return nil
    end
    pause = { min = math.min(pause and pause.min or each.min, each.min),
      max = math.max(pause and pause.max or each.max, each.max) }
    is_drawn = is_drawn or each.max - each.min > 1e-9
  end
  if not pause then
    return nil
  end
  local inner = list[1].chain
  local level = level_of(inner, #list, "gap", pause)
  level.is_drawn = is_drawn or inner.random
  return chain_of(plan, with_level(inner.levels, level), items[1].pause, after, level.is_drawn)
end

--- The chain that a plan is; nil: it is none.
function chain(plan)
  local view, totals = plan:view(), plan:totals()
  if view.kind == "channel" then
    return chain(plan:child(1))
  elseif view.kind == "repeat" then
    return repeated(plan, view)
  elseif view.kind == "pulse" or totals.pulses > 0 and totals.pulses <= 2 and not totals.random then
    return chain_of(plan, {}, none, none)
  end
  return view.kind == "sequence" and combined(plan, view) or nil
end

--- Which level repeats trains: the innermost that pauses between groups of pulses. nil: there is none.
---@param levels moonpulse.Level[]
---@return integer?
function M.train_level(levels)
  for i = 2, #levels do
    if levels[i].spacing ~= "train" then
      return i
    end
  end
end

---@class moonpulse.PlanPart of a plan, one after the other
---@field levels moonpulse.Level[]? nil: it is no chain of repetitions
---@field pause { min: number, max: number }? seconds, from the nominal end of the part before to its onset

--- What a plan is made of: one part where all of it is one chain of repetitions, else the parts of its
--- sequence.
---@param plan moonpulse.Plan
---@return moonpulse.PlanPart[]
function M.parts(plan)
  local view, whole = plan:view(), chain(plan)
  if whole or view.kind ~= "sequence" or view.label == "trials" or view.children > 24 then
    return { { levels = whole and whole.levels or nil } }
  end
  local list, pause = {}, nil
  for i = 1, view.children do
    local part = plan:child(i)
    local totals = part:totals()
    if totals.pulses == 0 then
      pause = added(pause or none, { min = totals.span, max = totals.span_max })
    else
      local each = chain(part)
      local known = each and list[1] and pause
      list[#list + 1] = { levels = each and each.levels or nil, pause = known and added(pause, each.before) }
      pause = each and added(none, each.after) or nil
    end
  end
  return list
end

--- How many trains of how many pulses parts have, as far as they are chains.
---@param parts moonpulse.PlanPart[]
---@return table<integer, integer> count by pulses; pairs are none, but what is written as a train of two is
function M.trains(parts)
  local found = {}
  for _, part in ipairs(parts) do
    local levels = part.levels or {}
    local at = M.train_level(levels)
    local count, last = 1, levels[#levels]
    for i = at or #levels + 1, #levels do
      count = count * levels[i].count
    end
    local pulses = at and levels[at].pulses or last and last.spacing == "train" and last.count * last.pulses
      or 0
    local is_written = pulses == 2 and (levels[at and at - 1 or #levels] or {}).spacing == "train"
    if pulses > 2 or is_written then
      found[pulses] = (found[pulses] or 0) + count
    end
  end
  return found
end

return M
