--- A plan in words: trains folded, one line a part, labels in brackets.
local numbers = require "moonpulse.text.numbers"

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
  if inside.kind == "pulse" and inside.condition == "" then
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
  if view.min == view.max then
    lines(depth, ("rest %s"):format(numbers.seconds(view.min)))
  else
    lines(depth, ("rest %s, drawn from the seed"):format(numbers.range(view.min, view.max)))
  end
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

local function trials_of(plan, view)
  local found, by_text, order, shortest, longest = {}, {}, {}, nil, nil
  local before = 0 -- the span of the trial before a rest
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
    before = trial:totals().span
  end
  local function interval(rest)
    shortest, longest = rest.min + before, rest.max + before
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
        shortest, longest = inside.period, inside.period
      end
    end
  end
  return found, shortest, longest, #order <= most_order and order or nil
end

--- Trials, in a drawn or given order, counted by kind; the shortest and the longest interval from
--- onset to onset.
---@param plan moonpulse.Plan labelled "trials", made by mp.trials
---@param view moonpulse.core.View of it
---@return { count: integer, plan: moonpulse.Plan }[] by first appearance
---@return number? shortest seconds
---@return number? longest
---@return integer[]? order which of them comes when; nil: there are more than anybody reads
function M.trials(plan, view)
  return outlined(trials_of, plan, view)
end

local function trials(plan, view, lines, depth)
  local found, shortest, longest = M.trials(plan, view)
  local total = 0
  for _, kind in ipairs(found) do
    total = total + kind.count
  end
  local interval = shortest == longest and "every " .. numbers.seconds(shortest)
    or numbers.range(shortest, longest) .. " apart, drawn from the seed"
  lines(depth, ("trials: %s, %s, onset to onset"):format(numbers.count(total), interval))
  for _, kind in ipairs(found) do
    lines(depth + 1, ("%s of these:"):format(numbers.count(kind.count)))
    describe(kind.plan, lines, depth + 2)
  end
end

function kinds.sequence(plan, view, lines, depth)
  if view.label == "trials" and plan:child(1):view().kind == "repeat" then
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
