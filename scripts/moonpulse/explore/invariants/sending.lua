--- When pulses are given: never early, never twice, never closer than the device or the plan allows.
local troubles = require "moonpulse.explore.trouble"

local function seconds(ns)
  return ("%.9f s"):format(ns / 1e9)
end

local unheeding = { ["over-temperature"] = true, ["stuck-armed"] = true, ["lose-setting"] = true,
  ["garble-setting"] = true }
local identity = "49444e0a" -- a StimJim is asked for a name that its firmware may not know

local function has_pulses(run)
  return run.given[1] and run.wanted[1] and run.start_ns
end

--- How late a pulse may leave, and be given: within the tolerance if the clock is disturbed, and by as much
--- more as its own write is held up.
local function late_ns(run, pulse)
  local most = pulse.ns >= troubles.disturbed_ns(run) and run.scenario.tolerance_ms * 1e6 or 0
  return most + troubles.held_ns(run, pulse.ns, pulse.ns, "port")
end

--- Are two pulses closer than least_ns? Where a write stalls, the simulator has no turn either: its times may
--- be that much late.
local function is_closer(run, a, b, least_ns)
  local missing = least_ns - run.facts.clock_ns - (b.at - a.at)
  return missing > 0 and missing > troubles.held_ns(run, a.ns, b.ns, "port")
end

--- Was a write held up for so long that the device heard nothing and gave remote control up?
local function fell_silent(run, entry)
  local silent_ns = run.facts.silent_s and run.facts.silent_s * 1e9
  if not silent_ns or troubles.held_ns(run, entry.ns - silent_ns, entry.ns) == 0 then
    return false
  end
  local last_ns -- that it heard before this
  for i = 1, #run.heard, 2 do
    last_ns = run.heard[i] < entry.ns - run.facts.clock_ns and run.heard[i] or last_ns
  end
  return last_ns ~= nil and entry.ns - last_ns > silent_ns
end

local function wanted_of(pulse)
  return pulse.row and pulse.row.wanted
end

--- Each pulse with the one before it on the same output, both sent by us.
local function each_interval(run, look)
  local before, outputs = {}, run.facts.outputs
  for _, pulse in ipairs(run.given) do
    local output, row = outputs and pulse.channel or "1", pulse.row
    local own, last = row and row.timed_by == "host", before[output]
    if own and last then
      local why = look(last, pulse)
      if why then
        return why
      end
    end
    before[output] = own and pulse or nil
  end
end

return {
  { name = "none-early", each = true, says = "No pulse is given before its time.",
    when = has_pulses,
    check = function(run)
      local within = math.max(2000, run.facts.clock_ns)
      for _, pulse in ipairs(run.given) do
        local wanted = wanted_of(pulse)
        if wanted and pulse.at < wanted.ns - within then
          return ("pulse %d: written %s, given %s"):format(pulse.row.number, seconds(wanted.ns),
            seconds(pulse.at))
        end
      end
    end },
  { name = "none-late", each = true,
    says = "No pulse is given later than the tolerance, unless its write was held up.",
    when = function(run)
      return has_pulses(run) and run.given[#run.given].ns >= troubles.disturbed_ns(run)
    end,
    check = function(run)
      local within = math.max(2000, run.facts.clock_ns)
      for _, pulse in ipairs(run.given) do
        local wanted = wanted_of(pulse)
        local late = wanted and pulse.at - wanted.ns - within or 0
        if late > 0 and late > late_ns(run, pulse) then
          return ("pulse %d: written %s, given %s"):format(pulse.row.number, seconds(wanted.ns),
            seconds(pulse.at))
        end
      end
    end },
  { name = "none-twice", each = true,
    says = "The simulator gives no pulse that has no row of its own as sent.",
    when = function(run) return run.given[1] and not run.full end,
    check = function(run)
      for _, pulse in ipairs(run.given) do
        if not pulse.row then
          return ("the simulator gave a pulse at %s from the run's start, and no row tells of it")
            :format(seconds(pulse.at))
        end
      end
    end },
  { name = "none-more-than-written", each = true, says = "No more pulses are given than were written.",
    when = function(run) -- what a trigger starts is in the journal after it, if the disk takes it
      return run.start_ns and run.wanted[1] and not (run.full and run.calls[1])
    end,
    check = function(run)
      return #run.given > #run.wanted_pulses and ("%d given, %d written"):format(#run.given,
        #run.wanted_pulses) or nil
    end },
  { name = "none-closer-than-device", each = true,
    says = "Two pulses of ours reach the device no closer than it can give them.",
    when = function(run) return has_pulses(run) and not run.scenario.trigger end,
    check = function(run)
      return each_interval(run, function(a, b)
        local least_ns = run.facts.least_s(b.mso or 100) * 1e9
        if run.facts.pairs and b.row.number and a.row.number and b.at - a.at < 1e9 then
          return nil -- a pair of its own
        end
        return is_closer(run, a, b, least_ns) and ("pulses at %s and %s are %.6f s apart, the device "
          .. "takes %.3f s"):format(seconds(a.at), seconds(b.at), (b.at - a.at) / 1e9, least_ns / 1e9) or nil
      end)
    end },
  { name = "none-closer-than-plan", each = true,
    says = "Two pulses are no closer than planned less the tolerance, and never under half of it.",
    when = has_pulses,
    check = function(run)
      local tolerance = run.scenario.tolerance_ms * 1e6
      return each_interval(run, function(a, b)
        local first, second = a.row.wanted, b.row.wanted
        local planned = first and second and second.ns - first.ns or 0
        local least = planned - (tolerance < planned / 2 and tolerance or planned / 2)
        return is_closer(run, a, b, least) and ("pulses %d and %d are %.6f s apart, planned were %.6f s")
          :format(a.row.number, b.row.number, (b.at - a.at) / 1e9, planned / 1e9) or nil
      end)
    end },
  { name = "exact-when-undisturbed", each = true,
    says = "Until clock or port stall a pulse is given at its time.",
    when = function(run) return has_pulses(run) and run.given[1].ns < troubles.disturbed_ns(run) end,
    check = function(run)
      local within, until_ns = math.max(2000, run.facts.clock_ns), troubles.disturbed_ns(run)
      for _, pulse in ipairs(run.given) do
        local wanted = pulse.ns < until_ns and wanted_of(pulse)
        if wanted and math.abs(pulse.at - wanted.ns) > within then
          return ("pulse %d: written %s, given %s"):format(pulse.row.number, seconds(wanted.ns),
            seconds(pulse.at))
        end
      end
    end },
  { name = "nothing-ignored", each = true,
    says = "Whose bytes arrive as they were sent, the simulator ignores no command, and none harms it.",
    when = function(run)
      return run.start_ns and not troubles.cuts_frames(run) and not troubles.broke(run, unheeding)
    end,
    check = function(run)
      for _, entry in ipairs(run.log) do
        if entry.event == "error"
          or entry.event == "ignored" and entry.bytes ~= identity and not fell_silent(run, entry)
          or entry.event == "fault" and entry.note:find "^fired " then
          return ("%s at %s: %s (%s)"):format(entry.event, seconds(entry.ns), entry.note, entry.bytes)
        end
      end
    end },
  { name = "settings-confirmed", each = true,
    says = "No pulse follows a setting that the device has not answered.",
    when = function(run)
      return run.given[1] and run.facts.sets and run.facts.proof == "read" and run.replies[1]
    end,
    check = function(run)
      local at, answer, pulses = 1, 1, run.given
      for _, entry in ipairs(run.log) do
        local sets = entry.event == "set" and entry.bytes ~= "0000" and not entry.note:find "^train started"
        while sets and pulses[at] and pulses[at].ns < entry.ns do
          at = at + 1
        end
        while sets and run.replies[answer] and run.replies[answer] <= entry.ns do
          answer = answer + 1
        end
        local pulse = sets and pulses[at]
        if pulse and not (run.replies[answer] and run.replies[answer] <= pulse.ns) then
          return ("a pulse at %s, and no answer since the setting at %s"):format(seconds(pulse.ns),
            seconds(entry.ns))
        end
      end
    end },
}
