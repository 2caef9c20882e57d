--- A protocol's own schedule of sessions against the participant's record, and its own dose of a day.
local clock = require "moonpulse.safety.clock"
local protocols = require "moonpulse.protocol"
local tables = require "moonpulse.safety.tables"

local M = {}

local Schedule = {}
Schedule.__index = Schedule

local edge_s = 1e-6

--- The most that a number or a range { from, to } allows.
local function most(value)
  return type(value) == "table" and value[2] or value
end

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

--- How a protocol is given, with what the participant had of it.
---@param protocol moonpulse.Protocol
---@param history moonpulse.History? nil: no participant was named
---@param now integer? seconds since the epoch
---@return table schedule { day, judge = method }
function M.of(protocol, history, now)
  now = now or os.time()
  local self = { protocol = protocol, day = own_day(protocol), now = now, known = history ~= nil,
    today = 1, total = 1, days = 1, edited = { today = 0, total = 0 } }
  local days = { [clock.day(now)] = true }
  for _, run in ipairs(history and history.runs or {}) do
    if run.protocol == protocol.id then
      local day = clock.day(run.at)
      self.total, self.last = self.total + 1, math.max(self.last or run.ended, run.ended)
      local is_today = day == clock.day(now) and 1 or 0
      self.today = self.today + is_today
      if run.edited then -- it was given, so it counts against what may be given; it is no session of these
        self.edited.total, self.edited.today = self.edited.total + 1, self.edited.today + is_today
      end
      self.days = self.days + (days[day] and 0 or 1)
      days[day] = true
    end
  end
  return setmetatable(self, Schedule)
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

--- What is beyond the schedule: what passes.
local function remedies(self, since)
  local asked, list = self.protocol.sessions, {}
  if asked.per_day and self.today > most(asked.per_day) then
    list[#list + 1] = "another day"
  elseif since and type(asked.gap_min) == "number" and since < asked.gap_min - edge_s then
    list[#list + 1] = ("wait %d min more"):format(math.ceil((asked.gap_min - since) / 60))
  end
  if asked.total and self.total > most(asked.total) then
    list[#list + 1] = ("at most %d sessions"):format(most(asked.total))
  elseif asked.days and self.days > most(asked.days) then
    list[#list + 1] = ("at most %d days with sessions"):format(most(asked.days))
  end
  return list
end

local function sentence(self, since)
  local asked, parts = self.protocol.sessions, {}
  local today, total = self.today - self.edited.today, self.total - self.edited.total
  parts[1] = asked.per_day and ("session %d of %s today"):format(today, range_text(asked.per_day))
    or ("session %d today"):format(today)
  parts[2] = asked.total and ("%d of %s"):format(total, range_text(asked.total))
    or ("%d in all"):format(total)
  if self.edited.total > 0 then
    parts[#parts + 1] = ("%d more in records that were edited: no sessions, but given"):format(
      self.edited.total)
  end
  if asked.days and self.days > most(asked.days) then
    parts[#parts + 1] = ("day %d of %s"):format(self.days, range_text(asked.days))
  end
  if since and asked.gap_min then
    parts[#parts + 1] = ("%s since the last: %s"):format(time_text(since), type(asked.gap_min) == "number"
      and time_text(asked.gap_min) .. " are asked" or asked.gap_min)
  end
  return table.concat(parts, ", ")
end

--- Judge this session as the next one of the participant's course. Beyond the schedule is beyond what was
--- tested, not over a limit: nobody published one.
---@param add fun(finding: moonpulse.Finding)
function Schedule:judge(add)
  local protocol = self.protocol
  if not protocol.sessions or not self.known then
    return
  end
  local since = self.last and math.max(0, self.now - self.last)
  local text, passes = sentence(self, since), remedies(self, since)
  local words = ("%s (%s's own sessions)"):format(text, protocol.id)
  if passes[1] then
    words = ("%s; passes: %s"):format(words, table.concat(passes, ", "))
  end
  add { rule = "sessions", layer = "sessions", table = protocol.id .. "'s own sessions", row = text,
    value = self.total - self.edited.total, unit = "sessions",
    verdict = passes[1] and "beyond tested" or "within",
    nearest = passes[1] and table.concat(passes, ", ") or nil, words = words,
    source = protocol.cite or protocol.name, confidence = "H" }
end

return M
