--- The methods section of several runs of a study: what is the same in all of them once, what differs with
--- the runs that it is of, and sums over all.
local numbers = require "moonpulse.text.numbers"
local paragraphs = require "moonpulse.methods.paragraph"
local threshold_words = require "moonpulse.methods.threshold_words"
local wording = require "moonpulse.methods.wording"

local M = {}

--- Numbers of runs as ranges: "1 to 3, 5".
local function ranges(list)
  local parts, from = {}, 1
  for i = 1, #list do
    if list[i + 1] ~= list[i] + 1 then
      parts[#parts + 1] = i == from and ("%d"):format(list[i])
        or ("%d%s%d"):format(list[from], i == from + 1 and ", " or " to ", list[i])
      from = i + 1
    end
  end
  return table.concat(parts, ", ")
end

-- an intensity's %MSO, which follows from the participant's threshold: it alone makes no other sentence
local mso = "%(([%d.]+) %%MSO%)"

--- Take the %MSO of a sentence into the ranges of those that are the same but for it.
local function widen(found, text)
  local i = 0
  for value in text:gmatch(mso) do
    i = i + 1
    local range = found.mso[i] or { math.huge, 0 }
    range[1], range[2] = math.min(range[1], tonumber(value)), math.max(range[2], tonumber(value))
    found.mso[i] = range
  end
end

--- A sentence with the ranges of its %MSO.
local function with_ranges(found)
  local i = 0
  return (found.text:gsub(mso, function()
    i = i + 1
    local range = found.mso[i]
    return range[1] == range[2] and ("(%g %%MSO)"):format(range[1]) or ("(%g to %g %%MSO)"):format(range[1],
      range[2])
  end))
end

--- Without what is said of all of them together; following: which run continues this one.
local function sentences_of(facts, following)
  local started = facts.started
  facts.started = nil
  local list = paragraphs.sentences(facts)
  facts.started = started
  for _, each in ipairs(following and list or {}) do
    each.text = each.text:gsub("not reached%.?$", ("not reached in it, and run %d continues it."):format(
      following))
  end
  return list
end

--- Which runs these are, of whom, and from when to when.
local function about(all, names)
  local days, people, without, known, codes = {}, 0, 0, {}, {}
  for _, facts in ipairs(all) do
    days[#days + 1] = type(facts.started) == "string" and facts.started:match("^%d+%-%d+%-%d+") or nil
    local code = facts.participant
    without = without + (type(code) == "string" and 0 or 1)
    if type(code) == "string" and not known[code] then
      known[code], people, codes[#codes + 1] = true, people + 1, code
    end
  end
  table.sort(days)
  table.sort(codes)
  local first, last = days[1] and wording.day(days[1]), days[1] and wording.day(days[#days])
  local nobody = without > 0 and people > 0
    and ("; %s without a code"):format(numbers.counted(without, "run")) or ""
  local of = people > 0 and (" of %s (%s%s)"):format(numbers.counted(people, "participant"),
    table.concat(codes, ", "), nobody) or ""
  local list = {}
  for i, name in ipairs(names) do
    list[i] = ("run %d is %s"):format(i, name)
  end
  return ("This is of %s%s%s: %s"):format(numbers.counted(#all, "run"), of,
    not first and "" or first == last and (", on %s"):format(first)
      or (", from %s to %s"):format(first, last), table.concat(list, ", "))
end

--- Lowest, highest and mean of what all have of a threshold, of each device by itself where a run had
--- several.
local function thresholds(all, add)
  local list, of = {}, {}
  for _, facts in ipairs(all) do
    for _, each in ipairs(facts.thresholds) do
      local key = each.name .. (each.device or "")
      local found = of[key]
      if not found then
        found = { of = each, count = 0, sum = 0, low = math.huge, high = 0 }
        of[key], list[#list + 1] = found, found
      end
      found.count, found.sum = found.count + 1, found.sum + each.value
      found.low, found.high = math.min(found.low, each.value), math.max(found.high, each.value)
    end
  end
  for _, found in ipairs(list) do
    if found.count > 1 and found.high > found.low then
      add("threshold", ("The %s%s was %g to %g %%MSO, %.1f %%MSO in the mean of %d runs"):format(
        paragraphs.names[found.of.name], threshold_words.whose(found.of), found.low, found.high,
        found.sum / found.count, found.count))
    end
  end
end

local function name_of(path)
  return path:match("([^/]+)/*$") or path
end

--- The run among these that goes on with one of them: its facts and which run it is.
local function next_of(number, all, names)
  for i, other in ipairs(all) do
    if i ~= number and other.continues == name_of(names[number]) then
      return other, i
    end
  end
  return nil
end

--- Pulses that a script asked for in a run that broke off, and again in the one that goes on with it.
local function again(number, all, names)
  local other = next_of(number, all, names)
  return other and math.min(all[number].not_reached or 0, other.pulses.planned or 0) or 0
end

--- The pulses of all runs together; a run whose plan nobody kept has none that are planned, and those of one
--- that
--- goes on with another one are among that one's. Of an experiment each has what its own script asked for;
--- what the run that it goes on with did not come to is asked for again, and counts once.
local function dose(all, names, add)
  local pulses, scripted = { planned = 0, delivered = 0, confirmed = 0 }, true
  local there = {}
  for _, name in ipairs(names) do
    there[name_of(name)] = true
  end
  for number, facts in ipairs(all) do
    local each = facts.pulses
    local is_script = facts.kind == "experiment"
    local planned = not is_script and there[facts.continues or false] and 0 or each.planned
    planned = planned and is_script and planned - again(number, all, names) or planned
    scripted = scripted and is_script
    pulses.planned = pulses.planned and planned and pulses.planned + planned or nil
    pulses.delivered = pulses.delivered + each.delivered
    pulses.confirmed = pulses.confirmed + (each.confirmed or 0)
  end
  local words = paragraphs.given_words(pulses, nil, scripted):gsub("^%u", string.lower)
  add("dose", "In all runs together: " .. words)
end

--- The sentences on all runs, in the order of a methods section.
---@param all moonpulse.MethodsFacts[] of runs, at least two
---@param names string[] of their folders
---@return moonpulse.Sentence[]
function M.sentences(all, names)
  local by_key, list, made = {}, {}, {}
  for number, facts in ipairs(all) do
    local _, following = next_of(number, all, names)
    for _, sentence in ipairs(sentences_of(facts, following)) do
      local key = sentence.id .. " " .. sentence.text:gsub(mso, "(MSO)")
      local found = by_key[key]
      if not found then
        found = { id = sentence.id, text = sentence.text, runs = {}, mso = {} }
        by_key[key], list[#list + 1] = found, found
      end
      widen(found, sentence.text)
      if found.runs[#found.runs] ~= number then
        found.runs[#found.runs + 1] = number
      end
    end
  end
  local function add(id, text)
    made[#made + 1] = { id = id, text = text .. "." }
  end
  add("protocol", about(all, names))
  for _, id in ipairs(paragraphs.order) do
    if id == "threshold" then
      thresholds(all, add)
    elseif id == "dose" then
      dose(all, names, add)
    end
    local is_first = id == "dose" -- after the sum over all runs
    for _, found in ipairs(list) do
      if found.id == id then
        local text = with_ranges(found):gsub("%.$", "")
        add(id, #found.runs < #all and ("%s (run%s %s)"):format(text, #found.runs > 1 and "s" or "",
          ranges(found.runs)) or is_first and "In each run: " .. text:gsub("^%u", string.lower) or text)
        is_first = false
      end
    end
  end
  return made
end

return M
