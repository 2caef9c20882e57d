-- --start-on: a run that a trigger starts. What is waited for is told, the plan starts as long after it as it
-- should, and what does not come ends the run with the stimulator safe.
local cjson = require "cjson"
local core = require "moonpulse.core"
local fixture = require "job"
local shell = require "shell"

describe("--start-on", function()
  local folder, jobs, job, port
  fixture.each_test(function(new, list) folder, jobs = new, list end)

  before_each(function()
    shell.write(folder .. "/came.txt", "1 port 7\n2 port 5\n3.5 port 5\n")
    shell.write(folder .. "/two.lua", 'local mp = require "moonpulse"\nreturn mp.protocol { id = "two", '
      .. "name = 'Two', plan = function()\nlocal pulse = mp.pulse(mp.mso(40))\n"
      .. "return pulse .. mp.rest(1) .. pulse\nend }\n")
    shell.write(folder .. "/script.lua", 'local mp = require "moonpulse"\n'
      .. "return mp.experiment(function(run)\n"
      .. '  run:note(("begins at %.1f"):format(run:now()))\n'
      .. "  local at, byte = run:wait_trigger { timeout = 9 }\n"
      .. '  run:note(("then %.1f %d"):format(at, byte))\n'
      .. "end)\n")
  end)

  local function run(what, more)
    return shell.sh(folder, ("%s run %s/%s.lua --out %s/runs %s"):format(shell.program, folder, what, folder,
      (more:gsub("CAME", folder .. "/came.txt"))))
  end

  local function rerun(found)
    return shell.sh(folder, ("%s rerun %s --out %s/again"):format(shell.program, found, folder))
  end

  local function of_run()
    local found = fixture.run_in(folder .. "/runs")
    return found, cjson.decode((assert(shell.read(found .. "/manifest.json"))))
  end

  local function journal(kind)
    local list = {}
    for line in io.lines(of_run() .. "/journal.jsonl") do
      local entry = cjson.decode(line)
      list[#list + 1] = entry.kind == kind and entry or nil
    end
    return list
  end

  it("is what a protocol with triggers lacks, and its message names it", function()
    for option, value in pairs { ["--triggers"] = "CAME", ["--trigger-in"] = "/dev/null" } do
      local status, _, err = run("two", ("--speed max %s %s"):format(option, value))
      assert.are.equal(2, status)
      assert.matches(option .. " is for experiments, and ", err, 1, true)
      assert.matches("is a protocol: leave it out, or give --start-on byte=N", err, 1, true)
    end
    local status, _, err = run("two", "--speed max --answers CAME")
    assert.are.equal(2, status)
    assert.is_nil(err:find("start-on", 1, true), err)
  end)

  for _, case in ipairs { { "byte=5", 2, 0.2, 1 }, { "any", 1, 0.2, 0 }, { "byte=5,delay=3.25", 2, 3.25, 1 },
    { "byte=5,arm=after", 2, 0.2, 1 } } do
    it("starts a protocol in virtual time as long after the trigger as it should: " .. case[1], function()
      local text, came, after, passed = table.unpack(case)
      local status, out, err = run("two", "--speed max --triggers CAME --start-on " .. text)
      assert.are.equal(0, status, err)
      assert.matches("waiting +for [^\n]*came.txt, for as long as it takes", out)
      local found, manifest = of_run()
      assert.are.equal(after, manifest.start.after_trigger_s)
      assert.are.equal(passed, manifest.start.passed_over)
      assert.are.equal(text, manifest.start.trigger)
      local trigger, play, begun = journal("trigger")[1], journal("play")[1], journal("begin")[1]
      assert.are.equal("the run", trigger.starts)
      assert.are.equal(came * 1e9, tonumber(trigger.at_ns))
      assert.are.equal((came + after) * 1e9, tonumber(play.start_ns) - tonumber(begun.clock_ns))
      local armed = tonumber(journal("arm")[1].at_ns)
      assert.are.equal(text:find "after" ~= nil, armed > tonumber(trigger.at_ns))
      assert.are.equal("0.000000000", shell.rows(found .. "/events.tsv")[1].onset)
      status, out = shell.sh(folder, shell.program .. " verify " .. found)
      assert.are.equal(0, status)
      assert.matches("events.tsv and twin.tsv are what the plan gives", out)
      assert.not_matches("waiting", out)
      status, out = rerun(found)
      assert.are.equal(0, status)
      assert.matches("twin.tsv +the same bytes", out)
    end)
  end

  it("starts an experiment's script, which is given what comes after it", function()
    local status, out, err = run("script", "--speed max --triggers CAME --start-on byte=5")
    assert.are.equal(0, status, err)
    assert.matches("begins at 2.0", out)
    assert.matches("then 3.5 5", out)
    local found, manifest = of_run()
    assert.are.equal("byte=5", manifest.start.trigger)
    assert.are.equal(0, (shell.sh(folder, shell.program .. " verify " .. found)))
    assert.are.equal(0, rerun(found))
  end)

  it("ends safely where the trigger does not come in time", function()
    for what, times in pairs { two = "9 s", script = "9 s" } do
      local status, _, err = run(what, "--speed max --triggers CAME --start-on byte=9 --timeout 9")
      assert.are.equal(5, status)
      assert.matches("byte 9 did not come from .*came.txt within " .. times
        .. ".*3 bytes came meanwhile", err)
      local _, manifest = of_run()
      assert.are.equal("stopped", manifest.status)
      assert.are.equal(0, manifest.result.pulses_sent)
      shell.remove(folder .. "/runs")
    end
  end)

  it("says in virtual time that no trigger is left that could start it", function()
    local status, _, err = run("two", "--speed max --triggers CAME --start-on byte=9")
    assert.are.equal(2, status)
    assert.matches("%-%-start%-on: no further byte comes by .*came.txt", err)
  end)

  it("does not start later than was asked for, and says what delay would do", function()
    local status, out, err = run("two", "--speed max --triggers CAME --start-on byte=5,arm=after,delay=0.03")
    assert.are.equal(3, status)
    assert.matches("should start 30 ms after the trigger, and could %d[%d.]* ms after it", err)
    assert.matches("sent +0 of 2 pulses", out)
  end)

  it("refuses what makes no sense", function()
    for more, message in pairs {
      ["--start-on byte=5"] = "where does the trigger come from%? Give %-%-trigger%-in PATH",
      ["--timeout 5"] = "%-%-timeout is how long %-%-start%-on waits",
      ["--start-on byte=256 --speed max --triggers CAME"] =
        "byte=256: it must be a whole number from 0 to 255",
      ["--start-on 5 --speed max --triggers CAME"] = "%-%-start%-on 5: it is any, byte=N or line=cts",
      ["--start-on delay=1 --speed max --triggers CAME"] = "say which trigger",
      ["--start-on byte=5,delay=0.01 --speed max --triggers CAME"] =
        "20 ms after its trigger at the earliest",
    } do
      local status, _, err = run("two", more)
      assert.are.equal(2, status, more)
      assert.matches(message, err)
    end
    local status, _, err = run("script", "--start-on byte=5,delay=1 --speed max --triggers CAME")
    assert.are.equal(2, status)
    assert.matches("delay and arm are for protocols", err)
  end)

  local function start(what, more)
    port = jobs:port()
    job = jobs:start("job", ("run %s/%s.lua --tolerance 1000 --out %s/runs --trigger-in %s "
      .. "--start-on %s"):format(folder, what, folder, port:path(), more))
    job:says "waiting "
  end

  it("waits for a byte of a port, armed, and the plan starts when that says", function()
    start("two", "byte=5,delay=1")
    core.wait(0.05)
    port:write "\7\5\5"
    assert.are.equal(0, job:wait(), job:err())
    local _, manifest = of_run()
    assert.are.equal(1, manifest.start.after_trigger_s)
    assert.are.equal(5, manifest.start.byte)
    assert.are.equal(2, manifest.result.pulses_sent)
    local trigger, play = journal("trigger")[1], journal("play")[1]
    assert.is_true(tonumber(journal("arm")[1].at_ns) < tonumber(trigger.at_ns))
    local function ns(text) return math.tointeger(tonumber(text)) end
    assert.are.equal(1000000000, ns(play.start_ns) - ns(journal("begin")[1].clock_ns) - ns(trigger.at_ns))
    assert.are.equal(0, (shell.sh(folder, shell.program .. " verify " .. (of_run()))))
  end)

  it("starts a script with a byte of a port, and the record makes it again", function()
    start("script", "any")
    core.wait(0.05)
    port:write "\9"
    job:says "begins at"
    port:write "\4"
    assert.are.equal(0, job:wait(), job:err())
    assert.matches("then [%d.]+ 4", job:out())
    local found = of_run()
    assert.are.equal(0, (shell.sh(folder, shell.program .. " verify " .. found)))
    local status, out = rerun(found)
    assert.are.equal(0, status, out)
  end)

  it("is ended by Ctrl-C, and by the loss of the port, with the stimulator safe", function()
    for _, lost in ipairs { false, true } do
      start("two", "byte=5")
      if lost then
        port:close()
      else
        job:signal "INT"
      end
      assert.are.equal(lost and 4 or 5, job:wait(), job:err())
      assert.matches("the stimulator is disarmed", job:err())
      if lost then
        assert.matches("%-%-trigger%-in [^ ]+ is lost", job:err())
      end
      local _, manifest = of_run()
      assert.are.equal(lost and "gone" or "signal", manifest.result.stop)
      assert.are.equal(0, manifest.result.pulses_sent)
      shell.remove(folder .. "/runs")
    end
  end)
end)
