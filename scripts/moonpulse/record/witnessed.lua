--- Is twin.tsv, what the simulator says that it was sent and gave, as the simulator would have it?
local plain_files = require "moonpulse.text.plain_file"

local M = {}

--- What is wrong with it, in a sentence: its last line has no end, as where the disk did not take it all, or
--- the simulator was killed. Who writes it goes no further then (moonpulse.simulation.serve).
---@param folder string of a run
---@return string? sentence nil: it is whole, or there is none
function M.cut(folder)
  local file <close> = plain_files.open(folder .. "/twin.tsv")
  local bytes = file and file:seek "end"
  if not file or bytes > 0 and file:seek("set", bytes - 1) and file:read(1) == "\n" then
    return nil
  end
  return ("twin.tsv is cut after %d bytes: the disk did not take all that the simulator gave, or the "
    .. "simulator was killed"):format(bytes)
end

return M
