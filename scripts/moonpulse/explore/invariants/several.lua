--- Several devices on one clock: what one gives stands to what another gives as it is written, and what ends
--- one ends all.
local troubles = require "moonpulse.explore.trouble"

local in_flight_ns = 25000000 -- the longest frame on the slowest line
local notices_ns = 1200000000 -- in so long who drives a device knows that it is gone, though nothing is due

local function seconds(ns)
  return ("%.6f s"):format(ns / 1e9)
end

--- Did all of them give a plan, or begin to?
local function has_begun(run)
  return run.parts and run.start_ns and run.given[1]
end

local function last_given(part)
  local last = part.given[#part.given]
  return last and last.ns or part.start_ns
end

--- The first safe frame that a device has had after its last pulse; nil: none.
local function end_of(part)
  local safe = part.facts.safe:gsub("%x%x", function(digits) return string.char(tonumber(digits, 16)) end)
  local text, from_ns = "", last_given(part) - (part.facts.settles_ns or part.facts.clock_ns)
  for i = 1, #part.heard, 2 do
    text = text .. part.heard[i + 1]
    if text:find(safe, 1, true) then
      if part.heard[i] >= from_ns then
        return part.heard[i]
      end
      text = ""
    end
    text = text:sub(-#safe)
  end
end

--- Was all that it has to give over by then? Then it ends by itself.
local function was_done(part, ns)
  local last = part.wanted_pulses[#part.wanted_pulses]
  return ns >= part.start_ns + last.ns
end

--- What has not the safe frame though it was sent: the cable is out, or bytes of it were lost.
local function may_lack(part)
  return troubles.cuts_frames(part)
end

--- When the first of them ended, and which: by its safe frame, or because its cable was out. What rests after
--- each pulse, by the same byte, does not tell.
local function first_end(run)
  local first, of
  for _, part in ipairs(run.parts) do
    local ns = part.lost_ns and part.lost_ns + notices_ns or not part.facts.by_hand and end_of(part)
    if ns and not was_done(part, ns) and (not first or ns < first) then
      first, of = ns, part
    end
  end
  return first, of
end

--- For how long a stop of one may be on its way to another.
local function most_ns(run, at_ns)
  return 4 * in_flight_ns + troubles.held_ns(run, at_ns - in_flight_ns, at_ns + 4 * in_flight_ns)
end

--- Was the run stopped, in whatever way?
local function was_stopped(run)
  return has_begun(run) and run.result.stop and run.result.stop ~= "finished"
end

--- Which written pulse is this one, the nth that a device gave? By its row; where nothing went wrong at that
--- device the nth.
local function wanted_of(part, pulse, n)
  local wanted = pulse.row and pulse.row.wanted
  return wanted or not troubles.happened(part, "but stops") and part.wanted_pulses[n] or nil
end

--- Does a device alone break: its own fault, or its port's?
local function broken_parts(run)
  local list = {}
  for _, part in ipairs(run.parts) do
    local breaks = part.lost_ns or troubles.broke(part)
    for _, trouble in ipairs(run.met) do
      breaks = breaks or trouble.on == part.number
    end
    list[#list + 1] = breaks and part or nil
  end
  return list
end

local of_device = { device = true, silent = true, setting = true, gone = true, blocked = true }

--- All pulses that are known, in the order in which they are written.
local function as_written(run)
  local list = {}
  for _, part in ipairs(run.parts) do
    for n, pulse in ipairs(part.given) do
      local wanted = wanted_of(part, pulse, n)
      if wanted then
        list[#list + 1] = { part = part, pulse = pulse, wanted = wanted.ns,
          at = pulse.ns + part.facts.latency_s * 1e9 }
      end
    end
  end
  table.sort(list, function(a, b)
    if a.wanted ~= b.wanted then
      return a.wanted < b.wanted
    end
    return a.part.number < b.part.number
  end)
  return list
end

--- How late a pulse may be: as each by itself.
local function late_ns(each)
  local run, pulse = each.part, each.pulse
  local most = pulse.ns >= troubles.disturbed_ns(run) and run.scenario.tolerance_ms * 1e6 or 0
  return math.max(2000, run.facts.clock_ns) + most + troubles.held_ns(run, pulse.ns, pulse.ns, "port")
end

return {
  { name = "mutual-timing",
    says = "Pulses of two devices are as far apart as written, but for what holds one of them up.",
    when = has_begun,
    check = function(run)
      local before
      for _, each in ipairs(as_written(run)) do
        if before and before.part ~= each.part then
          local off = (each.at - before.at) - (each.wanted - before.wanted)
          if off > late_ns(each) + math.max(2000, before.part.facts.clock_ns)
            or -off > late_ns(before) + math.max(2000, each.part.facts.clock_ns) then
            return ("%s's pulse of %s and %s's of %s are %.9f s apart, written are %.9f s"):format(
              before.part.place, seconds(before.wanted), each.part.place, seconds(each.wanted),
              (each.at - before.at) / 1e9, (each.wanted - before.wanted) / 1e9)
          end
        end
        before = each
      end
    end },
  { name = "all-armed-before-any", says = "No device gives a pulse before all are armed.",
    when = has_begun,
    check = function(run)
      for _, part in ipairs(run.parts) do
        local armed_ns
        for _, entry in ipairs(part.facts.arms and part.log or {}) do
          armed_ns = armed_ns or entry.event == "arm" and entry.ns
        end
        if part.facts.arms and not (armed_ns and armed_ns <= run.given[1].ns) then
          return ("a pulse at %s, and %s was armed %s"):format(seconds(run.given[1].ns), part.place,
            armed_ns and "at " .. seconds(armed_ns) or "never")
        end
      end
    end },
  { name = "one-stop-stops-all",
    says = "Where one of several devices is stopped all get their safe frames, and give nothing more.",
    when = was_stopped,
    check = function(run)
      local first_ns, of = first_end(run)
      for _, part in ipairs(first_ns and run.parts or {}) do
        local ns = end_of(part)
        if part ~= of and not may_lack(part) and (not ns or ns > first_ns + most_ns(run, first_ns)) then
          return ("%s ended at %s, the safe frame of %s %s"):format(of.place, seconds(first_ns), part.place,
            ns and ("came %s after it"):format(seconds(ns - first_ns)) or "never came")
        end
      end
    end },
  { name = "fault-names-its-device",
    says = "A run that ends by a fault of one device says which it is, and means the one that failed.",
    when = function(run)
      return was_stopped(run) and of_device[run.result.stop] and #broken_parts(run) == 1
        and not troubles.has(run.scenario, "clock") and not troubles.has(run.scenario, "port", "stalled")
    end,
    check = function(run)
      local place = broken_parts(run)[1].place
      return not tostring(run.result.reason):find(place .. ": ", 1, true)
        and ("%s failed, and the record says: %s"):format(place, tostring(run.result.reason)) or nil
    end },
}
