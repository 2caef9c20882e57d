--- The threshold from MEP amplitudes: the particle filter of engine/threshold_filter.h.
--
-- It knows the published population (engine/muscle.h) and what each pulse gave; the next pulse is given at
-- the mean of what is known of the threshold. (4 % above it is no better: 2000 subjects each.)
local core = require "moonpulse.core"
local mep = require "moonpulse.experiment.mep"

local M = {}

local Amplitude = {}
Amplitude.__index = Amplitude

--- So many pieces the filter's particles are made in.
M.pieces = 36

--- Make a piece of them; new makes what is missing.
---@return boolean all they are all there
function M.prepare()
  return core.threshold_filter_ready()
end

--- The next intensity: whole %MSO.
---@return integer
function Amplitude:next()
  return self.start or math.min(mep.highest, math.floor(self.filter:estimate() + 0.5))
end

--- What a pulse gave.
---@param intensity integer %MSO
---@param volts number
function Amplitude:take(intensity, volts)
  self.start = nil
  self.filter:update(intensity, volts)
end

--- The median of what is known of the threshold.
---@return number %MSO
function Amplitude:estimate()
  return (select(2, self.filter:estimate()))
end

--- It holds the threshold with 95 %.
---@return { low: number, high: number, percent: number }
function Amplitude:interval()
  local _, _, low, high = self.filter:estimate()
  return { low = low, high = high, percent = 95 }
end

--- Nothing was given yet.
---@param start integer %MSO of the first pulse
function M.new(start)
  return setmetatable({ start = start, filter = core.threshold_filter() }, Amplitude)
end

return M
