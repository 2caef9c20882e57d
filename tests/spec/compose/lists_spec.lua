-- Every list that the library takes has the entries 1 to n and no other: what lies beside them is refused,
-- with the entry. An option table that says nothing is refused as well.
local building = require "moonpulse.compose.context"
local labs = require "moonpulse.safety.lab"
local mp = require "moonpulse"

local a, b = mp.pulse(mp.rmt(100)), mp.pulse(mp.rmt(90))

--- What each function that takes a list of such values does with it.
local takers = {
  trials = function(list) mp.trials { of = list, every = 5 } end,
  shuffle = function(list)
    local ok, problem = building.with({ seed = 1 }, pcall, mp.shuffle, list)
    return ok or error(problem, 0)
  end,
  together = mp.together,
  variants = function(list) mp.protocol { name = "x", plan = function() return a end, variants = list } end,
  nerve = function(list)
    mp.protocol { name = "x", plan = function() return a end, nerve = list }
  end,
  ["run:shuffle"] = function(list) require("moonpulse.experiment.draws").new(1):shuffle(list) end,
}

local values = { variants = { id = "v", name = "V" }, nerve = "nerve" }

describe("a list", function()
  it("that begins at 0, has a hole or a name is refused, whoever takes it", function()
    for who, take in pairs(takers) do
      local one = values[who] or a:at "1"
      local two = values[who] or b:at "2"
      for says, list in pairs { ["has an entry 0"] = { [0] = one, two },
        ["has an entry -1"] = { [-1] = one, two },
        ["has no entry 2, but 3"] = { one, nil, two }, ["has no entry 1, but 2"] = { nil, two },
        ["has an entry named \"catch\""] = who ~= "together" and { one, two, catch = two } or nil } do
        local ok, problem = pcall(take, list)
        assert.is_false(ok, ("%s takes a list that %s"):format(who, says))
        assert.matches(says, problem, 1, true)
        assert.matches("lists_spec.lua:%d+: ", problem)
      end
      local ok, problem = pcall(take, { one, two })
      assert.is_true(ok, problem)
    end
  end)

  it("of intensities, of a range of sessions and of a lab's rows as well", function()
    local ok, problem = pcall(mp.pair, { isi = 0.003, intensity = { mp.rmt(80), mp.rmt(120), x = 1 } })
    assert.is_false(ok)
    assert.matches('pair: intensity has an entry named "x"', problem, 1, true)
    ok, problem = pcall(mp.protocol, { name = "x", plan = function() return a end,
      sessions = { days = { 1, 2, [0] = 5 } } })
    assert.is_false(ok)
    assert.matches("sessions.days must be a whole number from 1, or two", problem, 1, true)
    local lab, message = labs.new({ train_duration = { [0] = { hz = 1, percent = 100, s = 1 } } }, "lab.lua")
    assert.is_nil(lab)
    assert.matches("train_duration has an entry 0", message, 1, true)
  end)

  it("made by table.pack is one, and its n tells of a hole at its end", function()
    local lists = require "moonpulse.text.lists"
    assert.is_nil(lists.problem(table.pack(a, b)))
    assert.matches("has no entry 2, but 2", lists.problem(table.pack(a, nil)), 1, true)
  end)
end)

describe("an option table that says nothing", function()
  it("is refused by times, whose value was nil", function()
    local t = {}
    for _, options in ipairs { {}, { every = t.period } } do
      local ok, problem = pcall(a.times, a, 3, options)
      assert.is_false(ok)
      assert.matches("times: :times(3, {}) says no time (is its value nil?)", problem, 1, true)
    end
    assert.is_truthy(a:times(3))
  end)
end)
