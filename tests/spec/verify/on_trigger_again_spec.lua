-- Runs in real time with stim:on_trigger, made again: a script that computed before the call, a stop amid it,
-- parts side by side. What is honest is whole, and a call's time that was moved is found.
local core = require "moonpulse.core"
local fixture = require "job"
local resealed = require "resealed"
local shell = require "shell"
local verify = require "moonpulse.verify"

describe("a run with stim:on_trigger that is made again", function()
  local folder, jobs, job, port
  fixture.each_test(function(new, list) folder, jobs = new, list end)

  --- compute(s): as a script that computes so long, on any computer.
  local head = [[
    local mp = require "moonpulse"
    return mp.experiment(function(run)
      local stim, pulse, x = run:device(), mp.pulse(mp.mso(40)), 0
      local function compute(s)
        local since = run:now()
        repeat
          for i = 1, 1000000 do x = x + i % 7 end
          run:sleep(0)
        until run:now() - since > s
      end
  ]]

  local function start(body)
    port = jobs:port()
    shell.write(folder .. "/made.lua", head .. body .. "\nend)\n")
    job = jobs:start("job", ("run %s/made.lua --tolerance 1000 --out %s/runs --trigger-in %s "
      .. "--beyond-guidelines test --approval none"):format(folder, folder, port:path()))
    job:says "at each trigger"
  end

  local function ended(status)
    assert.are.equal(status, job:wait(), job:err())
    return fixture.run_in(folder .. "/runs")
  end

  local function look(run)
    local found, lines = assert(verify.folder(run, {})), {}
    for _, each in ipairs(found.differs) do
      lines[#lines + 1] = ("%s:%s: %s"):format(each.file, each.line or "", each.text)
    end
    return found.verdict, table.concat(lines, "\n") .. table.concat(found.unchecked, "\n")
  end

  local function is_whole(run)
    local verdict, said = look(run)
    assert.are.equal("whole", verdict, said)
  end

  local function is_same(run)
    local status, out, err = shell.moonpulse(folder, ("rerun %s --out %s/again"):format(run, folder))
    assert.are.equal(0, status, out .. err)
  end

  --- What became of the triggers, in their order.
  local function verdicts(run)
    local list = {}
    for _, entry in ipairs(resealed.journal(run)) do
      list[#list + 1] = entry.kind == "trigger" and entry.heard or nil
    end
    return table.concat(list, " ")
  end

  --- A copy of the run in which fields of its line "ahead" are moved by so many seconds.
  local function moved(run, by)
    local copy = folder .. "/copy"
    shell.remove(copy)
    os.execute(("cp -r %s %s"):format(run, copy))
    resealed.edit(copy, function(entries)
      for _, entry in ipairs(entries) do
        for key, seconds in pairs(entry.kind == "ahead" and by or {}) do
          entry[key] = ("%d"):format(math.tointeger(tonumber(entry[key])) + math.floor(seconds * 1e9))
        end
      end
    end)
    return copy
  end

  it("hears at the end of its time, and before it, what it heard, after the script computed", function()
    start [[
      stim:arm(pulse)
      compute(0.3)
      local starts, came = stim:on_trigger(pulse, { byte = 5, count = 5, refractory = 0.2, timeout = 3,
        window = { 1, 9, from = "call" } })
      run:note(("%d of %d"):format(starts, came))]]
    core.wait(0.3)
    port:write "\5"
    core.wait(2.1)
    port:write "\5"
    local run = ended(0)
    assert.are.equal("outside starts", verdicts(run))
    is_whole(run)
    is_same(run)
    for name, by in pairs {
      ["the call later"] = { from_ns = 0.01 }, ["the call earlier"] = { from_ns = -0.01 },
      ["its end later"] = { until_ns = 0.01 }, ["its end earlier"] = { until_ns = -0.01 },
      ["both later"] = { from_ns = 1, until_ns = 1 }, ["both earlier"] = { from_ns = -1, until_ns = -1 },
      ["armed before the call"] = { at_ns = -1 }, ["armed behind a trigger"] = { at_ns = 1 },
      ["all later"] = { from_ns = 1, until_ns = 1, at_ns = 1 } } do
      local verdict, said = look(moved(run, by))
      assert.are.equal("differs", verdict, name .. said)
    end
    local copy = moved(run, {})
    resealed.edit(copy, function(entries)
      for _, entry in ipairs(entries) do
        entry.heard = entry.heard and "starts"
      end
    end)
    local verdict, said = look(copy)
    assert.are.equal("differs", verdict)
    assert.matches("trigger: heard is starts, and the kept text, seed, parameters and answers make outside",
      said, 1, true)
    copy = moved(run, {})
    resealed.edit(copy, function(entries)
      for _, entry in ipairs(entries) do
        entry.until_ns = nil
      end
    end)
    assert.are.equal("differs", (look(copy)))
  end)

  --- As if what was heard so had come so much later: by more than the tolerance is found.
  local function finds_later(run, heard)
    for seconds, expected in pairs { [1.5] = "whole", [3.5] = "differs" } do
      local copy = moved(run, {})
      resealed.edit(copy, function(entries)
        for _, entry in ipairs(entries) do
          if entry.heard == heard then
            entry.at_ns = ("%d"):format(math.tointeger(tonumber(entry.at_ns)) + math.floor(seconds * 1e9))
          end
        end
      end)
      local verdict, said = look(copy)
      assert.are.equal(expected, verdict, heard .. seconds .. said)
    end
  end

  it("passes over what it passed over while a plan was late, and not what came long after it", function()
    start "stim:arm(pulse)\nstim:on_trigger(pulse, { byte = 5, count = 2, refractory = 0.05, delay = 1.5 })"
    port:write "\5"
    core.wait(0.5)
    port:write "\5"
    core.wait(5)
    port:write "\5"
    core.wait(0.5)
    port:write "\5"
    local run = ended(0)
    assert.are.equal("starts busy starts over", verdicts(run))
    is_whole(run)
    finds_later(run, "busy") -- its pulse was planned a second after it, and the tolerance is 1 s
    finds_later(run, "over")
  end)

  it("passes over what came behind the time for triggers while a plan was late", function()
    start [[
      stim:arm(pulse)
      stim:on_trigger(pulse, { byte = 5, count = 2, refractory = 0.05, delay = 4, timeout = 2 })]]
    port:write "\5"
    core.wait(3)
    port:write "\5"
    local run = ended(0)
    assert.are.equal("starts outside", verdicts(run))
    is_whole(run)
    finds_later(run, "outside")
  end)

  it("that was stopped amid the call is whole: while it waits, in a delay, amid a train", function()
    for name, options in pairs { waits = "refractory = 3", delayed = "refractory = 3, delay = 60",
      plays = "refractory = 3" } do
      start(([[
        local train = mp.train { pulses = 20, hz = 10, intensity = mp.mso(40) }
        stim:arm(train)
        compute(0.3)
        stim:on_trigger(train, { byte = 5, count = 5, %s, timeout = 120 })]]):format(options))
      if name ~= "waits" then
        port:write "\6\5"
        shell.await(function()
          local path = fixture.run_in(folder .. "/runs")
          return (shell.read(path .. "/journal.jsonl") or ""):find('"heard":"starts"', 1, true)
        end, "its start")
      end
      job:signal "TERM"
      local run = ended(5)
      is_whole(run)
      local verdict, said = look(moved(run, { until_ns = -1 }))
      assert.are.equal("differs", verdict, name .. said)
      shell.remove(folder .. "/runs")
    end
  end)

  it("has parts that come in another order where nothing takes its time, and each is as it was", function()
    start [[
      local function react(byte)
        local ok
        repeat
          ok = pcall(function()
            local starts, came = stim:on_trigger(pulse, { byte = byte, count = 1, refractory = 0.2,
              timeout = 60 })
            run:note(("%d: %d of %d"):format(byte, starts, came))
          end)
          run:sleep(0.3)
        until ok
      end
      stim:arm(pulse)
      run:spawn(function() -- in the run the second one, which is refused until the first one has its trigger
        compute(0.5)
        react(5)
        stim:fire(pulse)
        run:note "one"
      end)
      run:spawn(function()
        run:sleep(0.2)
        react(6)
        run:note "two"
      end)
      run:wait_trigger { byte = 9 }]]
    core.wait(0.8)
    port:write "\6"
    job:says "two"
    job:says "at each trigger.*at each trigger"
    port:write "\5"
    job:says "one"
    port:write "\9"
    local run = ended(0)
    local text = shell.read(run .. "/journal.jsonl")
    assert.matches('"kind":"refused"', text, 1, true)
    is_whole(run)
    is_same(run)
    local verdict, said = look(moved(run, { from_ns = -0.01 }))
    assert.are.equal("differs", verdict, said)
  end)

  it("is disarmed by another part when it was, and a part is told whether it was armed", function()
    start [[
      stim:arm(pulse)
      run:spawn(function()
        compute(0.6)
        while run:trigger_count() == 0 do run:sleep(0.05) end
        compute(0.3)
        stim:disarm()
        run:mark(("armed: %s"):format(stim:armed()))
      end)
      run:spawn(function()
        for i = 1, 4 do
          run:sleep(0.1)
          run:mark(("%d: %s"):format(i, stim:armed()))
        end
      end)
      compute(0.3)
      local ok = pcall(stim.on_trigger, stim, pulse, { byte = 5, count = 5, refractory = 0.2, timeout = 60 })
      run:mark(("ended %s"):format(ok))
      run:sleep(0.5)
      stim:arm(mp.pulse(mp.mso(50)))
      run:mark(("again: %s"):format(stim:armed()))
      stim:fire(pulse)]]
    port:write "\5"
    local run = ended(0)
    assert.are.equal("starts", verdicts(run))
    local text = shell.read(run .. "/events.tsv")
    for _, mark in ipairs { "armed: false", "ended false", "again: true" } do
      assert.matches(mark, text, 1, true)
    end
    is_whole(run)
    local status, out = shell.moonpulse(folder, ("rerun %s --out %s/again"):format(run, folder))
    assert.matches("decisions   the same", out, 1, true, tostring(status))
  end)
end)
