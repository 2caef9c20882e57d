--- The record of a run: a folder with events.tsv, written as the run goes, and manifest.json.
local cjson = require "cjson"
local core = require "moonpulse.core"
local lfs = require "lfs"
local trains = require "moonpulse.record_trains"

local M = {}

local Record = {}
Record.__index = Record

local header = table.concat({
  "onset", "duration", "trial_type", "index", "event", "pulse", "onset_planned_us",
  "onset_sent_us", "onset_confirmed_us", "lateness_us", "channel", "intensity_mso", "intensity",
  "intensity_ref", "status", "reply", "timed_by",
}, "\t")

local function make_folders(path)
  local made = path:sub(1, 1) == "/" and "" or "."
  for part in path:gmatch("[^/]+") do
    made = made .. "/" .. part
    if not lfs.attributes(made, "mode") then
      local ok, message = lfs.mkdir(made)
      if not ok then
        return nil, ("cannot make the folder %s: %s: name another with --out DIR"):format(made, message)
      end
    end
  end
  return true
end

local function new_record(folder, file)
  file:setvbuf("full", 65536)
  file:write(header, "\n")
  return setmetatable({
    folder = folder, file = file, index = 0, first = 1, last = 0, queue = {}, unconfirmed = {},
    first_open = 1, last_open = 0, unsure = {}, pulses_sent = 0, pulses_confirmed = 0, pulses_skipped = 0,
    lateness = {}, worst_us = 0, skipped_by = {}, passing = {}, extra = 0, trains = {},
    starts = 0, last_number = 0,
  }, Record)
end

--- Make the folder <out>/<date>T<time>_<id> and open the record in it.
---@param out string
---@param id string
---@return table? record
---@return string? message
function M.create(out, id)
  local ok, message = make_folders(out)
  if not ok then
    return nil, message
  end
  local wall = core.wall_ns()
  local stamp = os.date("%Y-%m-%dT%H%M%S", wall // 1000000000)
  local base = ("%s/%s_%s"):format(out, stamp, (id:gsub("[^%w%-_.]", "_")))
  local folder, count = base, 1
  repeat -- two runs in one second get folders of their own
    ok, message = lfs.mkdir(folder)
    count = count + 1
    if not ok then
      if not lfs.attributes(folder, "mode") then
        return nil, ("cannot make the folder %s: %s: name another with --out DIR"):format(folder, message)
      end
      folder = ("%s_%d"):format(base, count)
    end
  until ok
  local file
  file, message = io.open(folder .. "/events.tsv", "w")
  if not file then
    return nil, message
  end
  local record = new_record(folder, file)
  record.started = os.date("%Y-%m-%dT%H:%M:%S%z", wall // 1000000000)
  return record
end

--- A new events.tsv (as events.tsv.new) for a folder that is there.
---@param folder string
---@return table? record
---@return string? message
function M.rewrite(folder)
  os.remove(folder .. "/events.tsv.new") -- a link there, in a folder from elsewhere, is not written through
  local file, message = io.open(folder .. "/events.tsv.new", "w")
  if not file then
    return nil, message
  end
  return new_record(folder, file)
end

--- A record that is kept in memory only, for whoever wants to know and must not change anything.
---@return table record
---@return fun(): string text events.tsv as it would be
function M.in_memory()
  local parts = {}
  local file = {
    setvbuf = function() end, flush = function() return true end, close = function() return true end,
    write = function(_, ...)
      for _, part in ipairs { ... } do
        parts[#parts + 1] = part
      end
      return true
    end,
  }
  return new_record("", file), function() return table.concat(parts) end
end

local function fields(action)
  local channel = action.channel ~= "" and action.channel or "1" -- of a train that the device times
  return ("%s\t%.9g\t%.9g\t%s"):format(channel, action.mso, action.intensity,
    action.reference)
end

--- Open the flight record: what a killed run leaves. For runs in real time.
---@param pulses integer planned
---@param marks integer planned
function Record:open_flight(pulses, marks)
  -- a pulse takes a record, its confirmation another, a change of intensity a third; the rest
  -- is for settings and keep-alives
  local spare = 4096
  local capacity = 3 * pulses + marks + spare
  if capacity > 4000000 then
    return nil, ("a run of %d pulses and %d marks in real time is more than the flight record "
      .. "holds (%d records): split it"):format(pulses, marks, 4000000)
  end
  local flight, message = core.flight(self.folder .. "/flight.bin", capacity)
  self.flight = flight
  return flight ~= nil, message
end

--- The plan starts at start_ns on the monotonic clock.
function Record:start(start_ns)
  self.start_ns = start_ns
  if self.flight then
    self.flight:start(start_ns)
  end
end

--- The actions of the run, by their number.
---@param confirms boolean? false: the device never says that it fired
---@param slow_ns integer? a reply later than that is perhaps another pulse's
function Record:set_actions(actions, confirms, slow_ns)
  self.slow_ns = slow_ns
  self.tails, self.silent = {}, confirms == false
  self.trains = trains.prepare(actions, fields)
  for i, action in ipairs(actions) do
    self.tails[i] = fields(action)
  end
end

--- Another plan follows in the same run: its pulses are counted on from the last one.
---@param actions moonpulse.Action[]
---@param confirms boolean?
---@param slow_ns integer?
function Record:next_play(actions, confirms, slow_ns)
  self.extra = self.last_number
  self:set_actions(actions, confirms, slow_ns)
end

local whole_row = "%d.%09d\t0\tpulse\t%d\tpulse\t%d\t%d.%03d\t%d.%03d\t%d.%03d\t%d.%03d\t%s\t%s\t%s\thost\n"

--- The usual row, in whole numbers: formatting floats takes several times as long.
local function line_of_pulse(row)
  local planned, sent, confirmed, late = row.planned_ns, row.sent_ns, row.confirmed_ns, row.late_ns
  return whole_row:format(sent // 1000000000, sent % 1000000000, row.index, row.pulse,
    planned // 1000, planned % 1000, sent // 1000, sent % 1000, confirmed // 1000,
    confirmed % 1000, late // 1000, late % 1000, row.tail, row.status, row.reply)
end

local function line(row)
  local sent = row.sent_ns
  if row.event == "pulse" and row.confirmed_ns and sent >= 0 and row.late_ns and row.late_ns >= 0
    and row.planned_ns >= 0 and not row.timed_by then
    return line_of_pulse(row)
  end
  return ("%.9f\t0\t%s\t%d\t%s\t%s\t%.3f\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n"):format(
    (sent or row.planned_ns) / 1e9, row.event, row.index, row.event, row.pulse or "n/a",
    row.planned_ns / 1e3, sent and ("%.3f"):format(sent / 1e3) or "n/a",
    row.confirmed_ns and ("%.3f"):format(row.confirmed_ns / 1e3) or "n/a",
    row.late_ns and ("%.3f"):format(row.late_ns / 1e3) or "n/a", row.tail or "n/a\tn/a\tn/a\tn/a",
    row.status, row.reply or "n/a",
    row.timed_by or row.event == "pulse" and "host" or "n/a")
end

--- A row that the disk does not take is missing from events.tsv, not from the flight record.
function Record:wrote(ok, message)
  if not ok then
    self.lost = self.lost or ("%s/events.tsv: %s"):format(self.folder, message)
  end
end

--- Rows leave in order, so one that waits for the device's reply holds the later ones back.
function Record:flush_rows()
  local queue = self.queue
  while self.first <= self.last and not queue[self.first].open do
    self:wrote(self.file:write(line(queue[self.first])))
    queue[self.first] = nil
    self.first = self.first + 1
  end
end

function Record:add(row)
  self.index = self.index + 1
  row.index = self.index
  self.last = self.last + 1
  self.queue[self.last] = row
  if not row.open then
    self:flush_rows()
  end
end

--- A pulse was handed to the port.
---@param number integer
---@param planned_ns integer onset
---@param sent_ns integer when the stimulator has the whole command
---@param late_ns integer
---@param action integer
function Record:pulse(number, planned_ns, sent_ns, late_ns, action, now_ns)
  self.starts = self.starts + 1
  self.lateness[#self.lateness + 1] = late_ns / 1e3
  if late_ns / 1e3 > self.worst_us then
    self.worst_us = late_ns / 1e3
  end
  local train = self.trains[action]
  if train then
    local base = number - 1 + self.extra
    self.extra = self.extra + #train.onsets - 1
    self.last_number = base + #train.onsets
    return trains.start(self, train, { number = number, planned_ns = planned_ns, sent_ns = sent_ns,
      late_ns = late_ns, now_ns = now_ns, base = base })
  end
  local row = {
    event = "pulse", pulse = number + self.extra, engine_number = number, start = self.starts,
    planned_ns = planned_ns, sent_ns = sent_ns,
    late_ns = late_ns, tail = self.tails[action], open = true, status = "sent", at_ns = now_ns,
  }
  self.last_number = row.pulse
  self.pulses_sent = self.pulses_sent + 1
  if self.silent then
    row.open = nil
    return self:add(row)
  end
  self.last_open = self.last_open + 1
  self.unconfirmed[self.last_open] = row
  self:add(row)
end

--- A pulse was left out; reason is "late" or "close".
function Record:skipped(number, planned_ns, late_ns, action, reason)
  local train = self.trains[action]
  local onsets = train and train.onsets or { { ns = 0, tail = self.tails[action] } }
  for i, onset in ipairs(onsets) do
    self:add { event = "pulse", pulse = number + self.extra + i - 1,
      planned_ns = planned_ns + onset.ns, late_ns = late_ns, tail = onset.tail, status = reason,
      timed_by = train and "device" }
  end
  self.extra = self.extra + #onsets - 1
  self.last_number = number + self.extra
  self.pulses_skipped = self.pulses_skipped + #onsets
  self.skipped_by[reason] = (self.skipped_by[reason] or 0) + #onsets
end

--- The time is now_ns (monotonic): pulses of the device's own trains up to then were given.
function Record:settle(now_ns)
  trains.settle(self, now_ns)
end

--- The run stopped at now_ns: status says what is known of the pulses of a train after it.
---@param now_ns integer
---@param status string? nil: stopped() will tell
function Record:halt(now_ns, status)
  trains.cut(self, now_ns, status)
end

--- A reply that came after the stop.
function Record:late_confirm(...)
  return trains.late_confirm(self, ...)
end

--- The stop is over; disarmed: the device says so.
---@param disarmed boolean?
function Record:stopped(disarmed)
  trains.stopped(self, disarmed)
end

--- Does every row so far have its place in the file, with nothing to wait for?
function Record:is_quiet()
  return self.first > self.last and self.first_open > self.last_open and #self.passing == 0
    and not self.doubted
end

--- count pulses were sent and confirmed, and their rows written by somebody else.
---@param count integer
function Record:written(count)
  self.index = self.index + count
  self.starts = self.starts + count
  self.pulses_sent = self.pulses_sent + count
  self.pulses_confirmed = self.pulses_confirmed + count
end

--- Something else: a mark, a change of intensity.
function Record:event(event, planned_ns, sent_ns, status, reply, action)
  self:add { event = event, planned_ns = planned_ns, sent_ns = sent_ns, status = status,
    reply = reply, tail = action and self.tails[action] }
end

local function delivered(self, row, confirmed_ns, reply, value)
  for _, each in ipairs(row.rows or { row }) do
    if not each.cut or confirmed_ns >= each.due_ns then -- a burst cut short may have begun
      each.sent_ns = each.sent_ns or each.due_ns
      each.confirmed_ns, each.reply, each.status = confirmed_ns, reply, "delivered"
      if not trains.ahead(each, confirmed_ns) then
        each.open = nil
        self.pulses_confirmed = self.pulses_confirmed + 1
        trains.given(self, each)
      end
    end
  end
  if self.flight then
    self.flight:confirm(row.engine_number, confirmed_ns + self.start_ns, value or 0)
  end
end

--- Confirmations carry no number: the oldest open pulse takes the first. Where one is lost, each
--- later one would confirm the pulse before its own, and nobody would see it. So once a pulse is
--- sent while all those before it had time to be answered and one was not, nothing more counts as
--- delivered until every pulse has its confirmation.
---@param answered_ns integer pulses sent before it (monotonic) should be confirmed
function Record:doubt(answered_ns)
  local last = self.unconfirmed[self.last_open]
  if not self.doubted and last and last.at_ns < answered_ns then
    self.doubted = self.unconfirmed[self.first_open]
  end
end

--- The device confirmed the oldest open pulse. False when there is none.
---@param confirmed_ns integer from the plan's start
---@param reply string
---@param value integer? the reply as a number, for the flight record
function Record:confirm(confirmed_ns, reply, value)
  local row = self.unconfirmed[self.first_open]
  if not row or trains.early(row, confirmed_ns) then
    return trains.take_spare(self)
  end
  self.unconfirmed[self.first_open], self.spare = nil, row.spare
  self.first_open = self.first_open + 1
  trains.doubt(self, row, confirmed_ns)
  if not self.doubted then
    delivered(self, row, confirmed_ns, reply, value)
  else
    self.unsure[#self.unsure + 1] = { row, confirmed_ns, reply, value }
    if trains.caught_up(self, confirmed_ns) then -- they were late, and all are there
      for _, answer in ipairs(self.unsure) do
        delivered(self, table.unpack(answer, 1, 4))
      end
      self.unsure, self.doubted = {}, nil
    end
  end
  self:flush_rows()
  return true
end

--- The oldest open pulse will never be confirmed; status says what is known of it.
function Record:unconfirmed_row(status)
  local row = self.unconfirmed[self.first_open]
  self.unconfirmed[self.first_open] = nil
  self.first_open = self.first_open + 1
  for _, each in ipairs(row.rows or { row }) do
    each.status, each.open = status, nil
    trains.given(self, each)
  end
  self:flush_rows()
end

--- The pulse that waits longest for its confirmation, and since when (monotonic ns).
function Record:oldest_open()
  local row = self.unconfirmed[self.first_open]
  if row then
    return row.pulse, row.at_ns, row.timed_by ~= nil
  end
end

--- The same, but from the first pulse on that is in doubt.
function Record:oldest_doubt()
  if self.doubted then
    return self.doubted.pulse, self.doubted.at_ns, self.doubted.timed_by ~= nil
  end
  return self:oldest_open()
end

--- Of the starts and pulses that were sent, how many wait for nothing any more: those before the
--- oldest unconfirmed single pulse. A train's confirmations come while it runs, and count at once.
---@return integer
function Record:answered()
  local row = self.unconfirmed[self.first_open]
  if row and not row.timed_by then
    return row.start - 1
  end
  return self.starts
end

function Record:sync()
  self:wrote(self.file:flush())
end

--- Percentiles by nearest rank.
local function percentiles(values)
  if #values == 0 then
    return nil
  end
  table.sort(values)
  local function rank(p)
    return values[math.max(1, math.ceil(p / 100 * #values))]
  end
  return { p50 = rank(50), p95 = rank(95), p99 = rank(99), max = values[#values] }
end

--- Counts and timing so far, for the manifest and the last lines of a run.
function Record:result()
  return {
    pulses_sent = self.pulses_sent, pulses_confirmed = self.pulses_confirmed,
    pulses_skipped = self.pulses_skipped, lateness_us = percentiles(self.lateness),
  }
end

--- Write manifest.json; whole or not at all. Raises a refusal { code, message } where it cannot be written.
---@param manifest table
function Record:manifest(manifest)
  local path, text = self.folder .. "/manifest.json", cjson.encode(manifest) .. "\n"
  local file, ok, message
  os.remove(path .. ".new")
  file, message = io.open(path .. ".new", "w")
  ok = file
  if file then -- a full disk must not cost the manifest that is there
    ok, message = file:write(text)
    local closed, why = file:close()
    ok, message = ok and closed, message or why
  end
  if ok then
    ok, message = os.rename(path .. ".new", path)
  end
  if not ok then
    os.remove(path .. ".new")
    error({ code = "limit", message = ("cannot write %s: %s: make room, or name another folder with "
      .. "--out DIR"):format(path, message) }, 0)
  end
end

--- No more confirmations come: pulses without one that is surely theirs are written as sent.
function Record:give_up()
  for _, answer in ipairs(self.unsure) do
    for _, row in ipairs(answer[1].rows or { answer[1] }) do
      row.open = nil
    end
  end
  for i = self.first_open, self.last_open do
    for _, row in ipairs(self.unconfirmed[i].rows or { self.unconfirmed[i] }) do
      row.open = nil
    end
    self.unconfirmed[i] = nil
  end
  self.unsure, self.doubted, self.spare, self.first_open = {}, nil, nil, self.last_open + 1
  trains.settle(self, math.maxinteger)
  trains.stopped(self)
end

--- No more rows.
function Record:close()
  self:give_up()
  self:wrote(self.file:close())
  if self.flight then
    self.flight:close()
  end
end

return M
