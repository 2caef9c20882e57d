--- moonpulse runs: the runs that there are, a participant's course, and those that nobody recovered.
local catalogue = require "moonpulse.protocol.catalogue"
local beside = require "moonpulse.xdf.beside"
local can_go_on = require "moonpulse.rerun.can_go_on"
local cli = require "moonpulse.cli"
local core = require "moonpulse.core"
local escapes = require "moonpulse.text.escapes"
local histories = require "moonpulse.safety.history"
local json = require "moonpulse.text.readable_json"
local numbers = require "moonpulse.text.numbers"
local records = require "moonpulse.cli.records_option"
local recover = require "moonpulse.record.recover"
local reports = require "moonpulse.report"
local run_facts = require "moonpulse.safety.run_facts"
local run_lists = require "moonpulse.safety.run_list"
local same_session = require "moonpulse.safety.same_session"
local safety_options = require "moonpulse.cli.safety_options"
local to_type = require "moonpulse.text.to_type"
local upcoming = require "moonpulse.safety.upcoming"

require "moonpulse" -- the protocol files that are found here require it

local M = {}

local most_thresholds = 6 -- lines
local usual = 30 -- rows, without --all

local function date(text)
  local year, month, day = text:match("^(%d%d%d%d)%-(%d%d)%-(%d%d)$")
  local at = year and os.time { year = year, month = month, day = day, hour = 0 }
  if not at or os.date("%Y-%m-%d", at) ~= text then
    return nil, ("--since: a day like 2026-11-02 is expected, not %q"):format(text)
  end
  return at
end

function M.parser()
  local parser = cli.parser("runs",
    "List the runs that there are, the newest last: when, for whom, what, pulses given of planned (of a "
      .. "script: asked for), which session of how many, the worst onset error, the run's name, as other "
      .. "commands take it, and how it ended. With --participant also the course: what was given today, "
      .. "within 7 days and in all, the thresholds found, what comes next and when at the earliest. Runs "
      .. "that were killed, and not recovered, are named with the command that recovers them, and those that "
      .. "broke off and can go on with the one that does it.",
    "moonpulse runs\nmoonpulse runs --participant P07 --json\nmoonpulse runs --protocol itbs600 --since "
      .. "2026-11-01 --all\nmoonpulse runs --recover")
  parser:option("--participant", "Only this participant's, and their course."):argname("CODE")
    :convert(safety_options.code "--participant")
  parser:option("--protocol", "Only runs of this protocol or experiment, by its id."):argname("ID")
  parser:option("--since", "Only runs from this day on."):argname("DATE"):convert(date)
  parser:option("--course", "The participant's course, where no run of it says it yet."):argname("FILE")
  parser:flag("--all", ("All of them: without it, the last %d."):format(usual))
  parser:flag("--recover", "Recover the runs that were killed, as moonpulse recover does each.")
  parser:flag("--real-pty", "Behind pseudo-terminals are real stimulators, as for run: such runs count.")
  records.add(parser, "Where run folders are.")
  parser:flag("--json", "As data, in the same order: one JSON object (docs/schemas/runs.schema.json).")
  return parser
end

-- A participant's course -----------------------------------------------------------------------------------

--- The protocol of the course that the operator names, with it; nil: none is named.
local function named_course(options)
  if not options.course then
    return nil
  end
  local protocol, message = catalogue.find(options.course)
  if not protocol or not protocol.course then
    cli.fail("usage", "--course %s: %s", options.course, message or "it is no course (mp.course { ... })")
  end
  return protocol
end

--- What the participant had, which thresholds were found, and what comes next.
local function course_of(options, found)
  local known = histories.of(options.out, options.participant, nil, options.real_pty, options.older,
    found.names)
  local sum = { history = known, thresholds = {}, schedules = {}, pulses = 0, nerve_pulses = 0, today = 0,
    week = 0 }
  for _, run in ipairs(known.runs) do
    sum.pulses, sum.nerve_pulses = sum.pulses + run.pulses, sum.nerve_pulses + run.nerve_pulses
  end
  for _, session in ipairs((same_session.of(known.runs))) do
    if not session.edited then
      sum.today = sum.today + (os.date("%Y-%m-%d", session.at) == os.date("%Y-%m-%d") and 1 or 0)
      sum.week = sum.week + (os.time() - session.at < 7 * 86400 and 1 or 0)
    end
  end
  if found.hunted[1] then -- loaded for those who have one
    sum.thresholds = require("moonpulse.safety.found_thresholds").of_runs(found.hunted, options.real_pty)
  end
  for i, schedule in ipairs(upcoming.of(known, named_course(options))) do
    sum.schedules[i] = schedule:data()
  end
  return sum
end

-- As text ---------------------------------------------------------------------------------------------------

local function line(key, text, ...)
  print(("%-12s"):format(key) .. escapes.shown(text:format(...)))
end

local function amount(pulses, nerve, count)
  return ("%s in %s%s"):format(numbers.counted(pulses, "pulse"), numbers.counted(count, "session"),
    nerve > 0 and (", %s to nerves"):format(numbers.count(nerve)) or "")
end

--- A line for each run that looked for a threshold of a kind; of many the newest.
local function print_thresholds(list)
  for i, each in ipairs(list) do
    if i > most_thresholds then
      line("", "... and %d older ones: --json", #list - most_thresholds)
      break
    end
    line(each.kind == "unsaid" and "threshold" or each.kind, "%s%s, %s%s, run %s",
      each.place and each.place .. " " or "", each.value and ("%.10g %%MSO"):format(each.value) or "none",
      each.simulated and "simulated, " or "", each.date, each.run
      .. (each.why and (": not offered, %s"):format(each.why)
      or each.how and (" (%s)"):format(each.how) or ""))
  end
end

local function print_course(options, sum)
  local known = sum.history
  line("participant", "%s", histories.line(known, options.participant))
  line("today", "%s", amount(known.day, known.nerve_day, sum.today))
  line("7 days", "%s", amount(known.week, known.nerve_week, sum.week))
  line("in all", "%s", amount(sum.pulses, sum.nerve_pulses, known.sessions))
  print_thresholds(sum.thresholds)
  for _, schedule in ipairs(sum.schedules) do
    line("next", "%s%s: %s", schedule.protocol, schedule.course and (" (%s)"):format(schedule.course) or "",
      schedule.text)
  end
  print()
end

local function ended_as(run)
  local facts = run.facts
  if run.running then
    return "running now"
  elseif facts.starting then
    return "starting now: nothing is armed yet"
  elseif facts.torn then
    return "TORN: it was killed, and not recovered"
  elseif run.edited then
    return "EDITED since it was sealed: " .. run.edited
  elseif facts.closed then
    return "its folder cannot be read by this account"
  elseif facts.unreadable then
    return "its manifest cannot be read"
  elseif facts.status == "completed" then
    return "completed"
  end
  return ("%s: %s"):format(facts.status or "?", facts.reason or facts.stop or "?")
end

--- Of a run that began amid its plan.
local function begun_as(run)
  local at = run.facts.begins
  return at and ("; from %s %d%s"):format(at.what, at.number, at.continues and " of " .. at.continues or "")
    or ""
end

local function ending(run)
  local notes = run.facts.notes
  return ended_as(run) .. begun_as(run) .. (notes and (" (%s)"):format(numbers.counted(notes, "note")) or "")
end

local function row_of(run)
  local facts, session = run.facts, run.session
  local planned = facts.planned and facts.planned > 0 and (" of %s%s"):format(
    numbers.count(facts.planned // 1 | 0), facts.kind == "experiment" and " asked for" or "")
  return { os.date("%Y-%m-%d %H:%M", run.at), facts.participant or "-", facts.protocol or "-",
    facts.given and (run.running and "..." or numbers.count(facts.given // 1 | 0)) .. (planned or "") or "?",
    session and ("%d%s"):format(session.number, session.of and (" of %d"):format(session.of) or "")
      or facts.simulated and "simulated" or "-",
    facts.worst_us and numbers.seconds(facts.worst_us / 1e6) or "-", records.name_of(run.path),
    ending(run) }
end

local headings = { "date", "participant", "protocol", "pulses", "session", "onset error", "run", "ended" }

local function print_table(runs)
  local rows, widths = { headings }, {}
  for _, run in ipairs(runs) do -- the newest last: a terminal shows the end
    rows[#rows + 1] = row_of(run)
  end
  for _, row in ipairs(rows) do
    for i, cell in ipairs(row) do
      row[i] = escapes.shown(cell)
      widths[i] = math.max(widths[i] or 0, utf8.len(row[i]) or #row[i])
    end
  end
  for _, row in ipairs(rows) do
    local parts = {}
    for i, cell in ipairs(row) do
      parts[i] = cell .. (" "):rep(i < #row and widths[i] - (utf8.len(cell) or #cell) or 0)
    end
    print((table.concat(parts, "  "):gsub("%s+$", "")))
  end
end

--- What broke off and can go on.
local function print_broken(list)
  for _, each in ipairs(list) do
    line("resume", "%s goes on with %s %d", each.command, each.trial and "trial" or "plan",
      each.trial or each.plan)
  end
end

local function print_all(options, found, sum)
  if sum then
    print_course(options, sum)
  end
  if #found.runs > 0 then
    print_table(found.runs)
  end
  local where = options.out
  for _, older in ipairs(options.older or {}) do
    where = where .. " and " .. older
  end
  local asked = options.participant or options.protocol or options.since
  local count = found.count == 0 and (asked and "no such run" or "no run")
    or numbers.counted(found.count, "run")
  local left_out = #found.runs < found.count
    and (": the last %d are shown, --all shows all"):format(#found.runs)
  print(escapes.shown(("%s%s in %s%s"):format(#found.runs > 0 and "\n" or "", count, where, left_out or ""),
    true))
  for i, run in ipairs(found.torn) do
    if i > usual then
      line("torn", "... and %d more: moonpulse runs --recover", #found.torn - usual)
      break
    end
    line("torn", "%s", to_type.recover(run.path))
  end
  if #found.torn > 1 then
    line("", "all of them: moonpulse runs --recover")
  end
  print_broken(found.broken)
end

-- As data ---------------------------------------------------------------------------------------------------

---@param run moonpulse.ShownRun
local function data_of(run)
  local facts = run.facts
  return { path = run.path, started = facts.started, participant = facts.participant, kind = facts.kind,
    protocol = facts.protocol, simulated = facts.simulated,
    pulses_given = not run.running and facts.given or nil,
    pulses_planned = facts.planned, session = run.session, worst_onset_error_us = facts.worst_us,
    status = facts.unreadable and "unreadable" or facts.starting and "starting" or facts.status,
    stop = facts.stop, reason = facts.reason, torn = facts.torn and not run.running or false,
    running = run.running or facts.starting or false, edited = run.edited,
    begins_at = facts.begins, notes = facts.notes,
    recover = facts.torn and not run.running and to_type.recover(run.path) or nil }
end

local function list(values, make)
  local made = {}
  for i, value in ipairs(values) do
    made[i] = make(value)
  end
  return made
end

---@param each moonpulse.FoundThreshold
local function threshold_of(each)
  return { kind = each.kind, value = each.value, unit = "%MSO", date = each.date, how = each.how,
    device = each.place, simulated = each.simulated, run = each.run, why = each.why }
end

local amounts = { "pulses", "nerve_pulses", "sessions" }
local orders = { [""] = { "place", "older", "count", "torn", "broken", "runs", "participant" },
  ["runs[]"] = { "path", "started", "participant", "kind", "protocol", "simulated", "pulses_given",
    "pulses_planned", "session", "worst_onset_error_us", "status", "stop", "reason", "torn", "running",
    "edited", "begins_at", "notes", "recover" },
  ["runs[].begins_at"] = { "what", "number", "pulses_before", "pulses_planned", "left_out",
    "marks_left_out", "marks_given", "continues" },
  ["broken[]"] = { "path", "trial", "plan", "command" },
  ["runs[].session"] = { "number", "of" },
  participant = { "code", "today", "week", "all", "thresholds", "notes", "unreadable", "schedules" },
  ["participant.today"] = amounts, ["participant.week"] = amounts, ["participant.all"] = amounts,
  ["participant.thresholds[]"] = { "kind", "value", "unit", "date", "how", "device", "simulated", "run",
    "why" },
  ["participant.schedules[]"] = { "protocol", "course", "text", "complete", "earliest", "next_session" },
  lists = { older = true, runs = true, torn = true, broken = true, ["participant.schedules"] = true,
    ["participant.thresholds"] = true,
    ["participant.notes"] = true, ["participant.unreadable"] = true } }

local function print_json(options, found, sum)
  local known = sum and sum.history
  io.stdout:write(json.encode({ place = options.out, older = options.older or {}, count = found.count,
    runs = list(found.runs, data_of), torn = list(found.torn, function(run) return run.path end),
    broken = found.broken,
    participant = sum and { code = options.participant,
      today = { pulses = known.day, sessions = sum.today, nerve_pulses = known.nerve_day },
      week = { pulses = known.week, sessions = sum.week, nerve_pulses = known.nerve_week },
      all = { pulses = sum.pulses, sessions = known.sessions, nerve_pulses = sum.nerve_pulses },
      thresholds = list(sum.thresholds, threshold_of), schedules = sum.schedules, notes = known.notes,
      unreadable = known.unreadable } or nil }, orders))
end

-- Recovering ------------------------------------------------------------------------------------------------

--- Recover each of them; some may fail.
local function recover_all(torn)
  local failed = 0
  for _, run in ipairs(torn) do
    local summary, message = recover.run(run.path, nil, reports.writer(run.path),
      reports.page(run.path))
    failed = failed + (summary and 0 or 1)
    if not summary then
      line("failed", "%s", message)
    elseif summary.report then
      line("recovered", "%s: its report", run.path)
    else
      line("recovered", "%s: %s of %s %s%s", run.path, numbers.counted(summary.sent, "pulse"),
        numbers.count(summary.planned), summary.scripted and "asked for" or "planned",
        summary.disarmed and "" or "; NOT CONFIRMED SAFE: it does not say that the stimulator was disarmed")
    end
    local owed = summary and beside.owed(run.path)
    if owed then
      line("note", "%s: %s", run.path, owed)
    end
  end
  if #torn == 0 then
    print "no run is torn: there is nothing to recover"
  end
  return failed == 0 and cli.status.ok or cli.status.usage
end

--- What is odd about a participant's records.
local function tell(known, participant)
  for _, notes in ipairs { histories.unread(known, participant), known.notes } do
    for _, note in ipairs(notes) do
      io.stderr:write("moonpulse: note: ", note, "\n")
    end
  end
end

function M.run(options)
  records.settle(options)
  local asked = { who = options.participant and run_facts.key(options.participant),
    protocol = options.protocol, since = options.since, limit = not options.all and usual or nil }
  local found = run_lists.of({ options.out, table.unpack(options.older or {}) }, asked, options.real_pty,
    function(text) io.stderr:write("moonpulse: note: ", text, "\n") end)
  if options.recover then
    return recover_all(found.torn)
  end
  found.broken = can_go_on.of(found.runs, options.out)
  local sum = options.participant and course_of(options, found)
  if sum and not options.json then
    tell(sum.history, options.participant)
  end
  if options.course and not sum then
    cli.fail("usage", "--course %s: whose? name the participant with --participant CODE", options.course)
  end
  core.phase "none"
  if options.json then
    print_json(options, found, sum)
  else
    print_all(options, found, sum)
  end
end

return M
