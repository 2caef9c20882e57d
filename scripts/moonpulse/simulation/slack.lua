--- How much sooner than it should a simulated capacitor is charged, where commands come over a port.
---
--- A simulator on a pseudo-terminal stamps a command when its own process gets the processor: often some
--- tenths of a millisecond after it was sent, and milliseconds on a busy machine. A late look at one pulse
--- and a prompt one at the next would make them look closer than they were sent, and a pulse sent exactly
--- at the device's shortest interval would be refused for the simulator's own fault. That the host never
--- sends one sooner is the engine's guard (engine/dispatcher.h), by its own stamps. In virtual time
--- stamps are exact, and nothing is given away.
local M = {}

local SHARE, MOST_NS = 10, 20000000 -- a tenth, and at most 20 ms: our choice

--- Nanoseconds to take off a recharge.
---@param twin table on_port: commands come over a port (set by moonpulse.simulation.serve)
---@param recharge_ns integer
---@return integer
function M.of(twin, recharge_ns)
  return twin.on_port and math.min(recharge_ns // SHARE, MOST_NS) or 0
end

return M
