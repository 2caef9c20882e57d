--- A row of nibs.tsv pulled apart again: which pulses it stands for. It reads only what is in the table,
--- whoever wrote it.
local fractions = require "moonpulse.bids.fraction"

local M = {}

local most = 20000000 -- pulses of one row

local factors = { s = { 1, 1 }, ms = { 1, 1000 }, us = { 1, 1000000 } }

--- The parts of a cell between |.
---@param text string
---@return string[]
function M.parts(text)
  local list = {}
  for part in (text .. "|"):gmatch("([^|]*)|") do
    list[#list + 1] = part
  end
  return list
end

--- The interval of a layer, exact: seconds, from onset to onset.
---@param cell fun(name: string): string? of the row
---@param layer integer
---@param unit fun(name: string): string? what the sidecar says of a column
---@return moonpulse.Fraction? nil: neither interval nor frequency is a number
function M.interval(cell, layer, unit)
  local name = ("pattern%d_"):format(layer)
  local text = cell(name .. "interval")
  if text then
    local factor, value = factors[unit(name .. "interval") or "ms"], fractions.parse(text)
    return factor and value and fractions.new(value.n * factor[1], value.d * factor[2]) or nil
  end
  text = cell(name .. "frequency")
  local hz = text and fractions.parse(text)
  if hz and hz.n > 0 then
    return fractions.inverse(hz)
  end
  text = cell(name .. "duration") -- any two of the three say the third
  local count = math.tointeger(tonumber(cell(name .. "count")))
  local factor, value = factors[unit(name .. "duration") or "ms"], text and fractions.parse(text)
  return count and count > 0 and factor and value
    and fractions.new(value.n * factor[1], value.d * factor[2] * count) or nil
end

--- The layers of a row, innermost first.
---@param cell fun(name: string): string?
---@param unit fun(name: string): string?
---@return { count: integer, interval: moonpulse.Fraction }[]? layers
---@return string? message what of it is no number
function M.layers(cell, unit)
  local layers, pulses = {}, 1
  while cell(("pattern%d_count"):format(#layers + 1)) do
    local i = #layers + 1
    local count = math.tointeger(tonumber(cell(("pattern%d_count"):format(i))))
    local interval = M.interval(cell, i, unit)
    if not (count and count >= 1) then
      return nil, ("pattern%d_count is no whole number from 1 up"):format(i)
    elseif not interval and count > 1 then
      return nil, ("pattern%d has neither an interval nor a frequency that is a number"):format(i)
    end
    pulses = pulses * count
    if pulses > most then
      return nil, ("more than %d pulses in a row"):format(most)
    end
    layers[i] = { count = count, interval = interval or fractions.zero }
  end
  return layers
end

--- When the pulses of layers come: seconds from the first, in the order of the layers.
---@param layers { count: integer, interval: moonpulse.Fraction }[]
---@return number[]
function M.offsets(layers)
  local offsets = { 0.0 }
  for _, layer in ipairs(layers) do
    local n, d, inner, at = layer.interval.n * 1.0, layer.interval.d, #offsets, 0
    local grown = layer.count == 1 and offsets or {}
    for k = 0, layer.count > 1 and layer.count - 1 or -1 do
      local from = k * n / d
      for i = 1, inner do
        at = at + 1
        grown[at] = offsets[i] + from
      end
    end
    offsets = grown
  end
  return offsets
end

--- What a pulse of the innermost layer is: the k-th of a list, or what the row has for all.
local function of_unit(text, k, count)
  local parts = text and M.parts(text) or {}
  return #parts == count and parts[(k - 1) % count + 1] or parts[1]
end

--- The pulses of a row.
---@param cell fun(name: string): string?
---@param unit fun(name: string): string?
---@return number[]? offsets seconds from the first
---@return { intensity: string?, element: string? }[]|string units the i-th pulse is
---   units[(i - 1) % #units + 1]; or what of the row is no number
function M.row(cell, unit)
  local layers, message = M.layers(cell, unit)
  if not layers then
    return nil, message or ""
  end
  local intensities = cell("pattern1_intensity")
  local elements = cell("nibs_element_id")
  local inner = layers[1] and layers[1].count or 1
  local wide = intensities or elements and elements:find("|", 1, true)
  local units = {}
  for k = 1, wide and inner or 1 do
    units[k] = { intensity = of_unit(intensities or cell("stimulus_intensity"), k, inner),
      element = of_unit(elements, k, inner) }
  end
  return M.offsets(layers), units
end

return M
