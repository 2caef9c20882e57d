-- What is said of a run's triggers when it is over.
local summed = require "moonpulse.experiment.triggers_summed"

describe("what became of a run's triggers", function()
  local none = { came = 0, taken = 0, passed_over = 0, before = 0, dropped = 0 }

  it("says where edges came from: not from the port of the bytes, and of its stream what there is", function()
    local stream = { summary = function() return "3 samples of the stream were no byte" end }
    assert.are.equal("0 trigger bytes came on lsl:M; 2 edges of a line taken by the script; "
      .. "3 samples of the stream were no byte",
      summed.all({ path = "lsl:M", edges = 2, stream = stream }, none))
    assert.are.equal("1 edge of a line taken by the script, from FILE",
      summed.all({ path = "FILE", entries = {}, edges = 1 }, none))
  end)
end)
