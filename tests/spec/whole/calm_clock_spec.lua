-- The clock that the specs have (tests/rig/calm_shim.c): whoever the computer lets sleep on, or wait for a
-- processor, holds the time for all, but not for ever; whoever was stopped or killed does not.
local shell = require "shell"

-- forty waits of 10 ms, or a second of the processor; prints what that took by the computer's clock, and by
-- the program's
local waits = [[
local core = require "moonpulse.core"
local function up() return tonumber(io.open "/proc/uptime":read "n") end
local function hold(path, until_ns) -- as a thread of this process that sleeps until then, and does not wake
  local pid, own = core.host().pid, core.clock_ns()
  local file = io.open(path, "r+b")
  local lost = string.unpack("<i8", file:read(8))
  local until_own = own + until_ns
  file:seek("set", 24) -- calm_clock.h: used, and behind it the slots; this one is nobody else's
  file:write(string.pack("<i8", 701))
  file:seek("cur", 700 * 80)
  file:write(string.pack("<i8i8i8i8i8i8i8i8i4i4", until_own, until_own, until_own + lost,
    0, 0, 0, 0, 0, pid, pid))
  file:close()
end
core.run(function()
  local before, wall = core.clock_ns(), core.wall_ns()
  if arg[2] then hold(arg[2], arg[1] == "back" and -1000000000 or 100000000) end
  assert(core.clock_ns() >= before and core.wall_ns() >= wall)
  local real, own = up(), core.clock_ns()
  local computes_s = tonumber((arg[1] or ""):match "^compute=(.*)")
  if computes_s then
    repeat until os.clock() > computes_s -- its own clock it does not look at
  else
    for _ = 1, 40 do core.wait(0.01) end
  end
  print(up() - real, (core.clock_ns() - own) / 1e9)
end)]]

describe("the specs' clock", function()
  local folder
  local calm = (os.getenv "LD_PRELOAD" or ""):find("calm_shim", 1, true)

  before_each(function()
    folder = shell.folder()
    shell.write(folder .. "/waits.lua", waits)
  end)
  after_each(function() shell.remove(folder) end)

  --- Seconds by the computer's clock, and by the program's.
  local function waited(before, argument, with)
    local status, out, err = shell.sh(folder, ("%s\nMP_CALM=%s/clock %s %s lua %s/waits.lua %s"):format(
      before, folder, with or "", shell.quote(shell.program), folder, argument or ""))
    assert.are.equal(0, status, err)
    local real, own = out:match "(%S+)\t(%S+)\n$"
    return tonumber(real), tonumber(own)
  end

  it("stands still while a thread sleeps longer than it asked for, but not for more than 5 s", function()
    if not calm then
      return pending "needs the specs' clock: make test"
    end
    local real, own = waited("", "hold " .. folder .. "/clock")
    assert.is_true(real > 4 and own >= 0.4 and own < 2, ("%g s, of them %g"):format(real, own))
  end)

  it("never goes back, nor for a thread that was held up before it could say that it sleeps", function()
    if not calm then
      return pending "needs the specs' clock: make test"
    end
    local _, own = waited("", "back " .. folder .. "/clock")
    assert.is_true(own >= 0.4, own)
  end)

  it("stands still while a thread wants a processor and gets none", function()
    if not calm then
      return pending "needs the specs' clock: make test"
    end
    local looks = "MP_CALM=%s/clock timeout 60 sh -c 'while sleep 0.01; do :; done' & busy=\"$busy $!\"\n"
    -- a quarter of one processor is left to it; and a sixtieth: waits so long that who looks must see them
    for _, case in ipairs { { nice = 5, looker = "", s = 1.1 }, { nice = 19, looker = looks, s = 0.2 } } do
      local real, own = waited("cpu=$(taskset -cp $$ | sed 's/.*[^0-9]//')\n"
        .. "taskset -c $cpu timeout 60 sh -c 'while :; do :; done' & busy=$!\ntrap 'kill $busy' EXIT\n"
        .. case.looker:format(folder), "compute=" .. case.s, ("nice -n %d taskset -c $cpu"):format(case.nice))
      assert.is_true(real > 2 and own < case.s + 0.5,
        ("nice %d: %g s, of them %g"):format(case.nice, real, own))
    end
  end)

  it("goes on while another program is stopped, or was killed, in its sleep", function()
    for _, signal in ipairs { "STOP", "KILL" } do
      local stopped = ([[
MP_CALM=%s/clock sleep 0.2 & sleeper=$!
trap "kill -9 $sleeper" EXIT
sleep 0.1
kill -%s $sleeper]]):format(folder, signal)
      local real, own = waited(stopped)
      assert.is_true(real < 4 and own >= 0.4, ("%s: %g s, of them %g"):format(signal, real, own))
      real, own = waited(stopped, "compute=1.1") -- and nobody looks at the clock meanwhile
      assert.is_true(own >= 0.9, ("%s: computed for %g s, of them %g"):format(signal, real, own))
    end
  end)
end)
