--- What is written is what is listed, judged, lowered to frames, given by the device and recorded:
--- pulse by pulse, for random plans, on every simulator, in every timing.
--
--   500 plans, each on all eight simulators: timed by the device, and by turns by the host, auto, and by the
--   host over a trigger input. Long run:
--   MP_PLANS=20000 build/moonpulse lua tests/specs.lua tests/spec/whole/five_lists_spec.lua  (half an hour)
--   MP_FIRST=812 MP_PLANS=1 ... plays the plan of one seed again, every way.
--
-- A plan may be refused with a reason; enough must be played that the test does not pass by refusals.
local paces = require "five_lists.paces"
local shell = require "shell"
local trials = require "five_lists.trial"

local first = math.tointeger(tonumber(os.getenv("MP_FIRST"))) or 1
local count = math.tointeger(tonumber(os.getenv("MP_PLANS"))) or os.getenv("MP_QUICK") and 10 or 500
local shown = 5 -- of the plans that fail on a device

-- Of 100 plans, so many must be played at least; 0: the device times nothing by itself.
local least = {
  magventure = { host = 80, auto = 80, device = 60, trigger = 65 },
  magstim200 = { host = 90, auto = 90, device = 0, trigger = 90 },
  bistim = { host = 40, auto = 60, device = 35, trigger = 40 },
  rapid = { host = 20, auto = 30, device = 30, trigger = 65 },
  duomag = { host = 90, auto = 90, device = 0 },
  pulsepal = { host = 70, auto = 70, device = 70 },
  stimjim = { host = 70, auto = 70, device = 50 },
  trigger = { host = 50, auto = 50, device = 0 },
}

--- Which plans are played with a timing: every one with the device's own, each third with the others.
local steps = { device = { offset = 0, by = 1 }, host = { offset = 0, by = 3 }, auto = { offset = 1, by = 3 },
  trigger = { offset = 2, by = 3 } }

describe("the five lists of a plan", function()
  local folder
  setup(function() folder = shell.memory_folder() end)
  teardown(function() shell.remove(folder) end)

  --- Play the plans on device with one timing.
  local function play(device, timing)
    local step = count < 10 and steps.device or steps[timing]
    local tally, problems = { played = 0, refused = 0, wrong = 0 }, {}
    for seed = first + step.offset, first + count - 1, step.by do
      local status, why = trials.run(folder, { seed = seed, device = device, timing = timing })
      tally[status] = tally[status] + 1
      if status == "wrong" and #problems < shown then
        problems[#problems + 1] = why
      elseif status == "refused" and #why < 20 then
        problems[#problems + 1] = "refused without a reason: " .. why
      end
    end
    return tally, problems
  end

  for _, device in ipairs(paces.devices) do
    for _, timing in ipairs(paces.timings) do
      local may = timing ~= "trigger" or device.trigger
      local test = may and it or function() end
      test(("are the same on %s, timing %s"):format(device.name, timing), function()
        local tally, problems = play(device, timing)
        assert(#problems == 0, ("%d of %d plans differ:\n%s"):format(tally.wrong,
          tally.wrong + tally.played + tally.refused, table.concat(problems, "\n")))
        local wanted, tried = least[device.name][timing], tally.played + tally.refused
        if tried >= 100 then -- of fewer, what they draw decides
          assert.is_true(100 * tally.played >= wanted * tried, ("only %d of %d plans were played"):format(
            tally.played, tried))
        end
      end)
    end
  end

  for _, device in ipairs(paces.devices) do
    it(("are refused on %s where two coils are asked that it does not have"):format(device.name), function()
      local refused = 0
      for seed = 1, 60 do
        local timing = paces.timings[seed % 3 + 1]
        local trial = { seed = seed, device = device, timing = timing, pace = paces.coils }
        local status, text = trials.run(folder, trial)
        refused = refused + (status == "refused" and 1 or 0)
        assert(status == "refused" or status == "played" and not text:find(":at ", 1, true), text)
      end
      assert.is_true(refused > 50, refused)
    end)
  end
end)
