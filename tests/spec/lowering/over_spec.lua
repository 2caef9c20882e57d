-- When a plan is over, and when the device takes more: a plan of an experiment returns with its last pulse,
-- and the next one waits, also behind a train that a stop has cut.
local devices = require "moonpulse.driver.find"
local lower = require "moonpulse.lowering"
local mp = require "moonpulse"
local outputs = require "moonpulse.driver.outputs"
local shell = require "shell"

local S = 1000000000

--- The programs that a driver makes of plans.
local function programs(name, options, plan)
  local driver = devices.configure(assert(devices.find(name)), options)
  local ok, _, actions = pcall(lower.prepare, { plan = plan, seed = 1, driver = driver, thresholds = {},
    timing = "device" })
  return ok and actions or {}, driver.limits()
end

local plans = {
  train = mp.train { pulses = 20, hz = 10, intensity = mp.mso(40) },
  pair = mp.pair { isi = mp.ms(3), intensity = { mp.mso(35), mp.mso(55) } },
  burst = mp.burst { pulses = 3, hz = 50, intensity = mp.mso(40) },
}
local boxes = { pulsepal = { full_scale_volts = "10", fastest_hz = "1000" },
  stimjim = { full_scale_ua = "2000" } }

describe("a train that the device times", function()
  it("is over with its last pulse, before the device takes the next, on every device", function()
    local seen = {}
    for _, name in ipairs(devices.names) do
      for _, plan in pairs(plans) do
        for _, action in ipairs((programs(name, boxes[name] or {}, plan))) do
          if action.train then
            seen[name] = true
            local last = action.part.last
            assert.is_true(action.over >= last, name)
            assert.is_true(action.over <= last + 0.15, ("%s: %g s behind its last pulse"):format(name,
              action.over - last))
            assert.is_true(action.over <= action.busy, name)
            assert.is_true(action.locked >= last, name)
          end
        end
      end
    end
    for _, name in ipairs { "magventure", "bistim", "rapid", "pulsepal", "stimjim" } do
      assert.is_true(seen[name], name)
    end
  end)
end)

describe("what the device needs behind what it was given", function()
  local limits = { shortest_interval = function() return 4 end }
  local pair = { busy = 4, locked = 0.053, over = 0.053 }
  local long = { busy = 70, locked = 60.5, over = 60 }
  local margin = 10000000

  local function first(action) return { action = action, output = 0, onset_ns = 0 } end

  it("counts from its start, unless it was cut: then from its end", function()
    for _, each in ipairs {
      { pair, nil, 4, 0.053 }, { pair, 0.01, 4, 0.01 }, { pair, 30, 4, 0.053 },
      { long, nil, 70, 60.5 }, { long, 5, 15, 5.5 }, { long, 58, 68, 58.5 }, { long, 100, 70, 60.5 },
      { { over = nil }, 1, 4, 0 },
    } do
      local action, ended, next_s, set_s = table.unpack(each, 1, 4)
      local last = { [0] = { action = action, at_ns = S, fired_ns = S,
        ended_ns = ended and S + math.floor(ended * S) } }
      assert.near(next_s, (outputs.free_at(last, limits, first(action)) - margin) / S - 1, 1e-6)
      assert.near(math.max(0, set_s), math.max(0, outputs.settable_at(last) / S - 1), 1e-6)
    end
  end)

  it("is never less than the shortest interval behind the end", function()
    local last = { [0] = { action = { busy = 60, locked = 60, over = 60 }, at_ns = S, fired_ns = S,
      ended_ns = 3 * S } }
    assert.near(7, (outputs.free_at(last, limits, first(pair)) - margin) / S, 1e-6)
  end)

  it("is not waited for by who knows that nothing was given", function()
    assert.are.equal(0, outputs.recovered_at {})
    assert.are.equal(5 * S, outputs.recovered_at { [0] = { action = pair, at_ns = S, fired_ns = S } })
  end)
end)

describe("stim:fire of a pair on a BiStim", function()
  it("returns with the pulse; the next waits until the unit takes it, behind disarm and arm, too", function()
    local folder = shell.folder()
    shell.write(folder .. "/pair.lua", [[
local mp = require "moonpulse"
return mp.experiment { name = "pair", run = function(run)
  local stim = run:device()
  local pair = mp.pair { isi = mp.ms(3), intensity = { mp.mso(35), mp.mso(55) } }
  stim:arm(pair)
  local first = stim:fire(pair)
  run:note(("returned %.3f"):format(run:now() - first))
  stim:disarm()
  stim:arm(pair)
  run:note(("next %.3f"):format(stim:fire(pair) - first))
end }
]])
    local status, out, err = shell.moonpulse(folder, ("run %s/pair.lua --device sim:bistim "
      .. "--speed max --out %s/runs"):format(folder, folder))
    assert.are.equal(0, status, err)
    local returned, following = tonumber(out:match "returned ([%d.]+)"), tonumber(out:match "next ([%d.]+)")
    assert.is_true(returned < 3, "it waited for what the next one needs: " .. returned)
    assert.is_true(following >= 4, "the next came too soon: " .. following)
    shell.remove(folder)
  end)
end)
