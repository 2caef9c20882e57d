-- A Magstim answers the safe frame as it answers the fire command. A pulse that was refused, or whose answer
-- was lost, is not confirmed by it.
local shell = require "shell"

local devices = { "magstim200", "bistim", "rapid" }

describe("the answer to the safe frame", function()
  local folder

  before_each(function()
    folder = shell.folder()
    shell.write(folder .. "/made.lua", [[
      local mp = require "moonpulse"
      return mp.protocol { id = "made", name = "Made", plan = function()
        return mp.train { pulses = 3, every = 5, intensity = mp.mso(30) }
      end }]])
  end)

  after_each(function()
    shell.remove(folder)
  end)

  --- Run on device; what happens to the second fire command: "refused" (a bit is flipped on its way), "lost"
  --- (its answer is), "sound".
  local function run(device, what, speed)
    shell.write(folder .. "/liar.lua", ([[
      local driver = {}
      for key, value in pairs(require "moonpulse.devices.%s") do driver[key] = value end
      driver.name, driver.simulator = "liar", "liar_twin.lua"
      return driver]]):format(device))
    shell.write(folder .. "/liar_twin.lua", ([[
      local driver = require "moonpulse.devices.%s"
      local model = require "moonpulse.simulators.%s"
      local M = setmetatable({}, { __index = model })
      function M.new(options)
        local twin, fires = model.new(options), 0
        local receive = twin.receive
        function twin.receive(_, bytes, now_ns)
          local fire = bytes == driver.commands.fire()
          fires = fires + (fire and 1 or 0)
          if fire and fires == 2 and "%s" == "refused" then
            bytes = bytes:sub(1, 1) .. "J" .. bytes:sub(3)
          end
          local replies, log = receive(twin, bytes, now_ns)
          if fire and fires == 2 and "%s" == "lost" then
            replies = {}
          end
          return replies, log
        end
        return twin
      end
      return M]]):format(device, device, what, what))
    local status, _, err = shell.sh(folder, ("timeout -k 1 30 %s run %s/made.lua --device sim:%s/liar.lua "
      .. "--timing host --tolerance 200 --speed %s --out %s/runs"):format(shell.quote(shell.program), folder,
      folder, speed, folder))
    local path = ("%s/runs/%s/"):format(folder, shell.names(folder .. "/runs")[1])
    local given = 0
    for _, row in ipairs(shell.rows(path .. "twin.tsv")) do
      given = given + (row.event == "pulse" and 1 or 0)
    end
    local rows = {}
    for _, row in ipairs(shell.rows(path .. "events.tsv")) do
      rows[#rows + 1] = row.event == "pulse" and row.status .. ", " .. row.reply or nil
    end
    shell.remove(folder .. "/runs")
    return status, err, rows, given
  end

  local delivered, sent = "delivered, accepted by the unit", "sent, n/a"

  for _, device in ipairs(devices) do
    for _, speed in ipairs { "max", "1" } do
      it(("confirms no pulse on %s at speed %s"):format(device, speed), function()
        local status, err, rows, given = run(device, "refused", speed)
        assert.are.equal(4, status, err)
        assert.matches("the unit refused a command's data", err, 1, true)
        assert.are.same({ delivered, sent }, rows)
        assert.are.equal(1, given)
        status, err, rows, given = run(device, "lost", speed)
        assert.are.equal(4, status, err)
        assert.matches("pulse 2 was not confirmed within", err, 1, true)
        assert.are.same({ delivered, sent }, rows)
        assert.are.equal(2, given)
      end)
    end

    it("hides no pulse of " .. device, function()
      local status, err, rows, given = run(device, "sound", "max")
      assert.are.equal(0, status, err)
      assert.are.same({ delivered, delivered, delivered }, rows)
      assert.are.equal(3, given)
    end)
  end
end)
