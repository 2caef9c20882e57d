-- A decimal comma, an argument too many, a channel: nothing is dropped in silence. Not by mp, a plan, nor by
-- what an experiment holds. Walks over all that authors call.
local handles = require "moonpulse.experiment.handle"
local mp = require "moonpulse"
local objects = require "moonpulse.experiment.run_verbs"
local devices = require "moonpulse.experiment.stim_verbs"
local staircases = require "moonpulse.experiment.staircase"

local here = "dropped_spec.lua:%d+: "

local function pulse()
  return mp.pulse(mp.mso(50))
end

--- Everything that a script may call by name: { called = function(...) }.
local function public()
  local calls = {}
  for name, value in pairs(mp) do
    if type(value) == "function" then
      calls["mp." .. name] = value
    end
  end
  for _, name in ipairs { "times", "at" } do
    local plan = pulse()
    calls["plan:" .. name] = function(...) return plan[name](plan, ...) end
  end
  local stage = { device = devices.new({ record = { start_ns = 0 }, job = {} }, {}, {}, {}, 0),
    mark = function() end }
  local run = objects.new(stage, { params = {}, seed = 1, name = "x" })
  local stairs = run:staircase { start = 50, step = 2 }
  local held = { run = run, stim = run:device(), staircase = stairs, trial = (stairs()) }
  for who, handle in pairs(held) do
    for _, name in ipairs(handles.methods(handle)) do
      calls[who .. ":" .. name] = function(...) return handle[name](handle, ...) end
    end
  end
  return calls
end

describe("an argument too many", function()
  local calls = public()

  it("is refused by everything that authors call, with their line", function()
    local count = 0
    for name, call in pairs(calls) do
      count = count + 1
      local ok, problem = pcall(call, 1, 2, 3, 4, "x")
      assert.is_false(ok, name)
      assert.matches("^[^\n]*" .. here .. name:gsub("%p", "%%%0") .. "%(1, 2, 3, 4, \"x\"%): it takes ",
        tostring(problem))
      assert.matches("would be dropped: ", problem, 1, true)
      assert.matches("like 1.2", problem, 1, true)
      ok, problem = pcall(call, nil, nil, nil, nil, "x")
      assert.is_false(ok)
      assert.matches("would be dropped: ", problem, 1, true)
    end
    assert.is_true(count > 38, count)
  end)

  local commas = {
    ["mp.ms(2, 5): it takes 1 argument, and 5 would be dropped: if that is one number, write it with a "
      .. "point, like 2.5: a comma begins the next argument"] = function() return mp.ms(2,5) end,
    ["mp.us(2, 5): "] = function() return mp.us(2,5) end,
    ["mp.rmt(82, 5): "] = function() return mp.rmt(82,5) end,
    ["mp.amt(82, 5): "] = function() return mp.amt(82,5) end,
    ["mp.mso(47, 5): "] = function() return mp.pulse(mp.mso(47,5)) end,
    ["mp.rest(2, 5): "] = function() return mp.rest(2,5) end,
    ["a time that is drawn from the seed is mp.rest { min = 4, max = 6 }"] = function()
      return mp.rest(4, 6)
    end,
    ["plan:at(\"left\", \"right\"): it takes 1 argument, and \"right\" would be dropped: a plan has one "
      .. "channel for its pulses: mp.together { left = a, right = b }"] = function()
      return pulse():at("left", "right")
    end,
    ["plan:times(2, 5, { ... }): "] = function() return pulse():times(2,5, { every = 1 }) end,
    ["pair: there is no option \"1\": 5 stands alone: a number is written with a point"] = function()
      return mp.pair { isi = 2,5, intensity = mp.mso(50) }
    end,
    ["times: there is no option \"1\": 5 stands alone"] = function()
      return pulse():times(3, { every = 2,5 })
    end,
    ["parameter n: there is no option \"1\": 5 stands alone"] = function()
      return mp.protocol { name = "x", params = { n = { default = 2,5 } }, plan = pulse }
    end,
    ["mark: { code = 7 } may stand behind the text, not 1: leave it out (where a function gives several "
      .. "values, put its call in parentheses)"] = function()
        return mp.mark(("b"):gsub("b", "a"))
      end,
    ["mp.shuffle({ ... }, { ... }): "] = function() return mp.shuffle({}, {}) end,
    ["mp.together(a plan, a plan): "] = function() return mp.together(pulse(), pulse()) end,
  }
  for words, call in pairs(commas) do
    it("is told what was meant: " .. words, function()
      local ok, problem = pcall(call)
      assert.is_false(ok)
      assert.matches(words, problem, 1, true)
      assert.matches(here, problem)
    end)
  end

  it("is nothing where it is nil", function()
    assert.are.equal(0.002, mp.ms(2, nil))
    assert.is_truthy(pulse():at("left", nil))
  end)
end)

describe("a staircase that a script holds", function()
  it("gives its trials as the inner one does", function()
    local marks = {}
    local stairs = staircases.handle(staircases.new({ start = 50, step = 2, trials = 3 },
      function(text) marks[#marks + 1] = text end, function() end))
    local seen = {}
    for trial, intensity in stairs do
      assert.are.equal(intensity, trial.intensity)
      seen[trial.number] = intensity
      trial:answer(true)
    end
    assert.are.same({ 50, 48, 46 }, seen)
    assert.are.equal(6, #marks)
  end)
end)

describe("plans side by side", function()
  local a, b = pulse(), mp.rest(0.01) .. mp.pulse(mp.mso(60))

  it("are refused where a list would put two coils on one channel", function()
    for _, list in ipairs { { a, b }, { a, b * 3 }, { a:at "left" .. b, a },
      { mp.rest(1), mp.trials { of = { a, b }, every = 5 }, b } } do
      local ok, problem = pcall(mp.together, list)
      assert.is_false(ok)
      assert.matches(here .. "together: the plans number %d and %d would come from one coil: name "
        .. "their channels", problem)
    end
  end)

  it("are refused where a name would be lost, or is wanting", function()
    local both = mp.together { left = a, right = b }
    for words, list in pairs {
      ["no pulse would be on channel a: its plan names its own, b: leave out"] = { a = a:at "b", b = b },
      ["no pulse would be on channel x: its plan names its own, left, right"] = { x = both },
      ["the plan number 1 names no channel, where others do: mp.together { left"] = { left = a, b },
      ["the plan number 2 names no channel, where others do"] = { left = a, mp.rest(1), b, b } } do
      local ok, problem = pcall(mp.together, list)
      assert.is_false(ok, words)
      assert.matches(here .. "together: ", problem)
      assert.is_truthy(problem:find(words, 1, true), problem)
    end
  end)

  it("cost no more where what they are added to is deep", function()
    local function instructions(depth)
      local steps = 0
      debug.sethook(function() steps = steps + 1 end, "", 100)
      local nest = pulse()
      for _ = 1, depth do
        nest = mp.together { a = nest .. pulse(), b = pulse() }
      end
      debug.sethook()
      return steps
    end
    assert.is_true(instructions(240) < 3 * instructions(120))
  end)

  it("may be a list where they name their channels, and one at most does not", function()
    for _, list in ipairs { { a:at "left", b:at "right" }, { a, b:at "right" },
      { a, mp.rest(1), mp.mark "x" }, { mp.together { left = a, right = b }, a }, { left = a, right = b },
      { left = a:at "left", mp.rest(1), right = mp.rest(2), b:at "other" },
      { left = a, b:at "left" }, { a:at "left", b:at "left" } } do -- as their author says: one coil
      assert.are.equal("parallel", mp.together(list):view().kind)
    end
  end)
end)
