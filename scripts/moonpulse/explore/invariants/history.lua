--- What the participant had before: what earlier runs gave, however they ended, by a sum of our own.
local function had_history(run)
  return run.earlier and run.policy and run.policy.history
end

local function outside(value, least, most)
  return value < least or value > most
end

--- What the gate says of the pulses of a day.
local function of_day(run)
  local safety = run.scenario.plan and run.job and run.job.safety
  for _, finding in ipairs(safety and safety.findings or {}) do
    if finding.rule == "pulses a day" then
      return finding.value
    end
  end
end

return {
  { name = "history-adds-up",
    says = "A participant's pulses of today and of the week are those given before.",
    when = had_history,
    check = function(run)
      local said, sum = run.policy.history, run.earlier
      return (outside(said.day, sum.day_least, sum.day_most)
        or outside(said.week, sum.week_least, sum.week_most))
          and ("%d today and %d within 7 days are said, %d to %d and %d to %d were given"):format(said.day,
          said.week, sum.day_least, sum.day_most, sum.week_least, sum.week_most) or nil
    end },
  { name = "history-has-sessions",
    says = "Each earlier run that gave something is a session, and what cannot be read is named.",
    when = had_history,
    check = function(run)
      local said, sum = run.policy.history, run.earlier
      return (said.sessions ~= sum.sessions or #said.unreadable ~= sum.unreadable)
        and ("%d sessions and %d that cannot be read are said, there are %d and %d"):format(said.sessions,
          #said.unreadable, sum.sessions, sum.unreadable) or nil
    end },
  { name = "history-reaches-gate",
    says = "The gate judges a day's pulses with those given before, and this plan's.",
    when = function(run) return had_history(run) and of_day(run) and run.wanted[1] end,
    check = function(run)
      local value, own, sum = of_day(run), #run.wanted_pulses, run.earlier
      return outside(value - own, sum.day_least, sum.day_most) and ("it judges %d, %d are written, and %d to "
        .. "%d were given before"):format(value, own, sum.day_least, sum.day_most) or nil
    end },
  { name = "history-is-kept", says = "The manifest keeps what the participant had before.",
    when = function(run) return had_history(run) and run.manifest and run.manifest.safety end,
    check = function(run)
      local kept = run.manifest.safety.history or {}
      return outside(kept.day or -1, run.earlier.day_least, run.earlier.day_most) and ("it has %s for today")
        :format(tostring(kept.day)) or nil
    end },
  { name = "history-is-untouched", says = "Nothing in the folders of earlier runs is changed.",
    when = had_history,
    check = function(run) return run.earlier.touched end },
}
