-- A run that the answers before it did not let begin: its record says who was asked what and what was
-- answered, and nobody counts it as anything that was given.
local cjson = require "cjson"
local fixture = require "job"
local shell = require "shell"
local verify = require "moonpulse.verify"

local folder, jobs
fixture.each_test(function(...)
  folder, jobs = ...
  shell.write(folder .. "/list", "slept\tDid the participant sleep?\nway\tEMG or eye?\temg|visual\n")
  shell.write(folder .. "/two.lua", [[local mp = require "moonpulse"
    return mp.protocol { name = "Two", plan = function()
      return mp.pulse(mp.mso(40)):times(2, { every = 0.2 }) end }]])
  shell.write(folder .. "/asks.lua", [[local mp = require "moonpulse"
    return mp.experiment(function(run) run:device():fire(mp.pulse(mp.mso(20))) end)]])
end)

local PLAYED = "--rmt 50 --participant P07 --speed max --out %s/runs --preflight %s/list"

--- Run with these answers; whatever the run's folder is.
local function run(arguments, answers)
  return shell.sh(folder, ("printf %s | %s run %s/%s"):format(shell.quote(answers),
    shell.quote(shell.program), folder, arguments:gsub("%%s", folder)))
end

--- The lines of a journal, and what the preflight asked and was answered, in their order.
local function journal_of(path)
  local lines, talk = {}, {}
  for text in shell.read(path .. "/journal.jsonl"):gmatch("[^\n]+") do
    local line = cjson.decode(text)
    lines[#lines + 1] = line
    talk[#talk + 1] = line.of == "preflight" and (line.answer or line.text) or nil
  end
  return lines, talk
end

--- The record in out is whole by our own word and by that of tools that are not ours.
local function check_whole(path)
  local status, text = shell.moonpulse(folder, "verify " .. path)
  assert.are.equal(0, status, text)
  status, text = shell.sh(folder, ("cd %s && sh verify.sh"):format(path))
  assert.are.equal(0, status, text)
  status, text = shell.sh(folder, ("cd %s && sha256sum --quiet -c SHA256SUMS"):format(path))
  assert.are.equal(0, status, text)
  local judged, why = shell.sh(folder, ("python3 tests/helpers/check_schema.py docs/schemas/"
    .. "manifest.schema.json %s/manifest.json"):format(path))
  assert.are.equal(0, judged, why)
end

describe("a run that its operator declines", function()
  it("at a stimulator leaves it alone, and a record of who was asked what", function()
    local port, log = folder .. "/tty", folder .. "/tty.tsv"
    jobs:start("sim", ("sim magventure --link %s --log %s"):format(port, log)):says " on (%S+)"
    local real = ("two.lua --rmt 50 --device magventure --port %s --real-pty --preflight %%s/list "
      .. "--participant P07 --tolerance 5000 --out %%s/runs --beyond-guidelines why --approval 'EK 7' ")
      :format(port)
    local status, said, err = run(real .. "--operator AB", "y\nno\n")
    assert.are.equal(3, status)
    assert.matches("the preflight was not answered: way takes emg, visual (EMG or eye?); nothing was armed",
      err, 1, true)
    assert.are.equal(1, select(2, shell.read(log):gsub("\n", ""))) -- its header: not one byte was sent
    local path = said:match "record +(%S+)  %(report.html, events.tsv%)\nseal +%x%x%x%x "
    assert.are.equal(path, fixture.run_in(folder .. "/runs"))
    check_whole(path)
    local manifest = fixture.manifest(path)
    assert.are.same({ "not run", "declined", 0, "AB", false, 2 }, { manifest.status, manifest.result.status,
      manifest.result.pulses_sent, manifest.operator, manifest.device.simulated,
      manifest.result.pulses_planned })
    for i, each in ipairs { { "slept", "Did the participant sleep?", "y" },
      { "way", "EMG or eye?", "no" } } do
      local kept = manifest.preflight[i]
      assert.are.same(each, { kept.id, kept.question, kept.answer })
      assert.matches("^%d+%-%d+%-%d+T", kept.at)
    end
    local lines, talk = journal_of(path)
    assert.are.same({ "Did the participant sleep? [y/n] ", "y", "EMG or eye? [emg/visual] ", "no" }, talk)
    local kinds = {}
    for i, line in ipairs(lines) do
      kinds[i] = line.kind
      assert.are.equal("AB", line.who)
      assert.matches("^%d+%-%d+%-%d+T", line.at)
    end
    assert.are.equal("begin question answer question answer threshold override approval end sealed",
      table.concat(kinds, " "))
    -- the next one is the first session
    assert.are.equal(0, (run(real .. "--operator CD", "y\nemg\ny\nboth\n")))
    local names = shell.names(folder .. "/runs")
    local next_one = fixture.manifest(folder .. "/runs/" .. names[2])
    assert.are.same({ 0, 0 }, { next_one.safety.history.day, next_one.safety.history.sessions })
    local _, listed = shell.moonpulse(folder, ("runs --participant P07 --out %s/runs"):format(folder))
    assert.matches("\nin all +2 pulses in 1 session\n", listed)
    assert.matches("0 of 2 +%- .*not run: the preflight was not answered: way takes", listed)
  end)

  it("has a whole record, whatever was typed, and whatever the list is written in", function()
    shell.write(folder .. "/latin", "slept\tHat der Proband gepr\xfcft?\n")
    for i, answers in ipairs { "AB\\n\\033[A\\n", "AB\\n\\0y\\n", "AB\\ny\\n", "\\374b\\ny\\n",
      "AB\\n\\342\\200\\256y\\n" } do -- as printf writes them
      shell.remove(folder .. "/runs")
      local status = run("two.lua " .. PLAYED:gsub("list", "latin"), answers)
      assert.are.equal((i == 3 or i == 4) and 0 or 3, status, i)
      check_whole(fixture.run_in(folder .. "/runs"))
    end
  end)

  it("has a record that every reader knows to be of nothing given", function()
    assert.are.equal(3, (run("two.lua --operator AB " .. PLAYED, "y\nneither\n")))
    local path = fixture.run_in(folder .. "/runs")
    check_whole(path)
    local page = shell.read(path .. "/report.html")
    assert.matches("DECLINED before the first of 2 pulses: the preflight was not answered: way takes", page,
      1, true)
    assert.matches("EMG or eye?", page, 1, true)
    assert.matches("neither", page, 1, true)
    local said = shell.many(folder, { "methods " .. path, ("diff %s %s"):format(path, path),
      "recover " .. path, ("runs --json --out %s/runs"):format(folder),
      ("export bids %s --bids %s/set --sub 01"):format(path, folder),
      ("run %s/two.lua --rmt 50 --participant P07 --speed max --out %s/given"):format(folder, folder) })
    assert.matches("The stimulation was to be Two .*: nothing was given%.", (said[1].out:gsub("%s+", " ")))
    assert.matches("Of 2 planned pulses, none was sent", said[1].out, 1, true)
    assert.matches("SAME: 0 pulses given", said[2].out, 1, true)
    assert.matches("is not torn: its run ended (not run)", said[3].out .. said[3].err, 1, true)
    local listed = cjson.decode(said[4].out)
    assert.are.same({ "not run", 0, false, 0 }, { listed.runs[1].status, listed.runs[1].pulses_given,
      listed.runs[1].torn, #listed.torn })
    assert.is_nil(listed.runs[1].session)
    assert.are.equal(2, said[5].status)
    assert.matches("left out, as nothing was given: the preflight was not answered", said[5].err, 1, true)
    assert.matches("nothing was given in 1 run: there is nothing to export", said[5].err, 1, true)
    assert.is_nil(shell.read(folder .. "/set/README"))
    local status, out, err = shell.moonpulse(folder, ("export bids --json %s %s --bids %s/set --sub 01")
      :format(path, fixture.run_in(folder .. "/given"), folder))
    assert.are.equal(0, status, err)
    shell.write(folder .. "/export.json", out)
    local exported = cjson.decode(out)
    assert.are.same({ 1, 1, path }, { #exported.runs, #exported.left_out, exported.left_out[1].run })
    local judged, why = shell.sh(folder, ("python3 tests/helpers/check_schema.py docs/schemas/"
      .. "export.schema.json %s/export.json"):format(folder))
    assert.are.equal(0, judged, why)
    assert.are.equal(1, #shell.names(folder .. "/set/sourcedata/sub-01"))
  end)

  it("keeps what was answered, however it was no yes", function()
    for i, each in ipairs {
      { "--operator AB", "n\n", "declined", { "n" }, "was not confirmed: slept" },
      { "--operator AB", "\n", "declined", { "" }, "was not confirmed: slept" },
      { "--operator AB", "y\n\27[2J\t\xFF\n", "declined", { "y", "\\x1B[2J\\x09\\xFF" },
        "was not answered: way" },
      { "--operator AB", "y\n", "declined", { "y", "no answer" }, "was not answered (way)" },
      { "", "AB\nno\n", "declined", { "no" }, "was not confirmed: slept" },
      { "", "", "declined", {}, "needs the operator's code" },
      { "--operator AB --require p50=0.00001ms", "y\nemg\n", "refused", { "y", "emg" }, "falls short" },
    } do
      for _, file in ipairs { "two.lua", "asks.lua" } do
        local out = ("%s/%d%s"):format(folder, i, file)
        local options, answers, as, kept, why = table.unpack(each)
        local status, _, err = run(("%s %s "):format(file, options) .. PLAYED:gsub("%%s/runs", out), answers)
        assert.are.equal(3, status, err)
        assert.matches(why, err, 1, true)
        local path = fixture.run_in(out)
        if i == 3 then -- with bytes that are no text
          check_whole(path)
        end
        assert.are.same({}, assert(verify.folder(path, {})).differs)
        local manifest, had = fixture.manifest(path), {}
        for n, answer in ipairs(manifest.preflight) do
          had[n] = answer.answer
        end
        assert.are.same({ "not run", as, kept, 0 }, { manifest.status, manifest.result.status, had,
          manifest.result.pulses_sent })
        assert.matches(why, manifest.result.reason, 1, true)
        assert.are.equal(#kept > 0 and "AB" or nil, manifest.operator)
      end
    end
  end)

  it("ends as a stop where the questions are interrupted", function()
    assert.are.equal(0, (shell.sh(folder, "mkfifo " .. folder .. "/answers")))
    local job = jobs:start("run", ("run %s/two.lua --operator AB %s <%s/answers"):format(folder,
      PLAYED:gsub("%%s", folder), folder))
    local answers = io.open(folder .. "/answers", "w")
    answers:write("y\n")
    answers:flush()
    job:says "EMG or eye"
    job:signal "INT"
    answers:close() -- a signal before it reads ends nothing
    assert.are.equal(5, job:wait(), job:err())
    assert.matches("stopped by Ctrl-C (SIGINT) before arming; no pulse was sent", job:err(), 1, true)
    local path = fixture.run_in(folder .. "/runs")
    check_whole(path)
    local manifest, lines = fixture.manifest(path), journal_of(path)
    assert.are.same({ "not run", "stopped", "signal", "no answer" }, { manifest.status,
      manifest.result.status, manifest.result.stop, manifest.preflight[2].answer })
    assert.are.same({ "stop", "Ctrl-C (SIGINT)" }, { lines[#lines - 2].kind, lines[#lines - 2].source })
  end)

  it("cannot be turned into one who consented", function()
    assert.are.equal(3, (run("two.lua --operator AB " .. PLAYED, "y\nn\n")))
    local path = fixture.run_in(folder .. "/runs")
    for what, forge in pairs {
      ["preflight[2].answer is emg, and n in line 5"] = function(m) m.preflight[2].answer = "emg" end,
      ["result.status is refused, and declined"] = function(m) m.result.status = "refused" end,
    } do
      local forged = folder .. "/forged"
      shell.copy(path, forged)
      local manifest = fixture.manifest(forged)
      forge(manifest)
      shell.write(forged .. "/manifest.json", cjson.encode(manifest))
      fixture.seal(forged)
      local status, text = shell.moonpulse(folder, "verify " .. forged)
      assert.are.equal(1, status, text)
      assert.matches(what, text, 1, true)
      shell.remove(forged)
    end
  end)

  it("leaves none where nobody was asked, and says so where there is no place for one", function()
    shell.write(folder .. "/empty", "# nothing\n")
    local status, _, err = run("two.lua --operator AB " .. PLAYED:gsub("list", "empty"), "y\n")
    assert.are.equal(2, status)
    assert.matches("has no question", err, 1, true)
    assert.are.same({}, shell.names(folder .. "/runs"))
    shell.write(folder .. "/file", "")
    status, _, err = run("two.lua --operator AB " .. PLAYED:gsub("runs", "file"), "n\n")
    assert.are.equal(3, status)
    assert.matches("what was asked and answered is in no record: ", err, 1, true)
    assert.matches("the preflight was not confirmed: slept", err, 1, true)
    -- a file may have 2 KB
    status, _, err = shell.sh(folder, ("ulimit -f 4; printf n | %s run %s/two.lua --operator AB %s"):format(
      shell.quote(shell.program), folder, PLAYED:gsub("%%s", folder)))
    assert.are.equal(3, status)
    assert.matches("what was asked and answered is in no record: the disk did not take it", err, 1, true)
    assert.matches("the preflight was not confirmed: slept", err, 1, true)
    assert.is_nil(shell.read(fixture.run_in(folder .. "/runs") .. "/manifest.json"))
  end)
end)
