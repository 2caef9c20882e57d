--- Rows of trains that the device times itself: one start was sent, every pulse has its row.
--
-- Their onsets are the start's plus the program's offsets; they have no onset error of their own.
-- A row counts as sent once its time has passed or the device confirmed it, never before.
local core = require "moonpulse.core"
local counted = require "moonpulse.record.counted"
local timing = require "moonpulse.lowering.device_trains"

local M = {}

local stop_ns = 100000000 -- a stop has reached the device by then: replies take 20 to 80 ms
local safe_ns = 10000000 -- ours: by then the safe frame is there (2 ms on a MagPro's wire)
local ahead = 1e-4 -- how much faster its clock may go: twice what poor crystals differ

--- What a train's rows have in common, made once for each action.
---@param actions moonpulse.Action[]
---@param fields fun(action: moonpulse.Action): string the columns of an action
---@return table<integer, table> by the number of the action
function M.prepare(actions, fields)
  local list = {}
  for i, action in ipairs(actions) do
    if action.part then
      local onsets = timing.onsets(action.part)
      for _, onset in ipairs(onsets) do
        onset.ns = math.floor(onset.offset * 1e9 + 0.5)
        onset.tail = fields(onset.action)
      end
      list[i] = { onsets = onsets, confirms = action.train.confirms or 0, ahead = action.train.ahead,
        spare = action.train.spare or 0,
        reports_ns = math.floor((action.train.reports or 0) * 1e9) }
    end
  end
  return list
end

--- left_ns: when the device has the start (monotonic).
local function row_of(start, onset, number)
  return {
    event = "pulse", pulse = number, engine_number = start.number, plan = start.plan, tail = onset.tail,
    planned_ns = start.planned_ns + onset.ns, sent_ns = start.sent_ns + onset.ns,
    due_ns = start.sent_ns + onset.ns, begun_ns = start.sent_ns,
    at_ns = start.now_ns + onset.ns, passes_ns = start.left_ns + onset.ns, timed_by = "device",
    sooner_ns = start.sooner_ns, -- its write stalled: so much sooner it may have begun
    action = start.action,
  }
end

--- The start of a train was handed to the port.
---@param record moonpulse.Record
---@param train table of prepare
---@param start { number: integer, planned_ns: integer, sent_ns: integer, late_ns: integer,
---   now_ns: integer, left_ns: integer, sooner_ns: integer, base: integer, action: moonpulse.Action,
---   status: string?, plan: integer? } now_ns: when it is told; left_ns: when the device has it (monotonic),
---   or sooner
function M.start(record, train, start)
  local onsets, confirms = train.onsets, train.confirms
  local group, spare = {}, confirms > 0 and train.spare // confirms
  for i, onset in ipairs(onsets) do
    local row = row_of(start, onset, start.base + i)
    row.late_ns = i == 1 and start.late_ns or nil
    row.ahead = train.ahead and i > 1
    row.open, row.status, row.counted, row.awaited = true, start.status or "sent", false, confirms > 0
    group[#group + 1] = row
    if confirms > 0 and (i * confirms) // #onsets > ((i - 1) * confirms) // #onsets then
      record.last_open = record.last_open + 1
      row.rows, row.spare, row.alone = group, spare, #group == 1 -- the last of a group stands for it
      row.begins_ns = group[1].sent_ns - start.sooner_ns - math.floor(onset.ns * ahead)
      row.reports_ns = train.reports_ns
      row.latest_ns = row.sent_ns + train.reports_ns + math.floor(onset.ns * ahead)
      record.unconfirmed[record.last_open] = row
      group = {}
    end
    record:add(row)
    record.passing[#record.passing + 1] = row
  end
end

--- Does a confirmation at confirmed_ns come before its pulse? Then it is not the row's.
---@param row moonpulse.Row
---@param confirmed_ns integer from the run's start
---@return boolean
function M.early(row, confirmed_ns)
  return row.begins_ns ~= nil and confirmed_ns < row.begins_ns
end

--- A confirmation later than any known reply time may be the next pulse's. From then on rows stay undecided
--- until every pulse that was due is confirmed. Time in which nobody listened makes no reply late.
---@param record moonpulse.Record
---@param row moonpulse.Row that it would confirm
---@param confirmed_ns integer from the run's start
function M.doubt(record, row, confirmed_ns)
  local behind_ns = row.latest_ns and record.slow_ns and confirmed_ns - row.latest_ns - record.slow_ns or 0
  if behind_ns > 0 and behind_ns > core.missed_ns(record.start_ns + row.latest_ns) then
    record.doubted = record.doubted or row
  end
end

--- Are all that were due by now confirmed?
---@param record moonpulse.Record
---@param confirmed_ns integer from the run's start
---@return boolean
function M.caught_up(record, confirmed_ns)
  local row = record.unconfirmed[record.first_open]
  return not row or M.early(row, confirmed_ns)
end

--- A confirmation that is no row's: is it one more of the burst that was confirmed last?
---@param record moonpulse.Record
---@return boolean
function M.take_spare(record)
  local spare = record.spare or 0
  record.spare = spare - 1
  return spare > 0
end

--- Is a row's time over? What a device confirms at its start waits for its word that it went on, too.
local function has_passed(record, row, now_ns)
  return row.passes_ns <= now_ns
    and (not row.ahead or row.promised and row.passes_ns <= record.proven_ns)
end

--- Rows whose time has passed by now_ns have been given; of a train that was confirmed at its start only
--- those of which the device said later that it had cut nothing by then.
---@param record moonpulse.Record
---@param now_ns integer monotonic
function M.settle(record, now_ns)
  local passing, count = record.passing, 0
  local total = #passing
  while count < total do -- in the order of their times, which is that of their confirmations
    local row = passing[count + 1]
    if row.open and not has_passed(record, row, now_ns) then
      break
    end
    count = count + 1
    M.given(record, row)
    row.open = row.awaited and row.open or nil
  end
  if count > 0 then
    table.move(passing, count + 1, total + count, 1) -- with count times nil at the end
    record:flush_rows()
  end
end

--- Count a row's pulse, once.
---@param record moonpulse.Record
---@param row moonpulse.Row
function M.given(record, row)
  if row.counted == false then
    row.counted = true
    record.pulses_sent = record.pulses_sent + 1
    record.pulses_unmeasured = record.pulses_unmeasured + (row.late_ns and 0 or 1)
    record.pulses_confirmed = record.pulses_confirmed + (row.promised and 1 or 0)
    if record.markers then
      record.markers:pulse(row)
    end
  end
end

--- The device had cut no train by at_ns: what was promised and due by then, was given.
---@param record moonpulse.Record
---@param at_ns integer monotonic
---@return integer? number of the start of the train of which this proves a pulse; nil: of none
function M.going(record, at_ns)
  local row = record.passing[1]
  local proves = row and row.ahead and row.promised and row.passes_ns <= at_ns
  record.proven_ns = math.max(record.proven_ns, at_ns)
  if proves then
    M.settle(record, at_ns)
    return row.engine_number
  end
end

--- The last pulse that was promised and is not proven yet: when it was due (monotonic); nil: there is none.
---@param record moonpulse.Record
---@return integer?
function M.unproven_since(record)
  local passing = record.passing
  for i = #passing, 1, -1 do
    if passing[i].ahead and passing[i].promised then
      return passing[i].passes_ns
    end
  end
end

--- Pulses of trains that are confirmed at their start, due by now_ns and not proven by then: perhaps they
--- were given.
---@param record moonpulse.Record
---@param now_ns integer monotonic
function M.leave_unproven(record, now_ns)
  local passing, left = record.passing, {}
  for _, row in ipairs(passing) do
    if row.ahead and row.passes_ns <= now_ns then
      if row.promised then
        row.status, row.confirmed_ns, row.reply, row.promised, row.open = "perhaps_sent", nil, nil, nil, nil
      else -- not even its start is confirmed, by now
        row.left = true
      end
      M.given(record, row)
    else
      left[#left + 1] = row
    end
  end
  record.passing = left
end

--- Was a train's start confirmed before this pulse of it came? Then it counts when it comes.
---@param row moonpulse.Row
---@param confirmed_ns integer from the plan's start
---@return boolean?
function M.ahead(row, confirmed_ns)
  row.promised = row.counted == false and (row.ahead or row.sent_ns > confirmed_ns)
  row.awaited = not row.promised and row.awaited
  return row.promised
end

--- The run stopped at halted_ns: what was due later waits for stopped() to say what became of it.
---@param record moonpulse.Record
---@param halted_ns integer monotonic
---@param status string? what is known of it; nil: that depends on whether the device disarms
function M.cut(record, halted_ns, status)
  M.settle(record, halted_ns)
  M.leave_unproven(record, halted_ns)
  for i = record.first, record.last do -- a single pulse that was not over, on a device that confirms none
    local row = record.queue[i]
    if row.over_ns and row.status == "sent" and row.over_ns > halted_ns - record.start_ns then
      row.status = "perhaps_sent"
    end
  end
  for _, row in ipairs(record.passing) do
    row.cut, row.sent_ns, row.status, row.confirmed_ns, row.reply = true, nil, status, nil, nil
    row.promised = nil
    row.doubtful = row.passes_ns - row.sooner_ns <= halted_ns + stop_ns
    row.at_stop = row.passes_ns - row.sooner_ns <= halted_ns + safe_ns
  end
  record.cut, record.passing = record.passing, {}
end

--- The stop is over. A device that does not say that it is disarmed, or cannot say that its trains have
--- ended, may have given all the rest.
--- One that does gave what it has confirmed by then; the others were stopped. But those that were due while
--- the stop was on its way are uncertain where it does not confirm each pulse, as a burst may have been cut
--- short; where it does, if they were due at the stop itself, or before the last confirmation, which may be
--- theirs: it bears no number, and one of another pulse may be lost.
---@param record moonpulse.Record
---@param disarmed boolean?
function M.stopped(record, disarmed)
  for _, row in ipairs(record.cut or {}) do
    if not row.status then
      local unsure = row.doubtful and (not row.alone or row.at_stop
        or row.due_ns - row.sooner_ns <= record.heard_ns)
      row.status = (not disarmed or unsure) and "perhaps_sent" or "stopped"
    end
    if counted.is_given(row.status) then
      M.given(record, row)
    else
      record.pulses_skipped = record.pulses_skipped + 1
      record.skipped_by[row.status] = (record.skipped_by[row.status] or 0) + 1
    end
    row.open = nil
  end
  record.cut = nil
  record:flush_rows()
end

return M
