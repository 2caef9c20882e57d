--- The latency test: how late this host wakes a thread that waits as the dispatcher waits.
local core = require "moonpulse.core"
local numbers = require "moonpulse.text.numbers"

local M = {}

--- Not a whole number of milliseconds, so that wakes wander through the kernel's ticks.
M.period_s = 997e-6
M.longest_s = 1000
--- What moonpulse run calls late unless --tolerance says otherwise.
M.late_s = 0.001

--- Ours, not a standard: docs/doctor.md gives the reasons.
M.uses = {
  { name = "paired pulses", p99 = 0.0001 },
  { name = "bursts", p99 = 0.001 },
  { name = "trains", p99 = 0.005 },
}

---@class moonpulse.doctor.latency.Hooks
---@field progress (fun(elapsed: number, wakes: integer, worst: number))? called some ten times a second
---@field stopped (fun(): boolean)? true ends the test

--- Run the test inside a task; the loop goes on meanwhile.
---@param seconds number above 0, at most M.longest_s
---@param hooks moonpulse.doctor.latency.Hooks?
---@return table? result { count, min, p50, p95, p99, ["p99.9"], max (seconds), late, stopped, buckets }
---@return string? message
function M.measure(seconds, hooks)
  hooks = hooks or {}
  local test, message = core.latency_test(seconds, M.period_s)
  if not test then
    return nil, message
  end
  local guard <close> = test -- luacheck: ignore guard
  local stopped, running = false, true
  while running and not stopped do
    core.wait(0.1)
    local wakes, worst
    running, wakes, worst = test:progress()
    if hooks.progress then
      hooks.progress(wakes * M.period_s, wakes, worst)
    end
    stopped = running and hooks.stopped ~= nil and hooks.stopped()
  end
  if stopped then
    test:stop()
  end
  local result = test:result()
  result.late, result.stopped = test:later(M.late_s), stopped
  return result
end

--- A latency for people: three digits, in the unit that fits.
---@param seconds number
function M.text(seconds)
  if seconds < 0.0009995 then
    return ("%.3g us"):format(seconds * 1e6)
  elseif seconds < 0.9995 then
    return ("%.3g ms"):format(seconds * 1e3)
  end
  return ("%.3g s"):format(seconds)
end

--- The names of the uses that the result is fit for.
---@param result moonpulse.core.LatencyResult
---@return string[]
function M.fit(result)
  local names = {}
  for _, use in ipairs(M.uses) do
    if result.count > 0 and result.p99 <= use.p99 then
      names[#names + 1] = use.name
    end
  end
  return names
end

--- The test as a finding of the doctor.
---@param result moonpulse.core.LatencyResult with late: wakes later than the worst use takes
---@return moonpulse.doctor.Finding
function M.finding(result)
  local fit = M.fit(result)
  local worst, finding = M.uses[#M.uses], { name = "latency test" }
  finding.status = #fit == 0 and "bad" or (#fit < #M.uses or result.late > 0) and "warn" or "ok"
  if #fit == 0 then
    finding.found = ("fit for nothing timed: p99 is %s, trains need %s"):format(M.text(result.p99),
      M.text(worst.p99))
  else
    finding.found = ("fit for %s (p99 %s)"):format(table.concat(fit, ", "), M.text(result.p99))
  end
  if result.late > 0 then
    finding.found = ("%s; %s of %s wakes over %s: about %.2g in 600 pulses"):format(
      finding.found, numbers.count(result.late), numbers.count(result.count), M.text(M.late_s),
      600 * result.late / result.count)
  end
  if finding.status ~= "ok" then
    finding.why = (result.late > 0 and "run stops at such a pulse (see --tolerance and --late): "
      or "") .. "mend what is marked above, close other programs, test again"
      .. (result.fifo and "; on a virtual machine the other guests of its host delay wakes" or "")
  end
  return finding
end

local widest = 40

--- The histogram as lines; the bars are logarithmic so that one late wake is still seen.
---@param result moonpulse.core.LatencyResult
---@return string[]
function M.histogram(result)
  local first, last, most = nil, 0, 1
  for i, bucket in ipairs(result.buckets) do
    if bucket.count > 0 then
      first, last, most = first or i, i, math.max(most, bucket.count)
    end
  end
  local lines = {}
  for i = first or 1, last do
    local bucket = result.buckets[i]
    local range = bucket.to and ("%s to %s"):format(M.text(bucket.from), M.text(bucket.to))
      or M.text(bucket.from) .. " and more"
    local share = math.log(1 + bucket.count) / math.log(1 + most)
    lines[#lines + 1] = ("%18s %9s  %s"):format(range, numbers.count(bucket.count),
      ("#"):rep(math.ceil(share * widest)))
  end
  return lines
end

return M
