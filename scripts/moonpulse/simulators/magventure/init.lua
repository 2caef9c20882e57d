--- The simulator of a MagVenture MagPro (default: X100): a model of the stimulator that turns
--- received bytes into replies. Pure: no input or output, no clock; the caller says the time.
---
--- Written from public descriptions of the protocol (MAGIC, MagventureTMS, MagventurePyTMS and
--- MagProController) and sharing no code with the driver: a shared codec would share its bugs.
---
--- Where those are silent the model chooses, and these choices are ours, not the maker's:
---   * heating and cooling: see machine.lua;
---   * dI/dt of 1.3 A/us per percent; a burst or pair is one 02 event, sent after its last pulse
---     (burst_reports = "each": one for each pulse; the sources leave it open);
---   * the charge delay postpones the recharge: a pulse costs charge delay + 1/max rate;
---   * Twin and Dual need a model with Option; in Twin, amplitude B is A times the B/A ratio;
---   * values the device does not have are ignored without a reply, like malformed frames;
---   * a partial frame is dropped after `frame_timeout`: it is never completed, or fired, late;
---   * a running train refuses new trains, modes, pages and starts; disabling ends it, and a burst.
local commands = require "moonpulse.simulators.magventure.commands"
local frames = require "moonpulse.simulators.magventure.frames"
local limits = require "moonpulse.simulators.magventure.limits"
local machine = require "moonpulse.simulators.magventure.machine"
local settings = require "moonpulse.simulation.settings"
local slack = require "moonpulse.simulation.slack"

local M = {
  name = "magventure",
  description = "MagVenture MagPro",
  serial = { baud = 38400, bits = 8, parity = "none", stop_bits = 1, flow = "none" },
  options = {
    { "model", "choice", table.move(limits.MODELS, 0, #limits.MODELS, 1, {}), default = "X100" },
    { "burst_reports", "choice", { "once", "each" }, default = "once",
      help = "event 02 of a burst or pair: once when it is over, or of each pulse" },
    { "serial_number", "integer", 0, 0xFFFFFF, default = 66051 },
    { "coil_temperature", "number", 0, 60, default = 24, help = "degrees C when switched on" },
    { "heating", "number", 0, 10, default = 0.016, help = "degrees C per pulse at 100 %" },
    { "jitter", "number", 0, 1, default = 0, help = "seconds, up to so much later a reply" },
    { "deaf_after", "integer", 1, 1000000, optional = true,
      help = "malformed frames after which its port hears nothing" },
  },
}

local byte, sub = string.byte, string.sub
local begin, note, results = machine.begin, machine.note, machine.results
local known, settle = commands.known, machine.settle

local MAX_PAYLOAD = 16 -- the longest host payload known has 14 bytes

local OPTIONS = { -- defaults; also the list of known options
  model = "X100", -- R30, X100, R30+Option, X100+Option, R30+Option+Mono, MST
  latency = 0.02, -- seconds from a complete command, or a pulse, to its reply
  jitter = 0, -- seconds, uniform, added to the latency; drawn from `seed`
  seed = 1,
  serial_number = 66051,
  coil_temperature = 24, -- degrees C when switched on
  coil_type = 72,
  heating = 0.016, -- degrees C per pulse at 100 %; 0: a coil cooled as fast as it heats
  ext_rate = false, -- the device has the 0.1 Hz rate option
  burst_reports = "once", -- 02 events of a burst or pair: "once" when it is over, or "each" pulse
  strict_pages = true, -- trains are set and started only on the pages that allow it
  frame_timeout = 0.1, -- seconds without a byte after which a partial frame is dropped
  deaf_after = false, -- malformed frames after which the port hears nothing; false: never
}
local RANGES = {
  latency = { 0, 10 }, jitter = { 0, 1 }, seed = { 0, 2 ^ 53 }, serial_number = { 0, 0xFFFFFF },
  coil_temperature = { 0, 60 }, coil_type = { 0, 255 }, heating = { 0, 10 },
  frame_timeout = { 0.001, 60 }, deaf_after = { 1, 1000000 },
}

-- Reception ---------------------------------------------------------------------------------------

local function is_deaf(self)
  return self.deaf_after and self.malformed >= self.deaf_after
end

--- What begins at `pos`: a command and its size; nil and a fault; or nil: more bytes are needed.
local function look(buffer, pos)
  local first, length = byte(buffer, pos, pos + 1)
  if first ~= frames.START then
    return nil, "no start byte"
  elseif length and (length < 1 or length > MAX_PAYLOAD) then
    return nil, ("length %d outside 1-%d"):format(length, MAX_PAYLOAD)
  elseif not length or #buffer < pos + length + 3 then
    return nil
  end
  local frame = sub(buffer, pos, pos + length + 3)
  local command, fault = known[frame], nil
  if not command then
    command, fault = commands.read(frame)
  end
  return command, fault or #frame
end

--- Run every frame in `buffer`, keep an unfinished one. After a bad frame only its first byte is
--- stepped over: the next good frame may begin inside it.
local function scan(self, now, buffer)
  local pos, from, why = 1, 1, nil
  while pos <= #buffer and not is_deaf(self) do
    local command, more = look(buffer, pos)
    if not command and more then
      if byte(buffer, pos) == frames.START then
        self.malformed = self.malformed + 1
      end
      why = why or more
      pos = pos + 1
    else
      if from < pos then
        note(self, now, "error", sub(buffer, from, pos - 1), why)
      end
      if not command then
        self.pending = sub(buffer, pos)
        return
      end
      command.run(self, now, command.frame, command.payload)
      pos = pos + more
      from, why = pos, nil
    end
  end
  self.pending = ""
  if from < pos then
    note(self, now, "error", sub(buffer, from, pos - 1), why)
  end
  if pos <= #buffer then
    note(self, now, "ignored", sub(buffer, pos), "the port is deaf")
  end
end

local function drop_stale(self, now)
  if self.pending ~= "" and now - self.heard_ns > self.timeout_ns + slack.waited(self) then
    note(self, now, "error", self.pending, "partial frame dropped after the time-out")
    self.pending = ""
  end
end

-- The simulator ----------------------------------------------------------------------------------------

local Simulator = {}
Simulator.__index = Simulator

--- Hand over bytes that are complete on the wire at `now_ns`. The tables returned are valid until
--- the next call on this simulator.
---@param bytes string  part of a frame, frames, garbage
---@param now_ns integer
---@return moonpulse.SimulatorReply[]? replies in order of at_ns
---@return moonpulse.SimulatorEvent[]? log in order of arrival
function Simulator:receive(bytes, now_ns)
  local now = self.now_ns -- begin(), here for speed
  if now_ns > now then
    now = now_ns
    self.now_ns = now
  end
  self.reply_count, self.log_count = 0, 0
  if self.train or self.burst or self.edge_ns then
    machine.run_due(self, now)
  end
  if self.pending ~= "" then
    drop_stale(self, now)
  end
  local command = known[bytes]
  if command and self.pending == "" and not self.deaf_after then -- nothing to cut or join: fast
    command.run(self, now, bytes, command.payload)
  else
    scan(self, now, self.pending .. bytes)
    self.heard_ns = now
  end
  local celsius = self.temperature_c
  if now > self.cooled_ns or celsius >= self.rises_c or celsius < self.falls_c then
    settle(self, now)
  end
  return results(self)
end

--- Let time pass: pulses of a running train or burst, cooling. Call it at `next_ns`, and after a `receive`
--- or `knob`, which may have started or ended a train.
---@param now_ns integer
---@return moonpulse.SimulatorReply[]? replies
---@return moonpulse.SimulatorEvent[]? log
---@return integer? next_ns  when something will next happen by itself
function Simulator:tick(now_ns)
  local now = begin(self, now_ns)
  machine.run_due(self, now)
  drop_stale(self, now)
  settle(self, now)
  local next_ns, pulse_ns = machine.next_cooling(self, now), machine.next_pulse(self)
  if pulse_ns and not (next_ns and next_ns < pulse_ns) then
    next_ns = pulse_ns
  end
  local replies, log = results(self)
  return replies, log, next_ns
end

--- An edge on the trigger input: the rising one fires.
---@param _ string
---@param level boolean
---@param now_ns integer
---@return moonpulse.SimulatorReply[]? replies
---@return moonpulse.SimulatorEvent[]? log
function Simulator:line(_, level, now_ns)
  local now = begin(self, now_ns)
  machine.run_due(self, now)
  if level and not self.trigger_high then
    if self.train then
      note(self, now, "ignored", "", "trigger while a train runs")
    elseif self.delay_in > 0 then
      self.edge_ns = now + self.delay_in * 100000
    else
      machine.discharge(self, now, "")
    end
  end
  self.trigger_high = level
  settle(self, now)
  return results(self)
end

local function turn_amplitude(self, now, percent)
  self.amplitude_a = percent
  machine.derive(self)
  machine.say_amplitude(self, now)
  note(self, now, "set", "", ("by hand: amplitude %d %%"):format(percent))
end

local function press_enable(self, now, on)
  machine.set_enabled(self, now, on, "")
end

local function choose_page(self, now, page)
  machine.cease(self, now)
  self.page = page
  machine.say_page(self, now)
  note(self, now, "set", "", ("by hand: page %d"):format(page))
end

--- The device reports no change of its waveform by hand that a source knows of; what it says next shows it.
local function choose_waveform(self, now, name)
  for number, each in pairs(limits.WAVEFORMS) do
    self.waveform = each == name and number or self.waveform
  end
  machine.derive(self)
  note(self, now, "set", "", "by hand: waveform " .. name)
end

local KNOBS = {
  amplitude = { turn_amplitude, "a whole number in 0-100 %", function(value)
    return type(value) == "number" and math.tointeger(value) and value >= 0 and value <= 100
  end },
  enable = { press_enable, "true or false", function(value)
    return type(value) == "boolean"
  end },
  page = { choose_page, "a page (1-4, 6-8, 13, 15-17, 19)", function(value)
    return type(value) == "number" and limits.PAGES[value] ~= nil
  end },
  waveform = { choose_waveform, "Monophasic, Biphasic, Halfsine or Biphasic Burst", function(value)
    return value == "Biphasic Burst" or value == "Biphasic" or value == "Monophasic" or value == "Halfsine"
  end },
}

--- What a hand on the front panel does; the device reports it unasked.
---@param name "amplitude"|"enable"|"page"|"waveform"
---@param value integer|boolean|string
---@param now_ns? integer  default: the latest time this simulator was told
---@return moonpulse.SimulatorReply[]? replies
---@return moonpulse.SimulatorEvent[]? log
function Simulator:knob(name, value, now_ns)
  local knob = KNOBS[name]
  if not knob then
    error(("magventure simulator: no knob '%s'; there are amplitude, enable, page, waveform"):format(
      tostring(name)), 2)
  elseif not knob[3](value) then
    error(("magventure simulator: knob %s: %s is not %s"):format(name, tostring(value), knob[2]), 2)
  end
  local now = begin(self, now_ns or self.now_ns)
  machine.run_due(self, now)
  knob[1](self, now, math.tointeger(value) or value)
  settle(self, now)
  return results(self)
end

local FAULTS = {
  ["over-temperature"] = machine.overheat,
  ["stuck-armed"] = function(self)
    self.stuck_armed = true
  end,
}
Simulator.faults = FAULTS

--- Something breaks: "over-temperature" (the coil is at its limit) or "stuck-armed" (disable is
--- not obeyed any more).
---@param kind string
---@param now_ns? integer
---@return moonpulse.SimulatorReply[]? replies
---@return moonpulse.SimulatorEvent[]? log
function Simulator:fault(kind, now_ns)
  local now = begin(self, now_ns or self.now_ns)
  machine.run_due(self, now)
  FAULTS[kind](self, now)
  settle(self, now)
  return results(self)
end

--- What each further command `bytes` will do, as long as nothing else comes: see docs/drivers.md.
--- nil where that is not so: not a command to fire, nothing would be fired, or a train is running.
---@param bytes string
---@return table?
function Simulator:steady(bytes)
  local command = known[bytes]
  if not command or command.run ~= machine.discharge or not machine.is_steady(self)
    or self.pending ~= "" or self.deaf_after then
    return nil
  end
  return machine.steady(self, bytes)
end

--- It happened `count` times without this simulator; `steady` says how things are after the last.
---@param steady moonpulse.Steady what the method steady gave, brought up to date
---@param count integer
---@return integer? next_ns as tick() would have said after the last
function Simulator:passed(steady, count)
  begin(self, steady.last_ns)
  return machine.passed(self, steady, count)
end

--- A copy of the state, for tests and the live screen.
---@return table
function Simulator:state()
  local set = self.program
  return {
    now_ns = self.now_ns, model = limits.MODELS[self.model], serial_number = self.serial_number,
    armed = self.enabled, ready = self.enabled and self.now_ns >= self.charged_at_ns,
    enabled = self.enabled, over_temperature = self.over_temperature,
    amplitude_a = self.amplitude_a, amplitude_b = machine.amplitude_b(self),
    mode = limits.MODES[self.mode], waveform = limits.WAVEFORMS[self.waveform],
    direction = self.direction == 1 and "Reverse" or "Normal",
    burst_pulses = self.burst_pulses, ipi_ms = self.ipi / 10, ba_ratio = (100 - self.ba_byte) / 20,
    page = self.page, running = self.train ~= nil, stimuli = self.stimuli,
    train = { rate_hz = set.rate / 10, pulses = set.pulses, trains = set.trains,
      iti_s = set.iti / 10, timing = self.timing, warn = self.warn },
    delays = { in_ms = self.delay_in / 10, out_ms = self.delay_out / 10,
      charge_ms = self.charge_ms },
    temperature_c = self.temperature_c, charged_at_ns = self.charged_at_ns,
    pulses = self.pulses, discharges = self.discharges,
    malformed = self.malformed, deaf = is_deaf(self) or false,
  }
end

-- Options -----------------------------------------------------------------------------------------

local function option_fault(key, value)
  local default, range = OPTIONS[key], RANGES[key]
  if range and value ~= default
      and not (type(value) == "number" and value >= range[1] and value <= range[2]) then
    return ("%s = %s is not a number in %s-%s"):format(key, tostring(value), range[1], range[2])
  elseif not range and type(value) ~= type(default) then
    return ("%s = %s is not a %s"):format(key, tostring(value), type(default))
  end
end

local function reports_each(value)
  if value ~= "each" and value ~= "once" then
    error(("magventure simulator: burst_reports = %s: it is once or each"):format(value), 3)
  end
  return value == "each"
end

local function model_number(name)
  for number, model in pairs(limits.MODELS) do
    if model == name then
      return number
    end
  end
  error(("magventure simulator: model '%s' is not one of %s, %s"):format(
    name, limits.MODELS[0], table.concat(limits.MODELS, ", ")), 3)
end

local function nanoseconds(seconds)
  return math.floor(seconds * 1e9 + 0.5)
end

--- Switch a device on: disabled, amplitude 0, Standard, Biphasic, page Main.
---@param options? table  see OPTIONS; an unknown key is an error
---@return moonpulse.Simulator simulator
function M.new(options)
  local set = settings.over("magventure", OPTIONS, options, option_fault)
  local self = {
    model = model_number(set.model), reports_each = reports_each(set.burst_reports),
    serial_number = math.floor(set.serial_number),
    coil_type = math.floor(set.coil_type), ext_rate = set.ext_rate, strict_pages = set.strict_pages,
    latency_ns = nanoseconds(set.latency), jitter_ns = nanoseconds(set.jitter),
    timeout_ns = nanoseconds(set.frame_timeout), random = math.floor(set.seed), answered_ns = 0,
    enabled = false, over_temperature = set.coil_temperature >= machine.LIMIT_C,
    amplitude_a = 0, amplitude_b = 0,
    mode = 0, waveform = 1, direction = 0, burst_pulses = 5, ipi = 100, ba_byte = 80,
    page = 1, timing = 0, warn = 1, program = { rate = 10, pulses = 5, trains = 3, iti = 10 },
    delay_in = 0, delay_out = 0, charge_ms = 0, stimuli = 0, pulses = 0, discharges = 0,
    temperature_c = set.coil_temperature + 0.0,
    heating = set.heating, cooled_ns = 0, decay_ns = 0, decay = 1.0, charged_at_ns = 0, now_ns = 0,
    deaf_after = set.deaf_after, stuck_armed = false, malformed = 0, pending = "", heard_ns = 0,
    replies = {}, reply_pool = { {} }, reply_count = 0, replies_before = 0,
    log = {}, log_pool = { {} }, log_count = 0, log_before = 0,
  }
  machine.mark(self)
  machine.derive(self)
  return setmetatable(self, Simulator)
end

return M
