--- A plan as data: drawn from chance, made into a plan of moonpulse's, and expanded here by itself into what
--- it must give, with arithmetic that shares nothing with the engine's.
---
--- A plan is { parts, times =, gap = }. A part is a table with its kind: pulse, train (burst_hz, burst: of
--- bursts), pair, rest, drawn (a drawn rest), mark, together (two parts, each on its channel). Numbers are
--- seconds and whole percent; hz is { numerator, denominator }. at: on this channel.
local compose = require "moonpulse.compose"
local core = require "moonpulse.core"
local intensities = require "moonpulse.compose.intensity"

local M = {}

local floor = math.floor

--- Of the participant, for all runs.
M.thresholds = { rmt = 50, amt = 45 }

local references = { "MSO", "MSO", "RMT", "AMT" }
local ranges = { MSO = { 25, 70 }, RMT = { 60, 130 }, AMT = { 60, 140 } }

-- Drawing ---------------------------------------------------------------------------------------------

--- An intensity; for a device that a hand sets always the same.
local function intensity(chance, self)
  if not self.last or not (self.facts.by_hand or chance:once_in(2)) then
    local ref = chance:pick(references)
    self.last = { value = chance:draw(ranges[ref][1], ranges[ref][2]), ref = ref }
  end
  return self.last.value, self.last.ref
end

local function pulse(chance, self)
  local value, ref = intensity(chance, self)
  return { kind = "pulse", value = value, ref = ref }
end

local function train(chance, self)
  local facts, value, ref = self.facts, intensity(chance, self)
  local own = facts.own and self.timing ~= "host" and not self.trigger and chance:once_in(2)
  local pulses = self.long and chance:draw(self.pulses[1], self.pulses[2]) or chance:draw(1, facts.most)
  return { kind = "train", value = value, ref = ref, pulses = pulses,
    hz = chance:pick(own and facts.own or self.long and facts.rates[1] and { facts.rates[1] }
      or facts.rates) }
end

local function bursts(chance, self)
  local made = train(chance, self)
  made.pulses, made.hz = chance:draw(2, 10), chance:pick { { 5, 1 }, { 4, 1 }, { 2, 1 } }
  made.burst, made.burst_hz = chance:draw(2, 4), chance:pick(self.facts.bursts)
  return made
end

local function pair(chance, self)
  local value, ref = intensity(chance, self)
  return { kind = "pair", value = value, ref = ref, isi = chance:pick(self.facts.pairs) }
end

local function together(chance, self)
  return { kind = "together", of = { pulse(chance, self), train(chance, self) },
    apart = chance:pick { 0.01, 0.06, 1 }, channels = self.facts.outputs }
end

--- What a device can be asked for.
local function kinds_of(self)
  local facts, list = self.facts, { pulse, train, train, train }
  if self.long then
    return { train }
  end
  list[#list + 1] = facts.bursts and bursts
  list[#list + 1] = facts.pairs and not self.trigger and pair or nil
  list[#list + 1] = facts.outputs and together or nil
  return list
end

local function rest(chance, self)
  local s = chance:pick(self.facts.rests)
  if chance:once_in(4) then
    return { kind = "drawn", min = s, max = s + chance:pick { 0.25, 1, 3 } }
  end
  return { kind = "rest", s = s }
end

--- One part with pulses, of what a device can be asked for.
---@param chance moonpulse.explore.Chance
---@param self table as for draw
---@return table
function M.part(chance, self)
  return chance:pick(kinds_of(self))(chance, self)
end

M.rest = rest

--- Draw a plan.
---@param chance moonpulse.explore.Chance
---@param self { facts: table, timing: string, trigger: boolean?, long: boolean?, pulses: integer[]?,
---   parts: integer?, last: table? } facts of moonpulse.explore.devices; long: a session of so many pulses;
---   last: the intensity to go on from
---@return table
function M.draw(chance, self)
  local plan = { parts = {} }
  for i = 1, chance:draw(1, self.parts or 3) do
    if i > 1 then
      table.insert(plan.parts, rest(chance, self))
    end
    if chance:once_in(4) then
      table.insert(plan.parts, { kind = "mark", text = "mark " .. i })
    end
    table.insert(plan.parts, M.part(chance, self))
  end
  if not self.long and chance:once_in(5) then
    plan.times, plan.gap = chance:draw(2, 3), chance:pick(self.facts.rests)
  end
  return plan
end

-- As moonpulse has it ----------------------------------------------------------------------------------

local function fraction(hz)
  return hz[2] == 1 and hz[1] or ("%d/%d"):format(hz[1], hz[2])
end

local function given(part)
  return intensities.written(part.value, part.ref)
end

--- The label of a part; nil: it has none.
local function label_of(part)
  return part.value and part.value % 3 == 0 and "at " .. part.value or nil
end

--- The event code of pulses with that intensity, in plans that have codes.
---@param value integer
---@return integer
function M.code_of(value)
  return 1 + value % 200
end

local mark_code = 255
local makers, coded

--- A part as moonpulse has it, with its label and its event code.
local function make(part)
  local made, label = makers[part.kind](part), label_of(part)
  made = part.at and made:at(part.at) or made
  if coded and (part.value or part.kind == "mark") then
    made = made:code(part.value and M.code_of(part.value) or mark_code)
  end
  return label and made:label(label) or made
end

makers = {
  pulse = function(part) return compose.pulse(given(part)) end,
  train = function(part)
    local hz = fraction(part.hz)
    if part.burst then
      local burst = compose.burst { pulses = part.burst, hz = fraction(part.burst_hz),
        intensity = given(part) }
      return compose.train { of = burst, hz = hz, count = part.pulses }
    end
    return compose.train { pulses = part.pulses, hz = hz, intensity = given(part) }
  end,
  pair = function(part) return compose.pair { isi = part.isi, intensity = given(part) } end,
  rest = function(part) return compose.rest(part.s) end,
  drawn = function(part) return compose.rest { min = part.min, max = part.max } end,
  mark = function(part) return compose.mark(part.text) end,
  together = function(part)
    local first, second = make(part.of[1]), make(part.of[2])
    return compose.together { [part.channels[1]] = first,
      [part.channels[2]] = compose.rest(part.apart) .. second }
  end,
}

--- The plan as moonpulse takes it.
---@param plan table
---@param codes boolean? its pulses and marks have event codes
---@return moonpulse.Plan
function M.build(plan, codes)
  local whole
  coded = codes
  for _, part in ipairs(plan.parts) do
    local made = make(part)
    whole = whole and whole .. made or made
  end
  return plan.times and whole:times(plan.times, { gap = plan.gap }) or whole
end

-- What it must give -----------------------------------------------------------------------------------

local add = {}

local function period(hz)
  return hz[2] / hz[1]
end

--- What a pulse's condition is where it has no label: each part is one stimulus.
local function kind_of(part)
  if part.kind == "train" then
    return part.pulses == 1 and not part.burst and "pulse" or "train"
  end
  return part.kind == "together" and "trial" or part.kind
end

--- Put the events of a part, from second t on, into list; how long the part lasts. trial: what the part is
--- of, if it is not one of its own.
local function put(list, part, t, channel, trial)
  local from, condition = #list + 1, label_of(part)
  trial = trial or { condition = kind_of(part) }
  local lasts = add[part.kind](list, part, t, part.at or channel, trial)
  for i = from, #list do
    local event = list[i]
    event.trial, event.condition = trial, event.condition or condition
  end
  return lasts
end

function add.pulse(list, part, t, channel)
  local place = #list + 1
  list[place] = { t = t, value = part.value, ref = part.ref, channel = channel, place = place, ns = 0,
    mso = 0 }
  return 0
end

function add.train(list, part, t, channel)
  local every, inner = period(part.hz), part.burst and period(part.burst_hz)
  for i = 0, part.pulses - 1 do
    for k = 0, (part.burst or 1) - 1 do
      add.pulse(list, part, t + i * every + (inner and k * inner or 0), channel)
    end
  end
  return part.pulses * every
end

function add.pair(list, part, t, channel)
  add.pulse(list, part, t, channel)
  add.pulse(list, part, t + part.isi, channel)
  return part.isi
end

function add.rest(_, part)
  return part.s
end

function add.drawn(list, part)
  list[#list + 1] = { min = part.min, max = part.max, place = #list + 1 }
  return 0
end

function add.mark(list, part, t)
  list[#list + 1] = { t = t, mark = part.text, place = #list + 1 }
  return 0
end

function add.together(list, part, t, _, trial)
  local first = put(list, part.of[1], t, part.channels[1], trial)
  local second = part.apart + put(list, part.of[2], t + part.apart, part.channels[2], trial)
  return math.max(first, second)
end

--- Marks before pulses of the same instant, else by time: as records are sorted. What two channels give at
--- one instant may differ by what doubles round.
local function by_time(a, b)
  local first, second = floor(a.t * 1e9 + 0.5), floor(b.t * 1e9 + 0.5)
  if first ~= second then
    return first < second
  end
  return a.place < b.place
end

local lasting = {
  train = function(part) return part.pulses * period(part.hz) end,
  pair = function(part) return part.isi end,
  rest = function(part) return part.s end,
  drawn = function(part) return part.max end,
}

function lasting.together(part)
  local function of(each)
    return lasting[each.kind] and lasting[each.kind](each) or 0
  end
  return math.max(of(part.of[1]), part.apart + of(part.of[2]))
end

--- How long a plan lasts at most.
---@param plan table
---@return number seconds
function M.lasts(plan)
  local once = 0
  for _, part in ipairs(plan.parts) do
    once = once + (lasting[part.kind] and lasting[part.kind](part) or 0)
  end
  return once * (plan.times or 1) + (plan.gap or 0) * ((plan.times or 1) - 1)
end

--- The rests that chance decides on split a plan: onsets count from the last of them.
---@param plan table
---@return table[] stretches { events, min, max }: min and max seconds that are drawn before it
function M.stretches(plan)
  local list, t = {}, 0
  for round = 1, plan.times or 1 do
    t = round > 1 and t + plan.gap or t
    for _, part in ipairs(plan.parts) do
      t = t + put(list, part, t)
    end
  end
  local events = {}
  local stretches = { { events = events, min = 0, max = 0 } }
  for _, event in ipairs(list) do
    if event.min then
      events = {}
      table.insert(stretches, { events = events, min = event.min, max = event.max })
    else
      events[#events + 1] = event
    end
  end
  for _, stretch in ipairs(stretches) do
    events = stretch.events
    for i = 2, #events do
      if events[i].t < events[i - 1].t then
        table.sort(events, by_time)
        break
      end
    end
  end
  return stretches
end

--- %MSO of what a pulse says.
local function mso_of(event)
  return event.ref == "MSO" and event.value or event.value * M.thresholds[event.ref:lower()] / 100
end

--- What a plan must give, in nanoseconds from its start. How long a drawn rest is comes from the plan as the
--- engine lists it, and must lie within what was asked; all else is computed here.
---@param plan table
---@param listed { ns: integer }[] of M.listed
---@return table[]? rows { ns, value, ref, mso, channel } or { ns, mark }
---@return string? why there are none: what is wrong with a drawn rest
function M.expected(plan, listed)
  local rows, count, drawn_ns, open_min, open_max = {}, 0, 0, 0, 0
  for number, stretch in ipairs(M.stretches(plan)) do
    open_min, open_max = open_min + stretch.min * 1e9, open_max + stretch.max * 1e9
    local first = stretch.events[1]
    if first and number > 1 then
      local row = listed[count + 1]
      local more_ns = row and row.ns - drawn_ns - first.t * 1e9
      if not row or more_ns < open_min - 3 or more_ns > open_max + 3 then
        return nil, ("event %d: a rest of %.3f to %.3f s was asked for, %s was drawn"):format(count + 1,
          open_min / 1e9, open_max / 1e9, row and ("%.9f s"):format(more_ns / 1e9) or "nothing")
      end
      drawn_ns, open_min, open_max = drawn_ns + more_ns, 0, 0
    end
    for _, event in ipairs(stretch.events) do
      event.ns = drawn_ns + event.t * 1e9
      if not event.mark then
        event.channel, event.mso = event.channel or "1", mso_of(event)
      end
      count = count + 1
      rows[count] = event
    end
  end
  return rows
end

--- What the engine lists of a plan: as `moonpulse events` shows it.
---@param plan moonpulse.Plan
---@param seed integer
---@return table[] rows { ns, value, ref, channel } or { ns, mark }
function M.listed(plan, seed)
  local schedule, rows, count = core.schedule(plan, seed), {}, 0
  local actions = schedule:actions()
  for _, action in ipairs(actions) do
    action.channel = action.channel ~= "" and action.channel or "1"
  end
  for kind, _, _, what, ns in schedule.next, schedule do
    local action = kind == "pulse" and actions[what]
    count = count + 1
    rows[count] = action and { ns = ns, value = action.intensity, ref = action.reference,
      channel = action.channel } or { ns = ns, mark = what }
  end
  return rows
end

return M
