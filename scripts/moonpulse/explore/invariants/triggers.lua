--- Plans that triggers start: no trigger lost or doubled, none that starts what it may not, no pulse without
--- one. The triggers are those of the scenario, the pulses those of the simulator.
local triggered = require "moonpulse.explore.triggered"
local troubles = require "moonpulse.explore.trouble"

local armed = { armed = true, running = true }
local most_ready_ns = 20000000000 -- a device is set, and recharges
local rounding_ns = triggered.rounding_ns

local function seconds(ns)
  return ("%.9f s"):format(ns / 1e9)
end

--- Were there calls of stim:on_trigger whose record can be read?
local function has_told(run)
  if run.full or not run.start_ns then -- a full disk has taken no journal
    return false
  end
  for _, call in ipairs(run.calls) do
    if call.wrong then
      return true
    end
  end
  return false
end

local function has_begun(run)
  for _, call in ipairs(has_told(run) and run.calls or {}) do
    if call.wrong and call.begun[1] then
      return true
    end
  end
  return false
end

--- Nothing went wrong by which times are others than computed.
local function is_exact(run)
  return troubles.disturbed_ns(run) == math.huge
end

--- What look(call) says of the first call for which it says something.
local function of_calls(run, look)
  for _, call in ipairs(run.calls) do
    local why = call.wrong and look(call)
    if why then
      return why
    end
  end
end

--- The same of each start: look(call, start, the one before).
local function of_starts(run, look)
  return of_calls(run, function(call)
    for i, start in ipairs(call.begun) do
      local why = look(call, start, call.begun[i - 1])
      if why then
        return why
      end
    end
  end)
end

local verdicts = { "starts", "counted", "over", "outside" }

--- Verdicts of the record that are others than computed; where triggers or starts are too many or too few
--- others say so.
local function other_verdicts(call)
  local told, by, wrong = call.told.by, call.by, call.wrong
  if wrong.doubled or wrong.lost or wrong.unasked or #call.begun > call.step.count then
    return nil
  end
  for _, verdict in ipairs(verdicts) do
    if (told[verdict] or 0) ~= (by[verdict] or 0) then
      return ("%d of %d triggers are recorded as %s, computed are %d"):format(told[verdict] or 0,
        call.told.count, verdict, by[verdict] or 0)
    end
  end
  local refused = (told.busy or 0) + (told.refractory or 0)
  return refused ~= (by.refused or 0) and ("%d triggers are recorded as too soon, computed are %d"):format(
    refused, by.refused or 0) or nil
end

--- How long after its trigger a plan starts: with its delay, or as soon as the command can be there; a frame
--- may be on the wire, and a write may be held up.
local function start_bounds(run, call, start)
  local lead_ns = triggered.lead_ns(run)
  local least_ns = math.max(call.delay_ns, lead_ns)
  local from_ns = run.start_ns + start.trigger_ns
  local held_ns = troubles.held_ns(run, from_ns - triggered.wire_ns, from_ns, "port")
  local waits_ns = call.delay_ns < lead_ns + triggered.wire_ns and triggered.wire_ns or 0
  return least_ns - run.facts.clock_ns, least_ns + run.facts.clock_ns + waits_ns + held_ns
end

--- The pulses that the simulator gave while a call went on, and those that are due after it.
local function given_in(run, call, look)
  local to_ns = call.returned_ns - run.start_ns
  for _, pulse in ipairs(run.given) do
    if pulse.ns - run.start_ns > call.from_ns and pulse.ns - run.start_ns <= to_ns then
      local why = look(pulse)
      if why then
        return why
      end
    end
  end
end

--- How much later than planned a pulse of a start may come.
local function slack_ns(run, pulse)
  return math.max(2000, run.facts.clock_ns) + run.scenario.tolerance_ms * 1e6
    + troubles.held_ns(run, pulse.ns - triggered.wire_ns, pulse.ns)
end

local function sum_of(run)
  local by, count = {}, 0
  of_calls(run, function(call)
    count = count + call.told.count
    for verdict, more in pairs(call.told.by) do
      by[verdict] = (by[verdict] or 0) + more
    end
  end)
  return by, count
end

local function on_trigger_of(run)
  local experiment = run.manifest and run.manifest.experiment
  local of = type(experiment) == "table" and experiment.triggers
  return type(of) == "table" and type(of.on_trigger) == "table" and of.on_trigger or nil, of
end

local function plain(text)
  return math.tointeger(tonumber((text:gsub(",", ""))))
end

--- What a part of the script should have been given by its waits: nil and a sentence if it was given another.
local function wrong_wait(run, waits)
  local at = 1 -- the next byte that this part was not given
  for i, wait in ipairs(waits) do
    if not wait.returned_ns then
      return nil -- it was stopped, or refused
    end
    while i == 1 and run.bytes[at] and run.start_ns + run.bytes[at].ns < wait.called_ns do
      at = at + 1
    end
    local place = at
    while run.bytes[place] and wait.step.byte and run.bytes[place].byte ~= wait.step.byte do
      place = place + 1
    end
    local byte = run.bytes[place]
    if wait.at_s then
      if not byte or byte.byte ~= wait.byte or math.abs(wait.at_s * 1e9 - byte.ns) > rounding_ns then
        return ("a wait was given byte %s of %s, the next one is %s"):format(wait.byte,
          seconds(wait.at_s * 1e9), byte and ("%d of %s"):format(byte.byte, seconds(byte.ns)) or "none")
      end
      at = place + 1
    elseif byte and run.start_ns + byte.ns < wait.returned_ns then
      return ("a wait until %s was given none, and byte %d came at %s"):format(
        seconds(wait.returned_ns - run.start_ns), byte.byte, seconds(byte.ns))
    else -- what it passed over is not given to its next wait
      while run.bytes[at] and run.start_ns + run.bytes[at].ns < wait.returned_ns do
        at = at + 1
      end
    end
  end
end

return {
  { name = "triggers-not-lost", says = "Each trigger of a plan that waits for them has a verdict.",
    when = has_told,
    check = function(run)
      return of_calls(run, function(call)
        local lost = call.wrong.lost
        return lost and ("byte %d came at %s, and the record has no verdict of it; it has %d"):format(
          lost.byte, seconds(lost.ns), call.told.count)
      end)
    end },
  { name = "triggers-not-doubled", says = "No trigger has two verdicts, and no verdict is without one.",
    when = has_told,
    check = function(run)
      return of_calls(run, function(call)
        return call.wrong.doubled and ("the record has %d verdicts more than triggers came"):format(
          call.wrong.doubled)
      end)
    end },
  { name = "verdicts-as-computed",
    says = "What becomes of a trigger is what its time, the rule and the starts before it make of it.",
    when = function(run) return has_told(run) and is_exact(run) end,
    check = function(run) return of_calls(run, other_verdicts) end },
  { name = "starts-have-a-trigger",
    says = "A plan is started by a trigger that came, of its byte, each n-th, and none starts two.",
    when = has_begun,
    check = function(run)
      return of_calls(run, function(call)
        local start = call.wrong.unasked
        return start and ("play %d was started at %s by a trigger of %s that did not come, or may not")
          :format(start.number, seconds(start.start_ns), seconds(start.trigger_ns))
      end)
    end },
  { name = "triggers-start", says = "A trigger that may start the plan, and is not too soon, starts it.",
    when = has_told,
    check = function(run)
      return of_calls(run, function(call)
        local byte = not call.wrong.unasked and call.wrong.refused
        return byte and ("byte %d came at %s, and started nothing"):format(byte.byte, seconds(byte.ns))
      end)
    end },
  { name = "starts-at-their-time", says = "A plan starts with its trigger, or the delay after it.",
    when = has_begun,
    check = function(run)
      return of_starts(run, function(call, start)
        local least_ns, most_ns = start_bounds(run, call, start)
        local took_ns = start.start_ns - start.trigger_ns
        return (took_ns < least_ns or took_ns > most_ns) and ("play %d starts %s after its trigger, not %s "
          .. "to %s"):format(start.number, seconds(took_ns), seconds(least_ns), seconds(most_ns)) or nil
      end)
    end },
  { name = "starts-are-given",
    says = "Of a call that nothing disturbs the simulator gives each start's pulses, at trigger and delay.",
    when = function(run) return has_begun(run) and not troubles.happened(run) end,
    check = function(run)
      return of_starts(run, function(call, start)
        local least_ns, most_ns = start_bounds(run, call, start)
        local within_ns = math.max(2000, run.facts.clock_ns)
        for _, wanted in ipairs(call.ok and start.byte and start.play.wanted or {}) do
          local behind_ns, found = wanted.ns - start.start_ns + start.byte.ns, false
          for _, pulse in ipairs(run.given) do
            found = found or pulse.at >= behind_ns + least_ns - within_ns
              and pulse.at <= behind_ns + most_ns + within_ns
          end
          if not found then
            return ("byte %d of %s started play %d, and no pulse was given %s after it"):format(
              start.byte.byte, seconds(start.byte.ns), start.number,
              seconds(behind_ns + least_ns - start.byte.ns))
          end
        end
      end)
    end },
  { name = "none-without-trigger",
    says = "While a plan waits for triggers no pulse is given but those of its starts, each once.",
    when = has_told,
    check = function(run)
      return of_calls(run, function(call)
        local pulses, starts = 0, call.begun
        local why = given_in(run, call, function(pulse)
          local slack, found = slack_ns(run, pulse), false
          pulses = pulses + 1
          for _, start in ipairs(starts) do
            found = found or pulse.at >= start.start_ns - slack and pulse.at <= start.start_ns + call.last_ns
              + slack
          end
          return not found and ("a pulse was given at %s, and no trigger started a plan for it"):format(
            seconds(pulse.at)) or nil
        end)
        local each = starts[1] and starts[1].play.wanted and #starts[1].play.wanted
        local most = each and each * #starts or 0
        return why or each and pulses > most and ("%d pulses were given, %d starts have %d"):format(pulses,
          #starts, most) or nil
      end)
    end },
  { name = "none-within-refractory",
    says = "From one start to the next, and between their pulses, it is the refractory time at least.",
    when = has_begun,
    check = function(run)
      return of_starts(run, function(call, start, before)
        local apart_ns = before and start.start_ns - before.start_ns
        if apart_ns and apart_ns < call.refractory_ns - rounding_ns then
          return ("plays %d and %d start %s apart, the refractory time is %s"):format(before.number,
            start.number, seconds(apart_ns), seconds(call.refractory_ns))
        end
        local first = before and (before.play.wanted or {})[1]
        local next_first = start.play.wanted and start.play.wanted[1]
        local a, b = first and first.row and first.row.pulse, next_first and next_first.row
          and next_first.row.pulse
        if a and b and b.at - a.at < call.refractory_ns - slack_ns(run, a) - run.facts.clock_ns then
          return ("the first pulses of plays %d and %d are %s apart, the refractory time is %s"):format(
            before.number, start.number, seconds(b.at - a.at), seconds(call.refractory_ns))
        end
      end)
    end },
  { name = "never-more-than-count", says = "Triggers start a plan as often as it may be started, at most.",
    when = has_begun,
    check = function(run)
      return of_calls(run, function(call)
        return #call.begun > call.step.count and ("it was started %d times, at most %d were asked for")
          :format(#call.begun, call.step.count) or nil
      end)
    end },
  { name = "none-starts-after-stop", says = "After a stop no trigger starts a plan.",
    when = function(run) return has_told(run) and run.stops[1] end,
    check = function(run)
      return of_starts(run, function(call, start)
        for _, stop in ipairs(run.stops) do
          local at_ns = stop.at_ns - run.start_ns
          if armed[stop.state] and stop.at_ns >= call.called_ns and start.trigger_ns > at_ns
            + troubles.held_ns(run, stop.at_ns, stop.at_ns) then
            return ("%s at %s, and a trigger of %s started play %d"):format(stop.source, seconds(at_ns),
              seconds(start.trigger_ns), start.number)
          end
        end
      end)
    end },
  { name = "armed-for-triggers-soon",
    says = "A plan waits for triggers as soon as the device is ready for it.",
    when = has_told,
    check = function(run)
      return of_calls(run, function(call)
        local took_ns = run.start_ns + call.from_ns - call.called_ns
        local most_ns = most_ready_ns + troubles.held_ns(run, call.called_ns, run.start_ns + call.from_ns)
        return (took_ns < 0 or took_ns > most_ns) and ("it waited for them %s after the call"):format(
          seconds(took_ns)) or nil
      end)
    end },
  { name = "trigger-counts-agree",
    says = "The manifest's counts of triggers are the sums of their verdicts, and the bytes that came.",
    when = function(run) return has_told(run) and run.manifest and run.result.status end,
    check = function(run)
      local by, count = sum_of(run)
      local of, all = on_trigger_of(run)
      for verdict, told in pairs(by) do
        if not of or of[verdict] ~= told then
          return ("the manifest counts %s as %s, the journal has %d"):format(tostring(of and of[verdict]),
            verdict, told)
        end
      end
      local came = all and all.came or not run.bytes[1] and 0
      return (not came or came < count or came > #run.bytes) and ("%s came by the manifest, %d by "
        .. "the triggers' file, %d have a verdict"):format(tostring(came), #run.bytes, count) or nil
    end },
  { name = "trigger-sums-are-said",
    says = "What the script is told of starts and triggers, and the record's sentence, are their numbers.",
    when = has_told,
    check = function(run)
      return of_calls(run, function(call)
        local said
        for _, row in ipairs(run.rows) do
          local is_its = not said and row.event == "mark" and row.onset >= call.from_ns
            and row.onset <= call.returned_ns - run.start_ns
          said = is_its and row.reply:match "^triggers: .*" or said
        end
        local came, starts = (said or ""):match "^triggers: ([%d,]+), ([%d,]+) st"
        if not came or plain(starts) ~= #call.begun or plain(came) < call.told.count then
          return ("%d triggers have a verdict, %d starts; the record says: %s"):format(call.told.count,
            #call.begun, said or "nothing")
        end
        return call.ok and (call.starts ~= #call.begun or call.came ~= call.told.count) and ("%d triggers "
          .. "have a verdict, %d starts; the script was told of %s, %s"):format(call.told.count, #call.begun,
          call.came, call.starts) or nil
      end)
    end },
  { name = "waits-hear-each-byte",
    says = "run:wait_trigger gives each part of a script every byte once, in order, whoever else hears it.",
    when = function(run) return run.waits[1] and run.bytes and is_exact(run) end,
    check = function(run)
      local of, order = {}, {}
      for _, wait in ipairs(run.waits) do
        if not of[wait.part] then
          of[wait.part] = {}
          order[#order + 1] = wait.part
        end
        table.insert(of[wait.part], wait)
      end
      for _, part in ipairs(order) do
        local why = wrong_wait(run, of[part])
        if why then
          return why
        end
      end
    end },
}
