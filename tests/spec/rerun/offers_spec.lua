-- What the end of a run, or recover, offers works: the command that "goes on with the rest" is not refused,
-- whatever the run was and however it ended. And what resume would do is offered, unless nothing is left.
local core = require "moonpulse.core"
local fixture = require "job"
local lfs = require "lfs"
local shell = require "shell"

local protocol = [[local mp = require "moonpulse"
  return mp.pulse(mp.mso(40)):times(%d, { every = %s })]]
local experiment = [[local mp = require "moonpulse"
  return mp.experiment(function(run)
    local stim = run:device()
    stim:arm()
    for i = 1, %d do
      stim:fire(mp.pulse(mp.mso(40)))
      run:sleep(%s)
      if i == tonumber("%s") then %s end
    end
  end)]]

--- Cases: what is run, how it is driven, and what ends it. at_least: so many pulses were given.
local faults = { drop = "--fault drop@5", unplug = "--fault unplug@5", flip = "--fault flip@5" }
local endings = { finished = "", requested = "run:stop 'enough' return", error = "error 'boom'",
  refused = "stim:play(mp.train { pulses = 2, hz = 5000, intensity = mp.mso(40) })" }

describe("what is offered at the end of a run", function()
  local folder, jobs
  fixture.each_test(function(new, list) folder, jobs = new, list end)

  --- The command that is offered in what was said; nil: none.
  local function offer_in(said)
    return said:match("moonpulse (resume [^\n]-) goes on with the rest")
  end

  --- What was said offers what works, and nothing where nothing does.
  local function works(name, said)
    local run = fixture.run_in(folder .. "/" .. name)
    local offered = offer_in(said)
    local _, out, err = shell.moonpulse(folder, (offered or "resume " .. run) .. " --speed max --json")
    local runs = #shell.names(folder .. "/" .. name) -- what is refused makes none
    assert.are.equal(offered and 2 or 1, runs, ("%s: %s: %s%s\n%s"):format(name, tostring(offered), out,
      err, said))
    return offered ~= nil
  end

  local function begin(name, text, more, before)
    shell.write(("%s/%s.lua"):format(folder, name), text)
    local command = ("%s run %s/%s.lua %s --beyond-guidelines t --approval n --out %s/%s"):format(
      shell.quote(shell.program), folder, name, more, folder, name)
    local status, out, err = shell.sh(folder, (before or "") .. command)
    return out .. err, status
  end

  it("works, in virtual time, of protocols and experiments, whatever ended them", function()
    local offered = {}
    for name, option in pairs(faults) do
      offered["p " .. name] = works("p" .. name, begin("p" .. name, protocol:format(12, "2"), "--speed max "
        .. option))
      offered["e " .. name] = works("e" .. name, begin("e" .. name, experiment:format(12, "2", "", ""),
        "--speed max " .. option))
    end
    offered["p finished"] = works("pf", begin("pf", protocol:format(12, "2"), "--speed max"))
    for name, ending in pairs(endings) do
      offered["e " .. name] = works("e" .. name, begin("e" .. name, experiment:format(12, "2", "6", ending),
        "--speed max"))
    end
    offered["e part"] = works("epart", begin("epart", [[local mp = require "moonpulse"
      return mp.experiment(function(run)
        local stim = run:device()
        stim:arm()
        run:spawn(function() run:sleep(3.3) error "the part's own" end)
        stim:play(mp.pulse(mp.mso(40)):times(10, { every = 1 }))
      end)]], "--speed max"))
    assert.are.same({ ["p drop"] = true, ["p flip"] = true, ["p unplug"] = true, ["e drop"] = true,
      ["e flip"] = true, ["e unplug"] = true, ["p finished"] = false, ["e finished"] = false,
      ["e requested"] = false, ["e error"] = false, ["e part"] = false, ["e refused"] = true }, offered)
  end)

  it("works of an error amid a plan, of a script with parts side by side and of one without", function()
    local play = "stim:play(mp.pulse(mp.mso(40)):times(10, { every = 1 }))"
    local bodies = { part = "run:spawn(function() run:sleep(3.3) error 'a part' end) " .. play,
      stopped = "run:spawn(function() run:sleep(1) end) run:sleep(2) " .. play, script = play }
    local offered = {}
    for name, body in pairs(bodies) do
      local text = experiment:format(0, "1", "", ""):gsub("for i = 1, 0 do.*", function()
        return body .. "\nend)"
      end)
      offered[name] = works(name, begin(name, text, name == "part" and "--speed max"
        or "--speed max --fault unplug@4"))
    end
    assert.are.same({ part = false, stopped = true, script = true }, offered)
  end)

  it("works where the run was stopped, or killed and recovered", function()
    local texts = { p = protocol:format(300, "1"), e = experiment:format(300, "1", "", "") }
    for kind, text in pairs(texts) do
      for how, speed in pairs { INT = "--speed 60", KILL = "--speed 60", TERM = "--speed 1" } do
        local name = kind .. how
        shell.write(("%s/%s.lua"):format(folder, name), text)
        local out = ("%s/%s"):format(folder, name)
        local job = jobs:start(name, ("run %s/%s.lua %s --tolerance 5000 --beyond-guidelines t --approval n "
          .. "--out %s"):format(folder, name, speed, out))
        shell.await(function()
          local run = shell.names(out)[1]
          local file = run and io.open(("%s/%s/journal.jsonl"):format(out, run))
          local plays = file and file:read "a":find('"kind":"play"', 1, true)
          return job:ended() or plays and shell.rows_of(shell.read(("%s/%s/events.tsv"):format(out, run)))[2]
        end, "its first rows")
        job:signal(how)
        job:wait()
        local said = job:out() .. job:err()
        if how == "KILL" then
          local _, text_out, err = shell.moonpulse(folder, "recover " .. fixture.run_in(out))
          said = text_out .. err
        end
        -- a protocol in virtual time has no flight record: how much it gave nobody knows
        assert.are.equal(name ~= "pKILL", works(name, said), name .. said)
      end
    end
  end)

  it("is nothing where the disk was full, and recover says what was", function()
    local said = begin("full", protocol:format(4000, "2"), "--speed max", "ulimit -f 200; trap '' XFSZ; ")
    assert.matches("the record is not whole", said, 1, true)
    local run = fixture.run_in(folder .. "/full")
    local status, out, err = shell.moonpulse(folder, "recover " .. run)
    assert.are.equal(0, status, err)
    assert.is_nil(offer_in(out) or out:match "CONFIRMED SAFE") -- no stimulator was driven
    assert.matches("nothing goes on with it: run it again, where there is room for its record", out, 1, true)
    assert.matches("the run had ended %(the plan is complete%)", fixture.manifest(run).result.reason)
    assert.is_nil((out .. shell.read(run .. "/manifest.json")):match "[^\n]*the run was killed[^\n]*")
    assert.are.equal(2, (shell.moonpulse(folder, "resume " .. run)))
  end)

  it("names the port of a stimulator", function()
    local to_type = require "moonpulse.text.to_type"
    assert.are.equal("moonpulse resume /r --port /dev/ttyUSB0 --stop-line cts --start-on byte=5",
      to_type.resume("/r", false, "/dev/ttyUSB0", { stop_line = "cts", start_on = "byte=5" }))
    assert.are.equal("moonpulse resume /r --port PORT --start-on any --trigger-in PATH --amt N",
      to_type.resume("/r", false, nil, { start_on = "any", is_timed = true, amt = 40 }))
    assert.are.equal("moonpulse resume /r --trigger-in 'lines:/dev/ttyUSB1' --trigger-baud 9600",
      to_type.resume("/r", true, nil, { is_timed = true, trigger_in = "lines:/dev/ttyUSB1",
        trigger_baud = "9600" }))
    assert.are.equal("moonpulse resume /r", to_type.resume("/r", true, nil, { stop_line = "none", rmt = 40 }))
  end)

  it("has a port that is surely known here, and else a word to fill in", function()
    local given_again = require "moonpulse.rerun.given_again"
    local port <close> = core.pty(nil, function() end)
    local own = port:path():match "^/dev/(.*)$"
    assert.are.equal("/dev/" .. own, given_again.port(own))
    for _, name in ipairs { "tty", "null", "nub_q", "pts/99999", "ttyUSB9876", "./null", "", 7 } do
      assert.is_nil(given_again.port(name), name) -- /dev/tty and /dev/null are there, and were not meant
    end
    assert.are.equal("BOX,width=2", given_again.codes "nub_box,width=2")
    assert.are.equal(port:path() .. ",line=rts", given_again.codes(own .. ",line=rts"))
    assert.is_nil(given_again.codes(nil))
    assert.are.same({ "keys", "lsl-net:MEP", "lines:" .. port:path() }, { given_again.trigger_in "keys",
      given_again.trigger_in "lsl-net:MEP", given_again.trigger_in("lines:" .. own) })
    assert.is_nil(given_again.trigger_in "somewhere")
  end)

  it("works in real time at a port: it says whence triggers come, and what must be given anew", function()
    shell.write(folder .. "/list", "ready\tIs all ready?\n")
    shell.write(folder .. "/yes", ("y\n"):rep(40))
    shell.write(folder .. "/own.lua", [[local mp = require "moonpulse"
      return mp.pulse(mp.rmt(80)):times(16, { every = 0.25 })]])
    local port, tty, log = jobs:port(), folder .. "/tty", folder .. "/sim.tsv"
    jobs:start("sim", ("sim magventure --link %s --log %s"):format(tty, log))
    shell.await(function() return lfs.symlinkattributes(tty, "mode") end, "the simulator's port")
    local function given() return select(2, (shell.read(log) or ""):gsub("\tpulse\t", "")) end
    local function start(name, command)
      local job = jobs:start(name, ("%s --real-pty --operator AB --preflight %s/list <%s/yes"):format(command,
        folder, folder))
      job:says "waiting"
      port:write "\5"
      return job
    end
    local first = start("first", ("run %s/own.lua --device magventure --port %s --tolerance 5000 --rmt 50 "
      .. "--trigger-in %s --start-on byte=5 --out %s/runs"):format(folder, tty, port:path(), folder))
    shell.await(function() return given() >= 3 end, "3 pulses")
    first:signal "INT"
    first:wait()
    local offered = offer_in(first:out())
    assert.is_truthy(offered, first:out() .. first:err())
    local second = start("second", (offered:gsub("%-%-rmt N", "--rmt 50")))
    assert.are.equal(0, second:wait(), second:err())
    assert.are.equal(16, given())
  end)

  --- The codes at a box are those of the plan, in order, whatever run they came of.
  local function box_of()
    local codes = {}
    local box = core.pty(nil, function(bytes)
      for code in bytes:gsub("%z", ""):gmatch "." do
        codes[#codes + 1] = code:byte()
      end
    end)
    jobs.ports[#jobs.ports + 1] = box
    return box, codes
  end

  local coded = [[local mp = require "moonpulse"
    local plan = mp.pulse { intensity = mp.mso(40), code = 11 }
    for i = 2, 14 do
      plan = plan .. mp.rest(0.25) .. mp.pulse { intensity = mp.mso(40), code = 10 + i }
    end
    return plan]]

  it("works at a pseudo-terminal with a box of event codes: stopped, or killed and recovered", function()
    shell.write(folder .. "/coded.lua", coded)
    shell.write(folder .. "/list", "ready\tIs all ready?\n")
    shell.write(folder .. "/yes", ("y\n"):rep(9))
    local tty, log = folder .. "/tty", folder .. "/sim.tsv"
    jobs:start("sim", ("sim magventure --link %s --log %s"):format(tty, log))
    shell.await(function() return lfs.symlinkattributes(tty, "mode") end, "the simulator's port")
    local pts = lfs.symlinkattributes(tty, "target")
    local trigger, all = jobs:port(), {}
    for i = 1, 14 do
      all[i] = 10 + i
    end
    for how, port in pairs { INT = tty, KILL = pts } do -- a link keeps no place, a device does
      local box, codes = box_of()
      local out = folder .. "/" .. how
      local more = ("--operator AB --preflight %s/list --tolerance 5000 <%s/yes"):format(folder, folder)
      local first = jobs:start("run" .. how, ("run %s/coded.lua --device magventure --port %s "
        .. "--trigger-in %s --start-on byte=5 --real-pty --codes %s,width=3 --out %s %s"):format(folder, port,
        trigger:path(), box:path(), out, more))
      first:says "waiting"
      trigger:write "\5"
      shell.await(function() return #codes >= 3 end, "3 codes")
      first:signal(how)
      first:wait()
      local said, run = first:out() .. first:err(), fixture.run_in(out)
      if how == "KILL" then
        local _, text, err = shell.moonpulse(folder, "recover " .. run)
        said = text .. err
      end
      local words = (" --port %s --start-on byte=5 --trigger-in %s --codes %s,width=3"):format(port,
        trigger:path(), box:path())
      assert.are.equal("resume " .. run .. words, offer_in(said), said)
      local _, listed = shell.moonpulse(folder, "runs --out " .. out)
      local shown = how == "KILL" and words or words:gsub("%-%-port %S+", "--port PORT") -- it was a link
      assert.matches(("moonpulse resume %s%s goes on with trial"):format(run, shown), listed, 1, true)
      local without = offer_in(said):gsub("%-%-codes %S+", "")
      local status, _, err = shell.moonpulse(folder, without .. " " .. more)
      assert.are.equal(2, status)
      assert.matches(("give it again with --codes %s,width=3, or --codes none"):format(box:path()), err, 1,
        true)
      local second = jobs:start("rest" .. how, offer_in(said) .. " " .. more)
      second:says "waiting"
      trigger:write "\5"
      assert.are.equal(0, second:wait(), second:err())
      shell.await(function() return codes[#codes] == all[#all] end, "the last code")
      assert.are.same(all, codes)
    end
  end)
end)
