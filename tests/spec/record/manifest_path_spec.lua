-- A path through a manifest.
local cjson = require "cjson.safe"
local record = require "moonpulse.record.read"

describe("moonpulse.record.read", function()
  it("follows paths through a manifest and stops at null", function()
    local m = cjson.decode '{"a":{"b":0,"c":null,"d":false}}'
    assert.equal(0, record.get(m, "a.b"))
    assert.is_nil(record.get(m, "a.c"))
    assert.is_false(record.get(m, "a.d"))
    assert.is_nil(record.get(m, "a.b.c.d"))
  end)
end)
