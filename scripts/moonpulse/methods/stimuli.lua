--- The stimuli that a list of pulses is made of: single pulses, pairs, trains; told from the times alone, so
--- that a plan, a run and an experiment are counted by the same rule.
local M = {}

--- Pulses that follow each other within this belong to one stimulus (LICI has up to 300 ms between its two).
M.within_s = 0.3

---@class moonpulse.StimulusKind
---@field pulses integer of each stimulus
---@field count integer
---@field channels string[] of its pulses; of a train each once
---@field shortest number? seconds, between two of its pulses
---@field longest number?
---@field span number seconds, first to last pulse
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

--- Are the times between all pulses the same?
local function is_even(pulses)
  local step = #pulses > 2 and pulses[2].at - pulses[1].at
  for i = 3, step and #pulses or 0 do
    if math.abs(pulses[i].at - pulses[i - 1].at - step) > 2e-6 then
      return false
    end
  end
  return step and step > 0
end

local function key_of(pulses, first, last)
  local parts = {}
  for i = first, last do
    parts[#parts + 1] = ("%s@%.0f"):format(pulses[i].channel, (pulses[i].at - pulses[first].at) * 1e5)
  end
  return table.concat(parts, " ")
end

local most_told = 2 -- pulses that are told one by one

local function kind_of(pulses, first, last)
  local kind = { pulses = last - first + 1, count = 0, channels = {}, doses = {},
    span = pulses[last].at - pulses[first].at, by_dose = {} }
  local is_train, seen = kind.pulses > most_told, {}
  for i = first, last do
    local channel = pulses[i].channel
    if not is_train or not seen[channel] then
      kind.channels[#kind.channels + 1], seen[channel] = channel, true
    end
    if i > first then
      local interval = pulses[i].at - pulses[i - 1].at
      kind.shortest = math.min(kind.shortest or interval, interval)
      kind.longest = math.max(kind.longest or interval, interval)
    end
    local place = is_train and 1 or i - first + 1
    kind.doses[place], kind.by_dose[place] = {}, {}
  end
  return kind
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

--- Where each stimulus begins and ends.
local function cut(pulses)
  local cuts, first = {}, 1
  for i = 2, #pulses do
    if pulses[i].at - pulses[i - 1].at > M.within_s then
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
---   block: integer? }[]
---@return moonpulse.Stimuli
function M.of(pulses)
  local found, by_key, sum, intervals = { kinds = {}, count = 0 }, {}, 0, 0
  local cuts = cut(pulses)
  local function widen(low, high, value)
    found[low] = math.min(found[low] or value, value)
    found[high] = math.max(found[high] or value, value)
  end
  for i, each in ipairs(cuts) do
    local first, last = each[1], each[2]
    local key = key_of(pulses, first, last)
    local kind = by_key[key]
    if not kind then
      kind = kind_of(pulses, first, last)
      by_key[key], found.kinds[#found.kinds + 1] = kind, kind
    end
    kind.count = kind.count + 1
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
  found.is_even = #cuts == #pulses and is_even(pulses) or false
  return found
end

return M
