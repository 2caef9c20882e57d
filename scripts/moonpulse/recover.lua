--- A torn run back into a record: events.tsv from the flight record, marked interrupted.
local cjson = require "cjson"
local core = require "moonpulse.core"
local devices = require "moonpulse.devices"
local journals = require "moonpulse.experiment.journal"
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
  elseif type(manifest) ~= "table" or type(manifest.device) ~= "table"
    or type(manifest.device.name) ~= "string" then
    return nil, ("%s/manifest.json does not say which device the run was on: is it a run's?"):format(folder)
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

-- what is written for a reply whose driver is not at hand
local nameless = { confirmation = function() return "confirmed" end }

--- Did the user say that this file is a driver: is it in a folder of MOONPULSE_PATH?
local function is_installed(file)
  for _, known in ipairs(file:sub(1, 1) == "/" and devices.user_files() or {}) do
    if known.path == file then
      return true
    end
  end
  return false
end

--- The driver of the run: it has the words for the replies. A driver is a program that may do what its
--- user may, and a record may be somebody else's: a file that the manifest names is never loaded, unless
--- the user says so, with --device or by MOONPULSE_PATH.
---@param device table of the manifest
---@param chosen string? what --device says
---@return table? driver
---@return string? message why there is none, or what is missing without it
local function driver_of(device, chosen)
  local file = type(device.driver) == "string" and device.driver or nil
  if chosen then
    local driver, message = devices.find(chosen)
    if driver and driver.name ~= device.name then
      return nil, ("--device %s is the driver %s, and the run was on %s: name the driver of the run"):format(
        chosen, driver.name, device.name)
    end
    return driver, message
  elseif not file then
    return devices.known(device.name) and devices.find(device.name) or nameless
  elseif is_installed(file) then
    return devices.find(file) or nameless
  end
  return nameless, file
end

--- Write the rows of one plan; true where it came to its end.
---@param list table[] its flight records
---@param times { run_ns: integer, offset_ns: integer } the run's start, and the plan's after it
local function replay(record, list, times, facts, driver)
  local confirmed, start_ns, offset_ns = confirmations(list), times.run_ns, times.offset_ns
  local finished, unknown, last_ns = false, nil, 0
  for _, entry in ipairs(list) do
    last_ns = math.max(last_ns, entry.sent_ns or 0, entry.woken_ns or 0)
    local late_ns, planned_ns = entry.sent_ns - entry.due_ns, entry.planned_ns + offset_ns
    local wire_ns = facts.wire_ns[entry.frame] or 0
    local sent_ns = entry.sent_ns - start_ns + wire_ns + facts.latency_ns
    if entry.kind == "sent" and entry.send == "pulse" and entry.returned_ns == -1 then
      record:skipped(entry.number, planned_ns, late_ns, entry.action, "not_taken")
    elseif entry.kind == "sent" and entry.send == "pulse" then
      local train = facts.actions[entry.action].train
      close_open(record, unknown) -- of a train before
      record:pulse(entry.number, planned_ns, sent_ns, late_ns, entry.action, entry.sent_ns)
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
      record:skipped(entry.number, planned_ns, late_ns, entry.action, entry.stop)
    elseif entry.kind == "mark" then
      record:event("mark", planned_ns, entry.sent_ns - start_ns, "passed",
        facts.marks[entry.action])
    elseif entry.kind == "finished" then
      finished = true
    end
  end
  record:halt(last_ns, "perhaps_sent") -- a train that the device timed went on until the guard's frame
  return finished
end

--- The plans of an experiment and its marks, in their order; of a protocol its one plan.
local function entries_of(folder, manifest, start_ns)
  if manifest.kind == "experiment" then
    return journals.read(folder)
  end
  local facts = manifest.flight
  facts.kind, facts.start_ns, facts.from_ns = "play", start_ns, math.mininteger
  facts.pulses = manifest.protocol.pulses
  return { facts }
end

--- The flight records of the plan that was begun at from_ns and followed by one at to_ns.
local function part_of(list, from_ns, to_ns)
  local part = {}
  for _, entry in ipairs(list) do
    local at_ns = entry.kind == "confirm" and entry.woken_ns or entry.due_ns
    if at_ns >= from_ns and at_ns < to_ns then
      part[#part + 1] = entry
    end
  end
  return part
end

local function next_begin(entries, i)
  for k = i + 1, #entries do
    if entries[k].kind == "play" then
      return entries[k].from_ns
    end
  end
  return math.maxinteger
end

--- Write all rows; whether every plan came to its end, and how many pulses they have.
local function replay_all(record, list, entries, run_ns, driver)
  local complete, planned = true, 0
  for i, entry in ipairs(entries) do
    if entry.kind == "mark" then
      record:event("mark", entry.at_ns, entry.at_ns, "passed", entry.text)
    else
      if entry.confirms == nil then -- of an older version
        entry.confirms = driver.confirms ~= false
      end
      record:next_play(entry.actions, entry.confirms)
      if entry.set_ns then
        record:event("set_intensity", entry.set_ns, entry.set_ns, "sent", nil, entry.set_action)
      end
      local part = part_of(list, entry.from_ns, next_begin(entries, i))
      complete = replay(record, part, { run_ns = run_ns, offset_ns = entry.start_ns - run_ns },
        entry, driver) and complete
      planned = planned + entry.pulses
    end
  end
  return complete, planned
end

--- Did the safe frame go out at the last stop?
local function ended_safe(list)
  local last
  for _, entry in ipairs(list) do
    last = entry.kind == "stopped" and entry or last
  end
  return last ~= nil and last.action == 2
end

--- What recover would write as events.tsv of a torn run: nothing is changed, no driver's file is loaded.
---@param folder string
---@return string? text
---@return string? message why it cannot be told
function M.rows(folder)
  local manifest, message = read_manifest(folder)
  if not manifest then
    return nil, message
  elseif not manifest.flight and manifest.kind ~= "experiment" then
    local record, text = records.in_memory() -- it was not armed
    record:close()
    return text()
  end
  local list, start_ns = read_flight(folder .. "/flight.bin")
  if not list then
    return nil, start_ns
  end
  local entries
  entries, message = entries_of(folder, manifest, start_ns)
  if not entries then
    return nil, message
  end
  local record, text = records.in_memory()
  replay_all(record, list, entries, start_ns, nameless)
  record:close()
  return text()
end

--- Write events.tsv of the run in folder anew from its flight record.
---@param folder string
---@param chosen string? the name or the file of the run's driver, as the user gives it: then a run that
---   was recovered without may be recovered again
---@return table? summary { sent, confirmed, skipped, planned, torn, safe, unloaded }; unloaded: the file of
---   the run's driver, where it was not loaded
---@return string? message
function M.run(folder, chosen)
  local manifest, message = read_manifest(folder)
  if not manifest then
    return nil, message
  elseif manifest.status ~= "running" and not (chosen and manifest.status == "interrupted") then
    return nil, ("%s is not torn: its run ended (%s), there is nothing to recover"):format(folder,
      tostring(manifest.status))
  elseif not manifest.flight and manifest.kind ~= "experiment" then
    return nil, ("%s was not armed: nothing was sent"):format(folder)
  end
  local driver, unloaded = driver_of(manifest.device, chosen)
  if not driver then
    return nil, unloaded
  end
  local list, start_ns, torn = read_flight(folder .. "/flight.bin")
  if not list then
    return nil, start_ns
  end
  local entries
  entries, message = entries_of(folder, manifest, start_ns)
  if not entries then
    return nil, message
  end
  local record = assert(records.rewrite(folder))
  local complete, planned = replay_all(record, list, entries, start_ns, driver)
  record:close()
  assert(os.rename(folder .. "/events.tsv.new", folder .. "/events.tsv"))
  local result = record:result()
  result.status = "interrupted"
  result.reason = "Moonpulse was killed, or its disk was full; recovered from flight.bin"
  result.pulses_planned, result.torn_records = planned, torn
  result.plan_complete = complete
  manifest.protocol.pulses = planned
  manifest.status, manifest.result = "interrupted", result
  record:manifest(manifest)
  return { sent = result.pulses_sent, confirmed = result.pulses_confirmed,
    skipped = result.pulses_skipped, planned = planned, torn = torn, safe = ended_safe(list),
    unloaded = unloaded }
end

return M
