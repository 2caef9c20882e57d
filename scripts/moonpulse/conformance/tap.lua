--- A test stand: a driver's conversations with its simulator, by the link, the session and the wire of a run
--- in virtual time, with a tap on both directions where a case makes go wrong what it likes.
local core = require "moonpulse.core"
local host = require "moonpulse.simulation.serve"
local links = require "moonpulse.stimulator.link"

local M = {}

--- What a driver's functions are given as `io`: a link that counts and can be disturbed. now_ns is the time.
---@class moonpulse.conformance.Stand
---@field heard { at_ns: integer, bytes: string }[] what arrived from the simulator
---@field replies table[] the same, decoded
---@field log table[] what the simulator understood
---@field writes string[] what the driver wrote
---@field on_write (fun(number: integer, bytes: string): string?)? what becomes of a write; nil: lost
---@field on_reply (fun(number: integer, bytes: string): table[]|string|nil)? what becomes of a reply:
---   bytes, a list of { after_ns, bytes }, or nil: lost
---@field on_call (fun(number: integer))? before each call of the driver; may raise
local Stand = {}

function Stand.__index(_, key)
  if key == "now_ns" then
    return core.clock_ns()
  end
  return Stand[key]
end

-- The far side -------------------------------------------------------------------------------------

--- What the simulator said, as the case lets it arrive; its lists are its own, and used again.
local function pass_on(self, replies, log, next_ns)
  for _, entry in ipairs(log or {}) do
    self.log[#self.log + 1] = { event = entry.event, bytes = entry.bytes, note = entry.note,
      at_ns = entry.at_ns }
  end
  local said = {}
  for _, reply in ipairs(replies or {}) do
    self.said = self.said + 1
    local changed = reply.bytes
    if self.on_reply then
      changed = self.on_reply(self.said, reply.bytes)
    end
    for _, piece in ipairs(type(changed) == "string" and { { 0, changed } } or changed or {}) do
      said[#said + 1] = { at_ns = reply.at_ns + piece[1], bytes = piece[2] }
    end
  end
  return said, nil, next_ns
end

--- The simulator as the host at the far end of the wire has it.
local function tapped(self)
  local simulator = self.simulator
  return {
    serial = simulator.serial,
    receive = function(_, bytes, now_ns)
      local arrives = bytes
      if not self.direct then -- what becomes of each write was decided when it was written
        arrives = table.remove(self.arriving, 1) or nil
      end
      if arrives then
        return pass_on(self, simulator:receive(arrives, now_ns))
      end
    end,
    tick = function(_, now_ns) return pass_on(self, simulator:tick(now_ns)) end,
    line = function(_, ...) return pass_on(self, simulator:line(...)) end,
  }
end

--- Bytes reach the simulator now.
---@param bytes string
function Stand:give(bytes)
  if self.served then
    self.direct = true
    self.served:receive(bytes, core.clock_ns() - core.wire_ns(self.served.serial, #bytes))
    self.direct = false
  end
end

--- An edge on the trigger line.
---@param line string its name
---@param level boolean it is high from now on
function Stand:edge(line, level)
  self.served:line(line, level, core.clock_ns())
end

--- Something breaks in the simulator, or a hand turns a knob.
---@param kind string a fault that the simulator knows
function Stand:breaks(kind)
  local served = self.served
  served:take(pass_on(self, self.simulator:fault(kind, core.clock_ns() - served.on_ns)))
  served:look()
end

--- A stand: what a driver's conversations are given as io, with a simulator behind it. In virtual time.
---@param driver moonpulse.Driver configured
---@param simulator moonpulse.Simulator? nil: nobody is there
---@return moonpulse.conformance.Stand to be closed
function M.new(driver, simulator)
  local self = setmetatable({ driver = driver, simulator = simulator, heard = {}, replies = {}, log = {},
    writes = {}, arriving = {}, said = 0, calls = 0, begun_ns = core.clock_ns() }, Stand)
  local link = links.new(driver, { outcome = function() end, gone = function() end, reply = function(reply)
    self.replies[#self.replies + 1] = reply
  end })
  function link.receive(_, bytes, at_ns)
    self.heard[#self.heard + 1] = { at_ns = at_ns, bytes = bytes }
    links.receive(link, bytes, at_ns)
  end
  function link.write(_, bytes)
    self.writes[#self.writes + 1] = bytes
    local arrives = bytes
    if self.on_write then
      arrives = self.on_write(#self.writes, bytes)
    end
    self.arriving[#self.arriving + 1] = arrives or false
    links.write(link, bytes)
  end
  if simulator then
    self.served = assert(host.start({ serial = driver.serial, description = driver.description },
      { simulator = tapped(self) }))
    core.spawn(function() self.served:serve() end)
  else
    self.wire = assert(core.wire(nil, function() end))
  end
  link:open(self.served and self.served.path or self.wire:path())
  self.link, self.dialect, self.options, self.path = link, link.dialect, link.options, "the stand"
  link.path = self.path
  return self
end

-- Time ---------------------------------------------------------------------------------------------

--- Let time pass until to_ns; what is due by then has happened.
---@param to_ns integer
function Stand:pass(to_ns)
  local left_ns = to_ns - core.clock_ns()
  if left_ns > 0 then
    core.wait(left_ns / 1e9)
  end
  if self.served then
    self.served:look()
  end
  core.wait(0)
end

--- From here on the keep-alives come by themselves, as they do in a run.
---@param on boolean false: no longer
function Stand:keep_alive(on)
  local alive = self.driver.keepalive
  local turn = on and alive and {} or nil
  self.alive = turn
  if turn then
    core.spawn(function()
      core.wait(alive.period)
      while self.alive == turn do
        self:give(alive.bytes)
        core.wait(alive.period)
      end
    end)
  end
end

--- Nobody is there any more.
function Stand:close()
  self.alive = nil
  self.link:close()
  if self.served then
    self.served:stop()
    core.wait(0)
    self.served:close()
  else
    self.wire:close()
  end
end

-- What a driver calls ------------------------------------------------------------------------------

local function call(self)
  self.calls = self.calls + 1
  if self.on_call then
    self.on_call(self.calls)
  end
end

--- Write, and wait until it is off the wire.
local function send(self, bytes)
  self.link:write(bytes)
  self:pass(core.clock_ns() + core.wire_ns(self.driver.serial, #bytes))
end

--- For the driver: send bytes, as moonpulse.Link:write. Raises if a case lets the call fail.
---@param bytes string
function Stand:write(bytes)
  call(self)
  self.link:write(bytes)
end

--- For the driver: let time pass, as moonpulse.Link:sleep.
---@param seconds number
function Stand:sleep(seconds)
  call(self)
  self.link:sleep(seconds)
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
  return self.link:transact(bytes, want, timeout, tries, remedy)
end

--- For the driver: give up, as moonpulse.Link:fault.
---@param text string a format
function Stand:fault(text, ...)
  self.link:fault(text, ...)
end

--- The same, if the device gave no answer at all.
---@param text string a format
function Stand:silent(text, ...)
  self.link:silent(text, ...)
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

--- How many entries of that event the simulator has logged.
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

--- Like a simulator, but everything it logs is kept in `seen`. It has no steady(): every pulse must come by.
---@param simulator moonpulse.Simulator
function M.witness(simulator)
  local seen = {}
  local function keep(replies, log, next_ns)
    for _, entry in ipairs(log or {}) do
      seen[#seen + 1] = { event = entry.event, at_ns = entry.at_ns, note = entry.note }
    end
    return replies, log, next_ns
  end
  return {
    seen = seen,
    receive = function(_, ...) return keep(simulator:receive(...)) end,
    tick = function(_, ...) return keep(simulator:tick(...)) end,
    line = function(_, ...) return keep(simulator:line(...)) end,
    state = function() return simulator:state() end,
  }
end

return M
