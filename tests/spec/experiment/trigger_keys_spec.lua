-- --trigger-in keys: what is typed at the run's terminal are triggers, but for the keys that stop it. The
-- pulses are the simulator's own.
local core = require "moonpulse.core"
local fixture = require "job"
local shell = require "shell"

describe("keys as triggers", function()
  local folder, jobs, terminal
  fixture.each_test(function(new, list) folder, jobs = new, list end)
  after_each(function()
    if terminal then
      terminal:close()
      terminal = nil
    end
  end)

  local function write(body)
    shell.write(folder .. "/made.lua", 'local mp = require "moonpulse"\n' .. body)
  end

  --- A run on a terminal.
  local function begin(more)
    local seen = {}
    terminal = core.pty(nil, function(bytes) seen[#seen + 1] = bytes end)
    os.execute(("stty -icanon -echo <%s"):format(terminal:path()))
    local job = jobs:start("run", ("run %s/made.lua --tolerance 5000 --trigger-in keys --out %s/runs %s <%s "
      .. ">%s 2>&1"):format(folder, folder, more or "", terminal:path(), terminal:path()))
    return job, function(text)
      shell.await(function() return table.concat(seen):find(text, 1, true) end, text)
    end
  end

  local function pulses(found)
    return select(2, shell.read(found .. "/twin.tsv"):gsub("\tpulse\t", ""))
  end

  local triggered = [[return mp.experiment(function(run)
    local stim, pulse = run:device(), mp.pulse(mp.mso(40))
    stim:arm(pulse)
    run:spawn(function() run:sleep(0.3) run:note "waiting" end)
    stim:on_trigger(pulse, { byte = 53, count = 1, refractory = 0.5, timeout = 20 })
    local _, byte = run:wait_trigger { timeout = 20 }
    local t = {}
    for i, each in ipairs(run:triggers()) do t[i] = string.char(each.byte) .. each.became end
    run:note(byte .. " " .. table.concat(t, " "))
  end)]]

  it("start a plan, each once, and the run can be made again", function()
    write(triggered)
    local job, says = begin()
    says "waiting"
    terminal:write "t\27[A\27[15~5"
    core.wait(0.3)
    terminal:write "x"
    assert.are.equal(0, job:wait())
    says "120 tpassed_over 5starts xtaken"
    local found = fixture.run_in(folder .. "/runs")
    assert.are.equal(1, pulses(found))
    assert.are.equal(0, (shell.sh(folder, shell.program .. " verify " .. found)))
    local status, out = shell.sh(folder, ("%s rerun %s --out %s/again"):format(shell.program, found, folder))
    assert.are.equal(0, status, out)
  end)

  it("that are no letter are nothing, also in two parts, and so is Enter", function()
    write [[return mp.experiment(function(run)
      local came = {}
      run:note "waiting"
      repeat
        came[#came + 1] = select(2, run:wait_trigger { timeout = 20 })
      until came[#came] == 120
      run:note("came " .. string.char(table.unpack(came)))
    end)]]
    local job, says = begin()
    says "waiting"
    for _, part in ipairs { "\27[[A", "\27", "OQ", "\27OP", "5\n", "\27[", "A", "\27[1;", "2Q", "\27a",
      "6\r", "\27[15~7", "x" } do
      terminal:write(part)
      core.wait(0.05)
    end
    assert.are.equal(0, job:wait())
    says "came 5a67x"
    local found = fixture.run_in(folder .. "/runs")
    assert.are.equal(0, (shell.sh(folder, shell.program .. " verify " .. found)))
  end)

  it("stop the run behind what begins a key's sequence", function()
    local letters_of = require("moonpulse.run.key_letters").new
    for typed, letters in pairs { ["\27[q"] = "q", ["\27O "] = " ", ["\27q"] = "q", ["\27Q"] = "Q",
      ["\27\27[Aq"] = "q", ["\27[200~pq\27[201~"] = "pq", ["\27[\n5"] = "\n5", ["\27[[Bp"] = "p",
      ["\27[1\27[B5"] = "5" } do
      assert.are.equal(letters, letters_of()(typed))
      local each, read = {}, letters_of()
      for byte in typed:gmatch "." do
        each[#each + 1] = read(byte)
      end
      assert.are.equal(letters, table.concat(each))
    end
  end)

  it("that stop the run stop it, and start nothing", function()
    write(triggered)
    local job, says = begin()
    says "waiting"
    terminal:write "5q\n" -- a line at once, as a box types it
    assert.are.equal(5, job:wait())
    assert.are.equal(0, pulses(fixture.run_in(folder .. "/runs")))
  end)

  it("start a protocol", function()
    write "return mp.pulse(mp.mso(40))\n"
    local job, says = begin "--start-on byte=116"
    says "waiting"
    terminal:write "5"
    core.wait(0.1)
    terminal:write "t"
    assert.are.equal(0, job:wait())
    says "byte 116 came"
    local found = fixture.run_in(folder .. "/runs")
    assert.are.equal(1, pulses(found))
    assert.are.equal(1, fixture.manifest(found).start.passed_over)
  end)

  it("are in the file of --triggers, and need a terminal", function()
    write(triggered)
    shell.write(folder .. "/keys.txt", "1 key t\n2 key 5\n3 key x\n")
    local status, out, err = shell.sh(folder, ("%s run %s/made.lua --triggers %s/keys.txt --speed max --out "
      .. "%s/runs"):format(shell.program, folder, folder, folder))
    assert.are.equal(0, status, err)
    assert.matches("120 tpassed_over 5starts xtaken", out, 1, true)
    assert.are.equal(1, pulses(fixture.run_in(folder .. "/runs")))
    shell.write(folder .. "/keys.txt", "1 key F1\n")
    status, out, err = shell.sh(folder, ("%s run %s/made.lua --triggers %s/keys.txt --speed max"):format(
      shell.program, folder, folder))
    assert.are.equal(2, status)
    assert.are.equal("", out)
    assert.matches('"F1" is no key: one letter or digit', err, 1, true)
    status, out, err = shell.sh(folder, ("%s run %s/made.lua --trigger-in keys --out %s/none"):format(
      shell.program, folder, folder))
    assert.are.equal(2, status)
    assert.is_nil(out:find("sent", 1, true))
    assert.matches("keys are typed at a terminal", err, 1, true)
  end)
end)
