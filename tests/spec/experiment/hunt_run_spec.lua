-- A threshold hunt as a run: its intensities at the simulator, its result and its interval against the
-- methods written anew in Python (tests/helpers/threshold_hunts.py), and where the record tells of it.
local amplitude = require "moonpulse.experiment.amplitude"
local author = require "author"
local bids = require "bids"
local cjson = require "cjson"
local core = require "moonpulse.core"
local fixture = require "job"
local shell = require "shell"

local function body_of(options, question)
  return ([[
    local hunt = run:threshold { %s }
    stim:arm()
    for trial, intensity in hunt do
      run:sleep(run:uniform(5, 7))
      stim:fire(mp.pulse { intensity = mp.mso(intensity) })
      trial:answer(run:ask "%s")
    end
    stim:disarm()]]):format(options, question or "MEP above 50 uV? [y/n]")
end

--- What the simulator was set to when it gave its pulses.
local function given_at(run)
  local given = {}
  for _, row in ipairs(shell.rows(run .. "/twin.tsv")) do
    given[#given + 1] = row.event == "pulse" and math.tointeger(tonumber(row.intensity)) or nil
  end
  return given
end

local function near(expected, found, within)
  assert.is_true(math.abs(expected - found) <= within, ("%s, not %s"):format(found, expected))
end

describe("a run of a threshold hunt", function()
  local folder, jobs
  fixture.each_test(function(...) folder, jobs = ... end)

  local function perform(options, answers, more, question)
    shell.write(folder .. "/answers", table.concat(answers, "\n") .. "\n")
    local status, out, err, run = author.perform(folder, "local stim = run:device()",
      body_of(options, question), ("--answers %s/answers %s"):format(folder, more or ""))
    return { status = status, out = out, err = err, run = run, manifest = run and fixture.manifest(run),
      hunt = run and fixture.manifest(run).experiment.thresholds[1] }
  end

  --- A hunt of the same subject in Python: intensities, answers, threshold, interval.
  local function by_python(method, seed, start)
    local status, out, err = shell.sh(folder, ("python3 tests/helpers/threshold_hunts.py '%s' %d %d"):format(
      method, seed, start))
    assert.are.equal(0, status, err)
    local given, answers = {}, {}
    for intensity, answer in out:gmatch("(%d+) ([yn])\n") do
      given[#given + 1], answers[#answers + 1] = math.tointeger(tonumber(intensity)), answer
    end
    local low, high, step = out:match("interval (%S+) (%S+) (%S+)")
    return { given = given, answers = answers, threshold = tonumber(out:match("threshold (%S+)")),
      low = tonumber(low), high = tonumber(high), step = tonumber(step) }
  end

  it("gives what the method's paper says, whatever the device, and finds the same", function()
    for method, options in pairs { ["ml-pest"] = 'method = "ml-pest"',
      ["digital H"] = 'method = "stochastic"',
      ["digital HA"] = 'method = "stochastic", variant = "digital HA"',
      ["relative-frequency"] = 'method = "relative-frequency"',
      ["mills-nithi"] = 'method = "mills-nithi"' } do
      for seed, device in ipairs { "magventure", "bistim" } do
        local expected = by_python(method, seed, 52)
        local found = perform(options .. ', start = 52, kind = "RMT"', expected.answers,
          "--device sim:" .. device)
        assert.are.equal(0, found.status, found.err)
        assert.are.same(expected.given, given_at(found.run), method)
        local hunt = found.hunt
        near(expected.threshold, hunt.threshold, 1e-9)
        near(expected.low, hunt.interval.low, expected.step) -- the grid of ours is ten times as coarse
        near(expected.high, hunt.interval.high, expected.step)
        assert.are.same({ #expected.given, 95, "RMT" }, { hunt.trials, hunt.interval.percent, hunt.kind })
        for i, trial in ipairs(hunt.track) do
          assert.are.same({ expected.given[i], expected.answers[i] == "y" }, { trial.intensity, trial.yes })
        end
        assert.matches(("resting motor threshold %.4g %%MSO, 95 %% interval"):format(hunt.threshold),
          found.out, 1, true)
      end
    end
  end)

  it("by amplitudes is where the filter is, told the same", function()
    local muscle = core.muscle(3)
    local start = math.floor(1.12 * muscle:intensity_of(0.5))
    local method, answers, expected = amplitude.new(start), {}, {}
    for number = 1, 20 do
      expected[number] = method:next()
      answers[number] = ("%.1f"):format(muscle:respond(expected[number]) * 1e6)
      method:take(expected[number], tonumber(answers[number]) / 1e6)
    end
    local found = perform(('method = "amplitude", start = %d, kind = "AMT"'):format(start), answers, nil,
      "MEP in uV? [number]")
    assert.are.equal(0, found.status, found.err)
    assert.are.same(expected, given_at(found.run))
    assert.are.equal(method:estimate(), found.hunt.threshold)
    assert.are.same(method:interval(), found.hunt.interval)
    assert.are.equal(tonumber(answers[7]), found.hunt.track[7].mep_uv)
    local _, methods = shell.moonpulse(folder, "methods " .. found.run)
    methods = methods:gsub("%s+", " ")
    assert.matches(("A threshold hunt by particle filter on MEP amplitudes (population: Wang B et al. 2023, "
      .. "J Neural Eng, doi:10.1088/1741-2552/acf1cc; MEP model: Goetz SM et al. 2019, IEEE Trans Neural "
      .. "Syst Rehabil Eng 27:1539), from %d %%MSO, 20 trials, ended after its last trial, gave an active "
      .. "motor threshold of "):format(start), methods, 1, true)
    assert.matches("The interval is what the particle filter leaves for the threshold.", methods, 1, true)
    assert.matches("An MEP of 50 uV or more, peak to peak, counted as a response.", methods, 1, true)
    assert.is_nil(methods:find("What counted as a response", 1, true))
    assert.is_nil(methods:find("mean of the reversals", 1, true))
    assert.are.equal(0, (shell.moonpulse(folder, "verify " .. found.run)))
  end)

  it("by amplitudes lets the loop go on while it makes its particles, so often in each hunt", function()
    local status, out, err = author.perform(folder, "local turns = 0", [[
      run:spawn(function() while true do run:sleep(0) turns = turns + 1 end end)
      run:sleep(0)
      for _, method in ipairs { "amplitude", "amplitude", "ml-pest" } do
        local before = turns
        run:threshold { method = method, start = 50 }
        print(("%s %d turns"):format(method, turns - before))
        local own = coroutine.wrap(function() return run:threshold { method = method, start = 50 } end)
        assert(own()() ~= nil)
      end]])
    assert.are.equal(0, status, err)
    assert.matches("amplitude 36 turns\namplitude 36 turns\nml-pest 0 turns\n", out, 1, true)
  end)

  it("has the same bytes for the same seed and answers, and is done again the same", function()
    local first
    for _ = 1, 2 do
      local found = perform('method = "amplitude", start = 50', { "900", "40.5", "77", "50", "12" },
        "--device sim:rapid", "MEP in uV? [number]")
      local all = {}
      for i, name in ipairs { "events.tsv", "twin.tsv" } do
        all[i] = shell.read(found.run .. "/" .. name)
      end
      first = first or all
      assert.are.same(first, all)
    end
    local found = perform('method = "relative-frequency", of = 4, start = 45', { "y", "y", "n", "n", "n" })
    assert.matches("threshold 45 %MSO (relative frequency, 2 of 4, 5 trials)",
      found.out:gsub(", 95 [^(]*", " "), 1, true)
    local status, out = shell.moonpulse(folder, ("rerun %s --out %s/again"):format(found.run, folder))
    assert.are.equal(0, status, out)
    assert.matches("\naround      SAME: parameters, thresholds, marks", out, 1, true)
    assert.are.equal(0, (shell.moonpulse(folder, "verify " .. found.run)))
    local again = fixture.run_in(folder .. "/again")
    local edited = fixture.manifest(again)
    edited.experiment.thresholds[1].threshold = 44
    shell.write(again .. "/manifest.json", cjson.encode(edited))
    status, out = shell.moonpulse(folder, ("diff %s %s"):format(found.run, again))
    assert.are_not.equal(0, status)
    assert.matches("thresholds hunted", out, 1, true)
  end)

  it("whose answers end has the trials until then in its record, and no threshold", function()
    local found = perform('method = "ml-pest", start = 50, kind = "RMT"', { "y", "n", "y" })
    assert.are.equal(2, found.status)
    assert.matches('question 4 has no answer: "MEP above 50 uV? [y/n]": ' .. folder
      .. "/answers has only 3 lines: add a line (here one of y/n)", found.err, 1, true)
    local track = {}
    for i, trial in ipairs(found.hunt.track) do
      track[i] = { trial.intensity, trial.yes }
    end
    local given = given_at(found.run)
    assert.are.same({ { given[1], true }, { given[2], false }, { given[3], true } }, track)
    assert.are.same({ 4, 3, "the run ended before it did" }, { #given, found.hunt.trials, found.hunt.why })
    assert.is_nil(found.hunt.threshold)
    assert.is_nil(found.manifest.thresholds.found)
    assert.are.equal(0, (shell.moonpulse(folder, "verify " .. found.run)))
    local _, methods = shell.moonpulse(folder, "methods " .. found.run)
    assert.matches("from 50 %MSO, 3 trials, gave no threshold: the run ended before it did",
      methods:gsub("%s+", " "), 1, true)
  end)

  it("of a muscle that never responds says that there is no threshold up to the highest intensity", function()
    local answers = {}
    for i = 1, 20 do
      answers[i] = "n"
    end
    local found = perform('method = "ml-pest", start = 50, kind = "RMT"', answers)
    assert.are.equal(0, found.status, found.err)
    local given = given_at(found.run)
    assert.are.same({ 100, 100, 100 }, { table.unpack(given, #given - 2) }) -- three at the end of the scale
    assert.are.same({ 100, nil, "limit" }, { found.hunt.above, found.hunt.threshold, found.hunt.ended_by })
    assert.is_nil(found.manifest.thresholds.found)
    local words = ("no threshold up to 100 %%MSO (ML-PEST, %d trials)"):format(#given)
    assert.matches(words, found.out, 1, true)
    assert.matches("No threshold up to 100 %MSO", shell.read(found.run .. "/report.html"), 1, true)
    local _, methods = shell.moonpulse(folder, "methods " .. found.run)
    assert.matches("gave no threshold up to 100 %MSO.", methods:gsub("%s+", " "), 1, true)
    assert.are.equal(0, (shell.moonpulse(folder, "verify " .. found.run)))
    local manifest = fixture.manifest(found.run)
    manifest.experiment.thresholds[1].above = nil
    shell.write(found.run .. "/manifest.json", cjson.encode(manifest))
    fixture.seal(found.run)
    local status, said = shell.moonpulse(folder, "verify " .. found.run)
    assert.are.equal(1, status)
    assert.matches("experiment.thresholds[1].above", said, 1, true)
  end)

  it("with a wrong option is told so at its line, with the options that there are", function()
    local found = perform('method = "ml-pest", start = 50, pulses = 20', {})
    assert.are.equal(2, found.status)
    assert.matches('made.lua:4: run:threshold: there is no option "pulses"; known: device, kind, max, '
      .. "method, min, start, trials", found.err, 1, true)
  end)

  it("takes a number for a number, and says where a file has none", function()
    local found = perform('method = "amplitude", start = 50', { "80", "52,5" }, nil, "MEP in uV? [number]")
    assert.are.equal(2, found.status)
    assert.matches('--answers, line 2: "52,5" is no answer to "MEP in uV? [number]"', found.err, 1, true)
    found = perform('method = "amplitude", start = 50', { "80", "1e9" }, nil, "MEP in uV? [number]")
    assert.matches('--answers, line 2: "1e9" is no answer to "MEP in uV? [number]": it takes a number from '
      .. "1 to 50000", found.err, 1, true)
    found = perform('method = "amplitude", start = 50', { "80" }, nil, "MEP in uV? [number]")
    assert.matches("add a line (here a number, like 2.5)", found.err, 1, true)
    shell.write(folder .. "/typed", "many\n80\n90 uV\n60\n")
    local status, out = shell.sh(folder, ("cat %s/typed | %s run %s/made.lua --seed 7 --speed max "
      .. "--out %s/piped"):format(folder, shell.absolute, folder, folder))
    assert.are.equal(2, status) -- only two were numbers
    assert.are.equal(2, select(2, out:gsub("please answer a number, like 2.5", "")))
    assert.are.equal(2, fixture.manifest(fixture.run_in(folder .. "/piped")).experiment.thresholds[1].trials)
  end)

  it("that is stopped, or killed and recovered, has the trials until then, also of a staircase", function()
    local made = [[local mp = require "moonpulse"
      return mp.experiment(function(run)
        local stim = run:device()
        local pulse = mp.pulse(mp.mso(30))
        stim:arm(pulse)
        stim:fire(pulse)
        for trial in run:staircase { start = 40, step = 4, kind = "AMT" } do
          trial:answer(trial.number < 3)
          if trial.number == 3 then
            break
          end
        end
        for trial, intensity in run:threshold { method = "stochastic", variant = "analog H", start = 45 } do
          if trial.number == 4 then
            run:note "here"
            run:sleep(1000)
          end
          trial:answer(60 - trial.number)
        end
      end)]]
    for name, signal in pairs { stopped = "INT", killed = "KILL" } do
      shell.write(("%s/%s.lua"):format(folder, name), made)
      local job = jobs:start(name, ("run %s/%s.lua --out %s/%s --tolerance 1000"):format(folder, name,
        folder, name))
      job:says "here"
      job:signal(signal)
      job:wait()
      local run = fixture.run_in(folder .. "/" .. name)
      if signal == "KILL" then
        assert.are.equal(0, (shell.moonpulse(folder, "recover " .. run)))
      end
      local hunt = fixture.manifest(run).experiment.thresholds[1]
      assert.are.same({ { intensity = 45, yes = true, mep_uv = 59 },
        { intensity = 45, yes = true, mep_uv = 58 }, { intensity = 44, yes = true, mep_uv = 57 } },
        hunt.track, name)
      assert.are.same({ "stochastic", "analog H", 45, 3, "the run ended before it did" }, { hunt.method,
        hunt.variant, hunt.start, hunt.trials, hunt.why })
      assert.are.same({ { threshold = nil, reversals = 1, trials = 3, rule = "1-up-1-down", start = 40,
        min_step = 1, unit = "%MSO", kind = "AMT", why = "the run ended before it did",
        track = { { intensity = 40, yes = true }, { intensity = 36, yes = true },
          { intensity = 32, yes = false } } } }, fixture.manifest(run).experiment.staircases)
      assert.are.equal(0, (shell.moonpulse(folder, "verify " .. run)))
      if select(1, shell.sh(folder, "python3 -c 'import jsonschema'")) == 0 then
        assert.are.equal(0, (shell.sh(folder, "python3 tests/helpers/check_schema.py "
          .. "docs/schemas/manifest.schema.json " .. run .. "/manifest.json")))
      end
    end
  end)

  it("is told by journal, report, methods, checklist and BIDS, with its method and the paper", function()
    local answers = by_python("ml-pest", 5, 55).answers
    shell.write(folder .. "/answers", table.concat(answers, "\n"))
    local run = bids.run(folder, ("scripts/threshold_hunt.lua -p kind=RMT -p start=55 --answers %s/answers")
      :format(folder))
    local manifest = fixture.manifest(run)
    local hunt = manifest.experiment.thresholds[1]
    local how = "ML-PEST from 55, 20 trials"
    assert.are.same({ { value = hunt.threshold, unit = "%MSO", kind = "RMT", source = "this run", how = how,
      date = manifest.started } }, manifest.thresholds.found)
    local line = shell.read(run .. "/journal.jsonl"):match('[^\n]*"kind":"threshold"[^\n]*')
    local told = cjson.decode(line)
    assert.are.same({ "hunt", "ml-pest", "RMT", "found", hunt.threshold }, { told.name, told.method, told.of,
      told.how, told.new })
    local html = shell.read(run .. "/report.html")
    local top = html:match("<main>(.-)<dl")
    assert.matches(('<p class="big">Resting motor threshold %.1f %%MSO, 95 %% interval %.1f to %.1f '
      .. '%%MSO</p>'):format(hunt.threshold, hunt.interval.low, hunt.interval.high), top, 1, true)
    assert.matches("20 trials, method: ML-PEST (Awiszus F 2003, Suppl Clin Neurophysiol 56:13-23); it ended "
      .. "after its last trial.", top, 1, true)
    local figure = html:match('<title id="stairs1%-t">Threshold hunt</title>.-</svg>')
    local yes = select(2, table.concat(answers):gsub("y", ""))
    assert.equal(yes, select(2, figure:match('class="fill" d="([^"]*)"'):gsub("M", "")))
    assert.equal(20 - yes, select(2, figure:match('class="open" d="([^"]*)"'):gsub("M", "")))
    local _, methods = shell.moonpulse(folder, "methods " .. run)
    methods = methods:gsub("%s+", " ")
    assert.matches(("A threshold hunt by ML-PEST (Awiszus F 2003, Suppl Clin Neurophysiol 56:13-23), from 55 "
      .. "%%MSO, 20 trials, ended after its last trial, gave a resting motor threshold of %.4g %%MSO (95 %% "
      .. "interval "):format(hunt.threshold), methods, 1, true)
    local _, sheet = shell.moonpulse(folder, ("methods %s --checklist tms-rat"):format(run))
    assert.matches("ML-PEST (Awiszus F 2003, Suppl Clin Neurophysiol 56:13-23), from 55 %MSO, 20 trials",
      sheet, 1, true)
    local files = bids.export({}, run, { sub = "01" })
    assert.are.equal(("participant_id\trmt\trmt_method\nsub-01\t%.10g\t%s\n"):format(hunt.threshold, how),
      files["phenotype/motor_threshold.tsv"])
    local sidecar = cjson.decode(files["phenotype/motor_threshold.json"])
    assert.are.equal("Method, Resting motor threshold", sidecar.rmt_method.LongName)
    assert.is_nil(sidecar.rmt_method.Units)
  end)

  it("and a staircase are told in the order in which they ended", function()
    shell.write(folder .. "/answers", ("y\nn\n"):rep(60))
    local status, _, err, run = author.perform(folder, "local stim = run:device()", [[
      stim:arm()
      for _, way in ipairs { "threshold", "staircase", "threshold" } do
        local options = way == "staircase" and { start = 50, step = 2, kind = "RMT", trials = 12 }
          or { method = "stochastic", start = 60, kind = "RMT", trials = 6 }
        for trial, intensity in run[way](run, options) do
          trial:answer(run:ask "MEP? [y/n]")
        end
      end]], ("--answers %s/answers"):format(folder))
    assert.are.equal(0, status, err)
    local found, before, old = {}, "none", {}
    for i, each in ipairs(fixture.manifest(run).thresholds.found) do
      found[i] = each.how
      old[i], before = before, ("%.10g"):format(each.value)
    end
    local told = {}
    for line in shell.read(run .. "/journal.jsonl"):gmatch('[^\n]*"kind":"threshold"[^\n]*') do
      local held = cjson.decode(line).old
      told[#told + 1] = type(held) == "number" and ("%.10g"):format(held) or held
    end
    assert.are.same(old, told) -- what held before each
    assert.are.same({ "stochastic approximation, digital H from 60, 6 trials",
      "staircase 1-up-1-down from 50, 7 trials, 6 reversals",
      "stochastic approximation, digital H from 60, 6 trials" }, found)
    assert.are.equal(0, (shell.moonpulse(folder, "verify " .. run)))
    local html = shell.read(run .. "/report.html")
    assert.are.equal(3, select(2, html:gsub('aria%-label="Threshold"', "")))
    assert.is_true(html:find("<h2", html:find('id="staircase"', 1, true), true) ~= nil)
    assert.matches('id="hunt"', html, 1, true)
  end)
end)
