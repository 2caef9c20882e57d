--- What the simulators of a run were told to do wrong (--fault).
local M = {}

--- Of a manifest's device, or of each of several: "drop@3", "left: drop@3; right: nak@1".
---@param device any
---@return string? nil: nothing
function M.words(device)
  if type(device) ~= "table" then
    return nil
  end
  local list = {}
  for _, each in ipairs(type(device.devices) == "table" and device.devices or {}) do
    if type(each) == "table" and each.faults ~= nil then
      list[#list + 1] = ("%s: %s"):format(tostring(each.place), tostring(each.faults))
    end
  end
  local own = device.faults ~= nil and device.faults ~= "" and tostring(device.faults) or nil
  return own or list[1] and table.concat(list, "; ") or nil
end

return M
