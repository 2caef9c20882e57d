--- What a device keeps up for a time only: rests after which it disarms itself, and what its power supply
--- gives.
local refusals = require "moonpulse.text.refusal"
local violations = require "moonpulse.lowering.violation"

local M = {}

local at, interval, refuse = violations.at, violations.interval, refusals.raise

--- A device that disarms itself without pulses: no rest may be so long.
local function check_rests(lowering, actions, driver, longest)
  local before, last_ns, mark_ns = 0, 0, nil -- a mark that comes too late, if no pulse follows
  for kind, number, onset_ns, _, index in lowering.next, lowering do
    if kind == "mark" and before > 0 and onset_ns - last_ns > longest * 1e9 then
      mark_ns = mark_ns or onset_ns
    elseif kind == "pulse" then
      if onset_ns - last_ns > longest * 1e9 then
        refuse("limit", "%s pulse %d (at %s) is %s without a pulse: the %s disarms itself then; the longest "
          .. "rest is %g s: shorten it, or make it two runs", before == 0 and "before"
          or ("between pulse %d and"):format(before), number, at(onset_ns / 1e3),
          interval(onset_ns - last_ns), driver.description, longest)
      end
      local part = actions[index].part
      before, last_ns = number, onset_ns + (part and math.floor(part.last * 1e9) or 0)
    end
  end
  lowering:rewind()
  if mark_ns then
    refuse("limit", "the plan goes on for %s after its last pulse, to a mark at %s: the %s disarms itself "
      .. "then; the longest rest is %g s: leave the mark out, or put it nearer", interval(mark_ns - last_ns),
      at(mark_ns / 1e3), driver.description, longest)
  end
end

--- A power supply that gives so many joules within a time, for pulses that come one by one.
local function check_supply(lowering, actions, driver, supply)
  local sum, first, last = 0, 1, 0
  local numbers, times_ns, joules = {}, {}, {}
  for kind, number, onset_ns, _, index in lowering.next, lowering do
    if kind == "pulse" and not actions[index].train then
      last = last + 1
      numbers[last], times_ns[last], joules[last] = number, onset_ns, supply.joules(actions[index])
      sum = sum + joules[last]
      while onset_ns - times_ns[first] >= supply.seconds * 1e9 do
        sum = sum - joules[first]
        numbers[first], times_ns[first], joules[first] = nil, nil, nil
        first = first + 1
      end
      if sum > supply.most + 1e-3 then
        refuse("limit", "pulses %d to %d (at %s to %s) take %.1f kJ: the %s has %g kJ for any %g s (%s); "
          .. "lower the intensity or the rate, or rest longer in between", numbers[first], number,
          at(times_ns[first] / 1e3), at(onset_ns / 1e3), sum / 1e3, driver.description,
          supply.most / 1e3, supply.seconds, supply.why)
      end
    end
  end
  lowering:rewind()
end

--- Raise where a plan asks for more.
---@param lowering moonpulse.core.Lowering rewound
---@param actions moonpulse.Action[]
---@param driver moonpulse.Driver
---@param limits moonpulse.Limits
function M.check(lowering, actions, driver, limits)
  if limits.longest_rest then
    check_rests(lowering, actions, driver, limits.longest_rest)
  end
  if limits.supply then
    check_supply(lowering, actions, driver, limits.supply)
  end
end

return M
