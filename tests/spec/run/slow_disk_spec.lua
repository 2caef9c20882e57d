-- A slow disk is no reason to stop: while a device is armed Moonpulse only appends to open files. Here all
-- else that a disk may take its time over takes longer than the loop may be silent.
local fixture = require "job"
local shell = require "shell"

local on_slow_disk, no_shim = require "shim".of "slow"

local devices = { "magventure", "magstim200", "bistim", "rapid", "duomag", "stimjim", "pulsepal", "trigger" }
local mute = {} -- confirm nothing
for _, device in ipairs(devices) do
  mute[device] = require "moonpulse.driver.find".find(device).confirms == false
end

if not on_slow_disk then
  return it("a slow disk", function() return pending(no_shim) end)
end

describe("a disk on which each file that is made, moved, emptied or taken away takes 600 ms", function()
  local folder

  fixture.each_test(function(...) folder = ... end)

  --- The file's run on each device, all at once: they mostly wait.
  local function on_all_devices(file)
    local commands = {}
    for i, device in ipairs(devices) do
      commands[i] = ("%s DISK_MS=600 %s run %s --device sim:%s --timing host --tolerance 1000 "
        .. "--late skip --out %s/%s"):format(on_slow_disk, shell.quote(shell.program), file, device, folder,
        device)
    end
    return shell.together(folder, commands)
  end

  local function given(rows)
    local pulses = 0
    for _, row in ipairs(rows) do
      pulses = pulses + (row.event == "pulse" and 1 or 0)
    end
    return pulses
  end

  --- It came to its end, and its record has what the simulator gave, and all of it.
  local function assert_whole(device, result, pulses)
    local words = device .. ": " .. result.out .. result.err
    assert.are.equal(0, result.status, words)
    local run = fixture.run_in(folder .. "/" .. device)
    local manifest = fixture.manifest(run)
    local told = manifest.result
    assert.are.same({ "completed", "finished", true, pulses, mute[device] and 0 or pulses },
      { manifest.status, told.stop, told.disarmed, told.pulses_sent, told.pulses_confirmed }, words)
    assert.is_string(manifest.host.realtime, words)
    assert.are.equal(pulses, given(shell.rows(run .. "/events.tsv")), words)
    assert.are.equal(pulses, given(shell.rows(run .. "/twin.tsv")), words)
    assert.is_string(shell.read(run .. "/report.html"), words)
  end

  it("ends no protocol, on any device", function()
    shell.write(folder .. "/two.lua", 'local mp = require "moonpulse"\nreturn mp.protocol { id = "two", '
      .. 'name = "Two", plan = function() return mp.train { pulses = 2, every = 4, '
      .. 'intensity = mp.mso(30) } end }')
    for i, result in ipairs(on_all_devices(folder .. "/two.lua")) do
      assert_whole(devices[i], result, 2)
    end
  end)

  it("ends no experiment that arms, disarms and arms again, on any device", function()
    shell.write(folder .. "/twice.lua", [[local mp = require "moonpulse"
      return mp.experiment(function(run)
        local stim, pulse = run:device(), mp.pulse(mp.mso(30))
        for _ = 1, 2 do
          stim:arm(pulse)
          stim:fire(pulse)
          run:mark "given"
          stim:disarm()
        end
      end)]])
    for i, result in ipairs(on_all_devices(folder .. "/twice.lua")) do
      assert_whole(devices[i], result, 2)
    end
  end)
end)
