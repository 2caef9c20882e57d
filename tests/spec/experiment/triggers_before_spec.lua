-- The triggers of the runs before, from a journal that may be somebody else's.
local logs = require "moonpulse.experiment.trigger_log"
local pasts = require "moonpulse.experiment.past"

describe("triggers of the runs before", function()
  --- What a journal's line says, in the log of the run that goes on; nil: it says of none.
  local function log_of(triggers)
    local past = pasts.of { { kind = "before", what = "end", then_ns = 5, triggers = triggers } }
    local log = logs.new()
    if past.triggers then
      log:had(past.triggers, 0)
    end
    return past.triggers and log
  end

  it("count as they came, however many one line has", function()
    local log = log_of { gone = { ["3"] = 7 }, list = { { at_ns = 1, byte = 3, count = 9000000000000000,
      heard = "busy" }, { at_ns = 2, byte = 4 }, { at_ns = 3, line = "cts", edge = "rising" } } }
    assert.are.equal(9000000000000007, log:count(3))
    assert.are.equal(1, log:count(4))
    assert.are.equal(9000000000000008, log:count())
  end)

  it("are none where the line makes no sense", function()
    for _, triggers in ipairs { 1, "x", {}, { list = 5 }, { list = {}, gone = { ["1"] = 5 } },
      { list = { 1, { at_ns = 0, byte = 300 }, { byte = 3 }, { at_ns = 0 } }, gone = "y" } } do
      assert.is_nil(log_of(triggers))
    end
    local log = log_of { list = { { at_ns = 0, byte = 3, count = -4, heard = 7 } }, gone = { x = "y" } }
    assert.are.equal(1, log:count())
  end)
end)
