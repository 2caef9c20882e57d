--- What a run demands of the host before it connects: --require p99=0.5ms,max=2ms.
local latency = require "moonpulse.doctor.latency"
local numbers = require "moonpulse.text.numbers"

local M = {}

-- fewest wakes for which the percentile is not simply the largest value
local fewest = { p50 = 2, p95 = 20, p99 = 100, ["p99.9"] = 1000, max = 1 }
local units = { us = 1e-6, ms = 1e-3, s = 1 }

---@class moonpulse.TimingRequirement
---@field statistic "p50"|"p95"|"p99"|"p99.9"|"max"
---@field limit number seconds

--- Read the option's text.
---@param text string such as "p99=0.5ms,max=2ms"
---@return moonpulse.TimingRequirement[]?
---@return string? message
function M.parse(text)
  local list, seen = {}, {}
  for part in (text .. ","):gmatch("([^,]*),") do
    local statistic, number, unit = part:match("^%s*([%w%.]+)%s*=%s*([%d%.]+)%s*(%a+)%s*$")
    local value = tonumber(number or "")
    if not value or not units[unit] then
      return nil, ("%q is no timing requirement: write it like p99=0.5ms (units us, ms, s; several "
        .. "with commas: p99=0.5ms,max=2ms)"):format(part)
    elseif not fewest[statistic] then
      return nil, ("%q is not measured: require p50, p95, p99, p99.9 or max"):format(statistic)
    elseif value <= 0 then
      return nil, ("%s=%s%s can never be met: the limit must be above 0"):format(statistic, number,
        unit)
    elseif seen[statistic] then
      return nil, ("%s is required twice"):format(statistic)
    end
    seen[statistic] = true
    list[#list + 1] = { statistic = statistic, limit = value * units[unit] }
  end
  return list
end

--- Compare a result of moonpulse.doctor.latency with the requirements.
---@param requirements moonpulse.TimingRequirement[]
---@param result table
---@return boolean ok
---@return string text what was measured, against what
function M.judge(requirements, result)
  local ok, texts = true, {}
  for _, requirement in ipairs(requirements) do
    local name, limit = requirement.statistic, requirement.limit
    if result.count < fewest[name] then
      ok = false
      texts[#texts + 1] = ("%s needs %s wakes or more"):format(name, numbers.count(fewest[name]))
    else
      local met = result[name] <= limit
      ok = ok and met
      texts[#texts + 1] = ("%s %s, %s %s"):format(name, latency.text(result[name]),
        met and "within" or "over", latency.text(limit))
    end
  end
  return ok, ("%s; %s wakes"):format(table.concat(texts, "; "), numbers.count(result.count))
end

--- Measure for some seconds, inside a task, and judge.
---@param requirements moonpulse.TimingRequirement[]
---@param seconds number
---@param hooks moonpulse.doctor.latency.Hooks?
---@return boolean? ok nil when it could not be measured or was stopped
---@return string text
---@return table? result for the record
function M.check(requirements, seconds, hooks)
  local result, message = latency.measure(seconds, hooks)
  if not result then
    return nil, message
  elseif result.stopped then
    return nil, "the latency test was interrupted"
  end
  local ok, text = M.judge(requirements, result)
  return ok, text, result
end

return M
