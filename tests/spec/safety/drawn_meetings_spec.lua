--- Where parts with drawn rests meet: the fractions of the ranges that the gate looks at, worked out by hand.
local meetings = require "moonpulse.safety.drawn_meetings"
local mp = require "moonpulse"

local pulse = mp.pulse(mp.mso(50))

--- Plans that run at once, each on a coil of its own.
local function beside(...)
  local plans = {}
  for i, plan in ipairs { ... } do
    plans["coil" .. i] = plan
  end
  return mp.together(plans)
end

--- The fractions, with five digits.
local function fractions(plan)
  local list, found = meetings.of(plan)
  local text = {}
  for i, fraction in ipairs(list) do
    text[i] = ("%.5f"):format(fraction)
  end
  return table.concat(text, " "), found
end

describe("parts that run at once", function()
  it("are looked at on both sides of where a pulse of one meets one of the other", function()
    -- the first comes after 0 to 2 s, the second after 0.5 s: they meet at a quarter, 0.1 ms is 0.00005
    local text, found = fractions(beside(mp.rest { min = 0, max = 2 } .. pulse,
      mp.rest(0.5) .. pulse))
    assert.are.equal("0.24995 0.25005", text)
    assert.is_true(found)
  end)

  it("meet with the first and with the last pulse of each", function()
    local pair = pulse .. mp.rest(1) .. pulse
    -- 0 to 10 s, and one later; at 4 s and 5 s: they meet where the first comes at 3, 4 and 5
    assert.are.equal("0.29999 0.30001 0.39999 0.40001 0.49999 0.50001", (fractions(beside(
      mp.rest { min = 0, max = 10 } .. pair, mp.rest(4) .. pair))))
  end)

  it("meet where both are drawn, by how much one gains on the other", function()
    -- 0 to 3 s against 1 to 2 s: 3 f = 1 + f
    assert.are.equal("0.49995 0.50005", (fractions(beside(mp.rest { min = 0, max = 3 } .. pulse,
      mp.rest { min = 1, max = 2 } .. pulse))))
    -- by as much: they never meet, or always
    assert.are.equal("", (fractions(beside(mp.rest { min = 0, max = 1 } .. pulse,
      mp.rest { min = 1, max = 2 } .. pulse))))
  end)

  it("are found in repetitions and behind other parts; three meet two by two", function()
    local both = beside(mp.rest { min = 0, max = 2 } .. pulse, mp.rest(0.5) .. pulse)
    assert.are.equal("0.24995 0.25005", (fractions(pulse .. mp.rest(9) .. both:times(3, { gap = 7 }))))
    assert.are.equal("0.24995 0.25005 0.49995 0.50005", (fractions(beside(
      mp.rest { min = 0, max = 2 } .. pulse, mp.rest(0.5) .. pulse, mp.rest(1) .. pulse))))
  end)

  it("are none where one has no pulse, or nothing is drawn, or none comes within the range", function()
    assert.are.same({ "", false }, { fractions(beside(mp.rest { min = 0, max = 2 } .. pulse,
      mp.rest(0.5))) })
    assert.are.same({ "", false }, { fractions(beside(mp.rest(1) .. pulse, mp.rest(0.5) .. pulse)) })
    assert.are.same({ "", true }, { fractions(beside(mp.rest { min = 0, max = 2 } .. pulse,
      mp.rest(3) .. pulse)) })
    assert.are.same({ "", false }, { fractions(mp.rest { min = 0, max = 2 } .. pulse) })
  end)
end)
