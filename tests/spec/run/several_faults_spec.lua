-- One of several simulators that is told to go wrong (--fault left=KIND@N), in virtual time: what each saw,
-- and what the record, and whoever judges it, say of it.
local fixture = require "job"
local shell = require "shell"

local PAIR = [[
local mp = require "moonpulse"
local pair = mp.together { left = mp.pulse(mp.mso(40)), right = mp.rest(0.1) .. mp.pulse(mp.mso(50)) }
]]
local PLAN = PAIR .. [[
return mp.protocol { id = "two", name = "Two", plan = function() return pair:times(6, { every = 5 }) end }
]]
local SCRIPT = PAIR .. [[
return mp.experiment(function(run)
  local both = run:device()
  both:arm(pair)
  both:play(pair:times(6, { every = 5 }))
  both:disarm()
end)
]]

local simulated = "--speed max --device left=sim:magventure --device right=sim:rapid "

describe("a fault of one of several simulators", function()
  local folder

  fixture.each_test(function(...)
    folder = ...
    shell.write(folder .. "/plan.lua", PLAN)
    shell.write(folder .. "/script.lua", SCRIPT)
  end)

  local function run(what, more, name)
    local status, out, err = shell.moonpulse(folder, ("run %s/%s.lua %s%s --out %s/%s"):format(folder, what,
      simulated, more, folder, name))
    return fixture.run_in(folder .. "/" .. name), status, out, err
  end

  --- What one saw: its pulses, its faults, and what it did last of arming, firing and disarming.
  local function seen(path, place)
    local pulses, faults, last = 0, {}, nil
    for _, row in ipairs(shell.rows(("%s/%s/twin.tsv"):format(path, place))) do
      pulses = pulses + (row.event == "pulse" and 1 or 0)
      faults[#faults + 1] = row.event == "fault" and row or nil
      last = (row.event == "arm" or row.event == "disarm" or row.event == "pulse") and row.event or last
    end
    return pulses, #faults, last
  end

  for _, what in ipairs { "plan", "script" } do
    it("ends the run on all, is told and done again: a " .. what, function()
      local path, status, _, err = run(what, "--fault left=drop@3", "out")
      assert.are.equal(4, status, err)
      assert.matches("left: pulse 5 was not confirmed", err, 1, true)
      local pulses, faults, last = seen(path, "left")
      assert.are.same({ 3, 1, "disarm" }, { pulses, faults, last })
      pulses, faults, last = seen(path, "right")
      assert.are.same({ 0, "disarm" }, { faults, last })
      local rows, count = fixture.pulse_rows(path), { left = 0, right = 0 }
      for _, row in ipairs(rows) do
        count[row.channel] = count[row.channel] + (row.onset_sent_us ~= "n/a" and 1 or 0)
      end
      assert.are.same({ left = 3, right = pulses }, count)
      local devices = fixture.manifest(path).device.devices
      assert.are.same({ "drop@3", nil }, { devices[1].faults, devices[2].faults })
      local page = shell.read(path .. "/report.html")
      assert.matches("the simulator was told to go wrong: left: drop@3", page, 1, true)
      local _, words = shell.moonpulse(folder, "methods " .. path)
      assert.matches("asked to go wrong (left: drop@3)", (words:gsub("%s+", " ")), 1, true)
      local verified, why = shell.moonpulse(folder, "verify " .. path)
      assert.are.equal(0, verified, why)
      local again, out = shell.moonpulse(folder, ("rerun %s --out %s/again"):format(path, folder))
      assert.are.equal(0, again, out)
      assert.matches("\nSAME ", out)
      -- it went wrong again
      assert.are.equal(1, (select(2, seen(fixture.run_in(folder .. "/again"), "left"))))
    end)
  end

  it("that does not happen is said, by its device", function()
    local _, status, out = run("plan", "--fault left=drop@98 --fault right=drop@99", "out")
    assert.are.equal(0, status)
    assert.matches("the fault right=drop@99 did not happen", out, 1, true)
    assert.matches("the fault left=drop@98 did not happen", out, 1, true)
  end)

  it("is of a device that there is, and of several", function()
    local status, _, err = shell.moonpulse(folder, ("run %s/plan.lua --device sim --fault left=drop@1")
      :format(folder))
    assert.are.equal(2, status)
    assert.matches("names one of several devices: write --fault drop@1", err, 1, true)
    status, _, err = shell.moonpulse(folder, ("run %s/plan.lua %s--fault left=drap@1"):format(folder,
      simulated))
    assert.are.equal(2, status)
    assert.matches('"drap@1" is no fault', err, 1, true)
    for i = 1, 4 do -- whichever way a table lies
      status, _, err = shell.moonpulse(folder, ("run %s/plan.lua %s--device-option version=%d"):format(
        folder, simulated, i))
      assert.are.equal(2, status)
      assert.matches("Write NAME:KEY=VALUE, like left:version=" .. i, err, 1, true)
    end
  end)
end)
