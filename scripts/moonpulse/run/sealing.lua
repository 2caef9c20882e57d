--- How the record of a run is closed: the last line of its journal, and the seal of its folder.
local begins = require "moonpulse.run.begin_journal"
local clocks = require "moonpulse.record.clocks"
local core = require "moonpulse.core"
local device_folders = require "moonpulse.record.device_folders"
local disturbed = require "moonpulse.record.disturbed"
local escapes = require "moonpulse.text.escapes"
local files = require "moonpulse.record.file"
local lfs = require "lfs"
local manifests = require "moonpulse.run.manifest"
local rooms = require "moonpulse.text.room"
local run_safety = require "moonpulse.run.safety"
local seals = require "moonpulse.record.seal"
local sha256 = require "moonpulse.text.sha256"
local signs = require "moonpulse.record.signature"
local tolds = require "moonpulse.record.told"
local to_type = require "moonpulse.text.to_type"

local M = {}

-- what the last line of the journal holds the hashes of: they are finished before it
local finished = { "events.tsv", "flight.bin", "twin.tsv", "codes.tsv" }

local unable = setmetatable({}, { __mode = "k" }) -- why a run's key cannot sign here, by its context

local function line(key, text, ...)
  print(("%-12s"):format(key) .. escapes.shown(text:format(...)))
end

--- What is in the folder of the finished files, by name.
local function hashes_of(folder)
  local known, names = {}, table.move(finished, 1, #finished, 1, {})
  for _, place in ipairs(device_folders.of(folder)) do
    table.move({ place .. "/flight.bin", place .. "/twin.tsv" }, 1, 2, #names + 1, names)
  end
  for _, name in ipairs(names) do
    local path = folder .. "/" .. name
    known[name] = lfs.symlinkattributes(path, "mode") == "file" and sha256.of_file(path) or nil
  end
  return known
end

--- The last lines of the journal; nothing is written into it any more. Where the disk did not take it, the
--- record is not whole: recover closes it.
---@param context moonpulse.Context its record is closed, its simulator has ended
---@param stop string? name in core.stops: why the run ended
---@param status string of the manifest
---@param result table of the manifest
function M.end_journal(context, stop, status, result)
  local record, audit = context.record, context.job.audit
  if not context.journal then -- it was refused before it began
    begins.begin(context)
  end
  if stop and stop ~= "finished" then
    audit:tell_stop(stop, stop == "program" and context.job.stopper or context.job.signal)
  end
  context.hashes = hashes_of(record.folder)
  local told = {}
  for name, digits in pairs(context.hashes) do
    -- in virtual time a flight record holds the time of ours at which it was made
    told[name] = (context.speed == 1 or not name:find("flight.bin", 1, true)) and digits or nil
  end
  audit:finish { status = result.status, reason = result.reason, stop = stop, planned = result.pulses_planned,
    sent = result.pulses_sent, confirmed = result.pulses_confirmed, skipped = result.pulses_skipped,
    files = told, safety = run_safety.judged(context.job), told = not context.look
      and tolds.at_end(manifests.of(context, status, result), context.speed ~= 1) or nil }
  if context.sign then -- a line that says so demands a signature for ever
    local ok, why = signs.can_sign(context.sign)
    if not ok then
      unable[context] = why
    else
      audit:tell_signature(signs.fingerprint(context.sign))
    end
  end
  local journal = context.journal
  journal:close()
  record.lost = record.lost or journal.lost and ("%s: %s"):format(journal.path, journal.lost)
  for _, jump in ipairs(audit.clock.jumps) do
    line("note", "%s", clocks.words(jump))
  end
end

--- Seal the folder, with the journal's very last line, and say the seal: it must leave this computer to
--- prove anything.
---@param context moonpulse.Context its manifest and its report are written
function M.seal(context)
  local folder = context.record.folder
  if context.look then
    return
  end
  local entry = context.job.audit:stamp()
  entry.told = tolds.at_seal(context.manifest)
  local seal, message = seals.again(folder, "sealed", entry, nil, context.hashes)
  if not seal then
    return line("note", "%s; %s, then: %s", escapes.shown(message), rooms.remedy(message),
      to_type.recover(folder))
  end
  line("seal", "%s  (note it elsewhere; moonpulse verify compares)", seals.short(seal))
  if context.sign then
    local ok, why = unable[context] == nil, unable[context]
    if ok then
      ok, why = signs.sign(folder, context.sign)
    end
    line(ok and "signed" or "note", "%s", ok and "by " .. signs.fingerprint(context.sign)
      or ("not signed: %s; moonpulse sign %s --key KEY"):format(escapes.shown(why), to_type.path(folder)))
  end
end

--- Of a run of which nothing was given its table is its first line; the disk may have had no room for that
--- until the room of its flight record was given back.
local function write_again(record)
  if record.lost and record.index == 0 and not record.changed then
    core.disk "events.tsv"
    if files.put(record.path, core.event_header) then
      record.lost = nil
    end
    core.disk()
  end
end

--- Close the record of a run of which nothing was given, and seal it if all of it is there. What is not is
--- said in the manifest, and moonpulse recover writes it. Where even that cannot be written the reason to
--- tell is that of the run.
---@param context moonpulse.Context
---@param stop string? name in core.stops: what stopped it
---@param result table of the manifest
---@param before_seal fun(folder: string) what is said and written once the rest is there
function M.close_unplayed(context, stop, result, before_seal)
  local record = context.record
  record.on_lost = nil
  record:close()
  if record.markers then
    record.markers:finish(stop)
  end
  write_again(record)
  pcall(function()
    M.end_journal(context, stop, "not run", result)
    result.events_sum = record.events_sum
    result.files = disturbed.all(record, context.journal)
    manifests.write(context, "not run", result)
    if record.lost then
      return line("note", "the record is not whole: %s; %s, then: %s", escapes.shown(record.lost),
        rooms.remedy(record.lost), to_type.recover(record.folder))
    elseif not context.look then
      before_seal(record.folder)
    end
    M.seal(context)
  end)
end

return M
