--- Counts and dose by condition: of what a run gave, and of what a plan is to give.
local counted = require "moonpulse.record.counted"
local read = require "moonpulse.record.read"
local stimuli = require "moonpulse.compose.stimuli"

local M = {}

---@class moonpulse.ConditionCounts one condition
---@field condition string the label, else the kind of stimulus
---@field pulses integer rows, or pulses of the plan
---@field trials integer? nil: an older record, which does not number them
---@field delivered integer? pulses that were given (sent, late ones too); nil: of a plan
---@field perhaps integer? pulses of which nobody knows; they are not in delivered; nil: of a plan
---@field mso { lowest: number, highest: number }? %MSO that the device was told; nil: of a plan, or not known
---@field intensities { reference: string, lowest: number, highest: number }[] as the protocol says, percent

local order = { MSO = 1, AMT = 2, RMT = 3 }
--- A range that reaches to a value.
local function widen(range, value)
  if not value then
    return range
  elseif not range then
    return { lowest = value, highest = value }
  end
  range.lowest, range.highest = math.min(range.lowest, value), math.max(range.highest, value)
  return range
end

--- Ranges by their reference as a list, always in one order.
local function listed(ranges)
  local list = {}
  for reference, range in pairs(ranges) do
    range.reference = reference
    list[#list + 1] = range
  end
  table.sort(list, function(a, b) return (order[a.reference] or 0) < (order[b.reference] or 0) end)
  return list
end

--- The counts of a condition, begun at its first row.
local function counts_of(self, name)
  local counts = self.by_name[name]
  if not counts then
    counts = { condition = name, pulses = 0, delivered = 0, perhaps = 0, ranges = {} }
    self.by_name[name] = counts
    self.list[#self.list + 1] = counts
  end
  return counts
end

--- How many trials each condition of a run has; one with pulses of two conditions is one of both.
---@param events table of moonpulse.record.read.events
---@param given boolean? only those of which at least a pulse was given, or perhaps given
---@param stretches moonpulse.RowStretch[]? of its pulses, where they are known
---@return table<string, integer> by the condition; none of an older record, which does not number them
function M.trials(events, given, stretches)
  local seen_of, count, rows = {}, {}, events.pulses
  for _, stretch in ipairs(stretches or read.stretches(rows)) do
    local kind, before = stretch.kind, nil
    local name = kind.trial_type
    local counts = name and (not given or counted.is_given(kind.status, kind.was_sent))
    local seen = counts and (seen_of[name] or {}) or nil
    seen_of[name or false] = seen or seen_of[name or false]
    for i = stretch.first, seen and stretch.last or 0 do
      local trial = rows[i].trial
      if trial and trial ~= before then
        before = trial
        if not seen[trial] then
          seen[trial], count[name] = true, (count[name] or 0) + 1
        end
      end
    end
  end
  return count
end

--- How many pulses, trials and which intensities each condition of a run has: what was planned up to the
--- run's end (pulses), and what of it was given.
---@param events table of moonpulse.record.read.events: { pulses = rows }
---@return moonpulse.ConditionCounts[] by first appearance
function M.of_events(events)
  local self = { list = {}, by_name = {} }
  for _, row in ipairs(events.pulses) do
    local counts = counts_of(self, row.trial_type or row.event)
    counts.pulses = counts.pulses + 1
    if row.status == "perhaps_sent" then
      counts.perhaps = counts.perhaps + 1
    elseif counted.is_given(row.status, row.was_sent) then
      counts.delivered = counts.delivered + 1
    end
    counts.mso = widen(counts.mso, row.mso)
    if row.ref then
      counts.ranges[row.ref] = widen(counts.ranges[row.ref], row.intensity)
    end
  end
  local trials = M.trials(events)
  for _, counts in ipairs(self.list) do
    counts.trials = trials[counts.condition]
    counts.intensities, counts.ranges = listed(counts.ranges), nil
  end
  return self.list
end

--- The intensities of a part, by condition and reference; a part is looked into once.
local function collect(found, plan, condition, seen)
  local view = plan:view()
  condition = view.condition ~= "" and view.condition or condition
  local key = plan:id() .. " " .. condition
  if seen[key] then
    return
  end
  seen[key] = true
  if view.kind == "pulse" then
    local ranges = found[condition] or {}
    found[condition] = ranges
    ranges[view.reference] = widen(ranges[view.reference], view.intensity)
  end
  for i = 1, view.children do
    collect(found, plan:child(i), condition, seen)
  end
end

--- The same of a plan, of any length: nothing is walked pulse by pulse.
---@param plan moonpulse.Plan
---@return moonpulse.ConditionCounts[] by first appearance in the plan; without delivered, perhaps and mso
function M.of_plan(plan)
  local parts = stimuli.parts(plan)
  local list, found, seen = stimuli.counts(parts), {}, {}
  for _, source in ipairs(parts.sources) do
    collect(found, source.plan, source.condition, seen)
  end
  for _, counts in ipairs(list) do
    counts.intensities = listed(found[counts.condition] or {})
  end
  return list
end

--- Add the pulses and the trials that a plan is to give of each condition: what a manifest keeps.
---@param pulses table<string, integer> changed
---@param trials table<string, integer> changed
---@param plan moonpulse.Plan
function M.plan_into(pulses, trials, plan)
  for _, counts in ipairs(stimuli.counts(stimuli.parts(plan))) do
    local name = counts.condition
    pulses[name] = (pulses[name] or 0) + counts.pulses
    trials[name] = (trials[name] or 0) + counts.trials
  end
end

return M
