-- Every fault of the simulator ends well: a reason in words, the right exit status, a
-- whole record, the safe frame last, and nothing hangs.
local cjson = require "cjson"
local driver = require "moonpulse.devices.magventure"
local faults = require "moonpulse.simulation.faults"
local fixture = require "job"
local shell = require "shell"
local simulators = require "moonpulse.simulators.magventure"

local PULSES, AT, HZ = 8, 4, 2

local function hex(bytes)
  return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

local ASK, SAFE = hex(driver.commands.get_status2()), hex(driver.safe)

-- What each fault at pulse 4 of 8 must lead to. The pulses are 0.5 s apart: each is judged (0.18 s) long
-- before the next one's reply could be taken for its own. The runs are in virtual time, which is exact; what
-- a real port does when it goes, and a device that falls silent on it, is played in real time too. `words`:
-- on stderr; `sent`: how many pulses may have left (least, most); `sure`: how many are surely delivered;
-- `last`: what the device gets at the end; deaf: it gets nothing any more.
-- The dispatcher gives up at the next pulse, after twice the slowest reply (0.18 s).
local unconfirmed = "pulse 4 was not confirmed within "
local unsafe = "NOT CONFIRMED SAFE: "
local ends = {
  drop = { words = { unconfirmed, "the stimulator is disarmed" }, sent = { 4, 5 }, sure = 3 },
  flip = { words = { "a garbled reply (wrong checksum): is the cable sound" }, sent = { 4, PULSES - 1 },
    sure = 3 },
  duplicate = { words = { "the device reports a pulse that was not sent", "does a pedal" },
    sent = { 4, PULSES - 1 }, sure = 4 },
  split = { status = 0, words = {}, sent = { PULSES, PULSES }, sure = PULSES },
  delay = { words = { unconfirmed, "the stimulator is disarmed" }, sent = { 4, 5 }, sure = 3 },
  nak = { words = { "a garbled reply (bytes that are no frame): is the cable sound" },
    sent = { 4, PULSES - 1 }, sure = 3 },
  unplug = { words = { unsafe .. "the port is lost: switch the stimulator off at its panel",
    "the run ended because: the port is lost" }, sent = { 4, PULSES - 1 }, sure = 3, deaf = true },
  ["half-open"] = { words = { unsafe, "disable it on its front panel, or switch it off",
    "the run ended because: " .. unconfirmed }, sent = { 4, 5 }, sure = 3, deaf = true },
  ["over-temperature"] = { words = { "the stimulator disabled itself, its coil is at 40 C: let it "
    .. "cool", "the stimulator is disarmed" }, sent = { 4, PULSES - 1 }, sure = 4 },
  ["stuck-armed"] = { words = { unsafe, "still says that it is enabled: disable it on its front "
    .. "panel" }, sent = { PULSES, PULSES }, sure = PULSES },
}

describe("a fault of the stimulator", function()
  local folder, results

  --- The command of a run with faults; one that hangs is killed after 20 s and ends with 124 or 137.
  local function command(list, protocol, pace)
    return ("timeout -k 1 20 %s run %s --device sim --fault %s --timing host %s --out '%s/%s'"):format(
      shell.quote(shell.program), protocol or folder .. "/made.lua", list, pace or "--speed max", folder,
      pace and list .. " real" or list)
  end

  local theta_burst = "itbs600 --amt 50 -p trains=1"
  local others = { { "half-open@0" }, { "over-temperature@0" }, { "drop@" .. PULSES },
    { "drop@5", theta_burst }, { "split@2,nak@4,unplug@9" } }

  -- their replies may be half a second late before they are taken for another pulse's
  local in_real_time = { "unplug@" .. AT, "half-open@" .. AT }

  setup(function()
    folder, results = shell.folder(), {}
    shell.write(folder .. "/made.lua", ([[
      local mp = require "moonpulse"
      return mp.protocol { id = "made", name = "Made", plan = function()
        return mp.train { pulses = %d, hz = %d, intensity = mp.mso(30) }
      end }]]):format(PULSES, HZ))
    shell.write(folder .. "/far.lua", ([[
      local mp = require "moonpulse"
      return mp.protocol { id = "far", name = "Far", plan = function()
        return mp.train { pulses = %d, every = 1.2, intensity = mp.mso(30) }
      end }]]):format(PULSES))
    local lists, commands = {}, {}
    for _, kind in ipairs(faults.kinds) do
      if not kind.setting then -- those are counted otherwise: settings_spec
        lists[#lists + 1] = kind.name .. "@" .. AT
        commands[#commands + 1] = command(lists[#lists])
      end
    end
    for _, other in ipairs(others) do
      lists[#lists + 1], commands[#commands + 1] = other[1], command(other[1], other[2])
    end
    for _, list in ipairs(in_real_time) do
      lists[#lists + 1] = list .. " real"
      commands[#commands + 1] = command(list, folder .. "/far.lua", "--tolerance 1000")
    end
    for i, result in ipairs(shell.together(folder, commands)) do
      results[lists[i]] = result
    end
  end)

  teardown(function()
    shell.remove(folder)
  end)

  --- How the run with these faults ended.
  local function run(list)
    local result, path = results[list], fixture.run_in(folder .. "/" .. list)
    local text = shell.read(path .. "/manifest.json")
    return result.status, result.err, path, text and cjson.decode(text)
  end

  --- The simulator's log from the fault on, and all that it has.
  local function log_of(path)
    local all, after = {}, nil
    for i, row in ipairs(shell.rows(path .. "/twin.tsv")) do
      all[i] = row
      after = after or row.event == "fault" and {} or nil
      if after then
        after[#after + 1] = row
      end
    end
    return all, after
  end

  --- Every pulse the simulator took is in the record, in order; how many are there, how many delivered. What
  --- it reported beyond those is there, too.
  local function check_record(path, log)
    local seen, recorded, delivered, claimed = 0, 0, 0, 0
    for _, row in ipairs(log) do
      seen = seen + (row.event == "pulse" and 1 or 0)
    end
    local rows, unasked = {}, 0
    for _, row in ipairs((shell.rows(path .. "/events.tsv"))) do
      unasked = unasked + (row.event == "unasked_pulse" and 1 or 0)
      rows[#rows + 1] = row.event ~= "unasked_pulse" and row or nil
    end
    for _, row in ipairs(rows) do
      recorded = recorded + 1
      assert.are.equal("pulse", row.event)
      assert.are.equal(tostring(recorded), row.pulse)
      if row.status == "delivered" then
        delivered = delivered + 1
        assert.are.equal(delivered, recorded) -- none is delivered behind one that is not
        assert.is_truthy(tonumber(row.onset_confirmed_us))
      else -- a stop by a fault throws away what a pseudo-terminal holds, which does not say what that is
        claimed = claimed + (row.status == "sent" and 1 or 0)
        assert.is_true(row.status == "sent" or row.status == "perhaps_sent", row.status)
        assert.are.same({ "n/a", "n/a" }, { row.onset_confirmed_us, row.reply })
      end
    end
    assert.is_true(claimed == 0 or delivered + claimed <= seen)
    return seen, recorded, delivered, unasked
  end

  local function check_end(log, kind)
    local last = #log
    while log[last].bytes == ASK do -- a question changes nothing
      last = last - 1
    end
    assert.are.equal(SAFE, log[last].bytes)
    assert.are.equal(kind == "stuck-armed" and "ignored" or "disarm", log[last].event)
    for i = last + 1, #log do
      assert.are.equal("get", log[i].event)
    end
  end

  local tests = {}
  for _, kind in ipairs(faults.kinds) do
    if not kind.setting then -- those are counted otherwise: settings_spec
      tests[#tests + 1] = { name = kind.name, words = "", run = kind.name .. "@" .. AT }
    end
  end
  for _, list in ipairs(in_real_time) do
    tests[#tests + 1] = { name = list:match("^[^@]+"), words = ", in real time", run = list .. " real" }
  end
  for _, each in ipairs(tests) do
    local name, expected = each.name, ends[each.name]
    it(name .. " in the middle of a run" .. each.words, function()
      local status, err, path, facts = run(each.run)
      assert.are.equal(expected.status or 4, status, err)
      assert.matches(expected.status == 0 and "^$" or "^moonpulse: [^\n]+\n$", err)
      for _, words in ipairs(expected.words) do
        assert.matches(words, err, 1, true)
      end
      local patience = err:match(unconfirmed .. "(%S+) s: is the cable loose")
      -- in real time the loop may be first, with the driver's own reply_timeout, or the dispatcher
      assert.is_true(patience == "0.18" or patience == "0.6" and each.words ~= ""
        or not err:find(unconfirmed, 1, true), err)

      local log, after = log_of(path)
      assert.are.equal(name, after[1].note)
      local seen, recorded, delivered, unasked = check_record(path, log)
      assert.are.equal(name == "duplicate" and 1 or 0, unasked)
      assert.is_true(recorded >= expected.sent[1] and recorded <= expected.sent[2],
        recorded .. " pulses were sent")
      assert.are.equal(expected.sure, delivered)
      if expected.deaf then
        assert.are.equal(AT, seen)
        assert.are.equal(1, #after) -- whatever was sent, it heard nothing
      else
        assert.are.equal(recorded, seen)
        check_end(log, name)
      end

      local result = facts.result
      assert.are.equal(expected.status == 0 and "completed" or "device fault", result.status)
      assert.are.equal(result.status, facts.status)
      assert.are.same({ PULSES, recorded, delivered }, { result.pulses_planned, result.pulses_sent,
        result.pulses_confirmed })
      assert.are.equal(name .. "@" .. AT, facts.device.faults)
      local is_unsafe = table.concat(expected.words):find(unsafe, 1, true) ~= nil
      assert.are.equal(is_unsafe, result.disarmed ~= true)
      assert.are.equal(is_unsafe, result.reason:find(unsafe, 1, true) ~= nil)
      local whole = name == "split" or name == "stuck-armed"
      assert.are.equal(whole, result.reason:find("^the plan is complete") ~= nil, result.reason)
      assert.matches(expected.status == 0 and "the plan is complete"
        or expected.words[#expected.words]:match("because: (.*)") or expected.words[1]:sub(1, 20),
        result.reason, 1, true)
      assert.is_truthy(shell.read(path .. "/report.html"))
    end)
  end

  it("where nobody answers from the start: nothing is armed", function()
    local status, err, path, facts = run "half-open@0"
    assert.are.equal(4, status)
    assert.matches("no answer to get status2: is it switched on, is the cable in the right socket",
      err, 1, true)
    local log = log_of(path)
    assert.are.same({ 1, "fault", "half-open" }, { #log, log[1].event, log[1].note })
    assert.are.same({ "not run", "device fault", 0 }, { facts.status, facts.result.status,
      facts.result.pulses_sent })
    assert.matches("no answer", facts.result.reason, 1, true)
  end)

  it("where the device does not enable: no pulse, the safe frame all the same", function()
    local status, err, path, facts = run "over-temperature@0"
    assert.are.equal(4, status)
    assert.matches("did not enable: is a coil connected, and is it below its temperature limit?",
      err, 1, true)
    assert.is_nil(err:find(unsafe, 1, true))
    local log = log_of(path)
    check_end(log, "over-temperature")
    assert.are.same({ 0, 0, 0, 0 }, { check_record(path, log) })
    assert.are.same({ "not run", "device fault" }, { facts.status, facts.result.status })
  end)

  it("at the last pulse is not missed", function()
    local status, err, path = run("drop@" .. PULSES)
    assert.are.equal(4, status)
    assert.matches(("pulse %d was not confirmed within 0.6 s"):format(PULSES), err, 1, true)
    local _, _, delivered = check_record(path, (log_of(path)))
    assert.are.equal(PULSES - 1, delivered)
  end)

  it("is found in theta burst, where later confirmations hide the missing one", function()
    local status, err, path = run "drop@5"
    assert.are.equal(4, status)
    -- by the loop, or first by the dispatcher where the loop was late
    assert.is_truthy(err:find "was not confirmed within 0%.6 s"
      or err:find "was not confirmed within 0%.18 s", err)
    local log = log_of(path)
    local seen, recorded, delivered = check_record(path, log)
    assert.are.equal(seen, recorded)
    assert.is_true(seen < 30, seen .. " pulses")
    assert.is_true(delivered >= 3 and delivered <= 5, delivered .. " delivered")
    check_end(log)
  end)

  it("may come twice: the first ends the run", function()
    local status, err, path = run "split@2,nak@4,unplug@9"
    assert.are.equal(4, status)
    assert.matches("a garbled reply", err, 1, true)
    local seen = {}
    for _, row in ipairs(log_of(path)) do
      seen[#seen + 1] = row.event == "fault" and row.note or nil
    end
    assert.are.same({ "split", "nak" }, seen)
  end)

  it("is over in less than two seconds by the driver's own times", function()
    local asked = {}
    local io = {
      transact = function(_, bytes, _, timeout, tries)
        asked[#asked + 1] = bytes == driver.commands.get_status2() and timeout * tries or nil
        return { enabled = 0 }
      end,
    }
    driver.disarm(io)
    assert.are.equal(1, #asked)
    -- unnoticed, looked at (0.05 s), stopped, asked in vain, the simulator's good-bye (0.25 s)
    assert.is_true(driver.reply_timeout + 0.05 + asked[1] + 0.25 < 2)
    assert.is_true(driver.reply_slow < driver.reply_timeout)
  end)
end)

describe("the options of faults", function()
  local folder

  before_each(function()
    folder = shell.folder()
  end)

  after_each(function()
    shell.remove(folder)
  end)

  it("are read, or refused with what is known", function()
    assert.are.same({ { kind = "drop", at = 4 }, { kind = "half-open", at = 0 },
      text = "drop@4, half-open@0" }, faults.parse "drop@4, half-open@0")
    local refused = {
      { "", "\"\" is no fault: write KIND@N, like drop@4; the kinds are drop, flip, duplicate, "
        .. "split, delay, nak, unplug, half-open, over-temperature, stuck-armed" },
      { "melt@3", "\"melt@3\" is no fault" }, { "drop@4,", "\"\" is no fault" },
      { "drop", "does not say when: write drop@N" }, { "drop@x", "does not say when" },
      { "drop@-1", "does not say when" }, { "flip@0", "needs a pulse: N counts from 1" },
    }
    for _, case in ipairs(refused) do
      local list, message = faults.parse(case[1])
      assert.is_nil(list)
      assert.matches(case[2], message, 1, true)
    end
  end)

  it("do in virtual time what they do in real time", function()
    for fault, expected in pairs {
      ["drop@3"] = { 4, "pulse 3 was not confirmed" }, ["flip@3"] = { 4, "garbled reply" },
      ["duplicate@3"] = { 4, "reports a pulse that was not sent" }, ["split@3"] = { 0, "" },
      ["delay@3"] = { 4, "pulse 3 was not confirmed" }, ["nak@3"] = { 4, "garbled reply" },
      ["unplug@3"] = { 4, "NOT CONFIRMED SAFE: the port is lost: switch the stimulator off at its panel" },
      ["half-open@3"] = { 4, "NOT CONFIRMED SAFE: .*disable it on its front panel" },
      ["half-open@0"] = { 4, "no answer" }, ["over-temperature@3"] = { 4, "disabled itself" },
      ["over-temperature@0"] = { 4, "did not enable" },
      ["stuck-armed@0"] = { 4, "still says that it is enabled" },
    } do
      local status, _, err = shell.moonpulse(folder, ("run itbs600 --amt 50 --timing host --speed max "
        .. "--fault %s --out %s/runs"):format(fault, folder))
      assert.are.equal(expected[1], status, fault .. ": " .. err)
      assert.matches(expected[2], err)
    end
  end)

  it("of a reply in a row of fast pulses are made up for by the next, to the end of the row", function()
    shell.write(folder .. "/row.lua", [[local mp = require "moonpulse"
      return mp.protocol { id = "row", name = "Row", plan = function()
        return mp.train { pulses = 40, hz = 20, intensity = mp.mso(40) } end }]])
    for _, timing in ipairs { "host", "auto" } do
      for fault, expected in pairs {
        ["delay@3"] = { 0, "^$" }, -- by the end of the row it has come
        ["drop@3"] = { 4, "pulse 40 was not confirmed" }, ["delay@40"] = { 4, "pulse 40 was not confirmed" },
      } do
        local status, _, err = shell.moonpulse(folder, ("run %s/row.lua --timing %s --speed max --fault %s "
          .. "--out %s/runs"):format(folder, timing, fault, folder))
        assert.are.equal(expected[1], status, timing .. " " .. fault .. ": " .. err)
        assert.matches(expected[2], err)
      end
    end
  end)

  it("end with 2 where they make no sense", function()
    local cases = {
      { "run itbs600 --amt 50 --fault melt@3", "the kinds are drop, flip" },
      { "sim magventure --fault melt@3", "the kinds are drop, flip" },
      { "run itbs600 --amt 50 --device magventure --port /dev/null --fault drop@3",
        "--fault drop@3 works on the simulator only" },
    }
    for _, case in ipairs(cases) do
      local status, _, err = shell.moonpulse(folder, case[1] .. " --out " .. folder .. "/runs")
      if case[1]:find("^sim") then
        status, _, err = shell.moonpulse(folder, case[1])
      end
      assert.are.equal(2, status, case[1])
      assert.matches(case[2], err, 1, true)
      assert.are.same({}, shell.names(folder .. "/runs"))
    end
  end)

  it("are in the help, every kind", function()
    for _, command in ipairs { "run", "sim" } do
      local status, out = shell.moonpulse(folder, command .. " --help")
      out = out:gsub("%s+", " ")
      assert.are.equal(0, status)
      for _, kind in ipairs(faults.kinds) do
        assert.matches(kind.name .. " (" .. kind.help .. ")", out, 1, true)
      end
    end
  end)
end)

describe("a damaged reply", function()
  it("never passes for a confirmation, whichever bit is flipped", function()
    local simulator = simulators.new { latency = 0 }
    simulator:receive(driver.commands.enable(), 1000000000)
    simulator:receive(driver.commands.set_amplitude { a = 30 }, 2000000000)
    local replies = simulator:receive(driver.commands.fire(), 3000000000)
    local sound = replies[1].bytes
    assert.are.equal("event_didt", (driver.decode(sound)).name)
    for bit = 0, #sound * 8 - 1 do
      local buffer, confirmed = faults.flip(sound, bit), 0
      assert.are_not.equal(sound, buffer)
      assert.are.equal(sound, faults.flip(buffer, bit))
      buffer = buffer .. sound -- the next reply must be found again, or be lost with it: not more
      while #buffer > 0 do
        local reply, used = driver.decode(buffer)
        if used == 0 then
          break
        end
        confirmed = confirmed + (reply and reply.name == "event_didt" and 1 or 0)
        buffer = buffer:sub(used + 1)
      end
      assert.is_true(confirmed <= 1, "bit " .. bit)
    end
  end)
end)

describe("faults between model and wire", function()
  local function model(replies)
    return { { at_ns = 10, bytes = replies[1] }, { at_ns = 10, bytes = replies[2] } },
      { { event = "pulse", bytes = "p", at_ns = 5, note = "30 %" } }
  end

  it("strike the pulse's own reply and keep the order of the rest", function()
    local function pass(text)
      local list = assert(faults.new(faults.parse(text), {}))
      local out = {}
      for i, reply in ipairs((list:pass(model { "abcd", "hot" }))) do
        out[i] = reply.at_ns .. reply.bytes
      end
      return out
    end
    assert.are.same({ "10hot" }, pass "drop@1")
    assert.are.same({ "10abcd", "10hot" }, pass "drop@2")
    assert.are.same({ "10abcd", "10abcd", "10hot" }, pass "duplicate@1")
    assert.are.same({ "10ab", "30000010cd", "30000010hot" }, pass "split@1")
    assert.are.same({ "1500000010abcd", "10hot" }, pass "delay@1")
    assert.are.same({ "10\x15", "10hot" }, pass "nak@1")
    assert.are.same({ "10abbd", "10hot" }, pass "flip@1")
    assert.are.same({ "10hot" }, pass "drop@1,flip@1") -- what is gone cannot be flipped
    assert.are.same({}, pass "half-open@1")
    assert.are.same({}, pass "unplug@1")
  end)

  it("refuse what the model does not offer", function()
    local list, message = faults.new(faults.parse "stuck-armed@1", {})
    assert.is_nil(list)
    assert.are.equal("this simulator has no fault \"stuck-armed\"", message)
  end)
end)
