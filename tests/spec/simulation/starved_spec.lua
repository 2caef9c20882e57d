-- A simulator on a port whose process has to wait for the processor, on a busy computer: what it reads late
-- was sent in time, and no pulse is refused for that; and nothing is answered before it was sent. Time is the
-- spec's own here.
local core = require "moonpulse.core"
local commands = require "moonpulse.devices.magventure".commands
local find = require "moonpulse.driver.find"
local serve = require "moonpulse.simulation.serve"

local model = find.simulator(assert(find.find "magventure"))

local MS = 1000000

--- A simulator that is armed at 40 %; waits(ms): so long its process now has waited before it runs again.
local function armed(measures)
  local waited_ns = 0
  local host = assert(serve.start(model, { waits = not measures and function() return waited_ns end or nil }))
  local start_ns = host.now_ns + 1000 * MS
  local function receive(bytes, at_ms, waited_ms)
    waited_ns = waited_ns + math.floor((waited_ms or 0) * MS)
    host:receive(bytes, start_ns + math.floor(at_ms * MS))
  end
  receive(commands.enable(), 0)
  receive(commands.set_amplitude { a = 40 }, 500)
  return host, receive
end

--- The pulses that it gives of these: { read at (ms), waited before (ms), how many commands at once }.
local function given(list)
  local host, receive <const> = armed()
  for _, each in ipairs(list) do
    receive(commands.fire():rep(each[3] or 1), 1000 + each[1], each[2])
  end
  host:close()
  return host.counts.pulse or 0, host.counts.ignored or 0
end

describe("a simulator that has to wait for the processor", function()
  it("gives pulses that came in time, however late it read some of them", function()
    -- 20 ms apart, as in a theta burst; it is charged after 10
    for late = 1, 400, 6 do
      local behind = math.ceil(late / 20) * 20 -- the next one that comes when it has read the late one
      assert.are.same({ 3, 0 }, { given { { late, late }, { behind, 0 }, { behind + 20, 0 } } }, late)
    end
  end)

  it("gives those that it reads at once when it had to wait for as long as they were apart", function()
    assert.are.same({ 2, 0 }, { given { { 25, 25, 2 } } })
    assert.are.same({ 4, 0 }, { given { { 65, 65, 3 }, { 80, 0 } } })
  end)

  it("knows when its log had to wait for the disk", function()
    local host, receive <const> = armed "by itself"
    host.log = { close = function() end, write = function()
      local from_ns = core.clock_ns()
      while core.clock_ns() - from_ns < 30 * MS do end
    end }
    for _, at_ms in ipairs { 0, 35, 40 } do -- 20 ms apart; the second came while the first was noted
      receive(commands.fire(), 1000 + at_ms, 0)
    end
    host:close()
    assert.are.same({ 3, 0 }, { host.counts.pulse or 0, host.counts.ignored or 0 })
  end)

  it("stamps and answers what it reads from when it reads it", function()
    local host, receive <const> = armed()
    local before, start_ns = #host.queue, host.now_ns
    receive(commands.fire(), 1040, 40) -- it may have come at 1000, or at 1040
    assert.is_true(host.now_ns - start_ns > 530 * MS)
    assert.is_true(host.queue[before + 1].at_ns > host.now_ns)
    host:close()
  end)

  it("refuses what really came too soon", function()
    assert.are.same({ 1, 1 }, { given { { 0 }, { 5 } } })
    assert.are.same({ 1, 1 }, { given { { 0, 0, 2 } } })
    assert.are.same({ 1, 1 }, { given { { 15, 0 }, { 20, 0 } } }) -- late for another reason: nothing tells
    assert.are.same({ 2, 1 }, { given { { 400, 400 }, { 420, 0 }, { 425, 0 } } }) -- it waited before, not now
  end)

  it("knows what it has waited", function()
    local host = assert(serve.start(model, {}))
    local before = host.waits()
    local spun = os.clock()
    while os.clock() - spun < 0.05 do end
    assert.is_true(host.waits() >= before)
    host:close()
  end)
end)
