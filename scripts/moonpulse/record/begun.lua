--- A run that has not begun, or was killed before it had: its folder has no manifest.json, which is there
--- before anything is armed.
local core = require "moonpulse.core"
local flight_of = require "moonpulse.record.recover_flight"
local journals = require "moonpulse.record.journal"
local lfs = require "lfs"
local opened = require "moonpulse.record.opened"

local M = {}

-- what a journal tells of what was done with a device
local done = { arm = true, disarm = true, play = true, set = true, ["end"] = true, recovered = true }
local most_header = 4096 -- bytes of a table that has no rows
local new_s = 2 -- between the making of a file and its lock a run needs microseconds

local function is_empty(path)
  local text = core.read_file(path, most_header)
  return text ~= nil and not text:find("\n[^\n]")
end

--- Is there nothing in the folder that was sent, or told to a device?
---@param folder string
---@return string? sentence what it is, if its program is gone, and what to do; nil: it began, or is something
---   else
function M.never(folder)
  local function mode(name)
    return lfs.symlinkattributes(folder .. "/" .. name, "mode")
  end
  if mode "manifest.json" or mode "SHA256SUMS" or mode "events.tsv" ~= "file"
    or not is_empty(folder .. "/events.tsv") then
    return nil
  end
  for _, entry in ipairs(journals.all(folder)) do
    if done[entry.kind] then
      return nil
    end
  end
  local flight = mode "flight.bin" and flight_of.read(folder .. "/flight.bin")
  for _, entry in ipairs(flight and flight.list or {}) do
    if entry.kind ~= "start" then
      return nil
    end
  end
  return ("%s is of a run that was killed before it had begun: it has no manifest.json, which is there "
    .. "before anything is armed: nothing was sent, and the folder may be taken away"):format(folder)
end

--- Does a run start there now, as one that waits for a stream or for its stimulator? Its program lives, and
--- has told no device anything.
---@param folder string without a manifest.json
---@return boolean
function M.is_starting(folder)
  local flight = folder .. "/flight.bin"
  if lfs.attributes(flight, "size") == 0 then
    -- made, and not locked yet: looked into, it would refuse itself to its own run
    return os.time() - (lfs.attributes(flight, "modification") or 0) <= new_s and M.never(folder) ~= nil
  end
  return opened.is_running(folder) and M.never(folder) ~= nil
end

return M
