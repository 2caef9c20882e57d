-- A run that was held up on its way out is as sound as any; one whose end was not seen says so, wherever its
-- operator looks; and a process may have several runs.
local core = require "moonpulse.core"
local fixture = require "job"
local shell = require "shell"

local waiting, no_shim = require "shim".of "wait"

describe("the end of a run that was held up", function()
  local folder, jobs

  fixture.each_test(function(...) folder, jobs = ... end)

  before_each(function()
    shell.write(folder .. "/three.lua", 'local mp = require "moonpulse"\nreturn mp.protocol { id = "three", '
      .. 'name = "Three", plan = function() return mp.train { pulses = 3, every = 1, '
      .. 'intensity = mp.mso(40) } end }')
  end)

  local function start(name, arguments, environment)
    return jobs:start(name, arguments, environment)
  end

  local function manifest_of(out)
    return fixture.manifest(fixture.run_in(out))
  end

  -- 0.45 s: longer than a loop may be silent after a stop; 1.95 s: longer than a process is let live
  for _, ms in ipairs { 450, 1950 } do
    it(("by its guard, for %d ms, is complete: with a driver of one's own and without"):format(ms), function()
      if not waiting then
        return pending(no_shim)
      end
      shell.write(folder .. "/mine.lua", [[
local base = require "moonpulse.devices.magventure"
local driver = {}
for key, value in pairs(base) do driver[key] = value end
driver.name = "mine"
function driver.disarm(io)
  local result = base.disarm(io)
  return result
end
return driver]])
      local sim = start("sim", ("sim magventure --link %s/port"):format(folder))
      sim:says("stop it with")
      local held = {}
      for i, device in ipairs { "sim:magventure", ("%s/mine.lua --port %s/port"):format(folder, folder) } do
        local out = ("%s/o%d"):format(folder, i)
        held[i] = start("run" .. i, ("run %s/three.lua --tolerance 1000 --device %s --out %s"):format(folder,
          device, out), ("%s WAIT_MS=%d"):format(waiting, ms))
      end
      for i, job in ipairs(held) do
        local out = ("%s/o%d"):format(folder, i)
        assert.are.equal(0, job:wait(), job:err())
        local manifest = manifest_of(out)
        assert.are.same({ "completed", "finished", 3, true }, { manifest.status, manifest.result.stop,
          manifest.result.pulses_sent, manifest.result.disarmed })
      end
    end)
  end

  it("before it was armed, while memory was locked for 0.7 s, goes on", function()
    if not waiting then
      return pending(no_shim)
    end
    local job = start("run", ("run %s/three.lua --tolerance 1000 --out %s/out"):format(folder, folder),
      waiting .. " LOCK_MS=700")
    assert.are.equal(0, job:wait(), job:err())
    local manifest = manifest_of(folder .. "/out")
    assert.are.same({ "completed", 3 }, { manifest.status, manifest.result.pulses_sent })
    if manifest.host.realtime:find("memory not locked", 1, true) then
      return pending "needs the right to lock memory"
    end
  end)

  it("on a terminal that is held says NOT CONFIRMED SAFE there all the same", function()
    local seen = {}
    local terminal = core.pty(nil, function(bytes) seen[#seen + 1] = bytes end)
    os.execute(("stty ixon isig icanon <%s"):format(terminal:path()))
    local out = folder .. "/held"
    local job = start("held", ("run %s/three.lua --tolerance 1000 --device sim:magventure "
      .. "--fault stuck-armed@0 --out %s <%s >%s 2>&1"):format(folder, out, terminal:path(), terminal:path()))
    shell.await(function()
      local run = shell.names(out)[1]
      local log = run and shell.read(("%s/%s/twin.tsv"):format(out, run))
      return log and log:find("\tpulse\t", 1, true)
    end, "a pulse")
    terminal:write("\19") -- Ctrl-S, and never Ctrl-Q
    assert.are.equal(4, job:wait())
    shell.await(function() return table.concat(seen):find("moonpulse: NOT CONFIRMED SAFE", 1, true) end,
      "the last line")
    terminal:close()
    local result = manifest_of(out).result
    assert.are.same({ "device fault", false }, { result.status, result.disarmed })
    assert.matches("NOT CONFIRMED SAFE", result.reason, 1, true)
  end)

  it("has nothing of a run before it in the same process", function()
    shell.write(folder .. "/two.lua", [[
local cli = require "moonpulse.cli"
local folder = ...
local function go(...)
  print("status " .. tostring(cli.main { ... }))
end
go("run", folder .. "/three.lua", "--device", "sim:magventure", "--fault", "drop@2", "--tolerance", "1000",
  "--out", folder .. "/first")
go("run", folder .. "/script.lua", "--tolerance", "1000", "--out", folder .. "/second")]])
    shell.write(folder .. "/script.lua", [[
local mp = require "moonpulse"
return mp.experiment(function(run)
  local stim = run:device()
  stim:arm()
  stim:fire(mp.pulse { intensity = mp.mso(40) })
  run:sleep(2.5)
  stim:fire(mp.pulse { intensity = mp.mso(40) })
end)]])
    local job = start("two", ("lua %s/two.lua %s"):format(folder, folder))
    assert.are.equal(0, job:wait(), job:err())
    assert.matches("status 4\n", job:out())
    assert.matches("status 0\n", job:out())
    assert.are.equal("device fault", manifest_of(folder .. "/first").status)
    local manifest = manifest_of(folder .. "/second")
    assert.are.same({ "completed", 2, true }, { manifest.status, manifest.result.pulses_sent,
      manifest.result.disarmed })
  end)
end)
