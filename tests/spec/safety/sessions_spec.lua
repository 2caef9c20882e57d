--- A protocol's own sessions against the participant's record. The clock is the test's.
local catalogue = require "moonpulse.protocol.catalogue"
local judge = require "moonpulse.safety.judge"
local labs = require "moonpulse.safety.lab"
local mp = require "moonpulse"
local plan_file = require "moonpulse.protocol.plan_file"
local protocols = require "moonpulse.protocol"
local rules = require "moonpulse.safety.rules"
local sessions = require "moonpulse.safety.sessions"
local shell = require "shell"

local now = os.time { year = 2026, month = 11, day = 25, hour = 15, min = 0, sec = 0 }
local MIN, HOUR, DAY = 60, 3600, 86400

--- A history of sessions of a protocol that ended so many seconds ago.
local function history(id, ago)
  local list = {}
  for i, seconds in ipairs(ago) do
    list[i] = { protocol = id, at = now - seconds - 10 * MIN, ended = now - seconds, pulses = 1800 }
  end
  return { runs = list, day = 0, week = 0 }
end

local function finding_of(protocol, known)
  local found
  sessions.of(protocol, known, now):judge(function(finding) found = finding end)
  return found
end

--- n sessions a day, an hour apart, on each of the days before today.
local function course(days, n)
  local ago = {}
  for day = 1, days do
    for i = 1, n do
      ago[#ago + 1] = day * DAY + (i - 1) * HOUR
    end
  end
  return ago
end

describe("SAINT's sessions", function()
  local saint = assert(catalogue.find "saint")

  it("are said in one sentence, on both sides of the 50 minutes", function()
    local ago = course(1, 10)
    for i = 0, 2 do
      ago[#ago + 1] = 38 * MIN + i * HOUR
    end
    local finding = finding_of(saint, history("saint", ago))
    assert.are.equal("beyond tested", finding.verdict)
    assert.matches("^session 4 of 10 today, 14 of 50, 38 min since the last: 50 min are asked", finding.words)
    assert.are.equal("wait 12 min more", finding.nearest)
    assert.are.equal("sessions: " .. finding.words, judge.sentence(finding))
    for seconds, verdict in pairs { [50 * MIN - 1] = "beyond tested", [50 * MIN] = "within",
      [50 * MIN + 1] = "within" } do
      assert.are.equal(verdict, finding_of(saint, history("saint", { seconds })).verdict)
    end
  end)

  it("are ten a day, on five days, fifty in all, at each edge", function()
    local function today(n)
      local ago = {}
      for i = 1, n do
        ago[i] = i * HOUR
      end
      return ago
    end
    assert.are.equal("within", finding_of(saint, history("saint", today(9))).verdict)
    local eleventh = finding_of(saint, history("saint", today(10)))
    assert.are.same({ "beyond tested", "another day" }, { eleventh.verdict, eleventh.nearest })
    assert.matches("session 11 today (at most 10 a day), 11 of 50", eleventh.words, 1, true)
    assert.are.equal("within", finding_of(saint, history("saint", course(4, 10))).verdict)
    local sixth = finding_of(saint, history("saint", course(5, 9)))
    assert.are.equal("beyond tested", sixth.verdict)
    assert.matches("session 1 of 10 today, 46 of 50, day 6 (at most 5)", sixth.words, 1, true)
    local ago = course(4, 10)
    for i = 1, 9 do
      ago[#ago + 1] = i * HOUR
    end
    assert.are.equal("within", finding_of(saint, history("saint", ago)).verdict) -- the fiftieth
    ago[#ago + 1] = 9.5 * HOUR
    assert.are.equal("beyond tested", finding_of(saint, history("saint", ago)).verdict)
  end)

  it("count for themselves, and only where a participant is named", function()
    assert.is_nil(finding_of(saint, nil))
    assert.matches("^session 1 of 10 today, 1 of 50 %(", finding_of(saint, history("itbs600", { 60 })).words)
  end)

  it("are judged by their own dose of a day, at both edges", function()
    local plan = assert(protocols.build(saint, protocols.values(saint, {})))
    local function day(before, protocol)
      local report = judge.plan { plan = plan, seed = 1, thresholds = { rmt = 50 },
        history = { day = before, week = before, runs = {} },
        schedule = protocol and sessions.of(protocol, nil, now) }
      for _, finding in ipairs(report.findings) do
        if finding.rule == "pulses a day" then
          return finding
        end
      end
    end
    assert.are.equal("within", day(9 * 1800, saint).verdict)
    assert.are.same({ 18000, "18000 a day", "the dose of saint" }, { day(0, saint).limit, day(0, saint).row,
      day(0, saint).table })
    assert.are.equal("beyond tested", day(9 * 1800 + 1, saint).verdict)
    assert.are.equal(3000, day(0).limit)
    assert.are.equal(3000, day(0, assert(catalogue.find "itbs600")).limit)
  end)

  it("say of a day and a week what this session may still have, and that passes", function()
    local path = shell.folder() .. "/lab.lua"
    shell.write(path, "return { pulses_per_session = 400, pulses_per_day = 500, pulses_per_week = 900 }")
    local lab = assert(labs.load(path))
    local spans = { ["pulses a session"] = "none", ["pulses a day"] = "day", ["pulses a week"] = "week" }
    local function of(session, before)
      local found = {}
      local function add(finding)
        found[#found + 1] = spans[finding.rule] and finding or nil
      end
      rules.totals({ session = session }, before, add)
      lab:totals({ session = session, nerve = 5 }, before, {}, nil, nil, add)
      assert.are.equal(4, #found)
      return found
    end
    local seen = 0
    for _, earlier in ipairs { 0, 1, 60, 495, 496, 700, 900, 3000 } do
      local before = { day = earlier, week = earlier }
      for i, finding in ipairs(of(4000, before)) do
        seen = seen + 1
        local said, counted = finding.nearest, spans[finding.rule] ~= "none" and earlier or 0
        local left = math.tointeger(tonumber(said:match("^at most (%d+) pulses")))
        assert.are.equal(counted > 0, said:find("given", 1, true) ~= nil, said)
        if left then
          local nerve = finding.lab and 5 or 0 -- to the lab all are pulses
          assert.are.equal("within", of(left - nerve, before)[i].verdict, said)
          assert.are_not.equal("within", of(left - nerve + 1, before)[i].verdict, said)
        else
          assert.matches("^no pulse in this session %(", said)
          assert.is_true(counted >= finding.limit, said)
        end
      end
    end
    assert.are.equal(32, seen)
  end)
end)

describe("a compiled plan", function()
  local folder = shell.folder()
  teardown(function() shell.remove(folder) end)

  local function compiled(name, more)
    local path = folder .. "/kept.plan"
    local status, _, err = shell.moonpulse(folder, ("compile %s %s -o %s"):format(name, more or "", path))
    assert.are.equal(0, status, err)
    return assert(plan_file.load(path))
  end

  it("keeps the sessions, whatever they are, and is judged as the protocol is", function()
    for _, protocol in ipairs(catalogue.all()) do
      local facts = { id = protocol.id, cite = protocol.cite, seed = 1, nerve = protocol.nerve,
        sessions = protocol.sessions }
      local text = plan_file.write(mp.pulse(mp.rmt(100)), facts)
      local read = assert(plan_file.read(text, "x.plan"))
      assert.are.same(protocol.sessions or {}, read.sessions or {})
      assert.are.same(protocol.nerve or {}, read.nerve or {})
    end
    local saint, ago = assert(catalogue.find "saint"), { 38 * MIN }
    local kept = compiled "saint"
    local known = history("saint", ago)
    assert.are.equal("beyond tested", finding_of(kept, known).verdict)
    assert.are.equal(finding_of(saint, known).words, finding_of(kept, known).words)
    assert.are.same(sessions.of(saint, known, now).day, sessions.of(kept, known, now).day)
  end)

  it("has the published dose of a day, whatever was compiled", function()
    local name = folder .. "/mine"
    shell.write(name .. ".lua", [[
      local mp = require "moonpulse"
      return mp.protocol { id = "mine", name = "mine", cite = "Somebody 2020", sessions = { per_day = 2 },
        params = { pulses = { default = 2000 } }, plan = function(p)
          return mp.train { pulses = p.pulses, hz = 1, intensity = mp.rmt(90) }
        end }
    ]])
    local kept = compiled(name .. ".lua", "-p pulses=9000")
    assert.are.equal(9000, kept.plan():totals().pulses)
    assert.are.equal(4000, sessions.of(kept, nil, now).day.pulses)
  end)
end)

describe("other schedules", function()
  local function made(given, cite)
    return mp.protocol { id = "mine", name = "mine", cite = cite, sessions = given, plan = function()
      return mp.train { pulses = 2000, hz = 1, intensity = mp.rmt(90) }
    end }
  end

  it("allow the upper end of a range, and say what the source says in words", function()
    local ranged = made { per_day = { 1, 2 }, total = { 20, 30 }, gap_min = "some hours" }
    local second = finding_of(ranged, history("mine", { 3 * HOUR }))
    assert.are.equal("within", second.verdict)
    assert.matches("^session 2 of 1 to 2 today, 2 of 20 to 30, 3 h since the last: some hours", second.words)
    assert.are.equal("beyond tested", finding_of(ranged, history("mine", { HOUR, 3 * HOUR })).verdict)
    assert.is_nil(finding_of(made(nil), history("mine", { 60 })))
    local open = finding_of(made { total = 3 }, history("mine", { HOUR, DAY }))
    assert.are.same({ "within", true }, { open.verdict,
      open.words:find("session 2 today, 3 of 3", 1, true) ~= nil })
  end)

  it("lift the usual dose of a day only where somebody published them", function()
    assert.is_nil(sessions.of(made { per_day = 2 }, nil, now).day)
    assert.are.equal(4000, sessions.of(made({ per_day = 2 }, "Somebody 2020"), nil, now).day.pulses)
    assert.is_nil(sessions.of(made({ per_day = 1 }, "Somebody 2020"), nil, now).day) -- 2000 are no more
  end)
end)
