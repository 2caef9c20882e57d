--- What recovers a run: its flight record and journal are worth as much as the live record.
local troubles = require "moonpulse.explore.trouble"

--- Is there a live record to compare with?
local function had_live(run)
  return run.events_text and run.start_ns and run.result.status and not run.full
end

local function had_flight(run)
  return run.recovered and had_live(run)
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

-- not of record/counted.lua, on purpose: that is what is checked here
local gave = { delivered = true, otherwise = true, sent = true, perhaps_sent = true }
local sure = { delivered = true, otherwise = true }

--- How far the time of a pulse may be from that of its row.
local function within_ns(run)
  return math.max(2000, run.facts.clock_ns) + (troubles.longest_stall_ns(run.scenario) or 0)
    + run.scenario.tolerance_ms * 1e6 -- of a train that was cut its plan is known, not its start
end

--- The first pulse, of those given before until_ns, that no row tells of.
local function not_told(run, rows, until_ns)
  local at, within = 1, within_ns(run)
  for _, pulse in ipairs(run.given) do
    while rows[at] and (rows[at].onset < pulse.at - within or not gave[rows[at].status]) do
      at = at + 1
    end
    local row = rows[at]
    if pulse.ns < until_ns and (not row or (row.planned or row.onset) > pulse.at + within) then
      return pulse
    end
  end
end

--- The first row that says for sure that its pulse was given, and the simulator gave none.
local function only_told(run, rows)
  local at, within = 1, within_ns(run)
  for _, row in ipairs(rows) do
    if sure[row.status] then
      while run.given[at] and run.given[at].at < row.onset - within do
        at = at + 1
      end
      if not run.given[at] or run.given[at].at > row.onset + within then
        return row
      end
      at = at + 1
    end
  end
end

local function was_killed(run)
  return run.killed and run.killed.recovered
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
  { name = "recovered-has-all", each = true,
    says = "Also of a record that the disk did not take, every pulse given is recovered.",
    when = function(run) return run.recovered and run.recovered.text and run.given[1] end,
    check = function(run)
      local pulse = not_told(run, run.recovered.rows, math.maxinteger)
      return pulse and ("a pulse was given at %.9f s, and no row is recovered that tells of it"):format(
        pulse.at / 1e9)
    end },
  { name = "recovered-was-given", each = true,
    says = "No pulse is recovered as delivered that the simulator did not give.",
    when = function(run) return run.recovered and run.recovered.text end,
    check = function(run)
      local row = only_told(run, run.recovered.rows)
      return row and ("pulse %s is recovered as %s at %.9f s, and the simulator gave none"):format(row.number,
        row.status, row.onset / 1e9)
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
  { name = "killed-recovers", says = "A run that was killed amid is recovered, if it had given anything.",
    when = function(run) return was_killed(run) and run.given[1] and run.given[1].ns < run.killed.at_ns end,
    check = function(run) return run.killed.recovered.why end },
  { name = "killed-has-all", each = true,
    says = "Every pulse given before a kill is recovered as given, or perhaps so.",
    when = function(run) return was_killed(run) and run.killed.recovered.text end,
    check = function(run)
      local pulse = not_told(run, run.killed.recovered.rows, run.killed.at_ns)
      return pulse and ("a pulse was given at %.9f s, the run was killed at %.9f s, and no row tells of it")
        :format(pulse.at / 1e9, (run.killed.at_ns - run.start_ns) / 1e9)
    end },
  { name = "killed-was-given", each = true,
    says = "Of a run that was killed no pulse is recovered as delivered that the simulator did not give.",
    when = function(run) return was_killed(run) and run.killed.recovered.text end,
    check = function(run)
      local row = only_told(run, run.killed.recovered.rows)
      return row and ("pulse %s is recovered as %s at %.9f s, and the simulator gave none"):format(row.number,
        row.status, row.onset / 1e9)
    end },
  { name = "killed-as-live",
    says = "What a killed run's record calls delivered, or left out, the run that went on calls the same.",
    when = function(run) return was_killed(run) and had_live(run) and run.killed.recovered.text end,
    check = function(run)
      local live, settled = {}, { delivered = true, otherwise = true, late = true, close = true,
        setting = true }
      for _, row in ipairs(run.pulses) do
        live[row.number or 0] = row
      end
      for _, row in ipairs(run.killed.recovered.rows) do
        local same = live[row.number or 0]
        if settled[row.status] and not (same and same.status == row.status
          and same.planned == row.planned) then
          return ("pulse %s: recovered after a kill as %s, live it is %s"):format(row.number, row.status,
            same and same.status or "not there")
        end
      end
    end },
}
