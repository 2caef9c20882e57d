-- p pauses a run behind the trial that goes on, and resume goes on with the next one: on a terminal, against
-- what the simulator gave.
local core = require "moonpulse.core"
local fixture = require "job"
local shell = require "shell"

describe("the key p", function()
  local folder, jobs
  fixture.each_test(function(...) folder, jobs = ... end)

  --- A run on a terminal: what it shows, and what types there.
  local function begin(plan, more)
    shell.write(folder .. "/made.lua", ('local mp = require "moonpulse"\nreturn mp.protocol { id = "made", '
      .. 'name = "Made", plan = function() return %s end }\n'):format(plan))
    local seen = {}
    local terminal = core.pty(nil, function(bytes) seen[#seen + 1] = bytes end)
    os.execute(("stty -icanon -echo <%s"):format(terminal:path()))
    local job = jobs:start("run", ("run %s/made.lua --tolerance 5000 --timing host --out %s/runs %s <%s >%s "
      .. "2>&1"):format(folder, folder, more or "", terminal:path(), terminal:path()))
    local function pulses()
      local name = shell.names(folder .. "/runs")[1]
      local log = name and shell.read(("%s/runs/%s/twin.tsv"):format(folder, name)) or ""
      return select(2, log:gsub("\tpulse\t", ""))
    end
    return { job = job, terminal = terminal, pulses = pulses, says = function(text)
      shell.await(function() return table.concat(seen):find(text, 1, true) end, text)
    end, after = function(count)
      shell.await(function() return pulses() >= count end, count .. " pulses")
    end }
  end

  local three = "mp.train { pulses = 10, hz = 5, intensity = mp.mso(40) }:times(3, { gap = 2 })"

  it("stops behind the trial that goes on; resume goes on with the next", function()
    local run = begin(three)
    run.says "p pauses behind the trial, and resume goes on"
    run.after(3)
    run.terminal:write "p"
    run.says "pauses behind trial 1, in "
    assert.are.equal(5, run.job:wait())
    assert.are.equal(10, run.pulses())
    local path = fixture.run_in(folder .. "/runs")
    local result = fixture.manifest(path).result
    assert.are.same({ "stopped", "key", "paused by a key (p), behind trial 1", true },
      { result.status, result.stop, result.reason, result.disarmed })
    run.terminal:close()
    local status, out, err = shell.moonpulse(folder, ("resume %s --speed max --out %s/rest"):format(path,
      folder))
    assert.are.equal(0, status, out .. err)
    assert.is_nil(out:find("left out", 1, true))
    assert.matches("\ngoes on +with trial 2: 20 pulses", out)
  end)

  it("is no pause amid parts side by side, where no run could begin", function()
    local run = begin("mp.together { ['0'] = mp.pulse(mp.mso(40)):times(3, { every = 1 }), "
      .. "['1'] = mp.rest(0.5) .. mp.pulse(mp.mso(30)):times(3, { every = 1 }) }", "--device sim:stimjim "
      .. "--device-option full_scale_ua=1000")
    run.after(2)
    run.terminal:write "p"
    run.says "no pause: the last trial goes on"
    run.terminal:write "pp"
    assert.are.equal(0, run.job:wait())
    assert.are.equal(6, run.pulses())
    run.terminal:close()
  end)

  it("is taken back by another one", function()
    local run = begin(three)
    run.after(3)
    run.terminal:write "p"
    run.says "pauses behind trial 1, in "
    run.terminal:write "p"
    run.says "no pause: the run goes on"
    run.after(11)
    run.terminal:write "P"
    run.says "pauses behind trial 2, in "
    assert.are.equal(5, run.job:wait())
    assert.are.equal(20, run.pulses())
    run.terminal:close()
  end)

  it("says so where the last trial goes on, and where trials follow one another without a silence", function()
    local run = begin "mp.pulse(mp.mso(40)):times(3, { every = 0.08 }):times(4, { gap = 1 })"
    run.after(2)
    run.terminal:write "p" -- between pulses 0.08 s apart there is no pause
    run.says "pauses behind trial 3, in "
    run.terminal:write "p"
    run.after(10)
    run.terminal:write "p"
    run.says "no pause: the last trial goes on; q stops it"
    assert.are.equal(0, run.job:wait())
    assert.are.equal(12, run.pulses())
    run.terminal:close()
  end)
end)
