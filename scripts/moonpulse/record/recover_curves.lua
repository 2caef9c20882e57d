--- The input-output curves that an experiment's script gave, from its journal: with every MEP, and the fit of
--- those that came to their end. A record may be somebody else's: what is not what it should be is as if it
--- were not there.
local foreign = require "moonpulse.record.foreign_values"

local M = {}

--- Why a curve, a staircase or a hunt has no result that its run did not come to the end of.
M.unfinished = "the run ended before it did"

local most_curves, most_trials = 1000, 100000 -- more has no run

local text_of, number_of, count_of = foreign.text, foreign.number, foreign.count

--- A fit, all of whose parts are numbers.
local function fit_of(value)
  local fit, intervals = { intervals = {} }, type(value.intervals) == "table" and value.intervals or {}
  for _, key in ipairs { "mep_max_uv", "s50", "k", "slope_uv", "r2", "lowest_share", "highest_share" } do
    fit[key] = number_of(value[key])
    if not fit[key] then
      return nil
    end
  end
  for _, key in ipairs { "mep_max_uv", "s50", "k" } do
    local each = type(intervals[key]) == "table" and intervals[key] or {}
    fit.intervals[key] = number_of(each.low) and number_of(each.high) and { low = each.low, high = each.high,
      percent = number_of(each.percent) } or nil
  end
  return fit
end

--- A mark of a curve into what is known of it.
local function add_mark(curve, of)
  for _, key in ipairs { "unit", "order", "device" } do
    curve[key] = curve[key] or text_of(of[key])
  end
  for _, key in ipairs { "repeats", "planned" } do
    curve[key] = curve[key] or count_of(of[key])
  end
  local intensity, mep_uv = number_of(of.intensity), number_of(of.mep_uv)
  if intensity and mep_uv and #curve.track < most_trials then
    table.insert(curve.track, { intensity = intensity, set = number_of(of.set), mep_uv = mep_uv })
  end
  if of.ended == true then
    curve.fit, curve.why = type(of.fit) == "table" and fit_of(of.fit) or nil, text_of(of.why)
    curve.ended = true
  end
end

--- The curves in the order in which they were begun, as the manifest has them.
---@param lines table[] entries of the journal
---@return moonpulse.CurveFacts[]? nil: there are none
function M.results(lines)
  local list, by_place = {}, {}
  for _, line in ipairs(lines) do
    local of = line.kind == "mark" and type(line.of) == "table" and line.of or {}
    local place = count_of(of.curve)
    if place and not by_place[place] and #list < most_curves then
      list[#list + 1] = { track = {} }
      by_place[place] = list[#list]
    end
    if place and by_place[place] then
      add_mark(by_place[place], of)
    end
  end
  for _, curve in ipairs(list) do
    curve.trials = #curve.track
    curve.why = curve.why or not curve.ended and M.unfinished or nil
    curve.ended = nil
  end
  return list[1] and list or nil
end

return M
