--- What every simulated Magstim unit is: frames, the status byte, remote control, the capacitor.
---
--- Written from public descriptions of the protocol (MagPy 92bf2d0 and its author's virtual devices,
--- MAGIC ed58dd1), sharing no code with the drivers. Where they are silent the model chooses, and
--- the choices are ours, not the maker's: a partial frame is dropped after 0.1 s; remote control is
--- lost after 10 s without a command in standby; the coil warms by 0.004 degrees a pulse at 100 %.
local settings = require "moonpulse.simulation.settings"
local slack = require "moonpulse.simulation.slack"

local M = {}

local SECOND = 1000000000
local ARM_NS, CONTACT_NS, IDLE_NS, STANDBY_NS = SECOND, SECOND, 60 * SECOND, 10 * SECOND
local PARTIAL_NS = SECOND // 10
local HOT_C = 40

local OPTIONS = { latency = 0.01, seed = 1, power = 30, coil_temperature = 24, coil = true }

local Unit = {}
Unit.__index = Unit
M.Unit = Unit

local function checked(data)
  local sum = 0
  for i = 1, #data do
    sum = sum + data:byte(i)
  end
  return data .. string.char(255 - sum % 256)
end

local function sum_is_right(bytes)
  return checked(bytes:sub(1, -2)) == bytes
end

-- What a call hands back ---------------------------------------------------------------------------

--- A line of the log, at the unit's time.
---@param event string as of moonpulse.SimulatorEvent
---@param bytes string
---@param text string?
---@param given table?
function Unit:note(event, bytes, text, given)
  self.log[#self.log + 1] = { event = event, bytes = bytes, note = text, at_ns = self.now_ns, given = given }
end

--- A reply, on its way after the unit's latency.
---@param bytes string
function Unit:say(bytes)
  if self.locked then -- a unit that waits for its unlock code answers nothing at all
    return
  end
  self.replies[#self.replies + 1] = { at_ns = self.now_ns + self.latency_ns, bytes = bytes }
end

local function results(self)
  local replies, log = self.replies, self.log
  self.replies, self.log = {}, {}
  return #replies > 0 and replies or nil, #log > 0 and log or nil
end

-- The machine --------------------------------------------------------------------------------------

--- Bits 0 to 7: standby, armed, ready, coil, replace coil, error, fatal, remote.
function Unit:status()
  local byte = self.mode == "standby" and 1 or self.mode == "armed" and 2 or 4
  return byte | (self.coil and 8 or 0) | (self.failed and 0x20 or 0) | (self.remote and 0x80 or 0)
end

--- Disarmed, by itself or by command.
---@param why string for the log
function Unit:standby(why)
  if self.mode ~= "standby" then
    self.mode = "standby"
    self:note("disarm", "", why)
  end
end

--- The power that the capacitor has now: it follows by 10 ms a percent up, 100 ms a percent down.
function Unit:charge()
  local from, to = self.from_power, self.power
  local passed_ms = (self.now_ns - self.changed_ns) / 1e6
  if to >= from then
    return math.min(to, from + passed_ms / 10)
  end
  return math.max(to, from - passed_ms / 100)
end

--- The dial: the capacitor follows from where it is now.
---@param percent integer %MSO
function Unit:set_power(percent)
  self.from_power, self.changed_ns = self:charge(), self.now_ns - slack.waited(self)
  self.power = percent
end

--- How long it recharges at its present charge.
---@return integer
function Unit:recharge_ns()
  local percent = self:charge()
  return (percent < 50 and 2 or percent < 80 and 3 or 4) * SECOND
end

--- A pulse is given: armed, and ready again when the capacitor is charged.
---@param ns integer
function Unit:recharge(ns)
  self.mode, self.ready_ns = "armed", self.now_ns + ns - slack.of(self, ns)
end

--- What happens by itself next: when, and what.
local function next_event(self)
  local at, act
  local function earliest(ns, what)
    if not at or ns < at then
      at, act = ns, what
    end
  end
  if self.mode == "armed" then
    earliest(self.ready_ns, function() self.mode = "ready" end)
  end
  local waited_ns = slack.waited(self)
  if self.mode ~= "standby" and not self.stuck then
    earliest(self.heard_ns + CONTACT_NS + waited_ns + 1, function()
      self.remote = false
      self:standby("no command for 1 s")
    end)
    earliest(self.active_ns + IDLE_NS + waited_ns, function() self:standby("60 s without a pulse") end)
  elseif self.remote then
    earliest(self.heard_ns + STANDBY_NS + waited_ns + 1, function() self.remote = false end)
  end
  if self.more_events then
    self:more_events(earliest)
  end
  return at, act
end

--- Let time pass until now_ns.
---@param now_ns integer of the simulator's clock
function Unit:advance(now_ns)
  while true do
    local at, act = next_event(self)
    if not at or at > now_ns then
      break
    end
    self.now_ns = math.max(self.now_ns, at)
    act()
  end
  self.now_ns = math.max(self.now_ns, now_ns)
end

--- One discharge of the capacitor.
---@param bytes string the command that asked for it; "": none
---@param text string? for the log
---@param percent number? of its charge; without: the power's
---@param mode string? for the log
function Unit:discharge(bytes, text, percent, mode)
  percent = percent or self:charge()
  self.pulses = self.pulses + 1
  self.active_ns = self.now_ns
  self.temperature = self.temperature + 0.004 * percent / 100
  self:note("pulse", bytes, text or ("%g %%"):format(math.floor(percent + 0.5)),
    { channel = "1", intensity = percent, mode = mode })
  if self.temperature > HOT_C then
    self:standby("the coil is over 40 C")
  end
end

-- Commands of every unit ---------------------------------------------------------------------------
-- length: of the data. free: needs no remote control. late: the reply shows the new status.
-- bare: it shows no status. more: what follows the status byte, as it is afterwards.
-- run returns "?" (bad data) or "S" (not now) to refuse, nil to say nothing, or the reply's data.

local function arm(self, bytes)
  if self.mode ~= "standby" or not self.coil or self.temperature > HOT_C or self.failed then
    return "S"
  end
  self.mode, self.ready_ns, self.active_ns = "armed", self.now_ns + ARM_NS - slack.waited(self), self.now_ns
  if self.switch_open then -- nobody holds the coil's switch
    self.ready_ns = math.maxinteger
  end
  self:note("arm", bytes)
  return ""
end

local function disarm(self, bytes)
  if self.stuck then
    self:note("ignored", bytes, "stuck armed")
    return ""
  end
  self.mode = "standby"
  self:note("disarm", bytes)
  return ""
end

--- The fire command.
---@param bytes string of it
---@return string? what the unit answers: "S", and nothing is given, if it is not ready
function Unit:fire(bytes)
  if self.mode ~= "ready" then
    return "S"
  end
  self:recharge(self:recharge_ns())
  self:discharge(bytes)
  return ""
end

--- Three digits up to most, or nil.
---@param data string
---@param most integer
---@return integer?
function M.digits(data, most)
  local value = data:find("^%d+$") and math.tointeger(tonumber(data))
  return value and value <= most and value or nil
end

--- The commands that every unit has; a model adds its own.
function M.commands()
  return {
    Q = { length = 1, free = true, late = true, get = true, run = function(self)
      self.remote = true
      return ""
    end },
    R = { length = 1, free = true, late = true, run = function(self, bytes)
      if self.mode ~= "standby" then
        disarm(self, bytes)
      end
      self.remote = self.stuck and self.remote or false
      self:note("set", bytes, "remote off")
      return ""
    end },
    F = { length = 1, free = true, get = true, run = function(self)
      local tenths = math.floor(self.temperature * 10 + 0.5)
      return ("%03d%03d"):format(tenths, tenths)
    end },
    ["@"] = { length = 3, run = function(self, bytes, data)
      local percent = M.digits(data, self.most_power or 100)
      if not percent then
        return "?"
      end
      self:set_power(percent)
      self:note("set", bytes, ("power %d %%"):format(percent))
      return ""
    end },
    E = { length = 1, free = "A", run = function(self, bytes, data)
      if data == "A" then
        return disarm(self, bytes)
      elseif data == "B" then
        return arm(self, bytes)
      elseif data == "H" then
        return self:fire(bytes)
      end
      return "?"
    end },
  }
end

local function obey(self, command, bytes)
  local letter, data = bytes:sub(1, 1), bytes:sub(2, -2)
  if not sum_is_right(bytes) then
    self:note("error", bytes, "wrong check byte")
    return self:say(checked(letter .. "?"))
  end
  local free = command.free == true or command.free == data
  if not free and not self.remote then
    self:note("ignored", bytes, "no remote control")
    return not self.mute and self:say(checked(letter .. "S"))
  end
  local status = self:status()
  local result = command.run(self, bytes, data)
  if not result then
    return self:note("ignored", bytes, "wrong unlock code")
  elseif result == "?" or result == "S" then
    self:note("ignored", bytes, result == "?" and "bad data" or "not now")
    return self:say(checked(letter .. result))
  elseif command.get then
    self:note("get", bytes)
  end
  if command.late then
    status = status & 0x7F | (self.remote and 0x80 or 0)
  end
  if not command.bare then
    result = string.char(status) .. (command.more and command.more(self) or "") .. result
  end
  self:say(checked(letter .. result))
end

local function scan(self)
  while #self.pending > 0 do
    local command = self.commands[self.pending:sub(1, 1)]
    local length = command and (type(command.length) == "function"
      and command.length(self, self.pending) or command.length)
    if not command then
      self:note("error", self.pending:sub(1, 1), "no such command")
      self:say("?")
      self.pending = self.pending:sub(2)
    elseif #self.pending < length + 2 then
      return
    else
      local bytes = self.pending:sub(1, length + 2)
      self.pending = self.pending:sub(length + 3)
      self:advance(self.now_ns) -- read at once with others, it may be ready again: moonpulse.simulation.slack
      obey(self, command, bytes)
    end
  end
end

-- The simulator -----------------------------------------------------------------------------------------

--- Hand over bytes that are complete on the wire at now_ns.
---@return moonpulse.SimulatorReply[]? replies
---@return moonpulse.SimulatorEvent[]? log
function Unit:receive(bytes, now_ns)
  self:advance(now_ns)
  if self.pending ~= "" and self.now_ns - self.byte_ns > PARTIAL_NS + slack.waited(self) then
    self:note("error", self.pending, "partial frame dropped after 0.1 s")
    self.pending = ""
  end
  self.heard_ns, self.byte_ns = self.now_ns, self.now_ns
  self.pending = self.pending .. bytes
  scan(self)
  return results(self)
end

--- Let time pass. Returns replies, log and when something will next happen by itself.
function Unit:tick(now_ns)
  self:advance(now_ns)
  local at = next_event(self)
  local replies, log = results(self)
  return replies, log, at
end

--- An edge on the trigger input: rising fires, when ready; no reply comes (quick fire).
function Unit:line(_, level, now_ns)
  self:advance(now_ns)
  if level and not self.line_high then
    if not self.remote or (self.trigger or self.fire)(self, "") == "S" then
      self:note("ignored", "", "trigger while not ready")
    end
  end
  self.line_high = level
  return results(self)
end

local faults = {
  ["over-temperature"] = function(self)
    self.temperature = 41
    self:standby("the coil is over 40 C")
  end,
  ["stuck-armed"] = function(self) self.stuck = true end,
}
Unit.faults = faults

--- Something breaks.
---@param kind "over-temperature"|"stuck-armed"
function Unit:fault(kind, now_ns)
  self:advance(now_ns or self.now_ns)
  faults[kind](self)
  return results(self)
end

local knobs = {
  power = function(self, value) self:set_power(value) end,
  coil = function(self, value)
    self.coil = value
    self:standby("no coil")
  end,
  disarm = function(self) self:standby("at the panel") end,
}

--- What a hand at the panel does: power, coil (plugged in or not), disarm.
function Unit:knob(name, value, now_ns)
  self:advance(now_ns or self.now_ns)
  if not knobs[name] then
    error("a Magstim has the knobs power, coil, disarm; not " .. tostring(name), 2)
  end
  knobs[name](self, value)
  return results(self)
end

function Unit:state()
  local state = { armed = self.mode ~= "standby", ready = self.mode == "ready", remote = self.remote,
    pulses = self.pulses, power = self.power, temperature_c = self.temperature }
  for _, key in ipairs(self.shows or {}) do
    state[key] = self[key]
  end
  return state
end

--- A unit that was just switched on.
---@param commands table by first byte
---@param own table what the model has beside
---@param options table? latency (seconds), seed, power, coil_temperature, coil, and the model's
---@param specs table[]? of the model's options: { key, kind, ..., default = }
function M.new(commands, own, options, specs)
  local set = settings.over("magstim", settings.with(OPTIONS, specs), options)
  local self = {
    commands = commands, options = set, latency_ns = math.floor(set.latency * 1e9 + 0.5),
    mode = "standby", remote = false, coil = set.coil, failed = false, power = set.power,
    from_power = set.power, changed_ns = 0, temperature = set.coil_temperature, pulses = 0,
    now_ns = 0, heard_ns = 0, byte_ns = 0, active_ns = 0, ready_ns = 0, pending = "",
    replies = {}, log = {},
  }
  for key, value in pairs(own) do
    self[key] = value
  end
  return setmetatable(self, Unit)
end

return M
