--- The simulator of --device sim: a process of its own, so that it is an independent witness.
local core = require "moonpulse.core"
local devices = require "moonpulse.driver.find"
local last_looked = require "moonpulse.simulation.last_looked"
local companions = require "moonpulse.text.companions"
local refusals = require "moonpulse.text.refusal"

local M = {}

-- its end is noticed at once: these are for one that hangs, and not for one that is starved; one that hung
-- already when it was asked whether it is disarmed has had its time
local start_ns, end_ns, hung_ns = 30000000000, 5000000000, 500000000

local Simulator = {}
Simulator.__index = Simulator

--- Start the simulator NAME, its log at log. Raises a fault when it does not come up.
---@param driver moonpulse.Driver
---@param log string
---@param faults string? as sim --fault reads them
---@return table simulator with path, and trigger_path where the driver is triggered; closing it ends the
---   process
function M.start(driver, log, faults)
  local self = setmetatable({ task = core.current() }, Simulator)
  local made, why = core.create_file(log) -- the folder of a run decides who may read it, not the umask
  if not made then
    refusals.fault("cannot write " .. why)
  end
  made:close()
  local args = { companions.program(), "sim", driver.file or driver.name, "--log", log, "--until-eof",
    "--looks" }
  if faults then
    args[#args + 1], args[#args + 2] = "--fault", faults
  end
  for key, value in pairs(devices.simulator_settings(driver, assert(devices.simulator(driver)))) do
    args[#args + 1], args[#args + 2] = "--option", key .. "=" .. tostring(value)
  end
  if driver.trigger then
    args[#args + 1] = "--trigger"
  end
  last_looked.forget(self)
  local process, message = core.process {
    args = args,
    on_line = function(text)
      local looked_ns = math.tointeger(tonumber(text:match("^looked (%d+)$")))
      if looked_ns then
        last_looked.told(looked_ns, self)
        return
      end
      self.path = self.path or text:match(" on (%S+)$")
      self.trigger_path = self.trigger_path or text:match("^trigger input: (%S+)")
      self.task:wake()
    end,
    on_exit = function()
      self.ended = true
      self.task:wake()
    end,
  }
  if not process then
    refusals.fault(message)
  end
  self.process = process
  local give_up_ns = core.clock_ns() + start_ns
  local function ready()
    return self.path and (self.trigger_path or not driver.trigger)
  end
  while not ready() and not self.ended and core.clock_ns() < give_up_ns do
    core.wait(1)
  end
  if not ready() then
    last_looked.forget(self)
    process:close()
    refusals.fault("the simulator did not start")
  end
  return self
end

--- It did not say that it is disarmed: perhaps it hangs.
function Simulator:hung()
  self.hangs = true
end

--- Let it finish its log, then end it.
function Simulator:close()
  self.task = core.current()
  last_looked.forget(self)
  self.process:finish()
  local give_up_ns = core.clock_ns() + (self.hangs and hung_ns or end_ns)
  while not self.ended and core.clock_ns() < give_up_ns do
    core.wait(0.1)
  end
  self.process:close()
end

Simulator.__close = Simulator.close

return M
