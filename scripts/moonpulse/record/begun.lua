--- A run that was killed before it had begun: its folder has no manifest.json, which is there before anything
--- is armed.
local core = require "moonpulse.core"
local flight_of = require "moonpulse.record.recover_flight"
local journals = require "moonpulse.record.journal"
local lfs = require "lfs"

local M = {}

-- what a journal tells of what was done with a device
local done = { arm = true, disarm = true, play = true, set = true, ["end"] = true, recovered = true }
local most_header = 4096 -- bytes of a table that has no rows

local function is_empty(path)
  local text = core.read_file(path, most_header)
  return text ~= nil and not text:find("\n[^\n]")
end

--- Is there nothing in the folder that was sent, or told to a device?
---@param folder string
---@return string? sentence what it is, and what to do; nil: it began, or is something else
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

return M
