--- Intensities in words.
local numbers = require "moonpulse.text.numbers"

local M = {}

M.most = 6 -- intensities that are told one by one

--- Is an intensity one of a nerve stimulator, whose maximum is no magnetic stimulator's?
---@param channel string
---@param reference string
---@param nerve { channels: table<any, any> }? of the facts
---@return boolean
function M.is_of_nerve(channel, reference, nerve)
  return nerve ~= nil and reference == "MSO" and nerve.channels[channel] == true
end

--- The same in words.
---@param intensity number percent
---@return string
function M.of_nerve(intensity)
  return ("%g %% of the nerve stimulator's maximum"):format(intensity)
end

--- An intensity with its %MSO, where both are known.
---@param dose moonpulse.PulseDose
---@param nerve { channels: table<any, any> }? of the facts
---@return string
function M.one(dose, nerve)
  if M.is_of_nerve(dose.channel, dose.reference, nerve) then
    return M.of_nerve(dose.intensity)
  end
  local text = ("%g %%%s"):format(dose.intensity, dose.reference)
  if dose.mso and not (dose.reference == "MSO" and dose.mso == dose.intensity) then
    text = ("%s (%g %%MSO)"):format(text, dose.mso)
  end
  return text
end

--- Intensities: the one, those few that there are with how many pulses had each, or their range.
---@param doses moonpulse.PulseDose[]
---@param nerve { channels: table<any, any> }? of the facts
---@return string
function M.text(doses, nerve)
  if #doses <= M.most then
    local parts = {}
    for i, dose in ipairs(doses) do
      parts[i] = #doses > 1 and ("%s at %s"):format(numbers.count(dose.count), M.one(dose, nerve))
        or M.one(dose, nerve)
    end
    return table.concat(parts, ", ")
  end
  local by_reference, order = {}, {}
  for _, dose in ipairs(doses) do
    local range = by_reference[dose.reference]
    if not range then
      range = { dose.intensity, dose.intensity, 0 }
      by_reference[dose.reference], order[#order + 1] = range, dose.reference
    end
    range[1], range[2] = math.min(range[1], dose.intensity), math.max(range[2], dose.intensity)
    range[3] = range[3] + 1
  end
  local parts = {}
  for i, reference in ipairs(order) do
    local range = by_reference[reference]
    parts[i] = ("%g to %g %%%s (%d levels)"):format(range[1], range[2], reference, range[3])
  end
  return table.concat(parts, " and ")
end

return M
