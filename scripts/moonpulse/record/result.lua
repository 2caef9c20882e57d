--- Counts and timing of a record, for the manifest and the last lines of a run.
local core = require "moonpulse.core"

local M = {}

--- Percentiles by nearest rank, of values above 0 and so many zeros.
---@param values number[] sorted by it
---@param zeros integer
---@return { p50: number, p95: number, p99: number, max: number }? nil: there are none
function M.percentiles(values, zeros)
  local count = zeros + #values
  if count == 0 then
    return nil
  end
  core.sort_numbers(values)
  local function rank(p)
    return values[math.max(1, math.ceil(p / 100 * count)) - zeros] or 0.0
  end
  return { p50 = rank(50), p95 = rank(95), p99 = rank(99), max = rank(100) }
end

--- Counts and timing so far.
---@param record moonpulse.Record
---@return { pulses_sent: integer, pulses_confirmed: integer, pulses_skipped: integer, lateness_us: table? }
function M.of(record)
  if record.together then -- loaded for runs on several devices
    require("moonpulse.record.together").gather(record)
  end
  return {
    pulses_sent = record.pulses_sent, pulses_confirmed = record.pulses_confirmed,
    pulses_skipped = record.pulses_skipped, lateness_us = M.percentiles(record.onset_errors, record.punctual),
  }
end

return M
