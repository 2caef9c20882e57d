-- What a device says of pulses is compared with what was sent: one that nobody sent, one that was given
-- otherwise than it was set, and the last confirmation of a train, which comes when the device has been
-- told the next one.
local cjson = require "cjson"
local devices = require "moonpulse.driver.find"
local fixture = require "job"
local frames = require "moonpulse.simulators.magventure.frames"
local listenings = require "moonpulse.stimulator.listening"
local shell = require "shell"

describe("a MagPro that reports", function()
  local folder

  before_each(function()
    folder = shell.folder()
    shell.write(folder .. "/made.lua", [[
      local mp = require "moonpulse"
      return mp.protocol { id = "made", name = "Made", params = { hz = { default = 5 } }, plan = function(p)
        return mp.train { pulses = 5, hz = p.hz, intensity = mp.mso(30) }
      end }]])
    shell.write(folder .. "/liar.lua", [[
      local driver = {}
      for key, value in pairs(require "moonpulse.devices.magventure") do driver[key] = value end
      driver.name, driver.simulator = "liar", "liar_simulator.lua"
      return driver]])
  end)

  after_each(function()
    shell.remove(folder)
  end)

  --- Run on a simulator that adds a pulse's event of didt A/us to its answers to bytes, the turn-th time;
  --- instead: in the place of its answer.
  local function run(bytes, turn, didt, instead, speed)
    shell.write(folder .. "/liar_simulator.lua", ([[
      local frames = require "moonpulse.simulators.magventure.frames"
      local model = require "moonpulse.simulators.magventure"
      local M = setmetatable({}, { __index = model })
      function M.new(options)
        local simulator, turns = model.new(options), 0
        local receive = simulator.receive
        function simulator.receive(_, bytes, now_ns)
          local replies, log = receive(simulator, bytes, now_ns)
          turns = turns + (bytes == "%s" and 1 or 0)
          if bytes == "%s" and turns == %d then
            local event = frames.build("\2\%d\0\x54")
            local kept = %s and {} or { table.unpack(replies or {}) }
            kept[#kept + 1] = { at_ns = now_ns + 20000000, bytes = event }
            return kept, log
          end
          return replies, log
        end
        return simulator
      end
      return M]]):format(bytes, bytes, turn, didt, tostring(instead == true)))
    local status, _, err = shell.sh(folder, ("timeout -k 1 20 %s run %s/made.lua --device sim:%s/liar.lua "
      .. "--timing host --tolerance 1000 %s --out %s/runs"):format(shell.quote(shell.program), folder, folder,
      speed == "1" and "-p hz=1" or "--speed max", folder)) -- a busy computer's replies are late
    local path = fixture.run_in(folder .. "/runs") .. "/"
    return status, err, shell.rows(path .. "events.tsv"), cjson.decode(shell.read(path .. "manifest.json"))
  end

  local function text(payload)
    return (frames.build(payload):gsub(".", function(c) return ("\\x%02x"):format(c:byte()) end))
  end

  local function count(rows, event)
    local found = 0
    for _, row in ipairs(rows) do
      found = found + (row.event == event and 1 or 0)
    end
    return found
  end

  for _, speed in ipairs { "1", "max" } do
    for name, each in pairs {
      ["while it is asked who it is"] = { text "\5", 0 },
      ["while it is armed"] = { text "\2\1", 0, "device" },
      ["after the safe frame"] = { text "\2\0", 5, "device" },
    } do
      it(("a pulse that nobody sent, %s, at speed %s"):format(name, speed), function()
        local status, err, rows, facts = run(each[1], 1, 65, false, speed)
        assert.are.equal(4, status, err)
        assert.matches("the device reports a pulse that was not sent (dI/dt 65 A/us): does a pedal", err,
          1, true)
        assert.are.equal(each[2] == 0, err:find("was a run on this port killed", 1, true) ~= nil, err)
        assert.are.same({ "device fault", each[3] }, { facts.result.status, facts.result.stop })
        assert.are.equal(1, count(rows, "unasked_pulse"))
        assert.are.equal(each[2], count(rows, "pulse"))
        local last = rows[#rows] -- by onset: it came after all that was sent
        assert.are.equal("unasked_pulse", last.event)
        assert.near(tonumber(last.onset_confirmed_us), 1e6 * tonumber(last.onset), 1)
        local page = shell.read(fixture.run_in(folder .. "/runs") .. "/report.html")
        if each[3] then -- where nothing was armed there is no report
          assert.matches("The device reported 1 pulse that nobody sent.", page, 1, true)
          assert.matches("Pulses that the device reported and nobody sent</caption>", page, 1, true)
        end
        for _, row in ipairs(rows) do
          assert.is_true(tonumber(row.onset) >= 0)
          if row.event == "unasked_pulse" then
            assert.are.same({ "dI/dt 65 A/us", "n/a", "delivered" }, { row.reply, row.pulse, row.status })
          else
            assert.are.equal("delivered", row.status) -- the last confirmation is its own pulse's
          end
        end
      end)
    end
  end

  it("a pulse of another strength than the others stops the run, and its row claims nothing else", function()
    local status, err, rows = run(text "\3", 3, 65, true)
    assert.are.equal(4, status, err)
    assert.matches("pulse 3 was given otherwise than it was set: its dI/dt is 65 A/us at 30 %MSO, and that "
      .. "of pulse 1 was 39 A/us at 30 %MSO", err, 1, true)
    assert.are.same({ "delivered", "dI/dt 39 A/us" }, { rows[2].status, rows[2].reply })
    assert.are.same({ "otherwise", "dI/dt 65 A/us" }, { rows[3].status, rows[3].reply })
  end)

  it("several answers to one setting count as well where they are heard before that it was sent", function()
    local pulsepal = devices.configure(assert(devices.find("pulsepal")),
      { full_scale_volts = "10", biphasic = "1" })
    local function action(mso)
      return { channel = "1", mso = mso, exact_mso = mso, intensity = mso, reference = "MSO" }
    end
    local _, _, fields = pulsepal.encode.set(action(20), action(40))
    assert.is_true(#fields > 1) -- two phases, two voltages
    for _, told_first in ipairs { true, false } do
      local listening = listenings.new(pulsepal, { awaits = function() end })
      listening:armed(action(20), pulsepal.limits())
      if told_first then
        listening:tell(action(40), 100, true)
      end
      for answer = 1, #fields do
        assert.are.equal(not told_first, listening:settled(), answer)
        listening:hear({ name = "ack", ok = 1 }, 100 + answer, true)
      end
      if not told_first then
        listening:tell(action(40), 100, true)
      end
      assert.is_true(listening:settled(), tostring(told_first))
    end
  end)

  it("the last pulse of a train after it was told the next one is judged by its own train", function()
    local driver = devices.configure(assert(devices.find("magventure")), {})
    local burst = { mso = 40, train = { setting = { mode = "Standard", waveform = "Biphasic_Burst" } } }
    local confirmed = {}
    local record = { start_ns = 0, awaits = function() return burst, 3 end, oldest_open = function() end,
      confirm = function(_, ...) confirmed[#confirmed + 1] = { ... } return true end }
    local listening = listenings.new(driver, record)
    listening:armed({ mso = 40 }, {}) -- single pulses, by now
    local function hear(payload)
      return listening:hear(driver.decode(frames.build(payload), {}), 1000, true)
    end
    assert.are.equal("confirmed", hear "\2\52\0\x5C")
    assert.is_nil(listening.fault)
    assert.are.equal(1, #confirmed)
    record.awaits = function() return { mso = 40 }, 4 end
    assert.is_nil(hear "\2\52\0\x5C") -- and a burst where one pulse was due is a fault
    assert.matches("it is set to Standard, Biphasic_Burst", listening.fault, 1, true)
  end)
end)
