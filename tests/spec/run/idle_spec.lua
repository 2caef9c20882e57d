-- A run that waits leaves the processor to others: no thread of it looks at the clock all the time. (The
-- specs' clock does not tell: tests/rig/calm_shim.c.)
local shell = require "shell"

describe("a run", function()
  local folder

  before_each(function() folder = shell.folder() end)
  after_each(function() shell.remove(folder) end)

  --- The seconds of the processor that a run of so many pulses, one a second, took.
  local function worked(pulses)
    shell.write(folder .. "/made.lua", ([[local mp = require "moonpulse"
      return mp.protocol { id = "made", name = "Made", plan = function()
        return mp.train { pulses = %d, every = 1, intensity = mp.mso(40) } end }]]):format(pulses))
    local status, out, err = shell.sh(folder, ("cd %s\n%s run made.lua --tolerance 1000 --late skip "
      .. "--out runs >told || exit\ntimes"):format(folder, shell.quote(shell.absolute)))
    assert.are.equal(0, status, err)
    local minutes, seconds, more, other = out:match "\n(%d+)m([%d.]+)s (%d+)m([%d.]+)s\n$"
    return 60 * (minutes + more) + seconds + other
  end

  it("that waits for seconds between its pulses works for a small part of them", function()
    local short = worked(1)
    local long = worked(6)
    assert.is_true(long - short < 5 / 5, ("%g s of 5 s more"):format(long - short))
  end)
end)
