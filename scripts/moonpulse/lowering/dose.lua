--- The intensities of a plan in words, as a device will give them.
local intensities = require "moonpulse.compose.intensity"

local M = {}

local most_doses = 8

--- An intensity as it will really be.
local function dose_text(action, thresholds)
  local text = ("%g %%MSO"):format(action.exact_mso)
  if action.reference ~= "MSO" then
    text = ("%g %%%s of %g %%MSO = %g %%MSO"):format(action.intensity, action.reference,
      intensities.thresholds_of(thresholds, action.channel)[action.reference:lower()], action.exact_mso)
  end
  if math.abs(action.exact_mso - action.mso) > 1e-9 then
    text = ("%s, set to %g %%MSO (the device's step)"):format(text, action.mso)
  end
  return text
end

--- What the operator should know before the run: each intensity once, in the plan's order; of what the device
--- times itself (a pair, a train) those of all its pulses.
---@param actions moonpulse.Action[]
---@param thresholds { rmt: number?, amt: number? }
---@param named boolean? where there are several channels, each intensity with its own
---@return string[]
function M.lines(actions, thresholds, named)
  local lines, known, more, several = {}, {}, 0, false
  for _, action in ipairs(named and actions or {}) do
    several = several or action.channel ~= actions[1].channel
  end
  local function add(action)
    local text = (several and ("channel %s "):format(action.channel) or "") .. dose_text(action, thresholds)
    if known[text] then
      return
    end
    known[text] = true
    if #lines < most_doses then
      lines[#lines + 1] = text
    else
      more = more + 1
    end
  end
  for _, action in ipairs(actions) do
    for _, pulse in ipairs(action.part and action.part.cell or { { action = action } }) do
      add(pulse.action)
    end
  end
  if more > 0 then
    lines[#lines + 1] = ("... and %d more intensities"):format(more)
  end
  return lines
end

return M
