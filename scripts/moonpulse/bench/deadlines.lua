--- One error for each deadline, for every method: else a stall counts once here and twelve times there.
---
--- Our own loops and the dispatcher report each deadline (tests/bench/deadlines.h). cyclictest reports its
--- wakes: after a late one it takes the next deadline that is still to come and says nothing of those that
--- passed.
local stats = require "moonpulse.bench.stats"

local M = {}

--- The deadlines after a series of wakes that leaves out those that passed: a wake L late at period P has
--- missed the deadline it waited for by L, the next by L - P, and so on.
---@param wakes_ns integer[] how late each wake was
---@param period_ns integer
---@return integer[] errors_ns
function M.of_wakes(wakes_ns, period_ns)
  local errors_ns = {}
  for _, late_ns in ipairs(wakes_ns) do
    errors_ns[#errors_ns + 1] = late_ns
    for left_ns = late_ns - period_ns, 1, -period_ns do
      errors_ns[#errors_ns + 1] = left_ns
    end
  end
  return errors_ns
end

--- The wakes of cyclictest's histogram (-h), which holds whole microseconds.
---@param text string
---@param limit_us integer of the histogram; what is beyond it counts as the limit, the largest as it was
---@return integer[] wakes_ns
function M.cyclictest_wakes(text, limit_us)
  local wakes_ns = {}
  for us, count in text:gmatch("\n(%d+) (%d+)") do
    for _ = 1, tonumber(count) do
      wakes_ns[#wakes_ns + 1] = tonumber(us) * 1000
    end
  end
  local beyond = tonumber(text:match("# Histogram Overflows: (%d+)")) or 0
  local largest_us = tonumber(text:match("# Max Latencies: (%d+)")) or limit_us
  for i = 1, beyond do
    wakes_ns[#wakes_ns + 1] = (i == 1 and math.max(largest_us, limit_us) or limit_us) * 1000
  end
  return wakes_ns
end

--- A histogram as a summary of every deadline; own: of the wakes alone, as cyclictest itself counts.
---@param text string
---@param period_us integer
---@param limit_us integer
---@return table? summary nil where there was no wake
function M.of_cyclictest(text, period_us, limit_us)
  local wakes_ns = M.cyclictest_wakes(text, limit_us)
  if #wakes_ns == 0 then
    return nil
  end
  local summary = stats.summary(M.of_wakes(wakes_ns, period_us * 1000))
  summary.own = stats.summary(wakes_ns)
  return summary
end

--- What a program of ours reports: a summary, void where a deadline is missing.
---@param raw table with errors_ns
---@param planned integer
---@return table summary
function M.of_report(raw, planned)
  local errors_ns = raw.errors_ns or {}
  local summary = #errors_ns > 0 and stats.summary(errors_ns) or { n = 0 }
  summary.void = raw.void ~= "" and raw.void or nil
  if not summary.void and #errors_ns ~= planned then
    summary.void = ("%d of %d deadlines were reported"):format(#errors_ns, planned)
  end
  return summary
end

--- What the host's own stalls cost anybody: the share of evenly spread deadlines that fall so far before the
--- end of a gap that whoever waits for them is later than each limit.
---@param stall table of bench stall: for each processor looked_ns, and gap time beyond 100 us and beyond 1 ms
---@return { over_100us: number, over_1ms: number } shares
function M.host_share(stall)
  local looked, over_100us, over_1ms = 0, 0, 0
  for _, cpu in ipairs(stall.cpus) do
    looked = looked + cpu.looked_ns
    over_100us, over_1ms = over_100us + cpu.beyond_100us_ns, over_1ms + cpu.beyond_1ms_ns
  end
  looked = math.max(looked, 1)
  return { over_100us = over_100us / looked, over_1ms = over_1ms / looked }
end

return M
