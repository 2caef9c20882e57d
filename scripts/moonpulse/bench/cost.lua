--- What a record costs: to verify, recover, export, check, hash and list. Processor time in seconds, of the
--- program and of what anybody has to do with the same files.
local core = require "moonpulse.core"
local journals = require "moonpulse.record.journal"
local lfs = require "lfs"
local programs = require "moonpulse.bench.programs"
local scripts = require "moonpulse.record.verify_script"
local sha256 = require "moonpulse.text.sha256"

local M = {}

local protocol = [[
local mp = require "moonpulse"
return mp.protocol {
  id = "cost", name = "cost", params = { n = { default = 1, min = 1, max = 10000000 } },
  plan = function(p) return mp.train { pulses = p.n, hz = 10, intensity = mp.mso(10) } end,
}
]]

-- What a run does with its files and its journal at the end: each file once, and each line.
local hashing = [[
local seals, sha256 = require "moonpulse.record.seal", require "moonpulse.text.sha256"
local folder = ...
for _, each in ipairs(folder and assert(seals.list(folder)) or {}) do
  assert(sha256.of_file(folder .. "/" .. each.name))
end
for line in io.lines(folder and folder .. "/journal.jsonl" or "/dev/null") do
  sha256.of(line)
end
]]

-- What every reader of the folder has to do at least.
local reading = [[find "$1" -type f -exec sha256sum {} + -exec wc -l {} + >/dev/null]]

local rehearsed = { "--beyond-guidelines", "a benchmark", "--approval", "none" }

local function write(path, text)
  local file <close> = assert(io.open(path, "wb"))
  assert(file:write(text))
end

--- The one folder in another one.
local function only_in(out)
  for name in lfs.dir(out) do
    if name:sub(1, 1) ~= "." then
      return out .. "/" .. name
    end
  end
end

--- Run the protocol: the processor time and the folder.
local function run(work, name, pulses, ...)
  local out = work .. "/" .. name
  local words = { programs.executable, "run", work .. "/cost.lua", "-p", "n=" .. pulses, "--out", out, ... }
  table.move(rehearsed, 1, #rehearsed, #words + 1, words)
  return programs.cpu_time(table.unpack(words)), only_in(out)
end

--- A run in real time, killed after 3 s, that has its pulses all the same (bench flight), recovered: its
--- folder, and the processor time that recover took.
local function killed(work, pulses)
  local out = work .. "/killed"
  programs.output(([[%s & sleep 3; kill -9 $! 2>/dev/null; wait $! 2>/dev/null]]):format(programs.command(
    programs.executable, "run", work .. "/cost.lua", "-p", "n=" .. pulses, "--out", out, "--tolerance", "500",
    "--late", "skip", table.unpack(rehearsed)) .. " >/dev/null 2>&1"))
  local folder = only_in(out)
  programs.measure("flight", { from = folder .. "/flight.bin", to = work .. "/flight.bin", pulses = pulses })
  assert(os.rename(work .. "/flight.bin", folder .. "/flight.bin"))
  local cpu = programs.cpu_time(programs.executable, "recover", folder)
  return cpu and folder, cpu
end

--- A folder with a journal of so many lines, and its verify.sh; the lines as files, for the reference.
local function journal(work, lines)
  local folder, files, head, parts = work .. "/journal", work .. "/lines", journals.none, {}
  lfs.mkdir(folder)
  lfs.mkdir(files)
  for number = 1, lines do
    local line = journals.line("mark", { at_ns = number * 1000000, text = "trial " .. number }, number, head)
    parts[number], head = line .. "\n", sha256.of(line)
    write(("%s/%d"):format(files, number), line)
  end
  local manifest = ('{"journal_head":"%s","journal_lines":%d}\n'):format(head, lines)
  local text = table.concat(parts)
  write(folder .. "/journal.jsonl", text)
  write(folder .. "/manifest.json", manifest)
  write(folder .. "/SHA256SUMS", ("%s  journal.jsonl\n%s  manifest.json\n"):format(sha256.of(text),
    sha256.of(manifest)))
  write(work .. "/" .. scripts.name, scripts.text)
  return folder, files
end

--- As many run folders as a lab has after years, which are links to one.
local function many(work, folder, count)
  local out = work .. "/many"
  lfs.mkdir(out)
  local from
  for i = 0, count - 1 do
    local path = ("%s/2026-01-01T%06d_cost"):format(out, i)
    lfs.mkdir(path)
    for _, name in ipairs { "manifest.json", "events.tsv", "SHA256SUMS", "journal.jsonl" } do
      if i % 20000 == 0 then -- a file has not so many links
        write(path .. "/" .. name, core.read_file(folder .. "/" .. name, 16000000))
      else
        assert(lfs.link(from .. "/" .. name, path .. "/" .. name))
      end
    end
    from = i % 20000 == 0 and path or from
  end
  return out
end

local function of_pulses(folder, name, into)
  into[name] = programs.cpu_time(programs.executable, "verify", folder)
  into[name .. "_reading"] = programs.cpu_time("sh", "-c", reading, "sh", folder)
end

-- Devices whose simulators the engine does not answer for: each pulse goes through Lua.
M.long_way = { "stimjim", "pulsepal" }

--- What they cost a pulse: their run, and its verify, which plays it again.
local function of_long_way(work, pulses)
  local list = {}
  for i, device in ipairs(M.long_way) do
    local cpu, folder = run(work, device, pulses, "--device", "sim:" .. device, "--speed", "max", "--timing",
      "host")
    list[i] = { device = device, pulses = pulses, run = cpu,
      verify = programs.cpu_time(programs.executable, "verify", folder) }
  end
  return list
end

local function of_export(work, folder, into)
  local dataset = work .. "/dataset"
  into.export = programs.cpu_time(programs.executable, "export", "bids", folder, "--bids", dataset, "--sub",
    "01")
  into.copying = programs.cpu_time("cp", "-r", dataset, work .. "/copy")
  into.check = programs.cpu_time(programs.executable, "check-bids", dataset)
  into.check_reading = programs.cpu_time("sh", "-c", reading, "sh", dataset)
end

local function of_hashing(work, cpu, folder)
  write(work .. "/hashing.lua", hashing)
  local all = programs.cpu_time(programs.executable, "lua", work .. "/hashing.lua", folder)
  local none = programs.cpu_time(programs.executable, "lua", work .. "/hashing.lua")
  return { run = cpu, hashing = all and none and math.max(0, all - none) }
end

local function of_many(work, folder, count)
  local out = many(work, folder, count)
  local words = { "env", "XDG_CACHE_HOME=" .. work .. "/cache", "MOONPULSE_RUNS=" .. out, programs.executable,
    "runs" }
  local first = programs.cpu_time(table.unpack(words))
  os.execute("sleep 2.1") -- what changed within 2 s is not believed
  programs.cpu_time(table.unpack(words))
  return { count = count, first = first, again = programs.cpu_time(table.unpack(words)),
    looking = programs.cpu_time("find", out, "-mindepth", "1", "-printf", "%C@ %T@ %i %s\n") }
end

--- All of it.
---@param size { record: integer, runs: integer } pulses; folders of runs
---@return table
function M.measure(size)
  local work = programs.folder .. "/cost"
  programs.output(programs.command("rm", "-rf", work))
  lfs.mkdir(work)
  write(work .. "/cost.lua", protocol)
  local result = { pulses = size.record, lines = 10000 }
  local cpu, folder = run(work, "virtual", size.record, "--speed", "max", "--timing", "host")
  of_pulses(folder, "virtual", result)
  result.virtual_run = of_hashing(work, cpu, folder)
  of_export(work, folder, result)
  local real
  cpu, real = run(work, "real", 300, "--tolerance", "500")
  result.real_run = of_hashing(work, cpu, real)
  result.runs = of_many(work, real, size.runs)
  result.long_way = of_long_way(work, math.max(1000, size.record // 50))
  local torn
  torn, result.recover = killed(work, size.record)
  of_pulses(torn, "flight", result)
  local lines, files = journal(work, result.lines)
  result.script = programs.cpu_time("sh", work .. "/" .. scripts.name, lines)
  result.script_reading = programs.cpu_time("sh", "-c", 'find "$1" -type f -exec sha256sum {} + >/dev/null',
    "sh", files)
  programs.output(programs.command("rm", "-rf", work))
  return result
end

return M
