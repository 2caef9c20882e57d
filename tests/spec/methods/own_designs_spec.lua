--- Designs as labs write them, read as a reviewer reads them: each number against the rows of events.tsv,
--- counted here by another way, and nothing that matters silently missing.
local cjson = require "cjson"
local shell = require "shell"

local folder
setup(function() folder = shell.folder() end)
teardown(function() shell.remove(folder) end)

local designs = {
  single = [[plan = function()
    local list = {}
    for i = 1, 12 do list[i] = mp.pulse { intensity = mp.rmt(120) } end
    return mp.trials { of = list, shortest = 4, longest = 6 }
  end]],
  pairs = [[plan = function()
    local list = {}
    for _ = 1, 8 do
      list[#list + 1] = mp.pulse { intensity = mp.rmt(120) }:label "TS alone"
      list[#list + 1] = mp.pair { isi = mp.ms(12), intensity = { mp.amt(70), mp.rmt(120) } }:label "ICF"
      list[#list + 1] = mp.pair { isi = mp.ms(2), intensity = { mp.amt(70), mp.rmt(120) } }:label "SICI"
    end
    return mp.trials { of = mp.shuffle(list), shortest = 6, longest = 8 }
  end]],
  active = [[plan = function()
    return mp.train { pulses = 60, hz = 1, intensity = mp.rmt(110) }:label "active"
  end]],
  sham = [[plan = function() return mp.sham { of = "active.lua", with = "", intensity = mp.mso(5) } end]],
  alike = [[plan = function()
    local ts = mp.pulse(mp.rmt(120))
    return mp.trials { of = { ts, ts, ts }, shortest = 1.2, longest = 1.2004 }
  end]],
  fixed = [[plan = function()
    local ts = mp.pulse(mp.rmt(120)):label "TS"
    local lici = mp.pair { isi = mp.ms(100), intensity = { mp.rmt(110), mp.rmt(120) } }:label "LICI"
    return mp.trials { of = { ts, lici, ts, lici }, every = 8 }:block():times(3, { gap = 20 })
  end]],
  by_hand = [[plan = function()
    local ts = mp.pulse(mp.rmt(120)):label "TS"
    local lici = mp.pair { isi = mp.ms(100), intensity = { mp.rmt(110), mp.rmt(120) } }:label "LICI"
    return ts .. mp.rest(5) .. lici
  end]],
  both = [[plan = function()
    return mp.train { pulses = 60, hz = 1, intensity = mp.rmt(110) } .. mp.rest(60)
      .. mp.sham { of = "active.lua", with = "", intensity = mp.mso(5) }
  end]],
}
local catches = [[plan = function()
    local go, no = mp.pulse(mp.rmt(120)):label "go", mp.mark("catch", { code = 9 })
    return mp.trials { of = { go, no, go, %s, no, go, go }, %s }
  end]]
designs.catches = catches:format("no", "shortest = 5, longest = 7")
designs.resting = catches:format("mp.rest(1)", "every = mp.normal { mean = 6, sd = 1, min = 5, max = 7 }")
designs.silent = [[plan = function() return mp.mark "go" .. mp.rest(1.5)
  .. mp.train { pulses = 20, hz = 5, intensity = mp.rmt(100) } end]]

local function run_of(name, arguments)
  for each, text in pairs(designs) do
    shell.write(("%s/%s.lua"):format(folder, each), ("local mp = require 'moonpulse'\nreturn mp.protocol { "
      .. "name = 'The %s design', target = 'left M1', %s }\n"):format(each, text))
  end
  local status, _, err = shell.moonpulse(folder, ("run %s/%s.lua %s --speed max --out %s/%s"):format(folder,
    name, arguments, folder, name))
  assert(status == 0, err)
  return io.popen(("ls -d %s/%s/*"):format(folder, name)):read("l")
end

local function methods(arguments)
  local status, out, err = shell.moonpulse(folder, "methods " .. arguments)
  assert(status == 0, err)
  return (out:gsub("%s+", " "))
end

local function values(run, checklist)
  local of = {}
  for _, item in ipairs(cjson.decode(methods(("%s --json --checklist %s"):format(run, checklist))).items) do
    of[item.number] = item.value or item.status .. ": " .. item.fill
  end
  return of
end

--- The pulses of a run by its rows: onset, condition, trial, %MSO.
local function rows_of(run)
  local list, names = {}, nil
  for line in shell.read(run .. "/events.tsv"):gmatch("[^\n]+") do
    local cells = {}
    for cell in line:gmatch("[^\t]+") do
      cells[#cells + 1] = cell
    end
    if not names then
      names = cells
    else
      local row = {}
      for i, name in ipairs(names) do
        row[name] = cells[i]
      end
      list[#list + 1] = row.event == "pulse" and row or nil
    end
  end
  return list
end

describe("methods of a design of one's own:", function()
  it("single pulses with drawn intervals: range and mean are those of the rows, and no time is told twice",
    function()
    local run = run_of("single", "--rmt 46 --seed 5")
    local rows, low, high = rows_of(run), math.huge, 0
    for i = 2, #rows do
      local interval = (rows[i].onset_planned_us - rows[i - 1].onset_planned_us) / 1e6
      low, high = math.min(low, interval), math.max(high, interval)
    end
    local span = (rows[#rows].onset_planned_us - rows[1].onset_planned_us) / 1e6
    local text = methods(run)
    assert.are.equal(12, #rows)
    local function rounded(seconds)
      return ("%.9g s"):format(math.floor(seconds * 100 + 0.5) / 100)
    end
    assert.matches(("As drawn, it was from onset to onset %s to %s, %s in the mean."):format(rounded(low),
      rounded(high), rounded(span / 11)), text, 1, true)
    assert.matches("12 trials with one pulse at 120 %RMT (55 %MSO), 4 s to 6 s from onset to onset", text, 1,
      true)
    assert.matches(("it is planned to take %.10g s. "):format(math.floor(span * 1000 + 0.5) / 1000), text, 1,
      true)
  end)

  it("across trials without a pulse nothing is told as the interval of two trials", function()
    for _, name in ipairs { "catches", "resting" } do
      local run, longest = run_of(name, "--rmt 46 --seed 5"), 0
      local rows = rows_of(run)
      for i = 2, #rows do
        longest = math.max(longest, (rows[i].onset_planned_us - rows[i - 1].onset_planned_us) / 1e6)
      end
      assert.is_true(longest > 14) -- from pulse to pulse: three intervals
      for _, of in ipairs { run, ("%s/%s.lua --rmt 46 --seed 5"):format(folder, name) } do
        local text = methods(of)
        assert.matches("5 s to 7 s from onset to onset", text, 1, true)
        for number in text:match("Pattern%.(.-)Dose%."):gmatch "(%d[%d.]*) s[ ,.]" do
          assert.is_true(tonumber(number) <= 7, number .. ": " .. text)
        end
      end
      local told
      for _, value in pairs(values(run, "tms-rat")) do
        told = value:match "from onset to onset of stimuli[^,]*" or told
      end
      assert.are.equal("from onset to onset of stimuli (also across trials without a pulse)", told)
    end
  end)

  it("intervals whose ends print alike are one number", function()
    local text = methods(run_of("alike", "--rmt 46 --seed 2"))
    assert.matches("As drawn, it was from onset to onset 1.2 s. ", text, 1, true)
  end)

  it("pairs among few trials, in fixed order: conditioning and test pulse of each, and the order", function()
    local pair = 'a conditioning pulse at 110 %RMT (55 %MSO) and 100 ms later a test pulse at 120 %RMT (60 '
      .. '%MSO) (condition "LICI")'
    local run = run_of("fixed", "--rmt 50 --device sim:bistim --device-option resolution=low")
    for _, text in ipairs { methods(run), methods(folder .. "/fixed.lua --rmt 50") } do
      assert.matches('2 trials with one pulse at 120 %RMT (60 %MSO) (condition "TS"), and 2 trials with '
        .. pair .. ", one trial every 8 s, from onset to onset, in the order TS, LICI, TS, LICI.", text, 1,
        true)
    end
    assert.matches('First, one pulse at 120 %RMT (60 %MSO) (condition "TS"). Then, after 5 s without pulses, '
      .. pair, methods(folder .. "/by_hand.lua --rmt 50"), 1, true)
  end)

  it("pairs with two thresholds in drawn order: intervals are sorted, and conditions are told of their kind",
    function()
    local run = run_of("pairs", "--rmt 46 --amt 38 --seed 6 --device sim:bistim")
    local counts = {}
    for _, row in ipairs(rows_of(run)) do
      local key = row.trial_type .. " " .. row.intensity_mso
      counts[key] = (counts[key] or 0) + 1
    end
    assert.are.same({ ["TS alone 55"] = 8, ["ICF 27"] = 8, ["ICF 55"] = 8, ["SICI 27"] = 8, ["SICI 55"] = 8 },
      counts)
    local of, chipchase = values(run, "tms-rat"), values(run, "chipchase")
    assert.are.same({ "2 ms; 12 ms", "8 pairs 2 ms apart; 8 pairs 12 ms apart", "drawn, from the seed 6",
      "8 single pulses; by condition: TS alone 8 of 8 pulses (8 trials)",
      "pulses: 16 at 27 %MSO, 24 at 55 %MSO", "pulses: 16 at 70 %AMT, 24 at 120 %RMT",
      "resting motor threshold, active motor threshold" },
      { of.L3, of.L5, of.L4, of.G2, of.F2, of.F3, of.H2 })
    assert.matches("^8 single pulses; 8 pairs 2 ms apart; 8 pairs 12 ms apart; by condition: ICF",
      chipchase["25"])
    assert.are.equal("2 ms; 12 ms", chipchase["28"])
  end)

  it("a sham says so, whoever wrote its protocol; a protocol with a sham in it, too", function()
    local words = "the schedule of The active design (active.lua), pulse for pulse, with one intensity for "
      .. "every pulse"
    for name, wanted in pairs { sham = "It is a sham: " .. words,
      both = "A part of it is a sham: " .. words } do
      local run = run_of(name, "--rmt 50")
      for _, of in ipairs { run, ("%s/%s.lua --rmt 50"):format(folder, name) } do
        assert.matches(wanted, methods(of), 1, true)
        assert.matches("sham by a low intensity, on the schedule of The active design",
          values(of, "rtms").R10, 1, true)
        assert.matches("sham by a low intensity", values(of, "tms-rat").C8, 1, true)
      end
    end
    assert.is_nil(methods(run_of("active", "--rmt 50")):find("sham", 1, true))
  end)

  it("the stimulator's word for the current in the coil does not stand for the direction in the brain",
    function()
    local run = run_of("single", "--rmt 46 --seed 5")
    local asked = values(run, "chipchase")["15"]
    assert.matches("^asked for: state the direction of the induced current in the brain.*so far only: Normal "
      .. "%(in the coil, as the stimulator names it%)%)$", asked)
    assert.matches("[current direction: state the direction of the induced current in the brain]",
      methods(run), 1, true)
    shell.write(folder .. "/meta.json", '{"current_direction": "posterior-anterior"}')
    os.execute(("rm -r %s/single"):format(folder))
    local told = run_of("single", "--rmt 46 --seed 5 --meta " .. folder .. "/meta.json")
    assert.are.equal("posterior-anterior (in the coil, as the stimulator names it: Normal)",
      values(told, "chipchase")["15"])
    -- it is no contradiction; another word for the coil is
    for said, contradicts in pairs { ["posterior-anterior"] = false, Reverse = true } do
      shell.write(folder .. "/meta.json", cjson.encode { current_direction = said })
      local _, out = shell.moonpulse(folder, ("run %s/single.lua --rmt 46 --speed max --meta %s/meta.json "
        .. "--out %s/x"):format(folder, folder, folder))
      assert.are.equal(contradicts, out:find("CHECK THE DEVICE: it says current direction", 1, true) ~= nil)
    end
  end)

  it("what the operator was asked at a fault is not for the paper, and no sentence runs on behind a question",
    function()
    shell.moonpulse(folder, ("run %s/single.lua --rmt 46 --speed max --fault nak@7 --out %s/fault"):format(
      folder, folder)) -- the design was written before
    local run = io.popen(("ls -d %s/fault/*"):format(folder)):read("l")
    local text, page = methods(run), shell.read(run .. "/report.html")
    assert.matches("The run did not come to its end: device fault, a garbled reply (bytes that are no "
      .. "frame). ", text, 1, true)
    assert.is_nil(text:find("[?!][.;]"))
    assert.matches("is the cable sound and fully plugged in? 6 confirmed by", page, 1, true)
    -- in virtual time no pulse has an onset error, not one of 0.0 either
    local table_of = page:match("Pulses that did not go as planned.-</table>")
    assert.matches("not measured", table_of, 1, true)
    assert.is_nil(table_of:find(">0.0<", 1, true))
  end)

  it("a verdict that is not within says what was found, not the table alone", function()
    local run = run_of("active", "--rmt 50 --coil double-cone")
    local findings = cjson.decode(shell.read(run .. "/manifest.json")).safety
    local text = methods(run)
    assert.matches("the verdict on the pulses was: " .. findings.verdict, text, 1, true)
    for _, finding in ipairs(findings.findings) do
      if finding.verdict ~= "within" then
        assert.matches(finding.text:match("^[^;]+"), text, 1, true)
      end
    end
  end)
end)

describe("a silence before the first pulse", function()
  setup(function() folder = shell.folder() end)
  teardown(function() shell.remove(folder) end)

  it("is not counted in one duration and left out of another without a word", function()
    for _, what in ipairs { run_of("silent", "--rmt 50"), folder .. "/silent.lua" } do
      local text = methods(what)
      assert.is_truthy(text:find("The first pulse comes 1.5 s after the start. From the first to the last "
        .. "pulse it is planned to take 3.8 s, and from the start 5.5 s to the nominal end.", 1, true), text)
    end
  end)
end)

describe("the shipped sham", function()
  setup(function() folder = shell.folder() end)
  teardown(function() shell.remove(folder) end)

  it("says of what it is one, in a run, its record and the methods, and its site", function()
    for arguments, words in pairs { [""] = { "Sham of iTBS (600)", "The site was M1 (hotspot)." },
      ["-p of=io_curve -p with=repeats=1"] = { "Sham of Recruitment (I/O) curve", "The site was M1." },
      ["-p of=%s/mine.lua"] = { "Sham of My design", "The site was [target: state" } } do
      shell.write(folder .. "/mine.lua", [[local mp = require "moonpulse"
        return mp.protocol { name = "My design", plan = function() return mp.pulse(mp.mso(60)) end }]])
      arguments = arguments:gsub("%%s", folder)
      local planned = methods("sham " .. arguments)
      assert.is_truthy(planned:find("is planned as " .. words[1] .. " (", 1, true), planned)
      assert.is_truthy(planned:find(words[2], 1, true), planned)
      local status, out, err = shell.moonpulse(folder, ("run sham %s --speed max --out %s/%s"):format(
        arguments, folder, words[1]:gsub("%W", "")))
      assert.are.equal(0, status, err)
      assert.are.equal(words[1], out:match "^[^\n]*")
      local run = out:match "\nrecord +(%S+)"
      assert.are.equal(words[1], cjson.decode(shell.read(run .. "/manifest.json")).protocol.name)
      local text = methods(run)
      assert.is_truthy(text:find("The stimulation was " .. words[1] .. " (", 1, true), text)
      assert.is_truthy(text:find(words[2], 1, true), text)
      assert.are.equal(0, (shell.moonpulse(folder, "verify " .. run)))
    end
    local _, out = shell.moonpulse(folder, "protocols sham")
    assert.matches("^Sham %(any of the above%).*\nPublished    as active\n", out)
  end)
end)
