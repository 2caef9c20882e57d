--- Pairs of a MagPro with the Option: mode Dual, in which one command gives A, and B an interval later.
--
-- Modes, intervals and amplitudes from MagventureTMS d08ff84 and MagProController v20220223; of two highest
-- rates that they tell (X100+Option: 50 and 20 pairs a second) the lower one.
local commands = require "moonpulse.devices.magventure.commands"

local M = {}

local monophasic_least = 20 -- tenths of ms (MagProController)

--- Two pulses and no more: both actions, and the seconds between; nil where a part is anything else.
---@param part moonpulse.Part
---@return moonpulse.Action? first
---@return moonpulse.Action? second
---@return number? gap
function M.two(part)
  local cell, level = part.cell, part.levels[1]
  if #cell == 2 and not level then
    return cell[1].action, cell[2].action, cell[2].offset
  elseif #cell == 1 and #part.levels == 1 and level.count == 2 then
    return cell[1].action, cell[1].action, level.num / level.den
  end
end

--- Is each command of this mode a pair?
---@param mode string
---@return boolean
function M.is_paired(mode)
  return mode == "Twin" or mode == "Dual"
end

local function has_option(model)
  return model:find("Option", 1, true) ~= nil
end

--- The most pairs a second.
local function rate_of(identity)
  return (identity.model:find("^R30") or identity.waveform == "Monophasic") and 5 or 20
end

local function interval_of(gap, identity)
  local exact = gap * 10000
  local tenths = math.floor(exact + 0.5)
  local least = identity.waveform == "Monophasic" and monophasic_least or 10
  if tenths < least then
    return nil, ("pairs of %.6g ms are below the %g ms that it has with waveform %s"):format(gap * 1000,
      least / 10, identity.waveform)
  elseif math.abs(exact - tenths) > 1e-6 or commands.nearest(commands.paired_intervals, tenths) ~= tenths then
    local near = commands.neighbours(commands.paired_intervals, exact)
    return nil, ("it has no pairs with %.6g ms between; the nearest %s"):format(gap * 1000,
      near[2] and ("are %g and %g ms"):format(near[1] / 10, near[2] / 10)
        or ("is %g ms"):format(near[1] / 10))
  end
  return tenths / 10
end

--- A pair as a program; nil and why where it is none.
---@param part moonpulse.Part
---@param identity table of connect, or assumed()
---@return table? program
---@return string? why not
function M.program(part, identity)
  local first, second, gap = M.two(part)
  if not first then
    return nil, "pairs of two intensities are started one by one"
  elseif not has_option(identity.model) then
    return nil, ("pairs of two intensities (mode Dual) need a MagPro with the Option, and this is taken for "
      .. "a model %s: where it has one, --device-option model=%s+Option"):format(identity.model,
      identity.model:match("^%w+"))
  elseif identity.waveform == "Biphasic_Burst" then
    return nil, "it is set to Biphasic Burst, where each command fires several pulses: set waveform "
      .. "Biphasic on its front panel"
  end
  local ipi_ms, why = interval_of(gap, identity)
  if not ipi_ms then
    return nil, why
  end
  local setting = {}
  for key, value in pairs(identity.setting) do
    setting[key] = value
  end
  setting.mode, setting.ipi_ms = "Dual", ipi_ms
  local recharge = 1 / rate_of(identity)
  return { start = commands.commands.fire {}, busy = gap + recharge, b = second.mso, setting = setting,
    single = identity.setting, recharge = recharge, period = math.huge, -- no charge delay lies within a pair
    why = ("%s: at most %d pairs a second"):format(identity.model, rate_of(identity)),
    -- an event for each, or one with both values: MagProController leaves it open, and both are taken
    confirms = 1, spare = 1,
    text = ("pair of %g and %g %%, %g ms apart"):format(first.mso, second.mso, ipi_ms) }
end

return M
