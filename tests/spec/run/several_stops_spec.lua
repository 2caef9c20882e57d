-- One stop stops several devices, in real time: what two simulators that somebody else runs saw.
local core = require "moonpulse.core"
local fixture = require "job"
local lfs = require "lfs"
local shell = require "shell"

local PLAN = [[
local mp = require "moonpulse"
return mp.protocol { id = "two", name = "Two", plan = function()
  return mp.together { left = mp.pulse(mp.mso(40)), right = mp.rest(0.3) .. mp.pulse(mp.mso(50)) }
    :times(30, { every = 0.6 })
end }
]]

describe("a stop of a run on several devices", function()
  local folder, jobs

  fixture.each_test(function(...)
    folder, jobs = ...
    shell.write(folder .. "/two.lua", PLAN)
  end)

  local function log_of(place)
    return shell.rows(("%s/%s.tsv"):format(folder, place))
  end

  --- What a simulator gave, and what it did last; both but for questions.
  local function seen(place)
    local pulses, last = 0, nil
    for _, row in ipairs(log_of(place)) do
      pulses = pulses + (row.event == "pulse" and 1 or 0)
      last = row.event ~= "get" and row.event ~= "fault" and row.event or last
    end
    return pulses, last
  end

  --- Start both simulators and the run, and wait until both have given two pulses.
  local function start(fault)
    for _, place in ipairs { "left", "right" } do
      local sim = jobs:start(place, ("sim magventure --link %s/%s --log %s/%s.tsv %s"):format(folder, place,
        folder, place, place == "right" and fault or ""))
      sim:says("simulated ")
    end
    local job = jobs:start("run", ("run %s/two.lua --rmt 60 --tolerance 500 --out %s/out --device "
      .. "left=magventure@%s/left --device right=magventure@%s/right"):format(folder, folder, folder, folder))
    shell.await(function()
      return job:ended() or seen "left" >= 2 and seen "right" >= 2
    end, "pulses of both")
    return job
  end

  local function await_safe()
    for _, place in ipairs { "left", "right" } do
      shell.await(function()
        local _, last = seen(place)
        return last == "disarm"
      end, "the disarming of " .. place)
    end
  end

  --- events.tsv has as many pulses of each as its simulator gave.
  local function check_rows(path)
    local count = { left = 0, right = 0 }
    for _, row in ipairs((fixture.pulse_rows(path))) do
      count[row.channel] = count[row.channel] + 1
    end
    assert.are.same({ left = (seen "left"), right = (seen "right") }, count)
  end

  it("by a signal leaves both safe, and gives neither another pulse", function()
    local job = start()
    job:signal("INT")
    assert.are.equal(5, (job:wait()))
    await_safe()
    local path = fixture.run_in(folder .. "/out")
    check_rows(path)
    assert.are.equal("signal", fixture.manifest(path).result.stop)
    assert.is_true(fixture.manifest(path).result.disarmed)
    assert.are.equal(0, (shell.moonpulse(folder, "verify " .. path)))
  end)

  it("is done again up to each simulator's last pulse", function()
    local job = jobs:start("run", ("run %s/two.lua --rmt 60 --speed 4 --seed 3 --out %s/out "
      .. "--device left=sim --device right=sim"):format(folder, folder))
    shell.await(function()
      local path = (shell.names(folder .. "/out") or {})[1] and fixture.run_in(folder .. "/out")
      local text = path and lfs.attributes(path .. "/events.tsv") and shell.read(path .. "/events.tsv") or ""
      return job:ended() or select(2, text:gsub("\n", "")) >= 5
    end, "pulses of both")
    job:signal("INT")
    assert.are.equal(5, (job:wait()))
    local path = fixture.run_in(folder .. "/out")
    local function again()
      return shell.moonpulse(folder, ("rerun %s --out %s/again"):format(path, folder))
    end
    local status, out = again()
    assert.are.equal(0, status, out)
    for _, place in ipairs { "left", "right" } do
      assert.matches("simulator +" .. place
        .. " was sent the same bytes %(%d+ commands, up to its last pulse", out)
    end
    local _, _, told = shell.moonpulse(folder, "resume " .. path)
    local command = told:match "moonpulse (run %S+/sources/two%.lua:two [^\n]*%-%-seed=3 [^\n]*)"
    local first = tonumber(command:match "%-%-from%-trial=(%d+)") -- each trial is a pulse of both
    local given = fixture.pulse_rows(path)
    assert.are.equal(math.ceil(#given / 2) + 1, first)
    assert.are.equal(0, (shell.moonpulse(folder, ("%s --speed=max --out %s/rest"):format(
      (command:gsub(" %-%-speed=%S+", "")), folder))))
    assert.are.equal(2 * (30 - first + 1), #(fixture.pulse_rows(fixture.run_in(folder .. "/rest"))))
    local kept = shell.read(path .. "/right/twin.tsv")
    local _, _, bytes = kept:find("\n[^\t\n]*\tset[^\t\n]*\t([^\t\n]+)")
    shell.write(path .. "/right/twin.tsv", (kept:gsub(bytes, "ff" .. bytes, 1)))
    fixture.seal(path)
    status, out = again()
    assert.are.equal(1, status)
    assert.matches("right was sent other bytes", out, 1, true)
  end)

  it("by a fault of one leaves both safe, says whose it was, and is a device's", function()
    local job = start("--fault drop@3")
    assert.are.equal(4, (job:wait()))
    await_safe()
    local path = fixture.run_in(folder .. "/out")
    local result = fixture.manifest(path).result
    assert.are.equal("silent", result.stop) -- seen by the thread that sends, as the next pulse is due
    assert.matches("^right: ", result.reason)
    assert.is_true(result.disarmed)
    check_rows(path)
    assert.are.same({ 4, 3 }, { (seen "left"), (seen "right") }) -- the left one's next came after that
    assert.are.equal(0, (shell.moonpulse(folder, "verify " .. path)))
  end)

  it("by a fault of one is done again, and judged up to each one's last pulse", function()
    shell.write(folder .. "/two.lua", (PLAN:gsub("left =.-:times", [[right = mp.pulse(mp.mso(50)),
      left = mp.rest(0.1) .. mp.pulse(mp.mso(40)) }:times]]):gsub("every = 0.6", "every = 1.2")))
    local job = start("--fault drop@3")
    assert.are.equal(4, (job:wait()))
    await_safe()
    local path = fixture.run_in(folder .. "/out")
    local pulses = fixture.pulse_rows(path)
    assert.are.same({ 6, "perhaps_sent", "delivered" }, { #pulses, pulses[5].status, pulses[6].status })
    local status, out = shell.moonpulse(folder, ("rerun %s --out %s/again"):format(path, folder))
    assert.are.equal(0, status, out)
    assert.matches("what is compared ends there, of right with pulse 3\n", out, 1, true)
    assert.matches("\nSAME ", out)
  end)

  it("by kill -9 leaves both safe, and a record that recover makes whole", function()
    local job = start()
    job:signal("KILL")
    job:wait()
    await_safe()
    core.wait(0.05)
    local path = fixture.run_in(folder .. "/out")
    assert.are.equal("running", fixture.manifest(path).status)
    local status, out = shell.moonpulse(folder, "recover " .. path)
    assert.are.equal(0, status)
    assert.is_nil(out:find("moonpulse resume", 1, true))
    check_rows(path)
    assert.are.equal("interrupted", fixture.manifest(path).status)
    assert.are.equal(0, (shell.moonpulse(folder, "verify " .. path)))
  end)

  it("by a foot switch at the port of one is one also where only the other one is armed", function()
    local with_modem, no_shim = require "shim".of "modem"
    if not with_modem then
      return pending(no_shim)
    end
    for place in ("left right"):gmatch "%a+" do
      jobs:start(place, ("sim magventure --link %s/%s --log %s/%s.tsv"):format(folder, place, folder, place))
        :says "simulated "
    end
    shell.write(folder .. "/one.lua", [[
local mp = require "moonpulse"
return mp.experiment(function(run)
  local right = run:device "right"
  right:arm()
  right:play(mp.pulse(mp.mso(40)):times(40, { every = 1 }))
end)
]])
    shell.write(folder .. "/lines", "")
    local ports = (" --device left=magventure@%s/left --device right=magventure@%s/right"):format(folder,
      folder)
    local job = jobs:start("run", ("run %s/one.lua --tolerance 500 --out %s/out --stop-line left=cts%s")
      :format(folder, folder, ports), ("%s MODEM_INPUT=%s/lines MODEM_PORT=%s/left"):format(with_modem,
      folder, folder))
    shell.await(function() return job:ended() or seen "right" >= 2 end, "pulses of the right one")
    shell.write(folder .. "/new", "C")
    assert(os.rename(folder .. "/new", folder .. "/lines"))
    assert.are.equal(5, (job:wait()), job:err())
    local result = fixture.manifest(fixture.run_in(folder .. "/out")).result
    assert.are.equal("line", result.stop)
    assert.are.equal("disarm", (select(2, seen "right")))
    assert.are.equal(0, (seen "left"))
    assert.is_true(seen "right" < 40)
    for stop_line, words in pairs { cts = "at which device's port is the switch? Write --stop-line left=cts",
      ["rigth=cts"] = "Write --stop-line left=cts", ["left=rts"] = "it is none, cts or dsr" } do
      local status, _, err = shell.moonpulse(folder, ("run %s/one.lua --stop-line %s%s"):format(folder,
        stop_line, ports))
      assert.are.equal(2, status)
      assert.matches(words, err, 1, true)
    end
    local status, _, err = shell.moonpulse(folder, ("run %s/one.lua --stop-line left=cts --device magventure "
      .. "--port %s/left"):format(folder, folder))
    assert.are.equal(2, status)
    assert.matches("names one of several devices", err, 1, true)
  end)
end)
