-- What a driver's limits must be, said when it is loaded: a value that would do harm in a run is named there.
local contract = require "moonpulse.driver.contract"
local devices = require "moonpulse.driver.find"
local shell = require "shell"

describe("the limits of a driver that is loaded", function()
  local sound = assert(devices.find "magstim200")

  --- What the contract says of a driver whose limits are changed.
  local function problems(change)
    local limits = sound.limits()
    change(limits)
    return table.concat(contract.problems(setmetatable({ limits = function() return limits end },
      { __index = sound })), "; ")
  end

  it("are those of every shipped driver", function()
    for _, name in ipairs(devices.names) do
      assert.are.same({}, contract.problems(assert(devices.find(name))), name)
    end
  end)

  local cases = {
    { "step", 0, "intensity.step is 0: it must be over 0" }, { "step", -1, "intensity.step is -1" },
    { "step", 0 / 0, "intensity.step is" }, { "step", math.huge, "intensity.step is inf" },
    { "step", "1", "intensity.step is 1: it must be a number" }, { "step", nil, "intensity.step is nil" },
    { "min", -1, "intensity is from -1 to 100" }, { "min", 101, "intensity is from 101 to 100" },
    { "max", 0, "intensity is from 0 to 0" }, { "max", "100", "intensity.max is 100: it must be a number" },
    { "highest", "99", "intensity.highest is 99" },
  }
  for _, case in ipairs(cases) do
    it(("name intensity.%s = %s"):format(case[1], tostring(case[2])), function()
      local text = problems(function(limits)
        limits.intensity = { min = 0, max = 100, step = 1, [case[1]] = case[2] }
        if case[2] == nil then
          limits.intensity[case[1]] = nil
        end
      end)
      assert.is_truthy(text:find("limits(nil): " .. case[3], 1, true), text)
      assert.is_nil(text:find("; ", 1, true), text) -- one problem, said once
    end)
  end

  it("name what else cannot be", function()
    for _, each in ipairs {
      { "channels", 0, "channels is 0" }, { "channels", 1.5, "channels is 1.5" },
      { "longest_rest", 0, "longest_rest is 0" }, { "why", 3, "must return {" },
      { "shortest_interval", function() return "10" end, "shortest_interval returns 10" },
      { "shortest_interval", function() return -1 end, "shortest_interval returns -1" },
      { "shortest_interval", function() return 0 / 0 end, "shortest_interval returns" },
    } do
      local text = problems(function(limits) limits[each[1]] = each[2] end)
      assert.is_truthy(text:find("limits(nil): " .. each[3], 1, true), text)
    end
  end)

  it("have lists that lose nothing, as its commands have", function()
    for says, names in pairs { ["channel_names has an entry 0"] = { [0] = "0", "1" },
      ["channel_names must be a list of names"] = "1", ["channel_names has no entry 2, but 3"] =
        { "1", nil, "3" } } do
      local text = problems(function(limits) limits.channel_names = names end)
      assert.is_truthy(text:find("limits(nil): " .. says, 1, true), text)
    end
    local command = { args = { [0] = { "mso", "number" } }, encode = function() return "" end }
    local text = table.concat(contract.problems(setmetatable({ commands = { set = command } },
      { __index = sound })), "; ")
    assert.is_truthy(text:find("commands.set: args has an entry 0", 1, true), text)
  end)

  it("come with a simulator that is there", function()
    local folder = shell.folder()
    local path = folder .. "/mybox.lua"
    shell.write(path, [[
      local own = {}
      for key, value in pairs(require "moonpulse.devices.magstim200") do own[key] = value end
      own.simulator = "mybox_simulator.lua"
      return own]])
    shell.write(folder .. "/mybox_simulator.lua", "return require 'moonpulse.simulators.magstim200'")
    assert(devices.find(path))
    assert(os.remove(folder .. "/mybox_simulator.lua"))
    local driver, message = devices.find(path)
    assert.is_nil(driver)
    assert.is_truthy(message:find("simulator is \"mybox_simulator.lua\", and there is no file " .. folder
      .. "/mybox_simulator.lua: write it, or leave simulator out", 1, true), message)
    shell.remove(folder)
  end)
end)
