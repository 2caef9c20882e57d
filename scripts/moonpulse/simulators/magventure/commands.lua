--- The commands of the MagVenture simulator: what each host frame does to the state.
--- Values the device does not have are ignored without a reply, as it has no error reply.
local frames = require "moonpulse.simulators.magventure.frames"
local limits = require "moonpulse.simulators.magventure.limits"
local machine = require "moonpulse.simulators.magventure.machine"

local M = {}

local byte, char, pack, unpack = string.byte, string.char, string.pack, string.unpack
local answer, note = machine.answer, machine.note

local KNOWN_MOST = 1024 -- so that a fuzzer cannot fill the memory
local COMMANDS = {}

--- Handlers get (self, now, frame, payload); the payload has one of `lengths`.
local function command(id, name, lengths, run)
  local has_length = {}
  for _, length in ipairs(lengths) do
    has_length[length] = true
  end
  COMMANDS[id] = { name = name, has_length = has_length, run = run }
end

local function refuse(self, now, frame, why)
  note(self, now, "ignored", frame, why)
end

local function status(self)
  return pack(">BI3BBBB", machine.flags(self), self.serial_number, self.shown_c, self.coil_type,
    self.amplitude_a, machine.amplitude_b(self))
end

command(0x00, "status", { 1 }, function(self, now, frame)
  answer(self, now, "\0" .. status(self))
  note(self, now, "get", frame, "status")
end)

command(0x05, "status 2", { 1 }, function(self, now, frame)
  answer(self, now, "\5" .. status(self) .. char(self.amplitude_a, machine.amplitude_b(self),
    100, 100, self.page, self.train and 1 or 0))
  note(self, now, "get", frame, "status 2")
end)

command(0x01, "amplitude", { 2, 3 }, function(self, now, frame, payload)
  local a, b = byte(payload, 2, 3)
  b = b or self.amplitude_b
  if a > 100 or b > 100 then
    return refuse(self, now, frame, ("amplitude %d %%, %d %%: above 100 %%"):format(a, b))
  end
  self.amplitude_a, self.amplitude_b = a, b
  machine.derive(self)
  machine.say_amplitude(self, now)
  note(self, now, "set", frame,
    ("amplitude %d %%, %d %%"):format(a, machine.amplitude_b(self)))
end)

command(0x02, "enable", { 2, 3 }, function(self, now, frame, payload)
  local on, extra = byte(payload, 2, 3)
  if on > 1 or (extra or 0) ~= 0 then
    return refuse(self, now, frame, "unknown form of enable")
  end
  machine.set_enabled(self, now, on == 1, frame)
end)

command(0x03, "fire", { 1, 2, 3 }, machine.discharge)
COMMANDS[0x03].forms = { ["\3"] = true, ["\3\1"] = true, ["\3\1\0"] = true }

local function train_fault(self, set)
  return limits.train_fault(set, machine.max_rate(self), self.ext_rate)
end

local function page_fault(self, also)
  if self.strict_pages and self.page ~= limits.TIMING and self.page ~= also then
    return ("works on page Timing%s, not on page %d"):format(
      also and " or Protocol" or "", self.page)
  end
end

local function running_fault(self)
  return self.train and "a train is running" or self.burst and "a burst is running"
end

command(0x04, "start", { 1 }, function(self, now, frame)
  local fault = not self.enabled and "not enabled" or running_fault(self)
    or page_fault(self, limits.PROTOCOL) or train_fault(self, self.program)
  if fault then
    return refuse(self, now, frame, fault)
  end
  machine.start_train(self, now)
  note(self, now, "set", frame, "train started")
end)

command(0x06, "train", { 9 }, function(self, now, frame, payload)
  local rate, pulses, trains, iti = unpack(">I2I2I2I2", payload, 2)
  local set = { rate = rate, pulses = pulses, trains = trains, iti = iti }
  local fault = running_fault(self) or page_fault(self) or train_fault(self, set)
  if fault then
    return refuse(self, now, frame, fault)
  end
  self.program = set
  machine.say_page(self, now)
  note(self, now, "set", frame, "train")
end)

local function get_train(self, now, frame)
  local set = self.program
  answer(self, now, pack(">BBBI2I2I2I2BBB", 0x0B, 0, (self.ext_rate and 16 or 0) | self.timing,
    set.rate, set.pulses, set.trains, set.iti, self.warn, 100, 10)) -- ramp: 1.00 over 10 trains
  note(self, now, "get", frame, "train")
end

command(0x0B, "train", { 2, 12, 14 }, function(self, now, frame, payload)
  if payload == "\x0B\0" then
    return get_train(self, now, frame)
  elseif byte(payload, 2) ~= 1 or #payload == 2 then
    return refuse(self, now, frame, "unknown form of train")
  end
  local timing, rate, pulses, trains, iti, warn = unpack(">BI2I2I2I2B", payload, 3)
  local set = { rate = rate, pulses = pulses, trains = trains, iti = iti } -- no ramp: not settable
  local fault = running_fault(self) or train_fault(self, set)
    or timing > 3 and ("timing control %d is unknown"):format(timing)
  if fault then
    return refuse(self, now, frame, fault)
  end
  self.program, self.timing, self.warn = set, timing, warn
  note(self, now, "set", frame, "train")
end)

command(0x07, "page", { 2, 3 }, function(self, now, frame, payload)
  local page = byte(payload, 2)
  local fault = running_fault(self)
    or not limits.PAGES[page] and ("page %d is not 1, 2, 3, 4 or 7"):format(page)
  if fault then
    return refuse(self, now, frame, fault)
  end
  self.page = page
  machine.say_page(self, now)
  note(self, now, "set", frame, "page " .. page)
end)

command(0x0C, "page", { 2 }, function(self, now, frame)
  local set = self.program
  answer(self, now, pack(">BBI2BI3BI2I2B", 0x0C, 0, set.trains, 0, set.trains * set.pulses, 0,
    self.stimuli & 0xFFFF, 0, self.page))
  note(self, now, "get", frame, "page")
end)

local function set_delays(self, now, frame, input, output, charge)
  local fault = limits.delay_fault(input, output, charge, self.timing)
  if fault then
    return refuse(self, now, frame, fault)
  end
  self.delay_in, self.delay_out, self.charge_ms = input, output, charge
  machine.derive(self)
  note(self, now, "set", frame, "delays")
end

command(0x08, "delays", { 9 }, function(self, now, frame, payload)
  set_delays(self, now, frame, unpack(">I2i2I2", payload, 2))
end)

command(0x0A, "delays", { 2, 8 }, function(self, now, frame, payload)
  if payload == "\x0A\0" then
    answer(self, now, pack(">BBI2i2I2", 0x0A, 0, self.delay_in, self.delay_out, self.charge_ms))
    note(self, now, "get", frame, "delays")
  elseif byte(payload, 2) == 1 and #payload == 8 then
    set_delays(self, now, frame, unpack(">I2i2I2", payload, 3))
  else
    refuse(self, now, frame, "unknown form of delays")
  end
end)

local function get_mode(self, now, frame)
  local ba = self.mode == limits.DUAL and 100 - self.amplitude_b or self.ba_byte
  local place = limits.nearest_interval_index(self.mode, self.ipi)
  answer(self, now, pack("<BBBBBBBI2B", 0x09, 0, self.model, self.mode, self.direction,
    self.waveform, 5 - self.burst_pulses, place, ba))
  note(self, now, "get", frame, "mode")
end

local function set_mode(self, now, frame, payload)
  local set = {} -- byte 3, the model, is not looked at: one client always sends 0
  set.mode, set.direction, set.waveform, set.burst, set.ipi, set.ba =
    unpack(">BBBBI2I2", payload, 4)
  local fault = running_fault(self) or limits.mode_fault(self.model, set)
  if fault then
    return refuse(self, now, frame, fault)
  end
  self.mode, self.direction, self.waveform = set.mode, set.direction, set.waveform
  self.burst_pulses = 5 - set.burst
  if limits.interval_index(set.mode, set.ipi) then
    self.ipi = set.ipi
  end
  if set.ba >= 20 and set.ba <= 500 then
    self.ba_byte = (500 - set.ba + 2) // 5
  end
  machine.derive(self)
  machine.say_amplitude(self, now)
  note(self, now, "set", frame, limits.MODES[set.mode] .. ", " .. limits.WAVEFORMS[set.waveform])
end

command(0x09, "mode", { 2, 11 }, function(self, now, frame, payload)
  if payload:find("^\9\0+$") then
    get_mode(self, now, frame)
  elseif byte(payload, 2) == 1 and #payload == 11 then
    set_mode(self, now, frame, payload)
  else
    refuse(self, now, frame, "unknown form of mode")
  end
end)

local function refusal(payload)
  local found = COMMANDS[byte(payload)]
  if not found then
    return ("unknown command %02X"):format(byte(payload))
  elseif not found.has_length[#payload] then
    return ("wrong length %d for %s"):format(#payload, found.name)
  elseif found.forms and not found.forms[payload] then
    return "unknown form of " .. found.name
  end
end

--- The commands of whole good frames seen before: frame -> { frame, payload, run }, where run is a
--- function (self, now, frame, payload). A caller looks here first, then reads.
M.known = {}
local known, known_count = M.known, 0

--- Read a frame whose start byte and length fit.
---@param frame string
---@return table? command
---@return string? fault  why the frame is malformed
function M.read(frame)
  local payload, fault = frames.open(frame)
  if not payload then
    return nil, fault
  end
  local record = { frame = frame, payload = payload }
  local why = refusal(payload)
  record.run = why and function(self, now)
    refuse(self, now, frame, why)
  end or COMMANDS[byte(payload)].run
  if known_count >= KNOWN_MOST then
    for old in pairs(known) do
      known[old] = nil
    end
    known_count = 0
  end
  known[frame], known_count = record, known_count + 1
  return record
end

return M
