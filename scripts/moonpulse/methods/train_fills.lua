--- What fills the items of a reporting checklist on bursts and trains, from the levels of a plan. Each
--- function gets the facts and gives a text and its source, or nil: there is no plan.
local numbers = require "moonpulse.text.numbers"
local structure = require "moonpulse.methods.structure"
local wording = require "moonpulse.methods.wording"

local fills = {}

local seconds, told = numbers.seconds, wording.seconds -- of a plan, and of what was drawn

--- Of the levels of each part of the plan.
local function of_levels(text_of)
  return function(facts)
    local parts = {}
    for _, levels in ipairs(facts.parts) do
      parts[#parts + 1] = text_of(levels) or nil
    end
    local planned = #facts.deviations > 0 and " (as planned)" or ""
    return #parts > 0 and table.concat(parts, "; then ") .. planned or nil, "protocol"
  end
end

local no_trains = "does not apply: no trains, but single pulses or pairs"

--- Of a chain of repetitions: what of_train says of the level that repeats trains, or of_one of one train
--- that does not pause.
local function of_chain(of_train, of_one)
  return of_levels(function(levels)
    local at = structure.train_level(levels)
    if at then
      return of_train(levels[at], levels, at)
    elseif #levels > 0 then
      return levels[#levels].spacing == "train" and of_one(levels[#levels]) or no_trains
    end
  end)
end

fills.train_pulses = of_chain(function(train)
  return numbers.count(train.pulses)
end, function(train)
  return ("%s, in one train"):format(numbers.count(train.count * train.pulses))
end)

fills.rate = of_levels(function(levels)
  local parts, last = {}, (structure.train_level(levels) or #levels + 1) - 1
  if #levels > 0 and levels[last].spacing ~= "train" then
    return no_trains
  end
  for i = 1, last do
    parts[i] = ("%s every %s (%.6g Hz)"):format(i == 1 and "pulses" or "bursts", seconds(levels[i].every),
      1 / levels[i].every)
  end
  return parts[1] and table.concat(parts, ", ")
end)

fills.train_duration = of_chain(function(train)
  return ("%s nominal, %s from the first to the last pulse"):format(seconds(train.span),
    seconds(train.first_to_last))
end, function(train)
  return ("%s nominal, in one train"):format(seconds(train.every * train.count))
end)

local function between(level)
  if not level.gap then
    return numbers.range(level.every, level.longest, told) .. " from onset to onset, drawn"
  end
  return ("%s from the nominal end to the next onset, %s from the last pulse to the next one, %s from onset "
    .. "to onset"):format(seconds(level.gap), seconds(level.silence), seconds(level.every))
end

fills.gap = of_chain(function(train, levels, at)
  local parts = { between(train) }
  for i = at + 1, #levels do
    parts[#parts + 1] = "blocks: " .. between(levels[i])
  end
  return table.concat(parts, "; ")
end, function()
  return "does not apply: one train"
end)

fills.trains = of_chain(function(train, levels, at)
  local text = numbers.count(train.count)
  for i = at + 1, #levels do
    text = ("%s in each of %s blocks"):format(text, numbers.count(levels[i].count))
  end
  return text
end, function()
  return "1"
end)

--- Of the bursts that trains are made of.
local function of_bursts(text_of)
  return of_levels(function(levels)
    local last = (structure.train_level(levels) or #levels + 1) - 1
    if #levels == 0 then
      return nil
    elseif levels[last].spacing ~= "train" then
      return no_trains
    end
    return last > 1 and text_of(levels[last], levels, last) or "does not apply: no bursts in the trains"
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
