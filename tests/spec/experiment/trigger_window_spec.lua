-- stim:on_trigger with window and gate: which triggers may start a plan, together with every and delay.
local cjson = require "cjson"
local core = require "moonpulse.core"
local fixture = require "job"
local shell = require "shell"

describe("stim:on_trigger", function()
  local folder, jobs, job, port
  fixture.each_test(function(new, list) folder, jobs = new, list end)

  --- Run in virtual time: the onsets of its pulses in seconds, what became of each trigger, the manifest.
  local function run(options, came)
    shell.write(folder .. "/made.lua", ([[
      local mp = require "moonpulse"
      return mp.experiment(function(run)
        local stim, pulse = run:device(), mp.pulse(mp.mso(40))
        stim:arm(pulse)
        stim:on_trigger(pulse, { byte = 5, count = 9, refractory = 0.5, delay = 0.01, %s })
        local t = {}
        for _, each in ipairs(run:triggers()) do t[#t + 1] = each.became end
        run:note("<" .. table.concat(t, " ") .. ">")
      end)
    ]]):format(options))
    shell.write(folder .. "/came.txt", came)
    shell.remove(folder .. "/runs")
    local status, out, err = shell.sh(folder, ("%s run %s/made.lua --speed max --triggers %s/came.txt "
      .. "--out %s/runs"):format(shell.program, folder, folder, folder))
    if status ~= 0 then
      return nil, err
    end
    local found, onsets = fixture.run_in(folder .. "/runs"), {}
    for _, row in ipairs(shell.rows(found .. "/events.tsv")) do
      local us = math.floor(tonumber(row.onset) * 1e6 + 0.5)
      onsets[#onsets + 1] = row.event == "pulse" and us / 1e6 or nil
    end
    local manifest = cjson.decode((assert(shell.read(found .. "/manifest.json"))))
    return onsets, out:match "<([%a_ ]*)>", manifest, found
  end

  local steady = "1 port 5\n3 port 5\n4.9 port 5\n5 port 5\n7 port 5\n9.5 port 5\n11.5 port 5\n"

  it("takes those alone that come at their time after the one before", function()
    local onsets, became, manifest, found = run("window = { 1.9, 2.1 }", steady)
    assert.are.same({ 3.01, 4.91, 7.01, 11.51 }, onsets)
    assert.are.equal("window starts starts window starts window starts", became)
    assert.are.equal(3, manifest.experiment.triggers.on_trigger.window)
    assert.are.equal(0, (shell.sh(folder, shell.program .. " verify " .. found)))
    assert.matches("outside the window from the trigger before", shell.read(found .. "/report.html"))
  end)

  it("counts each n-th of all of them, and the window is asked of the n-th", function()
    local onsets, became = run("window = { 1.9, 2.1 }, every = 2", steady)
    assert.are.same({ 3.01 }, onsets)
    assert.are.equal("counted starts counted window counted window counted", became)
  end)

  it("takes those in a window from the call", function()
    local onsets, became = run('window = { 2, 6, from = "call" }',
      "1 port 5\n3 port 5\n5 port 5\n7 port 5\n")
    assert.are.same({ 3.01, 5.01 }, onsets)
    assert.matches("^outside starts starts", became)
  end)

  for _, line in ipairs { "cts", "dsr", "ri", "cd" } do
    it("takes those that come while a line is high: " .. line, function()
      local onsets, became, manifest, found = run(("gate = %q"):format(line), (
        "1 port 5\n2 %s rising\n"
        .. "3 port 5\n3.2 port 5\n4 port 5\n5 %s falling\n6 port 5\n7 %s rising\n8 port 5\n")
        :format(line, line, line))
      assert.are.same({ 3.01, 4.01, 8.01 }, onsets)
      assert.are.equal("gate starts refractory starts gate starts", became)
      assert.are.equal(2, manifest.experiment.triggers.on_trigger.gate)
      assert.are.equal(0, (shell.sh(folder, shell.program .. " verify " .. found)))
    end)
  end

  local with_modem, no_shim = require "shim".of "modem"

  --- The same on a port, in real time; its lines, if it has any, are what a file says.
  local function start(gate, environment)
    port = jobs:port()
    shell.write(folder .. "/made.lua", ([[
      local mp = require "moonpulse"
      return mp.experiment(function(run)
        local stim, pulse = run:device(), mp.pulse(mp.mso(40))
        stim:arm(pulse)
        run:spawn(function() run:sleep(0.5) run:note "waiting" end)
        stim:on_trigger(pulse, { byte = 5, count = 1, refractory = 0.5, gate = %q, timeout = 20 })
        for _, each in ipairs(run:triggers()) do run:note(each.became) end
      end)
    ]]):format(gate))
    job = jobs:start("job", ("run %s/made.lua --tolerance 1000 --out %s/runs --trigger-in %s")
      :format(folder, folder, port:path()), environment)
  end

  it("looks at the line of the port in real time, and its run can be made again", function()
    if not with_modem then
      return pending(no_shim)
    end
    shell.write(folder .. "/lines", "D")
    start("cts", ("%s MODEM_INPUT=%s/lines"):format(with_modem, folder))
    job:says "waiting"
    port:write "\5"
    core.wait(0.1)
    shell.write(folder .. "/lines", "C")
    port:write "\5"
    assert.are.equal(0, job:wait(), job:err())
    assert.matches("gate\n[^\n]*starts\n", job:out())
    local found = fixture.run_in(folder .. "/runs")
    local manifest = cjson.decode((assert(shell.read(found .. "/manifest.json"))))
    assert.are.equal(1, manifest.result.pulses_sent)
    assert.are.equal(1, manifest.experiment.triggers.on_trigger.gate)
    assert.are.equal(0, (shell.sh(folder, shell.program .. " verify " .. found)))
    local status, out = shell.sh(folder, ("%s rerun %s --out %s/again"):format(shell.program, found, folder))
    assert.are.equal(0, status, out)
  end)

  it("refuses a gate on a port that has no lines", function()
    start "cts"
    assert.are.equal(2, job:wait())
    assert.matches('gate = "cts": .*has no modem lines', job:err())
  end)

  it("refuses what makes no sense, at its line", function()
    for options, message in pairs {
      ["window = { 2 }"] = "window must be { least, most } in seconds",
      ["window = 2"] = "window must be { least, most } in seconds",
      ["window = { 1, 2, 3 }"] = "window must be { least, most } in seconds",
      ["window = { 2, 1 }"] = "the longer time comes second",
      ["window = { -1, 1 }"] = "window[1] must be seconds",
      ['window = { 1, 2, from = "start" }'] = "window must be { least, most } in seconds",
      ['gate = "rts"'] = 'gate must be "cts", "dsr", "ri" or "cd"',
    } do
      local onsets, err = run(options, "1 port 5\n")
      assert.is_nil(onsets)
      assert.matches("made.lua:5: stim:on_trigger: ", err)
      assert.is_truthy(err:find(message, 1, true), err)
    end
  end)
end)
