--- The messages that a Pulse Pal 2 takes: how long each is, and what it does.
local playback = require "moonpulse.simulators.pulsepal.playback"

local M = { soft_trigger = 77 }

-- parameters of op 74: the field of an output, and its size in bytes
local fields = {
  [1] = { "biphasic", 1 }, [2] = { "phase1_volts", 2 }, [3] = { "phase2_volts", 2 }, [4] = { "phase1", 4 },
  [5] = { "between", 4 }, [6] = { "phase2", 4 }, [7] = { "interval", 4 }, [8] = { "burst", 4 },
  [9] = { "burst_gap", 4 }, [10] = { "duration", 4 }, [11] = { "delay", 4 }, [12] = { "link1", 1 },
  [13] = { "link2", 1 }, [14] = { "custom", 1 }, [15] = { "target", 1 }, [16] = { "loop", 1 },
  [17] = { "rest", 2 }, [128] = { "mode", 1 },
}
-- op 73: what each output has, group by group
local groups = {
  { 4, "phase1", "between", "phase2", "interval", "burst", "burst_gap", "duration", "delay" },
  { 2, "phase1_volts", "phase2_volts", "rest" },
  { 1, "biphasic", "custom", "target", "loop" },
}

--- Bursts are played where both of their times are given, or where a custom train starts them.
local function decide_bursts(channel)
  channel.bursts = channel.burst ~= 0 and channel.burst_gap ~= 0 or channel.target == 1
  if channel.custom > 0 and channel.target == 0 then
    channel.bursts = false
  end
end

local function program_all(self, bytes)
  local box, at = self.box, 3
  for _, group in ipairs(groups) do
    for _, channel in ipairs(box.channels) do
      for i = 2, #group do
        channel[group[i]], at = ("<I" .. group[1]):unpack(bytes, at)
      end
    end
  end
  for _, link in ipairs { "link1", "link2" } do
    for _, channel in ipairs(box.channels) do
      channel[link], at = bytes:byte(at), at + 1
    end
  end
  box.modes = { bytes:byte(at, at + 1) }
  for _, channel in ipairs(box.channels) do
    decide_bursts(channel)
    channel.level = channel.rest
  end
  self:note("arm", bytes, "all programmed")
  self:say("\1")
end

local function program_one(self, bytes)
  local number, place = bytes:byte(3, 4)
  local field = fields[number]
  local value = field and ("<I" .. field[2]):unpack(bytes, 5)
  local channel = self.box.channels[place]
  if field and number == 128 and self.box.modes[place] then
    self.box.modes[place] = value
  elseif field and number ~= 128 and channel then
    channel[field[1]] = value
    if number < 14 then
      decide_bursts(channel)
    elseif number == 17 then
      channel.level = value
    end
  else
    self:note("error", bytes, "no such parameter or channel")
    return self:say("\1")
  end
  self:note("set", bytes, ("%s of %d: %d"):format(field[1], place, value))
  self:say("\1")
end

--- Times and volts overwrite what was stored, as far as they reach; what comes after stays.
local function custom(id)
  return function(self, bytes)
    local count = ("<I4"):unpack(bytes, 3)
    local list = self.box.customs[id]
    if count > 5000 then
      return self:hang(bytes, "5000 pulses at most: the box writes past its memory")
    end
    list.count = count
    for i = 0, count - 1 do
      list.times[i] = ("<I4"):unpack(bytes, 7 + 4 * i)
      list.volts[i] = ("<I2"):unpack(bytes, 7 + 4 * count + 2 * i)
    end
    self:note("set", bytes, ("custom train %d: %d pulses"):format(id, count))
    self:say("\1")
  end
end

--- Will a train of this output leave its resting voltage? Of a custom train's voltages nobody says so here.
local function shows(channel)
  return channel.custom > 0 or channel.phase1_volts ~= channel.rest
end

local function trigger(self, bytes, cycle)
  local mask, waits, lost = bytes:byte(3), false, nil
  for number, channel in ipairs(self.box.channels) do
    local chosen = mask >> (number - 1) & 1 == 1
    local plays = channel.play or channel.waits_from
    channel.scheduled_at = chosen and cycle or nil
    if chosen and plays and channel.pending then
      lost = number
    elseif chosen and (plays or channel.pending) then -- one of the cycle before begins its train in this one
      waits = true
    elseif chosen then
      self.fired[number] = bytes
    end
    if chosen and not shows(channel) then
      self.fired[number] = nil
      self:note("ignored", bytes, ("soft trigger: channel %d rests at its voltage"):format(number))
    end
  end
  if waits then
    self:note("set", bytes, "soft trigger: kept until the train ends")
  end
  if lost then
    self:note("ignored", bytes, ("soft trigger: channel %d keeps one already"):format(lost))
  elseif mask & 15 == 0 then
    self:note("ignored", bytes, "no channel")
  end
end

local function abort(self, bytes)
  if self.stuck then
    return self:note("ignored", bytes, "stuck armed")
  end
  for _, channel in ipairs(self.box.channels) do
    playback.kill(channel)
  end
  self:note("disarm", bytes, "all trains end")
end

local function fixed_voltage(self, bytes)
  local channel = self.box.channels[bytes:byte(3)]
  if channel then
    channel.level = ("<I2"):unpack(bytes, 4)
  end
  self:note(channel and "set" or "error", bytes, "fixed voltage")
  self:say("\1")
end

local function continuous(self, bytes, cycle)
  local channel = self.box.channels[bytes:byte(3)]
  if channel then
    channel.continuous = bytes:byte(4)
    if channel.continuous ~= 0 then
      channel.scheduled_at, self.fired[channel.number] = cycle, bytes
    else
      playback.kill(channel)
    end
  end
  self:note(channel and "set" or "error", bytes, "continuous loop")
  self:say("\1")
end

--- What op 73 would program, 178 bytes.
local function parameters(box)
  local parts = {}
  for _, group in ipairs(groups) do
    for _, channel in ipairs(box.channels) do
      for i = 2, #group do
        parts[#parts + 1] = ("<I" .. group[1]):pack(channel[group[i]])
      end
    end
  end
  for _, link in ipairs { "link1", "link2" } do
    for _, channel in ipairs(box.channels) do
      parts[#parts + 1] = string.char(channel[link])
    end
  end
  return table.concat(parts) .. string.char(table.unpack(box.modes))
end

local function settings(self, bytes)
  local what, name = bytes:byte(3), bytes:sub(5)
  self:note("set", bytes, "settings file " .. name:gsub("%c", "?"))
  if what == 1 then
    self.files[name] = parameters(self.box)
  elseif what == 3 then
    self.files[name] = nil
  elseif what == 2 and self.files[name] then
    local program = self.files[name]
    self:quietly(program_all, "\xD5\x49" .. program)
    self:say(program)
  elseif what == 2 then -- it takes its defaults, and says so on its screen only
    self.box:reset()
  end
end

local function noted(event, text, reply)
  return function(self, bytes)
    self:note(event, bytes, text)
    if reply then
      self:say(reply)
    end
  end
end

--- length: of what follows the op code; a function of it where its beginning says how long it is
--- (nil: not known yet).
M.ops = {
  [72] = { 0, function(self, bytes)
    self:note("get", bytes, "handshake")
    self:say("K" .. ("<I4"):pack(self.firmware))
  end },
  [73] = { 178, program_all },
  [74] = { function(rest)
    local field = fields[rest:byte(1)]
    return #rest > 0 and 2 + (field and field[2] or 0) or nil
  end, program_one },
  [M.soft_trigger] = { 1, trigger },
  [78] = { function(rest) return #rest > 0 and 1 + rest:byte(1) or nil end, noted("set", "display") },
  [79] = { 3, fixed_voltage },
  [80] = { 0, abort },
  [81] = { 0, abort },
  [82] = { 2, continuous },
  [85] = { 0, noted("get", "settings file", ("\0"):rep(178)) },
  [86] = { 2, noted("set", "a pin") },
  [87] = { 1, noted("get", "a pin", "\0") },
  [89] = { 6, noted("set", "client's name") },
  [90] = { function(rest) return #rest > 1 and 2 + rest:byte(2) or nil end, settings },
}
for id = 1, 2 do
  M.ops[74 + id] = { function(rest)
    return #rest >= 4 and 4 + 6 * ("<I4"):unpack(rest) or nil
  end, custom(id) }
end

return M
