--- What is said while faults are planted, and at the end.
local draw = require "mutants.draw"
local faults = require "mutants.faults"
local shell = require "shell"

local M = {}

local function place(mutant)
  local change = #mutant.change > 90 and mutant.change:sub(1, 87) .. "..." or mutant.change
  return ("%s:%d %s: %s"):format(mutant.path, mutant.line, mutant.kind, change)
end

--- How many verdicts of each sort there are.
local function tally(run)
  local counts = setmetatable({}, { __index = function() return 0 end })
  for _, verdict in pairs(run.draw.verdicts) do
    counts[verdict.verdict] = counts[verdict.verdict] + 1
  end
  return counts
end

local function time_left(run, wanted, real)
  local each = (os.time() - run.began_s) / math.max(1, run.judged)
  local seconds = math.ceil(each * (wanted - real))
  return seconds < 90 and seconds .. " s" or math.ceil(seconds / 60) .. " min"
end

--- A line for each fault that was tried, with how far the run is.
function M.line(run, mutant, verdict)
  local counts = tally(run)
  local wanted, real = run.draw:wanted()
  local how = verdict.verdict == "found" and ("found by %s in %.1f s"):format(verdict.by, verdict.seconds)
    or verdict.verdict == "survived" and ("SURVIVED %.0f s of tests"):format(verdict.seconds)
    or verdict.verdict == "same" and "changes nothing: another instead" or "does not build: another instead"
  print(("[%d/%d] %s  %s  %s  (%d found, %d survived; %s left)"):format(real, wanted, mutant.key, how,
    place(mutant), counts.found, counts.survived, time_left(run, wanted, real)))
  io.stdout:flush()
end

--- A fault as lines of its source, before and after.
function M.show(mutant)
  local text = shell.read(mutant.path)
  local first = text:sub(1, mutant.from):match(".*\n()") or 1
  local behind = text:find("\n", math.max(mutant.to, first), true) or #text + 1
  local function lines(of, sign)
    return (of:gsub("[^\n]+", sign .. " %0"))
  end
  print(("%s %s:%d"):format(mutant.key, mutant.path, mutant.line))
  print(lines(text:sub(first, behind - 1), "-"))
  local after = faults.planted(text, mutant)
  print(lines(after:sub(first, behind - 1 + #after - #text), "+"))
end

--- What would be planted.
function M.list(run)
  local mutant = run.draw:next()
  while mutant do
    local part = run.draw.parts[mutant.part]
    part.running, part.real = part.running - 1, part.real + 1
    print(mutant.key, mutant.part, place(mutant))
    mutant = run.draw:next()
  end
end

local columns = { "planted", "found", "explained", "survived", "same", "unbuilt" }

local function counts_by(run, of)
  local rows = {}
  for _, verdict in pairs(run.draw.verdicts) do
    if verdict.verdict ~= "left" then
      local name = of(verdict.mutant)
      rows[name] = rows[name] or setmetatable({}, { __index = function() return 0 end })
      local row, sort = rows[name], verdict.verdict
      row[sort] = row[sort] + 1
      row.planted = row.planted + ((sort == "same" or sort == "unbuilt") and 0 or 1)
    end
  end
  return rows
end

local function print_rows(title, names, rows)
  print(("%-12s%10s%10s%10s%10s   %s"):format(title, "planted", "found", "explained", "survived",
    "changed nothing, did not build"))
  local sums = setmetatable({}, { __index = function() return 0 end })
  for _, name in ipairs(names) do
    local row = rows[name]
    if row then
      print(("%-12s%10d%10d%10d%10d   %d, %d"):format(name, row.planted, row.found, row.explained,
        row.survived, row.same, row.unbuilt))
      for _, column in ipairs(columns) do
        sums[column] = sums[column] + row[column]
      end
    end
  end
  print(("%-12s%10d%10d%10d%10d   %d, %d\n"):format("all", sums.planted, sums.found, sums.explained,
    sums.survived, sums.same, sums.unbuilt))
  return sums
end

local function slowest(run)
  local slow, hung, tests = 0, 0, {}
  for _, verdict in pairs(run.draw.verdicts) do
    if verdict.verdict == "found" then
      slow = math.max(slow, tonumber(verdict.seconds))
      hung = hung + (verdict.by:find("came to no end", 1, true) and 1 or 0)
      local name = verdict.by:match("^%S+")
      tests[name] = (tests[name] or 0) + 1
    end
  end
  return slow, hung, tests
end

--- The end: by part, by kind, by what found them, and what survived.
---@return integer exit status
function M.table(run)
  local _, parts = draw.shares(run.options.count)
  local kinds = {}
  for i, kind in ipairs(faults.kinds) do
    kinds[i] = kind.name
  end
  print()
  local sums = print_rows("part", parts, counts_by(run, function(mutant) return mutant.part end))
  print_rows("kind", kinds, counts_by(run, function(mutant) return mutant.kind end))
  local slow, hung, tests = slowest(run)
  local names = {}
  for name in pairs(tests) do
    names[#names + 1] = name
  end
  table.sort(names, function(a, b) return tests[a] > tests[b] or tests[a] == tests[b] and a < b end)
  for i, name in ipairs(names) do
    names[i] = ("%s %d"):format(name, tests[name])
  end
  print("found by: " .. table.concat(names, ", "))
  print(("the slowest took %.1f s; %d were found because a test came to no end in four times its usual time"
    .. " and 5 s\n"):format(slow, hung))
  for key, verdict in pairs(run.draw.verdicts) do
    if verdict.verdict == "survived" then
      print(("SURVIVED %s %s\n    %s"):format(key, place(verdict.mutant), verdict.mutant.was))
    end
  end
  for key, row in pairs(run.draw.explained) do
    if not run.draw.by_key[key] then
      print(("explained.tsv: %s of %s is no longer there: its function has changed"):format(key, row.path))
    end
  end
  local share = sums.planted > 0 and 100 * sums.found / sums.planted or 0
  print(("%d planted, %d found (%.1f %%), %d explained, %d survived"):format(sums.planted, sums.found, share,
    sums.explained, sums.survived))
  return share >= 95 and sums.survived == 0 and 0 or 1
end

return M
