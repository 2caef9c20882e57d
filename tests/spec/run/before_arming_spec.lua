-- A stop before anything is armed: it is heard at once, whatever is computed, and no line says that a unit
-- was told anything.
local fixture = require "job"
local shell = require "shell"

local long = [[local mp = require "moonpulse"
  return mp.protocol { name = "long", plan = function()
    return (mp.train { pulses = 100, hz = 20, intensity = mp.mso(40) } .. mp.mark "x" .. mp.rest(6)
      .. mp.pulse(mp.mso(55)) .. mp.rest { min = .5, max = 2 }):times(6000, { gap = 5 })
  end }]]

describe("a stop before arming", function()
  local folder, jobs
  fixture.each_test(function(made, list) folder, jobs = made, list end)

  --- Ctrl-C into a run once its device is connected; what it left.
  local function stopped(options)
    shell.write(folder .. "/long.lua", long)
    local command = "run %s/long.lua --seed 1 --tolerance 500 --out %s/runs %s </dev/null"
    local job = jobs:start("run", command:format(
      folder, folder, options))
    shell.await(function() return job:out():find("\ndevice ") end, "the device to be connected")
    job:signal("INT")
    local status = job:wait()
    assert.are.equal(5, status, job:err())
    return job, fixture.run_in(folder .. "/runs")
  end

  for what, options in pairs { ["in real time"] = "", ["at a pace"] = "--speed 1000" } do
    it("is heard while a large plan is judged for the device that was found, " .. what, function()
      local job, run = stopped(options)
      assert.matches("moonpulse: stopped by Ctrl%-C %(SIGINT%) before arming; no pulse was sent\n", job:err())
      assert.are.equal("not run", fixture.manifest(run).status)
      for _, row in ipairs(shell.rows(run .. "/twin.tsv")) do
        assert.are_not.equal("arm", row.event)
      end
    end)
  end

  it("of a script that nothing interrupts: the program ends, and nothing was armed", function()
    shell.write(folder .. "/stuck.lua", [[local mp = require "moonpulse"
      return mp.experiment(function()
        print "now" io.stdout:flush() string.find(("a"):rep(1e6), ".-.-.-.-b") end)]])
    local job = jobs:start("run", ("run %s/stuck.lua --out %s/runs"):format(folder, folder))
    shell.await(function() return job:out():find("now") end, "the script")
    job:signal("INT")
    assert.are.equal(5, job:wait(), job:err())
    local run = fixture.run_in(folder .. "/runs")
    assert.matches("was ended; nothing was armed, and no pulse was sent; the record is not closed: moonpulse "
      .. "recover " .. run:gsub("%p", "%%%0") .. "\n", job:err())
    assert.is_nil(job:err():find("told to be safe", 1, true))
    local ok, _, err = shell.moonpulse(folder, "recover " .. run)
    assert.are.equal(0, ok, err)
  end)
end)

describe("a run that cannot begin", function()
  local folder
  setup(function() folder = shell.folder() end)
  teardown(function() shell.remove(folder) end)

  local script = "return require 'moonpulse'.experiment(function(run) run:device() end)"
  for what, arguments in pairs {
    ["for want of a port"] = "itbs600 --amt 40 --device magventure --port %s/none",
    ["for want of an answer"] = "itbs600 --amt 40 --fault half-open@0 --tolerance 1000",
    ["for want of a trigger port"] = "%s/made.lua --trigger-in %s/none" } do
    it("says where its record is, which is whole as it was sealed: " .. what, function()
      shell.write(folder .. "/made.lua", script)
      local status, out, err = shell.moonpulse(folder, ("run %s --out %s/runs"):format(
        arguments:gsub("%%s", folder), folder))
      assert.is_true(status >= 3, err)
      local path = out:match "\nrecord +(%S+)  %(report.html, events.tsv%)\nseal +%x%x%x%x "
      assert.is_string(path, out .. err)
      local sealed = shell.read(path .. "/SHA256SUMS")
      assert.matches("  report.html\n", sealed)
      shell.moonpulse(folder, "recover " .. path)
      assert.are.equal(sealed, shell.read(path .. "/SHA256SUMS"))
      assert.are.equal(0, (shell.moonpulse(folder, "verify " .. path)))
    end)
  end
end)
