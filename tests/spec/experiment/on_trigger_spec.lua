-- A plan that is armed ahead: which triggers start it, what the record has of each, and what is refused. The
-- witness is the simulator: what it says it gave (twin.tsv).
local cjson = require "cjson"
local core = require "moonpulse.core"
local fixture = require "job"
local shell = require "shell"

local folder

before_each(function() folder = shell.folder() end)
after_each(function() shell.remove(folder) end)

local function write(body)
  shell.write(folder .. "/made.lua", 'local mp = require "moonpulse"\nreturn mp.experiment(function(run)\n'
    .. "local stim, pulse = run:device(), mp.pulse(mp.mso(40))\nstim:arm(pulse)\n" .. body
    .. "\nstim:disarm() end)\n")
end

local function moonpulse(options)
  return shell.moonpulse(folder, ("run %s/made.lua --seed 1 --out %s/runs " .. options):format(folder, folder,
    folder))
end

--- Run it in virtual time with these triggers: { seconds, byte }.
local function run(body, triggers, more)
  write(body)
  local lines = {}
  for i, each in ipairs(triggers) do
    lines[i] = ("%.9f port %d"):format(each[1], each[2])
  end
  shell.write(folder .. "/triggers", table.concat(lines, "\n") .. "\n")
  return moonpulse("--speed max --triggers %s/triggers --beyond-guidelines test --approval none "
    .. (more or ""))
end

local function rows(name, event)
  local list = {}
  for _, row in ipairs(shell.rows(fixture.run_in(folder .. "/runs") .. "/" .. name)) do
    list[#list + 1] = (not event or row.event == event) and row or nil
  end
  return list
end

--- When the simulator gave its pulses, in seconds from the run's start.
local function given()
  local list = {}
  for i, row in ipairs(rows("events.tsv", "pulse")) do
    assert.are.equal("delivered", row.status)
    list[i] = math.floor(tonumber(row.onset) * 1000 + 0.5) / 1000
  end
  local pulses = 0
  for _, row in ipairs(rows "twin.tsv") do
    pulses = pulses + (row.event == "pulse" and 1 or 0)
  end
  assert.are.equal(#list, pulses, "the simulator's own count")
  return list
end

local function marks()
  local list = {}
  for _, row in ipairs(rows("events.tsv", "mark")) do
    list[#list + 1] = row.reply:match "^triggers?: .*"
  end
  return list
end

describe("stim:on_trigger", function()
  it("gives the plan at each trigger, no sooner than allowed, and says what became of the others", function()
    local status, out = run([[
      local starts, came = stim:on_trigger(pulse, { byte = 5, count = 3, refractory = 1 })
      run:note(("%d of %d"):format(starts, came))]],
      { { 1, 5 }, { 1.5, 5 }, { 2, 6 }, { 3, 5 }, { 6, 5 }, { 7, 5 } })
    assert.are.equal(0, status, out)
    assert.are.same({ 1.001, 3.001, 6.001 }, given())
    assert.matches("3 of 4", out, 1, true)
    assert.are.same({ "trigger: it starts the plan",
      "trigger: byte 5, passed over: within the refractory time",
      "trigger: it starts the plan", "trigger: it starts the plan",
      "triggers: 4, 3 started the plan; 1 passed over: within the refractory time" }, marks())
    local verified, said = shell.moonpulse(folder, "verify " .. fixture.run_in(folder .. "/runs"))
    assert.are.equal(0, verified, said)
  end)

  it("takes any byte, each n-th, with a delay, a whole train", function()
    local status, out = run([[
      stim:on_trigger(mp.train { pulses = 3, hz = 10, intensity = mp.mso(40) },
        { count = 2, refractory = 1, every = 2, delay = 0.25 })]],
      { { 1, 1 }, { 2, 2 }, { 2.3, 3 }, { 4, 4 }, { 5, 5 } })
    assert.are.equal(0, status, out)
    assert.are.same({ 2.25, 2.35, 2.45, 4.25, 4.35, 4.45 }, given())
  end)

  it("has each start and each trigger in the record in their order, also if they came at once", function()
    local status, out = run("stim:on_trigger(pulse, { count = 2, refractory = 1, every = 2 })",
      { { 1, 1 }, { 1, 2 }, { 1, 3 }, { 4, 4 }, { 4, 5 } })
    assert.are.equal(0, status, out)
    local kinds = {}
    for line in io.lines(fixture.run_in(folder .. "/runs") .. "/journal.jsonl") do
      local entry = cjson.decode(line)
      kinds[#kinds + 1] = entry.kind == "play" and "play" or entry.kind == "trigger"
        and ("%d %s"):format(entry.byte, entry.heard) or nil
    end
    assert.are.same({ "1 counted", "play", "2 starts", "3 counted", "play", "4 starts", "5 over" }, kinds)
  end)

  it("is started by triggers that are the refractory time apart, and by none sooner", function()
    local status, out = run("stim:on_trigger(pulse, { count = 9, refractory = 2 })",
      { { 1, 5 }, { 3, 5 }, { 5, 5 }, { 6.999999999, 5 }, { 7.5, 5 } })
    assert.are.equal(0, status, out)
    assert.are.same({ 1.001, 3.001, 5.001, 7.501 }, given())
  end)

  it("ends with its timeout, and with the last trigger that can come", function()
    local status, out = run([[
      run:note("first " .. stim:on_trigger(pulse, { count = 9, refractory = 0.5, timeout = 3 })
        .. (" %.1f"):format(run:now()))
      run:note("then " .. stim:on_trigger(pulse, { count = 9, refractory = 0.5 }))
    ]], { { 1, 1 }, { 5, 1 }, { 6, 1 } })
    assert.are.equal(0, status, out)
    assert.matches("first 1 3.1", out, 1, true)
    assert.matches("then 2", out, 1, true)
  end)

  it("gives what else listens every byte as well", function()
    local status, out = run([[
      local seen = 0
      run:spawn(function() while run:wait_trigger { timeout = 4 } do seen = seen + 1 end end)
      run:sleep(0.1)
      stim:on_trigger(pulse, { byte = 5, count = 2, refractory = 0.5 })
      run:sleep(1)
      run:note("seen " .. seen)]], { { 1, 6 }, { 2, 5 }, { 2.1, 5 }, { 3, 5 }, { 3.5, 9 } })
    assert.are.equal(0, status, out)
    assert.matches("seen 5", out, 1, true)
  end)

  it("holds in a storm: no two starts are closer than the refractory time", function()
    local storm = {}
    for i = 1, 5000 do
      storm[i] = { 1 + i / 10000, i % 2 }
    end
    local status, out = run("stim:on_trigger(pulse, { byte = 1, count = 100, refractory = 0.1 })", storm)
    assert.are.equal(0, status, out)
    local times = given()
    assert.are.equal(5, #times)
    for i = 2, #times do
      assert.is_true(times[i] - times[i - 1] >= 0.1 - 1e-9, times[i])
    end
    local list = marks()
    assert.matches("2,500, 5 started the plan; 2,495 passed over: within the refractory time", list[#list])
    local counts = cjson.decode(shell.read(fixture.run_in(folder .. "/runs") .. "/manifest.json")).experiment
      .triggers
    assert.are.same({ 5000, 2500 }, { counts.came, counts.taken })
    local reactions = counts.on_trigger.reaction_us
    counts.on_trigger.reaction_us = nil
    assert.are.same({ starts = 5, refractory = 2495 }, counts.on_trigger)
    assert.are.same({ p50 = 0, p95 = 0, worst = 0 }, reactions) -- in virtual time nothing takes any
  end)

  it("refuses, at the script's line, what could not be given as it is written", function()
    for body, text in pairs {
      ["stim:on_trigger(pulse, { refractory = 1 })"] = "count is missing",
      ["stim:on_trigger(pulse, { count = 0, refractory = 1 })"] = "count must be a whole number from 1",
      ["stim:on_trigger(pulse, { count = 2, refractory = -1 })"] = "refractory must be seconds",
      ["stim:on_trigger(pulse, { count = 2, refractory = 0 })"] = "refractory must be above 0",
      ["stim:on_trigger(pulse, { count = 2, refractory = 1, bite = 5 })"] = 'no option "bite"',
      ["stim:on_trigger(pulse .. mp.rest { min = 1, max = 2 } .. pulse, { count = 2, refractory = 9 })"]
        = "a rest that is drawn from the seed",
      ["stim:on_trigger(pulse:times(5, { every = 1 }), { count = 2, refractory = 2 })"]
        = "make refractory at least as long",
      ["stim:on_trigger(pulse .. mp.rest(3) .. mp.pulse(mp.mso(50)), { count = 2, refractory = 9 })"]
        = "pulses of 40 and 50 %MSO",
      ["stim:on_trigger(pulse, { count = 2, refractory = 0.0005 })"] = "shortest interval",
      ["stim:on_trigger(5, { count = 2, refractory = 1 })"] = "a plan is needed",
    } do
      local status, _, err = run(body, { { 1, 5 } })
      assert.is_true(status == 2 or status == 3, body .. err)
      assert.matches("made.lua:5", err, 1, true, body)
      assert.matches(text, err, 1, true, body .. ": " .. err)
    end
    write "stim:on_trigger(pulse, { count = 2, refractory = 1 })"
    local status, _, err = moonpulse "--speed max"
    assert.are.equal(2, status)
    assert.matches("in virtual time triggers come from --triggers FILE, and there is none", err, 1, true)
  end)

  it("is judged for all that may come, as close as it may", function()
    -- one pulse is within every limit; a hundred of them at 20 Hz are not
    local status, out = run("stim:on_trigger(mp.pulse(mp.rmt(120)), { count = 100, refractory = 0.05 })",
      { { 1, 5 } }, "--rmt 50")
    assert.are.equal(0, status)
    assert.matches("OVER: train duration: 5 s", out, 1, true)
    local manifest = cjson.decode(shell.read(fixture.run_in(folder .. "/runs") .. "/manifest.json"))
    assert.are.equal("OVER", manifest.safety.verdict)
  end)

  it("gives nothing after a stop, and the stop is the run's end", function()
    local status, out, err = run([[
      run:spawn(function() run:sleep(2) run:stop "enough" end)
      stim:on_trigger(pulse, { count = 9, refractory = 0.5 })]], { { 1, 1 }, { 3, 1 }, { 4, 1 } })
    assert.are.equal(5, status, out .. err)
    assert.are.same({ 1.001 }, given())
    assert.are.same("triggers: 1, 1 started the plan", marks()[2])
  end)
end)

describe("stim:on_trigger in real time", function()
  local port, job

  before_each(function() port = core.pty(nil, function() end) end)
  after_each(function()
    job:kill()
    port:close()
  end)

  local function start(body)
    write(body)
    job = shell.start(folder, "job", ("run %s/made.lua --tolerance 1000 --out %s/runs --trigger-in %s "
      .. "--beyond-guidelines test --approval none"):format(folder, folder, port:path()))
    job:says "at each trigger"
  end

  local function sent()
    local text = shell.read(fixture.run_in(folder .. "/runs") .. "/journal.jsonl") or ""
    return select(2, text:gsub('"kind":"play"', ""))
  end

  it("starts the plan by the port's bytes, and the record agrees with the flight record", function()
    start "stim:on_trigger(pulse, { byte = 5, count = 3, refractory = 0.2 })"
    for i = 1, 3 do
      port:write "\6\5"
      shell.await(function() return sent() == i end, "its play")
      core.wait(0.25)
    end
    assert.are.equal(0, job:wait(), job:err())
    assert.are.equal(3, #given())
    local status, out = shell.moonpulse(folder, "verify " .. fixture.run_in(folder .. "/runs"))
    assert.are.equal(0, status, out)
    assert.matches("events.tsv is what flight.bin says, row by row", out, 1, true)
    assert.matches("and the pulses of events.tsv are what the kept text", out, 1, true)
    local of = cjson.decode(shell.read(fixture.run_in(folder .. "/runs") .. "/manifest.json")).experiment
      .triggers.on_trigger
    assert.are.equal(3, of.starts)
    assert.is_true(of.reaction_us.p50 > 0 and of.reaction_us.p50 <= of.reaction_us.worst)
    local report = shell.read(fixture.run_in(folder .. "/runs") .. "/report.html")
    assert.matches("Trigger to command handed over: median", report, 1, true)
  end)

  it("has each confirmation at its own pulse, also where the next trigger was faster", function()
    start "stim:on_trigger(pulse, { byte = 5, count = 8, refractory = 0.02, delay = 0.06 })"
    while not job:ended() do
      port:write "\5"
      core.wait(0.012)
    end
    assert.are.equal(0, job:wait(), job:err())
    local path, crossed, confirmed_ns = fixture.run_in(folder .. "/runs"), 0, nil
    for _, row in ipairs(rows "events.tsv") do -- a start's mark stands before its pulse
      local starts = row.event == "mark" and row.reply == "trigger: it starts the plan"
      crossed = crossed + (starts and confirmed_ns and confirmed_ns > tonumber(row.onset) * 1e6 and 1 or 0)
      confirmed_ns = row.event == "pulse" and tonumber(row.onset_confirmed_us) or confirmed_ns
    end
    assert.are.equal(8, #given())
    assert.is_true(crossed > 0, "no trigger came before a confirmation")
    local status, out = shell.moonpulse(folder, "verify " .. path)
    assert.are.equal(0, status, out)
  end)

  it("loses nothing of a run that is killed, also where the journal is behind", function()
    start "stim:on_trigger(pulse, { byte = 5, count = 3, refractory = 0.2 })"
    for i = 1, 2 do
      port:write "\5"
      shell.await(function() return sent() == i end, "its play")
      core.wait(0.25)
    end
    job:signal "KILL"
    job:wait()
    local path = fixture.run_in(folder .. "/runs")
    -- the second start, as if the loop had not come to it
    local kept = {}
    for line in io.lines(path .. "/journal.jsonl") do
      if #kept > 0 and kept.play and line:find('"kind":"play"', 1, true) then
        break
      end
      kept.play = kept.play or line:find('"kind":"play"', 1, true) ~= nil
      kept[#kept + 1] = line
    end
    shell.write(path .. "/journal.jsonl", table.concat(kept, "\n") .. "\n")
    local status, out, err = shell.moonpulse(folder, "recover " .. path)
    assert.are.equal(0, status, out .. err)
    local list = rows("events.tsv", "pulse")
    assert.are.equal(2, #list)
    for _, row in ipairs(list) do
      assert.are.equal("40", row.intensity_mso)
      assert.is_true(row.status == "delivered" or row.status == "perhaps_sent", row.status)
    end
  end)

  for reason, stop in pairs {
    signal = function() job:signal "TERM" end,
    gone = function() port:close() end,
  } do
    for when, train in pairs { ["while it waits"] = false, ["amid a train"] = true } do
      it(("stops %s: %s"):format(when, reason), function()
        start [[
          local train = mp.train { pulses = 20, hz = 10, intensity = mp.mso(40) }
          stim:on_trigger(train, { byte = 5, count = 3, refractory = 2.5 })]]
        if train then
          port:write "\5"
          shell.await(function() return sent() == 1 end, "its play")
          core.wait(0.35)
        end
        stop()
        local status = job:wait()
        assert.are.equal(reason == "gone" and 4 or 5, status, job:err())
        local manifest = cjson.decode(shell.read(fixture.run_in(folder .. "/runs") .. "/manifest.json"))
        assert.are.equal(reason, manifest.result.stop)
        assert.is_true(manifest.result.disarmed)
        local pulses, known = 0, 0
        for _, row in ipairs(rows "twin.tsv") do
          pulses = pulses + (row.event == "pulse" and 1 or 0)
        end
        for _, row in ipairs(rows("events.tsv", "pulse")) do
          known = known + (row.status ~= "stopped" and row.status ~= "late" and 1 or 0)
        end
        assert.are.equal(pulses, known)
        assert.is_true(train and pulses > 0 and pulses < 20 or not train and pulses == 0, pulses)
      end)
    end
  end

  it("stops the run where the port is lost", function()
    start "stim:on_trigger(pulse, { byte = 5, count = 3, refractory = 0.2 })"
    port:close()
    assert.are.equal(4, job:wait())
    assert.matches("--trigger-in", job:err(), 1, true)
    assert.matches("lost", job:err(), 1, true)
  end)
end)
