--- os.exit while an experiment runs: the script's own ends it as it asked; in its driver's file, wherever
--- that is called from, it is an error, as in a protocol's run.
local fixture = require "job"
local shell = require "shell"

local script = [[
local mp = require "moonpulse"
return mp.experiment(function(run)
  package.path = "HERE/?.lua;" .. package.path
  local helper = require "exit_helper"
  local stim = run:device()
  stim:arm(mp.pulse(mp.mso(40)))
  for i = 1, 5 do
    stim:fire(mp.pulse(mp.mso(40 + i)))
    run:sleep(0.2)
  end
  %s
  run:sleep(3)
end)
]]

local driver = [[
local base = require "moonpulse.devices.magventure"
package.path = "HERE/?.lua;" .. package.path
local helper = require "exit_helper"
local own, armed, exit = {}, false, %s
for key, value in pairs(base) do own[key] = value end
own.name = "odd"
local function wrap(of, name)
  local plain = of[name]
  of[name] = function(...)
    if armed and "%s" == name then exit() end
    return plain(...)
  end
end
for _, name in ipairs { "decode", "judge", "tells" } do wrap(own, name) end
function own.encode(settings)
  local made = setmetatable({}, { __index = base.encode(settings) })
  wrap(made, "set")
  return made
end
function own.arm(...) armed = true return base.arm(...) end
return own
]]

local ways = { directly = "function() os.exit(0) end", ["from a module"] = "helper.exit",
  ["in a coroutine"] = "function() local ok, why = coroutine.resume(coroutine.create(function() "
    .. "os.exit(0) end)) if not ok then error(why, 0) end end" }

describe("os.exit in an experiment", function()
  local folder

  before_each(function()
    folder = shell.folder()
    shell.write(folder .. "/exit_helper.lua", "local M = {} function M.exit() os.exit(0) end return M")
  end)
  after_each(function() shell.remove(folder) end)

  --- Run the script with this line; status, what it said, and why it stopped.
  local function run(line, device)
    shell.write(folder .. "/x.lua", (script:format(line):gsub("HERE", folder)))
    local status, out, err = shell.moonpulse(folder, ("run %s/x.lua --seed 3 --speed max --device sim:%s "
      .. "--out %s/runs"):format(folder, device, folder))
    return status, out .. err, fixture.manifest(fixture.run_in(folder .. "/runs")).result
  end

  for place in ("set decode judge tells"):gmatch("%a+") do
    for way, exit in pairs(ways) do
      it(("is an error in a driver's %s, %s"):format(place, way), function()
        shell.write(folder .. "/odd.lua", (driver:format(exit, place):gsub("HERE", folder)))
        local status, said, result = run("", folder .. "/odd.lua")
        assert.are.equal("error", result.stop, said)
        assert.is_true(status == 2 or status == 4 and result.disarmed ~= true, said)
        assert.matches("os.exit%(0%): it would end Moonpulse", result.reason)
        assert.is_nil(said:find("on request", 1, true), said)
        assert.is_nil(said:find("error in the script: " .. folder .. "/odd.lua", 1, true), said)
      end)
    end
  end

  for what, line in pairs { ["its own"] = "os.exit(0)", ["in what it requires"] = "helper.exit()",
    ["in a task"] = "run:spawn(function() os.exit(0) end)", ["caught"] = "pcall(os.exit, 0)",
    ["in a coroutine"] = "coroutine.wrap(function() os.exit(0) end)()",
    ["as its last word"] = "do return os.exit(0) end" } do
    it("is a stop that was asked for in a script: " .. what, function()
      local status, said, result = run(line, "magventure")
      assert.are.same({ 5, "requested", true }, { status, result.stop, result.disarmed }, said)
    end)
  end
end)
