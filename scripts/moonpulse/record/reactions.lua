--- How soon plans that triggers start began: from the trigger, or the delay after it, to the first command
--- that was handed over; and what became of all triggers, for the manifest.
local M = {}

--- From a trigger to a start's first command: not before the trigger, whatever the plan wants sooner.
---@param trigger_ns integer when it came (monotonic)
---@param delay_ns integer from it to the plan's start, as it was asked for
---@param send_ns integer when the command leaves, from the plan's start
---@param handed_ns integer when it had left (monotonic)
---@return integer
function M.of(trigger_ns, delay_ns, send_ns, handed_ns)
  return handed_ns - math.max(trigger_ns, trigger_ns + delay_ns + send_ns)
end

--- The same from a flight record.
---@param list table[] its records
---@param entries table[] of the journal
---@return integer[] nanoseconds, of each start
function M.of_flight(list, entries)
  local starts, found = {}, {}
  local function delay_of(play)
    for _, entry in ipairs(entries) do
      if entry.kind == "ahead" and play >= entry.play and play < entry.play + entry.count then
        return entry.delay_ns or 0
      end
    end
    return 0
  end
  for _, entry in ipairs(list) do
    local start = starts[entry.play]
    if entry.kind == "play" and (entry.woken_ns or 0) > 0 then
      starts[entry.play] = entry
    elseif start and (entry.kind == "sent" and entry.send == "pulse") then
      starts[entry.play] = nil
      if entry.returned_ns and entry.returned_ns > 0 then
        found[#found + 1] = M.of(start.woken_ns, delay_of(entry.play), entry.due_ns - start.due_ns,
          entry.returned_ns)
      end
    end
  end
  return found
end

--- For the manifest.
---@param by table<string, integer> triggers, by what became of them
---@param untold integer bytes that came faster than they could be told one by one
---@param reactions_ns integer[] of each start; sorted by this
---@return table
function M.facts(by, untold, reactions_ns)
  local facts = { untold = untold > 0 and untold or nil }
  for verdict, count in pairs(by) do
    facts[verdict] = count
  end
  facts.starts = facts.starts or 0
  table.sort(reactions_ns)
  local count = #reactions_ns
  local function nearest_rank(share)
    return reactions_ns[math.max(1, math.ceil(share * count))] / 1000
  end
  if count > 0 then
    facts.reaction_us = { p50 = nearest_rank(0.5), p95 = nearest_rank(0.95), worst = nearest_rank(1) }
  end
  return facts
end

return M
