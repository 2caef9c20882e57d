--- Finding drivers.
local M = {}

M.names = { "magventure" }

--- The driver of that name; "sim" is the simulated default.
---@param name string
---@return table? driver
---@return string? message
function M.find(name)
  for _, known in ipairs(M.names) do
    if known == name then
      return require("moonpulse.devices." .. name)
    end
  end
  return nil, ("there is no device %q; known: sim, %s"):format(name, table.concat(M.names, ", "))
end

return M
