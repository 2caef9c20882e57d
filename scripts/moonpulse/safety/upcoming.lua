--- What comes next for a participant: of every course, and of every protocol with sessions, that they had.
local catalogue = require "moonpulse.protocol.catalogue"
local courses = require "moonpulse.protocol.course"
local protocols = require "moonpulse.protocol"
local read = require "moonpulse.record.read"
local sessions = require "moonpulse.safety.sessions"

local M = {}

--- A protocol's own sessions as a record has them, which may be anybody's: checked like a file's.
local function sessions_of_record(given)
  local own = {}
  for key, value in pairs(type(given) == "table" and given or {}) do
    local range = type(value) == "table" and { math.tointeger(value[1]), math.tointeger(value[2]) }
    own[key] = range or type(value) == "number" and math.tointeger(value) or value
  end
  local ok = pcall(protocols.protocol, { name = "x", plan = function() end, sessions = own })
  return ok and next(own) and own or nil
end

--- The protocol of a run with the schedule that its record has, which need not be shipped; nil: it has none.
local function recorded(run)
  local session = read.get(read.manifest(run.path .. "/manifest.json") or {}, "session")
  local course = type(session) == "table" and courses.of_record(session.course)
  local own = type(session) == "table" and sessions_of_record(session.sessions)
  return (course or own) and { id = run.protocol, name = run.protocol, course = course or nil,
    sessions = own or nil } or nil
end

--- Where a participant is in each schedule, whichever of their runs are shown: counted by the rules that
--- check and run count by (moonpulse.safety.sessions). The newest run that has a schedule says it; where no
--- run of a shipped protocol does, the protocol.
---@param history moonpulse.History
---@param named moonpulse.Protocol? with the course that is to be followed, whatever the records say
---@param now integer? seconds since the epoch
---@return table[] schedules, as moonpulse.safety.sessions has them: named, then the latest given first
function M.of(history, named, now)
  local runs = table.move(history.runs, 1, #history.runs, 1, {})
  table.sort(runs, function(a, b)
    if a.at ~= b.at then
      return a.at > b.at
    end
    return a.path > b.path
  end)
  local order, found = {}, {}
  for _, run in ipairs(runs) do
    local id = run.protocol
    if id and found[id] == nil then
      order[#order + 1], found[id] = id, false
    end
    if id and not found[id] and not run.edited and not (named and named.id == id) then
      found[id] = recorded(run) or false
    end
  end
  local list = { named and sessions.of(named, history, now) }
  for _, id in ipairs(order) do
    local shipped = not found[id] and catalogue.shipped(id)
    local protocol = found[id] or shipped and shipped.sessions and shipped or nil
    if protocol and not (named and named.id == id) then
      list[#list + 1] = sessions.of(protocol, history, now)
    end
  end
  return list
end

return M
