--- Is twin.tsv, what the simulator says that it was sent and gave, as the simulator would have it?
local device_folders = require "moonpulse.record.device_folders"
local plain_files = require "moonpulse.text.plain_file"

local M = {}

--- Is the last line of one without its end?
local function cut(folder, name)
  local file <close> = plain_files.open(folder .. "/" .. name)
  local bytes = file and file:seek "end"
  if not file or bytes > 0 and file:seek("set", bytes - 1) and file:read(1) == "\n" then
    return nil
  end
  return (name .. " is cut after %d bytes: the disk did not take all that the simulator gave, or the "
    .. "simulator was killed"):format(bytes)
end

--- What is wrong with it, in a sentence: its last line has no end, as where the disk did not take it all, or
--- the simulator was killed. Who writes it goes no further then (moonpulse.simulation.serve).
---@param folder string of a run
---@return string? sentence nil: it is whole, or there is none; of several devices the first that is cut
function M.cut(folder)
  local found = cut(folder, "twin.tsv")
  for _, place in ipairs(found and {} or device_folders.of(folder)) do
    found = found or cut(folder, place .. "/twin.tsv")
  end
  return found
end

return M
