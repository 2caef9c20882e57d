-- The Magstim BiStim²: its simulator by the text of the protocol, its driver in virtual and in real time.
local devices = require "moonpulse.driver.find"
local magstim = require "magstim"
local mp = require "moonpulse"
local shell = require "shell"

local plain = assert(devices.find("bistim"))
local driver = devices.configure(plain)
local low = devices.configure(plain, { resolution = "low" })
local high = devices.configure(plain, { resolution = "high" })

local function unit(options)
  return magstim.unit("bistim", options)
end

local function framed(data)
  return magstim.hex(magstim.frame(data))
end

local function reply(letter, status, data)
  return framed(letter .. string.char(status) .. (data or ""))
end

local function pair(ms, first, second)
  return mp.pair { isi = mp.ms(ms), intensity = { mp.mso(first or 40), mp.mso(second or 60) } }
end

--- The pulses that a unit gave: their notes, and the time from the first to the second.
local function given(u)
  local notes, pulses = {}, u:events("pulse")
  for i, each in ipairs(pulses) do
    notes[i] = each.note
  end
  return notes, pulses[2] and (pulses[2].at_s - pulses[1].at_s) * 1e3
end

describe("the simulator of a Magstim BiStim²", function()
  it("starts with both powers at 30 % and 10 ms in low resolution", function()
    local u = unit()
    assert.are.equal(reply("J", 0x09, "030030010"), u:say("J@"))
    assert.are.equal(reply("X", 0x09, "2"), u:say("X@"))
    assert.are.equal(framed("AS"), u:say("A050"))
    assert.are.equal(framed("CS"), u:say("C050"))
    assert.are.equal(framed("YS"), u:say("Y@"))
  end)

  it("answers as recorded", function()
    local u, seen = unit(), 0
    u:say("Q@")
    for _, row in ipairs(shell.rows("tests/data/bistim.tsv")) do
      if row.command:find("^set_") or row.command == "high_res_off" then
        assert.are.equal(row.reply_hex, u:raw(row.bytes_hex), row.command .. " " .. row.args)
        seen = seen + 1
      end
    end
    assert.are.equal("588932ec", u:raw("584067"))
    assert.is_true(seen > 8)
  end)

  it("gives A, and B an interval later", function()
    local u = unit()
    for _, data in ipairs { "Q@", "@040", "A060", "C012" } do
      u:say(data)
    end
    u:ready()
    assert.are.equal(reply("E", 0x8C), u:say("EH"))
    u:wait(0.1)
    local notes, apart = given(u)
    assert.are.same({ "A 40 %", "B 60 %" }, notes)
    assert.near(12, apart, 1e-6)
    assert.are.equal("454872", u:events("pulse")[1].bytes)
    assert.are.equal("", u:events("pulse")[2].bytes)
  end)

  it("counts tenths in high resolution, and does not say so in its settings", function()
    local u = unit()
    u:say("Q@")
    assert.are.equal(reply("Y", 0x89), u:say("Y@"))
    assert.are.equal(reply("J", 0x89, "030030010"), u:say("J@")) -- 1 ms, not 10
    assert.are.equal(reply("X", 0x89, "4"), u:say("X@"))
    u:say("C025")
    u:ready()
    u:say("EH")
    u:wait(0.1)
    local _, apart = given(u)
    assert.near(2.5, apart, 1e-6)
    assert.are.equal(framed("ZS"), u:say("Z@")) -- armed
    u:say("EA")
    assert.are.equal(reply("Z", 0x89), u:say("Z@"))
    assert.are.equal(reply("J", 0x89, "030030010"), u:say("J@"))
    assert.are.equal(reply("X", 0x89, "2"), u:say("X@"))
  end)

  it("takes an interval of 0 in standby only", function()
    local u = unit():ready()
    assert.are.equal(framed("CS"), u:say("C000"))
    u:say("EA")
    assert.are.equal(reply("C", 0x89), u:say("C000"))
    assert.are.equal(reply("X", 0x89, "1"), u:say("X@"))
    u:ready()
    u:say("EH")
    u:wait(0.1)
    assert.near(0, select(2, given(u)), 1e-6)
  end)

  it("gives one pulse where one power is 0", function()
    for _, data in ipairs { "A000", "@000" } do
      local u = unit()
      u:say("Q@")
      u:say(data)
      u:wait(3.1, "Q@") -- 0.1 s a percent
      u:ready()
      u:say("EH")
      u:wait(0.1)
      assert.are.same({ data == "A000" and "A 30 %" or "B 30 %" }, (given(u)))
    end
  end)

  it("gives B at the charge that it has when its time comes, also where it had none before", function()
    local u = unit()
    for _, data in ipairs { "Q@", "@040", "A000", "C500" } do
      u:say(data)
    end
    u:wait(3.1, "Q@")
    u:ready()
    u:say("EH")
    u:say("A080")
    u:wait(0.6)
    local notes, apart = given(u)
    assert.are.equal("A 40 %", notes[1])
    assert.are.equal(2, #notes)
    assert.is_true(tonumber(notes[2]:match "^B (%d+) %%$") > 30)
    assert.near(500, apart, 1e-6)
  end)

  it("is ready again after 4 s, and gives no second pulse once it is disarmed", function()
    local u = unit():ready()
    u:say("EH")
    u:wait(3.99, "Q@")
    assert.are.equal(framed("ES"), u:say("EH"))
    u:wait(0.01)
    assert.are.equal(reply("E", 0x8C), u:say("EH"))
    u:say("EA")
    u:wait(0.1)
    assert.are.equal(3, u.simulator:state().pulses)
  end)

  it("knows what its panel chose, or has no command for it", function()
    assert.are.equal(reply("X", 0x09, "0"), unit({ mode = "single" }):say("X@"))
    assert.are.equal(reply("X", 0x09, "R"), unit({ mode = "slave" }):say("X@"))
    assert.are.equal("3f", unit({ knows_mode = 0 }):say("X@"))
  end)

  it("serves MagPy: connect, settings, arm, fire, poke with its stray zero, disconnect", function()
    local u = unit()
    assert.are.equal("518925", u:raw("51406e"))
    assert.are.equal(reply("J", 0x89, "030030010"), u:raw("4a4075"))
    assert.are.equal("5189253f", u:raw("51406e00"))
    assert.are.equal("458931", u:raw("454278"))
    u:wait(0.5)
    u:raw("51406e00")
    u:wait(0.6)
    assert.are.equal("518c22", u:raw("51406e"))
    assert.are.equal("458c2e", u:raw("454872"))
    u:wait(0.1)
    assert.are.equal("458a30", u:raw("454179"))
    assert.are.equal("458931", u:raw("454179"))
    assert.are.equal("5209a4", u:raw("52406d"))
    assert.are.equal(2, u.simulator:state().pulses)
  end)
end)

describe("the driver of the Magstim BiStim²", function()
  --- Armed for the first action of a plan, as a run does it.
  local function armed(own, plan, u)
    local text, actions = magstim.refusal(own, plan)
    assert.is_nil(text)
    local io = magstim.link(own, u)
    own.connect(io)
    io.sent = {}
    own.arm(io, actions[1])
    return io
  end

  it("tells the resolution before the interval, and both powers", function()
    local u = unit()
    local io = armed(driver, pair(2.5), u)
    assert.are.same({ "51406e", "4a4075", framed("Y@"), framed("C025"), framed("@040"), framed("A060"),
      "4a4075", framed("X@"), "454278" }, { table.unpack(io.sent, 1, 9) })
    u:say("EH")
    u:wait(0.1)
    local notes, apart = given(u)
    assert.are.same({ "A 40 %", "B 60 %" }, notes)
    assert.near(2.5, apart, 1e-6)
  end)

  it("gives a single pulse with B at 0, whatever the unit had", function()
    local u = unit()
    local io = armed(driver, mp.pulse(mp.mso(45)), u)
    assert.is_truthy(table.concat(io.sent, " "):find(framed("A000"), 1, true))
    u:wait(3, "Q@")
    u:say("EH")
    u:wait(0.1)
    assert.are.same({ "A 45 %" }, (given(u)))
  end)

  it("is not misled by a unit that somebody left in high resolution", function()
    local u = unit()
    u:say("Q@")
    u:say("Y@")
    armed(low, pair(10), u)
    u:say("EH")
    u:wait(0.1)
    assert.near(10, select(2, given(u)), 1e-6)
  end)

  it("says what keeps the unit from it", function()
    local function fault(options, spoil)
      local io = magstim.link(driver, unit(options))
      driver.connect(io)
      io.spoil = spoil
      local _, actions = magstim.refusal(driver, pair(2.5))
      return magstim.fault_of(driver.arm, io, actions[1])
    end
    assert.is_truthy(fault({ mode = "single" }):find("mode 0 (single)", 1, true))
    assert.is_truthy(fault({ mode = "external" }):find("choose BiStim on its panel", 1, true))
    assert.is_truthy(fault({}, function(bytes, answer)
      return bytes:find("^J") and magstim.frame("J\x89040030025") or answer
    end):find("the powers 40 and 60 %: it says 40 and 30 %", 1, true))
    assert.is_truthy(fault({}, function(bytes, answer)
      return bytes:find("^J") and magstim.frame("J\x89040060010") or answer
    end):find("did not take the interval: it says 010, not 025 (in high resolution)", 1, true))
    local io = magstim.link(driver, unit { mode = "slave" })
    assert.is_truthy(magstim.fault_of(driver.connect, io):find("plug the cable into the master", 1, true))
    for _, mode in ipairs { "Q", "R", "S", "T" } do -- of the slave, whatever its master does
      io = magstim.link(driver, unit {})
      io.spoil = function(bytes, answer)
        return bytes:find("^X") and magstim.frame("X\9" .. mode) or answer
      end
      local problem = magstim.fault_of(driver.connect, io)
      assert.is_truthy(problem:find("plug the cable into the master", 1, true), mode)
    end
    assert.is_true((armed(driver, pair(2.5), unit { knows_mode = 0 })).dialect.no_mode) -- is no fault
    io = magstim.link(driver, unit {})
    io.spoil = function(bytes, answer)
      return bytes:find("^X") and magstim.frame("XS") or answer
    end
    local refused = magstim.fault_of(driver.connect, io)
    assert.matches("the question for its mode was refused: the unit cannot do that now", refused, 1, true)
  end)

  it("gives single pulses in single mode, too, and none to a unit that waits for a trigger", function()
    for _, of in ipairs { driver, low } do -- in either resolution
      local u = unit { mode = "single" }
      armed(of, mp.pulse(mp.mso(45)), u)
      u:say("EH")
      u:wait(0.1)
      assert.are.same({ "A 45 %" }, (given(u)))
      local io = magstim.link(of, unit { mode = "external" })
      of.connect(io)
      local _, actions = magstim.refusal(of, mp.pulse(mp.mso(45)))
      assert.matches("in mode 3 (external triggering)", magstim.fault_of(of.arm, io, actions[1]), 1, true)
    end
  end)

  it("takes every interval on its grid, and names the nearest to one that is not", function()
    for _, ms in ipairs { 0.1, 0.3, 0.7, 1.1, 2.5, 99.9, 100, 101, 999 } do
      assert.is_nil(magstim.refusal(driver, pair(ms)), ms .. " ms")
    end
    local function refused(own, ms, ...)
      local text = magstim.refusal(own, pair(ms))
      for _, part in ipairs { ... } do
        assert.is_truthy(text and text:find(part, 1, true), text)
      end
    end
    refused(driver, 2.53, "2.53 ms is off the unit's steps of 0.1 ms", "the nearest are 2.5 and 2.6 ms")
    refused(driver, 100.4, "100.4 ms is off", "the nearest are 100 and 101 ms")
    refused(driver, 1000, "is over the 999 ms")
    refused(high, 100, "over the 99.9 ms", "--device-option resolution=low")
    refused(low, 2.5, "off the unit's steps of 1 ms")
    assert.is_nil(magstim.refusal(low, pair(99)))
  end)

  it("gives a pair or a pulse every 4 s, not faster", function()
    local function two(plan, every)
      return plan:times(2, { every = every })
    end
    assert.is_nil(magstim.refusal(driver, two(pair(2.5), 4)))
    local text = magstim.refusal(driver, two(pair(2.5), 3.999))
    assert.is_truthy(text:find("the shortest interval after pair of 40 and 60 %, 2.5 ms "
      .. "apart is 4 s", 1, true), text)
    assert.is_nil(magstim.refusal(driver, two(mp.pulse(mp.mso(9)), 4)))
    assert.is_truthy(magstim.refusal(driver, two(mp.pulse(mp.mso(9)), 3.999)))
  end)

  it("finds the pairs in plans that are joined, and changes what differs", function()
    local plan = pair(2.5) .. mp.rest(10) .. mp.pulse(mp.mso(42)) .. mp.rest(10) .. pair(12, 40, 60)
    local text, actions = magstim.refusal(driver, plan)
    assert.is_nil(text)
    assert.are.equal(3, #actions)
    local bytes, lead = driver.encode.set(actions[1], actions[2])
    assert.are.equal(framed("@042") .. framed("A000") .. framed("J@"), magstim.hex(bytes))
    assert.is_true(lead >= 6) -- B falls by 60 %
    bytes = driver.encode.set(actions[2], actions[3])
    assert.are.equal(framed("@040") .. framed("A060") .. framed("C120") .. framed("J@"), magstim.hex(bytes))
    bytes = driver.encode.set(actions[1], actions[3])
    assert.are.equal(framed("C120") .. framed("J@"), magstim.hex(bytes))
  end)

  it("has one resolution for a run: the low one where an interval needs it", function()
    local plan = pair(2.5) .. mp.rest(10) .. pair(150)
    assert.matches("take whole ms for all intervals of the run", magstim.refusal(driver, plan), 1, true)
    for _, each in ipairs { mp.pulse(mp.mso(60)), pair(3) } do
      local text, actions = magstim.refusal(driver, each .. mp.rest(10) .. pair(150))
      assert.is_nil(text)
      assert.are.same({ "low", "low" }, { actions[1].way, actions[2].way })
    end
    assert.is_nil(magstim.refusal(low, mp.pulse(mp.mso(60)) .. mp.rest(10) .. pair(150)))
    assert.is_nil(magstim.refusal(low, pair(3) .. mp.rest(10) .. pair(150)))
  end)
end)

--- What the simulator's log says that a run gave: { seconds from the first, note }; and its settings.
local function log_of(run)
  local pulses, sets, first = {}, {}, nil
  for _, row in ipairs(shell.rows(run .. "/twin.tsv")) do
    local at = tonumber(row.time)
    if row.event == "pulse" then
      first = first or at
      pulses[#pulses + 1] = ("%.4f %s"):format(at - first, row.note)
    elseif row.event == "set" then
      sets[#sets + 1] = row.note
    end
  end
  return pulses, table.concat(sets, "; ")
end

describe("a block of pairs and test pulses alone on a BiStim²", function()
  local folder
  before_each(function() folder = shell.folder() end)
  after_each(function() shell.remove(folder) end)

  local function played(plan, words)
    shell.write(folder .. "/block.lua", ("local mp = require 'moonpulse'\nreturn mp.protocol { name = 'b', "
      .. "plan = function() local test = mp.pulse(mp.mso(66))\nlocal function pair(cs, ms) return mp.pair { "
      .. "isi = mp.ms(ms), intensity = { mp.mso(cs), mp.mso(66) } } end\nreturn %s end }"):format(plan))
    local status, _, err = shell.moonpulse(folder, ("run %s/block.lua --device sim:bistim --speed max "
      .. "--unconfirmed --out %s/runs %s"):format(folder, folder, words or ""))
    local names = shell.names(folder .. "/runs")
    return status, err, names[1] and folder .. "/runs/" .. names[#names]
  end

  it("gives the test pulse as B with A at 0 where B has no time to fall, at its own time", function()
    local status, err, run = played "pair(40, 2) .. mp.rest(4.5) .. test .. mp.rest(4.5) .. pair(40, 12.5)"
    assert.are.equal(0, status, err)
    local pulses, sets = log_of(run)
    assert.are.same({ "0.0000 A 40 %", "0.0020 B 66 %", "4.5020 B 66 %", "9.0020 A 40 %", "9.0145 B 66 %" },
      pulses)
    assert.matches("power 0 %%; interval 1 ms; fired with A at 0 %%; power 40 %%; interval 12.5 ms", sets)
    local rows = shell.rows(run .. "/events.tsv")
    for _, row in ipairs(rows) do -- the record has it at its time, too
      if row.pulse == "3" then
        assert.are.equal("4502000.000", row.onset_sent_us)
        assert.are.equal("66", row.intensity_mso)
      end
    end
    assert.are.equal(0, (shell.moonpulse(folder, "verify " .. run)))
  end)

  it("gives it as A where there is time, and refuses what neither way has time for", function()
    local status, err, run = played "pair(40, 2) .. mp.rest(7.5) .. test"
    assert.are.equal(0, status, err)
    assert.are.same({ "0.0000 A 40 %", "0.0020 B 66 %", "7.5020 A 66 %" }, (log_of(run)))
    status, err = played "pair(60, 2) .. mp.rest(5) .. test"
    assert.are.equal(3, status)
    local least = tonumber(err:match("the shortest interval is ([%d.]+) s"))
    assert.is_true(least > 6 and least < 6.4, err) -- A from 60 to 0 by 0.1 s a percent, not B from 66
  end)

  it("has intervals under and over 99.9 ms in one run", function()
    local status, err, run = played "pair(40, 3) .. mp.rest(6) .. pair(40, 150) .. mp.rest(6) .. test"
    assert.are.equal(0, status, err)
    local pulses, sets = log_of(run)
    assert.are.same({ "0.0000 A 40 %", "0.0030 B 66 %", "6.0030 A 40 %", "6.1530 B 66 %", "12.1530 B 66 %" },
      pulses)
    assert.matches("^low resolution", sets)
  end)
end)

describe("moonpulse run on a simulated BiStim²", function()
  local folder
  before_each(function() folder = shell.folder() end)
  after_each(function() shell.remove(folder) end)

  it("sends one fire command for a pair, and records both pulses", function()
    local run = magstim.run(folder, "return mp.pair { isi = mp.ms(150), "
      .. "intensity = { mp.mso(40), mp.mso(60) } }", "--device sim:bistim")
    assert.are.equal("", run.err)
    assert.are.equal(0, run.status)
    local bytes, pulses = magstim.commands_of(run)
    assert.are.same({ framed("Z@"), framed("C150"), framed("@040"), framed("A060"), framed("EB"),
      framed("EH"), framed("EA"), framed("R@") }, bytes)
    assert.are.same({ "A 40 %", "B 60 %" }, { pulses[1].note, pulses[2].note })
    assert.are.equal(2, #run.rows)
    for i, row in ipairs(run.rows) do
      assert.are.same({ "pulse", tostring(i), i == 1 and "40" or "60", "delivered", "device" }, {
        row.event, row.pulse, row.intensity_mso, row.status, row.timed_by })
    end
    assert.near(0.15, tonumber(run.rows[2].onset) - tonumber(run.rows[1].onset), 1e-6)
  end)

  it("tells a new power B only when B's time after a single pulse is over", function()
    local run = magstim.run(folder, [[return mp.pair { isi = 0.5, intensity = { mp.mso(65), mp.mso(80) } }
      .. mp.rest(12) .. mp.pulse(mp.mso(100)) .. mp.rest(4.7)
      .. mp.pair { isi = 0.5, intensity = { mp.mso(70), mp.mso(80) } }]],
      "--speed max --device sim:bistim --device-option resolution=low")
    assert.are.equal(0, run.status, run.err)
    local notes = {}
    for _, row in ipairs(select(2, magstim.commands_of(run))) do
      notes[#notes + 1] = row.note
    end
    assert.are.same({ "A 65 %", "B 80 %", "A 100 %", "A 70 %", "B 80 %" }, notes)
  end)

  it("hands its options to the simulator, and refuses a wrong one", function()
    local status, _, err = shell.moonpulse(folder, "sim bistim --option mode=quad")
    assert.are.equal(2, status)
    assert.is_truthy(err:find("mode = quad: it is one of bistim, single, external, slave", 1, true), err)
    status, _, err = shell.moonpulse(folder, "sim magstim200 --option mode=single")
    assert.are.equal(2, status)
    assert.is_truthy(err:find("takes no mode", 1, true), err)
  end)
end)
