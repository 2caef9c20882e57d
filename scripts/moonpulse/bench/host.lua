--- What machine this is and what else it is doing.
local core = require "moonpulse.core"
local programs = require "moonpulse.bench.programs"

local M = {}

local function read(path)
  local file = io.open(path)
  local text = file and file:read("a")
  if file then
    file:close()
  end
  return text
end

--- Ticks of all processors since the machine started: all, idle, stolen.
local function ticks()
  local all, fields = 0, {}
  for value in (read("/proc/stat") or ""):match("^cpu ([^\n]*)"):gmatch("%d+") do
    fields[#fields + 1] = tonumber(value)
    all = all + (#fields <= 8 and fields[#fields] or 0) -- guest time is counted in user time
  end
  return { all = all, idle = fields[4] + fields[5], steal = fields[8] or 0 }
end

local function share(before, after, key)
  return (after[key] - before[key]) / math.max(1, after.all - before.all)
end

--- Describe the host; takes as long as the look for stalls, and a second more.
---@param stall_ms integer how long to look for stalls on each processor
---@return table
function M.describe(stall_ms)
  local facts = core.host()
  local before = ticks()
  programs.output("sleep 1")
  local after = ticks()
  local load = read("/proc/loadavg") or ""
  return {
    date = os.date("!%Y-%m-%d %H:%M UTC"), kernel = facts.kernel, cpus = facts.cpus,
    cpu = (read("/proc/cpuinfo") or ""):match("model name%s*: ([^\n]*)") or "unknown",
    clocksource = (read("/sys/devices/system/clocksource/clocksource0/current_clocksource")
      or "unknown"):match("%S+"),
    memory_mib = (tonumber((read("/proc/meminfo") or ""):match("MemTotal:%s*(%d+)")) or 0) // 1024,
    hypervisor = (read("/proc/cpuinfo") or ""):match("flags[^\n]*hypervisor") ~= nil,
    load_before = load:match("^%S+"),
    others_busy = 1 - share(before, after, "idle"), -- before anything of ours runs
    stall = programs.measure("stall", { ms = stall_ms }),
    ticks = after,
  }
end

--- Fill in what only the end can tell.
---@param host table as M.describe made it
function M.finish(host)
  local now = ticks()
  host.load_after = (read("/proc/loadavg") or ""):match("^%S+")
  host.steal = share(host.ticks, now, "steal")
  host.ticks = nil
end

return M
