--- Quantiles and shares of onset errors.
local M = {}

local quantiles = { p50 = 0.5, p90 = 0.9, p95 = 0.95, p99 = 0.99, p999 = 0.999 }

--- The smallest value that at least a share q of the sorted values does not exceed.
---@param sorted number[]
---@param q number
---@return number
function M.quantile(sorted, q)
  return sorted[math.max(1, math.ceil(q * #sorted))]
end

--- The value in the middle of the sorted ones; of an even number the mean of the two in the middle.
---@param values number[]
---@return number? nil where there are no values
function M.median(values)
  local sorted = table.move(values, 1, #values, 1, {})
  table.sort(sorted)
  local n = #sorted
  if n == 0 then
    return nil
  end
  return (sorted[(n + 1) // 2] + sorted[n // 2 + 1]) / 2
end

--- Errors in nanoseconds to a summary in microseconds.
---@param errors_ns integer[]
---@return table
function M.summary(errors_ns)
  local sorted, n = table.move(errors_ns, 1, #errors_ns, 1, {}), #errors_ns
  table.sort(sorted)
  local result = { n = n, min = sorted[1] / 1000, max = sorted[n] / 1000, over_100us = 0,
    over_1ms = 0, early = 0 }
  for name, q in pairs(quantiles) do
    result[name] = M.quantile(sorted, q) / 1000
  end
  for _, value in ipairs(sorted) do
    result.over_100us = result.over_100us + (value > 100000 and 1 or 0)
    result.over_1ms = result.over_1ms + (value > 1000000 and 1 or 0)
    result.early = result.early + (value < 0 and 1 or 0)
  end
  return result
end

--- How far a series has got: the median error of its last 101 events, and the trend per event
--- from its first thousand to its last thousand. Medians: one late event is no drift.
---@param errors_ns integer[]
---@return table { last_ns = number, slope_ns = number, n = integer }
function M.drift(errors_ns)
  local n = #errors_ns
  local part = math.min(1000, n // 3)
  local function middle(first, last)
    return M.median(table.move(errors_ns, first, last, 1, {}))
  end
  return {
    n = n, last_ns = middle(math.max(1, n - 100), n),
    slope_ns = (middle(n - part + 1, n) - middle(1, part)) / (n - part),
  }
end

return M
