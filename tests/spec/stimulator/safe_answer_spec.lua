-- A Magstim answers the safe frame as it answers the fire command. A pulse that was refused, or whose answer
-- was lost, is not confirmed by it.
local fixture = require "job"
local shell = require "shell"

local devices = { "magstim200", "bistim", "rapid" }

describe("the answer to the safe frame", function()
  local folder

  before_each(function()
    folder = shell.folder()
    shell.write(folder .. "/made.lua", [[
      local mp = require "moonpulse"
      return mp.protocol { id = "made", name = "Made", plan = function()
        return mp.train { pulses = 3, every = 15, intensity = mp.mso(30) }
      end }]])
  end)

  after_each(function()
    shell.remove(folder)
  end)

  --- The command of a run on device, with a folder of its own. A driver that is a file is judged as a device
  --- is (stimulator/patience.lua), also while its simulator's process waits for a processor: it grants 5 s,
  --- which are over long before the next pulse. what: what happens to the second fire command:
  --- "refused" (a bit is flipped on its way), "lost" (its answer is), "sound".
  local function command(device, what, speed)
    local own = ("%s/%s_%s"):format(folder, device, what)
    assert(os.execute("mkdir " .. own))
    shell.write(own .. "/liar.lua", ([[
      local driver = {}
      for key, value in pairs(require "moonpulse.devices.%s") do driver[key] = value end
      driver.name, driver.simulator = "liar", "liar_simulator.lua"
      driver.reply_slow, driver.reply_timeout = 5, 5
      return driver]]):format(device))
    shell.write(own .. "/liar_simulator.lua", ([[
      local driver = require "moonpulse.devices.%s"
      local model = require "moonpulse.simulators.%s"
      local M = setmetatable({}, { __index = model })
      function M.new(options)
        local simulator, fires = model.new(options), 0
        local receive = simulator.receive
        function simulator.receive(_, bytes, now_ns)
          local fire = bytes == driver.commands.fire()
          fires = fires + (fire and 1 or 0)
          if fire and fires == 2 and "%s" == "refused" then
            bytes = bytes:sub(1, 1) .. "J" .. bytes:sub(3)
          end
          local replies, log = receive(simulator, bytes, now_ns)
          if fire and fires == 2 and "%s" == "lost" then
            replies = {}
          end
          return replies, log
        end
        return simulator
      end
      return M]]):format(device, device, what, what))
    return ("timeout -k 1 120 %s run %s/made.lua --device sim:%s/liar.lua --timing host --tolerance 1000 "
      .. "--speed %s --out %s/runs"):format(shell.quote(shell.program), folder, own, speed, own)
  end

  --- The pulses of that run, as it and as the simulator tells them.
  local function told(device, what)
    local out = ("%s/%s_%s/runs"):format(folder, device, what)
    local path, given, rows = fixture.run_in(out), 0, {}
    for _, row in ipairs(shell.rows(path .. "/twin.tsv")) do
      given = given + (row.event == "pulse" and 1 or 0)
    end
    for _, row in ipairs(shell.rows(path .. "/events.tsv")) do
      rows[#rows + 1] = row.event == "pulse" and row.status .. ", " .. row.reply or nil
    end
    return rows, given
  end

  local delivered, sent = "delivered, accepted by the unit", "sent, n/a"

  -- the stop throws away what the port holds; a pseudo-terminal does not say what that was
  for speed, doubtful in pairs { max = sent, ["1"] = "perhaps_sent, n/a" } do
    it("confirms no pulse, whether the fire command was refused or its answer lost, at speed " .. speed,
      function()
        local commands = {}
        for i, device in ipairs(devices) do
          commands[2 * i - 1] = command(device, "refused", speed)
          commands[2 * i] = command(device, "lost", speed)
        end
        local results = shell.together(folder, commands)
        for i, device in ipairs(devices) do
          local refused, lost = results[2 * i - 1], results[2 * i]
          local rows, given = told(device, "refused")
          assert.are.equal(4, refused.status, refused.err)
          assert.matches("the unit refused a command's data", refused.err, 1, true)
          assert.are.same({ delivered, doubtful }, rows)
          assert.are.equal(1, given)
          rows, given = told(device, "lost")
          assert.are.equal(4, lost.status, lost.err)
          assert.matches("pulse 2 was not confirmed within", lost.err, 1, true)
          assert.are.same({ delivered, doubtful }, rows)
          assert.are.equal(2, given)
        end
      end)
  end

  for _, device in ipairs(devices) do
    it("hides no pulse of " .. device, function()
      local status, _, err = shell.sh(folder, command(device, "sound", "max"))
      assert.are.equal(0, status, err)
      local rows, given = told(device, "sound")
      assert.are.same({ delivered, delivered, delivered }, rows)
      assert.are.equal(3, given)
    end)
  end
end)
