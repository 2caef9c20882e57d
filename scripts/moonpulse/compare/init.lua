--- Two runs, or two plans, or a run and a plan: what differs, in the field's words, and whether what was
--- given is the same.
local numbers = require "moonpulse.text.numbers"
local pulses = require "moonpulse.compare.pulses"
local sides = require "moonpulse.compare.side"

local M = {}

---@class moonpulse.Differing
---@field what string such as "intensity"
---@field where string? such as "trains 3 to 20 (pulses 61 to 600)"
---@field a string? of the first; nil: it does not say
---@field b string?
---@field told_only boolean? it says nothing of what was given
---@field of_pulses boolean? it is of the pulses themselves, not of what surrounds them

---@class moonpulse.Comparison
---@field same boolean nothing of what was given, or planned, differs
---@field same_pulses boolean nothing of the pulses differs: their number, planned times, channels,
---   intensities, conditions, and whether each was given
---@field differences moonpulse.Differing[]
---@field notes moonpulse.Differing[] what differs and counts for nothing
---@field pulses integer of the first

local rounding_us = 1 -- what the last digit of a time may differ by, from version to version

local function of_both(a, b, key)
  local x, y = a.facts[key], b.facts[key]
  if x == nil and y == nil or x == y then
    return nil
  elseif a.kind ~= b.kind and (x == nil or y == nil) then
    return nil -- a plan has no device
  end
  return { x, y, unknown = x == nil or y == nil }
end

local function are_runs(a, b)
  return a.kind == "run" and b.kind == "run"
end

local function compare_facts(a, b, found, other_device)
  for _, fact in ipairs(sides.facts) do
    local pair = of_both(a, b, fact[1])
    if pair then
      found[#found + 1] = { what = fact[2], a = pair[1], b = pair[2],
        told_only = fact.told_only or pair.unknown or other_device and fact.of_device
          or fact.of_runs and not are_runs(a, b) }
    end
  end
end

local function compare_parameters(a, b, found)
  local names = {}
  for name in pairs(a.parameters) do
    names[#names + 1] = name
  end
  for name in pairs(b.parameters) do
    names[#names + 1] = a.parameters[name] == nil and name or nil
  end
  table.sort(names)
  for _, name in ipairs(names) do
    if a.parameters[name] ~= b.parameters[name] then
      found[#found + 1] = { what = "parameter " .. name, a = a.parameters[name], b = b.parameters[name],
        told_only = not are_runs(a, b) or a.facts.protocol ~= b.facts.protocol
          or a.parameters[name] == nil or b.parameters[name] == nil } -- a compiled plan's run says none
    end
  end
end

local function compare_marks(a, b, found)
  if #a.marks ~= #b.marks then
    found[#found + 1] = { what = "marks", a = numbers.counted(#a.marks, "mark"),
      b = numbers.counted(#b.marks, "mark") }
  end
  for i = 1, math.min(#a.marks, #b.marks) do
    if a.marks[i] ~= b.marks[i] then
      found[#found + 1] = { what = "mark", where = "the first that differs is mark " .. i,
        a = a.marks[i], b = b.marks[i] }
      return
    end
  end
end

--- A script's own waits between its plans are never the same in real time: the pulses that begin a plan of
--- either; and where the plans of the two do not begin with the same pulses.
---@return table<integer, boolean>
---@return moonpulse.Differing?
local function compare_plans(a, b)
  local begins, differing = {}, nil
  for _, side in ipairs { a, b } do
    for _, first in ipairs(side.plans or {}) do
      begins[first] = true
    end
  end
  for i = 1, a.plans and b.plans and math.min(#a.plans, #b.plans) or 0 do
    if a.plans[i] ~= b.plans[i] then
      differing = { what = "plans", where = "the first that differs is plan " .. i,
        a = "begins with pulse " .. numbers.count(a.plans[i]),
        b = "begins with pulse " .. numbers.count(b.plans[i]) }
      break
    end
  end
  return begins, differing
end

--- Everything about the pulses themselves.
local function compare_pulses(a, b, found)
  local tolerance_us, begins, differing = rounding_us, nil, nil
  if a.live or b.live then
    begins, differing = compare_plans(a, b)
    if a.live and not a.plans or b.live and not b.plans then -- a record of an older version
      tolerance_us = math.huge
    end
  end
  local list = pulses.compare(a.pulses, b.pulses, tolerance_us, a.kind ~= b.kind, begins)
  list[#list + 1] = differing
  for _, each in ipairs(list) do
    each.of_pulses = true
    found[#found + 1] = each
  end
end

--- Compare them.
---@param a moonpulse.Compared
---@param b moonpulse.Compared
---@param other_device boolean? that they are of two devices is known, and counts for nothing
---@return moonpulse.Comparison
function M.compare(a, b, other_device)
  local found = {}
  compare_facts(a, b, found, other_device)
  compare_parameters(a, b, found)
  compare_pulses(a, b, found)
  compare_marks(a, b, found)
  local comparison = { same = true, same_pulses = true, differences = {}, notes = {},
    pulses = a.pulses.count }
  for _, each in ipairs(found) do
    local list = each.told_only and comparison.notes or comparison.differences
    list[#list + 1] = each
    comparison.same_pulses = comparison.same_pulses and (each.told_only or not each.of_pulses)
  end
  comparison.same = #comparison.differences == 0
  return comparison
end

return M
