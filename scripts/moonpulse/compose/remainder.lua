--- What is left of a plan from one of its trials on: for a session that goes on where it broke off.
--
-- It begins with that trial's own part of the plan: what stands before it is left out, rests included; marks
-- behind the last rest before it are kept, and so are trials of mp.trials without a pulse (catch trials)
-- behind the last pulse before it, with all that follows them, also those that end an mp.trials before; of
-- marks farther before left_marks tells. From then on its times are those of the plan.
-- Amid a repetition of parts with drawn rests the first gap is the longest that it could have been.
local core = require "moonpulse.core"
local cursors = require "moonpulse.compose.stimulus_cursor"
local numbers = require "moonpulse.text.numbers"
local refusals = require "moonpulse.text.refusal"
local stimuli = require "moonpulse.compose.stimuli"

local M = {}

--- A fraction of two integers in lowest terms; nil: it does not fit in 64 bits.
local function less(a, b, c, d) -- a/b - c/d
  local function product(x, y)
    return (x == 0 or math.abs(y) <= math.maxinteger // math.abs(x)) and x * y or nil
  end
  local left, right, below = product(a, d), product(c, b), product(b, d)
  if not (left and right and below) or left > 0 and -right > math.maxinteger - left then
    return nil
  end
  return ("%d/%d"):format(left - right, below)
end

local function parts(text)
  local above, below = text:match("^(%-?%d+)/(%d+)$")
  return math.tointeger(above), math.tointeger(below)
end

--- The silence between the end of a repetition and the next one; nil: there is none.
local function gap_of(view, child)
  local totals = child:totals()
  if view.spacing == "gap" then
    return view.period > 0 and core.rest(view.exact_period or view.period) or nil
  end
  local gap = view.period - totals.span
  local exact
  if view.exact_period and totals.exact_span then
    local a, b = parts(view.exact_period)
    local c, d = parts(totals.exact_span)
    exact = less(a, b, c, d)
  end
  return gap > 1e-12 and core.rest(exact or gap) or nil
end

local from

-- What is said of a part holds only where nothing in it has one of these roles (moonpulse.compose.stimuli).
-- Where that is left out it must not hold from then on.
local undone_by = { trial = { "trial", "trials", "block" }, trials = { "trials", "block" }, block = {} }

--- Does a part have one of the roles, itself or inside?
local function has_role(plan, roles)
  local view = plan:view()
  for _, role in ipairs(roles) do
    if (" " .. view.roles .. " "):find(" " .. role .. " ", 1, true) then
      return true
    end
  end
  for i = 1, view.children do
    if has_role(plan:child(i), roles) then
      return true
    end
  end
  return false
end

--- made, which was just made, is called as plan was.
local function named(made, plan, view)
  local roles = {}
  for role in view.roles:gmatch("%S+") do
    local is_undone = false
    for i = 1, view.children do
      is_undone = is_undone or has_role(plan:child(i), undone_by[role])
    end
    roles[#roles + 1] = not is_undone and role or nil
  end
  local condition = view.condition ~= "" and view.condition or nil
  made = (condition or roles[1]) and core.tagged(made, condition, table.concat(roles, " ")) or made
  return view.code > 0 and made:view().code == 0 and core.coded(made, view.code) or made
end

--- What is left of a sequence's parts, called as it was.
local function joined(children, plan, view)
  if #children == 1 then
    return named(children[1], plan, view)
  end
  return named(core.describe(core.sequence_of(children), view.origin, view.label), plan, view)
end

local function is_of_trials(view)
  return (" " .. view.roles .. " "):find(" trials ", 1, true) ~= nil
end

--- Of mp.trials what has no pulse is a trial all the same, a catch, and so it is given with its interval.
local function is_catch(child, of_trials)
  local totals = child:totals()
  return totals.pulses == 0 and totals.marks > 0 and (of_trials or has_role(child, { "trials" }))
end

--- What of a plan comes behind its last pulse, from its first catch trial on, or all marks of it; without the
--- silence before. What is said of the pulses (a condition, a code) is not said of it.
---@return moonpulse.Plan? nil: nothing
local function behind_pulses(plan, all)
  local view = plan:view()
  if view.kind == "repeat" or view.kind == "channel" then
    return behind_pulses(plan:child(1), all)
  elseif view.kind ~= "sequence" then
    return nil
  end
  local children, of_trials = {}, is_of_trials(view)
  for i = 1, view.children do
    local child = plan:child(i)
    if child:totals().pulses > 0 then
      children = { behind_pulses(child, all) }
    elseif children[1] or is_catch(child, of_trials) or all and child:totals().marks > 0 then
      children[#children + 1] = child
    end
  end
  local made = children[2] and core.describe(core.sequence_of(children), view.origin, view.label)
    or children[1]
  return made and of_trials and core.tagged(made, nil, "trials") or made
end

local function rest_of_sequence(plan, view, skipped)
  local children, found, is_kept = {}, false, false
  local of_trials = is_of_trials(view)
  for i = 1, view.children do
    local child = plan:child(i)
    local pulses = child:totals().pulses
    if found then
      children[#children + 1] = child
    elseif skipped < pulses then
      found = true
      children[#children + 1] = from(child, skipped)
    elseif pulses > 0 then
      skipped, children = skipped - pulses, { skipped == pulses and behind_pulses(child, false) or nil }
      is_kept = children[1] ~= nil
    elseif child:view().kind == "rest" then
      children = is_kept and table.move({ child }, 1, 1, #children + 1, children) or {}
    elseif skipped == 0 then -- a mark, or what holds nothing but marks
      children[#children + 1] = child
      is_kept = is_kept or is_catch(child, of_trials)
    end
  end
  return joined(children, plan, view)
end

local function rest_of_repeat(plan, view, skipped)
  local child = plan:child(1)
  local pulses = child:totals().pulses
  local left, inside = view.count - skipped // pulses, skipped % pulses
  local function times(count)
    return core.repeat_plan(child, count, view.spacing, view.exact_period or view.period)
  end
  local first = inside > 0 and from(child, inside) or behind_pulses(child, false)
  if not first then
    return named(core.describe(times(left), view.origin, view.label), plan, view)
  end
  local children = { first }
  local further = inside > 0 and left - 1 or left
  if further > 0 or view.spacing == "train" then
    children[2] = gap_of(view, child)
  end
  if further > 0 then
    children[#children + 1] = core.describe(times(further), view.origin, view.label)
  end
  return named(core.sequence_of(children), plan, view)
end

--- plan without its first pulses; skipped of them are left out, and fewer than it has.
function from(plan, skipped)
  if skipped == 0 then
    return plan
  end
  local view = plan:view()
  if view.kind == "sequence" then
    return rest_of_sequence(plan, view, skipped)
  elseif view.kind == "repeat" then
    return rest_of_repeat(plan, view, skipped)
  elseif view.kind == "channel" then
    local made = core.channel(from(plan:child(1), skipped), view.text)
    return named(core.describe(made, view.origin, view.label), plan, view)
  end
  return refusals.raise("usage", "it lies amid parts that go on side by side (mp.together): such a plan is "
    .. "begun before or behind them")
end

--- How many pulses come before a trial or block.
---@return integer? pulses nil: there is none of that number
---@return integer most of what there is
local function before(plan, seed, what, number)
  local cursor, most = cursors.new(stimuli.of(plan, seed)), 0
  while cursor:next() do
    local first = cursor[what]
    if first then
      local count = what == "trial" and cursor.per and (cursor.last - cursor.first + 1) // cursor.per or 1
      if number >= first and number < first + count then
        return cursor.first - 1 + (number - first) * (cursor.per or 0)
      end
      most = math.max(most, first + count - 1)
    end
  end
  return nil, most
end

--- Of which trial a pulse is, and how many trials there are.
local function trial_of(plan, seed, pulse)
  local cursor, trial, last = cursors.new(stimuli.of(plan, seed)), nil, 0
  while cursor:next() do
    if cursor.trial then
      trial = trial or pulse <= cursor.last and pulse >= cursor.first and cursor:trial_of(pulse) or nil
      last = math.max(last, cursor:trial_of(cursor.last))
    end
  end
  return trial, last
end

--- How many marks a plan begins with that are of no trial with pulses: marks of such a trial's own are given
--- with it.
---@param plan moonpulse.Plan
---@return integer
function M.leading_marks(plan)
  local view, count = plan:view(), 0
  if view.kind == "repeat" and has_role(plan:child(1), { "trials" }) then
    return M.leading_marks(plan:child(1))
  end
  for i = 1, view.kind == "sequence" and view.children or 0 do
    local child = plan:child(i)
    local totals = child:totals()
    if totals.pulses > 0 then
      return count + M.leading_marks(child)
    end
    count = count + totals.marks
  end
  return count
end

local without_marks

--- The same of repetitions, of which those that hold nothing but marks may be left out whole.
local function without_repeated(plan, view, count)
  local child = plan:child(1)
  local marks = child:totals().pulses > 0 and count + 1 or child:totals().marks
  local left, inside = view.count - count // marks, count % marks
  local children = { without_marks(child, inside) }
  if left > 1 or view.spacing == "train" then
    children[2] = gap_of(view, child)
  end
  if left > 1 then
    children[#children + 1] = core.repeat_plan(child, left - 1, view.spacing,
      view.exact_period or view.period)
  end
  return joined(children, plan, view)
end

--- plan without the marks that it begins with, count of them, and without the rests behind them.
function without_marks(plan, count)
  local view = plan:view()
  local totals = plan:totals()
  if view.kind == "mark" or view.kind == "repeat" and count == 0 then
    return plan
  elseif view.kind == "repeat" and (totals.pulses > 0 or count < totals.marks) then
    return without_repeated(plan, view, count)
  elseif view.kind ~= "sequence" then
    refusals.raise("usage", "it does not begin with %s that were given", numbers.counted(count, "mark"))
  end
  local children = {}
  for i = 1, view.children do
    local child = plan:child(i)
    totals = child:totals()
    local is_silent = totals.pulses == 0 and totals.marks == 0
    if children[1] or count == 0 and not is_silent then
      children[#children + 1] = child
    elseif count > 0 and totals.pulses == 0 and totals.marks <= count then
      count = count - totals.marks
    elseif not is_silent then
      children[1], count = without_marks(child, count), 0
    end
  end
  return joined(children, plan, view)
end

--- What of a plan comes behind its last pulse: marks, such as catch trials, with the intervals between them.
---@param plan moonpulse.Plan
---@param marks_given integer? so many of these marks were given, and are left out with their intervals
---@return moonpulse.Plan? nil: there is none, or they lie in parts side by side (mp.together)
function M.behind(plan, marks_given)
  local view = plan:view()
  local rest = plan:totals().pulses == 0 and view.kind ~= "parallel" and plan or behind_pulses(plan, true)
  local given = marks_given or 0
  if not rest or given >= rest:totals().marks then
    return nil
  end
  return given > 0 and without_marks(rest, given) or rest
end

---@class moonpulse.Begins where a plan is begun: manifest.begins_at
---@field what "trial"|"block"|"plan" the last: of an experiment that goes on with a run that broke off
---@field number integer of the first one that is given, from 1, as the record counts them (docs/record.md)
---@field pulses_before integer how many of the plan's pulses are left out
---@field pulses_planned integer? of the whole plan; nil: of an experiment
---@field left_out integer? how many of those before were given neither by the run that broke off: right
---   before
---@field marks_left_out integer? how many marks between the last pulse that was given before and this trial
---   were given neither before nor now
---@field marks_given integer? how many marks of catch trials right before it the run that broke off gave
---@field continues string? the run that broke off, by the name of its folder

--- What is left of a plan from a trial or a block on. Raises a refusal { code, message } where there is none
--- of that number, or where it cannot be begun there.
---@param plan moonpulse.Plan
---@param seed integer that draws its rests
---@param at { what: "trial"|"block", number: integer, marks_given: integer? } marks_given: so many marks of
---   catch trials right before it were given, and are left out with their intervals
---@return moonpulse.Plan
---@return moonpulse.Begins
function M.of(plan, seed, at)
  local what, number = at.what, at.number
  local pulses, most = before(plan, seed, what, number)
  if not pulses then
    refusals.raise("usage", "%s", most == 0 and ("the plan has no %ss"):format(what)
      or ("the plan has %s: there is no %s %d"):format(numbers.counted(most, what), what, number))
  end
  local rest = from(plan, pulses)
  local trial, all = trial_of(plan, seed, pulses + 1)
  local _, left = trial_of(rest, seed, 1)
  if trial and left ~= all - trial + 1 then
    refusals.raise("usage", "it lies amid a part of which only a piece has a name (:label): what is left "
      .. "would have other trials; give each piece a name")
  end
  local given = at.marks_given
  if given and given > 0 then
    rest = without_marks(rest, given)
  end
  return rest, { what = what, number = number, pulses_before = pulses,
    pulses_planned = plan:totals().pulses, marks_given = given and given > 0 and given or nil }
end

---@class moonpulse.LeftMark
---@field text string
---@field code integer 0: none
---@field us integer from the plan's start

--- The marks of a plan behind one of its pulses that what is left of it does not give.
---@param plan moonpulse.Plan
---@param seed integer
---@param last integer the pulse behind which they are; 0: its start
---@param first integer the first pulse of the rest, by its number in plan; more than it has: rest has none
---@param rest moonpulse.Plan? nil: nothing is left
---@return moonpulse.LeftMark[]
---@return integer last_us when the plan has the pulse behind which they are
---@return moonpulse.LeftMark[] leading those before its first pulse that the rest gives
function M.left_marks(plan, seed, last, first, rest)
  local list, last_us, leading = {}, 0, {}
  if plan:totals().marks == 0 then -- as most plans, which may have a million pulses
    return list, last_us, leading
  end
  local schedule, pulse = core.schedule(plan, seed), 0
  while pulse < first do
    local kind, us, number, what, _, code = schedule:next()
    if not kind then
      break
    elseif kind == "mark" then
      list[#list + 1] = pulse >= last and { text = what, code = code, us = us } or nil
    else
      pulse, last_us = number, number == last and us or last_us
    end
  end
  local of_rest = rest and core.schedule(rest, seed)
  while of_rest and of_rest:next() == "mark" do
    table.insert(leading, 1, table.remove(list))
  end
  return list, last_us, leading
end

--- The first trial that begins behind the first pulses of a plan.
---@param plan moonpulse.Plan
---@param seed integer that draws its rests
---@param given integer pulses
---@return integer? trial nil: all have begun
---@return integer? pulses that come before it
function M.trial_after(plan, seed, given)
  local cursor, known = cursors.new(stimuli.of(plan, seed)), 0
  while cursor:next() do
    local before_it = cursor.first - 1
    if cursor.per then
      local begun = math.max(0, given - before_it + cursor.per - 1) // cursor.per
      if before_it + begun * cursor.per < cursor.last then
        return cursor.trial + begun, before_it + begun * cursor.per
      end
      known = cursor:trial_of(cursor.last)
    elseif cursor.trial and cursor.trial > known then
      if before_it >= given then
        return cursor.trial, before_it
      end
      known = cursor.trial
    end
  end
  return nil
end

return M
