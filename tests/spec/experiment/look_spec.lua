-- check, show and events of an experiment: they run it in virtual time, and its file may be somebody else's.
-- It gets no further than its own computing, ends, and asks nobody.
local lfs = require "lfs"
local shell = require "shell"
local shim = require "shim"

local commands = { "check", "show", "events" }

describe("an experiment that is looked at", function()
  local folder

  before_each(function()
    folder = shell.folder()
  end)

  after_each(function()
    shell.remove(folder)
  end)

  local function write(body)
    shell.write(folder .. "/theirs.lua", 'local mp = require "moonpulse"\n'
      .. "return mp.experiment(function(run)\nlocal stim = run:device()\n" .. body .. "\nend)\n")
    return folder .. "/theirs.lua"
  end

  local function look(command, body, more, environment)
    return shell.moonpulse(folder, ("%s %s %s"):format(command, write(body), more or ""), environment)
  end

  -- each would leave the file X, or tell of the machine; "%s" is the folder
  local outside = {
    ["os.execute"] = 'os.execute("touch %s/X")',
    ["os.execute, as a name of _G"] = '_G["os"].execute("touch %s/X")',
    ["io.popen"] = 'io.popen("touch %s/X"):close()',
    ["io.open"] = 'io.open("%s/X", "w"):close()',
    ["io.lines"] = 'for line in io.lines("/etc/passwd") do run:note(line) end',
    ["io.read"] = "run:note(io.read())",
    ["os.remove"] = 'os.remove("%s/Y")',
    ["os.rename"] = 'os.rename("%s/Y", "%s/X")',
    ["os.tmpname"] = "run:note(os.tmpname())",
    ["os.getenv"] = 'run:note(os.getenv "HOME")',
    ["os.exit"] = "os.exit(0)",
    ["os.setlocale"] = 'os.setlocale("C")',
    ["package.loadlib"] = 'package.loadlib("/lib/x86_64-linux-gnu/libc.so.6", "*")',
    ["package.loaded"] = 'package.loaded.os.execute("touch %s/X")',
    ["load of text"] = 'load("os.execute([[touch %s/X]])")()',
    ["load of a binary chunk"] = 'load("\\27Lua")()',
    ["dofile"] = 'dofile("%s/Y.lua")',
    ["loadfile"] = 'loadfile("%s/Y.lua")()',
    ["require of a file beside it"] = 'require "Y"',
    ["require of a C module"] = 'require "lfs"',
    ["require of the library's inside"] = 'require "moonpulse.core"',
    ["debug"] = "debug.getregistry()",
    ["a coroutine of the script"] = "coroutine.wrap(function() end)()",
    ["collectgarbage"] = 'collectgarbage "stop"',
  }
  it("that fails says why and where, and nothing of pulses that nobody gave", function()
    for _, body in ipairs { "stim:fire(mp.pulse(mp.mso(40)))", "stim:arm()\nstim:fire(mp.pulse(mp.rmt(100)))",
      "stim:arm()\nstim:fire(mp.pulse(mp.mso(40)))\nerror 'mine'" } do
      for _, command in ipairs(commands) do
        local status, _, err = look(command, body)
        assert.is_true(status ~= 0)
        assert.matches("theirs.lua:[456]: ", err)
        for _, words in ipairs { "pulses were", "pulse was", "disarmed", "disabled" } do
          assert.is_nil(err:find(words, 1, true), err)
        end
      end
    end
  end)

  it("is looked at on the stimulator that is named, by each of them", function()
    local body = "local pair = mp.pair { isi = mp.ms(3), intensity = { mp.mso(40), mp.mso(60) } }\n"
      .. "stim:arm(pair)\nstim:fire(pair)\nrun:note(stim:identity().model or 'no model')"
    for _, command in ipairs(commands) do
      local status, _, err = look(command, body)
      assert.are_not.equal(0, status)
      assert.matches("--device sim:bistim", err, 1, true)
      for _, more in ipairs { "--device sim:bistim", "--device bistim --device-option resolution=high" } do
        status, _, err = look(command, body, more)
        assert.are.equal(0, status, err)
      end
    end
    local status, _, err = shell.moonpulse(folder, "show itbs600 --device magventure")
    assert.are.equal(2, status)
    assert.matches("moonpulse events itbs600 --device NAME prints what one is set to", err, 1, true)
  end)

  for name, body in pairs(outside) do
    it("is refused with its line what reaches outside: " .. name, function()
      shell.write(folder .. "/Y", "mine")
      shell.write(folder .. "/Y.lua", ("os.execute 'touch %s/X'"):format(folder))
      for i, command in ipairs(commands) do
        if i == 1 or name == "os.execute" or name == "io.open" then
          local status, out, err = look(command, (body:gsub("%%s", folder)))
          assert.are.equal(2, status, out .. err)
          assert.matches("theirs.lua:4: ", err, 1, true)
          assert.matches("only `moonpulse run` lets it do that; `moonpulse run " .. folder
            .. "/theirs.lua --speed max` tries it, with your rights", err, 1, true)
          assert.is_nil(shell.read(folder .. "/X"))
          assert.are.equal("mine", shell.read(folder .. "/Y"))
          assert.is_nil((out .. err):find("root:", 1, true))
        end
      end
    end)
  end

  -- what we give it is a way to nothing but itself
  local inside = {
    ["the fields of run"] = "local _ = run.stage",
    ["the fields of the stimulator"] = "local _ = stim.stimulator",
    ["the fields of a staircase"] = "local _ = run:staircase { start = 50, step = 2 }.conclude",
    ["a new field of run"] = "run.sleep = nil",
    ["a new field of the stimulator"] = "function stim.fire() end",
  }
  for name, body in pairs(inside) do
    it("is refused with its line what is ours: " .. name, function()
      local status, _, err = look("show", body)
      assert.are.equal(2, status)
      assert.matches("theirs.lua:4: %a+[ .]", err)
    end)
  end

  it("finds nothing of ours behind what it holds, and changes none of it", function()
    local status, out, err = look("show", [[
      for _, each in ipairs { run, stim, run:staircase { start = 50, step = 2 } } do
        assert(type(getmetatable(each)) ~= "table" and rawlen(each) == 0 and next(each) == nil)
      end
      stim:limits().intensity.max = 7
      assert(stim:limits().intensity.max > 7)
      stim:identity().model = "mine"
      assert(stim:identity().model ~= "mine")
      local ok, problem = pcall(stim.fire, stim, mp.pulse(mp.mso(50)))
      assert(not ok)
      run:spawn(function() run:sleep(1) run:stop() end)
      ok, problem = pcall(run.sleep, run, 5)
      assert(not ok and type(problem) == "table" and problem.__index == nil)
      assert(type(getmetatable(problem)) ~= "table")
    ]])
    assert.are.equal(5, status, out .. err)
  end)

  it("tells the terminal nothing but text", function()
    local status, out, err = look("show", 'run:note("a\27]0;b\7c\xC2\x9Bd")')
    assert.are.equal(0, status, err)
    assert.is_nil((out .. err):find("[\27\7]"))
    assert.is_nil((out .. err):find("\xC2\x9B", 1, true))
    assert.matches("a\\x1B]0;b\\x07c", out, 1, true)
  end)

  it("keeps what a protocol keeps, and its draws", function()
    local status, out, err = look("show", [[
      math.floor(run:uniform(1, 2))
      local names = setmetatable({}, { __index = function(_, k) return k end })
      print(names.of, ("x"):rep(3), string.format("%5.1f", 2.5), table.concat({ 1, 2 }, ","))
      stim:arm()
      for trial, intensity in run:staircase { start = 45, step = 2, trials = 3 } do
        run:sleep(5)
        stim:fire(mp.pulse(mp.mso(intensity)))
        trial:answer(trial.number % 2 == 0)
      end
      stim:disarm()
    ]])
    assert.are.equal(0, status, err)
    assert.matches("pulses +3", out)
    assert.matches("of\txxx\t  2.5\t1,2", err)
  end)

  it("has no say in math.random", function()
    local status, _, err = look("show", "math.random()")
    assert.are.equal(2, status)
    assert.matches("theirs.lua:4: math.random would give other numbers each time: use run:uniform", err, 1,
      true)
  end)

  it("may do all of it when it is run", function()
    local path = write(('os.execute("touch %s/X")'):format(folder))
    local status, _, err = shell.moonpulse(folder, ("run %s --speed max --out %s/runs"):format(path, folder))
    assert.are.equal(0, status, err)
    assert.is_truthy(shell.read(folder .. "/X"))
  end)

  describe("asks nobody:", function()
    local ask = 'run:sleep(1)\nrun:ask "a name"\nrun:ask "MEP above 50 uV? [y/n]"'

    for _, command in ipairs(commands) do
      it(command .. " ends at once, with the question and what to give", function()
        local status, out, err = look(command, ask)
        assert.are.equal(2, status, out .. err)
        assert.matches('theirs.lua:5: question 1 has no answer: "a name": nobody is asked while an '
          .. "experiment is only looked at: give --answers FILE, a text file with an answer a line (here any "
          .. "text)", err, 1, true)
        shell.write(folder .. "/answers", "me\n")
        status, out, err = look(command, ask, "--answers " .. folder .. "/answers")
        assert.are.equal(2, status, out .. err)
        assert.matches('theirs.lua:6: question 2 has no answer: "MEP above 50 uV? [y/n]": ' .. folder
          .. "/answers has only 1 line: add a line (here one of y/n)", err, 1, true)
        shell.write(folder .. "/answers", "me\ny\n")
        assert.are.equal(0, (look(command, ask, "--answers " .. folder .. "/answers")))
      end)

      it(command .. " ends on a terminal and with a pipe that says nothing, too", function()
        for _, input in ipairs { "rm -f pipe; mkfifo pipe; exec 3<>pipe; %s <&3",
          "script -qec \"%s\" /dev/null" } do
          local line = input:gsub("pipe", folder .. "/pipe"):format(("timeout 60 %s %s %s"):format(
            shell.program, command, write(ask)))
          local _, out, err = shell.sh(folder, line)
          assert.matches('question 1 has no answer: "a name"', out .. err, 1, true)
        end
      end)
    end

    it("also with the shipped experiment", function()
      local status, _, err = shell.moonpulse(folder, "check scripts/threshold.lua")
      assert.are.equal(2, status)
      assert.matches('question 1 has no answer: "MEP above 50 uV?', err, 1, true)
    end)

    it("waits for no trigger that cannot come", function()
      for _, options in ipairs { "", '{ line = "dsr" }', "{ byte = 7 }" } do
        local status, _, err = look("check", "run:wait_trigger(" .. options .. ")")
        assert.are.equal(2, status)
        assert.matches("theirs.lua:4: run:wait_trigger: in virtual time triggers come from --triggers FILE, "
          .. "and there is none", err, 1, true)
      end
    end)
  end)

  describe("comes to an end:", function()
    it("where it does not yield", function()
      local status, _, err = look("show", "while true do end", nil, shim.of "hasty")
      assert.are.equal(5, status)
      assert.matches("theirs.lua:4", err, 1, true)
    end)

    it("where it goes on for days", function()
      for _, body in ipairs { "while true do run:sleep(60) end",
        "while true do pcall(run.sleep, run, 60) end",
        "run:spawn(function() run:sleep(1e6) end) run:sleep(1e6)" } do
        local status, _, err = look("show", body)
        assert.is_true(status == 2 or status == 5, err)
        assert.matches("theirs.lua:4: ", err, 1, true)
      end
    end)

    it("where it takes too much memory", function()
      if shell.program:find("sanitize", 1, true) then
        pending "a checked build ends where there is no memory"
      end
      local status, _, err = look("show", "local s = ('x'):rep(2000000000)")
      assert.are.equal(2, status)
      assert.matches("not enough memory", err, 1, true)
    end)

    it("by Ctrl-C, with nothing left behind", function()
      local job = shell.start(folder, "job", "show " .. write "while true do run:sleep(0.001) end")
      local child = shell.await(function()
        return job:children()[1]
      end, "a child")
      job:signal "INT"
      assert.are.equal(5, job:wait())
      shell.await(function() return not lfs.attributes("/proc/" .. child) end, "the child's end")
      assert.matches("interrupted while the experiment was looked at", job:err(), 1, true)
    end)
  end)

  it("leaves the participant's earlier runs as they are, and no run of its own", function()
    local path = write 'stim:arm() stim:fire(mp.pulse(mp.mso(50))) run:sleep(1) stim:disarm()'
    local function runs()
      local _, out = shell.sh(folder, ("cd %s/runs && find . -type f | sort | xargs sha256sum; stat -c "
        .. "%%Y_%%Z ."):format(folder))
      return out
    end
    assert.are.equal(0, (shell.moonpulse(folder, ("run %s --speed max --participant P1 --out %s/runs"):format(
      path, folder))))
    local before = runs()
    local status, out, err = shell.moonpulse(folder, ("check %s --participant P1 --out %s/runs"):format(path,
      folder))
    assert.are.equal(0, status, err)
    assert.are.equal(before, runs(), out)
  end)
end)
