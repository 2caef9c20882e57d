--- What recover makes of events.tsv as the run left it. Of a torn run whose flight record is gone, or tells
--- nothing, it stays and is counted: it has the rows that were written by then, some a second behind the
--- pulses. Where it is written anew, no row is lost that only it has.
local core = require "moonpulse.core"
local counted = require "moonpulse.record.counted"
local escapes = require "moonpulse.text.escapes"
local files = require "moonpulse.record.file"
local journals = require "moonpulse.record.journal"
local lfs = require "lfs"
local read = require "moonpulse.record.read"
local sidecar = require "moonpulse.record.sidecar"
local cells = require "moonpulse.text.cells"

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
  for _, row in ipairs(events.pulses) do
    local was_sent = counted.is_given(row.status, row.was_sent)
    sent, skipped = sent + (was_sent and 1 or 0), skipped + (was_sent and 0 or 1)
    confirmed = confirmed + (row.is_confirmed and 1 or 0)
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
    sidecar.write { folder = folder, conditions = names } -- the table is whole without it
  end
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

--- Count them, and say in the manifest that the run was interrupted.
---@param folder string
---@param manifest table of a run that says "running"; changed: to be written
---@param why string what was sent cannot be told from its flight record
---@param said string[] what else is missing or damaged, a sentence each
---@return table? summary as of moonpulse.record.recover
---@return string? message
function M.keep(folder, manifest, why, said)
  local path = folder .. "/events.tsv"
  local torn, message
  local events = read.events(path)
  if events then
    torn, message = cut_torn(path)
    events = torn and read.events(path) or events
  end
  if not events or message then
    return nil, message and ("%s cannot be written, and is as it was: %s: make room, and recover again")
      :format(path, message) or ("%s, and there is no events.tsv that can be read"):format(why)
  end
  describe(folder, events)
  local planned = planned_of(folder, manifest)
  local sent, confirmed, skipped = counts_of(events)
  said[#said + 1] = ("%s: events.tsv stays as the run left it; nobody knows whether more was sent behind its "
    .. "last row"):format(why)
  if torn then
    said[#said + 1] = ('events.tsv: its last row was torn as the run was killed, and is cut: "%s"'):format(
      escapes.shown(torn:gsub("\t", "  ")))
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
    reason = "Moonpulse was killed, and its flight record is lost or cannot be read; events.tsv is as the "
      .. "run left it" }
  return { sent = sent, confirmed = confirmed, skipped = skipped, planned = planned, said = said,
    safe = false }
end

--- What each whole row is of, by its plan, not by what became of it: it has the same key in another table.
---@param text string a table of events
---@return fun(): string? the next row's key
local function keys_of(text)
  local next_line = text:gmatch("([^\n]*)\n") -- a last line without an end is torn
  local header = cells.of(next_line() or "")
  local columns = cells.index(header)
  return function()
    for line in next_line do
      local row = cells.of(line)
      if #row == #header then
        local key = {}
        for i, name in ipairs { "event", "onset_planned_us", "channel", "intensity" } do
          key[i] = row[columns[name] or 0] or ""
        end
        return table.concat(key, "\t")
      end
    end
  end
end

--- How many rows of one table another one has not.
local function missing_of(from, to)
  local there, missing = {}, 0
  for key in keys_of(to) do
    there[key] = (there[key] or 0) + 1
  end
  for key in keys_of(from) do
    local left = (there[key] or 0) - 1
    there[key] = left
    missing = missing + (left < 0 and 1 or 0)
  end
  return missing
end

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
  return missing_of(old, text), events and (counts_of(events)) or 0
end

return M
