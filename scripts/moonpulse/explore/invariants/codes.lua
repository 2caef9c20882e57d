--- Event codes equal the pulses: by what stood at the box, which shares nothing with the record, and by what
--- the plan that was written gives each pulse (moonpulse.explore.plan).
local plans = require "moonpulse.explore.plan"

local plan_code = "255" -- of the marks of plans
local ending_ns = 150000000 -- a box that took no 0 just before the end is not tried again before it
local rest_ns = 1000000 -- between two codes of which a script gives the second (engine/code_box.c)
local byte_ns = 2500 -- of a simulated box: one of one instant comes behind the other
local gave = { delivered = true, sent = true, otherwise = true }

--- Has the run a box, and a record of it that can be read?
local function has_box(run)
  return run.scenario.codes and run.start_ns and run.rows and run.box_text and not run.full
    and run.result.status ~= nil
end

--- The rows of codes: their value, the pulse, and when they were there.
local function code_rows(run)
  local list = {}
  for _, row in ipairs(run.rows) do
    list[#list + 1] = row.event == "code" and row or nil
  end
  return list
end

--- What stood at the box: { ns, byte }, times from the run's start.
local function box_bytes(run)
  local list = {}
  for time, fraction, byte in run.box_text:gmatch("\n(%d+)%.(%d+)\t(%d+)") do
    list[#list + 1] = { ns = tonumber(time) * 1000000000 + tonumber(fraction) - run.start_ns,
      byte = tonumber(byte) }
  end
  return list
end

--- They in the order in which they were written; of a mark's a row has the time of the mark, which may have
--- waited.
local function rows_in_order(run)
  local rows = code_rows(run)
  table.sort(rows, function(a, b)
    local first, second = a.sent or a.onset, b.sent or b.onset
    return first < second or first == second and a.index < b.index
  end)
  return rows
end

--- Two devices give their codes at one instant in either order: put first which of them the box got first.
---@param rows table[] in order; changed
---@param i integer
---@param byte integer that the box got
---@return integer before so many of that instant came before it
local function settle_tie(rows, i, byte)
  for k = i, #rows do
    if rows[k].sent ~= rows[i].sent then
      break
    elseif rows[k].reply == tostring(byte) then
      table.insert(rows, i, table.remove(rows, k))
      break
    end
  end
  local before = 0
  while rows[i - before - 1] and rows[i - before - 1].sent == rows[i].sent do
    before = before + 1
  end
  return before
end

--- Where the next code stands, behind a place of what stood at the box.
local function next_code(bytes, at)
  repeat
    at = at + 1
  until not bytes[at] or bytes[at].byte ~= 0
  return at
end

--- The byte from which on the box stands as it does at a place; nil: from before the run on.
local function since(bytes, at)
  while bytes[at - 1] and bytes[at - 1].byte == bytes[at].byte do
    at = at - 1
  end
  return (at > 1 or bytes[at] and bytes[at].byte ~= 0) and bytes[at] or nil
end

--- A line is high from each code on, and rises for nothing else: one that comes while it is high leaves it
--- so.
local function not_high(run)
  local rows, at, within = code_rows(run), 1, 2000 + run.facts.clock_ns
  local changes, risen = box_bytes(run), {}
  table.sort(rows, function(a, b) return (a.sent or a.onset) < (b.sent or b.onset) end)
  for _, row in ipairs(rows) do
    local is_high
    while row.sent and changes[at] and changes[at].ns <= row.sent + within do
      -- a stop ends it at once
      is_high = changes[at].byte == 1 or is_high and changes[at].ns > row.sent - within
      risen[at] = changes[at].ns >= row.sent - within or nil
      at = at + 1
    end
    is_high = is_high or changes[at - 1] and changes[at - 1].byte == 1
    if row.sent and not is_high then
      return ("event code %s at %d ns: the line is not high"):format(row.reply, row.sent)
    end
  end
  for i, change in ipairs(changes) do
    if change.byte == 1 and not risen[i] then
      return ("the line rises at %d ns, and no row says why"):format(change.ns)
    end
  end
end

--- Does it take no byte when the run ends, or until just before?
local function hangs_at_end(run)
  local until_ns = run.box.hangs_until_ns
  return until_ns and until_ns > run.ended_ns - ending_ns
end

--- The mark of a script that a row of a code is of: is taken out of the list.
local function take(list, row, start_ns)
  for i, each in ipairs(list) do
    if row.reply == tostring(each.code) and row.planned >= each.from_ns - start_ns - 1000
      and row.planned <= each.to_ns - start_ns + 1000 then
      return table.remove(list, i)
    end
  end
end

return {
  { name = "marks-have-their-codes",
    says = "Each mark of a script that has a code has one row of it, at its time, whatever became of it.",
    when = function(run) return has_box(run) and run.coded[1] end,
    check = function(run)
      local list = table.move(run.coded, 1, #run.coded, 1, {})
      for _, row in ipairs(code_rows(run)) do
        if not row.number and row.planned and not take(list, row, run.start_ns)
          and row.reply ~= plan_code then
          return ("event code %s at %.6f s is of no mark"):format(row.reply, row.planned / 1e9)
        end
      end
      local left = list[1]
      return left and ("the mark with code %d at %.6f s has no row of it"):format(left.code,
        (left.from_ns - run.start_ns) / 1e9) or nil
    end },
  { name = "codes-equal-pulses",
    says = "Each pulse that was sent has one event code, its plan's, at its time; no other pulse has one.",
    when = has_box,
    check = function(run)
      local of, marks = {}, 0
      for _, row in ipairs(code_rows(run)) do
        if row.number and of[row.number] then
          return ("pulse %d has two event codes"):format(row.number)
        elseif row.number then
          of[row.number] = row
        else
          marks = marks + 1
        end
      end
      for _, pulse in ipairs(run.pulses) do
        local code = of[pulse.number]
        local may = pulse.sent ~= nil
        local must = gave[pulse.status] or pulse.status == "late" and may
        if must and pulse.timed_by == "host" and not code then
          return ("pulse %d (%s) has no event code"):format(pulse.number, pulse.status)
        elseif code and not may then
          return ("pulse %d (%s) was not sent, and has event code %s"):format(pulse.number, pulse.status,
            code.reply)
        elseif code and code.planned ~= pulse.planned then
          return ("the event code of pulse %d is planned at another time"):format(pulse.number)
        elseif code and pulse.wanted and code.reply ~= tostring(plans.code_of(pulse.wanted.value)) then
          return ("pulse %d has event code %s, and its plan says %d"):format(pulse.number, code.reply,
            plans.code_of(pulse.wanted.value))
        end
        of[pulse.number] = nil
      end
      local stray = next(of)
      local there = 0
      for _, row in ipairs(run.rows) do
        there = there + (row.event == "mark" and 1 or 0)
      end
      return stray and ("an event code is of pulse %d, which has no row"):format(stray)
        or marks > there and ("%d event codes of marks, and %d marks"):format(marks, there) or nil
    end },
  { name = "codes-stood-at-the-box",
    says = "The box got the event codes that the record has as sent, in their order and at their times.",
    when = has_box,
    check = function(run)
      if run.scenario.line then
        return not_high(run)
      end
      local bytes, at, rows = box_bytes(run), 0, rows_in_order(run)
      for i = 1, #rows do
        local there, before = nil, 0
        if rows[i].sent then
          at = next_code(bytes, at)
          there = bytes[at]
          before = run.scenario.several and there and settle_tie(rows, i, there.byte) or 0
        end
        local row = rows[i]
        if row.sent and (not there or tostring(there.byte) ~= row.reply) then
          return ("event code %s of the record: the box got %s"):format(row.reply,
            there and there.byte or "none")
        elseif there and math.abs(there.ns - row.sent) > 2000 + before * byte_ns + run.facts.clock_ns then
          return ("event code %s was at the box %d ns after the record says"):format(row.reply,
            there.ns - row.sent)
        end
      end
      local more = bytes[next_code(bytes, at)]
      return more and ("the box got event code %d, which no row has"):format(more.byte) or nil
    end },
  { name = "codes-told-apart",
    says = "Where a script's mark gives a code, the box has stood at 0 for a millisecond before it.",
    when = function(run) return has_box(run) and not run.scenario.line end,
    check = function(run)
      local bytes, at = box_bytes(run), 0
      for _, row in ipairs(rows_in_order(run)) do
        at = row.sent and next_code(bytes, at) or at
        local before = since(bytes, at - 1)
        local waited = row.sent and bytes[at] and before and not row.number and row.reply ~= plan_code
        if waited and before.byte ~= 0 then
          return ("event code %s at %d ns: the box still stands at %d"):format(row.reply, row.sent,
            before.byte)
        elseif waited and bytes[at].ns - before.ns < rest_ns - 2000 - run.facts.clock_ns then
          return ("event code %s at %d ns: the box is at 0 for %d ns"):format(row.reply, row.sent,
            bytes[at].ns - before.ns)
        end
      end
    end },
  { name = "box-at-rest",
    says = "However a run ends, the box of its event codes stands at 0.",
    when = function(run) return has_box(run) and not (run.box and (run.box.gone or hangs_at_end(run))) end,
    check = function(run)
      local bytes = box_bytes(run)
      local last = bytes[#bytes]
      return last and last.byte ~= 0 and ("it stands at %d"):format(last.byte) or nil
    end },
}
