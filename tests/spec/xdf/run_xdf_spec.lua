-- moonpulse run --xdf: the XDF file lies in the run's folder when the run is over, as export xdf makes it,
-- and says which output of which device each pulse was. It is read by a reader that was written from the
-- format's page alone (tests/helpers/xdf_reader.py).
local cjson = require "cjson"
local fixture = require "job"
local shell = require "shell"

local folder

local function read(path)
  local status, out, err = shell.sh(folder, "python3 tests/helpers/xdf_reader.py " .. shell.quote(path))
  assert.are.equal(0, status, err)
  return cjson.decode(out)
end

--- Run it in virtual time; its folder, and what was said.
local function run(name, text, options)
  shell.write(("%s/%s.lua"):format(folder, name), 'local mp = require "moonpulse"\n' .. text)
  local out = ("%s/%s"):format(folder, name)
  local _, said, err = shell.moonpulse(folder, ("run %s.lua --speed max --xdf --out %s %s"):format(out,
    out, options or ""))
  return fixture.run_in(out) or error(said .. err), said
end

local function list(value)
  return value[1] and value or { value }
end

local pair = [[
return mp.mark("begin", { code = 9 })
  .. mp.pulse { intensity = mp.mso(41), code = 3 }:at "left":times(2, { every = 1 })
  .. mp.rest(1) .. mp.pulse(mp.mso(55)):at "right":times(3, { every = 1.5 })
]]
local both = "--device left=sim:magventure --device right=sim:duomag"

describe("run --xdf", function()
  setup(function() folder = shell.folder() end)
  teardown(function() shell.remove(folder) end)

  it("leaves the file that export xdf makes, which is sealed and verified", function()
    for name, each in pairs {
      protocol = { "return mp.mark 'go' .. mp.pulse(mp.mso(40)):times(3, { every = 5 })", "--codes sim" },
      experiment = { "return mp.experiment(function(run) local stim = run:device() stim:arm() "
        .. "stim:play(mp.pulse(mp.mso(40))) run:note 'n' end)" },
      several = { pair, both },
      stopped = { "return mp.pulse(mp.mso(40)):times(9, { every = 5 })", "--fault unplug@4" },
      unplayed = { "return mp.experiment(function(run) run:note 'none' end)" },
    } do
      local path, said = run(name, each[1], each[2])
      assert.matches("\nxdf +" .. path:gsub("%p", "%%%0") .. "/streams.xdf\n", said)
      assert.are.equal("1.0", read(path .. "/streams.xdf").version, name)
      local again = ("%s/%s.again"):format(folder, name)
      local status, _, err = shell.moonpulse(folder, ("export xdf %s -o %s"):format(path, again))
      assert.are.equal(0, status, err)
      assert.are.equal(shell.read(again), shell.read(path .. "/streams.xdf"), name)
      assert.matches("  streams.xdf\n", shell.read(path .. "/SHA256SUMS"))
      local verdict, told = shell.moonpulse(folder, "verify " .. path)
      assert.are.equal(0, verdict, told)
      assert.matches("streams.xdf is the file that the record makes", told, 1, true)
    end
  end)

  it("says which output of which device gave each pulse", function()
    local path = run("outputs", pair, both)
    local pulses = read(path .. "/streams.xdf").streams[2]
    local labels, place = {}, {}
    for i, channel in ipairs(pulses.info.desc.channels.channel) do
      labels[i], place[channel.label] = channel.label, i
    end
    assert.are.equal(tostring(#labels), pulses.info.channel_count)
    local outputs = {}
    for _, output in ipairs(list(pulses.info.desc.outputs.output)) do
      outputs[tonumber(output.number)] = output
    end
    local found = {}
    for i, values in ipairs(pulses.values) do
      local output = outputs[values[place.output]]
      found[i] = { output.channel, output.device.name, output.device.simulated, values[place.intensity_mso] }
    end
    local left, right = { "left", "magventure", "yes", 41 }, { "right", "duomag", "yes", 55 }
    assert.are.same({ left, left, right, right, right }, found)
    local rows = {}
    for _, row in ipairs(shell.rows(path .. "/events.tsv")) do
      rows[#rows + 1] = row.event == "pulse" and row.channel or nil
    end
    assert.are.same({ "left", "left", "right", "right", "right" }, rows)
  end)

  it("is judged by verify: changed it is no file of the record, renamed its run is the same", function()
    local path = run("judged", "return mp.pulse(mp.mso(40)):times(3, { every = 5 })")
    local moved = folder .. "/moved"
    assert(os.rename(path, moved))
    local status, told = shell.moonpulse(folder, "verify " .. moved)
    assert.are.equal(0, status, told)
    shell.sh(folder, "chmod -R u+w " .. moved)
    local text = shell.read(moved .. "/streams.xdf")
    local at = assert(text:find("pulse", 300, true))
    shell.write(moved .. "/streams.xdf", text:sub(1, at - 1) .. "pulsf" .. text:sub(at + 5))
    os.remove(moved .. "/SHA256SUMS") -- what the seal says of it is another matter
    status, told = shell.moonpulse(folder, "verify " .. moved)
    assert.are.equal(1, status)
    assert.matches("streams.xdf.-it is not the file that the record makes", told)
  end)

  it("of a run that was killed is told by recover, and then made", function()
    shell.write(folder .. "/killed.lua", 'local mp = require "moonpulse"\n'
      .. "return mp.pulse(mp.mso(40)):times(100, { every = 0.3 })")
    local out = folder .. "/killed"
    shell.sh(folder, ([[%s run %s/killed.lua --xdf --out %s >%s/said 2>&1 & pid=$!
      for i in $(seq 300); do
        sleep 0.05; [ "$(cat %s/*/events.tsv 2>/dev/null | wc -l)" -gt 3 ] && break
      done
      kill -9 $pid; wait $pid]]):format(shell.quote(shell.program), folder, out, folder, out))
    local path = fixture.run_in(out)
    local status, said, err = shell.moonpulse(folder, "recover " .. path)
    assert.are.equal(0, status, err)
    assert.matches("it was to have an XDF file (--xdf): moonpulse export xdf " .. path, said, 1, true)
    local again, _, why = shell.moonpulse(folder, ("export xdf %s -o %s/late.xdf"):format(path, folder))
    assert.are.equal(0, again, why)
    local left = 0
    for _, row in ipairs(shell.rows(path .. "/events.tsv")) do
      left = left + (row.event == "pulse" and row.onset_sent_us ~= "n/a" and 1 or 0)
    end
    assert.are.equal(left, #read(folder .. "/late.xdf").streams[2].times)
  end)
end)
