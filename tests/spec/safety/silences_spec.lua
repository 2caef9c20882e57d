--- The shortest silences that drawn rests can make: of each of these plans known to the microsecond, and
--- shorter than any that chance draws. What decides is just before or behind an edge, in the first rests a
--- length that matters only at the last.
local mp = require "moonpulse"
local redraw = require "moonpulse.compose.redraw"
local rules = require "moonpulse.safety.rules"
local silences = require "moonpulse.safety.drawn_silences"
local walk = require "moonpulse.safety.walk"

local function P()
  return mp.pulse(mp.rmt(100))
end

local function T(pulses, hz)
  return mp.train { pulses = pulses, hz = hz, intensity = mp.rmt(100) }
end

local function D(least, most)
  return mp.rest { min = least, max = most or least }
end

--- The shortest silences of a schedule, by rule, added to those that are known.
local function shortest_of(plan, seed, least)
  walk.trains(plan, seed, function(train)
    for _, silence in ipairs(rules.silences(train)) do
      least[silence.rule] = math.min(least[silence.rule] or math.huge, silence.seconds)
    end
  end)
  return least
end

local gap, groups, burst = "gap between trains", "time between groups", "gap before theta burst"

local plans = {
  -- just below an edge
  { T(5, 1.5) .. D(0.9) .. P() .. D(0.1, 5.1) .. T(5, 1.5) .. D(0.5, 1.3) .. P(), gap, 0.222222667 },
  { P() .. D(0.1, 2.1) .. T(3, 100) .. D(1, 1.02) .. P() .. D(0.1, 2.1) .. P() .. D(0.2, 5.2) .. P(), gap,
    0.066667 },
  { P() .. D(0.1, 2.1) .. T(5, 2), gap, 0.166667 },
  { P() .. D(0.02, 0.82) .. T(4, 50) .. D(4, 4.3) .. T(3, 100) .. D(0.1, 0.11) .. P() .. D(0.02) .. P(),
    burst, 3.9975 },
  -- a chain that has gone on for longer, or for less
  { T(5, 1.5) .. D(0.02, 0.03) .. T(3, 30) .. D(0.9, 5.9) .. T(2, 50) .. D(0.3, 1.3) .. P() .. D(0.5, 0.6)
    .. P(), groups, 0.966667 },
  { T(2, 50) .. D(0.02, 0.12) .. P() .. D(0.033, 0.133) .. T(3, 100) .. D(0.2, 5.2) .. T(4, 100) .. D(2, 2.1)
    .. P(), groups, 0.99 },
  { P() .. D(4) .. P() .. D(4, 4.01) .. T(3, 100) .. D(0.5, 2.5) .. P() .. D(0.2, 0.3) .. T(3, 50), groups,
    1.02 },
  -- the furthest of many that are alike
  { T(4, 50) .. D(0.05, 0.85) .. P() .. D(0.3, 2.3) .. T(3, 50), groups, 1 },
  { T(2, 50) .. D(0.2, 1) .. P() .. D(0.2, 0.21) .. T(2, 50), gap, 0.2 },
  { T(2, 20) .. D(4) .. T(2, 5) .. D(0.1, 0.9) .. P() .. D(0.05, 1.05) .. P(), gap, 0.1 },
}

describe("the shortest silences of drawn rests", function()
  it("are found to the microsecond, and no draw has shorter ones", function()
    for i, case in ipairs(plans) do
      local plan, rule, seconds = table.unpack(case)
      local made, sought = silences.of(plan, redraw.with_rests(plan, 0), redraw.with_rests(plan, 1), 60000)
      local found, drawn = {}, {}
      for _, each in ipairs(made) do
        shortest_of(each, 1, found)
      end
      assert.is_true(sought)
      assert.near(seconds, found[rule] or math.huge, 1e-6 / 2, ("plan %d"):format(i))
      for seed = 1, 100 do
        shortest_of(plan, seed, drawn)
      end
      for each, least in pairs(drawn) do
        assert.is_true(least > (found[each] or math.huge) - 2e-6, ("plan %d: %s"):format(i, each))
      end
    end
  end)
end)
