--- The simulator of a Sanworks Pulse Pal 2 (firmware 2.0.1): a model of the box that turns
--- messages into replies and outputs. Pure: no input or output, no clock; the caller says the time.
---
--- Written from the protocol and what the firmware was seen to do (see pulsepal/playback.lua), sharing
--- no code with the driver. One cycle of 50 us takes one message, the cycle after it came. Choices
--- of ours: a reply takes `latency`; a pulse is what takes an output away from its resting voltage,
--- but for the second phase; settings files are kept in memory, the one of op 85 is empty.
local messages = require "moonpulse.simulators.pulsepal.messages"
local playback = require "moonpulse.simulators.pulsepal.playback"
local settings = require "moonpulse.simulation.settings"
local slack = require "moonpulse.simulation.slack"

local M = {
  name = "pulsepal",
  description = "Pulse Pal 2",
  serial = { baud = 12000000, bits = 8, parity = "none", stop_bits = 1, flow = "rtscts" },
  options = {
    { "full_scale_volts", "number", 0.1, 10, optional = true,
      help = "V at 100 % of what follows the output: the log's intensity; without: n/a" },
  },
}

local CYCLE_NS, STALL_NS = 50000, 500000000
local OPTIONS = {
  latency = 0.0005, -- seconds from a message to its reply
  seed = 1, -- nothing is random here
  firmware = 21,
  waveform = false, -- keep every change of an output, for waveform()
  full_scale_volts = false, -- V at 100 % of what is behind an output; false: its pulses are triggers
}

local Simulator = {}
Simulator.__index = Simulator

--- A line of the log, at the box's time.
---@param event string as of moonpulse.SimulatorEvent
---@param bytes string
---@param text string?
function Simulator:note(event, bytes, text)
  if not self.quiet then
    self.log[#self.log + 1] = { event = event, bytes = bytes, note = text, at_ns = self.now_ns }
  end
end

--- A reply, on its way after the box's latency.
---@param bytes string
function Simulator:say(bytes)
  if not self.quiet then
    self.replies[#self.replies + 1] = { at_ns = self.now_ns + self.latency_ns, bytes = bytes }
  end
end

--- Do something without a reply or a line in the log.
---@param action function called with the box and what follows
function Simulator:quietly(action, ...)
  self.quiet = true
  action(self, ...)
  self.quiet = false
end

--- The box waits for a click on its joystick: it plays nothing and hears nothing.
---@param bytes string what brought it there
---@param why string for the log
function Simulator:hang(bytes, why)
  for _, channel in ipairs(self.box.channels) do
    playback.kill(channel)
  end
  self.hung, self.pending = true, ""
  self:note("error", bytes, why .. "; it waits for a click on its joystick")
end

local function results(self)
  local replies, log = self.replies, self.log
  self.replies, self.log = {}, {}
  return #replies > 0 and replies or nil, #log > 0 and log or nil
end

--- What is on an output with a pulse: the DAC counts from -10 V to 10 V in 65536 steps.
local function given(self, channel)
  local volts, full = math.abs(channel.shown - 32768) * 10 / 32768, self.options.full_scale_volts
  return { channel = tostring(channel.number), intensity = full and volts / full * 100 or nil,
    waveform = channel.biphasic ~= 0 and "biphasic" or "monophasic" }
end

--- An output's voltage changed at the beginning of cycle.
local function changed(self, cycle, channel, before)
  local at_ns = cycle * CYCLE_NS
  if self.options.waveform then
    self.changes[#self.changes + 1] = { cycle = cycle, channel = channel.number, dac = channel.shown }
  end
  local second = channel.play and channel.play.state == "second"
  if channel.play and before == channel.rest and channel.shown ~= channel.rest and not second then
    self.pulses = self.pulses + 1
    local bytes = self.fired[channel.number]
    self.fired[channel.number] = nil
    self.log[#self.log + 1] = { event = "pulse", bytes = bytes or "", at_ns = at_ns,
      note = ("channel %d%s"):format(channel.number, bytes and "" or ", train"),
      given = given(self, channel) }
  end
end

-- Reception -----------------------------------------------------------------------------------------

--- How long the message at the front is; nil: more bytes are needed.
local function length_of(pending)
  local op = messages.ops[pending:byte(2)]
  if #pending < 2 then
    return nil
  end
  local length = op and op[1] or 0
  if type(length) == "function" then
    length = length(pending:sub(3))
  end
  return length and length + 2
end

--- A train whose start was read late (moonpulse.simulation.slack) may be over sooner than it seems: then what
--- it has left is given before the next soft trigger. A channel's early_ns: by how much its last train may
--- have begun sooner; that is no sooner than the one before it was over.
local function end_if_over(self, channel, arrived_ns)
  local box, early_ns = self.box, nil
  while playback.is_busy(channel) do
    local over = box:over_at(channel)
    if not over or over * CYCLE_NS - arrived_ns > (channel.early_ns or 0) then
      return
    end
    early_ns = channel.early_ns
    box:advance(math.max(over, box.cycle + 1))
  end
  channel.early_ns = math.min(early_ns or math.maxinteger,
    math.max(0, box.cycle * CYCLE_NS - arrived_ns) + slack.waited(self))
end

--- The same of all outputs of a soft trigger: one that plays on keeps no other from its end.
local function end_what_may_be_over(self, mask, arrived_ns)
  for number, channel in ipairs(self.box.channels) do
    if mask >> (number - 1) & 1 == 1 then
      end_if_over(self, channel, arrived_ns)
    end
  end
end

--- A message is handled in a cycle of its own.
local function handle(self, bytes, arrived_cycle)
  local box = self.box
  if bytes:byte(2) == messages.soft_trigger then
    end_what_may_be_over(self, bytes:byte(3), arrived_cycle * CYCLE_NS)
  end
  local cycle = math.max(arrived_cycle + 1, box.cycle + 1)
  box:advance(cycle - 1)
  box:take_scheduled(cycle)
  self.now_ns = cycle * CYCLE_NS
  self.heard_cycle = arrived_cycle
  local op = messages.ops[bytes:byte(2)]
  if op then
    op[2](self, bytes, cycle)
    box:write(cycle)
  else
    self:note("ignored", bytes, "no such op code")
  end
  box:advance(cycle)
end

local function scan(self, arrived_cycle)
  while #self.pending > 0 and not self.hung do
    if self.pending:byte(1) ~= 0xD5 then
      self:note("ignored", self.pending:sub(1, 1), "no message begins so")
      self.pending = self.pending:sub(2)
    else
      local length = length_of(self.pending)
      if not length or #self.pending < length then
        return
      end
      local bytes = self.pending:sub(1, length)
      self.pending = self.pending:sub(length + 1)
      handle(self, bytes, arrived_cycle)
    end
  end
end

local function pass(self, now_ns)
  if self.pending ~= "" and now_ns > self.byte_ns + STALL_NS + slack.waited(self) then
    self.box:advance((self.byte_ns + STALL_NS) // CYCLE_NS)
    self.now_ns = self.byte_ns + STALL_NS
    self:hang(self.pending, "the rest of a message did not come within 500 ms")
  end
  self.box:advance(now_ns // CYCLE_NS - 1)
  self.now_ns = math.max(self.now_ns, now_ns)
end

--- Hand over bytes that are complete on the wire at now_ns.
---@return moonpulse.SimulatorReply[]? replies
---@return moonpulse.SimulatorEvent[]? log
function Simulator:receive(bytes, now_ns)
  pass(self, now_ns)
  self.byte_ns = self.now_ns
  if self.hung then
    self:note("ignored", bytes, "it waits for a click on its joystick")
    return results(self)
  end
  self.pending = self.pending .. bytes
  scan(self, now_ns // CYCLE_NS)
  return results(self)
end

--- Let time pass. Returns replies, log and when something will next happen by itself.
function Simulator:tick(now_ns)
  pass(self, now_ns)
  local at = self.box:next_cycle()
  local next_ns = at and (at + 1) * CYCLE_NS
  if self.pending ~= "" and not (next_ns and next_ns < self.byte_ns + STALL_NS) then
    next_ns = self.byte_ns + STALL_NS + 1
  end
  local replies, log = results(self)
  return replies, log, next_ns
end

--- An edge on trigger input 1 or 2 ("1", "2"; anything else is input 1).
function Simulator:line(name, level, now_ns)
  pass(self, now_ns)
  self.box:input(tostring(name):find("2") and 2 or 1, level, math.max(now_ns // CYCLE_NS, self.box.cycle) + 1)
  return results(self)
end

local knobs = {
  click = function(self)
    if self.hung then
      self.box:reset()
      self.hung = false
    else
      for _, channel in ipairs(self.box.channels) do
        playback.kill(channel)
      end
    end
    self.box:write(self.box.cycle + 1)
    self:note("set", "", "a click on the joystick")
  end,
}

--- What a hand at the box does: "click" ends all trains, or loads the defaults of a box that waits.
function Simulator:knob(name, _, now_ns)
  if not knobs[name] then
    error("a Pulse Pal has the knob click, not " .. tostring(name), 2)
  end
  pass(self, now_ns or self.now_ns)
  knobs[name](self)
  return results(self)
end

local faults = { ["stuck-armed"] = function(self) self.stuck = true end }
Simulator.faults = faults

--- Something breaks: "stuck-armed", an abort is not obeyed.
function Simulator:fault(kind, now_ns)
  pass(self, now_ns or self.now_ns)
  faults[kind](self)
  return results(self)
end

--- Every change of an output: { cycle, channel, dac }, and the cycle in which the last message came.
--- For simulators with waveform = true.
function Simulator:waveform()
  return self.changes, self.heard_cycle
end

function Simulator:state()
  local playing = {}
  for i, channel in ipairs(self.box.channels) do
    playing[i] = channel.play ~= nil or channel.waits_from ~= nil
  end
  local any = playing[1] or playing[2] or playing[3] or playing[4]
  return { armed = any, ready = not any and not self.hung, pulses = self.pulses, playing = playing,
    hung = self.hung, now_ns = self.now_ns }
end

--- Switch one on.
---@param options table? latency, seed, firmware, waveform
function M.new(options)
  local set = settings.over("pulsepal", OPTIONS, options)
  local self = setmetatable({
    options = set, firmware = set.firmware, latency_ns = math.floor(set.latency * 1e9 + 0.5), now_ns = 0,
    byte_ns = 0, pending = "", replies = {}, log = {}, changes = {}, fired = {}, files = {}, pulses = 0,
    hung = false, stuck = false, quiet = false,
  }, Simulator)
  self.box = playback.new(function(cycle, channel, before) changed(self, cycle, channel, before) end)
  return self
end

return M
