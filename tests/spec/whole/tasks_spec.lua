-- core.run ends what is in charge, so nothing here may run inside the task of the specs: each
-- script runs in a process of its own, which prints what it saw.
local shell = require "shell"

describe("a task", function()
  local folder

  setup(function()
    folder = shell.folder()
  end)

  teardown(function()
    shell.remove(folder)
  end)

  --- Run Lua text in a new host: its output lines, joined by "|"; stderr must be empty.
  local function run(text)
    local path = folder .. "/script.lua"
    shell.write(path, 'local core = require "moonpulse.core"\n' .. text)
    local status, out, err = shell.moonpulse(folder, "lua " .. shell.quote(path))
    assert.are.equal("", err)
    assert.are.equal(0, status)
    return (out:gsub("\n$", ""):gsub("\n", "|"):gsub("\t", " "):gsub("[^ |]*/script%.lua:", "at "))
  end

  it("gets arguments, gives results", function()
    assert.are.equal("3 1 nil 3", run [[
      print(select("#", core.run(function(...) return ... end, 1, nil, 3)),
        core.run(function(...) return ... end, 1, nil, 3))]])
    assert.are.equal("0", run "print(select('#', core.run(function() end)))")
    assert.are.equal("1|2", run [[
      core.run(function() print(1) end)
      core.run(function() core.wait(0) print(2) end)]])
  end)

  it("waits in turn with others, each in its own order", function()
    assert.are.equal("main|a1|b1|a2|b2|end", run [[
      core.run(function()
        local main, left = core.current(), 2
        for _, name in ipairs { "a", "b" } do
          core.spawn(function(suffix)
            print(name .. "1")
            core.wait(suffix == "2" and 0.05)
            print(name .. suffix)
            left = left - 1
            if left == 0 then main:wake() end
          end, "2")
        end
        print("main")
        core.wait()
        print("end")
      end)]])
  end)

  it("says whether it was woken or the time was over", function()
    assert.are.equal("false", run "print(core.run(function() return core.wait(0.01) end))")
    assert.are.equal("true|true a nil 3", run [[
      print(core.run(function()
        local task = core.current()
        core.spawn(function() print(task:wake("a", nil, 3)) end)
        return core.wait(30)
      end))]])
  end)

  it("is woken once; a task that runs or has ended is not", function()
    assert.are.equal("true false|first|false|false|ran", run [[
      core.run(function()
        local task = core.current()
        core.spawn(function() print(task:wake("first"), task:wake("second")) end)
        print(select(2, core.wait()))
        print(task:wake())
        local ended = core.spawn(function() end)
        core.wait(0.02)
        print(ended:wake())
        local fresh = core.spawn(function() print("ran") end)
        fresh:wake("it has not begun: it is not waiting")
        core.wait(0.02)
      end)]])
  end)

  it("does not hear a wake of an earlier wait in a later one", function()
    assert.are.equal("true one|false", run [[
      core.run(function()
        local task = core.current()
        core.spawn(function() task:wake("one") end)
        print(core.wait(30))
        print(core.wait(0.05))
      end)]])
  end)

  it("hands its error to core.run, with its place", function()
    assert.are.equal("false at 2: boom", run [[
print(pcall(core.run, function() error("boom") end))]])
    assert.are.equal("false at 3: late", run [[
print(pcall(core.run, function() core.wait(0.01)
error("late") end))]])
    assert.are.equal("false at 3: child", run [[
print(pcall(core.run, function() core.spawn(function()
error("child") end) core.wait(30) end))]])
  end)

  it("may raise any value", function()
    assert.are.equal("false 7 nil", run [[
      local ok, problem = pcall(core.run, function() error({ code = 7 }) end)
      local _, none = pcall(core.run, function() error(nil) end)
      print(ok, problem.code, none)]])
  end)

  it("ends the run also where only a callback of a session fails", function()
    assert.are.equal("false at 6: callback", run [[
local serial = { baud = 9600, bits = 8, parity = "none", stop_bits = 1, flow = "none" }
print(pcall(core.run, function()
  local pty = assert(core.pty(nil, function() end))
  local session = core.session {
    on_bytes = function() error("callback") end, on_outcome = print, on_gone = print }
  assert(session:open(pty:path(), serial))
  pty:write("x")
  core.wait(30)
end))]])
  end)

  it("leaves a host that can run again", function()
    assert.are.equal("false|fine", run [[
      print((pcall(core.run, function() error("boom") end)))
      print(core.run(function() core.wait(0.01) return "fine" end))]])
    assert.are.equal("false|fine", run [[
      print((pcall(core.run, function() core.spawn(error, "boom") core.wait(30) end)))
      print(core.run(function() core.wait(0.01) return "fine" end))]])
  end)

  it("ends when nothing can wake it", function()
    assert.are.equal("false the script waits for something that can never come",
      run "print(pcall(core.run, function() core.wait() end))")
  end)

  it("is needed to wait", function()
    local no_task = "waiting works only inside a task: start one with core.run or core.spawn"
    assert.are.equal("false " .. no_task, run "print(pcall(core.wait, 1))")
    assert.are.equal("false " .. no_task, run "print(pcall(core.current))")
    assert.are.equal("false at 3: " .. no_task, run [[
      print(core.run(function()
        local co = coroutine.create(function() core.wait(0) end)
        return coroutine.resume(co)
      end))]])
  end)

  it("cannot wait inside a C function", function()
    local refused = "false at 2: cannot wait here: this function was called from C "
      .. "(sort, gsub, require)"
    assert.are.equal(refused, run [[
print(pcall(core.run, function() table.sort({ 2, 1 }, function() core.wait(0) end) end))]])
    assert.are.equal(refused, run [[
print(pcall(core.run, function() string.gsub("x", "x", function() core.wait(0) end) end))]])
  end)

  it("may wait inside pcall, a coroutine that it finishes, and a metamethod", function()
    assert.are.equal("true 5", run [[
      print(core.run(function() return pcall(function() core.wait(0.01) return 5 end) end))]])
    assert.are.equal("6", run [[
      local slow = setmetatable({}, { __index = function() core.wait(0.01) return 6 end })
      print(core.run(function() return slow.value end))]])
    assert.are.equal("1|2", run [[
      core.run(function()
        local walk = coroutine.wrap(function() coroutine.yield(1) coroutine.yield(2) end)
        print(walk()) core.wait(0) print(walk())
      end)]])
  end)

  it("is told that coroutine.yield is no way to wait", function()
    local words = "at 2: a task may only wait with moonpulse functions (sleep, wait), "
      .. "not with coroutine.yield"
    assert.are.equal("false " .. words, run "print(pcall(core.run, function() coroutine.yield(1) end))")
    -- where it yielded, so that it can close what is open; and it may go on
    assert.are.equal("false " .. words .. "|true after", run [[
print(core.run(function() print(pcall(function() coroutine.yield(1) end)) return true, "after" end))]])
    assert.are.equal("1|2|true", run [[
print(pcall(core.run, function() for k in coroutine.wrap(function() coroutine.yield(1) coroutine.yield(2) end)
do print(k) end end))]])
  end)

  it("that waits for no time still lets the loop hear", function()
    assert.are.equal("15", run [[
print(core.run(function()
  local heard
  core.on_signal(function(number) heard = number end)
  io.popen("kill -TERM " .. core.host().pid):close()
  for _ = 1, 100 do
    core.wait(0)
  end
  return heard
end))]])
  end)

  it("hears of an error that nobody else can: where it waits, it may close what is open", function()
    assert.are.equal("false at 2: child|true after", run [[
local function child() error("child") end
print(core.run(function()
  local ok, problem = pcall(function() core.spawn(child) core.wait(30) end)
  print(ok, problem)
  return true, "after"
end))]])
  end)

  it("cannot run another host inside", function()
    assert.are.equal(
      "false at 2: core.run is already running: start more work with core.spawn",
      run "print(pcall(core.run, function() return core.run(print) end))")
  end)

  it("closes its variables when it fails, and they see the error", function()
    local text = [[
local function closing(name)
  return setmetatable({}, { __close = function(_, problem) print(name, problem) end })
end
print(pcall(core.run, function()
  local a <close> = closing("a")
  local b <close> = closing("b")
  %s
end))]]
    assert.are.equal("b nil|a nil|true", run(text:format "core.wait(0.01)"))
    assert.are.equal("b at 8: boom|a at 8: boom|false at 8: boom",
      run(text:format 'error("boom")'))
    assert.are.equal("b at 8: boom|a at 8: boom|false at 8: boom",
      run(text:format 'core.wait(0.01) error("boom")'))
    assert.matches("^b at 8: a task .*|a at 8: a task .*|false at 8: a task may only wait",
      run(text:format "coroutine.yield()"))
  end)

  it("refuses arguments that make no sense", function()
    for _, call in ipairs { "core.run(5)", "core.spawn(5)", "core.run()",
      "core.run(core.wait, -1)", "core.run(core.wait, 0/0)", "core.run(core.wait, 'x')" } do
      assert.matches("^false .*bad argument #1", run(("print(pcall(function() %s end))"):format(call)))
    end
  end)

  it("survives a great many", function()
    assert.are.equal("20000", run [[
      local done = 0
      core.run(function()
        local main = core.current()
        for _ = 1, 20000 do
          core.spawn(function()
            core.wait(0)
            done = done + 1
            if done == 20000 then main:wake() end
          end)
        end
        core.wait(60)
      end)
      print(done)]])
  end)

  it("that never ends does not keep the program alive", function()
    assert.are.equal("over", run [[
      core.run(function()
        core.spawn(function() core.wait(3600) end)
        core.spawn(function() core.wait() end)
        core.wait(0.01)
      end)
      print("over")]])
  end)
end)
