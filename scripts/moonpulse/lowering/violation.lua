--- What a plan asks that the device or the wire cannot do, in a sentence: both pulses, the interval, the
--- shortest that passes.
local redraw = require "moonpulse.compose.redraw"

local M = {}

--- An interval to the nanosecond: the edge of a limit must not look like the limit.
---@param ns integer
---@return string
function M.interval(ns)
  return ns < 1000000000 and ("%.10g ms"):format(ns / 1e6) or ("%.10g s"):format(ns / 1e9)
end

--- A time in the plan.
---@param us number
---@return string
function M.at(us)
  return ("%.6f s"):format(us / 1e6)
end

--- Where in the script, in brackets; "" where that is not known.
---@param origin string
---@return string
function M.place(origin)
  return origin ~= "" and " (" .. origin .. ")" or ""
end

--- When the first and the second of a violation come in a schedule, nanoseconds.
local function onsets(lowering, violation)
  local first_ns, second_ns
  for kind, number, onset_ns in lowering.next, lowering do
    if kind == "pulse" and number == violation.first then
      first_ns = onset_ns
    elseif kind == "pulse" and number == violation.second then
      second_ns = onset_ns
      break
    end
  end
  return first_ns, second_ns
end

local alone_ns = 1000000000 -- what has no other pulse so near is a pair

--- Where two pulses that are too close are a pair of two intensities (SICI, ICF): which stimulator gives it.
--- "" where they are anything else: of a train no other device helps.
---@param violation moonpulse.core.Violation
---@param lowering moonpulse.core.Lowering is walked anew
---@param first moonpulse.Action
---@param second moonpulse.Action
---@param driver moonpulse.Driver
---@return string
function M.pair_remedy(violation, lowering, first, second, driver)
  if first.mso == second.mso or first.channel ~= second.channel or violation.interval_ns > alone_ns
    or violation.second ~= violation.first + 1 or driver.name == "bistim" then
    return ""
  end
  local before_ns, second_ns = -alone_ns - 1, nil
  lowering:rewind()
  for kind, number, onset_ns in lowering.next, lowering do
    if kind == "pulse" and number < violation.first then
      before_ns = onset_ns
    elseif kind == "pulse" and number == violation.first then
      if onset_ns - before_ns <= alone_ns then
        return ""
      end
    elseif kind == "pulse" and number == violation.second then
      second_ns = onset_ns
    elseif kind == "pulse" and number > violation.second then
      if onset_ns - second_ns <= alone_ns then
        return ""
      end
      break
    end
  end
  return "; a pair of two intensities takes a stimulator that gives it: --device bistim, or to try it "
    .. "--device sim:bistim (docs/protocols.md: paired pulses)"
end

local function seconds(us)
  return ("%.10g s"):format(us / 1e6)
end

--- What to raise, and to what: ranges are written in whole milliseconds, so more_us is one up.
local function remedy(ranges, more_us)
  more_us = math.ceil(more_us / 1000) * 1000
  local range = ranges[1]
  if #ranges ~= 1 then
    return ("raise the shortest of each that is drawn by %s (shortest of mp.trials, min of mp.rest), and "
      .. "what is longest with it"):format(seconds(more_us))
  end
  local from_us = math.ceil(range.shortest * 1e6 - 1e-3)
  local to_us = from_us + more_us
  local also = to_us > range.longest * 1e6 + 1e-3
    and (", and %s (%s) to no less"):format(range.high, seconds(range.longest * 1e6)) or ""
  return ("raise %s from %s by %s, to %s or more%s"):format(range.low, seconds(from_us), seconds(more_us),
    seconds(to_us), also)
end

--- Of an interval that is drawn: how short it may get, and what to raise, so that every order and seed
--- passes. nil where it is fixed.
---@param violation moonpulse.core.Violation
---@param given { plan: moonpulse.Plan, lowered: fun(plan: moonpulse.Plan): moonpulse.core.Lowering,
---   brief: fun(plan: moonpulse.Plan): moonpulse.Plan, ranges: moonpulse.Plan } plan: as it was split;
---   lowered: with the bytes; brief: with what repeats cut short; ranges: the plan as its author wrote it
---@return string?
function M.drawn(violation, given)
  local drawn = require "moonpulse.lowering.drawn" -- for a refusal only
  if not given.plan:totals().random then
    return nil
  end
  local function apart_at(fraction)
    local plan = redraw.with_rests(given.plan, fraction, true)
    local first_ns, second_ns = onsets(given.lowered(plan), violation)
    return first_ns and second_ns and second_ns - first_ns
  end
  local least_ns = apart_at(0)
  if not least_ns or least_ns > violation.interval_ns
    or least_ns == violation.interval_ns and apart_at(1) == least_ns then -- what is drawn lies elsewhere
    return nil
  end
  local more_us = math.max(math.ceil((violation.least_ns - least_ns) / 1e3),
    drawn.raise_us(given.brief(given.plan), given.lowered))
  return ("; this interval is drawn, and may be as short as %s: %s (enough for every order and seed)"):format(
    M.interval(least_ns), remedy(drawn.ranges(given.ranges), more_us))
end

--- Of an interval that is fixed, of trials and not within one: how much longer it must be there.
---@param violation moonpulse.core.Violation
---@return string
function M.fixed(violation)
  if violation.interval_ns <= alone_ns then
    return ""
  end
  local more_us = math.ceil((violation.least_ns - violation.interval_ns) / 1e6) * 1000
  return ("; here %s more are needed: raise every (mp.trials, :times), or shortest and longest, or of a list "
    .. "or table this one, by so much (trials in another order may need more)"):format(seconds(more_us))
end

--- A violation in a sentence.
---@param violation moonpulse.core.Violation of a lowering's check
---@param driver moonpulse.Driver
---@param limits moonpulse.Limits
---@param train moonpulse.Program? that the first of them starts
---@return string
---@param cause string? why the device does not time them, as it follows "pulses 1 and 2 are 5 ms apart"
---@return string
function M.explain(violation, driver, limits, train, cause)
  local pulses = ("%s %d and %d (at %s and %s) are %s apart%s%s"):format(train and "starts" or "pulses",
    violation.first, violation.second, M.at(violation.first_us), M.at(violation.second_us),
    M.interval(violation.interval_ns), M.place(violation.second_origin), cause or "")
  local least = M.interval(violation.least_ns)
  if violation.kind == "interval" then
    return ("%s: too fast for the %s; the shortest interval %sis %s (%s)"):format(pulses,
      driver.description, train and ("after " .. (train.text or "this train") .. " ") or "", least,
      train and train.why or limits.why)
  elseif violation.kind == "across" then
    return ("%s, on two channels: too fast for the %s; the shortest interval from one channel to another is "
      .. "%s (%s)"):format(pulses, driver.description, least, limits.why_across or limits.why)
  elseif violation.kind == "wire" then
    return ("%s: a command takes %s on the wire at %d baud, which is the shortest interval; use a "
      .. "burst that the device times itself"):format(pulses, least, driver.serial.baud)
  elseif violation.kind == "width" then
    return ("%s: the trigger pulse of the first is not over, with 1 ms at rest after it; the shortest "
      .. "interval is %s, or use a smaller width"):format(pulses, least)
  end
  return ("%s: too short to change its settings in between; the shortest interval is %s (the %s takes so "
    .. "long: they wait until the pulse before has come, and it must have followed them before the next)")
    :format(pulses, least, driver.description)
end

return M
