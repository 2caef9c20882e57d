--- A torn run back into a record: events.tsv from the flight record, marked interrupted.
local cjson = require "cjson"
local core = require "moonpulse.core"
local devices = require "moonpulse.devices"
local records = require "moonpulse.record"

local M = {}

local function read_manifest(folder)
  local file = io.open(folder .. "/manifest.json")
  if not file then
    return nil, ("%s has no manifest.json: is it the folder of a run?"):format(folder)
  end
  local text = file:read("a")
  file:close()
  local ok, manifest = pcall(cjson.decode, text)
  if not ok then
    return nil, ("%s/manifest.json cannot be read: %s"):format(folder, manifest)
  end
  return manifest
end

--- All whole records, in the order in which they were stored, and the number of torn ones.
local function read_flight(path)
  local reader, start_ns = core.flight_read(path)
  if not reader then
    return nil, start_ns
  end
  local list = {}
  while true do
    local record, torn = reader:next()
    if not record then
      reader:close()
      return list, start_ns, torn
    end
    list[#list + 1] = record
  end
end

--- Confirmations by pulse number: one, or as many as a train has.
local function confirmations(list)
  local found = {}
  for _, record in ipairs(list) do
    if record.kind == "confirm" then
      found[record.number] = found[record.number] or {}
      table.insert(found[record.number], record)
    end
  end
  return found
end

--- The rows of one start or pulse: confirmed as far as the record says.
local function answer(record, replies, start_ns, driver)
  for _, reply in ipairs(replies or {}) do
    record:confirm(reply.woken_ns - start_ns, driver.confirmation(reply.action - 1))
  end
end

--- Those that nothing confirms any more.
local function close_open(record, unknown)
  while record:oldest_open() do
    record:unconfirmed_row(unknown)
  end
end

local function replay(record, list, start_ns, facts, driver)
  local confirmed = confirmations(list)
  local finished, stopped, unknown, last_ns = false, nil, nil, 0
  for _, entry in ipairs(list) do
    last_ns = math.max(last_ns, entry.sent_ns or 0, entry.woken_ns or 0)
    local late_ns = entry.sent_ns - entry.due_ns
    local wire_ns = facts.wire_ns[entry.frame] or 0
    local sent_ns = entry.sent_ns - start_ns + wire_ns + facts.latency_ns
    if entry.kind == "sent" and entry.send == "pulse" and entry.returned_ns == -1 then
      record:skipped(entry.number, entry.planned_ns, late_ns, entry.action, "not_taken")
    elseif entry.kind == "sent" and entry.send == "pulse" then
      local train = facts.actions[entry.action].train
      close_open(record, unknown) -- of a train before
      record:pulse(entry.number, entry.planned_ns, sent_ns, late_ns, entry.action, entry.sent_ns)
      answer(record, confirmed[entry.number], start_ns, driver)
      unknown = entry.returned_ns == 0 and "perhaps_sent" or "sent"
      if not train then
        close_open(record, unknown)
      end
    elseif entry.kind == "sent" then
      record:event("set_intensity", sent_ns - late_ns, sent_ns, "sent", nil, entry.action)
    elseif entry.kind == "skipped" and entry.send == "set" then
      record:event("set_intensity", entry.due_ns - start_ns, nil, entry.stop, nil, entry.action)
    elseif entry.kind == "skipped" then
      record:skipped(entry.number, entry.planned_ns, late_ns, entry.action, entry.stop)
    elseif entry.kind == "mark" then
      record:event("mark", entry.planned_ns, entry.sent_ns - start_ns, "passed",
        facts.marks[entry.action])
    elseif entry.kind == "finished" then
      finished = true
    elseif entry.kind == "stopped" then
      stopped = entry
    end
  end
  record:halt(last_ns, "perhaps_sent") -- a train that the device timed went on until the guard's frame
  return finished, stopped
end

--- Write events.tsv of the run in folder anew from its flight record.
---@param folder string
---@return table? summary { sent, confirmed, skipped, torn, safe }
---@return string? message
function M.run(folder)
  local manifest, message = read_manifest(folder)
  if not manifest then
    return nil, message
  elseif manifest.status ~= "running" then
    return nil, ("%s is not torn: its run ended (%s)"):format(folder, tostring(manifest.status))
  elseif not manifest.flight then
    return nil, ("%s was not armed: nothing was sent"):format(folder)
  end
  local list, start_ns, torn = read_flight(folder .. "/flight.bin")
  if not list then
    return nil, start_ns
  end
  local driver = assert(devices.find(manifest.device.driver or manifest.device.name))
  local record = assert(records.rewrite(folder))
  local facts = manifest.flight
  if facts.confirms == nil then -- of an older version
    facts.confirms = driver.confirms ~= false
  end
  record:set_actions(facts.actions, facts.confirms)
  local finished, stopped = replay(record, list, start_ns, facts, driver)
  record:close()
  assert(os.rename(folder .. "/events.tsv.new", folder .. "/events.tsv"))
  local result = record:result()
  result.status, result.reason = "interrupted", "Moonpulse was killed; recovered from flight.bin"
  result.pulses_planned, result.torn_records = manifest.protocol.pulses, torn
  result.plan_complete = finished
  manifest.status, manifest.result = "interrupted", result
  record:manifest(manifest)
  return { sent = result.pulses_sent, confirmed = result.pulses_confirmed,
    skipped = result.pulses_skipped, planned = manifest.protocol.pulses, torn = torn,
    safe = stopped ~= nil and stopped.action == 2 }
end

return M
