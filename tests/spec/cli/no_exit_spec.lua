--- os.exit in a file of the user's ends no command with the status that the file likes.
local shell = require "shell"

describe("os.exit in a user's file", function()
  local folder

  before_each(function() folder = shell.folder() end)
  after_each(function() shell.remove(folder) end)

  --- A driver like the MagPro's that leaves where the text stands that is put there.
  local function driver(where)
    shell.write(folder .. "/odd.lua", ([[
      local own, count = {}, 0
      for key, value in pairs(require "moonpulse.devices.magventure") do own[key] = value end
      own.name = "odd"
      local function wrap(of, name, after)
        local plain = of[name]
        of[name] = function(...)
          count = count + 1
          if count > after then os.exit(0) end
          return plain(...)
        end
      end
      %s
      return own]]):format(where))
    return folder .. "/odd.lua"
  end

  local places = { ["as it is loaded"] = "os.exit(0)", ["in its limits"] = "wrap(own, 'limits', 0)",
    ["in its codec"] = "wrap(own, 'encode', 0)" }

  for place, text in pairs(places) do
    it("is an error in every command that a driver has a part in: " .. place, function()
      local path = driver(text)
      for _, command in ipairs { "check itbs600 --amt 50 --device ", "run itbs600 --amt 50 --speed max --out "
        .. folder .. "/runs --device sim:", "devices --device " } do
        local status, out, err = shell.moonpulse(folder, command .. path)
        -- what lists the drivers says of each file what is wrong with it; its codec it does not call
        local said = (out .. err):find("os.exit(0): it would end Moonpulse in the middle", 1, true)
        local calls = not command:find("^devices") or place ~= "in its codec"
        assert.are.equal(calls, said ~= nil, command .. out .. err)
        assert.is_true(status ~= 0 or not calls or command:find("^devices") ~= nil, command .. out .. err)
      end
      if place ~= "in its codec" then
        assert.are.same({}, shell.names(folder .. "/runs")) -- nothing was begun
      end
    end)
  end

  it("ends a run in virtual time with its name, its record closed and the device safe", function()
    local path = driver "wrap(own, 'judge', 9)"
    local status, _, err = shell.moonpulse(folder, ("run itbs600 --amt 50 --speed 1000 --out %s/runs "
      .. "--device sim:%s"):format(folder, path))
    assert.matches("the run ended because: .*odd.lua:%d+: os.exit%(0%): it would end", err)
    assert.are.equal(4, status) -- asked whether it is disarmed, its driver does it again
    local manifest = shell.read(folder .. "/runs/" .. shell.names(folder .. "/runs")[1] .. "/manifest.json")
    assert.is_nil(manifest:find('"status": "running"', 1, true))
    assert.is_truthy(manifest:find('"stop": "error"', 1, true), manifest)
  end)

  it("is one in a spec that moonpulse test runs, which does not pass for it", function()
    shell.write(folder .. "/some_spec.lua",
      'describe("x", function() it("y", function() os.exit(0) end) end)')
    local status, out = shell.moonpulse(folder, ("test %s/some_spec.lua"):format(folder))
    assert.are.equal(4, status, out)
    assert.matches("some_spec.lua:1: os.exit(0): it would end", out, 1, true)
  end)

  it("is left to a file that is a program of its own", function()
    shell.write(folder .. "/tool.lua", "os.exit(7)")
    assert.are.equal(7, (shell.moonpulse(folder, ("lua %s/tool.lua"):format(folder))))
  end)
end)
