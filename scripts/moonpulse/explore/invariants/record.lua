--- The record is whole: its rows in order, their counts those of the manifest, and all of it what the
--- simulator gave.
local troubles = require "moonpulse.explore.trouble"

local function seconds(ns)
  return ("%.9f s"):format(ns / 1e9)
end

--- Is there a record that says that it is whole?
local function is_closed(run)
  return run.result.status ~= nil and run.rows ~= nil and run.events_text and not run.full
end

local function count(run, wanted)
  local found = 0
  for _, row in ipairs(run.pulses) do
    if wanted(row) then
      found = found + 1
    end
  end
  return found
end

-- not of record/counted.lua, on purpose: that is what is checked here
local gave = { delivered = true, sent = true, otherwise = true, perhaps_sent = true }
local left_out = { late = true, close = true, setting = true, not_taken = true }
local function counts_as_sent(row) return gave[row.status] or row.sent ~= nil end
local known = { delivered = true, sent = true, otherwise = true, late = true, close = true, setting = true,
  stopped = true, perhaps_sent = true, not_taken = true, passed = true, external = true }

local header = table.concat({ "onset", "duration", "trial_type", "index", "event", "pulse",
  "onset_planned_us",
  "onset_sent_us", "onset_confirmed_us", "lateness_us", "channel", "intensity_mso", "intensity",
    "intensity_ref",
  "status", "reply", "timed_by", "setting_proof", "trial", "block" }, "\t") .. "\n"

local function has_rows(run)
  return is_closed(run) and run.rows[1]
end

--- The checksum of a text as engine/checksum.h has it, computed here.
local function sum_of(text)
  local odd, lanes = 0x9E3779B97F4A7C15, { 1, 2, 3, 4 }
  local function mix(lane, word)
    lane = (lane ~ word) * odd
    return lane ~ (lane >> 32)
  end
  for at = 1, #text + 1, 32 do -- the last block is filled with zeros
    local block = text:sub(at, at + 31)
    block = block .. ("\0"):rep(32 - #block)
    for i = 1, 4 do
      lanes[i] = mix(lanes[i], (string.unpack("<i8", block, 8 * i - 7)))
    end
  end
  local value = #text
  for i = 1, 4 do
    value = mix(value, lanes[i])
  end
  return ("%016x"):format(value)
end

--- Where a text has a name as a folder's, which is followed by "/", or by "\\/" in JSON.
local function where_of(text, name)
  local from, to = text:find(name, 1, true)
  while from and not text:find("^\\?/", to + 1) do
    from, to = text:find(name, to + 1, true)
  end
  return from
end

--- What of a record names the folder in which all of them lie: the run's, or what recover made of it.
local function naming(run)
  local name = run.folder:match "([^/]+)/[^/]+$" -- its name alone may be told
  local texts = { ["events.tsv"] = run.events_text, ["manifest.json"] = run.manifest_text,
    ["journal.jsonl"] = run.journal_text, ["what recover made"] = run.recovered and run.recovered.kept,
    ["what recover made of the killed run"] = run.killed and run.killed.recovered
      and run.killed.recovered.kept }
  for what, text in pairs(texts) do
    local from = where_of(text, name)
    if from then
      return ("%s: ...%s..."):format(what, text:sub(math.max(1, from - 60), from + 60):gsub("%c", " "))
    end
  end
end

--- The first pulse whose condition or trial is not what the plan that was written says: trials count on from
--- pulse to pulse, whatever became of them.
local function misplaced(pulses)
  local before
  for _, row in ipairs(pulses) do
    local wanted, number = row.wanted, row.number
    if wanted then
      local condition = wanted.condition or wanted.trial.condition
      if row.condition ~= condition then
        return ("pulse %s is %q, asked for was %q"):format(number, row.condition, condition)
      elseif before and before.number == number - 1 or number == 1 then
        local trial = before and before.trial + (before.wanted.trial == wanted.trial and 0 or 1) or 1
        if row.trial ~= trial then
          return ("pulse %s is of trial %s, not %d"):format(number, row.trial, trial)
        end
      end
    end
    before = wanted and row or nil
  end
end

return {
  { name = "names-no-folder",
    says = "No text of a record names the folder in which it lies: it is the same wherever it is kept.",
    when = function(run) return run.folder end,
    check = naming },
  { name = "pulses-have-their-place",
    says = "Each pulse has the condition that was written for it, and trials are numbered from 1 on.",
    when = function(run) return has_rows(run) and not run.full end,
    check = function(run) return misplaced(run.pulses) end },
  { name = "rows-are-whole", says = "events.tsv begins with its header, and each line has every column.",
    when = function(run) return is_closed(run) end,
    check = function(run)
      if run.events_text:sub(1, #header) ~= header then
        return "its first line is not the header"
      end
      return run.odd_row and "this line is no row: " .. run.odd_row or nil
    end },
  { name = "rows-in-order", says = "Rows are sorted by onset, marks before pulses of the same instant.",
    when = has_rows,
    check = function(run)
      local a, onset, before_ns
      for i, b in ipairs(run.rows) do
        onset = b.onset
        if a and (onset < before_ns or onset == before_ns and b.event == "mark" and a.event ~= "mark") then
          return ("row %d (%s at %s) stands after %s at %s"):format(i, b.event, seconds(onset), a.event,
            seconds(before_ns))
        end
        a, before_ns = b, onset
      end
    end },
  { name = "rows-are-numbered", says = "Rows are numbered from 1, none is missing.",
    when = has_rows,
    check = function(run)
      for i, row in ipairs(run.rows) do
        if row.index ~= i then
          return ("row %d has the number %s"):format(i, row.index)
        end
      end
    end },
  { name = "no-negative-onset", says = "No row lies before the run's start.",
    when = has_rows,
    check = function(run)
      for _, row in ipairs(run.rows) do
        if row.onset < 0 then
          return ("row %d (%s) is at %s"):format(row.index, row.event, seconds(row.onset))
        end
      end
    end },
  { name = "known-status", says = "Each row has one of the statuses that docs/record.md names.",
    when = has_rows,
    check = function(run)
      for _, row in ipairs(run.rows) do
        if not known[row.status] then
          return ("row %d has the status %q"):format(row.index, row.status)
        end
      end
    end },
  { name = "given-is-recorded", each = true,
    says = "Every pulse that the simulator gave has a row that says so.",
    when = function(run) return is_closed(run) and run.given[1] end,
    check = function(run)
      for _, pulse in ipairs(run.given) do -- one that has no row at all: none-twice
        local row = pulse.row
        if row and not gave[row.status] and not left_out[row.status]
          and troubles.held_ns(run, pulse.ns, pulse.ns, "port") == 0 then -- it hears the safe frame late
          return ("a pulse was given at %s: row %d says %s"):format(seconds(pulse.at), row.index, row.status)
        end
      end
    end },
  { name = "delivered-was-given", each = true,
    says = "A pulse that is recorded as delivered was given by the simulator.",
    when = has_rows,
    check = function(run)
      for _, row in ipairs(run.pulses) do
        if row.status == "delivered" and not row.pulse then
          return ("pulse %d is recorded as delivered at %s, and the simulator gave none"):format(row.number,
            seconds(row.onset))
        end
      end
    end },
  { name = "left-out-was-not-given", each = true,
    says = "A pulse that is recorded as left out was not given.",
    when = has_rows,
    check = function(run)
      for _, row in ipairs(run.pulses) do
        if row.pulse and left_out[row.status] then
          return ("pulse %d is recorded as %s, and the simulator gave it"):format(row.number, row.status)
        end
      end
    end },
  { name = "confirmed-after-sent", each = true, says = "No confirmation comes before its pulse has left.",
    when = has_rows,
    check = function(run)
      for _, row in ipairs(run.pulses) do
        if row.confirmed and row.sent and row.timed_by == "host" and row.confirmed < row.sent - 2000
          and not run.scenario.trigger and run.facts.latency_s == 0
          and row.confirmed < row.sent - 2000 - troubles.held_ns(run, run.start_ns + row.confirmed,
            run.start_ns + row.sent, "port") then
          return ("pulse %d: sent at %s, confirmed at %s"):format(row.number, seconds(row.sent),
            seconds(row.confirmed))
        end
      end
    end },
  { name = "sent-is-counted", says = "The manifest counts as sent the rows that were sent, or perhaps were.",
    when = function(run) return is_closed(run) and run.result.pulses_sent end,
    check = function(run)
      local rows = count(run, counts_as_sent) + #run.outside
      return run.result.pulses_sent ~= rows and ("%d are counted, %d rows are"):format(
        run.result.pulses_sent, rows) or nil
    end },
  { name = "confirmed-is-counted", says = "The manifest counts as confirmed the rows that are delivered.",
    when = function(run) return is_closed(run) and run.result.pulses_confirmed end,
    check = function(run)
      local rows = count(run, function(row) return row.status == "delivered" or row.status == "otherwise" end)
        + #run.outside
      return run.result.pulses_confirmed ~= rows and ("%d are counted, %d rows are"):format(
        run.result.pulses_confirmed, rows) or nil
    end },
  { name = "skipped-is-counted", says = "The manifest counts as skipped all other rows.",
    when = function(run) return is_closed(run) and run.result.pulses_skipped end,
    check = function(run)
      local rows = #run.pulses - count(run, counts_as_sent)
      return run.result.pulses_skipped ~= rows and ("%d are counted, %d rows are"):format(
        run.result.pulses_skipped, rows) or nil
    end },
  { name = "planned-is-counted", says = "The manifest counts as planned the pulses that are written.",
    when = function(run) return is_closed(run) and run.result.pulses_planned and run.scenario.plan
      and run.wanted[1] end,
    check = function(run)
      return run.result.pulses_planned ~= #run.wanted_pulses and ("%d are counted, %d are written"):format(
        run.result.pulses_planned, #run.wanted_pulses) or nil
    end },
  { name = "checksum-is-right", says = "The checksum in the manifest is that of events.tsv.",
    when = function(run) return is_closed(run) and run.result.events_sum and #run.events_text < 20000 end,
    check = function(run)
      local sum = sum_of(run.events_text)
      return run.result.events_sum ~= sum and ("it is %s, the manifest says %s"):format(sum,
        run.result.events_sum) or nil
    end },
  { name = "journal-is-whole",
    says = "The lines of the journal are numbered, whole, and each plan is there once.",
    when = function(run) return run.journal[1] and not run.full end,
    check = function(run)
      local plays = 0
      for i, entry in ipairs(run.journal) do
        if entry.line ~= i then
          return ("line %d: %s"):format(i, entry.damaged or "it has the number " .. tostring(entry.line))
        end
        plays = plays + (entry.kind == "play" and 1 or 0)
        if entry.kind == "play" and entry.play ~= plays then
          return ("line %d has plan %s, %d is due"):format(i, tostring(entry.play), plays)
        end
      end
      return plays < #run.plays and ("%d plans were played, the journal has %d"):format(#run.plays, plays)
        or nil
    end },
  { name = "script-marks-recorded", says = "Each mark that a script set is in the record, once.",
    when = function(run) return is_closed(run) and run.marks[1] end,
    check = function(run)
      local found = {}
      for _, row in ipairs(run.rows) do
        found[row.reply] = row.event == "mark" and (found[row.reply] or 0) + 1 or found[row.reply]
      end
      for _, text in ipairs(run.marks) do
        found[text] = (found[text] or 0) - 1
        if found[text] < 0 then
          return ("%q has no row"):format(text)
        end
      end
    end },
  { name = "private", says = "Nobody but its owner may read the files of a run.",
    when = function(run) return run.files end,
    check = function(run)
      for name, permissions in pairs(run.files) do
        if permissions:sub(4) ~= "------" then
          return ("%s is %s"):format(name, permissions)
        end
      end
    end },
  { name = "nothing-left-over",
    says = "A run leaves no file of its making that is not named in docs/record.md.",
    when = function(run) return run.files and not run.full end,
    check = function(run)
      local own = { ["events.tsv"] = true, ["manifest.json"] = true, ["report.html"] = true,
        ["flight.bin"] = true, ["twin.tsv"] = true, ["journal.jsonl"] = true,
        ["recover.json"] = true, ["resolved.plan"] = true, sources = true, ["verify.sh"] = true,
        ["SHA256SUMS"] = true, ["events.json"] = true, ["codes.tsv"] = true }
      for _, part in ipairs(run.parts or {}) do
        own[part.place], own[part.place .. "/twin.tsv"] = true, true
        own[part.place .. "/flight.bin"] = true
      end
      for name in pairs(run.files) do
        if not own[name] then
          return name
        end
      end
    end },
}
