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

  it("and have its number, whatever was given between; what was edited has none", function()
    local list = { run("x", { edited = "x" }), broken, run("b", {}), run("c", { continues = "a" }) }
    local all, _, by_run = same_session.of(list)
    local numbers = {}
    for i, each in ipairs(list) do
      numbers[i] = same_session.number(all, by_run[each])
    end
    assert.are.same({ 1, 2, 1 }, { numbers[2], numbers[3], numbers[4] })
    assert.is_nil(same_session.number(all, nil))
    assert.are.same({ 2, 1 }, { same_session.count(list) })
  end)

  it("not given whole where a run broke off, or began amid its plan", function()
    local amid = { pulses_before = 30, pulses_planned = 600 }
    assert.are.same({ 600, true }, { same_session.cut(30, 600, false) })
    assert.are.same({}, { same_session.cut(600, 600, true) })
    assert.are.same({}, { same_session.cut(600, 600, false) }) -- it ended behind its last pulse
    assert.are.same({ 600 }, { same_session.cut(570, 570, true, amid) })
    assert.are.same({ 600, true }, { same_session.cut(500, 570, false, amid) })
    assert.are.same({}, { same_session.cut(600, 600, true, { pulses_before = 0, pulses_planned = 600 }) })
    assert.are.same({}, { same_session.cut(3, "many", false) })
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
