-- A storm of bytes while a plan waits for triggers: the run goes on, starts what it may, and every byte is
-- counted once, by an account that this spec keeps of what it sends.
local cjson = require "cjson"
local core = require "moonpulse.core"
local fixture = require "job"
local queues = require "moonpulse.experiment.trigger_queue"
local shell = require "shell"

local folder, jobs
fixture.each_test(function(new, list) folder, jobs = new, list end)

local function write(body)
  shell.write(folder .. "/made.lua", 'local mp = require "moonpulse"\nreturn mp.experiment(function(run)\n'
    .. "local stim, pulse = run:device(), mp.pulse(mp.mso(40))\nstim:arm(pulse)\n" .. body
    .. "\nstim:disarm() end)\n")
end

local function journal_of(record)
  local list = {}
  for line in io.lines(record .. "/journal.jsonl") do
    list[#list + 1] = cjson.decode(line)
  end
  return list
end

describe("stim:on_trigger in a storm in virtual time", function()
  local storms, each, apart_s = 20, 2500, 0.02

  --- Bytes of some values, drawn from a seed.
  local function drawn()
    local bytes, seed = {}, 7
    for i = 1, storms * each do
      seed = (seed * 1103515245 + 12345) % 2147483648
      bytes[i] = ({ 1, 7, 2, 9, 7, 200 })[seed // 65536 % 6 + 1]
    end
    return bytes
  end

  local function play(bytes, runs)
    local lines = {}
    for i, byte in ipairs(bytes) do
      lines[i] = ("%.6f port %d"):format(1 + (i - 1) // each * apart_s, byte)
    end
    shell.write(folder .. "/came.txt", table.concat(lines, "\n") .. "\n")
    local status, out, err = shell.moonpulse(folder, ("run %s/made.lua --seed 1 --speed max --triggers "
      .. "%s/came.txt --beyond-guidelines test --approval none --out %s/%s"):format(folder, folder, folder,
      runs))
    assert.are.equal(0, status, err)
    return out, fixture.run_in(folder .. "/" .. runs)
  end

  it("counts every byte, gives other parts each one, and has the same record each time", function()
    write [[
      local heard = 0
      run:spawn(function() while run:wait_trigger { byte = 9, timeout = 3 } do heard = heard + 1 end end)
      run:sleep(0.1)
      local starts, came = stim:on_trigger(pulse, { byte = 7, count = 99, refractory = 0.1, timeout = 3 })
      run:sleep(4)
      run:note(("%d of %d, %d of 9"):format(starts, came, heard))
      run:note(("%d %d %d"):format(run:trigger_count(), run:trigger_count { byte = 7 },
        run:trigger_count { byte = 200 }))
      local list, gone = run:triggers()
      local text = {}
      for i, one in ipairs(list) do text[i] = one.byte .. one.became end
      run:note(("%d gone, %d kept: %s"):format(gone, #list, table.concat(text, " ", #list - 999)))
    ]]
    local bytes = drawn()
    local by, became, starts = { [7] = 0, [9] = 0, [200] = 0 }, {}, 0
    for i, byte in ipairs(bytes) do
      by[byte] = (by[byte] or 0) + 1
      local storm = (i - 1) // each
      local may = storm % 5 == 0 and starts == storm // 5 -- the refractory time is five storms long
      starts = starts + (byte == 7 and may and 1 or 0)
      became[i] = byte .. (byte == 7 and (may and "starts" or "refractory") or byte == 9 and "taken"
        or "passed_over")
    end
    local out, record = play(bytes, "runs")
    assert.are.equal(storms / 5, starts)
    assert.matches(("%d of %d, %d of 9\n"):format(starts, by[7], by[9]), out, 1, true)
    assert.matches(("%d %d %d\n"):format(#bytes, by[7], by[200]), out, 1, true)
    assert.matches(("%d gone, 10000 kept: %s\n"):format(#bytes - 10000,
      table.concat(became, " ", #became - 999)), out, 1, true)

    local of = fixture.manifest(record).experiment.triggers
    assert.are.same({ #bytes, by[7] + by[9] }, { of.came, of.taken })
    of.on_trigger.reaction_us = nil
    assert.are.same({ starts = starts, refractory = by[7] - starts }, of.on_trigger)
    local told, order = { starts = 0, refractory = 0 }, {}
    for _, entry in ipairs(journal_of(record)) do
      if entry.kind == "trigger" and entry.heard then
        told[entry.heard] = told[entry.heard] + (entry.count or 1)
      end
      order[#order + 1] = (entry.kind == "play" or entry.heard == "starts") and (entry.heard or "play") or nil
    end
    assert.are.same({ starts = starts, refractory = by[7] - starts }, told)
    assert.are.equal(("play starts "):rep(starts), table.concat(order, " ") .. " ")

    local _, again = play(bytes, "again")
    for _, name in ipairs { "events.tsv", "twin.tsv" } do
      assert.are.equal(shell.read(record .. "/" .. name), shell.read(again .. "/" .. name))
    end
    local verified, said = shell.moonpulse(folder, "verify " .. record)
    assert.are.equal(0, verified, said)
  end)
end)

describe("stim:on_trigger in a storm in real time", function()
  local job, port

  --- Bytes as fast as the port takes them, until the job has what it waits for; how many, and how many of 7.
  local function storm(is_over)
    local block = (("\1\2\200"):rep(330) .. "\7"):rep(4)
    local sent, sevens, rest = 0, 0, ""
    shell.await(function()
      for _ = 1, 8 do
        rest = rest == "" and block or rest
        local ok, _, _, written = port:write(rest)
        written = ok and #rest or written or 0
        sent = sent + written
        sevens = sevens + select(2, rest:sub(1, written):gsub("\7", ""))
        rest = rest:sub(written + 1)
      end
      return is_over(sent) or nil
    end, "the end of the storm")
    return sent, sevens
  end

  local function start(body)
    write(body)
    port = jobs:port()
    job = jobs:start("job", ("run %s/made.lua --tolerance 1000 --out %s/runs --trigger-in %s "
      .. "--beyond-guidelines test --approval none"):format(folder, folder, port:path()))
    job:says "at each trigger"
  end

  it("gives what it may and ends by itself; every byte is counted", function()
    start [[
      local starts = stim:on_trigger(pulse, { byte = 7, count = 4, refractory = 0.3 })
      run:note(("given %d"):format(starts))
      run:wait_trigger { byte = 9, timeout = 100 }
      run:note(("all %d"):format(run:trigger_count()))
    ]]
    local sent = storm(function(sent)
      return sent > 1000000 and job:out():match "given" or job:ended()
    end)
    repeat
      local ok = port:write "\9"
      core.wait(0.001)
    until ok
    assert.are.equal(0, job:wait(), job:err())
    local record = fixture.run_in(folder .. "/runs")
    local of = fixture.manifest(record).experiment.triggers
    assert.are.equal(4, of.on_trigger.starts)
    assert.are.equal(sent + 1, of.came)
    assert.matches(("all %d\n"):format(sent + 1), job:out(), 1, true)
    local pulses = 0
    for _, row in ipairs(shell.rows(record .. "/twin.tsv")) do
      pulses = pulses + (row.event == "pulse" and 1 or 0)
    end
    assert.are.equal(4, pulses)
    local verified, said = shell.moonpulse(folder, "verify " .. record)
    assert.are.equal(0, verified, said)
  end)

  it("is stopped by a signal as ever", function()
    start "stim:on_trigger(pulse, { byte = 7, count = 400, refractory = 0.3 })"
    local stopped = false
    storm(function(sent)
      if sent > 200000 and not stopped then
        stopped = true
        job:signal "TERM"
      end
      return job:ended()
    end)
    assert.are.equal(5, job:wait(), job:err())
    local result = fixture.manifest(fixture.run_in(folder .. "/runs")).result
    assert.are.same({ "signal", true }, { result.stop, result.disarmed })
  end)
end)

describe("bytes that came too fast to be told", function()
  it("are counted, and whoever waits hears how many it missed", function()
    local queue = queues.new()
    queue:listen "a"
    queue:push("\1\7", 10, "\1\7", 1)
    queue:lose({ byte = 1, heard = "other", count = 30 }, 40)
    queue:lose({ byte = 7, heard = "refractory", count = 12 }, 40)
    queue:push("\1\7\1", string.pack("jjj", 50, 60, 70), "\1\7\1", 1)
    assert.are.same({ 47, 14, 30 }, { queue.came, queue.taken, queue.dropped })
    assert.are.equal(42, queue:listen "a")
    assert.are.same({ 10, 1, true }, { queue:take("a", 1) })
    assert.are.same({ 50, 1, true }, { queue:take("a", 1) })
    assert.are.same({ 60, 7, false }, { queue:take "a" }) -- the plan was given it before
    assert.are.same({ 47, 33, 14 }, { queue.log:count(), queue.log:count(1), queue.log:count(7) })
    assert.are.same({ 3, 2 }, { queue.log:count(nil, 50), queue.log:count(nil, 51) })
    assert.is_nil(queue.log:count(nil, 40))
    local list, gone = queue.log:list("b", true, nil, 0)
    assert.are.same({ 5, 42, 60e-9, "refractory" }, { #list, gone, list[4].at, list[4].became })
    queue:lose({ byte = 1, heard = "other", count = 5 }, 80)
    list, gone = queue.log:list("b", true, nil, 0)
    assert.are.same({ 0, 5 }, { #list, gone })
  end)
end)

describe("sums of triggers", function()
  it("are by byte and verdict, in the order of their first ones", function()
    local names = core.heard
    assert.are.same({ "starts", "other", "over" }, { names[0], names[1], names[8] })
    local sums = core.trigger_sums("\5\6\5\5\6", "\7\1\3\7\7", 1, 5)
    assert.are.same({ { byte = 5, heard = names[7], count = 2, first = 1, last = 4 },
      { byte = 5, heard = names[3], count = 1, first = 3, last = 3 },
      { byte = 6, heard = names[7], count = 1, first = 5, last = 5 } }, sums)
    assert.are.same({}, core.trigger_sums("\5", "\0", 2, 1))
    assert.has_error(function() core.trigger_sums("\5", "\0\0", 1, 1) end)
    assert.has_error(function() core.trigger_sums("\5", "\0", 1, 2) end)
    local counts = { [5] = 1 }
    core.byte_counts("\5\255\5", counts)
    assert.are.same({ [5] = 3, [255] = 1 }, counts)
  end)
end)
