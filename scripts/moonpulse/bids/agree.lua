--- Do rows stand for the pulses of a plan? Somebody may have written into the tables what the plan that was
--- exported with them knows nothing of.
local expand = require "moonpulse.bids.expand"
local fractions = require "moonpulse.bids.fraction"
local plan_file = require "moonpulse.protocol.plan_file"
local rows = require "moonpulse.bids.rows"

local M = {}

local most_us = 1.5 -- tables have microseconds

local references = { rMT = "RMT", aMT = "AMT" }

--- One pulse more. Parts of thresholds are told apart; what is in %MSO the device rounded.
local function add(side, us, intensity, reference)
  side.us[#side.us + 1] = us
  if intensity and reference and reference ~= "MSO" then
    local key = ("%.10g %s"):format(intensity, reference)
    side.counts[key] = (side.counts[key] or 0) + 1
  end
end

local function of_plan(text)
  local found, side, nerve = assert(plan_file.read(text, "the plan")), { us = {}, counts = {} }, {}
  for _, name in ipairs(found.nerve or {}) do
    nerve[name] = true
  end
  local onsets_ns, actions = rows.pulses(found.plan, found.seed)
  for number, onset_ns in ipairs(onsets_ns) do
    local action = actions[number]
    add(side, onset_ns / 1e3, action.intensity, not nerve[action.channel] and action.reference or nil)
  end
  return side
end

local function of_rows(deliveries)
  local side = { us = {}, counts = {} }
  for _, each in ipairs(deliveries) do
    local from, units, is_nerve = fractions.number(each.onset), each.row.units, each.row.kind == "PNS"
    for k, offset in ipairs(expand.offsets(each.row.layers)) do
      local unit = units[(k - 1) % #units + 1]
      local factor = tonumber(unit.scaling)
      add(side, (from + offset) * 1e6, factor and factor * 100, not is_nerve and references[unit.reference]
        or nil)
    end
  end
  return side
end

--- Does a plan file have the pulses of these deliveries: their number, their times from the first on, and
--- their parts of thresholds?
---@param text string
---@param deliveries { onset: moonpulse.Fraction, row: table }[]
---@return boolean
function M.agree(text, deliveries)
  local plan, tables = of_plan(text), of_rows(deliveries)
  table.sort(plan.us)
  table.sort(tables.us)
  if #plan.us ~= #tables.us then
    return false
  end
  for i, us in ipairs(plan.us) do
    if math.abs(us - plan.us[1] - (tables.us[i] - tables.us[1])) > most_us then
      return false
    end
  end
  for key, count in pairs(plan.counts) do
    if tables.counts[key] ~= count then
      return false
    end
    tables.counts[key] = nil
  end
  return next(tables.counts) == nil
end

return M
