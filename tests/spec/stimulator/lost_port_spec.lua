--- A port that is lost during a run stays lost: what comes back under its name gets no pulse.
local cjson = require "cjson"
local core = require "moonpulse.core"
local fixture = require "job"
local shell = require "shell"

describe("a port that is lost while a run goes on", function()
  local folder, jobs

  fixture.each_test(function(...) folder, jobs = ... end)

  local function simulate(name)
    local job = jobs:start(name, ("sim magventure --link %s/stim --log %s/%s.tsv"):format(folder,
      folder, name))
    job:says("stop it with")
    return job
  end

  it("is not opened again when a stimulator comes back under its name", function()
    local first = simulate "first"
    shell.write(folder .. "/slow.lua", [[local mp = require "moonpulse"
      return mp.protocol { id = "slow", name = "Slow", plan = function()
        return mp.train { pulses = 60, hz = 1, intensity = mp.mso(40) } end }]])
    local run = jobs:start("run", ("run %s/slow.lua --device magventure --port %s/stim "
      .. "--tolerance 1000 --out %s/runs"):format(folder, folder, folder))
    run:says("timing ")
    core.wait(1)
    first:signal("KILL")
    os.remove(folder .. "/stim") -- as udev does when an adapter goes
    simulate "second"
    assert.are.equal(4, run:wait())
    assert.matches("NOT CONFIRMED SAFE: the port is lost: switch the stimulator off at its panel",
      run:err(), 1, true)
    core.wait(0.5)
    assert.are.same({}, (shell.rows(folder .. "/second.tsv")))
    local path = fixture.run_in(folder .. "/runs")
    local facts = cjson.decode(shell.read(path .. "/manifest.json"))
    assert.are.equal("device fault", facts.status)
    assert.are.equal("stim", facts.device.port) -- the record has no path of this computer
    assert.are.same({ "X100", "66051" }, { facts.device.model, facts.device.serial })
  end)

  it("ends with its name where --port names no adapter: nothing is made", function()
    local status, _, err = shell.moonpulse(folder, "run itbs600 --amt 50 --device magventure "
      .. "--port ffff:fff0 --out " .. folder .. "/runs")
    assert.are.equal(2, status)
    assert.matches("no port is USB ffff:fff0", err, 1, true)
    status, _, err = shell.moonpulse(folder, "run itbs600 --amt 50 --device magstim200 "
      .. "--port auto --out " .. folder .. "/runs")
    assert.are.equal(2, status)
    assert.is_truthy(err:find("--port auto: the driver magstim200 does not say", 1, true)
      or err:find("no port is an adapter that the Magstim", 1, true), err)
    assert.are.same({}, shell.names(folder .. "/runs"))
    status, _, err = shell.moonpulse(folder, "doctor --port auto")
    assert.are.equal(2, status)
    assert.matches("--port auto needs --device", err, 1, true)
  end)
end)
