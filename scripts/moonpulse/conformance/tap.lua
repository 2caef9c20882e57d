--- A test stand: a driver's conversations with its twin in virtual time, with a wire that can go
--- wrong at a chosen place.
local core = require "moonpulse.core"
local refusals = require "moonpulse.text.refusal"

local M = {}

--- What a driver's functions are given as `io`, here with a far side that we hold in our hands.
---@class moonpulse.conformance.Stand
---@field heard { at_ns: integer, bytes: string }[] what arrived from the twin
---@field replies table[] the same, decoded
---@field log table[] what the twin understood
---@field writes string[] what the driver wrote
---@field on_write (fun(number: integer, bytes: string): string?)? what becomes of a write; nil: lost
---@field on_reply (fun(number: integer, bytes: string): table[]|string|nil)? what becomes of a reply:
---   bytes, a list of { after_ns, bytes }, or nil: lost
---@field on_call (fun(number: integer))? before each call of the driver; may raise
local Stand = {}
Stand.__index = Stand

--- A stand: what a driver's conversations are given as io, with a simulator behind it and a clock that moves
--- only when something waits.
---@param driver moonpulse.Driver configured
---@param twin moonpulse.Simulator? nil: nobody is there
function M.new(driver, twin)
  return setmetatable({
    driver = driver, twin = twin, now_ns = 1000000000, queue = {}, buffer = "", dialect = {},
    options = driver.settings or {}, path = "the stand", heard = {}, replies = {}, log = {},
    writes = {}, said = 0, calls = 0,
  }, Stand)
end

-- The far side -------------------------------------------------------------------------------------

local function earlier(a, b)
  if a.at_ns ~= b.at_ns then
    return a.at_ns < b.at_ns
  end
  return a.number < b.number
end

--- Bytes of the simulator that will have come at at_ns.
---@param at_ns integer of the stand's clock
---@param bytes string
function Stand:enqueue(at_ns, bytes)
  self.queued = (self.queued or 0) + 1
  self.queue[#self.queue + 1] = { at_ns = at_ns, bytes = bytes, number = self.queued }
end

--- What a call of the twin handed back; its lists are its own, and used again.
---@param replies moonpulse.SimulatorReply[]?
---@param log moonpulse.SimulatorEvent[]?
function Stand:take(replies, log)
  for _, entry in ipairs(log or {}) do
    self.log[#self.log + 1] = { event = entry.event, bytes = entry.bytes, note = entry.note,
      at_ns = entry.at_ns }
  end
  for _, reply in ipairs(replies or {}) do
    self.said = self.said + 1
    local changed = reply.bytes
    if self.on_reply then
      changed = self.on_reply(self.said, reply.bytes)
    end
    if type(changed) == "string" then
      self:enqueue(reply.at_ns, changed)
    end
    for _, piece in ipairs(type(changed) == "table" and changed or {}) do
      self:enqueue(reply.at_ns + piece[1], piece[2])
    end
  end
  table.sort(self.queue, earlier)
end

--- Bytes reach the twin now.
---@param bytes string
function Stand:give(bytes)
  if self.twin then
    self:take(self.twin:receive(bytes, self.now_ns))
  end
end

--- An edge on the trigger line.
---@param line string its name
---@param level boolean it is high from now on
function Stand:edge(line, level)
  self:take(self.twin:line(line, level, self.now_ns))
end

--- Something breaks in the twin, or a hand turns a knob.
---@param kind string a fault that the simulator knows
function Stand:breaks(kind)
  self:take(self.twin:fault(kind, self.now_ns))
end

-- Time ---------------------------------------------------------------------------------------------

local function deliver(self, bytes)
  self.heard[#self.heard + 1] = { at_ns = self.now_ns, bytes = bytes }
  local buffer = self.buffer .. bytes
  while #buffer > 0 do
    local reply, used = self.driver.decode(buffer, self.dialect)
    if used == 0 then
      break
    end
    buffer = buffer:sub(used + 1)
    if reply then
      self.replies[#self.replies + 1] = reply
      if self.match and not self.found and self.match(reply) then
        self.found = reply
      end
    end
  end
  self.buffer = buffer
end

--- Let time pass until to_ns, or until the reply that is waited for has come.
---@param to_ns integer of the stand's clock
function Stand:pass(to_ns)
  while not self.found do
    local twin_ns
    if self.twin then
      local replies, log, next_ns = self.twin:tick(self.now_ns)
      self:take(replies, log)
      twin_ns = next_ns and math.max(next_ns, self.now_ns + 1)
    end
    local first = self.queue[1]
    local at_ns = math.min(to_ns, first and first.at_ns or to_ns, twin_ns or to_ns,
      self.alive_ns or to_ns)
    self.now_ns = math.max(self.now_ns, at_ns)
    if first and first.at_ns <= self.now_ns then
      table.remove(self.queue, 1)
      deliver(self, first.bytes)
    elseif self.alive_ns and self.alive_ns <= self.now_ns then
      self.alive_ns = self.now_ns + math.floor(self.driver.keepalive.period * 1e9)
      self:give(self.driver.keepalive.bytes)
    elseif self.now_ns >= to_ns then
      return
    end
  end
end

--- From here on the keep-alives come by themselves, as they do in a run.
---@param on boolean false: no longer
function Stand:keep_alive(on)
  self.alive_ns = on and self.driver.keepalive
    and self.now_ns + math.floor(self.driver.keepalive.period * 1e9) or nil
end

-- What a driver calls ------------------------------------------------------------------------------

local function call(self)
  self.calls = self.calls + 1
  if self.on_call then
    self.on_call(self.calls)
  end
end

local function send(self, bytes)
  self.writes[#self.writes + 1] = bytes
  self:pass(self.now_ns + core.wire_ns(self.driver.serial, #bytes))
  local arrives = bytes
  if self.on_write then
    arrives = self.on_write(#self.writes, bytes)
  end
  if arrives then
    self:give(arrives)
  end
end

--- For the driver: send bytes, as moonpulse.Link:write. Raises if a case lets the call fail.
---@param bytes string
function Stand:write(bytes)
  call(self)
  send(self, bytes)
end

--- For the driver: let time pass, as moonpulse.Link:sleep.
---@param seconds number
function Stand:sleep(seconds)
  call(self)
  self:pass(self.now_ns + math.floor(seconds * 1e9))
end

--- For the driver: send, and wait for a reply, as moonpulse.Link:transact.
---@param bytes string
---@param want string|fun(reply: moonpulse.Reply): boolean the reply's name, or a test
---@param timeout number seconds that each try waits
---@param tries integer? 1
---@param remedy string? what to say if none came
---@return moonpulse.Reply
function Stand:transact(bytes, want, timeout, tries, remedy)
  call(self)
  local match = type(want) == "function" and want
    or function(reply) return reply.name == want end
  for _ = 1, tries or 1 do
    send(self, bytes)
    self.match, self.found = match, nil
    self:pass(self.now_ns + math.floor(timeout * 1e9))
    local found = self.found
    self.match, self.found = nil, nil
    if found then
      return found
    end
  end
  self:silent("%s", remedy or "no answer: is it switched on?")
end

--- For the driver: give up, as moonpulse.Link:fault.
---@param text string a format
function Stand:fault(text, ...)
  local message = select("#", ...) > 0 and text:format(...) or text
  refusals.fault(("%s on %s: %s"):format(self.driver.description, self.path, message))
end

--- The same, if the device gave no answer at all.
---@param text string a format
function Stand:silent(text, ...)
  local _, problem = pcall(self.fault, self, text, ...)
  problem.silent = true
  error(problem, 0)
end

-- What a run does ----------------------------------------------------------------------------------

--- Fire as the engine would: bytes, two messages, or an edge.
---@param pulse string|table what encode.pulse returned
function Stand:fire(pulse)
  if type(pulse) == "string" then
    return send(self, pulse)
  elseif pulse.line then
    self:edge(pulse.line, true)
    self:pass(self.now_ns + math.floor(pulse.width * 1e9))
    return self:edge(pulse.line, false)
  end
  send(self, pulse.bytes)
  self:pass(self.now_ns + math.floor(pulse.width * 1e9))
  send(self, pulse.after)
end

--- The safe frame, or what stands for it.
function Stand:safe()
  if self.driver.safe ~= "" then
    send(self, self.driver.safe)
  end
end

--- How many entries of that event the twin has logged.
---@param event string
---@return integer
function Stand:count(event)
  local count = 0
  for _, entry in ipairs(self.log) do
    count = count + (entry.event == event and 1 or 0)
  end
  return count
end

--- The note of the last pulse.
function Stand:last_pulse()
  for i = #self.log, 1, -1 do
    if self.log[i].event == "pulse" then
      return self.log[i].note or ""
    end
  end
end

--- Like a twin, but everything it logs is kept in `seen`. It has no steady(): every pulse must come by.
---@param twin moonpulse.Simulator
function M.witness(twin)
  local seen = {}
  local function keep(replies, log, next_ns)
    for _, entry in ipairs(log or {}) do
      seen[#seen + 1] = { event = entry.event, at_ns = entry.at_ns, note = entry.note }
    end
    return replies, log, next_ns
  end
  return {
    seen = seen,
    receive = function(_, ...) return keep(twin:receive(...)) end,
    tick = function(_, ...) return keep(twin:tick(...)) end,
    line = function(_, ...) return keep(twin:line(...)) end,
    state = function() return twin:state() end,
  }
end

return M
