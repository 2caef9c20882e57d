--- Virtual time: from begin() until it is closed, the clock of every task jumps to what comes next.
local core = require "moonpulse.core"

local M = {}

--- Whether speed asks for virtual time.
---@param speed number|"max"|nil how many times as fast as ours time passes; 1 or nil: it stays real
---@return boolean
function M.is_asked(speed)
  return speed ~= nil and speed ~= 1
end

--- From now on, until what is returned is closed, time is virtual if speed asks for that.
---@param speed number|"max"|nil how many times as fast as ours time passes; 1 or nil: it stays real
---@return table to be closed
function M.begin(speed)
  local is_virtual = M.is_asked(speed)
  local pause
  if is_virtual then
    core.go_virtual(speed == "max" and 0 or speed)
    pause = collectgarbage("setpause", 1000) -- what a pulse leaves is short-lived
  end
  local real_ns, virtual_ns = core.real_ns(), core.clock_ns()
  local took_s, virtual_s
  return setmetatable({
    --- What is timed begins only now.
    start = function()
      real_ns, virtual_ns = core.real_ns(), core.clock_ns()
    end,
    --- What is timed ends here.
    stop = function()
      took_s, virtual_s = (core.real_ns() - real_ns) / 1e9, (core.clock_ns() - virtual_ns) / 1e9
    end,
    --- How long it took, and how much time passed in it, in seconds; nothing in real time.
    took = function()
      if not is_virtual then
        return
      elseif took_s then
        return took_s, virtual_s
      end
      return (core.real_ns() - real_ns) / 1e9, (core.clock_ns() - virtual_ns) / 1e9
    end,
  }, { __close = function()
    if is_virtual then
      core.go_real()
      collectgarbage("setpause", pause)
    end
  end })
end

return M
