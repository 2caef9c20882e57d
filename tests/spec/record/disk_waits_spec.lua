-- Which file a disk took long for: it is blamed for a stop if it was the disk, and nothing has gone on since.
local core = require "moonpulse.core"

describe("a file of the record that takes long", function()
  after_each(function() core.wait(0.001) end)

  --- As a record writes a file, while work() is done.
  local function written(work)
    core.disk "sources"
    work()
    core.disk()
    return core.hung_file()
  end

  it("is the disk's fault where we slept for it, and not where we computed or got no processor", function()
    assert.is_nil(written(function()
      local until_ns = core.clock_ns() + 600000000
      while core.clock_ns() < until_ns do end
    end))
    assert.are.equal("/sources", written(function() os.execute "sleep 0.6" end))
  end)

  it("is forgotten once we have gone on", function()
    assert.are.equal("/sources", written(function() os.execute "sleep 0.6" end))
    core.wait(0.001)
    assert.is_nil(core.hung_file())
  end)
end)
