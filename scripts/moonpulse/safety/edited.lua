--- An earlier run's record that was sealed and is not as it was sealed: somebody edited it, or it is damaged.
--
-- What was given must never count for less because of that. So such a run gives as many pulses as the most
-- that anything in its folder says (rows, result, flight record, journal, plan), all of them to the brain, at
-- the latest time that anything says; it belongs to each participant whom its manifest or its journal names;
-- and that it was only simulated is believed only where its journal says so, too. It is no session of a
-- course: nobody knows any more what that session was.
local core = require "moonpulse.core"
local cjson = require "cjson.safe"
local journals = require "moonpulse.record.journal"
local read = require "moonpulse.record.read"
local seals = require "moonpulse.record.seal"

local M = {}

--- What a run is counted from; a report that somebody wrote on, or a file beside it, changes nothing.
local counted_from = { "manifest.json", "recover.json", "journal.jsonl", "events.tsv", "flight.bin" }

--- Was the manifest changed since the folder was sealed? Cheap: nothing else is read.
---@param path string of the run's folder
---@return boolean
function M.manifest_changed(path)
  local names = seals.changed(path, { "manifest.json" })
  return names ~= nil and names[1] ~= nil
end

--- The lines of a journal that can be read, whatever was done to it.
---@param path string of the run's folder
---@return table[] entries
function M.journal(path)
  local entries = {}
  local text = core.read_file(path .. "/journal.jsonl", journals.most_bytes) or ""
  for line in text:gmatch("[^\n]+") do
    local entry = cjson.decode(line)
    entries[#entries + 1] = type(entry) == "table" and entry or nil
  end
  return entries
end

--- What of a run's record is not as it was sealed.
---@param path string of the run's folder
---@param manifest table of it
---@return string? text the files, or that there is no seal; nil: all is as it was, or it was never sealed
function M.look(path, manifest)
  if read.get(manifest, "status") == "running" then
    return nil -- torn: it is not sealed yet
  end
  local names = seals.changed(path, counted_from)
  if names then
    return names[1] and table.concat(names, ", ") or nil
  elseif read.get(manifest, "journal_head") or (tonumber(read.get(manifest, "record_version")) or 0) >= 3 then
    return "its seal is missing"
  end
end

--- The most pulses that the lines of a journal tell of: its plans', or what the run's end says.
---@param entries table[]
---@return integer
function M.most_in(entries)
  local planned, sent = 0, 0
  for _, entry in ipairs(entries) do
    local pulses = math.tointeger(tonumber(entry.pulses)) or 0
    planned = planned + (entry.kind == "play" and pulses > 0 and pulses or 0)
    sent = math.max(sent, math.tointeger(tonumber(entry.sent)) or 0)
  end
  return math.max(planned, sent)
end

return M
