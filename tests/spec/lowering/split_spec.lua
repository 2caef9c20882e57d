-- A plan split between us and the device is the plan as written: the same onsets, drawn rests too.
local core = require "moonpulse.core"
local devices = require "moonpulse.driver.find"
local mp = require "moonpulse"
local timing = require "moonpulse.lowering.device_trains"

local function onsets_of(plan, seed, programs)
  local schedule, list = core.schedule(plan, seed), {}
  local actions = schedule:actions()
  for kind, _, _, action, onset_ns in schedule.next, schedule do
    local known = kind == "pulse" and programs[actions[action].program]
    for _, each in ipairs(known and timing.onsets(known.part) or { { offset = 0 } }) do
      list[#list + 1] = onset_ns + math.floor(each.offset * 1e9 + 0.5)
    end
  end
  return list
end

describe("a split plan", function()
  for _, name in ipairs { "magventure", "bistim", "rapid", "stimjim", "pulsepal" } do
    it("draws the rests of the plan as written, on " .. name, function()
      local driver, random = devices.configure(assert(devices.find(name))), math.random
      math.randomseed(7)
      local function plan(depth)
        local kind = random(depth > 0 and 6 or 4)
        if kind == 1 then
          return mp.train { pulses = random(2, 4), hz = 20, intensity = mp.mso(40) }
        elseif kind == 2 then
          return mp.pulse(mp.mso(40)) .. mp.rest(mp.ms(random(2, 50))) .. mp.pulse(mp.mso(40))
        elseif kind == 3 then
          return mp.rest { min = 0.3, max = 12 }
        elseif kind == 4 then
          return mp.pulse(mp.mso(50))
        elseif kind == 5 then
          return plan(depth - 1):times(random(3))
        end
        return plan(depth - 1) .. plan(depth - 1) .. plan(depth - 1)
      end
      for seed = 1, 300 do
        local made = plan(4)
        local split, programs = timing.split(made, seed % 2 == 0 and "device" or "least", driver, {
          resolve = function(action) action.mso = action.intensity end,
          host_can = function() return seed % 3 == 0 end,
        })
        local wanted, got = onsets_of(made, seed, {}), onsets_of(split, seed, programs)
        assert.are.equal(#wanted, #got)
        for i, onset in ipairs(wanted) do
          assert.is_true(math.abs(onset - got[i]) <= 1, ("seed %d, pulse %d"):format(seed, i))
        end
      end
    end)
  end
end)
