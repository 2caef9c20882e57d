-- What was typed and says nothing to the trial that asked is asked again at once, whoever gave it; a file of
-- answers is told its line. A run that was told only what its trials took is what it is compared with.
local author = require "author"
local cjson = require "cjson"
local fixture = require "job"
local shell = require "shell"

local devices = "local stim = run:device()"

--- One loop: how it begins, and what it asks and answers.
local function loop(begins, answer)
  return ([[
    local trials = %s
    stim:arm()
    for trial, intensity in trials do
      run:sleep(5)
      stim:fire(mp.pulse { intensity = mp.mso(intensity) })
      %s
    end]]):format(begins, answer or 'trial:answer(run:ask "MEP in uV? [number]")')
end

local analog = 'run:threshold { method = "stochastic", variant = "analog H", start = 50, trials = 4 }'
local hunt = loop(analog)
local curve = loop "run:recruitment { from = 40, to = 70, step = 10, repeats = 2 }"
local stairs = loop("run:staircase { start = 45, step = 2, trials = 4 }", 'trial:answer(run:ask "MEP?")')
local in_mv = loop(analog,
  'trial:answer(1000 * run:ask "MEP in mV? [number]")')

describe("an answer that says nothing to its trial", function()
  local folder
  fixture.each_test(function(...) folder = ... end)

  --- Run it; the answers are typed, or come from a file.
  local function perform(body, answers, is_file)
    shell.write(folder .. "/given", table.concat(answers, "\n") .. "\n")
    return author.perform(folder, devices, body,
      (is_file and "--answers %s/given" or "<%s/given"):format(folder))
  end

  local function refused(run)
    local list = {}
    for line in io.lines(run .. "/journal.jsonl") do
      local entry = cjson.decode(line)
      if entry.kind == "refused_answer" then
        list[#list + 1] = { entry.answer, entry.source, entry.of }
      end
    end
    return list
  end

  --- The pulses, their times and intensities.
  local function pulses(run)
    local list = {}
    for _, row in ipairs(shell.rows(run .. "/events.tsv")) do
      list[#list + 1] = row.trial_type ~= "mark" and { row.onset, row.intensity_mso } or nil
    end
    return list
  end

  for name, each in pairs {
    hunt = { hunt,
      { "40", "70000", "0.5", "x", "60", "55", "45" }, { "40", "60", "55", "45" }, "thresholds",
      { "70000", "0.5", "x" }, "a number from 1 to 50000, uV from peak to peak" },
    curve = { curve,
      { "20", "90", "-3", "400", "800", "30", "80", "500", "900" },
      { "20", "90", "400", "800", "30", "80", "500", "900" }, "curves", { "-3" },
      "a number from 1 to 50000" },
    stairs = { stairs, { "y", "maybe", "", "no", "Y", "n" }, { "y", "no", "Y", "n" }, "staircases",
      { "maybe", "" }, "y or n" },
  } do
    it("is asked again where it was typed, and what follows is as if it had not been: " .. name, function()
      local body, typed, good, where, bad, words = table.unpack(each)
      local status, _, err, plain = perform(body, good, true)
      assert.are.equal(0, status, err)
      local again, out, trouble, run = perform(body, typed)
      assert.are.equal(0, again, out .. trouble)
      assert.are.same(fixture.manifest(plain).experiment[where], fixture.manifest(run).experiment[where])
      assert.are.same(pulses(plain), pulses(run))
      local expected = {}
      for i, text in ipairs(bad) do
        expected[i] = { text, "operator", "script" }
      end
      assert.are.same(expected, refused(run))
      assert.matches("please answer " .. words, out, 1, true)
      for _, command in ipairs { "verify " .. run, ("rerun %s --out %s/again"):format(run, folder) } do
        local ended, said, why = shell.moonpulse(folder, command)
        assert.are.equal(0, ended, said .. why)
      end
    end)
  end

  it("is an error with its line in a file of answers, and made again it is the same", function()
    local status, _, err, run = perform(hunt, { "40", "70000", "60", "55", "45" }, true)
    assert.are.equal(2, status)
    assert.matches('--answers, line 2: "70000" is no answer to "MEP in uV? [number]": it takes a number '
      .. "from 1 to 50000", err, 1, true)
    local ended, out, why = shell.moonpulse(folder, ("rerun %s --out %s/again"):format(run, folder))
    assert.are.equal(0, ended, out .. why)
    ended, out, why = shell.moonpulse(folder, "verify " .. run)
    assert.are.equal(0, ended, out .. why)
  end)

  it("is an error at the author's line where the script reckoned it, or nobody says anything else", function()
    local status, _, err = perform(in_mv, { "0.04", "80" })
    assert.are.equal(2, status)
    assert.matches("made.lua:9: trial:answer: the MEP's amplitude is needed, 1 to 50000 uV peak to peak, not "
      .. "80000", err, 1, true)
    local same = {}
    for i = 1, 150 do
      same[i] = "70000"
    end
    local ended, _, why, run = perform(hunt, same)
    assert.are.equal(2, ended)
    assert.matches("made.lua:9: trial:answer: the MEP's amplitude is needed", why, 1, true)
    assert.are.equal(100, #refused(run))
  end)

  it("is an error at the author's line where the question was about something else", function()
    local function pain(question, given)
      return loop('run:threshold { method = "amplitude", start = 45, trials = 4, kind = "RMT" }',
        ("local said = run:ask %q; trial:answer(%s)"):format(question, given))
    end
    for given, question in pairs {
      ["tonumber(said)"] = "MEP in uV?", ["0"] = "Pain?", ["0.0"] = "Pain? [number]", ["nil"] = "Go on?",
      ["said"] = "Pain? [number 0 to 10]", ["said or 1"] = "How many? [0/1/2]",
    } do
      local status, out, err, run = perform(pain(question, given), { given == "nil" and "on" or "0", "5",
        "5", "5", "5" })
      assert.are.equal(2, status, question .. given)
      assert.matches("made.lua:9: trial:answer: the MEP's amplitude is needed", err, 1, true)
      local hinted = err:find("the text that run:ask gave", 1, true) ~= nil
      assert.are.equal(given:match "^[%dt]" ~= nil, hinted, err)
      assert.is_nil(out:find("please answer", 1, true), out)
      assert.are.equal(1, select(2, shell.read(run .. "/twin.tsv"):gsub("\tpulse\t", "")))
      assert.are.equal(0, (shell.moonpulse(folder, "verify " .. run)))
    end
    local status, out = perform(pain("MEP? [number 0 to 50000]", "said"), { "0", "60", "55", "40", "45" })
    assert.are.equal(0, status, out)
    assert.matches("please answer a number from 1 to 50000", out, 1, true)
  end)

  it("stays so in a run that is gone on with: it is told again what was refused, and asks", function()
    local status, _, err, run = perform(hunt, { "40", "70000" })
    assert.are.equal(2, status)
    assert.matches("question 3 has no answer", err, 1, true)
    shell.write(folder .. "/rest", "60\n55\n45\n")
    local ended, out, why = shell.moonpulse(folder,
      ("resume %s --answers %s/rest --speed max --out %s/rest-runs"):format(run, folder, folder))
    assert.are.equal(0, ended, out .. why)
    local rest = fixture.run_in(folder .. "/rest-runs")
    local _, _, _, plain = perform(hunt, { "40", "60", "55", "45" }, true)
    assert.are.equal(fixture.manifest(plain).experiment.thresholds[1].threshold,
      fixture.manifest(rest).experiment.thresholds[1].threshold)
    assert.are.equal(0, (shell.moonpulse(folder, "verify " .. rest)))
  end)

  it("is asked again within bounds that the question names", function()
    local body = [[run:note("pain " .. run:ask "Pain? [number 0 to 10]")]]
    local status, out, _, run = perform(body, { "11", "-1", "10" })
    assert.are.equal(0, status)
    assert.matches("please answer a number from 0 to 10", out, 1, true)
    assert.matches("pain 10", out, 1, true)
    assert.are.same({ { "11", "operator", "script" }, { "-1", "operator", "script" } }, refused(run))
    local _, _, err = perform(body, { "11" }, true)
    assert.matches('--answers, line 1: "11" is no answer to "Pain? [number 0 to 10]": it takes a number '
      .. "from 0 to 10", err, 1, true)
    for _, bounds in ipairs { "10 to 0", "a to 9" } do
      local ended, _, why = perform(('run:ask "Pain? [number %s]"'):format(bounds), { "1" })
      assert.are.equal(2, ended)
      assert.matches("made.lua:4: run:ask: [number " .. bounds .. "]: two numbers are needed", why, 1, true)
    end
  end)
end)
