--- Threshold hunting by maximum likelihood: ML-PEST.
--
-- The response curve is a cumulative normal one, P(yes) = Phi((intensity - threshold) / (0.07 threshold)),
-- and the next pulse is given at the likeliest threshold so far; before the first answer there are a "no" at
-- 0 and a "yes" at 130.2 %MSO (Awiszus F. 2003 TMS and threshold hunting, Suppl Clin Neurophysiol 56:13-23).
local core = require "moonpulse.core"
local mep = require "moonpulse.experiment.mep"

local M = {}

local MlPest = {}
MlPest.__index = MlPest

local spread, step, count = 0.07, 0.2, 650 -- thresholds from 0.2 to 130 %MSO
local cached = {} -- by intensity: what a yes, and a no, says of each threshold

--- The logarithm of how likely a yes and a no are there, at each threshold.
local function said_at(intensity)
  local said = cached[intensity]
  if not said then
    said = { [true] = {}, [false] = {} }
    for i = 1, count do
      local z = (intensity - i * step) / (spread * i * step)
      said[true][i] = core.exact_log(core.exact_normal(z))
      said[false][i] = core.exact_log(core.exact_normal(-z))
    end
    cached[intensity] = said
  end
  return said
end

local function add(self, intensity, yes)
  for i, said in ipairs(said_at(intensity)[yes]) do
    self.likely[i] = self.likely[i] + said
  end
end

--- The likeliest threshold, the middle of those that are equally likely.
---@return number %MSO
function MlPest:estimate()
  local best, sum, equal = -math.huge, 0, 0
  for i = 1, count do
    if self.likely[i] > best then
      best, sum, equal = self.likely[i], 0, 0
    end
    if self.likely[i] == best then
      sum, equal = sum + i, equal + 1
    end
  end
  return sum / equal * step
end

--- The next intensity: whole %MSO.
---@return integer
function MlPest:next()
  return self.start or math.floor(self:estimate() + 0.5)
end

--- What a pulse at that intensity gave.
---@param intensity number %MSO
---@param volts number
function MlPest:take(intensity, volts)
  self.start = nil
  add(self, intensity, volts >= mep.criterion)
end

--- Nothing was given yet.
---@param start number %MSO of the first pulse
function M.new(start)
  local self = setmetatable({ start = start, likely = {} }, MlPest)
  for i = 1, count do
    self.likely[i] = 0
  end
  add(self, 0, false)
  add(self, 130.2, true)
  return self
end

return M
