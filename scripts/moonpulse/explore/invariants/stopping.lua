--- What a stop means: nothing more is given, the safe frame is out at once, the first reason stays.
local outside = require "moonpulse.explore.outside"
local troubles = require "moonpulse.explore.trouble"

-- a frame that is on the wire goes out: the longest, on the slowest line, with the second part of a trigger
local in_flight_ns = 25000000
local disarming_ns = 1000000000 -- the device is asked for so long at most whether it is safe
local disarms_ns = 1000000000 -- a stop meets a run that is disarming anyway: so long, at most
local most_end_ns = 20000000000 -- three questions to a device that does not answer, and what it recharges

local function seconds(ns)
  return ("%.6f s"):format(ns / 1e9)
end

local unheeding = { ["stuck-armed"] = true, ["lose-setting"] = true, ["garble-setting"] = true }

--- For how long clock or port hold up what a stop does, when it comes.
local function held_ns(run, at_ns)
  return troubles.held_ns(run, at_ns, at_ns + 4 * in_flight_ns)
end

--- A train that the device times needs nothing from us, so that a lost cable does not end it.
local function may_go_on(run, pulse)
  return pulse.row and pulse.row.timed_by == "device"
    and (troubles.unreachable(run) or troubles.broke(run, unheeding))
end

local function had_port_trouble(run)
  return troubles.has(run.scenario, "port") or troubles.has(run.scenario, "device")
end

local armed = { armed = true, running = true }

--- The stops that met something armed.
local function stops_of(run)
  local list = {}
  for _, stop in ipairs(run.stops) do
    list[#list + 1] = armed[stop.state] and stop or nil
  end
  return list
end

--- When the script armed anew after its own stop: after another's it may not.
local function next_arm(run, stop)
  for _, ns in ipairs(stop.source == "requested" and run.arms or {}) do
    if ns >= stop.at_ns then
      return ns
    end
  end
  return math.maxinteger
end

local function bytes_of(hex)
  return (hex:gsub("%x%x", function(digits) return string.char(tonumber(digits, 16)) end))
end

--- When the device last had its safe frame whole, as the wire had it; nil: never. from_ns: the first since
--- then; until_ns: the last up to then.
local function last_safe(run, from_ns, until_ns)
  local safe, text = bytes_of(run.facts.safe), ""
  local found
  for i = 1, #run.heard, 2 do
    if until_ns and run.heard[i] > until_ns then
      break
    end
    text = text .. run.heard[i + 1]
    if text:find(safe, 1, true) then
      found = (not from_ns or run.heard[i] >= from_ns) and not (from_ns and found) and run.heard[i] or found
      text = ""
    end
    text = text:sub(-#safe)
  end
  return found
end

--- The script stopped while another part of it was disarming: the device had its safe frame just before.
local function was_safe(run, stop)
  local safe_ns = stop.source == "requested" and last_safe(run, nil, stop.at_ns)
  safe_ns = safe_ns and safe_ns > stop.at_ns - disarming_ns and safe_ns
  for _, ns in ipairs(safe_ns and run.arms or {}) do
    safe_ns = safe_ns and (ns < safe_ns or ns > stop.at_ns) and safe_ns
  end
  return safe_ns
end

local first_of = { key = "key", signal = "signal", line = "line", guard = "guard", requested = "requested" }

--- The operator's stops, which end a run whatever it was doing.
local function operators_stop(run)
  for _, stop in ipairs(run.stops) do
    if stop.source ~= "requested" and (armed[stop.state] or stop.source == "key") then
      return stop
    end
  end
end

-- what must have happened for each reason, of which docs/stopping.md tells; of others nothing need have
local causes = {
  late = { clock = true, stalled = true }, close = { clock = true, stalled = true }, stuck = { clock = true },
  record = { clock = true, disk = true }, full = {}, torn = {},
  device = { device = true, port = true, clock = true },
  silent = { device = true, port = true, clock = true },
  setting = { device = true, port = true, clock = true },
  gone = { unplug = true, lost = true }, blocked = { port = true }, guard = {},
}

--- Was the device left alone, armed, for as long as it disarms itself after?
local function was_idle(run)
  local idle_ns, last_ns = run.facts.idle_s and run.facts.idle_s * 1e9, 0
  for _, entry in ipairs(idle_ns and run.log or {}) do
    if entry.event == "disarm" and entry.ns - last_ns >= idle_ns then
      return true
    end
    last_ns = entry.event == "arm" and entry.ns or last_ns
    for _, pulse in ipairs(run.given) do
      last_ns = pulse.ns <= entry.ns and math.max(last_ns, pulse.ns) or last_ns
    end
  end
  return false
end

--- Did something happen that stops a run for this reason?
local function could_be(run, reason)
  local of = causes[reason]
  if reason == "refractory" then
    return outside.too_soon(run) or troubles.broke(run)
  elseif reason == "device" and run.fired_given[1] then
    for _, row in ipairs(run.rows or {}) do -- it came when nobody waited for it
      if row.event == "unasked_pulse" then
        return true
      end
    end
  end
  if not of then
    return true
  end
  for _, trouble in ipairs(run.met) do
    if of[trouble.what] or of[trouble.kind] then
      return true
    end
  end
  if reason == "device" and was_idle(run) then
    return true
  end
  for kind in pairs(of) do
    if kind == "device" and troubles.broke(run) or troubles.broke(run, { [kind] = true }) then
      return true
    end
  end
  return false
end

return {
  { name = "nothing-after-stop", each = true,
    says = "After a stop no pulse is given, but one whose frame was on the wire.",
    when = function(run) return stops_of(run)[1] end,
    check = function(run)
      for _, stop in ipairs(stops_of(run)) do
        local from = stop.at_ns + in_flight_ns + held_ns(run, stop.at_ns)
        local to = next_arm(run, stop)
        for _, pulse in ipairs(run.given) do
          if pulse.ns > from and pulse.ns < to and not may_go_on(run, pulse) then
            return ("%s at %s, and a pulse %s after it"):format(stop.source, seconds(stop.at_ns),
              seconds(pulse.ns - stop.at_ns))
          end
        end
      end
    end },
  { name = "nothing-sent-after-stop", each = true,
    says = "After a stop no pulse has a row as sent, but one on its way.",
    when = function(run) return stops_of(run)[1] and run.start_ns and run.rows[1] end,
    check = function(run)
      for _, stop in ipairs(stops_of(run)) do
        local from = stop.at_ns - run.start_ns + in_flight_ns + held_ns(run, stop.at_ns)
        local to = next_arm(run, stop) - run.start_ns
        for _, row in ipairs(run.sent) do
          if row.timed_by == "host" and row.sent and row.sent > from and row.sent < to then
            return ("%s at %s, and pulse %s is recorded as sent %s after it"):format(stop.source,
              seconds(stop.at_ns), row.number, seconds(row.sent + run.start_ns - stop.at_ns))
          end
        end
      end
    end },
  { name = "safe-soon-after-stop", each = true,
    says = "The safe frame is with the device at once after a stop.",
    when = function(run) return stops_of(run)[1] and not troubles.unreachable(run) end,
    check = function(run)
      for _, stop in ipairs(stops_of(run)) do
        local safe_ns = was_safe(run, stop) or last_safe(run, stop.at_ns)
        local most = 4 * in_flight_ns + held_ns(run, stop.at_ns)
        if not safe_ns or safe_ns > stop.at_ns + most then
          return ("%s at %s, the safe frame %s"):format(stop.source, seconds(stop.at_ns),
            safe_ns and seconds(safe_ns - stop.at_ns) .. " after it" or "never came")
        end
      end
    end },
  { name = "safe-at-the-end", each = true,
    says = "Whatever ends a run, the last thing that an armed device had is the safe frame.",
    when = function(run) return run.given[1] and not troubles.unreachable(run) end,
    check = function(run)
      local last, safe_ns = 0, last_safe(run)
      for _, pulse in ipairs(run.given) do
        last = may_go_on(run, pulse) and last or pulse.ns
      end
      -- a box obeys at its clock's next tick
      local from_ns = last - (run.facts.settles_ns or run.facts.clock_ns)
      return (not safe_ns or safe_ns < from_ns) and ("the last pulse at %s, the last safe frame %s"):format(
        seconds(last), safe_ns and "at " .. seconds(safe_ns) or "never") or nil
    end },
  { name = "ends-soon-after-stop", says = "A run has ended within its bound after an operator's stop.",
    when = function(run) return operators_stop(run) and run.ended_ns end,
    check = function(run)
      local stop = operators_stop(run)
      local took = run.ended_ns - stop.at_ns
      local most = most_end_ns + held_ns(run, stop.at_ns)
      return took > most and ("%s, and the run went on for %s"):format(stop.source, seconds(took)) or nil
    end },
  { name = "stop-is-named", says = "The only thing that stops a run is the reason that the record gives.",
    when = function(run)
      local stop = operators_stop(run)
      return stop and armed[stop.state] and #run.stops == 1 and run.result.stop
        and not troubles.happened(run, "but stops") and not run.fired_given[1]
    end,
    check = function(run)
      local stop = run.stops[1]
      return run.result.stop ~= first_of[stop.source] and not (run.result.stop == "finished"
        and run.ended_ns - stop.at_ns < disarms_ns)
          and ("stopped by %s, the record says %s"):format(stop.source,
        tostring(run.result.stop)) or nil
    end },
  { name = "reason-happened", says = "A run is not stopped by what did not happen.",
    when = function(run) return run.result.stop ~= nil end,
    check = function(run)
      local reason = run.result.stop
      if first_of[reason] then
        for _, stop in ipairs(run.stops) do
          if stop.source == reason then
            return nil
          end
        end
        return "the record says " .. reason .. ", and there was none"
      elseif not could_be(run, reason) then
        return ("nothing was wrong that makes it so, and the record says %s (%s)"):format(reason,
          tostring(run.message))
      end
    end },
  { name = "no-arm-after-operator", each = true, says = "After an operator's stop nothing is armed again.",
    when = function(run) return operators_stop(run) and run.facts.arms end,
    check = function(run)
      local stop = operators_stop(run)
      for _, entry in ipairs(run.log) do
        if entry.event == "arm" and entry.ns > stop.at_ns + in_flight_ns + held_ns(run, stop.at_ns) then
          return ("%s at %s, and the simulator was armed %s after it"):format(stop.source,
            seconds(stop.at_ns),
            seconds(entry.ns - stop.at_ns))
        end
      end
    end },
  { name = "finished-is-whole", each = true,
    says = "Also of a disturbed run: one that says that it finished has given every pulse.",
    when = function(run)
      return run.ok and run.result.stop == "finished" and run.scenario.plan and run.wanted[1]
        and run.scenario.troubles[1] and (run.facts.confirms or not had_port_trouble(run))
    end,
    check = function(run)
      local left_out = 0
      for _, row in ipairs(run.pulses) do
        left_out = left_out + ((row.status == "late" or row.status == "close") and not row.sent and 1 or 0)
      end
      return #run.given + left_out ~= #run.wanted_pulses and ("%d written, %d left out, %d given"):format(
        #run.wanted_pulses, left_out, #run.given) or nil
    end },
}
