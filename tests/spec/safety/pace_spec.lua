--- A plan is judged in pieces, between which a stop is heard: on a computer that is slow or busy (or under a
--- checker that makes it so) they are small. The clock is the spec's own: it passes each time somebody looks.
local core = require "moonpulse.core"
local devices = require "moonpulse.driver.find"
local kits = require "moonpulse.conformance.kit"
local lower = require "moonpulse.lowering"
local mp = require "moonpulse"
local walk = require "moonpulse.safety.walk"

describe("while a plan is judged on a slow computer", function()
  local real_ns = core.real_ns
  after_each(function() core.real_ns = real_ns end)

  local function slow(ns)
    local now_ns = 0
    core.real_ns = function()
      now_ns = now_ns + ns
      return now_ns
    end
  end

  --- How often progress was called while judge(progress) went on.
  local function pieces(judge)
    local count = 0
    judge(function() count = count + 1 end)
    return count
  end

  local drawn = (mp.pulse(mp.mso(40)) .. mp.rest { min = 1, max = 2 }):times(30000, { gap = 1 })

  it("a stop is heard between the steps of a walk", function()
    local function judge(progress)
      walk.trains(drawn, 1, function() end, progress)
    end
    slow(0)
    assert.are.equal(3, pieces(judge)) -- of 10,000
    slow(50000000) -- 500 steps take 0.05 s
    local count = pieces(judge)
    assert.is_true(count >= 20 and count <= 60, count)
  end)

  it("a stop is heard while several channels are judged together", function()
    local several = mp.together { left = drawn,
      right = (mp.pulse(mp.mso(40)) .. mp.rest(2)):times(30000, { gap = 1 }) }
    slow(50000000)
    local alone = pieces(function(progress) walk.trains(several, 1, function() end, progress) end)
    local pooled = pieces(function(progress)
      walk.trains(several, 1, function() end, progress, nil, { given = require "moonpulse.safety.given".new(),
        at_s = 0, pool = true })
    end)
    assert.is_true(pooled >= 2 * alone - 2, pooled .. " and " .. alone)
  end)

  it("a stop is heard while its frames are checked for a device", function()
    local plan = mp.train { pulses = 100, hz = 5, intensity = mp.mso(40) }:times(2000, { gap = 1 })
    local driver = kits.new(assert(devices.find "magventure")).driver
    local function judge(progress)
      lower.prepare { plan = plan, seed = 1, driver = driver, thresholds = {},
        timing = "host", progress = progress }
    end
    slow(0)
    local fast = pieces(judge)
    slow(200000000)
    local count = pieces(judge)
    assert.is_true(fast <= 5, fast)
    assert.is_true(count >= 15 and count <= 25, count) -- of 200,000 frames
  end)
end)
