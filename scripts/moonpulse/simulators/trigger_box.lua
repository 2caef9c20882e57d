--- The simulator of a trigger box: it logs a pulse for every edge that a stimulator would see.
---
--- Written from public descriptions (BP-triggerbox c898b60, NeurospecTriggerBox 2cd13ce: one byte is
--- the eight TTL lines, and stays until the next; MagPy 92bf2d0: a rising RTS fires). The same code twice
--- without a 0 between is no edge, so no pulse. A trigger box is never armed and says nothing.
local escapes = require "moonpulse.text.escapes"
local settings = require "moonpulse.simulation.settings"

local M = {
  name = "trigger",
  description = "trigger box",
  serial = { baud = 115200, bits = 8, parity = "none", stop_bits = 1, flow = "none" },
  options = {
    { "kind", "choice", { "byte", "text", "rts", "dtr", "break" }, default = "byte", help = "what it hears" },
    { "text", "text", "^.+$", default = "T", help = "what fires, of a text box" },
    { "baud", "integer", 50, 20000000, default = 115200 },
  },
}

local OPTIONS = { latency = 0, seed = 1 } -- it answers nothing, and nothing is random here

local Simulator = {}
Simulator.__index = Simulator

local function results(self)
  local log = self.log
  self.log = {}
  return nil, #log > 0 and log or nil
end

--- A line of the log; one of a pulse counts it, and says on which lines it was.
---@param event string as of moonpulse.SimulatorEvent
---@param bytes string
---@param text string
---@param now_ns integer
---@param channel string? of a pulse
function Simulator:note(event, bytes, text, now_ns, channel)
  self.now_ns = math.max(self.now_ns, now_ns)
  self.log[#self.log + 1] = { event = event, bytes = bytes, note = text, at_ns = self.now_ns,
    given = channel and { channel = channel } }
  if event == "pulse" then
    self.pulses = self.pulses + 1
  end
end

--- The TTL lines of a byte, from 1: "1", or "1+3" of two at once.
local function lines_of(byte)
  local list = {}
  for line = 1, 8 do
    list[#list + 1] = byte >> (line - 1) & 1 == 1 and line or nil
  end
  return table.concat(list, "+")
end

local function take_byte(self, byte, now_ns)
  local rising = byte & ~self.level
  local bytes = string.char(byte)
  if rising ~= 0 then
    self:note("pulse", bytes, ("value %d"):format(byte), now_ns, lines_of(rising))
  elseif byte ~= 0 and byte == self.level then
    self:note("ignored", bytes, "the same value again without a 0 between: no edge", now_ns)
  else
    self:note("set", bytes, ("value %d"):format(byte), now_ns)
  end
  self.level = byte
end

--- A text fires when its last character has come; anything else is not understood.
local function take_text(self, bytes, now_ns)
  self.pending = self.pending .. bytes
  while #self.pending > 0 do
    if self.pending:sub(1, #self.text) == self.text then
      self:note("pulse", self.text, "text", now_ns)
      self.pending = self.pending:sub(#self.text + 1)
    elseif self.text:sub(1, #self.pending) == self.pending then
      return
    else
      self:note("ignored", self.pending:sub(1, 1), "not of the text", now_ns)
      self.pending = self.pending:sub(2)
    end
  end
end

function Simulator:receive(bytes, now_ns)
  if self.kind == "text" then
    take_text(self, bytes, now_ns)
  elseif self.kind == "byte" then
    for i = 1, #bytes do
      take_byte(self, bytes:byte(i), now_ns)
    end
  else
    self:note("ignored", bytes, "this box listens to a line", now_ns)
  end
  return results(self)
end

function Simulator.tick()
end

--- An edge on a line: a rising one is a pulse.
function Simulator:line(name, level, now_ns)
  if level and not self.lines[name] then
    self:note("pulse", "", name .. " rises", now_ns, name)
  elseif not level and self.lines[name] then
    self:note("set", "", name .. " falls", now_ns)
  end
  self.lines[name] = level
  return results(self)
end

function Simulator.knob(_, name)
  error("a trigger box has no knobs, and no " .. tostring(name), 2)
end

function Simulator:state()
  return { armed = false, ready = true, pulses = self.pulses, level = self.level }
end

--- A box that was just switched on: all lines down.
---@param options table? latency, seed, and those of M.options
function M.new(options)
  local set = settings.over("trigger", settings.with(OPTIONS, M.options), options)
  local serial = { baud = set.baud, bits = 8, parity = "none", stop_bits = 1,
    flow = "none" }
  return setmetatable({ kind = set.kind, text = escapes.bytes(set.text),
    serial = serial, level = 0, lines = {}, pulses = 0, pending = "", now_ns = 0, log = {} }, Simulator)
end

return M
