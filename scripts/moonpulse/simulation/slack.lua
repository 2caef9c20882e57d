--- By how much sooner than it was read a command may have come, and what a simulator grants for that.
---
--- A simulator on a pseudo-terminal reads a command when its own process gets to, and the kernel has passed
--- it on: some tenths of a millisecond after it was sent, or many milliseconds on a busy machine. How long
--- that took nothing tells; but the port was looked at before, and was empty (moonpulse.simulation.serve):
--- the command came between that look and this one. What is certain is judged, and in doubt the command came
--- in time. It may come sooner by as much as that: so the capacitor is charged again as much sooner, and a
--- time-out is over as much later. A tenth is given away in any case, as when each of several commands came
--- that were read at once is not known better. That the host never sends one sooner is the engine's guard
--- (engine/dispatcher.h), by its own stamps. In virtual time stamps are exact, and nothing is given away.
local M = {}

local SHARE, MOST_NS = 10, 20000000 -- a tenth, and at most 20 ms: our choice

--- Nanoseconds by which what is being answered may have come sooner than its stamp says.
---@param simulator moonpulse.Simulator waited_ns: moonpulse.simulation.serve says so; nil: by none
---@return integer
function M.waited(simulator)
  return simulator.waited_ns or 0
end

--- Nanoseconds to take off a recharge.
---@param simulator moonpulse.Simulator on_port: commands come over a port (moonpulse.simulation.serve says
---   so)
---@param recharge_ns integer
---@return integer
function M.of(simulator, recharge_ns)
  if not simulator.on_port then
    return 0
  end
  return math.max(math.min(recharge_ns // SHARE, MOST_NS), math.min(recharge_ns, M.waited(simulator)))
end

return M
