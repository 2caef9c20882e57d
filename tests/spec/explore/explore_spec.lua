--- `moonpulse explore`: seeds from 1 on are clean, the same seed is the same run, faults in the product
--- itself are found, a finding is made small. MP_RUNS=N: so many seeds.
local cjson = require "cjson"
local core = require "moonpulse.core"
local explore = require "moonpulse.commands.explore"
local hunt = require "moonpulse.explore.hunt"
local judges = require "moonpulse.explore.judge"
local lfs = require "lfs"
local runs = require "explore.scenarios"
local scenarios = require "moonpulse.explore.scenario"
local shell = require "shell"
local shrinks = require "moonpulse.explore.shrink"
local tell = require "moonpulse.explore.tell"

-- about a minute of the processor's time
local count = tonumber(os.getenv "MP_RUNS") or os.getenv "MP_QUICK" and 60 or 700

describe("explore", function()
  local folder, judge

  setup(function()
    folder = shell.folder()
    judge = judges.new(folder)
  end)
  teardown(function() shell.remove(folder) end)

  it("finds nothing in the first seeds, and meets every device, fault and stop", function()
    local sum = hunt.here { seed = 1, runs = count }
    local lines = {}
    for _, found in ipairs(sum.found) do
      table.move(tell.finding(found), 1, 99, #lines + 1, lines)
    end
    assert.are.equal(0, #sum.found, table.concat(lines, "\n"))
    assert.are.equal(count, sum.runs)
    if count >= 700 then
      assert.is_true(sum.cover["script's play"]["to its end"] > count / 10)
      assert.is_true(sum.cover["script's play"]["ended before"] > 10)
      for group, least in pairs { device = 8, verb = 14, ["trouble met"] = 18, stop = 12, reason = 12 } do
        local met = 0
        for _ in pairs(sum.cover[group]) do
          met = met + 1
        end
        assert(met >= least, ("%s: %d were met"):format(group, met))
      end
    end
  end)

  it("draws the same run of a seed, and another of the next", function()
    local one, same, other = scenarios.draw(5), scenarios.draw(5), scenarios.draw(6)
    assert.are.same(one, same)
    assert.are_not.same(one, other)
    assert.are.same(one, scenarios.read(cjson.encode(one)))
  end)

  --- Faults in the code, and an invariant that each must break within the first seeds.
  local planted = {
    { "none-twice", function(put)
      local outcomes = require "moonpulse.record.outcome"
      local enter = outcomes.enter
      put(outcomes, "enter", function(record, out, ...)
        return not (out.send == "pulse" and out.number == 3) and enter(record, out, ...)
      end)
    end },
    { "recorded-as-written", function(put)
      local outcomes = require "moonpulse.record.outcome"
      local enter = outcomes.enter
      put(outcomes, "enter", function(record, out, ...)
        out.planned_ns = out.planned_ns and out.planned_ns + 1000
        return enter(record, out, ...)
      end)
    end },
    { "nothing-after-stop", function(put) put(require "moonpulse.run.stop_sources", "interrupt",
      function() end) end },
    { "private", function(put) put(core, "create_file", function(path) return io.open(path, "w+") end) end },
    { "rows-in-order", function(put)
      put(require "moonpulse.record.order", "insert", function(record, row, key_ns)
        row.key_ns, row.rank, record.last = key_ns, 1, record.last + 1
        record.queue[record.last] = row
      end)
      put(require "moonpulse.record.order", "settle", function() return true end)
    end },
    { "strength-as-written", function(put)
      local intensities = require "moonpulse.compose.intensity"
      local round = intensities.round
      put(intensities, "round", function(...) return round(...) + 1 end)
    end },
    { "status-fits-reason", function(put)
      local refusals = require "moonpulse.text.refusal"
      put(refusals, "raise", function(_, text, ...)
        error({ code = "usage", message = select("#", ...) > 0 and text:format(...) or text }, 0)
      end)
    end },
    { "disarmed-is-true", function(put)
      local driver = require "moonpulse.devices.magventure"
      put(driver, "safe", "\xFE\x01\x05\x3F\xFF") -- asks for the status
      put(driver, "disarm", function() end)
    end },
  }
  for _, plant in ipairs(planted) do
    it("finds a fault in the product by " .. plant[1], function()
      local found = {}
      for seed = 1, 150 do
        local broken = judges.judge(judge, scenarios.draw(seed), { recover = seed % 4 == 0,
          plant = plant[2] })
        for _, each in ipairs(broken) do
          found[each.name] = true
        end
        if found[plant[1]] then
          return
        end
      end
      local names = {}
      for name in pairs(found) do
        names[#names + 1] = name
      end
      error(plant[1] .. " never failed; these did: " .. table.concat(names, ", "), 0)
    end)
  end

  it("makes a failing scenario small: one trouble of several, one pulse of many", function()
    local function breaks(scenario)
      for _, trouble in ipairs(scenario.troubles) do
        if trouble.kind == "drop" then
          return true
        end
      end
      return false
    end
    for seed = 1, 400 do
      local scenario = scenarios.draw(seed)
      if breaks(scenario) and scenario.plan and #scenario.plan.parts > 2 and #scenario.troubles > 1 then
        local smallest = shrinks.shrink(scenario, breaks)
        assert.are.equal(1, #smallest.troubles)
        assert.are.equal(1, #smallest.plan.parts)
        assert.is_true(shrinks.size(smallest) < shrinks.size(scenario))
        return
      end
    end
    error "no seed has such a scenario"
  end)

  it("ends with status 1 if it finds something, with the seed and what to run again", function()
    local told, ask = {}, judges.judge
    judges.judge = function(self, scenario, how)
      local broken, run = ask(self, scenario, how)
      return run.status == 5 and { { name = "none-early", why = "it was stopped" } } or broken, run
    end
    local globals = debug.getregistry()[2]
    local print_line = globals.print
    globals.print = function(text) told[#told + 1] = text end
    local ok, status = pcall(explore.run, { seed = 1, runs = 40, jobs = 1, first = true })
    globals.print = print_line
    judges.judge = ask
    local text = table.concat(told, "\n")
    assert(ok, status)
    assert.are.equal(1, status, text)
    assert.matches("found +1 failing seed", text)
    assert.matches("again:  moonpulse explore %-%-seed %d+\n", text)
    local json = text:match "again:  moonpulse explore %-%-scenario '(.-)'"
    assert.are.equal("table", type(cjson.decode(json)))
  end)

  it("plays one seed or one scenario, and says what must hold", function()
    local function run(arguments)
      local status, out = shell.moonpulse(folder, "explore " .. arguments)
      return status, out
    end
    local status, out = run "--seed 3"
    assert.are.equal(0, status, out)
    assert.matches("every invariant holds", out, 1, true)
    shell.write(folder .. "/one.json", cjson.encode(runs.key))
    status, out = run("--scenario " .. shell.quote(folder .. "/one.json"))
    assert.are.equal(0, status, out)
    assert.matches("stopped by a key", out, 1, true)
    status, out = run "--invariants"
    assert.are.equal(0, status)
    assert.matches("none%-early +No pulse is given before its time%.", out)
    status, out = run "--seed 1 --runs 6 --jobs 2"
    assert.are.equal(0, status, out)
    assert.matches("6 runs in .* on 2 processes", out)
  end)

  it("leaves no process behind where it is killed", function()
    local job = shell.start(folder, "killed", "explore --hours 1 --jobs 2")
    local two = shell.await(function()
      local found = job:children()
      return #found == 2 and found
    end, "two workers")
    job:signal "KILL"
    for _, pid in ipairs(two) do
      shell.await(function() return not lfs.attributes("/proc/" .. pid) end, "the end of " .. pid)
    end
  end)
end)
