-- A pulse that the device did not confirm: which one it was, on which output, and what may be the cause.
local core = require "moonpulse.core"
local devices = require "moonpulse.driver.find"
local listenings = require "moonpulse.stimulator.listening"
local outputs = require "moonpulse.driver.outputs"
local records = require "moonpulse.record"
local shell = require "shell"
local unanswered = require "moonpulse.stimulator.unanswered"

local MS = 1000000
local stall = "the simulator did not answer in time: is this computer busy?"

--- A run on a StimJim with two outputs: what it was sent, and what is heard of it.
local function run(on_simulator)
  local driver = devices.configure(assert(devices.find "stimjim"), { channels = "pmv=0,m1=1" })
  driver.on_simulator = on_simulator
  local actions, limits = {}, driver.limits()
  for i, name in ipairs { "pmv", "m1" } do
    local mso = 40 + i
    actions[i] = { channel = name, mso = mso, exact_mso = mso, intensity = mso, reference = "MSO" }
  end
  local record, text = records.in_memory()
  record:set_actions(actions, driver, 200 * MS)
  record:start(0)
  local heard = listenings.new(driver, record)
  heard:armed(actions[1], limits, { { action = actions[1], output = 0 },
    { action = actions[2], output = 1 } })
  local dialect, buffer, number = {}, "", 0
  return {
    heard = heard, record = record,
    send = function(at_ns, action)
      number = number + 1
      record:pulse(number, at_ns, at_ns, 0, action, at_ns)
      assert(outputs.of(limits, actions[action]) == action - 1)
    end,
    hear = function(at_ns, lines)
      buffer = buffer .. lines:gsub("\n", "\r\n")
      while true do
        local reply, used = driver.decode(buffer, dialect)
        if used == 0 then
          break
        end
        buffer = buffer:sub(used + 1)
        if reply then
          heard:hear(reply, at_ns, true)
        end
      end
    end,
    rows = function()
      record:close()
      local list = {}
      for line in text():gmatch "[^\n]+" do
        local cells = shell.cells(line)
        list[#list + 1] = cells[6] ~= "pulse" and cells[11] .. " " .. cells[15] or nil
      end
      return list
    end,
  }
end

local function started(train)
  return ("\nStarted T train with parameters of PulseTrain %d\n"):format(train)
end
--- What it reports of a TTL pulse of that train's output.
local function complete(train)
  return "Train complete. Delivered 1 pulses.\nCurrent/Voltage by stage: \n"
    .. "           Ch0                Ch1 \n"
    .. (train == 0 and "Stage 0  5000mV,               0uA,          \n"
      or "Stage 0     0uA,            5000mV,          \n")
end

describe("a StimJim's report", function()
  it("is of the output that it was of", function()
    local it_is = run(false)
    it_is.send(0, 1)
    it_is.hear(2 * MS, started(0) .. complete(0))
    it_is.send(8 * MS, 2)
    it_is.hear(10 * MS, started(1) .. complete(1))
    assert.is_nil(it_is.heard.fault)
    assert.are.same({ "pmv delivered", "m1 delivered" }, it_is.rows())
  end)

  it("of two starts that came together is not the first one's, and the first's output is named", function()
    local real = "did the line or this computer stall, so that both came at once?"
    for on_simulator, cause in pairs { [false] = real, [true] = stall } do
      local it_is = run(on_simulator)
      it_is.send(0, 1)
      it_is.hear(2 * MS, started(0) .. complete(0))
      it_is.send(100 * MS, 1)
      it_is.send(108 * MS, 2)
      it_is.hear(300 * MS, started(0) .. started(1))
      assert.is_nil(it_is.heard.fault)
      it_is.hear(302 * MS, complete(1))
      assert.are.equal("pulse 2 on output 0 (channel pmv) was not confirmed, but pulse 3 on output 1 "
        .. "(channel m1), which was sent after it, was: " .. cause, it_is.heard.fault)
      assert.are.same({ "pmv delivered", "pmv sent", "m1 delivered" }, it_is.rows())
    end
  end)

  it("of an output that was sent nothing is nobody's", function()
    local it_is = run(false)
    it_is.send(0, 1)
    it_is.hear(2 * MS, started(1) .. complete(1))
    assert.is_truthy(it_is.heard.fault:find("a pulse that was not sent", 1, true), it_is.heard.fault)
    assert.are.same({ "pmv sent", "n/a delivered" }, it_is.rows())
  end)
end)

describe("a pulse that was not confirmed", function()
  it("is named with its output where there are several, with a device's cause or a simulator's", function()
    local function text(name, options, channel, on_simulator)
      local driver = devices.configure(assert(devices.find(name)), options)
      driver.on_simulator = on_simulator
      return unanswered.unconfirmed({ driver = driver }, 600 * MS, 5, nil, nil, { channel = channel })
    end
    assert.are.equal("pulse 5 was not confirmed within 0.6 s: is the cable loose, did the line or this "
      .. "computer stall, does the coil still fire?", text("magventure", {}, "1"))
    assert.are.equal("pulse 5 on output 0 was not confirmed within 0.6 s: " .. stall,
      text("stimjim", {}, "0", true))
    assert.are.equal("pulse 5 on output 1 (channel m1) was not confirmed within 0.6 s: " .. stall,
      text("stimjim", { channels = "m1=1" }, "m1", true))
  end)

  it("is blamed on a busy computer for every simulator that was not told to fail", function()
    for _, name in ipairs(devices.names) do
      if name ~= "trigger" then -- it has no simulator that could stall: it never answers
        local device = require "moonpulse.cli.device_argument"
        local options = { device = "sim:" .. name, device_option = {}, speed = 1 }
        assert.is_true(device.choose(options).on_simulator)
        options.fault = require("moonpulse.simulation.faults").parse "drop@1"
        assert.is_falsy(device.choose(options).on_simulator)
      end
    end
  end)
end)

describe("an experiment whose script does not wait for its pulse", function()
  local folder
  before_each(function() folder = shell.folder() end)
  after_each(function() shell.remove(folder) end)

  local ways = { "", "stim:disarm()", "stim:disarm() run:sleep(1)" }

  -- at its end, or on disarming: the confirmation is waited for, and none is a fault
  for device, option in pairs { magventure = "", stimjim = "--device-option full_scale_ua=1000" } do
    it("ends well only where it was confirmed: " .. device, function()
      local cases, commands = {}, {}
      for i, way in ipairs(ways) do
        local path = ("%s/made%d.lua"):format(folder, i)
        shell.write(path, ([[
          local mp = require "moonpulse"
          return mp.experiment(function(run)
            local stim = run:device()
            stim:arm(mp.pulse(mp.mso(40)))
            local at = run:now() + 0.3
            run:spawn(function() stim:play(mp.pulse(mp.mso(40)), { at = at }) end)
            run:sleep(at + 0.05 - run:now())
            %s
          end)]]):format(way))
        for fault, expected in pairs { ["--fault drop@1"] = 4, [""] = 0 } do
          cases[#cases + 1] = { way = way, fault = fault, expected = expected }
          commands[#cases] = ("%s run %s --device sim:%s %s %s --speed max --out %s/runs%d"):format(
            shell.quote(shell.program), path, device, option, fault, folder, #cases)
        end
      end
      for i, result in ipairs(shell.together(folder, commands)) do
        local way, fault, expected = cases[i].way, cases[i].fault, cases[i].expected
        local out, err = result.out, result.err
        assert.are.equal(expected, result.status, way .. fault .. out .. err)
        assert.is_truthy(out:find(expected == 0 and "1 of 1 pulse, 1 confirmed"
          or "1 of 1 pulse, 0 confirmed", 1, true), out)
        assert.are.equal(expected == 4, err:find "pulse 1[%w ]* was not confirmed within" ~= nil,
          way .. err)
      end
    end)
  end
end)

describe("the computer", function()
  local is_virtual = core.is_virtual
  after_each(function() core.is_virtual = is_virtual end)

  it("is asked about only where a process beside the run may have waited for it", function()
    assert.are.equal(stall, unanswered.cause({ on_simulator = true }, "the cable"))
    assert.are.equal("the cable", unanswered.cause({ on_simulator = false }, "the cable"))
    assert.are.equal("the cable", unanswered.cause({ on_simulator = true, file = "mine.lua" }, "the cable"))
    core.is_virtual = function() return true, 0 end
    assert.are.equal("the cable", unanswered.cause({ on_simulator = true }, "the cable"))
  end)
end)
