-- The command line as its users meet it: help, refusals, pipes, memory, plain Lua.
local core = require "moonpulse.core"
local lfs = require "lfs"
local shell = require "shell"

local commands = { "run", "show", "events", "sim", "ports", "protocols" }

describe("the command line", function()
  local folder

  setup(function()
    folder = shell.folder()
    shell.write(folder .. "/huge.lua", [[
local mp = require "moonpulse"
return mp.protocol { id = "huge", name = "Huge", plan = function()
  return mp.train { pulses = 1000000000, hz = 50, intensity = mp.mso(50) }
end }]])
    shell.write(folder .. "/one.lua", [[
local mp = require "moonpulse"
return mp.protocol { id = "one", name = "One", plan = function() return mp.pulse(mp.mso(50)) end }]])
  end)

  teardown(function()
    shell.remove(folder)
  end)

  local function moonpulse(arguments)
    return shell.moonpulse(folder, arguments)
  end

  local function has(name)
    return (shell.sh(folder, "command -v " .. name)) == 0
  end

  describe("helps", function()
    for _, name in ipairs(commands) do
      it("with " .. name, function()
        local status, out, err = moonpulse(name .. " --help")
        assert.are.equal(0, status)
        assert.are.equal("", err)
        assert.matches("Usage: moonpulse " .. name, out, 1, true)
        assert.matches("Example:\n   moonpulse " .. name, out, 1, true)
        for line in out:gmatch("[^\n]+") do
          assert.is_true(#line <= 100, line)
        end
      end)
    end

    it("with itself", function()
      for _, how in ipairs { "--help", "help", "-h" } do
        local status, out, err = moonpulse(how)
        assert.are.equal(0, status)
        assert.are.equal("", err)
        assert.matches("Example:\n   moonpulse run", out, 1, true)
        for _, name in ipairs(commands) do
          assert.matches("\n   " .. name .. " ", out, 1, true)
        end
      end
      local status, out = moonpulse("--version")
      assert.are.equal(0, status)
      assert.are.equal("moonpulse " .. core.version .. "\n", out)
    end)

    it("on stderr where nothing was asked", function()
      local status, out, err = moonpulse("")
      assert.are.equal(2, status)
      assert.are.equal("", out)
      assert.matches("Usage: moonpulse COMMAND", err, 1, true)
    end)
  end)

  it("refuses bad usage with status 2 and one line that says what to do", function()
    local cases = {
      { "bogus", 'no command "bogus"' }, { "run", "missing argument 'protocol'" },
      { "run nope --amt 50", 'no protocol "nope"' }, { "run itbs600", "add --amt N" },
      { "run itbs600 --amt 50 --bogus", "unknown option '--bogus'" },
      { "run itbs600 --amt 50 --port /dev/x", "needs --device" },
      { "run itbs600 --amt 50 --device magventure", "needs --port" },
      { "run itbs600 --amt 50 --device nope --port /dev/x", 'no device "nope"' },
      { "run itbs600 --amt 50 --device magventure --port /dev/x --speed 2", "simulator only" },
      { "run itbs600 --amt 50 --speed 0", "no number from 0.01 to 1000" },
      { "run itbs600 --amt 50 --tolerance 0", "no number from 0.01" },
      { "run itbs600 --amt 50 --late never", "abort" },
      { "run itbs600 --amt nan", "no number" }, { "run itbs600 --amt 101", "no number" },
      { "run itbs600 --amt 50 --seed x", "no seed" }, { "run itbs600 --amt 50 --seed 1.5", "no seed" },
      { "run itbs600 --amt 50 -p trains", "key=value" },
      { "run itbs600 --amt 50 -p trains=0", "outside 1 to 60" },
      { "run itbs600 --amt 50 -p nope=1", "no such parameter" },
      { "show", "missing argument" }, { "show nope.lua", "nope.lua" },
      { "events nope", 'no protocol "nope"' }, { "sim nope", 'no device "nope"' },
      { "sim", "missing argument" }, { "lua", "missing" }, { "lua /nowhere.lua", "/nowhere.lua" },
      { "ports more", "too many arguments" }, { "protocols more", 'no protocol "more"' },
      { "protocols itbs600 more", "too many arguments" },
    }
    for _, case in ipairs(cases) do
      local out_folder = case[1]:match("^run ") and " --out " .. folder .. "/never" or ""
      local status, out, err = moonpulse(case[1] .. out_folder)
      assert.are.equal(2, status, case[1])
      assert.are.equal("", out, case[1])
      assert.matches("^moonpulse[^\n]*\n$", err)
      assert.matches(case[2], err, 1, true)
    end
    assert.is_nil(lfs.attributes(folder .. "/never"))
  end)

  it("refuses what the device cannot do with status 3, and says what passes", function()
    shell.write(folder .. "/fast.lua", [[
local mp = require "moonpulse"
return mp.protocol { id = "fast", name = "Fast", plan = function()
  return mp.train { pulses = 6, hz = 200, intensity = mp.mso(5) }
end }]])
    local status, _, err = moonpulse("run " .. folder .. "/fast.lua --out " .. folder .. "/never")
    assert.are.equal(3, status)
    assert.matches("^moonpulse: pulses 1 and 2 [^\n]*5 ms apart[^\n]*\n$", err)
    assert.matches("10 ms (X100: at most 100 Hz)", err, 1, true)
    status, _, err = moonpulse("run itbs600 --rmt 100 --amt 100 -p intensity=130%AMT --out " .. folder
      .. "/never")
    assert.is_true(status == 3 or status == 2, err)
    assert.matches("^moonpulse: [^\n]*\n$", err)
    assert.is_nil(lfs.attributes(folder .. "/never"))
  end)

  it("keeps a script error to one line with its place", function()
    shell.write(folder .. "/broken.lua", "local mp = require 'moonpulse'\nreturn mp.protocol {\n"
      .. "  id = 'b', name = 'B', plan = function() return mp.pulse(mp.mso(101)) end }\n")
    local status, _, err = moonpulse("show " .. folder .. "/broken.lua")
    assert.are.equal(2, status)
    assert.matches("^moonpulse: [^\n]*broken%.lua:3: [^\n]*101[^\n]*\n$", err)
    shell.write(folder .. "/broken.lua", "this is no Lua")
    status, _, err = moonpulse("show " .. folder .. "/broken.lua")
    assert.are.equal(2, status)
    assert.matches("^moonpulse: [^\n]*broken%.lua:1: [^\n]*\n$", err)
  end)

  describe("in a pipe", function()
    it("writes every pulse of a protocol once", function()
      local status, out, err = moonpulse("events itbs600 --amt 50")
      assert.are.equal(0, status)
      assert.are.equal("", err)
      local lines = select(2, out:gsub("\n", ""))
      assert.are.equal(601, lines)
      assert.matches("\n600\t191840000\tpulse\t1\t80\tAMT\t40\t600\tn/a\ttrain\t20\tn/a\n$", out)
    end)

    --- The statuses of all programs of a pipe, and what the one before head said on stderr.
    local function piped(arguments, lines)
      local code = ("%s %s 2>%s/pipe.err | head -%d; echo ${PIPESTATUS[*]}"):format(
        shell.quote(shell.program), arguments, shell.quote(folder), lines)
      local _, out = shell.sh(folder, "bash -c " .. shell.quote(code))
      return out, shell.read(folder .. "/pipe.err")
    end

    it("goes quietly when its reader has seen enough", function()
      local out, err = piped("events itbs600", 1)
      assert.are.equal("", err)
      assert.matches("^index\tonset_us\t[^\n]*\n0 0\n$", out)
      out, err = piped("events hf10_neurostar", 2)
      assert.are.equal("", err)
      assert.matches("\n0 0\n$", out)
    end)

    it("does so in a plan of 1,000,000,000 pulses, too", function()
      local out, err = piped("events " .. folder .. "/huge.lua", 4)
      assert.are.equal("", err)
      assert.matches("\n1\t0\tpulse\t1\t50\tMSO\t50\t1\tn/a\ttrain\t1\tn/a\n2\t20000\tpulse[^\n]*\n"
        .. "3\t40000[^\n]*" .. "\n0 0\n$", out)
    end)

    it("fails with a message where the disk is full", function()
      if not lfs.attributes("/dev/full") then
        return pending("this machine has no /dev/full")
      end
      local status, _, err = moonpulse("events itbs600 >/dev/full")
      assert.are.equal(4, status)
      assert.matches("^moonpulse: [^\n]*[Nn]o space[^\n]*\n$", err)
    end)
  end)

  --- Largest memory in KiB that a Lua text in a process of its own has held.
  local function peak_kib(text)
    shell.write(folder .. "/peak.lua", text .. [[

for line in io.lines("/proc/self/status") do
  local kib = line:match("^VmHWM:%s*(%d+)")
  if kib then print("peak " .. kib) end
end]])
    local status, out, err = moonpulse("lua " .. folder .. "/peak.lua")
    assert.are.equal("", err)
    assert.are.equal(0, status)
    return tonumber(out:match("peak (%d+)")), out
  end

  it("needs no more memory for 1,000,000,000 pulses than for one", function()
    if shell.is_slow then
      return pending("memory is measured without sanitizers and valgrind")
    end
    local show = [[
local core = require "moonpulse.core"
core.run(require("moonpulse.commands.show").run, { protocol = %q, param = {} })]]
    local small = peak_kib(show:format(folder .. "/one.lua"))
    local large, out = peak_kib(show:format(folder .. "/huge.lua"))
    assert.matches("1,000,000,000", out, 1, true)
    assert.is_true(large - small < 10 * 1024, ("%d KiB more"):format(large - small))

    local walk = [[
local core = require "moonpulse.core"
local _, plan = require("moonpulse.cli.protocol_argument").load { protocol = %q, param = {} }
local driver = require("moonpulse.driver.find").configure((require "moonpulse.devices.magventure"))
local lowering = core.lowering(plan, 1, driver.serial, 0)
for i in ipairs(lowering:actions()) do lowering:pulse(i, driver.encode.pulse(), 0.01) end
lowering:changes()
local finished, violation = lowering:check(20000000)
print(finished, violation)]]
    small = peak_kib(walk:format(folder .. "/one.lua"))
    large, out = peak_kib(walk:format(folder .. "/huge.lua"))
    assert.matches("^false\tnil\n", out)
    assert.is_true(large - small < 10 * 1024, ("%d KiB more"):format(large - small))
  end)

  it("is a library for plain lua5.4, too", function()
    if not has("lua5.4") then
      return pending("lua5.4 is not installed")
    elseif shell.program:find("sanitize", 1, true) then
      return pending("plain Lua cannot load a library with a sanitizer inside")
    end
    shell.write(folder .. "/plain.lua", [[
local mp = require "moonpulse"
local core = require "moonpulse.core"
local plan = mp.theta_burst { pulses = 3, hz = 50, theta_hz = 5, on = 2, off = 8, cycles = 20,
  intensity = mp.amt(80) }
print(plan:totals().pulses, plan:totals().last)
print(core.run(function() core.wait(0.01) return mp.version end))]])
    local build = shell.program:match("^(.*)/[^/]*$")
    local status, out, err = shell.sh(folder, ("LUA_PATH=%s LUA_CPATH=%s lua5.4 %s/plain.lua"):format(
      shell.quote("scripts/?.lua;scripts/?/init.lua;;"), shell.quote(build .. "/lib/?.so;;"), folder))
    assert.are.equal("", err)
    assert.are.equal(0, status)
    assert.are.equal("600\t191.84\n" .. core.version .. "\n", out)
  end)

  it("shows one line that changes on a terminal, plain lines in a pipe", function()
    -- twice real time: a 50 Hz burst in real time would stop where the computer is held up for 10 ms
    local arguments = " run itbs600 -p trains=1 --amt 50 --speed 2 --out " .. folder .. "/runs"
    local status, out = moonpulse(arguments)
    assert.are.equal(0, status)
    assert.is_nil(out:find("\r", 1, true))
    assert.is_nil(out:find("\27", 1, true))
    if not has("script") then
      return pending("there is no script program to make a terminal with")
    end
    status, out = shell.sh(folder, "TERM=xterm script -qec " .. shell.quote(shell.quote(shell.program)
      .. arguments) .. " /dev/null")
    assert.are.equal(0, status)
    local updates = select(2, out:gsub("\r%d+:%d%d%.%d  ", ""))
    assert.is_true(updates >= 3, out)
    assert.matches("30/30 pulses", out, 1, true)
    assert.matches("\nsent        30 of 30 pulses", out, 1, true)
  end)

  it("shows how far a train is that the stimulator times", function()
    if not has("script") then
      return pending("there is no script program to make a terminal with")
    end
    shell.write(folder .. "/made.lua", [[local mp = require "moonpulse"
      return mp.protocol { id = "made", name = "Made", plan = function()
        return mp.train { pulses = 20, hz = 10, intensity = mp.mso(40) } end }]])
    local _, out = shell.sh(folder, "TERM=xterm script -qec " .. shell.quote(shell.quote(shell.program)
      .. (" run %s/made.lua --timing device --tolerance 1000 --out %s/runs"):format(folder, folder))
      .. " /dev/null")
    local shown = tonumber(out:match("\r0:01%.%d  (%d+)/20 pulses"))
    assert.is_true(shown and shown >= 5 and shown < 20, out)
  end)
end)
