--- A planted fault for each invariant of moonpulse.explore: what a product at fault would have left of a
--- run, such that this invariant fails and no other. { invariant, scenario, left(run) }; again: played
--- twice; recover: recovered, too; listed(own): in place of what lists a plan.
local runs = require "explore.scenarios"
local triggered = require "moonpulse.explore.triggered"

local ms, s = 1000000, 1000000000

local function safe_of(run)
  return (run.facts.safe:gsub("%x%x", function(digits) return string.char(tonumber(digits, 16)) end))
end

--- What `moonpulse events` lists, with the events from the third on, or the last one alone, by_ns later.
local function listing_late(by_ns, last_only)
  return function(listed)
    return function(...)
      local rows = listed(...)
      for i = last_only and #rows or 3, #rows do
        rows[i].ns = rows[i].ns + by_ns
      end
      return rows
    end
  end
end

--- Add a pulse that the simulator gave.
local function add_given(run, pulse, place)
  table.insert(run.given, place or #run.given + 1, pulse)
  run.final.pulses = run.final.pulses + 1
end

local function lose_given(run)
  table.remove(run.given)
  run.final.pulses = run.final.pulses - 1
end

--- When one of several devices gave its last pulse.
local function last_ns(part)
  return part.given[#part.given].ns
end

local function stop_ns(run)
  return run.stops[1].at_ns
end

local function mark_row(run)
  for _, row in ipairs(run.rows) do
    if row.event == "mark" then
      return row
    end
  end
end

--- The step of the call of stim:on_trigger is another one than the product was given.
local function stepping(change)
  return function(run)
    run.calls[1].step = setmetatable(change, { __index = run.calls[1].step })
    triggered.read(run)
  end
end

--- The last line of the journal about a trigger that came too soon: its place.
local function last_refused(run)
  for place = #run.journal, 1, -1 do
    if run.journal[place].heard == "refractory" then
      return place
    end
  end
end

--- So many more triggers that came too soon are counted, wherever they are.
local function count_refused(run, more)
  local of = run.manifest.experiment.triggers.on_trigger
  of.refractory = of.refractory + more
  run.calls[1].came = run.calls[1].came + more
  for _, row in ipairs(run.rows) do
    row.reply = row.reply:gsub("^triggers: %d+", "triggers: " .. run.calls[1].came)
  end
  triggered.read(run)
end

--- The same as run.job's lowering, with its last pulse moved.
local function lowering_moved(run)
  local own = run.job.lowering
  local fake = { rewind = function() own:rewind() end, next = function()
    local kind, number, ns, due, what, frame = own:next()
    return kind, number, number == 8 and ns + 1000 or ns, due, what, frame
  end }
  return setmetatable({ lowering = fake }, { __index = run.job })
end

return {
  -- lists
  { "rests-within-bounds", runs.drawn, listed = listing_late(5 * s) },
  { "listed-as-written", runs.quiet, listed = listing_late(1000, true) },
  { "judged-as-written", runs.quiet, function(run)
    run.job = setmetatable({ safety = { pulses = 7 } }, { __index = run.job })
  end },
  { "lowered-as-written", runs.quiet, function(run) run.job = lowering_moved(run) end },
  { "given-as-written", runs.quiet, lose_given },
  { "strength-as-written", runs.quiet, function(run) run.given[1].mso = 41 end },
  { "output-as-written", runs.outputs, function(run) run.given[1].channel = "3" end },
  { "recorded-as-written", runs.quiet,
    function(run) run.pulses[2].planned = run.pulses[2].planned + 1000 end },
  { "recorded-once", runs.quiet, function(run) run.pulses[2].number = 1 end },
  { "marks-recorded", runs.quiet, function(run) mark_row(run).reply = "another" end },
  -- sending
  { "none-early", runs.clock, function(run) run.given[3].at = run.given[3].at - ms // 2 end },
  { "none-late", runs.clock, function(run) run.given[8].at = run.given[8].at + 2 * ms end },
  { "none-twice", runs.key, function(run)
    add_given(run, { ns = run.given[1].ns + s // 2, at = run.given[1].at + s // 2, channel = "1", mso = 40 },
      2)
  end },
  { "none-more-than-written", runs.key, function(run)
    for i = 1, 6 do
      add_given(run, { ns = run.given[1].ns + i, at = run.given[1].at + i, channel = "1", mso = 40,
        row = { status = "delivered", timed_by = "device", index = 90 + i } }, 2)
    end
  end },
  { "none-closer-than-device", runs.fast, function(run) run.given[1].at = run.given[1].at + ms // 2 end },
  { "none-closer-than-plan", runs.clock, function(run)
    run.given[2].at = run.given[2].at + ms + 1500
    run.given[3].at = run.given[3].at - 2000
  end },
  { "exact-when-undisturbed", runs.quiet, function(run) run.given[3].at = run.given[3].at + 5000 end },
  { "nothing-ignored", runs.quiet, function(run)
    table.insert(run.log, { ns = 1001 * s, event = "ignored", bytes = "00", note = "too soon" })
  end },
  { "settings-confirmed", runs.quiet, function(run) run.replies = { 1 } end },
  -- triggers
  { "triggers-not-lost", runs.triggered, function(run)
    run.journal[last_refused(run)].heard = nil
    count_refused(run, -1)
  end },
  { "triggers-not-doubled", runs.triggered, function(run)
    run.journal[last_refused(run)].count = 2
    count_refused(run, 1)
  end },
  { "verdicts-as-computed", runs.triggered, function(run)
    run.journal[last_refused(run)].heard = "counted"
    run.manifest.experiment.triggers.on_trigger.counted = 1
    count_refused(run, -1)
    count_refused(run, 1)
    run.manifest.experiment.triggers.on_trigger.refractory = 2
  end },
  { "starts-have-a-trigger", runs.triggered, function(run)
    local play = run.journal_plays[2]
    play.from_ns = math.tointeger(play.from_ns) - ms
    triggered.read(run)
  end },
  { "triggers-start", runs.triggered, function(run)
    run.scenario = setmetatable({ triggers = { { at_s = 1, byte = 1 }, { at_s = 1.5, byte = 1 },
      { at_s = 3.4, byte = 1 }, { at_s = 3.5, byte = 1 }, { at_s = 4, byte = 2 }, { at_s = 6, byte = 1 },
      { at_s = 6.5, byte = 1 } } }, { __index = run.scenario })
    triggered.read(run)
  end },
  { "starts-at-their-time", runs.triggered, stepping { delay = 0.0013052 } },
  { "starts-are-given", runs.triggered, function(run)
    local wanted = run.calls[1].begun[2].play.wanted
    table.insert(wanted, { ns = wanted[1].ns + s })
  end },
  { "none-without-trigger", runs.triggered_and_stopped, function(run)
    add_given(run, { ns = run.given[4].ns - s, at = run.given[4].at - s, channel = "1", mso = 40,
      row = { status = "delivered", timed_by = "device", index = 90 } }, 4)
  end },
  { "none-within-refractory", runs.triggered, stepping { refractory = 2.6 } },
  { "never-more-than-count", runs.triggered, stepping { count = 2 } },
  { "none-starts-after-stop", runs.triggered_and_stopped, function(run)
    table.insert(run.stops, { source = "key", at_ns = run.start_ns + 5999 * ms, state = "running" })
  end },
  { "armed-for-triggers-soon", runs.triggered, function(run)
    run.calls[1].called_ns = run.calls[1].called_ns - 30 * s
  end },
  { "trigger-counts-agree", runs.triggered, function(run)
    run.manifest.experiment.triggers.on_trigger.refractory = 4
  end },
  { "trigger-sums-are-said", runs.triggered, function(run) run.calls[1].starts = 9 end },
  { "waits-hear-each-byte", runs.triggered, function(run) run.waits[2].byte = 7 end },
  -- outside
  { "outside-has-rows", runs.watched, function(run)
    run.fired_given[2].ns = run.fired_given[2].ns + ms
  end },
  { "outside-is-bounded", runs.watched, function(run)
    run.watches[1].step = setmetatable({ count = 2 }, { __index = run.watches[1].step })
  end },
  -- stopping
  { "nothing-after-stop", runs.key, function(run)
    local last = run.given[#run.given]
    last.ns = stop_ns(run) + 100 * ms
    for _, entry in ipairs(run.log) do
      entry.ns = entry.event == "disarm" and last.ns + 1 or entry.ns
    end
    table.move({ last.ns + ms, safe_of(run) }, 1, 2, #run.heard + 1, run.heard)
  end },
  { "nothing-sent-after-stop", runs.key, function(run)
    local row = run.given[#run.given].row
    row.sent = stop_ns(run) - run.start_ns + 100 * ms
    row.confirmed = row.sent
  end },
  { "safe-soon-after-stop", runs.key, function(run)
    for i = 1, #run.heard, 2 do
      run.heard[i] = run.heard[i] >= stop_ns(run) and run.heard[i] + s or run.heard[i]
    end
  end },
  { "safe-at-the-end", runs.quiet, function(run) run.heard = {} end },
  { "ends-soon-after-stop", runs.key, function(run) run.ended_ns = run.ended_ns + 30 * s end },
  { "stop-is-named", runs.key, function(run) run.result.stop, run.status = "error", 3 end },
  { "reason-happened", runs.key_and_clock, function(run) run.result.stop = "line" end },
  { "no-arm-after-operator", runs.key, function(run)
    table.insert(run.log, { ns = stop_ns(run) + s, event = "arm", bytes = "", note = "" })
  end },
  { "finished-is-whole", runs.clock, lose_given },
  -- several devices
  { "mutual-timing", runs.two, function(run)
    run.start_ns = run.start_ns + 5000
    for _, pulse in ipairs(run.parts[2].given) do
      pulse.ns = pulse.ns + 5000
    end
  end },
  { "all-armed-before-any", runs.two, function(run)
    run.given[1] = setmetatable({ ns = run.given[1].ns - s }, { __index = run.given[1] })
  end },
  { "one-stop-stops-all", runs.two_drop, function(run)
    for i = 1, #run.parts[1].heard, 2 do
      local at_ns = run.parts[1].heard[i]
      run.parts[1].heard[i] = at_ns > last_ns(run.parts[1]) and at_ns + s or at_ns
    end
  end },
  { "fault-names-its-device", runs.two_drop, function(run)
    run.result.reason = "the stimulator stopped confirming its pulses"
  end },
  -- device
  { "disarmed-at-the-end", runs.quiet, function(run)
    run.final.armed, run.result.disarmed, run.message = true, nil, "it is NOT CONFIRMED SAFE"
  end },
  { "disarmed-is-true", runs.broken, function(run)
    run.final.armed, run.message = true, "it is NOT CONFIRMED SAFE"
  end },
  { "unsafe-is-said", runs.broken, function(run) run.final.armed, run.result.disarmed = true, nil end },
  { "unsafe-is-status-4", runs.stuck, function(run)
    run.status, run.result.stop, run.result.status = 5, nil, "stopped"
  end },
  { "armed-before-pulse", runs.quiet, function(run)
    for _, entry in ipairs(run.log) do
      entry.event = entry.event == "arm" and "get" or entry.event
    end
  end },
  { "never-armed-if-refused", runs.refused, function(run) run.heard = { 1, "x" } end },
  { "counts-of-the-simulator", runs.quiet, function(run) run.final.pulses = run.final.pulses + 1 end },
  { "stays-armed", runs.quiet, function(run)
    local ns, place = run.given[2].ns + s // 2, 1
    while run.log[place] and run.log[place].ns < ns do
      place = place + 1
    end
    table.insert(run.log, place, { ns = ns, event = "arm", bytes = "", note = "" })
    table.insert(run.log, place, { ns = ns, event = "disarm", bytes = "", note = "" })
  end },
  -- record
  { "pulses-have-their-place", runs.quiet, function(run) run.pulses[2].trial = run.pulses[1].trial + 2 end },
  { "pulses-have-their-place", runs.quiet, function(run) run.pulses[2].condition = "mark" end },
  { "names-no-folder", runs.quiet, function(run)
    run.manifest_text = run.manifest_text .. run.folder .. "/events.tsv"
  end },
  { "rows-are-whole", runs.quiet, function(run) run.odd_row = "1.0" end },
  { "rows-in-order", runs.quiet, function(run) run.rows[3].onset = run.rows[2].onset - 1 end },
  { "rows-are-numbered", runs.quiet, function(run) run.rows[2].index = 9 end },
  { "no-negative-onset", runs.quiet, function(run) run.rows[1].onset = -1 end },
  { "known-status", runs.quiet, function(run) mark_row(run).status = "done" end },
  { "given-is-recorded", runs.key, function(run)
    run.given[2].row.status = "stopped"
    run.result.pulses_confirmed = run.result.pulses_confirmed - 1
  end },
  { "delivered-was-given", runs.quiet, function(run) run.pulses[2].pulse = nil end },
  { "left-out-was-not-given", runs.skips, function(run)
    for _, row in ipairs(run.pulses) do
      row.pulse = row.status == "late" and run.given[1] or row.pulse
    end
  end },
  { "confirmed-after-sent", runs.quiet, function(run) run.pulses[2].confirmed = run.pulses[2].sent - ms end },
  { "sent-is-counted", runs.quiet, function(run) run.result.pulses_sent = run.result.pulses_sent + 1 end },
  { "sent-is-counted", runs.perhaps, function(run) run.result.pulses_sent = run.result.pulses_sent - 1 end },
  { "confirmed-is-counted", runs.quiet, function(run)
    run.result.pulses_confirmed = run.result.pulses_confirmed + 1
  end },
  { "skipped-is-counted", runs.quiet, function(run) run.result.pulses_skipped = 1 end },
  { "planned-is-counted", runs.quiet, function(run) run.result.pulses_planned = 9 end },
  { "checksum-is-right", runs.quiet, function(run) run.result.events_sum = ("0"):rep(16) end },
  { "journal-is-whole", runs.script, function(run) run.journal[1].line = 5 end },
  { "script-marks-recorded", runs.script, function(run) table.insert(run.marks, "another") end },
  { "private", runs.quiet, function(run) run.files["events.tsv"] = "rw-r--r--" end },
  { "nothing-left-over", runs.quiet, function(run) run.files["events.tsv.new"] = "rw-------" end },
  -- recovery
  { "recovers", runs.quiet, function(run) run.recovered.why = "it is damaged" end, recover = true },
  { "recovered-is-live", runs.quiet, function(run) run.recovered.text = run.recovered.text:gsub("delivered",
    "sent", 1) end, recover = true },
  { "recovered-has-all", runs.quiet, function(run) table.remove(run.recovered.rows) end, recover = true },
  { "recovered-counts", runs.quiet, function(run) run.recovered.summary.sent = 7 end, recover = true },
  { "recovered-was-given", runs.quiet, function(run)
    table.insert(run.recovered.rows, { number = 9, status = "delivered", onset = 99 * s, planned = 99 * s })
  end, recover = true },
  -- of a device's own train that breaks, too
  { "recovered-has-all", runs.overheats, function(run) run.recovered.rows[3].status = "stopped" end,
    recover = true },
  { "recovered-was-given", runs.overheats, function(run)
    table.insert(run.recovered.rows, { number = 99, status = "delivered", onset = 99 * s, planned = 99 * s })
  end, recover = true },
  { "killed-has-all", runs.overheats, function(run) run.killed.recovered.rows[3].status = "stopped" end },
  { "killed-was-given", runs.overheats, function(run)
    table.insert(run.killed.recovered.rows, { number = 8, status = "delivered", onset = 99 * s,
      planned = run.pulses[8].planned })
  end },
  { "killed-recovers", runs.killed, function(run) run.killed.recovered = { why = "it is damaged" } end },
  { "killed-has-all", runs.killed, function(run) table.remove(run.killed.recovered.rows) end },
  { "killed-was-given", runs.killed, function(run)
    local live = run.pulses[8]
    table.insert(run.killed.recovered.rows, { number = 8, status = "delivered", onset = 99 * s,
      planned = live.planned })
  end },
  { "killed-as-live", runs.killed, function(run) run.killed.recovered.rows[2].status = "otherwise" end },
  { "recovered-is-undamaged", runs.quiet,
    function(run) run.recovered.summary.said = { "1 record is torn" } end, recover = true },
  -- ending
  { "no-error-of-our-own", runs.quiet, function(run) run.message = "attempt to index a nil value" end },
  { "known-exit-status", runs.script, function(run)
    run.status, run.message, run.result = 7, "it is out of order", {}
  end },
  { "message-unless-done", runs.refused, function(run) run.message = "" end },
  { "known-reason", runs.key_and_clock, function(run) run.result.stop = "tired" end },
  { "reason-in-words", runs.quiet, function(run) run.result.reason = "" end },
  { "status-fits-reason", runs.key_and_clock, function(run) run.status = 2 end },
  { "manifest-fits-status", runs.key_and_clock, function(run) run.result.status = "completed" end },
  { "not-left-running", runs.quiet, function(run) run.manifest.status = "running" end },
  { "manifest-is-there", runs.quiet, function(run) run.manifest = nil end },
  { "undisturbed-completes", runs.quiet, function(run)
    run.ok, run.status, run.message = false, 2, "error in the script: none"
    run.result.stop, run.result.status = "error", "stopped"
  end },
  { "full-disk-is-said", runs.full, function(run)
    run.result = { status = "completed", reason = "the plan is complete", pulses_sent = #run.pulses + 1 }
    run.status = 0
  end },
  { "ends-in-time", runs.quiet, function(run) run.ended_ns = run.ended_ns + 1000 * s end },
  -- event codes
  { "codes-equal-pulses", runs.coded, function(run)
    for _, row in ipairs(run.rows) do
      row.planned = row.event == "code" and row.planned + ms or row.planned
    end
  end },
  { "codes-stood-at-the-box", runs.coded, function(run)
    run.box_text = run.box_text:gsub("\t51\n", "\t50\n", 1)
  end },
  { "codes-stood-at-the-box", runs.coded_line, function(run)
    run.box_text = run.box_text:gsub("\t0\n", "\t0\n1003.000000000\t1\n1003.100000000\t0\n", 1)
  end },
  { "marks-have-their-codes", runs.coded_script, function(run)
    table.insert(run.coded, { code = 9, from_ns = run.start_ns + s, to_ns = run.start_ns + s })
  end },
  { "marks-have-their-codes", runs.coded_script, function(run) table.remove(run.coded) end },
  { "codes-told-apart", runs.coded_script, function(run) -- no 0 but the last
    run.box_text = run.box_text:gsub("[^\n]*\t0\n()", function(to)
      return to <= #run.box_text and "" or nil
    end)
  end },
  { "codes-told-apart", runs.coded_script, function(run) -- each 0 as the next code comes
    run.box_text = run.box_text:gsub("[^\n]*\t0\n(([^\n]*)\t[1-9]%d*\n)", "%2\t0\n%1")
  end },
  { "box-at-rest", runs.coded_stop, function(run) run.box_text = run.box_text:gsub("[^\n]*\t0\n$", "") end },
  -- history
  { "history-adds-up", runs.earlier, function(run)
    run.policy.history.week = run.policy.history.week + 100
  end },
  { "history-has-sessions", runs.earlier, function(run) run.policy.history.unreadable = {} end },
  { "history-reaches-gate", runs.earlier, function(run)
    for _, finding in ipairs(run.job.safety.findings) do
      finding.value = finding.rule == "pulses a day" and 8 or finding.value
    end
  end },
  { "history-is-kept", runs.earlier, function(run) run.manifest.safety.history.day = 0 end },
  { "history-is-untouched", runs.earlier, function(run) run.earlier.touched = "events.tsv" end },
  -- process
  { "same-seed-same-bytes", runs.quiet, function(run)
    run.again.simulator_text = run.again.simulator_text .. "x"
  end, again = true },
  { "short-cuts-change-nothing", runs.quiet, function(run) run.long_way.events_text = "" end, again = true },
  { "same-seed-same-end", runs.key, function(run) run.again.message = "stopped" end, again = true },
  { "time-is-real-again", runs.quiet, function(run) run.after.is_virtual = true end },
  { "no-task-left", runs.quiet, function(run) run.after.tasks = 1 end },
  { "no-file-left-open", runs.quiet, function(run) run.after.files, run.after.files_before = 99, 9 end },
  { "memory-flat", runs.quiet, function(run) run.after.memory_kb, run.after.first_kb = 90000, 3000 end },
}
