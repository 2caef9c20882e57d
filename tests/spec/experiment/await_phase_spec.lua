-- run:signal and await_phase: a pulse where the rhythm has its phase. The witness of a simulated one is its
-- own generator, made again from the seed: the phase that it had when the pulse left. In real time it is
-- another program's clock, by which that sends a sine.
local author = require "author"
local fixture = require "job"
local shell = require "shell"
local rhythms = require "moonpulse.experiment.rhythm"
local simulated = require "moonpulse.experiment.simulated_rhythm"

describe("await_phase", function()
  local folder, jobs
  fixture.each_test(function(new, list) folder, jobs = new, list end)

  local before = "local stim, pulse = run:device(), mp.pulse(mp.mso(40)) "

  local function perform(body, more)
    return author.perform(folder, before, body, more)
  end

  --- The true phase at those instants, in degrees, of the first signal of a run, begun at its start.
  local function phases(seed, of, instants)
    local rhythm, count, was, list = simulated.new(simulated.seed_of(seed, 1), of), 0, 0, {}
    for i, at in ipairs(instants) do
      while count <= at * of.rate do
        was = rhythm.phase
        rhythm:next()
        count = count + 1
      end
      local part = at * of.rate - (count - 1)
      list[i] = 360 * (was + part * ((rhythm.phase - was) % 1))
    end
    return list
  end

  --- Mean error and circular sd, in degrees.
  local function spread(errors)
    local c, s = 0, 0
    for _, error_degrees in ipairs(errors) do
      c, s = c + math.cos(math.rad(error_degrees)), s + math.sin(math.rad(error_degrees))
    end
    local length = math.sqrt(c * c + s * s) / #errors
    return math.deg(math.atan(s, c)), math.deg(math.sqrt(-2 * math.log(length)))
  end

  local function onsets(run)
    local list = {}
    for _, row in ipairs((fixture.pulse_rows(run))) do
      list[#list + 1] = tonumber(row.onset)
    end
    return list
  end

  --- Pulses at four phases in turn: the errors at each of them, and the sd that was expected (root mean
  --- square).
  local function locked(snr_db, pulses, seed)
    local status, out, err, run = perform(([[
      local eeg = run:signal { rate = 500, delay = 0.004, simulated = { hz = 10, snr_db = %g } }
      stim:arm(pulse)
      local sum = 0
      for i = 1, %d do
        local at, about = eeg:await_phase { hz = { 8, 13 }, degrees = 90 * (i %% 4) }
        stim:fire(pulse, { at = at })
        sum = sum + about.sd_degrees ^ 2
        run:sleep(0.4)
      end
      stim:disarm()
      run:note(("expected %%.2f"):format((sum / %d) ^ 0.5))
    ]]):format(snr_db, pulses, pulses), ("--rmt 60 --seed %d"):format(seed))
    assert.are.equal(0, status, out .. err)
    local of, all = { [0] = {}, {}, {}, {} }, {}
    for i, phase in ipairs(phases(seed, { hz = 10, snr_db = snr_db, rate = 500 }, onsets(run))) do
      all[i] = phase - 90 * (i % 4)
      table.insert(of[i % 4], all[i])
    end
    assert.are.equal(pulses, #all)
    return of, all, tonumber(out:match "expected ([%d.]+)"), run
  end

  it("is within 20 degrees (circular sd) of each phase at 0 dB, and expects what it does", function()
    local of, all, expected, run = locked(0, 240, 5)
    local mean, sd = spread(all)
    assert.is_true(sd <= 20 and math.abs(mean) < 5, ("%.1f, %.1f"):format(mean, sd))
    assert.is_true(math.abs(expected - sd) < 0.25 * sd, ("%.1f expected, %.1f"):format(expected, sd))
    for quarter, errors in pairs(of) do
      mean, sd = spread(errors)
      assert.is_true(sd <= 22 and math.abs(mean) < 8, ("%d: %.1f, %.1f"):format(90 * quarter, mean, sd))
    end
    local marks = 0
    local starts = onsets(run)
    for _, row in ipairs(select(2, fixture.pulse_rows(run))) do
      local degrees = row.reply:match "^phase: (%d+) degrees of %d+%.%d Hz$"
      if degrees then
        marks = marks + 1
        assert.are.equal(90 * (marks % 4), tonumber(degrees))
        assert.are.equal(starts[marks], tonumber(row.onset))
      end
    end
    assert.are.equal(240, marks)
  end)

  it("says of more noise that it will be farther off, and is", function()
    local sds, said = {}, {}
    for i, snr_db in ipairs { 8, -4 } do
      local _, all, expected = locked(snr_db, 60, 2)
      sds[i], said[i] = select(2, spread(all)), expected
      assert.is_true(expected > 0.6 * sds[i] and expected < 1.6 * sds[i], ("%.1f expected, %.1f"):format(
        expected, sds[i]))
    end
    assert.is_true(sds[2] > 1.5 * sds[1] and said[2] > 1.5 * said[1])
  end)

  it("makes the same bytes twice, is made again by verify and rerun, ends when its time is over", function()
    local body = [[
      local eeg = run:signal { rate = 250, simulated = { hz = 6, snr_db = 0 } }
      stim:arm(pulse)
      run:spawn(function()
        run:note(tostring((eeg:await_phase { hz = { 4, 8 }, degrees = 0, timeout = 2 })))
      end)
      for _ = 1, 3 do stim:fire(pulse, { at = (eeg:await_phase { hz = { 4, 8 }, degrees = -90 }) }) end
      run:note(select(2, eeg:await_phase { hz = { 4, 8 }, degrees = 0, least = 1000, timeout = 3 }).why)
    ]]
    local texts = {}
    for i = 1, 2 do
      local status, out, err, run = perform(body, "--seed 9")
      assert.are.equal(0, status, out .. err)
      assert.matches("the amplitude is [%d.]+, below least = 1000", out)
      texts[i] = shell.read(run .. "/events.tsv")
      assert.matches("phase: none came in time: fewer than 3 s of samples", texts[i])
      assert.are.equal(0, (shell.sh(folder, shell.program .. " verify " .. run)))
      if i == 2 then
        local _, said = shell.sh(folder, shell.program .. " rerun " .. run)
        assert.matches("SAME", said)
      end
    end
    assert.are.equal(texts[1], texts[2])
  end)

  it("ends with a fault where a datagram is no whole number of samples, or too long", function()
    for bytes, message in pairs { [7] = "a datagram of 7 bytes: a sample is 4 of them",
      [4104] = "a datagram of 4104 bytes: at most 4096" } do
      shell.write(folder .. "/made.lua", ([[
        local mp = require "moonpulse"
        return mp.experiment(function(run)
          local eeg = run:signal { rate = 250, from = "unix:%s/eeg" }
          os.execute("python3 %s/send.py")
          eeg:await_phase { hz = { 8, 13 }, degrees = 0, timeout = 20 }
        end)
      ]]):format(folder, folder))
      shell.write(folder .. "/send.py", ("import socket\ns=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM)\n"
        .. "s.connect('%s/eeg')\ns.send(bytes(%d))\n"):format(folder, bytes))
      local status, _, err = shell.moonpulse(folder, ("run %s/made.lua --out %s/runs"):format(folder, folder))
      assert.are.equal(4, status, err)
      assert.matches(message, err, 1, true)
    end
  end)

  it("gives a sample when it is as old as its delay, and begins anew after a gap", function()
    local sources = require "moonpulse.experiment.signal_source"
    local source = sources.new({ rate = 1000, delay_ns = 30000000, blank_ns = 0, seed = 1, number = 1,
      simulated = { hz = 10, snr_db = 0 } }, {}, function() end)
    repeat source:catch_up(function() end) until source.last_ns
    assert.is_true(source.heard_ns - source.last_ns >= 30000000)

    local rhythm = rhythms.new(250, 8, 13)
    local function add(samples, of)
      for i = 1, samples do rhythm:add(of and of * math.cos(2 * math.pi * i / 25)) end
      return rhythm:now(0)
    end
    assert.is_nil(add(725, 3))
    assert.is_true(math.abs((add(500, 3).phase + 0.5) % 1 - 0.5) < 0.01) -- so many are 20 turns
    assert.is_true(math.abs(add(25, nil).hz - 10) < 0.1)
    local was = rhythm:now(0).sd_degrees
    assert.is_true(add(400, nil).sd_degrees > was)
    assert.is_nil(add(150, nil))
    assert.is_nil(add(725, 3))
    assert.is_true(math.abs(add(75, 3).amplitude - 3) < 0.3)
  end)

  --- Datagrams of 5 samples come so many a second, each by chance up to 3 ms late; what is wrong then.
  local function trouble_of(per_second, lost)
    local sources = require "moonpulse.experiment.signal_source"
    local place, told = shell.folder(), 0
    local source = sources.new({ rate = 1000, from = ("unix:%s/eeg"):format(place), delay_ns = 0,
      blank_ns = 0, seed = 1, number = 1 }, {}, function() told = told + 1 end)
    local began_ns = source.heard_ns
    for i = 1, 12 * per_second // 5 do
      if i % (lost or math.huge) ~= 0 then
        source:take(("\0"):rep(20), began_ns + (i * 5 * 1000000000) // per_second + i * 7919 % 3000000)
      end
    end
    source:close()
    shell.remove(place)
    assert.are.equal(source.trouble and 1 or 0, math.min(told, 1))
    return source.trouble
  end

  it("ends with a fault where samples come slower than their rate, or are lost", function()
    assert.is_nil(trouble_of(1000))
    assert.matches("come at 9[01]%d%.%d a second, and rate = 1000: give the rate", trouble_of(900) or "")
    assert.matches("come at 97%d%.%d a second", trouble_of(975) or "")
    assert.matches("come at 99%d%.%d a second", trouble_of(997) or "")
    assert.matches("lost on their way", trouble_of(1000, 250) or "")
    assert.is_nil(trouble_of(1010)) -- the soonest count: it stays with them
  end)

  it("leaves out what comes while a plan of ours is given, and after it", function()
    local seen = {}
    local given = { { from_ns = 2000, until_ns = 3000 }, { from_ns = 9000 } }
    local sources = require "moonpulse.experiment.signal_source"
    local source = sources.new({ rate = 1000, delay_ns = 0, blank_ns = 10000000, seed = 1, number = 1,
      simulated = { hz = 10, snr_db = 0 } }, given, function() end)
    for _, each in ipairs(given) do
      each.from_ns = source.start_ns + each.from_ns * 1000
      each.until_ns = each.until_ns and source.start_ns + each.until_ns * 1000
    end
    source.takers[1] = { add = function(_, value) seen[#seen + 1] = value and "s" or "-" end }
    repeat source:catch_up(function() end) until #seen >= 20
    assert.are.equal("s" .. ("-"):rep(19), table.concat(seen, "", 1, 20))
  end)

  for call, message in pairs {
    ["run:signal { rate = 100, simulated = { hz = 10, snr_db = 0 } }"] =
      "rate must be a number from 200 to 20000, not 100",
    ["run:signal { rate = 1000 }"] = "where do samples come from?",
    ["run:signal { rate = 1000, from = 'tcp:1' }"] = "from must be \"udp:127.0.0.1:PORT\" or \"unix:/PATH\"",
    ["run:signal { rate = 1000, from = 'udp:127.0.0.1:5005' }"] = "in virtual time no other program sends",
    ["run:signal { rate = 1000, simulated = { hz = 10 } }"] = "snr_db is missing",
    ["eeg:await_phase { hz = 10, degrees = 0 }"] = "hz must be the band's two ends, like { 8, 13 }, not 10",
    ["eeg:await_phase { hz = { 13, 8 }, degrees = 0 }"] = "the lower end comes first",
    ["eeg:await_phase { hz = { 8, 13 } }"] = "degrees is missing",
    ["eeg:await_phase { hz = { 8, 13 }, degrees = 400 }"] = "must be a number from -360 to 360, not 400",
    ["eeg:await_phase { hz = { 8, 13 }, degrees = 0, ahed = 1 }"] = "there is no option \"ahed\"",
    ["eeg:await_trough()"] = "eeg has no \"await_trough\"",
  } do
    it("refuses " .. call, function()
      local status, _, err = perform([[
        local eeg = run:signal { rate = 1000, simulated = { hz = 10, snr_db = 0 } }
      ]] .. call)
      assert.are.equal(2, status, err)
      assert.matches(message, err, 1, true)
      assert.matches("made.lua:%d", err)
    end)
  end

  it("hears another program's samples in real time, and names it where that stops", function()
    local from = "unix:" .. folder .. "/eeg"
    shell.write(folder .. "/made.lua", ([[
      local mp = require "moonpulse"
      return mp.experiment(function(run)
        %s
        local eeg = run:signal { rate = 250, from = %q, delay = 0.02 }
        stim:arm(pulse)
        run:note "listening"
        for i = 1, 8 do
          local at, about = eeg:await_phase { hz = { 8, 13 }, degrees = 180, ahead = 0.1, timeout = 20 }
          if at then
            stim:fire(pulse, { at = at })
            run:note(("%%.3f %%.3f Hz, amplitude %%.3f"):format(at, about.hz, about.amplitude))
          end
        end
        run:note "enough"
        local at, about
        repeat -- until no more come
          at, about = eeg:await_phase { hz = { 8, 13 }, degrees = 0, timeout = 1 }
          run:sleep(0.1)
        until not at
        run:note(about.why)
      end)
    ]]):format(before, from))
    shell.write(folder .. "/send.py", [[
import math, socket, struct, sys, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.connect(sys.argv[1])
start, n = time.monotonic(), 0
print("%.9f" % start, flush=True)
while time.monotonic() - start < 30:
    while n + 4 < (time.monotonic() - start - 0.02) * 250:   # five a datagram, 20 ms after the last of them
        try:
            s.send(struct.pack("<5f", *[7 * math.cos(2 * math.pi * 9.5 * (n + i) / 250) for i in range(5)]))
        except OSError:
            sys.exit()
        n += 5
    time.sleep(0.005)
]])
    local job = jobs:start("job", ("run %s/made.lua --rmt 60 --tolerance 1000 --out %s/runs"):format(folder,
      folder))
    job:says "listening"
    os.execute(("cd %s && { python3 send.py %s/eeg > started & echo $! > sender; }"):format(folder, folder))
    job:says "enough"
    os.execute("kill $(cat " .. folder .. "/sender)")
    assert.are.equal(0, job:wait(), job:err())
    local run = fixture.run_in(folder .. "/runs")
    local said = job:out()
    assert.matches("no sample has come from unix:" .. folder:gsub("%p", "%%%0") .. "/eeg for 0.5 s", said)
    assert.matches("no sample came from unix:", said)
    local clock = tonumber(shell.read(run .. "/journal.jsonl"):match '"clock_ns":"?(%d+)')
    local started = tonumber((shell.read(folder .. "/started"):gsub("%s", "")))
    local errors = {}
    for at, hz, amplitude in said:gmatch "([%d.]+) ([%d.]+) Hz, amplitude ([%d.]+)" do
      errors[#errors + 1] = 360 * 9.5 * (clock / 1e9 + at - started) - 180
      assert.is_true(math.abs(hz - 9.5) < 0.1 and math.abs(amplitude - 7) < 1, said)
    end
    assert.are.equal(8, #errors)
    local mean, sd = spread(errors)
    assert.is_true(math.abs(mean) < 30 and sd < 20, ("%.1f, %.1f"):format(mean, sd)) -- the delay is 68
    assert.are.equal(0, (shell.sh(folder, shell.program .. " verify " .. run)))
    local _, again = shell.sh(folder, shell.program .. " rerun " .. run)
    assert.matches("SAME", again)
  end)
end)
