-- run:triggers and run:trigger_count: every trigger, whoever waits for it, and what became of it.
local fixture = require "job"
local logs = require "moonpulse.experiment.trigger_log"
local queues = require "moonpulse.experiment.trigger_queue"
local shell = require "shell"

describe("a script that asks what came", function()
  local folder, jobs, job, port
  fixture.each_test(function(new, list) folder, jobs = new, list end)

  local head = [[
    local mp = require "moonpulse"
    return mp.experiment(function(run)
      local function show(list, gone)
        local t = {}
        for i, e in ipairs(list) do
          t[i] = ("%s:%s"):format(e.byte or e.line .. " " .. e.edge, e.became)
        end
        run:note(("<%s> %s"):format(table.concat(t, " "), gone))
      end
  ]]

  local function write(body)
    shell.write(folder .. "/made.lua", head .. body .. "\nend)\n")
  end

  local function run(body, came)
    write(body)
    shell.write(folder .. "/came.txt", came)
    local status, out, err = shell.sh(folder, ("%s run %s/made.lua --speed max --triggers %s/came.txt "
      .. "--out %s/runs"):format(shell.program, folder, folder, folder))
    local list = {}
    for text in out:gmatch "\n *[%d.]+ s  ([^\n]*)" do
      list[#list + 1] = text
    end
    return status, list, err, out
  end

  it("is told of all, or of what is new for that part, with what became of each", function()
    local status, told, err = run([[
      run:sleep(1.5)
      show(run:triggers())
      run:wait_trigger { byte = 5, timeout = 4 }
      run:sleep(4)
      show(run:triggers { new = true })
      run:spawn(function() show(run:triggers { new = true }) end)
      run:sleep(0.1)
      run:wait_trigger { byte = 5 }
      run:wait_trigger { line = "cts", timeout = 9 }
      show(run:triggers { new = true })
      show(run:triggers())
      show(run:triggers { new = true })
      run:note(("%d %d %d %d %d"):format(run:trigger_count(), run:trigger_count { byte = 5 },
        run:trigger_count { since = 2 }, run:trigger_count { since = 2.000000001, byte = 5 },
        run:trigger_count { byte = 9 }))
    ]], "1 port 7\n2 port 5\n3 port 8\n3.5 port 5\n4 port 6\n8 cts rising\n")
    assert.are.equal(0, status, err)
    assert.are.same({ "<7:passed_over> 0",
      "1 trigger byte came before the script first waited for one: passed over",
      "<5:taken 8:waiting 5:waiting 6:waiting> 0",
      "<7:passed_over 5:taken 8:passed_over 5:passed_over 6:passed_over> 0", -- this part waits for none
      "<cts rising:taken> 0", "<7:passed_over 5:taken 8:passed_over 5:taken 6:waiting cts rising:taken> 0",
      "<> 0", "5 2 4 1 0" }, told)
    local found = fixture.run_in(folder .. "/runs")
    assert.are.equal(0, (shell.sh(folder, shell.program .. " verify " .. found)))
  end)

  it("is told what stim:on_trigger made of them", function()
    local status, told, err, out = run([[
      local stim, pulse = run:device(), mp.pulse(mp.mso(40))
      stim:arm(pulse)
      stim:on_trigger(pulse, { byte = 5, count = 2, refractory = 2, every = 2 })
      show(run:triggers())
    ]], "1 port 5\n2 port 5\n2.5 port 7\n3 port 5\n3.5 port 5\n4 port 5\n6 port 5\n7 port 5\n")
    assert.are.equal(0, status, err)
    assert.are.equal("<5:counted 5:starts 7:passed_over 5:counted 5:refractory 5:counted 5:starts> 0",
      told[#told])
    assert.matches("7 trigger bytes came on [^\n]*, 2 started the plan, 3 counted towards each n%-th, "
      .. "2 passed over: 1 within the refractory time, 1 of another value or not waited for\n", out)
    status, told, err, out = run([[
      local stim, pulse = run:device(), mp.pulse(mp.mso(40))
      stim:arm(pulse)
      stim:on_trigger(pulse, { count = 2, refractory = 2 })
      run:wait_trigger { byte = 6, timeout = 9 }
    ]], "1 port 5\n2 port 5\n4 port 5\n6 port 6\n6.5 port 7\n")
    assert.are.same({ 0, 1 }, { status, #told }, err)
    assert.matches("4 trigger bytes came on [^\n]*, 2 started the plan, 1 taken by the script, "
      .. "1 passed over: 1 within the refractory time\n", out)
  end)

  it("that asks wrongly is told so at its line", function()
    for call, message in pairs {
      ["run:triggers { new = 1 }"] = "run:triggers: new must be true or false, not 1",
      ["run:trigger_count { byte = 256 }"] = "byte must be a whole number from 0 to 255, not 256",
      ["run:trigger_count { since = 0/0 }"] = "since must be seconds from the run's start",
      ["run:trigger_count { before = 1 }"] = "before" } do
      local status, _, err = run(call, "1 port 5\n")
      assert.are.equal(2, status)
      assert.matches("made.lua:%d+: ", err)
      assert.matches(message, err, 1, true)
    end
  end)

  it("in real time decides the same when its run is made again from the record", function()
    port = jobs:port()
    write [[
      run:spawn(function() run:sleep(0.01) run:note "waiting" end)
      run:wait_trigger { byte = 9, timeout = 15 }
      show(run:triggers())
      run:note(("count %d"):format(run:trigger_count { byte = 1 }))
    ]]
    job = jobs:start("job", ("run %s/made.lua --out %s/runs --trigger-in %s"):format(folder, folder,
      port:path()))
    job:says "waiting"
    port:write "\1\2\1\9"
    assert.are.equal(0, job:wait(), job:err())
    assert.matches("<1:passed_over 2:passed_over 1:passed_over 9:taken> 0", job:out(), 1, true)
    assert.matches("count 2", job:out(), 1, true)
    local found = fixture.run_in(folder .. "/runs")
    local status, out = shell.sh(folder, ("%s rerun %s --out %s/again"):format(shell.program, found, folder))
    assert.matches("<1:passed_over 2:passed_over 1:passed_over 9:taken> 0", out, 1, true)
    assert.matches("count 2", out, 1, true)
    assert.are.equal(0, status, out)
  end)
end)

describe("the log of triggers", function()
  it("keeps the last ones one by one, and the numbers of all", function()
    local log = logs.new(10)
    for i = 1, 100 do
      log:push(string.char(i % 2, 7), i)
    end
    local list, gone = log:list("a", false, nil, 0)
    assert.are.same({ 10, 190, 7 }, { #list, gone, list[10].byte })
    assert.are.same({ 200, 100, 50, 0 }, { log:count(), log:count(7), log:count(1), log:count(9) })
    assert.are.same({ 10, 2 }, { log:count(nil, 96), log:count(1, 97) })
    assert.is_nil(log:count(nil, 95))
    for i = 101, 103 do
      log:push("\7\7", i)
    end
    list, gone = log:list("a", true, nil, 0)
    assert.are.same({ 6, 0 }, { #list, gone })
    assert.are.same({ 206, 106 }, { log:count(), log:count(7) })
    list, gone = log:list("b", true, nil, 0)
    assert.are.same({ 10, 196 }, { #list, gone })
  end)

  it("says of a part that fell behind how many it never saw", function()
    local log = logs.new(4)
    log:push("\1", 1)
    log:list("a", true, nil, 0)
    for i = 2, 11 do
      log:push("\1", i)
    end
    local list, gone = log:list("a", true, nil, 0)
    assert.are.same({ 4, 6 }, { #list, gone })
  end)

  it("has whatever the queue was given, by whom it was taken or not", function()
    local queue = queues.new()
    queue:push("\1\2", 10)
    queue:listen "a"
    queue:push("\3\4\5", 20)
    queue:take("a", 4)
    local states = {}
    for i, each in ipairs((queue.log:list("a", false, queue:place "a", 0))) do
      states[i] = each.became
    end
    assert.are.equal("passed_over passed_over passed_over taken waiting", table.concat(states, " "))
  end)
end)
