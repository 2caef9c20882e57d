--- Faults planted in the product itself, one for each of the invariants that matter most: a function of
--- scripts/moonpulse that does something else, while a whole run is played, recovered and judged. Others may
--- fail with it. { invariant, scenario, plant(put), again =, recover = }; put(owner, key, value) as long as
--- the run lasts.
local begin = require "moonpulse.run.begin"
local clock = require "moonpulse.safety.clock"
local compose = require "moonpulse.compose"
local core = require "moonpulse.core"
local files = require "moonpulse.record.recover_flight"
local given_record = require "moonpulse.safety.given_record"
local histories = require "moonpulse.safety.history"
local judge = require "moonpulse.safety.judge"
local magventure = require "moonpulse.devices.magventure"
local outcomes = require "moonpulse.record.outcome"
local on_triggers = require "moonpulse.experiment.on_trigger"
local outside = require "moonpulse.stimulator.outside"
local pulsepal = require "moonpulse.devices.pulsepal"
local queues = require "moonpulse.experiment.trigger_queue"
local reactions = require "moonpulse.record.reactions"
local records = require "moonpulse.record"
local recover = require "moonpulse.record.recover"
local refusals = require "moonpulse.text.refusal"
local replays = require "moonpulse.record.replay"
local rules = require "moonpulse.safety.rules"
local runs = require "explore.scenarios"
local stimulators = require "moonpulse.stimulator"
local stop_words = require "moonpulse.text.stop_words"
local stops = require "moonpulse.run.stop_sources"

local marks_seen = 0

local Record = getmetatable((records.in_memory())).__index
local Queue = getmetatable(queues.new()).__index

--- In place of the frames of a driver, others: change(own, options) of what its encode() gives.
local function encoding(driver, change)
  return function(put)
    local encode = driver.encode
    put(driver, "encode", function(options)
      local made = {}
      for key, value in pairs(encode(options)) do
        made[key] = value
      end
      return change(made) or made
    end)
  end
end

--- In place of a function, one that is given it: change(own) -> function.
local function instead(owner, key, change)
  return function(put)
    put(owner, key, change(owner[key]))
  end
end

--- Rows that are written otherwise: change(row) before its row is made; it is put back behind.
local function rows(change)
  return instead(core, "event_row", function(own)
    return function(row)
      local copy = setmetatable({}, { __index = row })
      change(copy)
      local whole = {}
      for key, value in pairs(row) do
        whole[key] = value
      end
      for key, value in pairs(copy) do
        whole[key] = value
      end
      return own(whole)
    end
  end)
end

--- Only what recovers is at fault, not the live run: plant for the time of recover.run.
local function recovering(plant)
  return instead(recover, "run", function(own)
    return function(...)
      local kept = {}
      plant(function(owner, key, value)
        kept[#kept + 1] = { owner, key, owner[key] }
        owner[key] = value
      end)
      local results = table.pack(own(...))
      for i = #kept, 1, -1 do
        kept[i][1][kept[i][2]] = kept[i][3]
      end
      return table.unpack(results, 1, results.n)
    end
  end)
end

--- Leave the stimulator otherwise: change(leave) -> function(stimulator).
local function leaving(change)
  return instead(stimulators, "new", function(own)
    return function(...)
      local made = own(...)
      made.leave = change(made.leave)
      return made
    end
  end)
end

local function waiting(seconds)
  return leaving(function(own)
    return function(...)
      core.wait(seconds)
      return own(...)
    end
  end)
end

--- Everything is so much sooner than it should be, and is said to be.
local function sooner(ns)
  return function(put)
    put(magventure, "latency", ns / 1e9)
    rows(function(row) row.sent_ns = row.sent_ns and row.sent_ns - ns end)(put)
  end
end

--- A pulse is a question, and no pulse: nobody waits for it.
local function harmless(put)
  put(magventure, "confirms", false)
  encoding(magventure, function(made)
    made.pulse = function() return magventure.commands.get_status2() end
  end)(put)
end

--- Late pulses are sent all the same.
local patient = instead(begin, "job", function(own)
  return function(...)
    local job = own(...)
    job.tolerance = 1
    return job
  end
end)

--- The safe frame asks how the device is, and does nothing; nobody looks at the answer.
local function unsafe(put)
  put(magventure, "safe", magventure.commands.get_status2())
  put(magventure, "disarm", function() end)
end

--- A stop by a key is told as something else.
local function told_as(reason)
  return instead(stops, "interrupt", function(own)
    return function(job) return own(job, reason) end
  end)
end

--- The engine is told another rule than the script's: change(rule).
local function ruling(change)
  return instead(on_triggers, "rule", function(own)
    return function(...)
      local rule = own(...)
      change(rule)
      return rule
    end
  end)
end

--- Of what is told of triggers the audit trail gets this: how_often(entry) is true, false, or a number.
local function telling(how_often)
  return instead(on_triggers, "heard", function(own)
    return function(from, mark, tell)
      return own(from, mark, function(kind, entry, ...)
        local times = how_often(entry)
        for _ = 1, times == true and 1 or times or 0 do
          tell(kind, entry, ...)
        end
      end)
    end
  end)
end

--- Who is given a record that recover reads, without its last pulse.
local forgetful = recovering(instead(files, "read", function(own)
  return function(path)
    local flight, message = own(path)
    for i = flight and #flight.list or 0, 1, -1 do
      if flight.list[i].kind == "sent" and flight.list[i].send == "pulse" then
        table.remove(flight.list, i)
        break
      end
    end
    return flight, message
  end
end))

--- The rows of a plan that was cut take the next plan's confirmations.
local greedy = recovering(instead(replays, "all", function(own)
  return function(record, ...)
    record.give_up = function() end
    local results = table.pack(own(record, ...))
    record.give_up = nil
    return table.unpack(results, 1, results.n)
  end
end))

return {
  -- lists
  { "listed-as-written", runs.quiet, instead(compose, "rest", function(own)
    return function(s) return own(type(s) == "number" and s + 0.001 or s) end
  end) },
  { "rests-within-bounds", runs.drawn, instead(compose, "rest", function(own)
    return function(s) return own(type(s) == "table" and { min = s.max + 1, max = s.max + 2 } or s) end
  end) },
  { "judged-as-written", runs.quiet, instead(judge, "plan", function(own)
    return function(...)
      local report = own(...)
      report.pulses = report.pulses - 1
      return report
    end
  end) },
  { "given-as-written", runs.quiet, harmless },
  { "output-as-written", runs.outputs, encoding(pulsepal, function(made)
    local pulse = made.pulse
    made.pulse = function(action, ...)
      local other = setmetatable({ channel = action.channel == "1" and "2" or "1" }, { __index = action })
      return pulse(other, ...)
    end
  end) },
  { "recorded-once", runs.quiet, instead(outcomes, "enter", function(own)
    return function(record, out, ...)
      if out.send == "pulse" and out.number == 2 then
        own(record, out, ...)
      end
      return own(record, out, ...)
    end
  end) },
  { "marks-recorded", runs.quiet, instead(outcomes, "enter", function(own)
    return function(record, out, ...) return out.what ~= "mark" and own(record, out, ...) end
  end) },
  -- sending
  { "none-early", runs.quiet, sooner(5000000) },
  { "exact-when-undisturbed", runs.quiet, sooner(10000) },
  { "none-late", runs.held, patient },
  { "none-closer-than-plan", runs.held, patient },
  { "none-closer-than-device", runs.fast_and_late, instead(pulsepal, "limits", function(own)
    return function(...)
      local limits = own(...)
      limits.shortest_interval = function() return 0.005 end
      return limits
    end
  end) },
  { "none-more-than-written", runs.outputs, encoding(pulsepal, function(made)
    local pulse = made.pulse
    made.pulse = function(...) return pulse(...):rep(2) end
  end) },
  { "settings-confirmed", runs.steps, function(put)
    put(magventure, "tells", nil)
    encoding(magventure, function(made)
      local set = made.set
      made.set = function(...) return set(...), 0, {} end
    end)(put)
  end },
  { "nothing-ignored", runs.quiet, encoding(magventure, function(made)
    made.pulse = function() return "\xFE\x01\xFF" .. magventure.commands.fire() end
  end) },
  -- outside
  { "outside-has-rows", runs.watched, instead(Record, "external", function(own)
    return function(record, ...)
      if record.last_number ~= 1 then
        own(record, ...)
      else
        record.last_number = 2
      end
    end
  end) },
  { "outside-is-bounded", runs.watched, instead(outside, "watch", function(own)
    return function(stimulator, how, ready)
      how.count = how.count + 1
      return own(stimulator, how, ready)
    end
  end) },
  -- triggers
  { "triggers-not-lost", runs.triggered, telling(function(entry)
    return entry.heard ~= "refractory"
  end) },
  { "triggers-not-doubled", runs.triggered, telling(function(entry)
    return entry.heard == "refractory" and 2 or true
  end) },
  { "verdicts-as-computed", runs.triggered_by_the_second, telling(function(entry)
    entry.heard = entry.heard == "counted" and "busy" or entry.heard
    return true
  end) },
  { "starts-have-a-trigger", runs.triggered, ruling(function(rule) rule.byte = 2 end) },
  { "triggers-start", runs.triggered, ruling(function(rule) rule.every = 2 end) },
  { "triggers-start", runs.triggered, ruling(function(rule)
    rule.refractory_ns = rule.refractory_ns + 1000000000
  end) },
  { "starts-at-their-time", runs.triggered, ruling(function(rule) rule.delay_ns = 40000000 end) },
  { "starts-are-given", runs.triggered, ruling(function(rule) rule.delay_ns = 40000000 end) },
  { "none-within-refractory", runs.triggered, ruling(function(rule)
    rule.refractory_ns = rule.refractory_ns // 2
  end) },
  { "never-more-than-count", runs.triggered_by_the_second, ruling(function(rule)
    rule.most, rule.every = 3, 1
  end) },
  { "trigger-counts-agree", runs.triggered, instead(reactions, "facts", function(own)
    return function(by, ...) return own({ starts = by.starts }, ...) end
  end) },
  { "trigger-sums-are-said", runs.triggered, instead(on_triggers, "heard", function(own)
    return function(...)
      local heard = own(...)
      heard.triggers = 1
      return heard
    end
  end) },
  { "none-starts-after-stop", runs.triggered_and_stopped, instead(stops, "interrupt", function(own)
    return function(...)
      core.wait(5)
      return own(...)
    end
  end) },
  { "waits-hear-each-byte", runs.triggered, instead(Queue, "push", function(own)
    return function(self, bytes, ...)
      if bytes ~= "\2" and self.came ~= 2 then
        own(self, bytes, ...)
      end
      own(self, bytes, ...)
    end
  end) },
  -- stopping
  { "nothing-sent-after-stop", runs.key, instead(stops, "interrupt", function(own)
    return function(...)
      core.wait(1)
      return own(...)
    end
  end) },
  { "safe-soon-after-stop", runs.key, unsafe },
  { "safe-at-the-end", runs.quiet, unsafe },
  { "ends-soon-after-stop", runs.key, waiting(30) },
  { "stop-is-named", runs.key, told_as "signal" },
  { "reason-happened", runs.key, told_as "guard" },
  { "no-arm-after-operator", runs.key_in_script, instead(stops, "interrupt", function(own)
    return function(job) -- as if it were the script's own, which may arm again
      own(job, "requested")
      job.stop_reason = nil
    end
  end) },
  { "finished-is-whole", runs.clock, harmless },
  -- device
  { "disarmed-at-the-end", runs.quiet, unsafe },
  { "unsafe-is-said", runs.stuck, leaving(function(own)
    return function(...)
      local left = own(...)
      left.not_disarmed = nil
      return left
    end
  end) },
  { "unsafe-is-status-4", runs.stuck, function(put) put(refusals.status, "fault", 5) end },
  { "stays-armed", runs.quiet, function(put)
    local off, on = magventure.commands.disable(), magventure.commands.enable()
    encoding(magventure, function(made)
      local set = made.set
      made.set = function(...)
        local frames, lead, fields = set(...)
        return frames and off .. on .. frames, lead, fields
      end
    end)(put)
    instead(magventure, "judge", function(own)
      return function(reply, ...) return reply.enabled ~= 0 and own(reply, ...) or nil end
    end)(put)
  end },
  -- record
  { "pulses-have-their-place", runs.quiet, instead(Record, "place", function(own)
    return function(self, row)
      own(self, row)
      row.trial = row.trial and row.trial + (row.pulse > 1 and 1 or 0)
    end
  end) },
  { "rows-are-whole", runs.quiet, instead(core, "event_row", function(own)
    return function(row) return (own(row):gsub("\tn/a", "", 1)) end
  end) },
  { "rows-are-numbered", runs.quiet, rows(function(row) row.index = row.index + row.index // 3 end) },
  { "known-status", runs.quiet, rows(function(row)
    row.status = row.event == "mark" and "done" or row.status
  end) },
  { "given-is-recorded", runs.key, rows(function(row)
    row.status = row.status == "delivered" and "stopped" or row.status
  end) },
  { "delivered-was-given", runs.skips, rows(function(row)
    row.status = row.status == "late" and "delivered" or row.status
  end) },
  { "left-out-was-not-given", runs.quiet, rows(function(row)
    row.status = row.pulse == 2 and "late" or row.status
  end) },
  { "sent-is-counted", runs.quiet, instead(Record, "result", function(own)
    return function(self)
      local result = own(self)
      result.pulses_sent = result.pulses_sent - 1
      return result
    end
  end) },
  { "skipped-is-counted", runs.skips, instead(Record, "skipped", function(own)
    return function(self, ...)
      local before = self.pulses_skipped
      own(self, ...)
      self.pulses_skipped = before
    end
  end) },
  { "script-marks-recorded", runs.script, instead(Record, "event", function(own)
    return function(self, event, ...) return event ~= "mark" and own(self, event, ...) end
  end) },
  -- recovery
  { "recovered-is-live", runs.cut, greedy, recover = true },
  { "recovered-was-given", runs.cut, greedy, recover = true },
  { "recovered-has-all", runs.full, forgetful, recover = true },
  { "recovered-counts", runs.quiet, forgetful, recover = true },
  { "killed-has-all", runs.killed, forgetful },
  { "killed-was-given", runs.skips_and_killed, recovering(rows(function(row)
    row.status = row.event == "pulse" and "delivered" or row.status
  end)) },
  { "killed-as-live", runs.killed, recovering(instead(Record, "confirm", function(own)
    return function(self, at_ns, reply, value) return own(self, at_ns, reply, value, "otherwise") end
  end)) },
  { "killed-recovers", runs.killed, recovering(instead(files, "read", function()
    return function() return nil, "it is no flight record" end
  end)) },
  -- ending
  { "no-error-of-our-own", runs.quiet, instead(outcomes, "enter", function(own)
    return function(record, out, ...)
      if out.send == "pulse" and out.number == 3 then
        out = nil
      end
      return own(record, out, ...)
    end
  end) },
  { "known-exit-status", runs.refused, function(put) put(refusals.status, "limit", 7) end },
  { "reason-in-words", runs.quiet, function(put) put(stop_words, "words", function() return "" end) end },
  { "not-left-running", runs.quiet, instead(Record, "manifest", function(own)
    return function(self, manifest) return manifest.status == "running" and own(self, manifest) end
  end) },
  { "undisturbed-completes", runs.quiet, function(put) put(magventure, "reply_timeout", 0.001) end },
  { "ends-in-time", runs.quiet, waiting(1000) },
  -- history
  { "history-adds-up", runs.earlier, instead(given_record, "of", function(own)
    return function(path, manifest, ...) -- the result alone, whatever rows say
      local sum = own(path, manifest, ...)
      sum.pulses = manifest.result and manifest.result.pulses_sent or sum.pulses
      return sum
    end
  end) },
  { "history-has-sessions", runs.earlier, function(put)
    put(clock, "trim", function(text) return text end)
  end },
  { "history-reaches-gate", runs.earlier, instead(rules, "totals", function(own)
    return function(counts, _, ...) return own(counts, nil, ...) end
  end) },
  { "history-is-kept", runs.earlier, function(put) put(histories, "facts", function() end) end },
  { "history-is-untouched", runs.earlier, instead(given_record, "of", function(own)
    return function(path, ...)
      local file <close> = io.open(path .. "/events.tsv", "a")
      file:write "\n"
      return own(path, ...)
    end
  end) },
  -- process
  { "same-seed-same-bytes", runs.quiet, rows(function(row)
    marks_seen = marks_seen + 1 -- never the same in two runs; a clock may stand still
    row.reply = row.event == "mark" and tostring(marks_seen) or row.reply
  end), again = true },
  { "no-task-left", runs.quiet, leaving(function(own)
    return function(...)
      core.spawn(function() core.wait(1000) end)
      return own(...)
    end
  end) },
}
