-- What the manifest of a run that was killed says after moonpulse recover: as much of what was played, found
-- and answered as its journal has, and until when the record knows of the run.
local clocks = require "moonpulse.record.clocks"
local cjson = require "cjson"
local fixture = require "job"
local shell = require "shell"

local script = [[local mp = require "moonpulse"
  return mp.experiment { run = function(run)
    local stim = run:device()
    local pair = mp.pair { isi = mp.ms(2.5), intensity = { mp.mso(30), mp.mso(50) } }:label "SICI"
    stim:arm(pair)
    stim:fire(pair)
    for _, start in ipairs { 40, 45 } do
      local trials = start == 40 and 3 or 100
      for trial, intensity in run:staircase { start = start, step = 4, trials = trials, kind = "RMT" } do
        run:mark("looked at " .. intensity)
        trial:answer(trial.number % 2 == 0)
        if start == 45 and trial.number == 2 then
          run:note "here"
          run:sleep(1000)
        end
      end
    end
  end }]]

--- Is the text of a manifest as its schema says? Nil where nothing can judge it.
local function judged(folder, path)
  if select(1, shell.sh(folder, "python3 -c 'import jsonschema'")) == 0 then
    return (shell.sh(folder, "python3 tests/helpers/check_schema.py docs/schemas/manifest.schema.json "
      .. path))
  end
  return 0
end

describe("the manifest of a run that was killed", function()
  local folder, jobs
  fixture.each_test(function(...) folder, jobs = ... end)

  local function killed(name, text, options, says)
    shell.write(("%s/%s.lua"):format(folder, name), text)
    local job = jobs:start(name, ("run %s/%s.lua --out %s/%s --tolerance 1000%s"):format(folder, name, folder,
      name, options or ""))
    job:says(says)
    local run = fixture.run_in(folder .. "/" .. name)
    shell.await(function()
      return (shell.read(run .. "/events.tsv") or ""):find("\tpulse\t", 1, true)
    end, "a pulse")
    job:signal "KILL"
    job:wait()
    local torn = fixture.manifest(run)
    local status, out, err = shell.moonpulse(folder, "recover " .. run)
    assert.are.equal(0, status, err)
    assert.are.equal(0, (judged(folder, run .. "/manifest.json")))
    assert.are.equal(0, (shell.moonpulse(folder, "verify " .. run)))
    return fixture.manifest(run), torn, run, out
  end

  --- What the report says on top.
  local function banner(run)
    return shell.read(run .. "/report.html"):match("<h1.-</section>"):gsub("<[^>]*>", " "):gsub("%s+", " ")
  end

  --- Until when the run lasted is no sooner than the last line that it wrote, and no later than now.
  local function judge_clock(manifest, run)
    local clock, last, origin = manifest.clock, nil, nil
    for line in shell.read(run .. "/journal.jsonl"):gmatch("[^\n]+") do
      local entry = cjson.decode(line)
      origin = origin or math.tointeger(tonumber(entry.clock_ns))
      last = entry.kind ~= "recovered" and entry.kind ~= "report" and entry or last
    end
    assert.are.equal("the last instant that the record knows: Moonpulse was killed, or its disk was full",
      clock["end"].why)
    local ends = math.tointeger(tonumber(clock["end"].monotonic_ns))
    assert.is_true(ends >= origin + math.tointeger(tonumber(last.at_ns)))
    assert.is_true(ends > math.tointeger(tonumber(clock.start.monotonic_ns)))
    local wall_ns = clocks.ns_of(clock["end"].wall)
    assert.is_true(wall_ns >= clocks.ns_of(last.at) - 1000) -- microseconds are written
    assert.is_true(wall_ns <= os.time() * 1000000000 + 1000000000)
    assert.is_true(math.abs(clock.moved_apart_s) < 0.1)
  end

  it("says what an experiment played, found and was answered", function()
    local manifest, torn, run = killed("stair", script, " --device sim:bistim", "here")
    assert.are.same({ 1, "high resolution" }, { manifest.experiment.plays, manifest.device.mode.value })
    assert.are.equal("low resolution", torn.device.mode.value) -- as it was connected
    assert.are.same({ SICI = 2 }, manifest.conditions)
    local first, second = table.unpack(manifest.experiment.staircases)
    assert.are.same({ { intensity = 40, yes = false }, { intensity = 44, yes = true },
      { intensity = 42, yes = false } }, first.track)
    assert.are.same({ 3, "only 2 reversals after 3 trials", "%MSO", "1-up-1-down", 40, 1, 2 }, { first.trials,
      first.why, first.unit, first.rule, first.start, first.min_step, first.reversals })
    assert.are.same({ { intensity = 45, yes = false }, { intensity = 49, yes = true } }, second.track)
    assert.are.same({ 2, "the run ended before it did", 1 }, { second.trials, second.why, second.reversals })
    assert.is_nil(manifest.experiment.staircases[3])
    judge_clock(manifest, run)
  end)

  it("calls what a script asked for that, and never planned, wherever it is told", function()
    local _, _, run, out = killed("asks", [[local mp = require "moonpulse"
      return mp.experiment { run = function(run)
        local stim = run:device()
        stim:arm()
        stim:fire(mp.pulse(mp.mso(40)))
        run:note "here"
        run:sleep(1000)
      end }]], "", "here")
    local _, methods = shell.moonpulse(folder, "methods " .. run)
    local _, runs = shell.moonpulse(folder, "runs --out " .. folder .. "/asks")
    local _, sheet = shell.moonpulse(folder, ("methods %s --checklist rtms"):format(run))
    local page = shell.read(run .. "/report.html")
    assert.matches("^recovered 1 of 1 pulse that the script asked for: ", out)
    assert.matches("The one pulse that the script asked for was delivered", methods:gsub("%s+", " "), 1, true)
    assert.matches(" 1 of 1 asked for ", runs, 1, true)
    assert.matches("1 delivered of 1 asked for by the script", sheet, 1, true)
    for _, words in ipairs { "Given against asked for", "Pulses asked for" } do
      assert.matches(words, page, 1, true)
    end
    for _, words in ipairs { "gainst planned", "ulses planned", "was planned", "planned pulse" } do
      for _, text in ipairs { out, methods, runs, sheet, page } do
        assert.is_nil(text:find(words, 1, true), words)
      end
    end
  end)

  it("says whether the stimulator said that it was disarmed", function()
    local text = [[local mp = require "moonpulse"
      return mp.experiment { run = function(run)
        local stim = run:device()
        stim:arm()
        stim:fire(mp.pulse(mp.mso(40)))
        %s
        run:note "here"
        run:sleep(1000)
      end }]]
    local manifest, _, run, out = killed("armed", text:format "", "", "here")
    assert.is_false(manifest.result.disarmed)
    assert.matches("NOT CONFIRMED SAFE: the record does not say that the stimulator was disarmed", out, 1,
      true)
    assert.matches("NOT NORMAL: INTERRUPTED, TORN, NOT CONFIRMED SAFE", banner(run), 1, true)
    manifest, _, run, out = killed("disarmed", text:format "stim:disarm()", "", "here")
    assert.is_true(manifest.result.disarmed)
    assert.is_nil(out:find("NOT CONFIRMED SAFE", 1, true), out)
    assert.matches("NOT NORMAL: INTERRUPTED, TORN ", banner(run), 1, true)
    assert.is_nil(banner(run):find("NOT CONFIRMED SAFE", 1, true))
  end)

  it("says until when a protocol's run is known", function()
    local manifest, _, run = killed("long", [[local mp = require "moonpulse"
      return mp.train { pulses = 300, hz = 10, intensity = mp.mso(30) }]], "", "timing ")
    assert.are.equal("Biphasic", manifest.device.waveform.value)
    judge_clock(manifest, run)
  end)
end)

describe("the time of a wall clock", function()
  it("is read as it was written", function()
    for _, seconds in ipairs { 0, 951782400, 951868799, 1709164800, 1795819512, 4102444800 } do
      local ns = seconds * 1000000000 + 123456000
      assert.are.equal(ns, clocks.ns_of(clocks.text(ns)))
      assert.are.equal(ns, clocks.ns_of(os.date("!%Y-%m-%dT%H:%M:%S", seconds) .. ".123456+00:00"))
      assert.are.equal(ns, clocks.ns_of(os.date("!%Y-%m-%dT%H:%M:%S", seconds + 5400) .. ".123456+01:30"))
      assert.are.equal(ns, clocks.ns_of(os.date("!%Y-%m-%dT%H:%M:%S", seconds - 34200) .. ".123456-09:30"))
    end
    assert.is_nil(clocks.ns_of "2026-11-27 22:11:09")
  end)
end)
