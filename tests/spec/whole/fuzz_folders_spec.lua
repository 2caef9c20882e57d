--- The fuzzers of run folders and of command lines, in short: make fuzz-records and make fuzz-commands are
--- long.
local shell = require "shell"

local count = os.getenv("MP_QUICK") and 60 or 300

describe("the fuzzer", function()
  local folder

  before_each(function()
    folder = shell.folder()
  end)

  after_each(function()
    shell.remove(folder)
  end)

  it("of run folders finds nothing that hangs, crashes or is shown raw", function()
    local status, out = shell.sh(folder, ("%s lua tests/fuzz/records.lua %s %d 1 magventure"):format(
      shell.quote(shell.program), folder, count))
    assert.matches(count .. " damaged folders, 0 findings", out, 1, true)
    assert.are.equal(0, status)
  end)

  it("of command lines finds nothing either", function()
    local status, out = shell.sh(folder, ("%s lua tests/fuzz/commands.lua %s %d 1"):format(
      shell.quote(shell.program), folder, count))
    assert.matches(count .. " command lines, 0 findings", out, 1, true)
    assert.are.equal(0, status)
  end)

  it("sees what it looks for", function()
    package.path = "tests/fuzz/?.lua;" .. package.path
    local trial = require "trial_run"
    for _, text in ipairs { "moonpulse: scripts/moonpulse/x.lua:3: attempt to index a nil value", "raw: x",
      "\27[2J",
      "bad argument #1 to 'format'" } do
      assert.is_string(trial.fault_of(text, 0))
    end
    assert.is_string(trial.fault_of("fine", 600))
    assert.is_nil(trial.fault_of("events.tsv cannot be written: make room\n", 1))
  end)

  --- Looks at a process, one each second: what it has computed, and whether it runs.
  local function judged(progress, looks, computed_of, runs)
    local watch = progress.new(1, 0)
    for second = 1, looks do
      local why = watch:look(second, "case " .. second // 3600, computed_of(second), runs)
      if why then
        return second, why
      end
    end
  end

  it("judges what was computed, not how long a busy computer took", function()
    package.path = "tests/fuzz/?.lua;" .. package.path
    local progress = require "progress"
    -- 100 s of computing within the hour of each case; of the processor it hardly ever has its turn
    assert.is_nil(judged(progress, 36000, function(second) return second / 36 end, true))
    assert.is_nil(judged(progress, 36000, function() return 7 end, true)) -- it waits for a processor
    assert.is_nil(judged(progress, 36000, function(second) return second // 25 / 4 end, false))
    local second, why = judged(progress, 3000, function(at) return at end, true)
    assert.are.same({ 122, "it computed 121 s" }, { second, why })
    second, why = judged(progress, 3000, function() return 3 end, false)
    assert.are.same({ 32, "it did nothing for 31 s" }, { second, why })
    local seconds = progress.computed(math.tointeger(shell.read("/proc/self/stat"):match("^%d+")))
    assert(seconds > 0)
    local before = progress.own_s()
    os.execute("i=0; while [ $i -lt 30000 ]; do i=$((i + 1)); done") -- a child computes
    assert(progress.own_s() > before)
  end)

  it("'s case that never ended is refused: a train of 10^18 pulses in a manifest", function()
    local run = folder .. "/run"
    os.execute("mkdir " .. run)
    shell.write(run .. "/manifest.json", [[{"kind":"protocol","status":"running","device":{"name":"stimjim"},
      "flight":{"wire_ns":[2500],"confirms":true,"marks":[""],"latency_ns":0,"actions":[{"train":{
      "confirms":1},
      "mso":40,"intensity":80,"reference":"AMT","channel":"1","part":{"cell":[{"offset":0,"action":{"mso":40,
      "intensity":80,"reference":"AMT","channel":""}}],"levels":[{"den":50,"count":1e18,"num":1}],
      "pulses":3}}]},
      "protocol":{"id":"x","pulses":1e18}}]])
    local core = require "moonpulse.core"
    local flight = core.flight(run .. "/flight.bin", 8)
    flight:start(1)
    flight:close()
    local status, _, err = shell.moonpulse(folder, "recover " .. run)
    assert.are.equal(2, status)
    assert.matches("flight.actions[1].part.levels[1].count is not a whole number from 1 to 1333333", err,
      1, true)
  end)
end)
