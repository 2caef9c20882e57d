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

--- What stimuli of one kind have in common: channels and times; of loose kinds long intervals only alike.
local function key_of(pulses, first, last, is_loose)
  local parts, from = {}, nil
  for i = first, last do
    local at = pulses[i].planned or pulses[i].at -- of a real run no two are alike as they were given
    if is_loose and i > first and pulses[i].at - pulses[i - 1].at > M.within_s then
      parts[#parts + 1], from = "later", at
    end
    from = from or at
    parts[#parts + 1] = ("%s@%.0f"):format(pulses[i].channel, (at - from) * 1e5)
  end
  return table.concat(parts, " ")
end

--- The keys of all stimuli.
local function keys_of(pulses, cuts)
  local keys, seen, kinds
  for _, is_loose in ipairs { false, true } do
    keys, seen, kinds = {}, {}, 0
    for i, each in ipairs(cuts) do
      keys[i] = key_of(pulses, each[1], each[2], is_loose)
      kinds, seen[keys[i]] = kinds + (seen[keys[i]] and 0 or 1), true
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
    local channel = pulses[i].channel
    if not is_train or not seen[channel] then
      kind.channels[#kind.channels + 1], seen[channel] = channel, true
    end
    local place = is_train and 1 or i - first + 1
    kind.doses[place], kind.by_dose[place] = {}, {}
  end
  return kind
end

--- Its times, among those of its kind.
local function add_times(kind, pulses, first, last)
  local span, low, high = pulses[last].at - pulses[first].at, nil, nil
  for i = first + 1, last do
    local interval = pulses[i].at - pulses[i - 1].at
    low, high = math.min(low or interval, interval), math.max(high or interval, interval)
  end
  if low then
    kind.shortest, kind.longest = math.min(kind.shortest or low, low), math.max(kind.longest or high, high)
    kind.is_train = kind.is_train and (high <= M.within_s or high - low < low / 100)
  end
  kind.span, kind.span_longest = math.min(kind.span or span, span), math.max(kind.span_longest or span, span)
  kind.count = kind.count + 1
end

local function count_dose(kind, place, pulse)
  local key = ("%s %s %s %s"):format(pulse.channel, pulse.intensity, pulse.reference, pulse.mso)
  local dose = kind.by_dose[place][key]
  if not dose then
    dose = { channel = pulse.channel, intensity = pulse.intensity, reference = pulse.reference,
      mso = pulse.mso,
      count = 0 }
    kind.by_dose[place][key] = dose
    table.insert(kind.doses[place], dose)
  end
  dose.count = dose.count + 1
end

--- How many pulses each trial has.
local function sizes_of(pulses)
  local sizes = {}
  for _, pulse in ipairs(pulses) do
    if pulse.trial then
      sizes[pulse.trial] = (sizes[pulse.trial] or 0) + 1
    end
  end
  return sizes
end

--- Does a stimulus end between two pulses? Always after and before a pair, which has a trial of its own.
local function is_end(before, after, of_trials, sizes)
  if before.trial and before.trial == after.trial then
    return false
  elseif before.trial and after.trial and (of_trials and before.block or sizes[before.trial] == 2
    or sizes[after.trial] == 2) then
    return true
  end
  return after.at - before.at > M.within_s
end

--- Where each stimulus begins and ends. A trial may end within another one, where they are side by side.
local function cut(pulses, of_trials)
  local cuts, first, sizes = {}, 1, sizes_of(pulses)
  for i = 2, #pulses do
    if is_end(pulses[i - 1], pulses[i], of_trials, sizes) then
      cuts[#cuts + 1] = { first, i - 1 }
      first = i
    end
  end
  if #pulses > 0 then
    cuts[#cuts + 1] = { first, #pulses }
  end
  return cuts
end

--- The stimuli of pulses that are sorted by time.
---@param pulses { at: number, channel: string, intensity: number, reference: string, mso: number?,
---   trial: integer?, block: integer?, planned: number? }[] trial: of the record; nil: an old one, which does
---   not number them; planned: seconds, where at is when it was given
---@param of_trials boolean? the blocks are of mp.trials: each of their trials is a stimulus, however close
---@return moonpulse.Stimuli
function M.of(pulses, of_trials)
  local found, by_key, sum, intervals = { kinds = {}, count = 0 }, {}, 0, 0
  local cuts = cut(pulses, of_trials)
  local keys = keys_of(pulses, cuts)
  local function widen(low, high, value)
    found[low] = math.min(found[low] or value, value)
    found[high] = math.max(found[high] or value, value)
  end
  for i, each in ipairs(cuts) do
    local first, last = each[1], each[2]
    local kind = by_key[keys[i]]
    if not kind then
      kind = kind_of(pulses, first, last)
      by_key[keys[i]], found.kinds[#found.kinds + 1] = kind, kind
    end
    add_times(kind, pulses, first, last)
    for place = 1, kind.pulses do
      count_dose(kind, math.min(place, #kind.doses), pulses[first + place - 1])
    end
    local before = cuts[i - 1]
    if before then
      local interval = pulses[first].at - pulses[before[1]].at
      if pulses[first].block ~= pulses[before[1]].block then
        widen("break_shortest", "break_longest", interval)
      else
        sum, intervals = sum + interval, intervals + 1
        widen("shortest", "longest", interval)
      end
      widen("silence_shortest", "silence_longest", pulses[first].at - pulses[before[2]].at)
    end
  end
  found.count = #cuts
  found.mean = intervals > 0 and sum / intervals or nil
  if intervals == 0 and found.break_shortest then -- each block is one stimulus
    found.shortest, found.longest, found.mean = found.break_shortest, found.break_longest,
      (pulses[cuts[#cuts][1]].at - pulses[1].at) / (#cuts - 1)
    found.break_shortest, found.break_longest = nil, nil
  end
  return found
end

return M
