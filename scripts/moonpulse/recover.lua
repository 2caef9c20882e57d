--- A torn run back into a record: events.tsv from the flight record, marked interrupted.
local cjson = require "cjson"
local devices = require "moonpulse.devices"
local givens = require "moonpulse.given"
local journals = require "moonpulse.experiment.journal"
local flight_of = require "moonpulse.recover_flight"
local outcomes = require "moonpulse.record_outcome"
local stops = require "moonpulse.run.stops"
local records = require "moonpulse.record"

local M = {}

--- How a plan is named of which only the flight record tells.
function M.unknown_text(number, pulses)
  return ("plan %d: %d pulses were sent, and journal.jsonl does not say which: they are not in events.tsv")
    :format(number, pulses)
end

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

--- The reply that the flight record tells of: it is that pulse's, and what was sent before it and not
--- confirmed never was.
local function confirm(record, reply, start_ns, driver, given)
  if reply.number == 0 then -- of no pulse that was sent
    return record:unasked(reply.woken_ns, driver.confirmation(reply.action - 1))
  end
  local number = record:oldest_number()
  while number and number < reply.number do
    record:unconfirmed_row()
    number = record:oldest_number()
  end
  if number == reply.number then
    local value = reply.action - 1
    local action, pulse = record:awaits(reply.woken_ns)
    local unlike = action and given:compare(action, value, pulse)
    record:confirm(reply.woken_ns - start_ns, driver.confirmation(value), nil, unlike and "otherwise")
  end
end

--- A record of the dispatcher as it told it when it was live.
local function outcome_of(entry, begin_ns, facts)
  local returned_ns = entry.returned_ns
  return { what = entry.kind == "sent" and returned_ns == -1 and "not_taken" or entry.kind,
    send = entry.send, number = entry.number, planned_ns = entry.planned_ns,
    due_ns = entry.due_ns - begin_ns, entered_ns = entry.sent_ns - begin_ns,
    returned_ns = returned_ns > 0 and returned_ns - begin_ns or nil, action = entry.action,
    frame = entry.frame, stop = entry.stop, text = facts.marks[entry.action],
    status = returned_ns == 0 and "perhaps_sent" or nil }
end

--- Write the rows of one plan; true where it came to its end.
---@param list table[] its flight records
---@param play table what the journal or the manifest says of it
---@param times { run_ns: integer, next_ns: integer? } the run's start, and when the plan after it was begun
---@param given moonpulse.Given of the run
local function replay(record, list, play, times, driver, given)
  local run_ns, finished, last_ns, halted = times.run_ns, false, times.next_ns or 0, false
  local facts = { offset_ns = play.start_ns - run_ns, wire_ns = play.wire_ns, latency_ns = play.latency_ns,
    tolerance_ns = play.tolerance_ns }
  for _, entry in ipairs(list) do
    last_ns = math.max(last_ns, entry.sent_ns or 0, entry.woken_ns or 0,
      entry.kind == "alive" and entry.returned_ns or 0)
    if entry.kind == "sent" or entry.kind == "skipped" or entry.kind == "mark" then
      outcomes.enter(record, outcome_of(entry, play.start_ns, play), facts, entry.sent_ns)
    elseif entry.kind == "confirm" then
      confirm(record, entry, run_ns, driver, given)
    elseif entry.kind == "stopped" and not halted then
      record:halt(entry.sent_ns)
      halted = true
    elseif entry.kind == "left" then
      record:stopped(entry.action == 2)
    elseif entry.kind == "finished" then
      finished = true
    end
  end
  if not halted then -- a train that the device timed went on until the guard's frame
    record:halt(last_ns, "perhaps_sent")
  end
  record:stopped(false)
  return finished
end

--- The plans of an experiment and its marks, in their order; of a protocol its one plan.
local function entries_of(folder, manifest, start_ns)
  if manifest.kind == "experiment" then
    return journals.read(folder)
  end
  local facts = manifest.flight
  facts.kind, facts.start_ns, facts.from_ns, facts.play = "play", start_ns, math.mininteger, 1
  facts.pulses = manifest.protocol.pulses
  return { facts }
end

--- What the flight record and the journal of a run hold; nil and why where they cannot be read.
local function read_run(folder, manifest)
  local flight, message = flight_of.read(folder .. "/flight.bin")
  if not flight then
    return nil, message
  end
  local entries, why = entries_of(folder, manifest, flight.start_ns)
  if not entries then
    return nil, why
  end
  return flight, entries
end

--- The flight records of plan number k: what comes behind the record that names it.
local function part_of(list, k)
  local part, inside = {}, false
  for _, entry in ipairs(list) do
    if entry.kind == "play" then
      inside = entry.number == k
    elseif inside then
      part[#part + 1] = entry
    end
  end
  return part
end

--- The same in an older record, which names no plans: what was due from the plan's beginning to the next's.
local function part_between(list, from_ns, to_ns)
  local part = {}
  for _, entry in ipairs(list) do
    local at_ns = (entry.kind == "confirm" or entry.kind == "stopped") and entry.woken_ns or entry.due_ns
    if at_ns >= from_ns and at_ns < to_ns then
      part[#part + 1] = entry
    end
  end
  return part
end

local function next_play(entries, i)
  for k = i + 1, #entries do
    if entries[k].kind == "play" then
      return entries[k]
    end
  end
end

--- Plans that the flight record names and nothing else tells of: no intensity is invented for them.
local function unknown_plans(list, entries, said)
  local known = {}
  for _, entry in ipairs(entries) do
    known[entry.play or 0] = entry.kind == "play" or known[entry.play or 0]
  end
  local name, pulses = nil, 0
  for _, entry in ipairs(list) do
    if entry.kind == "play" then
      if name and pulses > 0 then
        said[#said + 1] = M.unknown_text(name, pulses)
      end
      name, pulses = not known[entry.number] and entry.number or nil, 0
    elseif name and entry.kind == "sent" and entry.send == "pulse" then
      pulses = pulses + 1
    end
  end
  if name and pulses > 0 then
    said[#said + 1] = M.unknown_text(name, pulses)
  end
end

--- Pulses that the device reported before the first plan.
local function unasked_before(record, list, driver)
  for _, entry in ipairs(list) do
    if entry.kind == "play" then
      return
    elseif entry.kind == "confirm" and entry.number == 0 then
      record:unasked(entry.woken_ns, driver.confirmation(entry.action - 1))
    end
  end
end

--- Write all rows; whether every plan came to its end, and how many pulses they have.
local function replay_all(record, flight, entries, driver, said)
  local complete, planned, list = true, 0, flight.list
  local named, given = flight.losses.version > 1, givens.new(driver.measures)
  if named then
    unasked_before(record, list, driver)
  end
  for i, entry in ipairs(entries) do
    if entry.kind == "mark" then
      record:event("mark", entry.at_ns, nil, "passed", entry.text)
    else
      if entry.confirms == nil then -- of an older version
        entry.confirms = driver.confirms ~= false
      end
      record:next_play(entry.actions, entry)
      if entry.set_ns then
        record:event("set_intensity", entry.set_ns, entry.set_ns, "sent", nil, entry.set_action)
      end
      local follower = next_play(entries, i)
      local part = named and part_of(list, entry.play)
        or part_between(list, entry.from_ns, follower and follower.from_ns or math.maxinteger)
      complete = replay(record, part, entry, { run_ns = flight.start_ns,
        next_ns = follower and follower.from_ns }, driver, given) and complete
      said[#said + 1] = flight_of.gaps(part, entry, #entries == 1 and "the plan"
        or ("plan %s"):format(math.tointeger(entry.play) or "?"))
      planned = planned + entry.pulses
    end
  end
  if named then
    unknown_plans(list, entries, said)
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

--- Why the record is torn, and what had stopped the run before, as the sending thread noted it.
---@return string reason
---@return string? stop
---@param scripted boolean the run was an experiment
local function how_it_ended(list, scripted)
  local stop
  for _, entry in ipairs(list) do
    stop = entry.kind == "stopped" and entry.stop or stop
  end
  if not stop or stop == "finished" then
    return "Moonpulse was killed, or its disk was full; recovered from flight.bin"
  end
  return stops.words(stop, scripted)
    .. "; Moonpulse ended before it had closed the record; recovered from flight.bin", stop
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
  local flight, entries = read_run(folder, manifest)
  if not flight then
    return nil, entries
  end
  local record, text = records.in_memory()
  record.start_ns = flight.start_ns
  replay_all(record, flight, entries, nameless, {})
  record:close()
  return text()
end

--- Write events.tsv of the run in folder anew from its flight record.
---@param folder string
---@param chosen string? the name or the file of the run's driver, as the user gives it: then a run that
---   was recovered without may be recovered again
---@return table? summary { sent, confirmed, skipped, planned, said, safe, unloaded }; said: what is
---   missing or damaged, a sentence each; unloaded: the file of
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
  local flight, entries = read_run(folder, manifest)
  if not flight then
    return nil, entries
  end
  local record
  record, message = records.rewrite(folder)
  if not record then
    return nil, message
  end
  record.start_ns = flight.start_ns
  local said = flight_of.damage(flight.losses)
  local complete, planned = replay_all(record, flight, entries, driver, said)
  record:close()
  local ok = not record.lost
  if ok then
    ok, message = os.rename(folder .. "/events.tsv.new", folder .. "/events.tsv")
  end
  if not ok then
    os.remove(folder .. "/events.tsv.new")
    return nil, ("events.tsv cannot be written, and is as it was: %s: make room, and recover again"):format(
      record.lost or message)
  end
  local losses = flight.losses
  local result = record:result()
  result.status = "interrupted"
  result.reason, result.stop = how_it_ended(flight.list, manifest.kind == "experiment")
  result.pulses_planned, result.torn_records = planned, losses.torn
  result.missing_records, result.damage = losses.empty + losses.missing, #said > 0 and said or nil
  result.plan_complete = complete
  manifest.protocol.pulses = planned
  manifest.status, manifest.result = "interrupted", result
  record:manifest(manifest)
  return { sent = result.pulses_sent, confirmed = result.pulses_confirmed,
    skipped = result.pulses_skipped, planned = planned, said = said, safe = ended_safe(flight.list),
    unloaded = unloaded }
end

return M
