--- Which runs are of one session, and whether that was given whole: a run that goes on with another one on
--- the same day is no session of its own. Whoever counts sessions counts them here.
local clock = require "moonpulse.safety.clock"

local M = {}

--- The name of a run's folder.
---@param path string
---@return string
function M.name_of(path)
  return path:match("([^/]+)/*$") or path
end

--- Of how many pulses of its plan a run gave a part, and whether it broke off. One that began amid its plan
--- gave a part of it, however it ended.
---@param given number pulses
---@param planned any how many it had to give, as its record has it
---@param is_complete boolean it came to its end
---@param begins moonpulse.Begins? where it began; nil: where its plan begins
---@param is_experiment boolean? what it had to give besides is not known
---@return integer? cut_of nil: it gave all of them
---@return boolean? broke_off
function M.cut(given, planned, is_complete, begins, is_experiment)
  local is_number = type(planned) == "number" and planned >= 0 and planned < 1e12
  local broke_off = not is_complete and is_number and (given < planned or is_experiment)
  local all = begins and begins.pulses_before > 0 and begins.pulses_planned or broke_off and planned // 1 | 0
  return all and given < all and all or nil, broke_off or nil
end

local function is_same(session, run)
  return session ~= nil and session.broke_off and not session.edited and not run.edited
    and clock.same_day(session.at, run.at)
end

local function join(session, run)
  session.pulses, session.ended = session.pulses + run.pulses, math.max(session.ended, run.ended)
  session.nerve_pulses = (session.nerve_pulses or 0) + (run.nerve_pulses or 0)
  local is_cut = session.cut_of and session.pulses + session.nerve_pulses < session.cut_of
  session.cut_of, session.broke_off = is_cut and session.cut_of or nil, run.broke_off
end

--- The number of a session among those that count as such; nil: it is none of them.
---@param sessions moonpulse.EarlierRun[]
---@param session moonpulse.EarlierRun?
---@return integer?
function M.number(sessions, session)
  local number = 0
  for _, each in ipairs(sessions) do
    number = number + (each.edited and 0 or 1)
    if each == session then
      return number
    end
  end
  return nil
end

--- All sessions but one.
---@param sessions moonpulse.EarlierRun[]
---@param one moonpulse.EarlierRun
---@return moonpulse.EarlierRun[]
function M.without(sessions, one)
  local others = {}
  for _, each in ipairs(sessions) do
    others[#others + 1] = each ~= one and each or nil
  end
  return others
end

--- How many sessions of runs count as such: what an edited record has is none.
---@param runs moonpulse.EarlierRun[] the oldest first
---@return integer sessions
---@return integer edited
function M.count(runs)
  local sessions, edited = 0, 0
  for _, session in ipairs((M.of(runs))) do
    sessions, edited = sessions + (session.edited and 0 or 1), edited + (session.edited and 1 or 0)
  end
  return sessions, edited
end

--- Runs by session.
---@param runs moonpulse.EarlierRun[] the oldest first; they stay as they are
---@return moonpulse.EarlierRun[] sessions each with the pulses of its runs, as old as the first of them
---@return table<string, moonpulse.EarlierRun> by_name of a run's folder: its session
---@return table<moonpulse.EarlierRun, moonpulse.EarlierRun> by_run
function M.of(runs)
  local sessions, by_name, by_run = {}, {}, {}
  for _, run in ipairs(runs) do
    local session = by_name[run.continues or false]
    if is_same(session, run) then
      join(session, run)
    else
      session = {}
      for key, value in pairs(run) do
        session[key] = value
      end
      sessions[#sessions + 1] = session
    end
    by_run[run] = session
    if run.path then
      by_name[M.name_of(run.path)] = session
    end
  end
  return sessions, by_name, by_run
end

--- What a participant had before a session that a run goes on with: what was given counts; the silence
--- before it
--- is that since another one.
---@param history moonpulse.History
---@param continues string the run that this one goes on with, by the name of its folder
---@param counts boolean? what that session gave is counted with what this run gives, and so not here
---@return moonpulse.History
function M.before(history, continues, counts)
  local sessions, by_name = M.of(history.runs)
  local own, now = by_name[continues], os.time()
  if not own or not clock.same_day(own.at, now) then
    return history
  end
  local view = {}
  for key, value in pairs(history) do
    view[key] = value
  end
  if counts then
    view.day, view.week = view.day - own.pulses, view.week - own.pulses
    view.nerve_day = view.nerve_day - (own.nerve_pulses or 0)
    view.nerve_week = view.nerve_week - (own.nerve_pulses or 0)
  end
  view.last_end_s = nil
  for _, session in ipairs(M.without(sessions, own)) do
    view.last_end_s = math.max(0, math.min(view.last_end_s or math.huge, now - session.ended))
  end
  return view
end

return M
