-- A pause amid the last plan of an experiment comes at the plan's end, whatever the script does behind it,
-- and resume gives nothing twice: judged by what the simulator gave to both runs.
local cjson = require "cjson"
local fixture = require "job"
local shell = require "shell"

describe("a pause amid an experiment's last plan", function()
  local folder, jobs
  fixture.each_test(function(...) folder, jobs = ... end)

  local function fired(path)
    local count = 0
    for _, row in ipairs((shell.rows(path .. "/twin.tsv"))) do
      count = count + (row.event == "pulse" and 1 or 0)
    end
    return count
  end

  local function stop_of(path)
    for line in shell.read(path .. "/journal.jsonl"):gmatch "[^\n]+" do
      local entry = cjson.decode(line)
      if entry.kind == "stop" then
        return entry
      end
    end
  end

  local function is_whole(path)
    local status, out, err = shell.moonpulse(folder, "verify " .. path)
    assert.are.equal(0, status, out .. err)
  end

  --- Run a script, ask for a pause once so many pulses were given, then go on with it: both runs' folders,
  --- and what the pause was.
  ---@param body string of the script, behind its arming
  local function paused(body, count, more, more_of_rest)
    shell.write(folder .. "/made.lua", ([[local mp = require "moonpulse"
      return mp.experiment(function(run)
      local stim, pulse = run:device(), mp.pulse(mp.mso(40))
      local train = mp.train { pulses = 8, hz = 10, intensity = mp.mso(40) }
      stim:arm(pulse)
      %s
      end)]]):format(body))
    local job = jobs:start("run", ("run %s/made.lua --tolerance 5000 --timing host --events --seed 7 %s "
      .. "--out %s/first"):format(folder, more or "", folder))
    shell.await(function()
      local name = shell.names(folder .. "/first")[1]
      local log = name and shell.read(("%s/first/%s/events.tsv"):format(folder, name)) or ""
      return select(2, log:gsub("\t%d+\tpulse\t%d", "")) >= count
    end, count .. " rows of pulses")
    local status, _, err = shell.sh(folder, ("exec %s ctl pause"):format(shell.quote(shell.program)))
    assert.are.equal(0, status, err)
    assert.are.equal(5, job:wait())
    local first = fixture.run_in(folder .. "/first")
    local text
    status, text, err = shell.moonpulse(folder, ("resume %s --speed max %s --out %s/rest"):format(first,
      more_of_rest or "", folder))
    assert.are.equal(0, status, text .. err)
    local rest = fixture.run_in(folder .. "/rest")
    is_whole(first)
    is_whole(rest)
    local result, stop = fixture.manifest(first).result, stop_of(first)
    assert.are.same({ "stopped", "program", "program", true },
      { result.status, result.stop, stop.reason, result.disarmed })
    return { first = first, rest = rest, text = text, reason = result.reason, why = stop.why }
  end

  it("comes at its end, in front of the code and the rests behind it", function()
    local was = paused([[stim:play(train) run:note "past it" run:sleep(60) run:note "over"]], 2)
    assert.matches("^paused by another program %(.*%), behind plan 1$", was.reason)
    assert.are.equal("a pause, behind plan 1", was.why)
    assert.are.same({ 8, 0 }, { fired(was.first), fired(was.rest) })
    assert.is_nil(shell.read(was.first .. "/events.tsv"):find("past it", 1, true))
    for _, note in ipairs { "past it", "over" } do
      assert.is_truthy(shell.read(was.rest .. "/events.tsv"):find(note, 1, true), note)
    end
    assert.is_nil(was.text:find("left out", 1, true))
  end)

  it("comes at its end in a part of the script, while others sleep", function()
    local was = paused([[local done
      run:spawn(function() stim:play(train) done = true run:sleep(1) run:note "the part is over" end)
      while not done do run:sleep(0.2) end
      run:note "the script is over" run:sleep(3)]], 2)
    assert.matches("behind plan 1$", was.reason)
    assert.are.same({ 8, 0 }, { fired(was.first), fired(was.rest) })
    assert.is_truthy(shell.read(was.rest .. "/events.tsv"):find("the part is over", 1, true))
  end)

  it("comes behind the start that goes on where triggers start the plan: the others are left", function()
    local lines = {}
    for i = 1, 6 do
      lines[i] = ("%d port 5\n"):format(i)
    end
    shell.write(folder .. "/triggers", table.concat(lines))
    local was = paused([[run:note(("starts %d, %d"):format(stim:on_trigger(train, { count = 6,
      refractory = 0.9 })))]], 2, "--speed 1.5 --triggers " .. folder .. "/triggers")
    local before = fired(was.first)
    assert.is_true(before >= 8 and before < 48 and before % 8 == 0, before)
    assert.matches(("behind plan %d$"):format(before // 8), was.reason)
    assert.are.equal(48, before + fired(was.rest))
    assert.is_truthy(shell.read(was.rest .. "/events.tsv"):find("starts 6, 6", 1, true))
  end)

  it("comes at once between pulses that something else fires", function()
    local lines = {}
    for i = 1, 6 do
      lines[i] = ("%d device pulse\n"):format(i)
    end
    shell.write(folder .. "/triggers", table.concat(lines))
    local was = paused([[run:note(("watched %d %s"):format(stim:watch(pulse, { count = 6, refractory = 0.5,
      timeout = 20 })))]], 1, "--device sim:magventure --speed 1.5 --triggers " .. folder .. "/triggers")
    local before = fired(was.first)
    assert.is_true(before >= 1 and before < 6)
    assert.matches(("behind plan %d$"):format(before), was.reason)
    assert.are.equal(6, before + fired(was.rest))
  end)
end)
