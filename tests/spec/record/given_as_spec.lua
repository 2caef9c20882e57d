-- What the manifest says of waveform, mode, current direction and coil is what the pulses were given with,
-- whatever the device was set to when it was connected: compared with what the simulator gave.
local fixture = require "job"
local shell = require "shell"

local plans = {
  single = "mp.pulse(mp.mso(40)):times(2, { every = 5 })",
  high = "(mp.pair { isi = mp.ms(2.5), intensity = { mp.mso(30), mp.mso(50) } }):times(2, { every = 5 })",
  low = "(mp.pair { isi = mp.ms(150), intensity = { mp.mso(30), mp.mso(50) } }):times(2, { every = 5 })",
  bursts = "(mp.burst { pulses = 3, hz = 50, intensity = mp.mso(30) }):times(2, { every = 5 })",
  mixed = "mp.pulse(mp.mso(40)) .. mp.rest(5) .. mp.burst { pulses = 3, hz = 50, intensity = mp.mso(30) }"
    .. " .. mp.rest(5) .. mp.pulse(mp.mso(40))",
}

local script = [[local mp = require "moonpulse"
  return mp.experiment { run = function(run)
    local stim = run:device()
    for _, isi in ipairs { 2.5, 150 } do
      local pair = mp.pair { isi = mp.ms(isi), intensity = { mp.mso(30), mp.mso(50) } }
      stim:arm(pair)
      stim:fire(pair)
      run:sleep(5)
      stim:disarm()
    end
  end }]]

--- What the simulator gave the pulses with, each value once, in their order: a MagPro's columns, and what a
--- BiStim was told last before a pulse.
local function twin(run)
  local waveforms, modes, resolution = {}, {}, nil
  local function add(list, value)
    if not list[value] then
      list[value], list[#list + 1] = true, value
    end
  end
  for _, row in ipairs((shell.rows(run .. "/twin.tsv"))) do
    if row.event == "set" then
      resolution = row.note:match("^%l+ resolution$") or resolution
    elseif row.event == "pulse" then
      add(waveforms, row.waveform)
      add(modes, row.mode == "bistim" and resolution or row.mode)
    end
  end
  return table.concat(waveforms, " and "), table.concat(modes, " and ")
end

local function said(device, key)
  return device[key] and device[key].source == "device" and device[key].value or "n/a"
end

describe("how the pulses of a run were given", function()
  local folder
  fixture.each_test(function(path) folder = path end)

  local function judge(name, text, device, options)
    shell.write(("%s/%s.lua"):format(folder, name), text)
    local out = ("%s/%s-%s%s"):format(folder, name, device, options and "-options" or "")
    local status, _, err = shell.moonpulse(folder, ("run %s/%s.lua --device sim:%s --speed max --out %s%s")
      :format(folder, name, device, out, options or ""))
    assert.are.same({ name, device, 0 }, { name, device, status }, err)
    local run = fixture.run_in(out)
    local facts, waveform, mode = fixture.manifest(run).device, twin(run)
    assert.are.same({ name, device, waveform, mode }, { name, device, said(facts, "waveform"),
      said(facts, "mode") })
    return facts
  end

  local function plan(name)
    return 'local mp = require "moonpulse"\nreturn ' .. plans[name]
  end

  it("is as the simulator gave them, on each device that says it", function()
    for _, name in ipairs { "single", "high", "low" } do
      judge(name, plan(name), "bistim")
    end
    judge("single", plan "single", "bistim", " --device-option resolution=low")
    for _, name in ipairs { "single", "bursts", "mixed" } do
      assert.are.same({ value = "Normal", source = "device" }, judge(name, plan(name), "magventure",
        " --timing device").current_direction)
    end
    assert.are.same({ value = "70BF", source = "device" }, judge("single", plan "single", "duomag").coil)
  end)

  it("is all that there was, where a script arms anew with something else", function()
    assert.are.same({ value = "high resolution and low resolution", source = "device" },
      judge("script", script, "bistim").mode)
  end)
end)
