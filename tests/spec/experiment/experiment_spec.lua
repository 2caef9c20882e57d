-- Experiments end to end: the script, the simulator, the record. In virtual time, or, where
-- something comes from outside, in real time: the stimulator in a process of its own. Test machines are
-- noisy, so there the tolerance is wide, and pulses are far apart; bytes, order, numbers and reasons are
-- exact.
local core = require "moonpulse.core"
local driver = require "moonpulse.devices.magventure"
local fixture = require "job"
local shell = require "shell"

local commands = driver.commands

local function hex(bytes)
  return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

local FIRE, ENABLE, DISABLE = hex(commands.fire()), hex(commands.enable()), hex(commands.disable())
local ASK, MODE = hex(commands.get_status2()), hex(commands.get_mode())

local function amplitude(percent)
  return hex(commands.set_amplitude { a = percent })
end

describe("an experiment", function()
  local folder, jobs

  fixture.each_test(function(...) folder, jobs = ... end)

  --- A file with an experiment whose function has this body.
  local function script(body)
    local path = folder .. "/made.lua"
    shell.write(path, 'local mp = require "moonpulse"\nreturn mp.experiment(function(run)\n'
      .. "local stim = run:device()\n" .. body .. "\nend)\n")
    return path
  end

  local function arguments(path, more)
    return ("run %s %s"):format(path, shell.options(more,
      ("--timing host --tolerance 1000 --out %s/runs"):format(folder)))
  end

  --- Run the body in real time: status, output, errors, folder of the run.
  local function perform_in_real_time(body, more)
    local status, out, err = shell.moonpulse(folder, arguments(script(body), more))
    local names = shell.names(folder .. "/runs")
    return status, out, err, names[#names] and folder .. "/runs/" .. names[#names]
  end

  --- The same in virtual time.
  local function perform(body, more)
    return perform_in_real_time(body, "--speed max " .. (more or ""))
  end

  local function start(body, more)
    return jobs:start("job" .. #jobs, arguments(script(body), more))
  end

  local function only_run()
    return fixture.run_in(folder .. "/runs")
  end

  local manifest = fixture.manifest

  --- What the simulator took from the wire, in order.
  local function wire(run)
    local frames = {}
    for i, row in ipairs(shell.rows(run .. "/twin.tsv")) do
      frames[i] = row.bytes
    end
    return frames
  end

  local function marks(run)
    local texts = {}
    for _, row in ipairs(shell.rows(run .. "/events.tsv")) do
      if row.event == "mark" then
        texts[#texts + 1] = row.reply
      end
    end
    return texts
  end

  local function pulses(run)
    local list = {}
    for _, row in ipairs(shell.rows(run .. "/events.tsv")) do
      if row.event == "pulse" then
        list[#list + 1] = row
      end
    end
    return list
  end

  --- Nothing fires unless armed, and the last thing but questions is the disable command.
  local function ends_safe(run)
    local armed, fired, last = false, 0, nil
    for _, bytes in ipairs(wire(run)) do
      if bytes == ENABLE or bytes == DISABLE then
        armed = bytes == ENABLE
      elseif bytes == FIRE then
        assert.is_true(armed)
        fired = fired + 1
      end
      last = bytes ~= ASK and bytes or last
    end
    assert.are.equal(DISABLE, last)
    return fired
  end

  it("arms weakly, and tells the device the first intensity of every plan that needs it", function()
    local status, _, err, run = perform [[
      stim:arm()
      stim:fire(mp.pulse(mp.mso(30)))
      stim:fire(mp.pulse(mp.mso(30)))
      stim:play(mp.pulse(mp.mso(40)) .. mp.rest(0.3) .. mp.pulse(mp.mso(50)))
      stim:play(mp.pulse(mp.mso(40)))
    ]]
    assert.are.equal(0, status, err)
    assert.are.same({ ASK, MODE, MODE, ENABLE, amplitude(1), amplitude(30), FIRE, FIRE, amplitude(40),
      FIRE, amplitude(50), FIRE, amplitude(40), FIRE, DISABLE, ASK }, wire(run))
    local given = pulses(run)
    for i, mso in ipairs { "30", "30", "40", "50", "40" } do
      assert.are.equal(mso, given[i].intensity_mso)
      assert.are.equal(tostring(i), given[i].pulse)
      assert.are.equal("delivered", given[i].status)
      assert.is_true(i == 1 or tonumber(given[i].onset) > tonumber(given[i - 1].onset))
    end
    local said = manifest(run)
    assert.are.equal("experiment", said.kind)
    assert.are.equal("completed", said.status)
    assert.are.equal(5, said.result.pulses_planned)
    assert.matches("5 of 5 pulses delivered and confirmed", (shell.read(run .. "/report.html")))
  end)

  it("begins a plan at the instant that the script names, and says when that is too soon", function()
    local status, _, err, run = perform [[
      stim:arm()
      local at = run:now() + 0.6
      assert(stim:fire(mp.pulse(mp.mso(30)), { at = at }) - at < 1e-6)
      stim:fire(mp.pulse(mp.mso(30)), { at = run:now() - 1 })
    ]]
    assert.are.equal(2, status)
    assert.matches("made.lua:7: stim:fire: at = %-?[%d.]+ s is too soon: the stimulator can be ready at", err)
    assert.are.equal(1, ends_safe(run))
  end)

  it("checks every plan before anything of it is sent", function()
    local status, _, err, run = perform [[
      stim:arm()
      stim:play(mp.train { pulses = 3, hz = 1000, intensity = mp.mso(30) })
    ]]
    assert.are.equal(3, status)
    assert.matches("made.lua:5: pulses 1 and 2 .* too fast for the MagVenture MagPro", err)
    assert.are.equal(0, ends_safe(run))
  end)

  it("is judged with what it gave before: trains in quick succession need their gap", function()
    local port = folder .. "/port"
    local simulator = jobs:start("simulator", ("sim magventure --link %s --log %s/twin.tsv"):format(port,
      folder))
    simulator:says("simulated ")
    local status, _, err = perform_in_real_time([[
      local train = mp.train { pulses = 12, hz = 20, intensity = mp.rmt(120) }
      stim:arm()
      stim:play(train)
      stim:play(train)
    ]], "--rmt 40 --tolerance 20 --late skip --device magventure --port " .. port)
    assert.are.equal(3, status)
    assert.matches("made.lua:7: OVER the guidelines: train duration: 1.%d+ s, .- at 20 Hz, then at least "
      .. "5 s of silence", err)
    -- what a busy computer is late for is left out, and the gap is judged all the same
    local sent = tonumber(err:match("(%d+) of the 12 pulses asked for so far were sent; the")
      or err:match("(12) pulses were sent; the stimulator is disarmed"))
    assert.is_true(sent ~= nil and sent > 0)
    assert.are.equal(sent, ends_safe(folder))
  end)

  it("goes from single pulses to bursts that the stimulator times, and back", function()
    local status, _, err, run = perform([[
      local burst = mp.burst { pulses = 4, hz = 200, intensity = mp.mso(40) } -- too fast for single commands
      stim:arm()
      for _ = 1, 2 do
        stim:fire(mp.pulse(mp.mso(30)))
        stim:play(burst)
      end
    ]], "--timing auto")
    assert.are.equal(0, status, err)
    local given = pulses(run)
    assert.are.equal(10, #given)
    for i, row in ipairs(given) do
      local single = i == 1 or i == 6
      assert.are.equal(tostring(i), row.pulse)
      assert.are.equal(single and "host" or "device", row.timed_by)
      assert.are.equal(single and "30" or "40", row.intensity_mso)
      assert.are.equal("delivered", row.status)
    end
    local fired = 0
    for _, row in ipairs(shell.rows(run .. "/twin.tsv")) do
      fired = fired + (row.event == "pulse" and 1 or 0)
    end
    assert.are.equal(10, fired)
  end)

  it("may do what its author may, but leaves chance to the seed", function()
    local status, out, err = perform [[
      local name = os.tmpname()
      io.open(name, "w"):close()
      print(os.remove(name), require("lfs").attributes(name))
      math.random()
    ]]
    assert.are.equal(2, status)
    assert.matches("true\tnil", out)
    assert.matches("made.lua:7: math.random would give other numbers each time: use run:uniform", err)
    shell.write(folder .. "/early.lua", 'io.write("x") return require("moonpulse").experiment(print)')
    status, out, err = shell.moonpulse(folder, "run " .. folder .. "/early.lua")
    assert.are.equal("", out)
    assert.are.equal(2, status)
    assert.matches("early.lua:1: io: protocol files see nothing of files", err)
  end)

  it("that nobody armed fires nothing", function()
    local status, _, err, run = perform "stim:fire(mp.pulse(mp.mso(30)))"
    assert.are.equal(2, status)
    assert.matches("made.lua:4: stim:fire: the stimulator is not armed: call stim:arm%(%) first", err)
    assert.are.same({ ASK, MODE }, wire(run))
  end)

  describe("with run:stop", function()
    it("ends a train: no pulse comes behind the safe frame, status 5", function()
      local status, out, err, run = perform [[
        run:spawn(function()
          run:sleep(1)
          run:stop("enough")
          print("armed", stim:armed())
        end)
        stim:arm()
        stim:play(mp.train { pulses = 100, hz = 10, intensity = mp.mso(30) })
        print("never")
      ]]
      assert.are.equal(5, status)
      assert.matches("stopped on request %(enough%) after %d+ of the 100 pulses asked for so far; "
        .. "the stimulator is disarmed", err)
      assert.matches("armed\tfalse", out)
      assert.is_nil(out:find("never", 1, true))
      local fired = ends_safe(run)
      assert.is_true(fired > 0 and fired < 30, fired)
      assert.are.equal(fired, #pulses(run))
      local said = manifest(run)
      assert.are.equal("stopped", said.status)
      assert.are.equal("requested", said.result.stop)
      assert.are.same({ "armed", "stop requested: enough" }, marks(run))
      assert.matches("stop requested: enough", (shell.read(run .. "/report.html")))
      assert.are.equal(fired, said.result.pulses_sent)
    end)

    it("fires again only after a new arm", function()
      local status, out, err, run = perform [[
        stim:arm()
        stim:fire(mp.pulse(mp.mso(30)))
        run:stop()
        print(pcall(stim.fire, stim, mp.pulse(mp.mso(31))))
        stim:arm()
        stim:fire(mp.pulse(mp.mso(32)))
      ]]
      assert.are.equal(0, status, err)
      assert.matches("false\t.*made.lua:7: stim:fire: the stimulator is not armed any more %(run:stop%)", out)
      assert.are.same({ ASK, MODE, MODE, ENABLE, amplitude(1), amplitude(30), FIRE, DISABLE, ASK, MODE,
        ENABLE, amplitude(1), amplitude(32), FIRE, DISABLE, ASK }, wire(run))
    end)

    it("is not undone by an error that the script catches", function()
      local status, _, err, run = perform [[
        stim:arm()
        run:stop()
        for _ = 1, 3 do pcall(stim.fire, stim, mp.pulse(mp.mso(30))) end
      ]]
      assert.are.equal(5, status)
      assert.matches("stopped on request after 0 pulses", err)
      assert.are.equal(0, ends_safe(run))
    end)
  end)

  it("with an error stops what is armed and names the line", function()
    local status, _, err, run = perform [[
      stim:arm()
      stim:fire(mp.pulse(mp.mso(30)))
      local nothing = nil
      nothing.field = 1
    ]]
    assert.are.equal(2, status)
    assert.matches("error in the script: .*made.lua:7: attempt to index a nil value", err)
    assert.matches("1 pulse was sent; the stimulator is disarmed", err)
    assert.are.equal(1, ends_safe(run))
    assert.are.equal("stopped", manifest(run).status)
  end)

  it("with an error in what it spawned ends as well", function()
    local status, _, err, run = perform [[
      stim:arm()
      run:spawn(function() run:sleep(0.1) error("boom") end)
      run:sleep(60)
    ]]
    assert.are.equal(2, status)
    assert.matches("made.lua:5: boom", err)
    assert.are.equal(0, ends_safe(run))
  end)

  it("that never yields is stopped by the engine and ended at its line", function()
    local status, _, err, run = perform_in_real_time [[
      stim:arm()
      while true do pcall(function() for _ = 1, 1000 do end end) end
    ]]
    assert.are.equal(5, status)
    assert.matches("made.lua:5: the script did not yield for", err)
    ends_safe(run)
    assert.are.equal("stuck", manifest(run).result.stop)
  end)

  it("asks a pipe, takes only the answers that the question names, and records them", function()
    local path = script [[
      print("got", run:ask "MEP? [y/n]", run:ask "who?")
      run:ask "more?"
    ]]
    local status, out, err = shell.sh(folder, ("printf 'perhaps\\nY\\n me \\n' | %s %s"):format(
      shell.quote(shell.program), arguments(path)))
    assert.are.equal(2, status)
    assert.matches("please answer one of y/n", out)
    assert.matches("got\ty\tme", out)
    assert.matches('question 3 has no answer: "more%?": standard input is at its end', err)
    local found = marks(only_run())
    assert.matches("made.lua:5: question 3 has no answer", table.remove(found), 1, true) -- why it ended
    assert.are.same({ "MEP? [y/n]: y", "who?: me" }, found)
  end)

  it("reads --answers and names the line that does not fit", function()
    shell.write(folder .. "/answers", "y\nperhaps\n")
    local status, _, err = perform('run:ask "one [y/n]" run:ask "two [y/n]"',
      "--answers " .. folder .. "/answers")
    assert.are.equal(2, status)
    assert.matches('%-%-answers, line 2: "perhaps" is no answer to "two %[y/n%]"', err)
    status, _, err = perform("", "--answers " .. folder .. "/none")
    assert.are.equal(2, status)
    assert.matches("%-%-answers: .*none: No such file", err)
  end)

  it("draws the same numbers and rests from the same seed", function()
    local body = [[
      run:mark(("%.17g %d %s"):format(run:uniform(4, 6), run:integer(1, 1000000),
        table.concat(run:shuffle { 1, 2, 3, 4, 5, 6, 7, 8 }, "")))
      stim:arm()
      stim:play(mp.pulse(mp.mso(30)) .. mp.rest { min = 0.1, max = 0.4 } .. mp.pulse(mp.mso(30)))
    ]]
    local seen = {}
    for i, seed in ipairs { 7, 7, 8 } do
      local status, _, err, run = perform(body, "--seed " .. seed)
      assert.are.equal(0, status, err)
      local given = pulses(run)
      seen[i] = { marks(run)[1],
        tonumber(given[2].onset_planned_us) - tonumber(given[1].onset_planned_us) }
      shell.remove(folder .. "/runs")
    end
    assert.are.same(seen[1][1], seen[2][1])
    assert.is_true(math.abs(seen[1][2] - seen[2][2]) < 0.01) -- both from the run's start, in us
    assert.are_not.equal(seen[1][1], seen[3][1])
    assert.is_true(math.abs(seen[1][2] - seen[3][2]) > 1)
  end)

  for what, body in pairs { sleeping = "run:sleep(60)", asking = 'run:ask "well?"' } do
    it("stops on a signal while " .. what, function()
      assert(os.execute("mkfifo " .. shell.quote(folder .. "/fifo")))
      local job = start("stim:arm() stim:fire(mp.pulse(mp.mso(30))) print('now') io.stdout:flush()\n"
        .. "while true do pcall(function() " .. body .. " end) run:now() run:sleep(0) end",
        "<>" .. shell.quote(folder .. "/fifo"))
      job:says("now")
      core.wait(0.3)
      job:signal("INT")
      assert.are.equal(5, job:wait())
      assert.matches("stopped by Ctrl%-C %(SIGINT%) after 1 pulse; the stimulator is disarmed",
        job:err())
      assert.are.equal(1, ends_safe(only_run()))
    end)
  end

  it("waits for a byte on another port, or for the end of its patience", function()
    local port = core.pty(nil, function() end)
    local job = start([[
      print("none", (run:wait_trigger { timeout = 0.05 }))
      print("waiting") io.stdout:flush()
      local at, byte = run:wait_trigger { byte = 65 }
      print("got", byte, at <= run:now())
    ]], "--trigger-in " .. port:path())
    job:says("waiting")
    assert(port:write("B"))
    core.wait(0.1)
    assert(port:write("A"))
    assert.are.equal(0, job:wait(), job:err())
    assert.matches("none\tnil", job:out())
    assert.matches("got\t65\ttrue", job:out())
    assert.are.same({ "trigger: none came in time", "trigger: byte 65" }, marks(only_run()))
    port:close()
  end)

  it("says where triggers could come from when there is no line", function()
    local status, _, err = perform_in_real_time "run:wait_trigger { line = 'cts' }"
    assert.are.equal(2, status)
    assert.matches("made.lua:4: run:wait_trigger: .* take %-%-trigger%-in PATH", err)
  end)

  it("that is killed loses no pulse and no answer", function()
    shell.write(folder .. "/answers", "first\nsecond\n")
    local job = start([[
      stim:arm()
      for trial = 1, 2 do
        stim:play(mp.pulse(mp.mso(30)) .. mp.rest(1) .. mp.pulse(mp.mso(30 + trial)))
        run:ask("trial " .. trial .. "?")
      end
      print("now") io.stdout:flush()
      stim:play(mp.train { pulses = 100, every = 1, intensity = mp.mso(40) })
    ]], "--answers " .. folder .. "/answers")
    job:says("now")
    local run = only_run()
    shell.await(function()
      return select(2, table.concat(wire(run), " "):gsub(FIRE, "")) >= 6
    end, "two pulses of the train")
    job:kill()
    shell.await(function()
      local frames = wire(run)
      return frames[#frames] == DISABLE
    end, "the guard's safe frame")
    assert.are.equal(0, (shell.moonpulse(folder, "recover " .. run)))
    local fired = ends_safe(run)
    local given = pulses(run)
    assert.is_true(fired > 4, fired)
    assert.are.equal(fired, #given)
    for i, row in ipairs(given) do
      assert.are.equal(tostring(i), row.pulse)
      assert.are.equal(i > 4 and "40" or ({ "30", "31", "30", "32" })[i], row.intensity_mso)
      assert.is_true(i == 1 or tonumber(row.onset) > tonumber(given[i - 1].onset))
    end
    assert.are.same({ "armed", "trial 1?: first", "trial 2?: second" }, marks(run))
    assert.are.equal("interrupted", manifest(run).status)
    assert.are.equal(104, manifest(run).result.pulses_planned)
  end)

  it("hunts a threshold as shipped, and says what it found", function()
    shell.write(folder .. "/answers", "y\ny\nn\ny\nn\ny\nn\nn\ny\n")
    local status, out, err = shell.moonpulse(folder, arguments("scripts/threshold.lua",
      "-p pause=0 --seed 5 --speed max --answers " .. folder .. "/answers"))
    assert.are.equal(0, status, err)
    local run = only_run()
    -- down 45 43 41, up at the first no; reversals at 41 (step 2), then 42 41 42 41 43 by ones:
    -- the last four of them, 41 42 41 43
    local found = manifest(run).experiment.staircases[1]
    assert.are.equal(41.75, found.threshold)
    assert.are.equal(9, found.trials)
    assert.matches("threshold 41.75 %%MSO, 95 %% interval [%d.]+ to [%d.]+ %(6 reversals, 9 trials%)", out)
    local given = pulses(run)
    for i, mso in ipairs { "45", "43", "41", "42", "41", "42", "41", "42", "43" } do
      assert.are.equal(mso, given[i].intensity_mso)
    end
  end)

  it("names the script's line where it cannot wait, and what to do", function()
    local path = script "stim:arm()\ntable.sort({ 3, 2, 1 }, function(a, b) run:sleep(0.01) return a < b end)"
    local status, _, err = shell.moonpulse(folder, arguments(path))
    assert.are.equal(2, status)
    assert.matches("error in the script: [^:]*made.lua:%d+: the script cannot wait here: not in a coroutine "
      .. "of its own %(run:spawn makes one that can%), and not in a function that sort", err)
  end)

  it("has no plan to draw or to compile", function()
    local path = script ""
    for _, command in ipairs { "plot", "compile" } do
      local status, _, err = shell.moonpulse(folder, command .. " " .. path)
      assert.are.equal(2, status)
      assert.matches("made.lua: an experiment has no fixed plan: use moonpulse run", err)
    end
  end)
end)
