-- What a run tells over OSC (--osc): a receiver that was written from the specification alone decodes it, and
-- it must say what the record says.
local cjson = require "cjson"
local core = require "moonpulse.core"
local fixture = require "job"
local osc = require "moonpulse.text.osc"
local shell = require "shell"

local coded = [[
local mp = require "moonpulse"
return mp.protocol { id = "coded", name = "Coded", plan = function()
  local pulse = mp.pulse { intensity = mp.mso(41), code = 7 }:label "single"
  return mp.mark("S1 \u{e9}", { code = 200 }) .. mp.rest(0.5) .. pulse:times(3, { every = 0.3 })
end }
]]

describe("OSC", function()
  local folder

  fixture.each_test(function(...) folder = ... end)

  local function decoded(bytes)
    local hex = bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end)
    local status, out, err = shell.sh(folder, "python3 tests/helpers/osc_listen.py decode " .. hex)
    assert.are.equal(0, status, err)
    return cjson.decode(out)
  end

  it("messages are those of the specification's examples, byte for byte", function()
    local function hex(text) return (text:gsub("%s", ""):gsub("%x%x", function(h)
      return string.char(tonumber(h, 16)) end)) end
    assert.are.equal(hex [[2f 6f 73 63 69 6c 6c 61 74 6f 72 2f 34 2f 66 72 65 71 75 65 6e 63 79 00
      2c 66 00 00 43 dc 00 00]], osc.message("/oscillator/4/frequency", "f", 440))
    assert.are.equal(hex [[2f 66 6f 6f 00 00 00 00 2c 69 69 73 66 66 00 00 00 00 03 e8 ff ff ff ff
      68 65 6c 6c 6f 00 00 00 3f 9d f3 b6 40 b5 b2 2d]],
      osc.message("/foo", "iisff", 1000, -1, "hello", 1.234, 5.678))
  end)

  it("bundles have NTP's time, and strings of every length their zeros", function()
    assert.are.equal("#bundle\0\x83\xaa\x7e\x80\0\0\0\0\0\0\0\x08/a\0\0,\0\0\0", osc.bundle(osc.message("/a",
      ""), 0))
    assert.are.equal("\x83\xaa\x7e\x81\x80\0\0\0", osc.bundle("", 1500000000):sub(9, 16))
    for length = 0, 9 do
      local text = ("x"):rep(length)
      local found = decoded(osc.bundle(osc.message("/moonpulse/mark", "si", text, -5), 1700000000250000000))
      assert.are.same({ text, -5 }, found[1].values)
      assert.are.equal(1700000000.25, found[1].unix)
    end
    assert.are.equal(0, #osc.message("/x", "s", ("y"):rep(5000)) % 4)
    assert.are.same({ "ab" }, decoded(osc.message("/x", "s", "a\0b"))[1].values)
    for lead = 0, 3 do -- whose letters are whole, wherever it is cut
      local text = ("x"):rep(lead) .. ("\u{20ac}"):rep(400)
      local found = decoded(osc.message("/x", "s", text))[1].values[1]
      assert.are.equal(text:sub(1, #found - 3) .. "...", found)
      assert.is_true(#found > 996 and #found <= 1000)
    end
  end)

  --- A run that somebody listens to: what was told, and its folder.
  local function heard(more, what)
    local listener = assert(io.popen(("python3 tests/helpers/osc_listen.py listen %s/heard.jsonl")
      :format(folder)))
    local port = listener:read "l"
    local status, _, err = shell.moonpulse(folder, ("run %s/%s.lua --out %s/runs --tolerance 1000 --osc %s "
      .. "%s"):format(folder, what, folder, more.host and more.host .. ":" .. port or port, more[1]))
    assert.are.equal(more.status or 0, status, err)
    assert.is_true(listener:close())
    local list = {}
    for line in io.lines(folder .. "/heard.jsonl") do
      list[#list + 1] = cjson.decode(line)
    end
    return list, fixture.run_in(folder .. "/runs")
  end

  local function of(list, address)
    local found = {}
    for _, each in ipairs(list) do
      found[#found + 1] = each.address == "/moonpulse/" .. address and each or nil
    end
    return found
  end

  for name, more in pairs { ["in virtual time"] = { "--speed max --codes sim" },
    ["in real time"] = { "", host = "127.0.0.1" } } do
    it("tells what the record says " .. name, function()
      shell.write(folder .. "/coded.lua", coded)
      local list, found = heard(more, "coded")
      local pulses, rows = fixture.pulse_rows(found)
      local sent, results, first = of(list, "pulse"), of(list, "result"), nil
      assert.are.same({ 3, 3 }, { #sent, #results })
      for i, each in ipairs(sent) do
        local row = pulses[i]
        assert.are.equal(",isffi", each.types)
        assert.are.same({ i, "1", 41 }, { each.values[1], each.values[2], each.values[3] })
        assert.is_true(math.abs(each.values[4] - tonumber(row.lateness_us)) <= 0.001 * (1 + each.values[4]))
        assert.are.equal(1, each.values[5])
        assert.are.same({ i, row.status, "single", i }, results[i].values)
        first = first or each.unix
        -- the time tag is the onset: from pulse to pulse as in the record, whatever the clock
        local onset_s = (tonumber(row.onset_sent_us) - tonumber(pulses[1].onset_sent_us)) / 1e6
        assert.is_true(name == "in virtual time" or math.abs(each.unix - first - onset_s) < 0.01)
      end
      assert.are.same({ "S1 \u{e9}" }, of(list, "mark")[1].values)
      local told, there = {}, {}
      for i, each in ipairs(of(list, "code")) do
        told[i] = each.values
      end
      for _, row in ipairs(rows) do
        there[#there + 1] = row.event == "code" and { tonumber(row.reply), tonumber(row.pulse) or 0,
          row.status } or nil
      end
      assert.are.same(there, told)
      assert.are.equal(name == "in virtual time" and 4 or 0, #told)
      assert.are.same({ "protocol", "coded", found:match "[^/]+$" }, list[1].values)
      assert.are.same({ "1", 41 }, of(list, "armed")[1].values)
      assert.are.same({ "disarmed" }, of(list, "disarmed")[1].values)
      assert.are.same({ "completed", "finished", 3, 3 }, list[#list].values)
      if name == "in real time" then -- and the tags are of today
        assert.is_true(math.abs(first - core.wall_ns() / 1e9) < 3600)
      end
    end)
  end

  it("goes beside the feed of --events, and an experiment tells the same", function()
    shell.write(folder .. "/script.lua", [[
local mp = require "moonpulse"
return mp.experiment(function(run)
  local stim = run:device()
  run:ask "Who?"
  run:mark("here", { code = 5 })
  stim:arm()
  stim:play(mp.pulse(mp.mso(40)))
  stim:play(mp.mark("catch", { code = 6 }))
  stim:disarm()
  run:stop("enough")
end)]])
    shell.write(folder .. "/answers", "Anna Smith\n")
    local list, found = heard({ ("--speed max --codes sim --events %s/feed.sock --answers %s/answers"):format(
      folder, folder), status = 5 }, "script")
    local marks = {}
    for i, each in ipairs(of(list, "mark")) do
      marks[i] = each.values[1]
    end
    assert.are.equal("Who? here armed catch stop requested: enough", table.concat(marks, " "))
    assert.are.same({ { 5, 0, "sent" }, { 6, 0, "sent" } }, { of(list, "code")[1].values,
      of(list, "code")[2].values })
    assert.matches("\tWho?: Anna Smith\t", shell.read(found .. "/events.tsv"), 1, true)
    assert.are.same({ "stopped", "requested", 1, 1 }, list[#list].values)
  end)

  it("needs nobody who listens: the run is the same, and says no more than where it goes", function()
    shell.write(folder .. "/coded.lua", coded)
    local status, out, err = shell.moonpulse(folder, ("run %s/coded.lua --speed max --seed 1 --out %s/a "
      .. "--osc 127.0.0.1:9"):format(folder, folder))
    assert.are.equal(0, status, err)
    assert.matches("\nosc%s+UDP to 127%.0%.0%.1:9\n", out)
    assert.is_nil((out:gsub("\nosc [^\n]*", "") .. err):find("osc", 1, true))
    assert.are.equal(0, (shell.moonpulse(folder, ("run %s/coded.lua --speed max --seed 1 --out %s/b"):format(
      folder, folder))))
    assert.are.equal(shell.read(fixture.run_in(folder .. "/b") .. "/events.tsv"),
      shell.read(fixture.run_in(folder .. "/a") .. "/events.tsv"))
  end)

  it("goes to a numeric address only", function()
    shell.write(folder .. "/coded.lua", coded)
    for _, text in ipairs { "localhost:9000", "127.0.0.1", "127.0.0.1:0", "70000", ":9000", "a.b:1",
      "300.0.0.1:9000", "255.255.255.255:9000", "::1:9000", "127.1:9000", "[127.0.0.1:9000", "[::g]:1" } do
      local status, _, err = shell.moonpulse(folder, ("run %s/coded.lua --speed max --out %s/runs --osc %s")
        :format(folder, folder, text))
      assert.are.equal(2, status, text)
      assert.matches("--osc " .. text .. ": ", err, 1, true)
    end
    assert.are.same({}, shell.names(folder .. "/runs"))
  end)

  it("is told of a run that waited for another program in vain", function()
    shell.write(folder .. "/coded.lua", coded)
    local list = heard({ ("--speed max --events %s/feed --events-wait 0.05"):format(folder), status = 3 },
      "coded")
    assert.are.equal("/moonpulse/end", list[#list].address)
  end)
end)
