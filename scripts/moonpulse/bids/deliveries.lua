--- The rows of nibs.tsv and events.tsv of a run. Delivered is not planned: a pattern stands for a block only
--- if every pulse of it was given as planned; else each pulse that was given has a row of its own.
local expand = require "moonpulse.bids.expand"
local fractions = require "moonpulse.bids.fraction"
local rows = require "moonpulse.bids.rows"

local M = {}

--- Did the device confirm a pulse, ours or one that something else fired, as it was set?
local function is_verified(pulse)
  return pulse.status == "delivered" or pulse.status == "external"
end

---@class moonpulse.NibsRow a set of parameters
---@field id string
---@field layers table[] as of an item
---@field units moonpulse.NibsUnit[] with mso
---@field verified boolean the device confirmed every pulse
---@field pulses integer that it stands for, all its deliveries together

---@class moonpulse.NibsEvent a delivery
---@field onset number seconds
---@field duration number seconds
---@field row moonpulse.NibsRow
---@field pulse moonpulse.DeliveredPulse? nil: a pattern
---@field condition string? the label of its pulses
---@field trial_type string? the same, or the kind of stimulus

--- Numbers 1 to n, by time, then by channel: at one instant a plan and its rows may differ in their order.
local function ordered(times, channel_of)
  local order, sorted = {}, true
  for n, at in ipairs(times) do
    order[n] = n
    sorted = sorted and (n == 1 or at > times[n - 1])
  end
  if not sorted then
    table.sort(order, function(a, b)
      if times[a] ~= times[b] then
        return times[a] < times[b]
      end
      local one, other = channel_of(a), channel_of(b)
      return one < other or one == other and a < b
    end)
  end
  return order
end

--- Which pulses of the plan an item is: lists of numbers. nil: the rows do not say what the plan does.
local function numbers_of(items, onsets_ns, actions)
  local us, item_of, unit_of, planned_us = {}, {}, {}, {}
  for i, item in ipairs(items) do
    local from = fractions.number(item.at)
    for k, offset in ipairs(expand.offsets(item.layers)) do
      local n = #us + 1
      us[n] = math.floor((from + offset) * 1e6 + 0.5)
      item_of[n], unit_of[n] = i, item.units[(k - 1) % #item.units + 1]
    end
  end
  for number, onset_ns in ipairs(onsets_ns) do
    planned_us[number] = (onset_ns + 500) // 1000
  end
  if #us ~= #onsets_ns then
    return nil
  end
  local ours = ordered(us, function(n) return unit_of[n].channel end)
  local plans = ordered(planned_us, function(number) return actions[number].channel end)
  local taken, list = {}, {}
  for i, n in ipairs(ours) do
    local number = plans[i]
    local action, unit = actions[number], unit_of[n]
    if unit.channel ~= action.channel or unit.intensity ~= action.intensity
      or unit.reference ~= action.reference or math.abs(us[n] - planned_us[number]) > 1 then
      return nil
    end
    taken[n] = number
  end
  for i = 1, #items do
    list[i] = {}
  end
  for n = 1, #us do
    local of = list[item_of[n]]
    of[#of + 1] = taken[n]
  end
  return list
end

--- What each unit of an item was set to; nil: not all its pulses were given as planned, with the same
--- setting. What is asked of a pulse, rows of one kind (record/read.lua) have in common, so that one is
--- asked.
local function settings_of(item, kind_at, count)
  local settings, verified = {}, true
  local units, inner, condition = item.units, #item.units, nil
  local kinds = {}
  for k = 1, count do
    local pulse, at = kind_at(k), (k - 1) % inner + 1
    local unit = units[at]
    if pulse and kinds[at] == pulse then
      goto next
    end
    kinds[at] = pulse
    if not (pulse and pulse.as_planned and pulse.channel == unit.channel
        and pulse.intensity == unit.intensity and pulse.ref == unit.reference
        and (k == 1 or pulse.condition == condition)) then
      return nil
    end
    local mso = pulse.mso or 0
    condition = pulse.condition
    if settings[at] ~= mso then
      if settings[at] then
        return nil
      end
      settings[at] = mso
    end
    verified = verified and is_verified(pulse)
    ::next::
  end
  return settings, verified
end

--- A plan that is one pattern and was given whole: its pulses are those of the plan, in their order, and none
--- has to be looked for.
local function whole_pattern(items, columns)
  local item = items and #items == 1 and items[1]
  if not item or not item.layers[1] then
    return nil
  end
  local from, offsets = fractions.number(item.at), expand.offsets(item.layers)
  local numbers, planned = columns.pulse, columns.planned
  if #offsets ~= #numbers then
    return nil
  end
  local before = -1
  for k, offset in ipairs(offsets) do
    local us = planned[k]
    local apart = numbers[k] == k and us and (from + offset) * 1e6 - us
    if not apart or apart > 0.01 or apart < -0.01 or offset <= before then
      return nil
    end
    before = offset
  end
  local kind, kinds = columns.kind, columns.kinds
  return settings_of(item, function(k) return kinds[kind[k]] end, #kind)
end

local function key_of(layers, units, condition)
  local parts = { condition or "" }
  for _, layer in ipairs(layers) do
    parts[#parts + 1] = ("%d x %s"):format(layer.count, fractions.text(layer.interval))
  end
  for _, unit in ipairs(units) do
    parts[#parts + 1] = ("%s %s %s %s"):format(unit.channel, unit.intensity or "n/a", unit.reference or "n/a",
      unit.mso or "n/a")
  end
  return table.concat(parts, "; ")
end

--- The row of these parameters; the same for the same ones.
local function row_for(self, layers, units, verified, pulses, condition)
  local key = key_of(layers, units, condition)
  local row = self.by_key[key]
  if not row then
    row = { layers = layers, units = units, verified = true, pulses = 0, condition = condition }
    self.by_key[key] = row
    self.rows[#self.rows + 1] = row
  end
  row.verified, row.pulses = row.verified and verified, row.pulses + pulses
  return row
end

local function add_pattern(self, item, settings, verified, first, pulses)
  local units = {}
  for k, unit in ipairs(item.units) do
    units[k] = { channel = unit.channel, intensity = unit.intensity, reference = unit.reference,
      mso = settings[k], node = unit.node }
  end
  self.events[#self.events + 1] = { onset = fractions.number(item.at), duration = fractions.number(item.span),
    row = row_for(self, item.layers, units, verified, pulses, first.condition), condition = first.condition,
    trial_type = first.trial_type }
end

local function add_single(self, pulse)
  local unit = { channel = pulse.channel, intensity = pulse.intensity, reference = pulse.ref,
    mso = pulse.mso }
  self.events[#self.events + 1] = { onset = pulse.onset, duration = 0, pulse = pulse,
    row = row_for(self, {}, { unit }, is_verified(pulse), 1, pulse.condition),
    condition = pulse.condition, trial_type = pulse.trial_type }
end

--- Names for the rows: the protocol's, with the condition or a number where there are several.
local function name_rows(list, base)
  local taken, used = {}, {}
  for _, row in ipairs(list) do
    local name = base
    if row.condition then
      name = name .. "_" .. row.condition:gsub("[^%w]+", "")
    elseif #list > 1 and #row.layers == 0 then
      name = name .. "_pulse"
    end
    taken[name] = (taken[name] or 0) + 1
    row.id = name
  end
  local number = {}
  for _, row in ipairs(list) do
    local name = row.id
    if taken[name] > 1 then
      repeat
        number[name] = (number[name] or 0) + 1
        row.id = ("%s_%d"):format(name, number[name])
      until not (used[row.id] or taken[row.id])
    end
    used[row.id] = true
  end
end

--- Was each pulse of the plan given as it is planned, and no other?
local function is_whole(pulses, actions)
  for _, pulse in ipairs(pulses) do
    local action = pulse.pulse and actions[pulse.pulse]
    if not (action and pulse.as_planned and pulse.channel == action.channel
        and pulse.intensity == action.intensity and pulse.ref == action.reference) then
      return false
    end
  end
  return #pulses == #actions
end

--- The patterns of a plan that were given whole; the pulses that they stand for.
local function add_patterns(made, given, planned)
  local by_number, used, patterns = {}, {}, 0
  local plan, pulses = planned.plan, given.pulses
  if not plan:totals().random then
    local items = rows.items(plan, {}, planned.is_nerve)
    local settings, verified = whole_pattern(items, given.columns)
    if settings then
      add_pattern(made, items[1], settings, verified, pulses[1], #pulses)
      return nil, 1, true
    end
  end
  for _, pulse in ipairs(pulses) do
    if pulse.pulse then
      by_number[pulse.pulse] = pulse
    end
  end
  local onsets_ns, actions = rows.pulses(plan, planned.seed)
  local items = rows.items(plan, onsets_ns, planned.is_nerve)
  local numbers = items and numbers_of(items, onsets_ns, actions)
  for i, item in ipairs(numbers and items or {}) do
    local of = numbers[i]
    -- one pulse is told by when it came, not by when it was to come
    local settings, verified
    if item.layers[1] then
      settings, verified = settings_of(item, function(k)
        local pulse = by_number[of[k]]
        return pulse and getmetatable(pulse)
      end, #of)
    end
    if settings then
      add_pattern(made, item, settings, verified, by_number[of[1]], #of)
      patterns = patterns + 1
      for _, number in ipairs(of) do
        used[number] = true
      end
    end
  end
  return used, patterns, is_whole(pulses, actions)
end

--- The rows of a run.
---@param given { columns: moonpulse.DeliveredColumns, pulses: moonpulse.DeliveredPulse[] }
---@param planned { plan: moonpulse.Plan, seed: integer, is_nerve: fun(channel: string): boolean }? nil: an
---   experiment, or the plan is not known: its pulses stand one by one
---@param base string what its rows are called
---@return { rows: moonpulse.NibsRow[], events: moonpulse.NibsEvent[], patterns: integer, singles: integer,
---   whole: boolean } whole: each pulse of a plan was given as planned, and no other
function M.of(given, planned, base)
  local made = { rows = {}, events = {}, by_key = {} }
  local used, patterns, whole = {}, 0, false
  if planned then
    used, patterns, whole = add_patterns(made, given, planned)
  end
  local singles = 0
  for _, pulse in ipairs(used and given.pulses or {}) do
    if not (pulse.pulse and used[pulse.pulse]) then
      add_single(made, pulse)
      singles = singles + 1
    end
  end
  for i, event in ipairs(made.events) do
    event.order = i
  end
  table.sort(made.events, function(a, b)
    return a.onset < b.onset or a.onset == b.onset and a.order < b.order
  end)
  name_rows(made.rows, base)
  return { rows = made.rows, events = made.events, patterns = patterns, singles = singles, whole = whole }
end

return M
