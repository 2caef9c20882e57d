local core = require "moonpulse.core"
local links = require "moonpulse.stimulator.link"

describe("a link", function()
  local clock_ns = core.clock_ns

  after_each(function()
    core.clock_ns = clock_ns
  end)

  it("sleeps to the end also where the time runs out between two looks at the clock", function()
    local link = links.new({ description = "a stimulator" }, {})
    local now_ns, looks = 0, 0
    core.clock_ns = function()
      looks = looks + 1
      now_ns = now_ns + 600000
      return now_ns
    end
    link:sleep(0.001)
    assert.is_true(looks >= 3, looks)
    assert.is_true(now_ns >= 600000 + 1000000, now_ns)
    link:close()
  end)
end)
