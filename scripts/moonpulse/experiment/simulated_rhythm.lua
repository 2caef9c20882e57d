--- A rhythm of the EEG as run:signal simulates it: an oscillation whose frequency and amplitude drift slowly,
--- in pink noise, one sample after the other. It knows its phase, which nobody is told who estimates it.
local angle = require "moonpulse.experiment.angle"
local core = require "moonpulse.core"

local M = {}

local Rhythm = {}
Rhythm.__index = Rhythm

M.band_hz = { 1, 45 } -- the noise between these is what snr_db compares the rhythm with
local amplitude <const> = 10 -- uV, on the average
-- they drift as an Ornstein-Uhlenbeck process does: their sd, and how long they remember
local drift = { hz_sd = 0.3, hz_s = 5, amplitude_sd = 0.25, amplitude_s = 2 }
local least_share <const> = 0.2 -- of the amplitude: it never is quite gone
local drift_s <const> = 0.01 -- they are moved so often
local lowest_hz <const>, ratio <const> = 0.5, 4 -- of the noise's first pole; from one to the next

--- Roughly normal, of variance 1: the sum of four uniform ones, of one draw.
local function normal(self)
  self.count = self.count + 1
  local bits = core.draw(self.seed, self.count, (1 << 52) - 1)
  local sum = (bits & 8191) + (bits >> 13 & 8191) + (bits >> 26 & 8191) + (bits >> 39)
  return (sum - 16382) * (1.7320508075688772 / 8192)
end

--- Poles and zeros in turn, each twice as high as the one before: in between, power falls as 1/f.
local function sections_of(rate)
  local sections, hz = {}, lowest_hz
  local function place(at)
    local x = 3.141592653589793 * at / rate
    return (1 - x) / (1 + x)
  end
  while hz < rate / 3 do
    sections[#sections + 1] = { pole = place(hz), zero = place(2 * hz), was = 0 }
    hz = hz * ratio
  end
  return sections
end

--- The power of the noise within the band, of white noise of variance 1 that its sections make pink.
local function power_within(sections, rate, low, high)
  local sum, pieces = 0, 64
  for i = 1, pieces do
    local cosine = angle.point((low + (high - low) * (i - 0.5) / pieces) / rate)
    local power = 1
    for _, each in ipairs(sections) do
      power = power * (1 - 2 * each.zero * cosine + each.zero * each.zero)
        / (1 - 2 * each.pole * cosine + each.pole * each.pole)
    end
    sum = sum + power
  end
  return 2 * (high - low) / rate * sum / pieces
end

--- Move a drifting value on.
local function moved(self, value, memory_s)
  local share = self.every / self.rate / memory_s
  return value * (1 - share) + normal(self) * math.sqrt(2 * share)
end

--- Frequency and amplitude for the next samples.
local function move(self)
  self.off_hz = moved(self, self.off_hz, drift.hz_s)
  self.off_amplitude = moved(self, self.off_amplitude, drift.amplitude_s)
  self.step = (self.hz + drift.hz_sd * self.off_hz) / self.rate
  self.amplitude = amplitude * math.max(least_share, 1 + drift.amplitude_sd * self.off_amplitude)
end

--- The next sample; phase is the rhythm's then, in turns, 0 at its positive peak.
---@return number uV
function Rhythm:next()
  if self.left == 0 then
    self.left = self.every
    move(self)
  end
  self.left = self.left - 1
  self.phase = (self.phase + self.step) % 1
  local noise = normal(self) * self.scale
  for _, each in ipairs(self.sections) do
    local inner = noise + each.pole * each.was
    noise, each.was = inner - each.zero * each.was, inner
  end
  return self.amplitude * (angle.point(self.phase)) + noise
end

--- The seed of a run's number-th signal: its positions are far from those of moonpulse.experiment.draws.
---@param seed integer of the run
---@param number integer
---@return integer
function M.seed_of(seed, number)
  return core.draw(seed, (3 << 40) + number, 0x7FFFFFFF)
end

--- One that has not begun.
---@param seed integer
---@param of { hz: number, snr_db: number, rate: number } hz: on the average; snr_db: the rhythm's mean power
---   over that of the noise within band_hz; rate: samples a second
---@return { next: (fun(self: table): number), phase: number }
function M.new(seed, of)
  local sections = sections_of(of.rate)
  local power = amplitude * amplitude / 2 * (1 + drift.amplitude_sd * drift.amplitude_sd)
  local noise = power_within(sections, of.rate, M.band_hz[1], M.band_hz[2])
  local ten_db <const> = 0.23025850929940457 -- a tenth of the logarithm of 10
  local self = setmetatable({ seed = seed, count = 0, hz = of.hz, rate = of.rate, sections = sections,
    left = 0, every = math.max(1, math.floor(drift_s * of.rate + 0.5)), off_hz = 0, off_amplitude = 0,
    scale = math.sqrt(power / noise * core.exact_exp(-of.snr_db * ten_db)) }, Rhythm)
  self.off_hz, self.off_amplitude = normal(self), normal(self)
  self.phase = core.draw(seed, -1, (1 << 52) - 1) / (1 << 52)
  for _ = 1, 4 * of.rate // 1 do -- the noise has no beginning
    local noise_in = normal(self) * self.scale
    for _, each in ipairs(sections) do
      local inner = noise_in + each.pole * each.was
      noise_in, each.was = inner - each.zero * each.was, inner
    end
  end
  return self
end

return M
