--- An input-output curve in words: for the terminal, the record, the report and the methods section. A record
--- may be somebody else's: what is no number there is not known here.
local M = {}

M.paper = "Devanne H et al. 1997, Exp Brain Res 114:329-338"

local plateau, foot = 0.9, 0.1 -- of MEPmax: nearer to it, and to nothing, nobody would ask

--- The names of what was fitted, in their order, with what their unit is.
M.values = { { "mep_max_uv", "MEPmax", "uV" }, { "s50", "S50" }, { "k", "slope parameter k" } }

local function number(value)
  return type(value) == "number" and value == value and math.abs(value) < 1e9 and value or nil
end

local units = { ["%MSO"] = true, ["%RMT"] = true, ["%AMT"] = true }

--- The unit of its intensities.
---@param curve table of the manifest's experiment.curves
---@return string
function M.unit(curve)
  return units[curve.unit] and curve.unit or "%MSO"
end

--- Of which of several devices it is; nil: there was one, or it is not said.
---@param curve table of the manifest's experiment.curves
---@return string?
function M.place(curve)
  return type(curve.device) == "string" and curve.device:match "^[%w_%-]+$" or nil
end

--- The fit of a manifest, if it is one; nil: there is none.
---@param curve table of the manifest's experiment.curves
---@return moonpulse.CurveFit?
function M.fit(curve)
  local fit = type(curve.fit) == "table" and curve.fit or {}
  local intervals = type(fit.intervals) == "table" and fit.intervals or {}
  local found = { intervals = {}, r2 = number(fit.r2), slope_uv = number(fit.slope_uv),
    lowest_share = number(fit.lowest_share), highest_share = number(fit.highest_share) }
  for _, each in ipairs(M.values) do
    local key = each[1]
    local interval = type(intervals[key]) == "table" and intervals[key] or {}
    found[key] = number(fit[key])
    local low, high, percent = number(interval.low), number(interval.high), number(interval.percent)
    found.intervals[key] = low and high and percent and { low = low, high = high, percent = percent } or nil
    if not found[key] or key == "k" and found.k <= 0 then
      return nil
    end
  end
  return found
end

--- One of what was fitted: "S50 52.1 %MSO (95 % interval 50.9 to 53.3)".
---@param fit moonpulse.CurveFit of fit
---@param each table of values
---@param unit string of the intensities
---@return string
function M.value(fit, each, unit)
  local interval = fit.intervals[each[1]]
  return ("%s %.4g %s%s"):format(each[2], fit[each[1]], each[3] or unit, interval
    and (" (%g %% interval %.4g to %.4g)"):format(interval.percent, interval.low, interval.high) or "")
end

--- All of them.
---@param fit moonpulse.CurveFit
---@param unit string
---@return string
function M.fitted(fit, unit)
  local parts = {}
  for i, each in ipairs(M.values) do
    parts[i] = M.value(fit, each, unit)
  end
  return table.concat(parts, ", ")
end

--- What of the curve lies outside of what was given, a sentence each without its full stop.
---@param fit moonpulse.CurveFit
---@return string[]
function M.limits(fit)
  local said = {}
  if fit.highest_share and fit.highest_share < plateau then
    said[#said + 1] = ("no plateau was reached: the highest intensity is at %.0f %% of MEPmax, which is "
      .. "extrapolated"):format(fit.highest_share * 100)
  end
  if fit.lowest_share and fit.lowest_share > foot then
    said[#said + 1] = ("the curve's foot was not reached: the lowest intensity is at %.0f %% of MEPmax")
      :format(fit.lowest_share * 100)
  end
  return said
end

--- In one line.
---@param curve table of the manifest's experiment.curves
---@return string
function M.line(curve)
  local fit = M.fit(curve)
  local trials = (" (%g trials)"):format(number(curve.trials) or 0)
  local place = M.place(curve)
  place = place and place .. ": " or ""
  if not fit then
    return place .. "no input-output curve: " .. (type(curve.why) == "string" and curve.why
      or "it is not said why")
      .. trials
  end
  local said = M.limits(fit)
  return ("%sinput-output curve: %s%s%s"):format(place, M.fitted(fit, M.unit(curve)), trials,
    said[1] and "; " .. table.concat(said, "; ") or "")
end

return M
