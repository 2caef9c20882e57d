--- Protocol files from other people: what they can see, and how they are stopped.
local core = require "moonpulse.core"
local protocols = require "moonpulse.protocol"
local shell = require "shell"
local shim = require "shim"

local folder
setup(function() folder = shell.folder() end)
teardown(function() shell.remove(folder) end)

--- A file whose plan function has `body` on line 3.
local function write(body, head)
  local path = folder .. "/theirs.lua"
  shell.write(path, ('local mp = require "moonpulse" %s\nreturn mp.protocol { name = "x", plan = function()\n'
    .. "%s\nreturn mp.pulse(mp.mso(50)) end }\n"):format(head or "", body))
  return path
end

--- Load and build it.
local function build(body, head)
  local all, message = protocols.load(write(body, head))
  if not all then
    return nil, message
  end
  return protocols.build(all[1], {})
end

describe("a protocol file", function()
  local stopped = {
    ["an endless loop"] = "while true do end",
    ["a huge table"] = "local t = {} for i = 1, 1e12 do t[i] = i end",
    ["a string that doubles"] = "local s = 'x' while true do s = s .. s end",
    ["a pcall that swallows the limit"] = "while true do pcall(function() while true do end end) end",
    ["nested pcalls that swallow the limit"] = "local function f() while true do pcall(f) end end f()",
    ["an error handler that never ends"] =
      "while true do xpcall(function() while true do end end, function() while true do end end) end",
    ["deep recursion"] = "local function f() return 1 + f() end f()",
    ["a plan in a loop"] = "local p = mp.rest(1) for _ = 1, 1e9 do p = p .. mp.mark 'x' end",
  }
  for name, body in pairs(stopped) do
    it("is stopped with file and line: " .. name, function()
      local plan, message = build(body)
      assert.is_nil(plan)
      assert.matches("theirs.lua:3: ", message, 1, true)
      assert.is_truthy(message:find("stopped: it", 1, true) or message:find("stack overflow", 1, true))
    end)
  end

  it("is stopped where it takes too much memory, before it runs too long", function()
    if shell.is_slow then
      pending "a checked build takes memory too slowly: its time is over first"
    end
    local _, message = build "local t = {} for i = 1, 1e12 do t[i] = ('x'):rep(1000000) end"
    assert.matches("theirs.lua:3: stopped: it takes too much memory", message, 1, true)
  end)

  it("is stopped at its top level as well", function()
    local _, message = build("", "while true do end")
    assert.matches("theirs.lua:1: stopped: it %a+ too long", message) -- by instructions, or by time
  end)

  it("is stopped in an error's own __tostring", function()
    local raise = "error(setmetatable({}, { __tostring = function() while true do end end }))"
    for _, given in ipairs { { raise }, { "", raise } } do
      local plan, message = build(given[1], given[2])
      assert.is_nil(plan)
      assert.matches("theirs.lua:%d: stopped: it %a+ too long", message)
    end
  end)

  it("names its own line where a string grows too large", function()
    local _, message = build 'local s = ("x"):rep(1000000) s = s:rep(1000000)'
    assert.matches("^[^\n]*theirs.lua:3: .*too", message)
    assert.is_nil(message:find("sandbox.lua", 1, true))
  end)

  it("leaves no limit behind", function()
    build "while true do end"
    local count = 0
    for _ = 1, 40000000 do
      count = count + 1
    end
    assert.are.equal(40000000, count)
    assert.is_nil(debug.gethook())
  end)

  it("leaves no limit on a coroutine that outlives it, and a hook as it was", function()
    local function mine() end
    local resume
    debug.sethook(mine, "", 1000000)
    local ok = core.limited({ instructions = 100000, seconds = 10, megabytes = 64 }, function()
      resume = coroutine.wrap(function()
        coroutine.yield()
        local count = 0
        for _ = 1, 1000000 do
          count = count + 1
        end
        return count
      end)
      resume()
    end)
    local hook, _, steps = debug.gethook()
    debug.sethook()
    assert.is_true(ok)
    assert.are.equal(mine, hook)
    assert.are.equal(1000000, steps)
    assert.are.equal(1000000, resume())
  end)

  -- no instruction is counted inside a library call: the program ends, before anything is armed
  it("ends the program where one call takes for ever", function()
    if shell.program:find("sanitize-thread", 1, true) then
      pending "the thread sanitizer puts the signal off that ends it until the next call of the system: never"
    end
    for _, body in ipairs { "local x = ('a'):rep(60):find(('a?'):rep(60) .. ('a'):rep(60))",
      "local x = pcall(string.find, ('a'):rep(1000000), '.-b')" } do
      local status, _, err = shell.moonpulse(folder, "show " .. write(body), shim.of "hasty")
      assert.are.equal(2, status)
      assert.matches("theirs.lua:3: stopped: one call takes too long", err, 1, true)
    end
  end)

  local refused = {
    ["io.open('/etc/passwd')"] = "io: protocol files see nothing of files",
    ["os.execute('true')"] = "os: protocol files see nothing of the system",
    ["require 'lfs'"] = "protocol files see no module but \"moonpulse\"",
    ["require 'moonpulse.core'"] = "protocol files see no module but \"moonpulse\"",
    ["load('return 1')()"] = "load: protocol files see nothing of code from text",
    ["debug.getregistry()"] = "debug: protocol files see nothing of the debugger",
    ["local x = math.random()"] = "math.random would give another plan each time",
    ["mp.train = 3"] = "mp.train cannot be changed",
    ["setmetatable({}, { __gc = print })"] = "__gc is not for protocol files",
    ["local s = ('x'):rep(1e9)"] = "at most 1000000",
    ["table.move({}, 1, 1e12, 2)"] = "at most 1000000",
    ["getmetatable('').__index.rep = nil"] = "attempt to index a nil value",
  }
  for body, text in pairs(refused) do
    it("is refused with file and line: " .. body, function()
      local plan, message = build(body)
      assert.is_nil(plan)
      assert.matches("theirs.lua:3: ", message, 1, true)
      assert.matches(text, message, 1, true)
    end)
  end

  it("runs nothing of its own once it is loaded", function()
    local later = {
      "getmetatable(s).__index = function() while true do end end",
      "getmetatable(s.params).__pairs = function() while true do end end",
      "s.params.a = setmetatable({}, { __index = function() while true do end end })",
    }
    for _, change in ipairs(later) do
      local path = folder .. "/later.lua"
      shell.write(path, ([[local mp = require "moonpulse"
        local s = mp.protocol(setmetatable({ name = "x", plan = function() return mp.rest(1) end,
          params = setmetatable({ a = { default = 1 } }, {}) }, {}))
        %s
        return s]]):format(change))
      local all, message = protocols.load(path)
      if all then
        assert.are.same({ a = { default = 1 } }, all[1].params)
        assert.is_nil(getmetatable(all[1]))
      else
        assert.matches("later.lua", message, 1, true)
      end
    end
  end)

  it("cannot reach the library's own tables", function()
    assert.is_truthy(build [[
      local _, mine = pairs(mp) mine.pulse = nil
      assert(mp.mso(50).__index == nil and getmetatable(mp.mso(50)) == nil)]])
    assert.is_function(require "moonpulse".pulse)
  end)

  it("cannot change what the record says of its parameters", function()
    shell.write(folder .. "/changing.lua", [[local mp = require "moonpulse"
      return mp.protocol { name = "x", params = { a = { default = mp.mso(50) } }, plan = function(p)
        local pulse, _, mine = mp.pulse(p.a), pairs(p)
        p.a.value, mine.a = 5, nil
        return pulse end }]])
    local all = protocols.load(folder .. "/changing.lua")
    local values = protocols.values(all[1], {})
    assert.is_truthy(protocols.build(all[1], values))
    assert.are.equal("50 %MSO", tostring(values.a))
  end)

  it("meets the keys of a table in one order, in every run", function()
    assert.is_truthy(build [[
      local t, seen = { zeta = 1, alpha = 2, mid = 3, [10] = 4, [2] = 5, [true] = 6 }, {}
      for key, value in pairs(t) do
        seen[#seen + 1] = tostring(key) .. value
        t[key] = nil
      end
      assert(table.concat(seen, " ") == "25 104 alpha2 mid3 zeta1 true6", table.concat(seen, " "))
      local key, value = next { b = 1, a = 2 }
      assert(key == "a" and value == 2 and next({ b = 1, a = 2 }, "a") == "b" and next({}) == nil)]])
    local _, message = build "for _ in pairs { [{}] = 1, [{}] = 2 } do end"
    assert.matches("theirs.lua:3: the keys of this table are tables", message, 1, true)
  end)

  it("sees no address, which is another in each run", function()
    assert.is_truthy(build [[
      assert(tostring({}) == "table" and tostring(print) == "function" and tostring(nil) == "nil")
      assert(("%s %d %%p"):format({}, 5) == "table 5 %p" and tostring(mp.mso(50)) == "50 %MSO")
      assert(not tostring(mp.rest(1)):find("0x", 1, true))]])
    for body, text in pairs { ["local s = ('%p'):format({})"] = "%p is an address",
      ["local s = ('%d'):format('x')"] = "number expected, got string",
      ["local s = ('%5d %s'):format(1)"] = "no value", ["tostring()"] = "value expected" } do
      local _, message = build(body)
      assert.matches("theirs.lua:3: ", message, 1, true)
      assert.matches(text, message, 1, true)
    end
  end)

  it("writes nothing to a terminal that it would obey", function()
    for _, body in ipairs { "error('\\27[2J')", "mp.mark '\\27[2J'", "mp.rest(1):at '\\27[2J'" } do
      local _, message = build(body)
      assert.matches("theirs.lua:3: ", message, 1, true)
      assert.is_nil(message:find("%c"))
    end
    local _, _, err = shell.moonpulse(folder, "show " .. write("print('\\27[2J')"))
    assert.are.equal("\\x1b[2J\n", err)
  end)

  it("that is in itself, or nested without end, is refused at once", function()
    shell.write(folder .. "/cyclic.lua", [[local mp = require "moonpulse"
      local sessions = { per_day = 1 }
      local s = mp.protocol { name = "x", sessions = sessions, plan = function() return mp.rest(1) end }
      sessions.days = sessions
      return s]])
    local all, message = protocols.load(folder .. "/cyclic.lua")
    assert.is_nil(all)
    assert.matches("nested more than 8 deep", message, 1, true)
  end)

  it("may walk large tables", function()
    local most = shell.is_slow and 5000 or 50000 -- within its time
    assert.is_truthy(build(("local most = %d\n"):format(most) .. [[
      local t, count = {}, 0
      for i = 1, most do t["k" .. i] = i end
      for _ in pairs(t) do count = count + 1 end
      local key = next(t)
      while key do count, key = count + 1, next(t, key) end
      assert(count == 2 * most, count)]]))
  end)

  it("has a line where an error has none", function()
    for _, body in ipairs { "table.insert(mp, 1)", "local function f(s) return (s:gsub('.', f)) end f('x')",
      "local s = ('x'):rep(1000000):gsub('.', ('y'):rep(1000000))", "setmetatable('', {})",
      "error('no', 0)" } do
      local plan, message = build(body)
      assert.is_nil(plan)
      assert.matches("theirs.lua:3: ", message, 1, true)
      assert.is_nil(message:find("sandbox.lua", 1, true))
    end
  end)

  it("opens no device, pipe or text by the name of a sham's protocol", function()
    os.execute("mkfifo " .. folder .. "/pipe.lua")
    for _, of in ipairs { "/dev/null", "/etc/passwd", folder .. "/pipe.lua", folder .. "/theirs.lua" } do
      local plan, message = build(
        ("local _ = mp.sham { of = %q, with = '', intensity = mp.mso(5) }"):format(of))
      assert.is_nil(plan)
      assert.matches("theirs.lua:3: sham: ", message, 1, true)
      assert.is_nil(message:find("root", 1, true))
    end
  end)

  it("names no folder, and does not write to the terminal, by its id and name", function()
    for _, head in ipairs { 'id = "../x", name = "x"', 'name = "\\27[2J"' } do
      shell.write(folder .. "/named.lua",
        ('return require "moonpulse".protocol { %s, plan = print }'):format(head))
      local all, message = protocols.load(folder .. "/named.lua")
      assert.is_nil(all)
      assert.matches("named.lua:1: protocol: ", message, 1, true)
    end
  end)

  it("keeps its globals, and its string functions, to itself", function()
    assert.is_truthy(build "leak = 5; string.rep = nil; table.insert = nil")
    assert.is_nil(rawget(_G, "leak"))
    assert.are.equal("aa", ("a"):rep(2))
    assert.is_function(table.insert)
  end)

  it("may use all of plain Lua", function()
    assert.is_truthy(build [[
      local t = { 3, 1, 2 } table.sort(t) assert(t[1] == 1 and math.floor(2.5) == 2 and ("a"):upper() == "A")
      assert(select("#", xpcall(error, function(m) return m end, "no")) == 2 and utf8.char(955) == "λ")]])
  end)
end)

describe("core.limited", function()
  local limits = { instructions = 100000, seconds = 10, megabytes = 64 }

  it("returns what the function returns, or its problem", function()
    assert.are.same({ true, 1, nil, 3 }, { core.limited(limits, function(...) return ... end, 1, nil, 3) })
    assert.are.same({ false, "no", false }, { core.limited(limits, error, "no") })
  end)

  it("says where a limit was passed, also when the function hid it", function()
    local ok, problem, limited = core.limited(limits, function()
      pcall(function() while true do end end)
    end)
    assert.are.same({ false, true }, { ok, limited })
    assert.matches("sandbox_spec.lua:%d+: stopped: it runs too long", problem)
  end)
end)
