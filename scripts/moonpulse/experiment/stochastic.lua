--- The threshold by stochastic approximation: after each pulse a step against what it gave, and smaller ones
--- as it goes on.
--
-- Digital: the step is as long for any response as for none. Analog: it goes with the logarithm of the MEP
-- over 50 uV. "H": the n-th step is 1/n of the first. "HA": a step gets shorter only where the direction
-- changes (Wang B, Peterchev AV, Goetz SM. 2023 J Neural Eng, doi:10.1088/1741-2552/acf1cc; Robbins H, Monro
-- S. 1951 Ann Math Stat 22:400-407, doi:10.1214/aoms/1177729586; Kesten H. 1958 Ann Math Stat 29:41-59).
local core = require "moonpulse.core"
local mep = require "moonpulse.experiment.mep"

local M = {}

local Stochastic = {}
Stochastic.__index = Stochastic

local ten = core.exact_log(10)

--- The first steps of the published variants, in %MSO; of the analog one for each decade.
M.first = { digital = 6.7, harmonic_at_turns = 4.2, analog = 20 / 3 }

--- The next intensity: whole %MSO.
---@return integer
function Stochastic:next()
  return math.floor(self.place + 0.5)
end

--- What a pulse gave.
---@param _ number its intensity
---@param volts number
function Stochastic:take(_, volts)
  local away = self.analog and core.exact_log(volts / mep.criterion) / ten
    or volts >= mep.criterion and 1 or -1
  local direction = away > 0 and 1 or -1
  if not self.turns_only or self.direction and direction ~= self.direction then
    self.count = self.count + 1
  end
  self.direction = direction
  self.place = math.min(self.highest, math.max(self.lowest, self.place - self.first / self.count * away))
end

--- Where the next pulse would be given, not rounded.
---@return number %MSO
function Stochastic:estimate()
  return self.place
end

--- Nothing was given yet.
---@param start number %MSO of the first pulse
---@param options { first: number, analog: boolean?, turns_only: boolean?, lowest: number?, highest: number? }
---   first step; turns_only: "HA"; bounds of intensities, 0 and 130 %MSO
function M.new(start, options)
  return setmetatable({ place = start, first = options.first, analog = options.analog,
    turns_only = options.turns_only, count = options.turns_only and 1 or 0, lowest = options.lowest or 0,
    highest = options.highest or mep.highest }, Stochastic)
end

return M
