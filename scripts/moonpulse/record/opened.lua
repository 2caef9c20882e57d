--- The folder of a run is opened, for who reads it. Nothing of it is run: text and JSON are read as data.
local lfs = require "lfs"
local read = require "moonpulse.record.read"
local to_type = require "moonpulse.text.to_type"

local M = {}

--- Its manifest, whatever became of the run.
---@param folder string
---@return table? manifest
---@return string[]|string said what of it was left out because it cannot be, a sentence each; message
function M.manifest(folder)
  local manifest, said = read.manifest(folder .. "/manifest.json")
  if not manifest then
    local never = require("moonpulse.record.begun").never(folder)
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
  if not manifest then
    return nil, tostring(message)
  elseif manifest.status == "running" then
    return nil, ("%s: this run did not end, or was killed: %s"):format(folder, to_type.recover(folder))
  end
  return folder, manifest
end

return M
