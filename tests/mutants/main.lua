--- Plants small faults in the sources, one at a time, and sees whether the tests find them (make mutants).
local core = require "moonpulse.core"
require "moonpulse"
package.path = "tests/?.lua;tests/helpers/?.lua;" .. package.path
local draw = require "mutants.draw"
local judge = require "mutants.judge"
local lfs = require "lfs"
local notes = require "mutants.notes"
local report = require "mutants.report"
local trees = require "mutants.tree"

local help = [[
usage: make mutants [MUTANTS="OPTIONS"]

Plants small faults in dispatcher, stop, gate, record and drivers, one at a time, each in a copy of the
sources, and runs the tests that are about that file for at most 60 s: of the processor for tests that wait
for no clock. It goes on where it was left off; the verdicts are in build/mutants/. What survives is a missing
test, or is explained in tests/mutants/explained.tsv.

  --count N        how many faults (300)
  --seed N         other faults (1); the same number, sources and tools give the same faults
  --only PATTERN   only those of the drawn whose "part path kind key" has this Lua pattern
  --key KEY        this one, drawn or not, judged again
  --first PATTERN  ask the tests whose names have this Lua pattern before the others
  --again          judge again what survived; --fresh: everything
  --minutes N      begin none after so many minutes
  --bound N        a first look: tests for at most so many seconds each, not 60
  --steady         a first look: only tests that wait for no clock
  --list           say what would be planted, and plant nothing
  --jobs N         so many at once (MP_JOBS, or 2)

Exit status: 0 at least 95 % were found and the rest is explained; 1 otherwise; 2 the judge itself fails.
]]

local folder = "build/mutants"

local function options_of(words)
  local options = { count = 300, seed = 1, jobs = tonumber(os.getenv("MP_JOBS") or "") or 2,
    minutes = math.huge, bound = judge.bound_s }
  local takes = { count = tonumber, seed = tonumber, minutes = tonumber, jobs = tonumber, bound = tonumber,
    only = tostring, key = tostring, first = tostring }
  local i = 1
  while words[i] do
    local name = words[i]:match("^%-%-(%l+)$")
    if takes[name] and words[i + 1] and takes[name](words[i + 1]) then
      options[name], i = takes[name](words[i + 1]), i + 1
    elseif name == "again" or name == "steady" or name == "fresh" or name == "list" or name == "help" then
      options[name] = true
    else
      io.stderr:write("mutants: what is ", words[i], "?\n", help)
      os.exit(2)
    end
    i = i + 1
  end
  return options
end

local counted = { found = true, survived = true, explained = true }

---@class mutants.Draw the faults of a run, part by part, until each has its share of such as change something
local Draw = {}
Draw.__index = Draw

local function new_draw(options, known, root)
  local everything, explained = draw.everything(root), notes.read("tests/mutants/explained.tsv")
  local shares, names = draw.shares(options.count)
  local self = setmetatable({ options = options, known = known, explained = explained, shares = shares,
    names = names, parts = {}, by_key = {}, verdicts = {} }, Draw)
  for name, list in pairs(everything) do
    self.parts[name] = { list = draw.ordered(list, options.seed), at = 0, real = 0, running = 0 }
    for _, mutant in ipairs(list) do
      self.by_key[mutant.key] = mutant
    end
  end
  return self
end

--- A verdict comes in.
function Draw:enter(mutant, verdict)
  local part = self.parts[mutant.part]
  verdict.mutant = mutant
  self.verdicts[mutant.key] = verdict
  part.real = part.real + (counted[verdict.verdict] and 1 or 0)
end

--- What is known of a fault before it is planted.
function Draw:before(mutant)
  local options, row = self.options, self.known[mutant.key]
  if self.explained[mutant.key] then
    return { verdict = "explained" }
  elseif row and not (options.again and row.verdict == "survived") then
    return row
  elseif options.only and not ("%s %s %s %s"):format(mutant.part, mutant.path, mutant.kind, mutant.key)
    :find(options.only) then
    return { verdict = "left" }
  elseif #judge.tests(mutant.path, options.steady) == 0 then
    return { verdict = "left" }
  end
end

--- The next fault to plant; nil: none now, or none any more.
function Draw:next()
  local best
  for _, name in ipairs(self.names) do
    local part = self.parts[name]
    local has = (part.real + part.running) / self.shares[name]
    if has < 1 and part.at < #part.list and (not best or has < best.has) then
      best = { part = part, has = has }
    end
  end
  if not best then
    return nil
  end
  local part = best.part
  part.at = part.at + 1
  local mutant = part.list[part.at]
  local before = self:before(mutant)
  if before then
    self:enter(mutant, before)
    part.real = part.real + (before.verdict == "left" and 1 or 0)
    return self:next()
  end
  part.running = part.running + 1
  return mutant
end

function Draw:wanted()
  local wanted, real, busy = 0, 0, 0
  for _, name in ipairs(self.names) do
    wanted = wanted + self.shares[name]
    real, busy = real + self.parts[name].real, busy + self.parts[name].running
  end
  return wanted, real, busy
end

--- Run a test without a fault, in a copy of its own; nil and what it said: it fails all the same.
local function measured(run, test)
  run.clean = run.clean or trees.copy(run.root, run.own .. "/clean")
  for _ = 1, 2 do -- a busy machine may spoil one of them
    local how, took = run.clean:test(test, 240)
    if how == "passed" and (not test.line:find("tests/specs.lua", 1, true) or run.clean:ran()) then
      return took
    end
  end
  return nil, run.clean:said()
end

--- How long a test takes without a fault, measured when it first finds one, once for all runs; without end if
--- it does not pass: such a test finds nothing.
local function usual_s(run, test)
  while run.measuring do -- two jobs have one such copy
    core.wait(0.2)
  end
  if not run.times[test.name] then
    run.measuring = true
    local took, said = measured(run, test)
    run.measuring = false
    if took then
      notes.add(folder .. "/times.tsv", notes.times, { test = test.name, seconds = ("%.2f"):format(took) })
    else
      print(("%s is not asked: it does not pass without a fault: %s"):format(test.name, said))
    end
    run.times[test.name] = took or math.huge
  end
  return run.times[test.name]
end

-- from here on a test is asked after the others
local SLOW_S = 5

--- How long a test takes, as far as is known: without a fault, or where it passed with one.
local function expected_s(run, test)
  return run.times[test.name] or run.passed[test.name] or 0
end

--- The same tests: those that were asked for first, those that are known to be slow last.
local function quick_first(run, tests)
  local list, quick, slow = {}, {}, {}
  for _, test in ipairs(tests) do
    local first = run.options.first and test.name:find(run.options.first)
    table.insert(first and list or expected_s(run, test) > SLOW_S and slow or quick, test)
  end
  table.move(quick, 1, #quick, #list + 1, list)
  return table.move(slow, 1, #slow, #list + 1, list)
end

--- Ask a test about the fault that is planted, which may take left_s seconds.
---@return "passed"|"failed"|"hung" hung: it took far longer than without the fault
---@return number seconds that count
local function asked(run, tree, test, left_s)
  local known = run.times[test.name]
  local most_s = known and math.min(judge.patience(known), left_s) or left_s
  local how, took_s = tree:test(test, most_s)
  if how == "passed" then
    run.passed[test.name] = took_s
    -- of the clock no more than it takes by itself: the rest is what others did with the machine
    return how, test.steady and took_s or math.min(took_s, known or took_s)
  end
  local usual = usual_s(run, test)
  if usual == math.huge then
    return "passed", 0
  end
  local patience_s = judge.patience(usual)
  -- what is not all Lua in virtual time may fail because the machine is busy: twice it does not
  if how == "failed" and (test.program or not test.steady) then
    local again_s
    most_s = math.min(patience_s, math.max(left_s - took_s, usual + 1))
    how, again_s = tree:test(test, most_s)
    took_s = took_s + again_s
  end
  return how == "hung" and most_s < patience_s and "passed" or how, took_s
end

--- Run the tests one after the other until one fails.
local function judged(run, tree, tests)
  local bound = run.options.bound
  local left = bound
  for i, test in ipairs(tests) do
    if expected_s(run, test) < left then
      if not tree:ready(tests, i) then
        return { verdict = "unbuilt", seconds = bound - left }
      end
      local how, took = asked(run, tree, test, left)
      left = left - took
      if how ~= "passed" then
        return { verdict = "found", by = test.name .. (how == "hung" and " (came to no end)" or ""),
          said = how == "failed" and tree:said() or "", seconds = bound - left }
      end
    end
  end
  return { verdict = "survived", seconds = bound - left }
end

--- Plant one and judge it.
local function try(run, tree, mutant)
  local tests = quick_first(run, judge.tests(mutant.path, run.options.steady))
  local how = tree:plant(mutant)
  local verdict = how == "planted" and judged(run, tree, tests) or { verdict = how, seconds = 0 }
  tree:clear()
  return verdict
end

--- The same; nil and why, where the judge itself fails.
local function tried(run, tree, mutant)
  local ok, verdict = pcall(try, run, tree, mutant)
  if ok then
    return verdict
  end
  return nil, type(verdict) == "table" and verdict.judge or verdict
end

local function save(path, mutant, verdict)
  local row = setmetatable({ seconds = ("%.1f"):format(verdict.seconds) }, { __index = function(_, name)
    return verdict[name] or mutant[name]
  end })
  notes.add(path, notes.verdicts, row)
end

local function work(run, number)
  local tree = trees.copy(run.root, ("%s/tree-%d"):format(run.own, number))
  while not run.problem and os.time() < run.until_s do
    local mutant = run.draw:next()
    if mutant then
      local verdict, why = tried(run, tree, mutant)
      if not verdict then
        run.problem = why
        break
      end
      run.draw.parts[mutant.part].running = run.draw.parts[mutant.part].running - 1
      run.draw:enter(mutant, verdict)
      run.judged = run.judged + (counted[verdict.verdict] and 1 or 0)
      save(run.path, mutant, verdict)
      report.line(run, mutant, verdict)
    elseif select(3, run.draw:wanted()) > 0 then
      core.wait(0.2) -- one that is being tried may turn out to change nothing
    else
      break
    end
  end
end

local function play(run)
  local task, left = core.current(), run.options.jobs
  for number = 1, run.options.jobs do
    core.spawn(function()
      local ok, why = pcall(work, run, number)
      run.problem = run.problem or not ok and why or nil
      left = left - 1
      task:wake()
    end)
  end
  while left > 0 do
    core.wait()
  end
end

local function one(run, key)
  local mutant = run.draw.by_key[key]
  if not mutant then
    return "no fault has the key " .. key
  end
  local tree = trees.copy(run.root, run.own .. "/tree-1")
  report.show(mutant)
  local verdict, why = tried(run, tree, mutant)
  if not verdict then
    return why
  end
  save(run.path, mutant, verdict)
  report.line(run, mutant, verdict)
end

local function main(options)
  if options.help then
    io.write(help)
    return 0
  end
  -- a copy of all that others are made from: who works on the sources meanwhile is not mixed up with a fault
  local own = ("%s/%s%s"):format(lfs.currentdir(), folder, options.key and "/one" or "")
  os.execute("mkdir -p " .. own)
  local lock <close> = not options.list and core.lock_folder(own) or nil
  if not lock and not options.list then
    io.stderr:write("mutants: another one is going on in ", own, "\n")
    return 2
  end
  local path, times = ("%s/verdicts-%d.tsv"):format(folder, options.seed), {}
  if options.fresh then
    os.remove(path)
    os.remove(folder .. "/times.tsv")
  end
  for name, row in pairs(notes.read(folder .. "/times.tsv")) do
    times[name] = tonumber(row.seconds)
  end
  local root = options.list and "." or trees.copy(lfs.currentdir(), own .. "/sources").path
  local run = { options = options, path = path, times = times, passed = {}, judged = 0, began_s = os.time(),
    own = own,
    root = root, until_s = os.time() + options.minutes * 60,
    draw = new_draw(options, notes.read(path), root) }
  if options.list then
    report.list(run)
    return 0
  elseif options.key then
    run.problem = one(run, options.key)
  else
    play(run)
  end
  if run.problem then
    io.stderr:write("mutants: ", tostring(run.problem), "\n")
    return 2
  end
  return options.key and 0 or report.table(run)
end

local status
core.run(function() status = main(options_of(arg)) end)
os.exit(status or 2)
