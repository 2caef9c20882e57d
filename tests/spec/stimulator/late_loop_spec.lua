-- The loop comes back late: a script that held it up, a computer with too much to do. What came meanwhile is
-- heard before anybody is judged, and the time in which nobody listened is nobody's silence.
local core = require "moonpulse.core"
local devices = require "moonpulse.driver.find"
local fixture = require "job"
local inside = require "moonpulse.run.inside"
local judges = require "moonpulse.explore.judge"
local links = require "moonpulse.stimulator.link"
local mp = require "moonpulse"
local records = require "moonpulse.record"
local shell = require "shell"

describe("a loop that comes back late", function()
  local folder, jobs

  fixture.each_test(function(...) folder, jobs = ... end)

  local function nothing() end

  --- A run in virtual time whose loop has no turn now and then: how it ended, what its record has.
  ---@param name string the device
  ---@param seed integer
  ---@param most_ms integer for which it has no turn
  ---@param pace { every: number, pulses: integer, timing: string, between_ms: integer }
  local function stalled_run(name, seed, most_ms, pace)
    local driver, draws = devices.configure(assert(devices.find(name)), {}), seed
    local function drawn(low, high)
      draws = (draws * 1103515245 + 12345) & 0x7fffffff
      return low + (draws >> 8) % (high - low + 1)
    end
    local plan = mp.train { pulses = pace.pulses, every = pace.every, intensity = mp.mso(30) }
    local names = driver.limits(nil).channel_names
    local job = { plan = names and plan:at(names[1]) or plan, seed = 1, driver = driver, thresholds = {},
      tolerance = 5, late = "abort", stop_line = "none", timing = pace.timing, policy = { real = false } }
    local record = assert(records.create(folder, name .. seed))
    local stalls = {}
    local outcome = inside.run(job, record, "max", { prepared = nothing, armed = nothing, progress = nothing,
      connected = function()
        local at_ms = 0
        for i = 1, 12 do
          at_ms = at_ms + drawn(1, pace.between_ms)
          local for_ms = drawn(1, most_ms)
          stalls[i] = ("%d ms for %d ms"):format(at_ms, for_ms)
          local from_ns = core.clock_ns() + at_ms * 1000000
          core.stall("loop", from_ns, from_ns + for_ms * 1000000)
          at_ms = at_ms + for_ms
        end
      end })
    record:close()
    return outcome, record, driver.confirms ~= false, table.concat(stalls, ", ")
  end

  --- Runs of so many seeds end as on a computer that is idle.
  local function assert_sound(name, seeds, most_ms, pace)
    for seed = 1, seeds do
      local outcome, record, confirms, stalls = stalled_run(name, seed, most_ms, pace)
      local words = ("%d: stalled at %s: %s"):format(seed, stalls,
        tostring(outcome.fault or outcome.not_disarmed))
      assert.are.same({ "finished", true, pace.pulses, confirms and pace.pulses or 0 }, { outcome.stop,
        outcome.disarmed, record.pulses_sent, record.pulses_confirmed }, words)
      assert.is_nil(outcome.fault, words)
    end
  end

  for _, name in ipairs(devices.names) do
    it("ends no run on a sound device, whenever and for how long it was away: " .. name, function()
      assert_sound(name, 12, 2500, { every = 5, pulses = 5, timing = "host", between_ms = 2500 })
    end)
  end

  -- several pulses were sent before it comes back: all their confirmations are read then
  for _, case in ipairs { { "magventure", 0.15 }, { "magventure", 0.25 }, { "magventure", 0.5 },
    { "magventure", 0.05, "device" }, { "magventure", 0.5, "device" }, { "stimjim", 0.25 }, { "rapid", 1.1 },
    { "stimjim", 0.05, "device" }, { "rapid", 0.1, "device" } } do
    local name, every, timing = case[1], case[2], case[3] or "host"
    it(("confirms each pulse whose reply came meanwhile: %s, %g s, by the %s"):format(name, every, timing),
      function()
        assert_sound(name, 20, 700, { every = every, pulses = 12, timing = timing, between_ms = 500 })
      end)
  end

  it("names the pulses that a late reply left in doubt, and none where the reply came in time", function()
    shell.write(folder .. "/row.lua", 'local mp = require "moonpulse"\nreturn mp.protocol { id = "row",'
      .. ' name = "Row", plan = function() return mp.train { pulses = 12, every = 0.3, '
      .. 'intensity = mp.mso(40) } end }')
    local words = "6 pulses, from pulse 2 on, were sent, and no answer came that is surely theirs"
    for fault, in_doubt in pairs { ["delay@2"] = true, ["split@2"] = false } do
      local out = folder .. "/" .. fault
      local job = jobs:start("run" .. fault:sub(1, 1), ("run %s/row.lua --device sim:stimjim --speed max "
        .. "--timing host --fault %s --out %s"):format(folder, fault, out))
      assert.are.equal(0, job:wait(), job:err())
      local result = fixture.manifest(fixture.run_in(out)).result
      assert.are.same({ 12, in_doubt and 6 or 12 }, { result.pulses_sent, result.pulses_confirmed }, fault)
      assert.are.equal(in_doubt, job:out():find(words, 1, true) ~= nil, job:out())
      assert.are.equal(in_doubt, job:out():find("surely", 1, true) ~= nil, job:out())
    end
  end)

  it("names a device that is silent amid its own train, though it is away again and again", function()
    local judge = judges.new(folder)
    local troubles = { { what = "device", kind = "half-open", at = 6 } }
    for i = 1, 14 do -- 0.4 s of each 0.45 s
      troubles[i + 1] = { what = "clock", kind = "stall", who = "loop", at_s = 1.5 + 0.45 * i, for_ms = 400 }
    end
    local train = { kind = "train", pulses = 60, value = 30, ref = "MSO", hz = { 10, 1 } }
    local broken, run = judges.judge(judge, { seed = 5, kind = "protocol", device = "rapid",
      timing = "device", late = "abort", tolerance_ms = 5, flight = true, troubles = troubles,
      plan = { parts = { train } } }, { recover = false })
    assert.is_nil(broken[1], broken[1] and broken[1].name .. ": " .. broken[1].why)
    assert.are.equal(4, run.status, run.message)
    -- the question that is not answered is asked half a second later; 0.3 s are what the answer may take
    local silent_s = tonumber(run.message:match("has been silent for ([%d.]+) s"))
    assert.is_true(silent_s and silent_s <= 0.8 + 1 + 0.45, run.message)
  end)

  -- a device in a process of its own that answers after 0.3 s, and a loop that is away from 0 to 0.6 s
  local slow = [[
    local core = require "moonpulse.core"
    core.run(function()
      local pty
      pty = core.pty(%q, function(bytes)
        core.spawn(function()
          core.wait(0.3)
          pty:write(bytes:upper())
        end)
      end)
      print "ready"
      io.stdout:flush()
      core.wait(30)
    end)]]

  it("finds an answer that came while it was away, though the time for it was over", function()
    shell.write(folder .. "/slow.lua", slow:format(folder .. "/port"))
    jobs:start("slow", "lua " .. folder .. "/slow.lua"):says "ready"
    local link <close> = links.new({ description = "a slow box", serial = require(
      "moonpulse.devices.magventure").serial, decode = function(bytes) return { name = bytes }, #bytes end },
      { reply = nothing, outcome = nothing, gone = nothing })
    link:open(folder .. "/port")
    core.spawn(function() os.execute "sleep 0.6" end)
    local found, problem = pcall(link.transact, link, "a", "A", 0.2)
    assert.is_true(found, not found and problem.message)
    -- and one that does not answer is named when its time is over
    local from_ns = core.clock_ns()
    assert.is_false((pcall(link.transact, link, "b", "nothing", 0.1)))
    assert.is_true(core.clock_ns() - from_ns - core.missed_ns(from_ns) >= 100000000)
  end)

  it("knows for how long it was away", function()
    local from_ns = core.clock_ns()
    core.spawn(function() os.execute "sleep 0.3" end)
    core.wait(0.1)
    local missed_ns = core.missed_ns(from_ns)
    assert.is_true(missed_ns >= 190000000 and missed_ns <= core.clock_ns() - from_ns - 100000000, missed_ns)
    assert.are.equal(0, core.missed_ns(core.clock_ns()))
  end)
end)
