--- A plan in words: trains folded, one line a part.
local M = {}

--- Seconds as people write them: 0.02 -> "20 ms", 26 -> "26 s".
---@param seconds number
---@return string
function M.seconds(seconds)
  if seconds > 0 and seconds < 0.001 then
    return ("%.6g us"):format(seconds * 1e6)
  elseif seconds > 0 and seconds < 1 then
    return ("%.6g ms"):format(seconds * 1e3)
  end
  return ("%.9g s"):format(seconds)
end

--- Seconds with minutes where they help: 2223.9 -> "2223.9 s (37 min 03.9 s)"; minutes to the nearest
--- tenth of a second.
function M.duration(seconds)
  local text = ("%.10g s"):format(math.floor(seconds * 1e6 + 0.5) / 1e6)
  if seconds < 60 then
    return text
  end
  local tenths = math.floor(seconds * 10 + 0.5) -- rounded first: 59.96 s are the next minute
  local minutes = tenths // 600
  local hours = minutes // 60
  local rest = ("%04.1f s"):format((tenths - minutes * 600) / 10)
  if hours > 0 then
    return ("%s (%d h %02d min %s)"):format(text, hours, minutes % 60, rest)
  end
  return ("%s (%d min %s)"):format(text, minutes, rest)
end

local function count_text(n)
  local text = ("%d"):format(n)
  local with_commas = text:reverse():gsub("(%d%d%d)", "%1,"):reverse():gsub("^,", "")
  return with_commas
end

local function rate(view)
  return ("%.9g Hz"):format(math.floor(view.hz * 1e7 + 0.5) / 1e7)
end

local function intensity(view)
  return ("%g %%%s"):format(view.intensity, view.reference)
end

local function spacing(view)
  if view.spacing == "gap" then
    return view.period == 0 and "back to back" or ("with a gap of %s"):format(M.seconds(view.period))
  end
  return ("every %s, onset to onset"):format(M.seconds(view.period))
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
  if inside.kind == "pulse" then
    local text = view.spacing == "train" and ("at %s"):format(rate(view)) or spacing(view)
    lines(depth, ("%s%s pulses %s, %s"):format(label, count_text(view.count), text,
      intensity(inside)))
    return
  end
  if view.spacing == "train" then
    lines(depth, ("%s%s times at %s (every %s)"):format(label, count_text(view.count), rate(view),
      M.seconds(view.period)))
  else
    lines(depth, ("%s%s times, %s"):format(label, count_text(view.count), spacing(view)))
  end
  describe(child, lines, depth + 1)
end

local kinds = {}

function kinds.pulse(_, view, lines, depth)
  lines(depth, ("pulse, %s"):format(intensity(view)))
end

function kinds.rest(_, view, lines, depth)
  if view.min == view.max then
    lines(depth, ("rest %s"):format(M.seconds(view.min)))
  else
    lines(depth, ("rest %s to %s, drawn from the seed"):format(M.seconds(view.min),
      M.seconds(view.max)))
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

local function trials_of(plan, view)
  local found, by_text, shortest, longest = {}, {}, nil, nil
  local before = 0 -- the span of the trial before a rest
  local function count(trial, times)
    local text = M.of(trial)
    if not by_text[text] then
      by_text[text] = { count = 0, plan = trial }
      found[#found + 1] = by_text[text]
    end
    by_text[text].count = by_text[text].count + times
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
  return found, shortest, longest
end

--- Trials, in a drawn or given order, counted by kind; the shortest and the longest interval from
--- onset to onset.
---@param plan moonpulse.Plan labelled "trials", made by mp.trials
---@return { count: integer, plan: moonpulse.Plan }[] by first appearance
---@return number? shortest seconds
---@return number? longest
function M.trials(plan, view)
  return outlined(trials_of, plan, view)
end

local function trials(plan, view, lines, depth)
  local found, shortest, longest = M.trials(plan, view)
  local total = 0
  for _, kind in ipairs(found) do
    total = total + kind.count
  end
  local interval = shortest == longest and "every " .. M.seconds(shortest)
    or ("%s to %s apart, drawn from the seed"):format(M.seconds(shortest), M.seconds(longest))
  lines(depth, ("trials: %s, %s, onset to onset"):format(count_text(total), interval))
  for _, kind in ipairs(found) do
    lines(depth + 1, ("%s of these:"):format(count_text(kind.count)))
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
      lines(depth + 1, ("... and %s more parts"):format(count_text(view.children - most_parts)))
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
  kinds[view.kind](plan, view, lines, depth)
end

--- Lines up to a number: nobody reads more, and a plan may have any number of them.
local function add_line(self, depth, text)
  if #self < most_lines then
    self[#self + 1] = ("  "):rep(depth) .. text
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

--- The outline of a plan.
---@param plan moonpulse.Plan
---@return string with line ends between, two spaces a level
function M.of(plan)
  return outlined(text_of, plan)
end

M.count = count_text

--- "1 train", "20 trains".
---@param n integer
---@param thing string in the singular
function M.counted(n, thing)
  return ("%s %s%s"):format(count_text(n), thing, n == 1 and "" or "s")
end

return M
