--- A schedule of sessions in phases, and where a participant is in it: counted from the runs that were given,
--- never from what somebody wrote down. A protocol's own sessions are a schedule of one phase.
local clock = require "moonpulse.safety.clock"
local numbers = require "moonpulse.text.numbers"

local M = {}

local edge_s = 1e-6
local most_days = 1000 -- that are looked ahead

--- The most that a number or a range { from, to } allows.
---@param value number|number[]
---@return number a whole number as an integer: a record may have 6.0
function M.most(value)
  local highest = type(value) == "table" and value[2] or value
  return math.tointeger(highest) or highest
end

local most = M.most

---@class moonpulse.Phase of a course, as moonpulse.Sessions, and
---@field name string?
---@field days_per_week integer? days with sessions of the phase in any seven days
---@field wait_days integer? days from the last session of the phase before to the first one of this

---@class moonpulse.Place where a participant is in a schedule
---@field now integer seconds since the epoch
---@field phases moonpulse.Phase[]
---@field phase integer number of the phase that the next session is of
---@field total integer number of the next session, from 1
---@field of integer? how many sessions there are in all, at most; nil: nobody says
---@field today integer number of the next session of its day
---@field days integer number of its day in the phase, of those with sessions
---@field edited { today: integer, total: integer } what of both is in records that were edited: it was given,
---   so it counts against what may be given; it is no session of these
---@field last number? when the last session was over
---@field begins integer? when the schedule begins, in seconds since the epoch
---@field cut { number: integer, pulses: integer, planned: integer }[] sessions that were not given whole
local Place = {}
Place.__index = Place

--- How many sessions a phase has at most.
---@param phase moonpulse.Phase
---@return integer? nil: nobody says
function M.sessions_of(phase)
  return phase.total and most(phase.total)
    or phase.per_day and phase.days and most(phase.per_day) * most(phase.days) or nil
end

--- For a session on that day: are all sessions of a phase given, or its days used up?
local function is_over(phase, given, days, day)
  local total = M.sessions_of(phase)
  if total and given >= total then
    return true
  end
  return phase.days ~= nil and not days[day] and days.count >= most(phase.days)
end

--- Go on to the phase that a session on that day is of.
local function advance(self, day)
  while self.phase < #self.phases and is_over(self.phases[self.phase], self.given, self.phase_days, day) do
    self.phase, self.given, self.phase_days = self.phase + 1, 0, { count = 0 }
  end
end

local function add_day(days, day)
  days.count = days.count + (days[day] and 0 or 1)
  days[day] = (days[day] or 0) + 1
end

--- How many sessions phases have in all at most.
---@param phases moonpulse.Phase[]
---@return integer? nil: nobody says
function M.total_of(phases)
  local sum = 0
  for _, phase in ipairs(phases) do
    local total = M.sessions_of(phase)
    if not total then
      return nil
    end
    sum = sum + total
  end
  return sum
end

--- Where a participant is.
---@param phases moonpulse.Phase[]
---@param runs moonpulse.EarlierRun[] of the schedule, the oldest first
---@param now integer seconds since the epoch
---@param begins integer? no session is given before, in seconds since the epoch
---@return moonpulse.Place
function M.place(phases, runs, now, begins)
  local self = setmetatable({ now = now, phases = phases, phase = 1, given = 0, phase_days = { count = 0 },
    all_days = { count = 0 }, total = #runs + 1, of = M.total_of(phases), edited = { today = 0, total = 0 },
    cut = {}, begins = begins }, Place)
  local today = clock.day(now)
  for i, run in ipairs(runs) do
    local day = clock.day(run.at)
    if run.edited then
      self.edited.total = self.edited.total + 1
      self.edited.today = self.edited.today + (day == today and 1 or 0)
    end
    if run.cut_of and not run.edited then
      table.insert(self.cut, { number = i - self.edited.total, pulses = run.pulses + (run.nerve_pulses or 0),
        planned = run.cut_of })
    end
    advance(self, day)
    self.given = self.given + 1
    add_day(self.phase_days, day)
    add_day(self.all_days, day)
    self.last = math.max(self.last or run.ended, run.ended)
  end
  advance(self, today)
  self.today = (self.all_days[today] or 0) + 1
  self.days = self.phase_days.count + (self.phase_days[today] and 0 or 1)
  return self
end

--- When a course begins: what the participant had before is not of it.
---@param course { begins: any }? as a file or a record has it
---@return integer? seconds since the epoch; nil: it does not say
function M.beginning(course)
  local begins = course and course.begins
  local year, month, day = (type(begins) == "string" and begins or ""):match(
    "^(%d%d%d%d)%-(%d%d)%-(%d%d)$")
  return year and os.time { year = year, month = month, day = day, hour = 0 } or nil
end

--- The beginning of a day by this host's clock.
local function day_start(at, days_later)
  local date = os.date("*t", at // 1 | 0)
  return os.time { year = date.year, month = date.month, day = date.day + days_later, hour = 0 }
end

--- Where the schedule is for a session at an instant to come, if none is given until then.
local function at_instant(self, at)
  local view = { phases = self.phases, phase = self.phase, given = self.given, phase_days = self.phase_days }
  advance(view, clock.day(at))
  return view
end

--- Of the seven days that end with that of an instant: how many have sessions of the phase, with that one?
local function week_days(view, at)
  local count = 1
  for back = 1, 6 do
    count = count + (view.phase_days[clock.day(day_start(at, -back))] and 1 or 0)
  end
  return count
end

--- How long is still to be waited, up to the next minute.
local function wait_text(seconds)
  local minutes = math.ceil(seconds / 60)
  return minutes < 120 and ("%d min"):format(minutes) or ("%d h %d min"):format(minutes // 60, minutes % 60)
end

--- What keeps a session from being given at an instant: the instant to try next, and the remedy.
---@return integer? later
---@return string? remedy
local function obstacle(self, view, at)
  local phase, day = self.phases[view.phase], clock.day(at)
  if self.begins and at < self.begins then
    return self.begins, "the course begins on " .. clock.day(self.begins)
  elseif phase.per_day and (self.all_days[day] or 0) >= most(phase.per_day) then
    return day_start(at, 1), "another day"
  elseif phase.days_per_week and not view.phase_days[day] and week_days(view, at) > phase.days_per_week then
    return day_start(at, 1), ("another day: at most %d of 7 have sessions"):format(phase.days_per_week)
  end
  local opens = phase.wait_days and view.given == 0 and self.last and day_start(self.last, phase.wait_days)
  if opens and at < opens then
    return opens, ("%s after the phase before"):format(numbers.counted(M.most(phase.wait_days), "day"))
  end
  local gap = type(phase.gap_min) == "number" and self.last and self.last + phase.gap_min
  if gap and at < gap - edge_s then
    return math.ceil(gap), ("wait %s more"):format(wait_text(gap - self.now))
  end
end

local function is_done(view, at)
  return view.phase == #view.phases and is_over(view.phases[view.phase], view.given, view.phase_days,
    clock.day(at))
end

--- When the next session may begin at the earliest.
---@return integer? at seconds since the epoch; nil: the schedule is complete
---@return string? remedy what has passed then, and no sooner; nil: it may begin now
---@return integer? phase that it is of then
function Place:next()
  local at, remedy = self.now, nil
  for _ = 1, most_days do
    local view = at_instant(self, at)
    if is_done(view, at) then
      return nil
    end
    local later, why = obstacle(self, view, at)
    if not later then
      return at, remedy, view.phase
    end
    at, remedy = later, why -- the last one is what makes it that instant
  end
  return nil
end

return M
