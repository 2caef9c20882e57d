--- On which devices a journal says that its run was: what is made again from a folder, which may be somebody
--- else's, is made on the simulators of shipped drivers, and what does not name such devices is not.
local drivers = require "moonpulse.driver.find"

local M = {}

local least, most = 2, 8 -- several: as many as a run drives

local function unshipped(name)
  return ("its driver %s is no shipped one, and no driver that a record names is loaded"):format(
    tostring(name))
end

--- Why what is said of several devices is not what a run says of them; nil: it is.
local function not_several(devices)
  if type(devices) ~= "table" or #devices < least or #devices > most then
    return "the journal does not say how it was driven: its devices are no list of several"
  end
  local known = {}
  for _, each in ipairs(devices) do
    local place = type(each) == "table" and each.place
    if type(place) ~= "string" or not place:find("^[%w_%-]+$") or known[place] then
      return "the journal does not say how it was driven: a device of several has no name of its own"
    elseif not drivers.known(each.name) then
      return unshipped(each.name)
    end
    known[place] = true
  end
end

--- Why the run that a journal's first line begins cannot be made again on simulators of shipped drivers.
---@param begin table
---@return string? why nil: it can
function M.why_not(begin)
  if begin.devices ~= nil then
    return not_several(begin.devices)
  end
  local name = type(begin.device) == "table" and begin.device.name
  return not drivers.known(name) and unshipped(name) or nil
end

return M
