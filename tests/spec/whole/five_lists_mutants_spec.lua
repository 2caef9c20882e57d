--- The property test of five_lists_spec.lua finds each planted fault, within so many plans.
local mutants = require "five_lists.mutants"
local paces = require "five_lists.paces"
local plants = require "five_lists.plant"
local shell = require "shell"
local trials = require "five_lists.trial"

local most = 40 -- plans

describe("the property test of the five lists", function()
  local folder
  local sound = {} -- by device and timing: is every one of these plans right without a fault planted?

  setup(function() folder = shell.memory_folder() end)
  teardown(function() shell.remove(folder) end)

  local function device_of(name)
    for _, device in ipairs(paces.devices) do
      if device.name == name then
        return device
      end
    end
  end

  --- The first seed whose plan is wrong, and why.
  local function first_wrong(device, timing)
    for seed = 1, most do
      local status, why = trials.run(folder, { seed = seed, device = device, timing = timing })
      if status == "wrong" then
        return seed, why
      end
    end
  end

  for _, mutant in ipairs(mutants) do
    it("finds that " .. mutant.name, function()
      local device, key = device_of(mutant.device), mutant.device .. mutant.timing
      if sound[key] == nil then
        local _, why = first_wrong(device, mutant.timing)
        sound[key] = why or true
      end
      assert.is_true(sound[key])
      local seed, why = plants.during(mutant.plant, function() return first_wrong(device, mutant.timing) end)
      assert.is_truthy(seed, ("not found in %d plans on %s, timing %s"):format(most, mutant.device,
        mutant.timing))
      if os.getenv("MP_SHOW") then
        io.stderr:write(("%s: %s\n"):format(mutant.name, why:match("^[^\n]*")))
      end
    end)
  end
end)
