--- What a MagPro can be set to: names, lists and ranges. Each *_fault function says in words why
--- the device would not take a setting, or returns nil. Sources: the published tables of
--- MagventureTMS (rates, trains, delays) and MagProController (inter-pulse intervals).
local M = {}

M.MODELS = { [0] = "R30", "X100", "R30+Option", "X100+Option", "R30+Option+Mono", "MST" }
M.MODES = { [0] = "Standard", "Power", "Twin", "Dual" }
M.WAVEFORMS = { [0] = "Monophasic", "Biphasic", "Halfsine", "Biphasic Burst" }
M.TWIN, M.DUAL, M.MONOPHASIC, M.BURST = 2, 3, 0, 3
M.TIMING, M.PROTOCOL = 2, 7
M.PAGES = { -- every page of the panel; the host may choose those marked true
  [1] = true, [2] = true, [3] = true, [4] = true, [6] = false, [7] = true, [8] = false,
  [13] = false, [15] = false, [16] = false, [17] = false, [19] = false,
}

--- Inter-pulse intervals in tenths of ms, longest first; `index` is what replies carry, from 0.
local function intervals(spans)
  local list, index = {}, {}
  for _, span in ipairs(spans) do
    for tenths = span[1], span[2], -span[3] do
      index[tenths] = #list
      list[#list + 1] = tenths
    end
  end
  return { list = list, index = index }
end

local SINGLE = intervals { { 1000, 200, 10 }, { 195, 100, 5 }, { 99, 5, 1 } }
local PAIRED = intervals {
  { 30000, 10000, 1000 }, { 9500, 5000, 500 }, { 4900, 1000, 100 }, { 990, 200, 10 },
  { 195, 100, 5 }, { 99, 10, 1 },
}
local MONOPHASIC_LEAST = 20

--- Which place in the device's list of intervals one has, in tenths of a millisecond.
---@param mode integer
---@param tenths integer
---@return integer? index  nil: not on the list of this mode
function M.interval_index(mode, tenths)
  return (mode >= M.TWIN and PAIRED or SINGLE).index[tenths]
end

--- The nearest list entry: an interval that the mode does not use may come from the other list.
---@param mode integer
---@param tenths integer
---@return integer index
function M.nearest_interval_index(mode, tenths)
  local list, best = (mode >= M.TWIN and PAIRED or SINGLE).list, 1
  for i = 2, #list do
    if math.abs(list[i] - tenths) < math.abs(list[best] - tenths) then
      best = i
    end
  end
  return best - 1
end

--- The highest rate in Hz. MST is not in the published table and is taken as an X100.
---@param model integer
---@param mode integer
---@param waveform integer
---@return integer
function M.max_rate(model, mode, waveform)
  local paired = mode >= M.TWIN
  if M.MODELS[model]:find("^R30") then
    return paired and 5 or 30
  elseif paired then
    return waveform == M.MONOPHASIC and 5 or 50
  end
  return waveform == M.BURST and 20 or 100
end

--- `set` holds mode, direction, waveform, burst (index), ipi (tenths of ms) and ba (hundredths).
---@param model integer
---@param set table
---@return string? fault
function M.mode_fault(model, set)
  local paired, burst = set.mode >= M.TWIN, set.waveform == M.BURST
  if set.mode > 3 or set.direction > 1 or set.waveform > 3 or set.burst > 3 then
    return ("mode %d, direction %d, waveform %d or burst index %d is unknown"):format(
      set.mode, set.direction, set.waveform, set.burst)
  elseif paired and not M.MODELS[model]:find("Option", 1, true) then
    return ("mode %s needs a model with Option"):format(M.MODES[set.mode])
  elseif set.mode == M.TWIN and (set.ba < 20 or set.ba > 500) then
    return ("B/A ratio %.2f outside 0.2-5"):format(set.ba / 100)
  elseif not paired and not burst then
    return nil -- the interval has no meaning here
  elseif not M.interval_index(set.mode, set.ipi)
      or (paired and set.waveform == M.MONOPHASIC and set.ipi < MONOPHASIC_LEAST) then
    return ("inter-pulse interval %.1f ms is not one the device has"):format(set.ipi / 10)
  end
end

--- `set` holds rate and iti in tenths (Hz, s), pulses and trains; `top` is the highest rate in Hz.
---@param set table
---@param top integer
---@param has_ext_rate boolean  tenths of Hz up to 20 Hz, not only up to 1 Hz
---@return string? fault
function M.train_fault(set, top, has_ext_rate)
  local fine = (has_ext_rate and math.min(top, 20) or 1) * 10
  if set.rate < 1 or set.rate > top * 10 then
    return ("rate %.1f Hz outside 0.1-%d Hz"):format(set.rate / 10, top)
  elseif set.rate > fine and set.rate % 10 ~= 0 then
    return ("rate %.1f Hz: above %d Hz only whole numbers"):format(set.rate / 10, fine // 10)
  elseif set.pulses < 1 or set.pulses > 2000 or (set.pulses > 1000 and set.pulses % 100 ~= 0) then
    return ("%d pulses: neither 1-1000 nor 1100-2000 by 100"):format(set.pulses)
  elseif set.trains < 1 or set.trains > 500 then
    return ("%d trains outside 1-500"):format(set.trains)
  elseif set.iti < 1 or set.iti > 3000 then
    return ("inter-train interval %.1f s outside 0.1-300 s"):format(set.iti / 10)
  end
end

--- Input and output delay in tenths of ms, charge delay in ms.
---@param input integer
---@param output integer
---@param charge integer
---@param timing integer  timing control; 0 is Sequence
---@return string? fault
function M.delay_fault(input, output, charge, timing)
  local far = math.abs(output)
  local in_step = input <= 100 and 1 or input <= 1000 and 10 or 100
  local charge_step = charge <= 100 and 10 or charge <= 4000 and 25 or 50
  if input > 65000 or input % in_step ~= 0 then
    return ("input delay %.1f ms is not one the device has"):format(input / 10)
  elseif far > 1000 or (far > 100 and far % 10 ~= 0) then
    return ("output delay %.1f ms is not one the device has"):format(output / 10)
  elseif output < 0 and timing ~= 0 then
    return ("output delay %.1f ms needs timing Sequence"):format(output / 10)
  elseif charge > 12000 or charge % charge_step ~= 0 then
    return ("charge delay %d ms is not one the device has"):format(charge)
  end
end

return M
