--- What recovers a run: its flight record and journal are worth as much as the live record.
local troubles = require "moonpulse.explore.trouble"

local function had_flight(run)
  return run.recovered and run.events_text and run.start_ns and run.result.status and not run.full
end

--- The first line that two texts have not in common.
local function differing(a, b)
  local from, number = 1, 0
  while from <= math.max(#a, #b) do
    local one, other = a:match("[^\n]*", from), b:match("[^\n]*", from)
    number = number + 1
    if one ~= other then
      return number, one or "nothing", other or "nothing"
    end
    from = from + #one + 1
  end
end

return {
  { name = "recovers", says = "A run that was killed at its very end is recovered.",
    when = function(run) return run.recovered end,
    check = function(run) return run.recovered.why end },
  { name = "recovered-is-live", says = "The rows that are recovered are those of the live run.",
    when = function(run) return had_flight(run) and run.recovered.text end,
    check = function(run)
      local line, live, recovered = differing(run.events_text, run.recovered.text)
      return line and ("line %d: live %q, recovered %q"):format(line, live, recovered) or nil
    end },
  { name = "recovered-has-all",
    says = "Also of a record that the disk did not take, every pulse given is recovered.",
    when = function(run) return run.recovered and run.recovered.text and run.given[1] end,
    check = function(run)
      local stalls, at = troubles.has(run.scenario, "port", "stalled"), 1
      local within = math.max(2000, run.facts.clock_ns) + (stalls and stalls.stall_ms * 1e6 or 0)
        + run.scenario.tolerance_ms * 1e6 -- of a train that was cut its plan is known, not its start
      local rows = run.recovered.rows
      for _, pulse in ipairs(run.given) do
        while rows[at] and rows[at].onset < pulse.at - within do
          at = at + 1
        end
        local row = rows[at]
        if not row or (row.planned or row.onset) > pulse.at + within then
          return ("a pulse was given at %.9f s, and no row is recovered that tells of it"):format(
            pulse.at / 1e9)
        end
      end
    end },
  { name = "recovered-counts", says = "What is recovered counts as many pulses as the live run.",
    when = function(run) return had_flight(run) and run.recovered.summary end,
    check = function(run)
      local summary = run.recovered.summary
      return summary.sent ~= run.result.pulses_sent and ("%d sent, live were %d"):format(summary.sent,
        run.result.pulses_sent) or nil
    end },
  { name = "recovered-is-undamaged", says = "The flight record of a run that ended has no torn place.",
    when = function(run) return had_flight(run) and run.recovered.summary and not run.full end,
    check = function(run) return run.recovered.summary.said[1] end },
}
