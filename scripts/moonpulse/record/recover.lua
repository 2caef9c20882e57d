--- A torn run back into a record: events.tsv from the flight record, marked interrupted.
local core = require "moonpulse.core"
local device_folders = require "moonpulse.record.device_folders"
local devices = require "moonpulse.driver.find"
local files = require "moonpulse.record.file"
local lfs = require "lfs"
local journals = require "moonpulse.record.journal"
local flight_of = require "moonpulse.record.recover_flight"
local machine_paths = require "moonpulse.text.machine_paths"
local manifests = require "moonpulse.record.recover_manifest"
local notes = require "moonpulse.record.note"
local opened = require "moonpulse.record.opened"
local read = require "moonpulse.record.read"
local records = require "moonpulse.record"
local recover_rows = require "moonpulse.record.recover_rows"
local rooms = require "moonpulse.text.room"
local schema = require "moonpulse.record.schema"
local several = require "moonpulse.record.recover_several"
local seals = require "moonpulse.record.seal"
local stop_words = require "moonpulse.text.stop_words"
local tolds = require "moonpulse.record.told"
local witnessed = require "moonpulse.record.witnessed"

local M = {}

local function read_manifest(folder)
  local manifest, said = opened.manifest(folder)
  if not manifest then
    return nil, said
  elseif type(manifest.device) ~= "table" or type(manifest.device.name) ~= "string" then
    return nil, ("%s/manifest.json does not say which device the run was on: is it a run's?"):format(folder)
  end
  manifest.protocol = manifest.protocol or {}
  return manifest, said
end

-- A driver that is not at hand: what is written for its replies, and what an older record does not say of it,
-- as if less were known (a train that was cut may have gone on).
local nameless = { confirmation = function() return "confirmed" end, proves_end = false }

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
---@param file string? the driver's, as the run had it
---@param chosen string? what --device says
---@return table? driver
---@return string? message why there is none, or what is missing without it
local function driver_of(device, file, chosen)
  file = type(file) == "string" and file or nil
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

--- The plans of an experiment and its marks, in their order; of a protocol its one plan. Without a journal
--- there are no plans: what was sent is counted, not described.
local function entries_of(folder, manifest, start_ns)
  if manifest.kind == "experiment" and lfs.attributes(folder .. "/journal.jsonl", "mode") ~= "file" then
    return {}, { "there is no journal.jsonl, which says what was played: what was sent is counted from "
      .. "flight.bin" }
  elseif manifest.kind == "experiment" then
    return journals.read(folder, math.tointeger(manifest.journal_lines))
  end
  local facts, message = schema.flight(read.internals(folder, manifest).flight)
  if not facts then
    return nil, ("%s/%s: %s: what was sent cannot be told from flight.bin"):format(folder,
      manifest.record_version and "recover.json" or "manifest.json", message)
  end
  facts.kind, facts.start_ns, facts.from_ns, facts.play = "play", start_ns, math.mininteger, 1
  facts.pulses = manifest.protocol.pulses or facts.pulses or 0
  return { facts }, {}
end

--- Was the run about to be armed, at least? Only then there is a plan to recover.
local function was_armed(folder, manifest)
  local internals = read.internals(folder, manifest)
  return manifest.kind == "experiment" or internals.flight ~= nil or internals.devices ~= nil
    or internals.missing == true
end

--- More rows than a run's flight record has room for are not written by any run.
local function is_too_much(list, entries)
  local known, rows = {}, 0
  for _, entry in ipairs(entries) do
    known[entry.kind == "play" and entry.play or 0] = entry.kind == "play" and entry or nil
  end
  for _, entry in ipairs(list) do
    local pulses = entry.pulses or 1
    local action = known[entry.play] and (entry.kind == "sent" or entry.kind == "skipped" or entry.pulses)
      and known[entry.play].actions[entry.action]
    rows = rows + pulses * (action and action.part and action.part.pulses or 1) + (entry.confirmed or 0)
  end
  return rows > core.flight_most
end

--- What the flight record and the journal of a run hold; nil and why where they cannot be read.
---@return table? flight
---@return table[]|string entries
---@return string[]|"lost"|"unread"|nil said what is not as it was written; lost: it does not tell of the run;
---   unread: perhaps it can be read later
local function read_run(folder, manifest, progress)
  local list = several.devices(read.internals(folder, manifest))
  if list then
    return several.read(folder, manifest, list, progress)
  end
  local flight, message, lost = flight_of.read(folder .. "/flight.bin", progress, true)
  if not flight then
    return nil, message, lost
  end
  local entries, said = entries_of(folder, manifest, flight.start_ns)
  if not entries then
    -- a journal that is there may be read another time
    return nil, said, manifest.kind ~= "experiment" and "lost" or nil
  elseif is_too_much(flight.list, entries) then
    return nil, ("%s: its manifest or journal and its flight record tell of more pulses than any run has")
      :format(folder), "lost"
  end
  return flight, entries, table.move(said, 1, #said, 1 + #flight.said, flight.said)
end

--- The words for the replies of one of several devices.
local function words_of(device)
  return driver_of(device, device.driver) or nameless
end

--- Did the safe frame go out at the last stop? Of several devices: of each?
local function ended_safe(flight)
  local last
  for _, each in ipairs(flight.several or {}) do
    if not ended_safe(each.flight) then
      return false
    end
  end
  for _, entry in ipairs(flight.list) do
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
    stop = entry.kind == "stopped" and (not stop or entry.stop ~= "peer") and entry.stop or stop
  end
  if not stop or stop == "finished" then
    return "Moonpulse was killed, or its disk was full; recovered from flight.bin"
  end
  return stop_words.words(stop, scripted)
    .. "; Moonpulse ended before it had closed the record; recovered from flight.bin", stop
end

--- What recover would write as events.tsv of a run: nothing is changed, no driver's file is loaded.
---@param folder string
---@param words boolean? the replies in the words of the run's driver, where it is a shipped one
---@param progress (fun(what: string, done: integer, total: integer, of: string))?
---@param like string? a file that is most likely the same
---@return string|true|nil text true: it is the same as that file
---@return string[]|string said what is missing or damaged; message: why it cannot be told
---@return integer? unknown pulses that were given, or perhaps were, and are in no row
---@return boolean? worded the replies are in the driver's words
function M.rows(folder, words, progress, like)
  local manifest, message = read_manifest(folder)
  if not manifest then
    return nil, message
  elseif not was_armed(folder, manifest) then
    local record, text = records.in_memory(like) -- it was not armed
    record:close()
    return text(), message
  end
  local flight, entries = read_run(folder, manifest, progress)
  if not flight then
    return nil, entries
  end
  local record, text = records.in_memory(like)
  record.start_ns = flight.start_ns
  local driver = words and driver_of(manifest.device, read.internals(folder, manifest).driver) or nameless
  local _, _, unknown = several.replay(record, flight, entries, driver, words_of, progress)
  record:close()
  return text(), flight.said, unknown, driver ~= nameless
end

--- Why a run is not recovered; nil: it is.
---@param again boolean? it ended, and its events.tsv is not whole, or its flight record was found again
local function why_not(folder, manifest, chosen, changed, again)
  if manifest.status ~= "running" and not (chosen and manifest.status == "interrupted") and not again then
    local cut = witnessed.cut(folder)
    return ("%s is not torn: its run ended (%s), there is nothing to recover%s"):format(folder,
      tostring(manifest.status), cut and ("; %s, and nothing can write the rest"):format(cut) or "")
  elseif changed and not lfs.attributes(folder .. "/flight.bin", "mode")
    and not device_folders.of(folder)[1] then
    return ("%s: events.tsv is missing, or not as the run left it, and there is no flight.bin to write it "
      .. "from"):format(folder)
  elseif not was_armed(folder, manifest) then
    return ("%s was not armed: nothing was sent"):format(folder)
  end
end

--- What the manifest says of a run that was recovered.
local function result_of(record, flight, planned, complete, scripted)
  local losses, result = flight.losses, record:result()
  result.status = "interrupted"
  result.reason, result.stop = how_it_ended(flight.list, scripted)
  result.pulses_planned, result.torn_records = planned, losses.torn
  result.missing_records = losses.empty + losses.missing
  result.damage = #flight.said > 0 and flight.said or nil
  result.plan_complete = complete
  return result
end

--- What only the table has that was there.
local function only_kept(rows, kept)
  return ("events.tsv as it was has %d row%s that could not be written again: it is kept as %s; read both")
    :format(rows, rows == 1 and "" or "s", kept)
end

--- How many pulses that were given, or perhaps were, are in no row: recovering, once or again, makes no dose
--- smaller.
---@param unknown integer as the flight record tells
---@param were_sent integer by events.tsv as it was
local function unknown_of(unknown, record, were_sent, manifest)
  local before = manifest.status == "interrupted" and read.get(manifest, "result") or {}
  local counted = (math.tointeger(before.pulses_sent) or 0) + (math.tointeger(before.pulses_unknown) or 0)
  return math.max(unknown, math.max(were_sent, counted) - record.pulses_sent)
end

--- events.tsv and manifest.json of a run that nobody else is at.
---@param changed boolean the run ended, and what is in the place of events.tsv is not its own: it stays
---@param ended boolean its result stays
local function rewrite(folder, manifest, driver, flight, entries, changed, ended)
  local record, message = records.rewrite(folder)
  if not record then
    return nil, message
  end
  record.start_ns = flight.start_ns
  local complete, planned, unknown = several.replay(record, flight, entries, driver, words_of)
  record:close()
  local ok, path = not record.lost, folder .. "/events.tsv"
  local rows, were_sent = recover_rows.only_there(path, path .. ".new")
  unknown = unknown_of(unknown, record, were_sent, manifest)
  if ok then
    ok, message = files.take_place(path, changed or rows > 0)
  else
    os.remove(path .. ".new")
  end
  if not ok then
    return nil, ("events.tsv cannot be written, and is as it was: %s: %s, and recover again"):format(
      record.lost or message, rooms.remedy(record.lost or message))
  end
  flight.said[#flight.said + 1] = rows > 0 and message and only_kept(rows, message) or nil
  local result = result_of(record, flight, planned, complete, manifest.kind == "experiment")
  result.pulses_unknown = unknown > 0 and unknown or nil
  if ended then
    manifest.result.rebuilt = "events.tsv was missing or changed; written again from flight.bin"
  else
    manifest.protocol.pulses, manifest.status, manifest.result = planned, "interrupted", result
    manifests.fill(folder, manifest, entries, flight.list)
  end
  manifest.result.events_sum = record.events_sum -- it is as whole as flight.bin has it
  record:manifest(manifest)
  return { sent = result.pulses_sent, confirmed = result.pulses_confirmed,
    skipped = result.pulses_skipped, planned = planned, said = flight.said,  safe = ended_safe(flight) }
end

--- Was its flight record lost when it was recovered, and is it there again?
local function is_found(folder, manifest)
  local result = manifest.result
  return manifest.status == "interrupted" and type(result) == "table" and result.flight_lost == true
    and read_run(folder, manifest) ~= nil
end

--- The flight record is lost: what events.tsv has is what is known.
local function keep(folder, manifest, why, said)
  local summary, message = recover_rows.keep(folder, manifest, why, said)
  if summary then
    manifests.fill(folder, manifest, manifest.kind == "experiment" and journals.read(folder) or {}, {})
    local record = records.in_memory()
    record.folder = folder
    record:manifest(manifest)
  end
  return summary, message
end

local mends = "; nothing is changed: mend that and recover again. If it cannot be mended, move flight.bin "
  .. "out of the folder: then events.tsv stays as the run left it"

local was_there = "its seal (SHA256SUMS) was missing, and had been there"

--- Why the folder of a run that ended is sealed again.
local function why_sealed(report, lost, differed)
  if not lost then
    return report and "the report was missing" or "the run ended before its folder was sealed"
  end
  return was_there .. (differed[1] and "" or "; every file is as the journal says that it was sealed")
end

--- Its run ended, and what is missing is only the report, or the seal: the run was killed before it was
--- there, or somebody took it away. Then the journal tells how the files were.
---@param differed string[]? of the seal, as recover found it
---@param lost boolean? likewise
---@param chained boolean its manifest knows of the journal's chain: it is of a version that seals, or was
---   recovered, perhaps by somebody who was killed before the seal
---@param manifest table
---@return table? summary { report, sealed, lost, differed }; nil: nothing is missing
---@return string? message
local function complete(folder, write_report, differed, lost, chained, manifest)
  local report = not lfs.symlinkattributes(folder .. "/report.html", "mode")
  local unsealed = lost or differed == nil and chained
  local is_sealed = (" " .. table.concat(differed or {}, " ") .. " "):find(" events.json ", 1, true)
  local described = not is_sealed and recover_rows.describe(folder) or nil
  if not report and not unsealed and not described then
    return nil
  end
  local sealed, why
  if report then
    report, why = write_report(folder)
    if not report then
      return nil, why
    end
  end
  if differed or unsealed then
    sealed, why = seals.again(folder, report and not described and not lost and "report" or "recovered",
      { why = described and not lost and "events.json was missing" or why_sealed(report, lost, differed),
        told = tolds.at_seal(manifest) }, differed)
    if not sealed then
      return nil, why
    end
  end
  return { report = report or nil, described = described, cut = witnessed.cut(folder),
    sealed = sealed, lost = lost,
    differed = differed }
end

--- Nothing was given, and its table could not be written, or was changed: it is written again.
local function mend_unplayed(folder, manifest, write_report)
  local path = folder .. "/events.tsv"
  local _, why = files.keep(path)
  if why then
    return nil, why
  end
  local text = M.rows(folder) or core.event_header
  local ok, message = files.put(path, text)
  if not ok then
    return nil, ("%s cannot be written: %s: %s, and recover again"):format(path, message,
      rooms.remedy(message))
  end
  manifest.result.rebuilt = "events.tsv was missing or changed; written again"
  manifest.result.events_sum = core.file_sum(path)
  local record = records.in_memory()
  record.folder = folder
  record:manifest(manifest)
  if lfs.symlinkattributes(folder .. "/report.html", "mode") then -- it is of the table that was there
    return write_report(folder)
  end
  return true
end

--- The folder of a run that was recovered gets its line in the journal and its seal; was: its status before.
local function seal(folder, manifest, summary, differed, was)
  local why = read.get(manifest, "result.rebuilt") or read.get(manifest, "result.reason")
  why = summary.lost and ("%s; %s"):format(why, was_there) or why
  summary.sealed, summary.not_sealed = seals.again(folder, "recovered", { why = why, old = was,
    new = manifest.status, sent = summary.sent, confirmed = summary.confirmed, skipped = summary.skipped,
    said = summary.said[1] and machine_paths.without_all(summary.said, { folder }) or nil,
    told = tolds.at_recovery(manifest) }, differed)
end

--- What the simulator gave is not all there, and nothing can write the rest: it is said, here and in the
--- manifest.
local function tell_cut(folder, manifest, summary)
  local cut = witnessed.cut(folder)
  local list = type(manifest.result.files) == "table" and manifest.result.files or {}
  for _, sentence in ipairs(list) do
    cut = sentence ~= cut and cut or nil
  end
  if cut then
    summary.said[#summary.said + 1] = cut
    list[#list + 1] = cut
    manifest.result.files = list
    local record = records.in_memory()
    record.folder = folder
    record:manifest(manifest)
  end
end

local function recover(folder, chosen, write_report)
  local manifest, said = read_manifest(folder)
  if not manifest then
    return nil, said
  end
  local changed = manifest.status ~= "running" and type(manifest.result) == "table"
    and files.is_changed(folder .. "/events.tsv", manifest.result)
  if changed and manifest.status == "not run" and manifest.result.pulses_sent == 0 then
    manifest.journal_head, manifest.journal_lines = manifest.journal_head or journals.none,
      manifest.journal_lines or 0
    changed = false
    local done, why = mend_unplayed(folder, manifest, write_report)
    if not done then
      return nil, why
    end
  end
  local found, was = is_found(folder, manifest), manifest.status
  local message = why_not(folder, manifest, chosen, changed, changed or found)
  local differed, lost_seal = seals.differing(folder)
  local chained = manifest.journal_head ~= nil
  manifest.journal_head = manifest.journal_head or journals.none -- until the journal has its last line
  manifest.journal_lines = manifest.journal_lines or 0
  if message and manifest.status ~= "running" then
    local summary, why = complete(folder, write_report, differed, lost_seal, chained, manifest)
    if summary or why then
      return summary, why
    end
  end
  if message then
    return nil, message
  end
  local driver, unloaded = driver_of(manifest.device, read.internals(folder, manifest).driver, chosen)
  if not driver then
    return nil, unloaded
  end
  local flight, entries, lost = read_run(folder, manifest)
  local summary
  if flight then
    if found and #flight.said == 0 then
      manifest.result.pulses_unknown = nil -- that was for want of it
    end
    table.move(said, 1, #said, #flight.said + 1, flight.said)
    summary, message = rewrite(folder, manifest, driver, flight, entries, changed, changed and not found)
  elseif lost == "lost" and not changed then
    summary, message = keep(folder, manifest, entries, said)
  else
    return nil, entries .. (lost == "unread" and mends or "")
  end
  if summary then
    tell_cut(folder, manifest, summary)
    summary.unloaded, summary.lost, summary.differed = unloaded, lost_seal, differed
    summary.disarmed, summary.scripted = manifest.result.disarmed == true, manifest.kind == "experiment"
    summary.virtual = (manifest.speed or 1) ~= 1
    summary.no_report = select(2, write_report(folder))
    seal(folder, manifest, summary, differed, was)
  end
  return summary, message
end

--- Write events.tsv of the run in folder anew from its flight record, and its report. One at a time: a second
--- one that is started meanwhile is refused.
---@param folder string
---@param chosen string? the name or the file of the run's driver, as the user gives it: then a run that
---   was recovered without may be recovered again
---@param write_report fun(folder: string): string?, string? as write of moonpulse.report
---@param page (fun(manifest: table): string?, string?)? as page of moonpulse.report: for a note that somebody
---   was killed over
---@return table? summary { sent, confirmed, skipped, planned, said, safe, disarmed, scripted, virtual,
---   unloaded, no_report }: disarmed: the stimulator said so; scripted: planned is what a script asked for;
---   virtual: no stimulator was driven; or of a run that ended, and only its report or its seal was
---   missing, { report, sealed, lost, differed }; said: what is missing or damaged, a sentence each;
---   unloaded: the file of the run's driver, where it was not loaded; no_report: why there is no
---   report.html; sealed: the seal; not_sealed: why there is none; lost: it had been sealed and its
---   seal was gone; differed: what is not as it was then
---@return string? message
function M.run(folder, chosen, write_report, page)
  local lock <close>, message = core.lock_folder(folder)
  if lock == nil then
    return nil, ("%s: is it the folder of a run?"):format(message)
  elseif not lock then
    return nil, ("%s: another moonpulse recover, sign or verify is at work there: wait until it has ended")
      :format(folder)
  end
  seals.sweep(folder)
  if page then
    notes.finish(folder, page)
  end
  return recover(folder, chosen, write_report)
end

return M
