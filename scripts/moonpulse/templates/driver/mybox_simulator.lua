--- The simulator of mybox. Write it from the device's manual and never from the driver: what
--- both of them misunderstand, no test finds. No input or output, no clock: the caller says the time.
local slack = require "moonpulse.simulation.slack"

local M = {
  name = "mybox", description = "mybox stimulator",
  serial = { baud = 115200, bits = 8, parity = "none", stop_bits = 1, flow = "none" },
}

local READY_NS, RECHARGE_NS = 500000000, 9000000

local OPTIONS = { latency = 0.01, seed = 1 }

local Simulator = {}
Simulator.__index = Simulator

local function xor(text)
  local sum = 0
  for _, byte in ipairs { text:byte(1, -1) } do
    sum = sum ~ byte
  end
  return sum
end

--- given: of a pulse, what left the device, from this model's state: the witness of a run.
function Simulator:note(event, bytes, text, given)
  self.log[#self.log + 1] = { event = event, bytes = bytes, note = text, at_ns = self.now_ns, given = given }
end

function Simulator:say(text, ...)
  text = text:format(...)
  self.replies[#self.replies + 1] = { at_ns = self.now_ns + self.latency_ns,
    bytes = ("$%s*%02X\n"):format(text, xor(text)) }
end

function Simulator:is_ready()
  return self.armed and self.now_ns >= self.ready_ns
end

function Simulator:say_status()
  self:say("STATUS %d %d %d", self.armed and 1 or 0, self:is_ready() and 1 or 0, self.power)
end

-- A command is a word and a number; each returns why it refuses, or nil.
local commands = {}

function commands.ID(self, bytes)
  self:note("get", bytes)
  self:say("ID MYBOX 1.0 12345")
end

function commands.STATUS(self, bytes)
  self:note("get", bytes)
  self:say_status()
end

function commands.SET(self, bytes, percent)
  if not percent or percent > 100 then
    return "RANGE"
  end
  self.power = percent
  self:note("set", bytes, ("power %d %%"):format(percent))
  self:say_status()
end

function commands.ARM(self, bytes, on)
  if on == 1 and self.hot then
    return "HOT"
  elseif on == 1 then
    self.armed, self.ready_ns = true, self.now_ns + READY_NS
    self:note("arm", bytes)
  elseif on == 0 and self.stuck then
    self:note("ignored", bytes, "stuck armed")
  elseif on == 0 then
    self.armed = false
    self:note("disarm", bytes)
  else
    return "RANGE"
  end
  self:say_status()
end

function commands.FIRE(self, bytes)
  if not self:is_ready() then
    return "NOTREADY"
  end
  self.pulses = self.pulses + 1
  self.ready_ns = self.now_ns + RECHARGE_NS - slack.of(self, RECHARGE_NS) -- it may have been read late
  self:note("pulse", bytes, ("%d %%"):format(self.power), { channel = "1", intensity = self.power })
  self:say("FIRED %d", self.power)
end

local function obey(self, line)
  local text, sum = line:match("^%$(.*)%*(%x%x)\n$")
  local word, number = (text or ""):match("^(%u+) ?(%d*)$")
  if not text or tonumber(sum, 16) ~= xor(text) or not commands[word] then
    self:note("error", line, "no command")
    return self:say("ERR COMMAND")
  end
  local refusal = commands[word](self, line, math.tointeger(tonumber(number)))
  if refusal then
    self:note("ignored", line, refusal)
    self:say("ERR %s", refusal)
  end
end

local function results(self)
  local replies, log = self.replies, self.log
  self.replies, self.log = {}, {}
  return #replies > 0 and replies or nil, #log > 0 and log or nil
end

--- Bytes that are complete on the wire at now_ns. Returns replies { at_ns, bytes } and a log.
function Simulator:receive(bytes, now_ns)
  self.now_ns = math.max(self.now_ns, now_ns)
  self.pending = self.pending .. bytes
  while self.pending:find("\n", 1, true) do
    local stop = self.pending:find("\n", 1, true)
    local line = self.pending:sub(1, stop)
    self.pending = self.pending:sub(stop + 1)
    obey(self, line)
  end
  return results(self)
end

--- Let time pass; a third result would be the time of the next thing that happens by itself.
function Simulator:tick(now_ns)
  self.now_ns = math.max(self.now_ns, now_ns)
  return results(self)
end

Simulator.faults = {
  ["over-temperature"] = function(self)
    self.hot, self.armed = true, false
    self:note("disarm", "", "the coil is too hot")
    self:say_status()
  end,
  ["stuck-armed"] = function(self) self.stuck = true end,
}

function Simulator:fault(kind, now_ns)
  self.now_ns = math.max(self.now_ns, now_ns or 0)
  Simulator.faults[kind](self)
  return results(self)
end

function Simulator:state()
  return { armed = self.armed, ready = self:is_ready(), pulses = self.pulses, power = self.power }
end

--- Switch one on.
---@param options { latency: number?, seed: integer? }?
function M.new(options)
  local set = { latency = OPTIONS.latency }
  for key, value in pairs(options or {}) do
    if OPTIONS[key] == nil then
      error(("mybox: there is no option %s"):format(tostring(key)), 2)
    end
    set[key] = value
  end
  return setmetatable({ latency_ns = math.floor(set.latency * 1e9), now_ns = 0, ready_ns = 0, power = 0,
    armed = false, pulses = 0, pending = "", replies = {}, log = {} }, Simulator)
end

return M
