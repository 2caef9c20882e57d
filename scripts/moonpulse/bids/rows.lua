--- A plan as rows of nibs.tsv: chains of repeats are layers of one row, a pair is a row with intensities, and
--- what cannot be one row is several, each delivered at its own onset.
local core = require "moonpulse.core"
local fractions = require "moonpulse.bids.fraction"

local M = {}

-- pulses in a row of its own that are written as one list of intensities; deliveries that are kept apart
local most_units, most_items = 16, 200000

---@class moonpulse.NibsUnit one base stimulus
---@field channel string
---@field intensity number percent of reference
---@field reference "MSO"|"RMT"|"AMT"
---@field node integer? id of the pulse in the plan

---@class moonpulse.NibsItem one delivery of one set of parameters
---@field at moonpulse.Fraction seconds, its first pulse
---@field span moonpulse.Fraction seconds from there to its nominal end
---@field layers { count: integer, interval: moonpulse.Fraction, node: integer? }[] innermost first; seconds,
---   onset to onset; node: id of the repetition in the plan, nil: of pulses in a row
---@field units moonpulse.NibsUnit[] one, or as many as the innermost layer counts

local walk

--- An interval that a row can say: decimals of milliseconds, or of hertz. Nothing is rounded.
---@param interval moonpulse.Fraction seconds
---@return "interval"|"frequency"|nil
---@return string? decimals
function M.said(interval)
  local ms = fractions.decimal(fractions.times(interval, 1000))
  if ms then
    return "interval", ms
  end
  local hz = fractions.decimal(fractions.inverse(interval))
  return hz and "frequency", hz
end

local function shifted(items, by, into)
  for _, item in ipairs(items) do
    into[#into + 1] = { at = fractions.add(item.at, by), span = item.span, layers = item.layers,
      units = item.units }
    if #into > most_items then
      error({ code = "limit", message = ("more than %d deliveries"):format(most_items) }, 0)
    end
  end
end

--- The distance at which single pulses follow each other, if it is the same for all.
local function distance_of(items, is_nerve)
  local distance
  for i = 1, #items do
    if items[i].layers[1] or is_nerve(items[i].units[1].channel) ~= is_nerve(items[1].units[1].channel) then
      return nil
    elseif i > 1 then
      local this = fractions.subtract(items[i].at, items[i - 1].at)
      if this.n <= 0 or distance and not fractions.equal(this, distance) then
        return nil
      end
      distance = this
    end
  end
  return distance and M.said(distance) and distance
end

--- Pulses one after another at one distance: a pair, a burst of several intensities.
local function fused(items, span, is_nerve)
  local distance = #items >= 2 and #items <= most_units and distance_of(items, is_nerve)
  if not distance then
    return items
  end
  local units, first, alike = {}, items[1].units[1], true
  for i, item in ipairs(items) do
    local unit = item.units[1]
    units[i] = unit
    alike = alike and unit.channel == first.channel and unit.intensity == first.intensity
      and unit.reference == first.reference
  end
  return { { at = items[1].at, span = fractions.subtract(span, items[1].at),
    layers = { { count = #items, interval = distance } }, units = alike and { first } or units } }
end

local function span_of(plan)
  local text = plan:totals().exact_span
  return fractions.parse(text or "")
    or error({ code = "limit", message = "a time of the plan is no fraction of 64 bits" }, 0)
end

--- Does a unit of a layer, with the silence after its last part, not fit between two onsets of the next? The
--- draft's layers do not overlap.
local function overlaps(items, every)
  for _, item in ipairs(items) do
    local last = item.layers[#item.layers]
    if last and fractions.subtract(every, fractions.times(last.interval, last.count)).n < 0 then
      return true
    end
  end
  return false
end

local function repeated(plan, view, channel, is_nerve)
  local child = plan:child(1)
  local items, every = walk(child, channel, is_nerve), fractions.parse(view.exact_every or "")
  if view.count == 1 then
    return items
  elseif not every then
    error({ code = "limit", message = "a period of the plan is no fraction of 64 bits" }, 0)
  elseif not M.said(every) or overlaps(items, every) then
    local list = {}
    for i = 0, view.count - 1 do
      shifted(items, fractions.times(every, i), list)
    end
    return list
  end
  local list, whole, inner = {}, span_of(plan), span_of(child)
  for i, item in ipairs(items) do
    local layers = table.move(item.layers, 1, #item.layers, 1, {})
    layers[#layers + 1] = { count = view.count, interval = every, node = plan:id() }
    local tail = fractions.subtract(inner, fractions.add(item.at, item.span)) -- after it, in one repetition
    list[i] = { at = item.at, layers = layers, units = item.units,
      span = fractions.subtract(fractions.subtract(whole, tail), item.at) }
  end
  return list
end

local function in_sequence(plan, view, channel, is_nerve)
  local list, at = {}, fractions.zero
  for i = 1, view.children do
    local child = plan:child(i)
    shifted(walk(child, channel, is_nerve), at, list)
    at = fractions.add(at, span_of(child))
  end
  return fused(list, list[1] and fractions.add(list[#list].at, list[#list].span), is_nerve)
end

--- The items of a plan without drawn rests. Raises a refusal where its times do not fit.
function walk(plan, channel, is_nerve)
  local view = plan:view()
  if view.kind == "pulse" then
    return { { at = fractions.zero, span = fractions.zero, layers = {},
      units = { { channel = channel, intensity = view.intensity, reference = view.reference,
        node = plan:id() } } } }
  elseif view.kind == "channel" then
    return walk(plan:child(1), view.text, is_nerve)
  elseif view.kind == "repeat" then
    return repeated(plan, view, channel, is_nerve)
  elseif view.kind == "sequence" then
    return in_sequence(plan, view, channel, is_nerve)
  end
  local list = {}
  for i = 1, view.children do
    shifted(walk(plan:child(i), channel, is_nerve), fractions.zero, list)
  end
  return list
end

--- The parts of a plan with drawn rests that have none, in their order; nil: they are side by side.
local function parts_of(plan, channel, into)
  if not plan:totals().random then
    into[#into + 1] = { plan = plan, channel = channel }
    return into
  end
  local view = plan:view()
  if view.kind == "parallel" then
    return nil
  elseif view.kind == "channel" then
    return parts_of(plan:child(1), view.text, into)
  end
  for _ = 1, view.kind == "repeat" and view.count or 1 do
    for i = 1, view.children do
      if not parts_of(plan:child(i), channel, into) or #into > most_items then
        return nil
      end
    end
  end
  return into
end

--- A plan whose rests are drawn: its parts where the seed puts them.
local function drawn(plan, onsets_ns, is_nerve)
  local parts = parts_of(plan, "1", {})
  if not parts then
    return nil
  end
  local list, pulse = {}, 0
  for _, part in ipairs(parts) do
    local totals = part.plan:totals()
    if totals.pulses > 0 then
      local items = walk(part.plan, part.channel, is_nerve)
      local first = items[1].at
      for _, item in ipairs(items) do
        first = fractions.number(item.at) < fractions.number(first) and item.at or first
      end
      shifted(items, fractions.subtract(fractions.new(onsets_ns[pulse + 1], 1000000000), first), list)
      pulse = pulse + totals.pulses
    end
  end
  return list
end

--- The onsets of all pulses, with their actions.
---@param plan moonpulse.Plan
---@param seed integer
---@return integer[] onsets_ns
---@return moonpulse.Action[] actions of each
function M.pulses(plan, seed)
  local schedule = core.schedule(plan, seed)
  local actions, onsets, of = schedule:actions(), {}, {}
  for kind, _, number, action, onset_ns in schedule.next, schedule do
    if kind == "pulse" then
      onsets[number], of[number] = onset_ns, actions[action]
    end
  end
  return onsets, of
end

--- A plan's deliveries, as rows can say them.
---@param plan moonpulse.Plan
---@param onsets_ns integer[] of its pulses
---@param is_nerve fun(channel: string): boolean nerves and coils have rows of their own
---@return moonpulse.NibsItem[]? nil: no rows can say it; its pulses stand one by one
function M.items(plan, onsets_ns, is_nerve)
  local ok, items = pcall(function()
    if plan:totals().random then
      return drawn(plan, onsets_ns, is_nerve)
    end
    return walk(plan, "1", is_nerve)
  end)
  if not ok then
    if type(items) == "table" and items.code == "limit" then
      return nil
    end
    error(items, 0)
  end
  return items
end

return M
