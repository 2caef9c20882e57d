--- A script that never yields: the engine stops the device after 500 ms without the loop; this ends
--- the script behind it, at its line, so that the record is closed.
local blame = require "moonpulse.blame"
local core = require "moonpulse.core"
local links = require "moonpulse.link"

local M = {}

local instructions = 100000 -- between two looks: well below a millisecond
local limit_ns, again_ns = 700000000, 300000000

--- Raise at the script's next instruction, and again at the one after it: a script that catches the
--- error in its loop must not go on.
local function end_script()
  debug.sethook(function()
    if not blame.is_ours(debug.getinfo(2, "S").source) then
      links.stopped("stuck")
    end
  end, "", 1)
end

--- Watch the running coroutine. A process that was stopped as a whole gets a second look.
---@param stage table { alive_ns: integer, stimulator }; gets stuck_at
function M.guard(stage)
  local suspect_ns, suspect_alive_ns
  debug.sethook(function()
    local now, alive_ns = core.clock_ns(), stage.alive_ns
    if now - alive_ns < limit_ns or not stage.stimulator.armed then
      return
    elseif suspect_alive_ns ~= alive_ns then
      suspect_ns, suspect_alive_ns = now, alive_ns
    elseif now - suspect_ns > again_ns then
      stage.stuck_at = ("%s: the script did not yield for %.1f s: wait with run:sleep, not in a loop")
        :format(blame.origin(), (now - alive_ns) / 1e9)
      stage.stimulator:stop("stuck")
      end_script()
    end
  end, "", instructions)
end

return M
