--- A protocol's own schedule of sessions against the participant's record, and its own dose of a day.
local clock = require "moonpulse.safety.clock"
local clocks = require "moonpulse.record.clocks"
local numbers = require "moonpulse.text.numbers"
local protocols = require "moonpulse.protocol"
local schedules = require "moonpulse.safety.schedule"
local tables = require "moonpulse.safety.tables"

local M = {}

local Schedule = {}
Schedule.__index = Schedule

local most = schedules.most

local function range_text(value)
  return type(value) == "table" and ("%d to %d"):format(value[1], value[2]) or ("%d"):format(value)
end

--- What is published of a protocol's day, in pulses; nil: nothing is. A plan file says it itself, for its
--- plan may have other numbers than the published ones.
---@param protocol moonpulse.Protocol
---@return integer?
function M.day_pulses(protocol)
  local per_day = protocol.sessions and most(protocol.sessions.per_day)
  if not per_day or not protocol.cite then
    return nil -- nobody published it
  elseif protocol.plan_file then
    return protocol.sessions.day_pulses
  end
  local values = protocols.values(protocol, {})
  local plan = values and protocols.build(protocol, values)
  return plan and per_day * plan:totals().pulses or nil
end

--- A protocol whose published dose is more than the usual one of a day is judged by its own: the sessions of
--- a day, each with the pulses of its published numbers. nil: the usual one holds.
local function own_day(protocol)
  local pulses = M.day_pulses(protocol)
  local per_day = pulses and most(protocol.sessions.per_day)
  if not pulses or pulses <= tables.day.pulses then
    return nil
  end
  return { table = ("the dose of %s"):format(protocol.id), confidence = "H", pulses = pulses,
    source = ("%d sessions a day of %d pulses, as published: %s"):format(per_day, pulses // per_day,
      protocol.cite) }
end

--- How a protocol is given, with what the participant had of it: by its course, or by its own sessions.
---@param protocol moonpulse.Protocol
---@param history moonpulse.History? nil: no participant was named
---@param now integer? seconds since the epoch
---@param continues string? the run that this one goes on with, by the name of its folder: on the same day it
---   is no other session
---@return table schedule { day, place: moonpulse.Place, and the methods judge, sentence, upcoming,
---   data, facts }
function M.of(protocol, history, now, continues)
  now = now or os.time()
  local from, runs = schedules.beginning(protocol.course), {}
  for _, run in ipairs(history and history.runs or {}) do
    if run.protocol == protocol.id and (not from or run.at >= from) then
      runs[#runs + 1] = run
    end
  end
  local sessions, by_name = runs, {}
  if runs[1] then
    -- loaded for those who have a record
    sessions, by_name = require("moonpulse.safety.same_session").of(runs)
  end
  local begun = by_name[continues or false]
  local number
  if begun and clock.same_day(begun.at, now) then
    local same_session = require "moonpulse.safety.same_session"
    number = same_session.number(sessions, begun)
    sessions = same_session.without(sessions, begun)
  end
  local phases = protocol.course and protocol.course.phases or { protocol.sessions or {} }
  return setmetatable({ protocol = protocol, course = protocol.course, day = own_day(protocol),
    known = history ~= nil, number = number, place = schedules.place(phases, sessions, now, from),
    scheduled = protocol.course ~= nil or protocol.sessions ~= nil }, Schedule)
end

--- Whole minutes below two hours, then hours, then days: "38 min", "5 h 12 min", "3 days".
local function time_text(seconds)
  local minutes = seconds // 60
  if minutes < 120 then
    return ("%d min"):format(minutes)
  elseif minutes < 2880 then
    return ("%d h%s"):format(minutes // 60, minutes % 60 > 0 and (" %d min"):format(minutes % 60) or "")
  end
  return ("%d days"):format(minutes // 1440)
end

--- An instant to come, as one says it: "15:12", "2026-11-28", "2026-11-28 09:30"; no minute that begins
--- before it, for who waits until then must not come too soon.
local function instant_text(at, now)
  at = (math.ceil(at) + 59) // 60 * 60
  if clock.same_day(at, now) then
    return tostring(os.date("%H:%M", at))
  end
  return (tostring(os.date("%Y-%m-%d %H:%M", at)):gsub(" 00:00$", ""))
end

--- What keeps this session from being within the schedule, as what would pass; nil: nothing does.
local function remedy_of(self)
  local place = self.place
  local at, remedy = place:next()
  if at then
    return remedy
  end
  local last = place.phases[#place.phases]
  if place.of and place.total > place.of then
    return "at most " .. numbers.counted(place.of, "session")
  elseif last.days then
    return ("at most %s with sessions%s"):format(numbers.counted(most(last.days), "day"),
      #place.phases > 1 and " in its last phase" or "")
  end
  return "no session more: the course has come to its end"
end

--- "phase 2 of 3 (taper)"; nil: there is one phase.
local function phase_text(place, number)
  number = number or place.phase
  local name = place.phases[number].name
  return #place.phases > 1 and ("phase %d of %d%s"):format(number, #place.phases,
    name and (" (%s)"):format(name) or "") or nil
end

--- Of how many sessions a course is; nil: nobody says.
local function of_text(self)
  local place = self.place
  if self.course then
    return place.of and tostring(place.of)
  end
  return place.phases[1].total and range_text(place.phases[1].total)
end

--- "3 of 10 today"; of a third one where two are asked "3 today (at most 2 a day)".
local function today_text(number, asked)
  if not asked or number <= most(asked) then
    return ("session %d%s today"):format(number, asked and " of " .. range_text(asked) or "")
  end
  return ("session %d today (at most %d a day)"):format(number, most(asked))
end

--- Which session this one is, what was before it, and, if it comes too early, when it may begin.
---@return string
function Schedule:sentence()
  local place, parts = self.place, {}
  local asked, edited = place.phases[place.phase], place.edited
  local since = place.last and math.max(0, place.now - place.last)
  local today, total, of = place.today - edited.today, place.total - edited.total, of_text(self)
  parts[1] = today_text(today, asked.per_day)
  parts[2] = of and total <= place.of and ("%d of %s"):format(total, of)
    or ("%d in all%s"):format(total, of and (" (at most %d)"):format(place.of) or "")
  parts[#parts + 1] = phase_text(place)
  if edited.total > 0 then
    parts[#parts + 1] = ("%d more in records that were edited: no sessions, but given"):format(edited.total)
  end
  if asked.days and place.days > most(asked.days) then
    parts[#parts + 1] = ("day %d (at most %d)"):format(place.days, most(asked.days))
  end
  if since and asked.gap_min then
    parts[#parts + 1] = ("%s since the last: %s"):format(time_text(since), type(asked.gap_min) == "number"
      and time_text(asked.gap_min) .. " are asked" or asked.gap_min)
  end
  local at, remedy = place:next()
  if remedy then
    parts[#parts + 1] = "next at the earliest " .. instant_text(at, place.now)
  end
  return table.concat(parts, ", ")
end

local most_cut = 3 -- sessions that are named one by one

--- Which of the sessions were not given whole: they count, for what was given counts.
local function cut_text(cut)
  local parts = {}
  for i = 1, math.min(#cut, most_cut) do
    parts[i] = ("session %d (%s of %s)"):format(cut[i].number, numbers.count(cut[i].pulses),
      numbers.counted(cut[i].planned, "pulse"))
  end
  if #cut > most_cut then
    parts[#parts + 1] = ("%d more"):format(#cut - most_cut)
  end
  return #cut > 0 and "; not given whole: " .. table.concat(parts, ", ") or ""
end

--- What comes next, and when at the earliest: for who looks at a participant's course.
---@return string
function Schedule:upcoming()
  local place = self.place
  local at, remedy, number = place:next()
  if not at then
    local given = place.total == 2 and "1 session was" or ("%d sessions were"):format(place.total - 1)
    return ("%s: %s given%s"):format(#place.cut == 0 and "complete" or "no session more", given,
      cut_text(place.cut))
  end
  local of, phase = of_text(self), phase_text(place, number)
  return ("session %d%s%s, %s%s"):format(place.total - place.edited.total, of and " of " .. of or "",
    phase and ", " .. phase or "", remedy and ("at the earliest %s (%s)"):format(instant_text(at, place.now),
      remedy) or "at the earliest now", cut_text(place.cut))
end

--- The same as data.
---@return table { protocol, course, text, complete, earliest: string?, next_session } complete: all sessions
---   were given, each whole
function Schedule:data()
  local at = self.place:next()
  return { protocol = self.protocol.id, course = self.course and self.course.name, text = self:upcoming(),
    complete = at == nil and #self.place.cut == 0, next_session = self:facts(),
    earliest = at and clocks.text(at * 1000000000) or nil }
end

--- Which session it is, as the record keeps it.
---@return table? nil: no schedule is known, or no participant
function Schedule:facts()
  local place, course = self.place, self.course
  return self.known and self.scheduled and {
    number = self.number or place.total - place.edited.total, -- of the session that it goes on with
    of = course and place.of or not course and place.phases[1].total and most(place.phases[1].total) or nil,
    phase = course and place.phase or nil, phases = course and #place.phases or nil,
    sessions = not course and self.protocol.sessions or nil,
    course = course and { name = course.name, begins = course.begins, phases = course.phases } or nil } or nil
end

--- Judge this session as the next one of the participant's schedule. Beyond the schedule is beyond what was
--- tested, not over a limit: nobody published one.
---@param add fun(finding: moonpulse.Finding)
function Schedule:judge(add)
  local protocol = self.protocol
  if not self.scheduled or not self.known then
    return
  end
  local text, passes = self:sentence(), remedy_of(self)
  local whose = self.course and ("the course %s"):format(self.course.name)
    or ("%s's own sessions"):format(protocol.id)
  local words = ("%s (%s)"):format(text, whose)
  if passes then
    words = ("%s; passes: %s"):format(words, passes)
  end
  add { rule = "sessions", layer = "sessions", table = whose, row = text,
    value = self.place.total - self.place.edited.total, unit = "sessions",
    verdict = passes and "beyond tested" or "within", nearest = passes, words = words,
    source = self.course and (self.course.file or self.course.name) or protocol.cite or protocol.name,
    confidence = "H" }
end

return M
