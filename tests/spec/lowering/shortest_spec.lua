-- Plans at the device's shortest interval: said before the run, and kept by the stamps of what was sent.
local cjson = require "cjson"
local driver = require "moonpulse.devices.magstim200"
local models = require "moonpulse.simulators.magstim200"
local fixture = require "job"
local shell = require "shell"

local protocol = [[
local mp = require "moonpulse"
return mp.protocol { name = "edge", params = { every = { default = 2.0 }, pulses = { default = 3 } },
  plan = function(p)
    return mp.pulse { intensity = mp.mso(40) }:times(p.pulses, { every = p.every })
  end }
]]

describe("a plan at the device's shortest interval", function()
  local folder

  before_each(function()
    folder = shell.folder()
    shell.write(folder .. "/edge.lua", protocol)
  end)

  after_each(function()
    shell.remove(folder)
  end)

  local function moonpulse(arguments)
    local place = arguments:find("^run ") and not arguments:find("--out", 1, true)
      and " --out " .. folder .. "/runs" or ""
    return shell.moonpulse(folder, (arguments:gsub("edge%.lua", shell.quote(folder .. "/edge.lua"))) .. place)
  end

  it("is within the limits, with a note that says what has room", function()
    local status, out = moonpulse "check edge.lua --device magstim200"
    assert.are.equal(0, status)
    assert.matches("\nnote           pulse 2 comes 2 s after the one before, as do 1 more (", out, 1, true)
    assert.matches("edge.lua:4), which is the shortest interval of the Magstim 200²", out, 1, true)
    assert.matches("; 2.0001 s has room for that\n", out, 1, true)
    status, out = moonpulse "check edge.lua --device magstim200 --json"
    assert.are.equal(0, status)
    assert.matches("2.0001 s has room", cjson.decode(out).device.note, 1, true)
    status, out = moonpulse "run edge.lua --device sim:magstim200 --speed max"
    assert.are.equal(0, status)
    assert.matches("\nnote        pulse 2 comes 2 s after the one before", out, 1, true)

    for _, room in ipairs { "-p every=2.0001", "-p pulses=1" } do
      status, out = moonpulse("check edge.lua --device magstim200 " .. room)
      assert.are.equal(0, status)
      assert.is_nil(out:find("shortest interval", 1, true))
    end
    status, out = moonpulse "check edge.lua --device magstim200 -p every=1.999999"
    assert.are.equal(3, status)
    assert.matches("too fast for the Magstim 200²; the shortest interval is 2 s", out, 1, true)
  end)

  it("is run to its end, and by the stamps no pulse is sooner than the device allows", function()
    -- in real time a simulator that was held up may have read a command too late: only the stamps are judged
    for name, way in pairs { real = "--tolerance 1000", virtual = "--speed max" } do
      local out = folder .. "/" .. name
      local status, _, err = moonpulse("run edge.lua --device sim:magstim200 " .. way .. " --out " .. out)
      local rows = {}
      for _, row in ipairs(shell.rows(fixture.run_in(out) .. "/events.tsv")) do
        rows[#rows + 1] = row.onset_sent_us ~= "n/a" and row or nil
      end
      assert.is_true(#rows >= 2, err)
      for k = 2, #rows do
        local apart_us = tonumber(rows[k].onset_sent_us) - tonumber(rows[k - 1].onset_sent_us)
        assert.is_true(apart_us >= 2000000 - 0.001, ("pulses %d and %d: %.3f us"):format(k - 1, k, apart_us))
      end
      if name == "virtual" then
        assert.are.equal(0, status, err)
        assert.are.same({ "delivered", "delivered", "delivered" }, { rows[1].status, rows[2].status,
          rows[3].status })
      end
    end
  end)

  --- Does a simulated 200² at 40 % give a second pulse so long after the first?
  local function fires_again(after_ns, on_port)
    local simulator = models.new {}
    local send = driver.commands
    simulator.on_port = on_port
    for _, step in ipairs { { 0, send.remote_on() }, { 1, send.set_power { percent = 40 } },
      { 2, send.arm() }, { 900000000, send.keepalive() }, { 1500000000, send.fire() },
      { 2400000000, send.keepalive() }, { 3300000000, send.keepalive() } } do
      simulator:receive(step[2], step[1])
    end
    assert.are.equal(1, simulator:state().pulses)
    simulator:receive(send.fire(), 1500000000 + after_ns)
    return simulator:state().pulses == 2
  end

  it("is held to the nanosecond by a simulator in virtual time, not by one that reads a port", function()
    assert.is_true(fires_again(2000000000, false))
    assert.is_false(fires_again(1999999999, false))
    assert.is_true(fires_again(1980000000, true))
    assert.is_false(fires_again(1979999999, true))
  end)
end)
