--- Rows of events.tsv from the flight record: each plan of the run again, as the dispatcher told it live.
local flight_codes = require "moonpulse.record.flight_codes"
local flight_of = require "moonpulse.record.recover_flight"
local givens = require "moonpulse.record.given"
local outcomes = require "moonpulse.record.outcome"
local stretches = require "moonpulse.record.replay_stretch"

local M = {}

local told_each = 256 -- records: how far it is

--- How a plan is named of which only the flight record tells; number nil: of an older record without plans.
local function unknown_text(number, pulses)
  return ("%s: %s sent, and journal.jsonl does not say which (each may have begun a train that the device "
    .. "timed): not in events.tsv, and the numbers of the pulses after them may be too small"):format(
    number and "plan " .. number or "the run",
    pulses == 1 and "1 pulse was" or ("%d pulses were"):format(pulses))
end

--- What is confirmed there was known to be of that pulse, and of none after it.
local function of_none_behind()
  return false
end

--- The reply that the flight record tells of: it is that pulse's, and what was sent before it and not
--- confirmed never was.
local function confirm(record, reply, start_ns, driver, given)
  if reply.number == 0 and reply.detail >= 4 then -- that something else fired, as was waited for
    local value = reply.action - 1
    return record:external(reply.woken_ns, driver.confirmation(value), value, reply.detail == 5)
  elseif reply.number == 0 then -- of no pulse that was sent
    return record:unasked(reply.woken_ns, driver.confirmation(reply.action - 1))
  end
  if reply.detail == 2 then
    return record:going(reply.woken_ns)
  elseif reply.detail == 3 then
    return record:heard(reply.woken_ns - start_ns)
  end
  local number = record:oldest_number()
  while number and number < reply.number do
    record:unconfirmed_row()
    number = record:oldest_number()
  end
  if number == reply.number then
    local value = reply.action - 1
    local action, pulse = record:awaits(reply.woken_ns)
    local unlike = reply.detail == 1 or action and given:compare(action, value, pulse)
    record:confirm(reply.woken_ns - start_ns, driver.confirmation(value), nil, unlike and "otherwise",
      of_none_behind)
  end
end

--- A record of the dispatcher as it told it when it was live.
local function outcome_of(entry, begin_ns, facts)
  if entry.kind == "code" then
    local of = entry.send == "mark" and entry.number == 0 and "script" or entry.send
    local lost = flight_codes.lost(entry)
    return { what = "code", of = of, number = entry.number, code = entry.action - 1,
      lost = lost or 0, status = not lost and "perhaps_sent" or nil, planned_ns = entry.planned_ns,
      due_ns = entry.due_ns - begin_ns, entered_ns = entry.sent_ns - begin_ns,
      there_ns = entry.returned_ns - begin_ns }
  end
  local returned_ns = entry.returned_ns
  return { what = entry.kind == "sent" and returned_ns < 0 and "not_taken" or entry.kind,
    in_part = returned_ns == -2,
    send = entry.send, number = entry.number, planned_ns = entry.planned_ns,
    due_ns = entry.due_ns - begin_ns, entered_ns = entry.sent_ns - begin_ns,
    returned_ns = returned_ns > 0 and returned_ns - begin_ns or nil, action = entry.action,
    frame = entry.frame, stop = entry.stop, text = facts.marks[entry.action],
    status = returned_ns == 0 and "perhaps_sent" or nil }
end

--- Does a record name a frame and an action that its plan has?
local function fits(entry, play)
  return entry.kind == "code" or entry.kind == "mark" and play.marks[entry.action] ~= nil
    or entry.kind ~= "mark" and play.wire_ns[entry.frame] ~= nil and play.actions[entry.action] ~= nil
end

--- The rows of settings that the device was told between two plans, up to told_ns (from the run's start).
local function tell_sets(record, sets, told_ns)
  while sets[1] and sets[1].told_ns <= told_ns do
    local set = table.remove(sets, 1)
    record:event("set_intensity", set.at_ns, set.at_ns, "sent", nil, set.action)
  end
end

--- A stop threw away what the port still held: of the plan, and of what was told after it.
local function cut(record, entry, sets, run_ns, latency_ns)
  local told_last = sets[1] and sets[1].latency_ns
  tell_sets(record, sets, entry.sent_ns - run_ns)
  outcomes.cut(record, entry.planned_ns, latency_ns or told_last or 0)
end

--- The rows that a flight record of a plan tells of.
---@param self table what replay() knows
local function take(self, entry)
  local record, play = self.record, self.play
  if entry.kind == "code" and entry.number == 0 then
    return -- of a mark of the journal, behind which it has its row
  elseif entry.kind == "sent" or entry.kind == "skipped" or entry.kind == "mark" or entry.kind == "code" then
    if fits(entry, play) then
      outcomes.enter(record, outcome_of(entry, play.start_ns, play), self.facts, entry.sent_ns)
    else
      self.unfit = self.unfit + 1
    end
  elseif entry.kind == "confirm" then
    confirm(record, entry, self.run_ns, self.driver, self.given)
    self.finished = self.finished or entry.detail >= 4 -- the one pulse of such a play
  elseif entry.kind == "stopped" then
    cut(record, entry, self.sets, self.run_ns, play.latency_ns)
    if not self.halted then
      record:halt(entry.sent_ns)
    end
    self.halted = true
  elseif entry.kind == "left" then
    record:stopped(entry.action == 2)
  elseif entry.kind == "finished" then
    self.finished = true
  end
end

--- The same of a stretch.
local function take_stretch(self, stretch, reader)
  local rest, told = stretches.write(self.record, reader, stretch, self.play, self.run_ns, self.driver,
    self.given)
  for place = rest or stretch.first, stretch.place do
    local entry = reader:at(place)
    if entry.kind == "sent" or not told or entry.number > told then
      take(self, entry)
    end
  end
end

--- Write the rows of one plan; true where it came to its end.
---@param list table[] its flight records
---@param reader moonpulse.core.FlightReader of them
---@param play table what the journal or the manifest says of it
---@param times { run_ns: integer, next_ns: integer?, sets: table[], passed: fun() } the run's start, when the
---   plan after it was begun, what the device was told between them, and what hears of each record
---@param given moonpulse.GivenValues of the run
---@return boolean finished
---@return integer unfit records that are not of such a plan
---@return boolean goes_on another plan followed under the same arming
local function replay(record, list, reader, play, times, driver, given)
  local last_ns = times.next_ns or 0
  local self = { record = record, play = play, driver = driver, given = given, run_ns = times.run_ns,
    sets = times.sets, finished = false, halted = false, unfit = 0,
    facts = { offset_ns = play.start_ns - times.run_ns, wire_ns = play.wire_ns, latency_ns = play.latency_ns,
      tolerance_ns = play.tolerance_ns } }
  for _, entry in ipairs(list) do
    times.passed(entry)
    last_ns = math.max(last_ns, entry.sent_ns or 0, entry.woken_ns or 0,
      entry.kind == "alive" and entry.returned_ns or 0)
    if entry.kind == "stretch" then
      take_stretch(self, entry, reader)
    else
      take(self, entry)
    end
  end
  local goes_on = self.finished and not self.halted and times.next_ns ~= nil -- proof of its trains may come
  if not self.halted and not goes_on then -- a train that the device timed went on until the guard's frame
    record:halt(last_ns, "perhaps_sent")
  end
  if not goes_on then
    record:stopped(false)
  end
  tell_sets(record, times.sets, math.maxinteger)
  return self.finished, self.unfit, goes_on
end

--- The flight records of each plan, by its number.
local function parts_of(list)
  local parts, starts = {}, {}
  for _, entry in ipairs(list) do
    local part = parts[entry.play] or {}
    parts[entry.play] = part
    if entry.kind == "play" then
      starts[entry.play] = entry.due_ns
    else
      part[#part + 1] = entry
    end
  end
  return parts, starts
end

--- The same in an older record, which names no plans: what was due from the plan's beginning to the next's.
local function part_between(list, from_ns, to_ns)
  local part = {}
  for _, entry in ipairs(list) do
    local at_ns = (entry.kind == "confirm" or entry.kind == "stopped") and entry.woken_ns or entry.due_ns
    if at_ns >= from_ns and at_ns < to_ns then
      part[#part + 1] = entry
    end
  end
  return part
end

local function next_play(entries, i)
  for k = i + 1, #entries do
    if entries[k].kind == "play" then
      return entries[k]
    end
  end
end

--- What the device was told from entry i on, up to the next plan.
local function sets_after(entries, i)
  local sets = {}
  for k = i + 1, #entries do
    if entries[k].kind == "play" then
      break
    end
    sets[#sets + 1] = entries[k].kind == "set" and entries[k] or nil
  end
  return sets
end

local function pulses_in(part)
  local pulses = 0
  for _, entry in ipairs(part) do
    pulses = pulses + (entry.pulses
      or (entry.kind == "sent" or entry.kind == "skipped") and entry.send == "pulse" and 1 or 0)
  end
  return pulses
end

--- In an older record, which names no plans, without a journal: all that was sent.
local function count_nameless(record, run)
  local pulses = pulses_in(run.flight.list)
  record.last_number, run.unknown = record.last_number + pulses, run.unknown + pulses
  run.said[#run.said + 1] = pulses > 0 and unknown_text(nil, pulses) or nil
end

--- Plans up to number last that the flight record names and nothing else tells of: no intensity is invented
--- for them, but their pulses count.
local function pass_unknown(record, run, last)
  local names = {}
  for name in pairs(run.parts or {}) do
    if name > 0 and name <= last and not run.known[name] then
      names[#names + 1] = name
    end
  end
  table.sort(names)
  for _, name in ipairs(names) do
    local pulses = pulses_in(run.parts[name])
    run.known[name] = "unknown"
    record.last_number, run.unknown = record.last_number + pulses, run.unknown + pulses
    if pulses > 0 then
      run.said[#run.said + 1] = unknown_text(name, pulses)
    end
  end
end

--- Pulses that the device reported before the first plan.
local function unasked_before(record, list, driver)
  for _, entry in ipairs(list) do
    if entry.play > 0 then
      return
    elseif entry.kind == "confirm" and entry.number == 0 then
      record:unasked(entry.woken_ns, driver.confirmation(entry.action - 1))
    end
  end
end

--- What the device was told before the first plan.
local function sets_before(record, entries, run)
  local sets = sets_after(entries, 0)
  for _, entry in ipairs(sets[1] and run.parts and run.parts[0] or {}) do
    if entry.kind == "stopped" then
      cut(record, entry, sets, run.flight.start_ns)
    end
  end
  tell_sets(record, sets, math.maxinteger)
end

--- The rows of an entry of the journal; its pulses, and whether it came to its end.
---@param run table what all entries have in common
local function replay_entry(record, entries, i, run)
  local entry, flight = entries[i], run.flight
  for _, key in ipairs { "confirms", "proves_end" } do
    if entry[key] == nil then -- of an older version
      entry[key] = run.driver[key] ~= false
    end
  end
  pass_unknown(record, run, (entry.play or 1) - 1)
  -- what of the plan before is not confirmed by now never is: its numbers come again
  record:give_up(run.goes_on)
  local counted = entry.counted -- of several devices: what was given on others before
  record.last_number = math.max(record.last_number, counted and counted.pulses or 0)
  local before = record.last_number
  record:next_play(entry.actions, entry)
  record:set_stimuli(entry.trials)
  if counted and record.stimuli then
    local stimuli = record.stimuli
    stimuli.trials, stimuli.blocks = math.max(stimuli.trials, counted.trials),
      math.max(stimuli.blocks, counted.blocks)
  end
  for _, set in ipairs(entry.sets or {}) do
    record:event("set_intensity", set.at_ns, set.at_ns, "sent", nil, set.action)
  end
  local follower, name = next_play(entries, i), #entries == 1 and "the plan"
    or ("plan %s"):format(entry.play or "?")
  local part = run.parts and (run.parts[entry.play] or {})
    or part_between(flight.list, entry.from_ns, follower and follower.from_ns or math.maxinteger)
  local finished, unfit, goes_on = replay(record, part, flight.reader, entry, { run_ns = flight.start_ns,
    next_ns = follower and follower.from_ns, sets = sets_after(entries, i), passed = run.passed },
    run.driver, run.given)
  run.goes_on = goes_on
  if unfit > 0 then
    run.said[#run.said + 1] = ("%s: %d record%s of flight.bin %s not of such a plan: what was sent is not "
      .. "known"):format(name, unfit, unfit == 1 and "" or "s", unfit == 1 and "is" or "are")
  end
  local gaps, lost = flight_of.gaps(part, entry, name, flight.losses)
  run.said[#run.said + 1], run.unknown = gaps, run.unknown + (lost or 0)
  if finished or gaps then -- what was lost has numbers too
    record.last_number = math.max(record.last_number, before + entry.pulses)
  end
  return entry.pulses, finished
end

--- Is this the plan of its number that the flight record tells of, and not told already?
local function is_its_own(entry, run)
  local start_ns = run.parts and run.starts[entry.play]
  if not run.parts or (start_ns == nil or start_ns == entry.start_ns) and not run.known[entry.play] then
    run.known[entry.play or 0] = true
    return true
  end
  run.said[#run.said + 1] = ("plan %s of journal.jsonl is not the one of that number in flight.bin: it is "
    .. "left out"):format(entry.play or "?")
  return false
end

--- Counts the records, and tells now and then how far it is.
local function counter(total, progress)
  local count, told = 0, 0
  return function(entry)
    count = count + 1 + (entry.first and entry.place - entry.first or 0)
    if progress and count - told >= told_each then
      told = count
      progress("comparing events.tsv with flight.bin", count, total, "records")
    end
  end
end

local most_over = 1000 -- pulses from outside beyond those that were waited for: a device gives far fewer

--- Plays that a trigger or a device outside started, and of which the journal does not tell, as it is
--- written after them: they are as the plan that was armed ahead, or watched for, says, and start as the
--- flight record says.
---@param entries table[] of the journal
---@param run table
---@return table[] entries with these among them, and without the plans that were armed ahead
local function with_triggered(entries, run)
  local list, aheads, told = {}, {}, {}
  for _, entry in ipairs(entries) do
    if entry.kind == "ahead" or entry.kind == "watch" then
      aheads[#aheads + 1] = entry
    else
      list[#list + 1] = entry
      told[entry.kind == "play" and entry.play or 0] = true
    end
  end
  for _, ahead in ipairs(run.parts and aheads or {}) do
    for name = ahead.play, ahead.play + ahead.count - 1 + (ahead.kind == "watch" and most_over or 0) do
      if not run.parts[name] and not run.starts[name] then
        break -- they are counted on
      elseif run.starts[name] and not told[name] then
        local play, at = { kind = "play" }, #list + 1
        for key, value in pairs(ahead) do
          play[key] = key ~= "kind" and value or play[key]
        end
        play.play, play.count, play.start_ns, play.from_ns = name, nil, run.starts[name], run.starts[name]
        while at > 1 and list[at - 1].kind == "play" and (list[at - 1].play or 0) > name do
          at = at - 1
        end
        table.insert(list, at, play)
      end
    end
  end
  return list
end

--- The event codes of a script's marks, by the time of their mark.
local function codes_of_marks(list)
  local codes = {}
  for _, entry in ipairs(list) do
    if entry.kind == "code" and entry.number == 0 then
      local at = codes[entry.planned_ns] or {}
      codes[entry.planned_ns], at[#at + 1] = at, entry
    end
  end
  return codes
end

--- The row of a script's mark, and of its event code.
local function take_mark(record, entry, flight, codes)
  record:event("mark", entry.at_ns, nil, "passed", entry.text)
  local at = entry.code and codes[flight.start_ns + entry.at_ns]
  local code = at and table.remove(at, 1)
  if code then
    outcomes.enter(record, outcome_of(code, 0, {}), { offset_ns = -flight.start_ns }, code.sent_ns)
  end
end

--- Write all rows.
---@param record moonpulse.Record they go there
---@param flight moonpulse.Flight
---@param entries table[] of the journal: plans and marks in their order; of a protocol its one plan
---@param driver table has the words for the replies
---@param said string[] what is missing or damaged is added, a sentence each
---@param progress (fun(what: string, done: integer, total: integer, of: string))?
---@return boolean complete every plan came to its end
---@return integer planned how many pulses they have
---@return integer unknown how many more were given, or perhaps were, that are in no row
function M.all(record, flight, entries, driver, said, progress)
  local complete, planned, is_experiment = true, 0, entries[1] == nil or entries[1].from_ns ~= math.mininteger
  local run = { flight = flight, driver = driver, given = givens.new(driver.measures), said = said,
    known = {}, unknown = 0, passed = counter(flight.losses.stored, progress) }
  if flight.losses.version > 1 then
    run.parts, run.starts = parts_of(flight.list)
    unasked_before(record, flight.list, driver)
  end
  entries = with_triggered(entries, run)
  sets_before(record, entries, run)
  local codes = codes_of_marks(flight.list)
  for i, entry in ipairs(entries) do
    if entry.kind == "mark" then
      take_mark(record, entry, flight, codes)
    elseif entry.kind == "play" and is_experiment and not is_its_own(entry, run) then
      tell_sets(record, sets_after(entries, i), math.maxinteger)
    elseif entry.kind == "play" then -- with the settings after it
      run.known[entry.play or 0] = true
      local pulses, finished = replay_entry(record, entries, i, run)
      planned, complete = planned + pulses, complete and finished
    end
  end
  pass_unknown(record, run, math.maxinteger)
  if not run.parts and not entries[1] then
    count_nameless(record, run)
  end
  local cut_ns = flight_of.cut_by_guard(flight.list)
  outcomes.cut(record, cut_ns, 0)
  -- of an older version one sentence says just that
  return complete and #said == (flight.losses.version == 1 and 1 or 0), planned, run.unknown
end

return M
