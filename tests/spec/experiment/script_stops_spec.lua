-- One stop stops all devices of a script, in real time: what two simulators that somebody else runs saw.
local core = require "moonpulse.core"
local fixture = require "job"
local shell = require "shell"

local SCRIPT = [[
local mp = require "moonpulse"
return mp.experiment(function(run)
  local both, left = run:device(), run:device "left"
  local pair = mp.together { left = mp.pulse(mp.mso(40)), right = mp.rest(0.3) .. mp.pulse(mp.mso(50)) }
  both:arm(pair)
  both:play(pair:times(2, { every = 1.2 }))
  run:mark "left alone"
  left:play(mp.pulse(mp.mso(40)):times(10, { every = 0.6 }))
end)
]]

describe("a stop of a script on several devices", function()
  local folder, jobs

  fixture.each_test(function(...)
    folder, jobs = ...
    shell.write(folder .. "/two.lua", SCRIPT)
  end)

  --- What a simulator gave, and what it did last; both but for questions.
  local function seen(place)
    local pulses, last = 0, nil
    for _, row in ipairs(shell.rows(("%s/%s.tsv"):format(folder, place))) do
      pulses = pulses + (row.event == "pulse" and 1 or 0)
      last = row.event ~= "get" and row.event ~= "fault" and row.event or last
    end
    return pulses, last
  end

  --- Start both simulators and the run, and wait until the left one gives its second plan.
  local function start(right, faults)
    local sims = {}
    right = right or "magventure"
    for place, driver in pairs { left = "magventure", right = right } do
      -- a port has no name of a device: what names one is the run's own words
      sims[place] = jobs:start(place, ("sim %s --link %s/port_%s --log %s/%s.tsv%s"):format(driver, folder,
        place:sub(1, 1), folder, place, faults and faults[place] or ""))
      sims[place]:says("simulated ")
    end
    local job = jobs:start("run", ("run %s/two.lua --rmt 60 --tolerance 500 --out %s/out --device "
      .. "left=magventure@%s/port_l --device right=%s@%s/port_r"):format(folder, folder, folder, right,
      folder))
    shell.await(function() return job:ended() or seen "left" >= 3 end, "the second plan")
    return job, sims
  end

  local function await_safe(...)
    for _, place in ipairs { ... } do
      shell.await(function()
        local _, last = seen(place)
        return last == "disarm"
      end, "the disarming of " .. place)
    end
  end

  --- events.tsv has as many pulses of each as its simulator gave, numbered through.
  local function check_rows(path)
    local count = { left = 0, right = 0 }
    for i, row in ipairs((fixture.pulse_rows(path))) do
      count[row.channel] = count[row.channel] + 1
      assert.are.equal(tostring(i), row.pulse)
    end
    assert.are.same({ left = (seen "left"), right = (seen "right") }, count)
    assert.are.equal(2, count.right)
  end

  it("by a signal leaves both safe, also the one that nothing is played on", function()
    local job = start()
    job:signal("INT")
    assert.are.equal(5, (job:wait()))
    await_safe("left", "right")
    local path = fixture.run_in(folder .. "/out")
    check_rows(path)
    assert.are.equal("signal", fixture.manifest(path).result.stop)
    assert.is_true(fixture.manifest(path).result.disarmed)
    local status, out = shell.moonpulse(folder, "verify " .. path)
    assert.are.equal(0, status, out)
    local again
    status, again = shell.moonpulse(folder, ("rerun %s --out %s/again"):format(path, folder))
    assert.are.equal(0, status, again)
  end)

  it("by the loss of the one that nothing is played on ends the other's plan, and names it", function()
    local job, sims = start()
    sims.right:signal("KILL")
    assert.are.equal(4, (job:wait()))
    await_safe "left"
    local given = seen "left"
    local path = fixture.run_in(folder .. "/out")
    local result = fixture.manifest(path).result
    assert.are.equal("gone", result.stop)
    assert.matches("^right: ", result.reason)
    core.wait(0.6)
    assert.are.equal(given, (seen "left"))
    check_rows(path)
  end)

  it("by the silence of the one that nothing is played on ends the other's plan, too", function()
    local job, sims = start "rapid"
    sims.right:signal("STOP") -- its keep-alives are not answered
    assert.are.equal(4, (job:wait()))
    sims.right:signal("CONT")
    await_safe "left"
    local given = seen "left"
    assert.is_true(given < 12, tostring(given))
    local path = fixture.run_in(folder .. "/out")
    local result = fixture.manifest(path).result
    assert.matches("^right: ", result.reason)
    assert.matches("NOT CONFIRMED SAFE: right", result.reason, 1, true)
  end)

  it("by a pulse that one does not confirm names that one", function()
    local job = start(nil, { left = " --fault drop@3" })
    assert.are.equal(4, (job:wait()))
    await_safe("left", "right")
    local result = fixture.manifest(fixture.run_in(folder .. "/out")).result
    assert.matches("^left: pulse 5 was not confirmed", result.reason)
  end)

  --- How many pulses the flight record of a device says were sent: of a copy, since the run holds its own.
  local function stored(path, place)
    local copy, count = folder .. "/copy.bin", 0
    shell.write(copy, shell.read(("%s/%s/flight.bin"):format(path, place)))
    local reader <close> = assert(core.flight_read(copy))
    for entry in reader.next, reader do
      count = count + (entry.kind == "sent" and entry.send == "pulse" and 1 or 0)
    end
    return count
  end

  it("by kill -9 leaves both safe, and a record that recover makes whole", function()
    local job = start()
    local path = fixture.run_in(folder .. "/out")
    -- a simulator may have a pulse before the sender has stored that its write returned
    shell.await(function() return stored(path, "left") >= 3 and stored(path, "right") == 2 end,
      "what the sender stores")
    job:signal("KILL")
    job:wait()
    await_safe("left", "right")
    core.wait(0.05)
    assert.are.equal("running", fixture.manifest(path).status)
    local status, out = shell.moonpulse(folder, "recover " .. path)
    assert.are.equal(0, status, out)
    assert.is_nil(out:find("nobody knows", 1, true))
    check_rows(path)
    assert.are.equal("interrupted", fixture.manifest(path).status)
    assert.are.equal(0, (shell.moonpulse(folder, "verify " .. path)))
  end)
end)
