--- moonpulse runs: what there is, a participant's course, and runs that nobody recovered.
local chance = require "moonpulse.explore.chance"
local cjson = require "cjson"
local fixture = require "job"
local lfs = require "lfs"
local shell = require "shell"

local folder, jobs, out
local kept -- what was said as data, in files that are judged together: the judge takes its time to start

setup(function() kept = shell.folder() end)
teardown(function() shell.remove(kept) end)

fixture.each_test(function(...)
  folder, jobs = ...
  out = folder .. "/runs"
end)

local MIN, DAY = 60, 86400

--- A run on a real device that began so many seconds ago.
local function earlier(name, ago, fields)
  local path = ("%s/%s"):format(out, name)
  os.execute("mkdir -p " .. shell.quote(path))
  local manifest = { participant = "P07", status = "completed", kind = "protocol",
    started = os.date("!%Y-%m-%dT%H:%M:%SZ", os.time() - ago), device = { simulated = false },
    protocol = { id = "saint", pulses = 1800 }, result = { pulses_sent = 1800, pulses_planned = 1800,
      elapsed_s = 600, stop = "finished", lateness_us = { max = 34.6 } } }
  for key, value in pairs(fields or {}) do
    manifest[key] = value
  end
  shell.write(path .. "/manifest.json", cjson.encode(manifest))
  return path
end

local function runs(arguments)
  return shell.moonpulse(folder, "runs " .. shell.options(arguments, "--out " .. out))
end

local function data(arguments)
  local status, text, err = runs("--json " .. (arguments or ""))
  assert.are.equal(0, status, err)
  shell.write(("%s/%03d.json"):format(kept, #shell.names(kept)), text)
  return cjson.decode(text), text
end

local function words_of(line)
  return (line:gsub("%s%s+", "|"))
end

describe("moonpulse runs", function()
  it("has a line for each run, the newest last, with its session among its participant's", function()
    earlier("a", 3 * DAY)
    earlier("b", 2 * DAY, { participant = "p07", result = { pulses_sent = 412, pulses_planned = 1800,
      stop = "requested", reason = "stopped by the operator" }, status = "stopped" })
    earlier("c", 90 * MIN, { participant = "P08" })
    earlier("d", 80 * MIN, { device = { simulated = true } })
    earlier("e", 70 * MIN, { result = { pulses_sent = 0, pulses_planned = 1800 }, status = "not run" })
    earlier("f", 60 * MIN)
    local status, text = runs()
    assert.are.equal(0, status)
    local lines = {}
    for line in text:gmatch("[^\n]+") do
      lines[#lines + 1] = words_of(line:gsub("^%d%d%d%d%-%d%d%-%d%d %d%d:%d%d", "WHEN"))
    end
    local function at(name, ended) -- not in the place of all records: its path
      return ("%s/%s|%s"):format(out, name, ended)
    end
    assert.are.same({ "date|participant|protocol|pulses|session|onset error|run|ended",
      "WHEN|P07|saint|1,800 of 1,800|1 of 50|34.6 us|" .. at("a", "completed"),
      "WHEN|p07|saint|412 of 1,800|2 of 50|-|" .. at("b", "stopped: stopped by the operator"),
      "WHEN|P08|saint|1,800 of 1,800|1 of 50|34.6 us|" .. at("c", "completed"),
      "WHEN|P07|saint|1,800 of 1,800|simulated|34.6 us|" .. at("d", "completed"),
      "WHEN|P07|saint|0 of 1,800|-|-|" .. at("e", "not run: ?"),
      "WHEN|P07|saint|1,800 of 1,800|3 of 50|34.6 us|" .. at("f", "completed"), "6 runs in " .. out }, lines)
    local found = data()
    assert.are.same({ 6, "f", 3, 50, 34.6 }, { found.count, found.runs[6].path:match "[^/]*$",
      found.runs[6].session.number, found.runs[6].session.of, found.runs[6].worst_onset_error_us })
  end)

  it("takes what is asked for, and says when there is more", function()
    for i = 1, 34 do
      earlier(("r%02d"):format(i), i * DAY, { participant = i % 2 == 0 and "P08" or "P07",
        protocol = { id = i % 3 == 0 and "itbs600" or "saint" } })
    end
    local all = data "--all"
    assert.are.same({ 34, 34, 30 }, { all.count, #all.runs, #data().runs })
    assert.matches("34 runs in " .. out .. ": the last 30 are shown, --all shows all", select(2, runs()), 1,
      true)
    local some = data(("--participant p07 --protocol itbs600 --since %s"):format(
      os.date("%Y-%m-%d", os.time() - 15 * DAY)))
    local names = {}
    for i, run in ipairs(some.runs) do
      names[i] = run.path:match "[^/]*$"
    end
    assert.are.same({ "r15", "r09", "r03" }, names)
    assert.matches("no such run in", select(2, runs "--participant P99"), 1, true)
    assert.are.equal(0, data "--out nowhere".count)
    local status, _, err = runs "--since yesterday"
    assert.are.equal(2, status)
    assert.matches("--since: a day like 2026-11-02 is expected", err, 1, true)
  end)

  it("says a participant's course: today, seven days, in all, what comes next", function()
    earlier("a", 8 * DAY)
    earlier("b", 3 * DAY)
    earlier("c", 22 * MIN)
    local status, text = runs "--participant P07"
    assert.are.equal(0, status)
    local started = os.time() - 22 * MIN
    local today = os.date("%Y-%m-%d", started) == os.date "%Y-%m-%d" and 1 or 0
    assert.matches(("\ntoday +%s pulses in %d session"):format(today == 1 and "1,800" or "0", today), text)
    assert.matches("\n7 days +3,600 pulses in 2 sessions\n", text)
    assert.matches("\nin all +5,400 pulses in 3 sessions\n", text)
    assert.matches("\nnext +saint: session 4 of 50, at the earliest [%d: -]+ %(wait %d+ min more%)\n", text)
    local known = data("--participant P07").participant
    assert.are.same({ 3600, 2, 5400, 3 }, { known.week.pulses, known.week.sessions, known.all.pulses,
      known.all.sessions })
    local earliest = started + 10 * MIN + 50 * MIN
    local time, zone = known.schedules[1].earliest:match
      "^(%d+%-%d+%-%d+T%d+:%d+):%d%d%.000000([+-]%d%d:%d%d)$"
    assert.are.same({ os.date("%Y-%m-%dT%H:%M", earliest), os.date("%z", earliest) }, { time, (zone:gsub(":",
      "")) }) -- as all times of a record
    assert.are.same({ 4, 50 }, { known.schedules[1].next_session.number, known.schedules[1].next_session.of })
  end)

  it("has runs of one second in the order in which they began, as a table and as data", function()
    local second = os.date("!%Y-%m-%dT%H:%M:%S", os.time() - DAY)
    for name, fraction in pairs { b = ".114232+00:00", d = ".000099+00:00", a = ".9+00:00",
      c = ".114231Z" } do
      earlier(name, DAY, { started = second .. fraction, protocol = { id = "saint" } })
    end
    local found, order, number = data(), {}, {}
    for i, run in ipairs(found.runs) do
      order[i], number[i] = run.path:match "[^/]*$", run.session.number
    end
    assert.are.same({ "d", "c", "b", "a" }, order)
    assert.are.same({ 1, 2, 3, 4 }, number)
    local said = {}
    for line in select(2, runs()):gmatch "[^\n]+" do
      said[#said + 1] = line:match "(%d) of 50"
    end
    assert.are.same({ "1", "2", "3", "4" }, said)
  end)

  it("counts a run among those of its course, which may have begun later", function()
    earlier("a", 40 * DAY)
    earlier("b", 30 * DAY)
    local session = { number = 1, of = 2, course = { name = "again", begins = os.date("%Y-%m-%d", os.time()
      - 10 * DAY), phases = { { per_day = 1, days = 2 } } } }
    earlier("c", 9 * DAY, { session = session })
    local of = {}
    for i, run in ipairs(data("--participant P07").runs) do
      of[i] = ("%d of %d"):format(run.session.number, run.session.of)
    end
    assert.are.same({ "1 of 50", "2 of 50", "1 of 2" }, of)
    assert.matches("\nnext +saint %(again%): session 2 of 2, at the earliest now\n", select(2,
      runs "--participant P07"))
  end)

  it("says what comes next of a participant's own protocol, whichever runs are listed", function()
    local own = { protocol = { id = "mine", pulses = 600 }, session = { number = 1, sessions = { per_day = 2,
      total = 6, gap_min = 3000 } } }
    earlier("a", 40 * DAY, own)
    own.status, own.result = "stopped", { pulses_sent = 30, pulses_planned = 600, elapsed_s = 3 }
    earlier("b", 3 * DAY, own)
    for i = 1, 31 do
      earlier(("c%02d"):format(i), DAY + i, { protocol = { id = "itbs600" } })
    end
    local next = "mine: session 3 of 6, at the earliest now; not given whole: session 2 (30 of 600 "
      .. "pulses)"
    for _, more in ipairs { "", " --all", " --protocol itbs600", " --since " .. os.date("%Y-%m-%d",
      os.time() - 2 * DAY) } do
      assert.matches("\nnext        " .. next .. "\n", select(2, runs("--participant P07" .. more)), 1, true)
    end
    local schedule = data("--participant P07").participant.schedules
    assert.are.same({ "mine", 3, 6 }, { schedule[#schedule].protocol, schedule[#schedule].next_session.number,
      schedule[#schedule].next_session.of })
    local file = folder .. "/mine.lua" -- check counts by the same rules
    shell.write(file, [[local mp = require "moonpulse"
      return mp.protocol { name = "Mine", sessions = { per_day = 2, total = 6, gap_min = 3000 },
        plan = function() return mp.pulse(mp.mso(40)) end }]])
    local check = ("check %s --rmt 50 --participant P07 --out %s"):format(file, out)
    local _, said = shell.moonpulse(folder, check)
    assert.matches("sessions: session 1 of 2 today, 3 of 6", said, 1, true)
  end)

  local function sessions_of(list)
    local numbers = {}
    for i, run in ipairs(list) do
      numbers[i] = run.session and run.session.number or 0
    end
    return numbers
  end

  --- Fields of a run of part of a plan of 600 pulses.
  local function part(given, of, fields)
    fields.result = { pulses_sent = given, pulses_planned = of, elapsed_s = 3 }
    fields.status = given < of and "stopped" or "completed"
    fields.protocol = { id = "mine", pulses = of }
    fields.session = { number = 1, sessions = { per_day = 9, total = 4 } }
    return fields
  end

  local function behind(before, continues)
    return { what = "trial", number = before // 30 + 1, pulses_before = before, pulses_planned = 600,
      continues = continues }
  end

  it("numbers sessions as the course does: what goes on with another on its day is of that one", function()
    local today = os.date("*t").hour * 3600 + os.date("*t").min * 60 -- since midnight
    local function ago(k) -- all on this day
      return math.max(1, today - 60) * (5 - k) // 5 + 1
    end
    earlier("a", ago(1), part(100, 600, {}))
    earlier("b", ago(2), part(200, 480, { begins_at = behind(120, "a") }))
    earlier("c", ago(3), part(270, 270, { begins_at = behind(330, "b") }))
    earlier("b2", ago(2), part(600, 600, {})) -- another session between
    earlier("d", ago(4), part(600, 600, { begins_at = behind(0, "c") })) -- that one was not broken off
    local found = data "--participant P07"
    assert.are.same({ 1, 1, 2, 1, 3 }, sessions_of(found.runs))
    assert.are.same({ 3, 3 }, { found.participant.all.sessions, found.participant.today.sessions })
    local text = select(2, runs "--participant P07")
    assert.matches("\nnext +mine: session 4 of 4, [^\n]*; not given whole: session 1 %(570 of 600 "
      .. "pulses%)\n", text)
    assert.matches("  completed; from trial 12 of b\n", text, 1, true)
    earlier("e", 0, part(390, 390, { begins_at = behind(210) }))
    found = data "--participant P07"
    assert.are.same({ 1, 1, 2, 1, 3, 4 }, sessions_of(found.runs))
    assert.are.same({ text = "no session more: 4 sessions were given; not given whole: session 1 (570 of 600 "
      .. "pulses), session 4 (390 of 600 pulses)", complete = false }, {
      text = found.participant.schedules[1].text, complete = found.participant.schedules[1].complete })
    assert.are.equal(210, found.runs[6].begins_at.pulses_before)
    assert.is_nil(found.runs[1].begins_at)
  end)

  it("numbers sessions as the course does, whatever goes on with what, in whichever folder", function()
    local draw = chance.new(31)
    for round = 1, 12 do
      local all, previous = shell.folder(), nil
      local count = draw:draw(2, 9)
      for i = 1, count do
        local before = draw:draw(0, 3) == 0 and 0 or 30 * draw:draw(1, 19)
        local of, name = 600 - before, ("r%d"):format(i)
        local fields = part(draw:draw(0, 1) == 0 and of or draw:draw(1, of), of, { begins_at = previous
          and draw:draw(0, 2) > 0 and behind(before, draw:draw(0, 3) > 0 and previous or "gone")
          or before > 0 and behind(before) or nil })
        out = all .. (draw:draw(0, 1) == 0 and "/runs" or "/old")
        earlier(name, (count - i) * draw:draw(1, 9) * 3600 + (count - i) * 60, fields)
        previous = draw:draw(0, 3) > 0 and name or previous
      end
      os.execute(("mkdir -p %s/runs %s/old"):format(all, all))
      out = all .. "/runs"
      shell.write(out .. "/older", all .. "/old\n")
      local status, text, err = shell.sh(folder, ("MOONPULSE_RUNS=%s %s runs --participant P07 --json")
        :format(out, shell.quote(shell.program)))
      assert.are.equal(0, status, err)
      local found = cjson.decode(text)
      assert.are.equal(count, found.count)
      local numbers, seen = sessions_of(found.runs), 0
      for i, each in ipairs(numbers) do -- each is that of one before, or the next
        assert.is_true(each >= 1 and each <= seen + 1, ("round %d: %d of run %d"):format(round, each, i))
        seen = math.max(seen, each)
      end
      assert.are.same({ round, found.participant.all.sessions }, { round, seen })
      shell.remove(all)
    end
  end)

  it("names what goes on with a run that broke off, as long as it can", function()
    shell.moonpulse(folder, ("run itbs600 --amt 50 --speed max --fault drop@100 --out %s"):format(out))
    local path = fixture.run_in(out)
    local words = ("\nresume      moonpulse resume %s goes on with trial 5\n"):format(path)
    assert.matches(words, select(2, runs()), 1, true)
    assert.are.same({ { path = path, trial = 5, command = "moonpulse resume " .. path } }, data().broken)
    local events = shell.read(path .. "/events.tsv")
    shell.write(path .. "/events.tsv", (events:gsub("delivered", "otherwise", 1)))
    assert.are.same({}, data().broken)
    shell.write(path .. "/events.tsv", events)
    local status, _, err = shell.moonpulse(folder, ("resume %s --out %s"):format(path, out))
    assert.are.equal(0, status, err)
    assert.are.same({}, data().broken)
    assert.is_nil(select(2, runs()):find("\nresume", 1, true))
  end)

  it("names what was edited, and counts it as no session", function()
    shell.moonpulse(folder, ("run itbs600 --amt 50 --speed max --participant P07 --out %s"):format(out))
    local path = out .. "/" .. shell.names(out)[1]
    os.execute(("sed -i 's/delivered/otherwise/' %s/events.tsv"):format(path))
    assert.matches("EDITED since it was sealed: events.tsv", select(2, runs()), 1, true)
    assert.are.equal("events.tsv", data().runs[1].edited)
  end)

  it("counts no session that was edited before a later one, either", function()
    shell.write(folder .. "/mine.lua", [[local mp = require "moonpulse"
      return mp.protocol { id = "mine", name = "Mine", sessions = { total = 6 },
        plan = function() return mp.pulse(mp.mso(40)) end }]])
    local paths = {}
    for i = 1, 3 do
      shell.moonpulse(folder, ("run %s/mine.lua --speed max --participant P07 --out %s"):format(folder, out))
      for _, name in ipairs(shell.names(out)) do
        local path = out .. "/" .. name
        paths[i] = not (path == paths[1] or path == paths[2]) and path or paths[i]
      end
      -- as on a stimulator, one an hour
      for _, file in ipairs { "manifest.json", "journal.jsonl" } do
        local text = shell.read(paths[i] .. "/" .. file):gsub('("simulated"%s*:%s*)true', "%1false")
          :gsub('("started"%s*:%s*"[^T]*T)%d%d', ("%%1%02d"):format(i))
        shell.write(paths[i] .. "/" .. file, text)
      end
      os.remove(paths[i] .. "/twin.tsv")
      assert(require("moonpulse.record.seal").write(paths[i]))
    end
    local function numbers()
      local list = {}
      for i, run in ipairs(data().runs) do
        list[i] = run.session and ("%d"):format(run.session.number) or "none"
      end
      table.sort(list, function(a, b) return tostring(a) < tostring(b) end)
      return table.concat(list, " ")
    end
    assert.are.equal("1 2 3", numbers())
    os.execute(("sed -i 's/delivered/otherwise/' %s/events.tsv"):format(paths[1]))
    assert.are.equal("1 2 none", numbers())
  end)

  it("tells a run that was killed, recovers it, and the next run of its participant says so", function()
    local run = ("run itbs600 --amt 50 --participant P07 --out %s"):format(out)
    local job = jobs:start("killed", run .. " --tolerance 10000 --late skip")
    local path = shell.await(function()
      local name = shell.names(out)[1]
      return name and (shell.read(("%s/%s/twin.tsv"):format(out, name)) or ""):find "\tpulse\t"
        and out .. "/" .. name
    end, "a pulse")
    assert.matches("running now", select(2, runs()), 1, true)
    assert.are.same({ true, false, 0 }, { data().runs[1].running, data().runs[1].torn, #data().torn })
    job:signal "KILL"
    job:wait()
    shell.await(function() return #data().torn == 1 end, "the end of its guard")
    local _, text = runs()
    assert.matches("TORN: it was killed, and not recovered", text, 1, true)
    assert.matches("\ntorn +moonpulse recover " .. path:gsub("%p", "%%%0"), text)
    assert.are.equal("moonpulse recover " .. path, data().runs[1].recover)
    local words = "a run of p07 was killed, and its record is not whole: moonpulse recover " .. path
    local _, _, err = shell.moonpulse(folder, run:gsub("P07", "p07") .. " --speed max")
    assert.matches(words, err, 1, true)
    _, _, err = shell.moonpulse(folder, run:gsub("P07", "P08") .. " --speed max")
    assert.are.equal("", err)
    local status, said = runs "--recover"
    assert.are.equal(0, status)
    assert.matches("recovered +" .. path:gsub("%p", "%%%0") .. ": %d+ pulses? of 600 planned", said)
    assert.matches("no run is torn", select(2, runs "--recover"), 1, true)
    local recovered = data "--participant P07".runs[1]
    assert.are.same({ 0, false, "interrupted" }, { #data().torn, recovered.torn, recovered.status })
  end)

  it("has the next run on a simulator say so, once, where nobody is named", function()
    local run = ("run itbs600 --amt 50 --out %s "):format(out)
    local job = jobs:start("killed", run .. "--tolerance 10000 --late skip")
    local path = shell.await(function()
      local name = shell.names(out)[1]
      return name and (shell.read(("%s/%s/twin.tsv"):format(out, name)) or ""):find "\tpulse\t"
        and out .. "/" .. name
    end, "a pulse")
    --- What the next run says on standard error; its folder is taken away unless it is kept.
    local function next_says(more, keep)
      local status, said, err = shell.moonpulse(folder, run .. (more or "--speed max"))
      assert.are.equal(0, status, err)
      if not keep then
        shell.remove(assert(said:match "\nrecord +(%S+)"))
      end
      return err
    end
    assert.are.equal("", next_says()) -- it still goes on
    job:signal "KILL"
    job:wait()
    shell.await(function() return #data().torn == 1 end, "the end of its guard")
    local words = "moonpulse: note: the last run was killed, and its record is not whole: moonpulse recover "
    assert.are.equal(words .. path .. "\n", next_says())
    assert.are.equal("", next_says "--speed max --participant P08") -- whose it is not
    shell.copy(path, path .. "_2")
    shell.sh(folder, "mkdir " .. path .. "_3") -- killed before there was anything
    assert.are.equal(words .. path .. "_2; so was the one before it: moonpulse runs --recover\n",
      next_says())
    shell.copy(path, path .. "_4")
    assert.are.equal(words .. path .. "_4; so were the 2 before it: moonpulse runs --recover\n", next_says())
    -- on a stimulator, too, where the port is another
    local _, _, err = shell.moonpulse(folder, ("run itbs600 --amt 50 --device magventure --port %s/none "
      .. "--out %s"):format(folder, out))
    assert.matches(words .. path .. "_4; ", err, 1, true)
    shell.remove(out .. "/" .. shell.names(out)[#shell.names(out)])
    assert.are.equal(words .. path .. "_4; so were the 2 before it: moonpulse runs --recover\n",
      next_says(nil, true))
    assert.are.equal("", next_says())
    shell.copy(path, out .. "/2999-01-01T000000_later") -- those before the one that ended were told
    assert.are.equal(words .. out .. "/2999-01-01T000000_later\n", next_says())
  end)

  it("says what comes next after a session that was stopped, too", function()
    local tty = folder .. "/tty"
    jobs:start("sim", "sim magventure --fault unplug@2 --link " .. tty)
    shell.await(function() return lfs.symlinkattributes(tty, "mode") end, "the simulator's port")
    shell.write(folder .. "/own.lua", [[local mp = require "moonpulse"
      return mp.protocol { name = "Own", sessions = { per_day = 3, total = 6, gap_min = 3000 },
        plan = function() return mp.pulse(mp.mso(40)):times(10, { every = 0.5 }) end }]])
    shell.write(folder .. "/list", "ready\tIs all ready?\n")
    local status, text, err = shell.sh(folder, ("yes y | %s run %s/own.lua --device magventure --port %s "
      .. "--real-pty --preflight %s/list --operator AB --participant P07 --tolerance 5000 --rmt 50 --out %s")
      :format(shell.quote(shell.program), folder, tty, folder, out))
    assert.are_not.equal(0, status)
    assert.matches("moonpulse: ", err, 1, true)
    local words = "session 2 of 6, at the earliest [%d: -]+ %(wait 5[01] min more%); not given whole: "
      .. "session 1 %([1-9] of 10 pulses%)\n"
    assert.matches("\nnext +" .. words, text)
    assert.matches("\nnext +own: " .. words, select(2, runs "--participant P07"))
  end)

  it("follows a session on a stimulator, whose run says what comes next", function()
    local tty = folder .. "/tty"
    jobs:start("sim", "sim magventure --link " .. tty)
    shell.await(function() return lfs.symlinkattributes(tty, "mode") end, "the simulator's port")
    shell.write(folder .. "/two.lua", [[local mp = require "moonpulse"
      return mp.protocol { name = "Two", sessions = { per_day = 3, total = 6, gap_min = 3000 },
        plan = function() return mp.pulse(mp.mso(40)):times(2, { every = 0.2 }) end }]])
    shell.write(folder .. "/list", "ready\tIs all ready?\n")
    local status, text, err = shell.sh(folder, ("yes y | %s run %s/two.lua --device magventure --port %s "
      .. "--real-pty --preflight %s/list --operator AB --participant P07 --tolerance 5000 --rmt 50 --out %s")
      :format(shell.quote(shell.program), folder, tty, folder, out))
    assert.are.equal(0, status, err)
    assert.matches("\nnext +session 2 of 6, at the earliest [%d: -]+ %(wait 5[01] min more%)\n", text)
    local _, said = runs "--participant P07"
    assert.matches("\nin all +2 pulses in 1 session\n", said)
    assert.matches("|P07|two|2 of 2|1 of 6|", words_of(said):gsub("\n", "|"), 1, true)
    assert.matches("\nnext +two: session 2 of 6, at the earliest [%d: -]+ %(wait 5[01] min more%)\n", said)
  end)

  it("tells of the port that a killed run had", function()
    earlier("killed", 5 * MIN, { status = "running", record_version = 3,
      device = { simulated = false, port = "tty" } })
    for port, says in pairs { tty = true, other = false } do
      local status, _, err = shell.moonpulse(folder, ("run itbs600 --amt 50 --device magventure --port %s/%s "
        .. "--out %s"):format(folder, port, out))
      assert.are_not.equal(0, status)
      local words = ("the last run at %s/%s was killed"):format(folder, port)
      assert.are.equal(says, err:find(words, 1, true) ~= nil, err)
    end
  end)

  it("counts a run on a pseudo-terminal as simulated, unless real ones are behind these", function()
    earlier("pty", 5 * MIN, { speed = 1, device = { simulated = true, backend = "pty" } })
    for more, simulated in pairs { [""] = true, [" --real-pty"] = false } do
      assert.are.equal(simulated, data(more).runs[1].simulated, more)
      local _, said = runs(more)
      assert.are.equal(simulated and 1 or 0, select(2, words_of(said):gsub("|simulated|", "")), said)
    end
  end)

  it("said all of its data above as docs/schemas has it", function()
    assert.is_true(#shell.names(kept) > 15)
    local judged, why, err = shell.sh(folder, ("python3 tests/helpers/check_schema.py "
      .. "docs/schemas/runs.schema.json %s/*.json"):format(shell.quote(kept)))
    assert.are.equal(0, judged, why .. err)
  end)
end)
