--- The runs that there are, for who wants to see them: from the indices of all folders where records lie.
local catalogue = require "moonpulse.protocol.catalogue"
local indices = require "moonpulse.safety.run_index"
local opened_record = require "moonpulse.record.opened"
local read = require "moonpulse.record.read"
local same_session = require "moonpulse.safety.same_session"
local schedules = require "moonpulse.safety.schedule"

local M = {}

---@class moonpulse.ShownRun : moonpulse.ListedRun
---@field session { number: integer, of: integer? }? which session of its participant's it was
---@field running boolean? a program is writing it
---@field edited string? what of it is not as it was sealed

--- How many sessions a protocol has, by the run's own record, else as it is published.
local function of_how_many(facts)
  local session = facts.session
  if type(session) == "table" and type(session.of) == "number" then
    return session.of // 1 | 0
  end
  local protocol = facts.protocol and catalogue.shipped(facts.protocol)
  local total = protocol and protocol.sessions and protocol.sessions.total
  return total and schedules.most(total) or nil
end

--- When the course that a run was of begins; nil: it was of none, or it does not say.
local function beginning(facts)
  local course = type(facts.session) == "table" and facts.session.course
  return schedules.beginning(type(course) == "table" and course or nil)
end

--- What of a run's record is not as it was sealed.
---@param known table<string, string|false> of those that were looked at, by their paths
local function edited(path, known)
  if known[path] == nil then
    local manifest = read.manifest(path .. "/manifest.json")
    known[path] = manifest and require("moonpulse.safety.edited").look(path, manifest) or false
  end
  return known[path] or nil
end

--- By when they began, to the microsecond; of the same one by their paths.
local function newest_last(a, b)
  if a.at_us ~= b.at_us then
    return a.at_us < b.at_us
  end
  return a.path < b.path
end

--- The runs of a protocol that gave a participant something, from all indices, the oldest first.
---@param known table { edited, given: table<string, moonpulse.EarlierRun[]> } what was looked at
---@return moonpulse.EarlierRun[]
local function given_to(who, protocol, opened, real_pty, known)
  local key = who .. "\n" .. protocol
  if known.given[key] then
    return known.given[key]
  end
  local list = {}
  for _, index in ipairs(opened) do
    local some = index:given(who, protocol, real_pty)
    table.move(some, 1, #some, #list + 1, list)
  end
  table.sort(list, newest_last)
  for i, run in ipairs(list) do
    local facts = run.facts
    local cut_of, broke_off = same_session.cut(facts.given or 0, facts.planned, facts.status == "completed",
      facts.begins, facts.kind == "experiment")
    list[i] = { path = run.path, at_us = run.at_us, at = run.at_us // 1000000, ended = run.at_us / 1e6,
      pulses = facts.given or 0, cut_of = cut_of, broke_off = broke_off,
      continues = facts.begins and facts.begins.continues }
  end
  known.given[key] = list
  return list
end

--- Which session of its participant's a run is of: counted as before a run (moonpulse.safety.same_session).
local function number_of(run, opened, real_pty, known)
  local from, until_then, own = beginning(run.facts), {}, nil
  for _, each in ipairs(given_to(run.who, run.facts.protocol, opened, real_pty, known)) do
    if each.at_us <= run.at_us and (not from or each.at >= from) then
      each.edited = edited(each.path, known.edited)
      until_then[#until_then + 1] = each
      own = each.path == run.path and each or own
    end
  end
  local sessions, _, by_run = same_session.of(until_then)
  return same_session.number(sessions, by_run[own])
end

--- What only those need that are shown.
local function complete(run, opened, real_pty, known)
  local facts = run.facts
  facts.simulated = facts.simulated or facts.handed_on and not real_pty or false
  run.running = facts.torn and opened_record.is_running(run.path) or nil
  run.edited = not facts.unreadable and edited(run.path, known.edited) or nil
  local counts = run.counts >= 1 and run.counts <= (real_pty and 2 or 1)
  if run.who and facts.protocol and counts and not run.edited then
    local number = number_of(run, opened, real_pty, known)
    run.session = number and { number = number, of = of_how_many(facts) } or nil
  end
end

--- What several indices together give, which are open at once.
local function gather(opened, asked, real_pty)
  local found = { runs = {}, torn = {}, names = {}, count = 0, hunted = {} }
  for _, index in ipairs(opened) do
    found.names[index.folder] = asked.who and index:names_of(asked.who) or nil
    local runs = index:list(asked)
    table.move(runs, 1, #runs, #found.runs + 1, found.runs)
    found.count = found.count + index:count(asked)
    local hunts = asked.who and index:hunts(asked.who) or {}
    table.move(hunts, 1, #hunts, #found.hunted + 1, found.hunted)
    for _, run in ipairs(index:torn(asked)) do
      if not opened_record.is_running(run.path) then
        table.insert(found.torn, run)
      end
    end
  end
  table.sort(found.runs, newest_last)
  table.sort(found.torn, newest_last)
  table.sort(found.hunted, newest_last)
  local runs, too_many = found.runs, math.max(0, #found.runs - (asked.limit or #found.runs))
  found.runs = table.move(runs, too_many + 1, #runs, 1, {})
  local known = { edited = {}, given = {} }
  for _, run in ipairs(found.runs) do
    complete(run, opened, real_pty, known)
  end
  for _, run in ipairs(found.hunted) do
    run.edited = not run.facts.unreadable and edited(run.path, known.edited) or nil
  end
  return found
end

--- Ask the indices of several folders at once.
local function ask_all(folders, at, opened, say, use)
  if at > #folders then
    return use(opened)
  end
  local found
  indices.ask(folders[at], { say = say }, function(index)
    opened[at] = index
    found = ask_all(folders, at + 1, opened, say, use)
  end)
  if found == nil then -- that folder is not there
    table.remove(folders, at)
    opened[at] = nil
    return ask_all(folders, at, opened, say, use)
  end
  return found
end

--- The runs of some folders by what is asked, the newest last: by when each began, as its manifest says it.
---@param folders string[] absolute
---@param asked { who: string?, protocol: string?, since: integer?, limit: integer? }
---@param real_pty boolean? behind pseudo-terminals are real stimulators
---@param say fun(text: string) gets what the operator should know
---@return { runs: moonpulse.ShownRun[], count: integer, torn: moonpulse.ListedRun[], names: table,
---   hunted: moonpulse.ShownRun[] } count: how many there are; torn: all that were killed and not recovered;
---   names: of asked.who, for the history; hunted: all of theirs that looked for thresholds
function M.of(folders, asked, real_pty, say)
  return ask_all(folders, 1, {}, say, function(opened)
    return gather(opened, asked, real_pty)
  end)
end

return M
