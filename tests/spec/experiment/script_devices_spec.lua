-- A script that drives two devices, in virtual time: what each simulator saw, against what is computed here.
local cjson = require "cjson"
local fixture = require "job"
local shell = require "shell"

local SIDES = [[
local mp = require "moonpulse"
return mp.experiment { name = "Two sides", run = function(run)
  local left, right, both = run:device "left", run:device "right", run:device()
  left:arm()
  left:fire(mp.pulse(mp.rmt(110)):label "alone")
  left:disarm()
  right:arm()
  run:mark "the right one"
  right:fire(mp.pulse(mp.rmt(100)):label "alone")
  right:disarm()
  local test = mp.rest(mp.ms(8.25)) .. mp.pulse(mp.rmt(120))
  local pair = mp.together { left = mp.pulse(mp.rmt(90)), right = test }
  both:arm(pair)
  both:play(pair:label "both":times(3, { every = 5 }))
  run:sleep(5)
  right:fire(mp.pulse(mp.rmt(120)):label "after")
  both:disarm()
end }
]]

local both = "--device left=sim:rapid --device right=sim:magstim200 --rmt left=48 --rmt right=52 "
local latency_ns = { left = 5100000, right = 8400000 } -- docs/several-devices.md

local function ns_of(text)
  local whole, part = text:match("^(%d+)%.(%d+)$")
  return tonumber(whole) * 1000000000 + math.tointeger(tonumber((part .. "000000000"):sub(1, 9)))
end

describe("a script on several devices", function()
  local folder

  fixture.each_test(function(...)
    folder = ...
  end)

  local function run(script, arguments, name)
    name = name or "out"
    shell.write(folder .. "/script.lua", script)
    local status, out, err = shell.moonpulse(folder, ("run %s/script.lua --speed max --seed 7 --out %s/%s %s")
      :format(folder, folder, name, arguments or both))
    return (shell.names(folder .. "/" .. name) or {})[1] and fixture.run_in(folder .. "/" .. name), status,
      out, err
  end

  --- What a simulator was told: when its pulses came out of the coil, how strong, and when it was armed.
  local function seen(path, place)
    local found = { onsets = {}, strengths = {}, armed = {}, disarmed = {} }
    for _, row in ipairs(shell.rows(("%s/%s/twin.tsv"):format(path, place))) do
      local at_ns = ns_of(row.time)
      if row.event == "pulse" then
        table.insert(found.onsets, at_ns + latency_ns[place])
        table.insert(found.strengths, row.intensity)
      elseif row.event == "arm" or row.event == "disarm" then
        table.insert(found[row.event .. "ed"], at_ns)
      end
    end
    return found
  end

  it("passes marks on one that is armed, whichever that is", function()
    local path, status, _, err = run([[
local mp = require "moonpulse"
return mp.experiment(function(run)
  local right, all = run:device "right", run:device()
  right:arm()
  all:play(mp.mark "catch")
  right:fire(mp.pulse(mp.mso(40)))
end)]])
    assert.are.same({ 0, "" }, { status, err })
    local order = {}
    for _, row in ipairs(shell.rows(path .. "/events.tsv")) do
      order[#order + 1] = row.event == "pulse" and "pulse" or row.reply == "catch" and "catch" or nil
    end
    assert.are.same({ "catch", "pulse" }, order)
    assert.are.same({ "40" }, seen(path, "right").strengths)
    assert.are.equal(0, (shell.moonpulse(folder, "verify " .. path)))
  end)

  it("arms and plays on each, and keeps a plan's timing on both to the nanosecond", function()
    local path, status, _, err = run(SIDES)
    assert.are.same({ 0, "" }, { status, err })
    local left, right = seen(path, "left"), seen(path, "right")
    -- 110 and 90 % of 48, 100 and 120 % of 52, in whole %MSO
    assert.are.same({ "53", "43", "43", "43" }, left.strengths)
    assert.are.same({ "52", "62", "62", "62", "62" }, right.strengths)
    for k = 1, 3 do
      assert.are.equal(8250000, right.onsets[k + 1] - left.onsets[k + 1])
      assert.are.equal((k - 1) * 5000000000, left.onsets[k + 1] - left.onsets[2])
    end
    assert.is_true(left.disarmed[1] < right.armed[1]) -- one at a time, until the script says both
    assert.is_true(right.disarmed[1] < left.armed[2])
    assert.is_true(right.onsets[1] > left.onsets[1] and right.onsets[1] < left.armed[2])
    assert.are.same({ 2, 2 }, { #left.armed, #right.armed })
  end)

  it("leaves one record of all, numbered through, which verify, rerun, recover and methods know", function()
    local path = run(SIDES)
    local rows, places, trials = fixture.pulse_rows(path), {}, {}
    for i, row in ipairs(rows) do
      assert.are.equal(tostring(i), row.pulse)
      places[i], trials[i] = row.channel, row.trial
    end
    assert.are.equal("left right left right left right left right right", table.concat(places, " "))
    assert.are.equal("1 2 3 3 4 4 5 5 6", table.concat(trials, " "))
    local status, out = shell.moonpulse(folder, "verify " .. path)
    assert.are.equal(0, status, out)
    assert.matches("events.tsv and twin.tsv are what the kept text", out, 1, true)
    assert.is_nil(out:find("unchecked", 1, true))
    status, out = shell.moonpulse(folder, ("rerun %s --out %s/again"):format(path, folder))
    assert.are.equal(0, status, out)
    local text = shell.read(path .. "/events.tsv")
    assert.are.equal(text, shell.read(fixture.run_in(folder .. "/again") .. "/events.tsv"))
    os.remove(path .. "/events.tsv")
    status, out = shell.moonpulse(folder, "recover " .. path)
    assert.are.equal(0, status)
    assert.matches("recovered 9 of 9 pulses", out, 1, true)
    assert.is_nil(out:find("nobody knows", 1, true))
    assert.are.equal(text, shell.read(path .. "/events.tsv"))
    local _, words = shell.moonpulse(folder, "methods " .. path)
    words = words:gsub("%s+", " ")
    assert.matches("3 pairs of pulses 8.25 ms apart: the first at 90 %RMT (43 %MSO) on channel left, the "
      .. "second at 120 %RMT (62 %MSO) on channel right", words, 1, true)
    assert.matches('The resting motor threshold for the stimulator "right" was 52 %MSO', words, 1, true)
  end)

  it("is not whole for verify where what one simulator saw was changed", function()
    local path = run(SIDES)
    local kept = shell.read(path .. "/right/twin.tsv")
    shell.write(path .. "/right/twin.tsv", (kept:gsub("\t52\t", "\t51\t", 1)))
    fixture.seal(path)
    local status, out = shell.moonpulse(folder, "verify " .. path)
    assert.are.equal(1, status)
    assert.matches("right/twin.tsv", out, 1, true)
  end)

  it("says whose a pulse is, and what is not armed", function()
    local _, status, out, err = run([[
local mp = require "moonpulse"
return mp.experiment(function(run)
  local left, both = run:device "left", run:device()
  local pair = mp.together { left = mp.pulse(mp.rmt(90)), right = mp.rest(mp.ms(8)) .. mp.pulse(mp.rmt(90)) }
  local function try(verb, device, ...)
    print(select(2, pcall(device[verb], device, ...)))
  end
  try("arm", left, pair)
  left:arm()
  print("armed", left:armed(), run:device("right"):armed(), both:armed())
  try("fire", both, pair)
  try("fire", both, mp.pulse(mp.rmt(90)))
  try("fire", left, mp.pulse(mp.rmt(90)):at "middle")
  try("fire", both, mp.pulse(mp.rmt(90)):at "middle")
  try("status", both)
  try("watch", left, mp.pulse(mp.rmt(90)), { count = 1, refractory = 1, timeout = 1 })
  try("device", run, "middle")
  try("device", run, 1)
end)]])
    assert.are.same({ 0, "" }, { status, err })
    for _, words in ipairs {
      'stim:arm: the plan has pulses for "right", and this is the device "left": play it on '
        .. "run:device()\n",
      "stim:fire: the stimulator cannot be brought to",
      "stim:fire: the plan has pulses without a channel: which device gives them? Write "
        .. ':at "left", or play it on run:device "left"\n',
      'stim:fire: the plan has pulses for "middle", and this is the device "left"',
      'stim:fire: the plan has pulses for "middle", and the devices are left, right',
      'stim:status: of which device? Write run:device("left"):status',
      "stim:watch: pulses from outside are counted on one device only",
      'run:device: no device is called "middle": the run has left, right\n',
      'run:device: the name of a device is needed, like "left", not 1\n',
    } do
      assert.matches("script.lua:6: " .. words, out, 1, true)
    end
    assert.matches("(right is not armed)", out, 1, true)
    assert.matches("armed\ttrue\tfalse\ttrue", out, 1, true)
  end)

  it("is not gone on with, and what it hunts for is offered to nobody", function()
    shell.write(folder .. "/none", "")
    local path, status = run([[
local mp = require "moonpulse"
return mp.experiment(function(run)
  local left = run:device "left"
  left:arm()
  for trial, intensity in run:staircase { start = 48, step = 4, min_step = 4, reversals = 2, kind = "RMT" } do
    left:fire(mp.pulse(mp.mso(intensity)))
    trial:answer(intensity >= 50)
    run:sleep(1)
  end
  left:play(mp.pulse(mp.mso(30)):times(2, { every = 2 }))
  run:ask "go on? [y/n]"
end)]], ("--device left=sim:rapid --device right=sim:duomag --participant P1 --answers %s/none"):format(
      folder))
    assert.are.equal(2, status)
    assert.are.equal("RMT", fixture.manifest(path).thresholds.found[1].kind)
    local _, err
    status, _, err = shell.moonpulse(folder, "resume " .. path)
    assert.are.equal(2, status)
    assert.matches("run it anew", err, 1, true)
    local out
    status, out = shell.sh(folder, ("MOONPULSE_RUNS=%s/out %s runs"):format(folder,
      shell.quote(shell.program)))
    assert.are.equal(0, status)
    assert.matches("error", out)
    assert.is_nil(out:find("moonpulse resume", 1, true), out) -- what is refused is not offered
    status, _, err = shell.moonpulse(folder, ("run hf10_neurostar --speed max --participant P1 --rmt last "
      .. "--out %s/out"):format(folder))
    assert.are.equal(2, status)
    local value = fixture.manifest(path).thresholds.found[1].value
    assert.matches(("in a run on several devices (of a device that is not said: RMT %.4g %%MSO): "
      .. "give the one that is meant with --rmt NAME=N"):format(value), err, 1, true)
  end)

  it("hunts for the threshold of each, which the record and methods call by its device", function()
    local path, status, out, err = run([[
local mp = require "moonpulse"
return mp.experiment(function(run)
  local function trials(place, of, hunt)
    local stim = run:device(place)
    stim:arm()
    for trial, intensity in hunt do
      stim:fire(mp.pulse(mp.mso(intensity)))
      trial:answer(of(intensity))
      run:sleep(1)
    end
    stim:disarm()
  end
  trials("left", function(intensity) return intensity >= 50 end,
    run:staircase { device = "left", start = 48, step = 4, min_step = 4, reversals = 2, kind = "RMT" })
  trials("right", function(intensity) return intensity >= 61 and 900 or 20 end,
    run:threshold { device = "right", method = "amplitude", start = 55, trials = 6, kind = "RMT" })
  trials("left", function(intensity) return intensity >= 44 end,
    run:staircase { device = "left", start = 46, step = 4, min_step = 4, reversals = 2, kind = "RMT" })
  print(select(2, pcall(run.threshold, run, { device = "middle", method = "ml-pest", start = 50 })))
end)]], "--device left=sim:rapid --device right=sim:magstim200 --rmt left=40 --rmt right=61")
    assert.are.same({ 0, "" }, { status, err })
    assert.matches('run:threshold: no device is called "middle": the run has left, right', out, 1, true)
    local facts, places = fixture.manifest(path), {}
    for i, found in ipairs(facts.thresholds.found) do
      places[i] = found.device
    end
    assert.are.same({ "left", "right", "left" }, places)
    local news = {}
    for i, found in ipairs(facts.thresholds.found) do
      news[i] = ("%.9g"):format(found.value)
    end
    local told = {} -- the audit trail: what held before on the same device
    for line in shell.read(path .. "/journal.jsonl"):gmatch "[^\n]+" do
      local entry = cjson.decode(line)
      if entry.kind == "threshold" and entry.how == "found" then
        local old, new = ("%.9g"):format(entry.old), ("%.9g"):format(entry.new)
        told[#told + 1] = { entry.device, old, new }
      end
    end
    assert.are.same({ { "left", "40", news[1] }, { "right", "61", news[2] },
      { "left", news[1], news[3] } }, told)
    assert.are.same({ "left", "right" }, { facts.experiment.staircases[1].device,
      facts.experiment.thresholds[1].device })
    assert.are.equal(6, #seen(path, "right").onsets)
    assert.matches("\n *[%d.]+ s  right: resting motor threshold", out)
    local _, words = shell.moonpulse(folder, "methods " .. path)
    words = words:gsub("%s+", " ")
    assert.matches('%MSO) for the stimulator "left", the mean of the reversals', words, 1, true)
    local said
    status, said = shell.moonpulse(folder, "verify " .. path)
    assert.are.equal(0, status, said)
    assert.is_nil(said:find("unchecked", 1, true))
  end)

  it("finds thresholds that the next run takes, each for the device of its name", function()
    local hunt = [[
local mp = require "moonpulse"
return mp.experiment(function(run)
  for place, at in pairs { left = 50, right = 61 } do
    local stim = run:device(place)
    stim:arm()
    for trial, intensity in run:staircase { device = place, start = at - 2, step = 4, min_step = 4,
      reversals = 2, kind = "RMT" } do
      stim:fire(mp.pulse(mp.mso(intensity)))
      trial:answer(intensity >= at)
      run:sleep(1)
    end
    stim:disarm()
  end
end)]]
    local named = "--device left=sim:rapid --device right=sim:magstim200 --participant P7 "
    local path, status, _, err = run(hunt, named)
    assert.are.same({ 0, "" }, { status, err })
    local found = {}
    for _, each in ipairs(fixture.manifest(path).thresholds.found) do
      found[each.device] = ("%.4g"):format(each.value)
    end
    local function use(arguments, script)
      shell.write(folder .. "/use.lua", script or [[
local mp = require "moonpulse"
return mp.experiment(function(run)
  local both = run:device()
  local pair = mp.together { right = mp.pulse(mp.rmt(100)), left = mp.rest(0.1) .. mp.pulse(mp.rmt(100)) }
  both:arm(pair)
  both:play(pair)
end)]])
      return shell.moonpulse(folder, ("run %s/use.lua --speed max %s --out %s/out"):format(folder, arguments,
        folder))
    end
    for i, asked in ipairs { "--rmt left=last --rmt right=last", "--rmt last" } do
      status, _, err = use(named .. asked)
      assert.are.equal(0, status, err)
      for place, value in pairs(found) do
        assert.matches(("takes for %s RMT %s %%MSO, found with %s on"):format(place, value, place), err, 1,
          true)
      end
      local list = shell.names(folder .. "/out")
      local used = ("%s/out/%s"):format(folder, list[#list])
      assert.are.equal(1 + i, #list)
      local given = {}
      for place in pairs(found) do
        given[place] = ("%.4g"):format(seen(used, place).strengths[1])
      end
      assert.are.same(found, given)
      assert.are.equal(0, (shell.moonpulse(folder, "verify " .. used)))
    end
    for arguments, words in pairs {
      ["--device left=sim:duomag --device right=sim:magstim200 --rmt left=last --rmt right=60"] =
        "it was found on another stimulator (rapid, and now duomag)",
      ["--device middle=sim:rapid --device right=sim:magstim200 --rmt middle=last --rmt right=60"] =
        "a device that is called left takes it",
      ["--device sim:rapid --rmt last"] = "it was found in a run on several devices",
    } do
      status, _, err = use(arguments .. " --participant P7")
      assert.are.equal(2, status, arguments)
      assert.matches(words, err, 1, true)
    end
    -- whose it is stands in the journal, too
    local manifest = shell.read(path .. "/manifest.json")
    local swapped = manifest:gsub('"device": "(%l+)"', function(place)
      return ('"device": "%s"'):format(place == "left" and "right" or "left")
    end)
    assert.are_not.equal(manifest, swapped)
    shell.write(path .. "/manifest.json", swapped)
    status, _, err = use(named .. "--rmt last")
    assert.are.equal(2, status, err)
  end)

  it("is whole for verify in real time where one is disarmed and another one fires", function()
    shell.write(folder .. "/one_left.lua", [[
local mp = require "moonpulse"
return mp.experiment(function(run)
  local left, right, both = run:device "left", run:device "right", run:device()
  both:arm()
  left:disarm()
  right:fire(mp.pulse(mp.mso(35)))
  both:disarm()
end)]])
    local status, _, err = shell.moonpulse(folder, ("run %s/one_left.lua --device left=sim --device "
      .. "right=sim --tolerance 2000 --out %s/real"):format(folder, folder))
    assert.are.equal(0, status, err)
    local path = fixture.run_in(folder .. "/real")
    assert.are.equal(1, #(fixture.pulse_rows(path)))
    local said
    status, said = shell.moonpulse(folder, "verify " .. path)
    assert.are.equal(0, status, said)
  end)

  it("goes on after its own stop, which is one of both", function()
    local path, status, _, err = run [[
local mp = require "moonpulse"
return mp.experiment(function(run)
  local both, right = run:device(), run:device "right"
  local pair = mp.together { left = mp.pulse(mp.mso(40)), right = mp.rest(mp.ms(8)) .. mp.pulse(mp.mso(50)) }
  both:arm(pair)
  run:spawn(function() run:sleep(6) run:stop "enough" end)
  pcall(both.play, both, pair:times(20, { every = 5 }))
  run:mark(("armed: %s"):format(both:armed()))
  right:arm()
  right:fire(mp.pulse(mp.mso(30)))
end)]]
    assert.are.same({ 0, "" }, { status, err })
    local left, right = seen(path, "left"), seen(path, "right")
    assert.are.same({ { "40", "40" }, { "50", "50", "30" } }, { left.strengths, right.strengths })
    assert.are.same({ 1, 2 }, { #left.armed, #right.armed })
    assert.are.equal(5, #(fixture.pulse_rows(path)))
    assert.are.equal("completed", fixture.manifest(path).status)
    assert.are.equal(0, (shell.moonpulse(folder, "verify " .. path)))
  end)

  it("starts a plan of one device at each trigger, while the other stays armed", function()
    local at = { 4, 7.5, 11 }
    local lines = {}
    for i, s in ipairs(at) do
      lines[i] = ("%g port 5\n"):format(s)
    end
    shell.write(folder .. "/triggers.tsv", table.concat(lines))
    local path, status, _, err = run([[
local mp = require "moonpulse"
return mp.experiment(function(run)
  local both, right = run:device(), run:device "right"
  both:arm(mp.together { left = mp.pulse(mp.mso(40)), right = mp.pulse(mp.mso(50)) })
  local starts = right:on_trigger(mp.pulse(mp.mso(50)), { count = 2, refractory = 3.1, byte = 5, timeout = 60,
    delay = 0.1 })
  local came = run:wait_trigger { byte = 5, timeout = 20 }
  run:device("left"):fire(mp.pulse(mp.mso(40)), { at = came + 0.5 })
  run:note(("starts %d"):format(starts))
end)]], both .. ("--triggers %s/triggers.tsv"):format(folder))
    assert.are.same({ 0, "" }, { status, err })
    local rows = fixture.pulse_rows(path)
    local told = {}
    for i, row in ipairs(rows) do
      told[i] = ("%s %.3f"):format(row.channel, tonumber(row.onset_planned_us) / 1e6)
    end
    assert.are.same({ "right 4.100", "right 7.600", "left 11.500" }, told)
    assert.are.same({ 1, 2 }, { #seen(path, "left").onsets, #seen(path, "right").onsets })
    assert.are.equal(0, (shell.moonpulse(folder, "verify " .. path)))
    local text = shell.read(path .. "/events.tsv")
    os.remove(path .. "/events.tsv")
    assert.are.equal(0, (shell.moonpulse(folder, "recover " .. path)))
    assert.are.equal(text, shell.read(path .. "/events.tsv"))
  end)

  it("at a prompt, shows which are armed, and at what", function()
    shell.write(folder .. "/typed", "stim:arm()\nrun:device 'left':fire(mp.pulse(mp.mso(40)))\n"
      .. "stim:disarm()\nrun:device 'right':arm()\nquit\n")
    shell.write(folder .. "/prompt.lua",
      "return require 'moonpulse'.experiment(function(run) run:prompt() end)")
    local status, out = shell.sh(folder, ("%s run %s/prompt.lua --speed max --device left=sim --device "
      .. "right=sim:rapid --out %s/out <%s/typed"):format(shell.quote(shell.absolute), folder, folder,
      folder))
    assert.are.equal(0, status, out)
    assert.matches("armed left 1/right 1 %MSO> run:device", out, 1, true)
    assert.matches("armed left 40/right 1 %MSO> stim:disarm()", out, 1, true)
    assert.matches("armed right 1 %MSO> quit", out, 1, true)
    assert.are.same({ "40" }, seen(fixture.run_in(folder .. "/out"), "left").strengths)
  end)

  it("arms a device without a plan on the channel of its first output, each time", function()
    local channels = {}
    for i = 1, 3 do -- the order of a hash differs from run to run
      local path, status, _, err = run([[
local mp = require "moonpulse"
return mp.experiment(function(run)
  run:device("box"):arm()
  local ok, why = pcall(run:device().arm, run:device(), mp.pulse(mp.mso(40)):at "left")
  assert(not ok and why:find("armed already: box", 1, true), why)
end)]], "--device box=sim:pulsepal --device left=sim:rapid --device-option box:full_scale_volts=5 "
        .. "--device-option box:channels=d=1,b=2,a=3,c=4", "out" .. i)
      assert.are.same({ 0, "" }, { status, err })
      channels[i] = shell.read(path .. "/journal.jsonl"):match '"channel":"(%w+)","device":"box","kind":"arm"'
    end
    assert.are.same({ "d", "d", "d" }, channels)
  end)

  it("needs several devices for a name", function()
    local _, status, _, err = run(SIDES, "--device sim:rapid --rmt 48")
    assert.are.equal(2, status)
    assert.matches("run:device: the run has one device, which has no name: run:device() is it; for several "
      .. "name each, --device left=DRIVER@PORT", err, 1, true)
  end)
end)
