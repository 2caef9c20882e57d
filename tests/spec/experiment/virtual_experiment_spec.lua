-- Experiments in virtual time: the same script, device, record and stops as in real time, above a clock that
-- jumps. No wall clock is judged here.
local author = require "author"
local cjson = require "cjson"
local reading = require "moonpulse.record.read"
local shell = require "shell"
local shim = require "shim"

describe("an experiment in virtual time", function()
  local folder

  before_each(function()
    folder = shell.folder()
  end)

  after_each(function()
    shell.remove(folder)
  end)

  --- Run an experiment whose function has this body: status, output, errors, folder of the run.
  local function perform(body, more, environment)
    return author.perform(folder, "local stim = run:device()", body, more, environment)
  end

  -- for a script that is ended by the computer's clock
  local sooner = shim.of "hasty"

  local function rows(run, event)
    local found = {}
    for line in shell.read(run .. "/events.tsv"):gmatch("[^\n]+") do
      local fields = {}
      for field in line:gmatch("[^\t]+") do
        fields[#fields + 1] = field
      end
      if fields[5] == event then
        found[#found + 1] = fields
      end
    end
    return found
  end

  --- When the simulator gave pulses, in seconds of its clock.
  local function given(run)
    local times = {}
    for line in shell.read(run .. "/twin.tsv"):gmatch("[^\n]+") do
      times[#times + 1] = tonumber(line:match("^([%d.]+)\tpulse\t"))
    end
    return times
  end

  local threshold = [[
    local stairs = run:staircase { start = 45, step = 2, reversals = 4 }
    stim:arm()
    for trial, intensity in stairs do
      run:sleep(run:uniform(5, 7))
      stim:fire(mp.pulse { intensity = mp.mso(intensity) })
      trial:answer(run:ask "MEP? [y/n]")
    end
    stim:disarm()
  ]]

  --- The journal's last line has hashes of files that say when the run was: manifest.json, report.html.
  local function bytes_of(run, name)
    local text = shell.read(run .. "/" .. name)
    local before, last = text:match('^(.*\n)([^\n]*\n)$')
    if name == "journal.jsonl" then
      assert.matches('"kind":"sealed"', last, 1, true)
      return before
    end
    return text
  end

  it("gives the same bytes for the same seed and answers", function()
    shell.write(folder .. "/answers", ("n\nn\ny\n"):rep(30))
    local first
    for _ = 1, 3 do
      local status, _, err, run = perform(threshold, "--answers " .. folder .. "/answers")
      assert.are.equal(0, status, err)
      local all = {}
      for _, name in ipairs { "events.tsv", "twin.tsv", "journal.jsonl" } do
        all[#all + 1] = bytes_of(run, name)
      end
      first = first or all
      assert.are.same(first, all)
    end
    assert.is_truthy(#first[1] > 1000)
  end)

  it("gives the same bytes also where parts of a script meet, and where the device fails", function()
    for _, fault in ipairs { "", "--fault drop@3", "--fault lose-setting@4", "--fault unplug@2" } do
      local first
      for _ = 1, 3 do
        local _, _, err, run = perform([[
          stim:arm()
          run:spawn(function() while true do run:sleep(1.7) run:mark "tick" end end)
          run:spawn(function() for _ = 1, 3 do run:sleep(run:uniform(2, 4)) stim:status() end end)
          for i = 1, 4 do
            run:sleep(6)
            pcall(stim.fire, stim, mp.pulse(mp.mso(40 + i)) .. mp.rest(6) .. mp.pulse(mp.mso(50 + i)))
          end
        ]], fault .. " --device sim:magstim200")
        local all = { (err:gsub("wire:%d+", "")) }
        for _, name in ipairs { "events.tsv", "twin.tsv", "journal.jsonl" } do
          all[#all + 1] = bytes_of(run, name)
        end
        first = first or all
        assert.are.same(first, all)
      end
    end
  end)

  it("gives the operator and the record what a run in real time gives, but for its own times", function()
    local body = [[
      stim:arm()
      for i = 1, 3 do
        stim:fire(mp.pulse { intensity = mp.mso(40 + i) } .. mp.rest(1)
          .. mp.pulse { intensity = mp.mso(50) })
      end
      run:mark "over"
      stim:disarm()
    ]]
    local function told(run)
      local list = {}
      for _, event in ipairs { "pulse", "set_intensity", "mark" } do
        for _, fields in ipairs(rows(run, event)) do
          list[#list + 1] = table.concat({ fields[5], fields[6], table.concat(fields, " ", 11) }, " ")
        end
      end
      return list
    end
    local status, _, err, run = perform(body)
    assert.are.equal(0, status, err)
    local virtual = told(run)
    status, _, err, run = perform(body, "--speed 1 --tolerance 1000")
    assert.are.equal(0, status, err)
    assert.are.same(told(run), virtual)
    assert.are.equal("max", cjson.decode(shell.read(folder .. "/runs/" .. shell.names(folder .. "/runs")[1]
      .. "/manifest.json")).speed)
  end)

  it("sends every pulse at its time to the nanosecond, and the simulator has them", function()
    local status, _, err, run = perform [[
      stim:arm()
      for i = 1, 5 do
        stim:play(mp.train { pulses = 10, hz = 10, intensity = mp.mso(50) }, { at = 10 * i })
      end
      stim:disarm()
    ]]
    assert.are.equal(0, status, err)
    local sent, seen = rows(run, "pulse"), given(run)
    assert.are.equal(50, #sent)
    assert.are.equal(50, #seen)
    for i, fields in ipairs(sent) do
      assert.are.equal("0.000", fields[10])
      assert.are.equal("delivered", fields[15])
      if i > 1 then
        assert.are.equal(math.floor((tonumber(fields[1]) - tonumber(sent[1][1])) * 1e9 + 0.5),
          math.floor((seen[i] - seen[1]) * 1e9 + 0.5))
      end
    end
    assert.are.equal(10, math.floor((seen[11] - seen[1]) * 1e6 + 0.5) / 1e6)
  end)

  it("plays on every device that takes a pulse from a script", function()
    for _, device in ipairs { "magventure", "rapid", "bistim", "magstim200", "duomag" } do
      local status, _, err, run = perform([[
        stim:arm()
        for i = 1, 3 do
          run:sleep(6)
          stim:fire(mp.pulse { intensity = mp.mso(40 + i) })
        end
        stim:disarm()
      ]], "--device sim:" .. device)
      assert.are.equal(0, status, device .. ": " .. err)
      assert.are.equal(3, #rows(run, "pulse"), device)
      assert.are.equal(3, #given(run), device)
    end
  end)

  describe("takes its triggers from a file", function()
    local function triggers(text)
      shell.write(folder .. "/triggers", text)
      return "--triggers " .. folder .. "/triggers"
    end

    it("what was OVER is said at its end, too, where a stimulator would have refused it", function()
      local body = [[local train = mp.train { pulses = %d, hz = 20, intensity = mp.mso(40) }
        stim:arm(train)
        stim:play(train)]]
      for pulses, is_over in pairs { [300] = true, [20] = false } do
        local status, out, err = perform(body:format(pulses), "--rmt 40")
        assert.are.equal(0, status, err)
        local last = out:match "\nsent .*"
        assert.are.equal(is_over, last:find("\nverdict +OVER: the report says of what; on a stimulator it "
          .. "would have been refused\n") ~= nil, out)
      end
    end)

    it("bytes and edges, at their times", function()
      local status, out, err, run = perform([[
        print(run:wait_trigger { byte = 1 })
        print(run:wait_trigger {})
        print(run:wait_trigger { line = "cts" })
        print(run:wait_trigger { line = "cts", edge = "falling" })
        print(run:wait_trigger { line = "dsr", timeout = 2 })
        run:sleep(0.5)
      ]], triggers "# a comment\n2.5 port 1\n\n4 port 0x80 # another\n6 cts rising\n6.010 cts falling\n")
      assert.are.equal(0, status, err)
      assert.is_truthy(out:find("2.5\t1\n4.0\t128\n6.0\tnil\n6.01\tnil\nnil\n", 1, true), out)
      assert.is_truthy(out:find("2 trigger bytes came on .*/triggers, all taken by the script; 2 edges of a "
        .. "line taken by the script"), out)
      status, out = perform([[run:wait_trigger { line = "cts" }
        run:wait_trigger { line = "cts" }]], triggers "2 cts rising\n2.5 cts falling\n3 cts rising\n")
      assert.is_truthy(out:find("triggers    2 edges of a line taken by the script, from ", 1, true), out)
      assert.are.equal(0, status)
      assert.is_nil(out:find("trigger bytes", 1, true), out)
      local marks = rows(run, "mark")
      assert.are.equal("2.500000000", marks[1][1])
      assert.are.equal("6.010000000", marks[4][1])
    end)

    it("a pulse follows a trigger by the same time whenever it comes", function()
      local status, _, err, run = perform([[
        stim:arm(mp.pulse { intensity = mp.mso(50) })
        for i = 1, 3 do
          run:wait_trigger { byte = 7 }
          stim:fire(mp.pulse { intensity = mp.mso(50) })
        end
        stim:disarm()
      ]], triggers "5 port 7\n11.001 port 7\n18 port 7\n")
      assert.are.equal(0, status, err)
      local pulses = rows(run, "pulse")
      local after = tonumber(pulses[1][1]) - 5
      assert.is_truthy(after > 0.02 and after < 0.03)
      assert.are.equal(("%.9f"):format(11.001 + after), pulses[2][1])
      assert.are.equal(("%.9f"):format(18 + after), pulses[3][1])
    end)

    it("and says at the script's line where it would wait for ever", function()
      local status, _, err = perform("run:wait_trigger { byte = 1 }\nrun:wait_trigger { byte = 1 }",
        triggers "2 port 1\n3 cts rising\n")
      assert.are.equal(2, status)
      assert.is_truthy(err:find("made.lua:5: run:wait_trigger: no further byte comes by", 1, true), err)
      status, _, err = perform 'run:wait_trigger { line = "dsr" }'
      assert.are.equal(2, status)
      assert.is_truthy(err:find("made.lua:4: run:wait_trigger: in virtual time triggers come from --triggers",
        1, true), err)
    end)

    it("which is refused at its line", function()
      for text, message in pairs {
        ["1 port 256"] = "triggers:1: \"256\" is no byte", ["x port 1"] = "triggers:1: a line is",
        ["1 port 1\n\n2 cts up"] = "triggers:3: \"up\" is no edge", ["1 port"] = "triggers:1: a line is",
        ["1 rts rising"] = "triggers:1: triggers come from port, key, cts, dsr, ri, cd or device",
        ["1 device rising"] = "triggers:1: \"rising\": of the device it says pulse",
        ["2 port 1\n1 port 1"] = "triggers:2: it comes before the line above",
        ["1 port 1 2"] = "triggers:1: a line is", ["-1 port 1"] = "triggers:1: a line is",
      } do
        local status, _, err = perform("", triggers(text))
        assert.are.equal(2, status)
        assert.is_truthy(err:find(message, 1, true), err)
      end
      local status, _, err = perform("", "--speed 1 --triggers " .. folder .. "/triggers")
      assert.are.equal(2, status)
      assert.is_truthy(err:find("--triggers FILE is for virtual time", 1, true), err)
      status, _, err = perform("", "--stop-line cts")
      assert.are.equal(2, status)
      assert.is_truthy(err:find("--stop-line cts is watched in real time only", 1, true), err)
      status, _, err = perform("", "--trigger-in /dev/null")
      assert.are.equal(2, status)
      assert.is_truthy(err:find("take --triggers FILE", 1, true), err)
    end)
  end)

  it("waits for nobody, but for a child process and for what is typed", function()
    local status, out, err = perform [[
      os.execute("sleep 0.1; echo child")
      print(run:now())
      run:sleep(3600)
      print(run:now())
    ]]
    assert.are.equal(0, status, err)
    assert.is_truthy(out:find("child\n0.0\n3600.0\n", 1, true), out)
    shell.write(folder .. "/asks.lua", [[
      return require("moonpulse").experiment(function(run)
        print(run:ask "first?")
        run:sleep(5)
        print(run:ask "second?", run:now())
      end)
    ]])
    status, out, err = shell.sh(folder, ("(echo a; sleep 0.2; echo b) | %s run %s/asks.lua --speed max "
      .. "--out %s/r"):format(shell.quote(shell.program), folder, folder))
    assert.are.equal(0, status, err)
    assert.is_truthy(out:find("first? a\na\nsecond? b\nb\t5.0\n", 1, true), out)
  end)

  it("wakes the parts of a script in the order in which they began to wait", function()
    local status, out, err = perform [[
      local order = {}
      for i = 1, 20 do
        run:spawn(function()
          run:sleep(0.5 + i / 1000 - i / 1000)
          order[#order + 1] = i
        end)
      end
      run:sleep(2)
      print(table.concat(order, " "))
    ]]
    assert.are.equal(0, status, err)
    assert.is_truthy(out:find("1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20\n", 1, true), out)
  end)

  it("names the line of a script that stops time", function()
    local status, _, err = perform "while run:now() < 1 do\nrun:sleep(0)\nend"
    assert.are.equal(2, status)
    assert.is_truthy(err:find("made.lua:5: the script waits for no time at all", 1, true), err)
    status, _, err = perform "run:spawn(function()\nwhile true do\nrun:sleep(0)\nend\nend)\nrun:sleep(1)"
    assert.are.equal(2, status)
    assert.is_truthy(err:find("made.lua:6: the script waits for no time at all", 1, true), err)
    status, _, err = perform "local function again()\nrun:spawn(again)\nend\nagain()\nrun:sleep(1)"
    assert.are.equal(2, status)
    assert.is_truthy(err:find("made.lua:5: the script spawns again and again", 1, true), err)
  end)

  it("sees a script that does not yield, armed or not, and leaves the device safe", function()
    for _, first in ipairs { "", "stim:arm() " } do
      local status, out, err = perform(first .. "\nwhile true do end", nil, sooner)
      assert.are.equal(5, status, err)
      assert.is_truthy(err:find("made.lua:5: the script did not yield for more than 5 s", 1, true), err)
      assert.is_truthy(first == "" or out:find("disarmed    the stimulator says", 1, true), out)
    end
  end)

  -- by the clock that a user has: all others here have one that is faster
  it("lets a script compute for 2 s between two waits", function()
    local status, _, err = perform("stim:arm()\nlocal from = os.clock()\nwhile os.clock() - from < 2 do end")
    assert.are.equal(0, status, err)
  end)

  it("ends at a call that nothing interrupts, and names no panel and nothing to recover", function()
    if shell.program:find("sanitize-thread", 1, true) then
      return pending("the thread sanitizer puts off the signal that asks where the call is")
    end
    local status, _, err = perform("stim:arm()\nstring.find(('a'):rep(1000000), '.-.-.-.-b')", nil, sooner)
    assert.are.equal(5, status, err)
    assert.matches("moonpulse: [^\n]* for %d+%.%d s %(%S+made%.lua:5%), but the program did not come to its "
      .. "end and was ended; the record is not closed, and a run in virtual time has nothing to recover: "
      .. "run it again; what is there: %S+\n$", err)
    for _, untrue in ipairs { "NOT CONFIRMED", "panel", "moonpulse recover", "told to be safe" } do
      assert.is_nil(err:find(untrue, 1, true), err)
    end
  end)

  describe("is shown as one possible course by", function()
    local function command(name, body, more)
      shell.write(folder .. "/made.lua", 'local mp = require "moonpulse"\n'
        .. 'return mp.experiment { name = "Made", run = function(run)\nlocal stim = run:device()\n' .. body
        .. "\nend }\n")
      shell.write(folder .. "/answers", "y\nn\n")
      return shell.moonpulse(folder, ("%s %s/made.lua --seed 3 --answers %s/answers %s"):format(name, folder,
        folder, more or ""))
    end

    it("show and run: each plan at the instant of its first pulse", function()
      local plans = [[
        local pulse = mp.pulse(mp.mso(40))
        stim:arm(pulse)
        stim:fire(pulse, { at = run:now() + 10 })
        stim:fire(mp.rest(3.25) .. pulse .. mp.rest(1) .. pulse)
        run:sleep(7)
        stim:play(mp.rest { min = 2, max = 4 } .. pulse)
        stim:play(pulse)
      ]]
      local _, _, err, folder_of = perform(plans, "--seed 3")
      local pulses, wanted = reading.events(folder_of .. "/events.tsv").pulses, {}
      for i, number in ipairs { 1, 2, 4, 5 } do
        wanted[i] = ("%.3f"):format(pulses[number].planned / 1e6)
      end
      for _, name in ipairs { "show", "run" } do
        local more = name == "run" and "--speed max --out " .. folder .. "/more" or nil
        local _, out = command(name, plans, more)
        local said = {}
        for at in out:gmatch "\n *([%d.]+) s  %d pulses?: 40 %%MSO" do
          said[#said + 1] = at
        end
        assert.are.same(wanted, said, out .. err)
      end
    end)

    local body = [[
      stim:arm()
      for i = 1, 2 do
        run:sleep(5)
        stim:fire(mp.pulse { intensity = mp.mso(run:ask "more? [y/n]" == "y" and 60 or 50) })
      end
      stim:disarm()
    ]]

    it("show: what it said and gave", function()
      local status, out, err = command("show", body)
      assert.are.equal(0, status, err)
      assert.is_truthy(out:find("one possible course of the experiment (seed 3, answers from " .. folder, 1,
        true), out)
      assert.is_truthy(out:find("1 pulse: 60 %%MSO.*1 pulse: 50 %%MSO"), out)
      assert.is_truthy(out:find("pulses +2\n"), out)
      assert.is_truthy(out:find("ended +the script came to its end\n"), out)
    end)

    it("events: a line each, as of a protocol", function()
      local status, out, err = command("events", body)
      assert.are.equal(0, status, err)
      assert.is_truthy(err:find("one possible course of the experiment (seed 3", 1, true), err)
      local intensities = {}
      for intensity, number in out:gmatch("\n%d+\t%d+\tpulse\t1\t(%d+)\tMSO\t%d+\t(%d+)\tn/a") do
        intensities[#intensities + 1] = intensity .. " " .. number
      end
      assert.are.same({ "60 1", "50 2" }, intensities)
    end)

    it("check: the gravest verdict of its plans", function()
      local status, out, err = command("check", body)
      assert.are.equal(0, status, err)
      assert.is_truthy(out:find("judged +one possible course of the experiment %(seed 3"), out)
      assert.is_truthy(out:find("verdict +%l[%l ]+ %(device within, guidelines %l[%l ]+%); 2 pulses of"), out)
      local over = "stim:arm()\nstim:play(mp.train { pulses = 4000, hz = 20, intensity = mp.mso(80) })"
      status, out, err = command("check", over)
      assert.are.equal(3, status, err)
      assert.is_truthy(out:find("\nOVER "), out)
      assert.is_truthy(out:find("verdict +OVER"), out)
      status, out = command("check", over, "--json")
      assert.are.equal(3, status)
      local found = cjson.decode(out)
      assert.are.equal("OVER", found.verdict)
      assert.is_truthy(found.course:find("one possible course", 1, true))
      assert.are.equal("OVER", found.findings[1].verdict)
    end)

    it("check: what the device refuses", function()
      local status, out = command("check",
        "stim:arm()\nstim:fire(mp.pulse(mp.mso(50)) .. mp.rest(0.001) .. mp.pulse(mp.mso(60)))")
      assert.are.equal(3, status)
      assert.is_truthy(out:find("OVER +magventure: .*made.lua:5"), out)
    end)

    it("each, up to where an answer is missing", function()
      local status, _, err = command("show", 'run:ask "one?"\nrun:ask "two?"\nrun:ask "three?"')
      assert.are.equal(2, status)
      assert.is_truthy(err:find("has only 2 lines", 1, true), err)
    end)
  end)

  it("ends at Ctrl-C, with the device safe and a whole record", function()
    for _, speed in ipairs { "max", "100" } do
      local status, out, err, run = perform([[
        stim:arm()
        for i = 1, math.huge do
          run:sleep(5)
          stim:fire(mp.pulse { intensity = mp.mso(50) })
          if i == 20 then
            os.execute "kill -INT $PPID"
          end
        end
      ]], "--speed " .. speed)
      assert.are.equal(5, status, err)
      assert.is_truthy(err:find("stopped by Ctrl-C (SIGINT)", 1, true), err)
      assert.is_truthy(out:find("disarmed    the stimulator says", 1, true), out)
      assert.is_truthy(#given(run) >= 20)
      assert.are.equal(#given(run), #rows(run, "pulse"))
    end
  end)

  it("goes on with a device that misbehaves as in real time", function()
    local body = [[
      stim:arm()
      for i = 1, 5 do
        run:sleep(5)
        stim:fire(mp.pulse { intensity = mp.mso(50) })
      end
      stim:disarm()
    ]]
    for fault, expected in pairs {
      ["drop@3"] = { 4, "pulse 3 was not confirmed within" }, ["nak@2"] = { 4, "a garbled reply" },
      ["unplug@3"] = { 4, "NOT CONFIRMED SAFE: the port is lost" }, ["split@2"] = { 0, "" },
      ["duplicate@2"] = { 4, "the device reports a pulse that was not sent" },
    } do
      local status, _, err = perform(body, "--fault " .. fault)
      assert.are.equal(expected[1], status, fault .. ": " .. err)
      assert.is_truthy(err:find(expected[2], 1, true), err)
    end
  end)

  it("takes answers from a file with a mark of its editor, and shows no control character", function()
    shell.write(folder .. "/ask.lua", [[local mp = require "moonpulse"
      return mp.experiment(function(run)
        print(#run:ask("first?"))
        print(#run:ask("second?"))
      end)]])
    shell.write(folder .. "/answers", "\xEF\xBB\xBFyes\na\27[2Jb\n")
    local status, out, err = shell.moonpulse(folder, ("run %s/ask.lua --speed max --answers %s/answers --out "
      .. "%s/runs"):format(folder, folder, folder))
    assert.are.equal(0, status, err)
    assert.matches("first? yes\n3\n", out, 1, true)
    assert.matches("second? a\\x1B[2Jb\n6\n", out, 1, true)
    assert.is_nil(out:find("\27", 1, true))
  end)
end)
