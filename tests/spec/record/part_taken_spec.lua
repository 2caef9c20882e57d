--- A command of which the port takes a part: the safe frame that comes next may complete it (a Pulse Pal's
--- third byte, a StimJim's line end), so nobody knows whether it fired. On each device, wherever it is cut.
local judges = require "moonpulse.explore.judge"
local judging = require "judging"

local rates = { magventure = { 2, 1 }, stimjim = { 2, 1 }, pulsepal = { 2, 1 }, rapid = { 2, 3 },
  magstim200 = { 1, 5 }, duomag = { 1, 1 } }
local fires_early = { pulsepal = true, stimjim = true } -- by what their documentation says of their commands
--- What a completed command fires is not what was written: the byte that completes it names the outputs.
local of_another_output = { ["none-twice"] = true, ["none-more-than-written"] = true,
  ["strength-as-written"] = true, ["none-closer-than-device"] = true, ["output-as-written"] = true,
  ["given-as-written"] = true, -- and it comes at the box's next cycle, with the first byte of the safe frame
  ["safe-at-the-end"] = true, ["armed-before-pulse"] = true }

describe("a command that the port takes in part", function()
  local judge
  judging.once(function(made) judge = made end)

  --- The run with this trouble.
  local function play(device, trouble)
    local broken, run = judges.judge(judge, { seed = 11, kind = "protocol", device = device, timing = "host",
      late = "abort", tolerance_ms = 1, flight = true, troubles = { trouble },
      plan = { parts = { { kind = "train", pulses = 4, value = 40, ref = "MSO", hz = rates[device] } } } },
      { recover = true })
    for _, each in ipairs(broken) do
      assert.is_true(fires_early[device] and of_another_output[each.name], ("%s, %s: %s"):format(device,
        each.name, each.why))
    end
    assert.is_not_nil(run.recovered, run.message)
    return run
  end

  for device in pairs(rates) do
    it("is perhaps given, in the run and in what recover makes of it: " .. device, function()
      local whole, met, fired = play(device), 0, 0
      for _, number in ipairs { 1, 3 } do
        for take = 0, 5 do
          local run = play(device, { what = "port", kind = "short", take = take,
            at_s = (whole.given[number].ns - whole.began_ns) / 1e9 - 0.02 })
          local row = run.pulses[number]
          if row and run.result.stop == "blocked" then -- else it was another frame
            met = met + 1
            assert.are.equal(take == 0 and "not_taken" or "perhaps_sent", row.status, device .. take)
            assert.are.equal(take == 0 and number - 1 or number, run.result.pulses_sent)
            fired = fired + (#run.given >= number and 1 or 0)
          end
        end
      end
      assert.is_true(met >= 4, met)
      assert.is_true(not fires_early[device] or fired > 0, "nothing was completed")
    end)
  end
end)
