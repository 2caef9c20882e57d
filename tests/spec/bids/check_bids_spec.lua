-- moonpulse check-bids: each of its rules fires on a dataset that breaks it, and none on one that is good.
local bids = require "bids"
local checks = require "moonpulse.bids.check"
local cjson = require "cjson"
local shell = require "shell"

-- A recording that Moonpulse did not write: HD-tACS with places, as the draft's example is made.
local other = "sub-02/nibs/sub-02_task-rest_acq-tacs_"
local described = { LongName = "x", Description = "x" }

local function with(more)
  local object = {}
  for _, from in ipairs { described, more } do
    for key, value in pairs(from) do
      object[key] = value
    end
  end
  return object
end

local bar, mm, plain = with { Delimiter = "|" }, with { Units = "mm" }, with { Format = "number" }

local function tacs()
  local elements = {}
  for i = 1, 3 do
    elements[i] = { ElementID = "E" .. i, ElementType = "electrode", ElectrodeRole = "other" }
  end
  local axes = { "x", "y", "z" }
  local marker = { nibs_position_id = described, nibs_element_id = described }
  local header = { "nibs_position_id", "nibs_element_id" }
  for _, axis in ipairs(axes) do
    header[#header + 1] = "element_centre_" .. axis
    marker[header[#header]] = mm
  end
  for _, axis in ipairs(axes) do
    for _, part in ipairs(axes) do
      header[#header + 1] = ("element_%sdir_%s"):format(axis, part)
      marker[header[#header]] = plain
    end
  end
  local rows = { table.concat(header, "\t") }
  for i = 1, 3 do
    rows[#rows + 1] = ("P%d\tE%d\t1\t2\t3\t1\t0\t0\t0\t1\t0\t0\t0\t1"):format(i, i)
  end
  return {
    [other .. "nibs.tsv"] = "nibs_event_id\tnibs_type\tstimulator_id\tnibs_element_id\tstimulus_shape\t"
      .. "stimulus_intensity\tfrequency\tintensity_reference\tintensity_scaling\tstimulus_validation\t"
      .. "timestamp\n"
      .. "tacs\ttES\tBox\tE1|E2|E3\tSinusoid\t1|-0.5|-0.5\t10\tabsolute\tabsolute\tunknown\t"
      .. "2026-11-27T10:15:00\n",
    [other .. "nibs.json"] = cjson.encode { TaskName = "rest", StimulatorSet = { { StimulatorID = "Box" } },
      ElementSet = elements, nibs_event_id = described, nibs_type = described, stimulator_id = described,
      nibs_element_id = bar, stimulus_shape = described, stimulus_intensity = with { Units = "mA",
      Delimiter = "|" }, frequency = with { Units = "Hz" }, intensity_reference = described,
      intensity_scaling = described, stimulus_validation = described, timestamp = described },
    [other .. "events.tsv"] = "onset\tduration\tnibs_event_id\tnibs_position_id\n0\t600\ttacs\tP1|P2|P3\n"
      .. "700\tn/a\ttacs\tP1|P2|P3\n",
    [other .. "events.json"] = cjson.encode { onset = with { Units = "s" }, duration = with { Units = "s" },
      nibs_event_id = described, nibs_position_id = bar },
    [other .. "markers.tsv"] = table.concat(rows, "\n") .. "\n",
    [other .. "markers.json"] = cjson.encode(marker),
    [other .. "coordsystem.json"] = cjson.encode { NIBSCoordinateSystem = "IndividualMRI",
      NIBSCoordinateUnits = "mm" },
  }
end

local itbs = "sub-01/nibs/sub-01_task-rest_acq-itbs_run-1_"
local pair = "sub-01/nibs/sub-01_task-rest_acq-pairs_run-1_"

--- Change the text of a file of the dataset.
local function text(path, from, to, most)
  return function(files)
    local changed, count = files[path]:gsub(from, to, most)
    assert(count > 0, from)
    files[path] = changed
  end
end

--- Set a cell, by its column and row.
local function cell(path, column, to, row)
  return function(files)
    local lines = {}
    for line in files[path]:gmatch("[^\n]+") do
      lines[#lines + 1] = line
    end
    local at, cells = nil, {}
    for name in lines[1]:gmatch("[^\t]+") do
      cells[#cells + 1] = name
      at = name == column and #cells or at
    end
    cells = {}
    for each in lines[(row or 1) + 1]:gmatch("[^\t]+") do
      cells[#cells + 1] = each
    end
    cells[assert(at, column)] = to
    lines[(row or 1) + 1] = table.concat(cells, "\t")
    files[path] = table.concat(lines, "\n") .. "\n"
  end
end

--- Add a column, with its description.
local function column(path, name, value, object)
  return function(files)
    local first = true
    files[path] = files[path]:gsub("\n", function()
      local cells = first and "\t" .. name or "\t" .. value
      first = false
      return cells .. "\n"
    end)
    local sidecar = path:gsub("tsv$", "json")
    local data = cjson.decode(files[sidecar])
    data[name] = object or described
    files[sidecar] = cjson.encode(data)
  end
end

--- Change a sidecar.
local function data(path, change)
  return function(files)
    local found = cjson.decode(files[path])
    change(found)
    files[path] = cjson.encode(found)
  end
end

local function both(...)
  local list = { ... }
  return function(files)
    for _, change in ipairs(list) do
      change(files)
    end
  end
end

local function moved(from, to)
  return function(files)
    files[to], files[from] = assert(files[from], from), nil
  end
end

local function entry(key, value, set)
  return data(other .. "nibs.json", function(found)
    found[set or "ElementSet"][1][key] = value
  end)
end

-- { rule, change }: what each rule is there for. Other rules may fire too.
local mutations = {
  { 1, moved(itbs .. "events.tsv", "sub-01/nibs/sub-01_acq-itbs_task-rest_run-1_events.tsv") },
  { 1, function(files) files["sub-01/nibs/notes.txt"] = "x" end },
  { 1, function(files) files["sub-01/nibs/sub-03_task-rest_markers.tsv"] = "x" end },
  { 2, moved(itbs .. "events.json", "gone.json") },
  { 2, text(itbs .. "events.json", "^{", "") },
  { 3, moved(other .. "events.tsv", "gone.tsv") },
  { 3, data(other .. "nibs.json", function(found)
    found.IntendedFor = "bids::sub-02/eeg/sub-02_task-rest_events.tsv" end) },
  { 4, moved(other .. "coordsystem.json", "gone.json") },
  { 5, text(itbs .. "nibs.tsv", "\n", "\r\n") },
  { 5, text(itbs .. "nibs.tsv", "^", "\xEF\xBB\xBF") },
  { 5, text(itbs .. "nibs.tsv", "\tn/a\t", "\tNA\t", 1) },
  { 5, text(itbs .. "nibs.tsv", "\tn/a\t", "\t\t", 1) },
  { 5, text(itbs .. "nibs.tsv", "\n$", "\t\n") },
  { 5, text(itbs .. "markers.tsv", "position_1", "pos\xFF_1") },
  { 6, data(itbs .. "nibs.json", function(found) found.pattern2_count = nil end) },
  { 6, column(itbs .. "events.tsv", "duration", "1") },
  { 7, data(itbs .. "nibs.json", function(found) found.pattern5_count = described end) },
  { 8, function(files)
    files[itbs .. "nibs.tsv"] = files[itbs .. "nibs.tsv"]:gsub("\n([^\n]+)\n$", "\n%1\n%1\n")
  end },
  { 8, cell(itbs .. "nibs.tsv", "nibs_event_id", "n/a") },
  { 9, cell(other .. "markers.tsv", "nibs_position_id", "P2") },
  { 10, cell(itbs .. "events.tsv", "nibs_event_id", "ctbs") },
  { 11, cell(other .. "events.tsv", "nibs_position_id", "P1|P2|P9") },
  { 12, cell(itbs .. "nibs.tsv", "stimulator_id", "magstim") },
  { 13, cell(other .. "nibs.tsv", "nibs_element_id", "E1|E2|E9") },
  { 13, cell(other .. "markers.tsv", "nibs_element_id", "E9") },
  { 14, cell(itbs .. "nibs.tsv", "intensity_reference", "rMT") },
  { 15, data(itbs .. "nibs.json", function(found)
    found.StimulatorSet[2] = { StimulatorID = "spare" } end) },
  { 15, text(other .. "markers.tsv", "$", "P4\tE1" .. ("\tn/a"):rep(12) .. "\n") },
  { 16, column(itbs .. "events.tsv", "position_group", "a") },
  { 17, cell(itbs .. "nibs.tsv", "nibs_type", "rTMS") },
  { 17, cell(itbs .. "nibs.tsv", "nibs_type", "TMS|PNS") },
  { 18, cell(itbs .. "nibs.tsv", "stimulus_shape", "Square") },
  { 18, cell(itbs .. "nibs.tsv", "stimulus_shape", "Sinusoid") },
  { 19, cell(itbs .. "nibs.tsv", "stimulus_shape", "Custom") },
  { 20, cell(itbs .. "nibs.tsv", "first_inflection", "normal") },
  { 21, cell(pair .. "nibs.tsv", "current_direction", "cl-co|PA") },
  { 22, cell(itbs .. "nibs.tsv", "intensity_reference", "AMT") },
  { 23, cell(itbs .. "nibs.tsv", "intensity_scaling", "80%") },
  { 23, cell(itbs .. "nibs.tsv", "intensity_scaling", "absolute") },
  { 23, cell(other .. "nibs.tsv", "intensity_scaling", "1") },
  { 24, cell(itbs .. "nibs.tsv", "stimulus_validation", "yes") },
  { 25, entry("ElementType", "pad") },
  { 26, entry("ElectrodeRole", nil) },
  { 26, entry("ElectrodeRole", "plus") },
  { 26, data(itbs .. "nibs.json", function(found) found.ElementSet[1].ElectrodeRole = "anode" end) },
  { 27, cell(other .. "events.tsv", "onset", "n/a") },
  { 27, cell(other .. "events.tsv", "onset", "abc", 2) },
  { 27, cell(other .. "events.tsv", "onset", "800") },
  { 27, cell(other .. "events.tsv", "onset", "inf", 2) },
  { 27, text(other .. "events.tsv", "^onset\tduration", "duration\tonset") },
  { 28, cell(other .. "events.tsv", "duration", "-1") },
  { 28, cell(other .. "events.tsv", "duration", "long") },
  { 29, cell(other .. "nibs.tsv", "timestamp", "27.11.2026 10:15") },
  { 30, cell(other .. "nibs.tsv", "frequency", "10 Hz") },
  { 30, cell(other .. "markers.tsv", "element_centre_x", "left") },
  { 30, data(itbs .. "nibs.json", function(found) found.pattern1_count.Format = nil end) },
  { 31, data(pair .. "nibs.json", function(found) found.nibs_element_id.Delimiter = nil end) },
  { 31, data(other .. "events.json", function(found) found.nibs_position_id.Delimiter = nil end) },
  { 32, cell(other .. "nibs.tsv", "stimulus_intensity", "1|-1") },
  { 32, cell(pair .. "nibs.tsv", "intensity_reference", "absolute|absolute|absolute") },
  { 32, cell(pair .. "nibs.tsv", "intensity_scaling", "absolute|absolute|absolute") },
  { 32, cell(other .. "events.tsv", "nibs_position_id", "P1|P2") },
  { 33, cell(other .. "nibs.tsv", "stimulus_intensity", "1|-0.5|-0.4") },
  { 34, cell(pair .. "nibs.tsv", "pattern1_intensity", "45|58|58") },
  { 34, cell(pair .. "nibs.tsv", "stimulus_intensity", "45") },
  { 35, column(pair .. "nibs.tsv", "pattern2_intensity", "45|58", with { Units = "%", Delimiter = "|" }) },
  { 36, column(itbs .. "nibs.tsv", "pattern1_frequency", "40", with { Units = "Hz" }) },
  { 37, column(itbs .. "nibs.tsv", "pattern3_duration", "4400", with { Units = "ms" }) },
  { 38, cell(itbs .. "nibs.tsv", "pattern2_interval", "50") },
  { 38, cell(itbs .. "nibs.tsv", "pattern3_interval", "400") }, -- a warning: it touches
  { 39, both(cell(itbs .. "nibs.tsv", "pattern2_count", "n/a"),
    cell(itbs .. "nibs.tsv", "pattern2_interval", "n/a")) },
  { 39, function(files)
    for _, each in ipairs { "4_count", "5_count" } do
      column(itbs .. "nibs.tsv", "pattern" .. each, "1")(files)
    end
    data(itbs .. "nibs.json", function(found) found.pattern5_count = {} end)(files)
  end },
  { 40, cell(itbs .. "nibs.tsv", "pattern1_count", "2.5") },
  { 40, cell(itbs .. "nibs.tsv", "pattern1_count", "0") },
  { 41, cell(itbs .. "nibs.tsv", "stimulus_intensity", "34") },
  { 42, cell(other .. "markers.tsv", "element_xdir_x", "0.9") },
  { 43, both(cell(other .. "markers.tsv", "element_xdir_x", "0.8"),
    cell(other .. "markers.tsv", "element_xdir_y", "0.6")) },
  { 44, cell(other .. "markers.tsv", "element_xdir_x", "-1") },
  { 45, data(other .. "coordsystem.json", function(found) found.NIBSCoordinateUnits = nil end) },
  { 46, data(itbs .. "nibs.json", function(found) found.pattern1_interval.Units = "milliseconds" end) },
  { 46, data(itbs .. "nibs.json", function(found) found.IntensitySet[1].Units = "%MSO" end) },
  { 47, entry("ElementID", nil) },
  { 47, data(itbs .. "nibs.json", function(found) found.StimulatorSet = found.StimulatorSet[1] end) },
  { 47, data(itbs .. "nibs.json", function(found) found.IntensitySet[1].Value = "40" end) },
  { 47, data(itbs .. "nibs.json", function(found) found.ConcurrentModalities = "none" end) },
  { 47, data(itbs .. "nibs.json", function(found) found.TaskName = nil end) }, -- a warning
  { 48, entry("ManufacturerModelName", "x", "StimulatorSet") },
  { 48, entry("SoftwareVersion", "x", "StimulatorSet") },
  { 48, data(itbs .. "nibs.json", function(found) found.IntensitySet[1].Type = "x" end) },
  { 48, data(itbs .. "nibs.json", function(found) found.NavigationSystem = {} end) },
  { 48, both(text(itbs .. "events.tsv", "nibs_event_id", "event_id"),
    data(itbs .. "events.json", function(found) found.event_id = described end)) },
  { 49, cell(itbs .. "nibs.tsv", "pattern3_count", "4") },
  { 49, cell(itbs .. "nibs.tsv", "pattern1_interval", "20.01") },
  { 49, cell(pair .. "nibs.tsv", "pattern1_intensity", "58|45") },
  { 49, text("sub-01/beh/sub-01_task-rest_acq-itbs_run-1_events.tsv", "\n[^\n]+\n$", "\n") },
}

describe("check-bids", function()
  local folder, good

  setup(function()
    folder = shell.folder()
    shell.write(folder .. "/itbs.lua", [[local mp = require "moonpulse"
      return mp.protocol { id = "itbs", name = "a little of it", plan = function()
        return mp.train { pulses = 3, hz = 50, intensity = mp.amt(80) }:times(2, { every = 0.2 })
          :times(3, { every = 2 })
      end }]])
    shell.write(folder .. "/pairs.lua", [[local mp = require "moonpulse"
      return mp.protocol { id = "pairs", name = "two coils", plan = function()
        return (mp.pulse { intensity = mp.mso(45) }:at "PMv" .. mp.rest(0.008)
          .. mp.pulse { intensity = mp.mso(58) }:at "M1"):times(4, { every = 5 })
      end }]])
    good = bids.export(tacs(), bids.run(folder, folder .. "/itbs.lua --amt 40"),
      { sub = "01", task = "rest" })
    bids.export(good, bids.run(folder, folder .. "/pairs.lua --device sim:pulsepal "
      .. "--device-option channels=PMv=1,M1=2"), { sub = "01", task = "rest" })
  end)
  teardown(function() shell.remove(folder) end)

  local function checked(change)
    local files = {}
    for path, content in pairs(good) do
      files[path] = content
    end
    if change then
      change(files)
    end
    return checks.run(checks.dataset(files))
  end

  it("finds nothing in a good dataset, and compares the delivered pulses", function()
    local found = checked()
    assert.are.same({}, found.findings)
    assert.are.same({ 3, 2, 26 }, { found.groups, found.compared, found.pulses })
  end)

  for i, mutation in ipairs(mutations) do
    it(("rule %d finds what breaks it (%d)"):format(mutation[1], i), function()
      local found, all = nil, {}
      for _, each in ipairs(checked(mutation[2]).findings) do
        found = each.rule == mutation[1] and each or found
        all[#all + 1] = ("%d: %s"):format(each.rule, each.text)
      end
      assert(found, "it did not; but\n" .. table.concat(all, "\n"))
      assert.matches("%S.*%S", found.text)
    end)
  end

  it("has a mutation for each of its 48 rules and the closing check, which are numbered from 1", function()
    local met = {}
    for _, mutation in ipairs(mutations) do
      met[mutation[1]] = true
    end
    assert.are.equal(49, #checks.rules)
    for i, rule in ipairs(checks.rules) do
      assert.are.equal(i, rule[1])
      assert(met[i], i)
    end
  end)

  it("warns only where the rule is a warning, or where layers touch", function()
    local function levels(change)
      local list = {}
      for _, each in ipairs(checked(change).findings) do
        list[#list + 1] = each.rule .. " " .. each.level
      end
      return table.concat(list, ", ")
    end
    assert.are.equal("7 warning", levels(data(itbs .. "nibs.json", function(found)
      found.pattern5_count = described end)))
    assert.are.equal("47 warning", levels(data(itbs .. "nibs.json",
      function(found) found.TaskName = nil end)))
    assert.matches("38 warning", levels(cell(itbs .. "nibs.tsv", "pattern3_interval", "400")))
    assert.matches("38 error", levels(cell(itbs .. "nibs.tsv", "pattern3_interval", "390")))
  end)

  it("takes events that lie with a recording", function()
    local found = checked(function(files)
      moved(other .. "events.tsv", "sub-02/eeg/sub-02_task-rest_events.tsv")(files)
      moved(other .. "events.json", "sub-02/eeg/sub-02_task-rest_events.json")(files)
      data(other .. "nibs.json", function(sidecar)
        sidecar.IntendedFor = { "bids::sub-02/eeg/sub-02_task-rest_events.tsv" } end)(files)
    end)
    assert.are.same({}, found.findings)
  end)

  it("does not fall over what is no table, no number, no object", function()
    for path in pairs(good) do
      if path:find("/nibs/") then
        for _, rubbish in ipairs { "", "\n\n", "{", "[]", "null", "\t\t\n\t", "\0\xFF", "onset", "[1,[2]]",
          "{\"StimulatorSet\": 5, \"ElementSet\": [1], \"Moonpulse\": {\"Source\": 7}}" } do
          checked(function(files) files[path] = rubbish end)
        end
      end
    end
  end)

  it("is a command: 0 for a good dataset, 4 with an error and where it is; JSON as the page says", function()
    for path, content in pairs(good) do
      os.execute(("mkdir -p '%s/ds/%s'"):format(folder, path:match("^(.*)/") or "."))
      shell.write(folder .. "/ds/" .. path, content)
    end
    local status, out, err = shell.moonpulse(folder, "check-bids " .. folder .. "/ds")
    assert.are.same({ 0, "" }, { status, err })
    assert.matches("3 recordings, 48 rules: 0 errors, 0 warnings\n26 pulses, as they were delivered: the "
      .. "tables "
      .. "stand for exactly these\n1 recording without a timeline of Moonpulse", out, 1, true)
    local broken = {}
    for path, content in pairs(good) do
      broken[path] = content
    end
    cell(itbs .. "nibs.tsv", "pattern1_count", "4")(broken)
    shell.write(folder .. "/ds/" .. itbs .. "nibs.tsv", broken[itbs .. "nibs.tsv"])
    status, out = shell.moonpulse(folder, "check-bids " .. folder .. "/ds")
    assert.are.equal(4, status)
    assert.matches("error   49  " .. itbs .. "nibs.tsv: against ", out, 1, true)
    assert.matches("the tables stand for 24 pulses, and 18 were delivered", out, 1, true)
    status, out = shell.moonpulse(folder, "check-bids " .. folder .. "/ds --json")
    assert.are.equal(4, status)
    local found = cjson.decode(out)
    assert.are.same({ "compared", "dataset", "draft", "errors", "findings", "pulses", "recordings",
      "warnings" },
      (function()
        local keys = {}
        for key in pairs(found) do
          keys[#keys + 1] = key
        end
        table.sort(keys)
        return keys
      end)())
    assert.are.same({ 49, "error" }, { found.findings[1].rule, found.findings[1].level })
    status, out, err = shell.moonpulse(folder, "check-bids " .. folder)
    assert.are.same({ 2, "" }, { status, out })
    assert.matches("has no recording of stimulation", err)
  end)
end)
