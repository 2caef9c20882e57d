--- Which pulse a confirmation belongs to, and what is not sure: the part of a record that hears replies.
local trains = require "moonpulse.record.device_trains"

local M, Record = {}, {}

--- The device confirmed a row, with status "delivered", or "otherwise" where what it says of the pulse
--- does not fit what was set.
local function delivered(self, row, confirmed_ns, reply, value, status)
  self:heard(confirmed_ns)
  local rows = row.rows
  for i = 1, rows and #rows or 1 do
    local each = rows and rows[i] or row
    local begun = each.cut and not each.ahead and confirmed_ns >= each.due_ns - each.sooner_ns
    if each.left then -- the stop came before anything proved it
      each.status, each.open = "perhaps_sent", nil
    elseif not each.cut or begun then -- a burst cut short may have begun
      each.sent_ns = each.sent_ns or math.min(each.due_ns, confirmed_ns)
      self.had_ns = math.max(self.had_ns, each.begun_ns or each.sent_ns) -- and all that was sent before
      each.confirmed_ns, each.reply, each.status = confirmed_ns, reply, status or "delivered"
      if not trains.ahead(each, confirmed_ns) then
        each.open = nil
        self.pulses_confirmed = self.pulses_confirmed + 1
        trains.given(self, each)
      else
        each.confirmed_ns = nil -- that it began is no proof of a pulse that is still to come
      end
    end
  end
  if self.flight then
    self.flight:confirm(row.engine_number, confirmed_ns + self.start_ns, value or 0,
      status == "otherwise" and status or "given", row.plan)
  end
end

--- A confirmation came, of whichever pulse, at confirmed_ns from the run's start.
---@param confirmed_ns integer
function Record:heard(confirmed_ns)
  self.heard_ns = math.max(self.heard_ns, confirmed_ns)
end

--- Confirmations carry no number: the oldest open pulse takes the first. Where one is lost, each later one
--- would confirm the pulse before its own, and nobody would see it. So one that comes while several pulses
--- wait proves none of them: nothing more counts as delivered until every pulse that was due has its
--- confirmation. A device whose replies take longer than the interval between its pulses is sound all the
--- same: a pulse is missing only if another is sent although even the latest of those that wait should have
--- been confirmed. The device then has some time to make up for it.
---@param answered_ns integer pulses sent before it (monotonic) should be confirmed
function Record:doubt(answered_ns)
  local last = self.unconfirmed[self.last_open]
  if not self.doubted and last and last.at_ns < answered_ns then
    self.doubted = self.unconfirmed[self.first_open]
  end
end

--- From the oldest open pulse on nothing is sure until all that are open are confirmed.
function Record:in_doubt()
  self.doubted = self.doubted or self.unconfirmed[self.first_open]
end

--- Pulses whose confirmation is not surely theirs, or not of their time, stay "sent".
local function leave(self, row)
  for _, each in ipairs(row.rows or { row }) do
    each.open = nil
    trains.given(self, each)
  end
end

--- Whose those were that came in doubt nobody will know.
local function leave_unsure(self)
  for _, answer in ipairs(self.unsure) do
    leave(self, answer[1])
  end
  self.unsure = {}
end

--- All that were due are confirmed. Where one was late, so may its pulse have been, and those after it: each
--- was given, but nobody knows when. A train that is confirmed at its start is not over, and is proven later.
local function settle(self)
  for _, answer in ipairs(self.unsure) do
    if self.doubted and not answer[1].ahead then
      leave(self, answer[1])
    else
      delivered(self, table.unpack(answer, 1, 5))
    end
  end
  self.unsure, self.doubted = {}, nil
end

--- Could a confirmation at confirmed_ns be of a pulse after the oldest open one? Or is it unknown whose the
--- one before it was?
local function is_nobodys(self, confirmed_ns, may_be_of)
  for i = self.first_open + 1, self.last_open do
    local row = self.unconfirmed[i]
    if trains.early(row, confirmed_ns) or (row.sent_ns or confirmed_ns) > confirmed_ns then
      break -- it was sent after that
    elseif not may_be_of or may_be_of(row.action) then
      return true
    end
  end
  return self.unsure[1] ~= nil
end

--- The device confirmed the oldest open pulse. False when there is none.
---@param confirmed_ns integer from the plan's start
---@param reply string
---@param value integer? the reply as a number, for the flight record
---@param status string? "otherwise": it was given, and not as it was set
---@param may_be_of fun(action: moonpulse.Action): boolean? which pulses it may be of; nil: any
function Record:confirm(confirmed_ns, reply, value, status, may_be_of)
  local row = self.unconfirmed[self.first_open]
  if not row or trains.early(row, confirmed_ns) then
    return trains.take_spare(self)
  end
  local nobodys = is_nobodys(self, confirmed_ns, may_be_of)
  self.unconfirmed[self.first_open], self.spare = nil, row.spare
  self.first_open = self.first_open + 1
  self.answered_last = row.action
  trains.doubt(self, row, confirmed_ns)
  if not self.doubted and not nobodys then
    delivered(self, row, confirmed_ns, reply, value, status)
  else
    self.unsure[#self.unsure + 1] = { row, confirmed_ns, reply, value, status }
    self:heard(confirmed_ns)
    if self.flight then -- whoever recovers it hears of it, too
      self.flight:confirm(row.engine_number, confirmed_ns + self.start_ns, value or 0, "some",
        row.plan)
    end
    if trains.caught_up(self, confirmed_ns) then -- all are there
      settle(self)
    end
  end
  self:flush_rows()
  return true
end

--- Whose confirmation would one be that came at at_ns (monotonic)? The action of the pulse that waits for
--- it, or of the burst that was confirmed last and may be confirmed again; nil: nobody's.
---@param at_ns integer
---@return moonpulse.Action?
---@return integer? pulse
function Record:awaits(at_ns)
  local row = self.unconfirmed[self.first_open]
  if row and not trains.early(row, at_ns - self.start_ns) then
    return row.action, row.pulse
  elseif (self.spare or 0) > 0 then
    return self.answered_last, self.last_number
  end
end

--- Confirmations come in the order of the starts. One that says of itself that it is of another pulse than
--- the oldest: those before that pulse never get theirs.
---@param is_its fun(action: moonpulse.Action): boolean
---@return boolean? found false: none of those that wait is such a pulse
---@return table? first the first that was passed over, { pulse, action }
function Record:turn_to(is_its)
  local found
  for i = self.first_open, self.last_open do
    if is_its(self.unconfirmed[i].action) then
      found = i
      break
    end
  end
  if not found then
    return self.first_open > self.last_open
  end
  local oldest = self.unconfirmed[self.first_open]
  local first = found > self.first_open and { pulse = oldest.pulse, action = oldest.action } or nil
  while self.first_open < found do
    self:unconfirmed_row()
  end
  return true, first
end

--- The engine's number of the pulse that waits longest for its confirmation.
function Record:oldest_number()
  local row = self.unconfirmed[self.first_open]
  return row and row.engine_number
end

--- The oldest open pulse will never be confirmed. Whose those were that came in doubt nobody will know, then.
function Record:unconfirmed_row()
  local row = self.unconfirmed[self.first_open]
  leave_unsure(self)
  self.unconfirmed[self.first_open] = nil
  self.first_open = self.first_open + 1
  for _, each in ipairs(row.rows or { row }) do
    each.open = nil
    trains.given(self, each)
  end
  self:flush_rows()
end

--- The pulse that waits longest for its confirmation, since when (monotonic ns), whether the device times it,
--- and its action.
function Record:oldest_open()
  local row = self.unconfirmed[self.first_open]
  if row then
    return row.pulse, row.at_ns + (row.reports_ns or 0), row.timed_by == "device", row.action
  end
end

--- The same, but from the first pulse on that is in doubt.
function Record:oldest_doubt()
  if self.doubted then
    local row = self.doubted
    return row.pulse, row.at_ns + (row.reports_ns or 0), row.timed_by == "device", row.action
  end
  return self:oldest_open()
end

--- Of the starts and pulses that were sent, how many wait for nothing any more: those before the
--- oldest unconfirmed single pulse. A train's confirmations come while it runs, and count at once.
---@return integer
function Record:answered()
  local row = self.unconfirmed[self.first_open]
  if row and row.timed_by ~= "device" then
    return row.start - 1
  end
  return self.starts
end

--- By what the device says now, it had cut no train of its own by at_ns (monotonic): pulses of one that it
--- confirmed at its start, and that were due by then, were given.
---@param at_ns integer
function Record:going(at_ns)
  local number = trains.going(self, at_ns)
  if number and self.flight then
    self.flight:confirm(number, at_ns, 0, "going")
  end
end

--- A train that the device confirmed at its start may wait for proof that it was given whole: when its last
--- pulse was due (monotonic); nil: none waits.
---@return integer?
function Record:unproven_since()
  return trains.unproven_since(self)
end

--- Give a class of records these methods.
---@param class table
function M.into(class)
  for name, method in pairs(Record) do
    class[name] = method
  end
end

return M
