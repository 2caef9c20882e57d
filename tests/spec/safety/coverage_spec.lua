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

  it("is told as it is used where that is another than what is declared", function()
    local path = with("both", 'coil = "H1", threshold = "foot",')
    local _, report = checked(path .. " --rmt 40 --coil H4 --threshold jaw")
    assert.matches("the coil (H4) and the threshold (jaw)", cjson.encode(report), 1, true)
    local _, declared = checked(path .. " --rmt 40 --coil figure-of-eight --threshold hand")
    assert.matches("the coil (H1) and the threshold (foot)", cjson.encode(declared), 1, true)
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

  it("may be told for the run, which makes nothing milder than what is declared", function()
    local function told(path, options)
      return select(2, checked(("%s --rmt 40 %s"):format(path, options))).verdict
    end
    local plain = with("told", "")
    for _, options in ipairs { "--coil H1", "--coil circular", "--threshold foot" } do
      assert.are.equal("not covered", told(plain, options))
    end
    assert.are.equal("within", told(plain, "--coil Figure-of-eight --threshold hand"))
    local declared = with("declared", 'coil = "H1", threshold = "foot",')
    for _, options in ipairs { "--coil figure-of-eight", "--coil figure-of-eight --threshold hand" } do
      assert.are.equal("not covered", told(declared, options))
    end
    local strong = with("strong", "", "mp.train { pulses = 5, hz = 20, intensity = mp.rmt(140) }")
    assert.are.equal("OVER", told(strong, "--coil H1"))
    -- and the run keeps it in its record
    local status = shell.moonpulse(folder, ("run %s --rmt 40 --coil H1 --speed max --out %s/told"):format(
      plain, folder))
    assert.are.equal(0, status)
    local _, manifest = shell.sh(folder, ("cat %s/told/*/manifest.json"):format(folder))
    local safety = cjson.decode(manifest).safety
    assert.are.equal("not covered", safety.verdict)
    assert.matches("no table covers the coil (H1)", manifest, 1, true)
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
    local _, report = checked(path .. " --rmt 40 --device sim:pulsepal "
      .. "--device-option channels=nerve=1,tms=2 --device-option full_scale_volts=10")
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

  local box = "--device sim:pulsepal --device-option channels=nerve=1,tms=2 "
    .. "--device-option full_scale_volts=10 "

  it("is held by the lab's own limits: nothing but the file lifts them", function()
    local path = with("nerve", 'nerve = { "nerve" },', plan)
    -- each of these is met by the nerve's 300 pulses alone
    for limit, over in pairs { max_percent_mso = { "89", "90" }, max_hz = { "49", "50" },
      pulses_per_session = { "300", "301" }, pulses_per_day = { "300", "301" },
      pulses_per_week = { "300", "301" }, max_percent_rmt = { "224", "225" },
      train_duration = { "{ { hz = 50, percent = 300, s = 5.9 } }", "{ { hz = 50, percent = 300, s = 6 } }" },
      min_gap_s = { "2", "1" } } do
      for i, wanted in ipairs { "OVER", "within" } do
        local made = limit ~= "min_gap_s" and path or with("gaps", 'nerve = { "nerve" },',
          '(mp.train { pulses = 5, hz = 5, intensity = mp.mso(30) } .. mp.rest(1)):times(2):at "nerve"')
        shell.write(folder .. "/lab.lua", ("return { %s = %s }"):format(limit, over[i]))
        local on = made == path and box or box:gsub(",tms=2", "") -- an unused name is refused
        local status, report = checked(("%s --rmt 40 %s --lab %s/lab.lua"):format(made, on, folder))
        assert.are.same({ limit, wanted }, { limit, report.layers.lab })
        assert.is_true(wanted == "within" or status == 3)
      end
    end
  end)

  it("is counted apart, the same way in this run and in earlier ones", function()
    local path = with("nerve", 'nerve = { "nerve" },', plan)
    local function earlier(nerve)
      shell.sh(folder, ("rm -rf %s/runs; mkdir -p %s/runs/one"):format(folder, folder))
      shell.write(folder .. "/runs/one/manifest.json", cjson.encode { participant = "P07",
        started = os.date("!%Y-%m-%dT%H:%M:%S+0000"), device = { simulated = false },
        protocol = { id = "nerve", pulses = 12, nerve = nerve },
        result = { pulses_sent = 12, elapsed_s = 1 } })
      local rows = { "onset\tevent\tpulse\tonset_planned_us\tonset_sent_us\tchannel\tstatus" }
      for i = 1, 12 do
        rows[#rows + 1] = ("%d.0\tpulse\t%d\t%d\t%d\t%s\tdelivered"):format(i, i, i * 1000000, i * 1000000,
          i <= 10 and "nerve" or "tms")
      end
      shell.write(folder .. "/runs/one/events.tsv", table.concat(rows, "\n") .. "\n")
    end
    local function of(rule, lab)
      shell.write(folder .. "/lab.lua", "return { pulses_per_day = 100, pulses_per_week = 200 }")
      local _, report = checked(("%s --rmt 40 %s --participant P07 --out %s/runs --lab %s/lab.lua"):format(
        path, box, folder, folder))
      for _, finding in ipairs(report.findings) do
        if finding.rule == rule and (finding.layer == "lab") == lab then
          return finding.value, report
        end
      end
    end
    earlier { "nerve" }
    local day, report = of("pulses a day", false)
    assert.are.same({ 3, 1, 300 }, { day, report.pulses, report.nerve_pulses }) -- 2 earlier, and one
    assert.are.same({ 2, 2, 10, 10 }, { report.history.day, report.history.week, report.history.nerve_day,
      report.history.nerve_week })
    assert.are.equal(313, (of("pulses a day", true))) -- to the lab all are pulses
    assert.are.equal(313, (of("pulses a week", true)))
    earlier(nil) -- of a record that does not say so, all are the brain's
    assert.are.equal(13, (of("pulses a day", false)))
    assert.are.equal(313, (of("pulses a day", true)))
  end)

  it("is said in the record where the device's output may be one, and only there", function()
    local path = with("nerve", 'nerve = { "1" },', "mp.pulse(mp.mso(20))")
    for device, nerve in pairs { ["sim:pulsepal"] = { "1" }, ["sim:stimjim"] = { "1" },
      ["sim:magventure"] = false } do
      shell.sh(folder, ("rm -rf %s/runs"):format(folder))
      local status, _, err = shell.moonpulse(folder, ("run %s --speed max --out %s/runs --device %s"):format(
        path, folder, device))
      assert.are.equal(0, status, err)
      local run = shell.names(folder .. "/runs")[1]
      assert.are.same(nerve, cjson.decode(shell.read(("%s/runs/%s/manifest.json"):format(folder,
        run))).protocol.nerve or false)
    end
  end)

  it("is a list", function()
    for _, text in ipairs { 'nerve = "nerve",', "nerve = { a = true }," } do
      local status, _, message = shell.moonpulse(folder, "check " .. with("wrong", text) .. " --rmt 40")
      assert.are.equal(2, status)
      assert.matches("nerve must be a list of channels", message, 1, true)
    end
  end)
end)
