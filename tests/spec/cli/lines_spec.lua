-- Lines that Lua cannot read, and what pictures and notes say of a plan: in words that say what to do.
local shell = require "shell"

local folder

local function write(code)
  shell.write(folder .. "/made.lua", 'local mp = require "moonpulse"\n' .. code)
end

local function moonpulse(arguments)
  local program = shell.absolute
  return shell.sh(folder, ("cd %s && %s %s"):format(shell.quote(folder), shell.quote(program), arguments))
end

local function has(text, words)
  assert.is_truthy(text:find(words, 1, true), words .. "\nis not in\n" .. text)
end

describe("a line that Lua cannot read", function()
  setup(function() folder = shell.folder() end)
  teardown(function() shell.remove(folder) end)

  for line, words in pairs {
    ["return mp.train { pulses = 10 hz = 10, intensity = mp.mso(40) }"] = "near 'hz': a comma is missing",
    ['return mp.mark "a" mp.pulse(mp.mso(40))'] = "plans are put together with ..",
    ["return mp.pulse(mp.mso(40)) // a comment"] = "a comment begins with --",
    ["return mp.pulse(mp.mso(40)) # a comment"] = "a comment begins with --",
    ['return mp.mark "a .. mp.pulse(mp.mso(40))'] = "a quotation mark is missing",
    ["local function f()\nreturn mp.pulse(mp.mso(40))\n"] = "an end is missing: each function, for and if",
    ["return mp.pulse(mp.mso(40)):at left"] = "with a colon",
    ["for i = 1, 3\nreturn 1\nend"] = "for i = 1, 10 do ... end",
    ["if true\nreturn 1\nend"] = "if condition then ... end",
    ["local t = {}\nt[1] == mp.pulse(mp.mso(40))"] = "a value gets its name with one =",
    ["return mp.pulse(mp.mso(40)"] = "a bracket is opened and not closed",
  } do
    it("is told with what is missing: " .. line, function()
      write(line)
      local status, _, err = moonpulse "show made.lua"
      assert.are.equal(2, status)
      assert.matches("made%.lua:%d+: ", err)
      has(err, words)
    end)
  end
end)

describe("a unit that disarmed itself", function()
  setup(function() folder = shell.folder() end)
  teardown(function() shell.remove(folder) end)

  local function pause(before, after)
    write(([[return mp.experiment(function(run)
      local stim = run:device()
      stim:arm()
      stim:fire(mp.pulse(mp.mso(40)))
      %s
      run:sleep(90)
      %s
      stim:fire(mp.pulse(mp.mso(40)))
    end)]]):format(before, after))
    return moonpulse "run made.lua --rmt 50 --device sim:magstim200 --speed max"
  end

  it("is told with what an experiment does instead, and that works", function()
    local status, _, err = pause("", "")
    assert.are.equal(4, status)
    has(err, "an experiment calls stim:disarm() before a longer pause, and stim:arm() after it) after 1 pul")
    local out
    status, out, err = pause("stim:disarm()", "stim:arm()")
    assert.are.equal(0, status, err)
    has(out, "2 of 2 pulses")
  end)
end)

describe("a picture", function()
  setup(function() folder = shell.folder() end)
  teardown(function() shell.remove(folder) end)

  it("of %RMT and %AMT on one axis says so, and what puts them into %MSO", function()
    write "return mp.pulse(mp.rmt(70)) .. mp.rest(5) .. mp.pulse(mp.amt(80))"
    local words = "%RMT and %AMT on one axis: their heights cannot be compared, with "
    for given, missing in pairs { [""] = "--rmt N and --amt N", ["--amt 40"] = "--rmt N" } do
      local _, out = moonpulse("plot made.lua " .. given)
      has(out:gsub("%s+", " "), words .. missing .. " they are in %MSO")
      moonpulse("plot made.lua -o x.svg " .. given)
      has(shell.read(folder .. "/x.svg"):gsub("%s+", " "), "on one axis")
    end
    local _, out = moonpulse "plot made.lua --amt 40 --rmt 50"
    assert.is_nil(out:find("one axis", 1, true))
    write "return mp.pulse(mp.rmt(70)) .. mp.rest(5) .. mp.pulse(mp.rmt(80))"
    _, out = moonpulse "plot made.lua"
    assert.is_nil(out:find("one axis", 1, true))
  end)
end)

describe("what is said of drawn rests", function()
  setup(function()
    folder = shell.folder()
    write [[local a, b = mp.pulse(mp.mso(40)), mp.pulse(mp.mso(41))
      return mp.trials { of = { a, b }, shortest = 2, longest = 4 }]]
  end)
  teardown(function() shell.remove(folder) end)

  it("names the schedule that it is true of", function()
    local _, out = moonpulse "check made.lua --device magstim200"
    assert.matches("\nnote  +pulse 2 comes 2 s after [^\n]*%(every drawn rest at its shortest%)\n", out)
  end)

  it("is told where compile fixes it", function()
    local drawn = "fixes what is drawn, "
    for id, what in pairs { ["made.lua"] = "rests: ", ["sici -p singles=4"] = "orders: ",
      paired_pulse_block = "rests and orders: " } do
      local _, out = moonpulse("compile -o made.plan " .. id)
      has(out, "\nseed 1 " .. drawn .. what .. "--seed N gives another draw\n")
      _, out = moonpulse("compile -o made.plan --seed 3 " .. id)
      has(out, "\nseed 3 " .. drawn .. what:gsub(": $", "\n"))
      local _, plan, err = moonpulse("compile -o - " .. id)
      has(err, "moonpulse: note: seed 1 " .. drawn)
      assert.is_nil(plan:find(drawn, 1, true))
    end
    for _, fixed in ipairs { "sici", "made.plan" } do
      local _, out = moonpulse("compile -o other.plan " .. fixed)
      assert.is_nil(out:find(drawn, 1, true), out)
    end
  end)

  it("promises no other seed of a plan file", function()
    local _, out = moonpulse "show made.lua"
    has(out, "another seed gives others")
    assert.are.equal(0, (moonpulse "compile made.lua --seed 3 -o made.plan"))
    _, out = moonpulse "show made.plan"
    has(out, "drawn with seed 3; the plan file fixes it")
    assert.is_nil(out:find("another seed", 1, true))
  end)
end)
