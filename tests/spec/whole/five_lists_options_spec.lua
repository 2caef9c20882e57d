--- The five lists are the same whatever the device's options are, up to its highest power: random plans,
--- each on a device with options of its own. MP_PLANS and MP_FIRST as in five_lists_spec.lua.
local options = require "five_lists.options"
local paces = require "five_lists.paces"
local plants = require "five_lists.plant"
local shell = require "shell"
local trials = require "five_lists.trial"

local first = math.tointeger(tonumber(os.getenv("MP_FIRST"))) or 1
local count = math.tointeger(tonumber(os.getenv("MP_PLANS"))) or os.getenv("MP_QUICK") and 10 or 100
local shown = 3

describe("the five lists with drawn options", function()
  local folder
  setup(function() folder = shell.memory_folder() end)
  teardown(function() shell.remove(folder) end)

  --- The plan of one seed, with one of the timings.
  local function run(name, seed)
    local device = options.device(name, seed)
    local timings = device.trigger and paces.timings or { "host", "device", "auto" }
    local timing = timings[seed % #timings + 1]
    local status, why = trials.run(folder, { seed = seed, device = device, timing = timing })
    return status, options.text(device) .. ": " .. why
  end

  for _, each in ipairs(paces.devices) do
    it("are the same on " .. each.name, function()
      local played, wrong, problems = 0, 0, {}
      for seed = first, first + count - 1 do
        local status, why = run(each.name, seed)
        played = played + (status == "played" and 1 or 0)
        if status == "wrong" then
          wrong = wrong + 1
          problems[#problems + 1] = wrong <= shown and why or nil
        end
      end
      assert(wrong == 0, ("%d of %d plans differ:\n%s"):format(wrong, count, table.concat(problems, "\n")))
      assert.is_true(count < 10 or 4 * played >= count,
        ("only %d of %d plans were played"):format(played, count))
    end)
  end

  --- An option as if nobody had given it.
  local function without(name, module, keys)
    return function(swap)
      for _, key in ipairs(keys) do
        local takes = module[key]
        swap(module, key, function(given, ...)
          return takes(setmetatable({ [name[1]] = name[2] }, { __index = given }), ...)
        end)
      end
    end
  end

  local program = require "moonpulse.devices.pulsepal.trains"
  local intensities = require "moonpulse.compose.intensity"
  local faults = {
    { "the names of outputs are forgotten", "pulsepal", without({ "channels", "" }, program, { "channel" }) },
    { "the second phase is forgotten", "pulsepal",
      without({ "biphasic", 0 }, program, { "program", "shape" }) },
    { "the full scale is taken for another", "stimjim",
      without({ "full_scale_mv", 5000 }, require "moonpulse.devices.stimjim", { "encode" }) },
    { "powers over 90 % are told as 90 %", "magstim200", function(swap)
      local resolve = intensities.resolve
      swap(intensities, "resolve", function(...)
        local mso, message, code = resolve(...)
        return mso and math.min(mso, 90), message, code
      end)
    end },
  }
  for _, fault in ipairs(faults) do
    it("find that " .. fault[1], function()
      local found = plants.during(fault[3], function()
        for seed = 1, 40 do
          if run(fault[2], seed) == "wrong" then
            return seed
          end
        end
      end)
      assert.is_truthy(found)
    end)
  end
end)
