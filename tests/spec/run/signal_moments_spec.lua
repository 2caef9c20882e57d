-- A signal at each moment of a short run in virtual time, which never waits: it is heard, and the run ends by
-- it with its record closed; or its plan was over, and it completes. A moment is a call of the core's, not a
-- time.
local cjson = require "cjson"
local lfs = require "lfs"
local shell = require "shell"

local moments = 20 -- of each run

--- Runs as the command does, but for SIGTERM at call number `at` of the core's since signals are caught. What
--- the run had come to by then, or how many calls there are, goes into a file.
local body = [[
local core = require "moonpulse.core"
local stops = require "moonpulse.run.stop_sources"
local at, note = tonumber(arg[1]), arg[2]
local execute = os.execute -- a script's is another, which waits
local calls, over, caught = 0, false, false
local function tell(text)
  local file <close> = assert(io.open(note, "w"))
  file:write(text)
end
local function counted(call)
  return function(...)
    calls = calls + (caught and 1 or 0)
    if calls == at and caught then
      caught = false
      tell(over and "over" or "before its end")
      execute("kill -TERM $PPID")
    end
    return call(...)
  end
end
local function count_all(of)
  for name, value in pairs(of) do
    of[name] = type(value) == "function" and counted(value) or value
  end
end
count_all(core)
local session, seen = core.session, false
core.session = function(...)
  local made = session(...)
  local methods = debug.getmetatable(made).__index
  if not seen then
    seen = true
    count_all(methods)
    local stop = methods.stop
    methods.stop = function(self, reason, ...)
      over = over or reason == "finished"
      return stop(self, reason, ...)
    end
  end
  return made
end
local listen = stops.listen_for_signals
stops.listen_for_signals = function(...)
  listen(...)
  caught = true
end
local done, status = pcall(require("moonpulse.cli").main, table.move(arg, 3, #arg, 1, {}))
if at == 0 then
  tell(calls)
end
return done and status or 70
]]

local protocol = [[local mp = require "moonpulse"
return mp.protocol { id = "short", name = "Short",
  plan = function() return mp.train { pulses = 3, hz = 10, intensity = mp.mso(40) } end }]]
local script = [[local mp = require "moonpulse"
return mp.experiment { id = "short", run = function(run)
  local stim = run:device()
  stim:arm()
  stim:play(mp.train { pulses = 3, hz = 10, intensity = mp.mso(40) })
end }]]

describe("a signal at any moment of a short run in virtual time", function()
  local folder

  before_each(function()
    folder = shell.folder()
    shell.write(folder .. "/body.lua", body)
    shell.write(folder .. "/short.lua", protocol)
    shell.write(folder .. "/script.lua", script)
  end)
  after_each(function() shell.remove(folder) end)

  local function run(at, file, options)
    local out = ("%s/runs%d"):format(folder, at)
    local command = "lua %s/body.lua %d %s/note run %s/%s --speed max --out %s %s"
    local status, said, err = shell.moonpulse(folder, command:format(folder, at, folder, folder, file, out,
      options))
    local names = lfs.attributes(out, "mode") and shell.names(out) or {}
    return status, said .. err, names[1] and out .. "/" .. names[1], assert(shell.read(folder .. "/note"))
  end

  for what, each in pairs {
    ["a protocol"] = { "short.lua", "--device sim:magventure" },
    ["a device that answers nothing"] = { "short.lua", "--device sim:trigger" },
    ["an experiment"] = { "script.lua", "--device sim:magventure" },
  } do
    it("is heard, or the plan was over: " .. what, function()
      local file, options = table.unpack(each)
      local whole, said, _, count = run(0, file, options)
      assert.are.equal(0, whole, said)
      local calls, met = tonumber(count), {}
      assert(calls > 2 * moments, count)
      for i = 1, moments do
        local at = calls * i // (moments + 1)
        local status, text, path, note = run(at, file, options)
        met[note] = true
        local place = ("call %d of %d, %s: %s"):format(at, calls, note, text)
        -- a script goes on while its device is left: it may be stopped there
        local stopped = note == "before its end" or file == "script.lua" and status == 5
        assert.are.equal(stopped and 5 or 0, status, place)
        if stopped then
          assert.matches("stopped by SIGTERM", text, place)
        end
        if path then
          local manifest = cjson.decode((assert(shell.read(path .. "/manifest.json"), place)))
          assert.are_not.equal("running", manifest.status, place)
          assert.are.equal(not stopped, manifest.status == "completed", place)
          assert.is_string(shell.read(path .. "/SHA256SUMS"), place)
        end
      end
      assert.is_true(met["before its end"])
    end)
  end

  it("is not swallowed where it came before anybody was told and nobody listens any more", function()
    shell.write(folder .. "/deaf.lua", [[local core = require "moonpulse.core"
      core.on_signal(function() print "told" end)
      os.execute("kill -TERM $PPID")
      core.on_signal(nil)
      print "goes on"]])
    local status, said = shell.moonpulse(folder, ("lua %s/deaf.lua"):format(folder))
    assert.are_not.equal(0, status)
    assert.are.equal("", said)
  end)
end)
