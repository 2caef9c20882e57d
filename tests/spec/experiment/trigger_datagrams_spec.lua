-- --trigger-in udp:127.0.0.1:PORT and unix:PATH: programs of this computer send triggers, a datagram each, to
-- whatever waits for them.
local cjson = require "cjson"
local core = require "moonpulse.core"
local fixture = require "job"
local shell = require "shell"

describe("--trigger-in of a socket", function()
  local folder, jobs, job
  fixture.each_test(function(new, list) folder, jobs = new, list end)

  local function start(from, body)
    shell.write(folder .. "/made.lua", ([[
      local mp = require "moonpulse"
      return mp.experiment(function(run)
        local stim, pulse = run:device(), mp.pulse(mp.mso(40))
        run:spawn(function() run:sleep(0.2) run:note "waiting" end)
        %s
      end)
    ]]):format(body))
    job = jobs:start("job", ("run %s/made.lua --tolerance 1000 --out %s/runs --trigger-in %s")
      :format(folder, folder, from))
    job:says "waiting"
  end

  --- As another program does it: a datagram each.
  local function send(...)
    local datagrams = {}
    for i, text in ipairs { ... } do
      datagrams[i] = ("s.send(%s)"):format("b'" .. text .. "'")
    end
    local unix = job.to:match "^unix:(.*)"
    shell.write(folder .. "/send.py", ("import socket\ns=socket.socket(socket.%s,socket.SOCK_DGRAM)\n"
      .. "s.connect(%s)\n%s\n"):format(unix and "AF_UNIX" or "AF_INET", unix and ("%q"):format(unix)
      or ("('127.0.0.1',%s)"):format(job.to:match "(%d+)$"), table.concat(datagrams, "\n")))
    assert.are.equal(0, (shell.sh(folder, "python3 " .. folder .. "/send.py")))
  end

  local port = 40000 + core.real_ns() // 1000000 % 20000 -- one that nobody has just now

  for _, kind in ipairs { "udp", "unix" } do
    it("gives run:wait_trigger and stim:on_trigger each datagram once: " .. kind, function()
      local from = kind == "udp" and "udp:127.0.0.1:" .. port or "unix:" .. folder .. "/triggers"
      start(from, [[
        stim:arm(pulse)
        local n = 0
        repeat
          local _, byte = run:wait_trigger { timeout = 20 }
          n = n + (byte == 55 and 1 or 0)
        until byte == 57
        run:note(("waited %d"):format(n))
        run:spawn(function() run:sleep(0.2) run:note "again" end)
        stim:on_trigger(pulse, { byte = 53, count = 1, refractory = 1, timeout = 20 })
        local t = {}
        for i, each in ipairs(run:triggers()) do t[i] = string.char(each.byte) .. each.became end
        run:note(table.concat(t, " "))
      ]])
      job.to = from
      send("7", "7 and more", "7\\n", "9")
      job:says "again"
      send("8", "5")
      assert.are.equal(0, job:wait(), job:err())
      assert.matches("waited 3", job:out())
      assert.matches("7taken 7taken 7taken 9taken 8waiting 5starts", job:out())
      local found = fixture.run_in(folder .. "/runs")
      local manifest = cjson.decode((assert(shell.read(found .. "/manifest.json"))))
      assert.are.equal(6, manifest.experiment.triggers.came)
      assert.are.equal(1, manifest.result.pulses_sent)
      assert.are.equal(0, (shell.sh(folder, shell.program .. " verify " .. found)))
    end)
  end

  it("is of this computer alone, and no device", function()
    for arguments, message in pairs {
      ["--trigger-in udp:0.0.0.0:5005 --start-on any"] = "an address of this computer and a port are needed",
      ["--trigger-in unix:triggers --start-on any"] = "a path from / of at most 107 bytes is needed",
      ["--device magventure --port udp:127.0.0.1:5005"] = "is where triggers come in, and no device",
    } do
      local status, _, err = shell.sh(folder, ("%s run itbs600 --amt 50 --unconfirmed --out %s/runs %s")
        :format(shell.program, folder, arguments))
      assert.is_true(status == 4 or status == 2, err)
      assert.matches(message, err)
      assert.not_matches("sent", err)
    end
  end)
end)
