-- moonpulse protocols, and what show and run do with protocols that nobody confirmed.
local catalogue = require "moonpulse.protocol.catalogue"
local shell = require "shell"

local ids = {}
for line in io.lines("tests/data/protocols.tsv") do
  local id = line:match("^[^\t]+")
  ids[#ids + 1] = id ~= "id" and id or nil
end

describe("what nobody confirmed", function()
  local folder
  setup(function() folder = shell.folder() end)
  teardown(function() shell.remove(folder) end)

  local unconfirmed = { "ctbs600_30hz_6hz", "dtms_h1", "dtms_h4_smoking", "dtms_h7_ocd", "hf10_loo2007",
    "hf10_pain_m1", "hf20_pain_m1", "hf5_m1_1800", "imtbs600", "lf1_right_dlpfc", "lici", "pas25",
    "prime_ctbs_itbs", "qtbs", "tmsfmri_inter", "triple_online" } -- from memory, at least in part

  it("is these protocols, and each says what is missing", function()
    local found = {}
    for _, protocol in ipairs(catalogue.all()) do
      if protocol.unconfirmed then
        found[#found + 1] = protocol.id
      end
    end
    assert.are.same(unconfirmed, found)
  end)

  it("does not run without --unconfirmed, and can be looked at", function()
    for _, id in ipairs(unconfirmed) do
      local status, _, err = shell.moonpulse(folder, ("run %s --rmt 50 --speed max --out %s/runs"):format(id,
        folder))
      assert.are.equal(2, status, id)
      assert.matches("^moonpulse: " .. id .. " is unconfirmed: [^\n]*%-%-unconfirmed[^\n]*\n$", err)
      local out
      status, out = shell.moonpulse(folder, "show " .. id)
      assert.are.equal(0, status)
      assert.matches("\nunconfirmed ", out, 1, true)
    end
    local status, _, err = shell.moonpulse(folder, "run hf5_m1_1800 -p trains=1 --rmt 50 --speed max "
      .. "--unconfirmed --out " .. folder .. "/runs")
    assert.are.equal(0, status, err)
    local path = io.popen("ls -d " .. folder .. "/runs/*hf5_m1_1800*"):read("l")
    assert.matches('"unconfirmed":"1800 pulses at 5 Hz', shell.read(path .. "/manifest.json"):gsub("%s*:%s*",
      ":"), 1, true)
  end)

  it("does not run where the source leaves a number open", function()
    local status, _, err = shell.moonpulse(folder,
      "run pas25 --unconfirmed --rmt 50 --out " .. folder .. "/runs")
    assert.are.equal(2, status)
    assert.matches("pas25: the source gives no number for nerve; give yours with -p nerve=VALUE", err, 1,
      true)
    -- given, the next obstacle is that one device has one channel
    status, _, err = shell.moonpulse(folder,
      "run pas25 --unconfirmed --rmt 50 -p nerve=30%MSO --out " .. folder .. "/runs")
    assert.are.equal(3, status)
    assert.matches("channels (nerve, tms)", err, 1, true)
  end)
end)

describe("a drawn order", function()
  local folder
  setup(function() folder = shell.folder() end)
  teardown(function() shell.remove(folder) end)

  --- Run io_curve; its pulses as "time intensity", and the manifest's seed.
  local function run(arguments, name)
    local out = folder .. "/" .. name
    local status, _, err = shell.moonpulse(folder,
      "run io_curve -p repeats=3 --rmt 50 --speed max " .. arguments .. " --out " .. out)
    assert.are.equal(0, status, err)
    local path = io.popen("ls -d " .. out .. "/*"):read("l")
    local header, list = nil, {}
    for line in io.lines(path .. "/events.tsv") do
      local cells = {}
      for cell in line:gmatch("[^\t]+") do
        cells[#cells + 1] = cell
      end
      if not header then
        header = {}
        for i, key in ipairs(cells) do
          header[key] = i
        end
      elseif cells[header.event] == "pulse" then
        list[#list + 1] = cells[header.onset_planned_us] .. " " .. cells[header.intensity]
      end
    end
    return list, assert(shell.read(path .. "/manifest.json"):match('"seed"%s*:%s*(%d+)'))
  end

  it("of a run is repeated with the seed that its manifest keeps", function()
    local first, seed = run("", "a")
    local again = run("--seed " .. seed, "b")
    local other = run("--seed " .. tonumber(seed) + 1, "c")
    assert.are.equal(12, #first)
    assert.are.same(first, again)
    assert.are_not.same(first, other)
  end)
end)

describe("moonpulse protocols", function()
  local folder
  setup(function() folder = shell.folder() end)
  teardown(function() shell.remove(folder) end)

  it("lists every id under its family", function()
    local status, out = shell.moonpulse(folder, "protocols")
    assert.are.equal(0, status)
    for _, id in ipairs(ids) do
      assert.matches("\n  " .. id .. " ", out, 1, true)
    end
    assert.matches("\ntheta burst\n  ctbs1200 +1,200  79.84 s", out)
    assert.matches("\n  qtbs +1,440  71.8045 s", out)
  end)

  it("prints one as a methods section with the three durations", function()
    local status, out = shell.moonpulse(folder, "protocols itbs600")
    assert.are.equal(0, status)
    local text = out:gsub("%s+", " ")
    for _, wanted in ipairs { "Target M1 (hotspot)", "Intensity 80 %AMT", "20 trains, one every 10 s",
      "(8 s from the nominal end to the next onset, 8.16 s from the last pulse to the next one)",
      "10 bursts, one every 200 ms (5 Hz)", "3 pulses, one every 20 ms (50 Hz)", "Pulses 600",
      "191.84 s (3 min 11.8 s) from the first to the last pulse", "192 s (3 min 12.0 s) to the nominal end",
      "200 s (3 min 20.0 s) in whole cycles", "Huang YZ", "doi:10.1016/j.neuron.2004.12.033" } do
      assert.matches(wanted, text, 1, true)
    end
    status, out = shell.moonpulse(folder, "protocols hf10_loo2007") -- 874.9 - 840 is a little less than 34.9
    assert.are.equal(0, status)
    assert.matches("874.9 s (14 min 34.9 s)", out, 1, true)
    status, out = shell.moonpulse(folder, "protocols saint")
    assert.are.equal(0, status)
    assert.matches("10 a day, on 5 days, 50 in all, at least 50 min from the end of one",
      out:gsub("%s+", " "), 1, true)
    status, out = shell.moonpulse(folder, "protocols tmseeg_sp")
    assert.are.equal(0, status)
    assert.matches("Pattern 100 trials with one pulse at 120 %RMT, 6 s to 8 s from onset to onset, drawn "
      .. "from the seed. Pulses 100", out:gsub("%s+", " "), 1, true)
    status, out = shell.moonpulse(folder, "show sici -p singles=5 -p shortest=4.1 -p longest=6.1")
    assert.are.equal(0, status)
    assert.matches("\ntrials: 25, 4.1 s to 6.1 s apart, drawn from the seed, onset to onset\n", out, 1, true)
    assert.matches("\n  20 of these:\n    pair [SICI]\n", out, 1, true)
    assert.matches("\n  5 of these:\n    in sequence [TS alone]\n", out, 1, true)
  end)

  it("gives other programs one JSON object a line", function()
    local cjson = require "cjson"
    local status, out = shell.moonpulse(folder, "protocols --json")
    assert.are.equal(0, status)
    local found = {}
    for line in out:gmatch("[^\n]+") do
      local item = cjson.decode(line)
      found[item.id] = item
    end
    assert.are.equal(600, found.itbs600.pulses)
    assert.are.equal(191.84, found.itbs600.first_to_last_s)
    assert.are.equal("80 %AMT", found.itbs600.parameters.intensity.default)
    assert.are.equal(3000, found.saint.sessions.gap_min)
    assert.are.equal(1440, found.qtbs.pulses)
    assert.is_string(found.qtbs.unconfirmed)
    for _, id in ipairs(ids) do
      assert.is_table(found[id], id)
    end
  end)

  it("prints what an experiment says of itself: it has no plan to describe", function()
    shell.write(folder .. "/ex.lua", "-- Ours.\n--\n\nreturn require('moonpulse').experiment(function() end)")
    local status, out = shell.moonpulse(folder, "protocols " .. folder .. "/ex.lua")
    assert.are.equal(0, status)
    assert.are.equal("ex\n\nOurs.\n\nAn experiment: what it gives depends on what is answered while it "
      .. "runs. Its text:\n" .. folder .. "/ex.lua\n", out)
  end)
end)
