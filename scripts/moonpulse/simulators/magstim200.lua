--- The simulator of a Magstim 200²: see magstim/unit.lua for what it models.
local unit = require "moonpulse.simulators.magstim.unit"

local M = {
  name = "magstim200",
  description = "Magstim 200²",
  serial = { baud = 9600, bits = 8, parity = "none", stop_bits = 1, flow = "none" },
}

local commands = unit.commands()
commands.J = { length = 1, get = true, free = true, run = function(self)
  return ("%03d000000"):format(self.power)
end }

--- Switch one on: standby, power 30 %, coil at 24 C, not under remote control.
---@param options table? latency, seed, power, coil_temperature, coil
function M.new(options)
  return unit.new(commands, {}, options)
end

return M
