-- The simulator of the Magstim Rapid² family, by the text of the protocol.
local commands = require "moonpulse.devices.rapid.commands"
local magstim = require "magstim"
local shell = require "shell"

local code = "1234-12345678-ab"

local function unit(options)
  return magstim.unit("rapid", options)
end

local function framed(data)
  return magstim.hex(magstim.frame(data))
end

local function reply(letter, ...)
  local bytes = {}
  for i, each in ipairs { ... } do
    bytes[i] = type(each) == "number" and string.char(each) or each
  end
  return framed(letter .. table.concat(bytes))
end

describe("the simulator of a Magstim Rapid²", function()
  it("is silent without remote control, but for four commands", function()
    local u = unit()
    for _, data in ipairs { "@050", "B0100", "EB", "EH", "I@", "ND", "^@", "b@" } do
      assert.are.equal("", u:say(data))
    end
    assert.are.equal(reply("\\", 0x09, 0x38, "030000000010000001"), u:say("\\@"))
    assert.are.equal(reply("F", 0x09, "240240"), u:say("F@"))
    assert.are.equal(reply("R", 0x09), u:say("R@"))
    assert.are.equal("518925", u:say("Q@"))
    assert.are.equal("3f", u:raw("4a")) -- J is no command of it
    assert.are.equal("3f", u:raw("78")) -- x came with version 9
  end)

  it("answers nothing from version 9 on until it hears its code", function()
    local u = unit { version = "9.0", code = code }
    for _, data in ipairs { "Q@", "\\@", "F@", "ND", "x@", "Qffff-ffffffff-ff", "J@" } do
      assert.are.equal("", u:say(data), data)
      u:wait(0.2)
    end
    assert.are.equal("518925", u:say("Q" .. code))
    assert.are.equal("4e56392e3000c4", u:say("ND"))
    assert.are.equal(reply("x", 0x89, 0x38, 0, 0), u:say("x@"))
  end)

  local versions = {
    { "5.0", "Q@", "[%03d", "D%04d", 21, "4e56352e3000c8" },
    { "8.0", "Q@", "[%03d", "D%04d", 22, "4e56382e3000c5" },
    { "9.0", "Q" .. code, "[%04d", "D%05d", 24, "4e56392e3000c4" },
    { "11.0", "Q" .. code, "[%04d", "D%05d", 24, "4e5631312e30009b" },
  }
  for _, each in ipairs(versions) do
    local version, remote, duration, count, length, text = table.unpack(each)
    it("speaks the dialect of version " .. version, function()
      local u = unit { version = version }
      u:say(remote)
      assert.are.equal(text, u:say("ND"))
      assert.are.equal(reply("[", 0x89, 0x30), u:say(duration:format(30)))
      assert.are.equal(reply("B", 0x89, 0x30), u:say("B0100"))
      assert.are.equal(reply("D", 0x89, 0x30), u:say(count:format(30)))
      local settings = magstim.bin(u:say("\\@"))
      assert.are.equal(length, #settings)
      local said = commands.decode(settings, { version = version })
      assert.are.same({ 30, 10, 30, 3, 0.1, 0 }, { said.power, said.hz, said.pulses, said.s,
        said.wait_s, said.single_pulse })
      assert.are.equal(reply("[", 0x89, 0x38), u:say(duration:format(0)))
    end)
  end

  it("answers as recorded", function()
    for _, version in ipairs { "5.0", "11.0" } do
      local u, seen = unit { version = version }, 0
      for _, row in ipairs(shell.rows("tests/data/rapid.tsv")) do
        local own = row.args:find("version=" .. version, 1, true)
        if own and not row.args:find("state_") and row.command ~= "get_status"
          and row.command ~= "keepalive" or row.command:find("^enhanced") then
          assert.are.equal(row.reply_hex, u:raw(row.bytes_hex), row.command .. " " .. row.args)
          seen = seen + 1
          if row.command:find("duration") then
            u:say(version == "5.0" and "[000" or "[0000")
          elseif row.command == "set_frequency" then
            u:say(version == "5.0" and "[010" or "[0010")
          end
        elseif own and row.command == "get_version" then
          seen = seen + 1
        end
        if own and row.command == "rtms_off" then
          u:say(version == "5.0" and "[010" or "[0010") -- the recorded ones were in train mode
        end
      end
      assert.is_true(seen > 7)
    end
  end)

  it("takes what its software takes", function()
    local old, new = unit { version = "8.0" }, unit { version = "11.0", model = "superplus" }
    old:say("Q@")
    new:say("Q" .. code)
    for data, good in pairs { ["D1000"] = true, ["D1001"] = false, ["D0000"] = false, ["[100"] = true,
      ["[101"] = false, ["B0005"] = true, ["B0500"] = true, ["B0501"] = false, ["B0510"] = false,
      ["B0305"] = false, ["B0300"] = true, ["@100"] = true, ["@101"] = false } do
      local answer = old:say(data)
      assert.are.equal(good, answer ~= framed(data:sub(1, 1) .. "?"), data)
      old:say("@030")
    end
    for data, good in pairs { ["D06000"] = true, ["D06001"] = false, ["[6000"] = true,
      ["[6010"] = false, ["[0305"] = false, ["n10000"] = true, ["n10001"] = false, ["B1000"] = true,
      ["B1010"] = false } do
      assert.are.equal(good, new:say(data) ~= framed(data:sub(1, 1) .. "?"), data)
    end
    assert.are.equal(framed("@?"), new:raw("4030353000"))
  end)

  it("lets the rate fall where the power no longer allows it", function()
    local u = unit { model = "rapid", mains = 115 }
    for _, data in ipairs { "Q@", "[010", "@050", "B0230" } do
      u:say(data)
    end
    assert.are.equal(framed("B?"), u:say("B0240"))
    u:say("@100")
    assert.are.equal(11, commands.decode(magstim.bin(u:say("\\@")), { version = "8.0" }).hz)
  end)

  it("gives single pulses by command at most every second", function()
    local u = unit { power = 60 }:ready()
    assert.are.equal(reply("E", 0x8C), u:say("EH"))
    for _ = 1, 4 do -- five in half a second gave two on a real unit
      u:wait(0.1)
      assert.are.equal(framed("ES"), u:say("EH"))
    end
    u:wait(0.59)
    assert.are.equal(framed("ES"), u:say("EH"))
    u:wait(0.01)
    assert.are.equal(reply("E", 0x8C), u:say("EH"))
    assert.are.equal(2, u.simulator:state().pulses)
  end)

  it("gives pulses by edges as fast as its table says", function()
    local u = unit({ model = "super", power = 50 }):ready()
    for i = 0, 9 do -- 50 Hz at 50 %
      u.simulator:line("rts", true, u.now_ns + i * 20000000)
      u.simulator:line("rts", false, u.now_ns + i * 20000000 + 5000000)
    end
    assert.are.equal(10, u.simulator:state().pulses)
    u.now_ns = u.now_ns + 200000000
    u.simulator:line("rts", true, u.now_ns)
    u.simulator:line("rts", false, u.now_ns + 5000000)
    u.simulator:line("rts", true, u.now_ns + 19000000) -- too fast: it comes to nothing
    assert.are.equal(11, u.simulator:state().pulses)
  end)

  it("has enhanced power for single pulses in standby", function()
    local u = unit()
    u:say("Q@")
    assert.are.equal("5e8939df", u:say("^@"))
    assert.are.equal(reply("@", 0x89), u:say("@110"))
    assert.are.equal(framed("[S"), u:say("[010"))
    u:ready()
    assert.are.equal(framed("_S"), u:say("_@"))
    u:say("EH")
    u:wait(1.99, "Q@")
    assert.are.equal(framed("ES"), u:say("EH"))
    u:wait(0.02)
    assert.are.equal(reply("E", 0x8C), u:say("EH"))
    u:say("EA")
    assert.are.equal("5f8938df", u:say("_@"))
    assert.are.equal(100, u.simulator:state().power)
  end)

  --- A unit ready to give n pulses at hz.
  local function trained(n, hz, percent, options)
    local u = unit(options or { model = "super" })
    for _, data in ipairs { "Q@", "[010", ("@%03d"):format(percent), ("B%04d"):format(hz * 10),
      ("[%03d"):format(n * 10 // hz), ("D%04d"):format(n) } do
      u:say(data)
    end
    return u:ready()
  end

  it("times a whole train after one command, and tells that it runs", function()
    local u = trained(30, 20, 50)
    local start_s = u.now_ns / 1e9
    assert.are.equal(reply("E", 0x8C), u:say("EH"))
    assert.are.equal(0x32, magstim.bin(u:say("\\@")):byte(3)) -- it runs
    assert.are.equal(framed("@S"), u:say("@040")) -- locked
    u:wait(1.49, "Q@")
    assert.are.equal(0x34, magstim.bin(u:say("\\@")):byte(3)) -- it waits
    assert.are.equal(framed("@S"), u:say("@040"))
    u:wait(0.51, "Q@")
    assert.are.equal(reply("@", 0x8C), u:say("@040"))
    local pulses = u:events("pulse")
    assert.are.equal(30, #pulses)
    for i, pulse in ipairs(pulses) do
      assert.near(start_s + 0.001 + (i - 1) / 20, pulse.at_s, 1e-8)
      assert.are.same({ "", "train" }, { pulse.bytes, pulse.note })
    end
  end)

  it("ends a train when it is disarmed, or loses its host", function()
    local u = trained(30, 10, 50)
    u:say("EH")
    u:wait(0.45)
    u:say("EA")
    u:wait(2)
    assert.are.equal(5, u.simulator:state().pulses)
    u = trained(30, 10, 50)
    u:say("EH")
    u:wait(3)
    assert.are.equal(11, u.simulator:state().pulses) -- the watchdog's second
  end)

  it("does not protect itself: a start too early is obeyed, and told in its log", function()
    local u = trained(250, 25, 73)
    u:say("EH")
    u:wait(10.6, "Q@")
    assert.are.equal(reply("E", 0x8C), u:say("EH"))
    assert.are.equal(1, u.simulator:state().abused)
    assert.is_truthy(u:events("fault")[1].note:find("before the wait that protects it was over", 1, true))
    u = trained(250, 25, 73)
    u:say("EH")
    u:wait(31.96, "Q@") -- 10 s and 21.95 s
    u:say("EH")
    assert.are.equal(0, u.simulator:state().abused)
  end)

  it("needs behind a train that was cut the wait of what it gave, from then on", function()
    local u = trained(250, 25, 73)
    u:say("EH")
    u:wait(1.99, "Q@") -- 50 pulses, and 4.39 s for them; all of it would take 21.95 s behind 10 s
    u:say("EA")
    u:wait(0.6, "Q@")
    u:say("EB")
    u:wait(2.2, "Q@")
    u:say("EH")
    assert.are.equal(1, u.simulator:state().abused)
    u = trained(250, 25, 73)
    u:say("EH")
    u:wait(1.99, "Q@")
    u:say("EA")
    u:wait(2, "Q@")
    u:say("EB")
    u:wait(2.5, "Q@")
    assert.are.equal(reply("E", 0x8C), u:say("EH"))
    assert.are.equal(0, u.simulator:state().abused)
  end)

  it("waits for the coil's switch unless it is told to ignore it", function()
    local u = unit { held = 0 }
    u:ready()
    assert.is_false(u.simulator:state().ready)
    u:say("EA")
    assert.are.equal("628914", u:say("b@"))
    u:ready()
    assert.is_true(u.simulator:state().ready)
  end)

  it("has a charge delay from version 9 on, in the layout of its version", function()
    local u = unit { version = "9.0" }
    u:say("Q" .. code)
    assert.are.equal(reply("n", 0x89, 0x38), u:say("n0100"))
    assert.are.equal(reply("o", 0x89, "0100"), u:say("o@"))
    u = unit { version = "10.0" }
    u:say("Q" .. code)
    assert.are.equal("6e89380004cc", u:say("n00100"))
    assert.are.equal("6f89303031303016", u:say("o@"))
    assert.are.equal(reply("I", 0x89, "E00"), u:say("I@"))
  end)

  it("serves MagPy without a code and with one, up to its disconnect", function()
    local u = unit()
    assert.are.equal("518925", u:raw("51406e"))
    assert.are.equal("4e56382e3000c5", u:raw("4e446d"))
    assert.are.equal(22, #u:raw("5c4063") // 2)
    assert.are.equal("5189253f", u:raw("51406e00")) -- its poke with a stray zero
    assert.are.equal("458931", u:raw("454278"))
    u:wait(0.5)
    u:raw("51406e00")
    u:wait(0.6)
    assert.are.equal("518c22", u:raw("51406e"))
    assert.are.equal("458c2e", u:raw("454872"))
    u:raw("454179")
    assert.are.equal("458931", u:raw("454179"))
    assert.are.equal("5209a4", u:raw("52406d"))
    u = unit { version = "11.0", code = code }
    assert.are.equal("518925", u:raw("51313233342d31323334353637382d616223"))
    assert.are.equal("4e5631312e30009b", u:raw("4e446d"))
    assert.are.equal("7889380000c6", u:raw("784047"))
    assert.are.equal("408936", u:raw("403035302a"))
    assert.are.equal(24, #u:raw("5c4063") // 2)
    assert.are.equal("7889380000c6" .. "3f", u:raw("78404700"))
  end)
end)
