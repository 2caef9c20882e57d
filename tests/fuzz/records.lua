--- Fuzzes whole run folders: real ones of all devices and kinds, damaged, given to recover, to the report and
--- to the history that check --participant counts.
--
-- moonpulse lua tests/fuzz/records.lua FOLDER COUNT [SEED] [DEVICE,...]: COUNT damaged folders, from SEED on.
-- moonpulse lua tests/fuzz/records.lua FOLDER one N: number N again, and what comes of it.
--
-- What may never happen: a Lua error as it is (a file with a line number, "attempt to"), a control character
-- on the terminal, more than 5 s, a crash, a good folder beside the damaged one that does not count. Damaged
-- folders are tried many in a process; the process is watched from outside, for what C does not come back
-- from.
package.path = "tests/?.lua;tests/helpers/?.lua;tests/fuzz/?.lua;" .. package.path
local damage = require "damage"
local folders = require "record_folders"
local lfs = require "lfs"
local shell = require "shell"
local trial = require "trial_run"

local folder, how, first, devices = arg[1], arg[2], tonumber(arg[3]) or 1, arg[4]
local names = { "manifest.json", "recover.json", "journal.jsonl", "flight.bin", "events.tsv", "twin.tsv" }

local function bases()
  local list = {}
  for line in io.lines(folder .. "/bases") do
    list[#list + 1] = line
  end
  return list
end

local function read_files(path)
  local files = {}
  for _, name in ipairs(names) do
    files[name] = shell.read(path .. "/" .. name)
  end
  return files
end

local function put(path, content)
  if type(content) == "string" then
    shell.write(path, content)
  elseif content.kind == "fifo" then
    os.execute("mkfifo " .. shell.quote(path))
  elseif content.kind == "folder" then
    lfs.mkdir(path)
  elseif content.kind == "link" then
    lfs.link(content.target, path, true)
  elseif content.kind == "sparse" then
    local file = assert(io.open(path, "wb"))
    file:seek("set", 1 << 40)
    file:write("x")
    file:close()
  elseif content.kind == "empty" then
    shell.write(path, "")
  end
end

--- Damaged folder number n, as out/run, beside a good one, out/good.
local function make(n, list, cache, out)
  math.randomseed(n)
  local base = list[math.random(#list)]
  cache[base] = cache[base] or read_files(base)
  local files = {}
  for name, text in pairs(cache[base]) do
    files[name] = text
  end
  local what = damage.some(files)
  for _, name in ipairs(shell.names(out)) do
    if name:find("^run") then
      shell.remove(out .. "/" .. name)
    end
  end
  local path = out .. "/run" .. (n % 50 == 0 and "\27[31m" or "")
  lfs.mkdir(path)
  for name, content in pairs(files) do
    put(path .. "/" .. name, content)
  end
  return path, ("%d (%s: %s)"):format(n, base:match("[^/]*$"), what)
end

--- Numbers first to last in this process; findings go to standard output.
local function batch(last)
  local list, cache, out = bases(), {}, ("%s/work-%d"):format(folder, first)
  os.execute(("rm -rf %s; mkdir -p %s; cp -r %s %s/good"):format(shell.quote(out), shell.quote(out),
    shell.quote(list[1]), shell.quote(out)))
  local now = io.open(folder .. "/now", "w")
  collectgarbage("setpause", 400) -- what a command leaves is short-lived
  for n = first, last do
    local path, what = make(n, list, cache, out)
    now:seek("set", 0)
    now:write(("%-12d"):format(n))
    now:flush()
    for _, finding in ipairs(trial.all(path, out, n % 10 == 0)) do
      print(("FOUND %s: %s"):format(what, finding))
    end
  end
  os.execute("rm -rf " .. shell.quote(out))
end

if how == "batch" then
  first = tonumber(arg[3])
  batch(tonumber(arg[4]))
  return 0
elseif how == "one" then
  local out = folder .. "/one"
  os.execute(("rm -rf %s; mkdir -p %s; cp -r %s %s/good"):format(shell.quote(out), shell.quote(out),
    shell.quote(bases()[1]), shell.quote(out)))
  local path, what = make(first, bases(), {}, out)
  print(what, path)
  for _, finding in ipairs(trial.all(path, out, true)) do
    print("FOUND " .. finding)
  end
  return 0
end
local chosen = {}
for name in (devices or table.concat(require("moonpulse.driver.find").names, ",")):gmatch("[^,]+") do
  chosen[#chosen + 1] = name
end
local made = folders.make(folder .. "/made", chosen)
shell.write(folder .. "/bases", table.concat(made, "\n") .. "\n")
return require("batches").all(folder, "tests/fuzz/records.lua", "damaged folders", first, tonumber(how))
