--- Wall-clock times as records have them.
local M = {}

--- ISO 8601 with microseconds, in this computer's zone: "2026-11-27T20:50:49.123456+00:00".
---@param wall_ns integer since the epoch, as core.wall_ns has it
---@return string
function M.iso(wall_ns)
  local seconds, rest = wall_ns // 1000000000, wall_ns % 1000000000
  local sign, hours, minutes = tostring(os.date("%z", seconds)):match("^([+-])(%d%d)(%d%d)$")
  return ("%s.%06d%s"):format(os.date("%Y-%m-%dT%H:%M:%S", seconds), rest // 1000,
    sign and ("%s%s:%s"):format(sign, hours, minutes) or "Z")
end

return M
