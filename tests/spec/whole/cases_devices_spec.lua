--- Cases of channels, checks, devices and the record: what was refused, failed or went wrong, and what is
--- right.
local cases = require "cases"
local cjson = require "cjson"
local shell = require "shell"

local replay = { 3.412, 5.0713, 3.0, 8.33338, 4.2, 3.77751, 6.6666, 3.105, 12.25, 3.9999 }

--- In the order of time, seconds from the first one.
local function relative(list)
  local copy = {}
  for i, pulse in ipairs(list) do
    copy[i] = { s = pulse.s - list[1].s, channel = pulse.channel, mso = pulse.mso }
  end
  return copy
end

describe("a case of tests/data/cases", function()
  local folder
  setup(function() folder = shell.folder() end)
  teardown(function() shell.remove(folder) end)

  --- A run in virtual time that ends well.
  local function played(name, arguments)
    local status, out, err, record = cases.run(folder, name, "--speed max " .. arguments)
    assert.are.equal(0, status, err)
    return record, out
  end

  local function refused(name, arguments, ...)
    local status, _, err, record = cases.run(folder, name, "--speed max " .. arguments)
    assert.are.equal(3, status, err)
    assert.is_nil(record)
    for _, text in ipairs { ... } do
      assert.is_truthy(err:find(text, 1, true), err)
    end
  end

  it("channels_two_coils_one_device is refused in every timing, and by check", function()
    local why = "the protocol uses 2 channels (left, right), the %s has 1: moonpulse run takes a device for "
      .. "each, --device left=... --device right=..."
    for device, title in pairs { magventure = "MagVenture MagPro", bistim = "Magstim BiStim²" } do
      local name, on = "channels_two_coils_one_device", "--device sim:" .. device
      for _, timing in ipairs { "auto", "host", "device" } do
        refused(name, on .. " --timing " .. timing, why:format(title))
      end
      local status, out = shell.moonpulse(folder, ("check %s %s"):format(cases.path(name), on))
      assert.are.equal(3, status)
      assert.is_truthy(out:find(why:format(title), 1, true), out)
      assert.matches("\nverdict +OVER %(device OVER, guidelines not covered%)[^\n]*\n$", out)
    end
  end)

  it("channels_two_coils_one_device is refused by stim:play, too", function()
    shell.write(folder .. "/play.lua", 'local mp = require "moonpulse"\nreturn mp.experiment(function(run)\n'
      .. "  local stim = run:device()\n  stim:arm(mp.train { pulses = 3, hz = 10, intensity = mp.mso(50) })\n"
      .. '  stim:play((mp.pulse(mp.mso(50)):at "left" .. mp.rest(mp.ms(20))\n'
      .. '    .. mp.pulse(mp.mso(50)):at "right"):times(3, { every = 5 }))\nend)\n')
    for _, timing in ipairs { "auto", "device" } do
      local status, _, err = shell.moonpulse(folder, ("run %s/play.lua --timing %s --out %s/plays"):format(
        folder, timing, folder))
      assert.are_not.equal(0, status)
      assert.is_truthy(err:find("the protocol uses 2 channels (left, right)", 1, true), err)
    end
    for _, name in ipairs(shell.names(folder .. "/plays")) do
      assert.are.equal(0, #cases.given(("%s/plays/%s"):format(folder, name)))
    end
  end)

  it("channels_ccpas: each output of a box has an intensity of its own", function()
    local wanted, outputs = {}, { PMv = "1", M1 = "2" }
    for i = 0, 9 do
      cases.train(wanted, i * 5, 1, 0, 45, "PMv") -- 90 %RMT of 50
      cases.train(wanted, i * 5 + 0.006, 1, 0, 55, "M1")
    end
    local on = "--rmt 50 --device sim:pulsepal --device-option channels=PMv=1,M1=2 "
    for _, way in ipairs { "", "--device-option full_scale_volts=10" } do
      local record, out = played("channels_ccpas", on .. way)
      cases.same(wanted, cases.recorded(record))
      local given = cases.given(record)
      for i, pulse in ipairs(wanted) do
        pulse.channel = outputs[pulse.channel] or pulse.channel
        assert.are.equal(way ~= "", given[i].mso ~= nil) -- without, the box gives one voltage
      end
      cases.same(wanted, given)
      for _, pulse in ipairs(wanted) do
        pulse.channel = pulse.channel == "1" and "PMv" or "M1"
      end
      assert.are.equal(way == "", out:find("channel PMv to 45 %MSO, channel M1 to 55 %MSO", 1, true) ~= nil)
    end
  end)

  it("channels_replayed_intervals: fastest_hz is that of each output", function()
    local wanted, at = {}, 0
    for i = 1, 21 do
      at = at + (i > 1 and replay[(i - 2) % 10 + 1] or 0)
      cases.train(wanted, at, 1, 0, 20, "3")
      cases.train(wanted, at + 0.022, 1, 0, 55, i % 2 == 1 and "1" or "2")
    end
    local on = "--rmt 50 --device sim:pulsepal --device-option channels=mns=3,tms1=1,tms2=2 --device-option "
    cases.same(wanted, cases.given((played("channels_replayed_intervals", on .. "fastest_hz=0.3334"))),
      { s = 5.1e-5 }) -- the box counts in steps of 50 us
    -- the shortest is 3 s, from the nerve's third pulse to its fourth
    refused("channels_replayed_intervals", on .. "fastest_hz=0.33",
      "pulses 5 and 7 (at 8.483300 s and 11.483300 s)", "are 3 s apart",
      "the shortest interval is 3.03030303 s")
  end)

  it("check_siciicf: the gravest verdict is the last line's, and that of --json", function()
    -- each condition once: what is judged of a pair is the same of ten
    local arguments = ("check %s --rmt 45 -p n=1"):format(cases.path "check_siciicf")
    local status, out = shell.moonpulse(folder, arguments)
    assert.are.equal(3, status)
    assert.matches("\nverdict +OVER %(device OVER, guidelines within%)[^\n]*\n$", out)
    status, out = shell.moonpulse(folder, arguments .. " --json")
    assert.are.equal(3, status)
    local json = cjson.decode(out)
    assert.are.same({ "OVER", { device = "OVER", guidelines = "within" } }, { json.verdict, json.layers })
    -- what check refuses, run refuses. Check judges every order that could be drawn, run the one that it
    -- draws: one in thirty has no short rest where a setting changes.
    refused("check_siciicf", "--rmt 45", "too short to change its settings in between")
    -- a BiStim has time for it, with its test pulses as B alone, but not where A falls from 60 %
    status, out = shell.moonpulse(folder, arguments .. " --seed 40 --device bistim")
    assert.are.equal(0, status, out)
    status, out = shell.moonpulse(folder, arguments .. " --seed 40 --device bistim -p cs=60%MSO")
    assert.are.equal(3, status, out)
    refused("check_siciicf", "--rmt 45 --seed 40 -p cs=60%MSO --device sim:bistim",
      "too short to change its settings in between")
  end)

  it("device_stimjim_slow_train: trains of 2 Hz and slower end well, whoever times them", function()
    for _, way in ipairs { { 1, 3 }, { 2, 6 }, { 0.5, 3 }, { 0.4, 2 } } do
      local hz, pulses = table.unpack(way)
      for _, timing in ipairs { "auto", "host", hz >= 0.5 and "device" or nil } do
        local record = played("device_stimjim_slow_train", ("--device sim:stimjim -p hz=%g -p n=%d "
          .. "--timing %s --device-option full_scale_ua=2000"):format(hz, pulses, timing))
        local wanted = cases.train({}, 0, pulses, 1 / hz, 50) -- no name: output 1
        cases.same(wanted, cases.given(record))
        for i, row in ipairs(cases.recorded(record)) do
          assert.are.equal("delivered", row.status)
          assert.is_true(math.abs(row.s - wanted[i].s) < 1.5e-6)
        end
      end
    end
  end)

  it("device_trigger_delays: each delay between two outputs four times, 4 s apart", function()
    local function sweep(list, first, second)
      for group = 0, 11 do
        local delay, seen = list[group * 8 + 2].s - list[group * 8 + 1].s, {}
        for i = 0, 3 do
          local at = group * 26 + i * 4
          cases.train(seen, at, 1, 0, 60, first)
          cases.train(seen, at + delay, 1, 0, 60, second)
        end
        cases.same(seen, { table.unpack(list, group * 8 + 1, group * 8 + 8) })
        list[group + 1].delay = math.floor(delay * 1000 + 0.5)
      end
      assert.are.equal(96, #list)
      for block = 0, 1 do
        local delays = {}
        for i = 1, 6 do
          delays[i] = list[block * 6 + i].delay
        end
        assert.is_true(block == 0 or delays[1] ~= list[6].delay)
        table.sort(delays)
        assert.are.same({ 40, 50, 60, 70, 80, 90 }, delays)
      end
    end
    for device, way in pairs { pulsepal = { "1", "2", "full_scale_volts=10" },
      stimjim = { "0", "1", "full_scale_ua=2000" } } do
      local record = played("device_trigger_delays", ("--seed 3 --device sim:%s --device-option "
        .. "channels=tms=%s,out=%s --device-option %s"):format(device, table.unpack(way)))
      sweep(cases.given(record), way[1], way[2])
      sweep(cases.recorded(record), "tms", "out")
    end
  end)

  it("device_bistim_sici_semirandom: refused with the shortest interval, given with longer ones", function()
    local name, on = "device_bistim_sici_semirandom", "--rmt 45 --seed 1 --device sim:bistim "
    local why = "too short to change its settings in between; the shortest interval is "
    refused(name, on, why .. "5.6", "BiStim²") -- B alone: A falls from 54 % to 0, and not B from 66
    refused(name, on .. "-p zero=pair", why .. "5.4") -- A falls from 54 % to 1
    -- %RMT of 45, to the unit's whole %
    local powers = { ["70"] = 32, ["80"] = 36, ["90"] = 41, ["100"] = 45, ["110"] = 50, ["120"] = 54,
      ["130"] = 59 }
    local record = played(name, on .. "-p shortest=7.0 -p longest=9.0")
    local given, wanted, trials, passes = cases.given(record), {}, 0, {}
    for _, row in ipairs(shell.rows(record .. "/events.tsv")) do
      local level = row.event == "mark" and row.reply:match "^CS (%d+)$"
      if level then
        local at = tonumber(row.onset_planned_us) / 1e6
        trials, passes[level] = trials + 1, (passes[level] or 0) + 1
        cases.train(wanted, at, 1, 0, powers[level] or 66)
        if powers[level] then
          cases.train(wanted, at + 0.002, 1, 0, 66)
        end
      end
    end
    cases.same(relative(wanted), given, { s = 2e-6 })
    assert.are.equal(192, trials)
    for level in pairs(powers) do
      assert.are.equal(24, passes[level])
    end
    for i, pulse in ipairs(wanted) do
      local apart = i > 1 and pulse.s - wanted[i - 1].s
      assert.is_true(not apart or math.abs(apart - 0.002) < 2e-6 or apart > 6.99 and apart < 9.01, apart)
    end
  end)

  it("record_mark_onset: marks have their planned onsets, rows are sorted by onset", function()
    local planned = { a0 = 0, before = 4.5, after = 4.5 }
    for _, device in ipairs { "bistim", "magventure", "magstim200", "rapid", "duomag", "pulsepal" } do
      for _, way in ipairs { "--speed max", device == "bistim" and "--tolerance 1000" or nil } do
        local status, _, err, record = cases.run(folder, "record_mark_onset", way .. " --device sim:"
          .. device)
        assert.are.equal(0, status, err)
        local rows, marks, before = shell.rows(record .. "/events.tsv"), 0, 0
        for i, row in ipairs(rows) do
          local onset = tonumber(row.onset)
          assert.is_true(onset >= before, row.onset)
          assert.are.equal(tostring(i), row.index)
          before = onset
          if row.event == "mark" then
            marks = marks + 1
            assert.are.equal(planned[row.reply], onset)
            assert.are.equal(planned[row.reply] * 1e6, tonumber(row.onset_planned_us))
          end
        end
        assert.are.equal(3, marks)
      end
    end
  end)

  it("trigger_play_at: a train that is armed starts when it is told, or says when it can", function()
    local status, _, err, record = cases.run(folder, "trigger_play_at", "--speed max")
    assert.are.equal(0, status, err)
    local starts, began = {}, 0
    for _, row in ipairs(shell.rows(record .. "/events.tsv")) do
      local ahead, what = row.reply:match "^([%d.]+) s ahead: (.*)"
      if ahead then
        starts[#starts + 1] = what == "played"
        began = began + (what == "played" and 1 or 0)
        assert.is_true(what == "played"
          or what:find("is too soon: the stimulator can be ready at", 1, true) ~= nil, what)
      end
    end
    assert.are.equal(5, #starts)
    assert.is_true(starts[5])
    assert.are.equal(4 * began, #cases.given(record))
  end)
end)
