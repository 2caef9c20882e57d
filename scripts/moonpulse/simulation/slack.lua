--- How much sooner than it should a simulated capacitor is charged, where commands come over a port.
---
--- A simulator on a pseudo-terminal reads a command when its own process gets to: some tenths of a
--- millisecond after it was sent, or many milliseconds on a busy machine. For how long it could not read it
--- knows (moonpulse.simulation.serve): a pulse that it read late may have come sooner by that much, and the
--- capacitor is charged again as much sooner. What it does not know (the kernel's own delays; when which of
--- several commands came that it reads at once) would make two pulses look closer than they were sent, and
--- one sent exactly at the device's shortest interval would be refused for the simulator's own fault. That
--- the host never sends one sooner is the engine's guard (engine/dispatcher.h), by its own stamps. In virtual
--- time stamps are exact, and nothing is given away.
local M = {}

local SHARE, MOST_NS = 10, 20000000 -- a tenth, and at most 20 ms: our choice

--- Nanoseconds to take off a recharge.
---@param simulator moonpulse.Simulator on_port: commands come over a port (moonpulse.simulation.serve says
---   so); waited_ns: how long the process waited for the processor before it read what is being answered
---@param recharge_ns integer
---@return integer
function M.of(simulator, recharge_ns)
  if not simulator.on_port then
    return 0
  end
  return math.max(math.min(recharge_ns // SHARE, MOST_NS), math.min(recharge_ns, simulator.waited_ns or 0))
end

return M
