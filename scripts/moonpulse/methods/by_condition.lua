--- Pulses and trials by condition: planned by the plan, however far the run came; given by its rows.
local checks = require "moonpulse.compose.check"
local columns = require "moonpulse.record.columns"
local conditions = require "moonpulse.record.conditions"
local counted = require "moonpulse.record.counted"
local sorting = require "moonpulse.text.sorting"

local M = {}

---@class moonpulse.MethodsCondition
---@field name string the label, else the kind of stimulus
---@field unlabelled boolean? it is the kind of a stimulus without a label
---@field planned integer pulses
---@field trials integer? planned, or of a run without a plan those of its rows
---@field delivered integer? of a run: pulses that were given, confirmed or not
---@field confirmed integer?
---@field trials_begun integer? of a run: trials of which at least one pulse was given

--- Is there a name in it that somebody gave? Kinds of stimuli alone say what the pattern says already.
local function named(list)
  for _, each in ipairs(list) do
    if not each.unlabelled then
      return list
    end
  end
  return {}
end

local function new(list, by_name, name, planned, trials)
  local each = { name = name, planned = planned, trials = trials,
    unlabelled = checks.is_kind(name) or nil }
  by_name[name], list[#list + 1] = each, each
  return each
end

local function planned_of(plan)
  local list, by_name = {}, {}
  for _, each in ipairs(conditions.of_plan(plan)) do
    new(list, by_name, each.condition, each.pulses, each.trials)
  end
  return list, by_name
end

--- Of a plan: all its conditions.
---@param plan moonpulse.Plan
---@param drawn boolean? their order was drawn, and says nothing: they are sorted
---@return moonpulse.MethodsCondition[] empty where nobody named one
function M.of_plan(plan, drawn)
  return M.sorted(named((planned_of(plan))), drawn)
end

--- Sorted by their names, where their own order was drawn.
---@param list moonpulse.MethodsCondition[] changed
---@param drawn boolean?
---@return moonpulse.MethodsCondition[] list
function M.sorted(list, drawn)
  if drawn then
    table.sort(list, function(a, b) return sorting.key(a.name) < sorting.key(b.name) end)
  end
  return list
end

--- What the manifest says was planned, where the plan is not there: at least what has rows.
local function add_kept(list, by_name, kept, trials)
  local names = {}
  for name, pulses in pairs(type(kept) == "table" and kept or {}) do
    if type(name) == "string" and math.tointeger(pulses) then
      names[#names + 1] = name
    end
  end
  table.sort(names, function(a, b) return sorting.key(a) < sorting.key(b) end)
  for _, name in ipairs(names) do
    local each = by_name[name] or new(list, by_name, name, 0)
    each.planned = math.max(each.planned, math.tointeger(kept[name]))
    local told = type(trials) == "table" and math.tointeger(trials[name])
    each.trials = each.trials and told and math.max(each.trials, told) or each.trials
  end
end

--- Of a run: all conditions of its plan, those that it never came to with none given.
---@param pulses moonpulse.PulseColumns with trial
---@param kept table<string, integer>? planned pulses by condition, as the manifest keeps them
---@param kept_trials table<string, integer>? planned trials, the same
---@param plan moonpulse.Plan? that the rows follow
---@param drawn boolean? its order was drawn
---@return moonpulse.MethodsCondition[] empty where nobody named one
function M.of_run(pulses, kept, kept_trials, plan, drawn)
  local list, by_name, label_of, given_label = {}, {}, {}, {}
  if plan then
    list, by_name = planned_of(plan)
  end
  for number, kind in ipairs(pulses.kinds) do
    label_of[number] = kind.trial_type or false
    given_label[number] = counted.is_given(kind.status, kind.was_sent) and kind.trial_type or false
  end
  local trials, rows = plan and {} or columns.trials(pulses, label_of), {}
  local begun = columns.trials(pulses, given_label)
  for _, kind_count in ipairs(columns.counts(pulses)) do
    local name, kind, count = kind_count.kind.trial_type, kind_count.kind, kind_count.count
    if name then
      local each = by_name[name] or new(list, by_name, name, 0, trials[name])
      rows[each] = (rows[each] or 0) + count
      each.delivered = (each.delivered or 0) + (given_label[kind_count.number] and count or 0)
      each.trials_begun = begun[name]
      each.confirmed = (each.confirmed or 0) + (kind.is_confirmed and count or 0)
    end
  end
  for _, each in ipairs(list) do
    each.planned = math.max(each.planned, rows[each] or 0)
  end
  if not plan then
    add_kept(list, by_name, kept, kept_trials)
  end
  for _, each in ipairs(list) do
    each.delivered, each.confirmed = each.delivered or 0, each.confirmed or 0
    each.trials_begun = each.trials and (each.trials_begun or 0)
  end
  return M.sorted(named(list), drawn)
end

--- In words, such as "rest 2 of 24 pulses (2 of 24 trials)".
---@param each moonpulse.MethodsCondition
---@param words fun(count: integer, thing: string): string such as numbers.counted
---@param number fun(count: integer): string such as numbers.count
---@return string
function M.words(each, words, number)
  local of = each.delivered and number(each.delivered) .. " of " or ""
  local begun = each.trials_begun and each.trials_begun ~= each.trials and number(each.trials_begun)
    .. " of " or ""
  return ("%s %s%s%s"):format(each.unlabelled and each.name .. " (no label)" or each.name, of,
    words(each.planned, "pulse"), each.trials and (" (%s%s)"):format(begun, words(each.trials, "trial"))
      or "")
end

return M
