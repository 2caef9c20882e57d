-- An input-output curve of one of several devices: what that simulator was set to, against what its own
-- threshold and step make of the intensities.
local fixture = require "job"
local shell = require "shell"

local CURVE = [[
local mp = require "moonpulse"
return mp.experiment(function(run)
  local right = run:device "right"
  right:arm()
  for trial, intensity in run:recruitment { device = "PLACE", from = 80, to = 120, step = 10, of = "RMT",
    repeats = 2 } do
    right:fire(mp.pulse(mp.rmt(intensity)))
    trial:answer(2000 / (1 + math.exp((100 - trial.set) / 8)))
    run:sleep(5)
  end
end)
]]

describe("a curve of one of several devices", function()
  local folder

  fixture.each_test(function(...) folder = ... end)

  local function run(place)
    shell.write(folder .. "/curve.lua", (CURVE:gsub("PLACE", place)))
    return shell.moonpulse(folder, ("run %s/curve.lua --speed max --out %s/out --device left=sim:rapid "
      .. "--device right=sim:magstim200 --rmt left=40 --rmt right=52"):format(folder, folder))
  end

  it("has its threshold and its step, and is told by its name", function()
    local status, out, err = run "right"
    assert.are.equal(0, status, err)
    assert.matches("\n *[%d.]+ s  right: input%-output curve: MEPmax 2000 uV", out)
    local path = fixture.run_in(folder .. "/out")
    local curve = fixture.manifest(path).experiment.curves[1]
    assert.are.equal("right", curve.device)
    local strengths, wanted = {}, {}
    for _, row in ipairs(shell.rows(path .. "/right/twin.tsv")) do
      strengths[#strengths + 1] = row.event == "pulse" and tonumber(row.intensity) or nil
    end
    for i, trial in ipairs(curve.track) do
      local mso = math.floor(trial.intensity * 52 / 100 + 0.5) -- its step is 1 %MSO
      wanted[i] = mso
      assert.is_true(math.abs(trial.set - mso * 100 / 52) < 1e-6)
    end
    assert.are.equal(10, #wanted)
    assert.are.same(wanted, strengths)
    assert.matches("right: input-output curve", shell.read(path .. "/report.html"), 1, true)
    local _, words = shell.moonpulse(folder, "methods " .. path)
    assert.matches('An input-output curve was measured with the stimulator "right" at 5 intensities',
      (words:gsub("%s+", " ")), 1, true)
    status, out = shell.moonpulse(folder, "verify " .. path)
    assert.are.equal(0, status, out)
    status, out = shell.moonpulse(folder, ("rerun %s --out %s/again"):format(path, folder))
    assert.are.equal(0, status, out)
    assert.matches("\nSAME ", out)
  end)

  it("is of a device that there is", function()
    local status, _, err = run "middle"
    assert.are.equal(2, status)
    assert.matches('run:recruitment: no device is called "middle": the run has left, right', err, 1, true)
    shell.write(folder .. "/curve.lua", CURVE)
    status, _, err = shell.moonpulse(folder, ("run %s/curve.lua --speed max --rmt 40 --out %s/one"):format(
      folder, folder))
    assert.are.equal(2, status)
    assert.matches("the run has one device, which has no name", err, 1, true)
  end)
end)
