--- What a participant had before, from the records of earlier runs: what was given counts, whatever the way
--- in which a run ended. The clock is the test's.
local cjson = require "cjson"
local clock = require "moonpulse.safety.clock"
local history = require "moonpulse.safety.history"
local lfs = require "lfs"
local recover = require "moonpulse.record.recover"
local shell = require "shell"

local folder, out, number
local now = os.time { year = 2026, month = 11, day = 25, hour = 15, min = 0, sec = 0 }
local HOUR = 3600

before_each(function()
  folder, number = shell.folder(), 0
  out = folder .. "/runs"
  os.execute("mkdir " .. shell.quote(out))
end)

after_each(function()
  shell.remove(folder)
end)

local function stamp(at)
  return os.date("!%Y-%m-%dT%H:%M:%S+0000", at)
end

--- A run of P07 on a real device with these fields; events: rows of { status, sent }.
local function earlier(fields, events)
  number = number + 1
  local path = ("%s/run%02d"):format(out, number)
  os.execute("mkdir " .. shell.quote(path))
  local manifest = { participant = "P07", started = stamp(now - HOUR), status = "completed",
    kind = "protocol", device = { name = "magventure", simulated = false },
    protocol = { id = "x", pulses = 40 }, result = { pulses_sent = 10, elapsed_s = 60 } }
  for key, value in pairs(fields) do
    manifest[key] = value ~= "none" and value or nil
  end
  shell.write(path .. "/manifest.json", cjson.encode(manifest))
  local rows = { "onset\tevent\tpulse\tonset_planned_us\tonset_sent_us\tstatus" }
  for i, row in ipairs(events or {}) do
    rows[i + 1] = ("%d.0\tpulse\t%d\t0.0\t%s\t%s"):format(i, i, row[2], row[1])
  end
  shell.write(path .. "/events.tsv", table.concat(rows, "\n") .. "\n")
  return path
end

local function of(code, more)
  return history.of(out, code or "P07", now, more)
end

describe("the time of a record", function()
  it("is read at its own offset from universal time", function()
    assert.are.equal(0, clock.seconds_of "1970-01-01T00:00:00Z")
    assert.are.equal(1764066030, clock.seconds_of "2025-11-25T10:20:30+0000")
    assert.are.equal(1764066030, clock.seconds_of "2025-11-25T11:20:30+0100")
    assert.are.equal(1764066030, clock.seconds_of "2025-11-25T04:50:30-05:30")
    assert.are.equal(951827696, clock.seconds_of "2000-02-29T12:34:56.789Z")
    assert.are.equal(os.time { year = 2026, month = 3, day = 1, hour = 8, min = 9, sec = 10 },
      clock.seconds_of "2026-03-01T08:09:10")
    assert.is_nil(clock.seconds_of "yesterday")
    assert.is_nil(clock.seconds_of(nil))
    for at = 0, 2e9, 86400 * 97 + 12345 do
      assert.are.equal(at, clock.seconds_of(stamp(at)))
    end
  end)
end)

describe("a participant's history", function()
  it("says how many runs it found, and where it looked", function()
    assert.are.equal("P07: no earlier run found in " .. out, history.line(of(), "P07"))
    local missing = history.of(folder .. "/nowhere", "P07", now)
    assert.are.equal(("P07: no earlier run found: there is no folder %s/nowhere that can be read"):format(
      folder), history.line(missing, "P07"))
    earlier {}
    earlier { started = stamp(now - 26 * HOUR) }
    assert.are.equal(("P07: 2 earlier runs found in %s: 10 pulses today, 20 within 7 days"):format(out),
      history.line(of(), "P07"))
    assert.are.equal(2, of().sessions)
  end)

  it("says how many were simulated, and that these do not count", function()
    local simulated = { device = { name = "magventure", simulated = true, backend = "pty",
      own_simulator = true } }
    earlier(simulated)
    assert.are.equal("P07: no earlier run on a real stimulator found in " .. out
      .. "; 1 simulated run, not counted", history.line(of(), "P07"))
    earlier(simulated)
    earlier {}
    assert.are.equal(("P07: 1 earlier run found in %s: 10 pulses today, 10 within 7 days; 2 simulated runs, "
      .. "not counted"):format(out), history.line(of(), "P07"))
    assert.are.equal(2, history.facts(of()).simulated)
    assert.are.equal("P08: no earlier run found in " .. out, history.line(of "P08", "P08"))
  end)

  it("compares codes without case", function()
    earlier { participant = "p07" }
    earlier { participant = "P07 " }
    earlier { participant = "P070" }
    for _, code in ipairs { "P07", "p07", " P07" } do
      assert.are.equal(2, of(code).sessions)
    end
  end)

  it("counts a day by this host's calendar and a week by the hour, at both edges", function()
    local midnight = now - 15 * HOUR
    earlier { started = stamp(midnight) }
    assert.are.equal(10, of().day)
    earlier { started = stamp(midnight - 1) }
    assert.are.same({ 10, 20 }, { of().day, of().week })
    earlier { started = stamp(now - 7 * 24 * HOUR + 1) }
    assert.are.equal(30, of().week)
    earlier { started = stamp(now - 7 * 24 * HOUR) }
    assert.are.same({ 30, 4 }, { of().week, of().sessions })
    -- the same instant, written far away
    earlier { started = os.date("!%Y-%m-%dT%H:%M:%S+1300", now - HOUR + 13 * HOUR) }
    earlier { started = os.date("!%Y-%m-%dT%H:%M:%S-0800", now - HOUR - 8 * HOUR) }
    assert.are.same({ 30, 50 }, { of().day, of().week })
    assert.are.equal(HOUR - 60, of().last_end_s)
  end)

  it("knows when the last session was over to the microsecond, as a gap is asked from then", function()
    earlier { started = os.date("!%Y-%m-%dT%H:%M:%S.889400+00:00", now - HOUR),
      result = { pulses_sent = 10, elapsed_s = 14.348574 } }
    assert.are.equal("15.237974", ("%.6f"):format(of().runs[1].ended - (now - HOUR)))
    assert.are.equal(now - HOUR, of().runs[1].at)
  end)

  it("takes what began in the future, or does not say when, for today's", function()
    earlier { started = stamp(now + 40 * 24 * HOUR) }
    assert.are.same({ 10, 10, 0 }, { of().day, of().week, of().last_end_s })
    assert.matches("run01 began in the future by this host's clock", of().notes[1], 1, true)
    earlier { started = "none" }
    assert.are.equal(20, of().day)
    assert.matches("run02 does not say when it began", of().notes[2], 1, true)
  end)

  it("counts what was perhaps given, and not what was left out", function()
    earlier({ result = { pulses_sent = 2, elapsed_s = 9 } }, { { "delivered", "1.0" }, { "sent", "2.0" },
      { "perhaps_sent", "n/a" }, { "late", "n/a" }, { "stopped", "n/a" }, { "not_taken", "n/a" } })
    assert.are.equal(3, of().day)
    -- refused or stopped before the first pulse: no session at all
    earlier { result = { pulses_sent = 0, elapsed_s = 9 }, status = "not run" }
    assert.are.equal(1, of().sessions)
    -- no result at all: all that was planned
    earlier { result = "none" }
    assert.are.equal(43, of().day)
  end)

  it("counts what the device gave and nobody sent, however the run ended", function()
    local function unasked(fields, sent, count)
      local path, rows = earlier(fields, {}), {}
      for i = 1, sent + count do
        rows[i] = i <= sent and ("%d.0\tpulse\t%d\t0.0\t1\tdelivered"):format(i, i)
          or ("%d.0\tunasked_pulse\tn/a\t0.0\tn/a\tdelivered"):format(i)
      end
      shell.write(path .. "/events.tsv", "onset\tevent\tpulse\tonset_planned_us\tonset_sent_us\tstatus\n"
        .. table.concat(rows, "\n") .. "\n")
    end
    unasked({ status = "device fault", result = { pulses_sent = 5, elapsed_s = 10 } }, 5, 300)
    assert.are.equal(305, of().day)
    assert.are.equal(now - HOUR + 305, of().runs[1].ended)
    unasked({ status = "device fault", result = { pulses_sent = 0, elapsed_s = 10 } }, 0, 2)
    assert.are.same({ 307, 2 }, { of().day, of().sessions })
    unasked({ status = "running", result = "none", protocol = { id = "x", pulses = 1 } }, 3, 4)
    assert.are.same({ 314, 314, 3 }, { of().day, of().week, of().sessions })
    -- long ago it is a session all the same
    unasked({ started = stamp(now - 30 * 24 * HOUR), result = { pulses_sent = 0, elapsed_s = 10 } }, 0, 2)
    assert.are.same({ 314, 4 }, { of().week, of().sessions })
  end)

  it("counts rows of a run that still says running, and says that it is torn", function()
    local rows = {}
    for i = 1, 12 do
      rows[i] = { "delivered", i .. ".0" }
    end
    earlier({ status = "running", kind = "experiment", result = "none", protocol = { id = "e", pulses = 0 } },
      rows)
    local found = of()
    assert.are.equal(12, found.day)
    assert.is_true(found.runs[1].torn)
    assert.are.equal(now - HOUR + 12, found.runs[1].ended)
    assert.matches("run01 is torn", table.concat(found.notes, "\n"), 1, true)
    assert.matches("1 earlier run found in .*, 1 of them torn: 12 pulses today", history.line(found, "P07"))
    -- a plan whose flight record cannot be read counts in full
    earlier({ status = "running", result = "none", flight = { actions = {} } }, rows)
    assert.are.equal(52, of().day)
  end)

  it("counts what it planned of a torn run whose record is damaged so that reading it has no end", function()
    local rows = recover.rows
    finally(function() recover.rows = rows end)
    recover.rows = function()
      while true do
        rows = rows
      end
    end
    earlier { status = "running", result = "none" }
    local found = of()
    assert.are.equal(40, found.day)
    assert.matches("run01 is torn", table.concat(found.notes, "\n"), 1, true)
  end)

  it("counts runs behind a pseudo-terminal where the lab says what is behind it, else says so", function()
    local pty = { name = "magventure", simulated = true, backend = "pty" }
    earlier { device = pty, speed = 1 }
    local simulator = earlier { device = pty, speed = 1 }
    shell.write(simulator .. "/twin.tsv", "")
    earlier { device = pty, speed = 10 }
    earlier { device = { name = "magventure", simulated = true, backend = "pty", own_simulator = true },
      speed = 1 }
    earlier { device = { name = "magventure", simulated = true, backend = "pty", twin = true },
      speed = 1 } -- as it was called before
    assert.are.equal(0, of().sessions)
    assert.matches("1 run of P07 went through a pseudo-terminal and is not counted", of().notes[1], 1, true)
    assert.matches("real_pseudo_terminals = true", of().notes[1], 1, true)
    local declared = of("P07", true)
    assert.are.same({ 1, 10, {} }, { declared.sessions, declared.day, declared.notes })
  end)

  it("names a damaged folder and goes on", function()
    earlier {}
    local broken = {
      cut = '{"participant":"P07",', list = "[1,2", number = "7", none = "",
      odd = cjson.encode { participant = "P07", device = 7, started = { 1 }, result = "much",
        protocol = { id = {}, pulses = -3 }, status = "completed" },
      torn = cjson.encode { participant = "P07", device = {}, started = stamp(now - HOUR), status = "running",
        protocol = { pulses = 30 }, flight = { actions = 7 } },
      other = cjson.encode { participant = 7 },
    }
    for name, text in pairs(broken) do
      os.execute(("mkdir %s/%s"):format(shell.quote(out), name))
      shell.write(("%s/%s/manifest.json"):format(out, name), text)
      shell.write(("%s/%s/flight.bin"):format(out, name), ("\0\255"):rep(999))
    end
    os.execute(("mkdir %s/orphan %s/notes && : > %s/orphan/flight.bin"):format(shell.quote(out),
      shell.quote(out), shell.quote(out)))
    local found = of()
    assert.are.equal(40, found.day) -- ten, and the thirty that the torn one planned
    local named = table.concat(found.unreadable, "\n")
    for _, name in ipairs { "cut", "list", "number", "none", "orphan" } do
      assert.matches("/" .. name .. "/manifest.json", named, 1, true)
    end
    assert.is_nil(named:find("notes", 1, true))
    assert.is_nil(named:find("other", 1, true))
  end)

  it("names what lies in place of a file, and does not wait for it", function()
    earlier {}
    local places = { fifo = "mkfifo %s", device = "ln -s /dev/zero %s", folder = "mkdir %s",
      loop = "ln -s %s %s", nowhere = "ln -s /no/such/file %s", sparse = "truncate -s 1T %s" }
    for name, make in pairs(places) do
      os.execute("mkdir " .. shell.quote(out .. "/" .. name))
      local path = shell.quote(("%s/%s/manifest.json"):format(out, name))
      assert(os.execute(make:format(path, path)))
    end
    local named = table.concat(of().unreadable, "\n")
    for name in pairs(places) do
      assert.matches("/" .. name .. "/manifest.json", named, 1, true)
    end
    assert.are.equal(10, of().day)
    -- the same in place of the flight record and the rows of a torn run: what it planned counts
    for _, make in pairs(places) do
      local path = earlier { status = "running", result = "none", flight = { actions = {} } }
      for _, file in ipairs { "flight.bin", "events.tsv" } do
        local at = shell.quote(path .. "/" .. file)
        assert(os.execute(("rm -f %s; "):format(at) .. make:format(at, at)))
      end
    end
    assert.are.equal(10 + 40 * 6, of().day)
  end)

  it("counts every plan that an experiment began, where nothing else of it can be read", function()
    shell.write(folder .. "/exp.lua", [[local mp = require "moonpulse"
      return mp.experiment { run = function(run)
        local stim = run:device()
        stim:arm()
        run:mark "one"
        stim:play(mp.train { pulses = 12, hz = 1, intensity = mp.mso(30) })
        run:mark "two"
        stim:play(mp.train { pulses = 30, hz = 1, intensity = mp.mso(30) })
      end }]])
    local status, _, err = shell.moonpulse(folder, ("run %s/exp.lua --speed max --participant P07 --out %s")
      :format(folder, shell.quote(out)))
    assert.are.equal(0, status, err)
    local path = out .. "/" .. shell.names(out)[1]
    local manifest = cjson.decode(shell.read(path .. "/manifest.json"))
    manifest.device.simulated, manifest.started = false, stamp(now - HOUR)
    manifest.status, manifest.result, manifest.protocol.pulses = "running", nil, nil -- as while it runs
    shell.write(path .. "/manifest.json", cjson.encode(manifest))
    os.remove(path .. "/SHA256SUMS") -- it is not sealed as long as it runs
    os.remove(path .. "/verify.sh")
    assert.are.equal(42, of().day) -- as its flight record says
    shell.write(path .. "/flight.bin", "none")
    shell.write(path .. "/events.tsv", "")
    assert.are.equal(42, of().day) -- as its journal says
    assert.matches("42 pulses counted, from what it planned", table.concat(of().notes, "\n"), 1, true)
    assert.matches(", 1 of them torn", history.line(of(), "P07"), 1, true)
  end)

  it("takes no number and no time that cannot be", function()
    for _, sent in ipairs { 1e308, -5, 0.5, "many", 1e18 } do
      earlier { result = { pulses_sent = sent, elapsed_s = 1e308 }, protocol = { id = "x", pulses = 7 } }
    end
    local path = earlier {}
    local text = shell.read(path .. "/manifest.json"):gsub('"pulses_sent":10', '"pulses_sent":1e999')
      :gsub('"pulses":40', '"pulses":NaN')
    shell.write(path .. "/manifest.json", text)
    assert.are.same({ 35, 35 }, { of().day, of().week })
    assert.matches("35 pulses today", history.line(of(), "P07"), 1, true)
    for _, at in ipairs { "2026-99-01T00:00:00Z", "2026-01-32T00:00:00Z", "2026-01-01T25:00:00Z", "26-01-01",
      7 } do
      assert.is_nil(clock.seconds_of(at))
    end
    earlier { started = "9999-99-99T99:99:99+9999" }
    assert.are.equal(45, of().day)
  end)

  it("shows names without what moves a terminal's cursor", function()
    local odd = out .. "/\27[2J"
    os.execute(("mkdir %s && : > %s"):format(shell.quote(odd), shell.quote(odd .. "/manifest.json")))
    earlier { started = "\27[31m2026", protocol = { id = "x", pulses = 40 } }
    local found = of()
    local text = table.concat(found.notes, "\n") .. table.concat(found.unreadable, "\n")
    assert.matches("\\x1B[2J/manifest.json", text, 1, true)
    assert.is_nil(text:find("\27", 1, true))
  end)

  it("does not hang on a flight record that never ends", function()
    local part = { cell = { { offset = 0, action = {} } }, levels = { { count = 1 << 50, num = 1, den = 50,
      period = 0.02 } }, pulses = 3, span = 0.06, last = 0.04 }
    local path = earlier { status = "running", result = "none", flight = { wire_ns = { 1 }, marks = {},
      latency_ns = 0, actions = { { channel = "1", mso = 40, intensity = 40, reference = "MSO", part = part,
        train = { confirms = 1 } } } } }
    local core = require "moonpulse.core"
    local flight = assert(core.flight(path .. "/flight.bin", 64))
    flight:start(1000)
    flight:close()
    local before = os.clock()
    assert.are.equal(40, of().day)
    assert.is_true(os.clock() - before < 20)
  end)
end)

describe("an experiment that was killed", function()
  it("counts what it gave, as check --participant says", function()
    local link, log = folder .. "/port", folder .. "/twin.tsv"
    local sim = shell.start(folder, "sim", ("sim magventure --link %s --log %s"):format(link, log))
    sim:says(" on (%S+)")
    shell.write(folder .. "/killed.lua", [[
      local mp = require "moonpulse"
      return mp.experiment(function(run)
        local stim = run:device()
        stim:arm()
        for _ = 1, 400 do stim:fire(mp.pulse { intensity = mp.mso(40) }); run:sleep(0.02) end
      end)
    ]])
    local job = shell.start(folder, "again", ("run %s/killed.lua --rmt 50 --participant P07 --out %s "
      .. "--device magventure --port %s --tolerance 1000"):format(folder, out, link))
    local function seen()
      local _, pulses = (shell.read(log) or ""):gsub("\tpulse\t", "")
      return pulses
    end
    shell.await(function() return seen() >= 5 end, "five pulses")
    job:signal("KILL")
    job:wait()
    sim:signal("INT")
    sim:wait()
    local given, runs = seen(), shell.names(out)
    local path = ("%s/%s/manifest.json"):format(out, runs[#runs])
    local manifest = cjson.decode(shell.read(path))
    assert.are.same({ "running", true }, { manifest.status, manifest.device.simulated })
    manifest.device.simulated = false
    shell.write(path, cjson.encode(manifest))
    local events = shell.read(("%s/%s/events.tsv"):format(out, runs[#runs]))
    local status, text, err = shell.moonpulse(folder, ("check itbs600 --amt 40 --participant p07 --out %s "
      .. "--json"):format(out))
    assert.are.equal(0, status, err)
    local day
    for _, finding in ipairs(cjson.decode(text).findings) do
      day = finding.rule == "pulses a day" and finding.value or day
    end
    -- one that was being written when it was killed may have been thrown away by the guard
    assert.is_true(day == 600 + given or day == 601 + given,
      ("%d, and the simulator saw %d"):format(day, given))
    assert.matches("is torn (killed, or it still runs)", err, 1, true)
    assert.matches("pulses counted, from its flight record;", err, 1, true)
    assert.are.equal(events, shell.read(("%s/%s/events.tsv"):format(out, runs[#runs]))) -- read only
    assert.are.equal("running", cjson.decode(shell.read(path)).status)
  end)
end)

describe("folders of another account", function()
  local as

  before_each(function()
    out = folder
    os.execute("mkdir -p " .. shell.quote(out .. "/runs/theirs"))
    shell.write(out .. "/runs/theirs/manifest.json", cjson.encode { participant = "P07",
      status = "completed", started = os.date("!%Y-%m-%dT%H:%M:%SZ"), device = { simulated = false },
      protocol = { id = "itbs600" }, result = { pulses_sent = 600 } })
    os.execute(("chmod 755 %s %s/runs; chmod 700 %s/runs/theirs"):format(shell.quote(out), shell.quote(out),
      shell.quote(out)))
    -- root reads all, so it becomes somebody else; somebody else closes the folder to itself
    local _, uid = shell.sh(out, "id -u")
    as = "setpriv --reuid=65534 --regid=65534 --clear-groups env HOME=/nonexistent XDG_CACHE_HOME="
    if tonumber(uid) ~= 0 then
      as = "env XDG_CACHE_HOME="
      os.execute("chmod 000 " .. shell.quote(out .. "/runs/theirs"))
    end
    as = as .. shell.quote(out .. "/cache") .. " "
    os.execute(("mkdir -m 777 %s/cache"):format(shell.quote(out)))
  end)

  after_each(function()
    os.execute("chmod -R u+rwX " .. shell.quote(folder))
  end)

  local function command(arguments)
    local program = shell.program:match("^/") and shell.program or lfs.currentdir() .. "/" .. shell.program
    return shell.sh(out, ("%s %s %s --out %s/runs"):format(as, shell.quote(program), arguments,
      shell.quote(out)))
  end

  --- Where this tree lies in a folder of root's alone, nobody else can run the program.
  local function can_run()
    return (command "--version") == 0
  end

  it("are named, by reading and by the index: they are not taken for folders of nothing", function()
    if not can_run() then
      return pending "no other account can run the program where it lies"
    end
    for _, others in ipairs { 0, 230 } do
      for i = 1, others do
        os.execute(("mkdir %s/runs/%03d"):format(shell.quote(out), i))
      end
      local status, out_of, err = command "check itbs600 --amt 50 --participant P07"
      assert.are.equal(0, status, err)
      assert.matches("P07: no earlier run found in [^\n]*; 1 folder cannot be read", out_of)
      assert.matches(out .. "/runs/theirs cannot be read: if it is a run of P07, its pulses are not counted",
        err, 1, true)
      local _, said
      status, _, said = command "runs --participant P07"
      assert.are.equal(0, status, said)
      assert.matches("/runs/theirs cannot be read", said, 1, true)
      local _, listed = command "runs"
      assert.matches("its folder cannot be read by this account", listed, 1, true)
    end
  end)

  it("are all counted where they are many: the first by name, the others by their folder", function()
    for count = 0, 9 do
      local paths = {}
      for i = 1, count do
        paths[i] = ("/runs/x%d"):format(i)
      end
      local said = history.unread({ unreadable = paths, folder = "/runs" }, "P07")
      local named = 0
      for i, sentence in ipairs(said) do
        if sentence:find(("/runs/x%d cannot be read: if it is a run of P07"):format(i), 1, true) then
          named = named + 1
        end
      end
      assert.are.equal(count <= 5 and count or 4, named)
      assert.are.equal(math.min(count, 5), #said)
      assert.are.equal(count > 5 and ("%d more cannot be read (ls -l /runs): if they are runs of P07, their "
        .. "pulses are not counted"):format(count - 4) or nil, said[named + 1])
    end
  end)

  it("are named where their place may be listed but not entered, or not even listed", function()
    if not can_run() then
      return pending "no other account can run the program where it lies"
    end
    os.execute(("chmod 744 %s/runs"):format(shell.quote(out)))
    if as:match "^env" then
      os.execute(("chmod 444 %s/runs"):format(shell.quote(out)))
    end
    local _, _, err = command "check itbs600 --amt 50 --participant P07"
    assert.matches("/runs/theirs cannot be read", err, 1, true)
    os.execute(("chmod 000 %s/runs"):format(shell.quote(out)))
    _, _, err = command "check itbs600 --amt 50 --participant P07"
    assert.matches(out .. "/runs cannot be read by this account: what P07 had there is not counted", err, 1,
      true)
  end)
end)
