--- moonpulse explore: whole runs in virtual time, each drawn from a number, and what must hold of all of
--- them.
local cli = require "moonpulse.cli"
local common = require "moonpulse.cli.protocol_argument"
local core = require "moonpulse.core"
local folders = require "moonpulse.record.folder"
local hunt = require "moonpulse.explore.hunt"
local judges = require "moonpulse.explore.judge"
local progresses = require "moonpulse.text.progress"
local scenarios = require "moonpulse.explore.scenario"
local shrinks = require "moonpulse.explore.shrink"
local tell = require "moonpulse.explore.tell"
local worker = require "moonpulse.explore.worker"

local M = {}

local found_status = 1
local most_shrunk = 5 -- findings that are made smaller, each of another invariant

function M.parser()
  local parser = cli.parser("explore",
    "Play whole runs on simulators in virtual time, each drawn from a number: plan or script, device, "
      .. "timing, faults of device, port, clock and disk, and stops at any instant. Of each run it is judged "
      .. "what must hold whatever goes wrong (--invariants). A seed that fails is made smaller, to the few "
      .. "events that matter. Exit status 0: nothing was found, 1: something was. docs/reliability.md.",
    "moonpulse explore --runs 1000\nmoonpulse explore --hours 1 --seed 1000000\n"
      .. "moonpulse explore --seed 919\nmoonpulse explore --runs 500 --first\nmoonpulse explore --invariants")
  parser:option("--seed", "The first seed, from 0 up; alone: only this one, told in detail.")
    :convert(common.number(0, 1e15)):argname("N")
  parser:option("--runs", "How many seeds, one after the other; 1000 if no seed is given.")
    :convert(common.number(1, 1e9)):argname("N")
  parser:option("--hours", "Go on for so long instead."):argname("H")
    :convert(common.number(0.0001, 10000, "hours"))
  parser:option("--jobs", "How many processes; as many as there are processors.")
    :convert(common.number(1, 256)):argname("N")
  parser:flag("--first", "End at the first seed that fails.")
  parser:option("--scenario", "Play this one instead: what a finding printed, or a file of it.")
    :argname("JSON|FILE")
  parser:flag("--as-it-is", "Do not make a failing seed smaller.")
  parser:option("--keep", "Keep the folder of the one run that is played, as DIR."):argname("DIR")
  parser:flag("--invariants", "Say what must hold, a line each.")
  parser:option("--worker"):hidden(true)
  return parser
end

local function print_lines(lines)
  for _, line in ipairs(lines) do
    print(line)
  end
end

--- Use a judge with a folder of its own, which is taken away.
local function with_judge(use)
  local folder <close> = setmetatable({ path = worker.folder() }, { __close = function(self)
    folders.remove(self.path)
  end })
  return use(judges.new(folder.path), folder.path)
end

local function read_scenario(text)
  if not text:find("^%s*{") then
    local file, message = io.open(text)
    if not file then
      cli.fail("usage", "--scenario: %s", message)
    end
    text = file:read "a"
    file:close()
  end
  return scenarios.read(text) or cli.fail("usage",
    "--scenario: what a finding printed is expected: an object in JSON with device, plan or script, troubles")
end

local function breaks_of(judge, names)
  return function(scenario)
    local ok, broken = pcall(judges.judge, judge, scenario, { again = names.again, recover = true })
    for _, each in ipairs(ok and broken or {}) do
      if names[each.name] then
        names.why = each.name .. ": " .. each.why
        return true
      end
    end
    return false
  end
end

--- A finding made smaller, and told.
local function tell_finding(found, scenario, as_it_is)
  if as_it_is then
    return print_lines(tell.finding(found))
  end
  with_judge(function(judge)
    local bar <close> = progresses.new()
    local names = { [found.broken[1].name] = true, again = found.broken[1].name:find "^same%-seed" ~= nil }
    local breaks = breaks_of(judge, names)
    if not breaks(scenario) then
      print_lines(tell.finding(found))
      return print "  played by itself it does not fail: what the process played before it matters"
    end
    local smallest = shrinks.shrink(scenario, breaks, function(tries) bar:show("shrinking", tries, 400,
      "tries") end)
    breaks(smallest)
    print_lines(tell.finding(found, smallest, names.why))
  end)
end

--- Play one scenario, and tell what came of it.
local function play_one(scenario, options)
  local found
  with_judge(function(judge)
    local broken, run = judges.judge(judge, scenario, { again = true, recover = true })
    print_lines(tell.scenario(scenario))
    print(("ended with status %d: %s"):format(run.status, run.message or "complete"))
    print(("%d pulses given, %d rows, reason %s, %.3f s of the device's time"):format(#run.given, #run.rows,
      tostring(run.result.stop), ((run.ended_ns or 0) - (run.began_ns or 0)) / 1e9))
    if options.keep and run.folder then
      local ok, message = os.rename(run.folder, options.keep)
      if not ok and not os.execute(("cp -a '%s' '%s'"):format(run.folder, options.keep)) then
        cli.fail("usage", "--keep: %s", message)
      end
    end
    found = broken[1] and { seed = scenario.seed, broken = broken }
  end)
  if not found then
    print "every invariant holds"
    return cli.status.ok
  end
  tell_finding(found, scenario, options.as_it_is)
  return found_status
end

--- Tell of the findings: each invariant's first one made smaller, of the others the seeds.
local function tell_findings(list, as_it_is)
  local told, seeds = 0, {}
  for _, found in ipairs(list) do
    local name = found.broken[1].name
    if not seeds[name] and told < most_shrunk then
      told = told + 1
      tell_finding(found, scenarios.draw(found.seed), as_it_is)
    end
    seeds[name] = seeds[name] or {}
    table.insert(seeds[name], found.seed)
  end
  for name, each in pairs(seeds) do
    if each[2] or told == most_shrunk then
      print(("%s: seeds %s%s"):format(name, table.concat(each, ", ", 1, math.min(#each, 20)),
        #each > 20 and (" and %d more"):format(#each - 20) or ""))
    end
  end
end

function M.run(options)
  if options.worker then
    return worker.main(options.worker)
  elseif options.invariants then
    return print_lines(tell.invariants())
  elseif options.scenario then
    return play_one(read_scenario(options.scenario), options)
  elseif options.seed and not options.runs and not options.hours then
    return play_one(scenarios.draw(math.floor(options.seed)), options)
  end
  local jobs = math.floor(options.jobs or core.host().cpus)
  local given = { seed = math.floor(options.seed or 1), runs = math.floor(options.runs or 1000), jobs = jobs,
    seconds = options.hours and options.hours * 3600, first = options.first }
  given.runs = given.seconds and math.maxinteger or given.runs
  given.jobs = math.min(jobs, given.runs)
  local sum = given.jobs == 1 and not given.seconds and hunt.here(given) or hunt.run(given)
  print_lines(tell.sum(sum, given))
  tell_findings(sum.found, options.as_it_is)
  return sum.found[1] and found_status or cli.status.ok
end

return M
