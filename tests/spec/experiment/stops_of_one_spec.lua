-- A script that disarms one of its devices, in virtual time: what the other one's simulator saw.
local fixture = require "job"
local shell = require "shell"

local devices = "--device left=sim:rapid --device right=sim:magstim200 --speed max --seed 3 "
local head = [[
local mp = require "moonpulse"
return mp.experiment(function(run)
  local left, right, both = run:device "left", run:device "right", run:device()
  local pair = mp.together { left = mp.pulse(mp.mso(40)), right = mp.rest(mp.ms(8)) .. mp.pulse(mp.mso(50)) }
]]

describe("a script that disarms one of several devices", function()
  local folder

  fixture.each_test(function(...)
    folder = ...
  end)

  local function run(body)
    shell.write(folder .. "/script.lua", head .. body .. "end)\n")
    local status, out, err = shell.moonpulse(folder, ("run %s/script.lua %s --out %s/out"):format(folder,
      devices, folder))
    assert.are.same({ 0, "" }, { status, err })
    local path = fixture.run_in(folder .. "/out")
    local verified, said = shell.moonpulse(folder, "verify " .. path)
    assert.are.equal(0, verified, said)
    return path, out
  end

  --- How often a simulator was told something.
  local function count(path, place, event)
    local n = 0
    for _, row in ipairs(shell.rows(("%s/%s/twin.tsv"):format(path, place))) do
      n = n + (row.event == event and 1 or 0)
    end
    return n
  end

  --- Of the journal: which devices said that they are disarmed, in that order.
  local function left_of(path)
    local places = {}
    for line in shell.read(path .. "/journal.jsonl"):gmatch "[^\n]+" do
      places[#places + 1] = line:match '"kind":"disarm"' and line:match '"device":"(%w+)"' or nil
    end
    return places
  end

  it("asks the other one, too, where the script ends meanwhile", function()
    local path = run [[
  both:arm()
  run:spawn(function() run:sleep(1) left:disarm() end)
  run:sleep(1.0001)
]]
    assert.are.same({ "left", "right" }, left_of(path))
    assert.are.same({ 1, 1 }, { count(path, "left", "disarm"), count(path, "right", "disarm") })
    assert.is_true(fixture.manifest(path).result.disarmed)
  end)

  it("asks it where the run is stopped meanwhile, and arms it when it says so", function()
    local path, out = run [[
  both:arm()
  run:spawn(function() run:sleep(1) left:disarm() end)
  run:spawn(function() run:sleep(1.0001) run:stop "enough" end)
  pcall(run.sleep, run, 1.0002)
  right:arm()
  print("armed", left:armed(), right:armed())
  right:fire(mp.pulse(mp.mso(30)))
]]
    assert.matches("armed\tfalse\ttrue", out, 1, true)
    assert.are.same({ "left", "right", "right" }, left_of(path))
    assert.are.same({ 0, 1 }, { count(path, "left", "pulse"), count(path, "right", "pulse") })
  end)

  it("ends the plan that both play at once, and leaves both disarmed", function()
    local path, out = run [[
  both:arm(pair)
  local at
  run:spawn(function() run:sleep(11) at = run:now() left:disarm() print("returned", run:now() - at < 1.5) end)
  print("play", pcall(both.play, both, pair:times(10, { every = 5 })))
  print("ended", run:now() - at < 1.5, left:armed(), right:armed())
  right:arm()
  right:fire(mp.pulse(mp.mso(30)))
]]
    assert.matches("play\tfalse\t", out, 1, true)
    assert.matches("ended\ttrue\tfalse\tfalse", out, 1, true)
    assert.matches("returned\ttrue", out, 1, true)
    local given = count(path, "left", "pulse")
    assert.is_true(given >= 2 and given <= 3, tostring(given))
    assert.are.equal(given + 1, count(path, "right", "pulse"))
    assert.are.same({ "left", "right", "right" }, left_of(path))
  end)

  it("leaves the other one's own plan alone, and does not wait for it", function()
    local path, out = run [[
  both:arm()
  run:spawn(function()
    run:sleep(6)
    local at = run:now()
    left:disarm()
    print("returned", run:now() - at < 1.5, left:armed(), right:armed())
  end)
  right:play(mp.pulse(mp.mso(50)):times(4, { every = 5 }))
]]
    assert.matches("returned\ttrue\tfalse\ttrue", out, 1, true)
    assert.are.equal(4, count(path, "right", "pulse"))
    assert.are.same({ "left", "right" }, left_of(path))
  end)
end)
