-- --answers lsl:NAME: a question's answer is the first sample behind the pulse before it, whether it comes
-- before the question or behind it, and no other one. The sender is tests/helpers/lsl_sender.py.
local core = require "moonpulse.core"
local fixture = require "job"
local shell = require "shell"

describe("--answers of a stream of LSL", function()
  local folder, jobs, out, name
  fixture.each_test(function(new, list) folder, jobs = new, list end)

  local function sender(how, commands)
    name, out = "A" .. core.real_ns(), folder .. "/sent"
    shell.write(out .. ".in", commands .. "\n")
    os.execute(("python3 tests/helpers/lsl_sender.py %s %s %s <%s.in 2>%s.err &"):format(name, out, how, out,
      out))
    shell.await(function() return shell.read(out .. ".there") end, "that it is there")
  end

  local function start(body, more)
    shell.write(folder .. "/made.lua", ([[
      local mp = require "moonpulse"
      return mp.experiment(function(run)
        local stim, pulse = run:device(), mp.pulse(mp.mso(40))
        %s
      end)
    ]]):format(body))
    return jobs:start("job", ("run %s/made.lua --tolerance 1000 --out %s/runs --answers lsl:%s %s"):format(
      folder, folder, name, more or ""))
  end

  local function go(job, said, file)
    job:says(said)
    shell.write(out .. "." .. file, "")
  end

  it("is the first one behind each pulse", function()
    sender("format=double64", "until a\nsend 1\nuntil b\nsend 100.5\nsend 2\nuntil c\nsend 200\nsend 3\n"
      .. "until d\nsend 4\nuntil e\nsend -0.25\nsend 5\nuntil f\nsend 77")
    local job = start [[
      stim:arm(pulse)
      run:note "armed"
      run:sleep(0.4)
      for i = 1, 3 do
        stim:fire(pulse)
        run:note("fired " .. i)
        run:sleep(i == 2 and 0.5 or 0)
        run:note("answer " .. run:ask "MEP in uV? [number]")
        run:sleep(0.4)
      end
      run:note "once more" -- without a pulse before it: what came for the last one is not it
      run:note("then " .. run:ask "MEP in uV? [number]")]]
    go(job, "armed", "a")
    go(job, "fired 1", "b") -- the question is open soon
    go(job, "fired 2", "c") -- it opens later
    go(job, "answer 200", "d") -- between an answer and the next pulse
    go(job, "fired 3", "e")
    job:says "once more"
    shell.await(function() return job:out():find "once more.*MEP in uV" end, "the question")
    shell.write(out .. ".f", "")
    assert.are.equal(0, job:wait(), job:err())
    assert.matches("answer 100.5.*answer 200.*answer %-0.25.*then 77", job:out())
    assert.matches("5 samples passed over", job:out(), 1, true)
    local run = fixture.run_in(folder .. "/runs")
    local _, sources = shell.read(run .. "/journal.jsonl"):gsub('"source":"lsl:' .. name, "")
    assert.are.equal(4, sources)
    assert.are.equal(0, (shell.sh(folder, shell.program .. " verify " .. run)))
    local status, said = shell.sh(folder, ("%s rerun %s --out %s/again"):format(shell.program, run, folder))
    assert.are.equal(0, status, said)
  end)

  it("is none that comes before the plan's first pulse is due", function()
    sender("", "until a\nsend 5\nuntil b\nsend 60")
    local job = start [[
      stim:arm(pulse)
      stim:play(mp.mark "S1" .. mp.rest(3) .. pulse)
      run:note "fired"
      run:note("answer " .. run:ask "MEP in uV? [number]")]]
    job:says "1 pulse: 40"
    core.wait(1) -- the plan has begun, and its pulse is not due yet
    shell.write(out .. ".a", "")
    go(job, "fired", "b")
    assert.are.equal(0, job:wait(), job:err())
    assert.matches("answer 60", job:out())
    assert.matches('the sample "5" is no answer (none was waited for): passed over', job:out(), 1, true)
  end)

  it("is a number, if the question takes one; what is none is passed over and said", function()
    sender("", "until a\nsend n/a\nsend 60\nuntil b\nsend 900")
    local job = start [[
      stim:arm(pulse)
      for i = 1, 2 do
        stim:fire(pulse)
        run:note("fired " .. i)
        run:note("answer " .. run:ask "MEP in uV? [number]")
      end]]
    go(job, "fired 1", "a")
    go(job, "fired 2", "b")
    assert.are.equal(0, job:wait(), job:err())
    assert.matches("answer 60.*answer 900", job:out())
    assert.matches('the sample "n/a" is no answer (it takes a number, like 2.5): passed over', job:out(), 1,
      true)
  end)

  it("comes out of a flood, and nothing is late for it", function()
    sender("", "until a\ncount 60000\nuntil b\nsleep 0.5\nsend 7777")
    local job = start [[
      stim:arm(pulse)
      stim:fire(pulse)
      run:note "fired"
      run:note("first " .. run:ask "MEP in uV? [number 0 to 255]")
      run:note("then " .. run:ask "MEP in uV? [number 1000 to 9999]")]]
    go(job, "fired", "a")
    go(job, "first", "b")
    assert.are.equal(0, job:wait(), job:err())
    assert.matches("first %d+.*then 7777", job:out())
    assert.matches("samples passed over, of which [%d,]+ samples came too fast to be looked at", job:out())
  end)

  it("is for real time and for experiments", function()
    sender("", "send 1")
    assert.are.equal(2, start("run:ask 'x'", "--speed max"):wait())
    assert.matches("take --answers FILE", shell.read(folder .. "/job.err") or "", 1, true)
    local status, _, err = shell.sh(folder, ("%s run itbs600 --amt 50 --answers lsl:a"):format(shell.program))
    assert.are.equal(2, status)
    assert.matches("--answers is for experiments", err, 1, true)
  end)
end)
