-- However a run ends, its end has a name, the device is safe, and the record is closed; or it can be
-- recovered, and the last line says so. Each script here once left a record that said "running", or a program
-- that obeyed nothing but SIGKILL.
local core = require "moonpulse.core"
local fixture = require "job"
local shell = require "shell"

local spaced = "[^\n]*" -- within a line

--- { name, script behind the first pulse, { status, stop, reason }, how }; how.signal: sent once the script
--- says "now"; how.also: another end that is as good; how.redirect: shell text; how.at_once: not
--- under the thread sanitizer, which is slow (a stack overflows in 0.7 s) and puts signal handlers off where
--- nothing but Lua runs
local cases = {
  -- errors of any kind
  { "tostring", "error(setmetatable({}, { __tostring = function(self) return self.nothing.here end }))",
    { 2, "error", "an error that is a table whose __tostring fails: .*attempt to index" } },
  { "tostring_of_itself",
    "error(setmetatable({}, { __tostring = function(self) return tostring(self) end }))",
    { 2, "error", "whose __tostring fails: .*stack overflow" } },
  { "tostring_for_ever", "error(setmetatable({}, { __tostring = function() while true do end end }))",
    { 5, "stuck", "script%.lua:5: the script did not yield" } },
  { "tostring_of_a_table", "error(setmetatable({}, { __tostring = function() return {} end }))",
    { 2, "error", "whose __tostring fails: .*must return a string" } },
  { "index", "error(setmetatable({}, { __index = function() error('inner') end }))",
    { 2, "error", "an error that is a table without words" } },
  { "nothing", "error()", { 2, "error", "an error without words %(nil%)" } },
  { "false_", "error(false)", { 2, "error", "error in the script: false" } },
  { "function_", "error(print)", { 2, "error", "an error that is a function without words" } },
  { "code_of_its_own", "error({ code = 'limit', message = 5 })", { 3, "error", "table without words" } },
  { "long", "error(('x'):rep(100000))", { 2, "error", "xxxx %.%.%. %(1000%d%d bytes%)$" } },
  { "controls", "error('a\\27[2J\\0\\200\\u{e9}', 0)", { 2, "error", [[a\x1b%[2J\x00\xc8\xc3\xa9]] } },
  { "closing", "local x <close> = setmetatable({}, { __close = function() error('shut') end })",
    { 2, "error", "shut" } },
  { "wrapped", "coroutine.wrap(function() error({}) end)()", { 2, "error", "table without words" } },
  { "spawned", "run:spawn(function() error({}) end) run:sleep(20)", { 2, "error", "table without words" } },
  { "closes_itself", "local own = coroutine.running() run:spawn(function() coroutine.close(own) end) "
    .. "run:sleep(20)", { 2, "error", "script%.lua:5: coroutine%.close: this coroutine is the script's" } },
  { "resumes_itself", "local own = coroutine.running() run:spawn(function() coroutine.resume(own) end) "
    .. "run:sleep(20)", { 2, "error", "script%.lua:5: coroutine%.resume: this coroutine is the" } },
  { "closes_another", "local co run:spawn(function() co = coroutine.running() run:sleep(20) end) "
    .. "run:sleep(0.01) coroutine.close(co)", { 2, "error", "script%.lua:5: coroutine%.close: this" } },
  { "resumes_its_own", "local co = coroutine.create(function() coroutine.yield() end) "
    .. "coroutine.resume(co) assert(coroutine.close(co) and coroutine.status(co) == 'dead')",
    { 0, "finished", "the script came to its end" } },
  { "overflow", "local function f() return 1 + f() end f()", { 2, "error", "stack overflow" },
    { slow = true, may_end = true } },
  { "too_long_text", "local s = ('x'):rep(1e18)", { 2, "error", "resulting string too large" } },
  -- ends that go past the run
  { "yield", "coroutine.yield()", { 2, "error", "script%.lua:5: a task may only wait with" } },
  { "yield_again", "while true do pcall(function() coroutine.yield() end) end", { 5, "signal", "SIGTERM" },
    { signal = "TERM" } },
  { "exit_again", "while true do pcall(os.exit, 1) end", { 5, "requested", "os.exit%(1%)" } },
  -- scripts that do not come to an end
  { "loop", "while true do end", { 5, "stuck", "script%.lua:5: the script did not yield" } },
  { "loop_in_coroutine", "local f = coroutine.wrap(function() while true do end end) f()",
    { 5, "stuck", "script%.lua:5: the script did not yield" } },
  { "loop_in_two",
    "local w = coroutine.wrap w(function() w(function() while true do end end)() end)()",
    { 5, "stuck", "script%.lua:5: " } },
  { "loop_that_catches", "while true do pcall(function() while true do end end) end",
    { 5, "stuck", "yield" } },
  { "loop_without_hook", "debug.sethook() while true do end", { 5, "stuck", "script%.lua:5: " },
    { at_once = true } },
  { "loop_in_close",
    "local x <close> = setmetatable({}, { __close = function() while true do end end })\nerror(1)",
    { 5, "stuck", "script%.lua:5: " } },
  { "loop_in_spawned", "run:spawn(function() while true do end end) run:sleep(20)",
    { 5, "stuck", "script%.lua:5: " } },
  { "loop_in_sort", "table.sort({ 1, 2, 3 }, function() while true do end end)", { 5, "stuck", "lua:5: " } },
  { "loop_unarmed", "stim:disarm() while true do end", { 5, "signal", "SIGTERM" }, { signal = "TERM" } },
  { "catches_the_stop", "while true do pcall(run.sleep, run, 0.1) end", { 5, "signal", "SIGINT" },
    { signal = "INT" } },
  { "catches_the_stop_unarmed", "stim:disarm() while true do pcall(run.sleep, run, 0.1) end",
    { 5, "signal", "SIGHUP" }, { signal = "HUP" } },
  { "read", "io.read()", { 5, "signal", "SIGTERM" }, { signal = "TERM", redirect = "0<>fifo",
    also = "stuck" } },
  { "read_unarmed", "stim:disarm() io.read('n') run:sleep(20)", { 5, "signal", "SIGTERM" },
    { signal = "TERM", redirect = "0<>fifo", at_once = true } },
  { "command", "io.popen('sleep 20'):read('a')", { 5, "signal", "SIGINT" },
    { signal = "INT", also = "stuck" } },
  { "full_pipe", "while true do print(('x'):rep(10000)) end",
    { 5, "stuck", "nobody took what Moonpulse printed" }, { redirect = "1<>fifo", silent = true } },
  -- the guard
  { "guard_stopped", "local guard repeat run:sleep(0.01) guard = require('guard')(core.host().pid) "
    .. "until guard os.execute('kill -STOP ' .. guard) while true do run:sleep(0.1) end",
    { 5, "guard", "the guard process is gone, or was stopped" } },
  -- calls that nothing interrupts: the program ends, and what it leaves is recovered
  { "pattern", "string.find(('a'):rep(1000000), '.-.-.-.-b')",
    { 5, "stuck", "or the computer was too busy; Moonpulse ended before" },
    { ends = true, at_once = true, -- computed for, or run for
      says = "u[tn]e?d? for %d+%.%d s %(%S+script%.lua:5%), but" } },
  { "command_waited_for", "io.popen('sleep 20'):close()",
    { 5, "stuck", "or the computer was too busy; Moonpulse ended before" }, { ends = true, at_once = true,
      says = "a function that the script called did not return: it waited for %d+%.%d s "
        .. "%(%S+script%.lua:5%), but" } },
  { "command_closed", "io.popen('sleep 20'):close()", { 5, "signal", "signal; Moonpulse ended before" },
    { ends = true, signal = "TERM", also = "stuck", says = "%(%S+script%.lua:5%), but the program" } },
  { "finalizer", "require('finalizer')() collectgarbage() run:sleep(20)",
    { 5, "stuck", "or the computer was too busy; Moonpulse ended before" }, { ends = true,
      says = "%(%S+finalizer%.lua:1%), but the program" } },
  { "finalizer_at_the_end", "kept = require('finalizer')()",
    { 0, "finished", "the script came to its end" } },
  { "memory", "collectgarbage('stop') local t = {} while true do pcall(function() while true do "
    .. "t[#t + 1] = ('x'):rep(1000000) .. #t end end) end", { 5, "stuck", "the script" },
    { may_end = true, limit = "ulimit -v 2000000" } },
}

describe("the end of a run", function()
  local folder, jobs

  setup(function()
    folder, jobs = shell.folder(), {}
    shell.write(folder .. "/finalizer.lua",
      "return function() return setmetatable({}, { __gc = function() while true do end end }) end")
    -- nil until the guard has got so far that it has its name
    shell.write(folder .. "/guard.lua", [[return function(parent)
      local children = io.open("/proc/" .. parent .. "/task/" .. parent .. "/children")
      for pid in children:read("a"):gmatch("%d+") do
        local name = io.open("/proc/" .. pid .. "/comm")
        if name and name:read("l") == "moonpulse-guard" then
          return pid
        end
      end
    end]])
  end)

  teardown(function()
    for _, job in ipairs(jobs) do
      job:kill()
    end
    shell.remove(folder)
  end)

  local function begin(case)
    local name, body, _, how = table.unpack(case)
    local base = folder .. "/" .. name
    os.execute(("mkdir %s && mkfifo %s/fifo"):format(base, base))
    shell.write(base .. "/script.lua", 'local mp = require "moonpulse"\n'
      .. "return mp.experiment(function(run)\n"
      .. "local core, stim = require 'moonpulse.core', run:device()\nstim:arm()\n"
      .. ("stim:fire(mp.pulse { intensity = mp.mso(40) }) %s %s\nend)\n"):format(how and how.silent and ""
        or "print('now') io.stdout:flush()", body))
    local redirect = how and how.redirect and how.redirect:gsub("fifo", base .. "/fifo") or ""
    local job = shell.start(base, "job", ("run %s/script.lua --tolerance 1000 --out %s/runs %s"):format(base,
      base, redirect), ("LUA_PATH='%s/?.lua;;'"):format(folder), how and how.limit)
    job.folder = base
    jobs[#jobs + 1] = job
    return job
  end

  local manifest_of = fixture.manifest

  --- One pulse was given; the device was armed and is safe. The guard may still have its word to say.
  local function check_device(path, name)
    local last
    shell.await(function()
      local pulses = 0
      for _, row in ipairs(shell.rows(path .. "/twin.tsv")) do
        pulses = pulses + (row.event == "pulse" and 1 or 0)
        last = row.event ~= "get" and row.event or last
      end
      assert.are.equal(1, pulses, name)
      return last == "disarm"
    end, "the disarming of " .. name)
  end

  local function check(case, job)
    local name, _, expected, how = table.unpack(case)
    how = how or {}
    local status, stop, reason = table.unpack(expected)
    local got = job:wait()
    if how.slow and got == 5 then -- so much to do that a busy computer is late
      status, stop, reason = 5, "stuck", "yield"
    end
    local where = ("%s: %s"):format(name, job:err())
    local path = fixture.run_in(job.folder .. "/runs")
    assert.are.equal(status, got, where)
    check_device(path, name)
    local manifest = manifest_of(path)
    if how.ends or how.may_end and manifest.status == "running" then -- said, and recovered
      assert.are.equal("running", manifest.status, where)
      assert.matches("moonpulse: " .. spaced .. " was ended; " .. spaced .. "the record is not closed: "
        .. "moonpulse recover (%S+)\n", job:err(), where)
      assert.are.equal(path, job:err():match("moonpulse recover (%S+)"))
      assert.matches(how.says or "", job:err(), where)
      local ok, _, err = shell.moonpulse(job.folder, "recover " .. path)
      assert.are.equal(0, ok, err)
      manifest = manifest_of(path)
      assert.are.equal("interrupted", manifest.status)
    else
      assert.are.equal(status == 0 and "completed" or "stopped", manifest.status, where)
      assert.is_true(manifest.result.disarmed, where)
      assert.is_string(shell.read(path .. "/report.html"), where)
      assert.is_nil(job:err():find("[\0-\8\11-\31\127-\255]"), where)
    end
    local result = manifest.result
    if result.stop ~= how.also then
      assert.are.equal(stop, result.stop, where)
      assert.matches(reason, result.reason, where)
    end
    assert.are.equal(1, result.pulses_sent, where)
    local pulses = 0
    for _, row in ipairs(shell.rows(path .. "/events.tsv")) do
      pulses = pulses + (row.event == "pulse" and 1 or 0)
    end
    assert.are.equal(1, pulses, where)
  end

  -- four at a time: each has a device and a guard of its own
  for first = 1, #cases, 4 do
    local names = {}
    for i = first, math.min(first + 3, #cases) do
      names[#names + 1] = cases[i][1]
    end
    it("has a name and leaves a record: " .. table.concat(names, ", "), function()
      local begun = {}
      for i = first, math.min(first + 3, #cases) do
        local how = cases[i][4] or {}
        local program = shell.program
        if not (how.limit and program:find("sanitize", 1, true) -- which take all addresses
            or (how.at_once or how.says) and program:find("sanitize-thread", 1, true)) then
          begun[#begun + 1] = { cases[i], begin(cases[i]) }
        end
      end
      -- each as soon as it is there: one that waits behind another's is stuck half a second later
      local due = {}
      for _, each in ipairs(begun) do
        local how = each[1][4]
        due[#due + 1] = how and how.signal and { job = each[2], signal = how.signal } or nil
      end
      shell.await(function()
        for i = #due, 1, -1 do
          local one, now_ns = due[i], core.clock_ns()
          if not one.said_ns then
            one.said_ns = one.job:out():find("now", 1, true) and now_ns
          elseif now_ns - one.said_ns > 50000000 then
            one.job:signal(one.signal)
            table.remove(due, i)
          end
        end
        return #due == 0
      end, "the moments of the signals")
      for _, each in ipairs(begun) do
        check(table.unpack(each))
      end
    end)
  end
end)
