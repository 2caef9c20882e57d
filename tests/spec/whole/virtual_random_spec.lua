--- Random runs in virtual time, each from a number: plan, device, who times it, a fault, the instant of a
--- stop. Whatever happens, what must hold holds. MP_SEED=N plays one of them, MP_LONG ten times as many.
local core = require "moonpulse.core"
local devices = require "moonpulse.driver.find"
local faults = require "moonpulse.simulation.faults"
local inside = require "moonpulse.run.inside"
local mp = require "moonpulse"
local records = require "moonpulse.record"
local shell = require "shell"
local triggers = require "moonpulse.driver.trigger_path"

local names = { "magventure", "rapid", "bistim", "magstim200", "duomag" }
local slowest = { magstim200 = 5, bistim = 5, rapid = 1.2 } -- s between two pulses
local nothing = function() end

describe("a random run in virtual time", function()
  local folder

  setup(function() folder = shell.folder() end)
  teardown(function() shell.remove(folder) end)

  local function train_of(name)
    local ms = math.ceil((slowest[name] or 0.05) * 1000 * (1 + 3 * math.random()))
    return mp.train { pulses = math.random(1, 6), hz = "1000/" .. ms,
      intensity = mp.mso(math.random(30, 60)) }
  end

  local function draw(seed)
    math.randomseed(seed)
    local name, timing = names[math.random(#names)], ({ "host", "auto", "trigger" })[math.random(3)]
    local driver = devices.configure(assert(devices.find(name)), {})
    if timing == "trigger" then
      driver, timing = triggers.apply(driver, assert(triggers.parse("sim"))), "host"
    end
    local plan = train_of(name)
    for _ = 1, math.random(0, 2) do
      plan = plan .. mp.rest { min = 6, max = 9 } .. train_of(name)
    end
    local kind = faults.kinds[math.random(#faults.kinds)].name
    local fault = math.random(3) > 1 and faults.parse(("%s@%d"):format(kind, math.random(1, 6))) or nil
    return { plan = plan, seed = seed, driver = driver, thresholds = {}, tolerance = 0.001, late = "abort",
      stop_line = "none", timing = timing, policy = { real = false }, faults = fault },
      math.random(3) == 1 and math.random() * 12 or nil
  end

  --- Play it; stopped_s: when the key was pressed, on the virtual clock.
  local function play(seed)
    local job, stop_s = draw(seed)
    local record = assert(records.create(folder, "random"))
    local stopped_s
    local function press_key()
      core.wait(stop_s)
      if job.on_stop and not job.over then
        job.stop_reason, stopped_s = "key", core.clock_ns() / 1e9
        job.on_stop("key")
      end
    end
    local ok, outcome = pcall(inside.run, job, record, "max", { progress = nothing, armed = nothing,
      prepared = nothing, connected = function()
        if stop_s then
          core.spawn(press_key)
        end
      end })
    job.over = true
    record:close()
    local played = { ok = ok, outcome = outcome, stopped_s = stopped_s, record = record, job = job,
      events = shell.read(record.folder .. "/events.tsv"),
      simulator = shell.read(record.folder .. "/twin.tsv") }
    shell.remove(record.folder)
    return played
  end

  local function check(seed, run)
    local what = ("seed %d, %s: "):format(seed, run.job.driver.name)
    assert.is_true(run.ok or type(run.outcome) == "table", what .. tostring(run.outcome))
    local given = 0
    for at in run.simulator:gmatch("\n([%d.]+)\tpulse\t") do
      given = given + 1
      assert.is_true(not run.stopped_s or tonumber(at) < run.stopped_s + 0.02,
        what .. "a pulse after the stop")
    end
    assert.is_true(given <= run.record.pulses_sent, what .. "given and not recorded as sent")
    if run.ok and run.outcome.stop == "finished" and not run.outcome.fault then
      assert.are.equal(run.job.plan:totals().pulses, run.record.pulses_sent, what)
      assert.is_truthy(run.outcome.disarmed or run.outcome.not_disarmed, what)
    end
  end

  it("keeps what must hold, and is the same again", function()
    local only = tonumber(os.getenv("MP_SEED") or "")
    local count, finished = os.getenv("MP_LONG") and 1000 or 100, 0
    for seed = only or 1, only or count do
      local run = play(seed)
      check(seed, run)
      finished = finished + (run.ok and run.outcome.stop == "finished" and 1 or 0)
      if seed % 10 == 0 then
        local again = play(seed)
        assert.is_true(run.events == again.events and run.simulator == again.simulator, "seed " .. seed)
      end
    end
    assert.is_true(only or finished > count / 5, finished)
  end)
end)
