--- The phase of a rhythm in samples that come one after the other, and when it will have another one. Causal:
--- nothing but what has come is used, and the same samples give the same numbers on every machine.
---
--- The rhythm is a point that goes round at its frequency and strays from it, seen in noise: a Kalman filter
--- follows it (Matsuda and Komaki 2017, Neural Comput 29:332-367; in real time Wodeyar et al. 2021, eLife
--- 10:e68803). Its frequency is looked for where the last seconds have most power, within the band, and then
--- follows the phase, as a phase-locked loop's does. How noisy it is comes from what the filter did not
--- foresee, near that frequency alone: EEG is not white.
local angle = require "moonpulse.experiment.angle"

local M = {}

local Rhythm = {}
Rhythm.__index = Rhythm

local two_pi <const> = 6.283185307179586
local steps_hz <const> = 128 -- samples are taken together to about so many steps a second
local memory_s <const> = 3 -- of the frequency's search
local grid_hz <const> = 0.25
local slow_hz <const> = 1.5 -- what is slower is taken away
local stray <const> = 0.3 -- rad2/s: so much the phase strays from its frequency
local pull <const> = 0.25 -- of what turned the phase: so much goes to its frequency
local back_s <const> = 3 -- in so long that comes back to where the search finds most power
local gap_s <const> = 2 -- what is not seen for so long has to be found again
local near_hz <const> = 3 -- noise is measured within about that of the frequency
local level_s <const> = 3 -- memory of the noise's and the rhythm's power
M.warm_up_s = 3 -- before that nothing is known

--- Nothing has come yet, or nothing that still counts.
local function begin(self)
  self.steps, self.sum, self.count, self.missing = 0, 0, 0, false
  self.slow = nil
  self.c, self.s, self.p11, self.p12, self.p22 = 0, 0, 0, 0, 0
  self.near_c, self.near_s, self.noise, self.power = 0, 0, 0, 0
  self.spin, self.gap = 0, 0
  for _, each in ipairs(self.bank) do
    each.c, each.s = 0, 0
  end
end

--- It goes round at hz from now on.
local function tune(self, hz)
  self.hz = hz
  self.cosine, self.sine = angle.point(hz / self.step_hz)
  -- what taking the slow away did to it
  local keep = 1 - self.slow_share
  local top_c, top_s = 1 - self.cosine, self.sine -- of z to the -1
  local low_c, low_s = 1 - keep * self.cosine, keep * self.sine
  self.lead = angle.of(top_c * low_c + top_s * low_s, top_s * low_c - top_c * low_s)
  self.gain = keep * math.sqrt((top_c * top_c + top_s * top_s) / (low_c * low_c + low_s * low_s))
end

--- An estimator of samples that come at that rate.
---@param rate number samples a second
---@param low number Hz
---@param high number Hz
function M.new(rate, low, high)
  local block = math.max(1, math.floor(rate / steps_hz))
  local step_hz = rate / block
  local self = setmetatable({ rate = rate, block = block, step_hz = step_hz, bank = {} }, Rhythm)
  local count = math.max(1, math.ceil((high - low) / grid_hz))
  for i = 0, count do
    local hz = low + (high - low) * i / count
    local cosine, sine = angle.point(hz / step_hz)
    local keep = 1 - 1 / (memory_s * step_hz)
    self.bank[i + 1] = { hz = hz, cosine = cosine * keep, sine = sine * keep, c = 0, s = 0 }
  end
  self.slow_share = two_pi * slow_hz / step_hz / (1 + two_pi * slow_hz / step_hz)
  self.near_share = two_pi * near_hz / step_hz / (1 + two_pi * near_hz / step_hz)
  begin(self)
  tune(self, self.bank[(#self.bank + 1) // 2].hz)
  return self
end

--- Forget what came: it does not go on from there.
Rhythm.forget = begin

--- The frequency with most power, between the grid's by a parabola.
local function search(self)
  local best, most = 1, -1
  local bank = self.bank
  for i, each in ipairs(bank) do
    local power = each.c * each.c + each.s * each.s
    each.power = power
    if power > most then
      best, most = i, power
    end
  end
  local hz = bank[best].hz
  if best > 1 and best < #bank then
    local before, after = bank[best - 1].power, bank[best + 1].power
    local curve = before - 2 * most + after
    if curve < 0 then
      hz = hz + 0.5 * (before - after) / curve * (bank[2].hz - bank[1].hz)
    end
  end
  return hz
end

--- What the point is now, by what it was: it goes on, and may stray.
local function predict(self)
  local c, s = self.cosine, self.sine
  self.c, self.s = c * self.c - s * self.s, s * self.c + c * self.s
  local p11, p12, p22 = self.p11, self.p12, self.p22
  local stray_power = self.power * stray / self.step_hz
  self.p11 = c * c * p11 - 2 * c * s * p12 + s * s * p22 + stray_power
  self.p12 = c * s * (p11 - p22) + (c * c - s * s) * p12
  self.p22 = s * s * p11 + 2 * c * s * p12 + c * c * p22 + stray_power
end

--- What was not foreseen, near the frequency: the noise that is in the way of the phase.
local function measure_noise(self, off)
  self.spin = (self.spin + self.hz / self.step_hz) % 1
  local cosine, sine = angle.point(self.spin)
  local share = self.near_share
  self.near_c = self.near_c + share * (off * cosine - self.near_c)
  self.near_s = self.near_s + share * (off * sine - self.near_s)
  local power = (self.near_c * self.near_c + self.near_s * self.near_s) * (2 - share) / share
  local memory = 1 / math.min(self.steps + 1, level_s * self.step_hz)
  self.noise = self.noise + memory * (power - self.noise)
end

local function update(self, value)
  local off = value - self.c
  measure_noise(self, off)
  local whole = self.p11 + math.max(self.noise, 1e-300)
  local k1, k2 = self.p11 / whole, self.p12 / whole
  local c, s, bank = self.c, self.s, self.bank
  self.c, self.s = c + k1 * off, s + k2 * off
  if self.steps > self.step_hz then
    local turned = (c * k2 - s * k1) * off / math.max(c * c + s * s, 1e-300) / two_pi
    local hz = self.hz + turned * pull * (self.p11 + self.p22) / whole * self.step_hz / 2
    tune(self, math.max(bank[1].hz, math.min(bank[#bank].hz, hz)))
  end
  self.p22 = self.p22 - k2 * self.p12
  self.p12 = self.p12 - k1 * self.p12
  self.p11 = self.p11 - k1 * self.p11
end

--- The samples of a step are there; nil: some of them do not count.
local function step(self, value)
  self.gap = value and 0 or self.gap + 1
  if self.gap > gap_s * self.step_hz or not value and self.steps == 0 then
    return begin(self)
  elseif value then
    self.slow = self.slow or value
    self.slow = self.slow + self.slow_share * (value - self.slow)
    value = value - self.slow
  end
  for _, each in ipairs(self.bank) do
    local c = each.c
    each.c = c * each.cosine - each.s * each.sine + (value or 0)
    each.s = c * each.sine + each.s * each.cosine
  end
  if self.steps % 8 == 7 then
    local share = self.steps < M.warm_up_s * self.step_hz and 1 or 8 / self.step_hz / back_s
    tune(self, self.hz + (search(self) - self.hz) * share)
  end
  predict(self)
  if value then
    if self.steps < self.step_hz then -- the first second says what there is at all
      self.power = self.power + (value * value - self.power) / (self.steps + 1)
    end
    update(self, value)
  end
  if self.steps >= self.step_hz then
    local power = math.max(0, self.c * self.c + self.s * self.s - self.p11 - self.p22)
    self.power = self.power + (power - self.power) / (level_s * self.step_hz)
  end
  self.steps = self.steps + 1
end

--- The next sample.
---@param value number? nil: it does not count, as right after a pulse
function Rhythm:add(value)
  self.count = self.count + 1
  self.missing = self.missing or value == nil
  self.sum = self.sum + (value or 0)
  if self.count == self.block then
    step(self, not self.missing and self.sum / self.block or nil)
    self.sum, self.count, self.missing = 0, 0, false
  end
end

--- What is known of the rhythm.
---@param ahead number seconds from the last sample to the instant that is meant
---@return { phase: number, hz: number, amplitude: number, sd_degrees: number }? now phase: then, in turns;
---   amplitude: in the samples' unit; sd_degrees: expected of the phase then; nil: too little has come
function Rhythm:now(ahead)
  local amplitude2 = self.c * self.c + self.s * self.s
  if self.steps < M.warm_up_s * self.step_hz or amplitude2 <= 0 then
    return nil
  end
  local across = (self.s * self.s * self.p11 - 2 * self.c * self.s * self.p12 + self.c * self.c * self.p22)
    / amplitude2
  local since = self.count / self.rate + (self.block - 1) / 2 / self.rate + ahead
  across = (across + self.power * stray * since) / amplitude2
  local _, half = angle.point(self.hz / self.rate / 2)
  local _, all = angle.point(self.hz / self.rate / 2 * self.block)
  return { phase = angle.of(self.c, self.s) - self.lead + since * self.hz, hz = self.hz,
    amplitude = math.sqrt(amplitude2) / self.gain * self.block * half / all,
    sd_degrees = math.min(104, 360 / two_pi * math.sqrt(across)) }
end

return M
