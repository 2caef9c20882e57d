--- The cell of a table of train durations that a train is compared with: that of the next higher rate and the
--- next higher intensity.
local tables = require "moonpulse.safety.tables"

local M = {}

-- A limit is within; floats must not decide otherwise.
M.edge = 1e-9       -- of intensities, in percent
M.time_edge = 5e-10 -- s: onsets are whole nanoseconds, and one of them more is more
-- s: 1 s of silence after a train of 7 Hz may be sent as 1 ns more, for its end is no whole nanosecond
M.silence_edge = 1.5e-9
M.rate_edge = 1e-10 -- of a rate: moonpulse.safety.instants has taken the rounding of onsets out

local edge, rate_edge = M.edge, M.rate_edge

--- A table's rows by rate, the slowest first, each rate's columns from the lowest up; and the lowest of all.
local function by_rate(list)
  local rates, rate_of, lowest = {}, {}, math.huge
  for _, row in ipairs(list) do
    local rate = rate_of[row.hz]
    if not rate then
      rate = { hz = row.hz }
      rate_of[row.hz], rates[#rates + 1] = rate, rate
    end
    rate[#rate + 1] = row
    lowest = math.min(lowest, row.percent)
  end
  table.sort(rates, function(a, b) return a.hz < b.hz end)
  for _, rate in ipairs(rates) do
    table.sort(rate, function(a, b) return a.percent < b.percent end)
  end
  return { rates = rates, lowest = lowest }
end

local table_of = {} -- each train is looked up in them
for profile, source in pairs(tables.train_duration) do
  table_of[profile] = by_rate(source.rows)
end

--- The cell for a rate and an intensity; nil and what is missing where the table has none.
---@param profile "rossi2009"|"chen1997"
---@param hz number
---@param percent number % of the resting motor threshold
---@return table? cell
---@return "rate"|"intensity"|nil missing
---@return boolean? below_lowest its intensity is below the table's lowest column
function M.find(profile, hz, percent)
  local known = table_of[profile]
  for _, rate in ipairs(known.rates) do
    if rate.hz >= hz * (1 - rate_edge) then
      for _, cell in ipairs(rate) do
        if cell.percent >= percent - edge then
          return cell, nil, percent < known.lowest - edge
        end
      end
      return nil, "intensity"
    end
  end
  return nil, "rate"
end

return M
