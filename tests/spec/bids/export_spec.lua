-- moonpulse export bids: a run's folder as a BIDS dataset.
local bids = require "bids"
local cjson = require "cjson"
local closing = require "moonpulse.bids.closing"
local lfs = require "lfs"
local shell = require "shell"
local tsv = require "moonpulse.bids.tsv"

describe("export bids", function()
  local folder, whole, stopped, pair

  setup(function()
    folder = shell.folder()
    whole = bids.run(folder, "itbs600 --amt 40")
    stopped = bids.run(folder, "itbs600 --amt 40 --fault drop@30")
    pair = bids.run(folder, "ccpas -p first=45%MSO -p second=58%MSO --device sim:pulsepal "
      .. "--device-option channels=PMv=1,M1=2")
  end)
  teardown(function() shell.remove(folder) end)

  local meta = cjson.decode(shell.read("tests/bids/draft.json"))
  local stem = "sub-01/nibs/sub-01_task-stimulation_acq-itbs600_run-1_"

  --- A column of the first row.
  local function cells(text, columns)
    local found, list = tsv.parse(text), {}
    for i, name in ipairs(columns) do
      list[i] = found.rows[1][found.index[name] or 0] or "(no column)"
    end
    return table.concat(list, " ")
  end

  it("gives the row of the draft's own example, cell by cell", function()
    local files = bids.export({}, whole, { sub = "01" }, meta)
    -- examples/plasticity-tms-eeg-emg, acq-itbs, of the draft's authors at 961f44d
    assert.are.equal("iTBS TMS MagVenture Coil_1 Biphasic rising co-cl 32 200 3 20 10 200 20 10000 aMT 0.8",
      cells(files[stem .. "nibs.tsv"], { "nibs_event_id", "nibs_type", "stimulator_id", "nibs_element_id",
        "stimulus_shape", "first_inflection", "current_direction", "stimulus_intensity", "stimulus_duration",
        "pattern1_count", "pattern1_interval", "pattern2_count", "pattern2_interval", "pattern3_count",
        "pattern3_interval", "intensity_reference", "intensity_scaling" }))
    assert.are.equal("onset\tduration\tnibs_event_id\tnibs_position_id\n0\t192\tiTBS\tM1_L\n",
      files[stem .. "events.tsv"])
    local sidecar = cjson.decode(files[stem .. "nibs.json"])
    local device, coil, threshold = sidecar.StimulatorSet[1], sidecar.ElementSet[1], sidecar.IntensitySet[1]
    assert.are.same({ "MagVenture", "MagPro X100", "X100-0001", "coil", "Cool-B65", 40, "active_motor" },
      { device.Manufacturer, device.ManufacturersModelName, device.DeviceSerialNumber, coil.ElementType,
        coil.ModelName, threshold.Value, threshold.IntensityType })
    assert.are.same({ "figure-of-eight", "liquid", 75, "relative-frequency" }, { coil.CoilShape,
      coil.CoilCooling, coil.CoilDiameter.Value, threshold.Algorithm })
  end)

  it("has what was noted about the run as text of its own, and nobody's name with it", function()
    local function export(run, more)
      shell.remove(folder .. "/noted")
      local status, text, err = shell.moonpulse(folder, ("export bids %s --bids %s/noted --sub 01 %s"):format(
        run, folder, more or ""))
      assert.are.equal(0, status, err)
      local checked, found = shell.moonpulse(folder, ("check-bids %s/noted"):format(folder))
      assert.are.equal(0, checked, found)
      assert.matches("0 errors, 0 warnings", found, 1, true)
      return text, err
    end
    --- The notes as a reader of JSON that is not ours has them, line by line.
    local function notes_in(name)
      local status, text, err = shell.sh(folder, ([[python3 -c 'import json, sys
for note in json.load(open(sys.argv[1])).get("Moonpulse", {}).get("Notes", []):
    print(sorted(note), note["At"][:4], note["Text"], sep="|")' %s/noted/sub-01/%s]]):format(folder, name))
      assert.are.equal(0, status, err)
      return text
    end
    local names = { "nibs/sub-01_task-stimulation_acq-itbs600_run-1_nibs.json",
      "beh/sub-01_task-stimulation_acq-itbs600_run-1_events.json" }
    local noted = bids.run(folder, "itbs600 --amt 40")
    local _, err = export(noted)
    assert.is_nil(err:find("as written", 1, true))
    assert.are.same({ "", "" }, { notes_in(names[1]), notes_in(names[2]) })
    local rows = folder .. "/noted/sub-01/" .. names[2]:gsub("json$", "tsv")
    local plain = assert(shell.read(rows))
    for _, text in ipairs { "the coil \"slipped\" | déjà vu", "slept 5 h" } do
      assert.are.equal(0, (shell.moonpulse(folder, ("note %s %s --operator OPZ"):format(noted,
        shell.quote(text)))))
    end
    local year = os.date "!%Y"
    local wanted = ("['At', 'Text']|%s|the coil \"slipped\" | déjà vu\n['At', 'Text']|%s|slept 5 h\n")
      :format(year, year)
    for _, options in ipairs { "", "--no-sourcedata" } do
      _, err = export(noted, options)
      assert.matches("2 notes of its operators: the dataset has them as written: see that nobody is named "
        .. "there", err, 1, true)
      assert.are.same({ wanted, wanted }, { notes_in(names[1]), notes_in(names[2]) })
      assert.are.equal(plain, shell.read(rows)) -- the timeline is the run's
      local _, named = shell.sh(folder, ("cd %s/noted && grep -rl OPZ . | grep -v ./sourcedata/"):format(
        folder))
      assert.are.equal("", named)
    end
  end)

  it("says n/a of what nobody told, and that a simulated run was simulated", function()
    local files = bids.export({}, whole, { sub = "01" })
    assert.are.equal("itbs600 magventure n/a n/a 32 verified", cells(files[stem .. "nibs.tsv"], {
      "nibs_event_id", "stimulator_id", "current_direction", "stimulus_duration", "stimulus_intensity",
      "stimulus_validation" }))
    local sidecar = cjson.decode(files[stem .. "nibs.json"])
    assert.matches("^SIMULATED: .* Delivered: 600 pulses%.$", sidecar.NIBSDescription)
    assert.are.same({ "n/a", "n/a" }, { sidecar.ElementSet[1].ModelName, sidecar.ElementSet[1].CoilShape })
  end)

  it("takes what the operator wrote down for the run, and nothing of it that is of the participant",
    function()
    shell.write(folder .. "/said.json", cjson.encode { coil = "MCF-B65", coil_shape = "figure-of-eight",
      coil_serial = "B65-7", pulse_width_us = 280, hotspot = "largest MEP of 5", amt_method = "5 of 10 above "
        .. "200 uV",
      muscle = "right FDI", age = 23, handedness = "left" })
    local run = bids.run(folder, ("ctbs300 --amt 40 --meta %s/said.json"):format(folder))
    local files = bids.export({}, run, { sub = "01" })
    local base = "sub-01/nibs/sub-01_task-stimulation_acq-ctbs300_run-1_"
    local sidecar = cjson.decode(files[base .. "nibs.json"])
    local coil, threshold = sidecar.ElementSet[1], sidecar.IntensitySet[1]
    assert.are.same({ "MCF-B65", "figure-of-eight", "B65-7", "5 of 10 above 200 uV", "EMG: right FDI" },
      { coil.ModelName, coil.CoilShape, coil.SerialNumber, threshold.Criterion, threshold.MeasurementMethod })
    assert.are.equal("280", cells(files[base .. "nibs.tsv"], { "stimulus_duration" }))
    assert.matches("hotspot: largest MEP of 5", files[base .. "markers.tsv"])
    for path, text in pairs(files) do
      assert(path:find("^sourcedata/") or not text:find("handedness", 1, true), path)
    end
  end)

  it("gives of a stopped run what was given, pulse by pulse", function()
    local files, made = bids.export({}, stopped, { sub = "01" })
    assert.are.same({ 1, 0, 30 }, { made.rows, made.patterns, made.singles })
    assert.is_nil(files[stem .. "nibs.tsv"]:find("pattern", 1, true))
    assert.are.equal(31, select(2, files[stem .. "events.tsv"]:gsub("\n", "")))
    local sidecar = cjson.decode(files[stem .. "nibs.json"])
    assert.matches("Delivered: 30 pulses of 600 planned", sidecar.NIBSDescription, 1, true)
  end)

  it("gives two coils as one row", function()
    local files = bids.export({}, pair, { sub = "01" })
    local base = "sub-01/nibs/sub-01_task-stimulation_acq-ccpas_run-1_"
    assert.are.equal("Coil_PMv|Coil_M1 n/a 2 8 45|58 100 5000 absolute|absolute 200", cells(
      files[base .. "nibs.tsv"], { "nibs_element_id", "stimulus_intensity", "pattern1_count",
        "pattern1_interval", "pattern1_intensity", "pattern2_count", "pattern2_interval",
        "intensity_reference", "stimulus_count" }))
    assert.are.equal("PMv|M1", cells(files[base .. "events.tsv"], { "nibs_position_id" }))
    local sidecar = cjson.decode(files[base .. "nibs.json"])
    assert.are.same({ "|", "|", 2 }, { sidecar.nibs_element_id.Delimiter,
      sidecar.pattern1_intensity.Delimiter,
      #sidecar.ElementSet })
  end)

  it("has the timeline pulse by pulse, of what happened only, with every column described", function()
    for _, run in ipairs { whole, stopped, pair } do
      local files = bids.export({}, run, { sub = "01" })
      for path, text in pairs(files) do
        local base = path:match("^(sub%-.*)%.tsv$")
        if base and not base:find("_scans") then
          local sidecar = cjson.decode(files[base .. ".json"])
          for _, name in ipairs(tsv.parse(text).columns) do
            assert(sidecar[name] and sidecar[name].Description, base .. " " .. name)
          end
        end
        if base and base:find("/beh/") then
          local found = tsv.parse(text)
          assert.are.same({ "onset", "duration" }, { found.columns[1], found.columns[2] })
          local nibs = path:gsub("/beh/", "/nibs/")
          local table_of = tsv.parse(files[nibs:gsub("_events", "_nibs")])
          local units = cjson.decode(files[nibs:gsub("_events.tsv", "_nibs.json")])
          local same, count = closing.compare(table_of, function(name) return units[name].Units end,
            tsv.parse(files[nibs]), text)
          assert.are.same({}, same)
          assert.are.equal(run == whole and 600 or run == stopped and 30 or 200, count)
        end
      end
    end
  end)

  it("writes nothing of the participant but the label outside of sourcedata/", function()
    local files = bids.export({}, whole, { sub = "07", ses = "2" })
    local kept = 0
    for path, text in pairs(files) do
      if path:find("^sourcedata/") then
        kept = kept + 1
        assert.are.equal(shell.read(whole .. path:match("sourcedata/sub%-07/ses%-2/[^/]+(/.*)")), text)
      else
        assert.is_nil((path .. text):find("KIM", 1, true), path)
        assert.is_nil((path .. text):find("OPA", 1, true), path)
        assert.is_nil(text:find(folder, 1, true), path)
      end
    end
    assert.is_true(kept >= 5)
    for path in pairs(bids.export({}, whole, { sub = "07", no_sourcedata = true })) do
      assert.is_nil(path:find("^sourcedata/"))
    end
  end)

  it("adds to a dataset that is there, and changes no byte of what it has", function()
    local files = { ["dataset_description.json"] = "{\"Name\": \"ours\"}", ["README.md"] = "ours",
      CHANGES = "ours", [".bidsignore"] = "extra/",
      ["participants.tsv"] = "participant_id\tage\r\nsub-01\t30\r\nsub-02\t31", ["sub-01/anat/x"] = "",
      ["sub-02/ses-1/anat/x"] = "", ["sub-02/ses-1/sub-02_ses-1_scans.tsv"] =
        "filename\tacq_time\toperator\nanat/x\tn/a\tn/a\n" }
    bids.export(files, whole, { sub = "02", ses = "1" })
    bids.export(files, stopped, { sub = "02", ses = "2" })
    bids.export(files, pair, { sub = "03" })
    assert.are.same({ "{\"Name\": \"ours\"}", "ours", "ours", "extra/\n**/nibs/**\n" },
      { files["dataset_description.json"], files["README.md"], files.CHANGES, files[".bidsignore"] })
    assert.is_nil(files.README)
    assert.are.equal("participant_id\tage\r\nsub-01\t30\r\nsub-02\t31\r\nsub-03\tn/a\r\n",
      files["participants.tsv"])
    assert.matches("^filename\tacq_time\toperator\nanat/x\tn/a\tn/a\n"
      .. "beh/sub%-02_ses%-1_task%-stimulation_acq%-itbs600_run%-1_events.tsv\t"
        .. "%d+%-%d+%-%d+T%d+:%d+:%d+\tn/a\n$",
      files["sub-02/ses-1/sub-02_ses-1_scans.tsv"])
    -- one row for each participant and no other: today's validator wants that
    assert.are.equal("participant_id\tamt_ses_1\tamt_ses_2\nsub-01\tn/a\tn/a\nsub-02\t40\t40\n"
      .. "sub-03\tn/a\tn/a\n", files["phenotype/motor_threshold.tsv"])
  end)

  it("has the threshold that a staircase of the run found, by its kind", function()
    shell.write(folder .. "/answers", ("n\ny\n"):rep(9))
    local hunt = bids.run(folder, ("scripts/threshold.lua -p kind=AMT --answers %s/answers"):format(folder))
    local found = cjson.decode(shell.read(hunt .. "/manifest.json")).thresholds.found[1]
    assert.are.equal("AMT", found.kind)
    local files = bids.export({}, hunt, { sub = "01" })
    assert.matches("^staircase 1%-up%-1%-down from 45, %d+ trials, 6 reversals$", found.how)
    assert.are.equal(("participant_id\tamt\tamt_method\nsub-01\t%.10g\t%s\n"):format(found.value,
      found.how), files["phenotype/motor_threshold.tsv"])
  end)

  it("has of several thresholds each one's method in its place", function()
    local dataset = bids.dataset({})
    dataset:thresholds("sub-01", "ses-1", { rmt = { value = "50" } })
    dataset:thresholds("sub-01", "ses-1", { rmt = { value = "48.5", method = "ML-PEST | from 50" } })
    dataset:thresholds("sub-01", "ses-1", { rmt = { value = "50", method = "again" } })
    dataset:thresholds("sub-01", "ses-1", { rmt = { value = "47" } })
    assert.are.equal("participant_id\trmt_ses_1\trmt_method_ses_1\nsub-01\t50|48.5|47\t"
      .. "n/a|ML-PEST   from 50|n/a\n", bids.text(dataset:now "phenotype/motor_threshold.tsv"))
    local sidecar = cjson.decode(bids.text(dataset:now "phenotype/motor_threshold.json"))
    assert.are.equal("Method, Resting motor threshold, session 1", sidecar.rmt_method_ses_1.LongName)
    assert.are.equal("Resting motor threshold, session 1", sidecar.rmt_ses_1.LongName)
  end)

  it("says of a record that was edited after it was sealed that it was", function()
    local copy = folder .. "/edited"
    os.execute(("cp -r '%s' '%s'"):format(whole, copy))
    local text = shell.read(copy .. "/events.tsv")
    shell.write(copy .. "/events.tsv", (text:gsub("dI/dt %d+", "dI/dt 9", 1)))
    local files = bids.export({}, copy, { sub = "01" })
    assert.are.equal("not_verified", cells(files[stem .. "nibs.tsv"], { "stimulus_validation" }))
    assert.matches("^EDITED or damaged after the run was sealed: events.tsv. SIMULATED",
      cjson.decode(files[stem .. "nibs.json"]).NIBSDescription)
    local status, _, err = shell.moonpulse(folder, ("export bids %s --bids %s/ds3 --sub 01"):format(copy,
      folder))
    assert.are.equal(0, status)
    assert.matches("was edited after it was sealed, or is damaged %(events.tsv%).*moonpulse verify", err)
  end)

  it("numbers the runs of a session", function()
    local files = bids.export({}, whole, { sub = "01" })
    local _, made = bids.export(files, stopped, { sub = "01" })
    assert.are.equal("sub-01_task-stimulation_acq-itbs600_run-2", made.stem)
    local scans = files["sub-01/sub-01_scans.tsv"]
    assert.matches("run%-1_events.*run%-2_events", scans)
    assert.is_nil(scans:find("nibs/", 1, true))
    files = bids.export({}, whole, { sub = "01", draft_scans = true })
    assert.matches("\nnibs/sub-01_task-stimulation_acq-itbs600_run-1_nibs.tsv\t",
      files["sub-01/sub-01_scans.tsv"], 1, true)
  end)

  it("refuses what would harm: a run twice, another person's, sessions beside none, a label that is none",
    function()
    local files = bids.export({}, whole, { sub = "01" })
    local before = {}
    for path, text in pairs(files) do
      before[path] = text
    end
    local function refusal(run, options)
      local ok, problem = pcall(bids.export, files, run, options)
      assert.is_false(ok)
      assert.are.same(before, files)
      return problem.message
    end
    assert.matches("is in the dataset already: sourcedata/sub%-01/", refusal(whole, { sub = "01" }))
    assert.matches("is in the dataset already", refusal(whole, { sub = "02" }))
    assert.matches("sub%-01 has no sessions in this dataset", refusal(stopped, { sub = "01", ses = "1" }))
    assert.matches("--sub a_b: a label of BIDS has letters and digits only", refusal(stopped,
      { sub = "a_b" }), 1,
      true)
    local other = assert(require("moonpulse.bids.run").read(stopped))
    other.manifest.participant = "LEE"
    assert.matches("is the participant LEE, and sub%-01 in this dataset is KIM", refusal(other,
      { sub = "01" }))
  end)

  it("names neither dataset nor task after a run: nobody said what they are", function()
    local files = bids.export({}, whole, { sub = "01" })
    bids.export(files, pair, { sub = "01", task = "motor" })
    local described = cjson.decode(files["dataset_description.json"])
    assert.are.equal("Brain stimulation (name to be filled in)", described.Name)
    assert.matches("^Brain stimulation %(name to be filled in%)\n", files.README)
    local sidecar = cjson.decode(files[stem .. "nibs.json"])
    assert.are.same({ "stimulation", "It was not said what the participant did meanwhile." },
      { sidecar.TaskName, sidecar.TaskDescription })
    sidecar = cjson.decode(files["sub-01/nibs/sub-01_task-motor_acq-ccpas_run-1_nibs.json"])
    assert.are.same({ "motor" }, { sidecar.TaskName, sidecar.TaskDescription })
  end)

  it("is a command", function()
    local status, out, err = shell.moonpulse(folder, ("export bids %s %s --bids %s/ds --sub 01 --ses 1 "
      .. "--meta %s")
      :format(whole, pair, folder, "tests/bids/draft.json"))
    assert.are.equal(0, status, err)
    assert.matches("1 row, 1 delivery: "
      .. ".*/ds/sub%-01/ses%-1/nibs/sub%-01_ses%-1_task%-stimulation_acq%-itbs600_run%-1_nibs",
      out)
    assert.matches("was simulated: nobody was stimulated, and the dataset says so", err, 1, true)
    assert.are.equal("file", lfs.attributes(folder .. "/ds/sourcedata/sub-01/ses-1/" .. whole:match("[^/]+$")
      .. "/manifest.json", "mode"))
    status, out, err = shell.moonpulse(folder, ("export bids %s --bids %s/ds --sub 01 --ses 1"):format(whole,
      folder))
    assert.are.same({ 2, "" }, { status, out })
    assert.matches("is in the dataset already", err)
    status, out, err = shell.moonpulse(folder, ("export bids %s --bids %s --sub 01"):format(whole, folder))
    assert.are.same({ 2, "" }, { status, out })
    assert.matches("it is no BIDS dataset", err)
    shell.write(folder .. "/meta.json", "{\"Autors\": []}")
    status, out, err = shell.moonpulse(folder, ("export bids %s --bids %s/other --sub 01 --meta %s/meta.json")
      :format(whole, folder, folder))
    assert.are.same({ 2, "" }, { status, out })
    assert.matches("\"Autors\" is not known; known are .*Authors", err)
    assert.is_nil(lfs.attributes(folder .. "/other"))
    status, out, err = shell.moonpulse(folder, ("export bids %s %s --bids %s/two --sub 01"):format(whole,
      stopped,
      folder))
    assert.are.equal(0, status, err)
    assert.matches("run%-1_nibs.tsv.*run%-2_nibs.tsv.*has no name and no authors yet", out)
    local count = 0
    for _ in lfs.dir(folder .. "/two/sourcedata/sub-01") do
      count = count + 1
    end
    assert.are.equal(4, count)
  end)
end)
