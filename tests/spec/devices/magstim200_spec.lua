-- The Magstim 200²: its simulator by the text of the protocol, its driver in virtual and in real time.
local devices = require "moonpulse.driver.find"
local magstim = require "magstim"
local mp = require "moonpulse"
local shell = require "shell"

local hex, frame = magstim.hex, magstim.frame
local driver = devices.configure(assert(devices.find("magstim200")))

local function unit(options)
  return magstim.unit("magstim200", options)
end

local function framed(data)
  return hex(frame(data))
end

--- A reply of command letter with a status byte.
local function reply(letter, status, data)
  return framed(letter .. string.char(status) .. (data or ""))
end

describe("the simulator of a Magstim 200²", function()
  it("starts in standby with a coil, at 30 %, without remote control", function()
    local u = unit()
    assert.are.equal(reply("J", 0x09, "030000000"), u:say("J@"))
    assert.are.equal(reply("F", 0x09, "240240"), u:say("F@"))
    assert.are.equal(framed("@S"), u:say("@050")) -- needs remote control
    assert.are.equal(framed("ES"), u:say("EB"))
    assert.are.equal(reply("E", 0x09), u:say("EA")) -- always accepted
    assert.are.equal("518925", u:say("Q@")) -- the new remote bit
  end)

  it("answers as recorded", function()
    local u = unit()
    for _, step in ipairs { { "remote_on" }, { "set_power" }, { "arm" }, { "fire", 1.1 },
      { "disarm", 0.1 }, { "remote_off" } } do
      u:wait(step[2] or 0, "Q@")
      for _, row in ipairs(shell.rows("tests/data/magstim200.tsv")) do
        if row.command == step[1] then
          assert.are.equal(row.reply_hex, u:raw(row.bytes_hex), row.command)
          break
        end
      end
    end
  end)

  it("shows the status before a command took effect", function()
    local u = unit()
    u:say("Q@")
    assert.are.equal(reply("E", 0x89), u:say("EB"))
    assert.are.equal(reply("Q", 0x8A), u:say("Q@"))
    u:wait(0.9)
    assert.are.equal(reply("Q", 0x8A), u:say("Q@"))
    u:wait(0.2)
    assert.are.equal(reply("E", 0x8C), u:say("EH"))
    assert.are.equal(reply("E", 0x8A), u:say("EA"))
    assert.are.equal(reply("R", 0x09), u:say("R@"))
  end)

  it("refuses what is wrong, or not possible now", function()
    local u = unit()
    assert.are.equal("3f", u:raw("00"))
    assert.are.equal("3f3f", u:raw("0d0a"))
    assert.are.equal("3f", u:raw("5a")) -- a command of the BiStim²
    u:say("Q@")
    assert.are.equal(framed("@?"), u:raw("4030353000")) -- wrong check byte
    assert.are.equal(framed("@?"), u:say("@101"))
    assert.are.equal(framed("@?"), u:say("@0x1"))
    assert.are.equal(framed("E?"), u:say("EC"))
    assert.are.equal(framed("ES"), u:say("EH")) -- not armed
    u:say("EB")
    assert.are.equal(framed("ES"), u:say("EB")) -- armed already
    assert.are.equal(framed("ES"), u:say("EH")) -- not ready yet
    assert.are.equal(0, u.simulator:state().pulses)
  end)

  it("drops remote control 1 s after the last command while armed, 10 s in standby", function()
    local u = unit():ready()
    u:say("Q@")
    u:wait(0.99)
    assert.are.equal(reply("Q", 0x8C), u:say("Q@"))
    u:wait(1.01)
    local state = u.simulator:state()
    assert.are.same({ false, false }, { state.armed, state.remote })
    assert.are.equal("no command for 1 s", u:events("disarm")[1].note)
    u = unit()
    u:say("Q@")
    u:wait(9.9)
    assert.is_true(u.simulator:state().remote)
    u:wait(0.2)
    assert.is_false(u.simulator:state().remote)
  end)

  it("disarms itself 60 s after the last pulse", function()
    local u = unit():ready()
    u:say("EH")
    u:wait(59.5, "Q@")
    assert.is_true(u.simulator:state().armed)
    u:wait(0.6, "Q@")
    assert.is_false(u.simulator:state().armed)
    assert.is_true(u.simulator:state().remote)
  end)

  for power, seconds in pairs { [49] = 2, [50] = 3, [79] = 3, [80] = 4, [100] = 4 } do
    it(("needs %d s after a pulse at %d %%"):format(seconds, power), function()
      local u = unit { power = power }:ready()
      assert.are.equal(reply("E", 0x8C), u:say("EH"))
      u:wait(seconds - 0.01, "Q@")
      assert.are.equal(framed("ES"), u:say("EH"))
      u:wait(0.01)
      assert.are.equal(reply("E", 0x8C), u:say("EH"))
    end)
  end

  it("follows its power by 10 ms a percent up, 100 ms a percent down", function()
    local function given(from, to, after)
      local u = unit { power = from }:ready()
      u:say(("@%03d"):format(to))
      u:wait(after, "Q@")
      u:say("EH")
      return u:events("pulse")[1].note
    end
    assert.are.equal("70 %", given(50, 70, 0.21))
    assert.are.equal("60 %", given(50, 70, 0.099))
    assert.are.equal("30 %", given(50, 30, 2.01))
    assert.are.equal("40 %", given(50, 30, 0.999))
  end)

  it("takes a command in pieces, and drops half a one after 0.1 s", function()
    local u = unit()
    assert.are.equal("", u:raw("51"))
    assert.are.equal("518925", u:raw("406e"))
    u:raw("5140")
    u:wait(0.2)
    assert.are.equal("518925", u:raw("51406e"))
  end)

  it("fires by an edge on its trigger input, without a word", function()
    local u = unit():ready()
    local replies, log = u.simulator:line("rts", true, u.now_ns)
    assert.is_nil(replies)
    assert.are.equal("pulse", log[1].event)
    u.simulator:line("rts", false, u.now_ns + 5000000)
    log = select(2, u.simulator:line("rts", true, u.now_ns + 10000000))
    assert.are.equal("ignored", log[1].event) -- not ready
  end)

  it("does not arm with a coil over 40 C, or without one", function()
    for _, options in ipairs { { coil_temperature = 40.1 }, { coil = false } } do
      local u = unit(options)
      u:say("Q@")
      assert.are.equal(framed("ES"), u:say("EB"))
    end
    local u = unit { coil_temperature = 39.999, power = 100 }:ready()
    u:say("EH")
    assert.is_false(u.simulator:state().armed)
  end)

  it("serves MagPy: connect, settings, arm, fire, poke with its stray zero, disconnect", function()
    local u = unit()
    assert.are.equal(3, #u:raw("51406e") // 2)
    assert.are.equal(12, #u:raw("4a4075") // 2)
    assert.are.equal(9, #u:raw("464079") // 2)
    assert.are.equal("518925" .. "3f", u:raw("51406e00"))
    assert.are.equal("458931", u:raw("454278"))
    u:wait(0.5)
    assert.are.equal("518a24" .. "3f", u:raw("51406e00"))
    u:wait(0.6)
    assert.are.equal("518c22", u:raw("51406e"))
    assert.are.equal("458c2e", u:raw("454872"))
    assert.are.equal("458a30", u:raw("454179"))
    assert.are.equal("458931", u:raw("454179"))
    assert.are.equal("5209a4", u:raw("52406d"))
    assert.are.equal(1, u.simulator:state().pulses)
  end)
end)

describe("the driver of the Magstim 200²", function()
  local function armed(u, percent)
    local io = magstim.link(driver, u)
    driver.connect(io)
    driver.arm(io, { mso = percent or 55 })
    return io
  end

  it("connects without a change, arms with what it read back, and gives the panel back", function()
    local u = unit { coil_temperature = 26.5 }
    local io = magstim.link(driver, u)
    local identity = driver.connect(io)
    assert.are.same({ "200²", 30, true, 26.5 }, { identity.model, identity.power, identity.coil,
      identity.temperature_c })
    assert.are.same({ "51406e", "4a4075", "464079" }, io.sent)
    assert.are.same({}, u:events("set"))
    io.sent = {}
    driver.arm(io, { mso = 55 })
    assert.are.same({ "51406e", "4a4075", framed("@055"), "4a4075", "454278", "51406e" },
      { table.unpack(io.sent, 1, 6) })
    assert.is_true(u.simulator:state().ready)
    io:write(driver.safe)
    driver.disarm(io)
    assert.are.same({ false, false }, { u.simulator:state().armed, u.simulator:state().remote })
  end)

  it("is not deceived by the answer to a keep-alive from before the safe frame", function()
    local u = unit()
    local io = armed(u)
    io:write(driver.safe)
    io.sent = {}
    io.spoil = function(_, answer)
      io.spoil = nil
      return frame "Q\x8C" .. answer
    end
    driver.disarm(io)
    assert.are.same({ "4a4075", "52406d" }, io.sent)
  end)

  it("says what the unit says, and what to do", function()
    local function arming(options, ...)
      local text = magstim.fault_of(armed, unit(options))
      for _, part in ipairs { ... } do
        assert.is_truthy(text:find(part, 1, true), text)
      end
    end
    arming({ coil = false }, "arming was refused: the unit cannot do that now")
    arming({ coil_temperature = 45 }, "arming was refused")
    local u = unit()
    local io = magstim.link(driver, u)
    io.spoil = function(bytes, answer) -- it does not take the power
      return bytes:find("^J") and frame("J\x89030000000") or answer
    end
    local text = magstim.fault_of(driver.arm, io, { mso = 55 })
    assert.is_truthy(text:find("did not take the power 55 %: it says 30 %", 1, true), text)
    io.spoil = function() return "" end
    text = magstim.fault_of(driver.connect, io)
    assert.is_truthy(text:find("no answer to taking remote control: is it switched on", 1, true), text)
    io.spoil = function() return "?" end
    text = magstim.fault_of(driver.connect, io)
    assert.is_truthy(text:find("is it the right model?", 1, true), text)
    u = unit()
    io = armed(u)
    u.simulator:fault("stuck-armed", u.now_ns)
    io:write(driver.safe)
    text = magstim.fault_of(driver.disarm, io)
    assert.is_truthy(text:find("still says that it is armed", 1, true), text)
  end)

  it("judges what comes while a plan runs", function()
    local function judge(bytes)
      return driver.judge((driver.decode(frame(bytes), {})), { mso = 50 })
    end
    assert.are.equal("confirm", (judge("E\x8C")))
    assert.is_nil(judge("E\x89")) -- a unit in standby did not fire
    assert.are.equal("going", (judge("Q\x8A"))) -- it has not disarmed itself
    assert.are.equal("going", (judge("@\x8C")))
    for bytes, words in pairs { ["ES"] = "not ready", ["Q\x89"] = "disarmed itself",
      ["@\x89"] = "disarmed itself", ["Q\x0C"] = "remote control", ["E\x84"] = "no coil",
      ["Q\x9C"] = "replaced", ["Q\xAC"] = "reports an error", ["Q\xEC"] = "fatal" } do
      local verdict, text = judge(bytes)
      -- only a fire command can be refused while one waits for its answer: nothing later confirms it
      assert.are.equal(bytes == "ES" and "refused" or "fault", verdict, hex(bytes))
      assert.is_truthy(text:find(words, 1, true), text)
    end
    assert.are.equal("fault", (driver.judge((driver.decode(frame "ES", {}))))) -- no fire command waits
    assert.are.equal("fault", (driver.judge((driver.decode("?", {})))))
  end)

  it("lets pass what the unit can, and refuses the next faster", function()
    for power, seconds in pairs { [49] = 2, [50] = 3, [79] = 3, [80] = 4, [100] = 4 } do
      local function pair(isi)
        return mp.pair { isi = isi, intensity = mp.mso(power) }
      end
      assert.is_nil(magstim.refusal(driver, pair(seconds)))
      local text = magstim.refusal(driver, pair(seconds - 0.001))
      assert.is_truthy(text:find(("the shortest interval is %d s"):format(seconds), 1, true), text)
    end
  end)

  it("refuses a rest after which the unit has disarmed itself", function()
    local pulse = mp.pulse(mp.mso(40))
    assert.is_nil(magstim.refusal(driver, mp.rest(59) .. pulse .. mp.rest(59) .. pulse))
    local text = magstim.refusal(driver, pulse .. mp.rest(59.001) .. pulse)
    assert.is_truthy(text:find("between pulse 1 and pulse 2 (at 59.001000 s) is 59.001 s", 1, true), text)
    assert.is_truthy(magstim.refusal(driver, mp.rest(60) .. pulse):find("before pulse 1", 1, true))
  end)

  it("leaves the time that a change of power takes: 0.1 s a percent down", function()
    local function down(rest)
      return mp.pulse(mp.mso(60)) .. mp.rest(rest) .. mp.pulse(mp.mso(20))
    end
    assert.is_truthy(magstim.refusal(driver, down(4)):find("too short to change", 1, true))
    assert.is_nil(magstim.refusal(driver, down(4.1)))
  end)
end)

describe("moonpulse run on a simulated Magstim 200²", function()
  local folder
  before_each(function() folder = shell.folder() end)
  after_each(function() shell.remove(folder) end)

  it("sends the power and one fire command a pulse, and records each", function()
    -- over its 2 s: a busy host may give the simulated unit the first command late
    local run = magstim.run(folder, "return mp.pulse(mp.mso(30)) .. mp.rest(3) .. mp.pulse(mp.mso(31))",
      "--device sim:magstim200")
    assert.are.equal("", run.err)
    assert.are.equal(0, run.status)
    local bytes, pulses = magstim.commands_of(run)
    assert.are.same({ framed("@030"), framed("EB"), framed("EH"), framed("@031"), framed("EH"),
      framed("EA"), framed("R@") }, bytes)
    assert.are.same({ "30 %", "31 %" }, { pulses[1].note, pulses[2].note })
    local given = {}
    for _, row in ipairs(run.rows) do
      given[#given + 1] = row.event == "pulse" and row or nil
    end
    assert.are.same({ "delivered", "accepted by the unit", "30", "host" }, { given[1].status,
      given[1].reply, given[1].intensity_mso, given[1].timed_by })
    assert.are.equal("31", given[2].intensity_mso)
  end)
end)
