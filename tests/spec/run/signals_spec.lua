-- Signals in any order and at any moment: the first one stops, later ones change nothing, until the record is
-- closed. What is ignored (nohup) stays ignored; closed streams and terminals that take nothing stop nobody.
local cjson = require "cjson"
local core = require "moonpulse.core"
local fixture = require "job"
local shell = require "shell"

local names = { "INT", "TERM", "HUP" }
local said = { INT = "stopped by Ctrl%-C %(SIGINT%)", TERM = "stopped by SIGTERM", HUP = "stopped by SIGHUP" }

--- Few pulses and far apart: a busy machine answers late.
local function write_slow(folder, pulses)
  local path = ("%s/slow%d.lua"):format(folder, pulses)
  shell.write(path, ('local mp = require "moonpulse"\nreturn mp.protocol { id = "slow", name = "Slow", '
    .. "plan = function() return mp.train { pulses = %d, every = 1, intensity = mp.mso(30) } end }"):format(
    pulses))
  return path
end

describe("signals", function()
  local folder, jobs

  fixture.each_test(function(...) folder, jobs = ... end)

  local function start(name, arguments, before)
    return jobs:start(name, arguments, nil, before)
  end

  local function run_of(out)
    local found = shell.names(out)
    assert.are.equal(1, #found)
    return out .. "/" .. found[1]
  end

  --- From now on, every 10 ms until it has ended, in a process of its own: the first, and when it was taken
  --- (of two that wait the system hands on whichever it likes) the others.
  local function pester(job, first, others)
    local pid = job:pid()
    os.execute(("{ kill -%s %d; while grep -q '^ShdPnd:[[:space:]]*0*[1-9a-f]' /proc/%d/status; do "
      .. "sleep 0.01; done; while kill -%s %d && sleep 0.01 && kill -%s %d; do sleep 0.01; "
      .. "done; } 2>/dev/null &"):format(first, pid, pid, others[1], pid,
      others[2] or others[1], pid))
  end

  it("that follow the first change nothing until the record of a run is closed", function()
    local begun, slow = {}, write_slow(folder, 100)
    for _, first in ipairs(names) do
      for _, second in ipairs(names) do
        local name = first .. second
        begun[#begun + 1] = { first, second, name,
          start(name, ("run %s --tolerance 1000 --out %s/%s.runs"):format(slow, folder, name)) }
      end
    end
    for _, each in ipairs(begun) do
      each[4]:says("timing")
    end
    for _, each in ipairs(begun) do
      pester(each[4], each[1], { each[2] })
    end
    for _, each in ipairs(begun) do
      local first, second, name, job = table.unpack(each)
      assert.are.equal(5, job:wait(), name)
      -- the thread sanitizer may put the first one off until after the second
      local swaps = shell.program:find("sanitize-thread", 1, true) and job:err():find(said[second])
      assert.matches(said[swaps and second or first], job:err(), name)
      local path = run_of(folder .. "/" .. name .. ".runs")
      local manifest = cjson.decode((assert(shell.read(path .. "/manifest.json"))))
      assert.are.same({ "stopped", "signal", true }, { manifest.status, manifest.result.stop,
        manifest.result.disarmed }, name)
      assert.is_string(shell.read(path .. "/report.html"), name)
      assert.is_string(shell.read(path .. "/events.tsv"), name)
    end
  end)

  it("end an experiment, too, and its script's cleaning up", function()
    shell.write(folder .. "/script.lua", [[
local mp = require "moonpulse"
return mp.experiment(function(run)
  local stim = run:device()
  local cleaned <close> = setmetatable({}, { __close = function() print("cleaned") end })
  stim:arm()
  print("now") io.stdout:flush()
  while true do stim:fire(mp.pulse { intensity = mp.mso(40) }) run:sleep(0.1) end
end)]])
    for i, first in ipairs(names) do
      local job = start("e" .. i, ("run %s/script.lua --tolerance 1000 --out %s/e%d.runs"):format(folder,
        folder, i))
      job:says("now")
      pester(job, first, { "TERM", "QUIT" })
      assert.are.equal(5, job:wait())
      assert.matches("cleaned\n", job:out())
      local manifest = cjson.decode((assert(shell.read(run_of(("%s/e%d.runs"):format(folder, i))
        .. "/manifest.json"))))
      assert.are.same({ "stopped", "signal", true }, { manifest.status, manifest.result.stop,
        manifest.result.disarmed })
    end
  end)

  it("let a simulator end by itself: its report, its log, its link", function()
    for _, first in ipairs(names) do
      for _, second in ipairs(names) do
        local name = first .. second
        local job = start("s" .. name, ("sim magventure --link %s/%s --log %s/%s.tsv"):format(folder, name,
          folder, name))
        job:says("stop it with")
        pester(job, first, { second, "QUIT" })
        assert.are.equal(0, job:wait(), name)
        assert.matches("0 pulses, 0 armings, 0 disarmings, 0 settings, 0 commands ignored", job:out(), 1,
          true)
        local _, _, code = os.execute(("test -L %s/%s"):format(folder, name))
        assert.are.equal(1, code, name)
      end
    end
  end)

  it("that were ignored stay so: under nohup a hang-up ends nothing", function()
    local job = start("nohup", ("run %s --tolerance 1000 --out %s/runs"):format(write_slow(folder, 4),
      folder), "trap '' HUP")
    job:says("timing")
    job:signal("HUP")
    assert.are.equal(0, job:wait(), job:err())
    local sim = start("simulator", "sim magventure", "trap '' HUP")
    sim:says("stop it with")
    sim:signal("HUP")
    core.wait(0.1)
    assert.is_false(sim:ended())
    sim:signal("TERM")
    assert.are.equal(0, sim:wait())
  end)
end)

describe("what is around a run", function()
  local folder

  before_each(function()
    folder = shell.folder()
    shell.write(folder .. "/one.lua", 'local mp = require "moonpulse"\nreturn mp.protocol { id = "one", '
      .. 'name = "One", plan = function() return mp.pulse { intensity = mp.mso(30) } end }')
  end)

  after_each(function()
    shell.remove(folder)
  end)

  local function manifest_of(out)
    return fixture.manifest(fixture.run_in(out))
  end

  it("may have any of its streams closed", function()
    for mask = 1, 7 do
      local closed = (mask & 1 > 0 and "0<&- " or "") .. (mask & 2 > 0 and "1>&- " or "")
        .. (mask & 4 > 0 and "2>&-" or "")
      local out = ("%s/c%d"):format(folder, mask)
      local status = shell.sh(folder, ("%s run %s/one.lua --tolerance 1000 --out %s %s"):format(
        shell.quote(shell.program), folder, out, closed))
      assert.are.equal(0, status, closed)
      assert.are.equal("completed", manifest_of(out).status, closed)
      assert.are.equal(1, manifest_of(out).result.pulses_sent, closed)
      local link = ("%s/link%d"):format(folder, mask)
      local status_of_sim = shell.sh(folder, ("%s sim magventure --link %s %s & until test -L %s; do "
        .. "sleep 0.02; done; kill -TERM $!; wait $!"):format(shell.quote(shell.program), link, closed, link))
      assert.are.equal(0, status_of_sim, closed)
    end
  end)

  it("may close the pipe that it writes to", function()
    local status, out = shell.sh(folder, ("{ %s run %s/one.lua --tolerance 1000 --out %s/runs; "
      .. "echo $? >%s/rc; } | true; cat %s/rc"):format(shell.quote(shell.program), folder, folder, folder,
      folder))
    assert.are.same({ 0, "0\n" }, { status, out })
    assert.are.equal("completed", manifest_of(folder .. "/runs").status)
  end)

  it("has none of its files: a script's children get the three streams and what is theirs", function()
    shell.write(folder .. "/script.lua", [[
local mp = require "moonpulse"
return mp.experiment(function(run)
  local stim = run:device()
  stim:arm()
  stim:fire(mp.pulse { intensity = mp.mso(40) })
  local kept = io.open("/proc/self/status")
  for _, how in ipairs { function() return io.popen("ls -l /proc/self/fd"):read("a") end,
    function()
      os.execute("ls -l /proc/self/fd >" .. run.params.folder .. "/fds")
      return io.open(run.params.folder .. "/fds"):read("a")
    end } do
    print(how())
  end
  stim:disarm()
end)]])
    local text = shell.read(folder .. "/script.lua"):gsub("run%.params%.folder", ("%q"):format(folder))
    shell.write(folder .. "/script.lua", text)
    local before = select(2, shell.sh(folder, "ls -l /proc/self/fd"))
    local triggers = core.pty(nil, function() end)
    local status, out, err = shell.moonpulse(folder, ("run %s/script.lua --tolerance 1000 --trigger-in %s "
      .. "--out %s/runs"):format(folder, triggers:path(), folder))
    triggers:close()
    assert.are.equal(0, status, err)
    local seen = 0
    for line in out:gmatch("[^\n]+") do
      local number, target = line:match(" (%d+) %-> (.+)$")
      if number then
        seen = seen + 1
        assert.is_true(tonumber(number) <= 2 or target:match("^/proc/%d+/fd$") ~= nil
          or before:find(" " .. number .. " -> " .. target, 1, true) ~= nil, line)
      end
    end
    assert.is_true(seen >= 8)
  end)

  --- A terminal that nobody reads, held by Ctrl-S: the run's end of it.
  local function held_terminal(name, arguments)
    local terminal = core.pty(nil, function() end)
    os.execute(("stty ixon isig icanon <%s"):format(terminal:path()))
    local job = shell.start(folder, name, ("%s <%s >%s 2>&1"):format(arguments, terminal:path(),
      terminal:path()))
    return job, terminal
  end

  it("may be a terminal that takes nothing (Ctrl-S): a protocol is played, an experiment ends", function()
    shell.write(folder .. "/script.lua", [[
local mp = require "moonpulse"
return mp.experiment(function(run)
  local stim = run:device()
  stim:arm()
  stim:fire(mp.pulse { intensity = mp.mso(40) })
  while true do print(("x"):rep(1000)) run:sleep(0.01) end
end)]])
    local held = {}
    for i, each in ipairs { { "run " .. write_slow(folder, 4), 0, "completed", "finished" },
      { "run " .. write_slow(folder, 100), 5, "stopped", "signal", "TERM" },
      { "run " .. folder .. "/script.lua", 5, "stopped", "stuck" } } do
      local job, terminal = held_terminal("t" .. i, ("%s --tolerance 1000 --out %s/t%d"):format(each[1],
        folder, i))
      held[i] = { job, terminal, each }
    end
    for i, each in ipairs(held) do
      shell.await(function()
        local run = shell.names(("%s/t%d"):format(folder, i))[1]
        local log = run and shell.read(("%s/t%d/%s/twin.tsv"):format(folder, i, run))
        return log and log:find("\tpulse\t", 1, true)
      end, "a pulse")
      each[2]:write("\19")
    end
    core.wait(0.6) -- the screen is written anew every 0.1 s
    for i, each in ipairs(held) do
      local job, terminal, expected = table.unpack(each)
      if expected[5] then
        job:signal(expected[5])
      end
      assert.are.equal(expected[2], job:wait(), expected[1])
      local manifest = manifest_of(("%s/t%d"):format(folder, i))
      assert.are.same({ expected[3], expected[4], true }, { manifest.status, manifest.result.stop,
        manifest.result.disarmed }, expected[1])
      terminal:close()
    end
  end)
end)
