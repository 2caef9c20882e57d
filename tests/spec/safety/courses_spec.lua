--- Courses: phases of sessions, where a participant is in them, and when the next session may begin. The
--- clock is the test's.
local catalogue = require "moonpulse.protocol.catalogue"
local chance = require "chance"
local cjson = require "cjson"
local clock = require "moonpulse.safety.clock"
local courses = require "moonpulse.protocol.course"
local schedules = require "moonpulse.safety.schedule"
local sessions = require "moonpulse.safety.sessions"
local shell = require "shell"

local MIN, HOUR, DAY = 60, 3600, 86400
local monday = os.time { year = 2026, month = 11, day = 23, hour = 9, min = 0, sec = 0 }

local program = shell.absolute
local folder
setup(function() folder = shell.folder() end)
teardown(function() shell.remove(folder) end)

local function course_file(text, name)
  local path = ("%s/%s.lua"):format(folder, name or "made")
  shell.write(path, 'local mp = require "moonpulse"\nreturn mp.course {\n' .. text .. "\n}\n")
  return path
end

--- Runs that began at these seconds, ten minutes each.
local function runs_at(times)
  local list = {}
  for i, at in ipairs(times) do
    list[i] = { protocol = "saint", at = at, ended = at + 10 * MIN, pulses = 1800 }
  end
  return list
end

local function schedule_of(protocol, times, now)
  return sessions.of(protocol, { runs = runs_at(times) }, now)
end

local function finding_of(...)
  local found
  schedule_of(...):judge(function(finding) found = finding end)
  return found
end

describe("a course file", function()
  it("is its protocol, in phases, for every command", function()
    local path = course_file [[ name = "SAINT with taper", protocol = "saint", phases = {
      { name = "daily", per_day = 10, days = 5, gap_min = 50 * 60 },
      { name = "taper", per_day = 1, days = 3, days_per_week = 2, wait_days = 7 } } ]]
    local protocol = assert(catalogue.find(path))
    assert.are.equal("saint", protocol.id)
    assert.are.equal(53, schedule_of(protocol, {}, monday).place.of)
    local status, out, err = shell.moonpulse(folder, ("check %s --rmt 40 --participant P07 --out %s/none")
      :format(path, folder))
    assert.are.equal(0, status, err)
    assert.matches("within +sessions: session 1 of 10 today, 1 of 53, phase 1 of 2 %(daily%) %(the course "
      .. "SAINT", out)
    status, out, err = shell.moonpulse(folder, ("run %s --rmt 40 --participant P07 --speed max --out %s/runs")
      :format(path, folder))
    assert.are.equal(0, status, err)
    assert.matches("\nsessions +session 1 of 10 today, 1 of 53, phase 1 of 2", out)
    local kept = out:match "\nrecord +(%S+)"
    assert.is_truthy(shell.read(kept .. "/sources/made.lua"))
    local manifest = shell.read(kept .. "/manifest.json")
    local session = assert(cjson.decode(manifest).session)
    assert.are.same({ 1, 53, 1, 2, "SAINT with taper" }, { session.number, session.of, session.phase,
      session.phases, session.course.name })
    local said = {}
    for _, command in ipairs { "show", "events", "compile" } do
      local more = command == "compile" and "-o " .. folder .. "/x.plan" or ""
      status, said[command] = shell.moonpulse(folder, ("%s %s --rmt 40 %s"):format(command, path, more))
      assert.are.equal(0, status, command)
    end
    assert.matches("\ncourse        SAINT with taper: 53 sessions in all\n"
      .. "phase 1 of 2  daily: 10 a day, on 5 days, at least 50 min from the end of one to the start of the "
      .. "next\nphase 2 of 2  taper: 1 a day, on 3 days, at most on 2 days of any 7, 7 days after the phase "
      .. "before\n", said.show, 1, true)
    assert.is_nil(said.show:find("\nsessions", 1, true)) -- which are those of the protocol alone
  end)

  it("is its protocol also by its own id, but none among the files of a record", function()
    local path = course_file('name = "Own", protocol = "saint", phases = { { name = "a", per_day = 1, '
      .. 'days = 4 } }')
    local named = assert(catalogue.find(path .. ":made"))
    assert.are.equal("saint", named.id)
    assert.are.equal("Own", named.course.name)
    catalogue.keep_to_record(true)
    local of_file, why = catalogue.find(path)
    local by_id, again = catalogue.find(path .. ":made")
    catalogue.keep_to_record(false)
    assert.is_nil(of_file or by_id)
    for _, message in ipairs { why, again } do
      assert.matches("is a course, and a record keeps the protocol that it is of", message, 1, true)
    end
    assert.is_truthy(catalogue.find(path))
  end)

  it("names the line of a protocol beside it as the protocol alone does, wherever it stands", function()
    shell.write(folder .. "/over.lua", 'local mp = require "moonpulse"\nreturn mp.protocol {\n'
      .. '  id = "over", name = "Over", target = "M1", plan = function()\n'
      .. '    return mp.train { hz = 10, duration = 4, intensity = mp.rmt(90) }:times(3, { gap = 26 }) end,\n'
      .. '  variants = { { id = "under", name = "Under" } } }\n')
    local function lines_of(file)
      local _, out, err = shell.sh(folder, ("cd %s && exec %s check %s --rmt 47 --out none"):format(
        shell.quote(folder), shell.quote(program), file))
      return (out .. err):match("(%S*over%.lua:%d+)")
    end
    local phases = ", phases = { { per_day = 1, days = 2 } }"
    for _, written in ipairs { "./over.lua", "over.lua", ".//over.lua", "././over.lua", "over.lua:under" } do
      course_file(('protocol = "%s"'):format(written) .. phases, "beside")
      assert.are.equal("over.lua:4", lines_of "beside.lua", written)
      assert.are.equal("./over.lua:4", lines_of "./beside.lua", written)
      assert.are.equal(folder .. "/over.lua:4", lines_of(folder .. "/beside.lua"), written)
    end
  end)

  it("finds a protocol beside itself, and names what is wrong with it", function()
    shell.write(folder .. "/mine.lua", [[local mp = require "moonpulse"
      return mp.protocol { name = "Mine", plan = function() return mp.pulse(mp.mso(40)) end }]])
    local phases = ", phases = { { per_day = 1, days = 2 } }"
    assert.are.equal("mine", assert(catalogue.find(course_file('protocol = "./mine.lua"' .. phases))).id)
    for what, words in pairs { ["./none.lua"] = "made.lua: its protocol: cannot open",
      sait = "did you mean saint", ["scripts/threshold.lua"] = "its protocol: cannot open" } do
      local found, message = catalogue.find(course_file(('protocol = "%s"'):format(what) .. phases))
      assert.is_nil(found)
      assert.matches(words, message, 1, true)
    end
  end)

  it("is refused at its line, with what to write instead", function()
    local function of(phase)
      return ('protocol = "saint", phases = { { %s } }'):format(phase)
    end
    for text, words in pairs {
      ['protocol = "saint"'] = "phases is missing",
      ['protocol = "saint", phases = {}'] = "it has 0 phases",
      [of "days = 5"] = "phase 1: per_day is missing",
      [of "per_day = 1"] = "it has no end: write days",
      [of "per_day = 1, days = 5, gap_min = 50"] = "for 50 min write 50 * 60",
      [of "per_day = 1, days = 5, gap_min = -1"] = "gap_min must be seconds",
      [of "per_day = 1.5, days = 5"] = "per_day must be a whole number from 1",
      [of "per_day = '1', days = 5"] = "per_day must be a whole number from 1",
      [of "per_day = 1, days = 5, per_week = 3"] = 'no option "per_week"; known: days, days_per_week',
      [of "per_day = 1, days = 5, total = 6"] = "6 sessions do not fit on 5 days",
      [of "per_day = 1, days = 5, days_per_week = 8"] = "from 1 to 7",
      ['begins = "2026-02-30", ' .. of "per_day = 1, days = 5"] = "a day that there is",
      ["protocol = 5, phases = { { per_day = 1, days = 5 } }"] = "protocol must be text",
      ['protocol = "saint", phases = { a = { per_day = 1, days = 5 } }'] = "phases",
    } do
      local found, message = catalogue.find(course_file(text))
      assert.is_nil(found, text)
      assert.matches("made.lua:2: course", message, 1, true)
      assert.matches(words, message, 1, true)
    end
    local path = folder .. "/made.lua"
    shell.write(path, 'return require("moonpulse").course { protocol = io.read(), phases = {} }')
    assert.matches("io", select(2, catalogue.find(path)))
    assert.is_nil(courses.of_record { name = "x", phases = { { per_day = 1e300, days = 1 } } })
    assert.is_nil(courses.of_record { name = "x", phases = "all" })
    assert.is_truthy(courses.of_record { name = "x", phases = { { per_day = 10.0, days = 5.0 } } })
  end)
end)

describe("a participant's place in a course", function()
  local taper
  setup(function()
    taper = assert(catalogue.find(course_file([[ name = "taper", protocol = "saint", phases = {
      { per_day = 2, days = 2, gap_min = 50 * 60 },
      { name = "weekly", per_day = 1, days = 3, days_per_week = 1, wait_days = 5 } } ]], "taper")))
  end)

  local function upcoming(times, now)
    return schedule_of(taper, times, now):upcoming()
  end

  it("follows the phases, with the gap, the day, the wait and the week", function()
    local tuesday, first = monday + DAY, { monday }
    assert.are.equal("session 1 of 7, phase 1 of 2, at the earliest now", upcoming({}, monday))
    assert.are.equal("session 2 of 7, phase 1 of 2, at the earliest 10:00 (wait 30 min more)",
      upcoming(first, monday + 30 * MIN))
    assert.are.equal("session 2 of 7, phase 1 of 2, at the earliest now", upcoming(first, monday + HOUR))
    assert.are.equal("session 3 of 7, phase 1 of 2, at the earliest 2026-11-24 (another day)",
      upcoming({ monday, monday + HOUR }, monday + 2 * HOUR))
    local done, weekly = { monday, monday + HOUR, tuesday, tuesday + HOUR }, "phase 2 of 2 (weekly)"
    assert.are.equal(("session 5 of 7, %s, at the earliest 2026-11-29 (5 days after the phase before)")
      :format(weekly),
      upcoming(done, tuesday + 2 * HOUR))
    assert.are.equal(("session 5 of 7, %s, at the earliest 2026-11-29 (5 days after the phase before)")
      :format(weekly), upcoming(done, tuesday + DAY))
    done[5] = monday + 6 * DAY
    assert.are.equal(("session 6 of 7, %s, at the earliest 2026-12-06 (another day: at most 1 of 7 have "
      .. "sessions)"):format(weekly), upcoming(done, monday + 7 * DAY))
    done[6], done[7] = monday + 13 * DAY, monday + 20 * DAY
    assert.are.equal("complete: 7 sessions were given", upcoming(done, monday + 30 * DAY))
    -- a day with a session too few: its phase has used up its days
    assert.matches("^session 4 of 7, phase 2 of 2", upcoming({ monday, tuesday, tuesday + HOUR },
      monday + 9 * DAY))
  end)

  it("tells no minute at which a session would still be too soon, and none a minute late", function()
    for ended_ms = 0, 120000, 1234 do
      local runs = { { protocol = "saint", at = monday, ended = monday + 10 * MIN + ended_ms / 1000,
        pulses = 1800 } }
      local function at(now) return sessions.of(taper, { runs = runs }, now) end
      local now = monday + 30 * MIN
      local hour, minute = at(now):upcoming():match("at the earliest (%d+):(%d+) ")
      local told = os.time { year = 2026, month = 11, day = 23, hour = hour, min = minute }
      assert.matches("at the earliest now", at(told):upcoming(), 1, true)
      assert.is_nil(at(told - MIN):upcoming():match("earliest now"))
      local earliest = clock.micros_of(at(now):data().earliest)
      assert.is_true(earliest >= (monday + HOUR) * 1000000 + ended_ms * 1000)
      assert.is_true(earliest < (monday + HOUR) * 1000000 + ended_ms * 1000 + 1000000)
    end
  end)

  it("makes what comes too early, or too often, beyond what was tested, and says what passes", function()
    local early = finding_of(taper, { monday }, monday + 30 * MIN)
    assert.are.same({ "beyond tested", "wait 30 min more", "the course taper" }, { early.verdict,
      early.nearest, early.table })
    assert.matches("session 2 of 2 today, 2 of 7, phase 1 of 2, 20 min since the last: 50 min are asked, "
      .. "next at the earliest 10:00", early.words, 1, true)
    assert.are.equal("within", finding_of(taper, { monday }, monday + HOUR).verdict)
    local all = { monday, monday + HOUR, monday + DAY, monday + DAY + HOUR, monday + 6 * DAY,
      monday + 13 * DAY, monday + 20 * DAY }
    local after = finding_of(taper, all, monday + 30 * DAY)
    assert.are.same({ "beyond tested", "at most 7 sessions" }, { after.verdict, after.nearest })
    -- what was before the course began is not of it
    local later = {}
    for key, value in pairs(taper) do
      later[key] = value
    end
    later.course = { name = "again", begins = "2026-12-20", phases = taper.course.phases }
    assert.matches("1 of 7, phase 1 of 2", finding_of(later, all, monday + 30 * DAY).words, 1, true)
  end)

  it("begins on its day, and not sooner, for check and for who looks", function()
    local later = {}
    for key, value in pairs(taper) do
      later[key] = value
    end
    later.course = { name = "later", begins = "2026-11-28", phases = taper.course.phases }
    local function next_of(times, now)
      return schedule_of(later, times, now):upcoming()
    end
    local early = finding_of(later, { monday }, monday + 4 * DAY) -- what was before is not of it
    assert.are.same({ "beyond tested", "the course begins on 2026-11-28" }, { early.verdict, early.nearest })
    assert.matches("session 1 of 2 today, 1 of 7, phase 1 of 2, next at the earliest 2026-11-28 (",
      early.words, 1, true)
    assert.are.equal("session 1 of 7, phase 1 of 2, at the earliest 2026-11-28 (the course begins on "
      .. "2026-11-28)", next_of({ monday }, monday + 4 * DAY))
    assert.are.equal("session 1 of 7, phase 1 of 2, at the earliest now", next_of({}, monday + 5 * DAY))
    assert.are.equal("within", finding_of(later, {}, monday + 5 * DAY - 9 * HOUR).verdict)
    assert.are.equal("beyond tested", finding_of(later, {}, monday + 5 * DAY - 9 * HOUR - 1).verdict)
  end)

  it("says what passes: that by which it may begin, and nothing where no day does", function()
    local function of(phases, times, now)
      local made = { id = "saint", course = { name = "c", phases = phases } }
      local found = finding_of(made, times, now)
      assert.are.equal(found.verdict == "within", schedule_of(made, times, now).place:next() == now)
      return found
    end
    local one = of({ { per_day = 1, days = 1 } }, { monday }, monday + HOUR)
    assert.are.same({ "beyond tested", "at most 1 session" }, { one.verdict, one.nearest })
    assert.matches("session 2 today (at most 1 a day), 2 in all (at most 1) (the course c); passes: at most "
      .. "1 session", one.words, 1, true)
    local two = { { per_day = 1, days = 1 }, { per_day = 1, days = 2, wait_days = 6 } }
    local soon = of(two, { monday }, monday + HOUR)
    assert.are.equal("6 days after the phase before", soon.nearest)
    assert.matches("next at the earliest 2026-11-29 (", soon.words, 1, true)
    local third = of({ { per_day = 1, days = 5 } }, { monday, monday + HOUR }, monday + 2 * HOUR)
    assert.matches("session 3 today (at most 1 a day), 3 of 5, next at the earliest 2026-11-24 (",
      third.words, 1, true)
    assert.are.equal("another day", third.nearest)
    local used_up = of({ { per_day = 2, days = 1 } }, { monday }, monday + DAY)
    assert.are.equal("at most 1 day with sessions", used_up.nearest)
    local long = of({ { per_day = 3, days = 5, gap_min = 30 * HOUR } }, { monday }, monday + HOUR)
    assert.are.equal("wait 29 h 10 min more", long.nearest)
  end)

  it("has whole numbers, however they were written", function()
    local path = course_file([[ name = "f", protocol = "saint", phases = {
      { per_day = 3.0, days = 2.0, gap_min = 3000.0, wait_days = 1.0 } } ]], "floats")
    local read = assert(courses.of_record { name = "f", phases = { { per_day = 3.0, days = 2.0 } } })
    for _, protocol in ipairs { assert(catalogue.find(path)), { id = "saint", course = read },
      { id = "saint", course = { name = "f", phases = { { per_day = 3.0, days = 2.0 } } } } } do
      local schedule = schedule_of(protocol, { monday }, monday + 2 * HOUR)
      assert.are.equal("session 2 of 6, at the earliest now", schedule:upcoming())
      assert.matches("^session 2 of 3 today, 2 of 6", schedule:sentence())
      assert.are.equal("integer", math.type(schedule:facts().of))
    end
    assert.are.equal("integer", math.type(read.phases[1].days))
  end)

  it("counts a session that was not given to its end, and says so", function()
    local once = { id = "saint", course = { name = "once", phases = { { per_day = 1, days = 1 } } } }
    local runs = runs_at { monday }
    runs[1].pulses, runs[1].cut_of = 30, 600
    local function said(protocol)
      return sessions.of(protocol, { runs = runs }, monday + 30 * DAY):upcoming()
    end
    assert.are.equal("no session more: 1 session was given; not given whole: session 1 (30 of 600 pulses)",
      said(once))
    table.insert(runs, 1, runs_at({ monday - DAY })[1])
    assert.matches("^session 3 of 7, .*; not given whole: session 2 %(30 of 600 pulses%)$", said(taper))
  end)

  it("never lets begin before it says, and lets begin then: random courses", function()
    local draw = chance.new(20)
    for _ = 1, 200 do
      local phases = {}
      for i = 1, draw:draw(1, 3) do
        phases[i] = { per_day = draw:draw(1, 3), days = draw:draw(1, 4), gap_min = draw:draw(0, 3) * 50 * MIN,
          days_per_week = draw:once_in(2) and draw:draw(1, 7) or nil,
          wait_days = i > 1 and draw:once_in(2) and draw:draw(1, 9) or nil }
      end
      local times, now = {}, monday
      for _ = 1, 40 do
        local place = schedules.place(phases, runs_at(times), now)
        local at, remedy = place:next()
        if not at then
          break
        end
        assert.are.equal(remedy == nil, at == now)
        if at > now then -- a second sooner something is in its way, at that time nothing is
          local before, why = schedules.place(phases, runs_at(times), at - 1):next()
          assert.is_true(before == at and why ~= nil)
        end
        local then_place = schedules.place(phases, runs_at(times), at)
        local begins, in_its_way = then_place:next()
        assert.is_true(begins == at and in_its_way == nil)
        local phase = phases[then_place.phase]
        local same_day = 0
        for _, time in ipairs(times) do
          same_day = same_day + (clock.same_day(time, at) and 1 or 0)
        end
        assert.is_true(same_day < phase.per_day)
        assert.is_true(#times == 0 or at - (times[#times] + 10 * MIN) >= phase.gap_min)
        times[#times + 1] = at + draw:draw(0, 2) * HOUR
        now = times[#times] + draw:draw(10, 90) * MIN
      end
      assert.is_true(#times <= schedules.place(phases, {}, monday).of)
    end
  end)
end)
