--- A part of a script that disarms the stimulator while another part plays: what that cuts is no device
--- fault, on whichever device and at whichever instant, and the record says of each pulse what is known.
local fixture = require "job"
local judging = require "judging"
local shell = require "shell"

local rates = { magventure = { 5, 1 }, stimjim = { 20, 1 }, pulsepal = { 20, 1 }, rapid = { 1, 1 },
  magstim200 = { 1, 5 }, duomag = { 1, 1 } }

describe("a script's own disarm while it plays", function()
  local judge
  judging.once(function(made) judge = made end)

  --- The run, disarmed at_s after it began; nil: never.
  local function play(device, timing, at_s)
    local plan = { parts = { { kind = "train", pulses = 6, value = 40, ref = "MSO", hz = rates[device] } } }
    local script = { { { what = "arm", plan = plan }, { what = "play", plan = plan } } }
    script[2] = at_s and { { what = "sleep", s = at_s }, { what = "disarm" } }
    return judging.unbroken(judge, { seed = 9, kind = "experiment", device = device, timing = timing,
      late = "abort", tolerance_ms = 1, script = script, triggers = {}, catches = true, troubles = {} },
      device, { recover = true })
  end

  for device in pairs(rates) do
    it("is no fault of the device: " .. device, function()
      local cut = 0
      for _, timing in ipairs { "host", "device" } do
        local whole = play(device, timing)
        assert.is_true(whole.given[1] ~= nil or timing == "device", whole.message)
        for _, number in ipairs(whole.given[1] and { 1, 3, 5 } or {}) do
          for _, after_ms in ipairs { -3, -0.5, 0, 0.3, 0.9, 1.4, 2, 5, 15 } do
            local at_s = (whole.given[number].ns - whole.began_ns) / 1e9 + after_ms / 1e3
            local run = play(device, timing, at_s)
            assert.are.equal(0, run.status, ("%s, %s, %g ms after pulse %d: %s"):format(device, timing,
              after_ms, number, run.message))
            cut = cut + (#run.given < 6 and 1 or 0)
          end
        end
      end
      assert.is_true(cut > 0, "nothing was cut")
    end)
  end

  it("ends what the device was giving: what comes next does not wait for the rest of it", function()
    local folder = shell.folder()
    finally(function() shell.remove(folder) end)
    shell.write(folder .. "/made.lua", [[local mp = require "moonpulse"
      return mp.experiment(function(run)
        local stim, two = run:device(), mp.train { pulses = 2, hz = 10, intensity = mp.mso(30) }
        stim:arm()
        run:spawn(function() run:sleep(3) stim:disarm() end)
        pcall(function() stim:play(mp.train { pulses = 100, hz = 10, intensity = mp.mso(30) }) end)
        stim:arm(two)
        run:mark "armed again"
        stim:play(two)
      end)]])
    local status, _, err = shell.moonpulse(folder, ("run %s/made.lua --speed max --timing device --device "
      .. "sim:magventure --out %s/runs --beyond-guidelines test --approval none"):format(folder, folder))
    assert.are.equal(0, status, err)
    local armed, fired
    for _, row in ipairs((shell.rows(fixture.run_in(folder .. "/runs") .. "/events.tsv"))) do
      armed = row.event == "mark" and row.reply == "armed again" and tonumber(row.onset) or armed
      fired = row.event == "pulse" and row.status == "delivered" and tonumber(row.onset) or fired
    end
    assert.is_true(armed < 10 and fired > armed and fired - armed < 2, ("%g, %g"):format(armed, fired))
  end)
end)
