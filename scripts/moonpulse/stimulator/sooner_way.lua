--- Single pulses that a device can give in another way (a BiStim: B alone instead of A alone): a plan of an
--- experiment is given in the way that the armed device is set for sooner, from what it was told last. A test
--- pulse alone behind a pair keeps the pair's power B then, as it does where one plan holds both.
local admission = require "moonpulse.stimulator.admission"
local lower = require "moonpulse.lowering"
local setting = require "moonpulse.stimulator.setting"
local ways = require "moonpulse.lowering.ways"

local M = {}

--- How long the device takes to a plan's first pulse if that has two ways; nil: it has not.
local function lead_of(stimulator, given)
  local ok, lowering, actions = pcall(lower.prepare, given)
  if not ok then -- admitting it says why
    return nil
  end
  local first = lower.first_actions(lowering, actions, given.driver.limits(given.identity))[1]
  return first and not first.action.train and setting.lead(stimulator, first) or nil
end

--- Admit a plan: only in one way, so that the safety gate judges what will be given. Raises as
--- admission.admit() does.
---@param stimulator moonpulse.Stimulator armed, of a device that has two ways
---@param given table of admission.admit
---@return moonpulse.Admitted
function M.admit(stimulator, given)
  local own = lead_of(stimulator, given)
  if own then
    local in_other = ways.changed(given, "other", true)
    local other = lead_of(stimulator, in_other)
    if other and other < own then
      return admission.admit(in_other)
    end
  end
  return admission.admit(given)
end

return M
