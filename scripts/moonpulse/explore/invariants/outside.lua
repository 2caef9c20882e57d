--- Pulses that something outside fires: each that the simulator gave has its row, and the limits of
--- stim:watch disarm. By the simulator's own log, and by what the scenario lets come.
local troubles = require "moonpulse.explore.trouble"

local reports_ns = 20000000 -- of the simulator: from the pulse to its report
local disarmed_ns = 30000000 -- from the pulse to the device that is disarmed: report, safe frame, its wire
local off_ns = 2000

local function seconds(ns)
  return ("%.9f s"):format(ns / 1e9)
end

--- Did something come from outside, with nothing else in the way of its report?
local function came(run)
  return next(run.fired) ~= nil and run.start_ns and run.rows and run.result.status ~= nil and not run.full
    and not troubles.has(run.scenario, "device") and not troubles.has(run.scenario, "port")
    and not troubles.has(run.scenario, "clock")
end

--- The rows of those that were waited for, and of those that were not, by their times.
local function rows_of(run)
  local list = {}
  for _, row in ipairs(run.rows) do
    if row.timed_by == "external" or row.event == "unasked_pulse" then
      list[#list + 1] = row
    end
  end
  return list
end

return {
  { name = "outside-has-rows",
    says = "Each pulse that something outside fired has one row, at its report's time; there is no other.",
    when = came,
    check = function(run)
      local rows, at = rows_of(run), 0
      for _, pulse in ipairs(run.fired_given) do
        local reported = pulse.ns + reports_ns - run.start_ns
        if pulse.ns + disarmed_ns < run.ended_ns or rows[at + 1] then -- else nobody listened any more
          at = at + 1
          if not rows[at] or math.abs(rows[at].onset - reported) > off_ns then
            return ("a pulse was fired at %s: the next row is %s"):format(seconds(pulse.ns - run.start_ns),
              rows[at] and "at " .. seconds(rows[at].onset) or "none")
          end
        end
      end
      return rows[at + 1] and ("a row at %s is of no pulse that was fired"):format(
        seconds(rows[at + 1].onset)) or nil
    end },
  { name = "outside-is-bounded",
    says = "Once as many pulses came as may, or one too soon, no other is given that could be prevented.",
    when = came,
    check = function(run)
      for _, call in ipairs(run.watches) do
        local count, before_ns, last_ns = 0, nil, nil
        for _, pulse in ipairs(run.fired_given) do
          local is_its = pulse.ns > call.called_ns and pulse.ns < (call.returned_ns or math.huge)
          if is_its and last_ns and pulse.ns > last_ns + disarmed_ns then
            return ("a pulse was given at %s, and the limit was met at %s"):format(
              seconds(pulse.ns - run.start_ns), seconds(last_ns - run.start_ns))
          elseif is_its and not last_ns then
            count = count + 1
            local soon = before_ns and pulse.ns - before_ns < call.step.refractory * 1e9 - off_ns
            before_ns, last_ns = pulse.ns, (soon or count == call.step.count) and pulse.ns or nil
          end
        end
      end
    end },
}
