---@meta _
--- Motor thresholds in moonpulse.core (bindings/threshold.c): simulated muscles, the estimate from MEP
--- amplitudes, and functions with the same bits on every machine. How they fail: see core.lua.

local core = {}

---@class moonpulse.core.Muscle userdata moonpulse.muscle
local Muscle = {}

--- The MEP after a pulse: the next one of its stream of chance.
---@param intensity number %MSO, 0 to 130
---@return number volts
function Muscle:respond(intensity) end

--- How often a pulse gives 50 uV or more.
---@param intensity number %MSO, 0 to 130
---@return number 0 to 1
function Muscle:probability(intensity) end

--- The intensity at which that is share: of 0.5 the true threshold.
---@param share number 0 to 1
---@return number %MSO, 0 to 130
function Muscle:intensity_of(share) end

---@class moonpulse.core.ThresholdFilter userdata moonpulse.threshold_filter
local ThresholdFilter = {}

--- A pulse gave an MEP.
---@param intensity integer %MSO, 0 to 130
---@param volts number peak to peak, 0 to 1
function ThresholdFilter:update(intensity, volts) end

--- What is known of the threshold.
---@return number mean %MSO
---@return number median
---@return number low of the interval that holds it with 95 %
---@return number high
function ThresholdFilter:estimate() end

--- Free its memory.
function ThresholdFilter:close() end

--- Somebody of the published population (engine/muscle.h), or of one that differs from it.
---@param seed integer the same seed gives the same muscle and the same MEPs
---@param differs { shift: number?, range: number?, noise: number?, spread: number? }? in sd of the
---   population, -3 to 3; spread as a part of it, -0.5 to 1
---@return moonpulse.core.Muscle
function core.muscle(seed, differs) end

--- Make some parts of what every filter begins with: a hundredth of a second or two. The first
--- filter makes what is missing at once.
---@return boolean true: it is whole, which it is after 36 calls
function core.threshold_filter_ready() end

--- A particle filter (engine/threshold_filter.h) that knows nothing but the population. Raises if memory is
--- out.
---@return moonpulse.core.ThresholdFilter
function core.threshold_filter() end

--- The exponential, with the same bits on every machine.
---@param x number
---@return number
function core.exact_exp(x) end

--- The natural logarithm, with the same bits on every machine; -708 for what has none.
---@param x number
---@return number
function core.exact_log(x) end

--- The integral of the normal distribution up to x, within 7.5e-8, with the same bits on every machine.
---@param x number
---@return number 0 to 1
function core.exact_normal(x) end

return { core = core, Muscle = Muscle, ThresholdFilter = ThresholdFilter }
