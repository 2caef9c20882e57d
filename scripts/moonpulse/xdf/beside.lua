--- A run's XDF file in its own folder, as --xdf asks for it: part of what is sealed, as the report is, and
--- like that made of the rest of the folder.
local files = require "moonpulse.record.file"
local lfs = require "lfs"
local read = require "moonpulse.record.read"
local streams_of = require "moonpulse.xdf.of_run"
local to_type = require "moonpulse.text.to_type"
local xdf = require "moonpulse.xdf.file"

local M = {}

M.name = "streams.xdf"

--- Write it, whole or not at all.
---@param folder string of a run that is over, with its manifest, and whose journal says how it ended
---@return boolean? ok
---@return string? message
function M.write(folder)
  local manifest, why = read.manifest(folder .. "/manifest.json")
  local streams, message = nil, why
  if manifest then
    streams, message = streams_of.streams(folder, manifest)
  end
  if not streams then
    return nil, tostring(message)
  end
  local ok, problem = files.rewrite(folder .. "/" .. M.name, function(out)
    for part in xdf.parts(streams) do
      local written, cause = out:write(part)
      if not written then
        return nil, cause
      end
    end
    return true
  end)
  return ok, problem and ("%s/%s: cannot be written: %s"):format(folder, M.name, problem)
end

--- A run that was to have one, and was killed before it had: how it is made now.
---@param folder string
---@return string? sentence nil: it has one, or was to have none
function M.owed(folder)
  local internals = read.internals(folder, { record_version = 0 }) -- of any version that has recover.json
  if internals.xdf == true and not lfs.symlinkattributes(folder .. "/" .. M.name, "mode") then
    return ("it was to have an XDF file (--xdf): moonpulse export xdf %s"):format(to_type.path(folder))
  end
end

return M
