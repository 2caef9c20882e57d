--- A session to a simulator in virtual time: the rules of the engine's session and of its
-- sending thread (engine/session.h, engine/dispatcher.h), without a thread and without a port. What the loop
-- hears it hears a little later, by chance, in order.
local core = require "moonpulse.core"
local witness = require "moonpulse.simulation.witness"

local M = {}

local Session = {}
Session.__index = Session

local gap_ns = 1000000 -- between a frame beside the plan and the plan's next

--- What core.session is in world.
---@param world table of five_lists.world
---@param device { simulator: table, serial: table, log: userdata, chance: table }
---@return fun(handlers: table): table
function M.maker(world, device)
  return function(handlers)
    return setmetatable({ world = world, device = device, simulator = device.simulator, log = device.log,
      chance = device.chance, handlers = handlers, mode = "closed", wire_free_ns = 0, outcomes = {},
      heard_ns = 0, turn = 0, held = {} }, Session)
  end
end

-- The far side ----------------------------------------------------------------------------------------

function Session:take(replies, log)
  for _, entry in ipairs(log or {}) do
    self.log:write(witness.line(entry.at_ns or self.world.now_ns, entry))
  end
  for _, reply in ipairs(replies or {}) do
    self.heard_ns = math.max(self.heard_ns, reply.at_ns + self.chance:draw(0, 2000000))
    local at_ns, bytes = self.heard_ns, reply.bytes -- now: a simulator gives the same table often
    self.world:at(at_ns, function()
      if self.mode ~= "closed" then
        self:report()
        self.handlers.on_bytes(bytes, at_ns)
      end
    end)
  end
end

--- The simulator's own time passes.
function Session:tick()
  local replies, log, next_ns = self.simulator:tick(self.world.now_ns)
  self:take(replies, log)
  self.turn = self.turn + 1
  local turn = self.turn
  if next_ns and self.mode ~= "closed" then
    self.world:at(next_ns, function()
      if turn == self.turn then
        self:tick()
      end
    end)
  end
end

--- Bytes go out now, and are there when the wire has carried them.
function Session:send(bytes)
  local at_ns = math.max(self.world.now_ns, self.wire_free_ns) + core.wire_ns(self.device.serial, #bytes)
  self.wire_free_ns = at_ns
  if #bytes > 0 then
    self.world:at(at_ns, function()
      self:take(self.simulator:receive(bytes, at_ns))
      self:tick()
    end)
  end
end

function Session:line(name, level, at_ns)
  self.world:at(at_ns, function()
    self:take(self.simulator:line(name, level, at_ns))
    self:tick()
  end)
end

-- The loop's side -------------------------------------------------------------------------------------

function Session.trigger()
  return true
end

function Session:open(path)
  self.mode, self.path = "connected", path
  self:tick()
  return true
end

function Session:state()
  return self.mode
end

function Session:backend()
  return "pty", self.path
end

function Session.realtime()
  return "virtual time", {}
end

function Session.lines()
  return false, false
end

function Session:acknowledge()
  self.halted = false
end

function Session:confirmed(total)
  self.answered = total
end

function Session:believed(total)
  self.settled = total
end

--- What the sending thread did, told in order.
function Session:report()
  while self.outcomes[1] do
    self.handlers.on_outcome(table.remove(self.outcomes, 1))
  end
end

local function publish(self, outcome)
  table.insert(self.outcomes, outcome)
  self.world:at(self.world.now_ns + self.chance:draw(0, 4000000), function() self:report() end)
end

function Session:arm(arming)
  self.mode, self.arming, self.halted, self.settings, self.settled = "armed", arming, false, 0, 0
  self.alive_ns = self.world.now_ns
  self:keep_alive(arming)
  return true
end

--- Is there time for a frame before the plan's next?
local function fits(self, bytes)
  local second, send = self.second, self.next
  return not (second and second.bytes) and not (send and self.world.now_ns
    + core.wire_ns(self.device.serial, #bytes) + gap_ns >= self.start_ns + send.send_ns)
end

local function send_held(self)
  while self.held[1] and fits(self, self.held[1]) do
    self:send(table.remove(self.held, 1))
  end
end

function Session:keep_alive(arming)
  if not arming.keepalive or arming ~= self.arming then
    return
  elseif fits(self, arming.keepalive) then
    self:send(arming.keepalive)
    self.alive_ns = self.world.now_ns
  end
  local due_ns = self.alive_ns + math.floor(arming.keepalive_period * 1e9)
  self.world:at(math.max(due_ns, self.world.now_ns + 1000000), function() self:keep_alive(arming) end)
end

function Session:write(bytes)
  if self.mode == "closed" or self.halted then
    return nil, "stopped: nothing more is sent until a new arm", "state"
  elseif self.mode == "connected" then
    self:send(bytes)
  else
    self.held[#self.held + 1] = bytes
    send_held(self)
  end
  return true
end

--- The device is safe when this returns.
function Session:stop(reason)
  if self.mode ~= "armed" and self.mode ~= "running" then
    return
  end
  local arming, second, now_ns = self.arming, self.second, self.world.now_ns
  self.mode, self.halted, self.held = "connected", true, {}
  self.arming, self.next, self.second = nil, nil, nil
  if second and second.line then
    self:line(second.line, false, now_ns)
  elseif second then
    self:send(second.bytes)
  end
  self:send(arming.safe)
  self:report()
  self.handlers.on_outcome { what = "stopped", stop = reason or "requested", at_ns = now_ns, safe_sent = true,
    safes = 1 }
end

function Session:close()
  self:stop("requested")
  self.mode = "closed"
end

-- A plan ----------------------------------------------------------------------------------------------

--- The second part of a pulse: its line falls, its byte is put back.
local function plan_second(self, frame, at_ns)
  local second = { line = not frame.after and (frame.line or "trigger") or nil, bytes = frame.after }
  if frame.on_trigger then
    second = { line = "trigger" }
  end
  self.second = second
  self.world:at(at_ns + frame.width_ns, function()
    if self.second ~= second then
      return
    end
    self.second = nil
    if second.line then
      self:line(second.line, false, self.world.now_ns)
    else
      self:send(second.bytes)
    end
    self:finish()
  end)
end

function Session:finish()
  if self.mode == "running" and not self.next and not self.second then
    self.mode = "armed"
    publish(self, { what = "finished", stop = "none" })
    send_held(self)
  end
end

--- The plan's next frame waits for its time.
function Session:advance()
  local kind, number, onset_ns, send_ns, action, frame = self.lowering.next(self.lowering)
  self.next = kind and { kind = kind, number = number, onset_ns = onset_ns, send_ns = send_ns,
    action = action, frame = frame } or nil
  local send = self.next
  if send then
    self.world:at(self.start_ns + send_ns, function()
      if send == self.next then
        self:dispatch(send)
      end
    end)
  end
  self:finish()
end

local function tell(self, what, send, why)
  local at_ns, is_mark = self.world.now_ns - self.start_ns, send.kind == "mark"
  publish(self, { what = what, stop = why or "none", send = send.kind, number = send.number,
    planned_ns = send.onset_ns, due_ns = send.send_ns, entered_ns = at_ns, returned_ns = at_ns,
    action = not is_mark and send.action or nil, frame = not is_mark and send.frame or nil,
    text = is_mark and send.action or nil })
end

--- Let out what is due, or hold it back.
function Session:dispatch(send)
  if send.kind == "mark" then
    tell(self, "mark", send)
    return self:advance()
  end
  local late_ns = self.world.now_ns - self.start_ns - send.send_ns
  self.asks = self.asks or send.kind == "ask"
  local waits = send.kind == "pulse" or send.kind == "set" and self.asks
  local why = waits and self.arming.settings and self.settled ~= self.settings and "setting"
    or late_ns > self.arming.tolerance * 1e9 and "late"
  if why then
    tell(self, "skipped", send, why)
    return self:stop(why)
  end
  local frame = self.frames[send.frame]
  if frame.line or frame.on_trigger then
    self:line(frame.line or "trigger", true, self.world.now_ns + frame.wire_ns)
  else
    self:send(frame.bytes)
  end
  if frame.width_ns then
    plan_second(self, frame, self.world.now_ns + frame.wire_ns)
  end
  self.settings = self.settings + (send.kind ~= "pulse" and 1 or 0)
  tell(self, "sent", send)
  self:advance()
  send_held(self)
end

function Session:play(lowering, start_ns)
  assert(lowering:cleared(), "the plan was not checked against the safety limits")
  if self.mode ~= "armed" then
    return nil, "only an armed session can run a plan, this one is " .. self.mode, "state"
  end
  lowering:rewind()
  self.mode, self.lowering, self.frames, self.start_ns = "running", lowering, lowering:frames(), start_ns
  self:advance()
  return true
end

return M
