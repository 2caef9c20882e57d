--- A simulator in a process of its own that is held up again and again: stopped (SIGSTOP), which Linux counts
--- as no waiting. What came in time is given, whenever it was read. No assertion knows how fast the computer
--- is.
local commands = require "moonpulse.devices.magventure".commands
local core = require "moonpulse.core"
local fixture = require "job"
local magventure = require "moonpulse.devices.magventure"
local shell = require "shell"

local MS = 1000000
local function nothing() end

describe("a simulator that is stopped and goes on", function()
  local folder, jobs

  fixture.each_test(function(...) folder, jobs = ... end)

  it("gives every pulse that was sent in time", function()
    local log = folder .. "/twin.tsv"
    local simulator = jobs:start("simulator", ("sim magventure --link %s/stim --log %s"):format(folder, log))
    simulator:says("stop it with")
    local session <close> = core.session { on_bytes = nothing, on_outcome = nothing, on_gone = nothing }
    assert(session:open(folder .. "/stim", magventure.serial))

    local function logs(pattern)
      shell.await(function() return (shell.read(log) or ""):find(pattern) end, pattern)
    end
    local written_ns = 0
    local function fire() -- 20 ms after the one before, by our clock; it is charged after 10
      while core.clock_ns() - written_ns < 20 * MS do
        core.wait(0.001)
      end
      assert(session:write(commands.fire()))
      written_ns = core.clock_ns()
    end

    assert(session:write(commands.enable()))
    logs "\tarm\t"
    assert(session:write(commands.set_amplitude { a = 40 }))
    logs "\tset\t"
    local count = 0
    for held_ms = 15, 60, 5 do
      simulator:signal("STOP")
      for _ = 1, held_ms % 2 + 1 do -- that it reads late: one, or two at once
        fire()
        count = count + 1
      end
      core.wait(held_ms / 1000)
      simulator:signal("CONT")
      fire() -- that it reads at once, soon after
      count = count + 1
    end
    shell.await(function()
      local pulses, ignored = 0, 0
      for _, row in ipairs(shell.rows(log)) do
        pulses = pulses + (row.event == "pulse" and 1 or 0)
        ignored = ignored + (row.event == "ignored" and 1 or 0)
      end
      assert.are.equal(0, ignored)
      return pulses == count
    end, count .. " pulses")
  end)
end)
