-- A script stops its stimulator, and the thread that sends has its turn only some time later, as on a busy
-- computer: what other parts of the script do meanwhile is behind the stop, and no pulse had to be given. The
-- record is whole, and says when the stop was asked for and when the thread heard of it.
local fixture = require "job"
local resealed = require "resealed"
local shell = require "shell"
local shim = require "shim"
local verify = require "moonpulse.verify"

local late_ms = 150

local script = [[
  local mp = require "moonpulse"
  local ends = { error = function() error "boom" end, stop = function(run) run:stop "enough" end,
    exit = function() os.exit(3) end, finish = function() end }
  return mp.experiment { params = { how = { default = "error" }, pulses = { default = 1 } },
    run = function(run)
    local stim = run:device()
    local function play()
      local ok, problem = pcall(function()
        stim:play(mp.train { pulses = run.params.pulses, hz = 20, intensity = mp.mso(20) })
        for i = 1, 6 do
          run:sleep(0.47)
          run:note("beat " .. i)
        end
      end)
      run:note "woken"
      if not ok then error(problem, 0) end
    end
    local function stop()
      run:sleep(1.2)
      ends[run.params.how](run)
    end
    stim:arm()
    run:spawn(run.params.how == "finish" and play or stop)
    if run.params.how == "finish" then stop() else play() end
  end }
]]

describe("a stop that the thread which sends hears of late", function()
  local folder, jobs
  fixture.each_test(function(new, list)
    folder, jobs = new, list
    shell.write(folder .. "/script.lua", script)
  end)

  local cases = { "error 1", "stop 1", "exit 1", "finish 1", "error 60", "stop 60" }

  --- The runs of all cases, side by side.
  local function run_all(environment)
    local started, runs = {}, {}
    for i, case in ipairs(cases) do
      started[i] = jobs:start("job" .. i, ("run %s/script.lua --device sim:magventure --timing host "
        .. "--tolerance 100 --beyond-guidelines test --approval none -p how=%s -p pulses=%s --out '%s/%s'")
        :format(folder, case:match "%a+", case:match "%d+", folder, case), environment)
    end
    for i, job in ipairs(started) do
      local status = job:wait()
      assert.is_true(status == 0 or status == 2 or status == 5, cases[i] .. job:err())
      runs[i] = fixture.run_in(folder .. "/" .. cases[i])
    end
    return runs
  end

  local function stop_of(run)
    for _, entry in ipairs(resealed.journal(run)) do
      if entry.kind == "stop" then
        return entry
      end
    end
  end

  it("is whole, and what it bounds is from when it was asked for", function()
    local environment, why = shim.of "wait"
    if not environment then
      return pending(why)
    end
    local found_late = 0
    for i, run in ipairs(run_all(("%s CALM_MS=1000 WAKE_MS=%d"):format(environment, late_ms))) do
      local found = assert(verify.folder(run, {}))
      local first = found.differs[1] or {}
      assert.are.equal("whole", found.verdict, ("%s: %s:%s: %s"):format(cases[i], first.file, first.line,
        first.text))
      assert.are.same({}, found.unchecked, cases[i])
      local stop = stop_of(run)
      if stop then
        assert.is_truthy(stop.asked_ns, ("%s: %s, %s"):format(cases[i], stop.reason, stop.why))
        local waited_ns = tonumber(stop.at_ns) - tonumber(stop.asked_ns)
        assert.is_true(waited_ns >= late_ms * 1e6, ("%s: %d ns"):format(cases[i], waited_ns))
        found_late = found_late + 1
      end
    end
    assert.are.equal(5, found_late) -- one came to its end
  end)
end)
