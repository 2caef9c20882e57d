--- Rows of trains that the device times itself: one start was sent, every pulse has its row.
--
-- Their onsets are the start's plus the program's offsets; they have no lateness of their own.
-- A row counts as sent once its time has passed or the device confirmed it, never before.
local timing = require "moonpulse.timing"

local M = {}

-- The device's latency and clock are its own: what it times may end so much later than we count,
-- and must not be cut off by the end of the run.
local late_ns, drift = 100000000, 500

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
      list[i] = { onsets = onsets, confirms = action.train.confirms or 0 }
    end
  end
  return list
end

local function row_of(start, onset, number)
  return {
    event = "pulse", pulse = number, engine_number = start.number, tail = onset.tail,
    planned_ns = start.planned_ns + onset.ns, sent_ns = start.sent_ns + onset.ns,
    at_ns = start.now_ns + onset.ns, timed_by = "device",
  }
end

--- The start of a train was handed to the port.
---@param record table
---@param train table of prepare
---@param start { number: integer, planned_ns: integer, sent_ns: integer, late_ns: integer,
---   now_ns: integer, base: integer }
function M.start(record, train, start)
  local onsets, confirms = train.onsets, train.confirms
  local group = {}
  for i, onset in ipairs(onsets) do
    local row = row_of(start, onset, start.base + i)
    row.late_ns = i == 1 and start.late_ns or nil
    row.open, row.status, row.counted, row.awaited = true, "sent", false, confirms > 0
    group[#group + 1] = row
    if confirms > 0 and (i * confirms) // #onsets > ((i - 1) * confirms) // #onsets then
      record.last_open = record.last_open + 1
      row.rows = group -- the last of a group stands for it
      record.unconfirmed[record.last_open] = row
      group = {}
    end
    record:add(row)
    record.passing[#record.passing + 1] = row
  end
  local last_ns = onsets[#onsets].ns
  record.train_end_ns = start.now_ns + last_ns + last_ns // drift + late_ns
end

--- Rows whose time has passed by now_ns have been given.
function M.settle(record, now_ns)
  local passing, count = record.passing, 0
  local total = #passing
  while count < total do -- in the order of their times, which is that of their confirmations
    local row = passing[count + 1]
    if row.at_ns > now_ns and row.open then
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
function M.given(record, row)
  if row.counted == false then
    row.counted = true
    record.pulses_sent = record.pulses_sent + 1
    record.pulses_confirmed = record.pulses_confirmed + (row.promised and 1 or 0)
  end
end

--- Was a train's start confirmed before this pulse of it came? Then it counts when it comes.
---@param confirmed_ns integer from the plan's start
function M.ahead(row, confirmed_ns)
  row.promised = row.counted == false and row.sent_ns > confirmed_ns
  row.awaited = not row.promised and row.awaited
  return row.promised
end

--- The run stopped at halted_ns: what would have come later was not given, or as status says.
function M.cut(record, halted_ns, status)
  M.settle(record, halted_ns)
  for _, row in ipairs(record.passing) do
    row.status, row.sent_ns, row.open = status, nil, nil
    row.confirmed_ns, row.reply = nil, nil
    record.pulses_skipped = record.pulses_skipped + 1
    record.skipped_by[status] = (record.skipped_by[status] or 0) + 1
  end
  record.passing = {}
end

return M
