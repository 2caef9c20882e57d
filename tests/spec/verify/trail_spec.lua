-- The audit trail: what an operator does with a run is in its journal, with time, who, old and new value and
-- why.
local cjson = require "cjson"
local core = require "moonpulse.core"
local clocks = require "moonpulse.record.clocks"
local fixture = require "job"
local resealed = require "resealed"
local shell = require "shell"
local verify = require "moonpulse.verify"

local folder

before_each(function() folder = shell.folder() end)
after_each(function() shell.remove(folder) end)

--- The lines of a run's journal, and those of each kind.
local function trail(run)
  local lines, of = {}, {}
  for text in shell.read(run .. "/journal.jsonl"):gmatch("[^\n]+") do
    local line = cjson.decode(text)
    lines[#lines + 1] = line
    of[line.kind] = of[line.kind] or {}
    table.insert(of[line.kind], line)
  end
  return lines, of
end

local function play(arguments, input)
  local status, out, err = shell.sh(folder, ("printf %%s %s | %s run %s --out %s/runs"):format(
    shell.quote(input or ""), shell.quote(shell.program), arguments, folder))
  return fixture.run_in(folder .. "/runs"), status, out, err
end

local function kinds(lines)
  local list = {}
  for i, line in ipairs(lines) do
    list[i] = line.kind
  end
  return table.concat(list, " ")
end

describe("the journal of a protocol's run", function()
  local made = [[local mp = require "moonpulse"
    return mp.protocol { id = "made", name = "Made", plan = function()
      return mp.train { pulses = 20, hz = 10, intensity = mp.rmt(110) } end }]]

  it("has what the operator gave and answered, and what was armed and left", function()
    shell.write(folder .. "/made.lua", made)
    shell.write(folder .. "/list", "slept\tDid the participant sleep?\neye\tWhich eye?\tleft|right\n")
    local run, status, _, err = play(folder .. "/made.lua --seed 5 --speed max --rmt 40 --operator AB "
      .. "--preflight " .. folder .. "/list --beyond-guidelines 'a reason' --approval 'EK 7'", "y\nleft\n")
    assert.are.equal(0, status, err)
    local lines, of = trail(run)
    assert.are.equal("begin question answer question answer threshold override approval arm play disarm end "
      .. "sealed", kinds(lines))
    for _, line in ipairs(lines) do
      assert.are.equal("AB", line.who)
      -- nothing in virtual time is done at any time of a wall clock, but that it is sealed
      assert.are.equal(line.kind == "sealed", line.at ~= nil)
      assert.matches("^%-?%d+$", line.at_ns)
    end
    assert.matches("Which eye? [left/right]", of.question[2].text, 1, true)
    assert.are.equal("left", of.answer[2].answer)
    assert.are.same({ "RMT", 40, "given" }, { of.threshold[1].name, of.threshold[1].new,
      of.threshold[1].how })
    assert.are.same({ "a reason", "EK 7" }, { of.override[1].why, of.approval[1].ref })
    assert.are.same({ "disarmed", "armed", "armed", "disarmed" }, { of.arm[1].old, of.arm[1].new,
      of.disarm[1].old, of.disarm[1].new })
    assert.are.same({ "completed", 20 }, { of["end"][1].status, of["end"][1].sent })
  end)

  it("names what stopped it, and when", function()
    shell.write(folder .. "/made.lua", (made:gsub("pulses = 20", "pulses = 400")))
    local job = shell.start(folder, "stopped", ("run %s/made.lua --rmt 40 --tolerance 1000 --operator AB "
      .. "--beyond-guidelines test --approval none --out %s/runs"):format(folder, folder))
    local path = shell.await(function()
      local names = shell.names(folder .. "/runs")
      local run = names[1] and folder .. "/runs/" .. names[1]
      return run and (shell.read(run .. "/twin.tsv") or ""):find("\tpulse\t", 1, true) and run
    end, "the first pulse")
    job:signal "INT"
    assert.are.equal(5, job:wait())
    local lines, of = trail(path)
    for _, line in ipairs(lines) do
      assert.matches("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%d%d%d%d[+-]%d%d:%d%d$", line.at)
    end
    assert.are.same({ "signal", "Ctrl-C (SIGINT)" }, { of.stop[1].reason, of.stop[1].source })
    assert.is_true(tonumber(of.stop[1].at_ns) <= tonumber(of.disarm[1].at_ns))
    assert.are.equal("stopped", of["end"][1].status)
    local found = assert(verify.folder(path, {}))
    assert.are.same({}, found.differs)
  end)

  it("has what else the device said when it was left", function()
    assert.are.equal(0, (shell.sh(folder, ("cd %s && %s new driver mybox"):format(folder,
      shell.absolute))))
    local driver, count = shell.read(folder .. "/mybox.lua"):gsub("(function M.disarm%(io%).-\n)end\n",
      '%1  return "pulse 3 was left out"\nend\n')
    assert.are.equal(1, count)
    shell.write(folder .. "/mybox.lua", driver)
    shell.write(folder .. "/three.lua", [[local mp = require "moonpulse"
      return mp.protocol { id = "three", name = "Three", plan = function()
        return mp.pulse(mp.mso(30)):times(3, { every = 6 }) end }]])
    local run, status, _, err = play(("%s/three.lua --speed max --device sim:%s/mybox.lua"):format(folder,
      folder))
    assert.are.equal(4, status, err)
    local _, of = trail(run)
    assert.are.same({ "armed", "disarmed", "pulse 3 was left out" }, { of.disarm[1].old, of.disarm[1].new,
      of.disarm[1].why })
    assert.matches("pulse 3 was left out", fixture.manifest(run).result.reason, 1, true)
  end)

  it("that was refused by its device before it was armed is there, and sealed", function()
    shell.write(folder .. "/made.lua", made)
    local run, status = play(folder .. "/made.lua --rmt 40 --speed max --fault half-open@0")
    assert.is_true(status ~= 0)
    local lines = trail(run)
    assert.are.same({ "begin", "end", "sealed" }, { lines[1].kind, lines[#lines - 1].kind,
      lines[#lines].kind })
    assert.are.same({}, assert(verify.folder(run, {})).differs)
  end)
end)

describe("the journal of an experiment", function()
  it("has questions, answers, triggers, notes, a threshold that was found, the script's stop", function()
    shell.write(folder .. "/made.lua", [[local mp = require "moonpulse"
      return mp.experiment(function(run)
        local stim = run:device()
        stim:arm()
        run:wait_trigger { byte = 7, timeout = 5 }
        for trial, intensity in run:staircase { start = 45, step = 2, reversals = 2, min_step = 2 } do
          run:sleep(1)
          stim:fire(mp.pulse { intensity = mp.mso(intensity) })
          trial:answer(run:ask "MEP? [y/n]")
        end
        run:note "the participant moved"
        stim:disarm()
        stim:arm()
        run:stop "enough"
      end)]])
    shell.write(folder .. "/answers", "y\nn\ny\nn\n")
    shell.write(folder .. "/triggers", "1.5 port 7\n")
    local run, _, _, err = play(("%s/made.lua --seed 1 --speed max --operator AB --answers %s/answers "
      .. "--triggers %s/triggers"):format(folder, folder, folder))
    local _, of = trail(run)
    assert.are.equal(7, of.trigger[1].byte, err)
    assert.matches("^15%d%d%d%d%d%d%d%d$", of.trigger[1].at_ns)
    assert.are.same({ "MEP? [y/n]", "y", "--answers" }, { of.answer[1].question, of.answer[1].answer,
      of.answer[1].source })
    assert.are.equal(#of.question, #of.answer)
    assert.are.equal("the participant moved", of.note[1].text)
    assert.are.same({ "found", 44 }, { of.threshold[1].how, of.threshold[1].new })
    assert.are.same({ "requested", "enough" }, { of.stop[1].reason, of.stop[1].why })
    assert.are.same({ 2, 2 }, { #of.arm, #of.disarm })
    assert.are.same({}, assert(verify.folder(run, {})).differs)
  end)

  -- what a script was told last waits for the journal's next line: that may be its end
  local lasts = { ["stim:disarm()"] = "a part took its turn behind it", ["run:sleep(0.2)"] = "it slept",
    ["print(run:now())"] = "it looked at the clock" }
  for last, why in pairs(lasts) do
    it("counts also what the script was told just before its end: " .. why, function()
      shell.write(folder .. "/made.lua", ([[local mp = require "moonpulse"
        return mp.experiment(function(run)
          local stim = run:device()
          stim:arm()
          run:spawn(function() run:sleep(0.1) end)
          stim:play(mp.pulse(mp.mso(40)))
          %s
        end)]]):format(last))
      for i, speed in ipairs { "max", "1 --tolerance 5000" } do
        local out = folder .. "/runs" .. i
        local status, _, err = shell.moonpulse(folder, ("run %s/made.lua --device sim:duomag --timing host "
          .. "--beyond-guidelines test --approval none --speed %s --out %s"):format(folder, speed, out))
        assert.are.equal(0, status, err)
        local lines = trail(fixture.run_in(out))
        local reads = 0
        for number = 1, #lines do
          if lines[number].kind == "end" then
            assert.are.equal(reads, lines[number].lines_before.read or 0)
          end
          reads = reads + (lines[number].kind == "read" and 1 or 0)
        end
        assert.is_true(reads > 0)
        assert.are.same({}, assert(verify.folder(fixture.run_in(out), {})).differs)
      end
    end)
  end
end)

--- A line without what older versions did not write.
local function as_older(entries)
  for number = #entries, 1, -1 do
    local entry = entries[number]
    if entry.kind == "override" and entry.of then
      table.remove(entries, number)
    elseif entry.kind == "threshold" or entry.kind == "recovered" then
      entry.old = nil
    elseif entry.kind == "arm" then
      entry.why = nil
    end
  end
  entries[1].options.unconfirmed = nil
  for _, entry in ipairs(entries) do
    if entry.lines_before then
      entry.lines_before.override = nil
    end
  end
end

describe("what an act changes", function()
  local unsure = [[local mp = require "moonpulse"
    return mp.protocol { id = "unsure", name = "Unsure", unconfirmed = "the ITI of its table 2",
      plan = function() return mp.pulse(mp.rmt(80)):times(3, { every = 6 }) end }]]

  it("is a protocol that is run though nobody compared its numbers", function()
    shell.write(folder .. "/unsure.lua", unsure)
    local arguments = folder .. "/unsure.lua --rmt 50 --speed max --operator AB --beyond-guidelines why "
      .. "--approval 'EK 7' "
    assert.are.equal(2, (shell.moonpulse(folder, ("run %s --out %s/runs"):format(arguments, folder))))
    local run, status, _, err = play(arguments .. "--unconfirmed")
    assert.are.equal(0, status, err)
    local _, of = trail(run)
    local limits, numbers = of.override[1], of.override[2]
    assert.are.same({ "why", "EK 7" }, { limits.why, limits.approval })
    assert.are.same({ "unconfirmed", "the ITI of its table 2", "--unconfirmed", "AB" },
      { numbers.of, numbers.what, numbers.why, numbers.who })
    assert.matches("is refused$", numbers.old)
    assert.matches("is run", numbers.new)
    assert.are.same({}, assert(verify.folder(run, {})).differs)
    -- each of both overrides is missed, also by who knows the chain
    for i, word in ipairs { "override", "override unconfirmed" } do
      local forged = folder .. "/forged" .. i
      shell.copy(run, forged)
      resealed.edit(forged, function(entries)
        local taken = 0
        for number = #entries, 1, -1 do
          local entry = entries[number]
          if entry.kind == "override" and (entry.of ~= nil) == (i == 2) then
            table.remove(entries, number)
            taken = taken + 1
          elseif entry.lines_before then
            entry.lines_before.override = 1
          end
        end
        assert.are.equal(1, taken)
      end)
      local said = {}
      for n, each in ipairs(assert(verify.folder(forged, {})).differs) do
        said[n] = each.text
      end
      assert.are.same({ "the line that says it is missing: " .. word }, said)
    end
    -- nobody asked for it where there was nothing to be taken
    shell.write(folder .. "/sure.lua", (unsure:gsub('unconfirmed = "[^"]*",', "")))
    assert.are.equal(0, (shell.moonpulse(folder, ("run %s/sure.lua --rmt 50 --speed max --unconfirmed --out "
      .. "%s/sure"):format(folder, folder))))
    assert.is_nil(select(2, trail(fixture.run_in(folder .. "/sure"))).override)
  end)

  it("is a threshold: what held before, and what was found", function()
    shell.write(folder .. "/made.lua", [[local mp = require "moonpulse"
      return mp.experiment(function(run)
        local stim = run:device()
        stim:arm()
        for _, kind in ipairs { "RMT", "RMT", "AMT", "none" } do
          for trial, intensity in run:staircase { start = 45, step = 2, reversals = 2, min_step = 2,
              kind = kind ~= "none" and kind or nil } do
            run:sleep(6)
            stim:fire(mp.pulse { intensity = mp.mso(intensity) })
            trial:answer(run:ask "MEP? [y/n]")
          end
        end
      end)]])
    shell.write(folder .. "/answers", ("y\nn\ny\n"):rep(20))
    local run, status, _, err = play(("%s/made.lua --seed 1 --rmt 50 --speed max --answers %s/answers")
      :format(folder, folder))
    assert.are.equal(0, status, err)
    local _, of = trail(run)
    local found = fixture.manifest(run).experiment.staircases
    local told = {}
    for i, line in ipairs(of.threshold) do
      told[i] = { line.old == nil and "-" or line.old, line.new }
    end
    assert.are.same({ { "none", 50 }, { 50, found[1].threshold }, { found[1].threshold, found[2].threshold },
      { "none", found[3].threshold }, { "-", found[4].threshold } }, told)
    assert.are.same({ "the script asked for it" }, { of.arm[1].why })
    assert.are.same({}, assert(verify.folder(run, {})).differs)
  end)

  it("is not missed in records of versions that did not write it", function()
    shell.write(folder .. "/unsure.lua", unsure)
    shell.write(folder .. "/made.lua", [[local mp = require "moonpulse"
      return mp.experiment(function(run)
        local stim = run:device()
        for trial, intensity in run:staircase { start = 45, step = 2, reversals = 2, min_step = 2,
            kind = "RMT" } do
          stim:arm()
          run:sleep(6)
          stim:fire(mp.pulse { intensity = mp.mso(intensity) })
          trial:answer(run:ask "MEP? [y/n]")
          stim:disarm()
        end
      end)]])
    shell.write(folder .. "/answers", ("y\nn\n"):rep(20))
    for i, arguments in ipairs { folder .. "/unsure.lua --unconfirmed",
      ("%s/made.lua --answers %s/answers"):format(folder, folder) } do
      local out = ("%s/older%d"):format(folder, i)
      local status, _, err = shell.moonpulse(folder, ("run %s --rmt 50 --speed max --out %s"):format(
        arguments, out))
      assert.are.equal(0, status, err)
      local run = fixture.run_in(out)
      local was = shell.read(run .. "/journal.jsonl")
      resealed.edit(run, as_older)
      assert.is_true(was ~= shell.read(run .. "/journal.jsonl"))
      local text
      status, text = shell.moonpulse(folder, "verify " .. run)
      assert.are.equal(0, status, text)
      status, text = shell.sh(folder, ("sh %s/verify.sh"):format(run))
      assert.are.equal(0, status, text)
      status, text = shell.moonpulse(folder, ("rerun %s --out %s.again"):format(run, out))
      assert.are.equal(0, status, text)
    end
  end)

  it("is the status of a run that was recovered", function()
    shell.write(folder .. "/made.lua", [[local mp = require "moonpulse"
      return mp.protocol { id = "made", name = "Made", plan = function()
        return mp.train { pulses = 400, hz = 10, intensity = mp.mso(40) } end }]])
    local job = shell.start(folder, "killed", ("run %s/made.lua --tolerance 1000 --out %s/runs "
      .. "--beyond-guidelines test --approval none"):format(folder, folder))
    local path = shell.await(function()
      local names = shell.names(folder .. "/runs")
      local run = names[1] and folder .. "/runs/" .. names[1]
      return run and (shell.read(run .. "/twin.tsv") or ""):find("\tpulse\t", 1, true) and run
    end, "the first pulse")
    job:kill()
    local status, text, err = shell.moonpulse(folder, "recover " .. path)
    assert.are.equal(0, status, text .. err)
    local _, of = trail(path)
    assert.are.same({ "running", "interrupted" }, { of.recovered[1].old, of.recovered[1].new })
    assert.are.same({}, assert(verify.folder(path, {})).differs)
  end)
end)

describe("a clock", function()
  local wall_ns, real_ns = core.wall_ns, core.real_ns
  local wall, real = 1700000000000000000, 5000000000

  before_each(function()
    core.wall_ns, core.real_ns = function() return wall end, function() return real end
  end)
  after_each(function()
    core.wall_ns, core.real_ns = wall_ns, real_ns
  end)

  local function pass(s, wall_s)
    wall, real = wall + math.floor((wall_s or s) * 1e9), real + math.floor(s * 1e9)
  end

  it("that runs on is not named, one that jumps is, ahead and back, once each", function()
    local watch = clocks.watch()
    for _ = 1, 50 do
      pass(1, 1.0005) -- slewed
      assert.is_nil(watch:look())
    end
    pass(1.2, 3601.2)
    local jump = watch:look()
    assert.are.equal(3600, jump.by_s)
    assert.matches("jumped ahead by 3600.000 s", clocks.words(jump), 1, true)
    assert.are.same({ clocks.text(wall - 3600 * 1000000000), clocks.text(wall) }, { jump.old, jump.new })
    pass(1.2)
    assert.is_nil(watch:look())
    pass(0.01, -0.49)
    assert.is_nil(watch:look()) -- once a second
    jump = watch:look(true)
    assert.are.equal(-0.5, jump.by_s)
    assert.are.equal(2, #watch:facts().jumps)
    assert.is_true(math.abs(watch:facts().moved_apart_s - (3600 - 0.5 + 0.025)) < 1e-6)
  end)
end)

describe("a run during which the clock is set", function()
  it("says so, at once, at its end and in its journal", function()
    shell.write(folder .. "/made.lua", [[local mp = require "moonpulse"
      return mp.protocol { id = "made", name = "Made", plan = function()
        return mp.train { pulses = 25, hz = 10, intensity = mp.mso(40) } end }]])
    shell.write(folder .. "/set.lua", [[local core = require "moonpulse.core"
      local wall_ns, from = core.wall_ns, core.real_ns()
      core.wall_ns = function() -- an hour back, a second and a half after the start
        return wall_ns() - (core.real_ns() - from > 1500000000 and 3600 * 1000000000 or 0)
      end
      os.exit(require("moonpulse.cli").main { "run", table.unpack(arg) })]])
    local status, out, err = shell.sh(folder, ("%s lua %s/set.lua %s/made.lua --tolerance 1000 --operator AB "
      .. "--beyond-guidelines test --approval none --out %s/runs"):format(shell.quote(shell.program), folder,
      folder, folder))
    assert.are.equal(0, status, err)
    assert.matches("this computer's clock jumped back by 3600.", err, 1, true)
    assert.matches("note +this computer's clock jumped back by 3600.", out)
    local run = fixture.run_in(folder .. "/runs")
    local _, of = trail(run)
    assert.are.equal(1, #of.clock)
    assert.are.equal(-3600, math.floor(of.clock[1].by_s + 0.5))
    assert.is_true(of.clock[1].old > of.clock[1].new)
    assert.are.same({}, assert(verify.folder(run, {})).differs)
  end)
end)
