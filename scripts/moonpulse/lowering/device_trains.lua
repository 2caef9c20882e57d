--- Who times what: the parts of a plan that the device can time by itself become one program and
--- one start; the rest stays ours.
--
-- A start takes the place of the part in the tree and leaves every other part where it was: what a random
-- rest draws hangs on its place, and the plan that is played is the one that was listed and judged.
local core = require "moonpulse.core"

local M = {}

local most_cell = 16 -- pulses in the innermost group
local unproven = "the driver's encode.train confirms a train at its start (ahead), and its keepalive is not "
  .. "answered: nothing would ever prove that the train was given (docs/drivers.md)"

local function fraction(text)
  local num, den = text:match("^(%d+)/(%d+)$")
  return math.tointeger(tonumber(num)), math.tointeger(tonumber(den))
end

--- The channel of a pulse without a name, as the schedule names it.
local function named(channel)
  return channel == "" and "1" or channel
end

--- The innermost name wins, and "1" is what a pulse without one goes to (engine/schedule_compile.c).
local function inside(view)
  return view.text == "1" and "" or view.text
end

local describe

--- Of a sequence the one part that has pulses, where it comes at once and all else is silence.
local function only_part(plan, view, channel)
  local only
  for i = 1, view.children do
    local child = plan:child(i)
    local totals = child:totals()
    if totals.pulses > 0 and not only then
      only = child
    elseif totals.pulses > 0 or totals.marks > 0 or totals.random or not only and totals.span > 0 then
      return nil
    end
  end
  return only and describe(only, channel, true)
end

local function in_sequence(plan, view, channel, silent)
  if view.children > 2 * most_cell then
    return nil
  end
  local only = silent and only_part(plan, view, channel)
  if only then
    return only
  end
  local cell, at = {}, 0
  for i = 1, view.children do
    local child = plan:child(i)
    local part = describe(child, channel, silent)
    if not part or #part.levels > 0 or #cell + #part.cell > most_cell then
      return nil
    end
    for _, pulse in ipairs(part.cell) do
      cell[#cell + 1] = { offset = at + pulse.offset, action = pulse.action }
    end
    at = at + child:totals().span
  end
  return { cell = cell, levels = {} }
end

local function repeated(plan, view, channel, silent)
  local part = describe(plan:child(1), channel, silent)
  if not part or #part.cell == 0 or not view.exact_every then
    return nil
  elseif view.count > 1 then
    local num, den = fraction(view.exact_every)
    part.levels[#part.levels + 1] = { count = view.count, period = num / den, num = num, den = den }
  end
  return part
end

--- A plan as a cell and the levels that repeat it; nil where it is not that regular. silent: silence behind
--- what repeats belongs to it.
function describe(plan, channel, silent)
  local view = plan:view()
  if view.kind == "pulse" then
    local action = { channel = named(channel), intensity = view.intensity, reference = view.reference }
    return { cell = { { offset = 0, action = action } }, levels = {} }
  elseif view.kind == "rest" and view.min == view.max then
    return { cell = {}, levels = {} }
  elseif view.kind == "sequence" then
    return in_sequence(plan, view, channel, silent)
  elseif view.kind == "repeat" then
    return repeated(plan, view, channel, silent)
  elseif view.kind == "channel" then
    return describe(plan:child(1), inside(view), silent)
  end
end

--- Are all pulses of a cell for one channel? A program plays on one.
local function on_one_channel(cell)
  for _, pulse in ipairs(cell) do
    if pulse.action.channel ~= cell[1].action.channel then
      return false, ("one train plays on one channel, not on %s and %s"):format(cell[1].action.channel,
        pulse.action.channel)
    end
  end
  return true
end

--- The same part of a plan always gets the same number.
local function key_of(part)
  local words = {}
  for _, pulse in ipairs(part.cell) do
    local action = pulse.action
    words[#words + 1] = ("%.12g:%s:%.9g:%s"):format(pulse.offset, action.channel, action.intensity,
      action.reference)
  end
  for _, level in ipairs(part.levels) do
    words[#words + 1] = ("%dx%d/%d"):format(level.count, level.num, level.den)
  end
  return table.concat(words, ";")
end

--- Keep what was said against a part. The smallest part that is refused is the cause: what lies around it
--- would be taken piece by piece.
local function keep_refusal(self, part, why, view)
  self.refused[#self.refused + 1] = { part = part, why = why, origin = view.origin or "" }
end

--- The refusal that holds for an action, or for the plan: of the smallest parts the first.
local function cause(refused, action)
  local smallest
  for _, each in ipairs(refused) do
    for _, pulse in ipairs(each.part.cell) do
      local mine = not action or pulse.action.channel == action.channel
        and pulse.action.intensity == action.intensity and pulse.action.reference == action.reference
      if mine and (not smallest or each.part.pulses < smallest.part.pulses) then
        smallest = each
      end
    end
  end
  return smallest
end

local function remade(old, new)
  return core.like(new, old)
end

local replace

--- One start, and silence for as long as the part lasts: one child where there was one.
local function started(self, plan, part, channel)
  local totals, first = plan:totals(), part.cell[1].action
  if not totals.exact_span or totals.pulses < 2 or totals.random or totals.marks > 0 then
    return nil
  end
  part.pulses, part.span, part.last = totals.pulses, totals.span, totals.last
  local one, two = on_one_channel(part.cell)
  if not one or part.cell[1].offset ~= 0 then
    if two then
      keep_refusal(self, part, two, plan:view())
    end
    return nil
  end
  if self.codes and (totals.coded or self.within > 0) then
    keep_refusal(self, part, "its pulses have event codes (--codes), and only what we send has a time for "
      .. "one: give the code to a mark in front instead, mp.mark(\"S1\", { code = 7 })",
      plan:view())
    return nil
  end
  part.timing = self.mode == "device" and "device" or "auto"
  for _, pulse in ipairs(part.cell) do
    self.resolve(pulse.action)
  end
  local key = key_of(part)
  local number = self.known[key]
  if not number then
    local program, why = self.train(part, self.identity, self.held)
    if program and program.ahead and not self.answered then
      program, why = nil, unproven
    end
    if not program then
      if why then
        keep_refusal(self, part, why, plan:view())
      end
      return nil
    end
    number = #self.programs + 1
    self.known[key], self.programs[number] = number, { part = part, program = program }
  end
  local start = remade(plan, core.pulse(first.intensity, first.reference, number))
  if named(channel) ~= first.channel then
    start = core.channel(start, first.channel)
  end
  -- repeated once, it does not dissolve into a sequence around it
  return core.repeat_plan(core.sequence(start, core.rest(totals.exact_span)), 1, "gap", 0)
end

--- Can the host send the pulses of plan one by one?
local function by_host(self, plan, channel)
  if plan:totals().pulses < 2 then
    return true
  end
  local key = plan:id() .. " " .. channel
  if self.possible[key] == nil then
    self.possible[key] = self.host_can(channel == "" and plan or core.channel(plan, channel))
  end
  return self.possible[key]
end

local function is_fixed_rest(view)
  return view.kind == "rest" and view.min == view.max
end

--- What a run looks at of each child: a text for a pulse and for a rest of one length, false for all else;
--- and which are pulses.
local function words_of(plan, view)
  local words, is_pulse = {}, {}
  for i = 1, view.children do
    local each = plan:child(i):view()
    is_pulse[i] = each.kind == "pulse"
    words[i] = is_pulse[i] and ("%.9g:%s:%d"):format(each.intensity, each.reference, each.code)
      or is_fixed_rest(each) and (each.exact or tostring(each.min)) or false
  end
  return words, is_pulse
end

--- The last child that a run from child i on may have.
local function reach_of(words, i)
  local last = i
  while words[last + 1] and last < i + 2 * most_cell - 2 do
    last = last + 1
  end
  return last
end

--- Where a run of pulses and rests from child i on ends: { last = child, plan = the run so far } for each of
--- its pulses but the first. Where the device gets the least, also where a pulse comes late enough for us.
local function ends_of(self, plan, is_pulse, i, reach, channel)
  local whole, ends, since = nil, {}, nil
  for j = i, reach do
    local child = plan:child(j)
    whole = whole and core.sequence(whole, child) or child
    since = since and core.sequence(since, child) or child
    if is_pulse[j] and j > i then
      if self.mode == "least" and by_host(self, since, channel) then
        break
      end
      ends[#ends + 1], since = { last = j, plan = whole }, child
    end
  end
  return ends
end

local function children_of(plan, from, to)
  local list = {}
  for i = from, to do
    list[#list + 1] = plan:child(i)
  end
  return core.sequence_of(list)
end

--- A pair that is joined to more is spliced into one long sequence: the longest run of its pulses
--- and rests from child i on that the device takes as one, and the last child of it. The same run is looked
--- for once: a long plan has it many times.
local function run_of(self, plan, words, is_pulse, i, channel)
  if not is_pulse[i] then
    return nil
  end
  local reach = reach_of(words, i)
  local key = table.concat(words, " ", i, reach) .. (self.within > 0 and " code " or " ") .. channel
  local known, first = self.runs[key], plan:child(i)
  local ends = known == nil and ends_of(self, plan, is_pulse, i, reach, channel)
    or known and { { last = i + known, plan = children_of(plan, i, i + known) } } or {}
  for k = #ends, 1, -1 do
    local some = remade(first, ends[k].plan)
    local part = describe(some, channel, self.silent)
    local done = part and started(self, some, part, channel)
    if done then
      self.runs[key] = ends[k].last - i
      return done, ends[k].last
    end
  end
  self.runs[key] = false
end

local function rebuilt_sequence(self, plan, view, channel)
  local parts, changed, i = {}, false, 1
  local words, is_pulse = words_of(plan, view)
  while i <= view.children do
    local child = plan:child(i)
    local part, last = run_of(self, plan, words, is_pulse, i, channel)
    parts[#parts + 1] = part or replace(self, child, channel)
    changed = changed or parts[#parts] ~= child
    for _ = i + 1, last or i do -- what follows keeps its place
      parts[#parts + 1] = core.rest(0)
    end
    i = (last or i) + 1
  end
  if not changed then
    return plan
  end
  local whole = core.sequence_of(parts)
  assert(whole:view().children == view.children, "a part of a plan has lost its place")
  return remade(plan, whole)
end

--- plan with what is in it replaced; the plan itself where nothing is.
local function rebuilt(self, plan, view, channel)
  if view.kind == "sequence" then
    return rebuilt_sequence(self, plan, view, channel)
  elseif view.kind == "repeat" and view.exact_period then
    local child = plan:child(1)
    local new = replace(self, child, channel)
    if new == child then
      self.host = self.host or (view.count > 1 and plan:totals().pulses > 0)
      return plan
    end
    return remade(plan, core.repeat_plan(new, view.count, view.spacing, view.exact_period))
  elseif view.kind == "channel" then
    local child = plan:child(1)
    local new = replace(self, child, inside(view))
    return new == child and plan or remade(plan, core.channel(new, view.text))
  elseif view.kind == "parallel" then
    self.together = "what runs at the same time (mp.together) is ours to time"
  end
  return plan
end

--- plan as one start; nil where the device does not take it as a whole.
local function at_once(self, plan, view, channel)
  if view.kind == "repeat" or view.kind == "sequence" or view.kind == "channel" then
    local part = describe(plan, channel, self.silent)
    return part and #part.cell > 0 and started(self, plan, part, channel) or nil
  end
end

--- plan with what the device takes replaced; the plan itself where nothing is.
local function replaced(self, plan, channel)
  local view = plan:view()
  if self.mode ~= "least" then
    return at_once(self, plan, view, channel) or rebuilt(self, plan, view, channel)
  elseif by_host(self, plan, channel) then
    return plan
  end
  local new = rebuilt(self, plan, view, channel)
  return new ~= plan and new or at_once(self, plan, view, channel) or plan
end

--- The same part is looked at once, however often a plan holds it.
function replace(self, plan, channel)
  local own = plan:view().code > 0 and 1 or 0
  self.within = self.within + own
  local key = plan:id() .. (self.within > 0 and " code " or " ") .. channel
  local done = self.done[key]
  if done == nil then
    local new = replaced(self, plan, channel)
    done = new ~= plan and new -- false: nothing of it
    self.done[key] = done
  end
  self.within = self.within - own
  return done or plan
end

--- Split plan between the device and us.
---@param plan moonpulse.Plan
---@param mode "host"|"device"|"least"|"most" device and most: the largest parts that the device takes;
---   least: the smallest that we cannot time
---@param driver moonpulse.Driver
---@param given { identity: moonpulse.Identity?, resolve: fun(action: moonpulse.Action),
---   host_can: fun(plan: moonpulse.Plan): boolean, codes: boolean?, rolled: boolean? } resolve
---   brings an action's intensity to %MSO; codes: there is a box for event codes; host_can:
---   can we time all of plan, pulse by pulse? rolled: plan is of lowering/rolled.lua
---@return moonpulse.Plan plan in which a pulse may stand for a program
---@return { part: moonpulse.Part, program: table }[] programs by their number
---@return boolean host is there a repetition that stays ours
---@return string? why what was said of the smallest part that was refused
---@return fun(action: moonpulse.Action): { why: string, origin: string }? cause of those with action
function M.split(plan, mode, driver, given)
  if mode == "host" or not driver.encode.train then
    local why = mode ~= "host" and ("the %s times single pulses only"):format(driver.description) or nil
    return plan, {}, true, why, function() return why and { why = why, origin = "" } end
  end
  local alive = driver.keepalive or {}
  local self = { mode = mode, identity = given.identity, resolve = given.resolve,
    host_can = given.host_can, codes = given.codes, silent = given.rolled, within = 0,
    train = driver.encode.train,
    answered = type(alive) ~= "table" or alive.answered,
    held = {}, known = {}, programs = {}, done = {}, possible = {}, refused = {}, runs = {} }
  local new = replace(self, plan, "")
  local smallest = cause(self.refused)
  return new, self.programs, self.host or false, smallest and smallest.why or self.together,
    function(action)
      return cause(self.refused, action) or self.together and { why = self.together, origin = "" }
    end
end

--- The onsets of a part's pulses, seconds from its start, in order, each with its action.
---@param part moonpulse.Part
---@return { offset: number, action: moonpulse.Action }[]
function M.onsets(part)
  local list = part.cell
  for _, level in ipairs(part.levels) do
    local longer = {}
    for i = 0, level.count - 1 do
      for _, pulse in ipairs(list) do
        longer[#longer + 1] = { offset = pulse.offset + i * level.num / level.den,
          action = pulse.action }
      end
    end
    list = longer
  end
  return list
end

return M
