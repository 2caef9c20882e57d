--- The lists of one plan are the same: what was written, what `events` lists, what the gate judged, what was
--- lowered to frames, what the simulator gave, what the record says.
local devices = require "moonpulse.explore.devices"
local troubles = require "moonpulse.explore.trouble"

local exactly_ns = 3 -- the engine rounds to 1 ns, doubles here to less

local function seconds(ns)
  return ("%.9f s"):format(ns / 1e9)
end

--- Did the run play its whole plan, with nothing in the way of the device?
local function is_whole(run)
  return run.ok and run.scenario.plan and run.start_ns and not troubles.happened(run) and run.wanted[1]
end

local function was_listed(run)
  return run.listed[1] and not run.drawn_wrong
end

local function words(row)
  return row and (row.mark and ("the mark %q at %s"):format(row.mark, seconds(row.ns))
    or ("%g %%%s on %s at %s"):format(row.value, row.ref, row.channel, seconds(row.ns))) or "nothing"
end

--- Are two events the same?
local function is_same(a, b)
  local apart = a.ns - b.ns
  return apart <= exactly_ns and apart >= -exactly_ns and a.value == b.value and a.mark == b.mark
    and a.ref == b.ref and a.channel == b.channel
end

local function different(i, a, name, b)
  return ("event %d: written %s, %s %s"):format(i, words(a), name, words(b))
end

local function difference(run, rows, name)
  local wanted = run.wanted
  for i = 1, math.max(#wanted, #rows) do
    local a, b = wanted[i], rows[i]
    if not (a and b and is_same(a, b)) then
      return different(i, a, name, b)
    end
  end
end

--- The same of the frames, which are drawn one by one.
local function lowered_difference(run)
  local lowering, actions, i, one, why = run.job.lowering, run.job.actions, 0, {}, nil
  local wanted, channels = run.wanted, {}
  for number, action in ipairs(actions) do
    channels[number] = action.channel ~= "" and action.channel or "1"
  end
  lowering:rewind()
  for kind, _, ns, _, what in lowering.next, lowering do
    local action = kind == "pulse" and actions[what]
    if action or kind == "mark" then
      i = i + 1
      one.ns, one.mark = ns, not action and what or nil
      one.value, one.ref = action and action.intensity or nil, action and action.reference or nil
      one.channel = action and channels[what] or nil
      local a = wanted[i]
      if not (why or a and is_same(a, one)) then
        why = different(i, a, "lowered", one)
      end
    end
  end
  lowering:rewind()
  return why or i < #wanted and different(i + 1, wanted[i + 1], "lowered") or nil
end

--- Is every action of the lowering one pulse of ours?
local function is_host_timed(run)
  local job = run.job
  for _, action in ipairs(job and job.lowering and job.actions or {}) do
    if action.train then
      return false
    end
  end
  return job and job.lowering ~= nil and run.scenario.plan ~= nil
end

local function judged_pulses(run)
  local safety = run.job and run.job.safety
  return safety and safety.pulses
end

return {
  { name = "rests-within-bounds",
    says = "A rest that chance decides on lasts no less and no longer than asked.",
    when = function(run) return run.listed[1] end,
    check = function(run) return run.drawn_wrong end },
  { name = "listed-as-written",
    says = "The plan is listed (moonpulse events) as it was written, to the nanosecond.",
    when = was_listed,
    check = function(run) return difference(run, run.listed, "listed") end },
  { name = "judged-as-written", says = "The gate judges as many pulses as the plan has.",
    when = function(run) return run.scenario.plan and judged_pulses(run) and was_listed(run) end,
    check = function(run)
      local judged = judged_pulses(run)
      return judged ~= #run.wanted_pulses and ("the gate judged %d pulses, %d are written"):format(judged,
        #run.wanted_pulses) or nil
    end },
  { name = "lowered-as-written", says = "The frames of a plan are for its pulses, in their order and time.",
    when = function(run) return was_listed(run) and is_host_timed(run) end,
    check = lowered_difference },
  { name = "given-as-written", each = true,
    says = "Of an undisturbed run the simulator gives every pulse, and no other.",
    when = is_whole,
    check = function(run)
      local within = 1e6 -- how exactly: exact-when-undisturbed
      for i = 1, math.max(#run.wanted_pulses, #run.given) do
        local a, b = run.wanted_pulses[i], run.given[i]
        if not a or not b or math.abs(a.ns - b.at) > within then
          return ("pulse %d: written %s, given %s"):format(i, a and seconds(a.ns) or "not at all",
            b and seconds(b.at) or "not at all")
        end
      end
    end },
  { name = "strength-as-written", each = true,
    says = "A pulse has the strength that is written, on the device's grid.",
    when = function(run) return run.given[1] and not run.facts.any_intensity and run.wanted[1] end,
    check = function(run)
      local exact, mso -- most pulses are as strong as the one before
      for _, pulse in ipairs(run.given) do
        local row = pulse.row
        local wanted = row and row.wanted
        if wanted and wanted.mso ~= exact then
          exact, mso = wanted.mso, devices.on_grid(run.facts, wanted.mso)
        end
        if wanted and pulse.mso and math.abs(pulse.mso - mso) > 1e-6 + mso * 1e-6
          and row.status ~= "otherwise" and not (troubles.has(run.scenario, "device")
            and run.facts.proof == "none") then
          return ("pulse %d at %s: written %g %%MSO, given at %g %%MSO"):format(row.number, seconds(pulse.at),
            mso, pulse.mso)
        end
      end
    end },
  { name = "output-as-written", each = true, says = "A pulse comes from the output that is written.",
    when = function(run) return run.facts.outputs and run.given[1] and run.wanted[1] end,
    check = function(run)
      for _, pulse in ipairs(run.given) do
        local wanted = pulse.row and pulse.row.wanted
        local output = wanted and (run.output_of or {})[wanted.channel] or wanted and wanted.channel
        if wanted and output ~= pulse.channel then
          return ("pulse %d at %s: written on %s, given on %s"):format(pulse.row.number, seconds(pulse.at),
            wanted.channel, pulse.channel)
        end
      end
    end },
  { name = "recorded-as-written", says = "The record plans each pulse when it is written, in order.",
    when = function(run) return run.pulses[1] and run.wanted[1] and not run.drawn_wrong and not run.full end,
    check = function(run)
      for _, row in ipairs(run.pulses) do
        local wanted = row.wanted
        if not wanted then
          return ("pulse %s of the record is none that is written"):format(row.number)
        elseif not row.planned or math.abs(row.planned - wanted.ns) > exactly_ns then
          return ("pulse %d: written %s, recorded as planned for %s"):format(row.number, seconds(wanted.ns),
            row.planned and seconds(row.planned) or "no time")
        end
      end
    end },
  { name = "recorded-once", says = "Each pulse of a plan has one row at most.",
    when = function(run) return run.pulses[1] end,
    check = function(run)
      local seen = {}
      for _, row in ipairs(run.pulses) do
        if seen[row.number or 0] then
          return ("pulse %s has two rows"):format(row.number)
        end
        seen[row.number or 0] = true
      end
    end },
  { name = "marks-recorded", says = "A mark of a plan that was played to its end is in the record.",
    when = function(run) return is_whole(run) and not run.record_lost end,
    check = function(run)
      local found = {}
      for _, row in ipairs(run.rows) do
        if row.event == "mark" then
          found[row.reply] = (found[row.reply] or 0) + 1
        end
      end
      for _, row in ipairs(run.wanted) do
        if row.mark then
          found[row.mark] = (found[row.mark] or 0) - 1
          if found[row.mark] < 0 then
            return ("%q at %s has no row"):format(row.mark, seconds(row.ns))
          end
        end
      end
    end },
}
