--- Whatever a script does to Lua's own tables is its own: the run goes on and comes to its end, with its
--- record closed, its device disarmed, and no word of the library's insides. Modules of the script's own are
--- found all the same, and see the same tables as the script.
local core = require "moonpulse.core"
local fixture = require "job"
local shell = require "shell"

--- { name, what the script does behind its first pulse, how it ends: the status, and words of the message },
--- each in virtual time; those with real in real time, too
local cases = {
  { "path", 'package.path = "./?.lua"', 0, real = true },
  { "path_empty", 'package.path, package.cpath = "", ""', 0 },
  { "path_none", "package.path = nil", 0 },
  { "searchers", "package.searchers = {}", 0, real = true },
  { "searchers_none", "package.searchers = nil", 0 },
  { "searchers_emptied", "for i = 1, 9 do package.searchers[i] = nil end", 0 },
  { "searchers_fail", "package.searchers[2] = function() error 'no' end", 0 },
  { "loaded", 'package.loaded, package.preload, package.path, require = {}, nil, "", nil', 0,
    real = true },
  { "loaded_emptied", "for name in pairs(package.loaded) do package.loaded[name] = nil end", 0 },
  { "package", "package, searchpath = nil, nil", 0, real = true },
  { "path_number", 'package.path = 5 require "nothing"', 2, "'package.path' must be a string" },
  { "require", 'require = nil; require "moonpulse"', 2, "script%.lua:5: .*require", real = true },
  { "string", "for name in pairs(string) do string[name] = nil end", 0, real = true },
  { "string_used", "string.format = nil; string.format('%d', 1)", 2, "script%.lua:5: .*format" },
  { "table", "table.insert, table.concat, table.sort, table.unpack, table.move = nil", 0 },
  { "math", "math.floor, math.max, math.huge, math.tointeger = nil", 0 },
  { "os", "os.getenv, os.time, os.rename, os.remove, os.date = nil os = nil", 0 },
  { "io", "io.open, io.stderr, io.write, io.lines = nil io = nil", 0 },
  { "globals", "pcall, error, tostring, type, ipairs, pairs, print, next, select, setmetatable = nil", 0,
    real = true },
  { "coroutine", "coroutine.create, coroutine.wrap, coroutine.isyieldable = nil coroutine = nil", 0 },
  { "debug", "debug.sethook() debug.getinfo, debug.traceback, debug.getmetatable = nil", 0 },
  { "hook", "debug.sethook(function() error 'no' end, 'l')", 2, "script%.lua:5: debug%.sethook: ",
    real = true },
  { "hook_elsewhere", "debug.sethook(coroutine.running(), function() end, 'c')", 2, "debug%.sethook: " },
  { "locals", "debug.setlocal(2, 1, nil)", 2, "script%.lua:5: debug%.setlocal: " },
  { "kept", "debug.setupvalue(stim.fire, 1, nil)", 2, "script%.lua:5: debug%.setupvalue: " },
  { "kept_in_c", "debug.setupvalue(mp.pulse, 1, nil)", 2, "script%.lua:5: debug%.setupvalue: " },
  { "kept_elsewhere", "local function f() return run end debug.upvaluejoin(stim.fire, 1, f, 1)", 2,
    "script%.lua:5: debug%.upvaluejoin: " },
  { "all_levels", "for l = 2, 20 do for i = 1, 60 do local ok, _, of = pcall(debug.getlocal, l, i) "
    .. "if ok and type(of) == 'table' then for k in pairs(of) do of[k] = nil end end end end", 0 },
  { "own_locals", "local a = 1 assert(debug.setlocal(1, 4, 2) == 'a' and a == 2) "
    .. "assert(select(2, debug.getlocal(1, 4)) == 2) "
    .. "assert(debug.getupvalue(function() return a end, 1) == 'a')", 0 },
  { "no_level", "debug.getlocal(100, 1)", 2, "script%.lua:5: bad argument #1 to .*getlocal" },
  { "texts", "debug.getmetatable('').__index = function() error 'no' end", 0, real = true },
  { "texts_methods", "debug.getmetatable('').__index.format = nil getmetatable = nil", 0 },
  { "texts_without", "debug.setmetatable('', nil)", 2, "script%.lua:5: debug%.setmetatable: " },
  { "files", "local f = debug.getmetatable(io.stdout) f.__index.write, f.__index.close, f.__gc = nil", 0 },
  { "memory", "collectgarbage 'stop'", 0 },
  { "json", 'for _, name in ipairs { "cjson", "cjson.safe" } do local own = require(name) '
    .. "own.decode_max_depth(1) own.encode_max_depth(1) end", 0 },
  { "locale", "assert(not os.setlocale('de_DE.UTF-8', 'numeric') and not os.setlocale '')", 0 },
}

local script = [[
local mp = require "moonpulse"
return mp.experiment(function(run)
local stim, pulse = run:device(), mp.pulse { intensity = mp.mso(40) }
package.path = "HERE/?.lua;" .. package.path stim:arm() stim:fire(pulse)
%s
stim:fire(pulse)
run:note "behind it"
run:sleep(0.1)
end)
]]

describe("a script that spoils Lua's tables", function()
  local folder, jobs

  fixture.each_test(function(...)
    folder, jobs = ...
  end)

  local function begin(name, body, mode)
    local base = ("%s/%s"):format(folder, name .. mode:gsub("%W", ""))
    os.execute("mkdir " .. base)
    shell.write(base .. "/script.lua", (script:format(body):gsub("HERE", base)))
    local job = jobs:start("job_" .. name .. #jobs, ("run %s/script.lua --tolerance 1000 --out %s/runs %s")
      :format(base, base, mode))
    job.home = base
    return job
  end

  local function check(case, job)
    local name, _, expected, words = table.unpack(case)
    local status, err = job:wait(), job:err()
    local where = name .. ": " .. err
    local path = fixture.run_in(job.home .. "/runs")
    local manifest = fixture.manifest(path)
    assert.are.equal(expected, status, where)
    assert.are.equal(status == 0 and "completed" or "stopped", manifest.status, where)
    assert.is_true(manifest.result.disarmed, where)
    assert.is_string(shell.read(path .. "/report.html"), where)
    assert.matches(words or "^$", err, where)
    for _, raw in ipairs { "stack traceback", "moonpulse/[%l_/]+%.lua:%d", "module 'moonpulse" } do
      assert.is_nil(err:find(raw), where)
    end
    local given = 0
    for _, row in ipairs(shell.rows(path .. "/events.tsv")) do
      given = given + (row.event == "pulse" and 1 or 0)
    end
    assert.are.equal(status == 0 and 2 or 1, given, where)
  end

  for first = 1, #cases, 4 do
    local names = {}
    for i = first, math.min(first + 3, #cases) do
      names[#names + 1] = cases[i][1]
    end
    it("comes to its end: " .. table.concat(names, ", "), function()
      local begun = {}
      for i = first, math.min(first + 3, #cases) do
        for _, mode in ipairs { "--speed max", cases[i].real and "" } do
          begun[#begun + 1] = { cases[i], begin(cases[i][1], cases[i][2], mode) }
        end
      end
      for _, each in ipairs(begun) do
        check(table.unpack(each))
      end
    end)
  end

  it("also from a module that it loads, and from what that loads", function()
    for i, body in ipairs { 'require "evil"', 'dofile "HERE/evil.lua"', 'loadfile "HERE/evil.lua" ()' } do
      local job = begin("evil" .. i, body, "--speed max")
      shell.write(job.home .. "/evil.lua", 'assert(_G.require == require) return require "worse"')
      shell.write(job.home .. "/worse.lua", [[
        package.loaded._G.require, package.loaded._G.pcall, _G.error = nil
        for _, name in ipairs { "string", "table", "math", "os", "io", "debug" } do
          for each in pairs(package.loaded[name]) do package.loaded[name][each] = nil end
          for each in pairs(_G[name]) do _G[name][each] = nil end
        end
        getmetatable("").__index, package.path, package.searchers = nil, "", {}
        return {}
      ]])
      check({ "evil", body, 0 }, job)
    end
  end)

  it("comes to its end, too, where its driver sets package.path", function()
    if not core.executable():find "/moonpulse$" then
      return pending("for the program")
    end
    shell.write(folder .. "/odd.lua", [[
      local base, own = require "moonpulse.devices.magventure", {}
      for key, value in pairs(base) do own[key] = value end
      own.name = "odd"
      function own.arm(...) package.path = "./?.lua" return base.arm(...) end
      return own]])
    local job = begin("drivers", "", ("--speed max --device sim:%s/odd.lua"):format(folder))
    check({ "drivers", "", 0 }, job)
  end)

  --- What a script that is run in virtual time prints behind "said", or its error.
  local function said(body)
    local job = begin("said" .. #jobs, body, "--speed max")
    for name, text in pairs { own = "return { name = ..., path = select(2, ...) }", ["parts/init"] =
      "return { require 'parts.inner', require 'trimmed' }", ["parts/inner"] = "return 'inner'",
      nothing = "", no = "return false", broken = "return (", trimmed =
      "function string.trim(text) return text:match '^%s*(.-)%s*$' end return ('  x '):trim()" } do
      os.execute(("mkdir -p %s/parts"):format(job.home))
      shell.write(("%s/%s.lua"):format(job.home, name), text)
    end
    shell.write(job.home .. "/go", "")
    job:wait()
    local text = job:out():match "said\t([^\n]*)" or job:err()
    return (text:gsub(job.home:gsub("%p", "%%%0"), "HERE"):gsub("\t", " "))
  end

  local wait = 'while not io.open "HERE/go" do run:sleep(0.01) end ' -- until its modules are there

  it("has modules of its own as Lua has them", function()
    for body, expected in pairs {
      ['local own, where = require "own" print("said", own.name, own.path, where, require "own" == own)']
        = "own HERE/own.lua HERE/own.lua true",
      ['print("said", require "nothing", require "no", package.loaded.no, package.loaded.nothing)']
        = "true false false true",
      ['print("said", table.unpack((require "parts.init")))'] = "inner x HERE/trimmed.lua",
      ['function string.twice(text) return text .. text end print("said", ("a"):twice(), ("a"):upper())']
        = "aa A",
      ['local a = require "own" package.loaded.own = nil print("said", a ~= require "own")'] = "true",
      ['package.preload.given = function(name, how) return name .. how end print("said", require "given")']
        = "given:preload: :preload:",
      ['table.insert(package.searchers, 1, function(name) return name == "mine" and function() return 5 end '
        .. 'or nil end) print("said", require "mine")'] = "5 nil",
      ['print("said", require "string" == string, require "moonpulse" ~= nil, package.loaded.io == io)']
        = "true true true",
      ['local lfs = require "lfs" lfs.attributes = nil print("said", require "lfs" == lfs)'] = "true",
      ['print("said", require "cjson".encode({ 0.25 }))'] = "[0.25]",
      ['local core = require "moonpulse.core" for key in pairs(core) do core[key] = nil end local past = '
        .. 'require "moonpulse.experiment.past" past.new = nil print("said", next(core), '
        .. 'require "moonpulse.core" == core, run:now() > 0)'] = "nil true true",
      ['require "cjson".encode_number_precision(1) print("said", (pcall(require, "absent")))'] = "false",
      ['print("said", require "cjson.safe".decode "[", require "cjson.safe".encode({ 0.25 }))']
        = "nil [0.25]",
    } do
      assert.are.equal(expected, said(wait .. body), body)
    end
    local err = said(wait .. 'require "absent.part"')
    assert.matches("error in the script: HERE/script%.lua:5: module 'absent%.part' not found:", err)
    for _, tried in ipairs { "no field package.preload['absent.part']", "no file 'HERE/absent/part.lua'",
      "no file '[^\n]*/absent.so'" } do
      assert.matches(tried:gsub("%[(['a])", "%%[%1"):gsub("'%]", "'%%]"), err)
    end
    assert.matches("HERE/broken%.lua:1: unexpected symbol", said(wait .. 'require "broken"'))
    assert.matches("script%.lua:5: bad argument #1 to 'require'", said(wait .. "require()"))
  end)
end)
