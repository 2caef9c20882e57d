--- The trains of a plan: from its structure where that is enough, else pulse by pulse.
local core = require "moonpulse.core"
local givens = require "moonpulse.safety.given"
local instants = require "moonpulse.safety.instants"
local origins = require "moonpulse.compose.origins"
local trains = require "moonpulse.safety.trains"

local M = {}

--- The parts of plans, as who walks many plans looks at them: plans that are judged by the thousand have most
--- of their parts in common, and what is known of a part is looked up once.
local parts = {}

---@class moonpulse.WalkedPart what is known of one node of a plan; nobody changes it
---@field plan moonpulse.Plan
---@field kind string as view().kind; so are count, text, intensity, reference and origin
---@field every integer? of a repetition: nanoseconds from onset to onset; nil: not known exactly
---@field every_rest number? what it is longer
---@field ids (integer|false)[] of its parts; false: without a pulse
---@field inner (moonpulse.WalkedPart|false)[] its parts, which are there as long as it is
---@field spans integer[] of its parts, in nanoseconds; rests: what each is longer
---@field rests number[]
---@field channels table<string, boolean> that its pulses go to; "": to the one that is around it
---@field plain boolean nothing in it is side by side, and all that repeats has its time

-- By id. A part holds its plan, so that the id is its own; it is gone when nobody looks at it.
local by_id = setmetatable({}, { __mode = "v" })

local INHERITED = { [""] = true }

local function copy_of(set)
  local made = {}
  for name in pairs(set) do
    made[name] = true
  end
  return made
end

--- What its parts say of it: their channels, and whether each is plain.
local function look_inside(part)
  local channels, plain = nil, part.kind ~= "parallel" and (part.kind ~= "repeat" or part.every ~= nil)
  local own = false -- channels: else it is a part's, which most have in common
  part.inner = {}
  for i, id in ipairs(part.ids) do
    local inner = id and parts.child(part, i)
    part.inner[i] = inner
    channels, plain = channels or inner and inner.channels, plain and (not inner or inner.plain)
    for name in pairs(inner and inner.channels ~= channels and inner.channels or {}) do
      if not channels[name] then
        channels, own = own and channels or copy_of(channels), true
        channels[name] = true
      end
    end
  end
  if part.kind == "channel" and channels and channels[""] then
    channels = copy_of(channels)
    channels[""], channels[part.text] = nil, true
  end
  part.channels, part.plain = channels or {}, plain
end

--- What is known of a plan's node.
---@param plan moonpulse.Plan
---@return moonpulse.WalkedPart
function parts.of(plan)
  local id = plan:id()
  local part = by_id[id]
  if part then
    return part
  end
  local view = plan:view()
  part = { plan = plan, kind = view.kind, count = view.count, text = view.text, intensity = view.intensity,
    reference = view.reference, origin = view.origin }
  if view.exact_every then
    part.every, part.every_rest = instants.of_exact(view.exact_every)
  end
  if view.kind == "pulse" then
    part.channels, part.plain, part.keys = INHERITED, true, {}
  else
    part.ids, part.spans, part.rests = plan:parts()
    look_inside(part)
  end
  by_id[id] = part
  return part
end

--- A part of it that has pulses.
---@param part moonpulse.WalkedPart
---@param i integer
---@return moonpulse.WalkedPart
function parts.child(part, i)
  return part.inner[i] or by_id[part.ids[i]] or parts.of(part.plan:child(i))
end

--- How a pulse on a channel is told from others: by its intensity, too.
---@param part moonpulse.WalkedPart a pulse
---@param channel string
---@return string
function parts.key(part, channel)
  local key = part.keys[channel]
  if not key then
    key = ("%s\0%.9g\0%s"):format(channel, part.intensity, part.reference)
    part.keys[channel] = key
  end
  return key
end

M.parts = parts

-- repetitions: up to FEW nothing is gained by looking at the structure; of more, SHOWN are looked at,
-- so that the first of each kind is met where it is
local FEW, SHOWN = 6, 5
-- Pulses and marks, or parts: some 0.1 s. On a computer that is slower or busy, where a stop is heard in
-- between, every 0.1 s at one of FEW_STEPS.
local PROGRESS, FEW_STEPS, PROGRESS_NS = 10000, 500, 100000000
local MOST_PARTS = 3000000 -- some seconds; a plan that needs more is nested for no good reason

local walk

local function finder_of(self, channel)
  local finder = self.finders[channel]
  if not finder then
    finder = trains.new()
    finder.emit = function(train)
      train.channel = channel
      self.emit(train)
    end
    self.finders[channel] = finder
    self.order[#self.order + 1] = finder
  end
  return finder
end

local function action_of(self, pulse, channel, key)
  local action = self.actions[key]
  if not action then
    action = { channel = channel, intensity = pulse.intensity, reference = pulse.reference,
      origin = pulse.origin }
    self.actions[key] = action
  end
  return action
end

local function repeated(self, part, at, rest, channel)
  if not part.ids[1] then
    return
  end
  local inside, every, every_rest = parts.child(part, 1), part.every, part.every_rest
  if inside.kind == "pulse" then
    local name = channel == "" and "1" or channel
    finder_of(self, name):add_run(at, part.count, every, action_of(self, inside, name, parts.key(inside,
      name)), inside.origin, rest, every_rest)
    return
  end
  local shown = part.count <= FEW and part.count or SHOWN
  local before
  for i = 0, shown - 1 do
    if i == shown - 1 and shown < part.count then
      before = {}
      for _, finder in ipairs(self.order) do
        before[finder] = finder:mark()
      end
    end
    local its_at, its_rest = instants.later(at, rest, every, every_rest, i)
    walk(self, inside, its_at, its_rest, channel)
  end
  for _, finder in ipairs(before and self.order or {}) do
    if before[finder] then -- in their order: trains are handed out in it
      finder:again(before[finder], part.count - shown, every, every_rest)
    end
  end
end

--- How far it is, at every so many steps and after so long.
local function pacer(progress)
  local next_ns = core.real_ns() + PROGRESS_NS
  return function(steps, ...)
    if steps % FEW_STEPS == 0 and (steps % PROGRESS == 0 or core.real_ns() >= next_ns) then
      progress(steps, ...)
      next_ns = core.real_ns() + PROGRESS_NS
    end
  end
end

--- One part more was looked at.
local function step(self, part)
  local count, origin = self.parts + 1, part.origin
  self.parts = count
  if origin ~= "" then
    self.origin = origin
  end
  if self.paced then
    self.paced(count, MOST_PARTS, "parts")
  end
  if count > MOST_PARTS then
    local text = ("%s: repetitions nested in repetitions too often to be checked (more than %d parts): write "
      .. "them as one :times(n)"):format(self.origin or "", MOST_PARTS)
    error(setmetatable({ code = "limit", message = text }, {
      __tostring = function(problem) return problem.message end }), 0)
  end
end

--- Feed the pulses of a part, whose start is at `at` (and rest, as an instant has it); channel "" is none
--- yet.
function walk(self, part, at, rest, channel)
  local kind = part.kind
  step(self, part)
  if kind == "pulse" then
    local name = channel == "" and "1" or channel
    finder_of(self, name):add(at, action_of(self, part, name, parts.key(part, name)), part.origin, rest)
  elseif kind == "repeat" then
    repeated(self, part, at, rest, channel)
  else
    local inner, is_sequence = kind == "channel" and part.text or channel, kind == "sequence"
    local ids, spans, rests, later = part.ids, part.spans, part.rests, instants.later
    for i = 1, #ids do
      if ids[i] then
        walk(self, parts.child(part, i), at, rest, inner)
      else
        step(self, part)
      end
      if is_sequence then
        at, rest = later(at, rest, spans[i], rests[i])
      end
    end
  end
end

--- Was plan on channel met before? A part is looked at once, however often a plan holds it.
local function is_known(seen, plan, channel)
  local key = plan:id() .. " " .. channel
  local known = seen[key]
  seen[key] = true
  return known
end

--- The channels that a plan's pulses go to.
local function channels_in(plan, channel)
  local found = {}
  for name in pairs(parts.of(plan).channels) do
    found[name ~= "" and name or channel ~= "" and channel or "1"] = true
  end
  return found
end

--- Can the pulses of each channel be fed in time order by walking the tree? nerve: those of all channels
--- together but these.
local function nodes_in_order(plan, channel, seen, nerve)
  local view = plan:view()
  if is_known(seen, plan, channel) then
    return true -- or the answer is no already
  end
  if view.kind == "repeat" and not view.exact_every then
    return false
  elseif view.kind == "parallel" then
    local taken = {}
    for i = 1, view.children do
      local own = {}
      for name in pairs(channels_in(plan:child(i), channel)) do
        own[nerve and not nerve[name] and "" or name] = true
      end
      for name in pairs(own) do
        if taken[name] then
          return false
        end
        taken[name] = true
      end
    end
  end
  for i = 1, view.children do
    if not nodes_in_order(plan:child(i), view.kind == "channel" and view.text or channel, seen, nerve) then
      return false
    end
  end
  return true
end

--- The same, of a plan as a whole; most have nothing that needs a look.
local function in_order(plan, nerve)
  return parts.of(plan).plain or nodes_in_order(plan, "", {}, nerve)
end

--- Pulse by pulse, from at on and up to the end, in nanoseconds; nil: all.
local function stream(self, plan, schedule, progress, at, last)
  local known = {}
  local from, totals = origins.of(plan), plan:totals()
  local total = totals.pulses + totals.marks
  for i, action in ipairs(schedule:actions()) do
    local name = action.channel == "" and "1" or action.channel
    local key = ("%s\0%.9g\0%s"):format(name, action.intensity, action.reference)
    action.channel, action.origin = name, from(action)
    known[i] = self.actions[key] or action
    self.actions[key] = known[i]
  end
  local finders = {}
  for i, action in ipairs(known) do
    finders[i] = finder_of(self, action.channel)
  end
  local walked, paced = 0, progress and pacer(progress)
  for kind, _, _, index, ns in schedule.next, schedule do
    if last and at + ns > last then
      break
    elseif kind == "pulse" then
      local action = known[index]
      finders[index]:add(at + ns, action, action.origin)
    end
    walked = walked + 1
    if paced then
      paced(walked, total)
    end
  end
end

local MOST_POOLED = 1000000 -- pulses that are walked one by one to see all channels together: some seconds

--- When a plan starts, and up to when it was given (nil: to its end), in nanoseconds.
local function range_of(more)
  return instants.of_seconds(more.at_s), more.until_s and more.until_s < math.huge
    and instants.of_seconds(more.until_s) or nil
end

--- The pulses of all channels but nerves' as one, for what several coils give together.
---@return boolean? left_out there are too many of them
local function pool(self, plan, seed, more, by_pulse, progress)
  local from, last = range_of(more)
  local given, nerve = more.given, more.nerve or {}
  given.together = given.together or trains.pool()
  local finder, beside = given.together, trains.new(function() end)
  finder.emit = function(train)
    local names, list = {}, {}
    for action in pairs(train.actions) do
      list[#list + 1] = not names[action.channel] and action.channel or nil
      names[action.channel] = true
    end
    if #list > 1 then
      table.sort(list)
      train.channel, train.together = table.concat(list, " and ") .. " together", true
      self.emit(train)
    end
  end
  local own = { order = { finder, beside }, actions = given.actions, parts = 0, finders = {},
    paced = progress and pacer(progress) }
  for name in pairs(channels_in(plan, "")) do
    own.finders[name] = nerve[name] and beside or finder
  end
  if not by_pulse and not more.until_s and not plan:totals().random and in_order(plan, nerve) then
    walk(own, parts.of(plan), from, 0, "")
  elseif plan:totals().pulses <= MOST_POOLED then
    stream(own, plan, core.schedule(plan, seed), progress, from, last)
  else
    return true
  end
end

--- Do more channels than one have pulses, with those before? Of a run that goes on, nobody knows.
local function may_be_several(plan, more)
  local count, nerve = 0, more.nerve or {}
  local names = channels_in(plan, "")
  for name in pairs(more.given.finders) do
    names[name] = true
  end
  for name in pairs(names) do
    count = count + (nerve[name] and 0 or 1)
  end
  return count > 1 or more.open or more.given.together ~= nil
end

--- Trains of a state that was copied are handed to whoever looks at the copy.
local function take_over(self)
  for name, finder in pairs(self.finders) do
    finder.emit = function(train)
      train.channel = name
      self.emit(train)
    end
  end
end

--- One pulse more, not of a plan: after the last one of its channel, for pulses are added in order.
---@param given moonpulse.Given
---@param at_s number
---@param pulse { channel: string, intensity: number, reference: string }
function M.add(given, at_s, pulse)
  local self = { finders = given.finders, order = given.order, actions = given.actions,
    emit = function() end }
  take_over(self)
  local channel = pulse.channel == "" and "1" or pulse.channel
  local finder = finder_of(self, channel)
  local at = math.max(instants.of_seconds(at_s), finder.run and finder.run.last or 0)
  finder:add(at, action_of(self, { intensity = pulse.intensity, reference = pulse.reference, origin = "" },
    channel, ("%s\0%.9g\0%s"):format(channel, pulse.intensity, pulse.reference)), "")
  given.last_s = math.max(given.last_s, at / 1e9)
  local pooled = given.together or trains.pool()
  given.together, pooled.emit = pooled, self.emit
  pooled:add(math.max(at, pooled.run and pooled.run.last or 0), self.finders[channel].last_action, "")
end

--- Find the trains of a plan, channel by channel.
---@param plan moonpulse.Plan
---@param seed integer for its random rests
---@param emit fun(train: moonpulse.Train) with channel
---@param progress fun(walked: integer, total: integer, of: string?)? called where it takes long; of: what is
---   counted, where it is not pulses and marks
---@param by_pulse boolean? never by structure (for the comparison of both ways)
---@param more { given: moonpulse.Given, at_s: number, until_s: number?, open: boolean?,
---   pool: boolean?, nerve: table<string, boolean>? }? pool: emit also what several channels give together
---   (train.together, and channel names them); nerve: channels that are a nerve's, counted apart; given: what
---   came before the plan, which starts at at_s; until_s: nothing after that came; open: more comes, so
---   that the last trains are not over yet
---@return { structural: boolean, actions: table[], trains: integer, counts: table<string, integer>,
---   pulses: integer, nerve_pulses: integer, not_pooled: boolean? } actions: all; counts: pulses by
---   kind of train; where open, structural only
function M.trains(plan, seed, emit, progress, by_pulse, more)
  more = more or { given = givens.new(), at_s = 0 }
  local given, from, last = more.given, range_of(more)
  local self = { finders = given.finders, order = given.order, emit = emit, actions = given.actions,
    parts = 0, paced = progress and pacer(progress) }
  take_over(self)
  local schedule = core.schedule(plan, seed) -- what cannot be walked at all is refused here, at once
  local structural = not by_pulse and not last and not plan:totals().random and in_order(plan)
  if structural then
    walk(self, parts.of(plan), from, 0, "")
  else
    stream(self, plan, schedule, progress, from, last)
  end
  local not_pooled = more.pool and may_be_several(plan, more)
    and pool(self, plan, seed, more, by_pulse, progress)
  for _, finder in ipairs(self.order) do -- nobody waits for a rest at the plan's end
    given.last_s = math.max(given.last_s, finder.run and finder.run.last / 1e9 or 0)
  end
  if more.open then
    return { structural = structural }
  end
  local counts, count, pulses, nerve_pulses = {}, 0, 0, 0
  local of_nerve = {}
  for channel, finder in pairs(self.finders) do
    of_nerve[finder] = more.nerve and more.nerve[channel]
  end
  for _, finder in ipairs(self.order) do
    finder:finish()
    if of_nerve[finder] then
      nerve_pulses = nerve_pulses + finder.pulses
    else
      pulses = pulses + finder.pulses
      count = count + finder.trains
      for kind, those in pairs(finder.counts) do
        counts[kind] = (counts[kind] or 0) + those
      end
    end
  end
  if given.together then
    given.together:finish()
  end
  local actions = {}
  for _, action in pairs(self.actions) do
    actions[#actions + 1] = action
  end
  table.sort(actions, function(a, b)
    if a.channel ~= b.channel then
      return a.channel < b.channel
    elseif a.intensity ~= b.intensity then
      return a.intensity < b.intensity
    end
    return a.reference < b.reference
  end)
  return { structural = structural, actions = actions, trains = count, counts = counts, pulses = pulses,
    nerve_pulses = nerve_pulses, not_pooled = not_pooled }
end

return M
