-- A device may be told faster than it fires: by the stamps of the sending thread nothing but keep-alives
-- leaves before a pulse has come, its frame's time on the wire and the driver's latency after its write.
local core = require "moonpulse.core"
local devices = require "moonpulse.driver.find"
local fixture = require "job"
local shell = require "shell"

local script = [[local mp = require "moonpulse"
return mp.experiment(function(run)
  local stim = run:device()
  stim:arm(mp.pulse(mp.mso(30)))
  for i = 1, 3 do
    stim:fire(mp.pulse(mp.mso(i % 2 == 1 and 30 or 32)))
  end
  stim:disarm()
end)
]]

-- one that fires later than it answers
local slow = [[local M = {}
for k, v in pairs(require "moonpulse.devices.%s") do M[k] = v end
M.name, M.latency, M.reply_timeout, M.reply_slow = "slow", 0.05, 3, 3
return M
]]

describe("what follows a pulse", function()
  local folder
  before_each(function() folder = shell.folder() end)
  after_each(function() shell.remove(folder) end)

  for _, name in ipairs { "magstim200", "rapid" } do
    it("waits until it has come, on " .. name, function()
      local driver = assert(devices.find(name))
      shell.write(folder .. "/exp.lua", script)
      shell.write(folder .. "/slow.lua", slow:format(name))
      local status, _, err = shell.moonpulse(folder, ("run %s/exp.lua --tolerance 1000 --out %s/runs "
        .. "--device sim:%s/slow.lua"):format(folder, folder, folder))
      assert.are.equal(0, status, err)
      local path = fixture.run_in(folder .. "/runs")
      local reader = core.flight_read(path .. "/flight.bin")
      local takes_ns = 50000000
        + core.wire_ns(driver.serial, #driver.commands.fire())
      local fired_ns, told, pulses = nil, 0, 0
      for entry in reader.next, reader do
        if entry.kind == "sent" and entry.send == "pulse" then
          fired_ns, pulses = entry.returned_ns + takes_ns, pulses + 1
        elseif fired_ns and (entry.kind == "oneoff" or entry.kind == "stopped") then
          told = told + 1
          assert.is_true(entry.sent_ns >= fired_ns, ("%s left %d us too early"):format(entry.kind,
            (fired_ns - entry.sent_ns) // 1000))
        end
      end
      reader:close()
      assert.are.same({ 3, true }, { pulses, told >= 3 }) -- two settings and the stop
      local order = {}
      for _, row in ipairs(shell.rows(path .. "/events.tsv")) do
        order[#order + 1] = row.event ~= "mark" and row.event or nil
      end
      assert.are.same({ "pulse", "set_intensity", "pulse", "set_intensity", "pulse" }, order)
    end)
  end
end)
