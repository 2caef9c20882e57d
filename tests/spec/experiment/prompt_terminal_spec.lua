-- moonpulse repl on a terminal: a line is edited, and what must go on goes on meanwhile. What was given, and
-- what the stimulator was told while somebody typed, the simulator's own log says; how the terminal is, stty.
local core = require "moonpulse.core"
local fixture = require "job"
local shell = require "shell"

describe("a prompt on a terminal", function()
  local folder, jobs, terminals

  fixture.each_test(function(...)
    folder, jobs = ...
    terminals = {}
  end)
  after_each(function()
    for _, terminal in ipairs(terminals) do
      terminal:close()
    end
  end)

  local function modes(path)
    return (assert(io.popen("stty -a <" .. path)):read("a"))
  end

  --- A prompt, and who sits there; the prompt is there when it returns.
  local function begin(options, size, command)
    local seen = {}
    local terminal = core.pty(nil, function(bytes) seen[#seen + 1] = bytes end)
    terminals[#terminals + 1] = terminal
    local path = terminal:path()
    os.execute(("stty sane %s <%s"):format(size or "", path))
    local self = { before = modes(path), path = path }
    self.job = jobs:start("repl", ("%s --tolerance 5000 --out %s/runs %s <%s >%s 2>&1"):format(
      command or "repl", folder, options or "", path, path),
      ("TERM=xterm XDG_STATE_HOME=%s/state"):format(folder))
    function self.text() return table.concat(seen) end
    --- Wait for a text that comes behind what was there when it was asked for last.
    local from = 1
    function self.says(text)
      shell.await(function()
        local _, last = self.text():find(text, from, true)
        from = last and last + 1 or from
        return last
      end, text .. " in " .. self.text():sub(from))
    end
    function self.types(keys)
      for i = 1, #keys, 100 do -- who edits a line writes too, and waits until that is read
        terminal:write(keys:sub(i, i + 99))
        if #keys >= i + 100 then
          core.wait(0.02)
        end
      end
    end
    function self.log()
      return shell.read(fixture.run_in(folder .. "/runs") .. "/twin.tsv") or ""
    end
    function self.pulses() return select(2, self.log():gsub("\tpulse\t", "")) end
    --- It ends with that status, and leaves the terminal as it was.
    function self.ends(status)
      assert.are.equal(status, self.job:wait(), self.text())
      assert.are.equal(self.before, modes(path))
      return fixture.run_in(folder .. "/runs")
    end
    self.says "moonpulse> "
    return self
  end

  it("says what its keys do, and promises neither a pause nor a resume", function()
    local at = begin()
    assert.matches("(q or space stops while a plan plays; p pauses nothing: it is at a prompt)", at.text(), 1,
      true)
    assert.is_nil(at.text():find("resume", 1, true), at.text())
    at.types "quit\r"
    at.ends(0)
    os.rename(folder .. "/runs", folder .. "/earlier")
    shell.write(folder .. "/own.lua", [[return require "moonpulse".experiment(function(run)
      run:sleep(0.1)
      run:prompt()
    end)]])
    at = begin(nil, nil, ("run %s/own.lua"):format(folder))
    local told = "p pauses behind the trial, and resume goes on)\r\n(from here on p pauses nothing, and "
      .. "resume cannot go on with this run: it is at a prompt)"
    assert.matches(told, at.text(), 1, true)
    at.types "quit\r"
    at.ends(0)
  end)

  it("leaves nothing to the shell that was typed before a stop, and all that was typed behind it", function()
    shell.write(folder .. "/asks.lua", [[return require "moonpulse".experiment(function(run)
      run:prompt()
      run:ask "MEP?"
    end)]])
    --- What a shell would read: whole lines or not.
    local function left(path)
      os.execute(("stty -icanon min 0 time 1 <%s"):format(path))
      local pipe = assert(io.popen(("dd bs=1000 count=1 status=none <%s"):format(path)))
      local text = pipe:read "a"
      pipe:close()
      return text
    end
    for _, piped in ipairs { false, true } do -- run ... | tee log: nobody reads keys then
      local at = begin(nil, nil, ("run %s/asks.lua"):format(folder))
      at.types "quit\r"
      at.says "MEP?"
      if piped then
        at.types "5\r"
        at.ends(0)
        at.job = jobs:start("piped", ("run %s/asks.lua --out %s/piped <%s"):format(folder, folder, at.path))
        at.job:says "moonpulse> "
        at.types "quit\r"
        at.job:says "MEP?"
      end
      at.types "rm -r 60" -- and no Enter yet
      at.says "60"
      at.job:signal "TERM"
      assert.are.equal(5, at.job:wait(), at.text())
      assert.are.equal("", left(at.path))
      at.types "ls\r"
      assert.matches("^ls", left(at.path))
      os.rename(folder .. "/runs", folder .. "/earlier")
    end
  end)

  it("edits lines: arrows, Delete, words, Tab, letters of UTF-8, and quit", function()
    local at = begin()
    assert.matches("%f[%S]%-icanon%s", modes(at.path))
    assert.matches("%f[%S]isig%s", modes(at.path)) -- Ctrl-C is a signal
    at.types "3 * 4\27[D1\r" -- 3 * 14
    at.says "\n42\r\n"
    at.types "7 + 1\1" -- to the beginning
    at.types "9\27[C\27[3~\27[3~\27[3~*\5\0011\r" -- 97, then " + " away, so 97*1, with a 1 in front
    at.says "\n197\r\n"
    at.types "'ä€o'\127\127\127u'\r" -- Backspace takes letters, not bytes
    at.says "\näu\r\n"
    at.types "gain = 2\r"
    at.types "ga\9 * 3\r"
    at.says "\n6\r\n"
    at.types "stim:dis\9()\r"
    at.says "moonpulse> stim:dis"
    at.types "mp.pul\9(mp.mso(1))\r"
    at.says "\npulse, 1 %MSO\r\n"
    at.types "stim:a\9" -- arm, armed
    at.types "\9"
    at.says "stim:arm  stim:armed"
    at.types "ed()\r"
    at.says "\nfalse\r\n"
    at.types "quit\r"
    local run = at.ends(0)
    assert.are.equal("completed", fixture.manifest(run).status)
    assert.are.equal(0, (shell.moonpulse(folder, "verify " .. run)))
  end)

  it("has the lines of before, of earlier prompts too, in a file for their owner alone", function()
    local at = begin()
    at.types "1000 + 1\r"
    at.says "\n1001\r\n"
    at.types "2000 + 2\r"
    at.says "\n2002\r\n"
    at.types "\27[A\27[A\r"
    at.says "\n1001\r\n"
    at.types "\4"
    at.ends(0)
    local status, out = shell.sh(folder, ("stat -c %%a %s/state/moonpulse/prompt_history"):format(folder))
    assert.are.same({ 0, "600\n" }, { status, out })
    os.rename(folder .. "/runs", folder .. "/earlier")
    at = begin()
    at.types "20\18\r" -- Ctrl-R: one that begins so
    at.says "\n2002\r\n"
    at.types "\4"
    at.ends(0)
    assert.are.equal("1000 + 1\n2000 + 2\n1000 + 1\n2000 + 2\n",
      shell.read(folder .. "/state/moonpulse/prompt_history"))
  end)

  it("keeps a stimulator armed that wants to be spoken to, while somebody types or thinks", function()
    local at = begin "--device sim:magstim200"
    at.types "stim:arm()\r"
    at.says "armed "
    at.types "stim:fi"
    local before = #at.log()
    core.wait(3) -- a Magstim disarms itself after 1 s without a command
    assert.is_true(select(2, at.log():sub(before + 1):gsub("\n", "")) >= 3, at.log())
    at.types "re(mp.pulse(mp.mso(30)))\r"
    at.says "armed 30 %MSO> "
    at.types "\4"
    local run = at.ends(0)
    assert.are.equal(1, at.pulses())
    local result = fixture.manifest(run).result
    assert.are.same({ 1, 1, true }, { result.pulses_sent, result.pulses_confirmed, result.disarmed })
  end)

  it("never waits for the rest of a key, and no key but Ctrl-D on an empty line ends", function()
    local at = begin()
    at.types "stim:arm()\r"
    at.says "armed "
    local keys = { "\27", "\22", "\24", "\27[1;", "\195", "\27x", "\19", "\18", "\27\27", "\25", "\0" }
    for _, key in ipairs(keys) do
      at.types(key)
      core.wait(0.7) -- a loop that is silent for 0.5 s while armed stops
      at.types "\r\r\21\r" -- what began is over, and the line is empty
    end
    at.types "stim:fire(mp.pulse(mp.mso(30)))\r"
    at.says "armed 30 %MSO> "
    at.types "\4"
    at.ends(0)
    assert.are.equal(1, at.pulses())
  end)

  it("takes no more of a line than there is room for: letters, Ctrl-Y, lines of before", function()
    local at = begin(nil, "rows 24 cols 80")
    local function gives(keys, want)
      at.types(keys .. "\r")
      at.says("\n" .. want .. "\r\n")
    end
    at.types(("a"):rep(900) .. "\1")
    at.types(("b"):rep(120) .. "\5" .. ("c"):rep(1400))
    gives("\21#'3'", "1") -- Ctrl-U
    gives("#'" .. ("d"):rep(1100) .. "\127'", "997") -- 1000 letters, less the quotes and #
    gives(("5"):rep(400) .. "\21\25\25\25\1#'\5'", "800") -- there is room for it two times
    gives(("e"):rep(500) .. " " .. ("f"):rep(498) .. "\23\21#'\25'", "501") -- Ctrl-W, Ctrl-U, Ctrl-Y
    gives("#'" .. ("ä"):rep(1100) .. "\127'", "1994")
    at.types "\4"
    at.ends(0)
    os.rename(folder .. "/runs", folder .. "/earlier")
    -- on a small screen, with lines of before that it has no room for, one of which nobody can have typed
    local file = assert(io.open(folder .. "/state/moonpulse/prompt_history", "a"))
    assert(file:write("7 + 7\n", ("8"):rep(500), "\n", ("9"):rep(3000), "\n"))
    file:close()
    at = begin(nil, "rows 4 cols 30")
    gives("\27[A", "14")
    gives("#'" .. ("日"):rep(60) .. "\127'", "108") -- (3 rows * 29 - 11 of the prompt - 2) // 2 - 1 letters
    at.types("\0276\0270x\21run:ask('" .. ("w"):rep(30) .. "')\r") -- Meta-6, Meta-0: no 60 letters
    at.says("\n" .. ("w"):rep(30) .. " ") -- the question; what is typed before it is no answer
    gives("ok", "ok")
    at.types "\4"
    at.ends(0)
  end)

  it("does not wait for keys that a command of the script takes meanwhile", function()
    local at = begin()
    at.types "stim:arm()\r"
    at.says "armed "
    at.types "run:spawn(function() run:sleep(0.5) os.execute [[head -c 4 >/dev/null; echo it had 4]] end)\r"
    at.says "armed "
    core.wait(1.5) -- the command has begun
    for _ = 1, 6 do
      at.types "z"
      core.wait(0.7) -- a loop that is silent for 0.5 s while armed stops
    end
    at.types("zzzz\21stim:fire(mp.pulse(mp.mso(30)))\r")
    at.says "armed 30 %MSO> "
    at.types "\4"
    at.ends(0)
    assert.are.equal(1, at.pulses())
  end)

  it("runs lines that were pasted at once one after the other", function()
    local at = begin()
    at.types "stim:arm()\rfor i = 1, 3 do\r  stim:fire(mp.pulse(mp.mso(30 + i)))\rend\rquit\r"
    local run = at.ends(0)
    assert.are.equal(3, at.pulses())
    local status, said = shell.moonpulse(folder, ("rerun %s --speed max --out %s/again"):format(run, folder))
    assert.are.equal(0, status, said)
    assert.matches("\nSAME ", said, 1, true)
    assert.are.equal(0, (shell.moonpulse(folder, "verify " .. run)))
  end)

  it("keeps what is typed while a line runs for the lines behind it; a space alone stops", function()
    local at = begin()
    at.types "run:sleep(1)\r"
    core.wait(0.3)
    at.types "n = 0\r"
    at.types(("n = n + 1\r"):rep(600)) -- in many pieces, and more than a terminal holds
    at.types "n\r"
    at.says "\n600\r\n"
    at.says "moonpulse> "
    at.types "print(n + 1) run:sleep(60)\r"
    at.says "\n601\r\n"
    at.types "abc"
    core.wait(0.1)
    at.types " "
    local run = at.ends(5)
    assert.are.equal("stopped", fixture.manifest(run).status)
    assert.matches("key", fixture.manifest(run).result.reason, 1, true)
  end)

  it("has one question at a time, also one that another part of the script asks; takes odd names", function()
    local at = begin()
    at.types "mp = 5\r"
    at.says "mp = 5"
    at.says "moonpulse> "
    at.types "run:spawn(function() n = run:ask 'How many? [number]' end)\r"
    at.says "How many? [number] "
    at.types "x\r"
    at.says "please answer a number"
    at.types "42\r"
    at.says "moonpulse> "
    at.types "n\r"
    at.says "\n42\r\n"
    at.types "\4"
    local run = at.ends(0)
    local status, said = shell.moonpulse(folder, "verify " .. run)
    assert.is_true(status == 0 or status == 6, said)
  end)

  it("stops at once while somebody types, and the terminal is as it was", function()
    for name, words in pairs { INT = "stopped by Ctrl-C (SIGINT)", TERM = "stopped by SIGTERM" } do
      local at = begin()
      at.types "stim:arm()\r"
      at.says "armed "
      at.types "stim:fire(mp.pul"
      core.wait(0.3)
      at.job:signal(name)
      at.says(words)
      local run = at.ends(5)
      local result = fixture.manifest(run).result
      assert.are.same({ "signal", true, 0 }, { result.stop, result.disarmed, result.pulses_sent })
      shell.remove(folder .. "/runs")
    end
  end)

  it("ends at a stop key while a plan plays, at a fault, and where a line never comes to its end", function()
    for lines, want in pairs {
      ["stim:play(mp.train { pulses = 100, hz = 5, intensity = mp.mso(30) })\r"] = { 5, "key" },
      ["stim:fire(mp.pulse(mp.mso(30)))\r"] = { 4, "device", "--fault over-temperature@1" },
      ["while true do end\r"] = { 5, "stuck" },
    } do
      local at = begin(want[3])
      at.types "stim:arm()\r"
      at.says "armed "
      at.types(lines)
      if want[2] == "key" then
        shell.await(function() return at.pulses() > 1 end, "two pulses")
        at.types "q"
      end
      local run = at.ends(want[1])
      assert.are.equal(want[2], fixture.manifest(run).result.stop)
      shell.remove(folder .. "/runs")
    end
  end)

  it("takes plain lines where either end is no terminal", function()
    local terminal = core.pty(nil, function() end)
    terminals[#terminals + 1] = terminal
    os.execute(("stty sane <%s"):format(terminal:path()))
    local job = jobs:start("repl", ("repl --out %s/runs <%s"):format(folder, terminal:path()))
    job:says "moonpulse> "
    terminal:write "1 + 1\n"
    job:says "\n2\n"
    terminal:write "\4"
    assert.are.equal(0, job:wait(), job:err())
    assert.is_nil(job:out():find("\27", 1, true))
  end)
end)
