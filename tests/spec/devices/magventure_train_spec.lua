-- Bursts and trains that a MagPro times itself: what is lowered to what, what is read back before it
-- is enabled.
local driver = require("moonpulse.driver.find").configure((require "moonpulse.devices.magventure"))
local mp = require "moonpulse"
local timing = require "moonpulse.lowering.device_trains"
local simulators = require "moonpulse.simulators.magventure"

local function hex(bytes)
  return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

local function identity(changes)
  local who = { model = "X100", mode = "Standard", waveform = "Biphasic", setting = { model = "X100",
    mode = "Standard", direction = "Normal", waveform = "Biphasic", burst_pulses = 2, ipi_ms = 10 } }
  for key, value in pairs(changes or {}) do
    who[key] = value
    who.setting[key] = who.setting[key] and value
  end
  return who
end

--- A part of levels { count, num, den }, the innermost first, as moonpulse.lowering.device_trains makes them.
local function part_of(levels, cell)
  local part = { cell = cell or { { offset = 0, action = { mso = 50 } } }, levels = {}, timing = "device" }
  part.pulses, part.last = #part.cell, part.cell[#part.cell].offset
  for i, level in ipairs(levels) do
    local period = level[2] / level[3]
    part.levels[i] = { count = level[1], period = period, num = level[2], den = level[3] }
    part.pulses, part.last = part.pulses * level[1], part.last + (level[1] - 1) * period
    part.span = level[1] * period
  end
  part.span = part.span or part.last
  return part
end

local function program(levels, who, cell)
  return driver.encode.train(part_of(levels, cell), who or identity())
end

local FIRE, START = "fe0103e2ff", "fe010461ff"

describe("a MagPro's program", function()
  it("for a burst is one fire command in waveform Biphasic Burst", function()
    local p = program { { 3, 1, 50 } }
    assert.are.same({ FIRE, 1, 2, 0.06 }, { hex(p.start), p.confirms, p.spare, p.busy })
    assert.are.same({ "Biphasic_Burst", 3, 20 }, { p.setting.waveform, p.setting.burst_pulses,
      p.setting.ipi_ms })
    assert.is_nil(p.train)
  end)

  it("for pairs and bursts that are written out is the same", function()
    local a = { mso = 50 }
    local p = program({ { 4, 5, 1 } }, nil, { { offset = 0, action = a }, { offset = 0.0025, action = a } })
    assert.are.same({ 2, 2.5, 0.2, 4 }, { p.setting.burst_pulses, p.setting.ipi_ms, p.train.rate_hz,
      p.train.pulses })
  end)

  it("for the iTBS of Huang 2005 is one sequence: 8.2 s from its last burst to the next train", function()
    local p = program { { 3, 1, 50 }, { 10, 1, 5 }, { 20, 10, 1 } }
    assert.are.equal(START, hex(p.start))
    assert.are.same({ rate_hz = 5.0, pulses = 10, trains = 20, iti_s = 8.2, timing = "Sequence", warn = 0 },
      p.train)
    -- MagventurePyTMS: ((pulses - 1) / rate + interval) * trains - interval is when the last burst begins
    assert.near(191.8, ((10 - 1) / 5 + 8.2) * 20 - 8.2, 1e-9)
    assert.are.same({ 200, 400 }, { p.confirms, p.spare })
    assert.near(191.86, p.busy, 1e-9)
  end)

  it("for trains of single pulses keeps the waveform", function()
    for _, waveform in ipairs { "Monophasic", "Biphasic", "Halfsine" } do
      local p = program({ { 40, 1, 10 }, { 75, 30, 1 } }, identity { waveform = waveform })
      assert.are.same({ waveform, 10, 40, 75, 26.1 }, { p.setting.waveform, p.train.rate_hz,
        p.train.pulses, p.train.trains, p.train.iti_s })
      assert.are.same({ 3000, nil }, { p.confirms, p.spare })
    end
  end)

  it("exists on the device's grids only, on both sides of each edge", function()
    local cases = { -- levels, taken, model
      { { { 20, 1, 100 } }, true }, { { { 20, 100, 10001 } }, false }, { { { 20, 1, 101 } }, false },
      { { { 20, 1, 30 } }, true, "R30" }, { { { 20, 1, 31 } }, false, "R30" },
      { { { 20, 10, 1 } }, true }, { { { 20, 101, 10 } }, false }, -- 0.1 Hz, and less
      { { { 20, 10, 9 } }, true }, { { { 20, 10, 11 } }, false }, -- 0.9 Hz; 1.1 Hz
      { { { 20, 2, 3 } }, false }, -- 1.5 Hz
      { { { 1000, 1, 10 } }, true }, { { { 1001, 1, 10 } }, false }, { { { 1100, 1, 10 } }, true },
      { { { 2000, 1, 10 } }, true }, { { { 2100, 1, 10 } }, false },
      { { { 40, 1, 10 }, { 500, 30, 1 } }, true }, { { { 40, 1, 10 }, { 501, 30, 1 } }, false },
      { { { 6, 1, 10 }, { 3, 6, 10 } }, true }, -- 0.1 s
      { { { 6, 1, 10 }, { 3, 65, 100 } }, false }, -- 0.15 s
      { { { 6, 1, 10 }, { 3, 3005, 10 } }, true }, { { { 6, 1, 10 }, { 3, 3006, 10 } }, false }, -- 300 s
      { { { 2, 1, 50 }, { 9, 1, 20 } }, true }, { { { 2, 1, 50 }, { 9, 1, 21 } }, false }, -- bursts: 20 Hz
      { { { 5, 1, 50 }, { 9, 1, 10 } }, true }, { { { 5, 1, 50 }, { 9, 1, 11 } }, false }, -- 0.1 s long
      { { { 3, 1, 2000 }, { 9, 1, 5 } }, true }, { { { 3, 1, 2500 }, { 9, 1, 5 } }, false }, -- 0.5 ms
      { { { 3, 3, 1000 }, { 9, 1, 5 } }, true }, { { { 3, 305, 100000 }, { 9, 1, 5 } }, false },
      { { { 3, 1, 50 }, { 9, 1, 5 }, { 4, 10, 1 }, { 2, 60, 1 } }, false }, -- blocks of blocks
      { { { 3, 1, 50 }, { 9, 1, 5 } }, false, "R30" }, { { { 9, 1, 5 } }, false, "MST" },
    }
    for i, case in ipairs(cases) do
      local p, why = program(case[1], identity { model = case[3] or "X100" })
      assert.are.equal(case[2], p ~= nil, ("case %d: %s"):format(i, why or p and p.text))
      assert.is_true(p ~= nil or #why > 10)
    end
  end)

  it("says why there is none", function()
    local function why(...)
      local p, text = program(...)
      assert.is_nil(p)
      return text
    end
    local bursts = { { 3, 1, 50 }, { 10, 1, 5 } }
    assert.matches("set to waveform Monophasic, and bursts are biphasic",
      why(bursts, identity { waveform = "Monophasic" }))
    assert.matches("set to Biphasic Burst", why({ { 10, 1, 5 } }, identity { waveform = "Biphasic_Burst" }))
    assert.matches("in mode Twin", why(bursts, identity { mode = "Twin" }))
    assert.matches("nearest are 3 and 3.1 ms", why { { 3, 304, 100000 }, { 9, 1, 5 } })
    assert.matches("nearest are 5 and 5.1 ms", why { { 4, 505, 100000 } })
    assert.matches("nearest are 20 and 21 ms", why { { 3, 207, 10000 } })
    assert.matches("nearest is 0.5 ms", why { { 3, 4, 10000 } })
    -- however long it lasts, a train that the device does not have is refused for that
    assert.matches("nearest are 5 and 5.1 ms", why { { 4, 505, 100000 }, { 24, 5, 1 } })
    assert.matches("no rate of 1.5 Hz", why { { 10, 2, 3 }, { 24, 20, 1 } })
    assert.matches("one intensity", why({}, nil, { { offset = 0, action = { mso = 40 } },
      { offset = 0.01, action = { mso = 50 } }, { offset = 0.02, action = { mso = 50 } } }))
    assert.matches("model=X100%+Option", why({}, nil, { { offset = 0, action = { mso = 40 } },
      { offset = 0.01, action = { mso = 50 } } }))
    assert.matches("evenly spaced", why({}, nil, { { offset = 0, action = { mso = 40 } },
      { offset = 0.01, action = { mso = 40 } }, { offset = 0.03, action = { mso = 40 } } }))
  end)

  it("runs alone for at most 5 s, unless --timing device says so", function()
    local function auto(levels)
      local part = part_of(levels)
      part.timing = "auto"
      return driver.encode.train(part, identity())
    end
    assert.is_truthy(auto { { 51, 1, 10 } })
    local none, text = auto { { 52, 1, 10 } }
    assert.is_nil(none)
    assert.matches("go on for 5.1 s after a lost cable", text)
    assert.is_truthy(program { { 52, 1, 10 } })
  end)
end)

describe("who times what", function()
  local function split(plan)
    return timing.split(plan, "device", driver, { identity = identity(),
      resolve = function(action) action.mso = action.intensity end })
  end

  it("is asked of more pulses in a row than a program can hold", function()
    local plan = mp.pulse(mp.mso(50))
    for _ = 1, 20 do
      plan = plan .. mp.pulse(mp.mso(50))
    end
    assert.are.equal(21, split(plan):totals().pulses)
  end)

  it("is asked once of a part, however often a plan holds it", function()
    local plan = mp.train { pulses = 3, hz = 50, intensity = mp.mso(50) } .. mp.rest(1)
    for _ = 1, 30 do
      plan = plan .. plan
    end
    local new, programs = split(plan) -- without a memory: 2^30 parts
    assert.are.equal(1, #programs)
    assert.are.equal(1 << 30, new:totals().pulses)
  end)
end)

describe("between two programs", function()
  local burst = program { { 3, 1, 50 } }
  local train = program { { 40, 1, 10 } }
  local bursts = program { { 3, 1, 50 }, { 10, 1, 5 } }

  local ask = {}
  for _, name in ipairs { "get_mode", "get_page", "get_train" } do
    ask[name] = hex(driver.commands[name] {})
  end

  it("go the settings that differ, each read back, with time for each", function()
    local bytes, lead, fields = driver.encode.set({ mso = 40, train = train }, { mso = 50, train = bursts })
    assert.are.equal("fe0b0901010000030200c80064e9ff" .. ask.get_mode .. "fe020702d2ff"
      .. ask.get_page .. hex(driver.commands.set_train_ext(bursts.train)) .. ask.get_train
      .. "fe0301320017ff", hex(bytes))
    assert.near(0.48, lead, 1e-9) -- the slowest answer to each, and 30 ms
    assert.are.same({ "the waveform", "the page", "the train", "the amplitude" }, fields)
    bytes, lead, fields = driver.encode.set({ mso = 40, train = train }, { mso = 50, train = train })
    assert.are.equal("fe0301320017ff", hex(bytes))
    assert.near(0.12, lead, 1e-9)
    assert.are.same({ "the amplitude" }, fields)
  end)

  it("and single pulses, the waveform goes back and forth", function()
    assert.are.equal("fe0b0901010000010300640064" .. "", hex((driver.encode.set(
      { mso = 40, train = burst }, { mso = 40 }))):sub(1, 26))
    assert.are.equal("fe0b0901010000030200c80064e9ff" .. ask.get_mode, hex((driver.encode.set({ mso = 40 },
      { mso = 40, train = burst }))))
    local found = program({ { 3, 1, 50 } }, identity { waveform = "Biphasic_Burst" })
    local none, why = driver.encode.set({ mso = 40, train = found }, { mso = 40 })
    assert.is_nil(none)
    assert.matches("set waveform Biphasic on its front panel", why)
  end)
end)

--- A link to a simulator in virtual time; lost(bytes) says which commands never arrive, changed(reply)
--- may change an answer.
local function link_to(options, lost, changed)
  local simulator, now_ns, queue, sent = simulators.new(options), 1000000000, {}, {}
  local link = { dialect = {}, options = {}, sent = sent, simulator = simulator }
  function link.write(_, bytes)
    sent[#sent + 1] = hex(bytes)
    for _, reply in ipairs(not (lost and lost(bytes)) and simulator:receive(bytes, now_ns) or {}) do
      queue[#queue + 1] = reply.bytes
    end
    now_ns = now_ns + 100000000
  end
  function link.fault(_, text, ...)
    error({ message = select("#", ...) > 0 and text:format(...) or text }, 0)
  end
  function link.transact(self, bytes, want, _, _, remedy)
    self:write(bytes)
    while queue[1] do
      local reply = driver.decode(table.remove(queue, 1))
      reply = changed and changed(reply) or reply
      if type(want) == "function" and want(reply) or reply.name == want then
        return reply
      end
    end
    self:fault("%s", remedy or "no answer")
  end
  return link
end

local function itbs_action()
  return { mso = 50, train = program { { 3, 1, 50 }, { 10, 1, 5 }, { 20, 10, 1 } } }
end

describe("arming a MagPro for a train", function()
  local function armed(link, first, actions)
    local ok, problem = pcall(driver.arm, link, first or itbs_action(), actions)
    return ok, not ok and problem.message, link.simulator:state()
  end

  it("sets waveform, page and train, reads them back, then enables", function()
    local link = link_to()
    local ok, problem, state = armed(link)
    assert.is_true(ok, problem)
    assert.are.same({ "fe020900b2ff", "fe020a00e7ff", "fe0b0901010000030200c80064e9ff", "fe020900b2ff",
      "fe020702d2ff", "fe020c004dff", "fe0c0b01000032000a001400520063ff", "fe020b0023ff",
      "fe020201cfff", "fe0301320017ff" }, link.sent)
    assert.are.same({ true, 50, "Biphasic Burst", 3, 20, 2 }, { state.enabled, state.amplitude_a,
      state.waveform, state.burst_pulses, state.ipi_ms, state.page })
  end)

  it("believes the amplitude only when the device reports it", function()
    local set, capped = driver.commands.set_amplitude { a = 50 }, driver.commands.set_amplitude { a = 49 }
    local link = link_to()
    local receive = link.simulator.receive
    link.simulator.receive = function(self, bytes, now_ns)
      return receive(self, bytes == set and capped or bytes, now_ns)
    end
    local ok, problem, state = armed(link)
    assert.is_false(ok)
    assert.are.equal("the stimulator did not take the amplitude 50 %", problem)
    assert.are.equal(49, state.amplitude_a)
  end)

  --- Nothing may be enabled when commands that begin with prefix are lost.
  local function stops(prefix, words)
    local ok, problem, state = armed(link_to(nil, function(bytes)
      return hex(bytes):find("^fe.." .. prefix) ~= nil
    end))
    assert.is_false(ok)
    assert.matches(words, problem)
    assert.is_false(state.enabled)
  end

  it("stops before it enables where something was not taken", function()
    stops("0901", "did not take waveform Biphasic Burst, .*, 3 pulses, 20 ms apart: it says Biphasic, mode")
    stops("07", "does not show its page Timing, but page 1")
    stops("0b01", "did not take the train %(5 Hz, 10 pulses, 20 trains, 8.2 s between%): it says 1 Hz, 5 ")
    stops("0a", "does not tell its delays")
  end)

  it("sets its delays back where it does not say its mode, and says where it has others", function()
    local is_quiet, are_kept = false, false
    local link = link_to(nil, function(bytes)
      return is_quiet and bytes == driver.commands.get_mode()
        or are_kept and hex(bytes):find "^fe..0a01" ~= nil
    end)
    link.options = { in_ms = 5, out_ms = -10 }
    assert.is_true((armed(link)))
    local delays = link.simulator:state().delays
    assert.are.same({ 5, -10 }, { delays.in_ms, delays.out_ms })
    is_quiet = true
    link:write(driver.commands.disable())
    local ok, problem = pcall(driver.disarm, link)
    assert.is_false(ok)
    assert.matches("does not say whether its waveform is Biphasic again", problem.message)
    delays = link.simulator:state().delays
    assert.are.same({ 0, 0 }, { delays.in_ms, delays.out_ms })
    is_quiet = false
    assert.is_true((armed(link)))
    are_kept = true
    link:write(driver.commands.disable())
    ok, problem = pcall(driver.disarm, link)
    assert.is_false(ok)
    assert.matches("its delays are 5 and -10 ms, and were 0 and 0 ms before the run", problem.message, 1,
      true)
  end)

  it("stops where the panel would change the pulses", function()
    local link = link_to()
    link:write(driver.commands.set_delays_ext { in_ms = 0, out_ms = 0, charge_ms = 200 })
    local ok, problem, state = armed(link)
    assert.is_false(ok)
    assert.matches("charge delay of 200 ms is too long for pulses 200 ms apart", problem)
    assert.is_false(state.enabled)
    ok, problem = armed(link_to(nil, nil, function(reply)
      return reply.name == "get_train" and setmetatable({ ramp_up = 0.7 }, { __index = reply }) or nil
    end))
    assert.is_false(ok)
    assert.matches("its first 10 trains begin at 70 %% of the amplitude", problem)
  end)

  it("tries every program of the run, and ends at the first action's", function()
    local link = link_to()
    local later = itbs_action()
    local ok, problem, state = armed(link, { mso = 40 }, { { mso = 40 }, later })
    assert.is_true(ok, problem)
    assert.are.same({ "Biphasic", true }, { state.waveform, state.enabled })
    assert.are.same({ 5, 20 }, { state.train.rate_hz, state.train.trains })
    ok, problem = armed(link_to(nil, function(bytes) return hex(bytes):find("^fe..0b01") ~= nil end),
      { mso = 40 }, { { mso = 40 }, later })
    assert.is_false(ok)
    assert.matches("did not take the train", problem)
  end)

  it("leaves the waveform as it found it", function()
    local link = link_to()
    armed(link)
    link:write(driver.safe)
    driver.disarm(link)
    local state = link.simulator:state()
    assert.are.same({ "Biphasic", 5, false }, { state.waveform, state.burst_pulses, state.enabled })
  end)

  it("refuses single pulses in a waveform or mode that fires several", function()
    local link = link_to()
    link:write(driver.commands.set_mode { model = "X100", mode = "Standard", direction = "Normal",
      waveform = "Biphasic_Burst", burst_pulses = 3, ipi_ms = 20 })
    local ok, problem, state = armed(link, { mso = 40 })
    assert.is_false(ok)
    assert.matches("each command would fire several pulses", problem)
    assert.is_false(state.enabled)
  end)
end)

describe("what a MagPro says while it times a train", function()
  local first = itbs_action()

  local function judged(frame)
    local reply = driver.decode((frame:gsub("%x%x", function(pair)
      return string.char(tonumber(pair, 16))
    end)))
    return driver.judge(reply, first)
  end

  it("confirms in its waveform, and is a fault in another", function()
    local link = link_to { heating = 0 }
    driver.arm(link, first)
    local replies = link.simulator:knob("amplitude", 50)
    local function tells(frame) return driver.tells(driver.decode(frame), first) end
    assert.are.same({ ["the mode"] = true, ["the amplitude"] = first.mso == 50
      or ("the amplitude is 50 %%, not %d %%"):format(first.mso) }, tells(replies[1].bytes))
    assert.are.equal("it is set to Standard, Biphasic, not to Standard, Biphasic_Burst",
      tells("\xFE\4\1\x32\0\x34\xC1\xFF")["the mode"])
    local verdict, text = judged "fe040241003442ff"
    assert.are.equal("fault", verdict)
    assert.matches("was it changed at its panel?", text)
    replies = link.simulator:knob("page", 1)
    assert.are.equal("it shows page 1, not Timing: its trains start from there only",
      tells(replies[1].bytes)["the page"])
  end)
end)
