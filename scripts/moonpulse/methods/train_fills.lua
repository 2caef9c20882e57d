--- What fills the items of a reporting checklist on bursts and trains, from the levels of a plan. Each
--- function gets the facts and gives a text and its source, or nil: there is no plan, or it has trains that
--- cannot be told shortly. That there are none, or only one, says the count of the pulses themselves.
local numbers = require "moonpulse.text.numbers"
local structure = require "moonpulse.methods.structure"
local wording = require "moonpulse.methods.wording"

local fills = {}

local seconds, told = numbers.seconds, wording.seconds -- of a plan, and of what was drawn

local no_trains = "does not apply: no trains, but single pulses or pairs"
local no_structure = "does not apply: no repeated trains are planned"

--- The trains of a plan by the kinds of its stimuli; nil: it has too many pulses to count them.
local function counted_of(facts)
  local found, trains, count = facts.planned, {}, 0
  for _, kind in ipairs(found and found.kinds or {}) do
    if kind.pulses > 2 then
      trains[kind.pulses], count = (trains[kind.pulses] or 0) + kind.count, count + kind.count
    end
  end
  return found and trains, count
end

--- Do parts have all trains that were counted, and no others?
local function are_all(parts, trains)
  local told_ones = structure.trains(parts)
  for pulses, count in pairs(told_ones) do
    if pulses > 2 and trains[pulses] ~= count then
      return false
    end
  end
  for pulses in pairs(trains) do
    if not told_ones[pulses] then
      return false
    end
  end
  return true
end

--- The parts that have trains.
local function with_trains(parts)
  local list = {}
  for _, part in ipairs(parts) do
    list[#list + 1] = next(structure.trains { part }) and part or nil
  end
  return list
end

--- What text_of says of the parts that have trains; where these are no chains, of_kinds says it from the
--- pulses.
local function of_trains(text_of, of_kinds)
  return function(facts)
    if #facts.parts == 0 then
      return nil
    end
    local trains, count = counted_of(facts)
    if trains and count == 0 and not next(structure.trains(facts.parts)) then
      local levels = facts.parts[1].levels
      return levels and #levels > 0 and no_trains or no_structure, "protocol"
    elseif trains and not are_all(facts.parts, trains) then
      local text = of_kinds and of_kinds(facts.planned)
      return text, text and "engine" or nil
    end
    local list = with_trains(facts.parts)
    local text = list[1] and text_of(list, facts.parts)
    return text and text .. (#facts.deviations > 0 and " (as planned)" or "") or nil, "protocol"
  end
end

--- Of each part what of_level says of the level that repeats trains, or of_one of one train that does not
--- pause.
local function each_part(of_level, of_one)
  return function(list)
    local parts = {}
    for i, part in ipairs(list) do
      local levels = part.levels
      local at = structure.train_level(levels)
      parts[i] = at and of_level(levels[at], levels, at) or not at and of_one(levels[#levels], levels)
      if not parts[i] then
        return nil
      end
    end
    return table.concat(parts, "; then ")
  end
end

--- Of the kinds of trains what text_of says, with how many there are; nil: of one it cannot be said.
local function each_kind(text_of)
  return function(found)
    local parts = {}
    for _, kind in ipairs(found.kinds) do
      local text = kind.pulses > 2 and kind.is_train and text_of(kind)
      if kind.pulses > 2 and not text then
        return nil
      end
      parts[#parts + 1] = text and ("%s (%s)"):format(text, numbers.counted(kind.count, "train")) or nil
    end
    return #parts <= 12 and table.concat(parts, "; ") or nil
  end
end

fills.train_pulses = of_trains(each_part(function(train)
  return numbers.count(train.pulses)
end, function(train)
  return ("%s, in one train"):format(numbers.count(train.count * train.pulses))
end), each_kind(function(kind) return numbers.count(kind.pulses) end))

local function rate_of(levels, last)
  local parts = {}
  for i = 1, last do
    if levels[i].longest - levels[i].every > 1e-9 then
      return nil -- it has none
    end
    parts[i] = ("%s every %s (%.6g Hz)"):format(i == 1 and "pulses" or "bursts", seconds(levels[i].every),
      1 / levels[i].every)
  end
  return table.concat(parts, ", ")
end

fills.rate = of_trains(each_part(function(_, levels, at)
  return rate_of(levels, at - 1)
end, function(_, levels)
  return rate_of(levels, #levels)
end), each_kind(function(kind)
  return kind.longest - kind.shortest < 1e-5 and ("pulses every %s (%.6g Hz)"):format(told(kind.shortest),
    1 / wording.rounded(kind.shortest)) or nil
end))

fills.train_duration = of_trains(each_part(function(train)
  return ("%s nominal, %s from the first to the last pulse"):format(seconds(train.span),
    seconds(train.first_to_last))
end, function(train)
  return ("%s nominal, in one train"):format(seconds(train.every * train.count))
end), each_kind(function(kind)
  return ("%s from the first to the last pulse"):format(numbers.range(kind.span, kind.span_longest, told))
end))

local function between(level)
  if not level.gap then
    return numbers.range(level.every, level.longest, told) .. " from onset to onset"
      .. (level.is_drawn and ", drawn" or "")
  end
  return ("%s from the nominal end to the next onset, %s from the last pulse to the next one, %s from onset "
    .. "to onset"):format(seconds(level.gap), seconds(level.silence), seconds(level.every))
end

--- From part to part: the shortest and the longest, in words; nil: of one it is not known.
local function between_parts(all)
  local low, high
  for i = 2, #all do
    local pause = all[i].pause
    if not pause then
      return nil
    end
    low, high = math.min(low or pause.min, pause.min), math.max(high or pause.max, pause.max)
  end
  return low and ("from part to part %s from the nominal end to the next onset"):format(
    numbers.range(low, high, told))
end

fills.gap = of_trains(function(list, all)
  local parts = {}
  for _, part in ipairs(list) do
    local at = structure.train_level(part.levels)
    for i = at or #part.levels + 1, #part.levels do
      parts[#parts + 1] = (i > at and "blocks: " or "") .. between(part.levels[i])
    end
  end
  if #list > 1 then
    local text = #list == #all and between_parts(all)
    if not text then
      return nil
    end
    parts[#parts + 1] = text
  end
  return parts[1] and table.concat(parts, "; ") or "does not apply: one train"
end, function(found)
  for _, kind in ipairs(found.kinds) do
    if kind.pulses <= 2 or not kind.is_train then
      return nil -- of the time between two trains that have others between them
    end
  end
  return found.silence_shortest and numbers.range(found.silence_shortest, found.silence_longest, told)
    .. " from the last pulse to the next one"
end)

fills.trains = of_trains(each_part(function(train, levels, at)
  local text = numbers.count(train.count)
  for i = at + 1, #levels do
    text = ("%s in each of %s blocks"):format(text, numbers.count(levels[i].count))
  end
  return text
end, function()
  return "1"
end), function(found)
  local parts = {}
  for _, kind in ipairs(found.kinds) do
    if kind.pulses > 2 then
      parts[#parts + 1] = kind.is_train and ("%s of %s pulses"):format(numbers.count(kind.count),
        numbers.count(kind.pulses)) or nil
      if not kind.is_train or #parts > 12 then
        return nil
      end
    end
  end
  return table.concat(parts, "; ")
end)

--- Of the bursts that trains are made of.
local function of_bursts(text_of)
  local function of_part(_, levels, at)
    local last = (at or #levels + 1) - 1
    return last > 1 and text_of(levels[last], levels, last) or "no bursts in the trains"
  end
  return of_trains(function(list)
    local has_bursts = false
    for _, part in ipairs(list) do
      has_bursts = has_bursts or (structure.train_level(part.levels) or #part.levels + 1) > 2
    end
    return has_bursts and each_part(of_part, function(last, levels) return of_part(last, levels) end)(list)
      or "does not apply: no bursts in the trains"
  end, function(found)
    for _, kind in ipairs(found.kinds) do -- at one rate they have none
      if kind.pulses > 2 and kind.longest - kind.shortest > 1e-5 then
        return nil
      end
    end
    return "does not apply: no bursts in the trains"
  end)
end

fills.burst_pulses = of_bursts(function(burst) return numbers.count(burst.pulses) end)
fills.burst_gap = of_bursts(between)
fills.bursts = of_bursts(function(burst, levels, last)
  local all = burst.count
  for i = last + 1, #levels do
    all = all * levels[i].count
  end
  return last < #levels and ("%s in a train, %s in all"):format(numbers.count(burst.count),
    numbers.count(all)) or ("%s, in one train"):format(numbers.count(all))
end)

return fills
