-- check, show and events of what is for several devices, against each device's limits and thresholds.
local fixture = require "job"
local shell = require "shell"

local PLAN = [[
local mp = require "moonpulse"
return mp.protocol { id = "two", name = "Two", plan = function()
  return mp.together { left = mp.pulse(mp.rmt(90)), right = mp.rest(mp.ms(8)) .. mp.pulse(mp.rmt(120)) }
    :times(10, { every = 5 })
end }
]]

local SCRIPT = [[
local mp = require "moonpulse"
return mp.experiment(function(run)
  run:device "left":arm()
  run:device "left":fire(mp.pulse(mp.rmt(90)))
  run:device "right":arm()
  run:device "right":fire(mp.pulse(mp.rmt(120)))
end)
]]

describe("of several devices", function()
  local folder

  fixture.each_test(function(...)
    folder = ...
    shell.write(folder .. "/two.lua", PLAN)
    shell.write(folder .. "/script.lua", SCRIPT)
  end)

  local function moonpulse(line)
    return shell.moonpulse(folder, (line:gsub("(%w+%.lua)", folder .. "/%1")))
  end

  it("check judges each by its own limits and threshold, and needs no port", function()
    local both = "check two.lua --rmt left=48 --rmt right=%d --device left=rapid@/dev/ttyUSB0 "
      .. "--device right=magstim200@/dev/ttyUSB1"
    local status, out = moonpulse(both:format(80))
    assert.are.equal(0, status, out)
    assert.matches("within +left rapid, right magstim200: every pulse is within its limits", out)
    assert.matches("20 pulses", out, 1, true)
    status, out = moonpulse(both:format(84)) -- 120 % of 84 is above 100
    assert.are.equal(3, status, out)
    assert.matches("OVER +left rapid, right magstim200: right: 120 %%RMT of a threshold of 84 %%MSO is "
      .. "100.8 %%MSO", out)
    status, out = moonpulse "check two.lua --rmt 50 --device left=magstim200 --device right=sim --json"
    assert.are.equal(0, status, out)
    assert.matches('"name": *"left magstim200, right magventure"', out)
  end)

  it("check, show and events run a script on the simulator of each", function()
    local named = "script.lua --device left=rapid@/dev/ttyUSB0 --device right=sim:magstim200 "
    local status, out = moonpulse("check --rmt left=48 --rmt right=80 " .. named)
    assert.are.equal(0, status, out)
    assert.matches("2 pulses of this course", out, 1, true)
    status, out = moonpulse("check --rmt left=48 --rmt right=84 " .. named)
    assert.are.equal(3, status, out)
    assert.matches("script.lua:6", out, 1, true)
    status, out = moonpulse("show --rmt 48 " .. named)
    assert.are.equal(0, status, out)
    assert.matches("pulses +2\n", out)
    status, out = moonpulse("events --rmt 48 " .. named)
    assert.are.equal(0, status, out)
    local given = {}
    for channel, mso in out:gmatch "\tpulse\t(%w+)\t[%d.]+\tRMT\t(%d+)" do
      given[channel] = mso
    end
    assert.are.same({ left = "43", right = "58" }, given)
  end)

  it("events says what each is set to", function()
    local status, out = moonpulse "events two.lua --rmt 47 --device left=duomag --device right=magstim200"
    assert.are.equal(0, status, out)
    assert.matches("\n1\t0\tpulse\tleft\t90\tRMT\t42\t1\t.*\n2\t8000\tpulse\tright\t120\tRMT\t56\t2\t", out)
  end)

  it("show and events take each one's own threshold; check says where there is no last one of it", function()
    local both, named = "--rmt left=48 --rmt right=80 ", " --device left=rapid --device right=magstim200 "
    for _, what in ipairs { "script.lua", "two.lua" } do
      local status, out, err = moonpulse("events " .. what .. named .. both)
      assert.are.equal(0, status, err)
      local given = {}
      for channel, mso in out:gmatch "\tpulse\t(%w+)\t[%d.]+\tRMT\t(%d+)" do
        given[channel] = mso
      end
      assert.are.same({ left = "43", right = "96" }, given) -- 90 % of 48, 120 % of 80, whole %MSO
    end
    local status, out, err = moonpulse("show script.lua" .. named .. both)
    assert.are.equal(0, status, err)
    assert.matches("pulses +2\n", out)
    status, out, err = moonpulse("events script.lua" .. named .. "--rmt left=48 --rmt right=84")
    assert.are_not.equal(0, status, out) -- 100.8 %MSO
    assert.matches("script.lua:6", err, 1, true)
    for line, words in pairs {
      ["check script.lua --rmt right=80 --rmt left=last --participant P77"] =
        "--rmt left=last: no earlier run of P77",
      ["check two.lua --rmt right=80 --rmt left=last"] = "--rmt left=last",
      ["events two.lua --rmt right=80 --rmt left=last"] = "last is for run and check",
      ["show script.lua --rmt right=80 --rmt middle=50"] = "no device has that name",
    } do
      status, out, err = moonpulse(line .. named)
      assert.are.same({ 2, "" }, { status, out }, line)
      assert.matches(words, err, 1, true)
      assert.is_nil(err:find("bad argument", 1, true))
    end
    status, out, err = moonpulse "show two.lua --rmt left=48"
    assert.are.same({ 2, "" }, { status, out })
    assert.matches("is for one of several devices", err, 1, true)
  end)

  it("names that do not fit the plan, or one of which nothing is asked, are refused", function()
    for line, words in pairs {
      ["check two.lua --rmt 50 --device left=sim --device middle=sim"] = 'the plan has pulses for "right"',
      ["events two.lua --rmt 50 --device left=sim --device middle=sim"] = 'the plan has pulses for "right"',
      ["check two.lua --rmt 50 --device sim --device rapid"] = "several devices have a name each",
      ["check two.lua --rmt 50 --each-device --device left=sim --device right=sim"] = "leave out --device",
      ["check two.lua --rmt middle=50 --device left=sim --device right=sim"] = "no device has that name",
      ["show two.lua --device left=sim --device right=sim"] = "the same for every device",
    } do
      local status, _, err = moonpulse(line)
      assert.are.equal(2, status, line)
      assert.matches(words, err, 1, true)
    end
  end)
end)
