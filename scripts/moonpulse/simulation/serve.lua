--- A simulator on a pseudo-terminal, or on a wire in virtual time: bytes in, replies out at their time, a log
--- of all it understood.
local core = require "moonpulse.core"
local faults = require "moonpulse.simulation.faults"
local witness = require "moonpulse.simulation.witness"

local M = {}

local tell_ns = 50000000 -- who asks for it is told so often until when the ports were looked at

local Host = {}
Host.__index = Host

--- Where object has key from: itself or one that it inherits from.
local function owner(object, key)
  while type(object) == "table" and rawget(object, key) == nil do
    object = (getmetatable(object) or {}).__index
  end
  return object
end

--- True if steady() and receive() come from the same object, that is, no wrapper sits between.
---@param simulator moonpulse.Simulator
---@return boolean?
function M.speaks_for_itself(simulator)
  return simulator.steady and owner(simulator, "steady") == owner(simulator, "receive")
end

--- The short cut: if the model says in numbers what each further frame like this one does, the engine answers
--- them (engine/far_cut.h).
---@param bytes string a frame that has just been answered, and was before
function Host:shorten(bytes)
  self:tick(core.clock_ns())
  local steady = self.simulator:steady(bytes)
  if steady and steady.log and self.pty:steady(steady, bytes, { log = self.log,
      tail = witness.tail(steady.log), wire_ns = core.wire_ns(self.serial, #bytes),
      free_ns = self.wire_free_ns, on_ns = self.on_ns }) then
    self.cut = steady
  end
end

--- What the engine has answered is taken over: the model is as if it had heard it all.
---@param ends boolean whoever asks changes something: from here on frames go the long way
function Host:catch_up(ends)
  local steady = self.cut
  if not steady then
    return
  end
  local given, last_ns = self.pty:passed(steady, ends)
  self.cut = not ends and steady or nil
  if given > 0 then
    self.counts[steady.log.event] = (self.counts[steady.log.event] or 0) + given
    self.said, self.now_ns, self.wire_free_ns = self.said + given, last_ns, last_ns
    local next_ns = self.simulator:passed(steady, given)
    self.ticks_ns = next_ns and next_ns + self.on_ns or math.maxinteger
  end
end

--- The log goes no further once the disk did not take a part of it: what is behind a gap would say that
--- nothing was there. That it is cut is seen at its end: its last line has none.
---@param ok any what the file's method returned
---@param why string?
function Host:wrote(ok, why)
  if ok or self.log_lost then
    return
  end
  self.log_lost = why or "not written"
  self:catch_up(true) -- the engine writes into it, too
  self.short = nil
  if io.type(self.log) == "file" then
    self.log:close() -- nothing of it comes behind the end
  end
  self.log = nil
  local file <close> = io.open(self.log_path, "r+b")
  local size = file and file:seek "end" or 0
  if size > 0 then -- in its place: it takes no room
    file:seek("set", size - 1)
    file:write "~"
  end
end

--- In real time somebody may look at the log, and the process may be killed.
function Host:flush()
  if self.log and self.flushes then
    self:wrote(self.log:flush())
  end
end

--- Write what the model logged, and count it.
---@param entries moonpulse.SimulatorEvent[]?
function Host:note(entries)
  if not entries then
    return
  end
  for _, entry in ipairs(entries) do
    if self.log then
      self:wrote(self.log:write(witness.line(entry.at_ns and entry.at_ns + self.on_ns or self.now_ns, entry)))
    end
    self.counts[entry.event] = (self.counts[entry.event] or 0) + 1
  end
  if entries[1] then
    self:flush()
  end
end

--- By time; what was said first comes first.
local function earlier(a, b)
  if a.at_ns ~= b.at_ns then
    return a.at_ns < b.at_ns
  end
  return a.number < b.number
end

--- Replies wait until their time.
---@param replies moonpulse.SimulatorReply[]?
function Host:later(replies)
  if not replies then
    return
  end
  local queue = self.queue
  for _, reply in ipairs(replies) do
    self.said = self.said + 1
    local last, new = queue[#queue], { at_ns = reply.at_ns + self.on_ns, bytes = reply.bytes,
      number = self.said }
    queue[#queue + 1] = new
    if last and earlier(new, last) then
      table.sort(queue, earlier)
    end
  end
end

--- It says nothing more, and its port is gone.
function Host:unplug()
  self.queue, self.cut, self.short, self.ticks_ns = {}, nil, nil, math.maxinteger
  self.gone = true
  self.pty:close()
end

--- What the model answered and logged goes on its way, past the faults.
---@param replies moonpulse.SimulatorReply[]?
---@param log moonpulse.SimulatorEvent[]?
function Host:take(replies, log)
  if self.faults then
    replies, log = self.faults:pass(replies, log)
  end
  self:note(log)
  self:later(replies)
  if self.faults and (self.faults.gone or self.faults.silent) then
    self.queue = {}
  end
  if self.faults and self.faults.gone then
    self.gone = true
    self.pty:close()
  end
end

--- What has been read was written between since_ns, when its port was found empty, and when it was read.
--- Whatever kept us from reading it (no processor, a stop, the disk, the kernel's own thread that passes it
--- on): moonpulse.simulation.slack reckons with the whole of it. Up to since_ns the model's time has passed,
--- and nothing came. It is stamped and answered from when it was read: no answer may come before its
--- question was sent.
---@param since_ns integer monotonic
function Host:came_since(since_ns)
  if not self.watched then
    self.watched = true
    self.pty:watch()
    if self.trigger_pty then
      self.trigger_pty:watch()
    end
  end
  self.now_ns = since_ns
  self:tick(since_ns)
end

--- How long before now_ns, at which it is stamped, a command may have been complete.
---@param since_ns integer monotonic: it was not written before
---@param wire_ns integer for which it is on the wire
---@return integer
function Host:may_be_sooner(since_ns, wire_ns)
  return math.max(0, self.now_ns - wire_ns - since_ns)
end

--- Two ports tell nothing of their order where both were read late. A setting follows its pulse at once, and
--- comes long before the next one: so what is at the trigger input came first.
local function triggers_first(self)
  local bytes, at_ns, since_ns = self.trigger_pty:look()
  while bytes do
    self:trigger(bytes, at_ns, since_ns)
    bytes, at_ns, since_ns = self.trigger_pty:look()
  end
end

--- Arrival is when the first bit left. A pseudo-terminal has no wire: the time that bytes would be on it is
--- added to that. A wire hands them over when it is over, so that this is now.
---@param bytes string
---@param arrival_ns integer monotonic
---@param since_ns integer? of a pseudo-terminal: it was not written before
function Host:receive(bytes, arrival_ns, since_ns)
  if self.faults and self.faults.silent then
    return
  end
  self:catch_up(true)
  local wire = core.wire_ns(self.serial, #bytes)
  if since_ns and self.trigger_pty then
    triggers_first(self)
  end
  if since_ns then
    self:came_since(since_ns)
  end
  self.ticks_ns = nil -- it may have been told what ends, or begins
  self.now_ns = math.max(arrival_ns, self.wire_free_ns) + wire
  self.wire_free_ns = self.now_ns
  self.simulator.waited_ns = since_ns and self:may_be_sooner(since_ns, wire)
  if self.faults then
    local log
    bytes, log = self.faults:hear(bytes, self.now_ns - self.on_ns)
    self:note(log)
  end
  self:take(self.simulator:receive(bytes, self.now_ns - self.on_ns))
  self.simulator.waited_ns = nil
  if self.short and bytes == self.heard then
    self:shorten(bytes)
  end
  self.heard = bytes
  if self.task then
    self.task:wake()
  end
end

--- A line of the port has moved: only a wire has lines.
---@param line "rts"|"dtr"|"break"
---@param high boolean
---@param at_ns integer monotonic
function Host:line(line, high, at_ns)
  if self.faults and self.faults.silent or not self.simulator.line then
    return
  end
  self:catch_up(true)
  self.now_ns, self.ticks_ns = at_ns, nil
  self:take(self.simulator:line(line, high, at_ns - self.on_ns))
  if self.task then
    self.task:wake()
  end
end

--- Something outside fires it, over its trigger input: an edge up, and at once down.
---@param at_ns integer monotonic
function Host:fired(at_ns)
  self:line("trigger", true, at_ns)
  self:line("trigger", false, at_ns)
end

--- How long after it was fired so its report has come: what a run in virtual time reckons with that gives
--- pulses again which were reported then.
---@return integer
function Host:reports_ns()
  return self.simulator.latency_ns or 0
end

--- The lines that come in at the other end of a wire.
---@param cts boolean
---@param dsr boolean
function Host:inputs(cts, dsr)
  self.pty:inputs(cts, dsr)
end

-- of the trigger input: what --trigger sim reckons with
local trigger_serial = { baud = 115200, bits = 8, parity = "none", stop_bits = 1, flow = "none" }

--- The trigger input, a byte box: it is high while the last byte was not 0.
---@param bytes string
---@param arrival_ns integer monotonic
---@param since_ns integer? as of receive()
function Host:trigger(bytes, arrival_ns, since_ns)
  if self.faults and self.faults.silent then
    return
  end
  local wire = core.wire_ns(trigger_serial, 1)
  self:catch_up(true)
  if since_ns then
    self:came_since(since_ns)
  end
  self.ticks_ns = nil
  self.trigger_free_ns = math.max(arrival_ns, self.trigger_free_ns or 0)
  for i = 1, #bytes do
    self.trigger_free_ns = self.trigger_free_ns + wire
    self.now_ns = self.trigger_free_ns
    self.simulator.waited_ns = since_ns and self:may_be_sooner(since_ns, wire)
    self:take(self.simulator:line("trigger", bytes:byte(i) ~= 0, self.now_ns - self.on_ns))
    self.simulator.waited_ns = nil
  end
  if self.task then
    self.task:wake()
  end
end

--- Let the model's time pass, if something is to happen by itself, or it was told something since.
---@param now integer of the world, ns
function Host:tick(now)
  if now < (self.ticks_ns or now) then
    return
  end
  self:catch_up(true)
  local replies, log, next_ns = self.simulator:tick(now - self.on_ns)
  self.ticks_ns = next_ns and next_ns + self.on_ns or math.maxinteger
  self:take(replies, log)
end

--- Hear what has come at a port; until when nothing else did.
local function heard_ns(self, port, hear)
  if not self.simulator.on_port or self.gone or not port then
    return math.maxinteger
  end
  local bytes, at_ns, since_ns = port:look()
  if not bytes then
    return at_ns
  end
  hear(self, bytes, at_ns, since_ns)
  return since_ns -- there may be more
end

--- Send what is due; the time until there is more to do, or nil. The model's time passes no further than its
--- ports have been looked at: what it waited for may lie there.
function Host:step()
  local now = math.min(core.clock_ns(), heard_ns(self, self.pty, self.receive),
    heard_ns(self, self.trigger_pty, self.trigger))
  self:catch_up(false)
  self.now_ns, self.looked_ns = now, now
  self:tick(now)
  local first = self.queue[1]
  while first and first.at_ns <= core.clock_ns() do
    table.remove(self.queue, 1)
    self.pty:write(first.bytes)
    first = self.queue[1]
  end
  local due = math.min(first and first.at_ns or math.maxinteger, self.ticks_ns)
  return due < math.maxinteger and math.max(0, (due - core.clock_ns()) / 1e9) or nil
end

--- Start a simulator on a new pseudo-terminal.
---@param model moonpulse.SimulatorModel the simulator's module
---@param options { link: string?, log: string?, settings: table?, faults: table?, trigger: boolean?,
---   simulator: table?, short: boolean? } faults: as moonpulse.simulation.faults parses them; trigger: a
---   second port as trigger input, host.trigger_path; simulator: to be served instead of a new one; short:
---   the engine may answer what goes on as before (virtual time)
---@return table? host with path, description and counts
---@return string? message
function M.start(model, options)
  local is_virtual = core.is_virtual()
  local self = setmetatable({
    description = model.description, queue = {}, counts = {},
    now_ns = core.clock_ns(), wire_free_ns = 0, said = 0,
    on_ns = core.clock_ns(), -- a simulator's time begins when it is switched on, not when the host was
  }, Host)
  local new_port = is_virtual and core.wire or core.pty
  self.simulator = options.simulator or model.new(options.settings or {})
  self.simulator.on_port = not is_virtual -- stamps are of when bytes were read: moonpulse.simulation.slack
  self.serial = self.simulator.serial or model.serial
  local message
  if options.faults then
    self.faults, message = faults.new(options.faults, self.simulator, model.new(options.settings or {}))
    if not self.faults then
      return nil, message
    end
  end
  if options.log then
    self.log, message = io.open(options.log, "w")
    if not self.log then
      return nil, ("cannot write the log: %s"):format(message)
    end
    self.log:setvbuf "full" -- by lines the C library calls a line written that the disk did not take
    self.log_path, self.flushes = options.log, not is_virtual
    self:wrote(self.log:write(witness.header))
    self:flush()
  end
  self.pty, message = new_port(options.link, function(bytes, arrival_ns, since_ns)
    self:receive(bytes, arrival_ns, since_ns)
  end, is_virtual and function(line, high, at_ns) self:line(line, high, at_ns) end or nil)
  if not self.pty then
    return nil, message
  end
  self.path = self.pty:path()
  if options.trigger then
    self.trigger_pty, message = new_port(nil, function(bytes, arrival_ns, since_ns)
      self:trigger(bytes, arrival_ns, since_ns)
    end)
    if not self.trigger_pty then
      return nil, message
    end
    self.trigger_path = self.trigger_pty:path()
  end
  self.short = options.short and is_virtual and self.log and not self.faults
    and M.speaks_for_itself(self.simulator)
  if self.faults then
    self:note((select(2, self.faults:begin(0)))) -- nobody is there yet for its replies
  end
  return self
end

--- Serve until stop() is called. For a task.
---@param looked fun(at_ns: integer)? told now and then until when the ports were looked at (monotonic)
function Host:serve(looked)
  self.task = core.current()
  local told_ns = 0
  while not self.stopping do
    local seconds = self:step()
    if looked then
      if self.looked_ns - told_ns >= tell_ns then
        told_ns = self.looked_ns
        looked(told_ns)
      end
      seconds = math.min(seconds or math.huge, tell_ns / 1e9)
    end
    core.wait(seconds)
  end
end

--- The model looks at the time, and says what it has to say: somebody changed it, or wants to know.
function Host:look()
  self:catch_up(true)
  self.ticks_ns = nil
  if self.task then
    self.task:wake()
  end
end

--- serve() ends in its next turn.
function Host:stop()
  self.stopping = true
  if self.task then
    self.task:wake()
  end
end

--- Its ports are gone, and its log is whole.
function Host:close()
  self:catch_up(true)
  self.gone = true
  self.pty:close()
  if self.trigger_pty then
    self.trigger_pty:close()
  end
  if self.log then
    self:wrote(self.log:close())
  end
end

return M
