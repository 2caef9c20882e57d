-- The DuoMAG: driver and simulator, each against bytes that neither made, and both over a pseudo-terminal.
local chances = require "chance"
local cjson = require "cjson"
local driver = require "moonpulse.devices.duomag"
local fixture = require "job"
local shell = require "shell"
local simulator = require "moonpulse.simulators.duomag"

local MS, S = 1000000, 1000000000

local function hex(bytes)
  return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

local function unhex(text)
  return (text:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end))
end

local function events(log)
  local list = {}
  for i, entry in ipairs(log or {}) do
    list[i] = entry.event .. " " .. entry.note
  end
  return table.concat(list, ", ")
end

describe("delays of a DuoMAG", function()
  local function refused(values)
    local ok, problem = pcall(driver.commands.set_ttl_out_delay, values)
    assert.is_false(ok)
    return problem.message
  end

  it("take the finest step that reaches them, and are rounded, never cut off", function()
    assert.are.equal(hex(driver.commands.set_ttl_out_delay { steps = 127, step_ms = 0.2 }),
      hex(driver.commands.set_ttl_out_delay { ms = 25.4 })) -- MAGIC floors 126.99... here
    assert.are.equal("c0c0e1e1", hex(driver.commands.set_ttl_out_delay { ms = 0.05 }))
    assert.are.equal("dedef8f8", hex(driver.commands.set_ttl_out_delay { ms = 600 }))
    assert.are.equal("dfdfffff", hex(driver.commands.set_ttl_out_delay { ms = 1270 }))
  end)

  it("between two steps are refused, naming the two next to them", function()
    for ms, words in pairs { [25.45] = "steps of 0.5 ms; the nearest are 25.4 and 25.5", -- 127 x 0.2
      [0.03] = "0 and 0.05", [6.36] = "6.35 and 6.4", [12.72] = "12.7 and 12.8", [641] = "640 and 650",
      [1269.5] = "1260 and 1270" } do
      assert.matches(words, refused { ms = ms }, 1, true)
    end
    assert.matches("1270.1 is no number from 0 to 1270", refused { ms = 1270.1 })
    assert.matches("steps = 128 ", refused { steps = 128, step_ms = 1 })
    assert.matches("step_ms = 3 is none of", refused { steps = 1, step_ms = 3 })
    assert.matches("ms = 5 is not 4 steps of 1 ms", refused { steps = 4, step_ms = 1, ms = 5 })
    assert.matches("go together", refused { steps = 4 })
    assert.matches("needs ms", refused {})
  end)

  it("of every step and size reach the simulator as they were meant", function()
    for _, size in ipairs { 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10 } do
      for steps = 0, 127 do
        local t = simulator.new()
        t:receive(driver.commands.set_ttl_out_delay { steps = steps, step_ms = size }, S)
        t:receive(driver.commands.set_recharge_delay { steps = 127 - steps, step_ms = size }, S)
        assert.near(steps * size, t:state().ttl_delay_ms, 1e-9)
        assert.near((127 - steps) * size, t:state().recharge_delay_ms, 1e-9)
      end
    end
  end)
end)

describe("the status stream of a DuoMAG", function()
  local rows = shell.rows("tests/data/duomag-replies.tsv")

  --- The names of all that a reader makes of chunks.
  local function read_all(chunks)
    local buffer, list, dialect = "", {}, {}
    for _, chunk in ipairs(chunks) do
      buffer = buffer .. chunk
      while #buffer > 0 do
        local reply, used = driver.decode(buffer, dialect)
        assert.is_true(used >= 0 and used <= #buffer)
        if used == 0 then
          break
        end
        buffer = buffer:sub(used + 1)
        list[#list + 1] = reply.error or reply.intensity
      end
    end
    return list
  end

  it("is cut at its syncs, however it arrives", function()
    local short, long = unhex(rows[1].reply_hex):sub(1, -2), unhex(rows[2].reply_hex):sub(1, -2)
    local stream = short .. short .. short .. "\xFF"
    for cut = 1, #stream - 1 do
      assert.are.same({ 16, 16, 16 }, read_all { stream:sub(1, cut), stream:sub(cut + 1) })
    end
    assert.are.same({ 19, 19 }, read_all { long .. long .. "\xFF" })
    assert.are.same({ "no_sync", 19 }, read_all { long:sub(5) .. long .. "\xFF" })
  end)

  it("holds a sync value among its bytes", function()
    local long = unhex(rows[2].reply_hex):sub(1, -2)
    local hot = long:sub(1, 3) .. "\xFF" .. long:sub(5) -- the coil's temperature
    assert.are.same({ 19, 19 }, read_all { hot .. hot .. "\xFF" })
    local unknown = long:sub(1, 14) .. "\xFF\0" .. long:sub(17) -- bytes 14 and 15 are not known
    assert.are.same({ 19, 19 }, read_all { long .. unknown .. "\xFF" })
  end)

  it("that lost a byte is found again, and nothing is read into the damage", function()
    local long = unhex(rows[2].reply_hex):sub(1, -2)
    local list = read_all { long:sub(1, 6) .. long:sub(8) .. long .. long .. "\xFF" }
    assert.are.equal(19, list[#list])
    assert.are.equal("bad_length", list[1])
  end)

  it("never raises or stalls on random bytes", function()
    local chance = chances.new(4711)
    for _ = 1, 300 do
      local bytes = {}
      for i = 1, 60 do
        bytes[i] = string.char(i % 5 == 0 and 0xFF or chance:draw(0, 255))
      end
      read_all { table.concat(bytes) }
    end
  end)
end)

describe("what a DuoMAG's status means while a plan runs", function()
  local good = { name = "status", intensity = 40, omitted_pulses = 3, left_out = 0 }
  local expected = { mso = 40 }

  local function judged(changes)
    local reply = setmetatable(changes, { __index = good })
    return driver.judge(reply, expected)
  end

  it("says which intensity it has", function()
    assert.are.same({ ["the intensity"] = true }, driver.tells(good, expected))
    assert.are.same({ ["the intensity"] = "the intensity is 40 %, not 41 %" },
      driver.tells(good, { mso = 41 }))
    assert.is_nil(driver.tells({ name = "error" }, expected))
  end)

  it("goes on or stops", function()
    assert.is_nil((judged {}))
    local verdict, text = judged { left_out = 2 }
    assert.are.same({ "fault", "the stimulator left out 2 of its pulses: it was not charged in time" },
      { verdict, text })
    for _, fault in ipairs { "coil_disconnected", "coil_overheat", "power_overheat", "fan_seized",
      "resistor_overheat", "discharge_overheat", "voltage_hold_error", "voltage_recharge_error" } do
      assert.are.equal("fault", (judged { [fault] = 1 }), fault)
    end
    assert.is_nil(driver.judge({ name = "error", error = "no_sync" }, expected))
  end)
end)

describe("the simulator of a DuoMAG", function()
  it("obeys every recorded command", function()
    for _, row in ipairs(shell.rows("tests/data/duomag.tsv")) do
      local t = simulator.new { settle = 0 }
      t:receive("\50\50", S)
      local _, log = t:receive(unhex(row.bytes_hex), 2 * S)
      assert.are.equal(1, #log, row.bytes_hex)
      assert.are.equal(row.command == "fire" and "pulse" or "set", log[1].event)
      assert.are.equal(row.bytes_hex, hex(log[1].bytes))
    end
  end)

  it("fires only what was said twice, charged and with an intensity", function()
    local t = simulator.new()
    assert.are.equal("ignored intensity 0", events(select(2, t:receive("\121\121", S))))
    t:receive("\40\40", S)
    assert.are.equal("ignored not charged", events(select(2, t:receive("\121\121", S + 199 * MS))))
    assert.are.equal("pulse 40 %", events(select(2, t:receive("\121\121", S + 200 * MS))))
    assert.are.equal("ignored not charged", events(select(2, t:receive("\121\121", S + 699 * MS))))
    assert.are.equal("pulse 40 %", events(select(2, t:receive("\121\121", S + 700 * MS))))
    assert.is_nil(select(2, t:receive("\121", 2 * S)))
    assert.are.equal("error a byte that was not repeated in time",
      events(select(2, t:receive("\121", 3 * S))))
    assert.are.equal("ignored no meaning is known", events(select(2, t:receive("\110\110", 3 * S)))
      :match("ignored.*"))
    t:knob("arm", false, 4 * S)
    assert.are.equal("ignored not armed", events(select(2, t:receive("\121\121", 9 * S))))
    assert.are.same({ 2, 4 }, { t:state().pulses, t:state().omitted })
  end)

  it("streams a status that shows it, in either length", function()
    for _, short in ipairs { true, false } do
      local t, dialect = simulator.new { short_frames = short }, { }
      t:receive("\40\40\x9e\x9e\xb0\xb0\xc0\xc0\xf5\xf5", S)
      local replies, _, next_ns = t:tick(S + 500 * MS)
      assert.are.equal(S + 520 * MS, next_ns)
      local last = replies[#replies].bytes
      local reply = driver.decode(last .. "\xFF", dialect)
      assert.are.same({ 40, 1, 120, 2, 1 }, { reply.intensity, reply.charged, reply.recharge_delay_ms,
        reply.ttl_delay_ms, reply.receiving_usb })
      assert.are.equal(short and 13 or 15, #last - 1)
      assert.are.equal(not short and 1 or nil, reply.coil_type)
    end
  end)

  it("fires on a rising edge, and refuses options it does not know", function()
    local t = simulator.new()
    t:receive("\40\40", S)
    assert.are.equal("pulse 40 %", events(select(2, t:line("trigger", true, 2 * S))))
    assert.is_nil(select(2, t:line("trigger", false, 3 * S)))
    assert.has_error(function() simulator.new { speed = 1 } end)
    assert.has_error(function() simulator.new { period = "x" } end)
    assert.has_error(function() t:knob("volume", 1) end)
  end)
end)

describe("a run on a simulated DuoMAG", function()
  local folder

  before_each(function()
    folder = shell.folder()
  end)

  after_each(function()
    shell.remove(folder)
  end)

  local function run(plan, arguments)
    shell.write(folder .. "/made.lua", ([[
      local mp = require "moonpulse"
      return mp.protocol { id = "made", name = "Made", plan = function()
        return %s
      end }]]):format(plan))
    local status, out, err = shell.moonpulse(folder, ("run %s/made.lua --device sim:duomag "
      .. "--tolerance 1000 --out %s/runs %s"):format(folder, folder, arguments or ""))
    local name = shell.names(folder .. "/runs")[1]
    return status, folder .. "/runs/" .. (name or "none"), err, out
  end

  local function logged(path)
    local list = {}
    for i, row in ipairs(shell.rows(path .. "/twin.tsv")) do
      list[i] = row.event .. " " .. row.bytes
    end
    return list
  end

  it("fires the pulses and says that they were sent, not confirmed", function()
    local status, path, err, out =
      run("(mp.pulse(mp.mso(30)) .. mp.rest(1.5)):times(2) .. mp.pulse(mp.mso(35))")
    assert.are.equal(0, status, err)
    assert.are.same({ "set 1e1e", "pulse 7979", "pulse 7979", "set 2323", "pulse 7979", "set 0000" },
      logged(path))
    local pulses = 0
    for _, row in ipairs((shell.rows(path .. "/events.tsv"))) do
      pulses = pulses + (row.event == "pulse" and row.status == "sent" and 1 or 0)
    end
    assert.are.equal(3, pulses)
    local facts = cjson.decode((assert(shell.read(path .. "/manifest.json"))))
    assert.is_nil(out:find("says that it is disabled", 1, true)) -- it has no command that disarms
    assert.matches("it is as armed as you left it: disarm it at its panel", out, 1, true)
    assert.are.same({ 3, 0, true }, { facts.result.pulses_sent, facts.result.pulses_confirmed,
      facts.result.disarmed })
  end)

  it("is refused faster than the unit is known to recharge, on both sides of the edge", function()
    local status, path, err = run("mp.train { pulses = 2, every = 0.999, intensity = mp.mso(30) }")
    assert.are.equal(3, status)
    assert.matches("shortest interval is 1 s", err, 1, true)
    assert.matches("--device-option interval=S", err, 1, true)
    assert.is_nil(shell.read(path .. "/twin.tsv")) -- nothing was begun
    shell.remove(folder .. "/runs")
    assert.are.equal(0, (run("mp.train { pulses = 2, every = 1, intensity = mp.mso(30) }", "--speed max")))
    shell.remove(folder .. "/runs")
    assert.are.equal(0, (run("mp.train { pulses = 2, every = 0.8, intensity = mp.mso(30) }",
      "--speed max --device-option interval=0.8")))
  end)

  it("stops when the unit leaves out a pulse", function()
    local status, path, err = run("mp.train { pulses = 9, every = 0.3, intensity = mp.mso(30) }",
      "--speed max --device-option interval=0.3")
    assert.are.equal(4, status)
    assert.matches("left out 1 of its pulses: it was not charged in time", err, 1, true)
    local log = logged(path)
    assert.are.equal("set 0000", log[#log])
    assert.is_true(#log < 7)
  end)

  it("stops an experiment when the unit leaves out a pulse of whichever plan", function()
    local train = "mp.train { pulses = %d, every = 0.3, intensity = mp.mso(%d) }"
    local cases = {
      { "stim:arm() stim:play(" .. train:format(9, 30) .. ")", 2 },
      { "stim:arm(mp.pulse(mp.mso(30))) stim:fire(mp.pulse(mp.mso(30))) run:sleep(1) stim:play("
        .. train:format(9, 31) .. ")", 3 },
      { "stim:arm() stim:play(" .. train:format(2, 30) .. ")", 2 }, -- the last one of all
      { "stim:arm() stim:play(" .. train:format(2, 30) .. ") stim:disarm() run:sleep(9)", 2 },
      { "stim:arm() stim:play(" .. train:format(2, 30) .. ") run:stop()", 2 },
    }
    local commands = {}
    for i, case in ipairs(cases) do
      local path = ("%s/experiment%d.lua"):format(folder, i)
      shell.write(path, 'local mp = require "moonpulse"\n'
        .. "return mp.experiment(function(run)\nlocal stim = run:device()\n" .. case[1] .. "\nend)\n")
      commands[i] = ("%s run %s --device sim:duomag --speed max --device-option interval=0.3 "
        .. "--out %s/runs%d"):format(shell.quote(shell.program), path, folder, i)
    end
    for i, result in ipairs(shell.together(folder, commands)) do
      local body, most = table.unpack(cases[i])
      assert.are.equal(4, result.status, body)
      assert.matches("left out 1 of its pulses: it was not charged in time", result.err, 1, true)
      local path = fixture.run_in(("%s/runs%d"):format(folder, i))
      local facts = cjson.decode((assert(shell.read(path .. "/manifest.json"))))
      assert.are.equal("device", facts.result.stop)
      assert.is_true(facts.result.disarmed)
      assert.is_true(facts.result.pulses_sent <= most, body)
    end
  end)

  it("runs in virtual time too", function()
    local status, path, err = run("mp.train { pulses = 50, every = 20, intensity = mp.mso(30) }",
      "--speed max")
    assert.are.equal(0, status, err)
    assert.are.equal(50, #(shell.rows(path .. "/events.tsv")))
  end)

  it("that is too hot, or does not answer, is not begun", function()
    local status, path, err = run("mp.pulse(mp.mso(30))", "--fault over-temperature@0")
    assert.are.equal(4, status)
    assert.matches("its coil is too hot: let it cool, or change it", err, 1, true)
    assert.are.equal("set 0000", logged(path)[#logged(path)])
    shell.remove(folder .. "/runs")
    local silent, _, message = run("mp.pulse(mp.mso(30))", "--fault half-open@0")
    assert.are.equal(4, silent)
    assert.matches("no status comes: is it switched on", message, 1, true)
  end)
end)
