--- A protocol's own schedule of sessions against the participant's record, and its own dose of a day.
local clock = require "moonpulse.safety.clock"
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

--- When a course begins, by its file: what the participant had before is not of it.
local function beginning(course)
  local year, month, day = (course and course.begins or ""):match("^(%d+)-(%d+)-(%d+)$")
  return year and os.time { year = year, month = month, day = day, hour = 0 } or math.mininteger
end

--- How a protocol is given, with what the participant had of it: by its course, or by its own sessions.
---@param protocol moonpulse.Protocol
---@param history moonpulse.History? nil: no participant was named
---@param now integer? seconds since the epoch
---@return table schedule { day, place: moonpulse.Place, and the methods judge, sentence, upcoming, facts }
function M.of(protocol, history, now)
  local from, runs = beginning(protocol.course), {}
  for _, run in ipairs(history and history.runs or {}) do
    if run.protocol == protocol.id and run.at >= from then
      runs[#runs + 1] = run
    end
  end
  local phases = protocol.course and protocol.course.phases or { protocol.sessions or {} }
  return setmetatable({ protocol = protocol, course = protocol.course, day = own_day(protocol),
    known = history ~= nil, place = schedules.place(phases, runs, now or os.time()),
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

--- An instant to come, as one says it: "15:12", "2026-11-28", "2026-11-28 09:30".
local function instant_text(at, now)
  if clock.same_day(at, now) then
    return tostring(os.date("%H:%M", at))
  end
  return (tostring(os.date("%Y-%m-%d %H:%M", at)):gsub(" 00:00$", ""))
end

--- What is beyond the schedule: what passes.
local function remedies(self)
  local place = self.place
  local asked, list = place.phases[place.phase], { place:obstacle() }
  local total = self.course and place.of or asked.total and most(asked.total)
  if total and place:is_complete() and place.total > total then
    list[#list + 1] = ("at most %d sessions"):format(total)
  elseif asked.days and place:is_complete() and place.days > most(asked.days) then
    list[#list + 1] = ("at most %d days with sessions%s"):format(most(asked.days),
      self.course and " in its last phase" or "")
  elseif self.course and place:is_complete() then
    list[#list + 1] = "no session more: the course has come to its end"
  end
  return list
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

--- Which session this one is, what was before it, and, if it comes too early, when it may begin.
---@return string
function Schedule:sentence()
  local place, parts = self.place, {}
  local asked, edited = place.phases[place.phase], place.edited
  local since = place.last and math.max(0, place.now - place.last)
  local today, total, of = place.today - edited.today, place.total - edited.total, of_text(self)
  parts[1] = asked.per_day and ("session %d of %s today"):format(today, range_text(asked.per_day))
    or ("session %d today"):format(today)
  parts[2] = of and ("%d of %s"):format(total, of) or ("%d in all"):format(total)
  parts[#parts + 1] = phase_text(place)
  if edited.total > 0 then
    parts[#parts + 1] = ("%d more in records that were edited: no sessions, but given"):format(edited.total)
  end
  if asked.days and place.days > most(asked.days) then
    parts[#parts + 1] = ("day %d of %s"):format(place.days, range_text(asked.days))
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

--- What comes next, and when at the earliest: for who looks at a participant's course.
---@return string
function Schedule:upcoming()
  local place = self.place
  local at, remedy, number = place:next()
  if not at then
    return ("complete: %d sessions were given"):format(place.total - 1)
  end
  local of, phase = of_text(self), phase_text(place, number)
  return ("session %d%s%s, %s"):format(place.total - place.edited.total, of and " of " .. of or "",
    phase and ", " .. phase or "", remedy and ("at the earliest %s (%s)"):format(instant_text(at, place.now),
      remedy) or "at the earliest now")
end

--- Which session it is, as the record keeps it.
---@return table? nil: no schedule is known, or no participant
function Schedule:facts()
  local place, course = self.place, self.course
  return self.known and self.scheduled and {
    number = place.total - place.edited.total,
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
  local text, passes = self:sentence(), remedies(self)
  local whose = self.course and ("the course %s"):format(self.course.name)
    or ("%s's own sessions"):format(protocol.id)
  local words = ("%s (%s)"):format(text, whose)
  if passes[1] then
    words = ("%s; passes: %s"):format(words, table.concat(passes, ", "))
  end
  add { rule = "sessions", layer = "sessions", table = whose, row = text,
    value = self.place.total - self.place.edited.total, unit = "sessions",
    verdict = passes[1] and "beyond tested" or "within",
    nearest = passes[1] and table.concat(passes, ", ") or nil, words = words,
    source = self.course and (self.course.file or self.course.name) or protocol.cite or protocol.name,
    confidence = "H" }
end

return M
