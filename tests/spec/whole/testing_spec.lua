--- The assertions that researchers write specs with: each can fail, and says what was found.
local mp = require "moonpulse"
local shell = require "shell"
local testing = require "moonpulse.testing"

local function fails(text, call)
  local ok, problem = pcall(call)
  local message = tostring(problem) -- to busted it is a failure, no error
  assert.is_false(ok)
  assert.matches(text, message, 1, true)
  assert.matches("testing_spec.lua:", message, 1, true) -- the spec's line, not ours
end

describe("a protocol under test", function()
  local itbs = testing.protocol("itbs600", { amt = 50 })

  it("passes what is true", function()
    itbs:pulses(600):first_onset(0):onset(4, 0.2):last_onset(191.84):nominal_end(192):intensity("80%AMT")
      :intensity(mp.amt(80)):shortest_interval(0.02):passes_guidelines():fits("magventure")
    testing.protocol("itbs600", { params = { trains = 2 } }):pulses(60):trials { train = 2 }
    testing.protocol("sici", { params = { singles = 7 } }):trials { SICI = 20, ["TS alone"] = 7 }
  end)

  it("fails what is not, in words", function()
    fails("itbs600 has 600 pulses, not 599", function() itbs:pulses(599) end)
    for _, wrong in ipairs { { train = 19 }, { SICI = 20 }, { train = 20, TS = 1 }, {} } do
      fails("itbs600 has the trials { train = 20 }", function() itbs:trials(wrong) end)
    end
    fails("itbs600 has the trials { train = 20 }", function() itbs:trials() end)
    fails("pulse 600 lies at 191.84 s, not 191.841 s", function() itbs:last_onset(191.841) end)
    fails("pulse 4 lies at 0.2 s, not 0.21 s", function() itbs:onset(4, 0.21) end)
    fails("has no pulse 601", function() itbs:onset(601, 1) end)
    fails("ends at 192 s, not 200 s", function() itbs:nominal_end(200) end)
    fails("pulse 1 has 80 %AMT, not 80 %RMT", function() itbs:intensity("80%RMT") end)
    fails("pulse 2 comes 0.02 s after the one before", function() itbs:shortest_interval(0.021) end)
    fails("needs the participant's active motor threshold", function()
      testing.protocol("itbs600"):fits("magventure")
    end)
    local dash = testing.protocol("hf10_neurostar", { rmt = 50 })
    dash:passes_guidelines()
    fails("is OVER: train duration", function() dash:passes_guidelines { profile = "chen1997" } end)
  end)

  it("with a ramp has its steps, and no other", function()
    local folder = shell.folder()
    shell.write(folder .. "/ramp.lua", [[
      local mp = require "moonpulse"
      local plan = mp.pulse(mp.rmt(90))
      for step = 0, 4 do
        plan = plan .. mp.train { pulses = 10, hz = 10, intensity = mp.rmt(100 + 2.5 * step) } .. mp.rest(9)
      end
      return plan]])
    local ramp = testing.protocol(folder .. "/ramp.lua")
    shell.remove(folder)
    ramp:pulses(51):ramp { from = "100%RMT", to = "110%RMT", per_step = 10, first = 2 }
      :ramp { from = mp.rmt(100), to = mp.rmt(102.5), per_step = 10, first = 2, last = 21 }
      :ramp { from = "90%RMT", to = "100%RMT", first = 1, last = 2 }
    testing.protocol("itbs600"):ramp { from = "80%AMT", to = "80%AMT" }
    local function wrong(spec, text)
      fails(text, function() ramp:ramp(spec) end)
    end
    wrong({ from = "100%RMT", to = "110%RMT", per_step = 10 },
      "pulse 1 has 90 %RMT, not 100 %RMT, step 1 of 6")
    wrong({ from = "100%RMT", to = "112%RMT", per_step = 10, first = 2 },
      "pulse 12 has 102.5 %RMT, not 103 %RMT, step 2 of 5 of the ramp")
    wrong({ from = "100%RMT", to = "110%RMT", per_step = 9, first = 2 },
      "pulse 11 has 100 %RMT, not 102 %RMT")
    wrong({ from = "100%AMT", to = "110%AMT", per_step = 10, first = 2 },
      "pulse 2 has 100 %RMT, not 100 %AMT")
    wrong({ from = "100%AMT", to = "110%RMT" }, "write both in one of them")
    wrong({ from = "100%RMT", to = "110%RMT", per_step = 50, first = 2 }, "are one step")
    wrong({ from = "100%RMT", to = "110%RMT", last = 52 }, "last must be a whole number from 1 to 51, not 52")
    wrong({ from = 100, to = "110%RMT" }, "100 is no intensity")
    wrong({ from = "100%RMT" }, "to is missing")
  end)

  it("refuses a misspelt option, and a value of another kind, wherever one is given", function()
    local test = testing.protocol
    for text, call in pairs {
      ['protocol: there is no option "sead"; known: amt, params, rmt, seed'] =
        function() test("itbs600", { rmt = 48, sead = 7 }) end,
      ['protocol: there is no option "parms"'] = function() test("itbs600", { parms = {} }) end,
      ['passes_guidelines: there is no option "profil"; known: beyond, profile (did you mean profile?)'] =
        function() itbs:passes_guidelines { profil = "chen1997" } end,
      ["there is no profile chen; known: chen1997, rossi2009"] =
        function() itbs:passes_guidelines { profile = "chen" } end,
      ["passes_guidelines: a table of options expected"] = function() itbs:passes_guidelines "chen1997" end,
      ["beyond must be true or false, not yes"] = function() itbs:passes_guidelines { beyond = "yes" } end,
      ['rmt must be a number from 1 to 100, not "48"'] = function() test("itbs600", { rmt = "48" }) end,
      ["amt must be a number from 1 to 100, not 480"] = function() test("itbs600", { amt = 480 }) end,
      ["seed must be a whole number from 0 to 9223372036854775807, not 1.5"] =
        function() test("itbs600", { seed = 1.5 }) end,
      ["params must be a table"] = function() test("itbs600", { params = 3 }) end,
      ["params: its value number 1 has no name"] = function() test("itbs600", { params = { 3 } }) end,
      ['params: "m": itbs600 has no such parameter; it has: '] =
        function() test("itbs600", { params = { m = 3 } }) end,
      ["params: trains must be a whole number, not 2.5"] =
        function() test("itbs600", { params = { trains = 2.5 } }) end,
      ["protocol: a table of options expected"] = function() test("itbs600", 48) end,
      ["the path of a protocol's file, or its id, must be text, not nil"] = function() test() end,
      ["the number of a pulse must be a whole number"] = function() itbs:onset("4", 0.2) end,
      ["onset: the onset in seconds must be a number from 0 up, not nil"] = function() itbs:onset(4) end,
      ["last_onset: the onset in seconds must be a number"] = function() itbs:last_onset("191.84") end,
      ["first_onset: the tolerance must be a number from 0 up, not -1"] =
        function() itbs:first_onset(0, -1) end,
      ["nominal_end: the end in seconds must be a number"] = function() itbs:nominal_end() end,
      ["shortest_interval: the interval in seconds must be a number"] =
        function() itbs:shortest_interval(0 / 0) end,
      ["the name of a device must be text"] = function() itbs:fits() end,
      ["there is no device"] = function() itbs:fits "magvent" end,
    } do
      fails(text, call)
    end
  end)

  it("says in a spec's words what is missing, and what cannot be tested", function()
    local folder = shell.folder()
    shell.write(folder .. "/hunt.lua",
      "local mp = require 'moonpulse' return mp.experiment(function(run) run:note 'x' end)")
    fails("hunt.lua is an experiment; testing is for protocols", function()
      testing.protocol(folder .. "/hunt.lua")
    end)
    shell.remove(folder)
    fails("cannot open ./none.lua", function() testing.protocol "./none.lua" end)
    fails("active motor threshold: add amt = N", function() testing.protocol("itbs600"):fits "magventure" end)
  end)

  it("is built as a run with the same seed and threshold builds it, and takes values as they are", function()
    local folder = shell.folder()
    shell.write(folder .. "/mine.lua", [[
      local mp = require "moonpulse"
      return mp.protocol { name = "mine", params = { gap = { default = 1.0 }, label = { default = "x" } },
        plan = function(p)
          local list = {}
          for i = 1, 20 do list[i] = mp.pulse(mp.mso(i)):label(p.label) end
          return mp.trials { of = mp.shuffle(list), every = p.gap }
        end }]])
    local function order(seed)
      local parts = {}
      for i, pulse in ipairs(testing.protocol(folder .. "/mine.lua", { seed = seed }):list()) do
        parts[i] = pulse.value
      end
      return table.concat(parts, " ")
    end
    assert.are.equal(order(1), order(nil))
    assert.are_not.equal(order(1), order(7))
    testing.protocol(folder .. "/mine.lua", { params = { label = "two words", gap = 0.1 + 0.2 } })
      :trials { ["two words"] = 20 }:onset(20, 19 * (0.1 + 0.2), 1e-12)
    shell.remove(folder)
  end)

  it("is found beside its spec", function()
    local folder = shell.folder()
    shell.write(folder .. "/mine.lua",
      "local mp = require 'moonpulse' return mp.pulse(mp.mso(50)):times(7, { every = 5 })")
    shell.write(folder .. "/mine_spec.lua", [[
      local testing = require "moonpulse.testing"
      describe("mine", function()
        it("has 7", function() testing.protocol("mine.lua"):pulses(7):last_onset(30) end)
        it("has 8", function() testing.protocol("mine.lua"):pulses(8) end)
      end)]])
    local status, out = shell.sh(folder, ("BUSTED_OUTPUT=TAP %s lua tests/specs.lua %s/mine_spec.lua"):format(
      shell.quote(shell.program), folder))
    assert.are_not.equal(0, status)
    assert.matches("mine.lua has 7 pulses, not 8", out, 1, true)
    assert.matches("^ok 1", out)
    assert.matches("not ok 2", out, 1, true)
    status, out = shell.moonpulse(folder, "test " .. folder .. "/mine_spec.lua")
    assert.are.equal(4, status)
    assert.matches("1 success / 1 failure / 0 errors", out, 1, true)
    assert.matches("mine_spec.lua:4: mine.lua has 7 pulses, not 8", out:gsub("%S*/", ""), 1, true)
    shell.remove(folder)
  end)

  it("is not tested by a file without a test, and moonpulse test says so", function()
    local folder = shell.folder()
    local path = folder .. "/sub/mine"
    shell.sh(folder, "mkdir " .. folder .. "/sub")
    shell.write(path .. ".lua", "local mp = require 'moonpulse' return mp.pulse(mp.mso(50))")
    local function test(arguments)
      local status, out, err = shell.moonpulse(folder, "test " .. arguments)
      return status, out, err:gsub("%S*/", "")
    end
    local status, _, err = test(path .. ".lua")
    assert.are.equal(2, status)
    assert.matches("mine.lua: there is no test in it: a spec has them", err, 1, true)
    shell.write(path .. "_spec.lua", "describe('mine', function() it('is one', function() end) end)")
    for _, with in ipairs { "", " " .. path .. "_spec.lua" } do
      status, _, err = test(path .. ".lua" .. with)
      assert.are.equal(2, status)
      assert.matches("mine.lua: there is no test in it: did you mean mine_spec.lua?", err, 1, true)
    end
    for _, named in ipairs { path .. "_spec.lua", folder .. "/sub", folder .. "/sub/", folder } do
      status, _, err = test(named)
      assert.are.equal(0, status, err)
      assert.are.equal(0, (test(named .. " --filter 'is one'")))
      status, _, err = test(named .. " --filter two")
      assert.are.equal(2, status)
      assert.matches("--filter two: no test has a name that matches it", err, 1, true)
    end
    shell.write(path .. "_spec.lua", "describe('mine', function() end)")
    assert.are.equal(2, (test(folder .. "/sub")))
    shell.write(path .. "_spec.lua", "describe('mine', function() pending 'later' end)")
    assert.are.equal(0, (test(folder .. "/sub")))
    shell.remove(folder)
  end)
end)
