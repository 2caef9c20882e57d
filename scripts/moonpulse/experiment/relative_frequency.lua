--- The threshold by relative frequency: "5 of 10", and the two thresholds of Mills and Nithi.
--
-- N of 2N: down by a step until N responses cannot be reached any more in 2N pulses; the threshold is the
-- last intensity that reached them (Rossini PM et al. 1994 Electroencephalogr Clin Neurophysiol 91:79-92). A
-- level ends as soon as it is decided. Mills-Nithi: down by 1 %MSO until none of 10 pulses gives a response,
-- the lower threshold; then up until all 10 do, the upper one; their mean (Mills KR, Nithi KA. 1997 Muscle
-- Nerve 20:570-576).
local mep = require "moonpulse.experiment.mep"

local M = {}

local Frequency, MillsNithi = {}, {}
Frequency.__index, MillsNithi.__index = Frequency, MillsNithi

local function begin_level(self, intensity)
  self.intensity, self.yes, self.no = intensity, 0, 0
end

local function count(self, volts)
  if volts >= mep.criterion then
    self.yes = self.yes + 1
  else
    self.no = self.no + 1
  end
end

--- The next intensity; nil: it has come to its end.
---@return number? %MSO
function Frequency:next()
  return not self.ended and self.intensity or nil
end

--- What a pulse gave.
---@param _ number its intensity
---@param volts number
function Frequency:take(_, volts)
  count(self, volts)
  if self.yes >= self.half then
    self.reached = self.intensity
    self.ended = self.intensity <= 0
    begin_level(self, math.max(0, self.intensity - self.step))
  elseif self.no > self.half then
    self.ended = self.reached ~= nil or self.intensity >= mep.highest
    begin_level(self, math.min(mep.highest, self.intensity + (self.ended and 0 or self.step)))
  end
end

--- The last intensity that reached as many; nil: none has.
---@return number? %MSO
function Frequency:estimate()
  return self.reached
end

MillsNithi.next = Frequency.next

--- What a pulse gave.
---@param _ number its intensity
---@param volts number
function MillsNithi:take(_, volts)
  count(self, volts)
  local seeks_lower = not self.lower
  if seeks_lower and self.yes > 0 then
    self.ended = self.intensity <= 0
    begin_level(self, math.max(0, self.intensity - 1))
  elseif seeks_lower and self.no == 10 then
    self.lower = self.intensity
    begin_level(self, self.intensity + 1)
  elseif self.yes == 10 then
    self.upper, self.ended = self.intensity, true
  elseif not seeks_lower and self.no > 0 then
    self.ended = self.intensity >= mep.highest
    begin_level(self, math.min(mep.highest, self.intensity + 1))
  end
end

--- The mean of both thresholds; nil: one was not found.
---@return number? %MSO
function MillsNithi:estimate()
  return self.upper and (self.lower + self.upper) / 2
end

--- N responses of 2N pulses.
---@param start number %MSO of the first level
---@param options { half: integer, step: number } half: N
function M.new(start, options)
  local self = setmetatable({ half = options.half, step = options.step }, Frequency)
  begin_level(self, start)
  return self
end

--- The two thresholds of Mills and Nithi.
---@param start number %MSO of the first level
function M.mills_nithi(start)
  local self = setmetatable({}, MillsNithi)
  begin_level(self, start)
  return self
end

return M
