--- Thresholds that earlier runs of the participant found, taken by a run on several devices: each its own.
local cjson = require "cjson"
local core = require "moonpulse.core"
local fixture = require "job"
local resealed = require "resealed"
local shell = require "shell"

local kept, found -- a hunt on each of two stimulators, and what it found, by the stimulator

setup(function()
  kept, found = shell.folder(), {}
  shell.write(kept .. "/answers", ("y\nn\n"):rep(10))
  for i, name in ipairs { "magventure", "rapid" } do
    local had = {}
    for _, each in ipairs(i == 2 and core.run_states(kept .. "/runs") or {}) do
      had[each] = true
    end
    local status, out, err = shell.moonpulse(kept, ("run threshold_hunt -p kind=RMT -p start=%d "
      .. "--seed 3 --speed max --participant P07 --device sim:%s --answers %s/answers --out %s/runs"):format(
        40 + 4 * i, name, kept, kept))
    assert.are.equal(0, status, out .. err)
    for _, each in ipairs(core.run_states(kept .. "/runs")) do
      found[name] = not had[each] and each or found[name]
    end
  end
end)
teardown(function() shell.remove(kept) end)

describe("a threshold of an earlier run for one of several devices", function()
  local folder
  fixture.each_test(function(of)
    folder = of
    shell.copy(kept .. "/runs", folder .. "/runs")
  end)

  local function value_of(name)
    local manifest = fixture.manifest(folder .. "/runs/" .. found[name])
    return tonumber(("%.4g"):format(manifest.thresholds.found[1].value))
  end

  --- ccPAS with the first coil on a MagPro and the second one on a Rapid².
  local function perform(more, second)
    return shell.moonpulse(folder, ("run ccpas -p first=90%%RMT -p second=120%%RMT -p pairs=2 --speed max "
      .. "--device PMv=sim:magventure --device M1=sim:%s %s --out %s/runs"):format(second or "rapid", more,
        folder))
  end

  local function made()
    for _, name in ipairs(core.run_states(folder .. "/runs")) do
      if name:find "ccpas$" then
        return folder .. "/runs/" .. name
      end
    end
  end

  it("is that of the device, in the record and in what is given", function()
    local status, out, err = perform "--rmt PMv=last --rmt M1=last --participant P07"
    assert.are.equal(0, status, out .. err)
    local mag, rapid = value_of "magventure", value_of "rapid"
    assert.are_not.equal(mag, rapid)
    local set = {}
    for _, place in ipairs { "PMv", "M1" } do
      for _, row in ipairs(shell.rows(("%s/%s/twin.tsv"):format(made(), place))) do
        set[place] = row.event == "pulse" and tonumber(row.intensity) or set[place]
      end
    end
    assert.are.same({ PMv = math.floor(0.9 * mag + 0.5), M1 = math.floor(1.2 * rapid + 0.5) }, set)
    local taken = {}
    for i, each in ipairs(fixture.manifest(made()).device.devices) do
      taken[i] = { each.place, each.thresholds.rmt, each.taken.rmt.run, each.taken.rmt.why }
    end
    assert.are.same({ { "PMv", mag, found.magventure, "--rmt PMv=last" },
      { "M1", rapid, found.rapid, "--rmt M1=last" } }, taken)
    assert.matches("for the stimulator \"PMv\" was [%d.]+ %%MSO %(ML%-PEST from 44,?%s+20 trials%)",
      select(2, shell.moonpulse(folder, "methods " .. made())))
    assert.are.equal(0, (shell.moonpulse(folder, "verify " .. made())))
    local again
    again, out, err = shell.moonpulse(folder, ("rerun %s --out %s/again"):format(made(), folder))
    assert.are.equal(0, again, out .. err)
    local devices = fixture.manifest(fixture.run_in(folder .. "/again")).device.devices
    assert.are.equal(found.rapid, devices[2].taken.rmt.run)
  end)

  it("is taken by check as by run: of simulators on simulators", function()
    local line = "check ccpas -p first=90%%RMT -p second=120%%RMT --rmt PMv=last --rmt M1=last "
      .. "--participant P07 --device PMv=%s --device M1=%s --out " .. folder .. "/runs"
    local status, out, err = shell.moonpulse(folder, line:format("sim:magventure", "sim:rapid"))
    assert.are.equal(0, status, out .. err)
    assert.matches(("takes for PMv RMT %.10g %%%%MSO"):format(value_of "magventure"), err)
    assert.matches(("takes for M1 RMT %.10g %%%%MSO"):format(value_of "rapid"), err)
    status, out, err = shell.moonpulse(folder, line:format("magventure@/dev/ttyUSB0", "rapid@/dev/ttyUSB1"))
    assert.are.same({ 2, "" }, { status, out })
    assert.matches("--rmt PMv=last: [^\n]*: it was found on a simulator, and this is a stimulator", err)
  end)

  it("is in the report with where it is from, beside what each device said of itself", function()
    local status, out, err = perform "--rmt PMv=last --rmt M1=60 --participant P07"
    assert.are.equal(0, status, out .. err)
    local devices = fixture.manifest(made()).device.devices
    local report = shell.read(made() .. "/report.html"):gsub("<[^>]+>", "|"):gsub("[%s|]*|[%s|]*", "|")
    local from = devices[1].taken.rmt
    for _, words in ipairs {
      ("|Device|SIMULATED PMv: MagVenture MagPro %s, serial number %s; M1: Magstim Rapid² %s|"):format(
        devices[1].model, devices[1].serial, devices[2].model),
      ("|Model|PMv: %s; M1: %s|"):format(devices[1].model, devices[2].model),
      ("|Serial number|PMv: %s; M1: not recorded|"):format(devices[1].serial),
      "|Waveform|PMv: Biphasic (says the device); M1: not recorded|",
      ("|PMv %.10g %%MSO (%s, %s), M1 60 %%MSO|"):format(value_of "magventure", from.how, from.date),
    } do
      assert.is_truthy(report:find(words, 1, true), words)
    end
    local _, section = shell.moonpulse(folder, "methods " .. made())
    assert.matches("waveform was Biphasic (PMv) and [waveform: state the pulse shape, such as biphasic] "
      .. "(M1),", section:gsub("%s+", " "), 1, true)
    shell.write(folder .. "/meta.json", '{"waveform": "monophasic"}')
    _, section = shell.moonpulse(folder, ("methods %s --meta %s/meta.json"):format(made(), folder))
    assert.matches("waveform was Biphasic (PMv) and monophasic (M1),", section:gsub("%s+", " "), 1, true)
  end)

  it("is taken beside a number, and by all with --rmt last", function()
    for _, more in ipairs { "--rmt PMv=last --rmt M1=40", "--rmt PMv=last --rmt 40",
      "--rmt last --rmt M1=40" } do
      local status, out, err = perform(more .. " --participant P07")
      assert.are.equal(0, status, out .. err)
      assert.matches("intensity +120 %%RMT of 40 %%MSO = 48 %%MSO", out)
      assert.matches(("intensity +90 %%%%RMT of %.10g %%%%MSO"):format(value_of "magventure"), out)
    end
    local status, out = perform "--rmt last --participant P07"
    assert.are.equal(0, status)
    assert.matches(("120 %%%%RMT of %.10g %%%%MSO"):format(value_of "rapid"), out)
  end)

  it("is refused where it is not that device's, nobody's, or may be the other's", function()
    local function refuses(more, words, second)
      local status, _, err = perform(more, second)
      assert.are.equal(2, status)
      assert.matches(words, err, 1, true)
    end
    refuses("--rmt PMv=last --rmt M1=last", "--rmt PMv=last: whose? name the participant")
    refuses("--rmt PMv=last --rmt M1=last --participant P08", "--rmt PMv=last: no earlier run of P08 found")
    refuses("--rmt 40 --amt M1=last --participant P07", "--amt M1=last: no earlier run of P07 found one")
    refuses("--rmt PMv=last --rmt M1=last --participant P07", "and now magstim200): give --rmt M1=N, in %MSO",
      "magstim200")
    refuses("--rmt last --participant P07", ("--rmt PMv=last and M1=last are one threshold, of run %s: "
      .. "it is of one of the two; give --rmt PMv=N, or M1=N"):format(found.magventure), "magventure")
    resealed.edit(folder .. "/runs/" .. found.magventure, nil, { ["manifest.json"] = function(text)
      local manifest = cjson.decode(text)
      manifest.device.serial = "4711"
      return cjson.encode(manifest)
    end }, true)
    refuses("--rmt PMv=last --rmt M1=40 --participant P07", "was found with another stimulator: serial "
      .. "number (4711, and now 66051): nothing was armed; --rmt PMv=")
  end)
end)
