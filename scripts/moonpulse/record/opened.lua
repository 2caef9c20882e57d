--- The folder of a run is opened, for who reads it. Nothing of it is run: text and JSON are read as data.
local core = require "moonpulse.core"
local device_folders = require "moonpulse.record.device_folders"
local lfs = require "lfs"
local read = require "moonpulse.record.read"
local to_type = require "moonpulse.text.to_type"

local M = {}

--- Does a program write it now? Its flight record is locked as long as that lives.
---@param folder string of the run
---@return boolean
function M.is_running(folder)
  local reader, _, code = core.flight_read(folder .. "/flight.bin")
  if reader then
    reader:close()
  end
  for _, place in ipairs(code ~= "busy" and device_folders.of(folder) or {}) do
    if M.is_running(folder .. "/" .. place) then
      return true
    end
  end
  return code == "busy"
end

--- Its run still goes on: nothing of it is told as if it were over. A folder that is sealed is of one that
--- is.
---@param folder string
---@return string? sentence what it is, and what to do; nil: it is over, or was killed
function M.goes_on(folder)
  if not lfs.symlinkattributes(folder .. "/SHA256SUMS", "mode") and M.is_running(folder) then
    return ("%s: its run is still going on: wait until it has ended"):format(folder)
  end
end

--- Its manifest, whatever became of the run.
---@param folder string
---@return table? manifest
---@return string[]|string said what of it was left out because it cannot be, a sentence each; message
function M.manifest(folder)
  local manifest, said = read.manifest(folder .. "/manifest.json")
  if not manifest then
    local never = M.goes_on(folder) or require("moonpulse.record.begun").never(folder)
    return nil, never or ("%s has no manifest.json that can be read: is it the folder of a run? (%s)"):format(
      folder, tostring(said))
  end
  return manifest, said
end

--- The folder of a run that is over, for who takes it elsewhere: one that was killed is recovered first.
---@param folder string as it was named
---@return string? folder without a slash at its end
---@return table|string manifest; message
function M.ended(folder)
  folder = folder:gsub("(.)/+$", "%1")
  if lfs.attributes(folder, "mode") ~= "directory" then
    return nil, ("%s is no folder of a run"):format(folder)
  end
  local manifest, message = M.manifest(folder)
  local goes_on = M.goes_on(folder)
  if not manifest or goes_on then
    return nil, goes_on or tostring(message)
  elseif manifest.status == "running" then
    return nil, ("%s: its run was killed: %s"):format(folder, to_type.recover(folder))
  end
  return folder, manifest
end

return M
