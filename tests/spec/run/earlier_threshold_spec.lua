--- The threshold that an earlier run of the participant found, taken by the next one: which one, where it is
--- said, and which ones are not taken.
local author = require "author"
local cjson = require "cjson"
local core = require "moonpulse.core"
local fixture = require "job"
local resealed = require "resealed"
local shell = require "shell"

local twenty = ("y\nn\n"):rep(9) .. "y\nn\n"
local kept -- a hunt, and another one that found something else
local kept_facts

--- Hunt for a threshold in folder/runs.
local function hunt(folder, more, answers)
  shell.write(folder .. "/answers", answers or twenty)
  local had = {}
  for _, name in ipairs(core.run_states(folder .. "/runs") or {}) do
    had[name] = true
  end
  local status, _, err = shell.moonpulse(folder, ("run scripts/threshold_hunt.lua --speed max "
    .. "--participant P07 --answers %s/answers --out %s/runs %s"):format(folder, folder,
    more ~= "" and more or "-p kind=RMT --seed 3"))
  for _, name in ipairs(core.run_states(folder .. "/runs")) do
    if not had[name] then
      return folder .. "/runs/" .. name, status, err
    end
  end
end

setup(function()
  kept = shell.folder()
  kept_facts = {}
  for i, more in ipairs { "", "-p start=60 -p kind=RMT --seed 4", "-p start=40 -p kind=AMT" } do
    local run = hunt(kept, more, i == 2 and ("n\ny\n"):rep(10) or i == 3 and ("n\nn\ny\ny\n"):rep(5) or nil)
    kept_facts[i] = { name = run:match "[^/]+$", found = fixture.manifest(run).thresholds.found[1] }
  end
end)
teardown(function() shell.remove(kept) end)

describe("a threshold that an earlier run found", function()
  local folder
  fixture.each_test(function(of) folder = of end)

  --- Hunts that ran before, as if in this place; the i-th so many days ago.
  local function before(...)
    os.execute("mkdir -p " .. folder .. "/runs")
    local made = {}
    for i, which in ipairs { ... } do
      local run = folder .. "/runs/" .. kept_facts[which].name
      shell.copy(kept .. "/runs/" .. kept_facts[which].name, run)
      made[i] = run
    end
    return table.unpack(made)
  end

  --- Edit a manifest; all that is sealed then says the same, unless somebody knows less of it.
  local function change(run, edit, unsealed, journal)
    local function edited(text)
      local manifest = cjson.decode(text)
      edit(manifest)
      return cjson.encode(manifest)
    end
    if unsealed then
      shell.write(run .. "/manifest.json", edited(shell.read(run .. "/manifest.json")))
    else
      resealed.edit(run, journal, { ["manifest.json"] = edited }, true)
    end
  end

  --- As somebody edits a manifest who only knows of SHA256SUMS.
  local function change_and_list(run, edit)
    change(run, edit, true)
    local _, sum = shell.sh(folder, ("cd %s && sha256sum manifest.json"):format(shell.quote(run)))
    local list, count = shell.read(run .. "/SHA256SUMS"):gsub("%x+  manifest%.json\n", sum)
    assert.are.equal(1, count)
    shell.write(run .. "/SHA256SUMS", list)
  end

  --- As if it had been some days ago: in the manifest and in the journal's first line.
  local function age(run, days)
    local at = os.date("!%Y-%m-%dT%H:%M:%SZ", os.time() - days * 86400)
    change(run, function(manifest) manifest.started = at end, false, function(entries)
      entries[1].at = at
    end)
    return os.date("%Y-%m-%d", os.time() - days * 86400)
  end

  local function perform(more, id)
    local status, out, err = shell.moonpulse(folder, ("run %s %s"):format(id or "hf10_neurostar",
      shell.options(more, ("--speed max --participant P07 --out %s/runs"):format(folder))))
    local made
    for _, name in ipairs(core.run_states(folder .. "/runs") or {}) do
      made = name:find((id or "hf10_neurostar"):match "[%w_]+") and not name:find "hunt" and name or made
    end
    return status, out, err, made and folder .. "/runs/" .. made
  end

  local function refuses(more, ...)
    local status, _, err = perform(more)
    assert.are.equal(2, status, err)
    for _, text in ipairs { ... } do
      assert.matches(text, err, 1, true)
    end
    return err
  end

  --- A run of some hunts for the RMT; how each is answered: Lua that gives "even", "odd" or "none".
  local function hunts(how, count)
    local _, _, err, run = author.perform(folder, "local stim = run:device()", ([[
    for each = 1, %d do
      stim:arm()
      local yes = %s
      local hunt = run:threshold { method = "ml-pest", start = 20 + 20 * each, trials = 9, kind = "RMT" }
      for trial, intensity in hunt do
        run:sleep(6)
        stim:fire(mp.pulse { intensity = mp.mso(intensity) })
        trial:answer(yes ~= "none" and trial.number %% 2 == (yes == "odd" and 1 or 0))
      end
      stim:disarm()
    end]]):format(count, how), "--participant P07")
    return assert(run, err), fixture.manifest(run)
  end

  it("is named by the error of a run that needs it, with its day and the option that takes it", function()
    local day = age(before(1), 2)
    local value = kept_facts[1].found.value
    assert.is_true(value > 1 and value < 100)
    refuses("", "120 %RMT needs", "--rmt N", ("or --rmt last: RMT %.10g %%MSO, found on %s (ML-PEST from 50, "
      .. "20 trials; run %s), 2 days ago"):format(value, day, kept_facts[1].name))
    local status, _, err = perform("--amt 40", "itbs600") -- needs none
    assert.are.equal(0, status)
    assert.not_matches("ML-PEST", err)
  end)

  it("is taken by --rmt last, and the record says which one it was", function()
    local day = age(before(1), 1)
    local status, _, err, run = perform "--rmt last --seed 5"
    assert.are.equal(0, status, err)
    assert.matches("takes RMT", err, 1, true)
    assert.matches("1 day ago", err, 1, true)
    local value, set = kept_facts[1].found.value, nil
    for _, row in ipairs(shell.rows(run .. "/twin.tsv")) do
      set = row.event == "pulse" and tonumber(row.intensity) or set
    end
    assert.are.equal(math.floor(1.2 * value + 0.5), set) -- what the simulator was set to
    assert.are.same({ value = value, unit = "%MSO", how = "ML-PEST from 50, 20 trials", date = day,
      source = "earlier run", run = kept_facts[1].name }, fixture.manifest(run).thresholds.rmt)
    local told
    for line in io.lines(run .. "/journal.jsonl") do
      local entry = cjson.decode(line)
      told = entry.kind == "threshold" and entry or told
    end
    assert.are.same({ value, "--rmt last", kept_facts[1].name, day }, { told.new, told.why, told.run,
      told.date })
    local _, words = shell.moonpulse(folder, "methods " .. run)
    local flat = words:gsub("%s+", " ")
    assert.matches(("The resting motor threshold was %g %%MSO (ML-PEST from 50, 20 trials), measured on %d ")
      :format(value, day:sub(9)), flat, 1, true)
    local verified = shell.moonpulse(folder, "verify " .. run)
    assert.are.equal(0, verified)
  end)

  it("is what a rerun takes from the record, without the earlier runs, and a rest that is resumed", function()
    before(1)
    local _, _, _, run = perform "--rmt last --seed 5 --fault drop@100"
    shell.remove(folder .. "/runs/" .. kept_facts[1].name)
    local _, _, err = shell.moonpulse(folder, ("rerun %s --out %s/again"):format(run, folder))
    local again = folder .. "/again/" .. core.run_states(folder .. "/again")[1]
    assert.are.same(fixture.manifest(run).thresholds, fixture.manifest(again).thresholds, err)
    assert.are.equal("earlier run", fixture.manifest(again).thresholds.rmt.source)
    shell.moonpulse(folder, ("resume %s --out %s/rest"):format(run, folder))
    local rest = folder .. "/rest/" .. core.run_states(folder .. "/rest")[1]
    assert.are.same(fixture.manifest(run).thresholds, fixture.manifest(rest).thresholds)
    shell.moonpulse(folder, ("rerun %s --rmt 40 --out %s/other"):format(run, folder))
    local other = folder .. "/other/" .. core.run_states(folder .. "/other")[1]
    assert.are.same({ value = 40, unit = "%MSO", source = "operator" },
      fixture.manifest(other).thresholds.rmt)
  end)

  it("is offered on a terminal, and taken by yes alone", function()
    before(1)
    local command = ("%s run hf10_neurostar --participant P07 --speed max --out %s/runs"):format(
      shell.program, folder)
    local function answer(text)
      return shell.sh(folder, ("printf '%s\\n' | TERM=xterm script -qec %s /dev/null"):format(text,
        shell.quote(command)))
    end
    local status, out = answer "n"
    assert.are.equal(2, status)
    assert.matches("RMT [%d.]+ %%MSO, found on .-, today; use it%? %[y/N%]", out)
    assert.are.equal(2, (answer ""))
    status, out = answer "y"
    assert.are.equal(0, status, out)
    local names = core.run_states(folder .. "/runs")
    table.sort(names)
    local manifest = fixture.manifest(folder .. "/runs/" .. names[#names])
    assert.are.equal(kept_facts[1].name, manifest.thresholds.rmt.run)
  end)

  it("is the newest of its kind, for a script as well", function()
    local first, second = before(1, 2, 3)
    age(first, 1)
    age(second, 3)
    local one, two, amt = kept_facts[1].found.value, kept_facts[2].found.value, kept_facts[3].found.value
    assert.is_true(one ~= two and one ~= amt and two ~= amt)
    local text = "local stim = run:device()"
    local body = "stim:arm()\nstim:fire(mp.pulse { intensity = mp.%s(100) })\nstim:disarm()"
    local status, _, err = author.perform(folder, text, body:format "rmt", "--participant P07")
    assert.are.equal(2, status)
    assert.matches(("or --rmt last: RMT %.10g %%MSO"):format(one), err, 1, true)
    local _, _, why, run = author.perform(folder, text, body:format "amt",
      "--participant P07 --amt last --rmt last")
    assert.is_table(run and fixture.manifest(run), why)
    local manifest = fixture.manifest(run)
    assert.are.same({ one, amt }, { manifest.thresholds.rmt.value, manifest.thresholds.amt.value })
    age(first, 5)
    _, _, _, run = author.perform(folder, text, body:format "rmt", "--participant P07 --rmt last")
    assert.are.equal(two, fixture.manifest(run).thresholds.rmt.value)
  end)

  it("is offered to the operator alone: no record has it, which is made again without that run", function()
    before(1)
    local offer = ("--rmt last takes RMT %.10g"):format(kept_facts[1].found.value)
    local function again(run, in_real_time)
      for _, name in ipairs { "journal.jsonl", "events.tsv", "manifest.json" } do
        local text = shell.read(run .. "/" .. name)
        assert.is_nil(text:find("ML-PEST", 1, true) or text:find("rmt last", 1, true), text)
        local says = text:find("needs the participant's resting", 1, true) ~= nil
        assert.is_true(says or name == "manifest.json")
      end
      local status, said = shell.moonpulse(folder, "verify " .. run)
      assert.are.equal(0, status, said)
      shell.remove(folder .. "/apart")
      os.rename(folder .. "/runs/" .. kept_facts[1].name, folder .. "/apart")
      status, said = shell.moonpulse(folder, ("rerun %s --out %s/again"):format(run, folder))
      os.rename(folder .. "/apart", folder .. "/runs/" .. kept_facts[1].name)
      assert.are.equal(0, status, said)
      assert.is_true(in_real_time or said:find("events.tsv  the same bytes", 1, true) ~= nil, said)
    end
    shell.write(folder .. "/lines", "stim:arm()\nstim:fire(mp.pulse(mp.rmt(110)))\n"
      .. "ok, why = pcall(stim.fire, stim, mp.pulse(mp.rmt(90)))\nrun:note(tostring(why))\n")
    local status, out, err = shell.moonpulse(folder, ("repl --speed max --participant P07 --answers %s/lines "
      .. "--out %s/runs"):format(folder, folder))
    assert.are.equal(0, status, out .. err)
    assert.matches(offer, err, 1, true)
    for _, name in ipairs(core.run_states(folder .. "/runs")) do
      local _ = name:find "repl" and again(folder .. "/runs/" .. name)
    end
    for _, body in ipairs { "stim:arm()\nstim:fire(mp.pulse(mp.rmt(110)))",
      "run:recruitment { of = 'RMT', from = 90, to = 140, step = 10 }" } do
      local run
      status, _, err, run = author.perform(folder, "local stim = run:device()", body, "--participant P07")
      assert.are.equal(2, status, err)
      assert.matches(("add --rmt N (in %%MSO); or --rmt last: RMT %.10g"):format(kept_facts[1].found.value),
        err, 1, true)
      again(run)
      status, _, _, run = author.perform(folder, "local stim = run:device()", body,
        "--participant P07 --speed 1")
      assert.are.equal(2, status)
      again(run, true)
    end
  end)

  it("is not taken from a record that was changed, that has no seal or that another one wrote", function()
    local run = before(1)
    change(run, function(manifest) manifest.thresholds.found[1].value = 33 end, true)
    refuses("--rmt last", "is not offered", "changed after it was sealed", "manifest.json")
    change(run, function() end) -- sealed again: the journal still knows better
    refuses("--rmt last", "is not offered", "its journal tells of another threshold")
    shell.remove(run)
    run = before(1)
    os.remove(run .. "/SHA256SUMS")
    refuses("--rmt last", "is not offered", "seal")
    refuses("", "is not offered")
    shell.remove(run)
    before(1)
    refuses("--rmt last --participant P08", "no earlier run of P08 found one")
    local status, _, err = shell.moonpulse(folder,
      "run hf10_neurostar --rmt last --speed max --out " .. folder)
    assert.are.equal(2, status)
    assert.matches("whose? name the participant", err, 1, true)
  end)

  it("is not taken from a hunt that broke off, found nothing or several, or has no kind", function()
    local run, status = hunt(folder, "", "y\nn\ny\n")
    assert.are_not.equal(0, status)
    refuses("--rmt last", run:match "[^/]+$", "offers no RMT: it found no threshold: the "
      .. "run ended before it did")
    hunt(folder, "", ("n\n"):rep(20))
    refuses("--rmt last", "it found no threshold up to 100 %MSO")
    age(before(1), 3)
    local _, _, err = perform "--rmt last" -- an older one, and what it passes over
    assert.matches("offers no RMT", err, 1, true)
    assert.matches("3 days ago", err, 1, true)
    shell.remove(folder .. "/runs")
    hunt(folder, "-p kind=unsaid")
    refuses("--rmt last", "does not say whether it is RMT or AMT")
    shell.remove(folder .. "/runs")
    hunts("each > 1 and 'odd' or 'even'", 2)
    refuses("--rmt last", "it found several")
  end)

  it("is not taken where a later hunt of its run did not find it again", function()
    local _, manifest = hunts("each > 1 and 'none' or 'even'", 2)
    local found = manifest.thresholds.found
    assert.are.equal(1, #found)
    refuses("--rmt last", ("it found %.4g %%MSO, and after that no threshold up to 100 %%MSO"):format(
      found[1].value))
    local _, listed = shell.moonpulse(folder, "runs --participant P07 --out " .. folder .. "/runs")
    assert.matches("and after that no threshold up to 100 %MSO", listed, 1, true)
    shell.remove(folder .. "/runs")
    hunts("each > 1 and (each > 2 and error 'over' or 'none') or 'even'", 3)
    refuses("--rmt last", "and after that no threshold up to 100 %MSO")
    shell.remove(folder .. "/runs")
    hunts([[each > 1 and run:threshold { method = "ml-pest", start = 50, trials = 9, kind = "RMT" }()
      and error 'over' or 'even']], 2)
    refuses("--rmt last", "and after that no threshold: the run ended before it did")
    shell.remove(folder .. "/runs")
    _, manifest = hunts("each > 1 and 'even' or 'none'", 2) -- it was found at last
    local _, _, err = perform "--rmt last"
    assert.matches(("takes RMT %.10g"):format(manifest.thresholds.found[1].value), err, 1, true)
  end)

  it("is not taken from a record that somebody edited and sealed again", function()
    local function first_alone(manifest)
      table.remove(manifest.thresholds.found)
      table.remove(manifest.experiment.thresholds)
    end
    change_and_list(hunts("each > 1 and 'odd' or 'even'", 2), first_alone)
    refuses("--rmt last", "is not offered: manifest.json: its journal tells otherwise")
    shell.remove(folder .. "/runs")
    change(hunts("each > 1 and 'odd' or 'even'", 2), function(manifest)
      table.remove(manifest.thresholds.found)
    end)
    refuses("--rmt last", "is not offered: its journal tells of more hunts than its manifest")
    shell.remove(folder .. "/runs")
    change(hunts("each > 1 and 'none' or 'even'", 2), function(manifest)
      table.remove(manifest.experiment.thresholds)
    end)
    refuses("--rmt last", "its journal tells of more hunts than its manifest")
    shell.remove(folder .. "/runs")
    change_and_list(before(1), function(manifest) manifest.device.serial = "4711" end)
    refuses("--rmt last", "is not offered: manifest.json: its journal tells otherwise")
    shell.remove(folder .. "/runs")
    local run = before(1)
    shell.write(run .. "/mine.txt", "a file of one's own beside it")
    assert.are.equal(0, (perform("--rmt last", "lf1_m1_600")))
  end)

  it("is not taken for another stimulator, coil or muscle, nor by a person from a simulator", function()
    local run = before(1)
    refuses("--rmt last --device sim:rapid", "on another stimulator (magventure, and now rapid)")
    change(run, function(manifest)
      manifest.device.coil = { value = "C-B60", source = "operator" }
      manifest.meta = { muscle = "right FDI" }
    end)
    refuses("--rmt last --coil MCF-B65", "with another coil (C-B60, and now MCF-B65)")
    shell.write(folder .. "/meta.json", '{ "muscle": "left FDI" }')
    refuses("--rmt last --meta " .. folder .. "/meta.json", "of right FDI, and this is for left FDI")
    refuses("--rmt last --threshold foot", "this needs the threshold of foot")
    local status, _, err = perform "--rmt last --coil c-b60"
    assert.are.equal(0, status, err)
    local function checked(device)
      return shell.moonpulse(folder, ("check lf1_m1_600 --rmt last --participant P07 --out %s/runs "
        .. "--device %s"):format(folder, device))
    end
    status, _, err = checked "magventure"
    assert.are.equal(2, status)
    assert.matches("on a simulator, and this is a stimulator", err, 1, true)
    assert.are.equal(0, (checked "sim"))
    change(run, function(manifest) manifest.device.simulated, manifest.device.own_simulator = false, nil end,
      false, function(entries) entries[1].device.simulated = false end)
    refuses("--rmt last", "on a stimulator, and this is a simulator")
    assert.are.equal(0, (checked "magventure"))
  end)

  it("is refused before anything is armed where the stimulator says that it is another one", function()
    change(before(1), function(manifest) manifest.device.serial = "4711" end)
    local value = kept_facts[1].found.value
    local err = refuses("--rmt last", "another stimulator: serial number (4711, and now 66051)",
      ("--rmt %.10g takes the number"):format(value))
    assert.matches("nothing was armed", err, 1, true)
    local status = perform("--rmt " .. value)
    assert.are.equal(0, status)
  end)

  it("of many digits is taken as it was said when it was found, and is offered", function()
    local run = hunt(folder, "-p method=amplitude -p kind=RMT --seed 3", ("20\n70\n900\n"):rep(7))
    local found = fixture.manifest(run).thresholds.found[1].value
    assert.are_not.equal(("%.10g"):format(found), ("%.15g"):format(found)) -- it has more than ten
    local status, _, err, made = perform("--rmt last --seed 5", "lf1_m1_600")
    assert.are.equal(0, status, err)
    assert.are.equal(tonumber(("%.4g"):format(found)), fixture.manifest(made).thresholds.rmt.value)
    assert.are.equal(("%.4g"):format(found), shell.read(run .. "/events.tsv"):match "(%d+%.%d+) %%MSO, 95")
    assert.are.equal(0, (shell.moonpulse(folder, "verify " .. made)))
    local same = shell.moonpulse(folder, ("rerun %s --out %s/again"):format(made, folder))
    assert.are.equal(0, same)
  end)

  it("is listed by runs, with its day, and why it is not offered", function()
    local first, second = before(1, 2)
    local day = age(first, 1)
    age(second, 4)
    local _, out = shell.moonpulse(folder, "runs --participant p07 --out " .. folder .. "/runs")
    assert.matches(("RMT         %.10g %%MSO, simulated, %s, run %s (ML-PEST from 50, 20 trials)\n"):format(
      kept_facts[1].found.value, day, kept_facts[1].name), out, 1, true)
    change(second, function(manifest) manifest.thresholds.found[1].value = 33 end, true)
    local _, text = shell.moonpulse(folder, "runs --json --participant P07 --out " .. folder .. "/runs")
    local found = cjson.decode(text).participant.thresholds
    assert.are.same({ kept_facts[1].found.value, day, kept_facts[1].name, true }, { found[1].value,
      found[1].date, found[1].run, found[1].simulated })
    assert.matches("changed after it was sealed", found[2].why, 1, true)
    shell.write(folder .. "/runs.json", text)
    local judged, _, err = shell.sh(folder, ("python3 tests/helpers/check_schema.py "
      .. "docs/schemas/runs.schema.json %s/runs.json"):format(folder))
    assert.are.equal(0, judged, err)
  end)
end)
