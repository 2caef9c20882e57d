--- The rows of a stretch of the flight record, all at once: pulses of one action that were sent and confirmed
--- in their order, as nearly all of a long run are. They are the rows that moonpulse.record.replay writes
--- record by record (replay_stretch_spec); where that cannot be known, it does.
local M = {}

--- The replies to the pulses in words, by their values; nil: one of them says that its pulse was given
--- otherwise.
local function words_of(record, values, action, driver, given, number)
  local words = {}
  for _, value in ipairs(values) do
    if given:compare(record.actions[action], value, number) then
      return nil
    end
    words[value] = driver.confirmation(value)
  end
  return words
end

--- Are all rows so far in the file, or can they be before one with this onset, and does nothing wait?
local function is_ready(record, onset_ns)
  if record.first_open <= record.last_open or record.unsure[1] or record.doubted or record.passing[1]
    or record.written_ns > onset_ns then
    return false
  end
  for i = record.first, record.last do
    local row = record.queue[i]
    if row.open or row.key_ns > onset_ns
      or (row.sent_ns or row.planned_ns or row.confirmed_ns) > onset_ns then
      return false
    end
  end
  record:advance(onset_ns + 1)
  return record.first > record.last
end

--- The condition, trial and block of the next rows, and so many have them.
local function place_of(record, count)
  local at, number = record:stretch(), record.last_number + 1
  if at.last < number then -- the plan has no more: such a row has none
    at.condition, at.trial, at.block, at.per = "", 0, 0, 0
    return at, count
  end
  return at, math.min(count, at.last - number + 1)
end

--- Write rows, and count them.
local function write(record, rows, found, words, action)
  local count = found.count
  while count > 0 do
    local at, most = place_of(record, count)
    local measured = #record.onset_errors
    local text, done, onset_ns, worst_ns = rows:text(most, { index = record.index + 1,
      number = record.last_number + 1, tail = record.tails[action], words = words,
      proof = record.setting_proof, condition = at.condition, trial = at.trial, block = at.block,
      first = at.first, per = at.per }, record.onset_errors)
    record:put(text)
    record:written(done, onset_ns, record.last_number + done - record.extra, action)
    record.punctual = record.punctual - (#record.onset_errors - measured)
    record.worst_us = math.max(record.worst_us, worst_ns / 1e3)
    count = count - done
  end
  record:heard(found.heard_ns)
end

--- Write the rows of the first pulses of a stretch.
---@param record moonpulse.Record
---@param reader moonpulse.core.FlightReader
---@param stretch moonpulse.core.FlightStretch
---@param play table what the journal or the manifest says of its plan
---@param run_ns integer the run's start
---@param driver table has the words for the replies
---@param given moonpulse.GivenValues of the run
---@return integer? rest what the records of the stretch from this place on tell is not told yet, but for the
---   confirmations of pulses before
---@return integer? number the number of the last of those
function M.write(record, reader, stretch, play, run_ns, driver, given)
  local wire_ns = play.wire_ns[stretch.frame]
  -- rows of one of several devices go among those of the others, one by one
  if record.share or record.silent or record.trains[stretch.action] or not record.actions[stretch.action]
    or not wire_ns or not play.latency_ns then
    return nil
  end
  local known, rows, found = pcall(reader.rows, reader, stretch.first, { run_ns = run_ns,
    begin_ns = play.start_ns, delay_ns = wire_ns + play.latency_ns, tolerance_ns = play.tolerance_ns })
  local words = known and rows and words_of(record, found.values, stretch.action, driver, given,
    stretch.number)
  if not words or not is_ready(record, found.first_ns) then
    return nil
  end
  record.last_number = stretch.number + record.extra - 1
  write(record, rows, found, words, stretch.action)
  return found.rest, stretch.number + found.count - 1
end

return M
