--- An experiment's run, made again: its kept script, shut in, with its parameters and seed, is told what the
--- journal says that it was told, and must decide the same. In virtual time its rows are the same, too.
local core = require "moonpulse.core"
local courses = require "moonpulse.run.course"
local decisions = require "moonpulse.compare.decisions"
local drivers = require "moonpulse.driver.find"
local findings_of = require "moonpulse.verify.findings"
local folders = require "moonpulse.record.folder"
local journal_lines = require "moonpulse.record.journal_lines"
local lfs = require "lfs"
local places = require "moonpulse.text.places"
local pulses = require "moonpulse.verify.pulses"
local read = require "moonpulse.record.read"
local replays = require "moonpulse.verify.replay"
local rows = require "moonpulse.verify.rows"
local versions = require "moonpulse.verify.version"

local M = {}

local what = "the experiment's plans against its text, seed, parameters and answers"
local again = "the kept text, seed, parameters and answers make"
local most_events = 2000000000
local most_said = 500 -- bytes of why it could not be

--- Why it cannot be made again; nil: it can.
local function why_not(manifest, begin)
  if not begin or begin.kind ~= "begin" or type(begin.options) ~= "table"
    or type(begin.device) ~= "table" then
    return "the journal does not say how it was driven"
  end
  for _, name in ipairs { read.get(manifest, "device.name") or false, begin.device.name or false } do
    if not drivers.known(name) then
      return ("its driver %s is no shipped one, and no driver that a record names is loaded"):format(
        tostring(name))
    end
  end
  for _, each in ipairs(type(manifest.files) == "table" and manifest.files or {}) do
    if type(each) == "table" and each.role == "driver" then
      return ("its driver %s is a file, and no driver that a record names is loaded"):format(
        tostring(each.file))
    end
  end
end

--- Run it again into a folder of that folder: the new run's folder, or nil and what was said last.
local function run_again(folder, out)
  if not pcall(core.current) then
    return core.run(run_again, folder, out)
  end
  local args = { "/bin/sh", "-c", 'exec "$0" "$@" </dev/null 2>&1', places.program(), "rerun", folder,
    "--look", "--out", out }
  local ok, said = pcall(courses.perform, args)
  if not ok then
    if type(said) == "table" and said.code == "stopped" then
      error(said, 0)
    end
    return nil, type(said) == "table" and said.message or tostring(said)
  end
  for name in lfs.dir(out) do
    local path = out .. "/" .. name
    if name ~= "." and name ~= ".." and lfs.attributes(path, "mode") == "directory" then
      return path
    end
  end
  local why = table.concat(said, " "):gsub("^.*moonpulse: ", "")
  return nil, #why > most_said and why:sub(1, most_said) .. " ..." or why -- a script's may be endless
end

local function journal_of(made)
  local text = core.read_file(made .. "/journal.jsonl", journal_lines.most_bytes)
  return journal_lines.whole((journal_lines.of(text or "")))
end

--- Was the run on the very simulator that it is made again on?
local function is_own(manifest)
  return read.get(manifest, "device.simulated") == true and read.get(manifest, "device.own_simulator") == true
end

--- Compare what was decided. What differs goes to found.
local function compare_decisions(manifest, entries, made, found, is_real)
  local list, whole = decisions.until_stop(entries, decisions.of(entries), is_real)
  local made_list = decisions.of(journal_of(made))
  if not is_own(manifest) then
    list, made_list = decisions.without_device(list), decisions.without_device(made_list)
  end
  local at = decisions.difference(list, made_list, { whole = whole, parts = is_real })
  if at then
    found:differ("journal.jsonl", at.a and at.a.line or #entries, "%s", decisions.words(at.a, at.b, again))
  end
  return list, whole, made_list
end

--- When each plan started, in the order of their pulses: { first, ns } from the run's start.
local function starts_of(entries)
  local origin_ns, list, first = math.tointeger(tonumber(entries[1] and entries[1].clock_ns)) or 0, {}, 1
  for _, entry in ipairs(entries) do
    local start_ns = entry and entry.kind == "play" and math.tointeger(tonumber(entry.start_ns))
    if start_ns then
      list[#list + 1] = { first = first, ns = start_ns - origin_ns }
      first = first + (math.tointeger(tonumber(entry.pulses)) or 0)
    end
  end
  return list
end

--- Of a run in real time: what stands in the plans is in the rows.
local function compare_pulses(folder, manifest, entries, made, found, whole, upto)
  local text, other = rows.read(folder, found), core.read_file(made .. "/events.tsv", most_events)
  local ours, theirs, at = starts_of(entries), starts_of(journal_of(made)), 1
  pulses.compare(text or "", other or "", { whole = whole, what = again, same_device = is_own(manifest),
    upto = upto, since = function(pulse) -- they come in their order
      while ours[at + 1] and ours[at + 1].first <= pulse do
        at = at + 1
      end
      return ours[at] and theirs[at] and ours[at].ns - theirs[at].ns
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
  elseif other.by == "parts" then
    return "its script has parts side by side (run:spawn), and which came first is the computer's timing",
      other.lines
  end
end

--- What differs before what excuses the rest.
local function compare_until(folder, manifest, entries, made, list, made_list, whole, lines)
  local found, upto = findings_of.new(), 0
  local at = decisions.difference_until(list, made_list, whole, lines)
  if at then
    found:differ("journal.jsonl", at.a and at.a.line or #entries, "%s", decisions.words(at.a, at.b, again))
  end
  for number, entry in ipairs(journal_of(made)) do
    if number <= lines and entry and entry.kind == "play" then
      upto = upto + (math.tointeger(tonumber(entry.pulses)) or 0)
    end
  end
  compare_pulses(folder, manifest, entries, made, found, whole, upto)
  return found
end

local function check(folder, manifest, entries, out, findings)
  -- a run that was told what an earlier one was told has its times as well
  local is_real = manifest.speed == nil or manifest.speed == 1 or entries[1].options.recalled == true
  local made, message = run_again(folder, out)
  if not made then
    return findings:leave("%s: %s", what, message)
  end
  local found, made_manifest = findings_of.new(), read.manifest(made .. "/manifest.json")
  local list, whole, made_list = compare_decisions(manifest, entries, made, found, is_real)
  local stopped = replays.was_stopped(manifest)
  if is_real then
    compare_pulses(folder, manifest, entries, made, found, whole)
  end
  for _, name in ipairs(is_real and {} or { "events.tsv", "twin.tsv" }) do
    replays.compare(folder, made, name, found, stopped, decisions.plain)
  end
  local other = versions.other(manifest)
  local why, lines = excuse(made_manifest or {})
  local first = found.differs[1]
  if first and why then
    local certain = compare_until(folder, manifest, entries, made, list, made_list, whole, lines)
    if certain.differs[1] then
      found, why = certain, nil
    end
  end
  if not first then
    findings:check("the experiment's plans, settings, marks, questions and thresholds (%d lines of the "
      .. "journal)%s are what %s%s", #list, is_real and " and the pulses of events.tsv"
      or stopped and " and events.tsv" or ", events.tsv and twin.tsv", again,
      whole and not stopped and "" or " (until it was stopped or killed)")
  elseif other then
    versions.leave(findings, what, other, found.differs)
  elseif why then
    findings:leave("%s: %s; from %s:%s on what is made again differs", what, why, first.file,
      tostring(first.line))
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
---@param findings moonpulse.VerifyFindings
function M.check(folder, manifest, lines, findings)
  local entries = journal_lines.whole(lines)
  if manifest.status == "not run" then
    return -- nothing was played
  end
  local why = why_not(manifest, entries[1])
  if why then
    return findings:leave("%s: %s", what, why)
  end
  local out <close>, problem = folders.scratch()
  if not out then
    return findings:leave("%s: %s", what, problem)
  end
  check(folder, manifest, entries, out.path, findings)
end

return M
