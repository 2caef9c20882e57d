--- A shell's command, while other tasks go on.
local core = require "moonpulse.core"

local M = {}

--- Run a command to its end.
---@param line string shell text
---@param seconds number it is ended then
---@return integer exit status; 128 + n: ended by signal n
function M.run(line, seconds)
  local task, status = core.current(), nil
  local process <close> = assert(core.process {
    args = { "/bin/sh", "-c", line },
    on_line = function() end,
    on_exit = function(code, signal)
      status = signal > 0 and 128 + signal or code
      task:wake()
    end,
  })
  local give_up_ns = core.clock_ns() + math.floor(seconds * 1e9)
  while not status and core.clock_ns() < give_up_ns do
    core.wait(1)
  end
  return status or 128 + 9, process
end

return M
