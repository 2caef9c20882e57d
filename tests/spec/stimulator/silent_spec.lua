--- A stimulator that stops reading, its port open: no heap of commands waits for it.
local core = require "moonpulse.core"
local fixture = require "job"
local shell = require "shell"

local FIRE = "fe0103e2ff"

--- For how long the loop of a process has waited for the processor, in seconds; nil: it has ended.
local function waited_s(pid)
  local ns = (shell.read(("/proc/%d/schedstat"):format(pid)) or ""):match("^%d+ (%d+)")
  return ns and tonumber(ns) / 1e9
end

describe("a stimulator that stops reading", function()
  local folder, jobs

  fixture.each_test(function(...) folder, jobs = ... end)

  it("finds only the pulses of a short while when it reads again, and the run has stopped", function()
    local simulator_log = folder .. "/twin.tsv"
    shell.write(folder .. "/fast.lua", [[
local mp = require "moonpulse"
return mp.protocol { id = "fast", name = "Fast", plan = function()
  return mp.train { pulses = 200, hz = 20, intensity = mp.mso(40) }
end }]])
    local simulator = jobs:start("simulator", ("sim magventure --link %s/stim --log %s"):format(folder,
      simulator_log))
    simulator:says("stop it with")
    local run = jobs:start("run", ("run %s/fast.lua --device magventure --port %s/stim "
      .. "--timing host --tolerance 20 --late skip --beyond-guidelines test --approval none "
      .. "--out %s/runs"):format(folder, folder, folder))
    shell.await(function() return (shell.read(simulator_log) or ""):find("\tpulse\t", 1, true) end, "a pulse")
    local before_ns = core.clock_ns()
    local pid = run:pid()
    local before_s = waited_s(pid)
    local now_s = before_s
    simulator:signal("STOP")
    for _ = 1, 75 do
      core.wait(0.02)
      now_s = waited_s(pid) or now_s
    end
    simulator:signal("CONT")
    assert.are.equal(4, run:wait())
    assert.matches("pulse %d+ was not confirmed within 0.18 s", run:err())
    core.wait(0.3)
    local piled, last = 0, nil
    for _, row in ipairs(shell.rows(simulator_log)) do
      last = row
      if row.bytes == FIRE and tonumber(row.time) * 1e9 > before_ns + 1.4e9 then
        piled = piled + 1
      end
    end
    -- 0.18 s and the loop's 50 ms at 20 Hz, and what was on its way when it stopped: 6, and 12 without the
    -- limit. That counts up to where the loop has read its port: what it waited for the processor is added
    local most = math.ceil((0.18 + 0.05 + now_s - before_s) * 20) + 1
    assert.is_true(piled >= 1 and piled <= most, ("%d commands waited for it, not %d"):format(piled, most))
    assert.is_truthy(last)
  end)
end)
