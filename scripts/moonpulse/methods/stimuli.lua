--- The stimuli that a list of pulses is made of: single pulses, pairs, trains. A trial of the record is one,
--- however far apart its pulses are; so that a plan, a run and an experiment are counted by the same rule.
local M = {}

--- Pulses that follow each other within this belong to one stimulus, also where each is a trial of its own,
--- as four are that a protocol repeats every 5 ms (LICI has up to 300 ms between its two).
M.within_s = 0.3

local most_kinds = 12 -- with more of them, long intervals do not tell kinds apart: they may be drawn

---@class moonpulse.StimulusKind
---@field pulses integer of each stimulus
---@field count integer
---@field channels string[] of its pulses; of a train each once
---@field shortest number? seconds, between two of its pulses
---@field longest number?
---@field span number seconds, first to last pulse
---@field span_longest number the same of the longest of them
---@field is_train boolean at one rate, or with no more than 0.3 s between two pulses; else it is a trial that
---   is made of several things
---@field doses moonpulse.PulseDose[][] of its pulses, each intensity once: of a single pulse and a pair
---   pulse by pulse, of a train of all its pulses

---@class moonpulse.PulseDose
---@field channel string
---@field intensity number
---@field reference string
---@field mso number?
---@field count integer

---@class moonpulse.Stimuli
---@field kinds moonpulse.StimulusKind[] by first appearance
---@field count integer of stimuli
---@field shortest number? seconds from onset to onset, within a block
---@field longest number?
---@field mean number?
---@field break_shortest number? the same from the last of a block to the first of the next
---@field break_longest number?
---@field silence_shortest number? seconds, from the last pulse of one to the first of the next
---@field silence_longest number?

--- When it is planned, where the record says so: of a real run no two are alike as they were given.
local function planned_at(pulses, i)
  return pulses.planned_us and pulses.kinds[pulses.kind[i]].planned and pulses.planned_us[i] / 1e6
    or pulses.at[i]
end

--- What stimuli of one kind have in common: channels and times; of loose kinds long intervals only alike.
local function key_of(pulses, first, last, is_loose)
  local parts, from, at = {}, nil, pulses.at
  for i = first, last do
    local planned = planned_at(pulses, i)
    if is_loose and i > first and at[i] - at[i - 1] > M.within_s then
      parts[#parts + 1], from = "later", planned
    end
    from = from or planned
    parts[#parts + 1] = ("%s@%.0f"):format(pulses.kinds[pulses.kind[i]].channel, (planned - from) * 1e5)
  end
  return table.concat(parts, " ")
end

--- The keys of all stimuli. Those of one pulse, of which there may be a million, are of its channel alone.
local function keys_of(pulses, firsts)
  local keys, of_one = {}, {}
  for _, is_loose in ipairs { false, true } do
    local seen, kinds = {}, 0
    for i = 1, #firsts do
      local first, last = firsts[i], (firsts[i + 1] or pulses.count + 1) - 1
      local kind = first == last and pulses.kind[first]
      local key = kind and of_one[kind] or key_of(pulses, first, last, is_loose)
      if kind then
        of_one[kind] = key
      end
      keys[i] = key
      kinds, seen[key] = kinds + (seen[key] and 0 or 1), true
    end
    if kinds <= most_kinds then
      break
    end
  end
  return keys
end

local most_told = 2 -- pulses that are told one by one

local function kind_of(pulses, first, last)
  local kind = { pulses = last - first + 1, count = 0, channels = {}, doses = {}, by_dose = {},
    is_train = true }
  local is_train, seen = kind.pulses > most_told, {}
  for i = first, last do
    local channel = pulses.kinds[pulses.kind[i]].channel
    if not is_train or not seen[channel] then
      kind.channels[#kind.channels + 1], seen[channel] = channel, true
    end
    local place = is_train and 1 or i - first + 1
    kind.doses[place], kind.by_dose[place] = {}, {}
  end
  return kind
end

--- Its times, among those of its kind.
local function add_times(kind, at, first, last)
  local span, low, high = at[last] - at[first], nil, nil
  for i = first + 1, last do
    local interval = at[i] - at[i - 1]
    low, high = math.min(low or interval, interval), math.max(high or interval, interval)
  end
  if low then
    kind.shortest, kind.longest = math.min(kind.shortest or low, low), math.max(kind.longest or high, high)
    kind.is_train = kind.is_train and (high <= M.within_s or high - low < low / 100)
  end
  kind.span, kind.span_longest = math.min(kind.span or span, span), math.max(kind.span_longest or span, span)
  kind.count = kind.count + 1
end

--- The dose of pulses at a place of a kind of stimuli; pulses of several kinds may have one.
local function dose_of(kind, place, pulse)
  local key = ("%s %s %s %s"):format(pulse.channel, pulse.intensity, pulse.reference, pulse.mso)
  local dose = kind.by_dose[place][key]
  if not dose then
    dose = { channel = pulse.channel, intensity = pulse.intensity, reference = pulse.reference,
      mso = pulse.mso,
      count = 0 }
    kind.by_dose[place][key] = dose
    table.insert(kind.doses[place], dose)
  end
  return dose
end

local function count_dose(kind, place, pulses, i)
  local number, known = pulses.kind[i], kind.by_dose[place]
  local dose = known[number]
  if not dose then
    dose = dose_of(kind, place, pulses.kinds[number])
    known[number] = dose
  end
  dose.count = dose.count + 1
  return dose
end

--- How many pulses each trial has.
local function sizes_of(pulses)
  local sizes, trial = {}, pulses.trial
  for i = 1, pulses.count do
    local number = trial[i]
    if number then
      sizes[number] = (sizes[number] or 0) + 1
    end
  end
  return sizes
end

--- Does a stimulus end between a pulse and the one before it? Always after and before a pair, which has a
--- trial of its own.
local function is_end(pulses, i, of_trials, sizes)
  local before, after = pulses.trial[i - 1], pulses.trial[i]
  if before and before == after then
    return false
  elseif before and after and (of_trials and pulses.kinds[pulses.kind[i - 1]].block or sizes[before] == 2
    or sizes[after] == 2) then
    return true
  end
  return pulses.at[i] - pulses.at[i - 1] > M.within_s
end

--- Where each stimulus begins. A trial may end within another one, where they are side by side.
local function cut(pulses, of_trials)
  local firsts, sizes = {}, sizes_of(pulses)
  firsts[1] = pulses.count > 0 and 1 or nil
  for i = 2, pulses.count do
    if is_end(pulses, i, of_trials, sizes) then
      firsts[#firsts + 1] = i
    end
  end
  return firsts
end

--- How long it is from stimulus to stimulus. There may be a million.
local function add_intervals(found, pulses, firsts)
  local at, of_kind, kinds = pulses.at, pulses.kind, pulses.kinds
  local within, between, silence = { sum = 0, count = 0 }, { sum = 0, count = 0 }, { sum = 0, count = 0 }
  local function add(range, value)
    range.sum, range.count = range.sum + value, range.count + 1
    if not range.low then
      range.low, range.high = value, value
    elseif value < range.low then
      range.low = value
    elseif value > range.high then
      range.high = value
    end
  end
  for i = 2, #firsts do
    local first, before = firsts[i], firsts[i - 1]
    local is_break = of_kind[first] ~= of_kind[before]
      and kinds[of_kind[first]].block ~= kinds[of_kind[before]].block
    add(is_break and between or within, at[first] - at[before])
    add(silence, at[first] - at[first - 1])
  end
  if within.count == 0 and between.low then -- each block is one stimulus
    within, between = between, {}
    within.sum, within.count = at[firsts[#firsts]] - at[1], #firsts - 1
  end
  found.shortest, found.longest = within.low, within.high
  found.mean = within.count > 0 and within.sum / within.count or nil
  found.break_shortest, found.break_longest = between.low, between.high
  found.silence_shortest, found.silence_longest = silence.low, silence.high
end

--- The stimuli of pulses that are sorted by time.
---@param pulses moonpulse.ListedPulses
---@param of_trials boolean? the blocks are of mp.trials: each of their trials is a stimulus, however close
---@return moonpulse.Stimuli
function M.of(pulses, of_trials)
  local found, by_key = { kinds = {}, count = 0 }, {}
  local firsts = cut(pulses, of_trials)
  local keys, one, dose, number = keys_of(pulses, firsts), nil, nil, nil
  for i = 1, #firsts do
    local first, last = firsts[i], (firsts[i + 1] or pulses.count + 1) - 1
    local kind = by_key[keys[i]]
    if first == last and kind and kind == one and pulses.kind[first] == number then -- another of those pulses
      kind.count, dose.count = kind.count + 1, dose.count + 1
    else
      if not kind then
        kind = kind_of(pulses, first, last)
        by_key[keys[i]], found.kinds[#found.kinds + 1] = kind, kind
      end
      add_times(kind, pulses.at, first, last)
      for place = 1, kind.pulses do
        dose = count_dose(kind, math.min(place, #kind.doses), pulses, first + place - 1)
      end
      one, number = first == last and kind or nil, pulses.kind[first]
    end
  end
  for _, kind in ipairs(found.kinds) do
    kind.by_dose = nil
  end
  found.count = #firsts
  add_intervals(found, pulses, firsts)
  return found
end

return M
