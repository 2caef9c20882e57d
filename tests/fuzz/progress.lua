--- Does a process come to its end? A busy computer makes the same work take longer, so no time of the wall's
--- judges it: what it and its children have computed at one case does, and whether they do anything at all.
local core = require "moonpulse.core"

local M = {}

--- What one case may compute, with its children, in seconds: far beyond the longest, and beyond what each
--- case judges of itself.
M.most_s = 120
--- So long a process may neither compute nor wait for a processor.
M.most_idle_s = 30

local Progress = {}
Progress.__index = Progress

--- Watch one that begins now.
---@param slowed number? what is told of is so many times as slow as a plain build
---@param now_s number? of the clock that looks have; the monotonic one's
---@return table
function M.new(slowed, now_s)
  return setmetatable({ most_s = M.most_s * (slowed or 1), case_s = 0, idle_s = 0, computed_s = 0,
    now_s = now_s or core.real_ns() / 1e9 }, Progress)
end

--- It was looked at.
---@param now_s number of any clock
---@param case string? which it is at
---@param computed_s number by it and its children since it began
---@param runs boolean one of them runs, or waits for a processor
---@return string? why it comes to no end
function Progress:look(now_s, case, computed_s, runs)
  if case ~= self.case then
    self.case, self.case_s, self.idle_s = case, computed_s, 0
  end
  local idle = computed_s <= self.computed_s and not runs
  self.idle_s = idle and self.idle_s + now_s - self.now_s or 0
  self.computed_s, self.now_s = math.max(computed_s, self.computed_s), now_s
  if computed_s - self.case_s > self.most_s then
    return ("it computed %.0f s"):format(computed_s - self.case_s)
  elseif self.idle_s > M.most_idle_s then
    return ("it did nothing for %.0f s"):format(self.idle_s)
  end
end

local function read(path)
  local file <close> = io.open(path)
  return file and file:read "a"
end

--- What this process has computed, and its children that have ended, in seconds.
---@return number
function M.own_s()
  local seconds, field = os.clock(), 3
  for number in ((read("/proc/self/stat") or ""):match("%) %a([%d%s%-]+)") or ""):gmatch("%-?%d+") do
    field = field + 1
    seconds = seconds + ((field == 16 or field == 17) and number / 100 or 0)
  end
  return seconds
end

--- What a process and its children have computed, in seconds (the system counts hundredths), and whether one
--- of them runs.
---@param pid integer
---@return number seconds
---@return boolean runs
function M.computed(pid)
  local state, numbers = (read(("/proc/%d/stat"):format(pid)) or ""):match("%) (%a)([%d%s%-]+)")
  if not state then
    return 0, false
  end
  local field, seconds, runs = 3, 0, state == "R"
  for number in numbers:gmatch("%-?%d+") do
    field = field + 1
    seconds = seconds + (field >= 14 and field <= 17 and number / 100 or 0) -- also of those that ended
  end
  for child in (read(("/proc/%d/task/%d/children"):format(pid, pid)) or ""):gmatch("%d+") do
    local theirs, they_run = M.computed(math.tointeger(child))
    seconds, runs = seconds + theirs, runs or they_run
  end
  return seconds, runs
end

return M
