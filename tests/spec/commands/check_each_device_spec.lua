-- moonpulse check --each-device: what it says of a device is what a run on that device's simulator does.
local cjson = require "cjson"
local shell = require "shell"

local names = { "magventure", "magstim200", "bistim", "rapid", "pulsepal", "stimjim", "duomag", "trigger" }

describe("check --each-device", function()
  local folder
  setup(function() folder = shell.folder() end)
  teardown(function() shell.remove(folder) end)

  local function each(words)
    local status, out, err = shell.moonpulse(folder, ("check %s --each-device --json"):format(words))
    assert.is_true(status == 0 or status == 3 or status == 6, err)
    return cjson.decode(out).devices, status
  end

  it("says of each device what a run there comes to", function()
    local counts = { within = 0, OVER = 0 }
    for _, words in ipairs { "itbs600 -p trains=1 --amt 40",
      "paired_pulse_block -p alone=2 -p sici=2 -p icf=2 --rmt 48",
      "single -p every=1.5", "single -p every=4", "sici --rmt 50 -p singles=0",
        "ccpas -p first=50%MSO -p second=50%MSO",
      "hf10_neurostar --rmt 50 -p trains=2", "hf10_neurostar -p trains=2" } do
      if words:find "^single" then
        shell.write(folder .. "/single.lua", [[local mp = require "moonpulse"
          return mp.protocol { name = "single", params = { every = { default = 2.0 } }, plan = function(p)
            return mp.pulse(mp.mso(45)):times(4, { every = p.every })
          end }]])
        words = words:gsub("^single", folder .. "/single.lua")
      end
      local list, status = each(words)
      assert.are.equal(#names, #list)
      local has = {}
      for i, device in ipairs(list) do
        assert.are.equal(names[i], device.name)
        local ran, _, err = shell.moonpulse(folder,
          ("run %s --device sim:%s --seed 1 --speed max --unconfirmed "
          .. "--out %s/runs"):format(words, device.name, folder))
        if device.verdict == "within" then
          assert.are.equal(0, ran, device.name .. ": " .. words .. "\n" .. err)
        elseif device.verdict == "OVER" then
          assert.are.equal(3, ran, device.name .. ": " .. words .. "\n" .. err)
        else
          assert.are_not.equal(0, ran, device.name .. ": " .. words)
        end
        has[device.verdict] = true
        counts[device.verdict] = (counts[device.verdict] or 0) + 1
      end
      assert.are.equal(has.within and 0 or has["not checked"] and 6 or 3, status)
    end
    assert.is_true(counts.within >= 15 and counts.OVER >= 15, ("%d within, %d OVER"):format(counts.within,
      counts.OVER))
  end)

  it("says the shortest interval of trials that each can give: a millisecond less is refused", function()
    shell.write(folder .. "/block.lua", [[local mp = require "moonpulse"
      return mp.protocol { name = "block", params = { iti = { default = 9.0 } }, plan = function(p)
        local list = {}
        for _, level in ipairs { 0, 70, 110, 0, 110, 70, 0 } do
          local test = mp.pulse(mp.mso(66))
          list[#list + 1] = level == 0 and test
            or mp.pair { isi = mp.ms(2), intensity = { mp.rmt(level), mp.mso(66) } }
        end
        return mp.trials { of = list, shortest = p.iti, longest = p.iti }
      end }]])
    shell.write(folder .. "/trains.lua", [[local mp = require "moonpulse"
      return mp.protocol { name = "trains", params = { iti = { default = 40.0 } }, plan = function(p)
        return mp.train { pulses = 20, hz = 10, intensity = mp.mso(70) }:times(2, { every = p.iti })
      end }]])
    -- a BiStim: A falls from 55 to 0 % by 0.1 s a percent; a Rapid²: 20 pulses at 10 Hz, 123.5 J each at 70 %
    local known = { block = { bistim = { 5.6, 5.9 } }, trains = { rapid = { 2.4, 3 } } }
    for name, expected in pairs(known) do
      for _, device in ipairs((each(("%s/%s.lua --rmt 50"):format(folder, name)))) do
        local range, iti = expected[device.name], device.shortest_iti_s
        if range then
          assert.is_true(iti >= range[1] and iti <= range[2], name .. " " .. device.name .. ": " .. iti)
          for less, wanted in pairs { [0] = 0, [0.001] = 3 } do
            local ran, _, err = shell.moonpulse(folder, ("run %s/%s.lua --rmt 50 -p iti=%.3f --seed 1 "
              .. "--device sim:%s --speed max --unconfirmed --out %s/runs"):format(folder, name, iti - less,
              device.name, folder))
            assert.are.equal(wanted, ran, ("%s at %.3f s: %s"):format(device.name, iti - less, err))
          end
        end
      end
    end
  end)

  it("lists first who can, and says who cannot and why", function()
    local status, out = shell.moonpulse(folder, "check paired_pulse_block --rmt 48 --each-device")
    assert.are.equal(0, status)
    assert.matches("^bistim +within", out)
    assert.matches("\nmagventure +OVER +pulses %d+ and %d+ [^\n]+model=X100%+Option", out)
    assert.matches("\ncan give it  bistim,", out)
    status, out = shell.moonpulse(folder, "check ccpas --each-device -p first=50%MSO -p second=60%MSO")
    assert.are.equal(6, status)
    assert.matches("\nperhaps      pulsepal, stimjim", out, 1, true)
    local _, _, err = shell.moonpulse(folder, "check sici_icf --rmt 50 --each-device")
    assert.matches("--each-device is for protocols", err, 1, true)
    for _, words in ipairs { "--device rapid", "--device-option model=R30" } do
      status, _, err = shell.moonpulse(folder, "check itbs600 --amt 40 --each-device " .. words)
      assert.are.equal(2, status)
      assert.matches("leave out " .. words:match "%S+", err, 1, true)
    end
  end)
end)
