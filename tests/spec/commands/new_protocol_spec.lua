--- moonpulse new protocol: what it makes works as it is, and nothing is overwritten.
local shell = require "shell"

describe("moonpulse new protocol", function()
  local folder
  setup(function() folder = shell.folder() end)
  teardown(function() shell.remove(folder) end)

  local function moonpulse(text)
    local program = shell.absolute
    return shell.sh(folder, ("cd %s && %s %s"):format(shell.quote(folder), shell.quote(program), text))
  end

  it("makes a protocol and its spec, which pass", function()
    assert.are.equal(0, (moonpulse "new protocol mine"))
    local status, out = moonpulse "test ./mine_spec.lua --output TAP"
    assert.are.equal(0, status, out)
    assert.matches("ok 5", out, 1, true)
    status, out = moonpulse "run ./mine.lua --rmt 50 --speed max"
    assert.are.equal(0, status)
    assert.matches("400 of 400 pulses", out, 1, true)
    assert.are.equal(0, (moonpulse "check ./mine.lua --rmt 50"))
  end)

  it("fails its spec where the protocol is not the paper's any more", function()
    local text = shell.read(folder .. "/mine.lua")
    shell.write(folder .. "/mine.lua", (text:gsub("pulses = 20", "pulses = 21")))
    local status, out = moonpulse "test ./mine_spec.lua --output TAP"
    assert.are.equal(4, status)
    assert.matches("mine.lua has 420 pulses, not 400", out, 1, true)
  end)

  it("overwrites nothing, and takes no shipped id", function()
    local before = shell.read(folder .. "/mine.lua")
    local status, _, err = moonpulse "new protocol mine"
    assert.are.equal(2, status)
    assert.matches("mine.lua is there already: nothing was made", err, 1, true)
    assert.are.equal(before, shell.read(folder .. "/mine.lua"))
    status, _, err = moonpulse "new protocol itbs600"
    assert.are.equal(2, status)
    assert.matches("a shipped protocol has that id", err, 1, true)
  end)
end)
