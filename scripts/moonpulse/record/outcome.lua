--- What an outcome of the dispatcher means in the record: one place for the run that is going on and for
--- moonpulse recover, so that both write the same rows.
local M = {}

--- When the frame left, from the plan's start. A write that stalled past the tolerance began before the
--- stall or after it: then the last instant holds, also for how late it is.
---@param out moonpulse.Outcome
---@param facts moonpulse.OutcomeFacts
---@return integer
function M.left_ns(out, facts)
  local returned_ns = out.returned_ns
  if returned_ns and facts.tolerance_ns and returned_ns - out.due_ns > facts.tolerance_ns then
    return returned_ns
  end
  return out.entered_ns
end

--- A frame of which the port took a part (in_part) may have been completed by what came next, the safe frame:
--- nobody knows what the device made of it.
local function enter_pulse(record, out, facts, now_ns)
  local planned_ns = facts.offset_ns + out.planned_ns
  if out.what ~= "sent" and not out.in_part then
    return record:skipped(out.number, planned_ns, out.entered_ns - out.due_ns, out.action,
      out.what == "skipped" and out.stop or out.what)
  end
  local left_ns = out.in_part and out.entered_ns or M.left_ns(out, facts)
  record:pulse(out.number, planned_ns,
    facts.offset_ns + left_ns + facts.wire_ns[out.frame] + facts.latency_ns, left_ns - out.due_ns,
    out.action, now_ns, out.in_part and "perhaps_sent" or out.status, left_ns - out.entered_ns)
end

local function enter_set(record, out, facts)
  local wire_ns = facts.wire_ns[out.frame] + facts.offset_ns
  local sent_ns = out.what == "sent" and wire_ns + M.left_ns(out, facts)
    or out.in_part and wire_ns + out.entered_ns or nil
  record:event("set_intensity", wire_ns + out.due_ns, sent_ns,
    out.what == "skipped" and out.stop or out.in_part and "perhaps_sent" or out.what, nil, out.action)
end

--- A setting, or the question before one, was left out: so is the pulse that it was for, which stands at the
--- same number and onset, and has a row that says why. How late it would have been nobody knows.
local function enter_held(record, out, facts)
  record:skipped(out.number, facts.offset_ns + out.planned_ns, nil, out.action, out.stop)
end

--- An event code that was given to its box, or was not: its row has the onset that its pulse or mark was
--- planned at, and stands where its byte was there. Of one that was begun in the instant of a kill nobody
--- knows when, or whether.
local function enter_code(record, out, facts)
  local is_written, row = out.lost == 0 and not out.status, record.recent[out.number % 32]
  local number = row and row.engine_number == out.number and row.pulse or out.number + record.extra
  record.coded = true
  record:add { event = "code", pulse = out.of == "pulse" and number or nil,
    planned_ns = facts.offset_ns + out.planned_ns,
    sent_ns = is_written and facts.offset_ns + out.there_ns or nil,
    late_ns = is_written and out.entered_ns - out.due_ns or nil,
    status = out.status or is_written and "sent" or out.lost == 4 and "stopped" or "not_taken",
    reply = tostring(out.code) }
end

--- Write the rows of an outcome.
---@param record moonpulse.Record
---@param out moonpulse.Outcome
---@param facts moonpulse.OutcomeFacts
---@param now_ns integer when it is told (monotonic)
function M.enter(record, out, facts, now_ns)
  if out.what == "code" then
    enter_code(record, out, facts)
  elseif out.what == "mark" then
    record:event("mark", facts.offset_ns + out.planned_ns, nil, "passed", out.text, nil, out.number)
  elseif out.send == "pulse" then
    enter_pulse(record, out, facts, now_ns)
  elseif out.send == "set" then
    enter_set(record, out, facts)
  end
  if out.what == "skipped" and (out.send == "set" or out.send == "ask") then
    enter_held(record, out, facts)
  end
  if out.of == "script" then -- which is in no order with what a plan does
    return
  end
  record:advance(facts.offset_ns + out.due_ns) -- what follows is due later, and has a later onset
end

--- A stop threw away what a port still held, or the port was lost with it: of what the device should have
--- had from then on nobody knows whether it has it.
---@param record moonpulse.Record
---@param cut_ns integer? monotonic, without the device's latency; nil, 0: nothing was lost
---@param latency_ns integer of the device
function M.cut(record, cut_ns, latency_ns)
  if cut_ns and cut_ns ~= 0 and record.start_ns then
    record:discarded(cut_ns + latency_ns - record.start_ns)
  end
end

return M
