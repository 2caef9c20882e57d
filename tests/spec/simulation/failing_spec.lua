--- A simulator of the user's own that fails, or loops, in virtual time: the run ends by itself as if it were
--- unplugged, names the line, and never calls the device safe.
local fixture = require "job"
local shell = require "shell"

local simulator = [[
local base = require "moonpulse.simulators.magventure"
local own = {} for key, value in pairs(base) do own[key] = value end
local does = { fail = function() error("I broke") end, loop = function() while true do end end,
  catch = function() while true do pcall(function() while true do end end) end end }
function own.new(settings)
  local inner, count = base.new(settings), 0
  return setmetatable({ receive = function(_, bytes, now)
    local replies, log = inner:receive(bytes, now)
    for _, entry in ipairs(log or {}) do
      count = count + (entry.event == "pulse" and 1 or 0)
    end
    if count == %d then does.%s() end
    return replies, log
  end }, { __index = function(_, key)
    local value = inner[key]
    return type(value) == "function" and function(_, ...) return value(inner, ...) end or value
  end })
end
return own
]]

local plans = {
  protocol = [[local mp = require "moonpulse" return mp.protocol { name = "p", plan = function()
    return mp.train { pulses = 15, hz = 10, intensity = mp.mso(40) } end }]],
  experiment = [[local mp = require "moonpulse" return mp.experiment(function(run)
    local stim = run:device()
    stim:arm(mp.pulse(mp.mso(40)))
    pcall(function() for _ = 1, 9 do stim:fire(mp.pulse(mp.mso(40))) run:sleep(0.2) end end) end)]],
}

describe("a simulator's file in virtual time", function()
  for kind, plan in pairs(plans) do
    for does, words in pairs { fail = "I broke", loop = "the simulator computed for more than 2 s",
      catch = "the simulator computed for more than 2 s" } do
      for at, given in pairs { [0] = 0, [3] = 2 } do
        -- a loop takes its 2 s: some of them
        local some = does == "fail" or at > 0 and (does == "loop") == (kind == "protocol")
        local put = some and it or function() end
        put(("ends a run of %s by itself: %s, after %d pulses"):format(kind, does, given), function()
          local folder = shell.folder()
          finally(function() shell.remove(folder) end)
          shell.write(folder .. "/x.lua", plan)
          shell.write(folder .. "/sim.lua", simulator:format(at, does))
          shell.write(folder .. "/odd.lua", "local own = {} for key, value in "
            .. "pairs(require 'moonpulse.devices.magventure') do own[key] = value end "
            .. "own.simulator = 'sim.lua' return own")
          local status, _, err = shell.moonpulse(folder, ("run %s/x.lua --device sim:%s/odd.lua --seed 1 "
            .. "--timing host --speed max --out %s/runs"):format(folder, folder, folder))
          assert.are.equal(4, status, err)
          assert.matches("sim.lua:%d+: " .. words, err)
          local path = fixture.run_in(folder .. "/runs")
          local manifest = fixture.manifest(path)
          assert.matches(words, manifest.result.reason, 1, true)
          local pulses = 0
          for _, row in ipairs(shell.rows(path .. "/twin.tsv")) do
            pulses = pulses + (row.event == "pulse" and 1 or 0)
          end
          assert.are.equal(given, pulses)
          if at > 0 then
            assert.matches("NOT CONFIRMED SAFE", err, 1, true)
            assert.are.equal("gone", manifest.result.stop)
            assert.is_not_true(manifest.result.disarmed)
            assert.are.same({ given, given + 1 }, { manifest.result.pulses_confirmed,
              manifest.result.pulses_sent })
          end
        end)
      end
    end
  end
end)
