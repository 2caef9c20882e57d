--- An experiment's run, made again: its kept script, shut in, with its parameters and seed, is told what the
--- journal says that it was told, and must decide the same. In virtual time its rows are the same, too.
local after_stop = require "moonpulse.verify.after_stop"
local aheads = require "moonpulse.verify.aheads"
local children = require "moonpulse.verify.child"
local core = require "moonpulse.core"
local decisions = require "moonpulse.compare.decisions"
local driven_on = require "moonpulse.verify.driven_on"
local findings_of = require "moonpulse.verify.findings"
local journal_lines = require "moonpulse.record.journal_lines"
local late_marks = require "moonpulse.verify.late_marks"
local left = require "moonpulse.verify.left"
local lfs = require "lfs"
local pulses = require "moonpulse.verify.pulses"
local read = require "moonpulse.record.read"
local replays = require "moonpulse.verify.replay"
local rows = require "moonpulse.verify.rows"
local value_words = require "moonpulse.text.value_words"
local versions = require "moonpulse.verify.version"
local witnessed = require "moonpulse.record.witnessed"

local M = {}

local what = "the experiment's plans against its text, seed, parameters and answers"
local again = "the kept text, seed, parameters and answers make"
local most_events = 2000000000

--- Why it cannot be made again; nil: it can.
local function why_not(manifest, begin)
  if not begin or begin.kind ~= "begin" or type(begin.options) ~= "table"
    or type(begin.device) ~= "table" then
    return "the journal does not say how it was driven"
  end
  local why = driven_on.why_not(begin)
  if not why and begin.devices == nil then
    why = driven_on.why_not { device = { name = read.get(manifest, "device.name") } }
  end
  if why then
    return why
  end
  for _, each in ipairs(type(manifest.files) == "table" and manifest.files or {}) do
    if type(each) == "table" and each.role == "driver" then
      return ("its driver %s is a file, and no driver that a record names is loaded"):format(
        tostring(each.file))
    end
  end
end

--- Run it again: the new run's folder, or nil and why there is none.
local function run_again(folder, scratch, progress)
  local ended, said = children.make("experiment", folder, scratch, progress)
  local out = scratch .. "/made"
  if not ended or lfs.attributes(out, "mode") ~= "directory" then
    return nil, said
  end
  for name in lfs.dir(out) do
    local path = out .. "/" .. name
    if name ~= "." and name ~= ".." and lfs.symlinkattributes(path, "mode") == "directory" then
      return path
    end
  end
  return nil, said
end

local function journal_of(made)
  local text = core.read_file(made .. "/journal.jsonl", journal_lines.most_bytes)
  return journal_lines.whole((journal_lines.of(text or "")))
end

--- Was the run on the very simulator that it is made again on?
local function is_own(manifest)
  return read.get(manifest, "device.simulated") == true and read.get(manifest, "device.own_simulator") == true
end

--- When each plan started, in the order of their pulses: { first, pulses, ns } from the run's start; of is
--- its number among those of its part.
local function starts_of(entries)
  local origin_ns, list, first = math.tointeger(tonumber(entries[1] and entries[1].clock_ns)) or 0, {}, 1
  local counts = {}
  for _, entry in ipairs(entries) do
    local start_ns = entry and entry.kind == "play" and math.tointeger(tonumber(entry.start_ns))
    if start_ns then
      local count = math.tointeger(tonumber(entry.pulses)) or 0
      local part = math.tointeger(tonumber(entry.part)) or 0
      counts[part] = (counts[part] or 0) + 1
      list[#list + 1] = { first = first, pulses = count, ns = start_ns - origin_ns, seed = entry.seed,
        tolerance_ns = math.tointeger(tonumber(entry.tolerance_ns)),
        of = ("%d of part %d"):format(counts[part], part) }
      first = first + count
    end
  end
  return list
end

--- The plans of the run that was made again, by those of the run: a part's first by that part's first. Where
--- they are not all in the same order also the pulses of the run by those of the one that was made again.
local function match(ours, theirs)
  local by_name, matched, same = {}, {}, #ours == #theirs
  for i, each in ipairs(theirs) do
    by_name[each.of] = each
    same = same and ours[i].of == each.of
  end
  for _, each in ipairs(ours) do
    matched[each] = by_name[each.of]
  end
  if same then
    return matched
  end
  local at, back = 1, {}
  for mine, other in pairs(matched) do
    back[other] = mine
  end
  return matched, function(pulse) -- they come in their order
    while theirs[at + 1] and theirs[at + 1].first <= pulse do
      at = at + 1
    end
    local other = theirs[at]
    local mine, nth = back[other], pulse - (other and other.first or 0)
    return mine and nth < math.min(mine.pulses, other.pulses) and mine.first + nth or nil
  end
end

--- Of a run in real time: what stands in the plans is in the rows.
local function compare_pulses(folder, manifest, entries, made, found, whole, upto)
  local text, other = rows.read(folder, found), core.read_file(made .. "/events.tsv", most_events)
  local ours, at = starts_of(entries), 1
  if ours[1] and aheads.untold(manifest, entries) > 0 then -- the flight record alone has what came then
    upto = math.min(upto or math.maxinteger, ours[#ours].first + ours[#ours].pulses - 1)
  end
  local matched, place = match(ours, starts_of(journal_of(made)))
  local function plan_of(pulse) -- they come in their order
    while ours[at + 1] and ours[at + 1].first <= pulse do
      at = at + 1
    end
    return ours[at]
  end
  pulses.compare(text or "", other or "", { whole = whole, what = again, same_device = is_own(manifest),
    upto = upto, place = place, stop = left.bounds(manifest, entries, plan_of), since = function(pulse)
      local mine = plan_of(pulse)
      local theirs = matched[mine or false]
      return mine and theirs and mine.seed == theirs.seed and mine.ns - theirs.ns
    end }, found)
end

--- Why what differs may be honest; nil: it is not. Only the run that was made again says so: anybody may have
--- written a line into the journal of the other one.
---@return string? why
---@return integer? lines so many lines of its journal stood before
local function excuse(made)
  local other = read.get(made, "experiment.until_other") or {}
  if other.by == "outside" then
    return ("its script uses %s, which it is not given here"):format(
      table.concat(read.get(made, "experiment.outside"), ", ")), other.lines
  elseif other.by == "lost" then
    return "its script looked at the clock or the device more often than the journal keeps", other.lines
  end
end

local parts_why = "its script has parts side by side (run:spawn), which came in another order here, as the "
  .. "computer's timing has it, and then a part did not do the same"

--- In virtual time a plan starts when it did, to the nanosecond: of those whose decisions are compared.
local function compare_starts(entries, made, lists, found)
  local made_entries = journal_of(made)
  local function since(list, line, key)
    local ns = math.tointeger(tonumber(list[line][key]))
    local origin_ns = math.tointeger(tonumber(list[1].clock_ns))
    return ns and origin_ns and ns - origin_ns
  end
  for i = 1, math.min(#lists.list, #lists.made) do
    local mine, other = lists.list[i], lists.made[i]
    for _, key in ipairs(mine.kind == "play" and other.kind == "play" and { "start_ns", "from_ns" } or {}) do
      local ns, again_ns = since(entries, mine.line, key), since(made_entries, other.line, key)
      if ns ~= again_ns then
        found:differ("journal.jsonl", mine.line, "plan %s: %s is %s ns from the run's begin, and %s %s",
          value_words.plain(entries[mine.line].play), key, tostring(ns), again, tostring(again_ns))
        return
      end
    end
  end
end

--- What differs before what excuses the rest.
local function compare_until(folder, manifest, entries, made, lists, lines)
  local found, upto = findings_of.new(), 0
  local at = decisions.difference_until(lists.list, lists.made, lists.whole, lines)
  if at then
    found:differ("journal.jsonl", at.a and at.a.line or #entries, "%s", decisions.words(at.a, at.b, again))
  end
  for number, entry in ipairs(journal_of(made)) do
    if number <= lines and entry and entry.kind == "play" then
      upto = upto + (math.tointeger(tonumber(entry.pulses)) or 0)
    end
  end
  compare_pulses(folder, manifest, entries, made, found, lists.whole, upto)
  return found
end

--- Compare what was decided, and in real time what was given. What differs goes to found. Of parts side by
--- side only the order among them may be otherwise: what each gave and set must be the same in any case, and
--- all else that it did wherever they came in the same order.
---@return string? why what differs may be the order's doing
local function compare_lists(folder, manifest, entries, made, found, lists, is_real)
  local list, made_list = lists.list, lists.made
  local at = decisions.difference(list, made_list, { whole = lists.whole, parts = is_real })
    or lists.finished and decisions.difference(left.of_script(list), left.of_script(made_list),
      { whole = true })
    or lists.left_ns and left.early(list, made_list, journal_of(made), lists.left_ns) or nil
  local reordered = is_real and at ~= nil and decisions.is_reordered(list, made_list, at)
  local certain = reordered and decisions.difference(decisions.of_dose(list), decisions.of_dose(made_list),
    { whole = false, parts = true }) or nil
  if certain and not certain.b then
    certain = nil -- one that the other order left out
  end
  at = certain or at
  if at then
    found:differ("journal.jsonl", at.a and at.a.line or #entries, "%s", decisions.words(at.a, at.b, again))
  end
  local before = #found.differs
  if is_real then
    compare_pulses(folder, manifest, entries, made, found, lists.whole and not reordered)
  end
  return reordered and not certain and #found.differs == before and parts_why or nil
end

--- What both runs decided, until something from outside ended the first.
local function lists_of(manifest, entries, made, is_real, made_manifest)
  local list, whole, stop = decisions.until_stop(entries, decisions.of(entries), is_real)
  local made_list = decisions.of(journal_of(made))
  local has_parts = (tonumber(read.get(made_manifest or {}, "experiment.parts")) or 0) > 0
  local left_ns = is_real and has_parts and left.at(manifest, entries)
  local finished = left_ns and read.get(manifest, "result.stop") == "finished"
  if left_ns then
    list = left.until_then(list, entries, left_ns, finished)
  end
  if not is_own(manifest) then
    list, made_list = decisions.without_device(list), decisions.without_device(made_list)
  end
  return { list = list, made = made_list, whole = whole and not left_ns, finished = finished, stop = stop,
    left_ns = whole and left_ns or nil }
end

--- A script that came to its end, asked for a stop or raised comes to that again.
---@return string? cut why that cannot be said
local function compare_end(manifest, made, found, is_real)
  local ended, ended_again = read.get(manifest, "result.stop"), read.get(made or {}, "result.stop")
  local is_scripts = ended == "finished" or not is_real and (ended == "requested" or ended == "error")
  if not is_scripts or ended_again == ended then
    return nil
  end
  local why = tostring(read.get(made or {}, "result.reason"))
  if ended_again == "stuck" or not is_own(manifest) then -- this computer says so, or another device
    return "made again it did not come to the same end: " .. why
  end
  found:differ("manifest.json", nil, "it says how the script ended: %s; and %s another end: %s",
    tostring(read.get(manifest, "result.reason")), again, why)
end

local function check(folder, manifest, entries, scratch, findings, progress)
  -- a run that was told what an earlier one was told has its times as well
  local is_real = manifest.speed == nil or manifest.speed == 1 or entries[1].options.recalled == true
  local made, message = run_again(folder, scratch, progress)
  if not made then
    return findings:leave(what, message, children.remedy("experiment", folder))
  end
  local found, made_manifest = findings_of.new(), read.manifest(made .. "/manifest.json")
  local lists = lists_of(manifest, entries, made, is_real, made_manifest)
  local why = compare_lists(folder, manifest, entries, made, found, lists, is_real)
  local stopped = replays.was_stopped(manifest)
  local last = lists.made[math.min(#lists.list, #lists.made)]
  local late = stopped and not is_real
    and late_marks.of(entries, lists.stop, journal_of(made), last and last.line or 0) or nil
  if not is_real then
    after_stop.check(entries, rows.read(folder, found) or "", found)
    compare_starts(entries, made, lists, found)
  end
  for _, name in ipairs(is_real and {} or replays.names_of(manifest)) do
    replays.compare(folder, made, name, found, stopped, decisions.plain, late)
  end
  local cut = compare_end(manifest, made_manifest, found, is_real)
  local other, first = versions.other(manifest), found.differs[1]
  local outside, lines = excuse(made_manifest or {})
  if first and outside then
    local certain = compare_until(folder, manifest, entries, made, lists, lines)
    found, why = certain.differs[1] and certain or found, not certain.differs[1] and outside or nil
  end
  if not first and cut then
    findings:leave(what, cut, "look there, and at sources/, yourself")
  elseif not first then
    findings:check("the experiment's plans, settings, marks, questions and thresholds (%d lines of the "
      .. "journal)%s are what %s%s", #lists.list, is_real and " and the pulses of events.tsv"
      or (stopped or witnessed.cut(folder)) and " and events.tsv" or ", events.tsv and twin.tsv", again,
      lists.whole and not stopped and "" or " (until it was stopped or killed)")
  elseif other then
    versions.leave(findings, what, other, found.differs)
  elseif why then
    findings:leave(what, ("%s; from %s:%s on what is made again differs: %s"):format(why, first.file,
      tostring(first.line), first.text), "look there, and at sources/, yourself")
  else
    for _, each in ipairs(found.differs) do
      findings:differ(each.file, each.line, "%s", each.text)
    end
  end
end

--- Make the run again, and compare.
---@param folder string
---@param manifest table
---@param lines moonpulse.ChainLine[] the journal
---@param scratch string a folder of ours that is there, for what is made
---@param findings moonpulse.VerifyFindings
---@param progress fun(what: string, done: integer, total: integer, of: string)
function M.check(folder, manifest, lines, scratch, findings, progress)
  local entries = journal_lines.whole(lines)
  if manifest.status == "not run" then
    return -- nothing was played
  end
  aheads.check(entries, findings)
  local why = why_not(manifest, entries[1])
  if why then
    return findings:leave(what, why, "compare it with a copy that was kept elsewhere")
  end
  check(folder, manifest, entries, scratch, findings, progress)
end

return M
