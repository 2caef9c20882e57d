--- Where a participant is in each schedule that their runs have: every one of them once, the latest first.
local upcoming = require "moonpulse.safety.upcoming"

local now = os.time { year = 2026, month = 11, day = 25, hour = 15, min = 0, sec = 0 }

--- A run that ended so many seconds ago, of a shipped protocol; its folder is not there.
local function run(path, protocol, ago)
  return { path = "/no/" .. path, protocol = protocol, at = now - ago - 600, ended = now - ago,
    pulses = 1800 }
end

local function ids_of(runs)
  local ids = {}
  for i, schedule in ipairs(upcoming.of({ runs = runs, day = 0, week = 0 }, nil, now)) do
    ids[i] = schedule.protocol.id
  end
  return ids
end

describe("the schedules of a participant", function()
  it("are there after one run, and once after several", function()
    assert.are.same({ "saint" }, ids_of { run("a", "saint", 3600) })
    assert.are.same({ "saint" }, ids_of { run("a", "saint", 3600), run("b", "saint", 7200) })
  end)

  it("are of protocols with one: a run that names none has none", function()
    assert.are.same({ "saint" }, ids_of { run("a", nil, 60), run("b", "saint", 3600),
      run("c", "single_pulse", 9) })
    assert.are.same({}, ids_of { run("a", nil, 60) })
  end)

  it("are told whatever number of runs began at one second, in whatever order they are read", function()
    for count = 2, 40 do
      local rising, falling = {}, {}
      for i = 1, count do
        rising[i] = run(("%03d"):format(i), "saint", 3600)
        falling[count + 1 - i] = rising[i]
      end
      assert.are.same({ "saint" }, ids_of(rising))
      assert.are.same({ "saint" }, ids_of(falling))
    end
  end)
end)
