--- How a Pulse Pal 2 plays: four outputs in cycles of 50 us, one DAC behind them.
---
--- Written from what firmware 2.0.1 was seen to do when compiled natively, and from reading it
--- (sanworks/PulsePal). A cycle looks at its message, at the triggers, then at each output; what
--- changes there is on the DAC at the beginning of the next cycle. Oddities are the firmware's:
---   * a soft trigger that finds the output playing waits, and starts a train when that one ends,
---     also when it ends by an abort;
---   * a phase of 0 cycles never ends, an interval of 0 is never over;
---   * a custom train looks at the time after its last one, whatever was left there.
local M = {}

local Playback = {}
Playback.__index = Playback

local REST = 32768

--- An output as it is after switching on.
local function new_channel(number)
  return {
    number = number, level = REST, shown = REST, index = 0, bursts = false, continuous = 0,
    biphasic = 0, phase1_volts = 49152, phase2_volts = 16384, rest = REST, phase1 = 2, between = 2,
    phase2 = 2, interval = 20, burst = 0, burst_gap = 0, duration = 20000, delay = 0, custom = 0,
    target = 0, loop = 0, link1 = 1, link2 = 0,
  }
end

local function kill(channel)
  channel.play, channel.waits_from, channel.index = nil, nil, 0
  channel.level = channel.rest
end
M.kill = kill

--- The custom train that a channel plays; times and volts count from 0.
local function stored(self, channel)
  return self.customs[channel.custom] or self.customs[2]
end

local function time_of(list, index)
  return list.times[index] or 0
end

--- Is the next custom pulse further away than a pulse is long? Unsigned, as the box counts.
local function ends_before_next(channel, list, index)
  return (time_of(list, index + 1) - time_of(list, index)) & 0xFFFFFFFF > channel.phase1
end

local function plays_pulses(channel)
  return channel.custom > 0 and channel.target == 0
end

-- What a pulse does at the end of each of its states ------------------------------------------------

local function begin_custom(self, channel, play, now)
  local list = stored(self, channel)
  local joined = false
  if channel.loop == 1 and channel.index == list.count then
    channel.index, play.base = 0, now
  end
  if channel.index < list.count then
    joined = not ends_before_next(channel, list, channel.index)
    play.pulse_at = joined and play.base + time_of(list, channel.index + 1) or now + channel.phase1
  end
  play.state = joined and "between" or "first"
  channel.level = list.volts[channel.index] or 0
  if channel.biphasic == 0 then
    channel.index = channel.index + 1
  end
  if channel.index > list.count then
    channel.index = 0
    if channel.loop == 0 then
      kill(channel)
    end
  end
end

local function begin_pulse(self, channel, play, now)
  if plays_pulses(channel) then
    return begin_custom(self, channel, play, now)
  end
  play.pulse_at = now + channel.phase1
  if channel.bursts and play.pulse_at >= play.burst_at then
    return -- it would not end before the burst does
  end
  play.state = "first"
  channel.level = channel.custom > 0 and (stored(self, channel).volts[channel.index] or 0)
    or channel.phase1_volts
end

local function rest_until(channel, play, at)
  play.pulse_at, play.state, channel.level = at, "between", channel.rest
end

local function end_custom_pulse(self, channel, play, now)
  local list = stored(self, channel)
  local next_at = channel.target == 0 and play.base + time_of(list, channel.index)
    or now + channel.interval
  if channel.index ~= list.count then
    rest_until(channel, play, next_at)
  elseif channel.loop == 1 then
    channel.index, play.base = 0, now
    channel.level = list.volts[0] or 0
    play.state = ends_before_next(channel, list, 0) and "first" or "between"
    play.pulse_at = now + channel.phase1
    channel.index = 1
  else
    kill(channel)
  end
end

local function begin_second(self, channel, play, now)
  play.pulse_at, play.state = now + channel.phase2, "second"
  if channel.custom == 0 then
    channel.level = channel.phase2_volts
    return
  end
  channel.level = (65536 - (stored(self, channel).volts[channel.index] or 0)) & 0xFFFF -- mirrored at 0 V
  if channel.target == 0 then
    channel.index = channel.index + 1
  end
end

local function end_first(self, channel, play, now)
  if channel.biphasic ~= 0 and channel.between == 0 then
    begin_second(self, channel, play, now)
  elseif channel.biphasic ~= 0 then
    play.pulse_at, play.state, channel.level = now + channel.between, "gap", channel.rest
  elseif channel.custom == 0 then
    rest_until(channel, play, now + channel.interval)
  else
    end_custom_pulse(self, channel, play, now)
  end
end

local function end_second(self, channel, play, now)
  if plays_pulses(channel) then
    local list = stored(self, channel)
    if channel.index == list.count then
      return kill(channel)
    end
    rest_until(channel, play, play.base + time_of(list, channel.index))
  elseif channel.custom == 0 and channel.interval == 0 then
    play.state, play.pulse_at, channel.level = "first", now + channel.phase1, channel.phase1_volts
  else
    rest_until(channel, play, now + channel.interval)
  end
end

local after = { between = begin_pulse, first = end_first, gap = begin_second, second = end_second }

-- Bursts, trains ------------------------------------------------------------------------------------

local function end_burst(self, channel, play, now)
  if channel.custom == 0 then
    play.burst_at = now + channel.burst_gap
  else
    local list = stored(self, channel)
    channel.index = channel.index + 1
    if channel.index == list.count then
      return kill(channel)
    end
    play.burst_at = play.base + time_of(list, channel.index)
  end
  play.pulse_at, play.open, channel.level = play.burst_at, false, channel.rest
end

local function begin_burst(self, channel, play, now)
  play.burst_at, play.pulse_at = now + channel.burst, now + channel.phase1
  play.state, play.open = "first", true
  if channel.custom > 0 and channel.target == 1 then
    channel.level = stored(self, channel).volts[channel.index] or channel.level
  else
    channel.level = channel.phase1_volts
  end
end

local function begin_train(self, channel, now)
  local play = { base = now, ends_at = now + channel.duration, state = "between" }
  channel.play, channel.waits_from = play, nil
  play.open = channel.target ~= 1
  play.burst_at = now + (play.open and channel.burst or time_of(stored(self, channel), 0))
  if channel.custom == 0 then
    play.pulse_at, channel.level = now, channel.phase1_volts
  else
    play.pulse_at, channel.index = now + time_of(stored(self, channel), 0), 0
  end
end

--- One output in one cycle.
local function step(self, channel, now)
  if channel.waits_from and now == channel.waits_from + channel.delay then
    begin_train(self, channel, now)
  end
  local play = channel.play
  if play and play.open and now == play.pulse_at then
    after[play.state](self, channel, play, now)
  end
  if channel.play and channel.bursts and now == play.burst_at then
    (play.open and end_burst or begin_burst)(self, channel, play, now)
  end
  if channel.play and now == play.ends_at and channel.continuous == 0
    and (channel.custom == 0 or channel.loop == 1) then
    kill(channel)
  end
end

--- Does an output play, or is it about to?
---@param channel table
---@return boolean
function M.is_busy(channel)
  return (channel.play or channel.waits_from or channel.pending or channel.scheduled_at) and true or false
end

--- When what an output plays, or is about to play, is over by itself; nil: never.
---@param channel table a busy one
---@return integer? cycle
function Playback:over_at(channel)
  local play, length = channel.play, channel.duration
  local by_time = channel.custom == 0 or channel.loop == 1
  if channel.continuous ~= 0 then
    return nil
  elseif by_time and play then
    return play.ends_at
  elseif not by_time then
    local list = stored(self, channel)
    length = time_of(list, list.count - 1) + (channel.target == 1 and channel.burst or channel.phase1)
      + (channel.biphasic ~= 0 and channel.between + channel.phase2 or 0)
  end
  return (play and play.base or (channel.waits_from or self.cycle + 1) + channel.delay) + length
end

-- Triggers ------------------------------------------------------------------------------------------

--- Does an input end the train of this output? Modes: 1 toggle, 2 gated.
local function ended_by_input(self, channel, edges)
  for input = 1, 2 do
    local mode = self.modes[input]
    if channel["link" .. input] ~= 0 and (mode == 1 and edges[input] == "rise"
      or mode == 2 and edges[input] == "fall"
      and not (self.modes[3 - input] == 2 and self.inputs[3 - input])) then
      return true
    end
  end
end

local function look_at_triggers(self, channel, now, edges)
  if channel.play or channel.waits_from then
    if next(edges) and ended_by_input(self, channel, edges) then
      kill(channel)
    end
  elseif channel.pending or edges[1] == "rise" and channel.link1 ~= 0
    or edges[2] == "rise" and channel.link2 ~= 0 then
    channel.waits_from, channel.pending = now, false
  end
end

-- Cycles --------------------------------------------------------------------------------------------

--- Write the DAC: what changed is visible from this cycle on.
---@param cycle integer of 50 us
function Playback:write(cycle)
  for _, channel in ipairs(self.channels) do
    if channel.level ~= channel.shown then
      local before = channel.shown
      channel.shown = channel.level
      self.on_change(cycle, channel, before)
    end
  end
end

--- A cycle begins with the soft triggers that came in earlier ones, before it looks at its own message: two
--- in a row for two outputs are both played.
---@param now integer this cycle
function Playback:take_scheduled(now)
  for _, channel in ipairs(self.channels) do
    if channel.scheduled_at and channel.scheduled_at < now then
      channel.pending, channel.scheduled_at = true, nil
    end
  end
end

local function run_cycle(self, now)
  self:take_scheduled(now)
  local edges = self.edges_at and self.edges_at <= now and self.edges or {}
  if edges == self.edges then
    self.edges, self.edges_at = {}, nil
  end
  for _, channel in ipairs(self.channels) do
    look_at_triggers(self, channel, now, edges)
  end
  for _, channel in ipairs(self.channels) do
    step(self, channel, now)
  end
  self.cycle = now
  self:write(now + 1)
end

--- The next cycle in which something happens by itself, or nil.
function Playback:next_cycle()
  local soonest
  local cycle = self.cycle
  local function consider(at)
    if at and at > cycle and not (soonest and soonest <= at) then
      soonest = at
    end
  end
  for _, channel in ipairs(self.channels) do
    local play = channel.play
    consider(channel.scheduled_at and channel.scheduled_at + 1)
    if channel.waits_from then
      consider(channel.waits_from + channel.delay)
    elseif play then
      consider(play.ends_at)
      consider(play.open and play.pulse_at or nil)
      consider(channel.bursts and play.burst_at or nil)
    elseif channel.pending then
      consider(cycle + 1)
    end
  end
  consider(self.edges_at and math.max(self.edges_at, cycle + 1))
  return soonest
end

--- Let all cycles up to this one pass.
---@param cycle integer
function Playback:advance(cycle)
  while true do
    local at = self:next_cycle()
    if not at or at > cycle then
      break
    end
    run_cycle(self, at)
  end
  self.cycle = math.max(self.cycle, cycle)
end

--- A trigger input changes; seen in cycle.
---@param input integer 1 or 2
---@param level boolean it is high from then on
---@param cycle integer
function Playback:input(input, level, cycle)
  if self.inputs[input] ~= level then
    self.inputs[input] = level
    self.edges[input] = level and "rise" or "fall"
    self.edges_at = cycle
  end
end

--- Everything as after switching on.
function Playback:reset()
  for number = 1, 4 do
    local old = self.channels[number]
    self.channels[number] = new_channel(number)
    self.channels[number].shown = old and old.shown or REST
  end
  self.customs, self.modes = { { times = {}, volts = {}, count = 0 },
    { times = {}, volts = {}, count = 0 } }, { 0, 0 }
end

--- A box that was just switched on.
---@param on_change fun(cycle: integer, channel: table, before: integer) an output's voltage changed
function M.new(on_change)
  local self = setmetatable({ on_change = on_change, cycle = 0, channels = {}, inputs = { false, false },
    edges = {} }, Playback)
  self:reset()
  return self
end

return M
