--- The simulator of a Deymed DuoMAG: bytes in, a status stream out. Pure: the caller says the
--- time.
---
--- Written from the published descriptions of the protocol (MAGIC duomag.m, duomagmp-toolbox-py) and
--- sharing no code with the driver. Where they are silent these choices are ours, not the maker's:
---   * a status frame every 20 ms, 15 bytes and a sync (short_frames: 13);
---   * a recharge takes 0.5 s after a pulse and 0.2 s after a change of the intensity;
---   * the unit is armed when it is switched on; a person disarms it at the panel;
---   * a fire command that finds it uncharged is left out, and counted as omitted;
---   * a byte that is not repeated is dropped, and so are repeated bytes without a meaning.
local settings = require "moonpulse.simulation.settings"
local slack = require "moonpulse.simulation.slack"

local M = {
  name = "duomag",
  description = "Deymed DuoMAG",
  serial = { baud = 1000000, bits = 8, parity = "none", stop_bits = 2, flow = "none" },
}

local MS = 1000000
local STEPS = { 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10 }
local FIRE = 121
local PAIR_TIMEOUT_NS = 100 * MS -- a byte whose second half comes later stands alone

local OPTIONS = {
  latency = 0, -- seconds from a change to the first status that shows it
  seed = 1, -- nothing here is random
  period = 0.02, -- seconds between status frames
  recharge = 0.5, settle = 0.2, -- seconds after a pulse, after a change of the intensity
  armed = true, coil_type = 1, short_frames = false,
}

local Simulator = {}
Simulator.__index = Simulator

-- What a call hands back -------------------------------------------------------------------------

local function begin(self, now)
  self.now_ns = math.max(self.now_ns, now or self.now_ns)
  self.replies, self.log = {}, {}
  return self.now_ns
end

local function note(self, event, bytes, text, given)
  self.log[#self.log + 1] = { event = event, bytes = bytes, note = text, at_ns = self.now_ns, given = given }
  self.last_status = nil -- whatever happens to it is noted
end

local function results(self)
  return #self.replies > 0 and self.replies or nil, #self.log > 0 and self.log or nil
end

-- The machine ------------------------------------------------------------------------------------

local function is_charged(self, now)
  return self.armed and self.intensity > 0 and now >= self.charged_at_ns
end

local function recharge(self, seconds)
  local ns = math.floor(seconds * 1e9)
  self.charged_at_ns = self.now_ns + ns - slack.of(self, ns)
end

local function status(self, now)
  local heard, charged = now - self.heard_ns < 1000 * MS and 1 or 0, is_charged(self, now) and 1 or 0
  local last = self.last_status -- fifty a second, nearly all as the one before
  if last and last.heard == heard and last.charged == charged then
    return last.bytes
  end
  local hot = self.hot and 1 or 0
  local bytes = {
    self.by_ttl and 32 or 0, self.intensity, 90, 100, 110, self.omitted & 0x7F, 0,
    hot << 4 | 2 | heard, charged, self.ttl_steps, self.recharge_steps,
    self.recharge_size << 4 | self.ttl_size, 0, 0, self.coil_type,
  }
  local text = "\xFF" .. string.char(table.unpack(bytes, 1, self.short and 13 or 15))
  self.last_status = { heard = heard, charged = charged, bytes = text }
  return text
end

local function discharge(self, bytes)
  if not is_charged(self, self.now_ns) then
    self.omitted = self.omitted + 1
    return note(self, "ignored", bytes, not self.armed and "not armed" or self.intensity == 0
      and "intensity 0" or "not charged")
  end
  self.pulses = self.pulses + 1
  recharge(self, self.recharge_s)
  note(self, "pulse", bytes, self.intensity .. " %", { channel = "1", intensity = self.intensity })
end

local function set_intensity(self, percent, bytes, who)
  if self.stuck then
    return note(self, "ignored", bytes, "stuck")
  elseif percent ~= self.intensity then
    self.intensity = percent
    recharge(self, self.settle_s)
  end
  note(self, "set", bytes, ("%sintensity %d %%"):format(who or "", percent))
end

--- The second half of a delay: the first came before it.
local function set_delay(self, low)
  local high = self.high
  local bytes = string.char(high, high, low, low)
  self.high = nil
  local steps, size = (high & 31) << 2 | low & 3, low >> 2 & 7
  local ms = steps * STEPS[size + 1]
  if high >> 5 == 4 and low >> 5 == 5 then
    self.recharge_steps, self.recharge_size = steps, size
    return note(self, "set", bytes, ("recharge delay %.10g ms"):format(ms))
  elseif high >> 5 == 6 and low >> 5 == 7 then
    self.ttl_steps, self.ttl_size = steps, size
    return note(self, "set", bytes, ("TTL-out delay %.10g ms"):format(ms))
  end
  note(self, "ignored", bytes, "halves of different delays")
end

--- A byte that came twice.
local function obey(self, byte)
  local bytes = string.char(byte, byte)
  if self.high and byte >> 5 & 5 == 5 then
    return set_delay(self, byte)
  elseif self.high then
    note(self, "error", string.char(self.high, self.high), "half a delay")
    self.high = nil
  end
  if byte <= 100 then
    set_intensity(self, byte, bytes)
  elseif byte == FIRE then
    discharge(self, bytes)
  elseif byte >> 5 == 4 or byte >> 5 == 6 then
    self.high = byte
  else
    note(self, "ignored", bytes, "no meaning is known")
  end
end

-- The simulator ---------------------------------------------------------------------------------------

--- Bytes that are complete on the wire at now_ns.
function Simulator:receive(bytes, now_ns)
  local now = begin(self, now_ns)
  if self.half and now - self.heard_ns > PAIR_TIMEOUT_NS + slack.waited(self) then
    note(self, "error", string.char(self.half), "a byte that was not repeated in time")
    self.half = nil
  end
  self.heard_ns = now
  for i = 1, #bytes do
    local byte = bytes:byte(i)
    if self.half == byte then
      self.half = nil
      obey(self, byte)
    elseif self.half then
      note(self, "error", string.char(self.half), "a byte that was not repeated")
      self.half = byte
    else
      self.half = byte
    end
  end
  return results(self)
end

--- The status stream; after a long silence of the caller it goes on from now.
function Simulator:tick(now_ns)
  local now = begin(self, now_ns)
  if now - self.next_ns > 1000 * MS then
    self.next_ns = now
  end
  while self.next_ns <= now do
    self.replies[#self.replies + 1] = { at_ns = self.next_ns + self.latency_ns,
      bytes = status(self, self.next_ns) }
    self.next_ns = self.next_ns + self.period_ns
  end
  local replies, log = results(self)
  return replies, log, self.next_ns
end

--- What a hand does at the panel: "intensity" (0-100), "arm" (true, false).
function Simulator:knob(name, value, now_ns)
  begin(self, now_ns)
  if name == "intensity" and math.type(value) == "integer" and value >= 0 and value <= 100 then
    set_intensity(self, value, "", "by hand: ")
  elseif name == "arm" and type(value) == "boolean" then
    self.armed = value
    recharge(self, self.recharge_s)
    note(self, value and "arm" or "disarm", "", "by hand")
  else
    error(("duomag simulator: knob %s = %s: there are intensity (0-100) and arm (true, false)"):format(
      tostring(name), tostring(value)), 2)
  end
  return results(self)
end

--- The TTL input: a rising edge fires.
function Simulator:line(name, level, now_ns)
  begin(self, now_ns)
  local rises = level and not self.level
  self.level = level
  if name == "trigger" and rises then
    self.by_ttl = true
    discharge(self, "")
  end
  return results(self)
end

local FAULTS = {
  ["over-temperature"] = function(self)
    self.hot, self.armed = true, false
    note(self, "disarm", "", "over temperature")
  end,
  ["stuck-armed"] = function(self)
    self.stuck = true
  end,
}
Simulator.faults = FAULTS

function Simulator:fault(kind, now_ns)
  begin(self, now_ns)
  FAULTS[kind](self)
  return results(self)
end

function Simulator:state()
  return {
    now_ns = self.now_ns, armed = self.armed, ready = is_charged(self, self.now_ns),
    intensity = self.intensity, pulses = self.pulses, omitted = self.omitted,
    ttl_delay_ms = self.ttl_steps * STEPS[self.ttl_size + 1],
    recharge_delay_ms = self.recharge_steps * STEPS[self.recharge_size + 1],
  }
end

--- Switch a unit on: armed at its panel, intensity 0.
---@param options table? see OPTIONS; an unknown key is an error
function M.new(options)
  local set = settings.over("duomag", OPTIONS, options, function(key, value)
    if type(value) ~= type(OPTIONS[key])
      or type(value) == "number" and not (value >= 0 and value <= 255 or key == "seed") then
      return ("%s = %s is not possible"):format(key, tostring(value))
    end
  end)
  return setmetatable({
    now_ns = 0, next_ns = 0, heard_ns = -1000 * MS, charged_at_ns = 0, latency_ns = math.floor(
      set.latency * 1e9), period_ns = math.max(MS, math.floor(set.period * 1e9)),
    recharge_s = set.recharge, settle_s = set.settle, armed = set.armed,
    coil_type = math.floor(set.coil_type), short = set.short_frames, intensity = 0, pulses = 0,
    omitted = 0, ttl_steps = 0, ttl_size = 0, recharge_steps = 0, recharge_size = 0,
    replies = {}, log = {},
  }, Simulator)
end

return M
