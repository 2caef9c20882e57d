--- A simulator in this process, at the far end of a wire: for virtual time. It is served as the one in a
--- process of its own is (moonpulse.simulation.process), only that nothing waits.
local core = require "moonpulse.core"
local devices = require "moonpulse.driver.find"
local failing = require "moonpulse.simulation.failing"
local faults = require "moonpulse.simulation.faults"
local host = require "moonpulse.simulation.serve"
local refusals = require "moonpulse.text.refusal"

local M = {}

local Inside = {}
Inside.__index = Inside

--- Start the simulator of driver, its log at log. Raises a fault where it cannot be.
---@param driver moonpulse.Driver
---@param log string
---@param wrong string? as sim --fault reads them
---@param simulator moonpulse.Simulator? to be served instead of a new one
---@param short boolean? the engine may answer what goes on as before
---@return table inside with path, and trigger_path where the driver is triggered; to be closed
function M.start(driver, log, wrong, simulator, short)
  local made, why = core.create_file(log) -- the folder of a run decides who may read it, not the umask
  if not made then
    refusals.fault("cannot write " .. why)
  end
  made:close()
  local model = assert(devices.simulator(driver))
  local settings, served = devices.simulator_settings(driver, model), nil
  if not simulator and driver.simulator:find("%.lua$") then
    simulator = model.new(settings)
    failing.watch(simulator, host.speaks_for_itself(simulator), function(text)
      driver.simulator_failed = text
      served:unplug()
    end)
  end
  local message
  served, message = host.start(model, { log = log, settings = settings,
    faults = wrong and faults.parse(wrong), trigger = driver.trigger ~= nil,
    simulator = simulator, short = short })
  if not served then
    refusals.fault(message)
  end
  core.spawn(function() served:serve() end)
  return setmetatable({ path = served.path, trigger_path = served.trigger_path, served = served }, Inside)
end

--- The lines that come in at the device's port.
---@param cts boolean
---@param dsr boolean
function Inside:inputs(cts, dsr)
  self.served:inputs(cts, dsr)
end

--- Something outside fires it now, over its trigger input.
function Inside:fired()
  self.served:fired(core.clock_ns())
end

--- Has it such an input?
---@return boolean
function Inside:can_be_fired()
  return self.served.simulator.line and true or false
end

--- How long after that its report has come.
---@return integer
function Inside:reports_ns()
  return self.served:reports_ns()
end

--- Nothing hangs in virtual time.
function Inside.hung() end

local most_bytes = 128 -- on the wire at the end: more than any frame

--- Let what is on the wire arrive and it finish its log, then end it.
function Inside:close()
  core.wait(core.wire_ns(self.served.serial, most_bytes) / 1e9)
  self.served:stop()
  core.wait(0)
  self.served:close()
end

Inside.__close = Inside.close

return M
