--- Of a table of events the pulses that an external device fired: how many, and how close they came.
local M = {}

---@class moonpulse.FromOutside
---@field count integer
---@field otherwise integer of these, those that were not given as the device was set
---@field shortest_s number? between two of them that followed one another; nil: there are no two

--- Count them.
---@param pulses table[] of moonpulse.record.read.events
---@return moonpulse.FromOutside? nil: there is none
function M.of(pulses)
  local times, otherwise, shortest = {}, 0, nil
  for _, row in ipairs(pulses) do
    if row.external and row.time then
      times[#times + 1] = row.time
      otherwise = otherwise + (row.status == "otherwise" and 1 or 0)
    end
  end
  table.sort(times)
  for i = 2, #times do
    shortest = math.min(shortest or math.huge, times[i] - times[i - 1])
  end
  return times[1] and { count = #times, otherwise = otherwise, shortest_s = shortest } or nil
end

return M
