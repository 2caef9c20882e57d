-- A simulator on a port that reads late, on a busy computer: what it reads late was sent in time, and no
-- pulse is refused for that; and nothing is answered before it was sent. Time is the spec's own here.
local commands = require "moonpulse.devices.magventure".commands
local core = require "moonpulse.core"
local find = require "moonpulse.driver.find"
local magstim = require "magstim"
local serve = require "moonpulse.simulation.serve"

local model = find.simulator(assert(find.find "magventure"))

local MS = 1000000

--- A simulator that is armed at 40 %, and what hands it bytes that were read at_ms, empty_ms after its port
--- was found empty.
local function armed()
  local host = assert(serve.start(model, {}))
  local start_ns = host.now_ns + 1000 * MS
  local function receive(bytes, at_ms, empty_ms)
    local at_ns = start_ns + math.floor(at_ms * MS)
    host:receive(bytes, at_ns, at_ns - math.floor((empty_ms or 0) * MS))
  end
  receive(commands.enable(), 0)
  receive(commands.set_amplitude { a = 40 }, 500)
  return host, receive
end

--- The pulses that it gives of these: { read at (ms), so long after its port was found empty (ms), how many
--- commands at once }.
local function given(list)
  local host, receive <const> = armed()
  for _, each in ipairs(list) do
    receive(commands.fire():rep(each[3] or 1), 1000 + each[1], each[2])
  end
  host:close()
  return host.counts.pulse or 0, host.counts.ignored or 0
end

describe("a simulator that reads late", function()
  it("gives pulses that came in time, however late it read some of them", function()
    -- 20 ms apart, as in a theta burst; it is charged after 10
    for late = 1, 400, 6 do
      local behind = math.ceil(late / 20) * 20 -- the next one that comes when it has read the late one
      assert.are.same({ 3, 0 }, { given { { late, late }, { behind, 0 }, { behind + 20, 0 } } }, late)
    end
  end)

  it("gives those that it reads at once if they may have been as far apart", function()
    assert.are.same({ 2, 0 }, { given { { 25, 25, 2 } } })
    assert.are.same({ 4, 0 }, { given { { 65, 65, 3 }, { 80, 0 } } })
  end)

  it("stamps and answers what it reads from when it reads it", function()
    local host, receive <const> = armed()
    local before, start_ns = #host.queue, host.now_ns
    receive(commands.fire(), 1040, 40) -- it may have come at 1000, or at 1040
    assert.is_true(host.now_ns - start_ns > 530 * MS)
    assert.is_true(host.queue[before + 1].at_ns > host.now_ns)
    host:close()
  end)

  it("takes what lies at its trigger input before a setting that it reads: it was sent so", function()
    local host, receive <const> = armed()
    local said, lies = {}, "\2\0"
    host.note = function(_, log)
      for _, row in ipairs(log or {}) do
        said[#said + 1] = row.event .. " " .. (row.note or "")
      end
    end
    host.trigger_pty = { watch = function() end, close = function() end, look = function()
      local bytes, at_ns = lies, host.now_ns
      lies = nil
      return bytes, at_ns, bytes and at_ns - 100 * MS
    end }
    receive(commands.set_amplitude { a = 60 }, 1100, 100)
    host:close()
    assert.are.same({ "pulse 40 %", "set amplitude 60 %, 0 %" }, said)
  end)

  it("refuses what really came too soon", function()
    assert.are.same({ 1, 1 }, { given { { 0 }, { 5 } } })
    assert.are.same({ 1, 1 }, { given { { 0, 0, 2 } } })
    assert.are.same({ 1, 1 }, { given { { 15, 0 }, { 20, 0 } } })
    assert.are.same({ 1, 1 }, { given { { 15, 4 }, { 20, 0 } } }) -- not as late as they are too close
    assert.are.same({ 2, 1 }, { given { { 400, 400 }, { 420, 0 }, { 425, 0 } } }) -- late before, not now
  end)

  -- what is over when nothing comes: in doubt it came in time, and what surely did not come ends it
  local cases = {
    { device = "magventure", first = commands.fire():sub(1, 3), rest = commands.fire():sub(4),
      timeout_ms = 100, before = { commands.enable(), commands.set_amplitude { a = 40 } } },
    { device = "duomag", first = "\121", rest = "\121", timeout_ms = 100, before = { "\40\40" } },
    { device = "magstim200", first = magstim.frame "EH":sub(1, 2), rest = magstim.frame "EH":sub(3),
      timeout_ms = 100, every_ms = 500, before = { magstim.frame "Q@", magstim.frame "EB" } },
    { device = "magstim200", first = magstim.frame "Q@", rest = magstim.frame "EH", timeout_ms = 1000,
      every_ms = 500, before = { magstim.frame "Q@", magstim.frame "EB" } },
  }
  for i, case in ipairs(cases) do
    it(("gives what may have come in time, %d: %s"):format(i, case.device), function()
      for empty_ms, pulses in pairs { [60] = 1, [10] = 0 } do
        local host = assert(serve.start(find.simulator(assert(find.find(case.device))), {}))
        local at_ns = host.now_ns
        local function receive(bytes, after_ms, since_ms)
          at_ns = at_ns + after_ms * MS
          host:receive(bytes, at_ns, at_ns - since_ms * MS)
        end
        for _, bytes in ipairs(case.before) do
          receive(bytes, 500, 0)
        end
        for _ = 1, case.every_ms and 6 or 1 do
          receive(case.every_ms and magstim.frame "Q@" or "", case.every_ms or 3000, 0)
        end
        receive(case.first, 500, 0)
        receive(case.rest, case.timeout_ms + 40, empty_ms)
        assert.are.equal(pulses, host.counts.pulse or 0, empty_ms)
        host:close()
      end
    end)
  end

  it("ends a train of its own before the next one that was sent behind it", function()
    for second_ms, lost in pairs { [130] = 0, [60] = 1 } do -- sent 130 ms later, and 60: it takes 100
      local host = assert(serve.start(find.simulator(assert(find.find "stimjim")), {}))
      local at_ns = host.now_ns + MS
      host:receive("S0,0,3,10000,100000;1000,0,200\n", at_ns, at_ns)
      host:receive("T0\n", at_ns + 500 * MS, at_ns + 450 * MS) -- it may have come at 450
      host:receive("T0\n", at_ns + (450 + second_ms) * MS, at_ns + (450 + second_ms) * MS)
      assert.are.equal(lost, host.counts.error or 0, second_ms)
      assert.are.equal(lost == 0 and 11 or 3, host.counts.pulse, second_ms)
      host:close()
    end
  end)

  it("lets no time pass in which its port was not looked at", function()
    local clock_ns = core.clock_ns
    finally(function() core.clock_ns = clock_ns end)
    for looked_ms, is_armed in pairs { [900] = true, [1100] = false } do -- after 1 s it disarms
      local host = assert(serve.start(find.simulator(assert(find.find "magstim200")), {}))
      local at_ns = host.now_ns + MS
      for _, letters in ipairs { "Q@", "EB" } do
        host:receive(magstim.frame(letters), at_ns, at_ns)
      end
      local pty, heard_ns = host.pty, host.now_ns
      host.pty = { look = function() return nil, heard_ns + looked_ms * MS end, write = function() end }
      core.clock_ns = function() return heard_ns + 5000 * MS end
      host:step()
      assert.are.equal(is_armed, host.simulator:state().armed)
      core.clock_ns, host.pty = clock_ns, pty
      host:close()
    end
  end)
end)
