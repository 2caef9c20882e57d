--- The machine inside the MagVenture simulator: capacitor, coil, trains, and the events it reports.
--- All functions take the simulator's state (made in ../magventure.lua) and the model's time.
local frames = require "moonpulse.simulators.magventure.frames"
local limits = require "moonpulse.simulators.magventure.limits"
local slack = require "moonpulse.simulation.slack"

local M = {}

---@class moonpulse.MagventureMachine: moonpulse.Simulator its state, made by moonpulse.simulators.magventure

local char, exp, floor = string.char, math.exp, math.floor

-- Ours, not the maker's: with heating = 0.016 (degrees per pulse at 100 %, by amplitude squared)
-- 3000 pulses at 10 Hz without a break at 60 % end near 37 C; 10 Hz at 100 % stops in two minutes.
local AMBIENT_C, COOLING_S = 22, 600
local LIMIT_C, REARM_C = 40, 38
M.LIMIT_C = LIMIT_C
local FALL_C = 0.25 -- the shown degree falls this late, so that it does not flicker
local DECAY_PER_NS = -1e-9 / COOLING_S
local BURST_RECHARGE_NS = 10000000 -- after the last pulse of a burst or pair; ours
local NS_PER_TENTH_MS, NS_PER_TENTH_S = 100000, 100000000

-- What a call hands back. The tables are used again by the next call. -----------------------------

--- Start a call: the time never runs backwards.
---@param self moonpulse.MagventureMachine
---@param now integer the caller's time
---@return integer now the machine's
function M.begin(self, now)
  if now > self.now_ns then
    self.now_ns = now
  end
  self.reply_count, self.log_count = 0, 0
  return self.now_ns
end

local function cut(list, count, before)
  for i = count + 1, before do
    list[i] = nil
  end
end

--- End a call: both lists cut to length, nil where empty.
---@param self moonpulse.MagventureMachine
---@return moonpulse.SimulatorReply[]? replies
---@return moonpulse.SimulatorEvent[]? log
function M.results(self)
  local reply_count, log_count = self.reply_count, self.log_count
  if reply_count ~= self.replies_before then
    cut(self.replies, reply_count, self.replies_before)
    self.replies_before = reply_count
  end
  if log_count ~= self.log_before then
    cut(self.log, log_count, self.log_before)
    self.log_before = log_count
  end
  return reply_count > 0 and self.replies or nil, log_count > 0 and self.log or nil
end

--- A line of the log. Tables are used again: a pulse makes none.
---@param self moonpulse.MagventureMachine
---@param now integer of its clock, ns
---@param event string as of moonpulse.SimulatorEvent
---@param bytes string
---@param text string?
---@param given table?
function M.note(self, now, event, bytes, text, given)
  local count = self.log_count + 1
  local entry = self.log_pool[count]
  if not entry then
    entry = {}
    self.log_pool[count] = entry
  end
  entry.event, entry.bytes, entry.note, entry.at_ns, entry.given = event, bytes, text, now, given
  self.log[count] = entry
  self.log_count = count
end
local note = M.note

local function reply_at(self, at, bytes)
  local count = self.reply_count + 1
  self.reply_count = count
  local reply = self.reply_pool[count]
  if not reply then
    reply = {}
    self.reply_pool[count] = reply
  end
  reply.at_ns, reply.bytes = at, bytes
  if count == 1 then
    self.replies[1] = reply
    return
  end
  local replies, place = self.replies, count
  while place > 1 and replies[place - 1].at_ns > at do -- only a burst's event can be later
    replies[place] = replies[place - 1]
    place = place - 1
  end
  replies[place] = reply
end

--- Jittered latency; a later answer never overtakes an earlier one.
local function jittered(self, now)
  self.random = self.random * 6364136223846793005 + 1442695040888963407
  local at = now + self.latency_ns + (self.random >> 33) * self.jitter_ns // (1 << 31)
  if at < self.answered_ns then
    at = self.answered_ns
  end
  self.answered_ns = at
  return at
end

local function answer_time(self, now)
  return self.jitter_ns > 0 and jittered(self, now) or now + self.latency_ns
end

--- A reply, on its way after the machine's latency.
---@param self moonpulse.MagventureMachine
---@param now integer of its clock, ns
---@param payload string
function M.answer(self, now, payload)
  reply_at(self, answer_time(self, now), frames.build(payload))
end
local answer = M.answer

-- State -------------------------------------------------------------------------------------------

--- The byte that many replies hold: mode, waveform, enabled, model.
---@param self moonpulse.MagventureMachine
---@return integer
function M.flags(self)
  return self.mode | self.waveform << 2 | (self.enabled and 16 or 0) | self.model << 5
end
local flags = M.flags

--- Amplitude B; in Twin it is A times the B/A ratio (ours).
---@param self moonpulse.MagventureMachine
---@return integer %MSO
function M.amplitude_b(self)
  if self.mode == limits.TWIN then
    return math.min(100, (self.amplitude_a * (100 - self.ba_byte) * 5 + 50) // 100)
  end
  return self.amplitude_b
end

--- How fast it fires as it is set, by its maker's table.
---@param self moonpulse.MagventureMachine
---@return number Hz
function M.max_rate(self)
  return limits.max_rate(self.model, self.mode, self.waveform)
end

--- What leaves the one coil with a pulse at that amplitude: the log's columns.
local function given(self, percent)
  return { channel = "1", intensity = percent, waveform = limits.WAVEFORMS[self.waveform],
    mode = limits.MODES[self.mode] }
end

--- Everything a pulse needs, worked out when a setting changes and not when a pulse comes.
---@param self moonpulse.MagventureMachine
function M.derive(self)
  local a, b = self.amplitude_a, M.amplitude_b(self)
  local paired, burst = self.mode >= limits.TWIN, self.waveform == limits.BURST
  local count = paired and 2 or burst and self.burst_pulses or 1
  local recharge = floor(1e9 / M.max_rate(self) + 0.5)
  self.pulses_per_fire, self.ipi_ns = count, self.ipi * NS_PER_TENTH_MS
  self.has_field = a > 0 or (paired and b > 0)
  self.span_ns = (count - 1) * self.ipi * NS_PER_TENTH_MS
  if count > 1 then
    recharge = math.max(recharge, self.span_ns + BURST_RECHARGE_NS)
  end
  self.recharge_ns = recharge + self.charge_ms * 1000000
  self.heat_c = self.heating * (paired and a * a + b * b or count * a * a) / 10000
  local didt_b = paired and (b * 13 + 5) // 10 or 0 -- 1.3 A/us per percent: 50 % gives 65
  self.pulse_frame = frames.build(char(2, (a * 13 + 5) // 10, didt_b, flags(self)))
  self.given_first = given(self, a)
  self.given_more = paired and given(self, b) or self.given_first
  self.pulse_note = paired and "pair" or burst and "burst of " .. count or a .. " %"
end

--- The event of both amplitudes.
---@param self moonpulse.MagventureMachine
---@param now integer of its clock, ns
function M.say_amplitude(self, now)
  answer(self, now, char(1, self.amplitude_a, M.amplitude_b(self), flags(self)))
end

local function say_temperature(self, now)
  answer(self, now, char(3, self.shown_c, self.coil_type, flags(self)))
end

--- The event of its page, and of whether a train runs.
---@param self moonpulse.MagventureMachine
---@param now integer of its clock, ns
function M.say_page(self, now)
  answer(self, now, char(8, self.page, self.train and 1 or 0, flags(self)))
end

--- A train that runs ends here, which is reported.
---@param self moonpulse.MagventureMachine
---@param now integer of its clock, ns
function M.stop_train(self, now)
  if self.train then
    self.train = nil
    M.say_page(self, now)
  end
end

--- Nothing more comes of what was started: neither the rest of a burst nor of a train.
---@param self moonpulse.MagventureMachine
---@param now integer of its clock, ns
function M.cease(self, now)
  self.burst, self.edge_ns = nil, nil
  M.stop_train(self, now)
end

-- Coil --------------------------------------------------------------------------------------------

local function cool(self, now)
  local passed = now - self.cooled_ns
  if passed > 0 then
    if passed ~= self.decay_ns then -- regular pulses share one exponential
      self.decay_ns, self.decay = passed, exp(passed * DECAY_PER_NS)
    end
    self.temperature_c = AMBIENT_C + (self.temperature_c - AMBIENT_C) * self.decay
    self.cooled_ns = now
  end
end

--- Show the whole degree, and note where the next change lies.
---@param self moonpulse.MagventureMachine
function M.mark(self)
  local shown = floor(self.temperature_c)
  self.shown_c, self.rises_c, self.falls_c = shown, shown + 1, shown - FALL_C
end

local function show_temperature(self, now)
  local celsius = self.temperature_c
  M.mark(self)
  local is_hot = celsius >= LIMIT_C
  local stops = is_hot and self.enabled
  self.over_temperature = self.over_temperature or is_hot
  if stops then
    self.enabled = false
    M.derive(self)
    note(self, now, "disarm", "", "over temperature")
  end
  say_temperature(self, now)
  if stops then
    M.say_amplitude(self, now)
    M.cease(self, now)
  end
end

--- Report the temperature where the shown degree changed; switch off at the limit.
---@param self moonpulse.MagventureMachine
---@param now integer of its clock, ns
function M.settle(self, now)
  if now > self.cooled_ns then
    cool(self, now)
  end
  local celsius = self.temperature_c
  if celsius >= self.rises_c or celsius < self.falls_c then
    show_temperature(self, now)
  end
end

--- The coil is at its limit; settle() then does what follows from it.
---@param self moonpulse.MagventureMachine
---@param now integer of its clock, ns
function M.overheat(self, now)
  cool(self, now)
  self.temperature_c = LIMIT_C + 0.0
end

--- When the shown degree will fall (or rise to ambient) by itself; nil if never.
---@param self moonpulse.MagventureMachine
---@param now integer of its clock, ns
---@return integer?
function M.next_cooling(self, now)
  local rise = self.temperature_c - AMBIENT_C
  local target = (rise > 0 and self.falls_c or self.rises_c) - AMBIENT_C
  if rise * target <= 0 then
    return nil
  end
  local wait_ns = math.log(rise / target) * COOLING_S * 1e9
  return now + math.max(1000000, math.ceil(wait_ns))
end

-- Pulses ------------------------------------------------------------------------------------------

--- reply_at() and note() for a call's first pulse: virtual-time runs make millions of these.
local function first_pulse(self, now, at, frame)
  local reply, entry = self.reply_pool[1], self.log_pool[1]
  reply.at_ns, reply.bytes = at, self.pulse_frame
  entry.event, entry.bytes, entry.note, entry.at_ns = "pulse", frame, self.pulse_note, now
  entry.given = self.given_first
  self.replies[1], self.log[1] = reply, entry
  self.reply_count, self.log_count = 1, 1
end

--- Event 02: after each pulse, or once when a burst or pair is over, as the option burst_reports says.
local function report_pulse(self, now, index, count)
  if index == count or self.reports_each then
    reply_at(self, self.jitter_ns > 0 and jittered(self, now) or now + self.latency_ns,
      self.pulse_frame)
  end
end

--- Fire once: a pulse, or the first of a burst or pair. `frame` is the command that asked for it;
--- empty in a train.
---@param self moonpulse.MagventureMachine
---@param now integer of its clock, ns
---@param frame string
function M.discharge(self, now, frame)
  if not self.enabled then
    return note(self, now, "ignored", frame, "not enabled")
  elseif now < self.charged_at_ns then
    return note(self, now, "ignored", frame, "not charged")
  elseif not self.has_field then
    return note(self, now, "ignored", frame, "amplitude 0")
  end
  local passed, celsius = now - self.cooled_ns, self.temperature_c
  if passed == self.decay_ns then -- as cool() does; here for speed
    celsius = AMBIENT_C + (celsius - AMBIENT_C) * self.decay
    self.cooled_ns = now
  else
    cool(self, now)
    celsius = self.temperature_c
  end
  self.temperature_c = celsius + self.heat_c
  self.charged_at_ns = now + self.recharge_ns - slack.of(self, self.recharge_ns)
  self.pulses = self.pulses + 1
  self.discharges = self.discharges + 1
  local count = self.pulses_per_fire
  if count == 1 and self.reply_count + self.log_count == 0 and self.jitter_ns == 0 and not self.train then
    return first_pulse(self, now, now + self.latency_ns, frame)
  elseif count > 1 then
    self.burst = { start_ns = now, next_ns = now + self.ipi_ns, index = 1, count = count }
  end
  note(self, now, "pulse", frame, self.train and "train" or self.pulse_note, self.given_first)
  report_pulse(self, now, 1, count)
end

--- The next pulse of a burst or pair, in its time.
local function burst_pulse(self)
  local burst = self.burst
  local now = burst.next_ns
  burst.index = burst.index + 1
  burst.next_ns = burst.start_ns + burst.index * self.ipi_ns
  self.pulses = self.pulses + 1
  note(self, now, "pulse", "", self.train and "train" or self.pulse_note, self.given_more)
  report_pulse(self, now, burst.index, burst.count)
  if burst.index == burst.count then
    self.burst = nil
  end
end

--- Would the next pulse be like the last? Below the room's temperature a coil warms by itself, sooner than it
--- last said.
---@param self moonpulse.MagventureMachine
---@return boolean
function M.is_steady(self)
  return self.enabled and self.has_field and self.pulses_per_fire == 1 and not self.train
    and self.jitter_ns == 0 and self.temperature_c >= AMBIENT_C
end

--- discharge() and settle() as numbers, until the shown degree changes; frame is the command.
---@param self moonpulse.MagventureMachine
---@param frame string
---@return moonpulse.Steady
function M.steady(self, frame)
  return {
    log = { event = "pulse", bytes = frame, note = self.pulse_note, given = self.given_first },
    reply = self.pulse_frame, reply_ns = self.latency_ns,
    ready_ns = self.charged_at_ns, recharge_ns = self.recharge_ns,
    coil = { ambient_c = AMBIENT_C, per_ns = DECAY_PER_NS, rise_c = self.heat_c,
      celsius = self.temperature_c, at_ns = self.cooled_ns,
      low_c = self.falls_c, high_c = self.rises_c },
  }
end

--- `count` pulses were fired; `after` is the table of steady() as the last one left it.
---@param self moonpulse.MagventureMachine
---@param after moonpulse.Steady
---@param count integer
---@return integer? next_ns as of next_cooling() then
function M.passed(self, after, count)
  self.temperature_c, self.cooled_ns = after.coil.celsius, after.coil.at_ns
  self.charged_at_ns = after.ready_ns
  self.pulses = self.pulses + count
  self.discharges = self.discharges + count
  return M.next_cooling(self, self.cooled_ns)
end

--- Enable or disable, by command or by hand.
---@param self moonpulse.MagventureMachine
---@param now integer of its clock, ns
---@param on boolean
---@param frame string the command; "": by hand
function M.set_enabled(self, now, on, frame)
  cool(self, now)
  if on and self.over_temperature then
    if self.temperature_c >= REARM_C then
      return note(self, now, "ignored", frame, ("over temperature: %.1f C, enables below %d C")
        :format(self.temperature_c, REARM_C))
    end
    self.over_temperature = false
  end
  if self.stuck_armed and not on then
    return note(self, now, "ignored", frame, "stuck armed")
  end
  self.enabled = on
  M.derive(self)
  M.say_amplitude(self, now)
  say_temperature(self, now)
  M.say_amplitude(self, now)
  note(self, now, on and "arm" or "disarm", frame, on and "enabled" or "disabled")
  if not on then
    M.cease(self, now)
  end
end

-- Trains ------------------------------------------------------------------------------------------

--- The next pulse's time, from the start and never as a sum; the inter-train interval runs from
--- the last pulse of a train to the first of the next.
local function onset(train)
  local done = train.index // train.pulses
  local gaps = done * (train.pulses - 1) + train.index % train.pulses
  return train.start_ns + (gaps * 10000000000 + train.rate // 2) // train.rate
    + done * train.iti * NS_PER_TENTH_S
end

--- The program that is set runs from now on, which is reported.
---@param self moonpulse.MagventureMachine
---@param now integer of its clock, ns
function M.start_train(self, now)
  local set = self.program
  self.stimuli = 0
  self.train = { start_ns = now, next_ns = now, index = 0,
    rate = set.rate, pulses = set.pulses, trains = set.trains, iti = set.iti }
  M.say_page(self, now)
end

--- When the machine fires next by itself; nil: it does not.
---@param self moonpulse.MagventureMachine
---@return integer?
function M.next_pulse(self)
  local train, burst = self.train, self.burst
  local next_ns = burst and burst.next_ns
  if train and not (next_ns and next_ns <= train.next_ns) then
    next_ns = train.next_ns
  end
  if self.edge_ns and not (next_ns and next_ns <= self.edge_ns) then
    next_ns = self.edge_ns
  end
  return next_ns
end

local function train_pulse(self, train)
  local at = train.next_ns
  M.discharge(self, at, "")
  train.index = train.index + 1
  self.stimuli = train.index
  train.next_ns = onset(train)
end

--- Fire what is due: the rest of a burst, and what a running train has. A train is over with the
--- last pulse of its last burst.
---@param self moonpulse.MagventureMachine
---@param now integer of its clock, ns
function M.run_due(self, now)
  local at = M.next_pulse(self)
  while at and at <= now do
    local train, burst = self.train, self.burst
    if burst and burst.next_ns == at then
      burst_pulse(self)
    elseif self.edge_ns == at then -- an edge on the trigger input, its delay ago
      self.edge_ns = nil
      M.discharge(self, at, "")
    else
      train_pulse(self, train)
    end
    if train and not self.burst and train.index == train.pulses * train.trains then
      M.stop_train(self, at)
    end
    M.settle(self, at)
    at = M.next_pulse(self)
  end
end

return M
