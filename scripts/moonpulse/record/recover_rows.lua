--- What recover makes of events.tsv as the run left it. Of a torn run whose flight record is gone, or tells
--- nothing, it stays and is counted: it has the rows that were written by then, some a second behind the
--- pulses. Where it is written anew, no row is lost that only it has.
local core = require "moonpulse.core"
local counted = require "moonpulse.record.counted"
local escapes = require "moonpulse.text.escapes"
local files = require "moonpulse.record.file"
local journal_lines = require "moonpulse.record.journal_lines"
local journals = require "moonpulse.record.journal"
local lfs = require "lfs"
local read = require "moonpulse.record.read"
local rooms = require "moonpulse.text.room"
local sidecar = require "moonpulse.record.sidecar"

local M = {}

local most_events = 400000000 -- bytes: what is longer was not written by a run

--- How many pulses the run was to give, as far as is known.
local function planned_of(folder, manifest)
  local planned = math.tointeger(manifest.protocol.pulses) or 0
  for _, entry in ipairs(manifest.kind == "experiment" and journals.read(folder) or {}) do
    planned = planned + (entry.kind == "play" and entry.pulses or 0)
  end
  return planned
end

--- The pulses of the rows: sent, confirmed, left out.
local function counts_of(events)
  local sent, confirmed, skipped = 0, 0, 0
  for _, stretch in ipairs(read.stretches(events.pulses)) do
    local kind, count = stretch.kind, stretch.last - stretch.first + 1
    local was_sent = counted.is_given(kind.status, kind.was_sent)
    sent, skipped = sent + (was_sent and count or 0), skipped + (was_sent and 0 or count)
    confirmed = confirmed + (kind.is_confirmed and count or 0)
  end
  return sent, confirmed, skipped
end

--- The table that stays is described too, if it has the columns of this version.
local function describe(folder, events)
  local text = core.read_file(folder .. "/events.tsv", most_events)
  if text and text:sub(1, #core.event_header) == core.event_header then
    local names = {}
    for _, row in ipairs(events.pulses) do
      names[row.trial_type or row.event] = true
    end
    local coded = text:find("\tcode\t", 1, true) ~= nil
    sidecar.write { folder = folder, conditions = names, coded = coded } -- the table is whole without it
  end
end

--- The same where the disk did not take it when the run ended.
---@param folder string
---@return boolean? written nil: it is there, or there is no table of this version
---@return string? message
function M.describe(folder)
  local path = folder .. "/events.json"
  local events = not lfs.symlinkattributes(path, "mode") and read.events(folder .. "/events.tsv")
  if not events then
    return nil
  end
  describe(folder, events)
  return lfs.symlinkattributes(path, "mode") ~= nil or nil
end

--- A last row that the kill tore is no row: it is taken out of the table, and told instead. The pulse that it
--- was of counts with those of which nobody knows.
---@param path string events.tsv
---@return string? torn as it stood there; nil: the last row is whole, or the table has no row
---@return string? message it cannot be taken out
local function cut_torn(path)
  local text = lfs.symlinkattributes(path, "mode") == "file" and core.read_file(path, most_events)
  local whole, torn = (text or ""):match("^(.*\n)([^\n]+)$")
  if not whole then
    return nil
  end
  local ok, message = files.put(path, whole)
  return ok and torn or nil, message
end

--- How a run ended that had come to its end when its record was left unclosed, as its journal says.
local function reason_of_end(folder)
  for _, entry in ipairs(journal_lines.entries(folder) or {}) do
    if entry.kind == "end" and type(entry.reason) == "string" then
      return escapes.shown(entry.reason)
    end
  end
end

--- Count them, and say in the manifest that the run was interrupted.
---@param folder string
---@param manifest table of a run that says "running"; changed: to be written
---@param why string what was sent cannot be told from its flight record
---@param said string[] what else is missing or damaged, a sentence each
---@return table? summary as of moonpulse.record.recover
---@return string? message
function M.keep(folder, manifest, why, said)
  local path = folder .. "/events.tsv"
  local torn, message, _
  if manifest.speed and manifest.speed ~= 1 and lfs.attributes(path, "size") == 0 then
    _, message = files.put(path, core.event_header) -- in virtual time rows are kept back until there are many
  end
  local events = not message and read.events(path) or nil
  if events then
    torn, message = cut_torn(path)
    events = torn and read.events(path) or events
  end
  if not events or message then
    return nil, message and ("%s cannot be written, and is as it was: %s: %s, and recover again"):format(path,
      message, rooms.remedy(message)) or ("%s, and there is no events.tsv that can be read"):format(why)
  end
  describe(folder, events)
  local planned = planned_of(folder, manifest)
  local sent, confirmed, skipped = counts_of(events)
  said[#said + 1] = ("%s: events.tsv stays as the run left it; nobody knows whether more was sent behind its "
    .. "last row"):format(why)
  local ended = reason_of_end(folder)
  if torn then
    said[#said + 1] = ('events.tsv: its last row was torn as %s, and is cut: "%s"'):format(
      ended and "the record was closed" or "the run was killed", escapes.shown(torn:gsub("\t", "  ")))
  end
  if events.incomplete > 0 then
    said[#said + 1] = ("events.tsv: %d row%s not whole"):format(events.incomplete,
      events.incomplete == 1 and " is" or "s are")
  end
  local unknown = math.max(0, planned - sent - skipped)
  manifest.protocol.pulses, manifest.status = planned, "interrupted"
  manifest.result = { status = "interrupted", pulses_planned = planned, pulses_sent = sent,
    pulses_confirmed = confirmed, pulses_skipped = skipped, plan_complete = false, damage = said,
    pulses_unknown = unknown > 0 and unknown or nil, events_sum = core.file_sum(path), flight_lost = true,
    reason = ended and ("the run had ended (%s), and its record was not closed: its disk was full, or "
      .. "Moonpulse was killed; events.tsv is as the run left it"):format(ended)
      or "Moonpulse was killed, and its flight record is lost or cannot be read; events.tsv is as the "
      .. "run left it" }
  return { ended = ended ~= nil, sent = sent, confirmed = confirmed, skipped = skipped, planned = planned,
    said = said, safe = false }
end

-- What a row is of, by its plan, not by what became of it: it has the same in another table.
local key = { "event", "onset_planned_us", "channel", "intensity" }

--- Before another table is put in its place: what the run left as events.tsv may have rows that could not
--- be written again, of a plan whose lines of the journal or whose flight records are lost.
---@param path string events.tsv
---@param new string the table that is to be put there
---@return integer rows that only events.tsv has; where it cannot be told, 1
---@return integer pulses that events.tsv says were sent, or perhaps were
function M.only_there(path, new)
  if not lfs.symlinkattributes(path, "mode") then
    return 0, 0
  end
  local old, text = core.read_file(path, most_events), core.read_file(new, most_events)
  if not old or not text then
    return 1, 0
  end
  local events = read.parse(old, path)
  return core.missing_rows(old, text, key), events and (counts_of(events)) or 0
end

return M
