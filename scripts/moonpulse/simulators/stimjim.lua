--- The simulator of a StimJim with the firmware stimjimPulser: a model that turns lines of text
--- into answers and pulses. Pure: no input or output, no clock; the caller says the time.
---
--- Written from the protocol (open-ephys/stimjim d3ee6ad, compiled natively and run), sharing no code
--- with the driver. The load is ideal: what is measured is what was asked, offsets are 0. Choices of
--- ours: an answer takes `latency`; a line longer than the device's buffer (1000 characters), which
--- it does not check, is lost.
local settings = require "moonpulse.simulation.settings"
local slack = require "moonpulse.simulation.slack"

local M = {
  name = "stimjim",
  description = "StimJim",
  serial = { baud = 12000000, bits = 8, parity = "none", stop_bits = 1, flow = "none" },
  options = {
    { "full_scale_mv", "integer", 1, 15000, optional = true,
      help = "mV at 100 % of a voltage output: the log's intensity; without: n/a" },
    { "full_scale_ua", "integer", 1, 3330, optional = true,
      help = "uA at 100 % of a current output: the log's intensity; without: n/a" },
  },
}

local OPTIONS = {
  latency = 0.001, -- seconds from a line, or an event, to what is written about it
  seed = 1, -- nothing is random here
  firmware = "stimjimPulser", -- or "awg": answers IDN, in words of ours
  full_scale_mv = false, full_scale_ua = false, -- of what is behind an output
}
local US, TRAINS, BUFFER = 1000, 100, 1000
local START_US = 20 -- ours: it starts a timer and writes a line before it looks whether the train is over
local MV_PER_DAC = 0.4574
local mode_names = { [0] = "Voltage output", "Current output", "No output (high-Z)",
  "No output (grounded)" }
local dashes = ("-"):rep(34) .. "\r\n"

local Simulator = {}
Simulator.__index = Simulator

--- A line of the log, at the box's time.
---@param event string as of moonpulse.SimulatorEvent
---@param bytes string
---@param text string?
---@param given table?
function Simulator:note(event, bytes, text, given)
  self.log[#self.log + 1] = { event = event, bytes = bytes, note = text, at_ns = self.now_ns, given = given }
end

--- A reply, on its way after the box's latency.
---@param text string a format if values follow
function Simulator:say(text, ...)
  text = select("#", ...) > 0 and text:format(...) or text
  self.replies[#self.replies + 1] = { at_ns = self.now_ns + self.latency_ns, bytes = text }
end

local function results(self)
  local replies, log = self.replies, self.log
  self.replies, self.log = {}, {}
  return #replies > 0 and replies or nil, #log > 0 and log or nil
end

-- Trains --------------------------------------------------------------------------------------------

local function train_of(self, index)
  local train = self.trains[index]
  if not train then
    train = { modes = { 3, 3 }, period = 10000, duration = 500000, stages = {} }
    self.trains[index] = train
  end
  return train
end

local function unit(mode)
  return mode == 0 and "mV" or "uA"
end

local function show(self, index)
  local train = train_of(self, index)
  local parts = { dashes, ("Parameters for PulseTrain[%d]\r\n"):format(index) }
  for i, mode in ipairs(train.modes) do
    parts[#parts + 1] = ("  mode[ch%d]: %d (%s)\r\n"):format(i - 1, mode, mode_names[mode])
  end
  parts[#parts + 1] = ("  period:    %d usec (%0.3f sec, %0.3f Hz)\r\n"):format(train.period,
    train.period / 1e6, 1e6 / train.period)
  parts[#parts + 1] = ("  duration:  %d usec (%0.3f sec)\r\n\r\n"):format(train.duration,
    train.duration / 1e6)
  parts[#parts + 1] = "  stage    duration     output0   output1\r\n"
  for i, stage in ipairs(train.stages) do
    parts[#parts + 1] = ("   %2d  %7d usec %8d%s %8d%s\r\n"):format(i - 1, stage[3], stage[1],
      unit(train.modes[1]), stage[2], unit(train.modes[2]))
  end
  self:say(table.concat(parts) .. dashes .. "\r\n")
end

--- Mean measured values of a stage: those of driven outputs.
local function completed(self, train, count)
  local parts = { ("Train complete. Delivered %d pulses.\r\nCurrent/Voltage by stage: \r\n"):format(count),
    (" "):rep(11), "Ch0", (" "):rep(16), "Ch1 \r\n" }
  for i, stage in ipairs(train.stages) do
    parts[#parts + 1] = ("Stage %d"):format(i - 1)
    for output = 1, 2 do
      local driven = train.modes[output] < 2
      parts[#parts + 1] = ("%6d%s,          "):format(driven and stage[output] or 0,
        unit(train.modes[output]))
    end
    parts[#parts + 1] = "\r\n"
  end
  self:say(table.concat(parts))
  self.replies[#self.replies].confirms = true
end

--- The outputs of a pulse, from 0, as the log shows them: those that are driven away from 0.
local function given(self, train)
  local list = {}
  for output = 1, 2 do
    local mode, most, negative, positive = train.modes[output], 0, false, false
    for _, stage in ipairs(mode < 2 and train.stages or {}) do
      most = math.max(most, math.abs(stage[output]))
      negative, positive = negative or stage[output] < 0, positive or stage[output] > 0
    end
    local full = mode == 0 and self.options.full_scale_mv or mode == 1 and self.options.full_scale_ua
    list[#list + 1] = most > 0 and { channel = tostring(output - 1),
      intensity = full and most / full * 100 or nil, mode = mode_names[mode],
      waveform = negative and positive and "biphasic" or "monophasic" } or nil
  end
  return list[1] and list or { {} }
end

--- One step of a timer: a pulse, or the end of its train.
local function step(self, engine)
  local train = engine.train
  local elapsed = engine.count == 0 and START_US or (engine.next_ns - engine.start_ns) // US
  self.now_ns = math.max(self.now_ns, engine.next_ns)
  if elapsed >= train.duration then
    engine.train = nil
    return completed(self, train, engine.count)
  end
  engine.count = engine.count + 1
  engine.next_ns = engine.next_ns + train.period * US
  if #train.stages > 0 and (train.modes[1] < 2 or train.modes[2] < 2) then
    self.pulses = self.pulses + 1
    for _, output in ipairs(given(self, train)) do
      self:note("pulse", engine.bytes, engine.bytes == "" and "train" or ("train %d"):format(engine.index),
        output)
      engine.bytes = ""
    end
  end
end

--- Let the timers run until now_ns, in order of time.
local function pass(self, now_ns)
  while true do
    local first
    for _, engine in pairs(self.engines) do
      if engine.train and engine.next_ns <= now_ns and not (first and first.next_ns <= engine.next_ns) then
        first = engine
      end
    end
    if not first then
      break
    end
    step(self, first)
  end
  self.now_ns = math.max(self.now_ns, now_ns)
end

--- A train whose start was read late may be over sooner than it seems: then what it has left is given now.
local function end_what_may_be_over(self, engine)
  local train = engine.train
  local steps = train and math.max(1, -(-train.duration // math.max(1, train.period))) or 0
  if train and engine.start_ns + steps * train.period * US - self.now_ns <= engine.early_ns then
    while engine.train do
      step(self, engine)
    end
  end
end

local function start(self, letter, index, bytes)
  local engine = self.engines[letter]
  end_what_may_be_over(self, engine)
  if engine.train then -- one timer knows one train: of the other nothing more is heard
    self:note("error", bytes, ("PulseTrain %d ran: its end is not reported"):format(engine.index))
  end
  engine.index, engine.train, engine.count = index, train_of(self, index), 0
  engine.start_ns, engine.next_ns, engine.bytes = self.now_ns, self.now_ns, bytes
  engine.early_ns = slack.waited(self)
  self:say("\r\nStarted %s train with parameters of PulseTrain %d\r\n", letter, index)
  step(self, engine)
  if engine.bytes == bytes and bytes ~= "" then
    self:note("ignored", bytes, ("PulseTrain %d gives no pulse"):format(index))
    engine.bytes = ""
  end
end

-- Lines ---------------------------------------------------------------------------------------------

--- The number at the front of a text, as the device reads it: 0 where there is none.
local function number_at(text)
  return math.tointeger(tonumber(text:match("^%s*([-+]?%d+)"))) or 0
end

--- The numbers that text begins with, at most most.
local function numbers(text, most)
  local list, rest = {}, text
  while #list < most do
    local number, more = rest:match("^%s*([-+]?%d+)(.*)$")
    if not number then
      break
    end
    list[#list + 1] = math.tointeger(tonumber(number))
    rest = more:match("^,(.*)$") or ""
  end
  return list
end

local function valid_index(self, index, bytes)
  if index >= 0 and index < TRAINS then
    return true
  end
  self:note("ignored", bytes, "no such PulseTrain")
  self:say("Invalid PulseTrain index.\r\n")
end

local function define(self, rest, bytes)
  local index = number_at(rest)
  if not valid_index(self, index, bytes) then
    return
  end
  local train, values = train_of(self, index), numbers(rest:match("^[^;]*"), 5)
  for i = 1, 2 do
    local mode = values[i + 1]
    train.modes[i] = mode and (mode >= 0 and mode <= 3 and mode or 3) or train.modes[i]
  end
  train.period, train.duration = values[4] or train.period, values[5] or train.duration
  if #values == 5 then
    train.stages = {}
    for text in (rest:match(";(.*)$") or ""):gmatch("[^;]+") do
      local stage = numbers(text, 3)
      if #stage < 3 then
        break
      end
      train.stages[#train.stages + 1] = stage
    end
  end
  self:note(#values > 1 and "set" or "get", bytes, ("PulseTrain %d"):format(index))
  show(self, index)
end

local function run(letter)
  return function(self, rest, bytes)
    local index = number_at(rest)
    if index >= 0 then
      return valid_index(self, index, bytes) and start(self, letter, index, bytes)
    elseif self.stuck then
      return self:note("ignored", bytes, "stuck armed")
    end
    self.engines[letter].train = nil
    self:note("disarm", bytes, letter)
    self:say("Forcing %s train to stop\r\n", letter)
  end
end

local function out_of_range(self, bytes, value)
  self:note("ignored", bytes, "out of range")
  self:say("%d is out of range.\r\n", value)
end

local function fits(dac)
  return dac >= -32768 and dac <= 32767
end

local function map(self, rest, bytes)
  local values = numbers(rest, 3)
  local input, index, output = values[1] or 0, values[2] or 0, values[3] or 0
  if index >= TRAINS then
    return valid_index(self, index, bytes)
  end
  self:note("set", bytes, "trigger input")
  if index >= 0 and output == 0 then
    self.targets[input] = index
    return self:say("Attaching interrupt to IN%d to run PulseTrain[%d]\r\n", input, index)
  end
  self.targets[input] = nil
  self:say("Detaching interrupt to IN%d\r\n", input)
  if output ~= 0 then
    self:say("Programming IN%d as output that indicates activity on output %d\r\n", input, input)
  end
end

local offsets = "ADC offsets (+-2.5V): 0.000000, 0.000000\r\nADC offsets (+-10V): 0.000000, 0.000000\r\n"
  .. "current offsets: 0, 0\r\nvoltage offsets: 0, 0\r\n\r\n"

local letters = {
  S = define, T = run "T", U = run "U", R = map,
  M = function(self, rest, bytes)
    local values = numbers(rest, 2)
    self:note("set", bytes, "output mode")
    self:say("Set channel %d to mode %d\r\n", values[1] or 0, values[2] or 0)
  end,
  V = function(self, rest, bytes)
    local values = numbers(rest, 2)
    local millivolts = values[2] or 0
    local exact = millivolts / MV_PER_DAC
    local dac = exact < 0 and math.ceil(exact) or math.floor(exact) -- cut off, towards 0
    if not fits(dac) then
      return out_of_range(self, bytes, dac)
    end
    self:note("set", bytes, "output voltage")
    self:say("Set channel %d to amplitude %d mV (dac value %d).\r\n", values[1] or 0, millivolts, dac)
  end,
  A = function(self, rest, bytes)
    local values = numbers(rest, 2)
    local dac = values[2] or 0
    if not fits(dac) then
      return out_of_range(self, bytes, dac)
    end
    self:note("set", bytes, "output value")
    self:say("Set channel %d to amplitude %d\r\n", values[1] or 0, dac)
  end,
  E = function(self, rest, bytes)
    self:note("get", bytes, "converter")
    self:say("Read value: 0 (0%s)\r\n", (numbers(rest, 2)[2] or 0) == 0 and "mV" or "uA")
  end,
  D = function(self, _, bytes)
    self:note("get", bytes, "offsets")
    self:say(offsets)
  end,
  B = function(self, _, bytes) self:note("set", bytes, "offsets measured") end,
  C = function(self, _, bytes) self:note("set", bytes, "offsets measured") end,
}

local function obey(self, line, bytes)
  local action = letters[line:sub(1, 1)]
  if self.options.firmware == "awg" and line == "IDN" then
    self:note("get", bytes, "firmware")
    self:say("StimJim AWG\r\n")
  elseif action then
    action(self, line:sub(2), bytes)
  elseif line ~= "" then
    self:note("ignored", bytes, "no such command")
  end
end

-- The simulator ------------------------------------------------------------------------------------------

--- Hand over bytes that are complete on the wire at now_ns.
---@return moonpulse.SimulatorReply[]? replies
---@return moonpulse.SimulatorEvent[]? log
function Simulator:receive(bytes, now_ns)
  pass(self, now_ns)
  self.pending = self.pending .. bytes
  while true do
    local line, rest = self.pending:match("^([^\n]*)\n(.*)$")
    if not line then
      break
    end
    self.pending = rest
    obey(self, (line:gsub("\r$", "")), line .. "\n")
  end
  if #self.pending > BUFFER then
    self:note("error", self.pending:sub(1, 20), "longer than its buffer: lost")
    self.pending = ""
  end
  return results(self)
end

--- Let time pass. Returns replies, log and when something will next happen by itself.
function Simulator:tick(now_ns)
  pass(self, now_ns)
  local next_ns
  for _, engine in pairs(self.engines) do
    if engine.train and not (next_ns and next_ns <= engine.next_ns) then
      next_ns = engine.next_ns
    end
  end
  local replies, log = results(self)
  return replies, log, next_ns
end

--- An edge on IN0 or IN1 ("1"; anything else is IN0): rising starts the train that R gave it.
function Simulator:line(name, level, now_ns)
  pass(self, now_ns)
  local input = tostring(name):find("1") and 1 or 0
  if level and not self.high[input] and self.targets[input] then
    start(self, input == 0 and "T" or "U", self.targets[input], "")
  end
  self.high[input] = level
  return results(self)
end

local function boot(self)
  self.trains, self.targets, self.high, self.pending = {}, {}, { [0] = false, false }, ""
  self.engines = { T = {}, U = {} }
end

--- What a hand does: "power", off and on again; it says hello after a second.
function Simulator:knob(name, _, now_ns)
  if name ~= "power" then
    error("a StimJim has the knob power, not " .. tostring(name), 2)
  end
  pass(self, now_ns or self.now_ns)
  boot(self)
  self:note("set", "", "switched off and on")
  self.replies[1] = { at_ns = self.now_ns + 1000000000, bytes = "Booting StimJim on Teensy 3.5!\r\n"
    .. "Initializing triggers inputs...\r\n" .. offsets .. "Ready to go!\r\n\r\n\r\n" }
  return results(self)
end

local faults = { ["stuck-armed"] = function(self) self.stuck = true end }
Simulator.faults = faults
Simulator.reports_later = true

--- Something breaks: "stuck-armed", a stop is not obeyed.
function Simulator:fault(kind, now_ns)
  pass(self, now_ns or self.now_ns)
  faults[kind](self)
  return results(self)
end

function Simulator:state()
  local running = self.engines.T.train ~= nil or self.engines.U.train ~= nil
  return { armed = running, ready = not running, pulses = self.pulses, now_ns = self.now_ns }
end

--- Switch one on.
---@param options table? latency, seed, firmware
function M.new(options)
  local set = settings.over("stimjim", OPTIONS, options)
  local self = setmetatable({ options = set, latency_ns = math.floor(set.latency * 1e9 + 0.5), now_ns = 0,
    pulses = 0, replies = {}, log = {}, stuck = false }, Simulator)
  boot(self)
  return self
end

return M
