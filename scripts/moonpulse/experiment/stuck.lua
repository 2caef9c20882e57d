--- A script that does not come to its end after a stop, because it never yields or catches every error: the
--- engine (bindings/backstop.h) interrupts it at its line, so that the record is closed.
local core = require "moonpulse.core"

local M = {}

--- From now on the running coroutine, and those that it makes, can be interrupted: in the script, not in us.
function M.guard()
  core.interruptible(true)
end

--- No longer. stage gets stuck_at where it was interrupted.
---@param stage moonpulse.Stage of the runner
function M.over(stage)
  local where = core.interruptible(false)
  local why = ("the script did not yield for more than %s: wait with run:sleep, not in a loop"):format(
    core.is_virtual() and "5 s of this computer's time" or "0.5 s")
  if core.muted() then
    why = "nobody took what Moonpulse printed for half a second: is the terminal held (Ctrl-S; Ctrl-Q goes "
      .. "on), or the pipe full?"
  end
  stage.stuck_at = where and not core.hung_file() and where .. ": " .. why or nil -- it was not the script
end

return M
