-- A name that nobody defined is nil to Lua, and nil is an option that was not given: it raises at its line,
-- in whatever file and by whatever command. A second value that a file or a plan function returns is refused.
local protocols = require "moonpulse.protocol"
local shell = require "shell"

local folder
setup(function() folder = shell.folder() end)
teardown(function() shell.remove(folder) end)

--- A protocol whose plan function has `body` on line 4; `head` is line 2.
local function write(body, head)
  shell.write(folder .. "/mine.lua", ('local mp = require "moonpulse"\n%s\nreturn mp.protocol { name = "x", '
    .. "params = { gap = { default = 8 } }, plan = function(p)\n%s\nend }\n"):format(head or "", body))
  return folder .. "/mine.lua"
end

--- The plan, or the problem, of load or build.
local function build(body, head)
  local all, message = protocols.load(write(body, head))
  if not all then
    return nil, message
  end
  return protocols.build(all[1], protocols.values(all[1], {}))
end

local function raises(text, body, head)
  local plan, message = build(body, head)
  assert.is_nil(plan, "taken: " .. body)
  assert.matches(text, message, 1, true)
end

local itbs = "local period = 10 local burst = mp.burst { pulses = 3, hz = 50, intensity = mp.amt(80) } "
  .. "local train = mp.train { of = burst, hz = 5, duration = 2 } "
local pulses = "local ts, icf = mp.pulse(mp.rmt(120)), mp.pulse(mp.rmt(90)) "

describe("a name that nobody defined", function()
  it("raises at its line with the name that is meant, in every place where nil would be taken", function()
    for body, says in pairs {
      [itbs .. "return train:times(20, { every = Period })"] = { "Period", "period" },
      [pulses .. "return mp.trials { of = { ts, ICF, icf }, every = 12 }"] = { "ICF", "icf" },
      [pulses .. "return mp.trials { of = { ts, icf, icff }, every = 12 }"] = { "icff", "icf" },
      [pulses .. "return mp.trials { of = mp.shuffle { ts, icff, icf }, every = 5 }"] = { "icff", "icf" },
      [pulses .. "return mp.together { PMv = icf, M1 = tss }"] = { "tss", "ts" },
      [pulses .. "return mp.together { ts:at '1', icff, icf:at '2' }"] = { "icff", "icf" },
      [pulses .. "return ts:times(3, { gap = gap })"] = { "gap", "p.gap" },
      [pulses .. "return ts:times(3, { gap = Gap and 5 or 6 })"] = { "Gap" },
      ["local on, off = 2, 8 return mp.theta_burst { pulses = 3, hz = 50, theta_hz = 5, on = on, off = ofs, "
        .. "cycles = cycls, intensity = mp.rmt(80) }"] = { "ofs", "off" },
      ["return mp.rest(floor(2.5)) .. mp.pulse(mp.rmt(90))"] = { "floor", "math.floor" },
      ["return pulse(mp.rmt(90))"] = { "pulse", "mp.pulse" },
    } do
      local name, meant = table.unpack(says)
      raises(("mine.lua:4: %s is not known: is it misspelt%s, or should it be local before: local %s = ...?")
        :format(name, meant and (" (%s?)"):format(meant) or "", name), body)
    end
  end)

  it("is found among the file's locals too, and at its top level", function()
    raises("mine.lua:4: intensty is not known: is it misspelt (intensity?)",
      "return mp.pulse { intensity = intensty }", "local intensity = mp.rmt(90)")
    raises("mine.lua:2: hzz is not known: is it misspelt (hz?)", "return mp.pulse(mp.rmt(90))",
      "local hz = 10 local function rate() return hz end local other = hzz")
  end)

  it("raises in a test as well, which says what to do; rawget asks for it", function()
    raises("mine.lua:4: DEBUG is not known: is it misspelt, or should it be local before: local DEBUG = ...?",
      "if DEBUG then print 'x' end return mp.pulse(mp.rmt(90))")
    assert.is_truthy(build "if rawget(_G, 'DEBUG') then print 'x' end return mp.pulse(mp.rmt(90))")
  end)

  it("is known once it was assigned, with or without local, nil too", function()
    for _, body in ipairs { "gap = 5 return mp.pulse(mp.rmt(90)):times(2, { gap = gap })",
      "gap = nil assert(gap == nil) return mp.pulse(mp.rmt(90))",
      "gap = 5 gap = nil assert(gap == nil) return mp.pulse(mp.rmt(90))",
      "local gap assert(gap == nil) return mp.pulse(mp.rmt(90))",
      "function one() return mp.pulse(mp.rmt(90)) end return one()",
      "local t = {} assert(t.gap == nil) return mp.pulse(mp.rmt(90))" } do
      local plan, message = build(body)
      assert.is_truthy(plan, message)
    end
  end)

  it("is one of Lua's own tables, too", function()
    raises("mine.lua:4: there is no math.hugee: did you mean math.huge?",
      "local most = math.hugee return mp.pulse(mp.rmt(90))")
    raises("mine.lua:4: there is no table.unpackk", "local f = table.unpackk return mp.pulse(mp.rmt(90))")
  end)

  it("ends every command that reads the file, and a spec of it", function()
    local path = write(itbs .. "return train:times(20, { every = Period })")
    for _, command in ipairs { "show", "check", "events", "plot", "compile", "run" } do
      local more = command == "plot" and "-o x.svg" or command == "compile" and "-o x.plan" or ""
      local status, _, err = shell.moonpulse(folder, ("%s %s --amt 40 %s"):format(command, path, more))
      assert.are.equal(2, status, command)
      assert.matches("mine.lua:4: Period is not known", err, 1, true)
    end
    local ok, problem = pcall(require("moonpulse.testing").protocol, path)
    assert.is_false(ok)
    assert.matches("mine.lua:4: Period is not known", problem, 1, true)
  end)

  it("raises in a lab's file, whose limit would be none", function()
    local labs = require "moonpulse.safety.lab"
    shell.write(folder .. "/lab.lua", "local most = 120\nreturn { max_percent_rmt = mots, min_gap_s = 10 }\n")
    local lab, message = labs.load(folder .. "/lab.lua")
    assert.is_nil(lab)
    assert.matches("lab.lua:2: mots is not known: is it misspelt (most?)", message, 1, true)
    shell.write(folder .. "/lab.lua", "return { max_percent_rmt = 120 }, { max_percent_mso = 50 }\n")
    lab, message = labs.load(folder .. "/lab.lua")
    assert.is_nil(lab)
    assert.matches("lab.lua: the file returns 2 values", message, 1, true)
    shell.write(folder .. "/lab.lua", "return { train_duration = { { hz = 10, percent = 120, s = 4 }, "
      .. "[3] = { hz = 20, percent = 100, s = 1 } } }\n")
    lab, message = labs.load(folder .. "/lab.lua")
    assert.is_nil(lab)
    assert.matches("lab.lua:1: train_duration has no entry 2, but 3", message, 1, true)
  end)

  it("raises in a driver's file, and in its simulator's", function()
    local devices = require "moonpulse.driver.find"
    shell.write(folder .. "/box.lua", 'local base = require "moonpulse.devices.pulsepal"\n'
      .. 'local late = 0.2\nlocal M = setmetatable({ name = "box", simulator = "simulator.lua", '
      .. "late = laet,\n  limits = base.limits }, { __index = base })\nreturn M\n")
    shell.write(folder .. "/simulator.lua", "local speed = spede\nreturn {}\n")
    local driver, message = devices.find(folder .. "/box.lua")
    assert.is_nil(driver)
    assert.matches("box.lua:3: laet is not known: is it misspelt (late?)", message, 1, true)
    local ok, problem = pcall(devices.simulator,
      { name = "box", simulator = "simulator.lua", folder = folder })
    assert.is_false(ok)
    assert.matches("simulator.lua:1: spede is not known", problem, 1, true)
  end)
end)

describe("a second value", function()
  local says = "returns 2 values, and only the first would be taken: did you mean .. instead of a comma?"

  it("of a plan function or a file is refused, nil too", function()
    for _, body in ipairs { "return mp.pulse(mp.rmt(100)), mp.rest(6) .. mp.pulse(mp.rmt(90))",
      "local t = {} return mp.pulse(mp.rmt(100)), t.second",
      "local function two() return mp.pulse(mp.rmt(100)), 2 end return two()" } do
      raises("mine.lua:3: the function " .. says, body)
    end
    for _, made in ipairs { "mp.pulse(mp.rmt(90))", "mp.protocol { name = 'x', plan = function() end }",
      "mp.experiment(function() end)" } do
      shell.write(folder .. "/plain.lua", ('local mp = require "moonpulse"\nreturn %s, %s\n'):format(made,
        made))
      local all, message = protocols.load(folder .. "/plain.lua")
      assert.is_nil(all)
      assert.matches("plain.lua: the file " .. says, message, 1, true)
    end
  end)

  it("is dropped by parentheses, which say so", function()
    assert.is_truthy(build "local function two() return mp.pulse(mp.rmt(90)), 2 end return (two())")
  end)
end)
