local catalogue = require "moonpulse.protocol.catalogue"
local intensities = require "moonpulse.compose.intensity"
local lfs = require "lfs"
local methods = require "moonpulse.show.methods"
local mp = require "moonpulse"
local numbers = require "moonpulse.text.numbers"
local protocols = require "moonpulse.protocol"

local this_file = debug.getinfo(1, "S").short_src
local folder, made

setup(function()
  folder = os.tmpname()
  os.remove(folder)
  assert(lfs.mkdir(folder))
  made = {}
end)

teardown(function()
  for _, path in ipairs(made) do
    os.remove(path)
  end
  assert(lfs.rmdir(folder))
end)

--- Write a protocol file; its path.
local function file(name, text)
  local path = folder .. "/" .. name
  local handle = assert(io.open(path, "w"))
  handle:write(text)
  handle:close()
  made[#made + 1] = path
  return path
end

local function holds(message, ...)
  assert.is_string(message)
  for _, text in ipairs { ... } do
    assert.is_truthy(message:find(text, 1, true), ("%q is not in: %s"):format(text, message))
  end
end

--- call, written on one line, raises a message with this file, that line and every text.
local function refused(call, ...)
  local ok, message = pcall(call)
  assert.is_false(ok, "nothing was refused")
  local place = ("%s:%d: "):format(this_file, debug.getinfo(call, "S").linedefined)
  assert.are.equal(place, tostring(message):sub(1, #place), "the place in: " .. tostring(message))
  holds(message, ...)
end

local function one_pulse()
  return mp.pulse(mp.mso(50))
end

local function spec(change)
  local made_spec = { name = "test", plan = one_pulse }
  for key, value in pairs(change) do
    made_spec[key] = value ~= "none" and value or nil
  end
  return made_spec
end

--- A spec with these parameters, and more fields.
local function with(params, more)
  local change = more or {}
  change.id, change.params = "test", params
  return spec(change)
end

describe("minutes", function()
  it("are told to the nearest tenth of a second", function()
    for seconds, text in pairs { [88.790554] = "88.790554 s (1 min 28.8 s)",
      [88.74] = "88.74 s (1 min 28.7 s)", [119.97] = "119.97 s (2 min 00.0 s)",
      [2223.9] = "2223.9 s (37 min 03.9 s)", [59.5] = "59.5 s",
      [3599.99] = "3599.99 s (1 h 00 min 00.0 s)", [60] = "60 s (1 min 00.0 s)" } do
      assert.are.equal(text, numbers.duration(seconds))
    end
  end)
end)

describe("a declaration", function()
  it("is refused with an unknown or missing field", function()
    refused(function() mp.protocol(spec { nmae = "x" }) end,
      "no option \"nmae\"", "known:", "name, nerve, note")
    refused(function() mp.protocol(spec { name = "none" }) end, "name is missing")
    refused(function() mp.protocol(spec { plan = "none" }) end, "plan is missing")
    refused(function() mp.protocol(spec { iti = 8 }) end, "iti means three things")
    refused(function() mp.protocol("x") end, "a table of options expected", "string")
    refused(function() mp.protocol() end, "a table of options expected", "nil")
  end)

  it("is refused with fields of the wrong type", function()
    for _, key in ipairs { "id", "name", "family", "aim", "cite", "doi", "target", "dose", "reported",
      "session", "evidence", "note", "unconfirmed" } do
      refused(function() mp.protocol(spec { [key] = 5 }) end, key .. " must be text, not number")
    end
    refused(function() mp.protocol(spec { plan = one_pulse() }) end,
      "plan must be a function(p)", "write plan = function(p) return")
    refused(function() mp.protocol(spec { params = 5 }) end, "params must be a table, not number")
    refused(function() mp.protocol(spec { variants = "x" }) end, "variants must be a table, not string")
  end)

  it("is refused with a parameter that means nothing", function()
    refused(function() mp.protocol(with { cycles = 20 }) end,
      "parameter cycles", "{ cycles = { default = 20 } }")
    refused(function() mp.protocol(with { cycles = { min = 1 } }) end, "default is missing")
    refused(function() mp.protocol(with { cycles = { default = 1, mni = 1 } }) end,
      "no option \"mni\"", "known: default")
    refused(function() mp.protocol(with { cycles = { default = 0, min = 1 } }) end,
      "cycles = 0 is too small: it must be at least 1")
    refused(function() mp.protocol(with { cycles = { default = 9, min = 1, max = 5 } }) end,
      "outside 1 to 5")
    refused(function() mp.protocol(with { cycles = { default = 9, min = "1" } }) end,
      "min must be a number")
    refused(function() mp.protocol(with { cycles = { default = 9, max = {} } }) end,
      "max must be a number")
    refused(function() mp.protocol(with { site = { default = "M1", max = 5 } }) end,
      "max must be a number, and belongs")
    refused(function() mp.protocol(with { cycles = { default = {} } }) end,
      "default must be a number, text", "table")
    refused(function() mp.protocol(with { cycles = { default = print } }) end,
      "default must be", "function")
    refused(function() mp.protocol(with { cycles = { default = 0 / 0 } }) end,
      "cycles", "must be a number")
    refused(function() mp.protocol(with { { default = 1 } }) end, "a parameter needs a name")
    refused(function() mp.protocol(with { dose = { default = mp.amt(80), max = 70 } }) end,
      "80 %AMT", "it must be at most 70 %AMT")
  end)

  it("is refused with values that mean nothing", function()
    local function arm(values, default)
      return with { arm = { default = default or "active", values = values } }
    end
    refused(function() mp.protocol(arm { "real", "sham" }) end, "arm = active is none of its values: real")
    refused(function() mp.protocol(arm { "sham", "sham" }) end, "parameter arm: values has \"sham\" twice")
    refused(function() mp.protocol(arm { "active", 5 }) end, "values must be texts, not a whole number")
    refused(function() mp.protocol(arm {}) end, "values must be a list of texts: values = { \"active\" }")
    refused(function() mp.protocol(arm "active") end, "values must be a list of texts")
    refused(function() mp.protocol(arm { "active", nil, "sham" }) end, "values has no entry 2")
    refused(function() mp.protocol(arm({ 1, 2 }, 1)) end, "values belongs to a text")
    local params = arm({ "a" }, "b").params
    refused(function() mp.experiment { run = print, params = params } end, "arm = b is none of its values: a")
  end)

  it("is refused with sessions that mean nothing", function()
    refused(function() mp.protocol(spec { sessions = "daily" }) end, "sessions", "a table of options")
    refused(function() mp.protocol(spec { sessions = { perday = 1 } }) end, "no option \"perday\"")
    refused(function() mp.protocol(spec { sessions = { per_day = 0 } }) end, "sessions.per_day", "from 1")
    refused(function() mp.protocol(spec { sessions = { days = { 30, 20 } } }) end, "sessions.days")
    refused(function() mp.protocol(spec { sessions = { total = 2.5 } }) end, "sessions.total")
    refused(function() mp.protocol(spec { sessions = { gap_min = -1 } }) end, "gap_min must be seconds")
    assert.is_table(mp.protocol(spec { sessions = { per_day = { 1, 2 }, days = 5, gap_min = 3000 } }))
    local wrong = { id = "b", name = "b", sessions = { x = 1 } }
    refused(function() mp.protocol(spec { variants = { wrong } }) end,
      "variant b: sessions", "no option \"x\"")
  end)

  it("is refused with a variant that does not fit", function()
    local function variant(fields)
      return with({ cycles = { default = 2, min = 1, max = 5 } }, { variants = { fields } })
    end
    refused(function() mp.protocol(variant { id = "b" }) end, "variant: name is missing")
    refused(function() mp.protocol(variant { name = "b" }) end, "variant: id is missing")
    refused(function() mp.protocol(variant(5)) end, "variant: a table of options")
    refused(function() mp.protocol(variant { id = 5, name = "b" }) end, "variant: id must be text")
    refused(function() mp.protocol(variant { id = "b", name = "b", plan = one_pulse }) end,
      "no option \"plan\"")
    refused(function() mp.protocol(variant { id = "b", name = "b", defaults = 5 }) end,
      "defaults must be a table")
    refused(function() mp.protocol(variant { id = "b", name = "b", defaults = { x = 5 } }) end,
      "variant b: there is no parameter \"x\"")
    refused(function() mp.protocol(variant { id = "b", name = "b", defaults = { cycles = 6 } }) end,
      "variant b: cycles = 6 is outside 1 to 5")
    refused(function() mp.protocol(variant { id = "b", name = "b", defaults = { cycles = "3" } }) end,
      "variant b: cycles must be a whole number", "text")
  end)
end)

describe("parameters", function()
  local protocol = mp.protocol(with {
    cycles = { default = 20, min = 1, max = 60 },
    gap = { default = 8.0, min = 0 },
    dose = { default = mp.amt(80), max = 120 },
    site = { default = "M1" },
    sham = { default = false },
  })

  it("have their defaults", function()
    assert.are.same({ cycles = 20, gap = 8.0, dose = mp.amt(80), site = "M1", sham = false },
      protocols.values(protocol, {}))
  end)

  it("are read from text as what the default is", function()
    local values = assert(protocols.values(protocol, {
      cycles = "10", gap = "2", dose = "110%RMT", site = "left DLPFC", sham = "true",
    }))
    assert.are.same({ cycles = 10, gap = 2.0, dose = mp.rmt(110), site = "left DLPFC", sham = true },
      values)
    assert.are.equal("integer", math.type(values.cycles))
    assert.are.equal("float", math.type(values.gap))
    assert.are.equal("integer", math.type(protocols.values(protocol, { cycles = "1e1" }).cycles))
    assert.is_false(protocols.values(protocol, { sham = "false" }).sham)
  end)

  it("take no text but their values", function()
    local arms = mp.protocol(with({ arm = { default = "active", values = { "active", "sham", "" } } },
      { variants = { { id = "b", name = "b", defaults = { arm = "sham" } } } }))
    assert.are.equal("sham", protocols.values(arms, { arm = "sham" }).arm)
    assert.are.equal("", protocols.values(arms, { arm = "" }).arm)
    local hints = { shma = " (did you mean sham?)", Active = " (did you mean active?)", placebo = "" }
    for written, hint in pairs(hints) do
      local values, message = protocols.values(arms, { arm = written })
      assert.is_nil(values)
      assert.are.equal('-p: arm = ' .. written .. ' is none of its values: active, sham, ""' .. hint, message)
    end
    arms.variants[1].defaults.arm = "real"
    refused(function() mp.protocol(arms) end, "variant b: arm = real is none of its values")
    assert.are.equal("sham (active, sham): \\x1B[2J", methods.parameter({ default = "active",
      values = { "active", "sham" }, help = "\27[2J" }, "sham"))
  end)

  it("take the ends of their range and nothing beyond", function()
    local function value(name, text)
      local values, message = protocols.values(protocol, { [name] = text })
      return values and values[name], message
    end
    assert.are.equal(1, value("cycles", "1"))
    assert.are.equal(60, value("cycles", "60"))
    assert.are.equal(mp.amt(120), value("dose", "120 amt"))
    local function wrong(name, text, ...)
      local got, message = value(name, text)
      assert.is_nil(got)
      holds(message, name, ...)
    end
    wrong("cycles", "0", "-p", "= 0 is outside 1 to 60")
    wrong("cycles", "61", "= 61 is outside 1 to 60")
    wrong("cycles", "2.5", "a whole number", "2.5")
    wrong("cycles", "1e300", "outside 1 to 60")
    wrong("cycles", "1e400", "a whole number", "inf")
    wrong("cycles", "ten", "a number expected", "\"ten\"")
    wrong("cycles", "", "a number expected")
    wrong("gap", "-1", "gap = -1 is too small: it must be at least 0")
    wrong("gap", "nan", "a number expected")
    wrong("dose", "121%AMT", "121 %AMT is too large: it must be at most 120 %AMT")
    wrong("sham", "maybe", "true or false", "\"maybe\"")
  end)

  it("that do not exist are named with those that do", function()
    local values, message = protocols.values(protocol, { trains = "3" })
    assert.is_nil(values)
    holds(message, '-p "trains"', "test has no such parameter", "cycles, dose, gap, sham, site")
    values, message = protocols.values(mp.protocol(with {}), { trains = "3" })
    assert.is_nil(values)
    holds(message, '-p "trains"', "has no parameters: leave -p out")
  end)

  it("that are intensities are read in every usual form", function()
    for text, expected in pairs {
      ["80%AMT"] = mp.amt(80), ["80 amt"] = mp.amt(80), [" 110 % RMT "] = mp.rmt(110),
      ["45%MSO"] = mp.mso(45), ["0mso"] = mp.mso(0), ["72.5%rmt"] = mp.rmt(72.5),
      ["400%AMT"] = mp.amt(400), ["100 %MSO"] = mp.mso(100),
    } do
      assert.are.equal(expected, intensities.parse(text), text)
    end
    -- a bare number would silently turn a percentage of a threshold into %MSO
    for _, text in ipairs { "45", "45%", "0",
      "", "%", "AMT", "80%XMT", "-5", "1.2.3%AMT", "8 0", "nan", "inf", "1e1" } do
      local value, message = intensities.parse(text)
      assert.is_nil(value, text)
      holds(message, "is no intensity: write 80%AMT")
    end
    for text, limit in pairs { ["101%MSO"] = "100 %MSO", ["401%RMT"] = "400 %RMT" } do
      local value, message = intensities.parse(text)
      assert.is_nil(value)
      holds(message, text, "0 to " .. limit)
    end
    local values, message = protocols.values(protocol, { dose = "500%AMT" })
    assert.is_nil(values)
    holds(message, "0 to 400 %AMT")
  end)
end)

describe("a parameter that the source leaves open", function()
  it("is named until it is given", function()
    local protocol = mp.protocol(with {
      nerve = { default = mp.mso(1), needed = true }, count = { default = 1, needed = true },
      trains = { default = 5 },
    })
    assert.are.same({ "count", "nerve" }, protocols.open(protocol, { trains = "3" }))
    assert.are.same({ "count" }, protocols.open(protocol, { nerve = "30%MSO" }))
    assert.are.same({}, protocols.open(protocol, { nerve = "30%MSO", count = "1" }))
  end)
end)

describe("thresholds", function()
  it("turn a percentage into stimulator output", function()
    assert.are.equal(60, intensities.resolve(mp.rmt(120), { rmt = 50 }))
    assert.are.equal(40, intensities.resolve(mp.amt(80), { amt = 50, rmt = 70 }))
    assert.are.equal(45, intensities.resolve(mp.mso(45), {}))
    assert.are.equal(100, intensities.resolve(mp.rmt(200), { rmt = 50 }))
  end)

  it("are asked for, and hold the output under 100 %MSO", function()
    local mso, message, code = intensities.resolve(mp.rmt(120), { amt = 50 })
    assert.is_nil(mso)
    assert.are.equal("usage", code)
    holds(message, "120 %RMT", "resting motor threshold", "add --rmt N")
    mso, message, code = intensities.resolve(mp.amt(80), {})
    assert.is_nil(mso)
    assert.are.equal("usage", code)
    holds(message, "80 %AMT", "active motor threshold", "add --amt N")
    mso, message, code = intensities.resolve(mp.rmt(120), { rmt = 90 })
    assert.is_nil(mso)
    assert.are.equal("limit", code)
    holds(message, "120 %RMT", "90 %MSO", "108 %MSO", "over 100", "at most 111.1 %RMT")
  end)
end)

local header = "local mp = require \"moonpulse\"\n"

describe("a protocol file", function()
  it("is loaded, with its variants", function()
    local path = file("good.lua", header .. [[
      return mp.protocol {
        id = "a", name = "A", cite = "Somebody 2001", target = "M1",
        params = { n = { default = 2, min = 1, max = 9 } },
        plan = function(p) return mp.burst { pulses = p.n, hz = 5, intensity = mp.mso(5) } end,
        variants = { { id = "b", name = "B", defaults = { n = 7 } },
          { id = "c", name = "C", target = "SMA" } },
      }]])
    local all = assert(protocols.load(path))
    local found = {}
    for i, protocol in ipairs(all) do
      local plan = assert(protocols.build(protocol, assert(protocols.values(protocol, {}))))
      found[i] = ("%s %s %s %s %d"):format(protocol.id, protocol.name, protocol.target, protocol.cite,
        plan:totals().pulses)
      assert.are.equal(path, protocol.file)
    end
    assert.are.same({ "a A M1 Somebody 2001 2", "b B M1 Somebody 2001 7", "c C SMA Somebody 2001 2" },
      found)
    assert.is_nil((protocols.values(all[2], { n = "10" }))) -- the range came along
  end)

  it("gives a variant what holds for it too, and not what belongs to another paper", function()
    local path = file("family.lua", header .. [[
      return mp.protocol {
        id = "a", name = "A", cite = "Somebody 2001", doi = "10.1/a", note = "of a", evidence = "2",
        family = "f", session = "daily", sessions = { per_day = 1 }, unconfirmed = "the rate",
        plan = function() return mp.pulse(mp.mso(5)) end,
        variants = { { id = "b", name = "B" }, { id = "c", name = "C", cite = "Other 2002" },
          { id = "d", name = "D", session = "once" } },
      }]])
    local all = assert(protocols.load(path))
    local b, c, d = all[2], all[3], all[4]
    assert.are.same({ "Somebody 2001", "10.1/a", "f" }, { b.cite, b.doi, b.family })
    for _, key in ipairs { "note", "evidence", "unconfirmed" } do
      assert.is_nil(b[key], key)
    end
    assert.are.same({ "Other 2002", "f", { per_day = 1 } }, { c.cite, c.family, c.sessions })
    assert.is_nil(c.doi)
    assert.is_nil(d.sessions)
  end)

  it("may return a plan, and is called as its file", function()
    local path = file("bare.lua", header .. "return mp.pulse(mp.mso(5)) * 4")
    local protocol = assert(protocols.load(path))[1]
    assert.are.equal("bare", protocol.id)
    assert.are.equal("bare", protocol.name)
    assert.are.equal(4, assert(protocols.build(protocol, {})):totals().pulses)
    assert.are.equal("bare", assert(catalogue.find(path)).id)
  end)

  it("takes its id from its name where it has none", function()
    local path = file("unnamed.lua",
      header .. "return mp.protocol { name = 'x', plan = function() return mp.rest(1) end }")
    assert.are.equal("unnamed", protocols.load(path)[1].id)
  end)

  it("keeps its globals to itself", function()
    local path = file("globals.lua",
      header .. "leaked, print = 5, nil\nreturn mp.rest(leaked)")
    local protocol = assert(protocols.load(path))[1]
    assert.is_nil(rawget(_G, "leaked"))
    assert.is_function(print)
    assert.are.equal(5, assert(protocols.build(protocol, {})):totals().span)
  end)

  local function fails(name, text, ...)
    local path = file(name, text)
    local all, message = protocols.load(path)
    assert.is_nil(all)
    holds(message, ...)
    local protocol
    protocol, message = catalogue.find(path)
    assert.is_nil(protocol)
    holds(message, ...)
  end

  it("that fails names its file and line", function()
    fails("syntax.lua", header .. "return mp.protocol { name = \n", "syntax.lua:", "near")
    fails("runtime.lua", header .. "\nlocal x = nil + 1", "runtime.lua:3:", "arithmetic")
    fails("called.lua", header .. "mp.brust {}", "called.lua:2:", "brust")
    fails("raised.lua", header .. "error('no luck')", "raised.lua:2:", "no luck")
    fails("level0.lua", "error('no luck', 0)", "level0.lua:1: ", "no luck")
    fails("thrown.lua", "error({})", "thrown.lua: ", "table")
    fails("wrong.lua", header .. "mp.rest(-1)", "wrong.lua:2:", "negative")
    fails("tail.lua", header .. "\nreturn mp.protocol { name = 'x' }", "tail.lua:3:", "plan is missing")
    fails("field.lua", header .. "return mp.protocol {\n  nmae = 'x' }", "field.lua:2:", "\"nmae\"")
    fails("binary.lua", string.dump(function() end), "binary.lua", "binary chunk")
  end)

  it("that returns nothing useful is told so", function()
    fails("nothing.lua", header .. "mp.rest(1)", "nothing.lua: the file must return", "not nil",
      "\"return ...\"")
    fails("number.lua", "return 5", "must return mp.protocol", "not number")
    fails("table.lua", "return { name = 'x', plan = function() end }", "must return mp.protocol",
      "not table")
    fails("empty.lua", "", "must return mp.protocol", "not nil")
  end)

  it("that is not there is told so, with what to do", function()
    local all, message = protocols.load(folder .. "/missing.lua")
    assert.is_nil(all)
    holds(message, "missing.lua", "No such file")
    local protocol
    protocol, message = catalogue.find(folder .. "/missing.lua")
    assert.is_nil(protocol)
    holds(message, "cannot open", "missing.lua", "No such file", "moonpulse protocols")
    protocol, message = catalogue.find("itsb600")
    assert.is_nil(protocol)
    holds(message, "no protocol \"itsb600\"", "ctbs600, ", "itbs600", "the path of a file")
    protocol, message = catalogue.find(folder .. "/")
    assert.is_nil(protocol)
    holds(message, folder)
  end)
end)

describe("plan(p)", function()
  local params = { n = { default = 2 }, dose = { default = mp.mso(50) } }

  --- What building says when plan is this function.
  local function build(plan)
    local protocol = mp.protocol { id = "test", name = "test", params = params, plan = plan }
    return protocols.build(protocol, assert(protocols.values(protocol, {})))
  end

  --- Building fails; a message starts with the line that plan is on.
  local function fails(plan, ...)
    local result, message = build(plan)
    assert.is_nil(result)
    local place = ("%s:%d: "):format(this_file, debug.getinfo(plan, "S").linedefined)
    assert.are.equal(place, message:sub(1, #place), message)
    holds(message, ...)
  end

  it("gets the parameters", function()
    local plan = build(function(p) return mp.pulse(p.dose) * p.n end)
    assert.are.equal(2, plan:totals().pulses)
    local names = {}
    build(function(p)
      for name in pairs(p) do
        names[#names + 1] = name
      end
      return mp.rest(1)
    end)
    table.sort(names)
    assert.are.same({ "dose", "n" }, names)
  end)

  it("cannot use a parameter that was not declared, nor change one", function()
    fails(function(p) local _ = p.cycels end, "no parameter \"cycels\"", "declared: dose, n")
    fails(function(p) p.n = 5 end, "parameter \"n\" cannot be changed")
    fails(function(p) p.other = 5 end, "parameter \"other\" cannot be changed")
  end)

  it("names the line of what went wrong inside", function()
    fails(function(p) local _ = p.n + nil end, "arithmetic")
    fails(function() local _ = mp.rest(-1) end, "negative")
    fails(function() return mp.rest(-1) end, "negative")
    fails(function() error("no luck") end, "no luck")
    local function helper() return mp.mark "" end
    local place = debug.getinfo(helper, "S").linedefined
    local _, message = build(function() local _ = helper() end)
    holds(message, ("%s:%d: a mark needs"):format(this_file, place))
  end)

  it("must return a plan", function()
    for what, value in pairs { number = 5, table = {}, ["nil"] = false } do
      local result, message = build(function() return value or nil end)
      assert.is_nil(result)
      holds(message, "test", "plan must return a plan, not " .. what)
    end
  end)
end)
