-- Which runs are one session: those that go on with one that broke off, on the same day.
local same_session = require "moonpulse.safety.same_session"

local noon = os.time { year = 2026, month = 11, day = 28, hour = 12 }

local function run(name, fields)
  local made = { path = "/runs/" .. name, protocol = "own", at = noon, ended = noon + 60, pulses = 3,
    nerve_pulses = 0 }
  for key, value in pairs(fields) do
    made[key] = value
  end
  return made
end

--- Pulses of each session, and of how many where it was not given to its end.
local function sessions(...)
  local list = {}
  for i, session in ipairs((same_session.of { ... })) do
    list[i] = ("%d of %s"):format(session.pulses, session.cut_of or "all")
  end
  return table.concat(list, ", ")
end

describe("runs are one session", function()
  local broken = run("a", { cut_of = 8, broke_off = true })

  it("where one goes on with another that broke off, and with that one again", function()
    assert.are.equal("8 of all", sessions(broken, run("b", { continues = "a", pulses = 5 })))
    local second = run("b", { continues = "a", pulses = 2, cut_of = 8, broke_off = true })
    assert.are.equal("7 of 8", sessions(broken, second,
      run("c", { continues = "b", pulses = 2 })))
    assert.are.equal(3, broken.pulses) -- what was handed in stays as it is
  end)

  it("not with one that was given whole, on another day, of an edited record, or that is not there",
    function()
    assert.are.equal("3 of all, 5 of all", sessions(run("a", {}), run("b", { continues = "a", pulses = 5 })))
    assert.are.equal("3 of 8, 5 of all", sessions(broken, run("b", { continues = "a", pulses = 5,
      at = noon + 86400 })))
    assert.are.equal("3 of 8, 5 of all", sessions(broken, run("b", { continues = "a", pulses = 5,
      edited = "x" })))
    assert.are.equal("3 of 8, 5 of all", sessions(broken, run("b", { continues = "z", pulses = 5 })))
  end)
end)
