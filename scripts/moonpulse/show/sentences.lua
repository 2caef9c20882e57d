--- A plan in sentences: what is given, how often, at which intervals and intensities, as a paper has it.
local core = require "moonpulse.core"
local drawn_words = require "moonpulse.show.drawn_words"
local numbers = require "moonpulse.text.numbers"
local outline = require "moonpulse.show.outline"
local ramps = require "moonpulse.show.ramps"
local sorting = require "moonpulse.text.sorting"

local M = {}

local seconds = numbers.seconds

local most_cell, most_parts, most_nodes = 6, 12, 400 -- pulses of a cell; parts that are told; nodes walked

---@class moonpulse.Wording what a sentence needs beside the plan
---@field dose (fun(view: table, channel: string): string)? an intensity in words; nil: as it is written
---@field channel string? of what is inside a channel node
---@field drawn moonpulse.DrawnOrders|boolean|nil which orders of trials are drawn: their kinds are told
---   sorted; true: all
---@field orders table<integer, boolean> ids of trials in a drawn order that were told
---@field with_drawn table<integer, boolean> by ids of parts: is there a drawn order in them?
---@field left integer how many nodes may still be told; what is beyond is counted, never dropped unsaid

local nouns = { pulse = true, burst = true, train = true, pair = true }

--- Is there a node in a sequence of which found(node, view) is true?
local function has(plan, view, found)
  if found(plan, view) then
    return true
  end
  for i = 1, (view.kind == "sequence" or view.kind == "repeat") and view.children or 0 do
    local child = plan:child(i)
    if has(child, child:view(), found) then
      return true
    end
  end
  return false
end

--- A pair has a conditioning and a test pulse, and trials their kinds.
local function is_paired(_, view)
  return view.kind == "sequence" and (view.label == "trials" or view.label == "pair")
end

--- A train has a rate.
local function is_train(plan, view)
  return view.kind == "repeat" and view.count > 2 and plan:child(1):view().kind == "pulse"
end

--- Few pulses at fixed times: told one by one. Not what has a pair or a train among its parts: each is told
--- for itself.
local function is_cell(plan, view)
  local totals = plan:totals()
  return view.kind ~= "repeat" and view.kind ~= "pulse" and not totals.random and totals.pulses >= 1
    and totals.pulses <= most_cell and totals.leaves <= 4 * most_cell
    and (totals.pulses == 2 and view.label ~= "trials" or not has(plan, view, is_paired))
    and not has(plan, view, is_train)
end

--- What one part is called.
local function noun_of(plan, view)
  local name = view.kind == "pulse" and "pulse" or view.label
  local pulses = plan:totals().pulses
  if nouns[name] then
    return name
  elseif is_cell(plan, view) then
    return pulses == 2 and "pair" or "part"
  end
  return pulses > most_cell and "block" or "part"
end

local range = numbers.range

local function intensity(words, view)
  local channel = words.channel
  local text = words.dose and words.dose(view, channel or "1") or ("%g %%%s"):format(view.intensity,
    view.reference)
  return text .. (channel and " on channel " .. channel or "")
end

--- Onset to onset, and what that leaves between the parts: the words mean different things.
local function spaced(view, child)
  local totals = child:totals()
  local from_gap = view.spacing == "gap"
  local shortest = from_gap and view.period + totals.span or view.period
  local longest = from_gap and view.period + totals.span_max or view.period
  if longest - shortest > 1e-12 then
    return ("%s from onset to onset, drawn from the seed"):format(range(shortest, longest))
  elseif view.spacing == "train" then
    return ("one every %s (%.6g Hz)"):format(seconds(shortest), view.hz)
  end
  local text = ("one every %s, from onset to onset"):format(seconds(shortest))
  if totals.span > 0 and totals.pulses > 0 and not totals.random then
    text = ("%s (%s from the nominal end to the next onset, %s from the last pulse to the next one)")
      :format(text, seconds(shortest - totals.span), seconds(shortest - (totals.last - totals.first)))
  end
  return text
end

local phrase -- of a plan

--- What pulses are called, after them: conditions, and marks that say something else.
local function called(conditions, marks)
  local parts, known = {}, {}
  for _, name in ipairs(conditions) do
    if name ~= "" and not known[name] then
      known[name], parts[#parts + 1] = true, ("\"%s\""):format(name)
    end
  end
  local text = #parts > 0 and (#parts == 1 and "condition " or "conditions ") .. table.concat(parts, ", ")
    or nil
  local others = {}
  for _, name in ipairs(marks or {}) do
    if not known[name] then
      others[#others + 1] = ("\"%s\""):format(name)
    end
  end
  local marked = #others > 0 and "marked " .. table.concat(others, ", ") or nil
  local all = text and marked and text .. ", " .. marked or text or marked
  return all and (" (%s)"):format(all) or ""
end

--- The conditions in a cell.
local function conditions_of(plan, view, list)
  list[#list + 1] = view.condition
  for i = 1, view.children do
    local child = plan:child(i)
    conditions_of(child, child:view(), list)
  end
  return list
end

local function inside(words, channel)
  return setmetatable({ channel = channel }, { __index = words, __newindex = function(_, key, value)
    words[key] = value
  end })
end

--- The pulses of a cell in time, each with its channel.
local function pulses_of(plan, outer)
  local schedule, list, marks = core.schedule(plan, 1), {}, {}
  local actions = schedule:actions()
  for kind, _, _, what, ns in schedule.next, schedule do
    if kind == "mark" then
      marks[#marks + 1] = what
    else
      local action = actions[what]
      list[#list + 1] = { at = ns / 1e9, view = action,
        channel = action.channel ~= "1" and action.channel or outer }
    end
  end
  return list, marks
end

local is_pair

--- Is it a pair, or one with a mark or a pause beside it?
function is_pair(plan, view)
  if view.label == "pair" then
    return true
  end
  local found
  for i = 1, view.kind == "sequence" and view.children or 0 do
    local part = plan:child(i)
    local inner = part:view()
    if inner.kind ~= "mark" and inner.kind ~= "rest" then
      if found then
        return false
      end
      found = part
    end
  end
  return found ~= nil and is_pair(found, found:view())
end

local function cell(plan, view, words)
  local list, marks = pulses_of(plan, words.channel)
  local roles = #list == 2 and is_pair(plan, view) and { "conditioning", "test" } or {}
  local parts, before = {}, 0
  for i, pulse in ipairs(list) do
    local name = roles[i] and "a " .. roles[i] .. " pulse" or "one pulse"
    local later = pulse.at - before
    local text = ("%s at %s"):format(name, intensity(inside(words, pulse.channel), pulse.view))
    if i == 1 then
      parts[i] = later > 0 and ("%s, %s after the beginning"):format(text, seconds(later)) or text
    else
      parts[i] = (later > 0 and "%s later %s" or "%sat the same time %s"):format(
        later > 0 and seconds(later) or "", text)
    end
    before = pulse.at
  end
  local text = #parts < 3 and table.concat(parts, " and ")
    or table.concat(parts, ", ", 1, #parts - 1) .. " and " .. parts[#parts]
  return text .. called(conditions_of(plan, view, {}), marks)
end

local kinds = {}

function kinds.pulse(_, view, words)
  return "one pulse at " .. intensity(words, view)
end

function kinds.rest(_, view)
  return range(view.min, view.max) .. " without pulses" .. drawn_words.of(view)
end

function kinds.mark(_, view)
  return ("the mark \"%s\""):format(view.text)
end

function kinds.channel(plan, view, words)
  return phrase(plan:child(1), inside(words, view.text))
end

function kinds.parallel(plan, view, words)
  local parts = {}
  for i = 1, view.children do
    parts[i] = phrase(plan:child(i), words)
  end
  return "at the same time " .. table.concat(parts, ", and ")
end

--- Is the order of these trials, or parts, drawn?
local function is_drawn(plan, words)
  return type(words.drawn) == "table" and words.drawn.ids[plan:id()] or words.drawn == true
end

--- What is said behind the parts of a sequence, if their order is drawn; nil: it is not.
local function parts_drawn(plan, words)
  return type(words.drawn) == "table" and is_drawn(plan, words) and "the order of these parts is drawn"
    or nil
end

--- Is there an order in a plan that is drawn?
local function has_drawn(plan, words)
  local ids, id = type(words.drawn) == "table" and words.drawn.ids or {}, plan:id()
  if words.with_drawn[id] == nil then
    local found = ids[id] or false
    for i = 1, not found and next(ids) and plan:view().children or 0 do
      found = found or has_drawn(plan:child(i), words)
    end
    words.with_drawn[id] = found
  end
  return words.with_drawn[id]
end

kinds["repeat"] = function(plan, view, words)
  local child, part = plan:child(1), plan:child(1):view()
  if view.count == 1 and view.spacing ~= "train" then
    return phrase(child, words)
  end
  local noun = noun_of(child, part)
  local text = ("%s, %s"):format(numbers.counted(view.count, noun), spaced(view, child))
  if part.kind == "pulse" then
    return ("%s, %s %s%s"):format(text, view.count == 1 and "at" or "each at", intensity(words, part),
      called { part.condition })
  end
  local same = view.count > 1 and has_drawn(child, words) and ("; the same order in each %s"):format(noun)
    or ""
  return ("%s; each %s: %s%s"):format(text, noun, phrase(child, words), same)
end

--- The order of a few trials that was not drawn, by their conditions; "" where these do not tell them apart.
local function order_words(found, order)
  local names, seen = {}, {}
  for i, kind in ipairs(found) do
    names[i] = kind.plan:view().condition
    if names[i] == "" or seen[names[i]] then
      return ""
    end
    seen[names[i]] = true
  end
  local list = {}
  for i, number in ipairs(#found > 1 and order or {}) do
    list[i] = names[number]
  end
  return #list > 0 and (", in the order %s"):format(table.concat(list, ", ")) or ""
end

--- What is said of the order: which one it is, or that it is drawn, where others are not.
local function of_order(plan, words, found, order)
  local id = plan:id()
  if not is_drawn(plan, words) then
    local text = order_words(found, order)
    return text == "" and #found > 1 and type(words.drawn) == "table" and words.drawn.is_mixed
      and ", in a fixed order" or text
  end
  local was_told = words.orders[id]
  words.orders[id] = true
  return was_told and ", in the same order as before"
    or type(words.drawn) == "table" and words.drawn.is_mixed and ", in a drawn order" or ""
end

local function trials(plan, view, words)
  local found, intervals, order = outline.trials(plan, view)
  local parts, shortest, longest = {}, intervals.shortest, intervals.longest
  for i, kind in ipairs(found) do
    local what = view.label == "trials" and numbers.counted(kind.count, "trial") .. " with"
      or numbers.count(kind.count) .. " times"
    parts[i] = ("%s %s"):format(what, phrase(kind.plan, words))
  end
  if is_drawn(plan, words) then
    table.sort(parts, function(a, b) return sorting.key(a:match(" .*")) < sorting.key(b:match(" .*")) end)
  end
  local text, ordered = table.concat(parts, ", and "), of_order(plan, words, found, order)
  if shortest == longest then
    local noun = view.label == "trials" and "trial" or "repetition"
    return (shortest and ("%s, one %s every %s, from onset to onset"):format(text, noun, seconds(shortest))
      or text) .. ordered
  end
  local is_moved = type(words.drawn) == "table" and words.drawn.intervals[plan:id()]
  return intervals.drawn
    and ("%s, %s from onset to onset, drawn from the seed%s%s"):format(text, range(shortest, longest),
      intervals.law ~= "" and (" (%s)"):format(intervals.law) or "", ordered)
    or ("%s%s; %s"):format(text, ordered, outline.listed(intervals, is_moved and "drawn" or "fixed"))
end

--- A pause between two parts: from the nominal end, and what that is from pulse to pulse.
local function pause_words(rest, before, after)
  local text = range(rest.min, rest.max)
  local drawn = drawn_words.of(rest)
  local left, right = before and before:totals(), after and after:totals()
  if left and right and left.pulses > 0 and right.pulses > 0 and not left.random and not right.random then
    local more = left.span - left.last + right.first
    if more > 1e-12 then
      return ("%s without pulses from the nominal end (%s from the last pulse)%s"):format(text,
        range(rest.min + more, rest.max + more), drawn)
    end
  end
  return ("%s without pulses%s"):format(text, drawn)
end

local function mark_words(marks)
  return ("the mark%s \"%s\""):format(#marks > 1 and "s" or "", table.concat(marks, "\", \""))
end

--- The parts of a sequence that are more than a pause or a mark, with what stands before each: early, marks
--- with a pause behind them; pause, in words; marks, right before it.
---@return table[] parts
---@return { early: string[], rest: table?, marks: string[] } left what stands behind the last one
local function parts_of(plan, view)
  local list, left, before = {}, { early = {}, marks = {} }, nil
  for i = 1, view.children do
    local part = plan:child(i)
    local inner = part:view()
    if inner.kind == "rest" then
      local rest = left.rest
      left.rest = rest and { min = rest.min + inner.min, max = rest.max + inner.max } or inner
      table.move(left.marks, 1, #left.marks, #left.early + 1, left.early)
      left.marks = {}
    elseif inner.kind == "mark" then
      left.marks[#left.marks + 1] = inner.text
    else
      list[#list + 1] = { plan = part, early = left.early, marks = left.marks,
        pause = left.rest and pause_words(left.rest, before, part) }
      left, before = { early = {}, marks = {} }, part
    end
  end
  return list, left
end

--- Is it one stimulus, or a train of them? What is said behind it is said of all of it, of nothing in it
--- alone.
local function is_one(plan)
  local view = plan:view()
  if view.kind == "channel" then
    return is_one(plan:child(1))
  end
  return view.kind == "pulse" or is_cell(plan, view)
    or view.kind == "repeat" and plan:child(1):view().kind == "pulse"
end

--- A part of a sequence, and what comes before it: marks, a pause.
---@return string
---@return boolean comes_after something comes before it
local function part_words(part, words)
  local text, before = phrase(part.plan, words), {}
  if #part.early > 0 then
    before[1] = mark_words(part.early)
  end
  before[#before + 1] = part.pause
  if is_one(part.plan) then
    text = text .. called({}, part.marks)
  elseif #part.marks > 0 then
    before[#before + 1] = mark_words(part.marks)
  end
  return #before > 0 and ("after %s, %s"):format(table.concat(before, " and "), text) or text, #before > 0
end

--- The same, where there are more of them than anybody reads: counted by kind.
local function many(list, words)
  local counts, order, pauses, named = {}, {}, {}, {}
  for _, part in ipairs(list) do
    local text = words.left > 0 and phrase(part.plan, words) or "other parts (moonpulse show has them all)"
    if not counts[text] then
      order[#order + 1] = text
    end
    counts[text] = (counts[text] or 0) + 1
    if part.pause and not named[part.pause] then
      named[part.pause], pauses[#pauses + 1] = true, part.pause
    end
  end
  local parts = {}
  for i, text in ipairs(order) do
    if i > most_parts then
      parts[i] = ("and %d more kinds (moonpulse show has them all)"):format(#order - most_parts)
      break
    end
    parts[i] = ("%s times %s"):format(numbers.count(counts[text]), text)
  end
  local text = ("%s parts one after the other: %s"):format(numbers.count(#list), table.concat(parts, "; "))
  if #pauses > 0 then
    text = ("%s; each after %s"):format(text, table.concat(pauses, ", or after ", 1, math.min(#pauses, 3)))
  end
  return text
end

--- The parts as a ramp of trains; nil: they are none.
local function ramp(list, words)
  return ramps.of(list, function(plan) return phrase(plan, words) end, function(view)
    return intensity(words, view)
  end)
end

function kinds.sequence(plan, view, words)
  if outline.is_list(plan, view) then
    return trials(plan, view, words)
  end
  local list, left = parts_of(plan, view)
  local is_moved = parts_drawn(plan, words)
  local all = ramp(list, words)
  if #list > most_parts and not all then
    return many(list, words) .. (is_moved and "; " .. is_moved or "")
  end
  local parts = { all }
  for i, part in ipairs(all and {} or list) do
    parts[i] = (i > 1 and "then " or "") .. part_words(part, words)
  end
  parts[#parts + 1] = #left.early > 0 and mark_words(left.early) or nil
  if left.rest then
    parts[#parts + 1] = (#parts > 0 and "then " or "") .. kinds.rest(plan, left.rest)
  end
  parts[#parts + 1] = #left.marks > 0 and mark_words(left.marks) or nil
  parts[#parts + 1] = is_moved
  return table.concat(parts, "; ")
end

function phrase(plan, words)
  words.left = words.left - 1
  if words.left < 0 then
    return ("%s more (moonpulse show has the structure)"):format(numbers.counted(plan:totals().pulses,
      "pulse"))
  end
  local view = plan:view()
  if is_cell(plan, view) then
    return cell(plan, view, words)
  end
  local text, name = kinds[view.kind](plan, view, words), called { view.condition }
  return text:sub(-#name) == name and text or text .. name -- a part of that name alone has said it
end

local function capital(text)
  return (text:gsub("^%l", string.upper))
end

--- A plan in sentences, without their full stops: one for each part of a plan that is a sequence of parts.
---@param plan moonpulse.Plan
---@param dose (fun(view: table, channel: string): string)? an intensity in words
---@param drawn moonpulse.DrawnOrders|boolean|nil which orders of its trials are drawn, and say nothing
---@return string[]
function M.of(plan, dose, drawn)
  local words = { dose = dose, drawn = drawn, orders = {}, with_drawn = {}, left = most_nodes }
  local view = plan:view()
  local is_trials = view.label == "trials"
  if view.kind ~= "sequence" or is_trials or is_cell(plan, view) then
    return { capital(phrase(plan, words)) }
  end
  local list, left = parts_of(plan, view)
  if #list < 2 or #list > most_parts or ramp(list, words) then
    return { capital(phrase(plan, words)) }
  end
  local sentences = {}
  for i, part in ipairs(list) do
    local text, comma = part_words(part, words)
    sentences[i] = (i == 1 and "First, " or comma and "Then, " or "Then ") .. text
  end
  sentences[#sentences] = sentences[#sentences] .. called { view.condition }
  local last = {}
  last[1] = #left.early > 0 and mark_words(left.early) or nil
  last[#last + 1] = #left.marks > 0 and (left.rest and "after " .. pause_words(left.rest) .. ", " or "")
    .. mark_words(left.marks) or nil
  if #last > 0 then
    sentences[#sentences + 1] = "Then " .. table.concat(last, " and, ")
  end
  local is_moved = parts_drawn(plan, words)
  sentences[#sentences + 1] = is_moved and capital(is_moved)
  return sentences
end

return M
