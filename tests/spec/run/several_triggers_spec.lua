-- Triggers of a run on several devices: what each simulator gave, against when the triggers came.
local fixture = require "job"
local shell = require "shell"

local PLAN = [[
local mp = require "moonpulse"
return mp.protocol { id = "pairs", name = "Pairs", plan = function()
  return mp.together { left = mp.pulse(mp.mso(40)), right = mp.rest(mp.ms(26)) .. mp.pulse(mp.mso(45)) }
end }
]]

local SCRIPT = [[
local mp = require "moonpulse"
return mp.experiment(function(run)
  local left, right, both = run:device "left", run:device "right", run:device()
  run:note "begun"
  right:arm()
  run:wait_trigger { byte = 6 }
  right:fire(mp.pulse(mp.mso(50)))
  right:disarm()
  local pair = mp.together { left = mp.pulse(mp.mso(40)), right = mp.rest(mp.ms(26)) .. mp.pulse(mp.mso(45)) }
  both:arm(pair)
  run:wait_trigger { byte = 7 }
  both:play(pair)
  both:disarm()
  left:arm()
  local single = mp.pulse(mp.mso(41))
  left:on_trigger(single, { byte = 8, count = 2, refractory = 1.1, timeout = 20 })
  left:disarm()
  local became = {}
  for i, each in ipairs(run:triggers()) do
    became[i] = each.byte .. each.became
  end
  run:note(table.concat(became, " "))
end)
]]

local simulated = "--device left=sim:rapid --device right=sim:duomag "
local latency_ns = { left = 5100000, right = 0 } -- docs/several-devices.md

local function ns_of(text)
  local whole, part = text:match "^(%d+)%.(%d+)$"
  return math.tointeger(tonumber(whole)) * 1000000000 + math.tointeger(tonumber(part))
end

describe("triggers of a run on several devices", function()
  local folder, jobs

  fixture.each_test(function(...)
    folder, jobs = ...
    shell.write(folder .. "/pairs.lua", PLAN)
    shell.write(folder .. "/script.lua", SCRIPT)
  end)

  --- When each simulator's pulses came out of the coil.
  local function onsets(path, place)
    local found = {}
    for _, row in ipairs(shell.rows(("%s/%s/twin.tsv"):format(path, place))) do
      found[#found + 1] = row.event == "pulse" and ns_of(row.time) + latency_ns[place] or nil
    end
    return found
  end

  local function judged(path)
    local status, out = shell.moonpulse(folder, "verify " .. path)
    assert.are.equal(0, status, out)
    status, out = shell.moonpulse(folder, ("rerun %s --out %s/again"):format(path, folder))
    assert.are.equal(0, status, out)
    assert.matches("\nSAME ", out)
  end

  it("start a plan on all of them at one instant, so long after", function()
    shell.write(folder .. "/triggers", "0.5 port 3\n7 port 5\n")
    local function started(delay)
      local status, out, err = shell.moonpulse(folder, ("run %s/pairs.lua --speed max --triggers %s/triggers "
        .. "--start-on byte=5,delay=%s %s--out %s/out%s"):format(folder, folder, delay, simulated, folder,
        delay))
      assert.are.equal(0, status, err)
      assert.matches("byte 5 came after", out, 1, true)
      local path = fixture.run_in(folder .. "/out" .. delay)
      judged(path)
      os.execute(("rm -rf %s/again"):format(folder))
      return onsets(path, "left"), onsets(path, "right")
    end
    local left, right = started "0.5"
    local left_later, right_later = started "0.75"
    assert.are.same({ 1, 1 }, { #left, #right })
    assert.are.equal(26000000, right[1] - left[1])
    assert.are.equal(250000000, left_later[1] - left[1]) -- what was before the trigger is the same
    assert.are.equal(250000000, right_later[1] - right[1])
  end)

  it("start a script, are waited for by it, and start plans of one device", function()
    shell.write(folder .. "/triggers", "0.5 port 3\n2 port 5\n6 port 6\n12 port 7\n18 port 8\n18.2 port 8\n"
      .. "19.5 port 8\n")
    local status, _, err = shell.moonpulse(folder, ("run %s/script.lua --speed max --triggers %s/triggers "
      .. "--start-on byte=5 %s--out %s/out"):format(folder, folder, simulated, folder))
    assert.are.equal(0, status, err)
    local path = fixture.run_in(folder .. "/out")
    local start_ns = 1000000000000 -- of a virtual clock
    local left, right = onsets(path, "left"), onsets(path, "right")
    assert.are.same({ 3, 2 }, { #left, #right })
    local marks = {}
    for _, row in ipairs(shell.rows(path .. "/events.tsv")) do
      if row.event == "mark" then
        marks[row.reply] = row.onset
        marks[#marks + 1] = row.reply
      end
    end
    assert.are.equal("2.000000000", marks["trigger: byte 5 starts the run"])
    assert.are.equal("2.000000000", marks.begun)
    assert.are.equal("6.000000000", marks["trigger: byte 6"])
    assert.are.equal("12.000000000", marks["trigger: byte 7"])
    assert.are.equal("3passed_over 5taken 6taken 7taken 8starts 8refractory 8starts", marks[#marks]:gsub(
      "unheard", "passed_over"), table.concat(marks, "\n"))
    assert.is_true(right[1] > start_ns + 6000000000 and right[1] < start_ns + 12000000000)
    assert.is_true(left[1] > start_ns + 12000000000)
    assert.are.equal(26000000, right[2] - left[1])
    assert.are.equal(1500000000, left[3] - left[2]) -- as the triggers that started them
    judged(path)
  end)

  it("are waited for while all are armed, in real time, and a stop meanwhile leaves both safe", function()
    local port = jobs:port()
    local function start(name)
      local job = jobs:start(name, ("run %s/pairs.lua --tolerance 1000 --trigger-in %s --start-on byte=5 %s"
        .. "--out %s/%s"):format(folder, port:path(), simulated, folder, name))
      job:says "waiting"
      return job
    end
    local job = start "stopped"
    job:signal "INT"
    assert.are.equal(5, (job:wait()))
    local path = fixture.run_in(folder .. "/stopped")
    for _, place in ipairs { "left", "right" } do
      local armed
      for _, row in ipairs(shell.rows(("%s/%s/twin.tsv"):format(path, place))) do
        armed = row.event == "arm" or row.event ~= "disarm" and armed
        assert.is_true(row.event ~= "pulse")
      end
      assert.is_falsy(armed, place)
    end
    assert.matches("\tarm\t.*\tdisarm\t", shell.read(path .. "/left/twin.tsv")) -- it was armed meanwhile
    assert.are.equal("signal", fixture.manifest(path).result.stop)
    job = start "given"
    port:write "\3\5"
    assert.are.equal(0, (job:wait()), job:err())
    path = fixture.run_in(folder .. "/given")
    assert.are.same({ 1, 1 }, { #onsets(path, "left"), #onsets(path, "right") })
    assert.are.same({ 5, 1 }, { fixture.manifest(path).start.byte, fixture.manifest(path).start.passed_over })
    assert.are.equal(0, (shell.moonpulse(folder, "verify " .. path)))
  end)
end)
