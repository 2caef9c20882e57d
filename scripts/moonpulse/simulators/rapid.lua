--- The simulator of a Magstim Rapid², Super Rapid² or Super Rapid² Plus1.
---
--- Written from public descriptions of the protocol (MagPy 92bf2d0 and its author's virtual devices,
--- MAGIC ed58dd1, their issues), sharing no code with the drivers, only the maker's table of rates and
--- energies. Ours, where they are silent:
---   * the capacitor is ready again after one period of the highest rate at its power; a fire command
---     over the line that comes within 1 s (enhanced 2 s) of the last one is refused all the same;
---   * a train ends at its number of pulses or its duration, whichever comes first, is refused where one
---     of them or the rate is 0, and disarming ends it; its rate falls where the power no longer allows it;
---   * a start within the wait that protects the unit is obeyed, as the unit leaves that to the host, and
---     the log tells it as a fault.
local limits = require "moonpulse.data.rapid_power"
local slack = require "moonpulse.simulation.slack"
local unit = require "moonpulse.simulators.magstim.unit"

local SECOND = 1000000000

local M = {
  name = "rapid",
  description = "Magstim Rapid²",
  serial = { baud = 9600, bits = 8, parity = "none", stop_bits = 1, flow = "none" },
  options = {
    { "version", "text", "^%d+%.%d+$", form = "9.0", optional = true,
      help = "its software; 11.0 with a code, 8.0 without" },
    { "code", "text", "^" .. ("[%g]"):rep(16) .. "$", form = "xxxx-xxxxxxxx-xx", optional = true,
      help = "its unlock code; 1234-12345678-ab where the software needs one" },
    { "model", "choice", limits.models, default = "rapid" },
    { "mains", "choice", { 230, 115 }, default = 230, help = "volts" },
    { "theta_psu", "choice", { 0, 1 }, default = 0, help = "1: it has the theta power supply" },
    { "held", "choice", { 1, 0 }, default = 1, help = "0: nobody holds the switch on the coil" },
  },
}

-- Status -------------------------------------------------------------------------------------------

local function rapid_status(self)
  local running = self.train and self.mode ~= "standby"
  return string.char((self.enhanced and 1 or 0) | (running and 2 or 0)
    | (not running and self.now_ns < self.locked_ns and 4 or 0) | (self.trains and 0 or 8)
    | 0x30 | (self.options.theta_psu == 1 and 0x40 or 0))
end

local function extended_status(self)
  return rapid_status(self) .. string.char(0, (self.options.model == "superplus" and 1 or 0)
    | (self.charge_delay > 0 and 4 or 0))
end

local function highest_rate(self)
  return limits.rate(math.min(100, self.power), self.options.model, self.options.mains)
end

-- Pulses and trains --------------------------------------------------------------------------------

--- Too early for the unit's own good? Half a wait's rounding and the line's jitter are no abuse.
local function check_wait(self)
  local early = self.protect_ns - self.now_ns
  if early > SECOND // 200 + slack.of(self, SECOND) then
    self.abused = self.abused + 1
    self:note("fault", "", ("fired %.3f s before the wait that protects it was over"):format(
      early / SECOND))
  end
end

local function single(self, bytes)
  check_wait(self)
  local recharge = self.enhanced and 2 * SECOND or SECOND // highest_rate(self)
  self:recharge(recharge + self.charge_delay * 1000000)
  self:discharge(bytes, nil, nil, self.enhanced and "enhanced" or "single")
  return ""
end

--- For how long the unit needs to be left alone after so many pulses of a train.
local function wait_ns(train, pulses)
  local hz = train.tenths / 10
  return math.floor(math.max(0.5, pulses * (hz * limits.joules(train.power) - 1050) / (1050 * hz)) * SECOND)
end

local function end_of_train(self, train)
  train.power = self.power
  local locked = train.end_ns - self.now_ns + SECOND // 2
  self.locked_ns = self.now_ns + locked - slack.of(self, locked)
  self.protect_ns = train.end_ns + wait_ns(train, train.count)
  self.ready_ns = self.locked_ns
end

local function train_pulse(self)
  local train = self.train
  train.given = train.given + 1
  if train.given < train.count then
    train.next_ns = train.start_ns + (train.given * 10 * SECOND + train.tenths // 2) // train.tenths
  else
    self.train = nil
  end
  self:discharge("", "train", nil, "train")
end

local function start_train(self, bytes)
  local by_time = (self.duration * self.tenths + 99) // 100
  local count = math.min(self.count, by_time)
  if count == 0 then
    return "S"
  end
  check_wait(self)
  self:note("set", bytes, "train started")
  local train = { count = count, given = 0, tenths = self.tenths, start_ns = self.now_ns,
    end_ns = self.now_ns + (count * 10 * SECOND) // self.tenths }
  self.mode, self.train = "armed", train
  end_of_train(self, train)
  train_pulse(self)
  return ""
end

--- By an edge on the trigger input: as fast as the capacitor is ready.
local function trigger(self, bytes)
  if self.mode ~= "ready" then
    return "S"
  elseif self.trains then
    return start_train(self, bytes)
  end
  return single(self, bytes)
end

--- By a command.
local function fire(self, bytes)
  if self.now_ns < self.line_ns then
    return "S"
  end
  local result = trigger(self, bytes)
  if result == "" and not self.trains then
    local wait = (self.enhanced and 2 or 1) * SECOND
    self.line_ns = self.now_ns + wait - slack.of(self, wait)
  end
  return result
end

local function more_events(self, earliest)
  if self.train and self.mode == "standby" then
    self.protect_ns = self.now_ns + wait_ns(self.train, self.train.given) -- it gave no more, and is over
    self.train, self.locked_ns = nil, self.now_ns + SECOND // 2
  elseif self.train then
    earliest(self.train.next_ns, function() train_pulse(self) end)
  end
end

-- Commands -----------------------------------------------------------------------------------------

--- A setting: locked while a train runs and 0.5 s after it. set returns "?", "S", or a note.
local function setting(length, set, more)
  return { length = length, more = more, run = function(self, bytes, data)
    if self.train or self.now_ns < self.locked_ns then
      return "S"
    end
    local text = set(self, data)
    if text == "?" or text == "S" then
      return text
    end
    self:note("set", bytes, text)
    return ""
  end }
end

local function set_power(self, data)
  local percent = unit.digits(data, self.enhanced and 110 or 100)
  if not percent then
    return "?"
  end
  self:set_power(percent)
  if self.trains and self.tenths > 10 * highest_rate(self) then
    self.tenths = 10 * highest_rate(self)
    return ("power %d %%, the rate falls to %d Hz"):format(percent, self.tenths // 10)
  end
  return ("power %d %%"):format(percent)
end

local function set_frequency(self, data)
  local tenths = unit.digits(data, 10 * highest_rate(self))
  if not tenths or tenths == 0 or tenths > 300 and tenths % 10 ~= 0 then
    return "?"
  end
  self.tenths = tenths
  return ("rate %g Hz"):format(tenths / 10)
end

local function set_count(self, data)
  local count = unit.digits(data, self.recent and 6000 or 1000)
  if not count or count == 0 then
    return "?"
  end
  self.count = count
  return ("%d pulses"):format(count)
end

local function set_duration(self, data)
  local tenths = unit.digits(data, self.recent and 6000 or 100)
  if not tenths or tenths > 300 and tenths % 10 ~= 0 then
    return "?"
  end
  local trains = tenths > 0
  if trains ~= self.trains and (self.mode ~= "standby" or trains and self.enhanced) then
    return "S"
  end
  self.trains, self.duration = trains, tenths
  return trains and ("trains of %g s"):format(tenths / 10) or "single pulses"
end

local function set_enhanced(on)
  return function(self)
    if self.mode ~= "standby" or self.trains then
      return "S"
    end
    self.enhanced = on
    if not on and self.power > 100 then
      self:set_power(100)
    end
    return on and "enhanced power" or "power up to 100 %"
  end
end

--- The remote control of software from 9 on: with the unit's code only, and without it no answer.
local function unlock(self, _, data)
  if data ~= self.code then
    return nil
  end
  self.locked, self.remote = false, true
  return ""
end

local function settings(self)
  local form = self.major < 7 and "%03d%04d%04d%03d%03d" or self.major < 9 and "%03d%04d%04d%03d%04d"
    or "%03d%04d%05d%04d%04d"
  return form:format(self.power, self.tenths, self.count, self.duration, 1)
end

local function commands_of(major)
  local list, recent = unit.commands(), major >= 9
  list["@"] = setting(3, set_power)
  list.B = setting(4, set_frequency, rapid_status)
  list.D = setting(recent and 5 or 4, set_count, rapid_status)
  list["["] = setting(recent and 4 or 3, set_duration, rapid_status)
  list["^"] = setting(1, set_enhanced(true), rapid_status)
  list["_"] = setting(1, set_enhanced(false), rapid_status)
  list.b = setting(1, function(self)
    self.switch_open = false
    return "the coil's switch is ignored"
  end)
  list["\\"] = { length = 1, get = true, free = true, more = rapid_status, run = settings }
  list.I = { length = 1, get = true, run = function() return "E00" end }
  list.N = { length = 1, get = true, bare = true, run = function(self, _, data)
    return data == "D" and "V" .. self.version .. "\0" or "?"
  end }
  if recent then
    list.Q = { length = function(_, pending) return pending:sub(2, 2) == "@" and 1 or 16 end,
      free = true, late = true, get = true, run = unlock }
    list.x = { length = 1, get = true, more = extended_status, run = function() return "" end }
    list.n = setting(major == 9 and 4 or 5, function(self, data)
      local ms = unit.digits(data, major == 9 and 2000 or 10000)
      self.charge_delay = ms or self.charge_delay
      return ms and ("charge delay %d ms"):format(ms) or "?"
    end, major == 9 and rapid_status or extended_status)
    list.o = { length = 1, get = true, run = function(self)
      return (major == 9 and "%04d" or "%05d"):format(self.charge_delay)
    end }
  end
  return list
end

--- Switch one on: standby, power 30 %, single pulses, no rate yet, not under remote control.
---@param options table? latency, seed, power, coil_temperature, coil, and those of M.options
function M.new(options)
  options = options or {}
  local version = options.version or options.code and "11.0" or "8.0"
  local major = math.tointeger(tonumber(version:match("^%d+")))
  return unit.new(commands_of(major), {
    version = version, major = major, recent = major >= 9, locked = major >= 9,
    code = options.code or "1234-12345678-ab", mute = true, switch_open = options.held == 0,
    enhanced = false, trains = false, tenths = 0, count = 1, duration = 0, charge_delay = 0,
    locked_ns = 0, protect_ns = 0, line_ns = 0, abused = 0, fire = fire, trigger = trigger,
    more_events = more_events, shows = { "enhanced", "trains", "abused" },
  }, options, M.options)
end

return M
