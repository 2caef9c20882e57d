--- The record of a run: a folder with events.tsv, written as the run goes, and manifest.json.
local clocks = require "moonpulse.record.clocks"
local confirmations = require "moonpulse.record.confirmations"
local core = require "moonpulse.core"
local discards = require "moonpulse.record.discarded"
local disturbed = require "moonpulse.record.disturbed"
local files = require "moonpulse.record.file"
local folders = require "moonpulse.record.folder"
local manifest_files = require "moonpulse.record.manifest_file"
local order = require "moonpulse.record.order"
local stimulus_numbers = require "moonpulse.record.stimulus_numbers"
local trains = require "moonpulse.record.device_trains"

local M = {}

--- Loaded for runs on several devices.
local function together()
  return require "moonpulse.record.together"
end

local Record = {}
Record.__index = Record
confirmations.into(Record)
stimulus_numbers.into(Record)
Record.discarded = discards.from
Record.open_flight, M.records_of = disturbed.open_flight, disturbed.records_of
Record.manifest = manifest_files.write

--- Pulses that we did not send, as moonpulse.record.external has them: hardly a run has any.
for _, name in ipairs { "unasked", "external" } do
  Record[name] = function(...)
    return require("moonpulse.record.external")[name](...)
  end
end

--- Counts and timing so far, as moonpulse.record.result has them: loaded when they are asked for.
function Record:result()
  return require("moonpulse.record.result").of(self)
end

local room_kept = 2048 -- flight records for what comes beside the plans
local window_ns = 1000000000 -- rows of a live run wait so long for others that belong before them
local flush_ns = 50000000 -- in virtual time the disk has them so often, by the real clock

--- path: where file is; nil: it is in memory only.
local function record_in(folder, path, file)
  file:setvbuf("full", 65536)
  file:write(core.event_header)
  local sum = core.sum() -- of what is written, to be compared with what is there at the end
  sum:add(core.event_header)
  return setmetatable({
    sum = sum,
    folder = folder, path = path, file = file, index = 0, until_ns = math.mininteger,
    written_ns = math.mininteger, first = 1, last = 0, queue = {}, unconfirmed = {},
    first_open = 1, last_open = 0, unsure = {}, pulses_sent = 0, pulses_confirmed = 0, pulses_skipped = 0,
    onset_errors = {}, punctual = 0, worst_us = 0, skipped_by = {}, passing = {}, extra = 0, trains = {},
    proven_ns = math.mininteger, heard_ns = math.mininteger,
    pulses_unmeasured = 0, -- sent, and timed by the stimulator
    pulses_external = 0, -- of those that were given, the ones that something else fired
    starts = 0, last_number = 0, lasts_ns = 0, left_sent = { count = 0 },
    recent = {}, -- the last pulses, by their numbers
    had_ns = math.mininteger, claimed_ns = math.mininteger, discards = {}, perhaps = 0, conditions = {},
  }, Record)
end

local function new_record(folder, path, beside)
  local file, message = (beside and files.beside or core.create_file)(path)
  if not file then
    return nil, message
  end
  return record_in(folder, beside and path .. ".new" or path, file)
end

--- Make the folder <out>/<date>T<time>_<id> and open the record in it.
---@param out string
---@param id string
---@param group boolean? its group may read it, else nobody but its owner
---@return moonpulse.Record? record
---@return string? message
function M.create(out, id, group)
  local wall = core.wall_ns()
  local folder, message = folders.make(out, os.date("%Y-%m-%dT%H%M%S", wall // 1000000000) .. "_"
    .. id:gsub("[^%w%-_.]", "_"), group)
  if not folder then
    return nil, message
  end
  local record
  record, message = new_record(folder, folder .. "/events.tsv")
  if not record then
    return nil, ("cannot make the record: %s: %s, or name another folder with --out DIR"):format(message,
      require("moonpulse.text.room").remedy(message))
  end
  record.started = clocks.text(wall)
  return record
end

--- A new events.tsv (as events.tsv.new) for a folder that is there.
---@param folder string
---@return moonpulse.Record? record
---@return string? message
function M.rewrite(folder)
  return new_record(folder, folder .. "/events.tsv", true)
end

--- A record that hands its rows on: one of several devices (moonpulse.record.together).
---@param folder string its own
---@param file table that takes what it would write
---@return moonpulse.Record
function M.part(folder, file)
  return record_in(folder, nil, file)
end

--- A record that is kept in memory only, for whoever wants to know and must not change anything.
---@param like string? the events.tsv that it most likely is: what is the same there takes no room in memory
---@return moonpulse.Record record
---@return fun(): string|true text events.tsv as it would be; true: it is like that, byte for byte
function M.in_memory(like)
  local kept = require("moonpulse.record.unwritten").new(like) -- no run needs it
  local record = record_in("", nil, kept)
  return record, function()
    local mended = record.discards[1] ~= nil
    if not mended and not record.disordered and kept:is_like() then
      return true
    end
    local text = kept:text()
    if mended then -- by the numbers that the rows still have
      text = text:gsub("[^\n]+", function(line) return discards.mended(record, line) end)
    end
    return record.disordered and order.settled(text) or text
  end
end

local function fields(action)
  local channel = action.channel ~= "" and action.channel or "1" -- of a train that the device times
  return core.event_action(channel, action.mso, action.intensity, action.reference)
end

--- The plan starts at start_ns on the monotonic clock.
---@param start_ns integer
function Record:start(start_ns)
  self.start_ns = start_ns
  if self.flight then
    self.flight:start(start_ns)
  end
  if self.markers then
    self.markers:start(start_ns)
  end
end

--- The actions of the run, by their number.
---@param actions moonpulse.Action[]
---@param driver { confirms: boolean?, proves_end: boolean?, setting_proof: string? } confirms false: the
---   device
---   never says that it fired; proves_end false: nor that a train has ended; setting_proof: how it confirms
--- what   it is told
---@param slow_ns integer? a reply later than that is perhaps another pulse's
function Record:set_actions(actions, driver, slow_ns)
  local confirms = driver.confirms
  self.slow_ns, self.actions, self.setting_proof = slow_ns, actions, driver.setting_proof or "none"
  self.tails, self.silent, self.end_proven = {}, confirms == false, driver.proves_end ~= false
  self.trains, self.lasts_ns = trains.prepare(actions, fields), 0
  for i, action in ipairs(actions) do
    self.tails[i] = fields(action)
    if self.silent and not action.train then -- nothing but its time tells that its pulse was not cut
      self.lasts_ns = math.max(self.lasts_ns, math.ceil((action.over or 0) * 1e9))
    end
  end
end

--- How many records of plans the flight record still has room for.
---@return integer
function Record:room()
  return self.flight and self.flight:room() - room_kept or math.maxinteger
end

--- Plan number k of the run will start at start_ns (monotonic): what the flight record holds from here
--- on is of that plan. Raises a refusal { code, message } where it does not hold that: then nothing is
--- played.
---@param k integer from 1
---@param start_ns integer
function Record:play(k, start_ns)
  self.plan = k
  if self.flight and not self.flight:play(k, start_ns) then
    error({ code = "limit", message = "the flight record takes no further plan: begin another run" }, 0)
  end
end

--- Another plan follows in the same run: its pulses are counted on from the last one.
---@param actions moonpulse.Action[]
---@param driver moonpulse.Driver as for set_actions
---@param slow_ns integer?
---@param k integer? its number in the run
function Record:next_play(actions, driver, slow_ns, k)
  self.extra, self.plan = self.last_number, k
  self:set_actions(actions, driver, slow_ns)
end

--- A row that the disk does not take is missing from events.tsv, not from the flight record. It is said at
--- once: there may be time to make room.
---@param ok any what the file's method returned: nothing or false if it failed
---@param message string?
function Record:wrote(ok, message)
  if not ok and not self.lost then
    self.lost = ("%s/events.tsv: %s"):format(self.folder, message)
    if self.on_lost then
      self.on_lost(self.lost)
    end
  end
end

--- Rows go to the file.
---@param text string of them
function Record:put(text)
  self.sum:add(text)
  core.disk "events.tsv"
  self:wrote(self.file:write(text))
  core.disk()
end

local function is_unsure(self, row)
  return row.status == "sent" and (row.start and not self.silent or row.awaited)
end

local function write_row(self, row, onset_ns)
  if self.share then
    row.unsure = is_unsure(self, row) and true or false
    return together().take(self, row, onset_ns)
  end
  self.index = self.index + 1
  row.index = self.index
  if onset_ns < self.written_ns then
    self.disordered = true
  else
    self.written_ns = onset_ns
  end
  discards.written(self, row)
  if row.unsure or row.unsure == nil and is_unsure(self, row) then
    self.left_sent = { count = self.left_sent.count + 1, first = self.left_sent.first or row.pulse }
  end
  local text = core.event_row(row)
  self:put(text)
  if self.feed then
    self.feed:row(text, row.told)
  end
end

Record.write_row = write_row

local function flush(self)
  order.flush(self, write_row)
  if self.share then
    together().merge(self)
  end
end

--- Rows leave in the order of their onsets, so one that waits for the device's reply holds the later
--- ones back.
function Record:flush_rows()
  flush(self)
end

--- No row with a sooner onset than until_ns (from the run's start) follows, as far as is known. A pulse that
--- a stop could still cut waits for its end.
---@param until_ns integer
function Record:advance(until_ns)
  until_ns = until_ns < math.maxinteger and until_ns - self.lasts_ns or until_ns
  if until_ns > self.until_ns then
    self.until_ns = until_ns
    if self.share or self.first <= self.last then
      flush(self)
    end
  end
end

--- Put a row in its place among those to come. One that is open stays there, and holds back those after it,
--- until it is closed.
---@param row moonpulse.Row
function Record:add(row)
  if row.event == "pulse" then
    row.timed_by, row.proof = row.timed_by or "host", self.setting_proof
    self:place(row)
  end
  local key_ns = row.sent_ns or row.planned_ns or row.confirmed_ns
  if row.open and row.planned_ns < key_ns then -- a train that is stopped has planned onsets
    key_ns = row.planned_ns
  end
  order.insert(self, row, key_ns)
  if self.markers and row.counted == nil then -- one of a train is told when it is given
    self.markers:row(row)
  end
  if not row.open then
    flush(self)
  end
end

--- A pulse was handed to the port.
---@param number integer
---@param planned_ns integer onset
---@param sent_ns integer when the stimulator has the whole command
---@param late_ns integer
---@param action integer
---@param now_ns integer when this is told (monotonic)
---@param status string? what is known of it until it is confirmed; "sent"
---@param sooner_ns integer? it may have so much sooner: its write stalled, before the bytes left or after
function Record:pulse(number, planned_ns, sent_ns, late_ns, action, now_ns, status, sooner_ns)
  self.starts = self.starts + 1
  if late_ns == 0 then -- as in virtual time
    self.punctual = self.punctual + 1
  else
    self.onset_errors[#self.onset_errors + 1] = late_ns / 1e3
    self.worst_us = math.max(self.worst_us, late_ns / 1e3)
  end
  local train = self.trains[action]
  if self.feed then
    self.feed:sent(number + self.extra, sent_ns, late_ns, self.actions[action], train and #train.onsets or 1)
  end
  if train then
    local base = number - 1 + self.extra
    self.extra = self.extra + #train.onsets - 1
    self.last_number = base + #train.onsets
    return trains.start(self, train, { number = number, planned_ns = planned_ns, sent_ns = sent_ns,
      late_ns = late_ns, now_ns = now_ns, base = base, plan = self.plan, action = self.actions[action],
      status = status, sooner_ns = sooner_ns or 0,
      left_ns = self.start_ns and self.start_ns + sent_ns or now_ns })
  end
  local row = {
    event = "pulse", pulse = number + self.extra, engine_number = number, plan = self.plan,
    start = self.starts,
    planned_ns = planned_ns, sent_ns = sent_ns,
    late_ns = late_ns, tail = self.tails[action], open = true, status = status or "sent",
    at_ns = now_ns, action = self.actions[action],
  }
  self.last_number, self.recent[number % 32] = row.pulse, row
  self.pulses_sent = self.pulses_sent + 1
  if self.silent then
    row.open, row.over_ns = nil, sent_ns + math.ceil((row.action.over or 0) * 1e9)
    return self:add(row)
  end
  self.last_open = self.last_open + 1
  self.unconfirmed[self.last_open] = row
  self:add(row)
end

--- A pulse was left out; reason is "late", "close" or "setting".
---@param number integer of the pulse in its plan
---@param planned_ns integer onset, from the run's start
---@param late_ns integer? how late it would have left; nil: that is not known
---@param action integer
---@param reason string
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
---@param now_ns integer
function Record:settle(now_ns)
  trains.settle(self, now_ns)
end

--- The run stopped at now_ns: status says what is known of the pulses of a train after it.
---@param now_ns integer
---@param status string? nil: stopped() will tell
function Record:halt(now_ns, status)
  trains.cut(self, now_ns, status)
end

--- The stop is over; disarmed: the device says so.
---@param disarmed boolean?
function Record:stopped(disarmed)
  if self.flight then
    self.flight:left(disarmed == true)
  end
  trains.stopped(self, disarmed and self.end_proven)
end

--- Does every row so far have its place in the file, with nothing to wait for?
function Record:is_quiet()
  return self.first > self.last and self.first_open > self.last_open and #self.passing == 0
    and not self.doubted
end

--- count pulses were sent in time and confirmed, and their rows written by somebody else.
---@param count integer above 0
---@param onset_ns integer of the last of them
---@param number integer of that one in its plan
---@param action integer
function Record:written(count, onset_ns, number, action)
  self.written_ns, self.last_number = onset_ns, number + self.extra
  self.had_ns = math.max(self.had_ns, onset_ns)
  self.answered_last, self.spare = self.actions[action], nil
  for _, counter in ipairs { "index", "starts", "punctual", "pulses_sent", "pulses_confirmed" } do
    self[counter] = self[counter] + count
  end
end

--- Something else: a mark, a change of intensity.
---@param event string
---@param planned_ns integer from the run's start
---@param sent_ns integer? the same; nil: nothing was sent
---@param status string
---@param reply string? also the text of a mark
---@param action integer|moonpulse.Action? whose columns the row has
---@param mark integer? the number of a plan's mark
---@param of { code: integer?, told: string? }? a script's mark: its event code, and what other programs are
---   told in the place of reply
function Record:event(event, planned_ns, sent_ns, status, reply, action, mark, of)
  self:add { event = event, planned_ns = planned_ns, sent_ns = sent_ns, status = status, mark = mark,
    code = of and of.code, told = of and of.told, reply = reply,
    tail = action and (self.tails and self.tails[action] or fields(action)) }
end

--- What can be written so far goes to the disk.
function Record:sync()
  if self.audit then
    self.audit:look()
  end
  if self.start_ns then
    self:advance(core.clock_ns() - self.start_ns - window_ns)
  end
  if core.is_virtual() then
    local now_ns = core.real_ns()
    if now_ns - (self.flushed_ns or 0) < flush_ns then
      return
    end
    self.flushed_ns = now_ns
  end
  core.disk "events.tsv"
  self:wrote(self.file:flush())
  core.disk()
end

--- No more confirmations come: pulses without one that is surely theirs are written as sent.
---@param goes_on boolean? the device stays armed: what it has promised of a train may still be proven
function Record:give_up(goes_on)
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
  if not goes_on then
    trains.leave_unproven(self, math.maxinteger)
  end
  trains.stopped(self)
end

--- No more rows. What another program did to the file meanwhile is in self.replaced where it could be mended;
--- what the file's checksum is now in self.events_sum.
function Record:close()
  if self.together then
    together().close(self)
  end
  self:give_up()
  self:advance(math.maxinteger)
  self:wrote(self.file:flush())
  self.moved = self.path and folders.again(self.folder)
  if self.path and not self.lost then
    self.replaced, self.changed = files.settle(self.file, self.path, self.index + 1, -- and the header
      self.sum:text(), "row")
    self.lost = self.changed
  end
  self:wrote(self.file:close())
  if (self.disordered or self.discards[1]) and self.path and not self.lost then
    self:wrote(discards.settle(self, self.path)) -- by the numbers that the rows still have
    self:wrote(not self.disordered or order.settle(self.path))
    self.events_sum = core.file_sum(self.path)
  else
    self.events_sum = self.sum:text()
  end
  self.undescribed = self.path and not self.lost and require("moonpulse.record.sidecar").write(self) or nil
  if self.flight then
    disturbed.close_flight(self)
  end
end

return M
