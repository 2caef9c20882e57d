-- --trigger-in lsl:NAME: each sample of a stream of LSL is a trigger, once, for whatever waits for it,
-- whatever else its sender does. The sender knows the protocol from its description
-- (tests/helpers/lsl_sender.py).
local cjson = require "cjson"
local core = require "moonpulse.core"
local fixture = require "job"
local shell = require "shell"

describe("--trigger-in of a stream of LSL", function()
  local folder, jobs, count
  fixture.each_test(function(new, list) folder, jobs, count = new, list, 0 end)

  --- Begin to send: what lsl_sender.py says; its stream's name, which nobody else has.
  local function sender(how, commands)
    count = count + 1
    local name = ("T%d_%d"):format(core.real_ns(), count)
    local out = ("%s/s%d"):format(folder, count)
    shell.write(out .. ".in", commands .. "\n")
    os.execute(("python3 tests/helpers/lsl_sender.py %s %s %s <%s.in 2>%s.err &"):format(name, out, how, out,
      out))
    shell.await(function() return shell.read(out .. ".there") end, "that it is there")
    return name, out
  end

  local function script(body)
    shell.write(folder .. "/made.lua", ([[
      local mp = require "moonpulse"
      return mp.experiment(function(run)
        local stim, pulse = run:device(), mp.pulse(mp.mso(40))
        %s
      end)
    ]]):format(body))
  end

  local function start(from, more, name)
    return jobs:start(name or "job", ("run %s/made.lua --tolerance 1000 --out %s/%s --trigger-in \"%s\" %s")
      :format(folder, folder, name or "runs", from, more or ""))
  end

  local function told(path)
    return shell.await(function()
      return shell.read(path .. ".err") ~= "" and error(shell.read(path .. ".err")) or shell.read(path)
    end, "that all was sent")
  end

  it("gives 10,000 samples once each and in their order, in either protocol", function()
    script [[
      local n, bad, list = 0, 0, nil
      run:spawn(function() run:sleep(0.2) run:note "waiting" end)
      run:wait_trigger { byte = 255, timeout = 30 }
      repeat run:sleep(0.05) list = run:triggers() until #list >= 10000
      run:sleep(0.3)
      for i, each in ipairs(run:triggers()) do
        n = n + 1
        bad = bad + (each.byte == (i - 1) % 256 and 0 or 1)
      end
      run:note(("%d came, %d wrong"):format(n, bad))]]
    for i, how in ipairs { "format=string channels=2", "format=double64 version=100" } do
      local name, out = sender(how, "until go\ncount 10000")
      local job = start("lsl:" .. name, nil, "j" .. i)
      job:says "waiting"
      shell.write(out .. ".go", "")
      assert.are.equal(0, job:wait(), job:err())
      assert.matches("10000 came, 0 wrong", job:out(), 1, true)
      local run = fixture.run_in(("%s/j%d"):format(folder, i))
      local facts = fixture.manifest(run).experiment.triggers
      assert.are.equal(10000, facts.came)
      assert.are.same({ name = ('"%s" of here'):format(name), connections = 1, samples = 10000,
        not_bytes = 0 }, facts.stream)
      assert.are.equal(10000, cjson.decode(told(out)).samples)
    end
  end)

  it("starts plans, by numbers, digits and what is named; the rest is passed over, and said once", function()
    script [[
      stim:arm(pulse)
      local starts, came = stim:on_trigger(pulse, { byte = 5, count = 3, refractory = 0.2, timeout = 30 })
      local t = {}
      for i, each in ipairs(run:triggers()) do t[i] = ("%d %s"):format(each.byte, each.became) end
      run:note(("%d of %d: "):format(starts, came) .. table.concat(t, ", "))]]
    local name, out = sender("", "sleep 0.5\nsend 7\nsend go\nsend  5\nsend hello\n"
      .. "send 256\nsend -1\nsleep 0.5\nsend 5\nsend go!\nsleep 0.5\nsend 05")
    local job = start("lsl:" .. name .. ";go=5;=x=9")
    assert.are.equal(0, job:wait(), job:err())
    assert.matches("3 of 4: 7 passed_over, 5 starts, 5 refractory, 5 starts, 5 starts", job:out(), 1, true)
    assert.are.equal(1, select(2, job:out():gsub("is no byte", "")))
    assert.matches('a sample "hello" is no byte', job:out(), 1, true)
    assert.matches("4 samples of the stream were no byte", job:out(), 1, true)
    local run = fixture.run_in(folder .. "/runs")
    local facts = fixture.manifest(run).experiment.triggers
    assert.are.same({ 5, 9, 4 }, { facts.came, facts.stream.samples, facts.stream.not_bytes })
    assert.are.equal(3, select(2, shell.read(run .. "/twin.tsv"):gsub("\tpulse\t", "")))
    assert.are.equal(0, (shell.sh(folder, shell.program .. " verify " .. run)))
    local status, said = shell.sh(folder, ("%s rerun %s --out %s/again"):format(shell.program, run, folder))
    assert.are.equal(0, status, said)
    assert.are.equal(9, cjson.decode(told(out)).samples)
  end)

  it("goes on with a stream that was lost, ended amid garbage or came back, each told", function()
    script [[
      run:spawn(function() run:sleep(0.2) run:note "waiting" end)
      for _ = 1, 4 do
        local _, byte = run:wait_trigger { timeout = 30 }
        run:note(("got %d"):format(byte))
      end]]
    local source = "box" .. core.real_ns()
    local _, out = sender("format=int32 source=" .. source, "until go\nsend 1\nsleep 0.3\nend\nsend 2\n"
      .. "raw 030303\nsleep 0.5\nend\nsend 3\nsleep 0.3\nleave\nsend 4")
    local job = start("lsl:source_id=" .. source)
    job:says "waiting"
    shell.write(out .. ".go", "")
    job:says "got 3"
    shell.write(out .. ".back", "")
    assert.are.equal(0, job:wait(), job:err())
    assert.matches("got 1.*got 2.*got 3.*got 4", job:out())
    assert.matches("is received.*was lost .it has ended.*is received.*was lost .it sent something that is no "
      .. "sample.*is received.*was lost .it has ended", job:out())
    assert.matches("it was lost and found again 3 times", job:out(), 1, true)
    assert.are.equal(4, cjson.decode(told(out)).receivers)
  end)

  it("starts a run, and stops at once while nobody answers", function()
    shell.write(folder .. "/made.lua", 'local mp = require "moonpulse"\nreturn mp.pulse(mp.mso(40))\n')
    local name, out = sender("format=float32", "until go\nsend 4\nsend 5")
    local job = start("lsl:" .. name, "--start-on byte=5 --timeout 30")
    job:says "for byte 5 from lsl:"
    shell.write(out .. ".go", "")
    assert.are.equal(0, job:wait(), job:err())
    assert.are.equal(1, fixture.manifest(fixture.run_in(folder .. "/runs")).result.pulses_sent)
    local deaf = sender("deaf", "send 1")
    for i, from in ipairs { deaf, "nobody" .. deaf } do
      job = start("lsl:" .. from, "--start-on byte=5", "deaf" .. i)
      shell.await(function() return shell.names(("%s/deaf%d"):format(folder, i))[1] end, "that it began")
      local begun_ns = core.real_ns()
      job:signal "INT"
      assert.are.equal(5, job:wait(), job:err())
      assert.is_true(core.real_ns() - begun_ns < 4e9, "it waited for the stream, and not for the stop")
    end
  end)

  it("is refused with its reason, where it makes no sense", function()
    script "run:wait_trigger { timeout = 1 }"
    local two = "two" .. core.real_ns()
    sender("source=a type=" .. two, "send 1")
    sender("source=b type=" .. two, "send 1")
    local list = {}
    for from, why in pairs {
      ["lsl:" .. sender("rate=100", "send 1")] = "it has samples at a fixed rate",
      ["lsl:" .. sender("lie format=int16", "send 1")] = "its samples are not written as it says",
      ["lsl:" .. sender("nobody", "send 1")] = "it answers 404",
      ["lsl:type=" .. two] = "two streams are that: source_id=",
      ["lsl:"] = "lsl: and a stream's name is needed",
      ["lsl:a;go=300"] = "a sample's text and its byte are needed",
    } do
      list[#list + 1] = { start(from, nil, "r" .. #list), why }
    end
    for _, each in ipairs(list) do
      assert.are.equal(4, each[1]:wait(), each[2])
      assert.matches(each[2], each[1]:err(), 1, true)
    end
    local status, _, err = shell.sh(folder, ("%s run %s/made.lua --trigger-in lsl:a --speed max"):format(
      shell.program, folder))
    assert.are.equal(2, status)
    assert.matches("virtual time has none", err, 1, true)
  end)
end)
