--- A run has one reason to end: its own words, its own remedy, its own status. What the device did not say
--- while something else held up the run is no fault of the device.
local core = require "moonpulse.core"
local judging = require "judging"

local function train(hz)
  return { kind = "train", pulses = 6, value = 40, ref = "MSO", hz = hz }
end

--- Runs in which a write is held up, for longer than a device that is asked twice a second may be silent.
local function scenario(device, hz, at_s, stall_ms, late)
  return { seed = 3, kind = "protocol", device = device, timing = "host", late = late, tolerance_ms = 1,
    flight = true, plan = { parts = { train(hz) } },
    troubles = { { what = "port", kind = "stalled", at_s = at_s, take = 3, stall_ms = stall_ms } } }
end

describe("a run whose write is held up", function()
  local judge
  judging.once(function(made) judge = made end)

  for _, case in ipairs { { "rapid", { 9, 10 } }, { "magstim200", { 2, 9 } }, { "bistim", { 2, 11 } },
    { "magventure", { 1, 1 } }, { "stimjim", { 1, 1 } } } do
    it("ends for one reason: " .. case[1], function()
      local late = 0
      local period = case[2][2] / case[2][1]
      for at = 1, 16 do
        for _, stall_ms in ipairs { 400, 700, 1100 } do
          local run = judging.unbroken(judge, scenario(case[1], case[2], 3 + at * 0.13 * period, stall_ms,
            at % 4 == 0 and "skip" or "abort"), case[1])
          local reason, message = run.result.stop, run.message or ""
          if run.status ~= 0 and reason then -- else it was not armed yet
            assert.are.equal(core.stops[reason].status, run.status, message)
            for name, other in pairs(core.stops) do
              assert.is_true(not other.remedy or other.remedy == core.stops[reason].remedy
                or not message:find(other.remedy, 1, true),
                ("%s, and the advice of %s: %s"):format(reason, name, message))
            end
            assert.is_true(core.stops[reason].status == 4 or not message:find("silent", 1, true), message)
          end
          late = late + (reason == "late" and 1 or 0)
        end
      end
      assert.is_true(late > 0, "no write was held up")
    end)
  end
end)
