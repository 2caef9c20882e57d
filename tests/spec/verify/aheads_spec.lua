-- A run that was killed while triggers started a plan may have pulses that its journal was not told of: so
-- many as were left, and no run that came to an end has any.
local aheads = require "moonpulse.verify.aheads"
local fixture = require "job"
local resealed = require "resealed"
local shell = require "shell"
local verify = require "moonpulse.verify"

local begin = { kind = "begin" }
local ahead = { kind = "ahead", count = 5, pulses = 3 }
local started = { kind = "play", triggered = true, pulses = 3 }

describe("the pulses that a journal was not told of", function()
  local folder
  fixture.each_test(function(...) folder = ... end)

  it("are those of the starts that were left when it was killed", function()
    local killed = { status = "interrupted" }
    assert.are.equal(15, aheads.untold(killed, { begin, ahead }))
    assert.are.equal(9, aheads.untold(killed, { begin, ahead, started, false, started }))
    assert.are.equal(0, aheads.untold(killed, { begin, ahead, started,
      { kind = "read", what = "on_trigger" } }))
    assert.are.equal(0, aheads.untold(killed, { begin, ahead, { kind = "end" } }))
  end)

  it("are none of a run that was not, whatever lines were taken away", function()
    for _, status in ipairs { "completed", "stopped", "aborted", "not run" } do
      assert.are.equal(0, aheads.untold({ status = status }, { begin, ahead, started }))
    end
    shell.write(folder .. "/made.lua", [[local mp = require "moonpulse"
      return mp.experiment(function(run)
        local stim = run:device()
        stim:arm()
        stim:on_trigger(mp.pulse(mp.mso(40)), { count = 4, refractory = 5, timeout = 40 })
        stim:disarm()
      end)]])
    shell.write(folder .. "/triggers", "1 port 7\n8 port 7\n15 port 7\n")
    local status, _, err = shell.moonpulse(folder, ("run %s/made.lua --speed max --triggers %s/triggers "
      .. "--beyond-guidelines test --approval none --out %s/out"):format(folder, folder, folder))
    assert.are.equal(0, status, err)
    local run = fixture.run_in(folder .. "/out")
    assert.are.equal("whole", assert(verify.folder(run, {})).verdict)
    resealed.edit(run, function(entries) -- the journal is cut behind the first start, and its rows are not
      local plays = 0
      for i, entry in ipairs(entries) do
        plays = plays + (entry.kind == "play" and 1 or 0)
        if plays == 2 then
          for last = #entries, i, -1 do
            table.remove(entries, last)
          end
          break
        end
      end
    end)
    local said = {}
    for i, each in ipairs(assert(verify.folder(run, {})).differs) do
      said[i] = each.text
    end
    assert.matches("it has 3 pulses, and the plans of journal.jsonl have 1", table.concat(said, "\n"), 1,
      true)
  end)
end)
