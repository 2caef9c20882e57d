--- The simulator of a Magstim BiStim²: two capacitors, an interval, and its resolution.
---
--- Written from public descriptions of the protocol (MagPy 92bf2d0 and its author's virtual devices,
--- MAGIC ed58dd1, cboulay/magstim_python 3100dec), sharing no code with the drivers. Ours, where they
--- are silent: changing the resolution also sets the interval to its default, as they say, whatever it
--- was; a capacitor at 0 % gives no pulse; the power B follows like the power A; B is given at the charge
--- that it has when its time comes, also where it had none at the fire command; disarming between the pulses
--- of a pair cancels the second.
local unit = require "moonpulse.simulators.magstim.unit"

local SECOND, MS = 1000000000, 1000000

local M = {
  name = "bistim",
  description = "Magstim BiStim²",
  serial = { baud = 9600, bits = 8, parity = "none", stop_bits = 1, flow = "none" },
  options = {
    { "mode", "choice", { "bistim", "single", "external", "slave" }, default = "bistim",
      help = "what is chosen on its panel" },
    { "knows_mode", "choice", { 1, 0 }, default = 1, help = "0: it has no command X" },
  },
}

local commands = unit.commands()

local function in_ms(self, raw)
  return self.high_res and raw / 10 or raw
end

local function charge_b(self)
  local passed_ms = (self.now_ns - self.changed_b_ns) / MS
  if self.power_b >= self.from_b then
    return math.min(self.power_b, self.from_b + passed_ms / 10)
  end
  return math.max(self.power_b, self.from_b - passed_ms / 100)
end

commands.A = { length = 3, run = function(self, bytes, data)
  local percent = unit.digits(data, 100)
  if not percent then
    return "?"
  end
  self.from_b, self.changed_b_ns = charge_b(self), self.now_ns
  self.power_b = percent
  self:note("set", bytes, ("power B %d %%"):format(percent))
  return ""
end }

commands.C = { length = 3, run = function(self, bytes, data)
  local raw = unit.digits(data, 999)
  if not raw then
    return "?"
  elseif raw == 0 and self.mode ~= "standby" then
    return "S"
  end
  self.interval = raw
  self:note("set", bytes, ("interval %g ms"):format(in_ms(self, raw)))
  return ""
end }

local function resolution(high, interval)
  return function(self, bytes)
    if self.mode ~= "standby" then
      return "S"
    end
    self.high_res, self.interval = high, interval
    self:note("set", bytes, high and "high resolution" or "low resolution")
    return ""
  end
end
commands.Y = { length = 1, run = resolution(true, 10) } -- 1 ms
commands.Z = { length = 1, run = resolution(false, 10) } -- 10 ms

commands.J = { length = 1, get = true, free = true, run = function(self)
  return ("%03d%03d%03d"):format(self.power, self.power_b, self.interval)
end }

commands.X = { length = 1, get = true, free = true, run = function(self)
  local letter = self.interval == 0 and 1 or self.high_res and 4 or 2
  if self.options.mode == "slave" then
    return string.char(("P"):byte() + letter)
  end
  return self.options.mode == "single" and "0" or self.options.mode == "external" and "3"
    or tostring(letter)
end }

--- A now, B an interval later.
local function fire(self, bytes)
  if self.mode ~= "ready" then
    return "S"
  end
  local a = self:charge()
  self.active_ns = self.now_ns
  self:recharge(4 * SECOND)
  if self.options.mode ~= "single" then
    self.b_ns = self.now_ns + math.floor(in_ms(self, self.interval) * MS + 0.5)
  end
  if a >= 0.5 then
    self:discharge(bytes, ("A %g %%"):format(math.floor(a + 0.5)), a, self.options.mode)
  else
    self:note("set", bytes, "fired with A at 0 %")
  end
  return ""
end

--- The second pulse of a pair: a unit that is disarmed before does not give it.
local function more_events(self, earliest)
  if self.mode == "standby" then
    self.b_ns = nil
  elseif self.b_ns then
    earliest(self.b_ns, function()
      local b = charge_b(self)
      self.b_ns = nil
      if b < 0.5 then
        return
      end
      self:discharge("", ("B %g %%"):format(math.floor(b + 0.5)), b, self.options.mode)
    end)
  end
end

--- Switch one on: standby, powers 30 %, interval 10 ms in low resolution, not under remote control.
---@param options table? latency, seed, power, coil_temperature, coil, mode, knows_mode
function M.new(options)
  local own = { power_b = 30, from_b = 30, changed_b_ns = 0, interval = 10, high_res = false,
    fire = fire, more_events = more_events, shows = { "power_b", "interval", "high_res" } }
  local known = commands
  if options and options.knows_mode == 0 then
    known = setmetatable({ X = false }, { __index = commands })
  end
  return unit.new(known, own, options, M.options)
end

return M
