--- What the tables are not for: other coils, other thresholds, nerves.
local cjson = require "cjson"
local shell = require "shell"

local folder
setup(function()
  folder = shell.folder()
end)
teardown(function()
  shell.remove(folder)
end)

local function checked(text)
  local status, out = shell.moonpulse(folder, "check --json " .. text)
  return status, out:match("^{") and cjson.decode(out:match("{.*}")) or out
end

--- A protocol that is within, with more fields.
local function with(name, fields, plan)
  shell.write(folder .. "/" .. name .. ".lua", ([[
    local mp = require "moonpulse"
    return mp.protocol { name = "%s", %s plan = function() return %s end }
  ]]):format(name, fields, plan or "mp.train { pulses = 5, hz = 20, intensity = mp.rmt(100) }"))
  return folder .. "/" .. name .. ".lua"
end

local function verdict(...)
  return select(2, checked(with(...) .. " --rmt 40")).verdict
end

describe("a coil or a threshold that the tables are not for", function()
  it("is never within", function()
    assert.are.equal("within", verdict("plain", ""))
    assert.are.equal("within", verdict("eight", 'coil = "figure-of-eight", threshold = "hand",'))
    assert.are.equal("not covered", verdict("h1", 'coil = "H1",'))
    assert.are.equal("not covered", verdict("foot", 'threshold = "foot",'))
    assert.are.equal("not covered", verdict("single", 'coil = "H1",', "mp.pulse(mp.rmt(100))"))
  end)

  it("makes nothing milder", function()
    assert.are.equal("OVER", verdict("over", 'coil = "H1",',
      "mp.train { pulses = 5, hz = 20, intensity = mp.rmt(140) }"))
    assert.are.equal("beyond tested",
      verdict("beyond", 'coil = "H1",', "mp.train { pulses = 60, hz = 10, intensity = mp.rmt(90) }"))
  end)

  it("is said of the catalogue's deep TMS, whatever the plan", function()
    for _, id in ipairs { "dtms_h1", "dtms_h4_smoking", "dtms_h7_ocd" } do
      for _, intensity in ipairs { "60%RMT", "100%RMT" } do
        local _, report = checked(("%s --rmt 40 -p intensity=%s"):format(id, intensity))
        assert.are_not.equal("within", report.verdict)
        assert.are.equal("coverage", report.findings[1].rule)
        for _, finding in ipairs(report.findings) do
          assert.is_false(finding.rule == "train duration" and finding.verdict == "within")
        end
      end
    end
  end)

  it("stays with the plan when it is compiled", function()
    local path = with("kept", 'coil = "H1",')
    local status = shell.moonpulse(folder, ("compile %s -o %s/kept.plan"):format(path, folder))
    assert.are.equal(0, status)
    assert.are.equal("not covered", select(2, checked(folder .. "/kept.plan --rmt 40")).verdict)
  end)
end)

describe("a channel that is declared as a nerve's", function()
  local plan = "mp.together { nerve = mp.train { pulses = 300, hz = 50, intensity = mp.mso(90) }, "
    .. "tms = mp.pulse(mp.rmt(100)) }"

  it("is not judged by the tables, nor counted, on a box that may drive a nerve stimulator", function()
    local path = with("nerve", 'nerve = { "nerve" },', plan)
    local _, report = checked(path .. " --rmt 40 --device sim:pulsepal --device-option "
      .. "channels=nerve=1,tms=2 --device-option full_scale_volts=10")
    assert.are.equal("within", report.layers.guidelines)
    assert.are.equal(1, report.pulses)
    assert.matches("channel nerve is declared", report.findings[1].text, 1, true)
  end)

  it("is a coil's on a stimulator, and where nobody declared it", function()
    local declared, plain = with("nerve", 'nerve = { "nerve" },', plan), with("brain", "", plan)
    assert.are.equal("OVER", select(2, checked(declared .. " --rmt 40")).layers.guidelines)
    assert.are.equal("OVER", select(2, checked(plain .. " --rmt 40 --device sim:pulsepal "
      .. "--device-option channels=nerve=1,tms=2 --device-option full_scale_volts=10")).layers.guidelines)
  end)

  it("is a list", function()
    for _, text in ipairs { 'nerve = "nerve",', "nerve = { a = true }," } do
      local status, _, message = shell.moonpulse(folder, "check " .. with("wrong", text) .. " --rmt 40")
      assert.are.equal(2, status)
      assert.matches("nerve must be a list of channels", message, 1, true)
    end
  end)
end)
