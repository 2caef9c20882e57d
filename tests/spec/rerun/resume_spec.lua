-- A run that broke off goes on with the first trial that had not begun: nothing is given twice, and what both
-- gave is what the plan has, but for the trial that broke off.
local cjson = require "cjson"
local clock = require "moonpulse.safety.clock"
local fixture = require "job"
local lfs = require "lfs"
local shell = require "shell"

local trials = [[
local mp = require "moonpulse"
return mp.protocol { id = "trials", name = "Trials", plan = function()
  local test = mp.pulse(mp.mso(60))
  local pair = mp.pair { isi = mp.ms(200), intensity = { mp.mso(40), mp.mso(60) } }
  return mp.trials { of = mp.shuffle { test:label "TS", test:label "TS", test:label "TS", test:label "TS",
    pair:label "SICI", pair:label "SICI", pair:label "SICI", pair:label "SICI" }, every = %s }
end }]]

describe("resume", function()
  local folder, jobs
  fixture.each_test(function(...) folder, jobs = ... end)

  local function write(every)
    shell.write(folder .. "/trials.lua", trials:format(every or "5"))
  end

  --- The one folder of a run under out that is not among those known.
  local function newest(known)
    for _, name in ipairs(shell.names(folder .. "/runs")) do
      if not known[name] then
        return folder .. "/runs/" .. name
      end
    end
  end

  --- A run that broke off: its folder.
  local function broken(at, more)
    write()
    local status, out, err = shell.moonpulse(folder, ("run %s/trials.lua --speed max --seed 5 --fault "
      .. "unplug@%d --timing host --out %s/runs %s"):format(folder, at, folder, more or ""))
    assert.are_not.equal(0, status)
    local run = fixture.run_in(folder .. "/runs")
    assert.matches("\nresume +moonpulse resume " .. run:gsub("%p", "%%%0") .. " goes on with the rest\n", out,
      nil, err)
    return run
  end

  local function resume(run, more)
    local known = {}
    for _, name in ipairs(shell.names(folder .. "/runs")) do
      known[name] = true
    end
    local status, out, err = shell.moonpulse(folder, ("resume %s --out %s/runs %s"):format(run, folder,
      more or ""))
    return status, out .. err, newest(known)
  end

  --- Condition and intensity of what was given: by the rows, and how many by the simulator.
  local function given(run)
    local list = {}
    for _, row in ipairs((fixture.pulse_rows(run))) do
      if row.status == "delivered" or row.status == "sent" or row.status == "perhaps_sent" then
        list[#list + 1] = row.trial_type .. " " .. row.intensity
      end
    end
    local _, at_simulator = shell.read(run .. "/twin.tsv"):gsub("\tpulse\t", "")
    return list, at_simulator
  end

  --- What the whole plan has, from events: the same two columns.
  local function planned()
    local status, out = shell.moonpulse(folder, ("events %s/trials.lua --seed 5"):format(folder))
    assert.are.equal(0, status)
    shell.write(folder .. "/planned.tsv", out)
    local list = {}
    for i, row in ipairs(shell.rows(folder .. "/planned.tsv")) do
      list[i] = { text = row.trial_type .. " " .. row.intensity, trial = row.trial }
    end
    return list
  end

  it("gives what had not begun, once, wherever the run broke off", function()
    for at = 2, 10, 4 do
      shell.remove(folder .. "/runs")
      local run = broken(at)
      local status, text, second = resume(run)
      assert.are.equal(0, status, text)
      local first, rest, all = given(run), given(second), planned()
      local begun = all[#first].trial
      local from
      for i, each in ipairs(all) do
        from = from or tonumber(each.trial) > tonumber(begun) and i or nil
        if i <= #first then
          assert.are.equal(each.text, first[i], i)
        end
      end
      assert.are.equal(#all - from + 1, #rest)
      for i, each in ipairs(rest) do
        assert.are.equal(all[from + i - 1].text, each, i)
      end
      assert.are.equal(#rest, select(2, given(second)))
      assert.matches(("\ngoes on +with trial %d: %d pulses"):format(begun + 1, #rest), text)
      assert.are.equal(from - 1 > #first, text:find("are not made up for", 1, true) ~= nil, text)
      local manifest = fixture.manifest(second)
      assert.are.same({ what = "trial", number = begun + 1, pulses_before = from - 1, pulses_planned = #all,
        left_out = from - 1 > #first and from - 1 - #first or nil, continues = run:match("[^/]+$") },
          manifest.begins_at)
      for _, command in ipairs { "verify " .. second, ("rerun %s --out %s/again"):format(second, folder) } do
        local ok, out, err = shell.moonpulse(folder, command)
        assert.are.equal(0, ok, out .. err)
      end
      local _, methods = shell.moonpulse(folder, "methods " .. second)
      local lost = from - 1 - #first
      assert.matches(("The run began with trial %d, behind %d of the plan's %d pulses%s; it continues %s.")
        :format(begun + 1, from - 1, #all, lost > 0 and (", the last %d of which %s not given"):format(lost,
        lost == 1 and "was" or "were") or "", run:match("[^/]+$")), methods:gsub("\n", " "), 1, true)
      assert.matches(("<dt>Began with</dt><dd>trial %d, behind"):format(begun + 1),
        shell.read(second .. "/report.html"), 1, true)
    end
  end)

  it("goes on with a run that goes on, and with none twice", function()
    local run = broken(3)
    local _, text, second = resume(run, "--device sim:magstim200 --device-option model=200")
    assert.is_nil(second, text) -- no pairs from one Magstim: refused, and nothing was given
    write()
    local status
    status, text, second = resume(run)
    assert.are.equal(0, status, text)
    status, text = resume(run)
    assert.are.equal(2, status)
    assert.matches(("was resumed already: %s goes on with it"):format(second), text, 1, true)
    status, text = resume(second)
    assert.are.equal(2, status)
    assert.matches("came to its end: there is nothing to go on with (moonpulse rerun does the same again)",
      text, 1, true)
  end)

  it("of a run that went on and broke off as well goes on with the whole plan", function()
    write "0.4"
    assert.are.equal(4, (shell.moonpulse(folder, ("run %s/trials.lua --speed max --seed 5 --fault unplug@3 "
      .. "--timing host --tolerance 5000 --out %s/runs"):format(folder, folder))))
    local first = fixture.run_in(folder .. "/runs")
    local job = jobs:start("on", ("resume %s --speed 1 --out %s/on"):format(first, folder))
    shell.await(function()
      local name = shell.names(folder .. "/on")[1]
      local twin = name and shell.read(("%s/on/%s/twin.tsv"):format(folder, name)) or ""
      return select(2, twin:gsub("\tpulse\t", "")) >= 2
    end, "two pulses")
    job:signal "INT"
    assert.are.equal(5, job:wait(), job:err())
    local second = fixture.run_in(folder .. "/on")
    local status, text, third = resume(second, "--speed max")
    assert.are.equal(0, status, text)
    local one, all = fixture.manifest(second).begins_at, planned()
    local other = fixture.manifest(third).begins_at
    assert.are.equal(12, other.pulses_planned)
    local sent = #given(second)
    assert.are.equal(one.pulses_before + sent + (other.left_out or 0), other.pulses_before)
    for i, each in ipairs(given(second)) do
      assert.are.equal(all[one.pulses_before + i].text, each, i)
    end
    for i, each in ipairs(given(third)) do
      assert.are.equal(all[other.pulses_before + i].text, each, i)
    end
    assert.are.equal(12, other.pulses_before + #given(third))
  end)

  it("in real time waits for the silence that the plan has there", function()
    shell.write(folder .. "/own.lua", [[local mp = require "moonpulse"
      return mp.protocol { id = "own", name = "Own", plan = function()
        return mp.pulse(mp.mso(40)):times(2, { every = 4 }) end }]])
    assert.are.equal(4, (shell.moonpulse(folder,
      ("run %s/own.lua --speed max --fault unplug@1 --tolerance 5000 "
      .. "--out %s/runs"):format(folder, folder))))
    local run = fixture.run_in(folder .. "/runs")
    local ended = clock.seconds_of(fixture.manifest(run).ended)
    local status, text, second = resume(run, "--speed 1")
    assert.are.equal(0, status, text)
    assert.matches("\nwaits +%d s: the plan has a silence of 4 s there\n", text)
    assert.is_true(clock.seconds_of(fixture.manifest(second).started) - ended >= 3.9)
  end)

  it("goes on after a kill, once recover wrote what was given", function()
    write "0.4"
    local job = jobs:start("run", ("run %s/trials.lua --seed 5 --tolerance 5000 --timing host --out %s/runs")
      :format(folder, folder))
    shell.await(function()
      local name = shell.names(folder .. "/runs")[1]
      local twin = name and shell.read(("%s/runs/%s/twin.tsv"):format(folder, name)) or ""
      return select(2, twin:gsub("\tpulse\t", "")) >= 3
    end, "three pulses")
    job:signal "KILL"
    job:wait()
    local run = fixture.run_in(folder .. "/runs")
    local status, text = resume(run)
    assert.are.equal(2, status)
    assert.matches("was killed: moonpulse recover ", text, 1, true)
    assert.are.equal(0, (shell.moonpulse(folder, "recover " .. run)))
    local second
    status, text, second = resume(run, "--speed max")
    assert.are.equal(0, status, text)
    local _, before = given(run)
    local _, after = given(second)
    local lost = tonumber(text:match("left out +(%d+) pulse") or 0)
    assert.are.equal(12, before + lost + after, text)
  end)

  it("of a run on a stimulator asks for its port and its questions again; both are one session", function()
    shell.write(folder .. "/own.lua", [[local mp = require "moonpulse"
      return mp.protocol { name = "Own", sessions = { per_day = 2, total = 6, gap_min = 3000 },
        plan = function() return mp.pulse(mp.mso(40)):times(8, { every = 0.5 }) end }]])
    shell.write(folder .. "/list", "ready\tIs all ready?\n")
    local function stimulator(name, more)
      local tty = folder .. "/" .. name
      jobs:start(name, ("sim magventure %s --link %s"):format(more, tty))
      shell.await(function() return lfs.symlinkattributes(tty, "mode") end, "the simulator's port")
      return tty
    end
    local who = "--real-pty --operator AB --out " .. folder .. "/runs"
    local status = shell.sh(folder, ("yes y | %s run %s/own.lua --device magventure "
      .. "--port %s --preflight %s/list --participant P07 --rmt 50 --tolerance 5000 %s"):format(
      shell.quote(shell.program), folder, stimulator("one", "--fault unplug@4"), folder, who))
    assert.are_not.equal(0, status)
    local run = fixture.run_in(folder .. "/runs")
    local text
    status, text = resume(run)
    assert.are.equal(2, status)
    assert.matches("the run was on a stimulator (magventure): give its port again with --port; nothing was "
      .. "armed", text, 1, true)
    local out, err
    status, out, err = shell.sh(folder, ("yes y | %s resume %s --port %s --preflight %s/list %s"):format(
      shell.quote(shell.program), run, stimulator("two", ""), folder, who))
    assert.are.equal(0, status, out .. err)
    assert.matches("\nnext +session 2 of 6, at the earliest [%d: -]+ %(wait 5[01] min more%)", out)
    local second = newest { [run:match("[^/]+$")] = true }
    local manifest = fixture.manifest(second)
    assert.are.same({ 1, "P07", "Is all ready?" }, { manifest.session.number, manifest.participant,
      manifest.preflight[1].question })
    local _, runs = shell.moonpulse(folder, ("runs --participant P07 --out %s/runs"):format(folder))
    assert.matches("in all +8 pulses in 1 session\n", runs)
    assert.matches("own +4 of 4 +1 of 6 ", runs)
  end)

  it("leaves it to the operator whether pulses that were perhaps given are given again", function()
    shell.write(folder .. "/trials.lua", [[local mp = require "moonpulse"
      return mp.protocol { id = "trains", name = "Trains", plan = function()
        return mp.train { pulses = 20, hz = 10, intensity = mp.mso(30) }:times(4, { gap = 26 }) end }]])
    local status = shell.moonpulse(folder, ("run %s/trials.lua --speed max --timing device --device "
      .. "sim:stimjim --device-option full_scale_ua=1000 --fault unplug@45 --out %s/runs"):format(folder,
      folder))
    assert.are.equal(4, status)
    local run = fixture.run_in(folder .. "/runs")
    local text, second
    status, text = resume(run, "--from-trial 2")
    assert.are.equal(2, status)
    assert.matches("--from-trial 2: of trials up to 2 pulses were given, and nothing is given twice", text, 1,
      true)
    status, text = resume(run, "--from-trial 9")
    assert.are.equal(2, status)
    assert.matches("there is no trial 9", text, 1, true)
    lfs.mkdir(folder .. "/copy")
    shell.copy(run, folder .. "/copy/" .. run:match("[^/]+$"))
    status, text, second = resume(run, "--from-trial 3")
    assert.are.equal(0, status, text)
    assert.are.same({ 3, 40 }, { fixture.manifest(second).begins_at.number, select(2, given(second)) })
    local out, err
    status, out, err = shell.moonpulse(folder, ("resume %s/copy/%s --out %s/others"):format(folder,
      run:match("[^/]+$"), folder))
    assert.are.equal(0, status, err)
    text = out
    assert.matches("with trial 4: 20 pulses; --from-trial 3 gives again those of which nobody knows", text, 1,
      true)
  end)

  it("is not over with a run that its operator declined, which nobody goes on with", function()
    local run = broken(6)
    shell.write(folder .. "/list", "ready\tIs all ready?\n")
    local function asked(answer, of)
      local status, out, err = shell.sh(folder, ("echo %s | %s resume %s --operator AB --preflight %s/list "
        .. "--out %s/runs"):format(answer, shell.quote(shell.program), of, folder, folder))
      return status, out .. err
    end
    local status, text = asked("n", run)
    assert.are.equal(3, status, text)
    local declined = newest { [run:match("[^/]+$")] = true } -- who was asked what stands in a record
    status, text = asked("y", declined)
    assert.are.equal(2, status, text)
    assert.matches("gave nothing: moonpulse resume the run that it was to go on with, "
      .. run:match("[^/]+$"), text,
      1, true)
    status, text = asked("y", run)
    assert.are.equal(0, status, text)
    assert.are.equal(3, #shell.names(folder .. "/runs"))
    for _, of in ipairs { declined, run } do
      status, text = asked("y", of)
      assert.are.equal(2, status, text)
    end
  end)

  it("is done once, at once and wherever the rest lies, whatever the protocol is called", function()
    shell.write(folder .. "/own.lua", [[local mp = require "moonpulse"
      return mp.protocol { id = "my größe", name = "Own", plan = function()
        return mp.pulse(mp.mso(40)):times(8, { every = 0.5 }) end }]])
    assert.are.equal(4, (shell.moonpulse(folder, ("run %s/own.lua --speed max --fault unplug@3 --out %s/runs")
      :format(folder, folder))))
    local run = fixture.run_in(folder .. "/runs")
    local commands, given_by = {}, 0
    for i = 1, 4 do
      commands[i] = ("TZ=%s %s resume '%s' --out %s/out%d"):format(i % 2 == 0 and "UTC"
        or "Pacific/Kiritimati",
        shell.quote(shell.program), run, folder, i)
    end
    for i, result in ipairs(shell.together(folder, commands)) do
      assert.is_true(result.status == 0 or result.status == 2, result.err)
      for _, name in ipairs(shell.names(("%s/out%d"):format(folder, i))) do
        local _, count = (shell.read(("%s/out%d/%s/twin.tsv"):format(folder, i, name))
          or ""):gsub("\tpulse\t", "")
        given_by = given_by + count
      end
    end
    assert.are.equal(5, given_by)
    local status, text = resume(run)
    assert.are.equal(2, status)
    assert.matches("was resumed already", text, 1, true)
    assert.are.equal(0, (shell.moonpulse(folder, ("verify '%s'"):format(run))))
  end)

  it("goes by the whole record: not where a part of it is edited, or lost", function()
    local run = broken(10)
    local function spoilt(change)
      local copy = folder .. "/copy/" .. run:match("[^/]+$")
      shell.remove(folder .. "/copy")
      lfs.mkdir(folder .. "/copy")
      shell.copy(run, copy)
      change(copy)
      local status, text = resume(copy)
      assert.are.equal(2, status, text)
      assert.is_nil(text:find("goes on", 1, true), text)
      return text
    end
    assert.matches("is not as the run left it", spoilt(function(copy)
      shell.write(copy .. "/events.tsv", (shell.read(copy .. "/events.tsv"):gsub("[^\n]*\n[^\n]*\n$", "")))
    end), 1, true)
    assert.matches("nobody knows how much", spoilt(function(copy)
      local manifest = cjson.decode(shell.read(copy .. "/manifest.json"))
      manifest.result.pulses_unknown, manifest.result.flight_lost = 3, true
      shell.write(copy .. "/manifest.json", cjson.encode(manifest))
      fixture.seal(copy)
    end):gsub(".*not as the run left it.*", "nobody knows how much"), 1, true)
  end)

  it("stays with its participant, and with its simulator or its stimulator", function()
    local run = broken(6)
    for more, words in pairs {
      ["--participant P08"] = "the run was of nobody who was named: what is left of it is for nobody else",
      ["--port " .. folder .. "/tty"] = "the run was on the simulator, and nobody had its pulses",
      ["--device magventure"] = "the run was on the simulator, and nobody had its pulses",
      ["--real-pty"] = "leave out --real-pty",
      ["--continues x"] = "unknown option '--continues'",
    } do
      local status, text = resume(run, more)
      assert.are.equal(2, status, more)
      assert.matches(words, text, 1, true)
    end
    local status, text, second = resume(run, "--tolerance 20 --late skip")
    assert.are.equal(0, status, text)
    local journal = shell.read(second .. "/journal.jsonl")
    assert.matches('"tolerance_ms":20', journal, 1, true)
    assert.matches('"late":"skip"', journal, 1, true)
  end)

  it("is done once also where the folder has another name, or another way to it", function()
    local run = broken(6)
    local named = run:match("[^/]+$")
    assert.are.equal(0, (shell.moonpulse(folder, ("resume %s/. --out %s/out"):format(run, folder))))
    local second = fixture.run_in(folder .. "/out")
    assert.are.equal(named, fixture.manifest(second).begins_at.continues)
    assert(lfs.link(run, folder .. "/link", true))
    assert(os.rename(run, folder .. "/runs/renamed"))
    for _, way in ipairs { folder .. "/runs/renamed", folder .. "/runs/renamed/." } do
      local status, text = resume(way)
      assert.are.equal(2, status, text)
      assert.matches("was resumed already", text, 1, true)
    end
    assert(os.rename(folder .. "/runs/renamed", run))
    assert.are.equal(2, (resume(folder .. "/link")))
  end)

  it("says what is wrong with an option in one line", function()
    local run = broken(6)
    for _, option in ipairs { "--speed abc", "--rmt nan", "--stop-line foo", "--trigger x" } do
      for _, command in ipairs { "resume", "rerun" } do
        local status, out, err = shell.moonpulse(folder, ("%s %s %s"):format(command, run, option))
        assert.are.equal(2, status, out)
        assert.matches("^moonpulse: [^\n]+\n$", (err:gsub("moonpulse: note:[^\n]*\n", "")))
        assert.is_nil(err:find("os.exit", 1, true), err)
      end
    end
  end)

  it("of a run of a course is of the course", function()
    shell.write(folder .. "/own.lua", [[local mp = require "moonpulse"
      return mp.protocol { name = "Own", sessions = { per_day = 2, total = 6 },
        plan = function() return mp.pulse(mp.mso(40)):times(8, { every = 0.5 }) end }]])
    shell.write(folder .. "/course.lua", [[local mp = require "moonpulse"
      return mp.course { name = "Daily", protocol = "own.lua", phases = { { per_day = 1, days = 14 } } }]])
    local status, _, err = shell.moonpulse(folder, ("run %s/course.lua --participant P07 --speed max "
      .. "--fault unplug@3 --out %s/runs"):format(folder, folder))
    assert.are.equal(4, status, err)
    local run = fixture.run_in(folder .. "/runs")
    local text, second
    status, text, second = resume(run)
    assert.are.equal(0, status, text)
    for _, each in ipairs { run, second } do
      local session = fixture.manifest(each).session
      assert.are.same({ "Daily", 14 }, { session.course.name, session.of })
    end
    assert.are.same({ 5, 0 }, { select(2, given(second)), (shell.moonpulse(folder, "verify " .. second)) })
  end)

  it("refuses what cannot go on, and says what to do", function()
    local run = broken(6)
    local path = run .. "/sources/trials.lua"
    local text = shell.read(path)
    shell.write(path, (text:gsub("60", "61")))
    local status, said = resume(run)
    assert.are.equal(2, status)
    assert.matches("the folder is not as the run left it (", said, 1, true)
    shell.write(path, text)
    shell.write(folder .. "/asks.lua", 'local mp = require "moonpulse"\nreturn mp.experiment { name = "A", '
      .. "run = function(run) run:device():arm() run:device():fire(mp.pulse(mp.mso(40))) error 'x' end }\n")
    for command, words in pairs {
      ["run %s/asks.lua --from-trial 2"] = "is an experiment, which decides as it goes: --from-trial",
      ["show %s/trials.lua --from-trial 9"] = "--from-trial 9: the plan has 8 trials: there is no trial 9",
      ["check %s/trials.lua --from-trial 2 --from-block 1"] = "a plan begins once; leave one of them out",
      ["events %s/trials.lua --from-block 0"] = '"0" is no number of a trial or block: 1, 2 ...',
    } do
      local code, _, err = shell.moonpulse(folder, command:format(folder))
      assert.are.equal(2, code, command)
      assert.matches(words, err, 1, true)
    end
  end)

  it("tells programs what it gave", function()
    local run = broken(6)
    local status, out, err = shell.moonpulse(folder, ("resume %s --out %s/runs --json"):format(run, folder))
    assert.are.equal(0, status, err)
    local data = cjson.decode(out)
    assert.are.equal("moonpulse run", data.what)
    assert.are.equal("completed", data.status)
  end)
end)
