--- Reporting checklists: no item is blank, whatever they are of, and the same in every format.
local cjson = require "cjson"
local checklists = require "moonpulse.methods.checklist"
local shell = require "shell"

local folder
setup(function() folder = shell.folder() end)
teardown(function() shell.remove(folder) end)

local function sheet(arguments)
  local status, out, err = shell.moonpulse(folder, "methods " .. arguments)
  assert(status == 0, err)
  return out
end

local function items_of(arguments)
  local list, by_number = cjson.decode(sheet(arguments .. " --json")).items, {}
  for _, item in ipairs(list) do
    by_number[item.number] = item
  end
  return by_number, list
end

local sizes = { chipchase = 30, rtms = 10, ["tms-rat"] = 80 }
local sources = { engine = true, device = true, operator = true, protocol = true }

local function run_of(arguments, name)
  local status, _, err = shell.moonpulse(folder, ("run %s --speed max --out %s/%s"):format(arguments,
    folder, name))
  assert(status == 0, err)
  return io.popen(("ls -d %s/%s/*"):format(folder, name)):read("l")
end

describe("a checklist", function()
  it("has all its items, and each is filled, asked for, or cannot be known", function()
    shell.write(folder .. "/answers.txt", ("y\nn\n"):rep(40))
    local of = { "itbs600", "sici --rmt 50", "tmseeg_sp", "pas25 -p nerve=30%MSO", "sham", "prime_ctbs_itbs",
      run_of("itbs600 --amt 50 -p trains=2", "a"),
      run_of("scripts/threshold.lua --answers " .. folder .. "/answers.txt", "b") }
    for name, size in pairs(sizes) do
      for _, what in ipairs(of) do
        local _, list = items_of(("%s --checklist %s"):format(what, name))
        assert.are.equal(size, #list)
        for _, item in ipairs(list) do
          local shown = ("%s of %s: %s"):format(item.number, what, item.status)
          if item.status == "filled" then
            assert(item.value ~= "" and sources[item.source] and not item.fill, shown)
          else
            assert(item.status == "asked for" or item.status == "cannot be known here", shown)
            assert(item.fill ~= "" and item.fill and not item.value, shown)
          end
        end
      end
    end
    assert.are.same({ "chipchase", "rtms", "tms-rat" }, checklists.names)
  end)

  it("of pairs has both intensities, the interval and the time between trials", function()
    local of = items_of "sici --rmt 50 --checklist chipchase"
    assert.are.equal("120 %RMT (60 %MSO)", of["26"].value)
    assert.are.equal("80 %RMT (40 %MSO)", of["27"].value)
    assert.are.equal("2 ms", of["28"].value)
    assert.matches("^5 s from onset to onset", of["21"].value)
    assert.matches("^20 pairs", of["25"].value)
    assert.are.equal("pulses: 20 at 80 %RMT (40 %MSO), 20 at 120 %RMT (60 %MSO)", of["18"].value)
    of = items_of "itbs600 --checklist chipchase"
    assert.are.equal("does not apply: no pairs", of["28"].value)
  end)

  it("of trains has no number of MEPs, and of a nerve and a coil no conditioning pulse", function()
    local of = items_of "hf10_dash --rmt 50 --checklist chipchase"
    for _, number in ipairs { "21", "25" } do
      assert.are.equal("does not apply: trains, without MEP trials", of[number].value)
    end
    of = items_of "pas25 --unconfirmed -p nerve=30%MSO --rmt 50 --checklist chipchase"
    for _, number in ipairs { "26", "27" } do
      assert.are.equal("does not apply: a pulse to the nerve and one to the brain (30 % of the nerve "
        .. "stimulator's maximum, then 120 %RMT (60 %MSO))", of[number].value)
    end
    assert.are.equal("25 ms", of["28"].value)
    -- on a stimulator that is no box the channel is a coil's
    of = items_of "ccpas -p first=30%MSO -p second=40%MSO --checklist chipchase"
    assert.are.equal("30 %MSO", of["27"].value)
  end)

  it("of the TMS-RAT has its labels in their order: 72 items of A to M, and N", function()
    local _, list = items_of "itbs600 --checklist tms-rat"
    local counts, order = {}, {}
    for _, item in ipairs(list) do
      local letter, number = item.number:match("^(%u)(%d)$")
      counts[letter] = (counts[letter] or 0) + 1
      order[#order + 1] = counts[letter] == 1 and letter or nil
      assert.are.equal(counts[letter], tonumber(number))
    end
    assert.are.equal("ABCDEFGHIJKLMN", table.concat(order))
    -- as the authors count them (docs/methods.md)
    assert.are.same({ A = 5, B = 7, C = 9, D = 4, E = 6, F = 3, G = 3, H = 5, I = 3, J = 9, K = 7, L = 7,
      M = 4, N = 8 }, counts)
  end)

  it("of the TMS-RAT is filled from the plan: singles, pairs, trains, a nerve each have their sections",
    function()
    local function values(what, ...)
      local of, list = items_of(what .. " --checklist tms-rat"), {}
      for i, number in ipairs { ... } do
        list[i] = of[number].value or of[number].status
      end
      return list
    end
    assert.are.same({ "in percent of the resting motor threshold", "pulses: 20 at 40 %MSO, 20 at 60 %MSO",
      "pulses: 20 at 80 %RMT, 20 at 120 %RMT", "does not apply: no single pulses", "resting motor threshold",
      "RMT 50 %MSO", "40 %MSO", "80 %RMT", "2 ms", "20 pairs 2 ms apart",
      "does not apply: no pulses to a nerve", "cannot be known here", "asked for" },
      values("sici --rmt 50", "F1", "F2", "F3", "G2", "H2", "H5", "L1", "L2", "L3", "L5", "K1", "L6", "I3"))
    assert.are.same({ "asked for", "asked for", "asked for", "80 %RMT",
      "pulses: 20 at 80 %RMT, 20 at 120 %RMT" },
      values("sici", "F2", "H5", "L1", "L2", "F3"))
    local no_trials = "does not apply: trains, without MEP trials"
    assert.are.same({ no_trials, no_trials, no_trials, no_trials, "does not apply: no pairs", "3",
      "140 ms from the nominal end to the next onset, 160 ms from the last pulse to the next one, 200 ms "
        .. "from onset to onset", "10 in a train, 200 in all", "20",
      "pulses every 20 ms (50 Hz), bursts every 200 ms (5 Hz)", "asked for" },
      values("itbs600 --amt 50", "G1", "G2", "G3", "J9", "L7", "N2", "N3", "N4", "N6", "N1", "N7"))
    -- 1 Hz is repetitive, though each pulse has a second to itself
    assert.are.same({ "1 Hz M1 (BIDS example): 600 pulses, repetitive", no_trials, no_trials, no_trials, "1",
      "does not apply: no bursts in the trains", "asked for" },
      values("lf1_m1_600 --rmt 50", "C4", "G1", "G2", "I1", "N6", "N2", "N7"))
    assert.are.same({ "does not apply: no trains", "does not apply: no repeated trains are planned" },
      values("tmseeg_sp --rmt 50", "N7", "N2"))
    assert.are.same({ "pulses: 90 at 30 % of the nerve stimulator's maximum, 90 at 60 %MSO",
      "120 %RMT; the others are not set by a threshold", "30 % of the nerve stimulator's maximum",
      "not set by a threshold", "25 ms", "asked for", "does not apply: no unconditioned single pulses" },
      values("pas25 --unconfirmed -p nerve=30%MSO --rmt 50", "F2", "F3", "L1", "L2", "L3", "K5", "L4"))
  end)

  it("of the TMS-RAT takes each key of --meta that an item asks for", function()
    local _, list = items_of "pas25 --unconfirmed -p nerve=30%MSO --checklist tms-rat"
    local meta, asked = {}, 0
    for _, item in ipairs(list) do
      for key in (item.fill or ""):gmatch("\"([%w_]+)\" in the file of %-%-meta") do
        meta[key], asked = "said of " .. key, asked + 1
      end
    end
    assert.is_true(asked > 50)
    shell.write(folder .. "/all.json", cjson.encode(meta))
    local of
    of, list = items_of("pas25 --unconfirmed -p nerve=30%MSO --rmt 50 --checklist tms-rat --meta " .. folder
      .. "/all.json")
    for _, item in ipairs(list) do
      assert.are.equal("filled", item.status, item.number)
    end
    assert.are.equal("said of session_duration; said of test_days", of.C6.value)
    assert.are.equal("operator", of.C6.source)
  end)

  it("takes the words on how a threshold was found for no muscle and no criterion of their own", function()
    shell.write(folder .. "/how.json", '{"rmt_method":"Rossini-Rothwell 5/10, 50 uV"}')
    local of = items_of(("itbs600 --amt 50 --rmt 50 --checklist tms-rat --meta %s/how.json"):format(folder))
    for _, number in ipairs { "H1", "H3" } do
      assert.are.equal("asked for", of[number].status)
      assert.matches("(so far only: RMT: Rossini-Rothwell 5/10, 50 uV)", of[number].fill, 1, true)
    end
    assert.are.equal("RMT: Rossini-Rothwell 5/10, 50 uV", of.H4.value)
    shell.write(folder .. "/how.json", '{"threshold_location":"right FDI","threshold_criterion":"50 uV"}')
    of = items_of(("itbs600 --amt 50 --checklist tms-rat --meta %s/how.json"):format(folder))
    assert.are.same({ "right FDI", "50 uV" }, { of.H1.value, of.H3.value })
  end)

  it("of an experiment has its staircase as the algorithm, and what it found", function()
    shell.write(folder .. "/answers.txt", ("y\nn\n"):rep(40))
    local run = run_of("scripts/threshold.lua --answers " .. folder .. "/answers.txt", "staircase")
    local of = items_of(run .. " --checklist tms-rat")
    local found = cjson.decode(shell.read(run .. "/manifest.json")).experiment.staircases[1]
    assert.matches("^staircase 1%-up%-1%-down, from 45 %%MSO", of.H4.value)
    assert.matches(("%.4g %%MSO"):format(found.threshold), of.H5.value, 1, true)
    assert.are.same({ "asked for", "asked for", "asked for" }, { of.H1.status, of.H2.status, of.H3.status })
    assert.are.equal("asked for", of.C5.status) -- simulated: nobody was there at that time
  end)

  it("of trains has what papers on rTMS give", function()
    local function values(what)
      local of, list = items_of(what .. " --checklist rtms"), {}
      for i = 1, 6 do
        list[i] = of["R" .. i].value
      end
      return list
    end
    local between = "%s from the nominal end to the next onset, %s from the last pulse to the next one, %s "
      .. "from onset to onset"
    assert.are.same({ "30", "pulses every 20 ms (50 Hz), bursts every 200 ms (5 Hz)",
      "2 s nominal, 1.84 s from the first to the last pulse", between:format("8 s", "8.16 s", "10 s"),
      "20", "600" },
      values "itbs600")
    assert.are.same({ "600, in one train", "pulses every 20 ms (50 Hz), bursts every 200 ms (5 Hz)",
      "40 s nominal, in one train", "does not apply: one train", "1", "600" }, values "ctbs600")
    assert.are.same({ "600, in one train", "pulses every 1 s (1 Hz)", "600 s nominal, in one train",
      "does not apply: one train", "1", "600" }, values "lf1_m1_600")
    assert.are.equal("20 in each of 3 blocks", values("itbs600x3_15min")[5])
    assert.are.equal("4", values("qps5")[1])
    for i = 1, 5 do
      assert.are.equal("does not apply: no trains, but single pulses or pairs", values("sici")[i])
    end
  end)

  it("of a run says what was delivered, and that its pattern is the plan's where it was not followed",
    function()
    local out = folder .. "/stopped"
    local status = shell.moonpulse(folder, "run itbs600 --amt 50 -p trains=2 --fault nak@7 --speed max "
      .. "--out " .. out)
    assert.are.equal(4, status)
    local of = items_of(out .. "/* --checklist rtms")
    local given, confirmed = of.R6.value:match("^(%d+) sent of 60 planned, (%d+) of them confirmed by the "
      .. "stimulator$")
    assert.is_true(tonumber(confirmed) > 0 and tonumber(confirmed) < tonumber(given)
      and tonumber(given) < 60)
    assert.are.equal("30 (as planned)", of.R1.value)
  end)

  it("takes from --meta what nothing else knows, with its source", function()
    shell.write(folder .. "/lab.json", cjson.encode { age = 31, mep_size = "peak to peak", coil = "C-B60",
      attention = "<script>alert(1)</script> |" })
    local of = items_of("sici --rmt 50 --checklist chipchase --meta " .. folder .. "/lab.json")
    assert.are.same({ "filled", "31", "operator" }, { of["1"].status, of["1"].value, of["1"].source })
    assert.are.equal("peak to peak", of["29"].value)
    assert.are.equal("cannot be known here", of["30"].status)
    assert.are.equal("C-B60", of["13"].value)
  end)

  it("is the same as a table with tabs, in Markdown and in HTML, and no text breaks out of its cell",
    function()
    local of = "sici --rmt 50 --checklist chipchase --meta " .. folder .. "/lab.json"
    local _, list = items_of(of)
    local lines = {}
    for line in sheet(of):gmatch("[^\n]+") do
      local _, tabs = line:gsub("\t", "")
      assert.are.equal(6, tabs)
      lines[#lines + 1] = line
    end
    assert.are.equal(31, #lines)
    for i, item in ipairs(list) do
      assert.are.equal(item.number .. "\t" .. item.section .. "\t" .. item.item .. "\t" .. item.status,
        lines[i + 1]:match("^[^\t]*\t[^\t]*\t[^\t]*\t[^\t]*"))
    end
    local md = sheet(of .. " --format md")
    local _, rows = md:gsub("\n| %d+ |", "")
    assert.are.equal(30, rows)
    assert.is_nil(md:find("<script>", 1, true) and md:find("[^\\]<script>"))
    local html = sheet(of .. " --format html")
    _, rows = html:gsub("<tr class=", "")
    assert.are.equal(30, rows)
    assert.is_nil(html:find("<script", 1, true))
    assert.matches("&lt;script&gt;", html, 1, true)
    assert.is_nil(html:find("https?://")) -- nothing is loaded
  end)

  it("has a format only where it is asked for", function()
    for _, wrong in ipairs { "--format md", "--checklist rtms --format md --json", "--checklist no" } do
      assert.are.equal(2, (shell.moonpulse(folder, "methods itbs600 " .. wrong)))
    end
  end)
end)
