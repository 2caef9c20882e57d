--- Drivers with one mistake each: the conformance case that is made for it must find it.
local conformance = require "moonpulse.conformance"
local devices = require "moonpulse.driver.find"

--- A copy of a driver to break; its tables are copies too.
local function copy_of(name)
  local copy = {}
  for key, value in pairs(assert(devices.find(name))) do
    copy[key] = value
  end
  copy.encode, copy.replies = {}, {}
  for key, value in pairs(devices.find(name).encode) do
    copy.encode[key] = value
  end
  for key, value in pairs(devices.find(name).replies) do
    copy.replies[key] = value
  end
  return copy
end

local sound = assert(devices.find("magstim200"))

local function limits_with(change)
  return function(driver)
    driver.limits = function()
      local limits = sound.limits()
      change(limits)
      return limits
    end
  end
end

--- What is broken, by the name of the case that must say so.
local mutants = {
  ["the driver keeps its contract, and so does the simulator"] = function(driver)
    driver.serial = { baud = 19200, bits = 8, parity = "none", stop_bits = 1, flow = "none" }
  end,
  ["explain names every command, and its bytes come back"] = function(driver)
    driver.explain = function(bytes)
      local name, values = sound.explain(bytes)
      return name, name == "set_power" and { percent = values.percent // 10 * 10 } or values
    end
  end,
  ["explain never raises on what is no command"] = function(driver)
    driver.explain = function(bytes)
      return sound.explain(bytes), bytes:byte(2) + 1
    end
  end,
  ["decode and judge never raise or stall on random bytes"] = function(driver)
    driver.decode = function(buffer, dialect)
      local reply, used = sound.decode(buffer, dialect)
      return reply, reply and reply.error == "noise" and 0 or used
    end
  end,
  ["decode and judge survive damaged replies"] = function(driver)
    driver.judge = function(reply)
      return reply.standby == 1 and "fault" or nil, "standby " .. reply.standby
    end
  end,
  ["decode waits for a reply that is not whole"] = function(driver)
    driver.decode = function(buffer, dialect)
      if buffer:find("^J") and #buffer == 7 then
        return { name = "get_params" }, 7
      end
      return sound.decode(buffer, dialect)
    end
  end,
  ["decode reads replies that come in pieces"] = function(driver)
    driver.decode = function(buffer, dialect)
      local reply, used = sound.decode(buffer, dialect)
      return reply or { name = "error", error = "short" }, used > 0 and used or #buffer
    end
  end,
  ["decode finds the next reply behind noise"] = function(driver)
    driver.decode = function(buffer, dialect)
      local reply, used = sound.decode(buffer, dialect)
      return reply, reply and reply.name == "error" and #buffer or used
    end
  end,
  ["every field of a reply is listed in replies"] = function(driver)
    driver.replies.get_params = { "power" }
  end,
  ["intensities up to both edges are taken, one step beyond refused"] =
    limits_with(function(limits) limits.intensity.max = 99.5 end),
  ["the shortest interval is taken, one nanosecond less refused"] = function(driver)
    driver.limits = function()
      local limits, asked = sound.limits(), 0
      limits.shortest_interval = function() -- the plan's check is told less than who asks
        asked = asked + 1
        return asked == 1 and debug.traceback():find("lower") and 1.9 or 2
      end
      return limits
    end
  end,
  ["connect and status change nothing that could fire"] = function(driver)
    driver.connect = function(io)
      local identity = sound.connect(io)
      io:write(sound.commands.arm())
      return identity
    end
  end,
  ["arm returns with the device armed and ready"] = function(driver)
    driver.arm = function(io, first)
      io:transact(sound.commands.set_power { percent = first.mso }, "set_power", 0.5)
      io:transact(sound.commands.arm(), "state", 0.5)
    end
  end,
  ["arm believes the device, not the clock"] = function(driver)
    driver.arm = function(io, first)
      io:write(sound.commands.remote_on())
      io:write(sound.commands.set_power { percent = first.mso })
      io:write(sound.commands.arm())
      io:sleep(1.2)
    end
  end,
  ["arm sets the intensity of the first pulse"] = function(driver)
    driver.arm = function(io, first)
      first.mso = 30
      return sound.arm(io, first)
    end
  end,
  ["a pulse before arming is refused, and never confirmed"] = function(driver)
    driver.judge = function(reply)
      return "confirm", "anything", reply and 1
    end
  end,
  ["nothing is confirmed or wrong while the device waits"] = function(driver)
    driver.judge = function(reply)
      if reply.name == "remote_on" then
        return "confirm", "a pulse, surely", 1
      end
      return sound.judge(reply)
    end
  end,
  ["a change of intensity is done when its lead is over"] = function(driver)
    driver.encode.set = function(_, to)
      return sound.commands.set_power { percent = to.mso }, 0
    end
  end,
  ["disarm returns with the device disarmed"] = function(driver)
    driver.safe = sound.commands.get_temperature()
  end,
  ["a device that stays armed is reported"] = function(driver)
    driver.disarm = function() end
  end,
  ["the safe frame disarms from every state"] = function(driver)
    driver.safe = sound.commands.keepalive()
  end,
  ["over-temperature is a fault, and fires nothing"] = function(driver)
    driver.judge = function(reply)
      local verdict, text, value = sound.judge(reply)
      if verdict == "confirm" then
        return verdict, text, value
      end
    end
  end,
  ["keep-alives keep it armed"] = function(driver)
    driver.keepalive = { bytes = sound.keepalive.bytes, period = 1.5 }
  end,
  ["nobody there is a fault that says what to do"] = function(driver)
    driver.connect = function() return { model = "200²" } end
  end,
  ["noise is no device"] = function(driver)
    driver.connect = function(io)
      return { model = io:transact(sound.commands.remote_on(), function() return true end, 1).name }
    end
  end,
  ["another device is refused, and neither armed nor fired"] = function(driver)
    driver.connect = function(io)
      io:write(sound.commands.remote_on())
      return { model = "200²" }
    end
  end,
  ["a lost command never ends in a false ready"] = function(driver)
    driver.arm = function(io, first)
      io:write(sound.commands.set_power { percent = first.mso })
      io:write(sound.commands.arm())
      io:sleep(1.2)
    end
  end,
  ["a setting that the device reports otherwise is a fault"] = function(driver)
    driver.arm = function(io, first)
      io:transact(sound.commands.set_power { percent = first.mso }, "set_power", 0.5)
      io:transact(sound.commands.get_params(), "get_params", 0.5)
      io:transact(sound.commands.arm(), "state", 0.5)
      io:sleep(1.2)
    end
  end,
  ["a lost port ends every conversation"] = function(driver)
    driver.disarm = function(io)
      pcall(sound.disarm, io)
    end
  end,
  ["a stop ends every conversation at once"] = function(driver)
    driver.connect = function(io)
      local ok, identity = pcall(sound.connect, io)
      return ok and identity or io:fault("it does not answer: is it switched on?")
    end
  end,
  ["a device that does not say that it is disarmed is a fault"] = function(driver)
    driver.disarm = function(io)
      pcall(sound.disarm, io)
    end
  end,
  ["a whole run in virtual time: every pulse at its time"] = function(driver)
    driver.confirms = false
  end,
}

describe("a driver with a mistake is found by the case:", function()
  local by_name = {}
  for _, case in ipairs(conformance.cases) do
    assert(not by_name[case.name], "two cases are called " .. case.name)
    by_name[case.name] = case
  end

  for name, break_it in pairs(mutants) do
    it(name, function()
      local case = assert(by_name[name], "there is no such case")
      local driver = copy_of("magstim200")
      assert.are.equal("passed", (conformance.run(case, conformance.kit(driver))))
      break_it(driver)
      local verdict, why = conformance.run(case, conformance.kit(driver))
      assert.are.equal("failed", verdict)
      assert.is_true(#why > 10)
    end)
  end

  it("of trains that are proven while they run, one that never says that they go on", function()
    local case = by_name["a train that the device times comes whole and in time"]
    local driver = {}
    for key, value in pairs(devices.find("rapid")) do
      driver[key] = value
    end
    assert.are.equal("passed", (conformance.run(case, conformance.kit(driver))))
    local judge = driver.judge
    driver.judge = function(...)
      local verdict, text, value, unlike = judge(...)
      if verdict ~= "going" then
        return verdict, text, value, unlike
      end
    end
    local verdict, why = conformance.run(case, conformance.kit(driver))
    assert.are.equal("failed", verdict)
    assert.matches("going", why, 1, true)
  end)
end)
