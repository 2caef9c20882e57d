--- A plan in words: trains folded, one line a part, labels in brackets.
local numbers = require "moonpulse.text.numbers"

-- loaded for who draws a rest
local function drawn_words()
  return require "moonpulse.show.drawn_words"
end

local M = {}

local function rate(view)
  return ("%.9g Hz"):format(math.floor(view.hz * 1e7 + 0.5) / 1e7)
end

local function intensity(view)
  return ("%g %%%s"):format(view.intensity, view.reference)
end

local function spacing(view)
  if view.spacing == "gap" then
    return view.period == 0 and "back to back" or ("with a gap of %s"):format(numbers.seconds(view.period))
  end
  return ("every %s, onset to onset"):format(numbers.seconds(view.period))
end

local describe

local function repeated(plan, view, lines, depth)
  local child = plan:child(1)
  local inside = child:view()
  if view.count == 1 and view.spacing ~= "train" and view.label == "" then
    describe(child, lines, depth)
    return
  end
  local label = view.label ~= "" and view.label .. ": " or ""
  if inside.kind == "pulse" and inside.condition == "" and inside.code == 0 then
    local text = view.spacing == "train" and ("at %s"):format(rate(view)) or spacing(view)
    lines(depth, ("%s%s pulses %s, %s"):format(label, numbers.count(view.count), text,
      intensity(inside)))
    return
  end
  if view.spacing == "train" then
    lines(depth, ("%s%s times at %s (every %s)"):format(label, numbers.count(view.count), rate(view),
      numbers.seconds(view.period)))
  else
    lines(depth, ("%s%s times, %s"):format(label, numbers.count(view.count), spacing(view)))
  end
  describe(child, lines, depth + 1)
end

local kinds = {}

function kinds.pulse(_, view, lines, depth)
  lines(depth, ("pulse, %s"):format(intensity(view)))
end

function kinds.rest(_, view, lines, depth)
  lines(depth, ("rest %s%s"):format(numbers.range(view.min, view.max),
    view.min < view.max and drawn_words().of(view) or ""))
end

function kinds.mark(_, view, lines, depth)
  lines(depth, ("mark \"%s\""):format(view.text))
end

function kinds.channel(plan, view, lines, depth)
  lines(depth, ("on channel %s"):format(view.text))
  describe(plan:child(1), lines, depth + 1)
end

function kinds.parallel(plan, view, lines, depth)
  lines(depth, "together")
  for i = 1, view.children do
    describe(plan:child(i), lines, depth + 1)
  end
end

local most_parts, most_lines = 40, 200

-- outlines by plan:id() while one is made, for parts are shared; nil in between
local known

--- An outline within another one is made once a part.
local function outlined(call, ...)
  local outer = known
  known = outer or {}
  local results = table.pack(call(...))
  known = outer
  return table.unpack(results, 1, results.n)
end

local most_order = 12 -- trials whose order is told

local most_intervals = 12 -- that are told one by one

--- Intervals from onset to onset, noted one after the other.
local function note_interval(of, least, most, law)
  law = law or ""
  of.law = (not of.longest or law == of.law) and law or "several distributions"
  of.shortest, of.longest = math.min(of.shortest or least, least), math.max(of.longest or most, most)
  of.drawn = of.drawn or most > least
  of.list[#of.list + 1] = #of.list <= most_intervals and least or nil
end

local function trials_of(plan, view)
  local found, by_text, order, intervals = {}, {}, {}, { list = {} }
  local before -- the totals of the trial before a rest
  local function count(trial, times)
    local text = M.of(trial)
    if not by_text[text] then
      by_text[text] = { count = 0, plan = trial, number = #found + 1 }
      found[#found + 1] = by_text[text]
    end
    by_text[text].count = by_text[text].count + times
    for _ = 1, math.min(times, most_order + 1 - #order) do
      order[#order + 1] = by_text[text].number
    end
    before = trial:totals()
  end
  local function interval(rest)
    note_interval(intervals, rest.min + before.span, rest.max + before.span_max,
      drawn_words().law(rest.law, before.span))
  end
  for i = 1, view.children do
    local part = plan:child(i)
    local inside = part:view()
    local trial = inside.kind == "repeat" and part:child(1)
    if not trial then
      interval(inside)
    elseif trial:view().label == "next trial" then
      interval(trial:child(1):view())
      count(trial:child(2):child(1), inside.count)
    else
      count(trial, 1)
      if inside.spacing == "train" then
        note_interval(intervals, inside.period, inside.period)
      end
    end
  end
  return found, intervals, #order <= most_order and order or nil
end

--- Trials, in a drawn or given order, counted by kind; the intervals from onset to onset.
---@param plan moonpulse.Plan labelled "trials", made by mp.trials, or "repetitions", by :times
---@param view moonpulse.core.View of it
---@return { count: integer, plan: moonpulse.Plan }[] by first appearance
---@return { shortest: number?, longest: number?, drawn: boolean?, law: string?, list: number[] } intervals
---   seconds; list: the first ones; law: in words, how they are drawn, if not all alike
---@return integer[]? order which of them comes when; nil: there are more than anybody reads
function M.trials(plan, view)
  return outlined(trials_of, plan, view)
end

--- Intervals that are drawn from the seed, in words.
---@param intervals { shortest: number, longest: number, law: string } of M.trials
---@return string
function M.drawn(intervals)
  return ("%s apart, drawn from the seed%s, onset to onset"):format(numbers.range(intervals.shortest,
    intervals.longest), intervals.law ~= "" and (" (%s)"):format(intervals.law) or "")
end

--- Intervals that their author listed, in words: one by one where they are few.
---@param intervals { shortest: number, longest: number, list: number[] } of M.trials
---@param order "drawn"|"fixed"|nil is it known that their order is drawn from the seed, or is not?
---@return string
function M.listed(intervals, order)
  local list = {}
  for i, each in ipairs(#intervals.list <= most_intervals and order ~= "drawn" and intervals.list or {}) do
    list[i] = numbers.seconds(each)
  end
  local apart = #list < 2 and numbers.range(intervals.shortest, intervals.longest)
    or ("%s and %s"):format(table.concat(list, ", ", 1, #list - 1), list[#list])
  return ("%s apart, onset to onset%s"):format(apart, order == "drawn" and ", their order drawn from the seed"
    or #list < 2 and ", as listed" or "")
end

--- Is a sequence what mp.trials made, or :times with intervals?
---@param plan moonpulse.Plan
---@param view moonpulse.core.View of it
---@return boolean
function M.is_list(plan, view)
  return (view.label == "trials" or view.label == "repetitions") and view.kind == "sequence"
    and plan:child(1):view().kind == "repeat"
end

local function trials(plan, view, lines, depth)
  local found, intervals = M.trials(plan, view)
  local total = 0
  for _, kind in ipairs(found) do
    total = total + kind.count
  end
  local from, to = intervals.shortest, intervals.longest
  local apart = intervals.drawn and M.drawn(intervals)
    or from == to and ("every %s, onset to onset"):format(numbers.seconds(from)) or M.listed(intervals)
  lines(depth, ("%s: %s, %s"):format(view.label, numbers.count(total), apart))
  for _, kind in ipairs(found) do
    lines(depth + 1, ("%s of these:"):format(numbers.count(kind.count)))
    describe(kind.plan, lines, depth + 2)
  end
end

function kinds.sequence(plan, view, lines, depth)
  if M.is_list(plan, view) then
    trials(plan, view, lines, depth)
    return
  end
  lines(depth, view.label ~= "" and view.label or "in sequence")
  for i = 1, view.children do
    if i > most_parts then
      lines(depth + 1, ("... and %s more parts"):format(numbers.count(view.children - most_parts)))
      return
    end
    describe(plan:child(i), lines, depth + 1)
  end
end

kinds["repeat"] = repeated

function describe(plan, lines, depth)
  if lines.cut then
    return
  elseif depth > 12 then
    lines(depth, "...")
    return
  end
  local view = plan:view()
  if view.condition ~= "" or view.roles:find("block", 1, true) then -- to the next line, which is of this part
    lines.behind = (lines.behind or "") .. (view.roles:find("block", 1, true) and " (a block)" or "")
      .. (view.condition ~= "" and (" [%s]"):format(view.condition) or "")
  end
  if view.code > 0 then
    lines.behind = ("%s (code %d)"):format(lines.behind or "", view.code)
  end
  kinds[view.kind](plan, view, lines, depth)
end

--- Lines up to a number: nobody reads more, and a plan may have any number of them.
local function add_line(self, depth, text)
  if #self < most_lines then
    self[#self + 1] = ("  "):rep(depth) .. text .. (self.behind or "")
    self.behind = nil
  elseif not self.cut then
    self.cut = true
    self[#self + 1] = "..."
  end
end

local function text_of(plan)
  local id = plan:id()
  if not known[id] then
    local lines = setmetatable({}, { __call = add_line })
    describe(plan, lines, 0)
    known[id] = { text = table.concat(lines, "\n"), plan = plan } -- ids hold while plans live
  end
  return known[id].text
end

local made = setmetatable({}, { __mode = "k" }) -- a plan never changes, and a run asks several times

--- The outline of a plan.
---@param plan moonpulse.Plan
---@return string with line ends between, two spaces a level
function M.of(plan)
  made[plan] = made[plan] or outlined(text_of, plan)
  return made[plan]
end

return M
