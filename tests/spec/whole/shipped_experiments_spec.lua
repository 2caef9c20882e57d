-- Every shipped experiment, run on a simulator as its first lines say. The witness is what the simulator
-- gave, and
-- what the papers' designs demand of it.
local cases = require "cases"
local catalogue = require "moonpulse.protocol.catalogue"
local shell = require "shell"
local simulated = require "moonpulse.experiment.simulated_rhythm"

local folder, at = nil, 0

--- Run one; its folder, and what it said.
local function run(id, options, answers)
  at = at + 1
  local out = ("%s/%d"):format(folder, at)
  shell.write(folder .. "/answers", table.concat(answers or {}, "\n") .. "\n")
  local status, said, err = shell.moonpulse(folder,
    ("run %s --speed max --seed %d --answers %s/answers --out %s %s")
    :format(id, at, folder, out, options))
  assert.are.equal(0, status, said .. err)
  return out .. "/" .. shell.names(out)[1], said
end

--- The conditions of its trials, one a pulse.
local function conditions(record)
  local list = {}
  for _, row in ipairs(shell.rows(record .. "/events.tsv")) do
    list[#list + 1] = row.event == "pulse" and row.trial_type or nil
  end
  return list
end

local function answers_of(count, answer)
  local list = {}
  for i = 1, count do
    list[i] = answer(i)
  end
  return list
end

local function near(expected, value, tolerance, what)
  assert.is_true(math.abs(expected - value) <= (tolerance or 0.0005), ("%s: %.6f, not %.6f"):format(what
    or "", value,
    expected))
end

describe("the shipped experiments", function()
  setup(function() folder = shell.folder() end)
  teardown(function() shell.remove(folder) end)

  it("are listed, each with its paper, and found by their ids", function()
    local status, out = shell.moonpulse(folder, "protocols")
    assert.are.equal(0, status)
    local experiments = catalogue.experiments()
    assert.is_true(#experiments >= 8, tostring(#experiments))
    for _, experiment in ipairs(experiments) do
      assert.matches("\n  " .. experiment.id .. " +[^\n]+\n +" .. experiment.cite:gsub("%p", "%%%0"):sub(1,
        100), out)
      assert.is_truthy(experiment.aim and experiment.doi, experiment.id)
      assert.are.equal(experiment.id, catalogue.find(experiment.id).id)
      local sheet
      status, sheet = shell.moonpulse(folder, "protocols " .. experiment.id)
      assert.are.equal(0, status)
      assert.is_truthy(sheet:find("moonpulse run " .. experiment.id, 1, true), sheet)
      for name in pairs(experiment.params) do
        assert.matches("\n  " .. name .. " ", sheet, 1, true)
      end
    end
    local _, _, err = shell.moonpulse(folder, "run sici_icff")
    assert.matches("did you mean sici_icf?", err, 1, true)
    status = shell.moonpulse(folder, "check flight") -- a script beside them is none
    assert.are.equal(2, status)
  end)

  it("sici_icf gives each condition in each block, and reckons as the answers say", function()
    local sizes = answers_of(36, function(i) return 200 + (i * 7919) % 1500 end)
    local record, said = run("sici_icf", "--device sim:bistim --rmt 50 -p trials=12", sizes)
    local given, named, trials = cases.given(record), conditions(record), {}
    for i, pulse in ipairs(given) do
      local last = trials[#trials]
      if last and pulse.s - last.s < 1 then
        last.isi, last.ts = pulse.s - last.s, pulse.mso
      else
        trials[#trials + 1] = { s = pulse.s, name = named[i], cs = pulse.mso, ts = pulse.mso }
      end
    end
    assert.are.equal(36, #trials)
    local sums, counts, row = {}, {}, 0
    for i, trial in ipairs(trials) do
      local name = trial.name
      near(({ SICI = 0.002, ICF = 0.012 })[name] or 0, trial.isi or 0, 1e-6, name)
      assert.are.same({ name == "TS alone" and 60 or 40, 60 }, { trial.cs, trial.ts })
      sums[name], counts[name] = (sums[name] or 0) + sizes[i], (counts[name] or 0) + 1
      row = i > 1 and trials[i - 1].name == name and row + 1 or 1
      assert.is_true(row <= 2, name)
      if i > 1 then -- to the test pulse, or to the pair's first: a setting's frame lies between
        near(8, trial.s - trials[i - 1].s, 1.02, "interval")
      end
      if i % 3 == 0 then
        assert.are.same({ ["TS alone"] = i // 3, SICI = i // 3, ICF = i // 3 }, counts)
      end
    end
    for _, name in ipairs { "SICI", "ICF" } do
      local percent = 100 * sums[name] / sums["TS alone"]
      assert.is_truthy(said:find(("%s: mean MEP %.0f uV of 12 trials, %.0f %% of the test"):format(name,
        sums[name] / 12, percent), 1, true), said)
    end
  end)

  it("leave a record that is as it was made, also where they end early", function()
    for i, words in ipairs { "threshold --answers /dev/null", "sici_icf --rmt 48 --answers /dev/null",
      "itbs_meps --rmt 98 --amt 40", "treatment_session --rmt 75 --answers /dev/null" } do
      local out = ("%s/early%d"):format(folder, i)
      shell.moonpulse(folder, ("run %s --speed max --out %s"):format(words, out))
      local status, said = shell.moonpulse(folder, ("verify %s/%s"):format(out, shell.names(out)[1]))
      assert.are.equal(0, status, said)
    end
  end)

  it("say n/a where nothing answered: a share of nothing is no number", function()
    for id, options in pairs { sici_icf = "--device sim:bistim --rmt 50 -p trials=1",
      itbs_meps = "--rmt 50 --amt 40 -p meps=1 -p points=1",
      pas_meps = "--device sim:pulsepal --device-option channels=nerve=1,tms=2 -p nerve=20%MSO -p tms=60%MSO "
        .. "-p meps=1 -p points=1 -p pairs=2",
      ccpas_meps = "--device sim:pulsepal --device-option channels=PMv=1,M1=2 -p first=50%MSO "
        .. "-p second=60%MSO -p meps=1 -p pairs=2" } do
      local _, said = run(id, options, { 0, 0, 0, 0 })
      assert.matches("n/a", said, 1, true)
      assert.is_nil(said:find("nan", 1, true), said)
    end
  end)

  it("itbs_meps gives 600 pulses of theta bursts between blocks that begin when they should", function()
    local record, said = run("itbs_meps", "--rmt 50 --amt 40 -p meps=3 -p points=3 -p every=4",
      { 1000, 1000, 1000, 1500, 1500, 1500, 2000, 2000, 2000, 500, 500, 500 })
    local given, named, iTBS = cases.given(record), conditions(record), {}
    assert.are.equal(612, #given)
    for i, pulse in ipairs(given) do
      assert.are.equal(named[i] == "iTBS" and 32 or 60, pulse.mso)
      iTBS[#iTBS + 1] = named[i] == "iTBS" and pulse or nil
    end
    assert.are.equal(600, #iTBS)
    for i, pulse in ipairs(iTBS) do
      local k = i - 1
      near(k // 30 * 10 + k % 30 // 3 * 0.2 + k % 3 * 0.02, pulse.s - iTBS[1].s, 1e-6, "pulse " .. i)
    end
    for block = 0, 2 do -- the first one as soon as the device stands at its intensity
      near(iTBS[600].s + block * 240, given[604 + 3 * block].s, block == 0 and 1 or 0.2, "block " .. block)
    end
    assert.matches("after 0 min: mean MEP 1500 uV, 150 % of before", said, 1, true)
    assert.matches("after 8 min: mean MEP 500 uV, 50 % of before", said, 1, true)
  end)

  it("pas_meps and ccpas_meps keep the interval of each pair", function()
    local record, said = run("pas_meps", "--device sim:pulsepal --device-option channels=nerve=1,tms=2 "
      .. "-p nerve=20%MSO -p tms=60%MSO -p meps=4 -p wait=2", answers_of(12, function(i) return 100 * i end))
    local pairs_given, named, later = {}, conditions(record), nil
    for i, pulse in ipairs(cases.given(record)) do
      if named[i] ~= "PAS" then
        assert.are.equal("2", pulse.channel)
        later = later or named[i] == "after 2 min" and pulse.s
      elseif pulse.channel == "1" then
        pairs_given[#pairs_given + 1] = { s = pulse.s }
      else
        pairs_given[#pairs_given].isi = pulse.s - pairs_given[#pairs_given].s
      end
    end
    assert.are.equal(90, #pairs_given)
    for i, pair in ipairs(pairs_given) do
      near(0.025, pair.isi, 0.0002, "pair " .. i)
      near(20 * (i - 1), pair.s - pairs_given[1].s, 0.0002, "pair " .. i)
    end
    near(pairs_given[90].s + 0.025 + 120, later, 0.1, "the second block after")
    assert.matches("before: mean MEP 250 uV", said, 1, true)
    assert.matches("after 2 min: mean MEP 1050 uV, 420 % of before", said, 1, true)

    record, said = run("ccpas_meps", "--device sim:pulsepal --device-option channels=PMv=1,M1=2 "
      .. "-p first=50%MSO -p second=60%MSO -p meps=5", answers_of(20, function(i)
        return 100 * i
      end))
    local counts, last, sums, trial = {}, nil, {}, 0
    named = conditions(record)
    for i, pulse in ipairs(cases.given(record)) do
      local name = named[i]
      counts[name] = (counts[name] or 0) + 1
      if pulse.channel == "2" and name ~= "ccPAS" then -- a trial's pulse at M1
        trial = trial + 1
        sums[name] = (sums[name] or 0) + 100 * trial
      end
      if named[i]:find "PAS" or named[i]:find "PMv" then
        if pulse.channel == "2" then near(0.008, pulse.s - last, 0.0002, named[i]) end
        last = pulse.s
      end
    end
    assert.are.same({ ["M1 before"] = 5, ["PMv-M1 before"] = 10, ccPAS = 180, ["M1 after"] = 5,
      ["PMv-M1 after"] = 10 }, counts)
    local before = 100 * sums["PMv-M1 before"] / sums["M1 before"]
    local after = 100 * sums["PMv-M1 after"] / sums["M1 after"]
    assert.is_truthy(said:find(("%.0f %% before, %.0f %% after"):format(before, after), 1, true), said)
  end)

  it("scanner_locked gives each train its delay after the right volume, and ends where the scanner does",
    function()
    local volumes = {}
    for i = 1, 40 do
      volumes[i] = ("%.4f port %d"):format(1.9 + 1.6 * i, 5)
    end
    table.insert(volumes, 20, "33.0 port 9") -- of something else
    shell.write(folder .. "/volumes", table.concat(volumes, "\n") .. "\n")
    local record, said = run("scanner_locked", ("--rmt 50 -p trains=4 -p every=6 --triggers %s/volumes")
      :format(folder))
    local starts, named, of = {}, conditions(record), {}
    local planned = cases.recorded(record)[1].s -- from the run's start, as the volumes are
    for i, pulse in ipairs(cases.given(record)) do
      local s = planned + pulse.s
      if i % 3 == 1 then
        starts[#starts + 1] = s
        of[named[i]] = (of[named[i]] or 0) + 1
      else
        near(0.1 * ((i - 1) % 3), s - starts[#starts], 1e-6, "pulse " .. i)
      end
    end
    for i, s in ipairs(starts) do
      near(1.9 + 1.6 * 6 * i + 0.1, s, 1e-6, "train " .. i)
    end
    assert.are.equal(6, #starts) -- of eight: 40 volumes are 6 times 6 and some
    assert.are.equal(6, of.high + of.low)
    assert.matches("no volume for 30 s: ends after 6 trains and 40 volumes", said, 1, true)
  end)

  it("ccpas_meps keeps the interval of each pair on two devices, each in % of its own threshold", function()
    local record, said = run("ccpas_meps", "--device PMv=sim:rapid --device M1=sim:magstim200 --rmt PMv=46 "
      .. "--rmt M1=52 -p first=90%RMT -p second=110%RMT -p isi=8.5 -p pairs=12 -p meps=3", answers_of(12,
        function() return 100 end))
    local onsets, strengths = { PMv = {}, M1 = {} }, { PMv = {}, M1 = {} }
    for place, latency in pairs { PMv = 0.0051, M1 = 0.0084 } do -- docs/several-devices.md
      for _, row in ipairs(shell.rows(("%s/%s/twin.tsv"):format(record, place))) do
        if row.event == "pulse" then
          table.insert(onsets[place], tonumber(row.time) + latency)
          strengths[place][row.intensity] = (strengths[place][row.intensity] or 0) + 1
        end
      end
    end
    -- 12 pairs, and of 3 trials before and after a pair and M1 alone; 41.4 and 57.2 in whole %MSO
    assert.are.same({ { ["41"] = 18 }, { ["57"] = 24 } }, { strengths.PMv, strengths.M1 })
    local k, named = 1, conditions(record)
    for _, s in ipairs(onsets.PMv) do
      while onsets.M1[k] < s do
        k = k + 1
      end
      near(0.0085, onsets.M1[k] - s, 1e-6, "pair")
    end
    assert.are.equal(24, select(2, table.concat(named, " "):gsub("ccPAS", "")))
    assert.matches("100 %% before, 100 %% after", said)
  end)

  it("phase_locked gives each phase once in two trials, where the simulated rhythm has it", function()
    local sizes = answers_of(40, function(i) return 500 + (i * 7919) % 900 end)
    local record, said = run("phase_locked", "--rmt 50", sizes)
    local of = { hz = 10.5, snr_db = 0, rate = 1000 }
    local rhythm, sums = simulated.new(simulated.seed_of(at, 1), of), { trough = 0, peak = 0 }
    local count, was, named, c, s, pulses = 0, 0, conditions(record), 0, 0, 0
    for _, row in ipairs(shell.rows(record .. "/events.tsv")) do
      if row.event == "pulse" then
        local due = tonumber(row.onset) * of.rate
        while count <= due do
          was, count = rhythm.phase, count + 1
          rhythm:next()
        end
        pulses = pulses + 1
        local off = was + (due - count + 1) * ((rhythm.phase - was) % 1)
          - (named[pulses] == "trough" and 0.5 or 0)
        c, s = c + math.cos(2 * math.pi * off), s + math.sin(2 * math.pi * off)
        sums[named[pulses]] = sums[named[pulses]] + sizes[pulses]
        assert.is_true(pulses % 2 == 1 or named[pulses] ~= named[pulses - 1])
      end
    end
    assert.are.equal(40, pulses)
    local sd = math.deg(math.sqrt(-2 * math.log(math.sqrt(c * c + s * s) / pulses)))
    assert.is_true(sd <= 23 and math.abs(math.deg(math.atan(s, c))) < 10, ("%.1f"):format(sd))
    for name, sum in pairs(sums) do
      assert.matches(("%s: mean MEP %.0f uV of 20 trials"):format(name, sum / 20), said, 1, true)
    end
  end)

  it("treatment_session goes no further than was tolerated, and never without its pauses", function()
    local record = run("treatment_session", "--rmt 50 -p trains=7 -p asks=3", answers_of(6,
      function() return "y" end))
    local given = cases.given(record)
    assert.are.equal(30 * (4 + 7), #given)
    for i, pulse in ipairs(given) do
      assert.are.equal(({ 40, 45, 50, 55 })[(i - 1) // 30 + 1] or 60, pulse.mso)
      if i % 30 == 1 and i > 1 then
        assert.is_true(pulse.s - given[i - 1].s >= 8, ("pulse %d: %.3f s"):format(i,
          pulse.s - given[i - 1].s))
      end
    end
    local out = folder .. "/too_strong" -- 120 %RMT of 95 %MSO is more than there is: nothing is begun
    local status, _, err = shell.moonpulse(folder, "run treatment_session --rmt 95 --speed max --out " .. out)
    assert.are_not.equal(0, status)
    assert.matches("at most 105.2 %RMT can be given", err, 1, true)
    assert.are.same({}, cases.given(out .. "/" .. shell.names(out)[1]))
    record = run("treatment_session", "--rmt 50", { "y", "n" })
    assert.are.equal(60, #cases.given(record))
    record = run("treatment_session", "--rmt 50 -p trains=7 -p asks=3", { "y", "y", "y", "y", "n" })
    assert.are.equal(30 * (4 + 3), #cases.given(record))
  end)
end)
