--- Which stimulator a run is for: --device, --port and what goes with them.
local cli = require "moonpulse.cli"
local common = require "moonpulse.cli.protocol_argument"
local devices = require "moonpulse.driver.find"
local faults = require "moonpulse.simulation.faults"
local outputs = require "moonpulse.driver.outputs"
local port_name = require "moonpulse.cli.port_name"
local triggers = require "moonpulse.driver.trigger_path"

local M = {}

--- Leaves with exit status 2 where the option channels= names a channel that a plan does not have.
---@param driver moonpulse.Driver configured
---@param actions moonpulse.Action[] of the plan
function M.check_channels(driver, actions)
  local names = {}
  for i, action in ipairs(actions) do
    names[i] = action.channel
  end
  local problem = outputs.surplus(names, driver)
  if problem then
    cli.fail("usage", "%s", problem)
  end
end

local function find_driver(name, options)
  local driver, message = devices.find(name)
  if not driver then
    cli.fail("usage", "%s", message)
  end
  local ok, own = pcall(devices.configure, driver,
    common.pairs("--device-option", options.device_option))
  if not ok then
    if type(own) == "table" and own.code then
      cli.fail(own.code, "%s", own.message)
    end
    error(own, 0)
  end
  return own
end

--- The device's driver as it fires with --trigger. Leaves with exit status 2 where that cannot be.
local function with_trigger(driver, options, model)
  local trigger = options.trigger
  if not trigger then
    return driver
  elseif options.timing == "device" then
    cli.fail("usage", "--timing device: a train of the stimulator is started by a command, with "
      .. "--trigger every pulse is fired by itself: leave out one of them")
  elseif trigger.path and trigger.path == options.port then
    cli.fail("usage", "--trigger %s is the device's own port: write --trigger rts (or dtr, break)",
      trigger.path)
  elseif model and trigger.path ~= "sim" then
    cli.fail("usage", "--trigger %s: the simulator has a trigger input and no lines: write "
      .. "--trigger sim", trigger.text)
  elseif model and (trigger.line or not trigger.after or trigger.serial.baud ~= 115200) then
    cli.fail("usage", "--trigger %s: the simulator's trigger input takes a byte and 0: --trigger sim, or "
      .. "like sim:byte=4,width=10", trigger.text)
  elseif model and not model.new({}).line then
    cli.fail("usage", "--trigger sim: the simulated %s has no trigger input", driver.description)
  elseif not model and trigger.path == "sim" then
    cli.fail("usage", "--trigger sim is the simulator's: name the port of your trigger box")
  elseif driver.trigger_latency == nil and driver.trigger_confirms == nil then
    cli.fail("usage", "--trigger %s: the driver of the %s does not arm a trigger input: leave --trigger "
      .. "out, or set its input up by hand and use --device trigger", trigger.text, driver.description)
  end
  return triggers.apply(driver, trigger)
end

--- argparse action of --device: one, or one for each of several.
---@param options table gets devices, and device: the last one
---@param _ string
---@param text string
function M.keep(options, _, text)
  options.devices = options.devices or {}
  table.insert(options.devices, text)
  options.device = text
end

--- Do the options name several devices?
---@param options table
---@return boolean
function M.are_several(options)
  local texts = options.devices or {}
  for _, text in ipairs(texts) do
    if text ~= texts[1] then
      return true
    end
  end
  return texts[1] ~= nil and texts[1]:find("^[%w_%-]+=") ~= nil
end

--- The driver that the options name, set as for a run, for whoever only asks what it could do: no port is
--- needed. Leaves with exit status 2 where they do not fit together.
---@param options table
---@return moonpulse.Driver driver
function M.described(options)
  local name = options.device
  local simulated = name == "sim" and devices.default or name:match("^sim:(.+)$")
  local driver = find_driver(simulated or name, options)
  local model, message
  if simulated then
    model, message = devices.simulator(driver)
    if not model then
      cli.fail("usage", "%s", message)
    end
  end
  return with_trigger(driver, options, model)
end

--- The driver that the options name, and whether its simulator is to be started. Leaves with exit status
--- 2 where they do not fit together.
---@param options table
---@return moonpulse.Driver driver
---@return boolean simulated
---@return moonpulse.core.Port? usb what is known of the port's adapter; options.port is its path from now on
function M.choose(options)
  local name = options.device
  local simulated = name == "sim" and devices.default or name:match("^sim:(.+)$")
  if simulated then
    if options.port then
      if name ~= "sim" then
        cli.fail("usage", "--port %s is for a real stimulator, and --device %s is simulated: leave out "
          .. "--port, or write --device %s", options.port, name, simulated)
      end
      cli.fail("usage", "--port %s needs --device: which stimulator is connected there? For example "
        .. "--device magventure", options.port)
    end
    local driver = find_driver(simulated, options)
    local model, message = devices.simulator(driver)
    if not model then
      cli.fail("usage", "%s", message)
    end
    if options.fault then
      local known, problem = faults.new(options.fault, model.new {})
      if not known then
        cli.fail("usage", "--fault %s: %s: leave it out, or take sim, whose stimulator has it",
          options.fault.text, problem)
      end
    end
    local own = with_trigger(driver, options, model)
    own.on_simulator = not options.fault -- of what was asked for the run speaks as of a device
    return own, true
  end
  local driver = find_driver(name, options)
  if options.fault then
    cli.fail("usage", "--fault %s works on the simulator only: leave out --device %s, or --fault",
      options.fault.text, name)
  elseif not options.port then
    cli.fail("usage", "--device %s needs --port PORT: see moonpulse ports (or use --device sim:%s)",
      name, name)
  elseif options.speed ~= 1 then
    cli.fail("usage", "--speed works on the simulator only: a real stimulator runs in real time")
  end
  local path, port = port_name.resolve(options.port, driver)
  if not path then
    cli.fail("usage", "%s", port)
  end
  options.port = path
  return with_trigger(driver, options), false, port
end

return M
