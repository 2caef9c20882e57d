--- What triggers must have made of the plans that waited for them: computed from what the scenario lets come
--- and the rule of the step, with arithmetic of its own, and compared with the starts and verdicts of the
--- record.
local plans = require "moonpulse.explore.plan"
local triggers = require "moonpulse.explore.triggers"
local troubles = require "moonpulse.explore.trouble"

local M = {}

local floor, max = math.floor, math.max
local rounding_ns = 3
local wire_ns = 25000000 -- the longest frame on the slowest line: a pulse may have to wait for it
local full_ns = 2000000 -- a buffer that nobody reads is full: the next byte comes soon after there is room
local look_ns = 2500000000 -- what goes wrong so long after a trigger came may still hold it up

local function ns_of(s)
  return floor(s * 1e9 + 0.5)
end

--- The bytes that come in a run, in order: { ns, byte, late_ns }, by how much clock and port may hold one up.
local function bytes_of(run)
  local list, disturbed = {}, troubles.disturbed_ns(run) < math.huge
  for _, each in ipairs(triggers.each(run.scenario.triggers)) do
    if each.byte then
      local held_ns = disturbed and troubles.held_ns(run, run.start_ns + each.ns - full_ns,
        run.start_ns + each.ns + look_ns) or 0
      each.late_ns = held_ns > 0 and held_ns + full_ns or 0
      list[#list + 1] = each
    end
  end
  return list
end

--- What the journal has of a call: when it was armed, and each verdict of its triggers.
local function add_told(run, call, ahead)
  local told = { count = 0, by = {}, list = {} }
  call.from_ns, call.told = math.tointeger(ahead.at_ns), told
  call.begun = {}
  local number, play, entry = call.first, run.plays[call.first], run.journal_plays[call.first]
  while play and play.call == call and entry do
    call.begun[#call.begun + 1] = { number = number, play = play,
      start_ns = math.tointeger(entry.start_ns) - run.start_ns,
      trigger_ns = math.tointeger(entry.from_ns) - run.start_ns }
    number = number + 1
    play, entry = run.plays[number], run.journal_plays[number]
  end
end

local function add_verdict(call, entry)
  local told, count = call.told, entry.count and math.tointeger(entry.count) or 1
  told.count = told.count + count
  told.by[entry.heard] = (told.by[entry.heard] or 0) + count
  told.list[#told.list + 1] = { at_ns = math.tointeger(entry.at_ns), byte = math.tointeger(entry.byte),
    heard = entry.heard, count = count }
end

--- Bring the journal's lines to the calls that they are of.
local function read_journal(run)
  local at, open = 0, nil
  for _, entry in ipairs(run.journal) do
    if entry.kind == "ahead" then
      local first = math.tointeger(entry.play)
      repeat -- those between were refused, maybe at this very instant
        at = at + 1
        local call = run.calls[at]
        open = call and call.first == first and call.returned_ns and math.tointeger(entry.from_ns)
          <= call.returned_ns - (call.ok and 0 or 1) and call or nil
      until open or not call
      if open then
        add_told(run, open, entry)
      end
    elseif entry.kind == "trigger" and entry.heard and open then
      add_verdict(open, entry)
    end
  end
end

--- From a trigger to the start that it makes at once, without a delay.
local function lead_ns(run)
  return ns_of(run.scenario.trigger and run.facts.edge_s or run.facts.lead_s)
end

--- The bytes that a call may have heard, of its value, from number first on.
local function matching(run, call, first)
  local list, value = {}, call.step.byte
  for i = first, #run.bytes do
    local each = run.bytes[i]
    if each.ns > call.returned_ns - run.start_ns then
      break
    end
    if not value or each.byte == value then
      list[#list + 1] = each
    end
  end
  return list
end

--- Is it certain that byte would have started the plan, after the start before?
local function should_start(call, byte, before, lead)
  if not before then
    return true
  end
  local start_ns = byte.ns + max(lead, call.delay_ns)
  return start_ns > before.start_ns + call.refractory_ns + rounding_ns
    and byte.ns > before.start_ns + call.last_ns + wire_ns
end

--- Walk through what a call heard, from the first byte on that it may have heard: what is wrong with it, by
--- invariant.
local function walk(run, call, first)
  local list, wrong, by, starts = matching(run, call, first), { bytes = {} }, {}, 0
  local lead, told = lead_ns(run), call.told
  local function count(verdict)
    by[verdict] = (by[verdict] or 0) + 1
  end
  for i = 1, math.min(told.count, #list) do
    local byte, next_start = list[i], call.begun[starts + 1]
    local is_nth = i % (call.step.every or 1) == 0
    local starts_it = next_start and is_nth and next_start.trigger_ns >= byte.ns - rounding_ns
      and next_start.trigger_ns <= byte.ns + byte.late_ns + rounding_ns
    if call.until_ns and byte.ns > call.until_ns then
      count "outside"
    elseif starts >= call.step.count then
      count "over"
    elseif starts_it then
      starts = starts + 1
      wrong.bytes[starts] = byte
      count "starts"
    elseif call.until_ns and byte.ns + byte.late_ns > call.until_ns then
      count "outside" -- perhaps; where times are not exact nobody asks
    elseif not is_nth then
      count "counted"
    else
      count "refused"
      if should_start(call, byte, call.begun[starts], lead) then
        wrong.refused = wrong.refused or byte
      end
    end
  end
  wrong.doubled = told.count > #list and told.count - #list or nil
  wrong.lost = list[told.count + 1] and list[told.count + 1].ns + list[told.count + 1].late_ns < call.heard_ns
    and list[told.count + 1] or nil
  wrong.unasked = starts < call.step.count and call.begun[starts + 1] or nil
  return wrong, by
end

local function badness(wrong)
  return (wrong.doubled and 1 or 0) + (wrong.lost and 1 or 0) + (wrong.unasked and 2 or 0)
    + (wrong.refused and 1 or 0)
end

--- Until when a call must have heard what came: it was over as its last start was, with its time, or where
--- something stopped it.
local function heard_until(run, call)
  local last = call.begun[#call.begun]
  if call.ok and #call.begun >= call.step.count then
    local last_ns = run.scenario.timing == "host" and call.last_ns or 0 -- of others the first command may do
    return math.max(last.trigger_ns, last.start_ns + last_ns - lead_ns(run) - rounding_ns - 1)
  elseif call.ok then
    return call.until_ns or math.maxinteger -- no further one could come
  end
  for _, stop in ipairs(run.stops) do
    if stop.at_ns >= call.called_ns and not troubles.happened(run, "but stops") then
      return stop.at_ns - run.start_ns
    end
  end
  return call.told.list[1] and call.told.list[#call.told.list].at_ns or call.from_ns
end

--- A byte that came just as the call was armed may have been heard by it, or not.
local function read_call(run, call)
  local step, bytes = call.step, run.bytes
  call.delay_ns, call.refractory_ns = ns_of(step.delay or 0), ns_of(step.refractory)
  call.until_ns = call.timeout_s and call.called_ns + ns_of(call.timeout_s) - run.start_ns
  local offsets = plans.stretches(step.plan)[1].events
  call.last_ns = 0
  for _, event in ipairs(offsets) do
    call.last_ns = event.mark and call.last_ns or max(call.last_ns, ns_of(event.t))
  end
  call.heard_ns = heard_until(run, call)
  local first, best = 1, nil
  while bytes[first] and bytes[first].ns + bytes[first].late_ns < call.from_ns do
    first = first + 1
  end
  repeat
    local wrong, by = walk(run, call, first)
    if not best or badness(wrong) < badness(best) then
      best, call.by = wrong, by
    end
    local is_open = bytes[first] and bytes[first].ns <= call.from_ns
    first = first + 1
  until badness(best) == 0 or not is_open
  call.wrong = best
  for i, start in ipairs(call.begun) do
    start.byte = best.bytes[i]
  end
end

--- Read what a run's record has of triggers: into run.bytes and the calls of run.calls: from_ns, until_ns,
--- heard_ns, told, begun { start_ns, trigger_ns, byte }, by (computed verdicts: starts, refused, counted,
--- over, outside), wrong. A call that was never armed has no told. Times from the run's start.
---@param run table of moonpulse.explore.evidence
function M.read(run)
  if not run.start_ns or not (run.calls[1] or run.waits[1]) then
    return
  end
  run.bytes = bytes_of(run)
  read_journal(run)
  for _, call in ipairs(run.calls) do
    if call.told and call.returned_ns then
      read_call(run, call)
    end
  end
end

M.lead_ns, M.wire_ns, M.rounding_ns = lead_ns, wire_ns, rounding_ns

return M
