-- One plan on several devices, in virtual time: what each simulator saw, against onsets computed here.
local fixture = require "job"
local shell = require "shell"

local PLAN = [[
local mp = require "moonpulse"
return mp.protocol { id = "two", name = "Two", params = { isi = { default = 12.5, min = 0, max = 900 } },
  plan = function(p)
    local left = mp.mark "begin" .. mp.train { pulses = 7, every = "1/3", intensity = mp.rmt(90) }:at "left"
    local train = mp.train { pulses = 4, every = 0.7, intensity = mp.mso(55) }
    local right = mp.rest(mp.ms(p.isi)) .. train:at "right"
    return mp.together { left, right } .. mp.rest { min = 1, max = 2 } .. mp.pulse(mp.mso(61)):at "right"
  end }
]]

--- Nanoseconds of "1001.757670835".
local function ns_of(text)
  local whole, part = text:match("^(%d+)%.(%d+)$")
  return tonumber(whole) * 1000000000 + math.tointeger(tonumber((part .. "000000000"):sub(1, 9)))
end

--- The onsets of the plan's fixed part, by channel: k / 3 s and 12.5 ms + 0.7 k s, each rounded once.
local function expected(isi_ms)
  local left, right = {}, {}
  for k = 0, 6 do
    left[#left + 1] = (2 * k * 1000000000 + 3) // 6
  end
  for k = 0, 3 do
    right[#right + 1] = math.floor(isi_ms * 1e6) + k * 700000000
  end
  return { left = left, right = right }
end

describe("a run on several devices", function()
  local folder

  fixture.each_test(function(...)
    folder = ...
    shell.write(folder .. "/two.lua", PLAN)
  end)

  local function run(name, arguments)
    local status, out, err = shell.moonpulse(folder, ("run %s/two.lua --rmt 50 --speed max --seed 7 --out "
      .. "%s/%s %s"):format(folder, folder, name, arguments))
    return status, out, err, status == 0 and fixture.run_in(folder .. "/" .. name) or nil
  end

  local both = "--device left=sim:magventure --device right=sim:duomag --device-option right:interval=0.5 "

  --- What a simulator gave: when it had the command, and how strong.
  local function given(path, place)
    local times, strengths = {}, {}
    for _, row in ipairs(shell.rows(("%s/%s/twin.tsv"):format(path, place))) do
      if row.event == "pulse" then
        times[#times + 1], strengths[#strengths + 1] = ns_of(row.time), row.intensity
      end
    end
    return times, strengths
  end

  it("keeps the mutual timing of the plan to the nanosecond", function()
    local _, _, err, path = run("timed", both)
    assert.are.equal("", err)
    local latency = {}
    for place, name in pairs { left = "magventure", right = "duomag" } do
      latency[place] = math.floor(require("moonpulse.devices." .. name).latency * 1e9)
    end
    local starts, count = {}, { left = 7, right = 5 }
    for place, onsets in pairs(expected(12.5)) do
      local times, strengths = given(path, place)
      assert.are.equal(count[place], #times)
      for k, onset_ns in ipairs(onsets) do
        starts[times[k] + latency[place] - onset_ns] = true
        assert.are.equal(place == "left" and "45" or "55", strengths[k])
      end
    end
    local start, another = next(starts)
    assert.is_not_nil(start)
    assert.is_nil(next(starts, start), tostring(another)) -- one start, the same for all pulses of both
  end)

  it("does not miss the confirmations of a device that gives none, beside one that does", function()
    local _, out, _, path = run("silent", both)
    assert.matches("12 of 12 pulses, 7 confirmed by the device (right cannot confirm any)", out, 1, true)
    assert.is_false(fixture.manifest(path).device.devices[2].confirms)
    local page = shell.read(path .. "/report.html"):gsub("%s+", " ")
    assert.matches("7 confirmed (5 of right, which cannot confirm any)", page, 1, true)
    assert.is_nil(page:find("Pulses that did not go as planned", 1, true))
    local _, methods = shell.moonpulse(folder, "methods " .. path)
    assert.matches("the delivery of 7: the one at right cannot say that it fired", methods:gsub("%s+", " "))
  end)

  it("leaves one record of all, in the order of time, which verify and rerun know", function()
    local _, _, _, path = run("whole", both)
    local pulses, rows = fixture.pulse_rows(path)
    assert.are.same({ "mark", "begin" }, { rows[1].event, rows[1].reply })
    local marks = 0
    for _, row in ipairs(rows) do
      marks = marks + (row.event == "mark" and 1 or 0)
    end
    assert.are.equal(1, marks) -- one device tells them
    local merged = {}
    for place, onsets in pairs(expected(12.5)) do
      for _, ns in ipairs(onsets) do
        merged[#merged + 1] = { ns = ns, place = place }
      end
    end
    table.sort(merged, function(a, b) return a.ns < b.ns end)
    for i, each in ipairs(merged) do
      local row = pulses[i]
      local status = each.place == "left" and "delivered" or "sent" -- a DuoMAG confirms none
      assert.are.same({ tostring(i), each.place, status }, { row.pulse, row.channel, row.status })
      assert.are.equal(("%.3f"):format(each.ns / 1000), row.onset_planned_us)
    end
    local last = pulses[12]
    assert.are.same({ "12", "right", "61" }, { last.pulse, last.channel, last.intensity_mso })
    local facts = fixture.manifest(path)
    assert.are.same({ 12, 7 }, { facts.result.pulses_sent, facts.result.pulses_confirmed })
    assert.are.same({ "magventure", "left", "duomag", "right" }, { facts.device.devices[1].name,
      facts.device.devices[1].place, facts.device.devices[2].name, facts.device.devices[2].place })
    assert.are.equal(0, (shell.moonpulse(folder, "verify " .. path)))
    local _, words = shell.moonpulse(folder, "methods " .. path)
    assert.matches("The stimulators were a MagVenture MagPro X100 (channel left, serial number 66051)",
      (words:gsub("%s+", " ")), 1, true)
    local status, out = shell.moonpulse(folder, ("rerun %s --out %s/again"):format(path, folder))
    assert.are.equal(0, status)
    assert.matches("\nSAME ", out)
    assert.are.equal(shell.read(path .. "/events.tsv"),
      shell.read(fixture.run_in(folder .. "/again") .. "/events.tsv"))
  end)

  it("takes the latency that was measured of a device instead of its driver's", function()
    local options = both .. "--device-option left:latency_ms=0.75 --device-option right:latency_ms=40 "
    local status, _, err, path = run("measured", options)
    assert.are.same({ 0, "" }, { status, err })
    local times = { left = given(path, "left"), right = given(path, "right") }
    local onsets, starts = expected(12.5), {}
    for place, latency_ns in pairs { left = 750000, right = 40000000 } do
      for k, onset_ns in ipairs(onsets[place]) do
        starts[times[place][k] + latency_ns - onset_ns] = true
      end
    end
    assert.is_nil(next(starts, next(starts)))
    local devices = fixture.manifest(path).device.devices
    assert.are.same({ 750, 40000 }, { devices[1].latency_us, devices[2].latency_us })
    assert.are.equal("given with --device-option latency_ms", devices[2].latency_from)
    local said
    status, said = shell.moonpulse(folder, "verify " .. path)
    assert.are.equal(0, status, said)
    assert.is_nil(said:find("unchecked", 1, true))
    assert.are.equal(0, (shell.moonpulse(folder, ("rerun %s --out %s/again"):format(path, folder))))
    assert.are.equal(shell.read(path .. "/events.tsv"),
      shell.read(fixture.run_in(folder .. "/again") .. "/events.tsv"))
    for _, wrong in ipairs { "right:latency_ms=-1", "right:latency_ms=1001", "right:latency_ms=much" } do
      status, _, err = run("wrong", both .. "--device-option " .. wrong)
      assert.are.equal(2, status)
      assert.matches("latency_ms", err, 1, true)
    end
  end)

  it("is not whole for verify where a row, or what a simulator saw, was changed", function()
    local _, _, _, path = run("edited", both)
    for _, name in ipairs { "events.tsv", "right/twin.tsv" } do
      local kept = shell.read(path .. "/" .. name)
      shell.write(path .. "/" .. name, (kept:gsub("\t55\t", "\t54\t", 1)))
      fixture.seal(path)
      local status, out = shell.moonpulse(folder, "verify " .. path)
      assert.are.equal(1, status, name)
      assert.matches(name .. ":%d+: .*played again", out)
      shell.write(path .. "/" .. name, kept)
    end
  end)

  it("holds each device's own limits", function()
    local status, _, err = run("slow", "--device left=sim:magventure --device right=sim:magstim200")
    assert.are.equal(3, status)
    assert.matches("two.lua:5", err, 1, true)
    assert.matches("Magstim 200", err, 1, true)
    status, _, err = run("slow", "--device right=sim:magventure --device left=sim:magstim200")
    assert.are.equal(3, status)
    assert.matches("two.lua:4", err, 1, true) -- its other channel
  end)

  it("takes each device's own threshold, for what it gives and in the gate", function()
    shell.write(folder .. "/own.lua", [[
local mp = require "moonpulse"
return mp.protocol { id = "own", name = "Own", plan = function()
  local train = mp.train { pulses = 30, hz = 10, intensity = mp.mso(60) }
  return mp.together { left = train, right = mp.rest(60) .. train .. mp.rest(60) .. mp.pulse(mp.rmt(90)) }
end }]])
    local function of(left, right)
      local out = ("%s/%d"):format(folder, left)
      local status, text = shell.moonpulse(folder, ("run %s/own.lua --speed max --device left=sim --device "
        .. "right=sim --rmt left=%d --rmt right=%d --out %s"):format(folder, left, right, out))
      assert.are.equal(0, status)
      local _, strengths = given(fixture.run_in(out), "right")
      return text, strengths[31], fixture.run_in(out)
    end
    local text, strength, path = of(40, 60) -- 60 %MSO: 150 %RMT on the left, 100 % on the right
    assert.are.equal("54", strength)
    assert.matches("train 1 on channel left", text, 1, true)
    assert.is_nil(text:find("on channel right", 1, true))
    assert.are.equal(0, (shell.moonpulse(folder, "verify " .. path)))
    assert.are.equal(0, (shell.moonpulse(folder, ("rerun %s --out %s/own"):format(path, folder))))
    local _, words = shell.moonpulse(folder, "methods " .. path)
    words = words:gsub("%s+", " ")
    assert.is_nil(words:find("[RMT:", 1, true), words)
    for place, value in pairs { left = 40, right = 60 } do
      assert.matches(("The resting motor threshold for the stimulator \"%s\" was %d %%MSO"):format(place,
        value), words, 1, true)
    end
    local page = shell.read(path .. "/report.html"):gsub("<[^>]*>", " "):gsub("%s+", " ")
    assert.matches("Resting motor threshold (RMT) left 40 %MSO, right 60 %MSO", page, 1, true)
    assert.matches("Intensity 90 % of RMT; 60 %MSO 54 and 60 %MSO none", page, 1, true)
    text, strength = of(60, 40)
    assert.are.equal("36", strength)
    assert.matches("train 1 on channel right", text, 1, true)
    assert.is_nil(text:find("on channel left", 1, true))
  end)

  it("states the latency of each, by which its commands leave sooner", function()
    shell.write(folder .. "/two.lua", [[
local mp = require "moonpulse"
return mp.protocol { id = "two", name = "Two", plan = function()
  return mp.together { left = mp.pulse(mp.mso(40)), right = mp.pulse(mp.mso(50)) }:times(3, { every = 8 })
end }]])
    local status, _, err, path = run("late", "--device left=sim:rapid --device right=sim:magstim200")
    assert.are.same({ 0, "" }, { status, err })
    local left, right = given(path, "left"), given(path, "right")
    for i, ns in ipairs(left) do -- to the simulator's nanosecond
      assert.are.equal(3300000, ns - right[i])
    end
    local devices = fixture.manifest(path).device.devices
    assert.are.same({ 5100, 8400 }, { devices[1].latency_us, devices[2].latency_us })
    local _, words = shell.moonpulse(folder, "methods " .. path)
    words = words:gsub("%s+", " ")
    for i, place in ipairs { "left", "right" } do
      assert.matches(("%s %s ms (%s)"):format(place, i == 1 and "5.1" or "8.4", devices[i].latency_from),
        words, 1, true)
      local _, out = shell.moonpulse(folder, "devices --device " .. devices[i].name)
      assert.matches(("latency +%s ms from a command to its pulse"):format(i == 1 and "5%.1" or "8%.4"), out)
    end
  end)

  it("makes a device safe whose part is over, which would disarm itself a minute later", function()
    shell.write(folder .. "/two.lua", [[
local mp = require "moonpulse"
return mp.protocol { id = "two", name = "Two", plan = function()
  local train = mp.train { pulses = 20, hz = 0.25, intensity = mp.mso(40) }
  return mp.pulse(mp.mso(40)):at "right" .. mp.rest(5) .. train:at "left"
end }]])
    local status, _, err, path = run("long", "--device left=sim:rapid --device right=sim:rapid")
    assert.are.same({ 0, "" }, { status, err })
    assert.are.equal(20, #given(path, "left"))
    local pulse, disarmed = given(path, "right")[1], nil
    for _, row in ipairs(shell.rows(path .. "/right/twin.tsv")) do
      local is_after = row.event == "disarm" and ns_of(row.time) > pulse
      disarmed = disarmed or is_after and ns_of(row.time) or nil
    end
    assert.is_true(disarmed - pulse < 5000000000)
    assert.are.equal(0, (shell.moonpulse(folder, "verify " .. path)))
  end)

  it("names the device whose threshold is missing, in what to do", function()
    local status, _, err = shell.moonpulse(folder, ("run %s/two.lua --speed max --rmt right=50 --out "
      .. "%s/none %s"):format(folder, folder, both))
    assert.are.equal(2, status)
    assert.matches("add --rmt left=N (in %MSO)", err, 1, true)
  end)

  it("names the device whose threshold would help, in the gate's remedies", function()
    shell.write(folder .. "/mso.lua", [[local mp = require "moonpulse"
      return mp.together { left = mp.pulse(mp.rmt(90)), right = mp.train { pulses = 60, hz = 1,
        intensity = mp.mso(40) } }]])
    local status, _, err = shell.moonpulse(folder, ("run %s/mso.lua --speed max --rmt left=50 --out "
      .. "%s/mso %s"):format(folder, folder, both))
    assert.are.equal(0, status, err)
    local manifest = shell.read(fixture.run_in(folder .. "/mso") .. "/manifest.json")
    assert.matches("or the participant's threshold (--rmt right=N)", manifest, 1, true)
    assert.is_nil(manifest:find("--rmt N", 1, true))
  end)

  it("gives the channels of a box with outputs to one device, beside another", function()
    local status, _, err, path = run("box", "--device left=sim:magventure --device box=sim:pulsepal "
      .. "--device-option box:channels=right=2 --device-option box:full_scale_volts=5")
    assert.are.same({ 0, "" }, { status, err })
    local times = given(path, "box")
    assert.are.equal(5, #times)
    assert.are.equal(7, #given(path, "left"))
  end)

  it("has the default of an active threshold where each device has one, else says who has none", function()
    shell.write(folder .. "/cs.lua", [[
local mp = require "moonpulse"
return mp.protocol { id = "cs", name = "CS",
  params = { cs = { default = mp.rmt(80), with_amt = mp.amt(80) } },
  plan = function(p) return mp.together { left = mp.pulse(p.cs), right = mp.pulse(p.cs) } end }
]])
    local function begin(name, thresholds)
      return shell.moonpulse(folder, ("run %s/cs.lua --speed max --device left=sim --device right=sim %s "
        .. "--out %s/%s"):format(folder, thresholds, folder, name))
    end
    local cases = { one = "--rmt 50 --amt 40", each = "--rmt 50 --amt left=40 --amt right=45" }
    for name, thresholds in pairs(cases) do
      local status, _, err = begin(name, thresholds)
      assert.are.equal(0, status, err)
      local path = fixture.run_in(folder .. "/" .. name)
      local _, left = given(path, "left")
      local _, right = given(path, "right")
      assert.are.same({ "32", name == "one" and "32" or "36" }, { left[1], right[1] })
    end
    local status, _, err = begin("refused", "--rmt 50 --amt left=40")
    assert.are.equal(2, status, err)
    assert.matches("right has none: give --amt right=N as well, or -p cs=VALUE", err, 1, true)
  end)

  it("refuses what goes with one device, and names that do not fit the plan", function()
    for arguments, words in pairs {
      ["--device left=sim --device sim"] = "each has a name",
      ["--device left=sim"] = "one device needs no name",
      ["--device left=sim --device left=sim"] = "left= is there twice",
      ["--device sources=sim --device right=sim"] = "choose another name",
      ["--device left=sim --device SHA256SUMS=sim"] = "choose another name",
      ["--device left=sim --device rigth=sim"] = "the plan has pulses for \"right\"",
      [both .. "--device third=sim"] = "the plan has no pulse for \"third\"",
      [both .. "--rmt rigth=50"] = "no device has that name",
      [both .. "--rmt 51"] = "--rmt is given twice, with 50 and with 51",
      [both .. "--timing device"] = "leave out --timing",
      [both .. "--fault drop@1"] = "Write --fault left=drop@1",
      [both .. "--fault rigth=drop@1"] = "Write --fault left=drop@1",
      [both .. "--fault left=drop@1 --fault left=drop@2"] = "given twice",
      [both .. "--device-option version=9.0"] = "of which device?",
    } do
      local status, _, err = run("refused", arguments)
      assert.are.equal(2, status, arguments)
      assert.matches(words, err, 1, true)
    end
    local status, _, err = shell.moonpulse(folder, ("run %s/two.lua --rmt 50 --device left=sim "
      .. "--device right=rapid@/dev/null"):format(folder))
    assert.are.equal(2, status)
    assert.matches("all devices of a run are, or none", err, 1, true)
    assert.are.same({}, shell.names(folder .. "/refused") or {})
  end)
end)
